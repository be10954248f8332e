//! What changes between two versions, told from archives of a real registry.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::Value;

use crate::support::firstparty::{Bench, chart, depend};
use crate::support::images::{Entry, Image, archive, chart_yaml, config, digest};
use crate::support::process::run;
use crate::support::tools::Tool;
use crate::support::workspace::unsigned;

const DEPLOYMENT: &str = "kind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 1\n";
const ROLE: &str = "kind: ClusterRole\nmetadata:\n  name: web\nrules:\n- resources: [\"*\"]\n";

/// A chart of one version with these values and templates.
fn release(version: &str, values: &str, templates: &[(&str, &str)]) -> Image {
    let yaml = chart_yaml("web", version);
    let mut files = vec![("web/Chart.yaml".to_owned(), yaml.as_str()), ("web/values.yaml".to_owned(), values)];
    files.extend(templates.iter().map(|(name, text)| (format!("web/templates/{name}"), *text)));
    let entries: Vec<_> = files.iter().map(|(path, text)| Entry::File(path, text.as_bytes())).collect();
    Image::of(config("web", version), archive(&entries), None)
}

/// `web` 1.0.0 and 1.1.0 in the upstream layout, declared and pinned.
fn two_versions(bench: &Bench) -> [Image; 2] {
    let old = release("1.0.0", "image: {repository: a/web, tag: 1.0.0}\nreplicas: 1\n", &[("web.yaml", DEPLOYMENT)]);
    let changed = DEPLOYMENT.replace('1', "2");
    let new = release(
        "1.1.0",
        "image: {repository: a/web, tag: 1.1.0}\nreplicas: 1\nmore: true\n",
        &[("web.yaml", &changed), ("rbac.yaml", ROLE)],
    );
    for (image, tag) in [(&old, "1.0.0"), (&new, "1.1.0")] {
        image.put(&bench.workspace.path("upstream/web"), tag);
    }
    mirror(bench, &["1.0.0", "1.1.0"]);
    bench.workspace.run("lock").ok();
    [old, new]
}

fn mirror(bench: &Bench, versions: &[&str]) {
    bench.workspace.mirror("web", "upstream.example/web", &format!("{}/web", bench.parent()), versions, &unsigned());
}

/// A command's JSON.
#[track_caller]
fn json(bench: &Bench, words: &str) -> Value {
    let ran = run(bench.workspace.command().args(words.split_whitespace())).ok();
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn pinned_versions_are_compared_and_each_archive_is_fetched_once() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    let [old, _] = two_versions(&bench);
    bench.workspace.run("apply").ok();
    bench.workspace.forget_cache();
    bench.registry.front().take();
    let told = bench.workspace.run("diff web 1.0.0 1.1.0").ok();
    assert_eq!(bench.registry.front().take_counts(), [("GET blob".to_owned(), 2)]);
    told.says("web 1.0.0 → 1.1.0")
        .says(&format!("{}, as pinned", old.digest()))
        .says("! new rule for everything: ClusterRole web: resources: *  templates/rbac.yaml:5")
        .says("! new: ClusterRole web  templates/rbac.yaml:1")
        .says("~ a/web:1.0.0 → 1.1.0  values.yaml:1")
        .says("~ Deployment web  templates/web.yaml:1")
        .says("+ more: true  values.yaml:3")
        .says("~ values.yaml  ");

    // What was found is kept: neither archives nor registries are needed any more.
    bench.workspace.run("diff web 1.0.0 1.1.0 --offline").ok().says("! new: ClusterRole web");
    assert_eq!(bench.registry.front().take_counts(), []);
    let json = json(&bench, "diff web v1.0.0 1.1.0 --format json");
    assert_eq!((&json["kind"], &json["old"]["from"]), (&"difference".into(), &"pinned".into()));
    assert_eq!((&json["difference"]["images"]["changed"], &json["patch"]), (&1.into(), &Value::Null));
    bench.workspace.run("diff web 1.1.0 1.0.0").ok().says("- ClusterRole web");
    bench.workspace.run("diff web 1.1.0 1.1.0").ok().says("the same files");
}

