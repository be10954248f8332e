//! `chartsync validate`: everything that needs no network.

use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, output};
use crate::report;

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let mut session = Session::read(common, Conflicts::Refuse)?;
    // Whatever is selected: all that is wrong is told here.
    let wrong = std::mem::take(&mut session.left_alone).into_result(());
    wrong.map_err(|problems| Stop::Problems { root: Some(session.root.clone()), problems })?;
    match options.report.format {
        Format::Human => output::data(&report::validated(&session.workspace, &session.lockfile, &session.graph))?,
        Format::Json => output::data(&report::json::validated(&session.workspace, &session.lockfile, &session.graph))?,
    }
    Ok(0)
}
