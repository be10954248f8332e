//! What differs between a keyring and the one before: for the person who decides whether to trust it.

use std::fmt;

use crate::provenance::keyring::{KeySummary, Keyring};

/// The keys that came, went, or were revoked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyChanges {
    /// Keys that were not there before.
    pub added: Vec<KeySummary>,
    /// Keys that are there no longer.
    pub removed: Vec<KeySummary>,
    /// Keys that are revoked now and were not before.
    pub revoked: Vec<KeySummary>,
}

impl Keyring {
    /// What a newer keyring changes.
    #[must_use]
    pub fn compare(&self, newer: &Self) -> KeyChanges {
        let lacks = |ring: &Self, key: &KeySummary| ring.find(key).is_none();
        let newly_revoked = |key: &&KeySummary| key.revoked && self.find(key).is_some_and(|old| !old.revoked);
        KeyChanges {
            added: newer.keys().iter().filter(|key| lacks(self, key)).cloned().collect(),
            removed: self.keys().iter().filter(|key| lacks(newer, key)).cloned().collect(),
            revoked: newer.keys().iter().filter(newly_revoked).cloned().collect(),
        }
    }

    fn find(&self, key: &KeySummary) -> Option<&KeySummary> {
        self.keys().iter().find(|own| own.fingerprint == key.fingerprint)
    }
}

/// The full fingerprint first, then what the key claims.
impl fmt::Display for KeySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fingerprint)?;
        match self.user_ids.first() {
            Some(claim) => write!(f, " claims \"{claim}\""),
            None => Ok(()),
        }
    }
}
