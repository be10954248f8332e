//! Registries that do not say what is signed, that lose signatures or do not take them: nothing is named unsigned, and nothing is
//! signed twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::bundles::{Attached, index};
use crate::support::images::{IMAGE_MANIFEST, digest};
use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{RekorVersion, Sigstore};
use crate::support::tools::Tool;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What it is, what the program must say of it, and the answer.
type Answer = (&'static str, &'static str, fn() -> Response);

fn busy(status: StatusCode) -> Response {
    (status, [("retry-after", "0")]).into_response()
}

fn list(body: impl Into<Body>) -> Response {
    Response::builder().header("content-type", INDEX).body(body.into()).unwrap()
}

/// An answer that ends before its end.
fn cut_off() -> Response {
    let parts = [Ok("{"), Err(std::io::Error::other("cut off"))];
    list(Body::from_stream(futures_util::stream::iter(parts)))
}

/// Entries of bundles that are not there.
fn bogus(artifact_type: &str) -> Vec<Value> {
    let entry = |number: u32| {
        let digest = digest(&number.to_le_bytes());
        json!({"mediaType": IMAGE_MANIFEST, "digest": digest, "size": 700, "artifactType": artifact_type})
    };
    (0..5000).map(entry).collect()
}

const ANSWERS: [Answer; 11] = [
    ("429", "429", || busy(StatusCode::TOO_MANY_REQUESTS)),
    ("500", "500", || busy(StatusCode::INTERNAL_SERVER_ERROR)),
    ("503", "503", || busy(StatusCode::SERVICE_UNAVAILABLE)),
    ("403", "denied", || StatusCode::FORBIDDEN.into_response()),
    ("303", "", || (StatusCode::SEE_OTHER, [("location", "http://127.0.0.1:1/nowhere")]).into_response()),
    ("204", "", || StatusCode::NO_CONTENT.into_response()),
    ("cut off", "", cut_off),
    ("garbage", "", || list("garbage")),
    ("overlong", "", || list(" ".repeat(9 << 20))),
    ("5,000 bundles that are not there", "more than 256 are listed", || list(index(&bogus(BUNDLE)))),
    ("5,000 others", "more than 256 are listed", || list(index(&bogus("text/plain")))),
];

/// Whether this asks what is attached to something.
fn asks(kind: Kind, method: &Method, path: &str) -> bool {
    let list = match kind {
        Kind::Distribution => path.contains("/manifests/sha256-"),
        Kind::Olareg => path.contains("/referrers/"),
    };
    *method == Method::GET && list
}

/// 1.0.4 is published and unsigned, 1.0.5 is not published.
fn half_published(sigstore: &'static Sigstore, kind: Kind, version: RekorVersion) -> Signed {
    let signed = Signed::new(sigstore, kind, version, &["1.0.4", "1.0.5"]);
    let (from, to) = (signed.registry.repository("upstream/web:1.0.4"), signed.registry.repository("charts/web:1.0.4"));
    signed.desk.run(Tool::Crane, &format!("copy {from} {to}")).ok();
    signed.registry.front().take();
    signed
}

/// No name was written but those of lists.
#[track_caller]
fn names_nothing(signed: &Signed, what: &str) {
    let mut seen = signed.registry.front().take();
    seen.retain(|(method, path)| {
        *method == Method::PUT && path.contains("/manifests/") && !path.contains("/manifests/sha256")
    });
    assert_eq!(seen, [], "{what}");
}

#[track_caller]
fn withheld(signed: &Signed, what: &str, says: &str) -> i32 {
    let plan = signed.workspace.run("plan");
    assert_eq!(plan.code(), 4, "{what}: {plan}");
    let apply = signed.workspace.run("apply");
    // A server that fails is asked no more for a while: then what is not published yet stays so with an error.
    assert!(matches!(apply.code(), 1 | 4), "{what}: {apply}");
    let code = apply.code();
    let charts = if code == 4 { 2 } else { 1 };
    for (ran, charts) in [(plan, 1), (apply, charts)] {
        assert_eq!(ran.said().matches("! signature-unknown").count(), charts, "{what}: {ran}");
        assert!(ran.said().contains("could not be found out: "), "{what}: {ran}");
        assert!(ran.said().contains(says), "{what}: no {says:?} in {ran}");
    }
    let verify = signed.workspace.run("verify --quick");
    assert_eq!(verify.code(), 1, "{what}: {verify}");
    assert_eq!(signed.fronted.logged(), 0, "{what}");
    names_nothing(signed, what);
    code
}

