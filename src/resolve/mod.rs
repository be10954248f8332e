//! What `lock` does: the only place that chooses bytes.
//!
//! Owns which pins are kept, made, replaced, carried and dropped, and where a keyring comes from. Writes nothing itself but
//! through [`write`], after everything is known. Does not know what destinations hold.

pub mod keyrings;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::artifact::{self, ChartImage, ClearError, Clearing, Fetched, Known, Refused, Terms};
use crate::chart::Version;
use crate::diagnostic::Location;
use crate::finding::Exception;
use crate::graph::{PinState, StepGraph, Unit, UnitId};
use crate::lock::{Lockfile, Pin, Unsatisfied};
use crate::oci::{Digest, Reference, Repository};
use crate::provenance::Fingerprint;
use crate::registry::RegistryError;
use crate::resolve::keyrings::{Chosen, KeyringChange};
use crate::workspace::Mirror;

/// How many charts are resolved together.
const AT_ONCE: usize = 16;

/// What was asked of `lock`.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The chart versions to look at.
    pub selected: BTreeSet<UnitId>,
    /// Whether that is everything, so that pins nobody declares are dropped.
    pub everything: bool,
    /// Pins to take anew from the source.
    pub repin: BTreeSet<UnitId>,
    /// Mirrors whose keyring is taken anew, by index.
    pub refresh: BTreeSet<usize>,
}

/// One thing that `lock` did or decided.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few of them exist, and nearly all hold a pin")]
pub enum Event {
    /// A version got its first pin.
    Pinned(Pin),
    /// A pin was replaced by what the source holds now.
    Repinned {
        /// What was pinned.
        old: Pin,
        /// What is pinned now.
        new: Pin,
    },
    /// A pin was verified again, with another keyring.
    Reverified(Pin),
    /// The source was renamed and its tag has the pinned digest.
    Resourced(Pin),
    /// The destination was renamed, the pin went along.
    Carried {
        /// Where it was published so far.
        from: Reference,
        /// The pin now.
        pin: Pin,
    },
    /// No manifest declares the version any more: it stays published, no longer audited.
    Dropped(Pin),
    /// A keyring was fetched, or changed.
    Keyring {
        /// Whose.
        mirror: String,
        /// What changed.
        change: KeyringChange,
    },
}

/// A version that could not be pinned. The others are, all the same.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The version's line in the manifest.
    pub location: Option<Location>,
    /// Where it would be published.
    pub reference: Reference,
    /// Why not.
    pub message: String,
    /// What to do.
    pub next: String,
    /// The exception that would lift it, once a person has reviewed it.
    pub exception: Option<Exception>,
}

/// What `lock` would write, and what it has to say.
#[derive(Debug)]
pub struct Resolution {
    /// All pins, kept and new.
    pub lockfile: Lockfile,
    /// Keyrings to commit, by digest.
    pub keyrings: BTreeMap<Digest, Bytes>,
    /// What was done, by destination and version.
    pub events: Vec<Event>,
    /// What could not be pinned.
    pub failures: Vec<Failure>,
    /// How many pins are as they were.
    pub kept: usize,
    /// What the keys in question say about themselves.
    pub claims: BTreeMap<Fingerprint, String>,
}

/// Resolves what has no satisfying pin, and what was asked for anew.
pub async fn resolve(clearing: &Clearing, graph: &StepGraph, existing: &Lockfile, order: &Order) -> Resolution {
    let keyrings = keyrings::choose(clearing, graph, existing, order).await;
    let ids: Vec<_> = graph.ids().collect();
    let homeless = homeless(graph, existing);
    let one = |id: UnitId| {
        let (keyrings, homeless) = (&keyrings, &homeless);
        async move { (id, lock_one(clearing, graph, existing, order, keyrings, homeless, id).await) }
    };
    let mut done: BTreeMap<_, _> = futures_util::stream::iter(ids).map(one).buffer_unordered(AT_ONCE).collect().await;

    let mut resolution = Resolution {
        lockfile: Lockfile::default(),
        keyrings: BTreeMap::new(),
        events: Vec::new(),
        failures: Vec::new(),
        kept: 0,
        claims: keyrings::claims(&keyrings),
    };
    let mut pins = Vec::new();
    let mut carried = BTreeSet::new();
    while let Some((_, locked)) = done.pop_first() {
        if let Some(Event::Carried { from, .. }) = &locked.event {
            carried.insert(from.clone());
        }
        resolution.kept += usize::from(locked.pin.is_some() && locked.event.is_none());
        resolution.events.extend(locked.event);
        resolution.failures.extend(locked.failure);
        pins.extend(locked.pin);
    }
    for pin in undeclared(graph, existing) {
        if carried.contains(&pin.reference()) {
            continue;
        }
        if is_dropped(graph, order, pin) {
            resolution.events.push(Event::Dropped(pin.clone()));
        } else {
            pins.push(pin.clone());
        }
    }
    resolution.keyrings = keyrings::to_commit(&keyrings, &pins);
    resolution.lockfile = Lockfile::from_pins(pins);
    // Whom to trust comes before what they signed.
    resolution.events.splice(0..0, keyrings::events(clearing, &keyrings, &resolution.lockfile));
    resolution
}

