//! What only `--drift` asks: tags that nothing declares, keyrings that changed behind their URL, exceptions that nothing needs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use crate::artifact::Clearing;
use crate::finding::{Code, Finding};
use crate::graph::StepGraph;
use crate::http;
use crate::oci::{Digest, Repository};
use crate::plan::Plan;
use crate::settings::Acceptable;
use crate::workspace::{KeyringSource, Mirror};

/// How many repositories and keyrings are asked together: tag lists are what registries throttle first.
const AT_ONCE: usize = 2;

/// Notes about tags at the destinations that no manifest declares. Tags of referrers are nobody's declaration.
pub async fn orphans(clearing: &Clearing, graph: &StepGraph) -> Vec<Finding> {
    let mut declared: BTreeMap<&Repository, BTreeSet<&str>> = BTreeMap::new();
    let tags: Vec<_> = graph.units().iter().map(|unit| (unit.destination(), unit.version.tag().to_string())).collect();
    for (repository, tag) in &tags {
        declared.entry(repository).or_default().insert(tag);
    }
    let one = |(repository, declared): (&Repository, BTreeSet<&str>)| {
        let repository = repository.clone();
        let declared: BTreeSet<String> = declared.into_iter().map(str::to_owned).collect();
        async move { orphans_of(clearing, &repository, &declared).await }
    };
    let mut found: Vec<Finding> =
        futures_util::stream::iter(declared).map(one).buffered(AT_ONCE).collect::<Vec<_>>().await.concat();
    found.sort_by(|one, other| one.reference.cmp(&other.reference));
    found
}

async fn orphans_of(clearing: &Clearing, repository: &Repository, declared: &BTreeSet<String>) -> Vec<Finding> {
    // A repository that is not there, or that cannot be listed, is told by the rows of its charts.
    let Ok(tags) = clearing.registries.at(repository).tags(repository).await else { return Vec::new() };
    let undeclared = tags.into_iter().filter(|tag| !declared.contains(tag.as_str()) && !is_referrers_tag(tag.as_str()));
    let note = |tag| {
        let reference = repository.tagged(tag);
        Finding::of(Code::Orphan, &reference, "it is published, but nothing here declares it", "")
    };
    undeclared.map(note).collect()
}

/// The fallback tag of referrers, and the tags of cosign's older signatures: `sha256-<hex>`, `sha256-<hex>.sig` and such.
fn is_referrers_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-")
        .is_some_and(|rest| rest.get(..64).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())))
}

/// Notes about keyrings that are no longer what was committed.
pub async fn keyrings(clearing: &Clearing) -> Vec<Finding> {
    let urls = clearing.workspace.mirrors.iter().filter_map(|mirror| match &mirror.trust.keyring {
        Some(KeyringSource::Url(url)) => Some((mirror, url.clone())),
        _ => None,
    });
    let one = |(mirror, url): (&Mirror, url::Url)| {
        let name = mirror.name.clone();
        async move {
            let message = match http::fetch_public(&url, http::KEYRING_LIMIT).await {
                Ok(bytes) if clearing.workspace.keyring(&Digest::of(&bytes)).is_some() => return None,
                Ok(bytes) => format!("the keyring of {name} changed: {url} is {} now", Digest::of(&bytes)),
                Err(error) => format!("the keyring of {name} could not be asked: {error}"),
            };
            let next =
                format!("`chartsync lock --refresh-keyring {name}` verifies its pins with it and shows its keys");
            Some(Finding::of_run(Code::Keyring, message, next))
        }
    };
    let notes: Vec<_> = futures_util::stream::iter(urls).map(one).buffered(AT_ONCE).collect().await;
    notes.into_iter().flatten().collect()
}

/// Notes about exceptions that nothing in this plan needed. Only a whole plan with every answer can tell.
#[must_use]
pub fn unneeded(clearing: &Clearing, plan: &Plan) -> Vec<Finding> {
    let settings = &clearing.workspace.settings;
    let needed = |accept: &crate::settings::Accept| {
        let row = plan.rows.iter().find(|row| row.reference == accept.reference);
        let Some((row, pin)) = row.and_then(|row| Some((row, row.pin.as_ref()?))) else { return false };
        match accept.finding {
            // While the chart is not published as pinned, the exception may be what lets it through.
            Acceptable::Moved | Acceptable::Gone => row.state != crate::plan::State::Unchanged,
            Acceptable::Replace => row.held == Some(accept.digest),
            Acceptable::Unsigned => pin.digest == accept.digest && pin.signer == crate::lock::Signer::None,
            Acceptable::ExpiredKey | Acceptable::NewSigner => {
                pin.digest == accept.digest && pin.signer != crate::lock::Signer::None
            }
        }
    };
    let note = |accept: &crate::settings::Accept| {
        let message = format!("nothing needs the exception `{}` for {}", accept.finding, accept.digest);
        Finding::of(Code::Unneeded, &accept.reference, message, "remove it from the settings")
            .at(Some(accept.location.clone()))
    };
    settings.accept.iter().filter(|accept| !needed(accept)).map(note).collect()
}
