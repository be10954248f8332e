//! What is attached to an image manifest: by us and by `oras`, on a registry without the referrers API, on one with it, and in a
//! layout, each read by both.

use std::collections::{BTreeMap, BTreeSet};

use chartsync::http::{Credentials, Limits};
use chartsync::oci::{Descriptor, IMAGE_MANIFEST, Repository};
use chartsync::registry::{Artifact, ListedBy, Referrers, Registries, Registry as Opened};
use chartsync::settings::{Access, RegistrySettings};
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::charts::{Desk, docker_config};
use crate::support::images::Image;
use crate::support::registry::{Auth, Kind, Registry};
use crate::support::tools::Tool;

const HOST: &str = "charts.example";

/// A repository with one chart, and how other tools call it.
struct Place {
    desk: Desk,
    /// Absent for a layout.
    server: Option<Registry>,
    repository: Repository,
    subject: Descriptor,
}

impl Place {
    async fn new(server: Option<Registry>) -> Self {
        let desk = Desk::new();
        let host = server.as_ref().map_or(HOST.to_owned(), Registry::host);
        let repository: Repository = format!("{host}/charts/web").parse().unwrap();
        let image = Image::chart("web", "1.0.0", "", None);
        let subject = Descriptor::of(IMAGE_MANIFEST, &image.manifest);
        desk.write("config.json", docker_config(&[host]));
        let place = Self { desk, server, repository, subject };
        let opened = place.open();
        for blob in image.blobs {
            opened.push_blob(&place.repository, &Descriptor::of("", &blob), blob.into()).await.unwrap();
        }
        let reference = place.repository.tagged("1.0.0".parse().unwrap());
        opened.push_manifest(&reference, IMAGE_MANIFEST, image.manifest.into()).await.unwrap();
        if let Some(server) = &place.server {
            server.front().take();
        }
        place
    }

    /// As a new process has it, which has learnt nothing yet.
    fn open(&self) -> Opened {
        let access = match self.server {
            Some(_) => Access::PlainHttp,
            None => Access::Layout("layouts".parse().unwrap()),
        };
        let settings = RegistrySettings { access, ..RegistrySettings::default() };
        let settings = BTreeMap::from([(self.repository.host().to_owned(), settings)]);
        let credentials = Credentials::from_files(vec![self.desk.path("config.json")]);
        let registries = Registries::with(&self.desk.path(""), &settings, credentials, Limits::default()).unwrap();
        registries.at(&self.repository).for_push()
    }

    fn artifact(&self, layer: &str) -> Artifact {
        let annotations = BTreeMap::from([("org.example.layer".to_owned(), layer.to_owned())]);
        let layer = layer.as_bytes().to_vec().into();
        Artifact::new(self.subject.clone(), "application/x-ours", "text/plain", layer, annotations)
    }

    async fn referrers(&self) -> Referrers {
        self.open().referrers(&self.repository, &self.subject.digest).await.unwrap()
    }

    async fn fallback_index(&self) -> Referrers {
        self.open().fallback_index(&self.repository, &self.subject.digest).await.unwrap()
    }

    /// The chart, as oras is told of it.
    fn for_oras(&self) -> String {
        match self.server {
            Some(_) => format!("--plain-http {}:1.0.0", self.repository),
            None => "--oci-layout layouts/charts/web:1.0.0".to_owned(),
        }
    }

    /// `oras attach`; gives the digest.
    fn oras_attaches(&self, note: &str) -> String {
        self.desk.write("note.txt", note);
        let words = format!("attach --format json --artifact-type application/x-theirs {} note.txt", self.for_oras());
        let said: Value = serde_json::from_slice(&self.desk.run(Tool::Oras, &words).ok().stdout).unwrap();
        said["digest"].as_str().unwrap().to_owned()
    }

    /// What `oras discover` finds.
    fn oras_discovers(&self) -> BTreeSet<String> {
        discovered(&self.desk, &self.for_oras())
    }
}

