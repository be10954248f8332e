//! Mermaid, as code forges show it in Markdown.

use std::fmt::Write as _;

use super::{Node, NodeState, States, is_unseen, picture};
use crate::graph::{Edge, StepGraph, UnitId};

/// These units as a Mermaid flowchart, with as much in it as the Graphviz one.
#[must_use]
pub fn mermaid(graph: &StepGraph, units: &[UnitId], states: &States<'_>) -> String {
    let picture = picture(graph, units, states);
    let mut out = String::from("flowchart LR\n");
    for node in &picture.shared {
        write_node(&mut out, "  ", node);
    }
    for (index, (frame, nodes)) in picture.frames.iter().enumerate() {
        let _ = writeln!(out, "  subgraph f{index}[{}]", quoted(&[frame.as_str()]));
        for node in nodes {
            write_node(&mut out, "    ", node);
        }
        out.push_str("  end\n");
    }
    for (from, to, edge) in &picture.edges {
        let arrow = if *edge == Edge::After { "-.->" } else { "-->" };
        let _ = writeln!(out, "  n{from} {arrow} n{to}");
    }
    for state in NodeState::ALL {
        let (fill, border) = state.colors();
        let _ = writeln!(out, "  classDef {} fill:{fill},stroke:{border},color:#000", state.as_str());
    }
    out
}

fn write_node(out: &mut String, indent: &str, node: &Node) {
    let lines = node.lines.iter().map(String::as_str).collect::<Vec<_>>();
    let _ = writeln!(out, "{indent}n{}[{}]:::{}", node.id, quoted(&lines), node.state.as_str());
}

/// A quoted label: whatever Mermaid, Markdown or HTML could take for its own is written as its number.
pub(in crate::graph) fn quoted(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("<br/>");
        }
        for character in line.chars() {
            match character {
                character if is_unseen(character) => out.push('\u{fffd}'),
                character if character.is_alphanumeric() || " .:/@+,-".contains(character) => out.push(character),
                character => {
                    let _ = write!(out, "#{};", u32::from(character));
                }
            }
        }
    }
    out.push('"');
    out
}
