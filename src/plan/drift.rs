//! What only `--drift` asks: tags that nothing declares, keyrings that changed behind their URL, exceptions that nothing needs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use crate::artifact::Clearing;
use crate::finding::{Code, Finding};
use crate::graph::StepGraph;
use crate::http;
use crate::lock::Signer;
use crate::oci::{Digest, Repository};
use crate::plan::{Plan, State};
use crate::registry::RegistryError;
use crate::settings::{Accept, Acceptable};
use crate::workspace::{KeyringSource, Mirror};

/// How many repositories and keyrings are asked together: tag lists are what registries throttle first.
const AT_ONCE: usize = 2;

/// Notes about tags at the destinations that no manifest declares. Tags of referrers are nobody's declaration, and of a first-party
/// chart every version that there ever was is published, while its folder declares the latest alone.
pub async fn orphans(clearing: &Clearing, graph: &StepGraph) -> Vec<Finding> {
    let mut declared: BTreeMap<&Repository, BTreeSet<&str>> = BTreeMap::new();
    let mirrored = graph.units().iter().filter(|unit| unit.mirror().is_some());
    let tags: Vec<_> = mirrored.map(|unit| (unit.destination(), unit.version.tag().to_string())).collect();
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
    let tags = match clearing.registries.at(repository).tags(repository).await {
        Ok(tags) => tags,
        Err(RegistryError::NotFound { .. }) => return Vec::new(),
        Err(error) => {
            // The error names the repository.
            let message = format!("whether there are tags that nothing declares is unknown: {error}");
            return vec![Finding::of_run(Code::TagsUnknown, message, "run again, or look at the registry")];
        }
    };
    let undeclared = tags.into_iter().filter(|tag| !declared.contains(tag.as_str()) && !is_referrers_tag(tag.as_str()));
    let note = |tag| {
        let reference = repository.tagged(tag);
        let next = "declare it, or find out who published it; what is published stays until somebody deletes it at the registry";
        Finding::of(Code::Orphan, &reference, "it is published, but nothing here declares it", next)
    };
    undeclared.map(note).collect()
}

/// The fallback tag of referrers, and the tags of cosign's older signatures: `sha256-<hex>`, `sha256-<hex>.sig` and such.
fn is_referrers_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-")
        .is_some_and(|rest| rest.get(..64).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())))
}

/// Notes about keyrings that are no longer what the pins of their mirror were locked with.
pub async fn keyrings(clearing: &Clearing, graph: &StepGraph) -> Vec<Finding> {
    let mut locked: BTreeMap<usize, BTreeSet<Digest>> = BTreeMap::new();
    for unit in graph.units() {
        if let Some(mirror) = unit.mirror() {
            locked.entry(mirror).or_default().extend(unit.pin().and_then(|pin| pin.keyring));
        }
    }
    let mut urls: BTreeMap<&url::Url, Vec<(&Mirror, BTreeSet<Digest>)>> = BTreeMap::new();
    for (index, digests) in locked.into_iter().filter(|(_, digests)| !digests.is_empty()) {
        let mirror = &clearing.workspace.mirrors[index];
        if let Some(KeyringSource::Url(url)) = &mirror.trust.keyring {
            urls.entry(url).or_default().push((mirror, digests));
        }
    }
    let one = |(url, mirrors): (&url::Url, Vec<(&Mirror, BTreeSet<Digest>)>)| {
        let url = url.clone();
        let mirrors: Vec<_> =
            mirrors.into_iter().map(|(mirror, digests)| (mirror.destination.clone(), digests)).collect();
        async move {
            let now = http::fetch_public(&url, http::KEYRING_LIMIT).await.map(|bytes| Digest::of(&bytes));
            mirrors
                .into_iter()
                .filter_map(|(mirror, digests)| keyring_note(&mirror, &digests, &now))
                .collect::<Vec<_>>()
        }
    };
    futures_util::stream::iter(urls).map(one).buffered(AT_ONCE).collect::<Vec<_>>().await.concat()
}

fn keyring_note(
    mirror: &Repository,
    locked: &BTreeSet<Digest>,
    now: &Result<Digest, http::Unfetched>,
) -> Option<Finding> {
    Some(match now {
        Ok(digest) if locked.contains(digest) => return None,
        Ok(digest) => Finding::of_run(
            Code::Keyring,
            format!("the keyring of {mirror} changed upstream: it is {digest} now"),
            format!("`chartsync lock --refresh-keyring {mirror}` verifies its pins with it and shows its keys"),
        ),
        Err(error) => Finding::of_run(
            Code::KeyringUnknown,
            format!("whether the keyring of {mirror} changed upstream is unknown: {error}"),
            "run again, or look at the server; the pins were verified with the keyring that is committed",
        ),
    })
}

/// Notes about exceptions that nothing in this plan needed. Only a whole plan with every answer can tell.
#[must_use]
pub fn unneeded(clearing: &Clearing, plan: &Plan) -> Vec<Finding> {
    let rows: BTreeMap<_, _> = plan.rows.iter().map(|row| (&row.reference, row)).collect();
    let needed = |accept: &Accept| {
        let Some(row) = rows.get(&accept.reference) else { return false };
        // What has no pin yet may need it to get one.
        let Some(pin) = &row.pin else { return row.source.is_some() };
        let is_pinned = pin.digest == accept.digest;
        match accept.finding {
            // While the chart is not published as pinned, the exception may be what lets it through.
            Acceptable::Moved | Acceptable::Gone => row.state != State::Unchanged,
            Acceptable::Replace => row.held == Some(accept.digest),
            Acceptable::Unsigned => is_pinned && pin.signer == Signer::None,
            Acceptable::ExpiredKey | Acceptable::NewSigner => is_pinned && pin.signer != Signer::None,
        }
    };
    let note = |accept: &Accept| {
        let message = format!("nothing needs the exception `{}` for {}", accept.finding, accept.digest);
        Finding::of(Code::Unneeded, &accept.reference, message, "remove it from the settings")
            .at(Some(accept.location.clone()))
    };
    let accepts = clearing.workspace.settings.accept.iter();
    accepts.filter(|accept| !needed(accept)).map(note).collect()
}
