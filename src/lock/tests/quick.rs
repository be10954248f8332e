//! The quick way through a block beside TOML's.

use std::sync::Arc;

use proptest::prelude::*;

use super::{any_pin, pin};
use crate::lock::file::Memo;
use crate::lock::{Lockfile, canonical};

/// What may stand in a line where something else should.
const VALUES: [&str; 22] = [
    "",
    "\n",
    " ",
    "\r",
    "0",
    "01",
    "+0",
    "+01",
    "+1",
    "1_0",
    "1.0",
    "9223372036854775808",
    "# ",
    "\"a\"",
    "'a'",
    "\"\\u0061\"",
    "\"a\" # ",
    "\"\"",
    "\"none\"",
    "\"\u{7f}\"",
    "\"\u{1}\"",
    "\"é\"",
];

/// Whatever is read the quick way, TOML reads the same way and finds nothing wrong with it.
fn assert_same_way(block: &str) {
    if let Some(quick) = canonical::pin(block, 3, &mut Memo::default()) {
        let slow = Lockfile::parse(&format!("version = 1\n\n{}", block.replacen('\n', " \n", 1)), "f");
        let slow = slow.unwrap_or_else(|problems| panic!("{block}\n{problems}"));
        assert_eq!(slow.pins()[0].line, quick.line);
        assert_eq!(slow.pins(), [Arc::new(quick)]);
    }
}

#[test]
fn no_value_is_good_the_quick_way_alone() {
    let text = Lockfile::from_pins(vec![pin("a", "1.0.0")]).render();
    let block = &text[text.find("[[chart]]").unwrap()..];
    assert!(canonical::pin(block, 4, &mut Memo::default()).is_some());
    for (key, own) in block.lines().filter_map(|line| line.split_once(" = ")) {
        for value in VALUES {
            assert_same_way(&block.replacen(&format!("{key} = {own}\n"), &format!("{key} = {value}\n"), 1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    /// Edits of what was written.
    #[test]
    fn the_quick_way_is_the_same_way(
        mut pin in any_pin(),
        plain in "[ -!#-\\[\\]-~]{0,8}",
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<prop::sample::Index>()), 0..3),
    ) {
        pin.app_version = pin.app_version.map(|_| plain);
        let text = Lockfile::from_pins(vec![pin.clone()]).render();
        let mut block = text[text.find("[[chart]]").unwrap()..].to_owned();
        prop_assert_eq!(canonical::pin(&block, 4, &mut Memo::default()), Some(pin));
        for (at, edit, new) in edits {
            let mut lines: Vec<&str> = block.split_inclusive('\n').collect();
            let (line, other) = (at.index(lines.len() + 1), new.index(lines.len()));
            let value = VALUES[at.index(VALUES.len())];
            let changed = lines[other].split_once(" = ").map(|(key, _)| format!("{key} = {value}\n"));
            match edit {
                0 => lines.insert(line, lines[other]),
                1 => drop(lines.remove(other)),
                2 => lines.insert(line, value),
                _ => lines[other] = changed.as_deref().unwrap_or_default(),
            }
            block = lines.concat();
        }
        assert_same_way(&block);
    }
}
