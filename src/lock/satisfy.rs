//! Whether a pin is what a manifest asks for, and if not, why not.
//!
//! Compares what is written; that a pin's bytes are what it says is found out where they are fetched.

use std::sync::Arc;

use crate::chart::Version;
use crate::finding::Exception;
use crate::lock::{Lockfile, Pin, Signer};
use crate::oci::{Digest, Reference, Repository};
use crate::provenance::Fingerprint;
use crate::settings::{Acceptable, RootPath};
use crate::workspace::{KeyringSource, Mirror, Workspace, keyring_file};

/// Why a version of a manifest has no pin that satisfies it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsatisfied {
    /// Nothing is pinned for this version at this destination.
    #[error("`{0}` has no pin: run `chartsync lock`")]
    Absent(Reference),
    /// The manifest has another source.
    #[error("it was pinned from `{pinned}`, the manifest now says `{declared}`: run `chartsync lock`")]
    Source {
        /// The pin's source.
        pinned: Repository,
        /// The manifest's source.
        declared: Repository,
    },
    /// The manifest lists fingerprints, and the signer's are not among them.
    #[error(
        "it is signed by {signer}, which `fingerprints` does not list: list it if you trust it, or take what the source holds now with `chartsync lock --repin {mirror}@{version}`"
    )]
    Signer {
        /// Its key.
        signer: Fingerprint,
        /// The mirror.
        mirror: Repository,
        /// The version.
        version: Version,
    },
    /// Provenance is required, there is none, and no exception says that this is right.
    #[error(
        "it has no provenance, which the manifest requires: accept `unsigned` in chartsync.toml, or set `required: false`"
    )]
    Unsigned(Digest),
    /// The keyring in the workspace is another one now.
    #[error(
        "it was verified with the keyring {pinned}, `{path}` now is {declared}: run `chartsync lock --refresh-keyring {mirror}`"
    )]
    KeyringChanged {
        /// The pin's keyring.
        pinned: Digest,
        /// The file's digest.
        declared: Digest,
        /// The file.
        path: RootPath,
        /// The mirror.
        mirror: Repository,
    },
    /// The keyring came from a URL and is not committed.
    #[error(
        "its keyring `{file}` is not there: restore it from Git, or run `chartsync lock --refresh-keyring {mirror}`"
    )]
    KeyringMissing {
        /// Where it should be.
        file: String,
        /// The mirror.
        mirror: Repository,
    },
    /// The chart has provenance, and the manifest names no keyring.
    #[error("it has provenance, but the manifest names no keyring to verify it with: add `keyring: …`")]
    KeyringUndeclared,
}

impl Unsatisfied {
    /// The reason alone, and what to do about it: the text is both, with a colon between.
    #[must_use]
    pub fn parts(&self) -> (String, String) {
        let text = self.to_string();
        let (reason, next) = text.split_once(": ").unwrap_or((&text, ""));
        (reason.to_owned(), next.to_owned())
    }

    /// The exception that would lift it, once a person has reviewed it.
    #[must_use]
    pub fn exception(&self, reference: &Reference) -> Option<Exception> {
        let Self::Unsigned(digest) = self else { return None };
        Some(Exception { finding: Acceptable::Unsigned, reference: reference.clone(), digest: *digest })
    }
}

impl Lockfile {
    /// The pin that satisfies a version of a manifest.
    pub fn satisfying(
        &self,
        mirror: &Mirror,
        version: &Version,
        workspace: &Workspace,
    ) -> Result<&Arc<Pin>, Unsatisfied> {
        let absent = || Unsatisfied::Absent(mirror.destination.tagged(version.tag()));
        let pin = self.get(&mirror.destination, version).ok_or_else(absent)?;
        satisfies(pin, mirror, workspace).map(|()| pin)
    }
}

/// Whether a pin of this mirror is what it asks for; the first reason why not, by weight.
pub fn satisfies(pin: &Pin, mirror: &Mirror, workspace: &Workspace) -> Result<(), Unsatisfied> {
    if pin.source != mirror.source {
        return Err(Unsatisfied::Source { pinned: pin.source.clone(), declared: mirror.source.clone() });
    }
    let accepted = || workspace.settings.accepts(Acceptable::Unsigned, &pin.reference(), &pin.digest).is_some();
    if pin.provenance.is_none() && mirror.trust.required && !accepted() {
        return Err(Unsatisfied::Unsigned(pin.digest));
    }
    keyring(pin, mirror, workspace)?;
    signer(pin, mirror, workspace)
}

