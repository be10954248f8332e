//! Names and shapes of the OCI specifications: digest, repository, tag, reference, descriptor, image manifest and index.
//!
//! Owns how they are parsed and printed. Knows no registry, no chart and no file.

mod artifact_manifest;
mod image_index;
mod image_manifest;
mod json;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use artifact_manifest::{ArtifactManifest, EMPTY_CONFIG, EMPTY_CONFIG_BYTES};
pub use image_index::{ImageIndex, IndexEntry};
pub use image_manifest::{ImageManifest, ManifestError};
pub use json::strict_json;
use sha2::{Digest as _, Sha256};

/// Media type of an OCI image manifest, the only kind that chartsync copies.
pub const IMAGE_MANIFEST: &str = oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
/// Media type of an OCI image index.
pub const IMAGE_INDEX: &str = oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;

/// The most bytes an image manifest may have (the distribution specification asks registries to take 4 MiB).
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// Why a text is not the OCI name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

fn name_error(text: &str, expected: &'static str) -> NameError {
    NameError { text: text.chars().take(300).collect(), expected }
}

/// A SHA-256 content digest, written `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| DIGITS[usize::from(nibble)]).collect()
    }

    /// The tag `sha256-<hex>`, under which registries without the referrers API keep the list of this digest's referrers.
    #[must_use]
    pub fn fallback_tag(&self) -> Tag {
        Tag(format!("sha256-{}", self.hex()).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `sha256:` and the first twelve hex digits: for tables that print the whole digest elsewhere.
    #[must_use]
    pub fn short(&self) -> String {
        format!("sha256:{}", &self.hex()[..12])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || name_error(text, "a digest (`sha256:` and 64 lower-case hex digits)");
        let hex = text.strip_prefix("sha256:").ok_or_else(error)?.as_bytes();
        if hex.len() != 64 {
            return Err(error());
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(error()),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// A repository on a registry: `host[:port]/path`, lower case, the host always written out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    text: Arc<str>,
    host_len: usize,
}

impl Repository {
    /// The registry: `host` or `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.text[..self.host_len]
    }

    /// The name on that registry, as it stands in URLs behind `/v2/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.host_len + 1..]
    }

    /// The last segment of the path.
    #[must_use]
    pub fn last(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The whole name: `host[:port]/path`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this lies below `parent`, by whole path segments.
    #[must_use]
    pub fn is_below(&self, parent: &Self) -> bool {
        self.text.strip_prefix(&*parent.text).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The repository `<self>/<segment>`.
    pub fn join(&self, segment: &str) -> Result<Self, NameError> {
        format!("{self}/{segment}").parse()
    }

    /// The reference `<self>:<tag>`.
    #[must_use]
    pub fn tagged(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), target: Target::Tag(tag) }
    }

    /// The reference `<self>@<digest>`.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), target: Target::Digest(digest) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || name_error(text, "a repository (`registry.example/path/name`, lower case, no tag)");
        let (host, path) = text.split_once('/').ok_or_else(error)?;
        let good = is_host(host) && path.len() <= PATH_LIMIT && path.split('/').all(is_segment);
        if !good || is_short_for_another(host, path) {
            return Err(error());
        }
        Ok(Self { text: text.into(), host_len: host.len() })
    }
}

/// The most bytes of a repository's path.
const PATH_LIMIT: usize = 255;

/// `docker/library` has no host: as in Docker's grammar, one has a dot, a port or is `localhost`.
///
/// Hosts are the same in either case; one spelling keeps one registry from having two names.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(fits) && label == label.trim_matches('-');
    (host == "localhost" || host.contains(['.', ':']))
        && name.split('.').all(is_label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Letters and digits, between them one dot, one or two underscores, or any number of hyphens.
fn is_segment(segment: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    segment.starts_with(is_name)
        && segment.ends_with(is_name)
        && segment
            .split(is_name)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

/// What every client writes out before it asks: Docker Hub's other name, and its images of one part.
fn is_short_for_another(host: &str, path: &str) -> bool {
    host == "index.docker.io" || (host == "docker.io" && !path.contains('/'))
}

/// A tag: 1 to 128 of `[A-Za-z0-9_.-]`, not beginning with `.` or `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let good = (1..=128).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with(['.', '-']);
        if good {
            Ok(Self(text.into()))
        } else {
            Err(name_error(text, "a tag (1 to 128 of letters, digits, `_`, `.`, `-`)"))
        }
    }
}

