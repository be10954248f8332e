//! Every kind of provenance file and keyring, each with its verdict: the table beside the files says what and why.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::oci::Digest;

/// 2026-07-01: every file was made before, but for the one from the future.
const NOW: u64 = 1_782_864_000;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/provenance").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keyring(name: &str) -> Keyring {
    Keyring::parse(&fixture(name)).unwrap()
}

fn facts(provenance: &str, ring: &str) -> Facts {
    check(&fixture(provenance), &keyring(ring)).unwrap()
}

/// All that happens to a provenance file, told in one line: `Ok` for accepted.
fn tell(provenance: &str, ring: &str, expired: Expired) -> Result<String, String> {
    let ring = Keyring::parse(&fixture(ring)).map_err(|error| error.to_string())?;
    let facts = check(&fixture(provenance), &ring).map_err(|error| error.to_string())?;
    facts.covers("demo", "1.2.3", &Digest::of(b"")).map_err(|error| error.to_string())?;
    let kept: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(kept, facts);
    let policy = Policy { fingerprints: &[], expired, now: NOW };
    let verdict = judge(&facts, &policy).map_err(|error| error.to_string())?;
    let by = if verdict.signer == verdict.signed_by { "" } else { " by a subkey" };
    let since = if verdict.key_expired { " expired since" } else { "" };
    Ok(format!("signed{by}{since} claims {}", verdict.claims.unwrap_or_default()))
}

