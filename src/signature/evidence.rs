//! What a bundle carries beside its statement: which piece does not fit the others, and what no signature covers.
//!
//! Owns the names of the pieces in refusals, and the rule that nothing in a log entry may be changed unseen. The arithmetic is
//! `sigstore-verify`'s.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sigstore_verify::crypto::{parse_certificate_info, verify_signature};
use sigstore_verify::types::{Bundle, Checkpoint, DsseEnvelope, TransparencyLogEntry};

use crate::signature::{Part, Rejected};

/// Whether the certificate's key made the signature over the payload; if not, which of the three is not the one that was logged.
pub(super) fn fit(bundle: &Bundle, envelope: &DsseEnvelope) -> Result<(), Rejected> {
    let Some(certificate) = bundle.signing_certificate() else {
        return Err(Rejected::new(Part::Certificate, "there is none"));
    };
    let info = parse_certificate_info(certificate).map_err(|error| Rejected::new(Part::Certificate, error))?;
    let scheme = info.key_algorithm.default_signing_scheme();
    if verify_signature(&info.public_key, &envelope.pae(), &envelope.signature.sig, scheme).is_ok() {
        return Ok(());
    }
    // Only a hint for people: whoever changes all of them chooses what is named.
    let texts = texts(bundle);
    let signature = texts.contains(&STANDARD.encode(envelope.signature.sig.as_bytes()));
    let certificate = texts.contains(&STANDARD.encode(certificate.as_bytes()));
    Err(match (signature, certificate) {
        (true, true) => Rejected::new(Part::Payload, "it is not the one that was signed"),
        (true, false) => Rejected::new(Part::Certificate, "it is not the one whose key signed"),
        (false, _) => Rejected::new(Part::Signature, "the certificate's key did not make it for this payload"),
    })
}

/// Whether it was logged, in logs of these names, and nothing in an entry can be changed unseen.
pub(super) fn logged(bundle: &Bundle, logs: &[Vec<u8>]) -> Result<(), Rejected> {
    let entries = &bundle.verification_material.tlog_entries;
    if entries.is_empty() {
        return Err(Rejected::new(Part::LogEntry, "there is none, and the settings name a log"));
    }
    entries.iter().try_for_each(|entry| consistent(entry, logs))
}

/// What an entry says twice must be the same: a log of the second kind signs only one of the two, and who signed a checkpoint is
/// in no signature at all.
fn consistent(entry: &TransparencyLogEntry, logs: &[Vec<u8>]) -> Result<(), Rejected> {
    let wrong = |detail: &str| Err(Rejected::new(Part::LogEntry, detail));
    let log = entry.log_id.key_id.as_bytes();
    if !logs.iter().any(|known| known == log) {
        return wrong("the trusted root does not know its log");
    }
    let Some(proof) = &entry.inclusion_proof else { return wrong("it has no proof that it is in the log") };
    let Some(checkpoint) = proof.checkpoint.checkpoint() else { return wrong("its proof has no checkpoint") };
    if proof.tree_size != checkpoint.tree_size() || proof.root_hash != *checkpoint.root_hash() {
        return wrong("its proof is for another state of the log than its checkpoint");
    }
    if proof.log_index.get() >= proof.tree_size {
        return wrong("its place is beyond the end of the log");
    }
    if !signed_by(checkpoint, log) {
        return wrong("its checkpoint does not name the log as its signer");
    }
    if proof.checkpoint.envelope() != written(checkpoint) {
        return wrong("its checkpoint is not written as logs do");
    }
    let timed = entry.inclusion_promise.is_some();
    if !timed && (entry.integrated_time.is_some() || proof.log_index != entry.log_index) {
        return wrong("it says more than the log has signed");
    }
    Ok(())
}

/// Whether a checkpoint says that this log has signed it: under the name of its origin, with the beginning of the log's own name.
pub(super) fn signed_by(checkpoint: &Checkpoint, log: &[u8]) -> bool {
    let origin = checkpoint.origin().split(' ').next().unwrap_or_default();
    let by_log = |hint: &[u8], by: &str| log.starts_with(hint) && by == origin;
    checkpoint.signatures().iter().any(|signature| by_log(signature.key_id.as_bytes(), &signature.name))
}

/// A checkpoint as logs write it (<https://c2sp.org/tlog-checkpoint>). `sigstore-verify` reads it however it is spaced.
pub(super) fn written(checkpoint: &Checkpoint) -> String {
    let mut note = String::from_utf8_lossy(checkpoint.signed_data()).into_owned() + "\n";
    for signature in checkpoint.signatures() {
        let bytes = [signature.key_id.as_bytes(), signature.signature.as_bytes()].concat();
        note = note + "\u{2014} " + &signature.name + " " + &STANDARD.encode(bytes) + "\n";
    }
    note
}

/// How far in the future it was logged, by this machine's clock.
pub(super) fn ahead(bundle: &Bundle) -> Duration {
    let now = jiff::Timestamp::now();
    let times = bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
    let ahead = times.max().map_or(0, |time| time.as_second().saturating_sub(now.as_second()));
    Duration::from_secs(u64::try_from(ahead).unwrap_or(0))
}

/// Every text of what was logged; certificates as one line of base64, however the log writes them.
fn texts(bundle: &Bundle) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in &bundle.verification_material.tlog_entries {
        if let Ok(body) = serde_json::from_slice::<Value>(entry.canonicalized_body.as_bytes()) {
            collect(&body, &mut texts);
        }
    }
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let pem = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let lines = pem.iter().flat_map(|pem| pem.lines()).filter(|line| !line.starts_with("-----"));
            texts.push(lines.collect());
            texts.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}
