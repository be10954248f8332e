use super::*;

const DESIGNED: &str = r#"
[publish]
repository = "ghcr.io/vexxhost/charts"

[signing]
method = "keyless"                            # "keyless", "key" or "none"
issuer = "https://token.actions.githubusercontent.com"
mirrors = "https://github.com/vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main"
charts  = "https://github.com/vexxhost/charts/.github/workflows/publish.yaml@refs/heads/main"
accept  = ["https://github.com/vexxhost/old/.github/workflows/a.yaml@refs/heads/main", "keys/old.pub"]
concurrency = 4

[apply]
max-changes = 7

[registry."registry.example:5000"]
plain-http = true
concurrency = 16
[registry."upstream.example"]
layout = "registry/upstream"

[[accept]]
finding = "moved"
reference = "ghcr.io/vexxhost/charts/cert-manager:v1.15.5"
digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
reason = "upstream re-released it, see their issue 123"
"#;

#[test]
fn a_whole_file_is_read() {
    let settings = Settings::parse(DESIGNED, "chartsync.toml").unwrap();
    assert_eq!(settings.publish.as_str(), "ghcr.io/vexxhost/charts");
    let Signing::Keyless(signing) = &settings.signing else { panic!("{settings:?}") };
    assert_eq!(signing.issuer, "https://token.actions.githubusercontent.com");
    assert!(signing.mirrors.ends_with("mirror.yaml@refs/heads/main"));
    assert!(
        matches!(&signing.accept[..], [PastSigner::Identity(_), PastSigner::PublicKey(key)] if key.as_str() == "keys/old.pub")
    );
    assert_eq!(signing.service.concurrency.get(), 4);
    assert_eq!(settings.max_changes, 7);
    assert_eq!(settings.access("registry.example:5000"), &Access::PlainHttp);
    assert_eq!(settings.access("upstream.example"), &Access::Layout("registry/upstream".parse().unwrap()));
    assert_eq!(settings.access("other.example"), &Access::Https);
    let reference = "ghcr.io/vexxhost/charts/cert-manager:v1.15.5".parse().unwrap();
    let accept = settings.accepts(Acceptable::Moved, &reference, &Digest::of(b"")).unwrap();
    assert_eq!(accept.location, Location::at("chartsync.toml", 22, 1));
    assert_eq!(settings.accepts(Acceptable::Gone, &reference, &Digest::of(b"")), None);
    assert_eq!(settings.accepts(Acceptable::Moved, &reference, &Digest::of(b"x")), None);
    let another = reference.repository.tagged("0.0.0".parse().unwrap());
    assert_eq!(settings.accepts(Acceptable::Moved, &another, &Digest::of(b"")), None);
}

#[test]
fn the_rest_has_defaults_and_windows_lines_are_fine() {
    let text = "[publish]\r\nrepository = \"localhost:5000/charts\"\r\n[signing]\r\nmethod = \"none\"\r\n";
    let settings = Settings::parse(text, "f").unwrap();
    assert_eq!((settings.signing, settings.max_changes), (Signing::None, 200));
    assert!(settings.registries.is_empty() && settings.accept.is_empty());
    let text = "[publish]\nrepository = \"localhost:5000/charts\"\n[signing]\nmethod = \"key\"\nkey = \"/run/cosign.key\"\npublic-key = \"./cosign.pub\"\naccept = [\"old.pub\"]\n";
    let Signing::Key(signing) = Settings::parse(text, "f").unwrap().signing else { panic!() };
    assert_eq!((signing.public_key.as_str(), signing.service.concurrency.get()), ("cosign.pub", 8));
    assert_eq!(signing.key, PathBuf::from("/run/cosign.key"));
}

