//! Words in pieces, in variables, in other places than where they are looked for: each is told, or said to be unread.

use super::evasions::{ALIASES, CONDITION, HIDDEN, POD, seen};
use super::*;

/// What is told of lines that a pod has more, and values that the chart has more; `@` is the template.
#[track_caller]
fn told(added: &str, values: &str) -> Vec<String> {
    told_against("", added, values)
}

#[track_caller]
fn told_against(old: &str, new: &str, values: &str) -> Vec<String> {
    let (old, new) = (format!("{POD}{old}"), format!("{POD}{new}\n"));
    let found = seen(&[("templates/a.yaml", &old)], &[("templates/a.yaml", &new), ("values.yaml", values)]);
    found.iter().map(|line| line.replace("templates/a.yaml", "@")).collect()
}

#[track_caller]
fn check(added: &str, expect: &[&str]) {
    assert_eq!(told(added, ""), expect, "{added}");
}

#[test]
fn functions_hide_nothing_behind_variables_and_named_templates() {
    let at =
        |lines: &[u32]| -> Vec<String> { lines.iter().map(|line| HIDDEN.replace(":6", &format!(":{line}"))).collect() };
    for (added, lines) in [
        ("{{ $d := dict (print \"privi\" \"leged\") true }}\n  {{- toYaml $d | nindent 2 }}", &[6, 7][..]),
        ("{{ $d := fromYaml .Values.a }}{{ $e := $d }}\n  {{ toYaml $e }}", &[6, 7]),
        ("{{ $d := dict }}{{ $_ := set $d (print \"a\") true }}", &[6]),
        ("  {{- with dict (print \"privi\" \"leged\") true }}\n  {{- toYaml . | nindent 2 }}\n  {{- end }}", &[6]),
        ("  {{- range $k := list (b64dec \"YQ==\") }}\n  {{ $k }}: a\n  {{- end }}", &[6, 7]),
        ("  {{ include \"render\" (dict \"value\" (dict (print \"privi\" \"leged\") true)) | nindent 4 }}", &[6]),
        ("  {{ include \"render\" (dict \"value\" (dict .Values.a true)) }}", &[6]),
        ("  {{ include \"render\" (print \"privi\" .Values.b) }}", &[6]),
        ("  a: {{ include \"x\" (dict \"a\" .b \"c\" .d .e) }}", &[6]),
        ("{{- if $x := b64dec .Values.a }}{{ toYaml $x }}{{ end }}", &[6]),
    ] {
        assert_eq!(told(added, ""), at(lines), "{added}");
    }
    for added in [
        "{{ $name := printf \"%s: %s\" .Values.a .Values.b }}",
        "{{ $name := printf \"%s-%s\" .Release.Name .Values.a | trunc 63 }}\n  x: {{ $name }}",
        "  {{ include \"a\" (dict \"privi\" .Values.a \"b\" $ \"c\" (list 1 2)) }}",
        "{{- if (eq .Values.a (b64dec \"YQ==\")) }}{{ end }}",
        "  x: {{ include (print $.Template.BasePath \"/cm.yaml\") . | sha256sum }}",
        "  x: {{ join \",\" .Values.a | quote }}",
        "  x: {{ .Chart.Name }}-{{ .Chart.Version | replace \"+\" \"_\" }}",
        "  x: {{ index .Values \"a-b\" | default $.Values.c.d }}{{ index $.Values.a $k }}",
        "  {{- range .Values.a }}\n  {{- toYaml . | nindent 2 }}\n  {{- end }}",
    ] {
        check(added, &[]);
    }
}

#[test]
fn functions_that_make_other_words_are_said_to_be_unread() {
    for call in [
        "trimPrefix \"zz\" .Values.a",
        ".Values.a | replace \"Q\" \"v\"",
        "substr 1 4 .Values.a",
        "trimAll \"z\" .Values.a",
        ".Values.a | lower",
        ".Values.a | trunc -10",
        ".Values.a | trimSuffix \"x\"",
        "printf \"%c\" 10",
        "printf .Values.a .Values.b",
        "printf \"%sleged:\\ttrue\" .Values.a",
        "print \"Uncon\" \"fined\"",
        "tpl (print \"{\" \"{ .x }\" \"}\") .",
        "index . (print \"Fi\" \"les\")",
        "get $ $name",
        ".Chart.AppVersion | replace \"a\" \"b\"",
        ".Values.a | lower | quote",
    ] {
        let found = told(&format!("  x: {{{{ {call} }}}}"), "");
        assert!(found.contains(&HIDDEN.to_owned()), "{call} {found:?}");
    }
}

