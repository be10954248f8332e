//! What a person must be told: problems of the input, findings about the world, and where they are.
//!
//! Owns codes, severities and locations. Knows no format of a report and no rule that raises one.

use std::fmt;

/// A place in a file of the workspace. The path is relative to the root, with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, from the workspace's root.
    pub file: String,
    /// Line and column, both from 1, where they are known.
    pub position: Option<(u32, u32)>,
}

impl Location {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), position: None }
    }

    /// A line and a column of a file, both from 1.
    #[must_use]
    pub fn at(file: impl Into<String>, line: u32, column: u32) -> Self {
        Self { file: file.into(), position: Some((line, column)) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// What kind of problem it is: a stable name, kebab-case, which `chartsync explain` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProblemCode(&'static str);

impl ProblemCode {
    /// Every kind there is.
    pub const ALL: [Self; 51] = [
        Self("byte-order-mark"),
        Self("chart"),
        Self("chart-name"),
        Self("chart-version"),
        Self("conflict-markers"),
        Self("conflicting-pin"),
        Self("conflicting-settings"),
        Self("cycle"),
        Self("defect"),
        Self("dependency"),
        Self("destination-outside"),
        Self("duplicate-accept"),
        Self("duplicate-destination"),
        Self("duplicate-fingerprint"),
        Self("duplicate-pin"),
        Self("duplicate-version"),
        Self("idle-setting"),
        Self("invalid-value"),
        Self("keyless-place"),
        Self("keyring-digest"),
        Self("keyring-unusable"),
        Self("keyring-url"),
        Self("link"),
        Self("lock-version"),
        Self("missing-key"),
        Self("no-charts"),
        Self("no-settings"),
        Self("no-workspace"),
        Self("not-utf-8"),
        Self("nul-byte"),
        Self("pin-relation"),
        Self("secret-key"),
        Self("self-mirror"),
        Self("signing-file"),
        Self("stray-file"),
        Self("too-big"),
        Self("toml-syntax"),
        Self("unknown-key"),
        Self("unreadable"),
        Self("wrong-type"),
        Self("yaml-alias"),
        Self("yaml-ambiguous"),
        Self("yaml-anchor"),
        Self("yaml-documents"),
        Self("yaml-duplicate-key"),
        Self("yaml-key"),
        Self("yaml-not-a-mapping"),
        Self("yaml-syntax"),
        Self("yaml-tab"),
        Self("yaml-tag"),
        Self("yaml-too-deep"),
    ];

    /// The kind of this name, for the macro `code!` to ask when the program is built: a name that is not in [`Self::ALL`] does not compile.
    ///
    /// # Panics
    ///
    /// For any other name; at run time nobody calls it.
    #[must_use]
    pub const fn known(name: &'static str) -> Self {
        let mut at = 0;
        while at < Self::ALL.len() {
            if same(Self::ALL[at].0.as_bytes(), name.as_bytes()) {
                return Self::ALL[at];
            }
            at += 1;
        }
        panic!("the code is not in `ProblemCode::ALL`")
    }

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    one.len() == other.len() && at == one.len()
}

/// A [`ProblemCode`] by its name, looked up when the program is built.
macro_rules! code {
    ($name:literal) => {
        const { $crate::diagnostic::ProblemCode::known($name) }
    };
}
pub(crate) use code;

/// Something wrong with the input: a file of the workspace, an argument, the environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, when it is about a file.
    pub location: Option<Location>,
    /// What kind of problem it is.
    pub code: ProblemCode,
    /// What is wrong: lower case, no final period, names the value that was found.
    pub message: String,
    /// What was expected and what to do next; empty when the message says it.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.help) }
    }
}

/// Every problem of one reading, sorted and never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of another reading.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `value` if nothing was wrong, else all that was, by place.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }

    /// The problems, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Withholds its chart and what depends on it.
    Blocking,
    /// Wants a look.
    Warning,
    /// Good to know.
    Note,
}
