//! What a Helm chart is: its version, its archive, its metadata; how a folder becomes one, and when two are the same.
//!
//! Owns Helm's rules for them. Pure: bytes in, values out. Knows no registry, no signature and no workspace.

pub mod version;

mod entry;

pub mod archive;

mod yaml;

mod schema;

pub mod metadata;

mod load;

pub mod ignore;

pub mod package;

pub mod content;

pub mod difference;

pub use archive::{Archive, ArchiveError};
pub use metadata::{Dependency, Metadata, MetadataError};
pub use version::{Range, RangeError, Version, VersionError};

/// A chart as its archive has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The files.
    pub archive: Archive,
    /// What Chart.yaml says.
    pub metadata: Metadata,
}

/// Why bytes are not a chart that Helm would take and that every reader understands the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Chart.yaml inside of it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A folder that should be a chart is none.
    #[error("it has no Chart.yaml")]
    NoChartYaml,
    /// Another file that Helm reads when it loads the chart.
    #[error("the chart's {file} is not a YAML mapping: {why}")]
    Yaml {
        /// Its path.
        file: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// One of its subcharts.
    #[error("the chart's `{path}`: {error}")]
    Subchart {
        /// The file or folder below the chart's own, at most 300 characters of it.
        path: String,
        /// What is wrong with it.
        error: Box<ChartError>,
    },
    /// Subcharts within subcharts without end.
    #[error("it is nested deeper in subcharts than any chart is")]
    TooDeep,
}

/// Reads a chart archive whole, and refuses what Helm refuses.
pub fn read(tgz: &[u8]) -> Result<Chart, ChartError> {
    let archive = Archive::read(tgz)?;
    let metadata = load::load(&archive)?;
    Ok(Chart { archive, metadata })
}

/// Reads the tar of a chart archive whole, as if it were compressed.
fn read_tar(tar: &[u8]) -> Result<Chart, ChartError> {
    let archive = Archive::read_tar(tar)?;
    let metadata = load::load(&archive)?;
    Ok(Chart { archive, metadata })
}

/// Upstream's text as errors carry it: at most 300 characters, otherwise raw.
fn quoted(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests;
