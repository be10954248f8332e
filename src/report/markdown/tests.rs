//! Golden text, the limit, and hostile text in every field, judged by a parser of GitHub's Markdown.

use std::sync::LazyLock;

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::report::annotations;
use crate::report::json::{self, PLAN_SCHEMA};
use crate::report::samples::{Words, assert_golden, assert_line, nasty};

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

fn sample() -> Value {
    serde_json::from_str(&json::plan(&NOTHING.plan())).unwrap()
}

/// Whatever there is: it fits, and what is left out is told, the least important first.
#[test]
fn five_thousand_of_each_kind_fit() {
    let mut value = sample();
    let kinds = value["charts"].as_array().unwrap().clone();
    value["charts"] = kinds.iter().flat_map(|chart| vec![chart.clone(); 5_000]).collect();
    // Not through its text: what is looked at here is not the schema.
    let render = |value: &Value| whole(&serde_json::from_value(value.clone()).unwrap());
    let page = render(&value);
    assert!(page.chars().count() <= LIMIT, "{}", page.chars().count());
    judge(&page);
    // Three of the ten kinds are blocking: of those some are shown, and of what matters less nothing but the number.
    for words in
        ["more blocking findings not shown here", "**5001 more note findings not shown here**", "more chart versions"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("**moved**") && page.contains("#### What changes") && !page.contains("**unseen**"), "{page}");
    assert!(page.ends_with("compared with `main`\n"), "{page}");

    for kind in kinds {
        value["charts"] = vec![kind.clone(); 5_000].into();
        let page = render(&value);
        assert!(page.chars().count() <= LIMIT && page.ends_with("compared with `main`\n"), "{kind}: {page}");
        judge(&page);
    }
}

/// Nothing is dropped in silence: what is left out is counted, and it is told where all of it is.
#[test]
fn what_is_left_out_is_told() {
    let plan = sample();
    let page = |change: &dyn Fn(&mut Value)| {
        let mut value = plan.clone();
        value["findings"] = Value::Array(Vec::new());
        change(&mut value);
        let page = whole(&serde_json::from_value(value).unwrap());
        assert!(!page.contains("\n\n\n"), "{page}");
        page
    };
    let of = |at: usize, number: usize| {
        move |value: &mut Value| {
            value["charts"] = vec![value["charts"][at].clone(); number].into();
            value["charts"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .for_each(|chart| chart["findings"] = Vec::<u8>::new().into());
        }
    };
    // All of it fits.
    let whole = page(&|_| {});
    assert!(!whole.contains("not shown here") && !whole.contains("- and 1 more"), "{whole}");
    // Folded differences go first, and whoever looks for one sees that.
    let folded = page(&of(3, 30));
    let told = folded.matches("<summary>what changes</summary>").count();
    assert!((1..30).contains(&told) && folded.matches("  \n  in full: `chartsync diff").count() == 30, "{folded}");
    let where_all = "`plan.json` has all of it (in GitHub Actions: in the artifact `plan` of this run).\n";
    assert!(
        folded.contains(&format!("\n**{} more folded differences not shown here**: {where_all}", 30 - told)),
        "{folded}"
    );
    assert!(!folded.contains("chart versions not shown here"), "{folded}");
    // Of charts without provenance ten are named.
    for (number, rest) in [(10, None), (11, Some("\n- and 1 more\n")), (5_000, Some("\n- and 4990 more\n"))] {
        let bare = page(&of(4, number));
        assert_eq!(bare.matches("its manifest does not require one").count(), 10, "{bare}");
        assert_eq!(bare.contains("- and "), rest.is_some(), "{bare}");
        assert!(rest.is_none_or(|rest| bare.contains(rest)), "{bare}");
    }
    // What is only not published yet is none of the change's.
    let unsigned = |novelty: &str| {
        page(&|value| {
            of(5, 2)(value);
            value["charts"][0]["beside"]["novelty"] = novelty.into();
        })
    };
    assert!(unsigned("same").contains("2 charts are without provenance, 1 of them new or changed here\n"));
    assert!(unsigned("unknown").contains("2 charts are without provenance, 1 of them new or changed here\n"));
    assert!(unsigned("changed").contains("2 charts are without provenance, new or changed here\n"));
}

/// The places of a plan's JSON at which any text may stand, as far as the schema has a say.
static FREE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let schema = jsonschema::validator_for(&serde_json::from_str(PLAN_SCHEMA).unwrap()).unwrap();
    let whole = sample();
    let mut places = Vec::new();
    texts(&whole, String::new(), &mut places);
    let is_free = |place: &String| {
        let mut other = whole.clone();
        *other.pointer_mut(place).unwrap() = "\u{2603} any\ntext".into();
        schema.is_valid(&other)
    };
    places.retain(is_free);
    places
});

fn texts(value: &Value, place: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                texts(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                texts(value, format!("{place}/{at}"), into);
            }
        }
        Value::String(_) => into.push(place),
        _ => {}
    }
}

/// A plan with these texts wherever any may stand.
fn filled(words: &[String]) -> String {
    let mut value = sample();
    for (place, words) in FREE.iter().zip(words.iter().cycle()) {
        *value.pointer_mut(place).unwrap() = words.clone().into();
    }
    value.to_string()
}

#[test]
fn every_field_that_upstream_has_a_say_in_is_tried() {
    assert!(FREE.len() > 100, "{}", FREE.len());
    for field in
        ["message", "claims/0", "reason", "next", "file", "toml", "signature-note", "version", "app-version", "base"]
    {
        assert!(FREE.iter().any(|place| place.ends_with(&format!("/{field}"))), "{field} is not among {FREE:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands in whatever field: nothing is a link, an image, HTML, a table, a mention, an emoji or a command, and no block
    /// ends before its time.
    #[test]
    fn text_stays_text(words in prop::collection::vec(nasty(), 1..40)) {
        let text = filled(&words);
        let page = plan(&text).unwrap();
        prop_assert!(page.chars().count() <= LIMIT);
        prop_assert_eq!(page.lines().next(), Some(MARKER));
        judge(&page);
        for line in annotations::plan(&text).unwrap().lines() {
            prop_assert!(line.starts_with("::error ") || line.starts_with("::notice "));
            assert_line(&line[2..]);
        }
    }

    /// The same for what a plan's own values may hold.
    #[test]
    fn the_words_of_a_plan_stay_words(words in nasty()) {
        judge(&plan(&json::plan(&Words(&words).plan())).unwrap());
    }
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
fn judge(page: &str) {
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
