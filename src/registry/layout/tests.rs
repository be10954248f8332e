mod referrers;

use std::collections::BTreeMap;

use super::*;
use crate::http::Credentials;
use crate::oci::IMAGE_MANIFEST;
use crate::registry::{Registries, Registry};
use crate::settings::{Access, RegistrySettings};

const HOST: &str = "upstream.example";

struct Fixture {
    root: tempfile::TempDir,
    registry: Registry,
    repository: Repository,
}

impl Fixture {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let root = tempfile::tempdir().unwrap();
        let access = Access::Layout("registry/upstream".parse().unwrap());
        let settings = BTreeMap::from([(HOST.to_owned(), RegistrySettings { access, ..Default::default() })]);
        let repository: Repository = format!("{HOST}/charts/a").parse().unwrap();
        let registry =
            Registries::with(root.path(), &settings, Credentials::default(), limits).unwrap().at(&repository);
        Self { root, registry, repository }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.path().join("registry/upstream/charts/a").join(file)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    async fn push_blob(&self, bytes: &'static [u8]) -> Descriptor {
        let blob = Descriptor::of("text/plain", bytes);
        self.registry.push_blob(&self.repository, &blob, Bytes::from_static(bytes)).await.unwrap();
        blob
    }

    async fn push(&self, reference: &Reference, manifest: &[u8]) -> Result<(), RegistryError> {
        self.registry.push_manifest(reference, IMAGE_MANIFEST, Bytes::copy_from_slice(manifest)).await
    }

    fn tagged(&self, tag: &str) -> Reference {
        self.repository.tagged(tag.parse().unwrap())
    }
}

fn manifest_of(blob: &Descriptor) -> Vec<u8> {
    let blob = format!(r#"{{"mediaType":"{}","digest":"{}","size":{}}}"#, blob.media_type, blob.digest, blob.size);
    format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[{blob}]}}"#).into_bytes()
}

