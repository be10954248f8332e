//! Findings: what a person must look at, with its stable code, its sign, and the exception that would lift it.
//!
//! Knows no format of a report.

use std::fmt;

use crate::diagnostic::{Location, Severity};
use crate::oci::{Digest, Reference};
use crate::settings::Acceptable;

/// What kind of finding it is. The names are stable: reports, documentation and exceptions use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The bytes give other fields than the pin, or do not clear.
    PinMismatch,
    /// The upstream tag moved after the review.
    Moved,
    /// The upstream tag is gone.
    Gone,
    /// Another signer than the other versions have.
    Signer,
    /// The signer's key has expired.
    ExpiredKey,
    /// The destination holds other bytes than the pin.
    Drift,
    /// The first-party chart is published in this version with other content.
    Content,
    /// Whether the chart is signed could not be found out.
    SignatureUnknown,
    /// It is published, but no signature of ours holds for it.
    SignatureMissing,
    /// More changes than `max-changes`.
    TooManyChanges,
    /// The saved plan rests on something that moved since.
    StalePlan,
    /// What it depends on was not published.
    Skipped,
    /// The destination does not hold it.
    Missing,
    /// The chart could not be examined.
    Error,
    /// The version has no pin that satisfies its manifest.
    Stale,
    /// A change of what is trusted, beside the base revision.
    Trust,
    /// The highest version of a chart is lower than it was.
    VersionDown,
    /// Upstream moved or withdrew what is already published.
    Upstream,
    /// The destination cannot be seen without a credential.
    Unseen,
    /// A tag at the destination that nothing declares.
    Orphan,
    /// The tags of a destination could not be listed.
    TagsUnknown,
    /// The keyring behind a URL changed.
    Keyring,
    /// The keyring behind a URL could not be asked for.
    KeyringUnknown,
    /// A pin without a version in any manifest.
    Undeclared,
    /// An exception that nothing needs.
    Unneeded,
    /// More than one signature of ours holds for a chart.
    SignatureTwice,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::PinMismatch,
        Self::Moved,
        Self::Gone,
        Self::Signer,
        Self::ExpiredKey,
        Self::Drift,
        Self::Content,
        Self::SignatureUnknown,
        Self::SignatureMissing,
        Self::TooManyChanges,
        Self::StalePlan,
        Self::Skipped,
        Self::Missing,
        Self::Error,
        Self::Stale,
        Self::Trust,
        Self::VersionDown,
        Self::Upstream,
        Self::Unseen,
        Self::Orphan,
        Self::TagsUnknown,
        Self::Keyring,
        Self::KeyringUnknown,
        Self::Undeclared,
        Self::Unneeded,
        Self::SignatureTwice,
    ];

    /// Sign, name and severity.
    fn row(self) -> (char, &'static str, Severity) {
        match self {
            Self::PinMismatch => ('!', "pin-mismatch", Severity::Blocking),
            Self::Moved => ('!', "moved", Severity::Blocking),
            Self::Gone => ('!', "gone", Severity::Blocking),
            Self::Signer => ('!', "signer", Severity::Blocking),
            Self::ExpiredKey => ('!', "expired-key", Severity::Blocking),
            Self::Drift => ('x', "drift", Severity::Blocking),
            Self::Content => ('!', "content", Severity::Blocking),
            Self::SignatureUnknown => ('!', "signature-unknown", Severity::Blocking),
            Self::SignatureMissing => ('!', "signature-missing", Severity::Blocking),
            Self::TooManyChanges => ('!', "too-many-changes", Severity::Blocking),
            Self::StalePlan => ('!', "stale-plan", Severity::Blocking),
            Self::Skipped => ('!', "skipped", Severity::Blocking),
            Self::Missing => ('!', "missing", Severity::Blocking),
            Self::Error => ('E', "error", Severity::Blocking),
            Self::Stale => ('?', "stale", Severity::Blocking),
            Self::Trust => ('t', "trust", Severity::Warning),
            Self::VersionDown => ('v', "version-down", Severity::Warning),
            Self::Upstream => ('u', "upstream", Severity::Warning),
            Self::Unseen => ('~', "unseen", Severity::Note),
            Self::Orphan => ('-', "orphan", Severity::Note),
            Self::TagsUnknown => ('~', "tags-unknown", Severity::Note),
            Self::Keyring => ('i', "keyring", Severity::Note),
            Self::KeyringUnknown => ('~', "keyring-unknown", Severity::Note),
            Self::Undeclared => ('i', "undeclared", Severity::Note),
            Self::Unneeded => ('i', "unneeded", Severity::Note),
            Self::SignatureTwice => ('i', "signature-twice", Severity::Note),
        }
    }

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The one-character sign in front of its line.
    #[must_use]
    pub fn sign(self) -> char {
        self.row().0
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.row().2
    }
}

/// The `[[accept]]` entry that would lift a finding. Printed as it is pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Which finding.
    pub finding: Acceptable,
    /// Of which published chart.
    pub reference: Reference,
    /// With which digest.
    pub digest: Digest,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[accept]]")?;
        writeln!(f, "finding = \"{}\"", self.finding.as_str())?;
        writeln!(f, "reference = \"{}\"", self.reference)?;
        writeln!(f, "digest = \"{}\"", self.digest)?;
        write!(f, "reason = \"\"  # say why, for the reviewer")
    }
}

/// Who holds a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The base revision's lockfile.
    Base,
    /// The lockfile.
    Pinned,
    /// The source, now.
    Source,
    /// The destination, now.
    Destination,
    /// The package that a first-party chart's folder gives.
    Folder,
}

impl Holder {
    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Pinned => "pinned",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Folder => "folder",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// Which published chart, unless it is about the whole run.
    pub reference: Option<Reference>,
    /// Where in the workspace, if it is about a line of it.
    pub location: Option<Location>,
    /// What was found: one sentence, lower case, no final period. May carry upstream's text.
    pub message: String,
    /// The digests that differ, to be read side by side: what should be first, what is there instead last.
    pub digests: Vec<(Holder, Digest)>,
    /// What to do next; empty where nothing is to be done.
    pub next: String,
    /// The exception that would lift it, once a person has reviewed it.
    pub exception: Option<Exception>,
}

impl Finding {
    /// A finding about one published chart.
    #[must_use]
    pub fn of(code: Code, reference: &Reference, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            code,
            reference: Some(reference.clone()),
            location: None,
            message: message.into(),
            digests: Vec::new(),
            next: next.into(),
            exception: None,
        }
    }

    /// A finding about the whole run.
    #[must_use]
    pub fn of_run(code: Code, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            code,
            reference: None,
            location: None,
            message: message.into(),
            digests: Vec::new(),
            next: next.into(),
            exception: None,
        }
    }

    /// The same finding, at a line of the workspace.
    #[must_use]
    pub fn at(self, location: Option<Location>) -> Self {
        Self { location, ..self }
    }

    /// The same finding with two digests that should be one.
    #[must_use]
    pub fn comparing(self, expected: (Holder, Digest), found: (Holder, Digest)) -> Self {
        Self { digests: vec![expected, found], ..self }
    }

    /// The same finding with the exception that would lift it.
    #[must_use]
    pub fn lifted_by(self, exception: Exception) -> Self {
        Self { exception: Some(exception), ..self }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_the_reference() {
        let readme = include_str!("../README.md");
        for code in Code::ALL {
            let row =
                readme.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{}`", code.as_str())));
            let row = row.unwrap_or_else(|| panic!("the README does not list `{}`", code.as_str()));
            assert!(row.starts_with(&format!("| `{}` |", code.sign())), "{row}");
        }
    }
}
