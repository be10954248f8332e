//! One pair of charts for each rule, what must never be told, and what hostile charts may cost.

use std::fmt::Write as _;

use super::super::archive::tests::{Entry, gzip, tar_of, tgz};
use super::*;
use crate::chart;

mod evasions;
mod hostile;
mod pieces;
mod templates;

const CHART_YAML: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\nappVersion: \"2.0\"\n");

type Files<'a> = &'a [(&'a str, &'a str)];

/// The chart of these files; of a Chart.yaml that stands twice the first counts.
fn chart(files: Files<'_>) -> Chart {
    let own = files.iter().any(|(path, _)| *path == CHART_YAML.0);
    let files: Vec<_> = (!own).then_some(CHART_YAML).into_iter().chain(files.iter().copied()).collect();
    chart::read(&tgz("a", &files)).unwrap()
}

/// A difference in lines: the list, the sign, and what is told.
fn lines(difference: &Difference) -> Vec<String> {
    fn all<T>(list: &str, changes: &Changes<T>, told: impl Fn(&T) -> String) -> Vec<String> {
        assert_eq!(changes.more(), 0);
        let side = |side: &Option<T>| side.as_ref().map(&told).unwrap_or_default();
        let one = |change: &Change<T>| format!("{list} {} → {}", side(&change.old), side(&change.new));
        changes.first.iter().map(one).collect()
    }
    let at = |line: Option<u32>| line.map(|line| format!(":{line}")).unwrap_or_default();
    let Difference { notices, images, dependencies, objects, values, about, files: _, unread } = difference;
    let mut lines: Vec<String> = notices
        .first
        .iter()
        .map(|notice| format!("! {:?} {} {}{}", notice.matter, notice.what, notice.file, at(notice.line)))
        .collect();
    lines.extend(all("image", images, |image| format!("{} {}{}", image.reference, image.file, at(image.line))));
    lines.extend(all("dependency", dependencies, |one| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        format!("{} {} {} {}", one.path, or_none(&one.alias), or_none(&one.wanted), or_none(&one.vendored))
    }));
    lines.extend(all("object", objects, |one| format!("{} {} {}:{}", one.kind, one.name, one.file, one.line)));
    lines.extend(all("value", values, |one| format!("{}{} {}={}", one.file, at(one.line), one.path, one.value)));
    lines.extend(all("about", about, |one| format!("{} {}={}", one.file, one.field, one.value)));
    lines.extend(unread.first.iter().map(|one| format!("unread {}{} {}", one.file, at(one.line), one.why)));
    lines
}

/// What changes between these files, Chart.yaml aside, in exactly these lines; and the other way round without a mistake.
#[track_caller]
fn check(old: Files<'_>, new: Files<'_>, expect: &[&str]) {
    let (old, new) = (chart(old), chart(new));
    let difference = compare(&old, &new);
    assert_eq!(lines(&difference), expect);
    assert_swapped(&difference, &compare(&new, &old));
    assert!(compare(&old, &old).is_empty());
    assert_eq!(lines(&compare(&new, &new)), [""; 0]);
}

/// What one direction adds, the other one removes.
fn assert_swapped(one: &Difference, other: &Difference) {
    fn counts<T>(changes: &Changes<T>) -> [usize; 3] {
        [changes.added, changes.removed, changes.changed]
    }
    fn turned<T>(changes: &Changes<T>) -> [usize; 3] {
        [changes.removed, changes.added, changes.changed]
    }
    assert_eq!(counts(&one.images), turned(&other.images));
    assert_eq!(counts(&one.dependencies), turned(&other.dependencies));
    assert_eq!(counts(&one.objects), turned(&other.objects));
    assert_eq!(counts(&one.values), turned(&other.values));
    assert_eq!(counts(&one.about), turned(&other.about));
    assert_eq!(counts(&one.files), turned(&other.files));
}

const NOTHING: Files<'static> = &[];

