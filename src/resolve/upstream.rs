//! What a source has besides what is declared: newer versions, and other spellings of a version.
//!
//! Only looks at lists of tags: chooses nothing and pins nothing.

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
    /// The versions that are newer, the newest first.
    pub newer: Result<Vec<Version>, RegistryError>,
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
        let newer = found.map(|found| above(found, newest, prereleases));
        Upstream { mirror, newest, newer }
    };
    futures_util::stream::iter(declaring).map(one).buffered(AT_ONCE).collect().await
}

/// The newest version that a mirror declares.
fn newest(mirror: &Mirror) -> Option<&Version> {
    mirror.versions.iter().map(|declared| &declared.version).max()
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
}
