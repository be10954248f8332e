//! JSON: the whole graph, for programs.

use serde::Serialize;

use super::{States, steps_of};
use crate::graph::{Edge, Step, StepGraph, Unit, UnitId};

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    kind: &'static str,
    charts: Vec<Chart<'a>>,
    steps: Vec<Node>,
    edges: Vec<Link>,
}

#[derive(Serialize)]
struct Chart<'a> {
    name: &'a str,
    version: &'a str,
    reference: String,
    /// `null` without a pin that satisfies the manifest.
    digest: Option<String>,
    /// Indices into the document's `steps`, in the order in which they are taken.
    steps: Vec<usize>,
}

#[derive(Serialize)]
struct Node {
    kind: &'static str,
    label: String,
    key: Option<String>,
    state: &'static str,
}

/// `from` and `to` are indices into the document's `steps`.
#[derive(Serialize)]
struct Link {
    from: usize,
    to: usize,
    edge: &'static str,
}

/// Every one of these units, with its steps and the edges between them, however many there are.
#[must_use]
pub fn json(graph: &StepGraph, units: &[UnitId], states: &States<'_>) -> String {
    let steps = steps_of(graph, units);
    let index = |step: &Step| steps.binary_search_by_key(&step.node, |step| step.node).ok();
    let node = |step: &&Step| Node {
        kind: step.kind().as_str(),
        label: graph.label(step),
        key: step.key().map(|key| key.to_string()),
        state: states(step).as_str(),
    };
    let link =
        |(from, to, edge): (&Step, &Step, Edge)| Some(Link { from: index(from)?, to: index(to)?, edge: edge.as_str() });
    let document = Document {
        format: 1,
        kind: "graph",
        charts: units.iter().map(|id| chart(graph.unit(*id), graph.steps(*id).filter_map(index).collect())).collect(),
        steps: steps.iter().map(node).collect(),
        edges: graph.edges().filter_map(link).collect(),
    };
    // Texts and numbers under fixed names: nothing here can fail.
    serde_json::to_string(&document).unwrap_or_default()
}

fn chart(unit: &Unit, steps: Vec<usize>) -> Chart<'_> {
    let digest = unit.pin().map(|pin| pin.digest.to_string());
    Chart { name: &unit.name, version: unit.version.as_str(), reference: unit.reference.to_string(), digest, steps }
}
