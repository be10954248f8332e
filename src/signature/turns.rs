//! Turns at signing: processes that share a cache folder sign in one repository after another, never the same chart twice.
//!
//! Within one process everybody shares the turn: a chart stands there once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as AsyncMutex;

use crate::cache::{Cache, Turn};
use crate::oci::Repository;

/// The turns that this process has or waits for.
#[derive(Debug)]
pub(super) struct Turns {
    cache: Cache,
    held: Mutex<BTreeMap<Repository, Arc<AsyncMutex<Weak<Turn>>>>>,
}

impl Turns {
    pub(super) fn new(cache: Cache) -> Self {
        Self { cache, held: Mutex::default() }
    }

    /// Waits for the turn in this repository. Without a cache folder there is nobody to wait for.
    pub(super) async fn take(&self, repository: &Repository) -> Option<Arc<Turn>> {
        let slot = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(held.entry(repository.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(turn) = slot.upgrade() {
            return Some(turn);
        }
        let turn = Arc::new(self.cache.turn(repository.as_str()).await?);
        *slot = Arc::downgrade(&turn);
        Some(turn)
    }
}
