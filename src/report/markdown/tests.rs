//! Golden text, the limit, and hostile text in every field, judged by a parser of GitHub's Markdown.

use proptest::prelude::*;
use serde_json::Value;

use super::judge::{FREE, filled, judge, sample};
use super::*;
use crate::report::annotations;
use crate::report::json;
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
    // Which charts are not there, and how many versions of each.
    let charts = |number: usize| {
        page(&|value| {
            of(1, number)(value);
            for (at, chart) in value["charts"].as_array_mut().unwrap().iter_mut().enumerate() {
                let name = format!("chart-{}", at / 100);
                chart["reference"] = format!("registry.example/mirror/{name}:1.0.0").into();
                chart["name"] = name.into();
            }
        })
    };
    let many = charts(5_000);
    let shown = many.matches("- **publish**").count();
    let (group, rest) = (shown / 100, 100 - shown % 100);
    let of_charts = format!(
        "\n**{} more chart versions not shown here**, of `chart-{group}` ({rest}), `chart-{}` (100), ",
        5_000 - shown,
        group + 1
    );
    assert!(many.contains(&of_charts) && many.contains(&format!("`chart-49` (100): {where_all}")), "{many}");
    let more = charts(50_000);
    assert!(more.contains(" more charts: `plan.json` has all of it") && more.chars().count() <= LIMIT, "{more}");
    // Of charts without provenance ten are named.
    for (number, rest) in [(10, None), (11, Some("\n- and 1 more\n")), (5_000, Some("\n- and 4990 more\n"))] {
        let bare = page(&of(4, number));
        assert_eq!(bare.matches("its manifest does not require one").count(), 10, "{bare}");
        assert_eq!(bare.contains("- and "), rest.is_some(), "{bare}");
        assert!(rest.is_none_or(|rest| bare.contains(rest)), "{bare}");
    }
    // However many versions change.
    let signed = page(&of(5, 5_000));
    assert_eq!(signed.matches("`: accepted: released by hand").count(), 10, "{signed}");
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
