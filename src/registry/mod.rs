//! Where artifacts live: registries over HTTP and folders of layouts, behind one set of functions.
//!
//! Owns the requests of the distribution specification and the files of a layout. Hashes what it hands out against the digest
//! that was asked for. Knows nothing of charts, pins or plans.

mod error;
mod layout;
mod referrers;
mod remote;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

pub use self::error::RegistryError;
pub use self::layout::Layout;
pub use self::referrers::{Artifact, Attached, ListedBy, Referrer, Referrers};
pub use self::remote::Remote;
#[cfg(any(test, fuzzing))]
pub(crate) use self::remote::next_target;
use crate::http::{Client, Credentials, Host, Limits, Requests, Way};
use crate::oci::{Descriptor, Digest, Reference, Repository, Tag, Target};
use crate::settings::{Access, RegistrySettings};
use crate::work;

/// What a name was seen to stand for. Said by the registry, so it proves nothing: bytes are hashed before they count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The digest that the registry gave.
    pub digest: Digest,
    /// The media type, where it was told.
    pub media_type: Option<String>,
    /// The size in bytes, where it was told.
    pub size: Option<u64>,
}

/// All registries of one run. Each is opened once, when first asked for; cloning is cheap.
#[derive(Debug, Clone)]
pub struct Registries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    settings: BTreeMap<String, RegistrySettings>,
    limits: Limits,
    /// How many runs share what a host takes at once.
    sharers: NonZeroUsize,
    credentials: Credentials,
    client: Client,
    opened: Mutex<BTreeMap<String, Registry>>,
}

impl Registries {
    /// The registries as the settings describe them; hosts that they do not name are reached over TLS.
    ///
    /// `root` is the workspace's: layouts are folders below it. Nothing is contacted yet.
    pub fn new(root: &Path, settings: &BTreeMap<String, RegistrySettings>) -> Result<Self, RegistryError> {
        Self::with(root, settings, Credentials::of_user(), Limits::default())
    }

    /// The same for one of several runs at once, each of which asks a host for its share only, and for one thing at least.
    #[must_use]
    pub fn shared_by(self, sharers: NonZeroUsize) -> Self {
        let Inner { root, settings, limits, credentials, client, .. } = &*self.0;
        let (root, settings, limits) = (root.clone(), settings.clone(), limits.clone());
        let (credentials, client, opened) = (credentials.clone(), client.clone(), Mutex::default());
        Self(Arc::new(Inner { root, settings, limits, sharers, credentials, client, opened }))
    }

    /// The same, with other credentials, time-outs and caps than the user's and the usual ones.
    pub fn with(
        root: &Path,
        settings: &BTreeMap<String, RegistrySettings>,
        credentials: Credentials,
        limits: Limits,
    ) -> Result<Self, RegistryError> {
        let client = Client::new(limits.clone());
        let (root, settings, opened) = (root.to_owned(), settings.clone(), Mutex::default());
        let sharers = NonZeroUsize::MIN;
        Ok(Self(Arc::new(Inner { root, settings, limits, sharers, credentials, client, opened })))
    }

    /// The registry that holds this repository.
    #[must_use]
    pub fn at(&self, repository: &Repository) -> Registry {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = opened.get(repository.host()) {
            return registry.clone();
        }
        let registry = self.0.open(repository.host());
        opened.insert(repository.host().to_owned(), registry.clone());
        registry
    }

    /// How many requests at most are sent at once to the registry that holds this repository.
    #[must_use]
    pub fn at_once(&self, repository: &Repository) -> usize {
        self.0.at_once(repository.host())
    }

    /// How many requests went where so far, sorted; layouts need none.
    #[must_use]
    pub fn requests(&self) -> Vec<Requests> {
        self.0.client.requests()
    }
}

impl Inner {
    fn at_once(&self, host: &str) -> usize {
        let set = self.settings.get(host).and_then(|settings| settings.concurrency);
        set.unwrap_or(self.limits.concurrency).get().div_ceil(self.sharers.get())
    }

