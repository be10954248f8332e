//! Signatures that somebody changed, put together from parts, or carried elsewhere: `verify` refuses them, and names the part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bundles::{Attached, edit_json, flip, flip_at};

use crate::support::registry::Kind;
use crate::support::signed::Signed;
use crate::support::sigstore::{COSIGNS, Claims, RekorVersion, Sigstore};
use crate::support::tools::Tool;

const MATERIAL: &str = "/verificationMaterial";
const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
const PROOF: &str = "/verificationMaterial/tlogEntries/0/inclusionProof";
const ENVELOPE: &str = "/dsseEnvelope";
const SIGNATURE: &str = "/dsseEnvelope/signatures/0/sig";
const CERTIFICATE: &str = "/verificationMaterial/certificate/rawBytes";
const STAMP: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";

/// What is done to a good bundle, and the part that `verify` must name.
struct Row {
    what: &'static str,
    part: &'static str,
    edit: Box<dyn Fn(&mut Value)>,
}

fn row(what: &'static str, part: &'static str, edit: impl Fn(&mut Value) + 'static) -> Row {
    Row { what, part, edit: Box::new(edit) }
}

#[track_caller]
fn at<'a>(bundle: &'a mut Value, place: &str) -> &'a mut Value {
    bundle.pointer_mut(place).unwrap_or_else(|| panic!("no {place}"))
}

/// The same of another bundle.
fn taken(what: &'static str, part: &'static str, place: &'static str, other: &Value) -> Row {
    let theirs = other.pointer(place).unwrap().clone();
    row(what, part, move |bundle| *at(bundle, place) = theirs.clone())
}

fn flipped(what: &'static str, part: &'static str, place: &'static str) -> Row {
    row(what, part, move |bundle| flip(at(bundle, place)))
}

/// A number that is written as text, one more than it was.
fn counted_up(what: &'static str, part: &'static str, place: &'static str) -> Row {
    row(what, part, move |bundle| {
        let number = at(bundle, place);
        *number = (number.as_str().unwrap().parse::<u64>().unwrap() + 1).to_string().into();
    })
}

fn stated(what: &'static str, edit: impl Fn(&mut Value) + 'static) -> Row {
    row(what, "payload", move |bundle| edit_json(at(bundle, "/dsseEnvelope/payload"), &edit))
}

fn set(what: &'static str, part: &'static str, place: &'static str, name: &'static str, value: Value) -> Row {
    row(what, part, move |bundle| at(bundle, place)[name] = value.clone())
}

fn without(what: &'static str, part: &'static str, place: &'static str, name: &'static str) -> Row {
    row(what, part, move |bundle| {
        at(bundle, place).as_object_mut().unwrap().remove(name).unwrap();
    })
}

/// What can be done to the statement, its signature and the certificate; `other` is a good bundle of another version of the chart,
/// `foreign` one of another identity for the same place.
fn signature_rows(other: &Value, foreign: &Value) -> Vec<Row> {
    vec![
        stated("another tag", |statement| statement["subject"][0]["annotations"]["tag"] = json!("1.0.5")),
        stated("another repository", |statement| {
            statement["subject"][0]["annotations"]["repository"] = json!("x.example/web");
        }),
        stated("another digest", |statement| statement["subject"][0]["digest"]["sha256"] = json!("00".repeat(32))),
        stated("another predicate type", |statement| {
            statement["predicateType"] = json!("https://slsa.dev/provenance/v1");
        }),
        stated("one annotation more", |statement| statement["subject"][0]["annotations"]["more"] = json!("x")),
        flipped("a byte of the payload", "payload", "/dsseEnvelope/payload"),
        taken("the payload of another chart", "payload", "/dsseEnvelope/payload", other),
        set("another payload type", "payload", ENVELOPE, "payloadType", json!("text/plain")),
        flipped("a byte of the signature", "signature", SIGNATURE),
        taken("the signature of another chart", "signature", SIGNATURE, other),
        flipped("a byte of the certificate", "certificate", CERTIFICATE),
        row("the last byte of the certificate", "certificate", |bundle| {
            flip_at(at(bundle, CERTIFICATE), |len| len - 1);
        }),
        row("the identity in the certificate", "certificate", |bundle| {
            let mut bytes = STANDARD.decode(at(bundle, CERTIFICATE).as_str().unwrap()).unwrap();
            let name = bytes.windows(11).position(|window| window == b"mirror.yaml").unwrap();
            bytes[name] = b'n';
            *at(bundle, CERTIFICATE) = STANDARD.encode(bytes).into();
        }),
        taken("the certificate of another chart", "certificate", CERTIFICATE, other),
        taken("the certificate of another identity", "certificate", CERTIFICATE, foreign),
        row("a certificate that is none", "certificate", |bundle| {
            *at(bundle, CERTIFICATE) = json!(STANDARD.encode("none"));
        }),
        row("a chain instead of a certificate", "bundle", |bundle| {
            let certificate = at(bundle, "/verificationMaterial/certificate").take();
            let material = at(bundle, MATERIAL).as_object_mut().unwrap();
            material.remove("certificate");
            material.insert("x509CertificateChain".into(), json!({"certificates": [certificate]}));
        }),
        row("a key's hint instead of a certificate", "signature", |bundle| {
            let material = at(bundle, MATERIAL).as_object_mut().unwrap();
            material.remove("certificate");
            material.insert("publicKey".into(), json!({"hint": "cosign.pub"}));
        }),
    ]
}

