//! A template as lines: what it says literally, with marks where only rendering tells.
//!
//! Owns what an action may hide: keys, lines and whole parts that it makes are told as not read, unless its words say that
//! they come from values, from files or from named templates, which are looked at themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::{Action, Piece, Pieces, Token};
use super::fields::{APP_VERSION, DECIDES, PRINTS, is_literal, mentions, pairs};
use super::line_number;

/// The most entries that are kept of each kind.
const FACT_LIMIT: usize = 10_000;

/// Words of actions that print nothing themselves.
const QUIET: [&str; 9] = ["if", "else", "end", "with", "range", "define", "break", "continue", "fail"];
/// Functions whose first text is only compared, or is told to whoever installs the chart.
const COMPARING: [&str; 10] = [
    "if",
    "fail",
    "required",
    "contains",
    "hasPrefix",
    "hasSuffix",
    "regexMatch",
    "splitList",
    "trimPrefix",
    "trimSuffix",
];
/// Functions that hand on what values, files and named templates say.
const HANDING_ON: [&str; 53] = [
    "toYaml",
    "toJson",
    "toPrettyJson",
    "nindent",
    "indent",
    "default",
    "omit",
    "pick",
    "merge",
    "mergeOverwrite",
    "mustMerge",
    "mustMergeOverwrite",
    "concat",
    "append",
    "prepend",
    "coalesce",
    "required",
    "trim",
    "quote",
    "squote",
    "toString",
    "ternary",
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "gt",
    "le",
    "ge",
    "hasKey",
    "get",
    "index",
    "empty",
    "len",
    "first",
    "last",
    "lookup",
    "tpl",
    "kindIs",
    "typeIs",
    "true",
    "false",
    "nil",
    "deepCopy",
    "fail",
    "trimSuffix",
    "trimPrefix",
    "include",
    "template",
    "block",
    "keys",
];
/// Functions that make what a named template is given.
const GIVING: [&str; 6] = ["dict", "list", "printf", "set", "print", "tuple"];
/// Functions after which nobody sees any more what a text said.
const DISGUISING: [&str; 12] = [
    "b64dec",
    "b32dec",
    "fromYaml",
    "fromJson",
    "fromToml",
    "fromYamlArray",
    "fromJsonArray",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "untitle",
    "camelcase",
    "println",
];

/// The fields of Chart.yaml that are told where they change, or cannot be more than a name.
const PLAIN_FIELDS: [&str; 8] =
    [".Name", ".Version", ".AppVersion", ".ApiVersion", ".APIVersion", ".KubeVersion", ".Type", ".IsRoot"];
/// The file with the others.
const CHART_YAML: &str = "Chart.yaml";
/// What ends a line for YAML.
const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// A template, read.
pub(super) struct Template {
    /// Without comments of the template language; line for line the file.
    pub(super) text: String,
    /// The same lines with marks for actions, and blanks trimmed where an action does that.
    pub(super) plain: String,
    pub(super) facts: Facts,
}

/// What its actions do.
#[derive(Default)]
pub(super) struct Facts {
    /// Lines that an action makes in a way that hides what they say, and how many from there on.
    pub(super) opaque: BTreeMap<u32, u32>,
    /// Where a condition or a named template begins, and its last line.
    pub(super) blocks: Vec<(u32, u32)>,
    /// Whether it has more of something than is kept.
    pub(super) is_full: bool,
    /// What it asks the cluster for.
    pub(super) lookups: Vec<(u32, String)>,
    /// The first line that makes templates of values.
    pub(super) tpl: Option<u32>,
    /// Which files of the chart it reads.
    pub(super) reads: BTreeSet<Reads>,
    /// Texts of actions that name what deserves a second look.
    pub(super) says: Vec<(u32, String)>,
    /// Lines in which an action says what may be an image or a part of one.
    pub(super) names: BTreeSet<u32>,
    /// Whether it has named templates.
    pub(super) defines: bool,
    /// Where the template language cannot be read any more.
    pub(super) broken: Option<u32>,
}

