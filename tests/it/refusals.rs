//! Charts that Helm refuses, chartsync refuses; charts that it takes, chartsync takes.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::charts::Desk;
use crate::support::images::{Entry, Image, archive, chart_archive, chart_yaml, config, provenance_text};
use crate::support::pgp::Key;
use crate::support::process::Ran;
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::{Workspace, unsigned};

/// What `lock` says to an image at `upstream.example/charts/web:1.0.0`.
fn lock(image: &Image, trust: impl FnOnce(&Workspace) -> String) -> Ran {
    let workspace = Workspace::new("charts.example/platform")
        .layout("upstream.example", "registry/upstream")
        .layout("charts.example", "registry/published");
    image.put(&workspace.path("registry/upstream/charts/web"), "1.0.0");
    let trust = trust(&workspace);
    workspace.mirror("web", "upstream.example/charts/web", "charts.example/platform/web", &["1.0.0"], &trust);
    let locked = workspace.run("lock");
    let pinned =
        fs::read_to_string(workspace.path("mirrors.lock")).is_ok_and(|lockfile| lockfile.contains("[[chart]]"));
    assert_eq!(pinned, locked.code() == 0, "{locked}");
    locked
}

/// An archive without provenance: both helms' verdicts and chartsync's must be `good`.
fn check_archive(what: &str, archive: Vec<u8>, good: bool) {
    check_image(what, config("web", "1.0.0"), archive, good);
}

/// A chart with this Chart.yaml, and the config blob that belongs to it.
fn check_whole(what: &str, chart_yaml: &str, good: bool) {
    let mut metadata = serde_yaml::from_str(chart_yaml).unwrap_or_else(|_| json!({}));
    if metadata.is_object() && metadata["apiVersion"].is_null() {
        metadata["apiVersion"] = json!("v1");
    }
    check_image(what, metadata.to_string().into_bytes(), chart_archive("web", chart_yaml), good);
}

fn check_image(what: &str, config: Vec<u8>, archive: Vec<u8>, good: bool) {
    let desk = Desk::new();
    let file = desk.write("web-1.0.0.tgz", &archive);
    for helm in HELMS {
        let ran = desk.run(helm, &format!("show chart {}", file.display()));
        assert_eq!(ran.code() == 0, good, "{what}: {ran}");
    }
    let ran = lock(&Image::of(config, archive, None), |_| unsigned());
    assert_eq!(ran.code(), i32::from(!good), "{what}: {ran}");
    assert!(good || ran.said().contains("web"), "{what}: the refusal does not name the chart: {ran}");
}

fn check_chart_yaml(what: &str, more: &str, good: bool) {
    check_whole(what, &(chart_yaml("web", "1.0.0") + more), good);
}

#[test]
fn archives_that_helm_refuses() {
    needs!(Tool::Helm4, Tool::Helm3);
    let yaml = chart_yaml("web", "1.0.0");
    let chart = Entry::File("web/Chart.yaml", yaml.as_bytes());
    check_archive("a good archive", archive(&[chart]), true);
    let with = |more: Entry| archive(&[Entry::File("web/Chart.yaml", yaml.as_bytes()), more]);
    check_archive("no Chart.yaml", archive(&[Entry::File("web/values.yaml", b"a: 1\n")]), false);
    check_archive("nothing at all", archive(&[]), false);
    check_archive("not an archive", b"apiVersion: v2\n".to_vec(), false);
    check_archive("Chart.yaml at the root", archive(&[Entry::File("Chart.yaml", yaml.as_bytes())]), false);
    check_archive("a way out", with(Entry::File("web/../../etc/passwd", b"x")), false);
    check_archive("an absolute path", with(Entry::File("web//etc/passwd", b"x")), false);
    check_archive("a drive", with(Entry::File("web/c:/passwd", b"x")), false);
    check_archive("5 MiB in a file", with(Entry::File("web/big", &vec![b'a'; 5 << 20])), true);
    check_archive("more than 5 MiB in a file", with(Entry::File("web/big", &vec![b'a'; (5 << 20) + 1])), false);
    let four = vec![b'a'; 4 << 20];
    let names: Vec<String> = (0..26).map(|n| format!("web/big-{n}")).collect();
    let mut entries = vec![Entry::File("web/Chart.yaml", yaml.as_bytes())];
    entries.extend(names.iter().map(|name| Entry::File(name, &four)));
    check_archive("more than 100 MiB in all", archive(&entries), false);
    let mut cut =
        archive(&[Entry::File("web/Chart.yaml", yaml.as_bytes()), Entry::File("web/values.yaml", &[7; 4096])]);
    cut.truncate(cut.len() - 20);
    check_archive("a cut archive", cut, false);
}

