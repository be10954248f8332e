//! `chartsync merge`: the outcomes of runs that shared the work, as one.

use std::path::PathBuf;

use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, output, status};
use crate::report::json::merge;

/// Arguments of `merge`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What `apply --shard I/N --format json` printed; of a share that was run again, the later one counts.
    #[arg(value_name = "FILE", required = true)]
    outcomes: Vec<PathBuf>,
    /// What `apply --run NAME` was given: an outcome of another run is refused.
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, .. } = Session::open(common, Conflicts::Refuse)?;
    let inputs = session::inputs(&root, &workspace)?;
    let expected: Vec<_> = units.iter().map(|unit| graph.unit(*unit).reference.clone()).collect();
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Ok((name, text)),
            Err(error) => Err(Stop::Message(format!("cannot read the outcome {name}: {error}"))),
        }
    };
    let outcomes = options.outcomes.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let merged = merge(&outcomes, options.run.as_deref(), &inputs, &expected).map_err(Stop::message)?;
    match options.report.format {
        Format::Human => output::data(&merged.human())?,
        Format::Json => output::data(&merged.json())?,
    }
    Ok(status(merged.verdict(), false))
}
