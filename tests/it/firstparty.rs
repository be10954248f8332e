//! First-party charts: packaged here, published once, left alone ever after; stock helm as judge.

use std::fs;
use std::path::Path;
use std::process::Command;

use axum::http::Method;
use serde_json::Value;

use crate::support::charts::Desk;
use crate::support::firstparty::{Bench, chart};
use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::process::{hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::signed::{KEY_PASSWORD, Signed, key_pair};
use crate::support::sigstore::{Claims, RekorVersion, Sigstore};
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::Workspace;

#[test]
fn a_chart_is_published_once_and_helm_takes_it() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Crane);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.2.3+b", "");
    bench.workspace.write("charts/own/.helmignore", "secret*\n");
    bench.workspace.write("charts/own/secret.txt", "x");
    bench.workspace.run("validate").ok().says("1 first-party chart");
    bench.workspace.run("plan --offline").ok().says("no registry was asked");
    bench.workspace.run("plan").ok().says("+ publish  own 1.2.3+b").says("from    charts/own, packaged here");
    let planned = bench.row("plan --format json", "own");
    assert_eq!((&planned["source"], &planned["pin"]), (&Value::Null, &Value::Null));
    bench.workspace.run("apply").ok().says("packaged from charts/own").says("published 1 of 1 chart");
    let reference = format!("{}/own:1.2.3_b", bench.parent());
    assert_eq!(planned["package"]["digest"], bench.desk.digest(&reference).as_str());
    let unpacked = bench.pulled("own", "1.2.3+b");
    assert_eq!(fs::read_to_string(unpacked.join("values.yaml")).unwrap(), "says: hello\n");
    assert!(!unpacked.join("secret.txt").exists());

    bench.registry.front().take();
    bench.workspace.run("apply").ok().says("nothing to do: 1 chart is published as in Git");
    assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 1)]);
    bench.workspace.run("plan --detailed-exitcode").ok().says("safe to merge? as far as registries tell, yes");
    bench.workspace.run("verify").ok().says("1 first-party chart has the content of its folder");
    bench.workspace.run("verify --quick").ok().says("1 first-party chart has the content of its folder");

    bench.workspace.write("charts/own/values.yaml", "says: goodbye\n");
    bench.workspace.run("plan").exits(4).says("! content").says("`values.yaml` changed").says("raise the version");
    bench.registry.front().take();
    bench.workspace.run("apply").exits(4).says("raise the version");
    let seen = bench.registry.front().take();
    assert!(seen.iter().all(|(method, _)| matches!(*method, Method::HEAD | Method::GET)), "{seen:?}");
    bench.workspace.run("verify").exits(4).says("`values.yaml` changed");
    // No exception lifts it.
    let mut workspace = bench.workspace;
    workspace.accept("replace", &reference, &bench.desk.digest(&reference));
    workspace.run("apply").exits(4).says("raise the version");
    chart(&workspace, "own", "1.2.4", "");
    workspace.write("charts/own/values.yaml", "says: goodbye\n");
    workspace.run("apply").ok().says("published 1 of 1 chart");
}

#[test]
fn what_helm_pushed_before_is_left_alone_when_its_content_is_equal() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Crane);
    for helm in HELMS {
        let bench = Bench::new();
        chart(&bench.workspace, "own", "1.0.0", "keywords: [b, a]\n");
        let into = bench.desk.path("by-helm");
        let folder = bench.workspace.path("charts/own");
        run(bench.desk.command(helm).arg("package").arg(&folder).arg("--destination").arg(&into)).ok();
        let tgz = into.join("own-1.0.0.tgz");
        bench.desk.run(helm, &format!("push {} oci://{} --plain-http", tgz.display(), bench.parent())).ok();
        let reference = format!("{}/own:1.0.0", bench.parent());
        let before = bench.desk.digest(&reference);

        let row = bench.row("plan --format json", "own");
        assert_eq!((&row["state"], &row["package"]["digest"]), (&"unchanged".into(), &before.as_str().into()));
        bench.workspace.run("apply").ok().says("nothing to do");
        bench.registry.front().take();
        bench.workspace.run("apply").ok();
        assert_eq!(bench.registry.front().take_counts(), [("HEAD tag".to_owned(), 1)], "{helm:?}: compared before");
        bench.workspace.run("verify").ok();
        bench.workspace.run("verify --quick").ok();
        bench.workspace.write("charts/own/new.txt", "new");
        bench.workspace.run("plan").exits(4).says("`new.txt` added");
        assert_eq!(bench.desk.digest(&reference), before);
    }
}

