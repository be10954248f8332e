//! What the registries hold now: one HEAD a chart at the destination, one at the source where it matters.
//!
//! Owns which questions are asked and how an answer becomes an observation. Decides nothing.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use futures_util::StreamExt as _;

use crate::artifact::Clearing;
use crate::graph::{StepGraph, UnitId};
use crate::lock::Pin;
use crate::oci::Digest;
use crate::plan::diff::{Accepted, Credential, Destination, Signature, Source, needs_source};
use crate::registry::{Registries, Registry, RegistryError};
use crate::settings::{Acceptable, Role, Settings, Signing};
use crate::signature::{Look, Place, Signatures, told};

/// How many charts are looked at together. Each host has a limit of its own below this.
const AT_ONCE: usize = 64;

/// Which sources are asked beside those that the destination's state calls for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Whether any registry may be asked at all.
    pub network: Network,
    /// What the run will do at destinations: one token then serves it.
    pub rights: Rights,
    /// `--drift`: every source.
    pub every_source: bool,
    /// Pins that are new or differ from the base revision's.
    pub sources_of: HashSet<UnitId>,
}

/// Whether registries are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// They are.
    #[default]
    Online,
    /// `--offline`: none is.
    Offline,
}

/// Which rights are asked for at destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rights {
    /// To read.
    #[default]
    Read,
    /// To read and write.
    Write,
}

impl Network {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// What was seen of one chart.
#[derive(Debug, Clone)]
pub struct Observed {
    /// At the destination.
    pub destination: Destination,
    /// At the source.
    pub source: Source,
    /// Of our signature.
    pub signature: Signature,
    /// What the destination answered instead of an answer.
    pub destination_error: Option<RegistryError>,
    /// What the source answered instead of an answer.
    pub source_error: Option<RegistryError>,
    /// What was found instead of our signature, or why that is not known.
    pub signature_note: Option<String>,
    /// When the destination was asked.
    pub at: Instant,
}

/// Asks the registries about these charts. Charts without a satisfying pin are not asked about.
pub async fn observe(
    graph: &StepGraph,
    units: &[UnitId],
    clearing: &Clearing,
    signatures: &Signatures,
    ask: &Ask,
) -> BTreeMap<UnitId, Observed> {
    let pinned = units.iter().filter_map(|id| Some((*id, graph.unit(*id), graph.unit(*id).pin()?)));
    futures_util::stream::iter(pinned)
        .map(|(id, unit, pin)| async move {
            let every = ask.every_source || ask.sources_of.contains(&id);
            let mut observed = observe_one(pin, clearing, ask, every).await;
            if observed.destination == Destination::Same {
                look(pin, unit.role(), clearing, signatures, ask, &mut observed).await;
            }
            (id, observed)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

async fn observe_one(pin: &Pin, clearing: &Clearing, ask: &Ask, ask_source: bool) -> Observed {
    let (settings, registries) = (&clearing.workspace.settings, &clearing.registries);
    let mut observed = Observed {
        destination: Destination::NotAsked,
        source: Source::NotAsked,
        signature: unlooked(settings),
        destination_error: None,
        source_error: None,
        signature_note: None,
        at: Instant::now(),
    };
    if ask.network == Network::Offline {
        return observed;
    }
    let registry = destination(registries, pin, ask);
    observed.destination = match registry.resolve(&pin.reference()).await.map(|seen| seen.digest) {
        Ok(digest) if digest == pin.digest => Destination::Same,
        Ok(digest) => Destination::Other(digest),
        Err(RegistryError::NotFound { .. }) => Destination::Absent,
        Err(error) => {
            let destination = match &error {
                RegistryError::Denied { credential: false, .. } => Destination::Denied(Credential::None),
                RegistryError::Denied { credential: true, .. } => Destination::Denied(Credential::Sent),
                _ => Destination::Unknown,
            };
            observed.destination_error = Some(error);
            destination
        }
    };
    if ask_source || needs_source(observed.destination, &exceptions(settings, pin)) {
        observed.source = match registries.at(&pin.source).resolve(&pin.source_reference()).await {
            Ok(seen) if seen.digest == pin.digest => Source::Same,
            Ok(seen) => Source::Other(seen.digest),
            Err(RegistryError::NotFound { .. }) => Source::Absent,
            Err(error) => {
                observed.source_error = Some(error);
                Source::Unknown
            }
        };
    }
    observed
}

fn destination(registries: &Registries, pin: &Pin, ask: &Ask) -> Registry {
    let registry = registries.at(&pin.destination);
    if ask.rights == Rights::Write { registry.for_push() } else { registry }
}

/// Looks for our signature of a chart that is published as pinned.
async fn look(pin: &Pin, role: Role, clearing: &Clearing, signatures: &Signatures, ask: &Ask, observed: &mut Observed) {
    let reference = pin.reference();
    let place = Place { reference: &reference, digest: &pin.digest };
    let registry = destination(&clearing.registries, pin, ask);
    (observed.signature, observed.signature_note) = match signatures.look(&registry, place, role).await {
        Look::NotWanted => (Signature::NotWanted, None),
        Look::Present { .. } => (Signature::Ours, None),
        Look::Lost(_) => (Signature::Absent, Some("it was signed before, and the signature is put back".to_owned())),
        Look::Absent(others) if others.is_empty() => (Signature::Absent, None),
        Look::Absent(others) => (Signature::Others, Some(told(&others))),
        Look::Unknown(reason) => (Signature::Unknown, Some(reason)),
    };
}

/// The signature of a chart that nobody looked at.
fn unlooked(settings: &Settings) -> Signature {
    match settings.signing {
        Signing::None => Signature::NotWanted,
        _ => Signature::NotAsked,
    }
}

/// The exceptions that were reviewed for this pin's published chart.
#[must_use]
pub fn exceptions(settings: &Settings, pin: &Pin) -> impl Accepted {
    move |finding: Acceptable, digest: Option<Digest>| {
        settings.accepts(finding, &pin.reference(), &digest.unwrap_or(pin.digest)).is_some()
    }
}
