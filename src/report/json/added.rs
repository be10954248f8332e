//! What `add` did, as JSON.

use serde::Serialize;

use super::parts::WireLocation;
use super::resolution::WireResolution;
use crate::report::Added;
use crate::report::human::Put;
use crate::workspace::{Edit, LOCK_FILE};

#[derive(Serialize)]
struct WireAdded {
    versions: Vec<WirePut>,
    /// The manifests that have another text now.
    manifests: Vec<String>,
    /// What `lock` says of these versions.
    lock: WireResolution,
    /// `null` when nothing was written.
    next: Option<String>,
}

#[derive(Serialize)]
struct WirePut {
    name: String,
    version: String,
    /// `added`, or `declared` when it stood there before.
    edit: &'static str,
    /// In the manifest as it is, or would be, after the edit.
    location: WireLocation,
    /// `null` without a pin.
    digest: Option<String>,
}

impl From<&Put> for WirePut {
    fn from(put: &Put) -> Self {
        let (edit, location) = match &put.edit {
            Edit::Added { location, .. } => ("added", location),
            Edit::Declared { location, .. } => ("declared", location),
        };
        Self {
            name: put.name.clone(),
            version: put.version.to_string(),
            edit,
            location: location.into(),
            digest: put.digest.map(|digest| digest.to_string()),
        }
    }
}

/// What `add` did as JSON.
#[must_use]
pub fn added(added: &Added<'_>) -> String {
    let wire = WireAdded {
        versions: added.versions.iter().map(Into::into).collect(),
        manifests: added.manifests.clone(),
        lock: WireResolution::of(added.resolution, added.locked.iter().any(|file| file == LOCK_FILE)),
        next: Some(added.next.clone()).filter(|next| !next.is_empty()),
    };
    super::text("add", wire)
}
