//! When two archives are the same chart.

use super::super::archive::tests::{Entry, gzip, tar_of, tgz};
use super::*;

const CHART_YAML: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n");

fn content(tgz: &[u8]) -> Content {
    Content::of(&Archive::read(tgz).unwrap()).unwrap()
}

fn with(files: &[(&str, &str)]) -> Content {
    let chart_yaml = (!files.iter().any(|(path, _)| *path == "Chart.yaml")).then_some(CHART_YAML);
    content(&tgz("a", &chart_yaml.into_iter().chain(files.iter().copied()).collect::<Vec<_>>()))
}

#[track_caller]
fn same(first: &[(&str, &str)], second: &[(&str, &str)]) {
    let (first, second) = (with(first), with(second));
    assert_eq!(first, second);
    assert!(first.difference(&second).is_empty());
}

#[track_caller]
fn differs(first: &[(&str, &str)], second: &[(&str, &str)], told: &str) {
    let (first, second) = (with(first), with(second));
    assert_ne!(first, second);
    assert_eq!(first.difference(&second).to_string(), told);
}

#[test]
fn files_are_compared_by_their_bytes() {
    same(&[("b", "1"), ("c/d", "2")], &[("c/d", "2"), ("b", "1")]);
    same(&[("b", "\u{feff}1")], &[("b", "1")]);
    differs(&[("b", "1")], &[("b", "2")], "`b` changed");
    differs(&[("b", "1")], &[], "`b` removed");
    differs(&[], &[("b", "1"), ("B", "")], "`B`, `b` added");
    differs(&[("b", "1"), ("c", "1")], &[("b", "2"), ("d", "1")], "`b` changed; `d` added; `c` removed");
    // Helm would look at none of these.
    differs(&[], &[("charts/_b/c", "1")], "`charts/_b/c` added");
    differs(&[], &[("charts/.b", "1")], "`charts/.b` added");
    differs(&[], &[("charts/b.prov", "1")], "`charts/b.prov` added");
}

#[test]
fn the_top_folder_does_not_count() {
    assert_eq!(content(&tgz("a", &[CHART_YAML])), content(&tgz("x", &[CHART_YAML])));
}

#[test]
fn chart_yaml_and_its_lock_are_compared_as_data() {
    let base = CHART_YAML.1;
    let chart_yaml = |text: &str| [("Chart.yaml", text.to_owned())];
    let equal = |text: &str| {
        let other = chart_yaml(text);
        same(&[CHART_YAML], &[("Chart.yaml", other[0].1.as_str())]);
    };
    equal("# A comment\nversion: '1.0.0'\nname: a\napiVersion: v2\nunknown: 1\nkeywords: []\n");
    equal(r#"{"apiVersion": "v2", "name": "a", "version": "1.0.0"}"#);
    for more in ["description: b\n", "annotations: {b: c}\n", "deprecated: true\n", "dependencies: [{name: b}]\n"] {
        let other = format!("{base}{more}");
        differs(&[CHART_YAML], &[("Chart.yaml", &other)], "`Chart.yaml` changed");
    }
    let lock =
        "dependencies:\n- name: b\n  repository: ''\n  version: 1.0.0\ndigest: d\ngenerated: '2020-01-01T00:00:00Z'\n";
    same(&[("Chart.lock", lock)], &[("Chart.lock", "{digest: d, dependencies: [{version: 1.0.0, name: b}]}")]);
    same(&[("Chart.lock", lock)], &[("Chart.lock", &lock.replace("2020", "2021"))]);
    differs(&[("Chart.lock", lock)], &[("Chart.lock", &lock.replace("1.0.0", "1.0.1"))], "`Chart.lock` changed");
    differs(&[("Chart.lock", lock)], &[], "`Chart.lock` removed");
    differs(&[("Chart.lock", "a: &a 1\nb: *a\na: 2")], &[("Chart.lock", "a: 2\n")], "`Chart.lock` changed");
    // Elsewhere those names mean nothing.
    differs(&[("files/Chart.yaml", "a: 1")], &[("files/Chart.yaml", "a:  1")], "`files/Chart.yaml` changed");
}

#[test]
fn subcharts_are_the_same_packed_or_not() {
    let chart_yaml = "name: b\nversion: 1.0.0\n";
    let inner = |name: &str| tgz(name, &[("Chart.yaml", chart_yaml), ("c", "1")]);
    let outer =
        |entries: &[Entry]| gzip(&tar_of(&[&[Entry::file("a/Chart.yaml", CHART_YAML.1.as_bytes())], entries].concat()));
    let unpacked = [
        Entry::file("a/charts/b/Chart.yaml", b"version: 1.0.0\nname: b # comment\n"),
        Entry::file("a/charts/b/c", b"1"),
    ];
    let unpacked = content(&outer(&unpacked));
    let packed = |name: &str| outer(&[Entry::file(&format!("a/charts/{name}"), &inner("folder"))]);
    assert_eq!(content(&packed("b-1.0.0.tgz")), unpacked);
    assert_eq!(content(&packed("x.tgz")), unpacked);
    let twice = [Entry::file("a/charts/x.tgz", &inner("b")), Entry::file("a/charts/y.tgz", &inner("b"))];
    let error = Content::of(&Archive::read(&outer(&twice)).unwrap()).unwrap_err();
    assert_eq!(error, ContentError::Twice { path: "charts/b/Chart.yaml".into() });
    let broken = Archive::read(&outer(&[Entry::file("a/charts/x.tgz", b"x")])).unwrap();
    assert!(Content::of(&broken).unwrap_err().to_string().contains("charts/x.tgz"));
}

#[test]
fn a_difference_is_bounded() {
    let names: Vec<_> = (10..40).map(|index| format!("{index}{}", "é".repeat(400))).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let archive = |files: &[(&str, &str)]| {
        let folder = super::super::package::Folder {
            entries: files
                .iter()
                .chain([&CHART_YAML])
                .map(|(path, content)| super::super::package::Entry {
                    path: (*path).to_owned(),
                    kind: super::super::package::Kind::File(content.as_bytes().to_vec()),
                })
                .collect(),
        };
        let source = super::super::package::Source::read(folder).unwrap();
        source.package(&BTreeMap::new()).unwrap().archive
    };
    let difference = content(&archive(&[])).difference(&content(&archive(&files)));
    assert_eq!((difference.added.first.len(), difference.added.count), (10, 30));
    assert!(difference.to_string().ends_with(" and 20 more added"), "{difference}");
    assert!(difference.added.first.iter().all(|path| path.chars().count() == 300));
}
