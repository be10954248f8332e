//! Step keys: what makes a step's result valid.
//!
//! One traversal describes a step to a [`Sink`]; the key and its explanation are two sinks of that one traversal, so what
//! invalidates and what is explained cannot diverge. Knows no step.

use std::fmt;

/// The format of keys: raising it invalidates every key ever made.
const VERSION: &str = "chartsync step key 1";

/// The blake3 of a step's kind, its inputs and the keys that feed it. For local use; never a digest of content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey([u8; 32]);

impl StepKey {
    /// The first twelve hex digits, enough to tell keys apart by eye.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes a step's description, field by field.
pub trait Sink {
    /// An input: what it is and its value.
    fn input(&mut self, field: &'static str, value: &str);
    /// A step whose result goes into this one.
    fn feeds(&mut self, kind: &'static str, key: StepKey);
}

/// Hashes a description: every part with its length before it, so that no two descriptions share their bytes.
pub struct KeySink(blake3::Hasher);

impl KeySink {
    /// Begins the key of a step of this kind.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        let mut sink = Self(blake3::Hasher::new());
        sink.part(VERSION.as_bytes());
        sink.part(kind.as_bytes());
        sink
    }

    /// The key of what was described.
    #[must_use]
    pub fn finish(self) -> StepKey {
        StepKey(*self.0.finalize().as_bytes())
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

impl Sink for KeySink {
    fn input(&mut self, field: &'static str, value: &str) {
        self.part(b"input");
        self.part(field.as_bytes());
        self.part(value.as_bytes());
    }

    fn feeds(&mut self, kind: &'static str, key: StepKey) {
        self.part(b"feeds");
        self.part(kind.as_bytes());
        self.part(&key.0);
    }
}

/// Where a line of an explanation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An input of the step itself.
    Input,
    /// A step that feeds this one: when only such lines differ, the reason lies further up.
    Feeds,
}

/// One line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Whether the step has this of its own or from a step that feeds it.
    pub source: Source,
    /// The input's name, or the kind of the step that feeds.
    pub field: &'static str,
    /// Its value, or that step's key.
    pub value: String,
}

/// Keeps a description, to be told or compared.
#[derive(Debug, Default)]
pub struct ExplainSink(pub Vec<Input>);

impl Sink for ExplainSink {
    fn input(&mut self, field: &'static str, value: &str) {
        self.0.push(Input { source: Source::Input, field, value: value.to_owned() });
    }

    fn feeds(&mut self, kind: &'static str, key: StepKey) {
        self.0.push(Input { source: Source::Feeds, field: kind, value: key.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(describe: impl Fn(&mut dyn Sink)) -> StepKey {
        let mut sink = KeySink::new("test");
        describe(&mut sink);
        sink.finish()
    }

    #[test]
    fn no_two_descriptions_share_a_key() {
        let keys = [
            key(|_| {}),
            key(|sink| sink.input("a", "bc")),
            key(|sink| sink.input("ab", "c")),
            key(|sink| sink.input("a", "b")),
            key(|sink| {
                sink.input("a", "b");
                sink.input("c", "");
            }),
            key(|sink| sink.feeds("a", key(|_| {}))),
            key(|sink| sink.input("a", &key(|_| {}).to_string())),
            key(|sink| {
                sink.input("c", "");
                sink.input("a", "b");
            }),
            KeySink::new("other").finish(),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| one != other), "{index}");
        }
    }

    #[test]
    fn the_format_is_pinned() {
        let described = |sink: &mut dyn Sink| {
            sink.input("field", "value");
            sink.feeds("kind", KeySink::new("kind").finish());
        };
        let expect = "1cbce9920b3cda9452a10ac37884c6e41aa6bb9ccb3e2e9f0f3dcffda5ee9483";
        assert_eq!(key(described).to_string(), expect, "a changed format needs a raised VERSION");
        assert_eq!(key(described).short(), expect[..12]);
    }

    #[test]
    fn an_explanation_keeps_every_part_in_its_order() {
        let fed = KeySink::new("kind").finish();
        let mut sink = ExplainSink::default();
        sink.input("field", "value");
        sink.feeds("kind", fed);
        let lines = sink.0.iter().map(|input| (input.source, input.field, input.value.clone())).collect::<Vec<_>>();
        assert_eq!(lines, [(Source::Input, "field", "value".to_owned()), (Source::Feeds, "kind", fed.to_string())]);
    }
}
