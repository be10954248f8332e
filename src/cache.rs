//! The cache: blobs by digest, facts by key. Deleting it changes nothing but time.
//!
//! Nothing read from it is believed: a blob is hashed against its digest, facts against the checksum before them, and what
//! does not fit is removed. Writing is best effort: a cache that cannot be written never fails a run.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::files::{Readers, write_whole};
use crate::key::StepKey;
use crate::oci::Digest;

/// A folder of blobs and facts, or nothing where there is no place for one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache(Option<PathBuf>);

/// A turn among processes that share a cache: given back when dropped, or when the process ends.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the open file is the lock")] std::fs::File);

impl Cache {
    /// The cache of this user: `$CHARTSYNC_CACHE`, else `$XDG_CACHE_HOME/chartsync`, else `~/.cache/chartsync`.
    #[must_use]
    pub fn of_user() -> Self {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let at = folder("CHARTSYNC_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|base| base.join("chartsync")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/chartsync")));
        Self(at.filter(|at| at.is_absolute()))
    }

    /// A cache in this folder, made when first written.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(Some(folder.to_owned()))
    }

    /// No cache: everything is a miss.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The bytes of this digest, hashed just now.
    pub async fn blob(&self, digest: &Digest) -> Option<Bytes> {
        let path = self.blob_path(digest)?;
        let digest = *digest;
        blocking(move || {
            let bytes = std::fs::read(&path).ok()?;
            if Digest::of(&bytes) == digest {
                return Some(Bytes::from(bytes));
            }
            let _ = std::fs::remove_file(&path);
            None
        })
        .await
    }

    /// Keeps bytes that were hashed to this digest.
    pub async fn keep_blob(&self, digest: &Digest, bytes: &Bytes) {
        let Some(path) = self.blob_path(digest) else { return };
        let bytes = bytes.clone();
        blocking(move || if path.exists() { None } else { write_whole(&path, &[&bytes], Readers::Owner).ok() }).await;
    }

    /// The facts kept under this key.
    pub async fn facts(&self, key: StepKey) -> Option<String> {
        let path = self.facts_path(key)?;
        blocking(move || {
            let text = std::fs::read_to_string(&path).ok()?;
            if let Some((checksum, facts)) = text.split_once('\n')
                && checksum == checksum_of(key, facts)
            {
                return Some(facts.to_owned());
            }
            let _ = std::fs::remove_file(&path);
            None
        })
        .await
    }

    /// Keeps facts under this key.
    pub async fn keep_facts(&self, key: StepKey, facts: String) {
        let Some(path) = self.facts_path(key) else { return };
        blocking(move || {
            let checksum = checksum_of(key, &facts);
            write_whole(&path, &[checksum.as_bytes(), b"\n", facts.as_bytes()], Readers::Owner).ok()
        })
        .await;
    }

    /// A folder for others who look after what they keep there themselves.
    #[must_use]
    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join(name))
    }

    /// Waits until no other process has this turn, and takes it until the value is dropped.
    pub async fn turn(&self, name: &str) -> Option<Turn> {
        let folder = self.folder("turns")?;
        let name = Digest::of(name.as_bytes()).hex();
        blocking(move || {
            std::fs::create_dir_all(&folder).ok()?;
            let file = std::fs::File::create(folder.join(name)).ok()?;
            file.lock().ok()?;
            Some(Turn(file))
        })
        .await
    }

    fn blob_path(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join("blobs/sha256").join(digest.hex()))
    }

    fn facts_path(&self, key: StepKey) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join("facts").join(key.to_string()))
    }
}

/// What stands before facts: it holds for them and under their key only.
fn checksum_of(key: StepKey, facts: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.to_string().as_bytes()).update(facts.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// Runs disk work off the async threads. A panic there is a miss, as any other failure of the cache.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeySink;

    #[tokio::test]
    async fn what_was_damaged_is_a_miss_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let bytes = Bytes::from_static(b"chart");
        let digest = Digest::of(&bytes);
        assert_eq!(cache.blob(&digest).await, None);
        cache.keep_blob(&digest, &bytes).await;
        assert_eq!(cache.blob(&digest).await, Some(bytes));
        let path = cache.blob_path(&digest).unwrap();
        std::fs::write(&path, b"other").unwrap();
        assert_eq!(cache.blob(&digest).await, None);
        assert!(!path.exists());

        let key = KeySink::new("test").finish();
        cache.keep_facts(key, "{}".into()).await;
        assert_eq!(cache.facts(key).await.as_deref(), Some("{}"));
        std::fs::write(cache.facts_path(key).unwrap(), b"torn").unwrap();
        assert_eq!(cache.facts(key).await, None);
    }

    #[tokio::test]
    async fn a_cache_that_cannot_be_written_is_only_a_miss() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::at(file.path());
        let bytes = Bytes::from_static(b"chart");
        cache.keep_blob(&Digest::of(&bytes), &bytes).await;
        assert_eq!(cache.blob(&Digest::of(&bytes)).await, None);
        assert_eq!(Cache(None).blob(&Digest::of(&bytes)).await, None);
    }
}
