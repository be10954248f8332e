//! What `lock` does: the only place that chooses bytes.
//!
//! Owns which pins are kept, made, replaced, carried and dropped, and where a keyring comes from. Writes nothing itself but
//! through [`mod@write`], after everything is known. Does not know what destinations hold.

pub mod keyrings;
pub mod patch;
pub mod upstream;
mod version;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::artifact::Clearing;
use crate::chart::Version;
use crate::diagnostic::Location;
use crate::finding::Exception;
use crate::graph::{StepGraph, Unit, UnitId};
use crate::lock::{Lockfile, Pin};
use crate::oci::{Digest, Reference, Repository};
use crate::provenance::Fingerprint;
use crate::resolve::keyrings::KeyringChange;
use crate::tally;
use crate::workspace::Tree;

/// How many charts are resolved together.
const AT_ONCE: usize = 16;

/// What was asked of `lock`.
#[derive(Debug, Default)]
pub struct Order {
    /// The chart versions to look at.
    pub selected: BTreeSet<UnitId>,
    /// Whether that is everything, so that pins nobody declares are dropped.
    pub everything: bool,
    /// Pins to take anew from the source.
    pub repin: BTreeSet<UnitId>,
    /// Mirrors whose keyring is taken anew, by index.
    pub refresh: BTreeSet<usize>,
    /// What was committed last: where the keyring before an edited one is found.
    pub committed: Option<Tree>,
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
    /// What kind of trouble it is.
    pub cause: Cause,
    /// Why not.
    pub message: String,
    /// What to do.
    pub next: String,
    /// The exception that would lift it, once a person has reviewed it.
    pub exception: Option<Exception>,
}

/// Why a version could not be pinned, as far as callers tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The source has no such tag.
    NotFound,
    /// The source, or the keyring, could not be had: another time it may.
    Unreachable,
    /// What came does not verify, or does not fit the manifest.
    Refused,
}

/// What `lock` would write, and what it has to say.
#[derive(Debug, Default)]
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
    tally::phase("verifying and pinning", order.selected.len());
    let homeless = homeless(graph, existing);
    let keyrings = keyrings::choose(clearing, graph, existing, &homeless, order).await;
    let one = |(id, mirror): (UnitId, usize)| {
        let (keyrings, homeless) = (&keyrings, &homeless);
        let task = version::Task { clearing, graph, existing, order, keyrings, homeless, id, mirror };
        async move {
            // What is not selected is kept: no work that anybody waits for.
            let is_selected = order.selected.contains(&id);
            (id, if is_selected { tally::counted(task.run()).await } else { task.run().await })
        }
    };
    let ids: Vec<_> = graph.ids().filter_map(|id| Some((id, graph.unit(id).mirror()?))).collect();
    let done: BTreeMap<_, _> = futures_util::stream::iter(ids).map(one).buffer_unordered(AT_ONCE).collect().await;

    let mut events = Vec::new();
    let mut failures = Vec::new();
    let mut pins = Vec::new();
    // Pins of renamed destinations: they went along, or stay as they are.
    let mut taken = BTreeSet::new();
    let mut kept = 0;
    for (_, locked) in done {
        kept += usize::from(locked.pin.is_some() && locked.event.is_none());
        events.extend(locked.event);
        failures.extend(locked.failure);
        pins.extend(locked.pin);
        taken.extend(locked.taken);
    }
    let whole = wholly_selected(graph, order);
    for pin in undeclared(graph, existing).filter(|pin| !taken.contains(&pin.reference())) {
        // Dropped when everything was selected, or every version of its destination.
        if order.everything || whole.contains(&pin.destination) {
            events.push(Event::Dropped(Pin::clone(pin)));
        } else {
            pins.push(Arc::clone(pin));
        }
    }
    let commit = keyrings::to_commit(&keyrings, &pins);
    let lockfile = Lockfile::from_pins(pins);
    // Whom to trust comes before what they signed.
    events.splice(0..0, keyrings::events(clearing, &keyrings, existing, &lockfile));
    Resolution { lockfile, keyrings: commit, events, failures, kept, claims: keyrings::claims(&keyrings) }
}

/// Pins of destinations that no manifest has any more, by source and version: a renamed destination takes them along.
type Homeless<'a> = BTreeMap<(&'a Repository, &'a Version), &'a Arc<Pin>>;

fn homeless<'a>(graph: &StepGraph, existing: &'a Lockfile) -> Homeless<'a> {
    let declared: BTreeSet<_> =
        graph.units().iter().filter(|unit| unit.mirror().is_some()).map(Unit::destination).collect();
    let homeless = existing.pins().iter().filter(|pin| !declared.contains(&pin.destination));
    homeless.map(|pin| ((&pin.source, &pin.version), pin)).collect()
}

/// The pins that no manifest declares.
fn undeclared<'a>(graph: &StepGraph, existing: &'a Lockfile) -> impl Iterator<Item = &'a Arc<Pin>> {
    existing.pins().iter().filter(|pin| !graph.mirrors(&pin.destination, &pin.version))
}

/// The destinations whose every declared version is selected.
fn wholly_selected<'a>(graph: &'a StepGraph, order: &Order) -> BTreeSet<&'a Repository> {
    let mut whole: BTreeSet<_> = order.selected.iter().map(|id| graph.unit(*id).destination()).collect();
    for id in graph.ids().filter(|id| !order.selected.contains(id)) {
        whole.remove(graph.unit(id).destination());
    }
    whole
}
