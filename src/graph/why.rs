//! Why a step has the key it has, and why it had another one elsewhere.

use std::collections::BTreeMap;

use super::describe::NAMED;
use super::{Step, StepGraph, StepKind, UnitId};
use crate::key::{ExplainSink, Input, Source, StepKey};

/// What one step's key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The step.
    pub kind: StepKind,
    /// Its key; absent while its bytes are not fixed.
    pub key: Option<StepKey>,
    /// All that enters it, as far as it is known, in the order in which it enters.
    pub inputs: Vec<Input>,
}

/// Something that enters a step's key here, and not so in the other graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step.
    pub kind: StepKind,
    /// An input of the step, or a step that feeds it: then the reason stands among that one's differences.
    pub source: Source,
    /// The input's name, or the kind of the step that feeds.
    pub field: &'static str,
    /// Its value here; absent where it is none.
    pub here: Option<String>,
    /// Its value there.
    pub base: Option<String>,
}

/// The steps of a unit in the order in which they are taken, with all that enters their keys.
#[must_use]
pub fn explain(graph: &StepGraph, unit: UnitId) -> Vec<Explained> {
    graph.steps(unit).map(|step| explained(graph, step)).collect()
}

fn explained(graph: &StepGraph, step: &Step) -> Explained {
    let mut sink = ExplainSink::default();
    let known = graph.describe(step, &mut sink);
    Explained { kind: step.kind(), key: known.and(step.key()), inputs: sink.0 }
}

/// What differs between a unit's steps and those of the same place in another graph, in the order of the steps.
///
/// A unit that the other graph lacks differs in everything.
#[must_use]
pub fn compare(graph: &StepGraph, base: &StepGraph, unit: UnitId) -> Vec<Difference> {
    let this = graph.unit(unit);
    let that = base.find(this.destination(), &this.version);
    let mut differences = Vec::new();
    for kind in StepKind::ALL {
        let here = graph.step(unit, kind);
        let there = that.and_then(|unit| base.step(unit, kind));
        // Equal keys stand for equal descriptions.
        if key(here).is_some() && key(here) == key(there) {
            continue;
        }
        let mut fields = BTreeMap::<_, [Option<String>; 2]>::new();
        for (side, (graph, step)) in [(graph, here), (base, there)].into_iter().enumerate() {
            for (field, value) in step.map(|step| fields_of(graph, step)).unwrap_or_default() {
                fields.entry(field).or_default()[side] = Some(value);
            }
        }
        fields.retain(|_, [here, base]| here != base);
        let differing = fields.into_iter();
        differences.extend(differing.map(|((source, field, _), [here, base])| Difference {
            kind,
            source,
            field,
            here,
            base,
        }));
    }
    differences
}

fn key(step: Option<&Step>) -> Option<StepKey> {
    step.and_then(Step::key)
}

/// A step's inputs by field, and by name where a field has one value for each; the keys of several steps of one kind that feed it
/// are one value.
fn fields_of(graph: &StepGraph, step: &Step) -> BTreeMap<(Source, &'static str, String), String> {
    let mut fields = BTreeMap::<_, String>::new();
    for input in explained(graph, step).inputs {
        let name = if NAMED.contains(&input.field) { input.value.rsplit_once(' ') } else { None };
        let name = name.map_or_else(String::new, |(name, _)| name.to_owned());
        let value = fields.entry((input.source, input.field, name)).or_default();
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(&input.value);
    }
    fields
}
