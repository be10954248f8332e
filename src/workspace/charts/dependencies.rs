//! What a first-party chart depends on: which of it this workspace has, and in which version.
//!
//! Owns what `helm dependency build` would fetch, and refuse, for those. Knows nothing of what the charts hold.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::{FirstParty, problem};
use crate::chart::package::LockState;
use crate::chart::{Range, Version};
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::oci::Repository;
use crate::settings::Settings;
use crate::workspace::CHARTS;
use crate::workspace::manifest::Mirror;
use crate::workspace::yaml::{self, Document};

/// A dependency that is taken from this workspace instead of `charts/` in the chart's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Where it is published.
    pub destination: Repository,
    /// Its version, as whoever declares it writes it.
    pub version: Version,
}

/// What a chart's dependencies may mean.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) charts: &'a [FirstParty],
    pub(super) mirrors: &'a [Mirror],
    pub(super) settings: &'a Settings,
}

/// What is wrong with a dependency, as the rest of the sentence, and what to do.
type Wrong = (String, String);

/// Where this workspace has a dependency.
enum Origin {
    /// Below where it publishes.
    Published(Repository),
    /// In a folder beside the chart's own, of this name.
    Beside(String),
}

/// Those of a chart's dependencies that this workspace has, by name, whatever is wrong with them; and what is.
pub(super) fn find(chart: &FirstParty, around: Around<'_>) -> (BTreeMap<String, Option<Dependency>>, Problems) {
    let mut problems = Problems::default();
    let mut found: BTreeMap<String, Option<Dependency>> = BTreeMap::new();
    let places = Places { chart, documents: OnceCell::new() };
    let mut tell = |index: usize, field: &str, (message, help): Wrong| {
        let name = &chart.source.metadata().dependencies[index].name;
        let problem = problem("", code!("dependency"), format!("the dependency `{name}` {message}"), help);
        problems.push(Problem { location: Some(places.of(index, field)), ..problem });
    };
    let mut locked = chart.source.locked();
    let mut elsewhere = BTreeMap::new();
    for (index, dependency) in chart.source.metadata().dependencies.iter().enumerate() {
        let locked = locked.next().filter(|(name, _)| *name == dependency.name).map(|(_, version)| version);
        let Some(origin) = origin(chart, dependency, around.settings) else {
            elsewhere.insert(&dependency.name, index);
            continue;
        };
        let meant = match one(dependency, &origin, locked, around) {
            Ok(meant) => {
                within(dependency, &meant).unwrap_or_else(|wrong| tell(index, "version", wrong));
                Some(meant)
            }
            Err(wrong) => {
                tell(index, "repository", wrong);
                None
            }
        };
        match found.get(&dependency.name) {
            None => drop(found.insert(dependency.name.clone(), meant)),
            Some(first) if meant.is_none() || *first == meant => {}
            Some(_) => tell(index, "name", twice("stands there twice and means two charts, which helm would mix up")),
        }
    }
    for (name, index) in elsewhere {
        if found.contains_key(name) {
            tell(index, "repository", twice("stands there twice, once from elsewhere"));
        }
    }
    if !found.is_empty() {
        problems.extend(out_of_sync(chart));
    }
    (found, problems)
}

fn twice(message: &str) -> Wrong {
    (message.to_owned(), "keep one".to_owned())
}

/// That helm would not build from the chart's lock.
fn out_of_sync(chart: &FirstParty) -> Problems {
    let LockState::OutOfSync { digest } = chart.source.lock_state() else { return Problems::default() };
    let message = "its Chart.lock is out of sync with the dependencies in its Chart.yaml, so helm refuses it";
    let help = format!(
        "run `helm dependency update` in its folder and commit Chart.lock; if helm cannot fetch a dependency yet, write `digest: {digest}` into it once its versions are right"
    );
    problem(format!("{CHARTS}/{}/Chart.lock", chart.name), code!("dependency"), message.to_owned(), help).into()
}

/// Where this workspace has a dependency, if it comes from here.
fn origin(chart: &FirstParty, dependency: &crate::chart::Dependency, settings: &Settings) -> Option<Origin> {
    if let Some(path) = dependency.repository.strip_prefix("file://") {
        return beside(&chart.name, path).map(Origin::Beside);
    }
    let parent = dependency.repository.strip_prefix("oci://")?.trim_end_matches('/');
    let destination: Repository = format!("{parent}/{}", dependency.name).parse().ok()?;
    destination.is_below(&settings.publish).then_some(Origin::Published(destination))
}

/// The folder in `charts/` that a path means, seen from the chart's own.
fn beside(chart: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut at = vec![CHARTS, chart];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(at.pop()?),
            part => at.push(part),
        }
    }
    match at.as_slice() {
        [CHARTS, name] => Some((*name).to_owned()),
        _ => None,
    }
}

