//! One chart's pending steps as straight-line code: clear, look once more, copy and tag, confirm.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::apply::{Event, KIB_IN_FLIGHT};
use crate::artifact::{Clearing, Known, publish};
use crate::finding::{Code, Finding};
use crate::graph::StepGraph;
use crate::lock::Pin;
use crate::oci::Digest;
use crate::plan::diff::Destination;
use crate::plan::{Change, Observed, Row, State, clearing as plan_clearing};
use crate::registry::{Registry, RegistryError};

/// What a chain did.
#[derive(Debug, Clone)]
pub struct Published {
    /// The write.
    pub change: Change,
    /// The signer's own words about itself.
    pub claims: Option<String>,
}

/// Runs a chain to its end. What it gives up on is a finding of its chart.
pub async fn run(
    clearing: &Clearing,
    graph: &StepGraph,
    row: &Row,
    observed: &Observed,
    fresh: Duration,
    memory: &Semaphore,
    tell: &dyn Fn(Event<'_>),
) -> Result<Published, Finding> {
    let (State::Change(change), Some(pin)) = (&row.state, &row.pin) else {
        return Err(Finding::of(Code::Error, &row.reference, "a defect in chartsync: a chain without a change", ""));
    };
    let _permit = memory.acquire_many(weight(pin)).await;
    tell(Event::Started(&row.reference));
    let mirror = &clearing.workspace.mirrors[graph.unit(row.unit).mirror()];
    let from = plan_clearing::origin(*change, pin);
    let cleared = clearing
        .clear(mirror, pin, from, Known::Nothing)
        .await
        .map_err(|error| plan_clearing::finding(pin, from, &error))?;
    let destination = clearing.registries.at(&row.reference.repository).for_push();
    if observed.at.elapsed() > fresh {
        look_again(&destination, row, observed).await?;
    }
    let failed = |error: RegistryError| {
        let next = "run again: what is there already is found, nothing is written twice";
        Finding::of(Code::Error, &row.reference, format!("it could not be published: {error}"), next)
    };
    publish::copy(&destination, &cleared, &row.reference).await.map_err(failed)?;
    publish::confirm(&destination, &cleared, &row.reference).await.map_err(|error| {
        Finding::of(Code::Error, &row.reference, error.to_string(), "run `chartsync plan` to see what is there now")
    })?;
    let claims = cleared.verdict().and_then(|verdict| verdict.claims.clone());
    Ok(Published { change: *change, claims })
}

/// What a chart holds in memory, in KiB: the archive, and as much again as config and provenance ever have.
fn weight(pin: &Pin) -> u32 {
    u32::try_from(pin.archive_size / 1024 + 64).unwrap_or(u32::MAX).min(KIB_IN_FLIGHT)
}

/// No name is overwritten: an observation that grew old is made again and must be the same.
async fn look_again(destination: &Registry, row: &Row, observed: &Observed) -> Result<(), Finding> {
    let before = match observed.destination {
        Destination::Other(digest) => Some(digest),
        _ => None,
    };
    let now: Option<Digest> = match destination.resolve(&row.reference).await {
        Ok(seen) => Some(seen.digest),
        Err(RegistryError::NotFound { .. }) => None,
        Err(error) => {
            let message = format!("the destination could not be asked again: {error}");
            return Err(Finding::of(Code::Error, &row.reference, message, "run again"));
        }
    };
    if now == before {
        return Ok(());
    }
    let now = now.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
    Err(Finding::of(
        Code::Drift,
        &row.reference,
        format!("somebody wrote the destination during this run: it holds {now} now"),
        "find out who writes there, then run again",
    ))
}
