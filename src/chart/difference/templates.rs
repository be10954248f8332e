//! A template as lines: what it says literally, with marks where only rendering tells.
//!
//! Owns what of it is hidden: keys, lines and whole parts that actions make are told as not read, unless their words say that
//! they come from values, from files or from named templates, which are looked at themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::actions::{Action, Piece, Pieces, Token};
use super::calls::{self, LINE_ENDS, Makes};
use super::fields::{APP_VERSION, BREAKS, DECIDES, PRINTS, is_mark};
use super::{joints, line_number, words};

/// The most entries that are kept of each kind.
const FACT_LIMIT: usize = 10_000;
/// The most bytes of a line that is looked at word by word.
pub(super) const LINE_LIMIT: usize = 16 << 10;

/// Why a line is not read.
const ASSEMBLED: &str = "actions make keys or lines of it: what they say shows only when it is rendered";
const TOO_LONG: &str = "a line of it is too long to be read word by word";

/// Words of actions that print nothing themselves.
const QUIET: [&str; 9] = ["if", "else", "end", "with", "range", "define", "break", "continue", "fail"];
/// Functions that change what they are given for everybody.
const CHANGING: [&str; 5] = ["set", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"];

/// The fields of Chart.yaml that are told where they change, or cannot be more than a name.
const PLAIN_FIELDS: [&str; 8] =
    [".Name", ".Version", ".AppVersion", ".ApiVersion", ".APIVersion", ".KubeVersion", ".Type", ".IsRoot"];
/// The file with the others.
const CHART_YAML: &str = "Chart.yaml";
/// What reads files of the chart.
const READING: [&str; 6] = [".Get", ".GetBytes", ".Lines", ".Glob", ".AsConfig", ".AsSecrets"];

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
    /// Lines that hide what they say, and why; and how many from there on.
    pub(super) opaque: BTreeMap<(u32, &'static str), u32>,
    /// Conditions, loops and named templates.
    pub(super) blocks: Vec<Block>,
    /// All that is said of variables.
    pub(super) assigned: String,
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

/// What stands from a condition, a loop or the like to its end.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) line: u32,
    /// The line of its end.
    pub(super) last: u32,
    /// Where the action that opens it stands in the text.
    pub(super) written: Range<usize>,
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

/// Reads a template.
pub(super) fn read(source: &str) -> Template {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut builder = Builder::default();
    for piece in Pieces::of(source) {
        builder.piece(&piece, source);
    }
    builder.finish()
}

/// Reads a text that is no template in the same way.
pub(super) fn as_it_stands(source: &str) -> Template {
    let mut builder = Builder::default();
    builder.literal(source.strip_prefix('\u{feff}').unwrap_or(source));
    builder.finish()
}

#[derive(Default)]
struct Builder {
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
    /// The blocks that are open: each with its conditions.
    open: Vec<Vec<(u32, Range<usize>)>>,
    /// Variables that hold what nobody can read, and where that is given to them: not told before they are used.
    strange: HashMap<String, Vec<(usize, usize)>>,
}

/// The actions of one line.
#[derive(Default)]
struct Row {
    /// Whether one puts texts together, or prints something again and again.
    repeats: bool,
    /// Whether it has more than blanks and conditions.
    says: bool,
}

impl Builder {
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
            self.print(line);
        }
    }

    /// A part of a line.
    fn print(&mut self, text: &str) {
        self.row.says |= !text.trim().is_empty();
        self.plain.extend(text.chars().map(|char| if is_mark(char) { char::REPLACEMENT_CHARACTER } else { char }));
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

    /// Whether the line that ends here hides what it says.
    fn judge(&mut self) {
        let row = std::mem::take(&mut self.row);
        let line = &self.plain[self.begin..];
        let is_assembled = joints::is_assembled(line, row.repeats);
        let why = if is_assembled || joints::is_disguised(line) {
            ASSEMBLED
        } else if line.len() > LINE_LIMIT && words::mentioned(line).is_some() {
            TOO_LONG
        } else {
            return;
        };
        self.opaque(self.begin_line, self.lines.saturating_sub(self.begin_line + 1), why);
    }

    /// This line and so many more hide what they say.
    fn opaque(&mut self, at: usize, more: usize, why: &'static str) {
        let opaque = &mut self.facts.opaque;
        self.facts.is_full |= opaque.len() >= FACT_LIMIT;
        if opaque.len() < FACT_LIMIT {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let known = opaque.entry((line_number(at), why)).or_default();
            *known = more.max(*known);
        }
    }

    fn action(&mut self, action: &Action<'_>, written: &str) {
        let (line, more) = (line_number(self.lines), written.matches('\n').count());
        self.note(action, written, line);
        let keyword = match action.tokens.first() {
            Some(Token::Word(word)) => *word,
            _ => "",
        };
        self.block(keyword, line, self.text.len()..self.text.len() + written.len());
        let is_quiet = QUIET.contains(&keyword);
        let assigns = action.tokens.contains(&Token::Assigns);
        // What is only decided is not printed.
        let takes = assigns || action.words().any(|word| matches!(word, "with" | "range"));
        let makes = if is_quiet && !takes { Makes::Nothing } else { calls::makes(action) };
        // A multi-line one that names an image is known by its first line alone otherwise.
        let hides = makes == Makes::Other || makes != Makes::Nothing && more > 0 && self.facts.names.contains(&line);
        let uses = self.uses(action, makes);
        if assigns {
            self.facts.assigned.push_str(written);
        }
        if assigns && !is_quiet {
            self.assign(action, hides, uses, more);
        } else if is_quiet {
            if hides {
                self.opaque(self.lines, more, ASSEMBLED);
            }
            self.row.repeats |= keyword == "range";
            self.plain.push(DECIDES);
        } else {
            if hides {
                self.opaque(self.lines, more, ASSEMBLED);
            }
            self.prints(action, makes, more);
        }
    }

    /// What an action prints.
    fn prints(&mut self, action: &Action<'_>, makes: Makes, more: usize) {
        match action.tokens.as_slice() {
            [Token::Text(text)] if !text.contains(LINE_ENDS) => return self.print(text),
            [.., Token::Field(".Chart") | Token::Chain(".Chart"), Token::Chain(".AppVersion")]
                if action.tokens.len() <= 3 && action.words().next().is_none() =>
            {
                self.plain.push(APP_VERSION);
            }
            _ if action.calls().outer.last() == Some(&"nindent") => {
                // It prints on lines of its own.
                if makes == Makes::Joined {
                    self.opaque(self.lines, more, ASSEMBLED);
                }
                self.plain.extend([BREAKS, PRINTS]);
            }
            _ => {
                self.row.repeats |= makes == Makes::Joined;
                self.plain.push(PRINTS);
            }
        }
        self.row.says = true;
    }

    /// A variable is given something. What changes something else is told at once: nobody sees where that is used.
    fn assign(&mut self, action: &Action<'_>, hides: bool, uses: bool, more: usize) {
        let Some(Token::Field(variable)) = action.tokens.first() else { return };
        if hides && action.words().any(|word| CHANGING.contains(&word)) {
            self.opaque(self.lines, more, ASSEMBLED);
        }
        if hides || uses {
            self.strange.entry((*variable).to_owned()).or_default().push((self.lines, more));
        }
    }

    /// Whether it uses variables that hold what nobody can read: what was given to them is told now.
    fn uses(&mut self, action: &Action<'_>, makes: Makes) -> bool {
        let mut uses = false;
        if self.strange.is_empty() || makes == Makes::Nothing {
            return uses;
        }
        let assigned = action.tokens.iter().position(|token| *token == Token::Assigns).map_or(0, |at| at + 1);
        for token in action.tokens.iter().skip(assigned) {
            let Token::Field(variable) = token else { continue };
            let Some(places) = self.strange.get_mut(*variable) else { continue };
            for (at, more) in std::mem::take(places) {
                self.opaque(at, more, ASSEMBLED);
            }
            uses = true;
        }
        if uses {
            self.opaque(self.lines, 0, ASSEMBLED);
        }
        uses
    }

    /// A block begins or ends. Behind `else` its condition and that word stand around what follows.
    fn block(&mut self, keyword: &str, line: u32, written: Range<usize>) {
        match keyword {
            "if" | "with" | "range" | "define" | "block" => self.open.push(vec![(line, written)]),
            "else" => {
                if let Some(open) = self.open.last_mut() {
                    open.push((line, written));
                }
            }
            "end" => {
                for (begun, written) in self.open.pop().unwrap_or_default() {
                    self.facts.is_full |= self.facts.blocks.len() >= FACT_LIMIT;
                    if !self.facts.is_full {
                        self.facts.blocks.push(Block { line: begun, last: line, written });
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes note of what an action asks for and says.
    fn note(&mut self, action: &Action<'_>, written: &str, line: u32) {
        let facts = &mut self.facts;
        let has = |word: &str| action.words().any(|known| known == word);
        facts.defines |= has("define") || has("block");
        if has("tpl") {
            facts.tpl = facts.tpl.or(Some(line));
        }
        let most = facts.lookups.len().max(facts.names.len()).max(facts.says.len()).max(facts.reads.len());
        if most >= FACT_LIMIT {
            facts.is_full = true;
            return;
        }
        if has("lookup") {
            facts.lookups.push((line, asked(written).to_owned()));
        }
        let decides = has("if");
        for (at, token) in action.tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| action.tokens.get(before));
            match token {
                Token::Text(text) => {
                    let is_name = matches!(
                        before,
                        Some(Token::Word("include" | "template" | "block" | "define" | "hasKey" | "get"))
                    );
                    if !is_name && action.tokens.len() > 1 && names_something(text) && !decides {
                        facts.names.insert(line);
                    }
                    match text.as_str() {
                        "Files" => _ = facts.reads.insert(Reads::Any),
                        "Chart" => _ = facts.reads.insert(Reads::File(CHART_YAML.to_owned())),
                        _ => {}
                    }
                    if words::mentioned(text).is_some() {
                        facts.says.push((line, text.clone()));
                    }
                }
                // What Chart.yaml says besides may be any text.
                Token::Field(".Chart") | Token::Chain(".Chart") if !matches!(action.tokens.get(at + 1), Some(Token::Chain(field)) if PLAIN_FIELDS.contains(field)) =>
                {
                    facts.reads.insert(Reads::File(CHART_YAML.to_owned()));
                }
                Token::Field(".Files") | Token::Chain(".Files") => {
                    facts.reads.insert(read_by(action.tokens.get(at + 1), action.tokens.get(at + 2)));
                }
                Token::Field(method) | Token::Chain(method)
                    if READING.contains(method)
                        && !matches!(
                            before,
                            Some(Token::Field(".Files") | Token::Chain(".Files") | Token::Sign(')'))
                        ) =>
                {
                    facts.reads.insert(Reads::Any);
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

/// What `.Files` is asked for.
fn read_by(method: Option<&Token<'_>>, given: Option<&Token<'_>>) -> Reads {
    match (method, given) {
        (Some(Token::Chain(".Get" | ".GetBytes" | ".Lines")), Some(Token::Text(file))) => Reads::File(file.clone()),
        (Some(Token::Chain(".Glob")), Some(Token::Text(pattern))) => {
            let end = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
            Reads::Below(pattern[..end].to_owned())
        }
        _ => Reads::Any,
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
