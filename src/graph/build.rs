//! Puts a graph together: units one by one, then who waits for whom, then every key.

use std::collections::{BTreeMap, HashMap};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{DfsPostOrder, EdgeFiltered, EdgeRef, Reversed};

use super::{Chain, Demands, Edge, Identity, Ingredients, Step, StepGraph, StepKind, Task, Unit, UnitId};
use crate::chart::Version;
use crate::oci::{Digest, Repository};

/// A graph under construction.
#[derive(Debug)]
pub struct Builder {
    graph: StepGraph,
    keyrings: HashMap<Digest, NodeIndex>,
    identities: HashMap<Identity, NodeIndex>,
}

impl Builder {
    /// `demands` by index of mirror, as the units' origins have it.
    #[must_use]
    pub fn new(demands: Vec<Demands>) -> Self {
        let graph = StepGraph {
            steps: DiGraph::new(),
            units: Vec::new(),
            chains: Vec::new(),
            waits: DiGraph::new(),
            keyrings: Vec::new(),
            identities: Vec::new(),
            by_place: Vec::new(),
            by_name: BTreeMap::new(),
            demands,
            packages: BTreeMap::new(),
        };
        Self { graph, keyrings: HashMap::new(), identities: HashMap::new() }
    }

    /// Adds a mirrored chart version; `identity` signs it, if anything does.
    ///
    /// Its steps: `keyring → clear → copy → sign → tag → confirm`, with `identity` before `copy` and `sign`.
    pub fn mirrored(&mut self, unit: Unit, identity: Option<&Identity>) -> UnitId {
        let keyring = unit.pin().and_then(|pin| pin.keyring).map(|digest| self.keyring(digest));
        self.chain(unit, keyring, Task::Clear, identity)
    }

    /// Adds a first-party chart, which [`Builder::consists`] says all about; `identity` signs it, if anything does.
    ///
    /// Its steps: `package → copy → sign → tag → confirm`, with `identity` before `copy` and `sign`.
    pub fn first_party(&mut self, unit: Unit, identity: Option<&Identity>) -> UnitId {
        self.chain(unit, None, Task::Package, identity)
    }

    /// Says what a first-party chart is packaged from. It waits for its dependencies, and what they are enters its key.
    pub fn consists(&mut self, unit: UnitId, ingredients: Ingredients) {
        for on in ingredients.dependencies.values() {
            let node = |unit| self.graph.step(unit, StepKind::Package).map(|step| step.node);
            if let (Some(from), Some(to)) = (node(*on), node(unit)) {
                self.graph.steps.add_edge(from, to, Edge::Feeds);
            }
            self.depends(unit, *on, Edge::After);
        }
        self.graph.packages.insert(unit, ingredients);
    }

    /// The unit of this destination and version, of those that were added.
    #[must_use]
    pub fn find(&self, destination: &Repository, version: &Version) -> Option<UnitId> {
        let at = self.graph.units.iter().position(|unit| unit.place() == (destination, version))?;
        Some(UnitId(index(at)))
    }

    fn chain(
        &mut self,
        unit: Unit,
        keyring: Option<NodeIndex>,
        first: fn(UnitId) -> Task,
        identity: Option<&Identity>,
    ) -> UnitId {
        let identity = identity.map(|identity| self.identity(identity));
        let id = UnitId::of(self.graph.waits.add_node(()));
        self.graph.units.push(unit);

        let first = self.step(first(id));
        let copy = self.step(Task::Copy(id));
        let sign = identity.map(|_| self.step(Task::Sign(id)));
        let tag = self.step(Task::Tag(id));
        let confirm = self.step(Task::Confirm(id));

        let feeds =
            [keyring.map(|keyring| (keyring, first)), Some((first, copy)), Some((copy, tag)), Some((tag, confirm))];
        for (from, to) in feeds.into_iter().flatten() {
            self.graph.steps.add_edge(from, to, Edge::Feeds);
        }
        if let (Some(identity), Some(sign)) = (identity, sign) {
            // Who signs makes another signature, so it feeds `sign`; nothing is copied for a signer that is the wrong one.
            self.graph.steps.add_edge(identity, copy, Edge::After);
            self.graph.steps.add_edge(identity, sign, Edge::Feeds);
            self.graph.steps.add_edge(copy, sign, Edge::Feeds);
            self.graph.steps.add_edge(sign, tag, Edge::After);
        }
        let chain = Chain { keyring, identity, first: first.index(), end: confirm.index() + 1 };
        self.graph.chains.push(chain);
        id
    }

