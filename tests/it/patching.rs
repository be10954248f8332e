//! `plan --lock-patch`: what `lock` would write, as a patch that Git takes, and nothing of it in the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::keyserver::{Answer, KeyServer};
use crate::sides::{PUBLISH, Sides};
use crate::support::pgp::Key;
use crate::support::tools::Tool;

const URL: &str = "https://keys.example/ring.gpg";

/// Every file of the workspace but Git's and the registries'.
fn files(sides: &Sides) -> BTreeMap<String, Vec<u8>> {
    fn add(folder: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{name}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    add(&sides.workspace.path(""), "", &mut files);
    files.retain(|name, _| ![".git/", "upstream/", "published/"].iter().any(|folder| name.starts_with(folder)));
    files
}

/// The plan leaves the workspace alone, and its patch makes of it what `lock` makes.
#[track_caller]
fn is_what_lock_writes(sides: &Sides, exit: i32, says: &[&str]) {
    let patch = sides.workspace.path("../lock.patch");
    let before = files(sides);
    let ran = sides.workspace.run("plan --lock-patch ../lock.patch --out ../plan.json").exits(exit);
    for word in says {
        assert!(ran.said().contains(word), "no {word:?} in {ran}");
    }
    assert_eq!(files(sides), before);
    sides.workspace.git("apply --check ../lock.patch");
    sides.workspace.git("apply --index ../lock.patch");
    let applied = files(sides);
    sides.workspace.git("checkout --quiet --force HEAD");
    for file in applied.keys().filter(|file| !before.contains_key(*file)) {
        let _ = fs::remove_file(sides.workspace.path(file));
    }
    for (file, bytes) in &before {
        sides.workspace.write(file, bytes);
    }
    sides.workspace.run("lock");
    assert_eq!(applied, files(sides), "{}", String::from_utf8_lossy(&fs::read(patch).unwrap()));
    // Now there is nothing to lock, and no patch.
    sides.workspace.run("plan --lock-patch ../lock.patch").exits(exit - 3);
}

/// Pinned and committed, `web` 1.0.0.
fn committed(sides: &Sides) {
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    sides.workspace.commit();
}

#[test]
fn new_versions_and_dropped_ones() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    for version in ["1.2.0", "2.0.0"] {
        sides.upstream("web", version, "");
    }
    sides.mirror("web", &["1.1.0", "1.2.0", "2.0.0"]);
    committed(&sides);
    let says = [
        "lock.patch",
        "2 pins, 1 pin that is dropped",
        "its pin is in lock.patch",
        "next: `git apply ../lock.patch` in the repository's root",
    ];
    is_what_lock_writes(&sides, 3, &says);
    assert!(!sides.workspace.path("../lock.patch").exists());
}

#[test]
fn the_first_lockfile_and_one_that_is_not_in_its_own_form() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    committed(&sides);
    fs::remove_file(sides.workspace.path("mirrors.lock")).unwrap();
    sides.workspace.git("add .");
    sides.workspace.git("commit --quiet --message none");
    is_what_lock_writes(&sides, 3, &["1 pin"]);
    let windows = sides.lockfile().replace('\n', "\r\n").replace("version = 1\r\n", "# mine\r\nversion = 1\r\n");
    sides.workspace.write("mirrors.lock", windows);
    sides.upstream("web", "1.1.0", "");
    sides.mirror("web", &["1.0.0", "1.1.0"]);
    sides.workspace.git("add .");
    sides.workspace.git("commit --quiet --message windows");
    is_what_lock_writes(&sides, 3, &["1 pin"]);
}

