//! What a source has besides what is declared: newer versions, and other spellings of a version.
//!
//! Only looks at lists of tags: chooses nothing and pins nothing.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;

use super::AT_ONCE;
use crate::chart::Version;
use crate::oci::Repository;
use crate::registry::{Registries, RegistryError};
use crate::tally;
use crate::workspace::Mirror;

/// How many other versions a source is said to have.
const NEAR: usize = 3;

/// Whether versions that are announced for trying out count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prereleases {
    /// They do.
    Count,
    /// They do not.
    LeftOut,
}

/// What one mirror's source has beyond it.
#[derive(Debug)]
pub struct Upstream<'a> {
    /// The mirror.
    pub mirror: &'a Mirror,
    /// The newest version that it declares.
    pub newest: &'a Version,
    /// What there is beyond it.
    pub found: Result<Newer<'a>, RegistryError>,
}

/// What a source has beyond what is declared; the newest first.
#[derive(Debug, PartialEq)]
pub struct Newer<'a> {
    /// Versions above the newest one that is declared.
    pub above: Vec<Version>,
    /// For each older line of patches: the newest declared version of it, and the newer ones of the same line.
    pub patches: Vec<(&'a Version, Vec<Version>)>,
}

/// Asks the sources of these mirrors for newer versions than they declare; in their order.
pub async fn newer<'a>(
    registries: &Registries,
    mirrors: impl IntoIterator<Item = &'a Mirror>,
    prereleases: Prereleases,
) -> Vec<Upstream<'a>> {
    let declaring: Vec<_> = mirrors.into_iter().filter_map(|mirror| Some((mirror, newest(mirror)?))).collect();
    tally::phase("asking sources", declaring.len());
    let one = |(mirror, newest): (&'a Mirror, &'a Version)| async move {
        let found = tally::counted(versions(registries, &mirror.source)).await;
        let found =
            found.map(|found| beyond(&found, mirror.versions.iter().map(|one| &one.version), newest, prereleases));
        Upstream { mirror, newest, found }
    };
    futures_util::stream::iter(declaring).map(one).buffered(AT_ONCE).collect().await
}

/// The newest version that a mirror declares.
fn newest(mirror: &Mirror) -> Option<&Version> {
    mirror.versions.iter().map(|declared| &declared.version).max()
}

/// What was found beyond the declared versions, of which one is the newest.
fn beyond<'a>(
    found: &[Version],
    declared: impl Iterator<Item = &'a Version>,
    newest: &'a Version,
    prereleases: Prereleases,
) -> Newer<'a> {
    let mut lines: BTreeMap<(u64, u64), &'a Version> = BTreeMap::new();
    for version in declared {
        let highest = lines.entry(version.line()).or_insert(version);
        *highest = (*highest).max(version);
    }
    // The newest line's patches are above the newest version.
    lines.remove(&newest.line());
    let patches = lines.into_iter().rev().filter_map(|(line, highest)| {
        let of_line = found.iter().filter(|version| version.line() == line).cloned().collect();
        let newer = above(of_line, highest, prereleases);
        (!newer.is_empty()).then_some((highest, newer))
    });
    Newer { patches: patches.collect(), above: above(found.to_vec(), newest, prereleases) }
}

/// The versions above one, the newest first, each in one spelling: that of the one below, where there are two.
fn above(found: Vec<Version>, below: &Version, prereleases: Prereleases) -> Vec<Version> {
    let has_v = |version: &Version| version.as_str().starts_with('v');
    let counts = |version: &Version| {
        version > below
            && !version.names_same(below.as_str())
            && (prereleases == Prereleases::Count || !version.is_prerelease())
    };
    let mut newer: Vec<Version> = found.into_iter().filter(counts).collect();
    newer.sort_by(|one, other| other.cmp(one));
    let mut told: Vec<Version> = Vec::with_capacity(newer.len());
    for version in newer {
        match told.last_mut() {
            Some(last) if last.names_same(version.as_str()) => {
                if has_v(last) != has_v(below) {
                    *last = version;
                }
            }
            _ => told.push(version),
        }
    }
    told
}

/// What a source has in place of a version that it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The same version, spelled otherwise.
    Spelled(Version),
    /// Other versions, the newest first; none when it has none at all.
    Others(Vec<Version>),
}

