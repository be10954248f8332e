use std::collections::BTreeMap;

use axum::response::Response;

use super::server::{Seen, Server, answer, cut_off, quick};
use super::*;
use crate::oci::{ImageIndex, IndexEntry};
use crate::registry::ListedBy;

/// One answer, made anew for each request.
type Canned = fn() -> Response;

pub(super) const INDEX: &str = "content-type: application/vnd.oci.image.index.v1+json";
pub(super) const MISSING: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#;
const IMAGE: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
const EMPTY: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

pub(super) fn subject() -> Digest {
    Digest::of(b"chart")
}

/// An index of image manifests `number`, `number + 1`…
pub(super) fn index(numbers: std::ops::Range<usize>) -> String {
    let mut index = ImageIndex::default();
    for number in numbers {
        let descriptor = Descriptor::of(IMAGE_MANIFEST, format!("referrer {number}").as_bytes());
        index.add(IndexEntry { descriptor, artifact_type: (number % 2 == 0).then(|| "even".into()) }, &BTreeMap::new());
    }
    String::from_utf8(index.to_bytes()).unwrap()
}

pub(super) fn listed(referrers: &Referrers) -> Vec<Digest> {
    referrers.listed.iter().map(|referrer| referrer.descriptor.digest).collect()
}

pub(super) fn numbers(numbers: std::ops::Range<usize>) -> Vec<Digest> {
    numbers.map(|number| Digest::of(format!("referrer {number}").as_bytes())).collect()
}

/// A registry without the API, and what its fallback tag answers.
async fn without_api(tag: Canned) -> Server {
    Server::new(move |seen| async move {
        if seen.line.contains("/referrers/") { answer(404, &[], "404 page not found") } else { tag() }
    })
    .await
}

#[tokio::test]
async fn the_api_lists_what_is_attached() {
    let server = Server::in_turn(vec![|| answer(200, &[INDEX], index(0..3))]).await;
    let referrers = server.registry().referrers(&server.repository(), &subject()).await.unwrap();
    assert_eq!((listed(&referrers), referrers.by, referrers.cut), (numbers(0..3), ListedBy::Api, None));
    let types: Vec<_> = referrers.listed.into_iter().map(|referrer| referrer.artifact_type).collect();
    assert_eq!(types, [Some("even".into()), None, Some("even".into())]);
    assert_eq!(server.lines(), [format!("GET /v2/charts/a/referrers/{}", subject())]);
}

/// However many ask at once, one of them finds out whether there is an API; where there is one, each is answered by it.
#[tokio::test]
async fn one_of_many_finds_out_whether_there_is_an_api() {
    let check = async |server: Server, by_api: usize, by_tag: usize| {
        let (registry, repository) = (server.registry(), server.repository());
        let subjects: Vec<_> = (0..5).map(|number: u8| Digest::of(&[number])).collect();
        let asked = subjects.iter().map(|subject| registry.referrers(&repository, subject));
        futures_util::future::try_join_all(asked).await.unwrap();
        let of_api = server.lines().iter().filter(|line| line.contains("/referrers/")).count();
        assert_eq!((of_api, server.lines().len() - of_api), (by_api, by_tag), "{:?}", server.lines());
    };
    check(without_api(|| answer(404, &[], MISSING)).await, 1, 5).await;
    check(Server::in_turn(vec![|| answer(200, &[INDEX], EMPTY)]).await, 5, 0).await;
}

