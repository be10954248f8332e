//! What `init` made.

use super::page::{Page, Tone, faint, plain, toned};

/// The files of a new workspace, and the commands that come next.
#[must_use]
pub fn started(files: &[&str], next: &[String]) -> String {
    let mut page = Page::default();
    for file in files {
        page.line(0, &[toned(Tone::Good, "+ "), plain(*file)]);
    }
    page.gap();
    page.line(0, &[faint("next:")]);
    for line in next {
        page.line(4, &[plain(line.as_str())]);
    }
    page.finish()
}
