//! Progress while something takes time: a line that is drawn anew on a terminal, a line every now and then elsewhere.
//!
//! Only standard error is ever written to.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::cli::session::Stop;
use crate::cli::{Common, output};
use crate::report;
use crate::tally;

/// How often the line is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// What is done before this is over shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a log may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// Not at all: `--quiet`.
    Nothing,
    /// As a line that is drawn anew.
    Line,
    /// As lines that stay.
    Beats,
}

impl Shows {
    fn of(common: &Common) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if common.quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() && !is_dumb {
            Self::Line
        } else {
            Self::Beats
        }
    }
}

/// Does the work and shows how far it is. The line is gone when the work has ended, or was dropped.
pub(super) async fn during<T>(common: &Common, work: impl Future<Output = T>) -> T {
    let shows = Shows::of(common);
    let begun = Instant::now();
    let _line = Line;
    let mut work = std::pin::pin!(work);
    let mut frame = 0;
    let mut beat = begun;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(FRAME) => {}
        }
        frame += 1;
        let (elapsed, tally) = (begun.elapsed(), tally::now());
        match shows {
            Shows::Line if elapsed > PATIENCE => {
                output::status(Some(&report::status(&tally, elapsed, frame, width())));
            }
            Shows::Beats if beat.elapsed().min(output::silence()) > SILENCE => {
                beat = Instant::now();
                output::talk(&report::beat(&tally, elapsed));
            }
            _ => {}
        }
    }
}

/// The line on the terminal.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        output::status(None);
    }
}

/// The terminal's columns.
fn width() -> usize {
    let asked = terminal_size::terminal_size_of(std::io::stderr());
    asked.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns))
}

/// Why a command ends that the user stopped: how much of `what` was done, and that nothing is left behind.
pub(super) fn interrupted(what: &str) -> Stop {
    let tally = tally::now();
    Stop::Message(format!("interrupted: {} of {} {what}; nothing was written", tally.done, tally.planned))
}
