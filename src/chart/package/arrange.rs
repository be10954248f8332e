//! A chart's files as Helm holds them once it has loaded the chart.
//!
//! Owns what becomes of each file on its way through Helm: Chart.yaml and the lock are data, archives below `charts/` are
//! unpacked into folders named after their charts, what old charts have in `requirements.yaml` goes where the chart's
//! `apiVersion` wants it. Knows neither tar nor gzip.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::super::archive::Archive;
use super::super::load::{self, DEPTH_LIMIT, Files};
use super::super::metadata::{objects, text};
use super::super::schema::{self, DEPENDENCY};
use super::super::yaml::Node;
use super::super::{ChartError, Metadata, quoted};
use super::{LockState, PackageError, fields_json};
use crate::oci::Digest;

/// One chart, its subcharts below it.
pub(in crate::chart) struct Arranged {
    /// What its Chart.yaml says.
    pub(super) metadata: Metadata,
    /// What Chart.lock will say; charts of `apiVersion: v1` have none.
    pub(super) lock: Option<Lock>,
    /// All other files, by path below the chart.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// By the name that their Chart.yaml gives.
    pub(super) subcharts: BTreeMap<String, Arranged>,
}

/// A lock of dependencies as data: `dependencies`, `digest` and `generated`, the way Helm would write them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chart) struct Lock(Map<String, Value>);

impl Lock {
    /// Reads the lock in this file; to Helm, nothing at all is no lock.
    pub(in crate::chart) fn parse(file: &'static str, bytes: &[u8]) -> Result<Option<Self>, ChartError> {
        let node = Node::parse(bytes).map_err(|why| ChartError::Yaml { file, why })?;
        if node == Node::Null {
            return Ok(None);
        }
        let mut fields = Map::new();
        schema::decode(schema::LOCK, node, &mut fields, "").map_err(|misfit| misfit.in_file(file))?;
        schema::prune(schema::LOCK, &mut fields);
        Ok(Some(Self(fields)))
    }

    /// What it says about the dependencies.
    pub(in crate::chart) fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Names and versions of the dependencies, in their order.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&str, &str)> {
        objects(&self.0, "dependencies").map(|entry| (text(entry, "name"), text(entry, "version")))
    }

    /// Whether the lock was made for these dependencies, as `helm dependency build` finds out: a digest over both lists as Go
    /// writes them; old charts may have helm 2's, over the first one alone.
    pub(super) fn is_for(&self, metadata: &Map<String, Value>) -> LockState {
        let ours = objects(metadata, "dependencies");
        // Which repository these mean depends on the machine.
        if ours.map(|entry| text(entry, "repository")).any(|at| at.starts_with('@') || at.starts_with("alias:")) {
            return LockState::Unknown;
        }
        let (declared, locked) = (list(metadata), list(&self.0));
        let digest = |text: String| Digest::of(text.as_bytes()).to_string();
        let now = digest(format!("[{declared},{locked}]"));
        let told = text(&self.0, "digest");
        let old = text(metadata, "apiVersion") == "v1" && digest(format!(r#"{{"dependencies":{declared}}}"#)) == told;
        if now == told || old { LockState::InSync } else { LockState::OutOfSync { digest: now } }
    }
}

/// The dependencies as Go writes them.
fn list(fields: &Map<String, Value>) -> String {
    let Some(Value::Array(list)) = fields.get("dependencies") else { return "null".to_owned() };
    let entry = |entry: &Value| entry.as_object().map_or("null".to_owned(), |entry| fields_json(DEPENDENCY, entry));
    format!("[{}]", list.iter().map(entry).collect::<Vec<_>>().join(","))
}

/// What Helm must know of a chart before it looks at anything else.
pub(super) fn head(files: &Files<'_>) -> Result<(Metadata, Option<Lock>), ChartError> {
    let file = |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, bytes)| *bytes);
    let chart_yaml = file("Chart.yaml").ok_or(ChartError::NoChartYaml)?;
    let metadata = Metadata::parse_with(chart_yaml, file("requirements.yaml"))?;
    let mut lock = None;
    // Helm reads them in this order, and what it read last counts.
    for name in ["Chart.lock", "requirements.lock"] {
        if let Some(bytes) = file(name) {
            lock = Lock::parse(name, bytes)?;
        }
    }
    Ok((metadata, lock))
}

