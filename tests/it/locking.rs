//! What `lock` writes, keeps and leaves alone.

use crate::support::images::{Image, name};
use crate::support::pgp::Key;
use crate::support::workspace::Workspace;

const SOURCE: &str = "upstream.example/charts";
const PUBLISH: &str = "charts.example/platform";

/// A workspace over a folder of layouts, with one key that all mirrors trust.
struct Bench {
    workspace: Workspace,
    key: Key,
}

impl Bench {
    /// Charts of these names, all 1.0.0, upstream and declared, none pinned.
    fn new(charts: &[&str]) -> Self {
        let workspace =
            Workspace::new(PUBLISH).layout("upstream.example", "upstream").layout("charts.example", "published");
        let bench = Self { workspace, key: Key::new("Releases <releases@example.org>") };
        for chart in charts {
            bench.upstream(chart, "1.0.0");
            bench.mirror(chart, &["1.0.0"]);
        }
        bench
    }

    fn upstream(&self, chart: &str, version: &str) -> Image {
        let image = Image::chart(chart, version, "", Some(&self.key));
        image.put(&self.workspace.path(&format!("upstream/charts/{chart}")), version);
        image
    }

    fn mirror(&self, chart: &str, versions: &[&str]) {
        let trust = self.workspace.signed_by(&self.key);
        self.workspace.mirror(chart, &format!("{SOURCE}/{chart}"), &format!("{PUBLISH}/{chart}"), versions, &trust);
    }

    /// The pins: chart and version, in the lockfile's order.
    fn pins(&self) -> Vec<String> {
        let lockfile: toml::Table = self.workspace.read("mirrors.lock").parse().unwrap();
        let pins = lockfile.get("chart").and_then(|pins| pins.as_array()).cloned().unwrap_or_default();
        pins.iter()
            .map(|pin| format!("{}@{}", pin["name"].as_str().unwrap(), pin["version"].as_str().unwrap()))
            .collect()
    }
}

#[test]
fn every_pin_that_could_be_made_is_written() {
    let bench = Bench::new(&["api", "web", "worker"]);
    name(&bench.workspace.path("upstream/charts/web"), "1.0.0", None);
    bench.workspace.run("lock").exits(1).says("charts/web:1.0.0");
    assert_eq!(bench.pins(), ["api@1.0.0", "worker@1.0.0"]);
    bench.upstream("web", "1.0.0");
    bench.workspace.run("lock").ok();
    assert_eq!(bench.pins(), ["api@1.0.0", "web@1.0.0", "worker@1.0.0"]);
}

#[test]
fn bad_input_writes_nothing_and_all_of_it_is_told() {
    let bench = Bench::new(&["api", "web"]);
    bench.workspace.write("mirrors/one.yaml", "source: [\n");
    bench.workspace.write("mirrors/two.yaml", "- a list\n");
    bench.workspace.write("mirrors/three.yaml", "source: {}\nsource: {}\n");
    let refused = bench.workspace.run("lock").exits(1).says("mirrors/one.yaml").says("mirrors/two.yaml");
    drop(refused.says("mirrors/three.yaml"));
    assert!(!bench.workspace.path("mirrors.lock").exists());
}

#[test]
fn only_what_is_selected_is_touched() {
    let bench = Bench::new(&["api", "web"]);
    bench.workspace.run("lock --chart web").ok();
    assert_eq!(bench.pins(), ["web@1.0.0"]);
    bench.workspace.run("lock --chart api@1.0.0").ok();
    assert_eq!(bench.pins(), ["api@1.0.0", "web@1.0.0"]);
}

#[test]
fn a_version_that_is_removed_stays_published() {
    let bench = Bench::new(&["web"]);
    bench.upstream("web", "1.1.0");
    bench.mirror("web", &["1.0.0", "1.1.0"]);
    bench.workspace.run("lock").ok();
    bench.workspace.run("apply").ok();
    bench.mirror("web", &["1.1.0"]);
    bench.workspace.run("plan").ok().says("1.0.0");
    bench.workspace.run("lock").ok().says("stays published");
    assert_eq!(bench.pins(), ["web@1.1.0"]);
    bench.workspace.run("plan --detailed-exitcode").ok();
}

#[test]
fn conflict_markers_are_for_lock_alone() {
    let bench = Bench::new(&["api", "web"]);
    bench.workspace.run("lock").ok();
    let merged = bench.workspace.read("mirrors.lock");
    let (head, pins) = merged.split_once("[[chart]]").unwrap();
    let (ours, theirs) = pins.split_once("[[chart]]").unwrap();
    let conflicted = format!("{head}<<<<<<< ours\n[[chart]]{ours}=======\n[[chart]]{theirs}>>>>>>> theirs\n");
    bench.workspace.write("mirrors.lock", &conflicted);
    for words in ["validate", "plan", "apply", "verify", "graph"] {
        bench.workspace.run(words).exits(1).says("conflict");
    }
    bench.workspace.run("lock").ok();
    assert_eq!(bench.workspace.read("mirrors.lock"), merged);
}

#[test]
fn two_at_once_write_one_whole_lockfile() {
    let bench = Bench::new(&["api", "web", "worker"]);
    std::thread::scope(|scope| {
        let runs = [(); 3].map(|()| scope.spawn(|| bench.workspace.run("lock")));
        let ended = runs.map(|run| run.join().unwrap());
        assert!(ended.iter().any(|ran| ran.code() == 0), "{}", ended[0]);
    });
    bench.workspace.run("lock").ok();
    assert_eq!(bench.pins(), ["api@1.0.0", "web@1.0.0", "worker@1.0.0"]);
    let left = std::fs::read_dir(bench.workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> =
        left.filter_map(|name| name.into_string().ok()).filter(|name| name.contains("lock")).collect();
    left.sort();
    assert_eq!(left, ["mirrors.lock"], "files are left over");
}
