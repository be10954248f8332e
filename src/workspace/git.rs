//! The files of a Git revision, byte for byte as they were committed.
//!
//! Only what runs nothing of the repository is called (`rev-parse`, `ls-tree`, `cat-file`, and `diff` of two folders outside of
//! it): no filter, hook, alias or file system monitor, no replaced objects, no fetch of missing ones. Git's variables are dropped from the environment, so
//! that a hook that calls chartsync does not redirect it. Knows no file of the workspace.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::tree::{Entry, EntryKind, Found, Limits, READ_LIMIT, TreeError};

/// The most bytes of a link's target that are read: as in Linux.
const LINK_LIMIT: u64 = 4096;

/// A commit, and the folder of the workspace in it.
#[derive(Debug)]
pub struct Revision {
    root: PathBuf,
    commit: String,
    files: BTreeMap<String, Object>,
}

/// What Git has under a path.
#[derive(Debug)]
struct Object {
    kind: EntryKind,
    id: String,
    size: u64,
}

impl Revision {
    /// Resolves `revision` and lists its files below `root`.
    pub(super) fn open(root: &Path, revision: &str) -> Result<Self, TreeError> {
        let prefix = prefix(root)?;
        let unknown = || TreeError::UnknownRevision(crate::document::quote(revision));
        if revision.is_empty() || revision.contains(['\n', '\0']) {
            return Err(unknown());
        }
        let wanted = format!("{revision}^{{commit}}");
        let commit = git(root, "rev-parse", &["--verify", "--quiet", "--end-of-options", &wanted])?;
        let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
        if commit.is_empty() {
            return Err(unknown());
        }
        let files = list_all(root, &commit, &prefix)?;
        Ok(Self { root: root.to_owned(), commit, files })
    }

