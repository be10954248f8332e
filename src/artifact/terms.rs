//! What a mirror demands of one chart: how manifest, settings and exceptions become terms.
//!
//! The rules themselves are in `clear` and `provenance`.

use std::sync::Arc;

use crate::chart::Version;
use crate::oci::{Digest, Repository};
use crate::provenance::{Expired, Fingerprint, Keyring};
use crate::settings::{Acceptable, Settings};
use crate::workspace::Mirror;

/// What a mirror demands of one chart. Everything that depends on policy or time is here, nothing of it in the bytes.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where the chart comes from.
    pub source: Repository,
    /// Where it is published; its last segment is the chart's name.
    pub destination: Repository,
    /// The version as the manifest writes it.
    pub version: Version,
    /// Whose signatures count; none where the manifest names no keyring.
    pub keyring: Option<Arc<Keyring>>,
    /// If any: only these keys.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether a chart without provenance passes.
    pub unsigned: Unsigned,
    /// Whether a key that has expired since passes.
    pub expired: Expired,
    /// Unix seconds: against what keys expire.
    pub now: u64,
}

/// Whether a chart without provenance passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// It is refused.
    Refuse,
    /// The manifest says `required: false`, or an `unsigned` exception was reviewed.
    Accept,
}

impl Terms {
    /// The terms of this version of a mirror, for the chart image of this digest.
    #[must_use]
    pub fn of(
        mirror: &Mirror,
        version: &Version,
        digest: &Digest,
        settings: &Settings,
        keyring: Option<Arc<Keyring>>,
        now: u64,
    ) -> Self {
        let reference = mirror.destination.tagged(version.tag());
        let accepts = |finding| settings.accepts(finding, &reference, digest).is_some();
        let unsigned =
            if !mirror.trust.required || accepts(Acceptable::Unsigned) { Unsigned::Accept } else { Unsigned::Refuse };
        let expired = if accepts(Acceptable::ExpiredKey) { Expired::Accept } else { Expired::Refuse };
        Self {
            source: mirror.source.clone(),
            destination: mirror.destination.clone(),
            version: version.clone(),
            keyring,
            fingerprints: mirror.trust.fingerprints.clone(),
            unsigned,
            expired,
            now,
        }
    }
}
