//! What the signed text of a provenance file states: a chart's metadata, and the digests of files.
//!
//! Owns the split into two YAML documents and their strict reading. Knows no signature. Two readers must not understand one
//! text differently, so duplicate keys, aliases and tags are refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser};

/// Why a signed text is not a statement about a chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not exactly two documents.
    #[error(
        "the signed text has {found} parts separated by a line `...`, not two (the chart's metadata and its files)"
    )]
    Parts {
        /// How many there are.
        found: usize,
    },
    /// A part is not the strict YAML that it should be.
    #[error("the signed {part} is not acceptable YAML: {reason}")]
    Yaml {
        /// `metadata` or `list of files`.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A part lacks a key.
    #[error("the signed {part} has no `{key}`")]
    Missing {
        /// `metadata` or `list of files`.
        part: &'static str,
        /// The key.
        key: &'static str,
    },
}

/// What is stated, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The chart's name.
    pub(super) name: String,
    /// The chart's version.
    pub(super) version: String,
    /// File names, each with what should be its digest.
    pub(super) files: BTreeMap<String, String>,
}

const METADATA: &str = "metadata";
const FILES: &str = "list of files";

/// Reads the text as Helm writes it: `<Chart.yaml>\n...\n<files>\n`.
pub(super) fn parse(text: &str) -> Result<Statement, StatementError> {
    let parts = split(text);
    let [metadata, files] = parts[..] else {
        return Err(StatementError::Parts { found: parts.len() });
    };
    let mut metadata = top_level(metadata, METADATA)?;
    let mut scalar = |key| match metadata.remove(key) {
        Some(Node::Scalar(text)) if !text.is_empty() => Ok(text),
        _ => Err(StatementError::Missing { part: METADATA, key }),
    };
    let (name, version) = (scalar("name")?, scalar("version")?);
    match top_level(files, FILES)?.remove("files") {
        Some(Node::Scalars(files)) => Ok(Statement { name, version, files }),
        Some(Node::Other) => {
            Err(StatementError::Yaml { part: FILES, reason: "`files` has values that are not text".into() })
        }
        Some(Node::Scalar(_)) | None => Err(StatementError::Missing { part: FILES, key: "files" }),
    }
}

/// The text between the lines that are exactly `...`.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line == "...\n" {
            parts.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    parts.push(&text[start..]);
    parts
}

/// The value of a top-level key, as far as a statement needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A scalar's text, whatever its YAML type.
    Scalar(String),
    /// A mapping with nothing but scalars in it.
    Scalars(BTreeMap<String, String>),
    /// Anything else.
    Other,
}

/// A collection that is open while its events go by.
enum Open {
    Mapping { keys: BTreeSet<String>, key: Option<String> },
    Sequence,
}

