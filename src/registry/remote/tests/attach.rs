use std::collections::BTreeMap;

use axum::response::Response;

use super::referrers::{INDEX, MISSING, index, listed, numbers, subject};
use super::server::{Server, answer, quick};
use super::*;
use crate::oci::{IMAGE_INDEX, ImageIndex};

/// What becomes of a request that writes, by its line and what else would be answered.
type Put = fn(&str, Response) -> Response;

fn artifact(layer: &'static str) -> Artifact {
    let subject = Descriptor::of(IMAGE_MANIFEST, b"chart");
    let annotations = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    Artifact::new(subject, "application/x", "application/layer", layer.into(), annotations)
}

/// A registry that keeps one tag and takes everything else as it comes.
async fn keeping(tag: Option<String>, put: Put) -> Server {
    let kept = Arc::new(std::sync::Mutex::new(tag));
    Server::new(move |seen| {
        let answer = match seen.line.as_str() {
            line if line.starts_with("POST") => answer(202, &["location: /upload"], ""),
            line if line.ends_with(subject().fallback_tag().as_str()) && line.starts_with("GET") => {
                let index = kept.lock().unwrap().clone();
                index.map_or_else(|| answer(404, &[], MISSING), |index| answer(200, &[INDEX], index))
            }
            line => {
                let response = put(line, answer(201, &[], ""));
                if line.ends_with(subject().fallback_tag().as_str()) && response.status() == 201 {
                    *kept.lock().unwrap() = Some(String::from_utf8(seen.body.to_vec()).unwrap());
                }
                response
            }
        };
        async move { answer }
    })
    .await
}

fn methods(server: &Server) -> Vec<String> {
    let short = |line: String| match line.as_str() {
        line if line.starts_with("POST") => "POST blob".to_owned(),
        line if line.starts_with("PUT /upload") => "PUT blob".to_owned(),
        line if line.contains("/manifests/sha256:") => "PUT manifest".to_owned(),
        line => format!("{} list", line.split(' ').next().unwrap()),
    };
    server.lines().into_iter().map(short).collect()
}

