//! Whatever moment a signing run is killed at, the next one ends with exactly one signature.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::process::spawn;
use crate::support::registry::{Kind, Registry};
use crate::support::signed::{Signed, keyless};
use crate::support::sigstore::{COSIGNS, Claims, Fronted, RekorVersion, Sigstore, eventually};
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

const VERSION: &str = "1.0.0";
/// More than signing one makes requests: each is killed at another one.
const CHARTS: usize = 30;

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

/// Charts `web0`, `web1` and so on, each in a repository of its own: published, and only their signatures are missing.
fn published(sigstore: &'static Sigstore, kind: Kind, rekor: RekorVersion) -> Signed {
    let registry = Registry::start(kind);
    let fronted = Fronted::new(sigstore, rekor);
    let names: Vec<String> = (0..CHARTS).map(|at| format!("web{at}")).collect();
    let plain = Workspace::new(&registry.repository("all")).plain_http(&registry.host());
    let plain = plain.layout("upstream.example", "upstream");
    let signing = Workspace::signing(&registry.repository("all/charts"), &keyless(sigstore));
    let mut workspace = signing.plain_http(&registry.host());
    for name in &names {
        Image::chart(name, VERSION, "", None).put(&plain.path("upstream").join(name), VERSION);
        let ends = ["upstream", "charts"].map(|end| registry.repository(&format!("all/{end}/{name}")));
        for (at, end) in ends.iter().enumerate() {
            let source = format!("upstream.example/{name}");
            plain.mirror(&format!("{name}-{at}"), &source, end, &[VERSION], &unsigned());
        }
        workspace.mirror(name, &ends[0], &ends[1], &[VERSION], &unsigned());
    }
    plain.run("lock").ok();
    plain.run("apply").ok();
    workspace.write("sigstore/trusted_root.json", std::fs::read(sigstore.trusted_root()).unwrap());
    workspace.write("sigstore/signing_config.json", std::fs::read(fronted.signing_config()).unwrap());
    workspace.set_all(&fronted.github_env(&Claims::default()));
    workspace.run("lock").ok();
    Signed { registry, desk: Desk::new(), workspace, sigstore, fronted, version: rekor }
}

fn killed(kind: Kind, rekor: RekorVersion, cache: Cache) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = published(sigstore, kind, rekor);
    let mut killed = 0;
    loop {
        let apply = format!("apply --chart web{killed}");
        let reaper = Reaper::after(killed);
        let (here, there) = (reaper.clone(), reaper.clone());
        signed.registry.front().set_fault(move |_, _| {
            here.asked();
            None
        });
        signed.fronted.on_request(move || there.asked());
        let running = spawn(signed.workspace.command().args(apply.split(' ')));
        reaper.pid.store(running.pid(), Ordering::SeqCst);
        let ran = running.wait();
        signed.registry.front().clear_fault();
        signed.fronted.unwatched();

        if cache == Cache::Forgotten {
            signed.workspace.forget_cache();
        }
        let again = signed.workspace.run(&apply).ok();
        let reference = signed.registry.repository(&format!("all/charts/web{killed}:{VERSION}"));
        assert_eq!(signed.bundles(&reference), 1, "after {killed} requests: {again}");
        if ran.code() == 0 {
            break;
        }
        assert_eq!(ran.code(), -1, "after {killed} requests: {ran}");
        killed += 1;
    }
    // The name, the chart, the look; token, certificate, time stamp, entry; blobs, image manifest, list; the look again.
    assert!(killed >= 15, "{killed}");
    let all: Vec<_> = (0..=killed).map(|at| format!("--chart web{at}")).collect();
    let verified = signed.workspace.run(&format!("verify --quick {}", all.join(" "))).ok();
    assert!(!verified.said().contains("signature-twice"), "{verified}");
    let identity = Claims::default().identity();
    for (at, cosign) in [0, killed / 2, killed].into_iter().zip([COSIGNS[0], COSIGNS[1], COSIGNS[0]]) {
        let reference = signed.registry.repository(&format!("all/charts/web{at}:{VERSION}"));
        sigstore.cosign_verify(cosign, rekor, &identity, &reference, &[]).ok();
    }
}

macro_rules! killed {
    ($($name:ident: $kind:ident, $rekor:ident, $cache:ident;)*) => {
        $(
            #[test]
            fn $name() {
                killed(Kind::$kind, RekorVersion::$rekor, Cache::$cache);
            }
        )*
    };
}

killed! {
    with_rekor_v1_on_a_registry_without_referrers: Distribution, V1, Kept;
    with_rekor_v1_on_a_registry_without_referrers_and_the_cache_is_lost: Distribution, V1, Forgotten;
    with_rekor_v2_on_a_registry_without_referrers: Distribution, V2, Kept;
    with_rekor_v2_on_a_registry_without_referrers_and_the_cache_is_lost: Distribution, V2, Forgotten;
    with_rekor_v1_on_a_registry_with_referrers: Olareg, V1, Kept;
    with_rekor_v1_on_a_registry_with_referrers_and_the_cache_is_lost: Olareg, V1, Forgotten;
    with_rekor_v2_on_a_registry_with_referrers: Olareg, V2, Kept;
    with_rekor_v2_on_a_registry_with_referrers_and_the_cache_is_lost: Olareg, V2, Forgotten;
}
