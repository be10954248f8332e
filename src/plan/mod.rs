//! What `apply` would do, and what a person must look at first.
//!
//! Owns the questions to the registries, the decision about each chart, findings, and the plan as a value. Does not write
//! to a registry and does not know how a plan is printed.

pub mod beside;
pub mod clearing;
pub mod dependencies;
pub mod diff;
pub mod differences;
pub mod drift;
pub mod observe;
pub mod rows;
pub mod saved;
pub mod signers;
pub mod trust;

use std::collections::BTreeMap;

pub use diff::Change;
pub use observe::{Ask, Network, Observed, Rights};
pub use rows::{Row, State};

use crate::artifact::Clearing;
pub use crate::artifact::PackageSeen;
use crate::diagnostic::Severity;
use crate::finding::{Code, Finding};
use crate::graph::{StepGraph, UnitId};
use crate::oci::Digest;
use crate::resolve::patch::LockPatch;
use crate::signature::Signatures;

/// How much of the workspace a plan speaks of. Only a whole one may say that all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Whole,
    /// What `--chart` and `--only` selected.
    Filtered,
}

/// What somebody wants to know of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether it is safe to merge what the workspace holds.
    Merge,
    /// Whether what is published still is what was reviewed.
    Drift,
}

/// Every row, and the findings that are about no single chart.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One for each selected chart version, by destination and version.
    pub rows: Vec<Row>,
    /// About the whole run.
    pub findings: Vec<Finding>,
    /// How much was selected.
    pub scope: Scope,
    /// Whether registries were asked.
    pub network: Network,
    /// What it is to answer.
    pub question: Question,
    /// The revision that it was compared with.
    pub base: Option<String>,
    /// The workspace's folder below its Git repository's root, without a slash at its end; empty at the root, or outside of Git.
    pub folder: String,
    /// The workspace's files and the digests of their bytes.
    pub inputs: BTreeMap<String, Digest>,
    /// What `lock` would write, where a patch of it was asked for and there is something to write.
    pub lock_patch: Option<LockPatch>,
}

impl Plan {
    /// The rows that `apply` would change.
    pub fn changes(&self) -> impl Iterator<Item = (&Row, Change)> {
        self.rows.iter().filter_map(|row| match row.state {
            State::Change(change) => Some((row, change)),
            _ => None,
        })
    }

    /// The rows whose pin has no provenance, and why they may do without.
    pub fn unsigned(&self) -> impl Iterator<Item = (&Row, &beside::Unsigned)> {
        self.rows.iter().filter_map(|row| Some((row, row.beside.as_ref()?.unsigned.as_ref()?)))
    }

    /// Every finding, those of the run first.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.rows.iter().flat_map(|row| &row.findings))
    }

    /// How many rows are in each state, by its name.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.state.name()).or_default() += 1;
        }
        counts
    }

    /// The worst of what it says, in the order in which exit statuses are chosen.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = self.all_findings().map(|finding| match (finding.code, finding.severity()) {
            (Code::Error, _) => Verdict::Failed,
            (Code::Stale, _) => Verdict::Stale,
            (_, Severity::Blocking) => Verdict::Withheld,
            _ => Verdict::Clean,
        });
        let changes = if self.changes().next().is_some() { Verdict::Changes } else { Verdict::Clean };
        worst.chain([changes]).min().unwrap_or(Verdict::Clean)
    }
}

/// What a plan amounts to; of several the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Something could not be examined.
    Failed,
    /// A blocking finding withholds something.
    Withheld,
    /// A version has no pin that satisfies its manifest.
    Stale,
    /// There is something to do.
    Changes,
    /// There is nothing to do.
    Clean,
}

/// Observes, decides and clears: the plan for these charts.
pub async fn make(
    clearing: &Clearing,
    signatures: &Signatures,
    graph: &StepGraph,
    units: &[UnitId],
    scope: Scope,
    ask: &Ask,
) -> Plan {
    let observed = observe::observe(graph, units, clearing, signatures, ask).await;
    let mut rows = rows::rows(&clearing.workspace, graph, units, &observed);
    if ask.network == Network::Online {
        clearing::clear_rows(clearing, graph, &mut rows).await;
        let on = dependencies::elsewhere(graph, &observed, units);
        let seen = dependencies::look(graph, on.clone(), clearing, ask).await;
        dependencies::withhold(graph, &mut rows, &on, &seen);
        dependencies::withhold_after(graph, &mut rows);
    }
    Plan {
        rows,
        findings: Vec::new(),
        scope,
        network: ask.network,
        question: Question::Merge,
        base: None,
        folder: String::new(),
        inputs: BTreeMap::new(),
        lock_patch: None,
    }
}
