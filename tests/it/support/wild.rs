//! A registry in this process that behaves, or misbehaves as told, down to the bytes on the wire.
//!
//! Left alone it answers as distribution does, which `hostile_plain` holds it to. It is an HTTP proxy as well: whatever host a
//! program asks for through it, the same rule answers, and sees everything that was sent along.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::front::label;
use super::images::{IMAGE_MANIFEST, Image, digest};

pub(crate) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Whom it was meant for: `host[:port]`.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// All of it before the body.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// `HEAD tag`, `GET blob` and so on, as the fronts of released registries tell it.
    pub(crate) fn label(&self) -> String {
        label(&self.method, &self.path)
    }

    pub(crate) fn is(&self, what: &str) -> bool {
        self.label() == what
    }

    pub(crate) fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The repository that it is about; empty for none.
    pub(crate) fn repository(&self) -> &str {
        split(&self.path).map_or("", |(repository, _, _)| repository)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `/v2/<repository>/<kind>/<rest>`.
fn split(path: &str) -> Option<(&str, &'static str, &str)> {
    let path = path.strip_prefix("/v2/")?;
    ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/", "/referrers/"]
        .into_iter()
        .find_map(|kind| path.rsplit_once(kind).map(|(repository, rest)| (repository, kind, rest)))
}

/// How the bytes of an answer go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Whole,
    /// So many bytes, the head's included, and then the connection is reset.
    Reset(usize),
    /// So many bytes, and then no more will come, though the connection is still read from.
    HalfClosed(usize),
    /// So many bytes, and then nothing happens any more.
    Stalled(usize),
    /// The head, and then byte after byte with so much time between them.
    Dripping(Duration),
    /// The head, and then the body over and over.
    Endless,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) how: How,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), how: How::Whole }
    }

    /// Nothing at all: the connection is reset.
    pub(crate) fn none() -> Self {
        Self::new(200).how(How::Reset(0))
    }

    /// Sets a header, in the place of one that there is.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn how(self, how: How) -> Self {
        Self { how, ..self }
    }

    fn error(status: u16, code: &str) -> Self {
        let body = json!({"errors": [{"code": code, "message": "as told"}]}).to_string();
        Self::new(status).with("content-type", "application/json; charset=utf-8").body(body)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} So be it\r\n", self.status);
        for (name, value) in &self.headers {
            head = head + name + ": " + value + "\r\n";
        }
        let has = |name: &str| self.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
        if self.how == How::Endless {
            head += "transfer-encoding: chunked\r\n";
        } else if !has("content-length") && self.status != 204 {
            head = head + "content-length: " + &self.body.len().to_string() + "\r\n";
        }
        // A header's value is taken as it is, bytes that no header should have included.
        (head + "\r\n").chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
    }
}

/// What the registry holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// By repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// Media type and bytes by repository and digest.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Digests by repository and tag.
    pub(crate) tags: BTreeMap<(String, String), String>,
    /// Whether it has the API that lists referrers.
    pub(crate) lists_referrers: bool,
    pub(crate) uploads: BTreeSet<String>,
    pub(crate) opened: usize,
}

impl Store {
    pub(crate) fn put(&mut self, repository: &str, tag: &str, image: &Image) {
        for bytes in &image.blobs {
            self.blobs.insert((repository.to_owned(), digest(bytes)), bytes.clone());
        }
        let manifest = (IMAGE_MANIFEST.to_owned(), image.manifest.clone());
        self.manifests.insert((repository.to_owned(), image.digest()), manifest);
        self.tags.insert((repository.to_owned(), tag.to_owned()), image.digest());
    }

