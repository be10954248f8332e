//! Printing: data on standard output, talk on standard error.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::Format;
use crate::cli::session::Stop;
use crate::diagnostic::Problems;
use crate::report;

/// Whether a line about progress stands on the terminal, and when something was last said.
static STATUS: Mutex<Status> = Mutex::new(Status { is_shown: false, said: None });

struct Status {
    is_shown: bool,
    said: Option<Instant>,
}

impl Status {
    /// Takes the line away, so that what follows begins where it stood.
    fn clear(&mut self) {
        if self.is_shown {
            // Past `anstream`, which would take a terminal without colours for one without lines.
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
            self.is_shown = false;
        }
    }
}

fn standing() -> MutexGuard<'static, Status> {
    STATUS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws a line about progress on the terminal, in place of the one before; none takes it away. It must fit a row.
pub(super) fn status(line: Option<&str>) {
    let mut standing = standing();
    standing.clear();
    if let Some(line) = line {
        let _ = std::io::stderr().write_all(line.as_bytes());
        standing.is_shown = true;
    }
}

/// How long nothing was said.
pub(super) fn silence() -> Duration {
    standing().said.map_or(Duration::MAX, |said| said.elapsed())
}

/// Prints data. A reader that has gone away is no error, a full disk is.
pub(super) fn data(text: &str) -> Result<(), Stop> {
    standing().clear();
    let mut out = anstream::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::Message(format!("the report could not be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// The texts of the workspace's files, for reports that show lines of them.
pub(super) fn texts(root: &Path) -> impl Fn(&str) -> Option<String> {
    |file| std::fs::read_to_string(root.join(file)).ok()
}

/// Prints talk.
pub(super) fn talk(text: &str) {
    let mut standing = standing();
    standing.clear();
    standing.said = Some(Instant::now());
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
}

/// Prints an error that ends the command.
pub(super) fn error(text: &str) {
    talk(&report::error(text));
}

/// Prints what is wrong with first-party charts where only mirrors matter.
pub(super) fn left_alone(root: &Path, problems: &Problems) {
    talk(&report::problems(problems, &texts(root)));
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
