//! What is attached to an image manifest, and what is to be: the shapes that remote registries and layouts share.
//!
//! Owns how a list is cut to its limits and how an entry is merged into the one under the fallback tag. Knows no requests, no
//! files, and not what artifacts mean.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::http::Limits;
use crate::oci::{
    ArtifactManifest, Descriptor, Digest, EMPTY_CONFIG, EMPTY_CONFIG_BYTES, IMAGE_MANIFEST, ImageIndex, IndexEntry,
    ManifestError,
};

/// One entry of a list of referrers: said by the registry, so it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The image manifest that is attached.
    pub descriptor: Descriptor,
    /// What it is, where the list tells: registries and tools leave it out or get it wrong.
    pub artifact_type: Option<String>,
}

/// Which list it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedBy {
    /// The registry's own, by its referrers API.
    Api,
    /// The image index under the tag `sha256-<hex>`; for layouts `index.json` as well.
    FallbackTag,
}

/// What is attached to one image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The entries in the list's order, each digest once.
    pub listed: Vec<Referrer>,
    /// Which list it was.
    pub by: ListedBy,
    /// Why there may be more than is listed, if so: then what is not listed is not known to be absent.
    pub cut: Option<String>,
}

/// An artifact to attach: one layer, the empty config, and an image manifest that names its subject.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub(super) manifest: ArtifactManifest,
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Bytes,
    pub(super) subject: Digest,
    /// The layer, then the config.
    pub(super) blobs: [(Descriptor, Bytes); 2],
}

/// What attaching did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The artifact's image manifest.
    pub digest: Digest,
    /// Whether the registry said that its referrers API lists it now (`OCI-Subject`).
    pub indexed: bool,
    /// How often the list under the fallback tag was written: not at all if it had the entry, more than once if others wrote it
    /// at the same time.
    pub writes: u32,
    /// That list, read back: what consumers see of a registry without the API. None of layouts, which are read in no time.
    pub list: Option<Referrers>,
}

impl Artifact {
    /// An artifact whose one layer is of the media type `layer_type`; the same arguments give the same bytes.
    #[must_use]
    pub fn new(
        subject: Descriptor,
        artifact_type: &str,
        layer_type: &str,
        layer: Bytes,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let config = Descriptor::of(EMPTY_CONFIG, EMPTY_CONFIG_BYTES);
        let described = Descriptor::of(layer_type, &layer);
        let digest = subject.digest;
        let manifest = ArtifactManifest {
            artifact_type: artifact_type.to_owned(),
            config: config.clone(),
            layers: vec![described.clone()],
            subject: Some(subject),
            annotations,
        };
        let bytes = Bytes::from(manifest.to_bytes());
        Self {
            descriptor: Descriptor::of(IMAGE_MANIFEST, &bytes),
            manifest,
            bytes,
            subject: digest,
            blobs: [(described, layer), (config, Bytes::from_static(EMPTY_CONFIG_BYTES))],
        }
    }

    /// An artifact that was attached before, from its image manifest and its one layer, byte for byte.
    pub fn read(bytes: Bytes, layer: Bytes) -> Result<Self, ManifestError> {
        let problem =
            |field: &str, problem: &str| ManifestError::Field { field: field.into(), problem: problem.into() };
        let manifest = ArtifactManifest::parse(&bytes)?;
        let config = Descriptor::of(EMPTY_CONFIG, EMPTY_CONFIG_BYTES);
        if manifest.config.digest != config.digest {
            return Err(problem("config", "is not the empty one"));
        }
        let [described] = &manifest.layers[..] else { return Err(problem("layers", "is not one layer")) };
        if described.digest != Digest::of(&layer) {
            return Err(problem("layers", "does not name these bytes"));
        }
        let Some(subject) = &manifest.subject else { return Err(problem("subject", "is missing")) };
        Ok(Self {
            descriptor: Descriptor::of(IMAGE_MANIFEST, &bytes),
            subject: subject.digest,
            blobs: [(described.clone(), layer), (config, Bytes::from_static(EMPTY_CONFIG_BYTES))],
            manifest,
            bytes,
        })
    }

    /// Its one layer.
    #[must_use]
    pub fn layer(&self) -> (&Descriptor, &Bytes) {
        (&self.blobs[0].0, &self.blobs[0].1)
    }

    /// Its image manifest's descriptor.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its image manifest's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn entry(&self) -> IndexEntry {
        let artifact_type = Some(self.manifest.artifact_type.clone());
        IndexEntry { descriptor: self.descriptor.clone(), artifact_type }
    }

    /// The index with this artifact's entry as bytes; the error says what is full.
    pub(super) fn listed_in(&self, mut index: ImageIndex, limits: &Limits) -> Result<Bytes, String> {
        if index.entries().len() >= limits.referrers {
            return Err(format!(
                "it lists {} already, and more than {} are not read: remove what nobody needs there",
                index.entries().len(),
                limits.referrers
            ));
        }
        index.add(self.entry(), &self.manifest.annotations);
        let bytes = index.to_bytes();
        if bytes.len() as u64 > limits.manifest {
            return Err(format!("it would have more than {} bytes: remove what nobody needs there", limits.manifest));
        }
        Ok(bytes.into())
    }
}

impl Referrers {
    /// A list without entries.
    pub(super) fn none(by: ListedBy) -> Self {
        Self { listed: Vec::new(), by, cut: None }
    }

    /// Takes entries over, each digest once, until there are too many; how many were new.
    pub(super) fn take(&mut self, entries: &[IndexEntry], limits: &Limits) -> usize {
        let before = self.listed.len();
        for IndexEntry { descriptor, artifact_type } in entries {
            if self.listed.iter().any(|known| known.descriptor.digest == descriptor.digest) {
                continue;
            }
            if self.listed.len() >= limits.referrers {
                self.cut = Some(format!("more than {} are listed", limits.referrers));
                break;
            }
            self.listed.push(Referrer { descriptor: descriptor.clone(), artifact_type: artifact_type.clone() });
        }
        self.listed.len() - before
    }
}
