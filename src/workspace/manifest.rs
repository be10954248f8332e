//! One manifest: the text of a file in `mirrors/` as a [`Mirror`].
//!
//! Owns what a single manifest must hold beyond the schema. Knows no other file: keyrings are read and places compared where
//! all manifests are known.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;
use url::Url;

use super::schema::{self, Refused, readable};
use super::yaml::{self, Document};
use crate::chart::Version;
use crate::diagnostic::{Location, Problem, ProblemCode, Problems, code};
use crate::document::{self, FILE_LIMIT, quote};
use crate::oci::{Digest, Repository};
use crate::provenance::Fingerprint;
use crate::settings::RootPath;

/// One mirror: which versions of which chart are published where, and whose signatures are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The file's name without `.yaml`.
    pub name: String,
    /// The file, from the root.
    pub file: String,
    /// Where the chart comes from.
    pub source: Repository,
    /// Where that stands.
    pub source_location: Location,
    /// Where the chart is published.
    pub destination: Repository,
    /// Where that stands.
    pub destination_location: Location,
    /// The versions, in the file's order.
    pub versions: Vec<DeclaredVersion>,
    /// Whose signatures are trusted.
    pub trust: Trust,
}

impl Mirror {
    /// The chart's name: the last part of the destination.
    #[must_use]
    pub fn chart(&self) -> &str {
        self.destination.last()
    }
}

/// A version, and where it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredVersion {
    /// The version, as written.
    pub version: Version,
    /// Its line.
    pub location: Location,
}

/// Whose signatures on a mirror's charts are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Where the keys are; none only where provenance is not required.
    pub keyring: Option<KeyringSource>,
    /// Whether a chart without provenance is refused.
    pub required: bool,
    /// If there are any, only these keys (primary or subkey) count.
    pub fingerprints: Vec<Fingerprint>,
    /// Where the `provenance` section stands.
    pub location: Location,
}

/// Where a mirror's keyring is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyringSource {
    /// A file of the workspace.
    Path {
        /// The file.
        path: RootPath,
        /// The digest of its bytes.
        digest: Digest,
    },
    /// An https URL, which only `lock` fetches.
    Url(Url),
}

/// A keyring as the manifest names it, before its file is read.
#[derive(Debug, Clone)]
pub(super) enum NamedKeyring {
    Path(RootPath),
    Url(Url),
}

/// A manifest of which the keyring's file is not read yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) mirror: Mirror,
    pub(super) keyring: Option<(NamedKeyring, Location)>,
}

/// Reads a manifest. What could be read comes back even if there are problems, so that it can be compared with the others.
pub(super) fn read(bytes: &[u8], file: &str) -> (Option<Draft>, Problems) {
    let text = match document::decode(bytes, file, FILE_LIMIT) {
        Ok(text) => text,
        Err(problem) => return (None, problem.into()),
    };
    let document = match yaml::read(text, file) {
        Ok(document) => document,
        Err(problems) => return (None, problems),
    };
    let mut problems = Problems::default();
    let refused = schema::validate(&document, &mut problems);
    let mut reader = Reader { document: &document, refused, problems };
    let draft = reader.draft(file);
    (draft, reader.problems)
}

struct Reader<'d> {
    document: &'d Document,
    refused: Refused,
    problems: Problems,
}

