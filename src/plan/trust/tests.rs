//! One row for each field of settings, manifests, exceptions and pins: what is told when it changes, or why nothing is.

mod pinned;
mod reach;
mod rings;
mod watched;

use std::collections::BTreeMap;

use super::*;
use crate::lock::Signer;
use crate::settings::{Acceptable, RegistrySettings};
use crate::workspace::Tree;

const SETTINGS: &str = "\
[publish]
repository = \"charts.example/platform\"
[signing]
METHOD
[apply]
max-changes = 20
[registry.\"up.example\"]
concurrency = 2
[[accept]]
finding = \"moved\"
reference = \"charts.example/platform/web:1.0.0\"
digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000001\"
reason = \"their issue 1\"
";
const KEY: &str = "method = \"key\"\nkey = \"a.key\"\npublic-key = \"a.pub\"\n";
const KEYLESS: &str = "method = \"keyless\"\nissuer = \"https://tokens.example\"\nmirrors = \"https://a.example/m@main\"\n\
                       charts = \"https://a.example/c@main\"\n";
const MANIFEST: &str = "\
source: {type: helm-oci, repository: up.example/charts/web}
destination: {repository: charts.example/platform/web}
versions: [1.0.0]
provenance: {keyring: ring.gpg, fingerprints: [0123456789ABCDEF0123456789ABCDEF01234567]}
";
const LOCKFILE: &str = "\
version = 1

[[chart]]
name = \"web\"
version = \"1.0.0\"
source = \"up.example/charts/web\"
destination = \"charts.example/platform/web\"
digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000002\"
size = 1
archive = \"sha256:0000000000000000000000000000000000000000000000000000000000000003\"
archive-size = 1
provenance = \"sha256:0000000000000000000000000000000000000000000000000000000000000004\"
signer = \"pgp:0123456789ABCDEF0123456789ABCDEF01234567\"
keyring = \"sha256:0000000000000000000000000000000000000000000000000000000000000005\"
app-version = \"1\"
";
const RING: &[u8] = include_bytes!("../../../tests/fixtures/provenance/good.gpg");
const OTHER_RING: &[u8] = include_bytes!("../../../tests/fixtures/provenance/subkey.gpg");

/// A workspace with its pins, which a row changes.
struct Side {
    workspace: Workspace,
    pin: Pin,
}

impl Side {
    fn new(method: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write(SETTINGS_FILE, SETTINGS.replace("METHOD", method).as_bytes());
        write("mirrors/web.yaml", MANIFEST.as_bytes());
        for (name, bytes) in [("ring.gpg", RING), ("other.gpg", OTHER_RING), ("a.pub", b"a"), ("b.pub", b"b")] {
            write(name, bytes);
        }
        let workspace = Workspace::read(&Tree::folder(root.path())).unwrap();
        let pin = Pin::clone(&Lockfile::parse(LOCKFILE, LOCK_FILE).unwrap().pins()[0]);
        Self { workspace, pin }
    }

    fn mirror(&mut self) -> &mut Mirror {
        &mut self.workspace.mirrors[0]
    }

    fn registry(&mut self) -> &mut RegistrySettings {
        self.workspace.settings.registries.get_mut("up.example").unwrap()
    }

    fn key(&mut self) -> &mut KeySigning {
        match &mut self.workspace.settings.signing {
            Signing::Key(key) => key,
            _ => panic!("not by key"),
        }
    }

    fn keyless(&mut self) -> &mut KeylessSigning {
        match &mut self.workspace.settings.signing {
            Signing::Keyless(keyless) => keyless,
            _ => panic!("not keyless"),
        }
    }
}

fn told(base: Option<&Side>, here: &Side) -> Vec<Finding> {
    let pins = |side: &Side| Lockfile::from_pins(vec![side.pin.clone()]);
    let (old, new) = (base.map(pins).unwrap_or_default(), pins(here));
    let base = base.map(|base| Trusted { workspace: &base.workspace, lockfile: &old });
    changes(base, Trusted { workspace: &here.workspace, lockfile: &new })
}

/// A field, what is done to it, and what is then told: at which file, in which words. Nothing where trust does not rest on it.
type Row = (&'static str, fn(&mut Side), Option<(&'static str, &'static [&'static str])>);

