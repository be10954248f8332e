//! A plan as JSON; `schemas/plan.schema.json` describes it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::parts::{WireFinding, WireRow, findings, verdict};
use crate::diagnostic::Severity;
use crate::oci::strict_json;
use crate::plan::saved::{Basis, Seen, TOOL};
use crate::plan::{Plan, Question, Scope};
use crate::report::answer::{Answer, Safe, answer, safe_to_merge};
use crate::resolve::patch::{self, LockPatch};

/// The schema of a plan's JSON, compiled in.
pub const PLAN_SCHEMA: &str = include_str!("../../../schemas/plan.schema.json");

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WirePlan {
    /// The version of chartsync.
    tool: &'static str,
    /// The workspace's files and the digests of their bytes.
    inputs: BTreeMap<String, String>,
    scope: &'static str,
    network: &'static str,
    /// The revision that it was compared with.
    base: Option<String>,
    /// The workspace's folder below its Git repository's root.
    folder: String,
    /// Whether it is safe to merge: the stable word.
    safe_to_merge: &'static str,
    /// Whether what is published is what was reviewed, where that is the question: else `null`.
    as_reviewed: Option<&'static str>,
    /// The answer for people, and why: the first line of every view.
    answer: &'static str,
    reason: String,
    all_is_well: bool,
    verdict: &'static str,
    has_changes: bool,
    /// Whether `apply` would write anything: a change that neither its own finding nor one of the whole run withholds.
    applyable: bool,
    /// How many charts are in each state.
    counts: BTreeMap<&'static str, usize>,
    /// How many charts are without provenance.
    unsigned: usize,
    /// What is in the patch of the lockfile; `null` where none was made.
    lock_patch: Option<WireLockPatch>,
    /// About the whole run; the others stand with their charts.
    findings: Vec<WireFinding>,
    charts: Vec<WireRow>,
}

#[derive(Serialize)]
struct WireLockPatch {
    file: String,
    pins: usize,
    dropped: usize,
    keyrings: usize,
    unlocked: Vec<String>,
}

impl From<&LockPatch> for WireLockPatch {
    fn from(patch: &LockPatch) -> Self {
        let LockPatch { path, pins, dropped, keyrings, unlocked } = patch;
        Self {
            file: patch::name(path).to_owned(),
            pins: *pins,
            dropped: *dropped,
            keyrings: *keyrings,
            unlocked: unlocked.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The plan as JSON.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let has_changes = plan.changes().next().is_some();
    let is_stopped = plan.findings.iter().any(|finding| finding.severity() == Severity::Blocking);
    let Answer { safe, word, reason } = answer(plan);
    let wire = WirePlan {
        tool: TOOL,
        inputs: plan.inputs.iter().map(|(file, digest)| (file.clone(), digest.to_string())).collect(),
        scope: match plan.scope {
            Scope::Whole => "whole",
            Scope::Filtered => "filtered",
        },
        network: plan.network.name(),
        base: plan.base.clone(),
        folder: plan.folder.clone(),
        safe_to_merge: safe_to_merge(plan).safe.name(),
        as_reviewed: (plan.question == Question::Drift).then(|| safe.name()),
        answer: word,
        reason,
        all_is_well: safe == Safe::Yes,
        verdict: verdict(plan.verdict()),
        has_changes,
        applyable: has_changes && !is_stopped,
        counts: plan.counts(),
        unsigned: plan.unsigned().count(),
        lock_patch: plan.lock_patch.as_ref().map(Into::into),
        findings: findings(&plan.findings),
        charts: plan.rows.iter().map(Into::into).collect(),
    };
    super::text("plan", wire)
}

/// The schema, ready to be held against a document; why it is not, should it ever be broken.
static SCHEMA: LazyLock<Result<jsonschema::Validator, String>> = LazyLock::new(|| {
    let schema = serde_json::from_str(PLAN_SCHEMA).map_err(|error| error.to_string())?;
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
});

/// A plan's JSON as a value that fits the schema; nothing else of it is known.
pub fn plan_value(text: &str) -> Result<serde_json::Value, String> {
    let value = strict_json(text.as_bytes())?;
    let schema = SCHEMA.as_ref().map_err(Clone::clone)?;
    schema.validate(&value).map_err(|error| {
        let at = error.instance_path().to_string();
        let reason: String = error.to_string().chars().take(300).collect();
        format!("it is no plan that this chartsync reads: {reason} (at `{at}`)")
    })?;
    // To a schema `1.0` is as whole as `1`; nobody here writes it.
    match fraction(&value) {
        Some(number) => {
            Err(format!("it is no plan that this chartsync reads: {number} is not written as a whole number"))
        }
        None => Ok(value),
    }
}

/// A number that is written with a fraction or an exponent, or is larger than any that is counted.
fn fraction(value: &serde_json::Value) -> Option<&serde_json::Number> {
    match value {
        serde_json::Value::Number(number) => number.is_f64().then_some(number),
        serde_json::Value::Array(values) => values.iter().find_map(fraction),
        serde_json::Value::Object(fields) => fields.values().find_map(fraction),
        _ => None,
    }
}

/// What a saved plan rests on, from its JSON. Only that is read: nothing else of it can have an effect.
pub fn read_plan(text: &str) -> Result<Basis, String> {
    let value = plan_value(text)?;
    let plan: Saved = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let seen = |chart: SavedChart| {
        let (destination, source, signature) = (chart.destination_now, chart.source_now, chart.signature_now);
        let package = chart.package.map(|package| package.digest);
        let seen = Seen { destination, source, signature, package };
        (chart.reference, seen)
    };
    Ok(Basis {
        tool: plan.tool,
        network: plan.network,
        inputs: plan.inputs,
        charts: plan.charts.into_iter().map(seen).collect(),
    })
}

/// The part of a plan's JSON that is read back.
#[derive(Deserialize)]
struct Saved {
    tool: String,
    network: String,
    inputs: BTreeMap<String, String>,
    charts: Vec<SavedChart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SavedChart {
    reference: String,
    destination_now: String,
    source_now: String,
    signature_now: String,
    package: Option<SavedPackage>,
}

#[derive(Deserialize)]
struct SavedPackage {
    digest: String,
}
