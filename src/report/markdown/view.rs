//! What is read of a plan's JSON to be shown. The schema has been held before.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Plan {
    pub(super) tool: String,
    pub(super) base: Option<String>,
    pub(super) answer: String,
    pub(super) reason: String,
    pub(super) counts: BTreeMap<String, usize>,
    pub(super) findings: Vec<Finding>,
    pub(super) charts: Vec<Chart>,
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
    pub(super) accepted: Vec<Accept>,
    pub(super) findings: Vec<Finding>,
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
pub(super) struct Keyring {
    pub(super) before: Vec<String>,
    pub(super) digest: String,
    pub(super) added: Vec<Key>,
    pub(super) removed: Vec<Key>,
    pub(super) revoked: Vec<Key>,
    pub(super) restored: Vec<Key>,
    pub(super) extended: Vec<Key>,
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
    pub(super) line: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Exception {
    pub(super) toml: String,
}
