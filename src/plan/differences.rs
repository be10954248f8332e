//! What changes in each new version against the one before it, for the reviewer: no decision rests on it.
//!
//! Owns which version is the one before and where its bytes are asked for. What cannot be had is told, and fails nothing.

use futures_util::StreamExt as _;

use crate::artifact::{ChartImage, Clearing, Kept, Past, Reach};
use crate::chart::Version;
use crate::chart::difference::Difference;
use crate::finding::Holder;
use crate::graph::{Origin, StepGraph};
use crate::lock::{Lockfile, Pin};
use crate::oci::Digest;
use crate::plan::beside::{Base, Novelty};
use crate::plan::diff::Change;
use crate::plan::rows::{Row, State};
use crate::plan::trust::Trusted;
use crate::registry::RegistryError;
use crate::workspace::FirstParty;

/// How many rows are compared at once.
const AT_ONCE: usize = 8;
/// The most rows that are compared in one plan.
const ROW_LIMIT: usize = 200;
/// The most entries of each list that a plan has; `chartsync diff` tells all.
const ENTRY_LIMIT: usize = 10;

/// A new version beside the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// The version before; none where there is none.
    pub before: Option<Earlier>,
    /// The first of what changes, or why that is not known. Without a version before only what deserves a second look.
    pub found: Result<Difference, String>,
}

/// A version before another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The version.
    pub version: Version,
    /// Its image manifest, where it is known.
    pub digest: Option<Digest>,
    /// The command that tells all that changes; none where it is a folder of the base that was never published.
    pub command: Option<String>,
}

/// What a row is compared with: the version before, or nothing where there is none.
struct Before<'a> {
    version: Option<(Version, Option<Digest>)>,
    old: Result<Old<'a>, String>,
}

/// What the version before is.
enum Old<'a> {
    /// There is none.
    Nothing,
    /// An archive.
    Kept(Kept),
    /// A folder of the base: nothing is published of it.
    Folder(Past<'a>, &'a FirstParty),
}

impl<'a> Before<'a> {
    const NOTHING: Self = Self { version: None, old: Ok(Old::Nothing) };

    fn version(version: &Version, digest: Option<Digest>, old: Result<Kept, String>) -> Self {
        Self { version: Some((version.clone(), digest)), old: old.map(Old::Kept) }
    }

    fn folder(base: Trusted<'a>, chart: &'a FirstParty) -> Self {
        let Trusted { workspace, lockfile } = base;
        Self { version: Some((chart.version.clone(), None)), old: Ok(Old::Folder(Past { workspace, lockfile }, chart)) }
    }
}

/// Compares the rows that a reviewer has to read with the versions before them.
pub async fn tell(
    clearing: &Clearing,
    graph: &StepGraph,
    rows: &mut [Row],
    lockfile: &Lockfile,
    base: Base<'_>,
    reach: Reach,
) {
    let telling = Telling { clearing, graph, lockfile, base, reach };
    let wanted = rows.iter_mut().filter(|row| row.is_news() && may_hold_others(row));
    let numbered = futures_util::stream::iter(wanted.enumerate());
    numbered.for_each_concurrent(AT_ONCE, |(at, row)| telling.one(row, at)).await;
}

/// Whether the row is about bytes that may differ from those before: a signature alone changes no chart that was pinned already.
fn may_hold_others(row: &Row) -> bool {
    match row.state {
        State::Change(Change::Sign) => row.is_of_the_change(),
        State::Stale | State::Failed => false,
        _ => true,
    }
}

struct Telling<'a> {
    clearing: &'a Clearing,
    graph: &'a StepGraph,
    lockfile: &'a Lockfile,
    base: Base<'a>,
    reach: Reach,
}

impl<'a> Telling<'a> {
    async fn one(&self, row: &mut Row, at: usize) {
        let before = match self.graph.unit(row.unit).origin {
            Origin::Mirror(_) => self.mirrored(row).await,
            Origin::Chart(index) => self.first_party(row, index).await,
        };
        let Some(Before { version, old }) = before else { return };
        let before = version.map(|(version, digest)| {
            let is_folder = matches!(old, Ok(Old::Folder(..)));
            let command = (!is_folder).then(|| self.command(row, &version, digest.as_ref()));
            Earlier { version, digest, command }
        });
        let found = match old {
            _ if at >= ROW_LIMIT => Err(format!("only {ROW_LIMIT} new versions are compared in one plan")),
            Err(why) => Err(why),
            Ok(Old::Nothing) => self.found(row, None).await,
            Ok(Old::Kept(old)) => self.found(row, Some(&old)).await,
            Ok(Old::Folder(past, chart)) => match self.clearing.packaged_in(past, chart, self.reach).await {
                Ok(old) => self.found(row, Some(&old)).await,
                Err(error) => Err(error.to_string()),
            },
        };
        row.against = Some(Box::new(Against { before, found }));
    }

