//! `chartsync verify`: audit what is published.

use crate::audit::{self, Audited, Depth};
use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, live, output};
use crate::report;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Check digests and signatures only: no archive and no provenance is read.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, .. } = Session::open(common, Conflicts::Refuse)?;
    let clearing = Session::clearing(workspace, &root)?;
    let signatures = Session::signatures(&clearing, &root);
    let depth = if options.quick { Depth::Digest } else { Depth::Whole };
    let audits = tokio::select! {
        audits = live::during(common, audit::audit(&clearing, &signatures, &graph, &units, depth)) => audits,
        () = interrupted() => return Err(live::interrupted("charts were audited")),
    };
    match options.report.format {
        Format::Human => output::data(&report::audit(&audits, depth))?,
        Format::Json => output::data(&report::json::audit(&audits, depth))?,
    }
    Ok(status(audits.iter().map(|audit| audit.audited)))
}

/// Of several answers the first of unreadable, missing or wrong, unpinned.
fn status(audited: impl Iterator<Item = Audited>) -> u8 {
    let order = [1, 4, 3, 0];
    let one = |audited| match audited {
        Audited::Unreadable => 0,
        Audited::Missing | Audited::Wrong | Audited::Unsigned => 1,
        Audited::Unpinned => 2,
        Audited::Holds => 3,
    };
    order[audited.map(one).min().unwrap_or(3)]
}
