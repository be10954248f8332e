//! `init`: a workspace in which everything works at once.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::charts::Desk;
use crate::support::process::{Ran, hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::signed::key_pair;
use crate::support::tools::Tool;

/// Runs `init` and what follows, from the folder above.
struct Start(TempDir);

impl Start {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = hermetic(env!("CARGO_BIN_EXE_chartsync"), &self.0.path().join("home"));
        run(command.current_dir(self.0.path()).args(words))
    }

    /// A line as somebody types it, in a shell that finds the program.
    #[track_caller]
    fn shell(&self, line: &str) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_chartsync")).parent().unwrap().display().to_string();
        let mut command = hermetic("sh", &self.0.path().join("home"));
        command.current_dir(self.0.path()).env("PATH", format!("{program}:/usr/bin:/bin"));
        run(command.args(["-c", line]))
    }

    fn files(&self, folder: &str) -> Vec<String> {
        fn walk(at: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(at).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { walk(&entry, found) } else { found.push(entry.display().to_string()) }
            }
        }
        let (root, mut found) = (self.0.path().join(folder), Vec::new());
        walk(&root, &mut found);
        let prefix = format!("{}/", root.display());
        let mut found: Vec<_> = found.iter().map(|path| path.replace(&prefix, "")).collect();
        found.sort();
        found
    }
}

const FILES: [&str; 4] = [".gitignore", "chartsync.toml", "mirrors/.template.yaml", "schemas/chart-mirror.schema.json"];

