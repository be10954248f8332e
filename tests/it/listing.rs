//! `list` and `show`: what is published, and what consumers type.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sides::Sides;
use crate::support::charts::Desk;
use crate::support::pgp::Key;
use crate::support::process::{Ran, hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::signed::{KEY_PASSWORD, key_pair};
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::Workspace;

fn json(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// A pinned chart, an unpinned one and a first-party one.
fn sides() -> Sides {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.mirror("api", &["2.0.0"]);
    sides
        .workspace
        .write("charts/own/Chart.yaml", "apiVersion: v2\nname: own\nversion: 3.0.0\nappVersion: \"a|b `c`\"\n");
    sides
}

#[test]
fn everything_that_is_declared_is_listed() {
    let sides = sides();
    let ran = sides.workspace.run("list").ok();
    let digest = sides.image("web", "1.1.0").digest();
    let short = &digest[..digest.len().min(19)];
    for words in [
        "api  charts.example/platform/api",
        "2.0.0  ? no pin yet",
        short,
        &sides.key.fingerprint(),
        "packaged from charts/own/",
    ] {
        assert!(ran.stdout().contains(words), "no {words:?} in {ran}");
    }
    assert!(ran.stdout().ends_with("3 charts in 4 versions, 1 without a pin\n"), "{ran}");
    // Of each chart the greatest version first.
    let (newer, older) = (ran.stdout().find("1.1.0").unwrap(), ran.stdout().find("1.0.0").unwrap());
    assert!(newer < older, "{ran}");
    let listed = json(&sides.workspace.run("list --format json").ok());
    assert_eq!(listed["kind"], "list");
    let bytes: Vec<_> =
        listed["charts"].as_array().unwrap().iter().map(|chart| chart["bytes"].as_str().unwrap()).collect();
    assert_eq!(bytes, ["unpinned", "folder", "pinned", "pinned"]);
    let table = sides.workspace.run("list --format markdown --chart web --chart own").ok();
    assert_eq!(table.stdout().lines().count(), 5, "{table}");
    assert!(table.stdout().lines().all(|line| line.matches(" | ").count() == 4 || line.starts_with("|---")), "{table}");
    assert!(table.stdout().contains("a\\|b `c`"), "{table}");
    sides.workspace.run("list --chart nope").exits(1).says("did you mean");
}

#[test]
fn a_version_is_shown_with_all_that_is_known_about_it() {
    let sides = sides();
    let ran = sides.workspace.run("show web@1.1.0").ok();
    let image = sides.image("web", "1.1.0");
    for words in [
        "web 1.1.0, published as charts.example/platform/web:1.1.0",
        &image.digest(),
        "upstream.example/charts/web:1.1.0",
        &format!("{} claims \"Releases <releases@example.org>\"", sides.key.fingerprint()),
        "mirrors/web.yaml:8:5",
        "mirrors.lock:",
        "is the folder published in this workspace",
    ] {
        assert!(ran.stdout().contains(words), "no {words:?} in {ran}");
    }
    assert!(!ran.stdout().contains("1.0.0"), "{ran}");
    sides.workspace.run("show api").ok().says("not decided yet").says("chartsync lock");
    sides.workspace.run("show own").ok().says("charts/own/ of this repository").says("--version 3.0.0");
    sides.workspace.run("show web").ok().says("1.0.0").says("1.1.0");
    sides.workspace.run("show web@9.0.0").exits(1).says("has no version `9.0.0`");
    assert_eq!(json(&sides.workspace.run("show web@1.1.0 --format json").ok())["kind"], "show");
}

#[test]
fn keyless_commands_name_the_identity_of_their_kind() {
    let keyless = "method = \"keyless\"\nissuer = \"https://issuer.example\"\nmirrors = \"https://ci.example/a b\"\n\
                   charts = \"https://ci.example/own\"\n";
    let workspace = Workspace::signing("charts.example/platform", keyless);
    workspace.mirror("web", "upstream.example/web", "charts.example/platform/web", &["1.0.0"], "  required: false\n");
    workspace.write("charts/own/Chart.yaml", "apiVersion: v2\nname: own\nversion: 3.0.0\n");
    let place = "-a repository=charts.example/platform/web -a tag=1.0.0 charts.example/platform/web:1.0.0";
    let identity = "--certificate-oidc-issuer https://issuer.example --certificate-identity 'https://ci.example/a b'";
    workspace.run("show web").ok().says(&format!("cosign verify {identity} {place}"));
    workspace.run("show own").ok().says("--certificate-identity https://ci.example/own");
    let unsigned = Workspace::new("charts.example/platform");
    unsigned.mirror("web", "upstream.example/web", "charts.example/platform/web", &["1.0.0"], "  required: false\n");
    let ran = unsigned.run("show web").ok().says("nothing is signed here");
    assert!(!ran.stdout().contains("cosign verify"), "{ran}");
}

/// Every line that `show` prints does what it says, with stock helm and cosign.
#[test]
fn the_commands_for_consumers_work_as_they_stand() {
    needs!(Tool::Helm4, Tool::Helm3, Tool::Cosign3);
    let (registry, desk, key) = (Registry::start(Kind::Distribution), Desk::new(), Key::new("A <a@example.org>"));
    desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", "1.0.4", Some(&key));
    let signing = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n";
    let mut workspace = Workspace::signing(&registry.repository("charts"), signing).plain_http(&registry.host());
    key_pair(&workspace.path(""));
    workspace.set("COSIGN_PASSWORD", Path::new(KEY_PASSWORD));
    let trust = workspace.signed_by(&key);
    let (source, destination) = (registry.repository("upstream/web"), registry.repository("charts/web"));
    workspace.mirror("web", &source, &destination, &["1.0.4"], &trust);
    workspace.run("lock").ok();
    workspace.run("apply").ok();
    let shown = json(&workspace.run("show web@1.0.4 --format json").ok());
    let commands = shown["charts"][0]["commands"].as_array().unwrap();
    let lines: Vec<&str> = commands.iter().map(|command| command["line"].as_str().unwrap()).collect();
    let begins = ["helm pull", "helm pull", "helm pull", "cosign verify"];
    assert!(lines.len() == 4 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    let human = workspace.run("show web@1.0.4").ok();
    for helm in HELMS {
        for line in &lines {
            assert!(human.stdout().lines().any(|shown| shown.trim() == *line), "{line} in {human}");
            for archive in fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().path()) {
                if archive.extension().is_some_and(|ending| ending == "tgz" || ending == "prov") {
                    fs::remove_file(archive).unwrap();
                }
            }
            let folders = [helm.path(), Tool::Cosign3.path()].map(|tool| tool.parent().unwrap().display().to_string());
            let mut shell: Command = hermetic("sh", &desk.path("home"));
            shell.current_dir(workspace.path("")).env("PATH", format!("{}:/usr/bin:/bin", folders.join(":")));
            run(shell.args(["-c", line])).ok();
        }
    }
}

/// The README's table of this repository's charts is what `list` prints; `CHARTSYNC_GOLDEN=write` writes it.
#[test]
fn the_readme_lists_what_this_repository_publishes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let mut command = hermetic(env!("CARGO_BIN_EXE_chartsync"), home.path());
    let table = run(command.arg("--root").arg(root).args(["list", "--format", "markdown"])).ok().stdout();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (head, rest) = readme.split_once("<!-- chartsync list -->\n").expect("the mark before the table");
    let (shown, tail) = rest.split_once("<!-- end of chartsync list -->").expect("the mark after it");
    if std::env::var("CHARTSYNC_GOLDEN").is_ok_and(|wish| wish == "write") {
        let written = format!("{head}<!-- chartsync list -->\n{table}<!-- end of chartsync list -->{tail}");
        return fs::write(root.join("README.md"), written).unwrap();
    }
    assert_eq!(shown, table, "run `CHARTSYNC_GOLDEN=write cargo test --test it listing::`");
}
