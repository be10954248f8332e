//! A workspace whose charts are signed with the local Sigstore, or with a key pair of cosign's.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::charts::Desk;
use super::images::Image;
use super::process::{Ran, hermetic, run};
use super::registry::{Kind, Registry};
use super::sigstore::{COSIGNS, Claims, Fronted, RekorVersion, Sigstore};
use super::tools::Tool;
use super::workspace::{Workspace, unsigned};

/// The password of the key pairs of these tests.
pub(crate) const KEY_PASSWORD: &str = "throw-away";

/// One registry with an upstream chart, and a workspace that mirrors and signs it.
pub(crate) struct Signed {
    pub(crate) registry: Registry,
    pub(crate) desk: Desk,
    pub(crate) workspace: Workspace,
    pub(crate) sigstore: &'static Sigstore,
    pub(crate) fronted: Fronted,
    pub(crate) version: RekorVersion,
}

/// The body of `[signing]` for keyless signatures of this instance.
pub(crate) fn keyless(sigstore: &Sigstore) -> String {
    let mirrors = Claims::default().identity();
    let charts = mirrors.replace("mirror.yaml", "publish.yaml");
    format!(
        "method = \"keyless\"\nissuer = \"{}\"\nmirrors = \"{mirrors}\"\ncharts = \"{charts}\"\n\
         trusted-root = \"sigstore/trusted_root.json\"\nsigning-config = \"sigstore/signing_config.json\"\n",
        sigstore.issuer()
    )
}

impl Signed {
    /// Locked, nothing published yet: `web` in these versions.
    pub(crate) fn new(sigstore: &'static Sigstore, kind: Kind, version: RekorVersion, versions: &[&str]) -> Self {
        let (registry, desk) = (Registry::start(kind), Desk::new());
        for version in versions {
            desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", version, None);
        }
        let fronted = Fronted::new(sigstore, version);
        let workspace = Workspace::signing(&registry.repository("charts"), &keyless(sigstore));
        let mut workspace = workspace.plain_http(&registry.host());
        workspace.write("sigstore/trusted_root.json", fs::read(sigstore.trusted_root()).unwrap());
        workspace.write("sigstore/signing_config.json", fs::read(fronted.signing_config()).unwrap());
        let (source, destination) = (registry.repository("upstream/web"), registry.repository("charts/web"));
        workspace.mirror("web", &source, &destination, versions, &unsigned());
        workspace.set_all(&fronted.github_env(&Claims::default()));
        let signed = Self { registry, desk, workspace, sigstore, fronted, version };
        signed.workspace.run("lock").ok();
        signed.registry.front().take();
        signed
    }

    /// As [`Self::new`], with charts that no tool made, which takes no time however many they are.
    pub(crate) fn quickly(sigstore: &'static Sigstore, kind: Kind, version: RekorVersion, versions: &[&str]) -> Self {
        let (registry, desk) = (Registry::start(kind), Desk::new());
        let fronted = Fronted::new(sigstore, version);
        Self::publish_unsigned(&registry, "upstream", versions);
        let workspace = Self::offer(&registry, sigstore, &fronted, "charts", versions);
        Self { registry, desk, workspace, sigstore, fronted, version }
    }

    /// A locked workspace that mirrors `web` in these versions from `upstream` to `publish`.
    pub(crate) fn offer(
        registry: &Registry,
        sigstore: &Sigstore,
        fronted: &Fronted,
        publish: &str,
        versions: &[&str],
    ) -> Workspace {
        let publish = registry.repository(publish);
        let mut workspace = Workspace::signing(&publish, &keyless(sigstore)).plain_http(&registry.host());
        workspace.write("sigstore/trusted_root.json", fs::read(sigstore.trusted_root()).unwrap());
        workspace.write("sigstore/signing_config.json", fs::read(fronted.signing_config()).unwrap());
        let source = registry.repository("upstream/web");
        workspace.mirror("web", &source, &format!("{publish}/web"), versions, &unsigned());
        workspace.set_all(&fronted.github_env(&Claims::default()));
        workspace.run("lock").ok();
        workspace
    }