/// What can be done to the log entry and to the time stamp.
fn witness_rows(other: &Value, foreign: &Value) -> Vec<Row> {
    vec![
        flipped(
            "a byte of the inclusion proof",
            "log entry",
            "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
        ),
        row("a hash less in the inclusion proof", "log entry", |bundle| {
            at(bundle, PROOF)["hashes"].as_array_mut().unwrap().pop().unwrap();
        }),
        flipped("the root hash", "log entry", "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash"),
        counted_up("the tree size", "log entry", "/verificationMaterial/tlogEntries/0/inclusionProof/treeSize"),
        counted_up(
            "the index in the proof",
            "log entry",
            "/verificationMaterial/tlogEntries/0/inclusionProof/logIndex",
        ),
        counted_up("the log index", "log entry", "/verificationMaterial/tlogEntries/0/logIndex"),
        row("the checkpoint's size", "log entry", |bundle| {
            let checkpoint = at(bundle, "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope");
            let mut lines: Vec<_> = checkpoint.as_str().unwrap().split('\n').map(str::to_owned).collect();
            lines[1].push('0');
            *checkpoint = lines.join("\n").into();
        }),
        row("who signed the checkpoint", "log entry", |bundle| {
            let checkpoint = at(bundle, "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope");
            *checkpoint = checkpoint.as_str().unwrap().replace("\u{2014} ", "\u{2014} x").into();
        }),
        row("how the checkpoint is spaced", "log entry", |bundle| {
            let checkpoint = at(bundle, "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope");
            *checkpoint = checkpoint.as_str().unwrap().replace("\u{2014} ", "\u{2014}\t").into();
        }),
        taken(
            "the checkpoint of a later entry",
            "log entry",
            "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint",
            foreign,
        ),
        flipped("a byte of what was logged", "log entry", "/verificationMaterial/tlogEntries/0/canonicalizedBody"),
        taken(
            "what was logged of another chart",
            "log entry",
            "/verificationMaterial/tlogEntries/0/canonicalizedBody",
            other,
        ),
        flipped("the log's name", "log entry", "/verificationMaterial/tlogEntries/0/logId/keyId"),
        taken("the log entry of another chart", "log entry", "/verificationMaterial/tlogEntries", other),
        set("no log entry", "log entry", MATERIAL, "tlogEntries", json!([])),
        without("no inclusion proof", "log entry", ENTRY, "inclusionProof"),
        without("no checkpoint", "log entry", PROOF, "checkpoint"),
        set(
            "an unknown kind of log entry",
            "bundle",
            ENTRY,
            "kindVersion",
            json!({"kind": "dsse", "version": "0.0.9"}),
        ),
        // The time and the signature's digest stand near the front, the authority's signature at the end.
        row("what the time stamp says", "time stamp", |bundle| flip_at(at(bundle, STAMP), |_| 100)),
        row("a byte of the authority's signature", "time stamp", |bundle| flip_at(at(bundle, STAMP), |len| len - 1)),
        row("the status of the authority's answer", "time stamp", |bundle| flip_at(at(bundle, STAMP), |_| 8)),
        row("the version of the token", "time stamp", |bundle| flip_at(at(bundle, STAMP), |_| 34)),
        row("the kind of digest in the token", "time stamp", |bundle| flip_at(at(bundle, STAMP), |_| 49)),
        row("the authority's certificate in the token", "time stamp", |bundle| flip(at(bundle, STAMP))),
        row("a time stamp, and something after it", "time stamp", |bundle| {
            let stamp = at(bundle, STAMP);
            let bytes = [STANDARD.decode(stamp.as_str().unwrap()).unwrap(), vec![5, 0]].concat();
            *stamp = STANDARD.encode(bytes).into();
        }),
        taken("the time stamp of another chart", "time stamp", STAMP, other),
        row("a time stamp that is none", "time stamp", |bundle| *at(bundle, STAMP) = json!(STANDARD.encode("none"))),
    ]
}

