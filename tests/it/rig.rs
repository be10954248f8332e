//! The rig itself: what the other tests stand on must hold, and must be able to fail.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::support::charts::{Desk, blobs};
use crate::support::pgp::Key;
use crate::support::registry::{Auth, Kind, Registry};
use crate::support::tools::{HELMS, Tool};

/// Both helms publish to and verify from a registry.
fn round_trip(registry: &Registry, desk: &Desk) {
    let key = Key::new("Rig <rig@example.org>");
    let keyring = desk.write("public.gpg", key.public());
    let other = desk.write("other.gpg", Key::new("Other <other@example.org>").public());
    for (helm, version) in HELMS.into_iter().zip(["1.0.4", "1.0.3"]) {
        let package = desk.publish(helm, &registry.repository("rig"), "web", version, Some(&key));
        let repository = registry.repository("rig/web");
        let reference = format!("{repository}:{version}");
        assert_eq!(blobs(&desk.manifest(&reference)).len(), 3);
        let (pulled, into) = desk.pull(helm, &repository, version, Some(&keyring));
        pulled.ok().says(&key.fingerprint());
        let archive = into.path().join(format!("web-{version}.tgz"));
        assert_eq!(std::fs::read(archive).unwrap(), std::fs::read(&package.archive).unwrap());
        desk.pull(helm, &repository, version, Some(&other)).0.refused();
    }
}

#[test]
fn distribution_serves_without_credentials() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras);
    round_trip(&Registry::start(Kind::Distribution), &Desk::new());
}

#[test]
fn olareg_serves_without_credentials() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Helm3, Tool::Oras);
    round_trip(&Registry::start(Kind::Olareg), &Desk::new());
}

#[test]
fn distribution_asks_for_a_password() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    let (registry, desk) = (Registry::distribution(Auth::Basic), Desk::new());
    let reference = registry.repository("rig/web:1.0.4");
    desk.run(Tool::Crane, &format!("digest {reference}")).refused().says("UNAUTHORIZED");
    desk.log_in(&[registry.host()]);
    round_trip(&registry, &desk);
    assert!(desk.digest(&reference).starts_with("sha256:"));
}

#[test]
fn distribution_asks_for_signed_tokens() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    let (registry, desk) = (Registry::distribution(Auth::Token), Desk::new());
    desk.log_in(&[registry.host()]);
    round_trip(&registry, &desk);
    let counts = registry.front().take_counts();
    assert!(counts.iter().any(|(what, times)| what == "GET token" && *times > 0), "{counts:?}");

    // Without credentials the tokens are good for reading only.
    let stranger = Desk::new();
    let reference = registry.repository("rig/web:1.0.4");
    assert_eq!(stranger.digest(&reference), desk.digest(&reference));
    let other = registry.repository("rig/web:stolen");
    stranger.run(Tool::Crane, &format!("copy {reference} {other}")).refused();
}

#[test]
fn distribution_speaks_tls_for_those_who_trust_its_authority() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    let (registry, mut desk) = (Registry::over_tls(), Desk::new());
    desk.run(Tool::Oras, &format!("manifest fetch {}", registry.repository("rig/web:1.0.4")))
        .refused()
        .says("certificate");
    desk.trust(registry.authority());
    round_trip(&registry, &desk);
}

#[test]
fn a_front_counts_requests_and_answers_in_the_registry_s_place() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    desk.publish(Tool::Helm4, &registry.repository("rig"), "web", "1.0.0", None);
    let reference = registry.repository("rig/web:1.0.0");
    registry.front().take();
    desk.digest(&reference);
    let once = [("GET base".to_owned(), 1), ("HEAD tag".to_owned(), 1)];
    assert_eq!(registry.front().take_counts(), once);

    registry.front().set_fault(|_, path| path.contains("/manifests/").then(|| StatusCode::FORBIDDEN.into_response()));
    desk.run(Tool::Crane, &format!("digest {reference}")).refused();
    registry.front().clear_fault();
    desk.digest(&reference);
}

#[test]
fn helm_refuses_a_key_that_has_expired() {
    needs!(Tool::Helm4, Tool::Distribution);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    let (key, live) = (Key::expired("Past <past@example.org>"), Key::new("Now <now@example.org>"));
    let package = desk.package(Tool::Helm4, &desk.chart("web", "1.0.0", ""), Some(&live));
    package.resign_in_the_past(&key);
    desk.push(Tool::Helm4, &package, &registry.repository("rig"));
    let keyring = desk.write("expired.gpg", key.public());
    let (pulled, _) = desk.pull(Tool::Helm4, &registry.repository("rig/web"), "1.0.0", Some(&keyring));
    pulled.refused().says("expired");
}
