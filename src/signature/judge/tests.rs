//! Real bundles of both logs, changed byte by byte. The local Sigstore of `tests/it` made them, and nobody has its keys any more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};
use sigstore_sign::bundle::{BundleV03, VerificationMaterialV03};
use sigstore_sign::crypto::KeyPair;
use sigstore_sign::types::{DsseSignature, KeyId, PayloadBytes, pae};

use super::*;
use crate::oci::{Digest, Reference};

const ROOT: &str = include_str!("../../../tests/fixtures/signature/trusted_root.json");
const REKOR_V1: &str = include_str!("../../../tests/fixtures/signature/rekor-v1.json");
const REKOR_V2: &str = include_str!("../../../tests/fixtures/signature/rekor-v2.json");

/// A bundle, and whose place it is.
struct Case {
    judge: Judge,
    bundle: &'static str,
    reference: Reference,
    digest: Digest,
    signers: Signers,
}

impl Case {
    fn new(bundle: &'static str) -> Self {
        let root = TrustedRoot::from_json(ROOT).unwrap();
        let value: Value = serde_json::from_str(bundle).unwrap();
        let payload = value["dsseEnvelope"]["payload"].as_str().unwrap();
        let statement: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
        let subject = &statement["subject"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (repository, tag) = (text(&subject["annotations"]["repository"]), text(&subject["annotations"]["tag"]));
        Self {
            judge: Judge::new(&root, Vec::new(), Unlogged::Refused).unwrap(),
            bundle,
            reference: format!("{repository}:{tag}").parse().unwrap(),
            digest: format!("sha256:{}", text(&subject["digest"]["sha256"])).parse().unwrap(),
            signers: Signers {
                issuer: "http://localhost:33553".to_owned(),
                identities: vec![
                    "https://github.com/vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main".to_owned(),
                ],
            },
        }
    }

    fn judge(&self, bundle: &[u8]) -> Result<Verified, Rejected> {
        let place = Place { reference: &self.reference, digest: &self.digest };
        self.judge.judge(bundle, place, &self.signers)
    }
}

/// An issuer and whole identities, all of them.
#[test]
fn only_signers_of_the_settings_count() {
    for bundle in [REKOR_V1, REKOR_V2] {
        let mut case = Case::new(bundle);
        let Signers { issuer, identities } = case.signers.clone();
        let own = identities[0].as_str();
        let elsewhere = own.replace("refs/heads/main", "refs/heads/mine");
        let longer = format!("{own}-2");
        let other_issuer = issuer.replace("33553", "3355");
        for (issuer, identities, expect) in [
            (issuer.as_str(), &[own][..], Ok(own)),
            (&issuer, &[elsewhere.as_str(), own], Ok(own)),
            (&issuer, &[elsewhere.as_str(), &longer, &own[1..], ""], Err(Part::Identity)),
            (&other_issuer, &[own], Err(Part::Issuer)),
            ("", &[own], Err(Part::Issuer)),
            (&issuer, &[], Err(Part::Issuer)),
            ("", &[], Err(Part::Issuer)),
        ] {
            let signers = identities.iter().map(|identity| (*identity).to_owned()).collect();
            case.signers = Signers { issuer: issuer.to_owned(), identities: signers };
            let judged =
                case.judge(bundle.as_bytes()).map(|verified| verified.signer).map_err(|rejected| rejected.part);
            assert_eq!(judged.as_deref(), expect.as_ref().copied(), "{issuer:?} {identities:?}");
        }
    }
}

/// The bundle of a key, with nothing in it that tells the time.
fn signed_by(pair: &KeyPair, payload_type: &str, place: Place<'_>) -> String {
    let statement = place.statement();
    let signature = DsseSignature::new(pair.sign(&pae(payload_type, &statement)).unwrap(), KeyId::default());
    let envelope = DsseEnvelope::new(payload_type.to_owned(), PayloadBytes::new(statement), signature);
    let material = VerificationMaterialV03::PublicKey { hint: public(pair).hint() };
    BundleV03::new(material, SignatureContent::DsseEnvelope(envelope)).into_bundle().to_json().unwrap()
}

fn public(pair: &KeyPair) -> PublicKey {
    PublicKey::parse("ours.pub", pair.public_key_der().unwrap().to_pem().as_bytes()).unwrap()
}

#[test]
fn only_keys_of_the_settings_count_for_statements_alone() {
    let root = TrustedRoot::from_json(ROOT).unwrap();
    let (ours, others) = (KeyPair::generate_ecdsa_p256().unwrap(), KeyPair::generate_ecdsa_p256().unwrap());
    let reference: Reference = "registry.example/charts/demo:1.2.3".parse().unwrap();
    let digest = Digest::of(b"chart");
    let place = Place { reference: &reference, digest: &digest };
    let judge = |bundle: &str, keys: &[&KeyPair], unlogged| {
        let judge = Judge::new(&root, keys.iter().map(|pair| public(pair)).collect(), unlogged).unwrap();
        let judged = judge.judge(bundle.as_bytes(), place, &Signers::default());
        judged.map(|verified| verified.signer).map_err(|rejected| rejected.part)
    };
    let good = signed_by(&ours, PAYLOAD_TYPE, place);
    assert_eq!(judge(&good, &[&ours], Unlogged::Counts).as_deref(), Ok("ours.pub"));
    assert_eq!(judge(&good, &[&others, &ours], Unlogged::Counts).as_deref(), Ok("ours.pub"));
    assert_eq!(judge(&good, &[&others], Unlogged::Counts), Err(Part::Signature));
    assert_eq!(judge(&good, &[], Unlogged::Counts), Err(Part::Signature));
    assert_eq!(judge(&good, &[&ours], Unlogged::Refused), Err(Part::LogEntry));
    let bytes = signed_by(&ours, "text/plain", place);
    assert_eq!(judge(&bytes, &[&ours], Unlogged::Counts), Err(Part::Payload));
    let elsewhere = "registry.example/charts/demo:1.2.4".parse().unwrap();
    let moved = signed_by(&ours, PAYLOAD_TYPE, Place { reference: &elsewhere, digest: &digest });
    assert_eq!(judge(&moved, &[&ours], Unlogged::Counts), Err(Part::Place));
}

/// Holds the time stamp's token, whose outer layers nobody signs.
const TOKEN: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";

#[test]
fn no_byte_can_be_changed() {
    for bundle in [REKOR_V1, REKOR_V2] {
        let case = Case::new(bundle);
        case.judge(bundle.as_bytes()).unwrap();
        let held: Vec<_> = (0..bundle.len())
            .into_par_iter()
            .step_by(17)
            .filter(|at| {
                let mut bytes = bundle.as_bytes().to_vec();
                bytes[*at] ^= 1;
                case.judge(&bytes).is_ok()
            })
            .map(|at| &bundle[at.saturating_sub(40)..=at])
            .collect();
        assert!(held.is_empty(), "{held:?}");
    }
}

/// From its status to the last byte of the authority's signature.
#[test]
fn no_byte_of_a_time_stamp_can_be_changed() {
    for bundle in [REKOR_V1, REKOR_V2] {
        let case = Case::new(bundle);
        let value: Value = serde_json::from_str(bundle).unwrap();
        let token = STANDARD.decode(value.pointer(TOKEN).unwrap().as_str().unwrap()).unwrap();
        (0..token.len()).into_par_iter().for_each(|at| {
            // The lowest and the highest bit, and the one that tells capitals and structures.
            for bit in [1, 0x20, 0x80] {
                let (mut token, mut value) = (token.clone(), value.clone());
                token[at] ^= bit;
                *value.pointer_mut(TOKEN).unwrap() = STANDARD.encode(token).into();
                let judged = case.judge(value.to_string().as_bytes()).map_err(|rejected| rejected.part);
                assert_eq!(judged, Err(Part::TimeStamp), "bit {bit} of byte {at}");
            }
        });
    }
}

/// What the certificate says of whoever signed, the log of the entry, and the authority of the time: all bytes, as they are.
#[test]
fn no_byte_of_what_was_certified_and_logged_can_be_changed() {
    for bundle in [REKOR_V1, REKOR_V2] {
        let case = Case::new(bundle);
        let value: Value = serde_json::from_str(bundle).unwrap();
        for (place, parts) in [
            ("/verificationMaterial/certificate/rawBytes", &[Part::Certificate, Part::Payload, Part::Signature][..]),
            ("/verificationMaterial/tlogEntries/0/canonicalizedBody", &[Part::LogEntry]),
            ("/dsseEnvelope/payload", &[Part::Payload]),
            ("/dsseEnvelope/signatures/0/sig", &[Part::Signature]),
        ] {
            let bytes = STANDARD.decode(value.pointer(place).unwrap().as_str().unwrap()).unwrap();
            (0..bytes.len()).into_par_iter().step_by(11).for_each(|at| {
                let (mut bytes, mut value) = (bytes.clone(), value.clone());
                bytes[at] ^= 1;
                *value.pointer_mut(place).unwrap() = STANDARD.encode(bytes).into();
                let rejected = case.judge(value.to_string().as_bytes()).unwrap_err();
                assert!(parts.contains(&rejected.part), "byte {at} of {place}: {rejected}");
            });
        }
    }
}

/// Whoever may push must not be able to attach a signature that counts here and does not exist for cosign.
#[test]
fn what_cosign_would_not_read_does_not_count() {
    for bundle in [REKOR_V1, REKOR_V2] {
        let case = Case::new(bundle);
        let entry = "/verificationMaterial/tlogEntries/0";
        for place in ["", "/verificationMaterial", entry, "/dsseEnvelope", "/dsseEnvelope/signatures/0"] {
            for nothing in [json!(""), json!("0"), json!({}), json!([]), json!(null)] {
                let mut value: Value = serde_json::from_str(bundle).unwrap();
                value.pointer_mut(place).unwrap()["more"] = nothing;
                let rejected = case.judge(value.to_string().as_bytes()).unwrap_err();
                assert_eq!(rejected.part, Part::Bundle, "{place}: {rejected}");
            }
        }
        // What others write down although there is nothing to say.
        let mut value: Value = serde_json::from_str(bundle).unwrap();
        value["dsseEnvelope"]["signatures"][0]["keyid"] = json!("");
        case.judge(value.to_string().as_bytes()).unwrap();
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..8000_usize,
        len in 0..40_usize,
    ) {
        let case = Case::new(REKOR_V1);
        prop_assert!(case.judge(&bytes).is_err());
        let mut mixed = case.bundle.as_bytes().to_vec();
        mixed.splice(at..at + len, bytes);
        prop_assert!(mixed == case.bundle.as_bytes() || case.judge(&mixed).is_err());
    }
}
