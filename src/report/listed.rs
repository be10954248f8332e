//! What is published, from the workspace alone: every declared chart version with its pin, as `list` and `show` tell it.

use std::sync::Arc;

use super::consume::{self, Command, KeyringFile, Place};
use crate::diagnostic::Location;
use crate::graph::{Origin, PinState, StepGraph, UnitId};
use crate::lock::{Pin, Signer};
use crate::oci::Reference;
use crate::provenance::Fingerprint;
use crate::settings::{Access, Signing};
use crate::workspace::{KeyringSource, Mirror, Workspace, keyring_file};

/// One declared chart version.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The chart's name.
    pub name: String,
    /// The version.
    pub version: crate::chart::Version,
    /// Where it is published.
    pub reference: Reference,
    /// Where it is declared.
    pub declared: Location,
    /// What it is.
    pub bytes: Bytes,
    /// The version of what it installs, where it is known: upstream text.
    pub app_version: Option<String>,
    /// What its signer says about itself: upstream text.
    pub claims: Option<String>,
    /// The keyring that its provenance was checked with, where it is in the workspace.
    pub keyring: Option<KeyringFile>,
    /// What consumers type.
    pub commands: Vec<Command>,
    /// Why they cannot type that as it stands, if so.
    pub caveat: Option<String>,
}

/// Which bytes a version is.
#[derive(Debug, Clone)]
pub enum Bytes {
    /// Those of its pin.
    Pinned(Arc<Pin>),
    /// Not decided, for this reason.
    Unpinned {
        /// Where it would come from.
        source: Reference,
        /// Why it has no pin.
        reason: String,
    },
    /// Those that this folder is packaged to.
    Folder(String),
}

impl Listed {
    /// The pin, if there is one.
    #[must_use]
    pub fn pin(&self) -> Option<&Pin> {
        if let Bytes::Pinned(pin) = &self.bytes { Some(pin) } else { None }
    }
}

/// These units as `list` and `show` tell them: charts by destination, of each the greatest version first.
#[must_use]
pub fn listed(workspace: &Workspace, graph: &StepGraph, units: &[UnitId]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = units.iter().map(|id| one(workspace, graph, *id)).collect();
    listed.sort_by(|one, other| {
        let destination = |listed: &Listed| listed.reference.repository.clone();
        (destination(one), &other.version).cmp(&(destination(other), &one.version))
    });
    listed
}

fn one(workspace: &Workspace, graph: &StepGraph, id: UnitId) -> Listed {
    let unit = graph.unit(id);
    let (declared, bytes, app_version) = match unit.origin {
        Origin::Mirror(index) => mirrored(&workspace.mirrors[index], unit),
        Origin::Chart(index) => {
            let chart = &workspace.charts[index];
            let app_version = chart.source.metadata().app_version.clone();
            (Location::file(chart.file()), Bytes::Folder(format!("charts/{}/", chart.name)), app_version)
        }
    };
    let pin = if let Bytes::Pinned(pin) = &bytes { Some(&**pin) } else { None };
    let claims = pin.and_then(|pin| claims(workspace, pin));
    let mirror = unit.mirror().map(|index| &workspace.mirrors[index]);
    let keyring = pin.and_then(|pin| keyring(workspace, mirror?, pin));
    let place = Place {
        reference: &unit.reference,
        version: unit.version.as_str(),
        pin,
        keyring: keyring.as_ref(),
        role: unit.role(),
    };
    let commands = consume::commands(&workspace.settings, place);
    Listed {
        name: unit.name.clone(),
        version: unit.version.clone(),
        reference: unit.reference.clone(),
        declared,
        claims,
        commands,
        caveat: caveat(workspace, &unit.reference),
        keyring,
        bytes,
        app_version,
    }
}

fn mirrored(mirror: &Mirror, unit: &crate::graph::Unit) -> (Location, Bytes, Option<String>) {
    let line = mirror.versions.iter().find(|declared| declared.version == unit.version);
    let declared = line.map_or_else(|| Location::file(&*mirror.file), |line| line.location.clone());
    match &unit.state {
        PinState::Pinned(pin) => (declared, Bytes::Pinned(pin.clone()), pin.app_version.clone()),
        PinState::Stale(unsatisfied) => {
            let source = mirror.source.tagged(unit.version.tag());
            (declared, Bytes::Unpinned { source, reason: unsatisfied.to_string() }, None)
        }
        PinState::Folder => (declared, Bytes::Folder(String::new()), None),
    }
}

/// What the pin's signer says about itself, as the committed keyring has it.
fn claims(workspace: &Workspace, pin: &Pin) -> Option<String> {
    let Signer::Pgp(signer) = &pin.signer else { return None };
    let keyring = workspace.keyrings.parsed(&pin.keyring?)?;
    let is_signer = |fingerprint: &Fingerprint| fingerprint == signer;
    keyring.keys().iter().find(|key| is_signer(&key.fingerprint))?.user_ids.first().cloned()
}

/// Where the keyring of a pin lies.
fn keyring(workspace: &Workspace, mirror: &Mirror, pin: &Pin) -> Option<KeyringFile> {
    let digest = pin.keyring?;
    pin.provenance?;
    let path = match &mirror.trust.keyring {
        Some(KeyringSource::Path { path, digest: named }) if *named == digest => path.to_string(),
        _ if workspace.keyrings.is_committed(&digest) => keyring_file(&digest),
        _ => return None,
    };
    // Every OpenPGP packet begins with the high bit set; text never does.
    let armored = workspace.keyring(&digest)?.first().is_some_and(|byte| byte & 0x80 == 0);
    Some(KeyringFile { path, armored })
}

fn caveat(workspace: &Workspace, reference: &Reference) -> Option<String> {
    let host = reference.repository.host();
    match (workspace.settings.access(host), &workspace.settings.signing) {
        (Access::Layout(folder), _) => Some(format!(
            "{host} is the folder {folder} in this workspace: the commands are for the registry of that name"
        )),
        (_, Signing::None) => {
            Some("nothing is signed here (`[signing] method = \"none\"`), so cosign has nothing to check".into())
        }
        _ => None,
    }
}
