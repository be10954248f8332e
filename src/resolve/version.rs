//! What becomes of one declared version: kept, pinned, pinned anew, verified again, renamed, or refused with a reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::artifact::{self, ChartImage, ClearError, Clearing, Fetched, Known, Refused, Terms};
use crate::graph::{PinState, StepGraph, Unit, UnitId};
use crate::lock::{Lockfile, Pin, Unsatisfied, satisfies};
use crate::oci::{Digest, Reference};
use crate::provenance::{Keyring, Refusal};
use crate::registry::RegistryError;
use crate::resolve::keyrings::Chosen;
use crate::resolve::{Cause, Event, Failure, Homeless, Order};
use crate::workspace::Mirror;

/// One declared version and everything that resolving it needs.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) clearing: &'a Clearing,
    pub(super) graph: &'a StepGraph,
    pub(super) existing: &'a Lockfile,
    pub(super) order: &'a Order,
    pub(super) keyrings: &'a BTreeMap<usize, Chosen>,
    pub(super) homeless: &'a Homeless<'a>,
    pub(super) id: UnitId,
    /// The index of the mirror that declares it.
    pub(super) mirror: usize,
}

/// What became of a declared version.
#[derive(Debug, Default)]
pub(super) struct Locked {
    /// Its pin, if it has one now.
    pub(super) pin: Option<Arc<Pin>>,
    /// What was done.
    pub(super) event: Option<Event>,
    /// What could not be done.
    pub(super) failure: Option<Failure>,
    /// The pin of a renamed destination that this version takes along, whether or not it could.
    pub(super) taken: Option<Reference>,
}

impl Locked {
    fn kept(pin: &Arc<Pin>) -> Self {
        Self { pin: Some(Arc::clone(pin)), ..Self::default() }
    }

    fn done(pin: Pin, event: Event) -> Self {
        Self { pin: Some(Arc::new(pin)), event: Some(event), ..Self::default() }
    }

    fn failed(pin: Option<&Arc<Pin>>, failure: Failure) -> Self {
        Self { pin: pin.cloned(), failure: Some(failure), ..Self::default() }
    }
}

/// Bytes that could not be had or are not acceptable, and their digest as far as it is known.
type Unpinned = (ClearError, Option<Digest>);