#[test]
fn a_patch_is_what_other_tools_would_print() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    two_versions(&bench);
    let patch = bench.workspace.run("diff web 1.0.0 1.1.0 --patch").ok().stdout();
    let of_template = "--- a/templates/web.yaml\n+++ b/templates/web.yaml\n@@ -2,4 +2,4 @@\n metadata:\n   name: web\n spec:\n-  replicas: 1\n+  replicas: 2\n";
    assert!(patch.contains(of_template), "{patch}");
    assert!(
        patch.contains("--- /dev/null\n+++ b/templates/rbac.yaml\n@@ -0,0 +1,5 @@\n+kind: ClusterRole\n"),
        "{patch}"
    );
    let json = json(&bench, "diff web 1.0.0 1.1.0 --patch --format json");
    assert!(json["patch"][1]["text"].as_str().unwrap().starts_with("@@ -0,0 +1,5 @@"), "{json}");
}

#[test]
fn a_version_without_a_pin_is_what_names_stand_for_now_and_said_so() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    let [old, new] = two_versions(&bench);
    bench.workspace.run("apply").ok();
    mirror(&bench, &["1.0.0"]);
    bench.workspace.run("lock").ok();
    let unverified = "upstream.example/web:1.1.0 names now; nothing of it was verified";
    bench.workspace.run("diff web 1.0.0 1.1.0").ok().says(unverified).says("! new: ClusterRole web");
    // Upstream withdrew it, the destination has it still.
    std::fs::remove_file(bench.workspace.path("upstream/web/index.json")).unwrap();
    old.put(&bench.workspace.path("upstream/web"), "1.0.0");
    let json = json(&bench, "diff web 1.0.0 1.1.0 --format json");
    assert_eq!((&json["new"]["from"], &json["new"]["digest"]), (&"published".into(), &new.digest().into()));
    bench.workspace.run("diff web published:1.0.0 published:1.1.0").ok().says("! new: ClusterRole web");
    bench.workspace.run(&format!("diff web {} upstream:1.0.0", new.digest())).ok().says("- ClusterRole web");
    bench.workspace.run("diff web 1.0.0 upstream:1.1.0").exits(1).says("does not exist");
    bench
        .workspace
        .run("diff web 1.0.0 2.0.0")
        .exits(1)
        .says("2.0.0 is not pinned, and neither")
        .says("pinned: 1.0.0; the newest of")
        .says("upstream.example/web: 1.0.0; `chartsync outdated --chart web` lists more");
    bench
        .workspace
        .run("diff web 1.0.0 1.1.0 --offline")
        .exits(1)
        .says("no registry was asked what it names; pinned: 1.0.0");
    bench.workspace.run("diff web@1.0.0 1.0.0 1.1.0").exits(1).says("write `chartsync diff web OLD 1.0.0`");
    bench.workspace.run("diff wob 1.0.0 1.1.0").exits(1).says("did you mean");
}

/// Nobody has the archive any more: an error, and never an empty difference.
#[test]
fn what_cannot_be_had_is_an_error() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    two_versions(&bench);
    bench.workspace.forget_cache();
    std::fs::remove_dir_all(bench.workspace.path("upstream/web/blobs")).unwrap();
    bench.workspace.run("diff web 1.0.0 1.1.0").exits(1).says("cannot be had");
    bench.workspace.run("diff web 1.0.0 1.1.0 --offline").exits(1).says("not in the cache");
}

#[test]
fn a_folder_is_compared_with_what_is_published_of_it() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.run("apply").ok();
    chart(&bench.workspace, "own", "1.1.0", "kubeVersion: '>=1.30'\n");
    bench.workspace.write("charts/own/values.yaml", "says: goodbye\n");
    bench
        .workspace
        .run("diff own 1.0.0 1.1.0")
        .ok()
        .says("own:1.0.0 names now")
        .says("charts/own, packaged here")
        .says("! kubeVersion: none → >=1.30  Chart.yaml:")
        .says("~ says: hello → goodbye  values.yaml:1");
    bench.workspace.run("diff own upstream:1.0.0 1.1.0").exits(1).says("it has no upstream");
}