    /// Publishes these versions as they are, without a signature.
    pub(crate) fn publish_unsigned(registry: &Registry, publish: &str, versions: &[&str]) {
        let publish = registry.repository(publish);
        let workspace = Workspace::new(&publish).plain_http(&registry.host()).layout("upstream.example", "upstream");
        for version in versions {
            Image::chart("web", version, "", None).put(&workspace.path("upstream/web"), version);
        }
        workspace.mirror("web", "upstream.example/web", &format!("{publish}/web"), versions, &unsigned());
        workspace.run("lock").ok();
        workspace.run("apply --allow-changes 1000").ok();
    }

    /// What is attached to a chart and listed, each with its digest and kind.
    #[track_caller]
    pub(crate) fn attached(&self, reference: &str) -> Vec<(String, String)> {
        let digest = self.desk.digest(reference);
        let (repository, _) = reference.rsplit_once(':').unwrap();
        let listed =
            self.desk.run(Tool::Oras, &format!("discover --plain-http --format json {repository}@{digest}")).ok();
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = listed["referrers"].as_array().cloned().unwrap_or_default();
        listed.iter().map(|one| (text(&one["digest"]), text(&one["artifactType"]))).collect()
    }

    /// How many bundles are attached to a chart and listed.
    #[track_caller]
    pub(crate) fn bundles(&self, reference: &str) -> usize {
        self.attached(reference).iter().filter(|(_, kind)| kind.contains("sigstore.bundle")).count()
    }

    /// Where the chart is published.
    pub(crate) fn repository(&self) -> String {
        self.registry.repository("charts/web")
    }

    /// A published version by digest.
    pub(crate) fn by_digest(&self, version: &str) -> String {
        let repository = self.repository();
        format!("{repository}@{}", self.desk.digest(&format!("{repository}:{version}")))
    }

    /// The tag that lists what is attached to a version, where the registry does not.
    pub(crate) fn fallback(&self, version: &str) -> String {
        let reference = self.by_digest(version);
        let (repository, digest) = reference.split_once('@').unwrap();
        format!("{repository}:{}", digest.replace(':', "-"))
    }

    /// The README's `cosign verify` of a version's name, told this instance's issuer, this chart, and the flags that a private
    /// instance and plain http take.
    #[track_caller]
    pub(crate) fn verify(&self, cosign: Tool, version: &str, tag: &str) -> Ran {
        let readme = include_str!("../../../README.md");
        let (_, command) = readme.split_once("```\ncosign verify \\\n").unwrap();
        let (command, _) = command.split_once("```").unwrap();
        let command = command
            .replace("\\\n", " ")
            .replace("https://token.actions.githubusercontent.com", self.sigstore.issuer())
            .replace("ghcr.io/vexxhost/charts/cert-manager:v1.15.5", &format!("{}:{version}", self.repository()))
            .replace("repository=ghcr.io/vexxhost/charts/cert-manager", &format!("repository={}", self.repository()))
            .replace("tag=v1.15.5", &format!("tag={tag}"));
        let home = TempDir::new().unwrap();
        let mut verify = hermetic(cosign.path(), home.path());
        verify.args(["verify", "--allow-http-registry", "--trusted-root"]).arg(self.sigstore.trusted_root());
        // The old one does not find out by itself that a Rekor v2 tells no time.
        if cosign == Tool::Cosign2 && self.version == RekorVersion::V2 {
            verify.arg("--use-signed-timestamps");
        }
        run(verify.args(command.split_whitespace()))
    }

    /// Both cosigns accept what is published.
    #[track_caller]
    pub(crate) fn consumers_accept(&self, version: &str) {
        for cosign in COSIGNS {
            self.verify(cosign, version, version).ok();
        }
        self.verify(Tool::Cosign3, version, "9.9.9").refused();
    }

    /// `cosign sign` by the identity of the settings, with the place of this version.
    #[track_caller]
    pub(crate) fn cosign_signs(&self, claims: &Claims, version: &str, tag: &str) {
        let (repository, tag) = (format!("repository={}", self.repository()), format!("tag={tag}"));
        let place = ["-a", repository.as_str(), "-a", tag.as_str()];
        self.sigstore.cosign_sign(self.version, claims, &self.by_digest(version), &place).ok();
    }
}

/// `cosign generate-key-pair` into this folder: `cosign.key` and `cosign.pub`.
#[track_caller]
pub(crate) fn key_pair(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut command = hermetic(Tool::Cosign3.path(), folder);
    command.current_dir(folder).env("COSIGN_PASSWORD", KEY_PASSWORD).arg("generate-key-pair");
    run(&mut command).ok();
}
