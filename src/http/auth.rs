//! How one registry wants to be asked, and the tokens that it takes: one challenge, one token per repository and right.
//!
//! Owns who gets a credential: the registry itself, a token server on the same scheme, host and port, Docker Hub's own, or
//! the one that settings name. However many requests wait for a token, one of them fetches it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard};
use tokio::time::Instant;
use url::{Origin, Url};

use super::challenge::{Challenge, challenge};
use super::client::{Client, Request};
use super::credentials::{Credential, Credentials, Found};
use super::guard::{Guard, shown};
use super::{Fault, HttpError, Kind, Limits, Right, Scope};

/// Docker Hub's registry and the token server that it has always had.
const DOCKER_HUB: &str = "https://registry-1.docker.io";
const DOCKER_HUB_TOKENS: &str = "https://auth.docker.io";

/// How a token's life is cut short, so that it does not end on the way.
const LIFE: f64 = 0.8;
const LONGEST_LIFE: f64 = 24.0 * 3600.0;

/// What a registry answered about authorization so far.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Manner {
    /// Nobody asked yet.
    Unknown,
    /// A request without authorization was answered.
    Open,
    /// It wants what this says.
    Challenged(Challenge),
}

/// Held by the one request that finds out how a registry wants to be asked.
pub(crate) type Probe = OwnedMutexGuard<()>;

/// The authorization of one registry.
#[derive(Debug)]
pub(crate) struct Auth {
    host: String,
    base: String,
    guard: Guard,
    trusted: Vec<Origin>,
    limits: Limits,
    client: Client,
    credentials: Credentials,
    found: OnceCell<Found>,
    manner: Mutex<Manner>,
    probe: Arc<AsyncMutex<()>>,
    ping: Flight<()>,
    tokens: Mutex<HashMap<Scope, Arc<Flight<Token>>>>,
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    good_until: Instant,
}

impl Auth {
    pub(crate) fn new(
        host: &str,
        base: &str,
        guard: Guard,
        client: Client,
        credentials: Credentials,
        limits: Limits,
    ) -> Self {
        let mut trusted = guard.named.clone();
        if base == DOCKER_HUB {
            trusted.extend(Url::parse(DOCKER_HUB_TOKENS).map(|url| url.origin()));
        }
        Self {
            host: host.to_owned(),
            base: base.to_owned(),
            guard,
            trusted,
            limits,
            client,
            credentials,
            found: OnceCell::new(),
            manner: Mutex::new(Manner::Unknown),
            probe: Arc::default(),
            ping: Flight::default(),
            tokens: Mutex::default(),
        }
    }

    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn found(&self) -> &Found {
        self.found.get_or_init(|| self.credentials.find(&self.host)).await
    }

    /// Whether a credential is configured for this registry, be it usable or not.
    pub(crate) async fn has_credential(&self) -> bool {
        let found = self.found().await;
        found.credential.is_some() || found.problem.is_some()
    }

    /// What a person can do about a denial.
    pub(crate) async fn hint(&self) -> String {
        let found = self.found().await;
        if let Some(problem) = &found.problem {
            return problem.clone();
        }
        if found.credential.is_none() {
            return format!("no credential for {} is configured: log in with `docker login {}`", self.host, self.host);
        }
        match &*self.manner() {
            Manner::Challenged(Challenge::Bearer { realm, .. }) if !self.trusts(realm) => {
                self.untrusted(realm, "its token server is another one, which got no credential")
            }
            Manner::Challenged(Challenge::Basic) if matches!(found.credential, Some(Credential::Identity(_))) => {
                format!("it wants a password, but the credential for {} is an identity token", self.host)
            }
            _ => format!("the credential for {} does not allow it", self.host),
        }
    }

    /// Whether this token server may have the registry's credential.
    fn trusts(&self, realm: &Url) -> bool {
        self.trusted.contains(&realm.origin())
    }

    /// What to do about a token server that nobody vouches for.
    fn untrusted(&self, realm: &Url, why: &str) -> String {
        let origin = realm.origin().ascii_serialization();
        let host = &self.host;
        format!(
            "{why}: if {origin} may have the credential of {host}, set `token-realm = \"{origin}\"` under [registry.\"{host}\"]"
        )
    }

