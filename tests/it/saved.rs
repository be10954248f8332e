//! A saved plan: `apply` takes it only while everything that it rests on is as it was.

use std::fs;

use crate::sides::{PUBLISH, Sides};
use crate::support::images::{Image, name};
use crate::support::pgp::Key;

/// `web` 1.0.0 pinned and unpublished, `api` 1.0.0 published, and the plan of both saved.
fn planned() -> Sides {
    let sides = Sides::new();
    for chart in ["api", "web"] {
        sides.upstream(chart, "1.0.0", "");
        sides.mirror(chart, &["1.0.0"]);
    }
    sides.workspace.run("lock").ok();
    sides.workspace.run("apply --chart api").ok();
    sides.workspace.run("plan --out p.json").ok();
    sides.keep();
    sides
}

/// Asserts that apply refuses the plan with these words after this was done, and writes nothing.
#[track_caller]
fn refuses(sides: &Sides, what: impl Fn(&Sides), words: &[&str]) {
    sides.restore();
    what(sides);
    let before = (sides.at_destination("web", "1.0.0"), sides.at_destination("api", "1.0.0"));
    let ran = sides.workspace.run("apply p.json").refused().says("stale").says("nothing was written");
    for words in words {
        assert!(ran.said().contains(words), "no {words:?} in {ran}");
    }
    assert_eq!((sides.at_destination("web", "1.0.0"), sides.at_destination("api", "1.0.0")), before, "{ran}");
}

#[test]
fn a_plan_that_still_holds_is_applied_once() {
    let sides = planned();
    sides.workspace.run("apply p.json").ok();
    assert!(sides.at_destination("web", "1.0.0").is_some());
    // Now the destination is no longer what the plan saw.
    sides.workspace.run("apply p.json").refused().says(&format!("{PUBLISH}/web:1.0.0"));
}

#[test]
fn a_registry_that_moved_makes_it_stale() {
    let sides = planned();
    let web = format!("{PUBLISH}/web:1.0.0");
    let other = |sides: &Sides, chart: &str| Image::chart(chart, "1.0.0", "another", Some(&sides.key));
    refuses(&sides, |sides| other(sides, "web").put(&sides.source_folder("web"), "1.0.0"), &[&web, "source"]);
    refuses(&sides, |sides| name(&sides.source_folder("web"), "1.0.0", None), &[&web, "source"]);
    refuses(&sides, |sides| other(sides, "web").put(&sides.published_folder("web"), "1.0.0"), &[&web, "destination"]);
    let published = |sides: &Sides| {
        sides.workspace.run("apply --chart web").ok();
    };
    refuses(&sides, published, &[&web, "destination", "absent"]);
    // What needed no change counts as well.
    let api = format!("{PUBLISH}/api:1.0.0");
    refuses(&sides, |sides| name(&sides.published_folder("api"), "1.0.0", None), &[&api, "destination"]);
}

#[test]
fn a_file_of_the_workspace_that_changed_makes_it_stale() {
    let sides = planned();
    let append = |sides: &Sides, file: &str| {
        let text = sides.workspace.read(file);
        sides.workspace.write(file, text + "\n# one more line\n");
    };
    for file in ["mirrors.lock", "mirrors/web.yaml", "chartsync.toml"] {
        refuses(&sides, |sides| append(sides, file), &[file]);
    }
    let keyring = |sides: &Sides| format!("keyrings/{}.gpg", sides.key.fingerprint());
    let other = Key::new("Someone <someone@example.org>");
    let extend = |sides: &Sides| {
        sides.workspace.write(&keyring(sides), [sides.key.public(), other.public()].concat());
        sides.workspace.run("lock --refresh-keyring web --refresh-keyring api").ok();
    };
    refuses(&sides, extend, &["keyrings/", "mirrors.lock"]);
    refuses(&sides, |sides| sides.mirror("new", &["1.0.0"]), &["mirrors/new.yaml", &format!("{PUBLISH}/new:1.0.0")]);
    let remove = |sides: &Sides| fs::remove_file(sides.workspace.path("mirrors/api.yaml")).unwrap();
    refuses(&sides, remove, &["mirrors/api.yaml", &format!("{PUBLISH}/api:1.0.0")]);
}

#[test]
fn a_file_that_is_no_plan_is_refused() {
    let sides = planned();
    let plan = sides.workspace.read("p.json");
    let garbage = [
        ("empty", String::new()),
        ("words", "no plan".to_owned()),
        ("object", "{}".to_owned()),
        ("half", plan[..plan.len() / 2].to_owned()),
        ("list", "[]".to_owned()),
        ("lockfile", sides.lockfile()),
    ];
    for (what, text) in garbage {
        sides.workspace.write("garbage.json", text);
        let ran = sides.workspace.run("apply garbage.json").exits(1).says("garbage.json");
        assert_eq!(sides.at_destination("web", "1.0.0"), None, "{what}: {ran}");
    }
    sides.workspace.run("apply absent.json").exits(1).says("absent.json");
}

