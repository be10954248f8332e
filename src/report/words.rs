//! Numbers and their words.

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
