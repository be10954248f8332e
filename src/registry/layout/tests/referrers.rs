use std::collections::BTreeMap;

use super::*;
use crate::oci::IMAGE_INDEX;
use crate::registry::{Artifact, Attached, ListedBy, Referrers};

async fn chart(fixture: &Fixture) -> Descriptor {
    let manifest = manifest_of(&fixture.push_blob(b"chart").await);
    fixture.push(&fixture.tagged("1.0.0"), &manifest).await.unwrap();
    Descriptor::of(IMAGE_MANIFEST, &manifest)
}

fn artifact(subject: &Descriptor, layer: &str) -> Artifact {
    let annotations = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let layer = Bytes::copy_from_slice(layer.as_bytes());
    Artifact::new(subject.clone(), "application/x", "application/layer", layer, annotations)
}

impl Fixture {
    async fn attach(&self, artifact: &Artifact) -> Attached {
        self.registry.attach(&self.repository, artifact).await.unwrap()
    }

    async fn referrers(&self, subject: &Descriptor) -> Referrers {
        self.registry.referrers(&self.repository, &subject.digest).await.unwrap()
    }

    async fn fallback(&self, subject: &Descriptor) -> Result<Referrers, RegistryError> {
        self.registry.fallback_index(&self.repository, &subject.digest).await
    }

    fn rewrite(&self, change: impl Fn(&str) -> String) {
        let (index, changed) = (self.read("index.json"), change(&self.read("index.json")));
        assert_ne!(index, changed);
        fs::write(self.path("index.json"), changed).unwrap();
    }
}

fn digests(referrers: &Referrers) -> Vec<Digest> {
    referrers.listed.iter().map(|referrer| referrer.descriptor.digest).collect()
}

#[tokio::test]
async fn what_was_attached_is_listed() {
    let fixture = Fixture::new();
    let subject = Descriptor::of(IMAGE_MANIFEST, b"nothing is there yet");
    assert_eq!(fixture.referrers(&subject).await.listed, []);
    let subject = chart(&fixture).await;
    assert_eq!(fixture.referrers(&subject).await.listed, []);
    let [one, two] = ["one", "two"].map(|layer| artifact(&subject, layer));
    let digest = one.descriptor().digest;
    assert_eq!(fixture.attach(&one).await, Attached { digest, indexed: false, writes: 1, list: None });
    fixture.attach(&two).await;
    for found in [fixture.referrers(&subject).await, fixture.fallback(&subject).await.unwrap()] {
        assert_eq!(digests(&found), [digest, two.descriptor().digest]);
        assert_eq!((found.by, &found.cut), (ListedBy::FallbackTag, &None));
        assert!(found.listed.iter().all(|referrer| referrer.artifact_type.as_deref() == Some("application/x")));
    }
    assert_eq!(fixture.registry.manifest(&fixture.repository, &digest).await.unwrap(), one.bytes());

    let index = fixture.read("index.json");
    let entries: Value = serde_json::from_str(&index).unwrap();
    let entries = entries["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 4, "the chart, two artifacts, one list: {index}");
    let entry = entries.iter().find(|entry| entry["digest"] == digest.to_string()).unwrap();
    assert_eq!(
        (&entry["artifactType"], &entry["annotations"]),
        (&"application/x".into(), &serde_json::json!({"k": "v"}))
    );
    let tags: Vec<String> =
        fixture.registry.tags(&fixture.repository).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["1.0.0".to_owned(), subject.digest.fallback_tag().to_string()]);

    assert_eq!(fixture.attach(&one).await.writes, 0);
    assert_eq!(fixture.read("index.json"), index, "the same again changes nothing");
    let other = Descriptor::of(IMAGE_MANIFEST, b"other");
    assert_eq!(fixture.referrers(&other).await.listed, []);
}

#[tokio::test]
async fn each_way_of_listing_is_enough() {
    let fixture = Fixture::new();
    let subject = chart(&fixture).await;
    let (one, tag) = (artifact(&subject, "one"), subject.digest.fallback_tag());
    fixture.attach(&one).await;
    // As oras leaves it: no list under the tag.
    fixture.rewrite(|index| index.replace(tag.as_str(), "elsewhere"));
    assert_eq!(fixture.fallback(&subject).await.unwrap().listed, []);
    assert_eq!(digests(&fixture.referrers(&subject).await), [one.descriptor().digest]);
    assert_eq!(fixture.attach(&one).await.writes, 1, "and the list is made again");
    // As a copy of the tag alone has it.
    fixture.rewrite(|index| index.replacen(&one.descriptor().digest.to_string(), &Digest::of(b"gone").to_string(), 1));
    let found = fixture.referrers(&subject).await;
    assert_eq!((digests(&found), found.cut), (vec![one.descriptor().digest], None));
}

