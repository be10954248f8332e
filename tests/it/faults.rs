//! Registries on a bad day: every answer that is not a plain yes or no is an error of that chart, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::process::{DEADLINE, spawn};
use crate::support::registry::{Kind, Registry};
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

/// `web` 1.0.0 pinned from a layout, to be published to a registry that can be made to misbehave.
struct Bench {
    registry: Registry,
    workspace: Workspace,
    image: Image,
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::start(Kind::Distribution);
        let publish = registry.repository("charts");
        let workspace = Workspace::new(&publish).plain_http(&registry.host()).layout("upstream.example", "upstream");
        let key = Key::new("Releases <releases@example.org>");
        let image = Image::chart("web", "1.0.0", "", Some(&key));
        image.put(&workspace.path("upstream/web"), "1.0.0");
        let trust = workspace.signed_by(&key);
        workspace.mirror("web", "upstream.example/web", &format!("{publish}/web"), &["1.0.0"], &trust);
        workspace.run("lock").ok();
        Self { registry, workspace, image }
    }

    /// From now on requests for which `when` holds are answered like this.
    fn answer(&self, when: impl Fn(&Method, &str) -> bool + Send + Sync + 'static, answer: fn() -> Response) {
        self.registry.front().set_fault(move |method, path| when(method, path).then(answer));
    }

    /// The registry is itself again: apply publishes.
    #[track_caller]
    fn recovers(&self) {
        self.registry.front().clear_fault();
        self.workspace.run("apply").ok();
        let digest = Desk::new().digest(&self.registry.repository("charts/web:1.0.0"));
        assert_eq!(digest, self.image.digest());
    }
}

/// An answer and what to call it.
type Answer = (&'static str, fn() -> Response);

/// An answer whose body ends before its length.
fn cut_off() -> Response {
    Response::builder().header("content-length", "1000").body(Body::from("cut")).unwrap()
}

fn writes(bench: &Bench) -> Vec<(Method, String)> {
    let mut seen = bench.registry.front().take();
    seen.retain(|(method, _)| !matches!(*method, Method::GET | Method::HEAD));
    seen
}

#[test]
fn a_destination_that_does_not_say_what_it_holds_is_never_taken_for_empty() {
    needs!(Tool::Distribution, Tool::Crane);
    let answers: [Answer; 4] = [
        ("401", || StatusCode::UNAUTHORIZED.into_response()),
        ("403", || StatusCode::FORBIDDEN.into_response()),
        ("500", || StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        ("a teapot", || StatusCode::IM_A_TEAPOT.into_response()),
    ];
    let bench = Bench::new();
    for (what, answer) in answers {
        bench.registry.front().take();
        bench.answer(|_, path| path.contains("/manifests/"), answer);
        let ran = bench.workspace.run("apply");
        assert_eq!(ran.code(), 1, "{what}: {ran}");
        assert!(ran.said().contains("charts/web"), "{what}: {ran}");
        assert_eq!(writes(&bench), [], "{what}: {ran}");
    }
    bench.recovers();
}

/// Whoever may not list tags cannot say that nothing else is published.
#[test]
fn tags_that_are_not_listed_leave_it_open_whether_all_is_as_reviewed() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    bench.recovers();
    bench.answer(|_, path| path.ends_with("/tags/list"), || StatusCode::FORBIDDEN.into_response());
    let ran = bench.workspace.run("plan --drift --out p.json").ok();
    let ran = ran.says("as reviewed? cannot tell: the tags of 1 repository could not be listed").says("~ tags-unknown");
    assert_eq!(ran.said().matches("charts/web").count(), 1, "{ran}");
    let json: serde_json::Value = serde_json::from_str(&bench.workspace.read("p.json")).unwrap();
    assert_eq!((&json["as-reviewed"], &json["all-is-well"]), (&"unknown".into(), &false.into()));
    bench.registry.front().clear_fault();
    bench.workspace.run("plan --drift").ok().says("as reviewed? yes: the tag of 1 chart names what was reviewed");
}

#[test]
fn uploads_that_fail_leave_nothing_that_looks_published() {
    needs!(Tool::Distribution, Tool::Crane);
    let answers: [Answer; 3] = [
        ("403", || StatusCode::FORBIDDEN.into_response()),
        ("507", || StatusCode::INSUFFICIENT_STORAGE.into_response()),
        ("cut off", cut_off),
    ];
    let bench = Bench::new();
    for (what, answer) in answers {
        bench.answer(|method, path| *method == Method::PUT && path.contains("/blobs/uploads/"), answer);
        let ran = bench.workspace.run("apply");
        assert_eq!(ran.code(), 1, "{what}: {ran}");
        bench.registry.front().clear_fault();
        bench.workspace.run("plan --detailed-exitcode").exits(2);
    }
    bench.recovers();
}

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    let busy = Arc::new(AtomicUsize::new(0));
    let times = Arc::clone(&busy);
    bench.registry.front().set_fault(move |_, path| {
        let busy = path.contains("/blobs/uploads/") && times.fetch_add(1, Ordering::SeqCst) < 2;
        busy.then(|| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response())
    });
    bench.workspace.run("apply").ok();
    assert!(busy.load(Ordering::SeqCst) > 2);
    bench.recovers();
}

#[test]
fn bytes_that_come_back_otherwise_are_told() {
    needs!(Tool::Distribution, Tool::Crane);
    let bench = Bench::new();
    // Only what is read back after the write: the first look is a HEAD.
    bench.answer(
        |method, path| *method == Method::GET && path.ends_with("/manifests/1.0.0"),
        || ([("content-type", "application/vnd.oci.image.manifest.v1+json")], "{}").into_response(),
    );
    bench.workspace.run("apply").exits(1).says("charts/web:1.0.0");
    bench.recovers();
}

#[test]
fn a_destination_that_is_down_is_named() {
    needs!(Tool::Distribution);
    let Bench { registry, workspace, .. } = Bench::new();
    let host = registry.host();
    drop(registry);
    workspace.run("apply").exits(1).says(&host);
    workspace.run("plan").exits(1).says(&host);
}

/// A signal in the middle of an upload: the program ends by itself and tells what it did; the next run finishes the work.
#[test]
fn a_signal_ends_an_apply_in_order() {
    needs!(Tool::Distribution, Tool::Crane);
    for signal in ["INT", "TERM"] {
        let bench = Bench::new();
        let (reached, uploading) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let channels = std::sync::Mutex::new((reached, held));
        bench.registry.front().set_fault(move |method, path| {
            if *method == Method::PUT && path.contains("/blobs/uploads/") {
                let channels = channels.lock().unwrap();
                let _ = channels.0.send(());
                // Until the test lets go: the upload hangs, and every other request with it.
                let _ = channels.1.recv();
            }
            None
        });
        let running = spawn(bench.workspace.command().arg("apply"));
        uploading.recv_timeout(DEADLINE).unwrap();
        running.signal(signal);
        let ran = running.wait();
        drop(release);
        assert!(ran.status.code().is_some_and(|code| code != 0), "SIG{signal}: {ran}");
        bench.recovers();
    }
}
