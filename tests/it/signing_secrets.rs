//! What nobody may read: no token, password or private key is in anything that the program says or leaves, whatever goes wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::process::{Ran, run};
use crate::support::registry::Kind;
use crate::support::signed::{KEY_PASSWORD, Signed, key_pair};
use crate::support::sigstore::{Claims, Fault, RekorVersion, Service, Sigstore};
use crate::support::tools::Tool;

/// A workspace whose every command is listened to.
struct Watched {
    signed: Signed,
    temporary: PathBuf,
    said: Vec<(String, Vec<u8>)>,
}

impl Watched {
    fn new(sigstore: &'static Sigstore, versions: &[&str]) -> Self {
        let mut signed = Signed::quickly(sigstore, Kind::Distribution, RekorVersion::V1, versions);
        let temporary = signed.desk.path("tmp");
        fs::create_dir(&temporary).unwrap();
        let more = [("RUST_BACKTRACE", "1"), ("RUST_LOG", "trace"), ("TMPDIR", temporary.to_str().unwrap())];
        signed.workspace.set_all(&more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self { signed, temporary, said: Vec::new() }
    }

    /// Runs the program with more variables.
    fn run(&mut self, words: &str, more: &[(&str, &str)]) -> Ran {
        let mut command = self.signed.workspace.command();
        let ran = run(command.envs(more.iter().copied()).args(words.split_whitespace()));
        self.said.push((format!("what `{words}` said"), [ran.stdout.clone(), ran.stderr.clone()].concat()));
        ran
    }

    /// Nothing that was said or written holds any of these.
    #[track_caller]
    fn keeps(&self, secrets: &[(&str, Vec<u8>)], may_hold: &[&str]) {
        let mut places = self.said.clone();
        let root = self.signed.workspace.path("");
        for folder in [root.parent().unwrap(), &self.temporary] {
            read_all(folder, &mut places);
        }
        assert!(places.iter().any(|(place, _)| place.contains("/.cache/chartsync/")), "nothing was cached");
        places.retain(|(place, _)| !may_hold.iter().any(|name| place.ends_with(name)));
        for (place, bytes) in &places {
            for (what, secret) in secrets {
                assert!(secret.len() >= 8, "{what} is too short to be looked for");
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_slice());
                assert!(!found, "{what} is in {place}");
            }
        }
    }
}

