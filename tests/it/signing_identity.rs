//! Who signs: a run with another identity, or with none, publishes nothing and says what to do; and whose signatures count.

use std::fs;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bundles::Attached;
use crate::support::process::{Ran, hermetic, run};
use crate::support::registry::Kind;
use crate::support::signed::{KEY_PASSWORD, Signed, key_pair};
use crate::support::sigstore::{Claims, Clock, RekorVersion, Service, Sigstore};
use crate::support::tools::Tool;

/// What was written to the registry since the last look.
fn writes(signed: &Signed) -> Vec<(Method, String)> {
    let mut seen = signed.registry.front().take();
    seen.retain(|(method, _)| !matches!(*method, Method::GET | Method::HEAD));
    seen
}

/// Nothing is published, nothing is logged, and the program says why and what to do.
#[track_caller]
fn publishes_nothing(signed: &Signed, what: &str, ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code(), 1, "{what}: {ran}");
    for words in says.iter().chain(&["nothing was published"]) {
        assert!(ran.said().contains(words), "{what}: no {words:?} in {ran}");
    }
    assert_eq!(writes(signed), [], "{what}: {ran}");
    assert_eq!(signed.fronted.logged(), 0, "{what}: {ran}");
}

#[test]
fn a_run_that_cannot_sign_as_the_settings_say_publishes_nothing() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let mut signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    let good = Claims::default;
    let other = sigstore.other_issuer();
    let settings = "change `[signing]` in a reviewed pull request";
    let token = "check that this machine's clock is right";
    let cases: [(&str, Claims, &[&str]); 8] = [
        (
            "workflow",
            Claims { workflow: ".github/workflows/publish.yaml".into(), ..good() },
            &["publish.yaml", settings],
        ),
        ("ref", Claims { git_ref: "refs/heads/next".into(), ..good() }, &["@refs/heads/next", settings]),
        ("tag", Claims { git_ref: "refs/tags/main".into(), ..good() }, &["@refs/tags/main", settings]),
        ("repository", Claims { repository: "vexxhost/charts2".into(), ..good() }, &["vexxhost/charts2/", settings]),
        ("issuer", Claims { issuer: Some(other.clone()), ..good() }, &["the issuer of this run", &other, settings]),
        ("expired", Claims::expired(), &["it expired ", token]),
        ("early", Claims::early(), &["it is valid only in ", token]),
        (
            "refused",
            Claims { refused: true, ..good() },
            &["the CI system's token endpoint refused: HTTP 403", "id-token: write"],
        ),
    ];
    for (what, claims, says) in cases {
        signed.workspace.set_all(&signed.fronted.github_env(&claims));
        publishes_nothing(&signed, what, &signed.workspace.run("apply"), says);
        assert_eq!(signed.fronted.count(Service::Fulcio), 0, "{what}");
    }

    let variables = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITHUB_ACTIONS"];
    let without = |names: &[&str]| {
        let mut command = signed.workspace.command();
        for name in names {
            command.env_remove(name);
        }
        run(command.arg("apply"))
    };
    let next = "`permissions: id-token: write`";
    publishes_nothing(
        &signed,
        "no permission",
        &without(&variables[..2]),
        &["this GitHub Actions job may not ask", next],
    );
    publishes_nothing(&signed, "half of it", &without(&variables[..1]), &["this GitHub Actions job may not ask", next]);
    publishes_nothing(
        &signed,
        "no CI",
        &without(&variables),
        &["this is no CI job, and SIGSTORE_ID_TOKEN is not set", next],
    );
    let by_hand = |token: &str| run(signed.workspace.command().env("SIGSTORE_ID_TOKEN", token).arg("apply"));
    let tokenless = "audience `sigstore`";
    publishes_nothing(&signed, "no token", &by_hand("throw-away"), &["it is no JSON Web Token", tokenless]);
    // It reads like a token, and Fulcio must find out: then the chart is copied, and never named.
    let forged = sigstore.token(&good()).rsplit_once('.').unwrap().0.to_owned() + ".c2lnbmF0dXJl";
    by_hand(&forged).exits(1).says("the certificate authority (Fulcio) refused").says("it is not signed");
    assert_eq!(signed.fronted.logged(), 0);
    let named = |(method, path): &(Method, String)| *method == Method::PUT && path.ends_with("/manifests/1.0.4");
    assert!(!writes(&signed).iter().any(named));

    signed.workspace.set_all(&signed.fronted.github_env(&good()));
    signed.workspace.run("apply").ok();
    signed.consumers_accept("1.0.4");
    assert_eq!(signed.fronted.logged(), 1);
}

