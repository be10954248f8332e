//! Puts versions into a manifest's text: new characters between old ones, which all stay as they are.
//!
//! Owns where a version belongs in the list and how it is written there: the neighbours' quotes, indentation and line ends.
//! The edited text is read again by the manifest's own reader. Knows no registry and writes no file.

use std::ops::Range;

use serde_json::Value;

use super::yaml::{self, Document};
use super::{Tree, TreeError, manifest_files};
use crate::chart::Version;
use crate::diagnostic::{Location, Problems};
use crate::document::{self, FILE_LIMIT};

/// The versions of a manifest.
const VERSIONS: &str = "/versions";

/// A manifest that can be edited, however little of it is right.
#[derive(Debug, Clone)]
pub struct Editable {
    /// The file, from the root.
    pub file: String,
    /// Where it says that its chart is published.
    pub destination: String,
    /// The file's text.
    pub text: String,
}

/// Why a version cannot be put into a manifest.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Unreadable(Problems),
    /// The list is written in a way that a careful edit does not know.
    #[error(
        "the list of {file} is written in a way that `add` does not change: add `{version}` by hand, then run `chartsync lock`"
    )]
    ByHand {
        /// The manifest.
        file: String,
        /// What should stand there.
        version: String,
    },
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It stands there already, perhaps with another spelling.
    Declared {
        /// As the manifest writes it.
        version: Version,
        /// Its place.
        location: Location,
    },
    /// It stands in the new text.
    Added {
        /// Its place there.
        location: Location,
        /// The version before it.
        after: Option<Version>,
    },
}

/// All manifests of which so much can be read as that they mirror to somewhere.
pub fn editable(tree: &Tree) -> Result<Vec<Editable>, TreeError> {
    // What lies there and is no manifest is told by whoever reads the workspace.
    let (files, _) = manifest_files(tree, &mut Problems::default());
    let mut found = Vec::new();
    for (file, bytes) in files.iter().zip(tree.read_all(&files)) {
        let Some(bytes) = bytes? else { continue };
        let Ok(text) = document::decode(&bytes, file, FILE_LIMIT) else { continue };
        let Ok(document) = yaml::read(text, file) else { continue };
        if let Some(destination) = document.value.pointer("/destination/repository").and_then(Value::as_str) {
            found.push(Editable { file: file.clone(), destination: destination.to_owned(), text: text.to_owned() });
        }
    }
    Ok(found)
}

impl Editable {
    /// Puts a version where it belongs, unless it stands there already.
    pub fn add(&mut self, version: &Version) -> Result<Edit, EditError> {
        let document = yaml::read(&self.text, &self.file).map_err(EditError::Unreadable)?;
        let by_hand = || EditError::ByHand { file: self.file.clone(), version: version.to_string() };
        if !matches!(document.value.pointer(VERSIONS), Some(Value::Array(_) | Value::Null)) {
            return Err(by_hand());
        }
        let written = versions(&document);
        if let Some(at) = written.iter().position(|text| version.names_same(text)) {
            let location = document.location(&entry(at));
            let version = written[at].parse().map_err(|_| by_hand())?;
            return Ok(Edit::Declared { version, location });
        }
        let known: Vec<Version> = written.iter().filter_map(|text| text.parse().ok()).collect();
        if known.len() != written.len() {
            return Err(by_hand());
        }
        let index = place(&known, version);
        let list = List::of(&self.text, &document, written.len()).ok_or_else(by_hand)?;
        let edited = list.with(index, version.as_str()).ok_or_else(by_hand)?;
        let location = self.check(&edited, &known, index, version).ok_or_else(by_hand)?;
        self.text = edited;
        let after = index.checked_sub(1).and_then(|before| known.get(before)).cloned();
        Ok(Edit::Added { location, after })
    }

    /// Where the version stands in the edited text, if that says what the old one said and this.
    fn check(&self, edited: &str, known: &[Version], index: usize, version: &Version) -> Option<Location> {
        let document = yaml::read(edited, &self.file).ok()?;
        let mut expect: Vec<&str> = known.iter().map(Version::as_str).collect();
        expect.insert(index, version.as_str());
        let (mut before, mut after) = (yaml::read(&self.text, &self.file).ok()?.value, document.value.clone());
        let is_right = versions(&document) == expect;
        for value in [&mut before, &mut after] {
            *value.pointer_mut(VERSIONS)? = Value::Null;
        }
        (is_right && before == after).then(|| document.location(&entry(index)))
    }
}

fn entry(index: usize) -> String {
    format!("{VERSIONS}/{index}")
}

fn versions(document: &Document) -> Vec<String> {
    let list = document.value.pointer(VERSIONS).and_then(Value::as_array);
    list.into_iter().flatten().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

/// Where a version belongs: in an ascending list before the first greater one, in a descending one before the first smaller one, in
/// one without an order at the end. One version alone counts as the begin of an ascending list.
fn place(known: &[Version], version: &Version) -> usize {
    let ascending = known.is_sorted();
    let descending = known.len() > 1 && known.is_sorted_by(|one, other| one >= other);
    let found = if ascending {
        known.iter().position(|other| other > version)
    } else if descending {
        known.iter().position(|other| other < version)
    } else {
        None
    };
    found.unwrap_or(known.len())
}

/// The list of versions as it is written.
struct List<'t> {
    text: &'t str,
    /// Where its key begins.
    key: usize,
    /// The bytes of each entry, quotes included.
    entries: Vec<Range<usize>>,
    /// The bytes of the list where it is written in brackets, or of what stands in place of an empty one.
    brackets: Option<Range<usize>>,
}