fn keyring(pin: &Pin, mirror: &Mirror, workspace: &Workspace) -> Result<(), Unsatisfied> {
    // What has no provenance was verified with nothing.
    let Some(pinned) = pin.keyring else { return Ok(()) };
    match &mirror.trust.keyring {
        None => Err(Unsatisfied::KeyringUndeclared),
        Some(KeyringSource::Path { digest, .. }) if *digest == pinned => Ok(()),
        Some(KeyringSource::Path { digest, path }) => Err(Unsatisfied::KeyringChanged {
            pinned,
            declared: *digest,
            path: path.clone(),
            mirror: mirror.destination.clone(),
        }),
        Some(KeyringSource::Url(_)) if workspace.keyrings.is_committed(&pinned) => Ok(()),
        Some(KeyringSource::Url(_)) => {
            Err(Unsatisfied::KeyringMissing { file: keyring_file(&pinned), mirror: mirror.destination.clone() })
        }
    }
}

fn signer(pin: &Pin, mirror: &Mirror, workspace: &Workspace) -> Result<(), Unsatisfied> {
    match &pin.signer {
        Signer::Pgp(signer) if !mirror.trust.fingerprints.is_empty() && !is_listed(pin, mirror, workspace) => {
            let (mirror, version) = (pin.destination.clone(), pin.version.clone());
            Err(Unsatisfied::Signer { signer: signer.clone(), mirror, version })
        }
        _ => Ok(()),
    }
}