/// Files that a template reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reads {
    /// This one.
    File(String),
    /// Those whose paths begin so.
    Below(String),
    /// Nobody knows which.
    Any,
}

impl Reads {
    /// Whether it may read this file.
    pub(super) fn may_be(&self, path: &str) -> bool {
        match self {
            Self::File(file) => file == path,
            // Chart.yaml is no file to them: what they ask of it they ask for by name.
            Self::Below(begin) => path != CHART_YAML && path.starts_with(begin.as_str()),
            Self::Any => path != CHART_YAML,
        }
    }
}

/// Reads a template; `words` are what deserves a second look.
pub(super) fn read(source: &str, words: &[&str]) -> Template {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut builder = Builder { words, ..Builder::default() };
    for piece in Pieces::of(source) {
        builder.piece(&piece, source);
    }
    builder.finish()
}

#[derive(Default)]
struct Builder<'w> {
    words: &'w [&'w str],
    text: String,
    plain: String,
    facts: Facts,
    /// Line ends that stand in `text` and not in `plain` yet.
    owed: usize,
    /// How many line ends `text` has.
    lines: usize,
    /// Where the last line of `plain` begins.
    begin: usize,
    /// How many lines stand before it.
    begin_line: usize,
    /// What its actions are.
    row: Row,
    /// Where the blocks begin that are open.
    open: Vec<u32>,
}

/// The actions of one line.
#[derive(Default)]
struct Row {
    /// How many print.
    prints: usize,
    /// Whether one prints what does not simply hand something on.
    is_strange: bool,
    /// Whether one prints something again and again.
    repeats: bool,
    /// Whether it has more than blanks and conditions.
    says: bool,
}

