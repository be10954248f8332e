//! Signatures of cosign key pairs, with a log and without one: chartsync signs and stock cosign accepts, and the other way round.

use std::fs;
use std::path::Path;

use crate::support::charts::Desk;
use crate::support::process::{Ran, hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::signed::{KEY_PASSWORD, key_pair};
use crate::support::sigstore::{COSIGNS, RekorVersion, Sigstore};
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

/// Whether signatures are logged, and where.
#[derive(Clone, Copy)]
enum Log<'a> {
    None,
    Rekor(&'a Sigstore, RekorVersion),
}

/// A registry with an upstream chart, and a workspace that mirrors it and signs with a key pair.
struct Bench<'a> {
    registry: Registry,
    desk: Desk,
    workspace: Workspace,
    log: Log<'a>,
}

impl<'a> Bench<'a> {
    fn new(kind: Kind, log: Log<'a>) -> Self {
        let (registry, desk) = (Registry::start(kind), Desk::new());
        desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", "1.0.4", None);
        let mut signing = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n".to_owned();
        if let Log::Rekor(..) = log {
            signing += "trusted-root = \"trusted_root.json\"\nsigning-config = \"signing_config.json\"\n";
        }
        let workspace = Workspace::signing(&registry.repository("charts"), &signing).plain_http(&registry.host());
        if let Log::Rekor(sigstore, version) = log {
            workspace.write("trusted_root.json", fs::read(sigstore.trusted_root()).unwrap());
            workspace.write("signing_config.json", fs::read(sigstore.signing_config(version)).unwrap());
        }
        key_pair(&workspace.path(""));
        let (source, destination) = (registry.repository("upstream/web"), registry.repository("charts/web"));
        workspace.mirror("web", &source, &destination, &["1.0.4"], &unsigned());
        let mut bench = Self { registry, desk, workspace, log };
        bench.workspace.run("lock").ok();
        bench.password(KEY_PASSWORD);
        bench
    }

    fn password(&mut self, password: &str) {
        self.workspace.set("COSIGN_PASSWORD", Path::new(password));
    }

    fn reference(&self) -> String {
        self.registry.repository("charts/web:1.0.4")
    }

    fn place(&self, tag: &str) -> [String; 4] {
        let repository = format!("repository={}", self.registry.repository("charts/web"));
        ["-a".to_owned(), repository, "-a".to_owned(), format!("tag={tag}")]
    }

    /// `cosign verify --key`, as the README has it.
    fn verify(&self, cosign: Tool, tag: &str) -> Ran {
        let mut command = self.cosign(cosign);
        command.args(["verify", "--allow-http-registry", "--key", "cosign.pub"]).args(self.place(tag));
        match self.log {
            Log::None => {
                // The old one wants a trusted root even where nothing of it is needed.
                let nobody = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
                self.workspace.write("nobody.json", nobody);
                command.args(["--insecure-ignore-tlog", "--trusted-root", "nobody.json"])
            }
            Log::Rekor(sigstore, version) => {
                if version == RekorVersion::V2 {
                    command.arg("--use-signed-timestamps");
                }
                command.arg("--trusted-root").arg(sigstore.trusted_root())
            }
        };
        run(command.arg(self.reference()))
    }

    fn cosign(&self, cosign: Tool) -> std::process::Command {
        let mut command = hermetic(cosign.path(), &self.desk.path("home"));
        command.current_dir(self.workspace.path("")).env("COSIGN_PASSWORD", KEY_PASSWORD);
        command
    }
}

fn signs(kind: Kind, log: Log<'_>) {
    let bench = Bench::new(kind, log);
    bench.workspace.run("apply").ok().says("signed for this place by cosign.pub");
    for cosign in COSIGNS {
        bench.verify(cosign, "1.0.4").ok();
    }
    bench.verify(Tool::Cosign3, "1.0.5").refused();
    bench.workspace.run("verify").ok().says("1 chart is published with a signature of cosign.pub");
    bench.workspace.forget_cache();
    bench.workspace.run("apply").ok().says("nothing to do");

    // Another key is not ours, until the settings say so.
    fs::rename(bench.workspace.path("cosign.pub"), bench.workspace.path("old.pub")).unwrap();
    fs::remove_file(bench.workspace.path("cosign.key")).unwrap();
    key_pair(&bench.workspace.path(""));
    bench.workspace.run("verify").exits(4).says("signature: no public key of the settings made it");
    let settings = bench.workspace.read("chartsync.toml");
    let accepting = settings.replace("[signing]\n", "[signing]\naccept = [\"old.pub\"]\n");
    bench.workspace.write("chartsync.toml", accepting);
    bench.workspace.run("verify").ok().says("1 chart is published with a signature of old.pub");
    bench.workspace.run("plan").ok().says("nothing to do");
    bench.workspace.write("chartsync.toml", settings);
    bench.workspace.run("plan").ok().says("s sign  web 1.0.4");
}

