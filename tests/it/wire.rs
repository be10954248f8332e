//! Requests, counted on the wire against distribution. Exact: one more is a regression, one less a better README.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::process::spawn;
use crate::support::registry::{Auth, Registry};
use crate::support::tls::Tls;
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

/// Charts, each in a repository of its own, so that a token serves one repository.
const CHARTS: [&str; 3] = ["api", "web", "worker"];
const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];
/// Config, archive and provenance.
const BLOBS: usize = 3;

struct Wire {
    source: Registry,
    destination: Registry,
    workspace: Workspace,
}

impl Wire {
    /// Registries with charts that are pinned and not yet published.
    fn new(auth: Auth) -> Self {
        let (source, destination, desk) = (Registry::distribution(auth), Registry::distribution(auth), Desk::new());
        let hosts = [source.host(), destination.host()];
        let workspace = Workspace::new(&destination.repository("charts")).plain_http(&hosts[0]).plain_http(&hosts[1]);
        if auth != Auth::None {
            desk.log_in(&hosts);
            workspace.log_in(&hosts);
        }
        let key = Key::new("Releases <releases@example.org>");
        for chart in CHARTS {
            for version in VERSIONS {
                desk.publish(Tool::Helm4, &source.repository("upstream"), chart, version, Some(&key));
            }
            let (from, to) = (format!("upstream/{chart}"), format!("charts/{chart}"));
            let trust = workspace.signed_by(&key);
            workspace.mirror(chart, &source.repository(&from), &destination.repository(&to), &VERSIONS, &trust);
        }
        workspace.run("lock").ok();
        Self { source, destination, workspace }
    }

    /// Asserts what `chartsync <words>` asks of source and destination, told as in [`label`](crate::support::front::label).
    #[track_caller]
    fn check(&self, words: &str, source: &[(&str, usize)], destination: &[(&str, usize)]) {
        self.source.front().take();
        self.destination.front().take();
        let ran = self.workspace.run(words).ok();
        let counts = [self.source.front().take_counts(), self.destination.front().take_counts()];
        let expect = |side: &[(&str, usize)]| -> Vec<(String, usize)> {
            let mut side: Vec<_> =
                side.iter().filter(|(_, times)| *times > 0).map(|(what, times)| ((*what).to_owned(), *times)).collect();
            side.sort();
            side
        };
        assert_eq!(counts, [expect(source), expect(destination)], "{words}\n{ran}");
    }
}

