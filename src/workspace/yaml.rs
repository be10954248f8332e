//! YAML in which nothing is hidden, with the line and column of every node.
//!
//! `serde_yaml` builds the value; an event parser of another author finds places, refuses what a reviewer may misread (duplicate
//! keys, anchors, aliases, tags, more than one document) and must see the same value. Knows no key of a manifest.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use serde_json::Value;

use crate::diagnostic::{Location, Problem, ProblemCode, Problems, code};
use crate::document::{quote, saturate};

/// Deeper nesting than this is no manifest.
const DEPTH: usize = 32;

/// A YAML document and where its nodes stand.
#[derive(Debug)]
pub(super) struct Document {
    /// The document as `serde_yaml` reads it.
    pub(super) value: Value,
    file: String,
    places: HashMap<String, Place>,
}

/// Where a node stands, and the key before it.
#[derive(Debug, Clone, Copy)]
struct Place {
    value: (u32, u32),
    key: Option<(u32, u32)>,
    /// The value's first character and the one after its last, counted from the beginning of the text.
    chars: (usize, usize),
}

impl Document {
    /// Where the value at this JSON pointer stands.
    pub(super) fn location(&self, pointer: &str) -> Location {
        self.place(pointer, |place| place.value)
    }

    /// Where the key of the value at this JSON pointer stands; the value itself if it has none.
    pub(super) fn key_location(&self, pointer: &str) -> Location {
        self.place(pointer, |place| place.key.unwrap_or(place.value))
    }

    /// Which characters of the text the value at this JSON pointer is, quotes and brackets included, and blanks after
    /// closing quotes.
    pub(super) fn chars(&self, pointer: &str) -> Option<Range<usize>> {
        self.places.get(pointer).map(|place| place.chars.0..place.chars.1)
    }

    fn place(&self, pointer: &str, pick: impl Fn(&Place) -> (u32, u32)) -> Location {
        let (line, column) = self.places.get(pointer).map_or((1, 1), pick);
        Location::at(&*self.file, line, column)
    }
}

/// The JSON pointer of an entry below `pointer`.
pub(super) fn below(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Reads the one document of `text`, a mapping.
pub(super) fn read(text: &str, file: &str) -> Result<Document, Problems> {
    let mut builder = Builder { file, problems: Problems::default(), places: HashMap::new() };
    let node = builder.document(text);
    let Some(node) = node else {
        return Err(builder.problems.into_result(()).err().unwrap_or_default());
    };
    builder.visit(&node, String::new(), None);
    if !matches!(node.kind, Kind::Mapping(_)) {
        let message = format!("the file is {}, not a mapping", node.kind.name());
        builder.tell(node.at, code!("yaml-not-a-mapping"), message, "write `key: value` lines");
    }
    let Builder { problems, places, .. } = builder;
    problems.into_result(())?;
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| from_serde(&error, file))?;
    if let Err(at) = agree(&node, &value) {
        let message = "two YAML readers understand this value differently".to_owned();
        return Err(
            problem(file, at, code!("yaml-ambiguous"), message, "put it in quotes, or write it more simply").into()
        );
    }
    let value = serde_json::to_value(&value)
        .map_err(|error| problem(file, (1, 1), code!("yaml-syntax"), quote(&error.to_string()), "write text keys"))?;
    Ok(Document { value, file: file.to_owned(), places })
}

/// A place in the text: what is missing behind a last line without line end is missing at its end.
fn within(text: &str, at: (u32, u32)) -> (u32, u32) {
    let last = saturate(text.matches('\n').count() + 1);
    let end = text.rsplit('\n').next().unwrap_or_default().chars().count();
    if at.0 > last { (last, saturate(end + 1)) } else { at }
}

fn problem(file: &str, (line, column): (u32, u32), code: ProblemCode, message: String, help: &str) -> Problem {
    Problem { location: Some(Location::at(file, line, column)), code, message, help: help.to_owned() }
}

