//! First-party charts: packaging a folder, clearing what came of it, and comparing it with what is published.
//!
//! The bytes that are published, or that are at the destination already, go through the very checks that mirrored ones go
//! through, on terms of their own: a folder in Git has no source to ask and no signature to ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::artifact::assemble::assemble;
use crate::artifact::clear::{ClearError, Cleared, Fetched, Known, Refused, Share, blob};
use crate::artifact::clearing::Clearing;
use crate::artifact::image::{ChartImage, ImageError};
use crate::artifact::known::{About, Fact, Place};
use crate::artifact::terms::{Terms, Unsigned};
use crate::chart::content::{Content, ContentError, Difference};
use crate::chart::package::{Package, PackageError};
use crate::chart::{Archive, ChartError};
use crate::graph::{Origin, StepGraph, Unit, UnitId};
use crate::oci::{Digest, Reference};
use crate::provenance::Expired;
use crate::registry::RegistryError;
use crate::work;
use crate::workspace::FirstParty;

/// Why a first-party chart could not be packaged, or is not what is published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PackagingError {
    /// Its folder.
    #[error("its folder cannot be packaged: {0}")]
    Package(PackageError),
    /// A dependency has no pin, so nobody knows what would be packaged.
    #[error("it depends on {0}, which has no pin that satisfies its manifest")]
    Unpinned(Reference),
    /// A mirrored dependency's bytes could not be had or are not acceptable.
    #[error("it depends on {reference}, whose bytes were not cleared: {error}")]
    Dependency {
        /// Where it is published.
        reference: Reference,
        /// Why not.
        error: Box<ClearError>,
    },
    /// Its own bytes could not be had or are not acceptable.
    #[error(transparent)]
    Clear(#[from] ClearError),
    /// What is published has other content.
    #[error("the published chart has other content: {0}")]
    Content(Difference),
    /// What is published has no content that could be compared.
    #[error("cannot be compared with the folder: {0}")]
    Incomparable(Incomparable),
    /// chartsync itself failed.
    #[error(transparent)]
    Defect(#[from] work::Panicked),
}

/// Why bytes at the destination have no content that could be compared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Incomparable {
    /// They are no chart's image manifest.
    #[error("{0}")]
    Image(ImageError),
    /// Their archive is no chart that Helm would install.
    #[error("{0}")]
    Archive(ContentError),
}

/// A first-party chart as it would be published, or as it is where its content is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageSeen {
    /// Of the image manifest.
    pub digest: Digest,
    /// Of the archive.
    pub archive: Digest,
    /// The archive's bytes.
    pub archive_size: u64,
}

impl PackageSeen {
    /// Of this image.
    #[must_use]
    pub fn of(image: &ChartImage) -> Self {
        Self { digest: image.digest, archive: image.archive.digest, archive_size: image.archive.size }
    }
}

/// What a first-party chart is packaged to, without the bytes.
#[derive(Debug, Clone)]
pub struct Packaged {
    /// What it is.
    pub seen: PackageSeen,
    /// What it says, unless nobody looked because the rest was known.
    content: Option<Arc<Content>>,
}

/// A package with its bytes, within its share of the run's memory.
struct Made {
    image: ChartImage,
    config: Bytes,
    archive: Bytes,
    content: Arc<Content>,
    share: Share,
}

impl Clearing {
    /// Packages a first-party chart with its dependencies: the pinned bytes of mirrored ones, the folders of first-party ones.
    ///
    /// What may be known from before is a package that clears: so one that is packaged here for that is cleared, too. The graph's
    /// order must have been found before: charts that depend on each other never end.
    pub async fn package(&self, graph: &StepGraph, unit: UnitId, known: Known<'_>) -> Result<Packaged, PackagingError> {
        let place = Place::of(known, graph, unit, About::Package);
        if let Some(place) = place
            && let Some(Fact::Is(seen)) = place.get().await
        {
            return Ok(Packaged { seen, content: None });
        }
        let made = self.made(graph, unit).await?;
        let (seen, content) = (PackageSeen::of(&made.image), Some(Arc::clone(&made.content)));
        if let Some(place) = place {
            Cleared::of_terms(made.fetched(), self.terms_of(graph.unit(unit))).await?;
            place.keep(&Fact::Is(seen)).await;
        }
        Ok(Packaged { seen, content })
    }

