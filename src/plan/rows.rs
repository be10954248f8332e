//! One row for each chart version: its state and its findings, from the graph and from what was observed.
//!
//! Owns the sentences of the plan table. Pure.

use std::collections::BTreeMap;

use crate::chart::Version;
use crate::diagnostic::Severity;
use crate::finding::{Code, Exception, Finding};
use crate::graph::{PinState, StepGraph, Unit, UnitId};
use crate::lock::{Pin, Signer, Unsatisfied};
use crate::oci::{Digest, Reference};
use crate::plan::diff::{Block, Change, Decision, Destination, Side, Signature, Source, Upstream, decide, upstream};
use crate::plan::observe::{Observed, exceptions};
use crate::plan::signers;
use crate::provenance::Verdict;
use crate::registry::RegistryError;
use crate::settings::{Accept, Acceptable};
use crate::workspace::Workspace;

/// What is to be done about one chart version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Unchanged,
    /// A write that nothing withholds.
    Change(Change),
    /// Something that waits for a person.
    Withheld,
    /// No pin satisfies the manifest.
    Stale,
    /// It could not be examined.
    Failed,
    /// The destination cannot be seen without a credential.
    Unseen,
    /// Nobody asked.
    Undecided,
}

impl State {
    /// Its stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Change(Change::Publish) => "publish",
            Self::Change(Change::Replace(_)) => "replace",
            Self::Change(Change::Sign) => "sign",
            Self::Withheld => "withheld",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Unseen => "unseen",
            Self::Undecided => "undecided",
        }
    }
}

/// One chart version in a plan.
#[derive(Debug, Clone)]
pub struct Row {
    /// In the graph.
    pub unit: UnitId,
    /// The chart's name.
    pub name: String,
    /// The version as the manifest writes it.
    pub version: Version,
    /// Where it is published.
    pub reference: Reference,
    /// Where it comes from.
    pub source: Reference,
    /// What is pinned.
    pub pin: Option<Pin>,
    /// What the destination holds now.
    pub destination_now: Destination,
    /// What the source says now.
    pub source_now: Source,
    /// Whether it is signed as the settings want.
    pub signature_now: Signature,
    /// What was found instead of our signature.
    pub signature_note: Option<String>,
    /// What the destination holds instead, where that matters.
    pub held: Option<Digest>,
    /// What is to be done.
    pub state: State,
    /// What to look at.
    pub findings: Vec<Finding>,
    /// The signer's own words about itself, once its signature was verified in this run.
    pub claims: Option<String>,
    /// The reviewed exceptions for the bytes in question.
    pub accepted: Vec<Accept>,
}

impl Row {
    /// Takes note of whose signature was verified, and whether an expired key had to be accepted for it.
    pub fn verified(&mut self, verdict: Option<&Verdict>) {
        self.claims = verdict.and_then(|verdict| verdict.claims.clone());
        let is_expired = verdict.is_some_and(|verdict| verdict.key_expired);
        self.accepted.retain(|accept| accept.finding != Acceptable::ExpiredKey || is_expired);
    }

    /// Adds a finding; a blocking one withholds whatever was to be done.
    pub fn add(&mut self, finding: Finding) {
        if finding.severity() == Severity::Blocking {
            self.state = match finding.code {
                Code::Error => State::Failed,
                Code::Stale => State::Stale,
                _ => State::Withheld,
            };
        }
        self.findings.push(finding);
    }
}

/// The rows of these charts, in the order given.
#[must_use]
pub fn rows(
    workspace: &Workspace,
    graph: &StepGraph,
    units: &[UnitId],
    observed: &BTreeMap<UnitId, Observed>,
) -> Vec<Row> {
    let odd = signers::odd_ones(workspace, graph);
    let one = |id: &UnitId| {
        let unit = graph.unit(*id);
        let mut row = match &unit.state {
            PinState::Stale(stale) => stale_row(workspace, *id, unit, stale),
            PinState::Pinned(pin) => match observed.get(id) {
                Some(observed) => pinned_row(workspace, *id, unit, pin, observed),
                None => bare_row(workspace, *id, unit, Some(pin.clone()), State::Undecided),
            },
        };
        if let Some(finding) = odd.get(id)
            && matches!(row.state, State::Change(Change::Publish | Change::Replace(_)))
        {
            row.add(finding.clone());
        }
        row
    };
    units.iter().map(one).collect()
}

fn bare_row(workspace: &Workspace, id: UnitId, unit: &Unit, pin: Option<Pin>, state: State) -> Row {
    let mirror = &workspace.mirrors[unit.mirror()];
    Row {
        unit: id,
        name: unit.name.clone(),
        version: unit.version.clone(),
        reference: unit.reference.clone(),
        source: mirror.source.tagged(unit.version.tag()),
        pin,
        destination_now: Destination::NotAsked,
        source_now: Source::NotAsked,
        signature_now: Signature::NotAsked,
        signature_note: None,
        held: None,
        state,
        findings: Vec::new(),
        claims: None,
        accepted: Vec::new(),
    }
}

fn stale_row(workspace: &Workspace, id: UnitId, unit: &Unit, unsatisfied: &Unsatisfied) -> Row {
    let mut row = bare_row(workspace, id, unit, None, State::Stale);
    let mirror = &workspace.mirrors[unit.mirror()];
    let declared = mirror.versions.iter().find(|declared| declared.version == unit.version);
    let finding = Finding::of(Code::Stale, &unit.reference, unsatisfied.to_string(), "")
        .at(declared.map(|declared| declared.location.clone()));
    let exception = unsatisfied.exception(&unit.reference);
    row.add(Finding { exception, ..finding });
    row
}

