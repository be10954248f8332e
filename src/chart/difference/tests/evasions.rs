//! What an upstream may try in order to be overlooked: each is told, or said to be unread.

use super::*;

/// The notices and what was not read, of these files against a chart without them.
pub(super) fn seen(old: Files<'_>, new: Files<'_>) -> Vec<String> {
    let found = compare(&chart(old), &chart(new));
    assert_eq!(lines(&compare(&chart(new), &chart(new))), [""; 0]);
    lines(&found).into_iter().filter(|line| line.starts_with("! ") || line.starts_with("unread ")).collect()
}

pub(super) const POD: &str = "kind: Pod\nmetadata:\n  name: web\nspec:\n  a: b\n";

pub(super) const HIDDEN: &str =
    "unread @:6 actions make keys or lines of it: what they say shows only when it is rendered";

pub(super) const ALIASES: &str = "unread @:6 it has aliases, and what they repeat may be something else now";

pub(super) const CONDITION: &str = "what deserves a second look stands under another condition here: whether it is made shows only when it is rendered";

/// A line more in a pod, and what is told of it; `@` is the template.
#[track_caller]
fn check(added: &str, expect: &[&str]) {
    let new = format!("{POD}{added}\n");
    let found = seen(&[("templates/a.yaml", POD)], &[("templates/a.yaml", &new)]);
    let found: Vec<String> = found.iter().map(|line| line.replace("templates/a.yaml", "@")).collect();
    assert_eq!(found, expect, "{added}");
}

const PRIVILEGED: &str = "! Privileged Pod web: privileged @:6";

