//! The graph as text: Graphviz, Mermaid, JSON.
//!
//! Owns how much is drawn and how labels are escaped. Draws the states that it is handed and finds out none.

mod dot;
mod json;
mod mermaid;

use std::collections::BTreeMap;

use super::{Edge, Step, StepGraph, Task, UnitId};
use crate::oci::Repository;

pub use dot::dot;
pub use json::json;
pub use mermaid::mermaid;
#[cfg(test)]
pub(super) use {dot::quoted as quote_dot, mermaid::quoted as quote_mermaid};

/// How a step stands. Of several, the last one here says how the whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeState {
    /// Nothing to do, or it was done.
    Done,
    /// Nobody asked.
    Unknown,
    /// It would be done.
    Pending,
    /// It is being done.
    Running,
    /// Not done, because of another chart.
    Skipped,
    /// Its chart has no pin that satisfies its manifest.
    Stale,
    /// A blocking finding withholds its chart.
    Withheld,
    /// It was tried in vain.
    Failed,
}

impl NodeState {
    /// Every state, the mildest first.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Unknown,
        Self::Pending,
        Self::Running,
        Self::Skipped,
        Self::Stale,
        Self::Withheld,
        Self::Failed,
    ];

    /// The state's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
            Self::Withheld => "withheld",
            Self::Failed => "failed",
        }
    }

    /// Fill and border, legible under black text.
    fn colors(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("#d8f0dc", "#2e7d32"),
            Self::Unknown => ("#f2f2f2", "#8a8a8a"),
            Self::Pending => ("#d6e8fb", "#1565c0"),
            Self::Running => ("#b9d7f7", "#0d47a1"),
            Self::Skipped => ("#e8e2f4", "#5e4b8b"),
            Self::Stale => ("#fff3c9", "#b28704"),
            Self::Withheld => ("#ffe0c2", "#c75b12"),
            Self::Failed => ("#f9d4d4", "#b3261e"),
        }
    }
}

/// How each step stands.
pub type States<'a> = dyn Fn(&Step) -> NodeState + 'a;

/// How much is drawn, so that three charts and three thousand stay readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Each step a node.
    Steps,
    /// Each version a node.
    Versions,
    /// Each chart a node: an overview.
    Charts,
}

/// The most versions that are drawn step by step.
const MOST_BY_STEP: usize = 16;
/// The most versions that are drawn each for itself.
const MOST_BY_VERSION: usize = 120;

impl Detail {
    fn of(versions: usize) -> Self {
        if versions <= MOST_BY_STEP {
            Self::Steps
        } else if versions <= MOST_BY_VERSION {
            Self::Versions
        } else {
            Self::Charts
        }
    }
}

/// What both pictures show: nodes in frames, and edges between them.
struct Picture {
    /// Nodes that belong to no chart.
    shared: Vec<Node>,
    /// A frame for each chart, under its destination; in the overview for each repository that charts stand in.
    frames: Vec<(String, Vec<Node>)>,
    /// From and to, as ids of nodes, and the stronger of the reasons; each pair once.
    edges: Vec<(usize, usize, Edge)>,
}

struct Node {
    id: usize,
    lines: Vec<String>,
    state: NodeState,
}

fn picture(graph: &StepGraph, units: &[UnitId], states: &States<'_>) -> Picture {
    let mut artist = Artist { graph, states, nodes: vec![None; graph.steps.node_count()], count: 0 };
    let detail = Detail::of(units.len());
    // In the overview they would stand before nearly everything, and say nothing.
    let shared = steps_of(graph, units).into_iter().filter(|step| step.unit().is_none() && detail != Detail::Charts);
    let shared = shared.map(|step| artist.step(step, shared_lines(graph, step))).collect();

    let mut charts = BTreeMap::<&Repository, Vec<UnitId>>::new();
    for unit in units {
        charts.entry(graph.unit(*unit).destination()).or_default().push(*unit);
    }
    let mut frames = BTreeMap::<&str, Vec<Node>>::new();
    for (chart, units) in charts {
        let frame = if detail == Detail::Charts { parent(chart) } else { chart.as_str() };
        frames.entry(frame).or_default().extend(artist.chart(detail, chart, &units));
    }
    let frames = frames.into_iter().map(|(frame, nodes)| (frame.to_owned(), nodes)).collect();
    Picture { shared, frames, edges: artist.edges() }
}

