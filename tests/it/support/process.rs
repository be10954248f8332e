//! Programs: run to their end with a deadline, or kept running and killed when the test ends, however it ends.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Long enough for the slowest program on a loaded machine; reached only by one that hangs.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// A command with an environment of its own: nothing of the caller's gets in but what is set here.
pub(crate) fn hermetic(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("TMPDIR", std::env::temp_dir())
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// What a program did.
pub(crate) struct Ran {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    /// The exit status, −1 after a signal.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// stdout and stderr, for looking for words.
    pub(crate) fn said(&self) -> String {
        self.stdout() + &self.stderr()
    }

    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts that the program refused: it ended by itself, and not with success.
    #[track_caller]
    pub(crate) fn refused(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "{self}");
        self
    }

    /// Asserts that stdout or stderr holds these words.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.said().contains(words), "no {words:?} in:\n{self}");
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n--- stdout\n{}--- stderr\n{}", self.command, self.status, self.stdout(), self.stderr())
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    spawn(command).wait()
}

/// A program that ends by itself, or after a signal.
pub(crate) struct Running {
    line: String,
    pid: u32,
    finished: Receiver<io::Result<(ExitStatus, [Vec<u8>; 2])>>,
}

/// Starts a program and reads what it writes.
#[track_caller]
pub(crate) fn spawn(command: &mut Command) -> Running {
    let line = format!("{command:?}");
    let line = line.split_once(" TZ=\"UTC\" ").map_or(line.clone(), |(_, command)| command.to_owned());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
    let pid = child.id();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut bytes = Vec::new();
        let read = out.read_to_end(&mut bytes);
        let errors = errors.join().unwrap();
        let ended = child.wait();
        // The test may have given up on it.
        let _ = done.send((|| Ok((ended?, [read.map(|_| bytes)?, errors?])))());
    });
    Running { line, pid, finished }
}

impl Running {
    /// What `kill` wants to know.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name} {}", self.pid);
    }

    /// Waits for its end; one that hangs is killed and fails the test.
    #[track_caller]
    pub(crate) fn wait(self) -> Ran {
        self.wait_for(DEADLINE)
    }

    /// The same of one that has much to do.
    #[track_caller]
    pub(crate) fn wait_for(self, deadline: Duration) -> Ran {
        let Ok(ended) = self.finished.recv_timeout(deadline) else {
            self.signal("KILL");
            panic!("{}: still running after {deadline:?}", self.line);
        };
        let (status, [stdout, stderr]) = ended.unwrap();
        Ran { command: self.line, status, stdout, stderr }
    }
}

/// A program that serves until it is dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts it; what it writes to stderr is read to the end, so that it never blocks on a full pipe.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            // The test may have stopped listening; the program must still be read.
            stderr.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        Self { child, lines }
    }

    /// The rest of the first line that holds `marker`; `Err` with everything said if it ends or says nothing in time.
    pub(crate) fn wait_for(&self, marker: &str) -> Result<String, String> {
        let mut said = String::new();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            if let Some((_, rest)) = line.split_once(marker) {
                return Ok(rest.to_owned());
            }
            said = said + &line + "\n";
        }
        Err(said)
    }

    /// Waits a moment for a line; false when the program has ended.
    pub(crate) fn alive_after(&self, moment: Duration) -> bool {
        !matches!(self.lines.recv_timeout(moment), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
