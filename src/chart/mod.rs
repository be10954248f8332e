//! What a Helm chart is: its version, its archive, its metadata.
//!
//! Owns Helm's rules for them. Pure: bytes in, values out. Knows no registry, no signature and no workspace.

pub mod version;

pub use version::Version;
