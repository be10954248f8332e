//! Every field that decides whom is trusted shows in `plan --base` when it changes: one check a field.

use crate::support::pgp::Key;
use crate::support::process::Ran;
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000007";

/// A Git repository whose last commit holds these settings and one mirror; nothing of it is ever fetched.
struct Repository {
    workspace: Workspace,
    settings: String,
    manifest: String,
    /// What the plan says without a change.
    quiet: Ran,
}

impl Repository {
    fn new(settings: &str) -> Self {
        let workspace = Workspace::new("charts.example/platform");
        let (one, other) = (Key::new("One <one@example.org>"), Key::new("Other <other@example.org>"));
        for (file, key) in [("one.gpg", &one), ("other.gpg", &other)] {
            workspace.write(&format!("keyrings/{file}"), key.public());
        }
        let trust = format!("  keyring: keyrings/one.gpg\n  fingerprints: [{}]\n", one.fingerprint());
        let destination = "charts.example/platform/team/web";
        workspace.mirror("web", "upstream.example/charts/web", destination, &["1.0.0"], &trust);
        workspace.write("chartsync.toml", settings);
        for (file, text) in [("old.pub", OLD), ("new.pub", NEW), ("root.json", ROOT), ("config.json", CONFIG)] {
            workspace.write(file, text);
            workspace.write(&format!("other-{file}"), format!("{text}\n"));
        }
        workspace.commit();
        let manifest = workspace.read("mirrors/web.yaml");
        let quiet = workspace.run("plan --offline --base HEAD").exits(3);
        assert!(!quiet.said().contains("t trust"), "{quiet}");
        Self { workspace, settings: settings.to_owned(), manifest, quiet }
    }

    /// Replaces text of a file, and asserts that the plan then says these words, which it did not say before.
    #[track_caller]
    fn tells(&self, file: &str, from: &str, to: &str, words: &[&str]) {
        let text = if file == "chartsync.toml" { &self.settings } else { &self.manifest };
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.workspace.write(file, text.replacen(from, to, 1));
        let ran = self.workspace.run("plan --offline --base HEAD").exits(3).says("t trust");
        for words in words {
            assert!(ran.said().contains(words) && !self.quiet.said().contains(words), "no new {words:?} in {ran}");
        }
        self.workspace.write(file, text);
    }

    #[track_caller]
    fn setting(&self, from: &str, to: &str, words: &[&str]) {
        self.tells("chartsync.toml", from, to, words);
    }
}

