//! A real Sigstore on this machine, started once for the whole run, on free ports: Fulcio, CT log, Rekor v1 and v2, TSA. Only the
//! issuer of identity tokens is our own, since GitHub's cannot be had offline.
//!
//! Tests run at once and share it: what a test wants to count or to break goes through a [`Fronted`] of its own.
//!
//! To look at it, start it by hand and end it with Ctrl-C: `CHARTSYNC_TEST_HOLD_SIGSTORE=1 cargo test --test it -- --exact
//! sigstore_bed::the_issuer_gives_tokens_to_its_jobs_only --nocapture` tells where everything is.

mod clock;
mod front;
mod issuer;
mod keeper;
mod parts;

use std::path::Path;
use std::sync::OnceLock;
use std::{env, fs, thread};

use tempfile::TempDir;

pub(crate) use self::clock::Clock;
pub(crate) use self::front::{Fault, Fronted};
pub(crate) use self::issuer::Claims;
use self::issuer::Issuer;
pub(crate) use self::keeper::eventually;
use self::keeper::get;
use self::parts::Parts;
use super::process::{Ran, hermetic, run};
use super::tools::{Tool, present};

/// A variable that makes a test process start a Sigstore and do nothing more.
pub(crate) const HOLD: &str = "CHARTSYNC_TEST_HOLD_SIGSTORE";

/// What must be installed.
const TOOLS: [Tool; 12] = [
    Tool::Cosign3,
    Tool::Cosign2,
    Tool::Fulcio,
    Tool::RekorV1,
    Tool::RekorV2,
    Tool::TimestampServer,
    Tool::TrillianServer,
    Tool::TrillianSigner,
    Tool::TrillianCreateTree,
    Tool::TrillianSchema,
    Tool::CtServer,
    Tool::MariaDb,
];

/// Both cosigns that people have.
pub(crate) const COSIGNS: [Tool; 2] = [Tool::Cosign3, Tool::Cosign2];

/// Which of the two logs a signature goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RekorVersion {
    V1,
    V2,
}

impl RekorVersion {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];
}

/// What a signature needs on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// GitHub's endpoint for identity tokens.
    Issuer,
    Fulcio,
    Rekor,
    Tsa,
}

/// The running parts.
pub(crate) struct Sigstore {
    issuer: Issuer,
    parts: Parts,
}

impl Sigstore {
    /// The one of this test process; `None` when something is not installed: then the running test is left out.
    pub(crate) fn get() -> Option<&'static Self> {
        static SIGSTORE: OnceLock<Result<Sigstore, String>> = OnceLock::new();
        if !present(&TOOLS) {
            return None;
        }
        let started = SIGSTORE.get_or_init(|| {
            let issuer = Issuer::start();
            let parts = Parts::start(&issuer)?;
            let sigstore = Self { issuer, parts };
            if env::var_os(HOLD).is_some() {
                sigstore.hold();
            }
            Ok(sigstore)
        });
        match started {
            Ok(sigstore) => Some(sigstore),
            Err(error) => panic!("the local Sigstore did not start: {error}"),
        }
    }

    /// Tells where everything is, and stays until the process is ended from outside.
    fn hold(&self) -> ! {
        println!("folder={}", self.parts.folder().display());
        println!("TRUSTED_ROOT={}", self.trusted_root().display());
        for version in RekorVersion::BOTH {
            println!("SIGNING_CONFIG_{version:?}={}", self.signing_config(version).display());
        }
        for (name, value) in self.github_env(&Claims::default()) {
            println!("{name}='{value}'");
        }
        loop {
            thread::park();
        }
    }

    /// All keys and authorities.
    pub(crate) fn trusted_root(&self) -> &Path {
        &self.parts.trusted_root
    }

    /// Fulcio, this Rekor, and the TSA.
    pub(crate) fn signing_config(&self, version: RekorVersion) -> &Path {
        self.parts.signing_config(version)
    }

    /// `http://localhost:PORT`.
    pub(crate) fn issuer(&self) -> &str {
        self.issuer.url()
    }

    /// Another issuer that this Fulcio trusts, for [`Claims::issuer`].
    pub(crate) fn other_issuer(&self) -> String {
        self.issuer.other_url()
    }

    /// For `SIGSTORE_ID_TOKEN`.
    pub(crate) fn token(&self, claims: &Claims) -> String {
        self.issuer.token(claims)
    }

    /// The variables of a job of GitHub's with `id-token: write`.
    pub(crate) fn github_env(&self, claims: &Claims) -> Vec<(String, String)> {
        self.issuer.environment(claims, self.issuer())
    }

    /// How many entries a log holds, whoever made them; for those of one test see [`Fronted::logged`].
    pub(crate) fn entries(&self, version: RekorVersion) -> u64 {
        match version {
            RekorVersion::V1 => {
                let log = get(self.parts.ports.rekor(version), "/api/v1/log").unwrap();
                serde_json::from_slice::<serde_json::Value>(&log).unwrap()["treeSize"].as_u64().unwrap()
            }
            RekorVersion::V2 => {
                let checkpoint = fs::read_to_string(self.parts.tiles.join("checkpoint")).unwrap();
                checkpoint.lines().nth(1).unwrap().parse().unwrap()
            }
        }
    }

    /// `cosign sign` of 3.1.2, keyless, over plain http.
    #[track_caller]
    pub(crate) fn cosign_sign(&self, version: RekorVersion, claims: &Claims, reference: &str, more: &[&str]) -> Ran {
        self.cosign_sign_with(self.signing_config(version), claims, reference, more)
    }

    /// [`Self::cosign_sign`] with another signing configuration.
    #[track_caller]
    pub(crate) fn cosign_sign_with(&self, config: &Path, claims: &Claims, reference: &str, more: &[&str]) -> Ran {
        let home = TempDir::new().unwrap();
        let mut command = hermetic(Tool::Cosign3.path(), home.path());
        command.env("SIGSTORE_ID_TOKEN", self.token(claims));
        command.args(["sign", "--yes", "--allow-http-registry", "--signing-config"]).arg(config);
        command.arg("--trusted-root").arg(self.trusted_root()).args(more).arg(reference);
        run(&mut command)
    }

    /// `cosign verify` by one of [`COSIGNS`], as a consumer does; `version` is where the signature was logged.
    #[track_caller]
    pub(crate) fn cosign_verify(
        &self,
        cosign: Tool,
        version: RekorVersion,
        identity: &str,
        reference: &str,
        more: &[&str],
    ) -> Ran {
        let home = TempDir::new().unwrap();
        let mut command = hermetic(cosign.path(), home.path());
        command.args(["verify", "--allow-http-registry", "--trusted-root"]).arg(self.trusted_root());
        command.args(["--certificate-identity", identity, "--certificate-oidc-issuer", self.issuer()]);
        // The old one does not find out by itself that a Rekor v2 tells no time.
        if cosign == Tool::Cosign2 && version == RekorVersion::V2 {
            command.arg("--use-signed-timestamps");
        }
        run(command.args(more).arg(reference))
    }
}
