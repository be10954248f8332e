//! `chartsync render`: a plan that was written before, shown again from its JSON alone.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::output;
use crate::cli::session::Stop;
use crate::report;

/// Arguments of `render`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A plan that `plan --out` or `plan --format json` wrote; checked against the schema, otherwise not believed.
    #[arg(value_name = "FILE")]
    plan: PathBuf,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Rendering::Markdown)]
    format: Rendering,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rendering {
    /// For a pull request's comment or a job's summary.
    Markdown,
    /// For the log of a GitHub job: what withholds something, as annotations of manifest and lockfile.
    Annotations,
}

pub(super) fn run(options: &Options) -> Result<u8, Stop> {
    let unreadable = |error: String| Stop::Message(format!("cannot read the plan {}: {error}", options.plan.display()));
    let text = std::fs::read_to_string(&options.plan).map_err(|error| unreadable(error.to_string()))?;
    let rendered = match options.format {
        Rendering::Markdown => report::markdown::plan(&text),
        Rendering::Annotations => report::annotations::plan(&text),
    };
    output::data(&rendered.map_err(unreadable)?)?;
    Ok(0)
}
