//! What stands between one test and the shared Sigstore: it counts what reaches each service, and breaks them for this test alone.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tempfile::TempDir;

use super::{Claims, RekorVersion, Service, Sigstore};

/// What a service does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Closes every connection.
    Down,
    /// Takes requests and never answers.
    Stalled,
    /// 429, with `Retry-After` in seconds.
    Throttled(Option<u64>),
    /// 500.
    Broken,
    /// Does its work, but the answer never arrives.
    AnswerLost,
    /// 404.
    NotThere,
    /// 400, and says what was sent.
    Echoed,
    /// Does its work when it is told to: [`Fronted::release`].
    Held,
    /// A time stamp that is granted with modifications (RFC 3161, 2.4.2): `PKIStatus` is the ninth byte of its answer.
    Modified,
}

/// A request that reached a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) service: Service,
    /// `POST /api/v2/signingCert`.
    pub(crate) request: String,
    /// What the service itself said; `None` when it was not asked.
    pub(crate) status: Option<u16>,
}

/// The shared Sigstore through doors of its own.
pub(crate) struct Fronted {
    sigstore: &'static Sigstore,
    doors: [Door; 4],
    watched: Watched,
    signing_config: PathBuf,
    _dir: TempDir,
}

/// What a service does with the requests that come next, one after the other, and with all that come later.
#[derive(Default)]
struct Faults {
    next: VecDeque<Option<Fault>>,
    then: Option<Fault>,
}

/// Is told of a request that has arrived, before anything is done about it.
type Witness = Box<dyn Fn() + Send + Sync>;

/// The requests that wait to be released.
#[derive(Default)]
struct Held {
    released: Mutex<bool>,
    told: Condvar,
}

impl Held {
    fn wait(&self) {
        drop(self.told.wait_while(self.released.lock().unwrap(), |released| !*released).unwrap());
    }

    fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.told.notify_all();
    }
}

/// How many requests are being answered at a time.
#[derive(Default)]
struct Flights {
    now: AtomicUsize,
    most: AtomicUsize,
}

const SERVICES: [Service; 4] = [Service::Issuer, Service::Fulcio, Service::Rekor, Service::Tsa];

impl Fronted {
    pub(crate) fn new(sigstore: &'static Sigstore, version: RekorVersion) -> Self {
        let watched = Watched::default();
        let mut config = fs::read_to_string(sigstore.signing_config(version)).unwrap();
        let doors = SERVICES.map(|service| {
            let port = sigstore.parts.ports.of(service, version);
            let behind = port.unwrap_or_else(|| sigstore.issuer().rsplit(':').next().unwrap().parse().unwrap());
            // Rekor v2 leaves it to any server of files to publish what it writes: here the door does.
            let v2 = service == Service::Rekor && version == RekorVersion::V2;
            let published = v2.then(|| sigstore.parts.tiles.clone());
            let door = Door::open(service, behind, published, &watched);
            // The issuer keeps its address: tokens are compared with it.
            if service != Service::Issuer {
                let (from, to) = (format!("localhost:{behind}"), format!("localhost:{}", door.port));
                assert!(config.contains(&from), "no {from} in {config}");
                config = config.replace(&from, &to);
            }
            door
        });
        let dir = TempDir::new().unwrap();
        let signing_config = dir.path().join("signing_config.json");
        fs::write(&signing_config, config).unwrap();
        Self { sigstore, doors, watched, signing_config, _dir: dir }
    }

    /// As the shared one's, through the doors.
    pub(crate) fn signing_config(&self) -> &Path {
        &self.signing_config
    }

    /// Where a service is asked, through its door: `http://localhost:PORT`.
    pub(crate) fn url(&self, service: Service) -> String {
        format!("http://localhost:{}", self.door(service).port)
    }

    /// As the shared one's, through the issuer's door.
    pub(crate) fn github_env(&self, claims: &Claims) -> Vec<(String, String)> {
        self.sigstore.issuer.environment(claims, &self.url(Service::Issuer))
    }

