//! Charts that stock helm published, mirrored by chartsync, as stock tools see them at the destination.

use std::fs;

use crate::support::charts::{Desk, blobs};
use crate::support::pgp::Key;
use crate::support::registry::{Auth, Kind, Registry};
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::Workspace;

/// Two versions, one by each helm.
const VERSIONS: [&str; 2] = ["1.0.4", "1.0.3"];

/// Seeds `source` by both helms, mirrors to `destination` with `workspace`, and lets every tool judge.
fn mirror_and_judge(source: &Registry, destination: &Registry, desk: &Desk, workspace: &Workspace) {
    let key = Key::new("Releases <releases@example.org>");
    let keyring = desk.write("releases.gpg", key.public());
    let stranger = desk.write("stranger.gpg", Key::new("Stranger <stranger@example.org>").public());
    for (helm, version) in HELMS.into_iter().zip(VERSIONS) {
        desk.publish(helm, &source.repository("upstream"), "web", version, Some(&key));
    }
    let (from, to) = (source.repository("upstream/web"), destination.repository("charts/web"));
    workspace.mirror("web", &from, &to, &VERSIONS, &workspace.signed_by(&key));

    workspace.run("lock").ok();
    workspace.run("plan --detailed-exitcode").exits(2);
    workspace.run("apply").ok();
    workspace.run("plan --detailed-exitcode").ok();
    workspace.run("verify").ok();

    let lockfile = workspace.read("mirrors.lock");
    for version in VERSIONS {
        let (from, to) = (format!("{from}:{version}"), format!("{to}:{version}"));
        assert_eq!(desk.manifest(&to), desk.manifest(&from));
        let digest = desk.digest(&to);
        assert_eq!(digest, desk.digest(&from));
        assert!(lockfile.contains(&digest), "{digest} is not in:\n{lockfile}");
        assert_eq!(blobs(&desk.manifest(&to)).len(), 3);
    }
    assert!(lockfile.contains(&format!("signer = \"pgp:{}\"", key.fingerprint())), "{lockfile}");

    for helm in HELMS {
        for version in VERSIONS {
            let archive = format!("web-{version}.tgz");
            let (there, here) = (desk.pull(helm, &from, version, None), desk.pull(helm, &to, version, None));
            there.0.ok();
            here.0.ok();
            assert_eq!(
                fs::read(here.1.path().join(&archive)).unwrap(),
                fs::read(there.1.path().join(&archive)).unwrap()
            );
            desk.pull(helm, &to, version, Some(&keyring)).0.ok().says(&key.fingerprint());
            desk.pull(helm, &to, version, Some(&stranger)).0.refused();
        }
    }
}

/// A workspace that publishes below `charts` of this registry.
fn workspace(source: &Registry, destination: &Registry) -> Workspace {
    Workspace::new(&destination.repository("charts")).plain_http(&source.host()).plain_http(&destination.host())
}

fn over_plain_http(source: Kind, destination: Kind) {
    let (source, destination) = (Registry::start(source), Registry::start(destination));
    mirror_and_judge(&source, &destination, &Desk::new(), &workspace(&source, &destination));
}

#[test]
fn from_distribution_to_olareg() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    over_plain_http(Kind::Distribution, Kind::Olareg);
}

#[test]
fn from_olareg_to_distribution() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    over_plain_http(Kind::Olareg, Kind::Distribution);
}

#[test]
fn between_registries_that_ask_for_a_password_or_a_token() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    for (from, to) in [(Auth::Basic, Auth::Token), (Auth::Token, Auth::Basic)] {
        let (source, destination) = (Registry::distribution(from), Registry::distribution(to));
        let (desk, workspace) = (Desk::new(), workspace(&source, &destination));
        let hosts = [source.host(), destination.host()];
        desk.log_in(&hosts);
        workspace.log_in(&hosts);
        mirror_and_judge(&source, &destination, &desk, &workspace);
    }
}

#[test]
fn over_tls_with_a_private_authority() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    let registry = Registry::over_tls();
    let mut desk = Desk::new();
    desk.trust(registry.authority());
    let mut workspace = Workspace::new(&registry.repository("charts"));
    workspace.set("SSL_CERT_FILE", registry.authority());
    mirror_and_judge(&registry, &registry, &desk, &workspace);
}

#[test]
fn an_authority_that_nobody_vouched_for_is_refused() {
    needs!(Tool::Distribution, Tool::Helm4);
    let registry = Registry::over_tls();
    let mut desk = Desk::new();
    desk.trust(registry.authority());
    let key = Key::new("Releases <releases@example.org>");
    desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", "1.0.4", Some(&key));
    let workspace = Workspace::new(&registry.repository("charts"));
    let (from, to) = (registry.repository("upstream/web"), registry.repository("charts/web"));
    workspace.mirror("web", &from, &to, &["1.0.4"], &workspace.signed_by(&key));
    workspace.run("lock").exits(1).says(&registry.host());
}

#[test]
fn oras_copies_the_same_bytes() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Oras, Tool::Crane);
    let (source, destination, desk) =
        (Registry::start(Kind::Distribution), Registry::start(Kind::Distribution), Desk::new());
    let key = Key::new("Releases <releases@example.org>");
    desk.publish(Tool::Helm4, &source.repository("upstream"), "web", "1.0.4+build.7", Some(&key));
    let workspace = workspace(&source, &destination);
    let (from, to) = (source.repository("upstream/web"), destination.repository("charts/web"));
    workspace.mirror("web", &from, &to, &["1.0.4+build.7"], &workspace.signed_by(&key));
    workspace.run("lock").ok();
    workspace.run("apply").ok();

    let (from, ours, theirs) = (
        format!("{from}:1.0.4_build.7"),
        format!("{to}:1.0.4_build.7"),
        destination.repository("oras/web:1.0.4_build.7"),
    );
    desk.run(Tool::Oras, &format!("cp --from-plain-http --to-plain-http {from} {theirs}")).ok();
    assert_eq!(desk.digest(&ours), desk.digest(&theirs));
    let manifest = desk.manifest(&ours);
    assert_eq!(manifest, desk.manifest(&theirs));
    for digest in blobs(&manifest) {
        let blob = |repository: &str| {
            let words = format!("blob fetch --plain-http --output - {}@{digest}", destination.repository(repository));
            desk.run(Tool::Oras, &words).ok().stdout
        };
        assert_eq!(blob("charts/web"), blob("oras/web"));
    }
}
