//! What `verify` does: every pin and every first-party chart audited from the destination's own bytes.
//!
//! Owns which answers are missing, wrong or unreadable. Nothing comes from the cache, and no source is asked.

use futures_util::StreamExt as _;

use crate::artifact::{ClearError, Clearing, Known, PackagingError, Refused};
use crate::chart::Version;
use crate::finding::{Code, Finding};
use crate::graph::{PinState, StepGraph, Unit, UnitId};
use crate::lock::Pin;
use crate::oci::{Digest, Reference};
use crate::plan::rows::packaging_finding;
use crate::registry::RegistryError;
use crate::signature::{Look, Place, Signatures, told};
use crate::tally;

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
    /// The digest that a first-party chart is published under with the content of its folder.
    pub published: Option<Digest>,
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
    tally::phase("auditing", units.len());
    let one = |id: &UnitId| tally::counted(audit_one(clearing, signatures, graph, *id, depth));
    futures_util::stream::iter(units).map(one).buffered(AT_ONCE).collect().await
}

async fn audit_one(clearing: &Clearing, signatures: &Signatures, graph: &StepGraph, id: UnitId, depth: Depth) -> Audit {
    let unit = graph.unit(id);
    match &unit.state {
        PinState::Pinned(pin) => {
            let audit = audit_pin(clearing, unit, pin, depth).await;
            signed(clearing, signatures, unit, &pin.digest, audit).await
        }
        PinState::Folder => {
            let audit = audit_folder(clearing, graph, id, depth).await;
            match audit.published {
                Some(digest) => signed(clearing, signatures, unit, &digest, audit).await,
                None => audit,
            }
        }
        PinState::Stale(stale) => {
            let (reason, next) = stale.parts();
            let finding = Finding::of(Code::Stale, &unit.reference, reason, next);
            row(unit, None, Audited::Unpinned, Some(finding))
        }
    }
}

fn row(unit: &Unit, pin: Option<&Pin>, audited: Audited, finding: Option<Finding>) -> Audit {
    Audit {
        name: unit.name.clone(),
        version: unit.version.clone(),
        reference: unit.reference.clone(),
        pin: pin.cloned(),
        published: None,
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
        Err(error) => return unread(unit, Some(pin), &error),
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
    let Some(mirror) = unit.mirror().and_then(|mirror| clearing.workspace.mirrors.get(mirror)) else {
        return row(unit, Some(pin), Audited::Unpinned, None);
    };
    match clearing.audit(mirror, pin, bytes).await {
        Ok(cleared) => {
            let claims = cleared.verdict().and_then(|verdict| verdict.claims.clone());
            Audit { claims, ..row(unit, Some(pin), Audited::Holds, None) }
        }
        Err(ClearError::Registry(error)) => unread_blobs(unit, Some(pin), &error),
        Err(error) => {
            let next = "find out what changed: the pin, the keyring, or who signed it";
            let finding = Finding::of(Code::PinMismatch, reference, error.to_string(), next);
            row(unit, Some(pin), Audited::Wrong, Some(finding))
        }
    }
}

/// A first-party chart: whether the destination has what its folder is packaged to, or other bytes of the same content.
async fn audit_folder(clearing: &Clearing, graph: &StepGraph, id: UnitId, depth: Depth) -> Audit {
    let unit = graph.unit(id);
    let reference = &unit.reference;
    let bytes = match clearing.registries.at(&reference.repository).manifest_by_tag(reference).await {
        Ok((_, bytes)) => bytes,
        Err(error) => return unread(unit, None, &error),
    };
    let digest = Digest::of(&bytes);
    let holds = || Audit { published: Some(digest), ..row(unit, None, Audited::Holds, None) };
    if depth == Depth::Digest {
        match clearing.package(graph, id, Known::Nothing).await {
            Ok(packaged) if packaged.seen.digest == digest => return holds(),
            // Another packer's bytes tell by their content alone.
            Ok(_) => {}
            Err(error) => return unlike(clearing, unit, &error),
        }
    }
    match clearing.audit_published(graph, id, bytes).await {
        // A provenance that helm pushed along is no content, and nothing here could verify it.
        Ok(_) | Err(PackagingError::Clear(ClearError::Refused(Refused::NoKeyring))) => holds(),
        Err(PackagingError::Clear(ClearError::Registry(error))) => unread_blobs(unit, None, &error),
        Err(error) => unlike(clearing, unit, &error),
    }
}

/// What is published is not the chart's folder, or nobody can tell.
fn unlike(clearing: &Clearing, unit: &Unit, error: &PackagingError) -> Audit {
    let finding = packaging_finding(&clearing.workspace, unit, error);
    let audited = if finding.code == Code::Content { Audited::Wrong } else { Audited::Unreadable };
    row(unit, None, audited, Some(finding))
}

/// The name could not be read.
fn unread(unit: &Unit, pin: Option<&Pin>, error: &RegistryError) -> Audit {
    match error {
        RegistryError::NotFound { .. } => {
            let next = "run `chartsync apply` to publish it";
            let finding = Finding::of(Code::Missing, &unit.reference, error.to_string(), next);
            row(unit, pin, Audited::Missing, Some(finding))
        }
        error => unreadable(unit, pin, error),
    }
}

/// The image manifest was read, and then not all of its blobs.
fn unread_blobs(unit: &Unit, pin: Option<&Pin>, error: &RegistryError) -> Audit {
    let reference = &unit.reference;
    match error {
        RegistryError::NotFound { .. } => {
            let message = format!("its image manifest is there, but not all of its blobs: {error}");
            let next = "the registry lost content: delete the tag there, then run `chartsync apply`";
            let finding = Finding::of(Code::Missing, reference, message, next);
            row(unit, pin, Audited::Missing, Some(finding))
        }
        RegistryError::Integrity { .. } => {
            let message = format!("the destination serves other bytes than its digests say: {error}");
            let next = "the registry is damaged or lies: tell whoever runs it";
            let finding = Finding::of(Code::PinMismatch, reference, message, next);
            row(unit, pin, Audited::Wrong, Some(finding))
        }
        error => unreadable(unit, pin, error),
    }
}

/// Adds what the signature of a chart says that holds otherwise.
async fn signed(clearing: &Clearing, signatures: &Signatures, unit: &Unit, digest: &Digest, audit: Audit) -> Audit {
    if audit.audited != Audited::Holds {
        return audit;
    }
    let reference = &unit.reference;
    let registry = clearing.registries.at(&reference.repository);
    let place = Place { reference, digest };
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

fn unreadable(unit: &Unit, pin: Option<&Pin>, error: &RegistryError) -> Audit {
    let message = format!("the destination could not be read: {error}");
    let finding = Finding::of(Code::Error, &unit.reference, message, "run again, or look at the registry");
    row(unit, pin, Audited::Unreadable, Some(finding))
}
