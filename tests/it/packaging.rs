//! Packaged charts, beside those that stock helm packages from the same folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use chartsync::artifact::assemble::assemble;
use chartsync::chart::content::Content;
use chartsync::chart::package::{Entry, Folder, Kind, Package, Source};
use chartsync::chart::{Archive, read};
use chartsync::oci::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::charts::{Desk, blobs};
use crate::support::process::{Ran, hermetic, run};
use crate::support::registry::{Kind as Server, Registry};
use crate::support::tools::{HELMS, Tool};

/// Path and content of each file.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A chart with something of everything.
fn whole() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/packaging/whole")
}

/// What is in a folder, in the order in which the file system tells it.
fn walk(top: &Path) -> Folder {
    let (mut entries, mut ahead) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let kind = if kind.is_dir() {
                ahead.push(path);
                continue;
            } else if kind.is_symlink() {
                Kind::Link(fs::read_link(&path).unwrap().to_str().unwrap().to_owned())
            } else if kind.is_file() {
                Kind::File(fs::read(&path).unwrap())
            } else {
                Kind::Other("is no plain file")
            };
            entries.push(Entry { path: path.strip_prefix(top).unwrap().to_str().unwrap().to_owned(), kind });
        }
    }
    Folder { entries }
}

fn package(folder: &Path) -> Result<Package, String> {
    let source = Source::read(walk(folder)).map_err(|error| error.to_string())?;
    source.package(&BTreeMap::new()).map_err(|error| error.to_string())
}

/// A copy of a folder, links as links, made by these calls in this order.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        let kind = fs::symlink_metadata(&from).unwrap().file_type();
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), to).unwrap();
        } else {
            fs::write(to, fs::read(from).unwrap()).unwrap();
        }
    }
}

/// `helm package` of a folder into a new one.
fn helm_package(desk: &Desk, helm: Tool, folder: &Path) -> (Ran, TempDir) {
    let into = TempDir::new().unwrap();
    let ran = run(desk.command(helm).arg("package").arg(folder).arg("--destination").arg(into.path()));
    (ran, into)
}

fn only_file(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let file = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    file
}

fn content(tgz: &[u8]) -> Content {
    Content::of(&Archive::read(tgz).unwrap()).unwrap()
}

/// That both helms pack from this folder what chartsync packs; gives the package.
#[track_caller]
fn as_helm_packs(desk: &Desk, folder: &Path) -> Package {
    let ours = package(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for helm in HELMS {
        let (ran, into) = helm_package(desk, helm, folder);
        ran.ok();
        let bytes = fs::read(only_file(into.path())).unwrap();
        let (theirs, content) = (content(&bytes), content(&ours.archive));
        assert_eq!(theirs, content, "{}, {helm:?}: {}", folder.display(), theirs.difference(&content));
        // What is equal as Helm reads it is equal as anyone reads it.
        assert_eq!(data(&bytes), data(&ours.archive), "{}, {helm:?}", folder.display());
    }
    ours
}

/// Chart.yaml and Chart.lock of a chart and its subcharts, as YAML has them; but when the lock was written.
fn data(tgz: &[u8]) -> BTreeMap<String, serde_yaml::Value> {
    let archive = Archive::read(tgz).unwrap();
    let is_data = |path: &str| matches!(path.rsplit('/').next(), Some("Chart.yaml" | "Chart.lock"));
    let found = archive.files().filter(|(path, _)| is_data(path));
    let found = found.map(|(path, bytes)| {
        let mut value: serde_yaml::Value = serde_yaml::from_slice(bytes).unwrap();
        value.as_mapping_mut().unwrap().remove("generated");
        (path.to_owned(), value)
    });
    found.collect()
}

/// A chart folder of these files; content that begins with `->` makes a link, `!tgz` the chart `inner` packed.
fn folder(desk: &Desk, name: &str, files: Files<'_>) -> PathBuf {
    let folder = desk.path("charts").join(name);
    fs::create_dir_all(&folder).unwrap();
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("->") {
            Some(target) => symlink(target, &path).unwrap(),
            None if *content == "!tgz" => {
                fs::write(&path, package(&inner(desk)).unwrap().archive).unwrap();
            }
            None => fs::write(&path, content).unwrap(),
        }
    }
    if !folder.join("Chart.yaml").exists() {
        fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: a\nversion: 1.0.0\n").unwrap();
    }
    folder
}

