//! chartsync publishes and mirrors Helm charts as OCI artifacts the way a build system builds.
//!
//! The modules in reading order: each imports only from those above it.

pub mod oci;
pub mod key;
pub mod diagnostic;
pub mod document;
pub mod settings;
pub mod finding;
pub mod files;
pub mod work;
pub mod tally;
pub mod cache;
pub mod chart;
pub mod provenance;
pub mod workspace;
pub mod lock;
pub mod graph;
pub mod http;
pub mod registry;
pub mod artifact;
pub mod signature;
pub mod resolve;
pub mod plan;
pub mod apply;
pub mod audit;
pub mod report;
pub mod cli;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
