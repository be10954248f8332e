//! Numbers and their words.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Row;

/// `1 chart`, `2 charts`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `is` or `are`, as the number wants.
pub(super) fn are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// That so many declared versions have nothing to be published.
pub(super) fn stale(number: usize) -> String {
    match number {
        1 => "1 version lacks a pin that satisfies its manifest".to_owned(),
        _ => format!("{number} versions lack a pin that satisfies their manifest"),
    }
}

/// What charts that are published as they should be are published as.
pub(super) fn as_what(rows: &[Row]) -> &'static str {
    let pinned = rows.iter().any(|row| row.pin.is_some());
    let packaged = rows.iter().any(|row| row.package.is_some());
    match (pinned, packaged) {
        (_, false) => "pinned",
        (false, true) => "in Git",
        (true, true) => "pinned or in Git",
    }
}

/// A size in bytes as it is read: exact below 1 KiB, else with one digit after the point.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// How a size differs from one before: `+12 %`; nothing beside one of nothing.
pub(super) fn change_of_size(now: u64, before: u64) -> Option<String> {
    let before = i128::from(before);
    let (change, half) = (i128::from(now) - before, before / 2);
    let percent = (change.abs() * 100 + half).checked_div(before)?;
    let sign = if change < 0 { '-' } else { '+' };
    Some(format!("{sign}{percent} %"))
}

/// When something was made, and who says so: `signature`, or `image` for an annotation that nobody signed.
pub(super) fn made(at: u64, by: &str) -> String {
    let time = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    let time = time.map_or_else(|| format!("{at} s after 1970"), |time| time.strftime("%F %R UTC").to_string());
    match by {
        "signature" => format!("{time}, as its signature says"),
        _ => format!("{time}, as the image says, which nobody signed"),
    }
}

/// Whether a signer is who signed before, as the rest of a sentence about it. The texts are those of a plan's JSON.
pub(super) fn continuity(is: &str, others: &[String], earlier: usize, novelty: &str) -> String {
    let others = others.iter().map(|other| signer_name(other)).collect::<Vec<_>>().join(", ");
    // Without a base nobody knows what was there before.
    let (one, many, none) = match novelty {
        "unknown" => ("other pinned version", "other pinned versions", "no other version of this chart is pinned"),
        _ => ("version pinned before", "versions pinned before", "no version of this chart was pinned before"),
    };
    match is {
        "first" => format!("first trust: {none}"),
        "same" if earlier == 1 => format!("the same as for the {one}"),
        "same" => format!("the same as for all {earlier} {many}"),
        "among" => format!("the same as for some of the {earlier} {many}; others were signed by {others}"),
        _ if earlier == 1 => format!("another than for the {one}, which was signed by {others}"),
        _ => format!("another than for the {earlier} {many}, which were signed by {others}"),
    }
}

/// A signer of the lockfile by its bare fingerprint.
pub(super) fn signer_name(signer: &str) -> &str {
    match signer.strip_prefix("pgp:") {
        Some(fingerprint) => fingerprint,
        None => "nobody (no provenance)",
    }
}

/// Who holds a digest, from the name that a plan's JSON has for it.
pub(super) fn holder(name: &str) -> &str {
    match name {
        "base" => "base",
        "pinned" => "pinned",
        "source" => "source now",
        "destination" => "destination now",
        "folder" => "this folder",
        other => other,
    }
}

/// What becomes of a chart version, and the sign in front of it, from the name of its state.
pub(super) fn state(name: &str) -> (char, &'static str) {
    match name {
        "publish" => ('+', "publish"),
        "replace" => ('+', "replace"),
        "sign" => ('s', "sign"),
        "withheld" => ('!', "withheld"),
        "stale" => ('?', "stale"),
        "failed" => ('E', "failed"),
        "unseen" => ('~', "unseen"),
        "unchanged" => ('=', "published already"),
        _ => ('~', "not looked at"),
    }
}

/// How many charts are without provenance, and how many of those the change brings.
pub(super) fn unsigned(all: usize, new: usize) -> String {
    let new = match new {
        0 => String::new(),
        _ if new == all => ", new or changed here".to_owned(),
        _ => format!(", {new} of them new or changed here"),
    };
    format!("{} {} without provenance{new}", count(all, "chart"), are(all))
}

/// The names that several charts have, from those of all and where each is published.
pub(super) fn shared<'c>(charts: impl Iterator<Item = (&'c str, &'c str)>) -> BTreeSet<&'c str> {
    let mut places = BTreeMap::new();
    charts.filter(|(name, place)| *places.entry(*name).or_insert(*place) != *place).map(|(name, _)| name).collect()
}

/// How many charts there are, and in which states, from the number of each state's name.
pub(super) fn counts(of: impl Fn(&str) -> Option<usize>) -> String {
    let words = [
        ("publish", "to publish"),
        ("replace", "to replace"),
        ("sign", "to sign"),
        ("withheld", "withheld"),
        ("stale", "stale"),
        ("failed", "failed"),
        ("unseen", "unseen"),
        ("undecided", "not looked at"),
        ("unchanged", "unchanged"),
    ];
    let told: Vec<(usize, &str)> = words.iter().filter_map(|(state, word)| Some((of(state)?, *word))).collect();
    if told.is_empty() {
        return "no charts".to_owned();
    }
    let all = told.iter().map(|(number, _)| number).sum();
    let told: Vec<String> = told.iter().map(|(number, word)| format!("{number} {word}")).collect();
    format!("{}: {}", count(all, "chart"), told.join(", "))
}

/// Why a chart may do without provenance.
pub(super) fn unsigned_because(because: &str, reason: Option<&str>) -> String {
    match (because, reason) {
        ("accepted", Some(reason)) => format!("accepted: {reason}"),
        _ => "its manifest does not require one".to_owned(),
    }
}

/// What is in a patch of the lockfile, as a sentence.
pub(super) fn patch(pins: usize, dropped: usize, keyrings: usize) -> String {
    let parts = [
        (pins, count(pins, "pin")),
        (keyrings, count(keyrings, "keyring")),
        (dropped, format!("{} that {} dropped", count(dropped, "pin"), are(dropped))),
    ];
    let told: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    if told.is_empty() { "the lockfile in its own form".to_owned() } else { told.join(", ") }
}

/// How a patch of the lockfile is applied.
pub(super) const APPLY_PATCH: &str = "in the repository's root, review the pins, and commit";

/// Where everything is that a view has no room for.
pub(super) const WHERE_ALL: &str = "`plan.json` has all of it (in GitHub Actions: in the artifact `plan` of this run)";
