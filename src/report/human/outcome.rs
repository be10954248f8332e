//! What `apply` did: what was verified, by whose key, what was published, what did nothing, what was withheld and why.

use std::fmt::Write as _;

use super::finding::findings;
use super::page::{Page, Tone, faint, plain, strong, toned};
use super::{accepted, as_what, count, signed};
use crate::apply::{Done, Outcome};
use crate::diagnostic::Severity;
use crate::lock::Signer;
use crate::plan::{Change, Row, State};
use crate::signature::{How, Signed};

/// The most charts that are named although nothing was done about them.
const MOST_UNCHANGED: usize = 10;

/// The outcome as text. The last line is its summary.
#[must_use]
pub fn outcome(outcome: &Outcome) -> String {
    let mut page = Page::default();
    let rows = &outcome.plan.rows;
    for row in rows {
        if let Some(change) = outcome.done.get(&row.unit) {
            published(&mut page, row, change);
        }
    }
    unchanged(&mut page, rows);
    findings(&mut page, outcome.plan.all_findings());
    interrupted(&mut page, outcome);
    page.gap();
    let (tone, text) = summary(outcome);
    page.line(0, &[toned(tone, text)]);
    page.finish()
}

fn published(page: &mut Page, row: &Row, Done { change, signed: signature }: &Done) {
    page.gap();
    let word = match change {
        Change::Publish => "+ published",
        Change::Replace(_) => "+ replaced",
        Change::Sign => "s signed",
    };
    page.line(0, &[toned(Tone::Good, word), plain("  "), strong(format!("{} {}", row.name, row.version))]);
    let Some((digest, _)) = row.artifact() else { return };
    page.line(4, &[plain(format!("{}@{digest}", row.reference))]);
    if let Change::Replace(held) = change {
        page.line(4, &[faint("in place of "), plain(held.to_string())]);
    }
    match (&row.pin, change) {
        (Some(pin), _) => {
            let verified = if pin.signer == Signer::None { "verified as pinned, " } else { "verified, " };
            page.line(4, &[faint(verified), plain(signed(&pin.signer, row.claims.as_deref()))]);
        }
        (None, Change::Sign) => page.line(4, &[faint("published before with the content of "), plain(folder(row))]),
        (None, _) => page.line(4, &[faint("packaged from "), plain(folder(row))]),
    }
    if let Some(Signed { signer, how }) = signature {
        let how = match how {
            How::Now => "",
            How::Before => ", which it was before",
            How::PutBack => ", with the signature that was made before",
        };
        page.line(4, &[faint("signed for this place by "), plain(format!("{signer}{how}"))]);
    }
    accepted(page, 4, &row.accepted);
}

fn folder(row: &Row) -> String {
    format!("charts/{}", row.name)
}

fn unchanged(page: &mut Page, rows: &[Row]) {
    let unchanged = || rows.iter().filter(|row| row.state == State::Unchanged);
    if (1..=MOST_UNCHANGED).contains(&unchanged().count()) {
        page.gap();
        for row in unchanged() {
            let digest = row.artifact().map(|(digest, _)| format!("  {digest}")).unwrap_or_default();
            page.line(0, &[faint("= unchanged"), plain(format!("  {} {}{digest}", row.name, row.version))]);
        }
    }
}

fn interrupted(page: &mut Page, outcome: &Outcome) {
    if outcome.interrupted.is_empty() {
        return;
    }
    page.gap();
    for row in outcome.plan.rows.iter().filter(|row| outcome.interrupted.contains(&row.unit)) {
        page.line(0, &[toned(Tone::Warning, "E interrupted"), plain("  "), strong(row.reference.to_string())]);
    }
    page.line(4, &[faint("next: "), plain("run again; what was written so far is found, nothing is written twice")]);
}

fn summary(outcome: &Outcome) -> (Tone, String) {
    let rows = &outcome.plan.rows;
    let unchanged = rows.iter().filter(|row| row.state == State::Unchanged).count();
    let (done, wanted) = (outcome.done.len(), rows.len() - unchanged);
    if !outcome.interrupted.is_empty() {
        let left = outcome.interrupted.len();
        return (Tone::Bad, format!("interrupted after {done} of {}", count(done + left, "chart")));
    }
    if outcome.plan.findings.iter().any(|finding| finding.severity() == Severity::Blocking) {
        return (Tone::Bad, "nothing was written: the whole run was refused".to_owned());
    }
    if wanted == 0 {
        let reason = match unchanged {
            0 => "no chart is declared".to_owned(),
            1 => format!("1 chart is published as {}", as_what(rows)),
            _ => format!("{unchanged} charts are published as {}", as_what(rows)),
        };
        return (Tone::Good, format!("nothing to do: {reason}"));
    }
    let verb =
        if outcome.done.values().all(|done| done.change == Change::Sign) && done > 0 { "signed" } else { "published" };
    let tone = if done == wanted { Tone::Good } else { Tone::Bad };
    let mut text = format!("{verb} {done} of {}", count(wanted, "chart"));
    for (number, word) in rest(outcome, unchanged) {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    (tone, text)
}

/// What became of the charts that were not published.
fn rest(outcome: &Outcome, unchanged: usize) -> [(usize, &'static str); 6] {
    let rows = &outcome.plan.rows;
    let of = |state: fn(&State) -> bool| rows.iter().filter(|row| state(&row.state)).count();
    let not_done = |row: &&Row| matches!(row.state, State::Change(_)) && !outcome.done.contains_key(&row.unit);
    [
        (of(|state| *state == State::Withheld), "withheld"),
        (of(|state| *state == State::Failed), "failed"),
        (of(|state| *state == State::Stale), "stale"),
        (rows.iter().filter(not_done).count(), "left as they are"),
        (of(|state| matches!(state, State::Unseen | State::Undecided)), "not looked at"),
        (unchanged, "published before"),
    ]
}
