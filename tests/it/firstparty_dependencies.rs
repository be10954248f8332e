//! First-party charts that depend on charts of the same workspace: what they are packaged with, and when.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use axum::http::Method;
use axum::response::IntoResponse as _;

use crate::support::charts::Desk;
use crate::support::firstparty::{Bench, chart, depend};
use crate::support::process::{DEADLINE, spawn};
use crate::support::registry::{Kind, Registry};
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

#[test]
fn dependencies_come_from_their_pin_and_from_their_folder_and_come_first() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Crane);
    let bench = Bench::new();
    chart(&bench.workspace, "base", "0.1.0", "");
    let parent = bench.parent();
    bench.mirror();
    depend(&bench.workspace, "app", "1.0.0", &[("base", "0.1.0"), ("web", "1.0.0")], &parent);
    // Whatever lies there under that name is not what is packaged.
    let stale = bench.desk.chart("web", "1.0.0", "keywords: [stale]\n");
    let stale = bench.desk.package(Tool::Helm4, &stale, None);
    bench.workspace.write("charts/app/charts/web-1.0.0.tgz", fs::read(stale.archive).unwrap());
    bench.workspace.run("validate").ok();
    bench.workspace.run("why app").ok().says("dependency  web sha256:").says("dependency  base folder");
    bench.workspace.run("graph --format mermaid --offline").ok();

    // While one of them cannot be published, nothing of it is.
    bench.registry.front().set_fault(|method, path| {
        let refused = *method == Method::PUT && path == "/v2/charts/web/manifests/1.0.0";
        refused.then(|| axum::http::StatusCode::FORBIDDEN.into_response())
    });
    bench.workspace.run("apply").exits(1).says("! skipped").says(&format!("it depends on {parent}/web:1.0.0"));
    bench.registry.front().clear_fault();
    bench.desk.run(Tool::Crane, &format!("digest {parent}/app:1.0.0")).refused();

    bench.registry.front().take();
    bench.workspace.run("apply").ok().says("published 2 of 2 charts, 1 published before");
    let seen = bench.registry.front().take();
    let app = Bench::first(&seen, &Method::POST, "/v2/charts/app/blobs/uploads");
    let web = "/v2/charts/web/manifests/1.0.0";
    let confirmed = seen.iter().rposition(|(method, path)| *method == Method::GET && path == web);
    assert!(confirmed.unwrap() < app, "it is confirmed before anything of app is written: {seen:?}");
    let unpacked = bench.pulled("app", "1.0.0");
    assert_eq!(fs::read_to_string(unpacked.join("charts/base/values.yaml")).unwrap(), "says: hello\n");
    let web = fs::read_to_string(unpacked.join("charts/web/Chart.yaml")).unwrap();
    assert!(!web.contains("stale"), "{web}");
    bench.workspace.forget_cache();
    bench.workspace.run("apply").ok().says("nothing to do");
    bench.workspace.run("verify").ok();

    // The folder of a dependency is content of what depends on it.
    bench.workspace.write("charts/base/values.yaml", "says: more\n");
    let ran = bench.workspace.run("plan").exits(4);
    ran.says("`charts/base/values.yaml` changed").says("base:0.1.0");
}

#[test]
fn what_depends_on_a_withheld_chart_is_withheld() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let parent = bench.parent();
    chart(&bench.workspace, "base", "0.1.0", "");
    bench.workspace.run("apply").ok();
    bench.workspace.write("charts/base/values.yaml", "says: other\n");
    depend(&bench.workspace, "app", "1.0.0", &[("base", "0.1.0")], &parent);
    chart(&bench.workspace, "free", "1.0.0", "");
    for words in ["plan", "apply"] {
        bench.workspace.run(words).exits(4).says("! skipped").says(&format!("it depends on {parent}/base:0.1.0"));
    }
    bench.desk.digest(&format!("{parent}/free:1.0.0"));
    bench.desk.run(Tool::Crane, &format!("digest {parent}/app:1.0.0")).refused();

    // A pin that is missing is one more thing to wait for.
    let bench = Bench::new();
    let parent = bench.parent();
    bench.workspace.mirror("web", "upstream.example/web", &format!("{parent}/web"), &["1.0.0"], &unsigned());
    depend(&bench.workspace, "app", "1.0.0", &[("web", "1.0.0")], &parent);
    let row = bench.row("plan --format json", "app");
    assert_eq!((&row["state"], &row["findings"][0]["code"]), (&"withheld".into(), &"skipped".into()));
}

