//! Who else is at work: other writers of the same names, a registry that collects garbage, runs of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::hostile::{One, VERSION, clean};
use crate::support::images::{IMAGE_MANIFEST, Image};
use crate::support::process::spawn;
use crate::support::sigstore::{Clock, eventually};
use crate::support::wild::{Asked, Reply, Store};

const NAME: (&str, &str) = ("charts/web", VERSION);

fn stranger() -> Image {
    Image::chart("web", VERSION, "another hand", None)
}

fn is_bundle(asked: &Asked) -> bool {
    asked.is("PUT manifest") && String::from_utf8_lossy(&asked.body).contains("sigstore.bundle")
}

/// The name is taken by somebody else between the signature and the tag, and our last look is old: it is looked at again, and
/// what stands there stays.
#[test]
fn a_name_that_is_taken_between_signature_and_tag_is_left_alone() {
    let one = One::signed();
    let clock = Clock::off_by(0);
    let signed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&signed);
    one.destination.answer(move |asked, store| {
        if is_bundle(asked) {
            store.put(NAME.0, NAME.1, &stranger());
            counter.fetch_add(1, Ordering::SeqCst);
            // The answer never comes, and is given up: half a minute goes by.
            let _ = store.serve(asked);
            return Reply::new(201).how(crate::support::wild::How::Stalled(0));
        }
        store.serve(asked)
    });
    let running = spawn(one.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
    assert!(eventually(|| (signed.load(Ordering::SeqCst) > 0).then_some(())).is_some());
    clock.hurry();
    assert!(eventually(|| (signed.load(Ordering::SeqCst) > 1).then_some(())).is_some());
    clock.calm();
    one.destination.behave();
    let ran = running.wait().refused().says("somebody wrote the destination during this run");
    clean("between signature and tag", &ran);
    assert_eq!(one.held(), Some(stranger().digest()), "{ran}");
    assert!(!one.destination.take().iter().any(|asked| asked.is("PUT tag") && asked.path.ends_with(VERSION)), "{ran}");
    let ran = one.workspace.run("apply").exits(4).says("x drift");
    assert_eq!(one.held(), Some(stranger().digest()), "{ran}");
}

/// The same, and the second look is not answered: who knows what stands there by now.
#[test]
fn a_name_that_cannot_be_looked_at_again_is_not_written() {
    let one = One::signed();
    let clock = Clock::off_by(0);
    let signed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&signed);
    one.destination.answer(move |asked, store| {
        if is_bundle(asked) && counter.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::new(201).how(crate::support::wild::How::Stalled(0));
        }
        let again = asked.is("HEAD tag") && counter.load(Ordering::SeqCst) > 0;
        if again { Reply::new(403) } else { store.serve(asked) }
    });
    let running = spawn(one.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
    assert!(eventually(|| (signed.load(Ordering::SeqCst) > 0).then_some(())).is_some());
    clock.hurry();
    assert!(eventually(|| (signed.load(Ordering::SeqCst) > 1).then_some(())).is_some());
    clock.calm();
    let ran = running.wait().exits(1).says("could not be asked again");
    assert_eq!(one.held(), None, "{ran}");
    one.converges("a second look that is not answered", &ran);
}

/// Another writer is faster by the moment between our last look and our write, or comes right after it: reading back tells.
#[test]
fn a_name_that_is_taken_between_tag_and_confirm_is_told() {
    for one in [One::new(), One::signed()] {
        one.destination.answer(|asked, store| {
            let reply = store.serve(asked);
            if asked.is("PUT tag") && asked.path.ends_with(VERSION) {
                store.put(NAME.0, NAME.1, &stranger());
            }
            reply
        });
        let ran = one.workspace.run("apply").exits(1).says("another writer won the race").says(&stranger().digest());
        clean("between tag and confirm", &ran);
        one.destination.behave();
        // Never taken back by force.
        one.workspace.run("apply").exits(4).says("x drift");
        assert_eq!(one.held(), Some(stranger().digest()));
    }
}

/// Upstream moves its tag between the look at it and the fetch, or between a plan and its apply: the pinned bytes or none.
#[test]
fn a_tag_that_moves_upstream_at_any_request_changes_nothing() {
    let one = One::new();
    for at in 0.. {
        one.reset();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        one.source.store().put(NAME.0, NAME.1, &one.image);
        one.source.answer(move |asked, store| {
            if counter.fetch_add(1, Ordering::SeqCst) == at {
                store.put(NAME.0, NAME.1, &stranger());
            }
            store.serve(asked)
        });
        let ran = one.workspace.run("apply");
        clean("moved", &ran);
        let moved = seen.load(Ordering::SeqCst) > at;
        match one.held() {
            Some(held) => assert_eq!((held, ran.code()), (one.image.digest(), 0), "{at}: {ran}"),
            None => drop(ran.exits(4).says("! moved")),
        }
        if !moved {
            assert!(at >= 4, "{at}");
            break;
        }
    }
    // Planned, then moved, then applied as planned.
    one.reset();
    one.source.store().put(NAME.0, NAME.1, &one.image);
    one.workspace.run("plan --out plan.json").ok();
    one.source.store().put(NAME.0, NAME.1, &stranger());
    let ran = one.workspace.run("apply plan.json").refused();
    assert_eq!(one.held(), None, "{ran}");
}

