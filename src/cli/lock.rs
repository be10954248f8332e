//! `chartsync lock`: pin what has no pin.

use std::collections::BTreeSet;

use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, live, output};
use crate::graph::{Selection, StepGraph, UnitId};
use crate::plan::Scope;
use crate::report;
use crate::resolve::{self, Order, write};
use crate::workspace::{LOCK_FILE, Tree};

/// Arguments of `lock`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Take what the source holds now instead of this pin. Repeatable.
    #[arg(long, value_name = "NAME@VERSION")]
    repin: Vec<String>,
    /// Take this mirror's keyring anew and verify its pins with it. Repeatable.
    #[arg(long, value_name = "NAME")]
    refresh_keyring: Vec<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    check_names(options)?;
    // Read once before the turn is taken, so that a folder without a workspace is told as such.
    Session::read(common, Conflicts::Unite)?;
    // One at a time, from before the lockfile is read until it is written.
    let _turn = write::Turn::take(&session::root(common)?).map_err(Stop::message)?;
    let session = Session::open(common, Conflicts::Unite)?;
    let order = order(&session, options)?;
    let Session { root, workspace, lockfile, graph, .. } = session;
    let before = workspace.lockfile.clone();
    let clearing = Session::clearing(workspace, &root)?;
    let resolution = tokio::select! {
        resolution = live::during(common, resolve::resolve(&clearing, &graph, &lockfile, &order)) => resolution,
        () = interrupted() => return Err(live::interrupted("versions were verified")),
    };
    let written = write::write(&root, before.as_deref(), &resolution).map_err(Stop::message)?;
    let locked = written.iter().any(|file| file == LOCK_FILE);
    match options.report.format {
        Format::Human => output::data(&report::resolution(&resolution, &written, &output::texts(&root)))?,
        Format::Json => output::data(&report::json::resolution(&resolution, locked))?,
    }
    Ok(u8::from(!resolution.failures.is_empty()))
}

/// One version is taken anew at a time; a keyring is a mirror's, not a version's.
fn check_names(options: &Options) -> Result<(), Stop> {
    if let Some(name) = options.repin.iter().find(|name| !name.contains('@')) {
        return Err(Stop::Message(format!("`--repin {name}` names no version: write `--repin {name}@VERSION`")));
    }
    if let Some(name) = options.refresh_keyring.iter().find(|name| name.contains('@')) {
        return Err(Stop::Message(format!(
            "`--refresh-keyring {name}` names a version, but a keyring is its mirror's: leave it out"
        )));
    }
    Ok(())
}

fn order(session: &Session, options: &Options) -> Result<Order, Stop> {
    let graph = &session.graph;
    let repin: BTreeSet<UnitId> = named(graph, &options.repin)?;
    let refresh =
        named(graph, &options.refresh_keyring)?.into_iter().filter_map(|id| graph.unit(id).mirror()).collect();
    let mirrored = session.units.iter().filter(|id| graph.unit(**id).mirror().is_some());
    let mut selected: BTreeSet<UnitId> = mirrored.copied().collect();
    let everything = session.scope == Scope::Whole;
    let of_refreshed =
        |id: &UnitId| graph.unit(*id).mirror().is_some_and(|mirror| BTreeSet::contains(&refresh, &mirror));
    if everything {
        selected.extend(&repin);
    } else if let Some(id) = repin
        .iter()
        .chain(graph.ids().filter(of_refreshed).collect::<Vec<_>>().iter())
        .find(|id| !selected.contains(id))
    {
        return Err(Stop::Message(format!(
            "{} is asked for anew, but `--chart` or `--only` leaves it out",
            graph.unit(*id).reference
        )));
    }
    let committed = Tree::revision(&session.root, "HEAD").ok();
    Ok(Order { selected, everything, repin, refresh, committed })
}

fn named(graph: &StepGraph, names: &[String]) -> Result<BTreeSet<UnitId>, Stop> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let selection = Selection { charts: names.to_vec(), ..Selection::default() };
    let units: BTreeSet<UnitId> = graph.select(&selection).map_err(Stop::message)?.into_iter().collect();
    match units.iter().map(|id| graph.unit(*id)).find(|unit| unit.mirror().is_none()) {
        Some(unit) => {
            Err(Stop::Message(format!("{} is a first-party chart: Git has its content, nothing is pinned", unit.name)))
        }
        None => Ok(units),
    }
}
