//! `chartsync plan --lock-patch`: what `lock` would write, for authors who cannot run it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::artifact::Clearing;
use crate::cli::session::Stop;
use crate::files::{self, Readers};
use crate::finding::Code;
use crate::graph::StepGraph;
use crate::lock::{Lockfile, Pin};
use crate::plan::{Plan, Scope, State};
use crate::resolve::{self, Failure, Order, patch};
use crate::workspace::{LOCK_FILE, Tree};

/// Writes the patch and tells of it in the plan: what cannot be locked in the findings of those charts. Where there is nothing to
/// lock there is no patch afterwards, an older one included. `folder` is the workspace's in its repository.
pub(super) async fn add(
    file: &Path,
    folder: &str,
    root: &Path,
    clearing: &Clearing,
    graph: &StepGraph,
    lockfile: &Lockfile,
    plan: &mut Plan,
) -> Result<(), Stop> {
    let cannot =
        |error: std::io::Error| Stop::Message(format!("cannot write the patch to {}: {error}", file.display()));
    refuse_other(file)?;
    let made = make(file, folder, root, clearing, graph, lockfile, plan).await?;
    let Some((bytes, told)) = made else {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot(error)),
            _ => Ok(()),
        };
    };
    files::write_whole(file, &[&bytes], Readers::All).map_err(cannot)?;
    plan.lock_patch = Some(told);
    Ok(())
}

/// A patch is replaced or removed, and nothing else.
fn refuse_other(file: &Path) -> Result<(), Stop> {
    let is_patch = |bytes: &[u8]| bytes.is_empty() || bytes.starts_with(b"diff --git ");
    match std::fs::read(file) {
        Ok(bytes) if !is_patch(&bytes) => Err(Stop::Message(format!(
            "{} is there and is no patch: name another file for --lock-patch",
            file.display()
        ))),
        _ => Ok(()),
    }
}

async fn make(
    file: &Path,
    folder: &str,
    root: &Path,
    clearing: &Clearing,
    graph: &StepGraph,
    lockfile: &Lockfile,
    plan: &mut Plan,
) -> Result<Option<(Vec<u8>, patch::LockPatch)>, Stop> {
    let is_stale = plan.rows.iter().any(|row| row.state == State::Stale);
    let everything = plan.scope == Scope::Whole;
    let is_undeclared = |pin: &Arc<Pin>| !graph.mirrors(&pin.destination, &pin.version);
    let has_undeclared = everything && lockfile.pins().iter().any(is_undeclared);
    if !is_stale && !has_undeclared {
        return Ok(None);
    }
    let selected = plan.rows.iter().map(|row| row.unit).filter(|id| graph.unit(*id).mirror().is_some()).collect();
    let order = Order { selected, everything, ..Order::default() };
    let resolution = resolve::resolve(clearing, graph, lockfile, &order).await;
    let bytes = Tree::folder(root).read(LOCK_FILE).map_err(Stop::message)?;
    let path = from_repository(file, root, folder);
    tell(plan, &resolution.failures, patch::name(&path));
    patch::make(&clearing.workspace, folder, bytes.as_deref(), &resolution, path).map_err(Stop::message)
}

/// The patch as it was named, where that is also its name in the repository's root; else by its whole path.
fn from_repository(file: &Path, root: &Path, folder: &str) -> String {
    let elsewhere = || {
        let (here, root) = (Path::new(".").canonicalize().ok()?, root.canonicalize().ok()?);
        let top = root.ancestors().nth(Path::new(folder).components().count())?;
        (here != top).then_some(here.join(file.parent()?).canonicalize().ok()?.join(file.file_name()?))
    };
    elsewhere().unwrap_or_else(|| file.to_owned()).to_string_lossy().into_owned()
}

/// Whoever cannot run `lock` takes the patch; what cannot be locked needs more than that: the reason, and what would lift it.
fn tell(plan: &mut Plan, failures: &[Failure], name: &str) {
    let failures: BTreeMap<_, _> = failures.iter().map(|failure| (&failure.reference, failure)).collect();
    for row in &mut plan.rows {
        for finding in row.findings.iter_mut().filter(|finding| finding.code == Code::Stale) {
            match failures.get(&row.reference) {
                Some(failure) => {
                    finding.message.clone_from(&failure.message);
                    finding.next.clone_from(&failure.next);
                    finding.exception.clone_from(&failure.exception);
                }
                None => finding.next = format!("its pin is in {name}"),
            }
        }
    }
}