/// What became of one declared version.
struct Locked {
    pin: Option<Pin>,
    event: Option<Event>,
    failure: Option<Failure>,
}

impl Locked {
    fn kept(pin: Option<Pin>) -> Self {
        Self { pin, event: None, failure: None }
    }

    fn done(pin: Pin, event: Event) -> Self {
        Self { pin: Some(pin), event: Some(event), failure: None }
    }

    fn failed(pin: Option<Pin>, failure: Failure) -> Self {
        Self { pin, event: None, failure: Some(failure) }
    }
}

async fn lock_one(
    clearing: &Clearing,
    graph: &StepGraph,
    existing: &Lockfile,
    order: &Order,
    keyrings: &BTreeMap<usize, Chosen>,
    carried: &Homeless<'_>,
    id: UnitId,
) -> Locked {
    let unit = graph.unit(id);
    let old = existing.get(unit.destination(), &unit.version);
    if !order.selected.contains(&id) {
        return Locked::kept(old.cloned());
    }
    let at = At { clearing, unit, mirror: &clearing.workspace.mirrors[unit.mirror()], keyrings };
    if order.repin.contains(&id) {
        return at.pin(old).await;
    }
    let Some(old) = old else {
        return match carried.get(&(&at.mirror.source, &unit.version)) {
            Some(pin) => at.carried(pin).await,
            None => at.pin(None).await,
        };
    };
    if order.refresh.contains(&unit.mirror()) {
        return at.reverified(old).await;
    }
    match &unit.state {
        PinState::Pinned(_) => Locked::kept(Some(old.clone())),
        PinState::Stale(Unsatisfied::Source { .. }) => at.resourced(old).await,
        PinState::Stale(unsatisfied) => {
            let failure = at.failure(unsatisfied.to_string(), String::new());
            Locked::failed(Some(old.clone()), failure)
        }
    }
}

/// One declared version and what it takes to resolve it.
struct At<'a> {
    clearing: &'a Clearing,
    unit: &'a Unit,
    mirror: &'a Mirror,
    keyrings: &'a BTreeMap<usize, Chosen>,
}

