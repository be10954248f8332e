//! What `verify` found, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parts::{WireFinding, WirePin};
use crate::audit::{Audit, Depth};

#[derive(Serialize)]
struct WireAudits {
    /// `whole`, or `digest` where contents and provenance were not read.
    depth: &'static str,
    /// How many charts were found in each state.
    counts: BTreeMap<&'static str, usize>,
    charts: Vec<WireAudit>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireAudit {
    name: String,
    version: String,
    reference: String,
    audited: &'static str,
    pin: Option<WirePin>,
    /// The digest that a first-party chart is published under.
    published: Option<String>,
    claims: Option<String>,
    /// The identity, or the public key's file, whose signature holds.
    signed_by: Option<String>,
    finding: Option<WireFinding>,
}

impl From<&Audit> for WireAudit {
    fn from(audit: &Audit) -> Self {
        Self {
            name: audit.name.clone(),
            version: audit.version.to_string(),
            reference: audit.reference.to_string(),
            audited: audit.audited.name(),
            pin: audit.pin.as_ref().map(Into::into),
            published: audit.published.as_ref().map(ToString::to_string),
            claims: audit.claims.clone(),
            signed_by: audit.signed_by.clone(),
            finding: audit.finding.as_ref().map(Into::into),
        }
    }
}

/// The audits as JSON.
#[must_use]
pub fn audit(audits: &[Audit], depth: Depth) -> String {
    let mut counts = BTreeMap::new();
    for audit in audits {
        *counts.entry(audit.audited.name()).or_default() += 1;
    }
    let depth = match depth {
        Depth::Whole => "whole",
        Depth::Digest => "digest",
    };
    super::text("verify", WireAudits { depth, counts, charts: audits.iter().map(Into::into).collect() })
}
