//! A lockfile in the middle of a merge: `lock` unites it, everything else refuses it.

use std::path::Path;

use crate::sides::{Sides, blocks, field};
use crate::support::process::{Ran, hermetic, run};
use crate::support::tools::Tool;

const STYLES: [&str; 2] = ["merge", "diff3"];

/// What Git leaves of `base` when one side has added `ours` and the other `theirs` at the same place.
fn conflict(base: &str, ours: &str, theirs: &str, style: &str) -> String {
    let middle = if style == "diff3" { "||||||| 1234567\n" } else { "" };
    format!("{base}\n<<<<<<< HEAD\n{ours}{middle}=======\n{theirs}>>>>>>> other\n")
}

/// A pin of `web` 1.0.0, and two branches: one added `web` 1.1.0, the other 1.2.0. Upstream has moved since.
fn merged(style: &str) -> (Sides, Vec<String>) {
    let sides = Sides::pinned(&["1.0.0"]);
    let base = sides.lockfile();
    for version in ["1.1.0", "1.2.0"] {
        sides.upstream("web", version, "");
    }
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    sides.workspace.run("lock").ok();
    let all = blocks(&sides.lockfile());
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        sides.upstream("web", version, "released again");
    }
    sides.workspace.write("mirrors.lock", conflict(base.trim_end(), &all[1], &all[2], style));
    (sides, all)
}

#[test]
fn lock_unites_both_sides() {
    for style in STYLES {
        let (sides, all) = merged(style);
        sides.workspace.run("lock").ok();
        assert_eq!(blocks(&sides.lockfile()), all, "{style}");
        assert!(!sides.lockfile().contains("<<<<<<<"), "{style}");
        sides.workspace.run("validate").ok();
    }
}

#[test]
fn everything_else_refuses_it() {
    for style in STYLES {
        let (sides, _) = merged(style);
        let line = sides.lockfile().lines().position(|line| line.starts_with("<<<<<<<")).unwrap() + 1;
        for words in ["validate", "plan", "plan --offline", "apply", "verify", "graph", "why web"] {
            let ran = sides.leaves_lockfile(words).exits(1);
            ran.says("run `chartsync lock`").says(&format!("mirrors.lock:{line}"));
        }
        assert!(!sides.published_folder("web").exists());
    }
}

#[test]
fn one_pin_with_two_values_is_an_error_that_names_both() {
    for style in STYLES {
        let sides = Sides::pinned(&["1.0.0"]);
        let ours = blocks(&sides.lockfile()).remove(0);
        let other = sides.upstream("web", "1.0.0", "released again");
        let theirs = ours.replace(&field(&ours, "digest"), &other.digest());
        let head = sides.lockfile().split("\n[[chart]]").next().unwrap().to_owned();
        sides.workspace.write("mirrors.lock", conflict(&head, &ours, &theirs, style));
        let ran = sides.leaves_lockfile("lock").exits(1);
        ran.says(&field(&ours, "digest")).says(&other.digest()).says("web:1.0.0").says("mirrors.lock:");
    }
}

#[test]
fn markers_without_counterpart_are_refused() {
    let (sides, _) = merged("merge");
    let broken = sides.lockfile().replace("=======\n", "");
    sides.workspace.write("mirrors.lock", broken);
    sides.leaves_lockfile("lock").exits(1).says("mirrors.lock:");
}

#[test]
fn a_selector_loses_nothing_of_either_side() {
    let (sides, all) = merged("diff3");
    sides.workspace.run("lock --chart web@1.0.0").ok();
    assert_eq!(blocks(&sides.lockfile()), all);
}

fn git(sides: &Sides, words: &str) -> Ran {
    let mut command = hermetic(Tool::Git.path(), Path::new("/nonexistent"));
    command.current_dir(sides.workspace.path("")).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    run(command.args(words.split_whitespace()))
}

/// Git itself draws its markers through the middle of blocks, where two pins have lines in common.
#[test]
fn what_git_leaves_of_a_merge_is_united() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    for version in ["1.1.0", "1.2.0"] {
        sides.upstream("web", version, "");
    }
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    let commit = |words: &[&str]| {
        for words in words {
            git(&sides, words).ok();
        }
        git(&sides, "add .").ok();
        git(&sides, "commit --quiet --allow-empty --message step").ok();
    };
    commit(&["init --quiet --initial-branch=base"]);
    for version in ["1.1.0", "1.2.0"] {
        git(&sides, &format!("checkout --quiet -b add-{version} base")).ok();
        sides.mirror("web", &["1.0.0", version]);
        sides.workspace.run("lock").ok();
        commit(&[]);
    }
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    let pins = |version: &str| blocks(&git(&sides, &format!("show add-{version}:mirrors.lock")).ok().stdout());
    let mut all = pins("1.1.0");
    all.extend(pins("1.2.0").pop());
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        sides.upstream("web", version, "released again");
    }
    commit(&["checkout --quiet --force add-1.1.0"]);
    for style in ["merge", "diff3", "zdiff3"] {
        git(&sides, &format!("-c merge.conflictStyle={style} merge --quiet add-1.2.0")).exits(1);
        assert!(sides.lockfile().contains("<<<<<<<"), "{style}");
        sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
        sides.workspace.run("validate").exits(1).says("run `chartsync lock`");
        sides.workspace.run("lock").ok();
        assert_eq!(blocks(&sides.lockfile()), all, "{style}");
        git(&sides, "merge --abort").ok();
    }
}
