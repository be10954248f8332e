//! `chartsync add`: declare a version and pin it.
//!
//! Nothing is written before every version verifies. Then manifests, keyrings and the lockfile are written in this order, each
//! whole: whatever ends the process in between leaves a version without a pin at most, which `plan` shows as `?` and `lock` pins.

use std::collections::BTreeMap;
use std::path::Path;

use crate::artifact::Clearing;
use crate::chart::Version;
use crate::cli::session::{self, Conflicts, Session, Stop};
use crate::cli::{Common, Format, OnlyArg, Report, interrupted, live, output};
use crate::files::{self, Readers};
use crate::graph::{Selection, StepGraph, UnitId};
use crate::oci::Repository;
use crate::report::{self, Added, Put};
use crate::resolve::upstream::{self, Instead};
use crate::resolve::{self, Cause, Order, Resolution, write};
use crate::settings::SETTINGS_FILE;
use crate::workspace::{Edit, EditError, Editable, Tree, editable};

/// Arguments of `add`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A chart that is mirrored, by its destination or its last part, and the version to add. Repeatable.
    #[arg(value_name = "NAME@VERSION", required = true)]
    versions: Vec<String>,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    if !common.charts.is_empty() || common.only.is_some() {
        return Err(Stop::message("`add` names its charts itself: leave out `--chart` and `--only`"));
    }
    let wanted = options.versions.iter().map(|text| Wanted::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let root = session::root(common)?;
    if !root.join(SETTINGS_FILE).is_file() {
        return Session::open(common, Conflicts::Refuse).map(|_| 1);
    }
    // One at a time, from before the files are read until they are written.
    let _turn = write::Turn::take(&root).map_err(Stop::message)?;
    // What is wrong with first-party charts is no matter here.
    let common = &Common { root: Some(root.clone()), only: Some(OnlyArg::Mirrors), ..common.clone() };
    let before = Session::read(common, Conflicts::Refuse);
    let edits = Edits::make(&root, before, &wanted)?;
    let tree = Tree::Edited(root.clone(), edits.files());
    let session = Session::of(common, root.clone(), &tree, Conflicts::Refuse)
        // What is wrong was wrong before: told as the files are on disk.
        .map_err(|stop| Session::read(common, Conflicts::Refuse).err().unwrap_or(stop))?;
    if !session.left_alone.is_empty() {
        output::left_alone(&root, &session.left_alone);
    }
    let selected = edits.units(&session.graph)?;
    let committed = Tree::revision(&root, "HEAD").ok();
    let in_git = committed.is_some();
    let Session { workspace, lockfile, graph, .. } = session;
    let text_before = workspace.lockfile.clone();
    let clearing = Session::clearing(workspace, &root)?;
    let order = Order { selected: selected.iter().copied().collect(), committed, ..Order::default() };
    let mut resolution = tokio::select! {
        resolution = live::during(common, resolve::resolve(&clearing, &graph, &lockfile, &order)) => resolution,
        () = interrupted() => return Err(live::interrupted("versions were verified")),
    };
    tokio::select! {
        () = advise(&clearing, &graph, &edits, &selected, &options.versions, &mut resolution) => {}
        () = interrupted() => return Err(live::interrupted("versions were verified")),
    }
    let failed = !resolution.failures.is_empty();
    let locked = if failed { Vec::new() } else { edits.write(&root, text_before.as_deref(), &resolution)? };
    let manifests: Vec<String> = if failed { Vec::new() } else { edits.files().into_keys().collect() };
    let next = match (!locked.is_empty() || !manifests.is_empty(), in_git) {
        (false, _) => "",
        (true, true) => "chartsync plan --base HEAD",
        (true, false) => "chartsync plan",
    };
    let versions = edits.told(&graph, &selected, &resolution);
    let added = Added { versions, resolution: &resolution, manifests, locked, next: next.to_owned() };
    match options.report.format {
        Format::Human => output::data(&report::added(&added, &output::texts(&root)))?,
        Format::Json => output::data(&report::json::added(&added))?,
    }
    Ok(u8::from(failed))
}

