//! Lines of YAML read one by one: keys and values wherever they stand in a line, in brackets and quotes, too.
//!
//! Owns what a line may say whatever stands above it: a line alone cannot tell whether it is part of a longer text, so all
//! that could be a key counts as one. Knows no template; the marks below stand for its actions.

/// Stands for an action that prints something that only rendering tells.
pub(super) const PRINTS: char = '\u{e000}';
/// Stands for an action that decides what is printed beside it, or prints on lines of its own.
pub(super) const DECIDES: char = '\u{e001}';
/// Stands for the chart's appVersion.
pub(super) const APP_VERSION: char = '\u{e002}';
/// Stands for the end of a line that an action prints before all else.
pub(super) const BREAKS: char = '\u{e003}';
/// Marks that stand for no text in their line.
pub(super) const NO_TEXT: [char; 2] = [DECIDES, BREAKS];

/// A key with its value, or a text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair<'t> {
    /// Without its quotes; empty for a text alone.
    pub(super) key: &'t str,
    /// Without its quotes; empty where it stands on other lines or opens a bracket.
    pub(super) value: &'t str,
    /// How many brackets of this line it stands in.
    pub(super) depth: usize,
}

/// Everything that may be a key or a value in this line, or in a text all of which stands in brackets.
pub(super) fn pairs(line: &str) -> impl Iterator<Item = Pair<'_>> + Clone {
    Reader::of(line)
}

/// How many brackets are open where the line ends.
pub(super) fn open_brackets(line: &str) -> usize {
    let mut reader = Reader::of(line);
    reader.by_ref().for_each(drop);
    reader.depth
}

/// The key that the line begins with, and its value.
pub(super) fn first(line: &str) -> Option<(&str, &str)> {
    let begin = line.trim_start_matches(is_nothing);
    if begin.is_empty() || begin.starts_with(['-', '#', '{', '[', '?']) {
        return None;
    }
    Reader::of(begin).pair().filter(|pair| !pair.key.is_empty()).map(|pair| (pair.key, pair.value))
}

/// The value of this key, if the line begins with it.
pub(super) fn key<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    first(line).filter(|(found, _)| *found == key).map(|(_, value)| value)
}

/// Blanks, and what stands for no character.
fn is_nothing(char: char) -> bool {
    char.is_whitespace() || NO_TEXT.contains(&char) || char == '\u{feff}'
}

#[derive(Clone)]
struct Reader<'t> {
    line: &'t str,
    at: usize,
    depth: usize,
    /// Behind it, `#` begins a comment for sure.
    last_quote: usize,
}

impl<'t> Iterator for Reader<'t> {
    type Item = Pair<'t>;

    fn next(&mut self) -> Option<Pair<'t>> {
        while !self.rest().is_empty() {
            let before = self.at;
            let pair = self.pair();
            if self.at == before {
                self.at += self.rest().chars().next().map_or(1, char::len_utf8);
            }
            if pair.is_some() {
                return pair;
            }
        }
        None
    }
}

impl<'t> Reader<'t> {
    fn of(line: &'t str) -> Self {
        Self { line, at: 0, depth: 0, last_quote: line.rfind(['"', '\'']).unwrap_or(0) }
    }

    fn rest(&self) -> &'t str {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// The next key with its value, or the next text.
    fn pair(&mut self) -> Option<Pair<'t>> {
        self.skip();
        match self.rest().chars().next()? {
            '{' | '[' => {
                self.depth += 1;
                self.at += 1;
                return None;
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.at += 1;
                return None;
            }
            ',' => {
                self.at += 1;
                return None;
            }
            '#' if self.at >= self.last_quote => {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                return None;
            }
            _ => {}
        }
        let depth = self.depth;
        let (text, is_key) = self.scalar(true);
        if !is_key {
            return (!text.is_empty()).then_some(Pair { key: "", value: text, depth });
        }
        self.skip_properties();
        if self.rest().starts_with(['{', '[']) {
            return Some(Pair { key: text, value: &self.line[self.at..self.at], depth });
        }
        let (value, _) = self.scalar(false);
        Some(Pair { key: text, value, depth })
    }

    /// Blanks, dashes of lists, question marks of keys, anchors and tags.
    fn skip(&mut self) {
        loop {
            let before = self.at;
            self.skip_properties();
            let rest = self.rest();
            if let Some(after) =
                rest.strip_prefix(['-', '?']).filter(|after| after.is_empty() || after.starts_with(is_nothing))
            {
                self.at = self.line.len() - after.len();
            }
            if self.at == before {
                return;
            }
        }
    }

    fn skip_properties(&mut self) {
        loop {
            let rest = self.rest().trim_start_matches(is_nothing);
            self.at = self.line.len() - rest.len();
            if !rest.starts_with(['&', '!']) {
                return;
            }
            let end = rest.find(|char: char| char.is_whitespace() || ",[]{}".contains(char)).unwrap_or(rest.len());
            self.at += end;
        }
    }

    /// A scalar, and whether it is a key: then what comes next is its value.
    fn scalar(&mut self, may_be_key: bool) -> (&'t str, bool) {
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|char| matches!(char, '"' | '\'')) {
            let end = closing(rest, quote);
            let text = &rest[1..end];
            self.at += (end + 1).min(rest.len());
            let after = self.rest().trim_start_matches(is_nothing);
            let is_key = may_be_key && after.starts_with(':');
            if is_key {
                self.at = self.line.len() - after.len() + 1;
            }
            return (text.trim_matches(is_nothing), is_key);
        }
        let mut chars = rest.char_indices().peekable();
        let (mut end, mut is_key) = (rest.len(), false);
        while let Some((at, char)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match char {
                ':' if may_be_key => {
                    is_key = next.is_none_or(|next| is_nothing(next) || self.depth > 0 && ",[]{}".contains(next));
                    if is_key {
                        end = at;
                        break;
                    }
                }
                ',' | '[' | ']' | '{' | '}' if self.depth > 0 => {
                    end = at;
                    break;
                }
                BREAKS => {
                    end = at;
                    break;
                }
                // YAML knows no other blanks.
                ' ' | '\t' if next == Some('#') && self.at + at >= self.last_quote => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        self.at += if is_key { end + 1 } else { end };
        (rest[..end].trim_matches(is_nothing), is_key)
    }
}

