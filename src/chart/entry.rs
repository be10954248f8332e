//! One entry of a chart archive: its header, its extension headers, its path.
//!
//! Owns which tar headers are unambiguous. Go's reader (which is Helm's), GNU tar and libarchive differ in old and odd
//! corners; a header on which they differ is refused rather than interpreted.

use std::collections::BTreeMap;

use tar::{EntryType, Header};

use super::archive::ArchiveError;
use super::quoted;

/// The most bytes an extension header may have, as in Go.
pub(super) const EXTENSION_LIMIT: u64 = 1 << 20;
/// The most bytes a path may have.
const PATH_LIMIT: usize = 4096;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain file.
    File,
    /// A folder, which Helm skips.
    Folder,
}

/// What an extension header says about the next entry.
#[derive(Debug, Default)]
pub(super) struct Extension {
    path: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
}

impl Extension {
    /// Reads an extension header's content; a global one says nothing about any entry, or is refused.
    pub(super) fn read(kind: EntryType, content: &[u8]) -> Result<Option<Self>, ArchiveError> {
        if kind == EntryType::GNULongName {
            let path = content.split(|byte| *byte == 0).next().unwrap_or_default();
            return Ok(Some(Self { path: Some(path.to_vec()), size: None }));
        }
        let mut records = pax(content).ok_or_else(|| ArchiveError::Damaged("a pax header is malformed".into()))?;
        let header = |why| ArchiveError::Header { path: "(pax)".into(), why };
        if records.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
            return Err(header("describes a sparse file"));
        }
        if records.contains_key(&b"linkpath"[..]) {
            return Err(header("describes a link"));
        }
        let extension = Self { path: records.remove(&b"path"[..]), size: records.remove(&b"size"[..]) };
        match kind {
            EntryType::XGlobalHeader if extension.path.is_some() || extension.size.is_some() => {
                Err(header("renames or resizes every entry behind it"))
            }
            EntryType::XGlobalHeader => Ok(None),
            _ => Ok(Some(extension)),
        }
    }
}

/// The records of a pax header, `LENGTH KEY=VALUE\n` each; `None` where one is malformed or a key stands twice.
fn pax(mut content: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let digits = content.get(..space).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (record, rest) = content.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() || value.contains(&0) || records.insert(key.to_vec(), value.to_vec()).is_some() {
            return None;
        }
        content = rest;
    }
    Some(records)
}

/// The path of a plain file or a folder; anything else is refused.
pub(super) fn plain(header: &Header, size: u64, extension: Option<Extension>) -> Result<(String, Kind), ArchiveError> {
    let Extension { path: long, size: long_size } = extension.unwrap_or_default();
    let raw = long.unwrap_or_else(|| header.path_bytes().into_owned());
    let shown = quoted(&String::from_utf8_lossy(&raw));
    let header_error = |why| Err(ArchiveError::Header { path: shown.clone(), why });

    if ambiguous_prefix(header.as_bytes()) {
        return header_error("gives its path in a way that readers understand differently");
    }
    if long_size.is_some_and(|text| text != size.to_string().as_bytes()) {
        return header_error("gives two sizes");
    }
    let kind = match header.entry_type() {
        // Before POSIX, a folder was a file whose name ends in a slash.
        EntryType::Regular if header.as_old().linkflag == [0] && raw.ends_with(b"/") => Kind::Folder,
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Folder,
        other => return Err(ArchiveError::Special { path: shown, kind: name(other) }),
    };
    // Go reads a folder's size as nothing to skip, others skip that many bytes.
    if kind == Kind::Folder && size != 0 {
        return header_error("gives a folder a size");
    }
    // Go lets file type bits in the mode overrule the entry's type.
    let Ok(mode) = header.mode() else { return header_error("has no readable mode") };
    let expected = if kind == Kind::File { 0o100_000 } else { 0o040_000 };
    let bits = mode & !0o7777;
    if bits != 0 && bits != expected {
        return header_error("says one kind of entry in its type and another in its mode");
    }
    match String::from_utf8(raw) {
        Ok(path) => Ok((path, kind)),
        Err(_) => Err(ArchiveError::Path { path: shown, why: "is not UTF-8" }),
    }
}

/// Whether readers differ on what the bytes behind offset 345 are: the head of the path, or times.
fn ambiguous_prefix(block: &[u8; 512]) -> bool {
    match &block[257..265] {
        b"ustar\x0000" => block.ends_with(b"tar\0") && !block[345..476].contains(&0),
        b"ustar  \0" => {
            let time =
                |field: &[u8]| field[0] & 0x80 != 0 || field.iter().all(|byte| matches!(byte, 0 | b' ' | b'0'..=b'7'));
            !(time(&block[345..357]) && time(&block[357..369]))
        }
        _ => false,
    }
}

fn name(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink | EntryType::GNULongLink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

/// The top folder and, for a file, the path below it.
pub(super) fn split(path: &str, kind: Kind) -> Result<(&str, Option<&str>), ArchiveError> {
    let refuse = |why| Err(ArchiveError::Path { path: quoted(path), why });
    let name = if kind == Kind::Folder { path.strip_suffix('/').unwrap_or(path) } else { path };
    if name.len() > PATH_LIMIT {
        return refuse("is longer than 4096 bytes");
    }
    if name.contains('\\') {
        return refuse("has a backslash");
    }
    if name.chars().any(char::is_control) {
        return refuse("has a control character");
    }
    if name.starts_with('/') {
        return refuse("is absolute");
    }
    let (root, below) = name.split_once('/').map_or((name, None), |(root, below)| (root, Some(below)));
    for segment in name.split('/') {
        match segment.as_bytes() {
            b"" => return refuse("has an empty part"),
            b".." => return refuse("leads out of the chart"),
            [letter, b':'] if letter.is_ascii_alphabetic() => return refuse("names a drive"),
            _ => {}
        }
    }
    // `tar -C chart .` writes `./Chart.yaml`: as a top folder `.` is a name like any other, below it is noise.
    if below.is_some_and(|below| below.split('/').any(|segment| segment == ".")) {
        return refuse("has a part `.`");
    }
    match (kind, below) {
        (Kind::File, None) => refuse("is outside of the chart's folder"),
        (Kind::File, Some(below)) if below.starts_with("..") => refuse("begins with `..`, which helm refuses"),
        (Kind::File, Some(_)) if root == "Chart.yaml" => refuse("has a top folder Chart.yaml, which helm refuses"),
        (Kind::File, Some(below)) => Ok((root, Some(below))),
        (Kind::Folder, _) => Ok((root, None)),
    }
}
