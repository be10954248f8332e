//! Printing: data on standard output, talk on standard error. A reader that has gone away is no error.

use std::io::Write as _;
use std::path::Path;

use crate::cli::session::Stop;
use crate::report;

/// Prints data.
pub(super) fn data(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ =
        out.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    let _ = out.flush();
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
