//! What every command begins with: the workspace read, the lockfile parsed, the graph compiled, charts selected.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::artifact::Clearing;
use crate::cache::Cache;
use crate::cli::{Common, output};
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::graph::{self, Only, Selection, StepGraph, UnitId};
use crate::lock::{Lockfile, Pin};
use crate::oci::Digest;
use crate::plan::Scope;
use crate::registry::Registries;
use crate::settings::Settings;
use crate::signature::{self, Signatures};
use crate::workspace::{CHARTS, LOCK_FILE, Tree, Workspace, find_root};

/// Why a command could not begin.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input is wrong.
    Problems {
        /// Where the files are.
        root: Option<PathBuf>,
        /// All of it.
        problems: Problems,
    },
    /// Anything else, in one sentence.
    Message(String),
}

impl Stop {
    pub(super) fn message(error: impl std::fmt::Display) -> Self {
        Self::Message(error.to_string())
    }
}

/// Whether a lockfile with conflict markers is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflicts {
    /// It is refused.
    Refuse,
    /// Both sides are taken together: only `lock` does this, which is about mirrors alone.
    Unite,
}

/// A workspace, read whole.
#[derive(Debug)]
pub(super) struct Session {
    /// The folder of chartsync.toml.
    pub(super) root: PathBuf,
    /// Settings and manifests.
    pub(super) workspace: Workspace,
    /// The pins.
    pub(super) lockfile: Lockfile,
    /// The steps.
    pub(super) graph: StepGraph,
    /// The selected chart versions.
    pub(super) units: Vec<UnitId>,
    /// Whether that is everything.
    pub(super) scope: Scope,
    /// What is wrong with first-party charts, where that is no matter: there are none in this session then.
    pub(super) left_alone: Problems,
}

impl Session {
    /// Reads the workspace that the arguments name, and tells what is wrong with charts that are no matter here.
    pub(super) fn open(common: &Common, conflicts: Conflicts) -> Result<Self, Stop> {
        let session = Self::read(common, conflicts)?;
        if !session.left_alone.is_empty() {
            output::left_alone(&session.root, &session.left_alone);
        }
        Ok(session)
    }

    /// Reads the workspace that the arguments name, silently.
    pub(super) fn read(common: &Common, conflicts: Conflicts) -> Result<Self, Stop> {
        let root = root(common)?;
        let tree = Tree::folder(&root);
        Self::of(common, root, &tree, conflicts)
    }

    /// Reads this tree as the workspace at `root`, silently.
    pub(super) fn of(common: &Common, root: PathBuf, tree: &Tree, conflicts: Conflicts) -> Result<Self, Stop> {
        let stop = |problems| Stop::Problems { root: Some(root.clone()), problems };
        let (mut workspace, lockfile) = read(tree, conflicts).map_err(stop)?;
        check_signing_files(&root, &workspace.settings)?;
        let selection =
            Selection { charts: common.charts.clone(), only: common.only.map(Into::into), shard: common.shard };
        let mut graph = graph::compile(&workspace, &lockfile);
        let mut of_charts = std::mem::take(&mut workspace.chart_problems);
        of_charts.extend(cycle(&graph));
        let mut left_alone = Problems::default();
        if let Err(wrong) = of_charts.into_result(()) {
            workspace.charts.clear();
            graph = graph::compile(&workspace, &lockfile);
            if !about_mirrors(&selection, conflicts, &graph, &workspace.chart_folders) {
                return Err(stop(wrong));
            }
            left_alone = wrong;
        }
        let units = graph.select(&selection).map_err(Stop::message)?;
        if units.is_empty() && common.shard.is_none() && selection != Selection::default() {
            return Err(Stop::message("nothing of that kind is declared in this workspace"));
        }
        let scope = if selection == Selection::default() { Scope::Whole } else { Scope::Filtered };
        Ok(Self { root, workspace, lockfile, graph, units, scope, left_alone })
    }

    /// Everything that fetching and checking needs.
    pub(super) fn clearing(workspace: Workspace, root: &Path) -> Result<Clearing, Stop> {
        let registries = Registries::new(root, &workspace.settings.registries).map_err(Stop::message)?;
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Stop::message("the clock stands before 1970"))?;
        Ok(Clearing::new(workspace, registries, Cache::of_user(), now.as_secs()))
    }
}

impl Session {
    /// Everything that signing and looking for signatures needs.
    pub(super) fn signatures(clearing: &Clearing, root: &Path) -> Signatures {
        Signatures::new(root, &clearing.workspace.settings, clearing.cache.clone(), clearing.now)
    }
}

