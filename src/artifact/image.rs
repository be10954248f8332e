//! Helm's image manifest: one config, one chart archive, at most one provenance, and nothing else.
//!
//! Owns the media types and the closed world around them. Knows no registry and does not look into the blobs.

use bytes::Bytes;

use crate::oci::{Descriptor, Digest, ImageManifest, ManifestError};

/// Helm's config: the JSON of the chart's `Chart.yaml`.
pub const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The chart archive.
pub const ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The chart archive as Helm before 3.7 wrote it; Helm still pulls it.
pub const LEGACY_ARCHIVE: &str = "application/tar+gzip";
/// The provenance of the archive.
pub const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// The annotation in which `helm push` writes when it did.
const CREATED: &str = "org.opencontainers.image.created";

/// The most bytes of a config, as registries cap what they parse.
const CONFIG_LIMIT: u64 = 4 << 20;
/// The most bytes of an archive: what Helm lets it unpack to.
const ARCHIVE_LIMIT: u64 = 100 << 20;
/// The most bytes of a provenance: what its reader takes.
const PROVENANCE_LIMIT: u64 = 1 << 20;

/// The image manifest of a chart, byte for byte and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartImage {
    /// Its digest, computed here from the bytes.
    pub digest: Digest,
    /// The bytes that are published.
    pub bytes: Bytes,
    /// Helm's config blob.
    pub config: Descriptor,
    /// The chart archive.
    pub archive: Descriptor,
    /// The provenance of the archive, if the chart has one.
    pub provenance: Option<Descriptor>,
}

/// Why an image manifest is not a chart's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not an image manifest that two readers understand alike.
    #[error("{0}; chartsync mirrors Helm charts only, as `helm push` writes them")]
    Manifest(#[from] ManifestError),
    /// An image or artifact of another kind.
    #[error("its config is `{0}`, so it is no Helm chart (those have `{CONFIG}`)")]
    OtherKind(String),
    /// Not exactly one chart archive.
    #[error("it has {0} chart archives, a chart has exactly one")]
    Archives(usize),
    /// More than one provenance.
    #[error("it has {0} provenance files, a chart has one at most")]
    Provenances(usize),
    /// A layer of another kind.
    #[error("it has a layer `{0}`, which no chart has")]
    OtherLayer(String),
    /// A blob larger than any chart's.
    #[error("its {0} says it has {1} bytes, more than the {2} that chartsync reads")]
    TooLarge(&'static str, u64, u64),
}

impl ChartImage {
    /// When it was made, as its annotation `org.opencontainers.image.created` says; in Unix seconds, none before 1970.
    #[must_use]
    pub fn created(&self) -> Option<u64> {
        let manifest = ImageManifest::parse(&self.bytes).ok()?;
        let text = manifest.annotations.get(CREATED)?.as_str()?;
        u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok()
    }

    /// Reads the image manifest of a chart.
    pub fn parse(bytes: Bytes) -> Result<Self, ImageError> {
        let manifest = ImageManifest::parse(&bytes)?;
        if manifest.config.media_type != CONFIG {
            return Err(ImageError::OtherKind(manifest.config.media_type));
        }
        let mut archives = Vec::new();
        let mut provenances = Vec::new();
        for layer in manifest.layers {
            match layer.media_type.as_str() {
                ARCHIVE | LEGACY_ARCHIVE => archives.push(layer),
                PROVENANCE => provenances.push(layer),
                _ => return Err(ImageError::OtherLayer(layer.media_type)),
            }
        }
        if provenances.len() > 1 {
            return Err(ImageError::Provenances(provenances.len()));
        }
        let count = archives.len();
        let (1, Some(archive)) = (count, archives.pop()) else {
            return Err(ImageError::Archives(count));
        };
        let image =
            Self { digest: Digest::of(&bytes), config: manifest.config, archive, provenance: provenances.pop(), bytes };
        image.check_sizes()?;
        Ok(image)
    }

    /// The blobs that the image manifest names.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        [&self.config, &self.archive].into_iter().chain(&self.provenance)
    }

    /// The bytes of image manifest and blobs together: what memory a copy takes.
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.bytes.len() as u64 + self.blobs().map(|blob| blob.size).sum::<u64>()
    }

    fn check_sizes(&self) -> Result<(), ImageError> {
        let limits = [
            ("config", Some(&self.config), CONFIG_LIMIT),
            ("archive", Some(&self.archive), ARCHIVE_LIMIT),
            ("provenance", self.provenance.as_ref(), PROVENANCE_LIMIT),
        ];
        for (what, blob, limit) in limits {
            if let Some(blob) = blob
                && blob.size > limit
            {
                return Err(ImageError::TooLarge(what, blob.size, limit));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(config: &str, layers: &[&str]) -> Result<ChartImage, ImageError> {
        let blob = |media_type: &str| {
            format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":1}}"#, Digest::of(media_type.as_bytes()))
        };
        let layers: Vec<_> = layers.iter().map(|layer| blob(layer)).collect();
        let json = format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, blob(config), layers.join(","));
        ChartImage::parse(Bytes::from(json))
    }

    #[test]
    fn layers_are_picked_by_media_type() {
        let image = image(CONFIG, &[PROVENANCE, LEGACY_ARCHIVE]).unwrap();
        assert_eq!(image.archive.media_type, LEGACY_ARCHIVE);
        assert_eq!(image.blobs().count(), 3);
        assert_eq!(image.digest, Digest::of(&image.bytes));
    }

    #[test]
    fn other_kinds_are_refused_by_name() {
        for (config, layers, says) in [
            ("application/vnd.oci.image.config.v1+json", &[ARCHIVE][..], "no Helm chart"),
            (CONFIG, &[], "0 chart archives"),
            (CONFIG, &[ARCHIVE, LEGACY_ARCHIVE], "2 chart archives"),
            (CONFIG, &[ARCHIVE, PROVENANCE, PROVENANCE], "2 provenance files"),
            (CONFIG, &[ARCHIVE, "application/x"], "a layer `application/x`"),
        ] {
            let error = image(config, layers).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let large = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{CONFIG}","digest":"{0}","size":1}},"layers":[{{"mediaType":"{ARCHIVE}","digest":"{0}","size":104857601}}]}}"#,
            Digest::of(b"")
        );
        assert_eq!(
            ChartImage::parse(Bytes::from(large)),
            Err(ImageError::TooLarge("archive", (100 << 20) + 1, 100 << 20))
        );
    }
}