fn from_serde(error: &serde_yaml::Error, file: &str) -> Problem {
    let at = error.location().map_or((1, 1), |place| (saturate(place.line()), saturate(place.column())));
    problem(file, at, code!("yaml-syntax"), quote(&error.to_string()), "")
}

/// A node as the event parser sees it.
struct Node {
    at: (u32, u32),
    chars: (usize, usize),
    kind: Kind,
}

enum Kind {
    /// The text, and whether it stands there without quotes.
    Scalar(String, bool),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Scalar(text, true) if text.is_empty() => "empty",
            Self::Scalar(..) => "a single value",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// A collection that is still open.
struct Open {
    at: (u32, u32),
    first: usize,
    mapping: bool,
    children: Vec<Node>,
}

struct Builder<'t> {
    file: &'t str,
    problems: Problems,
    places: HashMap<String, Place>,
}

impl Builder<'_> {
    fn tell(&mut self, at: (u32, u32), code: ProblemCode, message: impl Into<String>, help: &str) {
        self.problems.push(problem(self.file, at, code, message.into(), help));
    }

    /// The tree of the first document; `None` when the text cannot be read to its end.
    fn document(&mut self, text: &str) -> Option<Node> {
        let mut open: Vec<Open> = Vec::new();
        let mut root = None;
        let mut documents = 0;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    self.scan_error(text, &error);
                    return None;
                }
            };
            let at = position(&span.start);
            let chars = (span.start.index(), span.end.index());
            self.refuse_hidden(&event, at);
            let done = match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents == 2 {
                        self.tell(
                            at,
                            code!("yaml-documents"),
                            "a second document begins here",
                            "one file holds one document",
                        );
                        return None;
                    }
                    None
                }
                Event::SequenceStart(..) | Event::MappingStart(..) => {
                    if open.len() == DEPTH {
                        let message = format!("nested more than {DEPTH} levels deep");
                        self.tell(at, code!("yaml-too-deep"), message, "no manifest needs that");
                        return None;
                    }
                    let mapping = matches!(event, Event::MappingStart(..));
                    open.push(Open { at, first: chars.0, mapping, children: Vec::new() });
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| close(open, chars.1)),
                Event::Scalar(text, style, ..) => {
                    Some(Node { at, chars, kind: Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain) })
                }
                // Told already; a node must stand here so that keys and values stay in step.
                Event::Alias(_) => Some(Node { at, chars, kind: Kind::Scalar(String::new(), true) }),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => None,
            };
            if let Some(node) = done {
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => root = Some(node),
                }
            }
        }
        if root.is_none() {
            self.tell(
                (1, 1),
                code!("yaml-not-a-mapping"),
                "the file is empty, not a mapping",
                "write `key: value` lines",
            );
        }
        root
    }

    fn refuse_hidden(&mut self, event: &Event<'_>, at: (u32, u32)) {
        let (anchor, tag) = match event {
            Event::Alias(_) => {
                return self.tell(
                    at,
                    code!("yaml-alias"),
                    "an alias (`*name`)",
                    "write the value out: aliases hide what a file says",
                );
            }
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag)
            }
            _ => return,
        };
        if anchor > 0 {
            self.tell(
                at,
                code!("yaml-anchor"),
                "an anchor (`&name`)",
                "remove it: anchors and aliases hide what a file says",
            );
        }
        if let Some(tag) = tag {
            let message = format!("a tag (`{}`)", quote(&tag.to_string()));
            self.tell(
                at,
                code!("yaml-tag"),
                message,
                "remove it; a text that looks like something else goes in quotes",
            );
        }
    }

    fn scan_error(&mut self, text: &str, error: &ScanError) {
        let at = within(text, position(error.marker()));
        // The scanner stumbles where the node before the tab begins.
        let from = at.0.saturating_sub(1) as usize;
        let tab = text.lines().enumerate().skip(from).find_map(|(index, line)| {
            let blanks = line.chars().take_while(|char| char.is_whitespace());
            Some((saturate(index + 1), saturate(blanks.into_iter().position(|char| char == '\t')? + 1)))
        });
        match tab {
            Some(tab) if tab.0 == at.0 || error.info().contains("tab") => {
                self.tell(tab, code!("yaml-tab"), "a tab where YAML wants spaces", "indent with spaces");
            }
            _ => self.tell(at, code!("yaml-syntax"), quote(error.info()), ""),
        }
    }

    /// Notes where each node stands and tells keys that are no texts or stand twice.
    fn visit(&mut self, node: &Node, pointer: String, key: Option<(u32, u32)>) {
        match &node.kind {
            Kind::Scalar(..) => {}
            Kind::Sequence(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    self.visit(entry, format!("{pointer}/{index}"), None);
                }
            }
            Kind::Mapping(entries) => {
                let mut seen: HashMap<&str, u32> = HashMap::new();
                for (key, value) in entries {
                    let Kind::Scalar(name, _) = &key.kind else {
                        let message = format!("{} as a key", key.kind.name());
                        self.tell(key.at, code!("yaml-key"), message, "keys are texts");
                        continue;
                    };
                    if let Some(first) = seen.insert(name, key.at.0) {
                        let message = format!("the key `{}` stands twice, first in line {first}", quote(name));
                        self.tell(key.at, code!("yaml-duplicate-key"), message, "keep one of them");
                    }
                    self.visit(value, below(&pointer, name), Some(key.at));
                }
            }
        }
        self.places.insert(pointer, Place { value: node.at, key, chars: node.chars });
    }
}

