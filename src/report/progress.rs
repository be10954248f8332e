//! Progress of `apply` as plain lines: what began, what ended, how many are left.
//!
//! A line is whole in any order and in any log. Knows no terminal.

use std::cell::Cell;

use crate::apply::Event;
use crate::oci::Reference;
use crate::plan::Change;
use crate::report::escape;

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
