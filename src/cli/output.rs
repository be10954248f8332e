//! Printing: data on standard output, talk on standard error.

use std::io::Write as _;
use std::path::Path;

use crate::cli::session::Stop;
use crate::report;

/// Prints data. A reader that has gone away is no error, a full disk is.
pub(super) fn data(text: &str) -> Result<(), Stop> {
    let mut out = anstream::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::Message(format!("the report could not be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints talk.
pub(super) fn talk(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
}

/// Prints an error that ends the command.
pub(super) fn error(text: &str) {
    talk(&report::error(text));
}

/// Prints why a command could not begin.
pub(super) fn stop(root: Option<&Path>, stop: &Stop) {
    match stop {
        Stop::Problems { root: found, problems } => {
            let root = found.as_deref().or(root);
            talk(&report::problems(problems, &|file| std::fs::read_to_string(root?.join(file)).ok()));
        }
        Stop::Message(text) => error(text),
    }
}