impl Builder<'_> {
    fn piece(&mut self, piece: &Piece<'_>, source: &str) {
        match piece {
            Piece::Text(range) => self.literal(&source[range.clone()]),
            Piece::Broken(range) => {
                self.facts.broken = Some(line_number(self.lines));
                self.literal(&source[range.clone()]);
            }
            Piece::Trimmed(range) => {
                let before = self.lines;
                push_lines(&mut self.text, &source[range.clone()], &mut self.lines);
                self.owed += self.lines - before;
                if self.owed > 0 && !self.row.says {
                    // Nothing stands before what follows: it begins a line of its own, as it does in the file.
                    self.break_line();
                }
            }
            Piece::Comment(range) => {
                let lines = source[range.clone()].matches('\n').count();
                self.text.extend(std::iter::repeat_n('\n', lines));
                (self.lines, self.owed) = (self.lines + lines, self.owed + lines);
            }
            Piece::Action(action) => {
                let written = &source[action.range.clone()];
                self.action(action, written);
                let lines = written.matches('\n').count();
                self.text.push_str(written);
                (self.lines, self.owed) = (self.lines + lines, self.owed + lines);
            }
        }
    }

    /// Text that is printed as it stands.
    fn literal(&mut self, text: &str) {
        let (from, mut lines) = (self.text.len(), 0);
        push_lines(&mut self.text, text, &mut lines);
        let added = self.text[from..].to_owned();
        for (at, line) in added.split('\n').enumerate() {
            if at > 0 {
                self.lines += 1;
                self.end_line();
            }
            self.row.says |= !line.trim().is_empty();
            self.plain.extend(line.chars().map(|char| match char {
                PRINTS | DECIDES | APP_VERSION => char::REPLACEMENT_CHARACTER,
                char => char,
            }));
        }
    }

    fn end_line(&mut self) {
        self.judge();
        self.owed += 1;
        self.break_line();
    }

    fn break_line(&mut self) {
        self.plain.extend(std::iter::repeat_n('\n', self.owed));
        (self.owed, self.begin, self.begin_line) = (0, self.plain.len(), self.lines);
    }

    /// Whether the actions of the line that ends here hide what it says.
    fn judge(&mut self) {
        let row = std::mem::take(&mut self.row);
        let line = &self.plain[self.begin..];
        let is_escaped = escapes_letters(line);
        if is_literal(line) && !is_escaped {
            return;
        }
        let is_alone = row.prints > 0
            && line.chars().all(|char| char.is_whitespace() || matches!(char, PRINTS | DECIDES | APP_VERSION));
        let hides = if is_alone {
            row.is_strange || row.repeats || row.prints > 1
        } else {
            pairs(line).any(|pair| !is_literal(pair.key))
        };
        if hides || is_escaped {
            self.opaque(self.begin_line, self.lines.saturating_sub(self.begin_line + 1));
        }
    }

    /// This line and so many more hide what they say.
    fn opaque(&mut self, at: usize, more: usize) {
        let opaque = &mut self.facts.opaque;
        self.facts.is_full |= opaque.len() >= FACT_LIMIT;
        if opaque.len() < FACT_LIMIT {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let known = opaque.entry(line_number(at)).or_default();
            *known = more.max(*known);
        }
    }

    fn action(&mut self, action: &Action<'_>, written: &str) {
        let (line, more) = (line_number(self.lines), written.matches('\n').count());
        let words: Vec<&str> = action
            .tokens
            .iter()
            .filter_map(|token| if let Token::Word(word) = token { Some(*word) } else { None })
            .collect();
        self.facts(action, &words, written, line);
        let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
        let is_quiet = matches!(action.tokens.first(), Some(Token::Word(word)) if QUIET.contains(word));
        if is_quiet {
            self.block(words.first().copied().unwrap_or_default(), line);
        }
        let decides = matches!(words.as_slice(), ["if" | "fail", ..] | ["else", "if", ..]);
        // A multi-line one that names an image is known by its first line alone otherwise.
        let hides = has(&DISGUISING) || makes_lines(action) || more > 0 && self.facts.names.contains(&line);
        if hides && !decides {
            self.opaque(self.lines, more);
        }
        let assigns = action.tokens.iter().position(|token| *token == Token::Assigns);
        if assigns.is_some() && !is_quiet {
            return;
        }
        match action.tokens.as_slice() {
            [Token::Text(text)] if !text.contains(LINE_ENDS) => {
                self.row.says = true;
                return self.plain.push_str(text);
            }
            [Token::Field(".Chart"), Token::Field(".AppVersion")]
            | [Token::Field("$"), Token::Field(".Chart"), Token::Field(".AppVersion")] => {
                self.row.says = true;
                return self.plain.push(APP_VERSION);
            }
            _ => {}
        }
        if is_quiet {
            self.row.repeats |= words.first() == Some(&"range");
            return self.plain.push(DECIDES);
        }
        let gives = has(&["include", "template", "block"]);
        let is_strange = words.iter().any(|word| !(HANDING_ON.contains(word) || gives && GIVING.contains(word)));
        if has(&["nindent"]) {
            // It prints on lines of its own.
            if is_strange {
                self.opaque(self.lines, more);
            }
            return self.plain.push(DECIDES);
        }
        self.row.says = true;
        self.row.prints += 1;
        self.row.is_strange |= is_strange;
        self.plain.push(PRINTS);
    }

    /// A block begins or ends.
    fn block(&mut self, word: &str, line: u32) {
        match word {
            "if" | "with" | "range" | "define" | "block" => self.open.push(line),
            "end" => {
                let begun = self.open.pop();
                self.facts.is_full |= self.facts.blocks.len() >= FACT_LIMIT;
                self.facts.blocks.extend(begun.map(|begun| (begun, line)).filter(|_| !self.facts.is_full));
            }
            _ => {}
        }
    }

    fn facts(&mut self, action: &Action<'_>, words: &[&str], written: &str, line: u32) {
        let facts = &mut self.facts;
        facts.defines |= words.contains(&"define") || words.contains(&"block");
        if words.contains(&"tpl") {
            facts.tpl = facts.tpl.or(Some(line));
        }
        let most = facts.lookups.len().max(facts.names.len()).max(facts.says.len()).max(facts.reads.len());
        if most >= FACT_LIMIT {
            facts.is_full = true;
            return;
        }
        if words.contains(&"lookup") {
            facts.lookups.push((line, asked(written).to_owned()));
        }
        for (at, token) in action.tokens.iter().enumerate() {
            match token {
                Token::Text(text) => {
                    let before = at.checked_sub(1).and_then(|before| action.tokens.get(before));
                    let is_name = matches!(
                        before,
                        Some(Token::Word("include" | "template" | "block" | "define" | "hasKey" | "get"))
                    );
                    if !is_name && action.tokens.len() > 1 && names_something(text) && words.first() != Some(&"if") {
                        facts.names.insert(line);
                    }
                    if text == "Files" {
                        facts.reads.insert(Reads::Any);
                    }
                    if text == "Chart" {
                        facts.reads.insert(Reads::File(CHART_YAML.to_owned()));
                    }
                    if self.words.iter().any(|word| mentions(text, word)) {
                        facts.says.push((line, text.clone()));
                    }
                }
                // What Chart.yaml says besides may be any text.
                Token::Field(".Chart") if !matches!(action.tokens.get(at + 1), Some(Token::Field(field)) if PLAIN_FIELDS.contains(field)) =>
                {
                    facts.reads.insert(Reads::File(CHART_YAML.to_owned()));
                }
                Token::Field(".Files") => {
                    facts.reads.insert(match (action.tokens.get(at + 1), action.tokens.get(at + 2)) {
                        (Some(Token::Field(".Get" | ".GetBytes" | ".Lines")), Some(Token::Text(file))) => {
                            Reads::File(file.clone())
                        }
                        (Some(Token::Field(".Glob")), Some(Token::Text(pattern))) => {
                            let end = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
                            Reads::Below(pattern[..end].to_owned())
                        }
                        _ => Reads::Any,
                    });
                }
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Template {
        self.judge();
        self.plain.extend(std::iter::repeat_n('\n', self.owed));
        let Self { text, plain, facts, .. } = self;
        Template { text, plain, facts }
    }
}

/// Adds a text; what YAML takes for the end of a line ends one.
fn push_lines(out: &mut String, text: &str, lines: &mut usize) {
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let ends = match char {
            '\r' => chars.peek() != Some(&'\n'),
            char => LINE_ENDS.contains(&char),
        };
        *lines += usize::from(ends);
        out.push(if ends { '\n' } else { char });
    }
}

/// A text that is no template, with the same lines.
pub(super) fn as_it_stands(source: &str) -> Template {
    let mut text = String::with_capacity(source.len());
    push_lines(&mut text, source.strip_prefix('\u{feff}').unwrap_or(source), &mut 0);
    Template { plain: text.clone(), text, facts: Facts::default() }
}

/// Whether a text of an action may make lines or keys of its own.
fn makes_lines(action: &Action<'_>) -> bool {
    action.tokens.iter().enumerate().any(|(at, token)| {
        let Token::Text(text) = token else { return false };
        let before = at.checked_sub(1).and_then(|before| action.tokens.get(before));
        let is_compared = matches!(before, Some(Token::Word(word)) if COMPARING.contains(word));
        let makes = text.contains(LINE_ENDS) || text.contains(": ") || text.ends_with(':') || text.contains("---");
        makes && !is_compared
    })
}

/// What a `lookup` asks for.
fn asked(action: &str) -> &str {
    let Some((_, rest)) = action.split_once("lookup").filter(|(_, rest)| !rest.contains("lookup")) else {
        return action;
    };
    rest.split([')', '}', '|']).next().unwrap_or(rest).trim()
}

/// Whether a text is more than a pattern of other texts: a name, a path, a tag.
fn names_something(text: &str) -> bool {
    let rest = ["%s", "%v", "%d", "%q"].iter().fold(text.to_owned(), |text, verb| text.replace(verb, ""));
    rest.chars().any(char::is_alphanumeric) && text.contains(['/', '.', ':', '@'])
}

/// Whether letters are written as escapes, as only who hides a word does.
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
        if code.and_then(char::from_u32).is_some_and(|char| char.is_ascii_alphanumeric() || "*./:-".contains(char)) {
            return true;
        }
        // What is escaped itself escapes nothing.
        rest = after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    false
}
