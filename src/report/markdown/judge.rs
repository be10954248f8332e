//! Whether a page is what it should be: a plan with any text in any field, judged by a parser of GitHub's Markdown.
//!
//! For tests and for fuzzing. Knows what pages of plans are made of, and no plan.

#![allow(clippy::unwrap_used)] // It is part of tests.

use std::sync::LazyLock;

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use serde_json::Value;

use crate::report::json::PLAN_SCHEMA;

/// A plan with something of everything.
pub(super) fn sample() -> Value {
    serde_json::from_str(include_str!("../golden/plan.json")).unwrap()
}

/// The places of a plan's JSON at which any text may stand, as far as the schema has a say.
pub(super) static FREE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let schema = jsonschema::validator_for(&serde_json::from_str(PLAN_SCHEMA).unwrap()).unwrap();
    let whole = sample();
    let mut places = places(&whole);
    places.retain(|place| whole.pointer(place).is_some_and(Value::is_string));
    let is_free = |place: &String| {
        let mut other = whole.clone();
        *other.pointer_mut(place).unwrap() = "\u{2603} any\ntext".into();
        schema.is_valid(&other)
    };
    places.retain(is_free);
    places
});

/// Every place in a document, what stands inside of it before itself.
pub(crate) fn places(document: &Value) -> Vec<String> {
    fn below(value: &Value, place: String, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    below(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), into);
                }
            }
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    below(value, format!("{place}/{at}"), into);
                }
            }
            _ => {}
        }
        into.push(place);
    }
    let mut into = Vec::new();
    below(document, String::new(), &mut into);
    into
}

/// A plan with these texts wherever any may stand.
pub(crate) fn filled(words: &[String]) -> String {
    let mut value = sample();
    for (place, words) in FREE.iter().zip(words.iter().cycle()) {
        *value.pointer_mut(place).unwrap() = words.clone().into();
    }
    value.to_string()
}

/// What the page itself writes as HTML.
fn is_ours(html: &str) -> bool {
    let html = html.trim();
    let summary = |text: &str| {
        let inner = text.strip_prefix("<details><summary>")?.strip_suffix("</summary>")?;
        Some(match inner.strip_prefix("<code>").and_then(|rest| rest.split_once("</code>: ")) {
            Some((name, versions)) => !name.contains(['<', '>']) && versions.ends_with(" versions"),
            None => ["the exception, for chartsync.toml", "what changes"].contains(&inner),
        })
    };
    html == "<!-- chartsync plan -->" || html == "</details>" || summary(html) == Some(true)
}

/// Fails if a parser of GitHub's Markdown, or what GitHub does after it, would see more than text, code and our own structure.
pub(crate) fn judge(page: &str) {
    for line in page.lines() {
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
        let is_plain = |char: char| {
            !char.is_control()
                && !matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        };
        assert!(line.chars().all(is_plain), "{line:?}");
    }
    let mut options = Options::default();
    let extension = &mut options.extension;
    (extension.strikethrough, extension.table, extension.autolink, extension.tasklist) = (true, true, true, true);
    (extension.footnotes, extension.alerts, extension.math_dollars, extension.math_code) = (true, true, true, true);
    extension.shortcodes = true;
    let arena = Arena::new();
    let (mut opened, mut closed) = (0, 0);
    for node in parse_document(&arena, page, &options).descendants() {
        let told = |what: &dyn std::fmt::Debug| panic!("{what:?} in {page}");
        match &node.data().value {
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::SoftBreak
            | NodeValue::LineBreak
            | NodeValue::Item(_)
            | NodeValue::Strong
            | NodeValue::Code(_) => {}
            NodeValue::List(list) => assert_eq!(list.list_type, comrak::nodes::ListType::Bullet, "{page}"),
            NodeValue::Heading(heading) => assert!([3, 4].contains(&heading.level), "{page}"),
            NodeValue::CodeBlock(block) => assert!(block.fenced && block.info == "toml" && block.closed, "{page}"),
            NodeValue::HtmlBlock(html) if is_ours(&html.literal) => {
                opened += html.literal.matches("<details>").count();
                closed += html.literal.matches("</details>").count();
            }
            NodeValue::Text(text) => assert!(!mentions(text), "{text:?} in {page}"),
            other => told(other),
        }
    }
    assert_eq!(opened, closed, "{page}");
    let headings = page.lines().filter(|line| line.starts_with("####")).count();
    assert!(headings <= 3, "{page}");
}

/// Whether GitHub would make a link or a picture of something in this text, which is no code.
fn mentions(text: &str) -> bool {
    let lower = text.to_lowercase();
    let follows = |sign: char, is: fn(char) -> bool| {
        text.match_indices(sign).any(|(at, _)| text[at + sign.len_utf8()..].chars().next().is_some_and(is))
    };
    let emoji = text.split(':').skip(1).collect::<Vec<_>>();
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || "_+-".contains(char));
    follows('@', char::is_alphanumeric)
        || follows('#', |char| char.is_ascii_digit())
        || lower.contains("://")
        || lower.contains("www.")
        || lower.contains("gh-")
        || emoji.len() > 1 && emoji[..emoji.len() - 1].iter().any(is_name)
}
