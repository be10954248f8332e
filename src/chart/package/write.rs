//! A chart as bytes: YAML, tar, gzip.
//!
//! Owns every byte that does not come from the chart's author, none of which depends on machine, clock, locale or order
//! of the input: entries stand in Helm's order with subcharts by name, no folders, mode 0644, owner 0, one time, a bare
//! gzip header. Those bytes are part of what a published digest means: a change here, or in the compressor below
//! (`flate2` with `miniz_oxide`, whose output may differ between its versions), gives every chart of the same content
//! another digest. The golden digests of `tests/it/packaging.rs` say so when it happens.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value};
use tar::{EntryType, Header};

use super::super::metadata::text;
use super::super::{ArchiveError, ChartError, quoted};
use super::PackageError;
use super::arrange::Arranged;

mod yaml;

/// What Go writes for a time that was never set.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// Every file's time, 1980-01-01: some tools take the first moment of 1970 for no time, or for a mistake.
const TIME: u64 = 315_532_800;
/// The operating system of a gzip header that tells none.
const UNKNOWN_SYSTEM: u8 = 255;
/// The best of `miniz_oxide`'s levels that are in reasonable use.
const LEVEL: Compression = Compression::new(9);
/// The most bytes a path may have to stand in a header itself.
const NAME_LIMIT: usize = 100;
/// What an entry's size is rounded up to.
const BLOCK: usize = 512;

/// The tar of a chart.
pub(super) fn tar(chart: &Arranged) -> Vec<u8> {
    let mut tar = Vec::new();
    put(&mut tar, &chart.metadata.name, chart);
    // Two empty blocks end a tar.
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

/// The `.tgz` of a tar.
pub(super) fn gzip(tar: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(Vec::new(), LEVEL);
    let packed = encoder.write_all(tar).and_then(|()| encoder.finish());
    packed.map_err(|error| ChartError::from(ArchiveError::Damaged(quoted(&error.to_string()))).into())
}

/// Appends a chart and its subcharts below `folder`.
fn put(tar: &mut Vec<u8>, folder: &str, chart: &Arranged) {
    let mut metadata = chart.metadata.fields().clone();
    if text(&metadata, "apiVersion") == "v1" {
        // Old charts have them in requirements.yaml, which is among the files.
        metadata.remove("dependencies");
    }
    with_repositories(&mut metadata);
    append(tar, &format!("{folder}/Chart.yaml"), yaml::document(&metadata).as_bytes());
    if let Some(lock) = &chart.lock {
        let mut lock = lock.fields().clone();
        lock.entry("generated").or_insert(NO_TIME.into());
        lock.entry("digest").or_insert("".into());
        lock.entry("dependencies").or_insert(Value::Null);
        with_repositories(&mut lock);
        append(tar, &format!("{folder}/Chart.lock"), yaml::document(&lock).as_bytes());
    }
    let mut files: Vec<_> = chart.files.iter().collect();
    files.sort_by_key(|(path, _)| rank(path));
    for (path, bytes) in files {
        append(tar, &format!("{folder}/{path}"), bytes);
    }
    for (name, subchart) in &chart.subcharts {
        put(tar, &format!("{folder}/charts/{name}"), subchart);
    }
}

/// Helm writes a dependency's repository even where there is none.
fn with_repositories(fields: &mut Map<String, Value>) {
    let dependencies = fields.get_mut("dependencies").and_then(Value::as_array_mut);
    for dependency in dependencies.into_iter().flatten().filter_map(Value::as_object_mut) {
        dependency.entry("repository").or_insert_with(|| "".into());
    }
}

/// Where Helm puts a file; within a rank the order is that of the paths' bytes.
fn rank(path: &str) -> u8 {
    match path {
        "values.yaml" => 0,
        "values.schema.json" => 1,
        path if path.starts_with("templates/") => 2,
        _ => 3,
    }
}

/// Appends a file. A path that every reader takes from a plain header stands there, any other one in a pax header.
fn append(tar: &mut Vec<u8>, path: &str, bytes: &[u8]) {
    let short: Vec<_> = path.chars().map(|c| if c.is_ascii() { c as u8 } else { b'_' }).take(NAME_LIMIT).collect();
    if short != path.as_bytes() {
        entry(tar, EntryType::XHeader, b"pax", pax_path(path).as_bytes());
    }
    entry(tar, EntryType::Regular, &short, bytes);
}

fn entry(tar: &mut Vec<u8>, kind: EntryType, name: &[u8], content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(TIME);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

/// The record `LENGTH path=PATH`, whose length counts its own digits.
fn pax_path(path: &str) -> String {
    let bare = " path=\n".len() + path.len();
    let digits = bare.to_string().len();
    let length = if (bare + digits).to_string().len() == digits { bare + digits } else { bare + digits + 1 };
    format!("{length} path={path}\n")
}
