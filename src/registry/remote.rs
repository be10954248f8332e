//! A registry over HTTP: the endpoints of the distribution specification.
//!
//! Owns what is asked and what an answer means. A header's digest is an observation; bodies are hashed against what was asked
//! for. Knows no credential and no retry: those are `http`'s.

mod link;
mod referrers;
mod tags;
#[cfg(test)]
mod tests;

/// For the properties that hold of any header.
#[cfg(any(test, fuzzing))]
pub(crate) use self::link::next_target;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use url::Url;

use super::{Artifact, Attached, Observation, Referrers, RegistryError, check, check_in_background};
use crate::http::{Answer, Failure, Host, HttpError, Kind, Limits, Request, Right, Scope};
use crate::oci::{Descriptor, Digest, Reference, Repository, Tag, Target};

/// Everything that a tag may stand for: what is not asked for is "not found", and a name that is taken must not look free.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.artifact.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v1+prettyjws, \
    application/vnd.docker.distribution.manifest.v1+json, */*";

const DIGEST_HEADER: &str = "docker-content-digest";

/// A server that speaks the distribution specification. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Remote {
    host: Arc<Host>,
    limits: Arc<Limits>,
    right: Right,
    known: Arc<referrers::Known>,
}

/// What became of the request that begins an upload.
enum Begun {
    /// The registry has the blob.
    Mounted(Answer),
    /// It wants the bytes.
    Place(Answer),
}

impl Remote {
    pub(super) fn new(host: Arc<Host>, limits: Limits) -> Self {
        Self { host, limits: Arc::new(limits), right: Right::Pull, known: Arc::default() }
    }

    pub(super) fn for_push(self) -> Self {
        Self { right: Right::Push, ..self }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) async fn has_credential(&self) -> bool {
        self.host.auth().has_credential().await
    }

    pub(super) async fn resolve(&self, reference: &Reference) -> Result<Observation, RegistryError> {
        let request = self.manifest_request(Method::HEAD, reference).await?;
        let answer = self.fetch(&reference.repository, self.right, &request, 0).await;
        let Some(observation) = observed(&self.named(reference, answer).await?) else {
            // A registry that gives no digest leaves no way but to hash the bytes.
            let (media_type, bytes) = self.manifest_by_tag(reference).await?;
            if bytes.is_empty() {
                let detail = "the registry says that it is there, but gives neither a digest nor any bytes".into();
                return Err(RegistryError::Protocol { what: reference.to_string(), detail });
            }
            let media_type = Some(media_type).filter(|text| !text.is_empty());
            return Ok(Observation { digest: Digest::of(&bytes), media_type, size: Some(bytes.len() as u64) });
        };
        match &reference.target {
            Target::Digest(digest) if *digest != observation.digest => {
                let detail = format!("the registry answers with {}", observation.digest);
                Err(RegistryError::Integrity { what: reference.to_string(), detail })
            }
            _ => Ok(observation),
        }
    }

    pub(super) async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Bytes, RegistryError> {
        Ok(self.manifest_by_tag(&repository.at(*digest)).await?.1)
    }

    pub(super) async fn manifest_by_tag(&self, reference: &Reference) -> Result<(String, Bytes), RegistryError> {
        let request = self.manifest_request(Method::GET, reference).await?;
        let answer = self.fetch(&reference.repository, self.right, &request, self.limits.manifest).await;
        let answer = self.named(reference, answer).await?;
        let media_type = media_type(&answer).unwrap_or_default();
        let bytes = self.named(reference, answer.body()).await?;
        if let Target::Digest(digest) = &reference.target {
            let expected = Descriptor { media_type: String::new(), digest: *digest, size: bytes.len() as u64 };
            check(&expected, &bytes)
                .map_err(|detail| RegistryError::Integrity { what: reference.to_string(), detail })?;
        }
        Ok((media_type, bytes))
    }

    pub(super) async fn blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Bytes, RegistryError> {
        let what = format!("blob {} of {repository}", blob.digest);
        let path = format!("/v2/{}/blobs/{}", repository.path(), blob.digest);
        let url = self.named(&what, self.host.url(&path)).await?;
        let request = Request::new(Method::GET, url, Kind::Blob);
        let scope = Scope::of(repository.path(), self.right);
        let answer = self.host.fetch(&scope, self.time(blob.size), &request, blob.size).await;
        let integrity = |detail: String| RegistryError::Integrity { what: what.clone(), detail };
        let bytes = self.named(&what, answer).await?.body;
        let bytes = bytes.ok_or_else(|| integrity(format!("expected {} bytes, got more", blob.size)))?;
        check_in_background(blob, &bytes).await.map_err(integrity)?;
        Ok(bytes)
    }

    /// `POST` for a place, `PUT` for the bytes: a session that failed is begun again.
    ///
    /// `from` is a repository of this registry that may have the blob.
    pub(super) async fn put_blob(
        &self,
        repository: &Repository,
        from: Option<&Repository>,
        blob: &Descriptor,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        let what = format!("blob {} for {repository}", blob.digest);
        let path = format!("/v2/{}/blobs/uploads/", repository.path());
        let url = self.named(&what, self.host.url(&path)).await?;
        let session = async |from: Option<&str>| {
            let mounted_from = from.filter(|from| *from != repository.path()).map(str::to_owned);
            let scope = Scope { repository: repository.path().to_owned(), right: Right::Push, mounted_from };
            let upload = || self.upload(&scope, &url, from, &blob.digest, &bytes);
            self.host.run(&scope, self.time(blob.size), upload).await
        };
        let from = from.map(Repository::path).filter(|_| !self.known.mounts_nothing());
        let answered = match session(from).await {
            // Whoever may write here may not be one to read there.
            Err(HttpError::Status(failure))
                if from.is_some_and(|from| from != repository.path()) && refuses_token(&failure) =>
            {
                self.known.learn_mounts_nothing();
                session(None).await
            }
            answered => answered,
        };
        self.kept(&what, &blob.digest, answered).await.map(drop)
    }

    async fn upload(
        &self,
        scope: &Scope,
        uploads: &Url,
        from: Option<&str>,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<Answer, HttpError> {
        let place = match self.begin_upload(scope, uploads, from, digest).await? {
            // Said is not done: an image manifest without its blobs would be published by registries that do not look.
            Begun::Mounted(answer) if self.has_blob(scope, uploads, digest).await? => return Ok(answer),
            Begun::Mounted(_) => {
                self.known.learn_mounts_nothing();
                self.post(scope, uploads.clone()).await?
            }
            Begun::Place(answer) => answer,
        };
        let mut to = upload_url(&place)?;
        to.query_pairs_mut().append_pair("digest", &digest.to_string());
        let end = Request::new(Method::PUT, to, Kind::Upload)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(bytes.clone());
        self.host.fetch_once(scope, &end, self.limits.answer).await
    }

    async fn post(&self, scope: &Scope, url: Url) -> Result<Answer, HttpError> {
        self.host.fetch_once(scope, &Request::new(Method::POST, url, Kind::Upload), self.limits.answer).await
    }

    /// Whether the blob is where its upload was to begin.
    async fn has_blob(&self, scope: &Scope, uploads: &Url, digest: &Digest) -> Result<bool, HttpError> {
        let nowhere = |_| HttpError::Protocol("the blob has no place".into());
        let url = uploads.join(&format!("../{digest}")).map_err(nowhere)?;
        match self.host.fetch_once(scope, &Request::new(Method::HEAD, url, Kind::Blob), 0).await {
            Ok(_) => Ok(true),
            Err(HttpError::Status(failure)) if failure.status == 404 && failure.token_server.is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One request, in which the registry may find that it has the blob.
    async fn begin_upload(
        &self,
        scope: &Scope,
        uploads: &Url,
        from: Option<&str>,
        digest: &Digest,
    ) -> Result<Begun, HttpError> {
        if let Some(from) = from.filter(|_| !self.known.mounts_nothing()) {
            let mut mount = uploads.clone();
            mount.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
            match self.post(scope, mount).await {
                Ok(answer) if answer.status == 201 => return Ok(Begun::Mounted(answer)),
                Ok(answer) => return Ok(Begun::Place(answer)),
                Err(HttpError::Status(failure)) if refuses_to_mount(&failure) => self.known.learn_mounts_nothing(),
                Err(error) => return Err(error),
            }
        }
        self.post(scope, uploads.clone()).await.map(Begun::Place)
    }

    pub(super) async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        self.put_manifest(reference, media_type, bytes).await.map(drop)
    }

    /// The same; the answer's headers may tell more.
    async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Answer, RegistryError> {
        let digest = Digest::of(&bytes);
        let bad = |_| RegistryError::Protocol {
            what: reference.to_string(),
            detail: "its media type cannot stand in a header".into(),
        };
        let request = Request::new(Method::PUT, self.manifest_url(reference).await?, Kind::Manifest)
            .header(CONTENT_TYPE, HeaderValue::from_str(media_type).map_err(bad)?)
            .body(bytes);
        let answered = self.fetch(&reference.repository, Right::Push, &request, self.limits.answer).await;
        match answered {
            Err(HttpError::Status(failure)) if lacks_blob(&failure) => {
                Err(RegistryError::BlobUnknown { what: reference.to_string(), detail: failure.to_string() })
            }
            answered => self.kept(reference, &digest, answered).await,
        }
    }

    pub(super) async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        tags::list(self, repository).await
    }

    pub(super) async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        read_back: Option<Referrers>,
    ) -> Result<Referrers, RegistryError> {
        referrers::list(self, repository, subject, read_back).await
    }

    pub(super) async fn fallback_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Referrers, RegistryError> {
        referrers::fallback_index(self, repository, subject).await
    }

    pub(super) async fn attach(&self, repository: &Repository, artifact: &Artifact) -> Result<Attached, RegistryError> {
        referrers::attach(&self.clone().for_push(), repository, artifact).await
    }

    async fn manifest_url(&self, reference: &Reference) -> Result<Url, RegistryError> {
        let path = format!("/v2/{}/manifests/{}", reference.repository.path(), reference.target);
        self.named(reference, self.host.url(&path)).await
    }

    async fn manifest_request(&self, method: Method, reference: &Reference) -> Result<Request, RegistryError> {
        let request = Request::new(method, self.manifest_url(reference).await?, Kind::Manifest);
        Ok(request.header(ACCEPT, HeaderValue::from_static(MANIFESTS)))
    }

    fn time(&self, size: u64) -> Duration {
        self.limits.operation + Duration::from_secs(size / self.limits.slowest.max(1))
    }

    async fn fetch(
        &self,
        repository: &Repository,
        right: Right,
        request: &Request,
        limit: u64,
    ) -> Result<Answer, HttpError> {
        let scope = Scope::of(repository.path(), right);
        self.host.fetch(&scope, self.limits.operation, request, limit).await
    }

    /// The registry may say what it stored: another digest than what was sent is a damage.
    async fn kept(
        &self,
        what: &impl ToString,
        digest: &Digest,
        answered: Result<Answer, HttpError>,
    ) -> Result<Answer, RegistryError> {
        let answer = match answered {
            // "Not found" would say that the name is free; here the repository cannot be written.
            Err(HttpError::Status(failure)) if failure.status == 404 => {
                let detail = format!("the registry answered {failure}; does the repository have to be made first?");
                return Err(RegistryError::Protocol { what: what.to_string(), detail });
            }
            answered => self.named(what, answered).await?,
        };
        if answer.status == 202 {
            let detail = "the registry answered HTTP 202 where an upload should end".into();
            return Err(RegistryError::Protocol { what: what.to_string(), detail });
        }
        match answer.header(DIGEST_HEADER).and_then(|text| text.parse::<Digest>().ok()) {
            Some(stored) if stored != *digest => {
                let detail = format!("the registry stored {stored} instead of {digest}");
                Err(RegistryError::Integrity { what: what.to_string(), detail })
            }
            _ => Ok(answer),
        }
    }

    /// Gives a failure the artifact's name and the variant that callers tell apart.
    async fn named<T>(&self, what: &impl ToString, result: Result<T, HttpError>) -> Result<T, RegistryError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (what, detail) = (what.to_string(), error.to_string());
        let cause = match &error {
            HttpError::Down(cause) => cause,
            error => error,
        };
        Err(match cause {
            HttpError::Status(failure) => match failure.status {
                404 if failure.token_server.is_none() => RegistryError::NotFound { what },
                _ if crate::http::throttles(failure) && failure.status != 503 => RegistryError::Throttled {
                    what,
                    retry_after: failure.retry_after,
                    detail: waiting(failure, detail),
                },
                401 | 403 => {
                    let auth = self.host.auth();
                    let detail = format!("{detail}; {}", auth.hint().await);
                    RegistryError::Denied { what, credential: auth.has_credential().await, detail }
                }
                500.. | 408 => RegistryError::Transport { what, detail },
                _ => RegistryError::Protocol { what, detail: format!("the registry answered {detail}") },
            },
            HttpError::Transport { .. } => RegistryError::Transport { what, detail },
            HttpError::Refused(_) | HttpError::Protocol(_) | HttpError::Down(_) => {
                RegistryError::Protocol { what, detail }
            }
        })
    }
}

fn waiting(failure: &Failure, detail: String) -> String {
    match failure.retry_after {
        Some(time) => format!("{detail}; it asks to wait {} s", time.as_secs()),
        None => detail,
    }
}

fn observed(answer: &Answer) -> Option<Observation> {
    let digest = answer.header(DIGEST_HEADER)?.parse().ok()?;
    let size = answer.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    Some(Observation { digest, media_type: media_type(answer), size })
}

/// The media type without parameters, bounded.
fn media_type(answer: &Answer) -> Option<String> {
    let text = answer.header(CONTENT_TYPE.as_str())?;
    Some(text.split(';').next().unwrap_or_default().trim().chars().take(255).collect())
}

fn upload_url(place: &Answer) -> Result<Url, HttpError> {
    let status = place.status.as_u16();
    if status != 202 {
        return Err(HttpError::Protocol(format!("the registry answered HTTP {status} where an upload should begin")));
    }
    let location = place.header(LOCATION.as_str()).and_then(|location| place.url.join(location).ok());
    let mut url = location.ok_or_else(|| HttpError::Protocol("the registry gives no place to upload to".into()))?;
    url.set_fragment(None);
    Ok(url)
}

/// The specification wants a place to upload to where nothing can be mounted; a registry that fails instead is not asked again.
fn refuses_to_mount(failure: &Failure) -> bool {
    !crate::http::throttles(failure) && failure.token_server.is_none()
}

/// Whether the token server gave no token for what was asked.
fn refuses_token(failure: &Failure) -> bool {
    failure.token_server.is_some() && !crate::http::throttles(failure)
}

fn lacks_blob(failure: &Failure) -> bool {
    failure.codes.iter().any(|code| code == "MANIFEST_BLOB_UNKNOWN" || code == "BLOB_UNKNOWN")
}