#[test]
fn values_are_compared_by_key() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        check(&[("values.yaml", old)], &[("values.yaml", new)], expect);
    };
    check("a: 1\n", "a: 2\n", &["value values.yaml:1 a=1 → values.yaml:1 a=2"]);
    check("a: 1\n", "a: 1 # more\n", &[]);
    check("a: yes\n", "a: true\n", &[]);
    check("a: \"x\"\n", "a: x\n", &[]);
    check("a: 1\n", "a: \"1\"\n", &["value values.yaml:1 a=1 → values.yaml:1 a=\"1\""]);
    check("a: {}\n", "a:\n  b:\n    c: x\n", &["value  → values.yaml:3 a.b.c=x"]);
    check("a: {b: x}\n", "a: {}\n", &["value values.yaml:1 a.b=x → "]);
    check("a: x\n", "a: {b: x}\n", &["value values.yaml:1 a=x → ", "value  → values.yaml:1 a.b=x"]);
    check("a: [1, 2]\n", "a: [1, 2, x]\n", &["value values.yaml:1 a=[1, 2] → values.yaml:1 a=[1, 2, x]"]);
    check(
        "a:\n- b: 1\n  c: 1\n",
        "a:\n- b: 2\n  c: 1\n- b: 3\n",
        &["value values.yaml:2 a[0].b=1 → values.yaml:2 a[0].b=2", "value  → values.yaml:4 a[1].b=3"],
    );
    check("a: ~\n", "a:\n", &[]);
    check("a: \"\"\n", "a: null\n", &["value values.yaml:1 a=\"\" → values.yaml:1 a=null"]);
    check("a: 0o10\n", "b: 1\n", &["value values.yaml:1 a=8 → ", "value  → values.yaml:1 b=1"]);
    // Anchors and merge keys, as values files have them.
    check(
        "x: &x {a: 1, b: 1}\nz: *x\n",
        "x: &x {a: 1, b: 2}\nz:\n  <<: *x\n  a: 1\n",
        &["value values.yaml:1 x.b=1 → values.yaml:1 x.b=2", "value values.yaml:1 z.b=1 → values.yaml:1 z.b=2"],
    );
    // Helm takes brackets that close where the parser that knows lines does not.
    check(
        "a: {\n  \"b\": 1\n}\nc:\n  d: {\n    \"e\": []\n  }\n",
        "a: {\n  \"b\": 2\n}\nc:\n  d: {\n    \"e\": []\n  }\n",
        &["value values.yaml a.b=1 → values.yaml a.b=2"],
    );
    let long = "x".repeat(300);
    check(
        &format!("a: {long}1\n"),
        &format!("a: {long}2\n"),
        &[&format!("value values.yaml:1 a=…{0}1 → values.yaml:1 a=…{0}2", "x".repeat(20))],
    );
}

#[test]
fn values_that_cannot_be_compared_are_told_as_such() {
    let deep = format!("a: {}{}\n", "[".repeat(65), "]".repeat(65));
    check(
        &[("values.yaml", "a: 1\n")],
        &[("values.yaml", &deep)],
        &["unread values.yaml it is nested more than 64 deep"],
    );
    let large = format!("a: {}\n", "x".repeat(1 << 20));
    check(
        &[("values.yaml", "a: 1\n")],
        &[("values.yaml", &large)],
        &["unread values.yaml it is too large to be compared value by value"],
    );
}

