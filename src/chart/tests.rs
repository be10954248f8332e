//! Whole charts.

use super::archive::tests::tgz;
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
