//! Which files are packed, and how. `tests/it/packaging.rs` holds the results against stock helm.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::archive::tests::tgz;
use super::super::{ArchiveError, MetadataError};
use super::arrange::without_mark;
use super::*;

const CHART_YAML: &str = "apiVersion: v2\nname: a\nversion: 1.0.0\n";

fn file(path: &str, content: &str) -> Entry {
    Entry { path: path.into(), kind: Kind::File(content.into()) }
}

fn link(path: &str, target: &str) -> Entry {
    Entry { path: path.into(), kind: Kind::Link(target.into()) }
}

fn chart(more: Vec<Entry>) -> Folder {
    let mut entries = more;
    if !entries.iter().any(|entry| entry.path == "Chart.yaml") {
        entries.push(file("Chart.yaml", CHART_YAML));
    }
    Folder { entries }
}

fn pack_with(more: Vec<Entry>, dependencies: &[(&str, Vec<u8>)]) -> Result<Package, PackageError> {
    let dependencies = dependencies.iter().map(|(name, tgz)| ((*name).to_owned(), tgz.clone())).collect();
    Source::read(chart(more))?.package(&dependencies)
}

fn pack(more: Vec<Entry>) -> Result<Package, PackageError> {
    pack_with(more, &[])
}

/// The files that are packed besides Chart.yaml, as `PATH=CONTENT`.
#[track_caller]
fn packed(more: Vec<Entry>) -> String {
    listed(&pack(more).unwrap())
}

fn listed(package: &Package) -> String {
    let mut list = String::new();
    for (path, bytes) in package.chart.archive.files().filter(|(path, _)| !path.ends_with("Chart.yaml")) {
        write!(list, "{path}={} ", String::from_utf8_lossy(bytes)).unwrap();
    }
    list.trim_end().to_owned()
}

#[track_caller]
fn refused(more: Vec<Entry>, says: &str) -> PackageError {
    let error = pack(more).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    error
}