impl Arranged {
    /// Arranges a chart's files. `supplied` are archives by dependency, in place of what `charts/` has of that name.
    pub(super) fn read(
        files: &Files<'_>,
        supplied: &BTreeMap<String, Vec<u8>>,
        budget: &mut u64,
    ) -> Result<Self, PackageError> {
        chart(files, supplied, budget, 0)
    }
}

fn chart(
    files: &Files<'_>,
    supplied: &BTreeMap<String, Vec<u8>>,
    budget: &mut u64,
    depth: usize,
) -> Result<Arranged, PackageError> {
    if depth > DEPTH_LIMIT {
        return Err(ChartError::TooDeep.into());
    }
    let (metadata, lock) = head(files)?;
    let old = text(metadata.fields(), "apiVersion") == "v1";
    let kept = |path: &str| match path {
        "Chart.yaml" | "Chart.lock" => false,
        "requirements.yaml" | "requirements.lock" => old,
        path => !path.starts_with("charts/") || load::extension(path) == "prov",
    };
    let mut arranged = Arranged {
        metadata,
        lock: lock.filter(|_| !old),
        files: files
            .iter()
            .filter(|(path, _)| kept(path))
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect(),
        subcharts: BTreeMap::new(),
    };
    check_schema(&arranged.files)?;
    for (name, files) in load::subcharts(files) {
        let path = quoted(&format!("charts/{name}"));
        let inside = |error| PackageError::Subchart { path: path.clone(), error: Box::new(error) };
        let subchart = subchart(name, &files, budget, depth).map_err(inside)?;
        if !supplied.contains_key(&subchart.metadata.name) {
            arranged.add(subchart)?;
        }
    }
    for (name, tgz) in supplied {
        arranged.add(supply(name, tgz, budget, depth)?)?;
    }
    Ok(arranged)
}

impl Arranged {
    fn add(&mut self, subchart: Self) -> Result<(), PackageError> {
        let name = subchart.metadata.name.clone();
        match self.subcharts.insert(name.clone(), subchart) {
            None => Ok(()),
            Some(_) => Err(PackageError::SameName { name: quoted(&name) }),
        }
    }
}

/// A packaged or an unpacked subchart; a lone file that is neither is a chart without Chart.yaml to Helm.
fn subchart(name: &str, files: &Files<'_>, budget: &mut u64, depth: usize) -> Result<Arranged, PackageError> {
    match files.as_slice() {
        [("", tgz)] if load::extension(name) == "tgz" => packed(tgz, budget, depth),
        _ if load::extension(name) == "tgz" => Err(ChartError::NoChartYaml.into()),
        _ => chart(files, &BTreeMap::new(), budget, depth + 1),
    }
}

fn packed(tgz: &[u8], budget: &mut u64, depth: usize) -> Result<Arranged, PackageError> {
    let archive = Archive::read_within(tgz, budget).map_err(ChartError::from)?;
    let files = archive.files().map(|(path, bytes)| (path, without_mark(bytes))).collect();
    chart(&files, &BTreeMap::new(), budget, depth + 1)
}

fn supply(name: &str, tgz: &[u8], budget: &mut u64, depth: usize) -> Result<Arranged, PackageError> {
    let refuse = |why| PackageError::Supplied { dependency: quoted(name), why };
    let arranged = packed(tgz, budget, depth).map_err(|error| refuse(format!("cannot be packaged: {error}")))?;
    if arranged.metadata.name == name {
        Ok(arranged)
    } else {
        Err(refuse(format!("is the chart `{}`", quoted(&arranged.metadata.name))))
    }
}

/// What Helm refuses to package, although it loads it.
fn check_schema(files: &BTreeMap<String, Vec<u8>>) -> Result<(), PackageError> {
    const SCHEMA: &str = "values.schema.json";
    match files.get(SCHEMA) {
        // Like Go's own check, this one leaves what strings hold alone.
        Some(bytes) if serde_json::from_slice::<IgnoredAny>(bytes).is_err() => {
            Err(PackageError::Schema { path: SCHEMA.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A file as Helm reads it.
pub(in crate::chart) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}
