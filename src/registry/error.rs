//! Why a registry or a layout did not do what was asked: one enum with the cases that callers tell apart.

use std::time::Duration;

/// Why a registry or a layout did not do what was asked.
///
/// `what` names the artifact (`registry.example/charts/a:1.0.0`, `blob sha256:… of registry.example/charts/a`), `detail` says
/// what went wrong and what to do; it may quote the registry, raw and bounded. The caller adds which side it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry knows that it is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// The artifact.
        what: String,
    },
    /// 401 or 403, or no token: it may or may not be there.
    #[error("{what}: access denied: {detail}")]
    Denied {
        /// The artifact.
        what: String,
        /// Whether a credential for this registry is configured.
        credential: bool,
        /// The registry's words and what to do.
        detail: String,
    },
    /// The registry asks to come back later, and later is too late.
    #[error("{what}: the registry allows no more requests for now: {detail}")]
    Throttled {
        /// The artifact.
        what: String,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
        /// The registry's words.
        detail: String,
    },
    /// The bytes are not those that were asked for or sent.
    #[error("{what}: {detail}")]
    Integrity {
        /// The artifact.
        what: String,
        /// Expected and found.
        detail: String,
    },
    /// An image manifest was refused because the registry lacks a blob of it: push the blobs again, once.
    #[error("{what}: the registry lacks a blob of it: {detail}")]
    BlobUnknown {
        /// The artifact.
        what: String,
        /// The registry's words.
        detail: String,
    },
    /// No answer, a broken one, a time-out or a server error, after all attempts: nothing is known about the artifact.
    #[error("{what}: {detail}")]
    Transport {
        /// The artifact.
        what: String,
        /// What happened.
        detail: String,
    },
    /// An answer that the specification does not know, that is over a limit, or that leads where it must not.
    #[error("{what}: {detail}")]
    Protocol {
        /// The artifact.
        what: String,
        /// What was wrong with it.
        detail: String,
    },
    /// A layout's file cannot be read or written.
    #[error("{path}: {detail}")]
    Layout {
        /// The file or folder.
        path: String,
        /// What happened and what to do.
        detail: String,
    },
}
