//! One exchange: a request goes out, an answer comes in, both within bounds.
//!
//! Owns the connections, TLS, proxies and the count of requests. Follows nothing, retries nothing and knows no credential.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, StatusCode};
use url::Url;

use super::guard::{Reach, Refused, Resolver, proxies};
use super::retry::retry_after;
use super::{Failure, Fault, HttpError, Kind, Limits, Requests, bounded};
use crate::tally::{self, Exchange};

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) kind: Kind,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url, kind: Kind) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), kind }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// The connections of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    named: Pools,
    foreign: Pools,
    sent: Mutex<BTreeMap<(String, String, Kind), u64>>,
}

/// The connections of one reach. To read whom TLS trusts takes longer than all else that a run begins with: only https waits for it.
#[derive(Debug, Default)]
struct Pools {
    plain: OnceLock<Pool>,
    secure: OnceLock<Pool>,
}

/// Connections, or why there can be none.
type Pool = Result<reqwest::Client, String>;

impl Client {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner { limits, named: Pools::default(), foreign: Pools::default(), sent: Mutex::default() }))
    }

    /// What was sent so far, sorted.
    pub(crate) fn requests(&self) -> Vec<Requests> {
        let sent = self.0.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter()
            .map(|((host, method, kind), count)| Requests {
                host: host.clone(),
                method: method.clone(),
                kind: *kind,
                count: *count,
            })
            .collect()
    }

    /// Sends a request whose URL the guard has passed for this reach.
    pub(crate) async fn exchange(
        &self,
        reach: Reach,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, HttpError> {
        let pools = match reach {
            Reach::Named => &self.0.named,
            Reach::Foreign => &self.0.foreign,
        };
        let pool = match request.url.scheme() {
            "https" => pools.secure.get_or_init(|| secure(reach, &self.0.limits)),
            _ => pools.plain.get_or_init(|| plain(reach, &self.0.limits)),
        };
        let permanent = |detail: &String| HttpError::Transport { detail: detail.clone(), fault: Fault::Lasting };
        let pool = pool.as_ref().map_err(permanent)?;
        self.count(request);
        tally::sent(request.body.len());
        let mut outgoing = pool.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(authorization) = authorization {
            outgoing = outgoing.header(reqwest::header::AUTHORIZATION, authorization);
        }
        if matches!(request.method, Method::POST | Method::PUT) {
            outgoing = outgoing.header(reqwest::header::CONTENT_LENGTH, request.body.len()).body(request.body.clone());
        }
        // While a body goes out the server is rightly silent.
        let silence = self.0.limits.silence;
        let upload = Duration::from_secs(request.body.len() as u64 / self.0.limits.slowest.max(1));
        let begun = Instant::now();
        let answer = in_time(silence + upload, outgoing.send(), &request.url).await;
        tally::exchanged(|| Exchange {
            method: request.method.as_str(),
            url: super::guard::shown(&request.url),
            answer: match &answer {
                Ok(answer) => tally::Answer::Status(answer.status().as_u16()),
                Err(error) => tally::Answer::None(error.to_string()),
            },
            time: begun.elapsed(),
        });
        let answer = answer?;
        Ok(Response { url: request.url.clone(), answer, silence })
    }

    fn count(&self, request: &Request) {
        let host = match (request.url.host_str(), request.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let key = (host, request.method.to_string(), request.kind);
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
    }
}

/// The result of one step of an exchange, unless the server is silent for too long.
async fn in_time<T>(
    silence: Duration,
    step: impl Future<Output = reqwest::Result<T>>,
    url: &Url,
) -> Result<T, HttpError> {
    let late = |_| {
        let detail = format!("timed out: the server was silent for {} s", silence.as_secs_f32());
        HttpError::Transport { detail, fault: Fault::Unreachable }
    };
    tokio::time::timeout(silence, step).await.map_err(late)?.map_err(|error| broken(&error, url))
}

fn secure(reach: Reach, limits: &Limits) -> Pool {
    connections(reach, limits).tls_certs_merge(extra_certificates()?).build().map_err(|error| {
        format!("TLS cannot be used: {}: install the system's CA certificates, or set SSL_CERT_FILE", chain(&error))
    })
}

/// Needs no certificates: a machine without any reaches registries on loopback all the same.
fn plain(reach: Reach, limits: &Limits) -> Pool {
    // A proxy may speak TLS itself.
    let proxied = proxies().next().and_then(|_| secure(reach, limits).ok());
    let plain = || connections(reach, limits).tls_certs_only([]).build().map_err(|error| chain(&error));
    proxied.map_or_else(plain, Ok)
}

fn connections(reach: Reach, limits: &Limits) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("chartsync/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect)
        // Bytes are hashed as they came: what a header calls packed is not unpacked, and nobody is asked to pack.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .dns_resolver(Resolver::new(reach));
    // The servers of unit tests are in this process, which no proxy reaches.
    if cfg!(test) { builder.no_proxy() } else { builder }
}

/// `SSL_CERT_FILE`, read here as well so that it counts on every platform and a wrong one is told.
fn extra_certificates() -> Result<Vec<Certificate>, String> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let path = std::path::PathBuf::from(path);
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| chain(&error)))
        .map_err(|error| format!("SSL_CERT_FILE names {}, which cannot be used: {error}", path.display()))
}

