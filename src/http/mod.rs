//! HTTP to servers that are not trusted: one client, an address guard, credentials, tokens, pacing and retries.
//!
//! Owns how a request reaches a server and what counts as an answer. Knows nothing of manifests, blobs or layouts.

mod auth;
mod challenge;
mod client;
mod credentials;
mod guard;
mod host;
mod public;
mod retry;
mod window;

use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) use self::client::{Answer, Client, Request};
pub use self::credentials::Credentials;
pub(crate) use self::host::{Host, Way};
pub use self::public::{KEYRING_LIMIT, Unfetched, fetch_public};
pub(crate) use self::retry::throttles;
/// For the properties that hold of any header.
#[cfg(any(test, fuzzing))]
pub(crate) use self::{
    challenge::{Challenge, challenge},
    guard::{Guard, Reach},
    retry::{Next, next, retry_after},
};

/// Every time-out and cap of the network and of layouts: plain values, so that tests can make them small.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a connection may take to stand.
    pub connect: Duration,
    /// How long a server may be silent in the middle of an exchange.
    pub silence: Duration,
    /// How long one operation may take with all its attempts and waits between them, time in queues aside.
    pub operation: Duration,
    /// Bytes a second that a transfer is expected to make: `operation` grows by size over this.
    pub slowest: u64,
    /// How often an operation is tried.
    pub attempts: u32,
    /// The first wait between attempts is random up to this; each next one up to twice as much.
    pub backoff: Duration,
    /// The longest wait without a word from the server.
    pub longest_backoff: Duration,
    /// The longest wait that a server may ask for; one that asks for more has failed.
    pub longest_retry_after: Duration,
    /// How long a host that failed one operation for good fails the others at once.
    pub down: Duration,
    /// How many requests a host gets at once where settings say nothing.
    pub concurrency: NonZeroUsize,
    /// How many redirects one request may follow.
    pub redirects: usize,
    /// The most bytes of an image manifest.
    pub manifest: u64,
    /// The most bytes of a blob.
    pub blob: u64,
    /// The most bytes of any other answer: tokens, tag lists, errors.
    pub answer: u64,
    /// The most pages of one list.
    pub pages: usize,
    /// The most tags of one repository.
    pub tags: usize,
    /// The most referrers of one image manifest.
    pub referrers: usize,
    /// The most bytes of all pages of one list of referrers.
    pub referrers_bytes: u64,
    /// The most bytes of a layout's `index.json`.
    pub index: u64,
    /// How long another process may hold a layout's lock.
    pub lock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            operation: Duration::from_mins(5),
            slowest: 64 << 10,
            attempts: 5,
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(10),
            longest_retry_after: Duration::from_mins(1),
            down: Duration::from_secs(30),
            concurrency: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
            redirects: 5,
            manifest: crate::oci::MANIFEST_LIMIT,
            blob: 128 << 20,
            answer: 1 << 20,
            pages: 1000,
            tags: 100_000,
            referrers: 256,
            referrers_bytes: 16 << 20,
            index: 16 << 20,
            lock: Duration::from_mins(1),
        }
    }
}

/// What a request is for: the unit in which requests are counted and promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GET /v2/`: how a registry wants to be asked.
    Challenge,
    /// A token from a registry's token server.
    Token,
    /// An image manifest, read or written.
    Manifest,
    /// A blob, read.
    Blob,
    /// A blob, written: its `POST` and its `PUT`.
    Upload,
    /// A page of a list of tags.
    Tags,
    /// A page of a list of referrers, from the API for it.
    Referrers,
    /// A keyring, from wherever its URL leads.
    Keyring,
}

/// How many requests of one kind went to one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requests {
    /// `host[:port]`, as contacted.
    pub host: String,
    /// The method.
    pub method: String,
    /// What for.
    pub kind: Kind,
    /// How many were sent, whatever came back.
    pub count: u64,
}

/// The repository that a request is about and what a token for it must allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The repository's name on its registry.
    pub(crate) repository: String,
    /// What must be allowed.
    pub(crate) right: Right,
    /// Another repository of the registry, to be read as well: blobs are mounted from it.
    pub(crate) mounted_from: Option<String>,
}

impl Scope {
    /// This right to this repository.
    pub(crate) fn of(repository: &str, right: Right) -> Self {
        Self { repository: repository.to_owned(), right, mounted_from: None }
    }
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

/// Why an exchange gave no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// The address guard did not let the request go.
    #[error("{0}")]
    Refused(String),
    /// No answer, or not a whole one.
    #[error("{detail}")]
    Transport {
        /// What happened.
        detail: String,
        /// Of what kind.
        fault: Fault,
    },
    /// An answer whose status is a failure.
    #[error("{0}")]
    Status(Box<Failure>),
    /// An answer that makes no sense.
    #[error("{0}")]
    Protocol(String),
    /// Not sent: the server failed others just now.
    #[error("{0} (not asked again: the server failed other requests just now)")]
    Down(Box<HttpError>),
}

/// What kind of trouble a broken exchange was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It will be the same next time: a certificate, a setting.
    Lasting,
    /// No connection, or silence on it.
    Unreachable,
    /// The server was there and the answer broke off.
    Broken,
}

/// An answer whose status is a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long the server asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The codes of the error envelope, as the specification spells them.
    pub(crate) codes: Vec<String>,
    /// The server's words, raw and bounded.
    pub(crate) message: String,
    /// The token server that answered, if it was not the registry.
    pub(crate) token_server: Option<String>,
    /// Where the registry led a question for referrers, if it was another server that answered: its trouble is not the
    /// registry's.
    pub(crate) elsewhere: Option<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(server) = &self.token_server {
            write!(f, "the token server {server} answered ")?;
        }
        write!(f, "HTTP {}", self.status)?;
        if let Some(url) = &self.elsewhere {
            write!(f, " from {url}, where the registry leads")?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// The first 300 characters of what a server said.
pub(crate) fn bounded(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
