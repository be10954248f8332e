//! A registry that is a folder: one OCI image layout per repository, as `oras` and `crane` read and write them.
//!
//! Owns the files, the lock and the order of writes. Knows no network. Files come in by rename and are synced first, so
//! that a reader, or a crash, never meets half of one; links may not lead out of the workspace's folder of layouts.

mod index;
mod referrers;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::index::Index;
use super::{Observation, RegistryError};
use crate::http::Limits;
use crate::oci::{Descriptor, Digest, Reference, Repository, Tag, Target};
use crate::settings::RootPath;

/// Our lock in a layout; other tools overlook it.
const LOCK: &str = ".chartsync.lock";
/// The one temporary file of a layout: written under the lock, so that what a crash leaves is written over.
const TEMPORARY: &str = ".chartsync.tmp";
const MARKER: &str = "oci-layout";
const MARKER_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A folder of layouts that stands for one registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Layout(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    base: PathBuf,
    limits: Limits,
    permits: Semaphore,
    subjects: Arc<Subjects>,
}

/// What each image manifest that was read is attached to: its digest says so for good.
type Subjects = Mutex<HashMap<Digest, Option<Digest>>>;

impl Layout {
    /// The folder `folder` below the workspace's root, made when first written.
    pub(super) fn new(root: &Path, folder: &RootPath, concurrency: usize, limits: Limits) -> Self {
        let permits = Semaphore::new(concurrency);
        let (root, base, subjects) = (root.to_owned(), folder.below(root), Arc::default());
        Self(Arc::new(Inner { root, base, limits, permits, subjects }))
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) async fn resolve(&self, reference: &Reference) -> Result<Observation, RegistryError> {
        let reference = reference.clone();
        self.read(&reference.repository.clone(), move |folder| folder.resolve(&reference)).await
    }

    pub(super) async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Bytes, RegistryError> {
        let digest = *digest;
        self.read(repository, move |folder| {
            let what = folder.repository.at(digest).to_string();
            folder.manifest(&digest, what)
        })
        .await
    }

    pub(super) async fn manifest_by_tag(&self, reference: &Reference) -> Result<(String, Bytes), RegistryError> {
        let reference = reference.clone();
        self.read(&reference.repository.clone(), move |folder| {
            let found = folder.resolve(&reference)?;
            let bytes = folder.manifest(&found.digest, reference.to_string())?;
            Ok((found.media_type.unwrap_or_default(), bytes))
        })
        .await
    }

    pub(super) async fn blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Bytes, RegistryError> {
        let blob = blob.clone();
        self.read(repository, move |folder| {
            let what = folder.blob_name(&blob.digest);
            let bytes = folder.content(&blob.digest, blob.size, &what)?;
            folder.check(&blob, &bytes, what).map(|()| bytes)
        })
        .await
    }

    pub(super) async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        self.read(repository, |folder| {
            let missing = || RegistryError::NotFound { what: folder.repository.to_string() };
            Ok(folder.index()?.ok_or_else(missing)?.tags(&folder.repository))
        })
        .await
    }

    /// The caller has hashed the bytes.
    pub(super) async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        let digest = blob.digest;
        self.write(repository, move |folder| folder.put_content(&digest, &bytes)).await
    }

    pub(super) async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        let manifest = Descriptor::of(media_type, &bytes);
        let reference = reference.clone();
        self.write(&reference.repository.clone(), move |folder| folder.put_manifest(&reference, &manifest, &bytes))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        repository: &Repository,
        work: impl FnOnce(&Folder) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let _permit = self.0.permits.acquire().await;
        let folder = self.folder(repository);
        blocking(move || work(&folder)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        repository: &Repository,
        work: impl FnOnce(&Folder) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let _permit = self.0.permits.acquire().await;
        let folder = self.folder(repository);
        let (lock, folder) = blocking(move || Ok((folder.open_for_writing()?, folder))).await?;
        self.lock(&lock, &folder).await?;
        // Dropping this future does not stop the write; the lock goes with the work.
        blocking(move || {
            let done = work(&folder);
            drop(lock);
            done
        })
        .await
    }

    /// Waits for other tasks and processes that write here, without holding a thread.
    async fn lock(&self, lock: &File, folder: &Folder) -> Result<(), RegistryError> {
        let end = Instant::now() + self.0.limits.lock;
        let mut pause = Duration::from_millis(1);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < end => tokio::time::sleep(pause).await,
                Err(fs::TryLockError::WouldBlock) => {
                    let detail = "another process holds this lock for too long: let it end, then run again".into();
                    return Err(RegistryError::Layout { path: text(&folder.path.join(LOCK)), detail });
                }
                Err(fs::TryLockError::Error(error)) => return Err(failed(&folder.path.join(LOCK), &error)),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn folder(&self, repository: &Repository) -> Folder {
        let path = self.0.base.join(repository.path());
        let Inner { root, base, limits, subjects, .. } = &*self.0;
        let (root, base, limits, subjects) = (root.clone(), base.clone(), limits.clone(), Arc::clone(subjects));
        Folder { root, base, path, repository: repository.clone(), limits, subjects }
    }
}

