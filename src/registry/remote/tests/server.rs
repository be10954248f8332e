//! A server that misbehaves as told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;

use crate::http::{Credentials, Limits};
use crate::oci::Repository;
use crate::registry::{Registries, Registry};
use crate::settings::{Access, RegistrySettings};

#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `GET /v2/…`
    pub(super) line: String,
    pub(super) host: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Bytes,
    pub(super) at: Instant,
}

pub(super) struct Server {
    pub(super) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
    folder: tempfile::TempDir,
    settings: RegistrySettings,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request with what `answer` makes of it.
    pub(super) async fn new<F: Future<Output = Response> + Send + 'static>(
        answer: impl Fn(Seen) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let handler = move |request: Request| {
            let (kept, answer) = (kept.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                let seen = Seen {
                    line: format!("{} {}", parts.method, parts.uri),
                    host: header("host").unwrap(),
                    authorization: header("authorization"),
                    body: axum::body::to_bytes(body, 1 << 20).await.unwrap(),
                    at: Instant::now(),
                };
                kept.lock().unwrap().push(seen.clone());
                answer(seen).await
            }
        };
        let router = axum::Router::new().fallback(handler);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let settings = RegistrySettings { access: Access::PlainHttp, ..Default::default() };
        Self { host, seen, task, folder: tempfile::tempdir().unwrap(), settings }
    }

    /// Answers the `n`-th request (from 0), the last one for ever.
    pub(super) async fn in_turn(answers: Vec<fn() -> Response>) -> Self {
        let turn = Arc::new(Mutex::new(0));
        Self::new(move |_| {
            let mut turn = turn.lock().unwrap();
            let answer = answers[(*turn).min(answers.len() - 1)];
            *turn += 1;
            async move { answer() }
        })
        .await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `GET /v2/…` of every request, in the order of their coming.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(super) fn repository(&self) -> Repository {
        format!("{}/charts/a", self.host).parse().unwrap()
    }

    pub(super) fn trusting(mut self, other: &Self) -> Self {
        self.settings.token_realm = Some(format!("http://{}", other.host).parse().unwrap());
        self
    }

    /// A Docker config with this entry for the server; the credential is `user:canary`.
    pub(super) fn credentials(&self, more: &str) -> Credentials {
        let file: PathBuf = self.folder.path().join("config.json");
        let entry = format!(r#"{{"auths":{{"{}":{{"auth":"dXNlcjpjYW5hcnk="{more}}}}}}}"#, self.host);
        std::fs::write(&file, entry).unwrap();
        Credentials::from_files(vec![file])
    }

    pub(super) fn registries(&self, credentials: Credentials, limits: Limits) -> Registries {
        let settings = BTreeMap::from([(self.host.clone(), self.settings.clone())]);
        Registries::with(self.folder.path(), &settings, credentials, limits).unwrap()
    }

    pub(super) fn registry(&self) -> Registry {
        self.registries(Credentials::default(), quick()).at(&self.repository())
    }

    pub(super) fn registry_with_credential(&self) -> Registry {
        self.registries(self.credentials(""), quick()).at(&self.repository())
    }
}

/// Limits that make failures fast, and a host never down.
pub(super) fn quick() -> Limits {
    Limits {
        attempts: 3,
        backoff: Duration::from_millis(1),
        silence: Duration::from_secs(5),
        down: Duration::ZERO,
        longest_retry_after: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// An answer: its status, headers as `name: value`, and body.
pub(super) fn answer(status: u16, headers: &[&str], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    response.body(body.into()).unwrap()
}

/// A body that promises more than it sends before the connection ends.
pub(super) fn cut_off() -> Response {
    let parts = [Ok(Bytes::from_static(b"on")), Err(std::io::Error::other("cut"))];
    answer(200, &["content-length: 3"], Body::from_stream(futures_util::stream::iter(parts)))
}
