//! What `apply` does: observe everything, count, then clear and publish each chart in a chain of its own.
//!
//! Owns the order of chains, what a failure skips, and the outcome. What is to be done about a chart is `plan`'s decision;
//! how bytes are checked and written is `artifact`'s.

pub mod chain;
mod schedule;
mod waiting;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::apply::schedule::Schedule;
use crate::artifact::Clearing;
use crate::finding::{Code, Finding};
use crate::graph::{StepGraph, UnitId};
use crate::oci::{Digest, Reference};
use crate::plan::dependencies;
use crate::plan::saved::Basis;
use crate::plan::{self, Ask, Change, Network, Plan, Question, Rights, Row, Scope, State, Verdict};
use crate::settings::Role;
use crate::settings::Settings;
use crate::signature::{Signatures, Signed};

/// How old an observation of a name may be when the name is written.
pub const FRESH: Duration = Duration::from_secs(30);

/// What was asked of `apply`.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The chart versions to look at.
    pub units: &'a [UnitId],
    /// Whether that is everything.
    pub scope: Scope,
    /// `--allow-changes`, else the settings' `max-changes`.
    pub max_changes: usize,
    /// How old an observation of a name may be when the name is written.
    pub fresh: Duration,
    /// How long to wait for dependencies that this run leaves alone.
    pub wait: Option<Duration>,
    /// A reviewed plan that must still hold.
    pub saved: Option<Saved<'a>>,
}

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// Where bytes come from and how they are checked.
    pub clearing: &'a Clearing,
    /// How they are signed.
    pub signatures: &'a Signatures,
}

/// A reviewed plan that must still hold, and the workspace's files as they are now.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// What the plan rests on.
    pub plan: &'a Basis,
    /// The files and the digests of their bytes.
    pub inputs: &'a BTreeMap<String, Digest>,
}

