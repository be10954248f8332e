//! Whatever moment an apply ends at, the next one converges.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::registry::{Kind, Registry};
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

/// The registry stops to answer after each number of requests that an apply makes; the next apply finishes the work.
#[test]
fn any_prefix_of_an_apply_converges() {
    needs!(Tool::Distribution, Tool::Crane);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    let key = Key::new("Releases <releases@example.org>");
    let images = VERSIONS.map(|version| Image::chart("web", version, "", Some(&key)));
    let mut requests = usize::MAX;
    let mut after = 0;
    while after < requests {
        let publish = registry.repository(&format!("run-{after}"));
        let workspace = Workspace::new(&publish).plain_http(&registry.host()).layout("upstream.example", "upstream");
        for (image, version) in images.iter().zip(VERSIONS) {
            image.put(&workspace.path("upstream/web"), version);
        }
        workspace.mirror(
            "web",
            "upstream.example/web",
            &format!("{publish}/web"),
            &VERSIONS,
            &workspace.signed_by(&key),
        );
        workspace.run("lock").ok();

        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        // Not an answer that is worth to try again: the rest of the run must not come through.
        registry.front().set_fault(move |_, _| {
            (counter.fetch_add(1, Ordering::SeqCst) >= after).then(|| StatusCode::FORBIDDEN.into_response())
        });
        let first = workspace.run("apply");
        registry.front().clear_fault();
        if first.code() == 0 {
            requests = after;
        }
        workspace.run("apply").ok();
        for (image, version) in images.iter().zip(VERSIONS) {
            assert_eq!(desk.digest(&format!("{publish}/web:{version}")), image.digest(), "after {after} requests");
        }
        workspace.run("plan --detailed-exitcode").ok();
        after += 1;
    }
    // HEAD, three blobs by POST and PUT, PUT and GET of the tag, for each of two charts.
    assert!(requests >= 18, "{requests}");
}
