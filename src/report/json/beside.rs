//! What a chart version is beside what was there before it, as JSON.

use serde::Serialize;

use super::parts::{WireHeld, WireKeyChanges};
use crate::artifact::Created;
use crate::lock::Pin;
use crate::plan::beside::{Beside, Continuity, OtherKeyring, Unsigned};

/// When a chart was made, and who says so.
#[derive(Serialize)]
pub(super) struct WireCreated {
    /// Unix seconds.
    at: u64,
    by: &'static str,
}

impl From<Created> for WireCreated {
    fn from(created: Created) -> Self {
        let (at, by) = created.told();
        Self { at, by }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WireBeside {
    novelty: &'static str,
    earlier: usize,
    previous: Option<WirePrevious>,
    signer: Option<WireContinuity>,
    replaces: Option<WireHeld>,
    down_from: Option<String>,
    keyring: Option<WireOtherKeyring>,
    unsigned: Option<WireUnsigned>,
}

impl From<&Beside> for WireBeside {
    fn from(beside: &Beside) -> Self {
        let Beside { novelty, earlier, previous, signer, replaces, down_from, keyring, unsigned } = beside;
        Self {
            novelty: novelty.as_str(),
            earlier: *earlier,
            previous: previous.as_deref().map(Into::into),
            signer: signer.as_ref().map(Into::into),
            replaces: replaces.as_ref().map(Into::into),
            down_from: down_from.as_ref().map(ToString::to_string),
            keyring: keyring.as_ref().map(Into::into),
            unsigned: unsigned.as_ref().map(Into::into),
        }
    }
}

/// The version before.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WirePrevious {
    version: String,
    reference: String,
    digest: String,
    archive: String,
    archive_size: u64,
    signer: String,
}

impl From<&Pin> for WirePrevious {
    fn from(pin: &Pin) -> Self {
        Self {
            version: pin.version.to_string(),
            reference: pin.reference().to_string(),
            digest: pin.digest.to_string(),
            archive: pin.archive.to_string(),
            archive_size: pin.archive_size,
            signer: pin.signer.to_string(),
        }
    }
}

#[derive(Serialize)]
struct WireContinuity {
    is: &'static str,
    /// Who else signed before.
    others: Vec<String>,
}

impl From<&Continuity> for WireContinuity {
    fn from(continuity: &Continuity) -> Self {
        Self { is: continuity.as_str(), others: continuity.others().map(ToString::to_string).collect() }
    }
}

#[derive(Serialize)]
struct WireOtherKeyring {
    before: Vec<String>,
    digest: String,
    #[serde(flatten)]
    keys: WireKeyChanges,
}

impl From<&OtherKeyring> for WireOtherKeyring {
    fn from(keyring: &OtherKeyring) -> Self {
        let before = keyring.before.iter().map(ToString::to_string).collect();
        Self { before, digest: keyring.digest.to_string(), keys: (&keyring.keys).into() }
    }
}

#[derive(Serialize)]
struct WireUnsigned {
    because: &'static str,
    /// Of the exception.
    reason: Option<String>,
}

impl From<&Unsigned> for WireUnsigned {
    fn from(unsigned: &Unsigned) -> Self {
        Self { because: unsigned.as_str(), reason: unsigned.reason().map(str::to_owned) }
    }
}
