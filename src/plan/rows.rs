//! One row for each chart version: its state and its findings, from the graph and from what was observed.
//!
//! Owns the sentences of the plan table. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::artifact::{ClearError, Created, PackageSeen, PackagingError, Refused};
use crate::chart::Version;
use crate::diagnostic::{Location, Severity};
use crate::finding::{Code, Exception, Finding, Holder};
use crate::graph::{Origin, PinState, StepGraph, Unit, UnitId};
use crate::lock::{Pin, Signer, Unsatisfied};
use crate::oci::{Digest, Reference};
use crate::plan::beside::Beside;
use crate::plan::diff::{Block, Change, Decision, Destination, Side, Signature, Source, Upstream, decide, upstream};
use crate::plan::differences::Against;
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
    /// Where it comes from; none for a first-party chart.
    pub source: Option<Reference>,
    /// What is pinned.
    pub pin: Option<Arc<Pin>>,
    /// What is packaged, of a first-party chart: what is published where the content is there already.
    pub package: Option<PackageSeen>,
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
    /// When it was made, as its bytes say, once they were verified in this run.
    pub created: Option<Created>,
    /// What it is beside what was there before; only plans look.
    pub beside: Option<Box<Beside>>,
    /// What changes in it against the version before; only plans look, and only where it is new.
    pub against: Option<Box<Against>>,
    /// The reviewed exceptions for the bytes in question.
    pub accepted: Vec<Accept>,
}

impl Row {
    /// What is, or would be, published: digest and size of the archive, where they are known.
    #[must_use]
    pub fn artifact(&self) -> Option<(Digest, u64)> {
        let pin = self.pin.as_ref().map(|pin| (pin.digest, pin.archive_size));
        pin.or_else(|| self.package.map(|package| (package.digest, package.archive_size)))
    }

    /// Takes note of whose signature was verified, and whether an expired key had to be accepted for it.
    pub fn verified(&mut self, verdict: Option<&Verdict>) {
        self.claims = verdict.and_then(|verdict| verdict.claims.clone());
        let is_expired = verdict.is_some_and(|verdict| verdict.key_expired);
        self.accepted.retain(|accept| accept.finding != Acceptable::ExpiredKey || is_expired);
    }

