//! A machine in trouble: a full disk, no file descriptors, a clock that jumps. Nothing is half-written, and nothing is lost.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::hostile::{One, Twenty, clean};
use crate::sides::{Sides, copy_folder};
use crate::support::images::digest;
use crate::support::process::{Ran, run, spawn};
use crate::support::sigstore::Clock;
use crate::support::wild::Reply;
use crate::support::workspace::Workspace;

/// The program below a script that prepares its surroundings and then becomes it: `$@` are its words.
pub(crate) fn within(workspace: &Workspace, script: &str, words: &str) -> Command {
    let program = workspace.command();
    let mut command = Command::new("/bin/bash");
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(workspace.path("")).args(["-c", script, "bash"]).arg(program.get_program());
    command.args(words.split_whitespace()).env("TZ", "UTC");
    command
}

/// No file can be longer than so many bytes: whatever is written fails there, as on a disk that is full.
fn limited(workspace: &Workspace, bytes: usize, words: &str) -> Ran {
    run(&mut within(workspace, &format!("trap '' XFSZ; exec prlimit --fsize={bytes} \"$@\""), words))
}

/// Whatever a layout names is there, whole.
#[track_caller]
pub(crate) fn whole(layouts: &Path) {
    for index in files(layouts).into_iter().filter(|file| file.ends_with("index.json")) {
        let folder = index.parent().unwrap();
        let index: serde_json::Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
        for entry in index["manifests"].as_array().unwrap() {
            let named = entry["digest"].as_str().unwrap();
            let blob = |name: &str| {
                std::fs::read(folder.join("blobs/sha256").join(name.trim_start_matches("sha256:"))).unwrap()
            };
            let manifest = blob(named);
            assert_eq!(digest(&manifest), named);
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            // Of a chart, of what is attached to one, or of the list of that.
            let lists = ["layers", "manifests"].into_iter().filter_map(|parts| manifest[parts].as_array()).flatten();
            for part in lists.chain(manifest.get("config")) {
                let named = part["digest"].as_str().unwrap();
                assert_eq!(digest(&blob(named)), named);
            }
        }
    }
}

pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

#[test]
fn a_disk_that_is_full_at_any_byte_leaves_the_old_lockfile() {
    let sides = Sides::pinned(&["1.0.0"]);
    let before = sides.lockfile();
    sides.upstream("web", "1.1.0", "");
    sides.mirror("web", &["1.0.0", "1.1.0"]);
    sides.workspace.run("lock").ok();
    let after = sides.lockfile();
    sides.workspace.write("mirrors.lock", &before);
    for bytes in (0..after.len()).step_by(after.len() / 7) {
        let ran = limited(&sides.workspace, bytes, "lock")
            .exits(1)
            .says("mirrors.lock")
            .says("nothing of the old file is lost");
        clean("lock", &ran);
        assert_eq!(sides.lockfile(), before, "{bytes}: {ran}");
        let left = files(&sides.workspace.path(""))
            .into_iter()
            .filter(|file| file.file_name().unwrap().to_string_lossy().starts_with(".tmp"))
            .count();
        assert_eq!(left, 0, "{bytes}");
    }
    limited(&sides.workspace, after.len(), "lock").ok();
    assert_eq!(sides.lockfile(), after);
}

#[test]
fn a_disk_that_is_full_at_any_byte_leaves_a_layout_whole() {
    let sides = Sides::pinned(&["1.0.0"]);
    let mut failed = 0;
    for bytes in [0, 1, 30, 100, 200, 300, 400, 500, 1000, 100_000] {
        let _ = std::fs::remove_dir_all(sides.workspace.path("published"));
        let ran = limited(&sides.workspace, bytes, "apply");
        clean("apply", &ran);
        assert!(ran.code() == 0 || ran.code() == 1, "{bytes}: {ran}");
        failed += usize::from(ran.code() == 1);
        whole(&sides.workspace.path("published"));
        assert!(ran.code() == 0 || sides.at_destination("web", "1.0.0").is_none(), "{bytes}: {ran}");
        sides.workspace.run("apply").ok();
        whole(&sides.workspace.path("published"));
        sides.workspace.run("verify").ok();
    }
    assert!(failed >= 5, "{failed}");
}

/// The cache is best effort: where it cannot be written everything is done all the same.
#[test]
fn a_cache_without_room_costs_time_alone() {
    let one = One::new();
    for bytes in [0, 1, 100, 300] {
        one.reset();
        let ran = limited(&one.workspace, bytes, "apply").ok();
        one.converges("a cache without room", &ran);
    }
}

