//! Who this run is: the identity token, fetched where it runs, and what it claims.
//!
//! Owns where tokens come from and which claim becomes the certificate's identity. The claims are not believed: Fulcio checks
//! the token, and the certificate is checked when it comes. They only tell early what would fail late.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sigstore_sign::oidc::IdentityToken;

use crate::signature::error::SignatureError;
use crate::signature::tokens::Tokens;

/// What tokens are asked for, and what Fulcio takes.
const AUDIENCE: &str = "sigstore";
/// A token that was fetched outside: for CI systems without a way of their own, and for people.
const TOKEN_VARIABLE: &str = "SIGSTORE_ID_TOKEN";
/// How far this machine's clock may be from the issuer's and the log's.
pub(super) const SKEW: Duration = Duration::from_mins(1);

/// An identity token with what it claims.
pub(super) struct Token {
    pub(super) token: IdentityToken,
    claims: Value,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("issuer", &self.issuer()).field("identity", &self.identity()).finish()
    }
}

impl Token {
    /// Gets a token from where this process runs.
    pub(super) async fn fetch(tokens: &Tokens) -> Result<Self, SignatureError> {
        if let Some(text) = variable(TOKEN_VARIABLE) {
            return Self::parse(text.trim());
        }
        let asks = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"].map(variable);
        match (variable("GITHUB_ACTIONS"), asks) {
            (Some(_), [Some(url), Some(bearer)]) => Self::parse(&tokens.of_github(&url, &bearer, AUDIENCE).await?),
            (Some(_), _) => {
                let detail = "this GitHub Actions job may not ask for one (pull requests from forks never may)";
                Err(SignatureError::NoToken(detail.to_owned()))
            }
            (None, _) => match tokens.of_others().await? {
                Some(token) => Self::parse(token.expose_secret()),
                None => Err(SignatureError::NoToken(format!("this is no CI job, and {TOKEN_VARIABLE} is not set"))),
            },
        }
    }

