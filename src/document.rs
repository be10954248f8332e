//! TOML documents of the workspace, read with positions, so that all problems of a file are told in one run.
//!
//! Owns the line and column of every value and the wording of unknown, missing and mistyped keys. Knows no key.

use std::cell::OnceCell;
use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Location, Problem, ProblemCode, Problems, code};

/// The most bytes that a file written by hand may have.
pub const FILE_LIMIT: usize = 1 << 20;

/// Decodes a file of the workspace: UTF-8 without a byte order mark or NUL, of at most `limit` bytes.
pub fn decode<'b>(bytes: &'b [u8], file: &str, limit: usize) -> Result<&'b str, Problem> {
    let problem = |location, code, message: &str, help: &str| Problem {
        location: Some(location),
        code,
        message: message.to_owned(),
        help: help.to_owned(),
    };
    let whole = Location::file(file);
    if bytes.len() > limit {
        let message = format!("the file is larger than {} MiB", limit >> 20);
        return Err(problem(whole, code!("too-big"), &message, "split it"));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        let at = Location::at(file, 1, 1);
        return Err(problem(
            at,
            code!("byte-order-mark"),
            "the file begins with a byte order mark",
            "save it without BOM",
        ));
    }
    if bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"\xFF\xFE") {
        let at = Location::at(file, 1, 1);
        return Err(problem(at, code!("not-utf-8"), "the file is UTF-16", "save it as UTF-8 without BOM"));
    }
    let place = |valid: &[u8]| {
        let text = String::from_utf8_lossy(valid);
        let (line, column) = Positions::new(&text).of(text.len());
        Location::at(file, line, column)
    };
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = place(&bytes[..error.valid_up_to()]);
        return Err(problem(at, code!("not-utf-8"), "the file is not UTF-8", "save it as UTF-8"));
    }
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        return Err(problem(place(&bytes[..nul]), code!("nul-byte"), "the file contains a NUL byte", "remove it"));
    }
    std::str::from_utf8(bytes)
        .map_err(|_| problem(whole, code!("not-utf-8"), "the file is not UTF-8", "save it as UTF-8"))
}

/// Lines and columns (in characters, both from 1) of byte offsets.
pub struct Positions<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Positions<'t> {
    /// Finds the lines of `text`.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(newlines).collect() }
    }

    /// The line and the column of a byte offset.
    #[must_use]
    pub fn of(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        (saturate(line), saturate(before.chars().count() + 1))
    }
}

/// A line or column as `u32`.
#[must_use]
pub fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Upstream or hand-written text as a message quotes it: 300 characters at most.
#[must_use]
pub fn quote(text: &str) -> String {
    text.chars().take(300).collect()
}

/// The known word that `word` most likely was meant to be.
#[must_use]
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let word = fold(&quote(word));
    let best = known.iter().map(|candidate| (distance(&word, &fold(candidate)), *candidate)).min()?;
    (best.0 <= 1.max(best.1.len() / 3)).then_some(best.1)
}

/// What to do about an unknown key: the likely one, else all that there are.
#[must_use]
pub fn unknown_help(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein's distance in characters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Reads one TOML text and collects what is wrong with it.
pub struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    first_line: u32,
    positions: OnceCell<Positions<'t>>,
    /// What was wrong so far.
    pub problems: Problems,
}

impl<'t> Reader<'t> {
    /// Reads `text`, whose first line is line `first_line` of `file`.
    #[must_use]
    pub fn new(file: &'t str, text: &'t str, first_line: u32) -> Self {
        Self { file, text, first_line, positions: OnceCell::new(), problems: Problems::default() }
    }

    /// The document; `None` after syntax errors, all of which were collected.
    pub fn parse(&mut self) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = 0;
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let (line, _) = self.position(span.start);
            // Recovery stumbles over the rest of a broken line: its first error is the one to read.
            if line != last_line {
                self.problem(&span, code!("toml-syntax"), error.message().to_owned(), String::new());
            }
            last_line = line;
        }
        errors.is_empty().then_some(table)
    }

    /// Collects a problem at these bytes.
    pub fn problem(&mut self, at: &Range<usize>, code: ProblemCode, message: String, help: impl Into<String>) {
        let location = Some(self.location(at));
        self.problems.push(Problem { location, code, message, help: help.into() });
    }

    /// Where these bytes begin.
    pub fn location(&self, at: &Range<usize>) -> Location {
        let (line, column) = self.position(at.start);
        Location::at(self.file, line, column)
    }

    fn position(&self, offset: usize) -> (u32, u32) {
        // The end is where the last line ends, not a line that is not there.
        let end = self.text.strip_suffix('\n').unwrap_or(self.text).len();
        let offset = if offset >= self.text.len() { end } else { offset };
        let (line, column) = self.positions.get_or_init(|| Positions::new(self.text)).of(offset);
        (line.saturating_add(self.first_line.saturating_sub(1)), column)
    }
}

