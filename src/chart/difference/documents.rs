//! Templates read without rendering: documents, their kind and their name as far as they stand literally in the text.
//!
//! Comments of the template language are blanked first. What an action `{{ … }}` would print is not known here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::parts::Parts;
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
    /// Without the template language's comments.
    text: Cow<'a, str>,
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
    range: Range<usize>,
    /// How many lines stand before it in its file.
    before: usize,
    what: What,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Something of this kind and name.
    Object {
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
    pub(super) text: &'d str,
    before: usize,
}

impl<'d> Seen<'d> {
    /// Its lines with their numbers in the file.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u32, &'d str)> + use<'d> {
        let before = self.before;
        self.text.lines().enumerate().map(move |(at, line)| (line_number(before + at), line))
    }

    /// Its kind; nothing where that is not known.
    pub(super) fn kind(&self) -> &'d str {
        match self.what {
            What::Object { kind, .. } => kind,
            What::Unread(_) | What::Nothing => "",
        }
    }
}

impl Template<'_> {
    /// Its whole path, as it is told.
    pub(super) fn path(&self) -> String {
        super::super::quoted(&format!("{}{}", self.part, self.file))
    }
}

impl<'a> Documents<'a> {
    pub(super) fn of(parts: &'a Parts<'a>) -> Self {
        let mut templates = Vec::new();
        for part in parts.all.values() {
            for (file, bytes) in &part.files {
                let Some(role) = role(file) else { continue };
                let text = match String::from_utf8_lossy(bytes) {
                    Cow::Borrowed(text) => without_comments(text),
                    Cow::Owned(text) => Cow::Owned(without_comments(&text).into_owned()),
                };
                templates.push(Template { part: &part.path, file, role, text });
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
            let text = template.text.get(document.range.clone())?;
            Some(Seen { template, what: &document.what, text, before: document.before })
        })
    }

    /// The lines of a part's templates.
    pub(super) fn lines_of<'d>(&'d self, part: &'d str) -> impl Iterator<Item = &'d str> {
        let of_part = self.templates.iter().filter(move |template| template.part == part);
        of_part.flat_map(|template| template.text.lines())
    }
}

/// What Helm does with a file; nothing of interest with most.
fn role(file: &str) -> Option<Role> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if file.starts_with("crds/") {
        let is_yaml = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        return is_yaml.then_some(Role::Definition);
    }
    if !file.starts_with("templates/") || name == "NOTES.txt" {
        return None;
    }
    Some(if name.starts_with('_') { Role::Partial } else { Role::Manifest })
}

/// The text with every comment of the template language made blank; lines stay where they are.
fn without_comments(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let (mut from, mut copied) = (0, 0);
    while let Some(begin) = text[from..].find("{{").map(|at| from + at) {
        let inside = &text[begin + 2..];
        let inside = inside.strip_prefix('-').unwrap_or(inside).trim_start();
        if !inside.starts_with("/*") {
            from = begin + 2;
            continue;
        }
        let at = text.len() - inside.len();
        let end = text[at..].find("*/").map(|end| at + end + 2);
        let end = end.and_then(|end| text[end..].find("}}").map(|close| end + close + 2)).unwrap_or(text.len());
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(&text[copied..begin]);
        out.extend(text[begin..end].chars().filter(|char| *char == '\n'));
        (from, copied) = (end, end);
    }
    match out {
        None => Cow::Borrowed(text),
        Some(out) => Cow::Owned(out + &text[copied..]),
    }
}

/// Takes a template apart at its `---` lines.
fn read(index: usize, template: &Template<'_>, documents: &mut Vec<Document>) {
    let text = template.text.as_ref();
    let mut push = |range: Range<usize>, before: usize| {
        let what = match template.role {
            _ if documents.len() >= DOCUMENT_LIMIT => What::Unread("there are more documents than any chart has"),
            Role::Partial => What::Unread("it holds named templates: what they make shows only when they are rendered"),
            Role::Manifest | Role::Definition => what(&text[range.clone()], before),
        };
        if documents.len() <= DOCUMENT_LIMIT {
            documents.push(Document { template: index, range, before, what });
        }
    };
    if template.role == Role::Partial {
        return push(0..text.len(), 0);
    }
    let (mut begin, mut at, mut before) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            push(begin..at, before);
            (begin, before) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    push(begin..text.len(), before);
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty() || rest.starts_with([' ', '\t']))
}