/// What a consumer takes for "no API" leads to the tag, where only 404 says that nothing is attached.
#[tokio::test]
async fn registries_without_the_api_have_the_fallback_tag() {
    // The answer, and whether the next question goes straight to the tag.
    let api: [(Canned, bool); 9] = [
        (|| answer(404, &[], "404 page not found"), true),
        (|| answer(400, &[], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#), true),
        (|| answer(406, &[], ""), true),
        (|| answer(404, &[], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#), false),
        (|| answer(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#), false),
        (|| answer(200, &["content-type: text/html"], "<html>"), false),
        (|| answer(200, &["content-type: application/vnd.oci.image.index.v1+json; charset=utf-8"], EMPTY), false),
        (|| answer(200, &["content-type: application/json"], EMPTY), false),
        (|| answer(200, &[], EMPTY), false),
    ];
    for (api, remembered) in api {
        let server = Server::new(move |seen| async move {
            match seen.line.as_str() {
                line if line.contains("/referrers/") => api(),
                line if line.ends_with(subject().fallback_tag().as_str()) => answer(200, &[INDEX], index(0..2)),
                _ => answer(404, &[], MISSING),
            }
        })
        .await;
        let registry = server.registry();
        let found = registry.referrers(&server.repository(), &subject()).await.unwrap();
        assert_eq!((listed(&found), found.by, found.cut), (numbers(0..2), ListedBy::FallbackTag, None));
        let none = registry.referrers(&server.repository(), &Digest::of(b"other")).await.unwrap();
        assert_eq!((none.listed.len(), none.by, none.cut), (0, ListedBy::FallbackTag, None));
        assert_eq!(server.lines().len(), if remembered { 3 } else { 4 }, "{:?}", server.lines());
        let elsewhere = server.repository().join("b").unwrap();
        registry.referrers(&elsewhere, &subject()).await.unwrap();
        assert!(server.lines().iter().any(|line| line.contains("/a/b/referrers/")), "only for its repository");
    }
}

/// Callers sign what has no signature: trouble must never look like that.
#[tokio::test]
async fn what_the_api_cannot_say_is_an_error() {
    let long = || answer(200, &[INDEX], "x".repeat(5 << 20));
    let cases: [(Canned, &str, &str, usize); 17] = [
        (|| answer(429, &[], "slow down"), "throttled", "slow down", 3),
        (|| answer(403, &["retry-after: 3600"], ""), "throttled", "3600", 1),
        (|| answer(401, &[], ""), "denied", "401", 1),
        (|| answer(403, &[], ""), "denied", "403", 1),
        (|| answer(303, &[], ""), "protocol", "redirects to no URL", 1),
        (|| answer(303, &["location: http://10.0.0.1/"], ""), "protocol", "private address", 1),
        (|| answer(500, &[], ""), "transport", "500", 3),
        (|| answer(405, &[], ""), "protocol", "405", 1),
        (|| answer(410, &[], ""), "protocol", "410", 1),
        (|| answer(204, &[INDEX], ""), "protocol", "204", 1),
        (cut_off, "transport", "", 3),
        (long, "protocol", "over the limit", 1),
        (|| answer(200, &[INDEX], ""), "protocol", "clean JSON", 1),
        (|| answer(200, &[INDEX], "[]"), "protocol", "not an image index", 1),
        (
            || answer(200, &[INDEX], r#"{"schemaVersion":2,"config":{},"layers":[]}"#),
            "protocol",
            "not an image index",
            1,
        ),
        (|| answer(200, &[INDEX], r#"{"manifests":[],"manifests":[]}"#), "protocol", "stands twice", 1),
        (|| answer(200, &[INDEX], r#"{"manifests":[{}]}"#), "protocol", "no descriptor", 1),
    ];
    for (number, (api, expected, says, requests)) in cases.into_iter().enumerate() {
        let server = Server::in_turn(vec![api]).await;
        let error = server.registry().referrers(&server.repository(), &subject()).await.unwrap_err();
        assert!(variant(&error) == expected && error.to_string().contains(says), "{number}: {error}");
        assert!(error.to_string().contains(&subject().to_string()), "{error}");
        assert_eq!(server.lines().len(), requests, "{number}: {:?}", server.lines());
    }
}

/// GitHub's registry leads elsewhere, to what is mostly missing: consumers follow, and the end counts.
#[tokio::test]
async fn a_redirect_is_what_it_leads_to() {
    let cases: [(Canned, Result<ListedBy, &str>); 4] = [
        (|| answer(404, &[], "<html>"), Ok(ListedBy::FallbackTag)),
        (|| answer(200, &["content-type: text/html"], "<html>"), Ok(ListedBy::FallbackTag)),
        (|| answer(200, &[INDEX], EMPTY), Ok(ListedBy::Api)),
        (|| answer(429, &[], "<html>"), Err("throttled")),
    ];
    for (end, expected) in cases {
        let server = Server::new(move |seen| async move {
            match seen.line.as_str() {
                line if line.contains("/referrers/") => answer(303, &["location: /elsewhere"], ""),
                "GET /elsewhere" => end(),
                _ => answer(404, &[], MISSING),
            }
        })
        .await;
        let found = server.registry().referrers(&server.repository(), &subject()).await;
        assert_eq!(found.as_ref().map(|found| found.by).map_err(variant), expected, "{found:?}");
    }
}

/// Another server's trouble neither slows the registry nor condemns it.
#[tokio::test]
async fn where_a_redirect_leads_is_another_server() {
    let elsewhere = Server::in_turn(vec![|| answer(429, &["retry-after: 3600"], "<html>")]).await;
    let location = format!("location: http://{}/list", elsewhere.host);
    let server = Server::new(move |seen| {
        let referrers = seen.line.contains("/referrers/");
        let answer = if referrers { answer(303, &[&location], "") } else { answer(404, &[], MISSING) };
        async move { answer }
    })
    .await
    .trusting(&elsewhere);
    let limits = Limits { down: Duration::from_mins(1), ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let error = registry.referrers(&server.repository(), &subject()).await.unwrap_err();
    assert_eq!(variant(&error), "throttled");
    assert!(error.to_string().contains(&format!("from http://{}/list", elsewhere.host)), "{error}");
    let error = registry.resolve(&tagged(&server)).await.unwrap_err();
    assert_eq!(variant(&error), "not found", "the registry is not down: {error}");
}

#[tokio::test]
async fn what_the_fallback_tag_cannot_say_is_an_error() {
    let long = || answer(200, &[INDEX], "x".repeat(5 << 20));
    let other = || answer(200, &[INDEX, &format!("docker-content-digest: {}", Digest::of(b"other"))], EMPTY);
    let cases: [(Canned, &str, &str); 15] = [
        (|| answer(429, &[], "slow down"), "throttled", "slow down"),
        (|| answer(401, &[], ""), "denied", "401"),
        (|| answer(403, &[], ""), "denied", "403"),
        (|| answer(303, &[], ""), "protocol", "redirects to no URL"),
        (|| answer(502, &[], ""), "transport", "502"),
        (|| answer(400, &[], ""), "protocol", "400"),
        (|| answer(406, &[], ""), "protocol", "406"),
        (cut_off, "transport", ""),
        (long, "protocol", "over the limit"),
        (other, "integrity", "what has the digest"),
        (|| answer(200, &[INDEX], "{"), "protocol", "clean JSON"),
        (|| answer(200, &[INDEX], r#"{"manifests":[],"Manifests":[]}"#), "protocol", "stands twice"),
        (
            || answer(200, &["content-type: application/vnd.oci.image.manifest.v1+json"], IMAGE),
            "protocol",
            "image.manifest",
        ),
        (|| answer(200, &[], IMAGE), "protocol", "not an image index"),
        (
            || answer(200, &["content-type: application/vnd.docker.distribution.manifest.list.v2+json"], EMPTY),
            "protocol",
            "manifest.list",
        ),
    ];
    for (number, (tag, expected, says)) in cases.into_iter().enumerate() {
        let server = without_api(tag).await;
        for error in [
            server.registry().referrers(&server.repository(), &subject()).await.unwrap_err(),
            server.registry().fallback_index(&server.repository(), &subject()).await.unwrap_err(),
        ] {
            assert!(variant(&error) == expected && error.to_string().contains(says), "{number}: {error}");
            assert!(error.to_string().contains(subject().fallback_tag().as_str()), "{error}");
        }
    }
}

#[tokio::test]
async fn a_token_server_that_knows_nothing_is_no_registry_without_the_api() {
    let server = Server::new(|seen| async move {
        let challenge = format!(r#"www-authenticate: Bearer realm="http://{}/token",service="x""#, seen.host);
        if seen.line.contains("/token") { answer(404, &[], "") } else { answer(401, &[&challenge], "") }
    })
    .await;
    let error = server.registry().referrers(&server.repository(), &subject()).await.unwrap_err().to_string();
    assert!(
        error.contains("the list of referrers") && error.contains("token server"),
        "not asked for the tag: {error}"
    );
    let error = server.registry().fallback_index(&server.repository(), &subject()).await.unwrap_err().to_string();
    assert!(error.contains("token server"), "{error}");
}

/// One page for each number, each naming the next as `link` does, and what comes of it.
async fn paged(limits: Limits, page: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> (Referrers, usize) {
    let server = Server::new(move |seen: Seen| {
        let number = seen.line.rsplit_once("page=").map_or(0, |(_, number)| number.parse().unwrap());
        let answer = page(number);
        async move { answer }
    })
    .await;
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let referrers = registry.referrers(&server.repository(), &subject()).await.unwrap();
    assert_eq!(referrers.by, ListedBy::Api);
    (referrers, server.lines().len())
}

#[tokio::test]
async fn pages_are_read_until_they_end_or_there_are_too_many() {
    let next = |number: usize, body: String| {
        answer(200, &[INDEX, &format!("link: </v2/charts/a/referrers/x?page={}>; rel=\"next\"", number + 1)], body)
    };
    let last = |body: String| answer(200, &[INDEX], body);
    let check = |(found, requests): (Referrers, usize), expected: std::ops::Range<usize>, cut: &str, asked: usize| {
        assert_eq!((listed(&found), requests), (numbers(expected), asked), "{:?}", found.cut);
        match found.cut {
            Some(text) => assert!(!cut.is_empty() && text.contains(cut), "{cut}: {text}"),
            None => assert_eq!(cut, ""),
        }
    };
    let three = move |n: usize| if n < 2 { next(n, index(2 * n..2 * n + 2)) } else { last(index(3..5)) };
    check(paged(quick(), three).await, 0..5, "", 3);
    let endless = move |n: usize| next(n, index(100 * n..100 * n + 100));
    check(paged(quick(), endless).await, 0..256, "more than 256", 3);
    check(paged(quick(), move |_| last(index(0..5000))).await, 0..256, "more than 256", 1);
    check(paged(quick(), move |_| last(index(0..256))).await, 0..256, "", 1);
    check(paged(quick(), move |n| next(n, index(0..2))).await, 0..2, "adds nothing", 2);
    check(paged(quick(), move |n| next(n, index(0..0))).await, 0..0, "adds nothing", 1);
    let limits = Limits { referrers_bytes: 1000, ..quick() };
    check(paged(limits, endless).await, 0..100, "more than 1000 bytes", 1);
    let broken: [(Canned, &str, usize); 5] = [
        (|| answer(404, &[], ""), "the next page is none", 2),
        (|| answer(200, &["content-type: text/html"], ""), "the next page is none", 2),
        (|| answer(429, &[], "slow down"), "slow down", 4),
        (|| answer(200, &[INDEX], "{"), "clean JSON", 2),
        (cut_off, "broken", 4),
    ];
    for (broken, cut, asked) in broken {
        check(paged(quick(), move |n| if n == 0 { next(n, index(0..2)) } else { broken() }).await, 0..2, cut, asked);
    }
    for (link, cut) in [("<http://10.0.0.1/>; rel=next", "another server"), ("<http://[>; rel=next", "no URL")] {
        let page = move |_| answer(200, &[INDEX, &format!("link: {link}")], index(0..2));
        check(paged(quick(), page).await, 0..2, cut, 1);
    }
}
