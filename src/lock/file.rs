//! The lockfile's text.
//!
//! The format is made for reviews and merges:
//!
//! - TOML, `version = 1`, then one `[[chart]]` block a pin, sorted by destination and version;
//! - fixed order of keys, one key a line, an absent value is an absent key, one empty line before each block, LF;
//! - every text on one line, in printable ASCII: the rest (controls, direction marks, letters that look like others) is written
//!   as an escape, so that a diff shows what is there;
//! - no timestamp, no tool version, no digest of the whole: the same pins give the same bytes, and two branches that add
//!   different charts touch different lines.
//!
//! Blocks that stand in another order, Windows line ends and comments are read and written back in this form.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::canonical;
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::document::{Reader, Table, quote, saturate};
use crate::lock::{Lockfile, Pin, Signer};
use crate::oci::Repository;

const HEADER: &str = "# Written by `chartsync lock`. Review it; do not edit it.\n";
const FORMAT: u64 = 1;
const BLOCK: &str = "[[chart]]";

/// Writes the file of sorted pins.
pub(super) fn render(pins: &[Arc<Pin>]) -> String {
    let mut text = format!("{HEADER}version = {FORMAT}\n");
    for pin in pins {
        render_pin(&mut text, pin);
    }
    text
}

fn render_pin(text: &mut String, pin: &Pin) {
    let digest = |digest: &Option<crate::oci::Digest>| digest.map(|digest| digest.to_string());
    let _ = writeln!(text, "\n{BLOCK}");
    render_text(text, "name", &pin.name);
    render_text(text, "version", pin.version.as_str());
    render_text(text, "source", pin.source.as_str());
    render_text(text, "destination", pin.destination.as_str());
    render_text(text, "digest", &pin.digest.to_string());
    let _ = writeln!(text, "size = {}", pin.size);
    render_text(text, "archive", &pin.archive.to_string());
    let _ = writeln!(text, "archive-size = {}", pin.archive_size);
    for (key, value) in [
        ("provenance", digest(&pin.provenance)),
        ("signer", Some(pin.signer.to_string())),
        ("keyring", digest(&pin.keyring)),
        ("app-version", pin.app_version.clone()),
    ] {
        if let Some(value) = value {
            render_text(text, key, &value);
        }
    }
}

/// A basic string on one line. The `toml` crate's writer would choose literal and multi-line strings for some texts.
fn render_text(text: &mut String, key: &str, value: &str) {
    text.extend([key, " = \""]);
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            ' '..='~' => text.push(char),
            _ if u32::from(char) <= 0xffff => {
                let _ = write!(text, "\\u{:04X}", u32::from(char));
            }
            _ => {
                let _ = write!(text, "\\U{:08X}", u32::from(char));
            }
        }
    }
    text.push_str("\"\n");
}

/// A piece of the file: its text and the number of its first line.
type Piece<'t> = (&'t str, u32);

/// Reads a file without conflict markers.
pub(super) fn parse(text: &str, file: &str) -> Result<Lockfile, Problems> {
    if let Some(line) = super::conflict::first_marker(text) {
        let problem = Problem {
            location: Some(Location::at(file, line, 1)),
            code: code!("conflict-markers"),
            message: "the lockfile has conflict markers".to_owned(),
            help: "run `chartsync lock`: it takes the pins of both sides".to_owned(),
        };
        return Err(problem.into());
    }
    let (head, blocks) = split(text);
    parse_head(head, file)?;
    let read: Vec<(Vec<Arc<Pin>>, Problems)> =
        blocks.par_chunks(256).map(|blocks| parse_blocks(blocks, file)).collect();
    let mut problems = Problems::default();
    let mut pins = Vec::with_capacity(blocks.len());
    for (some, wrong) in read {
        pins.extend(some);
        problems.extend(wrong);
    }
    pins.sort_by(|one, other| one.key().cmp(&other.key()));
    for pair in pins.windows(2) {
        if pair[0].key() == pair[1].key() {
            problems.push(twice(&pair[0], &pair[1], file));
        }
    }
    problems.into_result(Lockfile { pins })
}

fn twice(first: &Pin, second: &Pin, file: &str) -> Problem {
    Problem {
        location: Some(Location::at(file, second.line, 1)),
        code: code!("duplicate-pin"),
        message: format!("`{}` is pinned twice, first in line {}", quote(&second.reference().to_string()), first.line),
        help: "remove one of the blocks and run `chartsync lock`".to_owned(),
    }
}

/// Cuts the text before every line that begins a block, so that blocks can be read in parallel.
///
/// A text that hides such a line in a multi-line string is cut inside that string, which is a syntax error.
fn split(text: &str) -> (Piece<'_>, Vec<Piece<'_>>) {
    let mut cuts = vec![(0, 1)];
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_start_matches([' ', '\t']).starts_with(BLOCK) {
            cuts.push((offset, saturate(index + 1)));
        }
        offset += line.len();
    }
    let ends = cuts.iter().skip(1).map(|(offset, _)| *offset).chain([text.len()]);
    let mut pieces = cuts.iter().zip(ends).map(|((begin, line), end)| (&text[*begin..end], *line));
    let head = pieces.next().unwrap_or(("", 1));
    (head, pieces.collect())
}

