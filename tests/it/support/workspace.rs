//! A workspace in a folder of its own, and the built program run in it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::charts::docker_config;
use super::pgp::Key;
use super::process::{Ran, hermetic, run};
use super::tools::Tool;

/// A workspace under construction: what is written is what the next command reads.
pub(crate) struct Workspace {
    dir: TempDir,
    settings: String,
    environment: Vec<(String, OsString)>,
}

impl Workspace {
    /// Publishes below this repository, signs nothing.
    pub(crate) fn new(publish: &str) -> Self {
        Self::signing(publish, "method = \"none\"\n")
    }

    /// Publishes below this repository, signs as this body of `[signing]` says.
    pub(crate) fn signing(publish: &str, signing: &str) -> Self {
        let dir = TempDir::new().unwrap();
        for folder in ["home", "root/mirrors"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let settings = format!("[publish]\nrepository = \"{publish}\"\n\n[signing]\n{signing}");
        let workspace = Self { dir, settings: String::new(), environment: Vec::new() };
        workspace.with_settings(&settings)
    }

    /// Appends to `chartsync.toml`.
    pub(crate) fn with_settings(mut self, toml: &str) -> Self {
        self.add_settings(toml);
        self
    }

    /// Appends to `chartsync.toml`.
    pub(crate) fn add_settings(&mut self, toml: &str) {
        self.settings.push_str(toml);
        self.settings.push('\n');
        self.write("chartsync.toml", &self.settings);
    }

    /// A registry that is spoken to over plain http.
    pub(crate) fn plain_http(self, host: &str) -> Self {
        self.with_settings(&format!("[registry.\"{host}\"]\nplain-http = true"))
    }

    /// A registry that is a folder of layouts below the root.
    pub(crate) fn layout(self, host: &str, folder: &str) -> Self {
        self.with_settings(&format!("[registry.\"{host}\"]\nlayout = \"{folder}\""))
    }

    /// An exception that was reviewed.
    pub(crate) fn accept(&mut self, finding: &str, reference: &str, digest: &str) {
        self.add_settings(&format!(
            "[[accept]]\nfinding = \"{finding}\"\nreference = \"{reference}\"\ndigest = \"{digest}\"\nreason = \"for one test\""
        ));
    }

    /// Adds or replaces a mirror. `trust` is the body of its `provenance`, see [`signed_by`] and [`unsigned`].
    pub(crate) fn mirror(&self, name: &str, source: &str, destination: &str, versions: &[&str], trust: &str) {
        let versions = versions.join("\n  - ");
        self.write(
            &format!("mirrors/{name}.yaml"),
            format!(
                "source:\n  type: helm-oci\n  repository: {source}\ndestination:\n  repository: {destination}\n\
                 versions:\n  - {versions}\nprovenance:\n{trust}"
            ),
        );
    }

    /// Commits a key's public part as a keyring file; gives the body of a `provenance` that requires it.
    pub(crate) fn signed_by(&self, key: &Key) -> String {
        let file = format!("keyrings/{}.gpg", key.fingerprint());
        self.write(&file, key.public());
        format!("  keyring: {file}\n")
    }

    /// A file of the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    /// Writes a file of the workspace.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads a file of the workspace.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Stores the account of these registries where Docker's clients look.
    pub(crate) fn log_in(&self, hosts: &[String]) {
        let folder = self.dir.path().join("home/.docker");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), docker_config(hosts)).unwrap();
    }

    /// Deletes what earlier commands cached.
    pub(crate) fn forget_cache(&self) {
        let cache = self.dir.path().join("home/.cache");
        if cache.exists() {
            fs::remove_dir_all(cache).unwrap();
        }
    }

    /// From now on commands run with this variable.
    pub(crate) fn set(&mut self, name: &str, value: &Path) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// From now on commands run with these variables.
    pub(crate) fn set_all(&mut self, variables: &[(String, String)]) {
        self.environment.extend(variables.iter().map(|(name, value)| (name.clone(), value.into())));
    }

    /// A command of the program, from the root, with nothing of this machine's around it.
    pub(crate) fn command(&self) -> Command {
        let mut command = hermetic(env!("CARGO_BIN_EXE_chartsync"), &self.dir.path().join("home"));
        command.current_dir(self.path("")).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs Git in the root, with nothing of this machine's around it.
    #[track_caller]
    pub(crate) fn git(&self, words: &str) -> Ran {
        let mut command = hermetic(Tool::Git.path(), Path::new("/nonexistent"));
        command.current_dir(self.path("")).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        run(command.args(words.split_whitespace())).ok()
    }

    /// Makes the root a repository whose only commit has everything in it but what stands in `.gitignore`.
    #[track_caller]
    pub(crate) fn commit(&self) {
        self.git("init --quiet");
        self.git("add .");
        self.git("commit --quiet --message base");
    }

    /// Runs the program with words separated by blanks.
    #[track_caller]
    pub(crate) fn run(&self, words: &str) -> Ran {
        run(self.command().args(words.split_whitespace()))
    }
}

/// The body of a `provenance` that asks for none.
pub(crate) fn unsigned() -> String {
    "  required: false\n".to_owned()
}