/// A table of a document, with the name that messages call it by.
pub struct Table<'a, 't> {
    name: String,
    at: Range<usize>,
    entries: &'a DeTable<'t>,
}

impl<'a, 't> Table<'a, 't> {
    /// The document's own table.
    #[must_use]
    pub fn root(document: &'a Spanned<DeTable<'t>>) -> Self {
        Self { name: String::new(), at: 0..0, entries: document.get_ref() }
    }

    /// Its header's bytes.
    #[must_use]
    pub fn at(&self) -> &Range<usize> {
        &self.at
    }

    /// Its keys, with their bytes and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'t>>)> {
        self.entries.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    /// Tells keys that are neither `required` (name and an example) nor `optional`, and `required` ones that are missing.
    pub fn check(&self, reader: &mut Reader<'_>, required: &[(&str, &str)], optional: &[&str]) {
        for (key, at, _) in self.iter() {
            if !required.iter().any(|(known, _)| *known == key) && !optional.contains(&key) {
                let known: Vec<&str> = required.iter().map(|(key, _)| *key).chain(optional.iter().copied()).collect();
                let message = format!("unknown key `{}`", self.path(key));
                if looks_secret(key) {
                    let help = "secrets never stand in the workspace: log in with `docker login` or `helm registry login`, or name a file in `REGISTRY_AUTH_FILE`";
                    reader.problem(&at, code!("secret-key"), message, help);
                } else {
                    reader.problem(&at, code!("unknown-key"), message, unknown_help(key, &known));
                }
            }
        }
        for (key, example) in required {
            if self.get(key).is_none() {
                let message = format!("`{}` is missing", self.path(key));
                let help = if example.starts_with('[') {
                    format!("add a table `{example}`")
                } else {
                    format!("add `{key} = {example}`")
                };
                reader.problem(&self.at, code!("missing-key"), message, help);
            }
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.entries.get(key)
    }

    /// The text of `key`, with its bytes.
    pub fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<(&'a str, Range<usize>)> {
        let value = self.get(key)?;
        text(reader, self.path(key), value)
    }

    /// The text of `key`, parsed; what does not parse is told as `invalid-value`.
    pub fn parsed<T: FromStr<Err: Display>>(&self, reader: &mut Reader<'_>, key: &str) -> Option<T> {
        let (text, at) = self.text(reader, key)?;
        parsed(reader, self.path(key), text, &at)
    }

    /// The texts of the array `key`, with their bytes; empty where it is absent.
    pub fn texts(&self, reader: &mut Reader<'_>, key: &str) -> Vec<(&'a str, Range<usize>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let path = self.path(key);
        let DeValue::Array(entries) = value.get_ref() else {
            wrong_type::<()>(reader, path, value, "an array of texts");
            return Vec::new();
        };
        entries.iter().filter_map(|entry| text(reader, path, entry)).collect()
    }

    /// The truth of `key`.
    pub fn truth(&self, reader: &mut Reader<'_>, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => wrong_type(reader, self.path(key), value, "`true` or `false`"),
        }
    }

    /// The number of `key`, which must lie in `range`.
    pub fn number(&self, reader: &mut Reader<'_>, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            return wrong_type(reader, self.path(key), value, "a whole number");
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("`{}` is {}", self.path(key), quote(&digits.to_string()));
            let help = if *range.end() >= MOST {
                format!("write a number of at least {}", range.start())
            } else {
                format!("write a number from {} to {}", range.start(), range.end())
            };
            reader.problem(&value.span(), code!("invalid-value"), message, help);
        }
        number
    }

    /// The table `key`.
    pub fn table(&self, reader: &mut Reader<'_>, key: &str) -> Option<Table<'a, 't>> {
        let value = self.get(key)?;
        table(reader, self.path(key).to_string(), value)
    }

    /// The tables of the array of tables `key`; empty where it is absent.
    pub fn tables(&self, reader: &mut Reader<'_>, key: &str) -> Vec<Table<'a, 't>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(entries) = value.get_ref() else {
            let expected = format!("an array of tables (`[[{key}]]`)");
            wrong_type::<()>(reader, self.path(key), value, &expected);
            return Vec::new();
        };
        entries.iter().filter_map(|entry| table(reader, self.path(key).to_string(), entry)).collect()
    }

    /// The key as messages name it: `signing.method`.
    #[must_use]
    pub fn path<'p>(&'p self, key: &'p str) -> KeyPath<'p> {
        KeyPath { table: &self.name, key }
    }
}

