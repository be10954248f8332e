//! What a change does to trust: two workspaces compared, every weakening and every new trust named. Pure.
//!
//! Owns which fields matter. Fields that a lockfile diff shows by itself and that weaken nothing are not told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::diagnostic::Location;
use crate::finding::{Code, Finding, Holder};
use crate::lock::{Difference, Lockfile, Pin};
use crate::oci::{Digest, Repository};
use crate::plan::signers::signer_name;
use crate::provenance::{KeyChanges, Keyring};
use crate::settings::{Access, PastSigner, RegistrySettings, RootPath, Settings, Signing};
use crate::workspace::{KeyringSource, Mirror, Workspace};

/// One side of the comparison.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'a> {
    /// Settings and manifests.
    pub workspace: &'a Workspace,
    /// The pins.
    pub lockfile: &'a Lockfile,
}

/// Every change of trust from `base` to `here`, settings first, then by mirror and pin.
#[must_use]
pub fn changes(base: Trusted<'_>, here: Trusted<'_>) -> Vec<Finding> {
    let mut told = Told(Vec::new());
    settings(&base.workspace.settings, &here.workspace.settings, &mut told);
    signing(base.workspace, here.workspace, &mut told);
    mirrors(&base.workspace.mirrors, &here.workspace.mirrors, &mut told);
    pins(base.lockfile, here.lockfile, &mut told);
    keyrings(base, here, &mut told);
    told.0
}

struct Told(Vec<Finding>);

impl Told {
    fn say(&mut self, message: String) {
        self.0.push(Finding::of_run(Code::Trust, message, ""));
    }

    fn differs<T: PartialEq + Display>(&mut self, what: &str, base: &T, here: &T) {
        if base != here {
            self.say(format!("{what} changes from `{base}` to `{here}`"));
        }
    }
}

fn settings(base: &Settings, here: &Settings, told: &mut Told) {
    told.differs("`[publish] repository`", &base.publish, &here.publish);
    if here.max_changes > base.max_changes {
        told.differs("`[apply] max-changes`", &base.max_changes, &here.max_changes);
    }
    let hosts: BTreeSet<_> = base.registries.keys().chain(here.registries.keys()).collect();
    let plain = RegistrySettings::default();
    for host in hosts {
        registry(host, base.registries.get(host).unwrap_or(&plain), here.registries.get(host).unwrap_or(&plain), told);
    }
    let known = |accept: &&crate::settings::Accept| {
        base.accept.iter().any(|old| {
            (old.finding, &old.reference, &old.digest) == (accept.finding, &accept.reference, &accept.digest)
        })
    };
    for accept in here.accept.iter().filter(|accept| !known(accept)) {
        let finding = Finding::of(
            Code::Trust,
            &accept.reference,
            format!("a new exception accepts `{}` for {}: {}", accept.finding, accept.digest, accept.reason),
            "",
        );
        told.0.push(finding.at(Some(accept.location.clone())));
    }
}

fn signing(base: &Workspace, here: &Workspace, told: &mut Told) {
    let (old, new) = (&base.settings.signing, &here.settings.signing);
    told.differs("`[signing] method`", &old.method(), &new.method());
    if old.method() == new.method() {
        let new = signing_fields(here);
        for (field, old) in signing_fields(base) {
            told.differs(&format!("`[signing] {field}`"), &old, &new[field]);
        }
    }
}

