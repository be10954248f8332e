//! Desired × observed → what to do about one chart. Pure and total: every combination has an answer, and the table of
//! all of them is the test.
//!
//! L is the pin, S what the source says now, D what the destination holds now. For a first-party chart L is its package, or what
//! the destination holds with equal content, and there is no S. Knows no registry and no file.

use crate::oci::Digest;
use crate::settings::Acceptable;

/// What the destination's name holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Nothing: the registry said so.
    Absent,
    /// The pin's digest; of a first-party chart, the content of its folder.
    Same,
    /// Another digest; of a first-party chart, other content.
    Other(Digest),
    /// The registry denied the answer.
    Denied(Credential),
    /// No answer that means anything.
    Unknown,
    /// Nobody asked: offline.
    NotAsked,
}

/// Whether a request that was denied carried a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// It did, so the denial means something is wrong.
    Sent,
    /// There is none for that host: a private registry seen from outside.
    None,
}

/// What the source's name holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Nobody asked: nothing depends on it, or offline.
    NotAsked,
    /// There is none to ask: the chart's folder is in Git.
    Folder,
    /// The pin's digest.
    Same,
    /// Another digest: the tag moved after the review.
    Other(Digest),
    /// Nothing: withdrawn upstream.
    Absent,
    /// No answer that means anything, a denial included.
    Unknown,
}

/// Whether the published chart is signed as the settings want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signature {
    /// `method = "none"`.
    NotWanted,
    /// Nobody looked: offline, or there is nothing published to look at.
    NotAsked,
    /// A valid signature of ours.
    Ours,
    /// Only signatures of others.
    Others,
    /// None at all.
    Absent,
    /// Looking was inconclusive.
    Unknown,
}

/// One write that `apply` would make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// The name does not exist yet.
    Publish,
    /// The name holds this digest, which was accepted to be replaced.
    Replace(Digest),
    /// The chart is there, only our signature is missing.
    Sign,
}

/// Why a change is withheld until a person looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Block {
    /// The upstream tag moved after the review, to this digest.
    Moved(Digest),
    /// The upstream tag is gone.
    Gone,
    /// The destination holds this digest instead of the pin's.
    Drift(Digest),
    /// Whether the chart is signed could not be found out.
    SignatureUnknown,
    /// This version of a first-party chart is published with other content, under this digest.
    Content(Digest),
}

/// Whose answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The source's.
    Source,
    /// The destination's.
    Destination,
}

/// What to do about one chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Nothing: it is as it should be.
    Nothing,
    /// A write.
    Change(Change),
    /// A write that waits for a person.
    Withheld(Block),
    /// An error of this chart: unknown is never taken for absent.
    Failed(Side),
    /// The destination cannot be seen without a credential: a note in `plan`, an error in `apply`.
    Unseen,
    /// Nobody asked what this depends on.
    Undecided,
}

/// What upstream did to a chart that is already published: a warning, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// Its tag names other bytes now.
    Moved(Digest),
    /// Its tag is gone.
    Gone,
    /// It could not be asked.
    Unreachable,
}

/// Which exceptions were reviewed for this chart: the settings' entries, asked with finding and digest.
pub trait Accepted {
    /// Whether an exception for this finding and exactly this digest stands in the settings; none asks for the pin's.
    fn accepts(&self, finding: Acceptable, digest: Option<Digest>) -> bool;
}

impl<F: Fn(Acceptable, Option<Digest>) -> bool> Accepted for F {
    fn accepts(&self, finding: Acceptable, digest: Option<Digest>) -> bool {
        self(finding, digest)
    }
}

/// What to do about one chart, from what was observed and what was accepted.
#[must_use]
pub fn decide(destination: Destination, source: Source, signature: Signature, accepted: &dyn Accepted) -> Decision {
    match destination {
        Destination::Same => signed(signature),
        Destination::Absent => published(source, Change::Publish, accepted),
        // A published version is for good, and no exception lifts that: there is always a next version.
        Destination::Other(now) if source == Source::Folder => Decision::Withheld(Block::Content(now)),
        Destination::Other(now) if accepted.accepts(Acceptable::Replace, Some(now)) => {
            published(source, Change::Replace(now), accepted)
        }
        Destination::Other(now) => Decision::Withheld(Block::Drift(now)),
        Destination::Denied(Credential::Sent) | Destination::Unknown => Decision::Failed(Side::Destination),
        Destination::Denied(Credential::None) => Decision::Unseen,
        Destination::NotAsked => Decision::Undecided,
    }
}

