//! A server of keyrings that the program believes to be `https://keys.example`: it reaches it through a proxy, as people
//! behind one do, so that no address of this machine has to be allowed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::support::workspace::Workspace;

pub(crate) const HOST: &str = "keys.example";

/// What is behind a path.
#[derive(Clone)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    Status(u16),
    Redirect(String),
    /// A body that never ends.
    Endless,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<BTreeMap<String, Answer>>,
    seen: Mutex<Vec<String>>,
    sent: AtomicUsize,
    closed: AtomicBool,
}

/// A running proxy, with the only server that it leads to behind it.
pub(crate) struct KeyServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    dir: TempDir,
}

impl KeyServer {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let config = Arc::new(configuration(&dir));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let server = Self { shared: Arc::clone(&shared), address, dir };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, config) = (Arc::clone(&shared), Arc::clone(&config));
                // A client that goes away ends its connection, nothing else.
                thread::spawn(move || drop(connection(stream, &shared, config)));
            }
        });
        server
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// From now on this workspace's commands come here for everything that they ask over https.
    pub(crate) fn serve(&self, workspace: &mut Workspace) {
        workspace.set("HTTPS_PROXY", &PathBuf::from(format!("http://{}", self.address)));
        workspace.set("SSL_CERT_FILE", &self.authority());
    }

    /// Puts something behind `https://keys.example/<path>`.
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(format!("/{path}"), answer);
    }

    /// What was asked since the last call: `CONNECT host:port` and `GET /path`, in order.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// How many bytes of endless bodies were taken from the server so far.
    pub(crate) fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// TLS for [`HOST`] with a certificate that only an authority of its own vouches for.
fn configuration(dir: &TempDir) -> ServerConfig {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.path().join("authority.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([HOST.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

fn connection(mut stream: TcpStream, shared: &Shared, config: Arc<ServerConfig>) -> Result<(), std::io::Error> {
    let Some(request) = request(&mut stream)? else { return Ok(()) };
    shared.seen.lock().unwrap().push(request.clone());
    if request != format!("CONNECT {HOST}:443") {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).map_err(std::io::Error::other)?, stream);
    while let Some(request) = self::request(&mut stream)? {
        let path = request.strip_prefix("GET ").unwrap_or_default().to_owned();
        shared.seen.lock().unwrap().push(request);
        let answer = shared.answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Status(404));
        answered(&mut stream, answer, shared)?;
        stream.flush()?;
    }
    Ok(())
}

/// Method and target of the next request; none at the end of the connection.
fn request(stream: &mut impl Read) -> Result<Option<String>, std::io::Error> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(Some(head.split(' ').take(2).collect::<Vec<_>>().join(" ")))
}

fn answered(stream: &mut impl Write, answer: Answer, shared: &Shared) -> Result<(), std::io::Error> {
    let (head, body) = match answer {
        Answer::Bytes(bytes) => ("200 OK\r\n".to_owned(), bytes),
        Answer::Status(status) => (format!("{status} So be it\r\n"), Vec::new()),
        Answer::Redirect(to) => (format!("302 Found\r\nlocation: {to}\r\n"), Vec::new()),
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"1000\r\n")?;
                stream.write_all(&[b'x'; 0x1000])?;
                stream.write_all(b"\r\n")?;
                shared.sent.fetch_add(0x1000, Ordering::SeqCst);
            }
        }
    };
    write!(stream, "HTTP/1.1 {head}content-length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
