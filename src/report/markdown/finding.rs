//! Findings: what was found, where, and what to do next.

use std::fmt::Write as _;

use super::{Page, fenced};
use crate::report::escape::{code, markdown};
use crate::report::view::{Finding, Plan};
use crate::report::words::holder;

/// All of them, blocking first; those that no longer fit are counted.
pub(super) fn all(page: &mut Page, plan: &Plan) {
    let all = plan.findings();
    if all.is_empty() {
        return;
    }
    page.line("\n#### To look at\n");
    let shown = page.entries(all.iter().map(|finding| one(finding)));
    page.left_out(all.len() - shown, "finding");
}

fn one(finding: &Finding) -> String {
    let about = finding.reference.as_deref().map(|reference| format!(" {}", code(reference))).unwrap_or_default();
    let mut text =
        format!("- {} **{}**{about}: {}", code(&finding.sign), markdown(&finding.code), markdown(&finding.message));
    for held in &finding.digests {
        let _ = write!(text, "  \n  {}: {}", markdown(holder(&held.by)), code(&held.digest));
    }
    if let Some(location) = &finding.location {
        let line = location.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _ = write!(text, "  \n  at {}", code(&format!("{}{line}", location.file)));
    }
    if !finding.next.is_empty() {
        let _ = write!(text, "  \n  next: {}", markdown(&finding.next));
    }
    if let Some(exception) = &finding.exception {
        text += "\n\n  <details><summary>the exception, for chartsync.toml</summary>\n\n";
        text += &fenced(&exception.toml, "toml", "  ");
        text += "\n  </details>";
    }
    text
}
