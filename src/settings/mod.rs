//! `chartsync.toml` as plain values.
//!
//! Owns the keys, their defaults and the relations between them. Knows no manifest: what depends on those (which hosts
//! keyless signing may use) is checked where both are known.

mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::diagnostic::{Location, Problems};
use crate::document::{Reader, Table, quote};
use crate::oci::{Digest, Reference, Repository};

/// The name of the settings file, which marks the workspace's root.
pub const SETTINGS_FILE: &str = "chartsync.toml";

/// Everything that `chartsync.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Every destination lies below this repository.
    pub publish: Repository,
    /// Where `publish` stands.
    pub publish_location: Location,
    /// How published charts are signed.
    pub signing: Signing,
    /// Where the `[signing]` table stands.
    pub signing_location: Location,
    /// More changes than this withhold the whole `apply`.
    pub max_changes: usize,
    /// Where `max-changes` stands: the file, where it does not.
    pub max_changes_location: Location,
    /// What is special about a registry, by `host[:port]`.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// The reviewed exceptions.
    pub accept: Vec<Accept>,
}

/// How published charts are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// Not at all.
    None,
    /// With a private key.
    Key(KeySigning),
    /// With a certificate of an identity.
    Keyless(KeylessSigning),
}

impl Signing {
    /// The files that it names and that are committed: all but the private key.
    #[must_use]
    pub fn files(&self) -> Vec<&RootPath> {
        let mut files = Vec::new();
        let service = match self {
            Self::None => return files,
            Self::Key(key) => {
                files.push(&key.public_key);
                files.extend(&key.accept);
                &key.service
            }
            Self::Keyless(keyless) => {
                files.extend(keyless.accept.iter().filter_map(|signer| match signer {
                    PastSigner::PublicKey(file) => Some(file),
                    PastSigner::Identity(_) => None,
                }));
                &keyless.service
            }
        };
        files.extend(&service.trusted_root);
        files.extend(&service.signing_config);
        files
    }

    /// The method's name in the settings file.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key(_) => "key",
            Self::Keyless(_) => "keyless",
        }
    }
}

/// `method = "key"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySigning {
    /// The private key's file, from the root or absolute; only `apply` reads it, and it is never committed.
    pub key: PathBuf,
    /// The public key's file.
    pub public_key: RootPath,
    /// Public keys of the past whose signatures still count.
    pub accept: Vec<RootPath>,
    /// What both methods have.
    pub service: SigningService,
}

/// `method = "keyless"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeylessSigning {
    /// The OIDC issuer that vouches for the identities.
    pub issuer: String,
    /// The identity that signs mirrored charts, compared whole.
    pub mirrors: String,
    /// The identity that signs first-party charts, compared whole.
    pub charts: String,
    /// Signers of the past whose signatures still count.
    pub accept: Vec<PastSigner>,
    /// What both methods have.
    pub service: SigningService,
}

/// Which identity signs a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// That of mirrored charts.
    Mirrors,
    /// That of first-party charts.
    Charts,
}

impl KeylessSigning {
    /// The identity of this role.
    #[must_use]
    pub fn identity(&self, role: Role) -> &str {
        match role {
            Role::Mirrors => &self.mirrors,
            Role::Charts => &self.charts,
        }
    }
}

/// A signer whose signatures still count under `method = "keyless"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PastSigner {
    /// An identity of the same issuer, compared whole: a text with `://` or `@`.
    Identity(String),
    /// A public key's file: any other text.
    PublicKey(RootPath),
}

/// Which Sigstore services are used, and how hard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningService {
    /// The trusted root's file; the public good instance's where absent.
    pub trusted_root: Option<RootPath>,
    /// The signing config's file; the public good instance's where absent.
    pub signing_config: Option<RootPath>,
    /// How many signatures are made at once.
    pub concurrency: NonZeroUsize,
}

