//! How far this process is: counters that anybody may add to, for whoever shows progress. Nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

static PHASE: Mutex<&str> = Mutex::new("");
static PLANNED: AtomicU64 = AtomicU64::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static RECEIVED: AtomicU64 = AtomicU64::new(0);
static LISTENER: OnceLock<fn(&Exchange<'_>)> = OnceLock::new();

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// What is being done, as a sentence begins; empty while nothing that takes time is.
    pub phase: &'static str,
    /// How many charts or sources that is about.
    pub planned: u64,
    /// How many of them are being worked on.
    pub running: u64,
    /// How many of them have ended, well or not.
    pub done: u64,
    /// Requests sent by this process.
    pub requests: u64,
    /// Bytes of their bodies.
    pub sent: u64,
    /// Bytes of the answers' bodies.
    pub received: u64,
}

impl Tally {
    /// How many have not begun.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.planned.saturating_sub(self.running).saturating_sub(self.done)
    }
}

/// What was counted so far.
#[must_use]
pub fn now() -> Tally {
    let (begun, done) = (BEGUN.load(Relaxed), ENDED.load(Relaxed));
    Tally {
        phase: *PHASE.lock().unwrap_or_else(PoisonError::into_inner),
        planned: PLANNED.load(Relaxed),
        running: begun.saturating_sub(done),
        done,
        requests: REQUESTS.load(Relaxed),
        sent: SENT.load(Relaxed),
        received: RECEIVED.load(Relaxed),
    }
}

/// Something else begins, about so many charts or sources.
pub fn phase(what: &'static str, planned: usize) {
    *PHASE.lock().unwrap_or_else(PoisonError::into_inner) = what;
    PLANNED.store(planned as u64, Relaxed);
    BEGUN.store(0, Relaxed);
    ENDED.store(0, Relaxed);
}

/// Works on one of them. Work that is given up does not count as done.
pub async fn counted<T>(work: impl Future<Output = T>) -> T {
    /// Given up when it is dropped.
    struct Begun;
    impl Drop for Begun {
        fn drop(&mut self) {
            BEGUN.fetch_sub(1, Relaxed);
        }
    }
    began();
    let begun = Begun;
    let done = work.await;
    std::mem::forget(begun);
    ended();
    done
}

/// Work on one of them began, and whoever says so says when it ends.
pub fn began() {
    BEGUN.fetch_add(1, Relaxed);
}

/// Work on one of them ended.
pub fn ended() {
    ENDED.fetch_add(1, Relaxed);
}

/// A request that was answered, or was not. The URL has no credential and no query.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it went.
    pub url: String,
    /// What came of it.
    pub answer: Answer,
    /// How long it took until the answer began.
    pub time: Duration,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An answer with this status.
    Status(u16),
    /// An answer whose status its client keeps to itself: a good one.
    Good,
    /// None, and why.
    None(String),
}

/// Hands every request of this process to `to`, once it is answered. Only the first listener counts.
pub fn listen(to: fn(&Exchange<'_>)) {
    let _ = LISTENER.set(to);
}

/// A request was answered, or was not; `exchange` is asked for only if somebody listens.
pub fn exchanged<'a>(exchange: impl FnOnce() -> Exchange<'a>) {
    if let Some(listener) = LISTENER.get() {
        listener(&exchange());
    }
}

/// A request with a body of so many bytes goes out.
pub fn sent(bytes: usize) {
    REQUESTS.fetch_add(1, Relaxed);
    SENT.fetch_add(bytes as u64, Relaxed);
}

/// So many bytes of an answer's body came in.
pub fn received(bytes: usize) {
    RECEIVED.fetch_add(bytes as u64, Relaxed);
}
