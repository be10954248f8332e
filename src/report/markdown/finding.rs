//! Findings: what was found, where, and what to do next.

use std::fmt::Write as _;

use super::page::Page;
use super::text::{code, fenced, prose};
use crate::report::view::{Finding, Plan};
use crate::report::words::holder;

/// What is kept of a page for what changes, however much there is to look at.
const LEAST: usize = 12_000;

/// All of them, blocking first; those that no longer fit are counted by their severity. What must be looked at is shown while
/// there is any room, notes only beside `wanted` characters for what changes.
pub(super) fn all(page: &mut Page, plan: &Plan, wanted: usize) {
    let all = plan.findings();
    if all.is_empty() {
        return;
    }
    page.line("\n#### To look at\n");
    let notes = all.iter().position(|finding| finding.severity == "note").unwrap_or(all.len());
    let mut shown = 0;
    for (some, kept) in [(&all[..notes], wanted.min(LEAST)), (&all[notes..], wanted)] {
        shown += page.entries(some.iter().map(|finding| one(finding)), kept);
        if shown < notes {
            break;
        }
    }
    for severity in ["blocking", "warning", "note"] {
        let hidden = all[shown..].iter().filter(|finding| finding.severity == severity).count();
        page.left_out(hidden, &format!("{severity} finding"), &format!("{severity} findings"));
    }
}

fn one(finding: &Finding) -> String {
    let about = finding.reference.as_deref().map(|reference| format!(" {}", code(reference))).unwrap_or_default();
    let mut text =
        format!("- {} **{}**{about}: {}", code(&finding.sign), prose(&finding.code), prose(&finding.message));
    for held in &finding.digests {
        let _ = write!(text, "  \n  {}: {}", prose(holder(&held.by)), code(&held.digest));
    }
    if let Some(location) = &finding.location {
        let line = location.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _ = write!(text, "  \n  at {}", code(&format!("{}{line}", location.file)));
    }
    if !finding.next.is_empty() {
        let _ = write!(text, "  \n  next: {}", prose(&finding.next));
    }
    if let Some(exception) = &finding.exception {
        text += "\n\n  <details><summary>the exception, for chartsync.toml</summary>\n\n";
        text += &fenced(&exception.toml, "toml", "  ");
        text += "\n  </details>";
    }
    text
}
