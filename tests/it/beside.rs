//! What a plan says of each new version beside those before it: signer, bytes, keyring, size and date; with a base and without.

use serde_json::Value;

use crate::sides::{PUBLISH, Sides};
use crate::support::pgp::Key;
use crate::support::process::Ran;
use crate::support::tools::Tool;
use crate::support::workspace::unsigned;

/// `web` 1.0.0 and 1.1.0, pinned, published and committed.
fn committed() -> Sides {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    sides.workspace.run("apply").ok();
    sides.workspace.commit();
    sides
}

/// What a plan's JSON says beside a version of `web`.
#[track_caller]
fn beside(sides: &Sides, words: &str, version: &str) -> Value {
    let json: Value = serde_json::from_str(&sides.workspace.run(&format!("{words} --format json")).stdout()).unwrap();
    let charts = json["charts"].as_array().unwrap();
    charts.iter().find(|chart| chart["version"] == version).unwrap()["beside"].clone()
}

/// The plan as people read it and as a comment: each says all these words.
#[track_caller]
fn say(sides: &Sides, words: &str, human: &[&str], markdown: &[&str]) -> Ran {
    let ran = sides.workspace.run(words);
    for word in human {
        assert!(ran.said().contains(word), "no {word:?} in {ran}");
    }
    let comment = sides.workspace.run(&format!("{words} --format markdown"));
    for word in markdown {
        assert!(comment.said().contains(word), "no {word:?} in {comment}");
    }
    ran
}

#[test]
fn a_new_version_of_the_same_signer() {
    needs!(Tool::Git);
    let sides = committed();
    sides.upstream("web", "1.2.0", &"salt".repeat(2000));
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    sides.workspace.run("lock").ok();
    for (words, novelty, human) in [
        ("plan --base HEAD", "new", "the same as for all 2 versions pinned before"),
        ("plan", "unknown", "the same as for all 2 other pinned versions"),
    ] {
        let value = beside(&sides, words, "1.2.0");
        assert_eq!((&value["novelty"], &value["earlier"]), (&novelty.into(), &2.into()), "{value}");
        assert_eq!((&value["signer"]["is"], &value["previous"]["version"]), (&"same".into(), &"1.1.0".into()));
        let size = format!(" % beside {}", "1.1.0");
        let markdown = [human, " % beside `1.1.0`", "as its signature says"];
        let signer = format!("signer  {} claims \"Releases <releases@example.org>\"", sides.key.fingerprint());
        let ran = say(&sides, words, &[&signer, human, &size, "made    ", "as its signature says"], &markdown);
        assert!(!ran.said().contains("  web 1.1.0"), "an unchanged version is shown: {ran}");
        // Signer, then digest, then size, then date: the order in which a reviewer decides.
        let places = ["signer  ", human, "digest  ", "size  ", "made  "].map(|word| ran.said().find(word));
        assert!(places.is_sorted() && places[0].is_some(), "{ran}");
    }
}

/// Pinned at the base already, and not published yet: what is the same says nothing beside itself.
#[test]
fn a_version_that_the_base_has_as_well() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    sides.workspace.commit();
    for (version, previous) in [("1.1.0", "1.0.0"), ("1.0.0", "1.1.0")] {
        let value = beside(&sides, "plan --base HEAD", version);
        assert_eq!((&value["novelty"], &value["previous"]["version"]), (&"same".into(), &previous.into()), "{value}");
    }
}

#[test]
fn another_signer_than_before() {
    needs!(Tool::Git);
    let sides = committed();
    let other = Key::new("Someone <someone@example.org>");
    sides.upstream_by("web", "1.2.0", "", Some(&other));
    let keyring = format!("keyrings/{}.gpg", sides.key.fingerprint());
    sides.mirror("web", &["1.0.0", "1.1.0", "1.2.0"]);
    sides.workspace.write(&keyring, [sides.key.public(), other.public()].concat());
    sides.workspace.run("lock --refresh-keyring web").ok();
    let value = beside(&sides, "plan --base HEAD", "1.2.0");
    assert_eq!(value["signer"]["is"], "other", "{value}");
    assert_eq!(value["signer"]["others"], serde_json::json!([format!("pgp:{}", sides.key.fingerprint())]));
    let added = &value["keyring"]["added"];
    assert_eq!((&added[0]["fingerprint"], added.as_array().map(Vec::len)), (&other.fingerprint().into(), Some(1)));
    let was = format!("which were signed by {}", sides.key.fingerprint());
    let key = format!("key added: {}", other.fingerprint());
    let first = ["safe to merge? no", &other.fingerprint(), &was, &key];
    let comment = [
        format!("which were signed by `{}`", sides.key.fingerprint()),
        format!("key added: `{}`", other.fingerprint()),
    ];
    say(&sides, "plan --base HEAD", &first, &[&comment[0], &comment[1]]);
    // Verified again with the other keyring: their pins changed, too.
    assert_eq!(beside(&sides, "plan --base HEAD", "1.0.0")["novelty"], "changed");
}

#[test]
fn the_first_version_of_a_mirror() {
    needs!(Tool::Git);
    let sides = committed();
    sides.upstream("api", "3.0.0", "");
    sides.mirror("api", &["3.0.0"]);
    sides.workspace.run("lock").ok();
    let told = "first trust: no version of this chart was pinned before";
    assert_eq!(beside(&sides, "plan --base HEAD", "3.0.0")["signer"]["is"], "first");
    say(&sides, "plan --base HEAD", &[told], &[told]);
    say(&sides, "plan", &["first trust: no other version of this chart is pinned"], &["first trust"]);
}