/// One repository's layout, used from threads that may block.
struct Folder {
    root: PathBuf,
    base: PathBuf,
    path: PathBuf,
    repository: Repository,
    limits: Limits,
    subjects: Arc<Subjects>,
}

impl Folder {
    fn resolve(&self, reference: &Reference) -> Result<Observation, RegistryError> {
        let missing = || RegistryError::NotFound { what: reference.to_string() };
        let index = self.index()?.ok_or_else(missing)?;
        let found = match &reference.target {
            Target::Tag(tag) => {
                index.tagged(&self.repository, tag).map_err(|problem| self.bad_index(&problem))?.ok_or_else(missing)?
            }
            Target::Digest(digest) => match index.with_digest(digest) {
                Some(found) => found,
                None => self.unnamed(digest)?.ok_or_else(missing)?,
            },
        };
        // A name for content that is not there must not look published.
        let size = self.size(&found.digest)?;
        if size != Some(found.size) {
            let has =
                size.map_or("is missing".to_owned(), |size| format!("has {size} bytes instead of {}", found.size));
            let detail = format!("the layout names {}, whose file {has}", found.digest);
            return Err(RegistryError::Integrity { what: reference.to_string(), detail });
        }
        let media_type = Some(found.media_type).filter(|text| !text.is_empty());
        Ok(Observation { digest: found.digest, media_type, size })
    }

    /// An image manifest that the index does not name itself, such as one that an image index of it names.
    fn unnamed(&self, digest: &Digest) -> Result<Option<Descriptor>, RegistryError> {
        let what = self.repository.at(*digest).to_string();
        match self.size(digest)? {
            Some(size) if size <= self.limits.manifest => {}
            _ => return Ok(None),
        }
        let bytes = self.content(digest, self.limits.manifest, &what)?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        let media_type = value.as_ref().and_then(|value| value.get("mediaType")?.as_str());
        Ok(value.as_ref().and_then(|value| value.get("schemaVersion")).map(|_| Descriptor {
            media_type: media_type.unwrap_or_default().to_owned(),
            digest: *digest,
            size: bytes.len() as u64,
        }))
    }

    /// The index, or nothing where there is no layout.
    fn index(&self) -> Result<Option<Index>, RegistryError> {
        let path = self.path.join("index.json");
        let marker = self.read_file(&self.path.join(MARKER), 4096)?;
        let Some(bytes) = self.read_file(&path, self.limits.index)? else { return Ok(None) };
        let version = marker.and_then(|marker| serde_json::from_slice::<Value>(&marker).ok());
        if version.as_ref().and_then(|version| version.get("imageLayoutVersion")?.as_str()) != Some("1.0.0") {
            let detail = "`oci-layout` does not say `\"imageLayoutVersion\": \"1.0.0\"`: it is not an OCI layout";
            return Err(RegistryError::Layout { path: text(&self.path), detail: detail.into() });
        }
        Index::parse(&bytes).map(Some).map_err(|problem| self.bad_index(&problem))
    }

