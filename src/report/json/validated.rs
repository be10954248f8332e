//! A workspace in which nothing is wrong, as JSON.

use serde::Serialize;

use crate::graph::{PinState, StepGraph};
use crate::lock::Lockfile;
use crate::workspace::Workspace;

/// How much a workspace declares and pins.
#[derive(Debug, Serialize)]
pub(in crate::report) struct Totals {
    /// Files in `mirrors/`.
    pub(in crate::report) mirrors: usize,
    /// Folders in `charts/`.
    pub(in crate::report) charts: usize,
    /// Versions that manifests declare.
    pub(in crate::report) versions: usize,
    /// Pins in the lockfile.
    pub(in crate::report) pins: usize,
    /// Declared versions without a pin that satisfies their manifest.
    pub(in crate::report) stale: usize,
    /// Pins that no manifest declares.
    pub(in crate::report) undeclared: usize,
}

impl Totals {
    pub(in crate::report) fn of(workspace: &Workspace, lockfile: &Lockfile, graph: &StepGraph) -> Self {
        let undeclared = lockfile.pins().iter().filter(|pin| !graph.mirrors(&pin.destination, &pin.version));
        Self {
            mirrors: workspace.mirrors.len(),
            charts: workspace.charts.len(),
            versions: graph.units().iter().filter(|unit| unit.mirror().is_some()).count(),
            pins: lockfile.pins().len(),
            stale: graph.units().iter().filter(|unit| matches!(unit.state, PinState::Stale(_))).count(),
            undeclared: undeclared.count(),
        }
    }
}

/// What `validate` says of a workspace without a problem, as JSON.
#[must_use]
pub fn validated(workspace: &Workspace, lockfile: &Lockfile, graph: &StepGraph) -> String {
    super::text("validate", Totals::of(workspace, lockfile, graph))
}
