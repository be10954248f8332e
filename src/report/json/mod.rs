//! Reports for programs: the same values as JSON.
//!
//! Owns the format: `"format": 1` on top of each document, field names as the lockfile writes them, every field always there
//! and `null` where it has no value. Fields may be added under the same number; a field that goes or changes its meaning
//! raises it. `docs/json.md` says so to whoever reads them.

mod added;
mod audit;
mod beside;
mod difference;
mod matrix;
mod merged;
mod explained;
mod listed;
mod outcome;
mod outdated;
mod parts;
mod plan;
mod problems;
mod resolution;
mod validated;
mod why;

pub use added::added;
pub use audit::audit;
pub use difference::{DIFFERENCE_SCHEMA, difference};
pub use explained::explained;
pub use listed::listed;
pub use matrix::matrix;
pub use merged::{Merged, NotWhole, merge};
pub use outcome::outcome;
pub use outdated::outdated;
pub use plan::{PLAN_SCHEMA, plan, plan_value, read_plan};
pub use problems::problems;
pub use resolution::resolution;
pub use validated::validated;
pub use why::why;

pub(super) use validated::Totals;

use serde::Serialize;

use crate::report::escape;

/// The number of the format.
pub const FORMAT: u32 = 1;

/// A document: which format, of what, then its own fields.
#[derive(Serialize)]
struct Document<T> {
    format: u32,
    kind: &'static str,
    #[serde(flatten)]
    fields: T,
}

/// The document's text, ending in a line break; nothing hidden stands in it as itself.
fn text<T: Serialize>(kind: &'static str, fields: T) -> String {
    // Texts, numbers and lists under fixed names: nothing here can fail.
    let mut text = serde_json::to_string_pretty(&Document { format: FORMAT, kind, fields }).unwrap_or_default();
    text.push('\n');
    escape::json(&text).into_owned()
}

#[cfg(test)]
mod tests;
