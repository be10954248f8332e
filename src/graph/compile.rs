//! From what a workspace declares, and what its lockfile pins, to the graph.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Builder, Demands, Identity, Ingredients, Origin, PinState, StepGraph, Unit};
use crate::lock::Lockfile;
use crate::oci::{Digest, Reference};
use crate::settings::{Acceptable, Role, Settings, Signing};
use crate::workspace::Workspace;

/// The exceptions that lift a check of a chart's bytes. The others lift what is said about names.
const LIFTING: [Acceptable; 3] = [Acceptable::ExpiredKey, Acceptable::NewSigner, Acceptable::Unsigned];

/// Compiles every declared version into its steps, by destination and version, whatever order they are declared in.
#[must_use]
pub fn compile(workspace: &Workspace, lockfile: &Lockfile) -> StepGraph {
    let settings = &workspace.settings;
    let demands =
        workspace.mirrors.iter().map(|mirror| Demands::new(mirror.trust.required, &mirror.trust.fingerprints));
    let mut builder = Builder::new(demands.collect());
    let identity = identity(workspace, Role::Mirrors);
    let accepted_places = settings.accept.iter().map(|accept| &accept.reference).collect::<HashSet<_>>();

    let mirrors = workspace.mirrors.iter().enumerate();
    let mut declared = mirrors
        .flat_map(|(index, mirror)| mirror.versions.iter().map(move |version| (index, mirror, version)))
        .collect::<Vec<_>>();
    declared.sort_by(|(_, mirror, version), (_, other, other_version)| {
        (&mirror.destination, &version.version).cmp(&(&other.destination, &other_version.version))
    });
    for (index, mirror, version) in declared {
        let reference = mirror.destination.tagged(version.version.tag());
        let state = match lockfile.satisfying(mirror, &version.version, workspace) {
            Ok(pin) => PinState::Pinned(Arc::clone(pin)),
            Err(reason) => PinState::Stale(reason),
        };
        let accepted = match &state {
            PinState::Pinned(pin) if accepted_places.contains(&reference) => lifted(settings, &reference, &pin.digest),
            _ => Vec::new(),
        };
        let unit = Unit {
            name: mirror.destination.last().to_owned(),
            version: version.version.clone(),
            reference,
            origin: Origin::Mirror(index),
            state,
            accepted,
        };
        builder.mirrored(unit, identity.as_ref());
    }
    first_party(&mut builder, workspace);
    builder.finish()
}

/// Adds the first-party charts, and then what they are packaged from.
fn first_party(builder: &mut Builder, workspace: &Workspace) {
    let identity = identity(workspace, Role::Charts);
    let mut ids = Vec::with_capacity(workspace.charts.len());
    for (index, chart) in workspace.charts.iter().enumerate() {
        let unit = Unit {
            name: chart.name.clone(),
            version: chart.version.clone(),
            reference: chart.destination.tagged(chart.version.tag()),
            origin: Origin::Chart(index),
            state: PinState::Folder,
            accepted: Vec::new(),
        };
        ids.push(builder.first_party(unit, identity.as_ref()));
    }
    for (id, chart) in ids.into_iter().zip(&workspace.charts) {
        let dependencies = chart.dependencies.iter();
        let dependencies = dependencies
            .filter_map(|(name, dependency)| {
                Some((name.clone(), builder.find(&dependency.destination, &dependency.version)?))
            })
            .collect();
        builder.consists(id, Ingredients { files: chart.files.clone(), dependencies });
    }
}

fn lifted(settings: &Settings, reference: &Reference, digest: &Digest) -> Vec<Acceptable> {
    let mut lifted = LIFTING.to_vec();
    lifted.retain(|finding| settings.accepts(*finding, reference, digest).is_some());
    lifted
}

/// Who signs charts of this role.
fn identity(workspace: &Workspace, role: Role) -> Option<Identity> {
    let signing = &workspace.settings.signing;
    let (issuer, identity) = match signing {
        Signing::None => return None,
        Signing::Key(signing) => (None, signing.public_key.as_str()),
        Signing::Keyless(signing) => (Some(signing.issuer.clone()), signing.identity(role)),
    };
    let key = workspace.signing_files.get(identity).copied();
    Some(Identity { method: signing.method(), issuer, identity: identity.to_owned(), key })
}
