//! Services that are down, broken, busy or cut off while something is signed: nothing is published unsigned, the message says
//! who it was, and the next run ends with one signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;

use crate::support::process::Ran;
use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{Fault, RekorVersion, Service, Sigstore};
use crate::support::tools::Tool;

/// What lasts longer than a run tries, and what is said about it.
const LASTING: [(&str, Fault, &str); 4] = [
    ("1.0.0", Fault::Down, "(3 tries)"),
    ("1.0.1", Fault::Broken, "HTTP 500"),
    ("1.0.2", Fault::Throttled(None), "HTTP 429"),
    ("1.0.3", Fault::AnswerLost, "(3 tries)"),
];

/// What passes within a run.
const PASSING: [(&str, Fault, usize); 4] = [
    ("1.1.0", Fault::Down, 1),
    ("1.1.1", Fault::Broken, 2),
    ("1.1.2", Fault::Throttled(Some(1)), 1),
    ("1.1.3", Fault::AnswerLost, 1),
];

fn apply(signed: &Signed, version: &str) -> Ran {
    signed.workspace.run(&format!("apply --chart web@{version}"))
}

/// One signature that holds, and no second one.
#[track_caller]
fn signed_once(signed: &Signed, version: &str) {
    let ran = signed.workspace.run(&format!("verify --chart web@{version}")).ok();
    assert!(!ran.said().contains("signature-twice"), "{ran}");
    assert_eq!(signed.bundles(&format!("{}:{version}", signed.repository())), 1, "{version}");
}

fn outage(service: Service, rekor: RekorVersion, name: &str) {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let versions: Vec<&str> = LASTING.iter().map(|it| it.0).chain(PASSING.iter().map(|it| it.0)).collect();
    let signed = Signed::quickly(sigstore, Kind::Distribution, rekor, &versions);
    for (version, fault, says) in LASTING {
        signed.fronted.fail(service, fault);
        apply(&signed, version)
            .exits(1)
            .says(name)
            .says("could not be reached")
            .says(says)
            .says("run again when it answers");
        signed.desk.run(Tool::Crane, &format!("digest {}:{version}", signed.repository())).refused();
        signed.fronted.heal(service);
        signed.fronted.take();
        apply(&signed, version).ok();
        assert_eq!(signed.fronted.logged(), 1, "{fault:?}: {:?}", signed.fronted.take());
        signed_once(&signed, version);
    }
    for (version, fault, times) in PASSING {
        signed.fronted.take();
        signed.fronted.fail_times(service, fault, times);
        apply(&signed, version).ok();
        // A log of the second kind does not tell of an entry twice: the signature whose answer was lost stays in it.
        let lost = service == Service::Rekor && rekor == RekorVersion::V2 && fault == Fault::AnswerLost;
        assert_eq!(signed.fronted.logged(), 1 + usize::from(lost), "{fault:?}: {:?}", signed.fronted.take());
        signed_once(&signed, version);
    }
}

#[test]
fn the_token_endpoint_is_in_trouble() {
    outage(Service::Issuer, RekorVersion::V1, "the CI system's token endpoint");
}

#[test]
fn the_certificate_authority_is_in_trouble() {
    outage(Service::Fulcio, RekorVersion::V2, "the certificate authority (Fulcio)");
}

#[test]
fn the_time_stamp_authority_is_in_trouble() {
    outage(Service::Tsa, RekorVersion::V1, "the time stamp authority");
}

#[test]
fn the_first_log_is_in_trouble() {
    outage(Service::Rekor, RekorVersion::V1, "the transparency log (Rekor)");
}

#[test]
fn the_second_log_is_in_trouble() {
    outage(Service::Rekor, RekorVersion::V2, "the transparency log (Rekor)");
}

/// What was logged is kept before anybody sees it: when the registry does not take it, the next run has it.
#[test]
fn a_signature_that_could_not_be_attached_is_not_made_again() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.0"]);
    // Token, certificate, time stamp, log entry; then the registry takes nothing any more.
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    signed.fronted.on_request(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    signed.registry.front().set_fault(move |method, _| {
        let refused = asked.load(Ordering::SeqCst) >= 4 && matches!(*method, Method::PUT | Method::POST);
        refused.then(|| StatusCode::FORBIDDEN.into_response())
    });
    apply(&signed, "1.0.0").exits(1).says("the signature could not be attached").says("not made twice");
    signed.registry.front().clear_fault();
    signed.fronted.unwatched();
    signed.desk.run(Tool::Crane, &format!("digest {}:1.0.0", signed.repository())).refused();
    assert_eq!(signed.fronted.logged(), 1);
    signed.fronted.take();
    apply(&signed, "1.0.0").ok();
    // The token only: whether this run could sign is found out before it writes anything.
    assert_eq!(signed.fronted.take().iter().filter(|seen| seen.service != Service::Issuer).count(), 0);
    signed_once(&signed, "1.0.0");
    signed.consumers_accept("1.0.0");
}

/// One chart waits for a service that is gone; the others are told what it found.
#[test]
fn a_service_that_is_gone_is_given_up_for_the_whole_run() {
    needs!(Tool::Distribution, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let versions: Vec<String> = (0..30).map(|patch| format!("1.0.{patch}")).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let mut signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &versions);
    signed.workspace.add_settings("[apply]\nmax-changes = 100");
    signed.fronted.take();
    signed.fronted.fail(Service::Fulcio, Fault::Down);
    signed.workspace.run("apply").exits(1).says("and it is not asked again in this run");
    // Eight at once, three tries each.
    assert!(signed.fronted.count(Service::Fulcio) <= 24, "{}", signed.fronted.count(Service::Fulcio));
    assert!(
        signed
            .desk
            .run(Tool::Crane, &format!("ls {}", signed.repository()))
            .said()
            .lines()
            .all(|tag| !tag.starts_with("1.0."))
    );
}
