use std::fs;

use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

const SETTINGS: (&str, &[u8]) =
    ("chartsync.toml", b"[publish]\nrepository = \"ghcr.io/org/charts\"\n[signing]\nmethod = \"none\"\n");

const MANIFEST: &str = "source:
  type: helm-oci
  repository: quay.io/up/a
destination:
  repository: ghcr.io/org/charts/a
versions:
  - v1.0.0
provenance:
  keyring: https://up.example/keys.gpg
";

fn lines(problems: &Problems) -> Vec<String> {
    problems.iter().map(|problem| problem.to_string().replace("\n  help: ", " -- ")).collect()
}

/// The problems of a workspace with these files and good settings, which these files may replace.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let mut all = vec![SETTINGS];
    all.extend(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let folder = folder(&all);
    let found = Workspace::read(&Tree::folder(folder.path())).map(|_| ()).unwrap_err();
    assert_eq!(lines(&found), expected);
}

/// The problems of one manifest, made from a good one.
#[track_caller]
fn check_edit(from: &str, to: &str, expected: &[&str]) {
    assert!(MANIFEST.contains(from), "{from}");
    check(&[("mirrors/a.yaml", &MANIFEST.replacen(from, to, 1))], expected);
}

fn read(files: &[(&str, &str)]) -> Workspace {
    let mut all = vec![SETTINGS];
    all.extend(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let folder = folder(&all);
    Workspace::read(&Tree::folder(folder.path())).unwrap()
}

#[test]
fn the_repository_itself_is_a_good_workspace() {
    let workspace = Workspace::read(&Tree::folder(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mirror = workspace.mirrors.iter().find(|mirror| mirror.name == "cert-manager").unwrap();
    assert_eq!(mirror.source.as_str(), "quay.io/jetstack/charts/cert-manager");
    assert_eq!(mirror.destination.as_str(), "ghcr.io/vexxhost/charts/cert-manager");
    let versions: Vec<_> = mirror.versions.iter().map(|declared| declared.version.as_str()).collect();
    // As written: Renovate puts the newest first.
    assert_eq!(versions, ["v1.15.5", "v1.11.5"]);
    assert_eq!(mirror.versions[1].location, Location::at("mirrors/cert-manager.yaml", 10, 5));
    assert!(mirror.trust.required);
    let fingerprint = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";
    assert_eq!(mirror.trust.fingerprints, [fingerprint.parse().unwrap()]);
    let Some(KeyringSource::Url(url)) = &mirror.trust.keyring else { panic!("{mirror:?}") };
    assert!(url.as_str().ends_with(&format!("{fingerprint}.gpg")), "{url}");
}

#[test]
fn the_rest_of_a_manifest_has_defaults() {
    let workspace = read(&[("mirrors/a.yaml", MANIFEST), ("mirrors/.gitkeep", "")]);
    let [mirror] = &workspace.mirrors[..] else { panic!() };
    assert_eq!((mirror.name.as_str(), mirror.chart(), mirror.trust.required), ("a", "a", true));
    assert_eq!(mirror.destination_location, Location::at("mirrors/a.yaml", 5, 15));
    assert_eq!(mirror.trust.location, Location::at("mirrors/a.yaml", 8, 1));
    let unsigned = MANIFEST.replace("keyring: https://up.example/keys.gpg", "required: false");
    let workspace = read(&[("mirrors/a.yaml", &unsigned)]);
    assert_eq!((workspace.mirrors[0].trust.required, &workspace.mirrors[0].trust.keyring), (false, &None));
    let workspace =
        read(&[("charts/own/Chart.yaml", "name: own\nversion: 1.2.3\n"), ("mirrors.lock", "version = 1\n")]);
    let [chart] = &workspace.charts[..] else { panic!() };
    assert_eq!((chart.name.as_str(), chart.version.as_str()), ("own", "1.2.3"));
    assert_eq!(workspace.lockfile.as_deref(), Some("version = 1\n"));
}

#[test]
fn all_problems_of_all_files_come_in_one_run() {
    check(
        &[
            ("chartsync.toml", "[publish]\nrepository = \"ghcr.io/org\"\nregion = 1\n[signing]\nmethod = \"none\"\n"),
            (
                "mirrors/a.yaml",
                "source:\n  type: helm-http\n  repositry: quay.io/up/a\ndestination: ghcr.io/org/charts/a\nversions: [1.0, v1.2, v1.0.0]\nprovenance:\n  required: yes please\nmaintainer: me\n",
            ),
            ("mirrors/b.yaml", "source: [\n"),
            ("mirrors/c.yaml", ""),
            ("mirrors/d.yml", MANIFEST),
            ("mirrors/README.md", ""),
            ("mirrors/team/e.yaml", MANIFEST),
        ],
        &[
            "chartsync.toml:3:1: unknown key `publish.region` [unknown-key] -- known here: `repository`",
            "mirrors/README.md: this is no manifest, so nothing reads it [stray-file] -- manifests end in `.yaml`: move everything else elsewhere",
            "mirrors/a.yaml:1:1: `source.repository` is missing [missing-key] -- add `repository: quay.io/…/<chart>`",
            "mirrors/a.yaml:2:9: `source.type` is `helm-http` [invalid-value] -- write `helm-oci`",
            "mirrors/a.yaml:3:3: unknown key `source.repositry` [unknown-key] -- did you mean `repository`?",
            "mirrors/a.yaml:4:14: `destination` is a text [wrong-type] -- write a mapping: `key: value` lines below it",
            "mirrors/a.yaml:5:12: `versions[0]` is a number [wrong-type] -- put it in quotes",
            "mirrors/a.yaml:5:17: `versions[1]` is `v1.2` [invalid-value] -- write MAJOR.MINOR.PATCH as SemVer has it, with or without a leading `v`; build metadata begins with `+`",
            "mirrors/a.yaml:6:1: `provenance.keyring` is missing [missing-key] -- add `keyring: …`, a path from the root or an https URL; for charts without provenance, add `required: false`",
            "mirrors/a.yaml:7:13: `provenance.required` is a text [wrong-type] -- write `true` or `false`, without quotes",
            "mirrors/a.yaml:8:1: unknown key `maintainer` [unknown-key] -- known here: `destination`, `provenance`, `source`, `versions`",
            "mirrors/b.yaml:2:1: while parsing a node, did not find expected node content [yaml-syntax]",
            "mirrors/c.yaml:1:1: the file is empty, not a mapping [yaml-not-a-mapping] -- write `key: value` lines",
            "mirrors/d.yml: this is no manifest, so nothing reads it [stray-file] -- rename it to `d.yaml`",
            "mirrors/team: this is no manifest, so nothing reads it [stray-file] -- manifests lie directly in mirrors/: move them up",
        ],
    );
}

#[test]
fn a_workspace_that_declares_nothing_is_told_what_to_write() {
    let told = "mirrors: the workspace declares no chart [no-charts] -- write a manifest `mirrors/<name>.yaml` (source, destination, versions, provenance), or add a chart folder `charts/<name>/`";
    check(&[], &[told]);
    check(&[("mirrors/.gitkeep", "")], &[told]);
    let template: [(&str, &[u8]); 2] = [SETTINGS, ("mirrors/.template.yaml", b"{}")];
    assert!(Workspace::read(&Tree::folder(folder(&template).path())).is_ok());
    let folder = folder(&[("mirrors/a.yaml", MANIFEST.as_bytes())]);
    let found = Workspace::read(&Tree::folder(folder.path())).map(|_| ()).unwrap_err();
    assert_eq!(
        lines(&found),
        [
            "chartsync.toml: there is no chartsync.toml [no-settings] -- `chartsync init DIR` makes a workspace to start from"
        ]
    );
}

#[test]
fn undecodable_files_are_told() {
    for (bytes, says) in [
        (
            &b"\xEF\xBB\xBFsource: 1\n"[..],
            "mirrors/a.yaml:1:1: the file begins with a byte order mark [byte-order-mark] -- save it without BOM",
        ),
        (b"source: \0\n", "mirrors/a.yaml:1:9: the file contains a NUL byte [nul-byte] -- remove it"),
        (b"source: \xFF\n", "mirrors/a.yaml:1:9: the file is not UTF-8 [not-utf-8] -- save it as UTF-8"),
        (&vec![b'#'; FILE_LIMIT + 1], "mirrors/a.yaml: the file is larger than 1 MiB [too-big] -- split it"),
        (b"source:\n\ttype: x\n", "mirrors/a.yaml:2:1: a tab where YAML wants spaces [yaml-tab] -- indent with spaces"),
    ] {
        let folder = folder(&[SETTINGS, ("mirrors/a.yaml", bytes)]);
        let found = Workspace::read(&Tree::folder(folder.path())).map(|_| ()).unwrap_err();
        assert_eq!(lines(&found), [says]);
    }
}

#[test]
fn manifests_are_checked_beyond_the_schema() {
    let at = "mirrors/a.yaml";
    check_edit(
        "  - v1.0.0",
        "  - 1.0.0\n  - 1.0.0+a\n  - v1.0.0\n  - 1.0.0\n  - 1.0.0-01\n  - 1.0.0_a",
        &[
            "mirrors/a.yaml:10:5: the version `1.0.0` stands twice, first in line 7 [duplicate-version] -- keep one of them",
            "mirrors/a.yaml:11:5: `versions[4]`: `1.0.0-01` is not a version: write MAJOR.MINOR.PATCH as SemVer has it, with or without a leading `v` (invalid leading zero in pre-release identifier) [invalid-value]",
            "mirrors/a.yaml:12:5: `versions[5]` is `1.0.0_a` [invalid-value] -- write MAJOR.MINOR.PATCH as SemVer has it, with or without a leading `v`; build metadata begins with `+`",
        ],
    );
    check_edit(
        "versions:\n  - v1.0.0",
        "versions: []",
        &[&format!("{at}:6:11: `versions` is an empty list [invalid-value] -- list at least one, or remove the file")],
    );
    check_edit(
        "versions:\n  - v1.0.0",
        "versions:",
        &[&format!("{at}:6:9: `versions` is empty [wrong-type] -- write a list: one `- …` line for each entry")],
    );
    let repository =
        "write registry and path in lower case, without `oci://` and without a tag: `registry.example/path/name`";
    for bad in ["oci://quay.io/up/a", "Quay.io/up/a", "quay.io/up/a:1.0.0", "quay.io", "quay.io/up/../a", "up/"] {
        check_edit(
            "quay.io/up/a",
            bad,
            &[&format!("{at}:3:15: `source.repository` is `{bad}` [invalid-value] -- {repository}")],
        );
    }
    check_edit(
        "quay.io/up/a",
        "up/a",
        &[&format!(
            "{at}:3:15: `source.repository`: `up/a` is not a repository (`registry.example/path/name`, lower case, no tag) [invalid-value]"
        )],
    );
    check_edit(
        "quay.io/up/a",
        "ghcr.io/org/charts/a",
        &[&format!(
            "{at}:5:15: source and destination are both `ghcr.io/org/charts/a` [self-mirror] -- a mirror copies from somewhere else: correct one of them"
        )],
    );
    check_edit(
        "ghcr.io/org/charts/a",
        "ghcr.io/org/charts-of-others/a",
        &[&format!(
            "{at}:5:15: the destination `ghcr.io/org/charts-of-others/a` does not lie below `ghcr.io/org/charts` [destination-outside] -- write `ghcr.io/org/charts/…`, or change `publish.repository` (chartsync.toml:2:14)"
        )],
    );
    check_edit(
        "provenance:\n  keyring: https://up.example/keys.gpg\n",
        "",
        &[&format!(
            "{at}:1:1: `provenance` is missing [missing-key] -- add `provenance:` with `keyring: …`; for charts without provenance, with `required: false`"
        )],
    );
}

#[test]
fn trust_is_checked_beyond_the_schema() {
    let at = "mirrors/a.yaml";
    let key = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";
    check_edit(
        "keys.gpg\n",
        &format!("keys.gpg\n  fingerprints: [{key}, {}, 665DF13E]\n", key.to_lowercase()),
        &[
            &format!(
                "{at}:10:60: the fingerprint `{key}` stands twice, first in line 10 [duplicate-fingerprint] -- keep one of them"
            ),
            &format!(
                "{at}:10:102: `provenance.fingerprints[2]` is `665DF13E` [invalid-value] -- write a key's full fingerprint: 40 or 64 hex digits without blanks; short key ids can be forged"
            ),
        ],
    );
    check_edit(
        "keyring: https://up.example/keys.gpg",
        &format!("required: false\n  fingerprints: [{key}]"),
        &[&format!(
            "{at}:10:3: `provenance.fingerprints` means nothing without a keyring [idle-setting] -- add `keyring: …`, or remove the fingerprints"
        )],
    );
    for (url, says) in [
        (
            "http://up.example/k",
            "`http://up.example/k` is not a keyring's URL: it is not https [keyring-url] -- use an https URL, or put the keyring into the workspace",
        ),
        (
            "file:///etc/passwd",
            "`file:///etc/passwd` is not a keyring's URL: it is not https [keyring-url] -- use an https URL, or put the keyring into the workspace",
        ),
        (
            "https://me:secret@up.example/k",
            "`https://…@up.example/k` is not a keyring's URL: it has a user name or a password [keyring-url] -- keyrings are public: use a URL without credentials",
        ),
        (
            "https://up.example/k#x",
            "`https://up.example/k#x` is not a keyring's URL: it has a fragment [keyring-url] -- remove `#` and what follows: servers never see it",
        ),
        (
            "https://",
            "`https://` is not a keyring's URL: empty host [keyring-url] -- write it as a browser's address line shows it",
        ),
        (
            "../k.gpg",
            "the path `../k.gpg` leaves the workspace: name a file below the folder of chartsync.toml [invalid-value]",
        ),
        (
            "/k.gpg",
            "the path `/k.gpg` leaves the workspace: name a file below the folder of chartsync.toml [invalid-value]",
        ),
    ] {
        check_edit("https://up.example/keys.gpg", url, &[&format!("{at}:9:12: `provenance.keyring`: {says}")]);
    }
}

#[test]
fn keyrings_must_be_there_and_usable() {
    let help = "put the publisher's public keys there (`gpg --export --armor FINGERPRINT`), or name an https URL";
    let manifest = MANIFEST.replace("https://up.example/keys.gpg", "keys/up.gpg");
    check(
        &[("mirrors/a.yaml", &manifest)],
        &[&format!(
            "mirrors/a.yaml:9:12: the keyring `keys/up.gpg` cannot be used: there is no such file [keyring-unusable] -- {help}"
        )],
    );
    let folder = folder(&[SETTINGS, ("mirrors/a.yaml", manifest.as_bytes()), ("keys/up.gpg", b"no keyring")]);
    let found = lines(&Workspace::read(&Tree::folder(folder.path())).map(|_| ()).unwrap_err());
    assert!(
        found.len() == 1 && found[0].starts_with("mirrors/a.yaml:9:12: the keyring `keys/up.gpg` cannot be used: "),
        "{found:?}"
    );
    #[cfg(unix)]
    {
        let path = folder.path().join("keys/up.gpg");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        let found = lines(&Workspace::read(&Tree::folder(folder.path())).map(|_| ()).unwrap_err());
        assert_eq!(
            found,
            [format!(
                "mirrors/a.yaml:9:12: the keyring `keys/up.gpg` cannot be used: `keys/up.gpg` is a symbolic link, and links are not followed: put the file itself there [keyring-unusable] -- {help}"
            )]
        );
    }
    let digest = Digest::of(b"keys");
    let file = keyring_file(&digest);
    check(
        &[("mirrors/a.yaml", MANIFEST), (&file, "other keys")],
        &[&format!(
            "{file}: the keyring's bytes have the digest {}, not the one in its name [keyring-digest] -- restore the file from Git; a keyring of your own gets a name that is no digest",
            Digest::of(b"other keys")
        )],
    );
    let workspace = read(&[("mirrors/a.yaml", MANIFEST), (&file, "keys"), ("keyrings/README.md", "notes")]);
    assert_eq!(workspace.keyring(&digest), Some(&b"keys"[..]));
    assert!(workspace.keyrings.is_committed(&digest) && workspace.keyrings.committed().count() == 1);
    assert!(workspace.keyrings.parsed(&digest).is_none());
}

#[test]
fn files_agree_with_each_other() {
    let other = MANIFEST.replace("quay.io/up/a", "quay.io/up/b");
    check(
        &[("mirrors/a.yaml", MANIFEST), ("mirrors/b.yaml", &other)],
        &[
            "mirrors/b.yaml:5:15: `ghcr.io/org/charts/a` is the destination of mirrors/a.yaml:5:15 too [duplicate-destination] -- give each mirror its own destination, or put all versions into one manifest",
        ],
    );
    let keyless = |rest: &str| {
        format!(
            "[publish]\nrepository = \"ghcr.io/org/charts\"\n[signing]\nmethod = \"keyless\"\nissuer = \"https://i.example\"\nmirrors = \"m\"\ncharts = \"c\"\n{rest}"
        )
    };
    let help = "choose `signing.method = \"key\"` or `\"none\"`, or reach the registry over https";
    let settings = keyless("[registry.\"ghcr.io\"]\nlayout = \"out\"\n[registry.\"quay.io\"]\nplain-http = true\n");
    check(
        &[("chartsync.toml", &settings), ("mirrors/a.yaml", MANIFEST)],
        &[
            &format!(
                "chartsync.toml:2:14: keyless signing refuses `ghcr.io`, which is a folder of layouts [keyless-place] -- {help}"
            ),
            &format!(
                "mirrors/a.yaml:3:15: keyless signing refuses `quay.io`, which is reached over plain http [keyless-place] -- {help}"
            ),
        ],
    );
    let local = MANIFEST.replace("quay.io", "localhost:5000");
    let settings = keyless("[registry.\"localhost:5000\"]\nplain-http = true\n");
    assert_eq!(read(&[("chartsync.toml", &settings), ("mirrors/a.yaml", &local)]).mirrors.len(), 1);
}

#[test]
fn a_base_may_have_nothing() {
    let empty = folder(&[("README.md", b"")]);
    assert!(Workspace::read_base(&Tree::folder(empty.path())).unwrap().is_none());
    let bare = folder(&[SETTINGS]);
    assert!(Workspace::read_base(&Tree::folder(bare.path())).unwrap().unwrap().mirrors.is_empty());
    let broken = folder(&[SETTINGS, ("mirrors/a.yaml", b"a")]);
    assert!(Workspace::read_base(&Tree::folder(broken.path())).is_err());
}

#[test]
fn the_root_is_found_from_below() {
    let workspace = folder(&[SETTINGS, ("charts/a/templates/x", b"")]);
    let root = workspace.path();
    assert_eq!(find_root(&root.join("charts/a/templates")).unwrap(), root);
    assert_eq!(find_root(root).unwrap(), root);
    let elsewhere = folder(&[]);
    assert_eq!(find_root(elsewhere.path()).unwrap_err().code.as_str(), "no-workspace");
}

#[test]
fn the_schema_is_a_schema() {
    let schema: serde_json::Value = serde_json::from_str(MIRROR_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
}
