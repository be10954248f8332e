//! What differs between a keyring and the one before: for the person who decides whether to trust it.

use std::fmt;

use crate::provenance::fingerprint::Fingerprint;
use crate::provenance::keyring::{KeySummary, Keyring};

/// The keys that came, went, were revoked or restored, and those whose subkeys did or were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyChanges {
    /// Keys that were not there before.
    pub added: Vec<KeySummary>,
    /// Keys that are there no longer.
    pub removed: Vec<KeySummary>,
    /// Keys that are revoked now and were not before.
    pub revoked: Vec<KeySummary>,
    /// Keys that were revoked before and are not now.
    pub restored: Vec<KeySummary>,
    /// Keys with subkeys that they did not have before: only those subkeys.
    pub extended: Vec<(KeySummary, Vec<Fingerprint>)>,
    /// Keys with subkeys that are revoked now and were not before: only those subkeys.
    pub subkeys_revoked: Vec<(KeySummary, Vec<Fingerprint>)>,
    /// Keys with subkeys that were revoked before and are not now: only those subkeys.
    pub subkeys_restored: Vec<(KeySummary, Vec<Fingerprint>)>,
}

impl KeyChanges {
    /// What `now` changes beside all that these keyrings had together.
    #[must_use]
    pub fn between(before: &[&Keyring], now: &Keyring) -> Self {
        let had = |key: &KeySummary| -> Vec<&KeySummary> {
            let all = before.iter().flat_map(|ring| ring.keys());
            all.filter(|old| old.fingerprint == key.fingerprint).collect()
        };
        let mut changes = Self::default();
        for key in now.keys() {
            let old = had(key);
            if old.is_empty() {
                changes.added.push(key.clone());
                continue;
            }
            let was_revoked = old.iter().any(|old| old.revoked);
            match (was_revoked, key.revoked) {
                (false, true) => changes.revoked.push(key.clone()),
                (true, false) => changes.restored.push(key.clone()),
                _ => {}
            }
            let was_revoked = |subkey: &Fingerprint| old.iter().any(|old| old.revoked_subkeys.contains(subkey));
            let is_new = |subkey: &Fingerprint| !old.iter().any(|old| old.has_subkey(subkey));
            for (told, subkeys) in [
                (&mut changes.extended, those(&key.subkeys, is_new)),
                (&mut changes.subkeys_revoked, those(&key.revoked_subkeys, |subkey| !was_revoked(subkey))),
                (&mut changes.subkeys_restored, those(&key.subkeys, was_revoked)),
            ] {
                if !subkeys.is_empty() {
                    told.push((key.clone(), subkeys));
                }
            }
        }
        for key in before.iter().flat_map(|ring| ring.keys()) {
            let is_told = changes.removed.iter().any(|told| told.fingerprint == key.fingerprint);
            if !is_told && !now.keys().iter().any(|other| other.fingerprint == key.fingerprint) {
                changes.removed.push(key.clone());
            }
        }
        changes
    }

    /// One sentence for each change, the keys named in full.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let added = self.added.iter().map(|key| {
            let revoked = if key.revoked { ", which is revoked" } else { "" };
            format!("key added{revoked}: {key}")
        });
        let removed = self.removed.iter().map(|key| format!("key removed: {key}"));
        let revoked = self.revoked.iter().map(|key| format!("key revoked: {key}"));
        let restored = self.restored.iter().map(|key| format!("key no longer revoked: {key}"));
        let extended =
            self.extended.iter().map(|(key, subkeys)| format!("key with another subkey {}: {key}", list(subkeys)));
        let subkeys_revoked = self
            .subkeys_revoked
            .iter()
            .map(|(key, subkeys)| format!("key with a revoked subkey {}: {key}", list(subkeys)));
        let subkeys_restored = self
            .subkeys_restored
            .iter()
            .map(|(key, subkeys)| format!("key with a subkey that is no longer revoked {}: {key}", list(subkeys)));
        let of_subkeys = extended.chain(subkeys_revoked).chain(subkeys_restored);
        added.chain(removed).chain(revoked).chain(restored).chain(of_subkeys).collect()
    }
}

fn those(subkeys: &[Fingerprint], wanted: impl Fn(&Fingerprint) -> bool) -> Vec<Fingerprint> {
    subkeys.iter().filter(|subkey| wanted(subkey)).cloned().collect()
}

fn list(subkeys: &[Fingerprint]) -> String {
    subkeys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(name: &str) -> Keyring {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/provenance");
        Keyring::parse(&std::fs::read(format!("{folder}/{name}")).unwrap()).unwrap()
    }

    #[test]
    fn what_comes_is_told_as_what_goes_the_other_way() {
        let (one, other) = (ring("good.gpg"), ring("subkey.gpg"));
        let there = KeyChanges::between(&[&one], &other);
        let back = KeyChanges::between(&[&other], &one);
        assert_eq!((&there.added, &there.removed), (&back.removed, &back.added));
        assert_eq!((there.added.len(), there.removed.len()), (1, 1));
        assert_eq!(KeyChanges::between(&[&one, &other], &other).removed.len(), 1);
        assert_eq!(KeyChanges::between(&[&one], &one), KeyChanges::default());
        assert_eq!(KeyChanges::between(&[], &one).added, one.keys());
    }

    /// Whoever lifts a revocation or adds a subkey must be seen.
    #[test]
    fn revocations_and_subkeys_are_told_both_ways() {
        let key = ring("subkey.gpg").keys()[0].clone();
        let with = |revoked, subkeys: &[Fingerprint]| {
            let mut ring = ring("subkey.gpg");
            ring.set_keys(vec![KeySummary { revoked, subkeys: subkeys.to_vec(), ..key.clone() }]);
            ring
        };
        let (good, bad) = (with(false, &key.subkeys), with(true, &key.subkeys));
        assert_eq!(KeyChanges::between(&[&good], &bad).revoked.len(), 1);
        assert_eq!(KeyChanges::between(&[&bad], &good).restored.len(), 1);
        let bare = with(false, &[]);
        let extended = KeyChanges::between(&[&bare], &good).extended;
        assert_eq!(extended[0].1, key.subkeys);
        assert!(KeyChanges::between(&[&good], &bare).told().is_empty());
    }

    /// A revoked subkey is no subkey like the others, and none that came or went.
    #[test]
    fn revoked_subkeys_are_told_both_ways() {
        let (good, bad) = (ring("subkey.gpg"), ring("subkey-revoked.gpg"));
        let [key] = bad.keys() else { panic!("one key") };
        let [subkey] = &key.revoked_subkeys[..] else { panic!("one revoked subkey: {key:?}") };
        assert!(!key.subkeys.contains(subkey) && key.has_subkey(subkey));
        assert!(good.keys()[0].subkeys.contains(subkey) && good.keys()[0].revoked_subkeys.is_empty());
        let told = |before: &[&Keyring], now| KeyChanges::between(before, now).told();
        assert_eq!(told(&[&good], &bad), [format!("key with a revoked subkey {subkey}: {key}")]);
        let restored = format!("key with a subkey that is no longer revoked {subkey}: {key}");
        assert_eq!(told(&[&bad], &good), [restored.as_str()]);
        // Another keyring that still has it good takes nothing back.
        assert_eq!(told(&[&good, &bad], &good), [restored]);
        assert!(told(&[&good, &bad], &bad).is_empty());
    }
}
