//! Default values: `values.yaml` of a chart and its subcharts, compared key by key.
//!
//! Reads YAML with anchors and merge keys, as values files have them, and keeps the lines. What is too large or no YAML is
//! told as unread, never guessed.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use super::super::load::FLOW_LIMIT;
use super::super::quoted;
use super::super::yaml::SIZE_LIMIT;
use super::parts::Parts;
use super::words::may_be_half;
use super::{Change, Changes, TEXT_LIMIT, Unread, Value};

mod plainly;

mod read;

/// The most characters of a path that are told.
const PATH_LIMIT: usize = 200;
/// How many equal characters are told before two long values differ.
const BEFORE: usize = 20;
/// The files that are read in each part: Helm's defaults.
const FILE: &str = "values.yaml";

/// A value with its place.
#[derive(Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    List(Vec<(u32, Rc<Node>)>),
    Map(Vec<Entry>),
}

/// A scalar as it is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    /// Its text; of what is no text, one spelling.
    pub(super) text: String,
    /// Whether it is text that would be read as something else without quotes.
    quoted: bool,
}

impl Scalar {
    /// Whether it says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() || (self.text == "null" && !self.quoted)
    }

    fn told(&self) -> String {
        if self.quoted { serde_json::Value::from(self.text.as_str()).to_string() } else { self.text.clone() }
    }
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) value: Rc<Node>,
}

impl Node {
    /// The value of this key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        let Self::Map(entries) = self else { return None };
        entries.iter().rev().find(|entry| entry.key == key)
    }

    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    fn is_scalar(&self) -> bool {
        self.scalar().is_some()
    }

    /// Whether it is told in one piece: a scalar, a list of scalars, or something empty.
    fn is_leaf(&self) -> bool {
        match self {
            Self::Scalar(_) => true,
            Self::List(list) => list.iter().all(|(_, node)| node.is_scalar()),
            Self::Map(map) => map.is_empty(),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(one), Self::Scalar(other)) => one == other,
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|((_, one), (_, other))| one.equals(other))
            }
            (Self::Map(one), Self::Map(other)) => one.is_empty() && other.is_empty(),
            _ => false,
        }
    }

    /// A leaf as it is told, however long.
    fn told(&self) -> String {
        match self {
            Self::Scalar(scalar) => scalar.told(),
            Self::Map(_) => "{}".to_owned(),
            Self::List(list) => {
                let entries = list.iter().filter_map(|(_, node)| node.scalar()).map(Scalar::told);
                format!("[{}]", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The default values of a part.
pub(super) struct Defaults<'a> {
    pub(super) part: &'a str,
    pub(super) file: &'static str,
    pub(super) bytes: &'a [u8],
    /// The values, or why they could not be read.
    pub(super) values: Result<Rc<Node>, String>,
}

/// The default values of all parts.
pub(super) fn read<'a>(parts: &'a Parts<'a>) -> Vec<Defaults<'a>> {
    let of_part = |part: &'a super::parts::Part<'a>| {
        // Without the file there are no values, which the other version may have.
        let bytes = part.file(FILE).unwrap_or_default();
        Defaults { part: part.path.as_str(), file: FILE, bytes, values: parse(bytes) }
    };
    parts.all.values().map(of_part).collect()
}

fn parse(bytes: &[u8]) -> Result<Rc<Node>, String> {
    let opened = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if bytes.len() > SIZE_LIMIT || bytes.len().saturating_mul(opened) > FLOW_LIMIT {
        return Err("it is too large to be compared value by value".into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let node = read::document(text)?;
    let is_nothing = node.scalar().is_some_and(Scalar::is_empty);
    Ok(if is_nothing { Rc::new(Node::Map(Vec::new())) } else { node })
}

/// The values of a text.
#[cfg(test)]
pub(super) fn read_text(text: &str) -> Result<Rc<Node>, String> {
    parse(text.as_bytes())
}

/// A value at the end of a path.
pub(super) struct Leaf<'n> {
    steps: &'n [Step<'n>],
    pub(super) line: u32,
    pub(super) value: &'n str,
}

/// One step on the way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'n> {
    Key(&'n str),
    Item(usize),
}

impl Leaf<'_> {
    /// The last key.
    pub(super) fn key(&self) -> &str {
        self.nth_key(0).unwrap_or_default()
    }

    /// The key before the last one; of an entry of a list, the list's.
    pub(super) fn parent(&self) -> Option<&str> {
        self.nth_key(1)
    }

    fn nth_key(&self, from_end: usize) -> Option<&str> {
        match self.steps.iter().rev().nth(from_end)? {
            Step::Key(key) => Some(key),
            Step::Item(_) => None,
        }
    }

    pub(super) fn path(&self) -> String {
        path(self.steps)
    }

    /// Path and value.
    pub(super) fn told(&self) -> String {
        super::told(&format!("{}: {}", self.path(), super::told(self.value)))
    }
}

impl Defaults<'_> {
    /// Every scalar, until `take` wants no more.
    pub(super) fn leaves(&self, take: &mut dyn FnMut(&Leaf<'_>) -> bool) {
        if let Ok(node) = &self.values {
            walk(node, 0, &mut Vec::new(), take);
        }
    }
}

fn walk<'n>(node: &'n Node, line: u32, steps: &mut Vec<Step<'n>>, take: &mut dyn FnMut(&Leaf<'_>) -> bool) -> bool {
    match node {
        Node::Scalar(scalar) => take(&Leaf { steps, line, value: &scalar.text }),
        Node::List(list) => list.iter().enumerate().all(|(at, (line, node))| {
            steps.push(Step::Item(at));
            let more = walk(node, *line, steps, take);
            steps.pop();
            more
        }),
        Node::Map(entries) => entries.iter().all(|entry| {
            steps.push(Step::Key(&entry.key));
            let more = walk(&entry.value, entry.line, steps, take);
            steps.pop();
            more
        }),
    }
}

