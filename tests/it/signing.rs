//! Keyless signatures end to end: chartsync signs and stock cosign accepts, and the other way round.

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
    signed.workspace.run("plan").ok().says("safe to merge? yes").says("nothing to do");
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
