//! What would be written and what the change brings, by chart; and what is without provenance.

use std::fmt::Write as _;

use super::difference;
use super::page::{NAMES, Page};
use super::text::{code, html, prose};
use crate::report::view::{Chart, Key, Keyring, Pin, Plan, Unsigned};
use crate::report::words::{
    self, change_of_size, continuity, holder, made, signer_name, size, state, unsigned_because,
};

/// The most versions that are all shown unfolded.
const MOST_OPEN: usize = 10;
/// The most charts without provenance that are named.
const MOST_UNSIGNED: usize = 10;
/// What is kept for what comes behind the entries.
const LATER: usize = 6_000;
/// What is kept for the charts without provenance that are named.
const UNSIGNED: usize = 2_000;

/// The versions of one chart that a reviewer has to read.
pub(super) struct Group {
    name: String,
    head: String,
    folded: String,
    /// What is told of each at once, and what of it is folded away.
    entries: Vec<(String, String)>,
}

/// What would be written and what the change brings, chart by chart.
pub(super) fn groups(plan: &Plan) -> Vec<Group> {
    let mut groups: Vec<(&str, Group)> = Vec::new();
    let mut keyring = None;
    for chart in plan.charts.iter().filter(|chart| is_news(chart)) {
        let place = place(chart);
        if groups.last().is_none_or(|(last, _)| *last != place) {
            let head = format!("**{}** {}", prose(&chart.name), code(place));
            groups
                .push((place, Group { name: code(&chart.name), head, folded: html(&chart.name), entries: Vec::new() }));
            keyring = None;
        }
        let entry = one(chart, &mut keyring);
        if let Some((_, group)) = groups.last_mut() {
            group.entries.push(entry);
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Where it is published, without its tag.
fn place(chart: &Chart) -> &str {
    chart.reference.rsplit_once(':').map_or(chart.reference.as_str(), |(place, _)| place)
}

/// How many characters all of it takes, about, with everything folded away left out.
pub(super) fn wanted(groups: &[Group]) -> usize {
    let of = |group: &Group| {
        group.head.len() + group.folded.len() + group.entries.iter().map(|(entry, _)| entry.len()).sum::<usize>()
    };
    groups.iter().map(|group| of(group) + 100).sum()
}

/// All of it while there is room; what no longer fits is counted. Many versions of a chart are folded away, out of many.
/// `kept` characters stay for what comes behind it.
pub(super) fn all(page: &mut Page, groups: &[Group], kept: usize) {
    let total: usize = groups.iter().map(|group| group.entries.len()).sum();
    if total == 0 {
        return;
    }
    page.line("\n#### What changes\n");
    // Details stand there as long as that leaves room for every entry.
    let mut spare = page.room().saturating_sub(wanted(groups) + LATER);
    let mut without = 0;
    let mut unfolded = |(entry, details): &(String, String)| {
        let Some(left) = spare.checked_sub(details.chars().count()) else {
            without += 1;
            return entry.clone();
        };
        spare = left;
        format!("{entry}{details}")
    };
    let mut shown = 0;
    for (at, group) in groups.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        let is_folded = total > MOST_OPEN && group.entries.len() > 1;
        let head = if is_folded {
            let versions = words::count(group.entries.len(), "version");
            format!("<details><summary>{}: {versions}</summary>\n\n{}\n", group.folded, group.head)
        } else {
            format!("{}\n", group.head)
        };
        let (first, rest) = group.entries.split_at(1);
        let [first] = first else { continue };
        // A head stands with something below it, or not at all.
        if page.entries([format!("{gap}{head}\n{}", unfolded(first))], kept) == 0 {
            break;
        }
        let more = page.entries(rest.iter().map(&mut unfolded), kept);
        if is_folded {
            page.line("\n</details>");
        }
        shown += 1 + more;
        if more < rest.len() {
            break;
        }
    }
    page.left_out(without, "folded difference", "folded differences");
    page.left_out_of(total - shown, "chart version", "chart versions", &left_out(groups, shown));
}

/// The charts behind the first `shown` versions, each with the number of its versions, as far as there is room for names.
fn left_out(groups: &[Group], mut shown: usize) -> String {
    let mut names = String::new();
    let mut nameless = 0;
    for group in groups {
        let hidden = group.entries.len().saturating_sub(shown);
        shown = shown.saturating_sub(group.entries.len());
        if hidden == 0 {
            continue;
        }
        let begin = if names.is_empty() { ", of" } else { "," };
        let name = format!("{begin} {} ({hidden})", group.name);
        if nameless > 0 || names.chars().count() + name.chars().count() + 40 > NAMES {
            nameless += 1;
        } else {
            names += &name;
        }
    }
    match nameless {
        0 => names,
        _ => format!("{names} and {}", words::count(nameless, "more chart")),
    }
}

fn is_news(chart: &Chart) -> bool {
    ["publish", "replace", "sign"].contains(&chart.state.as_str()) || is_of_the_change(chart)
}

/// Whether the change brings it.
fn is_of_the_change(chart: &Chart) -> bool {
    let novelty = chart.beside.as_ref().map(|beside| beside.novelty.as_str());
    matches!(novelty, Some("new" | "changed"))
}

/// One version, the most important first. A keyring is told once a chart: `told` is the last one.
fn one<'p>(chart: &'p Chart, told: &mut Option<&'p str>) -> (String, String) {
    let (_, word) = state(&chart.state);
    let mut entry = Entry(format!("- **{word}** {}", code(&format!("{} {}", chart.name, chart.version))));
    signed(&mut entry, chart);
    entry.digests(chart);
    if let Some(beside) = &chart.beside {
        if let Some(before) = &beside.down_from {
            entry.line(&format!("⚠️ lower than {}, the highest version before", code(before)));
        }
        if let Some(keyring) = beside.keyring.as_ref().filter(|keyring| *told != Some(&keyring.digest)) {
            *told = Some(&keyring.digest);
            other_keyring(&mut entry, keyring);
        }
    }
    entry.size(chart);
    entry.place(chart);
    let details = chart.against.as_ref().map(|against| difference::against(&mut entry.0, against));
    (entry.0, details.unwrap_or_default())
}

/// One chart version: a list entry with a line for each field.
struct Entry(String);

impl Entry {
    fn line(&mut self, text: &str) {
        let _ = write!(self.0, "  \n  {text}");
    }

    fn digests(&mut self, chart: &Chart) {
        if let Some(held) = chart.beside.as_ref().and_then(|beside| beside.replaces.as_ref()) {
            self.line(&format!("was: {} ({})", code(&held.digest), prose(holder(&held.by))));
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
            self.line(&format!("found: {}", prose(note)));
        }
        if !is_signed {
            match &chart.source {
                Some(source) => self.line(&format!("from: {}", code(source))),
                None => self.line(&format!("from: {}, packaged", code(&format!("charts/{}", chart.name)))),
            }
        }
        self.line(&format!("to: {}", code(&chart.reference)));
        for accept in &chart.accepted {
            self.line(&format!("accepted {}: {}", prose(&accept.finding), prose(&accept.reason)));
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
        entry.line(&format!("{mark}{}", prose(&told)));
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
        ("with a revoked subkey", &keyring.subkeys_revoked),
        ("with a subkey that is no longer revoked", &keyring.subkeys_restored),
    ];
    for (what, keys) in told {
        for Key { fingerprint, claims } in keys {
            let claims = claims.first().map(|claims| format!(" claims {}", code(claims))).unwrap_or_default();
            entry.line(&format!("key {what}: {}{claims}", code(fingerprint)));
        }
    }
}

fn without_provenance(plan: &Plan) -> Vec<(&Chart, Unsigned)> {
    let why = |chart: &Chart| -> Option<Unsigned> { chart.beside.as_ref()?.unsigned.clone() };
    plan.charts.iter().filter_map(|chart| Some((chart, why(chart)?))).collect()
}

/// How many characters the charts without provenance take, about, where there are any.
pub(super) fn wanted_by_unsigned(plan: &Plan) -> usize {
    if without_provenance(plan).is_empty() { 0 } else { UNSIGNED }
}

/// The charts without provenance, counted, the new ones first among those that are named.
pub(super) fn unsigned(page: &mut Page, plan: &Plan) {
    let mut charts = without_provenance(plan);
    if charts.is_empty() {
        return;
    }
    charts.sort_by_key(|(chart, _)| !is_news(chart));
    let new = charts.iter().filter(|(chart, _)| is_of_the_change(chart)).count();
    let head = format!("\n#### Without provenance\n\n{}\n", words::unsigned(charts.len(), new));
    if page.entries([head], 0) == 0 {
        page.left_out(charts.len(), "chart without provenance", "charts without provenance");
        return;
    }
    let shared = words::shared(plan.charts.iter().map(|chart| (chart.name.as_str(), place(chart))));
    let named = charts.iter().take(MOST_UNSIGNED).map(|(chart, unsigned)| {
        let because = unsigned_because(&unsigned.because, unsigned.reason.as_deref());
        let is_shared = shared.contains(chart.name.as_str());
        let name = if is_shared { chart.reference.clone() } else { format!("{} {}", chart.name, chart.version) };
        format!("- {}: {}", code(&name), prose(&because))
    });
    let named = page.entries(named, 0);
    if named < charts.len() {
        page.line(&format!("- and {} more", charts.len() - named));
    }
}
