//! What plan and apply say to each state of source, pin and destination, and what they leave alone. Folders of layouts on
//! both sides: no tool is needed.

use std::path::PathBuf;

use crate::support::images::{Image, name, named};
use crate::support::pgp::Key;
use crate::support::workspace::{Workspace, unsigned};

const SOURCE: &str = "upstream.example/charts";
const PUBLISH: &str = "charts.example/platform";

/// A workspace with folders of layouts on both sides and a key that its mirrors trust.
struct Bench {
    workspace: Workspace,
    key: Key,
}

impl Bench {
    fn new() -> Self {
        let workspace =
            Workspace::new(PUBLISH).layout("upstream.example", "upstream").layout("charts.example", "published");
        Self { workspace, key: Key::new("Releases <releases@example.org>") }
    }

    /// A bench where `web` 1.0.0 is pinned and not yet published.
    fn pinned() -> (Self, Image) {
        let bench = Self::new();
        let image = bench.upstream("web", "1.0.0", "");
        bench.mirror("web", &["1.0.0"]);
        bench.workspace.run("lock").ok();
        (bench, image)
    }

    /// Puts a signed chart upstream.
    fn upstream(&self, chart: &str, version: &str, salt: &str) -> Image {
        self.signed_upstream(chart, version, salt, Some(&self.key))
    }

    fn signed_upstream(&self, chart: &str, version: &str, salt: &str, key: Option<&Key>) -> Image {
        let image = Image::chart(chart, version, salt, key);
        image.put(&self.source(chart), version);
        image
    }

    fn mirror(&self, chart: &str, versions: &[&str]) {
        self.mirror_trusting(chart, versions, &self.workspace.signed_by(&self.key));
    }

    fn mirror_trusting(&self, chart: &str, versions: &[&str], trust: &str) {
        self.workspace.mirror(chart, &format!("{SOURCE}/{chart}"), &format!("{PUBLISH}/{chart}"), versions, trust);
    }

    fn source(&self, chart: &str) -> PathBuf {
        self.workspace.path(&format!("upstream/charts/{chart}"))
    }

    fn published(&self, chart: &str) -> PathBuf {
        self.workspace.path(&format!("published/platform/{chart}"))
    }

    fn accept(&mut self, finding: &str, reference: &str, digest: &str) {
        self.workspace.accept(finding, &format!("{PUBLISH}/{reference}"), digest);
    }

    /// Asserts what the destination's tag names.
    #[track_caller]
    fn holds(&self, chart: &str, version: &str, image: Option<&Image>) {
        assert_eq!(named(&self.published(chart), version), image.map(Image::digest), "{chart} {version}");
    }

    /// plan and apply withhold `web` 1.0.0 with these words; the destination stays as it is.
    #[track_caller]
    fn withholds(&self, words: &str, image: Option<&Image>) {
        self.workspace.run("plan").exits(4).says(words).says("1.0.0");
        self.workspace.run("apply").exits(4).says(words).says("1.0.0");
        self.holds("web", "1.0.0", image);
    }

    /// apply publishes `web` 1.0.0, and then nothing is left to do.
    #[track_caller]
    fn publishes(&self, image: &Image) {
        self.workspace.run("plan --detailed-exitcode").exits(2);
        self.workspace.run("apply").ok();
        self.holds("web", "1.0.0", Some(image));
        self.workspace.run("plan --detailed-exitcode").ok();
        self.workspace.run("verify").ok();
    }
}

#[test]
fn publish() {
    let (bench, image) = Bench::pinned();
    bench.publishes(&image);
}

#[test]
fn moved() {
    let (mut bench, image) = Bench::pinned();
    let other = bench.upstream("web", "1.0.0", "released again");
    bench.withholds("moved", None);
    // An exception for another digest is none.
    bench.accept("moved", "web:1.0.0", &image.digest());
    bench.withholds("moved", None);
    bench.accept("moved", "web:1.0.0", &other.digest());
    bench.publishes(&image);
}

#[test]
fn gone() {
    let (mut bench, image) = Bench::pinned();
    name(&bench.source("web"), "1.0.0", None);
    bench.withholds("gone", None);
    bench.accept("gone", "web:1.0.0", &image.digest());
    bench.publishes(&image);
}

#[test]
fn drift() {
    let (mut bench, image) = Bench::pinned();
    let other = Image::chart("web", "1.0.0", "another hand", None);
    other.put(&bench.published("web"), "1.0.0");
    bench.withholds("drift", Some(&other));
    bench.accept("replace", "web:1.0.0", &image.digest());
    bench.withholds("drift", Some(&other));
    bench.accept("replace", "web:1.0.0", &other.digest());
    bench.publishes(&image);
}

