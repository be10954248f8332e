//! First-party charts as another revision has them, packaged for people to compare: none of it is cleared, and no write rests on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::artifact::clearing::Clearing;
use crate::artifact::compared::{CompareError, Kept, Reach};
use crate::chart::package::PackageError;
use crate::lock::Lockfile;
use crate::oci::Reference;
use crate::work;
use crate::workspace::{Dependency, FirstParty, Workspace};

/// Another revision: its folders, and what it pins.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Its files.
    pub workspace: &'a Workspace,
    /// Its pins.
    pub lockfile: &'a Lockfile,
}

/// Why a folder of another revision could not be packaged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PastError {
    /// The folder, or that of a dependency.
    #[error("charts/{name} in the base cannot be packaged: {error}")]
    Package {
        /// The folder's.
        name: String,
        /// What is wrong with it.
        error: PackageError,
    },
    /// That revision neither has nor pins a dependency.
    #[error("charts/{name} in the base depends on {on}, which was not pinned there")]
    Unpinned {
        /// The folder's.
        name: String,
        /// Where the dependency is published.
        on: Reference,
    },
    /// A chart has itself among its dependencies.
    #[error("charts/{0} in the base depends on itself")]
    Circular(String),
    /// The bytes of a dependency.
    #[error("charts/{name} in the base depends on {on}: {error}")]
    Dependency {
        /// The folder's.
        name: String,
        /// Where the dependency is published.
        on: Reference,
        /// Why its bytes could not be had.
        error: CompareError,
    },
    /// chartsync itself failed.
    #[error(transparent)]
    Defect(#[from] work::Panicked),
}

impl<'a> Past<'a> {
    fn chart(&self, dependency: &Dependency) -> Option<&'a FirstParty> {
        self.workspace.charts.iter().find(|chart| chart.destination == dependency.destination)
    }

    /// The bytes of the folder's files and of the archives that are packaged with it, as far as they are known.
    fn need(&self, chart: &FirstParty, above: &[&str]) -> u64 {
        let above = [above, &[chart.name.as_str()]].concat();
        let of = |on: &Dependency| match self.chart(on) {
            Some(folder) if above.contains(&folder.name.as_str()) => 0,
            Some(folder) => self.need(folder, &above),
            None => self.lockfile.get(&on.destination, &on.version).map_or(0, |pin| pin.archive_size),
        };
        chart.dependencies.values().fold(chart.source.size(), |sum, on| sum.saturating_add(of(on)))
    }
}

impl Clearing {
    /// The archive that a first-party chart of another revision was packaged to there.
    pub async fn packaged_in(&self, past: Past<'_>, chart: &FirstParty, reach: Reach) -> Result<Kept, PastError> {
        // Given back before the comparison takes one.
        let _share = self.memory().share(past.need(chart, &[])).await?;
        Ok(Kept::made(self.past(past, chart, reach, Vec::new()).await?.into()))
    }

    fn past<'a>(
        &'a self,
        past: Past<'a>,
        chart: &'a FirstParty,
        reach: Reach,
        mut above: Vec<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<u8>, PastError>> {
        Box::pin(async move {
            let name = || chart.name.clone();
            // Only this revision's charts were looked through for circles.
            if above.contains(&chart.name.as_str()) {
                return Err(PastError::Circular(name()));
            }
            above.push(&chart.name);
            let mut archives = BTreeMap::new();
            for (dependency, on) in &chart.dependencies {
                let reference = || on.destination.tagged(on.version.tag());
                let archive = match (past.chart(on), past.lockfile.get(&on.destination, &on.version)) {
                    (Some(folder), _) => self.past(past, folder, reach, above.clone()).await?,
                    (None, Some(pin)) => self
                        .archive(&Kept::of_pin(pin), reach)
                        .await
                        .map_err(|error| PastError::Dependency { name: name(), on: reference(), error })?
                        .to_vec(),
                    (None, None) => return Err(PastError::Unpinned { name: name(), on: reference() }),
                };
                archives.insert(dependency.clone(), archive);
            }
            let source = Arc::clone(&chart.source);
            let package = work::run(move || source.package(&archives)).await?;
            Ok(package.map_err(|error| PastError::Package { name: name(), error })?.archive)
        })
    }
}
