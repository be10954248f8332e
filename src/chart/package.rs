//! Packaging: from a chart's folder to its archive, the same bytes on every machine.
//!
//! Owns what `helm package` would pack and what it refuses, and how chartsync writes it down. Knows no file system: the
//! caller walks the folder (or a Git tree) and hands its entries in, in any order. Knows no registry, either: which
//! archives stand for dependencies is the caller's choice.
//!
//! - `folder` decides which files belong to the chart: links followed, `.helmignore` applied.
//! - `arrange` turns them into what Helm would load, subcharts unpacked.
//! - `write` makes bytes of it: Chart.yaml, Chart.lock, tar, gzip.
//! - `config` is what `helm push` would tell the registry besides.

use std::collections::BTreeMap;

use super::archive::{FILE_LIMIT, STREAM_LIMIT};
use super::ignore::IgnoreError;
use super::{Chart, ChartError, Metadata};

mod folder;

pub(super) mod arrange;

mod config;

mod write;

pub(super) use config::fields as fields_json;
pub use config::go_json;
pub use folder::{Entry, Folder, Kind};

use arrange::{Arranged, Lock};

/// The rules of packaging: raised whenever the same folder gives other bytes.
pub const REVISION: u32 = 2;

/// The files of a chart's folder that go into its archive, read far enough to tell what else must.
#[derive(Debug, Clone)]
pub struct Source {
    /// By path below the folder; without a byte order mark, as Helm reads them.
    files: BTreeMap<String, Vec<u8>>,
    metadata: Metadata,
    lock: Option<Lock>,
}

/// How a chart's lock stands to the dependencies that the chart declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// There is no lock.
    Absent,
    /// It was made for them.
    InSync,
    /// `helm dependency build` refuses it.
    OutOfSync {
        /// What its `digest` would have to be for the versions that it has.
        digest: String,
    },
    /// It depends on the names that a machine has for repositories.
    Unknown,
}

/// A packaged chart, ready for an image manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The `.tgz`: the chart layer.
    pub archive: Vec<u8>,
    /// The config blob, byte for byte what `helm push` writes for this archive.
    pub config: Vec<u8>,
    /// The image manifest's annotations as `helm push` sets them, except `org.opencontainers.image.created`, which it takes
    /// from the clock.
    pub annotations: BTreeMap<String, String>,
    /// The archive, read back.
    pub chart: Chart,
}

/// Why a folder cannot be packaged. Paths are the folder's, cut to 300 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Helm refuses the folder's `.helmignore`.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// An entry that no folder has.
    #[error("the path `{path}` {why}")]
    Path {
        /// Which.
        path: String,
        /// What is wrong with it, as the rest of the sentence.
        why: &'static str,
    },
    /// A link that the archive cannot hold.
    #[error("`{path}` is a link to `{target}`, which {why}: put the file itself there, or list it in .helmignore")]
    Link {
        /// Which.
        path: String,
        /// Where it points, at most 300 characters of it.
        target: String,
        /// What is wrong with that, as the rest of the sentence.
        why: &'static str,
    },
    /// Neither a file nor a folder.
    #[error("`{path}` {what}: only plain files belong into a chart, so remove it, or list it in .helmignore")]
    Special {
        /// Which.
        path: String,
        /// What it is, as the rest of the sentence.
        what: &'static str,
    },
    /// A file over Helm's limit.
    #[error(
        "`{path}` has more than the {FILE_LIMIT} bytes that helm loads: move it out of the chart, or list it in .helmignore"
    )]
    FileTooLarge {
        /// Which.
        path: String,
    },
    /// `helm package` refuses such a file.
    #[error("`{path}` is not JSON, so helm does not package it")]
    Schema {
        /// Which.
        path: String,
    },
    /// Dependencies of Chart.yaml that nobody has.
    #[error("its Chart.yaml depends on {}, which `charts/` lacks: run `helm dependency build`", list(.0))]
    Missing(Vec<String>),
    /// Two subcharts that Helm would write into one folder.
    #[error("two charts below `charts/` are called `{name}`, and helm would mix them up: keep one")]
    SameName {
        /// The name that both Chart.yaml files give.
        name: String,
    },
    /// An archive that the caller supplied for a dependency is not that dependency.
    #[error("what stands for the dependency `{dependency}` {why}")]
    Supplied {
        /// The dependency's name.
        dependency: String,
        /// What is wrong with it, as the rest of the sentence.
        why: String,
    },
    /// A subchart.
    #[error("`{path}`: {error}")]
    Subchart {
        /// The file or folder below the chart's own.
        path: String,
        /// What is wrong with it.
        error: Box<PackageError>,
    },
    /// Helm would not load what is in the folder.
    #[error(transparent)]
    Chart(#[from] ChartError),
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Source {
    /// Picks the files of a chart's folder and reads Chart.yaml and its lock.
    pub fn read(folder: Folder) -> Result<Self, PackageError> {
        let files = folder.pick()?;
        let borrowed = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let (metadata, lock) = arrange::head(&borrowed)?;
        Ok(Self { files, metadata, lock })
    }

    /// What Chart.yaml says, `requirements.yaml` of old charts included.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The names and versions in the chart's lock: of a lock that is in sync, in the order of Chart.yaml's dependencies.
    pub fn locked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lock.iter().flat_map(Lock::versions)
    }

    /// Whether the chart's lock was made for the dependencies that it declares.
    #[must_use]
    pub fn lock_state(&self) -> LockState {
        self.lock.as_ref().map_or(LockState::Absent, |lock| lock.is_for(self.metadata.fields()))
    }

    /// The files that go into the archive, `charts/` as it stands: all that decides its bytes but the dependencies.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The bytes of those files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Packages the chart.
    ///
    /// `dependencies` are archives by the name of the dependency; each takes the place of whatever `charts/` has under
    /// that name. What Chart.yaml declares besides must stand in `charts/`.
    pub fn package(&self, dependencies: &BTreeMap<String, Vec<u8>>) -> Result<Package, PackageError> {
        let (tar, chart) = self.tar(dependencies)?;
        let archive = write::gzip(&tar)?;
        let (config, annotations) = (config::config(&chart.metadata), config::annotations(&chart.metadata));
        Ok(Package { archive, config, annotations, chart })
    }

    /// Whether the chart could be packaged with these dependencies: all but the compressing, which is most of the work.
    pub fn check(&self, dependencies: &BTreeMap<String, Vec<u8>>) -> Result<(), PackageError> {
        self.tar(dependencies).map(|_| ())
    }

    fn tar(&self, dependencies: &BTreeMap<String, Vec<u8>>) -> Result<(Vec<u8>, Chart), PackageError> {
        for name in dependencies.keys() {
            if !self.metadata.dependencies.iter().any(|declared| declared.name == *name) {
                let why = "has no place: Chart.yaml does not declare it".to_owned();
                return Err(PackageError::Supplied { dependency: name.clone(), why });
            }
        }
        let mut budget = STREAM_LIMIT;
        let arranged = Arranged::read(&self.files().collect(), dependencies, &mut budget)?;
        let missing = |name: &String| !arranged.subcharts.contains_key(name);
        let missing: Vec<_> =
            self.metadata.dependencies.iter().map(|declared| declared.name.clone()).filter(missing).collect();
        if !missing.is_empty() {
            return Err(PackageError::Missing(missing));
        }
        let tar = write::tar(&arranged);
        // Reading it back says what the rest of chartsync will say of it, and holds it to every limit.
        let chart = super::read_tar(&tar)?;
        Ok((tar, chart))
    }
}

#[cfg(test)]
mod tests;
