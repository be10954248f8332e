//! What is trusted: the root of a Sigstore instance and its services, from the workspace's files or the public instance's TUF
//! repository, and the public keys of the settings.
//!
//! Owns where it all comes from. Nothing is read before it is needed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sigstore_sign::reqwest;
use sigstore_verify::trust_root::{SigningConfig, TrustedRoot, TufConfig};

use crate::cache::Cache;
use crate::settings::{KeySigning, KeylessSigning, PastSigner, RootPath, Signing, SigningService};
use crate::signature::error::SignatureError;
use crate::signature::judge::{Judge, Unlogged};
use crate::signature::key::{PrivateKey, PublicKey, password};
use crate::signature::services::Services;
use crate::signature::tries::PATIENCE;
use crate::tally::{self, Answer, Exchange};
use crate::work;

/// Where the public instance tells of itself.
const PUBLIC_INSTANCE: &str = "https://tuf-repo-cdn.sigstore.dev/";
/// How long one file of the TUF repository may take.
const TUF_PATIENCE: Duration = Duration::from_secs(30);

/// Reads what these settings trust.
pub(super) async fn judge(root: &Path, signing: &Signing, cache: &Cache) -> Result<Judge, SignatureError> {
    let (files, trusted_root, unlogged) = match signing {
        Signing::None => (Vec::new(), nobody()?, Unlogged::Refused),
        Signing::Key(key) => {
            let files = std::iter::once(&key.public_key).chain(&key.accept).collect::<Vec<_>>();
            match &key.service.trusted_root {
                Some(file) => (files, trusted_root(root, file)?, Unlogged::Refused),
                None => (files, nobody()?, Unlogged::Counts),
            }
        }
        Signing::Keyless(keyless) => {
            let trusted_root = match &keyless.service.trusted_root {
                Some(file) => trusted_root(root, file)?,
                None => fetched(TrustedRoot::from_tuf(public_instance(cache)?)).await?,
            };
            // A key of the past may have signed where there was no log.
            (past_keys(keyless), trusted_root, Unlogged::Counts)
        }
    };
    let keys = files.into_iter().map(|file| public_key(root, file)).collect::<Result<_, _>>()?;
    Judge::new(&trusted_root, keys, unlogged).map_err(trust)
}

/// What is wrong with the files that `[signing]` names, the private key aside: that needs no network.
pub fn wrong_files(root: &Path, signing: &Signing) -> Vec<SignatureError> {
    let (service, keys) = match signing {
        Signing::None => return Vec::new(),
        Signing::Key(key) => (&key.service, std::iter::once(&key.public_key).chain(&key.accept).collect::<Vec<_>>()),
        Signing::Keyless(keyless) => (&keyless.service, past_keys(keyless)),
    };
    let keys = keys.into_iter().map(|file| public_key(root, file).map(drop));
    let trusted = service.trusted_root.iter().map(|file| {
        let judge = Judge::new(&trusted_root(root, file)?, Vec::new(), Unlogged::Refused);
        judge.map(drop).map_err(|error| SignatureError::File { path: file.below(root), detail: error.to_string() })
    });
    let services = service.signing_config.iter().map(|file| {
        let services = Services::of(&signing_config(root, file)?, PATIENCE);
        services.map(drop).map_err(|detail| unusable(root, service, detail))
    });
    keys.chain(trusted).chain(services).filter_map(Result::err).collect()
}

fn past_keys(keyless: &KeylessSigning) -> Vec<&RootPath> {
    let keys = keyless.accept.iter().filter_map(|signer| match signer {
        PastSigner::PublicKey(file) => Some(file),
        PastSigner::Identity(_) => None,
    });
    keys.collect()
}