/// The problems of `text`, one a line, with their help.
fn problems(text: &str) -> Vec<String> {
    let problems = Settings::parse(text, "f").unwrap_err();
    problems.iter().map(|problem| problem.to_string().replace("\n  help: ", " -- ")).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

/// `lines` behind a good `[publish]` and `[signing]` of six lines.
#[track_caller]
fn check_rest(lines: &str, expected: &[&str]) {
    check(&format!("[publish]\nrepository = \"a.b/c\"\n\n[signing]\nmethod = \"none\"\n\n{lines}"), expected);
}

#[test]
fn every_problem_comes_in_one_run() {
    check(
        "[publsh]\nrepository = 1\n[signing]\nmethod = \"keyles\"\nissuer = true\nregistry-password = \"x\"\n[apply]\nmax-changes = -1\nmax_changes = 2\n",
        &[
            "f:1:1: `publish` is missing [missing-key] -- add a table `[publish]`",
            "f:1:2: unknown key `publsh` [unknown-key] -- did you mean `publish`?",
            "f:4:10: `signing.method`: `keyles` is not a signing method [invalid-value] -- did you mean `keyless`?",
            "f:6:1: unknown key `signing.registry-password` [secret-key] -- secrets never stand in the workspace: log in with `docker login` or `helm registry login`, or name a file in `REGISTRY_AUTH_FILE`",
            "f:8:15: `apply.max-changes` is -1 [invalid-value] -- write a number from 0 to 4294967295",
            "f:9:1: unknown key `apply.max_changes` [unknown-key] -- did you mean `max-changes`?",
        ],
    );
    check(
        "",
        &[
            "f:1:1: `publish` is missing [missing-key] -- add a table `[publish]`",
            "f:1:1: `signing` is missing [missing-key] -- add a table `[signing]`",
        ],
    );
}

#[test]
fn syntax_errors_have_their_place() {
    let found = problems("[publish]\nrepository = ghcr.io/a\n[signing]\nmethod = \"none\nmethod = \"none\"\n");
    assert!(found.iter().all(|line| line.contains("[toml-syntax]")), "{found:?}");
    assert!(found[0].starts_with("f:2:14: "), "{found:?}");
    assert!(found[1].starts_with("f:4:"), "{found:?}");
    let found = problems("[publish]\nrepository = \"a.b/c\"\nrepository = \"a.b/c\"\n");
    assert_eq!(found, ["f:3:1: duplicate key [toml-syntax]"]);
    assert!(problems(&"a=[".repeat(100_000))[0].contains("[toml-syntax]"));
}

#[test]
fn signing_keeps_its_relations() {
    let signing = |lines: &str| format!("[publish]\nrepository = \"a.b/c\"\n[signing]\n{lines}");
    check(
        &signing("method = \"keyless\"\n"),
        &[
            "f:3:1: `signing.charts` is missing [missing-key] -- add `charts = \"<the identity that signs first-party charts>\"`",
            "f:3:1: `signing.issuer` is missing [missing-key] -- add `issuer = \"https://token.actions.githubusercontent.com\"`",
            "f:3:1: `signing.mirrors` is missing [missing-key] -- add `mirrors = \"<the identity that signs mirrored charts>\"`",
        ],
    );
    check(
        &signing("method = \"keyless\"\nissuer = \"http://issuer.example\"\nmirrors = \"\"\ncharts = \" a\"\n"),
        &[
            "f:5:10: `signing.issuer`: `http://issuer.example` is not an https URL [invalid-value] -- write the issuer as its tokens do",
            "f:6:11: `signing.mirrors`: `` is empty, or has blanks around it or control characters [invalid-value] -- write it whole, on one line",
            "f:7:10: `signing.charts`: ` a` is empty, or has blanks around it or control characters [invalid-value] -- write it whole, on one line",
        ],
    );
    check(
        &signing(
            "method = \"key\"\npublic-key = \"../cosign.pub\"\naccept = [\"/old.pub\", 1]\nissuer = \"https://x\"\nconcurrency = 257\n",
        ),
        &[
            "f:3:1: `signing.key` is missing [missing-key] -- add `key = \"cosign.key\"`",
            "f:5:14: `signing.public-key`: the path `../cosign.pub` leaves the workspace: name a file below the folder of chartsync.toml [invalid-value]",
            "f:6:11: `signing.accept`: the path `/old.pub` leaves the workspace: name a file below the folder of chartsync.toml [invalid-value]",
            "f:6:23: `signing.accept` is a whole number [wrong-type] -- write a text in quotes",
            "f:7:10: `signing.issuer` means nothing with `method = \"key\"` [idle-setting] -- remove it, or choose the method that uses it",
            "f:8:15: `signing.concurrency` is 257 [invalid-value] -- write a number from 1 to 256",
        ],
    );
    check(
        &signing("key = \"cosign.key\"\n"),
        &["f:3:1: `signing.method` is missing [missing-key] -- add `method = \"keyless\"`, `\"key\"` or `\"none\"`"],
    );
    check(
        &signing("method = \"none\"\naccept = []\n"),
        &[
            "f:5:10: `signing.accept` means nothing with `method = \"none\"` [idle-setting] -- remove it, or choose the method that uses it",
        ],
    );
}

#[test]
fn registries_are_hosts_with_one_access() {
    check_rest(
        "[registry.\"a.b:5000\"]\nplain-http = true\nlayout = \"x/../y\"\nconcurrency = 0\n[registry.\"c.d\"]\nplain-http = true\nlayout = \"x\"\n",
        &[
            "f:9:10: `registry.\"a.b:5000\".layout`: the path `x/../y` leaves the workspace: name a file below the folder of chartsync.toml [invalid-value]",
            "f:10:15: `registry.\"a.b:5000\".concurrency` is 0 [invalid-value] -- write a number from 1 to 256",
            "f:12:14: `registry.\"c.d\".plain-http` and `layout` exclude each other [conflicting-settings] -- a layout is a folder: remove one of them",
        ],
    );
    check_rest(
        "[registry.ghcr.io]\nplain-http = true\n[registry.\"https://a.b\"]\n[registry.\"A.b\"]\n[registry.\"e.f\"]\ntoken-realm = \"http://auth.example\"\n",
        &[
            "f:7:11: `ghcr` is not a registry [invalid-value] -- put the host in quotes: `[registry.\"registry.example:5000\"]`",
            "f:9:11: `https://a.b` is not a registry [invalid-value] -- write its host, lower case, and its port if it has one: `[registry.\"registry.example:5000\"]`",
            "f:10:11: `A.b` is not a registry [invalid-value] -- write its host, lower case, and its port if it has one: `[registry.\"registry.example:5000\"]`",
            "f:12:15: `registry.\"e.f\".token-realm`: `http://auth.example` is not the address of a token server [invalid-value] -- write scheme, host and port only: `https://auth.example`",
        ],
    );
    check_rest(
        "registry = 1\n[apply]\nmax-changes = \"all\"\n",
        &[
            "f:7:1: unknown key `signing.registry` [unknown-key] -- known here: `method`, `accept`, `trusted-root`, `signing-config`, `concurrency`, `key`, `public-key`, `issuer`, `mirrors`, `charts`",
            "f:9:15: `apply.max-changes` is a text [wrong-type] -- write a whole number",
        ],
    );
}

#[test]
fn exceptions_are_whole_and_unique() {
    let digest = Digest::of(b"");
    let entry =
        format!("[[accept]]\nfinding = \"gone\"\nreference = \"a.b/c/d:1\"\ndigest = \"{digest}\"\nreason = \"r\"\n");
    check_rest(
        &format!("{entry}{entry}"),
        &[
            "f:12:1: the exception `gone` for `a.b/c/d:1` stands twice [duplicate-accept] -- remove it: the first stands at f:7:1",
        ],
    );
    check_rest(
        &format!(
            "[[accept]]\nfinding = \"new_signer\"\nreference = \"a.b/c/d@{digest}\"\ndigest = \"sha256:00\"\nreason = \" \"\n[[accept]]\n"
        ),
        &[
            "f:8:11: `accept.finding`: `new_signer` is not a finding that can be accepted [invalid-value] -- did you mean `new-signer`?",
            &format!(
                "f:9:13: `accept.reference`: `a.b/c/d@{digest}` names no tag [invalid-value] -- write the published place: repository, `:`, tag"
            ),
            "f:10:10: `accept.digest`: `sha256:00` is not a digest (`sha256:` and 64 lower-case hex digits) [invalid-value]",
            "f:11:10: `accept.reason` is empty [invalid-value] -- say why the exception is right, for the next reader",
            "f:12:1: `accept.digest` is missing [missing-key] -- add `digest = \"sha256:…\"`",
            "f:12:1: `accept.finding` is missing [missing-key] -- add `finding = \"moved\"`",
            "f:12:1: `accept.reason` is missing [missing-key] -- add `reason = \"why this is right, for the next reader\"`",
            "f:12:1: `accept.reference` is missing [missing-key] -- add `reference = \"ghcr.io/your-org/charts/name:1.2.3\"`",
        ],
    );
    check_rest("[accept]\n", &["f:7:1: `accept` is a table [wrong-type] -- write an array of tables (`[[accept]]`)"]);
}

#[test]
fn paths_stay_below_the_root() {
    for good in ["a", "a/b.gpg", "keyrings/ä b.gpg", "a..b/c"] {
        assert_eq!(good.parse::<RootPath>().unwrap().as_str(), good);
    }
    assert_eq!("./a/b".parse::<RootPath>().unwrap().as_str(), "a/b");
    for bad in ["..", "../a", "a/../../b", "/a", "~/a", "C:/a", "a\\..\\b"] {
        assert!(matches!(bad.parse::<RootPath>(), Err(PathError::Outside(_))), "{bad}");
    }
    for bad in ["", ".", "a//b", "a/", "a/./b", "a\\b", "a\nb", "./"] {
        assert!(matches!(bad.parse::<RootPath>(), Err(PathError::NotPlain(_))), "{bad}");
    }
}

#[test]
fn loopback_is_this_machine_only() {
    for host in ["localhost", "localhost:5000", "127.0.0.1:1", "127.1.2.3", "[::1]:5000", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["localhost.example", "10.0.0.1", "127.0.0.1.example:80", "example"] {
        assert!(!is_loopback(host), "{host}");
    }
}