    fn open(&self, host: &str) -> Registry {
        let settings = self.settings.get(host).cloned().unwrap_or_default();
        let concurrency = self.at_once(host);
        let plain = match &settings.access {
            Access::Layout(folder) => {
                return Registry::Layout(Layout::new(&self.root, folder, concurrency, self.limits.clone()));
            }
            Access::Https => false,
            Access::PlainHttp => true,
        };
        let way = Way { plain, concurrency, token_realm: settings.token_realm.as_ref() };
        let host = Host::new(host, &way, self.client.clone(), self.credentials.clone(), self.limits.clone());
        Registry::Remote(Remote::new(Arc::new(host), self.limits.clone()))
    }
}

/// One registry. Cloning is cheap.
#[derive(Debug, Clone)]
pub enum Registry {
    /// A server that speaks the distribution specification.
    Remote(Remote),
    /// A folder of OCI image layouts.
    Layout(Layout),
}

impl Registry {
    /// The same registry, whose every request asks for the right to push: one token then serves a destination, read or written.
    #[must_use]
    pub fn for_push(&self) -> Self {
        match self {
            Self::Remote(remote) => Self::Remote(remote.clone().for_push()),
            Self::Layout(layout) => Self::Layout(layout.clone()),
        }
    }

    /// Whether a credential is configured for it. A layout needs none.
    pub async fn has_credential(&self) -> bool {
        match self {
            Self::Remote(remote) => remote.has_credential().await,
            Self::Layout(_) => false,
        }
    }

    /// What a reference stands for now, without its bytes.
    pub async fn resolve(&self, reference: &Reference) -> Result<Observation, RegistryError> {
        match self {
            Self::Remote(remote) => remote.resolve(reference).await,
            Self::Layout(layout) => layout.resolve(reference).await,
        }
    }

    /// The image manifest of this digest: at most 4 MiB, hashed.
    pub async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Bytes, RegistryError> {
        match self {
            Self::Remote(remote) => remote.manifest(repository, digest).await,
            Self::Layout(layout) => layout.manifest(repository, digest).await,
        }
    }

    /// The media type (empty if it was not told) and the bytes behind a reference: at most 4 MiB, for the caller to hash.
    pub async fn manifest_by_tag(&self, reference: &Reference) -> Result<(String, Bytes), RegistryError> {
        match self {
            Self::Remote(remote) => remote.manifest_by_tag(reference).await,
            Self::Layout(layout) => layout.manifest_by_tag(reference).await,
        }
    }

    /// The blob of this descriptor: exactly its size, hashed.
    pub async fn blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Bytes, RegistryError> {
        if blob.size > self.limits().blob {
            let what = format!("blob {} of {repository}", blob.digest);
            let detail = format!("its {} bytes are over the limit of {}", blob.size, self.limits().blob);
            return Err(RegistryError::Protocol { what, detail });
        }
        match self {
            Self::Remote(remote) => remote.blob(repository, blob).await,
            Self::Layout(layout) => layout.blob(repository, blob).await,
        }
    }

