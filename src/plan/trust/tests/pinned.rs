//! New pins: who signed them, and whether the keyring that says so is one that others left behind.

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::{CertBuilder, CertRevocationBuilder};
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::ReasonForRevocation;

use super::rings::keyrings_with;
use super::*;

const NAME: &str = "charts.example/platform/web";

fn at(version: &str, signer: Signer) -> Pin {
    let digest = Digest::of(version.as_bytes());
    Pin { version: version.parse().unwrap(), digest, signer, ..Side::new(KEY).pin }
}

fn signer(digit: char) -> Signer {
    Signer::Pgp(digit.to_string().repeat(40).parse().unwrap())
}

/// What is told of the pins `after`, where those of `before` were, in workspaces that are the same but for `change`.
fn told_of(before: &[Pin], after: &[Pin], change: impl Fn(&mut Side)) -> Vec<Finding> {
    let mut here = Side::new(KEY);
    change(&mut here);
    told_beside(&here.workspace, before, &here.workspace, after)
}

fn told_beside(base: &Workspace, before: &[Pin], here: &Workspace, after: &[Pin]) -> Vec<Finding> {
    let (old, new) = (Lockfile::from_pins(before.to_vec()), Lockfile::from_pins(after.to_vec()));
    changes(Some(Trusted { workspace: base, lockfile: &old }), Trusted { workspace: here, lockfile: &new })
}

#[track_caller]
fn assert_told(findings: &[Finding], expect: &[&str]) {
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, expect);
    assert!(findings.iter().all(|finding| finding.code == Code::Trust && finding.location.is_some()), "{findings:?}");
}

#[test]
fn what_nobody_signed_is_told_once_a_mirror() {
    let (one, two) = (at("1.0.0", Signer::None), at("1.1.0", Signer::None));
    let check = |before: &[Pin], after: &[Pin], expect: &[&str]| assert_told(&told_of(before, after, |_| ()), expect);
    let bytes = "bytes are what up.example sent when they were pinned";
    check(
        &[],
        std::slice::from_ref(&one),
        &[&format!("nobody signed it, the first trust in this mirror: its {bytes}")],
    );
    check(
        std::slice::from_ref(&one),
        &[one.clone(), two.clone()],
        &[&format!("nobody signed it, as nobody signed the versions before: its {bytes}")],
    );
    let signed = at("0.9.0", signer('A'));
    check(
        std::slice::from_ref(&signed),
        &[signed.clone(), one.clone(), two.clone()],
        &[&format!(
            "nobody signed 2 versions of {NAME} (1.0.0, 1.1.0), while {} signed versions before: their {bytes}",
            "A".repeat(40)
        )],
    );
    let many: Vec<Pin> = (0..50).map(|patch| at(&format!("2.0.{patch}"), Signer::None)).collect();
    let told = told_of(std::slice::from_ref(&one), &[&[one.clone()][..], &many].concat(), |_| ());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.starts_with(&format!("nobody signed 50 versions of {NAME} (2.0.0, 2.0.1, 2.0.2, ")));
    assert!(told[0].message.contains(" and 42 more), as nobody"), "{told:?}");
    check(std::slice::from_ref(&one), std::slice::from_ref(&one), &[]);
}

/// An exception for the very bytes was reviewed, or is told itself; one for others says nothing.
#[test]
fn what_is_accepted_unsigned_is_told_by_its_exception() {
    let pin = at("1.0.0", Signer::None);
    let accept = |digest| {
        let pin = pin.clone();
        move |side: &mut Side| {
            let reason = "released by hand".to_owned();
            let (reference, location) = (pin.reference(), Location::file(SETTINGS_FILE));
            let finding = Acceptable::Unsigned;
            side.workspace.settings.accept.push(Accept { finding, reference, digest, reason, location });
        }
    };
    assert_told(&told_of(&[], std::slice::from_ref(&pin), accept(pin.digest)), &[]);
    assert_eq!(told_of(&[], std::slice::from_ref(&pin), accept(pin.archive)).len(), 1);
}

#[test]
fn the_first_signer_and_a_new_one_are_told() {
    let (one, two) = (at("1.0.0", signer('A')), at("1.1.0", signer('A')));
    let a = "A".repeat(40);
    assert_told(
        &told_of(&[], &[one.clone(), two.clone()], |_| ()),
        &[&format!(
            "first trust in this mirror: 2 versions of {NAME} (1.0.0, 1.1.0) are signed by {a}, and nothing was pinned before"
        )],
    );
    assert_told(&told_of(std::slice::from_ref(&one), &[one.clone(), two.clone()], |_| ()), &[]);
    let other = at("1.2.0", signer('B'));
    let told = told_of(std::slice::from_ref(&one), &[one.clone(), other.clone()], |_| ());
    assert_told(&told, &[&format!("it is signed by {}, which signed no version before", "B".repeat(40))]);
    assert_eq!(told[0].reference, Some(other.reference()));
    // Of several that signed before, each may.
    for signer in ['A', 'B'] {
        assert_told(
            &told_of(
                &[one.clone(), other.clone()],
                &[one.clone(), other.clone(), at("1.3.0", self::signer(signer))],
                |_| (),
            ),
            &[],
        );
    }
}

