//! Rows of the plan that need a bad day, an exception that was taken back, or a stranger's eyes; and what a run amounts to.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::sides::{PUBLISH, Served, Sides};
use crate::support::images::{Image, name};
use crate::support::pgp::Key;
use crate::support::process::spawn;
use crate::support::workspace::Workspace;

#[test]
fn an_expired_key_withholds_an_old_pin_that_is_not_published() {
    let mut sides = Sides::new();
    let expired = Key::expired("Past <past@example.org>");
    let image = sides.upstream_by("web", "1.0.0", "", Some(&expired));
    sides.mirror_trusting("web", &["1.0.0"], &sides.workspace.signed_by(&expired));
    let strict = sides.workspace.read("chartsync.toml");
    sides.accept("expired-key", "web:1.0.0", &image.digest());
    sides.workspace.run("lock").ok();
    let lenient = sides.workspace.read("chartsync.toml");

    sides.workspace.write("chartsync.toml", &strict);
    let reference = format!("reference = \"{PUBLISH}/web:1.0.0\"");
    for words in ["plan", "apply"] {
        let ran = sides.workspace.run(words).exits(4).says("! expired-key").says(&expired.fingerprint());
        ran.says("finding = \"expired-key\"").says(&reference).says(&format!("digest = \"{}\"", image.digest()));
        assert_eq!(sides.at_destination("web", "1.0.0"), None);
    }
    // An exception for other bytes is none.
    sides.workspace.write("chartsync.toml", lenient.replace(&image.digest(), &format!("sha256:{:064}", 7)));
    sides.workspace.run("apply").exits(4).says("! expired-key");
    sides.workspace.write("chartsync.toml", &lenient);
    sides.workspace.run("apply").ok();
    assert_eq!(sides.at_destination("web", "1.0.0"), Some(image.digest()));
    // What is published was signed while the key was valid.
    sides.workspace.write("chartsync.toml", &strict);
    sides.workspace.run("plan --detailed-exitcode").ok();
    sides.workspace.run("verify").ok();
}

/// `web` 1.0.0 from a registry over http, pinned and published to a layout.
fn published_from(served: &Served) -> Sides {
    let mut sides = Sides::new();
    served.put("charts/web", "1.0.0", &Image::chart("web", "1.0.0", "", Some(&sides.key)));
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("web", &served.repository("charts/web"), &["1.0.0"], &trust);
    sides.workspace.run("lock").ok();
    sides.workspace.run("apply").ok();
    sides
}

fn forbidden() -> Response {
    StatusCode::FORBIDDEN.into_response()
}

#[test]
fn drift_of_a_source_behind_a_published_chart_is_a_warning() {
    let served = Served::start();
    let sides = published_from(&served);
    let other = Image::chart("web", "1.0.0", "released again", Some(&sides.key));
    let check = |words: &str| {
        // Only who asks is told, and nothing is to be done.
        sides.workspace.run("plan --detailed-exitcode").ok();
        let ran = sides.workspace.run("plan --drift --detailed-exitcode").ok();
        ran.says(&format!("u upstream  {PUBLISH}/web:1.0.0")).says(words);
    };
    let quiet = sides.workspace.run("plan --drift").ok();
    assert!(!quiet.said().contains("u upstream"), "{quiet}");
    served.put("charts/web", "1.0.0", &other);
    check(&other.digest());
    served.answer(|| StatusCode::NOT_FOUND.into_response());
    check("gone");
    served.answer(forbidden);
    check("could not be asked");
    check("next: run again");
}

#[test]
fn tags_that_nothing_declares_are_notes_under_drift() {
    let (sides, image) = Sides::published();
    let layout = sides.published_folder("web");
    image_again(&sides).put(&layout, "0.1.0");
    let referrers = format!("sha256-{}", image.digest().trim_start_matches("sha256:"));
    for tag in [&referrers, &format!("{referrers}.sig")] {
        name(&layout, tag, Some(&image.manifest));
    }
    let quiet = sides.workspace.run("plan --detailed-exitcode").ok();
    assert!(!quiet.said().contains("orphan"), "{quiet}");
    let ran = sides.workspace.run("plan --drift --detailed-exitcode").ok();
    assert_eq!(ran.said().matches("- orphan").count(), 1, "{ran}");
    let ran =
        ran.says(&format!("- orphan  {PUBLISH}/web:0.1.0")).says("next: declare it, or find out who published it");
    ran.says("as reviewed? yes, with the findings below: the tag of 1 chart names what was reviewed; nothing declares 1 other tag there");
}