impl<'t> List<'t> {
    fn of(text: &'t str, document: &Document, entries: usize) -> Option<Self> {
        let byte = |at: usize| text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(at);
        let bytes = |pointer: &str| {
            let chars = document.chars(pointer)?;
            let (start, end) = (byte(chars.start)?, byte(chars.end)?);
            // The parser counts blanks after closing quotes in.
            Some(start..start + text.get(start..end)?.trim_end().len())
        };
        let whole = bytes(VERSIONS)?;
        let is_flow = text.get(whole.clone())?.starts_with('[');
        let entries = (0..entries).map(|index| bytes(&entry(index))).collect::<Option<Vec<_>>>()?;
        let brackets = (is_flow || entries.is_empty()).then_some(whole);
        let (line, column) = document.key_location(VERSIONS).position?;
        let lines = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len);
        let begin = lines.sum::<usize>();
        // Columns count characters.
        let within = text.get(begin..)?.char_indices().nth(column.saturating_sub(1) as usize);
        let key = begin + within.map_or(0, |(byte, _)| byte);
        Some(Self { text, key, entries, brackets })
    }

    /// The text with a version more, before the entry of this index.
    fn with(&self, index: usize, version: &str) -> Option<String> {
        match &self.brackets {
            _ if self.entries.is_empty() => self.first(version),
            Some(_) => self.in_brackets(index, version),
            None => self.in_lines(index, version),
        }
    }

    /// The first version of an empty list.
    fn first(&self, version: &str) -> Option<String> {
        let whole = self.brackets.clone()?;
        let old = self.text.get(whole.clone())?;
        if old.starts_with('[') {
            // A comment between the brackets stays there.
            return Some(self.spliced(whole.start + 1, version));
        }
        if !old.is_empty() {
            return Some(format!("{}[{version}]{}", &self.text[..whole.start], &self.text[whole.end..]));
        }
        let end = self.line_of(self.key).end;
        Some(self.spliced_line(end, &format!("  - {version}")))
    }

    /// A line of its own, made like its neighbour's.
    fn in_lines(&self, index: usize, version: &str) -> Option<String> {
        let neighbour = index.saturating_sub(1);
        let entry = self.entries[neighbour].clone();
        let line = self.line_of(entry.start);
        let lead = &self.text[line.start..entry.start];
        // The dash and the version in one line, or no line could be made like it.
        let (indent, blanks) = lead.split_once('-')?;
        if !indent.trim().is_empty() || !blanks.trim().is_empty() {
            return None;
        }
        let made = format!("{lead}{}", self.quoted(&entry, version));
        let end = self.line_of(entry.end).end;
        Some(if index == 0 {
            self.spliced(line.start, &format!("{made}{}", self.line_break()))
        } else {
            self.spliced_line(end, &made)
        })
    }

    fn in_brackets(&self, index: usize, version: &str) -> Option<String> {
        let neighbour = self.entries[index.min(self.entries.len() - 1)].clone();
        let version = self.quoted(&neighbour, version);
        let alone = |entry: &Range<usize>| {
            let line = self.line_of(entry.start);
            self.text[line.start..entry.start].trim().is_empty().then(|| &self.text[line.start..entry.start])
        };
        if let Some(next) = self.entries.get(index) {
            let Some(indent) = alone(next) else {
                let between =
                    index.checked_sub(1).map_or(", ", |before| &self.text[self.entries[before].end..next.start]);
                let between = if between.trim() == "," && !between.contains('\n') { between } else { ", " };
                return Some(self.spliced(next.start, &format!("{version}{between}")));
            };
            let made = format!("{indent}{version},");
            let Some(before) = index.checked_sub(1) else {
                return Some(self.spliced(self.line_of(next.start).start, &format!("{made}{}", self.line_break())));
            };
            return Some(self.spliced_line(self.line_of(self.entries[before].end).end, &made));
        }
        let last = self.entries.last()?;
        let rest = &self.text[last.end..self.brackets.clone()?.end];
        let Some(indent) = alone(last).filter(|_| rest.contains('\n')) else {
            return Some(self.spliced(last.end, &format!(", {version}")));
        };
        // A comma after the last one stays a habit of the list.
        let has_comma = rest.trim_start().starts_with(',');
        let made = format!("{indent}{version}{}", if has_comma { "," } else { "" });
        let edited = self.spliced_line(self.line_of(last.end).end, &made);
        Some(if has_comma { edited } else { format!("{},{}", &edited[..last.end], &edited[last.end..]) })
    }

    /// The version in the quotes that this entry has.
    fn quoted(&self, entry: &Range<usize>, version: &str) -> String {
        let quote = self.text[entry.clone()].chars().next().filter(|char| ['"', '\''].contains(char));
        let quote = quote.map(String::from).unwrap_or_default();
        format!("{quote}{version}{quote}")
    }

    /// The bytes of the line that this byte stands in, without its line break.
    fn line_of(&self, at: usize) -> Range<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |before| before + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |after| at + after);
        start..end - usize::from(end > start && self.text[..end].ends_with('\r'))
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    fn spliced(&self, at: usize, new: &str) -> String {
        format!("{}{new}{}", &self.text[..at], &self.text[at..])
    }

    /// A new line after the one that ends here.
    fn spliced_line(&self, end: usize, line: &str) -> String {
        self.spliced(end, &format!("{}{line}", self.line_break()))
    }
}

#[cfg(test)]
mod tests;
