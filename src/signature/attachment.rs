//! A bundle as it hangs on a chart: the artifact that registries list as its referrer.
//!
//! Owns what that artifact says of itself, which is what cosign writes. Knows nothing of what the bundle says.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::oci::{ArtifactManifest, Descriptor, Digest, EMPTY_CONFIG};
use crate::registry::Artifact;
use crate::signature::statement::PREDICATE_TYPE;
use crate::signature::{Part, Rejected};

/// Media type of a bundle, as blob and as kind of artifact.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What the media types of bundles begin with, whatever their version.
const ANY_BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Attaches a bundle to a chart's image manifest; `created` is RFC 3339.
pub(super) fn attachment(bundle: Bytes, subject: Descriptor, created: String) -> Artifact {
    let annotations = [
        ("org.opencontainers.image.created", created),
        ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
        ("dev.sigstore.bundle.predicateType", PREDICATE_TYPE.to_owned()),
    ];
    let annotations: BTreeMap<_, _> = annotations.map(|(name, value)| (name.to_owned(), value)).into();
    Artifact::new(subject, BUNDLE, BUNDLE, bundle, annotations)
}

/// Reads what an image manifest attaches to this subject: exactly one bundle.
pub(super) fn bundle_of(image: &[u8], subject: &Digest) -> Result<Descriptor, Rejected> {
    let manifest = ArtifactManifest::parse(image).map_err(|error| Rejected::new(Part::ImageManifest, error))?;
    let [bundle] = &manifest.layers[..] else {
        let detail = format!("{} layers instead of one bundle", manifest.layers.len());
        return Err(Rejected::new(Part::ImageManifest, detail));
    };
    if !bundle.media_type.starts_with(ANY_BUNDLE) {
        return Err(Rejected::new(Part::ImageManifest, format!("`{}` is no bundle", bundle.media_type)));
    }
    match &manifest.subject {
        Some(found) if found.digest == *subject => Ok(bundle.clone()),
        Some(found) => Err(Rejected::new(Part::Subject, format!("it is attached to {}", found.digest))),
        None => Err(Rejected::new(Part::Subject, "it is attached to nothing")),
    }
}

/// Whether something listed may be a bundle: what says that it is something else need not be fetched.
pub(super) fn may_be_bundle(artifact_type: Option<&str>) -> bool {
    // Indexes written without the field say nothing, and some tools repeat the config's media type there.
    artifact_type.is_none_or(|name| name.is_empty() || name == EMPTY_CONFIG || name.starts_with(ANY_BUNDLE))
}
