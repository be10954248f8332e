//! Templates read without rendering: the documents of all of them, and which of these cannot be read.
//!
//! What an action `{{ … }}` would print is not known here.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::fields::{first, indent, is_alias, is_blank, is_literal, is_mark, pairs};
use super::kinds::{Top, What, is_content, top, what};
use super::parts::Parts;
use super::templates::{self, Block, Facts};
use super::{Unread, line_number};

/// The most documents that are read of one chart.
const DOCUMENT_LIMIT: usize = 20_000;
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
    pub(super) fn lines(&self) -> Lines<'d> {
        Lines { text: self.text, plain: self.plain, before: self.before }
    }

    /// The kinds that it may be of; none where that is not known.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'d str> + Clone + use<'d> {
        let kind = match self.what {
            What::Object { kind, .. } => kind.as_str(),
            What::Unread(_) | What::Nothing => "",
        };
        kind.split(" or ").filter(|kind| !kind.is_empty())
    }

    /// Whether it is a custom resource definition, whatever actions do: of those only the schema is data.
    pub(super) fn is_definition(&self) -> bool {
        self.kinds().next().is_some() && self.kinds().all(|kind| kind == "CustomResourceDefinition")
    }
}

/// The lines of a document.
#[derive(Clone)]
pub(super) struct Lines<'d> {
    text: &'d str,
    plain: &'d str,
    before: usize,
}

impl<'d> Iterator for Lines<'d> {
    type Item = Line<'d>;

    fn next(&mut self) -> Option<Line<'d>> {
        if self.text.is_empty() || self.plain.is_empty() {
            return None;
        }
        let (mut written, text) = line_of(self.text);
        let (plain, rest) = line_of(self.plain);
        if !is_literal(plain) && !written.contains("{{") {
            // Lines that an action draws up into this one stand empty below it.
            let lines = rest.bytes().take_while(|byte| *byte == b'\n').count();
            let drawn = text.match_indices('\n').take(lines).last().map_or(0, |(at, _)| at);
            written = self.text[..self.text.len() - text.len() + drawn].trim_end();
        }
        let number = line_number(self.before);
        (self.text, self.plain, self.before) = (text, rest, self.before + 1);
        Some(Line { number, written, plain })
    }
}

/// The first line of a text, and what follows.
fn line_of(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), rest)
}

impl Template<'_> {
    /// Its whole path, as it is told.
    pub(super) fn path(&self) -> String {
        super::super::quoted(&format!("{}{}", self.part, self.file))
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.read.facts
    }

    /// As it is written, without comments of the template language.
    pub(super) fn text(&self) -> &str {
        &self.read.text
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
                    Role::Manifest | Role::Partial => templates::read(&text),
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
    line.trim_start_matches(is_mark).strip_prefix("---")
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
    let found = Top::of(&plain[at.plain.clone()]);
    if !found.as_ref().is_some_and(Top::is_list) {
        let what = what(found.as_ref(), &plain[at.plain.clone()], at.before);
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
        let own = plain[at.plain.clone()].replacen('-', " ", 1);
        let what = what(Top::of(&own).as_ref(), &own, at.before);
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
        let is_dash = bare.trim_start_matches(is_blank).starts_with('-');
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

/// Documents that are new or another, and were not understood; and lines in others that hide what they say.
pub(super) fn unread(old: &Documents<'_>, new: &Documents<'_>) -> Vec<Unread> {
    let known: HashSet<(&str, &str)> = old.all().map(|seen| (seen.template.part, seen.text)).collect();
    let mut unread = Vec::new();
    let mut tell = |template: &Template<'_>, line, why: &str| {
        unread.push(Unread { file: template.path(), line, why: why.to_owned() });
    };
    for seen in new.all().filter(|seen| !known.contains(&(seen.template.part, seen.text))) {
        if let What::Unread(why) = seen.what {
            tell(seen.template, (seen.template.role != Role::Partial).then(|| line_number(seen.before)), why);
        }
        if let Some(line) = seen.lines().find(|line| line.plain.contains('*') && repeats(line.plain)) {
            tell(seen.template, Some(line.number), "it has aliases, and what they repeat may be something else now");
        }
    }
    let mut had: HashMap<_, usize> = HashMap::new();
    for (template, hidden) in hidden(old) {
        *had.entry((template.part, hidden.lines, hidden.why)).or_default() += 1;
    }
    for (template, hidden) in hidden(new) {
        match had.get_mut(&(template.part, hidden.lines, hidden.why)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => tell(template, Some(hidden.line), hidden.why),
        }
    }
    let known: HashSet<&str> = old.templates().iter().map(|template| template.read.text.as_str()).collect();
    for template in new.templates() {
        if let Some(line) = template.facts().broken.filter(|_| !known.contains(template.read.text.as_str())) {
            tell(template, Some(line), "the template language cannot be read from there on");
        }
        if template.facts().is_full {
            tell(template, None, "it has more actions than any chart's: not all were looked at");
        }
    }
    unread
}

/// Whether a line repeats what has an anchor elsewhere.
fn repeats(line: &str) -> bool {
    pairs(line).any(|pair| is_alias(pair.key) || is_alias(pair.value))
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
    let manifests = documents.templates.iter().filter(|template| template.role != Role::Partial);
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
        let is_wide = move |block: &&Block| {
            separators.get(separators.partition_point(|at| *at <= block.line)).is_some_and(|at| *at <= block.last)
        };
        let facts = template.facts();
        let wide = facts.blocks.iter().filter(is_wide).map(|block| Hidden {
            line: block.line,
            lines: text.get(block.written.clone()).unwrap_or_default(),
            why: "it decides whether the documents below are made: that shows only when they are rendered",
        });
        let opaque =
            facts.opaque.iter().map(move |((line, why), more)| Hidden { line: *line, lines: from(*line, *more), why });
        opaque.chain(wide).map(move |hidden| (template, hidden))
    })
}
