//! `chartsync show`: one chart version, and what its consumers type.

use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, output};
use crate::report;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The chart: a destination or its last part, all versions or one.
    #[arg(value_name = "CHART[@VERSION]")]
    chart: String,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let about = Common { charts: vec![options.chart.clone()], ..common.clone() };
    let Session { workspace, graph, units, .. } = Session::open(&about, Conflicts::Refuse)?;
    let listed = report::listed(&workspace, &graph, &units);
    match options.report.format {
        Format::Human => output::data(&report::show(&listed))?,
        Format::Json => output::data(&report::json::listed("show", &listed))?,
    }
    Ok(0)
}
