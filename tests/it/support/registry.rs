//! Released registries on free ports of the loopback interface, each with a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::front::{Front, TOKEN_PATH};
use super::process::{Daemon, hermetic};
use super::tls::Tls;
use super::token::{ISSUER, SERVICE, Tokens};
use super::tools::Tool;

/// The one account of registries that ask for one.
pub(crate) const USER: &str = "publisher";
pub(crate) const PASSWORD: &str = "throw-away";
/// `PASSWORD` through bcrypt.
const HTPASSWD: &str = "$2b$04$Byp8JPr6bNtKMF7RV2jj7.UdU4q/adm/Ln4Dp/oQ4xFVpXINBV8/G";

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Distribution,
    Olareg,
}

/// What a registry asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Basic,
    Token,
}

/// A running registry; it ends with the value.
pub(crate) struct Registry {
    /// Absent when the registry speaks TLS itself.
    front: Option<Front>,
    address: SocketAddr,
    tls: Option<Tls>,
    _daemon: Daemon,
    _dir: TempDir,
}

impl Registry {
    /// Plain http, no credentials.
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Distribution => Self::distribution(Auth::None),
            Kind::Olareg => Self::olareg(),
        }
    }

    /// distribution over plain http.
    pub(crate) fn distribution(auth: Auth) -> Self {
        let dir = TempDir::new().unwrap();
        // Bound before the registry starts: its configuration says where tokens are to be had.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let tokens = (auth == Auth::Token).then(Tokens::new);
        let config = configuration(dir.path(), auth, address, tokens.as_ref(), None);
        let (daemon, upstream) = serve_distribution(dir.path(), &config);
        let front = Front::start(listener, upstream, tokens);
        Self { front: Some(front), address, tls: None, _daemon: daemon, _dir: dir }
    }

    /// distribution over TLS, with a certificate that only its own authority vouches for.
    pub(crate) fn over_tls() -> Self {
        let dir = TempDir::new().unwrap();
        let tls = Tls::new(dir.path());
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = configuration(dir.path(), Auth::None, nowhere, None, Some(&tls));
        let (daemon, address) = serve_distribution(dir.path(), &config);
        Self { front: None, address, tls: Some(tls), _daemon: daemon, _dir: dir }
    }

    /// olareg over plain http.
    pub(crate) fn olareg() -> Self {
        let dir = TempDir::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (daemon, upstream) = serve_olareg(dir.path());
        let front = Front::start(listener, upstream, None);
        Self { front: Some(front), address, tls: None, _daemon: daemon, _dir: dir }
    }

    /// `host:port`, as it stands in references.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `host:port/path`.
    pub(crate) fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// What sees and counts the requests.
    pub(crate) fn front(&self) -> &Front {
        self.front.as_ref().expect("a registry over TLS has no front")
    }

    /// The file of the authority that vouches for a registry over TLS.
    pub(crate) fn authority(&self) -> &Path {
        &self.tls.as_ref().expect("a registry over TLS").authority
    }
}

fn configuration(dir: &Path, auth: Auth, front: SocketAddr, tokens: Option<&Tokens>, tls: Option<&Tls>) -> Value {
    let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let mut config = json!({
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": file("data")}},
        "http": {"addr": "127.0.0.1:0"},
    });
    if let Some(tls) = tls {
        config["http"]["tls"] = json!({"certificate": tls.certificate, "key": tls.key});
    }
    match auth {
        Auth::None => {}
        Auth::Basic => {
            fs::write(file("htpasswd"), format!("{USER}:{HTPASSWD}\n")).unwrap();
            config["auth"] = json!({"htpasswd": {"realm": "throw-away", "path": file("htpasswd")}});
        }
        Auth::Token => {
            fs::write(file("jwks.json"), tokens.unwrap().jwks().to_string()).unwrap();
            config["auth"] = json!({"token": {
                "realm": format!("http://{front}{TOKEN_PATH}"),
                "service": SERVICE,
                "issuer": ISSUER,
                "jwks": file("jwks.json"),
            }});
        }
    }
    config
}

fn serve_distribution(dir: &Path, config: &Value) -> (Daemon, SocketAddr) {
    let file = dir.join("config.yml");
    fs::write(&file, config.to_string()).unwrap();
    let mut command = hermetic(Tool::Distribution.path(), dir);
    command.env("OTEL_TRACES_EXPORTER", "none").arg("serve").arg(&file);
    let daemon = Daemon::start(&mut command);
    // The kernel has chosen the port; the registry's log tells which.
    let rest = daemon.wait_for("listening on ").unwrap_or_else(|said| panic!("distribution did not start:\n{said}"));
    let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    (daemon, address.parse().unwrap())
}

/// olareg does not tell its port: it is asked for a free one, and for another when someone else was faster.
fn serve_olareg(dir: &Path) -> (Daemon, SocketAddr) {
    for _ in 0..10 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = hermetic(Tool::Olareg.path(), dir);
        command
            .args(["serve", "--addr", "127.0.0.1", "--port", &free.port().to_string(), "--dir"])
            .arg(dir.join("data"));
        let daemon = Daemon::start(&mut command);
        while daemon.alive_after(Duration::from_millis(5)) {
            if TcpStream::connect(free).is_ok() && daemon.alive_after(Duration::from_millis(5)) {
                return (daemon, free);
            }
        }
    }
    panic!("olareg found no free port");
}