/// The certificate authority wants a token that holds until it has answered.
#[test]
fn a_token_that_ends_within_a_minute_is_not_used_again() {
    needs!(Tool::Distribution, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    for (lifetime, tokens) in [(300, 1), (50, 3)] {
        let mut signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.0", "1.0.1"]);
        signed.workspace.set_all(&signed.fronted.github_env(&Claims { lifetime, ..Claims::default() }));
        signed.workspace.run("apply").ok();
        // Before anything is written, and for each signature.
        assert_eq!(signed.fronted.count(Service::Issuer), tokens, "{lifetime} s");
        assert_eq!(signed.fronted.logged(), 2, "{lifetime} s");
    }
}

/// Whoever certified the key is not trusted here: such a signature counts for nobody, and is not attached either.
#[test]
fn a_signature_that_does_not_hold_is_not_attached() {
    needs!(Tool::Distribution, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V2, &["1.0.0"]);
    let mut root: Value = serde_json::from_str(&signed.workspace.read("sigstore/trusted_root.json")).unwrap();
    root["certificateAuthorities"] = json!([]);
    signed.workspace.write("sigstore/trusted_root.json", root.to_string());
    signed.registry.front().take();
    signed.workspace.run("apply").exits(1).says("it is not signed");
    // The chart itself, without a name, and nothing that would say that it is signed.
    let mut puts = writes(&signed);
    puts.retain(|(method, path)| *method == Method::PUT && path.contains("/manifests/"));
    let [(_, chart)] = &puts[..] else { panic!("{puts:?}") };
    let digest = chart.rsplit('/').next().unwrap();
    assert!(signed.workspace.read("mirrors.lock").contains(&format!("\ndigest = \"{digest}\"\n")), "{puts:?}");
}

#[test]
fn a_token_from_elsewhere_signs_as_well() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Olareg, RekorVersion::V2, &["1.0.4"]);
    let mut command = signed.workspace.command();
    command.env_remove("GITHUB_ACTIONS").env("SIGSTORE_ID_TOKEN", sigstore.token(&Claims::default()));
    run(command.arg("apply")).ok();
    signed.consumers_accept("1.0.4");
}

#[test]
fn a_clock_ten_minutes_off_is_said_to_be_the_reason() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.4"]);
    let by_clock = |seconds: i64, words: &str| {
        let clock = Clock::off_by(seconds);
        run(signed.workspace.command().env("LD_PRELOAD", clock.preloaded()).args(words.split_whitespace()))
    };
    let next = "check that this machine's clock is right";
    publishes_nothing(&signed, "ahead", &by_clock(600, "apply"), &["by this machine's clock", next]);
    publishes_nothing(&signed, "behind", &by_clock(-600, "apply"), &["by this machine's clock", next]);
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 1);

    // Who looks with a clock that is behind sees signatures of the future: that tells of the clock, not of them.
    signed.workspace.forget_cache();
    for words in ["plan", "verify --quick", "apply"] {
        by_clock(600, words).ok();
    }
    // (Not by more: the time stamp authority of these tests is a few minutes old.)
    by_clock(-100, "plan").exits(4).says("signature-unknown").says("this machine's clock");
    by_clock(-100, "verify --quick").exits(1).says("signature-unknown").says("this machine's clock");
    by_clock(-100, "apply").exits(4).says("this machine's clock");
    assert_eq!(signed.fronted.logged(), 1);
    // A few seconds are nobody's fault.
    let signed = Signed::new(sigstore, Kind::Distribution, RekorVersion::V1, &["1.0.5"]);
    let clock = Clock::off_by(-4);
    run(signed.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply")).ok();
    assert_eq!(signed.fronted.logged(), 1);
    signed.consumers_accept("1.0.5");
}

/// Replaces words of `chartsync.toml`.
#[track_caller]
fn settings(signed: &Signed, from: &str, to: &str) {
    let before = signed.workspace.read("chartsync.toml");
    assert!(before.contains(from), "no {from:?} in {before}");
    signed.workspace.write("chartsync.toml", before.replace(from, to));
}

