//! What decides whether a line of a template is made: the conditions and loops around it, as they are written.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::documents::Template;
use super::templates::Block;

/// Conditions around each other, numbered: 0 are none, and equal ones have one number in both versions.
#[derive(Default)]
pub(super) struct Chains<'d> {
    known: HashMap<(usize, &'d str), usize>,
}

impl<'d> Chains<'d> {
    fn within(&mut self, outer: usize, written: &'d str) -> usize {
        let next = self.known.len() + 1;
        *self.known.entry((outer, written)).or_insert(next)
    }
}

/// Of each line of a template its conditions, and the line where the outermost begins.
pub(super) struct Conditions {
    lines: Vec<(usize, u32)>,
}

impl Conditions {
    pub(super) fn of<'d>(template: &'d Template<'_>, chains: &mut Chains<'d>) -> Self {
        let facts = template.facts();
        let mut blocks: Vec<&Block> = facts.blocks.iter().collect();
        blocks.sort_by_key(|block| (block.line, Reverse(block.last), block.written.start));
        let last = blocks.iter().map(|block| block.last).max().unwrap_or_default();
        let mut waiting = blocks.into_iter().peekable();
        let (mut lines, mut open) = (vec![(0, 0)], Vec::<(u32, (usize, u32))>::new());
        for line in 1..=last {
            while let Some(block) = waiting.next_if(|block| block.line == line) {
                let (outer, begin) = open.last().map_or((0, line), |(_, around)| *around);
                let written = template.text().get(block.written.clone()).unwrap_or_default();
                // What a variable says is said elsewhere in the file.
                let outer = if names_variable(written) { chains.within(outer, &facts.assigned) } else { outer };
                open.push((block.last, (chains.within(outer, written), begin)));
            }
            lines.push(open.last().map_or((0, 0), |(_, around)| *around));
            while open.last().is_some_and(|(last, _)| *last <= line) {
                open.pop();
            }
        }
        Self { lines }
    }

    /// Those around this line.
    pub(super) fn at(&self, line: u32) -> (usize, u32) {
        self.lines.get(line as usize).copied().unwrap_or_default()
    }
}

/// Whether a variable other than the whole context stands in a condition.
fn names_variable(written: &str) -> bool {
    written
        .match_indices('$')
        .any(|(at, _)| written[at + 1..].starts_with(|char: char| char.is_alphanumeric() || char == '_'))
}
