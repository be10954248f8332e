//! Writing a file whole or not at all: a reader sees the old bytes or the new ones. Knows no format.
//!
//! A process that is killed while it writes leaves a file beside, with a name that tells of which file it was to be.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Everybody: what is committed or handed on.
    All,
}

/// Writes these parts, one after the other, as the file's new bytes, and makes its folder.
pub fn write_whole(path: &Path, parts: &[&[u8]], readers: Readers) -> io::Result<()> {
    // A terminal, a pipe or a device is written to, not replaced.
    if std::fs::metadata(path).is_ok_and(|at| !at.is_file() && !at.is_dir()) {
        let mut device = File::options().write(true).open(path)?;
        return parts.iter().try_for_each(|part| device.write_all(part));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(&beside(path)).suffix(BESIDE).tempfile_in(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    if readers == Readers::All {
        // A temporary file is its owner's alone.
        readable(file.as_file())?;
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes what processes that were killed while they wrote this file left beside it. Only for who knows that no other writes it.
pub fn sweep(path: &Path) {
    let begins = beside(path);
    let left = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in left.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(&begins) && name.ends_with(BESIDE)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// How the name of what will become a file ends.
const BESIDE: &str = ".part";

/// How it begins.
fn beside(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(unix)]
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        write_whole(&path, &[b"one"], Readers::All).unwrap();
        write_whole(&path, &[b"t", b"wo"], Readers::Owner).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(write_whole(&path.join("below"), &[b""], Readers::All).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for name in [".file.AbCdEf.part", ".other.AbCdEf.part", ".file.kept", "file"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        sweep(&path);
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".file.kept", ".other.AbCdEf.part", "file"]);
        sweep(Path::new("/"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to() {
        // Through a link: a mistake would replace that and not the device.
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("full");
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        let full = write_whole(&link, &[b"x"], Readers::All);
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(link.is_symlink());
    }
}
