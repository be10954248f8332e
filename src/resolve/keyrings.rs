//! Which keyring each mirror is locked with: the committed one, the workspace's file, or a URL fetched for the first pin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::artifact::Clearing;
use crate::graph::{StepGraph, UnitId};
use crate::http;
use crate::lock::{Lockfile, Pin};
use crate::oci::Digest;
use crate::provenance::{Fingerprint, KeyChanges, Keyring};
use crate::resolve::{Event, Homeless, Order};
use crate::work;
use crate::workspace::{KeyringSource, Mirror, Tree};

/// The keyring that a mirror's new pins are verified with.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The keyring; none where the manifest names none, a reason where it cannot be had.
    pub keyring: Result<Option<Arc<Keyring>>, String>,
    /// Its bytes, where `lock` has just fetched them.
    fetched: Option<Bytes>,
    /// What it replaces.
    before: Option<Arc<Keyring>>,
}

/// How a mirror's keyring differs from the one before.
#[derive(Debug, Clone)]
pub struct KeyringChange {
    /// The keyring now.
    pub digest: Digest,
    /// Whether there was none before.
    pub first: bool,
    /// The keys that came, went, or were revoked.
    pub keys: KeyChanges,
}

/// Chooses the keyring of each mirror that may get a pin.
pub async fn choose(
    clearing: &Clearing,
    graph: &StepGraph,
    existing: &Lockfile,
    homeless: &Homeless<'_>,
    order: &Order,
) -> BTreeMap<usize, Chosen> {
    let of =
        |ids: &BTreeSet<UnitId>| -> BTreeSet<usize> { ids.iter().filter_map(|id| graph.unit(*id).mirror()).collect() };
    let repinned = of(&order.repin);
    let one = |index: usize| {
        let mirror = &clearing.workspace.mirrors[index];
        let ask = if order.refresh.contains(&index) {
            Ask::Always
        } else if repinned.contains(&index) || lacks_pin(mirror, existing) {
            Ask::WithoutAny
        } else {
            Ask::Never
        };
        async move { (index, choose_one(clearing, mirror, existing, homeless, order, ask).await) }
    };
    futures_util::stream::iter(of(&order.selected)).map(one).buffer_unordered(super::AT_ONCE).collect().await
}

/// When a keyring's URL is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// It was asked for.
    Always,
    /// Something is to be verified: if the workspace has none that a pin of this mirror rests on.
    WithoutAny,
    /// Nothing is to be verified.
    Never,
}

async fn choose_one(
    clearing: &Clearing,
    mirror: &Mirror,
    existing: &Lockfile,
    homeless: &Homeless<'_>,
    order: &Order,
    ask: Ask,
) -> Chosen {
    let committed = locked_with(clearing, mirror, existing, homeless);
    match &mirror.trust.keyring {
        None => Chosen { keyring: Ok(None), fetched: None, before: committed },
        Some(KeyringSource::Path { digest, path }) => {
            let keyring = clearing.workspace.keyrings.parsed(digest).cloned();
            let keyring = keyring.map(Some).ok_or_else(|| format!("{path} has no usable key"));
            let before = committed.or_else(|| before_edit(order.committed.as_ref()?, mirror, existing, path.as_str()));
            Chosen { keyring, fetched: None, before }
        }
        Some(KeyringSource::Url(_)) if ask != Ask::Always && committed.is_some() => {
            Chosen { keyring: Ok(committed.clone()), fetched: None, before: committed }
        }
        Some(KeyringSource::Url(_)) if ask == Ask::Never => Chosen { keyring: Ok(None), fetched: None, before: None },
        Some(KeyringSource::Url(url)) => match fetch(url).await {
            Ok((bytes, keyring)) => {
                Chosen { keyring: Ok(Some(Arc::new(keyring))), fetched: Some(bytes), before: committed }
            }
            Err(error) => Chosen { keyring: Err(error), fetched: None, before: committed },
        },
    }
}

