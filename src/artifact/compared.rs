//! Two chart archives compared: where their bytes come from, and what was found before.
//!
//! Comparing clears nothing: what it says is for people, and no write rests on it.

use bytes::Bytes;

use crate::artifact::clearing::Clearing;
use crate::artifact::image::{ChartImage, ImageError};
use crate::artifact::packaged::PackagingError;
use crate::chart::difference::{self, Difference, FilePatch, Matter};
use crate::chart::{self, Chart, ChartError};
use crate::graph::{StepGraph, UnitId};
use crate::key::{KeySink, Sink as _, StepKey};
use crate::lock::Pin;
use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::RegistryError;
use crate::work;

/// An archive by its digest, and who may have it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Of the archive's bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Its bytes, where this process made them.
    pub bytes: Option<Bytes>,
    /// The repositories to ask, in this order, when the cache lacks it.
    pub from: Vec<Repository>,
}

impl Kept {
    /// A pinned archive: the destination is asked first.
    #[must_use]
    pub fn of_pin(pin: &Pin) -> Self {
        let from = vec![pin.destination.clone(), pin.source.clone()];
        Self { digest: pin.archive, size: pin.archive_size, bytes: None, from }
    }

    /// The archive of an image that this repository has.
    #[must_use]
    pub fn of_image(image: &ChartImage, at: &Repository) -> Self {
        let Descriptor { digest, size, .. } = image.archive;
        Self { digest, size, bytes: None, from: vec![at.clone()] }
    }

    /// An archive that was packaged here.
    #[must_use]
    pub fn made(bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), size: bytes.len() as u64, bytes: Some(bytes), from: Vec::new() }
    }
}

/// Whether registries may be asked for what the cache lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They may.
    Registries,
    /// Only the cache is.
    Cache,
}

/// Why two archives could not be compared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompareError {
    /// No registry may be asked, and the cache lacks the archive or the image manifest.
    #[error("{0} is not in the cache, and no registry was asked")]
    NotCached(Digest),
    /// Nobody has it.
    #[error("{digest} cannot be had: {error}")]
    Registry {
        /// Which.
        digest: Digest,
        /// What the last one that was asked said.
        error: RegistryError,
    },
    /// It is no chart's image manifest.
    #[error("{digest} is no chart: {error}")]
    Image {
        /// Which.
        digest: Digest,
        /// What is wrong with it.
        error: ImageError,
    },
    /// It is not a chart.
    #[error("the archive {digest} is no chart: {error}")]
    Chart {
        /// Which.
        digest: Digest,
        /// What is wrong with it.
        error: ChartError,
    },
    /// chartsync itself failed.
    #[error(transparent)]
    Defect(#[from] work::Panicked),
}

impl Clearing {
    /// What changes between two archives; what was found before is used again.
    pub async fn difference(&self, old: &Kept, new: &Kept, reach: Reach) -> Result<Difference, CompareError> {
        if old.digest == new.digest {
            return Ok(Difference::default());
        }
        if let Some(known) = self.known_difference(Some(old), new).await {
            return Ok(known);
        }
        let found = self.compared(old, new, reach, difference::compare).await?;
        self.keep_difference(key(Some(old), new), &found).await;
        Ok(found)
    }

    /// What of a chart deserves a second look where there is no version before it, and nothing else of it; what was found before is
    /// used again.
    pub async fn notable(&self, new: &Kept, reach: Reach) -> Result<Difference, CompareError> {
        if let Some(known) = self.known_difference(None, new).await {
            return Ok(known);
        }
        let _share = self.memory().share(new.size).await?;
        let (bytes, digest) = (self.archive(new, reach).await?, new.digest);
        let found = work::run(move || {
            let chart = chart::read(&bytes).map_err(|error| CompareError::Chart { digest, error })?;
            Ok::<_, CompareError>(notable(&chart))
        });
        let found = found.await??;
        self.keep_difference(key(None, new), &found).await;
        Ok(found)
    }

    /// What was found before; without an old archive, of the new one alone.
    pub async fn known_difference(&self, old: Option<&Kept>, new: &Kept) -> Option<Difference> {
        serde_json::from_str(&self.cache.facts(key(old, new)).await?).ok()
    }

    async fn keep_difference(&self, key: StepKey, found: &Difference) {
        if let Ok(text) = serde_json::to_string(found) {
            self.cache.keep_facts(key, text).await;
        }
    }

