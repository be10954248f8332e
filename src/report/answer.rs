//! Is it safe to merge? The one answer that every view of a plan begins with.

use crate::chart::difference::{Difference, Matter, Notice};
use crate::diagnostic::Severity;
use crate::finding::Code;
use crate::lock::Signer;
use crate::plan::{Network, Plan, Question, Row, Scope, State};
use crate::report::words::{are, as_what, count, stale};

/// Whether it is safe to merge, or as it was reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safe {
    Yes,
    /// If a person agrees with the warnings.
    Warned,
    /// The registries give no reason against it; what it does to trust was compared with nothing.
    Registries,
    No,
    Unknown,
}

impl Safe {
    /// Its stable name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Warned => "yes-with-warnings",
            Self::Registries => "registries-only",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// The answer and what it rests on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) safe: Safe,
    /// As people read it.
    pub(super) word: &'static str,
    pub(super) reason: String,
}

/// The question of a plan, as it stands in front of its answer.
pub(super) fn question(question: Question) -> &'static str {
    match question {
        Question::Merge => "safe to merge?",
        Question::Drift => "as reviewed?",
    }
}

/// The answer to a plan's question: never `yes` when it is filtered, offline or failed.
pub(super) fn answer(plan: &Plan) -> Answer {
    match plan.question {
        Question::Merge => safe_to_merge(plan),
        Question::Drift => against(plan).unwrap_or_else(|| as_reviewed(plan)),
    }
}

/// Whether it is safe to merge, whatever the plan's question is: never `yes` when it was compared with no base.
pub(super) fn safe_to_merge(plan: &Plan) -> Answer {
    against(plan).unwrap_or_else(|| yes(plan))
}

/// What speaks against a `yes` to any question.
fn against(plan: &Plan) -> Option<Answer> {
    let mut blocking = Vec::new();
    let of = |state: fn(&State) -> bool| plan.rows.iter().filter(|row| state(&row.state)).count();
    let of_run = |is_error| {
        let blocking = plan.findings.iter().filter(|finding| finding.severity() == Severity::Blocking);
        blocking.filter(|finding| (finding.code == Code::Error) == is_error).count()
    };
    if of_run(false) > 0 {
        blocking.push(format!("{} about the whole run", count(of_run(false), "finding")));
    }
    let withheld = of(|state| *state == State::Withheld);
    if withheld > 0 {
        blocking.push(format!("{} {} withheld", count(withheld, "chart"), are(withheld)));
    }
    let unpinned = of(|state| *state == State::Stale);
    if unpinned > 0 {
        blocking.push(stale(unpinned));
    }
    let certain = !blocking.is_empty();
    if of_run(true) > 0 {
        blocking.push(format!("{} of the whole run", count(of_run(true), "error")));
    }
    let failed = of(|state| *state == State::Failed);
    if failed > 0 {
        blocking.push(format!("{} could not be examined", count(failed, "chart")));
    }
    if !blocking.is_empty() {
        let (safe, word) = if certain { (Safe::No, "no") } else { (Safe::Unknown, CANNOT_TELL) };
        return Some(Answer { safe, word, reason: blocking.join(", ") });
    }
    let reason = unknown(plan);
    (!reason.is_empty()).then_some(Answer { safe: Safe::Unknown, word: CANNOT_TELL, reason })
}

const CANNOT_TELL: &str = "cannot tell";

fn yes(plan: &Plan) -> Answer {
    let changes = plan.changes().count();
    let does = match changes {
        0 => nothing(plan),
        changes => format!("{} would change{}", count(changes, "chart"), verified(plan, changes)),
    };
    let (notable, unknown) = looks(plan);
    let does = format!("{does}{}", words_of_looks(notable, unknown));
    let warnings = warnings(plan) + notable + unknown;
    match (&plan.base, warnings) {
        (Some(_), 0) => Answer { safe: Safe::Yes, word: "yes", reason: does },
        (Some(_), _) => Answer { safe: Safe::Warned, word: "yes, if you agree with what is told below", reason: does },
        (None, _) => Answer {
            safe: Safe::Registries,
            word: match warnings {
                0 => "as far as registries tell, yes",
                _ => "as far as registries tell, yes, if you agree with what is told below",
            },
            reason: format!("{does}; what a change does to trust shows only with `--base REV`"),
        },
    }
}

