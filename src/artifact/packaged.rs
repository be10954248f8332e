//! First-party charts: packaging a folder, clearing what came of it, and comparing it with what is published.
//!
//! The bytes that are published, or that are at the destination already, go through the very checks that mirrored ones go
//! through, on terms of their own: a folder in Git has no source to ask and no signature to ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::artifact::assemble::assemble;
use crate::artifact::clear::{ClearError, Cleared, Fetched, Refused};
use crate::artifact::clearing::Clearing;
use crate::artifact::image::{ChartImage, ImageError};
use crate::artifact::terms::{Terms, Unsigned};
use crate::cache::Cache;
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

/// A packaged chart and its image: what the folder is as an artifact.
#[derive(Debug, Clone)]
pub struct Packaged {
    /// Archive, config and annotations.
    pub package: Arc<Package>,
    /// The image manifest over them.
    pub image: ChartImage,
}

impl Clearing {
    /// Packages a first-party chart with its dependencies: the pinned bytes of mirrored ones, the folders of first-party ones.
    ///
    /// The graph's order must have been found before: charts that depend on each other never end.
    pub async fn package(&self, graph: &StepGraph, unit: UnitId) -> Result<Packaged, PackagingError> {
        let package = self.packaged(graph, unit).await?;
        let image = assemble(&package).map_err(|error| ClearError::from(Refused::Image(error)))?;
        Ok(Packaged { package: Arc::new(package), image })
    }

    /// Packages a first-party chart and checks what came of it.
    pub async fn clear_packaged(&self, graph: &StepGraph, unit: UnitId) -> Result<Cleared, PackagingError> {
        let Packaged { package, image } = self.package(graph, unit).await?;
        let (config, archive) = (package.config.clone(), package.archive.clone());
        drop(package);
        let fetched = Fetched::made(image, config.into(), archive.into(), self.memory()).await?;
        Ok(Cleared::of_terms(fetched, self.terms_of(graph.unit(unit))).await?)
    }

    /// Fetches what is published as a first-party chart by digest, checks it, and compares it with the folder once more.
    pub async fn clear_published(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        digest: &Digest,
    ) -> Result<Cleared, PackagingError> {
        let Packaged { package, .. } = self.package(graph, unit).await?;
        let place = graph.unit(unit);
        let cleared = Cleared::of_terms(self.fetch(place.destination(), digest).await?, self.terms_of(place)).await?;
        equal(package, cleared.fetched().archive().clone()).await?;
        Ok(cleared)
    }

    /// Compares the folder's package with what the destination has under this digest, read through `cache`.
    ///
    /// Gives the image that the destination has; other content there is an error of its own.
    pub async fn compare(
        &self,
        packaged: &Packaged,
        reference: &Reference,
        digest: &Digest,
        cache: &Cache,
    ) -> Result<ChartImage, PackagingError> {
        let repository = &reference.repository;
        let registry = self.registries.at(repository);
        let bytes = if let Some(bytes) = cache.blob(digest).await {
            bytes
        } else {
            let bytes = registry.manifest(repository, digest).await.map_err(ClearError::from)?;
            cache.keep_blob(digest, &bytes).await;
            bytes
        };
        let image =
            ChartImage::parse(bytes).map_err(|error| PackagingError::Incomparable(Incomparable::Image(error)))?;
        let archive = Fetched::archive_of(&image, &registry, repository, cache, self.memory()).await?;
        equal(Arc::clone(&packaged.package), archive).await?;
        Ok(image)
    }

    /// What is published as a first-party chart, checked from the destination's own bytes and compared with the folder.
    pub async fn audit_published(
        &self,
        graph: &StepGraph,
        unit: UnitId,
        image: Bytes,
    ) -> Result<Cleared, PackagingError> {
        let Packaged { package, .. } = self.package(graph, unit).await?;
        let place = graph.unit(unit);
        let from = place.destination();
        let image =
            ChartImage::parse(image).map_err(|error| PackagingError::Incomparable(Incomparable::Image(error)))?;
        let registry = self.registries.at(from);
        let fetched = Fetched::blobs_of(image, &registry, from, &Cache::none(), self.memory()).await?;
        equal(package, fetched.archive().clone()).await?;
        Ok(Cleared::of_terms(fetched, self.terms_of(place)).await?)
    }

    fn packaged<'a>(&'a self, graph: &'a StepGraph, unit: UnitId) -> BoxFuture<'a, Result<Package, PackagingError>> {
        Box::pin(async move {
            let mut archives = BTreeMap::new();
            for (name, on) in graph.ingredients(unit).into_iter().flatten() {
                archives.insert(name.clone(), self.archive_of(graph, *on).await?);
            }
            let source = self.first_party(graph.unit(unit)).map(|chart| chart.source.clone());
            let source = source.ok_or(work::Panicked)?;
            work::run(move || source.package(&archives)).await?.map_err(PackagingError::Package)
        })
    }

    /// The archive that stands for a dependency.
    async fn archive_of(&self, graph: &StepGraph, on: UnitId) -> Result<Vec<u8>, PackagingError> {
        let unit = graph.unit(on);
        let Some(mirror) = unit.mirror() else { return Ok(self.packaged(graph, on).await?.archive) };
        let reference = &unit.reference;
        let pin = unit.pin().ok_or_else(|| PackagingError::Unpinned(reference.clone()))?;
        let mirror = &self.workspace.mirrors[mirror];
        let cleared = match self.clear(mirror, pin, &pin.destination).await {
            // It is published in the same run, or by another one that has not come so far.
            Err(ClearError::Registry(
                RegistryError::NotFound { .. } | RegistryError::Denied { credential: false, .. },
            )) => self.clear(mirror, pin, &pin.source).await,
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

/// Whether an archive has the content of this package.
async fn equal(package: Arc<Package>, archive: Bytes) -> Result<(), PackagingError> {
    let compared = work::run(move || {
        let published = Archive::read(&archive).map_err(ChartError::from)?;
        let ours = Content::of(&package.chart.archive)?;
        Ok::<_, ContentError>(Content::of(&published)?.difference(&ours))
    });
    match compared.await? {
        Ok(difference) if difference.is_empty() => Ok(()),
        Ok(difference) => Err(PackagingError::Content(difference)),
        Err(error) => Err(PackagingError::Incomparable(Incomparable::Archive(error))),
    }
}