/// What can be done to the bundle as a whole.
fn bundle_rows() -> Vec<Row> {
    vec![
        set(
            "another media type",
            "bundle",
            "",
            "mediaType",
            json!("application/vnd.dev.sigstore.bundle+json;version=0.2"),
        ),
        set("an unknown media type", "bundle", "", "mediaType", json!("text/plain")),
        set("a field that nobody knows", "bundle", "", "more", json!("x")),
        set("a field that nobody knows in the log entry", "bundle", ENTRY, "more", json!("x")),
        set("an empty field that nobody knows", "bundle", MATERIAL, "more", json!({})),
        row("base64 of another alphabet", "bundle", |bundle| {
            let hash = at(bundle, "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash");
            *hash = hash.as_str().unwrap().replace('/', "_").replace('+', "-").trim_end_matches('=').into();
        }),
        row("two signatures", "bundle", |bundle| {
            let signature = at(bundle, "/dsseEnvelope/signatures/0").clone();
            at(bundle, "/dsseEnvelope/signatures").as_array_mut().unwrap().push(signature);
        }),
        set("no signature", "bundle", ENVELOPE, "signatures", json!([])),
        row("a signature of bytes instead of a statement", "bundle", |bundle| {
            let envelope = bundle.as_object_mut().unwrap().remove("dsseEnvelope").unwrap();
            bundle["messageSignature"] = json!({"signature": envelope["signatures"][0]["sig"]});
        }),
    ]
}

/// What is different with each log.
fn rows_of(version: RekorVersion) -> Vec<Row> {
    match version {
        RekorVersion::V1 => vec![
            flipped(
                "a byte of the promise",
                "log entry",
                "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
            ),
            counted_up("the time of logging", "log entry", "/verificationMaterial/tlogEntries/0/integratedTime"),
        ],
        RekorVersion::V2 => vec![
            set("a time of logging", "log entry", ENTRY, "integratedTime", json!("1800000000")),
            set(
                "a promise",
                "log entry",
                ENTRY,
                "inclusionPromise",
                json!({"signedEntryTimestamp": STANDARD.encode("x")}),
            ),
            row("no time stamp", "time stamp", |bundle| {
                *at(bundle, "/verificationMaterial/timestampVerificationData") = json!({});
            }),
        ],
    }
}

/// `verify` names this part of what is attached.
#[track_caller]
fn refused(signed: &Signed, what: &str, digest: &str, part: &str) {
    let ran = signed.workspace.run("verify --quick").exits(4);
    let expected = format!("no signature of ours holds for it: {}: {part}: ", &digest[..19]);
    assert!(ran.said().contains(&expected), "{what}: no {expected:?} in {ran}");
}

fn tampered(version: RekorVersion) {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Distribution, version, &["1.0.3", "1.0.4"]);
    signed.workspace.run("apply").ok();
    let attached = Attached::to(&signed, "1.0.4");
    let good = attached.bundle();
    let other = Attached::to(&signed, "1.0.3").bundle();
    attached.list(&[]);
    let stranger = Claims { workflow: ".github/workflows/other.yaml".to_owned(), ..Claims::default() };
    signed.cosign_signs(&stranger, "1.0.4", "1.0.4");
    let foreign = attached.bundle();
    refused(&signed, "another identity", &attached.listed()[0], "identity");

    let rows = [signature_rows(&other, &foreign), witness_rows(&other, &foreign), bundle_rows(), rows_of(version)];
    let rows = rows.into_iter().flatten();
    let mut failed = Vec::new();
    for Row { what, part, edit } in rows {
        let mut bundle = good.clone();
        edit(&mut bundle);
        assert_ne!(bundle, good, "{what}");
        let digest = attached.only(bundle.to_string().as_bytes());
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| refused(&signed, what, &digest, part)));
        if judged.is_err() {
            failed.push(what);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    // Not JSON, JSON of two meanings, the good one of another chart; and then the good one again.
    let twice = good.to_string().replacen('{', "{\"mediaType\":\"text/plain\",", 1);
    for (what, part, bytes) in [
        ("no JSON", "bundle", b"bundle".to_vec()),
        ("nothing", "bundle", Vec::new()),
        ("a field twice", "bundle", twice.into_bytes()),
        ("another chart's", "digest", other.to_string().into_bytes()),
    ] {
        let digest = attached.only(&bytes);
        refused(&signed, what, &digest, part);
    }
    attached.only(good.to_string().as_bytes());
    signed.workspace.run("verify --quick").ok();
    images(&signed, &attached, good.to_string().as_bytes());
}

