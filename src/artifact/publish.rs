//! The writes: blobs, image manifest, tag; and reading the name back.
//!
//! Each takes a [`Cleared`] chart. Knows nothing of plans: whether a name may be written is decided before.

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::artifact::clear::Cleared;
use crate::oci::{Digest, IMAGE_MANIFEST, Reference};
use crate::registry::{Registry, RegistryError};

/// Why a published chart is not confirmed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfirmError {
    /// The name could not be read back.
    #[error("{reference} was written but could not be read back: {error}")]
    Unreadable {
        /// What was written.
        reference: Reference,
        /// What went wrong.
        error: RegistryError,
    },
    /// Somebody else wrote the name at the same time, or the registry lies.
    #[error(
        "{reference} was written as {written} but now holds {found}: another writer won the race; find out who writes there"
    )]
    Lost {
        /// What was written.
        reference: Reference,
        /// Our digest.
        written: Digest,
        /// What the name gives.
        found: Digest,
    },
}

/// Has the destination hold the blobs of a chart: mounted where the registry says that it has them, else uploaded.
pub async fn upload(registry: &Registry, cleared: &Cleared) -> Result<(), RegistryError> {
    let (source, repository) = (cleared.source(), &cleared.reference().repository);
    // What an earlier try or another version has put there need not go over the wire again either.
    let from = if source.host() == repository.host() { source } else { repository };
    let one = |(descriptor, bytes): (_, &Bytes)| registry.mount_blob(repository, from, descriptor, bytes.clone());
    try_join_all(cleared.fetched().blobs().map(one)).await.map(|_| ())
}

/// Uploads the blobs of a chart, whatever the registry says that it has: it was told that they are missing.
pub async fn upload_all(registry: &Registry, cleared: &Cleared) -> Result<(), RegistryError> {
    let repository = &cleared.reference().repository;
    let one = |(descriptor, bytes): (_, &Bytes)| registry.push_blob(repository, descriptor, bytes.clone());
    try_join_all(cleared.fetched().blobs().map(one)).await.map(|_| ())
}

/// Puts the image manifest of a chart whose blobs are there under its digest, without a name.
pub async fn copy(registry: &Registry, cleared: &Cleared) -> Result<(), RegistryError> {
    let reference = cleared.reference().repository.at(*cleared.digest());
    let put = || registry.push_manifest(&reference, IMAGE_MANIFEST, cleared.fetched().image.bytes.clone());
    match put().await {
        // A registry may collect a blob between its upload and the image manifest.
        Err(RegistryError::BlobUnknown { .. }) => {
            upload_all(registry, cleared).await?;
            put().await
        }
        other => other,
    }
}

/// Writes the name of a chart whose blobs are there: the only write of a name.
pub async fn name(registry: &Registry, cleared: &Cleared) -> Result<(), RegistryError> {
    let bytes = cleared.fetched().image.bytes.clone();
    registry.push_manifest(cleared.reference(), IMAGE_MANIFEST, bytes).await
}

/// Reads the name back and hashes what it got.
pub async fn confirm(registry: &Registry, cleared: &Cleared) -> Result<(), ConfirmError> {
    let reference = cleared.reference();
    let read = registry.manifest_by_tag(reference).await;
    let (_, bytes) = read.map_err(|error| ConfirmError::Unreadable { reference: reference.clone(), error })?;
    let (written, found) = (*cleared.digest(), Digest::of(&bytes));
    if written == found { Ok(()) } else { Err(ConfirmError::Lost { reference: reference.clone(), written, found }) }
}
