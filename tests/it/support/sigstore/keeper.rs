//! Programs that end when the test process does, however it ends: a bash of its own keeps them and their folder.
//!
//! Statics are never dropped and a killed process drops nothing, so cleaning up is left to a process that notices: the keeper
//! reads a pipe whose other end only the test process holds. At its end it kills what it started, and removes the folder.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::process::DEADLINE;

/// Every program runs in a process group of its own (`set -m`), which takes its children along when it is killed.
const SCRIPT: &str = r#"
set -m
folder=$(mktemp -d "${TMPDIR:-/tmp}/chartsync-sigstore-XXXXXX") || exit
echo "$folder"
exec >/dev/null 2>&1
while read -r part; do
    { cd "$folder/$part" && bash ./run; echo "$?" >ended; } </dev/null >"$folder/$part/log" 2>&1 &
done
for group in $(jobs -p); do kill -KILL -- "-$group"; done
wait
rm -rf -- "$folder"
"#;

/// Keeps programs; dropping it ends them.
pub(super) struct Keeper {
    child: Child,
    /// `None` once it has been told to end.
    line: Option<ChildStdin>,
    folder: PathBuf,
}

impl Keeper {
    pub(super) fn start() -> Self {
        // A process group of its own: an interrupt from the keyboard must reach the test process, not what cleans up after it.
        let mut child = Command::new("bash")
            .args(["-c", SCRIPT])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash keeps the parts of a local Sigstore");
        let line = child.stdin.take();
        let mut folder = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        Self { child, line, folder: PathBuf::from(folder.trim_end()) }
    }

    /// Where files of the parts may lie; gone when the keeper has ended.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a program has found its port taken.
    pub(super) fn lost_a_port(&self) -> bool {
        let mut parts = fs::read_dir(&self.folder).unwrap().filter_map(Result::ok);
        parts.any(|part| lost_its_port(&part.path()))
    }

    /// Makes the folder of a part.
    pub(super) fn part(&self, name: &str) -> Part {
        let part = Part { name: name.to_owned(), folder: self.folder.join(name) };
        fs::create_dir_all(&part.folder).unwrap();
        part
    }

    /// Starts the program of a part, in its folder.
    pub(super) fn start_part(&self, part: &Part, program: &Path, words: &[String]) {
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let mut run = "exec env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=\"$PWD\" TMPDIR=\"$PWD\"".to_owned();
        for word in std::iter::once(program.to_str().unwrap()).chain(words.iter().map(String::as_str)) {
            run = run + " " + &quoted(word);
        }
        fs::write(part.folder.join("run"), run + "\n").unwrap();
        writeln!(self.line.as_ref().unwrap(), "{}", part.name).unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.line.take());
        let _ = self.child.wait();
    }
}

/// One program and its folder.
#[derive(Clone)]
pub(super) struct Part {
    name: String,
    folder: PathBuf,
}

impl Part {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.file(name), bytes).unwrap();
        self.file(name)
    }

    /// `Err` with the end of its log once the program has ended, or might as well have.
    pub(super) fn alive(&self) -> Result<(), String> {
        if self.file("ended").exists() {
            return Err(self.failed("has ended"));
        }
        if lost_its_port(&self.folder) { Err(self.failed("has no port")) } else { Ok(()) }
    }

    /// Waits until `probe` finds what it looks for; `Err` with the end of the log if the program ends first, or takes too long.
    pub(super) fn until<T>(&self, mut probe: impl FnMut() -> Option<T>) -> Result<T, String> {
        let found = eventually(|| self.alive().map_or_else(|ended| Some(Err(ended)), |()| probe().map(Ok)));
        found.unwrap_or_else(|| Err(self.failed("is not ready in time")))
    }

    /// Waits until this address of its answers with 200, and gives the answer.
    pub(super) fn answers(&self, port: u16, path: &str) -> Result<Vec<u8>, String> {
        self.until(|| get(port, path))
    }

    /// Waits until it takes connections.
    pub(super) fn listens(&self, port: u16) -> Result<(), String> {
        self.until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()).map(drop)
    }

    fn failed(&self, how: &str) -> String {
        let log = fs::read(self.file("log")).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(4000)..]).into_owned();
        format!("{} {how}; the end of its log:\n{tail}", self.name)
    }
}

/// Some programs end then, some stay without one.
fn lost_its_port(part: &Path) -> bool {
    let log = fs::read(part.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&log).contains("address already in use")
}

/// Asks again and again until there is an answer; `None` when there is none in time.
pub(crate) fn eventually<T>(mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        if let Some(found) = probe() {
            return Some(found);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    None
}

/// The body of a page of 127.0.0.1, `None` unless it answers 200.
pub(super) fn get(port: u16, path: &str) -> Option<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(address).ok()?;
    // What listens there may be someone else's, who never answers.
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    // HTTP/1.0: no chunks, and the connection ends with the answer.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\nAccept: */*\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let ok = answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200");
    ok.then(|| answer.split_off(head + 4))
}
