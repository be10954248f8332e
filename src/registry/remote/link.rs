//! Where a list goes on: the `Link` of a page.
//!
//! Owns how it is read. Whether it is followed is for the lists to say.

use reqwest::header::LINK;
use url::Url;

use crate::http::{Answer, HttpError};

/// `Link: </v2/…?last=…>; rel="next"`.
pub(super) fn next_page(answer: &Answer) -> Result<Option<Url>, HttpError> {
    let Some(target) = answer.header(LINK.as_str()).and_then(next_target) else { return Ok(None) };
    let bad = |_| HttpError::Protocol("the registry names a next page that is no URL".into());
    answer.url.join(target).map(Some).map_err(bad)
}

pub(crate) fn next_target(header: &str) -> Option<&str> {
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