fn inner(desk: &Desk) -> PathBuf {
    let nested = "apiVersion: v2\nname: nested\nversion: 0.1.0\n";
    folder(
        desk,
        "inner",
        &[
            ("Chart.yaml", "# v1, as old as it gets\nname: inner\nversion: v0.1\n"),
            (
                "requirements.yaml",
                "dependencies:\n- {name: nested, version: 0.1.0, repository: 'https://example.org'}\n",
            ),
            ("requirements.lock", "generated: '2019-01-01T00:00:00Z'\ndigest: x\ndependencies: []\n"),
            ("charts/other-name/Chart.yaml", nested),
            ("values.yaml", "a: 1\n"),
        ],
    )
}

#[test]
fn a_chart_with_everything_is_packed_as_helm_packs_it() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    let whole_package = as_helm_packs(&desk, &whole());
    let inside = |path: &str| whole_package.chart.archive.file(path).is_some();
    for path in ["files/docs/guide.md", "link.sh", "lang/Grüße/Wörter.txt", "charts/inner/kept.bak.txt", ".helmignore"]
    {
        assert!(inside(path), "{path}");
    }
    for path in ["README.md.bak", "ci/test-values.yaml", "docs/private/plan.md", "templates/.hidden", "Upper.tmp"] {
        assert!(!inside(path), "{path}");
    }
    for helm in HELMS {
        run(desk.command(helm).args(["create", "created"])).ok();
        as_helm_packs(&desk, &desk.path("created"));
        fs::remove_dir_all(desk.path("created")).unwrap();
    }
}

#[test]
fn corner_cases_are_packed_as_helm_packs_them() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    let lock =
        "generated: 2020-01-01T00:00:00.5Z\ndigest: x\ndependencies:\n- {name: inner, version: v0.1, repository: ''}\n";
    let v1 = "apiVersion: v1\nname: a\nversion: 1.0.0\n";
    let declared = "dependencies:\n- {name: inner, version: '*', repository: 'https://example.org', alias: x}\n- {name: inner, version: '*'}\n";
    let v2_declared = format!("apiVersion: v2\nname: a\nversion: 1.0.0\n{declared}");
    let v1_declared = format!("{v1}{declared}");
    let long_key = format!("apiVersion: v2\nname: a\nversion: 1.0.0\nannotations:\n  ? {}\n  : b\n", "k".repeat(900));
    let cases: &[(&str, Files<'_>)] = &[
        ("packed", &[("Chart.yaml", &v2_declared), ("charts/inner-0.1.tgz", "!tgz"), ("Chart.lock", lock)]),
        ("sidecars", &[("charts/i.tgz", "!tgz"), ("charts/i.tgz.prov", "p"), ("charts/_x/y", ""), ("charts/.y", "")]),
        ("prov-below", &[("charts/b/Chart.yaml", "name: b\nversion: 1.0.0\n"), ("charts/b/x.prov", "p")]),
        (
            "old",
            &[
                ("Chart.yaml", v1),
                ("requirements.yaml", declared),
                ("requirements.lock", lock),
                ("charts/i.tgz", "!tgz"),
            ],
        ),
        ("old-inline", &[("Chart.yaml", &v1_declared), ("Chart.lock", lock), ("charts/i.tgz", "!tgz")]),
        (
            "new-with-requirements",
            &[("requirements.yaml", declared), ("requirements.lock", lock), ("charts/i.tgz", "!tgz")],
        ),
        ("two-locks", &[("Chart.lock", "digest: y\n"), ("requirements.lock", lock)]),
        ("empty-lock", &[("Chart.lock", "# nothing\n")]),
        ("lock-of-nothing", &[("Chart.lock", "{}")]),
        ("null-lock-over-lock", &[("Chart.lock", lock), ("requirements.lock", "")]),
        ("long-key", &[("Chart.yaml", &long_key)]),
        (
            "marks",
            &[
                ("Chart.yaml", "\u{feff}name: a\nversion: 1.0.0\n"),
                ("x", "\u{feff}\u{feff}y"),
                ("values.yaml", "\u{feff}a: 1"),
            ],
        ),
        ("marked-ignore", &[(".helmignore", "\u{feff}x\r\ny"), ("x", ""), ("y", ""), ("z", "")]),
        ("links", &[("l", "->x/../x"), ("x/y", "1"), ("m", "->l/y"), ("templates/t.yaml", "->../m")]),
        ("ignored-link", &[("l", "->../../.."), (".helmignore", "/l"), ("x/l", "->..//x/y"), ("x/y", "")]),
        ("linked-ignore", &[(".helmignore", "->rules"), ("rules", "x"), ("x/y", ""), ("z", "")]),
        (
            "names",
            &[
                ("a b/ c", ""),
                ("-", ""),
                ("é", ""),
                ("%2e%2e", ""),
                ("x:y", ""),
                ("templates.yaml", ""),
                ("charts.md", ""),
            ],
        ),
        (
            "template-likes",
            &[("templates/.a", ""), ("templates/b/.c", ""), ("Templates/.d", ""), ("templates/.e/f", "")],
        ),
        ("schema", &[("values.schema.json", " {\"a\": \"\\ud800\", \"n\": 1e999} \n"), ("x/values.schema.json", "{")]),
    ];
    for (name, files) in cases {
        as_helm_packs(&desk, &folder(&desk, name, files));
    }
    let full = folder(&desk, "full", &[("x", "")]);
    fs::write(full.join("x"), vec![b'x'; 5 << 20]).unwrap();
    fs::set_permissions(full.join("Chart.yaml"), fs::Permissions::from_mode(0o4755)).unwrap();
    as_helm_packs(&desk, &full);
}