#[track_caller]
fn check(method: &str, fields: &[&str], rows: &[Row]) {
    let named: Vec<&str> = rows.iter().map(|(field, ..)| field.split(':').next().unwrap_or(field)).collect();
    for field in fields {
        assert!(named.contains(field), "`{field}` has no row");
    }
    let base = Side::new(method);
    assert_eq!(told(Some(&base), &Side::new(method)), []);
    for (field, change, expect) in rows {
        let mut here = Side::new(method);
        change(&mut here);
        let findings = told(Some(&base), &here);
        let Some((file, words)) = expect else {
            assert_eq!(findings, [], "{field}");
            continue;
        };
        let finding = findings.first().unwrap_or_else(|| panic!("nothing is told of {field}"));
        assert_eq!(finding.location.as_ref().map(|location| location.file.as_str()), Some(*file), "{field}");
        assert!(!finding.next.is_empty() && finding.code == Code::Trust, "{field}: {finding:?}");
        let text = format!("{} {:?} {:?}", finding.message, finding.reference, finding.digests);
        for word in *words {
            assert!(text.contains(word), "{field}: no {word:?} in {text}");
        }
    }
}

#[test]
fn every_setting() {
    // A field that is added has no place here until it has a row below.
    let Settings {
        publish: _,
        publish_location: _,
        signing: _,
        signing_location: _,
        max_changes: _,
        max_changes_location: _,
        registries: _,
        accept: _,
    } = &Side::new(KEY).workspace.settings;
    let fields = ["publish", "signing", "max-changes", "registries", "accept"];
    let set = SETTINGS_FILE;
    check(
        KEY,
        &fields,
        &[
            (
                "publish",
                |side| side.workspace.settings.publish = "charts.example/all".parse().unwrap(),
                Some((set, &["`[publish] repository`", "`charts.example/platform`", "`charts.example/all`"])),
            ),
            (
                "signing",
                |side| side.workspace.settings.signing = Signing::None,
                Some((set, &["`[signing] method`", "`key`", "`none`"])),
            ),
            (
                "max-changes",
                |side| side.workspace.settings.max_changes = 21,
                Some((set, &["`[apply] max-changes`", "`20`", "`21`"])),
            ),
            ("max-changes: fewer", |side| side.workspace.settings.max_changes = 1, None),
            (
                "registries",
                |side| {
                    let registry = RegistrySettings { access: Access::PlainHttp, ..RegistrySettings::default() };
                    side.workspace.settings.registries.insert("charts.example".to_owned(), registry);
                },
                Some((set, &["`charts.example`", "`https`", "`plain http`"])),
            ),
            (
                "accept",
                |side| {
                    let accept = side.workspace.settings.accept[0].clone();
                    side.workspace.settings.accept.push(Accept { finding: Acceptable::Gone, ..accept });
                },
                Some((set, &["a new exception accepts `gone`", "their issue 1", "web"])),
            ),
        ],
    );
}

#[test]
fn every_field_of_an_exception() {
    let Accept { finding: _, reference: _, digest: _, reason: _, location: _ } =
        &Side::new(KEY).workspace.settings.accept[0];
    let set = SETTINGS_FILE;
    check(
        KEY,
        &["finding", "reference", "digest", "reason", "location"],
        &[
            (
                "finding",
                |side| side.workspace.settings.accept[0].finding = Acceptable::Replace,
                Some((set, &["a new exception accepts `replace`"])),
            ),
            (
                "reference",
                |side| {
                    side.workspace.settings.accept[0].reference = "charts.example/platform/web:2.0.0".parse().unwrap();
                },
                Some((set, &["a new exception accepts `moved`", "2.0.0"])),
            ),
            (
                "digest",
                |side| side.workspace.settings.accept[0].digest = Digest::of(b"other"),
                Some((set, &["a new exception accepts `moved` for sha256:d9298a10"])),
            ),
            (
                "reason",
                |side| "trust me".clone_into(&mut side.workspace.settings.accept[0].reason),
                Some((set, &["was for another reason (`their issue 1`)", "trust me"])),
            ),
            ("location", |side| side.workspace.settings.accept[0].location = Location::file("x"), None),
            (
                "finding: removed",
                |side| side.workspace.settings.accept.clear(),
                Some((set, &["the exception that accepted `moved`", "is removed"])),
            ),
        ],
    );
}

