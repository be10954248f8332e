//! Problems of the input, as JSON.

use serde::Serialize;

use super::parts::WireLocation;
use crate::diagnostic::{Problem, Problems};

#[derive(Serialize)]
struct WireProblems {
    problems: Vec<WireProblem>,
}

#[derive(Serialize)]
struct WireProblem {
    code: &'static str,
    location: Option<WireLocation>,
    message: String,
    /// Empty where the message says it.
    help: String,
}

impl From<&Problem> for WireProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.as_str(),
            location: problem.location.as_ref().map(Into::into),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }
}

/// The problems as JSON.
#[must_use]
pub fn problems(problems: &Problems) -> String {
    super::text("problems", WireProblems { problems: problems.iter().map(Into::into).collect() })
}
