//! What `verify` does: every pin audited from the destination's own bytes.
//!
//! Owns which answers are missing, wrong or unreadable. Nothing comes from the cache, and no source is asked.

use futures_util::StreamExt as _;

use crate::artifact::{ClearError, Clearing};
use crate::chart::Version;
use crate::finding::{Code, Finding};
use crate::graph::{PinState, StepGraph, Unit, UnitId};
use crate::lock::Pin;
use crate::oci::{Digest, Reference};
use crate::registry::RegistryError;
use crate::signature::{Look, Place, Signatures, told};

/// How many charts are audited together.
const AT_ONCE: usize = 16;

/// How much of a chart is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Image manifest and blobs: digest, archive, provenance.
    Whole,
    /// `--quick`: the image manifest and its signature only.
    Digest,
}

/// What the audit of one chart says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audited {
    /// The destination holds what is pinned, and it verifies.
    Holds,
    /// It is not there.
    Missing,
    /// Something else is there, or it does not verify.
    Wrong,
    /// What is pinned is there and verifies, but no signature of ours does.
    Unsigned,
    /// The destination could not be read.
    Unreadable,
    /// There is no pin to audit.
    Unpinned,
}

impl Audited {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Unsigned => "unsigned",
            Self::Unreadable => "unreadable",
            Self::Unpinned => "unpinned",
        }
    }
}

/// One audited chart.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The chart's name.
    pub name: String,
    /// The version as the manifest writes it.
    pub version: Version,
    /// Where it is published.
    pub reference: Reference,
    /// What is pinned.
    pub pin: Option<Pin>,
    /// What was found.
    pub audited: Audited,
    /// The signer's own words about itself, where its signature was verified.
    pub claims: Option<String>,
    /// Who signed it as the settings want: the identity, or the file of the public key.
    pub signed_by: Option<String>,
    /// What is not as it should be.
    pub finding: Option<Finding>,
}

/// Audits these charts, in the order given.
pub async fn audit(
    clearing: &Clearing,
    signatures: &Signatures,
    graph: &StepGraph,
    units: &[UnitId],
    depth: Depth,
) -> Vec<Audit> {
    let one = |id: &UnitId| {
        let unit = graph.unit(*id);
        async move {
            match &unit.state {
                PinState::Pinned(pin) => {
                    let audit = audit_pin(clearing, unit, pin, depth).await;
                    if audit.audited == Audited::Holds {
                        signed(clearing, signatures, unit, pin, audit).await
                    } else {
                        audit
                    }
                }
                PinState::Stale(stale) => {
                    let finding = Finding::of(Code::Stale, &unit.reference, stale.to_string(), "");
                    row(unit, None, Audited::Unpinned, Some(finding))
                }
            }
        }
    };
    futures_util::stream::iter(units).map(one).buffered(AT_ONCE).collect().await
}

fn row(unit: &Unit, pin: Option<&Pin>, audited: Audited, finding: Option<Finding>) -> Audit {
    Audit {
        name: unit.name.clone(),
        version: unit.version.clone(),
        reference: unit.reference.clone(),
        pin: pin.cloned(),
        audited,
        claims: None,
        signed_by: None,
        finding,
    }
}

async fn audit_pin(clearing: &Clearing, unit: &Unit, pin: &Pin, depth: Depth) -> Audit {
    let reference = &unit.reference;
    let registry = clearing.registries.at(&reference.repository);
    let bytes = match registry.manifest_by_tag(reference).await {
        Ok((_, bytes)) => bytes,
        Err(error @ RegistryError::NotFound { .. }) => {
            let finding =
                Finding::of(Code::Missing, reference, error.to_string(), "run `chartsync apply` to publish it");
            return row(unit, Some(pin), Audited::Missing, Some(finding));
        }
        Err(error) => return unreadable(unit, pin, &error),
    };
    let found = Digest::of(&bytes);
    if found != pin.digest {
        let message = format!("the destination holds {found} instead of the pinned {}", pin.digest);
        let finding = Finding::of(Code::Drift, reference, message, "find out who wrote it");
        return row(unit, Some(pin), Audited::Wrong, Some(finding));
    }
    if depth == Depth::Digest {
        return row(unit, Some(pin), Audited::Holds, None);
    }
    let mirror = &clearing.workspace.mirrors[unit.mirror()];
    match clearing.audit(mirror, pin, bytes).await {
        Ok(cleared) => {
            let claims = cleared.verdict().and_then(|verdict| verdict.claims.clone());
            Audit { claims, ..row(unit, Some(pin), Audited::Holds, None) }
        }
        Err(ClearError::Registry(error @ RegistryError::NotFound { .. })) => {
            let message = format!("its image manifest is there, but not all of its blobs: {error}");
            let next = "the registry lost content: delete the tag there, then run `chartsync apply`";
            let finding = Finding::of(Code::Missing, reference, message, next);
            row(unit, Some(pin), Audited::Missing, Some(finding))
        }
        Err(ClearError::Registry(error @ RegistryError::Integrity { .. })) => {
            let message = format!("the destination serves other bytes than its digests say: {error}");
            let finding = Finding::of(
                Code::PinMismatch,
                reference,
                message,
                "the registry is damaged or lies: tell whoever runs it",
            );
            row(unit, Some(pin), Audited::Wrong, Some(finding))
        }
        Err(ClearError::Registry(error)) => unreadable(unit, pin, &error),
        Err(error) => {
            let next = "find out what changed: the pin, the keyring, or who signed it";
            let finding = Finding::of(Code::PinMismatch, reference, error.to_string(), next);
            row(unit, Some(pin), Audited::Wrong, Some(finding))
        }
    }
}

/// Adds what the signature of a chart says that holds otherwise.
async fn signed(clearing: &Clearing, signatures: &Signatures, unit: &Unit, pin: &Pin, audit: Audit) -> Audit {
    let reference = &unit.reference;
    let registry = clearing.registries.at(&reference.repository);
    let place = Place { reference, digest: &pin.digest };
    let unsigned = |message: String| {
        let next = "run `chartsync apply` to sign it; if somebody else should have, find out who published it";
        Some(Finding::of(Code::SignatureMissing, reference, message, next))
    };
    match signatures.audit(&registry, place, unit.role()).await {
        Look::NotWanted => audit,
        Look::Present { verified, more } => {
            let finding = (more > 0).then(|| {
                let message = format!("{} signatures of ours hold for it, one would do", more + 1);
                Finding::of(Code::SignatureTwice, reference, message, "")
            });
            Audit { signed_by: Some(verified.signer), finding, ..audit }
        }
        Look::Absent(others) => {
            let finding = unsigned(format!("no signature of ours holds for it: {}", told(&others)));
            Audit { audited: Audited::Unsigned, finding, ..audit }
        }
        Look::Lost(_) => {
            let message = "its signature stands under the fallback tag only: consumers ask the referrers API";
            Audit { audited: Audited::Unsigned, finding: unsigned(message.to_owned()), ..audit }
        }
        Look::Unknown(reason) => {
            let message = format!("whether it is signed could not be found out: {reason}");
            let finding = Finding::of(Code::SignatureUnknown, reference, message, "run again, or look at the registry");
            Audit { audited: Audited::Unreadable, finding: Some(finding), ..audit }
        }
    }
}

fn unreadable(unit: &Unit, pin: &Pin, error: &RegistryError) -> Audit {
    let message = format!("the destination could not be read: {error}");
    let finding = Finding::of(Code::Error, &unit.reference, message, "run again, or look at the registry");
    row(unit, Some(pin), Audited::Unreadable, Some(finding))
}
