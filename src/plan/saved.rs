//! Saved plans: what a plan rested on, to be compared with what is there when it is applied. Pure.
//!
//! A saved plan can only cause refusal: nothing that is written ever comes from it.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding};
use crate::oci::Digest;
use crate::plan::diff::{Credential, Destination, Signature, Source};
use crate::plan::{Network, Row};

/// This program's version: another one may decide otherwise.
pub const TOOL: &str = env!("CARGO_PKG_VERSION");

/// What a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The version of chartsync that made it.
    pub tool: String,
    /// `online` or `offline`: whether registries were asked.
    pub network: String,
    /// The workspace's files and the digests of their bytes.
    pub inputs: BTreeMap<String, String>,
    /// By published reference: what was seen and decided.
    pub charts: BTreeMap<String, Seen>,
}

/// What was seen of one chart, in stable words, absence included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// At the destination.
    pub destination: String,
    /// At the source.
    pub source: String,
    /// Of our signature.
    pub signature: String,
    /// The digest that a first-party chart's folder is packaged to, or is published as.
    pub package: Option<String>,
}

/// The word where nobody asked; it agrees with every answer.
const NOT_ASKED: &str = "not-asked";

impl Basis {
    /// What these rows rest on.
    #[must_use]
    pub fn new(inputs: &BTreeMap<String, Digest>, rows: &[Row], network: Network) -> Self {
        let digests = inputs.iter().map(|(file, digest)| (file.clone(), digest.to_string()));
        let charts = rows.iter().map(|row| (row.reference.to_string(), Seen::of(row)));
        Self {
            tool: TOOL.to_owned(),
            network: network.name().to_owned(),
            inputs: digests.collect(),
            charts: charts.collect(),
        }
    }

    /// What moved between this plan and one made now; nothing if it still holds.
    #[must_use]
    pub fn moved(&self, now: &Self) -> Vec<Finding> {
        let mut moved = Vec::new();
        if self.tool != now.tool {
            moved.push(format!("it was made by chartsync {}, this is {}", self.tool, now.tool));
        }
        if self.network != now.network {
            moved.push(format!("it was made {}, so nobody has seen what is there", self.network));
        }
        for (file, before, now) in differing(&self.inputs, &now.inputs) {
            moved.push(match (before, now) {
                (None, _) => format!("{file} is new since"),
                (_, None) => format!("{file} is gone since"),
                _ => format!("{file} has other bytes now"),
            });
        }
        for (reference, before, now) in differing(&self.charts, &now.charts) {
            match (before, now) {
                (Some(before), Some(now)) => moved.extend(before.moved(now).map(|what| format!("{reference}: {what}"))),
                (None, _) => moved.push(format!("{reference} is not in it (is it for another `--chart` or `--only`?)")),
                (_, None) => moved.push(format!("{reference} is in the plan, but was not selected now")),
            }
        }
        let next = "look at what moved; make and review a new plan";
        moved
            .into_iter()
            .map(|what| Finding::of_run(Code::StalePlan, format!("the plan is stale: {what}"), next))
            .collect()
    }
}

impl Seen {
    /// What a row's registries were seen to hold.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let destination = match row.destination_now {
            Destination::Absent => "absent".to_owned(),
            Destination::Same => match row.package {
                Some(package) => package.digest.to_string(),
                None => "pinned".to_owned(),
            },
            Destination::Other(digest) => digest.to_string(),
            Destination::Denied(Credential::Sent) => "denied".to_owned(),
            Destination::Denied(Credential::None) => "unseen".to_owned(),
            Destination::Unknown => "unknown".to_owned(),
            Destination::NotAsked => NOT_ASKED.to_owned(),
        };
        let source = match row.source_now {
            Source::NotAsked => NOT_ASKED.to_owned(),
            Source::Folder => "folder".to_owned(),
            Source::Same => "pinned".to_owned(),
            Source::Other(digest) => digest.to_string(),
            Source::Absent => "absent".to_owned(),
            Source::Unknown => "unknown".to_owned(),
        };
        let signature = match row.signature_now {
            Signature::NotWanted => "not-wanted",
            Signature::NotAsked => NOT_ASKED,
            Signature::Ours => "ours",
            Signature::Others => "others",
            Signature::Absent => "absent",
            Signature::Unknown => "unknown",
        };
        let package = row.package.map(|package| package.digest.to_string());
        Self { destination, source, signature: signature.to_owned(), package }
    }

    fn moved(&self, now: &Self) -> impl Iterator<Item = String> + use<> {
        let agree = |before: &str, now: &str| before == now || before == NOT_ASKED || now == NOT_ASKED;
        let of = |what: &str, before: &str, now: &str| {
            (!agree(before, now)).then(|| format!("the {what} was `{before}`, it is `{now}` now"))
        };
        let destination = of("destination", &self.destination, &now.destination);
        let source = of("source", &self.source, &now.source);
        let signature = of("signature", &self.signature, &now.signature);
        let packages = self.package.as_deref().zip(now.package.as_deref());
        let package = packages.and_then(|(before, now)| of("package", before, now));
        destination.into_iter().chain(source).chain(signature).chain(package)
    }
}

