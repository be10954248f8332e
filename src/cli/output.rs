//! Printing: data on standard output, talk on standard error.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::Format;
use crate::cli::session::Stop;
use crate::diagnostic::Problems;
use crate::report;

/// The workspace that was named with `--root`, where what is printed is for people who type on.
static ROOT: OnceLock<String> = OnceLock::new();

/// Commands that are about no workspace.
const WITHOUT_ROOT: [&str; 4] = ["init", "explain", "completions", "render"];

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
    let text = rooted(text, ROOT.get().map(String::as_str));
    let mut out = anstream::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::Message(format!("the report could not be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// From now on every command that is suggested names this workspace.
pub(super) fn name_root(root: &Path) {
    let _ = ROOT.set(report::shell_word(&root.display().to_string()));
}

/// The text with the workspace named in each command that stands in it.
fn rooted<'t>(text: &'t str, root: Option<&str>) -> Cow<'t, str> {
    const COMMAND: &str = "`chartsync ";
    let Some(root) = root.filter(|_| text.contains(COMMAND)) else { return Cow::Borrowed(text) };
    let mut parts = text.split(COMMAND);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|char: char| !char.is_ascii_lowercase()).unwrap_or(part.len());
        let (command, rest) = part.split_at(end);
        out.extend([COMMAND, command]);
        if !command.is_empty() && !WITHOUT_ROOT.contains(&command) {
            out.extend([" --root ", root]);
        }
        out.push_str(rest);
    }
    Cow::Owned(out)
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
    let _ = writeln!(err, "{}", rooted(text, ROOT.get().map(String::as_str)).trim_end_matches('\n'));
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

#[cfg(test)]
mod tests {
    use super::rooted;

    #[test]
    fn commands_name_the_workspace_that_was_named() {
        let check = |text: &str, expect: &str| {
            assert_eq!(rooted(text, Some("'my charts'")), expect);
            assert_eq!(rooted(text, None), text);
        };
        check("run `chartsync lock`", "run `chartsync lock --root 'my charts'`");
        check(
            "`chartsync diff web 1 2`, then `chartsync plan --base HEAD`",
            "`chartsync diff --root 'my charts' web 1 2`, then `chartsync plan --root 'my charts' --base HEAD`",
        );
        check("`chartsync explain moved` or `chartsync init DIR`", "`chartsync explain moved` or `chartsync init DIR`");
        check("another `chartsync ", "another `chartsync ");
        check("chartsync lock", "chartsync lock");
    }
}
