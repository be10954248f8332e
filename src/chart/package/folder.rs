//! The files of a chart's folder: which of them belong to the chart.
//!
//! Owns links and `.helmignore`. Helm follows links wherever they lead, and so packs what is not in Git, or on another
//! machine not at all: here they are followed within the folder only. Knows nothing of what the files say.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::archive::{ArchiveError, ENTRY_LIMIT, FILE_LIMIT, TOTAL_LIMIT};
use super::super::ignore::{self, Ignore};
use super::super::quoted;
use super::PackageError;
use super::arrange::without_mark;

/// The most bytes a path may have, as in an archive.
const PATH_LIMIT: usize = 4096;
/// The most links that one path may lead through, as in Linux.
const HOP_LIMIT: usize = 40;

/// The most bytes of all paths' beginnings together: some 300,000 files of 200 bytes in 10 folders each.
const WORK_LIMIT: usize = 600 << 20;

/// A chart's folder as its walker found it, nothing followed and nothing left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// All entries but folders, in any order.
    pub entries: Vec<Entry>,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the folder, parts divided by `/`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A plain file's bytes. Of a file over 5 MiB the first 5 MiB and one byte are enough.
    File(Vec<u8>),
    /// A symbolic link and where it points, as written.
    Link(String),
    /// Anything else, as the rest of a sentence: "is a socket", "has a name that is not UTF-8".
    Other(&'static str),
}

impl Folder {
    /// The files of the chart, by path, as Helm's walk would find them.
    pub(super) fn pick(self) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
        let tree = Tree::of(self)?;
        let ignore = tree.ignore()?;
        Walk { tree: &tree, ignore, linked: 0, total: 0, files: BTreeMap::new() }.run()
    }
}

/// Entries by path, and the names in each folder.
struct Tree {
    entries: BTreeMap<String, Kind>,
    folders: BTreeMap<String, BTreeSet<String>>,
}

/// What a path is once every link on its way is followed.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    File(String),
    Folder(String),
    Special(&'static str),
}

impl Tree {
    fn of(folder: Folder) -> Result<Self, PackageError> {
        let mut tree = Self { entries: BTreeMap::new(), folders: BTreeMap::from([(String::new(), BTreeSet::new())]) };
        let mut work = 0;
        for Entry { path, kind } in folder.entries {
            let refuse = |why| Err(PackageError::Path { path: quoted(&path), why });
            if path.len() > PATH_LIMIT {
                return refuse("is longer than 4096 bytes");
            }
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return refuse("is not a path below the chart's folder");
            }
            work += path.len() * path.matches('/').count();
            if work > WORK_LIMIT {
                return refuse("is one too many: the folder is deeper and wider than any chart");
            }
            let mut parent = "";
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                let name = path[parent.len()..end].trim_start_matches('/');
                tree.folders.entry(parent.to_owned()).or_default().insert(name.to_owned());
                parent = &path[..end];
            }
            if tree.entries.contains_key(&path) {
                return refuse("stands there twice");
            }
            tree.entries.insert(path, kind);
        }
        match tree.entries.keys().find(|path| tree.folders.contains_key(*path)) {
            Some(path) => Err(PackageError::Path { path: quoted(path), why: "is a file and a folder" }),
            None => Ok(tree),
        }
    }

    fn ignore(&self) -> Result<Ignore, PackageError> {
        let special = |what| PackageError::Special { path: ignore::FILE.to_owned(), what };
        if self.folders.contains_key(ignore::FILE) {
            return Err(special("is a folder"));
        }
        let path = match self.entries.get(ignore::FILE) {
            None => return Ok(Ignore::default()),
            Some(Kind::File(_)) => ignore::FILE.to_owned(),
            Some(Kind::Other(what)) => return Err(special(what)),
            Some(Kind::Link(target)) => match self.follow(ignore::FILE, target)? {
                Target::File(path) => path,
                Target::Folder(_) => return Err(special("is a link to a folder")),
                Target::Special(what) => return Err(special(what)),
            },
        };
        match self.entries.get(&path) {
            Some(Kind::File(bytes)) => Ok(Ignore::parse(bytes)?),
            _ => Ok(Ignore::default()),
        }
    }

    /// Follows the link at `path` within the folder.
    fn follow(&self, path: &str, target: &str) -> Result<Target, PackageError> {
        let refuse = |why| Err(PackageError::Link { path: quoted(path), target: quoted(target), why });
        let mut at = path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        // What is left to go, in reverse.
        let mut ahead: Vec<&str> = target.rsplit('/').collect();
        if target.starts_with('/') {
            return refuse("is absolute");
        }
        let mut hops = 1;
        while let Some(name) = ahead.pop() {
            match name {
                "" | "." => continue,
                ".." if at.is_empty() => return refuse("leaves the chart"),
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&at, name);
            let more = ahead.iter().any(|name| !matches!(*name, "" | "."));
            match self.entries.get(&next) {
                None if self.folders.contains_key(&next) => at = next,
                Some(Kind::Link(target)) => {
                    hops += 1;
                    if hops > HOP_LIMIT {
                        return refuse("leads in a circle");
                    }
                    if target.starts_with('/') {
                        return refuse("leads on to an absolute path");
                    }
                    ahead.extend(target.rsplit('/'));
                }
                Some(Kind::File(_)) if !more => return Ok(Target::File(next)),
                Some(Kind::Other(what)) if !more => return Ok(Target::Special(what)),
                _ => return refuse("is not there"),
            }
        }
        Ok(Target::Folder(at))
    }
}