/// A new mirror and its signers are one finding, at its manifest.
#[test]
fn a_new_mirror_is_told_with_its_signers() {
    let here = Side::new(KEY);
    let mut base = Side::new(KEY);
    base.workspace.mirrors.clear();
    let pins = [at("1.0.0", signer('A')), at("1.1.0", Signer::None)];
    let told = told_beside(&base.workspace, &[], &here.workspace, &pins);
    let a = "A".repeat(40);
    assert!(told[0].message.ends_with(&format!("; {a} signed 1.0.0, nobody signed 1.1.0")), "{told:?}");
    // Besides, the keys of its keyring.
    assert!(told[1..].iter().all(|finding| finding.message.contains("key added")), "{told:?}");

    let mut here = Side::new(KEY);
    here.mirror().trust =
        Trust { keyring: None, required: false, fingerprints: Vec::new(), ..here.mirror().trust.clone() };
    let told = told_beside(&base.workspace, &[], &here.workspace, &[]);
    assert!(told[0].message.ends_with("with no keyring, provenance not required"), "{told:?}");
}

fn key(name: &str) -> Cert {
    CertBuilder::general_purpose(Some(name)).generate().unwrap().0
}

fn revoked(cert: &Cert) -> Cert {
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let revocation = CertRevocationBuilder::new()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"stolen")
        .unwrap()
        .build(&mut signer, cert, None)
        .unwrap();
    cert.clone().insert_packets(revocation).unwrap().0
}

fn ring(certs: &[&Cert]) -> Vec<u8> {
    certs.iter().flat_map(|cert| (*cert).clone().strip_secret_key_material().to_vec().unwrap()).collect()
}

/// The same where only the subkey was revoked that its owner signs with.
#[test]
fn a_keyring_from_before_a_subkey_was_revoked_is_told() {
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/provenance");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    };
    let rings = [fixture("subkey.gpg"), fixture("subkey-revoked.gpg")];
    let [before, after] = rings.each_ref().map(|ring| Digest::of(ring));
    let parsed = Keyring::parse(&rings[1]).unwrap();
    let [key] = parsed.keys() else { panic!("one key") };
    let pin = |version: &str, ring| Pin { keyring: Some(ring), ..at(version, Signer::Pgp(key.fingerprint.clone())) };
    let check = |base: &[Pin], new: &Pin, expect: &[&str]| {
        let told = told_of(base, &[base, std::slice::from_ref(new)].concat(), |side| {
            side.mirror().trust.keyring = Some(KeyringSource::Url("https://keys.example/ring.gpg".parse().unwrap()));
            side.workspace.keyrings = keyrings_with(&rings.each_ref().map(Vec::as_slice));
        });
        assert_told(&told, expect);
    };
    let (signer, subkey) = (&key.fingerprint, &key.revoked_subkeys[0]);
    let is_revoked = format!(
        "it is verified with the keyring {before}, in which its signer {signer} has subkeys that are revoked in {after}, with which other versions are verified: {subkey}"
    );
    check(&[pin("1.4.0", before), pin("1.5.0", after)], &pin("1.6.0", before), &[&is_revoked]);
    // Whatever the order of the versions.
    check(&[pin("1.4.0", before), pin("1.5.0", after)], &pin("0.9.0", before), &[&is_revoked]);
    check(&[pin("1.4.0", before), pin("1.5.0", after)], &pin("1.6.0", after), &[]);
    check(&[pin("1.4.0", before)], &pin("1.5.0", before), &[]);
}

/// Versions are verified with a keyring before and one after a key was revoked; a new one goes back to the former.
#[test]
fn a_keyring_that_others_left_behind_is_told() {
    let (stolen, good) = (key("stolen <s@up.example>"), key("good <g@up.example>"));
    let by = |cert: &Cert| Signer::Pgp(cert.fingerprint().to_hex().parse().unwrap());
    let rings = [ring(&[&stolen, &good]), ring(&[&revoked(&stolen), &good]), ring(&[&good])];
    let [before, after, without] = &rings;
    let pin =
        |version: &str, cert: &Cert, ring: &[u8]| Pin { keyring: Some(Digest::of(ring)), ..at(version, by(cert)) };
    let check = |base: &[Pin], new: &[Pin], expect: &[&str]| {
        let told = told_of(base, &[base, new].concat(), |side| {
            side.mirror().trust.keyring = Some(KeyringSource::Url("https://keys.example/ring.gpg".parse().unwrap()));
            side.workspace.keyrings = keyrings_with(&rings.each_ref().map(Vec::as_slice));
        });
        assert_told(&told, expect);
    };
    let name = by(&stolen).to_string().replace("pgp:", "");
    let with = format!("verified with the keyring {}, although its signer {name} is", Digest::of(before));
    let base = [pin("1.0.0", &stolen, before), pin("1.1.0", &good, after)];
    let is_revoked = format!("revoked in {}, with which other versions are verified", Digest::of(after));
    check(&base, &[pin("1.2.0", &stolen, before)], &[&format!("it is {with} {is_revoked}")]);
    // Whatever the order of the versions.
    check(&base, &[pin("0.9.0", &stolen, before)], &[&format!("it is {with} {is_revoked}")]);
    check(
        &base,
        &[pin("1.2.0", &stolen, before), pin("1.3.0", &stolen, before)],
        &[&format!("2 versions of {NAME} (1.2.0, 1.3.0) are {with} {is_revoked}")],
    );
    // A key that is good in both keyrings may sign on.
    check(&base, &[pin("1.2.0", &good, before)], &[]);
    check(&base, &[pin("1.2.0", &good, after)], &[]);

    let base = [pin("1.0.0", &stolen, before), pin("1.1.0", &good, without)];
    let is_gone = format!("not in {}, with which 1.1.0 is verified", Digest::of(without));
    check(&base, &[pin("1.2.0", &stolen, before)], &[&format!("it is {with} {is_gone}")]);
    // Only the newest of them says who is there no longer.
    let base = [pin("1.0.0", &good, without), pin("1.1.0", &stolen, before)];
    check(&base, &[pin("1.2.0", &stolen, before)], &[]);
}