    /// The archive that a first-party chart is packaged to here, and the digest of its image manifest.
    pub async fn packaged_archive(&self, graph: &StepGraph, unit: UnitId) -> Result<(Digest, Kept), PackagingError> {
        // Its share of the memory is given back before the comparison takes one.
        let cleared = self.clear_packaged(graph, unit).await?;
        Ok((*cleared.digest(), Kept::made(cleared.fetched().archive().clone())))
    }

    /// What changes between two archives line by line.
    pub async fn patch(&self, old: &Kept, new: &Kept, reach: Reach) -> Result<Vec<FilePatch>, CompareError> {
        self.compared(old, new, reach, difference::patch).await
    }

    async fn compared<T: Send + 'static>(
        &self,
        old: &Kept,
        new: &Kept,
        reach: Reach,
        compare: fn(&Chart, &Chart) -> T,
    ) -> Result<T, CompareError> {
        let _share = self.memory().share(old.size.saturating_add(new.size)).await?;
        let (before, now) = (self.archive(old, reach).await?, self.archive(new, reach).await?);
        let (old, new) = (old.digest, new.digest);
        let compared = work::run(move || {
            let read = |bytes: &[u8], digest| chart::read(bytes).map_err(|error| CompareError::Chart { digest, error });
            Ok(compare(&read(&before, old)?, &read(&now, new)?))
        });
        compared.await?
    }

    /// The bytes of an archive: made here, cached, or fetched by digest from the first that has them.
    pub(super) async fn archive(&self, kept: &Kept, reach: Reach) -> Result<Bytes, CompareError> {
        if let Some(bytes) = &kept.bytes {
            return Ok(bytes.clone());
        }
        if let Some(bytes) = self.cache.blob(&kept.digest).await {
            return Ok(bytes);
        }
        if reach == Reach::Cache {
            return Err(CompareError::NotCached(kept.digest));
        }
        let descriptor = Descriptor { media_type: String::new(), digest: kept.digest, size: kept.size };
        let mut failed = CompareError::NotCached(kept.digest);
        for repository in &kept.from {
            match self.registries.at(repository).blob(repository, &descriptor).await {
                Ok(bytes) => {
                    self.cache.keep_blob(&kept.digest, &bytes).await;
                    return Ok(bytes);
                }
                Err(error) => failed = CompareError::Registry { digest: kept.digest, error },
            }
        }
        Err(failed)
    }
}

impl Clearing {
    /// The archive of the image manifest of this digest: that one cached, or from the first of these repositories that has it.
    pub async fn kept(&self, digest: &Digest, places: &[&Repository], reach: Reach) -> Result<Kept, CompareError> {
        let (bytes, from) = self.image_bytes(digest, places, reach).await?;
        let image = ChartImage::parse(bytes).map_err(|error| CompareError::Image { digest: *digest, error })?;
        let Descriptor { digest, size, .. } = image.archive;
        Ok(Kept { digest, size, bytes: None, from })
    }

    /// The bytes of an image manifest, and who may have its blobs.
    async fn image_bytes(
        &self,
        digest: &Digest,
        places: &[&Repository],
        reach: Reach,
    ) -> Result<(Bytes, Vec<Repository>), CompareError> {
        if let Some(bytes) = self.cache.blob(digest).await {
            return Ok((bytes, places.iter().map(|place| (*place).clone()).collect()));
        }
        let mut failed = CompareError::NotCached(*digest);
        let asked = if reach == Reach::Registries { places } else { &[] };
        for place in asked {
            match self.registries.at(place).manifest(place, digest).await {
                Ok(bytes) => {
                    self.cache.keep_blob(digest, &bytes).await;
                    return Ok((bytes, vec![(*place).clone()]));
                }
                Err(error) => failed = CompareError::Registry { digest: *digest, error },
            }
        }
        Err(failed)
    }
}

/// What deserves a second look in a chart beside its Chart.yaml alone. All its images come from somewhere: that is no news.
fn notable(chart: &Chart) -> Difference {
    let bare = Chart { archive: chart.archive.only("Chart.yaml"), metadata: chart.metadata.clone() };
    let Difference { mut notices, unread, .. } = difference::compare(&bare, chart);
    let all = notices.first.len();
    notices.first.retain(|notice| notice.matter != Matter::ImageRepository);
    notices.count -= all - notices.first.len();
    Difference { notices, unread, ..Difference::default() }
}

/// The key of a difference: the rules and the two archives, or the one.
fn key(old: Option<&Kept>, new: &Kept) -> StepKey {
    let mut sink = KeySink::new("difference");
    sink.input("checker", &difference::REVISION.to_string());
    sink.input("old", &old.map_or_else(|| "none".to_owned(), |old| old.digest.to_string()));
    sink.input("new", &new.digest.to_string());
    sink.finish()
}
