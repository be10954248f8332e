//! A tree of files: a folder as it is, or a Git revision exactly.
//!
//! Owns that nothing outside the root is ever read: links are refused, not followed. Knows no file of the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::git::Revision;

/// The most bytes of one file that are read.
pub const READ_LIMIT: u64 = 256 << 20;

/// Where files are read from. Paths are relative to the workspace's root, with `/`.
#[derive(Debug)]
pub enum Tree {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A folder in which some files have other bytes than on disk: how it would be after an edit.
    Edited(PathBuf, BTreeMap<String, Vec<u8>>),
    /// A commit of a Git repository, and in it the folder of the workspace.
    Revision(Revision),
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without its folder.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What a name in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, which is never followed.
    Link,
    /// A device, a pipe, a Git submodule.
    Other,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A regular file's bytes, the first ones if it is too large.
    File(Vec<u8>),
    /// A symbolic link and where it points, as written.
    Link(String),
    /// Anything else, as the rest of a sentence.
    Other(&'static str),
}

/// How much a walk takes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file; what is longer is cut there.
    pub file: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Entries.
    pub entries: usize,
}

impl Limits {
    /// Whether so much is too much.
    pub(super) fn check(&self, folder: &str, entries: usize, total: u64) -> Result<(), TreeError> {
        if entries > self.entries || total > self.total {
            return Err(TreeError::TooMuch(folder.to_owned()));
        }
        Ok(())
    }
}

/// Why something of a tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The path is, or leads through, a symbolic link.
    #[error("`{0}` is a symbolic link, and links are not followed: put the file itself there")]
    Link(String),
    /// The path is no regular file, or leads through one.
    #[error("`{0}` is not a {1}")]
    Kind(String, &'static str),
    /// The path has `..`, is absolute or the like.
    #[error("the path `{0}` leaves the workspace")]
    Outside(String),
    /// More bytes than chartsync reads.
    #[error("`{0}` is larger than 256 MiB")]
    TooBig(String),
    /// A folder with more in it than chartsync reads.
    #[error("`{0}` has more files, or more bytes in them, than any chart: move what is no part of it elsewhere")]
    TooMuch(String),
    /// A name that is not UTF-8.
    #[error("a name in `{0}` is not UTF-8: rename it")]
    Name(String),
    /// The file system refused.
    #[error("cannot read `{0}`: {1}")]
    Io(String, #[source] io::Error),
    /// No such revision in this repository.
    #[error("`{0}` is no revision of this Git repository: fetch it first (in CI, check out with the whole history)")]
    UnknownRevision(String),
    /// The root lies in no Git repository.
    #[error("`{0}` lies in no Git repository, so it has no revisions")]
    NoRepository(String),
    /// Git could not be run or said something else.
    #[error("git {0}: {1}")]
    Git(&'static str, String),
}

impl Tree {
    /// The files of this folder.
    #[must_use]
    pub fn folder(root: impl Into<PathBuf>) -> Self {
        Self::Folder(root.into())
    }

    /// The files below `root` as the commit that `revision` names has them.
    pub fn revision(root: &Path, revision: &str) -> Result<Self, TreeError> {
        Revision::open(root, revision).map(Self::Revision)
    }

    /// The bytes of a file; `None` where there is nothing of that name.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        let segments = segments(path)?;
        match self {
            Self::Edited(_, edits) if edits.contains_key(path) => Ok(edits.get(path).cloned()),
            Self::Folder(root) | Self::Edited(root, _) => read_file(root, &segments, path),
            Self::Revision(revision) => revision.read(path),
        }
    }

    /// The bytes of several files, in the order asked for: one process for a revision, however many there are.
    #[must_use]
    pub fn read_all(&self, paths: &[String]) -> Vec<Result<Option<Vec<u8>>, TreeError>> {
        match self {
            Self::Folder(_) | Self::Edited(..) => paths.iter().map(|path| self.read(path)).collect(),
            Self::Revision(revision) => revision.read_all(paths),
        }
    }

    /// Everything below a folder but folders, as it lies there: links unfollowed, of each file no more than `limit` bytes.
    ///
    /// At most `most` entries, and `all` bytes together.
    pub fn walk(&self, folder: &str, limits: &Limits) -> Result<Vec<(String, Found)>, TreeError> {
        let segments = segments(folder)?;
        match self {
            Self::Folder(root) | Self::Edited(root, _) => walk_folder(root, &segments, folder, limits),
            Self::Revision(revision) => revision.walk(folder, limits),
        }
    }

    /// The entries of a folder, sorted by name; none where there is no such folder.
    pub fn list(&self, folder: &str) -> Result<Vec<Entry>, TreeError> {
        let segments = segments(folder)?;
        match self {
            Self::Folder(root) | Self::Edited(root, _) => list_folder(root, &segments, folder),
            Self::Revision(revision) => revision.list(folder),
        }
    }
}

/// The parts of a path that cannot leave its root.
fn segments(path: &str) -> Result<Vec<&str>, TreeError> {
    let segments: Vec<&str> = path.split('/').collect();
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\\', '\0']);
    if segments.iter().copied().all(plain) { Ok(segments) } else { Err(TreeError::Outside(path.to_owned())) }
}

/// Walks down from the root; a link on the way is refused, a missing part is `None`.
fn walk(root: &Path, segments: &[&str], path: &str) -> Result<Option<(PathBuf, fs::Metadata)>, TreeError> {
    let mut at = root.to_owned();
    let mut found = None;
    for (index, segment) in segments.iter().enumerate() {
        at.push(segment);
        let metadata = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(TreeError::Io(path.to_owned(), error)),
        };
        if metadata.is_symlink() {
            return Err(TreeError::Link(segments[..=index].join("/")));
        }
        found = Some(metadata);
    }
    Ok(found.map(|metadata| (at, metadata)))
}

