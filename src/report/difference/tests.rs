//! A difference in every view, with harmless and with hostile words.

use proptest::prelude::*;

use super::*;
use crate::chart::difference::{Field, File, FilePatch, Hunk, HunkLine, Image, Object, Patched, Value};
use crate::report::samples::{Words, assert_golden, assert_line, digest, hostile};
use crate::report::{human, json};

const NOTHING: Words<'static> = Words("");

/// Changes with one of each kind, and some that are not told.
fn changes<T: Clone>(old: &T, new: &T) -> Changes<T> {
    let change = |old: Option<&T>, new: Option<&T>| Change { old: old.cloned(), new: new.cloned() };
    let first = vec![change(None, Some(new)), change(Some(old), None), change(Some(old), Some(new))];
    Changes { added: 1, removed: 1, changed: 8, first }
}

/// A difference with everything in it.
pub(in crate::report) fn everything(words: Words<'_>) -> Difference {
    let text = |text: &str| format!("{text}{}", words.0);
    let matters = [
        Matter::Privileged,
        Matter::HostPath,
        Matter::HostNamespace,
        Matter::Wildcard,
        Matter::ClusterRole,
        Matter::ClusterRoleBinding,
        Matter::Role,
        Matter::RoleBinding,
        Matter::Rules,
        Matter::Webhook,
        Matter::Hook,
        Matter::Crd,
        Matter::CrdVersion,
        Matter::CrdGone,
        Matter::CrdVersionGone,
        Matter::ImageRepository,
        Matter::Dependency,
        Matter::Terms,
        Matter::Lookup,
        Matter::Tpl,
        Matter::Type,
        Matter::KubeVersion,
        Matter::AppVersion,
        Matter::Deprecated,
        Matter::Maintainer,
        Matter::Host,
    ];
    let notice = |matter| {
        let what = if matter == Matter::Tpl { String::new() } else { text("Kind name: what") };
        Notice { matter, file: text("templates/a.yaml"), line: Some(3), what }
    };
    let image = |tag: &str| Image {
        reference: text(&format!("registry.example/web:{tag}")),
        file: text("values.yaml"),
        line: Some(4),
    };
    let dependency = |version: &str, from: &str| Dependency {
        path: text("charts/common"),
        alias: Some(text("base")),
        wanted: Some(text(version)),
        repository: Some(text(from)),
        vendored: Some(text("2.0.1")),
    };
    let object = Object { kind: text("Service"), name: text("…-web"), file: text("templates/b.yaml"), line: 2 };
    let value = |value: &str| Value { file: text("values.yaml"), line: None, path: text("a.b"), value: text(value) };
    let field = |value: &str| Field { file: text("charts/common/Chart.yaml"), field: text("home"), value: text(value) };
    let file = |size| File { path: text("README.md"), size, digest: digest('1').to_string(), binary: false };
    let unread = |line| Unread { file: text("templates/_a.tpl"), line, why: text("its kind is not literal") };
    Difference {
        notices: Listed { count: 30, first: matters.map(notice).to_vec() },
        images: changes(&image("1"), &image("2")),
        dependencies: changes(&dependency("1.x", "https://a.example"), &dependency("2.x", "https://b.example")),
        objects: changes(&object, &object),
        values: changes(&value("1"), &value("2")),
        about: changes(&field("https://a.example"), &field("https://b.example")),
        files: changes(&file(1), &file(2)),
        unread: Listed { count: 9, first: (1..=6).map(|line| unread(Some(line))).chain([unread(None)]).collect() },
    }
}

fn compared(words: Words<'_>) -> Compared {
    let destination: Repository = "registry.example/mirror/web".parse().unwrap();
    let source: Repository = "upstream.example/charts/web".parse().unwrap();
    let upstream = Taken::Upstream(source.tagged("1.1.0".parse().unwrap()));
    Compared {
        name: "web".to_owned(),
        destination,
        old: Side { version: Some("1.0.0".to_owned()), digest: digest('2'), archive: digest('3'), from: Taken::Pinned },
        new: Side { version: Some("1.1.0".to_owned()), digest: digest('4'), archive: digest('5'), from: upstream },
        difference: everything(words),
    }
}

