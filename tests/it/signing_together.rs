//! Many signatures at once: of one run, and of two runs that do the same.

use std::collections::BTreeMap;

use crate::support::process::{Ran, spawn};
use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{RekorVersion, Service, Sigstore};
use crate::support::tools::Tool;

/// So many that two runs meet again and again.
const CHARTS: usize = 50;
/// So many of them have something of somebody else's attached.
const FOREIGN: usize = 10;
const FOREIGN_KIND: &str = "application/vnd.example.sbom";

fn versions(count: usize) -> Vec<String> {
    (0..count).map(|patch| format!("1.0.{patch}")).collect()
}

/// Two runs at once of everything there is to do.
struct Pair {
    signed: Signed,
    versions: Vec<String>,
    /// What was attached before by others, by version.
    foreign: BTreeMap<String, String>,
}

impl Pair {
    fn new(sigstore: &'static Sigstore) -> Self {
        let all = versions(CHARTS);
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &names);
        Signed::publish_unsigned(&signed.registry, "charts", &names[..FOREIGN]);
        signed.desk.write("sbom.json", "{}");
        let mut foreign = BTreeMap::new();
        for version in &all[..FOREIGN] {
            let reference = format!("{}:{version}", signed.repository());
            let attach = format!("attach --plain-http --artifact-type {FOREIGN_KIND} {reference} sbom.json");
            signed.desk.run(Tool::Oras, &attach).ok();
            let [(digest, _)] = &signed.attached(&reference)[..] else { panic!("one thing is attached") };
            foreign.insert(version.clone(), digest.clone());
        }
        signed.fronted.take();
        Self { signed, versions: all, foreign }
    }

    fn apply(&self, caches: [&str; 2]) -> [Ran; 2] {
        let start = |cache: &str| {
            let mut command = self.signed.workspace.command();
            spawn(command.env("CHARTSYNC_CACHE", self.signed.desk.path(cache)).arg("apply"))
        };
        caches.map(start).map(crate::support::process::Running::wait)
    }

    /// Everything is signed, and what others attached is still there.
    #[track_caller]
    fn holds(&self, most: usize) {
        self.signed.workspace.run("verify").ok();
        for version in &self.versions {
            let attached = self.signed.attached(&format!("{}:{version}", self.signed.repository()));
            let foreign = attached.iter().filter(|(_, kind)| kind == FOREIGN_KIND).map(|(digest, _)| digest);
            assert_eq!(
                foreign.collect::<Vec<_>>(),
                Vec::from_iter(self.foreign.get(version)),
                "{version}: {attached:?}"
            );
            let bundles = attached.len() - usize::from(self.foreign.contains_key(version));
            assert!((1..=most).contains(&bundles), "{version}: {attached:?}");
        }
    }
}

#[test]
fn two_runs_with_one_cache_sign_everything_once() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let pair = Pair::new(sigstore);
    for ran in pair.apply(["cache", "cache"]) {
        ran.ok();
    }
    assert_eq!(pair.signed.fronted.logged(), CHARTS);
    pair.holds(1);
}

#[test]
fn two_runs_that_know_nothing_of_each_other_lose_nothing() {
    needs!(Tool::Distribution, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let pair = Pair::new(sigstore);
    for ran in pair.apply(["cache", "other-cache"]) {
        ran.ok();
    }
    assert!((CHARTS..=2 * CHARTS).contains(&pair.signed.fronted.logged()));
    pair.holds(2);
    pair.signed.workspace.run("apply").ok().says("nothing to do");
}

/// As many at once as the settings allow, and it is seen that they do.
#[test]
fn charts_are_signed_at_once_but_not_too_many() {
    needs!(Tool::Distribution);
    let Some(sigstore) = Sigstore::get() else { return };
    let count = std::env::var("CHARTSYNC_TEST_SIGNATURES").ok().and_then(|count| count.parse().ok()).unwrap_or(36);
    let all = versions(count);
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V2, &names);
    let settings = signed.workspace.read("chartsync.toml");
    signed.workspace.write("chartsync.toml", settings.replace("[signing]\n", "[signing]\nconcurrency = 4\n"));
    signed.fronted.take();
    signed.fronted.most_at_once();
    let ran = signed.workspace.run("apply").ok();
    let most = signed.fronted.most_at_once();
    assert!((2..=4).contains(&most), "{most} at once");
    assert_eq!(signed.fronted.logged(), count);
    // One token serves them all.
    assert_eq!(signed.fronted.count(Service::Issuer), 1);
    for version in names {
        let line = format!(" sign      {}:{version}\n", signed.repository());
        assert_eq!(ran.stderr().matches(&line).count(), 1, "{ran}");
    }
    assert_eq!(ran.stderr().matches(" published ").count(), count, "{ran}");
    signed.workspace.run("verify").ok();
}