    /// Packages a first-party chart and checks what came of it.
    pub async fn clear_packaged(&self, graph: &StepGraph, unit: UnitId) -> Result<Cleared, PackagingError> {
        let made = self.made(graph, unit).await?;
        Ok(Cleared::of_terms(made.fetched(), self.terms_of(graph.unit(unit))).await?)
    }

    /// Fetches what is published as a first-party chart by digest, checks it, and compares it with the folder once more.
    pub async fn clear_published(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        digest: &Digest,
    ) -> Result<Cleared, PackagingError> {
        let content = self.content(graph, unit).await?;
        let place = graph.unit(unit);
        let cleared = Cleared::of_terms(self.fetch(place.destination(), digest).await?, self.terms_of(place)).await?;
        equal(content, cleared.fetched().archive().clone()).await?;
        Ok(cleared)
    }

    /// Says whether what is published as a first-party chart under this digest would clear; what was found before may be reused.
    pub async fn would_clear_published(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        published: PackageSeen,
    ) -> Result<(), PackagingError> {
        let place = Place::of(Known::Cached(&self.cache), graph, unit, About::Published(&published.digest));
        if let Some(place) = place
            && let Some(Fact::Is(_)) = place.get().await
        {
            return Ok(());
        }
        self.clear_published(graph, unit, &published.digest).await?;
        if let Some(place) = place {
            place.keep(&Fact::Is(published)).await;
        }
        Ok(())
    }

    /// Compares a first-party chart with what its destination has under this digest.
    ///
    /// Gives what is published; other content there is an error of its own.
    pub async fn compare(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        packaged: &Packaged,
        digest: &Digest,
        known: Known<'_>,
    ) -> Result<PackageSeen, PackagingError> {
        let place = Place::of(known, graph, unit, About::Content(digest));
        if let Some(place) = place {
            match place.get().await {
                Some(Fact::Is(published)) => return Ok(published),
                Some(Fact::Differs(difference)) => return Err(PackagingError::Content(difference)),
                None => {}
            }
        }
        let compared = self.compare_anew(graph, unit, packaged, digest).await;
        let fact = match &compared {
            Ok(published) => Some(Fact::Is(*published)),
            Err(PackagingError::Content(difference)) => Some(Fact::Differs(difference.clone())),
            Err(_) => None,
        };
        if let (Some(place), Some(fact)) = (place, fact) {
            place.keep(&fact).await;
        }
        compared
    }

    async fn compare_anew(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        packaged: &Packaged,
        digest: &Digest,
    ) -> Result<PackageSeen, PackagingError> {
        let content = match &packaged.content {
            Some(content) => Arc::clone(content),
            None => self.content(graph, unit).await?,
        };
        let from = graph.unit(unit).destination();
        let image = self.image(from, digest).await.map_err(|error| match error {
            ClearError::Refused(Refused::Image(error)) => PackagingError::Incomparable(Incomparable::Image(error)),
            error => error.into(),
        })?;
        let _share = self.memory().share(image.archive.size).await?;
        let archive = blob(&self.registries.at(from), from, &image.archive, &self.cache).await;
        equal(content, archive.map_err(ClearError::from)?).await?;
        Ok(PackageSeen::of(&image))
    }

    /// What is published as a first-party chart, checked from the destination's own bytes and compared with the folder.
    pub async fn audit_published(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        image: Bytes,
    ) -> Result<Cleared, PackagingError> {
        let content = self.content(graph, unit).await?;
        let place = graph.unit(unit);
        let image =
            ChartImage::parse(image).map_err(|error| PackagingError::Incomparable(Incomparable::Image(error)))?;
        let fetched = self.fetch_anew(place.destination(), image).await?;
        equal(content, fetched.archive().clone()).await?;
        Ok(Cleared::of_terms(fetched, self.terms_of(place)).await?)
    }

    /// What a first-party chart says, packaged.
    async fn content(&self, graph: &StepGraph, unit: UnitId) -> Result<Arc<Content>, PackagingError> {
        Ok(self.made(graph, unit).await?.content)
    }

