//! What `lock` did, as JSON.

use serde::Serialize;

use super::parts::{WireException, WireKeyChanges, WireLocation, WirePin};
use crate::resolve::{Event, Failure, Resolution};

#[derive(Serialize)]
pub(super) struct WireResolution {
    /// Whether `mirrors.lock` has another text now.
    written: bool,
    kept: usize,
    /// Digests of the keyrings that were fetched, to be committed.
    keyrings: Vec<String>,
    events: Vec<WireEvent>,
    failures: Vec<WireFailure>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "lives for as long as it takes to write it")]
enum WireEvent {
    Pinned {
        pin: WirePin,
    },
    Repinned {
        old: WirePin,
        pin: WirePin,
    },
    Reverified {
        pin: WirePin,
    },
    Resourced {
        pin: WirePin,
    },
    Carried {
        from: String,
        pin: WirePin,
    },
    Dropped {
        pin: WirePin,
    },
    Keyring {
        mirror: String,
        digest: String,
        first: bool,
        #[serde(flatten)]
        keys: WireKeyChanges,
    },
}

impl From<&Event> for WireEvent {
    fn from(event: &Event) -> Self {
        match event {
            Event::Pinned(pin) => Self::Pinned { pin: pin.into() },
            Event::Repinned { old, new } => Self::Repinned { old: old.into(), pin: new.into() },
            Event::Reverified(pin) => Self::Reverified { pin: pin.into() },
            Event::Resourced(pin) => Self::Resourced { pin: pin.into() },
            Event::Carried { from, pin } => Self::Carried { from: from.to_string(), pin: pin.into() },
            Event::Dropped(pin) => Self::Dropped { pin: pin.into() },
            Event::Keyring { mirror, change } => Self::Keyring {
                mirror: mirror.clone(),
                digest: change.digest.to_string(),
                first: change.first,
                keys: (&change.keys).into(),
            },
        }
    }
}

#[derive(Serialize)]
struct WireFailure {
    reference: String,
    location: Option<WireLocation>,
    message: String,
    next: String,
    exception: Option<WireException>,
}

impl From<&Failure> for WireFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            reference: failure.reference.to_string(),
            location: failure.location.as_ref().map(Into::into),
            message: failure.message.clone(),
            next: failure.next.clone(),
            exception: failure.exception.as_ref().map(Into::into),
        }
    }
}

impl WireResolution {
    pub(super) fn of(resolution: &Resolution, written: bool) -> Self {
        Self {
            written,
            kept: resolution.kept,
            keyrings: resolution.keyrings.keys().map(ToString::to_string).collect(),
            events: resolution.events.iter().map(Into::into).collect(),
            failures: resolution.failures.iter().map(Into::into).collect(),
        }
    }
}

/// The resolution as JSON; `written` says whether the lockfile has another text now.
#[must_use]
pub fn resolution(resolution: &Resolution, written: bool) -> String {
    super::text("lock", WireResolution::of(resolution, written))
}