    /// Makes a unit wait until another one is confirmed: nothing of it is written before that.
    ///
    /// Reading and checking it need not wait, so that a plan can tell what would be published. An edge that feeds makes its
    /// keys depend on the other's.
    pub fn depends(&mut self, unit: UnitId, on: UnitId, edge: Edge) {
        let node = |unit, kind| self.graph.step(unit, kind).map(|step| step.node);
        if let (Some(confirm), Some(copy)) = (node(on, StepKind::Confirm), node(unit, StepKind::Copy)) {
            self.graph.steps.add_edge(confirm, copy, edge);
        }
    }

    /// Contracts the steps to who waits for whom, and gives every step its key.
    #[must_use]
    pub fn finish(self) -> StepGraph {
        let mut graph = self.graph;
        let mut by_place = graph.ids().collect::<Vec<_>>();
        by_place.sort_by(|one, other| graph.unit(*one).place().cmp(&graph.unit(*other).place()));
        let destination = |id: UnitId| graph.unit(id).destination();
        let mut by_name = BTreeMap::new();
        for units in by_place.chunk_by(|one, other| destination(*one) == destination(*other)) {
            let [unit, ..] = units else { continue };
            let name = destination(*unit).last();
            let only = if by_name.contains_key(name) { None } else { Some(*unit) };
            by_name.insert(name.to_owned(), only);
        }
        graph.by_name = by_name;
        graph.by_place = by_place;
        graph.waits.extend_with_edges(contracted(&graph.steps));
        for node in inputs_first(&graph.steps) {
            graph.steps[node].key = graph.key_of(&graph.steps[node]);
        }
        graph
    }

    fn step(&mut self, task: Task) -> NodeIndex {
        let node = NodeIndex::new(self.graph.steps.node_count());
        self.graph.steps.add_node(Step { node, task, key: None })
    }

    fn keyring(&mut self, digest: Digest) -> NodeIndex {
        if let Some(node) = self.keyrings.get(&digest) {
            return *node;
        }
        let node = self.step(Task::Keyring(index(self.graph.keyrings.len())));
        self.graph.keyrings.push(digest);
        self.keyrings.insert(digest, node);
        node
    }

    fn identity(&mut self, identity: &Identity) -> NodeIndex {
        if let Some(node) = self.identities.get(identity) {
            return *node;
        }
        let node = self.step(Task::Identity(index(self.graph.identities.len())));
        self.graph.identities.push(identity.clone());
        self.identities.insert(identity.clone(), node);
        node
    }
}

/// Indices are as wide as petgraph's, which counts the same things.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The edges between steps of different units, as edges between the units; each once.
fn contracted(steps: &DiGraph<Step, Edge>) -> Vec<(NodeIndex, NodeIndex)> {
    let between = steps.edge_references().filter_map(|edge| {
        let (from, to) = (steps[edge.source()].unit()?, steps[edge.target()].unit()?);
        let within = from == to && edge.source() < edge.target();
        (!within).then(|| (from.node(), to.node()))
    });
    let mut between = between.collect::<Vec<_>>();
    between.sort_unstable();
    between.dedup();
    between
}

/// Every step after those that feed it. On a cycle some step comes before one that feeds it, which then has no key yet: so no
/// step on a cycle gets one, nor any that a cycle feeds.
fn inputs_first(steps: &DiGraph<Step, Edge>) -> Vec<NodeIndex> {
    let reversed = Reversed(steps);
    let feeds = EdgeFiltered::from_fn(reversed, |edge: petgraph::visit::ReversedEdgeReference<_>| {
        *edge.weight() == Edge::Feeds
    });
    let mut walk = DfsPostOrder::empty(&feeds);
    let mut order = Vec::with_capacity(steps.node_count());
    for node in steps.node_indices() {
        walk.move_to(node);
        while let Some(next) = walk.next(&feeds) {
            order.push(next);
        }
    }
    order
}
