//! What goes wrong when something must be signed, and what to do next.

use std::path::PathBuf;

use crate::registry::RegistryError;
use crate::signature::{Part, Rejected};
use crate::work;

/// A service of a Sigstore instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Where a CI job gets its identity token.
    Tokens,
    /// Fulcio: gives a certificate for an identity token.
    Authority,
    /// Rekor: keeps the log of signatures.
    Log,
    /// The time stamp authority.
    TimeStamps,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokens => "the CI system's token endpoint",
            Self::Authority => "the certificate authority (Fulcio)",
            Self::Log => "the transparency log (Rekor)",
            Self::TimeStamps => "the time stamp authority",
        })
    }
}

/// Why a signature could not be made or looked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignatureError {
    /// There is no identity to sign with.
    #[error("there is no identity token: {0}")]
    NoToken(String),
    /// The identity token cannot be used.
    #[error("the identity token cannot be used: {0}")]
    BadToken(String),
    /// Who runs this is not who should sign.
    #[error("the {what} of this run is `{found}`, but the settings want `{wanted}`")]
    WrongIdentity {
        /// `issuer` or `identity`.
        what: &'static str,
        /// What the token says.
        found: String,
        /// What the settings say.
        wanted: String,
    },
    /// Two kinds of charts in one run want two identities.
    #[error("mirrored charts are signed as `{mirrors}` and first-party charts as `{charts}`: one run has one identity")]
    TwoIdentities {
        /// Of mirrored charts.
        mirrors: String,
        /// Of first-party charts.
        charts: String,
    },
    /// A file that `[signing]` names cannot be used.
    #[error("{}: {detail}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The private key is not the public key's.
    #[error("the private key {} does not belong to the public key {public}", key.display())]
    WrongKey {
        /// The private key's file.
        key: PathBuf,
        /// The public key's file.
        public: String,
    },
    /// What is trusted could not be learned.
    #[error("what to trust could not be learned: {0}")]
    Trust(String),
    /// A service did not answer, or said to come back later.
    #[error("{service} could not be reached: {detail}")]
    Unreachable {
        /// Which.
        service: Service,
        /// What happened.
        detail: String,
    },
    /// A service refused.
    #[error("{service} refused: {detail}")]
    Refused {
        /// Which.
        service: Service,
        /// What it said.
        detail: String,
    },
    /// The log has the entry of a signature, but does not give it back.
    #[error("the transparency log (Rekor) took the signature, but its answer was lost")]
    EntryLost,
    /// What was signed is not what a consumer would accept.
    #[error("the new signature does not hold, {0}")]
    Rejected(Rejected),
    /// Whether it is signed could not be found out.
    #[error("whether it is signed could not be found out: {0}")]
    Unknown(String),
    /// It was attached, and is not there.
    #[error("the signature was attached, but a consumer would not find it: {0}")]
    NotFound(String),
    /// It could not be attached.
    #[error("the signature could not be attached: {0}")]
    Attach(RegistryError),
    /// A defect.
    #[error("a defect in chartsync: {0}")]
    Defect(String),
}

impl SignatureError {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::NoToken(_) => {
                "run it in a GitHub Actions job with `permissions: id-token: write`, or put a token for the audience `sigstore` into SIGSTORE_ID_TOKEN"
            }
            Self::BadToken(_) => {
                "get a new token for the audience `sigstore`, and check that this machine's clock is right"
            }
            Self::WrongIdentity { .. } => {
                "run it where the settings say, or change `[signing]` in a reviewed pull request"
            }
            Self::TwoIdentities { .. } => {
                "run `chartsync apply --only mirrors` and `chartsync apply --only charts`, each as its own workflow"
            }
            Self::File { .. } => "write the file, or correct the path in `[signing]`",
            Self::WrongKey { .. } => "use the key pair's own halves: `cosign generate-key-pair` writes both",
            Self::Trust(_) => "check the network, or name a `trusted-root` file in `[signing]`",
            Self::Unreachable { .. } => {
                "run again when it answers: nothing was tagged unsigned, and what is signed already is found"
            }
            Self::Refused { service: Service::Authority, .. } => {
                "check that the token is for the audience `sigstore`, not expired, and this machine's clock right"
            }
            Self::Refused { .. } => "read what it said; nothing was tagged unsigned",
            Self::Rejected(Rejected { part: Part::Clock, .. }) => "set this machine's clock right, then run again",
            Self::EntryLost => "run again: it is signed anew, and the entry that was lost harms nobody",
            Self::Rejected(_) => "check that `trusted-root` and `signing-config` are of the same Sigstore instance",
            Self::Unknown(_) => "run again; nothing is signed while the answer is unknown",
            Self::NotFound(_) => {
                "the registry drops image manifests without a tag, or lists no referrers: ask whoever runs it; nothing was tagged"
            }
            Self::Attach(_) => "run again, or look at the registry: the signature is kept and not made twice",
            Self::Defect(_) => "report it, with the chart that causes it",
        }
    }
}

impl From<work::Panicked> for SignatureError {
    fn from(panicked: work::Panicked) -> Self {
        Self::Defect(panicked.to_string())
    }
}