/// A keyring is bytes, not text, and comes along.
#[test]
fn a_keyring_that_lock_would_fetch() {
    needs!(Tool::Git);
    let (mut sides, server) = (Sides::new(), KeyServer::start());
    server.serve(&mut sides.workspace);
    let mut ring = sides.key.public();
    server.put("ring.gpg", Answer::Bytes(ring.clone()));
    sides.upstream("web", "1.0.0", "");
    sides.mirror_trusting("web", &["1.0.0"], &format!("  keyring: {URL}\n"));
    committed(&sides);
    is_what_lock_writes(&sides, 3, &["1 pin, 1 keyring"]);
    // What Git takes for text comes as text.
    ring = armored(&sides.key);
    server.put("armored.gpg", Answer::Bytes(ring));
    sides.upstream("api", "1.0.0", "");
    sides.mirror_trusting("api", &["1.0.0"], "  keyring: https://keys.example/armored.gpg\n");
    sides.workspace.git("add .");
    sides.workspace.git("commit --quiet --message more");
    is_what_lock_writes(&sides, 3, &["1 pin, 1 keyring"]);
}

fn armored(key: &Key) -> Vec<u8> {
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.public());
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let text = lines.join("\n");
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n").into_bytes()
}

/// What cannot be locked is named with its reason; the rest is in the patch.
#[test]
fn what_cannot_be_locked_is_named() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    let stranger = Key::new("Stranger <stranger@example.org>");
    sides.upstream_by("web", "1.1.0", "", Some(&stranger));
    let bare = sides.upstream_by("bare", "1.0.0", "", None);
    sides.upstream("web", "1.2.0", "");
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    sides.mirror("bare", &["1.0.0"]);
    committed(&sides);
    let ran = sides.workspace.run("plan --lock-patch ../lock.patch --out ../plan.json").exits(3);
    let ran = ran.says("not in it: 2 versions, for the reasons above").says(&stranger.fingerprint());
    ran.says("finding = \"unsigned\"").says(&bare.digest()).says("its pin is in lock.patch");
    let plan: Value = serde_json::from_str(&sides.workspace.read("../plan.json")).unwrap();
    let expect = serde_json::json!({
        "file": "lock.patch", "pins": 1, "dropped": 0, "keyrings": 0,
        "unlocked": [format!("{PUBLISH}/bare:1.0.0"), format!("{PUBLISH}/web:1.1.0")],
    });
    assert_eq!(plan["lock-patch"], expect);
    let comment = sides.workspace.run("render ../plan.json").ok();
    comment.says("would write is in `lock.patch`").says("`git apply lock.patch`").says("Not in it: 2 versions");
    sides.workspace.git("apply ../lock.patch");
    assert!(sides.lockfile().contains("1.2.0") && !sides.lockfile().contains("1.1.0"), "{}", sides.lockfile());
}

/// Whatever this machine and this repository say about differences, the patch is the same.
#[test]
fn no_setting_of_git_has_a_say() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    sides.upstream("web", "1.1.0", "");
    sides.mirror("web", &["1.0.0", "1.1.0"]);
    committed(&sides);
    let patch = || {
        sides.workspace.run("plan --lock-patch ../lock.patch").exits(3);
        sides.workspace.read("../lock.patch")
    };
    let before = patch();
    assert!(before.starts_with("diff --git a/mirrors.lock b/mirrors.lock\n"), "{before}");
    let settings = "[diff]\n\tmnemonicPrefix = true\n\tcontext = 0\n\texternal = false\n\talgorithm = patience\n\
                    [color]\n\tui = always\n[core]\n\tattributesFile = ~/attributes\n\tabbrev = 4\n";
    sides.workspace.write("../home/.gitconfig", settings);
    sides.workspace.write("../home/attributes", "* -diff\n");
    sides.workspace.write("../home/.config/git/attributes", "* -diff\n");
    for (name, value) in [("diff.noprefix", "false"), ("diff.context", "9"), ("core.attributesFile", "/dev/null")] {
        sides.workspace.git(&format!("config {name} {value}"));
    }
    assert_eq!(patch(), before);
}