#[test]
fn without_a_log_on_both_kinds_of_registry() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Crane, Tool::Cosign3, Tool::Cosign2);
    signs(Kind::Distribution, Log::None);
    signs(Kind::Olareg, Log::None);
}

#[test]
fn with_rekor_v1() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    signs(Kind::Distribution, Log::Rekor(sigstore, RekorVersion::V1));
}

#[test]
fn with_rekor_v2() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    signs(Kind::Olareg, Log::Rekor(sigstore, RekorVersion::V2));
}

/// Where the settings name a log, a signature without an entry there does not count.
#[test]
fn a_signature_that_should_be_logged_and_is_not_does_not_count() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let bench = Bench::new(Kind::Distribution, Log::Rekor(sigstore, RekorVersion::V1));
    let settings = bench.workspace.read("chartsync.toml");
    let unlogged =
        settings.lines().filter(|line| !line.starts_with("trusted-root") && !line.starts_with("signing-config"));
    bench.workspace.write("chartsync.toml", unlogged.collect::<Vec<_>>().join("\n"));
    bench.workspace.run("apply").ok();
    bench.workspace.write("chartsync.toml", settings);
    bench.workspace.run("verify").exits(4).says("log entry: there is none, and the settings name a log");
    bench.workspace.run("apply").ok().says("s signed  web 1.0.4");
    bench.workspace.run("verify").ok();
}

/// What `cosign sign --key` made with both annotations is ours.
#[test]
fn signatures_that_cosign_made_are_recognised() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Cosign3);
    let bench = Bench::new(Kind::Distribution, Log::None);
    let upstream = bench.registry.repository("upstream/web:1.0.4");
    bench.desk.run(Tool::Crane, &format!("copy {upstream} {}", bench.reference())).ok();
    let digest = bench.desk.digest(&bench.reference());
    let by_digest = format!("{}@{digest}", bench.registry.repository("charts/web"));
    let config = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}"#;
    bench.workspace.write("none.json", config);
    let mut command = bench.cosign(Tool::Cosign3);
    command.args(["sign", "--yes", "--allow-http-registry", "--key", "cosign.key", "--signing-config", "none.json"]);
    run(command.args(bench.place("1.0.4")).arg(by_digest)).ok();
    bench.workspace.run("plan").ok().says("nothing to do");
    bench.workspace.run("verify").ok().says("a signature of cosign.pub");
}

#[test]
fn keys_that_cannot_sign_are_told_before_anything_is_written() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane, Tool::Cosign3);
    let mut bench = Bench::new(Kind::Distribution, Log::None);
    let refused = |bench: &Bench<'_>, words: &str| {
        bench.registry.front().take();
        bench.workspace.run("apply").exits(1).says("nothing was published").says(words);
        let counts = bench.registry.front().take_counts();
        assert!(counts.iter().all(|(what, _)| what.starts_with("HEAD") || what.starts_with("GET")), "{counts:?}");
    };
    bench.password("wrong");
    refused(&bench, "COSIGN_PASSWORD does not hold its password");
    bench.password(KEY_PASSWORD);
    let key = bench.workspace.read("cosign.key");
    fs::remove_file(bench.workspace.path("cosign.key")).unwrap();
    refused(&bench, "cosign.key");
    key_pair(&bench.workspace.path("other"));
    bench.workspace.write("cosign.key", bench.workspace.read("other/cosign.key"));
    refused(&bench, "does not belong to the public key cosign.pub");
    bench.workspace.write("cosign.key", key);
    bench.workspace.write("cosign.pub", "no key\n");
    for command in ["validate", "plan", "apply", "verify"] {
        bench.workspace.run(command).exits(1).says("cosign.pub").says("chartsync.toml");
    }
}