/// What `[signing]` says, files with the digests of their bytes.
fn signing_fields(workspace: &Workspace) -> BTreeMap<&'static str, String> {
    let file = |path: &RootPath| match workspace.signing_files.get(path.as_str()) {
        Some(digest) => format!("{path} ({digest})"),
        None => format!("{path} (not there)"),
    };
    let past = |signer: &PastSigner| match signer {
        PastSigner::Identity(identity) => identity.clone(),
        PastSigner::PublicKey(path) => file(path),
    };
    let (mut fields, service, elsewhere) = match &workspace.settings.signing {
        Signing::None => return BTreeMap::new(),
        Signing::Key(key) => {
            let accept = key.accept.iter().map(file).collect::<Vec<_>>().join(", ");
            (BTreeMap::from([("public-key", file(&key.public_key)), ("accept", accept)]), &key.service, "none: no log")
        }
        Signing::Keyless(keyless) => {
            let accept = keyless.accept.iter().map(past).collect::<Vec<_>>().join(", ");
            let fields = BTreeMap::from([
                ("issuer", keyless.issuer.clone()),
                ("mirrors", keyless.mirrors.clone()),
                ("charts", keyless.charts.clone()),
                ("accept", accept),
            ]);
            (fields, &keyless.service, "the public instance's")
        }
    };
    let of_instance = |path: &Option<RootPath>| path.as_ref().map_or_else(|| elsewhere.to_owned(), file);
    fields.insert("trusted-root", of_instance(&service.trusted_root));
    fields.insert("signing-config", of_instance(&service.signing_config));
    fields
}

fn registry(host: &str, base: &RegistrySettings, here: &RegistrySettings, told: &mut Told) {
    let access = |access: &Access| match access {
        Access::Https => "https".to_owned(),
        Access::PlainHttp => "plain http".to_owned(),
        Access::Layout(path) => format!("the layouts in {path}"),
    };
    told.differs(&format!("the registry `{host}`"), &access(&base.access), &access(&here.access));
    let realm =
        |settings: &RegistrySettings| settings.token_realm.as_ref().map_or("none".to_owned(), ToString::to_string);
    told.differs(&format!("who gets the credential of `{host}`"), &realm(base), &realm(here));
}

fn mirrors(base: &[Mirror], here: &[Mirror], told: &mut Told) {
    let old: BTreeMap<&Repository, &Mirror> = base.iter().map(|mirror| (&mirror.destination, mirror)).collect();
    for mirror in here {
        if let Some(before) = old.get(&mirror.destination) {
            one_mirror(before, mirror, told);
            continue;
        }
        let message = format!(
            "{} is new: it trusts {} with {}, provenance {}, `fingerprints`: {}",
            mirror.destination,
            mirror.source,
            keyring(mirror),
            required(mirror),
            fingerprints(mirror)
        );
        told.0.push(Finding::of_run(Code::Trust, message, "").at(Some(Location::file(&mirror.file))));
    }
}

fn required(mirror: &Mirror) -> &'static str {
    if mirror.trust.required { "required" } else { "not required" }
}