fn parse_head((text, line): Piece<'_>, file: &str) -> Result<(), Problems> {
    let mut reader = Reader::new(file, text, line);
    if let Some(document) = reader.parse() {
        let table = Table::root(&document);
        match table.number(&mut reader, "version", 0..=u64::MAX) {
            Some(FORMAT) | None => table.check(&mut reader, &[("version", "1")], &[]),
            // Another format has other fields: only its number is worth a word.
            Some(version) => {
                let at = table.get("version").map(toml::Spanned::span).unwrap_or_default();
                let message = format!("the lockfile has format {version}, this chartsync knows format {FORMAT}");
                let help = if version > FORMAT { "upgrade chartsync" } else { "restore the file from Git" };
                reader.problem(&at, code!("lock-version"), message, help);
            }
        }
    }
    reader.problems.into_result(())
}

/// Consecutive pins mostly share their repositories, and parsing those is the dearest part of a pin.
#[derive(Default)]
pub(super) struct Memo {
    pub(super) source: Option<Repository>,
    pub(super) destination: Option<Repository>,
}

/// The repository that `text` names; none where it names none.
pub(super) fn remembered(last: &mut Option<Repository>, text: &str) -> Option<Repository> {
    if last.as_ref().is_none_or(|known| known.as_str() != text) {
        *last = Some(text.parse().ok()?);
    }
    last.clone()
}

fn parse_blocks(blocks: &[Piece<'_>], file: &str) -> (Vec<Arc<Pin>>, Problems) {
    let mut memo = Memo::default();
    let mut pins = Vec::with_capacity(blocks.len());
    let mut problems = Problems::default();
    for (text, line) in blocks {
        if let Some(pin) = canonical::pin(text, *line, &mut memo) {
            pins.push(Arc::new(pin));
            continue;
        }
        let mut reader = Reader::new(file, text, *line);
        if let Some(document) = reader.parse() {
            let root = Table::root(&document);
            root.check(&mut reader, &[], &["chart"]);
            for table in root.tables(&mut reader, "chart") {
                pins.extend(parse_pin(&mut reader, &table, *line, &mut memo).map(Arc::new));
            }
        }
        problems.extend(reader.problems);
    }
    (pins, problems)
}

const REQUIRED: [(&str, &str); 9] = [
    ("name", "\"…\""),
    ("version", "\"…\""),
    ("source", "\"…\""),
    ("destination", "\"…\""),
    ("digest", "\"sha256:…\""),
    ("size", "…"),
    ("archive", "\"sha256:…\""),
    ("archive-size", "…"),
    ("signer", "\"…\""),
];
const OPTIONAL: [&str; 3] = ["provenance", "keyring", "app-version"];
/// TOML's integers end here.
pub(super) const MOST_BYTES: u64 = i64::MAX as u64;

fn parse_pin(reader: &mut Reader<'_>, table: &Table<'_, '_>, line: u32, memo: &mut Memo) -> Option<Pin> {
    table.check(reader, &REQUIRED, &OPTIONAL);
    let name = table.text(reader, "name");
    let version = table.parsed(reader, "version");
    let source = repository(reader, table, "source", &mut memo.source);
    let destination = repository(reader, table, "destination", &mut memo.destination);
    let digest = table.parsed(reader, "digest");
    let size = table.number(reader, "size", 1..=MOST_BYTES);
    let archive = table.parsed(reader, "archive");
    let archive_size = table.number(reader, "archive-size", 1..=MOST_BYTES);
    let provenance = table.parsed(reader, "provenance");
    let signer = table.parsed(reader, "signer");
    let keyring = table.parsed(reader, "keyring");
    let app_version = table.text(reader, "app-version").map(|(text, _)| text.to_owned());
    let (name, name_at) = name?;
    let pin = Pin {
        name: name.to_owned(),
        version: version?,
        source: source?,
        destination: destination?,
        digest: digest?,
        size: size?,
        archive: archive?,
        archive_size: archive_size?,
        provenance,
        signer: signer?,
        keyring,
        app_version,
        line,
    };
    // A field that could not be read looks absent.
    if reader.problems.is_empty() {
        check_relations(reader, table, &pin, &name_at);
    }
    Some(pin)
}

fn repository(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    key: &str,
    memo: &mut Option<Repository>,
) -> Option<Repository> {
    let (text, at) = table.text(reader, key)?;
    remembered(memo, text).or_else(|| crate::document::parsed(reader, table.path(key), text, &at))
}

/// What `chartsync lock` never writes was written by someone else.
fn check_relations(reader: &mut Reader<'_>, table: &Table<'_, '_>, pin: &Pin, name_at: &Range<usize>) {
    let help = "the lockfile was edited: restore it from Git, or remove this block and run `chartsync lock`";
    if pin.name != pin.destination.last() {
        let (name, last) = (quote(&pin.name), pin.destination.last());
        let message = format!("`chart.name` is `{name}`, the last part of its destination is `{last}`");
        reader.problem(name_at, code!("pin-relation"), message, help);
    }
    if let Some(message) = misfit(pin) {
        let at = table.get("signer").map(toml::Spanned::span).unwrap_or_default();
        reader.problem(&at, code!("pin-relation"), message.to_owned(), help);
    }
}

/// Why this signer cannot stand with what else is pinned.
pub(super) fn misfit(pin: &Pin) -> Option<&'static str> {
    match (&pin.signer, pin.provenance.is_some(), pin.keyring.is_some()) {
        (Signer::Pgp(_), true, true) | (Signer::None, false, _) => None,
        (Signer::Pgp(_), false, _) => {
            Some("`chart.signer` is a key, but there is no `provenance` that it could have signed")
        }
        (Signer::Pgp(_), true, false) => {
            Some("`chart.signer` is a key, but there is no `keyring` that it could come from")
        }
        (Signer::None, true, _) => {
            Some("`chart.signer` is `none`, but there is a `provenance`, which is always verified")
        }
    }
}
