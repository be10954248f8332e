//! Upstream's text as Markdown: nothing in it is emphasis, a link, an image, HTML, the end of a block, or a mention of anything.
//!
//! Forges look for mentions, addresses, issues, commits and emoji after they have read the Markdown, in whatever is not code:
//! there a backslash is gone already. So a word in which they could find one becomes code, and everything else is escaped. Every
//! text is bounded, so that no field of a plan takes the place of all others.

use std::borrow::Cow;

use crate::report::escape::terminal;

/// The most characters of one text.
const LENGTH: usize = 2_000;
/// The most backticks in a row that are shown as such: GitHub's parser knows no code between more than 80, and of a block no fence
/// longer than 255.
const BACKTICKS: usize = 40;

/// A text as prose: quotations in backticks are code, a word that a forge might link is code, the rest is escaped.
pub(super) fn prose(text: &str) -> String {
    let text = bounded(text);
    let line = terminal(&text);
    let parts: Vec<&str> = line.split('`').collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (at, part) in parts.iter().enumerate() {
        // What stands between two backticks is a quotation, unless there is none to end it.
        let (is_odd, is_last) = (at % 2 == 1, at + 1 == parts.len());
        match (is_odd, is_last) {
            (true, false) if part.is_empty() => out.push_str("\\`\\`"),
            (true, false) => separate(&mut out, &span(part)),
            (true, true) => {
                out.push_str("\\`");
                words(&mut out, part);
            }
            (false, _) => words(&mut out, part),
        }
    }
    out
}

/// Adds code to a line: next to other code it would not be told apart.
fn separate(out: &mut String, code: &str) {
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(code);
}

/// Blanks at the beginning of a line would be an indentation, and of several in a row one is shown.
fn words(out: &mut String, text: &str) {
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        if !is_linked(word) {
            escaped(out, word);
            continue;
        }
        // The sentence's own signs stay outside; a colon is its own unless it ends an emoji.
        let is_sign = |char: char| [',', ';', '.', ')', '"'].contains(&char) || char == ':' && !has_emoji(word);
        let end = word.trim_end_matches(is_sign).len();
        let begin = word[..end].len() - word[..end].trim_start_matches(['(', '"']).len();
        escaped(out, &word[..begin]);
        separate(out, &span(&word[begin..end]));
        escaped(out, &word[end..]);
    }
}

/// Whether a forge might make a link or a picture of a word: a person, an issue, an address, a commit, an emoji.
fn is_linked(word: &str) -> bool {
    let lower = word.to_lowercase();
    let is_commit = |part: &str| (7..=40).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    word.contains(['@', '#'])
        || lower.contains("://")
        || ["www.", "gh-", "cve-", "ghsa-"].iter().any(|begin| lower.contains(begin))
        || word.split(|char: char| !char.is_ascii_alphanumeric()).any(|part| is_commit(part) && has_digit(part))
        || has_emoji(word)
}

/// Whether there is a name between two colons.
fn has_emoji(word: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || ['_', '+', '-'].contains(&char))
    };
    let parts: Vec<&str> = word.split(':').collect();
    parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_name(part))
}

fn escaped(out: &mut String, word: &str) {
    // What begins a list, a heading's underline or a block where a line begins.
    let begins = out.is_empty();
    let number = word.len() - word.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    for (at, char) in word.char_indices() {
        match char {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => out.extend(['\\', char]),
            '+' | '-' | '=' if begins && at == 0 => out.extend(['\\', char]),
            '.' | ')' if begins && number > 0 && at == number && at + 1 == word.len() => out.extend(['\\', char]),
            _ => out.push(char),
        }
    }
}

/// A text as prose in a cell of a table, whose bars are read before anything else is, code included.
pub(super) fn cell(text: &str) -> String {
    prose(text).replace("\\|", "|").replace('|', "\\|")
}

/// A span of code that its content cannot end.
pub(super) fn code(text: &str) -> String {
    span(&terminal(&bounded(text)))
}

/// A line without anything hidden in it as code.
fn span(line: &str) -> String {
    let (line, longest) = fit(line);
    let fence = "`".repeat(longest + 1);
    // A blank next to the fence is taken off again, on both sides or on none.
    let edge = |char: Option<char>| char.is_none_or(|char| char == '`' || char == ' ');
    let blank = if edge(line.chars().next()) || edge(line.chars().next_back()) { " " } else { "" };
    format!("{fence}{blank}{line}{blank}{fence}")
}