    /// Adds a finding, at the row's pin unless it knows a better place; a blocking one withholds whatever was to be done.
    pub fn add(&mut self, mut finding: Finding) {
        if finding.location.is_none() {
            finding.location = self.pin.as_ref().and_then(|pin| pin.location());
        }
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
                Some(observed) => pinned_row(workspace, graph, *id, pin, observed),
                None => bare_row(workspace, *id, unit, Some(Arc::clone(pin)), State::Undecided),
            },
            PinState::Folder => match observed.get(id) {
                Some(observed) => folder_row(workspace, graph, *id, observed),
                None => bare_row(workspace, *id, unit, None, State::Undecided),
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

fn bare_row(workspace: &Workspace, id: UnitId, unit: &Unit, pin: Option<Arc<Pin>>, state: State) -> Row {
    let mirror = unit.mirror().and_then(|mirror| workspace.mirrors.get(mirror));
    Row {
        unit: id,
        name: unit.name.clone(),
        version: unit.version.clone(),
        reference: unit.reference.clone(),
        source: mirror.map(|mirror| mirror.source.tagged(unit.version.tag())),
        pin,
        package: None,
        destination_now: Destination::NotAsked,
        source_now: Source::NotAsked,
        signature_now: Signature::NotAsked,
        signature_note: None,
        held: None,
        state,
        findings: Vec::new(),
        claims: None,
        created: None,
        beside: None,
        against: None,
        accepted: Vec::new(),
    }
}

fn stale_row(workspace: &Workspace, id: UnitId, unit: &Unit, unsatisfied: &Unsatisfied) -> Row {
    let mut row = bare_row(workspace, id, unit, None, State::Stale);
    let mirror = unit.mirror().and_then(|mirror| workspace.mirrors.get(mirror));
    let declared = mirror.and_then(|mirror| mirror.versions.iter().find(|declared| declared.version == unit.version));
    let (reason, next) = unsatisfied.parts();
    let finding =
        Finding::of(Code::Stale, &unit.reference, reason, next).at(declared.map(|declared| declared.location.clone()));
    let exception = unsatisfied.exception(&unit.reference);
    row.add(Finding { exception, ..finding });
    row
}

fn pinned_row(workspace: &Workspace, graph: &StepGraph, id: UnitId, pin: &Arc<Pin>, observed: &Observed) -> Row {
    let unit = graph.unit(id);
    let accepted = exceptions(&workspace.settings, pin);
    let decision = decide(observed.destination, observed.source, observed.signature, &accepted);
    let mut row = bare_row(workspace, id, unit, Some(Arc::clone(pin)), State::Unchanged);
    decided(&mut row, graph, decision, observed);
    if let State::Change(Change::Replace(held)) = row.state {
        row.held = Some(held);
    }
    row.accepted = accepted_for(workspace, &row, pin, observed.source);
    if let Some(upstream) = upstream(observed.destination, observed.source) {
        row.add(told_upstream(pin, graph.selector(&pin.destination), upstream, observed));
    }
    row
}

fn folder_row(workspace: &Workspace, graph: &StepGraph, id: UnitId, observed: &Observed) -> Row {
    let unit = graph.unit(id);
    let nothing_lifts = |_: Acceptable, _: Option<Digest>| false;
    let decision = decide(observed.destination, observed.source, observed.signature, &nothing_lifts);
    let mut row = bare_row(workspace, id, unit, None, State::Unchanged);
    row.package = observed.package;
    match (&observed.package, &observed.package_error) {
        // Nothing could be packaged, so nobody asked further.
        (None, Some(error)) => {
            row.source_now = observed.source;
            row.add(packaging_finding(workspace, unit, error));
        }
        _ => decided(&mut row, graph, decision, observed),
    }
    for finding in row.findings.iter_mut().filter(|finding| finding.code == Code::Content) {
        finding.location = location(workspace, unit);
    }
    row
}

/// Writes down what was observed and decided of a chart.
fn decided(row: &mut Row, graph: &StepGraph, decision: Decision, observed: &Observed) {
    (row.destination_now, row.source_now) = (observed.destination, observed.source);
    (row.signature_now, row.signature_note) = (observed.signature, observed.signature_note.clone());
    match decision {
        Decision::Nothing => {}
        Decision::Change(change) => row.state = State::Change(change),
        Decision::Unseen => {
            row.state = State::Unseen;
            row.add(unseen(row));
        }
        Decision::Undecided => row.state = State::Undecided,
        Decision::Failed(side) => row.add(failed(row, side, observed)),
        Decision::Withheld(block) => {
            if let Block::Drift(held) | Block::Content(held) = block {
                row.held = Some(held);
            }
            row.add(withheld(row, graph, block, observed));
        }
    }
}

/// The finding for a first-party chart that could not be packaged, or whose bytes do not clear.
#[must_use]
pub fn packaging_finding(workspace: &Workspace, unit: &Unit, error: &PackagingError) -> Finding {
    let (code, next) = match error {
        PackagingError::Unpinned(_) => (Code::Skipped, "run `chartsync lock` and review the new pin"),
        PackagingError::Dependency { error, .. } => match **error {
            ClearError::Registry(_) | ClearError::Defect(_) => (Code::Error, "run again, or look at the registry"),
            _ => (Code::Skipped, "resolve that one, then run again"),
        },
        PackagingError::Package(_) => (Code::Error, "correct the chart's folder, or the dependency"),
        PackagingError::Clear(ClearError::Registry(_)) => (Code::Error, "run again, or look at the registry"),
        PackagingError::Clear(ClearError::Refused(Refused::NoKeyring)) => {
            let message =
                "it is published with a provenance, which nothing here can verify: what is not verified is not signed";
            return Finding::of(Code::Content, &unit.reference, message, "raise the version in Chart.yaml")
                .at(location(workspace, unit));
        }
        PackagingError::Clear(_) | PackagingError::Content(_) | PackagingError::Incomparable(_) => {
            (Code::Content, "raise the version in Chart.yaml, or find out who published something else")
        }
        PackagingError::Defect(_) => (Code::Error, "report it, with the chart that causes it"),
    };
    Finding::of(code, &unit.reference, error.to_string(), next).at(location(workspace, unit))
}

/// The Chart.yaml of a first-party chart.
fn location(workspace: &Workspace, unit: &Unit) -> Option<Location> {
    let Origin::Chart(index) = unit.origin else { return None };
    workspace.charts.get(index).map(|chart| Location::file(chart.file()))
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
        Side::Source => ("source", row.source.as_ref(), reason(observed.source_error.as_ref())),
        Side::Destination => ("destination", Some(&row.reference), reason(observed.destination_error.as_ref())),
    };
    let reference = reference.unwrap_or(&row.reference);
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

fn withheld(row: &Row, graph: &StepGraph, block: Block, observed: &Observed) -> Finding {
    let reference = &row.reference;
    match (block, &row.pin) {
        (Block::Moved(now), Some(pin)) => moved(pin, graph.selector(&pin.destination), now),
        (Block::Gone, Some(pin)) => gone(pin),
        (Block::Drift(held), Some(pin)) => drift(pin, held),
        (Block::Content(held), _) => {
            let differs = match &observed.package_error {
                Some(PackagingError::Content(difference)) => format!("with other content: {difference}"),
                Some(error) => format!("and {error}"),
                None => "with other content".to_owned(),
            };
            let message = format!("version {} is published already, {differs}", row.version);
            let next = "raise the version in Chart.yaml: what is published is never overwritten";
            let finding = Finding::of(Code::Content, reference, message, next);
            match row.package {
                Some(package) => finding.comparing((Holder::Folder, package.digest), (Holder::Destination, held)),
                None => finding,
            }
        }
        // Without a pin nothing but the signature can be in doubt.
        (Block::SignatureUnknown | Block::Moved(_) | Block::Gone | Block::Drift(_), _) => Finding::of(
            Code::SignatureUnknown,
            reference,
            format!(
                "whether it is signed could not be found out: {}",
                observed.signature_note.as_deref().unwrap_or("no answer")
            ),
            "run again; nothing is signed while the answer is unknown",
        ),
    }
}

fn exception(pin: &Pin, finding: Acceptable, digest: Digest) -> Exception {
    Exception { finding, reference: pin.reference(), digest }
}

fn moved(pin: &Pin, chart: &str, now: Digest) -> Finding {
    Finding::of(
        Code::Moved,
        &pin.reference(),
        format!("{} moved after the review: it names other bytes than those that are pinned", pin.source_reference()),
        format!(
            "see what changed with `chartsync diff {chart} {version} upstream:{version}`, and find out why; to publish the pinned bytes all the same add the exception, to take the new ones run `chartsync lock --repin {chart}@{version}`",
            version = pin.version
        ),
    )
    .comparing((Holder::Pinned, pin.digest), (Holder::Source, now))
    .lifted_by(exception(pin, Acceptable::Moved, now))
}

fn gone(pin: &Pin) -> Finding {
    Finding::of(
        Code::Gone,
        &pin.reference(),
        format!("{} is gone: upstream withdrew what is pinned as {}", pin.source_reference(), pin.digest),
        "find out why; remove the version, or add the exception to publish the pinned bytes while the source still serves them",
    )
    .lifted_by(exception(pin, Acceptable::Gone, pin.digest))
}

fn drift(pin: &Pin, held: Digest) -> Finding {
    Finding::of(
        Code::Drift,
        &pin.reference(),
        "the destination holds other bytes than those that are pinned, and is never overwritten",
        "find out who wrote it; to replace exactly these bytes add the exception",
    )
    .comparing((Holder::Pinned, pin.digest), (Holder::Destination, held))
    .lifted_by(exception(pin, Acceptable::Replace, held))
}

fn told_upstream(pin: &Pin, chart: &str, upstream: Upstream, observed: &Observed) -> Finding {
    let source = pin.source_reference();
    let (message, next) = match upstream {
        Upstream::Moved(_) => (
            format!("{source} names other bytes now than those that are pinned and published"),
            format!(
                "consumers keep the reviewed bytes; `chartsync lock --repin {chart}@{}` would take the new ones",
                pin.version
            ),
        ),
        Upstream::Gone => (
            format!("{source} is gone; {} is pinned and stays published", pin.digest),
            "upstream may have withdrawn it for a reason: find out".to_owned(),
        ),
        Upstream::Unreachable => (
            format!("the source {source} could not be asked: {}", reason(observed.source_error.as_ref())),
            "run again; what is published stays as it is".to_owned(),
        ),
    };
    let finding = Finding::of(Code::Upstream, &pin.reference(), message, next);
    match upstream {
        Upstream::Moved(now) => finding.comparing((Holder::Pinned, pin.digest), (Holder::Source, now)),
        Upstream::Gone | Upstream::Unreachable => finding,
    }
}