/// Per chart: HEAD there, HEAD here, GET the image manifest, GET each blob, POST and PUT each, PUT the tag, GET it back.
/// Beyond that, one challenge per registry that wants or gets credentials, and one token per repository and side.
fn check_costs(auth: Auth) {
    let wire = Wire::new(auth);
    let n = CHARTS.len() * VERSIONS.len();
    let authorization = [
        ("GET base", usize::from(auth != Auth::None)),
        ("GET token", if auth == Auth::Token { CHARTS.len() } else { 0 }),
    ];
    let with = |requests: &[(&'static str, usize)]| [&authorization, requests].concat();
    let read = with(&[("HEAD tag", n), ("GET manifest", n), ("GET blob", BLOBS * n)]);
    let write =
        with(&[("HEAD tag", n), ("POST upload", BLOBS * n), ("PUT upload", BLOBS * n), ("PUT tag", n), ("GET tag", n)]);

    // What lock fetched is cached: only the tags are asked for.
    wire.check("plan", &with(&[("HEAD tag", n)]), &with(&[("HEAD tag", n)]));
    // As in a fresh checkout on another machine.
    wire.workspace.forget_cache();
    wire.check("apply", &read, &write);
    // Nothing to do: the destination is asked once a chart, the source not at all.
    wire.check("apply", &[], &with(&[("HEAD tag", n)]));
    wire.check("plan", &[], &with(&[("HEAD tag", n)]));
}

#[test]
fn requests_without_credentials() {
    needs!(Tool::Distribution, Tool::Helm4);
    check_costs(Auth::None);
}

#[test]
fn requests_with_a_password() {
    needs!(Tool::Distribution, Tool::Helm4);
    check_costs(Auth::Basic);
}

#[test]
fn requests_with_tokens() {
    needs!(Tool::Distribution, Tool::Helm4);
    check_costs(Auth::Token);
}

/// Another image of the same blobs lies in the repository. The request that begins an upload says that it may be there, so
/// that none is sent.
#[test]
fn requests_when_every_blob_is_already_there() {
    needs!(Tool::Distribution, Tool::Oras);
    let (source, destination, desk) =
        (Registry::distribution(Auth::None), Registry::distribution(Auth::None), Desk::new());
    let key = Key::new("Releases <releases@example.org>");
    let image = Image::chart("web", "1.0.0", "", Some(&key));
    let (from, to) = (source.repository("upstream/web"), destination.repository("charts/web"));
    let layout = desk.path("layout");
    image.put(&layout, "1.0.0");
    image.annotated("elsewhere").put(&layout, "elsewhere");
    let copy = |tag: &str, to: &str| {
        let words = format!("cp --from-oci-layout {}:{tag} --to-plain-http {to}:{tag}", layout.display());
        desk.run(Tool::Oras, &words).ok();
    };
    copy("1.0.0", &from);
    copy("elsewhere", &to);
    let workspace =
        Workspace::new(&destination.repository("charts")).plain_http(&source.host()).plain_http(&destination.host());
    workspace.mirror("web", &from, &to, &["1.0.0"], &workspace.signed_by(&key));
    workspace.run("lock").ok();
    workspace.forget_cache();
    let wire = Wire { source, destination, workspace };
    let source = [("HEAD tag", 1), ("GET manifest", 1), ("GET blob", BLOBS)];
    // What is said to be there is looked at.
    let destination = [("HEAD tag", 1), ("POST upload", BLOBS), ("HEAD blob", BLOBS), ("PUT tag", 1), ("GET tag", 1)];
    wire.check("apply", &source, &destination);
}

/// A chart is finished before many are begun: twice as many at most as the destination takes requests at once.
#[test]
fn charts_are_finished_before_many_are_begun() {
    const AT_ONCE: usize = 2;
    needs!(Tool::Distribution);
    let destination = Registry::distribution(Auth::None);
    let workspace = Workspace::new(&destination.repository("charts")).plain_http(&destination.host());
    let workspace = workspace.with_settings(&format!("concurrency = {AT_ONCE}")).layout("upstream.example", "upstream");
    for name in (0..24).map(|number| format!("chart-{number}")) {
        Image::chart(&name, "1.0.0", "", None).put(&workspace.path(&format!("upstream/{name}")), "1.0.0");
        let (from, to) = (format!("upstream.example/{name}"), destination.repository(&format!("charts/{name}")));
        workspace.mirror(&name, &from, &to, &["1.0.0"], &unsigned());
    }
    workspace.run("lock").ok();
    destination.front().take();
    workspace.run("apply").ok();
    let (mut begun, mut most) = (BTreeSet::new(), 0);
    for (method, path) in destination.front().take() {
        let chart = path.split('/').nth(3).unwrap_or_default().to_owned();
        match method.as_str() {
            "POST" => drop(begun.insert(chart)),
            "PUT" if path.contains("/manifests/") => drop(begun.remove(&chart)),
            _ => {}
        }
        most = most.max(begun.len());
    }
    assert!((1..=2 * AT_ONCE).contains(&most), "{most} charts at once");
}

/// Source and destination on one registry: blobs are mounted, and the token to upload allows to read the source.
fn check_mounting(auth: Auth) {
    let (registry, desk) = (Registry::distribution(auth), Desk::new());
    let host = registry.host();
    let workspace = Workspace::new(&registry.repository("charts")).plain_http(&host);
    if auth != Auth::None {
        desk.log_in(std::slice::from_ref(&host));
        workspace.log_in(std::slice::from_ref(&host));
    }
    let key = Key::new("Releases <releases@example.org>");
    desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", "1.0.0", Some(&key));
    let (from, to) = (registry.repository("upstream/web"), registry.repository("charts/web"));
    workspace.mirror("web", &from, &to, &["1.0.0"], &workspace.signed_by(&key));
    workspace.run("lock").ok();
    workspace.forget_cache();
    registry.front().take();
    let ran = workspace.run("apply").ok();
    let mut expected = vec![
        ("HEAD tag", 2),
        ("GET manifest", 1),
        ("GET blob", BLOBS),
        ("POST upload", BLOBS),
        ("HEAD blob", BLOBS),
        ("PUT tag", 1),
        ("GET tag", 1),
    ];
    expected.extend((auth != Auth::None).then_some(("GET base", 1)));
    // One to read the source, one for the destination, one to mount from the one to the other.
    expected.extend((auth == Auth::Token).then_some(("GET token", 3)));
    let mut expected: Vec<_> = expected.into_iter().map(|(what, times)| (what.to_owned(), times)).collect();
    expected.sort();
    assert_eq!(registry.front().take_counts(), expected, "{ran}");
    workspace.run("verify").ok();
}

#[test]
fn requests_within_one_registry() {
    needs!(Tool::Distribution, Tool::Helm4);
    [Auth::None, Auth::Basic, Auth::Token].into_iter().for_each(check_mounting);
}

/// What a client says first to a server that offers HTTP/2 as well as HTTP/1.1.
fn first_words(listener: &TcpListener, tls: &Tls) -> String {
    let certificate = CertificateDer::from_pem_file(&tls.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&tls.key).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (stream, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
    let mut words = [0; 14];
    stream.read_exact(&mut words).unwrap();
    String::from_utf8_lossy(&words).into_owned()
}

#[test]
fn http_2_is_spoken_where_it_is_offered() {
    let dir = TempDir::new().unwrap();
    let tls = Tls::new(dir.path());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let host = listener.local_addr().unwrap();
    let mut workspace = Workspace::new(&format!("{host}/charts"));
    workspace.set("SSL_CERT_FILE", &tls.authority);
    workspace.mirror("web", &format!("{host}/upstream/web"), &format!("{host}/charts/web"), &["1.0.0"], &unsigned());
    let server = thread::spawn(move || first_words(&listener, &tls));
    let lock = spawn(workspace.command().arg("lock"));
    assert_eq!(server.join().unwrap(), "PRI * HTTP/2.0");
    // Nobody is there any more who could answer.
    lock.signal("KILL");
    lock.wait();
}
