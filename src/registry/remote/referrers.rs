//! What is attached to an image manifest: asked for as consumers ask, and added to.
//!
//! Owns when the registry's API counts as missing (the rules of go-containerregistry, through which `cosign` looks: 404, 400,
//! 406, or an answer that does not call itself an image index), and the merge under the fallback tag. Every other trouble is an
//! error: nothing that is not known to be absent is called absent.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use tokio::sync::{OnceCell, OwnedMutexGuard};
use url::Url;

use super::link::next_page;
use super::{DIGEST_HEADER, Remote, media_type};
use crate::http::{Answer, Failure, HttpError, Kind, Request};
use crate::oci::{Digest, IMAGE_INDEX, IMAGE_MANIFEST, ImageIndex, Repository};
use crate::registry::{Artifact, Attached, ListedBy, Referrers, RegistryError};

/// Names the subject where a registry's API lists what was just put.
const SUBJECT_HEADER: &str = "oci-subject";

/// What was learnt of one registry in this run, repositories by their path.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Repositories for which it has no referrers API.
    no_api: Mutex<HashSet<String>>,
    /// Done once the API of a repository was asked: what is asked at the same time may not be needed.
    asked: Once,
    /// Done once a repository has the empty config blob.
    empty_config: Once,
    /// Who is attaching, by repository and subject.
    turns: Mutex<HashMap<(String, Digest), Weak<Turn>>>,
    /// It failed where it should have mounted a blob or begun an upload.
    mounts_nothing: AtomicBool,
}

/// What one task does for a repository, by its path, while others wait for it.
type Once = Mutex<HashMap<String, Arc<OnceCell<()>>>>;

/// Held by the task that attaches.
type Turn = tokio::sync::Mutex<()>;

impl Known {
    pub(super) fn mounts_nothing(&self) -> bool {
        self.mounts_nothing.load(Ordering::Relaxed)
    }

    pub(super) fn learn_mounts_nothing(&self) {
        self.mounts_nothing.store(true, Ordering::Relaxed);
    }