/// A template has one half of a word, a value the other one.
#[test]
fn words_in_two_halves_are_said_to_be_unread() {
    for line in [
        "  privi{{ .Values.a }}",
        "  x: {{ .Values.nl }}leged: true",
        "  x: {{ .Values.nl }}: true",
        "  x: {{ .Values.a | nindent 2 }}leged: true",
        "  {{ .Values.a | nindent 2 }}{{ .Values.b }}",
        "  {{- .Values.a | nindent 2 }}\n  {{- .Values.b }}",
        "  {a: \"{{ .Values.a }}\": true}",
        "  type: Uncon{{ .Values.a }}",
        "  type: {{ .Values.a }}confined",
        "  x: {{ .Values.a }}{{ if .b }}leged{{ end }}: true",
        "  ? \"privi\\\n  leged\"\n  : true",
        "  !!binary \"cHJpdmlsZWdlZA==\": true",
        "  \"helm.sh\\/hook\": pre-install",
    ] {
        let found = told(line, "");
        assert!(found.iter().any(|line| line.contains("actions make keys or lines of it")), "{line} {found:?}");
    }
    let half =
        "unread values.yaml:1 a default value may be a part of a key: what that is shows only when it is rendered";
    for value in ["\"leged: true\"", "\": true\"", "\"1\\n  privi\"", "\"1, privi\"", "hostNetw"] {
        assert_eq!(told("  x: {{ .Values.a }}", &format!("a: {value}\n")), [half], "{value}");
    }
    assert_eq!(told("  x: y", "a: privileged\n"), ["! Privileged a: privileged values.yaml:1"]);
    for value in ["a", "host", "Cluster", "\"a: b\"", "\"10:30\"", "|\n  a: b\n  c: d", "[get, list]"] {
        assert_eq!(told("  x: {{ .Values.a }}", &format!("a: {value}\n")), [""; 0], "{value}");
    }
}

#[test]
fn whatever_stands_in_crds_is_looked_at() {
    let pod = "kind: Pod\nmetadata:\n  name: p\nspec:\n  hostPID: true\n  containers:\n  - image: evil.example/x:1\n    securityContext: {privileged: true}\n";
    let found = lines(&compare(&chart(NOTHING), &chart(&[("crds/a.yaml", pod)])));
    assert_eq!(
        found,
        [
            "! Privileged Pod p: privileged crds/a.yaml:8",
            "! HostNamespace Pod p: hostPID crds/a.yaml:5",
            "! ImageRepository evil.example/x crds/a.yaml:7",
            "image  → evil.example/x:1 crds/a.yaml:7",
            "object  → Pod p crds/a.yaml:1",
        ]
    );
    let hidden = "kind: Pod\nspec:\n  \"\\x70rivileged\": true\n";
    assert_eq!(seen(NOTHING, &[("crds/a.yaml", hidden)]), [HIDDEN.replace("@:6", "crds/a.yaml:3")]);
    // Kubernetes takes whatever has items for a list of these.
    let definition = "kind: CustomResourceDefinition\nmetadata:\n  name: k\nspec:\n  a: b\n";
    let list = format!("{definition}items:\n- kind: Pod\n  metadata:\n    name: z\n  spec:\n    hostPID: true\n");
    for file in ["crds/a.yaml", "templates/a.yaml"] {
        assert_eq!(
            seen(&[(file, definition)], &[(file, &list)]),
            [
                format!("! HostNamespace Pod z: hostPID {file}:11"),
                format!("! CrdGone CustomResourceDefinition k {file}:1")
            ]
        );
    }
    let brackets = "{kind: CustomResourceDefinition, items: [{kind: Pod, spec: {hostPID: true}}]}";
    assert_eq!(
        seen(NOTHING, &[("crds/a.yaml", brackets)]),
        [
            "! HostNamespace hostPID crds/a.yaml:1",
            "! Crd kind: CustomResourceDefinition crds/a.yaml:1",
            "unread crds/a.yaml:1 it is a list of objects that cannot be told apart"
        ]
    );
}

