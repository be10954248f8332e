//! Templates: what they make, and what of it deserves a second look.

use super::*;

#[test]
fn templates_are_told_by_kind_and_name() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        check(&[("templates/a.yaml", old)], &[("templates/a.yaml", new)], expect);
    };
    let service = "{{- if .Values.on }}\napiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n  name: {{ include \"a\" . }}-web\n{{- end }}\n";
    check("", service, &["object  → Service …-web templates/a.yaml:3"]);
    check(
        service,
        &service.replace("{}", "{b: c}"),
        &["object Service …-web templates/a.yaml:3 → Service …-web templates/a.yaml:3"],
    );
    check(service, &format!("{{{{/* a comment\nkind: Secret */}}}}\n{service}"), &[]);
    check(service, &format!("---\n# only a comment\n---\n{service}---\n{{{{- if .x }}}}\n{{{{ end }}}}\n"), &[]);
    check(
        "kind: A\nmetadata: {name: one}\n---\nkind: A\nmetadata:\n  name: \"two\"\n",
        "kind: A\nmetadata:\n  name: 'two'\n  x: y\n",
        &["object A one templates/a.yaml:1 → ", "object A two templates/a.yaml:4 → A two templates/a.yaml:1"],
    );
    check("", "metadata:\n  generateName: job-\nkind: Job\n", &["object  → Job job-… templates/a.yaml:3"]);
    // Inside of a condition, everything may stand further right.
    check(
        "",
        "{{ if x }}\n  kind: Job\n  metadata:\n    name: b\n  spec:\n    kind: No\n{{ end }}\n",
        &["object  → Job b templates/a.yaml:2"],
    );
    check("", "kind: {{ .Values.kind }}\n", &["unread templates/a.yaml:1 its kind is not literal"]);
    check("", "a: b\n", &["unread templates/a.yaml:1 no kind stands in it"]);
    check(
        "a: b\n",
        "kind: B\n---\n{{ include \"common.web\" . }}\n",
        &["object  → B  templates/a.yaml:1", "unread templates/a.yaml:3 what it makes shows only when it is rendered"],
    );
}

#[test]
fn an_object_that_moves_to_another_file_is_the_same() {
    let object = "kind: A\nmetadata:\n  name: one\n";
    check(&[("templates/a.yaml", object)], &[("templates/b.yaml", object)], &[]);
    let other = "kind: A\nmetadata:\n  name: one\nspec: 1\n";
    check(
        &[("templates/a.yaml", object)],
        &[("templates/b.yaml", other)],
        &["object A one templates/a.yaml:1 → A one templates/b.yaml:1"],
    );
}

#[test]
fn partials_and_notes_make_nothing_by_themselves() {
    let partial = "templates/_helpers.tpl";
    check(
        &[(partial, "kind: A\n")],
        &[(partial, "kind: B\n")],
        &["unread templates/_helpers.tpl it holds named templates: what they make shows only when they are rendered"],
    );
    check(
        &[("templates/NOTES.txt", "kind: A\n"), ("README.md", "a")],
        &[("templates/NOTES.txt", "b"), ("README.md", "b")],
        &[],
    );
}

/// Everything that deserves a second look, told where it is new and never where it was before.
#[test]
fn what_deserves_a_second_look_is_told_once() {
    let pod = |spec: &str| format!("kind: Pod\nmetadata:\n  name: web\nspec:\n{spec}");
    let check = |spec: &str, expect: &[&str]| {
        let (plain, with) = (pod("  a: b\n"), pod(&format!("  a: b\n{spec}")));
        let notices = |old: &str, new: &str| -> Vec<String> {
            let found = compare(&chart(&[("templates/a.yaml", old)]), &chart(&[("templates/a.yaml", new)]));
            lines(&found).into_iter().filter_map(|line| Some(line.strip_prefix("! ")?.to_owned())).collect()
        };
        assert_eq!(notices(&plain, &with), expect, "{spec}");
        assert_eq!(notices(&with, &format!("{with}  c: d\n")), [""; 0], "{spec}");
        assert_eq!(notices(&with, &plain), [""; 0], "{spec}");
    };
    check("  securityContext:\n    privileged: true\n", &["Privileged Pod web: privileged templates/a.yaml:7"]);
    check("  securityContext: {privileged: true}\n", &["Privileged Pod web: privileged templates/a.yaml:6"]);
    check("    privileged: {{ .Values.p }}\n", &["Privileged Pod web: privileged: {{ .Values.p }} templates/a.yaml:6"]);
    check("    privileged: false\n", &[]);
    check("    allowPrivilegeEscalation: true\n", &["Privileged Pod web: allowPrivilegeEscalation templates/a.yaml:6"]);
    check("  hostNetwork: true\n", &["HostNamespace Pod web: hostNetwork templates/a.yaml:6"]);
    check(
        "  hostPID: true\n  hostIPC: true\n",
        &["HostNamespace Pod web: hostPID templates/a.yaml:6", "HostNamespace Pod web: hostIPC templates/a.yaml:7"],
    );
    check("  - hostPath:\n      type: Directory\n      path: /run\n", &["HostPath Pod web: /run templates/a.yaml:6"]);
    check("  - hostPath: {path: /run}\n", &["HostPath Pod web: /run templates/a.yaml:6"]);
    check(
        "  annotations:\n    \"helm.sh/hook\": pre-install,pre-upgrade\n",
        &["Hook Pod web: pre-install,pre-upgrade templates/a.yaml:7"],
    );
    check(
        "  x: {{ lookup \"v1\" \"Secret\" .Release.Namespace \"x\" | toYaml }}\n",
        &["Lookup \"v1\" \"Secret\" .Release.Namespace \"x\" templates/a.yaml:6"],
    );
    check("  x: {{ tpl .Values.x . }}\n", &["Tpl  templates/a.yaml:6"]);
    check("  x: {{ include \"common.tplvalues.render\" . }} {{ .tpl }}\n", &[]);
}