    /// Uploads a blob, whose bytes must fit the descriptor. One that is there already is no error.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        check_blob(repository, blob, &bytes).await?;
        match self {
            Self::Remote(remote) => remote.put_blob(repository, None, blob, bytes).await,
            Self::Layout(layout) => layout.push_blob(repository, blob, bytes).await,
        }
    }

    /// Has the registry take a blob from `from`, a repository of its own and perhaps this very one; uploads it if it does not.
    ///
    /// Not asked for first: the request that mounts is the one that begins an upload. What the registry then says that it has is
    /// looked at; [`Registry::push_blob`] uploads in any case.
    pub async fn mount_blob(
        &self,
        repository: &Repository,
        from: &Repository,
        blob: &Descriptor,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        match self {
            Self::Remote(remote) => {
                check_blob(repository, blob, &bytes).await?;
                remote.put_blob(repository, Some(from), blob, bytes).await
            }
            Self::Layout(_) => self.push_blob(repository, blob, bytes).await,
        }
    }

    /// Puts an image manifest under a tag, or under its own digest without naming it.
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        if let Target::Digest(digest) = &reference.target {
            let expected = Descriptor { media_type: String::new(), digest: *digest, size: bytes.len() as u64 };
            check(&expected, &bytes)
                .map_err(|detail| RegistryError::Integrity { what: reference.to_string(), detail })?;
        }
        match self {
            Self::Remote(remote) => remote.push_manifest(reference, media_type, bytes).await,
            Self::Layout(layout) => layout.push_manifest(reference, media_type, bytes).await,
        }
    }

    /// Every tag of a repository, sorted.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        match self {
            Self::Remote(remote) => remote.tags(repository).await,
            Self::Layout(layout) => layout.tags(repository).await,
        }
    }

    /// What is attached to an image manifest, as its consumers find it: by the registry's API for it, else by the fallback tag.
    ///
    /// Nothing listed means that the registry says so: whatever else came is an error or [`Referrers::cut`]. The image manifest
    /// should be there: of an unknown repository this tells that nothing is attached.
    pub async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Referrers, RegistryError> {
        match self {
            Self::Remote(remote) => remote.referrers(repository, subject, None).await,
            Self::Layout(layout) => layout.referrers(repository, subject).await,
        }
    }

    /// The same right after [`Registry::attach`], which has read the list under the fallback tag back.
    pub async fn referrers_after(
        &self,
        attached: Attached,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Referrers, RegistryError> {
        match self {
            Self::Remote(remote) => remote.referrers(repository, subject, attached.list).await,
            Self::Layout(layout) => layout.referrers(repository, subject).await,
        }
    }

    /// The same by the fallback tag `sha256-<hex>` alone, whether the registry has the API or not.
    pub async fn fallback_index(&self, repository: &Repository, subject: &Digest) -> Result<Referrers, RegistryError> {
        match self {
            Self::Remote(remote) => remote.fallback_index(repository, subject).await,
            Self::Layout(layout) => layout.fallback_index(repository, subject).await,
        }
    }

    /// Attaches an artifact: its blobs, its image manifest without a name, and an entry under the fallback tag.
    ///
    /// The list there is merged, so that what others attached stays, and read again. Callers of one process take turns for each
    /// subject; two processes that do this at once may still lose an entry after it was seen: the protocol has no
    /// compare-and-swap. What a consumer finds afterwards is for the caller to look at.
    pub async fn attach(&self, repository: &Repository, artifact: &Artifact) -> Result<Attached, RegistryError> {
        match self {
            Self::Remote(remote) => remote.attach(repository, artifact).await,
            Self::Layout(layout) => layout.attach(repository, artifact).await,
        }
    }
}

impl Registry {
    fn limits(&self) -> &Limits {
        match self {
            Self::Remote(remote) => remote.limits(),
            Self::Layout(layout) => layout.limits(),
        }
    }
}

/// Refuses to send what does not fit its descriptor.
async fn check_blob(repository: &Repository, blob: &Descriptor, bytes: &Bytes) -> Result<(), RegistryError> {
    let checked = check_in_background(blob, bytes).await;
    checked
        .map_err(|detail| RegistryError::Integrity { what: format!("blob {} for {repository}", blob.digest), detail })
}

/// Whether bytes fit their descriptor; the error says how they do not.
fn check(expected: &Descriptor, bytes: &[u8]) -> Result<(), String> {
    match (bytes.len() as u64).cmp(&expected.size) {
        Ordering::Less => return Err(format!("expected {} bytes, got {}", expected.size, bytes.len())),
        Ordering::Greater => return Err(format!("expected {} bytes, got more", expected.size)),
        Ordering::Equal => {}
    }
    let digest = Digest::of(bytes);
    if digest == expected.digest { Ok(()) } else { Err(format!("the bytes have the digest {digest}")) }
}

/// The same off the async threads where it takes more than a moment.
async fn check_in_background(expected: &Descriptor, bytes: &Bytes) -> Result<(), String> {
    if bytes.len() < 1 << 20 {
        return check(expected, bytes);
    }
    let (expected, bytes) = (expected.clone(), bytes.clone());
    work::run(move || check(&expected, &bytes)).await.map_err(|error| error.to_string())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A digest that is right excuses no size that is not.
    #[test]
    fn bytes_fit_in_size_and_digest() {
        let good = Descriptor::of("x", b"bytes");
        assert_eq!(check(&good, b"bytes"), Ok(()));
        for (size, digest, says) in [
            (4, good.digest, "expected 4 bytes, got more"),
            (6, good.digest, "expected 6 bytes, got 5"),
            (5, Digest::of(b"other"), "the bytes have the digest sha256:"),
        ] {
            let error = check(&Descriptor { digest, size, ..good.clone() }, b"bytes").unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
