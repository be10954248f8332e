//! Which units a command is about.

use std::collections::BTreeMap;

use super::{Origin, Shard, StepGraph, UnitId};
use crate::oci::Repository;

/// How many names a message lists.
const LISTED: usize = 8;

/// What `--chart`, `--only` and `--shard` say; by default everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// `NAME` or `NAME@VERSION` each, where `NAME` is a destination or its last part; none means all charts.
    pub charts: Vec<String>,
    /// Only what is declared in one way.
    pub only: Option<Only>,
    /// Only the share of one of several runs.
    pub shard: Option<Shard>,
}

/// One of the two ways to declare a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Charts of `mirrors/`.
    Mirrors,
    /// Charts of `charts/`.
    Charts,
}

impl Only {
    /// The option's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirrors => "mirrors",
            Self::Charts => "charts",
        }
    }

    fn takes(self, origin: Origin) -> bool {
        match origin {
            Origin::Mirror(_) => self == Self::Mirrors,
            Origin::Chart(_) => self == Self::Charts,
        }
    }
}

/// Why a selector selects nothing, or more than one chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No chart has this name.
    #[error("no chart is named `{wanted}`: {}", did_you_mean(.candidates))]
    Unknown {
        /// The name as given.
        wanted: String,
        /// Names that are like it.
        candidates: Vec<String>,
    },
    /// Several destinations end in this name, or several versions are written alike.
    #[error("`{wanted}` names {} charts: write which, {}", .candidates.len(), one_of(.candidates))]
    Ambiguous {
        /// The selector as given.
        wanted: String,
        /// Selectors that name one each.
        candidates: Vec<String>,
    },
    /// The chart has other versions only.
    #[error("`{chart}` has no version `{wanted}`: it has {}", all_of(.versions))]
    Version {
        /// The chart's destination.
        chart: String,
        /// The version as given.
        wanted: String,
        /// The declared versions.
        versions: Vec<String>,
    },
    /// `--only` leaves out what `--chart` names.
    #[error("`--only {}` leaves out `{wanted}`: drop one of the two", .only.as_str())]
    Excluded {
        /// The selector as given.
        wanted: String,
        /// What was asked for only.
        only: Only,
    },
}

