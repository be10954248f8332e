//! `outdated`: what upstream has that no manifest declares.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::sides::{Served, Sides};
use crate::support::workspace::unsigned;

fn json(stdout: &[u8]) -> Value {
    serde_json::from_slice(stdout).unwrap()
}

#[test]
fn newer_versions_of_each_mirror_are_told_with_the_command_that_adds_them() {
    let sides = Sides::new();
    for version in ["1.0.0", "1.1.0", "1.2.0-rc.1", "0.9.0"] {
        sides.upstream("web", version, "");
    }
    sides.upstream("api", "2.0.0", "");
    sides.mirror("web", &["0.9.0", "1.0.0"]);
    sides.mirror("api", &["2.0.0"]);
    let ran = sides.workspace.run("outdated").ok();
    let said = ran.stdout();
    for words in
        ["u outdated  web", "1.0.0 is the newest in mirrors/web.yaml", "chartsync add web@1.1.0", "1 mirror is behind"]
    {
        assert!(said.contains(words), "no {words:?} in {ran}");
    }
    assert!(!said.contains("rc.1") && !said.contains("outdated  api"), "{ran}");
    sides.workspace.run("outdated --pre").ok().says("1.2.0-rc.1, 1.1.0").says("chartsync add web@1.2.0-rc.1");
    sides.workspace.run("outdated --chart api").ok().says("1 mirror has nothing newer upstream");
    sides.workspace.run("outdated --chart nope").exits(1).says("did you mean");
    let told = json(&sides.workspace.run("outdated --format json --pre").ok().stdout);
    assert_eq!((&told["kind"], &told["prereleases"]), (&"outdated".into(), &true.into()));
    assert_eq!(told["mirrors"][0]["newer"], json!([]));
    assert_eq!(told["mirrors"][1]["newer"], json!(["1.2.0-rc.1", "1.1.0"]));
    assert_eq!(told["mirrors"][1]["newest"], "1.0.0");
    assert_eq!(told["mirrors"][1]["add"], "chartsync add web@1.2.0-rc.1");
}

/// A mirror of two lines: the older one's patches are told beside what is newer at all.
#[test]
fn patches_of_an_older_line_are_told_with_the_command_that_adds_them() {
    let sides = Sides::new();
    for version in ["1.15.5", "1.15.7", "1.15.8", "1.16.0", "1.16.1"] {
        sides.upstream("web", version, "");
    }
    sides.mirror("web", &["1.15.5", "1.16.0"]);
    let ran = sides.workspace.run("outdated").ok();
    let expect = "    upstream: 1.16.1\n    next: `chartsync add web@1.16.1`\n    patches: 1.15.8, 1.15.7 for 1.15.5\n    next: `chartsync add web@1.15.8`\n";
    assert!(ran.stdout().contains(expect), "{ran}");
    let told = json(&sides.workspace.run("outdated --format json").ok().stdout);
    let patches = json!([{"declared": "1.15.5", "newer": ["1.15.8", "1.15.7"], "add": "chartsync add web@1.15.8"}]);
    assert_eq!(told["mirrors"][0]["patches"], patches);
    sides.workspace.run("add web@1.15.8 web@1.16.1").ok();
    sides.workspace.run("outdated").ok().says("1 mirror has nothing newer upstream");
}

#[test]
fn many_newer_versions_are_bounded_for_people_and_whole_for_programs() {
    let sides = Sides::pinned(&["1.0.0"]);
    for minor in 1..=20 {
        sides.upstream("web", &format!("1.{minor}.0"), "");
    }
    let ran = sides.workspace.run("outdated").ok().says("1.20.0, 1.19.0, 1.18.0, 1.17.0, 1.16.0, 1.15.0 and 14 more");
    assert!(!ran.stdout().contains("1.14.0"), "{ran}");
    let told = json(&sides.workspace.run("outdated --format json").ok().stdout);
    assert_eq!(told["mirrors"][0]["newer"].as_array().unwrap().len(), 20);
}

/// A server that lists tags on two pages.
#[test]
fn lists_of_several_pages_are_read_to_their_end() {
    let (mut sides, served) = (Sides::new(), Served::start());
    sides.workspace = sides.workspace.plain_http(&served.host());
    sides.mirror_from("web", &served.repository("charts/web"), &["1.0.0"], &unsigned());
    let pages = std::sync::atomic::AtomicUsize::new(0);
    served.front.set_fault(move |_, path| {
        if !path.ends_with("/tags/list") {
            return Some(StatusCode::OK.into_response());
        }
        let first = pages.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2);
        let tags = if first { json!(["1.0.0", "1.1.0", "sha256-0", "latest"]) } else { json!(["1.2.0"]) };
        let mut answer = Response::builder().header("content-type", "application/json");
        if first {
            answer = answer.header("link", "</v2/charts/web/tags/list?last=1.1.0>; rel=\"next\"");
        }
        Some(answer.body(Body::from(json!({"name": "charts/web", "tags": tags}).to_string())).unwrap())
    });
    sides.workspace.run("outdated").ok().says("upstream: 1.2.0, 1.1.0\n");
}

#[test]
fn a_source_that_cannot_be_asked_does_not_silence_the_others() {
    let (mut sides, served) = (Sides::pinned(&["1.0.0"]), Served::start());
    sides.upstream("web", "1.1.0", "");
    sides.workspace = sides.workspace.plain_http(&served.host());
    sides.mirror_from("api", &served.repository("charts/api"), &["1.0.0"], &unsigned());
    served.answer(|| (StatusCode::FORBIDDEN, "\u{1b}[31mgo away").into_response());
    let ran = sides.workspace.run("outdated").exits(1);
    for words in [
        "u outdated  web",
        "E not asked  api",
        "at mirrors/api.yaml",
        "1 mirror is behind, 1 mirror could not be asked",
    ] {
        assert!(ran.stdout().contains(words), "no {words:?} in {ran}");
    }
    assert!(!ran.stdout().contains('\u{1b}'), "{ran}");
    let told = json(&sides.workspace.run("outdated --format json").exits(1).stdout);
    assert_eq!((&told["mirrors"][0]["newer"], &told["mirrors"][0]["add"]), (&Value::Null, &Value::Null));
    assert!(told["mirrors"][0]["error"].as_str().unwrap().contains("access denied"));
    assert_eq!(told["mirrors"][1]["newer"], json!(["1.1.0"]));
}
