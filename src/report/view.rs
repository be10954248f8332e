//! A plan's JSON, read back to be shown. Nothing of it is believed but that it fits the schema: whoever hands it over may have
//! been fooled by a pull request.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::chart::difference::Difference;
use crate::report::json::plan_value;

impl Plan {
    /// Reads a plan's JSON.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_value(plan_value(text)?).map_err(|error| error.to_string())
    }

    /// Every finding, blocking first, else those of the run first.
    pub(super) fn findings(&self) -> Vec<&Finding> {
        let of_charts = self.charts.iter().flat_map(|chart| &chart.findings);
        let mut all: Vec<&Finding> = self.findings.iter().chain(of_charts).collect();
        all.sort_by_key(|finding| ["blocking", "warning", "note"].iter().position(|name| *name == finding.severity));
        all
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Plan {
    pub(super) tool: String,
    pub(super) lock_patch: Option<LockPatch>,
    pub(super) base: Option<String>,
    pub(super) folder: String,
    pub(super) safe_to_merge: String,
    pub(super) as_reviewed: Option<String>,
    pub(super) answer: String,
    pub(super) reason: String,
    pub(super) counts: BTreeMap<String, usize>,
    findings: Vec<Finding>,
    pub(super) charts: Vec<Chart>,
}

#[derive(Deserialize)]
pub(super) struct LockPatch {
    pub(super) file: String,
    pub(super) pins: usize,
    pub(super) dropped: usize,
    pub(super) keyrings: usize,
    pub(super) unlocked: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) reference: String,
    pub(super) source: Option<String>,
    pub(super) state: String,
    pub(super) signature_note: Option<String>,
    pub(super) pin: Option<Pin>,
    pub(super) package: Option<Package>,
    pub(super) claims: Option<String>,
    pub(super) created: Option<Created>,
    pub(super) beside: Option<Beside>,
    pub(super) against: Option<Against>,
    pub(super) accepted: Vec<Accept>,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
pub(super) struct Against {
    pub(super) version: Option<String>,
    pub(super) command: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) difference: Option<Difference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Pin {
    pub(super) digest: String,
    pub(super) archive_size: u64,
    pub(super) signer: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub(super) digest: String,
    pub(super) archive_size: u64,
}

#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) at: u64,
    pub(super) by: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Beside {
    pub(super) novelty: String,
    pub(super) earlier: usize,
    pub(super) previous: Option<Previous>,
    pub(super) signer: Option<Continuity>,
    pub(super) replaces: Option<Held>,
    pub(super) down_from: Option<String>,
    pub(super) keyring: Option<Keyring>,
    pub(super) unsigned: Option<Unsigned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Previous {
    pub(super) version: String,
    pub(super) archive_size: u64,
}

#[derive(Deserialize)]
pub(super) struct Continuity {
    pub(super) is: String,
    pub(super) others: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Held {
    pub(super) by: String,
    pub(super) digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Keyring {
    pub(super) before: Vec<String>,
    pub(super) digest: String,
    pub(super) added: Vec<Key>,
    pub(super) removed: Vec<Key>,
    pub(super) revoked: Vec<Key>,
    pub(super) restored: Vec<Key>,
    pub(super) extended: Vec<Key>,
    pub(super) subkeys_revoked: Vec<Key>,
    pub(super) subkeys_restored: Vec<Key>,
}

#[derive(Deserialize)]
pub(super) struct Key {
    pub(super) fingerprint: String,
    pub(super) claims: Vec<String>,
}

#[derive(Deserialize, Clone)]
pub(super) struct Unsigned {
    pub(super) because: String,
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Accept {
    pub(super) finding: String,
    pub(super) reason: String,
}

#[derive(Deserialize)]
pub(super) struct Finding {
    pub(super) code: String,
    pub(super) sign: String,
    pub(super) severity: String,
    pub(super) reference: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) message: String,
    pub(super) digests: Vec<Held>,
    pub(super) next: String,
    pub(super) exception: Option<Exception>,
}

#[derive(Deserialize)]
pub(super) struct Location {
    pub(super) file: String,
    pub(super) line: Option<u64>,
    pub(super) column: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Exception {
    pub(super) toml: String,
}