/// Where the closing quote stands; the end of the text where there is none.
fn closing(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' if quote == '"' => _ = chars.next(),
            char if char == quote => match chars.peek() {
                Some((_, '\'')) if quote == '\'' => _ = chars.next(),
                _ => return at,
            },
            _ => {}
        }
    }
    text.len()
}

/// Whether a value is an alias of what stands elsewhere.
pub(super) fn is_alias(text: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char));
    text.strip_prefix('*').is_some_and(|name| !name.is_empty() && is_name(name))
}

/// Whether a value says no for sure; whether it says yes may be known only when it is rendered.
pub(super) fn is_no(value: &str) -> bool {
    let value = value.trim_matches(|char: char| is_nothing(char) || ",]}".contains(char));
    ["false", "no", "off", "n", "null", "~"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

/// Whether a value says yes for sure.
pub(super) fn is_yes(value: &str) -> bool {
    ["true", "yes", "on", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Whether a word stands in a text, and not as a part of another one.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// What stands literally in a text; `…` stands for its actions.
pub(super) fn literally(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            char if is_mark(char) && out.ends_with('…') => {}
            char if is_mark(char) => out.push('…'),
            char => out.push(char),
        }
    }
    out
}

/// Whether nothing stands in a text that an action decides or prints.
pub(super) fn is_literal(text: &str) -> bool {
    !text.contains(is_mark)
}

/// What may stand before the first word of a line.
pub(super) fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t') || NO_TEXT.contains(&char)
}

/// Whether it stands for an action.
pub(super) fn is_mark(char: char) -> bool {
    matches!(char, PRINTS | DECIDES | APP_VERSION | BREAKS)
}

/// How far a line stands to the right.
pub(super) fn indent(line: &str) -> usize {
    line.trim_start_matches(NO_TEXT).chars().take_while(|char| *char == ' ').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_found_wherever_they_stand() {
        let check = |line: &str, expect: &[(&str, &str)]| {
            let found: Vec<(&str, &str)> = pairs(line).map(|pair| (pair.key, pair.value)).collect();
            assert_eq!(found, expect, "{line}");
        };
        check("a: b", &[("a", "b")]);
        check("  - a: b # c", &[("a", "b")]);
        check("-\t- ? a :\tb", &[("a", "b")]);
        check("\"a\":b", &[("a", "b")]);
        check("'a' : 'it''s'", &[("a", "it''s")]);
        check(
            "a: {b: c, \"d\": [e, {f: g}], h: i}",
            &[("a", ""), ("b", "c"), ("d", ""), ("", "e"), ("f", "g"), ("h", "i")],
        );
        check("{\"a\":true,\"b\":\"c,d\"}", &[("a", "true"), ("b", "c,d")]);
        check("a: b, c{d}", &[("a", "b, c{d}")]);
        check("&x a: !!bool &y \"true\"", &[("a", "true")]);
        check("<<: {a: b}", &[("<<", ""), ("a", "b")]);
        check("a:b", &[("", "a:b")]);
        check("# a: b", &[]);
        check("a #\", b: c", &[("a #\", b", "c")]);
        check("# \", b: c}", &[("# \", b", "c}")]);
        check("\"a: b", &[("", "a: b")]);
        check("\u{e001}a: b\u{e001}", &[("a", "b")]);
        check("", &[]);
    }

    #[test]
    fn words_are_whole() {
        assert!(mentions("a.privileged: x", "privileged") && mentions("privileged", "privileged"));
        assert!(!mentions("unprivileged privileged-x privileged_", "privileged"));
        assert!(is_no("False ") && is_no("off,") && !is_no("") && !is_no("on"));
    }
}