#[test]
fn images_are_found_in_values() {
    let check = |values: &str, images: &[&str]| {
        let found = lines(&compare(&chart(NOTHING), &chart(&[("values.yaml", values)])));
        let found: Vec<&str> = found.iter().filter_map(|line| line.strip_prefix("image  → ")).collect();
        assert_eq!(found, images, "{values}");
    };
    check("image: registry.example/web:1.0\n", &["registry.example/web:1.0 values.yaml:1"]);
    check("image: web\ntag: v1\n", &["web:v1 values.yaml:1"]);
    check("image: {repository: web, tag: v1}\n", &["web:v1 values.yaml:1"]);
    check(
        "image: {registry: registry.example, repository: a/web, tag: 1.2}\n",
        &["registry.example/a/web:1.2 values.yaml:1"],
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    check(
        &format!("image: {{repository: web, tag: v1, digest: {digest}}}\n"),
        &[&format!("web:v1@{digest} values.yaml:1")],
    );
    check(&format!("image: {{repository: web, sha: {}}}\n", "a".repeat(64)), &[&format!("web@{digest} values.yaml:1")]);
    check("a:\n- agentImage:\n    repository: \"web\"\n    tag: \"1.9\"\n", &["web:1.9 values.yaml:3"]);
    check("image: {name: web, tag: v1}\n", &["web:v1 values.yaml:1"]);
    check("init:\n  registry: quay.example\n  image: a/web\n  version: v1\n", &["quay.example/a/web:v1 values.yaml:3"]);
    check(
        "kubectlImage: registry.example/kubectl:1\nbackgroundImage: sky\n",
        &["registry.example/kubectl:1 values.yaml:1"],
    );
    check("image: {repository: web, tag: \"\"}\n", &["web values.yaml:1"]);
    check("repository: https://charts.example\ntag: x\nimage: \"\"\nimages: {image: two words}\n", &[]);
}

/// The appVersion stands for an empty tag only where the chart says so.
#[test]
fn an_empty_tag_is_the_app_version_where_that_is_said() {
    let values = "image:\n  repository: web\n  tag: \"\"\nother:\n  repository: web2\n  tag: \"\"\n";
    let check = |values: &str, template: &str, images: &[&str]| {
        let files = [("values.yaml", values), ("templates/a.yaml", template)];
        let found: Vec<String> = compare(&chart(NOTHING), &chart(&files))
            .images
            .first
            .into_iter()
            .filter_map(|change| change.new)
            .map(|image| image.reference)
            .collect();
        assert_eq!(found, images, "{template}");
    };
    check(values, "x: {{ .Values.image.tag | default .Chart.AppVersion }}\n", &["web2", "web:2.0"]);
    check(
        values,
        "x: {{ include \"image\" (dict \"image\" .Values.image \"tag\" .Chart.AppVersion) }}\n",
        &["web2", "web:2.0"],
    );
    check(values, "x: {{ .Chart.AppVersion }}\n", &["web", "web2"]);
    check(values, "x: {{ .Values.image.pullPolicy }} {{ .Chart.AppVersion }}\n", &["web", "web2"]);
    check("image:\n  repository: web\n  # Defaults to the appVersion.\n  tag: \"\"\n", "", &["web:2.0"]);
    check("image:\n  repository: web\n  tag: # the chart's appVersion\n", "", &["web:2.0"]);
    check("image:\n  repository: web\n  tag: \"1\" # not the appVersion\n", "", &["web:1"]);
}

#[test]
fn images_are_found_in_templates_and_annotations() {
    let template = |image: &str| format!("kind: Pod\nspec:\n  containers:\n  - image: {image}\n");
    let check_template = |image: &str, images: &[&str]| {
        let found = lines(&compare(&chart(NOTHING), &chart(&[("templates/a.yaml", &template(image))])));
        let found: Vec<&str> = found.iter().filter_map(|line| line.strip_prefix("image  → ")).collect();
        assert_eq!(found, images, "{image}");
    };
    check_template("registry.example/web:1", &["registry.example/web:1 templates/a.yaml:4"]);
    check_template("\"web:1\" # comment", &["web:1 templates/a.yaml:4"]);
    check_template("web:{{ .Values.tag }}", &["web:… templates/a.yaml:4"]);
    check_template("web:{{ .Chart.AppVersion }}", &["web:2.0 templates/a.yaml:4"]);
    check_template("{{ .Values.image }}", &[]);
    check_template("{{ .Values.registry }}/web:1", &[]);
    let annotated = |image: &str| {
        format!("{}annotations:\n  artifacthub.io/images: |\n    - name: web\n      image: {image}\n", CHART_YAML.1)
    };
    check(
        &[("Chart.yaml", &annotated("web:1"))],
        &[("Chart.yaml", &annotated("web:2"))],
        &["image web:1 Chart.yaml → web:2 Chart.yaml"],
    );
}

#[test]
fn images_are_matched_by_repository_and_then_by_place() {
    let old = "a: {image: one:1}\nb: {image: two:1}\nc: {image: three:1}\n";
    let new = "b: {image: two:2}\na: {image: other:1}\nc: {image: three:1}\n";
    let found = compare(&chart(&[("values.yaml", old)]), &chart(&[("values.yaml", new)]));
    let images: Vec<String> = lines(&found).into_iter().filter(|line| line.starts_with("image")).collect();
    assert_eq!(
        images,
        [
            "image one:1 values.yaml:1 → ",
            "image  → other:1 values.yaml:2",
            "image two:1 values.yaml:2 → two:2 values.yaml:1",
        ]
    );
    check(
        &[("values.yaml", "a: {image: one:1}\n")],
        &[("values.yaml", "a: {image: registry.example/one:1}\n")],
        &[
            "! ImageRepository registry.example/one values.yaml:1",
            "image one:1 values.yaml:1 → registry.example/one:1 values.yaml:1",
            "value values.yaml:1 a.image=one:1 → values.yaml:1 a.image=registry.example/one:1",
        ],
    );
}

/// What installs a dependency that was there all along, or makes its values the parent's.
#[test]
fn terms_of_dependencies_are_told() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let yaml = |terms: &str| format!("{}dependencies:\n- name: b\n  version: 1.0.0\n{terms}", CHART_YAML.1);
        let found = lines(&compare(&chart(&[("Chart.yaml", &yaml(old))]), &chart(&[("Chart.yaml", &yaml(new))])));
        let found: Vec<&str> = found.iter().filter_map(|line| line.strip_prefix("! Terms ")).collect();
        assert_eq!(found, expect, "{new}");
    };
    let condition = "  condition: b.enabled\n";
    check(condition, condition, &[]);
    check(condition, "", &["b: condition \"b.enabled\" → always Chart.yaml:5"]);
    check("", "  tags: [x]\n", &["b: always → tags [\"x\"] Chart.yaml:5"]);
    let imports = "  import-values:\n  - child: x\n    parent: other\n";
    check("", imports, &["b: always → import-values [{\"child\":\"x\",\"parent\":\"other\"}] Chart.yaml:5"]);
}