/// A key with its table's name before it.
#[derive(Debug, Clone, Copy)]
pub struct KeyPath<'p> {
    table: &'p str,
    key: &'p str,
}

impl Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key } = *self;
        let bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) && !key.is_empty();
        let dot = if table.is_empty() { "" } else { "." };
        let quotes = if bare { "" } else { "\"" };
        write!(f, "{table}{dot}{quotes}{}{quotes}", quote(key))
    }
}

/// Numbers from here on are not told as a limit.
const MOST: u64 = i64::MAX as u64;

/// Parses a text; what does not parse is told as `invalid-value`.
pub fn parsed<T: FromStr<Err: Display>>(
    reader: &mut Reader<'_>,
    path: impl Display,
    text: &str,
    at: &Range<usize>,
) -> Option<T> {
    text.parse()
        .map_err(|error| reader.problem(at, code!("invalid-value"), format!("`{path}`: {error}"), String::new()))
        .ok()
}

fn text<'a>(
    reader: &mut Reader<'_>,
    path: impl Display,
    value: &'a Spanned<DeValue<'_>>,
) -> Option<(&'a str, Range<usize>)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.as_ref(), value.span())),
        _ => wrong_type(reader, path, value, "a text in quotes"),
    }
}

fn table<'a, 't>(reader: &mut Reader<'_>, name: String, value: &'a Spanned<DeValue<'t>>) -> Option<Table<'a, 't>> {
    match value.get_ref() {
        DeValue::Table(entries) => Some(Table { name, at: value.span(), entries }),
        _ => wrong_type(reader, name, value, "a table"),
    }
}

fn wrong_type<T>(
    reader: &mut Reader<'_>,
    path: impl Display,
    value: &Spanned<DeValue<'_>>,
    expected: &str,
) -> Option<T> {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    let message = format!("`{path}` is {found}");
    reader.problem(&value.span(), code!("wrong-type"), message, format!("write {expected}"));
    None
}

fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["password", "passwd", "passphrase", "token", "secret", "user", "credential", "auth"]
        .iter()
        .any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let positions = Positions::new("ä=1\r\nßb");
        assert_eq!([0, 2, 5, 6, 8].map(|offset| positions.of(offset)), [(1, 1), (1, 2), (1, 5), (2, 1), (2, 2)]);
        assert_eq!(Positions::new("").of(0), (1, 1));
    }

    #[test]
    fn typing_errors_find_their_word() {
        let known = ["method", "issuer", "public-key", "plain-http"];
        for (word, meant) in [
            ("methd", Some("method")),
            ("Issuer", Some("issuer")),
            ("public_key", Some("public-key")),
            ("plainhttp", Some("plain-http")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn undecodable_files_are_told_with_their_place() {
        for (bytes, says) in [
            (
                &b"\xEF\xBB\xBFa"[..],
                "f:1:1: the file begins with a byte order mark [byte-order-mark]\n  help: save it without BOM",
            ),
            (b"\xFF\xFEa\0", "f:1:1: the file is UTF-16 [not-utf-8]\n  help: save it as UTF-8 without BOM"),
            (b"a\nb\xC3(", "f:2:2: the file is not UTF-8 [not-utf-8]\n  help: save it as UTF-8"),
            (b"a\nbc\0", "f:2:3: the file contains a NUL byte [nul-byte]\n  help: remove it"),
            (&vec![b' '; FILE_LIMIT + 1], "f: the file is larger than 1 MiB [too-big]\n  help: split it"),
        ] {
            assert_eq!(decode(bytes, "f", FILE_LIMIT).unwrap_err().to_string(), says);
        }
        assert_eq!(decode("ä".as_bytes(), "f", FILE_LIMIT), Ok("ä"));
    }
}
