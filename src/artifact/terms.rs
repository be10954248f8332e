//! What a mirror demands of one chart, and everything that clearing its charts needs.
//!
//! Owns how manifest, settings and exceptions become terms. The rules themselves are in `clear` and `provenance`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::artifact::clear::{ClearError, Cleared, Fetched, Known, Refused};
use crate::artifact::image::ChartImage;
use crate::cache::Cache;
use crate::chart::Version;
use crate::lock::Pin;
use crate::oci::{Digest, Repository};
use crate::provenance::{Expired, Fingerprint, Keyring, KeyringError};
use crate::registry::Registries;
use crate::settings::{Acceptable, Settings};
use crate::work;
use crate::workspace::{Mirror, Workspace};

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

/// Everything that clearing a workspace's charts needs. One value for a run.
#[derive(Debug)]
pub struct Clearing {
    /// The desired state.
    pub workspace: Workspace,
    /// Where artifacts live.
    pub registries: Registries,
    /// What was fetched before.
    pub cache: Cache,
    /// Unix seconds: one time for the whole run.
    pub now: u64,
    keyrings: Mutex<HashMap<Digest, Arc<Keyring>>>,
}

impl Clearing {
    /// For one run over this workspace.
    #[must_use]
    pub fn new(workspace: Workspace, registries: Registries, cache: Cache, now: u64) -> Self {
        Self { workspace, registries, cache, now, keyrings: Mutex::default() }
    }

    /// Fetches the pinned chart by digest from this repository, the source's or the destination's, and clears it.
    pub async fn clear(
        &self,
        mirror: &Mirror,
        pin: &Pin,
        from: &Repository,
        known: Known<'_>,
    ) -> Result<Cleared, ClearError> {
        let terms = self.terms(mirror, pin).await?;
        let fetched = Fetched::by_digest(&self.registries.at(from), from, &pin.digest, &self.cache).await?;
        Cleared::of_pin(fetched, pin, terms, known).await
    }

    /// Clears what the destination holds under a pin's name, its blobs from there and nowhere else.
    ///
    /// A key that has expired since says nothing against a chart that was published while it was valid.
    pub async fn audit(&self, mirror: &Mirror, pin: &Pin, image: Bytes) -> Result<Cleared, ClearError> {
        let terms = Terms { expired: Expired::Accept, ..self.terms(mirror, pin).await? };
        let image = ChartImage::parse(image).map_err(Refused::Image)?;
        let from = &pin.destination;
        let fetched = Fetched::blobs_of(image, &self.registries.at(from), from, &Cache::none()).await?;
        Cleared::of_pin(fetched, pin, terms, Known::Nothing).await
    }

    /// The terms under which a pin is cleared: with the very keyring that it was locked with.
    async fn terms(&self, mirror: &Mirror, pin: &Pin) -> Result<Terms, ClearError> {
        let keyring = match &pin.keyring {
            Some(digest) => Some(self.keyring(digest).await?),
            None => None,
        };
        Ok(Terms::of(mirror, &pin.version, &pin.digest, &self.workspace.settings, keyring, self.now))
    }

    /// The workspace's keyring of this digest, parsed once.
    pub async fn keyring(&self, digest: &Digest) -> Result<Arc<Keyring>, ClearError> {
        if let Some(keyring) = self.lock_keyrings().get(digest) {
            return Ok(Arc::clone(keyring));
        }
        let bytes = self.workspace.keyring(digest).ok_or(Refused::KeyringMissing(*digest))?.to_owned();
        let parsed: Result<Keyring, KeyringError> = work::run(move || Keyring::parse(&bytes)).await?;
        let keyring = Arc::new(parsed.map_err(Refused::Keyring)?);
        self.lock_keyrings().insert(*digest, Arc::clone(&keyring));
        Ok(keyring)
    }

    fn lock_keyrings(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Keyring>>> {
        self.keyrings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
