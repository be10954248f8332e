//! Ranges of versions as Helm understands them in `dependencies` of a Chart.yaml: `^1.2`, `>=1.2 <2 || ~3.1.0`, `1.x`.
//!
//! Owns what Go's library of Helm, Masterminds/semver 3.5, makes of such a text, oddities included: no Rust library agrees
//! with it. Both helms judge it in `tests/it/ranges.rs`. Knows no dependency.

use std::cmp::Ordering;
use std::str::FromStr;

use super::Version;

/// The most bytes of a range.
const RANGE_LIMIT: usize = 512;
/// The most groups between `||`.
const GROUP_LIMIT: usize = 32;

/// Which versions will do: one of these groups must take a version whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<Vec<Bound>>);

/// Helm does not understand a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version and no range of versions that helm knows, as `1.2.3`, `^1.2`, `~1.2.3` or `>=1.2 <2`")]
pub struct RangeError(String);

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    operator: Operator,
    numbers: [u64; 3],
    pre: String,
    wild: Wild,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

use Operator::{Caret, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, Tilde};

/// Longer ones before those that they begin with.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", NotEqual),
    (">=", GreaterOrEqual),
    ("=>", GreaterOrEqual),
    ("<=", LessOrEqual),
    ("=<", LessOrEqual),
    ("~>", Tilde),
    ("=", Equal),
    (">", Greater),
    ("<", Less),
    ("~", Tilde),
    ("^", Caret),
    ("", Equal),
];

/// From where on a version of a range is left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wild {
    Nothing,
    Patch,
    Minor,
    Major,
}

impl Range {
    /// Whether this version will do. A prerelease does only in a group that names one itself; build metadata is no matter.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        let pre = version.semver.pre.as_str();
        let all = |group: &Vec<Bound>| {
            (pre.is_empty() || group.iter().any(|bound| !bound.pre.is_empty()))
                && group.iter().all(|bound| bound.takes(version))
        };
        self.0.iter().any(all)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let wrong = || RangeError(text.chars().take(300).collect());
        if text.len() > RANGE_LIMIT {
            return Err(wrong());
        }
        let text = without_hyphens(text);
        let groups: Vec<_> = text.split("||").collect();
        if groups.len() > GROUP_LIMIT {
            return Err(wrong());
        }
        groups.into_iter().map(group).collect::<Option<_>>().map(Self).ok_or_else(wrong)
    }
}

impl Bound {
    fn takes(&self, version: &Version) -> bool {
        let semver = &version.semver;
        let [major, minor, patch] = self.numbers;
        let order = self.compare(version);
        match self.operator {
            NotEqual => match self.wild {
                _ if semver.major != major => true,
                Wild::Minor => false,
                _ if semver.minor != minor => true,
                Wild::Patch => compare_pre(semver.pre.as_str(), &self.pre).is_ne(),
                Wild::Nothing | Wild::Major => order.is_ne(),
            },
            Greater => match self.wild {
                Wild::Nothing | Wild::Major => order.is_gt(),
                Wild::Minor => semver.major > major,
                Wild::Patch => (semver.major, semver.minor) > (major, minor),
            },
            Less => order.is_lt(),
            GreaterOrEqual => order.is_ge(),
            LessOrEqual => match self.wild {
                Wild::Nothing => order.is_le(),
                Wild::Minor => semver.major <= major,
                Wild::Patch | Wild::Major => (semver.major, semver.minor) <= (major, minor),
            },
            Equal if self.wild == Wild::Nothing => order.is_eq(),
            Equal | Tilde => {
                let any = self.numbers == [0; 3] && matches!(self.wild, Wild::Nothing | Wild::Major);
                let near = semver.major == major && (semver.minor == minor || self.wild == Wild::Minor);
                order.is_ge() && (any || near)
            }
            Caret => {
                let same = match self.wild {
                    Wild::Minor => semver.major == major,
                    _ if major > 0 => semver.major == major,
                    Wild::Patch => (semver.major, semver.minor) == (0, minor),
                    _ if minor > 0 => (semver.major, semver.minor) == (0, minor),
                    _ => (semver.major, semver.minor, semver.patch) == (0, 0, patch),
                };
                order.is_ge() && same
            }
        }
    }

    /// How a version stands to the one that is written here, open parts taken for 0.
    fn compare(&self, version: &Version) -> Ordering {
        let semver = &version.semver;
        let pre = match (semver.pre.as_str(), self.pre.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => compare_pre(one, other),
        };
        [semver.major, semver.minor, semver.patch].cmp(&self.numbers).then(pre)
    }
}

fn compare_pre(one: &str, other: &str) -> Ordering {
    let part = |text: &str| match text.parse::<u64>() {
        Ok(number) => (number, String::new()),
        // Every text comes after every number.
        Err(_) => (u64::MAX, text.to_owned()),
    };
    one.split('.').map(part).cmp(other.split('.').map(part))
}

/// `1.2 - 3` is `>= 1.2, <= 3`.
fn without_hyphens(text: &str) -> String {
    let mut rewritten = text.to_owned();
    let mut from = 0;
    while let Some(start) = text[from..].chars().next() {
        if let Some((lower, upper, length)) = hyphenated(&text[from..]) {
            rewritten = rewritten.replacen(&text[from..from + length], &format!(">= {lower}, <= {upper} "), 1);
            from += length;
        } else {
            from += start.len_utf8();
        }
    }
    rewritten
}