/// Another tag comes from where the old one came from, wherever that stood; another host or path is told, once.
#[test]
fn where_images_come_from_is_told_where_nothing_came_from_there() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let found = lines(&compare(&chart(&[("values.yaml", old)]), &chart(&[("values.yaml", new)])));
        let found: Vec<&str> = found.iter().filter_map(|line| line.strip_prefix("! ImageRepository ")).collect();
        assert_eq!(found, expect, "{new}");
    };
    let old = "a: {image: good.example:5000/app:1}\nb: {image: {registry: good.example, repository: side, tag: 1}}\n";
    check(old, "a: {image: good.example:5000/app:2}\n", &[]);
    check(old, &old.replace("tag: 1", &format!("tag: 2, digest: sha256:{}", "a".repeat(64))), &[]);
    check(old, "c: {image: good.example/side:7}\n", &[]);
    check(old, "a: {image: good.example/app:1}\n", &["good.example/app values.yaml:1"]);
    check(old, "a: {image: evil.example/app:1}\nb: {image: evil.example/app:2}\n", &["evil.example/app values.yaml:1"]);
    check(old, &old.replace("registry: good", "registry: evil"), &["evil.example/side values.yaml:2"]);
    check("a: 1\n", "a: {image: evil.example/app:1}\n", &["evil.example/app values.yaml:1"]);
}

#[test]
fn chart_yaml_is_told_field_by_field() {
    let base = CHART_YAML.1;
    let check = |old: &str, new: &str, expect: &[&str]| {
        check(&[("Chart.yaml", &format!("{base}{old}"))], &[("Chart.yaml", &format!("{base}{new}"))], expect);
    };
    check("", "description: other\nkeywords: [a]\n", &[]);
    check(
        "kubeVersion: '>=1.20'\n",
        "kubeVersion: '>=1.25'\n",
        &[
            "! KubeVersion >=1.20 → >=1.25 Chart.yaml:5",
            "about Chart.yaml kubeVersion=>=1.20 → Chart.yaml kubeVersion=>=1.25",
        ],
    );
    check("", "type: application\n", &[]);
    check("", "type: library\n", &["! Type application → library Chart.yaml:5", "about  → Chart.yaml type=library"]);
    check("", "deprecated: true\n", &["! Deprecated a Chart.yaml:5", "about  → Chart.yaml deprecated=true"]);
    check(
        "maintainers: [{name: Ada}]\n",
        "maintainers: [{name: Eve, email: eve@other.example}]\n",
        &[
            "! Maintainer Eve <eve@other.example> Chart.yaml:5",
            "about Chart.yaml maintainers=Ada → ",
            "about  → Chart.yaml maintainers=Eve <eve@other.example>",
        ],
    );
    check(
        "home: https://a.example/x\n",
        "home: https://a.example/y\nsources: ['https://A.example/z']\n",
        &[
            "about Chart.yaml home=https://a.example/x → Chart.yaml home=https://a.example/y",
            "about  → Chart.yaml sources=https://A.example/z",
        ],
    );
    check(
        "icon: https://a.example/x\n",
        "icon: https://b.example/x\n",
        &[
            "! Host b.example in icon Chart.yaml:5",
            "about Chart.yaml icon=https://a.example/x → Chart.yaml icon=https://b.example/x",
        ],
    );
    super::tests::check(
        &[CHART_YAML],
        &[("Chart.yaml", &base.replace("2.0", "3.0"))],
        &["! AppVersion 2.0 → 3.0 Chart.yaml:4", "about Chart.yaml appVersion=2.0 → Chart.yaml appVersion=3.0"],
    );
}

