//! Whatever moment a run is killed at, the next one converges, and leaves nothing for a third.
//!
//! `CHARTSYNC_TEST_CRASH=full` kills at every point of all twenty charts; without it at every request of some chart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::hostile::{clean, example_key};
use crate::hostile_machine::{files, whole};
use crate::keyserver::{Answer, KeyServer};
use crate::sides::{PUBLISH, Sides};
use crate::support::charts::Desk;
use crate::support::images::{Image, digest};
use crate::support::pgp::Key;
use crate::support::process::{Ran, run, spawn};
use crate::support::registry::{Kind, Registry};
use crate::support::scythe::{Change, Moment, Scythe};
use crate::support::tools::Tool;
use crate::support::wild::{Asked, Reply, Store, Wild};
use crate::support::workspace::Workspace;

const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

/// The registry stops to answer after each number of requests that an apply makes; the next apply finishes the work.
#[test]
fn any_prefix_of_an_apply_converges() {
    needs!(Tool::Distribution, Tool::Crane);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    let key = Key::new("Releases <releases@example.org>");
    let images = VERSIONS.map(|version| Image::chart("web", version, "", Some(&key)));
    let mut requests = usize::MAX;
    let mut after = 0;
    while after < requests {
        let publish = registry.repository(&format!("run-{after}"));
        let workspace = Workspace::new(&publish).plain_http(&registry.host()).layout("upstream.example", "upstream");
        for (image, version) in images.iter().zip(VERSIONS) {
            image.put(&workspace.path("upstream/web"), version);
        }
        workspace.mirror(
            "web",
            "upstream.example/web",
            &format!("{publish}/web"),
            &VERSIONS,
            &workspace.signed_by(&key),
        );
        workspace.run("lock").ok();

        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        // Not an answer that is worth to try again: the rest of the run must not come through.
        registry.front().set_fault(move |_, _| {
            (counter.fetch_add(1, Ordering::SeqCst) >= after).then(|| StatusCode::FORBIDDEN.into_response())
        });
        let first = workspace.run("apply");
        registry.front().clear_fault();
        if first.code() == 0 {
            requests = after;
        }
        workspace.run("apply").ok();
        for (image, version) in images.iter().zip(VERSIONS) {
            assert_eq!(desk.digest(&format!("{publish}/web:{version}")), image.digest(), "after {after} requests");
        }
        workspace.run("plan --detailed-exitcode").ok();
        after += 1;
    }
    // HEAD, three blobs by POST and PUT, PUT and GET of the tag, for each of two charts.
    assert!(requests >= 18, "{requests}");
}

const CHARTS: usize = 20;
const VERSION: &str = VERSIONS[0];

/// One request of a run: to this repository, and how many came there before it.
type At = (String, usize);

/// Where a run is killed: when this request comes, before anything is done about it, or after and before its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    at: At,
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// Kills a program at a point, and lets nothing of it through from then on.
#[derive(Default)]
struct Reaper {
    pid: Mutex<Option<u32>>,
    known: Condvar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<String, usize>,
    point: Option<Point>,
    dead: bool,
}

impl Reaper {
    fn serve(&self, side: &str, asked: &Asked, store: &mut Store) -> Reply {
        // One after the other, so that nothing is half done when it is killed.
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Reply::none();
        }
        let repository = format!("{side} {}", asked.repository());
        let number = state.seen.entry(repository.clone()).or_default();
        let at = (repository, *number);
        *number += 1;
        let when = state.point.as_ref().filter(|point| point.at == at).map(|point| point.when);
        if when == Some(When::Before) {
            state.dead = true;
            self.kill();
            return Reply::none();
        }
        let reply = store.serve(asked);
        if when == Some(When::After) {
            state.dead = true;
            self.kill();
            return Reply::none();
        }
        reply
    }

    fn kill(&self) {
        let pid = self.known.wait_while(self.pid.lock().unwrap(), |pid| pid.is_none()).unwrap();
        Command::new("kill").args(["-KILL", &pid.unwrap().to_string()]).status().unwrap();
    }

    /// Runs it, and kills it at the point if it comes there.
    fn run(&self, workspace: &Workspace, words: &str, point: Option<&Point>) -> Ran {
        *self.state.lock().unwrap() = State { point: point.cloned(), ..State::default() };
        *self.pid.lock().unwrap() = None;
        let running = spawn(workspace.command().args(words.split_whitespace()));
        *self.pid.lock().unwrap() = Some(running.pid());
        self.known.notify_all();
        let ran = running.wait();
        self.state.lock().unwrap().dead = false;
        ran
    }

    /// Every point of a run that came through.
    fn points(&self) -> Vec<Point> {
        let state = self.state.lock().unwrap();
        let at = state.seen.iter().flat_map(|(repository, most)| (0..*most).map(|number| (repository.clone(), number)));
        at.flat_map(|at| [When::Before, When::After].map(|when| Point { at: at.clone(), when })).collect()
    }
}

