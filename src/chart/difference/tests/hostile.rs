//! What hostile charts may cost, and that no text is too much.

use proptest::prelude::*;

use super::super::super::archive::Archive;
use super::*;

/// However much there is, what is told is bounded, and what is not told is counted.
#[test]
fn hostile_charts_neither_hang_nor_flood() {
    let many = |line: &dyn Fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    let values = many(&|at| format!("k{at}: v\n"), 60_000);
    let objects = many(&|at| format!("---\nkind: ClusterRole\nmetadata:\n  name: n{at}\nprivileged: true\n"), 30_000);
    let images = many(&|at| format!("image: registry.example/x{at}\n"), 30_000);
    let files: Vec<String> = (0..2_000).map(|at| format!("files/{at}")).collect();
    let mut all: Vec<(&str, &str)> = files.iter().map(|file| (file.as_str(), "x")).collect();
    all.extend([("values.yaml", values.as_str()), ("templates/a.yaml", &images), ("templates/b.yaml", &objects)]);
    let found = compare(&chart(&[("values.yaml", "a: b\n")]), &chart(&all));
    assert_eq!((found.values.added, found.values.removed), (60_000, 1));
    assert_eq!(found.files.added, 2_002);
    assert!((19_990..20_000).contains(&found.objects.added));
    assert!(found.images.added >= 10_000 && found.notices.count > 39_000);
    assert!(found.unread.first.iter().any(|one| one.why.contains("more documents")), "{:?}", found.unread);
    let text = serde_json::to_string(&found).unwrap();
    assert!(text.len() < 2 << 20, "{}", text.len());
    for list in
        [found.values.first.len(), found.files.first.len(), found.objects.first.len(), found.notices.first.len()]
    {
        assert_eq!(list, ENTRY_LIMIT);
    }
    let cut = found.clone().cut(3);
    assert_eq!((cut.values.count(), cut.values.first.len(), cut.values.more()), (60_001, 3, 59_998));
}

/// Aliases written out, long texts and deep nesting cost no more than their limits.
#[test]
fn values_cannot_cost_more_than_they_may() {
    let text = "x".repeat(400_000);
    let repeated = format!("a: &a {text}\nb: [{}]\n", "*a, ".repeat(100_000));
    let laughs = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
    let deep = format!("a: {}{}\n", "[".repeat(100), "]".repeat(100));
    for values in [repeated.as_str(), laughs, &deep] {
        assert!(values::read_text(values).is_err(), "{}", &values[..20]);
    }
}

/// Text that is mostly YAML and templates.
fn yamlish() -> impl Strategy<Value = String> {
    let words = [
        "kind: ",
        "ClusterRole",
        "apiVersion: v1\n",
        "metadata:\n",
        "  name: ",
        "a",
        "\n",
        "\n",
        "---\n",
        "{{",
        "}}",
        "{{/*",
        "*/}}",
        "- ",
        "  ",
        "image: ",
        "x/y:1",
        "@sha256:",
        ":",
        "rules:\n",
        "\"*\"",
        "'",
        "\"",
        "hostPath:",
        "path: /",
        "privileged: true",
        "versions:\n",
        "spec:\n",
        "CustomResourceDefinition\n",
        "tpl ",
        "lookup ",
        "&a ",
        "*a",
        "<<: ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "é",
        "\u{202e}",
        "\t",
        "\r\n",
        "…",
        "{{ .Values.image.tag }}",
        "tag: ",
        "repository: ",
        "served: false\n",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_much(old in yamlish(), new in yamlish(), noise in any::<String>()) {
        let with = |text: &str| {
            let parts = Archive::of(&[("Chart.yaml", CHART_YAML.1), ("values.yaml", text), ("templates/a.yaml", text), ("templates/_b.tpl", text), ("crds/c.yaml", text), ("d", &noise)]);
            Chart { archive: parts, metadata: chart(NOTHING).metadata }
        };
        let (old, new) = (with(&old), with(&new));
        let difference = compare(&old, &new);
        assert_swapped(&difference, &compare(&new, &old));
        prop_assert!(compare(&old, &old).is_empty() && compare(&new, &new).is_empty());
        let text = serde_json::to_string(&difference).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Difference>(&text).unwrap(), &difference);
        prop_assert!(patch(&old, &old).is_empty());
        prop_assert_eq!(patch(&old, &new).len(), difference.files.count());
    }
}
