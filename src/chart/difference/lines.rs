//! Which lines two texts share, in order.
//!
//! The shortest edit script where it can be had for its price (Myers), else from lines that stand once on both sides. The
//! price is counted in steps, never in time, so that the same texts give the same result; when it is spent, the rest counts
//! as replaced.

use std::collections::HashMap;

/// The most edits that a shortest script is looked for.
const EDIT_LIMIT: usize = 1_000;

/// Lines that are equal: where they begin on both sides and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) old: usize,
    pub(super) new: usize,
    pub(super) length: usize,
}

/// The lines that `old` and `new` share, in order. Takes its steps from `budget`.
pub(super) fn shared(old: &[&str], new: &[&str], budget: &mut usize) -> Vec<Run> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut numbered = Vec::with_capacity(old.len() + new.len());
    for line in old.iter().chain(new) {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        numbered.push(*numbers.entry(line).or_insert(next));
    }
    let (old, new) = numbered.split_at(old.len());
    let mut sharing = Sharing { runs: Vec::new(), budget };
    sharing.between(Side { lines: old, at: 0 }, Side { lines: new, at: 0 }, Anchors::Wanted);
    sharing.runs
}

/// A part of one side and where it begins.
#[derive(Clone, Copy)]
struct Side<'a> {
    lines: &'a [u32],
    at: usize,
}

impl Side<'_> {
    fn within(self, from: usize, to: usize) -> Self {
        Side { lines: self.lines.get(from..to).unwrap_or_default(), at: self.at + from }
    }
}

/// Whether lines that stand once on both sides may divide the text further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchors {
    Wanted,
    Done,
}

struct Sharing<'b> {
    runs: Vec<Run>,
    budget: &'b mut usize,
}

impl Sharing<'_> {
    fn push(&mut self, old: usize, new: usize, length: usize) {
        match self.runs.last_mut() {
            _ if length == 0 => {}
            Some(last) if last.old + last.length == old && last.new + last.length == new => last.length += length,
            _ => self.runs.push(Run { old, new, length }),
        }
    }

    fn between(&mut self, old: Side<'_>, new: Side<'_>, anchors: Anchors) {
        let equal = |(one, other): &(&u32, &u32)| one == other;
        let head = old.lines.iter().zip(new.lines).take_while(equal).count();
        self.push(old.at, new.at, head);
        let (old, new) = (old.within(head, old.lines.len()), new.within(head, new.lines.len()));
        let tail = old.lines.iter().rev().zip(new.lines.iter().rev()).take_while(equal).count();
        let (old_end, new_end) = (old.lines.len() - tail, new.lines.len() - tail);
        self.middle(old.within(0, old_end), new.within(0, new_end), anchors);
        self.push(old.at + old_end, new.at + new_end, tail);
    }

    fn middle(&mut self, old: Side<'_>, new: Side<'_>, anchors: Anchors) {
        if old.lines.is_empty() || new.lines.is_empty() {
            return;
        }
        if let Some(runs) = shortest(old.lines, new.lines, self.budget) {
            for run in runs {
                self.push(old.at + run.old, new.at + run.new, run.length);
            }
            return;
        }
        if anchors == Anchors::Done {
            return;
        }
        let (mut old_from, mut new_from) = (0, 0);
        for (old_at, new_at) in unique(old.lines, new.lines) {
            self.between(old.within(old_from, old_at), new.within(new_from, new_at), Anchors::Done);
            self.push(old.at + old_at, new.at + new_at, 1);
            (old_from, new_from) = (old_at + 1, new_at + 1);
        }
        if old_from > 0 {
            self.between(old.within(old_from, old.lines.len()), new.within(new_from, new.lines.len()), Anchors::Done);
        }
    }
}

/// The runs of a shortest edit script; none if it has too many edits or the budget is spent.
fn shortest(old: &[u32], new: &[u32], budget: &mut usize) -> Option<Vec<Run>> {
    // For each number of edits, how far into `old` the furthest path comes on each diagonal that it can end on: the one at
    // place `i` is `2 * i - edits` lines further in `old` than in `new`.
    let mut history: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=EDIT_LIMIT {
        let mut row = Vec::with_capacity(edits + 1);
        for place in 0..=edits {
            let from = history.last().map_or(0, |before| step(before, place).0);
            let mut x = from;
            let mut y = (x + edits).saturating_sub(2 * place);
            while x < old.len() && y < new.len() && old.get(x) == new.get(y) {
                (x, y) = (x + 1, y + 1);
            }
            *budget = budget.checked_sub(1 + x - from)?;
            row.push(x);
            if (x, y) == (old.len(), new.len()) {
                return Some(walk_back(x, y, &history));
            }
        }
        history.push(row);
    }
    None
}

/// Where the path to this place begins after its edit, and whether that edit is a line of `new`.
fn step(before: &[usize], place: usize) -> (usize, bool) {
    let added = before.get(place).copied();
    let removed = place.checked_sub(1).and_then(|place| before.get(place)).map(|x| x + 1);
    match (added, removed) {
        (Some(added), Some(removed)) if added >= removed => (added, true),
        (Some(added), None) => (added, true),
        (_, Some(removed)) => (removed, false),
        (None, None) => (0, true),
    }
}

