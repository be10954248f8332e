//! First-party charts: the folders in `charts/`, read and checked as far as that needs no registry.
//!
//! Owns which folder is which chart, where it is published, and which of its dependencies come from this very workspace. Knows
//! not what the mirrored ones among those are pinned to.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::manifest::Mirror;
use super::tree::{Entry, EntryKind, Found, Limits, Tree};
use super::{CHARTS, unreadable};
use crate::chart::archive::FILE_LIMIT;
use crate::chart::package::{Folder, Kind, PackageError, Source};
use crate::chart::{Version, package};
use crate::diagnostic::{Location, Problem, Problems};
use crate::oci::{Digest, Repository};
use crate::settings::Settings;

/// What of a chart's folder is taken in: more than any chart has, `.helmignore` applied or not.
const LIMITS: Limits = Limits { file: FILE_LIMIT + 1, total: 512 << 20, entries: 100_000 };

/// A chart of this repository's own.
#[derive(Debug, Clone)]
pub struct FirstParty {
    /// Its name, which is its folder's.
    pub name: String,
    /// The version that its Chart.yaml gives: the only one there is.
    pub version: Version,
    /// Where it is published.
    pub destination: Repository,
    /// Its files, ready to be packaged.
    pub source: Source,
    /// The digests of its files' bytes, by path below its folder.
    pub files: BTreeMap<String, Digest>,
    /// Dependencies that this workspace publishes, by name.
    pub dependencies: BTreeMap<String, Dependency>,
}

/// A dependency that is taken from this workspace instead of `charts/` in the chart's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Where it is published.
    pub destination: Repository,
    /// Its version, as whoever declares it writes it.
    pub version: Version,
}

impl FirstParty {
    /// Its Chart.yaml, from the workspace's root.
    #[must_use]
    pub fn file(&self) -> String {
        chart_yaml(&self.name)
    }
}

pub(super) fn chart_yaml(folder: &str) -> String {
    format!("{CHARTS}/{folder}/Chart.yaml")
}

/// A chart's folder, understood by itself.
pub(super) struct Draft {
    folder: String,
    version: Version,
    source: Source,
}

fn problem(file: impl Into<String>, code: &'static str, message: String, help: impl Into<String>) -> Problem {
    Problem { location: Some(Location::file(file)), code, message, help: help.into() }
}

/// Reads the folders in `charts/`. Also gives their names, and those of what should be a folder.
///
/// What is wrong with charts goes to `of_charts`; without the names themselves nothing is known of the workspace.
pub(super) fn read(tree: &Tree, problems: &mut Problems, of_charts: &mut Problems) -> (Vec<Draft>, Vec<String>) {
    let entries = tree.list(CHARTS).unwrap_or_else(|error| {
        problems.push(unreadable(CHARTS, &error));
        Vec::new()
    });
    let (mut names, mut folders) = (Vec::new(), Vec::new());
    for Entry { name, kind } in entries.into_iter().filter(|entry| !entry.name.starts_with('.')) {
        match kind {
            EntryKind::Folder => folders.push(name.clone()),
            EntryKind::File => continue,
            EntryKind::Link | EntryKind::Other => of_charts.push(problem(
                format!("{CHARTS}/{name}"),
                "link",
                "this is neither a folder nor a file, and links are not followed".to_owned(),
                "put the chart's folder itself there",
            )),
        }
        names.push(name);
    }
    let read: Vec<Result<Draft, Problem>> = folders.into_par_iter().map(|folder| draft(tree, folder)).collect();
    let mut drafts = Vec::with_capacity(read.len());
    for read in read {
        match read {
            Ok(draft) => drafts.push(draft),
            Err(wrong) => of_charts.push(wrong),
        }
    }
    (drafts, names)
}

fn draft(tree: &Tree, folder: String) -> Result<Draft, Problem> {
    let at = format!("{CHARTS}/{folder}");
    let found = tree.walk(&at, &LIMITS).map_err(|error| unreadable(&at, &error))?;
    let entries = found.into_iter().map(|(path, found)| {
        let kind = match found {
            Found::File(bytes) => Kind::File(bytes),
            Found::Link(target) => Kind::Link(target),
            Found::Other(what) => Kind::Other(what),
        };
        package::Entry { path, kind }
    });
    let source = Source::read(Folder { entries: entries.collect() }).map_err(|error| unpackageable(&at, &error))?;
    let metadata = source.metadata();
    if metadata.name != folder {
        let message = format!("the chart calls itself `{}`, but its folder is `{folder}`", metadata.name);
        return Err(problem(
            chart_yaml(&folder),
            "chart-name",
            message,
            "give both the same name: helm lint wants it too",
        ));
    }
    let version = metadata.version.parse::<Version>().map_err(|error| {
        let help = "write MAJOR.MINOR.PATCH as SemVer has it";
        problem(chart_yaml(&folder), "chart-version", format!("its version cannot be published: {error}"), help)
    })?;
    Ok(Draft { folder, version, source })
}

fn unpackageable(folder: &str, error: &PackageError) -> Problem {
    problem(folder, "chart", format!("it cannot be packaged: {error}"), "")
}

