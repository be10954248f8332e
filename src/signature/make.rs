//! A new bundle: statement, signature, certificate or key, time stamp, log entry.

use std::sync::Arc;

use bytes::Bytes;
use sigstore_sign::bundle::{BundleV03, VerificationMaterialV03};
use sigstore_sign::crypto::KeyPair;
use sigstore_sign::types::{DsseEnvelope, DsseSignature, KeyId, PayloadBytes, SignatureBytes, SignatureContent, pae};

use crate::signature::Place;
use crate::signature::error::SignatureError;
use crate::signature::identity::Token;
use crate::signature::judge::Judge;
use crate::signature::key::{PrivateKey, PublicKey};
use crate::signature::services::{Maker, Services};
use crate::signature::statement::PAYLOAD_TYPE;

/// What a run signs with.
#[derive(Debug, Clone)]
pub(super) enum Hand {
    /// A new key for every signature, certified for this token.
    Token(Arc<Token>),
    /// A key pair.
    Key(Arc<PrivateKey>, PublicKey),
}

/// How often it is signed anew when the log's answer to a signature was lost for good.
const SIGNATURES: usize = 2;

/// Signs the statement for this place, for this judge.
pub(super) async fn make(
    place: Place<'_>,
    hand: &Hand,
    services: &Services,
    judge: &Judge,
) -> Result<Bytes, SignatureError> {
    let mut made = once(place, hand, services, judge).await;
    for _ in 1..SIGNATURES {
        if !matches!(made, Err(SignatureError::EntryLost)) {
            break;
        }
        made = once(place, hand, services, judge).await;
    }
    made
}

async fn once(place: Place<'_>, hand: &Hand, services: &Services, judge: &Judge) -> Result<Bytes, SignatureError> {
    let statement = place.statement();
    let signed = pae(PAYLOAD_TYPE, &statement);
    let defect = |error: String| SignatureError::Defect(error);
    let (signature, maker, material) = match hand {
        Hand::Token(token) => {
            let pair = KeyPair::generate_ecdsa_p256().map_err(|error| defect(error.to_string()))?;
            let certificate = services.certify(&token.token, &pair).await?;
            let signature = pair.sign(&signed).map_err(|error| defect(error.to_string()))?;
            (signature, Maker::Certificate(certificate.clone()), VerificationMaterialV03::Certificate(certificate))
        }
        Hand::Key(private, public) => {
            let signature = SignatureBytes::new(private.sign(&signed).map_err(defect)?);
            (signature, Maker::Key(public.der()), VerificationMaterialV03::PublicKey { hint: public.hint() })
        }
    };
    let signature = DsseSignature::new(signature, KeyId::default());
    let envelope = DsseEnvelope::new(PAYLOAD_TYPE.to_owned(), PayloadBytes::new(statement), signature);
    let (stamp, entry) = services.witness(&envelope, &maker, judge).await?;
    let mut bundle = BundleV03::new(material, SignatureContent::DsseEnvelope(envelope));
    if let Some(entry) = entry {
        bundle = bundle.with_tlog_entry(entry);
    }
    if let Some(stamp) = stamp {
        bundle = bundle.with_rfc3161_timestamp(stamp);
    }
    let json = bundle.into_bundle().to_json().map_err(|error| defect(error.to_string()))?;
    Ok(Bytes::from(json))
}