#[test]
fn a_patch_needs_registries_and_is_made_for_what_was_selected() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    sides.workspace.run("plan --offline --lock-patch ../lock.patch").exits(1).says("cannot be used with");
    for chart in ["api", "web"] {
        sides.upstream(chart, "1.1.0", "");
        sides.mirror(chart, &["1.1.0"]);
    }
    committed(&sides);
    sides.workspace.run("plan --chart api --lock-patch ../lock.patch").exits(3).says("1 pin\n");
    let patch = sides.workspace.read("../lock.patch");
    let removes = patch.lines().any(|line| line.starts_with('-') && !line.starts_with("--- "));
    assert!(patch.contains("+name = \"api\"") && !removes, "{patch}");
}

/// A name that was mistyped costs no file.
#[test]
fn a_file_that_is_no_patch_is_left_alone() {
    let sides = Sides::pinned(&["1.0.0"]);
    for stale in [false, true] {
        if stale {
            sides.upstream("web", "1.1.0", "");
            sides.mirror("web", &["1.0.0", "1.1.0"]);
        }
        for file in ["mirrors.lock", "chartsync.toml"] {
            let before = sides.workspace.read(file);
            sides.workspace.run(&format!("plan --lock-patch {file}")).exits(1).says("is no patch: name another file");
            assert_eq!(sides.workspace.read(file), before);
        }
    }
}

/// A workspace that is a folder of a repository: the patch and GitHub's annotations name files from the repository's root.
#[test]
fn a_workspace_below_the_repositorys_root() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    sides.upstream("web", "1.1.0", "");
    let folder = "deploy/our charts";
    let below = sides.workspace.path(folder);
    let kept = sides.workspace.path("../below");
    crate::sides::copy_folder(&sides.workspace.path(""), &kept);
    fs::remove_dir_all(sides.workspace.path("")).unwrap();
    crate::sides::copy_folder(&kept, &below);
    sides.workspace.write(".gitignore", "upstream\npublished\n");
    let manifest = format!("{folder}/mirrors/web.yaml");
    sides.workspace.write(&manifest, sides.workspace.read(&manifest).replace("  - 1.0.0\n", "  - 1.0.0\n  - 1.1.0\n"));
    sides.workspace.commit();
    let below_run = |words: &[&str]| {
        let mut command = sides.workspace.command();
        crate::support::process::run(command.current_dir(&below).args(words))
    };
    let (patch, plan) = (sides.workspace.path("../lock.patch"), sides.workspace.path("../plan.json"));
    below_run(&["plan", "--lock-patch", patch.to_str().unwrap(), "--out", plan.to_str().unwrap()]).exits(3);
    // The command finds the patch from where it is to be run, wherever the plan was made.
    let whole = patch.canonicalize().unwrap();
    let told = below_run(&["plan", "--lock-patch", "../../../lock.patch"]).exits(3);
    told.says(&format!("next: `git apply {}` in the repository's root", whole.display()));
    let json: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    assert_eq!((&json["folder"], &json["safe-to-merge"]), (&folder.into(), &"no".into()));
    let annotations = below_run(&["render", plan.to_str().unwrap(), "--format", "annotations"]).ok();
    annotations.says(&format!("::error file={folder}/mirrors/web.yaml,line=8,"));
    // In the repository's root and in the workspace it is the same patch.
    let lockfile = format!("{folder}/mirrors.lock");
    let before = sides.workspace.read(&lockfile);
    for at in [sides.workspace.path(""), below.clone()] {
        let mut git = crate::support::process::hermetic(Tool::Git.path(), Path::new("/nonexistent"));
        crate::support::process::run(git.current_dir(at).arg("apply").arg(&patch)).ok();
        let after = sides.workspace.read(&lockfile);
        assert!(after.contains("version = \"1.1.0\"") && after != before, "{after}");
        sides.workspace.git("checkout --quiet --force HEAD");
    }
    below_run(&["lock"]).ok();
    let locked = sides.workspace.read(&lockfile);
    sides.workspace.git("checkout --quiet --force HEAD");
    sides.workspace.git("apply ../lock.patch");
    assert_eq!(sides.workspace.read(&lockfile), locked);
}