impl Reader<'_> {
    fn draft(&mut self, file: &str) -> Option<Draft> {
        let source = self.parsed::<Repository>("/source/repository");
        let destination = self.parsed::<Repository>("/destination/repository");
        let versions = self.versions();
        let keyring = self.keyring();
        let fingerprints = self.fingerprints(keyring.is_some());
        let required = self.document.value.pointer("/provenance/required").and_then(Value::as_bool).unwrap_or(true);
        let (source, source_location) = source?;
        let (destination, destination_location) = destination?;
        let location = self.document.key_location("/provenance");
        let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yaml").to_owned();
        let trust = Trust { keyring: None, required, fingerprints, location };
        let file = file.to_owned();
        let mirror = Mirror { name, file, source, source_location, destination, destination_location, versions, trust };
        Some(Draft { mirror, keyring })
    }

    /// The text at a pointer that the schema did not refuse.
    fn text(&self, pointer: &str) -> Option<(String, Location)> {
        let text = self.document.value.pointer(pointer)?.as_str()?;
        (!self.refused.contains(pointer)).then(|| (text.to_owned(), self.document.location(pointer)))
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, pointer: &str) -> Option<(T, Location)> {
        let (text, at) = self.text(pointer)?;
        match text.parse() {
            Ok(value) => Some((value, at)),
            Err(error) => {
                self.tell(at, code!("invalid-value"), format!("`{}`: {error}", readable(pointer)), "");
                None
            }
        }
    }

    fn tell(&mut self, at: Location, code: ProblemCode, message: String, help: &str) {
        self.problems.push(Problem { location: Some(at), code, message, help: help.to_owned() });
    }

    fn entries(&self, pointer: &str) -> usize {
        self.document.value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
    }

    fn versions(&mut self) -> Vec<DeclaredVersion> {
        let mut first: BTreeMap<_, (String, u32)> = BTreeMap::new();
        let mut versions = Vec::new();
        for index in 0..self.entries("/versions") {
            let Some((version, location)) = self.parsed::<Version>(&format!("/versions/{index}")) else { continue };
            let line = location.position.map_or(0, |(line, _)| line);
            if let Some((other, other_line)) = first.get(&version.tag()) {
                let message = if *other == version.as_str() {
                    format!("the version `{version}` stands twice, first in line {other_line}")
                } else {
                    let tag = version.tag();
                    format!("the versions `{other}` (line {other_line}) and `{version}` have one tag, `{tag}`")
                };
                self.tell(location, code!("duplicate-version"), message, "keep one of them");
                continue;
            }
            first.insert(version.tag(), (version.to_string(), line));
            versions.push(DeclaredVersion { version, location });
        }
        versions
    }

    fn fingerprints(&mut self, keyring: bool) -> Vec<Fingerprint> {
        let mut first: BTreeMap<Fingerprint, u32> = BTreeMap::new();
        let mut fingerprints = Vec::new();
        let entries = self.entries("/provenance/fingerprints");
        for index in 0..entries {
            let pointer = format!("/provenance/fingerprints/{index}");
            let Some((fingerprint, location)) = self.parsed::<Fingerprint>(&pointer) else { continue };
            let line = location.position.map_or(0, |(line, _)| line);
            if let Some(other) = first.get(&fingerprint) {
                let message = format!("the fingerprint `{fingerprint}` stands twice, first in line {other}");
                self.tell(location, code!("duplicate-fingerprint"), message, "keep one of them");
                continue;
            }
            first.insert(fingerprint.clone(), line);
            fingerprints.push(fingerprint);
        }
        let pointer = "/provenance/fingerprints";
        if entries > 0 && !keyring && self.document.value.pointer("/provenance/keyring").is_none() {
            let at = self.document.key_location(pointer);
            let message = "`provenance.fingerprints` means nothing without a keyring".to_owned();
            self.tell(at, code!("idle-setting"), message, "add `keyring: …`, or remove the fingerprints");
        }
        fingerprints
    }

    fn keyring(&mut self) -> Option<(NamedKeyring, Location)> {
        let (text, at) = self.text("/provenance/keyring")?;
        if text.contains("://") {
            let url = self.keyring_url(&text, &at)?;
            return Some((NamedKeyring::Url(url), at));
        }
        let (path, at) = self.parsed::<RootPath>("/provenance/keyring")?;
        Some((NamedKeyring::Path(path), at))
    }

    fn keyring_url(&mut self, text: &str, at: &Location) -> Option<Url> {
        let parsed = Url::parse(text);
        let (why, help) = match &parsed {
            Err(error) => (error.to_string(), "write it as a browser's address line shows it"),
            Ok(url) if url.scheme() != "https" => {
                ("it is not https".to_owned(), "use an https URL, or put the keyring into the workspace")
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                ("it has a user name or a password".to_owned(), "keyrings are public: use a URL without credentials")
            }
            Ok(url) if url.fragment().is_some() => {
                ("it has a fragment".to_owned(), "remove `#` and what follows: servers never see it")
            }
            Ok(_) => return parsed.ok(),
        };
        let message = format!("`provenance.keyring`: `{}` is not a keyring's URL: {why}", redacted(text));
        self.tell(at.clone(), code!("keyring-url"), message, help);
        None
    }
}

/// A URL for a message: what may be a password is left out.
fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => quote(&format!("{scheme}://…{}", &rest[at..])),
        None => quote(text),
    }
}