    async fn made(&self, graph: &StepGraph, unit: UnitId) -> Result<Made, PackagingError> {
        let share = self.memory().share(self.need(graph, unit)).await?;
        let package = self.packaged(graph, unit, &share).await?;
        let image = assemble(&package).map_err(|error| ClearError::from(Refused::Image(error)))?;
        let Package { archive, config, chart, .. } = package;
        let content = work::run(move || Content::of(&chart.archive)).await?;
        let content = content.map_err(|error| PackagingError::Incomparable(Incomparable::Archive(error)))?;
        Ok(Made { image, config: config.into(), archive: archive.into(), content: Arc::new(content), share })
    }

    /// The bytes of the folder's files and of the archives that are packaged with it.
    fn need(&self, graph: &StepGraph, unit: UnitId) -> u64 {
        let of_folder = self.first_party(graph.unit(unit)).map_or(0, |chart| chart.source.size());
        let of_pin = graph.unit(unit).pin().map_or(0, |pin| pin.archive_size);
        let on = graph.ingredients(unit).into_iter().flat_map(BTreeMap::values);
        on.fold(of_folder.saturating_add(of_pin), |sum, on| sum.saturating_add(self.need(graph, *on)))
    }

    /// Packages within a share that is large enough for all that is packaged with it, too.
    fn packaged<'a>(
        &'a self,
        graph: &'a StepGraph,
        unit: UnitId,
        share: &'a Share,
    ) -> BoxFuture<'a, Result<Package, PackagingError>> {
        Box::pin(async move {
            let mut archives = BTreeMap::new();
            for (name, on) in graph.ingredients(unit).into_iter().flatten() {
                archives.insert(name.clone(), self.archive_of(graph, *on, share).await?);
            }
            let source = self.first_party(graph.unit(unit)).map(|chart| Arc::clone(&chart.source));
            let source = source.ok_or(work::Panicked)?;
            work::run(move || source.package(&archives)).await?.map_err(PackagingError::Package)
        })
    }

    /// The archive that stands for a dependency.
    async fn archive_of(&self, graph: &StepGraph, on: UnitId, share: &Share) -> Result<Vec<u8>, PackagingError> {
        let unit = graph.unit(on);
        let Some(mirror) = unit.mirror() else { return Ok(self.packaged(graph, on, share).await?.archive) };
        let reference = &unit.reference;
        let pin = unit.pin().ok_or_else(|| PackagingError::Unpinned(reference.clone()))?;
        let mirror = &self.workspace.mirrors[mirror];
        let cleared = match self.clear_within(mirror, pin, &pin.destination, share.clone()).await {
            // It is published in the same run, or by another one that has not come so far.
            Err(ClearError::Registry(
                RegistryError::NotFound { .. } | RegistryError::Denied { credential: false, .. },
            )) => self.clear_within(mirror, pin, &pin.source, share.clone()).await,
            other => other,
        };
        let cleared = cleared
            .map_err(|error| PackagingError::Dependency { reference: reference.clone(), error: Box::new(error) })?;
        Ok(cleared.fetched().archive().to_vec())
    }

    /// The chart that this unit is.
    #[must_use]
    pub fn first_party(&self, unit: &Unit) -> Option<&FirstParty> {
        match unit.origin {
            Origin::Chart(index) => self.workspace.charts.get(index),
            Origin::Mirror(_) => None,
        }
    }

    /// A folder in Git comes from nowhere else, and nobody signed it for a keyring.
    fn terms_of(&self, unit: &Unit) -> Terms {
        Terms {
            source: unit.destination().clone(),
            destination: unit.destination().clone(),
            version: unit.version.clone(),
            keyring: None,
            fingerprints: Vec::new(),
            unsigned: Unsigned::Accept,
            expired: Expired::Accept,
            now: self.now,
        }
    }
}

impl Made {
    fn fetched(self) -> Fetched {
        Fetched::made(self.image, self.config, self.archive, self.share)
    }
}

/// Whether an archive has this content.
async fn equal(ours: Arc<Content>, archive: Bytes) -> Result<(), PackagingError> {
    let compared = work::run(move || {
        let published = Archive::read(&archive).map_err(ChartError::from)?;
        Ok::<_, ContentError>(Content::of(&published)?.difference(&ours))
    });
    match compared.await? {
        Ok(difference) if difference.is_empty() => Ok(()),
        Ok(difference) => Err(PackagingError::Content(difference)),
        Err(error) => Err(PackagingError::Incomparable(Incomparable::Archive(error))),
    }
}

#[cfg(test)]
mod tests;
