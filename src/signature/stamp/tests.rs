//! Tokens of the local authority, taken apart and put together again in other ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

const ROOT: &str = include_str!("../../../tests/fixtures/signature/trusted_root.json");
const BUNDLE: &str = include_str!("../../../tests/fixtures/signature/rekor-v2.json");

// Where in a token something stands: the index in each structure on the way.
const STATUS: &[usize] = &[0, 0];
const SIGNED: &[usize] = &[0, 1, 1, 0];
const DIGESTS: &[usize] = &[0, 1, 1, 0, 1];
const CONTENT: &[usize] = &[0, 1, 1, 0, 2, 1];
const CERTIFICATES: &[usize] = &[0, 1, 1, 0, 3];
const SIGNERS: &[usize] = &[0, 1, 1, 0, 4];
const SIGNER: &[usize] = &[0, 1, 1, 0, 4, 0];
const ATTRIBUTES: &[usize] = &[0, 1, 1, 0, 4, 0, 3];

const NULL: &[u8] = &[5, 0];
const SHA384: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];

/// The token, and the leaf certificate and root of its authority.
fn token() -> (Vec<u8>, [Vec<u8>; 2]) {
    let decoded = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let bundle: Value = serde_json::from_str(BUNDLE).unwrap();
    let stamps = &bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    let root: Value = serde_json::from_str(ROOT).unwrap();
    let chain = root["timestampAuthorities"][0]["certChain"]["certificates"].as_array().unwrap();
    let ends = [chain.first().unwrap(), chain.last().unwrap()].map(|certificate| decoded(&certificate["rawBytes"]));
    (decoded(&stamps[0]["signedTimestamp"]), ends)
}

/// Edits the elements of one structure; those around it stay right.
fn edited(bytes: &[u8], path: &[usize], edit: &dyn Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = elements(bytes).unwrap().iter().map(|part| part.to_der().unwrap()).collect();
    match path {
        [] => edit(&mut parts),
        [at, path @ ..] => {
            let part = AnyRef::from_der(&parts[*at]).unwrap();
            let inner = edited(part.value(), path, edit);
            parts[*at] = AnyRef::new(part.tag(), &inner).unwrap().to_der().unwrap();
        }
    }
    parts.concat()
}

fn wrapped(tag: u8, inner: &[u8]) -> Vec<u8> {
    assert!(inner.len() < 128);
    [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat()
}

#[test]
fn a_token_has_only_one_way_to_be() {
    let (token, [leaf, root]) = token();
    let authorities = Authorities::of(&TrustedRoot::from_json(ROOT).unwrap());
    let check = |path: &[usize], edit: &dyn Fn(&mut Vec<Vec<u8>>), expect: Result<(), Wrong>| {
        let edited = edited(&token, path, edit);
        assert_eq!(authorities.token(&edited), expect, "{path:?}: {}", STANDARD.encode(&edited));
    };
    let (shape, algorithm) = (Err(Wrong::Shape), Err(Wrong::Algorithm));
    check(&[], &|_| {}, Ok(()));

    check(&[], &|answer| answer.push(NULL.to_vec()), shape);
    check(&[0], &|answer| answer.push(NULL.to_vec()), shape);
    check(&[0], &|answer| answer.truncate(1), shape);
    // The token without the answer around it, which `sigstore-verify` takes and cosign does not.
    assert_eq!(authorities.token(&elements(&token[4..]).unwrap()[1].to_der().unwrap()), Err(Wrong::Status));

    let status = Err(Wrong::Status);
    check(STATUS, &|info| info[0] = vec![2, 1, 1], status);
    check(STATUS, &|info| info.push(wrapped(0x30, &wrapped(0x0c, b"Operation Okay"))), status);
    check(STATUS, &|info| info.push(vec![3, 2, 7, 0x80]), status);

    check(SIGNED, &|signed| signed[0] = vec![2, 1, 4], Err(Wrong::Version));
    check(SIGNED, &|signed| signed.insert(4, vec![0xa1, 0]), shape);
    check(SIGNED, &|signed| signed.push(NULL.to_vec()), shape);
    check(SIGNED, &|signed| signed.swap(0, 1), Err(Wrong::Version));
    check(CONTENT, &|content| content[0][0] = 5, shape);
    check(CONTENT, &|content| content.push(NULL.to_vec()), shape);

    check(&[DIGESTS, &[0]].concat(), &|digest| digest.push(NULL.to_vec()), Ok(()));
    check(&[DIGESTS, &[0]].concat(), &|digest| digest.push(vec![4, 0]), algorithm);
    check(DIGESTS, &|digests| digests.push(SHA384.to_vec()), algorithm);
    check(DIGESTS, &|digests| digests[0] = SHA384.to_vec(), algorithm);
    check(DIGESTS, &Vec::clear, algorithm);
    check(&[SIGNER, &[2]].concat(), &|digest| digest.push(NULL.to_vec()), Ok(()));
    check(SIGNER, &|signer| signer[2] = SHA384.to_vec(), algorithm);
    check(&[SIGNER, &[4]].concat(), &|scheme| scheme.push(NULL.to_vec()), Ok(()));
    check(&[SIGNER, &[4]].concat(), &|scheme| *scheme[0].last_mut().unwrap() = 3, algorithm);

    let certificate = Err(Wrong::Certificate);
    check(CERTIFICATES, &Vec::clear, Ok(()));
    check(SIGNED, &|signed| drop(signed.remove(3)), Ok(()));
    check(CERTIFICATES, &|certificates| certificates.push(root.clone()), Ok(()));
    check(CERTIFICATES, &|certificates| certificates.insert(0, root.clone()), Ok(()));
    check(CERTIFICATES, &|certificates| certificates.push(leaf.clone()), certificate);
    check(CERTIFICATES, &|certificates| certificates.push(NULL.to_vec()), certificate);

    let signer = Err(Wrong::Signer);
    check(SIGNERS, &|signers| signers.push(signers[0].clone()), signer);
    check(SIGNERS, &Vec::clear, signer);
    check(SIGNER, &|signer| signer[0] = vec![2, 1, 3], Err(Wrong::Version));
    check(SIGNER, &|signer| signer[1] = wrapped(0x80, &[7; 20]), shape);
    check(SIGNER, &|signer| signer.push(wrapped(0xa1, NULL)), shape);
    check(SIGNER, &|signer| signer[5][0] = 3, shape);
    check(&[SIGNER, &[1]].concat(), &|name| name[1] = vec![2, 1, 1], signer);
    check(ATTRIBUTES, &|attributes| attributes.swap(0, 1), shape);
}

/// An authority that is not in the trusted root signs nothing, whatever certificate comes with it.
#[test]
fn another_authority_is_none() {
    let (token, _) = token();
    let mut root: Value = serde_json::from_str(ROOT).unwrap();
    root["timestampAuthorities"] = serde_json::json!([]);
    let nobody = Authorities::of(&TrustedRoot::from_json(&root.to_string()).unwrap());
    assert_eq!(nobody.token(&token), Err(Wrong::Signer));
}

#[test]
fn bytes_that_are_no_token_are_refused() {
    let (token, _) = token();
    let authorities = Authorities::of(&TrustedRoot::from_json(ROOT).unwrap());
    for len in 0..token.len() {
        assert!(authorities.token(&token[..len]).is_err(), "{len}");
    }
    assert_eq!(authorities.token(&[5, 0].repeat(1 << 20)), Err(Wrong::Shape));
    // A length that takes more bytes than it needs.
    let length = [&token[..1], &[0x83, 0], &token[2..]].concat();
    assert_eq!(authorities.token(&length), Err(Wrong::Shape));
}