/// Whether a run needs nothing of first-party charts. `graph` has none: whatever is selected by name there is a mirror.
///
/// A name that a folder has, too, is as ambiguous as if that chart were well.
fn about_mirrors(selection: &Selection, conflicts: Conflicts, graph: &StepGraph, folders: &[String]) -> bool {
    let names_folder = |wanted: &String| {
        let name = wanted.split_once('@').map_or(wanted.as_str(), |(name, _)| name);
        folders.iter().any(|folder| folder == name)
    };
    match selection.only {
        Some(Only::Charts) => false,
        None if selection.charts.is_empty() => conflicts == Conflicts::Unite,
        None if selection.charts.iter().any(names_folder) => false,
        Some(Only::Mirrors) | None => graph.select(selection).is_ok(),
    }
}

/// Charts that depend on each other in a circle, as a problem of the first one's Chart.yaml.
fn cycle(graph: &StepGraph) -> Problems {
    let Err(cycle) = graph.order() else { return Problems::default() };
    let first = cycle.units.first().map(|unit| &graph.unit(*unit).name);
    Problems::from(Problem {
        location: first.map(|name| Location::file(format!("{CHARTS}/{name}/Chart.yaml"))),
        code: code!("cycle"),
        message: cycle.to_string(),
        help: String::new(),
    })
}

/// The files that `[signing]` names must be what they should be before anything rests on them.
fn check_signing_files(root: &Path, settings: &Settings) -> Result<(), Stop> {
    let mut problems = Problems::default();
    for error in signature::wrong_files(root, &settings.signing) {
        problems.push(Problem {
            location: Some(settings.signing_location.clone()),
            code: code!("signing-file"),
            message: error.to_string(),
            help: error.next().to_owned(),
        });
    }
    problems.into_result(()).map_err(|problems| Stop::Problems { root: Some(root.to_owned()), problems })
}

/// The root that the arguments name, or the one around the current folder.
pub(super) fn root(common: &Common) -> Result<PathBuf, Stop> {
    if let Some(root) = &common.root {
        return std::path::absolute(root).map_err(Stop::message);
    }
    let here =
        std::env::current_dir().map_err(|error| Stop::Message(format!("cannot see the current folder: {error}")))?;
    find_root(&here).map_err(|problem| Stop::Problems { root: None, problems: problem.into() })
}

/// Workspace and lockfile of a tree; all problems of both.
fn read(tree: &Tree, conflicts: Conflicts) -> Result<(Workspace, Lockfile), Problems> {
    let workspace = match Workspace::read(tree) {
        Ok(workspace) => workspace,
        Err(mut problems) => {
            // The lockfile's problems come in the same run.
            let bytes = tree.read(LOCK_FILE).ok().flatten();
            let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            if let Err(more) = parse(text, conflicts) {
                problems.extend(more);
            }
            return Err(problems);
        }
    };
    match parse(workspace.lockfile.as_deref(), conflicts) {
        Ok(lockfile) => Ok((workspace, lockfile)),
        Err(mut problems) => {
            problems.extend(workspace.chart_problems);
            Err(problems)
        }
    }
}

/// Workspace and lockfile of the revision that changes are compared with; what is absent there is empty.
pub(super) fn read_base(tree: &Tree) -> Result<Option<(Workspace, Lockfile)>, Problems> {
    let Some(workspace) = Workspace::read_base(tree)? else { return Ok(None) };
    let lockfile = parse(workspace.lockfile.as_deref(), Conflicts::Refuse)?;
    // A pin that no manifest declared let nobody publish anything: whoever declares it later is the one who brings it.
    let declared: HashSet<_> = workspace
        .mirrors
        .iter()
        .flat_map(|mirror| mirror.versions.iter().map(|declared| (&mirror.destination, &declared.version)))
        .collect();
    let is_declared = |pin: &&Arc<Pin>| declared.contains(&(&pin.destination, &pin.version));
    let pins: Vec<_> = lockfile.pins().iter().filter(is_declared).cloned().collect();
    Ok(Some((workspace, Lockfile::from_pins(pins))))
}

fn parse(text: Option<&str>, conflicts: Conflicts) -> Result<Lockfile, Problems> {
    let Some(text) = text else { return Ok(Lockfile::default()) };
    match conflicts {
        Conflicts::Refuse => Lockfile::parse(text, LOCK_FILE),
        Conflicts::Unite => Lockfile::parse_conflicted(text, LOCK_FILE),
    }
}

/// The workspace's files with the digests of their bytes.
pub(super) fn inputs(root: &Path, workspace: &Workspace) -> Result<BTreeMap<String, Digest>, Stop> {
    workspace.inputs(&Tree::folder(root)).map_err(Stop::message)
}