#[test]
fn chart_yamls_that_helm_refuses() {
    needs!(Tool::Helm4, Tool::Helm3);
    check_chart_yaml("a good one", "", true);
    check_chart_yaml("an unknown type", "type: operator\n", false);
    check_chart_yaml(
        "an alias with a blank",
        "dependencies:\n- {name: a, version: 1.0.0, repository: '', alias: 'b c'}\n",
        false,
    );
    check_chart_yaml(
        "a dependency twice",
        "dependencies:\n- {name: a, version: 1.0.0, repository: ''}\n- {name: a, version: 2.0.0, repository: ''}\n",
        false,
    );
    check_chart_yaml("not YAML", "\t- :\n{", false);
    check_whole("no apiVersion, which Helm takes for v1", "name: web\nversion: 1.0.0\n", true);
    check_whole("no name", "apiVersion: v2\nversion: 1.0.0\n", false);
    check_whole("a name with a path", "apiVersion: v2\nname: ../web\nversion: 1.0.0\n", false);
    check_whole("a name that is a folder", "apiVersion: v2\nname: '..'\nversion: 1.0.0\n", false);
    check_whole("no version", "apiVersion: v2\nname: web\n", false);
    check_whole("a version that is none", "apiVersion: v2\nname: web\nversion: one\n", false);
    check_whole("a list", "- apiVersion: v2\n", false);
}

/// A signed chart: `helm verify`'s and `lock`'s verdicts must be `good`.
fn check_provenance(what: &str, archive: Vec<u8>, provenance: Option<String>, ring: &Key, good: bool) {
    let desk = Desk::new();
    let file = desk.write("web-1.0.0.tgz", &archive);
    if let Some(provenance) = &provenance {
        desk.write("web-1.0.0.tgz.prov", provenance);
    }
    let keyring = desk.write("ring.gpg", ring.public());
    for helm in HELMS {
        let ran = desk.run(helm, &format!("verify --keyring {} {}", keyring.display(), file.display()));
        assert_eq!(ran.code() == 0, good, "{what}: {ran}");
    }
    let image = Image::of(config("web", "1.0.0"), archive, provenance.map(String::into_bytes));
    let ran = lock(&image, |workspace| workspace.signed_by(ring));
    assert_eq!(ran.code(), i32::from(!good), "{what}: {ran}");
}

#[test]
fn provenance_that_helm_refuses() {
    needs!(Tool::Helm4, Tool::Helm3);
    let (key, other) = (Key::new("Releases <releases@example.org>"), Key::new("Other <other@example.org>"));
    let expired = Key::expired("Past <past@example.org>");
    let archive = chart_archive("web", &chart_yaml("web", "1.0.0"));
    let text = provenance_text("web", "1.0.0", &archive);
    let check = |what: &str, signed: Option<String>, ring: &Key, good: bool| {
        check_provenance(what, archive.clone(), signed, ring, good);
    };
    check("a good one", Some(key.clear_sign(&text)), &key, true);
    check("none", None, &key, false);
    check("by a key that is not in the ring", Some(other.clear_sign(&text)), &key, false);
    check("by a key that has expired", Some(expired.clear_sign(&text)), &expired, false);
    check("with another text", Some(key.clear_sign(&text).replace("for one test", "for two tests")), &key, false);
    check("of other bytes", Some(key.clear_sign(&provenance_text("web", "1.0.0", b"other"))), &key, false);
    check("of another version", Some(key.clear_sign(&provenance_text("web", "1.0.1", &archive))), &key, false);
    check("of another chart", Some(key.clear_sign(&provenance_text("api", "1.0.0", &archive))), &key, false);
    check("without files", Some(key.clear_sign("name: web\nversion: 1.0.0\n\n...\nimages: {}\n")), &key, false);
    check("that is no message", Some(text.clone()), &key, false);
    check("that is empty", Some(String::new()), &key, false);
}

