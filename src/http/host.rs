//! One server: its address, how many requests it gets at once, its pace and its authorization.
//!
//! Owns the way of a request from "wanted" to "answered": a place in the queue, a token, redirects, another attempt.

use std::future::Future;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderValue, LOCATION};
use tokio::time::Instant;
use url::{Origin, Url};

use super::auth::Auth;
use super::client::{Answer, Client, Request, Response};
use super::credentials::Credentials;
use super::guard::{Guard, shown};
use super::retry::{self, Next, Pace};
use super::window::{Place, Window};
use super::{Fault, HttpError, Kind, Limits, Scope};

/// One server.
#[derive(Debug)]
pub(crate) struct Host {
    base: String,
    origin: Origin,
    guard: Guard,
    client: Client,
    auth: Auth,
    limits: Limits,
    window: Window,
    pace: Pace,
}

/// How a server is to be reached, as settings say.
#[derive(Debug, Clone)]
pub(crate) struct Way<'a> {
    /// Over plain http.
    pub(crate) plain: bool,
    /// How many requests it gets at once, unless it says that these are too many.
    pub(crate) concurrency: usize,
    /// The token server on another host that may have its credential.
    pub(crate) token_realm: Option<&'a Url>,
}

impl Host {
    /// The server of this name: `host` or `host:port`, as references spell it.
    pub(crate) fn new(name: &str, way: &Way<'_>, client: Client, credentials: Credentials, limits: Limits) -> Self {
        let scheme = if way.plain { "http" } else { "https" };
        let server = match name {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            name => name,
        };
        let base = format!("{scheme}://{server}");
        // A name that is no host, such as one with the port 99999, has an origin that nothing equals.
        let origin = Url::parse(&base).map_or_else(|_| Origin::new_opaque(), |url| url.origin());
        let mut named = vec![origin.clone()];
        named.extend(way.token_realm.map(Url::origin));
        let guard = Guard { named, plain: way.plain };
        let auth = Auth::new(name, &base, guard.clone(), client.clone(), credentials, limits.clone());
        let window = Window::new(way.concurrency);
        Self { base, origin, guard, client, auth, limits, window, pace: Pace::new() }
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The URL of a path that begins with `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, HttpError> {
        let url = format!("{}{path}", self.base);
        Url::parse(&url).map_err(|error| HttpError::Refused(format!("{url} is not a URL: {error}")))
    }

    /// Whether this URL is on this very server: scheme, host and port.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// The answer to a request once it is a success; its body is left out if it is longer than `limit` bytes.
    pub(crate) async fn fetch(
        &self,
        scope: &Scope,
        time: Duration,
        request: &Request,
        limit: u64,
    ) -> Result<Answer, HttpError> {
        self.run(scope, time, || self.fetch_once(scope, request, limit)).await
    }

    /// The same in one attempt: for attempts of several requests.
    pub(crate) async fn fetch_once(&self, scope: &Scope, request: &Request, limit: u64) -> Result<Answer, HttpError> {
        let response = self.send(scope, request).await?;
        let url = response.url.clone();
        let failed = |error| match error {
            // GitHub's registry leads these questions to its web site, which throttles on its own.
            HttpError::Status(mut failure) if request.kind == Kind::Referrers && !self.is_own(&url) => {
                failure.elsewhere = Some(shown(&url));
                HttpError::Status(failure)
            }
            error => error,
        };
        response.success(&self.limits).await.map_err(failed)?.read(limit).await
    }

    /// Does something with this server until it is done, fails for good, or `time` is over.
    ///
    /// Each attempt begins anew, so it must be one that may be repeated whole. Time in queues is not counted.
    pub(crate) async fn run<T, F>(&self, scope: &Scope, time: Duration, attempt: impl Fn() -> F) -> Result<T, HttpError>
    where
        F: Future<Output = Result<T, HttpError>> + Send,
    {
        let mark = self.pace.answers();
        let mut left = time;
        let mut number = 0;
        loop {
            number += 1;
            self.pace.up()?;
            let (place, result, spent) = self.attempt_once(scope, left, &attempt).await;
            let error = match result {
                Ok(value) => {
                    place.iter().for_each(Place::answered);
                    self.pace.answered();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if retry::crowds(&error) {
                place.iter().for_each(Place::throttled);
            }
            left = left.saturating_sub(spent);
            let Next::Wait { delay, host } = retry::next(&error, number, left, &self.limits) else {
                self.give_up(mark, &error, place.as_ref());
                return Err(error);
            };
            left = left.saturating_sub(delay);
            if host {
                // Before the place is free, so that whoever gets it sees the pause.
                self.pace.pause(delay);
            }
            drop(place);
            if !host {
                tokio::time::sleep(delay).await;
            }
        }
    }

    fn give_up(&self, mark: u64, error: &HttpError, place: Option<&Place<'_>>) {
        if retry::condemns(error) {
            self.pace.failed(mark, error, &self.limits);
        } else {
            // "Not found" is the usual answer of a first publication.
            place.into_iter().for_each(Place::answered);
            self.pace.answered();
        }
    }

    async fn attempt_once<T, F>(
        &self,
        scope: &Scope,
        left: Duration,
        attempt: &impl Fn() -> F,
    ) -> (Option<Place<'_>>, Result<T, HttpError>, Duration)
    where
        F: Future<Output = Result<T, HttpError>> + Send,
    {
        let (place, probe) = match self.admit(scope).await {
            Ok(admitted) => admitted,
            Err(error) => return (None, Err(error), Duration::ZERO),
        };
        let begun = Instant::now();
        let late = |_| {
            let detail = format!("there was no whole answer within {} s", left.as_secs_f32().ceil());
            Err(HttpError::Transport { detail, fault: Fault::Unreachable })
        };
        let result = tokio::time::timeout(left, attempt()).await.unwrap_or_else(late);
        drop(probe);
        (Some(place), result, begun.elapsed())
    }

    /// Waits for a pause to end, a token and a place; nothing is held while waiting for another.
    async fn admit(&self, scope: &Scope) -> Result<(Place<'_>, Option<super::auth::Probe>), HttpError> {
        loop {
            self.pace.ready().await;
            let probe = self.auth.prepare(scope).await?;
            let closed = |_| HttpError::Protocol("a defect in chartsync: the queue is closed".into());
            let place = self.window.place().await.map_err(closed)?;
            if self.pace.paused_until().is_none() {
                return Ok((place, probe));
            }
        }
    }

    /// Sends a request with this server's authorization, follows redirects, and answers a 401 once.
    async fn send(&self, scope: &Scope, request: &Request) -> Result<Response, HttpError> {
        let sent = self.auth.authorization(scope).await?;
        let answer = self.follow(request, sent.as_ref()).await?;
        let own = self.is_own(&answer.url);
        if answer.status() != 401 || !own {
            if sent.is_none() && own && answer.status().as_u16() < 500 && answer.status() != 429 {
                self.auth.learn_open();
            }
            return Ok(answer);
        }
        if !self.auth.challenged(scope, answer.headers(), sent.as_ref()) {
            return Ok(answer);
        }
        let Some(authorization) = self.auth.authorization(scope).await? else { return Ok(answer) };
        // Read to the end, the connection can be used again.
        let _ = answer.read(self.limits.answer).await;
        self.follow(request, Some(&authorization)).await
    }

    /// Follows redirects of reading requests; the authorization goes to this server alone.
    async fn follow(&self, request: &Request, authorization: Option<&HeaderValue>) -> Result<Response, HttpError> {
        let mut request = request.clone();
        for _ in 0..=self.limits.redirects {
            let reach = self.guard.check(&request.url).map_err(|error| HttpError::Refused(error.0))?;
            let authorization = authorization.filter(|_| self.is_own(&request.url));
            let answer = self.client.exchange(reach, &request, authorization).await?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            if !matches!(request.method, Method::GET | Method::HEAD) {
                let text = "the registry redirects a request that writes, which is never followed";
                return Err(HttpError::Protocol(text.into()));
            }
            let to = answer.header(LOCATION.as_str()).and_then(|to| answer.url.join(to).ok());
            request.url = to.ok_or_else(|| HttpError::Protocol("the registry redirects to no URL".into()))?;
        }
        Err(HttpError::Protocol(format!(
            "the registry redirects more than {} times, at last to {}",
            self.limits.redirects,
            shown(&request.url)
        )))
    }
}
