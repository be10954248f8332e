//! A plan as JSON; `schemas/plan.schema.json` describes it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parts::{WireFinding, WireRow, findings, verdict};
use crate::diagnostic::Severity;
use crate::plan::{Network, Plan, Scope};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WirePlan {
    scope: &'static str,
    network: &'static str,
    /// The revision that it was compared with.
    base: Option<String>,
    all_is_well: bool,
    verdict: &'static str,
    has_changes: bool,
    /// Whether `apply` would write anything: a change that neither its own finding nor one of the whole run withholds.
    applyable: bool,
    /// How many charts are in each state.
    counts: BTreeMap<&'static str, usize>,
    /// About the whole run; the others stand with their charts.
    findings: Vec<WireFinding>,
    charts: Vec<WireRow>,
}

/// The plan as JSON.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let has_changes = plan.changes().next().is_some();
    let is_stopped = plan.findings.iter().any(|finding| finding.severity() == Severity::Blocking);
    let wire = WirePlan {
        scope: match plan.scope {
            Scope::Whole => "whole",
            Scope::Filtered => "filtered",
        },
        network: match plan.network {
            Network::Online => "online",
            Network::Offline => "offline",
        },
        base: plan.base.clone(),
        all_is_well: plan.all_is_well(),
        verdict: verdict(plan.verdict()),
        has_changes,
        applyable: has_changes && !is_stopped,
        counts: plan.counts(),
        findings: findings(&plan.findings),
        charts: plan.rows.iter().map(Into::into).collect(),
    };
    super::text("plan", wire)
}
