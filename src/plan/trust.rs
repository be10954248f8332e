//! What a change does to trust: two workspaces compared, every weakening and every new trust named. Pure.
//!
//! Owns which fields matter. Fields that a lockfile diff shows by itself and that weaken nothing are not told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::chart::Version;
use crate::diagnostic::Location;
use crate::finding::{Code, Finding, Holder};
use crate::lock::{Lockfile, Pin};
use crate::oci::{Digest, Repository};
use crate::provenance::{KeyChanges, Keyring};
use crate::settings::{
    Accept, Access, KeySigning, KeylessSigning, PastSigner, RegistrySettings, RootPath, SETTINGS_FILE, Settings,
    Signing, SigningService,
};
use crate::workspace::{CHARTS, KeyringSource, LOCK_FILE, Mirror, Trust, Workspace};

/// One side of the comparison.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'a> {
    /// Settings and manifests.
    pub workspace: &'a Workspace,
    /// The pins.
    pub lockfile: &'a Lockfile,
}

/// Every change of trust from `base` to `here`, settings first, then by mirror and pin. Without a base all that is trusted is new.
#[must_use]
pub fn changes(base: Option<Trusted<'_>>, here: Trusted<'_>) -> Vec<Finding> {
    let mut told = Told(Vec::new());
    let Some(base) = base else {
        everything(here, &mut told);
        return told.0;
    };
    settings(&base.workspace.settings, &here.workspace.settings, &mut told);
    signing(base.workspace, here.workspace, &mut told);
    mirrors(base, here, &mut told);
    charts(base.workspace, here.workspace, &mut told);
    pins::changes(base, here, &mut told);
    keyrings(base, here, &mut told);
    told.0
}

/// What a reviewer does about a change of trust.
const NEXT: &str = "merge it only if this is what the change is for";

struct Told(Vec<Finding>);

impl Told {
    fn say(&mut self, at: &Location, message: String) {
        self.0.push(Finding::of_run(Code::Trust, message, NEXT).at(Some(at.clone())));
    }

    fn differs<T: PartialEq + Display>(&mut self, at: &Location, what: &str, base: &T, here: &T) {
        if base != here {
            self.say(at, format!("{what} changes from `{base}` to `{here}`"));
        }
    }