/// What a document is, from its lines at the top of its mapping.
fn what(text: &str, before: usize) -> What {
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_content(line));
    let top = lines.clone().find(|(_, line)| key(line, "apiVersion").or(key(line, "kind")).is_some());
    let Some(top) = top.map(|(_, line)| indent(line)) else { return without_kind(text) };
    let kind = lines.clone().filter(|(_, line)| indent(line) == top);
    let Some((at, kind)) = kind.into_iter().find_map(|(at, line)| Some((at, key(line, "kind")?))) else {
        return without_kind(text);
    };
    let kind = scalar(kind);
    if kind.contains("{{") {
        return What::Unread("its kind is not literal");
    }
    if kind.is_empty() || kind.contains(char::is_whitespace) {
        return What::Unread("its kind cannot be read");
    }
    let metadata = lines.by_ref().find(|(_, line)| indent(line) == top && key(line, "metadata").is_some());
    let name = metadata.and_then(|(_, line)| name(line, lines.map(|(_, line)| line), top)).unwrap_or_default();
    What::Object { kind: super::told(kind), name: super::told(&literally(&name)), line: line_number(before + at) }
}

/// The name among the lines below `metadata:`.
fn name<'t>(metadata: &'t str, below: impl Iterator<Item = &'t str>, top: usize) -> Option<Cow<'t, str>> {
    let mut children = below.take_while(|line| indent(line) > top).peekable();
    if let Some(inline) =
        key(metadata, "metadata").filter(|inline| inline.starts_with('{') && !inline.starts_with("{{"))
    {
        let rest = inline.split_once("name:")?.1;
        return Some(Cow::Borrowed(scalar(rest.split([',', '}']).next().unwrap_or_default())));
    }
    let depth = children.peek().map(|line| indent(line))?;
    let mut generated = None;
    for line in children.filter(|line| indent(line) == depth) {
        if let Some(name) = key(line, "name") {
            return Some(Cow::Borrowed(scalar(name)));
        }
        generated = generated.or_else(|| key(line, "generateName"));
    }
    generated.map(|name| Cow::Owned(format!("{}…", scalar(name))))
}

/// A document without a kind: nothing, or something that only rendering tells.
fn without_kind(text: &str) -> What {
    let mut rest = text;
    let mut is_blank = true;
    let mut prints = false;
    loop {
        let (literal, after) = rest.split_once("{{").map_or((rest, None), |(literal, after)| (literal, Some(after)));
        is_blank &= literal.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let Some(after) = after else { break };
        let (action, after) = after.split_once("}}").unwrap_or((after, ""));
        prints |= is_printing(action);
        rest = after;
    }
    match (is_blank, prints) {
        (true, false) => What::Nothing,
        (true, true) => What::Unread("what it makes shows only when it is rendered"),
        (false, _) => What::Unread("no kind stands in it"),
    }
}

/// Whether an action could print more than blanks.
fn is_printing(action: &str) -> bool {
    let action = action.trim_start_matches('-').trim_start();
    let word = action.split(|char: char| char.is_whitespace() || char == '(').next().unwrap_or_default();
    let quiet = ["if", "else", "end", "with", "range", "define", "block", "break", "continue", "fail", "-"];
    let is_assignment = word.starts_with('$') && (action.contains(":=") || action.contains(" = "));
    !(quiet.contains(&word) || is_assignment || word.is_empty())
}

/// Whether a line is more than a blank, a comment, or an action alone.
fn is_content(line: &str) -> bool {
    let line = line.trim();
    !(line.is_empty()
        || line.starts_with('#')
        || (line.starts_with("{{") && line.ends_with("}}") && !line.contains("}}:")))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The value of this key, if the line begins with it.
pub(super) fn key<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    let line = line.trim();
    let rest = match line.as_bytes().first()? {
        quote @ (b'"' | b'\'') => line[1..].strip_prefix(key)?.strip_prefix(*quote as char)?,
        _ => line.strip_prefix(key)?,
    };
    let rest = rest.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim())
}

/// A scalar without its quotes and the comment behind it.
pub(super) fn scalar(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            // An action inside of quotes may have quotes of its own.
            let end = if rest.contains("{{") { rest.rfind(quote) } else { rest.find(quote) };
            return rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
        }
    }
    match text.find(" #") {
        Some(end) => text[..end].trim_end(),
        None => text,
    }
}

/// What stands literally in a text; `…` stands for its actions.
pub(super) fn literally(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("{{") {
        out.push_str(literal);
        if !out.ends_with('…') {
            out.push('…');
        }
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    out + rest
}

/// Documents that are new or another, and were not understood.
pub(super) fn unread(old: &Documents<'_>, new: &Documents<'_>) -> Vec<Unread> {
    let known: HashSet<(&str, &str, &str)> =
        old.all().map(|seen| (seen.template.part, seen.template.file, seen.text)).collect();
    let mut of_file: HashMap<(&str, &str), usize> = HashMap::new();
    let mut unread = Vec::new();
    for seen in new.all() {
        let What::Unread(why) = seen.what else { continue };
        let template = seen.template;
        if known.contains(&(template.part, template.file, seen.text)) {
            continue;
        }
        // A file of many such documents is told once for the first few.
        let told = of_file.entry((template.part, template.file)).or_default();
        *told += 1;
        if *told > 3 {
            continue;
        }
        let line = (template.role != Role::Partial).then(|| line_number(seen.before));
        unread.push(Unread { file: template.path(), line, why: (*why).to_owned() });
    }
    unread
}
