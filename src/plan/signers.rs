//! One destination, one signer: which pins break with the others of their destination. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Exception, Finding};
use crate::graph::{StepGraph, UnitId};
use crate::lock::{Pin, Signer, is_listed};
use crate::settings::Acceptable;
use crate::workspace::{Mirror, Workspace};

/// The finding for each chart version that is one of several signers' and that nobody has vouched for.
///
/// One destination's pins all have one signer, or a person has said of this very chart, or of its signer, that it is right.
/// The whole graph is looked at, whatever was selected.
#[must_use]
pub fn odd_ones(workspace: &Workspace, graph: &StepGraph) -> BTreeMap<UnitId, Finding> {
    let mut destinations: BTreeMap<usize, Vec<(UnitId, &Pin)>> = BTreeMap::new();
    for id in graph.ids() {
        let unit = graph.unit(id);
        if let (Some(pin), Some(mirror)) = (unit.pin(), unit.mirror()) {
            destinations.entry(mirror).or_default().push((id, pin));
        }
    }
    let mut odd = BTreeMap::new();
    for (mirror, pins) in destinations {
        let signers: BTreeSet<&Signer> = pins.iter().map(|(_, pin)| &pin.signer).collect();
        if signers.len() > 1 {
            let mirror = &workspace.mirrors[mirror];
            let unvouched = pins.iter().filter(|(_, pin)| !is_vouched_for(workspace, mirror, pin));
            odd.extend(unvouched.map(|(id, pin)| (*id, finding(pin, &signers))));
        }
    }
    odd
}

/// Whether a person has said that this very signer is right here.
fn is_vouched_for(workspace: &Workspace, mirror: &Mirror, pin: &Pin) -> bool {
    is_listed(pin, mirror, workspace)
        || workspace.settings.accepts(lifting(pin), &pin.reference(), &pin.digest).is_some()
}

/// Which exception vouches for a pin's signer.
fn lifting(pin: &Pin) -> Acceptable {
    match pin.signer {
        Signer::Pgp(_) => Acceptable::NewSigner,
        Signer::None => Acceptable::Unsigned,
    }
}

fn finding(pin: &Pin, signers: &BTreeSet<&Signer>) -> Finding {
    let others: Vec<_> =
        signers.iter().filter(|signer| ***signer != pin.signer).map(|signer| signer_name(signer)).collect();
    let reference = pin.reference();
    Finding::of(
        Code::Signer,
        &reference,
        format!(
            "it is signed by {}, other versions of this chart by {}",
            signer_name(&pin.signer),
            others.join(" and ")
        ),
        "find out whether upstream changed its key; list the keys in the manifest's `fingerprints`, or add the exception",
    )
    .lifted_by(Exception { finding: lifting(pin), reference, digest: pin.digest })
}

/// How a signer is named: the full fingerprint, or that there is none.
#[must_use]
pub fn signer_name(signer: &Signer) -> String {
    match signer {
        Signer::Pgp(fingerprint) => fingerprint.to_string(),
        Signer::None => "nobody (no provenance)".to_owned(),
    }
}