fn unanswered(kind: Kind, version: RekorVersion) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = half_published(sigstore, kind, version);
    for (what, says, answer) in ANSWERS {
        signed.registry.front().set_fault(move |method, path| asks(kind, method, path).then(answer));
        let code = withheld(&signed, what, says);
        // What says nothing of the whole server stops nobody from asking about the next chart.
        let of_server = ["429", "500", "503", "cut off"].contains(&what);
        assert!(of_server || code == 4, "{what}: {code}");
    }
    signed.registry.front().clear_fault();
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 2);
    for version in ["1.0.4", "1.0.5"] {
        signed.consumers_accept(version);
    }
}

#[test]
fn a_registry_that_does_not_tell_by_the_fallback_tag() {
    unanswered(Kind::Distribution, RekorVersion::V1);
}

#[test]
fn a_registry_that_does_not_tell_by_its_api() {
    unanswered(Kind::Olareg, RekorVersion::V2);
}

#[test]
fn something_else_under_the_fallback_tag_is_left_alone() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = half_published(sigstore, Kind::Distribution, RekorVersion::V1);
    let new = signed.desk.digest(&signed.registry.repository("upstream/web:1.0.5")).replace(':', "-");
    let source = format!("{}:1.0.4", signed.repository());
    for tag in [signed.fallback("1.0.4"), format!("{}:{new}", signed.repository())] {
        signed.desk.run(Tool::Crane, &format!("copy {source} {tag}")).ok();
    }
    signed.registry.front().take();
    withheld(&signed, "an image manifest", "the tag should name a list of referrers");
    assert_eq!(signed.desk.digest(&signed.fallback("1.0.4")), signed.desk.digest(&source));
}

/// Ours is found among the first; and lists that are full are not signed again.
#[test]
fn five_thousand_bogus_referrers_hide_nothing_and_cost_no_second_signature() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    for kind in [Kind::Distribution, Kind::Olareg] {
        let signed = Signed::new(sigstore, kind, RekorVersion::V1, &["1.0.4"]);
        signed.workspace.run("apply").ok();
        let attached = Attached::to(&signed, "1.0.4");
        let ours = attached.listed().remove(0);
        let ours = json!({"mediaType": IMAGE_MANIFEST, "digest": ours, "size": 700, "artifactType": BUNDLE});
        let answered = |entries: Vec<Value>| {
            let body = index(&entries);
            let fault = move |method: &Method, path: &str| asks(kind, method, path).then(|| list(body.clone()));
            signed.registry.front().set_fault(fault);
        };
        signed.fronted.take();
        answered([vec![ours.clone()], bogus(BUNDLE)].concat());
        for _ in 0..2 {
            signed.workspace.run("apply").ok().says("nothing to do");
            signed.workspace.run("verify --quick").ok();
            signed.workspace.forget_cache();
        }
        answered([bogus(BUNDLE), vec![ours]].concat());
        signed.workspace.run("plan").exits(4).says("signature-unknown").says("more than 256 are listed");
        signed.workspace.run("apply").exits(4).says("signature-unknown");
        assert_eq!(signed.fronted.logged(), 0);
    }
}

/// A new chart on a registry that answers requests for other image manifests than charts with this.
fn lossy(kind: Kind, method: &'static Method, answer: fn() -> Response, says: &[&str]) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, kind, RekorVersion::V1, &["1.0.4"]);
    let chart = signed.desk.digest(&signed.registry.repository("upstream/web:1.0.4"));
    signed.registry.front().set_fault(move |asked, path| {
        (asked == method && path.contains("/manifests/sha256:") && !path.ends_with(&chart)).then(answer)
    });
    for (round, logged) in [1, 0, 0].into_iter().enumerate() {
        signed.fronted.take();
        let ran = signed.workspace.run("apply").exits(1);
        assert_eq!(signed.fronted.logged(), logged, "round {round}: {ran}");
        for words in says {
            assert!(ran.said().contains(words), "no {words:?} in {ran}");
        }
        names_nothing(&signed, "lossy");
    }
    signed.registry.front().clear_fault();
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 0, "the signature that was made is kept");
    signed.workspace.run("verify").ok();
    signed.consumers_accept("1.0.4");
}

const NOT_THERE: fn() -> Response = || {
    let error = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
    (StatusCode::NOT_FOUND, error.to_string()).into_response()
};

const NOT_TAKEN: fn() -> Response = || {
    let error = json!({"errors": [{"code": "MANIFEST_INVALID", "message": "subject is not supported"}]});
    (StatusCode::BAD_REQUEST, error.to_string()).into_response()
};

