//! A block in the very form in which it is written: the quick way through a long lockfile.
//!
//! Owns no message and no rule: what differs in a byte is left to the reader of TOML, which has the last word about it.

use std::str::FromStr;

use super::file::{MOST_BYTES, Memo, misfit, remembered};
use crate::lock::Pin;

/// The pin of a block that begins in line `line`; none of one that TOML must be asked about.
pub(super) fn pin(block: &str, line: u32, memo: &mut Memo) -> Option<Pin> {
    let mut rest = Rest(block.strip_prefix("[[chart]]\n")?);
    let pin = Pin {
        name: rest.text("name")?.to_owned(),
        version: rest.parsed("version")?,
        source: remembered(&mut memo.source, rest.text("source")?)?,
        destination: remembered(&mut memo.destination, rest.text("destination")?)?,
        digest: rest.parsed("digest")?,
        size: rest.bytes("size")?,
        archive: rest.parsed("archive")?,
        archive_size: rest.bytes("archive-size")?,
        provenance: rest.optional("provenance", Rest::parsed)?,
        signer: rest.parsed("signer")?,
        keyring: rest.optional("keyring", Rest::parsed)?,
        app_version: rest.optional("app-version", Rest::text)?.map(str::to_owned),
        line,
    };
    let is_whole = rest.0.is_empty() || rest.0 == "\n";
    (is_whole && pin.name == pin.destination.last() && misfit(&pin).is_none()).then_some(pin)
}

/// What is left of the block: whole lines.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn value(&mut self, key: &str) -> Option<&'t str> {
        let (value, rest) = self.0.strip_prefix(key)?.strip_prefix(" = ")?.split_once('\n')?;
        self.0 = rest;
        Some(value)
    }

    /// A text without escapes.
    fn text(&mut self, key: &str) -> Option<&'t str> {
        let text = self.value(key)?.strip_prefix('"')?.strip_suffix('"')?;
        text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')).then_some(text)
    }

    fn parsed<T: FromStr>(&mut self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    fn bytes(&mut self, key: &str) -> Option<u64> {
        let digits = self.value(key)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse().ok().filter(|number| is_plain && *number <= MOST_BYTES)
    }

    /// What `read` makes of `key`, where that comes next.
    #[expect(clippy::option_option, reason = "absent is one thing, and unlike what is written another")]
    fn optional<T>(&mut self, key: &str, read: impl FnOnce(&mut Self, &str) -> Option<T>) -> Option<Option<T>> {
        if self.0.strip_prefix(key).is_some_and(|rest| rest.starts_with(' ')) {
            Some(Some(read(self, key)?))
        } else {
            Some(None)
        }
    }
}