fn patches(words: Words<'_>) -> Vec<FilePatch> {
    let text = |text: &str| format!("{text}{}", words.0);
    let file = |path: &str, binary| File { path: text(path), size: 7, digest: digest('6').to_string(), binary };
    let lines =
        vec![HunkLine::Same(text("a: 1")), HunkLine::Old(text("b: 1")), HunkLine::NoEnd, HunkLine::New(text("b: 2"))];
    let hunk = Hunk { old: (1, 2), new: (1, 2), lines };
    let both = |path: &str, binary| Change { old: Some(file(path, binary)), new: Some(file(path, binary)) };
    vec![
        FilePatch { file: both("values.yaml", false), patched: Patched::Lines { hunks: vec![hunk], more: 5 } },
        FilePatch { file: both("logo.png", true), patched: Patched::Binary },
        FilePatch { file: Change { old: None, new: Some(file("new.bin", true)) }, patched: Patched::Binary },
    ]
}

fn bare(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn every_view() {
    let compared = compared(NOTHING);
    assert_golden("difference.txt", &bare(&human::difference(&compared)));
    assert_golden("difference.patch", &bare(&human::patch(&patches(NOTHING))));
    assert_golden("difference.json", &json::difference(&compared, Some(&patches(NOTHING))));
    let nothing = Compared { difference: Difference::default(), ..compared };
    assert!(bare(&human::difference(&nothing)).ends_with("\nthe same files\n"));
}

#[test]
fn references_of_one_repository_are_told_once() {
    for (old, new, told) in [
        ("a/web:1", "a/web:2", "2"),
        ("web:1", "web:2", "web:2"),
        ("r:5000/web:1", "r:5000/web:2@sha256:3", "2@sha256:3"),
        ("a/web:1", "b/web:2", "b/web:2"),
        ("a/web", "a/web:2", "a/web:2"),
        ("a/web:1", "a/web@sha256:2", "sha256:2"),
    ] {
        assert_eq!(shorter(old, new), told, "{old} {new}");
    }
}

/// The schema takes what is written, and no field may be missing or unknown.
#[test]
fn the_schema_describes_it() {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let schema = jsonschema::validator_for(&parse(json::DIFFERENCE_SCHEMA)).unwrap();
    let whole = parse(&json::difference(&compared(NOTHING), Some(&patches(NOTHING))));
    let errors = schema.iter_errors(&whole).map(|error| error.to_string()).collect::<Vec<_>>();
    assert_eq!(errors, Vec::<String>::new());
    assert!(schema.is_valid(&parse(&json::difference(&compared(NOTHING), None))));
    for path in [
        "",
        "/old",
        "/difference",
        "/difference/notices",
        "/difference/notices/first/0",
        "/difference/images",
        "/difference/images/first/0",
        "/difference/images/first/0/new",
        "/difference/dependencies/first/0/new",
        "/difference/objects/first/0/new",
        "/difference/values/first/0/new",
        "/difference/about/first/0/new",
        "/difference/files/first/0/new",
        "/difference/unread/first/0",
        "/patch/0",
        "/patch/0/new",
    ] {
        let fields = whole.pointer(path).unwrap().as_object().unwrap();
        for field in fields.keys() {
            let mut less = whole.clone();
            less.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(field);
            assert!(!schema.is_valid(&less), "{path} may lack {field}");
            let mut other = whole.clone();
            other.pointer_mut(path).unwrap()[field] = vec![true].into();
            assert!(!schema.is_valid(&other), "{path} takes anything as {field}");
        }
        let mut more = whole.clone();
        more.pointer_mut(path).unwrap()["unknown"] = serde_json::Value::Null;
        assert!(!schema.is_valid(&more), "{path} takes unknown fields");
    }
}

/// A plan's JSON has differences of the same kind.
#[test]
fn both_schemas_say_the_same_of_it() {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (plan, difference) = (parse(json::PLAN_SCHEMA), parse(json::DIFFERENCE_SCHEMA));
    let defined = difference["$defs"].as_object().unwrap();
    for (name, says) in defined.iter().filter(|(name, _)| !["side", "patch"].contains(&name.as_str())) {
        assert_eq!(&plan["$defs"][name], says, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn upstreams_text_stays_text(words in hostile()) {
        let words = Words(&words);
        let compared = compared(words);
        let texts = [bare(&human::difference(&compared)), bare(&human::patch(&patches(words)))];
        for text in texts.iter().chain([&json::difference(&compared, Some(&patches(words)))]) {
            text.lines().for_each(assert_line);
        }
    }
}
