//! OpenPGP keys made for one test, and provenance files signed at any time.

use std::time::{Duration, SystemTime};

use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{Marshal as _, SerializeInto as _};
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use sequoia_openpgp::{Cert, Packet, Profile, armor};

/// A signing key with its secret part.
pub(crate) struct Key {
    pub(crate) user_id: String,
    cert: Cert,
}

impl Key {
    /// A key that does not expire.
    pub(crate) fn new(user_id: &str) -> Self {
        Self::generate(user_id, None)
    }

    /// A key that was made two years ago and expired one year ago.
    pub(crate) fn expired(user_id: &str) -> Self {
        Self::generate(user_id, Some(YEAR))
    }

    fn generate(user_id: &str, validity: Option<Duration>) -> Self {
        let (cert, _) = CertBuilder::new()
            .set_profile(Profile::RFC4880)
            .unwrap()
            .set_cipher_suite(CipherSuite::Cv25519)
            .add_userid(user_id)
            .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
            .set_creation_time(SystemTime::now() - 2 * YEAR)
            .set_validity_period(validity)
            .generate()
            .unwrap();
        Self { user_id: user_id.to_owned(), cert }
    }

    /// Upper-case hex, as lockfiles and helm write it.
    pub(crate) fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_hex()
    }

    /// A binary keyring of this public key.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.cert.to_vec().unwrap()
    }

    /// A binary keyring of this key with its secret part, as `helm package --keyring` reads it.
    pub(crate) fn secret(&self) -> Vec<u8> {
        self.cert.as_tsk().to_vec().unwrap()
    }

    /// `text` clear-signed as Helm does it, eighteen months ago: after [`Key::expired`] was made and before it expired.
    pub(crate) fn clear_sign(&self, text: &str) -> String {
        let armored = armor(&[self.sign(text, HashAlgorithm::SHA512)]);
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}\n{armored}", text.trim_end_matches('\n'))
    }

    /// The signature alone.
    pub(crate) fn sign(&self, text: &str, algorithm: HashAlgorithm) -> Packet {
        let policy = StandardPolicy::new();
        let then = SystemTime::now() - YEAR - YEAR / 2;
        let key = self.cert.keys().secret().with_policy(&policy, then).for_signing().next().unwrap().key().clone();
        let mut signer = key.into_keypair().unwrap();
        let lines = text.trim_end_matches('\n').replace('\n', "\r\n");
        let signature = SignatureBuilder::new(SignatureType::Text)
            .set_hash_algo(algorithm)
            .set_signature_creation_time(then)
            .unwrap()
            .sign_message(&mut signer, lines)
            .unwrap();
        signature.into()
    }
}

/// Signatures as they stand in a text.
pub(crate) fn armor(signatures: &[Packet]) -> String {
    let mut armored = armor::Writer::new(Vec::new(), Kind::Signature).unwrap();
    for signature in signatures {
        signature.serialize(&mut armored).unwrap();
    }
    String::from_utf8(armored.finalize().unwrap()).unwrap()
}

const YEAR: Duration = Duration::from_hours(365 * 24);
