//! What a change does to pins: other bytes, other signers, versions that nobody signed, and keyrings that others left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{NEXT, Told, Trusted, by_destination};
use crate::diagnostic::Location;
use crate::finding::{Code, Finding, Holder};
use crate::lock::{Difference, Pin, Signer};
use crate::oci::Digest;
use crate::plan::signers::signer_name;
use crate::provenance::{Fingerprint, KeyChanges, KeySummary, Keyring};
use crate::settings::Acceptable;
use crate::workspace::LOCK_FILE;

/// The most versions that a message lists.
const LISTED: usize = 8;

/// Every change of a pin, destination by destination.
pub(super) fn changes(base: Trusted<'_>, here: Trusted<'_>, told: &mut Told) {
    let (old, mirrors) = (by_destination(base.workspace), by_destination(here.workspace));
    for pins in here.lockfile.pins().chunk_by(|one, other| one.destination == other.destination) {
        let Some(destination) = pins.first().map(|pin| &pin.destination) else { continue };
        // What verifies such a pin counts anew: its bytes or its keyring are others.
        let (mut new, mut verified) = (Vec::new(), Vec::new());
        for pin in pins.iter().map(AsRef::as_ref) {
            let before = base.lockfile.get(destination, &pin.version);
            match before {
                Some(before) => one_pin(before, pin, told),
                None => new.push(pin),
            }
            if before.is_none_or(|before| (before.digest, before.keyring) != (pin.digest, pin.keyring)) {
                verified.push(pin);
            }
        }
        // A new mirror was told together with who signed its versions, and what nobody declares will be one.
        if old.contains_key(destination) && mirrors.contains_key(destination) {
            new_pins(base, here, &new, told);
            left_behind(base, here, &verified, told);
        }
    }
    // Mirrors and versions that are declared no longer were told as such.
    for pin in base.lockfile.pins() {
        let declared = mirrors
            .get(&pin.destination)
            .and_then(|mirror| mirror.versions.iter().find(|declared| declared.version == pin.version));
        if let (Some(declared), None) = (declared, here.lockfile.get(&pin.destination, &pin.version)) {
            let message = "its pin is gone while the version is still declared: a new one takes whatever bytes the source has by then";
            let finding = Finding::of(Code::Trust, &pin.reference(), message, NEXT).at(Some(declared.location.clone()));
            told.0.push(Finding { digests: vec![(Holder::Base, pin.digest)], ..finding });
        }
    }
}

/// Who signed these pins, as the end of a sentence; nothing where there is none.
pub(super) fn signed_by(pins: &[Arc<Pin>]) -> String {
    let one = |(signer, pins): (&Signer, Vec<&Pin>)| match signer {
        Signer::Pgp(signer) => format!("{signer} signed {}", versions(&pins)),
        Signer::None => format!("nobody signed {}", versions(&pins)),
    };
    let told: Vec<String> = by_signer(pins.iter().map(AsRef::as_ref)).into_iter().map(one).collect();
    if told.is_empty() { String::new() } else { format!("; {}", told.join(", ")) }
}

fn by_signer<'p>(pins: impl IntoIterator<Item = &'p Pin>) -> BTreeMap<&'p Signer, Vec<&'p Pin>> {
    let mut signers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pin in pins {
        signers.entry(&pin.signer).or_default().push(pin);
    }
    signers
}

