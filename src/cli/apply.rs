//! `chartsync apply`: publish what is pinned.

use std::path::{Path, PathBuf};

use crate::apply::{self, FRESH, Means, Order, Saved};
use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, output, status};
use crate::plan::saved::Basis;
use crate::report;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A plan that `plan --out` wrote: refuse if anything that it rests on has moved since.
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Allow this many changes, once, instead of the settings' `max-changes`.
    #[arg(long, value_name = "N")]
    allow_changes: Option<usize>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, scope, .. } =
        Session::open(common, Conflicts::Refuse)?.only_mirrors(common)?;
    let max_changes = options.allow_changes.unwrap_or(workspace.settings.max_changes);
    let saved = options.plan.as_deref().map(saved).transpose()?;
    let inputs = session::inputs(&root, &workspace)?;
    let saved = saved.as_ref().map(|plan| Saved { plan, inputs: &inputs });
    let order = Order { units: &units, scope, max_changes, fresh: FRESH, saved };
    let clearing = Session::clearing(workspace, &root)?;
    let signatures = Session::signatures(&clearing, &root);
    let means = Means { clearing: &clearing, signatures: &signatures };
    let progress = report::Progress::new(output::talk);
    let tell = |event: apply::Event<'_>| progress.tell(event);
    let outcome = apply::apply(means, &graph, &order, interrupted(), &tell).await;
    match options.report.format {
        Format::Human => output::data(&report::outcome(&outcome))?,
        Format::Json => output::data(&report::json::outcome(&outcome))?,
    }
    Ok(status(outcome.verdict(), false))
}

fn saved(file: &Path) -> Result<Basis, Stop> {
    let unreadable = |error: String| Stop::Message(format!("cannot read the plan {}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    report::json::read_plan(&text).map_err(unreadable)
}