#[test]
fn the_same_version_with_other_bytes() {
    needs!(Tool::Git);
    let sides = committed();
    let (old, new) = (sides.image("web", "1.1.0").digest(), sides.upstream("web", "1.1.0", "again").digest());
    sides.workspace.run("lock --repin web@1.1.0").ok();
    let value = beside(&sides, "plan --base HEAD", "1.1.0");
    assert_eq!(value["replaces"], serde_json::json!({"by": "base", "digest": old}), "{value}");
    // One below the other, in one column.
    let both = format!("was     {old} (base)\n      digest  {new}");
    let comment = format!("was: `{old}` (base)  \n  digest: `{new}`");
    say(&sides, "plan --base HEAD", &["the same version gets new bytes"], &[&comment]).says(&both);
    // Without a base, what the destination holds is what is told.
    let held = format!("pinned           {new}\n    destination now  {old}");
    sides.workspace.run("plan").exits(4).says("x drift").says(&held);
}

#[test]
fn a_highest_version_that_goes_down() {
    needs!(Tool::Git);
    let sides = committed();
    sides.mirror("web", &["1.0.0"]);
    let told = "the highest version goes down from 1.1.0 to 1.0.0";
    for words in ["plan --base HEAD", "plan"] {
        say(&sides, words, &["v version-down", told, "mirrors/web.yaml:"], &["version-down", told]);
        assert_eq!(beside(&sides, words, "1.0.0")["down-from"], "1.1.0");
    }
    let answer = sides.workspace.run("plan --base HEAD").ok();
    assert!(answer.said().contains("safe to merge? yes, if you agree with what is told below"), "{answer}");
    // A lower version beside the highest is none that goes down.
    sides.upstream("web", "0.9.0", "");
    sides.mirror("web", &["0.9.0", "1.0.0", "1.1.0"]);
    sides.workspace.run("lock").ok();
    assert!(!sides.workspace.run("plan --base HEAD").ok().said().contains("version-down"));
    assert_eq!(beside(&sides, "plan --base HEAD", "0.9.0")["previous"]["version"], "1.0.0");
}

#[test]
fn charts_without_provenance_are_counted_with_their_reasons() {
    needs!(Tool::Git);
    let mut sides = committed();
    let image = sides.upstream_by("bare", "1.0.0", "", None);
    sides.upstream_by("loose", "1.0.0", "", None);
    sides.mirror("bare", &["1.0.0"]);
    sides.mirror_trusting("loose", &["1.0.0"], &unsigned());
    sides.accept("unsigned", "bare:1.0.0", &image.digest());
    sides.workspace.run("lock").ok();
    let human = [
        "2 charts are without provenance, new or changed here",
        "bare 1.0.0: accepted: for one test",
        "loose 1.0.0: its manifest does not require one",
    ];
    let markdown = ["- `bare 1.0.0`: accepted: for one test", "- `loose 1.0.0`: its manifest does not require one"];
    say(&sides, "plan --base HEAD", &human, &markdown);
    sides.workspace.run("apply").ok();
    let ran = sides.workspace.run("plan").ok();
    assert!(ran.said().contains("2 charts are without provenance\n"), "{ran}");
    let json: Value = serde_json::from_str(&sides.workspace.run("plan --format json").stdout()).unwrap();
    assert_eq!(json["unsigned"], 2);
}

/// Nothing but the registry's word: the plan says whose word it is.
#[test]
fn a_date_that_nobody_signed_is_told_as_such() {
    let sides = Sides::new();
    let mut image = sides.upstream_by("bare", "1.0.0", "", None);
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["annotations"] = serde_json::json!({"org.opencontainers.image.created": "2024-02-29T12:30:00Z"});
    image.manifest = serde_json::to_vec(&manifest).unwrap();
    image.put(&sides.source_folder("bare"), "1.0.0");
    sides.mirror_trusting("bare", &["1.0.0"], &unsigned());
    sides.workspace.run("lock").ok();
    sides.workspace.run("plan").ok().says("made    2024-02-29 12:30 UTC, as the image says, which nobody signed");
}

/// A renamed destination has the versions of the old one for its past.
#[test]
fn a_renamed_destination_keeps_its_past() {
    needs!(Tool::Git);
    let sides = committed();
    let trust = sides.workspace.signed_by(&sides.key);
    let renamed = format!("{PUBLISH}/apps/web");
    sides.workspace.mirror("web", &format!("{}/web", crate::sides::SOURCE), &renamed, &["1.0.0", "1.1.0"], &trust);
    sides.workspace.run("lock").ok();
    assert_eq!(beside(&sides, "plan --base HEAD", "1.1.0")["signer"]["is"], "same");
}

/// Where the base cannot be read everything is new, also what is published already.
#[test]
fn beside_a_base_without_a_workspace_everything_is_new() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    sides.workspace.run("apply").ok();
    sides.workspace.write(".gitignore", "*\n!.gitignore\n");
    sides.workspace.commit();
    say(&sides, "plan --base HEAD", &["= published already  web 1.0.0", "first trust"], &["**published already**"]);
}
