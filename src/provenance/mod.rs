//! Provenance: what a clear-signed `.prov` says about a chart archive, and who signed it.
//!
//! Owns the clear-text decoder, the OpenPGP check and the rules by which a signature counts. Knows no registry, no clock and
//! no workspace: `now` and the policy are handed in.

mod fingerprint;

pub use fingerprint::{Fingerprint, FingerprintError};
