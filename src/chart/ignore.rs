//! `.helmignore`: which files of a chart's folder Helm leaves out of the package.
//!
//! Owns Helm's rules, which look like Git's and are not: the order of lines means nothing, `!` never takes a file back
//! in, `**` is refused, a pattern with a `/` inside matches whole paths only. Helm judges with Go's `filepath.Match`,
//! whose corners are `glob`'s. Knows no file system: whoever walks a folder asks here, and does not go into a folder
//! that is left out.

use super::quoted;

mod glob;

use glob::Glob;

/// The file's name. It is packed itself unless it leaves itself out.
pub const FILE: &str = ".helmignore";

/// What Helm leaves out of every chart: dot files right below `templates/`.
const DEFAULT: &[u8] = b"templates/.?*";

/// The most bytes of one line that Go's line reader takes, its line break aside.
const LINE_LIMIT: usize = (64 << 10) - 1;

/// The rules of one `.helmignore`, Helm's own rule included.
#[derive(Debug, Clone)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// Why Helm refuses a `.helmignore`, and with it the chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of .helmignore {why}: `{text}`")]
pub struct IgnoreError {
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong, as the rest of the sentence.
    pub why: &'static str,
    /// The line, at most 300 characters of it.
    pub text: String,
}

#[derive(Debug, Clone)]
struct Rule {
    glob: Glob,
    /// What it is held against.
    scope: Scope,
    /// `!`: leaves out what does *not* match.
    negated: bool,
    /// A `/` at the end: speaks of folders.
    folders: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Path,
    Name,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl Default for Ignore {
    /// The rules of a chart without a `.helmignore`.
    fn default() -> Self {
        Self { rules: vec![Rule::parse(DEFAULT)] }
    }
}

impl Ignore {
    /// Reads a `.helmignore`.
    pub fn parse(text: &[u8]) -> Result<Self, IgnoreError> {
        let mut ignore = Self::default();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let refuse = |why| IgnoreError { line: index + 1, why, text: quoted(&String::from_utf8_lossy(trim(line))) };
            if line.len() > LINE_LIMIT {
                return Err(refuse("is longer than helm reads"));
            }
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if line.windows(2).any(|pair| pair == b"**") {
                return Err(refuse("has `**`, which helm refuses"));
            }
            // Helm tries the whole line, `!` included, on one name, and so finds only some of the malformed patterns.
            if Glob::parse(line).matches(b"abc").is_err() {
                return Err(refuse("is not a pattern"));
            }
            ignore.rules.push(Rule::parse(line));
        }
        Ok(ignore)
    }

    /// Whether this file, by its path below the chart, is left out. Of the folders above it nothing is asked.
    #[must_use]
    pub fn skips_file(&self, path: &str) -> bool {
        self.skips(path, Kind::File)
    }

    /// Whether this folder, by its path below the chart, is left out with all that is in it.
    #[must_use]
    pub fn skips_folder(&self, path: &str) -> bool {
        self.skips(path, Kind::Folder)
    }

    fn skips(&self, path: &str, kind: Kind) -> bool {
        self.rules.iter().any(|rule| rule.skips(path, kind))
    }
}

impl Rule {
    /// Reads a line that is neither blank nor a comment.
    fn parse(line: &[u8]) -> Self {
        let (negated, line) = line.strip_prefix(b"!").map_or((false, line), |line| (true, line));
        let (folders, line) = line.strip_suffix(b"/").map_or((false, line), |line| (true, line));
        let (scope, pattern) = match line.strip_prefix(b"/") {
            Some(pattern) => (Scope::Path, pattern),
            None if line.contains(&b'/') => (Scope::Path, line),
            None => (Scope::Name, line),
        };
        Self { glob: Glob::parse(pattern), scope, negated, folders }
    }

    fn skips(&self, path: &str, kind: Kind) -> bool {
        if self.folders && kind == Kind::File {
            return self.negated;
        }
        let name = match self.scope {
            Scope::Path => path,
            Scope::Name => path.rsplit_once('/').map_or(path, |(_, name)| name),
        };
        // What is malformed behind a star only shows here; to Helm it matches nothing.
        self.glob.matches(name.as_bytes()).unwrap_or(false) != self.negated
    }
}

/// A line without the white space around it; what is not UTF-8 is none.
fn trim(mut line: &[u8]) -> &[u8] {
    let is_blank = |part: &[u8]| std::str::from_utf8(part).is_ok_and(|part| part.chars().all(char::is_whitespace));
    // A character has four bytes at most.
    while let Some(width) = (1..=4.min(line.len())).find(|width| is_blank(&line[..*width])) {
        line = &line[width..];
    }
    while let Some(width) = (1..=4.min(line.len())).find(|width| is_blank(&line[line.len() - width..])) {
        line = &line[..line.len() - width];
    }
    line
}

#[cfg(test)]
mod tests;
