//! `chartsync diff`: what changes between two versions of a chart.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::artifact::{ChartImage, Clearing, Kept, Reach};
use crate::chart::Version;
use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, Format, Report, interrupted, live, output};
use crate::graph::{Selection, StepGraph, Unit, UnitId};
use crate::lock::{Lockfile, Pin};
use crate::oci::{Digest, Reference, Repository};
use crate::registry::RegistryError;
use crate::report::{self, Compared, Side, Taken};
use crate::resolve::upstream;

/// How many versions are named where one is not there.
const NAMED: usize = 6;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A version is what the lockfile pins, or the folder of a first-party chart. One that neither has is what the source (of a \
first-party chart: the destination) names now, and nothing of it is verified. `published:VERSION` is what the destination \
names now, `upstream:VERSION` what the source names now, `sha256:…` the image manifest of that digest.

Exit status: 0 when they were compared, different or not; 1 when they could not be.")]
pub(super) struct Options {
    /// The chart: a destination or its last part.
    #[arg(value_name = "CHART")]
    chart: String,
    /// The version before: `1.4.0`, `published:1.4.0`, `upstream:1.4.0` or `sha256:…`.
    #[arg(value_name = "OLD")]
    old: String,
    /// The version after it, written the same way.
    #[arg(value_name = "NEW")]
    new: String,
    /// Print every changed file line by line instead.
    #[arg(long)]
    patch: bool,
    /// Take what the cache has: ask no registry.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    pub(super) report: Report,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, lockfile, graph, .. } = Session::open(common, Conflicts::Refuse)?;
    let id = chart(&graph, &options.chart)?;
    let clearing = Session::clearing(workspace, &root)?;
    let reach = if options.offline { Reach::Cache } else { Reach::Registries };
    let finding = Finding { clearing: &clearing, graph: &graph, lockfile: &lockfile, id, reach };
    let comparing = async {
        let (old, new) = (finding.side(&options.old).await?, finding.side(&options.new).await?);
        let unit = graph.unit(id);
        let difference = clearing.difference(&old.1, &new.1, reach).await.map_err(Stop::message)?;
        let patch = if options.patch {
            Some(clearing.patch(&old.1, &new.1, reach).await.map_err(Stop::message)?)
        } else {
            None
        };
        let (name, destination) = (unit.name.clone(), unit.destination().clone());
        Ok((Compared { name, destination, old: old.0, new: new.0, difference }, patch))
    };
    let (compared, patch) = tokio::select! {
        compared = live::during(common, Box::pin(comparing)) => compared?,
        () = interrupted() => return Err(Stop::message("interrupted: nothing was written")),
    };
    match (options.report.format, &patch) {
        (Format::Human, None) => output::data(&report::difference(&compared))?,
        (Format::Human, Some(patch)) => output::data(&report::patch(patch))?,
        (Format::Json, patch) => output::data(&report::json::difference(&compared, patch.as_deref()))?,
    }
    Ok(0)
}

/// A version of the chart that is named; which one does not matter.
fn chart(graph: &StepGraph, name: &str) -> Result<UnitId, Stop> {
    if let Some((chart, version)) = name.split_once('@') {
        let (chart, version) = (report::shell_word(chart), report::shell_word(version));
        return Err(Stop::Message(format!("`{name}` names a version: write `chartsync diff {chart} OLD {version}`")));
    }
    let selection = Selection { charts: vec![name.to_owned()], ..Selection::default() };
    let units = graph.select(&selection).map_err(Stop::message)?;
    units.first().copied().ok_or_else(|| Stop::Message(format!("no version of `{name}` is declared")))
}

/// Where versions of one chart are found.
struct Finding<'a> {
    clearing: &'a Clearing,
    graph: &'a StepGraph,
    lockfile: &'a Lockfile,
    /// One of its versions.
    id: UnitId,
    reach: Reach,
}