    /// From now on a service does this.
    pub(crate) fn fail(&self, service: Service, fault: Fault) {
        *self.door(service).faults.lock().unwrap() = Faults { then: Some(fault), ..Faults::default() };
    }

    /// The next requests to a service, this many, meet a fault; then it is itself again.
    pub(crate) fn fail_times(&self, service: Service, fault: Fault, times: usize) {
        self.fail_in_turn(service, &vec![Some(fault); times]);
    }

    /// The next requests to a service meet these faults, one after the other; then it is itself again.
    pub(crate) fn fail_in_turn(&self, service: Service, faults: &[Option<Fault>]) {
        let next = faults.iter().copied().collect();
        *self.door(service).faults.lock().unwrap() = Faults { next, then: None };
    }

    /// From now on a service does its work.
    pub(crate) fn heal(&self, service: Service) {
        *self.door(service).faults.lock().unwrap() = Faults::default();
    }

    /// From now on nobody waits: what was held is done, and what would be held as well.
    pub(crate) fn release(&self) {
        self.watched.held.release();
    }

    /// From now on nobody publishes what Rekor v2 writes.
    pub(crate) fn unpublish(&self) {
        self.door(Service::Rekor).unpublished.store(true, Ordering::SeqCst);
    }

    /// The requests since the last call, in the order of their arrival.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.watched.seen.lock().unwrap())
    }

    /// How many requests have reached a service since the last [`Self::take`].
    pub(crate) fn count(&self, service: Service) -> usize {
        self.watched.seen.lock().unwrap().iter().filter(|seen| seen.service == service).count()
    }

    /// How many entries Rekor has taken since the last [`Self::take`], also those whose answer was lost.
    pub(crate) fn logged(&self) -> usize {
        let taken = |seen: &&Seen| {
            let posted = seen.service == Service::Rekor && seen.request.starts_with("POST ");
            posted && seen.request.contains("/log/entries") && seen.status.is_some_and(|status| status < 300)
        };
        self.watched.seen.lock().unwrap().iter().filter(taken).count()
    }

    /// How many requests there were at the services at once, at most, since the last call.
    pub(crate) fn most_at_once(&self) -> usize {
        self.watched.flights.most.swap(0, Ordering::SeqCst)
    }

    /// From now on `witness` is called for each request that arrives, which is then done whatever happens to its sender.
    pub(crate) fn on_request(&self, witness: impl Fn() + Send + Sync + 'static) {
        *self.watched.witness.lock().unwrap() = Some(Box::new(witness));
    }

    /// From now on nobody is told.
    pub(crate) fn unwatched(&self) {
        *self.watched.witness.lock().unwrap() = None;
    }

    fn door(&self, service: Service) -> &Door {
        self.doors.iter().find(|door| door.service == service).unwrap()
    }
}

/// What all doors tell of what comes through them, and whom they let wait.
#[derive(Clone, Default)]
struct Watched {
    seen: Arc<Mutex<Vec<Seen>>>,
    flights: Arc<Flights>,
    witness: Arc<Mutex<Option<Witness>>>,
    held: Arc<Held>,
}

/// One port in front of one service.
struct Door {
    service: Service,
    port: u16,
    faults: Arc<Mutex<Faults>>,
    unpublished: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Door {
    fn open(service: Service, behind: u16, published: Option<PathBuf>, watched: &Watched) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (faults, unpublished, closed) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(false)));
        let visitor = Visitor {
            service,
            behind,
            published,
            watched: watched.clone(),
            faults: Arc::clone(&faults),
            unpublished: Arc::clone(&unpublished),
        };
        let ends = Arc::clone(&closed);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let visitor = visitor.clone();
                // A client that hangs up is its own affair.
                thread::spawn(move || drop(visitor.serve(&stream)));
            }
        });
        Self { service, port, faults, unpublished, closed }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // So that it looks up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