/// The keys at which two maps differ, with both values.
fn differing<'a, V: PartialEq>(
    before: &'a BTreeMap<String, V>,
    now: &'a BTreeMap<String, V>,
) -> Vec<(&'a str, Option<&'a V>, Option<&'a V>)> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let all = keys.into_iter().map(|key| (key.as_str(), before.get(key), now.get(key)));
    all.filter(|(_, before, now)| before != now).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(inputs: &[(&str, &str)], charts: &[(&str, &str, &str)]) -> Basis {
        let seen = |(_, destination, source): &(&str, &str, &str)| Seen {
            destination: (*destination).to_owned(),
            source: (*source).to_owned(),
            signature: "absent".to_owned(),
            package: None,
        };
        Basis {
            tool: TOOL.to_owned(),
            network: Network::Online.name().to_owned(),
            inputs: inputs.iter().map(|(file, digest)| ((*file).to_owned(), (*digest).to_owned())).collect(),
            charts: charts.iter().map(|chart| (chart.0.to_owned(), seen(chart))).collect(),
        }
    }

    #[test]
    fn whatever_moved_is_told_and_absence_counts() {
        let before = basis(&[("a", "1"), ("b", "1")], &[("x", "absent", "pinned"), ("y", "pinned", "not-asked")]);
        assert_eq!(before.moved(&before), []);
        let told =
            |now: &Basis| -> Vec<String> { before.moved(now).into_iter().map(|finding| finding.message).collect() };
        for (inputs, charts, says) in [
            (
                &[("a", "2"), ("b", "1")][..],
                &[("x", "absent", "pinned"), ("y", "pinned", "pinned")][..],
                "a has other bytes now",
            ),
            (&[("a", "1")], &[("x", "absent", "pinned"), ("y", "pinned", "absent")], "b is gone since"),
            (
                &[("a", "1"), ("b", "1"), ("c", "1")],
                &[("x", "absent", "pinned"), ("y", "pinned", "x")],
                "c is new since",
            ),
            (
                &[("a", "1"), ("b", "1")],
                &[("x", "pinned", "pinned"), ("y", "pinned", "pinned")],
                "x: the destination was `absent`, it is `pinned` now",
            ),
            (
                &[("a", "1"), ("b", "1")],
                &[("x", "absent", "absent"), ("y", "pinned", "pinned")],
                "x: the source was `pinned`, it is `absent` now",
            ),
            (&[("a", "1"), ("b", "1")], &[("x", "absent", "pinned")], "y is in the plan, but was not selected now"),
            (
                &[("a", "1"), ("b", "1")],
                &[("x", "absent", "pinned"), ("y", "pinned", "pinned"), ("z", "absent", "pinned")],
                "z is not in it (is it for another `--chart` or `--only`?)",
            ),
        ] {
            assert_eq!(told(&basis(inputs, charts)), [format!("the plan is stale: {says}")]);
        }
        let other_tool = Basis { tool: "0.0.0".to_owned(), ..before.clone() };
        assert_eq!(before.moved(&other_tool).len(), 1);
        let offline = Basis { network: Network::Offline.name().to_owned(), ..before.clone() };
        assert_eq!(offline.moved(&before).len(), 1);
        let packaged = |digest: Option<&str>| {
            let mut basis = before.clone();
            basis.charts.entry("x".to_owned()).and_modify(|seen| seen.package = digest.map(str::to_owned));
            basis
        };
        assert_eq!(packaged(Some("1")).moved(&packaged(Some("2"))).len(), 1);
        assert_eq!(packaged(Some("1")).moved(&packaged(Some("1"))), []);
        let signed = |signature: &str| {
            let mut basis = before.clone();
            basis.charts.entry("y".to_owned()).and_modify(|seen| seen.signature = signature.to_owned());
            basis
        };
        assert_eq!(signed("ours").moved(&signed("others")).len(), 1);
        assert_eq!(signed("ours").moved(&signed("ours")), []);
    }
}
