//! A workspace between two sides, for tests that need no tool: folders of layouts, and a registry of images over http.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::support::front::Front;
use crate::support::images::{IMAGE_MANIFEST, Image, digest, named};
use crate::support::pgp::Key;
use crate::support::process::{DEADLINE, Ran};
use crate::support::workspace::Workspace;

pub(crate) const SOURCE: &str = "upstream.example/charts";
pub(crate) const PUBLISH: &str = "charts.example/platform";

/// A workspace with folders of layouts on both sides and a key that its mirrors trust.
pub(crate) struct Sides {
    pub(crate) workspace: Workspace,
    pub(crate) key: Key,
}

impl Sides {
    pub(crate) fn new() -> Self {
        let workspace =
            Workspace::new(PUBLISH).layout("upstream.example", "upstream").layout("charts.example", "published");
        Self { workspace, key: Key::new("Releases <releases@example.org>") }
    }

    /// `web` in these versions, pinned and not yet published.
    pub(crate) fn pinned(versions: &[&str]) -> Self {
        let sides = Self::new();
        for version in versions {
            sides.upstream("web", version, "");
        }
        sides.mirror("web", versions);
        sides.workspace.run("lock").ok();
        sides
    }

    /// `web` 1.0.0, pinned and published.
    pub(crate) fn published() -> (Self, Image) {
        let sides = Self::pinned(&["1.0.0"]);
        sides.workspace.run("apply").ok();
        let image = sides.image("web", "1.0.0");
        (sides, image)
    }

    /// Puts a signed chart upstream.
    pub(crate) fn upstream(&self, chart: &str, version: &str, salt: &str) -> Image {
        self.upstream_by(chart, version, salt, Some(&self.key))
    }

    /// Puts a chart upstream, signed by this key or by nobody.
    pub(crate) fn upstream_by(&self, chart: &str, version: &str, salt: &str, key: Option<&Key>) -> Image {
        let image = Image::chart(chart, version, salt, key);
        image.put(&self.source_folder(chart), version);
        image
    }

    /// What upstream holds under this tag.
    #[track_caller]
    pub(crate) fn image(&self, chart: &str, version: &str) -> Image {
        let layout = self.source_folder(chart);
        let digest = named(&layout, version).unwrap();
        let manifest = std::fs::read(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))).unwrap();
        Image { manifest, blobs: Vec::new() }
    }

    pub(crate) fn source_folder(&self, chart: &str) -> PathBuf {
        self.workspace.path(&format!("upstream/charts/{chart}"))
    }

    pub(crate) fn published_folder(&self, chart: &str) -> PathBuf {
        self.workspace.path(&format!("published/platform/{chart}"))
    }

    /// A mirror that requires this workspace's key.
    pub(crate) fn mirror(&self, chart: &str, versions: &[&str]) {
        self.mirror_trusting(chart, versions, &self.workspace.signed_by(&self.key));
    }

    pub(crate) fn mirror_trusting(&self, chart: &str, versions: &[&str], trust: &str) {
        self.mirror_from(chart, &format!("{SOURCE}/{chart}"), versions, trust);
    }

    pub(crate) fn mirror_from(&self, chart: &str, source: &str, versions: &[&str], trust: &str) {
        self.workspace.mirror(chart, source, &format!("{PUBLISH}/{chart}"), versions, trust);
    }

    pub(crate) fn accept(&mut self, finding: &str, reference: &str, digest: &str) {
        self.workspace.accept(finding, &format!("{PUBLISH}/{reference}"), digest);
    }

    /// What the destination names so.
    pub(crate) fn at_destination(&self, chart: &str, version: &str) -> Option<String> {
        named(&self.published_folder(chart), version)
    }

    /// Keeps the workspace and both sides as they are, for [`Sides::restore`].
    pub(crate) fn keep(&self) {
        copy_folder(&self.workspace.path(""), &self.workspace.path("../kept"));
    }

    /// Makes everything as it was kept.
    pub(crate) fn restore(&self) {
        std::fs::remove_dir_all(self.workspace.path("")).unwrap();
        copy_folder(&self.workspace.path("../kept"), &self.workspace.path(""));
    }

    /// The lockfile, empty if there is none.
    pub(crate) fn lockfile(&self) -> String {
        std::fs::read_to_string(self.workspace.path("mirrors.lock")).unwrap_or_default()
    }

    /// Runs a command that must leave the lockfile byte for byte.
    #[track_caller]
    pub(crate) fn leaves_lockfile(&self, words: &str) -> Ran {
        let before = self.lockfile();
        let ran = self.workspace.run(words);
        assert_eq!(self.lockfile(), before, "{ran}");
        ran
    }
}

