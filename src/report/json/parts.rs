//! What several documents have in common.

use serde::Serialize;

use super::beside::{WireBeside, WireCreated};
use super::difference::WireAgainst;
use crate::diagnostic::{Location, Severity};
use crate::finding::{Exception, Finding, Holder};
use crate::lock::Pin;
use crate::oci::Digest;
use crate::plan::saved::Seen;
use crate::plan::{Change, PackageSeen, Row, Verdict};
use crate::provenance::{Fingerprint, KeyChanges, KeySummary};
use crate::settings::Accept;

/// Where in the workspace. Line and column count from 1.
#[derive(Serialize)]
pub(super) struct WireLocation {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
}

impl From<&Location> for WireLocation {
    fn from(location: &Location) -> Self {
        let (line, column) = location.position.unzip();
        Self { file: location.file.clone(), line, column }
    }
}

/// The entry that would lift a finding, and its text as it is pasted into the settings.
#[derive(Serialize)]
pub(super) struct WireException {
    finding: &'static str,
    reference: String,
    digest: String,
    toml: String,
}

impl From<&Exception> for WireException {
    fn from(exception: &Exception) -> Self {
        Self {
            finding: exception.finding.as_str(),
            reference: exception.reference.to_string(),
            digest: exception.digest.to_string(),
            toml: exception.to_string(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct WireFinding {
    code: &'static str,
    sign: char,
    severity: &'static str,
    reference: Option<String>,
    location: Option<WireLocation>,
    message: String,
    /// What should be first, what is there instead last.
    digests: Vec<WireHeld>,
    /// Empty where nothing is to be done.
    next: String,
    exception: Option<WireException>,
}

/// A digest and who holds it.
#[derive(Serialize)]
pub(super) struct WireHeld {
    by: &'static str,
    digest: String,
}

impl From<&(Holder, Digest)> for WireHeld {
    fn from((holder, digest): &(Holder, Digest)) -> Self {
        Self { by: holder.as_str(), digest: digest.to_string() }
    }
}

impl From<&Finding> for WireFinding {
    fn from(finding: &Finding) -> Self {
        let severity = match finding.severity() {
            Severity::Blocking => "blocking",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        Self {
            code: finding.code.as_str(),
            sign: finding.code.sign(),
            severity,
            reference: finding.reference.as_ref().map(ToString::to_string),
            location: finding.location.as_ref().map(Into::into),
            message: finding.message.clone(),
            digests: finding.digests.iter().map(Into::into).collect(),
            next: finding.next.clone(),
            exception: finding.exception.as_ref().map(Into::into),
        }
    }
}

/// A pin, field by field as the lockfile has it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WirePin {
    name: String,
    version: String,
    source: String,
    destination: String,
    digest: String,
    size: u64,
    archive: String,
    archive_size: u64,
    provenance: Option<String>,
    signer: String,
    keyring: Option<String>,
    app_version: Option<String>,
}

impl From<&Pin> for WirePin {
    fn from(pin: &Pin) -> Self {
        // Taken apart, so that a new field cannot be forgotten here.
        let Pin {
            name,
            version,
            source,
            destination,
            digest,
            size,
            archive,
            archive_size,
            provenance,
            signer,
            keyring,
            app_version,
            line: _,
        } = pin;
        Self {
            name: name.clone(),
            version: version.to_string(),
            source: source.to_string(),
            destination: destination.to_string(),
            digest: digest.to_string(),
            size: *size,
            archive: archive.to_string(),
            archive_size: *archive_size,
            provenance: provenance.as_ref().map(ToString::to_string),
            signer: signer.to_string(),
            keyring: keyring.as_ref().map(ToString::to_string),
            app_version: app_version.clone(),
        }
    }
}

/// A packaged chart.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WirePackage {
    digest: String,
    archive: String,
    archive_size: u64,
}

impl From<&PackageSeen> for WirePackage {
    fn from(package: &PackageSeen) -> Self {
        let PackageSeen { digest, archive, archive_size } = package;
        Self { digest: digest.to_string(), archive: archive.to_string(), archive_size: *archive_size }
    }
}

/// A reviewed exception.
#[derive(Serialize)]
struct WireAccept {
    finding: &'static str,
    digest: String,
    reason: String,
}

impl From<&Accept> for WireAccept {
    fn from(accept: &Accept) -> Self {
        Self { finding: accept.finding.as_str(), digest: accept.digest.to_string(), reason: accept.reason.clone() }
    }
}

/// One chart version of a plan or an outcome.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WireRow {
    name: String,
    version: String,
    reference: String,
    /// `null` for a first-party chart.
    source: Option<String>,
    state: &'static str,
    /// What the destination holds instead of the pin.
    held: Option<String>,
    /// What was seen of both sides, in stable words: a saved plan rests on it.
    destination_now: String,
    source_now: String,
    signature_now: String,
    /// What was found instead of our signature.
    signature_note: Option<String>,
    pin: Option<WirePin>,
    /// What a first-party chart's folder is packaged to, or is published as.
    package: Option<WirePackage>,
    claims: Option<String>,
    created: Option<WireCreated>,
    /// What it is beside what was there before; `null` where nobody compared.
    beside: Option<WireBeside>,
    /// What changes against the version before; `null` where nothing is new, or nothing was before.
    against: Option<WireAgainst>,
    accepted: Vec<WireAccept>,
    findings: Vec<WireFinding>,
}

impl From<&Row> for WireRow {
    fn from(row: &Row) -> Self {
        Self {
            name: row.name.clone(),
            version: row.version.to_string(),
            reference: row.reference.to_string(),
            source: row.source.as_ref().map(ToString::to_string),
            state: row.state.name(),
            destination_now: Seen::of(row).destination,
            source_now: Seen::of(row).source,
            signature_now: Seen::of(row).signature,
            signature_note: row.signature_note.clone(),
            held: row.held.as_ref().map(ToString::to_string),
            pin: row.pin.as_deref().map(Into::into),
            package: row.package.as_ref().map(Into::into),
            claims: row.claims.clone(),
            created: row.created.map(Into::into),
            beside: row.beside.as_deref().map(Into::into),
            against: row.against.as_deref().map(Into::into),
            accepted: row.accepted.iter().map(Into::into).collect(),
            findings: findings(&row.findings),
        }
    }
}

/// An OpenPGP key.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WireKey {
    fingerprint: String,
    subkeys: Vec<String>,
    revoked_subkeys: Vec<String>,
    claims: Vec<String>,
    /// Unix seconds.
    expires: Option<u64>,
    revoked: bool,
}

impl From<&KeySummary> for WireKey {
    fn from(key: &KeySummary) -> Self {
        Self {
            fingerprint: key.fingerprint.to_string(),
            subkeys: key.subkeys.iter().map(ToString::to_string).collect(),
            revoked_subkeys: key.revoked_subkeys.iter().map(ToString::to_string).collect(),
            claims: key.user_ids.clone(),
            expires: key.expires,
            revoked: key.revoked,
        }
    }
}

/// The keys by which one keyring differs from those before it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct WireKeyChanges {
    added: Vec<WireKey>,
    removed: Vec<WireKey>,
    revoked: Vec<WireKey>,
    /// No longer revoked.
    restored: Vec<WireKey>,
    /// With subkeys that they did not have before.
    extended: Vec<WireKey>,
    /// With subkeys that are revoked now and were not before.
    subkeys_revoked: Vec<WireKey>,
    /// With subkeys that are no longer revoked.
    subkeys_restored: Vec<WireKey>,
}

impl From<&KeyChanges> for WireKeyChanges {
    fn from(changes: &KeyChanges) -> Self {
        let KeyChanges { added, removed, revoked, restored, extended, subkeys_revoked, subkeys_restored } = changes;
        let keys = |keys: &[KeySummary]| keys.iter().map(Into::into).collect();
        let of_subkeys = |keys: &[(KeySummary, Vec<Fingerprint>)]| keys.iter().map(|(key, _)| key.into()).collect();
        Self {
            added: keys(added),
            removed: keys(removed),
            revoked: keys(revoked),
            restored: keys(restored),
            extended: of_subkeys(extended),
            subkeys_revoked: of_subkeys(subkeys_revoked),
            subkeys_restored: of_subkeys(subkeys_restored),
        }
    }
}

pub(super) fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<WireFinding> {
    findings.into_iter().map(Into::into).collect()
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Failed => "failed",
        Verdict::Withheld => "withheld",
        Verdict::Stale => "stale",
        Verdict::Changes => "changes",
        Verdict::Clean => "clean",
    }
}

pub(super) fn change(change: Change) -> &'static str {
    match change {
        Change::Publish => "publish",
        Change::Replace(_) => "replace",
        Change::Sign => "sign",
    }
}
