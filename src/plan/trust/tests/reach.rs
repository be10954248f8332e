//! How registries are reached, and how charts are signed.

use super::*;

#[test]
fn every_field_of_a_registry() {
    let mut side = Side::new(KEY);
    let RegistrySettings { access: _, concurrency: _, token_realm: _, location: _ } = side.registry();
    let set = SETTINGS_FILE;
    check(
        KEY,
        &["access", "concurrency", "token-realm"],
        &[
            (
                "access: plain http",
                |side| side.registry().access = Access::PlainHttp,
                Some((set, &["`up.example`", "`https`", "`plain http`"])),
            ),
            (
                "access: layout",
                |side| side.registry().access = Access::Layout("folder".parse().unwrap()),
                Some((set, &["`up.example`", "the layouts in folder"])),
            ),
            ("concurrency", |side| side.registry().concurrency = None, None),
            (
                "token-realm",
                |side| side.registry().token_realm = Some("https://auth.example".parse().unwrap()),
                Some((set, &["who gets the credential of `up.example`", "https://auth.example"])),
            ),
        ],
    );
}

#[test]
fn every_field_of_signing() {
    let mut side = Side::new(KEY);
    let KeySigning { key: _, public_key: _, accept: _, service } = side.key();
    let SigningService { trusted_root: _, signing_config: _, concurrency: _ } = service;
    let mut side = Side::new(KEYLESS);
    let KeylessSigning { issuer: _, mirrors: _, charts: _, accept: _, service: _ } = side.keyless();
    let set = SETTINGS_FILE;
    let common = ["trusted-root", "signing-config", "concurrency"];
    check(
        KEY,
        &[&["key", "public-key", "accept"][..], &common].concat(),
        &[
            ("key", |side| side.key().key = "b.key".into(), Some((set, &["`[signing] key`", "a.key", "b.key"]))),
            (
                "public-key",
                |side| side.key().public_key = "b.pub".parse().unwrap(),
                Some((set, &["`[signing] public-key`", "a.pub", "b.pub"])),
            ),
            (
                "public-key: its bytes",
                |side| {
                    side.workspace.signing_files.insert("a.pub".to_owned(), Digest::of(b"b"));
                },
                Some((set, &["`[signing] public-key`", "a.pub (sha256:ca97"])),
            ),
            (
                "accept",
                |side| side.key().accept.push("b.pub".parse().unwrap()),
                Some((set, &["`[signing] accept`", "b.pub"])),
            ),
            (
                "trusted-root",
                |side| side.key().service.trusted_root = Some("root.json".parse().unwrap()),
                Some((set, &["`[signing] trusted-root`", "none: no log", "root.json"])),
            ),
            (
                "signing-config",
                |side| side.key().service.signing_config = Some("config.json".parse().unwrap()),
                Some((set, &["`[signing] signing-config`", "config.json"])),
            ),
            ("concurrency", |side| side.key().service.concurrency = 3.try_into().unwrap(), None),
        ],
    );
    check(
        KEYLESS,
        &[&["issuer", "mirrors", "charts", "accept"][..], &common].concat(),
        &[
            (
                "issuer",
                |side| "https://others.example".clone_into(&mut side.keyless().issuer),
                Some((set, &["`[signing] issuer`", "https://others.example"])),
            ),
            (
                "mirrors",
                |side| "https://a.example/m@x".clone_into(&mut side.keyless().mirrors),
                Some((set, &["`[signing] mirrors`", "m@main", "m@x"])),
            ),
            (
                "charts",
                |side| "https://a.example/c@x".clone_into(&mut side.keyless().charts),
                Some((set, &["`[signing] charts`", "c@main", "c@x"])),
            ),
            (
                "accept: an identity",
                |side| side.keyless().accept.push(PastSigner::Identity("https://a.example/old@main".to_owned())),
                Some((set, &["`[signing] accept`", "old@main"])),
            ),
            (
                "accept: a key",
                |side| side.keyless().accept.push(PastSigner::PublicKey("b.pub".parse().unwrap())),
                Some((set, &["`[signing] accept`", "b.pub"])),
            ),
            (
                "trusted-root",
                |side| side.keyless().service.trusted_root = Some("root.json".parse().unwrap()),
                Some((set, &["`[signing] trusted-root`", "the public instance's", "root.json"])),
            ),
            (
                "signing-config",
                |side| side.keyless().service.signing_config = Some("config.json".parse().unwrap()),
                Some((set, &["`[signing] signing-config`", "config.json"])),
            ),
            ("concurrency", |side| side.keyless().service.concurrency = 3.try_into().unwrap(), None),
        ],
    );
}
