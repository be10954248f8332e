//! Lists of tags: pages, and why there is no next one.
//!
//! A list ends when a page names no next one or adds nothing, whatever the registry goes on to promise.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;

use super::Remote;
use super::link::next_page;
use crate::http::{Kind, Request};
use crate::oci::{Repository, Tag};
use crate::registry::RegistryError;

/// One page.
#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

pub(super) async fn list(remote: &Remote, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
    let what = format!("the tags of {repository}");
    let protocol = |detail: String| RegistryError::Protocol { what: what.clone(), detail };
    let mut tags = BTreeSet::new();
    let first = remote.host.url(&format!("/v2/{}/tags/list?n=1000", repository.path()));
    let mut url = remote.named(&what, first).await?;
    for _ in 0..remote.limits.pages {
        let request = Request::new(Method::GET, url, Kind::Tags);
        let answer = remote.fetch(repository, remote.right, &request, remote.limits.answer).await;
        let answer = remote.named(&what, answer).await?;
        let next = next_page(&answer);
        let body = remote.named(&what, answer.body()).await?;
        let page: Page =
            serde_json::from_slice(&body).map_err(|_| protocol("the answer is not a list of tags".into()))?;
        let known = tags.len();
        // What is no tag cannot be asked for either.
        tags.extend(page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse::<Tag>().ok()));
        if tags.len() > remote.limits.tags {
            return Err(protocol(format!("there are more than {} tags", remote.limits.tags)));
        }
        url = match next.map_err(|error| protocol(error.to_string()))? {
            Some(next) if tags.len() > known => next,
            _ => return Ok(tags.into_iter().collect()),
        };
        if !remote.host.is_own(&url) {
            return Err(protocol("the list goes on at another server, where it is not followed".into()));
        }
    }
    Err(protocol(format!("the list has more than {} pages", remote.limits.pages)))
}
