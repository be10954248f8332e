//! The graph of steps: what stands between a declared chart version and its published, confirmed name.
//!
//! Owns which steps a chart has, what enters their keys, their order, who waits for whom, and how all that is explained and
//! drawn. Pure: it reads no file and asks no registry, and does no step. Whoever knows how a step went hands that in.

mod build;
mod compile;
mod describe;
pub mod draw;
mod order;
mod select;
mod shard;
mod why;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::chart::Version;
use crate::key::StepKey;
use crate::lock::{Pin, Unsatisfied};
use crate::oci::{Digest, Reference, Repository};
use crate::settings::{Acceptable, Role};

pub use build::Builder;
pub use compile::compile;
pub use describe::{Demands, Identity, Ingredients};
pub use order::Cycle;
pub use select::{Only, SelectError, Selection};
pub use shard::{MOST_SHARDS, Shard, ShardError};
pub use why::{Difference, Explained, compare, explain};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Reads a keyring. One step for all charts that are checked against the same bytes.
    Keyring,
    /// Packages a first-party chart.
    Package,
    /// Fetches a mirrored chart by digest and checks everything.
    Clear,
    /// Moves the blobs to the destination, and the image manifest under its digest.
    Copy,
    /// Checks that this process is the signer that the settings name. One step for all that it signs.
    Identity,
    /// Signs the digest at its place.
    Sign,
    /// Writes the name.
    Tag,
    /// Reads the name back and hashes what it got.
    Confirm,
}

impl StepKind {
    /// Every kind, in the order in which a chart's steps stand.
    pub const ALL: [Self; 8] =
        [Self::Keyring, Self::Package, Self::Clear, Self::Identity, Self::Copy, Self::Sign, Self::Tag, Self::Confirm];

    /// The kind's name, which is part of the step's key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Package => "package",
            Self::Clear => "clear",
            Self::Copy => "copy",
            Self::Identity => "identity",
            Self::Sign => "sign",
            Self::Tag => "tag",
            Self::Confirm => "confirm",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one step stands before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// The first one's key enters the second one's.
    Feeds,
    /// Order only.
    After,
}

impl Edge {
    /// The edge's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feeds => "feeds",
            Self::After => "after",
        }
    }
}

/// Which unit of a graph. Means nothing to another graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(u32);

impl UnitId {
    /// The unit's place in [`StepGraph::units`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn node(self) -> NodeIndex {
        NodeIndex::from(self.0)
    }

    fn of(node: NodeIndex) -> Self {
        Self(u32::try_from(node.index()).unwrap_or(u32::MAX))
    }
}

/// One version of one chart: what is published, withheld or skipped as a whole.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The chart's name: the last part of its destination.
    pub name: String,
    /// The declared version.
    pub version: Version,
    /// The place: destination and tag.
    pub reference: Reference,
    /// What declares it.
    pub origin: Origin,
    /// The bytes that a review fixed, or why there are none.
    pub state: PinState,
    /// The reviewed exceptions that lift a check of these bytes. Sorted.
    pub accepted: Vec<Acceptable>,
}

impl Unit {
    /// The pin, if there is one that satisfies the manifest. A first-party chart has none.
    #[must_use]
    pub fn pin(&self) -> Option<&Arc<Pin>> {
        match &self.state {
            PinState::Pinned(pin) => Some(pin),
            PinState::Stale(_) | PinState::Folder => None,
        }
    }

    /// The index of the mirror that declares it; none for a first-party chart.
    #[must_use]
    pub fn mirror(&self) -> Option<usize> {
        match self.origin {
            Origin::Mirror(index) => Some(index),
            Origin::Chart(_) => None,
        }
    }

    /// Which identity signs it.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.origin {
            Origin::Mirror(_) => Role::Mirrors,
            Origin::Chart(_) => Role::Charts,
        }
    }

    /// Where the chart is published.
    #[must_use]
    pub fn destination(&self) -> &Repository {
        &self.reference.repository
    }

    fn place(&self) -> (&Repository, &Version) {
        (self.destination(), &self.version)
    }
}

/// What declares a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The mirror of this index among the workspace's.
    Mirror(usize),
    /// The first-party chart of this index among the workspace's.
    Chart(usize),
}

/// Whether a unit's bytes are fixed.
#[derive(Debug, Clone)]
pub enum PinState {
    /// By this pin, which satisfies the manifest.
    Pinned(Arc<Pin>),
    /// They are not, for this reason: the `?` row of a plan.
    Stale(Unsatisfied),
    /// By the chart's folder: Git has the content, so nothing is pinned.
    Folder,
}

/// One node of the graph.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    node: NodeIndex,
    task: Task,
    key: Option<StepKey>,
}

/// What a step works on: an index into the graph's units, keyrings or identities.
#[derive(Debug, Clone, Copy)]
enum Task {
    Keyring(u32),
    Identity(u32),
    Package(UnitId),
    Clear(UnitId),
    Copy(UnitId),
    Sign(UnitId),
    Tag(UnitId),
    Confirm(UnitId),
}