/// One `NAME@VERSION`.
struct Wanted<'a> {
    name: &'a str,
    version: Version,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Self, Stop> {
        let Some((name, version)) = text.split_once('@').filter(|(_, version)| !version.is_empty()) else {
            let name = text.trim_end_matches('@');
            let word = report::shell_word(name);
            return Err(Stop::Message(format!(
                "`{text}` names no version: write `{name}@VERSION`; `chartsync outdated --chart {word}` lists upstream's"
            )));
        };
        Ok(Self { name, version: version.parse().map_err(Stop::message)? })
    }
}

/// The manifests with what is put into them.
struct Edits {
    manifests: Vec<Editable>,
    /// Their texts on disk.
    before: Vec<String>,
    /// For each wanted version its manifest's index, itself as it is written there, and what became of it.
    put: Vec<(usize, Version, Edit)>,
}

impl Edits {
    fn make(root: &Path, before: Result<Session, Stop>, wanted: &[Wanted<'_>]) -> Result<Self, Stop> {
        let manifests = editable(&Tree::folder(root)).map_err(Stop::message)?;
        let texts = manifests.iter().map(|manifest| manifest.text.clone()).collect();
        let mut edits = Self { manifests, before: texts, put: Vec::new() };
        let mut before = Some(before);
        for Wanted { name, version } in wanted {
            let is_named = |manifest: &Editable| {
                manifest.destination == *name || manifest.destination.rsplit('/').next() == Some(name)
            };
            let named: Vec<usize> = (0..edits.manifests.len()).filter(|at| is_named(&edits.manifests[*at])).collect();
            let [at] = named.as_slice() else { return Err(not_one(before.take(), name, &named, &edits.manifests)) };
            let manifest = &mut edits.manifests[*at];
            let edit = manifest.add(version).map_err(|error| match error {
                EditError::Unreadable(problems) => Stop::Problems { root: Some(root.to_owned()), problems },
                by_hand @ EditError::ByHand { .. } => Stop::message(by_hand),
            })?;
            let version = match &edit {
                Edit::Declared { version, .. } => version.clone(),
                Edit::Added { .. } => version.clone(),
            };
            edits.put.push((*at, version, edit));
        }
        Ok(edits)
    }

    /// The files that have another text.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let all = self.manifests.iter().zip(&self.before);
        let changed = all.filter(|(manifest, before)| manifest.text != **before);
        changed.map(|(manifest, _)| (manifest.file.clone(), manifest.text.clone().into_bytes())).collect()
    }

    /// The wanted versions in the graph of the edited workspace, as asked for.
    fn units(&self, graph: &StepGraph) -> Result<Vec<UnitId>, Stop> {
        let one = |(at, version, _): &(usize, Version, Edit)| {
            let destination = &self.manifests[*at].destination;
            let repository: Option<Repository> = destination.parse().ok();
            let found = repository.and_then(|repository| graph.find(&repository, version));
            found.ok_or_else(|| Stop::Message(format!("a defect in chartsync: {destination} lost its {version}")))
        };
        self.put.iter().map(one).collect()
    }

    fn told(&self, graph: &StepGraph, units: &[UnitId], resolution: &Resolution) -> Vec<Put> {
        let all = self.put.iter().zip(units);
        all.map(|((at, version, edit), id)| {
            let unit = graph.unit(*id);
            let pin = resolution.lockfile.get(unit.destination(), &unit.version);
            Put {
                name: unit.name.clone(),
                version: version.clone(),
                file: self.manifests[*at].file.clone(),
                edit: edit.clone(),
                digest: pin.map(|pin| pin.digest),
            }
        })
        .collect()
    }