#[tokio::test]
async fn what_was_pushed_is_read_back() {
    let fixture = Fixture::new();
    let reference = fixture.tagged("1.0.0");
    let missing = fixture.registry.resolve(&reference).await.unwrap_err();
    assert!(matches!(missing, RegistryError::NotFound { .. }), "{missing}");
    assert!(!fixture.path("").exists(), "reading makes nothing");

    let blob = fixture.push_blob(b"one").await;
    let manifest = manifest_of(&blob);
    fixture.push(&reference, &manifest).await.unwrap();

    let digest = Digest::of(&manifest);
    let size = Some(manifest.len() as u64);
    let expected = Observation { digest, media_type: Some(IMAGE_MANIFEST.into()), size };
    assert_eq!(fixture.registry.resolve(&reference).await.unwrap(), expected);
    assert_eq!(fixture.registry.resolve(&fixture.repository.at(digest)).await.unwrap(), expected);
    assert_eq!(fixture.registry.manifest(&fixture.repository, &digest).await.unwrap(), manifest);
    let (media_type, bytes) = fixture.registry.manifest_by_tag(&reference).await.unwrap();
    assert_eq!((media_type.as_str(), &bytes[..]), (IMAGE_MANIFEST, &manifest[..]));
    assert_eq!(fixture.registry.blob(&fixture.repository, &blob).await.unwrap(), &b"one"[..]);
    assert_eq!(fixture.registry.tags(&fixture.repository).await.unwrap(), ["1.0.0".parse().unwrap()]);
    assert_eq!(fixture.read("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert!(!fixture.path(TEMPORARY).exists());
}

#[tokio::test]
async fn an_image_manifest_needs_its_blobs() {
    let fixture = Fixture::new();
    let manifest = manifest_of(&Descriptor::of("text/plain", b"never pushed"));
    let error = fixture.push(&fixture.tagged("1"), &manifest).await.unwrap_err();
    assert!(matches!(error, RegistryError::BlobUnknown { .. }), "{error}");
    assert!(!fixture.path("index.json").exists());
    let wrong = fixture.repository.at(Digest::of(b"other"));
    let error = fixture.push(&wrong, &manifest).await.unwrap_err();
    assert!(matches!(error, RegistryError::Integrity { .. }), "{error}");
}

#[tokio::test]
async fn the_index_keeps_what_it_does_not_know_and_has_one_order() {
    let fixture = Fixture::new();
    let [one, two] = [manifest_of(&fixture.push_blob(b"one").await), manifest_of(&fixture.push_blob(b"two").await)];
    let [first, second] = [Digest::of(&one), Digest::of(&two)];
    fixture.push(&fixture.repository.at(first), &one).await.unwrap();
    fixture.push(&fixture.repository.at(first), &one).await.unwrap();
    assert_eq!(fixture.read("index.json").matches("digest").count(), 1, "once, without a name");

    fixture.push(&fixture.tagged("b"), &one).await.unwrap();
    fixture.push(&fixture.tagged("a"), &one).await.unwrap();
    let index = fixture.read("index.json");
    assert_eq!(index.matches("digest").count(), 2, "the entry without a name got one: {index}");

    let foreign = index.replace("\"schemaVersion\"", "\"annotations\": {\"made.by\": \"hand\"},\n  \"schemaVersion\"");
    let foreign = foreign.replacen("\"size\"", "\"artifactType\": \"x/y\", \"size\"", 1);
    fs::write(fixture.path("index.json"), foreign).unwrap();
    fixture.push(&fixture.tagged("b"), &two).await.unwrap();
    fixture.push(&fixture.tagged("a"), &two).await.unwrap();
    let index = fixture.read("index.json");
    assert!(index.contains("made.by") && index.contains("x/y"), "{index}");
    assert_eq!(index.matches(&first.to_string()).count(), 1, "what lost its name stays, once: {index}");
    assert_eq!(index.matches(&second.to_string()).count(), 2, "{index}");
    assert!(index.find("\"a\"").unwrap() < index.find("\"b\"").unwrap(), "{index}");

    fixture.push(&fixture.tagged("a"), &two).await.unwrap();
    assert_eq!(fixture.read("index.json"), index, "the same again changes nothing");
}

#[tokio::test]
async fn names_are_read_as_crane_writes_them() {
    let fixture = Fixture::new();
    let manifest = manifest_of(&fixture.push_blob(b"one").await);
    fixture.push(&fixture.tagged("placeholder"), &manifest).await.unwrap();
    let index = fixture.read("index.json");
    let rewrite = |name: &str| fs::write(fixture.path("index.json"), index.replace("placeholder", name)).unwrap();
    rewrite(&format!("{HOST}/charts/a:1.0.0"));
    assert_eq!(fixture.registry.resolve(&fixture.tagged("1.0.0")).await.unwrap().digest, Digest::of(&manifest));
    assert_eq!(fixture.registry.tags(&fixture.repository).await.unwrap(), ["1.0.0".parse().unwrap()]);
    rewrite(&format!("{HOST}/charts/other:1.0.0"));
    assert!(fixture.registry.resolve(&fixture.tagged("1.0.0")).await.is_err());
    assert_eq!(fixture.registry.tags(&fixture.repository).await.unwrap(), []);
}

#[tokio::test]
async fn damaged_layouts_are_told() {
    let fixture = Fixture::new();
    let blob = fixture.push_blob(b"one").await;
    let manifest = manifest_of(&blob);
    let reference = fixture.tagged("1");
    fixture.push(&reference, &manifest).await.unwrap();
    let index = fixture.read("index.json");
    let check = async |content: &str, says: &str| {
        fs::write(fixture.path("index.json"), content).unwrap();
        let error = fixture.registry.resolve(&reference).await.unwrap_err().to_string();
        assert!(error.contains(says), "{content}: {error}");
    };
    check("", "clean JSON").await;
    check("[]", "not an object").await;
    check(r#"{"manifests":{}}"#, "not a list").await;
    check(r#"{"manifests":[1]}"#, "not an object").await;
    check(r#"{"manifests":[],"Manifests":[]}"#, "stands twice").await;
    check(&index.replace("sha256:", "md5:"), "wrong digest").await;
    check(&index.replace("\"size\"", "\"Größe\""), "no size").await;
    check(&index.replace("\"size\": ", "\"size\": 1"), "bytes instead of").await;
    let twin = index.replace("\n  ],", ",{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1,\"annotations\":{\"org.opencontainers.image.ref.name\":\"1\"}}],");
    check(&twin, "to two image manifests").await;

    fs::write(fixture.path("index.json"), &index).unwrap();
    fs::write(fixture.blob_path(&blob.digest), "0ne").unwrap();
    let error = fixture.registry.blob(&fixture.repository, &blob).await.unwrap_err();
    assert!(matches!(error, RegistryError::Integrity { .. }), "{error}");
    for content in ["on", "one more"] {
        fs::write(fixture.blob_path(&blob.digest), content).unwrap();
        let error = fixture.registry.blob(&fixture.repository, &blob).await.unwrap_err();
        assert!(matches!(error, RegistryError::Integrity { .. }), "{error}");
    }
    fixture.push_blob(b"one").await;
    assert_eq!(fixture.registry.blob(&fixture.repository, &blob).await.unwrap(), &b"one"[..], "pushing repairs");

    fs::remove_file(fixture.blob_path(&Digest::of(&manifest))).unwrap();
    let error = fixture.registry.resolve(&reference).await.unwrap_err();
    assert!(matches!(error, RegistryError::Integrity { .. }), "{error}");
    fs::write(fixture.path(MARKER), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    let error = fixture.registry.resolve(&reference).await.unwrap_err().to_string();
    assert!(error.contains("not an OCI layout"), "{error}");
}

#[tokio::test]
async fn files_over_their_limit_are_not_read() {
    let fixture = Fixture::with_limits(Limits { index: 200, manifest: 20, ..Limits::default() });
    let manifest = manifest_of(&fixture.push_blob(b"one").await);
    fixture.push(&fixture.tagged("1"), &manifest).await.unwrap();
    let error = fixture.registry.resolve(&fixture.tagged("1")).await.unwrap_err().to_string();
    assert!(error.contains("over the limit of 200 bytes"), "{error}");
    let error = fixture.registry.manifest(&fixture.repository, &Digest::of(&manifest)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Protocol { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_layouts_are_refused() {
    use std::os::unix::fs::symlink;

    let fixture = Fixture::new();
    let blob = fixture.push_blob(b"one").await;
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "one").unwrap();
    let path = fixture.blob_path(&blob.digest);
    fs::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    let error = fixture.registry.blob(&fixture.repository, &blob).await.unwrap_err().to_string();
    assert!(error.contains("leads out"), "{error}");

    let inside = fixture.path("elsewhere");
    fs::write(&inside, "one").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&inside, &path).unwrap();
    fixture.registry.blob(&fixture.repository, &blob).await.unwrap();

    let fixture = Fixture::new();
    fs::create_dir_all(fixture.root.path().join("registry")).unwrap();
    symlink(outside.path(), fixture.root.path().join("registry/upstream")).unwrap();
    let bytes = Bytes::from_static(b"one");
    let error = fixture.registry.push_blob(&fixture.repository, &blob, bytes).await.unwrap_err().to_string();
    assert!(error.contains("leads out"), "{error}");
    assert!(!outside.path().join("charts").exists());
}

#[tokio::test]
async fn many_writers_lose_no_entry() {
    let fixture = Fixture::new();
    let manifest = manifest_of(&fixture.push_blob(b"one").await);
    // Registries of their own, as other processes would have.
    let writers = (0..20).map(|number| {
        let access = Access::Layout("registry/upstream".parse().unwrap());
        let settings = BTreeMap::from([(HOST.to_owned(), RegistrySettings { access, ..Default::default() })]);
        let registry = Registries::new(fixture.root.path(), &settings).unwrap().at(&fixture.repository);
        let (reference, manifest) = (fixture.tagged(&format!("v{number}")), manifest.clone());
        async move { registry.push_manifest(&reference, IMAGE_MANIFEST, manifest.into()).await }
    });
    for result in futures_util::future::join_all(writers).await {
        result.unwrap();
    }
    assert_eq!(fixture.registry.tags(&fixture.repository).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_lock_that_is_never_freed_is_an_error() {
    let fixture = Fixture::with_limits(Limits { lock: Duration::from_millis(20), ..Limits::default() });
    let blob = fixture.push_blob(b"one").await;
    let lock = File::options().write(true).open(fixture.path(LOCK)).unwrap();
    lock.lock().unwrap();
    let bytes = Bytes::from_static(b"one");
    let error = fixture.registry.push_blob(&fixture.repository, &blob, bytes).await.unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
}