    /// Reads what a token claims. Whatever is wrong with it, the error does not show it.
    fn parse(text: &str) -> Result<Self, SignatureError> {
        let bad = |detail: &str| SignatureError::BadToken(detail.to_owned());
        let payload = text.split('.').nth(1).ok_or_else(|| bad("it is no JSON Web Token"))?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| bad("its payload is not base64url"))?;
        let claims = serde_json::from_slice(&payload).map_err(|_| bad("its payload is not JSON"))?;
        let token = IdentityToken::from_jwt(text).map_err(|_| bad("it lacks `iss`, `sub` or `exp`"))?;
        Ok(Self { token, claims })
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims[name].as_str().filter(|value| !value.is_empty())
    }

    pub(super) fn issuer(&self) -> &str {
        self.claim("iss").unwrap_or_default()
    }

    /// The identity that Fulcio writes into the certificate (its `docs/oidc.md`): the called workflow of GitHub, the
    /// configuration of GitLab, an address, else the subject.
    pub(super) fn identity(&self) -> String {
        if let Some(workflow) = self.claim("job_workflow_ref") {
            return format!("https://github.com/{workflow}");
        }
        if let Some(configuration) = self.claim("ci_config_ref_uri") {
            return format!("https://{configuration}");
        }
        self.claim("email").or(self.claim("sub")).unwrap_or_default().to_owned()
    }

    /// Whether it still holds for so many seconds.
    pub(super) fn lasts(&self, now: i64, seconds: i64) -> bool {
        self.claims["exp"].as_i64().is_some_and(|expires| expires.saturating_sub(now) >= seconds)
    }

    /// Whether issuer and identity are these, now.
    pub(super) fn check(&self, issuer: &str, identity: &str, now: i64) -> Result<(), SignatureError> {
        let wrong = |what, found: &str, wanted: &str| SignatureError::WrongIdentity {
            what,
            found: found.chars().take(300).collect(),
            wanted: wanted.to_owned(),
        };
        if self.issuer() != issuer {
            return Err(wrong("issuer", self.issuer(), issuer));
        }
        let found = self.identity();
        if found != identity {
            return Err(wrong("identity", &found, identity));
        }
        let audience = match &self.claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == AUDIENCE),
            one => one == AUDIENCE,
        };
        if !audience {
            return Err(SignatureError::BadToken(format!("it is not for the audience `{AUDIENCE}`")));
        }
        if !self.lasts(now, 1) {
            let since = now.saturating_sub(self.claims["exp"].as_i64().unwrap_or(now));
            return Err(SignatureError::BadToken(format!("it expired {since} s ago by this machine's clock")));
        }
        let begins = ["nbf", "iat"].iter().filter_map(|claim| self.claims[*claim].as_i64()).max().unwrap_or(now);
        if begins > now.saturating_add_unsigned(SKEW.as_secs()) {
            let early = begins.saturating_sub(now);
            return Err(SignatureError::BadToken(format!("it is valid only in {early} s by this machine's clock")));
        }
        Ok(())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const WORKFLOW: &str = "https://github.com/vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main";

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "aud": "sigstore", "sub": "repo:vexxhost/charts:ref:refs/heads/main",
            "job_workflow_ref": "vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main",
            "iat": NOW - 5, "nbf": NOW - 600, "exp": NOW + 295,
        })
    }

    fn token(claims: &Value) -> Result<Token, SignatureError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Token::parse(&format!("{}.{}.c2ln", part(&json!({ "alg": "RS256" })), part(claims)))
    }

    #[test]
    fn a_token_is_compared_whole_before_anything_is_written() {
        let check = |edit: &dyn Fn(&mut Value), expect: &str| {
            let mut claims = claims();
            edit(&mut claims);
            let found = token(&claims).unwrap().check(ISSUER, WORKFLOW, NOW);
            let found = found.map_or_else(|error| error.to_string(), |()| "good".to_owned());
            assert!(found.contains(expect), "{found}");
        };
        check(&|_| {}, "good");
        check(&|claims| claims["aud"] = json!(["other", "sigstore"]), "good");
        check(
            &|claims| claims["iss"] = json!("https://gitlab.example"),
            "the issuer of this run is `https://gitlab.example`",
        );
        check(&|claims| claims["aud"] = json!("sts.amazonaws.com"), "not for the audience `sigstore`");
        check(&|claims| claims["exp"] = json!(NOW), "it expired 0 s ago");
        check(&|claims| claims["exp"] = json!(NOW - 600), "it expired 600 s ago by this machine's clock");
        check(&|claims| claims["iat"] = json!(NOW + 600), "valid only in 600 s by this machine's clock");
        for other in [
            "vexxhost/charts/.github/workflows/publish.yaml@refs/heads/main",
            "vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/topic",
            "vexxhost/charts2/.github/workflows/mirror.yaml@refs/heads/main",
            "vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main2",
        ] {
            check(&|claims| claims["job_workflow_ref"] = json!(other), &format!("is `https://github.com/{other}`"));
        }
    }

    #[test]
    fn each_kind_of_issuer_has_its_identity() {
        let identity = |claims: &Value| token(claims).unwrap().identity();
        assert_eq!(identity(&claims()), WORKFLOW);
        let gitlab = json!({ "iss": "i", "sub": "s", "exp": NOW, "ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main" });
        assert_eq!(identity(&gitlab), "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main");
        assert_eq!(identity(&json!({ "iss": "i", "sub": "s", "exp": NOW, "email": "a@b.example" })), "a@b.example");
        assert_eq!(identity(&json!({ "iss": "i", "sub": "s", "exp": NOW })), "s");
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        for text in ["", "secret", "a.secret.c", "a.c2VjcmV0.c", "e30.e30.e30"] {
            let error = Token::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
        }
        let token = token(&claims()).unwrap();
        assert!(!format!("{token:?}").contains("c2ln"));
    }
}