    /// Waits until no other task attaches to this subject.
    async fn turn(&self, repository: &Repository, subject: &Digest) -> OwnedMutexGuard<()> {
        let key = (repository.path().to_owned(), *subject);
        let lock = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let lock = turns.get(&key).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(key, Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

fn once(all: &Once, repository: &Repository) -> Arc<OnceCell<()>> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry(repository.path().to_owned()).or_default())
}

fn knows(set: &Mutex<HashSet<String>>, repository: &Repository) -> bool {
    set.lock().unwrap_or_else(PoisonError::into_inner).contains(repository.path())
}

fn learn(set: &Mutex<HashSet<String>>, repository: &Repository) {
    set.lock().unwrap_or_else(PoisonError::into_inner).insert(repository.path().to_owned());
}

/// `read_back` is the list under the fallback tag where it was read just now.
pub(super) async fn list(
    remote: &Remote,
    repository: &Repository,
    subject: &Digest,
    read_back: Option<Referrers>,
) -> Result<Referrers, RegistryError> {
    let what = format!("the list of referrers of {}", repository.at(*subject));
    let mut first = None;
    let asked = once(&remote.known.asked, repository);
    asked.get_or_init(async || first = Some(by_api(remote, repository, subject, &what).await)).await;
    let listed = match first {
        Some(answer) => answer?,
        None if knows(&remote.known.no_api, repository) => None,
        None => by_api(remote, repository, subject, &what).await?,
    };
    if let Some(referrers) = listed {
        return Ok(referrers);
    }
    match read_back {
        Some(list) => Ok(list),
        None => fallback_index(remote, repository, subject).await,
    }
}

/// What the API lists; nothing where there is no API.
async fn by_api(
    remote: &Remote,
    repository: &Repository,
    subject: &Digest,
    what: &String,
) -> Result<Option<Referrers>, RegistryError> {
    let path = format!("/v2/{}/referrers/{subject}", repository.path());
    let first = remote.named(what, remote.host.url(&path)).await?;
    let Some(mut page) = page(remote, repository, first, what).await? else { return Ok(None) };
    let mut referrers = Referrers::none(ListedBy::Api);
    let mut bytes = 0;
    loop {
        let new = referrers.take(page.index.entries(), &remote.limits);
        bytes += page.bytes;
        let next = match page.next {
            _ if referrers.cut.is_some() => return Ok(Some(referrers)),
            Ok(None) => return Ok(Some(referrers)),
            Ok(Some(_)) if new == 0 => Err("a page adds nothing and yet names a next one".to_owned()),
            Ok(Some(_)) if bytes > remote.limits.referrers_bytes => {
                Err(format!("its pages have more than {} bytes", remote.limits.referrers_bytes))
            }
            Ok(Some(url)) if !remote.host.is_own(&url) => {
                Err("it goes on at another server, where it is not followed".to_owned())
            }
            Ok(Some(url)) => match self::page(remote, repository, url, what).await {
                Ok(Some(next)) => Ok(next),
                Ok(None) => Err("the next page is none".to_owned()),
                Err(error) => Err(format!("the next page is broken: {error}")),
            },
            Err(error) => Err(error.to_string()),
        };
        match next {
            Ok(next) => page = next,
            Err(cut) => {
                referrers.cut = Some(cut);
                return Ok(Some(referrers));
            }
        }
    }
}

struct Page {
    index: ImageIndex,
    bytes: u64,
    next: Result<Option<Url>, HttpError>,
}

/// One page of the API's list; nothing where its answer says that there is no such API.
async fn page(
    remote: &Remote,
    repository: &Repository,
    url: Url,
    what: &String,
) -> Result<Option<Page>, RegistryError> {
    let request = Request::new(Method::GET, url, Kind::Referrers).header(ACCEPT, HeaderValue::from_static(IMAGE_INDEX));
    let answer = match remote.fetch(repository, remote.right, &request, remote.limits.manifest).await {
        Err(HttpError::Status(failure)) if lacks_api(&failure) => {
            if !about_names(&failure) {
                learn(&remote.known.no_api, repository);
            }
            return Ok(None);
        }
        answer => remote.named(what, answer).await?,
    };
    let status = answer.status.as_u16();
    if status != 200 {
        let detail = format!("the registry answered HTTP {status} where a list should be");
        return Err(RegistryError::Protocol { what: what.clone(), detail });
    }
    // Compared whole, as go-containerregistry and oras do: what they take for no list must not be one here.
    if answer.header(CONTENT_TYPE.as_str()) != Some(IMAGE_INDEX) {
        return Ok(None);
    }
    let next = next_page(&answer);
    let body = remote.named(what, answer.body()).await?;
    let index = parse(what, &body)?;
    Ok(Some(Page { index, bytes: body.len() as u64, next }))
}

/// The answers by which consumers go on to the fallback tag.
fn lacks_api(failure: &Failure) -> bool {
    matches!(failure.status, 400 | 404 | 406) && failure.token_server.is_none()
}

/// Whether it is this repository or digest that the registry does not know: of the next one it may know more.
fn about_names(failure: &Failure) -> bool {
    failure.codes.iter().any(|code| code.ends_with("_UNKNOWN") || code.ends_with("_INVALID"))
}

fn parse(what: &impl ToString, body: &[u8]) -> Result<ImageIndex, RegistryError> {
    let bad = |problem| RegistryError::Protocol { what: what.to_string(), detail: format!("the answer {problem}") };
    ImageIndex::parse(body).map_err(bad)
}

pub(super) async fn fallback_index(
    remote: &Remote,
    repository: &Repository,
    subject: &Digest,
) -> Result<Referrers, RegistryError> {
    let index = tagged(remote, repository, subject).await?.unwrap_or_default();
    Ok(by_fallback_tag(remote, &index))
}

fn by_fallback_tag(remote: &Remote, index: &ImageIndex) -> Referrers {
    let mut referrers = Referrers::none(ListedBy::FallbackTag);
    referrers.take(index.entries(), &remote.limits);
    referrers
}

/// The index under the fallback tag; nothing where there is no such tag.
async fn tagged(
    remote: &Remote,
    repository: &Repository,
    subject: &Digest,
) -> Result<Option<ImageIndex>, RegistryError> {
    let reference = repository.tagged(subject.fallback_tag());
    // Any media type is asked for: a registry may call absent what is not an image index.
    let request = remote.manifest_request(Method::GET, &reference).await?;
    let answer = remote.fetch(repository, remote.right, &request, remote.limits.manifest).await;
    let answer: Answer = match remote.named(&reference, answer).await {
        Err(RegistryError::NotFound { .. }) => return Ok(None),
        answer => answer?,
    };
    let detail = match media_type(&answer) {
        Some(told) if told != IMAGE_INDEX => {
            format!("the tag should name a list of referrers, but it names something of the media type `{told}`")
        }
        _ => {
            let told = answer.header(DIGEST_HEADER).and_then(|text| text.parse::<Digest>().ok());
            let body = remote.named(&reference, answer.body()).await?;
            match told {
                Some(told) if told != Digest::of(&body) => {
                    let detail = format!("the registry calls {told} what has the digest {}", Digest::of(&body));
                    return Err(RegistryError::Integrity { what: reference.to_string(), detail });
                }
                _ => return parse(&reference, &body).map(Some),
            }
        }
    };
    Err(RegistryError::Protocol { what: reference.to_string(), detail })
}

/// `remote` asks for the right to push.
pub(super) async fn attach(
    remote: &Remote,
    repository: &Repository,
    artifact: &Artifact,
) -> Result<Attached, RegistryError> {
    let [layer, config] = &artifact.blobs;
    remote.put_blob(repository, None, &layer.0, layer.1.clone()).await?;
    let empty_config = once(&remote.known.empty_config, repository);
    empty_config.get_or_try_init(|| remote.put_blob(repository, Some(repository), &config.0, config.1.clone())).await?;
    // Registries with the API have been seen to lose entries of one list that came at once, too.
    let _turn = remote.known.turn(repository, &artifact.subject).await;
    let answer = match put(remote, repository, artifact).await {
        // What was there when it was pushed may have been collected since.
        Err(RegistryError::BlobUnknown { .. }) => {
            for (blob, bytes) in &artifact.blobs {
                remote.put_blob(repository, None, blob, bytes.clone()).await?;
            }
            put(remote, repository, artifact).await?
        }
        answer => answer?,
    };
    let subject = answer.header(SUBJECT_HEADER).and_then(|text| text.parse::<Digest>().ok());
    let (writes, list) = merge(remote, repository, artifact).await?;
    let indexed = subject == Some(artifact.subject);
    Ok(Attached { digest: artifact.descriptor.digest, indexed, writes, list: Some(list) })
}

async fn put(remote: &Remote, repository: &Repository, artifact: &Artifact) -> Result<Answer, RegistryError> {
    let reference = repository.at(artifact.descriptor.digest);
    let answer = remote.put_manifest(&reference, IMAGE_MANIFEST, artifact.bytes.clone()).await;
    let refused = format!("the image manifest with the `subject` {} was not taken", artifact.subject);
    answer.map_err(|error| because(&refused, error))
}

/// Adds the artifact to the list under the fallback tag until it is there; how often that list was written, and how it reads.
///
/// The caller has the turn.
async fn merge(
    remote: &Remote,
    repository: &Repository,
    artifact: &Artifact,
) -> Result<(u32, Referrers), RegistryError> {
    let reference = repository.tagged(artifact.subject.fallback_tag());
    let problem = |detail| RegistryError::Protocol { what: reference.to_string(), detail };
    for writes in 0.. {
        let index = tagged(remote, repository, &artifact.subject).await?.unwrap_or_default();
        if index.lists(&artifact.descriptor.digest) {
            return Ok((writes, by_fallback_tag(remote, &index)));
        }
        if writes >= remote.limits.attempts {
            break;
        }
        if writes > 0 {
            // Whoever else writes here must not meet us again.
            tokio::time::sleep(remote.limits.backoff.mul_f64(fastrand::f64())).await;
        }
        let full =
            |full| problem(format!("{} cannot be added to the list of referrers: {full}", artifact.descriptor.digest));
        let bytes = artifact.listed_in(index, &remote.limits).map_err(full)?;
        let written = remote.put_manifest(&reference, IMAGE_INDEX, bytes).await;
        written.map_err(|error| match error {
            // A registry that checks what an index names, and an entry whose image manifest is gone.
            RegistryError::BlobUnknown { detail, .. } => {
                problem(format!("the registry lacks an image manifest that this list of referrers names: {detail}"))
            }
            error => because("the list of referrers was not taken", error),
        })?;
    }
    let times = remote.limits.attempts;
    let digest = artifact.descriptor.digest;
    Err(problem(format!("{digest} was added {times} times and is not listed: others write this tag too; run again")))
}

/// Says what it was that the registry did not take.
fn because(refused: &str, error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Protocol { what, detail } => {
            RegistryError::Protocol { what, detail: format!("{refused}: {detail}") }
        }
        error => error,
    }
}
