//! Problems of the input, as compilers tell them: place, message, the line, a caret, help.

use std::collections::BTreeSet;

use super::count;
use super::page::{Page, Tone, faint, plain, strong, toned};
use crate::diagnostic::{Problem, Problems};
use crate::report::escape;

/// The most characters of a source line that are shown before the column that is meant, and after it.
const BEFORE: usize = 60;
const AFTER: usize = 60;

/// The problems as text. `text` gives a file's content by its path from the root, where it can be had.
#[must_use]
pub fn problems(problems: &Problems, text: &dyn Fn(&str) -> Option<String>) -> String {
    let mut page = Page::default();
    let mut file: Option<(&str, Option<String>)> = None;
    for problem in problems.iter() {
        page.gap();
        head(&mut page, problem);
        if let Some(location) = &problem.location {
            if file.as_ref().is_none_or(|(name, _)| *name != location.file) {
                file = Some((&location.file, text(&location.file)));
            }
            let content = file.as_ref().and_then(|(_, content)| content.as_deref());
            if let (Some(content), Some((line, column))) = (content, location.position) {
                source(&mut page, content, line, column);
            }
        }
        if !problem.help.is_empty() {
            page.line(4, &[faint("help: "), plain(problem.help.as_str())]);
        }
    }
    page.gap();
    page.line(0, &[toned(Tone::Bad, summary(problems))]);
    page.finish()
}

/// An error that is about no line of a file: one line.
#[must_use]
pub fn error(message: &str) -> String {
    let mut page = Page::default();
    page.line(0, &[toned(Tone::Bad, "error"), plain(": "), plain(message)]);
    page.finish()
}

fn head(page: &mut Page, problem: &Problem) {
    let place = problem.location.as_ref().map(|location| format!("{location}: ")).unwrap_or_default();
    let code = format!(" [{}]", problem.code);
    page.line(
        0,
        &[strong(place), toned(Tone::Bad, "error"), plain(": "), plain(problem.message.as_str()), faint(code)],
    );
}

/// The line that is meant, and a caret under the column. Shows nothing where the file has no such line.
fn source(page: &mut Page, content: &str, line: u32, column: u32) {
    let Some(text) = content.lines().nth(line.saturating_sub(1) as usize) else { return };
    let text = without_credentials(text);
    let column = column.saturating_sub(1) as usize;
    let from = column.saturating_sub(BEFORE);
    let shown = |from, count| text.chars().skip(from).take(count).collect::<String>().replace('\t', "    ");
    let (left, right) = (shown(from, column - from), shown(column, AFTER));
    // Escapes are longer than what they stand for, and the caret must keep up.
    let gutter = format!("{line} | ");
    let width = escape::terminal(&format!("{gutter}{left}")).chars().count() - gutter.len();
    let margin = format!("{:digits$} | ", "", digits = gutter.len() - 3);
    page.line(4, &[faint(gutter), plain(left), plain(right)]);
    page.line(4, &[faint(margin), plain(" ".repeat(width)), toned(Tone::Bad, "^")]);
}

/// The line with a star for each character between `://` and `@`: logs are read by many.
fn without_credentials(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = &after[..after.find(['/', ' ', '"', '\'']).unwrap_or(after.len())];
        let hidden = authority.rfind('@').unwrap_or(0);
        shown.extend(after[..hidden].chars().map(|_| '*'));
        rest = &after[hidden..];
    }
    shown + rest
}

fn summary(problems: &Problems) -> String {
    let files: BTreeSet<_> = problems.iter().filter_map(|problem| Some(&problem.location.as_ref()?.file)).collect();
    let number = problems.iter().count();
    match files.len() {
        0 => count(number, "problem"),
        files => format!("{} in {}", count(number, "problem"), count(files, "file")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_in_urls_are_not_quoted() {
        for (line, expect) in [
            ("keyring: https://user:s@crét@keys.example/a@b", "keyring: https://***********@keys.example/a@b"),
            ("a: https://keys.example/a", "a: https://keys.example/a"),
            ("b: 'http://x@y' and ftp://z@", "b: 'http://*@y' and ftp://*@"),
            ("mail: a@b.example", "mail: a@b.example"),
        ] {
            assert_eq!(super::without_credentials(line), expect);
        }
    }
}
