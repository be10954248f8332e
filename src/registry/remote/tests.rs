mod attach;
mod auth;
mod mount;
mod referrers;
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use self::server::{Server, answer, cut_off, quick};
use super::*;
use crate::http::Credentials;
use crate::oci::IMAGE_MANIFEST;

/// What a server answers, in turn.
type Answers = Vec<fn() -> axum::response::Response>;
/// The tags, or what the error says.
type Listed = Result<&'static [&'static str], &'static str>;

fn variant(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::NotFound { .. } => "not found",
        RegistryError::Denied { credential: true, .. } => "denied with credential",
        RegistryError::Denied { .. } => "denied",
        RegistryError::Throttled { .. } => "throttled",
        RegistryError::Integrity { .. } => "integrity",
        RegistryError::BlobUnknown { .. } => "blob unknown",
        RegistryError::Transport { .. } => "transport",
        RegistryError::Protocol { .. } => "protocol",
        RegistryError::Layout { .. } => "layout",
    }
}

fn tagged(server: &Server) -> Reference {
    server.repository().tagged("1.0.0".parse().unwrap())
}

#[tokio::test]
async fn every_failure_has_its_variant_and_its_number_of_requests() {
    const LATER: &str = "retry-after: 3600";
    for (status, headers, expected, requests) in [
        (400, &[][..], "protocol", 1),
        (401, &[], "denied", 1),
        (401, &["www-authenticate: Basic realm=x"], "denied", 1),
        (401, &["www-authenticate: Negotiate"], "denied", 1),
        (403, &[], "denied", 1),
        (403, &[LATER], "throttled", 1),
        (404, &[], "not found", 1),
        (408, &[], "transport", 3),
        (418, &[], "protocol", 1),
        (429, &[], "throttled", 3),
        (429, &["retry-after: 0"], "throttled", 3),
        (429, &[LATER], "throttled", 1),
        (429, &["retry-after: Sat, 06 Nov 2094 08:49:37 GMT"], "throttled", 1),
        (429, &["retry-after: Sun, 06 Nov 1994 08:49:37 GMT"], "throttled", 3),
        (500, &[], "transport", 3),
        (501, &[], "transport", 1),
        (503, &[], "transport", 3),
        (504, &[], "transport", 3),
        (304, &[], "protocol", 1),
        (302, &["location: http://["], "protocol", 1),
        (302, &[], "protocol", 1),
    ] {
        let server = Server::new(move |_| async move { answer(status, headers, "words") }).await;
        let (registry, reference) = (server.registry(), tagged(&server));
        let blob = Descriptor::of("x", b"one");
        // What cannot be written is never said to be absent.
        let written = if status == 404 { "protocol" } else { expected };
        for (error, expected) in [
            (registry.resolve(&reference).await.unwrap_err(), expected),
            (registry.manifest_by_tag(&reference).await.unwrap_err(), expected),
            (registry.blob(&server.repository(), &blob).await.unwrap_err(), expected),
            (registry.tags(&server.repository()).await.unwrap_err(), expected),
            (registry.push_blob(&server.repository(), &blob, "one".into()).await.unwrap_err(), written),
            (registry.push_manifest(&reference, IMAGE_MANIFEST, "{}".into()).await.unwrap_err(), written),
        ] {
            assert_eq!(variant(&error), expected, "{status} {headers:?}: {error}");
            assert!(error.to_string().contains(&server.host), "{error}");
        }
        assert_eq!(server.lines().len(), 6 * requests, "{status} {headers:?}: {:?}", server.lines());
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let later = || {
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(1));
        answer(429, &[&format!("retry-after: {soon}")], "")
    };
    let troubles: [fn() -> axum::response::Response; 6] = [
        || answer(503, &[], ""),
        || answer(500, &["retry-after: 0"], ""),
        || answer(429, &["retry-after: 0"], r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#),
        later,
        cut_off,
        || answer(408, &[], ""),
    ];
    for trouble in troubles {
        let server = Server::in_turn(vec![trouble, || answer(200, &[], "one")]).await;
        let blob = Descriptor::of("x", b"one");
        assert_eq!(server.registry().blob(&server.repository(), &blob).await.unwrap(), "one");
        assert_eq!(server.lines().len(), 2);
    }
}

#[tokio::test]
async fn a_host_that_asks_for_time_gets_it_from_every_task() {
    let server = Server::in_turn(vec![|| answer(429, &["retry-after: 1"], ""), || answer(200, &[], "one")]).await;
    let limits = Limits { concurrency: std::num::NonZeroUsize::MIN, ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let (repository, blob) = (server.repository(), Descriptor::of("x", b"one"));
    for got in join_all((0..4).map(|_| registry.blob(&repository, &blob))).await {
        got.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    for later in &seen[1..] {
        assert!(later.at - seen[0].at >= Duration::from_secs(1), "{:?}", later.at - seen[0].at);
    }
}

#[tokio::test]
async fn a_silent_server_is_an_error_and_then_down() {
    let server = Server::new(|_| std::future::pending()).await;
    let limits = Limits { silence: Duration::from_millis(30), down: Duration::from_mins(1), attempts: 2, ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let error = registry.resolve(&tagged(&server)).await.unwrap_err();
    assert_eq!((variant(&error), server.lines().len()), ("transport", 2), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    let error = registry.resolve(&tagged(&server)).await.unwrap_err();
    assert_eq!((variant(&error), server.lines().len()), ("transport", 2), "{error}");
    assert!(error.to_string().contains("failed other requests"), "{error}");
}

#[tokio::test]
async fn an_operation_has_a_deadline_however_the_server_trickles() {
    let server = Server::new(|_| async {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        answer(200, &[], axum::body::Body::from_stream(drops))
    })
    .await;
    let limits = Limits { operation: Duration::from_millis(100), ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let error = registry.manifest_by_tag(&tagged(&server)).await.unwrap_err();
    assert!(error.to_string().contains("no whole answer"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let elsewhere: Repository = format!("{free}/a").parse().unwrap();
    let settings =
        crate::settings::RegistrySettings { access: crate::settings::Access::PlainHttp, ..Default::default() };
    let settings = std::collections::BTreeMap::from([(free.to_string(), settings)]);
    let root = std::path::Path::new("/");
    let registries = crate::registry::Registries::with(root, &settings, Credentials::default(), quick()).unwrap();
    let error = registries.at(&elsewhere).tags(&elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    let nonsense: Repository = "a.example:99999/a".parse().unwrap();
    let error = registries.at(&nonsense).tags(&nonsense).await.unwrap_err();
    assert_eq!(variant(&error), "protocol", "{error}");
}

#[tokio::test]
async fn digests_of_headers_are_observations_and_bytes_are_hashed() {
    let manifest = "{}";
    let digest = Digest::of(manifest.as_bytes());
    let other = Digest::of(b"other");
    let server = Server::new(move |seen| async move {
        let header = format!("docker-content-digest: {other}");
        match seen.line.rsplit('/').next().unwrap() {
            "none" if seen.line.starts_with("HEAD") => answer(200, &[], ""),
            "none" => answer(200, &["content-type: a/b; c=d"], "{}"),
            "sha512" if seen.line.starts_with("HEAD") => answer(200, &["docker-content-digest: sha512:00"], ""),
            _ => answer(200, &[&header, "content-type: a/b; c=d"], "{}"),
        }
    })
    .await;
    let (registry, repository) = (server.registry(), server.repository());
    let said = Observation { digest: other, media_type: Some("a/b".into()), size: Some(2) };
    let resolve = async |tag: &str| registry.resolve(&repository.tagged(tag.parse().unwrap())).await.unwrap();
    assert_eq!(resolve("lies").await, said);
    let hashed = Observation { digest, ..said };
    assert_eq!(resolve("none").await, hashed, "hashed where no header says it");
    assert_eq!(resolve("sha512").await, hashed);
    for error in [
        registry.resolve(&repository.at(digest)).await.unwrap_err(),
        registry.manifest(&repository, &other).await.unwrap_err(),
    ] {
        assert_eq!(variant(&error), "integrity", "{error}");
    }
    assert_eq!(registry.manifest(&repository, &digest).await.unwrap(), manifest, "the header is not believed");
}

#[tokio::test]
async fn blobs_have_exactly_their_bytes() {
    let server = Server::new(|seen| async move {
        let stream = |body: &'static str| {
            axum::body::Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]))
        };
        match seen.line.as_str() {
            line if line.contains("long") => answer(200, &[], "onee"),
            line if line.contains("stream") => answer(200, &[], stream("onee")),
            line if line.contains("short") => answer(200, &[], stream("on")),
            line if line.contains("empty") => answer(200, &[], ""),
            line if line.contains("partial") => answer(206, &[], "on"),
            line if line.contains("wrong") => answer(200, &[], "onE"),
            _ => answer(200, &[], "one"),
        }
    })
    .await;
    let (registry, blob) = (server.registry(), Descriptor::of("x", b"one"));
    for name in ["long", "stream", "short", "empty", "partial", "wrong"] {
        let repository = server.repository().join(name).unwrap();
        let error = registry.blob(&repository, &blob).await.unwrap_err();
        assert_eq!(variant(&error), "integrity", "{name}: {error}");
    }
    assert_eq!(server.lines().len(), 6, "a wrong blob is not asked for again");
    assert_eq!(registry.blob(&server.repository(), &blob).await.unwrap(), "one");
    let huge = Descriptor { size: u64::MAX, ..blob };
    assert_eq!(variant(&registry.blob(&server.repository(), &huge).await.unwrap_err()), "protocol");
}

#[tokio::test]
async fn answers_over_their_limit_are_refused() {
    fn told() -> axum::response::Response {
        answer(200, &[], "x".repeat(1001))
    }
    fn untold() -> axum::response::Response {
        let pieces = futures_util::stream::iter((0..1001).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"x"))));
        answer(200, &[], axum::body::Body::from_stream(pieces))
    }
    for answer in [told, untold] {
        let server = Server::in_turn(vec![answer]).await;
        let limits = Limits { manifest: 1000, answer: 1000, ..quick() };
        let registry = server.registries(Credentials::default(), limits).at(&server.repository());
        for error in [
            registry.manifest_by_tag(&tagged(&server)).await.unwrap_err(),
            registry.tags(&server.repository()).await.unwrap_err(),
        ] {
            assert!(variant(&error) == "protocol" && error.to_string().contains("over the limit"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_blob_is_a_post_and_a_put() {
    let blob = Descriptor::of("x", b"one");
    let digest = blob.digest.to_string().replace(':', "%3A");
    for (location, put) in [
        ("/v2/up?_state=a%2Fb==", format!("PUT /v2/up?_state=a%2Fb==&digest={digest}")),
        ("up", format!("PUT /v2/charts/a/blobs/uploads/up?digest={digest}")),
        ("http://{host}/elsewhere#fragment", format!("PUT /elsewhere?digest={digest}")),
    ] {
        let server = Server::new(move |seen| async move {
            let location = format!("location: {}", location.replace("{host}", &seen.host));
            if seen.line.starts_with("POST") { answer(202, &[&location], "") } else { answer(201, &[], "") }
        })
        .await;
        server.registry().push_blob(&server.repository(), &blob, "one".into()).await.unwrap();
        assert_eq!(server.lines(), ["POST /v2/charts/a/blobs/uploads/".to_owned(), put]);
        assert_eq!(server.seen()[1].body, "one");
    }
}

/// Eight requests at once are too many: all are told so, and from then on there are four. What is answered before four are
/// there is never answered: too few would wait for ever.
#[tokio::test]
async fn a_server_that_is_asked_too_much_is_asked_by_half() {
    const FIRST: usize = 8;
    let (all, half) = (Arc::new(tokio::sync::Barrier::new(FIRST)), Arc::new(tokio::sync::Barrier::new(FIRST / 2)));
    let (came, now, most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen_most = most.clone();
    let server = Server::new(move |_| {
        let (all, half, came, now, most) = (all.clone(), half.clone(), came.clone(), now.clone(), most.clone());
        async move {
            // The first one alone, since a server that nobody knows is asked by one.
            match came.fetch_add(1, Ordering::SeqCst) {
                0 => return answer(200, &[], "one"),
                1..=FIRST => {
                    all.wait().await;
                    return answer(429, &[], "");
                }
                _ => {}
            }
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            half.wait().await;
            now.fetch_sub(1, Ordering::SeqCst);
            answer(200, &[], "one")
        }
    })
    .await;
    let limits = Limits { concurrency: FIRST.try_into().unwrap(), ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let (repository, blob) = (server.repository(), Descriptor::of("x", b"one"));
    registry.blob(&repository, &blob).await.unwrap();
    for got in join_all((0..FIRST).map(|_| registry.blob(&repository, &blob))).await {
        got.unwrap();
    }
    assert_eq!(seen_most.load(Ordering::SeqCst), FIRST / 2);
}

/// Two are told that they are too many; what they get later is "not found", which is an answer, too: then there are two again.
/// They come together, or wait for each other in vain.
#[tokio::test]
async fn not_found_is_an_answer_that_a_host_grows_by() {
    let (both, came) = (Arc::new(tokio::sync::Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let counted = came.clone();
    let server = Server::new(move |_| {
        let (both, came) = (both.clone(), counted.clone());
        async move {
            match came.fetch_add(1, Ordering::SeqCst) {
                0 => return answer(200, &[], "one"),
                1 | 2 => {
                    both.wait().await;
                    return answer(429, &[], "");
                }
                3 | 4 => {}
                _ => _ = both.wait().await,
            }
            answer(404, &[], "")
        }
    })
    .await;
    let limits = Limits { concurrency: 2.try_into().unwrap(), ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    let (repository, blob) = (server.repository(), Descriptor::of("x", b"one"));
    registry.blob(&repository, &blob).await.unwrap();
    for _ in 0..2 {
        for got in join_all((0..2).map(|_| registry.blob(&repository, &blob))).await {
            assert_eq!(variant(&got.unwrap_err()), "not found");
        }
    }
    // Who waited in vain would have come once more.
    assert_eq!(came.load(Ordering::SeqCst), 1 + 2 + 2 + 2);
}

#[tokio::test]
async fn an_upload_that_fails_begins_anew() {
    let server = Server::in_turn(vec![
        || answer(202, &["location: /first"], ""),
        || answer(500, &[], ""),
        || answer(202, &["location: /second"], ""),
        || answer(404, &[], r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#),
        || answer(202, &["location: /third"], ""),
        || answer(201, &[], ""),
    ])
    .await;
    let blob = Descriptor::of("x", b"one");
    server.registry().push_blob(&server.repository(), &blob, "one".into()).await.unwrap();
    let lines = server.lines();
    assert!(lines.len() == 6 && lines[5].starts_with("PUT /third?"), "{lines:?}");
}

#[tokio::test]
async fn a_body_that_goes_out_has_its_time() {
    let server = Server::new(|seen| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if seen.line.starts_with("PUT") { answer(201, &[], "") } else { answer(200, &[], "one") }
    })
    .await;
    let limits = Limits { silence: Duration::from_millis(20), slowest: 1, ..quick() };
    let registry = server.registries(Credentials::default(), limits).at(&server.repository());
    registry.push_manifest(&tagged(&server), IMAGE_MANIFEST, "{}".into()).await.unwrap();
    let error = registry.manifest_by_tag(&tagged(&server)).await.unwrap_err();
    assert!(error.to_string().contains("silent"), "{error}");
}

#[tokio::test]
async fn uploads_that_go_wrong_are_told() {
    let blob = Descriptor::of("x", b"one");
    let cases: [(Answers, &str, &str); 8] = [
        (vec![|| answer(201, &["location: /x"], "")], "protocol", "201"),
        (vec![|| answer(200, &["location: /x"], "")], "protocol", "200"),
        (vec![|| answer(202, &[], "")], "protocol", "no place"),
        (vec![|| answer(202, &["location: http://["], "")], "protocol", "no place"),
        (vec![|| answer(202, &["location: http://10.0.0.1/up"], "")], "protocol", "private address"),
        (vec![|| answer(307, &["location: /up"], "")], "protocol", "redirects"),
        (vec![|| answer(202, &["location: /x"], "")], "protocol", "202"),
        (
            vec![|| answer(202, &["location: /x"], ""), || {
                let other = format!("docker-content-digest: {}", Digest::of(b"other"));
                answer(201, &[&other], "")
            }],
            "integrity",
            "instead of",
        ),
    ];
    for (answers, expected, says) in cases {
        let server = Server::in_turn(answers).await;
        let error = server.registry().push_blob(&server.repository(), &blob, "one".into()).await.unwrap_err();
        assert!(variant(&error) == expected && error.to_string().contains(says), "{says}: {error}");
    }
    let server = Server::in_turn(vec![|| answer(201, &[], "")]).await;
    let error = server.registry().push_blob(&server.repository(), &blob, "other".into()).await.unwrap_err();
    assert_eq!((variant(&error), server.lines().len()), ("integrity", 0), "our own bytes are checked first");
}

#[tokio::test]
async fn image_manifests_are_put_and_missing_blobs_told() {
    let server = Server::new(|seen| async move {
        match seen.line.rsplit('/').next().unwrap() {
            "unknown" => answer(400, &[], r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"Digest":"x"}}]}"#),
            "unknown-too" => answer(404, &[], r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"m"}]}"#),
            "other" => {
                let other = format!("docker-content-digest: {}", Digest::of(b"other"));
                answer(201, &[&other], "")
            }
            _ => answer(201, &[], ""),
        }
    })
    .await;
    let registry = server.registry();
    for (tag, expected) in [("unknown", "blob unknown"), ("unknown-too", "blob unknown"), ("other", "integrity")] {
        let reference = server.repository().tagged(tag.parse().unwrap());
        let error = registry.push_manifest(&reference, IMAGE_MANIFEST, "{}".into()).await.unwrap_err();
        assert_eq!(variant(&error), expected, "{error}");
    }
    registry.push_manifest(&tagged(&server), IMAGE_MANIFEST, "{}".into()).await.unwrap();
    registry.push_manifest(&server.repository().at(Digest::of(b"{}")), IMAGE_MANIFEST, "{}".into()).await.unwrap();
    assert_eq!(server.lines()[3], "PUT /v2/charts/a/manifests/1.0.0");
    assert_eq!(server.lines().len(), 5);
    let error = registry.push_manifest(&tagged(&server), "a\nb", "{}".into()).await.unwrap_err();
    assert_eq!(variant(&error), "protocol", "{error}");
}

#[tokio::test]
async fn lists_of_tags_end() {
    let cases: Vec<(Answers, Listed, usize)> = vec![
        (vec![|| answer(200, &[], r#"{"name":"a","tags":["b","a","not a tag"]}"#)], Ok(&["a", "b"]), 1),
        (vec![|| answer(200, &[], r#"{"name":"a","tags":null}"#)], Ok(&[]), 1),
        (
            vec![|| answer(200, &[LINK_ON], r#"{"tags":["a"]}"#), || answer(200, &[], r#"{"tags":["b"]}"#)],
            Ok(&["a", "b"]),
            2,
        ),
        (vec![|| answer(200, &[LINK_ON], r#"{"tags":["a","b"]}"#)], Ok(&["a", "b"]), 2),
        (vec![|| answer(200, &[LINK_ON], r#"{"tags":[]}"#)], Ok(&[]), 1),
        (vec![|| answer(200, &["link: <http://10.0.0.1/>; rel=next"], r#"{"tags":["a"]}"#)], Err("another server"), 1),
        (vec![|| answer(200, &["link: <http://[>; rel=next"], r#"{"tags":["a"]}"#)], Err("no URL"), 1),
        (vec![|| answer(200, &[], "[]")], Err("not a list"), 1),
        (vec![|| answer(200, &[], "")], Err("not a list"), 1),
        (vec![|| answer(200, &[], r#"{"tags":["a","b","c","d"]}"#)], Err("more than 3 tags"), 1),
    ];
    for (answers, expected, requests) in cases {
        let server = Server::in_turn(answers).await;
        let limits = Limits { tags: 3, ..quick() };
        let registry = server.registries(Credentials::default(), limits).at(&server.repository());
        match (registry.tags(&server.repository()).await, expected) {
            (Ok(tags), Ok(expected)) => assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), expected),
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{says}: {error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
        assert_eq!(server.lines().len(), requests);
    }
}

const LINK_ON: &str = r#"link: </v2/charts/a/tags/list?last=b>; rel="next""#;

#[tokio::test]
async fn a_list_of_endless_new_tags_ends_too() {
    let server = Server::new(|seen| async move {
        let page: u32 = seen.line.rsplit('=').next().unwrap().parse().unwrap();
        let link = format!("link: </v2/charts/a/tags/list?last={}>; rel=next", page + 1);
        answer(200, &[&link], format!(r#"{{"tags":["v{page}"]}}"#))
    })
    .await;
    let registry = server.registries(Credentials::default(), Limits { pages: 7, ..quick() }).at(&server.repository());
    let error = registry.tags(&server.repository()).await.unwrap_err();
    assert_eq!((variant(&error), server.lines().len()), ("protocol", 7), "{error}");
}

/// Charts run in tasks of their own: every function must be able to move between threads.
#[tokio::test]
async fn everything_runs_in_tasks() {
    let server = Server::in_turn(vec![|| answer(404, &[], "")]).await;
    let (registry, reference) = (server.registry(), tagged(&server));
    let task = tokio::spawn(async move {
        let (repository, blob) = (&reference.repository, Descriptor::of("x", b"one"));
        let _ = registry.resolve(&reference).await;
        let _ = registry.manifest_by_tag(&reference).await;
        let _ = registry.manifest(repository, &blob.digest).await;
        let _ = registry.blob(repository, &blob).await;
        let _ = registry.push_blob(repository, &blob, "one".into()).await;
        let _ = registry.push_manifest(&reference, IMAGE_MANIFEST, "{}".into()).await;
        registry.tags(repository).await
    });
    assert_eq!(variant(&task.await.unwrap().unwrap_err()), "not found");
}
