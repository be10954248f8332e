//! A plan: is it safe to merge, what must be looked at, what would change.

use super::finding::findings;
use super::page::{Page, Tone, plain, strong, toned};
use super::{accepted, are, count, signer, size, stale};
use crate::diagnostic::Severity;
use crate::finding::Code;
use crate::plan::{Change, Network, Plan, Row, Scope, State};

/// How wide the names of fields are.
const FIELD: usize = 6;

/// The plan as text. The first line answers whether a merge is safe; charts without a change are only counted.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut page = Page::default();
    let (tone, word, reason) = answer(plan);
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

/// The answer, and what it rests on.
fn answer(plan: &Plan) -> (Tone, &'static str, String) {
    let mut blocking = Vec::new();
    let of = |state: fn(&State) -> bool| plan.rows.iter().filter(|row| state(&row.state)).count();
    let of_run = |is_error| {
        let blocking = plan.findings.iter().filter(|finding| finding.severity() == Severity::Blocking);
        blocking.filter(|finding| (finding.code == Code::Error) == is_error).count()
    };
    if of_run(false) > 0 {
        blocking.push(format!("{} about the whole run", count(of_run(false), "finding")));
    }
    let withheld = of(|state| *state == State::Withheld);
    if withheld > 0 {
        blocking.push(format!("{} {} withheld", count(withheld, "chart"), are(withheld)));
    }
    let unpinned = of(|state| *state == State::Stale);
    if unpinned > 0 {
        blocking.push(stale(unpinned));
    }
    let certain = !blocking.is_empty();
    if of_run(true) > 0 {
        blocking.push(format!("{} of the whole run", count(of_run(true), "error")));
    }
    let failed = of(|state| *state == State::Failed);
    if failed > 0 {
        blocking.push(format!("{} could not be examined", count(failed, "chart")));
    }
    if !blocking.is_empty() {
        let (tone, word) = if certain { (Tone::Bad, "no") } else { (Tone::Warning, "cannot tell") };
        return (tone, word, blocking.join(", "));
    }
    if plan.all_is_well() { yes(plan) } else { (Tone::Warning, "cannot tell", unknown(plan)) }
}

fn yes(plan: &Plan) -> (Tone, &'static str, String) {
    let changes = plan.changes().count();
    let does = match (changes, plan.rows.len()) {
        (0, 0) => "no chart is declared".to_owned(),
        (0, rows) => format!("nothing to do, {} {} published as pinned", count(rows, "chart"), are(rows)),
        (changes, _) => format!("{} would change, each verified", count(changes, "chart")),
    };
    let warnings = plan.all_findings().filter(|finding| finding.severity() == Severity::Warning).count();
    match warnings {
        0 => (Tone::Good, "yes", does),
        _ => (Tone::Warning, "yes, if you agree with the warnings below", does),
    }
}

/// Why a plan without a blocking finding still cannot answer.
fn unknown(plan: &Plan) -> String {
    let mut reasons = Vec::new();
    if plan.network == Network::Offline {
        reasons.push("no registry was asked".to_owned());
    }
    if plan.scope == Scope::Filtered {
        reasons.push("only what was selected was looked at".to_owned());
    }
    let unseen = plan.rows.iter().filter(|row| row.state == State::Unseen).count();
    if unseen > 0 {
        reasons.push(format!("{} cannot be seen without a credential", count(unseen, "chart")));
    }
    let undecided = plan.rows.iter().filter(|row| row.state == State::Undecided).count();
    if undecided > 0 && plan.network == Network::Online {
        reasons.push(format!("{} not looked at", count(undecided, "chart")));
    }
    reasons.join(", ")
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
    let Some(pin) = &row.pin else { return };
    page.field(4, FIELD, "digest", &pin.digest.to_string());
    page.field(4, FIELD, "size", &size(pin.archive_size));
    page.field(4, FIELD, "signer", &signer(&pin.signer, row.claims.as_deref()));
    if let (Change::Sign, Some(note)) = (change, &row.signature_note) {
        page.field(4, FIELD, "found", note);
    }
    if change != Change::Sign {
        page.field(4, FIELD, "from", &row.source.to_string());
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