#[derive(Clone)]
struct Visitor {
    service: Service,
    behind: u16,
    /// What is published beside the service, as files.
    published: Option<PathBuf>,
    watched: Watched,
    faults: Arc<Mutex<Faults>>,
    unpublished: Arc<AtomicBool>,
}

impl Visitor {
    /// One request, one answer, and the connection ends.
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let (request, bytes) = read_request(client)?;
        if let Some(witness) = self.watched.witness.lock().unwrap().as_ref() {
            witness();
        }
        let fault = self.next_fault();
        let file = self.file(&request);
        let place = self.record(request);
        let mut client = client;
        match fault {
            None if let Some(file) = file => client.write_all(&file),
            None => client.write_all(&self.ask(place, &bytes)?),
            Some(Fault::Held) => {
                self.watched.held.wait();
                client.write_all(&self.ask(place, &bytes)?)
            }
            Some(Fault::Echoed) => {
                let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |head| head + 4);
                client.write_all(&page("400 Bad Request", &bytes[body..]))
            }
            Some(Fault::NotThere) => client.write_all(&refusal("404 Not Found", "")),
            Some(Fault::Down) => Ok(()),
            Some(Fault::Modified) => {
                let mut answer = self.ask(place, &bytes)?;
                let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |head| head + 4);
                answer[body + 8] = 1;
                client.write_all(&answer)
            }
            Some(Fault::AnswerLost) => self.ask(place, &bytes).map(drop),
            // Until the client gives up.
            Some(Fault::Stalled) => client.read(&mut [0]).map(drop),
            Some(Fault::Broken) => client.write_all(&refusal("500 Internal Server Error", "")),
            Some(Fault::Throttled(None)) => client.write_all(&refusal("429 Too Many Requests", "")),
            Some(Fault::Throttled(Some(seconds))) => {
                client.write_all(&refusal("429 Too Many Requests", &format!("Retry-After: {seconds}\r\n")))
            }
        }
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        faults.next.pop_front().unwrap_or(faults.then)
    }

    /// A published file, as servers of files answer; `None` if this is no such request.
    fn file(&self, request: &str) -> Option<Vec<u8>> {
        let path = request.strip_prefix("GET /api/v2/")?;
        let published = self.published.as_ref().filter(|_| !self.unpublished.load(Ordering::SeqCst))?;
        Some(match fs::read(published.join(path)) {
            Ok(file) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
                [head.into_bytes(), file].concat()
            }
            Err(_) => refusal("404 Not Found", ""),
        })
    }

    /// Writes a request down; gives its place in the list.
    fn record(&self, request: String) -> usize {
        let mut seen = self.watched.seen.lock().unwrap();
        seen.push(Seen { service: self.service, request, status: None });
        seen.len() - 1
    }

    /// The service's answer, whole.
    fn ask(&self, place: usize, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let now = self.watched.flights.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.watched.flights.most.fetch_max(now, Ordering::SeqCst);
        let answer = self.answer(bytes);
        // Before the client has it: what it asks next is another request.
        self.watched.flights.now.fetch_sub(1, Ordering::SeqCst);
        let answer = answer?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(seen) = self.watched.seen.lock().unwrap().get_mut(place) {
            seen.status = status;
        }
        Ok(answer)
    }

    fn answer(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut service = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.behind)))?;
        service.write_all(bytes)?;
        let mut answer = Vec::new();
        service.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// `POST /path` and the bytes to hand on, which ask for the connection to end with the answer.
fn read_request(client: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length, mut request) = (String::new(), 0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        if request.is_empty() {
            request = line.rsplit_once(' ').map(|(request, _)| request.to_owned()).unwrap_or_default();
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "transfer-encoding" | "expect" => return Err(io::Error::other("a request that this front cannot read")),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    let mut bytes = (head + "Connection: close\r\n\r\n").into_bytes();
    let start = bytes.len();
    bytes.resize(start + length, 0);
    reader.read_exact(&mut bytes[start..])?;
    Ok((request, bytes))
}

fn page(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn refusal(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
