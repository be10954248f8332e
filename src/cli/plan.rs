//! `chartsync plan`: what `apply` would do.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::apply::too_many_changes;
use crate::artifact::{Clearing, Reach};
use crate::cli::session::{self, Conflicts, Session, Stop, read_base};
use crate::cli::{Common, PlanFormat, interrupted, live, output, patch, status};
use crate::diagnostic::Problems;
use crate::files::{self, Readers};
use crate::finding::{Code, Finding};
use crate::graph::{MOST_SHARDS, StepGraph, UnitId};
use crate::lock::Lockfile;
use crate::plan::{self, Ask, Network, Plan, Question, Rights, Scope, beside, differences, drift, trust};
use crate::report;
use crate::signature::Signatures;
use crate::workspace::{Tree, TreeError, Workspace, folder_in_repository};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Compare with this Git revision: ask the source about pins that are new or changed, and name every change of trust.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Ask every source, list every destination: what changed that nobody here asked for?
    #[arg(long, conflicts_with = "offline")]
    drift: bool,
    /// Ask no registry.
    #[arg(long)]
    offline: bool,
    /// Also write the plan as JSON to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the lockfile is not what `lock` would write, resolve that and write it to this file, as a patch for `git apply`.
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    lock_patch: Option<PathBuf>,
    /// Exit with 2 when there is something to do.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Share the work among so many runs: with `--format github-matrix`, a job for each that has charts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    shards: Option<u32>,
    /// How the plan is printed.
    #[arg(long, value_enum, default_value_t = PlanFormat::Human)]
    pub(super) format: PlanFormat,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    if options.shards.is_some() != (options.format == PlanFormat::GithubMatrix) {
        return Err(Stop::message(
            "`--shards N` and `--format github-matrix` go together, as in `plan --shards 8 --format github-matrix`",
        ));
    }
    let session = Session::open(common, Conflicts::Refuse)?;
    let base = options.base.as_deref().map(|revision| Base::read(&session, revision)).transpose()?;
    let ask = Ask {
        rights: Rights::Read,
        network: if options.offline { Network::Offline } else { Network::Online },
        every_source: options.drift,
        sources_of: base.as_ref().map(|base| base.changed(&session.graph, &session.units)).unwrap_or_default(),
    };
    let Session { root, workspace, lockfile, graph, units, scope, .. } = session;
    let mut told = undeclared(&graph, &lockfile);
    if let Some(base) = &base {
        told.extend(base.findings(&workspace, &lockfile));
    }
    let inputs = session::inputs(&root, &workspace)?;
    let folder = folder(&root)?;
    let clearing = Session::clearing(workspace, &root)?;
    let signatures = Session::signatures(&clearing, &root);
    let planning = async {
        let mut plan = made(&clearing, &signatures, &graph, &units, scope, &ask).await;
        if let Some(file) = &options.lock_patch {
            patch::add(file, &folder, &root, &clearing, &graph, &lockfile, &mut plan).await?;
        }
        Ok(plan)
    };
    let mut plan = tokio::select! {
        plan = live::during(common, planning) => plan?,
        () = interrupted() => return Err(live::interrupted("charts were looked at")),
    };
    let settings = &clearing.workspace.settings;
    if ask.network == Network::Online {
        plan.findings.extend(too_many_changes(&plan, settings, settings.max_changes));
    }
    let here = trust::Trusted { workspace: &clearing.workspace, lockfile: &lockfile };
    let pins = base.as_ref().map_or(beside::Base::None, Base::pins);
    beside::compare(&mut plan.rows, &graph, here, pins);
    let reach = if options.offline { Reach::Cache } else { Reach::Registries };
    tokio::select! {
        () = differences::tell(&clearing, &graph, &mut plan.rows, &lockfile, pins, reach) => {}
        () = interrupted() => return Err(Stop::message("interrupted: nothing was changed")),
    }
    if options.drift && options.base.is_none() {
        plan.question = Question::Drift;
    }
    plan.base = options.base.clone();
    plan.folder.clone_from(&folder);
    plan.inputs = inputs;
    told.append(&mut plan.findings);
    plan.findings = told;
    // A share counts only its own: whoever asks for shares is to stop here.
    if options.format == PlanFormat::GithubMatrix
        && let Some(finding) = plan.findings.iter().find(|finding| finding.code == Code::TooManyChanges)
    {
        return Err(Stop::Message(format!("{}; {}", finding.message, finding.next)));
    }
    let json = LazyCell::new(|| report::json::plan(&plan));
    match options.format {
        PlanFormat::Human => output::data(&report::plan(&plan))?,
        PlanFormat::Json => output::data(&json)?,
        PlanFormat::GithubMatrix => output::data(&report::json::matrix(&plan, options.shards.unwrap_or(1)))?,
        PlanFormat::Markdown => output::data(&report::markdown::plan(&json).map_err(Stop::Message)?)?,
    }
    if let Some(file) = &options.out {
        files::write_whole(file, &[json.as_bytes()], Readers::All)
            .map_err(|error| Stop::Message(format!("cannot write the plan to {}: {error}", file.display())))?;
    }
    Ok(status(plan.verdict(), options.detailed_exitcode))
}