fn fingerprints(mirror: &Mirror) -> String {
    match mirror.trust.fingerprints.as_slice() {
        [] => "any key of its keyring".to_owned(),
        listed => listed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn one_mirror(base: &Mirror, here: &Mirror, told: &mut Told) {
    let name = &here.destination;
    let first = told.0.len();
    told.differs(&format!("the source of {name}"), &base.source, &here.source);
    told.differs(&format!("the keyring of {name}"), &keyring(base), &keyring(here));
    told.differs(&format!("the provenance of {name}"), &required(base), &required(here));
    told.differs(&format!("`fingerprints` of {name}, who may sign it,"), &fingerprints(base), &fingerprints(here));
    for finding in &mut told.0[first..] {
        finding.location = Some(Location::file(&here.file));
    }
}

fn keyring(mirror: &Mirror) -> String {
    match &mirror.trust.keyring {
        Some(KeyringSource::Path { path, digest }) => format!("{path} ({digest})"),
        Some(KeyringSource::Url(url)) => url.to_string(),
        None => "no keyring".to_owned(),
    }
}

fn pins(base: &Lockfile, here: &Lockfile, told: &mut Told) {
    for pin in here.pins() {
        match base.get(&pin.destination, &pin.version) {
            Some(old) => one_pin(old, pin, told),
            None => new_pin(base, pin, told),
        }
    }
    for pin in base.pins().iter().filter(|pin| here.get(&pin.destination, &pin.version).is_none()) {
        let message = format!("{} is pinned no longer: what is published stays, no longer audited", pin.digest);
        told.0.push(Finding::of(Code::Trust, &pin.reference(), message, ""));
    }
}

fn one_pin(old: &Pin, pin: &Pin, told: &mut Told) {
    let reference = pin.reference();
    if old.digest != pin.digest {
        let finding = Finding::of(Code::Trust, &reference, "the same version gets new bytes", "");
        told.0.push(finding.comparing((Holder::Base, old.digest), (Holder::Pinned, pin.digest)));
    }
    if old.signer != pin.signer {
        let message = format!("its signer changes from {} to {}", signer_name(&old.signer), signer_name(&pin.signer));
        told.0.push(Finding::of(Code::Trust, &reference, message, ""));
    }
    if old.keyring != pin.keyring {
        let digest = |pin: &Pin| pin.keyring.map_or("none".to_owned(), |digest| digest.to_string());
        let message = format!("it is verified with another keyring: {} before, {} now", digest(old), digest(pin));
        told.0.push(Finding::of(Code::Trust, &reference, message, ""));
    }
    // Other bytes differ in all of these.
    let about_same_bytes = |difference: &Difference| {
        old.digest == pin.digest && !["digest", "signer", "keyring"].contains(&difference.field)
    };
    for difference in old.differences(pin).into_iter().filter(about_same_bytes) {
        let Difference { field, here, there } = difference;
        let message = format!("its pin says otherwise about the same bytes: {field} was {here}, it is {there} now");
        told.0.push(Finding::of(Code::Trust, &reference, message, ""));
    }
}

fn new_pin(base: &Lockfile, pin: &Pin, told: &mut Told) {
    let before = base.of(&pin.destination);
    if !before.is_empty() && before.iter().all(|old| old.signer != pin.signer) {
        let message = format!("it is signed by {}, which signed no version before", signer_name(&pin.signer));
        told.0.push(Finding::of(Code::Trust, &pin.reference(), message, ""));
    }
}

/// The keyrings that verify a mirror: the file that its manifest names, or those of its pins.
fn keyrings_of(side: Trusted<'_>, mirror: &Mirror) -> BTreeSet<Digest> {
    match &mirror.trust.keyring {
        Some(KeyringSource::Path { digest, .. }) => BTreeSet::from([*digest]),
        Some(KeyringSource::Url(_)) => {
            side.lockfile.of(&mirror.destination).iter().filter_map(|pin| pin.keyring).collect()
        }
        None => BTreeSet::new(),
    }
}

/// Keyrings that did not verify a destination before, with the keys that come, go and are revoked.
fn keyrings(base: Trusted<'_>, here: Trusted<'_>, told: &mut Told) {
    let old: BTreeMap<&Repository, &Mirror> =
        base.workspace.mirrors.iter().map(|mirror| (&mirror.destination, mirror)).collect();
    for mirror in &here.workspace.mirrors {
        let before = old.get(&mirror.destination).map(|mirror| keyrings_of(base, mirror)).unwrap_or_default();
        for digest in keyrings_of(here, mirror).difference(&before) {
            one_keyring(&mirror.destination, base, &before, here, digest, told);
        }
    }
}

fn one_keyring(
    name: &Repository,
    base: Trusted<'_>,
    before: &BTreeSet<Digest>,
    here: Trusted<'_>,
    digest: &Digest,
    told: &mut Told,
) {
    told.say(format!("{name} is verified with the keyring {digest}, which it was not before"));
    let Some(now) = here.workspace.keyrings.parsed(digest) else { return };
    let before: Vec<&Keyring> =
        before.iter().filter_map(|digest| base.workspace.keyrings.parsed(digest)).map(AsRef::as_ref).collect();
    for change in KeyChanges::between(&before, now).told() {
        told.say(format!("the keyring of {name}: {change}"));
    }
}