const OLD: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOU5FEmeaGyeUJ22lL5JlyEV5tYwa\nITefF4Y2YJBbWLzxwnRW//O+VK23J2lKAA6hJ6Hx9wJ9RZjA5Eg0sD5KHg==\n-----END PUBLIC KEY-----\n";
const NEW: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEelln6gbndeO+YnW8dl3EaP4b1Gb3\nAg48+Ua6YY4iNTNSKeymDFfZWIrK9z/TOXkiShScJ8x9fuU3DS8REZqfvw==\n-----END PUBLIC KEY-----\n";
const ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
const CONFIG: &str = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
"caUrls":[{"url":"https://authority.example","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"a"}],
"rekorTlogUrls":[{"url":"https://log.example","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"a"}],
"rekorTlogConfig":{"selector":"ANY"}}"#;

const PLAIN: &str = "[publish]\nrepository = \"charts.example/platform\"\n[signing]\nmethod = \"none\"\n\
     [registry.\"upstream.example\"]\nconcurrency = 2\n";

const KEYLESS: &str = "[publish]\nrepository = \"charts.example/platform\"\n[signing]\nmethod = \"keyless\"\n\
     issuer = \"https://tokens.example\"\nmirrors = \"https://git.example/mirror.yaml@main\"\n\
     charts = \"https://git.example/publish.yaml@main\"\naccept = [\"https://git.example/past.yaml@main\"]\n\
     trusted-root = \"root.json\"\nsigning-config = \"config.json\"\n";

const KEY: &str = "[publish]\nrepository = \"charts.example/platform\"\n[signing]\nmethod = \"key\"\n\
     key = \"secret.key\"\npublic-key = \"old.pub\"\naccept = []\n";

#[test]
fn how_registries_are_reached() {
    needs!(Tool::Git);
    let repository = Repository::new(PLAIN);
    let host = "upstream.example";
    repository.setting("concurrency = 2", "plain-http = true", &[host, "https", "plain http"]);
    repository.setting("concurrency = 2", "layout = \"somewhere\"", &[host, "https", "somewhere"]);
    let realm = "token-realm = \"https://auth.example\"";
    repository.setting("concurrency = 2", realm, &["credential", host, "https://auth.example", "chartsync.toml:5:1"]);
    let other = "[registry.\"charts.example\"]\nplain-http = true\n[registry.\"upstream.example\"]";
    repository.setting("[registry.\"upstream.example\"]", other, &["`charts.example`", "plain http"]);
}

#[test]
fn where_it_is_published_and_what_is_excepted() {
    needs!(Tool::Git);
    let repository = Repository::new(PLAIN);
    let narrower = "charts.example/platform/team";
    repository.setting(
        "charts.example/platform",
        narrower,
        &["`[publish] repository`", "to `charts.example/platform/team`"],
    );
    for finding in ["moved", "gone", "replace", "unsigned", "expired-key", "new-signer"] {
        let entry = format!(
            "[[accept]]\nfinding = \"{finding}\"\nreference = \"charts.example/platform/team/web:1.0.0\"\n\
             digest = \"{DIGEST}\"\nreason = \"because I say so\"\n[registry"
        );
        let words = [&format!("`{finding}`"), DIGEST, "because I say so", "chartsync.toml:"];
        repository.setting("[registry", &entry, &words);
    }
    repository.setting(
        "[signing]",
        "[apply]\nmax-changes = 9999\n[signing]",
        &["max-changes", "9999", "chartsync.toml:4:15"],
    );
}

#[test]
fn how_it_is_signed() {
    needs!(Tool::Git);
    let method = "method = \"none\"";
    let key = "method = \"key\"\nkey = \"secret.key\"\npublic-key = \"old.pub\"";
    Repository::new(PLAIN).setting(method, key, &["`[signing] method`", "`none`", "`key`"]);

    let keyless = Repository::new(KEYLESS);
    let none = KEYLESS.split("method").nth(1).unwrap();
    keyless.setting(&format!("method{none}"), "method = \"none\"\n", &["`[signing] method`", "`keyless`", "`none`"]);
    let fields = [
        ("issuer", "https://tokens.example", "https://others.example"),
        ("mirrors", "https://git.example/mirror.yaml@main", "https://git.example/mirror.yaml@feature"),
        ("charts", "https://git.example/publish.yaml@main", "https://git.example/publish.yaml@feature"),
        ("accept", "https://git.example/past.yaml@main", "https://git.example/stranger.yaml@main"),
        ("trusted-root", "root.json", "other-root.json"),
        ("signing-config", "config.json", "other-config.json"),
    ];
    for (field, old, new) in fields {
        let words = [&format!("`[signing] {field}`"), old, new];
        keyless.setting(&format!("\"{old}\""), &format!("\"{new}\""), &words);
    }
    keyless.setting("accept = [", "accept = [\"old.pub\", ", &["`[signing] accept`", "old.pub"]);

    let key = Repository::new(KEY);
    key.setting("\"old.pub\"", "\"new.pub\"", &["`[signing] public-key`", "old.pub", "new.pub"]);
    key.setting("accept = []", "accept = [\"new.pub\"]", &["`[signing] accept`", "new.pub"]);
    // The same path with other bytes is another key.
    key.workspace.write("old.pub", NEW);
    let ran = key.workspace.run("plan --offline --base HEAD").exits(3).says("t trust").says("`[signing] public-key`");
    assert_eq!(ran.said().matches("old.pub (sha256:").count(), 2, "{ran}");
}

#[test]
fn whom_a_mirror_trusts() {
    needs!(Tool::Git);
    let repository = Repository::new(PLAIN);
    let tells = |from: &str, to: &str, words: &[&str]| repository.tells("mirrors/web.yaml", from, to, words);
    let fingerprints = repository.manifest.lines().find(|line| line.contains("fingerprints")).unwrap().to_owned();
    let listed = fingerprints.trim_start_matches("  fingerprints: [").trim_end_matches(']');
    let stranger = "0123456789ABCDEF0123456789ABCDEF01234567";
    tells("upstream.example/charts", "upstream.example/forks", &["source", "upstream.example/forks/web"]);
    tells("keyrings/one.gpg", "keyrings/other.gpg", &["keyring", "keyrings/other.gpg"]);
    tells("provenance:\n", "provenance:\n  required: false\n", &["`required`", "`not required`"]);
    tells(&fingerprints, "", &["`fingerprints`", listed]);
    tells(listed, &format!("{listed}, {stranger}"), &["`fingerprints`", stranger]);
    tells(listed, stranger, &["`fingerprints`", stranger]);
}

/// A destination that has no "before" is named with everything that it trusts.
#[test]
fn whom_a_new_or_renamed_mirror_trusts() {
    needs!(Tool::Git);
    let repository = Repository::new(PLAIN);
    let stranger = "0123456789ABCDEF0123456789ABCDEF01234567";
    let destination = "charts.example/platform/apps/web";
    let renamed = repository.manifest.replace("charts.example/platform/team/web", destination);
    let lax = renamed.replace("provenance:\n", "provenance:\n  required: false\n");
    let listed = renamed.lines().find(|line| line.contains("fingerprints")).unwrap().to_owned();
    let cases = [
        (lax, vec![destination, "not required"]),
        (renamed.replace(&listed, ""), vec![destination, "any key of its keyring"]),
        (renamed.replace(&listed, &format!("  fingerprints: [{stranger}]")), vec![destination, stranger]),
        (renamed.replace("one.gpg", "other.gpg"), vec![destination, "keyrings/other.gpg"]),
        (renamed.replace("upstream.example", "fork.example"), vec![destination, "fork.example/charts/web"]),
    ];
    for (manifest, words) in cases {
        repository.tells("mirrors/web.yaml", &repository.manifest, &manifest, &words);
    }
    // The same under another file name, beside the old one.
    let beside = renamed.replace("provenance:\n", "provenance:\n  required: false\n").replace(&listed, "");
    repository.workspace.write("mirrors/beside.yaml", beside);
    let ran = repository.workspace.run("plan --offline --base HEAD").exits(3).says(destination).says("not required");
    ran.says("any key of its keyring").says("mirrors/beside.yaml");
}

/// A version that is no longer audited, and a pin that says something else about the same bytes.
#[test]
fn what_becomes_of_pins() {
    needs!(Tool::Git);
    let sides = crate::sides::Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.workspace.run("apply").ok();
    sides.workspace.commit();
    sides.keep();
    let archive = crate::sides::field(&crate::sides::blocks(&sides.lockfile())[1], "archive");
    sides.workspace.write("mirrors.lock", sides.lockfile().replace(&archive, DIGEST));
    let ran = sides.workspace.run("plan --base HEAD");
    assert!(ran.said().contains("web:1.1.0") && ran.said().contains("archive"), "{ran}");
    // Its pin dropped with it, or left behind: the version is audited no longer.
    for locks in [true, false] {
        sides.restore();
        sides.mirror("web", &["1.1.0"]);
        if locks {
            sides.workspace.run("lock").ok();
        }
        let ran = sides.workspace.run("plan --base HEAD").ok().says("t trust").says("web:1.0.0");
        let ran =
            ran.says("it is declared no longer: what is published stays, no longer audited").says("mirrors/web.yaml");
        ran.says("safe to merge? yes, if you agree with what is told below");
    }
    // A pin that is gone while its version stays is taken anew from whatever the source has.
    sides.restore();
    let blocks = crate::sides::blocks(&sides.lockfile());
    sides.workspace.write("mirrors.lock", sides.lockfile().replace(blocks[0].trim_end(), ""));
    let ran = sides.workspace.run("plan --base HEAD").exits(3).says("t trust").says("web:1.0.0");
    ran.says("its pin is gone while the version is still declared").says("mirrors/web.yaml:");
}

/// A pin that came before its version was declared brought nothing: the change that declares it brings all of it.
#[test]
fn a_pin_that_nobody_declared_counts_as_new() {
    needs!(Tool::Git);
    let sides = crate::sides::Sides::pinned(&["1.0.0", "1.1.0"]);
    sides.mirror("web", &["1.0.0"]);
    sides.workspace.run("apply").ok();
    sides.workspace.commit();
    sides.mirror("web", &["1.0.0", "1.1.0"]);
    let plan = sides.workspace.run("plan --base HEAD").ok();
    plan.says("publish  web 1.1.0").says("the same as for the version pinned before").says("since   1.0.0: ");
}

/// What leaves the set of audited charts is told in all three views.
#[test]
fn what_is_watched_no_longer() {
    needs!(Tool::Git);
    let sides = crate::sides::Sides::pinned(&["1.0.0", "1.1.0"]);
    for chart in ["own", "other"] {
        sides
            .workspace
            .write(&format!("charts/{chart}/Chart.yaml"), format!("apiVersion: v2\nname: {chart}\nversion: 1.2.3\n"));
    }
    sides.workspace.run("apply").ok();
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    sides.workspace.commit();
    let quiet = sides.workspace.run("plan --base HEAD").ok();
    assert!(quiet.said().contains("safe to merge? yes: nothing to do") && !quiet.said().contains("t trust"), "{quiet}");
    let tells = |words: &[&str]| {
        for format in ["human", "markdown", "json"] {
            let ran = sides.workspace.run(&format!("plan --base HEAD --format {format}")).ok();
            for word in words {
                assert!(ran.stdout().contains(word), "{format}: no {word:?} in {ran}");
            }
        }
    };
    std::fs::remove_dir_all(sides.workspace.path("charts/own")).unwrap();
    tells(&["the first-party chart own 1.2.3 is removed", "no longer audited", "charts/own", "yes, if you agree"]);
    // Also where only mirrors are asked about, and one chart is wrong: that one is not removed.
    sides.workspace.write("charts/other/Chart.yaml", "name: [\n");
    let ran = sides.workspace.run("plan --base HEAD --only mirrors").ok();
    assert!(ran.said().contains("chart own 1.2.3 is removed") && !ran.said().contains("chart other"), "{ran}");
    sides.workspace.git("checkout --quiet -- charts");
    sides.mirror("web", &["1.1.0"]);
    tells(&["web:1.0.0", "is declared no longer", "no longer audited"]);
    std::fs::remove_file(sides.workspace.path("mirrors/web.yaml")).unwrap();
    tells(&["web is mirrored no longer (1.0.0, 1.1.0)", "no longer audited"]);
}

/// With nothing to compare with, each setting, mirror and exception is told by itself, whatever the reason.
#[test]
fn a_base_that_cannot_be_compared_with() {
    needs!(Tool::Git);
    let exception = format!(
        "[[accept]]\nfinding = \"moved\"\nreference = \"charts.example/platform/team/web:1.0.0\"\ndigest = \"{DIGEST}\"\n\
         reason = \"because\"\n"
    );
    let settings = format!("{PLAIN}{exception}").replace("concurrency = 2", "plain-http = true");
    for (file, text, reason) in [
        ("chartsync.toml", "not = [toml", "cannot be read (chartsync.toml:1:"),
        ("chartsync.toml", "", "cannot be read ("),
        ("mirrors/web.yaml", "source: 7\n", "cannot be read (mirrors/web.yaml"),
        ("mirrors.lock", "<<<<<<< ours\n", "cannot be read (mirrors.lock:1"),
    ] {
        let repository = Repository::new(PLAIN);
        repository.workspace.write(file, text);
        repository.workspace.git("add .");
        repository.workspace.git("commit --quiet --message broken");
        repository.workspace.write("mirrors.lock", "version = 1\n");
        repository.workspace.write("mirrors/web.yaml", &repository.manifest);
        repository.workspace.write("chartsync.toml", &settings);
        let ran = repository.workspace.run("plan --offline --base HEAD").exits(3);
        for words in [
            reason,
            "so everything counts as new",
            "`[publish] repository` is `charts.example/platform`",
            "`[signing] method` is `none`",
            "`upstream.example` changes from `https` to `plain http`",
            "a new exception accepts `moved`",
            "charts.example/platform/team/web is new: it trusts upstream.example/charts/web with keyrings/one.gpg",
        ] {
            assert!(ran.said().contains(words), "{file} {text:?}: no {words:?} in {ran}");
        }
    }
}