/// The services that signing needs.
pub(super) async fn services(root: &Path, signing: &Signing, cache: &Cache) -> Result<Services, SignatureError> {
    let (service, keyless) = match signing {
        Signing::None => return Ok(Services::none()),
        Signing::Key(key) => (&key.service, false),
        Signing::Keyless(keyless) => (&keyless.service, true),
    };
    let config = match (&service.signing_config, keyless) {
        (Some(file), _) => signing_config(root, file)?,
        (None, true) => fetched(SigningConfig::from_tuf(public_instance(cache)?)).await?,
        (None, false) => return Ok(Services::none()),
    };
    Services::of(&config, PATIENCE).map_err(|detail| unusable(root, service, detail))
}

/// The key pair of the settings: a private key that belongs to their public key. Opening it takes a moment, by design.
pub(super) async fn key_pair(root: &Path, key: &KeySigning) -> Result<(PrivateKey, PublicKey), SignatureError> {
    let path = root.join(&key.key);
    let pem = read(&path)?;
    let opened = work::run(move || PrivateKey::open(&pem, password().as_bytes())).await?;
    let private = opened.map_err(|detail| SignatureError::File { path: path.clone(), detail })?;
    let public = public_key(root, &key.public_key)?;
    if private.belongs_to(&public) {
        return Ok((private, public));
    }
    Err(SignatureError::WrongKey { key: path, public: public.file })
}

fn public_key(root: &Path, file: &RootPath) -> Result<PublicKey, SignatureError> {
    let path = file.below(root);
    PublicKey::parse(file.as_str(), &read(&path)?).map_err(|detail| SignatureError::File { path, detail })
}

fn trusted_root(root: &Path, file: &RootPath) -> Result<TrustedRoot, SignatureError> {
    TrustedRoot::from_json(&text(file.below(root))?)
        .map_err(|error| SignatureError::File { path: file.below(root), detail: error.to_string() })
}

fn signing_config(root: &Path, file: &RootPath) -> Result<SigningConfig, SignatureError> {
    SigningConfig::from_json(&text(file.below(root))?)
        .map_err(|error| SignatureError::File { path: file.below(root), detail: error.to_string() })
}

fn unusable(root: &Path, service: &SigningService, detail: String) -> SignatureError {
    match &service.signing_config {
        Some(file) => SignatureError::File { path: file.below(root), detail },
        None => SignatureError::Trust(detail),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SignatureError> {
    std::fs::read(path).map_err(|error| SignatureError::File { path: path.to_owned(), detail: error.to_string() })
}

fn text(path: PathBuf) -> Result<String, SignatureError> {
    let detail = "it is not text".to_owned();
    String::from_utf8(read(&path)?).map_err(|_| SignatureError::File { path, detail })
}

fn trust(error: impl std::fmt::Display) -> SignatureError {
    SignatureError::Trust(error.to_string())
}

/// A root that trusts no instance: for keys without a log.
fn nobody() -> Result<TrustedRoot, SignatureError> {
    let empty = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    TrustedRoot::from_json(empty).map_err(trust)
}

/// What the public instance says of itself. Its client tells nobody what it asks: it is seen as one request.
async fn fetched<T, E: std::fmt::Display>(metadata: impl Future<Output = Result<T, E>>) -> Result<T, SignatureError> {
    let begun = Instant::now();
    tally::sent(0);
    let fetched = metadata.await;
    tally::exchanged(|| Exchange {
        method: "GET",
        url: PUBLIC_INSTANCE.to_owned(),
        answer: fetched.as_ref().map_or_else(|error| Answer::None(error.to_string()), |_| Answer::Good),
        time: begun.elapsed(),
    });
    fetched.map_err(trust)
}

/// The TUF repository of the public instance, beginning with the root that `sigstore-verify` carries.
fn public_instance(cache: &Cache) -> Result<TufConfig, SignatureError> {
    let client = reqwest::Client::builder().timeout(TUF_PATIENCE).build().map_err(trust)?;
    let config = TufConfig::production().with_http_client(client);
    Ok(match cache.folder("tuf") {
        Some(folder) => config.with_cache_dir(folder),
        None => config.without_cache(),
    })
}