    /// The digest that a tag names.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.tags.get(&(repository.to_owned(), tag.to_owned())).cloned()
    }

    /// What names this subject, listed or not: digests by repository.
    pub(crate) fn attached(&self, repository: &str, subject: &str) -> Vec<String> {
        let of = |bytes: &[u8]| -> Option<String> {
            let manifest: Value = serde_json::from_slice(bytes).ok()?;
            Some(manifest["subject"]["digest"].as_str()?.to_owned())
        };
        let here = self.manifests.iter().filter(|((at, _), _)| at == repository);
        here.filter(|(_, (_, bytes))| of(bytes).as_deref() == Some(subject))
            .map(|((_, digest), _)| digest.clone())
            .collect()
    }

    /// What consumers find attached to this subject.
    pub(crate) fn listed(&self, repository: &str, subject: &str) -> Vec<String> {
        if self.lists_referrers {
            return self.attached(repository, subject);
        }
        let Some(list) = self.tag(repository, &subject.replace(':', "-")) else { return Vec::new() };
        let (_, bytes) = &self.manifests[&(repository.to_owned(), list)];
        let list: Value = serde_json::from_slice(bytes).unwrap();
        let entries = list["manifests"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// The answer of a registry that is well.
    pub(crate) fn serve(&mut self, asked: &Asked) -> Reply {
        let Some((repository, kind, rest)) = split(&asked.path) else {
            return if asked.path == "/v2/" { Reply::new(200).body("{}") } else { Reply::new(404) };
        };
        let at = |what: &str| (repository.to_owned(), what.to_owned());
        match (&asked.method, kind) {
            (&Method::GET | &Method::HEAD, "/manifests/") => {
                let digest = self.tags.get(&at(rest)).cloned().unwrap_or_else(|| rest.to_owned());
                match self.manifests.get(&at(&digest)) {
                    Some((media, bytes)) => found(media, &digest, bytes),
                    None => Reply::error(404, "MANIFEST_UNKNOWN"),
                }
            }
            (&Method::PUT, "/manifests/") => self.take_manifest(asked, repository, rest),
            (&Method::POST, "/blobs/uploads/") => self.begin(asked, repository),
            (&Method::PUT, "/blobs/uploads/") => self.take_blob(asked, repository),
            (&Method::GET | &Method::HEAD, "/blobs/") => match self.blobs.get(&at(rest)) {
                Some(bytes) => found("application/octet-stream", rest, bytes),
                None => Reply::error(404, "BLOB_UNKNOWN"),
            },
            (&Method::GET, "/tags/") => {
                let tags: Vec<_> = self.tags.keys().filter(|(at, _)| at == repository).map(|(_, tag)| tag).collect();
                if tags.is_empty() {
                    Reply::error(404, "NAME_UNKNOWN")
                } else {
                    json_of(&json!({"name": repository, "tags": tags}))
                }
            }
            (&Method::GET, "/referrers/") if self.lists_referrers => {
                let attached = self.attached(repository, rest);
                let entries: Vec<_> = attached.into_iter().map(|digest| self.entry(repository, &digest)).collect();
                json_of(&json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}))
                    .with("content-type", IMAGE_INDEX)
            }
            _ => Reply::new(404),
        }
    }

    fn entry(&self, repository: &str, digest: &str) -> Value {
        let (media, bytes) = &self.manifests[&(repository.to_owned(), digest.to_owned())];
        let manifest: Value = serde_json::from_slice(bytes).unwrap();
        json!({"mediaType": media, "digest": digest, "size": bytes.len(), "artifactType": manifest["artifactType"]})
    }

    fn begin(&mut self, asked: &Asked, repository: &str) -> Reply {
        if let (Some(mount), Some(from)) = (asked.parameter("mount"), asked.parameter("from"))
            && let Some(bytes) = self.blobs.get(&(from, mount.clone())).cloned()
        {
            self.blobs.insert((repository.to_owned(), mount.clone()), bytes);
            return taken(&format!("/v2/{repository}/blobs/{mount}"), &mount);
        }
        self.opened += 1;
        let place = format!("/v2/{repository}/blobs/uploads/{}", self.opened);
        self.uploads.insert(place.clone());
        Reply::new(202).with("location", place)
    }

    fn take_blob(&mut self, asked: &Asked, repository: &str) -> Reply {
        if !self.uploads.remove(&asked.path) {
            return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
        }
        let sent = digest(&asked.body);
        if asked.parameter("digest").as_deref() != Some(&sent) {
            return Reply::error(400, "DIGEST_INVALID");
        }
        self.blobs.insert((repository.to_owned(), sent.clone()), asked.body.clone());
        taken(&format!("/v2/{repository}/blobs/{sent}"), &sent)
    }

    fn take_manifest(&mut self, asked: &Asked, repository: &str, target: &str) -> Reply {
        let sent = digest(&asked.body);
        let Ok(manifest) = serde_json::from_slice::<Value>(&asked.body) else {
            return Reply::error(400, "MANIFEST_INVALID");
        };
        if target.starts_with("sha256:") && target != sent {
            return Reply::error(400, "DIGEST_INVALID");
        }
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        let mut blobs = layers.iter().chain(manifest.get("config")).filter_map(|blob| blob["digest"].as_str());
        if blobs.any(|blob| !self.blobs.contains_key(&(repository.to_owned(), blob.to_owned()))) {
            return Reply::error(400, "MANIFEST_BLOB_UNKNOWN");
        }
        let media = asked.header("content-type").unwrap_or_default().to_owned();
        self.manifests.insert((repository.to_owned(), sent.clone()), (media, asked.body.clone()));
        if target != sent {
            self.tags.insert((repository.to_owned(), target.to_owned()), sent.clone());
        }
        let reply = taken(&format!("/v2/{repository}/manifests/{sent}"), &sent);
        match manifest["subject"]["digest"].as_str() {
            Some(subject) if self.lists_referrers => reply.with("oci-subject", subject),
            _ => reply,
        }
    }
}