/// `web` 1.0.0 published and committed, 1.1.0 declared and pinned behind that.
fn a_new_version(bench: &Bench) -> [Image; 2] {
    let images = two_versions(bench);
    mirror(bench, &["1.0.0"]);
    bench.workspace.run("lock").ok();
    bench.workspace.run("apply").ok();
    bench.workspace.write(".gitignore", "/upstream\n");
    bench.workspace.commit();
    mirror(bench, &["1.0.0", "1.1.0"]);
    bench.workspace.run("lock").ok();
    images
}

#[test]
fn a_plan_tells_what_a_new_version_changes() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    a_new_version(&bench);
    bench.workspace.forget_cache();
    bench.registry.front().take();
    let told =
        ["! new: ClusterRole web  templates/rbac.yaml:1", "~ a/web:1.0.0 → 1.1.0", "`chartsync diff web 1.0.0 1.1.0`"];
    let plan = bench.workspace.run("plan --base HEAD").ok().says("since   1.0.0: images 1 changed; ");
    for told in told {
        assert!(plan.said().contains(told), "{plan}");
    }
    let seen = bench.registry.front().take_counts();
    // One request for the archive before; the new one was fetched to be cleared.
    assert_eq!(seen, [("GET blob".to_owned(), 1), ("HEAD tag".to_owned(), 2)]);
    bench.workspace.run("plan").ok().says(told[0]);
    assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 2)]);

    let row = bench.row("plan --base HEAD --format json", "web");
    assert_eq!(row["against"], Value::Null, "1.0.0 is as it was");
    bench.workspace.git("commit --quiet --all --message new");
    let plan = bench.workspace.run("plan --base HEAD").ok().says("+ publish  web 1.1.0");
    assert!(!plan.said().contains("since"), "the pin is as it was: {plan}");
    bench.workspace.git("reset --quiet --soft HEAD~1");
    let markdown = bench.workspace.run("plan --base HEAD --format markdown --out plan.json").ok().stdout();
    for told in [
        "since `1.0.0`: images 1 changed",
        "⚠️ new: `ClusterRole web` at `templates/rbac.yaml:1`",
        "<summary>what changes</summary>",
    ] {
        assert!(markdown.contains(told), "{markdown}");
    }
    assert_eq!(bench.workspace.run("render plan.json").ok().stdout(), markdown);
}

#[test]
fn what_cannot_be_compared_is_told_and_fails_nothing() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    let [old, _] = a_new_version(&bench);
    bench.workspace.run("plan --base HEAD --offline").ok().says("! new: ClusterRole web");
    bench.workspace.forget_cache();
    bench
        .workspace
        .run("plan --base HEAD --offline")
        .ok()
        .says("since   1.0.0: not compared: ")
        .says("no registry was asked");
    let archive = digest(&old.blobs[1]);
    let file = format!("upstream/web/blobs/sha256/{}", archive.trim_start_matches("sha256:"));
    std::fs::remove_file(bench.workspace.path(&file)).unwrap();
    bench
        .registry
        .front()
        .set_fault(move |_, path| path.ends_with(&archive).then(|| StatusCode::NOT_FOUND.into_response()));
    let plan = bench.workspace.run("plan --base HEAD --detailed-exitcode").exits(2);
    let plan = plan.says("since   1.0.0: not compared: ").says("cannot be had").says("+ publish  web 1.1.0");
    assert!(plan.said().contains("safe to merge? yes"), "{plan}");
    bench.workspace.run("plan --base HEAD --format markdown").ok().says("since `1.0.0`: not compared");
}

#[test]
fn the_same_version_with_other_bytes_is_compared_with_those_before() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    let old = release("1.0.0", "a: 1\n", &[]);
    old.put(&bench.workspace.path("upstream/web"), "1.0.0");
    mirror(&bench, &["1.0.0"]);
    bench.workspace.run("lock").ok();
    bench.workspace.write(".gitignore", "/upstream\n");
    bench.workspace.commit();
    let new = release("1.0.0", "a: 2\n", &[("rbac.yaml", ROLE)]);
    new.put(&bench.workspace.path("upstream/web"), "1.0.0");
    bench.workspace.run("lock --repin web@1.0.0").ok();
    let command = format!("chartsync diff web {} 1.0.0", old.digest());
    bench.workspace.run("plan --base HEAD").ok().says("since   1.0.0: ").says("! new: ClusterRole web").says(&command);
    let words = command.trim_start_matches("chartsync ");
    bench.workspace.run(words).ok().says("~ a: 1 → 2  values.yaml:1");
}

