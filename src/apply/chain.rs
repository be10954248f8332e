//! One chart's pending steps as straight-line code: clear, copy, sign, look once more, tag, confirm.

use std::time::{Duration, Instant};

use crate::apply::{Done, Event, Means};
use crate::artifact::{Cleared, Clearing, publish};
use crate::finding::{Code, Finding};
use crate::graph::StepGraph;
use crate::oci::Digest;
use crate::plan::diff::Destination;
use crate::plan::rows::packaging_finding;
use crate::plan::{Change, Row, State, clearing as plan_clearing};
use crate::provenance::Verdict;
use crate::registry::{Registry, RegistryError};
use crate::signature::SignatureError;

/// How often a name is tried to be written, each time after a fresh look.
const ROUNDS: usize = 3;
/// The least time that one try gets.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a chain did.
#[derive(Debug, Clone)]
pub struct Published {
    /// The write.
    pub done: Done,
    /// Whose signature was accepted.
    pub verdict: Option<Verdict>,
}

/// Runs a chain to its end; `looked` is when its name was observed. What it gives up on is a finding of its chart.
pub async fn run(
    means: Means<'_>,
    graph: &StepGraph,
    row: &Row,
    looked: Instant,
    fresh: Duration,
    tell: &dyn Fn(Event<'_>),
) -> Result<Published, Finding> {
    let State::Change(change) = &row.state else { return Err(defect(row)) };
    tell(Event::Started(&row.reference));
    let Means { clearing, signatures } = means;
    let unit = graph.unit(row.unit);
    let cleared = clear(clearing, graph, row, *change).await?;
    let destination = clearing.registries.at(&row.reference.repository).for_push();
    let published = |signed| Published { done: Done { change: *change, signed }, verdict: cleared.verdict().cloned() };
    let sign = async || {
        tell(Event::Signing(&row.reference));
        signatures.sign(&destination, &cleared, unit.role()).await.map_err(|error| {
            Finding::of(signing_code(&error), &row.reference, format!("it is not signed: {error}"), error.next())
        })
    };
    if *change == Change::Sign {
        return sign().await.map(|signed| published(Some(signed)));
    }
    publish::upload(&destination, &cleared).await.map_err(|error| not_published(row, &error))?;
    let mut signed = None;
    if signatures.wanted() {
        // Under its digest first: a name never points at an unsigned chart.
        publish::copy(&destination, &cleared).await.map_err(|error| not_published(row, &error))?;
        signed = Some(sign().await?);
    }
    let mut name = Name { destination: &destination, cleared: &cleared, row, seen: seen(row), at: looked };
    name.write(fresh).await?;
    publish::confirm(&destination, &cleared).await.map_err(|error| {
        let next = "run `chartsync plan` to see what is there now";
        Finding::of(Code::Error, &row.reference, error.to_string(), next)
    })?;
    Ok(published(signed))
}

/// The bytes that will be published or signed, checked whole.
async fn clear(clearing: &Clearing, graph: &StepGraph, row: &Row, change: Change) -> Result<Cleared, Finding> {
    let unit = graph.unit(row.unit);
    match (unit.mirror(), &row.pin) {
        (Some(mirror), Some(pin)) => {
            let from = plan_clearing::origin(change, pin);
            let cleared = clearing.clear(&clearing.workspace.mirrors[mirror], pin, from).await;
            let chart = graph.selector(&pin.destination);
            cleared.map_err(|error| plan_clearing::finding(pin, chart, from, &error))
        }
        (None, None) => {
            let cleared = plan_clearing::clear_folder(clearing, graph, row, change).await;
            let cleared = cleared.map_err(|error| packaging_finding(&clearing.workspace, unit, &error))?;
            // What was counted, and may have been reviewed as a saved plan, is what is written.
            let planned = row.package.is_some_and(|package| package.digest == *cleared.digest());
            if planned { Ok(cleared) } else { Err(defect(row)) }
        }
        _ => Err(defect(row)),
    }
}

fn defect(row: &Row) -> Finding {
    Finding::of(Code::Error, &row.reference, "a defect in chartsync: a chain without a change", "report it")
}

fn signing_code(error: &SignatureError) -> Code {
    match error {
        SignatureError::Unknown(_) => Code::SignatureUnknown,
        _ => Code::Error,
    }
}

fn not_published(row: &Row, error: &RegistryError) -> Finding {
    let next = "run again: what is there already is found, nothing is written twice";
    Finding::of(Code::Error, &row.reference, format!("it could not be published: {error}"), next)
}

/// What the name held when it was observed.
fn seen(row: &Row) -> Option<Digest> {
    match row.destination_now {
        Destination::Other(digest) => Some(digest),
        _ => None,
    }
}

/// A name that is to be written, and the last look at it.
struct Name<'a> {
    destination: &'a Registry,
    cleared: &'a Cleared,
    row: &'a Row,
    seen: Option<Digest>,
    at: Instant,
}

impl Name<'_> {
    /// Writes the name, never on an observation older than `fresh`: a try that outlives it is given up and looked after.
    async fn write(&mut self, fresh: Duration) -> Result<(), Finding> {
        let mut reason = String::new();
        for _ in 0..ROUNDS {
            if self.at.elapsed() + SHORTEST >= fresh && self.look_again().await? == Held::Pinned {
                return Ok(());
            }
            let left = fresh.saturating_sub(self.at.elapsed()).max(SHORTEST);
            match tokio::time::timeout(left, publish::name(self.destination, self.cleared)).await {
                Ok(Ok(())) => return Ok(()),
                // A registry may collect a blob between its upload and the image manifest.
                Ok(Err(error @ RegistryError::BlobUnknown { .. })) => {
                    reason = error.to_string();
                    let uploaded = publish::upload_all(self.destination, self.cleared).await;
                    uploaded.map_err(|error| not_published(self.row, &error))?;
                }
                Ok(Err(error)) => return Err(not_published(self.row, &error)),
                // As old as that the last look no longer counts.
                Err(_) => reason = format!("there was no answer within {} s", left.as_secs_f32().ceil()),
            }
        }
        let message = format!("its name could not be written in {ROUNDS} tries: {reason}");
        Err(Finding::of(Code::Error, &self.row.reference, message, "run again, or look at the registry"))
    }

    /// No name is overwritten: what it holds must be what was observed, or, thanks to another run, what is pinned.
    async fn look_again(&mut self) -> Result<Held, Finding> {
        let begun = Instant::now();
        let now = match self.destination.resolve(&self.row.reference).await {
            Ok(seen) => Some(seen.digest),
            Err(RegistryError::NotFound { .. }) => None,
            Err(error) => {
                let message = format!("the destination could not be asked again: {error}");
                return Err(Finding::of(Code::Error, &self.row.reference, message, "run again"));
            }
        };
        if now == Some(*self.cleared.digest()) {
            return Ok(Held::Pinned);
        }
        if now == self.seen {
            self.at = begun;
            return Ok(Held::AsObserved);
        }
        let now = now.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        let message = format!("somebody wrote the destination during this run: it holds {now} now");
        Err(Finding::of(Code::Drift, &self.row.reference, message, "find out who writes there, then run again"))
    }
}

/// What a name was found to hold when it was looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    AsObserved,
    Pinned,
}