#[test]
fn what_cannot_be_packaged_is_told_with_everything_else() {
    let workspace = Workspace::new("registry.example/charts");
    let check = |what: &str, says: &[&str]| {
        let ran = says.iter().fold(workspace.run("validate").exits(1), |ran, says| ran.says(says));
        assert!(ran.said().contains("charts/"), "{what}: {ran}");
        fs::remove_dir_all(workspace.path("charts")).unwrap();
    };
    let parent = "registry.example/charts";
    depend(&workspace, "a", "1.0.0", &[("b", "1.0.0")], parent);
    depend(&workspace, "b", "1.0.0", &[("c", "1.0.0")], parent);
    depend(&workspace, "c", "1.0.0", &[("a", "1.0.0")], parent);
    workspace.run("validate").exits(1).says("a@1.0.0 → b@1.0.0 → c@1.0.0 → a@1.0.0");
    fs::remove_dir_all(workspace.path("charts")).unwrap();
    depend(&workspace, "a", "1.0.0", &[("a", "1.0.0")], parent);
    workspace.run("plan --offline").exits(1).says("a@1.0.0 → a@1.0.0");
    fs::remove_dir_all(workspace.path("charts")).unwrap();

    depend(&workspace, "a", "1.0.0", &[("b", "1.0.0")], parent);
    check(
        "not here",
        &[
            "charts/a/Chart.yaml:7:15: error: the dependency `b` would come from registry.example/charts/b, which nothing",
        ],
    );
    depend(&workspace, "a", "1.0.0", &[("b", "1.0.0")], "elsewhere.example/charts");
    check("not vendored", &["depends on `b`, which `charts/` lacks"]);
    depend(&workspace, "a", "1.0.0", &[("b", "1.0.0")], parent);
    chart(&workspace, "b", "1.1.0", "");
    check("another version", &["locked to version 1.0.0, but charts/b has 1.1.0"]);
    let dependency = format!("dependencies: [{{name: b, version: ^1, repository: oci://{parent}}}]\n");
    chart(&workspace, "a", "1.0.0", &dependency);
    chart(&workspace, "b", "1.1.0", "");
    check("no lock", &["`^1`", "no Chart.lock", "helm dependency update"]);
    workspace.write("charts/a/Chart.yaml", "apiVersion: v2\nname: b\nversion: 1.0.0\n");
    workspace.write("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\nmaintainers: 7\n");
    workspace.write("charts/d/README.md", "");
    workspace.write("charts/e/Chart.yaml", "apiVersion: v2\nname: e\nversion: '1.0'\n");
    workspace.write("charts/f/Chart.yaml", "apiVersion: v2\nname: f\nversion: 1.0.0\n");
    std::os::unix::fs::symlink("/etc/hostname", workspace.path("charts/f/outside")).unwrap();
    workspace.write("charts/G/Chart.yaml", "apiVersion: v2\nname: G\nversion: 1.0.0\n");
    check(
        "all of them",
        &[
            "charts/a/Chart.yaml:2:7: error: the chart calls itself `b`, but its folder is `a`",
            "`maintainers`",
            "charts/d: error: it cannot be packaged: it has no Chart.yaml",
            "charts/e/Chart.yaml:3:10: error: its version cannot be published",
            "`outside` is a link to `/etc/hostname`",
            "charts/G/Chart.yaml: error: a chart of this name cannot be published",
        ],
    );
    chart(&workspace, "a", "1.0.0", "");
    workspace.mirror("a", "upstream.example/a", "registry.example/charts/a", &["1.0.0"], &unsigned());
    check("two of one place", &["`registry.example/charts/a` is the destination of mirrors/a.yaml"]);
}

#[test]
fn charts_alone_need_their_mirrored_dependencies_in_place_or_wait_for_them() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3);
    let bench = Bench::new();
    bench.mirror();
    let parent = bench.parent();
    depend(&bench.workspace, "app", "1.0.0", &[("web", "1.0.0")], &parent);
    chart(&bench.workspace, "free", "1.0.0", "");
    let told = format!("it depends on {parent}/web:1.0.0, which is not published yet");
    bench.workspace.run("plan --only charts").exits(4).says(&told).says("--wait 20m");
    bench.workspace.run("apply --only charts --wait 1s").exits(4).says(&told).says("published 1 of 2 charts");
    bench.workspace.run("apply --only charts --wait soon").exits(1).says("as in `90s`, `20m` or `2h`");

    let (looked, looks) = mpsc::channel();
    bench.registry.front().set_fault(move |method, path| {
        if *method == Method::HEAD && path == "/v2/charts/web/manifests/1.0.0" {
            let _ = looked.send(());
        }
        None
    });
    let waiting = spawn(bench.workspace.command().args(["apply", "--only", "charts", "--wait", "20m"]));
    for _ in 0..2 {
        looks.recv_timeout(DEADLINE).unwrap();
    }
    bench.workspace.run("apply --only mirrors").ok().says("published 1 of 1 chart");
    waiting.wait().ok().says(&format!("waiting for {parent}/web:1.0.0")).says("published 1 of 1 chart");
    bench.registry.front().clear_fault();
    bench.pulled("app", "1.0.0");
    bench.workspace.run("apply").ok().says("nothing to do: 3 charts are published as pinned or in Git");
}

#[test]
fn any_prefix_of_an_apply_converges() {
    needs!(Tool::Distribution, Tool::Crane);
    let registry = Registry::start(Kind::Distribution);
    let desk = Desk::new();
    let (mut requests, mut after) = (usize::MAX, 0);
    while after < requests {
        let publish = registry.repository(&format!("run-{after}"));
        let workspace = Workspace::new(&publish).plain_http(&registry.host());
        chart(&workspace, "base", "1.0.0", "");
        depend(&workspace, "app", "1.0.0", &[("base", "1.0.0")], &publish);
        let seen = Arc::new(AtomicUsize::new(0));
        registry.front().set_fault(move |_, _| {
            let refused = seen.fetch_add(1, Ordering::SeqCst) >= after;
            refused.then(|| axum::http::StatusCode::FORBIDDEN.into_response())
        });
        let first = workspace.run("apply");
        registry.front().clear_fault();
        if first.code() == 0 {
            requests = after;
        }
        workspace.run("apply").ok();
        for name in ["base", "app"] {
            desk.digest(&format!("{publish}/{name}:1.0.0"));
        }
        workspace.run("plan --detailed-exitcode").ok();
        after += 1;
    }
    // HEAD, two blobs by POST and PUT, PUT and GET of the tag, for each of two charts.
    assert_eq!(requests, 14);
}
