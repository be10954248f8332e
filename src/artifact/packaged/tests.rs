use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::artifact::Memory;
use crate::cache::Cache;
use crate::graph;
use crate::lock::Lockfile;
use crate::registry::Registries;
use crate::workspace::{Tree, Workspace};

/// KiB that charts may take together here.
const ALL: usize = 512;

/// Charts with as many KiB, and what they depend on.
fn clearing(charts: &[(&str, usize, &[&str])]) -> (tempfile::TempDir, Clearing, StepGraph) {
    let root = tempfile::tempdir().unwrap();
    let write = |path: String, bytes: Vec<u8>| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let settings = "[publish]\nrepository = \"charts.example/p\"\n[signing]\nmethod = \"none\"\n";
    write("chartsync.toml".into(), settings.into());
    for (name, kib, on) in charts {
        let entry = |on: &&str| format!("- {{name: {on}, version: 1.0.0, repository: 'file://../{on}'}}\n");
        let on: String = on.iter().map(entry).collect();
        let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n{on}");
        // The whole folder, to the byte.
        write(format!("charts/{name}/data"), vec![b'x'; (kib << 10) - chart_yaml.len()]);
        write(format!("charts/{name}/Chart.yaml"), chart_yaml.into());
    }
    let workspace = Workspace::read(&Tree::folder(root.path())).unwrap();
    assert!(workspace.chart_problems.is_empty(), "{}", workspace.chart_problems);
    let graph = graph::compile(&workspace, &Lockfile::default());
    let registries = Registries::new(root.path(), &workspace.settings.registries).unwrap();
    let memory = Memory::new(u32::try_from(ALL << 10).unwrap());
    let clearing = Clearing::within(memory, workspace, registries, Cache::none(), 0);
    (root, clearing, graph)
}

fn unit(graph: &StepGraph, name: &str) -> UnitId {
    graph.ids().find(|id| graph.unit(*id).name == name).unwrap()
}

/// One look at a future that nobody else drives.
fn begun<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn charts_wait_for_memory_before_they_are_packaged() {
    let (_root, clearing, graph) = clearing(&[("a", 300, &[]), ("b", 300, &[])]);
    let free = || clearing.memory().free();
    let mut first = pin!(clearing.clear_packaged(&graph, unit(&graph, "a")));
    let mut second = pin!(clearing.package(&graph, unit(&graph, "b"), Known::Nothing));
    assert!(begun(first.as_mut()));
    assert_eq!(free(), ALL - 300);
    // The rest is kept for whoever is next, which it is too little for.
    assert!(begun(second.as_mut()));
    assert_eq!(free(), 0);
    let cleared = first.await.unwrap();
    // It is packaged, and its bytes are still there.
    assert!(begun(second.as_mut()));
    assert_eq!(free(), 0);
    drop(cleared);
    assert_eq!(free(), ALL - 300);
    second.await.unwrap();
    // What is known of a package is not its bytes.
    assert_eq!(free(), ALL);
}

/// If each waited for its dependency's share while it holds its own, these would wait for ever.
#[tokio::test]
async fn a_chart_takes_one_share_for_all_that_is_in_it() {
    let charts: [(&str, usize, &[&str]); 4] =
        [("base", 200, &[]), ("middle", 100, &["base"]), ("top", 150, &["middle", "base"]), ("other", 300, &["base"])];
    let (_root, clearing, graph) = clearing(&charts);
    let free = || clearing.memory().free();
    let mut other = pin!(clearing.clear_packaged(&graph, unit(&graph, "other")));
    assert!(begun(other.as_mut()));
    assert_eq!(free(), ALL - 500);
    drop(other.await.unwrap());
    // More than everything takes everything.
    let mut top = pin!(clearing.clear_packaged(&graph, unit(&graph, "top")));
    assert!(begun(top.as_mut()));
    assert_eq!(free(), 0);
    drop(top.await.unwrap());
    let all = charts.iter().map(|(name, ..)| clearing.clear_packaged(&graph, unit(&graph, name)));
    let all = futures_util::future::join_all(all.map(|one| async { drop(one.await.unwrap()) })).await;
    assert_eq!((all.len(), free()), (4, ALL));
}
