//! Dependencies of first-party charts beside stock helm's view of them: locks, ranges, folders beside, aliases.

use std::fs;
use std::path::Path;
use std::process::Command;

use chartsync::chart::Archive;
use chartsync::chart::content::Content;

use crate::support::charts::Desk;
use crate::support::firstparty::{Bench, chart, depend};
use crate::support::process::run;
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::{Workspace, unsigned};

const PARENT: &str = "registry.example/charts";

/// A copy of the workspace's charts on the desk, where helm may write.
fn copy(workspace: &Workspace, desk: &Desk) {
    let to = desk.path("charts");
    let _ = fs::remove_dir_all(&to);
    run(Command::new("cp").arg("-R").arg(workspace.path("charts")).arg(&to)).ok();
}

/// `helm dependency update` of a chart on the desk, and its Chart.lock back into the workspace.
fn update(workspace: &Workspace, desk: &Desk, helm: Tool, name: &str) {
    copy(workspace, desk);
    desk.run(helm, &format!("dependency update charts/{name}")).ok();
    let lock = format!("charts/{name}/Chart.lock");
    workspace.write(&lock, fs::read(desk.path(&lock)).unwrap());
}

fn content(tgz: &Path) -> Content {
    Content::of(&Archive::read(&fs::read(tgz).unwrap()).unwrap()).unwrap()
}

/// One folder beside under two names, a range, and everything that a lock's digest covers.
const DEPENDENCIES: &str = "dependencies:
- {name: base, version: ^0.1.0, repository: 'file://../base'}
- name: base
  version: '>=0.1 <1'
  repository: file://./.././base/
  alias: other
  condition: other.enabled
  tags: [a, '<&>', 'é']
  import-values: [says, {child: a, parent: b, n: 1.5}]
";

#[test]
fn folders_beside_are_packed_as_helm_packs_them() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Crane);
    let bench = Bench::new();
    let (workspace, desk) = (&bench.workspace, &bench.desk);
    chart(workspace, "base", "0.1.2", "");
    workspace.write("charts/base/.helmignore", "left-out\n");
    workspace.write("charts/base/left-out", "x");
    chart(workspace, "app", "1.0.0", DEPENDENCIES);
    // Without a lock, a folder's version is the one that it has.
    workspace.run("validate").ok();
    workspace.run("graph --format dot --offline").ok();
    workspace.run("why app").ok().says("dependency  base folder");
    for helm in HELMS {
        update(workspace, desk, helm, "app");
        workspace.run("validate").ok();
        let into = desk.path("packed");
        desk.run(helm, &format!("package charts/app --destination {}", into.display())).ok();
    }
    bench.workspace.run("apply").ok().says("published 2 of 2 charts");
    let unpacked = bench.pulled("app", "1.0.0");
    assert_eq!(fs::read_to_string(unpacked.join("charts/base/values.yaml")).unwrap(), "says: hello\n");
    for helm in HELMS {
        let (ran, into) = desk.pull(helm, &format!("{}/app", bench.parent()), "1.0.0", None);
        ran.ok();
        let (ours, theirs) = (into.path().join("app-1.0.0.tgz"), desk.path("packed/app-1.0.0.tgz"));
        let difference = content(&theirs).difference(&content(&ours));
        assert!(difference.is_empty(), "{helm:?}: {difference}");
        let rendered = desk.run(helm, &format!("template {}", ours.display())).ok();
        rendered.says("name: base").says("name: other").says("name: app");
    }
    // What lies vendored is not what counts.
    workspace.write("charts/app/charts/base/Chart.yaml", "apiVersion: v2\nname: base\nversion: 0.1.0\n");
    workspace.run("apply").ok().says("nothing to do");
}