/// What the transport made of it, and whether that may pass.
fn broken(error: &reqwest::Error, url: &Url) -> HttpError {
    let causes = causes(error);
    if let Some(refused) = causes.iter().find_map(|cause| cause.downcast_ref::<Refused>()) {
        return HttpError::Refused(format!("{}: {refused}", super::guard::shown(url)));
    }
    let detail = chain(error);
    // What rustls does not accept comes as invalid data: the same bytes will come again.
    let invalid = |cause: &&(dyn Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData)
    };
    if url.scheme() == "https" && error.is_connect() && causes.iter().any(invalid) {
        let hint = if detail.contains("InvalidContentType") {
            "it does not speak TLS: if it is meant to be asked over plain http, set `plain-http = true` for it"
        } else {
            "if its authority is a private one, set SSL_CERT_FILE"
        };
        return HttpError::Transport { detail: format!("{detail}; {hint}"), fault: Fault::Lasting };
    }
    let fault = match error {
        error if error.is_builder() => Fault::Lasting,
        error if error.is_connect() || error.is_timeout() => Fault::Unreachable,
        _ => Fault::Broken,
    };
    match proxies().next() {
        Some(proxy) if error.is_connect() => {
            HttpError::Transport { detail: format!("{detail}; the environment names the proxy {proxy}"), fault }
        }
        _ => HttpError::Transport { detail, fault },
    }
}

/// What an error was caused by, outermost first, those that I/O errors carry included.
fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        let carried = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        next = match carried {
            Some(carried) => Some(carried as &(dyn Error + 'static)),
            None => cause.source(),
        };
    }
    causes
}

/// An error with its causes, each told once; URLs are left to the caller.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
    for cause in causes(error) {
        let cause = cause.to_string();
        // The client's own layers add nothing for a reader.
        if !cause.starts_with("client error") && !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    if text.is_empty() { bounded(&error.to_string()) } else { bounded(&text) }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    /// The URL that answered.
    pub(crate) url: Url,
    answer: reqwest::Response,
    silence: Duration,
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        self.answer.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The text of a header, if there is one that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// The answer if it is a success, else what the server said about its failure.
    pub(crate) async fn success(self, limits: &Limits) -> Result<Self, HttpError> {
        if self.status().is_success() { Ok(self) } else { Err(self.failure(limits).await) }
    }

    /// The answer as a failure, with what its body says.
    pub(crate) async fn failure(mut self, limits: &Limits) -> HttpError {
        let status = self.status().as_u16();
        let retry_after = self.header(RETRY_AFTER.as_str()).and_then(|text| retry_after(text, SystemTime::now()));
        // What is cut off or too long is no better a message than none.
        let body = self.read_up_to(limits.answer).await.ok().flatten().unwrap_or_default();
        let (codes, message) = said(&body);
        HttpError::Status(Box::new(Failure {
            status,
            retry_after,
            codes,
            message,
            token_server: None,
            elsewhere: None,
        }))
    }

    /// Reads the whole body, unless it is longer than so many bytes.
    pub(crate) async fn read(mut self, limit: u64) -> Result<Answer, HttpError> {
        let body = self.read_up_to(limit).await?;
        Ok(Answer { status: self.status(), headers: std::mem::take(self.answer.headers_mut()), url: self.url, body })
    }

    async fn read_up_to(&mut self, limit: u64) -> Result<Option<Bytes>, HttpError> {
        let expected = self.answer.content_length().unwrap_or_default();
        if expected > limit {
            return Ok(None);
        }
        let mut body = Vec::with_capacity(usize::try_from(expected.min(1 << 20)).unwrap_or_default());
        while let Some(chunk) = in_time(self.silence, self.answer.chunk(), &self.url).await? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Ok(None);
            }
            tally::received(chunk.len());
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body.into()))
    }
}

/// An answer that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The URL that answered.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The whole body; nothing if it was over the limit.
    pub(crate) body: Option<Bytes>,
}

impl Answer {
    /// The text of a header, if there is one that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which was within the limit.
    pub(crate) fn body(self) -> Result<Bytes, HttpError> {
        self.body.ok_or_else(|| HttpError::Protocol("the answer is over the limit of bytes for its kind".into()))
    }
}

/// The codes and the words of an error answer: the specification's envelope, else the text itself.
fn said(body: &[u8]) -> (Vec<String>, String) {
    let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body) else {
        return (Vec::new(), bounded(&String::from_utf8_lossy(&body[..body.len().min(2000)])));
    };
    let errors = envelope.errors.into_iter().take(16).map(|error| (code(&error.code), error.message));
    let (codes, messages): (Vec<_>, Vec<_>) = errors.unzip();
    let told = codes.iter().zip(&messages).map(|(code, message)| format!("{code} {message}").trim().to_owned());
    let message = bounded(&told.collect::<Vec<_>>().join("; "));
    (codes, message)
}

fn code(code: &OciErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => bounded(&text),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_answers_are_read_and_bounded() {
        let check = |body: &str, codes: &[&str], message: &str| {
            let (found, said) = said(body.as_bytes());
            assert_eq!(
                (found.iter().map(String::as_str).collect::<Vec<_>>(), said.as_str()),
                (codes.to_vec(), message)
            );
        };
        check("", &[], "");
        check("<html>gone\u{1b}[31m</html>", &[], "<html>gone\u{1b}[31m</html>");
        let unknown =
            r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":{"a":1}},{"code":"NEW"}]}"#;
        check(unknown, &["MANIFEST_BLOB_UNKNOWN", "NEW"], "MANIFEST_BLOB_UNKNOWN blob unknown; NEW");
        check(r#"{"errors":[]}"#, &[], "");
        let long = "ä".repeat(1000);
        assert_eq!(said(long.as_bytes()).1.chars().count(), 301);
        let long = format!(r#"{{"errors":[{{"code":"{long}","message":"{long}"}}]}}"#);
        assert_eq!(said(long.as_bytes()).1.chars().count(), 301);
    }
}