/// What upstream did behind a published chart.
#[must_use]
pub fn upstream(destination: Destination, source: Source) -> Option<Upstream> {
    match (destination, source) {
        (Destination::Same, Source::Other(now)) => Some(Upstream::Moved(now)),
        (Destination::Same, Source::Absent) => Some(Upstream::Gone),
        (Destination::Same, Source::Unknown) => Some(Upstream::Unreachable),
        _ => None,
    }
}

/// Whether the source must be asked before the destination's state can be decided.
#[must_use]
pub fn needs_source(destination: Destination, accepted: &dyn Accepted) -> bool {
    match destination {
        Destination::Absent => true,
        Destination::Other(now) => accepted.accepts(Acceptable::Replace, Some(now)),
        _ => false,
    }
}

fn signed(signature: Signature) -> Decision {
    match signature {
        Signature::NotWanted | Signature::Ours => Decision::Nothing,
        Signature::Others | Signature::Absent => Decision::Change(Change::Sign),
        Signature::Unknown => Decision::Withheld(Block::SignatureUnknown),
        Signature::NotAsked => Decision::Undecided,
    }
}

fn published(source: Source, change: Change, accepted: &dyn Accepted) -> Decision {
    match source {
        Source::Same | Source::Folder => Decision::Change(change),
        Source::Other(now) if accepted.accepts(Acceptable::Moved, Some(now)) => Decision::Change(change),
        Source::Other(now) => Decision::Withheld(Block::Moved(now)),
        Source::Absent if accepted.accepts(Acceptable::Gone, None) => Decision::Change(change),
        Source::Absent => Decision::Withheld(Block::Gone),
        Source::Unknown => Decision::Failed(Side::Source),
        Source::NotAsked => Decision::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURES: [(&str, Signature); 6] = [
        ("ours", Signature::Ours),
        ("others", Signature::Others),
        ("none", Signature::Absent),
        ("unknown", Signature::Unknown),
        ("unwanted", Signature::NotWanted),
        ("unasked", Signature::NotAsked),
    ];

    fn word(decision: Decision) -> &'static str {
        match decision {
            Decision::Nothing => "=",
            Decision::Change(Change::Publish) => "+",
            Decision::Change(Change::Replace(_)) => "+r",
            Decision::Change(Change::Sign) => "s",
            Decision::Withheld(Block::Moved(_)) => "!moved",
            Decision::Withheld(Block::Gone) => "!gone",
            Decision::Withheld(Block::Drift(_)) => "x",
            Decision::Withheld(Block::SignatureUnknown) => "!sig",
            Decision::Withheld(Block::Content(_)) => "!content",
            Decision::Failed(Side::Source) => "error-s",
            Decision::Failed(Side::Destination) => "error-d",
            Decision::Unseen => "~",
            Decision::Undecided => "?",
        }
    }

    /// The whole table: every D × S, with the signature's row where it matters, and under which exceptions.
    ///
    /// Columns of S: same, other, absent, unknown, not asked, and none at all for a first-party chart.
    #[test]
    fn every_cell() {
        let (d_other, s_other) = (Digest::of(b"d"), Digest::of(b"s"));
        let sources =
            [Source::Same, Source::Other(s_other), Source::Absent, Source::Unknown, Source::NotAsked, Source::Folder];
        let nothing: &dyn Accepted = &|_, _| false;
        let moved: &dyn Accepted =
            &|finding, digest: Option<Digest>| finding == Acceptable::Moved && digest == Some(s_other);
        let moved_elsewhere: &dyn Accepted =
            &|finding, digest: Option<Digest>| finding == Acceptable::Moved && digest == Some(d_other);
        let gone: &dyn Accepted = &|finding, digest: Option<Digest>| finding == Acceptable::Gone && digest.is_none();
        let replace: &dyn Accepted =
            &|finding, digest: Option<Digest>| finding == Acceptable::Replace && digest == Some(d_other);
        let replace_elsewhere: &dyn Accepted =
            &|finding, digest: Option<Digest>| finding == Acceptable::Replace && digest == Some(s_other);
        let others: &dyn Accepted = &|finding, _: Option<Digest>| {
            matches!(finding, Acceptable::Unsigned | Acceptable::ExpiredKey | Acceptable::NewSigner)
        };
        let other = Destination::Other(d_other);
        let denied = Destination::Denied(Credential::Sent);
        let unseen = Destination::Denied(Credential::None);

        // Where D is not the pin's digest, the signature says nothing: each row below holds for all six.
        let rows: [(&str, Destination, &dyn Accepted, [&str; 6]); 16] = [
            ("absent", Destination::Absent, nothing, ["+", "!moved", "!gone", "error-s", "?", "+"]),
            ("absent, moved", Destination::Absent, moved, ["+", "+", "!gone", "error-s", "?", "+"]),
            (
                "absent, moved to another",
                Destination::Absent,
                moved_elsewhere,
                ["+", "!moved", "!gone", "error-s", "?", "+"],
            ),
            ("absent, gone", Destination::Absent, gone, ["+", "!moved", "+", "error-s", "?", "+"]),
            ("absent, replace", Destination::Absent, replace, ["+", "!moved", "!gone", "error-s", "?", "+"]),
            ("absent, others", Destination::Absent, others, ["+", "!moved", "!gone", "error-s", "?", "+"]),
            ("other", other, nothing, ["x", "x", "x", "x", "x", "!content"]),
            ("other, moved", other, moved, ["x", "x", "x", "x", "x", "!content"]),
            ("other, gone", other, gone, ["x", "x", "x", "x", "x", "!content"]),
            ("other, others", other, others, ["x", "x", "x", "x", "x", "!content"]),
            ("other, replace", other, replace, ["+r", "!moved", "!gone", "error-s", "?", "!content"]),
            ("other, replace of another", other, replace_elsewhere, ["x", "x", "x", "x", "x", "!content"]),
            ("denied with credential", denied, nothing, ["error-d"; 6]),
            ("denied without credential", unseen, nothing, ["~"; 6]),
            ("unknown", Destination::Unknown, nothing, ["error-d"; 6]),
            ("not asked", Destination::NotAsked, nothing, ["?"; 6]),
        ];
        for (name, destination, accepted, expect) in rows {
            for (source, expect) in sources.iter().zip(expect) {
                for (signature_name, signature) in SIGNATURES {
                    let got = word(decide(destination, *source, signature, accepted));
                    assert_eq!(got, expect, "{name} × {source:?} × {signature_name}");
                }
            }
        }

        // Where D is the pin's digest, only the signature decides, whatever the source says and whatever is accepted.
        for (signature, expect) in SIGNATURES.iter().zip(["=", "s", "s", "!sig", "=", "?"]) {
            for source in sources {
                for accepted in [nothing, moved, gone, replace, others] {
                    let got = word(decide(Destination::Same, source, signature.1, accepted));
                    assert_eq!(got, expect, "same × {source:?} × {}", signature.0);
                }
            }
        }
    }

    #[test]
    fn upstream_is_only_told_behind_a_published_chart() {
        let other = Digest::of(b"s");
        let expect = [
            (Source::Same, None),
            (Source::Other(other), Some(Upstream::Moved(other))),
            (Source::Absent, Some(Upstream::Gone)),
            (Source::Unknown, Some(Upstream::Unreachable)),
            (Source::NotAsked, None),
            (Source::Folder, None),
        ];
        for (source, expect) in expect {
            assert_eq!(upstream(Destination::Same, source), expect);
            assert_eq!(upstream(Destination::Absent, source), None);
        }
    }

    #[test]
    fn the_source_is_asked_exactly_where_an_answer_can_change_the_decision() {
        let (d_other, s_other) = (Digest::of(b"d"), Digest::of(b"s"));
        let sources = [Source::Same, Source::Other(s_other), Source::Absent, Source::Unknown, Source::NotAsked];
        let destinations = [
            Destination::Absent,
            Destination::Same,
            Destination::Other(d_other),
            Destination::Denied(Credential::Sent),
            Destination::Denied(Credential::None),
            Destination::Unknown,
            Destination::NotAsked,
        ];
        let nothing: &dyn Accepted = &|_, _| false;
        let replace: &dyn Accepted = &|finding, digest| finding == Acceptable::Replace && digest == Some(d_other);
        for accepted in [nothing, replace] {
            for destination in destinations {
                let decisions: std::collections::HashSet<_> =
                    sources.iter().map(|source| decide(destination, *source, Signature::NotWanted, accepted)).collect();
                assert_eq!(needs_source(destination, accepted), decisions.len() > 1, "{destination:?}");
            }
        }
    }
}
