//! A difference between two versions as lines with places, for every view alike: order, signs and words.
//!
//! Texts are upstream's and raw here: each view escapes them in its own way.

use crate::chart::difference::{Change, Changes, Dependency, Difference, Image, Listed, Matter, Notice, Unread};
use crate::oci::{Digest, Reference, Repository};
use crate::report::words;

/// The most places that are named of what was not read for one reason.
const PLACES: usize = 4;

/// The most notices, and the most images, that a plan tells at once.
const BRIEF: usize = 6;

/// What stands where a command would: none asks for the bytes of a folder of another revision.
pub(super) const OF_THE_BASE: &str = "not published as the base has it: that is the base's folder";

/// Two versions of a chart, and what is different.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The chart's name.
    pub name: String,
    /// Where it is published.
    pub destination: Repository,
    /// The version before.
    pub old: Side,
    /// The version after it.
    pub new: Side,
    /// What is different.
    pub difference: Difference,
}

/// One of two versions.
#[derive(Debug, Clone)]
pub struct Side {
    /// The version; none where only a digest was named.
    pub version: Option<String>,
    /// Of the image manifest.
    pub digest: Digest,
    /// Of the archive.
    pub archive: Digest,
    /// What it was taken for.
    pub from: Taken,
}

/// What the bytes of a version are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The lockfile names them.
    Pinned,
    /// A name at the destination stands for them now.
    Published(Reference),
    /// A name at the source stands for them now: nothing about them was verified.
    Upstream(Reference),
    /// The folder of a first-party chart, packaged.
    Folder(String),
    /// The digest that was asked for.
    Digest,
}

impl Taken {
    /// Its stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Published(_) => "published",
            Self::Upstream(_) => "upstream",
            Self::Folder(_) => "folder",
            Self::Digest => "digest",
        }
    }

    /// As the rest of a sentence about the bytes.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Pinned => "as pinned".to_owned(),
            Self::Published(reference) => format!("what {reference} names now"),
            Self::Upstream(reference) => format!("what {reference} names now; nothing of it was verified"),
            Self::Folder(folder) => format!("{folder}, packaged here"),
            Self::Digest => "by its digest".to_owned(),
        }
    }
}

impl Side {
    /// The version, or the digest where only that is known.
    pub(super) fn title(&self) -> String {
        self.version.clone().unwrap_or_else(|| self.digest.to_string())
    }
}

/// One kind of change.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// How many of what; nothing where all of them stand here.
    pub(super) counts: String,
    pub(super) entries: Vec<Entry>,
    /// How many more there are.
    pub(super) more: usize,
}

/// One change: `+` added, `-` removed, `~` changed, `!` to be looked at, `?` not read.
pub(super) struct Entry {
    pub(super) sign: char,
    /// Who or what; empty where the text says it.
    pub(super) label: &'static str,
    pub(super) text: String,
    /// File and line.
    pub(super) place: Option<String>,
}

/// The sections that have something to say, what deserves a second look first.
pub(super) fn sections(difference: &Difference) -> Vec<Section> {
    let Difference { notices, images, dependencies, objects, values, about, files, unread } = difference;
    let mut sections = vec![
        Section {
            title: "a second look",
            counts: String::new(),
            entries: notices.first.iter().map(notice).collect(),
            more: notices.more(),
        },
        of_images(images),
        section("dependencies", dependencies, |old, new| (dependency(old, new), None)),
        section("templates", objects, |old, new| {
            let Some(object) = new.or(old) else { return (String::new(), None) };
            (format!("{} {}", object.kind, object.name), Some(place(&object.file, Some(object.line))))
        }),
        section("default values", values, |old, new| {
            let Some(value) = new.or(old) else { return (String::new(), None) };
            let told = changed(old.map(|value| &value.value), new.map(|value| &value.value), |_, new| new.to_owned());
            (format!("{}: {told}", value.path), Some(place(&value.file, value.line)))
        }),
        section("Chart.yaml", about, |old, new| {
            let Some(field) = new.or(old) else { return (String::new(), None) };
            let told = changed(old.map(|field| &field.value), new.map(|field| &field.value), |_, new| new.to_owned());
            (format!("{}: {told}", field.field), (field.file != "Chart.yaml").then(|| field.file.clone()))
        }),
        section("files", files, |old, new| {
            let Some(file) = new.or(old) else { return (String::new(), None) };
            let sizes = changed(old.map(|file| &file.size), new.map(|file| &file.size), |_, new| new.to_string());
            (format!("{}  {sizes} bytes", file.path), None)
        }),
    ];
    // What cannot be told deserves that look no less.
    sections.insert(1, not_read(unread));
    sections.retain(|section| !section.entries.is_empty());
    sections
}

