//! The files of a workspace, and the names in them.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::chart::{Range, Version};
use crate::diagnostic::Problems;
use crate::lock::{Lockfile, Pin, Signer};
use crate::oci::{Digest, Reference, Repository, Tag};
use crate::provenance::Fingerprint;
use crate::settings::SETTINGS_FILE;
use crate::settings::{RootPath, Settings};
use crate::workspace::{Edit, Editable, LOCK_FILE, Tree, Workspace};

const MANIFEST: &str = "mirrors/a.yaml";

/// What is wrong has a code, fits a line or two, and stands somewhere in the file.
fn are_told(problems: &Problems, file: &str, text: &[u8]) {
    assert!(!problems.is_empty());
    // Some readers take a lone carriage return for a line break.
    let lines = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for problem in problems.iter() {
        assert!(!problem.message.is_empty() && problem.message.chars().count() < 2_000, "{problem}");
        let Some(location) = problem.location.as_ref().filter(|location| location.file == file) else { continue };
        if let Some((line, column)) = location.position {
            assert!((1..=lines).contains(&(line as usize)) && column >= 1, "{problem} of {lines} lines");
        }
    }
}

/// A workspace with a manifest that is to be replaced.
static WORKSPACE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().unwrap();
    let settings = "[publish]\nrepository = \"registry.example/mirror\"\n\n[signing]\nmethod = \"none\"\n";
    std::fs::write(root.path().join(SETTINGS_FILE), settings).unwrap();
    std::fs::create_dir_all(root.path().join("mirrors")).unwrap();
    std::fs::write(root.path().join(MANIFEST), "").unwrap();
    root
});

/// A manifest is read or each of its problems has its place; a version that is added changes nothing besides.
pub(super) fn manifest(bytes: &[u8]) {
    let edits = BTreeMap::from([(MANIFEST.to_owned(), bytes.to_vec())]);
    let tree = Tree::Edited(WORKSPACE.path().to_owned(), edits);
    let workspace = match Workspace::read(&tree) {
        Ok(workspace) => workspace,
        Err(problems) => return are_told(&problems, MANIFEST, bytes),
    };
    let [mirror] = &workspace.mirrors[..] else { panic!("{} mirrors of one manifest", workspace.mirrors.len()) };
    assert!(!mirror.versions.is_empty() && mirror.destination.as_str().starts_with("registry.example/mirror/"));
    assert!(mirror.trust.keyring.is_some() || !mirror.trust.required);
    adding(&workspace, bytes);
}

fn adding(workspace: &Workspace, bytes: &[u8]) {
    let before = &workspace.mirrors[0];
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let destination = before.destination.to_string();
    let mut edited = Editable { file: MANIFEST.to_owned(), destination, text };
    let new: Version = "7.6.5-fuzz".parse().unwrap();
    let Ok(Edit::Added { .. }) = edited.add(&new) else { return };
    let edits = BTreeMap::from([(MANIFEST.to_owned(), edited.text.into_bytes())]);
    let after = Workspace::read(&Tree::Edited(WORKSPACE.path().to_owned(), edits)).unwrap();
    let versions = |workspace: &Workspace| -> Vec<Version> {
        workspace.mirrors[0].versions.iter().map(|declared| declared.version.clone()).collect()
    };
    let mut found = versions(&after);
    let at = found.iter().position(|version| *version == new).unwrap();
    found.remove(at);
    assert_eq!(found, versions(workspace));
    let after = &after.mirrors[0];
    assert_eq!((&after.source, &after.destination), (&before.source, &before.destination));
    assert_eq!((&after.trust.keyring, after.trust.required), (&before.trust.keyring, before.trust.required));
    assert_eq!(after.trust.fingerprints, before.trust.fingerprints);
}

/// Settings are read or each of their problems has its place.
pub(super) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Settings::parse(text, SETTINGS_FILE) {
        Err(problems) => are_told(&problems, SETTINGS_FILE, bytes),
        Ok(settings) => {
            for registry in settings.registries.values() {
                if let crate::settings::Access::Layout(folder) = &registry.access {
                    assert!(folder.below(Path::new("workspace")).starts_with("workspace"));
                }
            }
        }
    }
}

/// What is written is what was read, and a file without conflict markers is read alike by both readers.
pub(super) fn lockfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let united = Lockfile::parse_conflicted(text, LOCK_FILE);
    match Lockfile::parse(text, LOCK_FILE) {
        Ok(lockfile) => {
            assert_eq!(united.as_ref(), Ok(&lockfile));
            same_again(&lockfile);
        }
        Err(problems) => are_told(&problems, LOCK_FILE, bytes),
    }
    match united {
        Ok(lockfile) => same_again(&lockfile),
        Err(problems) => are_told(&problems, LOCK_FILE, bytes),
    }
}

fn same_again(lockfile: &Lockfile) {
    let written = lockfile.render();
    assert!(written.chars().all(|char| char == '\n' || (' '..='~').contains(&char)), "{written:?}");
    let again = Lockfile::parse(&written, LOCK_FILE).unwrap();
    assert_eq!(again.render(), written);
    let without_lines = |lockfile: &Lockfile| -> Vec<_> {
        lockfile.pins().iter().map(|pin| Pin { line: 0, ..Pin::clone(pin) }).collect()
    };
    assert_eq!(without_lines(&again), without_lines(lockfile));
}

/// What is read is written as it was read, or at least read again as the same.
pub(super) fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    again::<Digest>(text);
    again::<Repository>(text);
    again::<Tag>(text);
    again::<Reference>(text);
    again::<Version>(text);
    again::<Fingerprint>(text);
    again::<Signer>(text);
    if let Ok(path) = text.parse::<RootPath>() {
        assert!(
            path.below(Path::new("workspace")).starts_with("workspace") && text.split('/').all(|part| part != "..")
        );
    }
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.as_str(), text);
        assert!(version.names_same(text) && version.cmp(&version).is_eq());
        let tag: Tag = text.replace('+', "_").parse().unwrap();
        assert!(Version::of_tag(&tag).unwrap().names_same(text));
    }
    let [range, version] = super::parts(bytes);
    let (Ok(range), Ok(version)) = (std::str::from_utf8(range), std::str::from_utf8(version)) else { return };
    if let (Ok(range), Ok(version)) = (range.parse::<Range>(), version.parse::<Version>()) {
        let _ = range.contains(&version);
    }
}

fn again<T: FromStr + Display + Debug + PartialEq>(text: &str)
where
    T::Err: Debug + Display,
{
    match text.parse::<T>() {
        Ok(parsed) => {
            let written = parsed.to_string();
            assert!(!written.contains(|char: char| char.is_control() || char == ' '), "{written:?}");
            assert_eq!(written.parse::<T>().unwrap(), parsed);
        }
        Err(error) => assert!(error.to_string().chars().count() < 2_000, "{error}"),
    }
}
