//! Graphviz.

use std::fmt::Write as _;

use super::{Node, States, is_unseen, picture};
use crate::graph::{Edge, StepGraph, UnitId};

const HEAD: &str = "\
digraph chartsync {
  rankdir=LR;
  graph [fontname=\"sans-serif\", fontsize=11];
  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=10];
";

/// These units in Graphviz's language: every step of a few versions, each of more versions, or only the charts.
#[must_use]
pub fn dot(graph: &StepGraph, units: &[UnitId], states: &States<'_>) -> String {
    let picture = picture(graph, units, states);
    let mut out = String::from(HEAD);
    for node in &picture.shared {
        write_node(&mut out, "  ", node);
    }
    for (index, (frame, nodes)) in picture.frames.iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{index} {{");
        let _ = writeln!(out, "    label={}; color=\"#b0b0b0\";", quoted(&[frame.as_str()]));
        for node in nodes {
            write_node(&mut out, "    ", node);
        }
        out.push_str("  }\n");
    }
    for (from, to, edge) in &picture.edges {
        let style = if *edge == Edge::After { " [style=dashed]" } else { "" };
        let _ = writeln!(out, "  n{from} -> n{to}{style};");
    }
    out.push_str("}\n");
    out
}

fn write_node(out: &mut String, indent: &str, node: &Node) {
    let (fill, border) = node.state.colors();
    let lines = node.lines.iter().map(String::as_str).collect::<Vec<_>>();
    let (id, label, state) = (node.id, quoted(&lines), node.state.as_str());
    let _ =
        writeln!(out, "{indent}n{id} [label={label}, tooltip=\"{state}\", fillcolor=\"{fill}\", color=\"{border}\"];");
}

/// A quoted label of several lines, in which nothing but the breaks between them means anything.
pub(in crate::graph) fn quoted(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("\\n");
        }
        for character in line.chars() {
            match character {
                // Graphviz reads HTML's entities in every label.
                '&' => out.push_str("&amp;"),
                '"' | '\\' => out.extend(['\\', character]),
                character if is_unseen(character) => out.push('\u{fffd}'),
                character => out.push(character),
            }
        }
    }
    out.push('"');
    out
}
