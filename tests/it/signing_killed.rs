//! Whatever moment a signing run is killed at, the next one ends with exactly one signature.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::support::charts::Desk;
use crate::support::process::spawn;
use crate::support::registry::{Kind, Registry};
use crate::support::signed::Signed;
use crate::support::sigstore::{COSIGNS, Claims, Fronted, RekorVersion, Sigstore, eventually};
use crate::support::tools::Tool;

const VERSION: &str = "1.0.0";

/// What the next run finds of the one that was killed, beside the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Kept,
    Forgotten,
}

/// Kills the program that asks, at one of its requests. The request itself is done.
#[derive(Clone)]
struct Reaper {
    left: Arc<AtomicUsize>,
    pid: Arc<AtomicU32>,
}

impl Reaper {
    fn after(requests: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(requests + 1)), pid: Arc::default() }
    }

    fn asked(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let known = || Some(self.pid.load(Ordering::SeqCst)).filter(|pid| *pid != 0);
        let pid = eventually(known).unwrap();
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    }
}

fn killed(kind: Kind, rekor: RekorVersion, cache: Cache) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let (registry, desk) = (Registry::start(kind), Desk::new());
    let fronted = Fronted::new(sigstore, rekor);
    Signed::publish_unsigned(&registry, "upstream", &[VERSION]);
    let workspace = Signed::offer(&registry, sigstore, &fronted, "none", &[VERSION]);
    let mut signed = Signed { registry, desk, workspace, sigstore, fronted, version: rekor };
    let mut killed = 0;
    loop {
        let publish = format!("run-{killed}");
        let reference = signed.registry.repository(&format!("{publish}/web:{VERSION}"));
        // The chart is there; only its signature is missing.
        Signed::publish_unsigned(&signed.registry, &publish, &[VERSION]);
        signed.workspace = Signed::offer(&signed.registry, sigstore, &signed.fronted, &publish, &[VERSION]);

        let reaper = Reaper::after(killed);
        let (here, there) = (reaper.clone(), reaper.clone());
        signed.registry.front().set_fault(move |_, _| {
            here.asked();
            None
        });
        signed.fronted.on_request(move || there.asked());
        let running = spawn(signed.workspace.command().arg("apply"));
        reaper.pid.store(running.pid(), Ordering::SeqCst);
        let ran = running.wait();
        signed.registry.front().clear_fault();
        signed.fronted.unwatched();

        if cache == Cache::Forgotten {
            signed.workspace.forget_cache();
        }
        let again = signed.workspace.run("apply").ok();
        let verified = signed.workspace.run("verify").ok();
        assert!(!verified.said().contains("signature-twice"), "after {killed} requests: {again}\n{verified}");
        assert_eq!(signed.bundles(&reference), 1, "after {killed} requests: {again}");
        if ran.code() == 0 {
            for cosign in COSIGNS {
                sigstore.cosign_verify(cosign, rekor, &Claims::default().identity(), &reference, &[]).ok();
            }
            break;
        }
        assert_eq!(ran.code(), -1, "after {killed} requests: {ran}");
        sigstore.cosign_verify(Tool::Cosign3, rekor, &Claims::default().identity(), &reference, &[]).ok();
        killed += 1;
    }
    // The name, the chart, the look; token, certificate, time stamp, entry; blobs, image manifest, list; the look again.
    assert!(killed >= 15, "{killed}");
}

#[test]
fn on_a_registry_without_referrers() {
    killed(Kind::Distribution, RekorVersion::V1, Cache::Kept);
}

#[test]
fn on_a_registry_without_referrers_and_the_cache_is_lost() {
    killed(Kind::Distribution, RekorVersion::V2, Cache::Forgotten);
}

#[test]
fn on_a_registry_with_referrers() {
    killed(Kind::Olareg, RekorVersion::V2, Cache::Kept);
}

#[test]
fn on_a_registry_with_referrers_and_the_cache_is_lost() {
    killed(Kind::Olareg, RekorVersion::V1, Cache::Forgotten);
}
