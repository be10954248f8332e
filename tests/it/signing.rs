//! Keyless signatures end to end: chartsync signs and stock cosign accepts, and the other way round.

use std::path::Path;

use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{Claims, RekorVersion, Service, Sigstore};
use crate::support::tools::Tool;

/// One version published and signed, judged by both cosigns, and left alone by a second run.
fn signs(kind: Kind, version: RekorVersion) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
    signed.workspace.run("plan").ok().says("+ publish  web 1.0.4");
    signed.fronted.take();
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 1);
    for service in [Service::Issuer, Service::Fulcio, Service::Rekor, Service::Tsa] {
        assert_eq!(signed.fronted.count(service), 1, "{service:?}: {:?}", signed.fronted.take());
    }
    signed.consumers_accept("1.0.4");

    signed.fronted.take();
    signed.workspace.run("apply").ok().says("nothing to do");
    signed.workspace.forget_cache();
    signed.workspace.run("apply").ok().says("nothing to do");
    assert!(signed.fronted.take().is_empty(), "a second run asks no service");
    signed.workspace.run("plan").ok().says("safe to merge? as far as registries tell, yes: nothing to do");
    let identity = Claims::default().identity();
    signed.workspace.run("verify").ok().says(&format!("1 chart is published with a signature of {identity}"));
    signed.workspace.run("verify --quick").ok().says(&identity);
}

#[test]
fn with_rekor_v1_on_a_registry_without_referrers() {
    signs(Kind::Distribution, RekorVersion::V1);
}

#[test]
fn with_rekor_v2_on_a_registry_without_referrers() {
    signs(Kind::Distribution, RekorVersion::V2);
}

#[test]
fn with_rekor_v1_on_a_registry_with_referrers() {
    signs(Kind::Olareg, RekorVersion::V1);
}

#[test]
fn with_rekor_v2_on_a_registry_with_referrers() {
    signs(Kind::Olareg, RekorVersion::V2);
}

/// What cosign signed with both annotations is ours; with another place, or none, it is not.
#[test]
fn signatures_that_cosign_made_are_recognised_by_their_place() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    for (kind, version) in [(Kind::Distribution, RekorVersion::V2), (Kind::Olareg, RekorVersion::V1)] {
        let signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
        let (from, to) =
            (signed.registry.repository("upstream/web:1.0.4"), signed.registry.repository("charts/web:1.0.4"));
        signed.desk.run(Tool::Crane, &format!("copy {from} {to}")).ok();
        signed.workspace.run("plan").ok().says("s sign  web 1.0.4");

        signed.cosign_signs(&Claims::default(), "1.0.4", "1.0.5");
        signed
            .workspace
            .run("plan")
            .ok()
            .says("s sign  web 1.0.4")
            .says("place: its tag is `1.0.5` instead of `1.0.4`");
        signed.workspace.run("verify").exits(4).says("place: its tag is `1.0.5`");

        signed.cosign_signs(&Claims::default(), "1.0.4", "1.0.4");
        signed.workspace.run("plan").ok().says("nothing to do");
        signed.workspace.run("verify").ok();
        signed.fronted.take();
        signed.workspace.run("apply").ok().says("nothing to do");
        assert_eq!(signed.fronted.logged(), 0);
    }
}

/// Requests to one registry, source and destination alike: exact, and explained in ARCHITECTURE.md.
fn costs(kind: Kind, publish: &[(&str, usize)], idle: &[(&str, usize)], idle_elsewhere: &[(&str, usize)]) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, kind, RekorVersion::V1, &["1.0.4"]);
    let check = |words: &str, expect: &[(&str, usize)]| {
        signed.registry.front().take();
        let ran = signed.workspace.run(words).ok();
        let mut expect: Vec<_> = expect.iter().map(|(what, times)| ((*what).to_owned(), *times)).collect();
        expect.sort();
        assert_eq!(signed.registry.front().take_counts(), expect, "{words}\n{ran}");
    };
    // What lock fetched is cached: the source is asked for its tag alone.
    check("apply", publish);
    check("apply", idle);
    check("plan", idle);
    signed.workspace.forget_cache();
    check("apply", idle_elsewhere);
    check("apply", idle);
}

