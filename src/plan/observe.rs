//! What the registries hold now: one HEAD a chart at the destination, one at the source where it matters.
//!
//! Owns which questions are asked and how an answer becomes an observation. Decides nothing.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use futures_util::StreamExt as _;

use crate::artifact::{ClearError, Clearing, Known, PackageSeen, PackagingError};
use crate::cache::Cache;
use crate::graph::{PinState, StepGraph, UnitId};
use crate::lock::Pin;
use crate::oci::{Digest, Reference, Repository};
use crate::plan::diff::{Accepted, Credential, Destination, Signature, Source, needs_source};
use crate::registry::{Registries, Registry, RegistryError};
use crate::settings::{Acceptable, Role, Settings, Signing};
use crate::signature::{Look, Place, Signatures, told};
use crate::tally;

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

impl Ask {
    /// What may be known from before: it serves plans, and nothing of it a run that writes.
    fn known<'a>(&self, cache: &'a Cache) -> Known<'a> {
        match self.rights {
            Rights::Read => Known::Cached(cache),
            Rights::Write => Known::Nothing,
        }
    }
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
    /// What a first-party chart's folder is, once it was packaged.
    pub package: Option<PackageSeen>,
    /// Why a first-party chart has no package, or could not be compared with what is published.
    pub package_error: Option<PackagingError>,
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
    let fixed: Vec<_> = units.iter().filter(|id| !matches!(graph.unit(**id).state, PinState::Stale(_))).collect();
    tally::phase("asking registries", fixed.len());
    futures_util::stream::iter(fixed)
        .map(|id| {
            tally::counted(async move {
                let unit = graph.unit(*id);
                let (mut observed, digest) = Box::pin(place(graph, *id, clearing, ask)).await;
                if let (Destination::Same, Some(digest)) = (observed.destination, digest) {
                    look(&unit.reference, &digest, unit.role(), clearing, signatures, ask, &mut observed).await;
                }
                (*id, observed)
            })
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Whether these charts are at their destinations as they should be: no source is asked, and no signature looked for.
pub async fn present(
    graph: &StepGraph,
    units: impl IntoIterator<Item = UnitId>,
    clearing: &Clearing,
    ask: &Ask,
) -> BTreeMap<UnitId, Observed> {
    let ask = Ask { network: ask.network, rights: ask.rights, ..Ask::default() };
    let fixed = units.into_iter().filter(|id| !matches!(graph.unit(*id).state, PinState::Stale(_)));
    let one = |id| {
        let ask = &ask;
        async move { (id, Box::pin(place(graph, id, clearing, ask)).await.0) }
    };
    futures_util::stream::iter(fixed).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// What both sides hold of a chart, and the digest that it should be published under.
async fn place(graph: &StepGraph, id: UnitId, clearing: &Clearing, ask: &Ask) -> (Observed, Option<Digest>) {
    let unit = graph.unit(id);
    if let Some(pin) = unit.pin() {
        let every = ask.every_source || ask.sources_of.contains(&id);
        return (observe_pinned(pin, clearing, ask, every).await, Some(pin.digest));
    }
    let observed = observe_folder(graph, id, clearing, ask).await;
    let digest = observed.package.map(|package| package.digest);
    (observed, digest)
}

fn nothing_asked(settings: &Settings, source: Source) -> Observed {
    Observed {
        destination: Destination::NotAsked,
        source,
        signature: unlooked(settings),
        destination_error: None,
        source_error: None,
        signature_note: None,
        package: None,
        package_error: None,
        at: Instant::now(),
    }
}

/// What the destination's name holds, beside what it should.
async fn observe_name(observed: &mut Observed, registry: &Registry, reference: &Reference, wanted: &Digest) {
    observed.destination = match registry.resolve(reference).await.map(|seen| seen.digest) {
        Ok(digest) if digest == *wanted => Destination::Same,
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
}

/// Packages a first-party chart and compares it with what is published.
async fn observe_folder(graph: &StepGraph, id: UnitId, clearing: &Clearing, ask: &Ask) -> Observed {
    let reference = &graph.unit(id).reference;
    let mut observed = nothing_asked(&clearing.workspace.settings, Source::Folder);
    if ask.network == Network::Offline && needs_bytes(graph, id) {
        return observed;
    }
    let known = ask.known(&clearing.cache);
    let packaged = match clearing.package(graph, id, known).await {
        Ok(packaged) => packaged,
        Err(error) => {
            observed.package_error = Some(error);
            return observed;
        }
    };
    observed.package = Some(packaged.seen);
    if ask.network == Network::Offline {
        return observed;
    }
    observed.at = Instant::now();
    let registry = destination(&clearing.registries, &reference.repository, ask);
    observe_name(&mut observed, &registry, reference, &packaged.seen.digest).await;
    if let Destination::Other(held) = observed.destination {
        match clearing.compare(graph, id, &packaged, &held, known).await {
            Ok(published) => {
                observed.package = Some(published);
                observed.destination = Destination::Same;
            }
            Err(PackagingError::Clear(ClearError::Registry(error))) => {
                observed.destination = Destination::Unknown;
                observed.destination_error = Some(error);
            }
            Err(error) => observed.package_error = Some(error),
        }
    }
    observed
}

/// Whether a chart's package has bytes in it that a registry must be asked for.
fn needs_bytes(graph: &StepGraph, id: UnitId) -> bool {
    let mut on = graph.ingredients(id).into_iter().flat_map(BTreeMap::values);
    on.any(|on| graph.unit(*on).mirror().is_some() || needs_bytes(graph, *on))
}

async fn observe_pinned(pin: &Pin, clearing: &Clearing, ask: &Ask, ask_source: bool) -> Observed {
    let (settings, registries) = (&clearing.workspace.settings, &clearing.registries);
    let mut observed = nothing_asked(settings, Source::NotAsked);
    if ask.network == Network::Offline {
        return observed;
    }
    let registry = destination(registries, &pin.destination, ask);
    observe_name(&mut observed, &registry, &pin.reference(), &pin.digest).await;
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

fn destination(registries: &Registries, repository: &Repository, ask: &Ask) -> Registry {
    let registry = registries.at(repository);
    if ask.rights == Rights::Write { registry.for_push() } else { registry }
}

/// Looks for our signature of a chart that is published as it should be.
async fn look(
    reference: &Reference,
    digest: &Digest,
    role: Role,
    clearing: &Clearing,
    signatures: &Signatures,
    ask: &Ask,
    observed: &mut Observed,
) {
    let place = Place { reference, digest };
    let registry = destination(&clearing.registries, &reference.repository, ask);
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
