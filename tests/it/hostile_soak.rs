//! Many charts between registries of which one request in twenty goes wrong, in one way or another: no failure, few requests too
//! many, and no more memory for more charts.
//!
//! `CHARTSYNC_TEST_SOAK=10000` says how many charts; the faults are the same in every run of the same number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::hostile::clean;
use crate::hostile_machine::within;
use crate::support::images::Image;
use crate::support::process::spawn;
use crate::support::wild::{Asked, How, Reply, Store, Wild};
use crate::support::workspace::{Workspace, unsigned};

/// Versions of one mirror: each is a chart of its own.
const EACH: usize = 50;
/// One in so many requests goes wrong.
const FAULTY: u64 = 20;

/// One of the ways in which an answer goes wrong, or the answer: it depends on what is asked and how often it was.
fn troubled(asked: &Asked, store: &mut Store, times: &mut BTreeMap<String, u64>) -> Reply {
    let what = format!("{} {}", asked.method, asked.path.split("/uploads/").next().unwrap());
    let time = times.entry(what.clone()).or_default();
    *time += 1;
    let seed = blake3::hash(format!("{what} {time}").as_bytes());
    let number = u64::from_le_bytes(seed.as_bytes()[..8].try_into().unwrap());
    if number % FAULTY != 0 || asked.path == "/v2/" {
        return store.serve(asked);
    }
    match number / FAULTY % 8 {
        0 => Reply::new(500),
        1 => Reply::new(502),
        2 => Reply::new(503),
        3 => Reply::new(429).with("retry-after", "0"),
        4 => Reply::none(),
        5 => Reply::new(504),
        // Done, and the answer is lost on its way.
        6 => store.serve(asked).how(How::Reset(20)),
        _ => {
            let reply = store.serve(asked);
            let half = 60 + reply.body.len() / 2;
            reply.how(How::Reset(half))
        }
    }
}

/// What a run took.
struct Took {
    /// In KiB, as the kernel saw it.
    memory: u64,
    requests: usize,
    faults: usize,
}

fn soak(charts: usize) -> Took {
    let (source, destination) = (Wild::start(), Wild::start());
    source.forget();
    destination.forget();
    let workspace = Workspace::new(&destination.repository("charts"));
    let workspace = workspace.plain_http(&source.host()).plain_http(&destination.host());
    let versions: Vec<String> = (0..EACH).map(|patch| format!("1.0.{patch}")).collect();
    let names: Vec<&str> = versions.iter().map(String::as_str).collect();
    let mut expected = BTreeMap::new();
    for at in 0..charts / EACH {
        let (name, repository) = (format!("c{at}"), format!("charts/c{at}"));
        for version in &versions {
            let image = Image::chart(&name, version, "", None);
            source.store().put(&repository, version, &image);
            expected.insert((repository.clone(), version.clone()), image.digest());
        }
        workspace.mirror(
            &name,
            &source.repository(&repository),
            &destination.repository(&repository),
            &names,
            &unsigned(),
        );
    }
    let (requests, faults) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for wild in [&source, &destination] {
        let (requests, faults) = (Arc::clone(&requests), Arc::clone(&faults));
        let times = std::sync::Mutex::new(BTreeMap::new());
        wild.answer(move |asked, store| {
            requests.fetch_add(1, Ordering::SeqCst);
            let reply = troubled(asked, store, &mut times.lock().unwrap());
            faults.fetch_add(usize::from(reply.status >= 429 || reply.how != How::Whole), Ordering::SeqCst);
            reply
        });
    }
    // With what is fetched forgotten in between, both commands go through everything.
    let most = charts.to_string();
    run_measured(&workspace, "lock");
    workspace.forget_cache();
    requests.store(0, Ordering::SeqCst);
    faults.store(0, Ordering::SeqCst);
    let memory = run_measured(&workspace, &format!("apply --allow-changes {most}"));
    assert_eq!(destination.store().tags, expected);
    Took { memory, requests: requests.load(Ordering::SeqCst), faults: faults.load(Ordering::SeqCst) }
}

/// Runs it without a failure, and tells the most memory that it had.
fn run_measured(workspace: &Workspace, words: &str) -> u64 {
    let peak = workspace.path("../peak");
    // The last look but one counts: the most that a process had is gone with it.
    let script = format!(
        "\"$@\" & program=$!; while [[ -d /proc/$program ]]; do grep VmHWM /proc/$program/status >{0}.new && mv {0}.new {0}; \
         read -rt 0.05 <> <(:) || true; done; wait $program",
        peak.display()
    );
    let ran = spawn(&mut within(workspace, &script, words)).wait_for(Duration::from_hours(1)).ok();
    clean(words, &ran);
    kibibytes(&peak)
}

fn kibibytes(file: &Path) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn many_charts_through_many_faults() {
    let most = std::env::var("CHARTSYNC_TEST_SOAK").ok().and_then(|most| most.parse().ok()).unwrap_or(500);
    let few = soak(most / 10);
    let many = soak(most);
    println!("{} charts: {} KiB, {} requests, {} faults", most / 10, few.memory, few.requests, few.faults);
    println!("{most} charts: {} KiB, {} requests, {} faults", many.memory, many.requests, many.faults);
    // A name there and here, an image manifest, two blobs, two blobs twice, the name, and reading it back.
    let least = 11 * most;
    assert!(many.faults * 30 > many.requests, "too few faults to tell anything: {} of {}", many.faults, many.requests);
    // What an upload begins anew is two requests.
    assert!(many.requests <= least + 4 * many.faults + 100, "{} requests, {} faults", many.requests, many.faults);
    // Rows, pins and outcomes are some KiB each; blobs are not kept.
    let growth = many.memory.saturating_sub(few.memory);
    assert!(growth <= 16 * most as u64 + 64 * 1024, "{} KiB, and {} KiB for a tenth", many.memory, few.memory);
}