fn read_file(root: &Path, segments: &[&str], path: &str) -> Result<Option<Vec<u8>>, TreeError> {
    let Some((at, metadata)) = walk(root, segments, path)? else { return Ok(None) };
    if !metadata.is_file() {
        return Err(TreeError::Kind(path.to_owned(), "file"));
    }
    let io = |error| TreeError::Io(path.to_owned(), error);
    let mut bytes = Vec::new();
    fs::File::open(at).map_err(io)?.take(READ_LIMIT + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > READ_LIMIT { Err(TreeError::TooBig(path.to_owned())) } else { Ok(Some(bytes)) }
}

fn walk_folder(
    root: &Path,
    segments: &[&str],
    folder: &str,
    limits: &Limits,
) -> Result<Vec<(String, Found)>, TreeError> {
    let Some((top, metadata)) = walk(root, segments, folder)? else { return Ok(Vec::new()) };
    if !metadata.is_dir() {
        return Err(TreeError::Kind(folder.to_owned(), "folder"));
    }
    let (mut found, mut total) = (Vec::new(), 0);
    let mut ahead = vec![(top, String::new())];
    while let Some((at, below)) = ahead.pop() {
        let io = |error| TreeError::Io(format!("{folder}/{below}"), error);
        for entry in fs::read_dir(at).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            let path = format!("{below}{}", name.to_string_lossy());
            let kind = entry.file_type().map_err(io)?;
            if name.to_str().is_none() {
                found.push((path, Found::Other("has a name that is not UTF-8")));
            } else if kind.is_dir() {
                ahead.push((entry.path(), format!("{path}/")));
            } else {
                let one = read_found(&entry.path(), kind, limits)
                    .map_err(|error| TreeError::Io(format!("{folder}/{path}"), error))?;
                total += if let Found::File(bytes) = &one { bytes.len() as u64 } else { 0 };
                found.push((path, one));
            }
            limits.check(folder, found.len() + ahead.len(), total)?;
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn read_found(path: &Path, kind: fs::FileType, limits: &Limits) -> io::Result<Found> {
    if kind.is_symlink() {
        let target = fs::read_link(path)?.into_os_string().into_string();
        return Ok(target.map_or(Found::Other("is a link to a name that is not UTF-8"), Found::Link));
    }
    if !kind.is_file() {
        return Ok(Found::Other("is neither a file nor a folder"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limits.file).read_to_end(&mut bytes)?;
    Ok(Found::File(bytes))
}

fn list_folder(root: &Path, segments: &[&str], folder: &str) -> Result<Vec<Entry>, TreeError> {
    let Some((at, metadata)) = walk(root, segments, folder)? else { return Ok(Vec::new()) };
    if !metadata.is_dir() {
        return Err(TreeError::Kind(folder.to_owned(), "folder"));
    }
    let io = |error| TreeError::Io(folder.to_owned(), error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(at).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().into_string().map_err(|_| TreeError::Name(folder.to_owned()))?;
        let kind = match entry.file_type().map_err(io)? {
            kind if kind.is_symlink() => EntryKind::Link,
            kind if kind.is_dir() => EntryKind::Folder,
            kind if kind.is_file() => EntryKind::File,
            _ => EntryKind::Other,
        };
        entries.push(Entry { name, kind });
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests;