#[test]
fn every_case_gets_its_verdict() {
    let table = String::from_utf8(fixture("cases.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').collect();
        let [provenance, ring, exception, verdict, tells] = cells[..] else { panic!("not five cells: {line}") };
        let expired = match exception {
            "-" => Expired::Refuse,
            "expired-key" => Expired::Accept,
            other => panic!("no such exception: {other}"),
        };
        let found = tell(provenance, ring, expired);
        let (found_verdict, told) = match &found {
            Ok(told) => ("accept", told),
            Err(told) => ("reject", told),
        };
        if found_verdict != verdict || !told.contains(tells) {
            wrong.push(format!("{line}\n    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_is_in_the_table() {
    let table = String::from_utf8(fixture("cases.tsv")).unwrap();
    let listed: Vec<_> = table.lines().flat_map(|line| line.split('\t').take(2)).collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/provenance");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!([".gitattributes", "make", "cases.tsv"].contains(&&*name) || listed.contains(&&*name), "{name}");
    }
}

/// The case that most real charts are: without the rewrite, sequoia takes none of these.
#[test]
fn a_short_integer_is_what_the_rewrite_is_for() {
    let block = clearsign::decode(&fixture("short-integer.prov")).unwrap();
    let packets = packets::split(&block.signature).unwrap();
    let [packet] = packets[..] else { panic!("one signature") };
    assert_ne!(*packet.canonical(), *block.signature);
    let canonical = clearsign::decode(&fixture("short-integer-canonical.prov")).unwrap();
    let [expect] = packets::split(&canonical.signature).unwrap()[..] else { panic!("one signature") };
    let rewritten = packet.canonical();
    let [rewritten] = packets::split(&rewritten).unwrap()[..] else { panic!("one signature") };
    assert_eq!(rewritten.body, expect.body);
}

/// Judges with a policy; tells the verdict's claim, or the refusal.
fn judged(facts: &Facts, fingerprints: &[Fingerprint], expired: Expired, now: u64) -> Result<bool, Refusal> {
    judge(facts, &Policy { fingerprints, expired, now }).map(|verdict| verdict.key_expired)
}

#[test]
fn only_listed_keys_count() {
    let facts = facts("subkey.prov", "subkey.gpg");
    let ring = keyring("subkey.gpg");
    let [key] = ring.keys() else { panic!("one key") };
    let stranger = keyring("good.gpg").keys()[0].fingerprint.clone();
    let verdict = judge(&facts, &Policy { fingerprints: &[], expired: Expired::Refuse, now: NOW }).unwrap();
    assert_eq!(verdict.signer, key.fingerprint);
    assert!(key.subkeys.contains(&verdict.signed_by));
    let other_subkey = key.subkeys.iter().find(|&subkey| *subkey != verdict.signed_by).unwrap().clone();
    let (signer, signed_by) = (verdict.signer, verdict.signed_by);
    let refused = Err(Refusal::NotListed { signer: signer.clone(), signed_by: signed_by.clone() });
    for (listed, expect) in [
        (vec![signer.clone()], Ok(false)),
        (vec![signed_by.clone()], Ok(false)),
        (vec![stranger.clone(), signed_by], Ok(false)),
        (vec![stranger], refused.clone()),
        (vec![other_subkey], refused),
    ] {
        assert_eq!(judged(&facts, &listed, Expired::Refuse, NOW), expect, "{listed:?}");
    }
}

#[test]
fn a_listed_signature_counts_beside_others() {
    let ring = keyring("both.gpg");
    let facts = check(&fixture("two-signatures.prov"), &ring).unwrap();
    for key in ring.keys() {
        let listed = [key.fingerprint.clone()];
        let verdict = judge(&facts, &Policy { fingerprints: &listed, expired: Expired::Refuse, now: NOW }).unwrap();
        assert_eq!(verdict.signer, key.fingerprint);
    }
}

#[test]
fn time_decides_in_judge_alone() {
    let days = |day: u64| 1_710_072_000 + (day - 10) * 86_400; // the given day of March 2024, 12:00
    let expired = facts("expired.prov", "expired.gpg");
    let key = keyring("expired.gpg").keys()[0].clone();
    assert_eq!(key.expires, Some(days(20)));
    let refused = Err(Refusal::ExpiredKey { fingerprint: key.fingerprint, expired: days(20) });
    for (now, refuse, accept) in
        [(days(20) - 1, Ok(false), Ok(false)), (days(20), refused.clone(), Ok(true)), (NOW, refused, Ok(true))]
    {
        assert_eq!(judged(&expired, &[], Expired::Refuse, now), refuse, "{now}");
        assert_eq!(judged(&expired, &[], Expired::Accept, now), accept, "{now}");
    }

    let signature = facts("signature-expired.prov", "good.gpg");
    assert_eq!(judged(&signature, &[], Expired::Refuse, days(20) - 1), Ok(false));
    assert!(matches!(judged(&signature, &[], Expired::Accept, days(20)), Err(Refusal::ExpiredSignature { .. })));

    let good = facts("good.prov", "good.gpg");
    assert_eq!(judged(&good, &[], Expired::Refuse, days(10) - 30 * 60), Ok(false));
    assert!(matches!(
        judged(&good, &[], Expired::Accept, days(10) - 31 * 60),
        Err(Refusal::NotYet { seconds: 1860, .. })
    ));
}

#[test]
fn a_revocation_counts_from_its_time_on_and_a_hard_one_always() {
    let revoked_at = 1_711_972_800; // 2024-04-01T12:00:00Z
    let soft = facts("revoked-softly.prov", "revoked-softly.gpg");
    assert_eq!(judged(&soft, &[], Expired::Refuse, revoked_at - 1), Ok(false));
    assert!(matches!(judged(&soft, &[], Expired::Accept, revoked_at), Err(Refusal::Revoked { .. })));
    // A revocation may be made for a time.
    let mut passing = soft.clone();
    passing.signatures[0].revocations[0].expires = Some(revoked_at + 10);
    assert!(matches!(judged(&passing, &[], Expired::Accept, revoked_at + 9), Err(Refusal::Revoked { .. })));
    assert_eq!(judged(&passing, &[], Expired::Refuse, revoked_at + 10), Ok(false));
    let hard = facts("revoked-hard.prov", "revoked-hard.gpg");
    assert!(matches!(judged(&hard, &[], Expired::Accept, revoked_at - 1), Err(Refusal::Revoked { .. })));
    for (ring, revoked) in [("good.gpg", false), ("revoked-softly.gpg", true), ("revoked-hard.gpg", true)] {
        assert_eq!(keyring(ring).keys()[0].revoked, revoked, "{ring}");
    }
}

#[test]
fn the_refusal_that_comes_nearest_is_told() {
    let mut facts = facts("expired.prov", "expired.gpg");
    let listed = [keyring("expired.gpg").keys()[0].fingerprint.clone()];
    facts.signatures.extend(self::facts("good.prov", "good.gpg").signatures);
    for _ in 0..2 {
        assert!(matches!(judged(&facts, &listed, Expired::Refuse, NOW), Err(Refusal::ExpiredKey { .. })));
        facts.signatures.reverse();
    }
}

/// No tool signs with a key that may only certify, but anyone who stole one can.
#[test]
fn a_key_that_may_not_sign_does_not_count() {
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::serialize::MarshalInto as _;
    use sequoia_openpgp::types::SignatureType;

    for (builder, expect) in [
        (CertBuilder::new(), Err("no key of it may sign")),
        (CertBuilder::new().add_signing_subkey(), Ok("may not sign")),
    ] {
        let (cert, _) = builder.add_userid("throw-away").generate().unwrap();
        let key = cert.primary_key().key().clone().parts_into_secret().unwrap();
        let text = clearsign::decode(&fixture("good.prov")).unwrap();
        let signature = SignatureBuilder::new(SignatureType::Binary);
        let signature = signature.sign_message(&mut key.into_keypair().unwrap(), &text.signed).unwrap();
        let signature = sequoia_openpgp::Packet::from(signature).to_vec().unwrap();
        let ring = Keyring::parse(&cert.to_vec().unwrap());
        match (ring, expect) {
            (Ok(ring), Ok(reason)) => {
                let error = check(file(&text.text, &signature).as_bytes(), &ring).unwrap_err().to_string();
                assert!(error.contains(reason), "{error}");
            }
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
            (found, expect) => panic!("{found:?} {expect:?}"),
        }
    }
}

/// A clear-signed file, put together.
fn file(text: &str, signature: &[u8]) -> String {
    use base64::Engine as _;
    let armored = base64::engine::general_purpose::STANDARD.encode(signature);
    let (begin, end) = ("-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----");
    format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{text}{begin}\n\n{armored}\n{end}\n")
}

#[test]
fn facts_without_signatures_are_refused() {
    let mut facts = facts("good.prov", "good.gpg");
    facts.signatures.clear();
    assert_eq!(judged(&facts, &[], Expired::Accept, NOW), Err(Refusal::NoGoodSignature));
}

#[test]
fn a_keyring_tells_its_keys() {
    let ring = keyring("mixed.gpg");
    assert_eq!(ring.digest(), Digest::of(&fixture("mixed.gpg")));
    let told: Vec<_> = ring
        .keys()
        .iter()
        .map(|key| (key.user_ids[0].as_str(), key.subkeys.len(), key.revoked_subkeys.len()))
        .collect();
    let subkey = "throw-away subkey <subkey@example.invalid>";
    assert_eq!(told, [(subkey, 1, 1), ("throw-away good <good@example.invalid>", 0, 0)]);
    assert_eq!(ring.skipped().len(), 2);
    assert_eq!(keyring("revoked-second-time.gpg").keys().len(), 1);
}

#[test]
fn a_file_of_another_kind_is_no_keyring() {
    let good = fixture("good.gpg");
    let secret_packet = [&[0x94, 1, 4][..], &good].concat();
    let keybox = [&[0, 0, 0, 32, 1, 1, 0, 2][..], b"KBXf", &[0; 20]].concat();
    for (bytes, expect) in [
        (secret_packet, "secret key"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n".to_vec(), "secret key"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDM".to_vec(), "cut off or not base64"),
        (keybox, "keybox"),
        (b"<html>".to_vec(), "does not begin an OpenPGP packet"),
        (fixture("good.prov"), "does not begin an OpenPGP packet"),
        (good[..good.len() / 2].to_vec(), "cut off"),
    ] {
        let error = Keyring::parse(&bytes).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn signatures_are_bounded() {
    let block = clearsign::decode(&fixture("short-integer-canonical.prov")).unwrap();
    let file = |count: usize| file(&block.text, &block.signature.repeat(count));
    let ring = keyring("good.gpg");
    assert!(check(file(16).as_bytes(), &ring).is_ok());
    let refused = check(file(17).as_bytes(), &ring);
    assert_eq!(refused, Err(ProvenanceError::TooManySignatures { found: 17 }));
}

/// Changes bytes of a good file: it may then be refused, but it never panics, and it never proves another archive.
fn damaged(bytes: &[u8], changes: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes {
        *at.get_mut(&mut bytes) = *byte;
    }
    let length = bytes.len();
    bytes.truncate(cut.map_or(length, |cut| cut.index(length)));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_provenance_proves_nothing_else(
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let ring = keyring("subkey.gpg");
        if let Ok(found) = check(&damaged(&fixture("subkey.prov"), &changes, cut), &ring) {
            prop_assert!(found.covers("demo", "1.2.3", &Digest::of(b"")).is_ok());
        }
    }

    #[test]
    fn a_damaged_keyring_never_panics(
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
        name in prop::sample::select(vec!["mixed.gpg", "armored-twice.asc", "subkey-revoked.gpg", "short-self.gpg"]),
    ) {
        if let Ok(ring) = Keyring::parse(&damaged(&fixture(name), &changes, cut)) {
            let _ = check(&fixture("subkey.prov"), &ring);
        }
    }
}
