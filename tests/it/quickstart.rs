//! The README's walk through `examples/quickstart`, in a copy of it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::process::{Ran, hermetic, run};

const EXAMPLE: &str = "examples/quickstart";

/// A copy of the example as a fresh clone has it.
pub(crate) struct Quickstart(TempDir);

impl Quickstart {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        copy(&example, &dir.path().join(EXAMPLE), &example.join("registry/published"));
        Self(dir)
    }

    #[track_caller]
    fn run(&self, words: &str) -> Ran {
        let mut command = hermetic(env!("CARGO_BIN_EXE_chartsync"), &self.0.path().join("home"));
        run(command.current_dir(self.0.path()).args(words.split_whitespace()).args(["--root", EXAMPLE]))
    }

    /// Does what a line of the README's walk does in the example's folder; what it prints. A plan may withhold something.
    #[track_caller]
    pub(crate) fn step(&self, line: &str) -> String {
        let at = |file: &str| self.0.path().join(EXAMPLE).join(file);
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["chartsync", ..] => {
                let mut command = hermetic(env!("CARGO_BIN_EXE_chartsync"), &self.0.path().join("home"));
                let ran = run(command.current_dir(at("")).args(line.split_whitespace().skip(1)));
                assert!([0, 4].contains(&ran.code()), "{ran}");
                return ran.stdout();
            }
            ["rm", "-r", folder] => fs::remove_dir_all(at(folder)).unwrap(),
            ["cp", from, to] => drop(fs::copy(at(from), at(to)).unwrap()),
            _ => panic!("no step: {line}"),
        }
        String::new()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(EXAMPLE).join(file)).unwrap()
    }
}

fn copy(from: &Path, to: &Path, except: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() && path != except {
            copy(&path, &to, except);
        } else if path.is_file() {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn apply_publishes_everything_and_a_second_one_does_nothing() {
    let quickstart = Quickstart::new();
    let applied = quickstart.run("apply").ok();
    for chart in ["edge-proxy", "metrics-store", "mail-relay", "status-page"] {
        assert!(applied.said().contains(chart), "{chart}: {applied}");
    }
    quickstart.run("verify").ok();
    quickstart.run("plan --detailed-exitcode").ok();
    quickstart.run("apply").ok();
}

/// What the README shows of the example is what the program prints.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let quickstart = Quickstart::new();
    for run in ["the first", "the second"] {
        let applied = quickstart.run("apply").ok();
        assert!(readme.contains(applied.stdout().trim()), "{run}: {applied}");
    }
    let root = quickstart.0.path().join(EXAMPLE);
    fs::remove_dir_all(root.join("registry/published")).unwrap();
    fs::copy(root.join("moved/index.json"), root.join("registry/upstream/charts/edge-proxy/index.json")).unwrap();
    let planned = quickstart.run("plan").exits(4);
    let text = planned.stdout();
    let parts: Vec<&str> = text.split("\n\n").collect();
    let version = parts.iter().find(|part| part.starts_with("mail-relay")).unwrap();
    for part in [&parts[..2].join("\n\n"), *version] {
        assert!(readme.contains(part), "{part}");
    }
}

#[test]
fn the_committed_lockfile_is_what_lock_writes() {
    let quickstart = Quickstart::new();
    let committed = quickstart.read("mirrors.lock");
    quickstart.run("lock").ok();
    assert_eq!(quickstart.read("mirrors.lock"), committed);
    fs::remove_file(quickstart.0.path().join(EXAMPLE).join("mirrors.lock")).unwrap();
    quickstart.run("lock").ok();
    assert_eq!(quickstart.read("mirrors.lock"), committed);
}

#[test]
fn a_moved_upstream_tag_withholds_that_chart_only() {
    let quickstart = Quickstart::new();
    let root = quickstart.0.path().join(EXAMPLE);
    fs::copy(root.join("moved/index.json"), root.join("registry/upstream/charts/edge-proxy/index.json")).unwrap();
    quickstart.run("plan").exits(4).says("moved").says("1.5.0");
    quickstart.run("apply").exits(4).says("moved");
    let index = quickstart.read("registry/published/platform/edge-proxy/index.json");
    assert!(index.contains("1.4.0") && !index.contains("1.5.0"), "{index}");
    assert!(root.join("registry/published/platform/metrics-store/index.json").exists());
}