/// The good bundle, attached in ways that nobody finds or that say something else.
fn images(signed: &Signed, attached: &Attached, good: &[u8]) {
    type Edit = fn(&mut Value);
    let cases: [(&str, &str, Edit); 5] = [
        ("another subject", "subject", |image| {
            image["subject"]["digest"] = json!(format!("sha256:{}", "00".repeat(32)));
        }),
        ("no subject", "subject", |image| drop(image.as_object_mut().unwrap().remove("subject"))),
        ("two layers", "image manifest", |image| {
            let layer = image["layers"][0].clone();
            image["layers"].as_array_mut().unwrap().push(layer);
        }),
        ("no layer", "image manifest", |image| image["layers"] = json!([])),
        ("a layer that is no bundle", "image manifest", |image| image["layers"][0]["mediaType"] = json!("text/plain")),
    ];
    for (what, part, edit) in cases {
        let mut image = attached.image(good);
        edit(&mut image);
        let entry = attached.put(&image, good);
        attached.list(std::slice::from_ref(&entry));
        refused(signed, what, entry["digest"].as_str().unwrap(), part);
    }
    attached.only(good);
    signed.workspace.run("verify --quick").ok();
}

#[test]
fn a_signature_logged_in_rekor_v1_breaks_with_each_of_its_parts() {
    tampered(RekorVersion::V1);
}

#[test]
fn a_signature_logged_in_rekor_v2_breaks_with_each_of_its_parts() {
    tampered(RekorVersion::V2);
}

/// The chart with everything that is attached to it, carried by `oras`: whose place it is not, it is not signed for.
fn carried(kind: Kind, version: RekorVersion) {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
    signed.workspace.run("apply").ok();
    let (source, here) = (signed.registry.repository("upstream/web"), signed.repository());
    let there = signed.registry.repository("charts/copies/web");
    signed.desk.run(Tool::Crane, &format!("tag {source}:1.0.4 v1.0.4")).ok();
    for copy in [format!("{here}:v1.0.4"), format!("{there}:1.0.4")] {
        let words = format!("cp -r --from-plain-http --to-plain-http {here}:1.0.4 {copy}");
        signed.desk.run(Tool::Oras, &words).ok();
    }
    let trust = "  required: false\n";
    signed.workspace.mirror("web", &source, &here, &["1.0.4", "v1.0.4"], trust);
    signed.workspace.mirror("copies-web", &source, &there, &["1.0.4"], trust);
    signed.workspace.run("lock").ok();

    for words in ["verify", "verify --quick"] {
        let ran = signed.workspace.run(words).exits(4).says("1 holds, 2 unsigned");
        ran.says("place: its tag is `1.0.4` instead of `v1.0.4`")
            .says(&format!("place: its repository is `{here}` instead of `{there}`"));
    }
    let places = [(&here, "1.0.4"), (&here, "v1.0.4"), (&there, "1.0.4")];
    for (at, (repository, tag)) in places.into_iter().enumerate() {
        for cosign in COSIGNS {
            let place = [format!("repository={repository}"), format!("tag={tag}")];
            let place = ["-a", place[0].as_str(), "-a", place[1].as_str()];
            let reference = format!("{repository}:{tag}");
            let ran = sigstore.cosign_verify(cosign, version, &Claims::default().identity(), &reference, &place);
            // The old one does not look at annotations, whatever it is told to.
            if at > 0 && cosign == Tool::Cosign3 {
                ran.refused().says("missing or incorrect annotation");
            } else {
                ran.ok();
            }
        }
    }
    signed.workspace.run("plan").ok().says("s sign  web v1.0.4");
    signed.fronted.take();
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 2);
    signed.workspace.run("verify").ok().says("3 charts are published with a signature");
}

#[test]
fn a_signed_chart_that_is_carried_elsewhere_is_not_signed_there() {
    carried(Kind::Distribution, RekorVersion::V1);
}

#[test]
fn the_same_on_a_registry_with_referrers() {
    carried(Kind::Olareg, RekorVersion::V2);
}
