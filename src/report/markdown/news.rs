//! What would be written and what the change brings, by chart; and what is without provenance.

use std::fmt::Write as _;

use super::{Page, difference};
use crate::report::escape::{code, markdown};
use crate::report::view::{Beside, Chart, Key, Keyring, Pin, Plan, Unsigned};
use crate::report::words::{
    self, change_of_size, continuity, holder, made, signer_name, size, state, unsigned_because,
};

/// The most charts without provenance that are named.
const MOST_UNSIGNED: usize = 10;
/// What is kept for what comes behind the entries.
const LATER: usize = 6_000;

/// All of it, chart by chart; what no longer fits is counted.
pub(super) fn all(page: &mut Page, plan: &Plan) {
    let news: Vec<&Chart> = plan.charts.iter().filter(|chart| is_news(chart)).collect();
    if !news.is_empty() {
        page.line("\n#### What changes\n");
        let mut told = Told::default();
        let mut entries: Vec<(String, String)> = news.iter().map(|chart| told.one(chart)).collect();
        unfold(page, &mut entries);
        let shown = page.entries(entries.into_iter().map(|(entry, _)| entry));
        page.left_out(news.len() - shown, "chart version");
    }
    unsigned(page, plan);
}

/// Adds its details to each entry, as long as that leaves room for every entry.
fn unfold(page: &Page, entries: &mut [(String, String)]) {
    let told: usize = entries.iter().map(|(entry, _)| entry.chars().count() + 1).sum();
    let mut room = page.left.saturating_sub(told + LATER);
    for (entry, details) in entries {
        if let Some(left) = room.checked_sub(details.chars().count()) {
            (room, *entry) = (left, format!("{entry}{details}"));
        }
    }
}

fn is_news(chart: &Chart) -> bool {
    let novelty = chart.beside.as_ref().map(|beside| beside.novelty.as_str());
    ["publish", "replace", "sign"].contains(&chart.state.as_str()) || matches!(novelty, Some("new" | "changed"))
}

/// What was told of a chart already: its keyring is told once.
#[derive(Default)]
struct Told<'p> {
    chart: Option<&'p str>,
    keyring: Option<&'p str>,
}

impl<'p> Told<'p> {
    /// What is told of a chart version at once, and what is folded away.
    fn one(&mut self, chart: &'p Chart) -> (String, String) {
        let place = chart.reference.rsplit_once(':').map_or(chart.reference.as_str(), |(place, _)| place);
        let mut text = String::new();
        if self.chart != Some(place) {
            (self.chart, self.keyring) = (Some(place), None);
            let _ = writeln!(text, "- **{}** {}", markdown(&chart.name), code(place));
        }
        let (_, word) = state(&chart.state);
        let _ = write!(text, "  - **{word}** {}", code(&format!("{} {}", chart.name, chart.version)));
        let mut entry = Entry(text);
        signed(&mut entry, chart);
        entry.digests(chart);
        if let Some(beside) = &chart.beside {
            self.changed(&mut entry, beside);
        }
        entry.size(chart);
        entry.place(chart);
        let details = chart.against.as_ref().map(|against| difference::against(&mut entry.0, against));
        (entry.0, details.unwrap_or_default())
    }

    fn changed(&mut self, entry: &mut Entry, beside: &'p Beside) {
        if let Some(before) = &beside.down_from {
            entry.line(&format!("lower than {}, the highest version before", code(before)));
        }
        if let Some(keyring) = beside.keyring.as_ref().filter(|keyring| self.keyring != Some(&keyring.digest)) {
            self.keyring = Some(&keyring.digest);
            other_keyring(entry, keyring);
        }
    }
}

/// One chart version: a list entry with a line for each field.
struct Entry(String);

impl Entry {
    fn line(&mut self, text: &str) {
        let _ = write!(self.0, "  \n    {text}");
    }

    fn digests(&mut self, chart: &Chart) {
        if let Some(held) = chart.beside.as_ref().and_then(|beside| beside.replaces.as_ref()) {
            self.line(&format!("was: {} ({})", code(&held.digest), markdown(holder(&held.by))));
        }
        let pin = chart.pin.as_ref().map(|pin| &pin.digest);
        if let Some(digest) = pin.or(chart.package.as_ref().map(|package| &package.digest)) {
            self.line(&format!("digest: {}", code(digest)));
        }
    }

