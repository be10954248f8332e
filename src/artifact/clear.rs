//! From bytes on a registry to a chart that may be published: fetch by digest, check whole, derive the pin.
//!
//! [`Cleared`] can only be made here, from bytes that this process hashed and checked. `lock` derives a pin from the same
//! function that clearing compares with, so what is pinned and what is checked cannot diverge.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{OptionFuture, try_join3};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::artifact::image::{ChartImage, ImageError};
use crate::artifact::terms::{Terms, Unsigned};
use crate::cache::Cache;
use crate::chart::{self, Chart, ChartError, MetadataError};
use crate::finding::Exception;
use crate::key::{KeySink, Sink as _, StepKey};
use crate::lock::{Difference, Pin, Signer};
use crate::oci::{Descriptor, Digest, Reference, Repository};
use crate::provenance::{self, Facts, Policy, ProvenanceError, Refusal, Verdict};
use crate::registry::{Registry, RegistryError};
use crate::settings::Acceptable;
use crate::work;

/// A chart image with all its blobs, each hashed against its digest, none of them understood yet.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The image manifest.
    pub image: ChartImage,
    config: Bytes,
    archive: Bytes,
    provenance: Option<Bytes>,
    /// Given back with the bytes.
    _share: Share,
}

/// A chart's share of the run's memory: given back when the last of its clones is dropped.
#[derive(Debug, Clone)]
pub(super) struct Share(#[expect(dead_code, reason = "holding it is what it is for")] Arc<OwnedSemaphorePermit>);

/// The bytes of charts that a run may hold at once. Charts wait for their share before their blobs are fetched, or before they
/// are packaged. Who has one waits for no other: each would have what the other waits for.
#[derive(Debug, Clone)]
pub struct Memory {
    kib: Arc<Semaphore>,
    all: u32,
}

impl Memory {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: u32) -> Self {
        let all = bytes >> 10;
        Self { kib: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// The share of a chart of this size; one that is larger than everything takes everything.
    pub(super) async fn share(&self, bytes: u64) -> Result<Share, work::Panicked> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.all);
        // The semaphore is never closed.
        let permit = Arc::clone(&self.kib).acquire_many_owned(kib).await.map_err(|_| work::Panicked)?;
        Ok(Share(Arc::new(permit)))
    }

    /// How many KiB nobody holds.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.kib.available_permits()
    }
}

impl Fetched {
    /// Fetches the blobs that this image manifest names, within this share.
    pub(super) async fn blobs_of(
        image: ChartImage,
        registry: &Registry,
        repository: &Repository,
        cache: &Cache,
        share: Share,
    ) -> Result<Self, RegistryError> {
        // Boxed: three transfers side by side would make every future around them as large.
        let one = |descriptor| Box::pin(blob(registry, repository, descriptor, cache));
        let provenance = async { OptionFuture::from(image.provenance.as_ref().map(one)).await.transpose() };
        let (config, archive, provenance) = try_join3(one(&image.config), one(&image.archive), provenance).await?;
        Ok(Self { image, config, archive, provenance, _share: share })
    }

    /// What this process made itself.
    pub(super) fn made(image: ChartImage, config: Bytes, archive: Bytes, share: Share) -> Self {
        Self { image, config, archive, provenance: None, _share: share }
    }

    /// The chart archive.
    #[must_use]
    pub fn archive(&self) -> &Bytes {
        &self.archive
    }

    /// The blobs with their descriptors.
    pub fn blobs(&self) -> impl Iterator<Item = (&Descriptor, &Bytes)> {
        let bytes = [&self.config, &self.archive].into_iter().chain(&self.provenance);
        self.image.blobs().zip(bytes)
    }
}

pub(super) async fn blob(
    registry: &Registry,
    repository: &Repository,
    descriptor: &Descriptor,
    cache: &Cache,
) -> Result<Bytes, RegistryError> {
    if let Some(bytes) = cache.blob(&descriptor.digest).await.filter(|bytes| bytes.len() as u64 == descriptor.size) {
        return Ok(bytes);
    }
    let bytes = registry.blob(repository, descriptor).await?;
    cache.keep_blob(&descriptor.digest, &bytes).await;
    Ok(bytes)
}

