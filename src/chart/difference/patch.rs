//! The difference line by line, file by file.

use std::ops::Range;

use super::super::Chart;
use super::lines::{Run, shared};
use super::parts::{Parts, Unpacked, both, file_of, is_binary};
use super::{Change, File, line_number};

/// Unchanged lines around a changed one.
const CONTEXT: usize = 3;
/// The most lines that are told of one file.
const FILE_LIMIT: usize = 10_000;
/// The most lines that are told of all files.
const TOTAL_LIMIT: usize = 200_000;
/// The most characters that are told of one line.
const LINE_LIMIT: usize = 2_000;
/// The most steps that are taken to find shared lines, all files together: about a second.
const STEP_LIMIT: usize = 1 << 28;

/// What changes in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    /// The file on both sides.
    pub file: Change<File>,
    /// Its lines.
    pub patched: Patched,
}

/// What changes in a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// Lines.
    Lines {
        /// The places where some do.
        hunks: Vec<Hunk>,
        /// How many lines of hunks are not told.
        more: usize,
    },
    /// A side is no text: its digest and size say all that is said.
    Binary,
}

/// Changed lines with unchanged ones around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The first line on the old side and how many there are.
    pub old: (u32, usize),
    /// The first line on the new side and how many there are.
    pub new: (u32, usize),
    /// The lines, raw.
    pub lines: Vec<HunkLine>,
}

impl Hunk {
    /// `@@ -1,2 +1,3 @@`
    #[must_use]
    pub fn head(&self) -> String {
        let ((old, old_count), (new, new_count)) = (self.old, self.new);
        format!("@@ -{old},{old_count} +{new},{new_count} @@")
    }
}

/// A line of a hunk, without its end and cut to a bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HunkLine {
    /// On both sides.
    Same(String),
    /// On the old side.
    Old(String),
    /// On the new side.
    New(String),
    /// The line before is the last of its side and has no end.
    NoEnd,
}

/// Every changed file, by path, with its changed lines.
#[must_use]
pub fn patch(old: &Chart, new: &Chart) -> Vec<FilePatch> {
    let (old_packed, new_packed) = (Unpacked::of(&old.archive), Unpacked::of(&new.archive));
    let (old, new) = (Parts::of(&old.archive, &old_packed), Parts::of(&new.archive, &new_packed));
    let (old, new) = (old.files(), new.files());
    let (mut steps, mut left) = (STEP_LIMIT, TOTAL_LIMIT);
    let differing = both(&old, &new).filter(|(_, old, new)| old != new);
    let patches = differing.map(|(path, old, new)| {
        let file = Change { old: old.map(|bytes| file_of(path, bytes)), new: new.map(|bytes| file_of(path, bytes)) };
        let text = |side: Option<&&[u8]>| match side {
            None => Some(String::new()),
            Some(bytes) if is_binary(bytes) => None,
            Some(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        };
        let patched = match (text(old), text(new)) {
            (Some(old), Some(new)) => {
                let patched = lines(&old, &new, left.min(FILE_LIMIT), &mut steps);
                left -= patched.0.iter().map(|hunk| hunk.lines.len()).sum::<usize>().min(left);
                Patched::Lines { hunks: patched.0, more: patched.1 }
            }
            _ => Patched::Binary,
        };
        FilePatch { file, patched }
    });
    patches.collect()
}

/// The hunks between two texts, at most so many lines of them, and how many lines are left out.
fn lines(old: &str, new: &str, limit: usize, steps: &mut usize) -> (Vec<Hunk>, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut runs = shared(&old, &new, steps);
    runs.push(Run { old: old.len(), new: new.len(), length: 0 });
    let mut groups: Vec<Vec<Edit>> = Vec::new();
    let (mut old_at, mut new_at) = (0, 0);
    for run in runs {
        if run.old > old_at || run.new > new_at {
            let edit = Edit { old: old_at..run.old, new: new_at..run.new };
            match groups.last_mut() {
                Some(group) if group.last().is_some_and(|last| edit.old.start - last.old.end <= 2 * CONTEXT) => {
                    group.push(edit);
                }
                _ => groups.push(vec![edit]),
            }
        }
        (old_at, new_at) = (run.old + run.length, run.new + run.length);
    }
    let mut writing = Writing { old: &old, new: &new, left: limit, more: 0 };
    let hunks = groups.iter().filter_map(|group| writing.hunk(group)).collect();
    (hunks, writing.more)
}

/// Lines that are replaced by others; either may be none.
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

struct Writing<'t> {
    old: &'t [&'t str],
    new: &'t [&'t str],
    left: usize,
    more: usize,
}

impl Writing<'_> {
    /// Edits that are near each other, with the lines around them; none when there is no room left.
    fn hunk(&mut self, edits: &[Edit]) -> Option<Hunk> {
        let (first, last) = (edits.first()?, edits.last()?);
        let above = CONTEXT.min(first.old.start).min(first.new.start);
        let below = CONTEXT.min(self.old.len() - last.old.end);
        let (old, new) = (first.old.start - above..last.old.end + below, first.new.start - above..last.new.end + below);
        let mut lines = Vec::new();
        let mut at = old.start;
        for edit in edits {
            self.push(&mut lines, self.old, at..edit.old.start, HunkLine::Same);
            self.push(&mut lines, self.old, edit.old.clone(), HunkLine::Old);
            self.push(&mut lines, self.new, edit.new.clone(), HunkLine::New);
            at = edit.old.end;
        }
        self.push(&mut lines, self.old, at..old.end, HunkLine::Same);
        let place = |range: Range<usize>| match range.len() {
            // As other tools have it: nothing stands behind the line before.
            0 => (line_number(range.start).saturating_sub(1), 0),
            count => (line_number(range.start), count),
        };
        (!lines.is_empty()).then(|| Hunk { old: place(old), new: place(new), lines })
    }

    fn push(&mut self, lines: &mut Vec<HunkLine>, from: &[&str], range: Range<usize>, kind: fn(String) -> HunkLine) {
        for line in from.get(range).unwrap_or_default() {
            if self.left == 0 {
                self.more += 1;
                continue;
            }
            self.left -= 1;
            let text = line.strip_suffix('\n').unwrap_or(line);
            lines.push(kind(match text.char_indices().nth(LINE_LIMIT) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text.to_owned(),
            }));
            if !line.ends_with('\n') {
                lines.push(HunkLine::NoEnd);
            }
        }
    }
}
