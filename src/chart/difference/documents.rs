//! Templates read without rendering: documents, their kind and their name as far as they stand literally in the text.
//!
//! What an action `{{ … }}` would print is not known here.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::fields::{DECIDES, PRINTS, first, indent, is_literal, literally, pairs};
use super::parts::Parts;
use super::powers::WORDS;
use super::templates::{self, Facts};
use super::{Unread, line_number};

/// The most documents that are read of one chart.
const DOCUMENT_LIMIT: usize = 20_000;
/// The most bytes of a document in brackets.
const BRACKETS_LIMIT: usize = 1 << 20;
/// How many documents or lines of one file are told as not read.
const TOLD: usize = 3;

/// The templates and definitions of a chart and all its subcharts.
pub(super) struct Documents<'a> {
    templates: Vec<Template<'a>>,
    documents: Vec<Document>,
}

/// A file below `templates/` or `crds/`.
pub(super) struct Template<'a> {
    /// The part that it is in.
    pub(super) part: &'a str,
    /// Its path there.
    pub(super) file: &'a str,
    pub(super) role: Role,
    read: templates::Template,
}

/// What Helm does with such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Renders it and installs what comes of it.
    Manifest,
    /// Gives its named templates to others.
    Partial,
    /// Installs it as it stands.
    Definition,
}

struct Document {
    template: usize,
    /// Where it stands in the template's text, and in its plain lines.
    at: Place,
    what: What,
}

/// Where a document stands.
#[derive(Debug, Clone)]
struct Place {
    text: Range<usize>,
    plain: Range<usize>,
    /// How many lines stand before it in its file.
    before: usize,
}

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

/// A document with the file that it is in.
#[derive(Clone, Copy)]
pub(super) struct Seen<'d> {
    pub(super) template: &'d Template<'d>,
    pub(super) what: &'d What,
    /// As it is written, without comments of the template language.
    pub(super) text: &'d str,
    /// The same with marks for actions.
    pub(super) plain: &'d str,
    before: usize,
}

/// A line of a document.
#[derive(Clone, Copy)]
pub(super) struct Line<'d> {
    /// Its number in the file.
    pub(super) number: u32,
    /// As it is written.
    pub(super) written: &'d str,
    /// With marks for actions.
    pub(super) plain: &'d str,
}

impl<'d> Seen<'d> {
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'d>> + Clone + use<'d> {
        let before = self.before;
        let lines = self.text.lines().zip(self.plain.lines()).enumerate();
        lines.map(move |(at, (written, plain))| Line { number: line_number(before + at), written, plain })
    }

    /// The kinds that it may be of; none where that is not known.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'d str> + Clone + use<'d> {
        let kind = match self.what {
            What::Object { kind, .. } => kind.as_str(),
            What::Unread(_) | What::Nothing => "",
        };
        kind.split(" or ").filter(|kind| !kind.is_empty())
    }
}

impl Template<'_> {
    /// Its whole path, as it is told.
    pub(super) fn path(&self) -> String {
        super::super::quoted(&format!("{}{}", self.part, self.file))
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.read.facts
    }
}

impl<'a> Documents<'a> {
    pub(super) fn of(parts: &'a Parts<'a>) -> Self {
        let mut templates = Vec::new();
        for part in parts.all.values() {
            for (file, bytes) in &part.files {
                let Some(role) = role(file) else { continue };
                let text = String::from_utf8_lossy(bytes);
                let read = match role {
                    Role::Definition => templates::as_it_stands(&text),
                    Role::Manifest | Role::Partial => templates::read(&text, &WORDS),
                };
                // Notes are shown to whoever installs the chart, and may hold named templates like any file.
                if is_notes(file) && !read.facts.defines {
                    continue;
                }
                templates.push(Template { part: &part.path, file, role, read });
            }
        }
        let mut documents = Vec::new();
        for (index, template) in templates.iter().enumerate() {
            read(index, template, &mut documents);
        }
        Self { templates, documents }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Seen<'_>> {
        self.documents.iter().filter_map(|document| {
            let template = self.templates.get(document.template)?;
            let text = template.read.text.get(document.at.text.clone())?;
            let plain = template.read.plain.get(document.at.plain.clone())?;
            Some(Seen { template, what: &document.what, text, plain, before: document.at.before })
        })
    }