/// The lines that it says come next.
fn next(ran: &Ran) -> Vec<String> {
    ran.stdout().split_once("next:\n").unwrap().1.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn what_init_makes_is_valid_and_can_be_locked_and_planned_at_once() {
    let start = Start::new();
    for method in ["keyless", "none"] {
        let folder = format!("my {method} charts");
        let ran = start.run(&["init", &folder, "--method", method]).ok();
        assert_eq!(start.files(&folder), FILES);
        let next = next(&ran);
        assert_eq!(next[0], format!("cd '{folder}'"));
        let root = format!("cd '{folder}' &&");
        start.shell(&format!("{root} {}", next[1])).ok().says("0 manifests with 0 versions");
        for command in ["lock", "lock", "plan --detailed-exitcode", "apply", "verify", "list", "outdated", "graph"] {
            start.shell(&format!("{root} chartsync {command}")).ok();
        }
        // The template is a manifest as it stands; only its upstream is not to be had here.
        start.shell(&format!("{root} {} && chartsync validate", next[2])).ok().says("1 manifest with 1 version");
        start.shell(&format!("{root} {} --offline", next[4])).exits(3).says("cert-manager");
        assert_eq!(next[3], "chartsync lock");
    }
    let settings = fs::read_to_string(start.0.path().join("my keyless charts/chartsync.toml")).unwrap();
    assert!(settings.contains("https://github.com/your-org/charts/.github/workflows/mirror.yaml@refs/heads/main"));
}

#[test]
fn the_options_stand_in_the_settings() {
    let start = Start::new();
    start.run(&["init", "a/b", "--repository", "ghcr.io/acme/helm/charts"]).ok();
    let settings = fs::read_to_string(start.0.path().join("a/b/chartsync.toml")).unwrap();
    for words in
        ["repository = \"ghcr.io/acme/helm/charts\"", "https://github.com/acme/helm/.github/workflows/publish.yaml@"]
    {
        assert!(settings.contains(words), "no {words:?} in {settings}");
    }
    let template = fs::read_to_string(start.0.path().join("a/b/mirrors/.template.yaml")).unwrap();
    assert!(template.contains("repository: ghcr.io/acme/helm/charts/cert-manager"), "{template}");
    start.run(&["init", "c", "--repository", "oci://ghcr.io/acme"]).refused().says("oci://");
    start.run(&["init", "c", "--repository", "acme"]).refused();
    assert!(!start.0.path().join("c").exists());
}

#[test]
fn nothing_is_overwritten() {
    let start = Start::new();
    start.run(&["init", "a"]).ok();
    let before = fs::read(start.0.path().join("a/chartsync.toml")).unwrap();
    fs::remove_file(start.0.path().join("a/.gitignore")).unwrap();
    start.run(&["init", "a", "--method", "none"]).exits(1).says("already has chartsync.toml").says("another folder");
    assert_eq!(fs::read(start.0.path().join("a/chartsync.toml")).unwrap(), before);
    assert_eq!(start.files("a"), FILES[1..]);
    // Other files in the folder are nobody's business, and what Git leaves alone is its author's.
    for (ignored, is_told) in [("target\n", true), ("/cosign.key\n", false), ("a\n*.key\r\n", false)] {
        let folder = format!("b{}", ignored.len());
        let mine = [("README.md", "mine"), (".github/workflows/ci.yaml", "mine"), (".gitignore", ignored)];
        for (file, text) in mine {
            let path = start.0.path().join(&folder).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let ran = start.run(&["init", &folder]).ok();
        let told = ".gitignore is left as it is: add the line `/cosign.key`, a private key is never committed";
        assert_eq!(ran.stdout().contains(told), is_told, "{ran}");
        assert!(!ran.stdout().contains("+ .gitignore"), "{ran}");
        for (file, text) in mine {
            assert_eq!(fs::read_to_string(start.0.path().join(&folder).join(file)).unwrap(), text);
        }
    }
    fs::write(start.0.path().join("file"), "").unwrap();
    start.run(&["init", "file"]).exits(1).says("cannot write");
    start.run(&["init"]).refused().says("DIR");
}

#[test]
fn a_key_pair_must_be_there_first() {
    needs!(Tool::Cosign3);
    let start = Start::new();
    let ran = start.run(&["init", "with key", "--method", "key"]).exits(1);
    assert!(start.files("with key").is_empty());
    let said = ran.stderr();
    let command = said.split('`').nth(3).unwrap();
    assert_eq!(command, "mkdir -p 'with key' && cd 'with key' && cosign generate-key-pair");
    key_pair(&start.0.path().join("with key"));
    start.run(&["init", "with key", "--method", "key"]).ok();
    start.run(&["validate", "--root", "with key"]).ok();
    assert!(fs::read_to_string(start.0.path().join("with key/.gitignore")).unwrap().contains("/cosign.key\n"));
}

/// From nothing to published, over a registry.
#[test]
fn a_new_workspace_publishes_its_first_chart() {
    needs!(Tool::Helm4);
    let (start, registry, desk) = (Start::new(), Registry::start(Kind::Distribution), Desk::new());
    desk.publish(Tool::Helm4, &registry.repository("upstream"), "web", "1.0.0", None);
    start.run(&["init", "a", "--method", "none", "--repository", &registry.repository("charts")]).ok();
    let path = |name: &str| start.0.path().join("a").join(name);
    let settings = fs::read_to_string(path("chartsync.toml")).unwrap();
    let plain = format!("{settings}\n[registry.\"{}\"]\nplain-http = true\n", registry.host());
    fs::write(path("chartsync.toml"), plain).unwrap();
    let template = fs::read_to_string(path("mirrors/.template.yaml")).unwrap();
    let manifest: Vec<_> = template
        .replace("quay.io/jetstack/charts/cert-manager", &registry.repository("upstream/web"))
        .replace("/cert-manager ", "/web ")
        .replace("v1.15.5", "1.0.0")
        .replace("# required: false", "required: false")
        .lines()
        .filter(|line| !line.trim_start().starts_with("keyring:") && !line.trim_start().starts_with("fingerprints:"))
        .map(str::to_owned)
        .collect();
    fs::write(path("mirrors/web.yaml"), manifest.join("\n")).unwrap();
    for command in ["validate", "lock", "plan", "apply", "verify"] {
        start.run(&[command, "--root", "a"]).ok();
    }
    start.run(&["apply", "--root", "a"]).ok().says("nothing to do");
}
