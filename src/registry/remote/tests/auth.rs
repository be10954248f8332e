//! Who gets which credential, and how often anybody is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::server::{Seen, Server, answer, quick};
use super::*;
use crate::http::Kind;

/// `user:canary`, as the servers' Docker configs have it.
const BASIC: &str = "Basic dXNlcjpjYW5hcnk=";

/// A registry that wants tokens of a server, which names them after the number of those it gave.
fn wants_token(seen: &Seen, realm: &str, good: &str) -> axum::response::Response {
    if seen.authorization.as_deref() == Some(good) {
        return answer(200, &[&format!("docker-content-digest: {}", Digest::of(b"{}"))], "{}");
    }
    answer(401, &[&format!(r#"www-authenticate: Bearer realm="{realm}",service="the registry",scope="x""#)], "")
}

/// Registry and token server on one host and port.
async fn with_tokens(token_answer: &'static str, good: &'static str) -> Server {
    Server::new(move |seen| async move {
        if seen.line.contains("/token") {
            return answer(200, &[], token_answer);
        }
        wants_token(&seen, &format!("http://{}/token", seen.host), good)
    })
    .await
}

#[tokio::test]
async fn one_challenge_and_one_token_however_many_wait() {
    for credential in [false, true] {
        let server = with_tokens(r#"{"token":"t"}"#, "Bearer t").await;
        let registries = if credential {
            server.registries(server.credentials(""), quick())
        } else {
            server.registries(Credentials::default(), quick())
        };
        let registry = registries.at(&server.repository());
        let reference = tagged(&server);
        for result in join_all((0..50).map(|_| registry.resolve(&reference))).await {
            result.unwrap();
        }
        let count = |kind: Kind| {
            registries.requests().iter().filter(|found| found.kind == kind).map(|found| found.count).sum::<u64>()
        };
        let challenged =
            server.seen().iter().filter(|seen| seen.authorization.is_none() && !seen.line.contains("/token")).count();
        assert_eq!((count(Kind::Token), challenged), (1, 1), "{credential}: {:?}", registries.requests());
        assert_eq!(count(Kind::Challenge), u64::from(credential));
        assert_eq!(count(Kind::Manifest), if credential { 50 } else { 51 });
        let token = server.seen().into_iter().find(|seen| seen.line.contains("/token")).unwrap();
        assert_eq!(token.line, "GET /token?service=the+registry&scope=repository%3Acharts%2Fa%3Apull");
        assert_eq!(token.authorization.as_deref(), credential.then_some(BASIC));
    }
}

#[tokio::test]
async fn a_registry_that_wants_nothing_is_asked_for_nothing() {
    let server = Server::in_turn(vec![|| answer(200, &[], "one")]).await;
    let (registry, repository, blob) = (server.registry(), server.repository(), Descriptor::of("x", b"one"));
    for result in join_all((0..50).map(|_| registry.blob(&repository, &blob))).await {
        result.unwrap();
    }
    assert_eq!(server.lines().len(), 50);
}

#[tokio::test]
async fn a_token_that_may_push_serves_reading_too() {
    let server = with_tokens(r#"{"access_token":"t","expires_in":300}"#, "Bearer t").await;
    let registry = server.registry_with_credential().for_push();
    registry.resolve(&tagged(&server)).await.unwrap();
    registry.push_manifest(&tagged(&server), IMAGE_MANIFEST, "{}".into()).await.unwrap();
    registry.manifest_by_tag(&tagged(&server)).await.unwrap();
    let tokens: Vec<_> = server.lines().into_iter().filter(|line| line.contains("/token")).collect();
    assert_eq!(tokens, ["GET /token?service=the+registry&scope=repository%3Acharts%2Fa%3Apull%2Cpush"]);
    let other = server.repository().join("b").unwrap();
    registry.resolve(&other.tagged("1".parse().unwrap())).await.unwrap();
    assert_eq!(server.lines().iter().filter(|line| line.contains("/token")).count(), 2, "each repository has its own");
}

#[tokio::test]
async fn tokens_are_renewed_when_old_and_once_when_refused() {
    for (token_answer, good, tokens, works) in [
        (r#"{"token":"t","expires_in":300}"#, "Bearer t", 1, true),
        (r#"{"token":"t","expires_in":0}"#, "Bearer t", 3, true),
        (r#"{"token":"t"}"#, "Bearer other", 2, false),
    ] {
        let server = with_tokens(token_answer, good).await;
        let registry = server.registry_with_credential();
        for _ in 0..3 {
            let result = registry.resolve(&tagged(&server)).await;
            assert_eq!(result.is_ok(), works, "{result:?}");
            if !works {
                assert_eq!(variant(&result.unwrap_err()), "denied with credential");
                break;
            }
        }
        let asked = server.lines().iter().filter(|line| line.contains("/token")).count();
        // A token of no duration is fetched while getting ready, and again when it is sent.
        assert!(asked >= tokens && asked <= tokens * 2, "{token_answer}: {:?}", server.lines());
    }
}

#[tokio::test]
async fn a_token_that_the_registry_forgot_is_replaced() {
    let given = Arc::new(AtomicU32::new(0));
    let server = Server::new(move |seen| {
        let given = given.clone();
        async move {
            if seen.line.contains("/token") {
                let number = given.fetch_add(1, Ordering::SeqCst) + 1;
                return answer(200, &[], format!(r#"{{"token":"t{number}","expires_in":300}}"#));
            }
            // The first token is good for one request.
            let good = if seen.line.contains("first") { "Bearer t1" } else { "Bearer t2" };
            wants_token(&seen, &format!("http://{}/token", seen.host), good)
        }
    })
    .await;
    let registry = server.registry();
    let resolve = async |tag: &str| registry.resolve(&server.repository().tagged(tag.parse().unwrap())).await.unwrap();
    resolve("first").await;
    resolve("second").await;
    resolve("second").await;
    assert_eq!(server.lines().iter().filter(|line| line.contains("/token")).count(), 2);
    assert_eq!(server.lines().len(), 7, "401, token, first; 401, token, second; second: {:?}", server.lines());
}

#[tokio::test]
async fn token_servers_that_fail_are_told_apart() {
    for (status, body, expected, says) in [
        (401, "", "denied with credential", "the token server http://"),
        (403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "denied with credential", "DENIED no"),
        (404, "", "protocol", "404"),
        (429, "", "throttled", "429"),
        (500, "", "transport", "500"),
        (302, "", "protocol", "redirects"),
        (200, "", "protocol", "no usable token"),
        (200, r#"{"token":""}"#, "protocol", "no usable token"),
    ] {
        let server = Server::new(move |seen| async move {
            if seen.line.contains("/token") {
                return answer(status, &["location: /elsewhere"], body);
            }
            wants_token(&seen, &format!("http://{}/token", seen.host), "Bearer t")
        })
        .await;
        let error = server.registry_with_credential().resolve(&tagged(&server)).await.unwrap_err();
        assert!(variant(&error) == expected && error.to_string().contains(says), "{status}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_password_goes_with_each_request_once_it_is_wanted() {
    let server = Server::new(|seen| async move {
        match seen.authorization.as_deref() {
            Some(BASIC) => answer(200, &[], "one"),
            _ => answer(401, &["www-authenticate: Basic realm=\"x\""], ""),
        }
    })
    .await;
    let blob = Descriptor::of("x", b"one");
    let registry = server.registry_with_credential();
    assert!(registry.has_credential().await);
    for _ in 0..2 {
        registry.blob(&server.repository(), &blob).await.unwrap();
    }
    assert_eq!(server.lines().len(), 3, "{:?}", server.lines());
    let error = server.registry().blob(&server.repository(), &blob).await.unwrap_err();
    assert_eq!(variant(&error), "denied", "{error}");
    assert!(error.to_string().contains("docker login"), "{error}");
}

#[tokio::test]
async fn an_identity_token_is_changed_for_access_tokens() {
    let server = with_tokens(r#"{"access_token":"t"}"#, "Bearer t").await;
    let credentials = server.credentials(r#","identitytoken":"canary""#);
    let registry = server.registries(credentials, quick()).at(&server.repository());
    registry.resolve(&tagged(&server)).await.unwrap();
    let asked = server.seen().into_iter().find(|seen| seen.line.contains("/token")).unwrap();
    assert_eq!(asked.line, "POST /token");
    let form = "grant_type=refresh_token&client_id=chartsync&service=the+registry\
        &scope=repository%3Acharts%2Fa%3Apull&refresh_token=canary";
    assert_eq!(asked.body, form);
    assert_eq!(asked.authorization, None);
}

#[tokio::test]
async fn a_foreign_realm_gets_nothing_unless_settings_name_it() {
    let tokens = Server::in_turn(vec![|| answer(200, &[], r#"{"token":"t"}"#)]).await;
    let realm = format!("http://{}/token", tokens.host);
    let registry = Server::new(move |seen| {
        let realm = realm.clone();
        async move { wants_token(&seen, &realm, "Bearer t") }
    })
    .await;
    // On loopback a foreign server is refused for its address alone.
    let error = registry.registry_with_credential().resolve(&tagged(&registry)).await.unwrap_err();
    assert!(variant(&error) == "protocol" && error.to_string().contains("private address"), "{error}");
    assert!(error.to_string().contains(&format!("set `token-realm = \"http://{}\"` under", tokens.host)), "{error}");
    assert!(tokens.lines().is_empty());

    let registry = registry.trusting(&tokens);
    registry.registry_with_credential().resolve(&tagged(&registry)).await.unwrap();
    assert_eq!(tokens.seen()[0].authorization.as_deref(), Some(BASIC));
    let leaked = registry.seen().iter().any(|seen| seen.authorization.as_deref() == Some(BASIC));
    assert!(!leaked, "the registry itself gets tokens alone");
}

#[tokio::test]
async fn redirects_carry_no_credential_to_another_host() {
    let other = Server::in_turn(vec![|| answer(200, &[], "one")]).await;
    let to = other.host.clone();
    let server = Server::new(move |seen| {
        let to = to.clone();
        async move {
            if seen.authorization.as_deref() != Some(BASIC) {
                return answer(401, &["www-authenticate: Basic realm=x"], "");
            }
            match seen.line.as_str() {
                line if line.contains("/loop/") => answer(302, &["location: ?again"], ""),
                line if line.contains("/home/") => answer(307, &["location: /stored"], ""),
                "GET /stored" => answer(200, &[], "one"),
                line if line.starts_with("POST") => answer(202, &[&format!("location: http://{to}/up")], ""),
                _ => answer(307, &[&format!("location: http://{to}/stored")], ""),
            }
        }
    })
    .await;
    let blob = Descriptor::of("x", b"one");
    let [home, away, endless] = ["home", "away", "loop"].map(|name| server.repository().join(name).unwrap());

    let registry = server.registry_with_credential();
    assert_eq!(registry.blob(&home, &blob).await.unwrap(), "one");
    let error = registry.blob(&endless, &blob).await.unwrap_err();
    assert!(error.to_string().contains("redirects more than 5 times"), "{error}");
    for error in [
        registry.blob(&away, &blob).await.unwrap_err(),
        registry.push_blob(&away, &blob, "one".into()).await.unwrap_err(),
    ] {
        assert!(variant(&error) == "protocol" && error.to_string().contains("private address"), "{error}");
    }
    assert!(other.lines().is_empty());

    // Settings name the other host, so its address is no hindrance; it gets bytes and no credential all the same.
    let server = server.trusting(&other);
    let registry = server.registry_with_credential();
    assert_eq!(registry.blob(&away, &blob).await.unwrap(), "one");
    registry.push_blob(&away, &blob, "one".into()).await.unwrap();
    assert_eq!(other.lines().len(), 2);
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", other.seen());
}

/// Bytes and names go where the registry gave a place for them, and nowhere else.
#[tokio::test]
async fn what_is_written_is_not_led_elsewhere() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::new(move |seen| async move {
            match seen.line.as_str() {
                line if line.contains("/elsewhere") => answer(201, &[], ""),
                _ => answer(status, &["location: /elsewhere"], ""),
            }
        })
        .await;
        let (registry, blob) = (server.registry(), Descriptor::of("x", b"one"));
        for error in [
            registry.push_blob(&server.repository(), &blob, "one".into()).await.unwrap_err(),
            registry.push_manifest(&tagged(&server), IMAGE_MANIFEST, "{}".into()).await.unwrap_err(),
        ] {
            assert!(variant(&error) == "protocol" && error.to_string().contains("never followed"), "{status}: {error}");
        }
        assert!(server.lines().iter().all(|line| !line.contains("/elsewhere")), "{:?}", server.lines());
    }
}

#[tokio::test]
async fn names_are_guarded_where_they_resolve() {
    let other = Server::in_turn(vec![|| answer(200, &[], "one")]).await;
    let port = other.host.rsplit(':').next().unwrap().to_owned();
    let server = Server::new(move |_| {
        let location = format!("location: http://localhost:{port}/stored");
        async move { answer(307, &[&location], "") }
    })
    .await;
    let blob = Descriptor::of("x", b"one");
    let error = server.registry().blob(&server.repository(), &blob).await.unwrap_err();
    assert!(variant(&error) == "protocol" && error.to_string().contains("private address"), "{error}");
    assert_eq!((server.lines().len(), other.lines().len()), (1, 0), "not tried again, not reached");
}

#[tokio::test]
async fn a_challenge_of_another_host_is_not_answered() {
    let other = Server::in_turn(vec![|| answer(401, &["www-authenticate: Basic realm=x"], "")]).await;
    let to = other.host.clone();
    let server = Server::new(move |_| {
        let location = format!("location: http://{to}/stored");
        async move { answer(307, &[&location], "") }
    })
    .await
    .trusting(&other);
    let blob = Descriptor::of("x", b"one");
    let error = server.registry_with_credential().blob(&server.repository(), &blob).await.unwrap_err();
    assert_eq!(variant(&error), "denied with credential", "{error}");
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}