/// Looks for what a source has in place of a version that it lacks.
pub async fn instead(
    registries: &Registries,
    source: &Repository,
    version: &Version,
) -> Result<Instead, RegistryError> {
    let mut found = versions(registries, source).await?;
    if let Some(same) = found.iter().find(|other| version.names_same(other.as_str())) {
        return Ok(Instead::Spelled(same.clone()));
    }
    found.sort_by(|one, other| (one.is_prerelease(), other).cmp(&(other.is_prerelease(), one)));
    found.truncate(NEAR);
    Ok(Instead::Others(found))
}

/// The newest versions that a repository has, prereleases last.
pub async fn newest_of(registries: &Registries, repository: &Repository) -> Result<Vec<Version>, RegistryError> {
    let mut found = versions(registries, repository).await?;
    found.sort_by(|one, other| (one.is_prerelease(), other).cmp(&(other.is_prerelease(), one)));
    found.truncate(NEAR);
    Ok(found)
}

/// Every tag of a source that is a version.
async fn versions(registries: &Registries, source: &Repository) -> Result<Vec<Version>, RegistryError> {
    let tags = registries.at(source).tags(source).await?;
    Ok(tags.iter().filter_map(Version::of_tag).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(texts: &str) -> Vec<Version> {
        texts.split_whitespace().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_newer_is_told_once_and_newest_first() {
        let check = |found: &str, below: &str, expect: &str, with_prereleases: &str| {
            let below: Version = below.parse().unwrap();
            assert_eq!(above(versions(found), &below, Prereleases::LeftOut), versions(expect), "{found}");
            assert_eq!(above(versions(found), &below, Prereleases::Count), versions(with_prereleases), "{found}");
        };
        check("1.0.0 1.2.0 1.10.0 0.9.0", "1.0.0", "1.10.0 1.2.0", "1.10.0 1.2.0");
        check("v1.0.0 1.0.0", "1.0.0", "", "");
        check("v1.1.0 1.1.0 1.2.0", "v1.0.0", "1.2.0 v1.1.0", "1.2.0 v1.1.0");
        check("v1.1.0 1.1.0", "1.0.0", "1.1.0", "1.1.0");
        check("1.1.0-rc.1 1.1.0-rc.2", "1.0.0", "", "1.1.0-rc.2 1.1.0-rc.1");
        check("1.1.0-rc.2 1.1.0", "1.1.0-rc.1", "1.1.0", "1.1.0 1.1.0-rc.2");
        check("1.0.0+b", "1.0.0+a", "1.0.0+b", "1.0.0+b");
        check("", "1.0.0", "", "");
    }

    /// An older line that is still mirrored gets patches, too.
    #[test]
    fn patches_of_older_lines_are_told_by_line() {
        let check = |found: &str, declared: &str, above: &str, patches: &[(&str, &str)]| {
            let declared = versions(declared);
            let newest = declared.iter().max().unwrap();
            let told = beyond(&versions(found), declared.iter(), newest, Prereleases::LeftOut);
            assert_eq!(told.above, versions(above), "{found}");
            let patches: Vec<_> = patches.iter().map(|(at, newer)| (at.parse().unwrap(), versions(newer))).collect();
            let found: Vec<(Version, _)> = told.patches.into_iter().map(|(at, newer)| (at.clone(), newer)).collect();
            assert_eq!(found, patches);
        };
        let found = "v1.14.9 v1.15.5 v1.15.6 v1.15.7 v1.15.8-rc.1 v1.16.0 v1.16.1 v1.17.0";
        check(found, "v1.15.4 v1.15.5 v1.16.0", "v1.17.0 v1.16.1", &[("v1.15.5", "v1.15.7 v1.15.6")]);
        check(found, "v1.15.7 v1.16.1 v1.17.0", "", &[]);
        check(found, "v1.14.0 v1.15.0 v1.17.0", "", &[("v1.15.0", "v1.15.7 v1.15.6 v1.15.5"), ("v1.14.0", "v1.14.9")]);
        // One line: its patches are above the newest version.
        check(found, "v1.15.4 v1.15.5", "v1.17.0 v1.16.1 v1.16.0 v1.15.7 v1.15.6", &[]);
        check("1.0.0 v1.0.1 1.0.1", "1.0.0 2.0.0", "", &[("1.0.0", "1.0.1")]);
    }
}