/// Twenty charts between two registries, and who kills what publishes them.
struct Bench {
    workspace: Workspace,
    destination: Wild,
    /// Serves until the bench goes.
    _source: Wild,
    reaper: Arc<Reaper>,
    digests: Vec<String>,
}

fn chart(at: usize) -> String {
    format!("charts/c{at}")
}

impl Bench {
    fn new(key: &Key) -> Self {
        let (source, destination, reaper) = (Wild::start(), Wild::start(), Arc::new(Reaper::default()));
        let signing = "method = \"key\"\nkey = \"throw-away.key\"\npublic-key = \"throw-away.pub\"\n";
        let workspace = Workspace::signing(&destination.repository("charts"), signing);
        let workspace = workspace.plain_http(&source.host()).plain_http(&destination.host());
        example_key(&workspace);
        let trust = workspace.signed_by(key);
        let mut digests = Vec::new();
        for at in 0..CHARTS {
            let image = Image::chart(&format!("c{at}"), VERSION, "", Some(key));
            source.store().put(&chart(at), VERSION, &image);
            let (from, to) = (source.repository(&chart(at)), destination.repository(&chart(at)));
            workspace.mirror(&format!("c{at}"), &from, &to, &[VERSION], &trust);
            digests.push(image.digest());
        }
        for (side, wild) in [("source", &source), ("destination", &destination)] {
            let reaper = Arc::clone(&reaper);
            wild.answer(move |asked, store| reaper.serve(side, asked, store));
        }
        Self { workspace, destination, _source: source, reaper, digests }
    }

    /// Nothing is published and nothing cached.
    fn reset(&self, lists_referrers: bool) {
        *self.destination.store() = Store { lists_referrers, ..Store::default() };
        self.workspace.forget_cache();
        self.destination.take();
    }

    /// No name points at other bytes, or at a chart that is not signed.
    fn is_sound(&self, what: &str) {
        let store = self.destination.store();
        for (at, digest) in self.digests.iter().enumerate() {
            if let Some(named) = store.tag(&chart(at), VERSION) {
                assert_eq!(named, *digest, "{what}: {}", chart(at));
                assert!(!store.listed(&chart(at), digest).is_empty(), "{what}: {} is named and not signed", chart(at));
            }
        }
    }

    /// Everything is published, with one signature each.
    fn is_done(&self, what: &str) {
        self.is_sound(what);
        let store = self.destination.store();
        for (at, digest) in self.digests.iter().enumerate() {
            assert_eq!(store.tag(&chart(at), VERSION).as_ref(), Some(digest), "{what}: {}", chart(at));
            assert_eq!(store.listed(&chart(at), digest).len(), 1, "{what}: {}", chart(at));
        }
        let fallback = |tag: &String| tag.starts_with("sha256-");
        let stray = store.tags.keys().find(|(_, tag)| tag != VERSION && !fallback(tag));
        assert_eq!(stray, None, "{what}");
    }

    /// Killed there, and run again: everything is as it should be, and a third run only looks.
    fn check(&self, point: &Point, lists_referrers: bool, cache_is_lost: bool) {
        let what = format!("{point:?}, referrers {lists_referrers}, no cache {cache_is_lost}");
        self.reset(lists_referrers);
        let ran = self.reaper.run(&self.workspace, "apply", Some(point));
        clean(&what, &ran);
        // Requests to a repository may be one fewer where blobs are sent in another order, never more.
        assert!([-1, 0].contains(&ran.code()), "{what}: {ran}");
        self.is_sound(&what);
        if cache_is_lost {
            self.workspace.forget_cache();
        }
        let ran = self.reaper.run(&self.workspace, "apply", None);
        assert_eq!(ran.code(), 0, "{what}: {ran}");
        self.is_done(&format!("{what}: {ran}"));
        self.destination.take();
        let ran = self.reaper.run(&self.workspace, "apply", None).ok().says("nothing to do");
        let writes = self.destination.take().iter().filter(|asked| asked.writes()).count();
        assert_eq!(writes, 0, "{what}: {ran}");
        self.is_done(&what);
    }
}

fn is_full() -> bool {
    std::env::var("CHARTSYNC_TEST_CRASH").is_ok_and(|depth| depth == "full")
}

