//! The keyrings of a workspace: files that manifests name, and those that `lock` fetched and committed.
//!
//! Owns that `keyrings/<sha256>.gpg` is what its name says. Knows nothing of signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::manifest::{Draft, KeyringSource, Mirror, NamedKeyring};
use super::tree::{EntryKind, Tree};
use super::{KEYRINGS, unreadable};
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::document::FILE_LIMIT;
use crate::oci::Digest;
use crate::provenance::Keyring;
use crate::settings::RootPath;

/// Every keyring of a workspace, by the digest of its bytes.
#[derive(Debug, Default)]
pub struct Keyrings {
    rings: BTreeMap<Digest, Ring>,
    committed: BTreeSet<Digest>,
}

/// A keyring's bytes, parsed when someone asks for its keys.
#[derive(Debug)]
struct Ring {
    bytes: Vec<u8>,
    parsed: OnceLock<Option<Arc<Keyring>>>,
}

impl Keyrings {
    /// The bytes of a keyring.
    #[must_use]
    pub fn bytes(&self, digest: &Digest) -> Option<&[u8]> {
        self.rings.get(digest).map(|ring| &ring.bytes[..])
    }

    /// The keys of a keyring; `None` where there is none of that digest, or none of its keys can be used.
    #[must_use]
    pub fn parsed(&self, digest: &Digest) -> Option<&Arc<Keyring>> {
        let ring = self.rings.get(digest)?;
        ring.parsed.get_or_init(|| Keyring::parse(&ring.bytes).ok().map(Arc::new)).as_ref()
    }

    /// Whether `keyrings/<sha256>.gpg` is there for this digest.
    #[must_use]
    pub fn is_committed(&self, digest: &Digest) -> bool {
        self.committed.contains(digest)
    }

    /// The digests of the committed keyrings.
    pub fn committed(&self) -> impl Iterator<Item = &Digest> {
        self.committed.iter()
    }

    fn add(&mut self, digest: Digest, bytes: Vec<u8>) {
        self.rings.entry(digest).or_insert(Ring { bytes, parsed: OnceLock::new() });
    }
}

/// Where the keyring of this digest is committed: `keyrings/<sha256>.gpg`.
#[must_use]
pub fn keyring_file(digest: &Digest) -> String {
    format!("{KEYRINGS}/{}.gpg", digest.hex())
}

/// The digest that a file of `keyrings/` claims by its name.
fn claimed(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_suffix(".gpg")?).parse().ok()
}

/// Reads all keyrings and puts the digests of those that manifests name by path into their mirrors.
pub(super) fn read(tree: &Tree, drafts: Vec<Draft>, problems: &mut Problems) -> (Keyrings, Vec<Mirror>) {
    let mut keyrings = Keyrings::default();
    read_committed(tree, &mut keyrings, problems);
    let digests = read_named(tree, &drafts, &mut keyrings, problems);
    let mirrors = drafts
        .into_iter()
        .map(|Draft { mut mirror, keyring }| {
            mirror.trust.keyring = match keyring {
                Some((NamedKeyring::Url(url), _)) => Some(KeyringSource::Url(url)),
                Some((NamedKeyring::Path(path), _)) => {
                    digests.get(&path).map(|digest| KeyringSource::Path { path, digest: *digest })
                }
                None => None,
            };
            mirror
        })
        .collect();
    (keyrings, mirrors)
}

fn read_committed(tree: &Tree, keyrings: &mut Keyrings, problems: &mut Problems) {
    let entries = tree.list(KEYRINGS).unwrap_or_else(|error| {
        problems.push(unreadable(KEYRINGS, &error));
        Vec::new()
    });
    // Other names are keyrings that manifests name by path, or notes about them.
    let named: Vec<(Digest, String)> = entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Folder)
        .filter_map(|entry| Some((claimed(&entry.name)?, format!("{KEYRINGS}/{}", entry.name))))
        .collect();
    let paths: Vec<String> = named.iter().map(|(_, path)| path.clone()).collect();
    for ((claimed, path), bytes) in named.into_iter().zip(tree.read_all(&paths)) {
        match bytes {
            Ok(Some(bytes)) if Digest::of(&bytes) == claimed => {
                keyrings.add(claimed, bytes);
                keyrings.committed.insert(claimed);
            }
            Ok(Some(bytes)) => problems.push(Problem {
                location: Some(Location::file(path)),
                code: code!("keyring-digest"),
                message: format!("the keyring's bytes have the digest {}, not the one in its name", Digest::of(&bytes)),
                help: "restore the file from Git; a keyring of your own gets a name that is no digest".to_owned(),
            }),
            Ok(None) => {}
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
}

/// Reads each file that manifests name once; problems stand at every manifest that names it.
fn read_named(
    tree: &Tree,
    drafts: &[Draft],
    keyrings: &mut Keyrings,
    problems: &mut Problems,
) -> BTreeMap<RootPath, Digest> {
    let mut places: BTreeMap<&RootPath, Vec<&Location>> = BTreeMap::new();
    for draft in drafts {
        if let Some((NamedKeyring::Path(path), location)) = &draft.keyring {
            places.entry(path).or_default().push(location);
        }
    }
    let paths: Vec<String> = places.keys().map(|path| path.as_str().to_owned()).collect();
    let read: Vec<_> = places.into_iter().zip(tree.read_all(&paths)).collect();
    let checked: Vec<_> = read
        .into_par_iter()
        .map(|((path, places), bytes)| (path, places, bytes.map_err(|error| error.to_string()).and_then(usable)))
        .collect();
    let mut digests = BTreeMap::new();
    for (path, places, ring) in checked {
        match ring {
            Ok(bytes) => {
                let digest = Digest::of(&bytes);
                keyrings.add(digest, bytes);
                digests.insert(path.clone(), digest);
            }
            Err(why) => problems_at(&places, path, &why, problems),
        }
    }
    digests
}

fn usable(bytes: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    let bytes = bytes.ok_or("there is no such file")?;
    if bytes.len() > FILE_LIMIT {
        return Err("it is larger than 1 MiB".to_owned());
    }
    Keyring::parse(&bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn problems_at(places: &[&Location], path: &RootPath, why: &str, problems: &mut Problems) {
    for place in places {
        problems.push(Problem {
            location: Some((*place).clone()),
            code: code!("keyring-unusable"),
            message: format!("the keyring `{path}` cannot be used: {why}"),
            help: "put the publisher's public keys there (`gpg --export --armor FINGERPRINT`), or name an https URL"
                .to_owned(),
        });
    }
}
