//! The command line: one file a command, arguments in, exit status out.
//!
//! Owns flags, exit statuses and which stream a text goes to. The only module that prints.

mod add;
mod apply;
mod diff;
mod completions;
mod explain;
mod graph;
mod init;
mod list;
mod live;
mod lock;
mod merge;
mod outdated;
mod output;
mod patch;
mod plan;
mod render;
mod session;
mod show;
mod validate;
mod verify;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::graph::{Only, Shard};
use crate::plan::Verdict;
use crate::{report, tally};

const AFTER_HELP: &str = "\
Exit status:
  0  done, or nothing to do
  1  error
  2  there is something to do (plan --detailed-exitcode)
  3  something selected has no pin that satisfies its manifest
  4  a blocking finding withholds something
With several, the first of 1, 4, 3, 2.";

/// Publish and mirror Helm charts as OCI artifacts, the way a build system builds.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The workspace: the folder of chartsync.toml [default: found from the current folder upwards].
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Only this chart: a destination or its last part, all versions or one. Repeatable.
    #[arg(long = "chart", global = true, value_name = "NAME[@VERSION]")]
    charts: Vec<String>,
    /// Only what is declared in one way.
    #[arg(long, global = true, value_name = "KIND")]
    only: Option<OnlyArg>,
    /// Only the share of one of several runs, where a command takes one.
    #[arg(skip)]
    shard: Option<Shard>,
    /// Say nothing about progress; errors are told all the same.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell every request to a registry on standard error: method, URL without its query, status, time.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnlyArg {
    /// Charts of mirrors/.
    Mirrors,
    /// Charts of charts/.
    Charts,
}

impl From<OnlyArg> for Only {
    fn from(only: OnlyArg) -> Self {
        match only {
            OnlyArg::Mirrors => Self::Mirrors,
            OnlyArg::Charts => Self::Charts,
        }
    }
}

/// How a report is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs; docs/json.md describes them.
    Json,
}

/// How a plan is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// For people.
    Human,
    /// For programs: schemas/plan.schema.json describes it.
    Json,
    /// For a pull request's comment or a job's summary.
    Markdown,
    /// With --shards: a matrix of GitHub, a job for each share that has charts.
    GithubMatrix,
}

impl PlanFormat {
    /// How errors of the input are printed beside it.
    fn of_errors(self) -> Format {
        if self == Self::Json { Format::Json } else { Format::Human }
    }
}

/// `--format`, for the commands that report.
#[derive(Debug, Args)]
struct Report {
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a workspace to start from.
    Init(init::Options),
    /// Check settings, manifests, keyrings and lockfile; needs no network.
    Validate(validate::Options),
    /// Pin what has no pin: resolve, verify whole, write mirrors.lock.
    Lock(lock::Options),
    /// Put a version into its manifest and pin it, if it verifies.
    Add(add::Options),
    /// List newer versions that upstream has.
    Outdated(outdated::Options),
    /// Show what `apply` would do, and what a person must look at first.
    Plan(plan::Options),
    /// Show a plan that was written before, from its JSON alone.
    Render(render::Options),
    /// Publish what is pinned and not yet published.
    Apply(apply::Options),
    /// Unite the outcomes of runs that shared the work, if together they are the whole.
    Merge(merge::Options),
    /// Audit what is published, from the destination's own bytes.
    Verify(verify::Options),
    /// Tell what changes between two versions of a chart: images, rights, values, files.
    Diff(diff::Options),
    /// List what this workspace publishes; needs no network.
    List(list::Options),
    /// Show a chart version, and what its consumers type; needs no network.
    Show(show::Options),
    /// Tell what a code means, and what to do about it.
    Explain(explain::Options),
    /// Print what a shell needs to complete commands and options.
    Completions(completions::Options),
    /// Draw the steps with their keys and states.
    Graph(graph::Options),
    /// Tell which inputs make a chart's steps what they are.
    Why(why::Options),
}

impl Command {
    /// How this command's report is printed.
    fn format(&self) -> Format {
        match self {
            Self::Validate(options) => options.report.format,
            Self::Lock(options) => options.report.format,
            Self::Add(options) => options.report.format,
            Self::Outdated(options) => options.report.format,
            Self::Show(options) => options.report.format,
            Self::Explain(options) => options.report.format,
            Self::List(options) if options.format == list::Listing::Json => Format::Json,
            Self::Plan(options) => options.format.of_errors(),
            Self::Apply(options) => options.report.format,
            Self::Merge(options) => options.report.format,
            Self::Verify(options) => options.report.format,
            Self::Why(options) => options.report.format,
            Self::Diff(options) => options.report.format,
            Self::Init(_) | Self::Completions(_) | Self::List(_) | Self::Graph(_) | Self::Render(_) => Format::Human,
        }
    }
}

impl Command {
    /// Whether its report is for the person who typed it: what is suggested there is typed in the same place.
    fn is_for_people(&self) -> bool {
        match self {
            Self::Plan(options) => options.format == PlanFormat::Human,
            Self::List(options) => options.format == list::Listing::Human,
            Self::Render(_) | Self::Graph(_) => false,
            _ => self.format() == Format::Human,
        }
    }
}

/// Reads the arguments, runs the command, says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let runtime = match started() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let common = &cli.common;
    if common.verbose {
        tally::listen(|exchange| output::talk(&report::exchange(exchange)));
    }
    let format = cli.command.format();
    if let Some(root) = common.root.as_deref().filter(|_| cli.command.is_for_people()) {
        output::name_root(root);
    }
    let status = runtime.block_on(async {
        match cli.command {
            Command::Validate(options) => validate::run(common, &options),
            Command::Lock(options) => lock::run(common, &options).await,
            Command::Add(options) => add::run(common, &options).await,
            Command::Outdated(options) => outdated::run(common, &options).await,
            Command::List(options) => list::run(common, &options),
            Command::Show(options) => show::run(common, &options),
            Command::Init(options) => init::run(&options),
            Command::Explain(options) => explain::run(&options),
            Command::Completions(options) => completions::run(&options),
            Command::Plan(options) => plan::run(common, &options).await,
            Command::Render(options) => render::run(&options),
            Command::Apply(options) => apply::run(common, &options).await,
            Command::Merge(options) => merge::run(common, &options),
            Command::Verify(options) => verify::run(common, &options).await,
            Command::Graph(options) => graph::run(common, &options).await,
            Command::Diff(options) => Box::pin(diff::run(common, &options)).await,
            Command::Why(options) => why::run(common, &options),
        }
    });
    // A name that still resolves must not keep an interrupted run alive.
    runtime.shutdown_background();
    match status {
        Ok(status) => ExitCode::from(status),
        Err(stop) => {
            output::stop(format, &stop);
            ExitCode::from(1)
        }
    }
}

/// The runtime, which panics where it finds fewer file descriptors than these.
fn started() -> std::io::Result<tokio::runtime::Runtime> {
    if cfg!(unix) {
        let taken: Result<Vec<_>, _> = (0..16).map(|_| std::fs::File::open("/dev/null")).collect();
        drop(taken?);
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// The exit status of a verdict.
fn status(verdict: Verdict, detailed: bool) -> u8 {
    match verdict {
        Verdict::Failed => 1,
        Verdict::Withheld => 4,
        Verdict::Stale => 3,
        Verdict::Changes if detailed => 2,
        Verdict::Changes | Verdict::Clean => 0,
    }
}

/// Resolves when the user or the system asks the process to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
