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
    Judge4,
    Judge3,
    Oras,
    Crane,
    Distribution,
    Olareg,
    Toxiproxy,
    Git,
    Script,
    Cosign3,
    Cosign2,
    Fulcio,
    RekorV1,
    RekorV2,
    TimestampServer,
    TrillianServer,
    TrillianSigner,
    TrillianCreateTree,
    TrillianSchema,
    CtServer,
    MariaDb,
}

/// Both helms that people have: what one takes and the other refuses matters.
pub(crate) const HELMS: [Tool; 2] = [Tool::Helm4, Tool::Helm3];

impl Tool {
    /// Name and start of the version in `tests/tools.txt`.
    fn pin(self) -> (&'static str, &'static str) {
        match self {
            // A judge is `tests/judge`, linked with that helm.
            Self::Helm4 | Self::Judge4 => ("helm", "4."),
            Self::Helm3 | Self::Judge3 => ("helm", "3."),
            Self::Oras => ("oras", ""),
            Self::Crane => ("crane", ""),
            Self::Distribution => ("registry", ""),
            Self::Olareg => ("olareg", ""),
            Self::Toxiproxy => ("toxiproxy", ""),
            Self::Cosign3 => ("cosign", "3."),
            Self::Cosign2 => ("cosign", "2."),
            Self::Fulcio => ("fulcio", ""),
            Self::RekorV1 => ("rekor-server", ""),
            Self::RekorV2 => ("posix", ""),
            Self::TimestampServer => ("timestamp-server", ""),
            // The schema lies next to the server that needs it.
            Self::TrillianServer | Self::TrillianSchema => ("trillian_log_server", ""),
            Self::TrillianSigner => ("trillian_log_signer", ""),
            Self::TrillianCreateTree => ("createtree", ""),
            Self::CtServer => ("ct_server", ""),
            Self::Git => ("git", ""),
            Self::Script => ("script", ""),
            Self::MariaDb => ("mariadbd", ""),
        }
    }

    /// Where the program is, if it is installed or not.
    pub(crate) fn path(self) -> PathBuf {
        let (name, version) = self.pin();
        match self {
            Self::Git => return PathBuf::from("/usr/bin/git"),
            Self::Script => return PathBuf::from("/usr/bin/script"),
            Self::MariaDb => return PathBuf::from("/usr/sbin/mariadbd"),
            _ => {}
        }
        let pinned = include_str!("../../tools.txt")
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.len() >= 3 && words[0] == name && words[1].starts_with(version))
            .unwrap_or_else(|| panic!("tests/tools.txt does not pin {name} {version}"));
        if matches!(self, Self::Judge4 | Self::Judge3) {
            return folder().join(format!("helm-judge-{}-{}", pinned[1], judge())).join("helm-judge");
        }
        let file = if self == Self::TrillianSchema { "storage.sql" } else { name };
        folder().join(format!("{name}-{}", pinned[1])).join(file)
    }
}

/// Which sources the judge is built of, as `tests/run` names it.
fn judge() -> String {
    let sources = concat!(
        include_str!("../../judge/client.go"),
        include_str!("../../judge/helm3.go"),
        include_str!("../../judge/helm4.go"),
        include_str!("../../judge/judge.go")
    );
    super::images::digest(sources.as_bytes())["sha256:".len()..][..12].to_owned()
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
    let installs = match missing {
        Tool::MariaDb => "Debian's package mariadb-server-core has it",
        Tool::Script => "Debian's package bsdutils has it",
        _ => "tests/run installs it",
    };
    leave_out(&format!("{} is not there; {installs}", missing.path().display()));
    false
}

pub(crate) fn leave_out(reason: &str) {
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