    /// The commit's full id.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        self.read_all(&[path.to_owned()]).pop().unwrap_or(Ok(None))
    }

    /// The blobs of these paths, through one process.
    pub(super) fn read_all(&self, paths: &[String]) -> Vec<Result<Option<Vec<u8>>, TreeError>> {
        let found: Vec<_> = paths.iter().map(|path| self.find(path)).collect();
        let wanted: Vec<&Object> = found.iter().filter_map(|object| object.as_ref().ok().copied().flatten()).collect();
        match self.blobs(&wanted) {
            Ok(blobs) => {
                let mut blobs = blobs.into_iter();
                found.into_iter().map(|object| object.map(|object| object.and_then(|_| blobs.next()))).collect()
            }
            Err(error) => {
                let message = error.to_string();
                found.iter().map(|_| Err(TreeError::Git("cat-file", message.clone()))).collect()
            }
        }
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<Entry>, TreeError> {
        self.refuse_odd_parents(&format!("{folder}/x"))?;
        let begin = format!("{folder}/");
        let mut entries: Vec<Entry> = Vec::new();
        for (path, object) in self.files.range(begin.clone()..) {
            let Some(rest) = path.strip_prefix(&begin) else { break };
            let entry = match rest.split_once('/') {
                Some((name, _)) => Entry { name: name.to_owned(), kind: EntryKind::Folder },
                None => Entry { name: rest.to_owned(), kind: object.kind },
            };
            // A folder comes once for each file in it, one after the other.
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Everything below a folder, through one process.
    pub(super) fn walk(&self, folder: &str, limits: &Limits) -> Result<Vec<(String, Found)>, TreeError> {
        self.refuse_odd_parents(&format!("{folder}/x"))?;
        let begin = format!("{folder}/");
        let below =
            self.files.range(begin.clone()..).map_while(|(path, object)| Some((path.strip_prefix(&begin)?, object)));
        let below: Vec<_> = below.collect();
        let is_read = |object: &Object| match object.kind {
            EntryKind::File => object.size <= limits.file,
            EntryKind::Link => object.size <= LINK_LIMIT,
            _ => false,
        };
        let wanted: Vec<&Object> = below.iter().map(|(_, object)| *object).filter(|object| is_read(object)).collect();
        let sizes = below.iter().map(|(_, object)| object.size.min(limits.file)).sum();
        limits.check(folder, below.len(), sizes)?;
        let mut blobs = self.blobs(&wanted)?.into_iter();
        let found = |object: &Object| {
            let blob = if is_read(object) { blobs.next() } else { None };
            match (object.kind, blob) {
                (EntryKind::File, Some(bytes)) => Found::File(bytes),
                // Too long for any use: that it is says enough.
                (EntryKind::File, None) => Found::File(vec![0; usize::try_from(limits.file).unwrap_or(usize::MAX)]),
                (EntryKind::Link, blob) => match blob.map(String::from_utf8) {
                    Some(Ok(target)) => Found::Link(target),
                    _ => Found::Other("is a link to a name that is not UTF-8, or too long"),
                },
                _ => Found::Other("is a Git submodule"),
            }
        };
        let mut found = found;
        Ok(below.into_iter().map(|(path, object)| (path.to_owned(), found(object))).collect())
    }

    fn find(&self, path: &str) -> Result<Option<&Object>, TreeError> {
        self.refuse_odd_parents(path)?;
        let Some(object) = self.files.get(path) else {
            let below = format!("{path}/");
            let folder = self.files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below));
            return if folder { Err(TreeError::Kind(path.to_owned(), "file")) } else { Ok(None) };
        };
        match object.kind {
            EntryKind::File if object.size > READ_LIMIT => Err(TreeError::TooBig(path.to_owned())),
            EntryKind::File => Ok(Some(object)),
            EntryKind::Link => Err(TreeError::Link(path.to_owned())),
            EntryKind::Folder | EntryKind::Other => Err(TreeError::Kind(path.to_owned(), "file")),
        }
    }

    /// A link, or a submodule, on the way to `path`.
    fn refuse_odd_parents(&self, path: &str) -> Result<(), TreeError> {
        for (end, _) in path.match_indices('/') {
            match self.files.get(&path[..end]).map(|object| object.kind) {
                Some(EntryKind::Link) => return Err(TreeError::Link(path[..end].to_owned())),
                Some(EntryKind::Other) => return Err(TreeError::Kind(path[..end].to_owned(), "folder")),
                _ => {}
            }
        }
        Ok(())
    }

    fn blobs(&self, objects: &[&Object]) -> Result<Vec<Vec<u8>>, TreeError> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let io = |error: io::Error| TreeError::Git("cat-file", error.to_string());
        // A file, not a pipe: git may answer before it has read all questions.
        let mut questions = tempfile::tempfile().map_err(io)?;
        for object in objects {
            writeln!(questions, "{}", object.id).map_err(io)?;
        }
        questions.rewind().map_err(io)?;
        let output = run(command(&self.root, "cat-file").arg("--batch").stdin(questions), "cat-file")?;
        let mut rest = &output.stdout[..];
        objects.iter().map(|object| take_blob(&mut rest, object).ok_or_else(|| missing(object, &output))).collect()
    }
}

fn missing(object: &Object, output: &Output) -> TreeError {
    TreeError::Git("cat-file", format!("cannot read the object {}: {}", object.id, stderr(output)))
}

/// One answer of `cat-file --batch`: `<id> blob <size>`, the bytes, a line end.
fn take_blob(rest: &mut &[u8], object: &Object) -> Option<Vec<u8>> {
    let head = format!("{} blob {}\n", object.id, object.size);
    let body = rest.strip_prefix(head.as_bytes())?;
    let (blob, after) = body.split_at_checked(usize::try_from(object.size).ok()?)?;
    *rest = after.strip_prefix(b"\n")?;
    Some(blob.to_owned())
}

