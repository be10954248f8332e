//! `chartsync apply`: publish what is pinned.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apply::{self, FRESH, Means, Order, Saved};
use crate::artifact::Clearing;
use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, live, output, status};
use crate::graph::{Shard, ShardError};
use crate::plan::saved::Basis;
use crate::report;
use crate::settings::Signing;
use crate::tally;

/// The longest time to wait for dependencies.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// The number, from 0, of a pod among those of an Indexed Job.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

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
    /// Only the share of one of several runs: `3/8`, or `job/8` for the one that `JOB_COMPLETION_INDEX` counts from 0.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// With --shard: what all runs that share the work call themselves. `merge --run NAME` takes no other outcome.
    #[arg(long, value_name = "NAME", requires = "shard")]
    run: Option<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

/// `3/8`, or `job/8` in a job of Kubernetes.
fn shard(text: &str) -> Result<Shard, String> {
    let Some(of) = text.strip_prefix("job/") else {
        return text.parse().map_err(|error: ShardError| error.to_string());
    };
    let index = std::env::var(JOB_INDEX).map_err(|_| format!("{JOB_INDEX} is not set: write `1/{of}` and so on"))?;
    let wrong = |_| format!("{JOB_INDEX} is `{index}`, and of {of} runs that is none: it counts from 0");
    let number = index.parse::<u32>().ok().and_then(|index| index.checked_add(1)).unwrap_or_default();
    format!("{number}/{of}").parse().map_err(|error: ShardError| wrong(error))
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
    let common = &Common { shard: options.shard, ..common.clone() };
    let session = Session::open(common, Conflicts::Refuse)?;
    let Session { root, workspace, graph, units, scope, .. } = session;
    let max_changes = options.allow_changes.unwrap_or(workspace.settings.max_changes);
    let saved = options.plan.as_deref().map(saved).transpose()?;
    let inputs = session::inputs(&root, &workspace)?;
    let saved = saved.as_ref().map(|plan| Saved { plan, inputs: &inputs });
    let order = Order { units: &units, scope, max_changes, fresh: FRESH, wait: options.wait, saved };
    let mut clearing = Session::clearing(workspace, &root)?;
    if let Some(shard) = options.shard {
        share(&mut clearing, shard);
    }
    let signatures = Session::signatures(&clearing, &root);
    let means = Means { clearing: &clearing, signatures: &signatures };
    let progress = report::Progress::new(if common.quiet { |_| () } else { output::talk });
    let tell = |event: apply::Event<'_>| {
        count(event);
        progress.tell(event);
    };
    let mut outcome = live::during(common, apply::apply(means, &graph, &order, interrupted(), &tell)).await;
    outcome.plan.inputs = inputs;
    match options.report.format {
        Format::Human => output::data(&report::outcome(&outcome))?,
        Format::Json => output::data(&report::json::outcome(&outcome, options.shard, options.run.as_deref()))?,
    }
    Ok(status(outcome.verdict(), false))
}

/// What a host or a signing service takes at once is for all runs together.
fn share(clearing: &mut Clearing, shard: Shard) {
    let of = NonZeroUsize::try_from(shard.of()).unwrap_or(NonZeroUsize::MIN);
    clearing.registries = clearing.registries.clone().shared_by(of);
    let service = match &mut clearing.workspace.settings.signing {
        Signing::None => return,
        Signing::Key(key) => &mut key.service,
        Signing::Keyless(keyless) => &mut keyless.service,
    };
    let at_once = service.concurrency.get().div_ceil(of.get());
    service.concurrency = NonZeroUsize::new(at_once).unwrap_or(NonZeroUsize::MIN);
}

/// What the line about progress counts.
fn count(event: apply::Event<'_>) {
    match event {
        apply::Event::Planned(charts) => tally::phase("publishing", charts),
        apply::Event::Started(_) => tally::began(),
        apply::Event::Done(..) | apply::Event::NotDone(_) => tally::ended(),
        apply::Event::Waiting(..) | apply::Event::Signing(_) => {}
    }
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
