//! Keyrings: the OpenPGP keys that a mirror trusts.
//!
//! Owns how a keyring file becomes keys, which of them can sign, and what is too weak to count. Knows no provenance and no clock.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;

use super::packets::{self, Packet, PacketError, tag};
use super::{Fingerprint, armor, bounded};
use crate::oci::Digest;

/// Where sequoia's rules that change with time are read: fixed, so that the same files give the same facts on every day.
const RULES_OF: u64 = 1_767_225_600; // 2026-01-01T00:00:00Z

/// Why a file is not a keyring that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Neither armor nor packets.
    #[error("it is not an OpenPGP keyring: {reason}; export one with `gpg --export FINGERPRINT`")]
    NotAKeyring {
        /// What was found instead.
        reason: String,
    },
    /// A secret key stands in it.
    #[error("it holds a secret key: never publish one; export the public key with `gpg --export FINGERPRINT`")]
    SecretKey,
    /// Every key in it was skipped.
    #[error("it has no usable key{}", tell_skipped(skipped))]
    NoUsableKey {
        /// The keys, and why each was skipped; empty for an empty file.
        skipped: Vec<SkippedKey>,
    },
}

/// A key of a keyring that nothing can be verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its name, when it is of a kind that is known.
    pub fingerprint: Option<Fingerprint>,
    /// Why it cannot be used.
    pub reason: String,
}

impl std::fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.fingerprint {
            Some(fingerprint) => write!(f, "key {fingerprint}: {}", self.reason),
            None => write!(f, "a key of an unknown kind: {}", self.reason),
        }
    }
}

fn tell_skipped(skipped: &[SkippedKey]) -> String {
    let reasons: Vec<_> = skipped.iter().map(ToString::to_string).collect();
    if reasons.is_empty() { String::new() } else { format!("; skipped {}: {}", reasons.len(), reasons.join("; ")) }
}

/// What a keyring says about one usable key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// The primary key.
    pub fingerprint: Fingerprint,
    /// Its subkeys, as far as it has bound them and did not revoke them.
    pub subkeys: Vec<Fingerprint>,
    /// Its subkeys that it says are revoked, softly or not, now or later.
    pub revoked_subkeys: Vec<Fingerprint>,
    /// Whom it claims to belong to: anyone can write anything there.
    pub user_ids: Vec<String>,
    /// When the primary key expires, in Unix seconds.
    pub expires: Option<u64>,
    /// Whether the primary key says of itself that it is revoked, softly or not, now or later.
    pub revoked: bool,
}

impl KeySummary {
    /// Whether this names a subkey of the key, be it revoked or not: which of them count is for the policy to say.
    #[must_use]
    pub fn has_subkey(&self, fingerprint: &Fingerprint) -> bool {
        self.subkeys.contains(fingerprint) || self.revoked_subkeys.contains(fingerprint)
    }
}

/// The keys of one keyring file.
#[derive(Debug, Clone)]
pub struct Keyring {
    digest: Digest,
    /// All keys that could be read, weak ones included: a refusal can then say why.
    certs: Vec<Cert>,
    keys: Vec<KeySummary>,
    skipped: Vec<SkippedKey>,
}

impl Keyring {
    /// Reads a keyring, binary or armored (several armored blocks count as one keyring).
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let dearmored = dearmor(bytes)?;
        let packets =
            packets::split(dearmored.as_deref().unwrap_or(bytes)).map_err(|error| not_a_keyring(bytes, error))?;
        let (certs, mut skipped) = certs(&packets)?;
        let mut keys = Vec::new();
        for cert in &certs {
            match summary(cert) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let fingerprint = fingerprint(&cert.fingerprint());
                    skipped.push(SkippedKey { fingerprint, reason });
                }
            }
        }
        if keys.is_empty() {
            return Err(KeyringError::NoUsableKey { skipped });
        }
        Ok(Self { digest: Digest::of(bytes), certs, keys, skipped })
    }

    /// The digest of the file's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The keys that signatures can be verified with, in the file's order; at least one.
    #[must_use]
    pub fn keys(&self) -> &[KeySummary] {
        &self.keys
    }

    /// The keys that were skipped, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    #[cfg(test)]
    pub(super) fn set_keys(&mut self, keys: Vec<KeySummary>) {
        self.keys = keys;
    }

    pub(super) fn certs(&self) -> &[Cert] {
        &self.certs
    }
}

/// The packets in all armored blocks of a text; `None` when the bytes are no armored text.
fn dearmor(bytes: &[u8]) -> Result<Option<Vec<u8>>, KeyringError> {
    if packets::split(bytes).is_ok() {
        return Ok(None);
    }
    let mut lines = armor::lines(bytes);
    let mut found = None;
    while let Some(line) = lines.next() {
        match line.trim_ascii() {
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----" => {
                let reason = || KeyringError::NotAKeyring { reason: "an armored key is cut off or not base64".into() };
                found.get_or_insert_with(Vec::new).extend(armor::decode(&mut lines).ok_or_else(reason)?);
            }
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----" => return Err(KeyringError::SecretKey),
            _ => {}
        }
    }
    Ok(found)
}