#[test]
fn helmignore_leaves_out_what_helm_leaves_out() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    let files =
        ["a", "ab", "b/a", "b/c/a", "c/a/d", "a.txt", "b/.txt", "é", "d/[x]", "d/!a", "d/#a", "d/x y", ".dot", "b/b/b"];
    for (index, rules) in [
        "a",
        "a/",
        "/a",
        "b/a",
        "b/a/",
        "*/a",
        "b/*",
        "*",
        "?",
        "[^a]",
        "[^a]*",
        "b[^x]a",
        "*.txt",
        "!*",
        "/b",
        "/b/",
        "b",
        "\\[x]",
        "[[]x]",
        "\\!a",
        "#a\n\\#a",
        "  d/x y  ",
        ".*",
        "*[^é]",
        "b/*/a",
        "c/*\\",
        "x*[",
        "a**b",
        "[",
        "\\",
        "**",
        "!Chart.yaml",
        "/",
        "b//a",
        "./a",
        "c/a\n!*",
        "*a\n*b\n",
        "b/b/",
        "*/b/*",
    ]
    .into_iter()
    .enumerate()
    {
        let mut all: Vec<_> = files.iter().map(|path| (*path, "")).collect();
        all.push((".helmignore", rules));
        let folder = folder(&desk, &format!("ignore-{index}"), &all);
        match package(&folder) {
            Ok(_) => drop(as_helm_packs(&desk, &folder)),
            Err(error) => {
                for helm in HELMS {
                    let (ran, _) = helm_package(&desk, helm, &folder);
                    assert_ne!(ran.code(), 0, "{rules:?} is refused here only: {error}\n{ran}");
                }
            }
        }
    }
}