#[test]
fn unsigned_although_required() {
    let mut bench = Bench::new();
    let image = bench.signed_upstream("web", "1.0.0", "", None);
    bench.mirror("web", &["1.0.0"]);
    let refused = bench.workspace.run("lock").exits(1).says("finding = \"unsigned\"").says(&image.digest());
    drop(refused.says("charts.example/platform/web:1.0.0"));
    bench.accept("unsigned", "web:1.0.0", &image.digest());
    bench.workspace.run("lock").ok();
    assert!(bench.workspace.read("mirrors.lock").contains("signer = \"none\""));
    bench.publishes(&image);
}

#[test]
fn unsigned_and_not_required() {
    let bench = Bench::new();
    let image = bench.signed_upstream("web", "1.0.0", "", None);
    bench.mirror_trusting("web", &["1.0.0"], &unsigned());
    bench.workspace.run("lock").ok();
    bench.publishes(&image);
}

#[test]
fn expired_key() {
    let mut bench = Bench::new();
    let expired = Key::expired("Past <past@example.org>");
    let image = bench.signed_upstream("web", "1.0.0", "", Some(&expired));
    bench.mirror_trusting("web", &["1.0.0"], &bench.workspace.signed_by(&expired));
    bench.workspace.run("lock").exits(1).says("finding = \"expired-key\"").says(&expired.fingerprint());
    bench.accept("expired-key", "web:1.0.0", &image.digest());
    bench.workspace.run("lock").ok();
    bench.publishes(&image);
}

/// A destination whose second version another key of the same keyring signed.
fn with_two_signers() -> (Bench, Key, Image) {
    let bench = Bench::new();
    let other = Key::new("Someone <someone@example.org>");
    bench.workspace.write("keyrings/both.gpg", [bench.key.public(), other.public()].concat());
    bench.upstream("web", "1.0.0", "");
    bench.mirror_trusting("web", &["1.0.0"], "  keyring: keyrings/both.gpg\n");
    bench.workspace.run("lock").ok();
    bench.workspace.run("apply").ok();
    let second = bench.signed_upstream("web", "1.1.0", "", Some(&other));
    bench.mirror_trusting("web", &["1.0.0", "1.1.0"], "  keyring: keyrings/both.gpg\n");
    bench.workspace.run("lock").ok();
    (bench, other, second)
}

#[test]
fn another_signer() {
    let (mut bench, other, second) = with_two_signers();
    bench.workspace.run("plan").exits(4).says("signer").says(&other.fingerprint());
    bench.workspace.run("apply").exits(4).says("signer");
    bench.holds("web", "1.1.0", None);
    bench.accept("new-signer", "web:1.1.0", &second.digest());
    bench.workspace.run("apply").ok();
    bench.holds("web", "1.1.0", Some(&second));
}

#[test]
fn another_signer_that_the_manifest_lists() {
    let (bench, other, second) = with_two_signers();
    let fingerprints = format!("[{}, {}]", bench.key.fingerprint(), other.fingerprint());
    let trust = format!("  keyring: keyrings/both.gpg\n  fingerprints: {fingerprints}\n");
    bench.mirror_trusting("web", &["1.0.0", "1.1.0"], &trust);
    bench.workspace.run("apply").ok();
    bench.holds("web", "1.1.0", Some(&second));
}

#[test]
fn stale() {
    let (bench, image) = Bench::pinned();
    let second = bench.upstream("web", "1.1.0", "");
    bench.mirror("web", &["1.0.0", "1.1.0"]);
    bench.workspace.run("validate").ok();
    bench.workspace.run("plan").exits(3).says("1.1.0");
    // What has a pin is published all the same.
    bench.workspace.run("apply").exits(3).says("1.1.0");
    bench.holds("web", "1.0.0", Some(&image));
    bench.holds("web", "1.1.0", None);
    bench.workspace.run("lock").ok();
    bench.workspace.run("apply").ok();
    bench.holds("web", "1.1.0", Some(&second));
}

#[test]
fn one_bad_upstream_does_not_stop_the_others() {
    let bench = Bench::new();
    for chart in ["api", "web", "worker"] {
        bench.upstream(chart, "1.0.0", "");
        bench.mirror(chart, &["1.0.0"]);
    }
    bench.workspace.run("lock").ok();
    bench.upstream("web", "1.0.0", "released again");
    bench.workspace.run("apply").exits(4).says("moved");
    bench.holds("web", "1.0.0", None);
    for chart in ["api", "worker"] {
        assert!(named(&bench.published(chart), "1.0.0").is_some(), "{chart}");
    }
}

