//! A plan for a pull request's comment: Markdown, made from the plan's JSON alone.
//!
//! Owns what a reviewer sees first, and what is left out when there is too much. Nothing of it is believed but that it fits
//! the schema: whoever hands it over may have been fooled by the pull request.

mod finding;
mod news;
mod view;

use std::fmt::Write as _;

use crate::oci::strict_json;
use crate::report::escape::{code, markdown};
use crate::report::json::PLAN_SCHEMA;
use view::Plan;

/// The first line: by it a comment is found and edited in place.
pub const MARKER: &str = "<!-- chartsync plan -->";
/// The most characters of a comment. GitHub takes 65,536, whatever they are.
pub const LIMIT: usize = 60_000;
/// What is kept of the limit for the lines that stand in any case.
const RESERVE: usize = 2_000;

/// The plan of this JSON as Markdown, at most [`LIMIT`] characters.
pub fn plan(text: &str) -> Result<String, String> {
    let value = strict_json(text.as_bytes())?;
    let schema = serde_json::from_str(PLAN_SCHEMA).map_err(|error| error.to_string())?;
    jsonschema::validate(&schema, &value).map_err(|error| {
        let at = error.instance_path().to_string();
        let reason: String = error.to_string().chars().take(300).collect();
        format!("it is no plan that this chartsync reads: {reason} (at `{at}`)")
    })?;
    let plan: Plan = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(page(&plan))
}

fn page(plan: &Plan) -> String {
    let mut page = Page { text: String::new(), left: LIMIT - RESERVE };
    page.line(MARKER);
    page.line(&format!("### chartsync: safe to merge? {} {}", icon(&plan.answer), markdown(&plan.answer)));
    page.line("");
    page.line(&markdown(&plan.reason));
    finding::all(&mut page, plan);
    news::all(&mut page, plan);
    let base = plan.base.as_deref().map(|base| format!(", compared with {}", code(base))).unwrap_or_default();
    let counts = plan.counts.iter().map(|(state, number)| format!("{number} {}", markdown(state)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let _ = write!(page.text, "\n{counts} · chartsync {}{base}\n", markdown(&plan.tool));
    page.text
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