/// The one chart of this workspace that a dependency means.
fn one(
    declared: &crate::chart::Dependency,
    origin: &Origin,
    locked: Option<&str>,
    around: Around<'_>,
) -> Result<Dependency, Wrong> {
    match origin {
        Origin::Beside(folder) => {
            let Some(other) = around.charts.iter().find(|other| other.name == *folder) else {
                let message = format!("would come from {CHARTS}/{folder}, which is no chart that could be packaged");
                return Err((message, "add that chart, or correct the path".to_owned()));
            };
            if other.name != declared.name {
                let message = format!("would come from {CHARTS}/{folder}, which is another chart");
                return Err((
                    message,
                    "give it the name of that chart, and an `alias` to call it otherwise".to_owned(),
                ));
            }
            folder_of(other, locked)
        }
        Origin::Published(destination) => {
            let version = match locked {
                Some(version) => version,
                None if declared.version.parse::<Version>().is_ok() => &declared.version,
                None => {
                    let help = "run `helm dependency update` in its folder and commit Chart.lock".to_owned();
                    let message =
                        format!("has the version `{}`, and no Chart.lock says which that is", declared.version);
                    return Err((message, help));
                }
            };
            match around.charts.iter().find(|other| other.destination == *destination) {
                Some(other) => folder_of(other, Some(version)),
                None => mirrored(destination, version, around.mirrors),
            }
        }
    }
}

/// A chart of this workspace, which has one version.
fn folder_of(chart: &FirstParty, locked: Option<&str>) -> Result<Dependency, Wrong> {
    match locked.filter(|version| !chart.version.names_same(version)) {
        Some(version) => Err((
            format!("is locked to version {version}, but {CHARTS}/{} has {}", chart.name, chart.version),
            "write that version into Chart.yaml and Chart.lock (`helm dependency update`), since it is taken from its folder"
                .to_owned(),
        )),
        None => Ok(Dependency { destination: chart.destination.clone(), version: chart.version.clone() }),
    }
}

fn mirrored(destination: &Repository, version: &str, mirrors: &[Mirror]) -> Result<Dependency, Wrong> {
    let Some(mirror) = mirrors.iter().find(|mirror| mirror.destination == *destination) else {
        let message = format!("would come from {destination}, which nothing in this workspace publishes");
        return Err((message, "mirror it, add its folder, or depend on where it comes from".to_owned()));
    };
    let declared = mirror.versions.iter().map(|declared| &declared.version);
    let found = declared.clone().find(|declared| declared.as_str() == version);
    match found.or_else(|| declared.clone().find(|declared| declared.names_same(version))) {
        Some(version) => Ok(Dependency { version: version.clone(), destination: destination.clone() }),
        None => Err((
            format!("is locked to version {version}, which {} does not declare", mirror.file),
            "add the version to the manifest, or lock one that it has".to_owned(),
        )),
    }
}

/// Helm does not tell when a subchart is none of those that Chart.yaml wants: it takes it for another one, which is always
/// installed, under its own name.
fn within(declared: &crate::chart::Dependency, found: &Dependency) -> Result<(), Wrong> {
    let range: Range = declared.version.parse().map_err(|error| {
        (format!("wants a version that nobody can tell: {error}"), "write a range that helm knows".to_owned())
    })?;
    if range.contains(&found.version) {
        return Ok(());
    }
    let message = format!("is version {}, but Chart.yaml wants `{}`", found.version, declared.version);
    Err((
        message,
        "run `helm dependency update` in its folder and commit Chart.lock, or write another range".to_owned(),
    ))
}

/// Where a chart's dependencies stand.
struct Places<'a> {
    chart: &'a FirstParty,
    /// Read when the first place is asked for.
    documents: OnceCell<Vec<Document>>,
}

impl Places<'_> {
    /// Where this field of a dependency stands; the file alone where that cannot be told.
    fn of(&self, index: usize, field: &str) -> Location {
        let entry = format!("/dependencies/{index}");
        let field = format!("{entry}/{field}");
        let documents = self.documents.get_or_init(|| self.read());
        let place = documents.iter().find_map(|document| {
            let pointer = [&field, &entry].into_iter().find(|pointer| document.value.pointer(pointer).is_some())?;
            Some(document.location(pointer))
        });
        place.unwrap_or_else(|| Location::file(self.chart.file()))
    }

    /// Old charts have them in a file of their own, which counts where it is.
    fn read(&self) -> Vec<Document> {
        let document = |name: &str| {
            let (_, bytes) = self.chart.source.files().find(|(path, _)| *path == name)?;
            let file = format!("{CHARTS}/{}/{name}", self.chart.name);
            yaml::read(std::str::from_utf8(bytes).ok()?, &file).ok()
        };
        ["requirements.yaml", "Chart.yaml"].into_iter().filter_map(document).collect()
    }
}