impl Finding<'_> {
    fn unit(&self) -> &Unit {
        self.graph.unit(self.id)
    }

    fn destination(&self) -> &Repository {
        self.unit().destination()
    }

    /// Where a mirrored chart comes from.
    fn source(&self) -> Option<&Repository> {
        let mirror = self.unit().mirror()?;
        self.clearing.workspace.mirrors.get(mirror).map(|mirror| &mirror.source)
    }

    async fn side(&self, wanted: &str) -> Result<(Side, Kept), Stop> {
        if wanted.starts_with("sha256:") {
            return self.of_digest(wanted.parse().map_err(Stop::message)?).await;
        }
        let version = |text: &str| text.parse::<Version>().map_err(Stop::message);
        if let Some(text) = wanted.strip_prefix("published:") {
            return self.there(&version(text)?, self.destination(), Taken::Published).await;
        }
        if let Some(text) = wanted.strip_prefix("upstream:") {
            let Some(source) = self.source() else {
                return Err(Stop::Message(format!("{} is a first-party chart: it has no upstream", self.unit().name)));
            };
            return self.there(&version(text)?, source, Taken::Upstream).await;
        }
        let version = version(wanted)?;
        match self.source() {
            Some(source) => self.mirrored(&version, source).await,
            None => self.first_party(&version).await,
        }
    }

    /// As it is pinned, else as the source names it, else as it is still published.
    async fn mirrored(&self, version: &Version, source: &Repository) -> Result<(Side, Kept), Stop> {
        if let Some(pin) = self.pin(version) {
            let kept = Kept::of_pin(pin);
            let (version, digest) = (Some(pin.version.to_string()), pin.digest);
            return Ok((Side { version, digest, archive: kept.digest, from: Taken::Pinned }, kept));
        }
        match self.named(version, source, Taken::Upstream).await {
            Err(Unfound::Registry(RegistryError::NotFound { .. })) => {
                match self.named(version, self.destination(), Taken::Published).await {
                    Err(Unfound::Registry(RegistryError::NotFound { .. })) => {
                        let there = self.versions(source).await;
                        let destination = self.destination();
                        Err(Stop::Message(format!(
                            "{version} is not pinned, and neither {source} nor {destination} has it{there}"
                        )))
                    }
                    other => other.map_err(|error| {
                        Stop::Message(format!("{version} is not pinned, {source} does not have it, and: {error}"))
                    }),
                }
            }
            Err(Unfound::Offline(reference)) => {
                let pinned = match self.pinned() {
                    pinned if pinned.is_empty() => String::new(),
                    pinned => format!("; pinned: {pinned}"),
                };
                Err(Stop::Message(format!("{}{pinned}", Unfound::Offline(reference))))
            }
            other => other.map_err(Stop::message),
        }
    }

    /// What a name stands for in one place; what else is there if it stands for nothing.
    async fn there(
        &self,
        version: &Version,
        at: &Repository,
        from: fn(Reference) -> Taken,
    ) -> Result<(Side, Kept), Stop> {
        match self.named(version, at, from).await {
            Err(error @ Unfound::Registry(RegistryError::NotFound { .. })) => {
                Err(Stop::Message(format!("{error}{}", self.versions(at).await)))
            }
            other => other.map_err(Stop::message),
        }
    }

    /// The versions that can be compared, as the rest of a sentence.
    async fn versions(&self, at: &Repository) -> String {
        let mut told = match self.pinned().as_str() {
            "" => String::new(),
            pinned => format!("; pinned: {pinned}"),
        };
        match upstream::newest_of(&self.clearing.registries, at).await {
            Ok(found) if found.is_empty() => {
                let _ = write!(told, "; {at} has no version at all");
            }
            Ok(found) => {
                let found = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let _ = write!(told, "; the newest of {at}: {found}");
            }
            Err(_) => {}
        }
        if self.source() == Some(at) {
            let _ =
                write!(told, "; `chartsync outdated --chart {}` lists more", self.graph.selector(self.destination()));
        }
        told
    }

    /// The newest versions that are pinned.
    fn pinned(&self) -> String {
        let mut pinned: Vec<&Version> = self.lockfile.of(self.destination()).iter().map(|pin| &pin.version).collect();
        pinned.sort_by(|one, other| other.cmp(one));
        pinned.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The pin of a version, give or take a leading `v`.
    fn pin(&self, version: &Version) -> Option<&Arc<Pin>> {
        let destination = self.destination();
        let same = || self.lockfile.of(destination).iter().find(|pin| pin.version.names_same(version.as_str()));
        self.lockfile.get(destination, version).or_else(same)
    }

    /// The folder's version from there, others as they are published.
    async fn first_party(&self, version: &Version) -> Result<(Side, Kept), Stop> {
        let unit = self.unit();
        if !unit.version.names_same(version.as_str()) {
            return self.there(version, self.destination(), Taken::Published).await;
        }
        let (digest, kept) = self.clearing.packaged_archive(self.graph, self.id).await.map_err(Stop::message)?;
        let (version, from) = (Some(unit.version.to_string()), Taken::Folder(format!("charts/{}", unit.name)));
        Ok((Side { version, digest, archive: kept.digest, from }, kept))
    }

    /// What a name stands for now.
    async fn named(
        &self,
        version: &Version,
        at: &Repository,
        from: fn(Reference) -> Taken,
    ) -> Result<(Side, Kept), Unfound> {
        let reference = at.tagged(version.tag());
        if self.reach == Reach::Cache {
            return Err(Unfound::Offline(reference));
        }
        let (_, bytes) = self.clearing.registries.at(at).manifest_by_tag(&reference).await?;
        let image = ChartImage::parse(bytes).map_err(|error| Unfound::NoChart(reference.clone(), error.to_string()))?;
        let kept = Kept::of_image(&image, at);
        let version = Some(version.to_string());
        Ok((Side { version, digest: image.digest, archive: kept.digest, from: from(reference) }, kept))
    }

    /// The image manifest of this digest: cached, at the destination, or at the source.
    async fn of_digest(&self, digest: Digest) -> Result<(Side, Kept), Stop> {
        let places: Vec<&Repository> = [self.destination()].into_iter().chain(self.source()).collect();
        let kept = self.clearing.kept(&digest, &places, self.reach).await.map_err(Stop::message)?;
        let side = Side { version: None, digest, archive: kept.digest, from: Taken::Digest };
        Ok((side, kept))
    }
}

/// Why a name stands for nothing that could be compared.
#[derive(Debug, thiserror::Error)]
enum Unfound {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{0} is no chart: {1}")]
    NoChart(Reference, String),
    #[error("{0} is not pinned, and no registry was asked what it names")]
    Offline(Reference),
}