#[test]
fn a_lock_that_helm_refuses_is_refused() {
    needs!(Tool::Helm4, Tool::Helm3);
    for helm in HELMS {
        let (workspace, desk) = (Workspace::new(PARENT), Desk::new());
        chart(&workspace, "base", "0.1.2", "");
        chart(&workspace, "app", "1.0.0", DEPENDENCIES);
        update(&workspace, &desk, helm, "app");
        let (good, lock) = (workspace.read("charts/app/Chart.yaml"), workspace.read("charts/app/Chart.lock"));
        let cases = [
            ("^0.1.0", "^0.1"),
            ("alias: other", "alias: another"),
            ("condition: other.enabled", "condition: enabled"),
            ("'<&>'", "'<&'"),
            ("n: 1.5", "n: 2"),
            ("file://../base'", "file://../base/'"),
        ];
        for (from, to) in cases {
            workspace.write("charts/app/Chart.yaml", good.replace(from, to));
            let ran =
                workspace.run("validate").exits(1).says("charts/app/Chart.lock: error: its Chart.lock is out of sync");
            copy(&workspace, &desk);
            let refused = desk.run(helm, "dependency build charts/app").refused();
            refused.says("out of sync");
            // What it says to write is what helm takes.
            let said = ran.said();
            let digest = &said[said.find("digest: sha256:").unwrap()..][.."digest: sha256:".len() + 64];
            let old = lock.lines().find(|line| line.starts_with("digest: ")).unwrap();
            workspace.write("charts/app/Chart.lock", lock.replace(old, digest));
            workspace.run("validate").ok();
            copy(&workspace, &desk);
            desk.run(helm, "dependency build charts/app").ok();
            workspace.write("charts/app/Chart.lock", &lock);
        }
        // Old charts.
        let old = good.replace("apiVersion: v2", "apiVersion: v1");
        let (head, requirements) = old.split_at(old.find("dependencies:").unwrap());
        fs::remove_file(workspace.path("charts/app/Chart.lock")).unwrap();
        workspace.write("charts/app/Chart.yaml", head);
        workspace.write("charts/app/requirements.yaml", requirements);
        copy(&workspace, &desk);
        desk.run(helm, "dependency update charts/app").ok();
        workspace.write("charts/app/requirements.lock", fs::read(desk.path("charts/app/requirements.lock")).unwrap());
        workspace.run("validate").ok();
        workspace.write("charts/app/requirements.yaml", requirements.replace("^0.1.0", "^0.1"));
        workspace.run("validate").exits(1).says("out of sync");
    }
}

#[test]
fn a_version_out_of_range_is_told_at_its_line() {
    let workspace = Workspace::new(PARENT);
    let check = |range: &str, says: &[&str]| {
        let more = format!("dependencies:\n- name: base\n  repository: file://../base\n  version: '{range}'\n");
        chart(&workspace, "app", "1.0.0", &more);
        says.iter().fold(workspace.run("validate").exits(1), |ran, says| ran.says(says));
    };
    chart(&workspace, "base", "0.2.0", "");
    check(
        "^0.1.0",
        &["charts/app/Chart.yaml:8:12: error: the dependency `base` is version 0.2.0, but Chart.yaml wants `^0.1.0`"],
    );
    check("latest", &["charts/app/Chart.yaml:8:12: error", "`latest` is no version and no range"]);
    check("", &["charts/app/Chart.yaml:8:12: error", "`` is no version and no range"]);
    // In old charts they stand elsewhere.
    workspace.write("charts/app/Chart.yaml", "name: app\nversion: 1.0.0\n");
    let requirements = "dependencies:\n- {name: base, repository: 'file://../base', version: 1.x}\n";
    workspace.write("charts/app/requirements.yaml", requirements);
    workspace.run("validate").exits(1).says("charts/app/requirements.yaml:2:55: error").says("wants `1.x`");
    fs::remove_file(workspace.path("charts/app/requirements.yaml")).unwrap();

    // The locked version of a mirrored chart.
    fs::remove_dir_all(workspace.path("charts")).unwrap();
    workspace.mirror("web", "upstream.example/web", &format!("{PARENT}/web"), &["v1.0.0", "2.0.0"], &unsigned());
    depend(&workspace, "app", "1.0.0", &[("web", "1.0.0")], PARENT);
    workspace.run("validate").ok();
    let chart_yaml = workspace.read("charts/app/Chart.yaml");
    workspace.write("charts/app/Chart.yaml", chart_yaml.replace("  version: 1.0.0", "  version: ^2"));
    let ran = workspace.run("validate").exits(1).says("is version v1.0.0, but Chart.yaml wants `^2`");
    ran.says("charts/app/Chart.lock: error: its Chart.lock is out of sync");
}

