//! `add`: both files or none, and the manifest but for one line as it was.

use std::fs;
use std::process::Command;

use crate::sides::{PUBLISH, SOURCE, Served, Sides, blocks, field};
use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::process::{Ran, hermetic, run, spawn};
use crate::support::registry::{Kind, Registry};
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

const MANIFEST: &str = "mirrors/web.yaml";

/// `web` 1.0.0 and 1.2.0, pinned; 1.1.0 is upstream, too.
fn sides() -> Sides {
    let sides = Sides::pinned(&["1.0.0", "1.2.0"]);
    sides.upstream("web", "1.1.0", "");
    sides
}

/// Runs a command that must leave every file of the workspace as it is.
#[track_caller]
fn leaves_all(sides: &Sides, words: &str) -> Ran {
    let before = (sides.workspace.read(MANIFEST), sides.lockfile());
    let ran = sides.workspace.run(words);
    assert_eq!((sides.workspace.read(MANIFEST), sides.lockfile()), before, "{ran}");
    ran
}

#[test]
fn a_version_is_declared_where_it_belongs_and_pinned() {
    let sides = sides();
    let (manifest, lockfile) = (sides.workspace.read(MANIFEST), blocks(&sides.lockfile()));
    let ran = sides.workspace.run("add web@1.1.0").ok();
    for said in ["mirrors/web.yaml:8:5, after 1.0.0", &sides.image("web", "1.1.0").digest(), &sides.key.fingerprint()] {
        assert!(ran.stdout().contains(said), "no {said:?} in {ran}");
    }
    assert_eq!(sides.workspace.read(MANIFEST), manifest.replace("  - 1.2.0", "  - 1.1.0\n  - 1.2.0"));
    let pins = blocks(&sides.lockfile());
    assert_eq!((&pins[0], &pins[2]), (&lockfile[0], &lockfile[1]));
    assert_eq!(field(&pins[1], "digest"), sides.image("web", "1.1.0").digest());
    // What `lock` says of it is that there is nothing left to do.
    sides.leaves_lockfile("lock").ok().says("3 kept");
    // The command that it named is one that runs.
    let next = ran.stdout().lines().last().unwrap().split('`').nth(1).unwrap().to_owned();
    sides.workspace.run(next.strip_prefix("chartsync ").unwrap()).ok().says("web 1.1.0");
}

#[test]
fn several_versions_of_several_mirrors_come_together_or_not_at_all() {
    let sides = sides();
    sides.upstream("api", "1.0.0", "");
    sides.upstream("api", "2.0.0", "");
    sides.mirror("api", &["1.0.0"]);
    let api = sides.workspace.read("mirrors/api.yaml");
    leaves_all(&sides, "add api@2.0.0 web@1.1.0 web@9.9.9").exits(1).says("1 of 3 versions").says("web:9.9.9");
    assert_eq!(sides.workspace.read("mirrors/api.yaml"), api);
    sides.workspace.run("add api@2.0.0 web@1.1.0 web@1.1.0").ok();
    let pins: Vec<_> =
        blocks(&sides.lockfile()).iter().map(|pin| field(pin, "name") + &field(pin, "version")).collect();
    // Exactly what was asked for: 1.0.0 of the other mirror still lacks its pin.
    assert_eq!(pins, ["api2.0.0", "web1.0.0", "web1.1.0", "web1.2.0"]);
}

#[test]
fn what_does_not_verify_changes_no_file() {
    let sides = sides();
    let stranger = Key::new("Stranger <stranger@example.org>");
    sides.upstream_by("web", "1.3.0", "", Some(&stranger));
    sides.upstream_by("web", "1.4.0", "", None);
    leaves_all(&sides, "add web@1.3.0").exits(1).says("not in the keyring").says("nothing was written");
    let ran = leaves_all(&sides, "add web@1.4.0").exits(1);
    // The entry to paste, and what to run then. No line of the manifest: it is not there.
    let said = ran.stdout();
    assert!(said.contains("finding = \"unsigned\"") && said.contains("run `chartsync add web@1.4.0` again"), "{ran}");
    assert!(!said.contains("at mirrors/"), "{ran}");
}