#[test]
fn something_else_under_the_name_blocks() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    let index = bench.desk.path("layout");
    let image =
        Image::with(serde_json::json!({}), ("application/vnd.oci.image.config.v1+json", b"{}".to_vec()), vec![]);
    image.put(&index, "1.0.0");
    let reference = format!("{}/own:1.0.0", bench.parent());
    bench.desk.run(Tool::Crane, &format!("push {} {reference}", index.display())).ok();
    bench.workspace.run("apply").exits(4).says("cannot be compared with the folder").says("raise the version");
    bench.workspace.run("verify").exits(4).says("no Helm chart");
}

#[test]
fn what_is_published_and_cannot_be_read_is_not_called_other_content() {
    let workspace = Workspace::new("charts.example/platform").layout("charts.example", "published");
    chart(&workspace, "own", "1.0.0", "");
    workspace.run("apply").ok();
    workspace.write("charts/own/values.yaml", "says: goodbye\n");
    for words in ["plan", "apply", "verify", "verify --quick"] {
        workspace.run(words).exits(4).says("`values.yaml` changed");
    }
    for blob in fs::read_dir(workspace.path("published/platform/own/blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        if fs::read(&blob).unwrap().starts_with(&[0x1f, 0x8b]) {
            fs::remove_file(blob).unwrap();
        }
    }
    workspace.forget_cache();
    for words in ["plan", "apply"] {
        let ran = workspace.run(words).exits(1).says("could not be asked");
        assert!(!ran.said().contains("raise the version"), "{ran}");
    }
}

#[test]
fn only_selects_one_kind() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    bench.mirror();
    chart(&bench.workspace, "own", "1.0.0", "");
    bench.workspace.run("apply --only mirrors").ok().says("published 1 of 1 chart").says("web 1.0.0");
    bench.desk.run(Tool::Crane, &format!("digest {}/own:1.0.0", bench.parent())).refused();
    bench.workspace.run("apply --only charts").ok().says("published 1 of 1 chart").says("own 1.0.0");
    bench.workspace.run("lock --repin own@1.0.0").exits(1).says("own is a first-party chart");
    let before = bench.workspace.read("mirrors.lock");
    bench.workspace.run("lock").ok();
    assert_eq!(bench.workspace.read("mirrors.lock"), before);
    bench.workspace.run("apply").ok().says("nothing to do");
}

#[test]
fn a_saved_plan_holds_the_package() {
    let workspace = Workspace::new("charts.example/platform").layout("charts.example", "published");
    chart(&workspace, "own", "1.0.0", "");
    workspace.run("plan --out plan.json").ok();
    let plan: Value = serde_json::from_str(&workspace.read("plan.json")).unwrap();
    assert!(plan["inputs"]["charts/own/values.yaml"].is_string());
    let digest = plan["charts"][0]["package"]["digest"].as_str().unwrap();
    workspace.run("render plan.json").ok().says("from: `charts/own`").says(digest);
    workspace.write("charts/own/values.yaml", "says: other\n");
    workspace
        .run("apply plan.json")
        .exits(4)
        .says("charts/own/values.yaml has other bytes now")
        .says("the package was");
    chart(&workspace, "own", "1.0.0", "");
    workspace.run("apply plan.json").ok().says("published 1 of 1 chart");
    workspace.run("plan --detailed-exitcode").ok();
    workspace.run("verify").ok();
}

#[test]
fn why_names_the_files_that_differ_from_a_revision() {
    let workspace = Workspace::new("registry.example/charts");
    chart(&workspace, "own", "1.0.0", "");
    std::os::unix::fs::symlink("values.yaml", workspace.path("charts/own/linked.yaml")).unwrap();
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(workspace.path("")).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        run(command.args(words)).ok();
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "one"]);
    workspace.run("why own --base HEAD").ok().says("nothing differs from HEAD");
    workspace.write("charts/own/templates/config.yaml", "x: 1\n");
    let ran = workspace.run("why own --base HEAD").ok().says("file is templates/config.yaml sha256:");
    assert!(!ran.said().contains("Chart.yaml"), "{ran}");
    workspace.run("plan --offline --base HEAD").ok();
}