fn pinned_row(workspace: &Workspace, id: UnitId, unit: &Unit, pin: &Pin, observed: &Observed) -> Row {
    let accepted = exceptions(&workspace.settings, pin);
    let decision = decide(observed.destination, observed.source, observed.signature, &accepted);
    let mut row = bare_row(workspace, id, unit, Some(pin.clone()), State::Unchanged);
    (row.destination_now, row.source_now) = (observed.destination, observed.source);
    (row.signature_now, row.signature_note) = (observed.signature, observed.signature_note.clone());
    match decision {
        Decision::Nothing => {}
        Decision::Change(change) => row.state = State::Change(change),
        Decision::Unseen => {
            row.state = State::Unseen;
            row.add(unseen(&row));
        }
        Decision::Undecided => row.state = State::Undecided,
        Decision::Failed(side) => row.add(failed(&row, side, observed)),
        Decision::Withheld(block) => {
            if let Block::Drift(held) = block {
                row.held = Some(held);
            }
            row.add(withheld(pin, block, observed));
        }
    }
    if let State::Change(Change::Replace(held)) = row.state {
        row.held = Some(held);
    }
    row.accepted = accepted_for(workspace, &row, pin, observed.source);
    if let Some(upstream) = upstream(observed.destination, observed.source) {
        row.add(told_upstream(pin, upstream, observed));
    }
    row
}

/// The reviewed exceptions that this chart rests on, as far as that shows before its bytes are read.
fn accepted_for(workspace: &Workspace, row: &Row, pin: &Pin, source: Source) -> Vec<Accept> {
    let rests = |accept: &&Accept| {
        let is_pinned = accept.digest == pin.digest;
        accept.reference == row.reference
            && match accept.finding {
                Acceptable::Moved => source == Source::Other(accept.digest),
                Acceptable::Gone => is_pinned && source == Source::Absent,
                Acceptable::Replace => row.held == Some(accept.digest),
                Acceptable::Unsigned => is_pinned && pin.signer == Signer::None,
                Acceptable::ExpiredKey | Acceptable::NewSigner => is_pinned && pin.signer != Signer::None,
            }
    };
    workspace.settings.accept.iter().filter(rests).cloned().collect()
}

fn unseen(row: &Row) -> Finding {
    Finding::of(
        Code::Unseen,
        &row.reference,
        format!("{} does not show this repository without a credential", row.reference.repository.host()),
        "log in to see whether it is published; `apply` needs the credential",
    )
}

fn failed(row: &Row, side: Side, observed: &Observed) -> Finding {
    let (word, reference, reason) = match side {
        Side::Source => ("source", &row.source, reason(observed.source_error.as_ref())),
        Side::Destination => ("destination", &row.reference, reason(observed.destination_error.as_ref())),
    };
    Finding::of(
        Code::Error,
        &row.reference,
        format!("the {word} {reference} could not be asked: {reason}"),
        "run again; what could not be seen is never taken for absent",
    )
}

/// What a registry answered instead of an answer.
fn reason(error: Option<&RegistryError>) -> String {
    error.map_or_else(|| "no answer".to_owned(), ToString::to_string)
}

fn withheld(pin: &Pin, block: Block, observed: &Observed) -> Finding {
    let (reference, source) = (pin.reference(), pin.source_reference());
    let exception = |finding, digest| Exception { finding, reference: reference.clone(), digest };
    match block {
        Block::Moved(now) => Finding::of(
            Code::Moved,
            &reference,
            format!("{source} moved after the review: {} is pinned, it is {now} now", pin.digest),
            format!(
                "find out why; to publish the pinned bytes all the same add the exception, to take the new ones run `chartsync lock --repin {}@{}`",
                pin.name, pin.version
            ),
        )
        .lifted_by(exception(Acceptable::Moved, now)),
        Block::Gone => Finding::of(
            Code::Gone,
            &reference,
            format!("{source} is gone: upstream withdrew what is pinned as {}", pin.digest),
            "find out why; remove the version, or add the exception to publish the pinned bytes while the source still serves them",
        )
        .lifted_by(exception(Acceptable::Gone, pin.digest)),
        Block::Drift(held) => Finding::of(
            Code::Drift,
            &reference,
            format!("the destination holds {held} instead of the pinned {}, and is never overwritten", pin.digest),
            "find out who wrote it; to replace exactly these bytes add the exception",
        )
        .lifted_by(exception(Acceptable::Replace, held)),
        Block::SignatureUnknown => Finding::of(
            Code::SignatureUnknown,
            &reference,
            format!(
                "whether it is signed could not be found out: {}",
                observed.signature_note.as_deref().unwrap_or("no answer")
            ),
            "run again; nothing is signed while the answer is unknown",
        ),
    }
}

fn told_upstream(pin: &Pin, upstream: Upstream, observed: &Observed) -> Finding {
    let source = pin.source_reference();
    let (message, next) = match upstream {
        Upstream::Moved(now) => (
            format!("{source} is {now} now; {} is pinned and published", pin.digest),
            format!(
                "consumers keep the reviewed bytes; `chartsync lock --repin {}@{}` would take the new ones",
                pin.name, pin.version
            ),
        ),
        Upstream::Gone => (
            format!("{source} is gone; {} is pinned and stays published", pin.digest),
            "upstream may have withdrawn it for a reason: find out".to_owned(),
        ),
        Upstream::Unreachable => (
            format!("the source {source} could not be asked: {}", reason(observed.source_error.as_ref())),
            String::new(),
        ),
    };
    Finding::of(Code::Upstream, &pin.reference(), message, next)
}
