//! YAML as Helm reads it: YAML 1.1 scalars, and Go's way of making text of what is none.
//!
//! Owns the differences between YAML libraries, so that a chart's metadata is what Helm will see: the values follow the
//! Go library below Helm, and a second parser (the one that library was ported from) must see the same document. Knows
//! no field of a chart.

use std::collections::{HashMap, HashSet};
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::quoted;

/// The most bytes that a document may have.
pub(super) const SIZE_LIMIT: usize = 1 << 20;
/// The most values in one document, aliases written out.
const NODE_LIMIT: usize = 100_000;
/// How many bytes of text count as one more value.
const TEXT_WEIGHT: usize = 64;
/// How deep values may be nested.
const DEPTH_LIMIT: usize = 64;

/// A value with the type that YAML 1.1 gives it. Keys are text already, unique within their mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads the one document of a file. Errors are sentences without their subject, cut to a bounded length.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > SIZE_LIMIT {
            return Err("it is longer than 1 MiB".into());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw = Reader::new(text).document()?;
        // An empty stream has no first document here, and an empty one there.
        let second = serde_yaml::Deserializer::from_str(text).next().map(Second::deserialize).transpose();
        let second = second.map_err(|error| quoted(&error.to_string()))?.unwrap_or(Second::Other);
        if !agree(&raw, &second) {
            return Err("YAML readers understand it differently: write it more plainly".into());
        }
        typed(raw)
    }

    /// What Go writes into a field that wants text; `None` where it refuses to.
    pub(super) fn to_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(float_text(*value)),
            Self::Text(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What this is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A value as written.
#[derive(Clone)]
enum Raw {
    Scalar { text: String, plain: bool },
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    /// Where each character begins, once something is looked up in a text that is not all ASCII.
    starts: Vec<usize>,
    /// The characters of the last event.
    span: (usize, usize),
    /// Each anchor's value and how many values that is.
    anchors: HashMap<usize, (Raw, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            text,
            starts: Vec::new(),
            span: (0, 0),
            anchors: HashMap::new(),
            nodes: 0,
        }
    }

    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.span = (span.start.index(), span.end.index());
                Ok(event)
            }
            Some(Err(error)) => {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                Err(format!("line {line}, column {column}: {}", quoted(error.info())))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    /// Refuses what Go's reader does not know in double quotes, as `\\/`.
    fn check_escapes(&mut self) -> Result<(), String> {
        let (from, to) = self.span;
        let (from, to) = if self.text.is_ascii() {
            (from, to)
        } else {
            if self.starts.is_empty() {
                self.starts = self.text.char_indices().map(|(at, _)| at).chain([self.text.len()]).collect();
            }
            let at = |index: usize| self.starts.get(index).copied().unwrap_or(self.text.len());
            (at(from), at(to))
        };
        // What follows the closing quote may be part of the event.
        let mut written = self.text.get(from..to).unwrap_or_default().chars().skip_while(|char| *char != '"').skip(1);
        while let Some(char) = written.next().filter(|char| *char != '"') {
            let escaped = if char == '\\' { written.next() } else { None };
            if let Some(escaped) = escaped.filter(|escaped| !"0abt\tnvfre \"'\\N_LPxuU\n\r".contains(*escaped)) {
                return Err(format!("it has `\\{escaped}` in double quotes, which helm cannot read"));
            }
        }
        Ok(())
    }

    /// The first document; Helm ignores what follows, so nothing may.
    fn document(mut self) -> Result<Raw, String> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => documents.push(self.node(event, 0)?),
            }
        }
        let mut documents = documents.into_iter();
        let first = documents.next().unwrap_or(Raw::Scalar { text: String::new(), plain: true });
        let empty = |raw: &Raw| matches!(raw, Raw::Scalar { text, plain: true } if text.is_empty());
        if documents.all(|raw| empty(&raw)) {
            Ok(first)
        } else {
            Err("it has more than one document, and helm reads the first only".into())
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Raw, String> {
        if depth > DEPTH_LIMIT {
            return Err(format!("it is nested more than {DEPTH_LIMIT} deep"));
        }
        let before = self.nodes;
        self.count(1)?;
        let (raw, anchor) = match event {
            Event::Alias(anchor) => {
                let Some((raw, nodes)) = self.anchors.get(&anchor) else {
                    return Err("an alias stands inside of what it repeats".into());
                };
                let (raw, nodes) = (raw.clone(), *nodes);
                self.count(nodes)?;
                return Ok(raw);
            }
            Event::Scalar(text, style, anchor, tag) => {
                // Long texts count more than once: an alias repeats them, too.
                self.count(text.len() / TEXT_WEIGHT)?;
                let is_text = tag.as_ref().is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                if tag.is_some() && !is_text {
                    return Err(format!("it has a tag at `{}`", quoted(&text)));
                }
                if style == ScalarStyle::DoubleQuoted {
                    self.check_escapes()?;
                }
                (Raw::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain && !is_text }, anchor)
            }
            Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err("it has a tag at a list or a mapping".into());
            }
            Event::SequenceStart(anchor, None) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
                (Raw::List(list), anchor)
            }
            Event::MappingStart(anchor, None) => {
                let mut map = Vec::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break,
                        event => self.node(event, depth + 1)?,
                    };
                    let event = self.next()?;
                    map.push((key, self.node(event, depth + 1)?));
                }
                (Raw::Map(map), anchor)
            }
            _ => return Err("it ends in the middle of a value".into()),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (raw.clone(), self.nodes - before));
        }
        Ok(raw)
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > NODE_LIMIT {
            return Err(format!("it has more than {NODE_LIMIT} values, aliases written out"));
        }
        Ok(())
    }
}

