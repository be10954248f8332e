//! The manifests' JSON Schema, compiled in, and its verdicts in a person's words.
//!
//! The schema is the contract; what it cannot say (relations, places, other files) is checked behind it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::yaml::{Document, below};
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::document::{quote, unknown_help};

/// The JSON Schema of manifests, for editors and for everyone else.
pub const MIRROR_SCHEMA: &str = include_str!("../../schemas/chart-mirror.schema.json");

struct Compiled {
    schema: Value,
    validator: Validator,
}

fn compiled() -> Result<&'static Compiled, Problem> {
    static COMPILED: OnceLock<Result<Compiled, String>> = OnceLock::new();
    let compile = || {
        let schema: Value = serde_json::from_str(MIRROR_SCHEMA).map_err(|error| error.to_string())?;
        let validator = jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?;
        Ok(Compiled { schema, validator })
    };
    COMPILED.get_or_init(compile).as_ref().map_err(|error| Problem {
        location: None,
        code: code!("defect"),
        message: format!("a defect in chartsync: the compiled-in schema is broken: {error}"),
        help: String::new(),
    })
}

/// The JSON pointers of the values that the schema refused: nothing more needs to be said about them.
pub(super) type Refused = BTreeSet<String>;

/// Validates a manifest.
pub(super) fn validate(document: &Document, problems: &mut Problems) -> Refused {
    let mut refused = Refused::new();
    let compiled = match compiled() {
        Ok(compiled) => compiled,
        Err(problem) => {
            problems.push(problem);
            return refused;
        }
    };
    for error in compiled.validator.iter_errors(&document.value) {
        let pointer = error.instance_path().as_str().to_owned();
        let keyword = error.schema_path().as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let rules = compiled.schema.pointer(keyword).unwrap_or(&Value::Null);
        tell(document, &error, &pointer, rules, problems);
        refused.insert(pointer);
    }
    refused
}

/// A JSON pointer as messages write it: `versions[0]`, `source.repository`.
pub(super) fn readable(pointer: &str) -> String {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            let _ = write!(path, "[{segment}]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&segment);
        }
    }
    quote(&path)
}

fn tell(document: &Document, error: &ValidationError<'_>, pointer: &str, rules: &Value, problems: &mut Problems) {
    let path = readable(pointer);
    let at = document.location(pointer);
    let mut push = |location: Location, code, message, help: String| {
        problems.push(Problem { location: Some(location), code, message, help });
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let properties = rules.get("properties").and_then(Value::as_object);
            let known: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            for key in unexpected {
                let inner = below(pointer, key);
                let message = format!("unknown key `{}`", readable(&inner));
                push(document.key_location(&inner), code!("unknown-key"), message, unknown_help(key, &known));
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let inner = below(pointer, key);
            let message = format!("`{}` is missing", readable(&inner));
            push(document.key_location(pointer), code!("missing-key"), message, missing_help(&inner).to_owned());
        }
        ValidationErrorKind::Type { .. } => {
            let expected = rules.get("type").and_then(Value::as_str).unwrap_or_default();
            let message = format!("`{path}` is {}", kind(error.instance()));
            push(at, code!("wrong-type"), message, type_help(error.instance(), expected).to_owned());
        }
        ValidationErrorKind::Pattern { .. } => {
            let help = rules.get("patternErrorMessage").and_then(Value::as_str).unwrap_or_default();
            push(at, code!("invalid-value"), format!("`{path}` is {}", shown(error.instance())), help.to_owned());
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<_> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let help = format!(
                "write {}",
                options.iter().map(|option| format!("`{option}`")).collect::<Vec<_>>().join(" or ")
            );
            push(at, code!("invalid-value"), format!("`{path}` is {}", shown(error.instance())), help);
        }
        ValidationErrorKind::MinItems { .. } => {
            let help =
                format!("list at least one, or remove {}", if pointer == "/versions" { "the file" } else { "the key" });
            push(at, code!("invalid-value"), format!("`{path}` is an empty list"), help);
        }
        ValidationErrorKind::MinLength { .. } => {
            push(at, code!("invalid-value"), format!("`{path}` is empty"), String::new());
        }
        ValidationErrorKind::MaxLength { limit } => {
            push(at, code!("invalid-value"), format!("`{path}` is longer than {limit} characters"), String::new());
        }
        // Which two are equal is told behind the schema, with both lines.
        ValidationErrorKind::UniqueItems => {}
        _ => push(at, code!("invalid-value"), format!("`{path}`: {}", quote(&error.to_string())), String::new()),
    }
}

fn missing_help(pointer: &str) -> &'static str {
    match pointer {
        "/source" => "add `source:` with `type: helm-oci` and `repository: …`",
        "/source/type" => "add `type: helm-oci`",
        "/source/repository" => "add `repository: quay.io/…/<chart>`",
        "/destination" => "add `destination:` with `repository: …`",
        "/destination/repository" => "add `repository: ghcr.io/…/<chart>`",
        "/versions" => "add `versions:` and the list of versions to publish",
        "/provenance" => "add `provenance:` with `keyring: …`; for charts without provenance, with `required: false`",
        "/provenance/keyring" => {
            "add `keyring: …`, a path from the root or an https URL; for charts without provenance, add `required: false`"
        }
        _ => "",
    }
}

fn type_help(found: &Value, expected: &str) -> &'static str {
    match (expected, found) {
        ("string", Value::Number(_) | Value::Bool(_)) => "put it in quotes",
        ("string", _) => "write a text",
        ("boolean", _) => "write `true` or `false`, without quotes",
        ("array", _) => "write a list: one `- …` line for each entry",
        ("object", _) => "write a mapping: `key: value` lines below it",
        _ => "",
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", quote(text)),
        other => kind(other).to_owned(),
    }
}