    /// Makes ready to send: learns how to ask and has a token at hand, so that sending waits for nothing.
    ///
    /// With a credential `GET /v2/` asks for the challenge, since a registry may hide what exists from those without. With none
    /// the first request finds out itself: it gets the probe, and the others wait until it is done, once.
    pub(crate) async fn prepare(&self, scope: &Scope) -> Result<Option<Probe>, HttpError> {
        if *self.manner() == Manner::Unknown {
            if self.found().await.credential.is_some() {
                self.ping.get(|()| *self.manner() != Manner::Unknown, || self.in_time(self.ask())).await?;
            } else if let Some(probe) = self.probe().await {
                return Ok(Some(probe));
            }
        }
        self.authorization(scope).await?;
        Ok(None)
    }

    async fn probe(&self) -> Option<Probe> {
        let free = self.probe.clone().try_lock_owned();
        if let Ok(probe) = free {
            return (*self.manner() == Manner::Unknown).then_some(probe);
        }
        // If the one before learned nothing, waiting in a line of failures would take for ever.
        drop(self.probe.lock().await);
        None
    }

    /// What others wait for must end, however slowly a server trickles.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let late = |_| {
            let detail = format!("{}: asking how to log in took too long", self.host);
            Err(HttpError::Transport { detail, fault: Fault::Unreachable })
        };
        tokio::time::timeout(self.limits.silence, work).await.unwrap_or_else(late)
    }

    async fn ask(&self) -> Result<(), HttpError> {
        let url = Url::parse(&format!("{}/v2/", self.base)).map_err(|error| HttpError::Refused(error.to_string()))?;
        let reach = self.guard.check(&url).map_err(|error| HttpError::Refused(error.0))?;
        let request = Request::new(Method::GET, url, Kind::Challenge);
        let answer = self.client.exchange(reach, &request, None).await?;
        match answer.status().as_u16() {
            401 => {
                self.learn(answer.headers());
                let _ = answer.read(self.limits.answer).await;
                Ok(())
            }
            408 | 429 | 500.. => Err(answer.failure(&self.limits).await),
            // Some servers have no such page, and yet answer the rest.
            _ => {
                self.learn_open();
                Ok(())
            }
        }
    }

    /// A request without authorization was answered.
    pub(crate) fn learn_open(&self) {
        let mut manner = self.manner();
        if *manner == Manner::Unknown {
            *manner = Manner::Open;
        }
    }

    fn learn(&self, headers: &HeaderMap) -> bool {
        let Some(challenge) = challenge(headers) else { return false };
        *self.manner() = Manner::Challenged(challenge);
        true
    }

    /// Takes in a 401. Whether asking once more, with another authorization than was sent, makes sense.
    pub(crate) fn challenged(&self, scope: &Scope, headers: &HeaderMap, sent: Option<&HeaderValue>) -> bool {
        if !self.learn(headers) {
            return false;
        }
        match (&*self.manner(), sent) {
            (Manner::Challenged(Challenge::Bearer { .. }), Some(sent)) => {
                let rights: &[Right] = match scope.right {
                    Right::Pull => &[Right::Pull, Right::Push],
                    Right::Push => &[Right::Push],
                };
                for right in rights {
                    self.flight(&Scope { right: *right, ..scope.clone() }).forget(|token| token.header == *sent);
                }
                true
            }
            (_, sent) => sent.is_none(),
        }
    }

    /// What to send along for this scope: nothing where nothing is wanted or nothing is at hand.
    pub(crate) async fn authorization(&self, scope: &Scope) -> Result<Option<HeaderValue>, HttpError> {
        let challenge = match &*self.manner() {
            Manner::Challenged(challenge) => challenge.clone(),
            Manner::Unknown | Manner::Open => return Ok(None),
        };
        let Challenge::Bearer { realm, service } = challenge else {
            return Ok(self.found().await.credential.as_ref().and_then(basic));
        };
        let good = |token: &Token| token.good_until > Instant::now();
        let wider = Scope { right: Right::Push, ..scope.clone() };
        if let Some(token) = self.flight(&wider).peek(good) {
            return Ok(Some(token.header));
        }
        let token =
            self.flight(scope).get(good, || self.in_time(self.fetch_token(&realm, service.as_deref(), scope))).await?;
        Ok(Some(token.header))
    }

    fn flight(&self, scope: &Scope) -> Arc<Flight<Token>> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = tokens.get(scope) {
            return flight.clone();
        }
        tokens.entry(scope.clone()).or_default().clone()
    }

    async fn fetch_token(&self, realm: &Url, service: Option<&str>, scope: &Scope) -> Result<Token, HttpError> {
        let asked_at = Instant::now();
        let reach = self.guard.check(realm).map_err(|error| HttpError::Refused(self.untrusted(realm, &error.0)))?;
        let credential = match &self.found().await.credential {
            Some(credential) if self.trusts(realm) => Some(credential),
            _ => None,
        };
        let request = token_request(realm, service, scope, credential);
        let refused = |error| match error {
            HttpError::Refused(why) => HttpError::Refused(self.untrusted(realm, &why)),
            error => error,
        };
        let answer = self.client.exchange(reach, &request, None).await.map_err(refused)?;
        let server = shown(realm);
        if answer.status().is_redirection() {
            return Err(HttpError::Protocol(format!("the token server {server} redirects, which is never followed")));
        }
        let of_server = |mut error: HttpError| {
            if let HttpError::Status(failure) = &mut error {
                failure.token_server = Some(server.clone());
            }
            error
        };
        let answer = answer.success(&self.limits).await.map_err(of_server)?;
        let body = answer.read(self.limits.answer).await?.body()?;
        let bad = || HttpError::Protocol(format!("the token server {server} gave no usable token"));
        read_token(&body, asked_at).ok_or_else(bad)
    }
}

