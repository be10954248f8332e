//! Whether one bundle is a signature of ours: format, statement, signature, certificate, signer, log and time.
//!
//! Owns what counts. Does the arithmetic with `sigstore-verify`, and with `sigstore` for signatures of keys; knows no registry.

use std::time::Duration;

use serde_json::Value;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::bundle::{MediaType, VerificationMaterialContent};
use sigstore_verify::types::{Bundle, DsseEnvelope, Sha256Hash, SignatureContent, TimestampToken};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TransparencyLogError, VerificationPolicy, Verifier,
};

use crate::oci::strict_json;
use crate::signature::evidence::{ahead, fit, logged};
use crate::signature::key::PublicKey;
use crate::signature::stamp::Authorities;
use crate::signature::statement::PAYLOAD_TYPE;
use crate::signature::{Part, Place, Rejected};

/// Whose keyless signatures count for one kind of chart; none where only keys count.
#[derive(Debug, Clone, Default)]
pub(super) struct Signers {
    pub(super) issuer: String,
    /// Compared whole.
    pub(super) identities: Vec<String>,
}

/// Whether a signature of a key counts without an entry in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlogged {
    Counts,
    Refused,
}

/// A signature of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The identity, or the file of the public key.
    pub signer: String,
}

/// What is trusted: keys and certificates of log, authority and time stamps, and the public keys of the settings.
pub(super) struct Judge {
    verifier: Verifier,
    keys: Vec<PublicKey>,
    unlogged: Unlogged,
    /// Whether certificates must be logged themselves: an instance without such a log names none.
    has_certificate_logs: bool,
    /// The names of the logs of signatures.
    logs: Vec<Vec<u8>>,
    authorities: Authorities,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

impl Judge {
    pub(super) fn new(trusted_root: &TrustedRoot, keys: Vec<PublicKey>, unlogged: Unlogged) -> Result<Self, Error> {
        let has_certificate_logs = !trusted_root.ctlogs.is_empty();
        let logs = trusted_root.tlogs.iter().map(|log| log.log_id.key_id.as_bytes().to_vec()).collect();
        let authorities = Authorities::of(trusted_root);
        Ok(Self { verifier: Verifier::new(trusted_root)?, keys, unlogged, has_certificate_logs, logs, authorities })
    }

    /// The names of the logs of signatures.
    pub(super) fn logs(&self) -> &[Vec<u8>] {
        &self.logs
    }

    /// Whether a bundle with this time stamp can hold: what stands here is not the signature's to vouch for.
    pub(super) fn stamped(&self, stamp: &TimestampToken) -> Result<(), Rejected> {
        self.authorities.plain(stamp)
    }

    /// Whether this bundle is a signature of one of these signers for exactly this place.
    pub(super) fn judge(&self, bytes: &[u8], place: Place<'_>, signers: &Signers) -> Result<Verified, Rejected> {
        let bundle = read(bytes)?;
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            return Err(Rejected::new(Part::Bundle, "it signs bytes instead of a statement"));
        };
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(Rejected::new(Part::Payload, format!("its type is `{}`", envelope.payload_type)));
        }
        let verified = match &bundle.verification_material.content {
            VerificationMaterialContent::Certificate(_) => self.keyless(&bundle, envelope, place, signers),
            VerificationMaterialContent::PublicKey(_) => self.by_key(&bundle, envelope, place),
            _ => Err(Rejected::new(Part::Bundle, "it carries neither one certificate nor a public key's hint")),
        }?;
        // Last: until the signature holds, what the statement says is anybody's word.
        place.check(envelope.payload.as_bytes())?;
        Ok(verified)
    }

    fn keyless(
        &self,
        bundle: &Bundle,
        envelope: &DsseEnvelope,
        place: Place<'_>,
        signers: &Signers,
    ) -> Result<Verified, Rejected> {
        // First, so that what was changed is named, and not what vouches for it.
        fit(bundle, envelope)?;
        let mut policy = VerificationPolicy::any_identity();
        if !self.has_certificate_logs {
            policy = policy.skip_sct();
        }
        logged(bundle, &self.logs)?;
        self.authorities.check(bundle)?;
        let verified = self.verifier.verify(digest(place), bundle, &policy);
        let result = verified.map_err(|error| {
            let names_it =
                !matches!(place.check(envelope.payload.as_bytes()), Err(wrong) if wrong.part == Part::Digest);
            match &error {
                // The statement is about this very digest: then it is what was logged that is about another.
                Error::ArtifactMismatch(_) if names_it => Rejected::new(Part::LogEntry, "it is another signature's"),
                error => rejected(error, bundle),
            }
        })?;
        let issuer = result.issuer().unwrap_or_default();
        if issuer != signers.issuer || signers.identities.is_empty() {
            return Err(Rejected::new(Part::Issuer, format!("`{issuer}` is not the one of the settings")));
        }
        let identity = result.identity().map(|identity| identity.as_str().to_owned()).unwrap_or_default();
        if !signers.identities.contains(&identity) {
            return Err(Rejected::new(Part::Identity, format!("`{identity}` is none of the settings'")));
        }
        Ok(Verified { signer: identity })
    }

    fn by_key(&self, bundle: &Bundle, envelope: &DsseEnvelope, place: Place<'_>) -> Result<Verified, Rejected> {
        let signed = envelope.pae();
        let signature = envelope.signature.sig.as_bytes();
        let Some(key) = self.keys.iter().find(|key| key.verifies(&signed, signature)) else {
            return Err(Rejected::new(Part::Signature, "no public key of the settings made it"));
        };
        let material = &bundle.verification_material;
        if self.unlogged == Unlogged::Refused {
            logged(bundle, &self.logs)?;
        }
        // A bundle that a key made may carry no evidence of time at all: then there is nothing more to verify.
        let stamped = !material.timestamp_verification_data.rfc3161_timestamps.is_empty();
        if stamped || !material.tlog_entries.is_empty() {
            self.authorities.check(bundle)?;
            let mut policy = PublicKeyVerificationPolicy::new(key.der());
            if self.unlogged == Unlogged::Counts {
                policy = policy.skip_tlog_unsafe();
            }
            let verified = self.verifier.verify(digest(place), bundle, &policy);
            verified.map_err(|error| rejected(&error, bundle))?;
        }
        Ok(Verified { signer: key.file.clone() })
    }
}