#[test]
fn a_new_version_of_a_folder_is_compared_with_the_one_that_the_base_published() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.run("apply").ok();
    bench.workspace.commit();
    chart(&bench.workspace, "own", "1.1.0", "");
    bench.workspace.write("charts/own/templates/rbac.yaml", ROLE);
    bench
        .workspace
        .run("plan --base HEAD")
        .ok()
        .says("since   1.0.0: ")
        .says("! new: ClusterRole web")
        .says("`chartsync diff own 1.0.0 1.1.0`");
    // What was found is kept, also of a package.
    bench.workspace.run("plan --base HEAD").ok().says("! new: ClusterRole web");
}

/// A version that was not published is in Git all the same: it is compared with that folder, its dependencies packaged with it.
#[test]
fn a_version_that_was_never_published_is_compared_as_the_base_has_it() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "0.1.0", "");
    bench.workspace.run("apply").ok();
    chart(&bench.workspace, "part", "1.0.0", "");
    bench.mirror();
    let parent = bench.parent();
    depend(&bench.workspace, "own", "0.2.0", &[("part", "1.0.0"), ("web", "1.0.0")], &parent);
    bench.workspace.write(".gitignore", "/upstream\n");
    bench.workspace.commit();
    let check = |version: &str| {
        depend(&bench.workspace, "own", version, &[("part", "1.0.0"), ("web", "1.0.0")], &parent);
        bench.workspace.write("charts/own/templates/rbac.yaml", ROLE);
        let plan = bench.workspace.run("plan --base HEAD").ok();
        let plan = plan.says("since   0.2.0: ").says("! new: ClusterRole web").says("1 version deserves a second look");
        assert!(!plan.said().contains("not compared") && !plan.said().contains("diff own"), "{plan}");
        plan.says("not published as the base has it: that is the base's folder");
        let against = bench.row("plan --base HEAD --format json", "own")["against"].clone();
        assert_eq!((&against["version"], &against["command"]), (&"0.2.0".into(), &Value::Null));
        assert_eq!(against["difference"]["files"]["added"], 1, "{against}");
        bench.workspace.run("plan --base HEAD --format markdown").ok().says("that is the base's folder");
    };
    check("0.3.0");
    // Edited before it was published.
    check("0.2.0");
    check("0.1.5");

    // What cannot be had of the base is told.
    depend(&bench.workspace, "own", "0.3.0", &[("part", "1.0.0")], &parent);
    bench.workspace.forget_cache();
    std::fs::remove_dir_all(bench.workspace.path("upstream/web/blobs")).unwrap();
    let plan = bench.workspace.run("plan --base HEAD --chart own").exits(4);
    plan.says("since   0.2.0: not compared: charts/own in the base depends on ").says("cannot be had");
}

/// A version that goes down is compared with the one that is published.
#[test]
fn a_folder_whose_version_goes_down_is_compared_with_what_is_published() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.1.0", "");
    bench.workspace.run("apply").ok();
    bench.workspace.commit();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.write("charts/own/templates/rbac.yaml", ROLE);
    let plan = bench.workspace.run("plan --base HEAD").ok().says("since   1.1.0: ").says("! new: ClusterRole web");
    plan.says("`chartsync diff own 1.1.0 1.0.0`");
}

/// Where two destinations end alike, the command that is suggested names the whole one.
#[test]
fn the_suggested_command_names_one_chart() {
    needs!(Tool::Distribution);
    let bench = Bench::new();
    two_versions(&bench);
    bench.workspace.run("apply").ok();
    release("1.2.0", "", &[]).put(&bench.workspace.path("upstream/web"), "1.2.0");
    mirror(&bench, &["1.0.0", "1.1.0", "1.2.0"]);
    let other = format!("{}/other/web", bench.parent());
    bench.workspace.mirror("other", "upstream.example/web", &other, &["1.0.0"], &unsigned());
    bench.workspace.run("lock").ok();
    let command = format!("diff {}/web 1.1.0 1.2.0", bench.parent());
    bench.workspace.run("plan").ok().says(&format!("`chartsync {command}`"));
    bench.workspace.run(&command).ok().says("values");
}