fn token_request(realm: &Url, service: Option<&str>, scope: &Scope, credential: Option<&Credential>) -> Request {
    let actions = match scope.right {
        Right::Pull => "pull",
        Right::Push => "pull,push",
    };
    let mut scopes = vec![format!("repository:{}:{actions}", scope.repository)];
    scopes.extend(scope.mounted_from.iter().map(|from| format!("repository:{from}:pull")));
    let service = service.map(|service| ("service", service));
    let mut url = realm.clone();
    url.set_fragment(None);
    if let Some(Credential::Identity(token)) = credential {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "chartsync");
        form.extend_pairs(service).append_pair("scope", &scopes.join(" ")).append_pair("refresh_token", token.expose());
        return Request::new(Method::POST, url, Kind::Token)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(Bytes::from(form.finish()));
    }
    url.query_pairs_mut().extend_pairs(service).extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    let request =
        Request::new(Method::GET, url, Kind::Token).header(ACCEPT, HeaderValue::from_static("application/json"));
    match credential.and_then(basic) {
        Some(basic) => request.header(AUTHORIZATION, basic),
        None => request,
    }
}

/// `Basic …`, of a credential that is a password.
fn basic(credential: &Credential) -> Option<HeaderValue> {
    let Credential::Password { user, password } = credential else { return None };
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a token server answers.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

fn read_token(body: &[u8], asked_at: Instant) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token)?;
    if token.is_empty() || token.len() > 64 << 10 {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    // The specification's default; nonsense lives for this request alone.
    let life = answer.expires_in.unwrap_or(60.0).clamp(0.0, LONGEST_LIFE) * LIFE;
    Some(Token { header, good_until: asked_at + Duration::from_secs_f64(life) })
}

/// A value that one task fetches while the others wait for it; they share its failure, too.
#[derive(Debug)]
struct Flight<T> {
    flying: AsyncMutex<()>,
    landed: Mutex<Landed<T>>,
}

#[derive(Debug)]
struct Landed<T> {
    value: Option<T>,
    error: Option<HttpError>,
    count: u64,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self { flying: AsyncMutex::default(), landed: Mutex::new(Landed { value: None, error: None, count: 0 }) }
    }
}

impl<T: Clone> Flight<T> {
    fn landed(&self) -> MutexGuard<'_, Landed<T>> {
        self.landed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value if it is there and good.
    fn peek(&self, good: impl Fn(&T) -> bool) -> Option<T> {
        self.landed().value.clone().filter(good)
    }

    /// Forgets the value if it is this one.
    fn forget(&self, this: impl Fn(&T) -> bool) {
        let mut landed = self.landed();
        if landed.value.as_ref().is_some_and(this) {
            landed.value = None;
        }
    }

