//! The bridge from async tasks to rayon's threads: CPU work runs there and is awaited here.
//!
//! Knows nothing of the work. A panic in it becomes an error of the one who asked, not the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The work panicked: a defect of chartsync, told as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a defect in chartsync: the computation panicked (see above)")]
pub struct Panicked;

/// Runs `work` on rayon's pool and waits for it without blocking the caller's thread.
///
/// Dropping the future does not stop work that has begun; its result is dropped.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
    let (done, result) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        if done.is_closed() {
            return;
        }
        // rayon aborts the process on an unhandled panic; here it only drops `done`.
        if let Ok(value) = catch_unwind(AssertUnwindSafe(work)) {
            let _ = done.send(value);
        }
    });
    result.await.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn results_and_panics_come_back() {
        assert_eq!(super::run(|| 1 + 1).await, Ok(2));
        assert_eq!(super::run(|| -> u8 { panic!("on purpose") }).await, Err(super::Panicked));
    }
}
