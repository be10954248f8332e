//! Other keyrings, and the keys in them.

use super::*;

/// Keys that come and go are told by their fingerprints.
#[test]
fn the_keys_of_another_keyring() {
    let base = Side::new(KEY);
    let mut here = Side::new(KEY);
    let digest = Digest::of(OTHER_RING);
    here.mirror().trust.keyring = Some(KeyringSource::Path { path: "other.gpg".parse().unwrap(), digest });
    here.workspace.keyrings = keyrings_with(&[OTHER_RING]);
    let messages: Vec<String> = told(Some(&base), &here).into_iter().map(|finding| finding.message).collect();
    for word in ["key added: ", "key removed: "] {
        assert!(messages.iter().any(|message| message.contains(word)), "{word}: {messages:?}");
    }
}

/// A keyring behind a URL changes without its manifest: the mirror is told beside its pins. One in a file is told once, by its digest.
#[test]
fn another_keyring_is_told_of_the_mirror_once() {
    let other = Digest::of(OTHER_RING);
    let told_by = |source: &dyn Fn(Digest) -> KeyringSource| {
        let side = |digest| {
            let mut side = Side::new(KEY);
            side.mirror().trust.keyring = Some(source(digest));
            side.pin.keyring = Some(digest);
            side
        };
        let findings = told(Some(&side(Digest::of(RING))), &side(other));
        let of_mirror =
            |finding: &&Finding| finding.reference.is_none() && finding.message.contains(&other.to_string());
        findings.iter().filter(of_mirror).map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let url = |_| KeyringSource::Url("https://keys.example/ring.gpg".parse().unwrap());
    let name = "charts.example/platform/web";
    assert_eq!(told_by(&url), [format!("{name} is verified with the keyring {other}, which it was not before")]);
    let file = told_by(&|digest| KeyringSource::Path { path: "ring.gpg".parse().unwrap(), digest });
    assert!(file.len() == 1 && file[0].starts_with(&format!("the keyring of {name} changes from")), "{file:?}");
}

/// These keyrings, committed by their digests.
pub(super) fn keyrings_with(rings: &[&[u8]]) -> crate::workspace::Keyrings {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("keyrings")).unwrap();
    std::fs::create_dir_all(root.path().join("mirrors")).unwrap();
    for ring in rings {
        std::fs::write(root.path().join(crate::workspace::keyring_file(&Digest::of(ring))), ring).unwrap();
    }
    let settings = "[publish]\nrepository = \"charts.example/platform\"\n[signing]\nmethod = \"none\"\n";
    std::fs::write(root.path().join(SETTINGS_FILE), settings).unwrap();
    Workspace::read_base(&Tree::folder(root.path())).unwrap().unwrap().keyrings
}
