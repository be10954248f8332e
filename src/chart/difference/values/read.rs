//! A values file as nodes with their lines.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::super::super::quoted;
use super::super::super::yaml::{self, plain};
use super::{Entry, Node, Scalar, plainly};

/// How deep values may be nested.
pub(super) const DEPTH_LIMIT: usize = 64;
/// The most that a file may cost: one for each value and for each 32 bytes of text, aliases written out.
pub(super) const COST_LIMIT: usize = 200_000;
/// Why a file that costs more is not read.
pub(super) const TOO_MUCH: &str = "it has more values than any chart's, aliases written out";

/// Reads the one document of a file. Errors are sentences without their subject.
pub(super) fn document(text: &str) -> Result<Rc<Node>, String> {
    with_lines(text).or_else(|why| plainly::document(text).map_err(|_| why))
}

fn with_lines(text: &str) -> Result<Rc<Node>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), cost: 0, line: 0 };
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(Rc::new(Node::Map(Vec::new()))),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => {
                let node = reader.node(event, 0)?;
                return reader.nothing_more().map(|()| node);
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Each anchor's value and what it cost.
    anchors: HashMap<usize, (Rc<Node>, usize)>,
    cost: usize,
    /// The line of the last event.
    line: u32,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
                Ok(event)
            }
            Some(Err(error)) => Err(format!("it is no YAML: line {}: {}", error.marker().line(), quoted(error.info()))),
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Rc<Node>, String> {
        if depth > DEPTH_LIMIT {
            return Err(format!("it is nested more than {DEPTH_LIMIT} deep"));
        }
        let before = self.cost;
        self.pay(1)?;
        let (node, anchor) = match event {
            Event::Alias(anchor) => {
                let Some((node, cost)) = self.anchors.get(&anchor) else {
                    return Err("an alias stands inside of what it repeats".into());
                };
                let (node, cost) = (Rc::clone(node), *cost);
                self.pay(cost)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.pay(text.len() / 32)?;
                (Node::Scalar(scalar(&text, style == ScalarStyle::Plain && tag.is_none())), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            _ => return Err("it ends in the middle of a value".into()),
        };
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, (Rc::clone(&node), self.cost - before));
        }
        Ok(node)
    }

    /// Newer versions of Helm merge what follows the first document, older ones ignore it.
    fn nothing_more(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::Scalar(text, ..) if text.is_empty() => {}
                _ => return Err("it has more than one document, of which not every Helm reads all".into()),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, String> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node::List(list)),
                event => {
                    let line = self.line;
                    list.push((line, self.node(event, depth + 1)?));
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, String> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        loop {
            let event = match self.next()? {
                Event::MappingEnd => break,
                event => event,
            };
            let line = self.line;
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let Node::Scalar(key) = &*self.node(event, depth + 1)? else {
                return Err("it has a key that is a list or a mapping".into());
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            if is_merge {
                merged.push(value);
            } else {
                entries.push(Entry { key: key.text.clone(), line, value });
            }
        }
        for value in merged {
            merge(&value, &mut entries, &mut |cost| self.pay(cost))?;
        }
        Ok(Node::Map(entries))
    }

    fn pay(&mut self, cost: usize) -> Result<(), String> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > COST_LIMIT { Err(TOO_MUCH.into()) } else { Ok(()) }
    }
}

/// Adds what a merge key brings, where the mapping does not say it itself.
pub(super) fn merge(
    from: &Node,
    into: &mut Vec<Entry>,
    pay: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<(), String> {
    match from {
        Node::Map(entries) => {
            pay(entries.len() + into.len())?;
            let has: HashSet<String> = into.iter().map(|entry| entry.key.clone()).collect();
            for entry in entries.iter().filter(|entry| !has.contains(&entry.key)) {
                pay(entry.key.len() / 32)?;
                into.push(Entry { key: entry.key.clone(), line: entry.line, value: Rc::clone(&entry.value) });
            }
            Ok(())
        }
        Node::List(list) => list.iter().try_for_each(|(_, node)| match &**node {
            Node::Map(_) => merge(node, into, pay),
            _ => Err("it merges what is no mapping".into()),
        }),
        Node::Scalar(_) => Ok(()),
    }
}

/// A scalar as Helm reads it.
pub(super) fn scalar(text: &str, is_plain: bool) -> Scalar {
    let read = plain(text.to_owned());
    match (is_plain, read) {
        (_, yaml::Node::Text(text)) => Scalar { text, quoted: false },
        (false, _) => Scalar { text: text.to_owned(), quoted: true },
        (true, node) => Scalar { text: node.to_text().unwrap_or_else(|| "null".into()), quoted: false },
    }
}
