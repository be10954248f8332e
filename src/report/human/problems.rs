//! Problems of the input, as compilers tell them: place, message, the line, a caret, help.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr as _;

use super::count;
use super::page::{Page, Tone, faint, plain, strong, toned};
use crate::diagnostic::{Problem, Problems};
use crate::report::escape;

/// The most characters of a source line that are shown before the column that is meant, and after it: the caret then stands
/// in the first row of any terminal.
const BEFORE: usize = 30;
const AFTER: usize = 40;

/// Gives a file's content by its path from the root, where it can be had.
pub type Texts<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The problems as text.
#[must_use]
pub fn problems(problems: &Problems, text: &Texts<'_>) -> String {
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
    page.line(0, &[toned(Tone::Bad, summary(problems)), faint(format!("; {} tells more", explain(problems)))]);
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

/// The line that is meant, and a caret under the column; of a long line what is around that. Shows nothing where the file has no
/// such line.
pub(super) fn source(page: &mut Page, content: &str, line: u32, column: u32) {
    let Some(text) = content.lines().nth(line.saturating_sub(1) as usize) else { return };
    let column = column.saturating_sub(1) as usize;
    let tabs = text.chars().take(column).filter(|char| *char == '\t').count();
    let (text, column) = (without_credentials(text).replace('\t', "    "), column + 3 * tabs);
    let chars: Vec<char> = text.chars().collect();
    let column = column.min(chars.len());
    // What is not much longer is shown whole.
    let from = if column <= BEFORE + BEFORE / 2 { 0 } else { column - BEFORE };
    let to = if chars.len() <= column + AFTER + AFTER / 2 { chars.len() } else { column + AFTER };
    let shown = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    let cut = |is_cut| if is_cut { "…" } else { "" };
    let left = format!("{}{}", cut(from > 0), shown(from, column));
    let right = format!("{}{}", shown(column, to), cut(to < chars.len()));
    // Escapes are longer than what they stand for, and some characters take two columns: the caret must keep up.
    let gutter = format!("{line} | ");
    let width = escape::terminal(&format!("{gutter}{left}")).width() - gutter.len();
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

/// The command that explains what the codes mean.
fn explain(problems: &Problems) -> String {
    let codes: BTreeSet<_> = problems.iter().map(|problem| problem.code).collect();
    match codes.first() {
        Some(code) if codes.len() == 1 => format!("`chartsync explain {code}`"),
        _ => "`chartsync explain CODE`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Location, code};

    /// The two lines about the source, without their colours.
    fn pointed(content: &str, line: u32, column: u32) -> Vec<String> {
        let location = Some(Location::at("f", line, column));
        let problem = Problem { location, code: code!("yaml-tab"), message: "m".into(), help: String::new() };
        let text = problems(&problem.into(), &|_| Some(content.to_owned()));
        let text = anstream::adapter::strip_str(&text).to_string();
        text.lines().skip(1).take(2).map(|line| line.chars().skip(4).collect()).collect()
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        for (content, column, shown, caret) in [
            ("key: v", 6, "1 | key: v", "  |      ^"),
            ("key: v", 1, "1 | key: v", "  | ^"),
            ("key: v", 7, "1 | key: v", "  |       ^"),
            ("key: v", 99, "1 | key: v", "  |       ^"),
            ("\tkey:\tv", 7, "1 |     key:    v", "  |             ^"),
            ("名前: v", 5, "1 | 名前: v", "  |       ^"),
            ("e\u{301}: v", 5, "1 | e\u{301}: v", "  |    ^"),
            ("a\u{1b}[: v", 6, "1 | a\\u{1b}[: v", "  |           ^"),
            ("k: \u{202e}v", 5, "1 | k: \\u{202e}v", "  |            ^"),
            ("::error::x", 3, "1 | ::error::x", "  |   ^"),
        ] {
            assert_eq!(pointed(content, 1, column), [shown, caret], "{content:?} {column}");
        }
        assert_eq!(pointed("a\r\nb: c\r\n", 2, 4), ["2 | b: c", "  |    ^"]);
        assert_eq!(pointed(&format!("{}x", "\n".repeat(122)), 123, 1), ["123 | x", "    | ^"]);
    }

    #[test]
    fn a_long_line_is_shown_around_the_column() {
        let whole = format!("{}x{}", "a".repeat(45), "b".repeat(59));
        assert_eq!(pointed(&whole, 1, 46), [format!("1 | {whole}"), format!("  | {}^", " ".repeat(45))]);
        let long = format!("{}名{}", "a".repeat(50_000), "b".repeat(50_000));
        let [shown, caret] = &pointed(&long, 1, 50_001)[..] else { panic!() };
        assert_eq!(*shown, format!("1 | …{}名{}…", "a".repeat(30), "b".repeat(39)));
        assert_eq!(*caret, format!("  | {}^", " ".repeat(31)));
    }

    #[test]
    fn credentials_in_urls_are_not_quoted() {
        for (line, expect) in [
            ("keyring: https://user:s@crét@keys.example/a@b", "keyring: https://***********@keys.example/a@b"),
            ("a: https://keys.example/a", "a: https://keys.example/a"),
            ("b: 'http://x@y' and ftp://z@", "b: 'http://*@y' and ftp://*@"),
            ("mail: a@b.example", "mail: a@b.example"),
        ] {
            assert_eq!(without_credentials(line), expect);
        }
    }
}
