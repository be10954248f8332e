//! Services that take their time while something is signed: a slow one is waited for, and one that never answers is left after a
//! while. Nothing is named before there is a signature.

use crate::support::process::spawn;
use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{Clock, Fault, RekorVersion, Service, Sigstore, eventually};
use crate::support::tools::Tool;

const SERVICES: [(Service, &str); 4] = [
    (Service::Issuer, "the CI system's token endpoint"),
    (Service::Fulcio, "the certificate authority (Fulcio)"),
    (Service::Tsa, "the time stamp authority"),
    (Service::Rekor, "the transparency log (Rekor)"),
];

fn nothing_is_named(signed: &Signed, version: &str) {
    signed.desk.run(Tool::Crane, &format!("digest {}:{version}", signed.repository())).refused();
}

/// A request is under way at this service.
fn asked(signed: &Signed, service: Service) {
    let asked = eventually(|| (signed.fronted.count(service) > 0).then_some(()));
    assert!(asked.is_some(), "{service:?} was not asked");
}

#[test]
fn a_service_that_is_slow_is_waited_for() {
    needs!(Tool::Distribution, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    for (rekor, (service, _)) in RekorVersion::BOTH.into_iter().cycle().zip(SERVICES) {
        let signed = Signed::quickly(sigstore, Kind::Distribution, rekor, &["1.0.0"]);
        signed.fronted.take();
        signed.fronted.fail_times(service, Fault::Held, 1);
        let running = spawn(signed.workspace.command().arg("apply"));
        asked(&signed, service);
        nothing_is_named(&signed, "1.0.0");
        signed.fronted.release();
        running.wait().ok();
        assert_eq!(signed.fronted.count(service), 1, "{service:?} was asked once");
        assert_eq!(signed.fronted.logged(), 1);
        signed.consumers_accept("1.0.0");
    }
}

/// The program waits for a minute, three times, as it does for anybody; only its clock runs fast.
#[test]
fn a_service_that_never_answers_is_left() {
    needs!(Tool::Distribution, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V2, &["1.0.0"]);
    for (service, name) in SERVICES {
        let clock = Clock::off_by(0);
        signed.fronted.take();
        signed.fronted.fail(service, Fault::Stalled);
        let running = spawn(signed.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
        asked(&signed, service);
        clock.hurry();
        let ran = running.wait().exits(1).says(name).says("could not be reached").says("(3 tries)");
        ran.says("run again when it answers");
        assert_eq!(signed.fronted.count(service), 3, "{service:?}");
        assert_eq!(signed.fronted.logged(), 0);
        nothing_is_named(&signed, "1.0.0");
        signed.fronted.heal(service);
    }
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 1);
    signed.consumers_accept("1.0.0");
}
