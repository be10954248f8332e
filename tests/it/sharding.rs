//! Several runs that share the work, and the proof that together they did all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chartsync::graph::Shard;
use serde_json::Value;

use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::process::{Ran, Running, spawn};
use crate::support::registry::{Kind, Registry};
use crate::support::sigstore::eventually;
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

/// What the runs are called.
const RUN: &str = "tuesday";
const SHARDS: u32 = 8;
/// How many repositories each share has.
const EACH: usize = 3;
const REPOSITORIES: usize = SHARDS as usize * EACH;
const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];
/// The share whose run is killed.
const KILLED: &str = "3/8";

struct Bench {
    registry: Registry,
    desk: Desk,
    workspace: Workspace,
    /// The charts of each share.
    charts: BTreeMap<String, Vec<String>>,
}

impl Bench {
    /// Charts that are pinned and not yet published, each in a repository of its own.
    fn new() -> Self {
        let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
        let publish = registry.repository("charts");
        let workspace = Workspace::new(&publish).plain_http(&registry.host()).layout("upstream.example", "upstream");
        let charts = charts(&publish);
        for name in charts.values().flatten() {
            for version in VERSIONS {
                let image = Image::chart(name, version, "", None);
                image.put(&workspace.path(&format!("upstream/{name}")), version);
            }
            let (from, to) = (format!("upstream.example/{name}"), format!("{publish}/{name}"));
            workspace.mirror(name, &from, &to, &VERSIONS, &unsigned());
        }
        workspace.run("lock").ok();
        Self { registry, desk, workspace, charts }
    }

    /// Starts the run of a share, as on a machine of its own.
    fn start(&self, shard: &str) -> Running {
        let mut command = self.workspace.command();
        command.env("CHARTSYNC_CACHE", self.desk.path(&format!("cache-{}", shard.replace('/', "-"))));
        spawn(command.args(["apply", "--format", "json", "--shard", shard, "--run", RUN]))
    }

    /// Keeps what a run printed; its file.
    fn keep(&self, shard: &str, ran: &Ran) -> String {
        let file = self.desk.write(&format!("{}.json", shard.replace('/', "-")), &ran.stdout);
        file.to_str().unwrap().to_owned()
    }

    fn merge(&self, files: &[String]) -> Ran {
        self.workspace.run(&format!("merge --run {RUN} --format json {}", files.join(" ")))
    }
}

/// Names, as many for each share: where a chart falls rests on the registry's port, too.
fn charts(publish: &str) -> BTreeMap<String, Vec<String>> {
    let mut charts: BTreeMap<String, Vec<String>> = shards().into_iter().map(|shard| (shard, Vec::new())).collect();
    for name in (0..).map(|number| format!("chart-{number}")) {
        let repository = format!("{publish}/{name}").parse().unwrap();
        let mut taking = charts.iter_mut().filter(|(shard, _)| shard.parse::<Shard>().unwrap().takes(&repository));
        let (_, names) = taking.next().unwrap();
        if names.len() < EACH {
            names.push(name);
        }
        if charts.values().all(|names| names.len() == EACH) {
            break;
        }
    }
    charts
}

fn shards() -> Vec<String> {
    (1..=SHARDS).map(|index| format!("{index}/{SHARDS}")).collect()
}

/// Eight runs at once; one is killed when it begins to write, and run again.
#[test]
fn shares_together_are_the_whole_also_when_one_dies() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let doomed = bench.charts[KILLED].clone();
    let pid = Arc::new(AtomicU32::new(0));
    let reaper = pid.clone();
    bench.registry.front().set_fault(move |method, path| {
        let begins = method == "POST" && doomed.iter().any(|name| path.starts_with(&format!("/v2/charts/{name}/")));
        if begins {
            let pid = eventually(|| Some(reaper.load(Ordering::SeqCst)).filter(|pid| *pid != 0)).unwrap();
            // It may be gone already: several of its requests come at once.
            let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).output();
        }
        None
    });
    let running: Vec<(String, Running)> = shards()
        .into_iter()
        .map(|shard| {
            let running = bench.start(&shard);
            if shard == KILLED {
                pid.store(running.pid(), Ordering::SeqCst);
            }
            (shard, running)
        })
        .collect();
    let mut files = Vec::new();
    for (shard, running) in running {
        let ran = running.wait();
        if shard == KILLED {
            assert_eq!(ran.code(), -1, "{ran}");
        } else {
            files.push(bench.keep(&shard, &ran.ok()));
        }
    }
    bench.registry.front().clear_fault();
    bench.merge(&files).exits(1).says(&format!("nothing tells of share {KILLED}"));

    let ran = bench.start(KILLED).wait().ok();
    files.push(bench.keep(KILLED, &ran));
    let merged = bench.merge(&files).ok();
    let merged: Value = serde_json::from_str(&merged.stdout()).unwrap();
    let all = REPOSITORIES * VERSIONS.len();
    assert_eq!((&merged["verdict"], &merged["done"]), (&"clean".into(), &all.into()));
    let told: BTreeSet<&str> =
        merged["charts"].as_array().unwrap().iter().map(|chart| chart["reference"].as_str().unwrap()).collect();
    assert_eq!((told.len(), merged["charts"].as_array().unwrap().len()), (all, all));
    bench.workspace.run("verify").ok();
    bench.workspace.run("apply").ok().says(&format!("nothing to do: {all} charts"));
    bench.workspace.run(&format!("merge --run {RUN} {}", files.join(" "))).ok().says(&format!("8 runs, {all} charts"));
}

