//! `chartsync why`: what a chart's step keys are made of.

use crate::cli::session::{Conflicts, Session, Stop, read_base};
use crate::cli::{Common, Format, Report, output};
use crate::graph;
use crate::report;
use crate::workspace::Tree;

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The chart: a destination or its last part, all versions or one.
    #[arg(value_name = "CHART[@VERSION]")]
    chart: String,
    /// Tell only what differs from this Git revision.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let about = Common { charts: vec![options.chart.clone()], shard: None, ..common.clone() };
    let session = Session::open(&about, Conflicts::Refuse)?;
    let (graph, units) = (&session.graph, &session.units);
    let base = match &options.base {
        None => None,
        Some(revision) => {
            let tree = Tree::revision(&session.root, revision).map_err(Stop::message)?;
            let (workspace, lockfile) =
                read_base(&tree)
                    .map_err(|problems| Stop::Problems { root: None, problems })?
                    .ok_or_else(|| Stop::Message(format!("{revision} has no chartsync.toml in this folder")))?;
            Some((revision.as_str(), graph::compile(&workspace, &lockfile)))
        }
    };
    let told: Vec<report::Why> = units
        .iter()
        .map(|id| match &base {
            None => report::Why::Inputs(graph.unit(*id).clone(), graph::explain(graph, *id)),
            Some((revision, base)) => report::Why::Differences(
                graph.unit(*id).clone(),
                (*revision).to_owned(),
                graph::compare(graph, base, *id),
            ),
        })
        .collect();
    match options.report.format {
        Format::Human => output::data(&report::why(&told))?,
        Format::Json => output::data(&report::json::why(&told))?,
    }
    Ok(0)
}
