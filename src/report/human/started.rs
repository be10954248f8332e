//! What `init` made.

use super::page::{Page, Tone, faint, plain, toned};

/// A file that was there before, and the line that it lacks.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The file.
    pub file: String,
    /// The line.
    pub add: String,
    /// Why, as a sentence without its end.
    pub why: &'static str,
}

/// The files of a new workspace, what was left alone, and the commands that come next.
#[must_use]
pub fn started(files: &[&str], kept: Option<&Kept>, next: &[String]) -> String {
    let mut page = Page::default();
    for file in files {
        page.line(0, &[toned(Tone::Good, "+ "), plain(*file)]);
    }
    if let Some(Kept { file, add, why }) = kept {
        page.line(
            0,
            &[toned(Tone::Warning, "= "), plain(format!("{file} is left as it is: add the line `{add}`, {why}"))],
        );
    }
    page.gap();
    page.line(0, &[faint("next:")]);
    for line in next {
        page.line(4, &[plain(line.as_str())]);
    }
    page.finish()
}
