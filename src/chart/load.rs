//! What Helm reads when it loads a chart: metadata, values, locks, and all of it again for each subchart.
//!
//! Owns which charts Helm cannot load although their archive is sound. Keeps nothing but the metadata. Knows no
//! template.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::archive::{Archive, STREAM_LIMIT};
use super::metadata::Metadata;
use super::{ChartError, quoted};

/// How deep subcharts may be nested.
pub(super) const DEPTH_LIMIT: usize = 16;
/// The most bytes of a YAML file that are checked.
const YAML_LIMIT: usize = 1 << 20;
/// The most bytes times `[` and `{` of a YAML file that is checked: 5,000 of them in 200 KiB.
pub(super) const FLOW_LIMIT: usize = 1 << 30;

/// Files by path below the chart's folder.
pub(super) type Files<'a> = Vec<(&'a str, &'a [u8])>;

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
pub(super) fn subcharts<'a>(files: &Files<'a>) -> BTreeMap<&'a str, Files<'a>> {
    let mut subcharts: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for (path, bytes) in files {
        if let Some((name, rest)) = in_subchart(path) {
            subcharts.entry(name).or_default().push((rest, *bytes));
        }
    }
    subcharts
}

/// The subchart that a file belongs to, and its path there; nothing behind the name of a packaged one.
pub(super) fn in_subchart(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix("charts/").filter(|_| extension(path) != "prov")?;
    let (name, rest) = below.split_once('/').unwrap_or((below, ""));
    (!name.starts_with(['_', '.'])).then_some((name, rest))
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
pub(super) fn extension(path: &str) -> &str {
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
    if all { Ok(()) } else { lock_date(bytes) }
}

/// Checks the date of a lock, which Go reads as RFC 3339 and nothing else.
fn lock_date(bytes: &[u8]) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Lock {
        generated: Option<String>,
    }
    let Some(document) = serde_yaml::Deserializer::from_slice(bytes).next() else { return Ok(()) };
    let lock = Option::<Lock>::deserialize(document).map_err(|error| quoted(&error.to_string()))?;
    match lock.and_then(|lock| lock.generated) {
        Some(date) if !is_rfc3339(&date) => Err(format!("`generated` is `{}`, not a date of RFC 3339", quoted(&date))),
        _ => Ok(()),
    }
}

/// `2006-01-02T15:04:05`, perhaps a fraction, then `Z` or `+07:00`.
fn is_rfc3339(date: &str) -> bool {
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, want)| match want {
                b'0' => byte.is_ascii_digit(),
                want => byte == want,
            })
    };
    let Some((time, rest)) = date.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(rest) => {
            let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == rest.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let zoned = zone == "Z" || shaped(zone, "+00:00") || shaped(zone, "-00:00");
    let part = |from: usize, to: usize| time.get(from..to).and_then(|digits| digits.parse().ok()).unwrap_or(99_u8);
    let within = (1..=12).contains(&part(5, 7))
        && (1..=31).contains(&part(8, 10))
        && part(11, 13) < 24
        && part(14, 16) < 60
        && part(17, 19) < 60;
    shaped(time, "0000-00-00T00:00:00") && zoned && within
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
        while entries.next_entry::<Finite, Finite>()?.is_some() {}
        Ok(self)
    }
}

/// Anything but a number that JSON cannot write: Helm turns values into JSON.
struct Finite;

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Finite {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self, E> {
        if value.is_finite() { Ok(self) } else { Err(E::custom(format!("the number {value}, which Helm cannot read"))) }
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, tagged: A) -> Result<Self, A::Error> {
        let (_, value) = tagged.variant::<String>()?;
        serde::de::VariantAccess::newtype_variant(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