#[test]
fn new_roles_bindings_webhooks_and_rules_are_told() {
    let role = |kind: &str, rules: &str| format!("kind: {kind}\nmetadata:\n  name: r\n{rules}");
    let check = |old: &str, new: &str, expect: &[&str]| {
        let found = compare(&chart(&[("templates/a.yaml", old)]), &chart(&[("templates/a.yaml", new)]));
        let notices: Vec<String> =
            lines(&found).into_iter().filter_map(|line| Some(line.strip_prefix("! ")?.to_owned())).collect();
        assert_eq!(notices, expect, "{new}");
    };
    for (kind, matter) in [
        ("ClusterRole", "ClusterRole"),
        ("ClusterRoleBinding", "ClusterRoleBinding"),
        ("Role", "Role"),
        ("RoleBinding", "RoleBinding"),
        ("MutatingWebhookConfiguration", "Webhook"),
        ("ValidatingWebhookConfiguration", "Webhook"),
        ("APIService", "Webhook"),
    ] {
        check("", &role(kind, ""), &[&format!("{matter} {kind} r templates/a.yaml:1")]);
    }
    check("", &role("Service", ""), &[]);
    let some = role("ClusterRole", "rules:\n- resources: [pods]\n  verbs: [get, list]\n");
    check(&some, &some.replace("[get, list]", "[list]"), &[]);
    check(
        &some,
        &some.replace("[get, list]", "[get, delete, list]"),
        &["Rules ClusterRole r: delete templates/a.yaml:1"],
    );
    check(
        &some,
        &format!("{some}- resources: [secrets]\n  verbs: [get]\n"),
        &["Rules ClusterRole r: secrets templates/a.yaml:1"],
    );
    check(
        &some,
        &format!("{some}- resources: [pods]\n  verbs: [list]\n"),
        &["Rules ClusterRole r: pods, list templates/a.yaml:1"],
    );
    check(&some, &some.replace("[get, list]", "\n  - get\n  # delete\n  - 'list'"), &[]);
    check(
        &some,
        &some.replace("[get, list]", "[\"*\"]"),
        &["Wildcard ClusterRole r: verbs: * templates/a.yaml:6", "Rules ClusterRole r: * templates/a.yaml:1"],
    );
    let binding = role("ClusterRoleBinding", "roleRef:\n  kind: ClusterRole\n  name: view\n");
    check(
        &binding,
        &binding.replace("view", "cluster-admin"),
        &["Rules ClusterRoleBinding r: cluster-admin templates/a.yaml:1"],
    );
}

#[test]
fn definitions_are_told_with_their_versions() {
    let crd = |versions: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a.example\nspec:\n  names:\n    kind: A\n  versions:\n{versions}"
        )
    };
    let v1 = "  - name: v1\n    served: true\n    schema:\n      properties:\n        name: {type: string}\n        hostPath:\n          properties:\n            path: x\n        privileged: true\n";
    let v2 = "  - schema:\n      name: no\n    name: v2\n    served: true\n";
    for file in ["crds/a.yaml", "templates/crds.yaml"] {
        let check = |old: Option<&str>, new: Option<&str>, expect: &[&str]| {
            let with = |text: Option<&str>| text.map(crd);
            let (old, new) = (with(old), with(new));
            let files = |text: &Option<String>| {
                text.iter().map(|text| chart(&[(file, text)])).next().unwrap_or_else(|| chart(NOTHING))
            };
            let found = compare(&files(&old), &files(&new));
            let notices: Vec<String> = lines(&found)
                .into_iter()
                .filter_map(|line| Some(line.strip_prefix("! ")?.replace(file, "@")))
                .collect();
            assert_eq!(notices, expect);
        };
        check(None, Some(v1), &["Crd CustomResourceDefinition a.example @:2"]);
        check(Some(v1), None, &["CrdGone CustomResourceDefinition a.example @:2"]);
        check(Some(v1), Some(&format!("{v1}{v2}")), &["CrdVersion a.example: v2 @:20"]);
        check(Some(&format!("{v1}{v2}")), Some(v2), &["CrdVersionGone a.example: v1 @:9"]);
        check(Some(v1), Some(&v1.replace("served: true", "served: false")), &["CrdVersionGone a.example: v1 @:9"]);
        check(Some(v1), Some(&v1.replace("string", "integer")), &[]);
        // A list may stand further right than its key.
        let right: String = v1.split_inclusive('\n').flat_map(|line| ["  ", line]).collect();
        check(Some(v1), Some(&right), &[]);
    }
}

#[test]
fn default_values_can_ask_for_the_node() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let found = compare(&chart(&[("values.yaml", old)]), &chart(&[("values.yaml", new)]));
        let notices: Vec<String> =
            lines(&found).into_iter().filter_map(|line| Some(line.strip_prefix("! ")?.to_owned())).collect();
        assert_eq!(notices, expect, "{new}");
    };
    check("a: {privileged: false}\n", "a: {privileged: true}\n", &["Privileged a.privileged: true values.yaml:1"]);
    check("hostNetwork: false\n", "hostNetwork: true\n", &["HostNamespace hostNetwork: true values.yaml:1"]);
    check("a: []\n", "a:\n- hostPath:\n    path: /run\n", &["HostPath a[0].hostPath.path: /run values.yaml:3"]);
    check("hostNetwork: true\n", "# more\nhostNetwork: true\n", &[]);
}
