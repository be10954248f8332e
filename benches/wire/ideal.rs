//! A client that does the requests of a mirror and nothing else: no lockfile, no policy, no check of any byte, no retries.
//!
//! [`What::Same`] does what chartsync does, request by request, with as many at once. [`What::Least`] does only what no copy can
//! do without: `3B + 2` a chart.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};

use super::Failed;

/// As many charts as chartsync works on together.
const CHARTS_AT_ONCE: usize = 64;
/// As many requests as chartsync sends to one host at once.
const REQUESTS_AT_ONCE: usize = 16;
const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Which requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Those that chartsync does.
    Same,
    /// Those of any copy.
    Least,
}

/// What is to be copied.
#[derive(Debug)]
pub(super) struct Job {
    source: Host,
    destination: Host,
    charts: Vec<Chart>,
}

#[derive(Debug)]
struct Chart {
    source: String,
    destination: String,
    tag: String,
    digest: String,
}

impl Job {
    /// A JSON file: `source` and `destination` as `host:port`, `authorization` for a token server or null, and `charts`, each with
    /// two repositories, tag and digest.
    pub(super) fn read(file: &Path) -> Result<Self, Failed> {
        let job: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let host = |name: &str, rights| Host {
            base: format!("http://{}", text(&job[name])),
            client: client.clone(),
            places: Semaphore::new(REQUESTS_AT_ONCE),
            authorization: job["authorization"].as_str().map(str::to_owned),
            rights,
            challenge: OnceCell::new(),
            tokens: Mutex::default(),
        };
        let charts = job["charts"].as_array().into_iter().flatten().map(|chart| Chart {
            source: text(&chart["source"]),
            destination: text(&chart["destination"]),
            tag: text(&chart["tag"]),
            digest: text(&chart["digest"]),
        });
        let charts = charts.collect();
        Ok(Self { source: host("source", "pull"), destination: host("destination", "pull,push"), charts })
    }
}

/// Does it.
pub(super) async fn run(job: Job, what: What) -> Result<(), Failed> {
    let charts = futures_util::stream::iter(&job.charts);
    let job = &job;
    charts.map(|chart| copy(job, chart, what)).buffer_unordered(CHARTS_AT_ONCE).try_collect().await
}

async fn copy(job: &Job, chart: &Chart, what: What) -> Result<(), Failed> {
    let (source, destination) = (&job.source, &job.destination);
    let name = format!("/v2/{}/manifests/{}", chart.destination, chart.tag);
    if what == What::Same {
        let request = |method, path| Request { method, path, body: Bytes::new() };
        if destination.send(&chart.destination, request(Method::HEAD, name.clone())).await?.0 == StatusCode::OK {
            return Ok(());
        }
        source
            .send(&chart.source, request(Method::HEAD, format!("/v2/{}/manifests/{}", chart.source, chart.tag)))
            .await?;
    }
    let manifest = source.get(&chart.source, format!("/v2/{}/manifests/{}", chart.source, chart.digest)).await?;
    let parsed: Value = serde_json::from_slice(&manifest)?;
    let layers = parsed["layers"].as_array().into_iter().flatten();
    let blobs = std::iter::once(&parsed["config"]).chain(layers).filter_map(|blob| blob["digest"].as_str());
    try_join_all(blobs.map(|digest| blob(job, chart, digest, what))).await?;
    let put = Request { method: Method::PUT, path: name.clone(), body: manifest };
    let (status, _, _) = destination.send(&chart.destination, put).await?;
    if status != StatusCode::CREATED {
        return Err(format!("{name}: {status}").into());
    }
    if what == What::Same {
        destination.get(&chart.destination, name).await?;
    }
    Ok(())
}