fn read_all(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn nobody_is_shown_a_token() {
    needs!(Tool::Distribution);
    let Some(sigstore) = Sigstore::get() else { return };
    let mut watched = Watched::new(sigstore, &["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5"]);
    let environment = watched.signed.fronted.github_env(&Claims::default());
    let bearer = environment.iter().find(|(name, _)| name == "ACTIONS_ID_TOKEN_REQUEST_TOKEN").unwrap().1.clone();
    let token = sigstore.token(&Claims::default());
    let expired = sigstore.token(&Claims::expired());
    let other = sigstore.token(&Claims { git_ref: "refs/heads/other".to_owned(), ..Claims::default() });
    // The endpoint gives another token every time; this one is known to the test.
    let fixed = [("SIGSTORE_ID_TOKEN", token.as_str())];
    let job = [("ACTIONS_ID_TOKEN_REQUEST_TOKEN", bearer.as_str())];

    watched.run("plan --out plan.json", &fixed).ok();
    watched.run("apply plan.json --chart web@1.0.0", &fixed);
    watched.run("apply --chart web@1.0.0", &job).ok();
    watched.run("apply --chart web@1.0.1 --format json", &fixed).ok();
    for (service, fault, version) in [
        (Service::Fulcio, Fault::Broken, "1.0.2"),
        (Service::Fulcio, Fault::Echoed, "1.0.2"),
        (Service::Tsa, Fault::Down, "1.0.3"),
        (Service::Rekor, Fault::AnswerLost, "1.0.4"),
    ] {
        watched.signed.fronted.fail(service, fault);
        watched.run(&format!("apply --chart web@{version}"), &fixed).exits(1);
        watched.signed.fronted.heal(service);
    }
    watched.signed.fronted.fail(Service::Issuer, Fault::Down);
    watched.run("apply", &job).exits(1);
    watched.signed.fronted.heal(Service::Issuer);
    watched.run("apply", &[("SIGSTORE_ID_TOKEN", expired.as_str())]).exits(1).says("expired");
    watched.run("apply", &[("SIGSTORE_ID_TOKEN", other.as_str())]).exits(1).says("refs/heads/other");
    let broken = token.replace('.', ":");
    watched.run("apply", &[("SIGSTORE_ID_TOKEN", broken.as_str())]).exits(1);
    watched.run("apply", &fixed).ok();
    watched.run("verify --format json", &fixed).ok();

    let mut secrets = vec![("the bearer token", bearer.into_bytes()), ("the broken token", broken.into_bytes())];
    for token in [token, expired, other] {
        let mut parts = token.split('.').map(|part| part.as_bytes().to_vec());
        // The head is the same for everybody.
        parts.next().unwrap();
        // Its beginning: what services say is cut off somewhere.
        secrets.push(("a token's payload", parts.next().unwrap()[..40].to_vec()));
        secrets.push(("a token's signature", parts.next().unwrap()));
    }
    watched.keeps(&secrets, &[]);
}

#[test]
fn nobody_is_shown_a_password_or_a_key() {
    needs!(Tool::Distribution, Tool::Cosign3);
    let Some(sigstore) = Sigstore::get() else { return };
    let mut watched = Watched::new(sigstore, &["1.0.0", "1.0.1"]);
    let root = watched.signed.workspace.path("");
    key_pair(&root);
    let settings = watched.signed.workspace.read("chartsync.toml");
    let (before, signing) = settings.split_once("[signing]\n").unwrap();
    let (_, after) = signing.split_once("\n[").unwrap();
    let key = "method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n\
               trusted-root = \"sigstore/trusted_root.json\"\nsigning-config = \"sigstore/signing_config.json\"\n";
    watched.signed.workspace.write("chartsync.toml", format!("{before}[signing]\n{key}\n[{after}"));

    let right = [("COSIGN_PASSWORD", KEY_PASSWORD)];
    let wrong = "not-this-canary";
    watched.run("plan --out plan.json", &right).ok();
    watched.run("apply", &[("COSIGN_PASSWORD", wrong)]).exits(1).says("cosign.key");
    watched.run("apply", &[]).exits(1);
    watched.signed.fronted.fail(Service::Rekor, Fault::Broken);
    watched.run("apply --chart web@1.0.1", &right).exits(1).says("HTTP 500");
    watched.signed.fronted.heal(Service::Rekor);
    watched.run("apply plan.json", &right).ok();
    watched.run("verify", &right).ok();
    watched.run("plan --format json", &right).ok();

    let pem = fs::read_to_string(root.join("cosign.key")).unwrap();
    let body: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let opened = opened(&pem);
    let mut secrets = vec![
        ("the password", KEY_PASSWORD.as_bytes().to_vec()),
        ("the wrong password", wrong.as_bytes().to_vec()),
        ("the key", opened.clone()),
        ("the key in base64", base64(&opened).into_bytes()),
        ("the key in hex", opened.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")).into_bytes()),
    ];
    secrets.extend(body.iter().filter(|line| line.len() >= 8).map(|line| ("the key's file", line.as_bytes().to_vec())));
    watched.keeps(&secrets, &["/cosign.key"]);
}

/// The private key's number, as it is when the file has been opened.
fn opened(pem: &str) -> Vec<u8> {
    use sigstore::crypto::signing_key::SigStoreKeyPair;
    let pair = SigStoreKeyPair::from_encrypted_pem(pem.as_bytes(), KEY_PASSWORD.as_bytes()).unwrap();
    let pem = pair.private_key_to_pem().unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = from_base64(&body);
    // PKCS #8 of a P-256 key: the number follows `04 20`.
    let at = der.windows(2).position(|two| two == [4, 32]).unwrap();
    der[at + 2..at + 34].to_vec()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn from_base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
