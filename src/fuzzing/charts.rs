//! What is in a chart archive, and what a chart's folder becomes.

use std::collections::BTreeMap;

use crate::artifact::assemble::assemble;
use crate::chart::archive::{ENTRY_LIMIT, FILE_LIMIT, TOTAL_LIMIT};
use crate::chart::content::Content;
use crate::chart::ignore::Ignore;
use crate::chart::package::{Entry, Folder, Kind, Source};
use crate::chart::{Archive, Chart, Metadata, difference as between, read};

/// A tar, compressed, unless it is a `.tgz` already.
fn tgz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A chart of these files.
fn chart(files: &[(&str, &[u8])]) -> Option<Chart> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("a/{path}"), *bytes).unwrap();
    }
    read(&tgz(&tar.into_inner().unwrap())).ok()
}

/// What is taken has clean paths below one folder, stays within Helm's limits, and says what a packer made of it would say.
pub(super) fn archive(bytes: &[u8]) {
    let tgz = tgz(bytes);
    let archive = match Archive::read(&tgz) {
        Ok(archive) => archive,
        Err(error) => return assert!(error.to_string().chars().count() < 2_000, "{error}"),
    };
    let mut total = 0;
    for (path, bytes) in archive.files() {
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
        assert!(!path.starts_with('/') && !path.contains(['\\', '\0', '\n']), "{path:?}");
        assert!(bytes.len() as u64 <= FILE_LIMIT);
        total += bytes.len() as u64;
    }
    assert!(total < TOTAL_LIMIT && archive.files().count() <= ENTRY_LIMIT);
    assert!(archive.file("Chart.yaml").is_some() && !archive.root().contains('/'));
    let Ok(chart) = read(&tgz) else { return };
    assert_eq!(chart.archive, archive);
    assert!(between::compare(&chart, &chart).is_empty());
    packed(&chart);
}

/// What Helm would package of this chart's folder says the same, and is read again as the same.
fn packed(chart: &Chart) {
    let files = || chart.archive.files();
    // What is left out of a package is another property's.
    if files().any(|(path, _)| path == ".helmignore" || path.contains("/.")) {
        return;
    }
    let entries = files().map(|(path, bytes)| Entry { path: path.to_owned(), kind: Kind::File(bytes.to_vec()) });
    let source = Source::read(Folder { entries: entries.collect() });
    let Ok(package) = source.and_then(|source| source.package(&BTreeMap::new())) else { return };
    // Helm packages an old chart without what its requirements.yaml says instead.
    let config: serde_json::Value = serde_json::from_slice(&package.config).unwrap();
    let is_old = config["apiVersion"] == "v1";
    if is_old && (chart.archive.file("Chart.lock").is_some() || !chart.metadata.dependencies.is_empty()) {
        return;
    }
    let (Ok(theirs), Ok(ours)) = (Content::of(&chart.archive), Content::of(&package.chart.archive)) else { return };
    assert_eq!(theirs, ours, "{}", theirs.difference(&ours));
}

/// What is packaged of a Chart.yaml (and a `requirements.yaml`) says what that said, to Helm's config blob as well.
pub(super) fn chart_yaml(bytes: &[u8]) {
    let [chart_yaml, requirements, lock] = super::parts(bytes);
    let Ok(metadata) = Metadata::parse(chart_yaml) else {
        return;
    };
    assert!(!metadata.name.is_empty() && !metadata.name.contains('/') && !metadata.version.is_empty());
    let mut files = vec![("Chart.yaml", chart_yaml)];
    files.extend(
        [("requirements.yaml", requirements), ("Chart.lock", lock)].into_iter().filter(|(_, text)| !text.is_empty()),
    );
    let entries =
        files.iter().map(|(path, bytes)| Entry { path: (*path).to_owned(), kind: Kind::File(bytes.to_vec()) });
    let Ok(source) = Source::read(Folder { entries: entries.collect() }) else { return };
    let Ok(package) = source.package(&BTreeMap::new()) else { return };
    assert_eq!(package.chart.metadata, *source.metadata());
    package.chart.metadata.check_config(&package.config).unwrap();
    assert_eq!(read(&package.archive).unwrap(), package.chart);
    assert_eq!(assemble(&package).unwrap().archive.size, package.archive.len() as u64);
}

/// Rules leave out what they name, as far as one line can tell: a comment nothing, a plain name that name.
pub(super) fn helmignore(bytes: &[u8]) {
    let [path, rules] = super::parts(bytes);
    let Ok(path) = std::str::from_utf8(path) else { return };
    let ignore = match Ignore::parse(rules) {
        Ok(ignore) => ignore,
        Err(error) => return assert!(error.line >= 1 && error.text.chars().count() <= 300),
    };
    let (file, folder) = (ignore.skips_file(path), ignore.skips_folder(path));
    assert!(ignore.skips_file("templates/.x"));
    // The order of lines means nothing, and neither does a line twice.
    let mut lines: Vec<&[u8]> = rules.split(|byte| *byte == b'\n').collect();
    lines.reverse();
    let turned = lines.iter().chain(&lines).copied().collect::<Vec<_>>().join(&b'\n');
    if !rules.starts_with("\u{feff}".as_bytes()) && !turned.starts_with("\u{feff}".as_bytes()) {
        let turned = Ignore::parse(&turned).unwrap();
        assert_eq!((turned.skips_file(path), turned.skips_folder(path)), (file, folder));
    }
}

/// Nothing differs from itself, what differs shows, and turned round it is as much.
pub(super) fn difference(bytes: &[u8]) {
    let [values, other_values, template, other_template] = super::parts(bytes);
    let chart_yaml = "apiVersion: v2\nname: a\nversion: 1.0.0\n".as_bytes();
    let of = |values, template| {
        chart(&[("Chart.yaml", chart_yaml), ("values.yaml", values), ("templates/a.yaml", template)])
    };
    let (Some(old), Some(new)) = (of(values, template), of(other_values, other_template)) else { return };
    assert!(between::compare(&old, &old).is_empty());
    let (there, back) = (between::compare(&old, &new), between::compare(&new, &old));
    assert_eq!(there.is_empty(), old.archive == new.archive);
    for (there, back) in [(&there.files.added, &back.files.removed), (&there.files.removed, &back.files.added)] {
        assert_eq!(there, back);
    }
    assert_eq!((there.files.changed, there.values.changed), (back.files.changed, back.values.changed));
    assert_eq!((there.values.added, there.values.removed), (back.values.removed, back.values.added));
    assert_eq!((there.images.added, there.images.removed), (back.images.removed, back.images.added));
    let patched = between::patch(&old, &new);
    drop(patched);
}
