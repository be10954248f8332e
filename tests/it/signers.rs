//! One destination, one signer; "nobody" is a signer too, and a subkey speaks for its primary key.

use std::time::{Duration, SystemTime};

use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{Marshal as _, SerializeInto as _};
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use sequoia_openpgp::{Cert, Packet, Profile, armor};

use crate::sides::Sides;
use crate::support::images::{Entry, Image, archive, chart_yaml, config, provenance_text};
use crate::support::pgp::Key;

#[test]
fn a_version_without_provenance_breaks_with_a_listed_signer() {
    let mut sides = Sides::new();
    let trust = format!(
        "{}  required: false\n  fingerprints: [{}]\n",
        sides.workspace.signed_by(&sides.key),
        sides.key.fingerprint()
    );
    for version in ["1.0.0", "1.1.0"] {
        sides.upstream("web", version, "");
    }
    sides.mirror_trusting("web", &["1.0.0", "1.1.0"], &trust);
    sides.workspace.run("lock").ok();
    sides.workspace.run("apply").ok();
    let bare = sides.upstream_by("web", "1.2.0", "", None);
    sides.mirror_trusting("web", &["1.0.0", "1.1.0", "1.2.0"], &trust);
    sides.workspace.run("lock").ok();
    for words in ["plan", "apply"] {
        let ran = sides.workspace.run(words).exits(4).says("! signer  charts.example/platform/web:1.2.0");
        ran.says("finding = \"unsigned\"").says(&format!("digest = \"{}\"", bare.digest()));
    }
    assert_eq!(sides.at_destination("web", "1.2.0"), None);
    // What a new signer would need does not lift it.
    sides.accept("new-signer", "web:1.2.0", &bare.digest());
    sides.workspace.run("apply").exits(4).says("! signer");
    sides.accept("unsigned", "web:1.2.0", &bare.digest());
    sides.workspace.run("apply").ok();
    assert_eq!(sides.at_destination("web", "1.2.0"), Some(bare.digest()));
}

/// The same with nothing listed: the first version of each signer is withheld, whoever came first.
#[test]
fn of_two_signers_nothing_new_is_published_until_one_is_accepted() {
    let mut sides = Sides::new();
    let other = Key::new("Someone <someone@example.org>");
    sides.workspace.write("keyrings/both.gpg", [sides.key.public(), other.public()].concat());
    sides.upstream("web", "1.0.0", "");
    let second = sides.upstream_by("web", "1.1.0", "", Some(&other));
    sides.mirror_trusting("web", &["1.0.0", "1.1.0"], "  keyring: keyrings/both.gpg\n");
    sides.workspace.run("lock").ok();
    let ran = sides.workspace.run("apply").exits(4).says(&other.fingerprint()).says(&sides.key.fingerprint());
    ran.says("! signer  charts.example/platform/web:1.0.0").says("! signer  charts.example/platform/web:1.1.0");
    assert!(!sides.published_folder("web").join("index.json").exists());
    // Accepted for one, the other still has to be vouched for: by an exception, or in the manifest.
    sides.accept("new-signer", "web:1.1.0", &second.digest());
    sides.workspace.run("apply").exits(4).says("! signer  charts.example/platform/web:1.0.0");
    assert_eq!(sides.at_destination("web", "1.1.0"), Some(second.digest()));
    assert_eq!(sides.at_destination("web", "1.0.0"), None);
    let listed = format!("  keyring: keyrings/both.gpg\n  fingerprints: [{}]\n", sides.key.fingerprint());
    sides.mirror_trusting("web", &["1.0.0"], &listed);
    sides.workspace.run("apply").ok();
    assert!(sides.at_destination("web", "1.0.0").is_some());
    // What is published is no news, though nobody vouches for it any more.
    sides.mirror_trusting("web", &["1.0.0", "1.1.0"], "  keyring: keyrings/both.gpg\n");
    sides.workspace.run("plan --detailed-exitcode").ok();
}

