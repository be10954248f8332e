//! Values into text: for people, for programs, for a log.
//!
//! Owns wording, order and escaping of what is shown. Knows no registry, no file and no stream: it returns text, and whoever
//! calls it writes that. Text for people carries the escape sequences of its colours, and no others: a stream that is no
//! terminal has them stripped.

pub mod annotations;
mod answer;
mod difference;
pub mod escape;
mod human;
pub mod json;
pub mod markdown;
mod progress;
mod view;
mod words;

pub use difference::{Compared, Side, Taken};
pub use human::{Why, audit, difference, error, outcome, patch, plan, problems, resolution, validated, why};
pub use progress::Progress;
pub use words::APPLY_PATCH;

#[cfg(test)]
mod samples;
