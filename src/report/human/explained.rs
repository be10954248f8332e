//! Explanations of codes.

use super::page::{Page, Tone, faint, plain, strong, toned};
use crate::report::Explanation;

/// One code: what it means, why it is there, what to do, an example.
#[must_use]
pub fn explained(one: &Explanation) -> String {
    let mut page = Page::default();
    let kind = match one.sign {
        Some(sign) => format!("  a finding, `{sign}` in a plan"),
        None => "  a problem of a file".to_owned(),
    };
    page.line(0, &[strong(one.code), faint(kind)]);
    for paragraph in one.text.split("\n\n") {
        page.gap();
        let (word, rest) = match paragraph.split_once(": ") {
            Some((word @ ("Why" | "Do" | "Example"), rest)) => (format!("{}: ", word.to_lowercase()), rest),
            _ => (String::new(), paragraph),
        };
        for (at, line) in rest.lines().enumerate() {
            page.line(4, &[faint(if at == 0 { word.as_str() } else { "" }), plain(line)]);
        }
    }
    page.finish()
}

/// Every code with what it means.
#[must_use]
pub fn codes(all: &[Explanation]) -> String {
    let mut page = Page::default();
    let width = all.iter().map(|one| one.code.len()).max().unwrap_or_default();
    for (is_finding, heading) in [(true, "findings, about the world"), (false, "problems, of the workspace's files")] {
        page.gap();
        page.line(0, &[toned(Tone::Strong, heading)]);
        for one in all.iter().filter(|one| one.sign.is_some() == is_finding) {
            let sign = one.sign.map_or_else(String::new, |sign| format!("{sign} "));
            page.line(
                4,
                &[plain(sign), plain(format!("{:width$}  ", one.code)), faint(one.meaning().replace('\n', " "))],
            );
        }
    }
    page.gap();
    page.line(0, &[plain("`chartsync explain CODE` tells why it is there and what to do")]);
    page.finish()
}