fn discovered(desk: &Desk, reference: &str) -> BTreeSet<String> {
    let said = desk.run(Tool::Oras, &format!("discover --format json {reference}")).ok().stdout;
    let said: Value = serde_json::from_slice(&said).unwrap();
    let referrers = said["referrers"].as_array().unwrap().iter();
    referrers.map(|referrer| referrer["digest"].as_str().unwrap().to_owned()).collect()
}

fn digests(referrers: &Referrers) -> BTreeSet<String> {
    assert_eq!(referrers.cut, None);
    referrers.listed.iter().map(|referrer| referrer.descriptor.digest.to_string()).collect()
}

fn set<const N: usize>(digests: [&String; N]) -> BTreeSet<String> {
    digests.into_iter().cloned().collect()
}

/// Ours and theirs in turn; `api` is what lists, and whether oras relies on it alone.
async fn side_by_side(place: Place, by: ListedBy) {
    let none = place.referrers().await;
    assert_eq!((digests(&none).len(), none.by), (0, by));
    let (first, second) = (place.artifact("first"), place.artifact("second"));
    let attached = place.open().attach(&place.repository, &first).await.unwrap();
    assert_eq!((attached.indexed, attached.writes), (by == ListedBy::Api, 1));
    let first = first.descriptor().digest.to_string();
    assert_eq!(place.oras_discovers(), set([&first]));
    let theirs = place.oras_attaches("theirs");
    place.open().attach(&place.repository, &second).await.unwrap();
    let second = second.descriptor().digest.to_string();

    let all = set([&first, &theirs, &second]);
    let found = place.referrers().await;
    assert_eq!(digests(&found), all);
    for referrer in &found.listed {
        let ours = referrer.descriptor.digest.to_string() != theirs;
        let expected = if ours { "application/x-ours" } else { "application/x-theirs" };
        assert_eq!(referrer.artifact_type.as_deref(), Some(expected));
        assert_eq!(referrer.descriptor.media_type, IMAGE_MANIFEST);
        let bytes = place.open().manifest(&place.repository, &referrer.descriptor.digest).await.unwrap();
        assert_eq!(bytes.len() as u64, referrer.descriptor.size);
    }
    let fallback = digests(&place.fallback_index().await);
    // Where the API lists it, oras writes no tag; in a layout it never does.
    let by_tag = by == ListedBy::FallbackTag && place.server.is_some();
    assert_eq!(fallback, if by_tag { all.clone() } else { set([&first, &second]) });
    assert_eq!(place.oras_discovers(), all);
    let others = place.oras_attaches("others");
    assert_eq!(digests(&place.referrers().await), &all | &set([&others]));
    let tags = place.open().tags(&place.repository).await.unwrap();
    let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["1.0.0".to_owned(), place.subject.digest.fallback_tag().to_string()]);
}

#[tokio::test]
async fn distribution_lists_by_the_fallback_tag() {
    needs!(Tool::Distribution, Tool::Oras);
    side_by_side(Place::new(Some(Registry::start(Kind::Distribution))).await, ListedBy::FallbackTag).await;
}

#[tokio::test]
async fn olareg_lists_by_its_api() {
    needs!(Tool::Olareg, Tool::Oras);
    side_by_side(Place::new(Some(Registry::start(Kind::Olareg))).await, ListedBy::Api).await;
}

#[tokio::test]
async fn layouts_list_what_oras_and_we_attach() {
    needs!(Tool::Oras);
    side_by_side(Place::new(None).await, ListedBy::FallbackTag).await;
}

#[tokio::test]
async fn twenty_attached_at_once_are_all_listed() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Oras);
    let servers = [Some(Registry::start(Kind::Distribution)), Some(Registry::start(Kind::Olareg)), None];
    for server in servers {
        let place = Place::new(server).await;
        let theirs = place.oras_attaches("theirs");
        let artifacts: Vec<_> = (0..20).map(|number| place.artifact(&format!("layer {number}"))).collect();
        let opened = place.open();
        for attached in join_all(artifacts.iter().map(|artifact| opened.attach(&place.repository, artifact))).await {
            assert_eq!(attached.unwrap().writes, 1);
        }
        let mut expected: BTreeSet<_> =
            artifacts.iter().map(|artifact| artifact.descriptor().digest.to_string()).collect();
        assert!(digests(&place.fallback_index().await).is_superset(&expected));
        expected.insert(theirs);
        assert_eq!(digests(&place.referrers().await), expected);
        assert_eq!(place.oras_discovers(), expected);
    }
}

