//! The outcomes of several runs that shared the work, as the outcome of one: from their JSON, if they are the whole.
//!
//! Owns what "the whole" means: each share told once, of one and the same workspace, and every chart in one of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FORMAT;
use crate::graph::Shard;
use crate::oci::{Digest, Reference, strict_json};
use crate::plan::Verdict;

/// The worst first.
const VERDICTS: [Verdict; 5] = [Verdict::Failed, Verdict::Withheld, Verdict::Stale, Verdict::Changes, Verdict::Clean];

/// What one run told.
#[derive(Deserialize)]
struct Outcome {
    format: u32,
    kind: String,
    verdict: String,
    shard: Option<String>,
    run: Option<String>,
    inputs: BTreeMap<String, String>,
    done: usize,
    interrupted: usize,
    findings: Vec<Value>,
    charts: Vec<Value>,
}

/// The outcome of all runs together.
#[derive(Debug, Serialize)]
pub struct Merged {
    #[serde(skip)]
    verdict: Verdict,
    #[serde(rename = "verdict")]
    word: &'static str,
    shard: Option<String>,
    run: Option<String>,
    /// How many runs there were.
    shards: u32,
    inputs: BTreeMap<String, String>,
    done: usize,
    interrupted: usize,
    counts: BTreeMap<String, usize>,
    findings: Vec<Value>,
    charts: Vec<Value>,
}

/// Why outcomes are not those of one whole run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// A file that is no outcome.
    #[error("{file} is not what `apply --shard I/N --format json` prints: {problem}")]
    Unreadable {
        /// Its name.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The run saw other files than those that are here.
    #[error("{file} is of another checkout: {differs} is not the same there")]
    Elsewhere {
        /// The outcome's name.
        file: String,
        /// A file of the workspace.
        differs: String,
    },
    /// An outcome of another run, older perhaps.
    #[error("{file} is of {}, this merges {}", named(.run.as_deref()), named(.expected.as_deref()))]
    Run {
        /// The outcome's name.
        file: String,
        /// What its run was called.
        run: Option<String>,
        /// What `merge` was told.
        expected: Option<String>,
    },
    /// Shares of several divisions.
    #[error("{file} is of share {shard}, others are of {of} shares")]
    Division {
        /// The outcome's name.
        file: String,
        /// Its share.
        shard: Shard,
        /// How many the others say.
        of: u32,
    },
    /// A share that nobody told.
    #[error("nothing tells of share {0}: run it, and hand its outcome over too")]
    Missing(Shard),
    /// A chart that no outcome has, or more than one, or one that it does not belong to.
    #[error(
        "{chart} is in {times} of the outcomes, in which it should be once: were all made with the same selectors?"
    )]
    Chart {
        /// The chart.
        chart: String,
        /// How often it was told.
        times: usize,
    },
}

fn named(run: Option<&str>) -> String {
    run.map_or_else(|| "a run without a name".to_owned(), |run| format!("run `{}`", crate::document::quote(run)))
}

/// Unites outcomes, given with their names, if together they tell of each of these charts once, and all are of `run`.
///
/// A share that was run again may be told twice: the later one counts.
pub fn merge(
    outcomes: &[(String, String)],
    run: Option<&str>,
    inputs: &BTreeMap<String, Digest>,
    expected: &[Reference],
) -> Result<Merged, NotWhole> {
    let inputs: BTreeMap<String, String> =
        inputs.iter().map(|(file, digest)| (file.clone(), digest.to_string())).collect();
    let mut shares: BTreeMap<Shard, Outcome> = BTreeMap::new();
    for (file, text) in outcomes {
        let (shard, outcome) = read(file, text)?;
        if outcome.run.as_deref() != run {
            return Err(NotWhole::Run { file: file.clone(), run: outcome.run, expected: run.map(str::to_owned) });
        }
        if let Some(differs) = differing(&outcome.inputs, &inputs) {
            return Err(NotWhole::Elsewhere { file: file.clone(), differs });
        }
        if let Some(other) = shares.keys().next().filter(|other| other.of() != shard.of()) {
            return Err(NotWhole::Division { file: file.clone(), shard, of: other.of().get() });
        }
        shares.insert(shard, outcome);
    }
    let of = shares.keys().next().map_or(1, |shard| shard.of().get());
    for shard in (1..=of).filter_map(|index| Shard::new(index, of)) {
        let has_charts = expected.iter().any(|reference| shard.takes(&reference.repository));
        if has_charts && !shares.contains_key(&shard) {
            return Err(NotWhole::Missing(shard));
        }
    }
    let charts = in_order(&shares, expected)?;
    Ok(Merged { run: run.map(str::to_owned), ..united(of, inputs, shares, charts) })
}

