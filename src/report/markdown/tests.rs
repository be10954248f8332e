use proptest::prelude::*;

use super::*;
use crate::report::json;
use crate::report::samples::{Words, assert_golden, hostile};

const NOTHING: Words<'static> = Words("");

#[test]
fn a_plan() {
    assert_golden("plan.md", &plan(&json::plan(&NOTHING.plan())).unwrap());
}

#[test]
fn only_plans_are_read() {
    let good = json::plan(&NOTHING.plan());
    plan(&good).unwrap();
    for (old, new) in [
        ("\"kind\": \"plan\"", "\"kind\": \"verify\""),
        ("\"format\": 1", "\"format\": 2"),
        ("\"answer\":", "\"answr\":"),
        ("sha256:", "sha512:"),
    ] {
        let bad = good.replacen(old, new, 1);
        assert_ne!(bad, good, "{old}");
        let error = plan(&bad).unwrap_err();
        assert!(error.contains("no plan"), "{error}");
    }
    plan("{").unwrap_err();
    plan("[]").unwrap_err();
}

/// Whatever there is: it fits, and what is left out is told, the least important first.
#[test]
fn a_comment_never_grows_too_long() {
    let mut value: serde_json::Value = serde_json::from_str(&json::plan(&NOTHING.plan())).unwrap();
    let charts = value["charts"].as_array().unwrap().clone();
    let many = (0..2_000).map(|at| charts[at % charts.len()].clone()).collect::<Vec<_>>();
    value["charts"] = many.into();
    let page = plan(&value.to_string()).unwrap();
    assert!(page.chars().count() <= LIMIT, "{}", page.chars().count());
    assert!(page.contains("more findings not shown here"), "{page}");
    let first_note = page.find("**orphan**").unwrap_or(usize::MAX);
    assert!(page.find("**moved**").unwrap() < first_note);
}

proptest! {
    /// No upstream text mentions a person, links, closes a comment, begins a block or hides.
    #[test]
    fn upstreams_text_stays_text(words in hostile()) {
        let page = plan(&json::plan(&Words(&words).plan())).unwrap();
        page.lines().for_each(assert_no_command);
        prop_assert_eq!(page.matches("<!-- chartsync").count(), 1);
    }
}

/// A job's log must not read a command in it, either.
fn assert_no_command(line: &str) {
    assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
}