    /// About a pin.
    fn pin(&mut self, pin: &Pin, message: impl Into<String>) -> &mut Finding {
        let at = pin.location().unwrap_or_else(|| Location::file(LOCK_FILE));
        self.0.push(Finding::of(Code::Trust, &pin.reference(), message, NEXT).at(Some(at)));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// All that a workspace trusts, told as new.
fn everything(here: Trusted<'_>, told: &mut Told) {
    let Trusted { workspace: here, lockfile } = here;
    // Taken apart, so that a new field cannot be forgotten here.
    let Settings {
        publish,
        publish_location,
        signing,
        signing_location,
        max_changes,
        max_changes_location,
        registries,
        accept,
    } = &here.settings;
    told.say(publish_location, format!("`[publish] repository` is `{publish}`"));
    let fields = signing_fields(here).into_iter().map(|(field, value)| format!(", {field} `{value}`"));
    told.say(signing_location, format!("`[signing] method` is `{}`{}", signing.method(), fields.collect::<String>()));
    if *max_changes != Settings::MAX_CHANGES {
        told.say(max_changes_location, format!("`[apply] max-changes` is `{max_changes}`"));
    }
    for (host, settings) in registries {
        registry(host, &RegistrySettings::default(), settings, told);
    }
    for accept in accept {
        exception(accept, "a new exception", told);
    }
    for mirror in &here.mirrors {
        new_mirror(mirror, lockfile, told);
    }
}

fn settings_file() -> Location {
    Location::file(SETTINGS_FILE)
}

fn settings(base: &Settings, here: &Settings, told: &mut Told) {
    // Taken apart, so that a new field cannot be forgotten here. `signing` looks at its own fields.
    let Settings {
        publish,
        publish_location,
        signing: _,
        signing_location: _,
        max_changes,
        max_changes_location,
        registries,
        accept,
    } = here;
    told.differs(publish_location, "`[publish] repository`", &base.publish, publish);
    if *max_changes > base.max_changes {
        told.differs(max_changes_location, "`[apply] max-changes`", &base.max_changes, max_changes);
    }
    let hosts: BTreeSet<_> = base.registries.keys().chain(registries.keys()).collect();
    let plain = RegistrySettings::default();
    for host in hosts {
        registry(host, base.registries.get(host).unwrap_or(&plain), registries.get(host).unwrap_or(&plain), told);
    }
    exceptions(&base.accept, accept, told);
}

fn exceptions(base: &[Accept], here: &[Accept], told: &mut Told) {
    let same = |one: &Accept, other: &Accept| {
        // Taken apart, so that a new field cannot be forgotten here.
        let Accept { finding, reference, digest, reason: _, location: _ } = other;
        (one.finding, &one.reference, one.digest) == (*finding, reference, *digest)
    };
    for accept in here {
        match base.iter().find(|old| same(old, accept)) {
            None => exception(accept, "a new exception", told),
            Some(old) if old.reason != accept.reason => {
                let was = format!("an exception that was for another reason (`{}`)", old.reason);
                exception(accept, &was, told);
            }
            Some(_) => {}
        }
    }
    for old in base.iter().filter(|old| !here.iter().any(|accept| same(old, accept))) {
        let message = format!("the exception that accepted `{}` for {} is removed", old.finding, old.digest);
        told.0.push(Finding::of(Code::Trust, &old.reference, message, NEXT).at(Some(settings_file())));
    }
}

fn exception(accept: &Accept, what: &str, told: &mut Told) {
    let message = format!("{what} accepts `{}` for {}: {}", accept.finding, accept.digest, accept.reason);
    told.0.push(Finding::of(Code::Trust, &accept.reference, message, NEXT).at(Some(accept.location.clone())));
}

fn signing(base: &Workspace, here: &Workspace, told: &mut Told) {
    let (old, new) = (&base.settings.signing, &here.settings.signing);
    let at = &here.settings.signing_location;
    told.differs(at, "`[signing] method`", &old.method(), &new.method());
    if old.method() == new.method() {
        let new = signing_fields(here);
        for (field, old) in signing_fields(base) {
            told.differs(at, &format!("`[signing] {field}`"), &old, &new[field]);
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
    // Taken apart, so that a new field cannot be forgotten here.
    let (mut fields, service, elsewhere) = match &workspace.settings.signing {
        Signing::None => return BTreeMap::new(),
        Signing::Key(KeySigning { key, public_key, accept, service }) => {
            let accept = accept.iter().map(file).collect::<Vec<_>>().join(", ");
            let fields = [("key", key.display().to_string()), ("public-key", file(public_key)), ("accept", accept)];
            (BTreeMap::from(fields), service, "none: no log")
        }
        Signing::Keyless(KeylessSigning { issuer, mirrors, charts, accept, service }) => {
            let accept = accept.iter().map(past).collect::<Vec<_>>().join(", ");
            let fields = [
                ("issuer", issuer.clone()),
                ("mirrors", mirrors.clone()),
                ("charts", charts.clone()),
                ("accept", accept),
            ];
            (BTreeMap::from(fields), service, "the public instance's")
        }
    };
    let of_instance = |path: &Option<RootPath>| path.as_ref().map_or_else(|| elsewhere.to_owned(), file);
    // How many signatures are made at once is no matter of trust.
    let SigningService { trusted_root, signing_config, concurrency: _ } = service;
    fields.insert("trusted-root", of_instance(trusted_root));
    fields.insert("signing-config", of_instance(signing_config));
    fields
}

fn registry(host: &str, base: &RegistrySettings, here: &RegistrySettings, told: &mut Told) {
    let text = |access: &Access| match access {
        Access::Https => "https".to_owned(),
        Access::PlainHttp => "plain http".to_owned(),
        Access::Layout(path) => format!("the layouts in {path}"),
    };
    // How many requests it gets at once is no matter of trust.
    let RegistrySettings { access, concurrency: _, token_realm, location } = here;
    let at = location.clone().unwrap_or_else(settings_file);
    told.differs(&at, &format!("the registry `{host}`"), &text(&base.access), &text(access));
    let realm = |realm: &Option<url::Url>| realm.as_ref().map_or("none".to_owned(), ToString::to_string);
    let what = format!("who gets the credential of `{host}`");
    told.differs(&at, &what, &realm(&base.token_realm), &realm(token_realm));
}

fn by_destination(workspace: &Workspace) -> BTreeMap<&Repository, &Mirror> {
    workspace.mirrors.iter().map(|mirror| (&mirror.destination, mirror)).collect()
}

fn mirrors(base: Trusted<'_>, here: Trusted<'_>, told: &mut Told) {
    let (old, new) = (by_destination(base.workspace), by_destination(here.workspace));
    for mirror in &here.workspace.mirrors {
        match old.get(&mirror.destination) {
            Some(before) => {
                one_mirror(before, mirror, told);
                versions(base.lockfile, before, mirror, told);
            }
            None => new_mirror(mirror, here.lockfile, told),
        }
    }
    for gone in base.workspace.mirrors.iter().filter(|mirror| !new.contains_key(&mirror.destination)) {
        let versions: Vec<&str> = gone.versions.iter().map(|declared| declared.version.as_str()).collect();
        let message = format!(
            "{} is mirrored no longer ({}): {UNWATCHED}, and the name is free for anything",
            gone.destination,
            versions.join(", ")
        );
        told.say(&Location::file(LOCK_FILE), message);
    }
}

/// What becomes of whatever leaves manifests and charts.
const UNWATCHED: &str = "what is published stays, no longer audited";

/// The versions that a mirror had, and has no longer: whatever happens to their names, nobody looks.
fn versions(base: &Lockfile, before: &Mirror, mirror: &Mirror, told: &mut Told) {
    let now: BTreeSet<&Version> = mirror.versions.iter().map(|declared| &declared.version).collect();
    for gone in before.versions.iter().map(|declared| &declared.version).filter(|gone| !now.contains(gone)) {
        let reference = mirror.destination.tagged(gone.tag());
        let pinned = base.get(&mirror.destination, gone).map(|pin| (Holder::Base, pin.digest));
        let message = format!("it is declared no longer: {UNWATCHED}");
        let at = Some(Location::file(mirror.file.clone()));
        let finding = Finding::of(Code::Trust, &reference, message, NEXT).at(at);
        told.0.push(Finding { digests: pinned.into_iter().collect(), ..finding });
    }
}

/// First-party charts whose folder is gone. Folders count, not charts: those are left out where one of them is wrong.
fn charts(base: &Workspace, here: &Workspace, told: &mut Told) {
    for gone in base.chart_folders.iter().filter(|name| !here.chart_folders.contains(name)) {
        let version = base.charts.iter().find(|chart| chart.name == *gone).map(|chart| format!(" {}", chart.version));
        let message = format!(
            "the first-party chart {gone}{} is removed: {UNWATCHED}, and the name is free for anything",
            version.unwrap_or_default()
        );
        told.say(&Location::file(format!("{CHARTS}/{gone}")), message);
    }
}

/// The first trust in a mirror: whom it trusts, and who signed what is pinned of it.
fn new_mirror(mirror: &Mirror, lockfile: &Lockfile, told: &mut Told) {
    let keys = match mirror.trust.keyring {
        Some(_) => format!(", `fingerprints`: {}", fingerprints(mirror)),
        None => String::new(),
    };
    let message = format!(
        "{} is new: it trusts {} with {}, provenance {}{keys}{}",
        mirror.destination,
        mirror.source,
        keyring(mirror),
        required(mirror),
        pins::signed_by(lockfile.of(&mirror.destination))
    );
    told.say(&mirror.trust.location, message);
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
    // Taken apart, so that a new field cannot be forgotten here. `versions` looks at its own.
    let Mirror {
        name: _,
        file: _,
        source,
        source_location,
        destination: name,
        destination_location: _,
        versions: _,
        trust: Trust { keyring: _, required: _, fingerprints: _, location },
    } = here;
    told.differs(source_location, &format!("the source of {name}"), &base.source, source);
    told.differs(location, &format!("the keyring of {name}"), &keyring(base), &keyring(here));
    told.differs(location, &format!("the provenance of {name}"), &required(base), &required(here));
    let what = format!("`fingerprints` of {name}, who may sign it,");
    told.differs(location, &what, &fingerprints(base), &fingerprints(here));
}

fn keyring(mirror: &Mirror) -> String {
    match &mirror.trust.keyring {
        Some(KeyringSource::Path { path, digest }) => format!("{path} ({digest})"),
        Some(KeyringSource::Url(url)) => url.to_string(),
        None => "no keyring".to_owned(),
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
    let old = by_destination(base.workspace);
    for mirror in &here.workspace.mirrors {
        let before = old.get(&mirror.destination).map(|mirror| keyrings_of(base, mirror)).unwrap_or_default();
        for digest in keyrings_of(here, mirror).difference(&before) {
            one_keyring(mirror, base, &before, here, digest, told);
        }
    }
}

fn one_keyring(
    mirror: &Mirror,
    base: Trusted<'_>,
    before: &BTreeSet<Digest>,
    here: Trusted<'_>,
    digest: &Digest,
    told: &mut Told,
) {
    let (name, at) = (&mirror.destination, &mirror.trust.location);
    // That of a file has changed in the manifest's eyes already, which was told.
    if matches!(mirror.trust.keyring, Some(KeyringSource::Url(_))) {
        told.say(at, format!("{name} is verified with the keyring {digest}, which it was not before"));
    }
    let Some(now) = here.workspace.keyrings.parsed(digest) else { return };
    let before: Vec<&Keyring> =
        before.iter().filter_map(|digest| base.workspace.keyrings.parsed(digest)).map(AsRef::as_ref).collect();
    for change in KeyChanges::between(&before, now).told() {
        told.say(at, format!("the keyring of {name}: {change}"));
    }
}

mod pins;

#[cfg(test)]
mod tests;
