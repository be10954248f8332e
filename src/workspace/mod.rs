//! The workspace: settings, manifests, keyrings and the lockfile's text, from a folder or from a Git revision.
//!
//! Owns the layout of the folder, what a manifest means and what all of them must agree on. Knows no registry, and of the
//! lockfile only where it lies.

mod charts;
mod checks;
mod edit;
mod git;
mod inputs;
mod keyrings;
mod manifest;
mod schema;
mod tree;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use charts::{Dependency, FirstParty};
pub use edit::{Edit, EditError, Editable, editable};
pub use git::{Revision, folder_in_repository, patch};
pub use keyrings::{Keyrings, keyring_file};
pub use manifest::{DeclaredVersion, KeyringSource, Mirror, Trust};
pub use schema::MIRROR_SCHEMA;
pub use tree::{Entry, EntryKind, Found, Limits, READ_LIMIT, Tree, TreeError};

use crate::diagnostic::{Location, Problem, Problems, code};
use crate::document::{self, FILE_LIMIT};
use crate::oci::Digest;
use crate::settings::{SETTINGS_FILE, Settings};

/// The folder of manifests.
pub const MIRRORS: &str = "mirrors";
/// The file in that folder which manifests are copied from: hidden, so that it is none itself.
pub const TEMPLATE: &str = ".template.yaml";
/// The folder of keyrings that `lock` fetched.
pub const KEYRINGS: &str = "keyrings";
/// The folder of first-party charts.
pub const CHARTS: &str = "charts";
/// The lockfile.
pub const LOCK_FILE: &str = "mirrors.lock";

/// Everything that a workspace says, checked as far as that needs no network.
#[derive(Debug)]
pub struct Workspace {
    /// `chartsync.toml`.
    pub settings: Settings,
    /// The manifests, sorted by file.
    pub mirrors: Vec<Mirror>,
    /// The first-party charts, sorted by name.
    pub charts: Vec<FirstParty>,
    /// What is wrong in `charts/`. What is about mirrors alone may go on, for no mirror depends on a chart; nothing else may.
    pub chart_problems: Problems,
    /// The names of the folders in `charts/`, of wrong ones as well.
    pub chart_folders: Vec<String>,
    /// The text of `mirrors.lock`, where there is one: the `lock` module reads it.
    pub lockfile: Option<String>,
    /// All keyrings.
    pub keyrings: Keyrings,
    /// The files that `[signing]` names, with the digests of their bytes.
    pub signing_files: BTreeMap<String, Digest>,
}

impl Workspace {
    /// Reads the workspace; all problems of all its files come in one run, be it as the error or beside the workspace.
    pub fn read(tree: &Tree) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let settings = match read_file(tree, SETTINGS_FILE, &mut problems, FILE_LIMIT) {
            Some(text) => Settings::parse(&text, SETTINGS_FILE).map_err(|wrong| problems.extend(wrong)).ok(),
            None if problems.is_empty() => {
                problems.push(no_settings());
                None
            }
            None => None,
        };
        let mut of_charts = Problems::default();
        let mut rest = Rest::read(tree, &mut problems, &mut of_charts);
        checks::check(settings.as_ref(), &rest.mirrors, &rest.folders, rest.strays, &mut problems);
        let wrong =
            || Problem { location: None, code: code!("defect"), message: "no settings".into(), help: String::new() };
        let signing_files =
            settings.as_ref().map(|settings| signing_files(tree, settings, Absent::Told, &mut problems));
        let drafts = std::mem::take(&mut rest.drafts);
        let charts = settings.as_ref().map(|settings| charts::place(drafts, &rest.mirrors, settings, &mut of_charts));
        if !problems.is_empty() {
            problems.extend(of_charts);
            return problems.into_result(()).and_then(|()| Err(wrong().into()));
        }
        let settings = settings.ok_or_else(wrong)?;
        Ok(rest.with(settings, charts.unwrap_or_default(), of_charts, signing_files.unwrap_or_default()))
    }

    /// Reads the workspace that changes are compared with: `None` where there was none yet, and it may declare nothing.
    pub fn read_base(tree: &Tree) -> Result<Option<Self>, Problems> {
        let mut problems = Problems::default();
        let text = read_file(tree, SETTINGS_FILE, &mut problems, FILE_LIMIT);
        problems.into_result(())?;
        let Some(text) = text else { return Ok(None) };
        let mut problems = Problems::default();
        let settings = Settings::parse(&text, SETTINGS_FILE).map_err(|wrong| problems.extend(wrong)).ok();
        let mut rest = Rest::read(tree, &mut problems, &mut Problems::default());
        checks::compare(settings.as_ref(), &rest.mirrors, &[], &mut problems);
        let signing_files =
            settings.as_ref().map(|settings| signing_files(tree, settings, Absent::Empty, &mut problems));
        problems.into_result(())?;
        Ok(settings.map(|settings| {
            let drafts = std::mem::take(&mut rest.drafts);
            // They decide nothing about trust: a chart that could not be packaged is told apart from nothing.
            let charts = charts::place(drafts, &rest.mirrors, &settings, &mut Problems::default());
            rest.with(settings, charts, Problems::default(), signing_files.unwrap_or_default())
        }))
    }

    /// The bytes of a keyring: one that a manifest names by path, or a committed one.
    #[must_use]
    pub fn keyring(&self, digest: &Digest) -> Option<&[u8]> {
        self.keyrings.bytes(digest)
    }
}

/// What a workspace has besides its settings.
struct Rest {
    mirrors: Vec<Mirror>,
    drafts: Vec<charts::Draft>,
    /// The names in `charts/`, of what is broken, too.
    folders: Vec<String>,
    lockfile: Option<String>,
    keyrings: Keyrings,
    strays: bool,
}

