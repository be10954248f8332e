//! Writing what `lock` decided: keyrings first, then the lockfile, each whole or not at all.
//!
//! Two `lock` at once are told apart by a lock on the settings file, so that neither loses the other's pins.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::files::{Readers, sweep, write_whole};
use crate::resolve::Resolution;
use crate::settings::SETTINGS_FILE;
use crate::workspace::{LOCK_FILE, keyring_file};

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another `lock` runs.
    #[error("another `chartsync lock` is at work in {0}; wait until it is done")]
    Busy(PathBuf),
    /// Somebody else wrote it meanwhile.
    #[error("{} was changed while this ran, and is left as it is: run again", .0.display())]
    Changed(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {path}: {error}; nothing of the old file is lost")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> WriteError {
    move |error| WriteError::Io { path: path.to_owned(), error }
}

/// Held while `lock` reads, resolves and writes.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Turn {
    /// Takes the turn in this workspace, or says that another has it.
    pub fn take(root: &Path) -> Result<Self, WriteError> {
        let path = root.join(SETTINGS_FILE);
        let file = File::open(&path).map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(WriteError::Busy(root.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(&path)(error)),
        }
    }
}

/// Writes what changed. Says which files did, the lockfile last.
pub fn write(root: &Path, before: Option<&str>, resolution: &Resolution) -> Result<Vec<String>, WriteError> {
    let mut written = Vec::new();
    for (digest, bytes) in &resolution.keyrings {
        let file = keyring_file(digest);
        let path = root.join(&file);
        if !path.exists() {
            sweep(&path);
            write_whole(&path, &[bytes], Readers::All).map_err(io(&path))?;
            written.push(file);
        }
    }
    let text = resolution.lockfile.render();
    if before == Some(text.as_str()) {
        return Ok(written);
    }
    let path = root.join(LOCK_FILE);
    let now = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        now => Some(now.map_err(io(&path))?),
    };
    if now.as_deref() != before {
        return Err(WriteError::Changed(path));
    }
    // Nobody else writes it, as the turn says.
    sweep(&path);
    write_whole(&path, &[text.as_bytes()], Readers::All).map_err(io(&path))?;
    written.push(LOCK_FILE.to_owned());
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Lockfile;

    #[test]
    fn a_lockfile_that_somebody_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let resolution = Resolution::default();
        let text = Lockfile::default().render();
        // Nothing was read, and nothing is there.
        assert_eq!(write(folder.path(), None, &resolution).unwrap(), [LOCK_FILE]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        for (before, now) in
            [(Some("# read\n"), Some("# theirs\n")), (None, Some("# theirs\n")), (Some("# read\n"), None)]
        {
            match now {
                Some(now) => std::fs::write(&path, now).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let refused = write(folder.path(), before, &resolution).unwrap_err();
            assert!(matches!(&refused, WriteError::Changed(file) if *file == path), "{refused}");
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), now);
        }
    }
}
