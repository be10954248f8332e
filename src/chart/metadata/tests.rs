//! The configs in these tables are what stock Helm wrote for the Chart.yaml beside them.

use proptest::prelude::*;

use super::*;

const BASE: &str = "apiVersion: v2\nname: a\nversion: 1.0.0\n";
const BASE_CONFIG: &str = r#""name":"a","version":"1.0.0","apiVersion":"v2""#;

/// That Chart.yaml with these lines more has the config of Helm's with these fields more.
fn same(lines: &str, fields: &str) {
    let metadata = Metadata::parse(format!("{BASE}{lines}").as_bytes()).unwrap();
    let comma = if fields.is_empty() { "" } else { "," };
    let config = format!("{{{BASE_CONFIG}{comma}{fields}}}");
    metadata.check_config(config.as_bytes()).unwrap();
}

fn refused(chart_yaml: &str) -> String {
    Metadata::parse(chart_yaml.as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_config_is_what_helm_writes() {
    same("", "");
    same(
        "home: h\nsources: [b, 1, null, '']\nkeywords: [c, 1.50, yes]\nicon: i\ncondition: x\ntags: 'b,c'\ndeprecated: true\n\
         kubeVersion: '>= 1.20.0-0'\ntype: application\nunknown: {a: [1, {b: c}]}\nengine: gotpl\n",
        r#""home":"h","sources":["b","1","",""],"keywords":["c","1.5","true"],"icon":"i","condition":"x","tags":"b,c",
           "deprecated":true,"kubeVersion":"\u003e= 1.20.0-0","type":"application""#,
    );
    same(
        "home: ''\nsources: []\nkeywords:\nicon: ~\ndeprecated: false\ntype: ''\nannotations: {}\ndependencies: []\n",
        "",
    );
    same("appVersion: 1.10\n", r#""appVersion":"1.1""#);
    same(
        "annotations:\n  a: 1\n  b: 1.50\n  c: true\n  d:\n  1: x\n  on: z\n  h: |\n    - x\n",
        r#""annotations":{"a":"1","b":"1.5","c":"true","d":"","1":"x","true":"z","h":"- x\n"}"#,
    );
    same(
        "maintainers:\n- name: b\n  email: c@d\n  url: e\n- name: 5\n- {}\n- extra: 1\n",
        r#""maintainers":[{"name":"b","email":"c@d","url":"e"},{"name":"5"},{},{}]"#,
    );
    same(
        "dependencies:\n- name: b\n  version: 1.x.x\n  repository: https://x\n  condition: b.enabled\n  tags: [x, 1]\n  enabled: true\n  \
         import-values:\n  - data\n  - {child: c, num: 1, m: 1.50, big: 12345678901234567890, z: null}\n  alias: e\n- name: c\n",
        r#""dependencies":[{"name":"b","version":"1.x.x","repository":"https://x","condition":"b.enabled","tags":["x","1"],
           "enabled":true,"import-values":["data",{"big":12345678901234567000,"child":"c","m":1.5,"num":1,"z":null}],"alias":"e"},
           {"name":"c","repository":""}]"#,
    );
}

#[test]
fn helm_cleans_text_that_people_see() {
    same(
        "description: \"b\\n\\t\\x07é\\u00a0\\u200b\\u2028☃\\U0001F600\\u0301\\ue000\\ufeff'\\\"\\\\\"\n",
        "\"description\":\"b  é  ☃\u{1F600}\u{301}'\\\"\\\\\"",
    );
    same("annotations: {x: \"b\\n\\u200b\"}\n", r#""annotations":{"x":"b\n\u200b"}"#);
    same(
        "dependencies: [{name: \"b\\tc\", repository: \"x\\u200b\", tags: [\"\\t\"]}]\n",
        r#""dependencies":[{"name":"b c","repository":"x","tags":[" "]}]"#,
    );
}

#[test]
fn field_names_are_compared_as_go_compares_them() {
    let metadata =
        Metadata::parse("APIVERSION: v2\nName: a\nVERSION: 1.0.0\nappversion: 2\nſources: [b]\n".as_bytes()).unwrap();
    assert_eq!((metadata.name.as_str(), metadata.app_version.as_deref()), ("a", Some("2")));
    metadata.check_config(format!(r#"{{{BASE_CONFIG},"appVersion":"2","sources":["b"]}}"#).as_bytes()).unwrap();
    assert!(refused(&format!("{BASE}Name: b\n")).contains("`Name`"));
    let annotations = Metadata::parse(format!("{BASE}annotations: {{b: 1, B: 2}}\n").as_bytes());
    assert!(annotations.is_ok());
}

#[test]
fn a_config_that_says_something_else_is_told_by_its_field() {
    let metadata =
        Metadata::parse(format!("{BASE}maintainers: [{{name: b}}]\nannotations: {{c: d}}\n").as_bytes()).unwrap();
    let rest = r#""maintainers":[{"name":"b"}],"annotations":{"c":"d"}"#;
    let good = format!("{{{BASE_CONFIG},{rest}}}");
    metadata.check_config(good.as_bytes()).unwrap();
    let check = |from: &str, to: &str, field: &str, config: &str, chart_yaml: &str| {
        let error = metadata.check_config(good.replace(from, to).as_bytes()).unwrap_err();
        let expected =
            MetadataError::ConfigDiffers { field: field.into(), config: config.into(), chart_yaml: chart_yaml.into() };
        assert_eq!(error, expected, "{from} {to}");
    };
    check("1.0.0", "1.0.1", "version", r#""1.0.1""#, r#""1.0.0""#);
    check(r#""name":"a","#, "", "name", "nothing", r#""a""#);
    check(r#""name":"a","#, r#""name":1,"#, "name", "1", r#""a""#);
    check(r#""name":"b""#, r#""name":"b","url":"x""#, "maintainers[0].url", r#""x""#, "nothing");
    check(r#"{"name":"b"}"#, r#"{"name":"b"},{}"#, "maintainers[1]", "{}", "nothing");
    check(r#""c":"d""#, r#""c":"e""#, "annotations.c", r#""e""#, r#""d""#);
    check(r#""apiVersion""#, r#""extra":true,"apiVersion""#, "extra", "true", "nothing");

    for bad in ["", "null", "[]", "{", r#"{"name":"a","Name":"a"}"#, r#"{"name":"a","name":"a"}"#] {
        assert!(matches!(metadata.check_config(bad.as_bytes()), Err(MetadataError::ConfigJson(_))), "{bad}");
    }
}

#[test]
fn requirements_are_read_over_chart_yaml_as_go_decodes() {
    let chart_yaml =
        b"apiVersion: v1\nname: a\nversion: 1.0.0\ndependencies:\n- name: x\n  condition: c\n  tags: [a, b, c]\n\
        - name: w\n- name: z\nannotations: {a: '1', b: '2'}\nkeywords: [a, b]\n";
    let requirements =
        b"dependencies:\n- name: a\n  version: 1.2\n  tags: [~, d]\n- version: 5\nannotations: {b: ~, c: 3}\n\
        description: d\nkeywords: ~\n";
    let metadata = Metadata::parse_with(chart_yaml, Some(requirements)).unwrap();
    let config = r#"{"name":"a","version":"1.0.0","description":"d","apiVersion":"v1","annotations":{"a":"1","b":"","c":"3"},
        "dependencies":[{"name":"a","version":"1.2","repository":"","condition":"c","tags":["a","d"]},
        {"name":"w","version":"5","repository":""}]}"#;
    metadata.check_config(config.as_bytes()).unwrap();
    let dependency = Dependency { name: "w".into(), version: "5".into(), repository: String::new(), alias: None };
    assert_eq!(metadata.dependencies[1], dependency);
    let error = Metadata::parse_with(chart_yaml, Some(b"dependencies: a")).unwrap_err().to_string();
    assert_eq!(error, "`dependencies` in the chart's requirements.yaml is text: helm expects a list of mappings");
}

#[test]
fn what_helm_refuses_is_refused() {
    let check = |from: &str, to: &str, says: &str| {
        let error = refused(&BASE.replace(from, to));
        assert!(error.contains(says), "{to}: {error}");
    };
    for name in [".", "..", "a/b", "/", "''", "\"\\u200b\"", "[a]", "{}"] {
        check("name: a", &format!("name: {name}"), "`name`");
    }
    check("name: a", "", "`name` in the chart's metadata is missing");
    check("version: 1.0.0", "", "`version` in the chart's metadata is missing");
    for version in [
        "latest",
        "1.x",
        "1.2.3.4",
        "V1.2.3",
        "vv1.0.0",
        "1.2.3-01",
        "1.2.3+",
        "1.2.3_a",
        "\"1.2.3\\n\"",
        "99999999999999999999.0.0",
    ] {
        check("version: 1.0.0", &format!("version: {version}"), "which is not a version");
    }
    for api_version in ["v3", "V2", "2", "v2beta1"] {
        check("apiVersion: v2", &format!("apiVersion: {api_version}"), "helm knows `v1` and `v2`");
    }
    let more = |lines: &str, says: &str| {
        let error = refused(&format!("{BASE}{lines}\n"));
        assert!(error.contains(says), "{lines}: {error}");
    };
    more("type: app", "`type`");
    more("deprecated: 1", "`deprecated`");
    more("deprecated: 'true'", "`deprecated`");
    more("keywords: b", "`keywords`");
    more("keywords: [[b]]", "`keywords[0]`");
    more("annotations: {b: [c]}", "`annotations.b`");
    more("annotations: b", "`annotations`");
    more("maintainers: [~]", "`maintainers[0]`");
    more("maintainers: [b]", "`maintainers[0]`");
    more("maintainers: {name: b}", "`maintainers`");
    more("dependencies: [~]", "`dependencies[0]`");
    more("dependencies: {}", "`dependencies`");
    more("dependencies: [{name: b}, {name: b}]", "`dependencies[1]`");
    more("dependencies: [{name: b}, {name: c, alias: b}]", "`dependencies[1]`");
    more("dependencies: [{name: b, alias: 'b c'}]", "`dependencies[0]`");
    more("dependencies: [{name: b, alias: \"b\\n\"}]", "`dependencies[0]`");
    more("dependencies: [{name: b, import-values: [.inf]}]", "`dependencies[0].import-values[0]`");
    more("dependencies: [{name: b, enabled: 'true'}]", "`dependencies[0].enabled`");
    more("unknown: .inf", "`unknown`");
    for whole in ["", "- a\n", "hello\n", "~\n"] {
        assert!(Metadata::parse(whole.as_bytes()).is_err(), "{whole:?}");
    }
    assert_eq!(refused("hello"), "`the whole file` in the chart's Chart.yaml is text: helm expects a mapping");
}

#[test]
fn what_helm_takes_is_taken() {
    for version in ["1", "1.2", "v1.2.3", "01.2.3", "1.2.3-rc.1+b.01", "1-2", "1.2-a+b", "2.0", "1e3", "v0.0.0"] {
        let metadata = Metadata::parse(format!("name: a\nversion: '{version}'\n").as_bytes());
        assert_eq!(metadata.is_ok(), version != "1e3", "{version}");
    }
    let old = Metadata::parse(b"name: a\nversion: 1.10\n").unwrap();
    assert_eq!((old.version.as_str(), old.app_version, old.dependencies.len()), ("1.1", None, 0));
    for lines in [
        "dependencies: [{name: b, alias: c}, {name: b, alias: d}]\n",
        "dependencies: [{}]\n",
        "type: library\n",
        "appVersion: &v '1.2'\nannotations: {b: *v}\n",
    ] {
        assert!(Metadata::parse(format!("{BASE}{lines}").as_bytes()).is_ok(), "{lines}");
    }
}

proptest! {
    #[test]
    fn no_chart_yaml_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "name", "version", "annotations", "dependencies", "maintainers", "sources", "deprecated", ": ", "\n", "\n  ", "- ", "a",
                "1", "~", "[", "]", "{", "}", ", ", "import-values", "1e400", ".nan", "'", "alias",
            ]),
            0..30,
        ),
        requirements in any::<bool>(),
    ) {
        let lines = parts.concat();
        let chart_yaml = format!("{BASE}{lines}");
        let metadata = if requirements {
            Metadata::parse_with(BASE.as_bytes(), Some(lines.as_bytes()))
        } else {
            Metadata::parse(chart_yaml.as_bytes())
        };
        if let Ok(metadata) = metadata {
            let _ = metadata.check_config(lines.as_bytes());
            let config = serde_json::to_vec(&metadata.config).unwrap();
            prop_assert_eq!(metadata.check_config(&config), Ok(()));
        }
    }
}