fn digest(place: Place<'_>) -> Sha256Hash {
    Sha256Hash::new(*place.digest.as_bytes())
}

/// Reads a bundle as cosign does, for whom one with a field that it does not know does not exist.
fn read(bytes: &[u8]) -> Result<Bundle, Rejected> {
    let value = strict_json(bytes).map_err(|error| Rejected::new(Part::Bundle, error))?;
    let bundle: Bundle = serde_json::from_value(value.clone()).map_err(|error| Rejected::new(Part::Bundle, error))?;
    if bundle.media_type != MediaType::Bundle0_3 {
        return Err(Rejected::new(Part::Bundle, format!("`{}` is not version 0.3", bundle.media_type)));
    }
    let known = serde_json::to_value(&bundle).map_err(|error| Rejected::new(Part::Bundle, error))?;
    match unknown(&value, &known, "") {
        Some(path) => Err(Rejected::new(Part::Bundle, format!("its field `{path}` is none that cosign writes"))),
        None => Ok(bundle),
    }
}

/// Fields that may be there with nothing in them: `sigstore-verify` leaves them out when it writes a bundle.
const MAY_BE_EMPTY: [&str; 6] = [
    "verificationMaterial.timestampVerificationData.rfc3161Timestamps",
    "verificationMaterial.tlogEntries.integratedTime",
    "verificationMaterial.tlogEntries.inclusionPromise",
    "verificationMaterial.tlogEntries.inclusionProof",
    "verificationMaterial.tlogEntries.inclusionProof.checkpoint",
    "dsseEnvelope.signatures.keyid",
];

/// The first field that was read and not understood, or would not be written like this.
fn unknown(read: &Value, known: &Value, path: &str) -> Option<String> {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => read.iter().find_map(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(known) => unknown(value, known, &path),
                None if is_empty(value) && MAY_BE_EMPTY.contains(&&*path) => None,
                None => Some(path),
            }
        }),
        (Value::Array(read), Value::Array(known)) if read.len() == known.len() => {
            read.iter().zip(known).find_map(|(read, known)| unknown(read, known, path))
        }
        (Value::Array(_), Value::Array(_)) => Some(path.to_owned()),
        // Base64 can be written in other ways that are read as well.
        (Value::String(read), Value::String(known)) if read != known => Some(path.to_owned()),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// How far in the future a bundle was logged, by this machine's clock.
pub(super) fn logged_ahead(bytes: &[u8]) -> Duration {
    read(bytes).map_or(Duration::ZERO, |bundle| ahead(&bundle))
}

/// The part that a verification stumbled over.
fn rejected(error: &Error, bundle: &Bundle) -> Rejected {
    if let Error::TransparencyLog(TransparencyLogError::IntegratedTime(_)) = error
        && ahead(bundle) > Duration::ZERO
    {
        let seconds = ahead(bundle).as_secs();
        return Rejected::new(
            Part::Clock,
            format!("by this machine's clock it was logged in the future, in {seconds} s"),
        );
    }
    let part = match error {
        Error::SignatureInvalid(_) => Part::Signature,
        Error::ArtifactMismatch(_) => Part::Digest,
        Error::Certificate(CertificateError::Expired { .. } | CertificateError::NotYetValid { .. })
        | Error::TransparencyLog(TransparencyLogError::IntegratedTime(_))
        | Error::Timestamp(_) => Part::TimeStamp,
        Error::Certificate(_) => Part::Certificate,
        Error::TransparencyLog(_) => Part::LogEntry,
        Error::IdentityMismatch { .. } => Part::Identity,
        Error::IssuerMismatch { .. } => Part::Issuer,
        _ => Part::Bundle,
    };
    Rejected::new(part, error)
}

#[cfg(test)]
mod tests;
