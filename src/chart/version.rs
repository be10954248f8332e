//! A chart's version: any SemVer, with or without a leading `v`.
//!
//! Owns its grammar, its order and the tag it is published under. `range` has what Chart.yaml says of dependencies; what is
//! pinned is exact.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::oci::Tag;

mod range;

pub use range::{Range, RangeError};

/// A chart version exactly as its author wrote it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version {
    text: Arc<str>,
    semver: semver::Version,
    tag: Tag,
}

/// Why a text is not a chart version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not three numbers with the optional parts that SemVer 2 allows.
    #[error(
        "`{text}` is not a version: write MAJOR.MINOR.PATCH as SemVer has it, with or without a leading `v` ({why})"
    )]
    Grammar {
        /// What was found, at most 300 characters of it.
        text: String,
        /// What the SemVer grammar misses.
        why: String,
    },
    /// A version is published under a tag, and a tag has 128 characters at most.
    #[error("`{text}` is too long for a tag: a version has at most 128 characters")]
    Long {
        /// The first 300 characters of what was found.
        text: String,
    },
}

impl Version {
    /// The version as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tag that this version has at source and destination: itself, with `+` written `_`.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag.clone()
    }

    /// The version without its leading `v`.
    #[must_use]
    pub fn without_v(&self) -> &str {
        without_v(&self.text)
    }

    /// Whether it is announced for trying out: `1.0.0-rc.1`.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.semver.pre.is_empty()
    }

    /// Its line of patches: major and minor number.
    #[must_use]
    pub fn line(&self) -> (u64, u64) {
        (self.semver.major, self.semver.minor)
    }

    /// The version that is published under this tag, if any is: `_` stands for `+`.
    #[must_use]
    pub fn of_tag(tag: &Tag) -> Option<Self> {
        tag.as_str().replace('_', "+").parse().ok()
    }

    /// Whether `other` is this version, give or take a leading `v` and `+` written `_`, as tags have it.
    #[must_use]
    pub fn names_same(&self, other: &str) -> bool {
        let plus = |byte: u8| if byte == b'_' { b'+' } else { byte };
        self.without_v().bytes().eq(without_v(other).bytes().map(plus))
    }
}

fn without_v(text: &str) -> &str {
    text.strip_prefix('v').unwrap_or(text)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let quoted = || text.chars().take(300).collect();
        let semver = semver::Version::parse(without_v(text))
            .map_err(|error| VersionError::Grammar { text: quoted(), why: error.to_string() })?;
        // The grammar has no character that a tag lacks besides `+`, so only the length can fail.
        let tag = text.replace('+', "_").parse().map_err(|_| VersionError::Long { text: quoted() })?;
        Ok(Self { text: text.into(), semver, tag })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    /// SemVer's precedence; what that leaves equal is ordered by build metadata and then by spelling, both as text.
    fn cmp(&self, other: &Self) -> Ordering {
        let precedence = self.semver.cmp_precedence(&other.semver);
        precedence
            .then_with(|| self.semver.build.as_str().cmp(other.semver.build.as_str()))
            .then_with(|| self.text.cmp(&other.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn any_semver_is_a_version_and_keeps_its_spelling() {
        for (text, tag) in [
            ("1.2.3", "1.2.3"),
            ("v1.15.5", "v1.15.5"),
            ("v0.0.0-alpha.1", "v0.0.0-alpha.1"),
            ("1.0.0-rc.1+build.5-x", "1.0.0-rc.1_build.5-x"),
            ("1.0.0+001", "1.0.0_001"),
            ("1.0.0--", "1.0.0--"),
            ("18446744073709551615.0.0", "18446744073709551615.0.0"),
        ] {
            let parsed = version(text);
            assert_eq!((parsed.to_string().as_str(), parsed.tag().as_str()), (text, tag));
            assert_eq!(parsed.without_v(), text.trim_start_matches('v'));
            assert_eq!(Version::of_tag(&parsed.tag()), Some(parsed));
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "v",
            "1",
            "1.2",
            "v1.2",
            "vv1.2.3",
            "V1.2.3",
            "1.2.3.4",
            "01.2.3",
            "1.2.3-01",
            "1.2.3-",
            "1.2.3+",
            "1.2.3_b",
            " 1.2.3",
            "1.2.3 ",
            "1.2.3\n",
            "=1.2.3",
            "1.x.3",
            "1.2.3-é",
            "99999999999999999999.0.0",
            "latest",
            "-1.2.3",
        ] {
            assert!(matches!(text.parse::<Version>(), Err(VersionError::Grammar { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_version_fits_a_tag() {
        let of_length = |length: usize| format!("1.2.3-{}", "a".repeat(length - 6));
        assert!(of_length(128).parse::<Version>().is_ok());
        assert!(matches!(of_length(129).parse::<Version>(), Err(VersionError::Long { .. })));
        let error = of_length(100_000).parse::<Version>().unwrap_err().to_string();
        assert!(error.len() < 500, "{}", error.len());
    }

    #[test]
    fn versions_are_ordered_totally() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.0.0",
            "1.0.0+a",
            "v1.0.0+a",
            "1.0.0+b",
            "1.2.0",
            "1.10.0",
            "v1.10.1",
            "2.0.0",
        ];
        for (left, a) in ascending.iter().enumerate() {
            for (right, b) in ascending.iter().enumerate() {
                assert_eq!(version(a).cmp(&version(b)), left.cmp(&right), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_leading_v_and_the_plus_of_tags_name_the_same_version() {
        let check =
            |text: &str, other: &str, same: bool| assert_eq!(version(text).names_same(other), same, "{text} {other}");
        check("v1.2.3", "1.2.3", true);
        check("1.2.3", "v1.2.3", true);
        check("1.2.3", "1.2.3", true);
        check("1.2.3+b", "v1.2.3_b", true);
        check("1.2.3+b", "1.2.3+b", true);
        check("1.2.3", "vv1.2.3", false);
        check("1.2.3", "1.2.4", false);
        check("1.2.3+b", "1.2.3", false);
        check("1.2.3-b", "1.2.3+b", false);
        check("1.2.3", "", false);
        check("1.2.3+a", "1.2.3+A", false);
    }
}