#[test]
fn an_accepted_identity_of_the_past_counts_until_it_is_not_accepted_any_more() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    for (kind, version) in [(Kind::Distribution, RekorVersion::V1), (Kind::Olareg, RekorVersion::V2)] {
        let mut signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
        signed.workspace.run("apply").ok();
        let past = Claims::default().identity();
        let new = Claims { workflow: ".github/workflows/sync.yaml".to_owned(), ..Claims::default() };
        settings(
            &signed,
            &format!("mirrors = \"{past}\""),
            &format!("accept = [\"{past}\"]\nmirrors = \"{}\"", new.identity()),
        );
        signed.workspace.set_all(&signed.fronted.github_env(&new));
        signed.fronted.take();
        for forget in [false, true] {
            if forget {
                signed.workspace.forget_cache();
            }
            signed.workspace.run("plan").ok().says("nothing to do");
            signed.workspace.run("apply").ok().says("nothing to do");
            signed.workspace.run("verify").ok().says(&past);
        }
        assert_eq!(signed.fronted.logged(), 0);

        settings(&signed, &format!("accept = [\"{past}\"]"), "accept = []");
        signed.workspace.run("verify").exits(4).says(&format!("identity: `{past}`"));
        signed.workspace.run("plan").ok().says("s sign  web 1.0.4").says(&format!("identity: `{past}`"));
        signed.workspace.run("apply").ok();
        assert_eq!(signed.fronted.logged(), 1);
        assert_eq!(Attached::to(&signed, "1.0.4").listed().len(), 2);
        signed.workspace.run("verify").ok().says(&new.identity());
        // Both are there, for consumers of either.
        signed.consumers_accept("1.0.4");
        let reference = format!("{}:1.0.4", signed.repository());
        sigstore.cosign_verify(Tool::Cosign3, version, &new.identity(), &reference, &[]).ok();
        signed.workspace.run("apply").ok().says("nothing to do");
    }
}

/// `cosign` with words and the place of 1.0.4, against this registry and Sigstore.
fn cosign(signed: &Signed, tool: Tool, words: &str, place: bool) -> Ran {
    let mut command = hermetic(tool.path(), &signed.desk.path("home"));
    command.current_dir(signed.desk.path("")).env("COSIGN_PASSWORD", KEY_PASSWORD);
    command.env("SIGSTORE_ID_TOKEN", signed.sigstore.token(&Claims::default()));
    command.args(words.split_whitespace()).args(["--yes", "--allow-http-registry"]);
    if place {
        command.args(["-a", &format!("repository={}", signed.repository()), "-a", "tag=1.0.4"]);
    }
    run(command.arg(signed.by_digest("1.0.4")))
}

/// A chart that is published, and signed by nobody.
fn unsigned(sigstore: &'static Sigstore, kind: Kind, version: RekorVersion) -> Signed {
    let signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
    let (from, to) = (signed.registry.repository("upstream/web:1.0.4"), signed.registry.repository("charts/web:1.0.4"));
    signed.desk.run(Tool::Crane, &format!("copy {from} {to}")).ok();
    signed
}

#[test]
fn a_public_key_of_the_past_counts_as_well() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = unsigned(sigstore, Kind::Distribution, RekorVersion::V1);
    for name in ["past", "never"] {
        key_pair(&signed.desk.path(name));
        signed.workspace.write(&format!("{name}.pub"), fs::read(signed.desk.path(name).join("cosign.pub")).unwrap());
    }
    let services = format!(
        "--signing-config {} --trusted-root {}",
        sigstore.signing_config(RekorVersion::V1).display(),
        sigstore.trusted_root().display()
    );
    cosign(&signed, Tool::Cosign3, &format!("sign --key past/cosign.key {services}"), true).ok();
    signed.workspace.run("verify").exits(4).says("signature: no public key of the settings made it");
    settings(&signed, "charts = ", "accept = [\"never.pub\"]\ncharts = ");
    signed.workspace.run("verify").exits(4).says("signature: no public key of the settings made it");
    signed.workspace.run("plan").ok().says("s sign");
    settings(&signed, "never.pub", "past.pub");
    signed.workspace.run("plan").ok().says("nothing to do");
    signed.workspace.run("apply").ok().says("nothing to do");
    signed.workspace.run("verify").ok().says("past.pub");
    assert_eq!(signed.fronted.logged(), 0);
}

/// The bundle is added once: signatures by others stay, and are not ours.
#[track_caller]
fn signed_once(signed: &Signed, others: usize) {
    signed.workspace.run("apply").ok();
    assert_eq!(signed.fronted.logged(), 1);
    assert_eq!(Attached::to(signed, "1.0.4").listed().len(), others + 1);
    signed.workspace.run("verify").ok();
    signed.consumers_accept("1.0.4");
    signed.workspace.forget_cache();
    signed.workspace.run("apply").ok().says("nothing to do");
    assert_eq!(signed.fronted.logged(), 1);
}