#[test]
fn what_helm_refuses_to_package_is_refused() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    let missing = "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: b, version: 1.0.0}]\n";
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("missing", &[("Chart.yaml", missing)], "depends on `b`"),
        ("name", &[("Chart.yaml", "name: b/c\nversion: 1.0.0\n")], "`name` in the chart's metadata"),
        ("version", &[("Chart.yaml", "name: b\nversion: x\n")], "`version` in the chart's metadata"),
        ("readme", &[("charts/README.md", "")], "has no Chart.yaml"),
        ("schema", &[("values.schema.json", "{,}")], "is not JSON"),
        (
            "inner-schema",
            &[("charts/b/Chart.yaml", "name: b\nversion: 1.0.0\n"), ("charts/b/values.schema.json", "")],
            "is not JSON",
        ),
        ("values", &[("values.yaml", "- a")], "values.yaml is not a YAML mapping"),
        ("dangling", &[("l", "->nowhere")], "is not there"),
        ("circle", &[("l", "->l")], "leads in a circle"),
        ("ignore", &[(".helmignore", "a/**")], "has `**`"),
        ("ignore-folder", &[(".helmignore/x", "")], "is a folder"),
        ("all-ignored", &[(".helmignore", "!x")], "has no Chart.yaml"),
    ];
    for (name, files, says) in cases {
        refused_by_all(&desk, &folder(&desk, name, files), says);
    }
    let large = folder(&desk, "large", &[]);
    fs::write(large.join("x"), vec![b'x'; (5 << 20) + 1]).unwrap();
    refused_by_all(&desk, &large, "has more than the 5242880 bytes");
    let socket = folder(&desk, "socket", &[]);
    let _listener = std::os::unix::net::UnixListener::bind(socket.join("s")).unwrap();
    refused_by_all(&desk, &socket, "`s` is no plain file");
}

#[track_caller]
fn refused_by_all(desk: &Desk, folder: &Path, says: &str) {
    let error = package(folder).unwrap_err();
    assert!(error.contains(says), "{error}");
    for helm in HELMS {
        helm_package(desk, helm, folder).0.refused();
    }
}

/// Helm packs these from whatever happens to be on the machine, or so that no reader can tell what was meant.
#[test]
fn what_helm_packs_but_nobody_could_review_is_refused() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    desk.write("charts/secret", "s");
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("out", &[("l", "->../secret")], "leaves the chart"),
        ("absolute", &[("l", "->/etc/hostname")], "is absolute"),
        ("backslash", &[("a\\b", "")], "has a backslash"),
        ("same-name", &[("charts/i.tgz", "!tgz"), ("charts/j.tgz", "!tgz")], "are called `inner`"),
    ];
    for (name, files, says) in cases {
        let folder = folder(&desk, name, files);
        let error = package(&folder).unwrap_err();
        assert!(error.contains(says), "{error}");
        helm_package(&desk, Tool::Helm4, &folder).0.ok();
    }
}

#[test]
fn helm_takes_a_package() {
    needs!(Tool::Helm4, Tool::Helm3);
    let desk = Desk::new();
    let archive = desk.write("whole.tgz", package(&whole()).unwrap().archive);
    for helm in HELMS {
        let ran = |words: &[&str]| run(desk.command(helm).args(words).arg(&archive)).ok();
        ran(&["lint"]);
        ran(&["template", "--include-crds", "release"]).says("hello").says("things.example.org");
        ran(&["show", "values"]).says("# Values stay byte for byte.");
        let theirs = helm_package(&desk, helm, &whole()).1;
        let shown = |archive: &Path| run(desk.command(helm).args(["show", "chart"]).arg(archive)).ok().stdout();
        assert_eq!(shown(&archive), shown(&only_file(theirs.path())));
        let rendered = TempDir::new().unwrap();
        ran(&["template", "release", "--output-dir", rendered.path().to_str().unwrap()]);
        let config = fs::read_to_string(rendered.path().join("whole/templates/config.yaml")).unwrap();
        assert!(config.contains("echo hello"), "{config}");
    }
}