#[test]
fn subcharts_are_dependencies_and_their_files_are_theirs() {
    let depends = |version: &str| {
        format!(
            "{}dependencies:\n- name: b\n  version: {version}\n  repository: https://charts.example\n",
            CHART_YAML.1
        )
    };
    let sub = |version: &str| format!("apiVersion: v2\nname: b\nversion: {version}\n");
    let (one, two) = (depends("1.0.0"), depends("2.0.0"));
    let (sub_one, sub_two) = (sub("1.0.0"), sub("2.0.0"));
    let role = "kind: ClusterRole\nmetadata:\n  name: r\n";
    let unpacked: &[(&str, &str)] = &[
        ("Chart.yaml", &two),
        ("charts/b/Chart.yaml", &sub_two),
        ("charts/b/values.yaml", "a: 2\n"),
        ("charts/b/templates/r.yaml", role),
    ];
    let old: &[(&str, &str)] =
        &[("Chart.yaml", &one), ("charts/b/Chart.yaml", &sub_one), ("charts/b/values.yaml", "a: 1\n")];
    check(
        old,
        unpacked,
        &[
            "! ClusterRole ClusterRole r charts/b/templates/r.yaml:1",
            "dependency charts/b - 1.0.0 1.0.0 → charts/b - 2.0.0 2.0.0",
            "object  → ClusterRole r charts/b/templates/r.yaml:1",
            "value charts/b/values.yaml:1 a=1 → charts/b/values.yaml:1 a=2",
        ],
    );
    // A new one is told as such, and its values are not told one by one.
    check(
        NOTHING,
        unpacked,
        &[
            "! ClusterRole ClusterRole r charts/b/templates/r.yaml:1",
            "! Dependency b 2.0.0 from https://charts.example Chart.yaml",
            "! Host charts.example in dependencies Chart.yaml:5",
            "dependency  → charts/b - 2.0.0 2.0.0",
            "object  → ClusterRole r charts/b/templates/r.yaml:1",
        ],
    );
}

/// A packed subchart is compared with an unpacked one, file by file.
#[test]
fn packed_subcharts_are_the_same_as_unpacked_ones() {
    let sub: &[(&str, &[u8])] =
        &[("b/Chart.yaml", b"apiVersion: v2\nname: b\nversion: 1.0.0\n"), ("b/values.yaml", b"a: 1\n")];
    let tgz_of = |files: &[(&str, &[u8])]| {
        let entries: Vec<_> = files.iter().map(|(path, bytes)| Entry::file(path, bytes)).collect();
        gzip(&tar_of(&entries))
    };
    let packed = tgz_of(sub);
    let with = |files: &[(&str, &[u8])]| {
        let own: &[(&str, &[u8])] = &[("a/Chart.yaml", CHART_YAML.1.as_bytes())];
        chart::read(&tgz_of(&[own, files].concat())).unwrap()
    };
    let unpacked = with(&[("a/charts/b/Chart.yaml", sub[0].1), ("a/charts/b/values.yaml", sub[1].1)]);
    let packed = with(&[("a/charts/b-1.0.0.tgz", &packed)]);
    assert_eq!(compare(&packed, &unpacked), Difference::default());
    assert!(patch(&packed, &unpacked).is_empty());
}

#[test]
fn patches_are_those_of_other_tools() {
    let check = |old: &str, new: &str, expect: &str| {
        let patches = patch(&chart(&[("b", old)]), &chart(&[("b", new)]));
        let mut text = String::new();
        for patch in &patches {
            let Patched::Lines { hunks, more: 0 } = &patch.patched else { panic!("{patch:?}") };
            for hunk in hunks {
                let _ = writeln!(text, "{}", hunk.head());
                for line in &hunk.lines {
                    let _ = match line {
                        HunkLine::Same(line) => writeln!(text, " {line}"),
                        HunkLine::Old(line) => writeln!(text, "-{line}"),
                        HunkLine::New(line) => writeln!(text, "+{line}"),
                        HunkLine::NoEnd => writeln!(text, "\\"),
                    };
                }
            }
        }
        assert_eq!(text, expect);
    };
    check("a\n", "a\n", "");
    check(
        "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
        "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n",
    );
    check(
        "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
        "0\n1\n2\n3\n4\n5\n6\n7\n8\n",
        "@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -6,4 +7,3 @@\n 6\n 7\n 8\n-9\n",
    );
    check("1\n2\n3\n4\n5\n6\n7\n", "x\n2\n3\n4\n5\n6\ny\n", "@@ -1,7 +1,7 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n-7\n+y\n");
    check("a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\\n+a\n");
    check("", "a\n", "@@ -0,0 +1,1 @@\n+a\n");
    check("a\n", "", "@@ -1,1 +0,0 @@\n-a\n");
    let patches = patch(&chart(NOTHING), &chart(&[("b", "\0")]));
    assert_eq!(patches[0].patched, Patched::Binary);
    let many = "x\n".repeat(30_000);
    let patches = patch(&chart(NOTHING), &chart(&[("b", &many)]));
    assert!(matches!(&patches[0].patched, Patched::Lines { more: 20_000, .. }));
}
