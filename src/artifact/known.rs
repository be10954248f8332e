//! What is known of packaged charts from before: facts by the key of the step that packages.
//!
//! Owns their keys and how they are written down. They serve plans: whatever leads to a write is found out anew. Knows not how
//! a fact is found.

use serde::{Deserialize, Serialize};

use crate::artifact::clear::Known;
use crate::artifact::packaged::PackageSeen;
use crate::cache::Cache;
use crate::chart::content::{Difference, Paths};
use crate::graph::{StepGraph, StepKind, UnitId};
use crate::key::{KeySink, Sink as _, StepKey};
use crate::oci::Digest;
use crate::provenance;

/// The rules by which packages are assembled, cleared and compared: raised whenever one of them says something else.
const REVISION: u32 = 1;

/// What a fact is about, besides a chart's folder and what it is packaged with.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// The package itself.
    Package,
    /// Whether what is published under this digest has the same content.
    Content(&'a Digest),
    /// Whether that could be signed as this chart.
    Published(&'a Digest),
}

/// A place in the cache for one fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    cache: &'a Cache,
    key: StepKey,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// A chart that clears: the package, or what is published with the same content.
    Is(PackageSeen),
    /// What is published has other content.
    Differs(Difference),
}

impl<'a> Place<'a> {
    /// Where this fact would be; nowhere if nothing counts that was known before, or if the package is not fixed.
    pub(super) fn of(known: Known<'a>, graph: &StepGraph, unit: UnitId, about: About<'_>) -> Option<Self> {
        let Known::Cached(cache) = known else { return None };
        let package = graph.key(unit, StepKind::Package)?;
        let (kind, published) = match about {
            About::Package => ("package facts", None),
            About::Content(digest) => ("content facts", Some(digest)),
            About::Published(digest) => ("published facts", Some(digest)),
        };
        let mut sink = KeySink::new(kind);
        sink.input("checker", &REVISION.to_string());
        // What a chart is packaged with was verified as well.
        sink.input("provenance", &provenance::REVISION.to_string());
        sink.input("version", graph.unit(unit).version.as_str());
        sink.input("name", &graph.unit(unit).name);
        if let Some(digest) = published {
            sink.input("published", &digest.to_string());
        }
        sink.feeds("package", package);
        Some(Self { cache, key: sink.finish() })
    }

    /// The fact, if it is known.
    pub(super) async fn get(self) -> Option<Fact> {
        let text = self.cache.facts(self.key).await?;
        serde_json::from_str::<Text>(&text).ok()?.fact()
    }

    /// Keeps the fact.
    pub(super) async fn keep(self, fact: &Fact) {
        if let Ok(text) = serde_json::to_string(&Text::of(fact)) {
            self.cache.keep_facts(self.key, text).await;
        }
    }
}

/// A fact as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Text {
    #[serde(rename_all = "kebab-case")]
    Is {
        digest: String,
        archive: String,
        archive_size: u64,
    },
    Differs {
        added: PathsText,
        removed: PathsText,
        changed: PathsText,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathsText {
    first: Vec<String>,
    count: usize,
}

impl Text {
    fn of(fact: &Fact) -> Self {
        let paths = |paths: &Paths| PathsText { first: paths.first.clone(), count: paths.count };
        match fact {
            Fact::Is(PackageSeen { digest, archive, archive_size }) => {
                Self::Is { digest: digest.to_string(), archive: archive.to_string(), archive_size: *archive_size }
            }
            Fact::Differs(Difference { added, removed, changed }) => {
                Self::Differs { added: paths(added), removed: paths(removed), changed: paths(changed) }
            }
        }
    }

    fn fact(self) -> Option<Fact> {
        let paths = |paths: PathsText| Paths { first: paths.first, count: paths.count };
        Some(match self {
            Self::Is { digest, archive, archive_size } => {
                Fact::Is(PackageSeen { digest: digest.parse().ok()?, archive: archive.parse().ok()?, archive_size })
            }
            Self::Differs { added, removed, changed } => {
                Fact::Differs(Difference { added: paths(added), removed: paths(removed), changed: paths(changed) })
            }
        })
    }
}
