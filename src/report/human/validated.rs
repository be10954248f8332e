//! A workspace in which nothing is wrong: what it declares.

use super::page::{Page, Tone, plain, toned};
use super::{count, stale};
use crate::graph::StepGraph;
use crate::lock::Lockfile;
use crate::report::json::Totals;
use crate::workspace::Workspace;

/// What `validate` says of a workspace without a problem.
#[must_use]
pub fn validated(workspace: &Workspace, lockfile: &Lockfile, graph: &StepGraph) -> String {
    let totals = Totals::of(workspace, lockfile, graph);
    let mut page = Page::default();
    if totals.stale > 0 {
        page.line(0, &[plain("? "), plain(stale(totals.stale)), plain("; run `chartsync lock`")]);
    }
    if totals.undeclared > 0 {
        let are = super::are(totals.undeclared);
        let text = format!(
            "{} {are} in no manifest; `chartsync lock` drops what nothing declares",
            count(totals.undeclared, "pin")
        );
        page.line(0, &[plain("i "), plain(text)]);
    }
    let mut told = format!(
        "valid: {} with {}, {}",
        count(totals.mirrors, "manifest"),
        count(totals.versions, "version"),
        count(totals.pins, "pin")
    );
    if totals.charts > 0 {
        told = format!("{told}, {}", count(totals.charts, "first-party chart"));
    }
    page.line(0, &[toned(Tone::Good, told)]);
    page.finish()
}