/// The newest keyring in the workspace that a pin of this mirror was locked with.
///
/// A renamed destination takes its pins along, and with them their keyring.
fn locked_with(
    clearing: &Clearing,
    mirror: &Mirror,
    existing: &Lockfile,
    homeless: &Homeless<'_>,
) -> Option<Arc<Keyring>> {
    let taken_along = homeless.iter().rev().filter(|((source, _), _)| **source == mirror.source).map(|(_, pin)| *pin);
    let pins = existing.of(&mirror.destination).iter().rev().chain(taken_along);
    pins.filter_map(|pin| pin.keyring).find_map(|digest| clearing.workspace.keyrings.parsed(&digest)).cloned()
}

/// The keyring that an edited file held when it was committed last, if a pin was locked with it.
fn before_edit(committed: &Tree, mirror: &Mirror, existing: &Lockfile, path: &str) -> Option<Arc<Keyring>> {
    let bytes = committed.read(path).ok()??;
    let digest = Some(Digest::of(&bytes));
    existing.of(&mirror.destination).iter().find(|pin| pin.keyring == digest)?;
    Keyring::parse(&bytes).ok().map(Arc::new)
}

/// Whether any version of this mirror has yet to be verified.
fn lacks_pin(mirror: &Mirror, existing: &Lockfile) -> bool {
    mirror.versions.iter().any(|declared| existing.get(&mirror.destination, &declared.version).is_none())
}

async fn fetch(url: &url::Url) -> Result<(Bytes, Keyring), String> {
    let bytes = http::fetch_public(url, http::KEYRING_LIMIT).await.map_err(|error| error.to_string())?;
    let copy = bytes.clone();
    let parsed = work::run(move || Keyring::parse(&copy)).await.map_err(|error| error.to_string())?;
    Ok((bytes, parsed.map_err(|error| format!("what {url} holds is no keyring: {error}"))?))
}

/// What is told about keyrings that pins rest on now and did not before.
pub(super) fn events(
    clearing: &Clearing,
    chosen: &BTreeMap<usize, Chosen>,
    existing: &Lockfile,
    lockfile: &Lockfile,
) -> Vec<Event> {
    let rests = |lockfile: &Lockfile, mirror: &Mirror, digest| {
        lockfile.of(&mirror.destination).iter().any(|pin| pin.keyring == Some(digest))
    };
    let one = |(index, chosen): (&usize, &Chosen)| {
        let mirror = &clearing.workspace.mirrors[*index];
        let keyring = chosen.keyring.as_ref().ok()?.as_ref()?;
        let digest = keyring.digest();
        if rests(existing, mirror, digest) || !rests(lockfile, mirror, digest) {
            return None;
        }
        let change = change(chosen.before.as_deref(), keyring)?;
        Some(Event::Keyring { mirror: mirror.name.clone(), change })
    };
    chosen.iter().filter_map(one).collect()
}

fn change(before: Option<&Keyring>, now: &Keyring) -> Option<KeyringChange> {
    if before.is_some_and(|before| before.digest() == now.digest()) {
        return None;
    }
    let keys = KeyChanges::between(before.as_slice(), now);
    Some(KeyringChange { digest: now.digest(), first: before.is_none(), keys })
}

/// What the keys of these keyrings say about themselves.
pub(super) fn claims(chosen: &BTreeMap<usize, Chosen>) -> BTreeMap<Fingerprint, String> {
    let keyrings = chosen.values().filter_map(|chosen| chosen.keyring.as_ref().ok()?.as_ref());
    let keys = keyrings.flat_map(|keyring| keyring.keys());
    keys.filter_map(|key| Some((key.fingerprint.clone(), key.user_ids.first()?.clone()))).collect()
}

/// The fetched keyrings that a pin names, to be committed.
pub(super) fn to_commit(chosen: &BTreeMap<usize, Chosen>, pins: &[Arc<Pin>]) -> BTreeMap<Digest, Bytes> {
    let named: BTreeSet<_> = pins.iter().filter_map(|pin| pin.keyring).collect();
    let fetched = chosen.values().filter_map(|chosen| {
        let digest = chosen.keyring.as_ref().ok()?.as_ref()?.digest();
        Some((digest, chosen.fetched.clone()?))
    });
    fetched.filter(|(digest, _)| named.contains(digest)).collect()
}
