//! What `apply` did, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parts::{WireFinding, WireRow, change, findings, verdict};
use crate::apply::Outcome;
use crate::graph::Shard;

#[derive(Serialize)]
struct WireOutcome {
    verdict: &'static str,
    /// The share of this run, `1/8`, where several share the work.
    shard: Option<String>,
    /// What the runs that share it call themselves.
    run: Option<String>,
    /// Of how many runs it is united: a run's own outcome of none.
    shards: Option<u32>,
    /// The workspace's files and the digests of their bytes.
    inputs: BTreeMap<String, String>,
    /// How many charts were written.
    done: usize,
    /// How many an interrupt left undone.
    interrupted: usize,
    /// How many charts are in each state of the plan that was carried out.
    counts: BTreeMap<&'static str, usize>,
    /// About the whole run; the others stand with their charts.
    findings: Vec<WireFinding>,
    charts: Vec<Chart>,
}

#[derive(Serialize)]
struct Chart {
    #[serde(flatten)]
    row: WireRow,
    /// What was written and confirmed: `publish`, `replace` or `sign`.
    done: Option<&'static str>,
    /// The identity, or the public key's file, that signed it: where the settings want a signature.
    #[serde(rename = "signed-by")]
    signed_by: Option<String>,
    interrupted: bool,
}

/// The outcome as JSON.
#[must_use]
pub fn outcome(outcome: &Outcome, shard: Option<Shard>, run: Option<&str>) -> String {
    let charts = outcome.plan.rows.iter().map(|row| Chart {
        row: row.into(),
        done: outcome.done.get(&row.unit).map(|done| change(done.change)),
        signed_by: outcome.done.get(&row.unit).and_then(|done| Some(done.signed.as_ref()?.signer.clone())),
        interrupted: outcome.interrupted.contains(&row.unit),
    });
    let wire = WireOutcome {
        verdict: verdict(outcome.verdict()),
        shard: shard.map(|shard| shard.to_string()),
        run: run.map(str::to_owned),
        shards: None,
        inputs: outcome.plan.inputs.iter().map(|(file, digest)| (file.clone(), digest.to_string())).collect(),
        done: outcome.done.len(),
        interrupted: outcome.interrupted.len(),
        counts: outcome.plan.counts(),
        findings: findings(&outcome.plan.findings),
        charts: charts.collect(),
    };
    super::text("apply", wire)
}
