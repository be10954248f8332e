//! A plan for GitHub's annotations: workflow commands on the lines of manifest and lockfile, made from the plan's JSON alone.
//!
//! Only what withholds something is annotated. GitHub shows ten annotations of a kind for each step and drops the rest without a
//! word, so the rest is counted, in a kind of its own.

use std::fmt::Write as _;

use crate::report::escape::terminal;
use crate::report::view::{Finding, Plan};
use crate::report::words::{WHERE_ALL, count};

/// How many annotations of a kind GitHub shows for a step.
const MOST: usize = 10;
/// The most characters of a message: what a reader takes in beside a line of code.
const LENGTH: usize = 1_000;

/// The workflow commands for the plan of this JSON, one a line; none where nothing is withheld.
pub fn plan(text: &str) -> Result<String, String> {
    let plan = Plan::read(text)?;
    let blocking: Vec<&Finding> =
        plan.findings().into_iter().filter(|finding| finding.severity == "blocking").collect();
    let mut out = String::new();
    for finding in blocking.iter().take(MOST) {
        one(&mut out, &plan.folder, finding);
    }
    if blocking.len() > MOST {
        let rest = blocking.len() - MOST;
        let (findings, withhold) = (count(rest, "more finding"), if rest == 1 { "withholds" } else { "withhold" });
        let _ = writeln!(out, "::notice title=chartsync::{findings} {withhold} something: {WHERE_ALL}");
    }
    Ok(out)
}

/// `folder` is the workspace's in its repository: GitHub names files from the repository's root.
fn one(out: &mut String, folder: &str, finding: &Finding) {
    out.push_str("::error ");
    if let Some(location) = &finding.location {
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let _ = write!(out, "file={},", property(&format!("{folder}{}", location.file)));
        for (name, number) in [("line", location.line), ("col", location.column)] {
            if let Some(number) = number {
                let _ = write!(out, "{name}={number},");
            }
        }
    }
    let about = finding.reference.as_deref().map(|reference| format!(" {reference}")).unwrap_or_default();
    let _ = write!(out, "title={}::", property(&format!("chartsync {}{about}", finding.code)));
    let mut lines = vec![finding.message.clone()];
    lines.extend(
        finding.digests.iter().map(|held| format!("{}: {}", crate::report::words::holder(&held.by), held.digest)),
    );
    if !finding.next.is_empty() {
        lines.push(format!("next: {}", finding.next));
    }
    let lines: Vec<String> = lines.iter().map(|line| data(line)).collect();
    let _ = writeln!(out, "{}", lines.join("%0A"));
}

/// The text of a command: one line, nothing hidden in it.
fn data(text: &str) -> String {
    let shown: String = text.chars().take(LENGTH).collect();
    let rest = if shown.len() < text.len() { "…" } else { "" };
    terminal(&format!("{shown}{rest}")).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Plan;
    use crate::report::json;
    use crate::report::samples::{Words, assert_golden, assert_line, nasty};

    #[test]
    fn what_is_withheld_and_nothing_else() {
        assert_golden("plan-annotations.txt", &plan(&json::plan(&Words("").plan())).unwrap());
        let mut quiet = Words("").plan();
        quiet.rows.clear();
        assert_eq!(plan(&json::plan(&quiet)).unwrap(), "");
        plan("{}").unwrap_err();
    }

    /// GitHub names files from the repository's root, a plan from the workspace's.
    #[test]
    fn a_file_is_named_from_the_repositorys_root() {
        let mut here = Words("").plan();
        let check = |plan: &Plan, expect: &str| {
            let text = super::plan(&json::plan(plan)).unwrap();
            assert!(text.starts_with(&format!("::error file={expect},line=8,")), "{text}");
        };
        check(&here, "deploy/charts/mirrors/cert-manager.yaml");
        here.folder = String::new();
        check(&here, "mirrors/cert-manager.yaml");
    }

    #[test]
    fn what_github_would_drop_is_counted() {
        let mut value: serde_json::Value = serde_json::from_str(&json::plan(&Words("").plan())).unwrap();
        let moved = value["charts"][0].clone();
        let check = |number: usize, expect: Option<&str>| {
            let mut value = value.clone();
            value["charts"] = vec![moved.clone(); number].into();
            let text = plan(&value.to_string()).unwrap();
            assert_eq!(text.matches("::error ").count(), number.min(MOST));
            assert_eq!(text.lines().find(|line| line.starts_with("::notice ")), expect);
        };
        check(10, None);
        let rest = |words: &str| format!("::notice title=chartsync::{words} something: {WHERE_ALL}");
        check(11, Some(&rest("1 more finding withholds")));
        check(5_000, Some(&rest("4990 more findings withhold")));
        value["charts"][0]["findings"][0]["message"] = "x".repeat(100_000).into();
        assert!(plan(&value.to_string()).unwrap().len() < 10_000);
    }

    /// GitHub's own way of reading a command: what is in front of the second `::` is its name and its properties.
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let (head, data) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (name, properties) = head.split_once(' ').unwrap();
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), value.replace("%3A", ":").replace("%2C", ",").replace("%25", "%"))
        };
        let properties = properties.split(',').map(pair).collect();
        (name.to_owned(), properties, data.replace("%0A", "\n").replace("%25", "%"))
    }

    proptest! {
        #[test]
        fn a_command_is_what_we_wrote(words in nasty()) {
            let text = plan(&json::plan(&Words(&words).plan())).unwrap();
            prop_assert_eq!(text.lines().count(), 3);
            for line in text.lines() {
                prop_assert!(line.starts_with("::error "));
                assert_line(&line[2..]);
                let (name, properties, data) = read(line);
                prop_assert_eq!(name, "error");
                let keys: Vec<&str> = properties.iter().map(|(key, _)| key.as_str()).collect();
                prop_assert_eq!(keys, ["file", "line", "col", "title"]);
                prop_assert!(data.lines().count() <= 4, "{}", data);
            }
            let first = read(text.lines().next().unwrap());
            let file = format!("deploy/charts{words}/mirrors/cert-manager.yaml{words}");
            prop_assert_eq!(&first.1[0].1, &terminal(&file));
        }
    }
}
