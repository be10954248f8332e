//! JSON values as YAML that no two readers understand differently.
//!
//! Owns the quoting: all text stands in double quotes, whatever YAML 1.1 or 1.2 would make of it bare. Knows no field.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::config::go_json;

/// The longest key that YAML takes without a `?` before it has 1,024 characters.
const KEY_LIMIT: usize = 128;

/// A whole document, keys in byte order.
pub(super) fn document(fields: &Map<String, Value>) -> String {
    if fields.is_empty() {
        return "{}\n".to_owned();
    }
    let mut yaml = String::new();
    map(&mut yaml, fields, 0, 0);
    yaml
}

/// A value behind `KEY:` or `-`, up to and with the end of its line.
fn value(yaml: &mut String, value: &Value, indent: usize, in_list: bool) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            yaml.push(if in_list { ' ' } else { '\n' });
            map(yaml, fields, indent + 2, if in_list { 0 } else { indent + 2 });
        }
        Value::Array(list) if !list.is_empty() => {
            yaml.push('\n');
            let indent = if in_list { indent + 2 } else { indent };
            for entry in list {
                pad(yaml, indent);
                yaml.push('-');
                self::value(yaml, entry, indent, true);
            }
        }
        Value::String(text) => {
            yaml.push(' ');
            quote(yaml, text);
            yaml.push('\n');
        }
        // What is left is the same in both languages: numbers, truth, nothing, empty lists and mappings.
        bare => {
            yaml.push(' ');
            yaml.push_str(&go_json(bare));
            yaml.push('\n');
        }
    }
}

/// A mapping that is not empty; its first line is indented by `first` blanks, all others by `indent`.
fn map(yaml: &mut String, fields: &Map<String, Value>, indent: usize, first: usize) {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    for (index, (key, value)) in fields.into_iter().enumerate() {
        pad(yaml, if index == 0 { first } else { indent });
        if key.len() > KEY_LIMIT {
            yaml.push_str("? ");
            quote(yaml, key);
            yaml.push('\n');
            pad(yaml, indent);
        } else if is_plain(key) {
            yaml.push_str(key);
        } else {
            quote(yaml, key);
        }
        yaml.push(':');
        self::value(yaml, value, indent, false);
    }
}

fn pad(yaml: &mut String, blanks: usize) {
    yaml.extend(std::iter::repeat_n(' ', blanks));
}

/// Whether a key is a word that is nothing but text in any YAML.
fn is_plain(key: &str) -> bool {
    const OTHER: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !OTHER.iter().any(|other| other.eq_ignore_ascii_case(key))
}

/// Text in double quotes, with the escapes that Go's reader knows, on one line.
fn quote(yaml: &mut String, text: &str) {
    yaml.push('"');
    for character in text.chars() {
        // Writing to a string cannot fail.
        let _ = match character {
            '"' | '\\' => write!(yaml, "\\{character}"),
            '\n' => write!(yaml, "\\n"),
            '\r' => write!(yaml, "\\r"),
            '\t' => write!(yaml, "\\t"),
            // Line breaks to YAML, and what its readers refuse.
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(yaml, "\\u{:04x}", u32::from(character))
            }
            character => write!(yaml, "{character}"),
        };
    }
    yaml.push('"');
}

#[cfg(test)]
mod tests;