/// Whether the manifest's `fingerprints` list the pin's signer, by its primary key or by a subkey of it. A revoked subkey names
/// its owner as well: that nothing it signed counts is for the verdict to say.
#[must_use]
pub fn is_listed(pin: &Pin, mirror: &Mirror, workspace: &Workspace) -> bool {
    let (Signer::Pgp(signer), listed) = (&pin.signer, &mirror.trust.fingerprints) else { return false };
    let keyring = pin.keyring.and_then(|digest| workspace.keyrings.parsed(&digest));
    let mut keys = keyring.iter().flat_map(|keyring| keyring.keys());
    listed.contains(signer)
        || keys.any(|key| key.fingerprint == *signer && listed.iter().any(|listed| key.has_subkey(listed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Tree;

    const SETTINGS: &str = "[publish]\nrepository = \"ghcr.io/org\"\n[signing]\nmethod = \"none\"\n";
    const RING: &[u8] = include_bytes!("../../tests/fixtures/provenance/subkey.gpg");

    fn manifest(provenance: &str) -> String {
        format!(
            "source:\n  type: helm-oci\n  repository: quay.io/up/a\ndestination:\n  repository: ghcr.io/org/a\nversions: [1.0.0]\nprovenance: {{{provenance}}}\n"
        )
    }

    fn pin(signed: bool) -> Pin {
        let ring = crate::provenance::Keyring::parse(RING).unwrap();
        Pin {
            name: "a".into(),
            version: "1.0.0".parse().unwrap(),
            source: "quay.io/up/a".parse().unwrap(),
            destination: "ghcr.io/org/a".parse().unwrap(),
            digest: Digest::of(b"manifest"),
            size: 1,
            archive: Digest::of(b"archive"),
            archive_size: 1,
            provenance: signed.then(|| Digest::of(b"prov")),
            signer: if signed { Signer::Pgp(ring.keys()[0].fingerprint.clone()) } else { Signer::None },
            keyring: signed.then(|| Digest::of(RING)),
            app_version: None,
            line: 0,
        }
    }

    /// What is said about `pin` in a workspace with this provenance section, these extra settings and files.
    fn verdict(pin: &Pin, provenance: &str, settings: &str, files: &[(&str, &[u8])]) -> Result<(), Unsatisfied> {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("{SETTINGS}{settings}");
        let manifest = manifest(provenance);
        let own: [(&str, &[u8]); 3] =
            [("chartsync.toml", settings.as_bytes()), ("mirrors/a.yaml", manifest.as_bytes()), ("ring.gpg", RING)];
        for (path, bytes) in own.iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let workspace = Workspace::read(&Tree::folder(folder.path())).unwrap();
        let lockfile = Lockfile::from_pins(vec![pin.clone()]);
        let version = "1.0.0".parse().unwrap();
        let told = lockfile.satisfying(&workspace.mirrors[0], &version, &workspace).map(|_| ());
        // Each says what to do, and by itself why.
        if let Err((reason, next)) = told.as_ref().map_err(Unsatisfied::parts) {
            assert!(!reason.contains("chartsync") && !next.is_empty(), "{reason:?} {next:?}");
        }
        told
    }

    const PATH: &str = "keyring: ring.gpg";
    const URL: &str = "keyring: 'https://up.example/k'";

    #[test]
    fn places_must_be_equal() {
        assert_eq!(verdict(&pin(true), PATH, "", &[]), Ok(()));
        let other = |change: fn(&mut Pin)| {
            let mut pin = pin(true);
            change(&mut pin);
            verdict(&pin, PATH, "", &[]).unwrap_err()
        };
        let absent = Unsatisfied::Absent("ghcr.io/org/a:1.0.0".parse().unwrap());
        assert_eq!(other(|pin| pin.version = "v1.0.0".parse().unwrap()), absent);
        assert_eq!(other(|pin| pin.destination = "ghcr.io/org/b".parse().unwrap()), absent);
        assert!(matches!(other(|pin| pin.source = "quay.io/up/b".parse().unwrap()), Unsatisfied::Source { .. }));
    }

    #[test]
    fn provenance_must_be_there_or_excused() {
        let pin = pin(false);
        assert_eq!(verdict(&pin, PATH, "", &[]), Err(Unsatisfied::Unsigned(pin.digest)));
        assert_eq!(verdict(&pin, "required: false", "", &[]), Ok(()));
        assert_eq!(verdict(&pin, "required: false, keyring: ring.gpg", "", &[]), Ok(()));
        let accept = |finding: &str, digest: Digest| {
            format!(
                "[[accept]]\nfinding = \"{finding}\"\nreference = \"ghcr.io/org/a:1.0.0\"\ndigest = \"{digest}\"\nreason = \"r\"\n"
            )
        };
        assert_eq!(verdict(&pin, PATH, &accept("unsigned", pin.digest), &[]), Ok(()));
        for wrong in [accept("unsigned", pin.archive), accept("gone", pin.digest)] {
            assert_eq!(verdict(&pin, PATH, &wrong, &[]), Err(Unsatisfied::Unsigned(pin.digest)));
        }
    }

    #[test]
    fn the_keyring_must_be_the_declared_one() {
        let pin = pin(true);
        let file = keyring_file(&Digest::of(RING));
        assert_eq!(verdict(&pin, "required: false", "", &[]), Err(Unsatisfied::KeyringUndeclared));
        let missing = Unsatisfied::KeyringMissing { file: file.clone(), mirror: "ghcr.io/org/a".parse().unwrap() };
        assert_eq!(verdict(&pin, URL, "", &[]), Err(missing));
        assert_eq!(verdict(&pin, URL, "", &[(&file, RING)]), Ok(()));
        let edited = [RING, RING].concat();
        let changed = Unsatisfied::KeyringChanged {
            pinned: Digest::of(RING),
            declared: Digest::of(&edited),
            path: "ring.gpg".parse().unwrap(),
            mirror: "ghcr.io/org/a".parse().unwrap(),
        };
        assert_eq!(verdict(&pin, PATH, "", &[("ring.gpg", &edited)]), Err(changed));
    }

    #[test]
    fn listed_fingerprints_bind() {
        let pin = pin(true);
        let ring = crate::provenance::Keyring::parse(RING).unwrap();
        let key = &ring.keys()[0];
        let listed = |fingerprint: &Fingerprint| format!("{PATH}, fingerprints: ['{fingerprint}']");
        assert_eq!(verdict(&pin, &listed(&key.fingerprint), "", &[]), Ok(()));
        assert_eq!(verdict(&pin, &listed(&key.subkeys[0]), "", &[]), Ok(()));
        // A revoked subkey names whom to trust as well: whether what it signed counts is not decided here.
        let revoked: &[u8] = include_bytes!("../../tests/fixtures/provenance/subkey-revoked.gpg");
        let subkey = crate::provenance::Keyring::parse(revoked).unwrap().keys()[0].revoked_subkeys[0].clone();
        let rests = Pin { keyring: Some(Digest::of(revoked)), ..pin.clone() };
        assert_eq!(verdict(&rests, &listed(&subkey), "", &[("ring.gpg", revoked)]), Ok(()));
        let not_listed = |signer: &Fingerprint| {
            let (mirror, version) = ("ghcr.io/org/a".parse().unwrap(), "1.0.0".parse().unwrap());
            Err(Unsatisfied::Signer { signer: signer.clone(), mirror, version })
        };
        let stranger: Fingerprint = "0000000000000000000000000000000000000001".parse().unwrap();
        assert_eq!(verdict(&pin, &listed(&stranger), "", &[]), not_listed(&key.fingerprint));
        let (_, next) = not_listed(&stranger).unwrap_err().parts();
        assert!(next.ends_with("`chartsync lock --repin ghcr.io/org/a@1.0.0`"), "{next}");

        // A subkey speaks for its own key, for no other one of the keyring.
        let both = [RING, include_bytes!("../../tests/fixtures/provenance/good.gpg")].concat();
        let other = crate::provenance::Keyring::parse(&both).unwrap().keys()[1].fingerprint.clone();
        assert_ne!(other, key.fingerprint);
        let pin = Pin { signer: Signer::Pgp(other.clone()), keyring: Some(Digest::of(&both)), ..pin };
        let files: [(&str, &[u8]); 1] = [("ring.gpg", &both)];
        assert_eq!(verdict(&pin, &listed(&key.subkeys[0]), "", &files), not_listed(&other));
        assert_eq!(verdict(&pin, &listed(&other), "", &files), Ok(()));
    }
}
