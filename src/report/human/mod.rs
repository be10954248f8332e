//! Reports for people: a terminal, or a log that is none.
//!
//! Every line is whole without colour and without a width. First what the reader decides by, last
//! the summary.

mod added;
mod audit;
mod difference;
mod explained;
mod finding;
mod listed;
mod outcome;
mod outdated;
mod page;
mod plan;
mod problems;
mod resolution;
mod started;
mod validated;
mod why;

pub use added::{Added, Put, added};
pub use audit::audit;
pub use difference::{difference, patch};
pub use explained::{codes, explained};
pub use listed::{list, show};
pub use outcome::outcome;
pub use outdated::{Outdated, Patches, outdated};
pub use plan::plan;
pub use problems::{Texts, error, problems};
pub use resolution::resolution;
pub use started::{Kept, started};
pub use validated::validated;
pub use why::{Why, why};

use super::words::{are, as_what, count, size, stale};
use crate::lock::Signer;
use crate::settings::Accept;

/// The most characters that are shown of what a signer says about itself.
const CLAIMS: usize = 300;

/// A signer: the full fingerprint first, then what it claims to be.
fn signer(signer: &Signer, claims: Option<&str>) -> String {
    match (signer, claims) {
        (Signer::Pgp(fingerprint), Some(claims)) => {
            let shown: String = claims.chars().take(CLAIMS).collect();
            let rest = if shown.len() < claims.len() { "…" } else { "" };
            format!("{fingerprint} claims \"{shown}{rest}\"")
        }
        (Signer::Pgp(fingerprint), None) => fingerprint.to_string(),
        (Signer::None, _) => "none, it has no provenance".to_owned(),
    }
}

/// The reviewed exceptions that a chart rests on, each with its reason.
fn accepted(page: &mut page::Page, indent: usize, accepted: &[Accept]) {
    for accept in accepted {
        page.line(indent, &[page::faint(format!("accepted {}: ", accept.finding)), page::plain(accept.reason.clone())]);
    }
}

/// Who signed, as a sentence.
fn signed(by: &Signer, claims: Option<&str>) -> String {
    match by {
        Signer::Pgp(_) => format!("provenance signed by {}", signer(by, claims)),
        Signer::None => "without provenance".to_owned(),
    }
}

#[cfg(test)]
mod tests;