impl At<'_> {
    /// Takes what the source holds now.
    async fn pin(&self, old: Option<&Pin>) -> Locked {
        let source = self.mirror.source.tagged(self.unit.version.tag());
        match self.resolved(&source).await {
            Ok(new) => match old {
                Some(old) if *old == new => Locked::kept(Some(old.clone())),
                Some(old) => Locked::done(new.clone(), Event::Repinned { old: old.clone(), new }),
                None => Locked::done(new.clone(), Event::Pinned(new)),
            },
            Err((error, digest)) => Locked::failed(old.cloned(), self.refused(&source, &error, digest)),
        }
    }

    async fn resolved(&self, source: &Reference) -> Result<Pin, (ClearError, Option<Digest>)> {
        let registry = self.clearing.registries.at(&source.repository);
        let (_, bytes) = registry.manifest_by_tag(source).await.map_err(|error| (error.into(), None))?;
        let image = ChartImage::parse(bytes.clone()).map_err(|error| (Refused::Image(error).into(), None))?;
        let digest = image.digest;
        let told = |error| (error, Some(digest));
        self.clearing.cache.keep_blob(&digest, &bytes).await;
        let fetched =
            Fetched::blobs_of(image, &registry, &source.repository, &self.clearing.cache).await.map_err(told)?;
        self.derive(&fetched, &digest).await.map_err(told)
    }

    async fn derive(&self, fetched: &Fetched, digest: &Digest) -> Result<Pin, ClearError> {
        let keyring = match self.keyrings.get(&self.unit.mirror()) {
            Some(Chosen { keyring: Ok(keyring), .. }) => keyring.clone(),
            Some(Chosen { keyring: Err(error), .. }) => return Err(Refused::NoUsableKeyring(error.clone()).into()),
            None => None,
        };
        let settings = &self.clearing.workspace.settings;
        let terms = Terms::of(self.mirror, &self.unit.version, digest, settings, keyring, self.clearing.now);
        let (pin, _) = artifact::derive(fetched, terms, Known::Nothing).await?;
        Ok(pin)
    }

    /// Verifies the pinned bytes again, with the keyring as it is now.
    async fn reverified(&self, old: &Pin) -> Locked {
        let registry = self.clearing.registries.at(&old.source);
        let fetched = Fetched::by_digest(&registry, &old.source, &old.digest, &self.clearing.cache).await;
        let pin = match fetched {
            Ok(fetched) => self.derive(&fetched, &old.digest).await,
            Err(error) => Err(error),
        };
        match pin {
            Ok(new) if new == *old => Locked::kept(Some(old.clone())),
            Ok(new) => Locked::done(new.clone(), Event::Reverified(new)),
            Err(error) => {
                Locked::failed(Some(old.clone()), self.refused(&old.source_reference(), &error, Some(old.digest)))
            }
        }
    }

    /// A renamed source keeps its pin if its tag has that digest.
    async fn resourced(&self, old: &Pin) -> Locked {
        let source = self.mirror.source.tagged(self.unit.version.tag());
        match self.clearing.registries.at(&source.repository).resolve(&source).await {
            Ok(seen) if seen.digest == old.digest => {
                let pin = Pin { source: source.repository, ..old.clone() };
                Locked::done(pin.clone(), Event::Resourced(pin))
            }
            Ok(seen) => {
                let message =
                    format!("the source was renamed, but {source} is {}, not the pinned {}", seen.digest, old.digest);
                Locked::failed(Some(old.clone()), self.failure(message, repin(&self.unit.name, &self.unit.version)))
            }
            Err(error) => Locked::failed(Some(old.clone()), self.refused(&source, &error.into(), None)),
        }
    }

    /// A renamed destination takes its pin along.
    async fn carried(&self, old: &Pin) -> Locked {
        let pin = Pin { destination: self.mirror.destination.clone(), line: 0, ..old.clone() };
        let registry = self.clearing.registries.at(&old.source);
        let derived = match Fetched::by_digest(&registry, &old.source, &old.digest, &self.clearing.cache).await {
            Ok(fetched) => self.derive(&fetched, &old.digest).await,
            Err(error) => Err(error),
        };
        match derived {
            Ok(derived) if derived == pin => Locked::done(pin.clone(), Event::Carried { from: old.reference(), pin }),
            Ok(_) => {
                let message = format!(
                    "the destination was renamed, but the bytes pinned for {} give another pin",
                    old.reference()
                );
                Locked::failed(None, self.failure(message, repin(&self.unit.name, &self.unit.version)))
            }
            Err(error) => Locked::failed(None, self.refused(&old.source_reference(), &error, Some(old.digest))),
        }
    }

    fn refused(&self, source: &Reference, error: &ClearError, digest: Option<Digest>) -> Failure {
        let exception = digest.and_then(|digest| error.exception(&self.unit.reference, &digest));
        let next = match error {
            _ if exception.is_some() => "review it; to take it all the same add the exception, then lock again",
            ClearError::Registry(RegistryError::NotFound { .. }) => {
                "check the version and the source's name in the manifest"
            }
            ClearError::Registry(_) => "run `chartsync lock` again; every pin that could be made is kept",
            ClearError::Defect(_) => "report it, with the chart that causes it",
            _ => "do not mirror it before upstream has explained it",
        };
        let failure = self.failure(format!("the source {source} cannot be pinned: {error}"), next.to_owned());
        Failure { exception, ..failure }
    }

    fn failure(&self, message: String, next: String) -> Failure {
        let declared = self.mirror.versions.iter().find(|declared| declared.version == self.unit.version);
        let location = declared.map(|declared| declared.location.clone());
        Failure { location, reference: self.unit.reference.clone(), message, next, exception: None }
    }
}

fn repin(name: &str, version: &Version) -> String {
    format!("find out why; `chartsync lock --repin {name}@{version}` takes what the source holds now")
}

/// Pins of destinations that no manifest has any more, by source and version: a renamed destination takes them along.
type Homeless<'a> = BTreeMap<(&'a Repository, &'a Version), &'a Pin>;

fn homeless<'a>(graph: &StepGraph, existing: &'a Lockfile) -> Homeless<'a> {
    let declared: BTreeSet<_> = graph.units().iter().map(Unit::destination).collect();
    let homeless = existing.pins().iter().filter(|pin| !declared.contains(&pin.destination));
    homeless.map(|pin| ((&pin.source, &pin.version), pin)).collect()
}

/// The pins that no manifest declares.
fn undeclared<'a>(graph: &StepGraph, existing: &'a Lockfile) -> impl Iterator<Item = &'a Pin> {
    existing.pins().iter().filter(|pin| graph.find(&pin.destination, &pin.version).is_none())
}

/// Whether an undeclared pin goes: when everything was selected, or every version of its destination.
fn is_dropped(graph: &StepGraph, order: &Order, pin: &Pin) -> bool {
    let mut of_destination = graph.ids().filter(|id| *graph.unit(*id).destination() == pin.destination).peekable();
    order.everything || (of_destination.peek().is_some() && of_destination.all(|id| order.selected.contains(&id)))
}
