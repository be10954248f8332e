//! What changes between two versions of a chart.

use super::page::{Page, Part, Tone, faint, plain, strong, toned};
use crate::chart::difference::{FilePatch, Hunk, HunkLine, Patched};
use crate::plan::differences::Against;
use crate::report::difference::{Compared, Entry, OF_THE_BASE, Side, brief, sections, summary, unknown};

/// The difference as text, what deserves a second look first.
#[must_use]
pub fn difference(compared: &Compared) -> String {
    let mut page = Page::default();
    let Compared { name, destination, old, new, difference } = compared;
    let title = format!("{name} {} → {}", old.title(), new.title());
    page.line(0, &[strong(title), plain("  "), faint(destination.to_string())]);
    side(&mut page, "old", old);
    side(&mut page, "new", new);
    for section in sections(difference) {
        page.gap();
        let counts = if section.counts.is_empty() { String::new() } else { format!("  {}", section.counts) };
        page.line(0, &[strong(section.title), faint(counts)]);
        for one in &section.entries {
            entry(&mut page, 4, one);
        }
        if section.more > 0 {
            page.line(4, &[faint(format!("and {} more", section.more))]);
        }
    }
    page.gap();
    page.line(0, &[plain(summary(difference, true))]);
    page.finish()
}

fn side(page: &mut Page, word: &str, side: &Side) {
    page.field(4, 3, word, &format!("{}, {}", side.digest, side.from.told()));
}

/// A few lines about what changes in a new version of a plan.
pub(super) fn against(page: &mut Page, indent: usize, width: usize, against: &Against) {
    let Against { before, found } = against;
    let told = match found {
        Ok(difference) => summary(difference, before.is_some()),
        Err(why) => format!("not compared: {why}"),
    };
    match before {
        Some(before) => page.field(indent, width, "since", &format!("{}: {told}", before.version)),
        None => page.field(indent, width, "in it", &told),
    }
    let (entries, more) = found.as_ref().map_or_else(|_| unknown(), |found| brief(found, before.is_some()));
    for one in &entries {
        entry(page, indent + width + 2, one);
    }
    if more > 0 {
        page.line(indent + width + 2, &[faint(format!("and {more} more"))]);
    }
    if let Some(before) = before {
        let told = match &before.command {
            Some(command) => [faint("in full: "), plain(format!("`{command}`"))],
            None => [faint(OF_THE_BASE), plain("")],
        };
        page.line(indent + width + 2, &told);
    }
}

/// One line of a difference.
pub(super) fn entry(page: &mut Page, indent: usize, entry: &Entry) {
    let tone = match entry.sign {
        '+' => Tone::Good,
        '-' => Tone::Bad,
        _ => Tone::Warning,
    };
    let mut parts: Vec<Part<'_>> = vec![toned(tone, format!("{} ", entry.sign))];
    if !entry.label.is_empty() {
        parts.push(plain(entry.label));
        parts.push(plain(if entry.text.is_empty() { "" } else { ": " }));
    }
    parts.push(plain(entry.text.as_str()));
    if let Some(place) = &entry.place {
        parts.push(faint(format!("  {place}")));
    }
    page.line(indent, &parts);
}

/// Every changed file line by line, as other tools write it; a binary file by digest and size.
#[must_use]
pub fn patch(patches: &[FilePatch]) -> String {
    let mut page = Page::default();
    for patch in patches {
        let (old, new) = (patch.file.old.as_ref(), patch.file.new.as_ref());
        let name = |side: Option<&crate::chart::difference::File>, letter: char| {
            side.map_or_else(|| "/dev/null".to_owned(), |file| format!("{letter}/{}", file.path))
        };
        page.line(0, &[strong(format!("--- {}", name(old, 'a')))]);
        page.line(0, &[strong(format!("+++ {}", name(new, 'b')))]);
        match &patch.patched {
            Patched::Lines { hunks, more } => {
                for one in hunks {
                    hunk(&mut page, one);
                }
                if *more > 0 {
                    page.line(0, &[faint(format!("\\ and {more} more lines"))]);
                }
            }
            Patched::Binary => {
                for (word, file) in [("was", old), ("is", new)] {
                    if let Some(file) = file {
                        page.line(0, &[faint(format!("\\ {word} {}, {} bytes", file.digest, file.size))]);
                    }
                }
            }
        }
    }
    page.finish()
}

fn hunk(page: &mut Page, hunk: &Hunk) {
    page.line(0, &[faint(hunk.head())]);
    for line in &hunk.lines {
        page.line(
            0,
            &[match line {
                HunkLine::Same(text) => plain(format!(" {text}")),
                HunkLine::Old(text) => toned(Tone::Bad, format!("-{text}")),
                HunkLine::New(text) => toned(Tone::Good, format!("+{text}")),
                HunkLine::NoEnd => faint("\\ No newline at end of file"),
            }],
        );
    }
}