#[test]
fn what_is_not_the_whole_is_refused() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let mut files: Vec<String> =
        shards().iter().map(|shard| bench.keep(shard, &bench.start(shard).wait().ok())).collect();
    bench.merge(&files).ok();
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let edited = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        bench.desk.write("1-8.json", changed);
    };
    edited("\"verdict\": \"clean\"", "\"verdict\": \"fine\"");
    bench.merge(&files).exits(1).says("its verdict is `fine`");
    edited("\"shard\": \"1/8\"", "\"shard\": \"1/9\"");
    bench.merge(&files).exits(1).says("of 9 shares");
    edited("\"shard\": \"1/8\"", "\"shard\": null");
    bench.merge(&files).exits(1).says("shared nothing");
    edited("\"reference\": \"127", "\"reference\": \"128");
    bench.merge(&files).exits(1).says("in which it should be once");
    edited("\"kind\": \"apply\"", "\"kind\": \"plan\"");
    bench.merge(&files).exits(1).says("kind `plan`");
    edited("\"run\": \"tuesday\"", "\"run\": \"monday\"");
    bench.merge(&files).exits(1).says("1-8.json is of run `monday`, this merges run `tuesday`");
    edited("\"run\": \"tuesday\"", "\"run\": null");
    bench.merge(&files).exits(1).says("1-8.json is of a run without a name, this merges run `tuesday`");
    bench.desk.write("1-8.json", "{");
    bench.merge(&files).exits(1).says("is not what `apply --shard I/N --format json` prints");
    bench.desk.write("1-8.json", &text);
    bench.merge(&files).ok();
    let nameless = bench.workspace.run(&format!("merge {}", files.join(" ")));
    nameless.exits(1).says("1-8.json is of run `tuesday`, this merges a run without a name");
    // An outcome told twice in one run, under another share's name.
    files.push(bench.desk.write("again.json", text.replacen("\"1/8\"", "\"2/8\"", 1)).to_str().unwrap().to_owned());
    bench.merge(&files).exits(1).says("in which it should be once");
    files.pop();
    bench.workspace.write("chartsync.toml", bench.workspace.read("chartsync.toml") + "\n[apply]\nmax-changes = 9\n");
    bench.merge(&files).exits(1).says("of another checkout: chartsync.toml is not the same there");
}

#[test]
fn a_job_of_kubernetes_knows_its_share() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let run = |index: Option<&str>, shard: &str| {
        let mut command = bench.workspace.command();
        command.envs(index.map(|index| ("JOB_COMPLETION_INDEX", index)));
        spawn(command.args(["apply", "--format", "json", "--shard", shard, "--run", RUN])).wait()
    };
    let first = run(Some("0"), "job/8").ok();
    let value: Value = serde_json::from_str(&first.stdout()).unwrap();
    assert_eq!(value["shard"], "1/8");
    let charts: BTreeSet<&str> =
        value["charts"].as_array().unwrap().iter().map(|chart| chart["name"].as_str().unwrap()).collect();
    assert_eq!(charts, bench.charts["1/8"].iter().map(String::as_str).collect());
    run(None, "job/8").refused().says("JOB_COMPLETION_INDEX is not set");
    run(Some("8"), "job/8").refused().says("JOB_COMPLETION_INDEX is `8`");
    run(None, "9/8").refused().says("write which of how many");
}

/// What a host takes at once is for all runs together.
#[test]
fn a_share_asks_for_its_share_at_once() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let settings = bench.workspace.read("chartsync.toml");
    bench
        .workspace
        .write("chartsync.toml", settings.replace("plain-http = true", "plain-http = true\nconcurrency = 8"));
    let ran = bench.workspace.run("apply --shard 1/8 --format json").ok();
    let most = bench.registry.front().most_at_once();
    assert_eq!(most, 1, "{ran}");
}

#[test]
fn a_matrix_has_a_job_for_each_share_with_charts() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let matrix = bench.workspace.run("plan --shards 8 --format github-matrix").ok();
    let matrix: Value = serde_json::from_str(&matrix.stdout()).unwrap();
    let told: Vec<(String, u64)> = matrix["include"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["shard"].as_str().unwrap().to_owned(), job["changes"].as_u64().unwrap()))
        .collect();
    let expected: Vec<(String, u64)> =
        shards().into_iter().map(|shard| (shard, (EACH * VERSIONS.len()) as u64)).collect();
    assert_eq!(told, expected);
    // With more shares than charts some are left out.
    let matrix = bench.workspace.run(&format!("plan --shards {} --format github-matrix", 2 * REPOSITORIES)).ok();
    let matrix: Value = serde_json::from_str(&matrix.stdout()).unwrap();
    assert!((1..=REPOSITORIES).contains(&matrix["include"].as_array().unwrap().len()), "{matrix}");
    // No share may begin what is too much together.
    let settings = bench.workspace.read("chartsync.toml");
    bench.workspace.write("chartsync.toml", format!("{settings}\n[apply]\nmax-changes = 1\n"));
    let refused = bench.workspace.run("plan --shards 8 --format github-matrix").exits(1).says("48 charts would change");
    assert!(refused.stdout.is_empty(), "{refused}");
    bench.workspace.run("plan --format github-matrix").refused().says("--shards");
    bench.workspace.run("plan --shards 8").refused().says("github-matrix");
}
