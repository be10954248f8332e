//! What every code means, why it is there and what to do: one page, `explain.md`, read part by part.

use crate::diagnostic::ProblemCode;
use crate::document::nearest;
use crate::finding::Code;

/// How many other codes are named for one that there is not.
const LIKE: usize = 6;
const PAGE: &str = include_str!("explain.md");

/// A code and the text about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// The sign in front of a finding's line; none for a problem.
    pub sign: Option<char>,
    /// Paragraphs with blank lines between them.
    pub text: &'static str,
}

impl Explanation {
    /// The first sentence: what it means.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.text.split("\n\n").next().unwrap_or_default()
    }
}

/// Every code: findings in the order of the README, then problems by name.
#[must_use]
pub fn explanations() -> Vec<Explanation> {
    let findings = Code::ALL.into_iter().map(|code| (code.as_str(), Some(code.sign())));
    let problems = ProblemCode::ALL.into_iter().map(|code| (code.as_str(), None));
    let text = |code: &str| parts().find(|(name, _)| *name == code).map_or("", |(_, text)| text);
    findings.chain(problems).map(|(code, sign)| Explanation { code, sign, text: text(code) }).collect()
}

/// The explanation of this code; else the codes that may have been meant.
pub fn explanation(wanted: &str) -> Result<Explanation, Vec<&'static str>> {
    let all = explanations();
    // As it stands in a line: `[yaml-tab]`, `!moved`.
    let bare = wanted.trim_matches(|char: char| !char.is_ascii_alphanumeric()).to_lowercase();
    if let Some(found) = all.iter().find(|one| one.code == bare) {
        return Ok(*found);
    }
    let codes: Vec<&'static str> = all.iter().map(|one| one.code).collect();
    let near = nearest(&bare, &codes);
    let holding = codes.iter().copied().filter(|code| bare.len() > 2 && code.contains(&bare) && Some(*code) != near);
    Err(near.into_iter().chain(holding).take(LIKE).collect())
}

/// The page's parts: a heading and what stands below it.
fn parts() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n## ").skip(1).map(|part| {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        (name.trim(), text.trim())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_text_and_every_text_its_code() {
        let all = explanations();
        for Explanation { code, text, .. } in &all {
            for begin in ["Why: ", "Do: ", "Example: "] {
                assert_eq!(text.matches(&format!("\n\n{begin}")).count(), 1, "`{code}` in explain.md, {begin}");
            }
            assert_eq!(text.split("\n\n").count(), 4, "`{code}` in explain.md has other paragraphs");
        }
        let codes: BTreeSet<_> = all.iter().map(|one| one.code).collect();
        let named: Vec<_> = parts().map(|(name, _)| name).collect();
        assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), codes);
        assert_eq!((named.len(), all.len()), (codes.len(), codes.len()), "a code stands twice");
    }

    #[test]
    fn codes_are_found_as_they_stand_in_a_line_and_by_what_they_are_like() {
        for wanted in ["yaml-tab", "[yaml-tab]", "YAML-TAB", " yaml-tab:"] {
            assert_eq!(explanation(wanted).unwrap().code, "yaml-tab", "{wanted}");
        }
        assert_eq!(explanation("movd").unwrap_err(), ["moved"]);
        assert!(explanation("keyring-").is_ok());
        assert!(explanation("duplicate").unwrap_err().contains(&"duplicate-pin"));
        assert!(explanation("").unwrap_err().is_empty());
    }
}