/// What stands behind the repository in a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// The mutable name.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// `host/repo:tag` or `host/repo@digest`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Where.
    pub repository: Repository,
    /// Which.
    pub target: Target,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match self.target {
            Target::Tag(_) => ':',
            Target::Digest(_) => '@',
        };
        write!(f, "{}{separator}{}", self.repository, self.target)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some((repository, digest)) = text.split_once('@') {
            return Ok(repository.parse::<Repository>()?.at(digest.parse()?));
        }
        let (repository, tag) =
            text.rsplit_once(':').ok_or_else(|| name_error(text, "a reference (`registry.example/path/name:tag`)"))?;
        Ok(repository.parse::<Repository>()?.tagged(tag.parse()?))
    }
}

/// Media type, digest and size of one piece of content.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

impl Descriptor {
    /// The descriptor of these bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self { media_type: media_type.to_owned(), digest: Digest::of(bytes), size: bytes.len() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_a_host_and_no_tag() {
        for good in ["ghcr.io/a/b", "localhost/a", "localhost:5000/a", "127.0.0.1:5000/a/b-c__d"] {
            assert_eq!(good.parse::<Repository>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "a",
            "a/b",
            "ghcr.io",
            "ghcr.io/A",
            "GHCR.io/a",
            "ghcr.io/a:1",
            "ghcr.io/a@sha256:0",
            "https://ghcr.io/a",
            "ghcr.io/a/../b",
            "ghcr.io//a",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    /// What `oci-client` makes of a text, if that is the whole of it: it fills in a host and a tag where none is written. Hosts may
    /// have capitals and underscores there, which we leave out.
    fn as_oci_client_reads_it(text: &str) -> Option<(String, String)> {
        let parsed: oci_client::Reference = text.parse().ok()?;
        let (host, path) = (parsed.registry().to_owned(), parsed.repository().to_owned());
        let is_host = !host.contains(|c: char| c.is_ascii_uppercase() || c == '_')
            && (host == "localhost" || host.contains(['.', ':']));
        (format!("{host}/{path}") == text && is_host).then_some((host, path))
    }

    fn same_as_oci_client(text: &str) {
        let ours = text.parse::<Repository>().ok().map(|found| (found.host().to_owned(), found.path().to_owned()));
        assert_eq!(ours, as_oci_client_reads_it(text), "{text:?}");
    }

    #[test]
    fn every_part_of_a_repository_is_read_as_oci_client_reads_it() {
        let long = |length| format!("ghcr.io/{}", "a".repeat(length));
        for text in [
            "ghcr.io/a.b_c__d-e---f/0",
            "ghcr.io/a___b",
            "ghcr.io/a..b",
            "ghcr.io/a._b",
            "ghcr.io/a.-b",
            "ghcr.io/-a",
            "ghcr.io/a-",
            "ghcr.io/a/",
            "ghcr.io/",
            "/a",
            "localhost:/a",
            "localhost:5000:1/a",
            "localhost:5o00/a",
            ":5000/a",
            "a-.io/b",
            "-a.io/b",
            "a--b.io/b",
            "a..io/b",
            ".io/b",
            "io./b",
            "1.2.3.4/b",
            "host/b",
            "docker.io/b",
            "docker.io/b/c",
            "index.docker.io/b/c",
            "ghcr.io/ä",
            "ghcr.io/a\n",
            &long(255),
            &long(256),
        ] {
            same_as_oci_client(text);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(5000))]
        #[test]
        fn repositories_are_what_oci_client_says(text in "(docker\\.io|localhost|[a-z0-9.:-]{1,6})/[a-zA0._/:@-]{0,8}", any in ".{0,12}") {
            same_as_oci_client(&text);
            same_as_oci_client(&any);
        }
    }

    #[test]
    fn below_means_whole_segments() {
        let parent: Repository = "ghcr.io/org/charts".parse().unwrap();
        assert!("ghcr.io/org/charts/a".parse::<Repository>().unwrap().is_below(&parent));
        assert!(!"ghcr.io/org/charts-of-others/a".parse::<Repository>().unwrap().is_below(&parent));
        assert!(!parent.is_below(&parent));
    }

    #[test]
    fn digests_are_lower_case_and_whole() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let tag = digest.fallback_tag();
        assert_eq!(tag.as_str(), digest.to_string().replace(':', "-"));
        assert_eq!(tag.as_str().parse::<Tag>().unwrap(), tag);
        for bad in [
            "sha256:",
            "sha512:00",
            &digest.to_string().to_uppercase(),
            &digest.to_string()[..70],
            "sha256:../../../etc",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn references_round_trip() {
        for text in ["localhost:5000/a/b:v1.2.3", &format!("ghcr.io/a@{}", Digest::of(b"x"))] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), *text);
        }
        assert!("ghcr.io/a".parse::<Reference>().is_err());
    }
}
