//! What `helm push` tells a registry about a chart besides the chart itself: config blob and annotations.
//!
//! Owns Go's JSON, byte for byte, so that the config of a chart has one digest whoever pushes it. Knows no registry.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::Metadata;
use super::super::metadata::{objects, text};
use super::super::schema::{self, Fields, Shape};

/// The config blob.
pub(super) fn config(metadata: &Metadata) -> Vec<u8> {
    fields(schema::METADATA, metadata.fields()).into_bytes()
}

/// A mapping in the order of Go's fields, not in that of their names.
pub(in crate::chart) fn fields(schema: Fields, fields: &Map<String, Value>) -> String {
    // Of all mappings, only dependencies have a repository. Go writes it even when it is empty, and the name, too.
    let is_dependency = schema.iter().any(|(name, _)| *name == "repository");
    let empty = Value::from("");
    let mut written = Vec::new();
    for (name, shape) in schema {
        let always = is_dependency && matches!(*name, "name" | "repository");
        let Some(value) = fields.get(*name).or(always.then_some(&empty)) else { continue };
        let value = match (shape, value) {
            (Shape::Objects(schema), Value::Array(list)) => {
                let entry =
                    |entry: &Value| entry.as_object().map_or("null".into(), |entry| self::fields(schema, entry));
                format!("[{}]", list.iter().map(entry).collect::<Vec<_>>().join(","))
            }
            (_, value) => go_json(value),
        };
        written.push(format!("\"{name}\":{value}"));
    }
    format!("{{{}}}", written.join(","))
}

/// JSON as Go's `json.Marshal` writes maps: keys in byte order, nothing that HTML would take for markup.
#[must_use]
pub fn go_json(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| format!("{}:{}", quote(key), go_json(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Value::String(text) => quote(text),
        Value::Number(number) => match number.as_f64() {
            // Go has no type for them but floats, and writes whole ones without a fraction.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e21 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for character in Value::from(text).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted
}

/// The annotations of the image manifest, the time of creation aside.
pub(super) fn annotations(metadata: &Metadata) -> BTreeMap<String, String> {
    let fields = metadata.fields();
    let source = fields.get("sources").and_then(|sources| sources.get(0)?.as_str()).unwrap_or_default();
    let authors: Vec<_> = objects(fields, "maintainers").map(author).collect();
    let known = [
        ("description", text(fields, "description").to_owned()),
        ("title", metadata.name.clone()),
        ("version", metadata.version.clone()),
        ("url", text(fields, "home").to_owned()),
        ("source", source.to_owned()),
        ("authors", authors.join(", ")),
    ];
    let mut annotations: BTreeMap<_, _> = known
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
        .collect();
    let own = fields.get("annotations").and_then(Value::as_object).into_iter().flatten();
    for (key, value) in own {
        // Name and version are not for the chart's author to change.
        if !matches!(key.as_str(), "org.opencontainers.image.title" | "org.opencontainers.image.version") {
            annotations.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
        }
    }
    annotations
}

fn author(maintainer: &Map<String, Value>) -> String {
    match (text(maintainer, "name"), text(maintainer, "email")) {
        (name, "") => name.to_owned(),
        (name, email) => format!("{name} ({email})"),
    }
}
