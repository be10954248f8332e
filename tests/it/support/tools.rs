//! The released programs of `tests/tools.txt`: where they are, and what a test does without them.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;

/// A released program that a test starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Helm4,
    Helm3,
    Oras,
    Crane,
    Distribution,
    Olareg,
    Git,
}

/// Both helms that people have: what one takes and the other refuses matters.
pub(crate) const HELMS: [Tool; 2] = [Tool::Helm4, Tool::Helm3];

impl Tool {
    /// Name and start of the version in `tests/tools.txt`.
    fn pin(self) -> (&'static str, &'static str) {
        match self {
            Self::Helm4 => ("helm", "4."),
            Self::Helm3 => ("helm", "3."),
            Self::Oras => ("oras", ""),
            Self::Crane => ("crane", ""),
            Self::Distribution => ("registry", ""),
            Self::Olareg => ("olareg", ""),
            Self::Git => ("git", ""),
        }
    }

    /// Where the program is, if it is installed or not.
    pub(crate) fn path(self) -> PathBuf {
        let (name, version) = self.pin();
        if self == Self::Git {
            return PathBuf::from("/usr/bin/git");
        }
        let pinned = include_str!("../../tools.txt")
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.len() >= 3 && words[0] == name && words[1].starts_with(version))
            .unwrap_or_else(|| panic!("tests/tools.txt does not pin {name} {version}"));
        folder().join(format!("{name}-{}", pinned[1])).join(name)
    }
}

fn folder() -> PathBuf {
    let from = |name, below: &str| env::var_os(name).map(|folder| Path::new(&folder).join(below));
    from("CHARTSYNC_TOOLS", "")
        .or_else(|| from("XDG_CACHE_HOME", "chartsync-tools"))
        .or_else(|| from("HOME", ".cache/chartsync-tools"))
        .unwrap_or_default()
}

/// Whether every tool is there; if not, the running test is recorded as left out (or fails, under strict).
pub(crate) fn present(tools: &[Tool]) -> bool {
    let Some(missing) = tools.iter().find(|tool| !tool.path().is_file()) else { return true };
    leave_out(&format!("{} is not there; tests/run installs it", missing.path().display()));
    false
}

fn leave_out(reason: &str) {
    let strict = env::var("CHARTSYNC_TEST_STRICT").is_ok_and(|strict| !strict.is_empty() && strict != "0");
    assert!(!strict, "left out: {reason}");
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    eprintln!("left out: {test}: {reason}");
    if let Some(file) = env::var_os("CHARTSYNC_LEFT_OUT") {
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(format!("test\t{test}\t{reason}\n").as_bytes()).unwrap();
    }
}

/// Returns from the test, recorded as left out, unless all these tools are installed.
macro_rules! needs {
    ($($tool:expr),+ $(,)?) => {
        if !$crate::support::tools::present(&[$($tool),+]) {
            return;
        }
    };
}
