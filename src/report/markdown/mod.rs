//! A plan for a pull request's comment: Markdown, made from the plan's JSON alone.
//!
//! Owns what a reviewer sees first, and what is left out when there is too much.

mod difference;
mod finding;
#[cfg(any(test, fuzzing))]
pub(crate) mod judge;
mod list;
mod news;
mod page;
mod text;

use crate::plan::Question;
use crate::report::answer::question;
use crate::report::consume::quotable;
use crate::report::view::Plan;
use crate::report::words::{self, APPLY_PATCH};
use page::Page;
use text::{code, prose};

pub use list::list;
pub use page::{LIMIT, MARKER};

/// The plan of this JSON as Markdown, at most [`LIMIT`] characters.
pub fn plan(text: &str) -> Result<String, String> {
    Ok(whole(&Plan::read(text)?))
}

fn whole(plan: &Plan) -> String {
    let mut page = Page::new(&footer(plan));
    let (asked, word) = match &plan.as_reviewed {
        Some(word) => (Question::Drift, word),
        None => (Question::Merge, &plan.safe_to_merge),
    };
    page.line(&format!("### chartsync: {} {} {}", question(asked), icon(word), prose(&plan.answer)));
    page.line("");
    page.line(&prose(&plan.reason));
    patch(&mut page, plan);
    let news = news::groups(plan);
    finding::all(&mut page, plan, news::wanted(&news));
    news::all(&mut page, &news, news::wanted_by_unsigned(plan));
    news::unsigned(&mut page, plan);
    page.finish()
}

fn icon(word: &str) -> &'static str {
    match word {
        "no" => "❌",
        "yes" => "✅",
        _ => "⚠️",
    }
}

/// The patch of the lockfile: what is in it, and what to do with it.
fn patch(page: &mut Page, plan: &Plan) {
    let Some(patch) = &plan.lock_patch else { return };
    let has = words::patch(patch.pins, patch.dropped, patch.keyrings);
    page.line(&format!(
        "\nWhat `chartsync lock` would write is in {}, beside this plan (in GitHub Actions: in the artifact `plan` of this run): \
         {has}. To take it: {} {APPLY_PATCH}.",
        code(&patch.file),
        code(&format!("git apply {}", quotable(&patch.file)))
    ));
    if !patch.unlocked.is_empty() {
        page.line(&format!("Not in it: {}, for the reasons below.", words::count(patch.unlocked.len(), "version")));
    }
}

/// How many charts are in each state, and beside what.
fn footer(plan: &Plan) -> String {
    let counts = words::counts(|state| plan.counts.get(state).copied());
    let base = plan.base.as_deref().map(|base| format!(", compared with {}", code(base))).unwrap_or_default();
    format!("{counts} · chartsync {}{base}", prose(&plan.tool))
}

#[cfg(test)]
mod tests;