#[tokio::test]
async fn attaching_takes_the_requests_that_it_must() {
    let server = keeping(None, |_, done| done).await;
    let registry = server.registry();
    let (one, two) = (artifact("one"), artifact("two"));
    let attached = registry.attach(&server.repository(), &one).await.unwrap();
    let digest = one.descriptor().digest;
    let list = attached.list.clone();
    assert_eq!(attached, Attached { digest, indexed: false, writes: 1, list: list.clone() });
    let entries: Vec<_> = list.iter().flat_map(|list| &list.listed).map(|entry| entry.descriptor.digest).collect();
    assert!(entries.contains(&digest), "{entries:?}");
    let blobs = ["POST blob", "PUT blob"];
    let rest = ["PUT manifest", "GET list", "PUT list", "GET list"];
    assert_eq!(methods(&server), [&blobs[..], &blobs, &rest].concat());
    let seen = server.seen();
    assert_eq!((&seen[1].body[..], &seen[3].body[..], &seen[4].body), (&b"one"[..], &b"{}"[..], one.bytes()));
    assert!(seen[4].line.ends_with(&format!("/manifests/{}", one.descriptor().digest)), "{}", seen[4].line);

    registry.attach(&server.repository(), &two).await.unwrap();
    assert_eq!(methods(&server)[8..], [&blobs[..], &rest].concat(), "the config is there");
    let list = registry.fallback_index(&server.repository(), &subject()).await.unwrap();
    assert_eq!(listed(&list), [one.descriptor().digest, two.descriptor().digest]);
    assert_eq!(list.listed[0].artifact_type.as_deref(), Some("application/x"));
    let text = String::from_utf8(server.seen()[12].body.to_vec()).unwrap();
    assert!(text.contains(r#""annotations":{"k":"v"}"#), "{text}");

    let before = server.lines().len();
    let again = registry.attach(&server.repository(), &one).await.unwrap();
    assert_eq!(again.writes, 0);
    assert_eq!(methods(&server)[before..], ["POST blob", "PUT blob", "PUT manifest", "GET list"]);
}

#[tokio::test]
async fn what_the_registry_says_of_the_subject_is_told() {
    for (told, indexed) in [(subject(), true), (Digest::of(b"other"), false)] {
        let server = Server::new(move |seen| async move {
            match seen.line.as_str() {
                line if line.starts_with("POST") => answer(202, &["location: /upload"], ""),
                line if line.starts_with("GET") => {
                    let mut index = ImageIndex::default();
                    index.add(artifact("one").entry(), &BTreeMap::new());
                    answer(200, &[INDEX], index.to_bytes())
                }
                _ => answer(201, &[&format!("oci-subject: {told}")], ""),
            }
        })
        .await;
        let attached = server.registry().attach(&server.repository(), &artifact("one")).await.unwrap();
        assert_eq!((attached.indexed, attached.writes), (indexed, 0));
    }
}

#[tokio::test]
async fn foreign_entries_and_unknown_fields_are_kept() {
    let foreign = index(0..2).replacen("\"size\"", "\"platform\":{\"os\":\"x\"},\"size\"", 1);
    let foreign = foreign.replacen("{\"manifests\"", "{\"annotations\":{\"by\":\"hand\"},\"manifests\"", 1);
    let server = keeping(Some(foreign.clone()), |_, done| done).await;
    let registry = server.registry();
    registry.attach(&server.repository(), &artifact("one")).await.unwrap();
    let list = registry.fallback_index(&server.repository(), &subject()).await.unwrap();
    assert_eq!(listed(&list), [numbers(0..2), vec![artifact("one").descriptor().digest]].concat());
    let seen = server.seen();
    let put = seen.iter().find(|seen| seen.line.starts_with("PUT") && seen.line.contains("sha256-")).unwrap();
    let text = String::from_utf8(put.body.to_vec()).unwrap();
    assert!(text.contains(r#""platform":{"os":"x"}"#) && text.contains(r#""by":"hand""#), "{text}");
}

#[tokio::test]
async fn a_list_that_others_overwrite_is_written_again_a_few_times() {
    // What is read after the first write is another's.
    let server = keeping(Some(index(0..1)), |_, done| done).await;
    let overwritten = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let host = server.host.clone();
    let losing = |times: usize| {
        let (overwritten, host) = (overwritten.clone(), host.clone());
        Server::new(move |seen| {
            let (overwritten, host) = (overwritten.clone(), host.clone());
            async move {
                let (method, path) = seen.line.split_once(' ').unwrap();
                let list = path.contains("sha256-");
                if list && method == "PUT" && overwritten.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < times {
                    return answer(201, &[], "");
                }
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let request = client.request(method.parse().unwrap(), format!("http://{host}{path}"));
                let got = request.header("content-type", IMAGE_INDEX).body(seen.body).send().await.unwrap();
                let status = got.status().as_u16();
                let header =
                    |name: &str| got.headers().get(name).map(|value| format!("{name}: {}", value.to_str().unwrap()));
                let headers: Vec<String> = ["content-type", "location"].into_iter().filter_map(header).collect();
                let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
                answer(status, &headers, got.bytes().await.unwrap())
            }
        })
    };
    let front = losing(2).await;
    let attached = front.registry().attach(&front.repository(), &artifact("one")).await.unwrap();
    assert_eq!(attached.writes, 3);
    let list = front.registry().fallback_index(&front.repository(), &subject()).await.unwrap();
    assert_eq!(listed(&list), [numbers(0..1), vec![artifact("one").descriptor().digest]].concat());

    overwritten.store(0, std::sync::atomic::Ordering::SeqCst);
    let front = losing(usize::MAX).await;
    let error = front.registry().attach(&front.repository(), &artifact("two")).await.unwrap_err();
    assert!(error.to_string().contains("added 3 times and is not listed"), "{error}");
    assert_eq!(overwritten.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn attaching_at_once_takes_turns() {
    let server = keeping(None, |_, done| done).await;
    let registry = server.registry();
    let layers = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(artifact);
    let repository = server.repository();
    let attached = join_all(layers.iter().map(|artifact| registry.attach(&repository, artifact))).await;
    for attached in attached {
        assert_eq!(attached.unwrap().writes, 1, "nobody is in the way of another");
    }
    let list = registry.fallback_index(&repository, &subject()).await.unwrap();
    assert_eq!(list.listed.len(), layers.len());
}

#[tokio::test]
async fn what_is_not_taken_is_told() {
    const REFUSED: &str = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"subject is not supported"}]}"#;
    const LACKS: &str = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"gone"}]}"#;
    let by_digest = |line: &str| line.contains("/manifests/sha256:");
    let cases: [(Put, &str, &[&str]); 8] = [
        (|_, _| answer(403, &[], ""), "denied", &["403"]),
        (
            |line, done| if line.contains("sha256:") { answer(400, &[], REFUSED) } else { done },
            "protocol",
            &["with the `subject` sha256:", "MANIFEST_INVALID subject is not supported"],
        ),
        (|line, done| if line.contains("sha256:") { answer(404, &[], "") } else { done }, "protocol", &["404"]),
        (|line, done| if line.contains("sha256:") { answer(400, &[], LACKS) } else { done }, "blob unknown", &["gone"]),
        (
            |line, done| if line.contains("sha256-") { answer(405, &[], "") } else { done },
            "protocol",
            &["the list of referrers was not taken", "405"],
        ),
        (
            |line, done| if line.contains("sha256-") { answer(400, &[], LACKS) } else { done },
            "protocol",
            &["lacks an image manifest that this list of referrers names"],
        ),
        (|line, done| if line.contains("sha256-") { answer(429, &[], "") } else { done }, "throttled", &["sha256-"]),
        (|line, done| if line.contains("sha256-") { answer(500, &[], "") } else { done }, "transport", &["sha256-"]),
    ];
    for (number, (put, expected, says)) in cases.into_iter().enumerate() {
        let server = keeping(None, put).await;
        let error = server.registry().attach(&server.repository(), &artifact("one")).await.unwrap_err();
        assert_eq!(variant(&error), expected, "{number}: {error}");
        assert!(says.iter().all(|says| error.to_string().contains(says)), "{number}: {error}");
        let lines = server.lines();
        if expected == "blob unknown" {
            let puts = lines.iter().filter(|line| by_digest(line)).count();
            let uploads = lines.iter().filter(|line| line.starts_with("POST")).count();
            assert_eq!((puts, uploads), (2, 4), "everything again, once");
        }
    }
}