fn read(file: &str, text: &str) -> Result<(Shard, Outcome), NotWhole> {
    let unreadable = |problem: String| NotWhole::Unreadable { file: file.to_owned(), problem };
    let value = strict_json(text.as_bytes()).map_err(unreadable)?;
    let outcome: Outcome = serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    if outcome.format != FORMAT || outcome.kind != "apply" {
        return Err(unreadable(format!("it is of the kind `{}`, format {}", outcome.kind, outcome.format)));
    }
    let shard = outcome.shard.as_deref().ok_or_else(|| unreadable("it is of a run that shared nothing".to_owned()))?;
    let shard = shard.parse().map_err(|_| unreadable(format!("its share is `{shard}`")))?;
    if !VERDICTS.iter().any(|verdict| outcome.verdict == super::parts::verdict(*verdict)) {
        return Err(unreadable(format!("its verdict is `{}`", outcome.verdict)));
    }
    Ok((shard, outcome))
}

/// A file that is not the same in both.
fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Option<String> {
    one.keys().chain(other.keys()).find(|file| one.get(*file) != other.get(*file)).cloned()
}

/// The charts as one run would have told them.
fn in_order(shares: &BTreeMap<Shard, Outcome>, expected: &[Reference]) -> Result<Vec<Value>, NotWhole> {
    let mut told: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for chart in shares.values().flat_map(|outcome| &outcome.charts) {
        let name = chart.get("reference").and_then(Value::as_str).unwrap_or_default();
        told.entry(name.to_owned()).or_default().push(chart);
    }
    let mut charts = Vec::with_capacity(expected.len());
    for reference in expected {
        let chart = reference.to_string();
        match told.remove(&chart).unwrap_or_default()[..] {
            [one] => charts.push(one.clone()),
            ref several => return Err(NotWhole::Chart { chart, times: several.len() }),
        }
    }
    match told.into_iter().next() {
        Some((chart, several)) => Err(NotWhole::Chart { chart, times: several.len() }),
        None => Ok(charts),
    }
}

fn united(runs: u32, inputs: BTreeMap<String, String>, shares: BTreeMap<Shard, Outcome>, charts: Vec<Value>) -> Merged {
    let told = |verdict: &Verdict| shares.values().any(|outcome| outcome.verdict == super::parts::verdict(*verdict));
    let verdict = VERDICTS.into_iter().find(told).unwrap_or(Verdict::Clean);
    let mut counts = BTreeMap::new();
    for chart in &charts {
        let state = chart.get("state").and_then(Value::as_str).unwrap_or_default();
        *counts.entry(state.to_owned()).or_default() += 1;
    }
    Merged {
        verdict,
        word: super::parts::verdict(verdict),
        shard: None,
        run: None,
        shards: runs,
        inputs,
        done: shares.values().map(|outcome| outcome.done).sum(),
        interrupted: shares.values().map(|outcome| outcome.interrupted).sum(),
        counts,
        findings: shares.into_values().flat_map(|outcome| outcome.findings).collect(),
        charts,
    }
}

impl Merged {
    /// The worst verdict of all.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// As one run would have told it, and how many there were.
    #[must_use]
    pub fn json(&self) -> String {
        super::text("apply", self)
    }

    /// In a sentence, after what each chart that was not published lacks.
    #[must_use]
    pub fn human(&self) -> String {
        let mut lines = Vec::new();
        for finding in self.charts.iter().filter_map(|chart| chart.get("findings")?.as_array()).flatten() {
            lines.extend(blocking(finding));
        }
        lines.extend(self.findings.iter().filter_map(blocking));
        let interrupted = match self.interrupted {
            0 => String::new(),
            number => format!(", {number} left undone by an interrupt"),
        };
        let (all, shards) = (self.charts.len(), self.shards);
        lines.push(format!("{shards} runs, {all} charts, each in one of them: {} written{interrupted}", self.done));
        lines.join("\n")
    }
}

fn blocking(finding: &Value) -> Option<String> {
    let text = |field: &str| finding.get(field).and_then(Value::as_str).unwrap_or_default();
    let line = format!("{} {}  {}: {}", text("sign"), text("code"), text("reference"), text("message"));
    (text("severity") == "blocking").then(|| crate::report::escape::terminal(&line).into_owned())
}
