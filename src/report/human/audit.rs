//! What `verify` found: the charts that do not hold, one by one, and the others by signer.

use std::collections::BTreeMap;

use super::finding::findings;
use super::page::{Page, Tone, plain, toned};
use super::{count, signed};
use crate::audit::{Audit, Audited, Depth};
use crate::lock::Signer;

/// The audit as text. The last line is its summary.
#[must_use]
pub fn audit(audits: &[Audit], depth: Depth) -> String {
    let mut page = Page::default();
    findings(&mut page, audits.iter().filter_map(|audit| audit.finding.as_ref()));
    page.gap();
    match depth {
        Depth::Whole => signers(&mut page, audits),
        Depth::Digest => quick(&mut page, audits),
    }
    folders(&mut page, audits);
    signed_by(&mut page, audits);
    page.gap();
    let (tone, text) = summary(audits);
    page.line(0, &[toned(tone, text)]);
    page.finish()
}

fn holding(audits: &[Audit]) -> impl Iterator<Item = &Audit> {
    audits.iter().filter(|audit| audit.audited == Audited::Holds)
}

/// Whose signatures were verified, each once.
fn signers(page: &mut Page, audits: &[Audit]) {
    let mut signers = BTreeMap::<(&Signer, Option<&str>), usize>::new();
    for audit in holding(audits) {
        if let Some(pin) = &audit.pin {
            *signers.entry((&pin.signer, audit.claims.as_deref())).or_default() += 1;
        }
    }
    for ((by, claims), number) in signers {
        let hold = if number == 1 { "holds" } else { "hold" };
        page.line(0, &[plain(format!("= {} {hold}, {}", count(number, "chart"), signed(by, claims)))]);
    }
}

/// How many first-party charts are published as they are in Git.
fn folders(page: &mut Page, audits: &[Audit]) {
    let number = holding(audits).filter(|audit| audit.published.is_some()).count();
    if number > 0 {
        let (have, its) = if number == 1 { ("has", "its folder") } else { ("have", "their folders") };
        let told = format!("= {} {have} the content of {its}", count(number, "first-party chart"));
        page.line(0, &[plain(told)]);
    }
}

/// Which identities or keys signed what is published, each once.
fn signed_by(page: &mut Page, audits: &[Audit]) {
    let mut signers = BTreeMap::<&str, usize>::new();
    for by in audits.iter().filter_map(|audit| audit.signed_by.as_deref()) {
        *signers.entry(by).or_default() += 1;
    }
    for (by, number) in signers {
        let is = if number == 1 { "is" } else { "are" };
        page.line(0, &[plain(format!("= {} {is} published with a signature of {by}", count(number, "chart")))]);
    }
}

fn quick(page: &mut Page, audits: &[Audit]) {
    let number = holding(audits).filter(|audit| audit.pin.is_some()).count();
    if number > 0 {
        let have = if number == 1 { "has" } else { "have" };
        let told =
            format!("= {} {have} the pinned digest; contents and provenance were not read", count(number, "chart"));
        page.line(0, &[plain(told)]);
    }
}

fn summary(audits: &[Audit]) -> (Tone, String) {
    let of = |audited| audits.iter().filter(|audit| audit.audited == audited).count();
    let words = [
        (Audited::Holds, if of(Audited::Holds) == 1 { "holds" } else { "hold" }),
        (Audited::Missing, "missing"),
        (Audited::Wrong, "wrong"),
        (Audited::Unsigned, "unsigned"),
        (Audited::Unreadable, "unreadable"),
        (Audited::Unpinned, "unpinned"),
    ];
    let told =
        words.iter().filter(|(audited, _)| of(*audited) > 0).map(|(audited, word)| format!("{} {word}", of(*audited)));
    let told = told.collect::<Vec<_>>().join(", ");
    let tone = if of(Audited::Holds) == audits.len() { Tone::Good } else { Tone::Bad };
    match audits.len() {
        0 => (Tone::Warning, "no chart is declared, none was audited".to_owned()),
        number => (tone, format!("audited {}: {told}", count(number, "chart"))),
    }
}