    pub(super) fn templates(&self) -> &[Template<'a>] {
        &self.templates
    }

    /// The lines of a part's templates, as they are written.
    pub(super) fn lines_of<'d>(&'d self, part: &'d str) -> impl Iterator<Item = &'d str> {
        let of_part = self.templates.iter().filter(move |template| template.part == part);
        of_part.flat_map(|template| template.read.text.lines())
    }
}

/// What Helm does with a file; nothing of interest with most.
fn role(file: &str) -> Option<Role> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if file.starts_with("crds/") {
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let is_yaml = ["yaml", "yml", "json"].iter().any(|known| end.eq_ignore_ascii_case(known));
        return is_yaml.then_some(Role::Definition);
    }
    let is_partial = name.starts_with('_') || is_notes(file);
    file.starts_with("templates/").then_some(if is_partial { Role::Partial } else { Role::Manifest })
}

fn is_notes(file: &str) -> bool {
    file.rsplit('/').next() == Some("NOTES.txt")
}

/// Takes a template apart at its `---` lines, and lists of objects into these.
fn read(index: usize, template: &Template<'_>, documents: &mut Vec<Document>) {
    let templates::Template { text, plain, .. } = &template.read;
    if template.role == Role::Partial {
        let why = "it holds named templates: what they make shows only when they are rendered";
        let at = Place { text: 0..text.len(), plain: 0..plain.len(), before: 0 };
        return push(documents, index, at, What::Unread(why));
    }
    let (mut begin, mut at) = ((0, 0), (0, 0));
    let mut before = 0;
    for (number, (line, bare)) in text.split_inclusive('\n').zip(plain.split_inclusive('\n')).enumerate() {
        let end = (at.0 + line.len(), at.1 + bare.len());
        if let Some(rest) = behind_separator(bare) {
            documents_of(index, template, Place { text: begin.0..at.0, plain: begin.1..at.1, before }, documents);
            if rest.trim().is_empty() || rest.trim_start().starts_with('#') {
                (begin, before) = (end, number + 1);
            } else {
                // What stands behind it belongs to the next document.
                let written = line.find("---").map_or(0, |dashes| dashes + 3);
                (begin, before) = ((at.0 + written, end.1 - rest.len()), number);
            }
        }
        at = end;
    }
    documents_of(index, template, Place { text: begin.0..text.len(), plain: begin.1..plain.len(), before }, documents);
}

/// What stands behind the dashes that end a document for Helm, whatever that is.
fn behind_separator(line: &str) -> Option<&str> {
    line.trim_start_matches([DECIDES, PRINTS]).strip_prefix("---")
}

fn push(documents: &mut Vec<Document>, template: usize, at: Place, what: What) {
    if documents.len() < DOCUMENT_LIMIT {
        documents.push(Document { template, at, what });
    } else if documents.len() == DOCUMENT_LIMIT {
        let what = What::Unread("there are more documents than any chart has");
        documents.push(Document { template, at, what });
    }
}

/// A document, or the objects of its list.
fn documents_of(index: usize, template: &Template<'_>, at: Place, documents: &mut Vec<Document>) {
    let templates::Template { text, plain, .. } = &template.read;
    let what = what(&plain[at.plain.clone()], at.before);
    let is_list = matches!(&what, What::Object { kind, .. } if kind.split(" or ").any(|kind| kind.ends_with("List")));
    if !is_list {
        return push(documents, index, at, what);
    }
    let items = items(&text[at.text.clone()], &plain[at.plain.clone()]);
    if items.is_empty() {
        return push(documents, index, at, What::Unread("it is a list of objects that cannot be told apart"));
    }
    for item in items {
        let (text, bare) = (at.text.start, at.plain.start);
        let at = Place {
            text: item.text.start + text..item.text.end + text,
            plain: item.plain.start + bare..item.plain.end + bare,
            before: item.before + at.before,
        };
        let what = self::what(&plain[at.plain.clone()].replacen('-', " ", 1), at.before);
        push(documents, index, at, what);
    }
}

