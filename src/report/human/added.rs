//! What `add` did: where the versions stand now, and what `lock` said about them.

use super::page::{Page, Tone, faint, plain, strong, toned};
use super::problems::Texts;
use super::{are, count, resolution};
use crate::oci::Digest;
use crate::resolve::Resolution;
use crate::workspace::Edit;

/// One version that was asked for.
#[derive(Debug, Clone)]
pub struct Put {
    /// The chart's name.
    pub name: String,
    /// The version, as the manifest writes it.
    pub version: crate::chart::Version,
    /// The manifest.
    pub file: String,
    /// Where it stands.
    pub edit: Edit,
    /// What it is pinned to now.
    pub digest: Option<Digest>,
}

/// What `add` did about all that was asked for.
#[derive(Debug)]
pub struct Added<'a> {
    /// The versions, as asked for.
    pub versions: Vec<Put>,
    /// What locking them made of them.
    pub resolution: &'a Resolution,
    /// The manifests that were written.
    pub manifests: Vec<String>,
    /// The keyrings and the lockfile, as far as they were written.
    pub locked: Vec<String>,
    /// The command that shows what a merge would do; empty when nothing was written.
    pub next: String,
}

/// What `add` did as text; `text` gives the files that failures are about. The last line is its summary, or the next command.
#[must_use]
pub fn added(added: &Added<'_>, text: &Texts<'_>) -> String {
    let mut page = Page::default();
    let failed = !added.resolution.failures.is_empty();
    if !failed {
        added.versions.iter().for_each(|put| declared(&mut page, put));
    }
    for event in &added.resolution.events {
        if !failed {
            resolution::event(&mut page, event, &added.resolution.claims);
        }
    }
    for failure in &added.resolution.failures {
        page.gap();
        resolution::failed(&mut page, "E not added", failure, text);
    }
    page.gap();
    if failed {
        let number = added.resolution.failures.len();
        let verify = if number == 1 { "does" } else { "do" };
        let told = match added.versions.len() {
            1 => format!("nothing was written: the version {verify} not verify"),
            all => format!("nothing was written: {number} of {all} versions {verify} not verify"),
        };
        page.line(0, &[toned(Tone::Bad, told)]);
        return page.finish();
    }
    page.line(0, &[toned(Tone::Good, summary(added))]);
    if !added.next.is_empty() {
        page.line(0, &[faint("next: "), plain(format!("`{}`, then commit these files", added.next))]);
    }
    page.finish()
}

fn declared(page: &mut Page, put: &Put) {
    let named = strong(format!("{} {}", put.name, put.version));
    match &put.edit {
        Edit::Added { location, after } => {
            page.line(0, &[toned(Tone::Good, "+ declared"), plain("  "), named]);
            let place = after.as_ref().map_or_else(|| "first".to_owned(), |after| format!("after {after}"));
            page.line(4, &[plain(format!("{location}, {place}"))]);
        }
        Edit::Declared { location, .. } => {
            page.line(0, &[plain("= declared already"), plain("  "), named]);
            page.line(4, &[plain(location.to_string())]);
        }
    }
}

fn summary(added: &Added<'_>) -> String {
    let number = added.versions.iter().filter(|put| matches!(put.edit, Edit::Added { .. })).count();
    let files: Vec<&str> = added.manifests.iter().chain(&added.locked).map(String::as_str).collect();
    let all = added.versions.len();
    match (number, files.as_slice()) {
        (_, []) => format!("nothing to do: {} {} declared and pinned", count(all, "version"), are(all)),
        (0, files) => format!("{} {} declared already; written: {}", count(all, "version"), are(all), files.join(", ")),
        (number, files) => format!("added {}; written: {}", count(number, "version"), files.join(", ")),
    }
}
