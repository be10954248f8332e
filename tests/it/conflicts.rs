//! A lockfile in the middle of a merge: `lock` unites it, everything else refuses it.

use crate::sides::{Sides, blocks, field};

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