#[test]
fn signatures_and_attestations_of_others_are_not_ours() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    for (kind, version) in [(Kind::Distribution, RekorVersion::V2), (Kind::Olareg, RekorVersion::V1)] {
        let signed = unsigned(sigstore, kind, version);
        let workflow = Claims { workflow: ".github/workflows/other.yaml".to_owned(), ..Claims::default() };
        let issuer = Claims { issuer: Some(sigstore.other_issuer()), ..Claims::default() };
        signed.cosign_signs(&workflow, "1.0.4", "1.0.4");
        signed.workspace.run("plan").ok().says("s sign").says("identity: `").says("other.yaml");
        signed.cosign_signs(&issuer, "1.0.4", "1.0.4");
        signed.workspace.run("plan").ok().says("s sign").says("issuer: `").says(&sigstore.other_issuer());
        // The right identity, and it says something else.
        signed.desk.write("predicate.json", "{}");
        let services = format!(
            "--signing-config {} --trusted-root {}",
            sigstore.signing_config(version).display(),
            sigstore.trusted_root().display()
        );
        let attest = format!("attest --predicate predicate.json --type https://example.org/checked {services}");
        cosign(&signed, Tool::Cosign3, &attest, false).ok();
        signed.workspace.run("plan").ok().says("s sign").says("predicate type: it is `https://example.org/checked`");
        signed.workspace.run("verify").exits(4);
        signed_once(&signed, 3);
    }
}

#[test]
fn what_upstream_signed_is_neither_copied_nor_ours() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    for (kind, version) in [(Kind::Distribution, RekorVersion::V1), (Kind::Olareg, RekorVersion::V2)] {
        let signed = Signed::new(sigstore, kind, version, &["1.0.4"]);
        let source = signed.registry.repository("upstream/web");
        let reference = format!("{source}@{}", signed.desk.digest(&format!("{source}:1.0.4")));
        let upstream = Claims { repository: "upstream/web".to_owned(), ..Claims::default() };
        sigstore.cosign_sign(version, &upstream, &reference, &[]).ok();
        // Even one of our own says another place.
        let place = [format!("repository={source}"), "tag=1.0.4".to_owned()];
        sigstore.cosign_sign(version, &Claims::default(), &reference, &["-a", &place[0], "-a", &place[1]]).ok();
        signed_once(&signed, 0);
    }
}

/// What `cosign sign` of old wrote: a tag, a layer for each signature, everything else in annotations.
fn legacy(signed: &Signed, payload: &[u8], annotations: &Value) {
    let attached = Attached::to(signed, "1.0.4");
    attached.put_legacy(payload, annotations);
}

#[test]
fn a_legacy_signature_does_not_count_and_a_forged_one_never() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Oras);
    let Some(sigstore) = Sigstore::get() else { return };
    let signed = unsigned(sigstore, Kind::Distribution, RekorVersion::V1);
    key_pair(&signed.desk.path("old"));
    let sign = "sign --key old/cosign.key --new-bundle-format=false --use-signing-config=false --tlog-upload=false";
    cosign(&signed, Tool::Cosign2, sign, false).ok();
    let tag = format!("{}.sig", signed.fallback("1.0.4"));
    signed.desk.run(Tool::Crane, &format!("manifest {tag}")).ok();
    signed.workspace.run("plan").ok().says("s sign");
    signed.workspace.run("verify").exits(4).says("nothing is attached");
    signed_once(&signed, 0);

    // The certificate and the log entry of another chart's good signature, and no signature at all.
    let forged = unsigned(sigstore, Kind::Distribution, RekorVersion::V1);
    let bundle = Attached::to(&signed, "1.0.4").bundle();
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let number = |name: &str| entry[name].as_str().unwrap().parse::<u64>().unwrap();
    let log_id = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
    let log_id = log_id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let certificate = bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap();
    let annotations = json!({
        "dev.cosignproject.cosign/signature": STANDARD.encode("garbage"),
        "dev.sigstore.cosign/certificate":
            format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"),
        "dev.sigstore.cosign/chain": "",
        "dev.sigstore.cosign/bundle": json!({
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"], "integratedTime": number("integratedTime"),
                "logIndex": number("logIndex"), "logID": log_id,
            },
        }).to_string(),
    });
    let digest = Attached::to(&forged, "1.0.4").subject.digest.to_string();
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": forged.repository()}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": {"repository": forged.repository(), "tag": "1.0.4"},
    });
    legacy(&forged, payload.to_string().as_bytes(), &annotations);
    forged.workspace.run("plan").ok().says("s sign");
    forged.workspace.run("verify").exits(4).says("nothing is attached");
    signed_once(&forged, 0);
}