/// Why bytes that are what their digest says are not a chart that may be published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The image manifest is not a chart's.
    #[error("{0}")]
    Image(ImageError),
    /// The archive is not a chart that Helm would install.
    #[error("the chart archive is refused: {0}")]
    Chart(ChartError),
    /// The config blob says something else than the archive.
    #[error("the image's config is not the archive's Chart.yaml: {0}")]
    Config(MetadataError),
    /// Another chart.
    #[error("the archive is chart `{found}`, but the destination says `{expected}`")]
    Name {
        /// In the archive's `Chart.yaml`.
        found: String,
        /// The last part of the destination.
        expected: String,
    },
    /// Another version.
    #[error("the archive is version `{found}`, but the tag says `{expected}`")]
    Version {
        /// In the archive's `Chart.yaml`.
        found: String,
        /// In the manifest.
        expected: String,
    },
    /// No provenance where one is required.
    #[error("it has no provenance, and its manifest requires one")]
    Unsigned,
    /// Provenance, and nothing to check it with.
    #[error("it has a provenance, but its manifest names no keyring to verify it with; add `provenance.keyring`")]
    NoKeyring,
    /// The keyring that the pin names is not in the workspace.
    #[error(
        "its keyring {0} is not in the workspace, or none of its keys can be used; run `chartsync lock`, or restore `keyrings/`"
    )]
    KeyringMissing(Digest),
    /// The mirror's keyring cannot be had.
    #[error("there is no keyring to verify it with: {0}")]
    NoUsableKeyring(String),
    /// The provenance does not verify, or is another chart's.
    #[error("its provenance is refused: {0}")]
    Provenance(ProvenanceError),
    /// It verifies, but not for this mirror, or not today.
    #[error("its provenance is refused: {0}")]
    Policy(Refusal),
}

/// Why a chart was not cleared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClearError {
    /// Its bytes could not be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its bytes are not acceptable.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// They give another pin.
    #[error("the bytes contradict the pin: {}", list(.0))]
    Mismatch(Vec<Difference>),
    /// chartsync itself failed.
    #[error(transparent)]
    Defect(#[from] work::Panicked),
}

impl ClearError {
    /// The exception that would lift it for this chart, if a person may decide so.
    #[must_use]
    pub fn exception(&self, reference: &Reference, digest: &Digest) -> Option<Exception> {
        let finding = match self {
            Self::Refused(Refused::Unsigned) => Acceptable::Unsigned,
            Self::Refused(Refused::Policy(Refusal::ExpiredKey { .. })) => Acceptable::ExpiredKey,
            _ => return None,
        };
        Some(Exception { finding, reference: reference.clone(), digest: *digest })
    }
}

fn list(differences: &[Difference]) -> String {
    let one = |d: &Difference| format!("{} is `{}` in the lockfile, `{}` in the bytes", d.field, d.here, d.there);
    differences.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A chart that this process fetched by digest, or packaged, and checked whole: the only thing that can be published or signed.
#[derive(Debug, Clone)]
pub struct Cleared {
    fetched: Fetched,
    source: Repository,
    reference: Reference,
    verdict: Option<Verdict>,
}

impl Cleared {
    /// Checks fetched bytes against the terms of their mirror and against their pin, field by field.
    pub async fn of_pin(fetched: Fetched, pin: &Pin, terms: Terms) -> Result<Self, ClearError> {
        let (derived, verdict) = derive(&fetched, terms, Known::Nothing).await?;
        must_equal(pin, &derived)?;
        Ok(Self { fetched, reference: derived.reference(), source: derived.source, verdict })
    }

    /// Checks the bytes of a first-party chart, which no pin was reviewed for: its folder was.
    pub(super) async fn of_terms(fetched: Fetched, terms: Terms) -> Result<Self, ClearError> {
        let (source, reference) = (terms.source.clone(), terms.destination.tagged(terms.version.tag()));
        let (_, verdict) = derive(&fetched, terms, Known::Nothing).await?;
        Ok(Self { fetched, source, reference, verdict })
    }

    /// Where it comes from; for a first-party chart, where it is published.
    #[must_use]
    pub fn source(&self) -> &Repository {
        &self.source
    }

    /// Where it is to be published, and under which name.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Of its image manifest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.fetched.image.digest
    }

    /// Whose signature was accepted; none for a chart without provenance.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The bytes.
    #[must_use]
    pub fn fetched(&self) -> &Fetched {
        &self.fetched
    }
}

/// Whether the bytes give the very pin that was reviewed.
pub(super) fn must_equal(pin: &Pin, derived: &Pin) -> Result<(), ClearError> {
    let differences = pin.differences(derived);
    if differences.is_empty() { Ok(()) } else { Err(ClearError::Mismatch(differences)) }
}

/// Where facts of a provenance check may come from.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// Checked here and now: whatever leads to a write.
    Nothing,
    /// Kept from an earlier check of the same bytes with the same keyring by the same checker: plans only.
    Cached(&'a Cache),
}

