//! A plan: is it safe to merge, what must be looked at, what would change.

use super::finding::findings;
use super::page::{Page, Tone, plain, strong, toned};
use super::{accepted, count, signer, size};
use crate::plan::{Change, Plan, Row};
use crate::report::answer::{Answer, answer};

/// How wide the names of fields are.
const FIELD: usize = 6;

/// The plan as text. The first line answers whether a merge is safe; charts without a change are only counted.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut page = Page::default();
    let Answer { word, reason, .. } = answer(plan);
    let tone = match word {
        "yes" => Tone::Good,
        "no" => Tone::Bad,
        _ => Tone::Warning,
    };
    page.line(0, &[strong("safe to merge? "), toned(tone, word), plain(": "), plain(reason)]);
    findings(&mut page, plan.all_findings());
    for (row, change) in plan.changes() {
        page.gap();
        changed(&mut page, row, change);
    }
    page.gap();
    page.line(0, &[plain(summary(plan))]);
    page.finish()
}

fn changed(page: &mut Page, row: &Row, change: Change) {
    let word = match change {
        Change::Publish => "+ publish",
        Change::Replace(_) => "+ replace",
        Change::Sign => "s sign",
    };
    page.line(0, &[toned(Tone::Good, word), plain("  "), strong(format!("{} {}", row.name, row.version))]);
    if let Change::Replace(held) = change {
        page.field(4, FIELD, "was", &held.to_string());
    }
    let Some((digest, archive_size)) = row.artifact() else { return };
    page.field(4, FIELD, "digest", &digest.to_string());
    page.field(4, FIELD, "size", &size(archive_size));
    if let Some(pin) = &row.pin {
        page.field(4, FIELD, "signer", &signer(&pin.signer, row.claims.as_deref()));
    }
    if let (Change::Sign, Some(note)) = (change, &row.signature_note) {
        page.field(4, FIELD, "found", note);
    }
    if change != Change::Sign {
        let folder = || format!("charts/{}, packaged here", row.name);
        page.field(4, FIELD, "from", &row.source.as_ref().map_or_else(folder, ToString::to_string));
    }
    page.field(4, FIELD, "to", &row.reference.to_string());
    accepted(page, &row.accepted);
}

fn summary(plan: &Plan) -> String {
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
    let counts = plan.counts();
    let told = words.iter().filter_map(|(state, word)| Some(format!("{} {word}", counts.get(state)?)));
    let told = told.collect::<Vec<_>>().join(", ");
    let beside = plan.base.as_ref().map(|base| format!("; compared with {base}")).unwrap_or_default();
    match plan.rows.len() {
        0 => format!("no charts{beside}"),
        rows => format!("{}: {told}{beside}", count(rows, "chart")),
    }
}
