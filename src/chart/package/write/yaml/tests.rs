//! What is written is what both YAML readers read.

use proptest::prelude::*;
use serde_json::json;

use super::super::super::super::yaml::Node;
use super::*;

fn written(value: &Value) -> String {
    document(value.as_object().unwrap())
}

fn read_back(yaml: &str) -> Value {
    node(Node::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{yaml}")))
}

fn node(value: Node) -> Value {
    match value {
        Node::Null => Value::Null,
        Node::Bool(flag) => flag.into(),
        Node::Int(number) => json!(i64::try_from(number).unwrap()),
        Node::Float(number) => json!(number),
        Node::Text(text) => text.into(),
        Node::List(list) => list.into_iter().map(node).collect(),
        Node::Map(map) => Value::Object(map.into_iter().map(|(key, value)| (key, node(value))).collect()),
    }
}

#[test]
fn a_document_looks_like_helms() {
    let chart = json!({
        "version": "1.10", "name": "a", "deprecated": true, "keywords": ["x", "no"], "annotations": {"a.b/c": "d\n", "on": ""},
        "dependencies": [{"name": "b", "import-values": [{"parent": ".", "child": [1, 2.5, {}]}, [], "c", ["d", {"e": null}]]}],
    });
    let yaml = r#"annotations:
  "a.b/c": "d\n"
  "on": ""
dependencies:
- import-values:
  - child:
    - 1
    - 2.5
    - {}
    parent: "."
  - []
  - "c"
  -
    - "d"
    - e: null
  name: "b"
deprecated: true
keywords:
- "x"
- "no"
name: "a"
version: "1.10"
"#;
    assert_eq!(written(&chart), yaml);
    assert_eq!(read_back(yaml), chart);
    assert_eq!(written(&json!({})), "{}\n");
}

#[test]
fn long_keys_and_odd_characters_survive() {
    let odd = "\0\t\r\n\u{7}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}\u{10ffff}é😀\"\\/ ";
    for text in [odd, "", " ", "- a: b # c", "%", "---", "..."] {
        let chart = json!({"annotations": {text: text, format!("k{}", "é".repeat(600)): text}});
        assert_eq!(read_back(&written(&chart)), chart);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::from),
        "[-0-9a-zA-Z:~. _#'\"]{0,8}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z<.é]{1,6}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(value in values()) {
        let document = json!({"x": value});
        prop_assert_eq!(read_back(&written(&document)), document);
    }
}
