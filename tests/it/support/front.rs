//! The address that clients of a test's registry talk to: it records every request and hands it on.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::runtime::Runtime;

use super::token::Tokens;

/// Where the front's own token service is; everything else belongs to the registry.
pub(crate) const TOKEN_PATH: &str = "/token";

/// Answers in the registry's place, or leaves a request to it.
type Fault = Box<dyn Fn(&Method, &str) -> Option<Response> + Send + Sync>;

struct Shared {
    upstream: SocketAddr,
    client: reqwest::Client,
    tokens: Option<Tokens>,
    seen: Mutex<Vec<(Method, String)>>,
    fault: Mutex<Option<Fault>>,
    /// How many requests are being answered, and the most of them so far.
    at_once: Mutex<(usize, usize)>,
}

/// A running front.
pub(crate) struct Front {
    shared: Arc<Shared>,
    /// Ends the server when it is dropped.
    runtime: Option<Runtime>,
}

impl Front {
    /// Starts to serve on `listener` for the registry at `upstream`.
    pub(crate) fn start(listener: TcpListener, upstream: SocketAddr, tokens: Option<Tokens>) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            upstream,
            client,
            tokens,
            seen: Mutex::default(),
            fault: Mutex::default(),
            at_once: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        listener.set_nonblocking(true).unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Self { shared, runtime: Some(runtime) }
    }

    /// The requests since the last call, as [`label`] names them, sorted, each with how often it was made.
    pub(crate) fn take_counts(&self) -> Vec<(String, usize)> {
        let mut labels: Vec<String> = self.take().iter().map(|(method, path)| label(method, path)).collect();
        labels.sort();
        labels.chunk_by(|a, b| a == b).map(|same| (same[0].clone(), same.len())).collect()
    }

    /// The requests since the last call, in order.
    pub(crate) fn take(&self) -> Vec<(Method, String)> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.at_once.lock().unwrap().1
    }

    /// From now on `fault` sees each request first.
    pub(crate) fn set_fault(&self, fault: impl Fn(&Method, &str) -> Option<Response> + Send + Sync + 'static) {
        *self.shared.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// From now on the registry answers everything again.
    pub(crate) fn clear_fault(&self) {
        *self.shared.fault.lock().unwrap() = None;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a request is, without names that differ from run to run: `HEAD tag`, `GET blob`, `POST upload`, `GET token`…
pub(crate) fn label(method: &Method, path: &str) -> String {
    let what = if path == "/v2/" {
        "base"
    } else if path.starts_with(TOKEN_PATH) {
        "token"
    } else if path.contains("/blobs/uploads/") {
        "upload"
    } else if path.contains("/blobs/") {
        "blob"
    } else if path.contains("/manifests/sha256:") {
        "manifest"
    } else if path.contains("/manifests/") {
        "tag"
    } else if path.ends_with("/tags/list") {
        "tags"
    } else if path.contains("/referrers/") {
        "referrers"
    } else {
        path
    };
    format!("{method} {what}")
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    {
        let (now, most) = &mut *shared.at_once.lock().unwrap();
        *now += 1;
        *most = (*now).max(*most);
    }
    let answer = answer(&shared, request).await;
    shared.at_once.lock().unwrap().0 -= 1;
    answer
}

async fn answer(shared: &Shared, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    shared.seen.lock().unwrap().push((method.clone(), path.clone()));
    if let Some(answer) = shared.fault.lock().unwrap().as_ref().and_then(|fault| fault(&method, &path)) {
        return answer;
    }
    if let Some(tokens) = shared.tokens.as_ref().filter(|_| path == TOKEN_PATH) {
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        return match tokens.answer(request.uri().query().unwrap_or_default(), authorization) {
            Some(token) => ([(header::CONTENT_TYPE, "application/json")], token.to_string()).into_response(),
            None => StatusCode::UNAUTHORIZED.into_response(),
        };
    }
    hand_on(shared, request).await.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error).into_response())
}

/// The `Host` goes along, so the `Location`s that the registry writes lead back here.
async fn hand_on(shared: &Shared, request: Request) -> Result<Response, String> {
    let (parts, body) = request.into_parts();
    let url = format!("http://{}{}", shared.upstream, parts.uri);
    let body = to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    let answer = shared
        .client
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONNECTION);
    }
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    response.body(Body::from(body)).map_err(|error| error.to_string())
}
