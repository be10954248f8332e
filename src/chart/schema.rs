//! The fields of Helm's chart metadata and how Go fills them.
//!
//! Owns types and names of the fields, the reading of YAML values into them, and which values Go leaves out of JSON.
//! Knows no rule about what a field may say.

use serde_json::{Map, Number, Value};

use super::metadata::MetadataError;
use super::quoted;
use super::yaml::Node;

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// Text in which Helm makes every kind of white space a blank and drops what does not print.
    Clean,
    /// A truth value.
    Flag,
    /// A list of clean texts.
    Cleans,
    /// A mapping of texts.
    Texts,
    /// A list of mappings with these fields.
    Objects(Fields),
    /// A list of anything.
    Anything,
}

/// Names and types of a mapping's fields.
pub(super) type Fields = &'static [(&'static str, Shape)];

use Shape::{Anything, Clean, Cleans, Flag, Objects, Text, Texts};

/// `Chart.yaml`.
pub(super) const METADATA: Fields = &[
    ("name", Clean),
    ("home", Clean),
    ("sources", Cleans),
    ("version", Text),
    ("description", Clean),
    ("keywords", Cleans),
    ("maintainers", Objects(&[("name", Clean), ("email", Clean), ("url", Clean)])),
    ("icon", Clean),
    ("apiVersion", Text),
    ("condition", Clean),
    ("tags", Clean),
    ("appVersion", Clean),
    ("deprecated", Flag),
    ("annotations", Texts),
    ("kubeVersion", Clean),
    ("dependencies", Objects(DEPENDENCY)),
    ("type", Text),
];

/// One of the dependencies in there.
pub(super) const DEPENDENCY: Fields = &[
    ("name", Clean),
    ("version", Clean),
    ("repository", Clean),
    ("condition", Clean),
    ("tags", Cleans),
    ("enabled", Flag),
    ("import-values", Anything),
    ("alias", Text),
];

/// `Chart.lock`, and `requirements.lock` of old charts.
pub(super) const LOCK: Fields = &[("generated", Text), ("digest", Text), ("dependencies", Objects(DEPENDENCY))];

/// A value that does not fit its field.
pub(super) struct Misfit {
    field: String,
    found: &'static str,
    expected: &'static str,
}

impl Misfit {
    /// The error, with the file that it is in.
    pub(super) fn in_file(self, file: &'static str) -> MetadataError {
        let Self { field, found, expected } = self;
        MetadataError::Type { file, field: quoted(&field), found, expected }
    }
}

/// Reads a mapping over what `fields` holds already, as Go decodes into a value that exists.
pub(super) fn decode(schema: Fields, node: Node, fields: &mut Map<String, Value>, at: &str) -> Result<(), Misfit> {
    let entries = match node {
        Node::Null => return Ok(()),
        Node::Map(entries) => entries,
        other => return misfit(at, &other, "a mapping"),
    };
    let mut seen = Vec::new();
    for (key, node) in entries {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let Some((name, shape)) = schema.iter().find(|(name, _)| folded(name) == folded(&key)) else {
            anything(node, &at)?;
            continue;
        };
        if seen.contains(name) {
            return Err(Misfit { field: at, found: "written twice, upper and lower case aside", expected: "it once" });
        }
        seen.push(*name);
        let old = fields.remove(*name);
        if let Some(value) = decode_as(*shape, node, old, &at)? {
            fields.insert((*name).to_owned(), value);
        }
    }
    Ok(())
}