/// Another tool publishes the very same bytes while we do: that is no conflict.
#[test]
fn another_tool_that_writes_the_same_bytes_is_no_conflict() {
    for one in [One::new(), One::signed()] {
        let image = Arc::new(Image { manifest: one.image.manifest.clone(), blobs: one.image.blobs.clone() });
        one.destination.answer(move |asked, store| {
            if asked.is("PUT upload") {
                store.put(NAME.0, NAME.1, &image);
            }
            store.serve(asked)
        });
        let ran = one.workspace.run("apply").ok();
        one.converges("the same bytes", &ran);
    }
}

/// The registry collects what no image manifest names, at any request: what is missing is sent again, once, or told.
#[test]
fn garbage_that_is_collected_between_blob_and_manifest_is_sent_again() {
    for (what, one) in [("unsigned", One::new()), ("signed", One::signed())] {
        for at in 0.. {
            one.reset();
            let seen = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&seen);
            one.destination.answer(move |asked, store| {
                if asked.writes() && counter.fetch_add(1, Ordering::SeqCst) == at {
                    collect(store);
                }
                store.serve(asked)
            });
            let ran = one.workspace.run("apply").ok();
            assert_eq!(one.held(), Some(one.image.digest()), "{what}, {at}: {ran}");
            one.converges(what, &ran);
            if seen.load(Ordering::SeqCst) <= at {
                assert!(at >= 5, "{what}: {at}");
                break;
            }
        }
    }
    // One that collects at every look: it is told, and nothing is named without its bytes.
    let one = One::new();
    one.destination.answer(|asked, store| {
        if asked.is("PUT tag") {
            collect(store);
        }
        store.serve(asked)
    });
    let ran = one.workspace.run("apply").exits(1).says("lacks a blob");
    assert_eq!(one.held(), None);
    one.converges("collects always", &ran);
}

/// Removes the blobs that no image manifest names.
fn collect(store: &mut Store) {
    let named: Vec<String> = store
        .manifests
        .values()
        .filter(|(media, _)| media == IMAGE_MANIFEST)
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    store.blobs.retain(|(_, digest), _| named.iter().any(|manifest| manifest.contains(digest)));
}

/// Two runs of the same, on one cache and on two: all is published once, and each tells the truth.
#[test]
fn two_applies_at_once_end_with_one_truth() {
    let one = One::signed();
    for caches in [["a", "a"], ["a", "b"]] {
        for round in 0..4 {
            one.reset();
            let start = |cache: &str| {
                let cache = one.workspace.path(&format!("../home/.cache/{round}-{cache}"));
                spawn(one.workspace.command().env("CHARTSYNC_CACHE", cache).arg("apply"))
            };
            for ran in caches.map(start).map(crate::support::process::Running::wait) {
                clean("two applies", &ran.ok());
            }
            assert_eq!(one.held(), Some(one.image.digest()));
            let listed = one.destination.store().listed(NAME.0, &one.image.digest()).len();
            // Who shares a cache takes turns; others sign at most once each.
            assert!((1..=if caches[0] == caches[1] { 1 } else { 2 }).contains(&listed), "{caches:?}: {listed}");
            one.workspace.run("apply").ok().says("nothing to do");
        }
    }
}

/// Two locks at once: one of them says so, or both write the same; the lockfile is whole.
#[test]
fn two_locks_at_once_leave_one_whole_lockfile() {
    let one = One::new();
    let lockfile = one.workspace.read("mirrors.lock");
    for _ in 0..4 {
        one.reset();
        std::fs::remove_file(one.workspace.path("mirrors.lock")).unwrap();
        let started = [0, 1].map(|_| spawn(one.workspace.command().arg("lock")));
        let ran = started.map(crate::support::process::Running::wait);
        assert!(ran.iter().any(|ran| ran.code() == 0), "{} {}", ran[0], ran[1]);
        for ran in &ran {
            assert!(ran.code() == 0 || ran.said().contains("another `chartsync lock` is at work"), "{ran}");
        }
        assert_eq!(one.workspace.read("mirrors.lock"), lockfile);
    }
}
