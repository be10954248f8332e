//! The one part of a local Sigstore that cannot be had offline: an issuer of identity tokens as GitHub's, with the endpoint that
//! jobs with `id-token: write` are given.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const KEY_ID: &str = "throw-away";
const TOKEN_PATH: &str = "/token";
/// The path of the other issuer.
const OTHER: &str = "/other";

/// What a token says of the job that asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    /// `owner/name`.
    pub(crate) repository: String,
    /// The workflow's path in the repository.
    pub(crate) workflow: String,
    pub(crate) git_ref: String,
    /// `iss`; the issuer's own when absent.
    pub(crate) issuer: Option<String>,
    /// Seconds from now to `iat`: a clock that is behind has negative ones.
    pub(crate) issued_in: i64,
    /// Seconds from `iat` to `exp`.
    pub(crate) lifetime: i64,
    /// The endpoint refuses to give a token (403).
    pub(crate) refused: bool,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            repository: "vexxhost/charts".to_owned(),
            workflow: ".github/workflows/mirror.yaml".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            issuer: None,
            issued_in: 0,
            lifetime: 300,
            refused: false,
        }
    }
}

impl Claims {
    /// A token that was good until ten minutes ago.
    pub(crate) fn expired() -> Self {
        Self { issued_in: -900, ..Self::default() }
    }

    /// A token of an issuer whose clock is ten minutes ahead: not good yet.
    pub(crate) fn early() -> Self {
        Self { issued_in: 600, ..Self::default() }
    }

    /// The identity that Fulcio certifies for it.
    pub(crate) fn identity(&self) -> String {
        format!("https://github.com/{}", self.workflow_ref())
    }

    fn workflow_ref(&self) -> String {
        format!("{}/{}@{}", self.repository, self.workflow, self.git_ref)
    }

    fn json(&self, issuer: &str, audience: &str) -> Value {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let from = now + self.issued_in;
        let owner = self.repository.split('/').next().unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        json!({
            "iss": self.issuer.as_deref().unwrap_or(issuer),
            "aud": audience,
            "sub": format!("repo:{}:ref:{}", self.repository, self.git_ref),
            "iat": from, "nbf": from, "exp": from + self.lifetime,
            "jti": random(),
            "repository": self.repository, "repository_id": "1001",
            "repository_owner": owner, "repository_owner_id": "2002",
            "repository_visibility": "public",
            "ref": self.git_ref, "ref_type": "branch", "ref_protected": "true", "sha": commit,
            "workflow": "publish",
            "workflow_ref": self.workflow_ref(), "workflow_sha": commit,
            "job_workflow_ref": self.workflow_ref(), "job_workflow_sha": commit,
            "run_id": "3003", "run_number": "7", "run_attempt": "1",
            "runner_environment": "github-hosted",
            "event_name": "push", "base_ref": "", "head_ref": "",
            "actor": "octocat", "actor_id": "4004",
        })
    }
}

/// A running issuer.
pub(super) struct Issuer {
    shared: Arc<Shared>,
    /// Serves as long as it is there.
    _runtime: Runtime,
}

struct Shared {
    url: String,
    key: KeyPair,
    /// The jobs that may ask, by their bearer tokens.
    jobs: Mutex<HashMap<String, Claims>>,
}

impl Issuer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let shared = Shared { url, key: KeyPair::generate(KeySize::Rsa2048).unwrap(), jobs: Mutex::default() };
        let shared = Arc::new(shared);
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/other/.well-known/openid-configuration", get(other_discovery))
            .route("/jwks", get(jwks))
            .route(TOKEN_PATH, get(token))
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Self { shared, _runtime: runtime }
    }

    /// `http://localhost:PORT`.
    pub(super) fn url(&self) -> &str {
        &self.shared.url
    }

    /// Another issuer that Fulcio trusts: tokens name it when [`Claims::issuer`] does.
    pub(super) fn other_url(&self) -> String {
        self.shared.url.clone() + OTHER
    }

    /// A token for Sigstore.
    pub(super) fn token(&self, claims: &Claims) -> String {
        self.shared.sign(claims, "sigstore")
    }

    /// What GitHub sets for a job with `id-token: write`; `host` is where the endpoint is asked.
    pub(super) fn environment(&self, claims: &Claims, host: &str) -> Vec<(String, String)> {
        let bearer = random();
        self.shared.jobs.lock().unwrap().insert(bearer.clone(), claims.clone());
        vec![
            ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), format!("{host}{TOKEN_PATH}?api-version=2.0")),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), bearer),
        ]
    }
}

impl Shared {
    /// What relying parties ask an issuer for first; both have the same key.
    fn describe(&self, path: &str) -> Value {
        let url = &self.url;
        json!({
            "issuer": format!("{url}{path}"), "jwks_uri": format!("{url}/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    fn sign(&self, claims: &Claims, audience: &str) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KEY_ID});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims.json(&self.url, audience)));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    answer(&shared.describe(""))
}

async fn other_discovery(State(shared): State<Arc<Shared>>) -> Response {
    answer(&shared.describe(OTHER))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    let key = shared.key.public_key();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    answer(&json!({"keys": [{
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID,
        "n": part(key.modulus().big_endian_without_leading_zero()),
        "e": part(key.exponent().big_endian_without_leading_zero()),
    }]}))
}

async fn token(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, bearer) = bearer.split_once(' ').unwrap_or_default();
    let claims = shared.jobs.lock().unwrap().get(bearer).filter(|_| scheme.eq_ignore_ascii_case("bearer")).cloned();
    let query = query.unwrap_or_default();
    let audience = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "audience");
    match (claims, audience) {
        (None, _) => StatusCode::UNAUTHORIZED.into_response(),
        (Some(claims), _) if claims.refused => StatusCode::FORBIDDEN.into_response(),
        (Some(_), None) => StatusCode::BAD_REQUEST.into_response(),
        (Some(claims), Some((_, audience))) => answer(&json!({"value": shared.sign(&claims, &audience)})),
    }
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn random() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes).unwrap();
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