/// `a.b[0].c`, cut in the middle of nothing: the end is what tells.
pub(super) fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                let dot = if path.is_empty() { "" } else { "." };
                let key: String = key.chars().take(PATH_LIMIT).collect();
                let _ = write!(path, "{dot}{key}");
            }
            Step::Item(at) => {
                let _ = write!(path, "[{at}]");
            }
        }
    }
    let skipped = path.chars().count().saturating_sub(PATH_LIMIT);
    if skipped == 0 { path } else { format!("…{}", path.chars().skip(skipped).collect::<String>()) }
}

/// Values that were added, removed, or have another default. Those of a subchart that only one side has are not told one by
/// one.
pub(super) fn compare(old: &[Defaults<'_>], new: &[Defaults<'_>]) -> Changes<Value> {
    let mut changes = Changes::default();
    for (old, new) in in_both(old, new) {
        // Against values that could not be read, everything would be new.
        if let (Ok(before), Ok(now)) = (&old.values, &new.values) {
            let file = quoted(&format!("{}{}", new.part, new.file));
            Walk { file: &file, changes: &mut changes, steps: Vec::new() }.both((0, before), (0, now));
        }
    }
    changes
}

/// Values that are others now and could not be read on one side, or in a part that only the new version has.
pub(super) fn unread(old: &[Defaults<'_>], new: &[Defaults<'_>]) -> Vec<Unread> {
    let before: BTreeMap<&str, &Defaults<'_>> = old.iter().map(|defaults| (defaults.part, defaults)).collect();
    let mut unread = Vec::new();
    for new in new {
        let old = before.get(new.part).filter(|old| old.bytes != new.bytes);
        if old.is_none() && before.contains_key(new.part) {
            continue;
        }
        let read = old.map_or(Ok(()), |old| old.values.as_ref().map(|_| ()));
        if let Err(why) = new.values.as_ref().map(|_| ()).and(read) {
            unread.push(Unread { file: quoted(&format!("{}{}", new.part, new.file)), line: None, why: quoted(why) });
        }
    }
    unread
}

/// Default values that are new and whose meaning shows only when they are rendered: templates, where the chart makes templates
/// of values, and what may be a piece of a word that a template puts together.
pub(super) fn hidden(old: &[Defaults<'_>], new: &[Defaults<'_>], uses_tpl: bool) -> Vec<Unread> {
    let why = |leaf: &Leaf<'_>| match leaf.value {
        value if uses_tpl && value.contains("{{") => {
            Some("a default value is a template: what it makes shows only when it is rendered")
        }
        value if may_be_half(value) => {
            Some("a default value may be a part of a key: what that is shows only when it is rendered")
        }
        _ => None,
    };
    let mut known = HashSet::new();
    for defaults in old {
        defaults.leaves(&mut |leaf| {
            if why(leaf).is_some() {
                known.insert((defaults.part, leaf.path(), leaf.value.to_owned()));
            }
            true
        });
    }
    let mut unread = Vec::new();
    for defaults in new {
        defaults.leaves(&mut |leaf| {
            let why = why(leaf).filter(|_| !known.contains(&(defaults.part, leaf.path(), leaf.value.to_owned())));
            unread.extend(why.map(|why| {
                let file = quoted(&format!("{}{}", defaults.part, defaults.file));
                Unread { file, line: at_line(leaf.line), why: why.to_owned() }
            }));
            true
        });
    }
    unread
}

