//! What a provenance file proves, whenever it is looked at.
//!
//! Owns the check of signatures and of what they cover. Knows neither the time nor which signers are wanted: that is `policy`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use sequoia_openpgp::cert::amalgamation::key::ErasedKeyAmalgamation;
use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation as _, ValidateAmalgamation as _};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy as _};
use sequoia_openpgp::types::{HashAlgorithm, RevocationType};
use sequoia_openpgp::{Cert, Packet};
use serde::{Deserialize, Serialize};

use super::clearsign::{self, ClearSignError};
use super::keyring::{fingerprint, last_word, rules, seconds};
use super::packets::{self, PacketError};
use super::statement::{self, StatementError};
use super::{Fingerprint, Keyring, bounded};
use crate::oci::Digest;

/// The most signatures that one file may carry: each costs a public-key operation.
const SIGNATURES: usize = 16;

/// Why a provenance file proves nothing, or nothing about this chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// Not one clear-signed text.
    #[error("the provenance is not one clear-signed text: {0}")]
    ClearSign(#[from] ClearSignError),
    /// The signature is no sequence of packets.
    #[error("the provenance's signature is malformed: {0}")]
    Packets(#[from] PacketError),
    /// No signature that a key of the keyring made over this text with algorithms that still count.
    #[error("the provenance has no good signature: {}", tell(reasons))]
    NoGoodSignature {
        /// Why each signature does not count; empty when there is none.
        reasons: Vec<String>,
    },
    /// More signatures than anyone needs.
    #[error("the provenance has {found} signatures, more than the {SIGNATURES} allowed")]
    TooManySignatures {
        /// How many.
        found: usize,
    },
    /// The signed text is not Helm's.
    #[error("the provenance is not Helm's: {0}")]
    Statement(#[from] StatementError),
    /// It is another chart's, or another version's.
    #[error("the provenance is of {signed}, but the archive is {chart}")]
    OtherChart {
        /// Name and version that were signed.
        signed: String,
        /// Name and version in the archive.
        chart: String,
    },
    /// The archive is not among the files.
    #[error("the provenance does not name `{file}`; it names {}", tell(named))]
    FileMissing {
        /// What Helm calls the archive.
        file: String,
        /// The files that are named.
        named: Vec<String>,
    },
    /// The archive's bytes are not what was signed.
    #[error("the provenance says that `{file}` is `{signed}`, but the archive is {archive}")]
    OtherArchive {
        /// What Helm calls the archive.
        file: String,
        /// The signed digest, as written.
        signed: String,
        /// The archive's.
        archive: Digest,
    },
}

fn tell(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join("; ") }
}

/// What a provenance file proves: who signed it, and what it says. Independent of time and of anyone's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    name: String,
    version: String,
    /// Values as written: what other files are said to be is not judged.
    files: BTreeMap<String, String>,
    pub(super) signatures: Vec<GoodSignature>,
}

/// One signature that a key made over the text. Times in Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoodSignature {
    pub(super) primary: Fingerprint,
    /// The primary key, or the subkey that signed.
    pub(super) signed_by: Fingerprint,
    pub(super) claims: Option<String>,
    pub(super) made: u64,
    pub(super) expires: Option<u64>,
    /// The earlier one of the signing key's and its primary's.
    pub(super) key_expires: Option<u64>,
    pub(super) revocations: Vec<Revocation>,
}

/// That a key's owner revoked the primary or the signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    pub(super) key: Fingerprint,
    pub(super) made: u64,
    pub(super) expires: Option<u64>,
    /// Hard ones (compromised, or no reason given) hold for all time.
    pub(super) hard: bool,
    pub(super) reason: String,
}

/// Checks the signatures of a provenance file and reads what it says.
pub fn check(provenance: &[u8], keyring: &Keyring) -> Result<Facts, ProvenanceError> {
    let block = clearsign::decode(provenance)?;
    let found = signatures(&block.signature)?;
    if found.len() > SIGNATURES {
        return Err(ProvenanceError::TooManySignatures { found: found.len() });
    }
    let (mut good, mut reasons) = (Vec::new(), Vec::new());
    for signature in found {
        match signature.and_then(|signature| verify(&signature, &block.signed, keyring)) {
            Ok(signature) => good.push(signature),
            Err(reason) => reasons.push(bounded(reason)),
        }
    }
    if good.is_empty() {
        return Err(ProvenanceError::NoGoodSignature { reasons });
    }
    let statement = statement::parse(&block.text)?;
    Ok(Facts { name: statement.name, version: statement.version, files: statement.files, signatures: good })
}

impl Facts {
    /// The signed name of the chart.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The signed version of the chart.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether what was signed is this chart: name and version as in the archive's Chart.yaml, and the archive's digest.
    pub fn covers(&self, name: &str, version: &str, archive: &Digest) -> Result<(), ProvenanceError> {
        if (self.name.as_str(), self.version.as_str()) != (name, version) {
            let signed = bounded(format!("`{}` {}", self.name, self.version));
            return Err(ProvenanceError::OtherChart { signed, chart: bounded(format!("`{name}` {version}")) });
        }
        let file = format!("{name}-{version}.tgz");
        let Some(signed) = self.files.get(&file) else {
            let named = self.files.keys().take(8).map(bounded).collect();
            return Err(ProvenanceError::FileMissing { file: bounded(file), named });
        };
        if *signed == archive.to_string() {
            Ok(())
        } else {
            Err(ProvenanceError::OtherArchive { file: bounded(file), signed: bounded(signed), archive: *archive })
        }
    }
}