#[tokio::test]
async fn what_cannot_be_read_is_never_called_absent() {
    let fixture = Fixture::new();
    let subject = chart(&fixture).await;
    let one = artifact(&subject, "one");
    fixture.attach(&one).await;
    let index = fixture.read("index.json");
    let restore = || fs::write(fixture.path("index.json"), &index).unwrap();
    let tag = subject.digest.fallback_tag();
    let list: Value = serde_json::from_str(&index).unwrap();
    let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag.as_str();
    let list = list["manifests"].as_array().unwrap().iter().find(named).unwrap()["digest"].as_str().unwrap();
    let list = fixture.blob_path(&list.parse().unwrap());
    let kept = fs::read(&list).unwrap();
    let check = async |says: &str| {
        let errors = [
            fixture.registry.referrers(&fixture.repository, &subject.digest).await.unwrap_err(),
            fixture.fallback(&subject).await.unwrap_err(),
            fixture.registry.attach(&fixture.repository, &artifact(&subject, "two")).await.unwrap_err(),
        ];
        for error in errors.map(|error| error.to_string()) {
            assert!(error.contains(says), "{says}: {error}");
        }
    };
    fs::remove_file(&list).unwrap();
    check("whose file is missing").await;
    fs::write(&list, "{}").unwrap();
    check("is damaged").await;
    fs::write(&list, &kept).unwrap();
    fixture.rewrite(|index| index.replace(IMAGE_INDEX, IMAGE_MANIFEST));
    check("something of the media type").await;
    restore();
    fixture.rewrite(|index| index.replace(tag.as_str(), "elsewhere").replace("\"1.0.0\"", &format!("\"{tag}\"")));
    check("something of the media type").await;
    restore();
}

#[tokio::test]
async fn of_a_damaged_image_manifest_nobody_knows_the_subject() {
    let fixture = Fixture::new();
    let subject = chart(&fixture).await;
    let [one, two] = ["one", "two"].map(|layer| artifact(&subject, layer));
    fixture.attach(&one).await;
    fixture.attach(&two).await;
    fixture.rewrite(|index| index.replace(subject.digest.fallback_tag().as_str(), "elsewhere"));
    fs::write(fixture.blob_path(&two.descriptor().digest), "damaged").unwrap();
    let found = fixture.referrers(&subject).await;
    assert_eq!(digests(&found), [one.descriptor().digest]);
    assert!(found.cut.unwrap().contains("is damaged"));
    fs::remove_file(fixture.blob_path(&two.descriptor().digest)).unwrap();
    let found = fixture.referrers(&subject).await;
    assert_eq!((digests(&found), found.cut), (vec![one.descriptor().digest], None), "what is gone is gone");
    fs::remove_file(fixture.blob_path(&one.descriptor().digest)).unwrap();
    assert_eq!(fixture.referrers(&subject).await.listed, [], "also what was read before");
}

#[tokio::test]
async fn a_full_list_changes_nothing() {
    let fixture = Fixture::with_limits(Limits { referrers: 2, ..Limits::default() });
    let subject = chart(&fixture).await;
    let [one, two, three] = ["one", "two", "three"].map(|layer| artifact(&subject, layer));
    fixture.attach(&one).await;
    fixture.attach(&two).await;
    let index = fixture.read("index.json");
    let error = fixture.registry.attach(&fixture.repository, &three).await.unwrap_err().to_string();
    assert!(error.contains("lists 2 already"), "{error}");
    assert_eq!(fixture.read("index.json"), index);
    assert!(!fixture.blob_path(&three.descriptor().digest).exists());
}

#[tokio::test]
async fn many_attach_at_once() {
    let fixture = Fixture::new();
    let subject = chart(&fixture).await;
    let artifacts: Vec<Artifact> = (0..20).map(|number| artifact(&subject, &format!("layer {number}"))).collect();
    let attached = artifacts.iter().map(|artifact| fixture.registry.attach(&fixture.repository, artifact));
    for attached in futures_util::future::join_all(attached).await {
        attached.unwrap();
    }
    assert_eq!(fixture.referrers(&subject).await.listed.len(), 20);
    assert_eq!(fixture.fallback(&subject).await.unwrap().listed.len(), 20);
}