/// Where the items of a list stand, from their dashes on.
fn items(text: &str, plain: &str) -> Vec<Place> {
    let lines = text.split_inclusive('\n').zip(plain.split_inclusive('\n')).enumerate();
    let (mut items, mut at, mut depth): (Vec<Place>, _, Option<usize>) = (Vec::new(), (0, 0), None);
    let mut is_within = false;
    let top = top(plain).unwrap_or_default();
    for (number, (line, bare)) in lines {
        let (from, right) = (at, indent(bare));
        at = (at.0 + line.len(), at.1 + bare.len());
        if !is_content(bare) {
            continue;
        }
        if !is_within {
            is_within = right == top && first(bare) == Some(("items", ""));
            continue;
        }
        let is_dash = bare.trim_start_matches([' ', DECIDES]).starts_with('-');
        match depth {
            None if is_dash => depth = Some(right),
            None => return Vec::new(),
            Some(depth) if right > depth => continue,
            Some(depth) if right < depth || !is_dash => is_within = false,
            Some(_) => {}
        }
        if let Some(last) = items.last_mut().filter(|last| last.text.end == usize::MAX) {
            (last.text.end, last.plain.end) = from;
        }
        if is_within {
            items.push(Place { text: from.0..usize::MAX, plain: from.1..usize::MAX, before: number });
        }
    }
    if let Some(last) = items.last_mut().filter(|last| last.text.end == usize::MAX) {
        (last.text.end, last.plain.end) = at;
    }
    items
}

/// Lines that say something, with their places.
fn content(plain: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    plain.lines().enumerate().filter(|(_, line)| is_content(line))
}

/// How far the keys at the top of a document stand to the right.
fn top(plain: &str) -> Option<usize> {
    content(plain).map(|(_, line)| indent(line)).min()
}

/// What a document is, from its keys at the top.
fn what(plain: &str, before: usize) -> What {
    let Some(top) = top(plain) else { return without_kind(plain) };
    if content(plain)
        .next()
        .is_some_and(|(_, line)| line.trim_start_matches([' ', '\t', DECIDES]).starts_with(['{', '[']))
    {
        return in_brackets(plain, before);
    }
    let mut kinds: Vec<(usize, &str)> = Vec::new();
    let mut lines = content(plain).peekable();
    while let Some((at, line)) = lines.next() {
        let Some(("kind", value)) = first(line).filter(|_| indent(line) == top) else { continue };
        let below = lines.peek().map(|(_, below)| below.trim()).unwrap_or_default();
        let value = if value.is_empty() { below } else { value };
        if !kinds.iter().any(|(_, kind)| *kind == value) {
            kinds.push((at, value));
        }
    }
    let name = name(plain, top).map(|name| literally(&name)).unwrap_or_default();
    object(&kinds, &name, before).unwrap_or_else(|| without_kind(plain))
}

/// An object of one of these kinds, which stand in these lines.
fn object(kinds: &[(usize, &str)], name: &str, before: usize) -> Option<What> {
    let (at, _) = kinds.first()?;
    if kinds.iter().any(|(_, kind)| !is_literal(kind)) {
        return Some(What::Unread("its kind is not literal"));
    }
    let is_kind = |kind: &str| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !kinds.iter().all(|(_, kind)| is_kind(kind)) {
        return Some(What::Unread("its kind cannot be read"));
    }
    let kind = kinds.iter().map(|(_, kind)| *kind).collect::<Vec<_>>().join(" or ");
    Some(What::Object { kind: super::told(&kind), name: super::told(name), line: line_number(before + at) })
}