/// What happens while it happens: for progress, in no promised order.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// So many dependencies are waited for, this one and others.
    Waiting(usize, &'a Reference),
    /// So many charts will be written.
    Planned(usize),
    /// A chain began.
    Started(&'a Reference),
    /// A chain signs what it cleared.
    Signing(&'a Reference),
    /// A chain ended well.
    Done(&'a Reference, Change),
    /// A chain ended otherwise.
    NotDone(&'a Reference),
}

/// What was done about one chart.
#[derive(Debug, Clone)]
pub struct Done {
    /// The write.
    pub change: Change,
    /// The signature that it has now, where the settings want one.
    pub signed: Option<Signed>,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// The plan, with what went wrong added to its rows.
    pub plan: Plan,
    /// What was written and confirmed.
    pub done: BTreeMap<UnitId, Done>,
    /// What an interrupt left undone.
    pub interrupted: BTreeSet<UnitId>,
}

impl Outcome {
    /// What it amounts to. Writes that were made are no change to come.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdict = if self.interrupted.is_empty() { self.plan.verdict() } else { Verdict::Failed };
        if verdict == Verdict::Changes { Verdict::Clean } else { verdict }
    }
}

/// Publishes what the plan for these charts would change. Ends early, with what was done, when `stop` resolves.
pub async fn apply(
    means: Means<'_>,
    graph: &StepGraph,
    order: &Order<'_>,
    stop: impl Future<Output = ()>,
    tell: &dyn Fn(Event<'_>),
) -> Outcome {
    tokio::pin!(stop);
    let Means { clearing, signatures } = means;
    let mut outcome = Outcome { plan: empty(order.scope), done: BTreeMap::new(), interrupted: BTreeSet::new() };
    let ask = Ask { rights: Rights::Write, ..Ask::default() };
    let observed = tokio::select! {
        observed = plan::observe::observe(graph, order.units, clearing, signatures, &ask) => observed,
        () = &mut stop => {
            outcome.interrupted = order.units.iter().copied().collect();
            return outcome;
        }
    };
    outcome.plan.rows = plan::rows::rows(&clearing.workspace, graph, order.units, &observed);
    refuse_unseen(&mut outcome.plan.rows);
    let on = dependencies::elsewhere(graph, &observed, order.units);
    // What else was seen of them stands in the rows, and nothing of the charts that stay as they are is needed any more.
    let looked = outcome.plan.changes().filter_map(|(row, _)| Some((row.unit, observed.get(&row.unit)?.at))).collect();
    drop(observed);
    let seen = tokio::select! {
        seen = waiting::wait(graph, &on, clearing, &ask, order.wait, tell) => seen,
        () = &mut stop => {
            outcome.interrupted = outcome.plan.changes().map(|(row, _)| row.unit).collect();
            return outcome;
        }
    };
    dependencies::withhold(graph, &mut outcome.plan.rows, &on, &seen);
    if let Some(saved) = order.saved {
        let now = Basis::new(saved.inputs, &outcome.plan.rows, Network::Online);
        outcome.plan.findings = saved.plan.moved(&now);
        if !outcome.plan.findings.is_empty() {
            return outcome;
        }
    }
    if let Some(finding) = too_many_changes(&outcome.plan, &clearing.workspace.settings, order.max_changes) {
        outcome.plan.findings.push(finding);
        return outcome;
    }
    let roles = roles(graph, &outcome.plan);
    let ready = tokio::select! {
        ready = signatures.ready(&roles) => ready,
        () = &mut stop => {
            outcome.interrupted = outcome.plan.changes().map(|(row, _)| row.unit).collect();
            return outcome;
        }
    };
    if let Err(error) = ready {
        let message = format!("nothing was published, because it could not be signed: {error}");
        outcome.plan.findings.push(Finding::of_run(Code::Error, message, error.next()));
        return outcome;
    }
    run_chains(means, graph, &looked, order, &mut outcome, stop, tell).await;
    outcome
}

fn empty(scope: Scope) -> Plan {
    Plan {
        rows: Vec::new(),
        findings: Vec::new(),
        scope,
        network: Network::Online,
        question: Question::Merge,
        base: None,
        folder: String::new(),
        inputs: BTreeMap::new(),
        lock_patch: None,
    }
}

/// What is a note in a plan is an error where something should be published.
fn refuse_unseen(rows: &mut [Row]) {
    for row in rows.iter_mut().filter(|row| row.state == State::Unseen) {
        let host = row.reference.repository.host();
        row.findings.clear();
        row.add(Finding::of(
            Code::Error,
            &row.reference,
            format!("{host} denies access and there is no credential for it"),
            format!("log in (`helm registry login {host}` or `docker login {host}`) and run again"),
        ));
    }
}

/// Which identities the changes of this plan are signed by.
fn roles(graph: &StepGraph, plan: &Plan) -> BTreeSet<Role> {
    plan.changes().map(|(row, _)| graph.unit(row.unit).role()).collect()
}

/// So many changes that the whole run stops before its first write.
#[must_use]
pub fn too_many_changes(plan: &Plan, settings: &Settings, max_changes: usize) -> Option<Finding> {
    let changes = plan.changes().count();
    (changes > max_changes).then(|| {
        Finding::of_run(
            Code::TooManyChanges,
            format!("{changes} charts would change, more than the {max_changes} that are allowed at once"),
            format!("look at `chartsync plan`; if it is right run `chartsync apply --allow-changes {changes}`"),
        )
        .at(Some(settings.max_changes_location.clone()))
    })
}

/// How many charts are worked on together: twice what the busiest of all takes at once, so that none waits for charts to work on,
/// and each chart is soon done.
fn at_once(means: Means<'_>, plan: &Plan) -> usize {
    let hosts = plan.changes().map(|(row, _)| means.clearing.registries.at_once(&row.reference.repository));
    2 * hosts.chain([means.signatures.at_once()]).max().unwrap_or(1)
}

async fn run_chains(
    means: Means<'_>,
    graph: &StepGraph,
    looked: &BTreeMap<UnitId, Instant>,
    order: &Order<'_>,
    outcome: &mut Outcome,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    tell: &dyn Fn(Event<'_>),
) {
    let mut schedule = Schedule::new(graph, outcome.plan.rows.iter().map(|row| (row.unit, &row.state)));
    tell(Event::Planned(schedule.left().count()));
    let index: BTreeMap<UnitId, usize> = outcome.plan.rows.iter().enumerate().map(|(at, row)| (row.unit, at)).collect();
    let at_once = at_once(means, &outcome.plan);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < at_once
            && let Some(id) = schedule.start()
        {
            let row = outcome.plan.rows[index[&id]].clone();
            let looked = looked[&id];
            running.push(async move {
                let done = chain::run(means, graph, &row, looked, order.fresh, tell).await;
                (id, done)
            });
        }
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = &mut stop => {
                outcome.interrupted = schedule.left().collect();
                return;
            }
        };
        let Some((id, result)) = ended else { break };
        let row = &mut outcome.plan.rows[index[&id]];
        match result {
            Ok(chain::Published { done, verdict }) => {
                tell(Event::Done(&row.reference, done.change));
                row.verified(verdict.as_ref());
                outcome.done.insert(id, done);
                schedule.done(id);
            }
            Err(finding) => {
                tell(Event::NotDone(&row.reference));
                row.add(finding);
                schedule.failed(id);
            }
        }
    }
    for (id, cause) in schedule.into_skipped() {
        let cause = graph.unit(cause).reference.clone();
        let row = &mut outcome.plan.rows[index[&id]];
        row.add(dependencies::skipped(row, &cause));
    }
}
