//! Clearing a workspace's charts: where bytes, keyrings and terms come from, within one budget of memory.

use std::sync::Arc;

use bytes::Bytes;

use crate::artifact::clear::{ClearError, Cleared, Fetched, Known, Memory, Refused, Share, derive, must_equal};
use crate::artifact::image::ChartImage;
use crate::artifact::terms::Terms;
use crate::cache::Cache;
use crate::lock::Pin;
use crate::oci::{Digest, Repository};
use crate::provenance::{Expired, Keyring, Verdict};
use crate::registry::Registries;
use crate::workspace::{Mirror, Workspace};

/// The most bytes of fetched charts that a run holds at once.
const BYTES_IN_FLIGHT: u32 = 128 << 20;

/// When a chart was made, in Unix seconds, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The signature of its provenance, which the signer dated.
    Signed(u64),
    /// An annotation of its image manifest, which whoever pushed it wrote and nobody signed.
    Image(u64),
}

impl Created {
    /// The time, and the stable name of who says it.
    #[must_use]
    pub fn told(self) -> (u64, &'static str) {
        match self {
            Self::Signed(at) => (at, "signature"),
            Self::Image(at) => (at, "image"),
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
    memory: Memory,
}

impl Clearing {
    /// For one run over this workspace.
    #[must_use]
    pub fn new(workspace: Workspace, registries: Registries, cache: Cache, now: u64) -> Self {
        Self::within(Memory::new(BYTES_IN_FLIGHT), workspace, registries, cache, now)
    }

    /// For one run that holds no more than this of charts at once.
    pub(super) fn within(memory: Memory, workspace: Workspace, registries: Registries, cache: Cache, now: u64) -> Self {
        Self { workspace, registries, cache, now, memory }
    }

    /// The run's memory for charts.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Fetches the pinned chart by digest from this repository and clears it.
    pub async fn clear(&self, mirror: &Mirror, pin: &Pin, from: &Repository) -> Result<Cleared, ClearError> {
        let terms = self.terms_at(mirror, pin, from)?;
        Cleared::of_pin(self.fetch(from, &pin.digest).await?, pin, terms).await
    }

    /// The same within a share that is held already.
    pub(super) async fn clear_within(
        &self,
        mirror: &Mirror,
        pin: &Pin,
        from: &Repository,
        share: Share,
    ) -> Result<Cleared, ClearError> {
        let terms = self.terms_at(mirror, pin, from)?;
        let image = self.image(from, &pin.digest).await?;
        let fetched = Fetched::blobs_of(image, &self.registries.at(from), from, &self.cache, share).await?;
        Cleared::of_pin(fetched, pin, terms).await
    }

    /// Says whether the pinned chart would clear, whose signature it has and when it was made; what was found before may be
    /// reused.
    pub async fn would_clear(
        &self,
        mirror: &Mirror,
        pin: &Pin,
        from: &Repository,
    ) -> Result<(Option<Verdict>, Option<Created>), ClearError> {
        let terms = self.terms_at(mirror, pin, from)?;
        let fetched = self.fetch(from, &pin.digest).await?;
        let (derived, verdict) = derive(&fetched, terms, Known::Cached(&self.cache)).await?;
        must_equal(pin, &derived)?;
        let created = verdict.as_ref().map(|verdict| Created::Signed(verdict.made));
        let created = created.or_else(|| fetched.image.created().map(Created::Image));
        Ok((verdict, created))
    }

    /// Clears what the destination holds under a pin's name, its blobs from there and nowhere else.
    pub async fn audit(&self, mirror: &Mirror, pin: &Pin, image: Bytes) -> Result<Cleared, ClearError> {
        let terms = self.terms_at(mirror, pin, &pin.destination)?;
        let image = ChartImage::parse(image).map_err(Refused::Image)?;
        let fetched = self.fetch_anew(&pin.destination, image).await?;
        Cleared::of_pin(fetched, pin, terms).await
    }

    /// The chart image of this digest with its blobs, from the cache where it has them.
    pub async fn fetch(&self, from: &Repository, digest: &Digest) -> Result<Fetched, ClearError> {
        self.fetch_blobs(from, self.image(from, digest).await?).await
    }

    /// The chart image of this digest, from the cache if it is there.
    pub(super) async fn image(&self, from: &Repository, digest: &Digest) -> Result<ChartImage, ClearError> {
        let bytes = if let Some(bytes) = self.cache.blob(digest).await {
            bytes
        } else {
            let bytes = self.registries.at(from).manifest(from, digest).await?;
            self.cache.keep_blob(digest, &bytes).await;
            bytes
        };
        Ok(ChartImage::parse(bytes).map_err(Refused::Image)?)
    }

    /// This chart image with its blobs, from the cache where it has them.
    pub async fn fetch_blobs(&self, from: &Repository, image: ChartImage) -> Result<Fetched, ClearError> {
        self.fetch_through(from, image, &self.cache).await
    }

    /// This chart image with its blobs, each from there.
    pub(super) async fn fetch_anew(&self, from: &Repository, image: ChartImage) -> Result<Fetched, ClearError> {
        self.fetch_through(from, image, &Cache::none()).await
    }

    async fn fetch_through(&self, from: &Repository, image: ChartImage, cache: &Cache) -> Result<Fetched, ClearError> {
        let share = self.memory.share(image.total_size()).await?;
        Ok(Fetched::blobs_of(image, &self.registries.at(from), from, cache, share).await?)
    }

    /// The keyring that a pin was locked with.
    pub fn keyring(&self, pin: &Pin) -> Result<Option<Arc<Keyring>>, Refused> {
        let Some(digest) = &pin.keyring else { return Ok(None) };
        let keyring = self.workspace.keyrings.parsed(digest).ok_or(Refused::KeyringMissing(*digest))?;
        Ok(Some(Arc::clone(keyring)))
    }

    /// The terms for the bytes of this repository. A key that has expired since says nothing against a chart at its destination:
    /// it was published while the key was valid.
    fn terms_at(&self, mirror: &Mirror, pin: &Pin, from: &Repository) -> Result<Terms, Refused> {
        let terms = self.terms(mirror, pin)?;
        Ok(if *from == pin.destination { Terms { expired: Expired::Accept, ..terms } } else { terms })
    }

    /// The terms under which a pin is cleared: with the very keyring that it was locked with.
    fn terms(&self, mirror: &Mirror, pin: &Pin) -> Result<Terms, Refused> {
        let keyring = self.keyring(pin)?;
        Ok(Terms::of(mirror, &pin.version, &pin.digest, &self.workspace.settings, keyring, self.now))
    }
}