/// Every file of the commit below `prefix`, by its path from there.
fn list_all(root: &Path, commit: &str, prefix: &str) -> Result<BTreeMap<String, Object>, TreeError> {
    // From the repository's top, not from the folder that git is run in.
    let mut arguments = vec!["-r", "-z", "-l", "--full-tree", "--end-of-options", commit];
    if !prefix.is_empty() {
        arguments.push(prefix);
    }
    let output = git(root, "ls-tree", &arguments)?;
    if !output.status.success() {
        return Err(TreeError::Git("ls-tree", stderr(&output)));
    }
    let mut files = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // A name that is not UTF-8 is none that chartsync reads.
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let (path, object) =
            parse_entry(line).ok_or_else(|| TreeError::Git("ls-tree", crate::document::quote(line)))?;
        if let Some(path) = path.strip_prefix(prefix) {
            files.insert(path.to_owned(), object);
        }
    }
    Ok(files)
}

/// `<mode> <type> <id> <size>\t<path>`, the size padded with blanks.
fn parse_entry(line: &str) -> Option<(&str, Object)> {
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split_ascii_whitespace();
    let kind = match facts.next()? {
        "100644" | "100755" | "100664" => EntryKind::File,
        "120000" => EntryKind::Link,
        _ => EntryKind::Other,
    };
    let id = facts.nth(1)?.to_owned();
    // Submodules have `-` for a size.
    let size = facts.next()?.parse().unwrap_or_default();
    Some((path, Object { kind, id, size }))
}

/// The folder of a Git repository that `root` is, without a slash at its end: empty at the repository's root.
pub fn folder_in_repository(root: &Path) -> Result<String, TreeError> {
    Ok(prefix(root)?.trim_end_matches('/').to_owned())
}

/// The folder, with a slash at its end unless it is empty.
fn prefix(root: &Path) -> Result<String, TreeError> {
    let prefix = git(root, "rev-parse", &["--show-prefix"])?;
    if !prefix.status.success() {
        let message = stderr(&prefix);
        return Err(if message.contains("not a git repository") {
            TreeError::NoRepository(root.display().to_string())
        } else {
            TreeError::Git("rev-parse", message)
        });
    }
    let prefix = String::from_utf8(prefix.stdout).map_err(|_| TreeError::Name(root.display().to_string()))?;
    Ok(prefix.strip_suffix('\n').unwrap_or(&prefix).to_owned())
}

/// The patch that makes the files of folder `a` those of folder `b`, both below `folder`, as `git apply` takes it: text as a
/// unified diff, everything else as Git writes bytes. Empty where they are equal. No setting of this machine has a say in it.
pub fn patch(folder: &Path) -> Result<Vec<u8>, TreeError> {
    let plain =
        ["--no-index", "--no-prefix", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"];
    let mut command = command(folder, "diff");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
        .args(plain)
        // The folders' names are the prefixes.
        .args(["--no-renames", "--unified=3", "--diff-algorithm=histogram", "a", "b"])
        .stdin(Stdio::null());
    let output = run(&mut command, "diff")?;
    match output.status.code() {
        Some(0 | 1) => Ok(output.stdout),
        _ => Err(TreeError::Git("diff", stderr(&output))),
    }
}

fn git(root: &Path, verb: &'static str, arguments: &[&str]) -> Result<Output, TreeError> {
    run(command(root, verb).args(arguments).stdin(Stdio::null()), verb)
}

fn run(command: &mut Command, verb: &'static str) -> Result<Output, TreeError> {
    command.output().map_err(|error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let why = if missing { "git is not installed, or the folder is gone".to_owned() } else { error.to_string() };
        TreeError::Git(verb, why)
    })
}

fn command(root: &Path, verb: &str) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(["-c", "core.attributesFile=/dev/null"])
        .arg("-C")
        .arg(root)
        .arg(verb);
    command
}

fn stderr(output: &Output) -> String {
    crate::document::quote(String::from_utf8_lossy(&output.stderr).trim())
}
