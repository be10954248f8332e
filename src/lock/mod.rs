//! `mirrors.lock`: which bytes each mirrored version is, and who signed them.
//!
//! Owns the pin, the file's format and what it means that a pin satisfies a manifest. Pure: knows no file system, no registry
//! and no clock.

mod canonical;
mod conflict;
mod file;
mod pin;
mod satisfy;

pub use pin::{Difference, Pin, Signer};
pub use satisfy::{Unsatisfied, is_listed, satisfies};

use std::sync::Arc;

use crate::chart::Version;
use crate::diagnostic::Problems;
use crate::oci::Repository;

/// The pins, sorted by destination and version, one for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockfile {
    pins: Vec<Arc<Pin>>,
}

impl Lockfile {
    /// The lockfile of these pins; of two for one destination and version it keeps the first.
    #[must_use]
    pub fn from_pins<P: Into<Arc<Pin>>>(pins: Vec<P>) -> Self {
        let mut pins: Vec<Arc<Pin>> = pins.into_iter().map(Into::into).collect();
        pins.sort_by(|one, other| one.key().cmp(&other.key()));
        pins.dedup_by(|later, first| later.key() == first.key());
        Self { pins }
    }

    /// Reads the text of `file`; every problem of it comes in one run.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        file::parse(text, file)
    }

    /// Reads the text of `file` with the conflict markers of a merge: the union of both sides.
    ///
    /// One pin with two values is a problem that names both. Text without markers is read like any other.
    pub fn parse_conflicted(text: &str, file: &str) -> Result<Self, Problems> {
        conflict::parse(text, file)
    }

    /// The file's text: the same for the same pins.
    #[must_use]
    pub fn render(&self) -> String {
        file::render(&self.pins)
    }

    /// All pins, sorted by destination and version.
    #[must_use]
    pub fn pins(&self) -> &[Arc<Pin>] {
        &self.pins
    }

    /// The pin of a version at a destination.
    #[must_use]
    pub fn get(&self, destination: &Repository, version: &Version) -> Option<&Arc<Pin>> {
        let found = self.pins.binary_search_by(|pin| pin.key().cmp(&(destination, version)));
        found.ok().and_then(|index| self.pins.get(index))
    }

    /// The pins of one destination, sorted by version.
    #[must_use]
    pub fn of(&self, destination: &Repository) -> &[Arc<Pin>] {
        let begin = self.pins.partition_point(|pin| pin.destination < *destination);
        let end = self.pins.partition_point(|pin| pin.destination <= *destination);
        &self.pins[begin..end]
    }
}

#[cfg(test)]
mod tests;