#[test]
fn requests_on_a_registry_without_referrers() {
    let publish = [
        // As unsigned: the tag here and there, each blob, the tag, and the tag back.
        ("HEAD tag", 2),
        // Config and archive, which the same registry mounts; the bundle and its empty config.
        ("POST upload", 2 + 2),
        ("HEAD blob", 2),
        ("PUT upload", 2),
        // The chart under its digest; the bundle's image manifest.
        ("PUT manifest", 1 + 1),
        // Whether there is an API, once a repository.
        ("GET referrers", 1),
        // The list: looked at, merged, read again. The chart's tag, read back.
        ("GET tag", 3 + 1),
        // The list; the chart's tag.
        ("PUT tag", 1 + 1),
        // What a consumer reads.
        ("GET manifest", 1),
        ("GET blob", 1),
    ];
    let idle = [("HEAD tag", 1), ("GET referrers", 1), ("GET tag", 1)];
    let idle_elsewhere = [&idle[..], &[("GET manifest", 1), ("GET blob", 1)]].concat();
    costs(Kind::Distribution, &publish, &idle, &idle_elsewhere);
}

#[test]
fn requests_on_a_registry_with_referrers() {
    let publish = [
        ("HEAD tag", 2),
        ("POST upload", 2 + 2),
        ("HEAD blob", 2),
        ("PUT upload", 2),
        ("PUT manifest", 1 + 1),
        // The API's list: looked at, and looked at again.
        ("GET referrers", 2),
        // The fallback list: looked at, merged, read again. The chart's tag, read back.
        ("GET tag", 3 + 1),
        ("PUT tag", 1 + 1),
        ("GET manifest", 1),
        ("GET blob", 1),
    ];
    let idle = [("HEAD tag", 1), ("GET referrers", 1)];
    let idle_elsewhere = [&idle[..], &[("GET manifest", 1), ("GET blob", 1)]].concat();
    costs(Kind::Olareg, &publish, &idle, &idle_elsewhere);
}

/// Without the public instance's trust nothing can be judged: the answer is unknown, and nothing is signed.
#[test]
fn trust_that_cannot_be_learned_is_unknown() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let mut signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    let settings = signed.workspace.read("chartsync.toml");
    let public =
        settings.lines().filter(|line| !line.starts_with("trusted-root") && !line.starts_with("signing-config"));
    signed.workspace.write("chartsync.toml", public.collect::<Vec<_>>().join("\n"));
    // A proxy that nobody is: whatever is not on this machine is out of reach.
    signed.workspace.set("HTTPS_PROXY", Path::new("http://127.0.0.1:9"));
    let words = "what to trust could not be learned";
    signed.workspace.run("apply").exits(1).says("nothing was published").says(words);
    let (from, to) = (signed.registry.repository("upstream/web:1.0.4"), signed.registry.repository("charts/web:1.0.4"));
    signed.desk.run(Tool::Crane, &format!("copy {from} {to}")).ok();
    signed.workspace.run("plan").exits(4).says("signature-unknown").says(words);
    signed.workspace.run("apply").exits(4).says("signature-unknown").says(words);
    signed.workspace.run("verify").exits(1).says(words);
    assert_eq!(signed.fronted.logged(), 0);
}

/// A saved plan rests on signatures, too.
#[test]
fn a_plan_is_stale_when_somebody_signed_since() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    let (from, to) = (signed.registry.repository("upstream/web:1.0.4"), signed.registry.repository("charts/web:1.0.4"));
    signed.desk.run(Tool::Crane, &format!("copy {from} {to}")).ok();
    signed.workspace.run("plan --out plan.json").ok().says("s sign  web 1.0.4");
    assert!(signed.workspace.read("plan.json").contains(r#""signature-now": "absent""#));
    signed.cosign_signs(&Claims::default(), "1.0.4", "1.0.4");
    signed.workspace.run("apply plan.json").exits(4).says("the signature was `absent`, it is `ours` now");
    signed.workspace.run("plan --out plan.json").ok().says("nothing to do");
    signed.workspace.run("apply plan.json").ok().says("nothing to do");
}