/// Checks fetched bytes against the terms of their mirror and says which pin they give.
pub async fn derive(fetched: &Fetched, terms: Terms, known: Known<'_>) -> Result<(Pin, Option<Verdict>), ClearError> {
    let facts_key = facts_key(fetched, &terms);
    let facts = match (known, facts_key) {
        (Known::Cached(cache), Some(key)) => {
            cache.facts(key).await.and_then(|text| serde_json::from_str::<Facts>(&text).ok())
        }
        _ => None,
    };
    let was_known = facts.is_some();
    let bytes = fetched.clone();
    let (pin, judged) = work::run(move || check(&bytes, &terms, facts)).await??;
    if let (Known::Cached(cache), Some(key), Some((facts, _)), false) = (known, facts_key, &judged, was_known)
        && let Ok(text) = serde_json::to_string(facts)
    {
        cache.keep_facts(key, text).await;
    }
    Ok((pin, judged.map(|(_, verdict)| verdict)))
}

/// The key of a provenance check: its bytes, the keyring, the checker's rules. No policy and no time.
fn facts_key(fetched: &Fetched, terms: &Terms) -> Option<StepKey> {
    let provenance = fetched.image.provenance.as_ref()?;
    let keyring = terms.keyring.as_ref()?;
    let mut sink = KeySink::new("provenance");
    sink.input("checker", &provenance::REVISION.to_string());
    sink.input("provenance", &provenance.digest.to_string());
    sink.input("keyring", &keyring.digest().to_string());
    Some(sink.finish())
}

type Judged = Option<(Facts, Verdict)>;

/// The whole check, CPU only.
fn check(fetched: &Fetched, terms: &Terms, facts: Option<Facts>) -> Result<(Pin, Judged), Refused> {
    let chart = chart::read(&fetched.archive).map_err(Refused::Chart)?;
    check_identity(&chart, terms)?;
    chart.metadata.check_config(&fetched.config).map_err(Refused::Config)?;
    let judged = check_provenance(fetched, &chart, terms, facts)?;
    let image = &fetched.image;
    let pin = Pin {
        name: chart.metadata.name,
        version: terms.version.clone(),
        source: terms.source.clone(),
        destination: terms.destination.clone(),
        digest: image.digest,
        size: image.bytes.len() as u64,
        archive: image.archive.digest,
        archive_size: image.archive.size,
        provenance: image.provenance.as_ref().map(|provenance| provenance.digest),
        signer: judged.as_ref().map_or(Signer::None, |(_, verdict)| Signer::Pgp(verdict.signer.clone())),
        keyring: judged.as_ref().and(terms.keyring.as_ref()).map(|keyring| keyring.digest()),
        app_version: chart.metadata.app_version,
        line: 0,
    };
    Ok((pin, judged))
}

fn check_identity(chart: &Chart, terms: &Terms) -> Result<(), Refused> {
    let expected = terms.destination.last();
    if chart.metadata.name != expected {
        return Err(Refused::Name { found: chart.metadata.name.clone(), expected: expected.to_owned() });
    }
    if !terms.version.names_same(&chart.metadata.version) {
        return Err(Refused::Version { found: chart.metadata.version.clone(), expected: terms.version.to_string() });
    }
    Ok(())
}

fn check_provenance(fetched: &Fetched, chart: &Chart, terms: &Terms, facts: Option<Facts>) -> Result<Judged, Refused> {
    let Some(bytes) = &fetched.provenance else {
        return match terms.unsigned {
            Unsigned::Accept => Ok(None),
            Unsigned::Refuse => Err(Refused::Unsigned),
        };
    };
    let keyring = terms.keyring.as_ref().ok_or(Refused::NoKeyring)?;
    let facts = match facts {
        Some(facts) => facts,
        None => provenance::check(bytes, keyring).map_err(Refused::Provenance)?,
    };
    facts
        .covers(&chart.metadata.name, &chart.metadata.version, &fetched.image.archive.digest)
        .map_err(Refused::Provenance)?;
    let policy = Policy { fingerprints: &terms.fingerprints, expired: terms.expired, now: terms.now };
    let verdict = provenance::judge(&facts, &policy).map_err(Refused::Policy)?;
    Ok(Some((facts, verdict)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registries;
    use crate::settings::{Access, RegistrySettings};

    /// An image manifest that tells a size which its blob has not is refused, whoever has the blob.
    #[tokio::test]
    async fn a_cached_blob_has_the_size_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let bytes = Bytes::from_static(b"archive");
        let repository: Repository = "nowhere.example/a".parse().unwrap();
        let layouts = RegistrySettings { access: Access::Layout("layouts".parse().unwrap()), ..Default::default() };
        let settings = [(repository.host().to_owned(), layouts)].into();
        let registry = Registries::new(folder.path(), &settings).unwrap().at(&repository);
        let told = Descriptor::of("x", &bytes);
        cache.keep_blob(&told.digest, &bytes).await;
        assert_eq!(blob(&registry, &repository, &told, &cache).await.unwrap(), bytes);
        for size in [told.size - 1, told.size + 1] {
            blob(&registry, &repository, &Descriptor { size, ..told.clone() }, &cache).await.unwrap_err();
        }
    }
}
