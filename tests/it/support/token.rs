//! A token service as registries have: signed tokens for the scopes asked for.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::registry::{PASSWORD, USER};

pub(crate) const SERVICE: &str = "throw-away registry";
pub(crate) const ISSUER: &str = "throw-away issuer";
const KEY_ID: &str = "throw-away";

/// Signs tokens. Whoever knows the password may do what it asks for; whoever says no name may pull.
pub(crate) struct Tokens(EcdsaKeyPair);

impl Tokens {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key as the registry wants it.
    pub(crate) fn jwks(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let part = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": part(&point[1..33]), "y": part(&point[33..]),
        }]})
    }

    /// The answer to a token request, `None` for wrong credentials: `query` as in the URL, `authorization` as in the header.
    pub(crate) fn answer(&self, query: &str, authorization: Option<&str>) -> Option<Value> {
        let known = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let may_push = match authorization {
            None => false,
            Some(basic) if basic == known => true,
            Some(_) => return None,
        };
        let access: Vec<Value> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, scopes)| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|scope| grant(&scope, may_push))
            .collect();
        Some(json!({"token": self.sign(&access), "expires_in": 300}))
    }

    fn sign(&self, access: &[Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": KEY_ID});
        let claims = json!({
            "iss": ISSUER, "sub": USER, "aud": SERVICE, "iat": now, "nbf": now, "exp": now + 300, "jti": "1", "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// `repository:NAME:pull,push` as an entry of a token's `access`.
fn grant(scope: &str, may_push: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions.split(',').filter(|action| may_push || *action == "pull").collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}
