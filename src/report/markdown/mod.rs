//! A plan for a pull request's comment: Markdown, made from the plan's JSON alone.
//!
//! Owns what a reviewer sees first, and what is left out when there is too much.

mod difference;
mod finding;
mod news;
mod list;

use std::fmt::Write as _;

use crate::report::escape::{code, markdown};
use crate::report::view::Plan;
use crate::report::words::{self, APPLY_PATCH};
pub use list::list;

/// The first line: by it a comment is found and edited in place.
pub const MARKER: &str = "<!-- chartsync plan -->";
/// The most characters of a comment. GitHub takes 65,536, whatever they are.
pub const LIMIT: usize = 60_000;
/// What is kept of the limit for the lines that stand in any case.
const RESERVE: usize = 2_000;

/// The plan of this JSON as Markdown, at most [`LIMIT`] characters.
pub fn plan(text: &str) -> Result<String, String> {
    Ok(page(&Plan::read(text)?))
}

fn page(plan: &Plan) -> String {
    let mut page = Page { text: String::new(), left: LIMIT - RESERVE };
    page.line(MARKER);
    page.line(&format!("### chartsync: safe to merge? {} {}", icon(&plan.answer), markdown(&plan.answer)));
    page.line("");
    page.line(&markdown(&plan.reason));
    finding::all(&mut page, plan);
    news::all(&mut page, plan);
    patch(&mut page, plan);
    let base = plan.base.as_deref().map(|base| format!(", compared with {}", code(base))).unwrap_or_default();
    let counts = plan.counts.iter().map(|(state, number)| format!("{number} {}", markdown(state)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let _ = write!(page.text, "\n{counts} · chartsync {}{base}\n", markdown(&plan.tool));
    page.text
}

/// The patch of the lockfile: what is in it, and what to do with it.
fn patch(page: &mut Page, plan: &Plan) {
    let Some(patch) = &plan.lock_patch else { return };
    let file = code(&patch.file);
    page.line(&format!("\n#### What `chartsync lock` would write\n\n{file} lies beside this plan (in GitHub Actions: in the artifact `plan` of this run) and has {}.", words::patch(patch.pins, patch.dropped, patch.keyrings)));
    page.line(&format!("To take it: {} {APPLY_PATCH}.", code(&format!("git apply {}", patch.file))));
    if !patch.unlocked.is_empty() {
        page.line(&format!("Not in it: {}, for the reasons above.", words::count(patch.unlocked.len(), "version")));
    }
}

fn icon(answer: &str) -> &'static str {
    match answer {
        "no" => "❌",
        "yes" => "✅",
        _ => "⚠️",
    }
}

/// A block of code that its content cannot end.
fn fenced(text: &str, language: &str, indent: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut block = format!("{indent}{fence}{language}\n");
    for line in text.lines() {
        let _ = writeln!(block, "{indent}{line}");
    }
    block + indent + &fence + "\n"
}

/// A text that grows while there is room.
struct Page {
    text: String,
    /// Characters.
    left: usize,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.left = self.left.saturating_sub(line.chars().count() + 1);
        self.text += line;
        self.text.push('\n');
    }

    /// Adds entries until one does not fit; how many were added.
    fn entries(&mut self, entries: impl Iterator<Item = String>) -> usize {
        let mut shown = 0;
        for entry in entries {
            if entry.chars().count() + 1 > self.left {
                break;
            }
            self.line(&entry);
            shown += 1;
        }
        shown
    }

    fn left_out(&mut self, number: usize, what: &str) {
        if number > 0 {
            let s = if number == 1 { "" } else { "s" };
            let _ = write!(
                self.text,
                "\n**{number} more {what}{s} not shown here**: the job's log and plan.json have all of them.\n"
            );
        }
    }
}

#[cfg(test)]
mod tests;
