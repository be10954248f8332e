//! `chartsync explain`: what a code means and what to do about it.

use crate::cli::session::Stop;
use crate::cli::{Format, Report, output};
use crate::report;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The code, as a plan, an audit or an error names it [default: list them all].
    #[arg(value_name = "CODE")]
    code: Option<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) fn run(options: &Options) -> Result<u8, Stop> {
    let one = match &options.code {
        None => None,
        Some(code) => Some(report::explanation(code).map_err(|like| unknown(code, &like))?),
    };
    output::data(&match (options.report.format, one) {
        (Format::Human, Some(one)) => report::explained(&one),
        (Format::Human, None) => report::codes(&report::explanations()),
        (Format::Json, Some(one)) => report::json::explained(&[one]),
        (Format::Json, None) => report::json::explained(&report::explanations()),
    })?;
    Ok(0)
}

fn unknown(code: &str, like: &[&str]) -> Stop {
    let code = crate::document::quote(code);
    let like = like.iter().map(|like| format!("`{like}`")).collect::<Vec<_>>();
    Stop::Message(if like.is_empty() {
        format!("there is no code `{code}`: `chartsync explain` lists them")
    } else {
        format!("there is no code `{code}`: did you mean {}?", like.join(", "))
    })
}