/// All of them, or of each request of a chart's only that of one chart.
fn share(points: Vec<Point>) -> Vec<Point> {
    let belongs = |point: &Point| match point.at.0.rsplit_once("/c") {
        Some((_, chart)) => point.at.1 % CHARTS == chart.parse::<usize>().unwrap(),
        None => true,
    };
    points.into_iter().filter(|point| is_full() || belongs(point)).collect()
}

/// Does this for every point on all processors, each with a bench of its own, and tells how many there were.
fn everywhere<B: Send>(points: &[Point], bench: impl Fn() -> B + Sync, check: impl Fn(&B, usize, &Point) + Sync) {
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let bench = bench();
                while let Some((at, point)) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|at| Some((at, points.get(at)?)))
                {
                    check(&bench, at, point);
                }
            });
        }
    });
    println!("killed at {} points, {:?}", points.len(), begun.elapsed());
}

/// `apply` over twenty charts, signed with a key, before and after every single request.
#[test]
fn an_apply_that_is_killed_at_any_request_converges() {
    let key = Key::new("Releases <releases@example.org>");
    let bench = || {
        let bench = Bench::new(&key);
        bench.reaper.run(&bench.workspace, "lock", None).ok();
        bench
    };
    let first = bench();
    first.reset(false);
    first.reaper.run(&first.workspace, "apply", None).ok();
    first.is_done("as it should be");
    let points = first.reaper.points();
    // The name; three blobs twice, the digest, the look, the bundle, the look again, the name, and reading it back.
    assert!(points.len() >= 2 * CHARTS * (4 + 18), "{}", points.len());
    drop(first);
    everywhere(&share(points), bench, |bench, at, point| {
        // Registries with the API that lists referrers and without it, a cache that is kept or lost, in turn.
        bench.check(point, at / 2 % 2 == 1, at / 4 % 2 == 1);
    });
}

/// `lock` over twenty charts, before and after every single request.
#[test]
fn a_lock_that_is_killed_at_any_request_leaves_the_old_lockfile() {
    let key = Key::new("Releases <releases@example.org>");
    let bench = || Bench::new(&key);
    let first = bench();
    first.reaper.run(&first.workspace, "lock", None).ok();
    let points = first.reaper.points();
    assert!(points.len() >= 2 * CHARTS * 4, "{}", points.len());
    drop(first);
    everywhere(&share(points), bench, |bench, _, point| {
        let lockfile = bench.workspace.path("mirrors.lock");
        let _ = std::fs::remove_file(&lockfile);
        bench.reset(false);
        let before = files(&bench.workspace.path("")).into_iter().collect::<BTreeSet<_>>();
        let ran = bench.reaper.run(&bench.workspace, "lock", Some(point));
        assert_eq!(ran.code(), -1, "{point:?}: {ran}");
        assert_eq!(files(&bench.workspace.path("")).into_iter().collect::<BTreeSet<_>>(), before, "{point:?}");
        bench.reaper.run(&bench.workspace, "lock", None).ok();
        let text = std::fs::read_to_string(&lockfile).unwrap();
        for digest in &bench.digests {
            assert_eq!(text.matches(&format!("\ndigest = \"{digest}\"")).count(), 1, "{point:?}: {text}");
        }
        let written = std::fs::metadata(&lockfile).unwrap().modified().unwrap();
        bench.reaper.run(&bench.workspace, "lock", None).ok();
        assert_eq!(std::fs::metadata(&lockfile).unwrap().modified().unwrap(), written, "{point:?}");
    });
}

/// `lock` with a keyring by URL, killed at each change that it makes to files.
#[test]
fn a_lock_that_is_killed_between_any_two_changes_of_files_leaves_whole_ones() {
    let (mut sides, server, scythe) = (Sides::new(), KeyServer::start(), Scythe::new());
    server.serve(&mut sides.workspace);
    sides.upstream("web", VERSION, "");
    sides.mirror_trusting("web", &[VERSION], "  keyring: https://keys.example/ring.gpg\n");
    server.put("ring.gpg", Answer::Bytes(sides.key.public()));
    let before = names(&sides.workspace.path(""));
    sides.workspace.run("lock").ok();
    let (after, lockfile) = (names(&sides.workspace.path("")), sides.lockfile());
    let killed = at_each_change(|change| {
        for file in after.difference(&before) {
            let _ = std::fs::remove_file(file);
        }
        sides.workspace.forget_cache();
        let ran = run(scythe.raised(sides.workspace.command().arg("lock"), change));
        let text = sides.lockfile();
        assert!(text == lockfile || text.is_empty() && ran.code() != 0, "{change:?}: {ran}");
        whole_or_unfinished(&sides.workspace.path("keyrings"));
        sides.workspace.run("lock").ok();
        assert_eq!(sides.lockfile(), lockfile, "{change:?}");
        assert_eq!(names(&sides.workspace.path("")), after, "{change:?}: something was left behind");
        ran
    });
    assert!(killed >= 3, "{killed}");
}