/// Reads one document that is a mapping; refuses at any depth what two YAML readers could read differently.
fn top_level(text: &str, part: &'static str) -> Result<BTreeMap<String, Node>, StatementError> {
    let refuse = |reason: &str| StatementError::Yaml { part, reason: reason.chars().take(300).collect() };
    let mut top = BTreeMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| refuse(&error.to_string()))?;
        let at = |what: &str| refuse(&format!("{what} in its line {}", span.start.line()));
        match event {
            Event::DocumentStart(_) => documents += 1,
            Event::Alias(_) => return Err(at("an alias")),
            Event::Scalar(_, _, _, Some(_)) | Event::MappingStart(_, Some(_)) | Event::SequenceStart(_, Some(_)) => {
                return Err(at("a tag"));
            }
            Event::Scalar(text, ..) => scalar(&mut open, &mut top, text).map_err(at)?,
            Event::MappingStart(..) => {
                begin(&open, &mut top, Node::Scalars(BTreeMap::new())).map_err(at)?;
                open.push(Open::Mapping { keys: BTreeSet::new(), key: None });
            }
            Event::SequenceStart(..) => {
                begin(&open, &mut top, Node::Other).map_err(at)?;
                open.push(Open::Sequence);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                if let Some(Open::Mapping { key, .. }) = open.last_mut() {
                    *key = None;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    if documents == 1 { Ok(top) } else { Err(refuse("it is not one document")) }
}

/// Takes a scalar: a key of the innermost mapping, the value of its last key, or an item.
fn scalar(open: &mut [Open], top: &mut BTreeMap<String, Node>, text: Cow<'_, str>) -> Result<(), &'static str> {
    let depth = open.len();
    let parent = match &open[..] {
        [Open::Mapping { key: Some(key), .. }, Open::Mapping { .. }] => Some(key.clone()),
        _ => None,
    };
    match open.last_mut() {
        None => return Err("something other than a mapping"),
        Some(Open::Sequence) => {}
        Some(Open::Mapping { key: slot @ Some(_), .. }) => {
            let key = slot.take().unwrap_or_default();
            if depth == 1 {
                top.insert(key, Node::Scalar(text.into_owned()));
            } else if let Some(Node::Scalars(scalars)) = parent.and_then(|parent| top.get_mut(&parent)) {
                scalars.insert(key, text.into_owned());
            }
        }
        Some(Open::Mapping { keys, key }) => {
            if !keys.insert(text.clone().into_owned()) {
                return Err("a key that stands twice");
            }
            *key = Some(text.into_owned());
        }
    }
    Ok(())
}

/// Takes the start of a collection, and writes down what the top-level key that it belongs to is then known to be.
fn begin(open: &[Open], top: &mut BTreeMap<String, Node>, node: Node) -> Result<(), &'static str> {
    match open {
        [] if node == Node::Other => Err("something other than a mapping"),
        [.., Open::Mapping { key: None, .. }] => Err("a key that is not text"),
        [Open::Mapping { key: Some(key), .. }] => {
            top.insert(key.clone(), node);
            Ok(())
        }
        [Open::Mapping { key: Some(key), .. }, ..] => {
            top.insert(key.clone(), Node::Other);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Expected<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    fn check(text: &str, expect: Result<Expected<'_>, &str>) {
        match (parse(text), expect) {
            (Ok(found), Ok((name, version, files))) => {
                let files = files.iter().map(|&(file, digest)| (file.to_owned(), digest.to_owned())).collect();
                assert_eq!(found, Statement { name: name.into(), version: version.into(), files }, "{text}");
            }
            (Err(found), Err(reason)) => assert!(found.to_string().contains(reason), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn reads_helms_two_documents() {
        let a: &[_] = &[("a.tgz", "sha256:1")];
        let meta = "name: a\nversion: 1.2.3\n";
        check(&format!("{meta}\n...\nfiles:\n  a.tgz: sha256:1\n"), Ok(("a", "1.2.3", a)));
        check(
            &format!("{meta}maintainers:\n- name: b\n  x: [1, {{y: 2}}]\n...\nfiles:\n  a.tgz: sha256:1\n"),
            Ok(("a", "1.2.3", a)),
        );
        check("version: \"1.0\"\nname: 'a'\n...\nfiles: {a.tgz: 'sha256:1'}\nimages: {}\n", Ok(("a", "1.0", a)));
        check("version: 1.10\nname: a\n...\nfiles: {}\n", Ok(("a", "1.10", &[])));
    }

    #[test]
    fn refuses_what_readers_could_read_differently() {
        let meta = "name: a\nversion: 1.2.3\n";
        for (text, reason) in [
            ("", "1 parts"),
            (meta, "1 parts"),
            ("name: a\nversion: 1\n... \nfiles: {}\n", "1 parts"),
            ("name: a\nversion: 1\n...\nfiles: {}\n...\n", "3 parts"),
            ("name: a\n...\nfiles: {}\n", "no `version`"),
            ("version: a\n...\nfiles: {}\n", "no `name`"),
            ("name: [a]\nversion: a\n...\nfiles: {}\n", "no `name`"),
            ("name:\nversion: a\n...\nfiles: {}\n", "no `name`"),
            ("name: a\nversion: 1\nname: a\n...\nfiles: {}\n", "twice in its line 3"),
            ("name: a\nversion: 1\nx:\n- {y: 1, y: 1}\n...\nfiles: {}\n", "twice in its line 4"),
            ("name: a\nversion: 1\n---\nname: b\n...\nfiles: {}\n", "not one document"),
            ("name: &a a\nversion: *a\n...\nfiles: {}\n", "an alias"),
            ("name: !!str a\nversion: 1\n...\nfiles: {}\n", "a tag"),
            ("name: a\nversion: 1\n? [x]\n: 1\n...\nfiles: {}\n", "not text"),
            ("- name\n...\nfiles: {}\n", "other than a mapping"),
            ("name\n...\nfiles: {}\n", "other than a mapping"),
            ("name: a: b\n...\nfiles: {}\n", "not acceptable YAML"),
            ("name: a\nversion: 1\n...\nFiles: {}\n", "no `files`"),
            ("name: a\nversion: 1\n...\nfiles:\n", "no `files`"),
            ("name: a\nversion: 1\n...\nfiles: {}\nfiles: {}\n", "twice"),
            ("name: a\nversion: 1\n...\nfiles: [a]\n", "not text"),
            ("name: a\nversion: 1\n...\nfiles: {a: b, c: [d]}\n", "not text"),
            ("name: a\nversion: 1\n...\nfiles: {a: b, c: {d: e}}\n", "not text"),
            ("name: a\nversion: 1\n...\nfiles: {a: b, a: b}\n", "twice"),
        ] {
            check(text, Err(reason));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "([a-z:{}\\[\\],&*!?'\"| \n.-]|\\PC){0,80}") {
            let _ = parse(&text);
            let _ = parse(&format!("{text}\n...\n{text}"));
        }
    }
}