    /// Writes manifests, then keyrings and lockfile; says which of the latter were written.
    fn write(&self, root: &Path, lockfile: Option<&str>, resolution: &Resolution) -> Result<Vec<String>, Stop> {
        let changed: Vec<_> =
            self.manifests.iter().zip(&self.before).filter(|(manifest, before)| manifest.text != **before).collect();
        for (manifest, before) in &changed {
            if std::fs::read(root.join(&manifest.file)).ok().as_deref() != Some(before.as_bytes()) {
                return Err(Stop::Message(format!(
                    "{} was changed while its new version was verified: nothing was written, run again",
                    manifest.file
                )));
            }
        }
        let written = changed
            .iter()
            .try_for_each(|(manifest, _)| replace(&root.join(&manifest.file), &manifest.text))
            .and_then(|()| write::write(root, lockfile, resolution).map_err(Stop::message));
        if written.is_err() {
            // What could be written is taken back: both or none, as far as the disk allows.
            for (manifest, before) in &changed {
                let _ = replace(&root.join(&manifest.file), before);
            }
        }
        written
    }
}

/// Writes a file whole, with the permissions that it has.
fn replace(path: &Path, text: &str) -> Result<(), Stop> {
    let failed = |error: std::io::Error| Stop::Message(format!("cannot write {}: {error}", path.display()));
    if std::fs::read(path).ok().as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    let permissions = std::fs::metadata(path).map_err(failed)?.permissions();
    files::sweep(path);
    files::write_whole(path, &[text.as_bytes()], Readers::All).map_err(failed)?;
    std::fs::set_permissions(path, permissions).map_err(failed)
}

/// Why a name is not that of one mirror.
fn not_one(before: Option<Result<Session, Stop>>, name: &str, named: &[usize], manifests: &[Editable]) -> Stop {
    if named.len() > 1 {
        let which = named.iter().map(|at| format!("`{}`", manifests[*at].destination)).collect::<Vec<_>>();
        return Stop::Message(format!(
            "`{name}` names {} mirrors: write which, as in {}",
            which.len(),
            which.join(", ")
        ));
    }
    match before {
        Some(Err(stop)) => stop,
        Some(Ok(session)) => {
            match session.graph.select(&Selection { charts: vec![name.to_owned()], ..Selection::default() }) {
                Err(error) => Stop::message(error),
                Ok(_) => Stop::Message(format!(
                    "{name} is a first-party chart: raise `version` in charts/{name}/Chart.yaml, nothing is pinned"
                )),
            }
        }
        None => Stop::Message(format!("no mirror is named `{name}`")),
    }
}

/// Says of each failure what to do next for somebody who asked for one version, and where nothing is written.
async fn advise(
    clearing: &Clearing,
    graph: &StepGraph,
    edits: &Edits,
    units: &[UnitId],
    asked: &[String],
    resolution: &mut Resolution,
) {
    let asked: Vec<String> = asked.iter().map(|word| report::shell_word(word)).collect();
    let again = format!("run `chartsync add {}` again", asked.join(" "));
    for failure in &mut resolution.failures {
        let of = |id: &&UnitId| graph.unit(**id).reference == failure.reference;
        let Some(id) = units.iter().find(of) else { continue };
        let unit = graph.unit(*id);
        let is_new =
            edits.put.iter().zip(units).any(|((_, _, edit), other)| other == id && matches!(edit, Edit::Added { .. }));
        if is_new {
            // The line is not in the file.
            failure.location = None;
        }
        let mirror = unit.mirror().map(|index| &clearing.workspace.mirrors[index]);
        match (failure.cause, mirror) {
            (Cause::NotFound, Some(mirror)) => {
                let name = graph.selector(unit.destination());
                let found = upstream::instead(&clearing.registries, &mirror.source, &unit.version).await;
                failure.next = match found {
                    Ok(Instead::Spelled(version)) => {
                        format!("upstream writes it `{version}`: run `chartsync add {name}@{version}`")
                    }
                    Ok(Instead::Others(others)) if others.is_empty() => {
                        format!("{} has no version at all: correct `source` in {}", mirror.source, mirror.file)
                    }
                    Ok(Instead::Others(others)) => {
                        let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                        format!("upstream's newest are {others}; `chartsync outdated --chart {name}` lists more")
                    }
                    Err(_) => format!("correct `source` in {}, or the version", mirror.file),
                };
            }
            (Cause::Unreachable, _) => failure.next = format!("nothing is known about it: {again}"),
            (Cause::Refused, _) if failure.exception.is_some() => {
                failure.next = format!("review it; to take it all the same add the exception, then {again}");
            }
            _ => {}
        }
    }
}
