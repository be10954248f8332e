//! A plan: is it safe to merge, what must be looked at, what would change.

use super::difference;
use super::finding::findings;
use super::page::{Page, Tone, faint, plain, strong, toned};
use super::{accepted, count, signer, size};
use crate::artifact::Created;
use crate::lock::Signer;
use crate::plan::beside::{Beside, Continuity, OtherKeyring};
use crate::plan::{Change, Plan, Row, State};
use crate::report::answer::{Answer, Safe, answer, question};
use crate::report::consume::quotable;
use crate::report::words::{self, APPLY_PATCH, change_of_size, continuity, holder, made, state, unsigned_because};
use crate::resolve::patch::LockPatch;

/// How wide the names of fields are.
const FIELD: usize = 6;
/// The most charts without provenance that are named.
const MOST_UNSIGNED: usize = 10;

/// The plan as text. The first line answers whether a merge is safe; charts without a change are only counted.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut page = Page::default();
    let Answer { safe, word, reason } = answer(plan);
    let tone = match safe {
        Safe::Yes => Tone::Good,
        Safe::No => Tone::Bad,
        Safe::Warned | Safe::Registries | Safe::Unknown => Tone::Warning,
    };
    page.line(0, &[strong(question(plan.question)), plain(" "), toned(tone, word), plain(": "), plain(reason)]);
    findings(&mut page, plan.all_findings());
    news(&mut page, plan);
    unsigned(&mut page, plan);
    patch(&mut page, plan);
    page.gap();
    let counts = plan.counts();
    let beside = plan.base.as_ref().map(|base| format!("; compared with {base}")).unwrap_or_default();
    page.line(0, &[plain(words::counts(|state| counts.get(state).copied())), plain(beside)]);
    page.finish()
}

/// What would be written and what the change brings, by chart.
fn news(page: &mut Page, plan: &Plan) {
    let mut chart = None;
    let mut keyring = None;
    for row in plan.rows.iter().filter(|row| row.is_news()) {
        page.gap();
        if chart != Some(&row.reference.repository) {
            page.line(0, &[strong(row.name.as_str()), plain("  "), faint(row.reference.repository.to_string())]);
            (chart, keyring) = (Some(&row.reference.repository), None);
        }
        one(page, row, &mut keyring);
    }
}

/// One chart version, the most important first. A keyring is told once a chart: `told` is the last one.
fn one<'p>(page: &mut Page, row: &'p Row, told: &mut Option<&'p OtherKeyring>) {
    let (sign, word) = state(row.state.name());
    let tone = if matches!(row.state, State::Change(_)) { Tone::Good } else { Tone::Warning };
    let head = toned(tone, format!("{sign} {word}"));
    page.line(2, &[head, plain("  "), strong(format!("{} {}", row.name, row.version))]);
    let beside = row.beside.as_ref();
    if let Some(pin) = &row.pin {
        let is_verified = pin.signer == Signer::None || matches!(row.created, Some(Created::Signed(_)));
        let verified = if is_verified { "" } else { ", as the lockfile says" };
        page.field(6, FIELD, "signer", &format!("{}{verified}", signer(&pin.signer, row.claims.as_deref())));
        if let Some(signer) = beside.and_then(|beside| beside.signer.as_ref()) {
            let others: Vec<String> = signer.others().map(ToString::to_string).collect();
            let tone = if matches!(signer, Continuity::Same) { Tone::Faint } else { Tone::Warning };
            let (earlier, novelty) = beside.map(|beside| (beside.earlier, beside.novelty)).unwrap_or_default();
            let told = continuity(signer.as_str(), &others, earlier, novelty.as_str());
            page.line(6, &[plain(" ".repeat(FIELD + 2)), toned(tone, told)]);
        }
    }
    if let Some((by, digest)) = beside.and_then(|beside| beside.replaces) {
        page.field(6, FIELD, "was", &format!("{digest} ({})", holder(by.as_str())));
    }
    let artifact = row.artifact();
    if let Some((digest, _)) = artifact {
        page.field(6, FIELD, "digest", &digest.to_string());
    }
    if let Some(beside) = beside {
        changed(page, beside, told);
    }
    if let Some((_, now)) = artifact {
        let previous = beside.and_then(|beside| beside.previous.as_ref());
        let change = previous.and_then(|old| Some((change_of_size(now, old.archive_size)?, &old.version)));
        let change = change.map(|(change, version)| format!(", {change} beside {version}")).unwrap_or_default();
        page.field(6, FIELD, "size", &format!("{}{change}", size(now)));
    }
    if let Some(created) = row.created {
        let (at, by) = created.told();
        page.field(6, FIELD, "made", &made(at, by));
    }
    place(page, row);
    if let Some(against) = &row.against {
        difference::against(page, 6, FIELD, against);
    }
}