#[test]
fn too_many_changes_stop_a_run_before_its_first_write() {
    let mut bench = Bench::new();
    bench.workspace.add_settings("[apply]\nmax-changes = 1");
    for version in ["1.0.0", "1.1.0"] {
        bench.upstream("web", version, "");
    }
    bench.mirror("web", &["1.0.0", "1.1.0"]);
    bench.workspace.run("lock").ok();
    bench.workspace.run("apply").exits(4).says("--allow-changes");
    assert!(!bench.published("web").exists());
    bench.workspace.run("apply --allow-changes 2").ok();
    bench.workspace.run("plan --detailed-exitcode").ok();
}

#[test]
fn drift_of_the_upstream_is_told_when_asked_for() {
    let (bench, image) = Bench::pinned();
    bench.publishes(&image);
    bench.upstream("web", "1.0.0", "released again");
    bench.workspace.run("plan --detailed-exitcode").ok();
    bench.workspace.run("plan --drift").ok().says("1.0.0");
    Image::chart("web", "0.1.0", "", None).put(&bench.published("web"), "0.1.0");
    bench.workspace.run("plan --drift").ok().says("0.1.0");
    bench.holds("web", "1.0.0", Some(&image));
}

/// Nothing that a hand can write into a pin gets other bytes published.
#[test]
fn a_pin_edited_by_hand() {
    let (bench, _) = Bench::pinned();
    let other = bench.upstream("web", "1.0.1", "another version");
    let lockfile = bench.workspace.read("mirrors.lock");
    let digests = format!("sha256:{:064}", 7);
    let edits = [
        ("name", "\"api\""),
        ("version", "\"1.0.1\""),
        ("source", "\"upstream.example/charts/api\""),
        ("destination", "\"charts.example/platform/api\""),
        ("digest", &format!("\"{}\"", other.digest())),
        ("digest", &format!("\"{digests}\"")),
        ("size", "7"),
        ("archive", &format!("\"{digests}\"")),
        ("archive-size", "7"),
        ("provenance", &format!("\"{digests}\"")),
        ("signer", "\"none\""),
        ("signer", "\"pgp:0123456789ABCDEF0123456789ABCDEF01234567\""),
        ("keyring", &format!("\"{digests}\"")),
        ("app-version", "\"7\""),
    ];
    for (field, value) in edits {
        let line = lockfile.lines().find(|line| line.starts_with(&format!("{field} = ")));
        let edited = match line {
            Some(line) => lockfile.replace(line, &format!("{field} = {value}")),
            None => format!("{lockfile}{field} = {value}\n"),
        };
        assert_ne!(edited, lockfile);
        bench.workspace.write("mirrors.lock", edited);
        let ran = bench.workspace.run("apply");
        assert!([1, 3, 4].contains(&ran.code()), "{field} = {value}: {ran}");
        assert!(!bench.published("web").join("index.json").exists(), "{field} = {value}: {ran}");
        assert!(!bench.published("api").join("index.json").exists(), "{field} = {value}: {ran}");
    }
    bench.workspace.write("mirrors.lock", lockfile);
    bench.workspace.run("apply").ok();
}

#[test]
fn lock_is_idempotent_and_keeps_pins() {
    let (bench, image) = Bench::pinned();
    let lockfile = bench.workspace.read("mirrors.lock");
    let written = || std::fs::metadata(bench.workspace.path("mirrors.lock")).unwrap().modified().unwrap();
    let before = written();
    let other = bench.upstream("web", "1.0.0", "released again");
    bench.workspace.run("lock").ok();
    assert_eq!((bench.workspace.read("mirrors.lock"), written()), (lockfile, before));
    bench.workspace.run("lock --repin web@1.0.0").ok().says(&image.digest());
    assert!(bench.workspace.read("mirrors.lock").contains(&other.digest()));
}

#[test]
fn selectors_that_select_nothing_are_errors() {
    let (bench, _) = Bench::pinned();
    for words in ["plan --chart api", "apply --chart web@9.9.9", "verify --chart api", "lock --chart api", "why api"] {
        bench.workspace.run(words).exits(1);
    }
    bench.workspace.run("plan --chart web@1.0.0").ok();
}

#[test]
fn json_is_one_document() {
    let (bench, image) = Bench::pinned();
    for words in ["validate", "plan", "graph", "apply", "verify"] {
        let ran = bench.workspace.run(&format!("{words} --format json")).ok();
        let _: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    }
    bench.holds("web", "1.0.0", Some(&image));
}

#[test]
fn two_applies_at_once_publish_once() {
    let (bench, image) = Bench::pinned();
    std::thread::scope(|scope| {
        let runs = [(); 2].map(|()| scope.spawn(|| bench.workspace.run("apply")));
        for run in runs {
            run.join().unwrap().ok();
        }
    });
    bench.holds("web", "1.0.0", Some(&image));
    bench.workspace.run("verify").ok();
}