/// The versions of these pins, the first of them where there are many.
fn versions(pins: &[&Pin]) -> String {
    let listed = pins.iter().take(LISTED).map(|pin| pin.version.as_str()).collect::<Vec<_>>().join(", ");
    match pins.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

fn one_pin(old: &Pin, pin: &Pin, told: &mut Told) {
    if old.digest != pin.digest {
        told.pin(pin, "the same version gets new bytes").digests =
            vec![(Holder::Base, old.digest), (Holder::Pinned, pin.digest)];
    }
    if old.signer != pin.signer {
        let names = (signer_name(&old.signer), signer_name(&pin.signer));
        told.pin(pin, format!("its signer changes from {} to {}", names.0, names.1));
    }
    if old.keyring != pin.keyring {
        let digest = |pin: &Pin| pin.keyring.map_or("none".to_owned(), |digest| digest.to_string());
        let message = format!("it is verified with another keyring: {} before, {} now", digest(old), digest(pin));
        told.pin(pin, message);
    }
    // Other bytes differ in all of these.
    let about_same_bytes = |difference: &Difference| {
        old.digest == pin.digest && !["digest", "signer", "keyring"].contains(&difference.field)
    };
    for difference in old.differences(pin).into_iter().filter(about_same_bytes) {
        let Difference { field, here, there } = difference;
        told.pin(pin, format!("its pin says otherwise about the same bytes: {field} was {here}, it is {there} now"));
    }
}

/// Pins of one destination for versions that had none: the first trust in it, a signer that is new to it, or no signer at all.
fn new_pins(base: Trusted<'_>, here: Trusted<'_>, new: &[&Pin], told: &mut Told) {
    for (signer, mut pins) in by_signer(new.iter().copied()) {
        let Some(Pin { destination, .. }) = pins.first() else { continue };
        let before: BTreeSet<&Signer> = base.lockfile.of(destination).iter().map(|old| &old.signer).collect();
        match signer {
            Signer::None => {
                // The exception for these very bytes was reviewed, or is told itself.
                let settings = &here.workspace.settings;
                pins.retain(|pin| settings.accepts(Acceptable::Unsigned, &pin.reference(), &pin.digest).is_none());
                unsigned(&before, &pins, told);
            }
            Signer::Pgp(signer) if before.is_empty() => told.of_pins(&pins, |what, are| {
                format!("first trust in this mirror: {what} {are} signed by {signer}, and nothing was pinned before")
            }),
            Signer::Pgp(fingerprint) if !before.contains(signer) => told.of_pins(&pins, |what, are| {
                format!("{what} {are} signed by {fingerprint}, which signed no version before")
            }),
            Signer::Pgp(_) => {}
        }
    }
}

/// What nobody signed is whatever the source sent: whoever takes it takes it for that.
fn unsigned(before: &BTreeSet<&Signer>, pins: &[&Pin], told: &mut Told) {
    let signed: Vec<String> =
        before.iter().filter(|old| ***old != Signer::None).map(|signer| signer_name(signer)).collect();
    let was = match (before.is_empty(), signed.is_empty()) {
        (true, _) => ", the first trust in this mirror".to_owned(),
        (false, true) => ", as nobody signed the versions before".to_owned(),
        (false, false) => format!(", while {} signed versions before", signed.join(" and ")),
    };
    let from = pins.first().map(|pin| pin.source.host().to_owned()).unwrap_or_default();
    told.of_pins(pins, |what, _| {
        let whose = if pins.len() == 1 { "its" } else { "their" };
        format!("nobody signed {what}{was}: {whose} bytes are what {from} sent when they were pinned")
    });
}

impl Told {
    /// About pins of one destination, in one finding however many: the message gets what they are called, and `is` or `are`.
    fn of_pins(&mut self, pins: &[&Pin], message: impl FnOnce(&str, &str) -> String) {
        match pins {
            [] => {}
            [pin] => {
                self.pin(pin, message("it", "is"));
            }
            [pin, ..] => {
                let what = format!("{} versions of {} ({})", pins.len(), pin.destination, versions(pins));
                let at = pin.location().unwrap_or_else(|| Location::file(LOCK_FILE));
                self.say(&at, message(&what, "are"));
            }
        }
    }
}

/// Pins of one destination that rest on a keyring in which their signer may more than in one that other versions rest on: somebody
/// may have gone back to a keyring from before a revocation.
fn left_behind(base: Trusted<'_>, here: Trusted<'_>, pins: &[&Pin], told: &mut Told) {
    let mut together: BTreeMap<(Digest, &Fingerprint), Vec<&Pin>> = BTreeMap::new();
    for pin in pins {
        if let (Some(keyring), Signer::Pgp(signer)) = (pin.keyring, &pin.signer) {
            together.entry((keyring, signer)).or_default().push(pin);
        }
    }
    for ((digest, signer), pins) in together {
        let Some(pin) = pins.first() else { continue };
        let Some(keyring) = here.workspace.keyrings.parsed(&digest) else { continue };
        let before =
            || base.lockfile.of(&pin.destination).iter().rev().filter_map(|old| Some((old.as_ref(), old.keyring?)));
        let newest = before().next();
        let known = before().any(|(_, old)| old == digest);
        let now = here.lockfile.of(&pin.destination).iter().filter_map(|pin| pin.keyring);
        let others: BTreeSet<Digest> = before().map(|(_, old)| old).chain(now).filter(|old| *old != digest).collect();
        for other in others {
            let parsed = here.workspace.keyrings.parsed(&other).or_else(|| base.workspace.keyrings.parsed(&other));
            let Some(parsed) = parsed else { continue };
            // What is in none of the keyrings before is told of the keyring itself.
            let newest = newest.filter(|(_, newest)| known && *newest == other).map(|(old, _)| old);
            if let Some(less) = less(parsed, keyring, signer, newest) {
                told.of_pins(&pins, |what, are| format!("{what} {are} verified with the keyring {digest}, {less}"));
            }
        }
    }
}

/// What a signer may in `keyring` and not in the other one, as the rest of a sentence.
fn less(other: &Keyring, keyring: &Keyring, signer: &Fingerprint, newest: Option<&Pin>) -> Option<String> {
    let KeyChanges { added, restored, extended, subkeys_restored, removed: _, revoked: _, subkeys_revoked: _ } =
        KeyChanges::between(&[other], keyring);
    let is_signer = |key: &KeySummary| key.fingerprint == *signer;
    let subkeys_in = |of_keys: &[(KeySummary, Vec<Fingerprint>)]| {
        let (_, subkeys) = of_keys.iter().find(|(key, _)| is_signer(key))?;
        Some(subkeys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let digest = other.digest();
    if restored.iter().any(is_signer) {
        return Some(format!(
            "although its signer {signer} is revoked in {digest}, with which other versions are verified"
        ));
    }
    if let Some(subkeys) = subkeys_in(&subkeys_restored) {
        return Some(format!(
            "in which its signer {signer} has subkeys that are revoked in {digest}, with which other versions are verified: {subkeys}"
        ));
    }
    let version = &newest?.version;
    if added.iter().any(is_signer) {
        return Some(format!("although its signer {signer} is not in {digest}, with which {version} is verified"));
    }
    let subkeys = subkeys_in(&extended)?;
    Some(format!(
        "in which its signer {signer} has subkeys that it lacks in {digest}, with which {version} is verified: {subkeys}"
    ))
}
