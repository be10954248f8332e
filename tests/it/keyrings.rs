//! A keyring of the workspace that was edited: nothing rests on it before `lock --refresh-keyring` has verified again.

use std::path::Path;

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertRevocationBuilder;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::ReasonForRevocation;

use crate::sides::{Sides, blocks, field};
use crate::support::images::digest;
use crate::support::pgp::Key;
use crate::support::process::{hermetic, run};
use crate::support::tools::Tool;

const TRUST: &str = "  keyring: keyrings/web.gpg\n";

/// `web` 1.0.0 by the key of the sides, pinned with a ring of that key and one more.
fn bench() -> (Sides, Key) {
    let sides = Sides::new();
    let other = Key::new("Former <former@example.org>");
    sides.upstream("web", "1.0.0", "");
    sides.workspace.write("keyrings/web.gpg", [sides.key.public(), other.public()].concat());
    sides.mirror_trusting("web", &["1.0.0"], TRUST);
    sides.workspace.run("lock").ok();
    (sides, other)
}

/// The same key, revoked by its owner.
fn revoked(key: &Key) -> Vec<u8> {
    let cert = Cert::from_bytes(&key.secret()).unwrap();
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let revocation = CertRevocationBuilder::new()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"stolen")
        .unwrap()
        .build(&mut signer, &cert, None)
        .unwrap();
    cert.insert_packets(revocation).unwrap().0.strip_secret_key_material().to_vec().unwrap()
}

/// Commits everything to a Git repository of the workspace's own.
fn commit(sides: &Sides) {
    for words in ["init --quiet", "add .", "commit --quiet --message base"] {
        let mut command = hermetic(Tool::Git.path(), Path::new("/nonexistent"));
        command.current_dir(sides.workspace.path("")).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        run(command.args(words.split_whitespace())).ok();
    }
}

#[test]
fn an_edited_keyring_counts_after_a_refresh_which_shows_what_changed() {
    needs!(Tool::Git);
    let (sides, former) = bench();
    let before = blocks(&sides.lockfile()).remove(0);
    commit(&sides);
    let next = Key::new("Next <next@example.org>");
    let ring = [sides.key.public(), next.public()].concat();
    sides.workspace.write("keyrings/web.gpg", &ring);
    sides.leaves_lockfile("lock").exits(1).says("--refresh-keyring");
    sides.workspace.run("plan").exits(3).says("--refresh-keyring");
    sides.keep();
    let ran = sides.workspace.run("lock --refresh-keyring web").ok();
    for said in [format!("key added: {}", next.fingerprint()), format!("key removed: {}", former.fingerprint())] {
        assert!(ran.said().contains(&said), "no {said:?} in {ran}");
    }
    assert!(!ran.said().contains("revoked"), "{ran}");
    assert_eq!(ran.said().matches("key added").count(), 1, "{ran}");
    let after = blocks(&sides.lockfile()).remove(0);
    assert_eq!(after, before.replace(&field(&before, "keyring"), &digest(&ring)));
    sides.workspace.run("apply").ok();

    // Without what was before, all its keys are shown.
    sides.restore();
    std::fs::remove_dir_all(sides.workspace.path(".git")).unwrap();
    let ran = sides.workspace.run("lock --refresh-keyring web").ok();
    ran.says(&next.fingerprint()).says(&sides.key.fingerprint());
    assert_eq!(blocks(&sides.lockfile()), [after]);
}

#[test]
fn a_revoked_key_is_told_and_what_it_signed_is_refused() {
    needs!(Tool::Git);
    let (sides, other) = bench();
    commit(&sides);
    sides.workspace.write("keyrings/web.gpg", [sides.key.public(), revoked(&other)].concat());
    sides.keep();
    let ran = sides.workspace.run("lock --refresh-keyring web").ok();
    assert!(!ran.said().contains("key added"), "{ran}");
    ran.says(&format!("key revoked: {}", other.fingerprint()));

    sides.restore();
    sides.workspace.write("keyrings/web.gpg", [revoked(&sides.key), other.public()].concat());
    sides.leaves_lockfile("lock --refresh-keyring web").exits(1).says("revoked").says(&sides.key.fingerprint());
    sides.workspace.run("apply").exits(3);
    assert!(!sides.published_folder("web").exists());
}

#[test]
fn a_refresh_without_the_signer_s_key_keeps_the_pin() {
    let (sides, other) = bench();
    sides.workspace.write("keyrings/web.gpg", other.public());
    sides.leaves_lockfile("lock --refresh-keyring web").exits(1).says("web:1.0.0");
    sides.leaves_lockfile("lock --refresh-keyring api").exits(1).says("api");
}

#[test]
fn a_refresh_of_the_same_keyring_changes_nothing() {
    let (sides, _) = bench();
    sides.leaves_lockfile("lock --refresh-keyring web").ok();
}
