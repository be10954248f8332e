//! A chart archive (`.tgz`) read in memory.
//!
//! Owns what an archive may look like: whatever two readers of gzip or tar could understand differently is refused, and
//! so is whatever Helm refuses. Knows nothing of what the files say.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::entry::{self, Extension};
use super::quoted;

/// The most bytes one file may have, as in Helm.
pub const FILE_LIMIT: u64 = 5 << 20;
/// All files together stay below this many bytes, as in Helm.
pub const TOTAL_LIMIT: u64 = 100 << 20;
/// The most entries an archive may have, extension headers included.
pub const ENTRY_LIMIT: usize = 20_000;
/// The bytes of one block of a tar.
const BLOCK: u64 = 512;
/// The most bytes that are ever inflated: the files, their headers and padding.
pub(super) const STREAM_LIMIT: u64 = TOTAL_LIMIT + (64 << 20);

/// A chart archive: one gzip member, one root folder, clean unique paths, plain files only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    root: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// Why bytes are not a chart archive that chartsync would publish. Paths are upstream's, cut to 300 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No gzip at all.
    #[error("the chart archive is not gzip: a chart layer is a `.tgz` as `helm package` writes it")]
    NotGzip,
    /// The gzip or the tar inside it is broken or cut off.
    #[error("the chart archive is damaged or cut off: {0}")]
    Damaged(String),
    /// A second gzip member: some readers go on to it, some stop before it.
    #[error("the chart archive has a second gzip member")]
    SecondMember,
    /// Something stands behind the end of the gzip member or of the tar.
    #[error("bytes follow the end of the chart archive's {0}")]
    Trailing(&'static str),
    /// More than the limits allow.
    #[error("the chart archive holds 100 MiB or more, inflated: helm refuses it, too")]
    TooLarge,
    /// A file over the limit.
    #[error("`{path}` in the chart archive has {size} bytes, more than the 5 MiB that helm loads")]
    FileTooLarge {
        /// Which.
        path: String,
        /// Its size as its header tells it.
        size: u64,
    },
    /// More entries than any chart has.
    #[error("the chart archive has more than {ENTRY_LIMIT} entries")]
    TooManyEntries,
    /// Neither a plain file nor a folder.
    #[error("`{path}` in the chart archive is {kind}: only plain files and folders belong there")]
    Special {
        /// Which.
        path: String,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A path that is not clean.
    #[error("the path `{path}` in the chart archive {why}")]
    Path {
        /// Which.
        path: String,
        /// What is wrong with it, as the rest of the sentence.
        why: &'static str,
    },
    /// A tar header that readers understand differently.
    #[error("the tar header of `{path}` in the chart archive {why}")]
    Header {
        /// Which.
        path: String,
        /// What is wrong with it, as the rest of the sentence.
        why: &'static str,
    },
    /// Two top folders.
    #[error("the chart archive has two top folders, `{first}` and `{second}`: a chart has one")]
    TwoRoots {
        /// The first one.
        first: String,
        /// The other one.
        second: String,
    },
    /// One path twice.
    #[error("`{path}` stands twice in the chart archive")]
    Duplicate {
        /// Which.
        path: String,
    },
    /// No file at all.
    #[error("the chart archive is empty")]
    Empty,
    /// No Chart.yaml right below the top folder.
    #[error("the chart archive has no Chart.yaml in its top folder `{root}`")]
    NoChartYaml {
        /// The top folder.
        root: String,
    },
}

impl Archive {
    /// Reads an archive whole. Never inflates more than the limits allow, whatever the headers claim.
    pub fn read(tgz: &[u8]) -> Result<Self, ArchiveError> {
        let mut budget = STREAM_LIMIT;
        Self::read_within(tgz, &mut budget)
    }

    /// Reads an archive whole, inflating no more than `budget` bytes, which it takes from it.
    pub(super) fn read_within(tgz: &[u8], budget: &mut u64) -> Result<Self, ArchiveError> {
        if !tgz.starts_with(&[0x1f, 0x8b]) {
            return Err(ArchiveError::NotGzip);
        }
        let (archive, stream) = Reading::all(Capped { inner: GzDecoder::new(tgz), left: budget })?;
        match stream.inner.into_inner() {
            [] => archive.finish(),
            [0x1f, 0x8b, ..] => Err(ArchiveError::SecondMember),
            _ => Err(ArchiveError::Trailing("gzip")),
        }
    }

    /// Reads what an archive is compressed from.
    pub(super) fn read_tar(tar: &[u8]) -> Result<Self, ArchiveError> {
        let mut budget = STREAM_LIMIT;
        let (archive, _) = Reading::all(Capped { inner: tar, left: &mut budget })?;
        archive.finish()
    }

    /// An archive of these files, whatever they hold.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self { root: "a".into(), files: files.collect() }
    }

    /// The top folder's name, which Helm ignores.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The bytes of the file at this path below the top folder.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The archive that has this one of its files and no other.
    #[must_use]
    pub fn only(&self, path: &str) -> Self {
        let file = self.files.get_key_value(path).map(|(path, bytes)| (path.clone(), bytes.clone()));
        Self { root: self.root.clone(), files: file.into_iter().collect() }
    }

    /// All files, by path below the top folder, in byte order of the paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    root: Option<String>,
    files: BTreeMap<String, Vec<u8>>,
    total: u64,
    entries: usize,
    /// What an extension header said about the entry behind it.
    extension: Option<Extension>,
    /// Where the last entry ends, its padding included.
    end: u64,
}