    async fn get<F: Future<Output = Result<T, HttpError>>>(
        &self,
        good: impl Fn(&T) -> bool,
        fetch: impl FnOnce() -> F,
    ) -> Result<T, HttpError> {
        let seen = self.landed().count;
        if let Some(value) = self.peek(&good) {
            return Ok(value);
        }
        let _flying = self.flying.lock().await;
        {
            let landed = self.landed();
            if landed.count != seen {
                // Fetched while this task waited: even a value of no duration was meant for it.
                match (&landed.value, &landed.error) {
                    (Some(value), _) => return Ok(value.clone()),
                    (None, Some(error)) => return Err(error.clone()),
                    (None, None) => {}
                }
            }
        }
        let fetched = fetch().await;
        let mut landed = self.landed();
        landed.count += 1;
        landed.value = fetched.as_ref().ok().cloned();
        landed.error = fetched.as_ref().err().cloned();
        fetched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_answers_are_read_within_bounds() {
        let now = Instant::now();
        let check = |body: &str, expected: Option<(&str, u64)>| {
            let found = read_token(body.as_bytes(), now);
            let found =
                found.as_ref().map(|token| (token.header.to_str().unwrap(), (token.good_until - now).as_secs()));
            assert_eq!(found, expected, "{body:.80}");
        };
        check(r#"{"token":"t","expires_in":300,"issued_at":"x"}"#, Some(("Bearer t", 240)));
        check(r#"{"access_token":"t"}"#, Some(("Bearer t", 48)));
        check(r#"{"token":"","access_token":"t","expires_in":1e300}"#, Some(("Bearer t", 69120)));
        check(r#"{"token":"t","expires_in":-5}"#, Some(("Bearer t", 0)));
        check(r#"{"token":"a\r\nX: y"}"#, None);
        check(r#"{"token":""}"#, None);
        check(r#"{"token":7}"#, None);
        check("{}", None);
        check("[]", None);
        check("", None);
        check(&format!(r#"{{"token":"{}"}}"#, "a".repeat(100_000)), None);
        assert!(!format!("{:?}", read_token(br#"{"token":"canary"}"#, now)).contains("canary"));
    }

    #[test]
    fn token_servers_are_trusted_by_scheme_host_and_port() {
        let check = |base: &str, setting: Option<&str>, realm: &str, expected: bool| {
            let named =
                [Some(base), setting].into_iter().flatten().map(|url| Url::parse(url).unwrap().origin()).collect();
            let (guard, limits) = (Guard { named, plain: true }, Limits::default());
            let auth = Auth::new("a", base, guard, Client::new(limits.clone()), Credentials::default(), limits);
            assert_eq!(auth.trusts(&realm.parse().unwrap()), expected, "{base} {realm}");
        };
        let setting = Some("https://auth.example:8443");
        check("https://ghcr.io", None, "https://ghcr.io/token", true);
        check("https://ghcr.io", None, "https://ghcr.io:443/token", true);
        check("https://ghcr.io", None, "https://ghcr.io:8443/token", false);
        check("https://ghcr.io", None, "http://ghcr.io/token", false);
        check("https://ghcr.io", None, "https://ghcr.io.evil.example/token", false);
        check("https://ghcr.io", None, "https://ghcr.io@evil.example/token", false);
        check("https://ghcr.io", None, "https://auth.docker.io/token", false);
        check("https://registry-1.docker.io", None, "https://auth.docker.io/token", true);
        check("http://registry-1.docker.io", None, "https://auth.docker.io/token", false);
        check("https://registry-1.docker.io:5000", None, "https://auth.docker.io/token", false);
        check("https://a.example", None, "https://auth.example:8443/token", false);
        check("https://a.example", setting, "https://auth.example:8443/token", true);
        check("https://a.example", setting, "https://auth.example/token", false);
    }

    #[tokio::test]
    async fn waiters_share_one_flight_and_its_failure() {
        let fetched = std::sync::atomic::AtomicU32::new(0);
        let flight = Flight::<u32>::default();
        let get = |fails: bool| {
            let fetched = &fetched;
            flight.get(
                |_| true,
                move || async move {
                    fetched.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    if fails { Err(HttpError::Protocol("no".into())) } else { Ok(7) }
                },
            )
        };
        let results = futures_util::future::join_all((0..20).map(|_| get(true))).await;
        assert!(results.iter().all(Result::is_err));
        let results = futures_util::future::join_all((0..20).map(|_| get(false))).await;
        assert!(results.iter().all(|result| *result == Ok(7)));
        assert_eq!(fetched.load(std::sync::atomic::Ordering::SeqCst), 2);
        flight.forget(|value| *value == 8);
        assert_eq!(flight.peek(|_| true), Some(7));
        flight.forget(|value| *value == 7);
        assert_eq!(flight.peek(|_| true), None);
    }
}
