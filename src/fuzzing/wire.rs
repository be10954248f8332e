//! What registries and upstream send: headers, image manifests, image indexes, layouts, keyrings, provenance.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::runtime::{Builder, Runtime};
use url::{Host, Url};

use crate::artifact::ChartImage;
use crate::http::{
    Challenge, Credentials, Failure, Guard, HttpError, Limits, Next, Reach, challenge, next, retry_after,
};
use crate::oci::{
    ArtifactManifest, Descriptor, Digest, IMAGE_MANIFEST, ImageIndex, ImageManifest, IndexEntry, Repository,
};
use crate::provenance::{KeyChanges, Keyring, check};
use crate::registry::{Registries, Registry, next_target};
use crate::settings::{Access, RegistrySettings};

/// `WWW-Authenticate`, `Link`, `Retry-After`, and where they may lead.
pub(super) fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.append(WWW_AUTHENTICATE, value.clone());
    if let Some(Challenge::Bearer { realm, service }) = challenge(&headers) {
        leads(&realm);
        assert!(service.is_none_or(|service| service.len() <= bytes.len()));
    }
    let Ok(text) = value.to_str() else { return };
    if let Some(target) = next_target(text) {
        assert!(text.contains(target));
        if let Ok(url) = Url::parse("https://registry.example/v2/a/tags/list").unwrap().join(target) {
            leads(&url);
        }
    }
    waits(text);
}

/// No answer leads to plain http, to a private address or to one that nobody may reach.
fn leads(url: &Url) {
    let guard = Guard { named: Vec::new(), plain: false };
    let Ok(reach) = guard.check(url) else { return };
    assert!(reach == Reach::Foreign && url.scheme() == "https" && url.username().is_empty(), "{url}");
    let address = match url.host().unwrap() {
        Host::Domain(_) => return,
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => address.to_canonical(),
    };
    let is_private = match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local() || address.is_documentation(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    };
    assert!(!is_private && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast(), "{url}");
}

/// However long a server wants one to wait, nothing waits longer than the limits say.
fn waits(text: &str) {
    let limits = Limits::default();
    let left = Duration::from_mins(2);
    for now in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1_792_000_000)] {
        let failure = Failure {
            status: 429,
            retry_after: retry_after(text, now),
            codes: Vec::new(),
            message: String::new(),
            token_server: None,
            elsewhere: None,
        };
        if let Next::Wait { delay, .. } = next(&HttpError::Status(Box::new(failure)), 1, left, &limits) {
            assert!(delay <= limits.longest_retry_after + limits.longest_retry_after / 8, "{delay:?}");
        }
    }
}

/// What is taken for a chart's image manifest, or an artifact's, says the same to a reader of plain JSON.
pub(super) fn image(bytes: &[u8]) {
    if let Ok(image) = ChartImage::parse(Bytes::copy_from_slice(bytes)) {
        assert_eq!((image.digest, &image.bytes[..]), (Digest::of(bytes), bytes));
        let _ = (image.created(), image.total_size());
        assert!(ArtifactManifest::parse(bytes).is_ok());
    }
    if let Ok(manifest) = ImageManifest::parse(bytes) {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let same = |descriptor: &Descriptor, value: &serde_json::Value| {
            value["digest"] == descriptor.digest.to_string() && value["size"] == descriptor.size
        };
        assert!(same(&manifest.config, &value["config"]) && value.get("subject").is_none());
        assert!(
            manifest.layers.iter().zip(value["layers"].as_array().unwrap()).all(|(layer, value)| same(layer, value))
        );
    }
    if let Ok(artifact) = ArtifactManifest::parse(bytes) {
        assert_eq!(ArtifactManifest::parse(&artifact.to_bytes()).unwrap(), artifact);
    }
}

/// What an index lists is kept when another entry comes in.
pub(super) fn index(bytes: &[u8]) {
    let Ok(mut index) = ImageIndex::parse(bytes) else { return };
    assert_eq!(ImageIndex::parse(&index.to_bytes()).as_ref(), Ok(&index));
    let before = index.entries().to_vec();
    let new = IndexEntry { descriptor: Descriptor::of("a", bytes), artifact_type: Some("b".into()) };
    index.add(new.clone(), &BTreeMap::from([("c".to_owned(), "d".to_owned())]));
    let again = ImageIndex::parse(&index.to_bytes()).unwrap();
    assert_eq!((again.entries().split_last().unwrap(), &again), ((&new, &before[..]), &index));
}