/// A walk over the tree with links followed. Of each folder, the walk knows where it shows and where it really is.
struct Walk<'a> {
    tree: &'a Tree,
    ignore: Ignore,
    /// How many entries were seen behind links.
    linked: usize,
    total: u64,
    files: BTreeMap<String, Vec<u8>>,
}

/// A folder still to be read.
struct Visit {
    shown: String,
    real: String,
    /// The folders that links on the way here led to; the top folder is the first.
    via: Rc<Vec<String>>,
}

impl Visit {
    /// A folder in this one, perhaps through a link.
    fn below(&self, shown: String, real: String, link: Option<&str>) -> Result<Self, PackageError> {
        let Some(link) = link else { return Ok(Self { shown, real, via: Rc::clone(&self.via) }) };
        if self.via.contains(&real) {
            let why = "holds the link itself";
            return Err(PackageError::Link { path: quoted(&shown), target: quoted(link), why });
        }
        let via = self.via.iter().chain([&real]).cloned().collect();
        Ok(Self { shown, real, via: Rc::new(via) })
    }
}

impl Walk<'_> {
    fn run(mut self) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
        let top = Visit { shown: String::new(), real: String::new(), via: Rc::new(vec![String::new()]) };
        let mut ahead = vec![top];
        while let Some(visit) = ahead.pop() {
            for name in self.tree.folders.get(&visit.real).into_iter().flatten() {
                self.enter(&visit, name, &mut ahead)?;
            }
        }
        Ok(self.files)
    }

    fn enter(&mut self, visit: &Visit, name: &str, ahead: &mut Vec<Visit>) -> Result<(), PackageError> {
        let (shown, real) = (join(&visit.shown, name), join(&visit.real, name));
        // Links let a small folder show a huge tree.
        if visit.via.len() > 1 {
            self.linked += 1;
        }
        if self.linked > ENTRY_LIMIT {
            return Err(archive(ArchiveError::TooManyEntries));
        }
        if shown.len() > PATH_LIMIT {
            return Err(PackageError::Path { path: quoted(&shown), why: "is longer than 4096 bytes" });
        }
        let mut link = None;
        let target = match self.tree.entries.get(&real) {
            None => Target::Folder(real),
            Some(Kind::File(_)) => Target::File(real),
            Some(Kind::Other(what)) => Target::Special(what),
            // What is left out whatever it leads to may lead anywhere.
            Some(Kind::Link(_)) if self.ignore.skips_file(&shown) && self.ignore.skips_folder(&shown) => return Ok(()),
            Some(Kind::Link(target)) => {
                link = Some(target.as_str());
                self.tree.follow(&real, target)?
            }
        };
        match target {
            Target::Folder(real) if !self.ignore.skips_folder(&shown) => ahead.push(visit.below(shown, real, link)?),
            Target::File(real) if !self.ignore.skips_file(&shown) => self.take(shown, &real)?,
            Target::Special(what) if !self.ignore.skips_file(&shown) => {
                return Err(PackageError::Special { path: quoted(&shown), what });
            }
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, shown: String, real: &str) -> Result<(), PackageError> {
        let Some(Kind::File(bytes)) = self.tree.entries.get(real) else { return Ok(()) };
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(PackageError::FileTooLarge { path: quoted(&shown) });
        }
        self.total += bytes.len() as u64;
        if self.total >= TOTAL_LIMIT {
            return Err(archive(ArchiveError::TooLarge));
        }
        self.files.insert(shown, without_mark(bytes).to_vec());
        Ok(())
    }
}

fn archive(error: ArchiveError) -> PackageError {
    PackageError::Chart(error.into())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
