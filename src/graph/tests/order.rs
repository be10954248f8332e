//! Order, cycles, and what a failure skips.

use super::*;

#[test]
fn dependencies_come_first_and_the_rest_keeps_its_order() {
    let check = |names_: &[&str], dependencies: &[(&str, &str)], expect: &[&str]| {
        for edge in [Edge::Feeds, Edge::After] {
            let graph = charts(names_, dependencies, edge);
            assert_eq!(names(&graph, &graph.order().unwrap()), expect, "{dependencies:?}");
        }
    };
    check(&[], &[], &[]);
    check(&["a", "b", "c"], &[], &["a", "b", "c"]);
    check(&["a", "b", "c"], &[("a", "c")], &["c", "a", "b"]);
    check(&["a", "b", "c"], &[("b", "a"), ("c", "b")], &["a", "b", "c"]);
    check(&["a", "b", "c", "d"], &[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], &["d", "b", "c", "a"]);
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let graph =
        charts(&["a", "b", "c", "d", "e"], &[("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("d", "a")], Edge::After);
    let check = |unit: u32, skipped: &[&str], depends: &[&str]| {
        assert_eq!(names(&graph, &graph.skipped_by(UnitId(unit))), skipped);
        assert_eq!(names(&graph, &graph.depends_on(UnitId(unit))), depends);
    };
    check(0, &["b", "c", "d"], &[]);
    check(1, &["d"], &["a"]);
    check(3, &[], &["a", "b", "c"]);
    check(4, &[], &[]);
}

#[test]
fn a_cycle_draws_itself() {
    let check = |dependencies: &[(&str, &str)], expect: &str| {
        for edge in [Edge::Feeds, Edge::After] {
            let graph = charts(&["a", "b", "c", "d"], dependencies, edge);
            let message = graph.order().unwrap_err().to_string();
            assert!(message.contains(expect), "{message}");
        }
    };
    check(&[("a", "b"), ("b", "a")], "circle: a@1.0.0 → b@1.0.0 → a@1.0.0; remove");
    check(&[("c", "c")], "circle: c@1.0.0 → c@1.0.0; remove");
    check(&[("d", "b"), ("b", "c"), ("c", "d"), ("a", "b")], "circle: b@1.0.0 → c@1.0.0 → d@1.0.0 → b@1.0.0; remove");
}

#[test]
fn the_shortest_way_around_is_drawn() {
    let dependencies = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("b", "a")];
    let message = charts(&["a", "b", "c", "d"], &dependencies, Edge::After).order().unwrap_err().to_string();
    let drawn = message.matches('→').count();
    assert!(drawn == 2 || drawn == 4, "{message}");
}

#[test]
fn charts_of_one_name_are_drawn_by_reference() {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    let mut add = |at: &str| builder.mirrored(Sample::new(at, "1.0.0").unit(), None);
    let (one, other) = (add("registry.example/one/app"), add("registry.example/two/app"));
    builder.depends(one, other, Edge::After);
    builder.depends(other, one, Edge::After);
    let message = builder.finish().order().unwrap_err().to_string();
    let circle = "registry.example/one/app:1.0.0 → registry.example/two/app:1.0.0 → registry.example/one/app:1.0.0";
    assert!(message.contains(circle), "{message}");
}

#[test]
fn what_a_cycle_feeds_has_no_key_and_the_rest_has() {
    let dependencies = [("a", "b"), ("b", "a"), ("c", "a"), ("a", "d")];
    let keyed = |edge| {
        let graph = charts(&["a", "b", "c", "d"], &dependencies, edge);
        graph.ids().map(|unit| graph.key(unit, StepKind::Confirm).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(keyed(Edge::Feeds), [false, false, false, true]);
    assert_eq!(keyed(Edge::After), [true; 4]);
}

#[test]
fn a_long_chain_is_no_deep_recursion() {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    let unit = Sample::new("registry.example/charts/app", "1.0.0").unit();
    let ids = (0..20_000).map(|_| builder.mirrored(unit.clone(), None)).collect::<Vec<_>>();
    for pair in ids.windows(2) {
        builder.depends(pair[0], pair[1], Edge::Feeds);
    }
    let graph = builder.finish();
    let mut expect = ids.clone();
    expect.reverse();
    assert_eq!(graph.order().unwrap(), expect);
    assert_eq!(graph.skipped_by(ids[19_999]).len(), 19_999);
    assert!(graph.key(ids[0], StepKind::Confirm).is_some());
}