const HOST: &str = "upstream.example";
const CHART: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"a","digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":1},"layers":[]}"#;

/// A folder of layouts, on a file system in memory where there is one.
static LAYOUT: LazyLock<(tempfile::TempDir, Registry, Runtime)> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let access = Access::Layout("layouts".parse().unwrap());
    let settings = BTreeMap::from([(HOST.to_owned(), RegistrySettings { access, ..Default::default() })]);
    let registries = Registries::with(root.path(), &settings, Credentials::default(), Limits::default()).unwrap();
    let blobs = root.path().join("layouts/a/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(Digest::of(CHART).hex()), CHART).unwrap();
    std::fs::write(root.path().join("layouts/a/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    (root, registries.at(&repository()), runtime)
});

fn repository() -> Repository {
    format!("{HOST}/a").parse().unwrap()
}

/// Whatever a layout's index says: what it names and has is given with its digest, and a tag that is written is the only one that changes.
pub(super) fn layout(bytes: &[u8]) {
    let (root, registry, runtime) = &*LAYOUT;
    let repository = repository();
    std::fs::write(root.path().join("layouts/a/index.json"), bytes).unwrap();
    runtime.block_on(async {
        let Ok(tags) = registry.tags(&repository).await else { return };
        let mut before = Vec::new();
        for tag in tags.iter().take(8) {
            let reference = repository.tagged(tag.clone());
            let found = registry.resolve(&reference).await;
            if let Ok(found) = &found {
                assert_eq!(registry.manifest(&repository, &found.digest).await.unwrap(), CHART);
            }
            before.push((reference, found));
        }
        let _ = registry.referrers(&repository, &Digest::of(CHART)).await;
        let written = repository.tagged("written-by-this-test".parse().unwrap());
        if registry.push_manifest(&written, IMAGE_MANIFEST, Bytes::from_static(CHART)).await.is_err() {
            return;
        }
        assert_eq!(registry.resolve(&written).await.unwrap().digest, Digest::of(CHART));
        for (reference, found) in before.into_iter().filter(|(reference, _)| *reference != written) {
            let now = registry.resolve(&reference).await;
            assert_eq!(now.ok().map(|now| now.digest), found.ok().map(|found| found.digest), "{reference}");
        }
    });
}

/// A keyring is public, and is itself.
pub(super) fn keyring(bytes: &[u8]) {
    let Ok(keyring) = Keyring::parse(bytes) else { return };
    assert_eq!(keyring.digest(), Digest::of(bytes));
    assert!(!keyring.keys().is_empty() || !keyring.skipped().is_empty());
    let changes = KeyChanges::between(&[&keyring], &keyring);
    assert_eq!(changes.told(), [""; 0]);
}

/// What `tests/fixtures/provenance/make` signed.
static GOOD: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::parse(include_bytes!("../../tests/fixtures/provenance/good.gpg")).unwrap());
/// Of which charts: its other files are where the fuzzer begins, too.
const SIGNED_CHARTS: [(&str, &str); 3] = [("demo", "1.2.3"), ("demo", "9.9.9"), ("evil", "1.2.3")];
const SIGNED: &[u8] = include_bytes!("../../tests/fixtures/provenance/good.prov");

/// Nobody but the key's holder says anything: whatever passes for signed is what was signed.
pub(super) fn provenance(bytes: &[u8]) {
    match check(bytes, &GOOD) {
        Ok(facts) => {
            let chart = (facts.name(), facts.version());
            assert!(SIGNED_CHARTS.contains(&chart), "{chart:?}");
        }
        Err(error) => assert!(error.to_string().chars().count() < 2_000, "{error}"),
    }
}

/// The same where only the signature's packets differ: they are armored here, so that bytes of packets are what varies.
pub(super) fn packets(bytes: &[u8]) {
    use base64::Engine as _;
    let text = std::str::from_utf8(SIGNED).unwrap();
    let (head, _) = text.split_once("-----BEGIN PGP SIGNATURE-----").unwrap();
    let mut prov = format!("{head}-----BEGIN PGP SIGNATURE-----\n\n");
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    for line in encoded.as_bytes().chunks(64) {
        prov.extend([std::str::from_utf8(line).unwrap(), "\n"]);
    }
    prov += "-----END PGP SIGNATURE-----\n";
    provenance(prov.as_bytes());
    keyring(bytes);
}
