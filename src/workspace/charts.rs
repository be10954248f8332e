//! First-party charts: the folders in `charts/`, read and checked as far as that needs no registry.
//!
//! Owns which folder is which chart, where it is published, and which of its dependencies come from this very workspace. Knows
//! not what the mirrored ones among those are pinned to.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::manifest::Mirror;
use super::tree::{Entry, EntryKind, Found, Limits, Tree};
use super::{CHARTS, unreadable, yaml};
use crate::chart::archive::FILE_LIMIT;
use crate::chart::package::{Folder, Kind, PackageError, Source};
use crate::chart::{Version, package};
use crate::diagnostic::{Location, Problem, ProblemCode, Problems, code};
use crate::oci::{Digest, Repository};
use crate::settings::Settings;

mod dependencies;

pub use dependencies::Dependency;

use dependencies::Around;

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
    pub source: Arc<Source>,
    /// The digests of its files' bytes, by path below its folder.
    pub files: BTreeMap<String, Digest>,
    /// Dependencies that this workspace publishes, by name.
    pub dependencies: BTreeMap<String, Dependency>,
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

fn problem(file: impl Into<String>, code: ProblemCode, message: String, help: impl Into<String>) -> Problem {
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
                code!("link"),
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
        let help = "give both the same name: helm lint wants it too";
        return Err(Problem {
            location: Some(locate(&source, &folder, "/name")),
            ..problem("", code!("chart-name"), message, help)
        });
    }
    let version = metadata.version.parse::<Version>().map_err(|error| {
        let help = "write MAJOR.MINOR.PATCH as SemVer has it";
        Problem {
            location: Some(locate(&source, &folder, "/version")),
            ..problem("", code!("chart-version"), format!("its version cannot be published: {error}"), help)
        }
    })?;
    Ok(Draft { folder, version, source })
}

/// Where a value of a chart's Chart.yaml stands; the file alone where that cannot be told.
fn locate(source: &Source, folder: &str, pointer: &str) -> Location {
    let file = chart_yaml(folder);
    let bytes = source.files().find(|(path, _)| *path == "Chart.yaml").map(|(_, bytes)| bytes);
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text
        .and_then(|text| yaml::read(text, &file).ok())
        .filter(|document| document.value.pointer(pointer).is_some())
    {
        Some(document) => document.location(pointer),
        None => Location::file(file),
    }
}

fn unpackageable(folder: &str, error: &PackageError) -> Problem {
    problem(folder, code!("chart"), format!("it cannot be packaged: {error}"), "")
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
                let source = Arc::new(source);
                placed.push(FirstParty { name: folder, version, destination, source, files, dependencies });
            }
            Err(error) => {
                let message = format!("a chart of this name cannot be published: {error}");
                let help = "rename chart and folder: small letters and digits, with `-`, `_` or `.` between them";
                problems.push(problem(chart_yaml(&folder), code!("chart-name"), message, help));
            }
        }
    }
    let around = Around { charts: &placed, mirrors, settings };
    let found: Vec<_> = placed.par_iter().map(|chart| check(chart, around)).collect();
    for (chart, (dependencies, wrong)) in placed.iter_mut().zip(found) {
        chart.dependencies = dependencies;
        problems.extend(wrong);
    }
    placed
}

/// The chart's dependencies, and whatever keeps it from being packaged once they are there.
fn check(chart: &FirstParty, around: Around<'_>) -> (BTreeMap<String, Dependency>, Problems) {
    let (found, mut problems) = dependencies::find(chart, around);
    // What the dependencies from this workspace hold matters to the registry's bytes only: here stand-ins do.
    let stand_ins = found.keys().filter_map(|name| Some((name.clone(), stand_in(name)?))).collect();
    if let Err(error) = chart.source.check(&stand_ins) {
        problems.push(unpackageable(&format!("{CHARTS}/{}", chart.name), &error));
    }
    let dependencies = found.into_iter().filter_map(|(name, found)| Some((name, found?))).collect();
    (dependencies, problems)
}

/// The smallest chart of this name.
fn stand_in(name: &str) -> Option<Vec<u8>> {
    let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: 0.0.0\n").into_bytes();
    let entry = package::Entry { path: "Chart.yaml".to_owned(), kind: Kind::File(chart_yaml) };
    Source::read(Folder { entries: vec![entry] }).ok()?.package(&BTreeMap::new()).ok().map(|package| package.archive)
}