#[test]
fn an_exception_that_was_pasted_lets_it_through() {
    let mut sides = sides();
    let image = sides.upstream_by("web", "1.4.0", "", None);
    sides.accept("unsigned", "web:1.4.0", &image.digest());
    sides.workspace.run("add web@1.4.0").ok().says("without provenance");
}

#[test]
fn what_is_declared_is_told_and_pinned_if_it_lacks_a_pin() {
    let sides = sides();
    for words in ["add web@1.0.0", "add web@v1.0.0", "add charts.example/platform/web@1.0.0"] {
        leaves_all(&sides, words).ok().says("declared already").says("mirrors/web.yaml:7:5").says("nothing to do");
    }
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    let manifest = sides.workspace.read(MANIFEST);
    sides.workspace.run("add web@1.1.0").ok().says("declared already").says("+ pinned").says("mirrors.lock");
    assert_eq!(sides.workspace.read(MANIFEST), manifest);
    assert_eq!(blocks(&sides.lockfile()).len(), 3);
}

#[test]
fn names_and_versions_that_do_not_exist_are_told_with_what_does() {
    let sides = sides();
    sides.mirror_from("other", &format!("{SOURCE}/nothing"), &["1.0.0"], &unsigned());
    sides.upstream("tagged", "v1.0.0", "");
    sides.mirror_from("tagged", &format!("{SOURCE}/tagged"), &["v0.9.0"], &sides.workspace.signed_by(&sides.key));
    for (words, says) in [
        ("add wep@1.1.0", "did you mean `charts.example/platform/web`"),
        ("add web", "write `web@VERSION`; `chartsync outdated --chart web`"),
        ("add web@", "write `web@VERSION`"),
        ("add web@1.1", "`1.1` is not a version"),
        ("add web@1.9.0", "upstream's newest are 1.2.0, 1.1.0, 1.0.0"),
        ("add tagged@1.0.0", "upstream writes it `v1.0.0`: run `chartsync add tagged@v1.0.0`"),
        ("add other@1.1.0", "correct `source` in mirrors/other.yaml"),
        ("add --chart web web@1.1.0", "leave out `--chart`"),
    ] {
        let ran = leaves_all(&sides, words).exits(1).says(says);
        assert!(!ran.said().contains("; written: "), "{ran}");
    }
    run(sides.workspace.command().args(["add"])).exits(1).says("NAME@VERSION");
}

#[test]
fn two_mirrors_of_one_name_are_told_apart_by_their_destination() {
    let sides = sides();
    let trust = sides.workspace.signed_by(&sides.key);
    sides.workspace.mirror("other", &format!("{SOURCE}/web"), &format!("{PUBLISH}/edge/web"), &["1.0.0"], &trust);
    leaves_all(&sides, "add web@1.1.0").exits(1).says("names 2 mirrors").says("charts.example/platform/edge/web");
    sides.workspace.run("add charts.example/platform/edge/web@1.1.0").ok();
    assert!(sides.workspace.read("mirrors/other.yaml").contains("1.1.0"));
    assert!(!sides.workspace.read(MANIFEST).contains("1.1.0"));
}

#[test]
fn a_first_party_chart_is_not_added_to() {
    let sides = sides();
    sides.workspace.write("charts/own/Chart.yaml", "apiVersion: v2\nname: own\nversion: 1.0.0\n");
    leaves_all(&sides, "add own@1.1.0").exits(1).says("raise `version` in charts/own/Chart.yaml");
}

