//! What `lock` keeps, carries, replaces and drops, and that nothing is lost when it cannot do its work.

use crate::sides::{PUBLISH, SOURCE, Served, Sides, blocks, copy_folder, field};
use crate::support::images::{Image, name};
use crate::support::pgp::Key;
use crate::support::process::spawn;

const MOVED_TO: &str = "charts.example/platform/apps/web";

/// `web` with two pins, and its manifest's destination renamed since.
fn renamed() -> Sides {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    let trust = sides.workspace.signed_by(&sides.key);
    sides.workspace.mirror("web", &format!("{SOURCE}/web"), MOVED_TO, &["1.0.0", "1.1.0"], &trust);
    sides
}

#[test]
fn a_renamed_destination_carries_its_pins() {
    let sides = renamed();
    // What is carried is what was reviewed, not what the tag names today.
    sides.upstream("web", "1.1.0", "released again");
    let carried = sides.lockfile().replace(&format!("{PUBLISH}/web"), MOVED_TO);
    let ran = sides.workspace.run("lock").ok();
    assert!(!ran.said().contains("dropped"), "{ran}");
    ran.says("destination renamed").says(&format!("{PUBLISH}/web:1.0.0")).says(&format!("{MOVED_TO}:1.1.0"));
    assert_eq!(sides.lockfile(), carried);
}

#[test]
fn a_destination_that_another_manifest_still_has_carries_nothing() {
    let sides = Sides::pinned(&["1.0.0"]);
    let other = sides.upstream("web", "1.0.0", "released again");
    let trust = sides.workspace.signed_by(&sides.key);
    sides.workspace.mirror("again", &format!("{SOURCE}/web"), MOVED_TO, &["1.0.0"], &trust);
    let before = blocks(&sides.lockfile());
    sides.workspace.run("lock").ok();
    let after = blocks(&sides.lockfile());
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[0]), "{after:?}");
    assert!(after.iter().any(|block| field(block, "digest") == other.digest()), "{after:?}");
}

#[test]
fn a_pin_that_cannot_be_carried_stays_where_it_is() {
    let sides = renamed();
    let upstream = sides.workspace.path("upstream");
    let away = sides.workspace.path("away");
    std::fs::rename(&upstream, &away).unwrap();
    sides.workspace.forget_cache();
    let ran = sides.leaves_lockfile("lock").exits(1).says(&format!("{MOVED_TO}:1.0.0"));
    assert!(!ran.said().contains("dropped"), "{ran}");
    ran.says(&format!("{MOVED_TO}:1.1.0")).says("2 kept").says("unchanged").says(&format!("{PUBLISH}/web:1.0.0"));
    std::fs::rename(&away, &upstream).unwrap();
    let carried = sides.lockfile().replace(&format!("{PUBLISH}/web"), MOVED_TO);
    sides.workspace.run("lock").ok();
    assert_eq!(sides.lockfile(), carried);
}

/// A new place is no way around the comparison of bytes and pin.
#[test]
fn a_pin_that_its_bytes_contradict_is_not_carried() {
    let sides = renamed();
    let told = sides.lockfile().replacen("\narchive-size = ", "\narchive-size = 9", 1);
    assert_ne!(told, sides.lockfile());
    sides.workspace.write("mirrors.lock", &told);
    let ran = sides.workspace.run("lock").exits(1).says("give another pin").says("--repin web@1.0.0");
    assert!(ran.said().contains(&format!("{MOVED_TO}:1.1.0")), "{ran}");
    assert_eq!(blocks(&sides.lockfile()).iter().filter(|block| block.contains(MOVED_TO)).count(), 1);
    assert!(blocks(&sides.lockfile()).contains(&blocks(&told)[0]), "{}", sides.lockfile());
}

#[test]
fn a_renamed_source_keeps_a_pin_only_with_the_same_digest() {
    let sides = Sides::pinned(&["1.0.0"]);
    let before = sides.lockfile();
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("web", "upstream.example/elsewhere/web", &["1.0.0"], &trust);
    // Not there at all.
    sides.leaves_lockfile("lock").exits(1).says("upstream.example/elsewhere/web:1.0.0");
    let elsewhere = sides.workspace.path("upstream/elsewhere/web");
    let other = Image::chart("web", "1.0.0", "of another house", Some(&sides.key));
    other.put(&elsewhere, "1.0.0");
    let ran = sides.leaves_lockfile("lock").exits(1).says(&other.digest());
    ran.says(&field(&before, "digest")).says("--repin web@1.0.0");
    sides.workspace.run("plan").exits(3);
    // The key signs anew each time: the same image is needed, not one of the same contents.
    copy_folder(&sides.source_folder("web"), &elsewhere);
    sides.workspace.run("lock").ok().says("source renamed");
    assert_eq!(sides.lockfile(), before.replace(&format!("{SOURCE}/web"), "upstream.example/elsewhere/web"));
}

#[test]
fn a_removed_version_drops_its_pin_and_says_what_that_means() {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    let kept = blocks(&sides.lockfile()).remove(1);
    sides.mirror("web", &["1.1.0"]);
    sides.workspace.run("validate").ok();
    sides.workspace.run("plan").ok().says(&format!("{PUBLISH}/web:1.0.0"));
    sides.workspace.run("lock").ok().says(&format!("{PUBLISH}/web:1.0.0@")).says("stays published, no longer audited");
    assert_eq!(blocks(&sides.lockfile()), [kept]);
}

