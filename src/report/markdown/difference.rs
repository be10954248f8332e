//! What changes in a new version: a few lines at once, the rest folded away.

use std::fmt::Write as _;

use super::text::{code, prose};
use crate::chart::difference::Difference;
use crate::report::difference::{Entry, OF_THE_BASE, brief, sections, summary, unknown};
use crate::report::view::Against;

/// Adds lines to one chart version's entry in a list, two blanks from the edge; gives what may be folded away behind them.
pub(super) fn against(text: &mut String, against: &Against) -> String {
    let Against { version, command, reason, difference } = against;
    let has_before = version.is_some();
    let told = match (difference, reason) {
        (Some(difference), _) => summary(difference, has_before),
        (None, why) => format!("not compared: {}", why.as_deref().unwrap_or("no reason is told")),
    };
    let what = version.as_ref().map_or_else(|| "in it".to_owned(), |version| format!("since {}", code(version)));
    let _ = write!(text, "  \n  {what}: {}", prose(&told));
    let (entries, more) = difference.as_ref().map_or_else(unknown, |difference| brief(difference, has_before));
    for entry in &entries {
        let mark = if entry.sign == '!' { "⚠️ " } else { "" };
        let _ = write!(text, "  \n  {mark}{}", line(entry));
    }
    if more > 0 {
        let _ = write!(text, "  \n  and {more} more");
    }
    match command {
        Some(command) => drop(write!(text, "  \n  in full: {}", code(command))),
        None if has_before => drop(write!(text, "  \n  {OF_THE_BASE}")),
        None => {}
    }
    difference.as_ref().filter(|difference| more > 0 || !difference.is_empty()).map(details).unwrap_or_default()
}

fn details(difference: &Difference) -> String {
    let mut text = "\n\n  <details><summary>what changes</summary>\n".to_owned();
    for section in sections(difference) {
        let counts = if section.counts.is_empty() { String::new() } else { format!(": {}", section.counts) };
        let _ = write!(text, "\n  **{}**{counts}\n\n", section.title);
        for entry in &section.entries {
            let _ = writeln!(text, "  - {}", line(entry));
        }
        if section.more > 0 {
            let _ = writeln!(text, "  - and {} more", section.more);
        }
    }
    text + "\n  </details>"
}

/// One line of a difference.
fn line(entry: &Entry) -> String {
    let sign = if entry.sign == '!' { String::new() } else { format!("{} ", code(&entry.sign.to_string())) };
    let label = match (entry.label, entry.text.as_str()) {
        ("", _) => String::new(),
        (label, "") => prose(label),
        (label, _) => format!("{}: ", prose(label)),
    };
    let told = if entry.text.is_empty() { String::new() } else { code(&entry.text) };
    let place = entry.place.as_ref().map(|place| format!(" at {}", code(place))).unwrap_or_default();
    format!("{sign}{label}{told}{place}")
}
