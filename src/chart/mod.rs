//! What a Helm chart is: its version, its archive, its metadata.
//!
//! Owns Helm's rules for them. Pure: bytes in, values out. Knows no registry, no signature and no workspace.

pub mod version;

mod entry;

pub mod archive;

pub use archive::{Archive, ArchiveError};
pub use version::{Version, VersionError};

/// Upstream's text as errors carry it: at most 300 characters, otherwise raw.
fn quoted(text: &str) -> String {
    text.chars().take(300).collect()
}