/// A first version has nothing before it: what it asks of the cluster is told all the same, and counts.
#[test]
fn a_first_version_is_told_by_what_deserves_a_second_look() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.run("apply").ok();
    bench.workspace.write(".gitignore", "/upstream\n");
    bench.workspace.commit();
    let agent = "kind: DaemonSet\nmetadata:\n  name: agent\nspec:\n  template:\n    spec:\n      hostNetwork: true\n      containers:\n      - name: agent\n        securityContext:\n          privileged: true\n";
    let values = "image: {repository: a/web, tag: 1.0.0}\nreplicas: 1\n";
    let first = release("1.0.0", values, &[("rbac.yaml", ROLE), ("agent.yaml", agent)]);
    first.put(&bench.workspace.path("upstream/web"), "1.0.0");
    release("0.9.0", "replicas: 1\n", &[("web.yaml", DEPLOYMENT)]).put(&bench.workspace.path("upstream/web"), "0.9.0");
    mirror(&bench, &["1.0.0"]);
    bench.workspace.run("lock").ok();
    bench.registry.front().take();
    let plan = bench.workspace.run("plan --base HEAD").ok();
    // Nothing is fetched but what is cleared, which `lock` has kept.
    assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 2)]);
    let plan =
        plan.says("safe to merge? yes, if you agree with what is told below: 1 chart would change, without provenance");
    let plan = plan.says("; 1 version deserves a second look\n").says("in it   4 things to look at\n");
    let told = [
        "! new privilege: DaemonSet agent: privileged  templates/agent.yaml:11",
        "! new use of the node: DaemonSet agent: hostNetwork  templates/agent.yaml:7",
        "! new rule for everything: ClusterRole web: resources: *  templates/rbac.yaml:5",
        "! new: ClusterRole web  templates/rbac.yaml:1",
    ];
    for told in told {
        assert!(plan.said().contains(told), "{plan}");
    }
    assert!(!plan.said().contains("in full: ") && !plan.said().contains("replicas"), "{plan}");
    // What was found is kept.
    bench.workspace.run("plan --base HEAD --offline").ok().says(told[0]);
    let row = bench.row("plan --base HEAD --format json", "web");
    let against = &row["against"];
    assert_eq!((&against["version"], &against["command"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&against["difference"]["notices"]["count"], &against["difference"]["files"]["added"]),
        (&4.into(), &0.into())
    );
    bench.workspace.run("plan --base HEAD --format markdown").ok().says("in it: 4 things to look at");

    // A lower one that comes later has none before it either.
    bench.workspace.git("add --all");
    bench.workspace.git("commit --quiet --message first");
    mirror(&bench, &["0.9.0", "1.0.0"]);
    bench.workspace.run("lock").ok();
    let plan = bench.workspace.run("plan --base HEAD").ok();
    plan.says("in it   nothing that deserves a second look\n");
}

#[test]
fn the_first_version_of_a_folder_is_told_by_what_deserves_a_second_look() {
    needs!(Tool::Distribution, Tool::Git);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.commit();
    bench.workspace.write("charts/own/templates/rbac.yaml", ROLE);
    // Not published yet, and edited: what the base has of it is what a reviewer knows.
    let plan = bench.workspace.run("plan --base HEAD").ok().says("since   1.0.0: ").says("that is the base's folder");
    plan.says("! new: ClusterRole web").says("; 1 version deserves a second look\n");
    chart(&bench.workspace, "other", "1.0.0", "");
    bench.workspace.run("plan --base HEAD").ok().says("in it   nothing that deserves a second look");
    bench.workspace.run("apply").ok();
    // Published, and nothing to do: nobody is asked for bytes.
    bench.registry.front().take();
    bench.workspace.run("plan --base HEAD").ok().says("! new: ClusterRole web");
    assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 2)]);
}
