//! A chart taken apart: itself and its subcharts, packed or not, each with its files.
//!
//! Owns the path that a subchart's files are told under, and the difference between files as bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::archive::{Archive, STREAM_LIMIT};
use super::super::load::{self, DEPTH_LIMIT, Files};
use super::super::{Metadata, quoted};
use super::{Change, Changes, File, Unread};
use crate::oci::Digest;

/// The longest name of a subchart that its files are told under.
const NAME_LIMIT: usize = 100;

/// The packed subcharts of a chart, unpacked, at any depth.
#[derive(Default)]
pub(super) struct Unpacked {
    /// By the path of the packed file, in two: the path of the part that it is in, and the rest.
    archives: BTreeMap<(String, String), (String, Archive)>,
    /// Those that are no charts, and why.
    unreadable: BTreeMap<(String, String), String>,
}

/// A packed subchart that is yet to be unpacked.
struct Packed {
    prefix: String,
    name: String,
    tgz: Vec<u8>,
    depth: usize,
}

impl Unpacked {
    pub(super) fn of(archive: &Archive) -> Self {
        let mut unpacked = Self::default();
        let (mut waiting, mut taken) = (Vec::new(), BTreeSet::new());
        find(&archive.files().collect(), "", 0, &mut waiting, &mut taken);
        // One budget for all archives within archives, as when a chart is read.
        let mut budget = STREAM_LIMIT;
        while let Some(packed) = waiting.pop() {
            let file = (packed.prefix.clone(), format!("charts/{}", packed.name));
            match unpack(&packed, &mut budget) {
                Ok((name, archive)) => {
                    let by_name = format!("{}charts/{name}/", packed.prefix);
                    let usable = name.len() <= NAME_LIMIT && taken.insert(by_name.clone());
                    let prefix = if usable { by_name } else { format!("{}{}/", file.0, file.1) };
                    find(&archive.files().collect(), &prefix, packed.depth + 1, &mut waiting, &mut taken);
                    unpacked.archives.insert(file, (prefix, archive));
                }
                Err(why) => {
                    unpacked.unreadable.insert(file, why);
                }
            }
        }
        unpacked
    }
}

/// The name that a packed subchart gives itself, and its files.
fn unpack(packed: &Packed, budget: &mut u64) -> Result<(String, Archive), String> {
    if packed.depth > DEPTH_LIMIT {
        return Err("it is nested deeper in subcharts than any chart is".into());
    }
    let archive = Archive::read_within(&packed.tgz, budget).map_err(|error| error.to_string())?;
    let metadata =
        Metadata::parse(archive.file("Chart.yaml").unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok((metadata.name, archive))
}

/// Finds packed subcharts in the files below `prefix`, and the folders that unpacked ones take.
fn find(files: &Files<'_>, prefix: &str, depth: usize, waiting: &mut Vec<Packed>, taken: &mut BTreeSet<String>) {
    if depth > DEPTH_LIMIT {
        return;
    }
    for (name, files) in load::subcharts(files) {
        if let [("", tgz)] = files.as_slice() {
            let (prefix, name, tgz) = (prefix.to_owned(), name.to_owned(), tgz.to_vec());
            waiting.push(Packed { prefix, name, tgz, depth });
        } else {
            let below = format!("{prefix}charts/{name}/");
            find(&files, &below, depth + 1, waiting, taken);
            taken.insert(below);
        }
    }
}

/// A chart or one of its subcharts, without what belongs to subcharts of its own.
pub(super) struct Part<'a> {
    /// What its files' paths begin with: nothing for the chart itself, else as in `charts/common/`.
    pub(super) path: String,
    /// What its Chart.yaml says; none where that is no Chart.yaml.
    pub(super) metadata: Option<Metadata>,
    /// By path below the part.
    pub(super) files: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Part<'a> {
    /// The bytes of one of its files.
    pub(super) fn file(&self, name: &str) -> Option<&'a [u8]> {
        self.files.get(name).copied()
    }

    /// The whole path of one of its files, as it is told.
    pub(super) fn path_of(&self, file: &str) -> String {
        quoted(&format!("{}{file}", self.path))
    }
}

