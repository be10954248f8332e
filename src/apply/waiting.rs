//! Waiting for dependencies that another run publishes, before anything is written or a permit held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::apply::Event;
use crate::artifact::Clearing;
use crate::graph::{StepGraph, UnitId};
use crate::plan::{Ask, Observed, dependencies};

/// How long the first pause is; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long a pause is at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Looks for these dependencies until all are there, none can come any more, or the time is up.
pub(super) async fn wait(
    graph: &StepGraph,
    on: &BTreeSet<UnitId>,
    clearing: &Clearing,
    ask: &Ask,
    limit: Option<Duration>,
    tell: &dyn Fn(Event<'_>),
) -> BTreeMap<UnitId, Observed> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        let seen = dependencies::look(graph, on.clone(), clearing, ask).await;
        let left = limit.unwrap_or_default().saturating_sub(begun.elapsed());
        if left.is_zero() || !dependencies::may_come(&seen) {
            return seen;
        }
        if let (false, Some(first)) = (told, on.first()) {
            tell(Event::Waiting(on.len(), &graph.unit(*first).reference));
            told = true;
        }
        // Jitter: many runs may wait for the same registry.
        tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0).min(left)).await;
        pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
    }
}