/// Whether what is published is what was reviewed, where all of it was seen and nothing is withheld.
fn as_reviewed(plan: &Plan) -> Answer {
    let changes = plan.changes().count();
    if changes > 0 {
        let charts = count(changes, "chart");
        let reason = format!("{charts} {} not published, or not signed, as pinned or in Git", are(changes));
        return Answer { safe: Safe::No, word: "no", reason };
    }
    let of = |code| plan.all_findings().filter(|finding| finding.code == code).count();
    let told = |reasons: [Option<String>; 2]| reasons.into_iter().flatten().collect::<Vec<_>>();
    let unknown = told([
        words_of(of(Code::TagsUnknown), "the tags of", "repository", "repositories", "could not be listed"),
        words_of(of(Code::KeyringUnknown), "the keyring of", "mirror", "mirrors", "could not be asked for"),
    ]);
    if !unknown.is_empty() {
        return Answer { safe: Safe::Unknown, word: CANNOT_TELL, reason: unknown.join(", ") };
    }
    // Notes elsewhere, but what this question is about.
    let unreviewed = told([
        words_of(of(Code::Orphan), "nothing declares", "other tag", "other tags", "there"),
        words_of(of(Code::Keyring), "the keyring of", "mirror", "mirrors", "changed upstream"),
    ]);
    let (safe, word) = match warnings(plan) + unreviewed.len() {
        0 => (Safe::Yes, "yes"),
        _ => (Safe::Warned, "yes, with the findings below"),
    };
    // Tags were asked what they name; `verify` reads the bytes.
    let reviewed = match plan.rows.len() {
        0 => "no chart is declared".to_owned(),
        1 => "the tag of 1 chart names what was reviewed".to_owned(),
        rows => format!("the tags of {rows} charts name what was reviewed"),
    };
    Answer { safe, word, reason: [vec![reviewed], unreviewed].concat().join("; ") }
}

/// What so many of these are or do; nothing of none.
fn words_of(number: usize, begin: &str, one: &str, many: &str, end: &str) -> Option<String> {
    (number > 0).then(|| format!("{begin} {number} {} {end}", if number == 1 { one } else { many }))
}

/// That there is nothing to do.
fn nothing(plan: &Plan) -> String {
    match plan.rows.len() {
        0 => "no chart is declared".to_owned(),
        rows => format!("nothing to do, {} {} published as {}", count(rows, "chart"), are(rows), as_what(&plan.rows)),
    }
}

fn warnings(plan: &Plan) -> usize {
    plan.all_findings().filter(|finding| finding.severity() == Severity::Warning).count()
}

/// How many of the versions that a person has to read hold what deserves a second look, and of how many that is not known.
fn looks(plan: &Plan) -> (usize, usize) {
    let against = || plan.rows.iter().filter_map(|row| row.against.as_ref());
    // A new version mostly installs a new version of something: that is told, and is what was asked for.
    let is_expected = |notice: &&Notice| notice.matter == Matter::AppVersion;
    let is_notable = |difference: &Difference| {
        let expected = difference.notices.first.iter().filter(is_expected).count();
        difference.notices.count > expected || difference.unread.count > 0
    };
    let notable = against().filter(|against| against.found.as_ref().is_ok_and(is_notable)).count();
    (notable, against().filter(|against| against.found.is_err()).count())
}

fn words_of_looks(notable: usize, unknown: usize) -> String {
    let deserve = if notable == 1 { "deserves" } else { "deserve" };
    let notable = (notable > 0).then(|| format!("; {} {deserve} a second look", count(notable, "version")));
    let unknown = (unknown > 0).then(|| format!("; {} could not be compared", count(unknown, "version")));
    notable.into_iter().chain(unknown).collect()
}

/// Whose word what would change rests on: a provenance, nobody's, or this repository's.
fn verified(plan: &Plan, changes: usize) -> String {
    let of = |is: fn(&Row) -> bool| plan.changes().filter(|(row, _)| is(row)).count();
    let unsigned = of(|row| row.pin.as_ref().is_some_and(|pin| pin.signer == Signer::None));
    let own = of(|row| row.pin.is_none());
    let kinds = [
        (changes - unsigned - own, if changes == 1 { "verified" } else { "each verified" }, "verified"),
        (unsigned, "without provenance", "without provenance"),
        (own, "from this repository", "from this repository"),
    ];
    if let Some((_, all, _)) = kinds.iter().find(|(count, ..)| *count == changes) {
        return format!(", {all}");
    }
    let some = kinds.iter().filter(|(count, ..)| *count > 0);
    format!(": {}", some.map(|(count, _, kind)| format!("{count} {kind}")).collect::<Vec<_>>().join(", "))
}

/// Why a plan without a blocking finding still cannot answer; nothing where it can.
fn unknown(plan: &Plan) -> String {
    let mut reasons = Vec::new();
    if plan.network == Network::Offline {
        reasons.push("no registry was asked".to_owned());
    }
    if plan.scope == Scope::Filtered {
        reasons.push("only what was selected was looked at".to_owned());
    }
    let unseen = plan.rows.iter().filter(|row| row.state == State::Unseen).count();
    if unseen > 0 {
        reasons.push(format!("{} cannot be seen without a credential", count(unseen, "chart")));
    }
    let undecided = plan.rows.iter().filter(|row| row.state == State::Undecided).count();
    if undecided > 0 && plan.network == Network::Online {
        reasons.push(format!("{} not looked at", count(undecided, "chart")));
    }
    reasons.join(", ")
}
