//! Selectors.

use super::*;

const CHARTS: [(&str, &str); 6] = [
    ("registry.example/charts/app", "1.0.0"),
    ("registry.example/charts/app", "v1.1.0+b.1"),
    ("registry.example/charts/app", "v1.2.0"),
    ("registry.example/charts/one/db", "1.0.0"),
    ("registry.example/charts/two/db", "1.0.0"),
    ("registry.example/charts/two/db", "v1.0.0"),
];

fn select(charts: &[&str], only: Option<Only>) -> Result<Vec<usize>, SelectError> {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    for (destination, version) in CHARTS {
        builder.mirrored(Sample::new(destination, version).unit(), None);
    }
    let selection = Selection { charts: charts.iter().map(|&chart| chart.to_owned()).collect(), only, shard: None };
    Ok(builder.finish().select(&selection)?.into_iter().map(UnitId::index).collect())
}

#[test]
fn a_selector_names_a_chart_or_a_version() {
    let check = |charts: &[&str], only, expect: &[usize]| {
        assert_eq!(select(charts, only).unwrap(), expect, "{charts:?}");
    };
    check(&[], None, &[0, 1, 2, 3, 4, 5]);
    check(&[], Some(Only::Mirrors), &[0, 1, 2, 3, 4, 5]);
    check(&[], Some(Only::Charts), &[]);
    check(&["app"], None, &[0, 1, 2]);
    check(&["app"], Some(Only::Mirrors), &[0, 1, 2]);
    check(&["registry.example/charts/app"], None, &[0, 1, 2]);
    check(&["app@1.0.0"], None, &[0]);
    check(&["app@v1.0.0"], None, &[0]);
    check(&["app@1.1.0+b.1"], None, &[1]);
    check(&["app@v1.1.0_b.1"], None, &[1]);
    check(&["app@1.2.0", "app@v1.2.0", "app@1.0.0"], None, &[0, 2]);
    check(&["registry.example/charts/two/db"], None, &[4, 5]);
    check(&["registry.example/charts/two/db@1.0.0"], None, &[4]);
    check(&["registry.example/charts/two/db@v1.0.0"], None, &[5]);
}

#[test]
fn the_shortest_selector_names_one_chart() {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    for (destination, version) in CHARTS {
        builder.mirrored(Sample::new(destination, version).unit(), None);
    }
    let graph = builder.finish();
    let check = |chart: &str, expect: &str| assert_eq!(graph.selector(&chart.parse().unwrap()), expect);
    check("registry.example/charts/app", "app");
    check("registry.example/charts/one/db", "registry.example/charts/one/db");
    check("registry.example/charts/two/db", "registry.example/charts/two/db");
    // What is not declared must not be taken for what is.
    check("registry.example/elsewhere/app", "registry.example/elsewhere/app");
    check("registry.example/charts/gone", "gone");
}

#[test]
fn a_selector_that_selects_nothing_or_too_much_is_an_error() {
    let check = |chart: &str, only, expect: &str| {
        assert_eq!(select(&[chart], only).unwrap_err().to_string(), expect);
    };
    let all = "did you mean `registry.example/charts/app`, `registry.example/charts/one/db`, \
               `registry.example/charts/two/db`?";
    check("apps", None, &format!("no chart is named `apps`: {all}"));
    check("charts/app", None, &format!("no chart is named `charts/app`: {all}"));
    check(
        "db",
        None,
        "`db` names 2 charts: write which, as in `registry.example/charts/one/db`, `registry.example/charts/two/db`",
    );
    check(
        "db@1.0.0",
        None,
        "`db@1.0.0` names 2 charts: write which, as in `registry.example/charts/one/db@1.0.0`, \
         `registry.example/charts/two/db@1.0.0`",
    );
    check("app@9", None, "`registry.example/charts/app` has no version `9`: it has `1.0.0`, `v1.1.0+b.1`, `v1.2.0`");
    check("app", Some(Only::Charts), "`--only charts` leaves out `app`: drop one of the two");
    for nonsense in ["", "@", "@1.0.0", "app@", "APP@@1"] {
        assert!(select(&[nonsense], None).is_err(), "{nonsense}");
    }
}

#[test]
fn of_many_charts_only_similar_names_are_told() {
    let names = (0..100).map(|at| format!("chart-{at:03}")).chain(["postgresql".into()]).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let graph = charts(&names, &[], Edge::After);
    let candidates = |wanted: &str| {
        let selection = Selection { charts: vec![wanted.to_owned()], ..Selection::default() };
        match graph.select(&selection) {
            Err(SelectError::Unknown { candidates, .. }) => candidates,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(candidates("postgres"), ["registry.example/charts/postgresql"]);
    assert_eq!(candidates("Postgersql"), ["registry.example/charts/postgresql"]);
    assert_eq!(candidates("other.example/charts/postgresql"), ["registry.example/charts/postgresql"]);
    assert_eq!(candidates("chart").len(), 8);
    assert!(candidates("zzzzzz").is_empty());
    assert!(candidates(&"z".repeat(100_000)).is_empty());
    assert!(candidates("").is_empty());
}
