//! What upstream has that no manifest declares, as JSON.

use serde::Serialize;

use crate::report::{Outdated, Patches};

#[derive(Serialize)]
struct WireOutdated {
    /// Whether prereleases count.
    prereleases: bool,
    mirrors: Vec<WireMirror>,
}

#[derive(Serialize)]
struct WireMirror {
    name: String,
    file: String,
    source: String,
    destination: String,
    /// The newest version that is declared.
    newest: String,
    /// All newer ones upstream, the newest first; `null` where they are not known.
    newer: Option<Vec<String>>,
    /// Why they are not known.
    error: Option<String>,
    /// The command that adds the newest.
    add: Option<String>,
    /// Older lines of patches that have newer ones, the newest line first.
    patches: Vec<WirePatches>,
}

#[derive(Serialize)]
struct WirePatches {
    /// The newest version of the line that is declared.
    declared: String,
    newer: Vec<String>,
    add: String,
}

impl From<&Outdated> for WireMirror {
    fn from(mirror: &Outdated) -> Self {
        let (newer, error) = match &mirror.newer {
            Ok(newer) => (Some(newer.iter().map(ToString::to_string).collect()), None),
            Err(error) => (None, Some(error.clone())),
        };
        Self {
            name: mirror.name.clone(),
            file: mirror.file.clone(),
            source: mirror.source.to_string(),
            destination: mirror.destination.to_string(),
            newest: mirror.newest.to_string(),
            newer,
            error,
            add: mirror.add.clone(),
            patches: mirror.patches.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Patches> for WirePatches {
    fn from(patches: &Patches) -> Self {
        let Patches { declared, newer, add } = patches;
        let newer = newer.iter().map(ToString::to_string).collect();
        Self { declared: declared.to_string(), newer, add: add.clone() }
    }
}

/// Every mirror beside its source, as JSON.
#[must_use]
pub fn outdated(mirrors: &[Outdated], prereleases: bool) -> String {
    super::text("outdated", WireOutdated { prereleases, mirrors: mirrors.iter().map(Into::into).collect() })
}
