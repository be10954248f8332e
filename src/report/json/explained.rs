//! Explanations of codes, as JSON.

use serde::Serialize;

use crate::report::Explanation;

#[derive(Serialize)]
struct WireExplained {
    codes: Vec<WireExplanation>,
}

#[derive(Serialize)]
struct WireExplanation {
    code: &'static str,
    /// `null` for a problem of a file.
    sign: Option<char>,
    meaning: String,
    /// Markdown.
    text: &'static str,
}

/// These codes as JSON.
#[must_use]
pub fn explained(codes: &[Explanation]) -> String {
    let wire = |one: &Explanation| WireExplanation {
        code: one.code,
        sign: one.sign,
        meaning: one.meaning().replace('\n', " "),
        text: one.text,
    };
    super::text("explain", WireExplained { codes: codes.iter().map(wire).collect() })
}
