//! Registries and layouts through the library: what is sent, exactly, and what other tools make of what was written.

use std::collections::BTreeMap;
use std::path::Path;

use chartsync::http::{Credentials, Limits};
use chartsync::oci::{Digest, IMAGE_MANIFEST, ImageManifest, Reference, Repository};
use chartsync::registry::{Registries, RegistryError};
use chartsync::settings::{Access, RegistrySettings};

use crate::support::charts::{Desk, docker_config};
use crate::support::pgp::Key;
use crate::support::registry::{Auth, Kind, Registry};
use crate::support::tools::Tool;

/// The registries of one run, as its settings describe them, with the credentials of a Docker config or none.
fn open(root: &Path, hosts: &[(String, Access)], config: Option<&Path>) -> Registries {
    let settings = |access: &Access| RegistrySettings { access: access.clone(), ..RegistrySettings::default() };
    let settings: BTreeMap<_, _> = hosts.iter().map(|(host, access)| (host.clone(), settings(access))).collect();
    let credentials = Credentials::from_files(config.map(Path::to_owned).into_iter().collect());
    Registries::with(root, &settings, credentials, Limits::default()).unwrap()
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Copies a chart as a publish does, `B` blobs in `3B + 5` requests, and gives its digest.
async fn publish(registries: &Registries, source: &Reference, destination: &Reference) -> Digest {
    let from = registries.at(&source.repository);
    let to = registries.at(&destination.repository).for_push();
    let absent = to.resolve(destination).await.unwrap_err();
    assert!(matches!(absent, RegistryError::NotFound { .. }), "{absent}");
    let seen = from.resolve(source).await.unwrap();
    assert_eq!(seen.media_type.as_deref(), Some(IMAGE_MANIFEST));
    let bytes = from.manifest(&source.repository, &seen.digest).await.unwrap();
    let image = ImageManifest::parse(&bytes).unwrap();
    for blob in image.layers.iter().chain([&image.config]) {
        let content = from.blob(&source.repository, blob).await.unwrap();
        to.push_blob(&destination.repository, blob, content).await.unwrap();
    }
    to.push_manifest(destination, IMAGE_MANIFEST, bytes.clone()).await.unwrap();
    let (_, back) = to.manifest_by_tag(destination).await.unwrap();
    assert_eq!(back, bytes);
    seen.digest
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    let mut counts: Vec<_> = expected.iter().map(|(what, times)| ((*what).to_owned(), *times)).collect();
    counts.sort();
    counts
}

const READ: [(&str, usize); 3] = [("HEAD tag", 1), ("GET manifest", 1), ("GET blob", 3)];
const WRITTEN: [(&str, usize); 5] =
    [("HEAD tag", 1), ("POST upload", 3), ("PUT upload", 3), ("PUT tag", 1), ("GET tag", 1)];

/// Publishes between two registries and then finds nothing to do; `extra` is what authorization adds on each side.
async fn counted(source: &Registry, destination: &Registry, log_in: bool, extra: [&[(&str, usize)]; 2]) {
    let desk = Desk::new();
    desk.log_in(&[source.host()]);
    desk.publish(Tool::Helm4, &source.repository("from"), "web", "1.0.0+1", Some(&Key::new("A <a@example.org>")));
    let from = reference(&source.repository("from/web:1.0.0_1"));
    let to = reference(&destination.repository("to/web:1.0.0_1"));
    let hosts = [source, destination].map(|registry| (registry.host(), Access::PlainHttp));
    let config = desk.write("config.json", docker_config(&[source.host(), destination.host()]));
    source.front().take();

    let registries = open(desk.path("").as_path(), &hosts, log_in.then_some(&*config));
    let digest = publish(&registries, &from, &to).await;
    let sent: u64 = registries.requests().iter().map(|requests| requests.count).sum();
    let [read, written] = [source, destination].map(|registry| registry.front().take_counts());
    assert_eq!(sent, read.iter().chain(&written).map(|(_, times)| *times as u64).sum::<u64>());
    let with = |requests: &[(&str, usize)], extra: &[(&str, usize)]| counts(&[requests, extra].concat());
    assert_eq!(read, with(&READ, extra[0]));
    assert_eq!(written, with(&WRITTEN, extra[1]));

    let again = open(desk.path("").as_path(), &hosts, log_in.then_some(&*config));
    assert_eq!(again.at(&to.repository).resolve(&to).await.unwrap().digest, digest);
    assert_eq!(again.at(&to.repository).tags(&to.repository).await.unwrap(), ["1.0.0_1".parse().unwrap()]);
    assert!(source.front().take().is_empty());
    assert_eq!(destination.front().take_counts(), with(&[("HEAD tag", 1), ("GET tags", 1)], extra[1]));
}

#[tokio::test]
async fn publishing_takes_the_promised_requests_without_authorization() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4);
    let [distribution, olareg] = [Kind::Distribution, Kind::Olareg].map(Registry::start);
    counted(&distribution, &olareg, false, [&[], &[]]).await;
    let [distribution, olareg] = [Kind::Distribution, Kind::Olareg].map(Registry::start);
    counted(&olareg, &distribution, true, [&[("GET base", 1)], &[("GET base", 1)]]).await;
}

