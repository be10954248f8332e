//! The shares of a plan as the matrix of a GitHub workflow: `strategy.matrix` reads it with `fromJSON`.

use serde::Serialize;

use crate::graph::Shard;
use crate::plan::{Plan, State};

#[derive(Serialize)]
struct Matrix {
    include: Vec<Job>,
}

#[derive(Serialize)]
struct Job {
    /// What `apply --shard` takes.
    shard: String,
    /// How many of its charts `apply` would write.
    changes: usize,
}

/// A job for each share that has charts, changed or not, on one line: each is to tell that all of it is done.
#[must_use]
pub fn matrix(plan: &Plan, shards: u32) -> String {
    let job = |shard: Shard| {
        let rows: Vec<_> = plan.rows.iter().filter(|row| shard.takes(&row.reference.repository)).collect();
        let changes = rows.iter().filter(|row| matches!(row.state, State::Change(_))).count();
        (!rows.is_empty()).then(|| Job { shard: shard.to_string(), changes })
    };
    let include = (1..=shards).filter_map(|index| Shard::new(index, shards)).filter_map(job).collect();
    // Numbers and texts of our own making: nothing here can fail.
    serde_json::to_string(&Matrix { include }).unwrap_or_default() + "\n"
}
