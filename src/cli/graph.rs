//! `chartsync graph`: the steps, their keys and their states.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::cli::session::{Conflicts, Session, Stop};
use crate::cli::{Common, interrupted, live, output};
use crate::graph::draw::{self, NodeState};
use crate::graph::{Step, UnitId};
use crate::plan::{Ask, Network, State, observe, rows};
use crate::report::escape;

/// Arguments of `graph`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What is drawn.
    #[arg(long, value_enum, default_value_t = Drawing::Dot)]
    format: Drawing,
    /// Ask no registry: states are unknown.
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Drawing {
    /// Graphviz.
    Dot,
    /// Mermaid, as GitHub renders it.
    Mermaid,
    /// For programs.
    Json,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<u8, Stop> {
    let Session { root, workspace, graph, units, .. } = Session::open(common, Conflicts::Refuse)?;
    let clearing = Session::clearing(workspace, &root)?;
    let signatures = Session::signatures(&clearing, &root);
    let network = if options.offline { Network::Offline } else { Network::Online };
    let ask = Ask { network, ..Ask::default() };
    let observed = tokio::select! {
        observed = live::during(common, observe::observe(&graph, &units, &clearing, &signatures, &ask)) => observed,
        () = interrupted() => return Err(live::interrupted("charts were looked at")),
    };
    let rows = rows::rows(&clearing.workspace, &graph, &units, &observed);
    let states: BTreeMap<UnitId, NodeState> = rows.iter().map(|row| (row.unit, state(&row.state))).collect();
    let state = |step: &Step| match step.unit() {
        Some(unit) => states.get(&unit).copied().unwrap_or(NodeState::Unknown),
        None => NodeState::Done,
    };
    output::data(&match options.format {
        Drawing::Dot => draw::dot(&graph, &units, &state),
        Drawing::Mermaid => draw::mermaid(&graph, &units, &state),
        Drawing::Json => escape::json(&draw::json(&graph, &units, &state)).into_owned(),
    })?;
    Ok(0)
}

fn state(state: &State) -> NodeState {
    match state {
        State::Unchanged => NodeState::Done,
        State::Change(_) => NodeState::Pending,
        State::Withheld => NodeState::Withheld,
        State::Stale => NodeState::Stale,
        State::Failed => NodeState::Failed,
        State::Unseen | State::Undecided => NodeState::Unknown,
    }
}
