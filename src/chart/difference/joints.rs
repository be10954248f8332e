//! Lines whose words are not what they look like: pieces that actions put together, and writings that only a parser reads.

use super::fields::{APP_VERSION, BREAKS, DECIDES, PRINTS, is_literal, is_mark, pairs};
use super::words::{QUOTES, ends_key, first_part, is_beginning, is_end, last_part};

/// Whether actions make a key in this line, or a part of a word that deserves a second look; `again` where they print things
/// beside each other, or again and again.
pub(super) fn is_assembled(line: &str, again: bool) -> bool {
    // What an action prints on lines of its own begins one.
    !is_literal(line)
        && line.split(BREAKS).enumerate().any(|(at, line)| {
            if is_alone(line) { line.matches(is_print).count() > 1 || again && at == 0 } else { is_joined(line) }
        })
}

fn is_joined(line: &str) -> bool {
    pairs(line).any(|pair| !is_literal(pair.key))
        || line.match_indices(is_print).any(|(at, print)| glues(line, at, print))
}

fn is_print(char: char) -> bool {
    matches!(char, PRINTS | APP_VERSION)
}

/// Whether what is printed here may become one word, or one key, with what stands beside it.
fn glues(line: &str, at: usize, print: &str) -> bool {
    let after = line[at + print.len()..].trim_start_matches(DECIDES);
    let part = first_part(after);
    let rest = &after[part.len()..];
    let colon = rest.trim_start_matches(QUOTES).trim_start();
    let is_key = colon.starts_with(':') && (rest.starts_with(QUOTES) || ends_key(colon));
    let before = last_part(line[..at].trim_end_matches(DECIDES));
    is_key && part.is_empty() || (is_key || part.len() > 1) && is_end(part) || is_beginning(before)
}

/// Whether nothing but actions stands in a line.
pub(super) fn is_alone(line: &str) -> bool {
    line.contains(PRINTS) && line.chars().all(|char| char.is_whitespace() || is_mark(char))
}

/// Whether a line is written as only who hides a word writes: letters as escapes, keys over lines, tags that make text of
/// something else.
pub(super) fn is_disguised(line: &str) -> bool {
    escapes_letters(line) || asks(line) || line.starts_with("%TAG") || line.contains('!') && is_tagged(line)
}

/// Whether letters are written as escapes.
fn escapes_letters(line: &str) -> bool {
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('\\') {
        let digits = match after.as_bytes().first() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let code = after.get(1..=digits).filter(|_| digits > 0).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let is_letter = |char: char| char.is_ascii_alphanumeric() || "*./:-".contains(char);
        if code.and_then(char::from_u32).is_some_and(is_letter) || after.starts_with("/hook") {
            return true;
        }
        // What is escaped itself escapes nothing.
        rest = after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    false
}

/// Whether a key begins with a question mark: it may stand in several lines.
fn asks(line: &str) -> bool {
    line.match_indices('?').any(|(at, _)| {
        let before = line[..at].trim_end_matches(|char: char| char.is_whitespace() || is_mark(char));
        let after = line[at + 1..].chars().next();
        (before.is_empty() || before.ends_with(['-', '?', '{', '[', ',']))
            && after.is_none_or(|char| char.is_whitespace() || is_mark(char))
    })
}

/// Whether a tag makes text of something else, or may be one that does.
fn is_tagged(line: &str) -> bool {
    let words = line.split([' ', '\t', '[', '{', ',']);
    words.filter(|word| word.starts_with('!')).any(|tag| tag.contains(['<', '%']) || tag.contains("binary"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `P` prints, `D` decides, `B` breaks the line.
    fn marked(line: &str) -> String {
        line.replace('P', "\u{e000}").replace('D', "\u{e001}").replace('B', "\u{e003}")
    }

    #[test]
    fn joints_are_seen() {
        for line in [
            "priviP",
            "P: a",
            "a: PDleged: b",
            "a: BPd: b",
            "a: \"P\": b",
            "a: UnDP",
            "a: Pconfined",
            "a: {b: P\": c}",
            "a: BPP",
            "PP",
        ] {
            assert!(is_assembled(&marked(line), false), "{line}");
        }
        for line in
            ["a: P", "a: P-leged", "a: P:P", "a: \"P:P\"", "a: vP", "a: Ps", "a: BP", "a: P, b: c", "a: legendP"]
        {
            assert!(!is_assembled(&marked(line), false), "{line}");
        }
    }

    #[test]
    fn disguises_are_seen() {
        for line in [
            "\"\\x70\"",
            "a: \"sh\\/hook\"",
            "? a",
            "- ?",
            "{? a",
            "a, ?\tb",
            "%TAG ! x",
            "!!binary x: y",
            "a: [!<x> y",
            "!a%62 c",
        ] {
            assert!(is_disguised(line), "{line}");
        }
        for line in ["a: \\\\x70", "a: b?", "a: b ? c", "a: !b c", "!important", "a: 100%!"] {
            assert!(!is_disguised(line), "{line}");
        }
    }
}