/// Another path of the node is new, wherever it stands.
#[test]
fn paths_of_the_node_are_their_own() {
    let check = |form: &str| {
        let with = |path: &str| form.replace('@', path);
        let found = told_against(&format!("{}\n", with("/tmp")), &with("/etc"), "");
        let paths = found.iter().filter(|line| line.starts_with("! HostPath ") && line.contains("/etc"));
        assert_eq!(paths.count(), 1, "{form} {found:?}");
    };
    check("  - hostPath: {path: @}");
    check("  - hostPath: @");
    check("  volumes: [{name: a, hostPath: {path: /tmp}}, {name: b, hostPath: {path: @}}]");
    check("  hostPath:\n    # a\n    # b\n    # c\n    path: @");
    check("  hostPath:\n    # path: /tmp\n    path: @");
    check("  hostPath:\n    path: /tmp\n    path: @");
    check("  hostPath:\n    {path: /tmp,\npath: @}");
    check("  hostPath: {path: /tmp,\npath: @}");
    check("  hostPath: {type: \"}\",\npath: @}");
    check("  hostPath:\n    path:\n      @");
    check("  hostPath:\n    path: \"/\\\n      @\"");
    check("  hostPath:\n    type: {path: /tmp}\n    path: @");
    check("  hostPath:\n    {{ if .a }}path: /tmp{{ else }}path: @{{ end }}");
    check("  - name: a\n    hostPath:\n      path: @\n    path: /other");
}

#[test]
fn what_stands_under_another_condition_is_told() {
    let check = |form: &str, old: &str, new: &str, line: u32| {
        let with = |condition: &str| form.replace('@', condition);
        let found = seen(&[("templates/a.yaml", &with(old))], &[("templates/a.yaml", &with(new))]);
        let expect = format!("unread templates/a.yaml:{line} {CONDITION}");
        assert_eq!(found.iter().filter(|line| **line == expect).count(), 1, "{form} {found:?}");
        assert_eq!(
            seen(&[("templates/a.yaml", &with(new))], &[("templates/a.yaml", &format!("{}# more\n", with(new)))]),
            [""; 0]
        );
    };
    let line = format!("{POD}  {{{{ if @ }}}}privileged: true{{{{ end }}}}\n");
    check(&line, ".Values.never", "true", 6);
    check(
        &format!("{POD}  {{{{ if .a }}}}\n  {{{{ else if @ }}}}\n  hostPID: true\n  {{{{ end }}}}\n"),
        "false",
        "true",
        6,
    );
    check(&format!("{POD}{{{{ with @ }}}}\n  hostPID: true\n{{{{ end }}}}\n"), ".Values.a", ".Values.b", 6);
    check(&format!("{{{{ $on := @ }}}}\n{POD}{{{{ if $on }}}}\n  hostPID: true\n{{{{ end }}}}\n"), "false", "true", 7);
    check("{{ if @ }}\nkind: ClusterRole\nmetadata:\n  name: r\n{{ end }}\n", ".Values.never", "true", 1);
    check(
        "{{ if @ }}\n{{ block \"a\" . }}{{ end }}\n---\nkind: ClusterRole\nmetadata:\n  name: r\n---\n{{ end }}\n",
        "false",
        "true",
        1,
    );
    // Two branches that change places, either way.
    let branches =
        |one: &str, other: &str| format!("{POD}{{{{ if .a }}}}\n  {one}\n{{{{ else }}}}\n  {other}\n{{{{ end }}}}\n");
    let power = "hostPID: true";
    for (old, new) in
        [(branches("c: d", power), branches(power, "c: d")), (branches(power, "c: d"), branches("c: d", power))]
    {
        assert_eq!(
            seen(&[("templates/a.yaml", &old)], &[("templates/a.yaml", &new)]),
            [format!("unread templates/a.yaml:6 {CONDITION}")]
        );
    }
    // Two conditions that change places.
    let two = |one: &str, other: &str| {
        format!(
            "{POD}{{{{ if {one} }}}}\n  hostPID: true\n{{{{ end }}}}\n{{{{ if {other} }}}}\n  a: b\n{{{{ end }}}}\n"
        )
    };
    assert_eq!(
        seen(&[("templates/a.yaml", &two(".off", ".on"))], &[("templates/a.yaml", &two(".on", ".off"))]),
        [format!("unread templates/a.yaml:6 {CONDITION}")]
    );
}

#[test]
fn aliases_may_say_something_else() {
    let why = ALIASES.replace(":6", ":7");
    for (old, new) in [
        ("  x: &a false\n  privileged: *a\n", "  x: &a true\n  privileged: *a\n"),
        ("  x: &a\n    no\n  y: {privileged: *a}\n", "  x: &a\n    on\n  y: {privileged: *a}\n"),
        ("  x: &a /tmp\n  hostPath: {path: *a}\n", "  x: &a /\n  hostPath: {path: *a}\n"),
        ("  x: &a y\n  *a : true\n", "  x: &a z\n  *a : true\n"),
    ] {
        let found = told_against(old, new, "");
        assert_eq!(found.iter().filter(|line| line.contains("it has aliases")).count(), 1, "{new} {found:?}");
    }
    assert!(told_against("  x: &a false\n  privileged: *a\n", "  x: &a true\n  privileged: *a\n", "").contains(&why));
    assert_eq!(told_against("", "  x: [\"*\", \"*.example\", \"a*\"] # *a\n", ""), [""; 0]);
}

