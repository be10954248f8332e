//! One pin. Knows nothing of the file that it stands in but its line.

use std::fmt;
use std::str::FromStr;

use crate::chart::Version;
use crate::diagnostic::Location;
use crate::oci::{Digest, Reference, Repository};
use crate::provenance::{Fingerprint, FingerprintError};
use crate::workspace::LOCK_FILE;

/// What a mirrored version is, to the byte, and who signed it.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The chart's name, which is the last part of its destination.
    pub name: String,
    /// The version, as the manifest writes it.
    pub version: Version,
    /// Where the chart comes from.
    pub source: Repository,
    /// Where it is published.
    pub destination: Repository,
    /// The image manifest's digest.
    pub digest: Digest,
    /// The image manifest's size in bytes.
    pub size: u64,
    /// The chart layer's digest.
    pub archive: Digest,
    /// The chart layer's size in bytes.
    pub archive_size: u64,
    /// The provenance layer's digest, where there is one.
    pub provenance: Option<Digest>,
    /// Whose signature was verified.
    pub signer: Signer,
    /// The digest of the keyring that it was verified with.
    pub keyring: Option<Digest>,
    /// Chart.yaml's `appVersion`: upstream text.
    pub app_version: Option<String>,
    /// The line of its `[[chart]]`; 0 for a pin that was just made. Equal pins may differ in it.
    pub line: u32,
}

impl Pin {
    /// Where the chart is published: destination and tag.
    #[must_use]
    pub fn reference(&self) -> Reference {
        self.destination.tagged(self.version.tag())
    }

    /// Where the chart comes from: source and tag.
    #[must_use]
    pub fn source_reference(&self) -> Reference {
        self.source.tagged(self.version.tag())
    }

    /// Its line in the lockfile; none for a pin that was just made.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        (self.line > 0).then(|| Location::at(LOCK_FILE, self.line, 1))
    }

    /// What it is found by and sorted by.
    pub(super) fn key(&self) -> (&Repository, &Version) {
        (&self.destination, &self.version)
    }

    /// The fields in which another pin differs, in the lockfile's order. The line is not one of them.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let fields = self.fields().into_iter().zip(other.fields());
        let differing = fields.filter(|((_, here), (_, there))| here != there);
        differing.map(|((field, here), (_, there))| Difference { field, here, there }).collect()
    }

    /// Every field with its value as text, in the lockfile's order.
    fn fields(&self) -> [(&'static str, String); 12] {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self {
            name,
            version,
            source,
            destination,
            digest,
            size,
            archive,
            archive_size,
            provenance,
            signer,
            keyring,
            app_version,
            line: _,
        } = self;
        let or_none = |digest: &Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        // Quoted, so that no text is taken for an absent one.
        let app_version = app_version.as_ref().map_or_else(|| "none".to_owned(), |version| format!("{version:?}"));
        [
            ("name", name.clone()),
            ("version", version.to_string()),
            ("source", source.to_string()),
            ("destination", destination.to_string()),
            ("digest", digest.to_string()),
            ("size", size.to_string()),
            ("archive", archive.to_string()),
            ("archive-size", archive_size.to_string()),
            ("provenance", or_none(provenance)),
            ("signer", signer.to_string()),
            ("keyring", or_none(keyring)),
            ("app-version", app_version),
        ]
    }
}

/// A field in which two pins differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the lockfile writes it.
    pub field: &'static str,
    /// Its value in the one pin.
    pub here: String,
    /// Its value in the other.
    pub there: String,
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        self.differences(other).is_empty()
    }
}

impl Eq for Pin {}

/// Whose signature on the provenance was verified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// The primary key that the signature leads to; written `pgp:` and its fingerprint.
    Pgp(Fingerprint),
    /// Nothing was verified; written `none`.
    None,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pgp(fingerprint) => write!(f, "pgp:{fingerprint}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// Why a text is not a signer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Neither of the two forms.
    #[error("`{0}` is not a signer (`pgp:` and a fingerprint, or `none`)")]
    Form(String),
    /// No fingerprint behind `pgp:`.
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
}

impl FromStr for Signer {
    type Err = SignerError;

    fn from_str(text: &str) -> Result<Self, SignerError> {
        if text == "none" {
            return Ok(Self::None);
        }
        let hex = text.strip_prefix("pgp:").ok_or_else(|| SignerError::Form(crate::document::quote(text)))?;
        Ok(Self::Pgp(hex.parse()?))
    }
}
