//! Upstream's text on its way out: one escaping function for each kind of output. Markdown's builds on the terminal's.
//!
//! Whatever moves a cursor, hides, turns the reading direction, breaks a line or is a command to a CI system becomes visible.
//! Knows nothing of what the text means.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One line for a terminal or a log: no control character, no hidden character and no line break gets through.
///
/// Neither does a workflow command: CI systems read `::name::` where a line begins (blanks aside), and `##[name]` or
/// `##vso[…]` anywhere in it. What is replaced becomes `\n`, `\r`, `\t` or `\u{…}`. The result stands for a line of its own; parts
/// of one are put together by [`Line`].
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    Line::default().push(&mut out, text);
    Cow::Owned(out)
}

/// A document that is valid JSON, with every hidden character in its strings as JSON's own escape. Its value stays the same.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    // Line breaks stand between values only: inside strings they are escaped already.
    let is_fine = |char: char| char == '\n' || !is_unseen(char);
    if document.chars().all(is_fine) && !document.contains("##") {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    let mut place = Place::Within;
    for char in document.chars() {
        if is_fine(char) && !place.makes_command(char) {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        place = place.after(char);
    }
    Cow::Owned(out)
}

/// Escapes a line part by part, so that no command comes together from two parts.
#[derive(Debug, Default)]
pub struct Line {
    place: Place,
}

/// What stands before the next character.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing, or blanks only.
    #[default]
    Start,
    /// A `#`.
    Sharp,
    /// `##`, which `[` makes a command, and titles and comments of other languages begin with.
    Sharps,
    /// `##v`
    V,
    /// `##vs`
    Vs,
    /// `##vso`
    Vso,
    /// Anything else.
    Within,
}

impl Place {
    /// Whether this character would complete the beginning of a command.
    fn makes_command(self, char: char) -> bool {
        match self {
            Self::Start => char == ':',
            Self::Sharps | Self::Vso => char == '[',
            Self::Sharp | Self::V | Self::Vs | Self::Within => false,
        }
    }

    fn after(self, char: char) -> Self {
        match (self, char.to_ascii_lowercase()) {
            (Self::Start, ' ') => Self::Start,
            (Self::Sharp | Self::Sharps, '#') => Self::Sharps,
            (_, '#') => Self::Sharp,
            (Self::Sharps, 'v') => Self::V,
            (Self::V, 's') => Self::Vs,
            (Self::Vs, 'o') => Self::Vso,
            _ => Self::Within,
        }
    }
}

impl Line {
    /// Adds a part of the line to `out`, escaped.
    pub fn push(&mut self, out: &mut String, text: &str) {
        for char in text.chars() {
            match char {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ if self.place.makes_command(char) || is_unseen(char) => {
                    let _ = write!(out, "{}", char.escape_unicode());
                }
                _ => out.push(char),
            }
            self.place = self.place.after(char);
        }
    }
}

/// Whether nothing in it needs escaping; the usual case.
fn is_plain(text: &str) -> bool {
    !text.trim_start_matches(' ').starts_with(':') && !text.contains("##") && !text.chars().any(is_unseen)
}

/// Whether a character cannot be seen as what it is: it controls, hides, breaks the line, or turns the reading direction.
///
/// These are Unicode's categories Cc, Cf, Zl and Zp, all that is ignorable by default, every blank but the plain one, and the
/// noncharacters.
pub(super) fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\u{a0}' | '\u{ad}' | '\u{34f}'
            | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{1680}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}'
            | '\u{3000}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    ) || char.is_control()
        || (char as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::samples::{assert_line, hostile};

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        for text in
            ["", "cert-manager v1.15.5", "Jürgen 山田 <a@b.example>", "a::b", "# one", "über \"x\" `y` \\n", "e\u{301}"]
        {
            assert!(matches!(terminal(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_is_not_becomes_visible() {
        let check = |text: &str, expect: &str| assert_eq!(terminal(text), expect);
        check("a\nb\r\n\tc", "a\\nb\\r\\n\\tc");
        check("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m");
        check("\u{9b}31m", "\\u{9b}31m");
        check("\u{7f}\0", "\\u{7f}\\u{0}");
        check("a\u{202e}cod.exe", "a\\u{202e}cod.exe");
        check("ad\u{200b}min\u{feff}", "ad\\u{200b}min\\u{feff}");
        check("::error::stop", "\\u{3a}:error::stop");
        check("  ::add-mask::x", "  \\u{3a}:add-mask::x");
        check("\u{3000}::error::x", "\\u{3000}::error::x");
        check("say ##[error]x", "say ##\\u{5b}error]x");
        check("###vso[task]", "###vso\\u{5b}task]");
        check("##VSO[task] #v[0] ##v[0] ##", "##VSO\\u{5b}task] #v[0] ##v[0] ##");
        check("line\u{2028}two\u{85}", "line\\u{2028}two\\u{85}");
        check("\u{e0041}\u{fe0f}", "\\u{e0041}\\u{fe0f}");
    }

    #[test]
    fn parts_of_a_line_make_no_command_together() {
        let mut out = String::new();
        let mut line = Line::default();
        for part in ["  ", ":", ":error::", "#", "#", "[group]##vs", "o[x]"] {
            line.push(&mut out, part);
        }
        assert_eq!(out, "  \\u{3a}:error::##\\u{5b}group]##vso\\u{5b}x]");
    }

    #[test]
    fn json_keeps_its_value() {
        let document = "{\n  \"a\": \"x\u{202e}\u{e0041}##[y]## z\"\n}";
        let escaped = json(document);
        assert_eq!(escaped, "{\n  \"a\": \"x\\u202e\\udb40\\udc41##\\u005by]## z\"\n}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&escaped), value(document));
    }

    proptest! {
        #[test]
        fn no_text_gets_out_of_its_line(text in hostile()) {
            assert_line(&terminal(&text));
        }

        #[test]
        fn no_parts_get_out_of_their_line(parts in prop::collection::vec(hostile(), 0..6)) {
            let (mut out, mut line) = (String::new(), Line::default());
            for part in &parts {
                line.push(&mut out, part);
            }
            assert_line(&out);
            let whole = parts.concat();
            prop_assert_eq!(out.as_str(), terminal(&whole));
        }

        #[test]
        fn unicode_calls_nothing_hidden_that_is_let_through(text in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Zs}\\p{Default_Ignorable_Code_Point}]{1,8}") {
            let escaped = terminal(&text);
            prop_assert!(escaped.is_ascii(), "{:?}", escaped);
        }

        #[test]
        fn json_stays_json(text in hostile()) {
            let document = serde_json::to_string_pretty(&[&text]).unwrap();
            let escaped = json(&document);
            for line in escaped.lines() {
                assert_line(line);
            }
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [text]);
        }
    }
}
