//! `chartsync outdated`: what upstream has that no manifest declares.

use std::collections::BTreeSet;

use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, live, output};
use crate::report::{self, Outdated};
use crate::resolve::upstream::{self, Prereleases};

/// Arguments of `outdated`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Also tell prereleases, such as 1.17.0-rc.1.
    #[arg(long)]
    pre: bool,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, .. } = Session::open(common, Conflicts::Refuse)?;
    let clearing = Session::clearing(workspace, &root)?;
    let selected: BTreeSet<usize> = units.iter().filter_map(|id| graph.unit(*id).mirror()).collect();
    let mirrors = selected.into_iter().map(|index| &clearing.workspace.mirrors[index]);
    let prereleases = if options.pre { Prereleases::Count } else { Prereleases::LeftOut };
    let asked = tokio::select! {
        asked = live::during(common, upstream::newer(&clearing.registries, mirrors, prereleases)) => asked,
        () = interrupted() => return Err(live::interrupted("sources were asked")),
    };
    let told: Vec<Outdated> = asked.into_iter().map(|upstream| Outdated::of(upstream, &graph)).collect();
    match options.report.format {
        Format::Human => output::data(&report::outdated(&told))?,
        Format::Json => output::data(&report::json::outdated(&told, options.pre))?,
    }
    Ok(u8::from(told.iter().any(|mirror| mirror.newer.is_err())))
}