fn image_again(sides: &Sides) -> Image {
    Image::chart("web", "0.1.0", "", Some(&sides.key))
}

#[test]
fn a_destination_that_only_its_friends_see_is_a_note_to_plan_and_an_error_to_apply() {
    let served = Served::start();
    served.answer(|| (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"friends\"")]).into_response());
    let workspace =
        Workspace::new(&served.repository("platform")).plain_http(&served.host()).layout("upstream.example", "up");
    let key = Key::new("Releases <releases@example.org>");
    Image::chart("web", "1.0.0", "", Some(&key)).put(&workspace.path("up/web"), "1.0.0");
    let trust = workspace.signed_by(&key);
    let destination = served.repository("platform/web");
    workspace.mirror("web", "upstream.example/web", &destination, &["1.0.0"], &trust);
    workspace.run("lock").ok();
    let planned = workspace.run("plan --detailed-exitcode").ok().says(&format!("~ unseen  {destination}:1.0.0"));
    assert!(!planned.said().contains("nothing to do"), "{planned}");
    workspace.run("apply").exits(1).says("credential").says(&format!("{destination}:1.0.0"));
    // With a credential, the same answer means that something is wrong.
    workspace.log_in(&[served.host()]);
    workspace.run("plan").exits(1).says(&destination);
}

/// Of what a run amounts to, the first of error, withheld, stale and changes is its exit status.
#[test]
fn exit_statuses_have_an_order() {
    let served = Served::start();
    let mut sides = Sides::new();
    served.put("charts/failing", "1.0.0", &Image::chart("failing", "1.0.0", "", Some(&sides.key)));
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("failing", &served.repository("charts/failing"), &["1.0.0"], &trust);
    for chart in ["moved", "ready"] {
        sides.upstream(chart, "1.0.0", "");
        sides.mirror(chart, &["1.0.0"]);
    }
    sides.workspace.run("lock").ok();
    sides.upstream("moved", "1.0.0", "released again");
    served.answer(forbidden);
    sides.mirror("unpinned", &["1.0.0"]);

    // In the order of their weight; each set of charts exits as its first does.
    let charts = [("failing", 1), ("moved", 4), ("unpinned", 3), ("ready", 2)];
    let selected = |mask: usize| -> Vec<(&str, i32)> {
        charts.into_iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, chart)| chart).collect()
    };
    let run = |command: &str, some: &[(&str, i32)], exit: i32| {
        let words = some.iter().fold(command.to_owned(), |words, (chart, _)| words + " --chart " + chart);
        sides.workspace.run(&words).exits(exit);
    };
    for some in (1..16).map(selected) {
        run("plan --detailed-exitcode", &some, some[0].1);
    }
    // Without the flag changes are no news; an apply that made them is done.
    run("plan", &charts[3..], 0);
    for some in [&charts[..3], &charts[1..3], &charts[2..3]] {
        run("apply", some, some[0].1);
    }
    assert_eq!(sides.at_destination("ready", "1.0.0"), None);
    sides.workspace.run("apply").exits(1);
    assert!(sides.at_destination("ready", "1.0.0").is_some());
    for chart in ["failing", "moved", "unpinned"] {
        assert_eq!(sides.at_destination(chart, "1.0.0"), None);
    }
    run("plan --detailed-exitcode", &charts[3..], 0);
}

/// What another `apply` has published meanwhile is no drift when it is what is pinned.
#[test]
fn our_own_digest_written_by_another_meanwhile_is_no_drift() {
    let served = Served::start();
    let mut sides = Sides::new();
    let image = Image::chart("web", "1.0.0", "", Some(&sides.key));
    served.put("charts/web", "1.0.0", &image);
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("web", &served.repository("charts/web"), &["1.0.0"], &trust);
    sides.workspace.run("lock").ok();
    sides.workspace.forget_cache();
    // The destination has been seen without the tag once the first blob is fetched.
    let held = served.hold("/blobs/");
    let running = spawn(sides.workspace.command().arg("apply"));
    held.wait();
    image.put(&sides.published_folder("web"), "1.0.0");
    drop(held);
    let ran = running.wait().ok();
    assert!(!ran.said().contains("drift"), "{ran}");
    assert_eq!(sides.at_destination("web", "1.0.0"), Some(image.digest()));
    sides.workspace.run("plan --detailed-exitcode").ok();
}