/// The workspace's folder in its Git repository; empty where it lies in none.
fn folder(root: &Path) -> Result<String, Stop> {
    match folder_in_repository(root) {
        Ok(folder) => Ok(folder),
        Err(TreeError::NoRepository(_)) => Ok(String::new()),
        // Nobody needs Git where there is no repository.
        Err(_) if !root.ancestors().any(|folder| folder.join(".git").exists()) => Ok(String::new()),
        Err(error) => Err(Stop::Message(format!("where the workspace lies in its repository is not known: {error}"))),
    }
}

/// The plan with the notes that its questions allow.
async fn made(
    clearing: &Clearing,
    signatures: &Signatures,
    graph: &StepGraph,
    units: &[UnitId],
    scope: Scope,
    ask: &Ask,
) -> Plan {
    let mut plan = plan::make(clearing, signatures, graph, units, scope, ask).await;
    if ask.every_source && scope == Scope::Whole {
        plan.findings.extend(drift::orphans(clearing, graph).await);
        plan.findings.extend(drift::keyrings(clearing, graph).await);
    }
    if scope == Scope::Whole && ask.network == Network::Online {
        plan.findings.extend(drift::unneeded(clearing, &plan));
    }
    plan
}

/// Notes about pins that no manifest declares.
fn undeclared(graph: &StepGraph, lockfile: &Lockfile) -> Vec<Finding> {
    let pins = lockfile.pins().iter().filter(|pin| !graph.mirrors(&pin.destination, &pin.version));
    let note = |pin: &Arc<crate::lock::Pin>| {
        let next = "`chartsync lock` drops the pin; what is published stays";
        Finding::of(Code::Undeclared, &pin.reference(), "it is pinned, but no manifest has this version", next)
            .at(pin.location())
    };
    pins.map(note).collect()
}

/// The base revision: whole, or why it cannot be read.
struct Base {
    revision: String,
    read: Result<Option<(Workspace, Lockfile)>, Problems>,
}

impl Base {
    /// Reads a revision exactly as Git has it. One that Git does not know is an error; one that cannot be understood is not.
    fn read(session: &Session, revision: &str) -> Result<Self, Stop> {
        let tree = Tree::revision(&session.root, revision).map_err(Stop::message)?;
        Ok(Self { revision: revision.to_owned(), read: read_base(&tree) })
    }

    /// The charts whose pin is new or another than at the base.
    fn changed(&self, graph: &StepGraph, units: &[UnitId]) -> HashSet<UnitId> {
        let same = |id: &UnitId| {
            let unit = graph.unit(*id);
            let Ok(Some((_, base))) = &self.read else { return false };
            base.get(unit.destination(), &unit.version) == unit.pin()
        };
        units.iter().copied().filter(|id| !same(id)).collect()
    }

    /// What the charts are compared with.
    fn pins(&self) -> beside::Base<'_> {
        match &self.read {
            Ok(Some((workspace, lockfile))) => beside::Base::Of(trust::Trusted { workspace, lockfile }),
            Ok(None) | Err(_) => beside::Base::Empty,
        }
    }

    /// What the change does to trust. Where there is nothing to compare with, all of it is told.
    fn findings(&self, workspace: &Workspace, lockfile: &Lockfile) -> Vec<Finding> {
        let here = trust::Trusted { workspace, lockfile };
        let reason = match &self.read {
            Ok(Some((workspace, lockfile))) => {
                return trust::changes(Some(trust::Trusted { workspace, lockfile }), here);
            }
            Ok(None) => "has no workspace".to_owned(),
            Err(problems) => {
                let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
                format!("cannot be read ({first})")
            }
        };
        let message = format!("{} {reason}, so everything counts as new", self.revision);
        let next = "review every mirror and setting as if it were new: they follow";
        let mut findings = vec![Finding::of_run(Code::Trust, message, next)];
        findings.extend(trust::changes(None, here));
        findings
    }
}
