//! What charts wait for: dependencies that are not where they should be withhold whatever is packaged with them.
//!
//! What the run itself publishes comes first and is no matter here. Knows the answers, asks through `observe`.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::Clearing;
use crate::finding::{Code, Finding};
use crate::graph::{PinState, StepGraph, UnitId};
use crate::plan::diff::{Change, Destination, Source};
use crate::plan::observe::{self, Ask, Network, Observed};
use crate::plan::rows::{Row, State};

/// The dependencies of charts that would be published which this run leaves alone: they must be published already.
#[must_use]
pub fn elsewhere(graph: &StepGraph, observed: &BTreeMap<UnitId, Observed>, units: &[UnitId]) -> BTreeSet<UnitId> {
    let would = |id: &&UnitId| {
        let seen = observed.get(*id);
        seen.is_some_and(|seen| seen.source == Source::Folder && seen.destination == Destination::Absent)
    };
    let selected: BTreeSet<&UnitId> = units.iter().collect();
    let on = units.iter().filter(would).flat_map(|id| graph.depends_on(*id));
    on.filter(|on| !selected.contains(on)).collect()
}

/// Looks for these dependencies at their destinations.
pub async fn look(
    graph: &StepGraph,
    on: BTreeSet<UnitId>,
    clearing: &Clearing,
    ask: &Ask,
) -> BTreeMap<UnitId, Observed> {
    if ask.network == Network::Offline { BTreeMap::new() } else { observe::present(graph, on, clearing, ask).await }
}

/// Withholds what would be published before a dependency that this run leaves alone.
pub fn withhold(graph: &StepGraph, rows: &mut [Row], on: &BTreeSet<UnitId>, seen: &BTreeMap<UnitId, Observed>) {
    for row in rows.iter_mut().filter(|row| matches!(row.state, State::Change(Change::Publish))) {
        for missing in graph.depends_on(row.unit).into_iter().filter(|id| on.contains(id)) {
            let reference = &graph.unit(missing).reference;
            let Some(why) = why(graph, missing, seen.get(&missing)) else { continue };
            let next = "publish that one first, or wait for it with `chartsync apply --wait 20m`";
            let message = format!("it depends on {reference}, which {why}");
            row.add(Finding::of(Code::Skipped, &row.reference, message, next));
        }
    }
}

/// Withholds what depends on rows of this very plan that will not be published.
pub fn withhold_after(graph: &StepGraph, rows: &mut [Row]) {
    let lost = rows.iter().filter(|row| !matches!(row.state, State::Change(_) | State::Unchanged | State::Undecided));
    let lost: Vec<_> = lost.map(|row| (row.unit, row.reference.clone())).collect();
    for (unit, reference) in lost {
        let after: BTreeSet<UnitId> = graph.skipped_by(unit).into_iter().collect();
        for row in rows.iter_mut().filter(|row| after.contains(&row.unit) && matches!(row.state, State::Change(_))) {
            row.add(skipped(row, &reference));
        }
    }
}

/// The finding for a chart whose dependency will not be, or was not, published.
#[must_use]
pub fn skipped(row: &Row, on: &crate::oci::Reference) -> Finding {
    let message = format!("it depends on {on}, which is not published");
    Finding::of(Code::Skipped, &row.reference, message, "resolve that one, then run again")
}

/// Why a dependency is not where it should be, as the rest of the sentence.
fn why(graph: &StepGraph, id: UnitId, seen: Option<&Observed>) -> Option<String> {
    let unit = graph.unit(id);
    let Some(seen) = seen else {
        return matches!(unit.state, PinState::Stale(_)).then(|| "has no pin that satisfies its manifest".to_owned());
    };
    match seen.destination {
        Destination::Same | Destination::NotAsked if seen.package_error.is_none() => None,
        Destination::Same | Destination::NotAsked => Some("cannot be packaged".to_owned()),
        Destination::Absent => Some("is not published yet".to_owned()),
        Destination::Other(held) if unit.mirror().is_some() => {
            Some(format!("is published as {held} instead of its pin"))
        }
        Destination::Other(held) => Some(format!("is published with other content, as {held}")),
        Destination::Denied(_) | Destination::Unknown => {
            let error = seen.destination_error.as_ref();
            Some(format!("could not be seen: {}", error.map_or_else(|| "no answer".to_owned(), ToString::to_string)))
        }
    }
}

/// Whether waiting may help: nothing is there yet, or nobody knows.
#[must_use]
pub fn may_come(seen: &BTreeMap<UnitId, Observed>) -> bool {
    seen.values().any(|seen| matches!(seen.destination, Destination::Absent | Destination::Unknown))
}