/// The signatures of a block, each parsed or told why not. A packet of another kind is a signature that does not count.
fn signatures(block: &[u8]) -> Result<Vec<Result<Signature, String>>, PacketError> {
    let packets = packets::split(block)?;
    let parsed = packets.iter().map(|packet| match Packet::from_bytes(&packet.canonical()) {
        Ok(Packet::Signature(signature)) => Ok(signature),
        Ok(Packet::Unknown(unknown)) => Err(format!("it cannot be read: {:#}", unknown.error())),
        Ok(other) => Err(format!("it is not a signature but a packet of type {}", other.tag())),
        Err(error) => Err(format!("it cannot be read: {error:#}")),
    });
    Ok(parsed.collect())
}

/// Finds the key that made this signature and checks all about it that does not depend on when it is asked.
fn verify(signature: &Signature, signed: &[u8], keyring: &Keyring) -> Result<GoodSignature, String> {
    strong(signature)?;
    let issuers = signature.get_issuers();
    let Some(issuer) = issuers.first() else {
        return Err("it does not say which key made it".to_owned());
    };
    let mut reason = format!("it was made by the key {issuer:X}, which is not in the keyring");
    for key in keyring.certs().iter().flat_map(|cert| cert.keys().key_handles(issuers.iter())) {
        match verify_with(&key, signature, signed) {
            Ok(good) => return Ok(good),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

/// Whether the algorithms of a signature, and all that it marks as critical, are accepted.
fn strong(signature: &Signature) -> Result<(), String> {
    let digest = signature.hash_algo();
    if [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD].contains(&digest) {
        return Err(format!("it was made with {digest}, which is too weak to count"));
    }
    let rules = rules();
    let version = rules.packet(&Packet::from(signature.clone()));
    let rest = version.and_then(|()| rules.signature(signature, HashAlgoSecurity::CollisionResistance));
    rest.map_err(|error| format!("{error:#}"))
}

fn verify_with(
    key: &ErasedKeyAmalgamation<'_, PublicParts>,
    signature: &Signature,
    signed: &[u8],
) -> Result<GoodSignature, String> {
    let rules = rules();
    let cert = key.cert();
    let name = key.key().fingerprint();
    let valid = key.clone().with_policy(&rules, last_word(cert));
    let valid = valid.map_err(|error| format!("the key {name:X} cannot be used: {error:#}"))?;
    if !valid.for_signing() {
        return Err(format!("the key {name:X} may not sign"));
    }
    let made = signature.signature_creation_time().map(seconds).ok_or("it does not say when it was made")?;
    let expiries = [valid.key_expiration_time(), valid.valid_cert().primary_key().key_expiration_time()];
    let key_expires = expiries.into_iter().flatten().map(seconds).min();
    if key_expires.is_some_and(|expires| expires <= made) {
        return Err(format!("the key {name:X} had expired when it signed"));
    }
    signature.verify_message(valid.key(), signed).map_err(|error| format!("made by the key {name:X}: {error:#}"))?;
    let (primary, signed_by) =
        fingerprint(&cert.fingerprint()).zip(fingerprint(&name)).ok_or("an unknown kind of key")?;
    Ok(GoodSignature {
        revocations: revocations(cert, key, &primary, &signed_by),
        claims: valid
            .valid_cert()
            .primary_userid()
            .ok()
            .map(|id| bounded(String::from_utf8_lossy(id.userid().value()))),
        expires: signature.signature_expiration_time().map(seconds),
        primary,
        signed_by,
        made,
        key_expires,
    })
}

/// Every revocation that the owner signed, however weakly: being refused for one too many is the smaller harm. Those of a
/// designated revoker are not looked at, as Helm does not: the key that could prove them is elsewhere.
fn revocations(
    cert: &Cert,
    key: &ErasedKeyAmalgamation<'_, PublicParts>,
    primary: &Fingerprint,
    signed_by: &Fingerprint,
) -> Vec<Revocation> {
    let revocation = |key: &Fingerprint, signature: &Signature| {
        let reason = signature.reason_for_revocation();
        Revocation {
            key: key.clone(),
            made: seconds(signature.signature_creation_time().unwrap_or(SystemTime::UNIX_EPOCH)),
            expires: signature.signature_expiration_time().map(seconds),
            hard: reason.is_none_or(|(code, _)| code.revocation_type() == RevocationType::Hard),
            reason: reason.map_or_else(
                || "no reason given".to_owned(),
                |(code, text)| {
                    bounded(format!("{code}: {}", String::from_utf8_lossy(text)).trim_end_matches([' ', ':']))
                },
            ),
        }
    };
    let mut all: Vec<_> =
        cert.primary_key().self_revocations().map(|signature| revocation(primary, signature)).collect();
    if primary != signed_by {
        all.extend(key.self_revocations().map(|signature| revocation(signed_by, signature)));
    }
    all
}