#[test]
fn an_empty_list_and_strange_shapes_are_edited_in_their_own_style() {
    let sides = sides();
    let manifest = sides.workspace.read(MANIFEST);
    let (head, rest) = manifest.split_once("versions:").unwrap();
    let trust = &rest[rest.find("provenance:").unwrap()..];
    for (list, expect) in [
        ("versions: []\n", "versions: [1.1.0]\n"),
        ("versions:\n", "versions:\n  - 1.1.0\n"),
        ("versions: ['1.2.0', '1.0.0']  # newest first\n", "versions: ['1.2.0', '1.1.0', '1.0.0']  # newest first\n"),
        ("versions:\r\n- \"1.0.0\" # LTS\r\n", "versions:\r\n- \"1.0.0\" # LTS\r\n- \"1.1.0\"\r\n"),
    ] {
        sides.workspace.write(MANIFEST, format!("{head}{list}{trust}"));
        sides.workspace.run("add web@1.1.0").ok();
        assert_eq!(sides.workspace.read(MANIFEST), format!("{head}{expect}{trust}"));
    }
    // Without a line break at the end.
    let text = format!("{head}{trust}versions:\n  - 1.0.0");
    sides.workspace.write(MANIFEST, &text);
    sides.workspace.run("add web@1.1.0").ok();
    assert_eq!(sides.workspace.read(MANIFEST), format!("{text}\n  - 1.1.0"));
    sides.workspace.write(MANIFEST, format!("{head}versions:\n  -\n    1.0.0\n{trust}"));
    leaves_all(&sides, "add web@1.1.0").exits(1).says("add `1.1.0` by hand, then run `chartsync lock`");
}

#[test]
fn a_workspace_that_is_wrong_is_told_and_left() {
    let sides = sides();
    sides.workspace.write("mirrors/other.yaml", "sorce: {}\n");
    leaves_all(&sides, "add web@1.1.0").exits(1).says("mirrors/other.yaml:1:1").says("sorce");
    leaves_all(&sides, "add other@1.1.0").exits(1).says("mirrors/other.yaml:1:1");
    fs::remove_file(sides.workspace.path("mirrors/other.yaml")).unwrap();
    let lockfile = sides.lockfile();
    sides.workspace.write("mirrors.lock", format!("<<<<<<< a\n{lockfile}=======\n>>>>>>> b\n"));
    leaves_all(&sides, "add web@1.1.0").exits(1).says("conflict").says("chartsync lock");
    let elsewhere = tempfile::tempdir().unwrap();
    run(sides.workspace.command().current_dir(elsewhere.path()).args(["add", "web@1.1.0"]))
        .exits(1)
        .says("chartsync.toml");
}

#[cfg(unix)]
#[test]
fn a_manifest_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let sides = sides();
    let path = sides.workspace.path(MANIFEST);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    sides.workspace.run("add web@1.1.0").ok();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

/// A lockfile that cannot be written takes the manifest back.
#[test]
fn both_files_or_none() {
    let sides = sides();
    let manifest = sides.workspace.read(MANIFEST);
    let lockfile = sides.workspace.path("mirrors.lock");
    // What lies there is read as absent, and cannot be replaced by a file.
    fs::remove_file(&lockfile).unwrap();
    let blocker = sides.workspace.path("mirrors.lock.d");
    fs::create_dir_all(&blocker).unwrap();
    let served = Served::start();
    let image = Image::chart("web", "2.0.0", "", Some(&sides.key));
    served.put("charts/web", "2.0.0", &image);
    let mut sides = sides;
    sides.workspace = sides.workspace.plain_http(&served.host());
    let text = manifest.replace(&format!("{SOURCE}/web"), &served.repository("charts/web"));
    sides.workspace.write(MANIFEST, &text);
    let held = served.hold("/manifests/");
    let running = spawn(sides.workspace.command().args(["add", "web@2.0.0"]));
    held.wait();
    // In the meantime a folder has come where the lockfile belongs.
    fs::create_dir_all(lockfile.join("in-the-way")).unwrap();
    drop(held);
    running.wait().exits(1).says("cannot write");
    assert_eq!(sides.workspace.read(MANIFEST), text);
}

