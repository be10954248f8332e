//! What is attached in a layout: entries of `index.json` whose image manifests name their subject, as `oras` finds them, and the
//! list under the fallback tag, as it is on a registry.
//!
//! Owns both ways of finding, and writing both at once, under the layout's lock.

use std::sync::PoisonError;

use bytes::Bytes;
use serde_json::Value;

use super::index::Index;
use super::{Folder, Layout};
use crate::oci::{Descriptor, Digest, IMAGE_INDEX, ImageIndex, Repository};
use crate::registry::{Artifact, Attached, ListedBy, Referrers, RegistryError};

impl Layout {
    pub(in crate::registry) async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Referrers, RegistryError> {
        let subject = *subject;
        self.read(repository, move |folder| folder.referrers(&subject)).await
    }

    pub(in crate::registry) async fn fallback_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Referrers, RegistryError> {
        let subject = *subject;
        self.read(repository, move |folder| folder.fallback_index(&subject)).await
    }

    /// The caller has hashed the bytes.
    pub(in crate::registry) async fn attach(
        &self,
        repository: &Repository,
        artifact: &Artifact,
    ) -> Result<Attached, RegistryError> {
        let artifact = artifact.clone();
        self.write(repository, move |folder| folder.attach(&artifact)).await
    }
}

impl Folder {
    fn referrers(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        let Some(index) = self.index()? else { return Ok(Referrers::none(ListedBy::FallbackTag)) };
        let mut referrers = self.by_tag(&index, subject)?;
        for entry in index.entries() {
            let found = entry.map_err(|problem| self.bad_index(&problem));
            let found = found.and_then(|entry| Ok((self.names_subject(&entry.descriptor, subject)?, entry)));
            match found {
                Ok((true, entry)) => drop(referrers.take(&[entry], &self.limits)),
                Ok((false, _)) => {}
                // What cannot be read may be what is looked for.
                Err(error) => referrers.cut = Some(error.to_string()),
            }
        }
        Ok(referrers)
    }

    fn fallback_index(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        match self.index()? {
            Some(index) => self.by_tag(&index, subject),
            None => Ok(Referrers::none(ListedBy::FallbackTag)),
        }
    }

    fn by_tag(&self, index: &Index, subject: &Digest) -> Result<Referrers, RegistryError> {
        let mut referrers = Referrers::none(ListedBy::FallbackTag);
        if let Some(list) = self.list(index, subject)? {
            referrers.take(list.entries(), &self.limits);
        }
        Ok(referrers)
    }

    /// The list under the fallback tag, if there is that tag.
    fn list(&self, index: &Index, subject: &Digest) -> Result<Option<ImageIndex>, RegistryError> {
        let tag = subject.fallback_tag();
        let found = index.tagged(&self.repository, &tag).map_err(|problem| self.bad_index(&problem))?;
        let Some(found) = found else { return Ok(None) };
        let what = self.repository.tagged(tag).to_string();
        let bad = |detail| RegistryError::Protocol { what: what.clone(), detail };
        if !found.media_type.is_empty() && found.media_type != IMAGE_INDEX {
            return Err(bad(format!(
                "the tag should name a list of referrers, but it names something of the media type `{}`",
                found.media_type
            )));
        }
        let bytes = self.manifest(&found.digest, what.clone()).map_err(|error| match error {
            // A tag for what is not there does not say that nothing is attached.
            RegistryError::NotFound { what } => RegistryError::Integrity {
                what,
                detail: format!("the layout names {}, whose file is missing", found.digest),
            },
            error => error,
        })?;
        ImageIndex::parse(&bytes).map(Some).map_err(|problem| bad(format!("the list of referrers {problem}")))
    }

    /// Whether this image manifest is there and is attached to this subject.
    fn names_subject(&self, manifest: &Descriptor, subject: &Digest) -> Result<bool, RegistryError> {
        let known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner).get(&manifest.digest).copied();
        let named = match known {
            Some(named) => named,
            None => match self.manifest(&manifest.digest, self.repository.at(manifest.digest).to_string()) {
                // Nobody can read it, so nobody takes it for attached.
                Err(RegistryError::NotFound { .. }) => return Ok(false),
                bytes => {
                    let named = subject_of(&bytes?);
                    self.subjects.lock().unwrap_or_else(PoisonError::into_inner).insert(manifest.digest, named);
                    named
                }
            },
        };
        Ok(named == Some(*subject) && self.size(&manifest.digest)?.is_some())
    }

    fn attach(&self, artifact: &Artifact) -> Result<Attached, RegistryError> {
        let mut index = self.index()?.unwrap_or_else(Index::new);
        let digest = artifact.descriptor.digest;
        let list = self.list(&index, &artifact.subject)?.unwrap_or_default();
        let list = if list.lists(&digest) { None } else { Some(self.added(artifact, list)?) };
        for (blob, bytes) in &artifact.blobs {
            self.put_content(&blob.digest, bytes)?;
        }
        self.put_content(&digest, &artifact.bytes)?;
        let mut changed = index.put_untagged(&artifact.entry(), &artifact.manifest.annotations);
        if let Some(bytes) = &list {
            let list = Descriptor::of(IMAGE_INDEX, bytes);
            self.put_content(&list.digest, bytes)?;
            changed |= index.put_list(&self.repository, &list, &artifact.subject.fallback_tag());
        }
        if changed {
            self.put_index(&index)?;
        }
        Ok(Attached { digest, indexed: false, writes: u32::from(list.is_some()), list: None })
    }

    fn added(&self, artifact: &Artifact, list: ImageIndex) -> Result<Bytes, RegistryError> {
        artifact.listed_in(list, &self.limits).map_err(|full| RegistryError::Protocol {
            what: self.repository.tagged(artifact.subject.fallback_tag()).to_string(),
            detail: format!("{} cannot be added to the list of referrers: {full}", artifact.descriptor.digest),
        })
    }
}

/// What these bytes are attached to, if they are an image manifest that is attached.
fn subject_of(bytes: &[u8]) -> Option<Digest> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value.get("subject")?.get("digest")?.as_str()?.parse().ok()
}
