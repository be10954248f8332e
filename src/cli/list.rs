//! `chartsync list`: what this workspace publishes.

use clap::ValueEnum;

use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, output};
use crate::report;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How the list is printed.
    #[arg(long, value_enum, default_value_t = Listing::Human)]
    pub(super) format: Listing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Listing {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// A table for a README.
    Markdown,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { workspace, graph, units, .. } = Session::open(common, Conflicts::Refuse)?;
    let listed = report::listed(&workspace, &graph, &units);
    output::data(&match options.format {
        Listing::Human => report::list(&listed),
        Listing::Json => report::json::listed("list", &listed),
        Listing::Markdown => report::markdown::list(&listed),
    })?;
    Ok(0)
}