fn quoted(names: &[String]) -> String {
    names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(candidates: &[String]) -> String {
    if candidates.is_empty() {
        return "`chartsync graph` shows those that are declared".into();
    }
    format!("did you mean {}?", quoted(candidates))
}

fn one_of(candidates: &[String]) -> String {
    let more = if candidates.len() > LISTED { ", …" } else { "" };
    format!("as in {}{more}", quoted(candidates))
}

fn all_of(versions: &[String]) -> String {
    match versions.len().saturating_sub(LISTED) {
        0 => quoted(versions),
        more => format!("{} and {more} more", quoted(versions)),
    }
}

type Charts<'a> = BTreeMap<&'a Repository, Vec<UnitId>>;

impl StepGraph {
    /// The selected units in their order, each once. A name that selects nothing is an error.
    pub fn select(&self, selection: &Selection) -> Result<Vec<UnitId>, SelectError> {
        let mut units = if selection.charts.is_empty() { self.ids().collect() } else { self.named(selection)? };
        units.retain(|unit| selection.only.is_none_or(|only| only.takes(self.unit(*unit).origin)));
        units.retain(|unit| selection.shard.is_none_or(|shard| shard.takes(self.unit(*unit).destination())));
        units.sort_unstable();
        units.dedup();
        Ok(units)
    }

    /// The shortest name that selects this chart and no other: its last part, or the whole destination.
    #[must_use]
    pub fn selector<'a>(&self, chart: &'a Repository) -> &'a str {
        match self.by_name.get(chart.last()) {
            None => chart.last(),
            Some(Some(unit)) if self.unit(*unit).destination() == chart => chart.last(),
            Some(_) => chart.as_str(),
        }
    }

    fn named(&self, selection: &Selection) -> Result<Vec<UnitId>, SelectError> {
        let mut charts = Charts::new();
        for id in self.ids() {
            charts.entry(self.unit(id).destination()).or_default().push(id);
        }
        let mut units = Vec::new();
        for wanted in &selection.charts {
            let selected = self.one(&charts, wanted)?;
            if let Some(only) = selection.only
                && !selected.iter().any(|unit| only.takes(self.unit(*unit).origin))
            {
                return Err(SelectError::Excluded { wanted: wanted.clone(), only });
            }
            units.extend(selected);
        }
        Ok(units)
    }

    /// What one `NAME[@VERSION]` selects.
    fn one(&self, charts: &Charts<'_>, wanted: &str) -> Result<Vec<UnitId>, SelectError> {
        let (name, version) = match wanted.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted, None),
        };
        let named = charts.iter().filter(|(chart, _)| chart.as_str() == name || chart.last() == name);
        // A repository has a host, so no last part is also a whole destination.
        match (named.collect::<Vec<_>>().as_slice(), version) {
            ([], _) => Err(SelectError::Unknown { wanted: name.into(), candidates: like(name, charts) }),
            ([(_, units)], None) => Ok((*units).clone()),
            ([(chart, units)], Some(version)) => self.of_version(chart, units, version),
            (several, _) => {
                let suffix = version.map(|version| format!("@{version}")).unwrap_or_default();
                let candidates = several.iter().map(|(chart, _)| format!("{chart}{suffix}")).collect();
                Err(SelectError::Ambiguous { wanted: wanted.into(), candidates })
            }
        }
    }

    /// The version as written, else the one version that is the same but for a leading `v` and `+` written `_`.
    fn of_version(&self, chart: &Repository, units: &[UnitId], wanted: &str) -> Result<Vec<UnitId>, SelectError> {
        let version = |unit: &UnitId| &self.unit(*unit).version;
        let exact = units.iter().filter(|unit| version(unit).as_str() == wanted).copied().collect::<Vec<_>>();
        if !exact.is_empty() {
            return Ok(exact);
        }
        let same = units.iter().filter(|unit| version(unit).names_same(wanted)).copied().collect::<Vec<_>>();
        match same.len() {
            0 => Err(SelectError::Version {
                chart: chart.to_string(),
                wanted: wanted.into(),
                versions: units.iter().map(|unit| version(unit).to_string()).collect(),
            }),
            1 => Ok(same),
            _ => Err(SelectError::Ambiguous {
                wanted: format!("{}@{wanted}", chart.last()),
                candidates: same.iter().map(|unit| format!("{}@{}", chart.last(), version(unit))).collect(),
            }),
        }
    }
}

/// The names that someone may have meant: all if they are few, else those that contain it or are a few letters away.
fn like(wanted: &str, charts: &Charts<'_>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let last = wanted.rsplit('/').next().unwrap_or_default();
    let distance = |chart: &Repository| {
        let name = chart.last();
        let contained = !last.is_empty() && (name.contains(last) || last.contains(name));
        let distance = distance(last, name);
        let near = charts.len() <= LISTED || contained || distance <= 1 + name.len() / 4;
        near.then_some((!contained, distance))
    };
    let mut near = charts.keys().filter_map(|chart| Some((distance(chart)?, *chart))).collect::<Vec<_>>();
    near.sort_unstable();
    near.into_iter().take(LISTED).map(|(_, chart)| chart.to_string()).collect()
}

/// How many bytes must be put in, left out or changed to make one text the other; long texts count as far away.
fn distance(one: &str, other: &str) -> usize {
    if one.len().max(other.len()) > 256 {
        return usize::MAX;
    }
    let mut row = (0..=other.len()).collect::<Vec<_>>();
    for (line, byte) in one.bytes().enumerate() {
        let mut corner = line;
        row[0] = line + 1;
        for (column, other) in other.bytes().enumerate() {
            let changed = corner + usize::from(byte != other);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
