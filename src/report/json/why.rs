//! Why each step has its key, as JSON.

use serde::Serialize;

use crate::graph::{Difference, Explained};
use crate::key::Source;
use crate::report::Why;

#[derive(Serialize)]
struct WireWhy {
    charts: Vec<WireChart>,
}

#[derive(Serialize)]
struct WireChart {
    name: String,
    version: String,
    reference: String,
    /// `null` where it was compared.
    steps: Option<Vec<WireStep>>,
    /// The revision that it was compared with.
    base: Option<String>,
    /// `null` where it was not compared.
    differences: Option<Vec<WireDifference>>,
}

#[derive(Serialize)]
struct WireStep {
    step: &'static str,
    /// `null` while the step's bytes are not fixed.
    key: Option<String>,
    inputs: Vec<WireInput>,
}

#[derive(Serialize)]
struct WireInput {
    from: &'static str,
    field: &'static str,
    value: String,
}

#[derive(Serialize)]
struct WireDifference {
    step: &'static str,
    from: &'static str,
    field: &'static str,
    here: Option<String>,
    base: Option<String>,
}

/// `input` for what a step has of its own, `step` for the key of one that feeds it.
fn from(source: Source) -> &'static str {
    match source {
        Source::Input => "input",
        Source::Feeds => "step",
    }
}

impl From<&Explained> for WireStep {
    fn from(step: &Explained) -> Self {
        let inputs = step.inputs.iter();
        let inputs =
            inputs.map(|input| WireInput { from: from(input.source), field: input.field, value: input.value.clone() });
        Self { step: step.kind.as_str(), key: step.key.map(|key| key.to_string()), inputs: inputs.collect() }
    }
}

impl From<&Difference> for WireDifference {
    fn from(difference: &Difference) -> Self {
        Self {
            step: difference.kind.as_str(),
            from: from(difference.source),
            field: difference.field,
            here: difference.here.clone(),
            base: difference.base.clone(),
        }
    }
}

impl From<&Why> for WireChart {
    fn from(why: &Why) -> Self {
        let unit = why.unit();
        let (steps, base, differences) = match why {
            Why::Inputs(_, steps) => (Some(steps.iter().map(Into::into).collect()), None, None),
            Why::Differences(_, base, differences) => {
                (None, Some(base.clone()), Some(differences.iter().map(Into::into).collect()))
            }
        };
        Self {
            name: unit.name.clone(),
            version: unit.version.to_string(),
            reference: unit.reference.to_string(),
            steps,
            base,
            differences,
        }
    }
}

/// Every chart version's steps, or what differs in them, as JSON.
#[must_use]
pub fn why(told: &[Why]) -> String {
    super::text("why", WireWhy { charts: told.iter().map(Into::into).collect() })
}