#[test]
fn a_selector_leaves_everything_else() {
    let sides = Sides::new();
    for (chart, version) in [("api", "1.0.0"), ("api", "1.1.0"), ("web", "1.0.0"), ("web", "1.1.0"), ("web", "1.2.0")] {
        sides.upstream(chart, version, "");
    }
    sides.mirror("api", &["1.0.0"]);
    sides.mirror("web", &["1.0.0"]);
    sides.workspace.run("lock").ok();
    let before = blocks(&sides.lockfile());
    // One pin is to be dropped, two are to be made; only one is asked for.
    sides.mirror("api", &["1.1.0"]);
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    sides.workspace.run("lock --chart web@1.1.0").ok();
    let after = blocks(&sides.lockfile());
    let (old, new): (Vec<_>, Vec<_>) = after.iter().cloned().partition(|block| before.contains(block));
    assert_eq!(old, before);
    assert_eq!(new.iter().map(|block| field(block, "version")).collect::<Vec<_>>(), ["1.1.0"]);
    sides.workspace.run("lock --chart web").ok();
    let after = blocks(&sides.lockfile());
    assert_eq!(after.len(), 4);
    assert_eq!(after[0], before[0]);
    // A selected version that cannot be pinned is that command's failure, one that is not selected is none.
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0", "9.9.9"]);
    sides.leaves_lockfile("lock --chart web@1.1.0").ok();
    sides.leaves_lockfile("lock --chart web").exits(1).says("9.9.9");
}

#[test]
fn the_second_lock_waits_for_its_turn() {
    let (sides, served) = (Sides::pinned(&["1.0.0"]), Served::start());
    let before = blocks(&sides.lockfile());
    let (sides, image) = with_served(sides, &served);
    let held = served.hold("/manifests/");
    let first = spawn(sides.workspace.command().arg("lock"));
    held.wait();
    sides.leaves_lockfile("lock").exits(1).says("another `chartsync lock`").says("wait");
    drop(held);
    first.wait().ok();
    let after = blocks(&sides.lockfile());
    assert_eq!(after.len(), 2);
    assert_eq!(field(&after[0], "digest"), image.digest());
    assert_eq!(after[1], before[0]);
    sides.workspace.run("lock").ok();
}

/// A mirror `api` beside the others, whose source speaks http.
fn with_served(mut sides: Sides, served: &Served) -> (Sides, Image) {
    let image = Image::chart("api", "1.0.0", "", Some(&sides.key));
    served.put("charts/api", "1.0.0", &image);
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("api", &served.repository("charts/api"), &["1.0.0"], &trust);
    (sides, image)
}

#[test]
fn an_interrupted_lock_writes_nothing() {
    for signal in ["INT", "TERM"] {
        for part in ["/manifests/", "/blobs/"] {
            let served = Served::start();
            let (sides, _) = with_served(Sides::new(), &served);
            sides.upstream("web", "1.0.0", "");
            sides.mirror("web", &["1.0.0"]);
            let held = served.hold(part);
            let running = spawn(sides.workspace.command().arg("lock"));
            held.wait();
            running.signal(signal);
            running.wait().exits(1).says("nothing was written");
            assert!(!sides.workspace.path("mirrors.lock").exists(), "SIG{signal} at {part}");
            drop(held);
            sides.workspace.run("lock").ok();
            assert_eq!(blocks(&sides.lockfile()).len(), 2);
        }
    }
}

#[test]
fn a_failed_lock_keeps_every_pin_that_it_could_make() {
    let sides = Sides::pinned(&["1.0.0"]);
    let before = blocks(&sides.lockfile());
    for chart in ["api", "worker"] {
        sides.upstream(chart, "1.0.0", "");
        sides.mirror(chart, &["1.0.0"]);
    }
    let stranger = Key::new("Stranger <stranger@example.org>");
    sides.upstream_by("web", "1.1.0", "", Some(&stranger));
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    let ran = sides.workspace.run("lock").exits(1);
    // Both failures, each with its line of the manifest.
    for said in
        ["web:1.1.0", "web:1.2.0", "mirrors/web.yaml:8", "    8 |   - 1.1.0\n      |     ^\n", "mirrors/web.yaml:9"]
    {
        assert!(ran.said().contains(said), "no {said:?} in {ran}");
    }
    let after = blocks(&sides.lockfile());
    let charts: Vec<_> = after.iter().map(|block| (field(block, "name"), field(block, "version"))).collect();
    let pinned = |name: &str| (name.to_owned(), "1.0.0".to_owned());
    assert_eq!(charts, [pinned("api"), pinned("web"), pinned("worker")]);
    assert_eq!(after[1], before[0]);
}

#[test]
fn repin_replaces_one_pin_and_says_what_it_was() {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    let before = blocks(&sides.lockfile());
    let other = sides.upstream("web", "1.0.0", "released again");
    sides.upstream("web", "1.1.0", "released again");
    for words in ["lock --repin web", "lock --repin web@", "lock --repin web@2.0.0", "lock --repin api@1.0.0"] {
        sides.leaves_lockfile(words).exits(1);
    }
    sides.leaves_lockfile("lock --repin web").says("version");
    let ran = sides.workspace.run("lock --repin web@1.0.0").ok();
    ran.says(&field(&before[0], "digest")).says(&other.digest());
    let after = blocks(&sides.lockfile());
    assert_eq!(field(&after[0], "digest"), other.digest());
    assert_eq!(after[1], before[1]);
    // What cannot be taken anew is not lost.
    name(&sides.source_folder("web"), "1.1.0", None);
    sides.leaves_lockfile("lock --repin web@1.1.0").exits(1).says("1.1.0");
}

#[test]
fn repin_of_the_only_version_is_refused_without_its_version() {
    let sides = Sides::pinned(&["1.0.0"]);
    sides.upstream("web", "1.0.0", "released again");
    sides.leaves_lockfile("lock --repin web").exits(1).says("version");
}
