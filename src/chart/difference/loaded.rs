//! Files that templates read with `.Files`: what comes of them shows only when they are rendered.

use std::collections::BTreeSet;

use super::templates::Reads;
use super::{Read, Unread};

/// The most entries that are asked for each file.
const READS_LIMIT: usize = 1_000;

/// Files that are others now, or are read now, and may become a part of what is installed.
pub(super) fn unread(old: &Read<'_>, new: &Read<'_>) -> Vec<Unread> {
    let (before, now) = (reads(old), reads(new));
    let is_read = |reads: &BTreeSet<Reads>, file: &str| reads.iter().any(|read| read.may_be(file));
    let mut unread = Vec::new();
    for part in new.parts.all.values() {
        let same = old.parts.all.get(&part.path);
        for (file, bytes) in part.files.iter().filter(|(file, _)| is_data(file)) {
            let is_same = same.and_then(|part| part.file(file)) == Some(*bytes);
            if is_read(&now, file) && !(is_same && is_read(&before, file)) {
                let why = "a template may read it: what that makes shows only when it is rendered";
                unread.push(Unread { file: part.path_of(file), line: None, why: why.to_owned() });
            }
        }
    }
    unread
}

/// What the templates of a chart read, and the values that `tpl` makes templates of.
fn reads(read: &Read<'_>) -> BTreeSet<Reads> {
    let templates = read.documents.templates().iter();
    let mut reads: BTreeSet<Reads> = templates.flat_map(|template| template.facts().reads.iter().cloned()).collect();
    let mut by_values = false;
    for defaults in &read.values {
        defaults.leaves(&mut |leaf| {
            by_values |= leaf.value.contains("{{") && leaf.value.contains("Files");
            !by_values
        });
    }
    if by_values || reads.len() > READS_LIMIT {
        reads = BTreeSet::from([Reads::Any]);
    }
    reads
}

/// Whether Helm gives a file to templates.
fn is_data(file: &str) -> bool {
    let own = ["Chart.lock", "values.yaml", "values.schema.json", "requirements.yaml", "requirements.lock"];
    !(own.contains(&file) || file.starts_with("templates/") || file.starts_with("charts/"))
}