/// What else differs from before: a lower version, another keyring.
fn changed<'p>(page: &mut Page, beside: &'p Beside, told: &mut Option<&'p OtherKeyring>) {
    if let Some(before) = &beside.down_from {
        page.field(6, FIELD, "lower", &format!("than {before}, the highest version before"));
    }
    let Some(keyring) = beside.keyring.as_ref().filter(|keyring| *told != Some(keyring)) else { return };
    *told = Some(keyring);
    let before = keyring.before.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    page.field(6, FIELD, "keys", &format!("of the keyring {} instead of {before}", keyring.digest));
    for told in keyring.keys.told() {
        page.line(6, &[plain(" ".repeat(FIELD + 2)), toned(Tone::Warning, told)]);
    }
}

/// Where it comes from, where it goes, and what it rests on.
fn place(page: &mut Page, row: &Row) {
    let is_signed = row.state == State::Change(Change::Sign);
    if let (true, Some(note)) = (is_signed, &row.signature_note) {
        page.field(6, FIELD, "found", note);
    }
    if !is_signed {
        let folder = || format!("charts/{}, packaged here", row.name);
        page.field(6, FIELD, "from", &row.source.as_ref().map_or_else(folder, ToString::to_string));
    }
    page.field(6, FIELD, "to", &row.reference.to_string());
    accepted(page, 6, &row.accepted);
}

/// The charts without provenance, counted, the new ones first among those that are named.
fn unsigned(page: &mut Page, plan: &Plan) {
    let mut rows: Vec<_> = plan.unsigned().collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(row, _)| !row.is_news());
    let new = rows.iter().filter(|(row, _)| row.is_of_the_change()).count();
    page.gap();
    page.line(0, &[plain(words::unsigned(rows.len(), new))]);
    let shared = words::shared(plan.rows.iter().map(|row| (row.name.as_str(), row.reference.repository.as_str())));
    for (row, unsigned) in rows.iter().take(MOST_UNSIGNED) {
        let because = unsigned_because(unsigned.as_str(), unsigned.reason());
        let is_shared = shared.contains(row.name.as_str());
        let chart = if is_shared { row.reference.to_string() } else { format!("{} {}", row.name, row.version) };
        page.line(4, &[plain(chart), plain(": "), plain(because)]);
    }
    if rows.len() > MOST_UNSIGNED {
        page.line(4, &[faint(format!("and {} more", rows.len() - MOST_UNSIGNED))]);
    }
}

/// The patch of the lockfile: what is in it, and what to do with it.
fn patch(page: &mut Page, plan: &Plan) {
    let Some(LockPatch { path, pins, dropped, keyrings, unlocked }) = &plan.lock_patch else { return };
    page.gap();
    page.line(0, &[plain(format!("what `chartsync lock` would write is in {path}: "))]);
    page.line(4, &[plain(words::patch(*pins, *dropped, *keyrings))]);
    page.line(4, &[faint("next: "), plain(format!("`git apply {}` {APPLY_PATCH}", quotable(path)))]);
    if !unlocked.is_empty() {
        page.line(4, &[plain(format!("not in it: {}, for the reasons above", count(unlocked.len(), "version")))]);
    }
}