fn not_a_keyring(bytes: &[u8], error: PacketError) -> KeyringError {
    let is_keybox = bytes.get(8..12) == Some(b"KBXf");
    let reason = if is_keybox { "it is GnuPG's own keybox".into() } else { error.to_string() };
    KeyringError::NotAKeyring { reason }
}

/// The keys that can be read. One that cannot is skipped; one that stands twice is one key with all that both say of it.
fn certs(packets: &[Packet<'_>]) -> Result<(Vec<Cert>, Vec<SkippedKey>), KeyringError> {
    if packets.iter().any(|packet| packet.tag == tag::SECRET_KEY) {
        return Err(KeyringError::SecretKey);
    }
    let (mut certs, mut skipped) = (Vec::<Cert>::new(), Vec::new());
    let mut places = BTreeMap::new();
    let groups = packets.chunk_by(|_, next| next.tag != tag::PUBLIC_KEY);
    for group in groups.filter(|group| group[0].tag == tag::PUBLIC_KEY) {
        let is_of_key = |packet: &&Packet<'_>| ![tag::MARKER, tag::TRUST, tag::PADDING].contains(&packet.tag);
        let bytes: Vec<u8> =
            group.iter().filter(is_of_key).flat_map(|packet| packet.canonical().into_owned()).collect();
        let cert = match Cert::from_bytes(&bytes) {
            Ok(cert) => cert,
            Err(error) => {
                skipped.push(SkippedKey { fingerprint: None, reason: bounded(format!("{error:#}")) });
                continue;
            }
        };
        match places.get(&cert.fingerprint()) {
            None => {
                places.insert(cert.fingerprint(), certs.len());
                certs.push(cert);
            }
            Some(&place) => {
                let known: &Cert = &certs[place];
                if let Ok(merged) = known.clone().merge_public(cert) {
                    certs[place] = merged;
                }
            }
        }
    }
    Ok((certs, skipped))
}

/// What is too weak to count, whenever it was made: among others digests before SHA-2, RSA and DSA below 2048 bits.
pub(super) fn rules() -> StandardPolicy<'static> {
    StandardPolicy::at(SystemTime::UNIX_EPOCH + Duration::from_secs(RULES_OF))
}

/// The time of the newest thing that a key says of itself: a key is judged by its owner's last word. An owner who extends a key
/// replaces its self-signature, so asking what bound the key when it signed would refuse everything signed before that.
pub(super) fn last_word(cert: &Cert) -> SystemTime {
    let primary = cert.primary_key().self_signatures();
    let user_ids = cert.userids().flat_map(|user_id| user_id.self_signatures());
    let subkeys = cert.keys().subkeys().flat_map(|subkey| subkey.self_signatures());
    let times = primary.chain(user_ids).chain(subkeys).filter_map(|signature| signature.signature_creation_time());
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Describes a key that can sign, or tells why it cannot be used.
fn summary(cert: &Cert) -> Result<KeySummary, String> {
    let rules = rules();
    let tell = |error| bounded(format!("{error:#}"));
    let valid = cert.with_policy(&rules, last_word(cert)).map_err(tell)?;
    if !valid.keys().any(|key| key.for_signing()) {
        return Err("no key of it may sign under today's rules".to_owned());
    }
    // Whatever binds it: a revocation counts even where nothing else that is said of the subkey does.
    let revoked = cert.keys().subkeys().filter(|key| key.self_revocations().next().is_some());
    let revoked_subkeys: Vec<_> = revoked.filter_map(|key| fingerprint(&key.key().fingerprint())).collect();
    let bound = valid.keys().subkeys().filter_map(|key| fingerprint(&key.key().fingerprint()));
    Ok(KeySummary {
        fingerprint: fingerprint(&cert.fingerprint()).ok_or("its fingerprint is of an unknown kind")?,
        subkeys: bound.filter(|key| !revoked_subkeys.contains(key)).collect(),
        revoked_subkeys,
        user_ids: valid.userids().map(|user_id| bounded(String::from_utf8_lossy(user_id.userid().value()))).collect(),
        expires: valid.primary_key().key_expiration_time().map(seconds),
        revoked: cert.primary_key().self_revocations().next().is_some(),
    })
}

/// Our name of a key; `None` for kinds of fingerprints that are not known.
pub(super) fn fingerprint(fingerprint: &sequoia_openpgp::Fingerprint) -> Option<Fingerprint> {
    fingerprint.to_hex().parse().ok()
}

/// Unix seconds; times before 1970 do not exist in OpenPGP.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