/// What helm pushed along is no content; but nothing signs what nobody verified.
#[test]
fn a_provenance_beside_equal_content_is_left_alone_and_not_signed() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Cosign3);
    let bench = Bench::new();
    chart(&bench.workspace, "own", "1.0.0", "");
    let key = Key::new("Releases <releases@example.org>");
    // The desk calls packages by their folders, which it names after the versions.
    let folder = bench.desk.path("own-1.0.0");
    run(Command::new("cp").arg("-r").arg(bench.workspace.path("charts/own")).arg(&folder)).ok();
    let package = bench.desk.package(Tool::Helm4, &folder, Some(&key));
    bench.desk.push(Tool::Helm4, &package, &bench.parent());
    bench.workspace.run("apply").ok().says("nothing to do");
    bench.workspace.run("verify").ok().says("1 first-party chart has the content of its folder");

    key_pair(&bench.workspace.path(""));
    let signing = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"";
    let settings = bench.workspace.read("chartsync.toml").replace("method = \"none\"", signing);
    bench.workspace.write("chartsync.toml", settings);
    let mut workspace = bench.workspace;
    workspace.set("COSIGN_PASSWORD", Path::new(KEY_PASSWORD));
    workspace.run("plan").exits(4).says("what is not verified is not signed").says("raise the version");
    workspace.run("apply").exits(4).says("what is not verified is not signed");
    workspace.run("verify").exits(4).says("! signature-missing");
}

/// Signed where it is published, and where helm published it before: the bytes there, not those that would be packaged.
#[test]
fn what_lacks_our_signature_is_signed() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Cosign3);
    for before in [false, true] {
        let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
        let parent = registry.repository("charts");
        let signing = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n";
        let mut workspace = Workspace::signing(&parent, signing).plain_http(&registry.host());
        key_pair(&workspace.path(""));
        workspace.set("COSIGN_PASSWORD", Path::new(KEY_PASSWORD));
        chart(&workspace, "own", "1.0.0", "");
        let reference = format!("{parent}/own:1.0.0");
        if before {
            let into = desk.path("by-helm");
            let mut command = desk.command(Tool::Helm4);
            run(command.arg("package").arg(workspace.path("charts/own")).arg("--destination").arg(&into)).ok();
            let tgz = into.join("own-1.0.0.tgz");
            desk.run(Tool::Helm4, &format!("push {} oci://{parent} --plain-http", tgz.display())).ok();
            let held = desk.digest(&reference);
            workspace.run("plan").ok().says("s sign  own 1.0.0").says(&held);
            workspace.run("verify").exits(4).says("! signature-missing");
            workspace.run("apply").ok().says("published before with the content of charts/own").says("signed 1 of 1");
            assert_eq!(desk.digest(&reference), held);
        } else {
            registry.front().take();
            workspace.run("apply").ok().says("signed for this place by cosign.pub");
            let seen = registry.front().take();
            let named = Bench::first(&seen, &Method::PUT, "/v2/charts/own/manifests/1.0.0");
            let bundled =
                seen.iter().rposition(|(made, path)| *made == Method::PUT && path.contains("/manifests/sha256"));
            assert!(bundled.unwrap() < named, "{seen:?}");
        }
        let mut command = hermetic(Tool::Cosign3.path(), &desk.path("home"));
        command.current_dir(workspace.path("")).args(["verify", "--allow-http-registry", "--key", "cosign.pub"]);
        command.args(["--insecure-ignore-tlog", "-a", &format!("repository={parent}/own"), "-a", "tag=1.0.0"]);
        run(command.arg(&reference)).ok();
        workspace.run("apply").ok().says("nothing to do");
        workspace.forget_cache();
        workspace.run("apply").ok().says("nothing to do");
        workspace.run("verify").ok().says("1 chart is published with a signature of cosign.pub");
        workspace.write("charts/own/values.yaml", "says: other\n");
        workspace.run("apply").exits(4).says("raise the version");
    }
}

/// Two kinds of charts, two workflows: one run cannot sign both.
#[test]
fn one_identity_signs_one_kind() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let mut signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    chart(&signed.workspace, "own", "1.0.0", "");
    signed.registry.front().take();
    let ran = signed.workspace.run("apply").exits(1).says("one run has one identity");
    ran.says("`chartsync apply --only mirrors` and `chartsync apply --only charts`");
    let seen = signed.registry.front().take();
    assert!(seen.iter().all(|(method, _)| matches!(*method, Method::HEAD | Method::GET)), "{seen:?}");
    signed.workspace.run("apply --only charts").exits(1).says("publish.yaml");
    signed.workspace.run("apply --only mirrors").ok().says("published 1 of 1 chart");
    let publisher = Claims { workflow: ".github/workflows/publish.yaml".to_owned(), ..Claims::default() };
    signed.workspace.set_all(&signed.fronted.github_env(&publisher));
    signed
        .workspace
        .run("apply --only charts")
        .ok()
        .says(&format!("signed for this place by {}", publisher.identity()));
    signed.workspace.run("apply").ok().says("nothing to do");
    signed.workspace.run("verify").ok().says(&publisher.identity()).says(&Claims::default().identity());
}

#[test]
fn the_repositorys_own_charts_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = run(Command::new(env!("CARGO_BIN_EXE_chartsync")).arg("--root").arg(root).arg("validate"));
    ran.ok().says("1 first-party chart");
}
