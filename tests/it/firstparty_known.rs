//! What is known of first-party charts from an earlier plan: it saves time, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::Method;
use serde_json::Value;

use crate::poison::forge;
use crate::support::charts::Desk;
use crate::support::firstparty::{Bench, chart, depend};
use crate::support::process::run;
use crate::support::registry::{Kind, Registry};
use crate::support::signed::key_pair;
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

/// Publishes the folder as it is now, as helm does.
fn push(desk: &Desk, workspace: &Workspace, name: &str, parent: &str) {
    let into = desk.path("by-helm");
    let folder = workspace.path(&format!("charts/{name}"));
    run(desk.command(Tool::Helm4).arg("package").arg(folder).arg("--destination").arg(&into)).ok();
    let tgz = into.join(format!("{name}-1.0.0.tgz"));
    desk.run(Tool::Helm4, &format!("push {} oci://{parent} --plain-http", tgz.display())).ok();
}

/// `app` to be published with a mirrored chart in it, `own` published by helm, `changed` likewise and changed since.
fn bench() -> (Bench, PathBuf) {
    let mut bench = Bench::new();
    let cache = bench.workspace.path("../known");
    bench.workspace.set("CHARTSYNC_CACHE", &cache);
    bench.mirror();
    bench.workspace.run("apply").ok();
    for name in ["own", "changed"] {
        chart(&bench.workspace, name, "1.0.0", "");
        push(&bench.desk, &bench.workspace, name, &bench.parent());
    }
    bench.workspace.write("charts/changed/new.txt", "new");
    depend(&bench.workspace, "app", "1.0.0", &[("web", "1.0.0")], &bench.parent());
    (bench, cache)
}

fn only_facts(cache: &Path) {
    fs::remove_dir_all(cache.join("blobs")).unwrap();
}

fn package_of(plan: &str, name: &str) -> String {
    let plan: Value = serde_json::from_str(plan).unwrap();
    let row = plan["charts"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    row["package"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_plan_fetches_nothing_to_package_or_compare() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let (bench, cache) = bench();
    let plan = || bench.workspace.run("plan --format json").exits(4).stdout();
    let first = plan();
    bench.registry.front().take();
    // Without the bytes of `web` there is no package of `app`, and without those of the published charts nothing to compare.
    only_facts(&cache);
    assert_eq!(plan(), first);
    assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 4)]);
    fs::remove_dir_all(&cache).unwrap();
    assert_eq!(plan(), first);
    assert!(bench.registry.front().take_counts().len() > 1);
    // Another file is another package, another pin another dependency.
    only_facts(&cache);
    bench.workspace.write("charts/app/values.yaml", "says: hello # again\n");
    assert_ne!(package_of(&plan(), "app"), package_of(&first, "app"));
    assert!(
        bench.registry.front().take().iter().any(|(method, path)| *method == Method::GET && path.contains("/web/"))
    );
}

#[test]
fn what_is_to_be_signed_is_compared_once() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Cosign3);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    let parent = registry.repository("charts");
    let signing = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n";
    let mut workspace = Workspace::signing(&parent, signing).plain_http(&registry.host());
    key_pair(&workspace.path(""));
    let cache = workspace.path("../known");
    workspace.set("CHARTSYNC_CACHE", &cache);
    chart(&workspace, "own", "1.0.0", "");
    push(&desk, &workspace, "own", &parent);
    let first = workspace.run("plan").ok().says("s sign  own 1.0.0").stdout();
    only_facts(&cache);
    registry.front().take();
    assert_eq!(workspace.run("plan").ok().stdout(), first);
    let seen = registry.front().take();
    assert!(seen.iter().all(|(_, path)| !path.contains("/blobs/")), "{seen:?}");
}

/// Facts that were forged with their checksum fool a plan; what `apply` does they do not change.
#[test]
fn forged_facts_publish_nothing() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let (bench, cache) = bench();
    let first = bench.workspace.run("plan --format json").exits(4).stdout();
    let [app, own] = ["app", "own"].map(|name| package_of(&first, name));
    let nothing = format!("sha256:{}", "0".repeat(64));
    let changed = bench.desk.digest(&format!("{}/changed:1.0.0", bench.parent()));
    let forged = forge(&cache, |facts| {
        if facts.contains("differs") {
            format!(r#"{{"is":{{"digest":"{changed}","archive":"{nothing}","archive-size":1}}}}"#)
        } else {
            facts.replace(&app, &nothing)
        }
    });
    assert_eq!(forged, 2);
    let fooled = bench.workspace.run("plan --format json").ok().stdout();
    assert_eq!([package_of(&fooled, "app"), package_of(&fooled, "changed")], [nothing, changed.clone()]);
    bench
        .workspace
        .run("apply")
        .exits(4)
        .says("published 1 of 2 charts")
        .says("`new.txt` added")
        .says("raise the version");
    let digest = |name: &str| bench.desk.digest(&format!("{}/{name}:1.0.0", bench.parent()));
    assert_eq!(["app", "own", "changed"].map(digest), [app, own, changed]);
    bench.workspace.run("verify").exits(4).says("`new.txt` added");
}
