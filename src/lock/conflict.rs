//! A lockfile in the middle of a merge: both sides are read, each with its own line numbers, and united.
//!
//! Knows Git's markers in all styles (`merge`, `diff3`, `zdiff3`), nothing of a pin's fields.

use crate::diagnostic::{Location, Problem, Problems, code};
use crate::document::{quote, saturate};
use crate::lock::{Lockfile, Pin};

/// Which part of a conflict a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Common,
    Ours,
    Base,
    Theirs,
}

/// The line of the first conflict marker.
pub(super) fn first_marker(text: &str) -> Option<u32> {
    text.lines().position(|line| marker(line).is_some()).map(|index| saturate(index + 1))
}

/// The part that begins after a marker line. Markers of nested conflicts are longer and belong to the base.
fn marker(line: &str) -> Option<Part> {
    let mark = line.as_bytes().first()?;
    let part = match mark {
        b'<' => Part::Ours,
        b'|' => Part::Base,
        b'=' => Part::Theirs,
        b'>' => Part::Common,
        _ => return None,
    };
    let length = line.bytes().take_while(|byte| byte == mark).count();
    (length == 7 && matches!(line.as_bytes().get(7), None | Some(b' ' | b'\r'))).then_some(part)
}

/// Reads both sides of `text` and unites them.
pub(super) fn parse(text: &str, file: &str) -> Result<Lockfile, Problems> {
    if first_marker(text).is_none() {
        return Lockfile::parse(text, file);
    }
    let (ours, theirs) = sides(text, file)?;
    let (ours, theirs) = match (Lockfile::parse(&ours, file), Lockfile::parse(&theirs, file)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (ours, theirs) => {
            let mut problems = Problems::default();
            problems.extend(ours.err().unwrap_or_default());
            problems.extend(theirs.err().unwrap_or_default());
            return Err(problems.into_result(()).err().unwrap_or_default());
        }
    };
    unite(ours, theirs, file)
}

fn unite(ours: Lockfile, theirs: Lockfile, file: &str) -> Result<Lockfile, Problems> {
    let mut problems = Problems::default();
    for pin in theirs.pins() {
        if let Some(twin) = ours.get(&pin.destination, &pin.version) {
            let fields = twin.differences(pin);
            if !fields.is_empty() {
                problems.push(disagreement(
                    twin,
                    pin,
                    &fields.iter().map(|difference| difference.field).collect::<Vec<_>>(),
                    file,
                ));
            }
        }
    }
    let pins: Vec<_> = ours.pins.into_iter().chain(theirs.pins).collect();
    problems.into_result(Lockfile::from_pins(pins))
}

fn disagreement(ours: &Pin, theirs: &Pin, fields: &[&str], file: &str) -> Problem {
    let reference = quote(&ours.reference().to_string());
    Problem {
        location: Some(Location::at(file, ours.line, 1)),
        code: code!("conflicting-pin"),
        message: format!(
            "the two sides pin `{reference}` differently ({}): {} in line {}, {} in line {}",
            fields.join(", "),
            ours.digest,
            ours.line,
            theirs.digest,
            theirs.line
        ),
        help: "keep one side by hand, or remove both blocks; then run `chartsync lock`".to_owned(),
    }
}

/// The two files that met. Lines of the other side are left empty, so that line numbers stay true.
fn sides(text: &str, file: &str) -> Result<(String, String), Problem> {
    let (mut ours, mut theirs) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let mut part = Part::Common;
    let mut opened = 0;
    for (index, line) in text.lines().enumerate() {
        let number = saturate(index + 1);
        match (part, marker(line)) {
            (Part::Common, Some(Part::Ours)) => opened = number,
            (Part::Ours, Some(Part::Base | Part::Theirs))
            | (Part::Base, Some(Part::Theirs))
            | (Part::Theirs, Some(Part::Common)) => {}
            (_, Some(_)) => return Err(broken(file, number)),
            (_, None) => {
                ours.push_str(if matches!(part, Part::Common | Part::Ours) { line } else { "" });
                theirs.push_str(if matches!(part, Part::Common | Part::Theirs) { line } else { "" });
            }
        }
        part = marker(line).unwrap_or(part);
        ours.push('\n');
        theirs.push('\n');
    }
    if part == Part::Common { Ok((ours, theirs)) } else { Err(broken(file, opened)) }
}

fn broken(file: &str, line: u32) -> Problem {
    Problem {
        location: Some(Location::at(file, line, 1)),
        code: code!("conflict-markers"),
        message: "this conflict marker has no counterpart".to_owned(),
        help: "take the file as Git left it: `git checkout --merge -- mirrors.lock`, then run `chartsync lock`"
            .to_owned(),
    }
}
