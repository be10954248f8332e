//! Progress: of `apply` as plain lines, what began, what ended, how many are left; of everything as one line that says how far it is.
//!
//! A line is whole in any order and in any log. Knows no terminal but its width.

use std::cell::Cell;
use std::time::Duration;

use crate::apply::Event;
use crate::oci::Reference;
use crate::plan::Change;
use crate::report::escape;
use crate::report::words::size;
use crate::tally::{Answer, Exchange, Tally};

/// Hands on a line for each event.
#[derive(Debug)]
pub struct Progress {
    to: fn(&str),
    planned: Cell<usize>,
    ended: Cell<usize>,
}

impl Progress {
    /// Hands its lines, without line breaks, to this function.
    #[must_use]
    pub fn new(to: fn(&str)) -> Self {
        Self { to, planned: Cell::new(0), ended: Cell::new(0) }
    }

    /// One more event.
    pub fn tell(&self, event: Event<'_>) {
        if let Some(line) = self.line(event) {
            (self.to)(&escape::terminal(&line));
        }
    }

    fn line(&self, event: Event<'_>) -> Option<String> {
        match event {
            Event::Waiting(1, reference) => Some(format!("waiting for {reference}")),
            Event::Waiting(number, reference) => {
                Some(format!("waiting for {reference} and {} more", number.saturating_sub(1)))
            }
            Event::Planned(planned) => {
                self.planned.set(planned);
                None
            }
            Event::Started(reference) => {
                Some(format!("{:width$} start     {reference}", "", width = self.counter().len()))
            }
            Event::Signing(reference) => {
                Some(format!("{:width$} sign      {reference}", "", width = self.counter().len()))
            }
            Event::Done(reference, Change::Publish) => Some(self.ended("published", reference)),
            Event::Done(reference, Change::Replace(_)) => Some(self.ended("replaced", reference)),
            Event::Done(reference, Change::Sign) => Some(self.ended("signed", reference)),
            Event::NotDone(reference) => Some(self.ended("NOT DONE", reference)),
        }
    }

    fn ended(&self, word: &str, reference: &Reference) -> String {
        self.ended.set(self.ended.get() + 1);
        format!("{} {word:9} {reference}", self.counter())
    }

    fn counter(&self) -> String {
        let planned = self.planned.get().to_string();
        format!("[{:width$}/{planned}]", self.ended.get(), width = planned.len())
    }
}

/// How far it is, in less than `width` columns: what matters less is left out where there is no room. `frame` counts the drawings.
#[must_use]
pub fn status(tally: &Tally, elapsed: Duration, frame: usize, width: usize) -> String {
    const TURNING: [char; 4] = ['|', '/', '-', '\\'];
    let mut line = format!("{} {}", TURNING[frame % TURNING.len()], phase(tally));
    for part in parts(tally, elapsed) {
        if line.len() + 2 + part.len() < width {
            line = format!("{line}{}{part}", if line.len() > 2 { ", " } else { "" });
        }
    }
    line.chars().take(width.saturating_sub(1)).collect()
}

/// The same for a log: all of it, in a line that stays.
#[must_use]
pub fn beat(tally: &Tally, elapsed: Duration) -> String {
    let parts = parts(tally, elapsed).join(", ");
    format!("still at work: {}, {parts}", phase(tally))
}

fn phase(tally: &Tally) -> &'static str {
    if tally.phase.is_empty() { "reading the workspace" } else { tally.phase }
}

/// What is running first, then what tells most.
fn parts(tally: &Tally, elapsed: Duration) -> Vec<String> {
    let mut parts = Vec::new();
    if tally.planned > 0 {
        parts.push(format!("{} running, {} done, {} left", tally.running, tally.done, tally.left()));
    }
    parts.push(format!("{} s", elapsed.as_secs()));
    if tally.received > 0 {
        parts.push(format!("{} read", size(tally.received)));
    }
    if tally.sent > 0 {
        parts.push(format!("{} written", size(tally.sent)));
    }
    if tally.requests > 0 {
        let plural = if tally.requests == 1 { "" } else { "s" };
        parts.push(format!("{} request{plural}", tally.requests));
    }
    parts
}

/// A request and its answer, for `-v`.
#[must_use]
pub fn exchange(exchange: &Exchange<'_>) -> String {
    let Exchange { method, url, answer, time } = exchange;
    let answer = match answer {
        Answer::Status(status) => status.to_string(),
        Answer::Good => "answered".to_owned(),
        Answer::None(error) => format!("no answer ({error})"),
    };
    escape::terminal(&format!("{method:5} {url}  {answer}  {} ms", time.as_millis())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALLY: Tally = Tally {
        phase: "asking registries",
        planned: 10,
        running: 3,
        done: 5,
        requests: 12,
        sent: 1 << 20,
        received: 5 << 20,
    };

    #[test]
    fn a_line_fits_its_row_and_says_what_matters_first() {
        let check = |tally: &Tally, width, expect: &str| {
            let line = status(tally, Duration::from_secs(7), 0, width);
            assert_eq!(line, expect);
            assert!(line.len() < width.max(1), "{line}");
        };
        let all = "| asking registries, 3 running, 5 done, 2 left, 7 s, 5.0 MiB read, 1.0 MiB written, 12 requests";
        check(&TALLY, 160, all);
        check(&TALLY, 60, "| asking registries, 3 running, 5 done, 2 left, 7 s");
        check(&TALLY, 30, "| asking registries, 7 s");
        check(&TALLY, 10, "| asking ");
        check(&TALLY, 1, "");
        check(&TALLY, 0, "");
        check(&Tally::default(), 80, "| reading the workspace, 7 s");
        assert_eq!(beat(&TALLY, Duration::from_secs(7)), format!("still at work: {}", &all[2..]));
    }

    #[test]
    fn an_exchange_is_one_line() {
        let told = |answer| {
            let url = "https://a.example/v2/\u{1b}[31m".to_owned();
            exchange(&Exchange { method: "GET", url, answer, time: Duration::from_millis(12) })
        };
        assert_eq!(told(Answer::Good), "GET   https://a.example/v2/\\u{1b}[31m  answered  12 ms");
        assert_eq!(told(Answer::Status(404)), "GET   https://a.example/v2/\\u{1b}[31m  404  12 ms");
        assert_eq!(
            told(Answer::None("timed\nout".into())),
            "GET   https://a.example/v2/\\u{1b}[31m  no answer (timed\\nout)  12 ms"
        );
    }
}
