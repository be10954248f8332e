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
        // Requests that another library makes are seen as all others.
        let ran = signed.workspace.run(&format!("apply -v --chart web@{version}")).ok();
        let ran = ran.says("/api/v2/signingCert  answered").says("/log/entries  answered").says("  200  ");
        assert!(!ran.stderr().contains("token="), "{ran}");
        assert_eq!(signed.fronted.logged(), 1, "{fault:?}: {:?}", signed.fronted.take());
        signed_once(&signed, version);
    }
    for (version, fault, times) in PASSING {
        signed.fronted.take();
        signed.fronted.fail_times(service, fault, times);
        apply(&signed, version).ok();
        assert_eq!(signed.fronted.logged(), 1, "{fault:?}: {:?}", signed.fronted.take());
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

/// A time stamp that no verification would take is refused before anything is logged: what a log has, it has for ever.
#[test]
fn a_time_stamp_that_cannot_hold_is_not_logged() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.0"]);
    signed.fronted.fail(Service::Tsa, Fault::Modified);
    apply(&signed, "1.0.0").exits(1).says("time stamp: its status is not just `granted`");
    assert_eq!(signed.fronted.logged(), 0, "{:?}", signed.fronted.take());
    signed.desk.run(Tool::Crane, &format!("digest {}:1.0.0", signed.repository())).refused();
    signed.fronted.heal(Service::Tsa);
    apply(&signed, "1.0.0").ok();
    signed_once(&signed, "1.0.0");
}

/// The paths that a log was asked for, each with what it said.
fn asked_of_the_log(signed: &Signed) -> Vec<(String, Option<u16>)> {
    let seen = signed.fronted.take().into_iter().filter(|seen| seen.service == Service::Rekor);
    seen.map(|seen| (seen.request, seen.status)).collect()
}

/// The log has taken an entry and says so, but does not show it yet.
#[test]
fn an_entry_that_the_first_log_does_not_show_yet_is_waited_for() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.0"]);
    signed.fronted.fail_in_turn(Service::Rekor, &[Some(Fault::AnswerLost), None, Some(Fault::NotThere)]);
    apply(&signed, "1.0.0").ok();
    let post = |status| ("POST /api/v1/log/entries".to_owned(), Some(status));
    let asked = asked_of_the_log(&signed);
    let get = asked.get(2).map(|(request, _)| request.clone()).unwrap_or_default();
    assert!(get.starts_with("GET /api/v1/log/entries/"), "{asked:?}");
    assert_eq!(asked, [post(201), post(409), (get.clone(), None), post(409), (get, Some(200))]);
    signed_once(&signed, "1.0.0");
    signed.consumers_accept("1.0.0");
}

/// A log of the second kind tells of an entry once. Its proof is put together from what the log publishes, so that it need not be
/// made again; consumers cannot tell the difference.
#[test]
fn an_entry_whose_answer_was_lost_is_proven_by_what_the_second_log_publishes() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let versions = ["1.0.0", "1.0.1", "1.0.2"];
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V2, &versions);
    // The second: one of its tiles is gone, because the log has grown. The third log publishes nothing at all.
    for (version, faults, entries) in [
        ("1.0.0", &[Some(Fault::AnswerLost)][..], 1),
        ("1.0.1", &[Some(Fault::AnswerLost), None, None, Some(Fault::NotThere)], 1),
        ("1.0.2", &[Some(Fault::AnswerLost)], 2),
    ] {
        if entries == 2 {
            signed.fronted.unpublish();
        }
        signed.fronted.take();
        signed.fronted.fail_in_turn(Service::Rekor, faults);
        apply(&signed, version).ok();
        assert_eq!(signed.fronted.logged(), entries, "{version}");
        let asked = asked_of_the_log(&signed);
        let again =
            asked.iter().filter(|(request, status)| request.starts_with("POST") && *status == Some(409)).count();
        assert_eq!(again, faults.len().min(2), "{version}: {asked:?}");
        let checkpoints = asked.iter().filter(|(request, _)| request == "GET /api/v2/checkpoint").count();
        assert_eq!(checkpoints, again, "{version}: {asked:?}");
        signed_once(&signed, version);
        signed.consumers_accept(version);
        apply(&signed, version).ok().says("nothing to do");
    }
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