/// oras carries a layout to a registry and back, referrers and all.
#[tokio::test]
async fn what_was_attached_travels_with_oras() {
    needs!(Tool::Distribution, Tool::Oras);
    let place = Place::new(None).await;
    let one = place.artifact("one");
    place.open().attach(&place.repository, &one).await.unwrap();
    let one = set([&one.descriptor().digest.to_string()]);
    let there = Place::new(Some(Registry::start(Kind::Distribution))).await;
    let to = format!("{}/copied", there.repository);
    let carried = format!("cp -r --from-oci-layout layouts/charts/web:1.0.0 --to-plain-http {to}:1.0.0");
    place.desk.run(Tool::Oras, &carried).ok();
    assert_eq!(discovered(&place.desk, &format!("--plain-http {to}:1.0.0")), one);
    let copied: Repository = to.parse().unwrap();
    let found = there.open().referrers(&copied, &there.subject.digest).await.unwrap();
    assert_eq!((digests(&found), found.by), (one.clone(), ListedBy::FallbackTag));

    std::fs::create_dir_all(place.desk.path("layouts/charts")).unwrap();
    let back = format!("cp -r --from-plain-http {to}:1.0.0 --to-oci-layout layouts/charts/web/back:1.0.0");
    place.desk.run(Tool::Oras, &back).ok();
    let back = place.repository.join("back").unwrap();
    let found = place.open().referrers(&back, &place.subject.digest).await.unwrap();
    assert_eq!(digests(&found), one);
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    let mut counts: Vec<_> = expected.iter().map(|(what, times)| ((*what).to_owned(), *times)).collect();
    counts.sort();
    counts
}

const BLOB: [(&str, usize); 2] = [("POST upload", 1), ("PUT upload", 1)];
const BLOBS: [(&str, usize); 2] = [("POST upload", 2), ("PUT upload", 2)];
const LISTED: [(&str, usize); 3] = [("PUT manifest", 1), ("GET tag", 2), ("PUT tag", 1)];

/// Looks, attaches, looks, attaches another, looks: what is sent each time.
async fn counted(server: Registry, authorization: &[(&str, usize)], looks: [&[(&str, usize)]; 2]) {
    let place = Place::new(Some(server)).await;
    let front = place.server.as_ref().unwrap().front();
    let opened = place.open();
    let digest = &place.subject.digest;
    let look = async || opened.referrers(&place.repository, digest).await.unwrap().listed.len();
    assert_eq!(look().await, 0);
    assert_eq!(front.take_counts(), counts(&[authorization, looks[0]].concat()));
    for (number, blobs) in [BLOBS, BLOB].into_iter().enumerate() {
        opened.attach(&place.repository, &place.artifact(&format!("layer {number}"))).await.unwrap();
        assert_eq!(front.take_counts(), counts(&[&blobs[..], &LISTED].concat()));
        assert_eq!(look().await, number + 1);
        assert_eq!(front.take_counts(), counts(looks[1]));
    }
    opened.attach(&place.repository, &place.artifact("layer 0")).await.unwrap();
    assert_eq!(front.take_counts(), counts(&[&BLOB[..], &[("PUT manifest", 1), ("GET tag", 1)]].concat()));
}

#[tokio::test]
async fn attaching_takes_the_promised_requests() {
    needs!(Tool::Distribution, Tool::Olareg);
    let missing: [&[_]; 2] = [&[("GET referrers", 1), ("GET tag", 1)], &[("GET tag", 1)]];
    let by_api: [&[_]; 2] = [&[("GET referrers", 1)], &[("GET referrers", 1)]];
    counted(Registry::start(Kind::Distribution), &[("GET base", 1)], missing).await;
    counted(Registry::distribution(Auth::Token), &[("GET base", 1), ("GET token", 1)], missing).await;
    counted(Registry::start(Kind::Olareg), &[("GET base", 1)], by_api).await;
}
