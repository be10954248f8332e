//! Printing: data on standard output, talk on standard error.

use std::io::Write as _;
use std::path::Path;

use crate::cli::Format;
use crate::cli::session::Stop;
use crate::diagnostic::Problems;
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

/// Prints what is wrong with first-party charts where only mirrors matter.
pub(super) fn left_alone(root: &Path, problems: &Problems) {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    talk(&report::problems(problems, &read));
    talk("this is about mirrors alone, so it goes on; first-party charts are left alone until that is resolved\n");
}

/// Prints why a command could not begin. Problems of the input are a report, too.
pub(super) fn stop(format: Format, stop: &Stop) {
    match stop {
        Stop::Problems { problems, .. } if format == Format::Json => {
            if let Err(Stop::Message(text)) = data(&report::json::problems(problems)) {
                error(&text);
            }
        }
        Stop::Problems { root, problems } => {
            let read = |file: &str| std::fs::read_to_string(root.as_ref()?.join(file)).ok();
            talk(&report::problems(problems, &read));
        }
        Stop::Message(text) => error(text),
    }
}