/// The runs on the way from the end to the beginning, in order.
fn walk_back(mut x: usize, mut y: usize, history: &[Vec<usize>]) -> Vec<Run> {
    let mut runs = Vec::new();
    for (before, edits) in history.iter().enumerate().rev().map(|(at, before)| (before, at + 1)) {
        let place = (x + edits).saturating_sub(y) / 2;
        let (from, is_added) = step(before, place);
        let length = x.saturating_sub(from);
        (x, y) = (from, y.saturating_sub(length));
        runs.push(Run { old: x, new: y, length });
        if is_added {
            y = y.saturating_sub(1);
        } else {
            x = x.saturating_sub(1);
        }
    }
    runs.push(Run { old: 0, new: 0, length: x });
    runs.reverse();
    runs
}

/// Lines that stand once on both sides, as many as keep their order on both.
fn unique(old: &[u32], new: &[u32]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u32, (usize, usize, usize, usize)> = HashMap::new();
    for (at, line) in old.iter().enumerate() {
        let entry = places.entry(*line).or_default();
        (entry.0, entry.2) = (entry.0 + 1, at);
    }
    for (at, line) in new.iter().enumerate() {
        let entry = places.entry(*line).or_default();
        (entry.1, entry.3) = (entry.1 + 1, at);
    }
    let mut pairs: Vec<(usize, usize)> =
        places.into_values().filter(|place| (place.0, place.1) == (1, 1)).map(|place| (place.2, place.3)).collect();
    pairs.sort_unstable();
    longest_ascent(&pairs)
}

/// The longest of the sequences whose second parts ascend, too.
fn longest_ascent(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length the pair that a sequence of it ends with at the lowest, and for each pair the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs.get(*end).is_some_and(|end| end.1 < pair.1));
        before.push(length.checked_sub(1).and_then(|last| ends.get(last)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut ascent = Vec::new();
    let mut at = ends.last().copied();
    while let Some(here) = at {
        ascent.extend(pairs.get(here));
        at = before.get(here).copied().flatten();
    }
    ascent.reverse();
    ascent
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs are in order, within their sides, and what they say is equal is equal.
    fn check(old: &[&str], new: &[&str], budget: usize) -> usize {
        let (mut from, mut equal) = ((0, 0), 0);
        for run in shared(old, new, &mut budget.clone()) {
            assert!(run.length > 0 && run.old >= from.0 && run.new >= from.1, "{run:?}");
            assert_eq!(old[run.old..run.old + run.length], new[run.new..run.new + run.length]);
            from = (run.old + run.length, run.new + run.length);
            equal += run.length;
        }
        equal
    }

    fn letters(text: &str) -> Vec<&str> {
        text.split("").filter(|letter| !letter.is_empty()).collect()
    }

    #[test]
    fn scripts_are_the_shortest() {
        for (old, new, equal) in [
            ("", "", 0),
            ("abc", "abc", 3),
            ("abc", "", 0),
            ("", "abc", 0),
            ("abcabba", "cbabac", 4),
            ("axbyc", "abc", 3),
            ("abc", "xabcx", 3),
            ("abc", "def", 0),
            ("aab", "ab", 2),
        ] {
            assert_eq!(check(&letters(old), &letters(new), 10_000), equal, "{old} {new}");
        }
    }

    #[test]
    fn what_costs_too_much_counts_as_replaced_but_for_its_ends_and_anchors() {
        let lines: Vec<String> = (0..5_000).map(|at| at.to_string()).collect();
        let (old, mut new): (Vec<&str>, Vec<&str>) = (lines.iter().map(String::as_str).collect(), vec!["first"]);
        new.extend(old.iter().flat_map(|line| [*line, "again"]));
        // More edits than a shortest script is looked for: the unique lines hold it together.
        assert_eq!(check(&old, &new, usize::MAX), 5_000);
        assert_eq!(check(&old, &new, 10), 5_000);
        let backwards: Vec<&str> = old.iter().rev().copied().collect();
        assert_eq!(check(&old, &backwards, usize::MAX), 1);
        let repeated = ["a", "b"].repeat(3_000);
        let other = ["b", "c"].repeat(3_000);
        assert_eq!(check(&repeated, &other, usize::MAX), 0);
    }

    proptest! {
        #[test]
        fn runs_are_shared_lines(old in "[abc]{0,20}", new in "[abc]{0,20}", budget in 0_usize..400) {
            let (old, new) = (letters(&old), letters(&new));
            check(&old, &new, budget);
            // Against the table of longest common subsequences.
            let mut row = vec![0; new.len() + 1];
            for line in &old {
                let mut corner = 0;
                for at in 0..new.len() {
                    let above = row[at + 1];
                    row[at + 1] = if *line == new[at] { corner + 1 } else { above.max(row[at]) };
                    corner = above;
                }
            }
            prop_assert_eq!(check(&old, &new, usize::MAX), row[new.len()]);
        }
    }
}
