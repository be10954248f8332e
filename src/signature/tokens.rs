//! Asking the CI system for an identity token. Knows nothing of what a token says.

use std::time::{Duration, Instant};

use serde::Deserialize;
use sigstore_sign::oidc::IdentityToken;
use sigstore_sign::reqwest;

use crate::signature::error::{Service, SignatureError};
use crate::signature::tries::{Failure, Line};
use crate::tally::{self, Exchange};

/// What GitHub answers.
#[derive(Deserialize)]
struct Answer {
    value: String,
}

/// Where tokens are asked for.
#[derive(Debug)]
pub(super) struct Tokens {
    line: Line,
    patience: Duration,
}

impl Tokens {
    pub(super) fn new(patience: Duration) -> Self {
        Self { line: Line::to(Service::Tokens, patience), patience }
    }

    /// A token of GitHub's for this audience. `sigstore-sign` asks once, waits for ever, and does not tell why it got none.
    pub(super) async fn of_github(&self, url: &str, bearer: &str, audience: &str) -> Result<String, SignatureError> {
        let defect = |error: reqwest::Error| SignatureError::Defect(error.without_url().to_string());
        let client = reqwest::Client::builder()
            .timeout(self.patience)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("chartsync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(defect)?;
        let mut url = url::Url::parse(url)
            .map_err(|error| SignatureError::NoToken(format!("the address to ask for one is none: {error}")))?;
        url.query_pairs_mut().append_pair("audience", audience);
        // The address may carry what is nobody's business.
        let lost = |error: reqwest::Error| Failure::Passing(error.without_url().to_string());
        let ask = async || {
            let begun = Instant::now();
            tally::sent(0);
            let asked = client.get(url.clone()).bearer_auth(bearer).send().await.map_err(reqwest::Error::without_url);
            tally::exchanged(|| Exchange {
                method: "GET",
                url: format!("{}{}", url.origin().ascii_serialization(), url.path()),
                answer: match &asked {
                    Ok(answer) => tally::Answer::Status(answer.status().as_u16()),
                    Err(error) => tally::Answer::None(error.to_string()),
                },
                time: begun.elapsed(),
            });
            let answer = asked.map_err(lost)?;
            let status = answer.status();
            if !status.is_success() {
                return Err(Failure::of_status(status.as_u16(), status.canonical_reason().unwrap_or_default()));
            }
            let body = answer.bytes().await.map_err(lost)?;
            tally::received(body.len());
            let answer: Answer = serde_json::from_slice(&body)
                .map_err(|_| Failure::Lasting("its answer is not JSON with a `value`".to_owned()))?;
            Ok(answer.value)
        };
        self.line.ask(0, ask).await.map_err(no_token)
    }

    /// A token of another CI system's, if this is one.
    pub(super) async fn of_others(&self) -> Result<Option<IdentityToken>, SignatureError> {
        let ask = async || IdentityToken::detect_ambient().await.map_err(|error| Failure::Lasting(error.to_string()));
        self.line.ask(0, ask).await.map_err(no_token)
    }
}

/// Who refuses a token has answered.
fn no_token(error: SignatureError) -> SignatureError {
    match error {
        SignatureError::Refused { service, detail } => SignatureError::NoToken(format!("{service} refused: {detail}")),
        other => other,
    }
}
