//! Lists of tags: pages, and why there is no next one.
//!
//! Owns `Link`. A list ends when a page names no next one or adds nothing, whatever the registry goes on to promise.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::LINK;
use serde::Deserialize;
use url::Url;

use super::Remote;
use crate::http::{Answer, HttpError, Kind, Request};
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

/// `Link: </v2/…?last=…>; rel="next"`.
fn next_page(answer: &Answer) -> Result<Option<Url>, HttpError> {
    let Some(target) = answer.header(LINK.as_str()).and_then(next_target) else { return Ok(None) };
    let bad = |_| HttpError::Protocol("the registry names a next page that is no URL".into());
    answer.url.join(target).map(Some).map_err(bad)
}

fn next_target(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let is_next = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && value.eq_ignore_ascii_case("next")
        };
        if after[..end].split(';').any(is_next) {
            return Some(target);
        }
        rest = &after[end..];
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_name_the_next_page() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            ("</x>; rel=next", Some("/x")),
            (r#"</p>; rel="prev", </n>; rel="next""#, Some("/n")),
            (r#"</n>; title="a"; REL = "Next", </p>; rel="prev""#, Some("/n")),
            (r#"</p>; rel="prev""#, None),
            ("</x>", None),
            ("</x; rel=next", None),
            ("", None),
            ("<<<>>>;;;===", None),
        ] {
            assert_eq!(super::next_target(header), expected, "{header}");
        }
    }
}
