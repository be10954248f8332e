//! `chartsync apply`: publish what is pinned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apply::{self, FRESH, Means, Order, Saved};
use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, output, status};
use crate::plan::saved::Basis;
use crate::report;

/// The longest time to wait for dependencies.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A plan that `plan --out` wrote: refuse if anything that it rests on has moved since.
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Allow this many changes, once, instead of the settings' `max-changes`.
    #[arg(long, value_name = "N")]
    allow_changes: Option<usize>,
    /// Wait so long for dependencies that this run leaves alone, as in `--only charts --wait 20m`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    pub(super) report: Report,
}

/// `90s`, `20m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a whole number with its unit, as in `90s`, `20m` or `2h`; 24h at most".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = if is_number { number.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let asked = Duration::from_secs(u64::from(number) * seconds);
    if asked > LONGEST_WAIT { Err(wrong()) } else { Ok(asked) }
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, scope, .. } = Session::open(common, Conflicts::Refuse)?;
    let max_changes = options.allow_changes.unwrap_or(workspace.settings.max_changes);
    let saved = options.plan.as_deref().map(saved).transpose()?;
    let inputs = session::inputs(&root, &workspace)?;
    let saved = saved.as_ref().map(|plan| Saved { plan, inputs: &inputs });
    let order = Order { units: &units, scope, max_changes, fresh: FRESH, wait: options.wait, saved };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, seconds) in [("90s", 90), ("20m", 1200), ("0m", 0), ("24h", 86_400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "20", "-1s", "+1s", "1.5h", "25h", "20 m", "99999999999s", "1d", "20µ"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