/// Does this for every change that a run makes to files, until it comes through; tells how often it did not.
fn at_each_change(check: impl Fn(Change) -> Ran) -> usize {
    let (mut killed, begun) = (0, Instant::now());
    for number in (1..).step_by(if is_full() { 1 } else { 2 }) {
        // What is cut off in the middle is what can be half there.
        let moments = match number % 10 {
            _ if is_full() => &[Moment::Middle, Moment::End][..],
            1 => &[Moment::End],
            _ => &[Moment::Middle],
        };
        for &moment in moments {
            let ran = check(Change { number, moment });
            if ran.code() == 0 {
                println!("killed at {killed} changes of files, {:?}", begun.elapsed());
                return killed;
            }
            assert_eq!(ran.code(), -1, "{number} {moment:?}: {ran}");
            killed += 1;
        }
    }
    killed
}

/// Every file that is named after its digest has it; what was not finished is called so.
#[track_caller]
fn whole_or_unfinished(folder: &Path) {
    for file in files(folder).into_iter().filter(|file| file.extension().is_none_or(|end| end != "part")) {
        let named = file.file_stem().unwrap().to_str().unwrap();
        assert!(named.len() != 64 || digest(&std::fs::read(&file).unwrap()) == format!("sha256:{named}"), "{named}");
    }
}

fn names(folder: &Path) -> BTreeSet<PathBuf> {
    files(folder).into_iter().collect()
}

/// Layouts on both sides, signed with a key, and a cache.
fn signed_layouts() -> Sides {
    let signing = "method = \"key\"\nkey = \"throw-away.key\"\npublic-key = \"throw-away.pub\"\n";
    let workspace = Workspace::signing(PUBLISH, signing);
    let workspace = workspace.layout("upstream.example", "upstream").layout("charts.example", "published");
    example_key(&workspace);
    let sides = Sides { workspace, key: Key::new("Releases <releases@example.org>") };
    sides.upstream("web", VERSION, "");
    sides.mirror("web", &[VERSION]);
    sides.workspace.run("lock").ok();
    sides
}

/// After an apply was killed: whatever is named is whole, the next run ends the work, and a third finds nothing.
fn ends(sides: &Sides, what: &str) {
    let published = sides.workspace.path("published");
    whole(&published);
    let ran = sides.workspace.run("apply").ok();
    whole(&published);
    let digest = sides.image("web", VERSION).digest();
    assert_eq!(sides.at_destination("web", VERSION), Some(digest.clone()), "{what}: {ran}");
    assert_eq!(signatures(&sides.published_folder("web"), &digest), 1, "{what}: {ran}");
    let left = names(&published);
    assert!(left.iter().all(|file| !file.ends_with(".chartsync.tmp")), "{what}");
    sides.workspace.run("apply").ok().says("nothing to do");
    assert_eq!(names(&published), left, "{what}");
}

/// How many image manifests of a layout's index have this subject.
fn signatures(layout: &Path, subject: &str) -> usize {
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let names: BTreeSet<_> =
        index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap()).collect();
    let bytes =
        |name: &str| std::fs::read(layout.join("blobs/sha256").join(name.trim_start_matches("sha256:"))).unwrap();
    let of = |name: &&&str| {
        let manifest: serde_json::Value = serde_json::from_slice(&bytes(name)).unwrap();
        manifest["subject"]["digest"] == subject
    };
    names.iter().filter(of).count()
}

/// Layouts and the cache: every change of a file is cut off in the middle or at its end.
#[test]
fn an_apply_that_is_killed_between_any_two_changes_of_files_leaves_whole_layouts_and_a_cache_that_is_not_believed() {
    let (sides, scythe) = (signed_layouts(), Scythe::new());
    let killed = at_each_change(|change| {
        let _ = std::fs::remove_dir_all(sides.workspace.path("published"));
        sides.workspace.forget_cache();
        let ran = run(scythe.raised(sides.workspace.command().arg("apply"), change));
        whole_or_unfinished(&sides.workspace.path("../home/.cache/chartsync/blobs/sha256"));
        ends(&sides, &format!("{change:?}"));
        ran
    });
    assert!(killed >= 10, "{killed}");
}
