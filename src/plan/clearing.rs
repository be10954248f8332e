//! Clearing what a plan would publish, and the finding for what does not clear.

use futures_util::StreamExt as _;

use crate::artifact::{ClearError, Cleared, Clearing, PackagingError, Refused};
use crate::finding::{Code, Exception, Finding};
use crate::graph::StepGraph;
use crate::lock::Pin;
use crate::oci::Repository;
use crate::plan::diff::Change;
use crate::plan::rows::{Row, State, packaging_finding};
use crate::provenance::Refusal;
use crate::settings::Acceptable;
use crate::tally;

/// How many charts are cleared together.
const AT_ONCE: usize = 16;

/// Clears the charts of all rows that would be published or signed; what does not clear is withheld.
pub async fn clear_rows(clearing: &Clearing, graph: &StepGraph, rows: &mut [Row]) {
    let wanted: Vec<_> = rows.iter_mut().filter(|row| matches!(row.state, State::Change(_))).collect();
    if wanted.is_empty() {
        return;
    }
    tally::phase("verifying", wanted.len());
    futures_util::stream::iter(wanted)
        .for_each_concurrent(AT_ONCE, |row| tally::counted(clear_row(clearing, graph, row)))
        .await;
}

async fn clear_row(clearing: &Clearing, graph: &StepGraph, row: &mut Row) {
    let State::Change(change) = row.state else { return };
    let unit = graph.unit(row.unit);
    let (Some(mirror), Some(pin)) = (unit.mirror(), row.pin.clone()) else {
        // What would be published was cleared when it was packaged for this plan, or for an earlier one.
        if let (Change::Sign, Some(published)) = (change, row.package)
            && let Err(error) = clearing.would_clear_published(graph, row.unit, published).await
        {
            row.add(packaging_finding(&clearing.workspace, unit, &error));
        }
        return;
    };
    let mirror = &clearing.workspace.mirrors[mirror];
    let from = origin(change, &pin);
    match clearing.would_clear(mirror, &pin, from).await {
        Ok((verdict, created)) => {
            row.verified(verdict.as_ref());
            row.created = created;
        }
        Err(error) => row.add(finding(&pin, graph.selector(&pin.destination), from, &error)),
    }
}

/// Clears a first-party chart: what its folder is packaged to, or, if only the signature is missing, what is published.
pub async fn clear_folder(
    clearing: &Clearing,
    graph: &StepGraph,
    row: &Row,
    change: Change,
) -> Result<Cleared, PackagingError> {
    match (change, row.package) {
        (Change::Sign, Some(published)) => clearing.clear_published(graph, row.unit, &published.digest).await,
        _ => clearing.clear_packaged(graph, row.unit).await,
    }
}

/// Where the bytes come from: a chart that only lacks its signature is cleared from the destination, no source asked.
#[must_use]
pub fn origin(change: Change, pin: &Pin) -> &Repository {
    match change {
        Change::Publish | Change::Replace(_) => &pin.source,
        Change::Sign => &pin.destination,
    }
}

/// The finding for a chart that was not cleared, at its pin in the lockfile; `chart` is the name that selects it.
#[must_use]
pub fn finding(pin: &Pin, chart: &str, from: &Repository, error: &ClearError) -> Finding {
    let reference = pin.reference();
    let again =
        format!("find out why; `chartsync lock --repin {chart}@{}` takes what the source holds now", pin.version);
    let finding = match error {
        ClearError::Registry(error) => Finding::of(
            Code::Error,
            &reference,
            format!("its bytes could not be fetched from {from}: {error}"),
            "run again, or look at the registry",
        ),
        ClearError::Defect(panicked) => {
            Finding::of(Code::Error, &reference, panicked.to_string(), "report it, with the chart that causes it")
        }
        ClearError::Refused(Refused::Policy(refusal @ Refusal::ExpiredKey { .. })) => Finding::of(
            Code::ExpiredKey,
            &reference,
            refusal.to_string(),
            "ask upstream for a key that is renewed; to take the signature made while the key was valid add the exception",
        )
        .lifted_by(Exception {
            finding: Acceptable::ExpiredKey,
            reference: reference.clone(),
            digest: pin.digest,
        }),
        ClearError::Refused(Refused::Policy(_)) => Finding::of(
            Code::PinMismatch,
            &reference,
            error.to_string(),
            "do not publish it; remove the version, or pin a release that a good key signed",
        ),
        ClearError::Refused(_) | ClearError::Mismatch(_) => {
            Finding::of(Code::PinMismatch, &reference, error.to_string(), again)
        }
    };
    finding.at(pin.location())
}