#[test]
fn a_plan_of_some_charts_is_applied_to_the_same() {
    let sides = planned();
    sides.workspace.run("plan --chart web --out some.json").ok();
    sides.workspace.run("apply some.json").refused().says(&format!("{PUBLISH}/api:1.0.0"));
    assert_eq!(sides.at_destination("web", "1.0.0"), None);
    sides.workspace.run("apply some.json --chart web").ok();
    assert!(sides.at_destination("web", "1.0.0").is_some());
}

/// A plan that asked nobody was no review of what is there.
#[test]
fn a_plan_made_offline_is_not_applied() {
    let sides = planned();
    sides.workspace.run("plan --offline --out offline.json").ok();
    sides.workspace.run("apply offline.json").refused().says("offline");
    assert_eq!(sides.at_destination("web", "1.0.0"), None);
}

/// Another chartsync may decide otherwise, and what is in no workspace is no input.
#[test]
fn a_plan_of_another_chartsync_is_stale() {
    let sides = planned();
    let of_another = |sides: &Sides| {
        let plan = sides.workspace.read("p.json");
        let tool = format!("\"tool\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(plan.contains(&tool));
        sides.workspace.write("p.json", plan.replace(&tool, "\"tool\": \"0.0.1\""));
    };
    refuses(&sides, of_another, &["it was made by chartsync 0.0.1, this is"]);
    sides.restore();
    sides.workspace.write("notes.txt", "nobody reads this");
    sides.workspace.run("apply p.json").ok();
}

/// A first-party chart's files, and the files that `[signing]` names, are what a plan rests on, too.
#[test]
fn a_file_of_a_first_party_chart_that_changed_makes_it_stale() {
    let sides = planned();
    let write = |sides: &Sides, text: &str| sides.workspace.write("charts/own/values.yaml", text);
    sides.workspace.write("charts/own/Chart.yaml", "apiVersion: v2\nname: own\nversion: 1.0.0\n");
    write(&sides, "a: 1\n");
    sides.workspace.run("plan --out p.json").ok();
    sides.keep();
    refuses(&sides, |sides| write(sides, "a: 2\n"), &["charts/own/values.yaml has other bytes now"]);
    let add = |sides: &Sides| sides.workspace.write("charts/own/README.md", "new");
    refuses(&sides, add, &["charts/own/README.md is new since"]);
    let remove = |sides: &Sides| fs::remove_dir_all(sides.workspace.path("charts/own")).unwrap();
    refuses(&sides, remove, &["charts/own/values.yaml is gone since", &format!("{PUBLISH}/own:1.0.0")]);
}

/// Whatever somebody writes into the file: it is refused, or what is reviewed is published, and nothing else.
#[test]
fn a_forged_plan_publishes_nothing_that_was_not_reviewed() {
    let sides = planned();
    let reviewed = sides.image("web", "1.0.0").digest();
    let other = sides.upstream("evil", "1.0.0", "").digest();
    let plan = sides.workspace.read("p.json");
    let forgeries = [
        (reviewed.as_str(), other.as_str()),
        ("upstream.example/charts/web", "upstream.example/charts/evil"),
        ("\"state\": \"publish\"", "\"state\": \"replace\""),
        ("\"state\": \"unchanged\"", "\"state\": \"publish\""),
        ("\"destination-now\": \"absent\"", "\"destination-now\": \"pinned\""),
        ("\"destination-now\": \"absent\"", "\"destination-now\": \"not-asked\""),
        ("\"network\": \"online\"", "\"network\": \"offline\""),
        ("\"applyable\": true", "\"applyable\": false"),
        ("\"severity\": \"blocking\"", "\"severity\": \"note\""),
    ];
    sides.keep();
    for (from, to) in forgeries {
        sides.restore();
        sides.workspace.write("p.json", plan.replace(from, to));
        let ran = sides.workspace.run("apply p.json");
        let held = sides.at_destination("web", "1.0.0");
        assert!(held.is_none() || held == Some(reviewed.clone()), "{from} as {to}: {held:?} {ran}");
        assert_eq!(sides.at_destination("evil", "1.0.0"), None);
    }
}

/// Markdown comes from the JSON alone: what `render` makes of a saved plan is what `plan` printed.
#[test]
fn a_saved_plan_is_rendered_from_its_json_alone() {
    let sides = planned();
    let printed = sides.workspace.run("plan --format markdown").ok().stdout();
    assert!(
        printed
            .starts_with("<!-- chartsync plan -->\n### chartsync: safe to merge? ⚠️ as far as registries tell, yes\n"),
        "{printed}"
    );
    let elsewhere = tempfile::TempDir::new().unwrap();
    fs::copy(sides.workspace.path("p.json"), elsewhere.path().join("p.json")).unwrap();
    let render = || {
        let mut command = sides.workspace.command();
        command.current_dir(elsewhere.path()).args(["render", "p.json"]);
        crate::support::process::run(&mut command)
    };
    assert_eq!(render().ok().stdout(), printed);
    let json = fs::read_to_string(elsewhere.path().join("p.json")).unwrap();
    fs::write(elsewhere.path().join("p.json"), json.replacen("\"network\"", "\"netwerk\"", 1)).unwrap();
    render().exits(1).says("p.json").says("it is no plan that this chartsync reads");
}