/// A hyphen between two versions right here, and how many bytes that is with the blanks around.
fn hyphenated(text: &str) -> Option<(&str, &str, usize)> {
    let (lower, rest) = version(trim(text))?;
    let rest = trim(rest.strip_prefix(BLANKS)?).strip_prefix('-')?;
    let (upper, rest) = version(trim(rest.strip_prefix(BLANKS)?))?;
    Some((lower, upper, text.len() - trim(rest).len()))
}

/// What Go's `\s` matches.
const BLANKS: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];

fn trim(text: &str) -> &str {
    text.trim_start_matches(BLANKS)
}

/// The bounds of a group, with blanks or a comma between them.
fn group(text: &str) -> Option<Vec<Bound>> {
    let mut bounds = Vec::new();
    let mut rest = trim(text);
    loop {
        let (operator, after) = OPERATORS.iter().find_map(|(sign, is)| Some((*is, rest.strip_prefix(sign)?)))?;
        let (found, after) = version(trim(after))?;
        bounds.push(bound(operator, found)?);
        rest = trim(after);
        if rest.is_empty() {
            return Some(bounds);
        }
        rest = match rest.strip_prefix(',') {
            Some(rest) => trim(rest),
            None if rest.len() < after.len() => rest,
            None => return None,
        };
    }
}

/// The longest text here that looks like a version, `x` and `*` for open parts, and what stands behind it.
fn version(text: &str) -> Option<(&str, &str)> {
    let digits = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'|' | b'x' | b'X' | b'*');
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let mut end = usize::from(text.starts_with('v'));
    end += run(&text[end..], digits)?;
    for _ in 0..2 {
        end += text[end..].strip_prefix('.').and_then(|rest| run(rest, digits)).map_or(0, |length| length + 1);
    }
    for sign in ['-', '+'] {
        let Some(first) = text[end..].strip_prefix(sign).and_then(|rest| run(rest, word)) else { continue };
        end += first + 1;
        while let Some(more) = text[end..].strip_prefix('.').and_then(|rest| run(rest, word)) {
            end += more + 1;
        }
    }
    Some(text.split_at(end))
}

/// How many bytes at the beginning are of this kind, if any.
fn run(text: &str, kind: impl Fn(u8) -> bool) -> Option<usize> {
    let length = text.bytes().take_while(|byte| kind(*byte)).count();
    (length > 0).then_some(length)
}

fn bound(operator: Operator, text: &str) -> Option<Bound> {
    let open = |part: Option<&str>| part.is_none_or(|part| matches!(part, "x" | "X" | "*"));
    let number = |part: Option<&str>| part?.parse::<u64>().ok();
    let core = text.split_once('+').map_or(text, |(core, _)| core);
    let (core, pre) = core.split_once('-').unwrap_or((core, ""));
    let mut parts = core.strip_prefix('v').unwrap_or(core).split('.');
    let [major, minor, patch] = [parts.next(), parts.next(), parts.next()];
    let (wild, numbers) = if open(major) {
        (Wild::Major, [0; 3])
    } else if open(minor) {
        (Wild::Minor, [number(major)?, 0, 0])
    } else if open(patch) {
        (Wild::Patch, [number(major)?, number(minor)?, 0])
    } else {
        (Wild::Nothing, [number(major)?, number(minor)?, number(patch)?])
    };
    let padded = |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
    (!pre.split('.').any(padded)).then(|| Bound { operator, numbers, pre: pre.to_owned(), wild })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_range_takes() {
        for (range, takes, leaves) in [
            ("1.2.3", "1.2.3 v1.2.3 1.2.3+b", "1.2.4 1.2.3-a"),
            ("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9 1.2.0-a"),
            ("^1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2 1.3.0-a"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
            ("~1.2.3-b.2", "1.2.3-b.2 1.2.3-b.11 1.2.9 1.2.9-a", "1.3.0 1.2.3-b.1"),
            (">=1.2 <2, !=1.5.x || 3.*", "1.2.0 1.4.9 1.6.0 3.9.9", "2.0.0 1.5.3 4.0.0"),
            ("1.2 - 2.3.4", "1.2.0 2.3.4", "2.3.5 1.1.9"),
            ("*", "0.0.0 9.9.9", "1.0.0-a"),
            // Helm's library, not sense.
            ("<=x", "0.0.5", "0.1.0 1.0.0"),
            ("1||2 - 3", "1.5.0 2.0.0 9.0.0", "0.9.0"),
        ] {
            let parsed: Range = range.parse().unwrap();
            for (versions, expect) in [(takes, true), (leaves, false)] {
                for version in versions.split(' ') {
                    assert_eq!(parsed.contains(&version.parse().unwrap()), expect, "{range} {version}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_range() {
        let long = format!("1{}", " ".repeat(512));
        let many = vec!["1"; 33].join("||");
        for text in [
            "",
            " ",
            "a",
            "1.2.3.4",
            "1,",
            ",1",
            "1,,2",
            "1<2",
            "> = 1",
            ">=>1",
            "1 - ",
            "- 1",
            "1 -2",
            "1-",
            "1.2.3+",
            "é",
            "1.2.3-01",
            "1x",
            "**",
            "99999999999999999999.1.1",
            "1||",
            "||1",
            "1 ||",
            "latest",
            "1 - 2 - 3",
            "!1",
            &long,
            &many,
        ] {
            assert!(text.parse::<Range>().is_err(), "{text:?}");
        }
        let error = "é".repeat(1 << 20).parse::<Range>().unwrap_err().to_string();
        assert!(error.len() < 1000, "{}", error.len());
    }
}
