//! Where two rules meet: what is printed and what is read, what is asked and what is promised.

use crate::sides::{PUBLISH, SOURCE, Served, Sides, blocks, field};
use crate::support::images::{Image, name};
use crate::support::pgp::Key;

#[test]
fn a_renamed_pin_that_cannot_be_taken_anew_is_not_lost() {
    let sides = Sides::pinned(&["1.0.0"]);
    let trust = sides.workspace.signed_by(&sides.key);
    let destination = format!("{PUBLISH}/apps/web");
    sides.workspace.mirror("web", &format!("{SOURCE}/web"), &destination, &["1.0.0"], &trust);
    name(&sides.source_folder("web"), "1.0.0", None);
    sides.leaves_lockfile("lock --repin web@1.0.0").exits(1).says(&format!("{destination}:1.0.0"));
}

#[test]
fn a_lockfile_that_cannot_be_written_is_an_error_that_names_it() {
    let sides = Sides::new();
    sides.upstream("web", "1.0.0", "");
    sides.mirror("web", &["1.0.0"]);
    // Something that is no file stands in its place.
    std::fs::create_dir(sides.workspace.path("mirrors.lock")).unwrap();
    sides.workspace.run("lock").exits(1).says("mirrors.lock");
    let left: Vec<_> = std::fs::read_dir(sides.workspace.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{left:?}");
}

/// What a plan has not seen, the plan cannot promise.
#[test]
fn a_plan_that_is_filtered_offline_or_failed_does_not_say_that_all_is_well() {
    let served = Served::start();
    let mut sides = Sides::published().0;
    served.put("charts/api", "1.0.0", &Image::chart("api", "1.0.0", "", Some(&sides.key)));
    let well = "safe to merge? as far as registries tell, yes";
    sides.workspace.run("plan").ok().says(well);
    for words in ["plan --chart web", "plan --only mirrors", "plan --offline"] {
        let ran = sides.workspace.run(words).ok();
        assert!(!ran.said().contains(well), "{ran}");
        let json: serde_json::Value =
            serde_json::from_slice(&sides.workspace.run(&format!("{words} --format json")).ok().stdout).unwrap();
        assert_eq!(json["all-is-well"], false, "{words}");
    }
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("api", &served.repository("charts/api"), &["1.0.0"], &trust);
    let stale = sides.workspace.run("plan").exits(3);
    assert!(!stale.said().contains(well), "{stale}");
    sides.workspace.run("lock").ok();
    served.answer(|| axum::response::IntoResponse::into_response(axum::http::StatusCode::FORBIDDEN));
    let failed = sides.workspace.run("plan").exits(1);
    assert!(!failed.said().contains(well), "{failed}");
}

#[test]
fn sources_are_asked_only_where_the_answer_matters() {
    let served = Served::start();
    let mut sides = Sides::new();
    served.put("charts/web", "1.0.0", &Image::chart("web", "1.0.0", "", Some(&sides.key)));
    sides.workspace = sides.workspace.plain_http(&served.host());
    let trust = sides.workspace.signed_by(&sides.key);
    sides.mirror_from("web", &served.repository("charts/web"), &["1.0.0"], &trust);
    sides.workspace.run("lock").ok();
    let asked = |words: &str| {
        served.front.take();
        let ran = sides.workspace.run(words).ok();
        let counts = served.front.take_counts();
        assert!(counts.iter().all(|(what, _)| what == "GET base" || what == "HEAD tag"), "{counts:?}: {ran}");
        counts.iter().find(|(what, _)| what == "HEAD tag").map_or(0, |(_, times)| *times)
    };
    // Not yet published, its blobs in the cache.
    assert_eq!(asked("plan"), 1);
    assert_eq!(asked("plan --offline"), 0);
    sides.workspace.run("apply").ok();
    assert_eq!(asked("plan"), 0);
    assert_eq!(asked("apply"), 0);
    assert_eq!(asked("verify"), 0);
    assert_eq!(asked("plan --drift"), 1);
}

/// The entry in what a refusal prints, with a reason.
#[track_caller]
fn entry(said: &str) -> String {
    let block = said.split("[[accept]]").nth(1).unwrap_or_else(|| panic!("no entry in {said}"));
    let lines: Vec<_> = block.lines().map(str::trim).skip(1).take(4).collect();
    assert!(lines[3].starts_with("reason = \"\""), "{lines:?}");
    format!("[[accept]]\n{}\nreason = \"reviewed\"", lines[..3].join("\n"))
}

/// Brings a workspace with a pin into a state that is refused.
type Prepare = fn(&Sides, &Key);

/// Whatever can be accepted prints the entry that accepts it, and nothing less does.
#[test]
fn a_printed_entry_can_be_pasted() {
    let expired = Key::expired("Past <past@example.org>");
    let cases: [(&str, &str, Prepare); 5] = [
        ("moved", "apply", |sides, _| drop(sides.upstream("web", "1.0.0", "released again"))),
        ("gone", "apply", |sides, _| name(&sides.source_folder("web"), "1.0.0", None)),
        ("replace", "apply", |sides, _| {
            Image::chart("web", "1.0.0", "another hand", None).put(&sides.published_folder("web"), "1.0.0");
        }),
        ("unsigned", "lock", |sides, _| {
            std::fs::remove_file(sides.workspace.path("mirrors.lock")).unwrap();
            sides.upstream_by("web", "1.0.0", "", None);
        }),
        ("expired-key", "lock", |sides, expired| {
            std::fs::remove_file(sides.workspace.path("mirrors.lock")).unwrap();
            sides.upstream_by("web", "1.0.0", "", Some(expired));
            sides.mirror_trusting("web", &["1.0.0"], &sides.workspace.signed_by(expired));
        }),
    ];
    for (finding, command, prepare) in cases {
        let mut sides = Sides::pinned(&["1.0.0"]);
        prepare(&sides, &expired);
        let refused = sides.workspace.run(command).refused();
        let entry = entry(&refused.stdout());
        assert!(entry.contains(&format!("finding = \"{finding}\"")), "{refused}");
        let before = sides.workspace.read("chartsync.toml");
        // Without a reason it is none.
        sides.workspace.write("chartsync.toml", format!("{before}\n{}", entry.replace("reviewed", "")));
        sides.workspace.run(command).exits(1).says("reason");
        sides.workspace.write("chartsync.toml", &before);
        sides.workspace.add_settings(&entry);
        sides.workspace.run(command).ok();
        sides.workspace.run("apply").ok();
        let pinned = field(&blocks(&sides.lockfile())[0], "digest");
        assert_eq!(sides.at_destination("web", "1.0.0"), Some(pinned), "{finding}");
    }
}

#[test]
fn an_exception_that_nothing_needs_is_a_note_of_a_whole_plan() {
    let (mut sides, _) = Sides::published();
    let digest = format!("sha256:{:064}", 7);
    for (finding, reference) in [("moved", "web:1.0.0"), ("replace", "web:1.0.0"), ("gone", "api:1.0.0")] {
        sides.accept(finding, reference, &digest);
    }
    let ran = sides.workspace.run("plan --detailed-exitcode").ok();
    assert_eq!(ran.said().matches("i unneeded").count(), 3, "{ran}");
    for words in ["plan --offline", "plan --chart web"] {
        let ran = sides.workspace.run(words).ok();
        assert!(!ran.said().contains("unneeded"), "{ran}");
    }
}

#[test]
fn a_plan_with_more_questions_than_apply_asks_still_holds() {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.workspace.run("apply --chart web@1.0.0").ok();
    sides.workspace.run("plan --drift --out p.json").ok();
    sides.workspace.run("apply p.json").ok();
    assert!(sides.at_destination("web", "1.1.0").is_some());
}