#[test]
fn all_lines_that_are_not_read_are_counted() {
    let many = (0..9).map(|at| format!("  {{{{ b64dec .Values.d{at} }}}}\n")).collect::<Vec<_>>().concat();
    assert_eq!(told(&many, "").len(), 9);
}

#[test]
fn more_than_being_privileged_deserves_a_second_look() {
    check("  securityContext: {capabilities: {add: [ALL]}}", &["! Privileged Pod web: add: ALL @:6"]);
    check("  - add:\n    - SYS_ADMIN\n    drop:\n    - ALL", &["! Privileged Pod web: add: SYS_ADMIN @:7"]);
    check("  add: {{ .Values.caps }}", &["! Privileged Pod web: add: {{ .Values.caps }} @:6"]);
    check(
        "  add:\n    {{- toYaml .Values.caps | nindent 4 }}",
        &["! Privileged Pod web: add: {{- toYaml .Values.caps | nindent 4 }} @:6"],
    );
    check("  drop: [ALL]", &[]);
    check("  windowsOptions: {hostProcess: true}", &["! Privileged Pod web: hostProcess @:6"]);
    check("  procMount: Unmasked", &["! Privileged Pod web: procMount: Unmasked @:6"]);
    check("  procMount: Default", &[]);
    check("  seccompProfile: {type: Unconfined}", &["! Privileged Pod web: type: Unconfined @:6"]);
    check("  a.example/x: unconfined", &["! Privileged Pod web: a.example/x: unconfined @:6"]);
    check("  - hostPort: 80", &["! HostNamespace Pod web: hostPort: 80 @:6"]);
    for kind in ["MutatingAdmissionPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
        let new = format!("kind: {kind}\nmetadata:\n  name: r\n");
        assert_eq!(seen(NOTHING, &[("templates/a.yaml", &new)]), [format!("! Webhook {kind} r templates/a.yaml:1")]);
    }
    let values = "a:\n  capabilities:\n    add: [SYS_ADMIN]\n    drop: [ALL]\n  procMount: Default\n  hostPort: 80\n";
    assert_eq!(
        seen(NOTHING, &[("values.yaml", values)]),
        ["! Privileged a.capabilities.add[0]: SYS_ADMIN values.yaml:3", "! HostNamespace a.hostPort: 80 values.yaml:6"]
    );
}

#[test]
fn what_makes_the_same_is_told_once() {
    let partial = "{{ define \"a\" }}kind: A{{ end }}\n";
    assert_eq!(seen(&[("templates/_a.tpl", partial)], &[("templates/_b.tpl", partial)]), [""; 0]);
    // What is made by itself on lines of its own is something.
    let made = "{{- include \"a\" . | nindent 0 }}\n";
    assert_eq!(
        seen(NOTHING, &[("templates/a.yaml", made)]),
        ["unread templates/a.yaml:1 what it makes shows only when it is rendered"]
    );
}

/// What took a time that grows with the square of a line or of a document.
#[test]
fn long_lines_and_many_kinds_are_said_to_be_unread() {
    let long = "unread @:6 a line of it is too long to be read word by word";
    assert_eq!(told(&format!("  a: [{}]", "hostPath: {}, ".repeat(40_000)), ""), [long]);
    assert_eq!(told(&format!("  # {}", "privileged".repeat(2_000)), ""), [""; 0]);
    let kinds = (0..20_000).map(|at| format!("kind: A{at}\n")).collect::<Vec<_>>().concat();
    assert_eq!(seen(NOTHING, &[("templates/a.yaml", &kinds)]), ["unread templates/a.yaml:1 its kind cannot be read"]);
    let kinds = format!("{{{}}}", "kind: A, ".repeat(30_000));
    assert_eq!(
        lines(&compare(&chart(NOTHING), &chart(&[("templates/a.yaml", &kinds)]))),
        ["object  → A  templates/a.yaml:1"]
    );
    let nested = (0..500).map(|at| format!("{}hostPath:\n", " ".repeat(at + 2))).collect::<Vec<_>>().concat();
    let nested = format!("{POD}{nested}");
    let found = compare(&chart(&[("templates/a.yaml", POD)]), &chart(&[("templates/a.yaml", &nested)]));
    assert_eq!(found.notices.count, 500);
    let dicts = format!("  {{{{ toYaml {}1{} }}}}", "(dict \"a\" ".repeat(50_000), ")".repeat(50_000));
    check(&dicts, &[]);
}
