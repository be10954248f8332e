//! Charts made by stock helm, and the other tools' views of what lies on registries and in layouts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::pgp::Key;
use super::process::{Ran, hermetic, run};
use super::registry::{PASSWORD, USER};
use super::tools::Tool;

/// A person's machine: a home of its own, and the tools.
pub(crate) struct Desk {
    dir: TempDir,
    authority: Option<PathBuf>,
}

/// A packaged chart, its `.prov` beside it if it was signed.
pub(crate) struct Package {
    pub(crate) archive: PathBuf,
}

impl Package {
    /// Where its provenance is, or would be.
    pub(crate) fn provenance(&self) -> PathBuf {
        let mut path = self.archive.clone().into_os_string();
        path.push(".prov");
        path.into()
    }

    /// Replaces the signature on the provenance by an old one of `key`; the text stays helm's.
    #[track_caller]
    pub(crate) fn resign_in_the_past(&self, key: &Key) {
        let provenance = fs::read_to_string(self.provenance()).unwrap();
        let (_, text) = provenance.split_once("\n\n").unwrap();
        let (text, _) = text.split_once("\n-----BEGIN PGP SIGNATURE-----").unwrap();
        fs::write(self.provenance(), key.clear_sign(text)).unwrap();
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, authority: None }
    }

    /// From now on helm, oras and crane trust this authority.
    pub(crate) fn trust(&mut self, authority: &Path) {
        self.authority = Some(authority.to_owned());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, its folders included, and tells where.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Stores the account of these registries where Docker's and Helm's clients look.
    pub(crate) fn log_in(&self, hosts: &[String]) {
        self.write("home/.docker/config.json", docker_config(hosts));
        self.write("home/.config/helm/registry/config.json", docker_config(hosts));
    }

    /// A command of this desk.
    pub(crate) fn command(&self, tool: Tool) -> Command {
        let mut command = hermetic(tool.path(), &self.path("home"));
        command.current_dir(self.dir.path());
        if let Some(authority) = &self.authority {
            command.env("SSL_CERT_FILE", authority);
        }
        command
    }

    /// Runs a tool with words separated by blanks: no argument of these tests holds one.
    #[track_caller]
    pub(crate) fn run(&self, tool: Tool, words: &str) -> Ran {
        run(self.command(tool).args(words.split_whitespace()))
    }

    /// `--plain-http` for a registry without TLS, as helm and oras call it.
    fn plain(&self) -> &'static str {
        if self.authority.is_some() { "" } else { "--plain-http" }
    }

    /// A small chart folder: `name`, `version`, and what else its Chart.yaml says.
    pub(crate) fn chart(&self, name: &str, version: &str, more: &str) -> PathBuf {
        let folder = format!("charts/{name}-{version}");
        self.write(
            &format!("{folder}/Chart.yaml"),
            format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: A chart for one test\n{more}"),
        );
        self.write(
            &format!("{folder}/values.yaml"),
            format!("# Values of {name}\nreplicas: 1\nversion: \"{version}\"\n"),
        );
        self.write(
            &format!("{folder}/templates/config.yaml"),
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  replicas: \"{{ .Values.replicas }}\"\n",
        );
        self.path(&folder)
    }

    /// `helm package`, signed if there is a key.
    #[track_caller]
    pub(crate) fn package(&self, helm: Tool, folder: &Path, key: Option<&Key>) -> Package {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let mut command = self.command(helm);
        command.arg("package").arg(folder).arg("--destination").arg(self.path("packages"));
        if let Some(key) = key {
            let ring = self.write(&format!("secret/{}.gpg", key.fingerprint()), key.secret());
            command.arg("--sign").arg("--key").arg(&key.user_id).arg("--keyring").arg(ring);
        }
        run(&mut command).ok();
        Package { archive: self.path("packages").join(format!("{name}.tgz")) }
    }

    /// `helm push` into `repository`'s parent: helm appends the chart's name.
    #[track_caller]
    pub(crate) fn push(&self, helm: Tool, package: &Package, parent: &str) {
        self.run(helm, &format!("push {} oci://{parent} {}", package.archive.display(), self.plain())).ok();
    }

    /// Makes, signs and pushes a chart in one go; gives its package.
    #[track_caller]
    pub(crate) fn publish(&self, helm: Tool, parent: &str, name: &str, version: &str, key: Option<&Key>) -> Package {
        let package = self.package(helm, &self.chart(name, version, ""), key);
        self.push(helm, &package, parent);
        package
    }

    /// `helm pull` into a new folder; with a keyring, `--prov --verify`.
    #[track_caller]
    pub(crate) fn pull(&self, helm: Tool, repository: &str, version: &str, keyring: Option<&Path>) -> (Ran, TempDir) {
        let into = TempDir::new_in(self.dir.path()).unwrap();
        let mut command = self.command(helm);
        command
            .args(["pull", &format!("oci://{repository}"), "--version", version])
            .arg("--destination")
            .arg(into.path());
        command.args(self.plain().split_whitespace());
        if let Some(keyring) = keyring {
            command.args(["--prov", "--verify", "--keyring"]).arg(keyring);
        }
        (run(&mut command), into)
    }

    /// The image manifest's bytes, as oras fetches them.
    #[track_caller]
    pub(crate) fn manifest(&self, reference: &str) -> Vec<u8> {
        self.run(Tool::Oras, &format!("manifest fetch {} {reference}", self.plain())).ok().stdout
    }

    /// The digest of a reference, as crane tells it.
    #[track_caller]
    pub(crate) fn digest(&self, reference: &str) -> String {
        self.run(Tool::Crane, &format!("digest {reference}")).ok().stdout().trim().to_owned()
    }
}

/// A Docker configuration that knows the account of these registries.
pub(crate) fn docker_config(hosts: &[String]) -> String {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let auths: serde_json::Map<String, Value> =
        hosts.iter().map(|host| (host.clone(), json!({"auth": auth}))).collect();
    json!({"auths": auths}).to_string()
}

/// Digests of an image manifest's config and layers, in its order.
pub(crate) fn blobs(manifest: &[u8]) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    std::iter::once(&manifest["config"]).chain(layers).map(|part| part["digest"].as_str().unwrap().to_owned()).collect()
}
