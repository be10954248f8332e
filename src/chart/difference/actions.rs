//! The template language as Go's own lexer takes it apart: text, comments, and actions with their words.
//!
//! Owns where an action begins and ends, whatever stands in its quotes. Knows no YAML and runs nothing.

use std::ops::Range;

/// What the template language trims: no other blank is one to it.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// One piece of a template, in order; together they are all of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece<'t> {
    /// What is printed as it stands.
    Text(Range<usize>),
    /// Blanks that an action beside them takes away.
    Trimmed(Range<usize>),
    /// What prints nothing and does nothing.
    Comment(Range<usize>),
    Action(Action<'t>),
    /// What Go cannot read, to the end: no such chart can be installed.
    Broken(Range<usize>),
}

/// An action with its delimiters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Action<'t> {
    pub(super) range: Range<usize>,
    pub(super) tokens: Vec<Token<'t>>,
}

/// One word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    /// A function or a keyword.
    Word(&'t str),
    /// Fields and variables, numbers aside: `.a`, `$`, `$x`.
    Field(&'t str),
    /// A text in quotes of either kind, as written, and what it says.
    Text(String),
    /// `:=` or `=`.
    Assigns,
    /// `|`, `(`, `)` and whatever else stands alone.
    Sign(char),
}

/// Takes a template apart.
pub(super) struct Pieces<'t> {
    text: &'t str,
    at: usize,
    /// What is handed out before more is read.
    next: Option<Piece<'t>>,
}

impl<'t> Pieces<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0, next: None }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads what begins with `{{`, which is known to be there.
    fn delimited(&mut self) -> Piece<'t> {
        let begin = self.at;
        let inside = begin + 2 + if trims_left(&self.text[begin + 2..]) { 2 } else { 0 };
        let found = if self.text[inside..].starts_with("/*") { self.comment(inside) } else { self.action(inside) };
        let Some((end, delimiter, tokens)) = found else {
            self.at = self.text.len();
            return Piece::Broken(begin..self.at);
        };
        self.at = end + delimiter;
        let end = self.at;
        if delimiter > 2 {
            let blanks = self.rest().len() - self.rest().trim_start_matches(BLANKS).len();
            if blanks > 0 {
                self.at += blanks;
                self.next = Some(Piece::Trimmed(end..self.at));
            }
        }
        match tokens {
            None => Piece::Comment(begin..end),
            Some(tokens) => Piece::Action(Action { range: begin..end, tokens }),
        }
    }

    /// Where it ends, how long its right delimiter is, and no words.
    fn comment(&self, inside: usize) -> Option<(usize, usize, Option<Vec<Token<'t>>>)> {
        let end = inside + 2 + self.text[inside + 2..].find("*/")? + 2;
        Some((end, right_delimiter(&self.text[end..])?, None))
    }

    /// Where it ends, how long its right delimiter is, and its words.
    fn action(&self, inside: usize) -> Option<(usize, usize, Option<Vec<Token<'t>>>)> {
        let (mut at, mut depth, mut tokens) = (inside, 0_usize, Vec::new());
        loop {
            let rest = &self.text[at..];
            if let Some(length) = right_delimiter(rest) {
                return (depth == 0).then_some((at, length, Some(tokens)));
            }
            let first = rest.chars().next()?;
            let length = match first {
                ' ' | '\t' | '\r' | '\n' => 1,
                '"' | '\'' => {
                    let length = quoted(rest, first)?;
                    if first == '"' {
                        tokens.push(Token::Text(unescaped(&rest[1..length - 1])));
                    }
                    length
                }
                '`' => {
                    let length = rest[1..].find('`')? + 2;
                    tokens.push(Token::Text(rest[1..length - 1].replace('\r', "")));
                    length
                }
                '(' => {
                    depth += 1;
                    tokens.push(Token::Sign('('));
                    1
                }
                ')' => {
                    depth = depth.checked_sub(1)?;
                    tokens.push(Token::Sign(')'));
                    1
                }
                ':' => {
                    tokens.push(Token::Assigns);
                    rest.strip_prefix(":=").map(|_| 2)?
                }
                '=' => {
                    tokens.push(Token::Assigns);
                    1
                }
                '.' | '$' => {
                    let length = 1 + word(&rest[1..]);
                    tokens.push(Token::Field(&rest[..length]));
                    length
                }
                _ if is_word(first) => {
                    let length = word(rest);
                    // A number prints itself, whatever follows its digits.
                    if !first.is_ascii_digit() {
                        tokens.push(Token::Word(&rest[..length]));
                    }
                    length
                }
                ' '..='~' => {
                    tokens.push(Token::Sign(first));
                    1
                }
                _ => return None,
            };
            at += length;
        }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        if let Some(piece) = self.next.take() {
            return Some(piece);
        }
        let (begin, rest) = (self.at, self.rest());
        if rest.is_empty() {
            return None;
        }
        let Some(length) = rest.find("{{") else {
            self.at = self.text.len();
            return Some(Piece::Text(begin..self.at));
        };
        if length == 0 {
            return Some(self.delimited());
        }
        self.at = begin + length;
        let text = &rest[..length];
        let kept = if trims_left(&rest[length + 2..]) { text.trim_end_matches(BLANKS).len() } else { length };
        if kept == 0 {
            return Some(Piece::Trimmed(begin..self.at));
        }
        if kept < length {
            self.next = Some(Piece::Trimmed(begin + kept..self.at));
        }
        Some(Piece::Text(begin..begin + kept))
    }
}