impl Step {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self.task {
            Task::Keyring(_) => StepKind::Keyring,
            Task::Identity(_) => StepKind::Identity,
            Task::Package(_) => StepKind::Package,
            Task::Clear(_) => StepKind::Clear,
            Task::Copy(_) => StepKind::Copy,
            Task::Sign(_) => StepKind::Sign,
            Task::Tag(_) => StepKind::Tag,
            Task::Confirm(_) => StepKind::Confirm,
        }
    }

    /// The one unit it works for; a keyring and an identity are shared.
    #[must_use]
    pub fn unit(&self) -> Option<UnitId> {
        match self.task {
            Task::Keyring(_) | Task::Identity(_) => None,
            Task::Package(unit)
            | Task::Clear(unit)
            | Task::Copy(unit)
            | Task::Sign(unit)
            | Task::Tag(unit)
            | Task::Confirm(unit) => Some(unit),
        }
    }

    /// Its key; absent while what it would work on is not fixed.
    #[must_use]
    pub fn key(&self) -> Option<StepKey> {
        self.key
    }
}

/// Every step of every declared chart version, with its key, and what stands before what.
#[derive(Debug, Clone)]
pub struct StepGraph {
    steps: DiGraph<Step, Edge>,
    units: Vec<Unit>,
    /// By unit: where its steps are.
    chains: Vec<Chain>,
    /// One node a unit, of the same index; an edge goes from what must be confirmed to what waits for it.
    waits: DiGraph<(), ()>,
    keyrings: Vec<Digest>,
    identities: Vec<Identity>,
    /// By destination and version.
    by_place: Vec<UnitId>,
    /// By the last part of destinations: a unit of the only one that ends so; none where several do.
    by_name: BTreeMap<String, Option<UnitId>>,
    /// By index of mirror.
    demands: Vec<Demands>,
    /// By first-party unit: what its package is made of.
    packages: BTreeMap<UnitId, Ingredients>,
}

/// A unit's own steps stand side by side, from `first` up to `end`.
#[derive(Debug, Clone, Copy)]
struct Chain {
    keyring: Option<NodeIndex>,
    identity: Option<NodeIndex>,
    first: usize,
    end: usize,
}

impl Chain {
    /// In the order in which a chart's steps are taken.
    fn nodes(self) -> impl Iterator<Item = NodeIndex> {
        let own = |from, to| (from..to).map(NodeIndex::new);
        let second = self.end.min(self.first + 1);
        self.keyring.into_iter().chain(own(self.first, second)).chain(self.identity).chain(own(second, self.end))
    }
}

impl StepGraph {
    /// The units in the order in which they were added: by destination and version.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The ids of all units, in their order.
    pub fn ids(&self) -> impl Iterator<Item = UnitId> + Clone + use<> {
        self.waits.node_indices().map(UnitId::of)
    }

    /// One unit of this graph.
    #[must_use]
    pub fn unit(&self, unit: UnitId) -> &Unit {
        &self.units[unit.index()]
    }

    /// The unit of this destination and version.
    #[must_use]
    pub fn find(&self, destination: &Repository, version: &Version) -> Option<UnitId> {
        let place = |unit: &UnitId| self.unit(*unit).place();
        let at = self.by_place.binary_search_by(|unit| place(unit).cmp(&(destination, version))).ok()?;
        Some(self.by_place[at])
    }

    /// Whether a manifest declares this version: a pin of it is in use.
    #[must_use]
    pub fn mirrors(&self, destination: &Repository, version: &Version) -> bool {
        self.find(destination, version).is_some_and(|unit| self.unit(unit).mirror().is_some())
    }

    /// A unit's steps in the order in which they are taken, shared ones included.
    pub fn steps(&self, unit: UnitId) -> impl Iterator<Item = &Step> {
        self.chains[unit.index()].nodes().map(|node| &self.steps[node])
    }

    /// A unit's step of this kind, if it has one.
    #[must_use]
    pub fn step(&self, unit: UnitId, kind: StepKind) -> Option<&Step> {
        self.steps(unit).find(|step| step.kind() == kind)
    }

    /// The key of a unit's step; absent when it has no such step, or its bytes are not fixed.
    #[must_use]
    pub fn key(&self, unit: UnitId, kind: StepKind) -> Option<StepKey> {
        self.step(unit, kind)?.key
    }

    /// Every step once, shared ones included.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.node_weights()
    }

    /// What stands before what: the earlier step, the later one, and why.
    pub fn edges(&self) -> impl Iterator<Item = (&Step, &Step, Edge)> {
        self.steps
            .edge_references()
            .map(|edge| (&self.steps[edge.source()], &self.steps[edge.target()], *edge.weight()))
    }

    /// What a first-party chart is packaged with besides its own files: units of this graph by the name of the dependency.
    #[must_use]
    pub fn ingredients(&self, unit: UnitId) -> Option<&BTreeMap<String, UnitId>> {
        self.packages.get(&unit).map(|ingredients| &ingredients.dependencies)
    }

    /// What stands before one step.
    fn before(&self, step: &Step) -> impl Iterator<Item = (&Step, Edge)> {
        let edges = self.steps.edges_directed(step.node, Direction::Incoming);
        edges.map(|edge| (&self.steps[edge.source()], *edge.weight()))
    }

    /// The step in words: its kind, and what it works on.
    #[must_use]
    pub fn label(&self, step: &Step) -> String {
        match step.task {
            Task::Keyring(at) => format!("keyring {}", self.keyrings[at as usize]),
            Task::Identity(at) => format!("identity {}", self.identities[at as usize]),
            Task::Package(unit)
            | Task::Clear(unit)
            | Task::Copy(unit)
            | Task::Sign(unit)
            | Task::Tag(unit)
            | Task::Confirm(unit) => {
                format!("{} {}", step.kind(), self.unit(unit).reference)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
