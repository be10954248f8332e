//! Why each step of a chart has its key, or what makes it another one than elsewhere.

use super::page::{Page, Tone, plain, strong, toned};
use crate::graph::{Difference, Explained, PinState, StepKind, Unit};
use crate::key::Source;

/// How wide the names of steps are.
const KIND: usize = "identity ".len();

/// What is told about one chart version.
#[derive(Debug, Clone)]
pub enum Why {
    /// Its steps, each with all that enters its key.
    Inputs(Unit, Vec<Explained>),
    /// What differs from its steps at this revision.
    Differences(Unit, String, Vec<Difference>),
}

impl Why {
    /// Of which chart version.
    pub(in crate::report) fn unit(&self) -> &Unit {
        match self {
            Self::Inputs(unit, _) | Self::Differences(unit, _, _) => unit,
        }
    }
}

/// Every chart version's steps, or what differs in them, as sentences.
#[must_use]
pub fn why(told: &[Why]) -> String {
    let mut page = Page::default();
    for why in told {
        page.gap();
        let unit = why.unit();
        page.line(
            0,
            &[strong(format!("{} {}", unit.name, unit.version)), plain(format!(", published as {}", unit.reference))],
        );
        if let PinState::Stale(reason) = &unit.state {
            page.line(4, &[toned(Tone::Warning, format!("its steps have no keys yet: {reason}"))]);
        }
        match why {
            Why::Inputs(_, steps) => steps.iter().for_each(|step| explained(&mut page, step)),
            Why::Differences(_, base, differences) => compared(&mut page, base, differences),
        }
    }
    page.finish()
}

/// What a step does, as a sentence goes on after its name.
fn does(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Keyring => "reads the keyring",
        StepKind::Package => "packages the chart's folder",
        StepKind::Clear => "fetches the chart by digest and checks everything",
        StepKind::Copy => "moves the blobs, and the image manifest under its digest",
        StepKind::Identity => "checks that this process is the signer that the settings name",
        StepKind::Sign => "signs the digest at its place",
        StepKind::Tag => "writes the name",
        StepKind::Confirm => "reads the name back and hashes what it got",
    }
}

fn explained(page: &mut Page, step: &Explained) {
    page.gap();
    let made = match &step.key {
        Some(key) => plain(format!("; its key {} is made of", key.short())),
        None => toned(Tone::Warning, "; it has no key yet, which would be made of"),
    };
    page.line(0, &[strong(step.kind.as_str()), plain(format!(" {}", does(step.kind))), made]);
    let width = step.inputs.iter().map(|input| input.field.len()).max().unwrap_or(0);
    for input in &step.inputs {
        match input.source {
            Source::Input => page.field(4, width, input.field, value(&input.value)),
            Source::Feeds => page.field(4, width, input.field, &format!("key {}", short(&input.value))),
        }
    }
}

fn compared(page: &mut Page, base: &str, differences: &[Difference]) {
    if differences.is_empty() {
        page.line(4, &[toned(Tone::Good, format!("nothing differs from {base}: every step has the same key"))]);
        return;
    }
    if differences.iter().all(|difference| difference.base.is_none()) {
        page.line(
            4,
            &[plain(format!(
                "{base} has nothing of it: every step is new, and without --base this tells what it is made of"
            ))],
        );
        return;
    }
    for of_step in differences.chunk_by(|one, other| one.kind == other.kind) {
        let kind = of_step.first().map_or("", |first| first.kind.as_str());
        let head = format!("{kind:KIND$}differs from {base} ");
        for (at, difference) in of_step.iter().enumerate() {
            // One sentence for each step, whatever the number of its reasons.
            let lead = if at == 0 { head.clone() } else { " ".repeat(KIND) };
            let and = if at == 0 { "because " } else { "and because " };
            page.line(4, &[strong(lead), plain(and), plain(reason(difference))]);
        }
    }
}

/// A reason, as a sentence goes on after "because".
fn reason(difference: &Difference) -> String {
    let field = difference.field;
    let (here, there) = (difference.here.as_deref().map(value), difference.base.as_deref().map(value));
    match (difference.source, here, there) {
        (Source::Feeds, Some(_), Some(_)) => format!("{field} does"),
        (Source::Feeds, Some(_), None) => format!("it takes the result of {field} now"),
        (Source::Feeds, None, _) => format!("it no longer takes the result of {field}"),
        (Source::Input, Some(here), Some(there)) => format!("its {field} is {here}, not {there}"),
        (Source::Input, Some(here), None) => format!("its {field} is {here}, where there was none"),
        (Source::Input, None, Some(there)) => format!("it has no {field} any more, which was {there}"),
        (Source::Input, None, None) => format!("it has no {field}"),
    }
}

fn value(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// The keys of the steps that feed, shortened each.
fn short(keys: &str) -> String {
    keys.split(' ').map(|key| key.chars().take(12).collect::<String>()).collect::<Vec<_>>().join(" ")
}
