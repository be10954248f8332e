//! What Go's YAML library makes of a scalar was measured with stock Helm, not derived.

use proptest::prelude::*;

use super::*;

#[test]
fn scalars_in_text_fields_become_what_go_makes_of_them() {
    let check = |yaml: &str, text: Option<&str>| {
        assert_eq!(Node::parse(yaml.as_bytes()).unwrap().to_text().as_deref(), text, "{yaml}");
    };
    for same in
        ["1.2.3", "v1.2", "5", "0.1", "2021-01-02", "1:30", "abc", "1e", "-x", "0o8", "0x", ".infinity", "Infinity"]
    {
        check(same, Some(same));
    }
    for (yaml, text) in [
        ("1.10", "1.1"),
        ("'1.10'", "1.10"),
        ("\"1.10\"", "1.10"),
        ("|-\n  1.10", "1.10"),
        ("!!str 1.10", "1.10"),
        ("1e3", "1000"),
        ("12345e6", "1.2345e+10"),
        ("1e5", "100000"),
        ("1e6", "1e+06"),
        ("1234567.5", "1.2345675e+06"),
        ("1.23456789", "1.2345679"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e40", "+Inf"),
        ("-.inf", "-Inf"),
        (".nan", "NaN"),
        ("1e400", "1e400"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0.0", "-0"),
        ("017", "15"),
        ("08", "8"),
        ("0o17", "15"),
        ("0b11", "3"),
        ("-0x1F", "-31"),
        ("+5", "5"),
        ("1_000", "1000"),
        ("1_000.5", "1000.5"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744e+19"),
        ("-9223372036854775809", "-9.223372e+18"),
        ("+9223372036854775808", "9.223372e+18"),
        ("yes", "true"),
        ("Off", "false"),
        ("y", "true"),
        ("TRUE", "true"),
    ] {
        check(yaml, Some(text));
    }
    for nothing in ["", "~", "null", "NULL", "[a]", "{a: b}"] {
        check(nothing, None);
    }
    check("tRUE", Some("tRUE"));
    check("''", Some(""));
}

#[test]
fn keys_are_text() {
    let map = Node::parse(b"{1: a, 1.50: b, on: c, .Inf: d, -.inf: e, .NAN: f, 0x10: g, 'x': h, 1e30: i}").unwrap();
    let Node::Map(fields) = map else { panic!("{map:?}") };
    let keys: Vec<_> = fields.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["1", "1.5", "true", ".inf", "-.inf", ".nan", "16", "x", "1e+30"]);
}

#[test]
fn aliases_are_written_out_and_bounded() {
    let twice = Node::parse(b"a: &x {b: 1}\nc: *x\n").unwrap();
    let inner = Node::Map(vec![("b".into(), Node::Int(1))]);
    assert_eq!(twice, Node::Map(vec![("a".into(), inner.clone()), ("c".into(), inner)]));

    let level = |level: usize| {
        let below = if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) };
        format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(", "))
    };
    let bomb: String = (0..12).map(level).collect();
    assert!(Node::parse(bomb.as_bytes()).unwrap_err().contains("more than 100000 values"));
}

#[test]
fn what_readers_understand_differently_is_refused() {
    let check = |yaml: &[u8], says: &str| {
        let error = Node::parse(yaml).unwrap_err();
        assert!(error.contains(says), "{}: {error}", String::from_utf8_lossy(yaml));
    };
    check(b"a: 1\na: 2", "`a` stands twice");
    check(b"1: a\n'1': b", "`1` stands twice");
    check(b"a: &a [*a]", "inside of what it repeats");
    check(b"a: *b", "unknown anchor");
    check(b"x: &x {}\ny: {<<: *x}", "merge key");
    check(b"a: !!binary aGk=", "a tag at `aGk=`");
    check(b"a: !x [b]", "a tag at a list");
    check(b"~: a", "empty key");
    check(b"[a]: b", "key that is a list");
    check(b"a: b\n---\nc: d", "more than one document");
    check(b"a: [", "");
    check(b"a:\n\tb: c", "tabs disallowed");
    check(b"caf\xe9", "not UTF-8");
    check(b"a: \"x\0y\"", "");
    check(b"a: x\x07y", "");
    check(&[b'['; 100], "nested more than 64 deep");
    check(&vec![b' '; SIZE_LIMIT + 1], "longer than 1 MiB");
    // A line break in YAML 1.1, a character like any other in 1.2.
    check("a: 'b\u{2028} c'".as_bytes(), "readers understand it differently");
}

/// Half a megabyte of text that an alias repeats must not become gigabytes.
#[test]
fn aliases_cannot_repeat_long_texts_without_end() {
    let yaml = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a, ".repeat(100_000));
    assert!(yaml.len() <= SIZE_LIMIT);
    assert_eq!(Node::parse(yaml.as_bytes()), Err("it has more than 100000 values, aliases written out".into()));
    assert!(Node::parse(format!("a: &a {}\nb: *a", "x".repeat(500_000)).as_bytes()).is_ok());
}

#[test]
fn what_all_readers_understand_is_read() {
    for yaml in
        ["---\na: b\n", "a: b\n---\n", "a: b\n...\n", "%YAML 1.1\n---\na: b\n", "\u{feff}a: b", "a: b\r\n", "{a: b, }"]
    {
        assert_eq!(Node::parse(yaml.as_bytes()), Ok(Node::Map(vec![("a".into(), Node::Text("b".into()))])), "{yaml:?}");
    }
    for empty in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        assert_eq!(Node::parse(empty.as_bytes()), Ok(Node::Null), "{empty:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Node::parse(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_yaml_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "b: ", "- ", "\n", "\n  ", "\n\t", "[", "]", "{", "}", ",", ": ", "? ", "\"", "'", "|", ">", "-", "&x ", "*x",
                "!!str ", "!<a> ", "---\n", "...\n", "%TAG ! a\n", "#c\n", "0x", "1e9", ".inf", "<<: ", "\\x", "\u{85}", "é", "\r",
            ]),
            0..40,
        ),
    ) {
        let _ = Node::parse(parts.concat().as_bytes()).map(|node| node.to_text());
    }
}
