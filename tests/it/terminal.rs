//! What a terminal shows while something takes time, and what a log has instead.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::sides::{Served, Sides};
use crate::support::images::Image;
use crate::support::process::{DEADLINE, spawn};
use crate::support::registry::{Auth, PASSWORD, Registry};
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

/// A program on a terminal of its own, read as it writes.
struct Screen {
    child: Child,
    chunks: Receiver<Vec<u8>>,
    seen: String,
}

impl Screen {
    /// Runs words of the program on a terminal of so many columns.
    fn start(workspace: &Workspace, words: &str, columns: usize, variables: &[(&str, &str)]) -> Self {
        let program = workspace.command();
        let line = format!("stty rows 24 cols {columns} && exec {} {words}", program.get_program().to_str().unwrap());
        let mut command = Command::new(Tool::Script.path());
        command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm").env("SHELL", "/bin/sh").envs(variables.iter().copied());
        command.current_dir(program.get_current_dir().unwrap()).args(["-qec", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (send, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut buffer) {
                // The test may have stopped looking; the program must still be read.
                let _ = send.send(buffer[..read].to_vec());
            }
        });
        Self { child, chunks, seen: String::new() }
    }

    /// Waits until it has shown these words.
    #[track_caller]
    fn until(&mut self, words: &str) {
        while !self.seen.contains(words) {
            let Ok(chunk) = self.chunks.recv_timeout(DEADLINE) else { panic!("no {words:?} on {:?}", self.seen) };
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    /// Waits for its end; everything that it has shown.
    fn ends(mut self) -> String {
        while let Ok(chunk) = self.chunks.recv_timeout(DEADLINE) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands on a terminal after these bytes, line by line: as far as our own sequences go.
fn screen(bytes: &str) -> Vec<String> {
    let bytes = bytes.replace("\r\n", "\n");
    let row = |row: &str| row.rsplit("\r\u{1b}[K").next().unwrap_or_default().to_owned();
    bytes.split('\n').map(row).collect()
}

/// A mirror `api` whose source is a server that the test can stop.
fn slow() -> (Sides, Served) {
    let (mut sides, served) = (Sides::new(), Served::start());
    sides.workspace = sides.workspace.plain_http(&served.host());
    served.put("charts/api", "1.0.0", &Image::chart("api", "1.0.0", "", None));
    sides.mirror_from("api", &served.repository("charts/api"), &["1.0.0"], &unsigned());
    (sides, served)
}

#[test]
fn a_terminal_shows_one_line_that_goes_away() {
    needs!(Tool::Script);
    for columns in [60, 160] {
        let (sides, served) = slow();
        let held = served.hold("/manifests/");
        let mut shown = Screen::start(&sides.workspace, "lock", columns, &[]);
        shown.until("verifying and pinning, 1 running, 0 done, 0 left");
        drop(held);
        let seen = shown.ends();
        for line in seen.split(['\r', '\n']).map(|line| line.trim_start_matches("\u{1b}[K")) {
            let is_status = line.contains(" running, ");
            assert!(!is_status || line.len() < columns, "{columns}: {line}");
        }
        let left = screen(&seen);
        assert!(!left.iter().any(|row| row.contains(" running, ")), "{left:?}");
        assert!(left.iter().any(|row| row.contains("+ pinned")), "{left:?}");
    }
}

#[test]
fn a_terminal_that_can_do_nothing_gets_plain_lines() {
    needs!(Tool::Script);
    let (sides, served) = slow();
    let held = served.hold("/manifests/");
    let mut shown = Screen::start(&sides.workspace, "-v lock", 80, &[("TERM", "dumb")]);
    held.wait();
    drop(held);
    shown.until("+ pinned");
    let seen = shown.ends();
    assert!(!seen.contains('\u{1b}') && !seen.replace("\r\n", "").contains('\r'), "{seen:?}");
    assert!(seen.contains("GET   http://"), "{seen:?}");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    needs!(Tool::Script);
    let sides = Sides::pinned(&["1.0.0"]);
    let colour = "\u{1b}[3";
    assert!(Screen::start(&sides.workspace, "plan", 80, &[]).ends().contains(colour));
    for variables in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let seen = Screen::start(&sides.workspace, "plan", 80, &[variables]).ends();
        assert!(seen.contains("+ publish") && !seen.contains(colour), "{variables:?}: {seen:?}");
    }
    let piped = sides.workspace.run("plan").ok();
    assert!(!piped.said().contains('\u{1b}'), "{piped}");
}

#[test]
fn without_a_terminal_nothing_is_drawn_and_quiet_is_silent() {
    let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
    let ran = sides.workspace.run("apply --chart web@1.0.0").ok();
    assert!(ran.stderr().contains("published") && !ran.stderr().contains('\r'), "{ran}");
    let ran = sides.workspace.run("apply --quiet").ok();
    assert_eq!(ran.stderr(), "", "{ran}");
    assert!(ran.stdout().contains("published"), "{ran}");
    // What went wrong is told all the same.
    assert!(sides.workspace.run("-q plan --chart nope").exits(1).stderr().contains("did you mean"));
    sides.workspace.run("plan -q -v").refused().says("cannot be used with");
}

#[test]
fn requests_are_told_without_what_is_secret_in_them() {
    needs!(Tool::Distribution);
    let registry = Registry::distribution(Auth::Token);
    let workspace = Workspace::new(&registry.repository("charts")).plain_http(&registry.host());
    Image::chart("web", "1.0.0", "", None).put(&workspace.path("upstream/web"), "1.0.0");
    let workspace = workspace.layout("upstream.example", "upstream");
    workspace.log_in(&[registry.host()]);
    workspace.mirror("web", "upstream.example/web", &registry.repository("charts/web"), &["1.0.0"], &unsigned());
    workspace.run("lock").ok();
    let ran = workspace.run("-v apply").ok();
    let requests: Vec<_> = ran.stderr().lines().filter(|line| line.contains("http://")).map(str::to_owned).collect();
    assert!(requests.iter().any(|line| line.starts_with("PUT   ") && line.contains("  201  ")), "{ran}");
    assert!(requests.iter().any(|line| line.contains("/token  200  ") && line.ends_with(" ms")), "{ran}");
    // Neither what is asked for at the token server nor an upload's state, nor who asks.
    for secret in ["?", PASSWORD, "Bearer", "Basic", "_state", "scope="] {
        assert!(!ran.said().contains(secret), "{secret:?} in {ran}");
    }
    // Data stays data.
    let plan = workspace.run("-v plan --format json").ok();
    assert!(serde_json::from_slice::<serde_json::Value>(&plan.stdout).is_ok(), "{plan}");
    assert!(plan.stderr().contains("HEAD  http://"), "{plan}");
    assert!(!workspace.run("plan").ok().stderr().contains("http://"));
}

#[test]
fn a_request_without_an_answer_is_told_too() {
    let (sides, served) = slow();
    served.answer(|| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")]).into_response());
    sides.workspace.run("-v lock").exits(1).says("  503  ");
    drop(served);
    sides.workspace.run("-v lock").exits(1).says("no answer (");
}

#[test]
fn an_interrupt_says_how_much_was_done() {
    let (sides, served) = slow();
    sides.workspace.run("lock").ok();
    for (command, part, says) in [
        ("outdated", "/tags/", "0 of 1 sources were asked"),
        ("lock --repin api@1.0.0", "/manifests/", "0 of 1 versions were verified; nothing was written"),
        ("plan --drift", "/manifests/", "0 of 1 charts were looked at"),
    ] {
        sides.workspace.forget_cache();
        let held = served.hold(part);
        let running = spawn(sides.workspace.command().args(command.split(' ')));
        held.wait();
        running.signal("INT");
        running.wait().exits(1).says(says);
    }
}
