//! Names and shapes of the OCI specifications: digest, repository, tag, reference, descriptor, image manifest.
//!
//! Owns how they are parsed and printed. Knows no registry, no chart and no file.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
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
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
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
        let parsed: oci_client::Reference = text.parse().map_err(|_| error())?;
        // The parser fills in a host and the tag `latest` where none is written: only a text that it leaves alone is whole.
        let whole = format!("{}/{}", parsed.registry(), parsed.repository());
        let host_len = parsed.registry().len();
        if whole != text || !looks_like_host(parsed.registry()) {
            return Err(error());
        }
        Ok(Self { text: text.into(), host_len })
    }
}

/// `docker/library` has no host: as in Docker's grammar, one has a dot, a port or is `localhost`.
///
/// Hosts are the same in either case; one spelling keeps one registry from having two names.
fn looks_like_host(host: &str) -> bool {
    let lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    lower && (host == "localhost" || host.contains(['.', ':']))
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

/// An OCI image manifest, read as a closed world: anything that the fields below do not name was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageManifest {
    /// The config blob.
    pub config: Descriptor,
    /// The layers, in the manifest's order, which means nothing for Helm: pick by media type.
    pub layers: Vec<Descriptor>,
    /// The manifest's annotations.
    pub annotations: Map<String, Value>,
}

/// Why bytes are not an image manifest that chartsync would copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or JSON that two readers may understand differently.
    #[error("the image manifest is not clean JSON: {0}")]
    Json(String),
    /// An image index: it names several images, chartsync copies exactly one.
    #[error("it is an image index, not one image manifest")]
    Index,
    /// A Docker image manifest.
    #[error("it is a Docker image manifest (`{0}`), not an OCI one")]
    Docker(String),
    /// A field that does not belong there, or is missing, or has another type.
    #[error("the image manifest's `{field}` {problem}")]
    Field {
        /// Which field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn field(field: impl Into<String>, problem: impl Into<String>) -> ManifestError {
    ManifestError::Field { field: field.into(), problem: problem.into() }
}

impl ImageManifest {
    /// Reads an image manifest, refusing whatever two readers could understand differently.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = strict_json(bytes).map_err(ManifestError::Json)?;
        let Value::Object(mut fields) = value else {
            return Err(ManifestError::Json("it is not an object".into()));
        };
        if fields.contains_key("manifests") {
            return Err(ManifestError::Index);
        }
        match fields.remove("mediaType") {
            None => {}
            Some(Value::String(text)) if text == IMAGE_MANIFEST => {}
            Some(Value::String(text)) if text == IMAGE_INDEX => return Err(ManifestError::Index),
            Some(Value::String(text)) if text.starts_with("application/vnd.docker.") => {
                return Err(ManifestError::Docker(text));
            }
            Some(_) => return Err(field("mediaType", format!("is not `{IMAGE_MANIFEST}`"))),
        }
        if fields.remove("schemaVersion") != Some(Value::from(2)) {
            return Err(field("schemaVersion", "is not 2"));
        }
        let config = descriptor("config", fields.remove("config"))?;
        let Some(Value::Array(layers)) = fields.remove("layers") else {
            return Err(field("layers", "is missing or not a list"));
        };
        let layers = layers
            .into_iter()
            .enumerate()
            .map(|(index, layer)| descriptor(&format!("layers[{index}]"), Some(layer)))
            .collect::<Result<_, _>>()?;
        let annotations = annotations("annotations", fields.remove("annotations"))?;
        match fields.keys().next() {
            None => Ok(Self { config, layers, annotations }),
            Some(name) => Err(field(name, "does not belong in a chart's image manifest")),
        }
    }
}

fn descriptor(at: &str, value: Option<Value>) -> Result<Descriptor, ManifestError> {
    let Some(Value::Object(mut fields)) = value else {
        return Err(field(at, "is missing or not an object"));
    };
    let Some(Value::String(media_type)) = fields.remove("mediaType") else {
        return Err(field(format!("{at}.mediaType"), "is missing or not a text"));
    };
    let digest = match fields.remove("digest") {
        Some(Value::String(text)) => {
            text.parse().map_err(|error: NameError| field(format!("{at}.digest"), format!("is wrong: {error}")))?
        }
        _ => return Err(field(format!("{at}.digest"), "is missing or not a text")),
    };
    let size = fields
        .remove("size")
        .and_then(|size| size.as_u64())
        .ok_or_else(|| field(format!("{at}.size"), "is missing or not a count of bytes"))?;
    annotations(&format!("{at}.annotations"), fields.remove("annotations"))?;
    match fields.keys().next() {
        None => Ok(Descriptor { media_type, digest, size }),
        Some(name) => Err(field(format!("{at}.{name}"), "does not belong in a chart's image manifest")),
    }
}

fn annotations(at: &str, value: Option<Value>) -> Result<Map<String, Value>, ManifestError> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => Ok(entries),
        Some(_) => Err(field(at, "is not a mapping of texts")),
    }
}

/// Parses JSON, refusing duplicate keys and keys of one object that differ only in case (Go's decoder folds them).
pub fn strict_json(bytes: &[u8]) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(Strict)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut folded = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !folded.insert(key.to_lowercase()) {
                return Err(de::Error::custom(format!("the key `{key}` stands twice, upper and lower case aside")));
            }
            let value = entries.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
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

    #[test]
    fn image_manifests_are_a_closed_world() {
        let descriptor = format!(r#"{{"mediaType":"m","digest":"{}","size":1}}"#, Digest::of(b"x"));
        let with =
            |extra: &str| format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]{extra}}}"#);
        assert_eq!(ImageManifest::parse(with("").as_bytes()).unwrap().layers.len(), 1);
        for (extra, says) in [
            (r#","subject":{}"#, "`subject` does not belong"),
            (r#","Config":{}"#, "stands twice"),
            (r#","layers":[]"#, "stands twice"),
            (r#","manifests":[]"#, "image index"),
            (r#","mediaType":"application/vnd.docker.distribution.manifest.v2+json""#, "Docker"),
            (r#","annotations":{"a":1}"#, "mapping of texts"),
        ] {
            let error = ImageManifest::parse(with(extra).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{extra}: {error}");
        }
        let urls = descriptor.replace("\"size\"", "\"urls\":[],\"size\"");
        let error = ImageManifest::parse(format!(r#"{{"schemaVersion":2,"config":{urls},"layers":[]}}"#).as_bytes())
            .unwrap_err();
        assert!(error.to_string().contains("`config.urls`"), "{error}");
        assert!(strict_json("[".repeat(100_000).as_bytes()).is_err());
    }
}