fn of_images(images: &Changes<Image>) -> Section {
    section("images", images, |old, new| {
        let text = changed(old.map(|image| &image.reference), new.map(|image| &image.reference), shorter);
        (text, new.or(old).map(|image| place(&image.file, image.line)))
    })
}

/// Changes of one kind as lines.
fn section<T>(
    title: &'static str,
    changes: &Changes<T>,
    told: impl Fn(Option<&T>, Option<&T>) -> (String, Option<String>),
) -> Section {
    let entry = |change: &Change<T>| {
        let (text, place) = told(change.old.as_ref(), change.new.as_ref());
        Entry { sign: sign(change), label: "", text, place }
    };
    Section { title, counts: counts(changes), entries: changes.first.iter().map(entry).collect(), more: changes.more() }
}

fn sign<T>(change: &Change<T>) -> char {
    match (&change.old, &change.new) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

/// `1 added, 2 changed`.
fn counts<T>(changes: &Changes<T>) -> String {
    let counts = [(changes.added, "added"), (changes.removed, "removed"), (changes.changed, "changed")];
    let told = counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
    told.collect::<Vec<_>>().join(", ")
}

/// What a plan tells at once: what deserves a second look, what could not be read, then images; and how many more there are of
/// what is listed.
pub(super) fn brief(difference: &Difference, has_before: bool) -> (Vec<Entry>, usize) {
    let Difference { notices, images, unread, .. } = difference;
    let mut entries: Vec<Entry> = notices.first.iter().take(BRIEF).map(notice).collect();
    entries.extend(of_images(images).entries.into_iter().take(BRIEF));
    let more = (notices.count + images.count()).saturating_sub(entries.len());
    if unread.count > 0 {
        let at = notices.first.len().min(BRIEF);
        entries.insert(at, unread_at_once(unread, has_before));
    }
    (entries, more)
}

/// What stands for the first lines of a difference that could not be made.
pub(super) fn unknown() -> (Vec<Entry>, usize) {
    let text = "what changes in it is not known".to_owned();
    (vec![Entry { sign: '!', label: "", text, place: None }], 0)
}

/// Everything that was not read as one line, with the first places.
fn unread_at_once(unread: &Listed<Unread>, has_before: bool) -> Entry {
    let mut places: Vec<String> = unread.first.iter().map(|one| place(&one.file, one.line)).collect();
    places.dedup();
    let more = unread.count > places.len().min(PLACES);
    places.truncate(PLACES);
    places.extend(more.then(|| "…".to_owned()));
    let text = words::count(unread.count, "place");
    let label = if has_before { "changed, not read" } else { "not read" };
    Entry { sign: '!', label, text, place: Some(places.join(", ")) }
}

/// All kinds of change with their numbers, in one line; of a version with none before it only what deserves a second look is known.
pub(super) fn summary(difference: &Difference, has_before: bool) -> String {
    match (has_before, difference.notices.count, difference.unread.count) {
        (true, ..) if difference.is_empty() => return "the same files".to_owned(),
        (true, ..) => {}
        (false, 0, 0) => return "nothing that deserves a second look".to_owned(),
        (false, notices, unread) => {
            let notices = (notices > 0).then(|| format!("{} to look at", words::count(notices, "thing")));
            let unread = (unread > 0).then(|| format!("{} not read", words::count(unread, "place")));
            return notices.into_iter().chain(unread).collect::<Vec<_>>().join("; ");
        }
    }
    let Difference { images, dependencies, objects, values, files, unread, notices: _, about: _ } = difference;
    let counts = [
        ("images", counts(images)),
        ("dependencies", counts(dependencies)),
        ("templates", counts(objects)),
        ("default values", counts(values)),
        ("files", counts(files)),
    ];
    let told = counts.iter().filter(|(_, counts)| !counts.is_empty()).map(|(what, counts)| format!("{what} {counts}"));
    let not_read = (unread.count > 0).then(|| format!("{} not read", words::count(unread.count, "place")));
    told.chain(not_read).collect::<Vec<_>>().join("; ")
}

/// `old → new`, or the side that there is.
fn changed<T: ToString>(old: Option<&T>, new: Option<&T>, shown: impl Fn(&str, &str) -> String) -> String {
    match (old.map(ToString::to_string), new.map(ToString::to_string)) {
        (Some(old), Some(new)) => format!("{old} → {}", shown(&old, &new)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

/// A reference beside one of the same repository: what follows that.
fn shorter(old: &str, new: &str) -> String {
    let repository =
        |reference: &str| reference.rfind('/').and_then(|slash| Some(slash + reference[slash..].find([':', '@'])?));
    match (repository(old), repository(new)) {
        (Some(end), Some(other)) if old.get(..end) == new.get(..other) => {
            new.get(other + 1..).unwrap_or(new).to_owned()
        }
        _ => new.to_owned(),
    }
}

fn place(file: &str, line: Option<u32>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

fn dependency(old: Option<&Dependency>, new: Option<&Dependency>) -> String {
    let Some(dependency) = new.or(old) else { return String::new() };
    let alias = dependency.alias.as_ref().map(|alias| format!(" (as {alias})")).unwrap_or_default();
    let version = |side: &Dependency| match (&side.wanted, &side.vendored) {
        (Some(wanted), Some(vendored)) if wanted == vendored => wanted.clone(),
        (Some(wanted), Some(vendored)) => format!("{wanted} (here {vendored})"),
        (Some(wanted), None) => format!("{wanted} (not in the archive)"),
        (None, Some(vendored)) => format!("{vendored} (not declared)"),
        (None, None) => "no version".to_owned(),
    };
    let versions = differing(old.map(version), new.map(version));
    let from = |side: &Dependency| side.repository.clone().unwrap_or_else(|| "nowhere".to_owned());
    let from = match differing(old.map(from), new.map(from)) {
        from if from == "nowhere" => String::new(),
        from => format!(", from {from}"),
    };
    format!("{}{alias} {versions}{from}", dependency.path)
}

/// `old → new`, or the one that there is, or that both are.
fn differing(old: Option<String>, new: Option<String>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (old, new) => new.or(old).unwrap_or_default(),
    }
}

/// A notice as a line.
pub(super) fn notice(notice: &Notice) -> Entry {
    let label = match notice.matter {
        Matter::Privileged => "new privilege",
        Matter::HostPath => "new hostPath",
        Matter::HostNamespace => "new use of the node",
        Matter::Wildcard => "new rule for everything",
        Matter::ClusterRole
        | Matter::ClusterRoleBinding
        | Matter::Role
        | Matter::RoleBinding
        | Matter::Webhook
        | Matter::Crd => "new",
        Matter::Rules => "more rules",
        Matter::Hook => "new hook",
        Matter::CrdVersion => "new CRD version",
        Matter::CrdGone => "CRD gone",
        Matter::CrdVersionGone => "CRD version gone",
        Matter::ImageRepository => "new source of images",
        Matter::Dependency => "new dependency",
        Matter::Terms => "other terms for a dependency",
        Matter::Lookup => "new lookup in the cluster",
        Matter::Tpl => "new use of `tpl`: values become templates",
        Matter::Type => "type",
        Matter::KubeVersion => "kubeVersion",
        Matter::AppVersion => "appVersion",
        Matter::Deprecated => "deprecated",
        Matter::Maintainer => "new maintainer",
        Matter::Host => "new host",
    };
    Entry { sign: '!', label, text: notice.what.clone(), place: Some(place(&notice.file, notice.line)) }
}

/// The first of several places, and how many more there are.
fn listed(places: &[String]) -> String {
    let first = places.iter().take(PLACES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match places.len().saturating_sub(PLACES) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

/// What was not read, by reason.
fn not_read(unread: &Listed<Unread>) -> Section {
    let mut entries: Vec<(&str, Vec<String>)> = Vec::new();
    for one in &unread.first {
        let place = place(&one.file, one.line);
        match entries.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, places)) => places.push(place),
            None => entries.push((&one.why, vec![place])),
        }
    }
    let entries = entries.into_iter().map(|(why, places)| Entry {
        sign: '?',
        label: "",
        text: format!("{why}: {}", listed(&places)),
        place: None,
    });
    Section { title: "changed, not read", counts: String::new(), entries: entries.collect(), more: unread.more() }
}

#[cfg(test)]
pub(super) mod tests;