fn close(open: Open, end: usize) -> Node {
    let Open { at, first, mapping, children } = open;
    let chars = (first, end);
    if !mapping {
        return Node { at, chars, kind: Kind::Sequence(children) };
    }
    let mut entries = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        entries.push((key, value));
    }
    Node { at, chars, kind: Kind::Mapping(entries) }
}

fn position(marker: &Marker) -> (u32, u32) {
    (saturate(marker.line().max(1)), saturate(marker.col() + 1))
}

/// Whether both parsers see the same value; the place of the first difference if not.
fn agree(node: &Node, value: &serde_yaml::Value) -> Result<(), (u32, u32)> {
    let same = match (&node.kind, value) {
        (Kind::Sequence(nodes), serde_yaml::Value::Sequence(values)) if nodes.len() == values.len() => {
            return nodes.iter().zip(values).try_for_each(|(node, value)| agree(node, value));
        }
        (Kind::Mapping(entries), serde_yaml::Value::Mapping(values)) if entries.len() == values.len() => {
            return entries.iter().zip(values).try_for_each(|((key, node), (name, value))| {
                agree(key, name)?;
                agree(node, value)
            });
        }
        (Kind::Scalar(text, _), serde_yaml::Value::String(value)) => text == value,
        (Kind::Scalar(text, true), serde_yaml::Value::Null) => {
            matches!(&**text, "" | "~" | "null" | "Null" | "NULL")
        }
        (Kind::Scalar(text, true), serde_yaml::Value::Bool(value)) => text.to_lowercase() == value.to_string(),
        (Kind::Scalar(text, true), serde_yaml::Value::Number(_)) => {
            text.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char))
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(node.at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let problems = read(text, "f").unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| problem.to_string().replace("\n  help: ", " -- ")).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn places_are_found_by_pointer() {
        let document = read("# c\na:\n  - b: ü\n    c/d: [1, \"x\"]\n", "f").unwrap();
        assert_eq!(document.value, serde_json::json!({"a": [{"b": "ü", "c/d": [1, "x"]}]}));
        assert_eq!(document.location("/a/0/b"), Location::at("f", 3, 8));
        assert_eq!(document.key_location("/a/0/c~1d"), Location::at("f", 4, 5));
        assert_eq!(document.location("/a/0/c~1d/1"), Location::at("f", 4, 14));
        assert_eq!(document.key_location("/a/0/c~1d/1"), Location::at("f", 4, 14));
        assert_eq!(document.key_location("/a"), Location::at("f", 2, 1));
        assert_eq!(document.location("/nowhere"), Location::at("f", 1, 1));
        let text = |pointer: &str| {
            let text = "ü: 1\r\na: ['b', \"c\" , dé ]\r\nb:\r\n  - 1.0  # x\r\n";
            let chars = read(text, "f").unwrap().chars(pointer)?;
            Some(text.chars().skip(chars.start).take(chars.len()).collect::<String>())
        };
        for (pointer, expect) in
            [("/a", "['b', \"c\" , dé ]"), ("/a/0", "'b'"), ("/a/1", "\"c\" "), ("/a/2", "dé"), ("/b/0", "1.0")]
        {
            assert_eq!(text(pointer).as_deref(), Some(expect), "{pointer}");
        }
        assert_eq!(text("/c"), None);
        assert!(read("a: 1\r\nb: 2\r\n", "f").is_ok());
        assert!(read("---\na: 1\n...\n", "f").is_ok());
    }

    #[test]
    fn what_hides_is_refused() {
        check(
            "a: &x [1]\nb: *x\nc: !!str 1\na: 2\nd: {e: 1, e: 2}\n",
            &[
                "f:1:4: an anchor (`&name`) [yaml-anchor] -- remove it: anchors and aliases hide what a file says",
                "f:2:4: an alias (`*name`) [yaml-alias] -- write the value out: aliases hide what a file says",
                "f:3:4: a tag (`tag:yaml.org,2002:!str`) [yaml-tag] -- remove it; a text that looks like something else goes in quotes",
                "f:4:1: the key `a` stands twice, first in line 1 [yaml-duplicate-key] -- keep one of them",
                "f:5:11: the key `e` stands twice, first in line 5 [yaml-duplicate-key] -- keep one of them",
            ],
        );
        check(
            "a: 1\n---\nb: 1\n",
            &["f:2:1: a second document begins here [yaml-documents] -- one file holds one document"],
        );
        check("? [a]\n: 1\n", &["f:1:3: a list as a key [yaml-key] -- keys are texts"]);
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for (text, what) in [
            ("", "empty"),
            ("# only a comment\n", "empty"),
            ("---\n", "empty"),
            ("- a\n", "a list"),
            ("a\n", "a single value"),
        ] {
            let problems = read(text, "f").unwrap_err().to_string();
            assert!(
                problems.contains(&format!("the file is {what}, not a mapping [yaml-not-a-mapping]")),
                "{problems}"
            );
        }
    }

    #[test]
    fn broken_syntax_has_its_place() {
        check("a:\n\tb: 1\n", &["f:2:1: a tab where YAML wants spaces [yaml-tab] -- indent with spaces"]);
        check("a:\n  - b\n\t- c\n", &["f:3:1: a tab where YAML wants spaces [yaml-tab] -- indent with spaces"]);
        check("a: [1\n", &["f:2:1: while parsing a flow sequence, expected ',' or ']' [yaml-syntax]"]);
        check("a: [1", &["f:1:6: while parsing a flow sequence, expected ',' or ']' [yaml-syntax]"]);
        check("a: 'b\n", &["f:1:4: while scanning a quoted scalar, found unexpected end of stream [yaml-syntax]"]);
        check("a: b: c\n", &["f:1:5: mapping values are not allowed in this context [yaml-syntax]"]);
        let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        check(&deep, &["f:1:35: nested more than 32 levels deep [yaml-too-deep] -- no manifest needs that"]);
        let problems = read(&format!("a: {}", "[".repeat(500_000)), "f").unwrap_err().to_string();
        assert!(problems.contains("recursion limit exceeded [yaml-syntax]"), "{problems}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(a: |- |\n|  |\t|\\[|\\]|\\{|\\}|'|\"|&x|\\*x|!!str|---|\\.\\.\\.|\\?|: |#|>|\\||%|,|0x1|1e3|~|é|\\PC){0,24}") {
            let _ = read(&text, "f");
        }
    }
}
