//! Whether a signature counts: for this mirror, now.
//!
//! Owns every rule that depends on the time or on which signers are wanted. Verifies nothing itself.

use super::facts::{Facts, GoodSignature};
use super::{Fingerprint, bounded};

/// How far a signer's clock may run ahead of ours, in seconds.
const CLOCK_SKEW: u64 = 30 * 60;

/// Whether a key that has expired since it signed still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expired {
    /// It does not.
    #[default]
    Refuse,
    /// A reviewed exception says that it does.
    Accept,
}

/// Which signatures count.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The only keys that count, primary or subkey; empty for all of the keyring.
    pub fingerprints: &'a [Fingerprint],
    /// What to do with a key that has expired since.
    pub expired: Expired,
    /// Now, in Unix seconds.
    pub now: u64,
}

/// The signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The signer's primary key.
    pub signer: Fingerprint,
    /// The key that signed: the primary, or one of its subkeys.
    pub signed_by: Fingerprint,
    /// Whom the key claims to belong to: anyone can write anything there.
    pub claims: Option<String>,
    /// Whether the key has expired since; only where that is accepted.
    pub key_expired: bool,
    /// When the signature was made, as it says itself, in Unix seconds.
    pub made: u64,
}

/// Why no signature counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is none at all.
    #[error("it has no good signature")]
    NoGoodSignature,
    /// Good signatures, but by none of the keys that were asked for.
    #[error("it was signed by {signer} ({signed_by}), which is not among the manifest's `fingerprints`")]
    NotListed {
        /// The signer's primary key.
        signer: Fingerprint,
        /// The key that signed.
        signed_by: Fingerprint,
    },
    /// The signature lies in the future.
    #[error("{signer} signed it in the future, {seconds} seconds from now: is this machine's clock right?")]
    NotYet {
        /// The signer's primary key.
        signer: Fingerprint,
        /// How far.
        seconds: u64,
    },
    /// The owner revoked the key, for whatever reason.
    #[error("it was signed by {signer}, but the key {revoked} is revoked: {reason}")]
    Revoked {
        /// The signer's primary key.
        signer: Fingerprint,
        /// The key that is revoked: the primary, or the subkey that signed.
        revoked: Fingerprint,
        /// Why, as its owner says.
        reason: String,
    },
    /// The signature itself was made to last until then.
    #[error("the signature of {signer} has expired")]
    ExpiredSignature {
        /// The signer's primary key.
        signer: Fingerprint,
        /// When, in Unix seconds.
        expired: u64,
    },
    /// The key was good when it signed, and has expired since.
    #[error("the key {fingerprint} has expired since it signed")]
    ExpiredKey {
        /// The signer's primary key.
        fingerprint: Fingerprint,
        /// When, in Unix seconds.
        expired: u64,
    },
}

/// The first signature that counts, or why the one that comes nearest does not.
pub fn judge(facts: &Facts, policy: &Policy<'_>) -> Result<Verdict, Refusal> {
    let mut nearest = Refusal::NoGoodSignature;
    for signature in &facts.signatures {
        match judge_one(signature, policy) {
            Ok(verdict) => return Ok(verdict),
            // The variants stand in that order.
            Err(refusal) => nearest = nearest.max(refusal),
        }
    }
    Err(nearest)
}

fn judge_one(signature: &GoodSignature, policy: &Policy<'_>) -> Result<Verdict, Refusal> {
    let signer = signature.primary.clone();
    let is_listed = |key| policy.fingerprints.is_empty() || policy.fingerprints.contains(key);
    if !is_listed(&signature.primary) && !is_listed(&signature.signed_by) {
        return Err(Refusal::NotListed { signer, signed_by: signature.signed_by.clone() });
    }
    if signature.made > policy.now.saturating_add(CLOCK_SKEW) {
        return Err(Refusal::NotYet { signer, seconds: signature.made - policy.now });
    }
    let is_past = |time: &u64| *time <= policy.now;
    let holds = |made: u64, expires: Option<u64>| is_past(&made) && !expires.is_some_and(|time| is_past(&time));
    let mut revocations = signature.revocations.iter();
    if let Some(found) = revocations.find(|revocation| revocation.hard || holds(revocation.made, revocation.expires)) {
        let (revoked, reason) = (found.key.clone(), bounded(&found.reason));
        return Err(Refusal::Revoked { signer, revoked, reason });
    }
    if let Some(expired) = signature.expires.filter(is_past) {
        return Err(Refusal::ExpiredSignature { signer, expired });
    }
    let key_expired = signature.key_expires.filter(is_past);
    match (key_expired, policy.expired) {
        (Some(expired), Expired::Refuse) => Err(Refusal::ExpiredKey { fingerprint: signer, expired }),
        (Some(_), Expired::Accept) | (None, _) => Ok(Verdict {
            signer,
            signed_by: signature.signed_by.clone(),
            claims: signature.claims.clone(),
            key_expired: key_expired.is_some(),
            made: signature.made,
        }),
    }
}