fn in_both<'n, 'a>(
    old: &'n [Defaults<'a>],
    new: &'n [Defaults<'a>],
) -> impl Iterator<Item = (&'n Defaults<'a>, &'n Defaults<'a>)> {
    let before: BTreeMap<&str, &Defaults<'_>> = old.iter().map(|defaults| (defaults.part, defaults)).collect();
    new.iter().filter_map(move |defaults| Some((*before.get(defaults.part)?, defaults)))
}

/// A value and the line of its key.
type At<'n> = (u32, &'n Node);

/// A walk through both sides at once.
struct Walk<'n, 'c> {
    file: &'c str,
    changes: &'c mut Changes<Value>,
    steps: Vec<Step<'n>>,
}

impl<'n> Walk<'n, '_> {
    fn both(&mut self, old: At<'n>, new: At<'n>) {
        match (old.1, new.1) {
            (Node::Map(before), Node::Map(now)) => {
                let by_key = |entries: &'n [Entry]| -> BTreeMap<&'n str, At<'n>> {
                    entries.iter().map(|entry| (entry.key.as_str(), (entry.line, entry.value.as_ref()))).collect()
                };
                let (before, now) = (by_key(before), by_key(now));
                for (key, old, new) in super::parts::both(&before, &now) {
                    self.below(Step::Key(key), old.copied(), new.copied());
                }
            }
            (Node::List(before), Node::List(now)) if !(old.1.is_leaf() && new.1.is_leaf()) => {
                for at in 0..before.len().max(now.len()) {
                    let side = |list: &'n [(u32, Rc<Node>)]| list.get(at).map(|(line, node)| (*line, node.as_ref()));
                    self.below(Step::Item(at), side(before), side(now));
                }
            }
            (before, now) if before.is_leaf() && now.is_leaf() => {
                if !before.equals(now) {
                    self.push(Some(old), Some(new));
                }
            }
            _ => {
                self.one_side(old, true);
                self.one_side(new, false);
            }
        }
    }

    fn below(&mut self, step: Step<'n>, old: Option<At<'n>>, new: Option<At<'n>>) {
        self.steps.push(step);
        match (old, new) {
            (Some(old), Some(new)) => self.both(old, new),
            (Some(old), None) => self.one_side(old, true),
            (None, Some(new)) => self.one_side(new, false),
            (None, None) => {}
        }
        self.steps.pop();
    }

    /// Everything below a value that only one side has.
    fn one_side(&mut self, at: At<'n>, is_old: bool) {
        let sides = if is_old { (Some(at), None) } else { (None, Some(at)) };
        match at.1 {
            node if node.is_leaf() => self.push(sides.0, sides.1),
            Node::Map(entries) => {
                for entry in entries {
                    self.steps.push(Step::Key(&entry.key));
                    self.one_side((entry.line, &entry.value), is_old);
                    self.steps.pop();
                }
            }
            Node::List(list) => {
                for (index, (line, node)) in list.iter().enumerate() {
                    self.steps.push(Step::Item(index));
                    self.one_side((*line, node), is_old);
                    self.steps.pop();
                }
            }
            Node::Scalar(_) => {}
        }
    }

    fn push(&mut self, old: Option<At<'n>>, new: Option<At<'n>>) {
        let (file, steps) = (self.file, &self.steps);
        self.changes.push_with(old.is_some(), new.is_some(), || {
            let text = |side: Option<At<'n>>| side.map(|(_, node)| node.told());
            let (before, now) = match (text(old), text(new)) {
                (Some(before), Some(now)) => {
                    let (before, now) = windows(&before, &now);
                    (Some(before), Some(now))
                }
                (before, now) => (before.as_deref().map(super::told), now.as_deref().map(super::told)),
            };
            let told = |side: Option<At<'n>>, value: Option<String>| {
                let ((line, _), value) = (side?, value?);
                Some(Value { file: file.to_owned(), line: at_line(line), path: path(steps), value })
            };
            Change { old: told(old, before), new: told(new, now) }
        });
    }
}

/// A line that is known.
pub(super) fn at_line(line: u32) -> Option<u32> {
    (line > 0).then_some(line)
}

/// Two texts as they are told: where they are long, the part in which they differ.
pub(super) fn windows(old: &str, new: &str) -> (String, String) {
    let from = first_told(old, new);
    (window(old, from), window(new, from))
}

/// Where two texts are told from, in characters: from the beginning if both are short, else from shortly before they differ.
fn first_told(old: &str, new: &str) -> usize {
    let same = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    let is_long = |text: &str| text.chars().nth(TEXT_LIMIT).is_some();
    if is_long(old) || is_long(new) { same.saturating_sub(BEFORE) } else { 0 }
}

/// A text from a place on, as it is told.
fn window(text: &str, from: usize) -> String {
    let rest = match text.char_indices().nth(from) {
        Some((at, _)) => &text[at..],
        None => "",
    };
    let begin = if from > 0 { "…" } else { "" };
    format!("{begin}{}", super::told(rest))
}