/// Why that is refused: neither helm tells, and the subchart is installed although nobody asked for it.
#[test]
fn what_is_out_of_range_helm_installs_without_alias_and_condition() {
    needs!(Tool::Helm4, Tool::Helm3);
    for (range, installed) in [("^0.1.0", false), ("^0.2.0", true)] {
        let (workspace, desk) = (Workspace::new(PARENT), Desk::new());
        let more =
            format!("dependencies: [{{name: base, version: {range}, alias: other, condition: other.enabled}}]\n");
        chart(&workspace, "app", "1.0.0", &more);
        workspace.write("charts/app/values.yaml", "says: hello\nother: {enabled: false}\n");
        let inner = Workspace::new(PARENT);
        chart(&inner, "base", "0.1.2", "");
        let to = workspace.path("charts/app/charts");
        run(Command::new("cp").arg("-R").arg(inner.path("charts")).arg(to)).ok();
        copy(&workspace, &desk);
        for helm in HELMS {
            desk.run(helm, "package charts/app").ok();
            let rendered = desk.run(helm, "template app-1.0.0.tgz").ok().stdout();
            assert_eq!(
                (rendered.contains("name: base"), rendered.contains("name: other")),
                (installed, false),
                "{rendered}"
            );
        }
    }
}

#[test]
fn folders_that_are_no_charts_of_ours() {
    let workspace = Workspace::new(PARENT);
    let one = |name: &str, repository: &str| {
        chart(
            &workspace,
            "app",
            "1.0.0",
            &format!("dependencies: [{{name: {name}, version: '*', repository: '{repository}'}}]\n"),
        );
        workspace.run("validate")
    };
    chart(&workspace, "base", "0.2.0", "");
    one("base", "file://../nowhere").exits(1).says("would come from charts/nowhere, which is no chart");
    one("other", "file://../base").exits(1).says("would come from charts/base, which is another chart");
    one("app", "file://../app").exits(1).says("charts depend on each other in a circle: app@1.0.0 → app@1.0.0");
    // Elsewhere, vendored or not.
    for elsewhere in
        ["file://../../base", "file://base", "file:///base", "file://../../../../base", "file://../base/sub"]
    {
        one("base", elsewhere).exits(1).says("depends on `base`, which `charts/` lacks");
    }
    workspace.write("charts/app/charts/base/Chart.yaml", "apiVersion: v2\nname: base\nversion: 0.1.0\n");
    one("base", "file://../../base").ok();
    one("base", "file://../base").ok();
}

#[test]
fn a_name_that_means_two_charts_is_refused() {
    let workspace = Workspace::new(PARENT);
    workspace.mirror("web", "upstream.example/web", &format!("{PARENT}/web"), &["1.0.0", "2.0.0"], &unsigned());
    let two = |one: &str, other: &str| {
        let more = format!("dependencies:\n- {{name: web, {one}}}\n- {{name: web, alias: b, {other}}}\n");
        chart(&workspace, "app", "1.0.0", &more);
        workspace.run("validate")
    };
    let ours = |version: &str| format!("version: {version}, repository: 'oci://{PARENT}'");
    two(&ours("1.0.0"), &ours("1.0.0")).ok();
    two(&ours("1.0.0"), &ours("v1.0.0")).ok();
    two(&ours("1.0.0"), &ours("2.0.0")).exits(1).says("charts/app/Chart.yaml:7:10: error").says("means two charts");
    let elsewhere = "version: 1.0.0, repository: 'https://elsewhere.example'";
    two(&ours("1.0.0"), elsewhere).exits(1).says("charts/app/Chart.yaml:7:").says("once from elsewhere");
    two(elsewhere, &ours("1.0.0")).exits(1).says("charts/app/Chart.yaml:6:").says("once from elsewhere");
}