/// Whether the second parser saw the same document, whatever types it gave to plain scalars.
fn agree(raw: &Raw, second: &Second) -> bool {
    match (raw, second) {
        (Raw::Scalar { text, .. }, Second::Text(other)) => text == other,
        (Raw::Scalar { plain, .. }, Second::Other) => *plain,
        (Raw::List(list), Second::List(others)) => {
            list.len() == others.len() && list.iter().zip(others).all(|(raw, other)| agree(raw, other))
        }
        (Raw::Map(map), Second::Map(others)) => {
            let mut pairs = map.iter().zip(others);
            map.len() == others.len() && pairs.all(|(a, b)| agree(&a.0, &b.0) && agree(&a.1, &b.1))
        }
        _ => false,
    }
}

/// A value as the second parser saw it.
enum Second {
    Text(String),
    /// Nothing, a truth value or a number: only an unquoted scalar is one.
    Other,
    List(Vec<Second>),
    Map(Vec<(Second, Second)>),
}

impl<'de> Deserialize<'de> for Second {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondVisitor)
    }
}

struct SecondVisitor;

impl<'de> Visitor<'de> for SecondVisitor {
    type Value = Second;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML without tags")
    }

    fn visit_unit<E>(self) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_none<E>(self) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Second, E> {
        Ok(Second::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Second, E> {
        Ok(Second::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Second, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Second::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Second, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Second::Map(map))
    }
}

fn typed(raw: Raw) -> Result<Node, String> {
    match raw {
        Raw::Scalar { text, plain: false } => Ok(Node::Text(text)),
        Raw::Scalar { text, plain: true } => Ok(plain(text)),
        Raw::List(list) => Ok(Node::List(list.into_iter().map(typed).collect::<Result<_, _>>()?)),
        Raw::Map(map) => {
            let mut keys = HashSet::new();
            let mut fields = Vec::with_capacity(map.len());
            for (key, value) in map {
                let key = key_text(key)?;
                if !keys.insert(key.clone()) {
                    return Err(format!("the key `{}` stands twice", quoted(&key)));
                }
                fields.push((key, typed(value)?));
            }
            Ok(Node::Map(fields))
        }
    }
}

fn key_text(key: Raw) -> Result<String, String> {
    match key {
        Raw::Scalar { text, plain: true } if text == "<<" => {
            Err("it has a merge key `<<`: write the values out".into())
        }
        Raw::Scalar { .. } => match typed(key)? {
            Node::Float(value) if value.is_nan() => Ok(".nan".into()),
            Node::Float(value) if value.is_infinite() => Ok(if value > 0.0 { ".inf" } else { "-.inf" }.into()),
            key => key.to_text().ok_or_else(|| "it has an empty key".into()),
        },
        Raw::List(_) | Raw::Map(_) => Err("it has a key that is a list or a mapping".into()),
    }
}

/// The type that an unquoted scalar has in YAML 1.1 as the Go library has it (no base 60, no dates).
pub(super) fn plain(text: String) -> Node {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Node::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Node::Bool(false);
        }
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => special_float(&text).or_else(|| decimal(&text)).map(Node::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            special_float(&text)
                .map(Node::Float)
                .or_else(|| whole(&digits).map(Node::Int))
                .or_else(|| decimal(&digits).map(Node::Float))
        }
        _ => None,
    };
    number.unwrap_or(Node::Text(text))
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A whole number: decimal, or in base 2, 8 or 16 by prefix, where a leading zero means base 8.
fn whole(text: &str) -> Option<i128> {
    let (negative, signless) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = signless.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    // `from_str_radix` would take a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    // An explicit plus sign takes a number out of the unsigned range.
    let most = if text.starts_with('+') { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
    (i128::from(i64::MIN)..=most).contains(&value).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, when it fits 64 bits.
fn decimal(text: &str) -> Option<f64> {
    let only = text.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    text.parse().ok().filter(|value: &f64| only && value.is_finite())
}

/// A float as Go's `FormatFloat(value, 'g', -1, 32)` has it: the shortest digits of a *single* precision number.
fn float_text(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // What Go does, too: more than single precision holds is infinite.
    let single = value as f32;
    if single.is_nan() {
        return "NaN".into();
    }
    if single.is_infinite() {
        return if single > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Where Go begins to write an exponent when asked for the shortest form.
    if (-4..6).contains(&exponent) {
        return single.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests;