#[test]
fn helm_pushes_a_package_with_the_same_config_and_annotations() {
    needs!(Tool::Helm4, Tool::Helm3, Tool::Olareg, Tool::Oras);
    let (desk, registry) = (Desk::new(), Registry::start(Server::Olareg));
    let old = folder(
        &desk,
        "old",
        &[
            ("Chart.yaml", "name: old\nversion: 1.0.0\nannotations: {org.opencontainers.image.created: never}\n"),
            ("requirements.yaml", "dependencies:\n- {name: inner, version: v0.1}\n"),
            ("charts/i.tgz", "!tgz"),
        ],
    );
    for (folder, reference) in [(whole(), "whole:1.10.0-rc.1_build.7"), (old, "old:1.0.0")] {
        let package = package(&folder).unwrap();
        let archive = desk.write("pushed.tgz", &package.archive);
        for helm in HELMS {
            let parent = registry.repository(&format!("{helm:?}").to_lowercase());
            desk.run(helm, &format!("push {} oci://{parent} --plain-http", archive.display())).ok();
            let bytes = desk.manifest(&format!("{parent}/{reference}"));
            let [config, layer] = blobs(&bytes).try_into().unwrap();
            assert_eq!(config, Digest::of(&package.config).to_string());
            assert_eq!(layer, Digest::of(&package.archive).to_string());
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            let mut annotations: BTreeMap<String, String> =
                serde_json::from_value(manifest["annotations"].clone()).unwrap();
            let created = "org.opencontainers.image.created";
            if !package.annotations.contains_key(created) {
                annotations.remove(created);
            }
            assert_eq!(annotations, package.annotations);
            // Without the time, ours is theirs byte for byte.
            let time = manifest["annotations"][created].as_str().unwrap();
            let ours = String::from_utf8(assemble(&package).unwrap().bytes.to_vec()).unwrap();
            let timed = format!("\"{created}\":\"{time}\",");
            assert_eq!(ours.replace(&timed, ""), String::from_utf8(bytes).unwrap().replace(&timed, ""));
        }
    }
}

/// These digests are published: whatever changes one gives every chart of the same content another digest.
#[test]
fn a_tree_has_one_digest() {
    let dir = TempDir::new().unwrap();
    copy(&whole(), &dir.path().join("whole"));
    let least = dir.path().join("least");
    fs::create_dir(&least).unwrap();
    fs::write(least.join("Chart.yaml"), "name: least\nversion: 1.0.0\n").unwrap();
    for (name, archive, config, image) in [
        (
            "least",
            "86b4160f18776655d9b2509f7bc8fd25740b8d107ded285870d03e73b5369f0a",
            "9eb735b7328e25999510f7f45601798f6aa2543267550d373f62788e63bf1aef",
            "cb580755db13fcca688701926b26184ac2ef6dccde9fbd3ebe89fdc74a119f86",
        ),
        (
            "whole",
            "c0a135982a7172c89ed21d963a0d808dead7af9be4680894d19e7b10a0d6709c",
            "29d021f262728235f23e66a2a07f24c416f27589f45f809649757d488289ca3b",
            "94728e0ff539f8a46769fa6cd9df7ccd59a212172aaf0c4e77163b96bf0a2e1a",
        ),
    ] {
        let package = package(&dir.path().join(name)).unwrap();
        let digests = [Digest::of(&package.archive), Digest::of(&package.config), assemble(&package).unwrap().digest];
        assert_eq!(digests.map(|digest| digest.hex()), [archive, config, image], "{name}");
        assert_eq!(read(&package.archive).unwrap(), package.chart);
    }
}

#[test]
fn a_tree_has_one_digest_wherever_it_is_packaged() {
    let this = std::env::current_exe().unwrap();
    let home = TempDir::new().unwrap();
    for (umask, zone, locale, threads) in [("000", "UTC", "C", "1"), ("077", "Asia/Kathmandu", "tr_TR.UTF-8", "7")] {
        let mut command = hermetic("/bin/sh", home.path());
        command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(&this);
        command.args(["--exact", "packaging::a_tree_has_one_digest"]);
        command.env("TZ", zone).env("LC_ALL", locale).env("RAYON_NUM_THREADS", threads);
        run(&mut command).ok().says("1 passed");
    }
}