/// What is special about one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrySettings {
    /// How it is reached.
    pub access: Access,
    /// How many requests it gets at once; the client's default where absent.
    pub concurrency: Option<NonZeroUsize>,
    /// A token server on another host that may be given this registry's credential: scheme, host and port.
    pub token_realm: Option<Url>,
    /// Where the registry's table stands; none where there is none.
    pub location: Option<Location>,
}

/// How a registry is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Over TLS.
    #[default]
    Https,
    /// Over plain http.
    PlainHttp,
    /// As a folder of OCI layouts, `<folder>/<repository>/`.
    Layout(RootPath),
}

/// A path from the workspace's root that, links aside, cannot leave it: segments with `/` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootPath(String);

impl RootPath {
    /// The path's text, relative to the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below this root.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a path below the root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is absolute or climbs.
    #[error("the path `{0}` leaves the workspace: name a file below the folder of chartsync.toml")]
    Outside(String),
    /// It has empty, `.` or strange parts.
    #[error("`{0}` is not a plain path: write it from the workspace's root, with `/`, without `.` parts")]
    NotPlain(String),
}

impl FromStr for RootPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let drive = text.as_bytes().get(1) == Some(&b':');
        if text.starts_with(['/', '~']) || drive || text.split(['/', '\\']).any(|segment| segment == "..") {
            return Err(PathError::Outside(quote(text)));
        }
        let text = text.strip_prefix("./").unwrap_or(text);
        let strange = |char: char| char.is_control() || char == '\\';
        if text.contains(strange) || text.split('/').any(|segment| segment.is_empty() || segment == ".") {
            return Err(PathError::NotPlain(quote(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A reviewed exception: it counts where finding, reference and digest are all equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// Which finding.
    pub finding: Acceptable,
    /// About which tag.
    pub reference: Reference,
    /// With which content: what the source says now (`moved`), what the destination holds now (`replace`), else the pin's.
    pub digest: Digest,
    /// Why, for the next reader.
    pub reason: String,
    /// Where it stands.
    pub location: Location,
}

/// The findings that an exception can lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acceptable {
    /// The source's tag has another digest than the pin.
    Moved,
    /// The source has the tag no longer.
    Gone,
    /// The destination holds something else, which may be replaced.
    Replace,
    /// The chart has no provenance although it should.
    Unsigned,
    /// The signer's key has expired.
    ExpiredKey,
    /// Another signer than the rest of the destination has.
    NewSigner,
}

impl Acceptable {
    const ALL: [Self; 6] = [Self::Moved, Self::Gone, Self::Replace, Self::Unsigned, Self::ExpiredKey, Self::NewSigner];

    /// The word in the settings file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::Replace => "replace",
            Self::Unsigned => "unsigned",
            Self::ExpiredKey => "expired-key",
            Self::NewSigner => "new-signer",
        }
    }
}

impl fmt::Display for Acceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Settings {
    /// `max-changes` where the settings name none.
    pub const MAX_CHANGES: usize = 200;

    /// Reads the text of `file`; every problem of it comes in one run.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        let mut reader = Reader::new(file, text, 1);
        let settings = reader.parse().and_then(|document| read::settings(&mut reader, &Table::root(&document)));
        match settings {
            Some(settings) => reader.problems.into_result(settings),
            None => Err(reader.problems.into_result(()).err().unwrap_or_default()),
        }
    }

    /// The exception that lifts this finding, if there is one.
    #[must_use]
    pub fn accepts(&self, finding: Acceptable, reference: &Reference, digest: &Digest) -> Option<&Accept> {
        self.accept
            .iter()
            .find(|accept| accept.finding == finding && accept.reference == *reference && accept.digest == *digest)
    }

    /// How this registry is reached.
    #[must_use]
    pub fn access(&self, host: &str) -> &Access {
        self.registries.get(host).map_or(&Access::Https, |registry| &registry.access)
    }
}

/// Whether `host[:port]` is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = if host.ends_with(']') { host } else { host.rsplit_once(':').map_or(host, |(name, _)| name) };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