/// Whether the text behind `{{` begins with the mark that trims the blanks before it.
fn trims_left(inside: &str) -> bool {
    inside.strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANKS))
}

/// Whether a text begins with the mark that trims the blanks behind `}}`.
fn trims_right(text: &str) -> bool {
    text.strip_prefix(BLANKS).is_some_and(|rest| rest.starts_with('-'))
}

/// The length of the right delimiter that a text begins with, its mark included.
fn right_delimiter(text: &str) -> Option<usize> {
    if trims_right(text) && text[2..].starts_with("}}") { Some(4) } else { text.starts_with("}}").then_some(2) }
}

/// The length of what stands in these quotes, which may be escaped; none where a line ends before.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => _ = chars.next().filter(|(_, char)| *char != '\n')?,
            '\n' => return None,
            char if char == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

fn word(text: &str) -> usize {
    text.find(|char| !is_word(char)).unwrap_or(text.len())
}

/// What a text in double quotes says. What Go would refuse stays as it is written.
fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, escaped)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = escaped.chars();
        let Some(letter) = chars.next() else { break };
        let digits = match letter {
            'x' => Some((1, 2, 16)),
            'u' => Some((1, 4, 16)),
            'U' => Some((1, 8, 16)),
            '0'..='7' => Some((0, 3, 8)),
            _ => None,
        };
        let code = digits.and_then(|(from, count, radix)| {
            let code = u32::from_str_radix(escaped.get(from..from + count)?, radix).ok()?;
            Some((char::from_u32(code)?, from + count))
        });
        let (said, length) = code.unwrap_or(match letter {
            'n' => ('\n', 1),
            't' => ('\t', 1),
            'r' => ('\r', 1),
            letter => (letter, letter.len_utf8()),
        });
        out.push(said);
        rest = &escaped[length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces in short: text as it stands, `-` trimmed, `#` a comment, `(…)` an action's words and texts, `!` what is broken.
    fn short(template: &str) -> String {
        let mut whole = 0;
        let mut take = |range: &Range<usize>| {
            assert_eq!(range.start, whole);
            whole = range.end;
        };
        let mut out = String::new();
        for piece in Pieces::of(template) {
            match piece {
                Piece::Text(range) => {
                    take(&range);
                    out.push_str(&template[range]);
                }
                Piece::Trimmed(range) => {
                    take(&range);
                    out.push('-');
                }
                Piece::Comment(range) => {
                    take(&range);
                    out.push('#');
                }
                Piece::Broken(range) => {
                    take(&range);
                    out.push('!');
                }
                Piece::Action(action) => {
                    take(&action.range);
                    let words = action.tokens.iter().filter_map(|token| match token {
                        Token::Word(word) | Token::Field(word) => Some((*word).to_owned()),
                        Token::Text(text) => Some(format!("{text:?}")),
                        Token::Assigns => Some("=".to_owned()),
                        Token::Sign(_) => None,
                    });
                    out.extend(["(", &words.collect::<Vec<_>>().join(" "), ")"]);
                }
            }
        }
        assert_eq!(whole, template.len());
        out
    }

    /// As Go's own lexer does, which was asked.
    #[test]
    fn templates_are_taken_apart_as_go_does() {
        let check = |template: &str, expect: &str| assert_eq!(short(template), expect, "{template}");
        check("a{{/* b */}}c", "a#c");
        check("a \n{{- /* b */ -}}\n c", "a-#-c");
        check("a{{ /* b */}}c", "a(b)c");
        check("a{{-/* b */}}c", "a(b)c");
        check("a{{/* b */ }}c", "a!");
        check("a{{/* }} */}}c", "a#c");
        check("{{ $c := \"{{/*\" }}b", "($c = \"{{/*\")b");
        check("{{ `}}{{/*` }}b", "(\"}}{{/*\")b");
        check("{{ \"\\\"}}\" }}b", "(\"\\\"}}\")b");
        check("{{ '}' }}{{ '\\'' }}b", "()()b");
        check("{{ \"a }}b", "!");
        check("{{ ( }}b", "!");
        check("{{ ) }}b", "!");
        check("{{ .a.b | f (g $x) }}", "(.a .b f g $x)");
        check("{{ \"\\x70\\u0072\\151\\n\" }}", "(\"pri\\n\")");
        check(" {{- 3 -}} ", "-()-");
        check(" {{-3-}} ", " () ");
        check("{{- -}} a", "() a");
        check("{{\nif .a\n}}", "(if .a)");
        check("{{", "!");
        check("", "");
    }
}
