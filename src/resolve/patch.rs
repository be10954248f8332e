//! What `lock` would write, as a patch for people who cannot run it. Writes nothing in the workspace.

use crate::files::{Readers, write_whole};
use crate::oci::Reference;
use crate::resolve::{Event, Resolution};
use crate::workspace::{LOCK_FILE, TreeError, Workspace, keyring_file, patch};

/// What is in a patch of the lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPatch {
    /// The patch's path, as it is found from the repository's root.
    pub path: String,
    /// How many pins are made or changed.
    pub pins: usize,
    /// How many pins are dropped.
    pub dropped: usize,
    /// How many keyrings are added.
    pub keyrings: usize,
    /// What could not be pinned.
    pub unlocked: Vec<Reference>,
}

/// Why there is no patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Its sides could not be laid out in a temporary folder.
    #[error("the patch of the lockfile could not be made in a temporary folder: {0}")]
    Io(#[from] std::io::Error),
    /// Git could not compare them.
    #[error("the patch of the lockfile could not be made: {0}")]
    Git(#[from] TreeError),
}

/// A path without its folder.
#[must_use]
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The patch that `git apply` takes in the repository, of which the workspace is this `folder`; `lockfile` is the file's bytes as they
/// are. Nothing where `lock` would write nothing.
pub fn make(
    workspace: &Workspace,
    folder: &str,
    lockfile: Option<&[u8]>,
    resolution: &Resolution,
    path: String,
) -> Result<Option<(Vec<u8>, LockPatch)>, PatchError> {
    let sides = tempfile::tempdir()?;
    let write = |side: &str, name: &str, bytes: &[u8]| {
        let path = sides.path().join(side).join(folder).join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        write_whole(&path, &[bytes], Readers::All)
    };
    for side in ["a", "b"] {
        std::fs::create_dir(sides.path().join(side))?;
    }
    if let Some(bytes) = lockfile {
        write("a", LOCK_FILE, bytes)?;
    }
    write("b", LOCK_FILE, resolution.lockfile.render().as_bytes())?;
    let mut keyrings = 0;
    for (digest, bytes) in resolution.keyrings.iter().filter(|(digest, _)| !workspace.keyrings.is_committed(digest)) {
        write("b", &keyring_file(digest), bytes)?;
        keyrings += 1;
    }
    let bytes = patch(&sides.path().canonicalize()?)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let of = |is: fn(&Event) -> bool| resolution.events.iter().filter(|event| is(event)).count();
    let told = LockPatch {
        path,
        pins: of(|event| !matches!(event, Event::Dropped(_) | Event::Keyring { .. })),
        dropped: of(|event| matches!(event, Event::Dropped(_))),
        keyrings,
        unlocked: resolution.failures.iter().map(|failure| failure.reference.clone()).collect(),
    };
    Ok(Some((bytes, told)))
}
