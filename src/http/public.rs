//! Fetching what anybody may read, as keyrings: https on every hop, few redirects, no credential, no private address.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::LOCATION;
use url::Url;

use super::client::{Client, Request};
use super::guard::{Guard, shown};
use super::{HttpError, Kind, Limits};

/// The most bytes of a keyring.
pub const KEYRING_LIMIT: u64 = 1 << 20;
/// How many redirects are followed.
const REDIRECTS: usize = 3;

/// Why the bytes behind a URL could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct Unfetched {
    url: String,
    reason: String,
}

/// The bytes behind a URL.
pub async fn fetch_public(url: &Url, limit: u64) -> Result<Bytes, Unfetched> {
    let limits = Limits::default();
    let client = Client::new(limits.clone());
    let fetched = tokio::time::timeout(limits.operation, follow(&client, url, limit, &limits)).await;
    let result = fetched.unwrap_or_else(|_| Err(HttpError::Protocol("it took too long".to_owned())));
    result.map_err(|error| Unfetched { url: shown(url), reason: error.to_string() })
}

async fn follow(client: &Client, url: &Url, limit: u64, limits: &Limits) -> Result<Bytes, HttpError> {
    let guard = Guard { named: Vec::new(), plain: false };
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let reach = guard.check(&url).map_err(|refused| HttpError::Refused(refused.to_string()))?;
        let response = client.exchange(reach, &Request::new(Method::GET, url.clone(), Kind::Keyring), None).await?;
        if !response.status().is_redirection() {
            return response.success(limits).await?.read(limit).await?.body();
        }
        let location = response.header(LOCATION.as_str()).and_then(|location| url.join(location).ok());
        url = location.ok_or_else(|| HttpError::Protocol("it redirects to nowhere".to_owned()))?;
    }
    Err(HttpError::Protocol(format!("it redirects more than {REDIRECTS} times")))
}