/// A chart and all its subcharts, by path.
pub(super) struct Parts<'a> {
    pub(super) all: BTreeMap<String, Part<'a>>,
    unreadable: &'a BTreeMap<(String, String), String>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(archive: &'a Archive, unpacked: &'a Unpacked) -> Self {
        let mut parts = Self { all: BTreeMap::new(), unreadable: &unpacked.unreadable };
        parts.add(String::new(), &archive.files().collect(), unpacked, 0);
        parts
    }

    fn add(&mut self, path: String, files: &Files<'a>, unpacked: &'a Unpacked, depth: usize) {
        let packed = |name: &str| unpacked.archives.get(&(path.clone(), format!("charts/{name}")));
        let own = files.iter().filter(|(file, _)| match load::in_subchart(file) {
            None => true,
            // A packed subchart that is none stays a file.
            Some((name, "")) => packed(name).is_none(),
            Some(_) => depth >= DEPTH_LIMIT,
        });
        let own: BTreeMap<&str, &[u8]> = own.copied().collect();
        if depth < DEPTH_LIMIT {
            for (name, files) in load::subcharts(files) {
                match (files.as_slice(), packed(name)) {
                    ([("", _)], None) => {}
                    ([("", _)], Some((prefix, archive))) => {
                        self.add(prefix.clone(), &archive.files().collect(), unpacked, depth + 1);
                    }
                    _ => self.add(format!("{path}charts/{name}/"), &files, unpacked, depth + 1),
                }
            }
        }
        let chart_yaml = own.get("Chart.yaml").copied().unwrap_or_default();
        let metadata = Metadata::parse_with(chart_yaml, own.get("requirements.yaml").copied()).ok();
        self.all.insert(path.clone(), Part { path, metadata, files: own });
    }

    /// Every file by its whole path, which is in two: the part's and the file's.
    pub(super) fn files(&self) -> BTreeMap<(&str, &str), &'a [u8]> {
        let of_part = |part: &'_ Part<'a>| part.files.iter().map(|(file, bytes)| (*file, *bytes)).collect::<Vec<_>>();
        let all = self
            .all
            .values()
            .flat_map(|part| of_part(part).into_iter().map(|(file, bytes)| ((part.path.as_str(), file), bytes)));
        all.collect()
    }
}

/// Both sides of everything that either has, in order.
pub(super) fn both<'m, K: Ord + Copy, V>(
    old: &'m BTreeMap<K, V>,
    new: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Option<&'m V>, Option<&'m V>)> {
    let keys: BTreeSet<K> = old.keys().chain(new.keys()).copied().collect();
    keys.into_iter().map(|key| (key, old.get(&key), new.get(&key)))
}

/// Both sides of every part that either chart has, in order.
pub(super) fn pairs<'m, 'a>(
    old: &'m Parts<'a>,
    new: &'m Parts<'a>,
) -> impl Iterator<Item = (&'m str, Option<&'m Part<'a>>, Option<&'m Part<'a>>)> {
    let keys: BTreeSet<&str> = old.all.keys().chain(new.all.keys()).map(String::as_str).collect();
    keys.into_iter().map(|key| (key, old.all.get(key), new.all.get(key)))
}

/// The files whose bytes differ.
pub(super) fn compare(old: &Parts<'_>, new: &Parts<'_>) -> Changes<File> {
    let (old, new) = (old.files(), new.files());
    let mut changes = Changes::default();
    for (path, old, new) in both(&old, &new).filter(|(_, old, new)| old != new) {
        let seen = |bytes: &&[u8]| file_of(path, bytes);
        changes.push_with(old.is_some(), new.is_some(), || Change { old: old.map(seen), new: new.map(seen) });
    }
    changes
}

/// A file as it is told; its path is in two.
pub(super) fn file_of((part, file): (&str, &str), bytes: &[u8]) -> File {
    File {
        path: quoted(&format!("{part}{file}")),
        size: bytes.len() as u64,
        digest: Digest::of(bytes).to_string(),
        binary: is_binary(bytes),
    }
}

/// Whether bytes are no text.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.contains(&0) || std::str::from_utf8(bytes).is_err()
}

/// Subcharts that the new chart has and that cannot be read, unless they were in the old one as they are.
pub(super) fn unread(old: &Parts<'_>, new: &Parts<'_>) -> Vec<Unread> {
    let (old_files, new_files) = (old.files(), new.files());
    let is_changed = |(part, file): (&str, &str)| old_files.get(&(part, file)) != new_files.get(&(part, file));
    let changed = new.unreadable.iter().filter(|((part, file), _)| is_changed((part, file)));
    let one = |((part, file), why): (&(String, String), &String)| Unread {
        file: quoted(&format!("{part}{file}")),
        line: None,
        why: quoted(why),
    };
    changed.map(one).collect()
}
