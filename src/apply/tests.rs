//! Invariant 3 on folders of layouts: what another writer does between the look at a name and its write.

use std::cell::Cell;
use std::path::Path;

use super::*;
use crate::cache::Cache;
use crate::graph;
use crate::lock::Lockfile;
use crate::oci::{Descriptor, IMAGE_MANIFEST};
use crate::registry::Registries;
use crate::workspace::{Tree, Workspace};

const CHART: &str = "metrics-store";
/// 2027-01-15: after everything in the example was signed.
const NOW: u64 = 1_800_000_000;

/// A copy of the example, in which `CHART` has one version.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        for part in [
            "chartsync.toml",
            "throw-away.key",
            "throw-away.pub",
            "mirrors.lock",
            "mirrors",
            "keyrings",
            "registry/upstream",
        ] {
            copy(&example.join(part), &folder.path().join(part));
        }
        Self(folder)
    }

    fn workspace(&self) -> (Workspace, Lockfile) {
        let workspace = Workspace::read(&Tree::folder(self.0.path())).unwrap();
        let lockfile = Lockfile::parse(workspace.lockfile.as_deref().unwrap(), "mirrors.lock").unwrap();
        (workspace, lockfile)
    }

    fn registries(&self) -> Registries {
        Registries::new(self.0.path(), &self.workspace().0.settings.registries).unwrap()
    }

    /// Applies `CHART` alone; `meanwhile` runs after the look at its name, before anything is written.
    async fn apply(&self, fresh: Duration, meanwhile: impl Fn()) -> Outcome {
        let (workspace, lockfile) = self.workspace();
        let graph = graph::compile(&workspace, &lockfile);
        let clearing = Clearing::new(workspace, self.registries(), Cache::none(), NOW);
        let units: Vec<UnitId> = graph.ids().filter(|id| graph.unit(*id).name == CHART).collect();
        let order = Order { units: &units, scope: Scope::Filtered, max_changes: 10, fresh, wait: None, saved: None };
        let ran = Cell::new(false);
        let tell = |event: Event<'_>| {
            if matches!(event, Event::Started(_)) && !ran.replace(true) {
                meanwhile();
            }
        };
        let signatures = Signatures::new(self.0.path(), &clearing.workspace.settings, Cache::none(), NOW);
        let means = Means { clearing: &clearing, signatures: &signatures };
        apply(means, &graph, &order, std::future::pending(), &tell).await
    }

    /// What the name of `CHART` holds.
    async fn held(&self) -> Option<Digest> {
        let reference = self.workspace().1.pins().iter().find(|pin| pin.name == CHART).unwrap().reference();
        self.registries().at(&reference.repository).resolve(&reference).await.ok().map(|seen| seen.digest)
    }

    /// Has a person accept that this digest is replaced by the pinned one.
    fn accept(&self, held: Digest) {
        let reference = self.workspace().1.pins().iter().find(|pin| pin.name == CHART).unwrap().reference();
        let file = self.0.path().join("chartsync.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        let more = format!(
            "\n[[accept]]\nfinding = \"replace\"\nreference = \"{reference}\"\ndigest = \"{held}\"\nreason = \"ours\"\n"
        );
        std::fs::write(&file, settings + &more).unwrap();
    }

    fn pinned(&self) -> Digest {
        self.workspace().1.pins().iter().find(|pin| pin.name == CHART).unwrap().digest
    }

    /// Another writer: names an image manifest of its own, or exactly the pinned chart.
    fn write(&self, what: Other) {
        let published = self.0.path().join(format!("registry/published/platform/{CHART}"));
        let upstream = self.0.path().join(format!("registry/upstream/charts/{CHART}"));
        copy(&upstream, &published);
        if what == Other::Chart {
            let bytes = br#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
            let descriptor = Descriptor::of(IMAGE_MANIFEST, bytes);
            std::fs::write(published.join("blobs/sha256").join(descriptor.digest.hex()), bytes).unwrap();
            let index = std::fs::read_to_string(published.join("index.json")).unwrap();
            let mut index: serde_json::Value = serde_json::from_str(&index).unwrap();
            for entry in index["manifests"].as_array_mut().unwrap() {
                entry["digest"] = descriptor.digest.to_string().into();
                entry["size"] = descriptor.size.into();
            }
            std::fs::write(published.join("index.json"), index.to_string()).unwrap();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Chart,
    SameChart,
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[tokio::test]
async fn an_old_observation_is_made_again_and_nobody_is_overwritten() {
    let bench = Bench::new();
    let outcome = bench.apply(Duration::ZERO, || bench.write(Other::Chart)).await;
    assert!(outcome.done.is_empty());
    assert_eq!(outcome.plan.rows[0].findings[0].code, Code::Drift);
    assert_eq!(outcome.verdict(), Verdict::Withheld);
    let held = bench.held().await;
    assert!(held.is_some() && held != Some(bench.pinned()));
}

#[tokio::test]
async fn a_twin_that_was_faster_is_no_drift() {
    let bench = Bench::new();
    let outcome = bench.apply(Duration::ZERO, || bench.write(Other::SameChart)).await;
    assert_eq!(outcome.done.len(), 1, "{:?}", outcome.plan.rows[0].findings);
    assert_eq!(bench.held().await, Some(bench.pinned()));
}

/// What was accepted to be replaced is no other writer at the second look; whatever else came meanwhile is.
#[tokio::test]
async fn exactly_what_was_accepted_is_replaced() {
    let bench = Bench::new();
    bench.write(Other::Chart);
    let held = bench.held().await.unwrap();
    bench.accept(held);
    let emptied = || std::fs::remove_dir_all(bench.0.path().join("registry/published")).unwrap();
    let outcome = bench.apply(Duration::ZERO, emptied).await;
    assert_eq!(outcome.plan.rows[0].findings[0].code, Code::Drift);
    assert_eq!(bench.held().await, None);
    bench.write(Other::Chart);
    let outcome = bench.apply(Duration::ZERO, || {}).await;
    assert_eq!(outcome.done.len(), 1, "{:?}", outcome.plan.rows[0].findings);
    assert_eq!(bench.held().await, Some(bench.pinned()));
}

/// What is published is signed from the destination's own bytes, whatever became of its source.
#[tokio::test]
async fn a_signature_that_is_missing_needs_no_source() {
    let bench = Bench::new();
    bench.write(Other::SameChart);
    std::fs::remove_dir_all(bench.0.path().join("registry/upstream")).unwrap();
    let outcome = bench.apply(FRESH, || {}).await;
    let done = outcome.done.values().next().unwrap_or_else(|| panic!("{:?}", outcome.plan.rows[0].findings));
    assert_eq!(done.change, Change::Sign);
}

#[tokio::test]
async fn a_name_is_written_when_it_still_is_what_was_seen() {
    for fresh in [Duration::ZERO, FRESH] {
        let bench = Bench::new();
        let outcome = bench.apply(fresh, || {}).await;
        assert_eq!(outcome.verdict(), Verdict::Clean, "{:?}", outcome.plan.rows[0].findings);
        assert_eq!(bench.held().await, Some(bench.pinned()));
    }
}

/// What `fresh` is for: within it another writer is not seen before the write.
#[tokio::test]
async fn a_fresh_observation_counts() {
    let bench = Bench::new();
    let outcome = bench.apply(FRESH, || bench.write(Other::Chart)).await;
    assert_eq!(outcome.done.len(), 1);
}