/// Copies a folder's files over what is there.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The `[[chart]]` blocks of a lockfile, without its head.
pub(crate) fn blocks(lockfile: &str) -> Vec<String> {
    lockfile.split("[[chart]]\n").skip(1).map(|block| format!("[[chart]]\n{}\n", block.trim_end())).collect()
}

/// The value that a lockfile of one pin has for this key, as it is written.
#[track_caller]
pub(crate) fn field(block: &str, key: &str) -> String {
    let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("no {key} in {block}")).trim_matches('"').to_owned()
}

/// A registry that serves images over plain http and takes none.
pub(crate) struct Served {
    pub(crate) front: Front,
    address: SocketAddr,
    images: Arc<Mutex<Images>>,
}

/// Bytes by the end of their path: `manifests/…` and `blobs/…`.
pub(crate) type Images = BTreeMap<String, Vec<u8>>;

impl Served {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let front = Front::start(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None);
        let served = Self { front, address, images: Arc::default() };
        served.recover();
        served
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    pub(crate) fn put(&self, repository: &str, tag: &str, image: &Image) {
        let mut images = self.images.lock().unwrap();
        for bytes in &image.blobs {
            images.insert(format!("/v2/{repository}/blobs/{}", digest(bytes)), bytes.clone());
        }
        for target in [tag, &image.digest()] {
            images.insert(format!("/v2/{repository}/manifests/{target}"), image.manifest.clone());
        }
    }

    /// What is served, for answers of a test's own.
    pub(crate) fn images(&self) -> Arc<Mutex<Images>> {
        Arc::clone(&self.images)
    }

    /// From now on everything is answered like this.
    pub(crate) fn answer(&self, answer: fn() -> Response) {
        self.front.set_fault(move |_, _| Some(answer()));
    }

    /// From now on images are served.
    pub(crate) fn recover(&self) {
        let images = Arc::clone(&self.images);
        self.front.set_fault(move |method, path| Some(serve(&images, method, path)));
    }

    /// From now on the requests of whose path this is a part wait until they are let go.
    pub(crate) fn hold(&self, part: &'static str) -> Held {
        let images = Arc::clone(&self.images);
        let (reached, reaching) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let channels = Mutex::new((reached, held));
        self.front.set_fault(move |method, path| {
            if path.contains(part) {
                let channels = channels.lock().unwrap();
                let _ = channels.0.send(());
                // Ends when the test lets go, for this request and all later ones.
                let _ = channels.1.recv();
            }
            Some(serve(&images, method, path))
        });
        Held { reaching, _release: release }
    }
}

/// Requests that wait until this is dropped.
pub(crate) struct Held {
    reaching: Receiver<()>,
    _release: Sender<()>,
}

impl Held {
    /// Waits until the first of them has come.
    #[track_caller]
    pub(crate) fn wait(&self) {
        self.reaching.recv_timeout(DEADLINE).unwrap();
    }
}

/// Answers a request from these images.
pub(crate) fn serve(images: &Mutex<Images>, method: &Method, path: &str) -> Response {
    if path == "/v2/" {
        return StatusCode::OK.into_response();
    }
    let Some(bytes) = images.lock().unwrap().get(path).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let media = if path.contains("/manifests/") { IMAGE_MANIFEST } else { "application/octet-stream" };
    let response = Response::builder()
        .header("content-type", media)
        .header("docker-content-digest", digest(&bytes))
        .header("content-length", bytes.len());
    response.body(if *method == Method::HEAD { Body::empty() } else { Body::from(bytes) }).unwrap()
}
