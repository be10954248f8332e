//! Which chart comes before which, and what a failure skips.

use petgraph::Direction;
use petgraph::algo::{astar, toposort};
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};

use super::{StepGraph, UnitId};

/// Charts that wait for each other, so that none can be first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("charts depend on each other in a circle: {}; remove one of these dependencies", drawn(.names))]
pub struct Cycle {
    /// Each depends on the next, the last one on the first; the first has the smallest id.
    pub units: Vec<UnitId>,
    names: Vec<String>,
}

fn drawn(names: &[String]) -> String {
    names.iter().chain(names.first()).map(String::as_str).collect::<Vec<_>>().join(" → ")
}

impl StepGraph {
    /// Every unit after those that it waits for, and otherwise in their own order.
    pub fn order(&self) -> Result<Vec<UnitId>, Cycle> {
        // Sorted from what waits to what is waited for, and then turned around: that keeps independent units as they stand.
        match toposort(Reversed(&self.waits), None) {
            Ok(order) => Ok(order.into_iter().rev().map(UnitId::of).collect()),
            Err(cycle) => Err(self.cycle(cycle.node_id())),
        }
    }

    /// What a unit waits for directly.
    #[must_use]
    pub fn depends_on(&self, unit: UnitId) -> Vec<UnitId> {
        let mut units =
            self.waits.neighbors_directed(unit.node(), Direction::Incoming).map(UnitId::of).collect::<Vec<_>>();
        units.sort_unstable();
        units
    }

    /// Every unit that waits for this one, directly or through others: what is skipped when it fails or is withheld.
    #[must_use]
    pub fn skipped_by(&self, unit: UnitId) -> Vec<UnitId> {
        let mut walk = Dfs::new(&self.waits, unit.node());
        let mut units = Vec::new();
        while let Some(node) = walk.next(&self.waits) {
            units.push(UnitId::of(node));
        }
        units.retain(|other| *other != unit);
        units.sort_unstable();
        units
    }

    /// The shortest cycle through `node`, from each unit to what it depends on.
    fn cycle(&self, node: NodeIndex) -> Cycle {
        let waits = Reversed(&self.waits);
        let back = |first| astar(waits, first, |at| at == node, |_| 1_usize, |_| 0);
        let mut firsts = self.waits.neighbors_directed(node, Direction::Incoming).collect::<Vec<_>>();
        firsts.sort_unstable();
        let path = firsts.into_iter().filter_map(back).min_by_key(|(length, _)| *length);
        let mut units =
            path.map_or_else(|| vec![node], |(_, path)| path).into_iter().map(UnitId::of).collect::<Vec<_>>();
        let smallest = units.iter().enumerate().min_by_key(|(_, unit)| **unit).map_or(0, |(at, _)| at);
        units.rotate_left(smallest);
        let names = self.names(&units);
        Cycle { units, names }
    }

    /// `name@version`, as selectors have it; whole references where those do not tell the units apart.
    fn names(&self, units: &[UnitId]) -> Vec<String> {
        let short = |unit: &UnitId| {
            let unit = self.unit(*unit);
            format!("{}@{}", unit.name, unit.version)
        };
        let names = units.iter().map(short).collect::<Vec<_>>();
        let distinct = names.iter().collect::<std::collections::HashSet<_>>().len() == names.len();
        if distinct { names } else { units.iter().map(|unit| self.unit(*unit).reference.to_string()).collect() }
    }
}