    /// The version's own pin or what is published under it, where the bytes are others; else the next lower pin. Nothing at all
    /// where the row is no news.
    async fn mirrored(&self, row: &Row) -> Option<Before<'a>> {
        let beside = row.beside.as_ref()?;
        if let Some((Holder::Destination, digest)) = beside.replaces {
            let places = [&row.reference.repository];
            let old = self.clearing.kept(&digest, &places, self.reach).await.map_err(|error| error.to_string());
            return Some(Before::version(&row.version, Some(digest), old));
        }
        // A pin that is as it was is no news, published or not.
        if beside.novelty == Novelty::Same {
            return None;
        }
        let is_itself = |old: &Pin| row.pin.as_ref().is_some_and(|pin| pin.digest == old.digest);
        Some(match beside.previous.as_ref().filter(|old| old.version <= row.version) {
            // Its bytes were pinned before.
            Some(old) if is_itself(old) => return None,
            Some(old) => Before::version(&old.version, Some(old.digest), Ok(Kept::of_pin(old))),
            None => Before::NOTHING,
        })
    }

    /// What is published as the version that the base revision's folder has, that folder itself where nothing is or where it was
    /// edited before it was published. Nothing at all where the row is no news.
    async fn first_party(&self, row: &Row, index: usize) -> Option<Before<'a>> {
        let novelty = row.beside.as_ref()?.novelty;
        // What is published under its own name has to get another one before it is read.
        if matches!(novelty, Novelty::Same | Novelty::Unknown) || row.held.is_some() {
            return None;
        }
        let name = &self.clearing.workspace.charts.get(index)?.name;
        let Base::Of(base) = self.base else { return Some(Before::NOTHING) };
        let Some(before) = base.workspace.charts.iter().find(|chart| chart.name == *name) else {
            return Some(Before::NOTHING);
        };
        let version = &before.version;
        if *version == row.version {
            return Some(Before::folder(base, before));
        }
        let unknown = |why: String| Some(Before::version(version, None, Err(why)));
        if self.reach == Reach::Cache {
            return unknown("no registry was asked what is published".to_owned());
        }
        let at = &row.reference.repository;
        match self.clearing.registries.at(at).manifest_by_tag(&at.tagged(version.tag())).await {
            Ok((_, bytes)) => match ChartImage::parse(bytes) {
                Ok(image) => {
                    let (digest, old) = (Some(image.digest), Ok(Kept::of_image(&image, at)));
                    Some(Before::version(version, digest, old))
                }
                Err(error) => unknown(error.to_string()),
            },
            Err(RegistryError::NotFound { .. }) => Some(Before::folder(base, before)),
            Err(error) => unknown(error.to_string()),
        }
    }

    async fn found(&self, row: &Row, old: Option<&Kept>) -> Result<Difference, String> {
        let new = match (&row.pin, row.package) {
            (Some(pin), _) => Kept::of_pin(pin),
            (None, Some(package)) => {
                let known = Kept { digest: package.archive, size: package.archive_size, bytes: None, from: Vec::new() };
                if let Some(found) = self.clearing.known_difference(old, &known).await {
                    return Ok(found.cut(ENTRY_LIMIT));
                }
                let packaged = self.clearing.packaged_archive(self.graph, row.unit).await;
                packaged.map_err(|error| error.to_string())?.1
            }
            (None, None) => return Err("it was not packaged".to_owned()),
        };
        let found = match old {
            Some(old) => self.clearing.difference(old, &new, self.reach).await,
            None => self.clearing.notable(&new, self.reach).await,
        };
        Ok(found.map_err(|error| error.to_string())?.cut(ENTRY_LIMIT))
    }

    /// By its version where that says the same bytes, else by its digest.
    fn command(&self, row: &Row, version: &Version, digest: Option<&Digest>) -> String {
        let pinned = self.lockfile.get(&row.reference.repository, version).map(|pin| &pin.digest);
        let old = match digest {
            Some(digest) if row.pin.is_some() && pinned != Some(digest) => digest.to_string(),
            _ => version.to_string(),
        };
        let chart = self.graph.selector(&row.reference.repository);
        format!("chartsync diff {chart} {old} {}", row.version)
    }
}
