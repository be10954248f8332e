//! What is published, as JSON.

use serde::Serialize;

use super::parts::{WireLocation, WirePin};
use crate::report::{Bytes, Listed};

#[derive(Serialize)]
struct WireList {
    charts: Vec<WireListed>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireListed {
    name: String,
    version: String,
    reference: String,
    /// `null` without a pin, and for a first-party chart.
    digest: Option<String>,
    /// `pinned`, `unpinned` or `folder`.
    bytes: &'static str,
    /// Why it has no pin.
    reason: Option<String>,
    /// Where it comes from: a reference, or a folder of this repository.
    source: String,
    app_version: Option<String>,
    pin: Option<WirePin>,
    claims: Option<String>,
    /// The keyring's file, from the workspace's root.
    keyring_file: Option<String>,
    declared: WireLocation,
    commands: Vec<WireCommand>,
    caveat: Option<String>,
}

#[derive(Serialize)]
struct WireCommand {
    what: &'static str,
    /// For a POSIX shell, in the workspace's root.
    line: String,
}

impl From<&Listed> for WireListed {
    fn from(one: &Listed) -> Self {
        let (bytes, reason, source) = match &one.bytes {
            Bytes::Pinned(pin) => ("pinned", None, pin.source_reference().to_string()),
            Bytes::Unpinned { source, reason } => ("unpinned", Some(reason.clone()), source.to_string()),
            Bytes::Folder(folder) => ("folder", None, folder.clone()),
        };
        let command = |command: &crate::report::Command| WireCommand { what: command.what, line: command.line.clone() };
        Self {
            name: one.name.clone(),
            version: one.version.to_string(),
            reference: one.reference.to_string(),
            digest: one.pin().map(|pin| pin.digest.to_string()),
            bytes,
            reason,
            source,
            app_version: one.app_version.clone(),
            pin: one.pin().map(Into::into),
            claims: one.claims.clone(),
            keyring_file: one.keyring.as_ref().map(|keyring| keyring.path.clone()),
            declared: (&one.declared).into(),
            commands: one.commands.iter().map(command).collect(),
            caveat: one.caveat.clone(),
        }
    }
}

/// These chart versions as JSON; `kind` is `list` or `show`, the fields are the same.
#[must_use]
pub fn listed(kind: &'static str, listed: &[Listed]) -> String {
    super::text(kind, WireList { charts: listed.iter().map(Into::into).collect() })
}