    fn bad_index(&self, problem: &str) -> RegistryError {
        let detail = format!("the layout's `index.json` {problem}");
        RegistryError::Layout { path: text(&self.path), detail: detail.chars().take(300).collect() }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.hex())
    }

    fn blob_name(&self, digest: &Digest) -> String {
        format!("blob {digest} of {}", self.repository)
    }

    /// The content under this digest, at most one byte over the limit, not yet hashed.
    fn content(&self, digest: &Digest, limit: u64, what: &str) -> Result<Bytes, RegistryError> {
        let path = self.blob_path(digest);
        let Some(file) = self.open(&path)? else { return Err(RegistryError::NotFound { what: what.to_owned() }) };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(&path, &error))?;
        Ok(bytes.into())
    }

    fn manifest(&self, digest: &Digest, what: String) -> Result<Bytes, RegistryError> {
        let limit = self.limits.manifest;
        let bytes = self.content(digest, limit, &what)?;
        let size = bytes.len() as u64;
        if size > limit {
            let detail = format!("the image manifest is over the limit of {limit} bytes");
            return Err(RegistryError::Protocol { what, detail });
        }
        let expected = Descriptor { media_type: String::new(), digest: *digest, size };
        self.check(&expected, &bytes, what).map(|()| bytes)
    }

    fn check(&self, expected: &Descriptor, bytes: &Bytes, what: String) -> Result<(), RegistryError> {
        super::check(expected, bytes).map_err(|problem| {
            let detail = format!("the file {} is damaged: {problem}", text(&self.blob_path(&expected.digest)));
            RegistryError::Integrity { what, detail }
        })
    }

    fn size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let path = self.blob_path(digest);
        let Some(file) = self.open(&path)? else { return Ok(None) };
        Ok(Some(file.metadata().map_err(|error| failed(&path, &error))?.len()))
    }

    fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
        if bytes.len() as u64 > limit {
            let detail = format!("is over the limit of {limit} bytes");
            return Err(RegistryError::Layout { path: text(path), detail });
        }
        Ok(Some(bytes))
    }

    /// Opens a plain file that lies in the folder of layouts, links followed.
    fn open(&self, path: &Path) -> Result<Option<File>, RegistryError> {
        let Some(real) = existing(fs::canonicalize(path), path)? else { return Ok(None) };
        self.inside(path, &real)?;
        if !fs::metadata(&real).map_err(|error| failed(path, &error))?.is_file() {
            return Err(RegistryError::Layout { path: text(path), detail: "is not a file".into() });
        }
        existing(File::open(&real), path)
    }

    /// Refuses what a link led out of the folder of layouts, or that folder out of the workspace.
    fn inside(&self, path: &Path, real: &Path) -> Result<(), RegistryError> {
        let root = fs::canonicalize(&self.root).map_err(|error| failed(&self.root, &error))?;
        let base = existing(fs::canonicalize(&self.base), &self.base)?.unwrap_or_else(|| root.clone());
        if base.starts_with(&root) && real.starts_with(&base) {
            return Ok(());
        }
        let detail = format!("a link leads out of the folder of layouts, to {}", text(real));
        Err(RegistryError::Layout { path: text(path), detail })
    }

    /// Makes the layout's folders and opens its lock file.
    fn open_for_writing(&self) -> Result<File, RegistryError> {
        let blobs = self.path.join("blobs/sha256");
        // What exists of the path is checked before anything is made below it, and the whole path after.
        let there = blobs.ancestors().find(|part| fs::symlink_metadata(part).is_ok()).unwrap_or(&self.root);
        let real = fs::canonicalize(there).map_err(|error| failed(there, &error))?;
        let root = fs::canonicalize(&self.root).map_err(|error| failed(&self.root, &error))?;
        if !real.starts_with(&root) {
            self.inside(there, &real)?;
        }
        fs::create_dir_all(&blobs).map_err(|error| failed(&blobs, &error))?;
        self.inside(&blobs, &fs::canonicalize(&blobs).map_err(|error| failed(&blobs, &error))?)?;
        let path = self.path.join(LOCK);
        File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| failed(&path, &error))
    }

    fn put_content(&self, digest: &Digest, bytes: &[u8]) -> Result<(), RegistryError> {
        let path = self.blob_path(digest);
        // What is there may be what a crash or another tool left: only equal bytes are left alone.
        if self.size(digest)? == Some(bytes.len() as u64)
            && fs::read(&path).map_err(|error| failed(&path, &error))? == bytes
        {
            return Ok(());
        }
        self.put_file(&path, bytes)
    }

    fn put_manifest(&self, reference: &Reference, manifest: &Descriptor, bytes: &[u8]) -> Result<(), RegistryError> {
        let mut index = self.index()?.unwrap_or_else(Index::new);
        if let Some(lacking) = blobs_of(bytes).find(|digest| !matches!(self.size(digest), Ok(Some(_)))) {
            let detail = format!("{lacking} is not in {}", text(&self.path));
            return Err(RegistryError::BlobUnknown { what: reference.to_string(), detail });
        }
        self.put_content(&manifest.digest, bytes)?;
        let tag = match &reference.target {
            Target::Tag(tag) => Some(tag),
            Target::Digest(_) => None,
        };
        if index.put(&self.repository, manifest, tag) { self.put_index(&index) } else { Ok(()) }
    }

    /// Names what was put, once all of it is on the disk.
    fn put_index(&self, index: &Index) -> Result<(), RegistryError> {
        let blobs = self.path.join("blobs/sha256");
        File::open(&blobs).and_then(|folder| folder.sync_all()).map_err(|error| failed(&blobs, &error))?;
        if self.read_file(&self.path.join(MARKER), 4096)?.is_none() {
            self.put_file(&self.path.join(MARKER), MARKER_BYTES)?;
        }
        self.put_file(&self.path.join("index.json"), &index.render())?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|error| failed(&self.path, &error))
    }

    /// Writes a file whole, or leaves what was there.
    fn put_file(&self, path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
        let temporary = self.path.join(TEMPORARY);
        let written = (|| {
            // A link left under this name must not be written through.
            let _ = fs::remove_file(&temporary);
            let mut file = File::options().write(true).create_new(true).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            failed(path, &error)
        })
    }
}

/// The blobs that an image manifest needs, as far as it can be read; an image index needs none here.
fn blobs_of(manifest: &[u8]) -> impl Iterator<Item = Digest> + use<> {
    let value: Value = serde_json::from_slice(manifest).unwrap_or_default();
    let layers = value.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
    let parts: Vec<Value> = value.get("config").cloned().into_iter().chain(layers).collect();
    parts.into_iter().filter_map(|part| part.get("digest")?.as_str()?.parse().ok())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    let ended = |error: tokio::task::JoinError| RegistryError::Layout {
        path: "layout".into(),
        detail: format!("a defect in chartsync: {error}"),
    };
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

/// Nothing where the file is not there.
fn existing<T>(result: std::io::Result<T>, path: &Path) -> Result<Option<T>, RegistryError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> RegistryError {
    let detail = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{error}: the file was not changed; make room and run again")
        }
        _ => error.to_string(),
    };
    RegistryError::Layout { path: text(path), detail }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