fn decode_as(shape: Shape, node: Node, old: Option<Value>, at: &str) -> Result<Option<Value>, Misfit> {
    let old_list = |old: Option<Value>| match old {
        Some(Value::Array(list)) => list.into_iter(),
        _ => Vec::new().into_iter(),
    };
    Ok(match (shape, node) {
        (Text | Clean | Flag, Node::Null) => old,
        (_, Node::Null) => None,
        (Text | Clean, node) => match node.to_text() {
            Some(text) => Some(Value::String(text)),
            None => return misfit(at, &node, "text"),
        },
        (Flag, Node::Bool(flag)) => Some(Value::Bool(flag)),
        (Flag, node) => return misfit(at, &node, "`true` or `false`"),
        (Texts, Node::Map(entries)) => {
            let mut texts = match old {
                Some(Value::Object(texts)) => texts,
                _ => Map::new(),
            };
            for (key, node) in entries {
                let value = decode_as(Text, node, Some("".into()), &format!("{at}.{key}"))?;
                texts.extend(value.map(|value| (key, value)));
            }
            Some(Value::Object(texts))
        }
        (Texts, node) => return misfit(at, &node, "a mapping of texts"),
        (Cleans, Node::List(nodes)) => {
            let mut old = old_list(old);
            let mut list = Vec::with_capacity(nodes.len());
            for (index, node) in nodes.into_iter().enumerate() {
                let old = old.next().unwrap_or_else(|| "".into());
                list.extend(decode_as(Clean, node, Some(old), &format!("{at}[{index}]"))?);
            }
            Some(Value::Array(list))
        }
        (Cleans, node) => return misfit(at, &node, "a list of texts"),
        (Objects(schema), Node::List(nodes)) => {
            let mut old = old_list(old);
            let mut list = Vec::with_capacity(nodes.len());
            for (index, node) in nodes.into_iter().enumerate() {
                let mut fields = match old.next() {
                    Some(Value::Object(fields)) => fields,
                    _ => Map::new(),
                };
                // Go has a null pointer here, which Helm refuses by name.
                let is_null = node == Node::Null;
                decode(schema, node, &mut fields, &format!("{at}[{index}]"))?;
                list.push(if is_null { Value::Null } else { Value::Object(fields) });
            }
            Some(Value::Array(list))
        }
        (Objects(_), node) => return misfit(at, &node, "a list of mappings"),
        (Anything, node @ Node::List(_)) => Some(anything(node, at)?),
        (Anything, node) => return misfit(at, &node, "a list"),
    })
}

/// A value as JSON without a type to fit: what JSON cannot say is refused even in fields that Helm does not know.
fn anything(node: Node, at: &str) -> Result<Value, Misfit> {
    Ok(match node {
        Node::Null => Value::Null,
        Node::Bool(flag) => Value::Bool(flag),
        #[allow(clippy::cast_precision_loss)] // Go reads every number here as a float.
        Node::Int(value) => Number::from_f64(value as f64).map_or(Value::Null, Value::Number),
        Node::Float(value) => match Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None => return misfit(at, &node, "a number that JSON has"),
        },
        Node::Text(text) => Value::String(text),
        Node::List(list) => {
            let entries = list.into_iter().enumerate();
            Value::Array(
                entries.map(|(index, node)| anything(node, &format!("{at}[{index}]"))).collect::<Result<_, _>>()?,
            )
        }
        Node::Map(map) => {
            let fields = map.into_iter().map(|(key, node)| {
                let value = anything(node, &format!("{at}.{key}"))?;
                Ok((key, value))
            });
            Value::Object(fields.collect::<Result<_, _>>()?)
        }
    })
}

fn misfit<T>(at: &str, node: &Node, expected: &'static str) -> Result<T, Misfit> {
    let field = if at.is_empty() { "the whole file".to_owned() } else { at.to_owned() };
    Err(Misfit { field, found: node.kind(), expected })
}

/// A key as Go's JSON decoder compares it: the case of letters does not matter, two relatives of ASCII letters included.
fn folded(key: &str) -> String {
    let fold = |letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Cleans every text that Helm cleans.
pub(super) fn sanitize(schema: Fields, fields: &mut Map<String, Value>) {
    for (name, shape) in schema {
        let Some(value) = fields.get_mut(*name) else { continue };
        match (shape, value) {
            (Clean, Value::String(text)) => *text = clean(text),
            (Cleans, Value::Array(list)) => {
                for entry in list {
                    if let Value::String(text) = entry {
                        *text = clean(text);
                    }
                }
            }
            (Objects(schema), Value::Array(list)) => {
                list.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| sanitize(schema, fields));
            }
            _ => {}
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| prints(*c)).collect()
}

/// Whether a character prints: letters, marks, numbers, punctuation, symbols and the blank.
fn prints(c: char) -> bool {
    // The standard library tells only by escaping; a letter in front, because it escapes a mark at the beginning.
    matches!(c, '\'' | '"' | '\\') || format!("a{c}").escape_debug().eq(['a', c])
}

/// Drops the fields that Go leaves out of JSON because they are empty.
pub(super) fn prune(schema: Fields, fields: &mut Map<String, Value>) {
    for (name, shape) in schema {
        if let (Objects(schema), Some(Value::Array(list))) = (shape, fields.get_mut(*name)) {
            list.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| prune(schema, fields));
        }
    }
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Number(_) => true,
    });
}
