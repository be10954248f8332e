//! What `lock` did: pins made, replaced, carried and dropped, keyrings that changed, and what could not be pinned.

use std::collections::BTreeMap;

use super::finding::place;
use super::page::{Page, Tone, faint, plain, strong, toned};
use super::problems::{Texts, source};
use super::signed;
use crate::lock::{Pin, Signer};
use crate::provenance::{Fingerprint, KeyChanges};
use crate::resolve::keyrings::KeyringChange;
use crate::resolve::{Event, Failure, Resolution};
use crate::workspace::LOCK_FILE;

/// The resolution as text; `written` names the keyrings and the lockfile as far as they have another text now, `text` gives the
/// files that failures are about. The last line is its summary.
#[must_use]
pub fn resolution(resolution: &Resolution, written: &[String], text: &Texts<'_>) -> String {
    let mut page = Page::default();
    for told in &resolution.events {
        event(&mut page, told, &resolution.claims);
    }
    for failure in &resolution.failures {
        page.gap();
        failed(&mut page, "E not pinned", failure, text);
    }
    page.gap();
    let (tone, text) = summary(resolution, written);
    page.line(0, &[toned(tone, text)]);
    page.finish()
}

pub(super) fn event(page: &mut Page, event: &Event, claims: &Claims) {
    match event {
        Event::Pinned(pin) => pinned(page, "+ pinned", pin, claims),
        Event::Repinned { old, new } => repinned(page, old, new, claims),
        Event::Reverified(pin) => pinned(page, "= verified again", pin, claims),
        Event::Resourced(pin) => {
            head(page, "= source renamed", pin);
            page.line(4, &[plain(format!("{} has the pinned {}", pin.source_reference(), pin.digest))]);
        }
        Event::Carried { from, pin } => {
            head(page, "= destination renamed", pin);
            page.line(4, &[plain(format!("{from} is {} now, with the pinned {}", pin.reference(), pin.digest))]);
        }
        Event::Dropped(pin) => {
            head(page, "- dropped", pin);
            page.line(4, &[plain(format!("{}@{} stays published, no longer audited", pin.reference(), pin.digest))]);
        }
        Event::Keyring { mirror, change } => keyring(page, mirror, change),
    }
}

type Claims = BTreeMap<Fingerprint, String>;

/// Who signed, with what the key says about itself.
fn by(pin: &Pin, claims: &Claims) -> String {
    let claims = match &pin.signer {
        Signer::Pgp(fingerprint) => claims.get(fingerprint),
        Signer::None => None,
    };
    signed(&pin.signer, claims.map(String::as_str))
}

fn head(page: &mut Page, word: &str, pin: &Pin) {
    page.line(0, &[toned(Tone::Good, word), plain("  "), strong(format!("{} {}", pin.name, pin.version))]);
}

fn pinned(page: &mut Page, word: &str, pin: &Pin, claims: &Claims) {
    head(page, word, pin);
    page.line(4, &[plain(pin.digest.to_string())]);
    page.line(4, &[plain(by(pin, claims))]);
}

/// Old and new, one below the other, in the same columns.
fn repinned(page: &mut Page, old: &Pin, new: &Pin, claims: &Claims) {
    page.line(
        0,
        &[toned(Tone::Warning, "+ pinned anew"), plain("  "), strong(format!("{} {}", new.name, new.version))],
    );
    for (word, pin) in [("was", old), ("now", new)] {
        page.line(4, &[faint(format!("{word} ")), plain(pin.digest.to_string())]);
    }
    if old.signer == new.signer {
        page.line(4, &[plain(by(new, claims)), faint(", as before")]);
        return;
    }
    for (word, pin) in [("was", old), ("now", new)] {
        page.line(4, &[faint(format!("{word} ")), toned(Tone::Warning, by(pin, claims))]);
    }
}

fn keyring(page: &mut Page, mirror: &str, change: &KeyringChange) {
    let word = if change.first { "+ keyring" } else { "+ keyring changed" };
    page.line(0, &[toned(Tone::Warning, word), plain("  "), strong(mirror.to_owned())]);
    page.line(4, &[plain(change.digest.to_string())]);
    for told in change.keys.told() {
        page.line(4, &[plain(told)]);
    }
    if !change.first && change.keys == KeyChanges::default() {
        page.line(4, &[plain("the same keys in other bytes")]);
    }
}

pub(super) fn failed(page: &mut Page, word: &str, failure: &Failure, text: &Texts<'_>) {
    page.line(0, &[toned(Tone::Bad, word), plain("  "), strong(failure.reference.to_string())]);
    page.line(4, &[plain(failure.message.as_str())]);
    if let Some(location) = &failure.location {
        page.line(4, &[faint("at "), plain(location.to_string())]);
        if let (Some(content), Some((line, column))) = (text(&location.file), location.position) {
            source(page, &content, line, column);
        }
    }
    place(page, None, &failure.next, failure.exception.as_ref());
}

fn summary(resolution: &Resolution, written: &[String]) -> (Tone, String) {
    let of = |kind: fn(&Event) -> bool| resolution.events.iter().filter(|event| kind(event)).count();
    let counts = [
        (of(|event| matches!(event, Event::Pinned(_))), "new"),
        (of(|event| matches!(event, Event::Repinned { .. })), "replaced"),
        (of(|event| matches!(event, Event::Reverified(_))), "verified again"),
        (of(|event| matches!(event, Event::Resourced(_) | Event::Carried { .. })), "renamed"),
        (resolution.kept, "kept"),
        (of(|event| matches!(event, Event::Dropped(_))), "dropped"),
        (resolution.failures.len(), "failed"),
    ];
    let told = counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
    let told = told.collect::<Vec<_>>().join(", ");
    let told = if told.is_empty() { "no pins".to_owned() } else { format!("pins: {told}") };
    let tone = if resolution.failures.is_empty() { Tone::Good } else { Tone::Bad };
    let (locked, keyrings): (Vec<&str>, Vec<&str>) =
        written.iter().map(String::as_str).partition(|file| *file == LOCK_FILE);
    let keyrings = keyrings.iter().flat_map(|file| [file, " written, "]).collect::<String>();
    (tone, format!("{told}; {keyrings}{LOCK_FILE} {}", if locked.is_empty() { "unchanged" } else { "written" }))
}