/// The units' steps, each once, in the graph's order.
fn steps_of<'a>(graph: &'a StepGraph, units: &[UnitId]) -> Vec<&'a Step> {
    let mut steps = units.iter().flat_map(|unit| graph.steps(*unit)).collect::<Vec<_>>();
    steps.sort_unstable_by_key(|step| step.node);
    steps.dedup_by_key(|step| step.node);
    steps
}

fn parent(chart: &Repository) -> &str {
    chart.as_str().rsplit_once('/').map_or(chart.as_str(), |(parent, _)| parent)
}

/// Hands out nodes, and keeps which step is drawn as which.
struct Artist<'a> {
    graph: &'a StepGraph,
    states: &'a States<'a>,
    /// By step.
    nodes: Vec<Option<usize>>,
    count: usize,
}

impl Artist<'_> {
    /// Its last line says how it stands: a colour alone would tell nobody who cannot see it.
    fn step(&mut self, step: &Step, mut lines: Vec<String>) -> Node {
        let state = (self.states)(step);
        lines.push(state.as_str().to_owned());
        self.node(&[step], lines, state)
    }

    fn node(&mut self, steps: &[&Step], lines: Vec<String>, state: NodeState) -> Node {
        let id = self.count;
        self.count += 1;
        for step in steps {
            self.nodes[step.node.index()] = Some(id);
        }
        Node { id, lines, state }
    }

    fn chart(&mut self, detail: Detail, chart: &Repository, units: &[UnitId]) -> Vec<Node> {
        let graph = self.graph;
        let steps = units.iter().map(|unit| own_steps(graph, *unit));
        match detail {
            Detail::Steps => steps.flatten().map(|step| self.step(step, step_lines(graph, step))).collect(),
            Detail::Versions => steps
                .zip(units)
                .map(|(steps, unit)| {
                    let state = self.worst(&steps);
                    let lines = vec![graph.unit(*unit).version.to_string(), state.as_str().to_owned()];
                    self.node(&steps, lines, state)
                })
                .collect(),
            Detail::Charts => {
                let steps = steps.collect::<Vec<_>>();
                let states = steps.iter().map(|steps| self.worst(steps)).collect::<Vec<_>>();
                let lines = vec![chart.last().to_owned(), summary(&states)];
                let state = states.into_iter().max().unwrap_or(NodeState::Unknown);
                vec![self.node(&steps.concat(), lines, state)]
            }
        }
    }

    /// The edges between what was drawn. Of two between the same nodes the one that feeds says it all: it also orders.
    fn edges(&self) -> Vec<(usize, usize, Edge)> {
        let node = |step: &Step| self.nodes[step.node.index()];
        let edges = self.graph.edges().filter_map(|(from, to, edge)| Some((node(from)?, node(to)?, edge)));
        let mut edges = edges.filter(|(from, to, _)| from != to).collect::<Vec<_>>();
        edges.sort_unstable();
        edges.dedup_by_key(|(from, to, _)| (*from, *to));
        edges
    }

    fn worst(&self, steps: &[&Step]) -> NodeState {
        steps.iter().map(|step| (self.states)(step)).max().unwrap_or(NodeState::Unknown)
    }
}

/// A unit's steps without those that it shares.
fn own_steps(graph: &StepGraph, unit: UnitId) -> Vec<&Step> {
    graph.steps(unit).filter(|step| step.unit().is_some()).collect()
}

fn shared_lines(graph: &StepGraph, step: &Step) -> Vec<String> {
    match step.task {
        Task::Keyring(at) => vec!["keyring".into(), graph.keyrings[at as usize].short()],
        Task::Identity(at) => vec!["identity".into(), graph.identities[at as usize].to_string()],
        _ => vec![graph.label(step)],
    }
}

fn step_lines(graph: &StepGraph, step: &Step) -> Vec<String> {
    let version = step.unit().map(|unit| graph.unit(unit).version.to_string()).unwrap_or_default();
    let key = step.key().map_or_else(|| "no key".to_owned(), |key| key.short());
    vec![format!("{} {version}", step.kind()), key]
}

/// `12 versions: 10 done, 2 pending`.
fn summary(states: &[NodeState]) -> String {
    let count = |state: NodeState| states.iter().filter(|other| **other == state).count();
    let counts = NodeState::ALL.into_iter().map(|state| (count(state), state)).filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, state)| format!("{count} {}", state.as_str())).collect::<Vec<_>>().join(", ");
    let versions = if states.len() == 1 { "version" } else { "versions" };
    format!("{} {versions}: {counts}", states.len())
}

/// Whether a character may not stand in a picture: it would break a line, hide, or turn the reading direction.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
