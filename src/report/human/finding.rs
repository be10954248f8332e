//! Findings, and what lifts them.

use super::page::{Page, Tone, faint, plain, strong, toned};
use crate::diagnostic::{Location, Severity};
use crate::finding::{Exception, Finding};
use crate::report::words::holder;
use crate::settings::SETTINGS_FILE;

/// All of them, the blocking ones first, else in the order given.
pub(super) fn findings<'a>(page: &mut Page, findings: impl Iterator<Item = &'a Finding>) {
    let mut findings = findings.collect::<Vec<_>>();
    findings.sort_by_key(|finding| finding.severity());
    for finding in findings {
        page.gap();
        one(page, finding);
    }
}

pub(super) fn one(page: &mut Page, finding: &Finding) {
    let head = toned(tone(finding.severity()), format!("{} {}", finding.code.sign(), finding.code.as_str()));
    match &finding.reference {
        Some(reference) => page.line(0, &[head, plain("  "), strong(reference.to_string())]),
        None => page.line(0, &[head]),
    }
    page.line(4, &[plain(finding.message.as_str())]);
    let width = finding.digests.iter().map(|(by, _)| holder(by.as_str()).len()).max().unwrap_or(0);
    for (by, digest) in &finding.digests {
        page.field(4, width, holder(by.as_str()), &digest.to_string());
    }
    place(page, finding.location.as_ref(), &finding.next, finding.exception.as_ref());
}

/// Where it is, what to do next, and the entry to paste.
pub(super) fn place(page: &mut Page, location: Option<&Location>, next: &str, exception: Option<&Exception>) {
    if let Some(location) = location {
        page.line(4, &[faint("at "), plain(location.to_string())]);
    }
    if !next.is_empty() {
        page.line(4, &[faint("next: "), plain(next)]);
    }
    if let Some(exception) = exception {
        page.line(4, &[faint(format!("the exception, for {SETTINGS_FILE}:"))]);
        for line in exception.to_string().lines() {
            page.line(8, &[plain(line)]);
        }
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Blocking => Tone::Bad,
        Severity::Warning => Tone::Warning,
        Severity::Note => Tone::Normal,
    }
}