    fn size(&mut self, chart: &Chart) {
        let pin = chart.pin.as_ref().map(|pin| pin.archive_size);
        let Some(now) = pin.or(chart.package.as_ref().map(|package| package.archive_size)) else { return };
        let previous = chart.beside.as_ref().and_then(|beside| beside.previous.as_ref());
        let change = previous.and_then(|old| Some((change_of_size(now, old.archive_size)?, &old.version)));
        let change = change.map(|(change, version)| format!(", {change} beside {}", code(version))).unwrap_or_default();
        self.line(&format!("size: {}{change}", size(now)));
        if let Some(created) = &chart.created {
            self.line(&format!("made: {}", made(created.at, &created.by)));
        }
    }

    fn place(&mut self, chart: &Chart) {
        let is_signed = chart.state == "sign";
        if let (true, Some(note)) = (is_signed, &chart.signature_note) {
            self.line(&format!("found: {}", markdown(note)));
        }
        if !is_signed {
            match &chart.source {
                Some(source) => self.line(&format!("from: {}", code(source))),
                None => self.line(&format!("from: {}, packaged", code(&format!("charts/{}", chart.name)))),
            }
        }
        self.line(&format!("to: {}", code(&chart.reference)));
        for accept in &chart.accepted {
            self.line(&format!("accepted {}: {}", markdown(&accept.finding), markdown(&accept.reason)));
        }
    }
}

/// Who signed it, and whether that is who signed before.
fn signed(entry: &mut Entry, chart: &Chart) {
    let Some(pin) = &chart.pin else { return };
    entry.line(&format!("signer: {}", signer(pin, chart)));
    if let Some(beside) = &chart.beside
        && let Some(signer) = &beside.signer
    {
        let told = continuity(&signer.is, &signer.others, beside.earlier, &beside.novelty);
        let mark = if signer.is == "same" { "" } else { "⚠️ " };
        entry.line(&format!("{mark}{}", markdown(&told)));
    }
}

fn signer(pin: &Pin, chart: &Chart) -> String {
    if pin.signer == "none" {
        return "none, it has no provenance".to_owned();
    }
    let key = code(signer_name(&pin.signer));
    let is_verified = chart.created.as_ref().is_some_and(|created| created.by == "signature");
    match &chart.claims {
        Some(claims) => format!("{key} claims {}", code(claims)),
        None if is_verified => key,
        None => format!("{key}, as the lockfile says"),
    }
}

fn other_keyring(entry: &mut Entry, keyring: &Keyring) {
    let before = keyring.before.iter().map(|digest| code(digest)).collect::<Vec<_>>().join(", ");
    entry.line(&format!("⚠️ keys of the keyring {} instead of {before}", code(&keyring.digest)));
    let told = [
        ("added", &keyring.added),
        ("removed", &keyring.removed),
        ("revoked", &keyring.revoked),
        ("no longer revoked", &keyring.restored),
        ("with another subkey", &keyring.extended),
    ];
    for (what, keys) in told {
        for Key { fingerprint, claims } in keys {
            let claims = claims.first().map(|claims| format!(" claims {}", code(claims))).unwrap_or_default();
            entry.line(&format!("key {what}: {}{claims}", code(fingerprint)));
        }
    }
}

/// The charts without provenance, counted, the new ones first among those that are named.
fn unsigned(page: &mut Page, plan: &Plan) {
    let why = |chart: &'_ Chart| -> Option<Unsigned> { chart.beside.as_ref()?.unsigned.clone() };
    let mut charts: Vec<(&Chart, Unsigned)> =
        plan.charts.iter().filter_map(|chart| Some((chart, why(chart)?))).collect();
    if charts.is_empty() {
        return;
    }
    charts.sort_by_key(|(chart, _)| !is_news(chart));
    let new = charts.iter().filter(|(chart, _)| is_news(chart)).count();
    page.line(&format!("\n#### Without provenance\n\n{}\n", words::unsigned(charts.len(), new)));
    let named = charts.iter().take(MOST_UNSIGNED).map(|(chart, unsigned)| {
        let because = unsigned_because(&unsigned.because, unsigned.reason.as_deref());
        format!("- {}: {}", code(&format!("{} {}", chart.name, chart.version)), markdown(&because))
    });
    let shown = page.entries(named);
    page.left_out(charts.len() - shown, "chart without provenance");
}
