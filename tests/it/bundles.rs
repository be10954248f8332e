//! What is attached to a published chart, read and replaced as anybody can who may push there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartsync::http::{Credentials, Limits};
use chartsync::oci::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, Repository};
use chartsync::registry::{Registries, Registry};
use chartsync::settings::{Access, RegistrySettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::signed::Signed;

pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What hangs on one version's image manifest.
pub(crate) struct Attached {
    runtime: Runtime,
    registry: Registry,
    repository: Repository,
    pub(crate) subject: Descriptor,
    _dir: TempDir,
}

impl Attached {
    /// To what is published as this version.
    pub(crate) fn to(signed: &Signed, version: &str) -> Self {
        let manifest = signed.desk.manifest(&format!("{}:{version}", signed.repository()));
        let dir = TempDir::new().unwrap();
        let settings = RegistrySettings { access: Access::PlainHttp, ..RegistrySettings::default() };
        let settings = BTreeMap::from([(signed.registry.host(), settings)]);
        let credentials = Credentials::from_files(Vec::new());
        let registries = Registries::with(dir.path(), &settings, credentials, Limits::default()).unwrap();
        let repository: Repository = signed.repository().parse().unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            registry: registries.at(&repository).for_push(),
            subject: Descriptor::of(IMAGE_MANIFEST, &manifest),
            repository,
            _dir: dir,
        }
    }

    /// The digests that consumers find.
    pub(crate) fn listed(&self) -> Vec<String> {
        let listed = self.registry.referrers(&self.repository, &self.subject.digest);
        let listed = self.runtime.block_on(listed).unwrap().listed;
        listed.iter().map(|referrer| referrer.descriptor.digest.to_string()).collect()
    }

    /// One of them: its image manifest and its only layer.
    pub(crate) fn read(&self, digest: &str) -> (Value, Value) {
        self.runtime.block_on(async {
            let image = self.registry.manifest(&self.repository, &digest.parse().unwrap()).await.unwrap();
            let image: Value = serde_json::from_slice(&image).unwrap();
            let layer = &image["layers"][0];
            let size = layer["size"].as_u64().unwrap();
            let digest = layer["digest"].as_str().unwrap().parse().unwrap();
            let blob = Descriptor { size, ..Descriptor { digest, ..Descriptor::of(BUNDLE, b"") } };
            let layer = self.registry.blob(&self.repository, &blob).await.unwrap();
            (image, serde_json::from_slice(&layer).unwrap())
        })
    }

    /// The bundle of the only one.
    pub(crate) fn bundle(&self) -> Value {
        let listed = self.listed();
        assert_eq!(listed.len(), 1, "{listed:?}");
        self.read(&listed[0]).1
    }

    /// The image manifest that attaches these bytes.
    pub(crate) fn image(&self, layer: &[u8]) -> Value {
        let layer = Descriptor::of(BUNDLE, layer);
        let config = Descriptor::of(EMPTY, b"{}");
        let described =
            |of: &Descriptor| json!({"mediaType": of.media_type, "digest": of.digest.to_string(), "size": of.size});
        json!({
            "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "artifactType": BUNDLE,
            "config": described(&config), "layers": [described(&layer)], "subject": described(&self.subject),
        })
    }

    /// Puts an image manifest and its blobs under its digest; gives its entry for [`Self::list`].
    pub(crate) fn put(&self, image: &Value, layer: &[u8]) -> Value {
        let image = image.to_string().into_bytes();
        let descriptor = Descriptor::of(IMAGE_MANIFEST, &image);
        let digest = descriptor.digest;
        self.put_blobs(layer);
        let reference = self.repository.at(digest);
        self.runtime.block_on(self.registry.push_manifest(&reference, IMAGE_MANIFEST, image.into())).unwrap();
        json!({"mediaType": IMAGE_MANIFEST, "digest": digest.to_string(), "size": descriptor.size, "artifactType": BUNDLE})
    }

    /// From now on the fallback tag lists these alone.
    pub(crate) fn list(&self, entries: &[Value]) {
        let index = index(entries);
        let reference = self.repository.tagged(self.subject.digest.fallback_tag());
        self.runtime.block_on(self.registry.push_manifest(&reference, IMAGE_INDEX, index.into())).unwrap();
    }

    /// Writes what cosign of old wrote under `sha256-<hex>.sig`: one layer, everything else in its annotations.
    pub(crate) fn put_legacy(&self, payload: &[u8], annotations: &Value) {
        let (layer, config) = (Descriptor::of("", payload), Descriptor::of("", b"{}"));
        let tag = format!("{}.sig", self.subject.digest.fallback_tag());
        let image = json!({
            "schemaVersion": 2, "mediaType": IMAGE_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.digest.to_string(), "size": config.size,
            },
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": layer.digest.to_string(), "size": layer.size, "annotations": annotations,
            }],
        });
        self.put_blobs(payload);
        let reference = self.repository.tagged(tag.parse().unwrap());
        let image = image.to_string().into_bytes();
        self.runtime.block_on(self.registry.push_manifest(&reference, IMAGE_MANIFEST, image.into())).unwrap();
    }

    fn put_blobs(&self, layer: &[u8]) {
        for blob in [layer.to_vec(), b"{}".to_vec()] {
            let descriptor = Descriptor::of("", &blob);
            self.runtime.block_on(self.registry.push_blob(&self.repository, &descriptor, blob.into())).unwrap();
        }
    }

    /// From now on this bundle alone is attached; gives the digest of what attaches it.
    pub(crate) fn only(&self, bundle: &[u8]) -> String {
        let entry = self.put(&self.image(bundle), bundle);
        self.list(std::slice::from_ref(&entry));
        entry["digest"].as_str().unwrap().to_owned()
    }
}

/// An image index of these entries.
pub(crate) fn index(entries: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}).to_string().into_bytes()
}

/// Changes one byte in the middle of what stands here in base64.
#[track_caller]
pub(crate) fn flip(value: &mut Value) {
    flip_at(value, |len| len / 2);
}

/// Changes one byte of what stands here in base64, which one by its length.
#[track_caller]
pub(crate) fn flip_at(value: &mut Value, at: impl FnOnce(usize) -> usize) {
    let mut bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    *value = STANDARD.encode(bytes).into();
}

/// Edits what stands here as JSON in base64.
#[track_caller]
pub(crate) fn edit_json(value: &mut Value, edit: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
    edit(&mut json);
    *value = STANDARD.encode(json.to_string()).into();
}
