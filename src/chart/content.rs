//! What a chart archive says, however it was packed.
//!
//! Owns when two archives are the same chart: the same files with the same bytes, archives below `charts/` unpacked, and
//! Chart.yaml and Chart.lock compared as data, since `helm package` rewrites them. Stricter than Helm's own loading in
//! all else: a file that Helm would never look at counts, too. Knows not who packed them.

use std::collections::BTreeMap;
use std::fmt;

use super::archive::{Archive, STREAM_LIMIT};
use super::load::{self, DEPTH_LIMIT, Files};
use super::package::arrange::{Lock, without_mark};
use super::package::fields_json;
use super::schema::{LOCK, METADATA};
use super::{ChartError, Metadata, quoted};
use crate::oci::Digest;

/// How many paths of each kind a difference names.
const SHOWN: usize = 10;

/// The content of a chart archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    files: BTreeMap<String, Saying>,
}

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saying {
    Bytes(Digest),
    /// The digest of its data, written in one way.
    Data(Digest),
}

/// What differs between two contents. Paths are those of an unpacked chart, raw, of at most 300 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files that only the second one has.
    pub added: Paths,
    /// Files that only the first one has.
    pub removed: Paths,
    /// Files that say something else.
    pub changed: Paths,
}

/// Some paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// The first ten of them, in byte order.
    pub first: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// Why an archive has no content that could be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Something in it is not a chart.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// An unpacked subchart and a packed one of the same name, or two packed ones.
    #[error("`{path}` stands twice in the chart once its subcharts are unpacked")]
    Twice {
        /// Which file.
        path: String,
    },
}

impl Content {
    /// The content of an archive.
    pub fn of(archive: &Archive) -> Result<Self, ContentError> {
        let mut content = Self { files: BTreeMap::new() };
        // One budget for all archives within archives, as when a chart is read.
        let mut budget = STREAM_LIMIT;
        content.add(&archive.files().collect(), "", &mut budget, 0)?;
        Ok(content)
    }

    /// What `other` has, lacks and says differently; nothing at all when they are equal.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        for (path, saying) in &self.files {
            match other.files.get(path) {
                None => difference.removed.push(path),
                Some(theirs) if theirs != saying => difference.changed.push(path),
                Some(_) => {}
            }
        }
        other.files.keys().filter(|path| !self.files.contains_key(*path)).for_each(|path| difference.added.push(path));
        difference
    }

    /// Adds the files of a chart below `prefix`, which is empty or ends in a slash.
    fn add(&mut self, files: &Files<'_>, prefix: &str, budget: &mut u64, depth: usize) -> Result<(), ContentError> {
        if depth > DEPTH_LIMIT {
            return Err(ChartError::TooDeep.into());
        }
        let subcharts = load::subcharts(files);
        for (path, bytes) in files.iter().filter(|(path, _)| load::in_subchart(path).is_none()) {
            self.insert(format!("{prefix}{path}"), saying(path, bytes)?)?;
        }
        for (name, files) in subcharts {
            self.add_subchart(name, &files, prefix, budget, depth).map_err(|error| inside(name, error))?;
        }
        Ok(())
    }

    fn add_subchart(
        &mut self,
        name: &str,
        files: &Files<'_>,
        prefix: &str,
        budget: &mut u64,
        depth: usize,
    ) -> Result<(), ContentError> {
        match files.as_slice() {
            [("", tgz)] => {
                let archive = Archive::read_within(tgz, budget).map_err(ChartError::from)?;
                let chart_yaml = archive.file("Chart.yaml").ok_or(ChartError::NoChartYaml)?;
                let name = Metadata::parse(chart_yaml).map_err(ChartError::from)?.name;
                self.add(&archive.files().collect(), &format!("{prefix}charts/{name}/"), budget, depth + 1)
            }
            _ => self.add(files, &format!("{prefix}charts/{name}/"), budget, depth + 1),
        }
    }

    fn insert(&mut self, path: String, saying: Saying) -> Result<(), ContentError> {
        if self.files.contains_key(&path) {
            return Err(ContentError::Twice { path: quoted(&path) });
        }
        self.files.insert(path, saying);
        Ok(())
    }
}

/// An error with the subchart that it is in.
fn inside(name: &str, error: ContentError) -> ContentError {
    match error {
        ContentError::Chart(error) => {
            let path = quoted(&format!("charts/{name}"));
            ChartError::Subchart { path, error: Box::new(error) }.into()
        }
        twice @ ContentError::Twice { .. } => twice,
    }
}

fn saying(path: &str, bytes: &[u8]) -> Result<Saying, ChartError> {
    let data = match path {
        "Chart.yaml" => Some(fields_json(METADATA, Metadata::parse(bytes)?.fields())),
        // A lock that is no data counts by its bytes: only Chart.yaml must be read to call something a chart.
        "Chart.lock" => Lock::parse("Chart.lock", bytes).ok().flatten().map(|lock| {
            let mut lock = lock.fields().clone();
            // When it was written is no content: Helm is about to set it from SOURCE_DATE_EPOCH.
            lock.remove("generated");
            fields_json(LOCK, &lock)
        }),
        _ => None,
    };
    Ok(match data {
        Some(data) => Saying::Data(Digest::of(data.as_bytes())),
        None => Saying::Bytes(Digest::of(without_mark(bytes))),
    })
}

impl Paths {
    fn push(&mut self, path: &str) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(quoted(path));
        }
    }
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Difference {
    /// `Chart.yaml, templates/a.yaml changed; b added`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(&self.changed, "changed"), (&self.added, "added"), (&self.removed, "removed")];
        let mut separator = "";
        for (paths, what) in parts.into_iter().filter(|(paths, _)| paths.count > 0) {
            write!(f, "{separator}`{}`", paths.first.join("`, `"))?;
            match paths.count - paths.first.len() {
                0 => write!(f, " {what}")?,
                more => write!(f, " and {more} more {what}")?,
            }
            separator = "; ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
