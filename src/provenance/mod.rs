//! Provenance: what a clear-signed `.prov` says about a chart archive, and who signed it.
//!
//! Owns the clear-text decoder, the OpenPGP check and the rules by which a signature counts. Knows no registry, no clock and
//! no workspace: `now` and the policy are handed in.

mod armor;
mod changes;
mod clearsign;
mod facts;
mod fingerprint;
mod keyring;
mod packets;
mod policy;
mod statement;

pub use changes::KeyChanges;
pub use clearsign::{ClearSignError, LIMIT};
pub use facts::{Facts, ProvenanceError, check};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use keyring::{KeySummary, Keyring, KeyringError, SkippedKey};
pub use packets::PacketError;
pub use policy::{Expired, Policy, Refusal, Verdict, judge};
pub use statement::StatementError;

/// The revision of the rules of [`check`]: part of every key under which facts are kept, raised whenever facts could differ.
pub const REVISION: u32 = 2;

/// Upstream text as far as it is worth repeating.
fn bounded(text: impl AsRef<str>) -> String {
    text.as_ref().chars().take(300).collect()
}

#[cfg(test)]
mod tests;
