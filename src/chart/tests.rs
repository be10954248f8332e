//! Whole charts.

use super::archive::tests::{Entry, gzip, tar_of, tgz};
use super::*;

const CHART_YAML: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\nappVersion: 1.10\n");

#[test]
fn a_chart_is_its_archive_and_its_metadata() {
    let chart = read(&tgz("a", &[CHART_YAML, ("values.yaml", "b: 1\n")])).unwrap();
    assert_eq!(chart.archive.file("values.yaml"), Some(&b"b: 1\n"[..]));
    assert_eq!((chart.metadata.name.as_str(), chart.metadata.app_version.as_deref()), ("a", Some("1.1")));
}

#[test]
fn the_requirements_of_old_charts_are_dependencies() {
    let files = [
        ("Chart.yaml", "name: a\nversion: 1.0.0\n"),
        ("requirements.yaml", "dependencies:\n- name: b\n  version: 1.2.3\n  repository: oci://x\n"),
    ];
    let chart = read(&tgz("a", &files)).unwrap();
    assert_eq!(chart.metadata.dependencies[0].name, "b");
}

#[test]
fn errors_say_which_part_is_wrong() {
    assert!(matches!(read(b"x"), Err(ChartError::Archive(ArchiveError::NotGzip))));
    let error = read(&tgz("a", &[("Chart.yaml", "name: ..\nversion: 1.0.0\n")])).unwrap_err();
    assert!(matches!(&error, ChartError::Metadata(MetadataError::Field { field, .. }) if field == "name"), "{error}");
}

fn with(path: &str, content: &str) -> Result<Chart, ChartError> {
    read(&tgz("a", &[CHART_YAML, (path, content)]))
}

#[test]
fn a_chart_that_helm_cannot_load_is_refused() {
    for (path, content) in [
        ("values.yaml", "a: ["),
        ("values.yaml", "hello"),
        ("values.yaml", "- a"),
        ("values.yaml", "a: 1\n---\n- b\n"),
        ("values.yaml", "a: *b"),
        ("Chart.lock", "x"),
        ("Chart.lock", "a: ["),
        ("requirements.lock", "a: ["),
        ("values.yaml", "a: [1, .inf]"),
        ("values.yaml", "a: {b: -.INF}"),
        ("values.yaml", "a: .nan"),
        ("Chart.lock", "generated: yesterday\n"),
        ("Chart.lock", "generated: 2020-01-01\n"),
        ("Chart.lock", "generated: '2020-13-01T00:00:00Z'\n"),
        ("requirements.lock", "generated: '2020-01-01T00:00:00'\n"),
        ("requirements.lock", "generated: 7\n"),
    ] {
        let error = with(path, content).unwrap_err();
        assert!(matches!(&error, ChartError::Yaml { file, .. } if *file == path), "{path} {content}: {error}");
    }
    for (path, content, says) in [
        ("charts/b/Chart.yaml", "name: b\n", "the chart's `charts/b`: `version` in the chart's metadata is missing"),
        ("charts/b/values.yaml", "", "the chart's `charts/b`: it has no Chart.yaml"),
        ("charts/README.md", "x", "the chart's `charts/README.md`: it has no Chart.yaml"),
        ("charts/b.tgz", "x", "is not gzip"),
        ("charts/b.tgz/Chart.yaml", "name: b\nversion: 1.0.0\n", "the chart's `charts/b.tgz`: it has no Chart.yaml"),
    ] {
        let error = with(path, content).unwrap_err();
        assert!(matches!(error, ChartError::Subchart { .. }), "{path}");
        assert!(error.to_string().contains(says), "{path}: {error}");
    }
}

#[test]
fn a_chart_that_helm_loads_is_read() {
    for (path, content) in [
        ("values.yaml", ""),
        ("values.yaml", "# nothing\n"),
        ("values.yaml", "\u{feff}a: 1\n---\nb: 2\n---\n"),
        ("values.yaml", "a: 1\na: 2\nb: &b {c: !x d}\ne:\n  <<: *b\n18446744073709551616: 18446744073709551616\n"),
        ("Chart.lock", "generated: '2020-01-01T00:00:00Z'\ndependencies: []\n"),
        ("Chart.lock", "a: b\n--- [\n"),
        ("Chart.lock", "generated: 2020-01-01T00:00:00.123456789+02:00\n"),
        ("values.yaml", "a: '.inf'\nb: 1e300\n"),
        ("values.schema.json", "{"),
        ("templates/b.yaml", "{{ nope"),
        ("charts/b/Chart.yaml", "name: b\nversion: 1.0.0\n"),
        ("charts/_b/Chart.yaml", "x"),
        ("charts/.b", "x"),
        ("charts/b-1.0.0.tgz.prov", "x"),
        ("charts/b/Chart.yaml.prov", "x"),
    ] {
        with(path, content).unwrap_or_else(|error| panic!("{path} {content}: {error}"));
    }
}

#[test]
fn packaged_subcharts_are_read_within_one_budget() {
    let chart_yaml =
        |name: &str| Entry::file(&format!("{name}/Chart.yaml"), format!("name: {name}\nversion: 1.0.0\n").as_bytes());
    let parent = |count: usize, subchart: &[u8]| {
        let entries: Vec<_> = (0..count).map(|index| Entry::file(&format!("a/charts/{index}.tgz"), subchart)).collect();
        gzip(&tar_of(&[&[chart_yaml("a")], entries.as_slice()].concat()))
    };
    let small = gzip(&tar_of(&[chart_yaml("b")]));
    assert!(read(&parent(3, &small)).is_ok());

    let zeros = vec![0; 4 << 20];
    let large: Vec<_> = (0..20).map(|index| Entry::file(&format!("b/{index}"), &zeros)).collect();
    let large = gzip(&tar_of(&[&[chart_yaml("b")], large.as_slice()].concat()));
    assert!(read(&parent(2, &large)).is_ok());
    let error = read(&parent(3, &large)).unwrap_err();
    assert!(
        matches!(&error, ChartError::Subchart { error, .. } if **error == ArchiveError::TooLarge.into()),
        "{error}"
    );

    let russian_doll = (0..20).fold(small, |inner, _| parent(1, &inner));
    let mut error = &read(&russian_doll).unwrap_err();
    while let ChartError::Subchart { error: inner, .. } = error {
        error = inner;
    }
    assert_eq!(*error, ChartError::TooDeep);
}

/// Helm's reader knows fewer escapes in double quotes than others do.
#[test]
fn escapes_that_helm_does_not_know_are_refused() {
    let read = |description: &str| {
        let yaml = format!("apiVersion: v2\nname: a\nversion: 1.0.0\ndescription: {description}\n");
        read(&tgz("a", &[("Chart.yaml", &yaml)])).map(|chart| chart.metadata.version)
    };
    for good in [r#""a\\b \"c\" \n \x41 \u00e9 \_""#, r"'a\/b'", r"a\/b", "é \\/", "\"é\\té\""] {
        assert!(read(good).is_ok(), "{good}: {:?}", read(good));
    }
    for bad in [r#""a\/b""#, "\"é\\/é\"", r#""é" # " \/"#] {
        assert_eq!(read(bad).is_err(), !bad.contains('#'), "{bad}");
    }
}
