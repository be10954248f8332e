//! What a step is made of, told to a sink.
//!
//! Owns the one traversal behind both the key and its explanation: whatever is added here invalidates and is explained alike.

use std::collections::BTreeMap;
use std::fmt;

use super::{Edge, Step, StepGraph, Task, Unit, UnitId};
use crate::chart::package;
use crate::key::{KeySink, Sink, StepKey};
use crate::lock::Pin;
use crate::oci::{Digest, Target};
use crate::provenance::Fingerprint;

/// The fields that a step may have several of: a name, a blank, a value.
pub(super) const NAMED: [&str; 2] = ["file", "dependency"];

/// What a manifest demands of its charts' provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    required: &'static str,
    /// Sorted, with blanks between.
    fingerprints: String,
}

impl Demands {
    /// `fingerprints` in any order; none means any key of the keyring.
    #[must_use]
    pub fn new(required: bool, fingerprints: &[Fingerprint]) -> Self {
        let required = if required { "true" } else { "false" };
        Self { required, fingerprints: list(fingerprints.iter().map(Fingerprint::as_str)) }
    }
}

/// What a first-party chart is packaged from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ingredients {
    /// The digests of the files of its folder, by path below it.
    pub files: BTreeMap<String, Digest>,
    /// Other units of the graph, by the name of the dependency that they stand for.
    pub dependencies: BTreeMap<String, UnitId>,
}

/// Who signs what is published, as the settings have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name of the signing method.
    pub method: &'static str,
    /// The issuer that vouches for the identity, where the method has one.
    pub issuer: Option<String>,
    /// The identity, or the public key's file.
    pub identity: String,
    /// The public key's bytes, where it is one.
    pub key: Option<Digest>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}

/// Texts without blanks as one value: their order and repetition mean nothing.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut texts = texts.collect::<Vec<_>>();
    texts.sort_unstable();
    texts.dedup();
    texts.join(" ")
}

impl StepGraph {
    /// Tells a step's inputs and the keys that feed it; no field twice, but one `feeds` for each feeding step, one `file` and one
    /// `dependency` for each that a package is made of.
    ///
    /// Tells what is known and returns `None` when something is not: the step's bytes are not fixed, or those of a step that
    /// feeds it.
    pub fn describe(&self, step: &Step, sink: &mut dyn Sink) -> Option<()> {
        let inputs = self.inputs(step, sink);
        let feeds = self.feeds(step, sink);
        inputs.and(feeds)
    }

    pub(super) fn key_of(&self, step: &Step) -> Option<StepKey> {
        let mut sink = KeySink::new(step.kind().as_str());
        self.describe(step, &mut sink)?;
        Some(sink.finish())
    }

    fn inputs(&self, step: &Step, sink: &mut dyn Sink) -> Option<()> {
        match step.task {
            Task::Keyring(at) => sink.input("digest", &self.keyrings[at as usize].to_string()),
            Task::Identity(at) => identity(&self.identities[at as usize], sink),
            Task::Package(unit) => return self.package(unit, sink),
            Task::Clear(unit) => return self.clear(self.unit(unit), sink),
            Task::Copy(unit) => sink.input("repository", self.unit(unit).destination().as_str()),
            Task::Sign(unit) => place(self.unit(unit), sink),
            Task::Tag(unit) | Task::Confirm(unit) => sink.input("reference", &self.unit(unit).reference.to_string()),
        }
        Some(())
    }

    fn feeds(&self, step: &Step, sink: &mut dyn Sink) -> Option<()> {
        let feeding = self.before(step).filter(|(_, edge)| *edge == Edge::Feeds);
        let mut feeding = feeding.map(|(before, _)| (before.kind().as_str(), before.key)).collect::<Vec<_>>();
        feeding.sort_unstable();
        for (kind, key) in &feeding {
            if let Some(key) = key {
                sink.feeds(kind, *key);
            }
        }
        feeding.iter().all(|(_, key)| key.is_some()).then_some(())
    }

    /// First-party dependencies feed it: they have steps of their own for that.
    fn package(&self, unit: UnitId, sink: &mut dyn Sink) -> Option<()> {
        let Ingredients { files, dependencies } = self.packages.get(&unit)?;
        sink.input("packer", &package::REVISION.to_string());
        for (path, digest) in files {
            sink.input("file", &format!("{path} {digest}"));
        }
        let mut known = Some(());
        for (name, on) in dependencies {
            let on = self.unit(*on);
            match on.pin() {
                Some(pin) => sink.input("dependency", &format!("{name} {}", pin.archive)),
                None if on.mirror().is_some() => known = None,
                // Its own package feeds this one: what is in it is told there.
                None => sink.input("dependency", &format!("{name} folder")),
            }
        }
        known
    }

    fn clear(&self, unit: &Unit, sink: &mut dyn Sink) -> Option<()> {
        let demands = self.demands.get(unit.mirror()?)?;
        sink.input("required", demands.required);
        sink.input("fingerprints", &demands.fingerprints);
        sink.input("accepted", &list(unit.accepted.iter().map(|finding| finding.as_str())));
        pin(unit.pin()?, sink);
        Some(())
    }
}

/// Taken apart, so that a new field of a pin cannot be forgotten here.
fn pin(pin: &Pin, sink: &mut dyn Sink) {
    let Pin {
        name,
        version,
        source,
        // The place: `copy`, `sign`, `tag` and `confirm` have it.
        destination: _,
        digest,
        size,
        archive,
        archive_size,
        provenance,
        signer,
        // A step of its own, which feeds this one.
        keyring: _,
        app_version,
        // Where a pin stands changes nothing.
        line: _,
    } = pin;
    sink.input("name", name);
    sink.input("version", version.as_str());
    sink.input("source", source.as_str());
    sink.input("digest", &digest.to_string());
    sink.input("size", &size.to_string());
    sink.input("archive", &archive.to_string());
    sink.input("archive-size", &archive_size.to_string());
    if let Some(provenance) = provenance {
        sink.input("provenance", &provenance.to_string());
    }
    sink.input("signer", &signer.to_string());
    if let Some(app_version) = app_version {
        sink.input("app-version", app_version);
    }
}

fn identity(identity: &Identity, sink: &mut dyn Sink) {
    sink.input("method", identity.method);
    if let Some(issuer) = &identity.issuer {
        sink.input("issuer", issuer);
    }
    sink.input("identity", &identity.identity);
    if let Some(key) = &identity.key {
        sink.input("public-key", &key.to_string());
    }
}

fn place(unit: &Unit, sink: &mut dyn Sink) {
    sink.input("repository", unit.destination().as_str());
    if let Target::Tag(tag) = &unit.reference.target {
        sink.input("tag", tag.as_str());
    }
}
