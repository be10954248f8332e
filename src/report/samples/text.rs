//! Texts that are trouble, and what no line of a report may hold.

use proptest::prelude::*;

/// Any text, and text that is mostly trouble.
pub(in crate::report) fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\p{C}\\p{Z}:#\\[a]{0,24}",
        "[ \u{3000}\\t\\n\\r]{0,3}(::|##|##vso|##VSO)[a-z\\[]{0,8}",
        "(\u{1b}|\u{9b})[\\[\\]()][0-9;]{0,3}[a-zA-Z]{1,3}",
    ]
}

/// What someone would try who wants to be read as Markdown, as a mention, as a command, or not to be seen.
pub(in crate::report) fn nasty() -> impl Strategy<Value = String> {
    const PIECES: [&str; 64] = [
        "\u{1b}[2K",
        "\u{9b}31m",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{2028}",
        "\u{ad}",
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        "@octocat",
        "@org/team",
        "#1",
        "GH-1",
        "a/b#2",
        "a/b@1234567",
        "deadbeef1",
        "https://evil.example",
        "http://evil.example/?a=b",
        "www.evil.example",
        "WWW.EVIL.EXAMPLE",
        "ftp://evil.example",
        "a@evil.example",
        "mailto:a@evil.example",
        "<https://evil.example>",
        "![x](https://evil.example/x.png)",
        "[x](https://evil.example)",
        "[x](/x \"t\")",
        "[x][y]",
        "[y]: https://evil.example",
        "[^1]",
        "[^1]: note",
        "<img src=x>",
        "<script>",
        "</details>",
        "<!--",
        "-->",
        "<!-- chartsync plan -->",
        "&lt;",
        "&#64;octocat",
        "| a | b |\n|---|---|\n| c | d |",
        "|",
        "```",
        "~~~",
        "````\n",
        "`",
        "``",
        "::error::x",
        "::add-mask::x",
        "##[group]x",
        ":tada:",
        ":+1:",
        "$x$",
        "- [ ] x",
        "1. x",
        "# x",
        "> x",
        "***",
        "~~x~~",
        "\\",
        " ",
        "ordinary words",
    ];
    let pieces = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..6);
    prop_oneof![4 => pieces.prop_map(|pieces| pieces.concat()), 1 => hostile()]
}

/// What must never stand in a line: said by Unicode's own tables, not by the list that escapes.
pub(in crate::report) fn assert_line(line: &str) {
    for char in line.chars() {
        assert!(!char.is_control(), "{line:?}");
        assert!(char == ' ' || !char.is_whitespace(), "{line:?}");
        let is_hidden =
            matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        assert!(!is_hidden, "{line:?}");
    }
    assert!(!line.trim_start().starts_with("::"), "{line:?}");
    let commands = line.to_ascii_lowercase();
    assert!(!commands.contains("##[") && !commands.contains("##vso["), "{line:?}");
}

/// Compares with the golden file of this name; `CHARTSYNC_GOLDEN=write` writes it instead, to be read before it is committed.
pub(in crate::report) fn assert_golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden").join(name);
    if std::env::var_os("CHARTSYNC_GOLDEN").is_some_and(|wish| wish == "write") {
        std::fs::write(&path, text).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expect, "{} should be\n{expect}\nand is\n{text}", path.display());
}
