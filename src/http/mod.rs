//! HTTP to servers that are not trusted: one client, an address guard, credentials, tokens, pacing and retries.
//!
//! Owns how a request reaches a server and what counts as an answer. Knows nothing of manifests, blobs or layouts.

use std::num::NonZeroUsize;
use std::time::Duration;

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
            index: 16 << 20,
            lock: Duration::from_mins(1),
        }
    }
}
