//! Blobs that a registry has already.

use super::server::{Server, answer};
use super::variant;
use crate::oci::{Descriptor, Digest, Repository};

#[tokio::test]
async fn a_blob_that_is_there_is_mounted_and_any_other_is_sent() {
    const REFUSED: &str = "NAME_UNKNOWN";
    let blob = Descriptor::of("x", b"one");
    let mount = |from: &str| {
        format!("POST /v2/charts/a/blobs/uploads/?mount={}&from={from}", blob.digest.to_string().replace(':', "%3A"))
            .replace("from=charts/", "from=charts%2F")
    };
    for (from, status, lines) in [
        ("charts/a", 201, vec![mount("charts/a"), "HEAD".into(), mount("charts/a"), "HEAD".into()]),
        ("charts/b", 201, vec![mount("charts/b"), "HEAD".into(), mount("charts/b"), "HEAD".into()]),
        ("charts/a", 202, vec![mount("charts/a"), "PUT".into(), mount("charts/a"), "PUT".into()]),
        // Once refused, it is not asked again.
        ("charts/b", 404, vec![mount("charts/b"), "POST".into(), "PUT".into(), "POST".into(), "PUT".into()]),
        ("charts/b", 405, vec![mount("charts/b"), "POST".into(), "PUT".into(), "POST".into(), "PUT".into()]),
    ] {
        let server = Server::new(move |seen| async move {
            let status = if seen.line.contains("mount=") { status } else { 202 };
            let status = if seen.line.starts_with("PUT") { 201 } else { status };
            answer(status, &["location: /up"], format!(r#"{{"errors":[{{"code":"{REFUSED}"}}]}}"#))
        })
        .await;
        let (registry, to) = (server.registry(), server.repository());
        let from: Repository = format!("{}/{from}", server.host).parse().unwrap();
        for _ in 0..2 {
            registry.mount_blob(&to, &from, &blob, "one".into()).await.unwrap();
        }
        let shorten = |line: String| match line.split_once(" /v2/charts/a/blobs/uploads/") {
            Some((method, "")) => method.to_owned(),
            _ => match &line[..4] {
                "PUT " | "HEAD" => line[..4].trim_end().to_owned(),
                _ => line,
            },
        };
        let found: Vec<String> = server.lines().into_iter().map(shorten).collect();
        assert_eq!(found, lines, "{status}");
    }
    let server = Server::new(|_| async { answer(201, &["docker-content-digest: sha256:1"], "") }).await;
    let (registry, to) = (server.registry(), server.repository());
    let wrong = Descriptor { digest: Digest::of(b"two"), ..blob.clone() };
    assert_eq!(variant(&registry.mount_blob(&to, &to, &wrong, "one".into()).await.unwrap_err()), "integrity");
    assert!(server.lines().is_empty(), "what does not fit its digest is not even mounted");
}

/// A registry that says what is not so gets the bytes, now and from then on.
#[tokio::test]
async fn what_is_said_to_be_mounted_is_looked_at() {
    let blob = Descriptor::of("x", b"one");
    let server = Server::new(|seen| async move {
        let status = match &seen.line {
            line if line.starts_with("HEAD") => 404,
            line if line.starts_with("PUT") || line.contains("mount=") => 201,
            _ => 202,
        };
        answer(status, &["location: /up"], "")
    })
    .await;
    let (registry, to) = (server.registry(), server.repository());
    for _ in 0..2 {
        registry.mount_blob(&to, &to, &blob, "one".into()).await.unwrap();
    }
    let methods: Vec<_> = server.lines().iter().map(|line| line[..4].trim_end().to_owned()).collect();
    assert_eq!(methods, ["POST", "HEAD", "POST", "PUT", "POST", "PUT"]);
    assert_eq!(server.lines()[1], format!("HEAD /v2/charts/a/blobs/{}", blob.digest));
}

/// Whoever may write here and not read there uploads: with a token for this repository alone, and from then on at once.
#[tokio::test]
async fn without_a_token_for_both_repositories_the_bytes_are_sent() {
    let blob = Descriptor::of("x", b"one");
    let server = Server::new(|seen| async move {
        match &seen.line {
            line if line.contains("/token") && line.matches("scope=").count() > 1 => answer(403, &[], ""),
            line if line.contains("/token") => answer(200, &[], r#"{"token":"t","expires_in":300}"#),
            _ if seen.authorization.as_deref() != Some("Bearer t") => {
                answer(401, &[&format!(r#"www-authenticate: Bearer realm="http://{}/token""#, seen.host)], "")
            }
            line => answer(if line.starts_with("PUT") { 201 } else { 202 }, &["location: /up"], ""),
        }
    })
    .await;
    let (registry, to) = (server.registry_with_credential(), server.repository());
    let from: Repository = format!("{}/charts/b", server.host).parse().unwrap();
    for _ in 0..2 {
        registry.mount_blob(&to, &from, &blob, "one".into()).await.unwrap();
    }
    let starts: Vec<_> = server.lines().iter().map(|line| line[..line.len().min(10)].to_owned()).collect();
    let sent = ["POST /v2/c", "PUT /up?di"];
    assert_eq!(starts, [&["GET /v2/", "GET /token", "GET /token"][..], &sent, &sent].concat());
}
