//! What changes between two versions of a chart; `schemas/difference.schema.json` describes it.

use serde::Serialize;

use crate::chart::difference::{Change, Difference, File, FilePatch, HunkLine, Patched};
use crate::plan::differences::Against;
use crate::report::difference::{Compared, Side, Taken};

/// The schema of a difference's JSON, compiled in.
pub const DIFFERENCE_SCHEMA: &str = include_str!("../../../schemas/difference.schema.json");

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireCompared<'a> {
    name: &'a str,
    destination: String,
    old: WireSide<'a>,
    new: WireSide<'a>,
    difference: &'a Difference,
    /// `null` unless it was asked for.
    patch: Option<Vec<WirePatch<'a>>>,
}

/// One of two versions.
#[derive(Serialize)]
struct WireSide<'a> {
    version: Option<&'a str>,
    digest: String,
    archive: String,
    from: &'static str,
    /// The name that stood for it, where it was found by one.
    reference: Option<String>,
}

impl<'a> From<&'a Side> for WireSide<'a> {
    fn from(side: &'a Side) -> Self {
        let reference = match &side.from {
            Taken::Published(reference) | Taken::Upstream(reference) => Some(reference.to_string()),
            Taken::Pinned | Taken::Folder(_) | Taken::Digest => None,
        };
        Self {
            version: side.version.as_deref(),
            digest: side.digest.to_string(),
            archive: side.archive.to_string(),
            from: side.from.name(),
            reference,
        }
    }
}

/// What changes in a new version against the one before it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WireAgainst {
    /// The version before; `null` where there is none, and with it what stands next to it. Without a command it is the
    /// base's folder, of which nothing is published.
    version: Option<String>,
    digest: Option<String>,
    command: Option<String>,
    /// Why it is not known what changes.
    reason: Option<String>,
    difference: Option<Difference>,
}

impl From<&Against> for WireAgainst {
    fn from(against: &Against) -> Self {
        let Against { before, found } = against;
        let before = before.as_ref();
        Self {
            version: before.map(|before| before.version.to_string()),
            digest: before.and_then(|before| before.digest.as_ref()).map(ToString::to_string),
            command: before.and_then(|before| before.command.clone()),
            reason: found.as_ref().err().cloned(),
            difference: found.as_ref().ok().cloned(),
        }
    }
}

/// A file's changed lines.
#[derive(Serialize)]
struct WirePatch<'a> {
    #[serde(flatten)]
    file: &'a Change<File>,
    /// As a unified diff without its first two lines; `null` for a binary file.
    text: Option<String>,
    /// How many lines of it were left out.
    more: usize,
}

impl<'a> From<&'a FilePatch> for WirePatch<'a> {
    fn from(patch: &'a FilePatch) -> Self {
        let (text, more) = match &patch.patched {
            Patched::Binary => (None, 0),
            Patched::Lines { hunks, more } => {
                let mut text = String::new();
                for hunk in hunks {
                    text.push_str(&hunk.head());
                    text.push('\n');
                    for line in &hunk.lines {
                        let (sign, line) = match line {
                            HunkLine::Same(line) => (" ", line.as_str()),
                            HunkLine::Old(line) => ("-", line.as_str()),
                            HunkLine::New(line) => ("+", line.as_str()),
                            HunkLine::NoEnd => ("\\ ", "No newline at end of file"),
                        };
                        text.extend([sign, line, "\n"]);
                    }
                }
                (Some(text), *more)
            }
        };
        Self { file: &patch.file, text, more }
    }
}

/// The difference as JSON, with its lines if they were asked for.
#[must_use]
pub fn difference(compared: &Compared, patch: Option<&[FilePatch]>) -> String {
    let Compared { name, destination, old, new, difference } = compared;
    let wire = WireCompared {
        name,
        destination: destination.to_string(),
        old: old.into(),
        new: new.into(),
        difference,
        patch: patch.map(|patch| patch.iter().map(Into::into).collect()),
    };
    super::text("difference", wire)
}
