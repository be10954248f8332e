//! Values into text: for people, for programs, for a log.
//!
//! Owns wording, order and escaping of what is shown. Knows no registry, no file and no stream: it returns text, and whoever
//! calls it writes that. Text for people carries the escape sequences of its colours, and no others: a stream that is no
//! terminal has them stripped.

pub mod annotations;
mod answer;
mod difference;
mod consume;
mod explained;
pub mod escape;
mod human;
pub mod json;
mod listed;
pub mod markdown;
mod progress;
mod view;
mod words;

pub use consume::{Command, KeyringFile, quotable as shell_word};
pub use difference::{Compared, Side, Taken};
pub use explained::{Explanation, explanation, explanations};
pub use human::{
    Added, Kept, Outdated, Patches, Put, Texts, Why, added, audit, codes, difference, error, explained, list, outcome,
    outdated, patch, plan, problems, resolution, show, started, validated, why,
};
pub use listed::{Bytes, Listed, listed};
pub use progress::{Progress, beat, exchange, status};

#[cfg(test)]
mod samples;