#[tokio::test]
async fn a_password_costs_one_challenge() {
    needs!(Tool::Distribution, Tool::Helm4);
    let [source, destination] = [(); 2].map(|()| Registry::distribution(Auth::Basic));
    counted(&source, &destination, true, [&[("GET base", 1)], &[("GET base", 1)]]).await;
}

#[tokio::test]
async fn a_token_costs_one_challenge_and_one_token() {
    needs!(Tool::Distribution, Tool::Helm4);
    let [source, destination] = [(); 2].map(|()| Registry::distribution(Auth::Token));
    let extra = [("GET base", 1), ("GET token", 1)];
    counted(&source, &destination, true, [&extra, &extra]).await;
}

#[tokio::test]
async fn a_stranger_may_read_with_a_token_and_is_denied_the_rest() {
    needs!(Tool::Distribution, Tool::Helm4);
    let (registry, desk) = (Registry::distribution(Auth::Token), Desk::new());
    desk.log_in(&[registry.host()]);
    desk.publish(Tool::Helm4, &registry.repository("from"), "web", "1.0.0", None);
    registry.front().take();
    let registries = open(desk.path("").as_path(), &[(registry.host(), Access::PlainHttp)], None);
    let from = reference(&registry.repository("from/web:1.0.0"));
    let registry_handle = registries.at(&from.repository);
    registry_handle.resolve(&from).await.unwrap();
    assert_eq!(registry.front().take_counts(), counts(&[("HEAD tag", 2), ("GET token", 1)]));
    let (_, bytes) = registry_handle.manifest_by_tag(&from).await.unwrap();
    let error = registry_handle.push_manifest(&from, IMAGE_MANIFEST, bytes).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { credential: false, .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_denied() {
    needs!(Tool::Distribution);
    let (registry, desk) = (Registry::distribution(Auth::Basic), Desk::new());
    let reference = reference(&registry.repository("a/b:1"));
    let wrong = docker_config(&[registry.host()]).replace("auth\":\"", "auth\":\"d3Jvbmc6d3Jvbmc=\",\"x\":\"");
    let wrong = desk.write("config.json", wrong);
    for config in [None, Some(&*wrong)] {
        let registries = open(desk.path("").as_path(), &[(registry.host(), Access::PlainHttp)], config);
        match registries.at(&reference.repository).resolve(&reference).await.unwrap_err() {
            RegistryError::Denied { credential, .. } => assert_eq!(credential, config.is_some()),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn registries_say_that_a_blob_is_missing() {
    needs!(Tool::Distribution, Tool::Olareg);
    for kind in [Kind::Distribution, Kind::Olareg] {
        let (registry, desk) = (Registry::start(kind), Desk::new());
        let to = reference(&registry.repository("a/b:1"));
        let registries = open(desk.path("").as_path(), &[(registry.host(), Access::PlainHttp)], None);
        let missing = Digest::of(b"missing");
        let part = format!(r#"{{"mediaType":"application/x","digest":"{missing}","size":7}}"#);
        let image =
            format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE_MANIFEST}","config":{part},"layers":[{part}]}}"#);
        let error = registries.at(&to.repository).push_manifest(&to, IMAGE_MANIFEST, image.into()).await.unwrap_err();
        assert!(matches!(error, RegistryError::BlobUnknown { .. }), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn layouts_are_those_of_oras_and_crane() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Oras, Tool::Crane);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    let key = Key::new("A <a@example.org>");
    for version in ["1.0.0", "1.1.0"] {
        desk.publish(Tool::Helm4, &registry.repository("from"), "web", version, Some(&key));
    }
    let layout = |host: &str, folder: &str| (host.to_owned(), Access::Layout(folder.parse().unwrap()));
    let hosts =
        [(registry.host(), Access::PlainHttp), layout("ours.example", "ours"), layout("theirs.example", "theirs")];
    let registries = open(desk.path("").as_path(), &hosts, None);
    let from = |version: &str| reference(&registry.repository(&format!("from/web:{version}")));

    // Ours, read by them: one by its name, and the only one of a layout.
    let first = publish(&registries, &from("1.0.0"), &reference("ours.example/charts/web:1.0.0")).await;
    let to = registry.repository("by-crane:1.0.0");
    desk.run(Tool::Crane, &format!("push ours/charts/web {to}")).ok();
    assert_eq!(desk.digest(&to), first.to_string());
    let second = publish(&registries, &from("1.1.0"), &reference("ours.example/charts/web:1.1.0")).await;
    for (version, digest) in [("1.0.0", first), ("1.1.0", second)] {
        let to = registry.repository(&format!("by-oras:{version}"));
        desk.run(Tool::Oras, &format!("cp --from-oci-layout ours/charts/web:{version} --to-plain-http {to}")).ok();
        assert_eq!(desk.digest(&to), digest.to_string());
    }

    // Theirs, read by us, and added to by us and by them in turn.
    let theirs: Repository = "theirs.example/charts/web".parse().unwrap();
    let copy = |version: &str| {
        let from = from(version);
        desk.run(Tool::Oras, &format!("cp --from-plain-http {from} --to-oci-layout theirs/charts/web:{version}-oras"))
            .ok();
    };
    std::fs::create_dir_all(desk.path("theirs/charts")).unwrap();
    copy("1.0.0");
    publish(
        &registries,
        &theirs.tagged("1.0.0-oras".parse().unwrap()),
        &theirs.join("copy").unwrap().tagged("1".parse().unwrap()),
    )
    .await;
    publish(&registries, &from("1.1.0"), &theirs.tagged("1.1.0".parse().unwrap())).await;
    copy("1.1.0");
    let tags = registries.at(&theirs).tags(&theirs).await.unwrap();
    assert_eq!(tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.0.0-oras", "1.1.0", "1.1.0-oras"]);
    let listed = desk.run(Tool::Oras, "repo tags --oci-layout theirs/charts/web").ok().stdout();
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ["1.0.0-oras", "1.1.0", "1.1.0-oras"]);

    // crane names what it pulls by its whole reference.
    let folder = format!("pulled/{}", "from/web");
    std::fs::create_dir_all(desk.path("pulled/from")).unwrap();
    desk.run(Tool::Crane, &format!("pull --format=oci --annotate-ref {} {folder}", from("1.0.0"))).ok();
    let registries = open(desk.path("").as_path(), &[layout(&registry.host(), "pulled")], None);
    assert_eq!(registries.at(&from("1.0.0").repository).resolve(&from("1.0.0")).await.unwrap().digest, first);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told_once() {
    needs!(Tool::Distribution);
    let (registry, desk) = (Registry::over_tls(), Desk::new());
    let plain = Registry::start(Kind::Distribution);
    for (host, says) in [(registry.host(), "set SSL_CERT_FILE"), (plain.host(), "set `plain-http = true`")] {
        let registries = open(desk.path("").as_path(), &[], None);
        let reference = reference(&format!("{host}/a/b:1"));
        let error = registries.at(&reference.repository).resolve(&reference).await.unwrap_err();
        assert!(matches!(error, RegistryError::Transport { .. }) && error.to_string().contains(says), "{error}");
        assert_eq!(registries.requests()[0].count, 1, "it will be the same next time");
    }
}
