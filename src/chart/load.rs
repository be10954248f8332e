//! What Helm reads when it loads a chart: metadata, values, locks, and all of it again for each subchart.
//!
//! Owns which charts Helm cannot load although their archive is sound. Keeps nothing but the metadata. Knows no
//! template.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::archive::{Archive, STREAM_LIMIT};
use super::metadata::Metadata;
use super::{ChartError, quoted};

/// How deep subcharts may be nested.
const DEPTH_LIMIT: usize = 16;
/// The most bytes of a YAML file that are checked.
const YAML_LIMIT: usize = 1 << 20;
/// The most bytes times `[` and `{` of a YAML file that is checked: 5,000 of them in 200 KiB.
const FLOW_LIMIT: usize = 1 << 30;

/// Files by path below the chart's folder.
type Files<'a> = Vec<(&'a str, &'a [u8])>;

/// Reads what Helm reads of a chart, and refuses what it cannot load.
pub(super) fn load(archive: &Archive) -> Result<Metadata, ChartError> {
    // One budget for all archives within archives: they must not inflate to more than one archive may.
    let mut budget = STREAM_LIMIT;
    chart(&archive.files().collect(), &mut budget, 0)
}

fn chart(files: &Files<'_>, budget: &mut u64, depth: usize) -> Result<Metadata, ChartError> {
    if depth > DEPTH_LIMIT {
        return Err(ChartError::TooDeep);
    }
    let file = |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, bytes)| *bytes);
    let chart_yaml = file("Chart.yaml").ok_or(ChartError::NoChartYaml)?;
    let metadata = Metadata::parse_with(chart_yaml, file("requirements.yaml"))?;
    for name in ["values.yaml", "Chart.lock", "requirements.lock"] {
        let Some(bytes) = file(name) else { continue };
        mappings(bytes, name == "values.yaml").map_err(|why| ChartError::Yaml { file: name, why })?;
    }
    for (name, files) in subcharts(files) {
        subchart(name, &files, budget, depth).map_err(|error| ChartError::Subchart {
            path: quoted(&format!("charts/{name}")),
            error: Box::new(error),
        })?;
    }
    Ok(metadata)
}

/// What stands below `charts/`, by the first part of its path there.
fn subcharts<'a>(files: &Files<'a>) -> BTreeMap<&'a str, Files<'a>> {
    let mut subcharts: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for (path, bytes) in files {
        let Some(below) = path.strip_prefix("charts/").filter(|_| extension(path) != "prov") else { continue };
        let (name, rest) = below.split_once('/').unwrap_or((below, ""));
        if !name.starts_with(['_', '.']) {
            subcharts.entry(name).or_default().push((rest, *bytes));
        }
    }
    subcharts
}

/// A packaged or an unpacked subchart; a lone file that is neither is a chart without Chart.yaml to Helm.
fn subchart(name: &str, files: &Files<'_>, budget: &mut u64, depth: usize) -> Result<(), ChartError> {
    match files.as_slice() {
        [("", tgz)] if extension(name) == "tgz" => {
            let archive = Archive::read_within(tgz, budget)?;
            chart(&archive.files().collect(), budget, depth + 1)?;
        }
        _ if extension(name) == "tgz" => return Err(ChartError::NoChartYaml),
        _ => {
            chart(files, budget, depth + 1)?;
        }
    }
    Ok(())
}

/// What stands behind the last dot, as Go has it: letter case matters.
fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Checks that a file is YAML and its documents are mappings, or nothing. Of locks Helm reads the first document only.
fn mappings(bytes: &[u8], all: bool) -> Result<(), String> {
    // The parser needs much memory for long files and, for each value, time by the depth of `[` and `{`, whatever closes
    // them. What is beyond any real chart goes unchecked, which does no harm: Helm tells.
    let opened = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if bytes.len() > YAML_LIMIT || bytes.len().saturating_mul(opened) > FLOW_LIMIT {
        return Ok(());
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let documents = serde_yaml::Deserializer::from_slice(bytes).take(if all { usize::MAX } else { 1 });
    for document in documents {
        Mapping::deserialize(document).map_err(|error| quoted(&error.to_string()))?;
    }
    Ok(())
}

/// A mapping of anything, or nothing: keys and values are none of our business.
struct Mapping;

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Mapping {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_none<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}
