//! Which chains may start: those whose dependencies are done. Knows no chain's work.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{StepGraph, UnitId};
use crate::plan::State;

/// The chains of one run, from waiting to done or skipped.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    graph: &'a StepGraph,
    /// Chains that have not ended, with how many of those they depend on have not either.
    pending: BTreeMap<UnitId, usize>,
    /// Chains that wait for nothing and have not started.
    ready: BTreeSet<UnitId>,
    /// Chains that will not start, with what was not published.
    skipped: BTreeMap<UnitId, UnitId>,
}

impl<'a> Schedule<'a> {
    /// A chain for each chart that changes; what depends on a chart that neither changes nor is published is skipped.
    pub(super) fn new<'s>(graph: &'a StepGraph, states: impl Iterator<Item = (UnitId, &'s State)> + Clone) -> Self {
        let changes = states.clone().filter(|(_, state)| matches!(state, State::Change(_)));
        let changing: BTreeSet<UnitId> = changes.map(|(id, _)| id).collect();
        let waits = |id: UnitId| graph.depends_on(id).into_iter().filter(|on| changing.contains(on)).count();
        let pending: BTreeMap<_, _> = changing.iter().map(|id| (*id, waits(*id))).collect();
        let ready = pending.iter().filter(|(_, waits)| **waits == 0).map(|(id, _)| *id).collect();
        let mut schedule = Self { graph, pending, ready, skipped: BTreeMap::new() };
        for (id, state) in states {
            if !matches!(state, State::Change(_) | State::Unchanged) {
                schedule.skip_after(id);
            }
        }
        schedule
    }

    /// A chain that may start now, told once; the first by place.
    pub(super) fn start(&mut self) -> Option<UnitId> {
        self.ready.pop_first()
    }

    /// A chain ended well.
    pub(super) fn done(&mut self, id: UnitId) {
        self.pending.remove(&id);
        for after in self.graph.skipped_by(id) {
            if let Some(waits) = self.pending.get_mut(&after)
                && self.graph.depends_on(after).contains(&id)
            {
                *waits -= 1;
                if *waits == 0 {
                    self.ready.insert(after);
                }
            }
        }
    }

    /// A chain ended otherwise: whatever waits for it, directly or not, is skipped.
    pub(super) fn failed(&mut self, id: UnitId) {
        self.pending.remove(&id);
        self.skip_after(id);
    }

    fn skip_after(&mut self, id: UnitId) {
        for after in self.graph.skipped_by(id) {
            if self.pending.remove(&after).is_some() {
                self.ready.remove(&after);
                self.skipped.insert(after, id);
            }
        }
    }

    /// The chains that have not ended and are not skipped.
    pub(super) fn left(&self) -> impl Iterator<Item = UnitId> {
        self.pending.keys().copied()
    }

    /// The skipped chains, each with what was not published.
    pub(super) fn into_skipped(self) -> BTreeMap<UnitId, UnitId> {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;
    use crate::graph::tests::charts;
    use crate::plan::Change;

    const PUBLISH: State = State::Change(Change::Publish);
    const NAMES: [&str; 5] = ["base", "left", "right", "top", "alone"];
    /// `top` on `left` and `right`, both on `base`.
    const DIAMOND: [(&str, &str); 4] = [("left", "base"), ("right", "base"), ("top", "left"), ("top", "right")];

    fn id(graph: &StepGraph, name: &str) -> UnitId {
        graph.ids().find(|id| graph.unit(*id).name == name).unwrap()
    }

    fn started<'g>(graph: &'g StepGraph, schedule: &mut Schedule<'_>) -> Vec<&'g str> {
        std::iter::from_fn(|| schedule.start()).map(|id| graph.unit(id).name.as_str()).collect()
    }

    fn skipped(graph: &StepGraph, schedule: Schedule<'_>) -> Vec<String> {
        let name = |id| graph.unit(id).name.clone();
        schedule.into_skipped().into_iter().map(|(id, cause)| format!("{} by {}", name(id), name(cause))).collect()
    }

    #[test]
    fn a_chain_starts_when_everything_below_is_done() {
        let graph = charts(&NAMES, &DIAMOND, Edge::After);
        let states = graph.ids().map(|id| (id, &PUBLISH));
        let mut schedule = Schedule::new(&graph, states);
        assert_eq!(started(&graph, &mut schedule), ["base", "alone"]);
        schedule.done(id(&graph, "base"));
        assert_eq!(started(&graph, &mut schedule), ["left", "right"]);
        schedule.done(id(&graph, "right"));
        assert!(started(&graph, &mut schedule).is_empty());
        schedule.done(id(&graph, "left"));
        assert_eq!(started(&graph, &mut schedule), ["top"]);
        assert_eq!(schedule.left().count(), 2);
        assert!(skipped(&graph, schedule).is_empty());
    }

    #[test]
    fn a_failure_skips_what_is_above_it_and_nothing_else() {
        let graph = charts(&NAMES, &DIAMOND, Edge::After);
        let mut schedule = Schedule::new(&graph, graph.ids().map(|id| (id, &PUBLISH)));
        assert_eq!(started(&graph, &mut schedule), ["base", "alone"]);
        schedule.done(id(&graph, "base"));
        assert_eq!(started(&graph, &mut schedule), ["left", "right"]);
        schedule.failed(id(&graph, "left"));
        schedule.done(id(&graph, "right"));
        assert!(started(&graph, &mut schedule).is_empty());
        assert_eq!(skipped(&graph, schedule), ["top by left"]);
    }

    #[test]
    fn what_is_withheld_skips_and_what_is_published_does_not() {
        let graph = charts(&NAMES, &DIAMOND, Edge::After);
        let base = id(&graph, "base");
        let state = |id| if id == base { &State::Withheld } else { &PUBLISH };
        let mut schedule = Schedule::new(&graph, graph.ids().map(|id| (id, state(id))));
        assert_eq!(started(&graph, &mut schedule), ["alone"]);
        assert_eq!(skipped(&graph, schedule), ["left by base", "right by base", "top by base"]);

        let state = |id| if id == base { &State::Unchanged } else { &PUBLISH };
        let mut schedule = Schedule::new(&graph, graph.ids().map(|id| (id, state(id))));
        assert_eq!(started(&graph, &mut schedule), ["left", "right", "alone"]);
    }
}