#[test]
fn every_field_of_a_manifest() {
    let mut side = Side::new(KEY);
    let Mirror {
        name: _,
        file: _,
        source: _,
        source_location: _,
        destination: _,
        destination_location: _,
        versions: _,
        trust: Trust { keyring: _, required: _, fingerprints: _, location: _ },
    } = side.mirror();
    // `versions` has a test of its own.
    let fields = ["name", "file", "source", "destination", "keyring", "required", "fingerprints"];
    let file = "mirrors/web.yaml";
    check(
        KEY,
        &fields,
        &[
            ("name", |side| "other".clone_into(&mut side.mirror().name), None),
            ("file", |side| "mirrors/other.yaml".clone_into(&mut side.mirror().file), None),
            (
                "source: its host",
                |side| side.mirror().source = "evil.example/charts/web".parse().unwrap(),
                Some((file, &["the source of charts.example/platform/web", "up.example", "evil.example/charts/web"])),
            ),
            (
                "source: its repository",
                |side| side.mirror().source = "up.example/forks/web".parse().unwrap(),
                Some((file, &["the source of charts.example/platform/web", "up.example/forks/web"])),
            ),
            (
                "destination",
                |side| side.mirror().destination = "charts.example/platform/new/web".parse().unwrap(),
                Some((file, &["charts.example/platform/new/web is new", "up.example/charts/web", "ring.gpg"])),
            ),
            (
                "keyring: its path",
                |side| {
                    let digest = Digest::of(OTHER_RING);
                    side.mirror().trust.keyring =
                        Some(KeyringSource::Path { path: "other.gpg".parse().unwrap(), digest });
                },
                Some((file, &["the keyring of charts.example/platform/web", "ring.gpg (", "other.gpg ("])),
            ),
            (
                "keyring: its bytes",
                |side| {
                    let digest = Digest::of(OTHER_RING);
                    side.mirror().trust.keyring =
                        Some(KeyringSource::Path { path: "ring.gpg".parse().unwrap(), digest });
                },
                Some((file, &["the keyring of charts.example/platform/web", "ring.gpg (sha256:"])),
            ),
            (
                "keyring: a URL",
                |side| {
                    let url = "https://keys.example/ring.gpg".parse().unwrap();
                    side.mirror().trust.keyring = Some(KeyringSource::Url(url));
                },
                Some((file, &["the keyring of charts.example/platform/web", "https://keys.example/ring.gpg"])),
            ),
            (
                "keyring: none",
                |side| side.mirror().trust.keyring = None,
                Some((file, &["the keyring of charts.example/platform/web", "`no keyring`"])),
            ),
            (
                "required",
                |side| side.mirror().trust.required = false,
                Some((file, &["the provenance of charts.example/platform/web", "`required`", "`not required`"])),
            ),
            (
                "fingerprints: dropped",
                |side| side.mirror().trust.fingerprints.clear(),
                Some((file, &["`fingerprints` of", "0123456789ABCDEF", "`any key of its keyring`"])),
            ),
            (
                "fingerprints: another",
                |side| side.mirror().trust.fingerprints = vec!["F".repeat(40).parse().unwrap()],
                Some((file, &["`fingerprints` of", "0123456789ABCDEF", "FFFFFFFFFF"])),
            ),
            (
                "fingerprints: one more",
                |side| side.mirror().trust.fingerprints.push("F".repeat(40).parse().unwrap()),
                Some((file, &["`fingerprints` of", "01234567, FFFFFFFFFF"])),
            ),
            (
                "name: removed",
                |side| side.workspace.mirrors.clear(),
                Some((LOCK_FILE, &["charts.example/platform/web is mirrored no longer (1.0.0)", "no longer audited"])),
            ),
        ],
    );
}

