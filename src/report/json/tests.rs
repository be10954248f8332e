//! Golden documents, the schema of a plan, and that hidden characters stay out of the text and in the value.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::audit::Depth;
use crate::finding::{Code, Finding};
use crate::plan::saved::Basis;
use crate::plan::{Plan, State};
use crate::report::samples::{Words, assert_golden, assert_line, nasty};

const NOTHING: Words<'static> = Words("");

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn documents() {
    assert_golden("plan.json", &plan(&NOTHING.plan()));
    assert_golden("outcome.json", &outcome(&NOTHING.outcome(), None, None));
    assert_golden("lock.json", &resolution(&NOTHING.resolution(), true));
    assert_golden("verify.json", &audit(&NOTHING.audits(), Depth::Whole));
    assert_golden("problems.json", &problems(&NOTHING.problems()));
    assert_golden("why.json", &why(&NOTHING.why()));
    assert_golden("add.json", &added(&NOTHING.added(&NOTHING.resolution())));
    assert_golden("outdated.json", &outdated(&NOTHING.outdated(), true));
    assert_golden("show.json", &listed("show", &NOTHING.listed()));
}

/// The schema of all documents describes each kind of them, whatever is in it.
#[test]
fn the_schema_of_reports_describes_every_document() {
    let schema = reports();
    let documents = [
        plan(&NOTHING.plan()),
        outcome(&NOTHING.outcome(), None, None),
        resolution(&NOTHING.resolution(), true),
        audit(&NOTHING.audits(), Depth::Whole),
        problems(&NOTHING.problems()),
        why(&NOTHING.why()),
        added(&NOTHING.added(&NOTHING.resolution())),
        outdated(&NOTHING.outdated(), true),
        listed("show", &NOTHING.listed()),
        explained(&crate::report::explanations()),
    ];
    for document in documents {
        let document = parse(&document);
        let errors: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", document["kind"]);
    }
}

/// `schemas/reports.schema.json` with those that it refers to.
fn reports() -> jsonschema::Validator {
    let uri = |name: &str| format!("file:///schemas/{name}.schema.json");
    let registry = jsonschema::Registry::new();
    let registry = registry.add(uri("plan"), parse(PLAN_SCHEMA)).unwrap();
    let registry = registry.add(uri("difference"), parse(DIFFERENCE_SCHEMA)).unwrap().prepare().unwrap();
    let schema = parse(include_str!("../../../schemas/reports.schema.json"));
    jsonschema::options().with_registry(&registry).with_base_uri(uri("reports")).build(&schema).unwrap()
}

#[test]
fn what_apply_would_write_is_told() {
    let check = |change: &dyn Fn(&mut Plan), has_changes: bool, applyable: bool| {
        let mut made = NOTHING.plan();
        change(&mut made);
        let value = parse(&plan(&made));
        assert_eq!((&value["has-changes"], &value["applyable"]), (&has_changes.into(), &applyable.into()));
    };
    check(&|_| {}, true, true);
    check(&|plan| plan.rows.iter_mut().for_each(|row| row.state = State::Unchanged), false, false);
    check(&|plan| plan.findings.push(Finding::of_run(Code::TooManyChanges, "too many", "")), true, false);
}

/// The schema takes every plan, and closes every object: a field that is missing, unknown or of another type fails.
#[test]
fn the_schema_describes_plans_and_nothing_else() {
    let schema = jsonschema::validator_for(&parse(PLAN_SCHEMA)).unwrap();
    let whole = parse(&plan(&NOTHING.plan()));
    let errors = schema.iter_errors(&whole).map(|error| error.to_string()).collect::<Vec<_>>();
    assert_eq!(errors, Vec::<String>::new());

    let mut paths = Vec::new();
    objects(&whole, String::new(), &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let mut more = whole.clone();
        more.pointer_mut(&path).unwrap()["unknown"] = Value::Null;
        assert!(
            !schema.is_valid(&more) || ["/counts", "/inputs"].contains(&path.as_str()),
            "{path} takes unknown fields"
        );
        let fields = whole.pointer(&path).unwrap().as_object().unwrap();
        for field in fields.keys().filter(|_| !["/counts", "/inputs"].contains(&path.as_str())) {
            let mut less = whole.clone();
            less.pointer_mut(&path).unwrap().as_object_mut().unwrap().remove(field);
            assert!(!schema.is_valid(&less), "{path} may lack {field}");
            let mut other = whole.clone();
            other.pointer_mut(&path).unwrap()[field] = Value::Array(vec![Value::Bool(true)]);
            assert!(!schema.is_valid(&other), "{path} takes anything as {field}");
        }
    }
}

/// What a schema takes for whole and Rust does not is refused by every reader of a plan, and not by some.
#[test]
fn numbers_of_a_plan_are_written_as_whole_ones() {
    let made = plan(&NOTHING.plan());
    assert!(made.contains("\"earlier\": 3"));
    for number in ["3.0", "3e0", "3e40", "30000000000000000000"] {
        let text = made.replace("\"earlier\": 3", &format!("\"earlier\": {number}"));
        for told in [read_plan(&text).map(|_| ()), crate::report::markdown::plan(&text).map(|_| ())] {
            assert!(told.unwrap_err().contains("is not written as a whole number"), "{number}");
        }
    }
}

/// What a saved plan rests on survives being written and read; what is no plan is refused.
#[test]
fn a_plan_is_read_back() {
    let made = NOTHING.plan();
    let text = plan(&made);
    assert_eq!(read_plan(&text).unwrap(), Basis::new(&made.inputs, &made.rows, made.network));
    for (from, to) in [("\"format\": 1", "\"format\": 2"), ("\"kind\": \"plan\"", "\"kind\": \"apply\""), ("{", "[")] {
        assert!(read_plan(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

fn objects(value: &Value, path: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| objects(value, format!("{path}/{field}"), into));
            into.push(path);
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                objects(value, format!("{path}/{at}"), into);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_hidden_stands_in_a_document(words in nasty()) {
        let words = Words(&words);
        let documents = [
            plan(&words.plan()),
            outcome(&words.outcome(), None, Some("run")),
            resolution(&words.resolution(), true),
            audit(&words.audits(), Depth::Whole),
            problems(&words.problems()),
            why(&words.why()),
            added(&words.added(&words.resolution())),
            outdated(&words.outdated(), false),
            listed("show", &words.listed()),
        ];
        for text in documents {
            text.lines().for_each(assert_line);
            prop_assert!(parse(&text).is_object());
        }
        // Whatever a plan's JSON says, it says in upstream's own words.
        let planned = parse(&plan(&words.plan()));
        let moved = "upstream.example/charts/cert-manager:v1.15.5 moved after the review";
        prop_assert_eq!(&planned["charts"][0]["findings"][0]["message"], &format!("{moved}{}", words.0));
        prop_assert_eq!(&planned["charts"][1]["claims"], &format!("Ada <ada@upstream.example>{}", words.0));
        prop_assert_eq!(&planned["charts"][1]["pin"]["app-version"], &format!("1.0.0{}", words.0));
        let claims = parse(&audit(&words.audits(), Depth::Whole))["charts"][0]["claims"].clone();
        prop_assert_eq!(claims, format!("Ada <ada@upstream.example>{}", words.0));
    }
}