/// What stock helm takes but a reviewer would not expect: only chartsync refuses.
#[test]
fn images_that_only_chartsync_refuses() {
    use crate::support::images::{CHART, CONFIG, PROVENANCE};
    let archive = || chart_archive("web", &chart_yaml("web", "1.0.0"));
    let good = || (CONFIG, config("web", "1.0.0"));
    let check = |what: &str, image: &Image, code: i32, says: &str| {
        let ran = lock(image, |_| unsigned());
        assert_eq!(ran.code(), code, "{what}: {ran}");
        assert!(ran.said().contains(says), "{what}: {says:?} is not in: {ran}");
    };
    check("a good one", &Image::with(json!({}), good(), vec![(CHART, archive())]), 0, "");
    check("two charts", &Image::with(json!({}), good(), vec![(CHART, archive()), (CHART, vec![1])]), 1, "web");
    check("no chart", &Image::with(json!({}), good(), vec![(PROVENANCE, vec![1])]), 1, "web");
    check(
        "a stranger's layer",
        &Image::with(json!({}), good(), vec![(CHART, archive()), ("application/x", vec![1])]),
        1,
        "web",
    );
    check(
        "another config",
        &Image::with(json!({}), ("application/x", config("web", "1.0.0")), vec![(CHART, archive())]),
        1,
        "web",
    );
    check("a config of another chart", &Image::of(config("api", "1.0.0"), archive(), None), 1, "web");
    let subject = json!({"subject": {"mediaType": "a/b", "digest": format!("sha256:{:064}", 0), "size": 1}});
    check("a subject", &Image::with(subject, good(), vec![(CHART, archive())]), 1, "web");
    let other = chart_archive("web", &chart_yaml("web", "2.0.0"));
    check("another version inside", &Image::of(config("web", "2.0.0"), other, None), 1, "2.0.0");
    let other = chart_archive("api", &chart_yaml("api", "1.0.0"));
    check("another name inside", &Image::of(config("api", "1.0.0"), other, None), 1, "api");
    let yaml = chart_yaml("web", "1.0.0");
    let chart = || Entry::File("web/Chart.yaml", yaml.as_bytes());
    let linked = self::archive(&[chart(), Entry::Link("web/values.yaml", "/etc/passwd")]);
    check("a link", &Image::of(config("web", "1.0.0"), linked, None), 1, "web");
    let roots = self::archive(&[chart(), Entry::File("api/values.yaml", b"a: 1\n")]);
    check("two roots", &Image::of(config("web", "1.0.0"), roots, None), 1, "web");
    let mut members = archive();
    members.extend(archive());
    check("two gzip members", &Image::of(config("web", "1.0.0"), members, None), 1, "web");
}

#[test]
fn blobs_that_are_not_what_the_manifest_says() {
    let check = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = Image::chart("web", "1.0.0", "", None);
        let layout = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
        let workspace = Workspace::new("charts.example/platform")
            .layout("upstream.example", "registry/upstream")
            .layout("charts.example", "registry/published");
        let upstream = workspace.path("registry/upstream/charts/web");
        image.put(&upstream, "1.0.0");
        let digest = crate::support::images::digest(&image.blobs[1]);
        change(&mut image.blobs[1]);
        layout(&upstream.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), &image.blobs[1]);
        workspace.mirror("web", "upstream.example/charts/web", "charts.example/platform/web", &["1.0.0"], &unsigned());
        let ran = workspace.run("lock");
        assert_eq!(ran.code(), 1, "{what}: {ran}");
        assert!(ran.said().contains("web"), "{what}: {ran}");
    };
    check("one byte short", &|blob| blob.truncate(blob.len() - 1));
    check("one byte long", &|blob| blob.push(0));
    check("one wrong byte", &|blob| *blob.last_mut().unwrap() ^= 1);
    check("the same chart packed at another time", &|blob| blob[4] ^= 1);
    check("empty", &Vec::clear);
}