/// Places the charts, finds what they depend on, and checks that each can be packaged.
pub(super) fn place(
    drafts: Vec<Draft>,
    mirrors: &[Mirror],
    settings: &Settings,
    problems: &mut Problems,
) -> Vec<FirstParty> {
    let mut placed = Vec::with_capacity(drafts.len());
    for Draft { folder, version, source } in drafts {
        match settings.publish.join(&folder) {
            Ok(destination) => {
                let files = source.files().map(|(path, bytes)| (path.to_owned(), Digest::of(bytes))).collect();
                let dependencies = BTreeMap::new();
                placed.push(FirstParty { name: folder, version, destination, source, files, dependencies });
            }
            Err(error) => {
                let message = format!("a chart of this name cannot be published: {error}");
                let help = "rename chart and folder: small letters and digits, with `-`, `_` or `.` between them";
                problems.push(problem(chart_yaml(&folder), "chart-name", message, help));
            }
        }
    }
    let found: Vec<_> = placed.par_iter().map(|chart| check(chart, &placed, mirrors, settings)).collect();
    for (chart, (dependencies, wrong)) in placed.iter_mut().zip(found) {
        chart.dependencies = dependencies;
        problems.extend(wrong);
    }
    placed
}

/// The chart's dependencies, and whatever keeps it from being packaged once they are there.
fn check(
    chart: &FirstParty,
    charts: &[FirstParty],
    mirrors: &[Mirror],
    settings: &Settings,
) -> (BTreeMap<String, Dependency>, Problems) {
    let mut problems = Problems::default();
    let mut dependencies = BTreeMap::new();
    let mut ours = BTreeSet::new();
    for declared in &chart.source.metadata().dependencies {
        let Some(destination) = published_here(&declared.repository, &declared.name, settings) else { continue };
        ours.insert(declared.name.clone());
        let found = locked(chart, declared).and_then(|version| find(destination, version, charts, mirrors));
        match found {
            Ok(found) if *dependencies.entry(declared.name.clone()).or_insert_with(|| found.clone()) == found => {}
            Ok(_) => {
                problems.push(dependency(chart, &declared.name, "stands there twice, from two places", "keep one"));
            }
            Err((message, help)) => problems.push(dependency(chart, &declared.name, &message, help)),
        }
    }
    // What the dependencies from this workspace hold matters to the registry's bytes only: here stand-ins do.
    let stand_ins = ours.into_iter().filter_map(|name| Some((name.clone(), stand_in(&name)?))).collect();
    if let Err(error) = chart.source.package(&stand_ins) {
        problems.push(unpackageable(&format!("{CHARTS}/{}", chart.name), &error));
    }
    (dependencies, problems)
}

fn dependency(chart: &FirstParty, name: &str, message: &str, help: impl Into<String>) -> Problem {
    problem(chart.file(), "dependency", format!("the dependency `{name}` {message}"), help)
}

/// Where this workspace would publish a dependency from this repository; none if it comes from elsewhere.
fn published_here(repository: &str, name: &str, settings: &Settings) -> Option<Repository> {
    let parent = repository.strip_prefix("oci://")?.trim_end_matches('/');
    let destination: Repository = format!("{parent}/{name}").parse().ok()?;
    destination.is_below(&settings.publish).then_some(destination)
}

/// What is wrong with a dependency, as the rest of the sentence, and what to do.
type Wrong = (String, String);

/// The one version of a dependency that is meant.
fn locked<'a>(chart: &'a FirstParty, declared: &'a crate::chart::Dependency) -> Result<&'a str, Wrong> {
    let help = "run `helm dependency update` in its folder and commit Chart.lock".to_owned();
    match chart.source.locked(&declared.name) {
        Some(version) => Ok(version),
        None if declared.version.parse::<Version>().is_ok() => Ok(&declared.version),
        None => Err((format!("has the version `{}`, and no Chart.lock says which that is", declared.version), help)),
    }
}

/// The chart of this workspace that a dependency means.
fn find(
    destination: Repository,
    version: &str,
    charts: &[FirstParty],
    mirrors: &[Mirror],
) -> Result<Dependency, Wrong> {
    if let Some(chart) = charts.iter().find(|chart| chart.destination == destination) {
        if !chart.version.names_same(version) {
            return Err((
                format!("is locked to version {version}, but {CHARTS}/{} has {}", chart.name, chart.version),
                "write that version into Chart.yaml and Chart.lock (`helm dependency update`), since it is taken from its folder".to_owned(),
            ));
        }
        return Ok(Dependency { destination, version: chart.version.clone() });
    }
    let Some(mirror) = mirrors.iter().find(|mirror| mirror.destination == destination) else {
        let message = format!("would come from {destination}, which nothing in this workspace publishes");
        return Err((message, "mirror it, add its folder, or depend on where it comes from".to_owned()));
    };
    let declared = mirror.versions.iter().map(|declared| &declared.version);
    let found = declared.clone().find(|declared| declared.as_str() == version);
    match found.or_else(|| declared.clone().find(|declared| declared.names_same(version))) {
        Some(version) => Ok(Dependency { version: version.clone(), destination }),
        None => Err((
            format!("is locked to version {version}, which {} does not declare", mirror.file),
            "add the version to the manifest, or lock one that it has".to_owned(),
        )),
    }
}

/// The smallest chart of this name.
fn stand_in(name: &str) -> Option<Vec<u8>> {
    let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: 0.0.0\n").into_bytes();
    let entry = package::Entry { path: "Chart.yaml".to_owned(), kind: Kind::File(chart_yaml) };
    Source::read(Folder { entries: vec![entry] }).ok()?.package(&BTreeMap::new()).ok().map(|package| package.archive)
}