/// A real file system without room: some pages for everything, from none on until they are enough.
#[test]
fn a_file_system_without_room_is_told_and_nothing_is_half_there() {
    let sides = Sides::pinned(&["1.0.0"]);
    let (room, kept) = (sides.workspace.path("published"), sides.workspace.path("../kept"));
    std::fs::create_dir_all(&room).unwrap();
    // The mount is this command's alone; what lies there is copied out before it goes.
    let script = |pages: usize| {
        let (room, kept) = (room.display(), kept.display());
        format!(
            "unshare --mount bash -c 'mount -t tmpfs -o size={}k none {room} && \"$@\"; code=$?; cp -a {room}/. {kept}; exit $code' bash \"$@\"",
            4 * pages
        )
    };
    let mut told = 0;
    for pages in 1.. {
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).unwrap();
        let ran = run(&mut within(&sides.workspace, &script(pages), "apply"));
        if ran.stderr().contains("ermission denied") || ran.stderr().contains("not permitted") {
            crate::support::tools::leave_out("nothing may be mounted here");
            return;
        }
        clean("apply", &ran);
        whole(&kept);
        if ran.code() == 0 {
            break;
        }
        told += usize::from(ran.exits(1).said().contains("No space left on device"));
        // With room again the work is ended from there.
        let _ = std::fs::remove_dir_all(&room);
        copy_folder(&kept, &room);
        sides.workspace.run("apply").ok();
        whole(&room);
        sides.workspace.run("verify").ok();
        std::fs::remove_dir_all(&room).unwrap();
        std::fs::create_dir_all(&room).unwrap();
    }
    assert!(told >= 3, "{told}");
}

/// From too few to begin with to enough for everything: no panic, no hang, and nothing published that is not right.
#[test]
fn file_descriptors_that_run_out_are_told() {
    let twenty = Twenty::new();
    let mut failed = 0;
    for most in [4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 32, 48] {
        twenty.reset();
        twenty.pinned();
        let clock = Clock::off_by(0);
        let mut command = within(&twenty.workspace, &format!("ulimit -n {most}; exec \"$@\""), "apply");
        let running = spawn(command.env("LD_PRELOAD", clock.preloaded()));
        clock.hurry();
        let ran = running.wait();
        if ran.code() == 127 {
            continue; // Not even the program itself could be loaded.
        }
        clean(&format!("{most} descriptors"), &ran);
        assert!([0, 1, 4].contains(&ran.code()), "{most}: {ran}");
        failed += usize::from(ran.code() != 0);
        let store = twenty.destination.store().clone();
        for ((_, tag), digest) in &store.tags {
            assert_eq!(tag, "1.0.0");
            assert!((0..20).any(|at| crate::hostile::image(at).digest() == *digest), "{most}: {ran}");
        }
        twenty.workspace.run("apply").ok();
        twenty.published(&format!("{most} descriptors"), |_| true);
    }
    assert!(failed >= 3, "{failed}");
}

/// At each request in turn the time of day becomes another: by a minute, a day, ten years, there and back.
#[test]
fn a_clock_that_jumps_changes_nothing() {
    const YEARS: i64 = 10 * 365 * 86400;
    let one = One::signed();
    one.workspace.log_in(&[one.destination.host()]);
    for leap in [YEARS, -YEARS, 86400, -90] {
        for at in 0.. {
            one.reset();
            let clock = Arc::new(Clock::off_by(0));
            let (seen, leaps) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&clock));
            let counter = Arc::clone(&seen);
            let realm = format!("http://{}/token", one.destination.host());
            let busy = AtomicUsize::new(0);
            one.destination.answer(move |asked, store| {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                if number == at * 5 {
                    leaps.leap(leap);
                }
                if asked.path == "/token" {
                    return Reply::new(200).body(r#"{"token":"t","expires_in":60}"#);
                }
                if asked.header("authorization").is_none() {
                    return Reply::new(401).with("www-authenticate", format!("Bearer realm=\"{realm}\""));
                }
                // Busy for a moment, twice, which is a length of time and not a time of day.
                if asked.writes() && busy.fetch_add(1, Ordering::SeqCst) < 2 {
                    return Reply::new(429).with("retry-after", "0");
                }
                store.serve(asked)
            });
            let ran = run(one.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply")).ok();
            let tokens = one.destination.take().iter().filter(|asked| asked.is("GET token")).count();
            assert_eq!(tokens, 1, "a token's life is no time of day: {leap} at {at}: {ran}");
            one.converges(&format!("{leap} at {at}"), &ran);
            if seen.load(Ordering::SeqCst) <= at * 5 {
                assert!(at >= 3, "{at}");
                break;
            }
        }
    }
}

/// A date to come back at is one of the registry's clock. Ours being off by years makes it nonsense: no longer a wait than the
/// longest, and no hang.
#[test]
fn a_date_to_come_back_at_is_bounded_whatever_the_clock_says() {
    let one = One::new();
    for (off, code) in [(10 * 365 * 86400, 0), (-10 * 365 * 86400, 1)] {
        one.reset();
        let busy = AtomicUsize::new(0);
        one.source.answer(move |asked, store| {
            if busy.fetch_add(1, Ordering::SeqCst) < 2 {
                let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
                return Reply::new(429).with("retry-after", httpdate::fmt_http_date(soon));
            }
            store.serve(asked)
        });
        let clock = Clock::off_by(off);
        let ran = run(one.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply")).exits(code);
        one.converges(&format!("a clock off by {off}"), &ran);
    }
}