/// A line whose backticks a fence can hold, and how many of them stand in a row.
fn fit(line: &str) -> (Cow<'_, str>, usize) {
    let longest = line.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    if longest > BACKTICKS { (line.replace('`', "\\u{60}").into(), 0) } else { (line.into(), longest) }
}

/// Code in a line of HTML.
pub(super) fn html(text: &str) -> String {
    let text = bounded(text);
    let line = terminal(&text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<code>{}</code>", line.replace('"', "&quot;"))
}

/// A block of code that its content cannot end.
pub(super) fn fenced(text: &str, language: &str, indent: &str) -> String {
    let text = bounded(text);
    let lines: Vec<_> = text.lines().map(terminal).collect();
    let lines: Vec<_> = lines.iter().map(|line| fit(line)).collect();
    let longest = lines.iter().map(|(_, longest)| *longest).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut block = format!("{indent}{fence}{language}\n");
    for (line, _) in lines {
        block.extend([indent, &*line, "\n"]);
    }
    block + indent + &fence + "\n"
}

/// The beginning of a text that is too long.
fn bounded(text: &str) -> String {
    let mut shown: String = text.chars().take(LENGTH).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_stays_readable() {
        let check = |text: &str, expect: &str| assert_eq!(prose(text), expect);
        check("signed by Ada, as 1.0.4", "signed by Ada, as 1.0.4");
        check("run `chartsync lock`: `a` changes", "run `chartsync lock`: `a` changes");
        check("sha256:1111 is 2024-02-29", "sha256:1111 is 2024-02-29");
        check("a `b` `c``d`", "a `b` `c` `d`");
    }

    #[test]
    fn markdown_is_not_upstreams_to_write() {
        let check = |text: &str, expect: &str| assert_eq!(prose(text), expect);
        check("*a* _b_ `c ~d~ $e$ |", "\\*a\\* \\_b\\_ \\`c \\~d\\~ \\$e\\$ \\|");
        check("<script>&lt;", "\\<script\\>\\&lt;");
        check("![x](y) \\", "!\\[x\\](y) \\\\");
        check("@octocat see #1 a/b#2 GH-3", "`@octocat` see `#1` `a/b#2` `GH-3`");
        check("https://a.example www.a.example a@b.example", "`https://a.example` `www.a.example` `a@b.example`");
        check("fixed in 59807616e1 :tada: ok", "fixed in `59807616e1` `:tada:` ok");
        check("(by @octocat), not #1.", "(by `@octocat`), not `#1`.");
        check("@octocat: #1: https://a.example: no", "`@octocat`: `#1`: `https://a.example`: no");
        check("in :a:b: 59807616e1:: ::#1::", "in `:a:b:` `59807616e1`:: `::#1`::");
        check("claims \"Ada <ada@a.example>\"", "claims \"Ada `<ada@a.example>`\"");
        check("- a\n- b", "\\- a\\\\n- b");
        check("1. a", "1\\. a");
        check("    code", "code");
        check("=== ", "\\=== ");
        check("``", "\\`\\`");
        assert_eq!(cell("a|b @c|d"), "a\\|b `@c\\|d`");
        assert_eq!(code("a `b` c"), "``a `b` c``");
        assert_eq!(code("`"), "`` ` ``");
        // No parser takes a longer fence for one.
        let row = |count| "`".repeat(count);
        assert_eq!(code(&format!("{}@a", row(40))), format!("{0} {1}@a {0}", row(41), row(40)));
        assert_eq!(code(&format!("{}<b>", row(41))), format!("`{}<b>`", "\\u{60}".repeat(41)));
        assert_eq!(fenced(&row(300), "", ""), format!("```\n{}\n```\n", "\\u{60}".repeat(300)));
        assert_eq!(code(""), "`  `");
        assert_eq!(code("a\nb"), "`a\\nb`");
        assert_eq!(html("<b>&\""), "<code>&lt;b&gt;&amp;&quot;</code>");
        assert_eq!(fenced("a\n````\n", "toml", "  "), "  `````toml\n  a\n  ````\n  `````\n");
    }

    #[test]
    fn no_text_takes_the_place_of_all_others() {
        for text in ["x".repeat(100_000), "`".repeat(100_000), "\u{202e}".repeat(100_000), "@a ".repeat(50_000)] {
            for out in [prose(&text), code(&text), html(&text), fenced(&text, "", "")] {
                assert!(out.chars().count() < 10 * LENGTH, "{}", out.chars().count());
            }
        }
    }
}