#[test]
fn a_registry_that_drops_image_manifests_without_a_tag() {
    let says = ["the signature was attached, but a consumer would not find it", "drops image manifests without a tag"];
    for kind in [Kind::Distribution, Kind::Olareg] {
        lossy(kind, &Method::GET, NOT_THERE, &says);
    }
}

#[test]
fn a_registry_that_takes_no_subject() {
    let says = [
        "the signature could not be attached",
        "with the `subject` sha256:",
        "was not taken",
        "subject is not supported",
    ];
    for kind in [Kind::Distribution, Kind::Olareg] {
        lossy(kind, &Method::PUT, NOT_TAKEN, &says);
    }
}

#[test]
fn a_signature_that_was_deleted_is_put_back() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    for version in RekorVersion::BOTH {
        let signed = Signed::new(sigstore, Kind::Distribution, version, &["1.0.4"]);
        signed.workspace.run("apply").ok();
        let attached = Attached::to(&signed, "1.0.4");
        let before = attached.listed();
        signed.fronted.take();

        attached.list(&[]);
        signed.workspace.run("verify").exits(4).says("nothing is attached");
        signed.workspace.run("plan").ok().says("s sign").says("it was signed before, and the signature is put back");
        signed.workspace.run("apply").ok();
        assert_eq!((attached.listed(), signed.fronted.logged()), (before.clone(), 0));
        signed.consumers_accept("1.0.4");

        attached.list(&[]);
        signed.workspace.forget_cache();
        signed.workspace.run("apply").ok();
        assert_ne!(attached.listed(), before);
        assert_eq!((attached.listed().len(), signed.fronted.logged()), (1, 1));
        signed.consumers_accept("1.0.4");
    }
}

#[test]
fn a_signature_that_the_api_lists_no_more_is_put_back() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Olareg, RekorVersion::V2, &["1.0.4"]);
    signed.workspace.run("apply").ok();
    let before = Attached::to(&signed, "1.0.4").listed();
    signed.fronted.take();
    // Until somebody puts an image manifest, nothing is listed anywhere.
    let put = Arc::new(AtomicBool::new(false));
    signed.registry.front().set_fault(move |method, path| {
        if *method == Method::PUT && path.contains("/manifests/sha256:") {
            put.store(true, Ordering::SeqCst);
        }
        let list = path.contains("/referrers/") || path.contains("/manifests/sha256-");
        (!put.load(Ordering::SeqCst) && *method == Method::GET && list).then(|| list_of_none(path))
    });
    signed.workspace.run("verify").exits(4).says("nothing is attached");
    signed.workspace.run("plan").ok().says("it was signed before, and the signature is put back");
    signed.workspace.run("apply").ok();
    assert_eq!((Attached::to(&signed, "1.0.4").listed(), signed.fronted.logged()), (before, 0));
    signed.workspace.run("verify").ok();
    // The list under the fallback tag alone is none that consumers ask for here, and as good a memory as a cache.
    signed
        .registry
        .front()
        .set_fault(|method, path| (*method == Method::GET && path.contains("/referrers/")).then(|| list_of_none(path)));
    signed.workspace.forget_cache();
    signed.workspace.run("verify").exits(4).says("stands under the fallback tag only");
    signed.workspace.run("plan").ok().says("it was signed before, and the signature is put back");
}

fn list_of_none(path: &str) -> Response {
    if path.contains("/referrers/") { list(index(&[])) } else { NOT_THERE() }
}

/// The list names it still, and it is gone: who audits finds out, and then the next run does.
#[test]
fn a_signature_that_is_only_listed_is_put_back_after_an_audit() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    signed.workspace.run("apply").ok();
    let bundle = Attached::to(&signed, "1.0.4").listed().remove(0);
    signed.fronted.take();
    let put = Arc::new(AtomicBool::new(false));
    signed.registry.front().set_fault(move |method, path| {
        if !path.ends_with(&bundle) {
            return None;
        }
        put.fetch_or(*method == Method::PUT, Ordering::SeqCst);
        (!put.load(Ordering::SeqCst)).then(NOT_THERE)
    });
    signed.workspace.run("verify").exits(4).says("it is listed, but its image manifest is not there");
    signed.workspace.run("plan").ok().says("s sign").says("it was signed before, and the signature is put back");
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 0);
    signed.workspace.run("verify").ok();
    signed.workspace.run("apply").ok().says("nothing to do");
    signed.consumers_accept("1.0.4");
}