/// A key that signs with a subkey only, as upstreams that keep their primary key offline do.
struct Subkey {
    cert: Cert,
}

impl Subkey {
    fn new(user_id: &str) -> Self {
        let (cert, _) = CertBuilder::new()
            .set_profile(Profile::RFC4880)
            .unwrap()
            .set_cipher_suite(CipherSuite::Cv25519)
            .add_userid(user_id)
            .set_primary_key_flags(KeyFlags::empty().set_certification())
            .add_signing_subkey()
            .set_creation_time(SystemTime::now() - Duration::from_hours(48))
            .generate()
            .unwrap();
        Self { cert }
    }

    fn fingerprints(&self) -> [String; 2] {
        let subkey = self.cert.keys().subkeys().next().unwrap().key().fingerprint().to_hex();
        [self.cert.fingerprint().to_hex(), subkey]
    }

    fn clear_sign(&self, text: &str) -> String {
        let policy = StandardPolicy::new();
        let key = self.cert.keys().secret().with_policy(&policy, None).for_signing().next().unwrap().key().clone();
        let mut signer = key.into_keypair().unwrap();
        let text = text.trim_end_matches('\n');
        let signature = SignatureBuilder::new(SignatureType::Text)
            .set_hash_algo(HashAlgorithm::SHA512)
            .sign_message(&mut signer, text.replace('\n', "\r\n"))
            .unwrap();
        let mut armored = armor::Writer::new(Vec::new(), Kind::Signature).unwrap();
        Packet::from(signature).serialize(&mut armored).unwrap();
        let armored = String::from_utf8(armored.finalize().unwrap()).unwrap();
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}\n{armored}")
    }

    fn chart(&self, version: &str) -> Image {
        let archive = archive(&[Entry::File("web/Chart.yaml", chart_yaml("web", version).as_bytes())]);
        let provenance = self.clear_sign(&provenance_text("web", version, &archive)).into_bytes();
        Image::of(config("web", version), archive, Some(provenance))
    }
}

#[test]
fn a_listed_subkey_counts_for_its_primary_key() {
    for listed in [0, 1] {
        let (sides, other) = (Sides::new(), Subkey::new("Offline <offline@example.org>"));
        sides.workspace.write("keyrings/both.gpg", [sides.key.public(), other.cert.to_vec().unwrap()].concat());
        sides.upstream("web", "1.0.0", "");
        let second = other.chart("1.1.0");
        second.put(&sides.source_folder("web"), "1.1.0");
        let fingerprints = format!("[{}, {}]", sides.key.fingerprint(), other.fingerprints()[listed]);
        let trust = format!("  keyring: keyrings/both.gpg\n  fingerprints: {fingerprints}\n");
        sides.mirror_trusting("web", &["1.0.0", "1.1.0"], &trust);
        sides.workspace.run("lock").ok();
        // Pinned by the primary key, whichever is listed.
        assert!(sides.lockfile().contains(&format!("signer = \"pgp:{}\"", other.fingerprints()[0])));
        let ran = sides.workspace.run("apply").ok();
        assert_eq!(sides.at_destination("web", "1.1.0"), Some(second.digest()), "listed {listed}: {ran}");
    }
    // A key of the ring that is not listed does not count, its subkeys neither.
    let (sides, other) = (Sides::new(), Subkey::new("Offline <offline@example.org>"));
    sides.workspace.write("keyrings/both.gpg", [sides.key.public(), other.cert.to_vec().unwrap()].concat());
    other.chart("1.0.0").put(&sides.source_folder("web"), "1.0.0");
    let trust = format!("  keyring: keyrings/both.gpg\n  fingerprints: [{}]\n", sides.key.fingerprint());
    sides.mirror_trusting("web", &["1.0.0"], &trust);
    sides.workspace.run("lock").exits(1).says(&other.fingerprints()[0]);
}