#[test]
fn comments_begin_and_end_where_go_says_so() {
    check("  x: {{ \"{{/*\" }}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check("  x: {{ `{{/*` | quote }}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check("{{ $c := \"{{/*\" }}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check("{{ $c := \"}}{{- /* \" }}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check("{{/* a }} */}}  privileged: true", &[PRIVILEGED]);
    check("{{/* a */ -}}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check("{{/* privileged: true */}}", &[]);
    check("{{ /* */}}\n  privileged: true", &["! Privileged Pod web: privileged @:7"]);
    check(
        "{{ \"a }}\n  privileged: true",
        &["! Privileged Pod web: privileged @:7", "unread @:6 the template language cannot be read from there on"],
    );
}

#[test]
fn whatever_means_yes_is_yes() {
    for yes in ["true", "True", "on", "yes", "YES", "y"] {
        check(&format!("  privileged: {yes}"), &[PRIVILEGED]);
        check(&format!("  privileged : \"{yes}\" # false"), &[PRIVILEGED]);
    }
    for no in ["false", "no", "Off", "n", "null", "~", "\"false\" # true"] {
        check(&format!("  privileged: {no}"), &[]);
    }
    check("  privileged: !!bool \"true\"", &[PRIVILEGED]);
    check("  privileged: &a true", &[PRIVILEGED]);
    check("  privileged: *a", &["! Privileged Pod web: privileged: *a @:6", ALIASES]);
    check("  privileged:\n    true", &["! Privileged Pod web: privileged: … @:6"]);
    check("  privileged: \"{{ .Values.p }}\"", &["! Privileged Pod web: privileged: {{ .Values.p }}\" @:6"]);
    check("  privileged: {{ if .x }}true{{ end }}", &["! Privileged Pod web: privileged @:6"]);
    check("  privileged: |-\n    true", &["! Privileged Pod web: privileged: |- @:6"]);
}

#[test]
fn keys_are_seen_however_they_are_written() {
    for line in [
        "  securityContext: {privileged: true}",
        "  securityContext: {a: [b], \"privileged\":true}",
        "  \"securityContext\": {'privileged': true}",
        "  -\tprivileged:\ttrue",
        "  - ? privileged : true",
        "  <<: {privileged: true}",
        "  x: {a: \"b # \", privileged: true}",
        "  x: \"a\n    b # \", privileged: true",
        "  !!str privileged: true",
        "  a: b\rprivileged: true",
        "  # a\u{2028}privileged: true",
        "  privi{{- /* */ -}}\n    leged: true",
        "  privi{{/* */}}leged: true",
        "  privi{{ $x := 1 }}leged: true",
        "  {{ \"privi\" }}leged: true",
        "{{ if .x }}  privileged: true{{ end }}",
        "  a: 1\r\n  privileged: true\r",
    ] {
        let new = format!("{POD}{line}\n");
        let found = seen(&[("templates/a.yaml", POD)], &[("templates/a.yaml", &new)]);
        assert!(found.iter().any(|line| line.starts_with("! Privileged Pod web: ")), "{line:?} {found:?}");
    }
    // An anchor that is used as a key.
    check(
        "  a: &a privileged\n  *a : true",
        &["! Privileged Pod web: a: privileged @:6", &ALIASES.replace(":6", ":7")],
    );
    check("  a: x # privileged: true", &[]);
    check("  # privileged: true", &[]);
}

#[test]
fn what_actions_assemble_is_said_to_be_unread() {
    for line in [
        "  {{ .Values.a }}leged: true",
        "  privi{{ if true }}leged{{ end }}: true",
        "  {{ printf \"%s%s\" \"privi\" \"leged\" }}: true",
        "  {{ .Values.a }}{{ .Values.b }}",
        "  {{ b64dec .Values.a }}",
        "  {{ print .Values.a .Values.b }}",
        "  {{- toYaml (dict (untitle .Values.a) true) | nindent 4 }}",
        "  x: {{ \"a\\n  b\" }}",
        "  x: {{ printf \"%s: true\" .Values.a }}",
        "  x: {{ \"\\n---\\n\" }}",
        "  x: {{ .Values.a | b64dec }}",
        "  {{ range list \"privi\" \"leged\" }}{{ . }}{{ end }}",
        "  \"\\x70rivileged\": true",
        "  {\"\\u0070rivileged\": true}",
        "  {{ $x }}: {{ $y }}",
        "  x: {{ contains \"a\" .Values.a | ternary \"a\\n  b\" \"\" }}",
        "  x: {{ printf \"a\u{2028}b%s\" .a }}",
    ] {
        check(line, &[HIDDEN]);
    }
    for line in [
        "  x: {{ printf \"%s-%s\" .Release.Name .Values.a | trunc 63 | trimSuffix \"-\" }}",
        "    {{- toYaml .Values.a | nindent 4 }}",
        "  {{ include \"a.labels\" (dict \"a\" . \"b\" $) | indent 2 }}",
        "  {{- if eq .Values.a \"a: b\" }}\n  x: y\n  {{- else if .b }}\n  {{- end }}",
        "  x: \"{{ .Values.a }}:{{ .Values.b }}\"",
        "  - {{ .Values.a }}:{{ .Values.b }}",
        "  {{ fail \"no: really\" }}",
        "  x: {{ \"{{\" }} a }}",
    ] {
        check(line, &[]);
    }
    check("  x: {{ dict \"privileged\" true | toYaml }}", &["! Privileged privileged @:6"]);
    check("  x: {{ \"privileged\" | quote }}", &["! Privileged privileged @:6"]);
}

/// What was there, and did nothing, may do something now.
#[test]
fn conditions_around_other_documents_are_told_where_they_change() {
    let role = "---\nkind: ClusterRole\nmetadata:\n  name: r\n---\n{{ end }}\n";
    let (off, on) = (format!("{{{{ if .Values.never }}}}\n{role}"), format!("{{{{ if true }}}}\n{role}"));
    let why = "it decides whether the documents below are made: that shows only when they are rendered";
    assert_eq!(
        seen(&[("templates/a.yaml", &off)], &[("templates/a.yaml", &on)]),
        [format!("unread templates/a.yaml:1 {why}"), format!("unread templates/a.yaml:1 {CONDITION}")]
    );
    assert_eq!(seen(&[("templates/a.yaml", &off)], &[("templates/a.yaml", &format!("# more\n{off}"))]), [""; 0]);
    // Of an action over several lines, all of them count.
    let action = |text: &str| format!("{POD}  x: {{{{ b64dec\n   \"{text}\" }}}}\n");
    assert_eq!(
        seen(&[("templates/a.yaml", &action("YQ=="))], &[("templates/a.yaml", &action("Yg=="))]),
        [HIDDEN.replace('@', "templates/a.yaml")]
    );
}

/// What Chart.yaml says besides is any text.
#[test]
fn templates_that_print_chart_yaml_make_it_data() {
    let chart_yaml = |text: &str| format!("{}annotations:\n  a: {text}\n", CHART_YAML.1);
    let (old, new) = (chart_yaml("x"), chart_yaml("y"));
    let check = |action: &str, is_told: bool| {
        let template = format!("{POD}  a: {{{{ {action} }}}}\n");
        let found = seen(
            &[("Chart.yaml", &old), ("templates/a.yaml", &template)],
            &[("Chart.yaml", &new), ("templates/a.yaml", &template)],
        );
        assert_eq!(found.len(), usize::from(is_told), "{action}: {found:?}");
    };
    check(".Chart.Annotations.a", true);
    check("toYaml .Chart", true);
    check("(index $ \"Chart\").Annotations.a", true);
    check(".Chart.Version", false);
}

/// More than is looked at is never silent.
#[test]
fn what_is_too_much_is_said() {
    let decoys = "privileged: true\n".repeat(50_001);
    let images = (0..10_001).map(|at| format!("- image: a.example/x{at}\n")).collect::<Vec<_>>().concat();
    let actions = "{{ lookup 1 }}\n".repeat(10_001);
    for (text, why) in
        [(&decoys, "more lines name rights"), (&images, "they name more images"), (&actions, "it has more actions")]
    {
        let (old, new) = (format!("kind: A\n{text}"), format!("kind: A\n{text}b: c\n"));
        let found = compare(&chart(&[("templates/a.yaml", &old)]), &chart(&[("templates/a.yaml", &new)]));
        assert!(found.unread.first.iter().any(|one| one.why.contains(why)), "{:?}", found.unread);
    }
}

#[test]
fn kinds_are_seen_wherever_they_stand() {
    let check = |new: &str, expect: &[&str]| {
        let found = compare(&chart(&[("templates/a.yaml", POD)]), &chart(&[("templates/a.yaml", new)]));
        let found: Vec<String> = lines(&found).into_iter().filter(|line| !line.starts_with("object Pod web")).collect();
        let found: Vec<String> = found.iter().map(|line| line.replace("templates/a.yaml", "@")).collect();
        assert_eq!(found, expect, "{new}");
    };
    let role = &["! ClusterRole ClusterRole r @:1", "object  → ClusterRole r @:1"];
    check("{apiVersion: v1, kind: ClusterRole, metadata: {name: r}}\n", role);
    check("{\"kind\": \"ClusterRole\",\n \"metadata\": {\"name\": \"r\"}}\n", role);
    check("kind: !!str \"ClusterRole\"\nmetadata: {a: b, name: r}\n", role);
    check("--- {kind: ClusterRole, metadata: {name: r}}\n", role);
    check("---kind: ClusterRole\nmetadata:\n  name: r\n", role);
    check("\u{feff}kind: ClusterRole\r\nmetadata:\r\n  name: r\r\n", role);
    check("kind:\n  ClusterRole\nmetadata:\n  name: r\n", role);
    // A decoy, deeper or in a condition.
    check(
        "spec:\n  kind: Pod\nkind: ClusterRole\nmetadata:\n  name: r\n",
        &["! ClusterRole ClusterRole r @:3", "object  → ClusterRole r @:3"],
    );
    check(
        "{{ if false }}\nkind: Secret\n{{ end }}\nkind: ClusterRole\nmetadata:\n  name: r\n",
        &["! ClusterRole Secret or ClusterRole r @:2", "object  → Secret or ClusterRole r @:2"],
    );
    // Lists of objects.
    let list = "kind: List\nitems:\n- kind: Service\n  metadata:\n    name: s\n- kind: ClusterRole\n  metadata:\n    name: r\n";
    check(list, &["! ClusterRole ClusterRole r @:6", "object  → Service s @:3", "object  → ClusterRole r @:6"]);
    check(
        "kind: List\nitems: [{kind: ClusterRole, metadata: {name: r}}]\n",
        &["! ClusterRole kind: ClusterRole @:2", "unread @:1 it is a list of objects that cannot be told apart"],
    );
    // What cannot be read is said.
    check("kind: \"Cluster\\\n  Role\"\n", &["unread @:1 its kind cannot be read"]);
    check("a: &k ClusterRole\nkind: *k\n", &["unread @:1 its kind cannot be read", &ALIASES.replace(":6", ":2")]);
    check("kind: >-\n  ClusterRole\n", &["! ClusterRole kind: ClusterRole @:2", "unread @:1 its kind cannot be read"]);
    check(
        "kind: {{ ternary \"ClusterRole\" \"Role\" .Values.wide }}\n",
        &["! ClusterRole ClusterRole @:1", "! Role Role @:1", "unread @:1 its kind is not literal"],
    );
    check(
        "{{- if .x -}}\nkind: ClusterRole\nmetadata:\n  name: r\n{{- end }}\n",
        &["! ClusterRole ClusterRole r @:2", "object  → ClusterRole r @:2"],
    );
    check("{{- if .x }}\n{{ fail \"no\" }}\n{{- end }}\n", &[]);
    // Line ends that only YAML knows.
    check(
        "kind: Pod\r---\rkind: ClusterRole\rmetadata:\r  name: r\r",
        &["! ClusterRole ClusterRole r @:3", "object  → Pod  @:1", "object  → ClusterRole r @:3"],
    );
}

#[test]
fn files_are_read_whatever_they_are_called() {
    let role = "kind: ClusterRole\nmetadata:\n  name: r\n";
    let crd = "kind: CustomResourceDefinition\nmetadata:\n  name: r\n";
    for file in ["templates/a", "templates/a.txt", "templates/tests/a.YAML", "templates/NOTES.md"] {
        assert_eq!(seen(NOTHING, &[(file, role)]), [format!("! ClusterRole ClusterRole r {file}:1")]);
    }
    for file in ["crds/a.YAML", "crds/b/c.Yml", "crds/a.JSON"] {
        assert_eq!(seen(NOTHING, &[(file, crd)]), [format!("! Crd CustomResourceDefinition r {file}:1")]);
    }
    let named = "{{ define \"labels\" }}\n  hostNetwork: true\n{{ end }}\n";
    assert_eq!(
        seen(NOTHING, &[("templates/NOTES.txt", named)]),
        [
            "! HostNamespace hostNetwork templates/NOTES.txt:2",
            "unread templates/NOTES.txt it holds named templates: what they make shows only when they are rendered"
        ]
    );
}

/// A file is no data only as long as no template reads it.
#[test]
fn files_that_templates_read_are_said_to_be_unread() {
    let reads = |action: &str| format!("kind: A\n---\n{{{{ {action} }}}}\n");
    let why = "a template may read it: what that makes shows only when it is rendered";
    let check = |action: &str, file: &str, is_told: bool| {
        let template = reads(action);
        let (old, new) = (
            [("templates/a.yaml", template.as_str()), (file, "a")],
            [("templates/a.yaml", template.as_str()), (file, "b")],
        );
        let expect: Vec<String> = is_told.then(|| format!("unread {file} {why}")).into_iter().collect();
        assert_eq!(seen(&old, &new), expect, "{action}");
    };
    check(".Files.Get \"x/a\"", "x/a", true);
    check(".Files.Get \"x/a\"", "x/b", false);
    check("(.Files.Glob \"x/*\").AsConfig", "x/b", true);
    check("$.Files.Glob \"x/*\"", "README.md", false);
    check(".Files.Get .Values.file", "README.md", true);
    check("(index . \"Files\").Get \"a\"", "README.md", true);
    check(".Values.x", "x/a", false);
    // One that was there before, and that a template reads now.
    let file = ("x/a", "a");
    let with = reads(".Files.Get \"x/a\"");
    assert_eq!(
        seen(&[("templates/a.yaml", POD), file], &[("templates/a.yaml", POD), ("templates/b.yaml", &with), file])
            .last()
            .unwrap(),
        &format!("unread x/a {why}")
    );
}

#[test]
fn rules_that_say_more_are_told_without_a_new_word() {
    let role = |rules: &str| format!("kind: ClusterRole\nmetadata:\n  name: r\nrules:\n{rules}");
    let check = |old: &str, new: &str, expect: &[&str]| {
        let (old, new) = (role(old), role(new));
        let found = seen(&[("templates/a.yaml", &old)], &[("templates/a.yaml", &new)]);
        assert_eq!(found, expect, "{new}");
    };
    let two = "- resources: [pods]\n  verbs: [get]\n- resources: [secrets]\n  verbs: [list]\n";
    check(two, "- resources: [secrets]\n  verbs: [list]\n- resources: [pods]\n  verbs: [get]\n", &[]);
    check(two, "- resources: [pods]\n  verbs: [get]\n", &[]);
    check(
        two,
        "- resources: [secrets]\n  verbs: [get]\n- resources: [pods]\n  verbs: [list]\n",
        &["! Rules ClusterRole r: secrets, get, pods, list templates/a.yaml:1"],
    );
    check(two, "- resources: [pods]\n  verbs: [list]\n", &["! Rules ClusterRole r: pods, list templates/a.yaml:1"]);
    let narrow = "- resources: [secrets]\n  resourceNames: [a]\n  verbs: [get]\n";
    check(
        narrow,
        "- resources: [secrets]\n  verbs: [get]\n",
        &["! Rules ClusterRole r: secrets, get templates/a.yaml:1"],
    );
    check(narrow, &narrow.replace("[a]", "[b]"), &["! Rules ClusterRole r: secrets, b, get templates/a.yaml:1"]);
    // Brackets at the beginning of a line are rules, too.
    check(
        two,
        &format!("{two}-\n  {{resources: [nodes], verbs: [get]}}\n"),
        &["! Rules ClusterRole r: nodes templates/a.yaml:1"],
    );
    check(
        two,
        &format!("{two}{{{{ toYaml .Values.rules }}}}\n"),
        &["! Rules ClusterRole r: {{ toYaml .Values.rules }} templates/a.yaml:1"],
    );
    let in_brackets = "kind: ClusterRole\nmetadata: {name: r}\nrules: [{resources: [pods], verbs: [get]}]\n";
    assert_eq!(
        seen(
            &[("templates/a.yaml", in_brackets)],
            &[("templates/a.yaml", &in_brackets.replace("}]", "}, {resources: [pods], verbs: [create]}]"))]
        ),
        ["! Rules ClusterRole r: create templates/a.yaml:1"]
    );
    let crd = |versions: &str| {
        format!("kind: CustomResourceDefinition\nmetadata: {{name: a}}\nspec:\n  versions: {versions}\n")
    };
    assert_eq!(
        seen(&[("crds/a.yaml", &crd("[{name: v1}]"))], &[("crds/a.yaml", &crd("[{name: v1}, {name: v2}]"))]),
        ["! CrdVersion a: v2 crds/a.yaml:4"]
    );
}

#[test]
fn long_texts_are_told_apart() {
    let long = "x".repeat(300);
    let image = |tag: &str| format!("image: registry.example/{long}:{tag}\n");
    let found = compare(&chart(&[("values.yaml", &image("1"))]), &chart(&[("values.yaml", &image("2"))]));
    assert_eq!((found.images.changed, found.values.changed), (1, 1));
    let change = &found.images.first[0];
    assert!(
        change.old.as_ref().unwrap().reference.ends_with(":1")
            && change.new.as_ref().unwrap().reference.ends_with(":2")
    );
    let depends = |alias: &str, repository: &str| {
        let chart_yaml = format!(
            "{}dependencies:\n- name: b\n  version: 1.0.0\n  alias: {long}{alias}\n  repository: https://{long}.example/{repository}\n",
            CHART_YAML.1
        );
        chart(&[("Chart.yaml", &chart_yaml), ("charts/b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 1.0.0\n")])
    };
    assert_eq!(compare(&depends("a", "a"), &depends("a", "b")).dependencies.changed, 1);
    assert_eq!(compare(&depends("a", "a"), &depends("b", "a")).dependencies.count(), 2);
    let hook = |weight: &str| format!("{POD}  \"helm.sh/hook\": {long}{weight}\n");
    assert_eq!(seen(&[("templates/a.yaml", &hook("1"))], &[("templates/a.yaml", &hook("2"))]).len(), 1);
}

#[test]
fn images_are_seen_however_they_are_written() {
    let check = |added: &str, expect: &[&str]| {
        let new = format!("{POD}{added}\n");
        let found = lines(&compare(&chart(&[("templates/a.yaml", POD)]), &chart(&[("templates/a.yaml", &new)])));
        let found: Vec<String> = found
            .iter()
            .filter(|line| !line.starts_with("object") && !line.starts_with("! ImageRepository"))
            .map(|line| line.replace("templates/a.yaml", "@"))
            .collect();
        assert_eq!(found, expect, "{added}");
    };
    let plain = &["image  → evil.example/x:1 @:6"];
    check("  - {name: a, image: evil.example/x:1}", plain);
    check("  - {\"name\":\"a\",\"image\":\"evil.example/x:1\"}", plain);
    check("  - image : !!str 'evil.example/x:1'", plain);
    check("  - image: {{ \"evil.example/x:1\" }}", plain);
    check("  - image:\n      evil.example/x:1", &["image  → evil.example/x:1 @:7"]);
    check("  - image: \"evil.example/\\\n      x:1\"", &["unread @:6 the image in it cannot be read"]);
    check("  - image: >-\n      evil.example/x:1", &["unread @:6 the image in it cannot be read"]);
    check("  - image: {{ default \"evil.example/x:1\" .Values.a }}", &["unread @:6 an action names an image in it"]);
    check("  - image: {{ printf \"%s:%s\" .Values.a .Values.b }}", &[]);
    check("  - image: {{ include \"a.image\" . }}", &[]);
}

#[test]
fn values_are_read_whole() {
    let check = |old: Files<'_>, new: Files<'_>, expect: &[&str]| assert_eq!(seen(old, new), expect);
    let values = |text: &'static str| [("values.yaml", text)];
    check(
        &values("a: b\n"),
        &values("a: b\n---\nprivileged: true\n"),
        &["unread values.yaml it has more than one document, of which not every Helm reads all"],
    );
    check(&values("a: b\n"), &values("a: b\n---\n"), &[]);
    check(NOTHING, &values("p: {privileged: on}\n"), &["! Privileged p.privileged: true values.yaml:1"]);
    check(
        NOTHING,
        &values("p: |\n  securityContext:\n    privileged: true\n"),
        &["! Privileged p: privileged values.yaml:1"],
    );
    check(
        NOTHING,
        &values("p:\n- kind: ClusterRole\n- hostPath: /\n- 'helm.sh/hook': pre-install\n"),
        &[
            "! HostPath p[1].hostPath: / values.yaml:3",
            "! ClusterRole p[0].kind: ClusterRole values.yaml:2",
            "! Hook p[2].helm.sh/hook: pre-install values.yaml:4",
        ],
    );
    let uses = ("templates/_a.tpl", "{{ tpl .Values.a . }}");
    let template = "a: '{{ .Files.Get \"x\" }}'\n";
    check(
        &[uses, ("values.yaml", "a: b\n")],
        &[uses, ("values.yaml", template)],
        &["unread values.yaml:1 a default value is a template: what it makes shows only when it is rendered"],
    );
    check(
        &[uses, ("values.yaml", template), ("x", "a")],
        &[uses, ("values.yaml", template), ("x", "b")],
        &["unread x a template may read it: what that makes shows only when it is rendered"],
    );
    // A subchart that is new is read as well.
    let sub = ("charts/b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 1.0.0\n");
    check(
        NOTHING,
        &[sub, ("charts/b/values.yaml", "a: b\n---\nc: d\n")],
        &[
            "! Dependency b 1.0.0 Chart.yaml",
            "unread charts/b/values.yaml it has more than one document, of which not every Helm reads all",
        ],
    );
    // What comes in with a file is told value by value.
    let found = compare(&chart(NOTHING), &chart(&values("a: 1\n")));
    assert_eq!(lines(&found), ["value  → values.yaml:1 a=1"]);
}