#[test]
fn a_manifest_that_changed_meanwhile_is_not_overwritten() {
    let (mut sides, served) = (sides(), Served::start());
    let image = Image::chart("web", "2.0.0", "", Some(&sides.key));
    served.put("charts/web", "2.0.0", &image);
    sides.workspace = sides.workspace.plain_http(&served.host());
    let text = sides.workspace.read(MANIFEST).replace(&format!("{SOURCE}/web"), &served.repository("charts/web"));
    sides.workspace.write(MANIFEST, &text);
    let lockfile = sides.lockfile();
    let held = served.hold("/manifests/");
    let running = spawn(sides.workspace.command().args(["add", "web@2.0.0"]));
    held.wait();
    sides.leaves_lockfile("lock").exits(1).says("another `chartsync lock`");
    let text = format!("{text}# a note\n");
    sides.workspace.write(MANIFEST, &text);
    drop(held);
    running.wait().exits(1).says("was changed while").says("run again");
    assert_eq!((sides.workspace.read(MANIFEST), sides.lockfile()), (text, lockfile));
    // And an interrupt leaves everything, too.
    let held = served.hold("/manifests/");
    let running = spawn(sides.workspace.command().args(["add", "web@2.0.0"]));
    held.wait();
    running.signal("INT");
    running.wait().exits(1).says("nothing was written");
    drop(held);
    sides.workspace.run("add web@2.0.0").ok();
}

#[test]
fn the_answer_is_json_too() {
    let sides = sides();
    let ran = sides.workspace.run("add web@1.1.0 web@1.0.0 --format json").ok();
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&json["format"], &json["kind"]), (&1.into(), &"add".into()));
    let edits: Vec<_> = json["versions"].as_array().unwrap().iter().map(|version| &version["edit"]).collect();
    assert_eq!(edits, ["added", "declared"]);
    assert_eq!(json["versions"][0]["location"]["line"], 8);
    assert_eq!(json["versions"][0]["digest"], sides.image("web", "1.1.0").digest());
    assert_eq!(json["manifests"], serde_json::json!([MANIFEST]));
    assert_eq!(json["lock"]["written"], true);
    let ran = sides.workspace.run("add web@7.0.0 --format json").exits(1);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(json["lock"]["failures"].as_array().unwrap().len(), 1);
    assert_eq!((&json["manifests"], &json["next"]), (&serde_json::json!([]), &serde_json::Value::Null));
}

/// Two commands, from what upstream has to what a merge would publish, over a registry, in a Git repository.
#[test]
fn the_two_commands_of_a_change() {
    needs!(Tool::Helm4);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    for version in ["1.0.0", "1.1.0"] {
        desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", version, None);
    }
    let workspace = Workspace::new(&registry.repository("charts")).plain_http(&registry.host());
    let (source, destination) = (registry.repository("upstream/web"), registry.repository("charts/web"));
    workspace.mirror("web", &source, &destination, &["1.0.0"], &unsigned());
    workspace.run("lock").ok();
    let git = |words: &str| {
        let mut command: Command = hermetic("git", &workspace.path(""));
        command.current_dir(workspace.path("")).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        run(command.args(words.split_whitespace())).ok()
    };
    git("init -q");
    git("add -A");
    git("commit -q -m first");
    let outdated = workspace.run("outdated").ok();
    let add = outdated.stdout().split("next: `chartsync ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    let added = workspace.run(&add).ok();
    let plan = added.stdout().lines().last().unwrap().split('`').nth(1).unwrap().to_owned();
    assert_eq!(plan, "chartsync plan --base HEAD");
    workspace.run(plan.strip_prefix("chartsync ").unwrap()).ok().says("web 1.1.0");
    git("diff --stat").says("mirrors/web.yaml").says("2 files changed");
    workspace.run("outdated").ok().says("1 mirror has nothing newer upstream");
}