#[test]
fn every_field_of_a_pin() {
    let Pin {
        name: _,
        version: _,
        source: _,
        destination: _,
        digest: _,
        size: _,
        archive: _,
        archive_size: _,
        provenance: _,
        signer: _,
        keyring: _,
        app_version: _,
        line: _,
    } = &Side::new(KEY).pin;
    let fields = [
        "name",
        "version",
        "source",
        "destination",
        "digest",
        "size",
        "archive",
        "archive-size",
        "provenance",
        "signer",
        "keyring",
        "app-version",
        "line",
    ];
    let (lock, manifest) = (LOCK_FILE, "mirrors/web.yaml");
    check(
        KEY,
        &fields,
        &[
            ("name", |side| "other".clone_into(&mut side.pin.name), Some((lock, &["about the same bytes: name was"]))),
            (
                "version",
                |side| side.pin.version = "1.1.0".parse().unwrap(),
                Some((manifest, &["its pin is gone while the version is still declared", "1.0.0", "(Base, ", "0002"])),
            ),
            (
                "source",
                |side| side.pin.source = "up.example/forks/web".parse().unwrap(),
                Some((lock, &["about the same bytes: source was", "up.example/forks/web"])),
            ),
            (
                "destination",
                |side| side.pin.destination = "charts.example/platform/x/web".parse().unwrap(),
                Some((manifest, &["its pin is gone while the version is still declared"])),
            ),
            (
                "digest",
                |side| side.pin.digest = Digest::of(b"other"),
                Some((lock, &["the same version gets new bytes", "(Base, ", "0002", "(Pinned, ", "d9298a10"])),
            ),
            ("size", |side| side.pin.size = 2, Some((lock, &["about the same bytes: size was 1, it is 2"]))),
            ("archive", |side| side.pin.archive = Digest::of(b"x"), Some((lock, &["same bytes: archive was"]))),
            ("archive-size", |side| side.pin.archive_size = 2, Some((lock, &["same bytes: archive-size was 1"]))),
            ("provenance", |side| side.pin.provenance = None, Some((lock, &["same bytes: provenance was", "none"]))),
            (
                "signer",
                |side| side.pin.signer = Signer::None,
                Some((lock, &["its signer changes from 0123456789ABCDEF", "to nobody"])),
            ),
            (
                "signer: another key",
                |side| side.pin.signer = Signer::Pgp("F".repeat(40).parse().unwrap()),
                Some((lock, &["its signer changes from 0123456789ABCDEF", "to FFFFFFFF"])),
            ),
            (
                "keyring",
                |side| side.pin.keyring = Some(Digest::of(b"x")),
                Some((lock, &["it is verified with another keyring"])),
            ),
            ("app-version", |side| side.pin.app_version = None, Some((lock, &["same bytes: app-version was"]))),
            ("line", |side| side.pin.line = 99, None),
        ],
    );
}

/// Without anything to compare with, each setting, mirror and exception is told by itself.
#[test]
fn without_a_base_everything_is_told() {
    let mut here = Side::new(KEY);
    here.registry().access = Access::PlainHttp;
    let findings = told(None, &here);
    let told: BTreeMap<&str, usize> = [
        "`[publish] repository` is `charts.example/platform`",
        "`[signing] method` is `key`, accept ``, key `a.key`, public-key `a.pub (sha256:",
        "`[apply] max-changes` is `20`",
        "the registry `up.example` changes from `https` to `plain http`",
        "a new exception accepts `moved`",
        "charts.example/platform/web is new: it trusts up.example/charts/web with ring.gpg (sha256:",
    ]
    .into_iter()
    .map(|word| (word, findings.iter().filter(|finding| finding.message.contains(word)).count()))
    .collect();
    assert!(told.values().all(|count| *count == 1) && findings.len() == told.len(), "{told:?} {findings:?}");
}