fn subchart(folder: &str, name: &str) -> Entry {
    file(&format!("{folder}/Chart.yaml"), &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"))
}

fn subchart_tgz(name: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    tgz(name, &[&[("Chart.yaml", chart_yaml.as_str())], more].concat())
}

fn tgz_file(path: &str, bytes: Vec<u8>) -> Entry {
    Entry { path: path.into(), kind: Kind::File(bytes) }
}

fn declaring(names: &[&str]) -> Entry {
    let entry = |name: &&str| format!("- {{name: {name}, version: 1.0.0, repository: 'oci://x'}}\n");
    file("Chart.yaml", &format!("{CHART_YAML}dependencies:\n{}", names.iter().map(entry).collect::<String>()))
}

#[test]
fn links_within_the_chart_are_followed() {
    assert_eq!(packed(vec![file("a/b", "1"), link("c", "a/b"), link("a/d", "../c")]), "a/b=1 a/d=1 c=1");
    assert_eq!(packed(vec![file("a/b/c", "1"), link("d", "a//./b/")]), "a/b/c=1 d/c=1");
    assert_eq!(packed(vec![file("a/b/c", "1"), link("d", "a/b"), link("e", "d/../b/c")]), "a/b/c=1 d/c=1 e=1");
    assert_eq!(packed(vec![link("Chart.yaml", "x/Chart.yaml"), file("x/Chart.yaml", CHART_YAML)]), "");
    assert_eq!(packed(vec![link(".helmignore", "x"), file("x", "x\ny\n.helmignore"), file("y/z", "")]), "");
    assert_eq!(
        packed(vec![file("a/b", "1"), link("c", "a"), link("d", "a"), link("a2", "c/b")]),
        "a/b=1 a2=1 c/b=1 d/b=1"
    );
}

#[test]
fn links_out_of_the_chart_and_in_circles_are_refused() {
    for (target, why) in [
        ("../..", "leaves the chart"),
        ("../../a/Chart.yaml", "leaves the chart"),
        ("../../a/../../x", "leaves the chart"),
        ("/etc/passwd", "is absolute"),
        ("nothing", "is not there"),
        ("../Chart.yaml/x", "is not there"),
        ("../t/l", "leads in a circle"),
        (".", "holds the link itself"),
        ("../t", "holds the link itself"),
        ("../out", "leads on to an absolute path"),
    ] {
        let error = pack(vec![link("t/l", target), file("t/f", ""), link("out", "/x"), file(".helmignore", "out")]);
        let error = error.unwrap_err();
        assert!(
            matches!(&error, PackageError::Link { path, why: told, .. } if path.starts_with("t/l") && *told == why),
            "{target}: {error}"
        );
        assert!(error.to_string().contains(".helmignore"));
    }
    refused(vec![link("a", "b"), link("b", "a")], "leads in a circle");
    refused(vec![link("l", "t"), link("t/up", ".."), file("t/f", "")], "holds the link itself");
}

#[test]
fn links_that_fan_out_end() {
    let mut entries = vec![file("f00/x", "")];
    for level in 1..30 {
        entries.extend(["a", "b"].map(|name| link(&format!("f{level:02}/{name}"), &format!("../f{:02}", level - 1))));
    }
    let error = pack(entries).unwrap_err();
    assert_eq!(error, PackageError::Chart(ArchiveError::TooManyEntries.into()));
}

#[test]
fn what_is_left_out_may_be_anything() {
    let socket = |path: &str| Entry { path: path.into(), kind: Kind::Other("is a socket") };
    let error = refused(vec![socket("x")], "`x` is a socket: only plain files belong into a chart");
    assert!(matches!(error, PackageError::Special { .. }));
    refused(vec![link("l", "x"), socket("x"), file(".helmignore", "x")], "`l` is a socket");
    let ignore = || file(".helmignore", ".helmignore\n/x\nbig\ntmp/");
    let big = |path: &str| tgz_file(path, vec![0; (5 << 20) + 1]);
    let rest = vec![
        ignore(),
        socket("x"),
        big("big"),
        socket("tmp/s"),
        link("tmp/l", "/"),
        file("tmp/x/y", ""),
        file("a\\b/big", ""),
    ];
    assert_eq!(packed(rest), "");
    assert_eq!(packed(vec![ignore(), link("x", "../..")]), "");
    refused(vec![ignore(), link("tmp", "../..")], "leaves the chart");
    refused(vec![big("large")], "`large` has more than the 5242880 bytes");
    assert!(pack(vec![tgz_file("full", vec![0; 5 << 20])]).is_ok());
}

#[test]
fn helmignore_is_a_file() {
    refused(vec![file(".helmignore/a", "")], "`.helmignore` is a folder");
    refused(vec![link(".helmignore", "t"), file("t/a", "")], "`.helmignore` is a link to a folder");
    refused(vec![link(".helmignore", "../x")], "leaves the chart");
    refused(vec![file(".helmignore", "a\n**")], "line 2 of .helmignore has `**`");
    refused(vec![file(".helmignore", "!*.md")], "it has no Chart.yaml");
}

#[test]
fn paths_are_an_archives() {
    for (path, says) in [
        ("a//b", "is not a path below"),
        ("/a", "is not a path below"),
        ("../a", "is not a path below"),
        ("a/./b", "is not a path below"),
        ("", "is not a path below"),
        ("Chart.yaml/b", "`Chart.yaml` is a file and a folder"),
        ("a\\b", "has a backslash"),
        ("a\nb", "has a control character"),
        ("..a", "begins with `..`"),
        ("c:/b", "names a drive"),
    ] {
        refused(vec![file(path, "")], says);
    }
    refused(vec![file("a", "1"), file("a", "1")], "`a` stands there twice");
    refused(vec![file(&"a/".repeat(2048), "")], "is not a path below");
    refused(vec![file(&"a".repeat(4097), "")], "is longer than 4096 bytes");
    let wide = (0..400).map(|index| file(&format!("{}{index}", "a/".repeat(2040)), "")).collect();
    refused(wide, "is one too many");
    let deep = format!("{}b", "a/".repeat(2000));
    assert_eq!(packed(vec![file(&deep, "1")]), format!("{deep}=1"));
    for path in
        ["x".repeat(98), "x".repeat(99), "é".into(), format!("{}/é", "y".repeat(120)), "z".repeat(988), "z".repeat(989)]
    {
        assert_eq!(packed(vec![file(&path, "1")]), format!("{path}=1"));
    }
}

#[test]
fn what_helm_cannot_load_is_refused() {
    refused(vec![file("values.yaml", "- a")], "the chart's values.yaml is not a YAML mapping");
    refused(vec![file("values.schema.json", "{")], "`values.schema.json` is not JSON");
    refused(vec![file("values.schema.json", "")], "`values.schema.json` is not JSON");
    assert!(pack(vec![file("values.schema.json", r#"{"a": "\ud800"}"#)]).is_ok());
    let error = refused(vec![file("Chart.yaml", "name: ..\nversion: 1.0.0\n")], "neither `.` nor `..`");
    assert!(matches!(error, PackageError::Chart(ChartError::Metadata(MetadataError::Field { .. }))));
    refused(vec![file("Chart.lock", "digest: [")], "the chart's Chart.lock");
    refused(vec![file("Chart.lock", "digest: {}")], "`digest` in the chart's Chart.lock is a mapping");
    refused(vec![file("Chart.lock", "generated: today")], "not a date of RFC 3339");
    refused(vec![file("charts/README.md", "")], "`charts/README.md`: it has no Chart.yaml");
    refused(vec![file("charts/b.tgz", "x")], "`charts/b.tgz`: the chart archive is not gzip");
    refused(
        vec![subchart("charts/b", "b"), file("charts/b/values.schema.json", "")],
        "`charts/b`: `values.schema.json` is not JSON",
    );
    let many = (0..21).map(|index| tgz_file(&format!("{index}"), vec![0; 5 << 20])).collect();
    // Links make much of little: told before it is all in memory.
    let mut links: Vec<_> = (0..21).map(|index| link(&format!("l{index}"), "full")).collect();
    links.push(tgz_file("full", vec![0; 5 << 20]));
    for entries in [many, links] {
        let error = Source::read(chart(entries)).unwrap_err();
        assert_eq!(error, PackageError::Chart(ArchiveError::TooLarge.into()));
    }
}

#[test]
fn marks_at_the_beginning_of_files_are_dropped() {
    let mark = |content: &str| format!("\u{feff}{content}");
    let entries =
        vec![file("Chart.yaml", &mark(CHART_YAML)), file("values.yaml", &mark("a: 1")), file("b", &mark(&mark("")))];
    assert_eq!(packed(entries), "b=\u{feff} values.yaml=a: 1");
    let inner = subchart_tgz("b", &[("c", &mark("1"))]);
    assert_eq!(packed(vec![tgz_file("charts/b.tgz", inner)]), "charts/b/c=1");
}

#[test]
fn subcharts_are_unpacked_into_folders_of_their_names() {
    let entries = vec![
        subchart("charts/folder", "b"),
        file("charts/folder/.helmignore", "x"),
        file("charts/folder/x", "1"),
        file("charts/folder/templates/.x", "2"),
        tgz_file("charts/c-1.0.0.tgz", subchart_tgz("c", &[("charts/_x", "3"), ("y", "4")])),
        file("charts/_d/x", ""),
        file("charts/.e", ""),
        file("charts/c-1.0.0.tgz.prov", "5"),
    ];
    assert_eq!(
        packed(entries),
        "charts/b/.helmignore=x charts/b/templates/.x=2 charts/b/x=1 charts/c-1.0.0.tgz.prov=5 charts/c/y=4"
    );
    let nested = subchart_tgz("b", &[]);
    let same_name = vec![subchart("charts/b", "b"), tgz_file("charts/b-1.0.0.tgz", nested)];
    assert!(matches!(pack(same_name), Err(PackageError::SameName { name }) if name == "b"));
}

#[test]
fn locks_go_where_the_api_version_wants_them() {
    let lock =
        "generated: '2020-01-01T00:00:00Z'\ndigest: d\ndependencies:\n- {name: b, version: 1.2.3, repository: ''}\n";
    let written = "dependencies:\n- name: \"b\"\n  repository: \"\"\n  version: \"1.2.3\"\ndigest: \"d\"\ngenerated: \"2020-01-01T00:00:00Z\"";
    assert_eq!(packed(vec![file("Chart.lock", lock)]), format!("Chart.lock={written}"));
    assert_eq!(packed(vec![file("requirements.lock", lock)]), format!("Chart.lock={written}"));
    assert_eq!(
        packed(vec![file("requirements.lock", lock), file("Chart.lock", "digest: e\n")]),
        format!("Chart.lock={written}")
    );
    assert_eq!(packed(vec![file("Chart.lock", "")]), "");
    assert_eq!(
        packed(vec![file("Chart.lock", "{}")]),
        "Chart.lock=dependencies: null\ndigest: \"\"\ngenerated: \"0001-01-01T00:00:00Z\""
    );
    let source = |name: &str, lock: &str| Source::read(chart(vec![file(name, lock)])).unwrap();
    assert!(source("Chart.lock", lock).locked().eq([("b", "1.2.3")]));
    assert!(source("requirements.lock", lock).locked().eq([("b", "1.2.3")]));
    assert_eq!(source("values.yaml", "").locked().count(), 0);

    let old = || file("Chart.yaml", "apiVersion: v1\nname: a\nversion: 1.0.0\ndependencies: [{name: b}]\n");
    let entries = vec![old(), subchart("charts/b", "b"), file("Chart.lock", lock), file("requirements.lock", lock)];
    let package = pack(entries).unwrap();
    assert_eq!(listed(&package), format!("requirements.lock={}", lock.trim_end()));
    assert_eq!(package.chart.metadata.dependencies, []);
    let requirements = "dependencies: [{name: b}]";
    let entries = vec![
        file("Chart.yaml", "name: a\nversion: 1.0.0\n"),
        subchart("charts/b", "b"),
        file("requirements.yaml", requirements),
    ];
    let package = pack(entries).unwrap();
    assert_eq!(listed(&package), format!("requirements.yaml={requirements}"));
    assert_eq!(package.chart.metadata.dependencies.len(), 1);
    let package = pack(vec![subchart("charts/b", "b"), file("requirements.yaml", requirements)]).unwrap();
    assert_eq!((listed(&package).as_str(), package.chart.metadata.dependencies.len()), ("", 1));
}

#[test]
fn every_declared_dependency_must_be_there() {
    let error = refused(vec![declaring(&["b", "c", "d"]), subchart("charts/c", "c")], "depends on `b`, `d`, which");
    assert_eq!(error, PackageError::Missing(vec!["b".into(), "d".into()]));
    // Helm looks for the name alone: neither the version nor the folder's name counts.
    assert_eq!(packed(vec![declaring(&["b"]), subchart("charts/x", "b")]), "");
}

#[test]
fn a_supplied_dependency_takes_the_place_of_the_vendored_one() {
    let vendored = || vec![declaring(&["b"]), subchart("charts/b", "b"), file("charts/b/old", "")];
    let supplied = |name: &str| ("b", subchart_tgz(name, &[("new", "1")]));
    for mut entries in [vendored(), vec![declaring(&["b"])]] {
        entries.push(subchart("charts/c", "c"));
        assert_eq!(listed(&pack_with(entries, &[supplied("b")]).unwrap()), "charts/b/new=1");
    }
    let told = |dependencies: &[(&str, Vec<u8>)]| pack_with(vendored(), dependencies).unwrap_err().to_string();
    assert_eq!(told(&[supplied("c")]), "what stands for the dependency `b` is the chart `c`");
    assert!(told(&[("c", subchart_tgz("c", &[]))]).contains("`c` has no place"));
    assert!(told(&[("b", b"x".to_vec())]).contains("`b` cannot be packaged: the chart archive is not gzip"));
}

#[test]
fn subcharts_without_end_are_refused() {
    let doll = |levels: usize| (0..levels).fold(subchart_tgz("b", &[]), |inner, _| gzip_with(&inner));
    assert!(pack(vec![tgz_file("charts/b.tgz", doll(14))]).is_ok());
    let mut error = pack(vec![tgz_file("charts/b.tgz", doll(20))]).unwrap_err();
    while let PackageError::Subchart { error: inner, .. } = error {
        error = *inner;
    }
    assert_eq!(error, ChartError::TooDeep.into());
}

/// A chart `b` that has this archive below `charts/`.
fn gzip_with(inner: &[u8]) -> Vec<u8> {
    use super::super::archive::tests::{Entry, gzip, tar_of};
    gzip(&tar_of(&[
        Entry::file("b/Chart.yaml", b"apiVersion: v2\nname: b\nversion: 1.0.0\n"),
        Entry::file("b/charts/b.tgz", inner),
    ]))
}

#[test]
fn the_config_and_the_annotations_are_helms() {
    let yaml = format!(
        "{CHART_YAML}description: <a> & b\nhome: https://example.org\nsources: [https://c, https://d]\n\
         maintainers: [{{name: e, email: f}}, {{name: g}}, {{email: h}}]\ndeprecated: true\n\
         annotations: {{z: '1', org.opencontainers.image.title: x, org.opencontainers.image.url: u, b: \"\\u2028\"}}\n\
         dependencies: [{{name: b, repository: '', import-values: [{{child: 1, b: 2.5}}]}}]\n"
    );
    let package = pack(vec![file("Chart.yaml", &yaml), subchart("charts/b", "b")]).unwrap();
    assert_eq!(
        String::from_utf8(package.config.clone()).unwrap(),
        r#"{"name":"a","home":"https://example.org","sources":["https://c","https://d"],"version":"1.0.0","description":"\u003ca\u003e \u0026 b","maintainers":[{"name":"e","email":"f"},{"name":"g"},{"email":"h"}],"apiVersion":"v2","deprecated":true,"annotations":{"b":"\u2028","org.opencontainers.image.title":"x","org.opencontainers.image.url":"u","z":"1"},"dependencies":[{"name":"b","repository":"","import-values":[{"b":2.5,"child":1}]}]}"#
    );
    package.chart.metadata.check_config(&package.config).unwrap();
    let annotations: Vec<_> = package.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        annotations.join(" ").replace("org.opencontainers.image.", "oci."),
        "b=\u{2028} oci.authors=e (f), g,  (h) oci.description=<a> & b oci.source=https://c oci.title=a oci.url=u oci.version=1.0.0 z=1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_the_input_does_not_matter(
        files in prop::collection::btree_map("(templates/|files/|charts/b/|é/)?[a-zé0]{1,3}", any::<Vec<u8>>(), 0..12),
        seed in any::<u64>(),
    ) {
        let entries = |files: &BTreeMap<String, Vec<u8>>| {
            let content = |(path, bytes): (&String, &Vec<u8>)| tgz_file(&format!("x{path}y"), bytes.clone());
            let mut entries: Vec<_> = files.iter().map(content).collect();
            entries.extend([file("Chart.yaml", CHART_YAML), subchart("charts/b", "b"), subchart("charts/a", "c")]);
            entries
        };
        let first = entries(&files);
        let mut second = first.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut second);
        let package = |entries| Source::read(Folder { entries }).and_then(|source| source.package(&BTreeMap::new()));
        let (first, second) = (package(first).unwrap(), package(second).unwrap());
        prop_assert_eq!(&first.archive, &second.archive);
        // What packs reads back: all of it, and nothing else.
        let given = files.iter().map(|(path, bytes)| (format!("x{path}y"), without_mark(bytes)));
        let read: BTreeMap<_, _> = first.chart.archive.files().collect();
        for (path, bytes) in given {
            prop_assert_eq!(read.get(path.as_str()), Some(&bytes));
        }
        prop_assert_eq!(read.len(), files.len() + 3);
    }
}