#[tokio::test]
async fn a_collected_blob_is_pushed_again() {
    let refused = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = Server::new(move |seen| {
        let first =
            seen.line.contains("/manifests/sha256:") && !refused.swap(true, std::sync::atomic::Ordering::SeqCst);
        async move {
            match seen.line.as_str() {
                _ if first => answer(400, &[], r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#),
                line if line.starts_with("POST") => answer(202, &["location: /upload"], ""),
                line if line.starts_with("GET") => {
                    let mut index = ImageIndex::default();
                    index.add(artifact("one").entry(), &BTreeMap::new());
                    answer(200, &[INDEX], index.to_bytes())
                }
                _ => answer(201, &[], ""),
            }
        }
    })
    .await;
    // Only an answer to the image manifest's own `PUT` comes first here.
    server.registry().attach(&server.repository(), &artifact("one")).await.unwrap();
    let posts = server.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 4, "{:?}", server.lines());
}

#[tokio::test]
async fn a_full_list_is_told_and_not_written() {
    for (limits, kept, says) in [
        (quick(), index(0..256), "lists 256 already"),
        (Limits { manifest: 600, ..quick() }, index(0..2), "more than 600 bytes"),
    ] {
        let server = keeping(Some(kept), |_, done| done).await;
        let registry = server.registries(Credentials::default(), limits).at(&server.repository());
        let error = registry.attach(&server.repository(), &artifact("one")).await.unwrap_err();
        assert!(variant(&error) == "protocol" && error.to_string().contains(says), "{error}");
        assert!(!server.lines().iter().any(|line| line.starts_with("PUT") && line.contains("sha256-")));
    }
}

#[tokio::test]
async fn it_runs_in_tasks() {
    let server = keeping(None, |_, done| done).await;
    let (registry, repository) = (server.registry(), server.repository());
    let task = tokio::spawn(async move {
        registry.attach(&repository, &artifact("one")).await.unwrap();
        registry.fallback_index(&repository, &subject()).await.unwrap();
        registry.referrers(&repository, &subject()).await
    });
    // Its answer to the API is HTTP 201, which is none.
    assert!(task.await.unwrap().unwrap_err().to_string().contains("201"));
}
