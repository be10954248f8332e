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
    /// A field, or a variable: `.a`, `$`, `$x`.
    Field(&'t str),
    /// A field of what stands before it: `.b` in `.a.b`.
    Chain(&'t str),
    /// A number or a character, which prints as one.
    Number,
    /// A text in quotes of either kind, as written, and what it says.
    Text(String),
    /// `:=` or `=`.
    Assigns,
    /// `|`, `(`, `)` and whatever else stands alone.
    Sign(char),
}

impl<'t> Action<'t> {
    /// Its functions and keywords.
    pub(super) fn words(&self) -> impl Iterator<Item = &'t str> + Clone {
        self.tokens.iter().filter_map(|token| if let Token::Word(word) = token { Some(*word) } else { None })
    }

    /// The functions that it calls.
    pub(super) fn calls(&self) -> Calls<'t, '_> {
        let (mut all, mut places, mut outer) = (Vec::<Call<'t, '_>>::new(), vec![Place::Begin], Vec::new());
        for token in &self.tokens {
            let is_outer = places.len() == 1;
            let Some(place) = places.last_mut() else { break };
            if is_outer && *token == Token::Assigns {
                outer.clear();
            }
            match (token, *place) {
                (Token::Sign('|') | Token::Assigns, _) => *place = Place::Begin,
                (Token::Sign(')'), _) => {
                    if places.len() > 1 {
                        places.pop();
                    }
                    continue;
                }
                (Token::Chain(_), Place::Call(at)) => {
                    if let Some(operand) = all.get_mut(at).and_then(|call| call.operands.last_mut()) {
                        operand.goes_on = true;
                    }
                }
                (Token::Chain(_), _) | (_, Place::Value) => {}
                (Token::Word(word), Place::Begin) if KEYWORDS.contains(word) => {}
                (Token::Word(function), Place::Begin) => {
                    *place = Place::Call(all.len());
                    outer.extend(is_outer.then_some(*function));
                    all.push(Call { function, operands: Vec::new() });
                }
                (_, Place::Begin) => *place = Place::Value,
                (token, Place::Call(at)) => {
                    if let Some(call) = all.get_mut(at) {
                        call.operands.push(Operand { token, goes_on: false });
                    }
                }
            }
            if *token == Token::Sign('(') {
                places.push(Place::Begin);
            }
        }
        Calls { all, outer }
    }
}

/// The functions that an action calls.
pub(super) struct Calls<'t, 'a> {
    pub(super) all: Vec<Call<'t, 'a>>,
    /// Those that each other's results are piped through: the last one makes what the action makes.
    pub(super) outer: Vec<&'t str>,
}

/// A function with what it is given, what comes through a pipe aside.
pub(super) struct Call<'t, 'a> {
    pub(super) function: &'t str,
    pub(super) operands: Vec<Operand<'t, 'a>>,
}

/// What a function is given.
#[derive(Clone, Copy)]
pub(super) struct Operand<'t, 'a> {
    /// Its first token: `(` of one that is an action itself.
    pub(super) token: &'a Token<'t>,
    /// Whether fields of it follow.
    pub(super) goes_on: bool,
}

/// Where a token of an action stands.
#[derive(Clone, Copy)]
enum Place {
    /// Where a command begins.
    Begin,
    /// Behind this function.
    Call(usize),
    /// Behind a value.
    Value,
}

/// Words before a command that are no functions.
const KEYWORDS: [&str; 8] = ["if", "else", "with", "range", "define", "block", "template", "end"];

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
                    let text = || Token::Text(unescaped(&rest[1..length - 1]));
                    tokens.push(if first == '"' { text() } else { Token::Number });
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
                    let continues = first == '.' && !self.text[..at].ends_with(BLANKS);
                    let continues =
                        continues && !matches!(tokens.last(), None | Some(Token::Sign('(' | '|') | Token::Assigns));
                    let field = &rest[..length];
                    tokens.push(if continues { Token::Chain(field) } else { Token::Field(field) });
                    length
                }
                _ if is_word(first) => {
                    let length = word(rest);
                    let is_number = first.is_ascii_digit();
                    tokens.push(if is_number { Token::Number } else { Token::Word(&rest[..length]) });
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
                        Token::Chain(word) => Some(format!("+{word}")),
                        Token::Number => Some("0".to_owned()),
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

    #[test]
    fn calls_are_told_with_their_operands() {
        let check = |action: &str, expect: &str| {
            let Some(Piece::Action(action)) = Pieces::of(action).next() else { panic!("{action}") };
            let calls = action.calls();
            let told = calls.all.iter().map(|call| format!("{}:{}", call.function, call.operands.len()));
            let told = told.chain([format!("→ {}", calls.outer.join(" "))]);
            assert_eq!(told.collect::<Vec<_>>().join(" "), expect);
        };
        check("{{ dict \"a\" .b.c (d .e).f 1 | quote }}", "dict:4 d:1 quote:0 → dict quote");
        check("{{ if eq .a (f .b) }}", "eq:2 f:1 → eq");
        check("{{ $x := quote (f .b | g) }}", "quote:1 f:1 g:0 → quote");
        check("{{ range $k, $v := f .a true }}", "f:2 → f");
        check("{{ .a.b }}", "→ ");
        check("{{ (f .a) }}", "f:1 → ");
        check("{{ .a | f }}", "f:0 → f");
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
        check("{{ '}' }}{{ '\\'' }}b", "(0)(0)b");
        check("{{ \"a }}b", "!");
        check("{{ ( }}b", "!");
        check("{{ ) }}b", "!");
        check("{{ .a.b | f (g $x) }}", "(.a +.b f g $x)");
        check("{{ f .a .b $.c (g).d (.e) 1.5 }}", "(f .a .b $ +.c g +.d .e 0 +.5)");
        check("{{ \"\\x70\\u0072\\151\\n\" }}", "(\"pri\\n\")");
        check(" {{- 3 -}} ", "-(0)-");
        check(" {{-3-}} ", " (0) ");
        check("{{- -}} a", "() a");
        check("{{\nif .a\n}}", "(if .a)");
        check("{{", "!");
        check("", "");
    }
}
