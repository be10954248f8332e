//! `chartsync apply`: publish what is pinned.

use crate::apply::{self, FRESH, Limits};
use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, output, status};
use crate::report;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Allow this many changes, once, instead of the settings' `max-changes`.
    #[arg(long, value_name = "N")]
    allow_changes: Option<usize>,
    #[command(flatten)]
    report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, scope, .. } = Session::open(common, Conflicts::Refuse)?;
    let max_changes = options.allow_changes.unwrap_or(workspace.settings.max_changes);
    let limits = Limits { max_changes, fresh: FRESH };
    let clearing = Session::clearing(workspace, &root)?;
    let progress = report::Progress::new(output::talk);
    let tell = |event: apply::Event<'_>| progress.tell(event);
    let outcome = apply::apply(&clearing, &graph, &units, scope, limits, interrupted(), &tell).await;
    match options.report.format {
        Format::Human => output::data(&report::outcome(&outcome)),
        Format::Json => output::data(&report::json::outcome(&outcome)),
    }
    Ok(status(outcome.verdict(), false))
}