fn found(media: &str, digest: &str, bytes: &[u8]) -> Reply {
    Reply::new(200).with("content-type", media).with("docker-content-digest", digest).body(bytes)
}

fn taken(location: &str, digest: &str) -> Reply {
    Reply::new(201).with("location", location).with("docker-content-digest", digest)
}

fn json_of(value: &Value) -> Reply {
    Reply::new(200).with("content-type", "application/json").body(value.to_string())
}

/// Answers a request with what is held, or with whatever it likes.
pub(crate) type Rule = Arc<dyn Fn(&Asked, &mut Store) -> Reply + Send + Sync>;

struct Shared {
    store: Mutex<Store>,
    rule: Mutex<Rule>,
    /// Nothing once they are forgotten.
    asked: Mutex<Option<Vec<Asked>>>,
}

/// A running registry; it ends with the value.
pub(crate) struct Wild {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Wild {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let rule: Rule = Arc::new(|asked, store| store.serve(asked));
        let shared =
            Arc::new(Shared { store: Mutex::default(), rule: Mutex::new(rule), asked: Mutex::new(Some(Vec::new())) });
        let served = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                // A client that goes away ends its connection, nothing else.
                tokio::spawn(async move { drop(connection(stream, &shared).await) });
            }
        });
        Self { address, shared, runtime: Some(runtime) }
    }

    /// `host:port`, as it stands in references.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `host:port/path`.
    pub(crate) fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }

    /// From now on this answers every request.
    pub(crate) fn answer(&self, rule: impl Fn(&Asked, &mut Store) -> Reply + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Arc::new(rule);
    }

    /// From now on it behaves.
    pub(crate) fn behave(&self) {
        self.answer(|asked, store| store.serve(asked));
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on requests are forgotten once they are answered.
    pub(crate) fn forget(&self) {
        *self.shared.asked.lock().unwrap() = None;
    }
}

impl Drop for Wild {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connection(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(asked) = request(&mut stream, &mut buffer).await? {
        let rule = Arc::clone(&shared.rule.lock().unwrap());
        if let Some(seen) = shared.asked.lock().unwrap().as_mut() {
            seen.push(asked.clone());
        }
        let reply = rule(&asked, &mut shared.store.lock().unwrap());
        let reply = if asked.method == Method::HEAD {
            // The length is that of what is not sent.
            let length = reply.body.len();
            let has = reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let reply = if has { reply } else { reply.with("content-length", length.to_string()) };
            reply.body("")
        } else {
            reply
        };
        if !send(&mut stream, &reply).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends an answer; whether the connection can be used again.
async fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<bool> {
    let mut bytes = reply.head();
    let head = bytes.len();
    bytes.extend_from_slice(&reply.body);
    match reply.how {
        How::Whole => stream.write_all(&bytes).await.map(|()| true),
        How::Reset(after) => {
            stream.write_all(&bytes[..after.min(bytes.len())]).await?;
            stream.set_zero_linger()?;
            Ok(false)
        }
        How::HalfClosed(after) => {
            stream.write_all(&bytes[..after.min(bytes.len())]).await?;
            stream.shutdown().await?;
            // Until the client goes away.
            tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| false)
        }
        How::Stalled(after) => {
            stream.write_all(&bytes[..after.min(bytes.len())]).await?;
            tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| false)
        }
        How::Dripping(pause) => {
            stream.write_all(&bytes[..head]).await?;
            for byte in &bytes[head..] {
                // The fault itself: a server that is slow. Nothing waits here for anything to happen.
                tokio::time::sleep(pause).await;
                stream.write_all(&[*byte]).await?;
            }
            Ok(true)
        }
        How::Endless => {
            stream.write_all(&bytes[..head]).await?;
            loop {
                stream.write_all(format!("{:x}\r\n", reply.body.len()).as_bytes()).await?;
                stream.write_all(&reply.body).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
    }
}

/// The next request; none at the end of the connection.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Asked>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end);
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let length: usize = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    // A proxy is told the whole URL.
    let (host, rest) = match target.strip_prefix("http://") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => (header(&head, "host").unwrap_or_default(), target),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path, query) = (host.to_owned(), path.to_owned(), query.to_owned());
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
    Ok(Some(Asked { method, host, path, query, head, body }))
}
