//! A keyring of the workspace that was edited: nothing rests on it before `lock --refresh-keyring` has verified again.

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertRevocationBuilder;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::ReasonForRevocation;

use crate::sides::{Sides, blocks, field};
use crate::support::images::digest;
use crate::support::pgp::Key;

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

#[test]
fn an_edited_keyring_needs_a_refresh_which_shows_its_keys() {
    let (sides, _) = bench();
    let before = blocks(&sides.lockfile()).remove(0);
    let new = Key::new("Next <next@example.org>");
    let ring = [sides.key.public(), new.public()].concat();
    sides.workspace.write("keyrings/web.gpg", &ring);
    sides.leaves_lockfile("lock").exits(1).says("--refresh-keyring");
    sides.workspace.run("plan").exits(3).says("--refresh-keyring");
    let ran = sides.workspace.run("lock --refresh-keyring web").ok().says(&new.fingerprint());
    assert!(!ran.said().contains("revoked"), "{ran}");
    let after = blocks(&sides.lockfile()).remove(0);
    assert_eq!(after, before.replace(&field(&before, "keyring"), &digest(&ring)));
    sides.workspace.run("apply").ok();
}

#[test]
fn a_revoked_key_is_told_and_what_it_signed_is_refused() {
    let (sides, other) = bench();
    sides.workspace.write("keyrings/web.gpg", [sides.key.public(), revoked(&other)].concat());
    let ran = sides.workspace.run("lock --refresh-keyring web").ok();
    ran.says("revoked: ").says(&other.fingerprint());

    let (sides, other) = bench();
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