impl Rest {
    fn read(tree: &Tree, problems: &mut Problems, of_charts: &mut Problems) -> Self {
        let (files, strays) = manifest_files(tree, problems);
        let texts = tree.read_all(&files);
        let read: Vec<_> = files
            .par_iter()
            .zip(texts)
            .map(|(file, bytes)| match bytes {
                Ok(Some(bytes)) => manifest::read(&bytes, file),
                Ok(None) => (None, Problems::default()),
                Err(error) => (None, unreadable(file, &error).into()),
            })
            .collect();
        let mut drafts = Vec::with_capacity(read.len());
        // A broken manifest is a manifest: the workspace is not empty because of it.
        let mut broken = false;
        for (draft, wrong) in read {
            broken |= draft.is_none();
            drafts.extend(draft);
            problems.extend(wrong);
        }
        let (keyrings, mirrors) = keyrings::read(tree, drafts, problems);
        let (drafts, folders) = charts::read(tree, problems, of_charts);
        let lockfile = read_file(tree, LOCK_FILE, problems, usize::try_from(READ_LIMIT).unwrap_or(usize::MAX));
        Self { mirrors, drafts, folders, lockfile, keyrings, strays: strays || broken }
    }

    fn with(
        self,
        settings: Settings,
        charts: Vec<FirstParty>,
        chart_problems: Problems,
        signing_files: BTreeMap<String, Digest>,
    ) -> Workspace {
        let Self { mirrors, drafts: _, folders, lockfile, keyrings, strays: _ } = self;
        Workspace {
            settings,
            mirrors,
            charts,
            chart_problems,
            chart_folders: folders,
            lockfile,
            keyrings,
            signing_files,
        }
    }
}

/// What a file that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Told,
    Empty,
}

/// The digests of the files that `[signing]` names.
fn signing_files(
    tree: &Tree,
    settings: &Settings,
    absent: Absent,
    problems: &mut Problems,
) -> BTreeMap<String, Digest> {
    let mut files = BTreeMap::new();
    for file in settings.signing.files() {
        match tree.read(file.as_str()) {
            Ok(Some(bytes)) => drop(files.insert(file.to_string(), Digest::of(&bytes))),
            Ok(None) if absent == Absent::Empty => {}
            Ok(None) => problems.push(Problem {
                location: Some(settings.signing_location.clone()),
                code: code!("signing-file"),
                message: format!("`[signing]` names `{file}`, which is not there"),
                help: "commit the file, or correct the path; it stands from the workspace's root".to_owned(),
            }),
            Err(error) => problems.push(unreadable(file.as_str(), &error)),
        }
    }
    files
}

/// The workspace's root: the nearest folder, from `from` upwards, that has a `chartsync.toml`.
pub fn find_root(from: &Path) -> Result<PathBuf, Problem> {
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    match from.ancestors().find(|folder| folder.join(SETTINGS_FILE).is_file()) {
        Some(root) => Ok(root.to_owned()),
        None => Err(Problem {
            location: None,
            code: code!("no-workspace"),
            message: format!("there is no {SETTINGS_FILE} in `{}` or a folder above it", from.display()),
            help: "name the workspace with `--root DIR`, or make one with `chartsync init DIR`".to_owned(),
        }),
    }
}

fn no_settings() -> Problem {
    Problem {
        location: Some(Location::file(SETTINGS_FILE)),
        code: code!("no-settings"),
        message: format!("there is no {SETTINGS_FILE}"),
        help: "`chartsync init DIR` makes a workspace to start from".to_owned(),
    }
}

/// What could not be read, as a problem of that file.
fn unreadable(path: &str, error: &TreeError) -> Problem {
    let code = match error {
        TreeError::Link(_) => code!("link"),
        _ => code!("unreadable"),
    };
    Problem { location: Some(Location::file(path)), code, message: error.to_string(), help: String::new() }
}

fn read_file(tree: &Tree, path: &str, problems: &mut Problems, limit: usize) -> Option<String> {
    let bytes = match tree.read(path) {
        Ok(bytes) => bytes?,
        Err(error) => {
            problems.push(unreadable(path, &error));
            return None;
        }
    };
    match document::decode(&bytes, path, limit) {
        Ok(text) => Some(text.to_owned()),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// The manifests' paths, and whether anything else lies there.
fn manifest_files(tree: &Tree, problems: &mut Problems) -> (Vec<String>, bool) {
    let entries = tree.list(MIRRORS).unwrap_or_else(|error| {
        problems.push(unreadable(MIRRORS, &error));
        Vec::new()
    });
    let mut files = Vec::new();
    let mut strays = false;
    for Entry { name, kind } in entries {
        let path = format!("{MIRRORS}/{name}");
        if name.starts_with('.') {
            // With it the workspace is meant to be empty for now.
            strays |= name == TEMPLATE;
            continue;
        }
        let help = match (kind, name.rsplit_once('.')) {
            // Reading a link or a pipe tells what is wrong with it.
            (EntryKind::File | EntryKind::Link | EntryKind::Other, Some((_, "yaml"))) => {
                files.push(path);
                continue;
            }
            (EntryKind::Folder, _) => "manifests lie directly in mirrors/: move them up".to_owned(),
            (_, Some((stem, ending))) if ending.eq_ignore_ascii_case("yml") || ending.eq_ignore_ascii_case("yaml") => {
                format!("rename it to `{stem}.yaml`")
            }
            _ => "manifests end in `.yaml`: move everything else elsewhere".to_owned(),
        };
        strays = true;
        problems.push(Problem {
            location: Some(Location::file(path)),
            code: code!("stray-file"),
            message: "this is no manifest, so nothing reads it".to_owned(),
            help,
        });
    }
    (files, strays)
}

#[cfg(test)]
mod tests;