/// Reads a blob while its upload begins, then sends it.
async fn blob(job: &Job, chart: &Chart, digest: &str, what: What) -> Result<(), Failed> {
    let repository = &chart.destination;
    let mount = if what == What::Same { format!("?mount={digest}&from={repository}") } else { String::new() };
    let begin =
        Request { method: Method::POST, path: format!("/v2/{repository}/blobs/uploads/{mount}"), body: Bytes::new() };
    let (bytes, (status, location, _)) = try_join(
        job.source.get(&chart.source, format!("/v2/{}/blobs/{digest}", chart.source)),
        job.destination.send(repository, begin),
    )
    .await?;
    if status != StatusCode::ACCEPTED {
        return Err(format!("{repository}: an upload begins with {status}").into());
    }
    let separator = if location.contains('?') { '&' } else { '?' };
    let path = format!("{location}{separator}digest={digest}");
    let (status, _, _) = job.destination.send(repository, Request { method: Method::PUT, path, body: bytes }).await?;
    if status == StatusCode::CREATED {
        Ok(())
    } else {
        Err(format!("{repository}: an upload ends with {status}").into())
    }
}

#[derive(Debug)]
struct Request {
    method: Method,
    /// Or a whole URL.
    path: String,
    body: Bytes,
}

/// A registry.
#[derive(Debug)]
struct Host {
    base: String,
    client: reqwest::Client,
    places: Semaphore,
    authorization: Option<String>,
    rights: &'static str,
    /// Realm and service, asked for once.
    challenge: OnceCell<(String, String)>,
    tokens: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
}

impl Host {
    async fn get(&self, repository: &str, path: String) -> Result<Bytes, Failed> {
        let what = path.clone();
        let (status, _, body) =
            self.send(repository, Request { method: Method::GET, path, body: Bytes::new() }).await?;
        if status == StatusCode::OK { Ok(body) } else { Err(format!("{what}: {status}").into()) }
    }

    /// Status, `Location` and body of the answer.
    async fn send(&self, repository: &str, request: Request) -> Result<(StatusCode, String, Bytes), Failed> {
        let token = self.token(repository).await?;
        let _place = self.places.acquire().await?;
        let url = if request.path.starts_with('/') { format!("{}{}", self.base, request.path) } else { request.path };
        let kind = if url.contains("/manifests/") { IMAGE_MANIFEST } else { "application/octet-stream" };
        let mut outgoing = self.client.request(request.method.clone(), url).header(ACCEPT, IMAGE_MANIFEST);
        if matches!(request.method, Method::PUT | Method::POST) {
            outgoing = outgoing.header(CONTENT_TYPE, kind).body(request.body);
        }
        if let Some(token) = token {
            outgoing = outgoing.bearer_auth(token);
        }
        let answer = outgoing.send().await?;
        let (status, location) = (answer.status(), header(&answer, &LOCATION));
        Ok((status, location, answer.bytes().await?))
    }

    /// One for a repository, got once however many wait for it.
    async fn token(&self, repository: &str) -> Result<Option<String>, Failed> {
        let Some(authorization) = &self.authorization else { return Ok(None) };
        let (realm, service) = self.challenge.get_or_try_init(|| self.challenge()).await?;
        let cell = {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tokens.entry(repository.to_owned()).or_default())
        };
        let got = cell.get_or_try_init(|| async {
            let url = format!("{realm}?service={service}&scope=repository:{repository}:{}", self.rights);
            let answer = self.client.get(url).header(AUTHORIZATION, authorization).send().await?.bytes().await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            answer["token"].as_str().map(str::to_owned).ok_or_else(|| Failed::from("no token"))
        });
        got.await.cloned().map(Some)
    }

    async fn challenge(&self) -> Result<(String, String), Failed> {
        let answer = self.client.get(format!("{}/v2/", self.base)).send().await?;
        let text = header(&answer, &WWW_AUTHENTICATE);
        let part = |name: &str| {
            let rest = text.split_once(&format!("{name}=\""))?.1;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let found = part("realm").zip(part("service"));
        found.ok_or_else(|| format!("{} wants no token", self.base).into())
    }
}

fn header(answer: &Response, name: &reqwest::header::HeaderName) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