/// A document that stands in brackets, as JSON does.
fn in_brackets(plain: &str, before: usize) -> What {
    if plain.len() > BRACKETS_LIMIT {
        return What::Unread("it is too large to be read");
    }
    let (mut kinds, mut name, mut is_metadata) = (Vec::new(), None, false);
    for pair in pairs(plain) {
        match (pair.depth, pair.key) {
            (1, "kind") => {
                let at = (pair.value.as_ptr() as usize).saturating_sub(plain.as_ptr() as usize);
                kinds.push((plain.get(..at).unwrap_or_default().matches('\n').count(), pair.value));
            }
            (1, key) => is_metadata = key == "metadata",
            (2, "name") if is_metadata => name = name.or(Some(literally(pair.value))),
            _ => {}
        }
    }
    object(&kinds, &name.unwrap_or_default(), before).unwrap_or(What::Unread("no kind stands in it"))
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
fn is_content(line: &str) -> bool {
    let is_mark = |char: char| char.is_whitespace() || matches!(char, DECIDES | PRINTS);
    let line = line.trim_start_matches(is_mark);
    !(line.is_empty() || line.starts_with('#'))
}

/// Documents that are new or another, and were not understood; and lines in others that hide what they say.
pub(super) fn unread(old: &Documents<'_>, new: &Documents<'_>) -> Vec<Unread> {
    let known: HashSet<(&str, &str, &str)> =
        old.all().map(|seen| (seen.template.part, seen.template.file, seen.text)).collect();
    let mut telling = Telling::default();
    for seen in new.all() {
        let What::Unread(why) = seen.what else { continue };
        let template = seen.template;
        if !known.contains(&(template.part, template.file, seen.text)) {
            telling.tell(template, (template.role != Role::Partial).then(|| line_number(seen.before)), why);
        }
    }
    let mut had: HashMap<_, usize> = HashMap::new();
    for (template, hidden) in hidden(old) {
        *had.entry((template.part, hidden.lines, hidden.why)).or_default() += 1;
    }
    for (template, hidden) in hidden(new) {
        match had.get_mut(&(template.part, hidden.lines, hidden.why)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => telling.tell(template, Some(hidden.line), hidden.why),
        }
    }
    let known: HashSet<&str> = old.templates().iter().map(|template| template.read.text.as_str()).collect();
    for template in new.templates() {
        if let Some(line) = template.facts().broken.filter(|_| !known.contains(template.read.text.as_str())) {
            telling.tell(template, Some(line), "the template language cannot be read from there on");
        }
        if template.facts().is_full {
            telling.tell(template, None, "it has more actions than any chart's: not all were looked at");
        }
    }
    telling.unread
}

/// Lines that hide something.
struct Hidden<'d> {
    line: u32,
    /// As they are written.
    lines: &'d str,
    why: &'static str,
}

/// Lines of templates whose actions hide what they say, or decide about other documents. Of a file of named templates all is
/// hidden.
fn hidden<'d>(documents: &'d Documents<'_>) -> impl Iterator<Item = (&'d Template<'d>, Hidden<'d>)> {
    let manifests = documents.templates.iter().filter(|template| template.role == Role::Manifest);
    manifests.flat_map(|template| {
        let text = template.read.text.as_str();
        let begins: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let from = move |line: u32, more: u32| {
            let (line, more) = (line as usize, more as usize);
            let begin = begins.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
            let end = begins.get(line.saturating_add(more)).copied().unwrap_or(text.len());
            text.get(begin..end).unwrap_or_default().trim()
        };
        let separators: Vec<u32> = (0..)
            .zip(template.read.plain.lines())
            .filter(|(_, line)| behind_separator(line).is_some())
            .map(|(at, _)| at + 1)
            .collect();
        let is_wide = move |(first, last): &(u32, u32)| {
            separators.get(separators.partition_point(|at| at <= first)).is_some_and(|at| at <= last)
        };
        let facts = template.facts();
        let wide = facts.blocks.iter().filter(move |block| is_wide(block)).map(|(line, _)| {
            (*line, 0, "it decides whether the documents below are made: that shows only when they are rendered")
        });
        let opaque = facts.opaque.iter().map(|(line, more)| {
            (*line, *more, "actions make keys or lines of it: what they say shows only when it is rendered")
        });
        opaque.chain(wide).map(move |(line, more, why)| (template, Hidden { line, lines: from(line, more), why }))
    })
}

/// What is told as not read: of each file the first few for each reason.
#[derive(Default)]
struct Telling<'d> {
    unread: Vec<Unread>,
    of_file: HashMap<(&'d str, &'d str, &'static str), usize>,
}

impl<'d> Telling<'d> {
    fn tell(&mut self, template: &'d Template<'d>, line: Option<u32>, why: &'static str) {
        let told = self.of_file.entry((template.part, template.file, why)).or_default();
        *told += 1;
        if *told <= TOLD {
            self.unread.push(Unread { file: template.path(), line, why: why.to_owned() });
        }
    }
}
