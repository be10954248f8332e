//! Pictures.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::graph::draw::{NodeState, dot, json, mermaid, quote_dot, quote_mermaid};

fn pending(step: &Step) -> NodeState {
    if step.kind() == StepKind::Confirm { NodeState::Pending } else { NodeState::Done }
}

fn all(graph: &StepGraph) -> Vec<UnitId> {
    graph.ids().collect()
}

#[test]
fn one_chart_is_drawn_step_by_step() {
    let sample = Sample::new("registry.example/charts/app", "1.2.3");
    let graph = sample.graph();
    let key = |kind| graph.key(FIRST, kind).unwrap().short();
    let expect = format!(
        "flowchart LR
  n0[\"keyring<br/>{}<br/>done\"]:::done
  n1[\"identity<br/>https://forge.example/mirror.yaml@refs/heads/main<br/>done\"]:::done
  subgraph f0[\"registry.example/charts/app\"]
    n2[\"clear 1.2.3<br/>{}<br/>done\"]:::done
    n3[\"copy 1.2.3<br/>{}<br/>done\"]:::done
    n4[\"sign 1.2.3<br/>{}<br/>done\"]:::done
    n5[\"tag 1.2.3<br/>{}<br/>done\"]:::done
    n6[\"confirm 1.2.3<br/>{}<br/>pending\"]:::pending
  end
  n0 --> n2
  n1 -.-> n3
  n1 --> n4
  n2 --> n3
  n3 --> n4
  n3 --> n5
  n4 -.-> n5
  n5 --> n6
",
        Digest::of(b"keyring").short(),
        key(StepKind::Clear),
        key(StepKind::Copy),
        key(StepKind::Sign),
        key(StepKind::Tag),
        key(StepKind::Confirm),
    );
    let drawn = mermaid(&graph, &all(&graph), &pending);
    assert!(drawn.starts_with(&expect), "{drawn}");

    let drawn = dot(&graph, &all(&graph), &pending);
    assert!(drawn.contains("subgraph cluster_0 {\n    label=\"registry.example/charts/app\";"), "{drawn}");
    assert!(drawn.contains("  n4 -> n5 [style=dashed];\n  n5 -> n6;\n}\n"), "{drawn}");
    assert!(
        drawn.contains(&format!(
            "n6 [label=\"confirm 1.2.3\\n{}\\npending\", tooltip=\"pending\"",
            key(StepKind::Confirm)
        ))
    );
}

#[test]
fn many_charts_are_drawn_as_a_whole_each() {
    let drawn = |versions: usize, charts: usize| {
        let mut builder = Builder::new(vec![Demands::new(true, &[])]);
        for chart in 0..charts {
            for version in 0..versions {
                let destination = format!("registry.example/charts/app-{chart}");
                let sample = Sample::new(&destination, &format!("1.0.{version}"));
                builder.mirrored(sample.unit(), sample.identity.as_ref());
            }
        }
        let graph = builder.finish();
        (mermaid(&graph, &all(&graph), &pending), dot(&graph, &all(&graph), &pending))
    };
    let (mermaid, dot) = drawn(3, 10);
    assert!(mermaid.contains("[\"1.0.2<br/>pending\"]:::pending"), "{mermaid}");
    assert!(dot.contains("label=\"1.0.2\\npending\""), "{dot}");
    let (mermaid, dot) = drawn(4, 300);
    assert!(mermaid.contains("[\"app-299<br/>4 versions: 4 pending\"]:::pending"), "{mermaid}");
    assert!(dot.contains("label=\"app-299\\n4 versions: 4 pending\""), "{dot}");
    assert_eq!(dot.matches("subgraph").count(), 1);
    // What Mermaid draws without being told to try harder.
    assert!(mermaid.matches("-> ").count() <= 500 && mermaid.len() <= 50_000, "{}", mermaid.len());
}

#[test]
fn dependencies_are_drawn_between_charts_however_many_there_are() {
    let names_ = (0..300).map(|at| format!("chart-{at:03}")).collect::<Vec<_>>();
    let names_ = names_.iter().map(String::as_str).collect::<Vec<_>>();
    for names_ in [&names_[..3], &names_[..30], &names_] {
        let graph = charts(names_, &[("chart-001", "chart-000")], Edge::After);
        let drawn = dot(&graph, &all(&graph), &|_| NodeState::Unknown);
        assert_eq!(drawn.matches("[style=dashed]").count(), 1, "{drawn}");
    }
}

#[test]
fn json_has_every_step_of_every_chart() {
    let graph = charts(&["a", "b"], &[("b", "a")], Edge::After);
    let document: Value = serde_json::from_str(&json(&graph, &all(&graph), &pending)).unwrap();
    let steps = document["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 9);
    for (chart, unit) in document["charts"].as_array().unwrap().iter().zip(graph.ids()) {
        let kinds = chart["steps"].as_array().unwrap().iter().map(|at| {
            let step = &steps[usize::try_from(at.as_u64().unwrap()).unwrap()];
            (step["kind"].as_str().unwrap().to_owned(), step["key"].as_str().unwrap().to_owned())
        });
        let expect = graph.steps(unit).map(|step| (step.kind().to_string(), step.key().unwrap().to_string()));
        assert!(kinds.eq(expect));
        assert_eq!(chart["reference"], graph.unit(unit).reference.to_string());
    }
    let after = document["edges"].as_array().unwrap().iter().filter(|edge| edge["edge"] == "after");
    let label = |at: &Value| steps[usize::try_from(at.as_u64().unwrap()).unwrap()]["label"].clone();
    let after = after.map(|edge| (label(&edge["from"]), label(&edge["to"]))).collect::<Vec<_>>();
    let expect = ("confirm registry.example/charts/a:1.0.0".into(), "copy registry.example/charts/b:1.0.0".into());
    assert_eq!(after, [expect]);
}

#[test]
fn only_what_is_selected_is_drawn() {
    let names_ = (0..300).map(|at| format!("chart-{at:03}")).collect::<Vec<_>>();
    let names_ = names_.iter().map(String::as_str).collect::<Vec<_>>();
    let graph = charts(&names_, &[("chart-001", "chart-000"), ("chart-002", "chart-001")], Edge::After);
    let drawn = dot(&graph, &[UnitId(1), UnitId(0)], &pending);
    assert!(drawn.contains("clear 1.0.0") && drawn.contains("keyring"), "{drawn}");
    assert_eq!((drawn.matches("subgraph").count(), drawn.matches("style=dashed").count()), (2, 1), "{drawn}");
    let document: Value = serde_json::from_str(&json(&graph, &[UnitId(2)], &pending)).unwrap();
    let lengths = ["charts", "steps", "edges"].map(|list| document[list].as_array().unwrap().len());
    assert_eq!(lengths, [1, 5, 4]);
}

proptest! {
    #[test]
    fn no_text_leaves_its_label(lines in proptest::collection::vec(any::<String>(), 1..3)) {
        let lines = lines.iter().map(String::as_str).collect::<Vec<_>>();
        let check = |label: &str, escaped: bool| {
            let inner = label.strip_prefix('"').and_then(|label| label.strip_suffix('"')).unwrap();
            assert!(!inner.contains(char::is_control));
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' if escaped => assert!(characters.next().is_some()),
                    character => assert_ne!(character, '"'),
                }
            }
        };
        check(&quote_dot(&lines), true);
        check(&quote_mermaid(&lines), false);
        let mermaid = quote_mermaid(&lines).replace("<br/>", "");
        assert!(!mermaid.contains(['<', '>', '`', '[', ']', '&', '\\', '*', '_']));
    }
}

#[test]
fn labels_are_escaped() {
    let hostile = ["a\"b\\\n", "<i>&#38;\u{202e}`]"];
    assert_eq!(quote_dot(&hostile), "\"a\\\"b\\\\\u{fffd}\\n<i>&amp;#38;\u{fffd}`]\"");
    assert_eq!(quote_mermaid(&hostile), "\"a#34;b#92;\u{fffd}<br/>#60;i#62;#38;#35;38#59;\u{fffd}#96;#93;\"");
}
