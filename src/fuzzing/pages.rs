//! What is shown of upstream's text, and what is read back of a plan.

use std::sync::LazyLock;

use serde_json::Value;

use crate::plan::saved::{Basis, Seen};
use crate::report::markdown::judge::{filled, judge, places};
use crate::report::{annotations, json, markdown};

/// Whatever text stands in a plan, it is text in a comment and in annotations.
pub(super) fn markdown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<String> = text.split("\n%%\n").map(str::to_owned).collect();
    shown(&filled(&words));
}

fn shown(plan: &str) {
    let page = markdown::plan(plan).unwrap();
    assert!(page.chars().count() <= markdown::LIMIT);
    judge(&page);
    for line in annotations::plan(plan).unwrap().lines() {
        assert!(
            line.starts_with("::error ") || line.starts_with("::notice ") || line.starts_with("::warning "),
            "{line:?}"
        );
        assert!(!line.contains(|char: char| char.is_control()), "{line:?}");
    }
}

const PLAN: &str = include_str!("../report/golden/plan.json");

/// The places in a plan's JSON.
static PLACES: LazyLock<Vec<String>> = LazyLock::new(|| places(&serde_json::from_str(PLAN).unwrap()));

/// A plan that is read back is shown without harm, and holds only where nothing else was seen.
pub(super) fn plan(bytes: &[u8]) {
    let text = edited(bytes);
    let Ok(saved) = json::read_plan(&text) else {
        return assert!(markdown::plan(&text).is_err(), "what is no plan is shown");
    };
    shown(&text);
    let now = json::read_plan(PLAN).unwrap();
    if saved.moved(&now).is_empty() {
        agree(&saved, &now);
    }
}

fn agree(saved: &Basis, now: &Basis) {
    assert_eq!((&saved.tool, &saved.network, &saved.inputs), (&now.tool, &now.network, &now.inputs));
    assert!(saved.charts.keys().eq(now.charts.keys()));
    let same = |one: &str, other: &str| one == other || [one, other].contains(&"not-asked");
    for (one, other) in saved.charts.values().zip(now.charts.values()) {
        let Seen { destination, source, signature, package } = one;
        assert!(same(destination, &other.destination) && same(source, &other.source), "{one:?} {other:?}");
        assert!(same(signature, &other.signature), "{one:?} {other:?}");
        assert!(package.is_none() || other.package.is_none() || *package == other.package, "{one:?} {other:?}");
    }
}

/// JSON as it is; other bytes as changes of a good plan: two bytes for the place, then the value up to the next NUL, as JSON or as a text.
fn edited(bytes: &[u8]) -> String {
    if bytes.starts_with(b"{") {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut plan: Value = serde_json::from_str(PLAN).unwrap();
    for change in bytes.split(|byte| *byte == 0) {
        let [high, low, value @ ..] = change else { continue };
        let place = &PLACES[usize::from(u16::from_be_bytes([*high, *low])) % PLACES.len()];
        let text = || Value::String(String::from_utf8_lossy(value).into_owned());
        if let Some(there) = plan.pointer_mut(place) {
            *there = serde_json::from_slice(value).unwrap_or_else(|_| text());
        }
    }
    plan.to_string()
}
