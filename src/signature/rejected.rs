//! Why a bundle is not a signature of ours: the part, and what is wrong with it.

use std::fmt;

/// The part of a signature that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The image manifest that attaches the bundle.
    ImageManifest,
    /// What the image manifest is attached to.
    Subject,
    /// The bundle as a whole: its format.
    Bundle,
    /// The signed statement.
    Payload,
    /// What the statement says about its subject.
    PredicateType,
    /// The digest that the statement names.
    Digest,
    /// Repository and tag that the statement names.
    Place,
    /// The signature over the statement.
    Signature,
    /// The signing certificate.
    Certificate,
    /// Who vouches for the identity.
    Issuer,
    /// Who signed.
    Identity,
    /// The entry in the transparency log.
    LogEntry,
    /// The time stamp.
    TimeStamp,
    /// None of them: this machine's clock.
    Clock,
}

impl Part {
    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageManifest => "image manifest",
            Self::Subject => "subject",
            Self::Bundle => "bundle",
            Self::Payload => "payload",
            Self::PredicateType => "predicate type",
            Self::Digest => "digest",
            Self::Place => "place",
            Self::Signature => "signature",
            Self::Certificate => "certificate",
            Self::Issuer => "issuer",
            Self::Identity => "identity",
            Self::LogEntry => "log entry",
            Self::TimeStamp => "time stamp",
            Self::Clock => "clock",
        }
    }
}

/// A bundle that is not a signature of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", part.name())]
pub struct Rejected {
    /// What did not hold.
    pub part: Part,
    /// Why. May carry text of whoever made it.
    pub detail: String,
}

impl Rejected {
    /// With at most 300 characters of the detail, which may be anybody's.
    pub(super) fn new(part: Part, detail: impl fmt::Display) -> Self {
        Self { part, detail: detail.to_string().chars().take(300).collect() }
    }
}
