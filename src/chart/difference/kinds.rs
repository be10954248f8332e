//! What a document is: its kind and its name, as far as they stand literally in the text, in brackets or without.

use super::fields::{PRINTS, first, indent, is_blank, is_literal, is_mark, literally, pairs};
use super::line_number;

/// The most bytes of a document in brackets.
const BRACKETS_LIMIT: usize = 1 << 20;
/// The most kinds that one document is told under, and the longest.
const KIND_LIMIT: (usize, usize) = (16, 100);

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Something of this kind and name.
    Object {
        /// One kind, or several with ` or ` between.
        kind: String,
        name: String,
        /// The line of its kind.
        line: u32,
    },
    /// Something, but not what.
    Unread(&'static str),
    /// Nothing: blanks, comments, conditions.
    Nothing,
}

/// Lines that say something, with their places.
fn content(plain: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    plain.lines().enumerate().filter(|(_, line)| is_content(line))
}

/// How far the keys at the top of a document stand to the right.
pub(super) fn top(plain: &str) -> Option<usize> {
    content(plain).map(|(_, line)| indent(line)).min()
}

/// What stands at the top of a document.
#[derive(Default)]
pub(super) struct Top<'p> {
    /// Its kinds, with the lines that they stand in.
    kinds: Vec<(usize, &'p str)>,
    name: String,
    has_items: bool,
}

impl<'p> Top<'p> {
    /// Of a document that has something at its top, and is not too large.
    pub(super) fn of(plain: &'p str) -> Option<Self> {
        let top = top(plain)?;
        let begins = |(_, line): (usize, &str)| line.trim_start_matches(is_blank).starts_with(['{', '[']);
        if content(plain).next().is_some_and(begins) {
            return (plain.len() <= BRACKETS_LIMIT).then(|| Self::in_brackets(plain));
        }
        let name = name(plain, top).map(|name| literally(&name)).unwrap_or_default();
        let mut found = Self { name, ..Self::default() };
        let mut lines = content(plain).peekable();
        while let Some((at, line)) = lines.next() {
            match first(line).filter(|_| indent(line) == top) {
                Some(("kind", "")) => found.kind(at, lines.peek().map(|(_, below)| below.trim()).unwrap_or_default()),
                Some(("kind", value)) => found.kind(at, value),
                Some(("items", _)) => found.has_items = true,
                _ => {}
            }
        }
        Some(found)
    }

    /// Of a document that stands in brackets, as JSON does.
    fn in_brackets(plain: &'p str) -> Self {
        let (mut found, mut is_metadata) = (Self::default(), false);
        let (mut lines, mut counted) = (0, 0);
        for pair in pairs(plain) {
            match (pair.depth, pair.key) {
                (1, "kind") => {
                    let at = (pair.value.as_ptr() as usize).saturating_sub(plain.as_ptr() as usize);
                    lines += plain.get(counted..at).unwrap_or_default().matches('\n').count();
                    counted = at;
                    found.kind(lines, pair.value);
                }
                (1, "items") => found.has_items = true,
                (1, key) => is_metadata = key == "metadata",
                (2, "name") if is_metadata && found.name.is_empty() => found.name = literally(pair.value),
                _ => {}
            }
        }
        found
    }

    /// Whether Kubernetes takes it for a list: whatever has items is one, whatever it calls itself.
    pub(super) fn is_list(&self) -> bool {
        self.has_items || self.kinds.iter().any(|(_, kind)| kind.ends_with("List"))
    }

    fn kind(&mut self, at: usize, kind: &'p str) {
        if self.kinds.len() <= KIND_LIMIT.0 && !self.kinds.iter().any(|(_, known)| *known == kind) {
            self.kinds.push((at, kind));
        }
    }
}

/// What a document is.
pub(super) fn what(top: Option<&Top<'_>>, plain: &str, before: usize) -> What {
    let Some(Top { kinds, name, .. }) = top else {
        return if plain.len() > BRACKETS_LIMIT {
            What::Unread("it is too large to be read")
        } else {
            without_kind(plain)
        };
    };
    let Some((at, _)) = kinds.first() else { return without_kind(plain) };
    if kinds.iter().any(|(_, kind)| !is_literal(kind)) {
        return What::Unread("its kind is not literal");
    }
    let is_kind = |kind: &str| {
        !kind.is_empty() && kind.len() <= KIND_LIMIT.1 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if kinds.len() > KIND_LIMIT.0 || !kinds.iter().all(|(_, kind)| is_kind(kind)) {
        return What::Unread("its kind cannot be read");
    }
    let kind = kinds.iter().map(|(_, kind)| *kind).collect::<Vec<_>>().join(" or ");
    What::Object { kind, name: super::told(name), line: line_number(before + at) }
}

/// The name that stands below `metadata:`.
fn name(plain: &str, top: usize) -> Option<String> {
    let mut lines = content(plain).map(|(_, line)| line);
    let metadata =
        lines.by_ref().find(|line| indent(line) == top && first(line).is_some_and(|(key, _)| key == "metadata"))?;
    let in_line = pairs(metadata).skip(1).find(|pair| pair.key == "name" && pair.depth == 1);
    if let Some(pair) = in_line {
        return Some(pair.value.to_owned());
    }
    let mut children = lines.take_while(|line| indent(line) > top).peekable();
    let depth = children.peek().map(|line| indent(line))?;
    let mut generated = None;
    for (key, value) in children.filter(|line| indent(line) == depth).filter_map(first) {
        match key {
            "name" => return Some(value.to_owned()),
            "generateName" => generated = generated.or(Some(value)),
            _ => {}
        }
    }
    generated.map(|name| format!("{name}…"))
}

/// A document without a kind: nothing, or something that only rendering tells.
fn without_kind(plain: &str) -> What {
    match (content(plain).next().is_some(), plain.contains(PRINTS)) {
        (false, false) => What::Nothing,
        (false, true) => What::Unread("what it makes shows only when it is rendered"),
        (true, _) => What::Unread("no kind stands in it"),
    }
}

/// Whether a line is more than a blank, a comment, or actions alone.
pub(super) fn is_content(line: &str) -> bool {
    let line = line.trim_start_matches(|char: char| char.is_whitespace() || is_mark(char));
    !(line.is_empty() || line.starts_with('#'))
}
