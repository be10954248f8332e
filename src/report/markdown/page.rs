//! A text that grows while there is room, and says what it leaves out.

use std::fmt::Write as _;

use crate::report::words::WHERE_ALL;

/// The first line: by it a comment is found and edited in place.
pub const MARKER: &str = "<!-- chartsync plan -->";
/// The most characters of a comment. GitHub takes 65,536, whatever they are.
pub const LIMIT: usize = 60_000;
/// What is kept for the lines that say what was left out, and for the ends of folded parts.
const RESERVE: usize = 1_500 + NAMES;
/// The most characters that name what was left out.
pub(super) const NAMES: usize = 1_500;

/// A page under construction.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    footer: String,
    /// Characters.
    left: usize,
}

impl Page {
    /// With these lines at its end, whatever stands before them.
    pub(super) fn new(footer: &str) -> Self {
        let footer = format!("\n{footer}\n");
        let left = LIMIT.saturating_sub(footer.chars().count() + RESERVE);
        let mut page = Self { text: String::new(), footer, left };
        page.line(MARKER);
        page
    }

    /// A line that stands there in any case.
    pub(super) fn line(&mut self, line: &str) {
        self.left = self.left.saturating_sub(line.chars().count() + 1);
        self.text += line;
        self.text.push('\n');
    }

    /// How many characters more it takes.
    pub(super) fn room(&self) -> usize {
        self.left
    }

    /// Adds entries until one does not fit in what is left beside `kept` characters; how many were added.
    pub(super) fn entries(&mut self, entries: impl IntoIterator<Item = String>, kept: usize) -> usize {
        let mut shown = 0;
        for entry in entries {
            if entry.chars().count() + 1 + kept > self.left {
                break;
            }
            self.line(&entry);
            shown += 1;
        }
        shown
    }

    /// Says how many of what are not shown: `one` of them, or `many`.
    pub(super) fn left_out(&mut self, number: usize, one: &str, many: &str) {
        self.left_out_of(number, one, many, "");
    }

    /// The same with what it is of: Markdown, at most [`NAMES`] characters.
    pub(super) fn left_out_of(&mut self, number: usize, one: &str, many: &str, of: &str) {
        if number > 0 {
            let what = if number == 1 { one } else { many };
            let _ = writeln!(self.text, "\n**{number} more {what} not shown here**{of}: {WHERE_ALL}.");
        }
    }

    pub(super) fn finish(self) -> String {
        self.text + &self.footer
    }
}