impl Task<'_> {
    pub(super) async fn run(&self) -> Locked {
        let unit = self.unit();
        let old = self.existing.get(unit.destination(), &unit.version);
        if !self.order.selected.contains(&self.id) {
            return old.map(Locked::kept).unwrap_or_default();
        }
        let homeless = self.homeless.get(&(&self.mirror().source, &unit.version)).filter(|_| old.is_none()).copied();
        let taken = homeless.map(|pin| pin.reference());
        if self.order.repin.contains(&self.id) {
            return Locked { taken, ..self.pinned(old.or(homeless)).await };
        }
        let Some(old) = old else {
            return match homeless {
                Some(pin) => Locked { taken, ..self.carried(pin).await },
                None => self.pinned(None).await,
            };
        };
        if old.source != self.mirror().source {
            return match self.resourced(old).await {
                Ok(pin) if self.is_refreshed() => self.reverified(old, &pin).await,
                Ok(pin) => match satisfies(&pin, self.mirror(), &self.clearing.workspace) {
                    Ok(()) => Locked::done(pin.clone(), Event::Resourced(pin)),
                    Err(unsatisfied) => Locked::failed(Some(old), self.unsatisfied(&unsatisfied)),
                },
                Err(failure) => Locked::failed(Some(old), failure),
            };
        }
        if self.is_refreshed() {
            return self.reverified(old, old).await;
        }
        match &unit.state {
            PinState::Pinned(_) | PinState::Folder => Locked::kept(old),
            PinState::Stale(unsatisfied) => Locked::failed(Some(old), self.unsatisfied(unsatisfied)),
        }
    }

    fn unit(&self) -> &Unit {
        self.graph.unit(self.id)
    }

    fn mirror(&self) -> &Mirror {
        &self.clearing.workspace.mirrors[self.mirror]
    }

    fn is_refreshed(&self) -> bool {
        self.order.refresh.contains(&self.mirror)
    }

    /// Takes what the source holds now.
    async fn pinned(&self, old: Option<&Arc<Pin>>) -> Locked {
        let source = self.mirror().source.tagged(self.unit().version.tag());
        match (self.resolved(&source).await, old) {
            (Ok(new), Some(old)) if **old == new => Locked::kept(old),
            (Ok(new), Some(old)) => Locked::done(new.clone(), Event::Repinned { old: Pin::clone(old), new }),
            (Ok(new), None) => Locked::done(new.clone(), Event::Pinned(new)),
            (Err(unpinned), old) => Locked::failed(old, self.refused(&source, &unpinned)),
        }
    }

    async fn resolved(&self, source: &Reference) -> Result<Pin, Unpinned> {
        let registry = self.clearing.registries.at(&source.repository);
        let (_, bytes) = registry.manifest_by_tag(source).await.map_err(|error| (error.into(), None))?;
        let image = ChartImage::parse(bytes.clone()).map_err(|error| (Refused::Image(error).into(), None))?;
        let digest = image.digest;
        let told = |error| (error, Some(digest));
        self.clearing.cache.keep_blob(&digest, &bytes).await;
        let keyring = self.keyring().map_err(|refused| told(refused.into()))?;
        let fetched = self.clearing.fetch_blobs(&source.repository, image).await.map_err(told)?;
        self.derive(&fetched, keyring).await.map_err(told)
    }

    /// The keyring that this mirror's new pins are verified with.
    fn keyring(&self) -> Result<Option<Arc<Keyring>>, Refused> {
        match self.keyrings.get(&self.mirror).map(|chosen| &chosen.keyring) {
            Some(Ok(keyring)) => Ok(keyring.clone()),
            Some(Err(error)) => Err(Refused::NoUsableKeyring(error.clone())),
            None => Ok(None),
        }
    }

    async fn derive(&self, fetched: &Fetched, keyring: Option<Arc<Keyring>>) -> Result<Pin, ClearError> {
        let (settings, now) = (&self.clearing.workspace.settings, self.clearing.now);
        let terms = Terms::of(self.mirror(), &self.unit().version, &fetched.image.digest, settings, keyring, now);
        let (pin, _) = artifact::derive(fetched, terms, Known::Nothing).await?;
        Ok(pin)
    }

    /// The pin that these pinned bytes give today, with this keyring.
    async fn derived_anew(&self, pin: &Pin, keyring: Result<Option<Arc<Keyring>>, Refused>) -> Result<Pin, Unpinned> {
        let told = |error| (error, Some(pin.digest));
        let keyring = keyring.map_err(|refused| told(refused.into()))?;
        let fetched = self.clearing.fetch(&pin.source, &pin.digest).await.map_err(told)?;
        self.derive(&fetched, keyring).await.map_err(told)
    }

    /// Verifies the pinned bytes again, with the keyring as it is now. `pin` may have another source than `old`.
    async fn reverified(&self, old: &Arc<Pin>, pin: &Pin) -> Locked {
        match self.derived_anew(pin, self.keyring()).await {
            Ok(new) if new == **old => Locked::kept(old),
            Ok(new) => Locked::done(new.clone(), Event::Reverified(new)),
            Err(unpinned) => Locked::failed(Some(old), self.refused(&pin.source_reference(), &unpinned)),
        }
    }

    /// A renamed source keeps its pin if its tag has that digest.
    async fn resourced(&self, old: &Pin) -> Result<Pin, Failure> {
        let source = self.mirror().source.tagged(self.unit().version.tag());
        match self.clearing.registries.at(&source.repository).resolve(&source).await {
            Ok(seen) if seen.digest == old.digest => Ok(Pin { source: source.repository, ..old.clone() }),
            Ok(seen) => {
                let message =
                    format!("the source was renamed, but {source} is {}, not the pinned {}", seen.digest, old.digest);
                Err(self.failure(message, self.repin()))
            }
            Err(error) => Err(self.refused(&source, &(error.into(), None))),
        }
    }

    /// A renamed destination takes its pin along, verified with the keyring that it has.
    async fn carried(&self, old: &Arc<Pin>) -> Locked {
        let pin = Pin { destination: self.mirror().destination.clone(), line: 0, ..Pin::clone(old) };
        let from = old.reference();
        let keyring = if self.is_refreshed() { self.keyring() } else { self.clearing.keyring(old) };
        match self.derived_anew(old, keyring).await {
            Ok(derived) if derived == pin || self.is_refreshed() => {
                Locked::done(derived.clone(), Event::Carried { from, pin: derived })
            }
            Ok(_) => {
                let message = format!("the destination was renamed, but the bytes pinned for {from} give another pin");
                Locked::failed(Some(old), self.failure(message, self.repin()))
            }
            Err(unpinned) => {
                let what = format!("the destination was renamed, but the pin of {from} could not be taken along");
                Locked::failed(Some(old), self.explained(&what, &unpinned))
            }
        }
    }

    fn refused(&self, source: &Reference, unpinned: &Unpinned) -> Failure {
        self.explained(&format!("the source {source} cannot be pinned"), unpinned)
    }

    /// What went wrong, what to do about it, and the exception that would lift it.
    fn explained(&self, what: &str, (error, digest): &Unpinned) -> Failure {
        let exception = digest.and_then(|digest| error.exception(&self.unit().reference, &digest));
        let next = match error {
            _ if exception.is_some() => "review it; to take it all the same add the exception, then lock again",
            ClearError::Registry(RegistryError::NotFound { .. }) => {
                "check the version and the source's name in the manifest"
            }
            ClearError::Registry(_) | ClearError::Refused(Refused::NoUsableKeyring(_)) => {
                "run `chartsync lock` again; every pin that could be made is kept"
            }
            ClearError::Refused(Refused::NoKeyring) => "name the upstream's keyring in the manifest",
            ClearError::Refused(Refused::Name { .. }) => {
                "the last part of the destination must be the chart's name: correct the manifest"
            }
            ClearError::Refused(Refused::KeyringMissing(_)) => {
                "restore it from Git, or take the keyring as it is now with `chartsync lock --refresh-keyring NAME`"
            }
            ClearError::Refused(Refused::Policy(Refusal::NotListed { .. })) => {
                "list the key in the manifest's `fingerprints` if you trust it"
            }
            ClearError::Defect(_) => "report it, with the chart that causes it",
            _ => "do not mirror it before upstream has explained it",
        };
        let cause = match error {
            ClearError::Registry(RegistryError::NotFound { .. }) => Cause::NotFound,
            ClearError::Registry(_) | ClearError::Refused(Refused::NoUsableKeyring(_)) => Cause::Unreachable,
            _ => Cause::Refused,
        };
        let failure = self.failure(format!("{what}: {error}"), next.to_owned());
        Failure { cause, exception, ..failure }
    }

    fn unsatisfied(&self, unsatisfied: &Unsatisfied) -> Failure {
        let failure = self.failure(unsatisfied.to_string(), String::new());
        Failure { exception: unsatisfied.exception(&self.unit().reference), ..failure }
    }

    fn failure(&self, message: String, next: String) -> Failure {
        let unit = self.unit();
        let declared = self.mirror().versions.iter().find(|declared| declared.version == unit.version);
        let location = declared.map(|declared| declared.location.clone());
        let (reference, cause) = (unit.reference.clone(), Cause::Refused);
        Failure { location, reference, cause, message, next, exception: None }
    }

    fn repin(&self) -> String {
        let (name, version) = (self.graph.selector(self.unit().destination()), &self.unit().version);
        format!("find out why; `chartsync lock --repin {name}@{version}` takes what the source holds now")
    }
}