impl Reading {
    /// Reads a tar to its end; behind its end marker stand only zeros.
    fn all<R: Read>(stream: R) -> Result<(Self, R), ArchiveError> {
        let mut tar = tar::Archive::new(Counted { inner: stream, read: 0 });
        let mut reading = Self::default();
        for entry in tar.entries().map_err(damaged)?.raw(true) {
            reading.take(entry.map_err(damaged)?)?;
        }
        let mut stream = tar.into_inner();
        let mut buffer = [0; 8 << 10];
        loop {
            match stream.read(&mut buffer).map_err(damaged)? {
                0 => break,
                read if buffer[..read].iter().any(|byte| *byte != 0) => return Err(ArchiveError::Trailing("tar")),
                _ => {}
            }
        }
        // Up to two blocks Go, and with it Helm, reads the end whole or not at all.
        match stream.read.checked_sub(reading.end) {
            Some(left) if left >= 2 * BLOCK || left.is_multiple_of(BLOCK) => Ok((reading, stream.inner)),
            _ => Err(ArchiveError::Damaged("its tar ends in the middle of a block".into())),
        }
    }

    fn take<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > ENTRY_LIMIT {
            return Err(ArchiveError::TooManyEntries);
        }
        let size = entry.header().entry_size().map_err(damaged)?;
        self.end = size
            .checked_next_multiple_of(BLOCK)
            .map_or(u64::MAX, |size| entry.raw_file_position().saturating_add(size));
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName) {
            if self.extension.is_some() {
                let path = quoted(&String::from_utf8_lossy(&entry.header().path_bytes()));
                return Err(ArchiveError::Header { path, why: "is one of several extension headers of one entry" });
            }
            self.extension = Extension::read(kind, &read_exactly(&mut entry, size, entry::EXTENSION_LIMIT)?)?;
            return Ok(());
        }
        let (path, kind) = entry::plain(entry.header(), size, self.extension.take())?;
        let (root, below) = entry::split(&path, kind)?;
        self.enter(root)?;
        let Some(below) = below else { return Ok(()) };
        self.total = self.total.saturating_add(size);
        if size > FILE_LIMIT {
            return Err(ArchiveError::FileTooLarge { path: quoted(&path), size });
        }
        if self.total >= TOTAL_LIMIT {
            return Err(ArchiveError::TooLarge);
        }
        let bytes = read_exactly(&mut entry, size, FILE_LIMIT)?;
        match self.files.insert(below.to_owned(), bytes) {
            None => Ok(()),
            Some(_) => Err(ArchiveError::Duplicate { path: quoted(&path) }),
        }
    }

    fn enter(&mut self, root: &str) -> Result<(), ArchiveError> {
        match &self.root {
            None => self.root = Some(root.to_owned()),
            Some(first) if first == root => {}
            Some(first) => return Err(ArchiveError::TwoRoots { first: quoted(first), second: quoted(root) }),
        }
        Ok(())
    }

    fn finish(self) -> Result<Archive, ArchiveError> {
        if self.extension.is_some() {
            return Err(ArchiveError::Damaged("its last header describes an entry that is not there".into()));
        }
        let (Some(root), false) = (self.root, self.files.is_empty()) else { return Err(ArchiveError::Empty) };
        for path in self.files.keys() {
            let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
            if let Some(folder) = folders.find(|folder| self.files.contains_key(*folder)) {
                return Err(ArchiveError::Path { path: quoted(folder), why: "is a file and a folder" });
            }
        }
        if !self.files.contains_key("Chart.yaml") {
            return Err(ArchiveError::NoChartYaml { root: quoted(&root) });
        }
        Ok(Archive { root, files: self.files })
    }
}

fn read_exactly(reader: impl Read, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    // The header's size is a claim: memory grows with what is really there.
    reader.take(size.min(limit)).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(ArchiveError::Damaged(format!("an entry has {} of its {size} bytes", bytes.len())))
    }
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn damaged(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ArchiveError::TooLarge,
        // The tar reader's messages quote paths.
        _ => ArchiveError::Damaged(quoted(&error.to_string())),
    }
}

/// A reader that knows how much it gave.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

/// A reader that fails rather than give more than `left` bytes.
struct Capped<'a, R> {
    inner: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Capped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        *self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests;
