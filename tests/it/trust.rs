//! No silent change of trust: what a change weakens shows in its `plan --base`.

use std::path::Path;

use crate::support::images::Image;
use crate::support::pgp::Key;
use crate::support::process::{Ran, hermetic, run};
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

/// A Git repository whose last commit holds `web` 1.0.0, pinned and published.
struct Bench {
    workspace: Workspace,
    key: Key,
}

impl Bench {
    fn new() -> Self {
        let workspace = Workspace::new("charts.example/platform")
            .layout("upstream.example", "upstream")
            .layout("charts.example", "published");
        let key = Key::new("Releases <releases@example.org>");
        let image = Image::chart("web", "1.0.0", "", Some(&key));
        for source in ["upstream/charts/web", "upstream/elsewhere/web"] {
            image.put(&workspace.path(source), "1.0.0");
        }
        let bench = Self { workspace, key };
        bench.mirror("upstream.example/charts/web", &bench.trust());
        bench.workspace.write("keyrings/web.gpg", bench.key.public());
        bench.workspace.write(".gitignore", "/upstream\n/published\n");
        bench.workspace.run("lock").ok();
        bench.workspace.run("apply").ok();
        bench.workspace.commit();
        bench
    }

    fn trust(&self) -> String {
        format!("  keyring: keyrings/web.gpg\n  fingerprints: [{}]\n", self.key.fingerprint())
    }

    fn mirror(&self, source: &str, trust: &str) {
        self.workspace.mirror("web", source, "charts.example/platform/web", &["1.0.0"], trust);
    }

    /// `plan --base HEAD` says all these words, which it does not say without the change.
    #[track_caller]
    fn tells(&self, before: &Ran, words: &[&str]) {
        let ran = self.workspace.run("plan --base HEAD");
        for word in words {
            assert!(ran.said().contains(word) && !before.said().contains(word), "no new {word:?} in {ran}");
        }
    }
}

/// Changes a fresh bench, and asserts which words that adds to its plan.
#[track_caller]
fn check(change: impl Fn(&mut Bench), words: &[&str]) {
    let mut bench = Bench::new();
    let before = bench.workspace.run("plan --base HEAD").ok();
    change(&mut bench);
    bench.tells(&before, words);
}

#[test]
fn another_source() {
    needs!(Tool::Git);
    check(
        |bench| {
            bench.mirror("upstream.example/elsewhere/web", &bench.trust());
            bench.workspace.run("lock").ok();
        },
        &["upstream.example/elsewhere/web"],
    );
}

#[test]
fn another_keyring() {
    needs!(Tool::Git);
    let other = Key::new("Someone <someone@example.org>");
    check(
        |bench| {
            bench.workspace.write("keyrings/web.gpg", [bench.key.public(), other.public()].concat());
            bench.workspace.run("lock").exits(1).says("--refresh-keyring charts.example/platform/web");
            bench.workspace.run("lock --refresh-keyring web").ok();
        },
        &[&other.fingerprint()],
    );
}

#[test]
fn no_fingerprints_any_more() {
    needs!(Tool::Git);
    check(|bench| bench.mirror("upstream.example/charts/web", "  keyring: keyrings/web.gpg\n"), &["fingerprints"]);
}

#[test]
fn no_longer_required() {
    needs!(Tool::Git);
    let weaker = |bench: &mut Bench| {
        bench.mirror("upstream.example/charts/web", &format!("{}  required: false\n", bench.trust()));
    };
    check(weaker, &["required"]);
}

#[test]
fn an_exception() {
    needs!(Tool::Git);
    let digest = format!("sha256:{:064}", 7);
    check(|bench| bench.workspace.accept("moved", "charts.example/platform/web:1.0.0", &digest), &["moved", &digest]);
}

#[test]
fn another_image_and_another_signer() {
    needs!(Tool::Git);
    let other = Key::new("Someone <someone@example.org>");
    let image = Image::chart("web", "1.0.0", "released again", Some(&other));
    check(
        |bench| {
            image.put(&bench.workspace.path("upstream/charts/web"), "1.0.0");
            bench.workspace.write("keyrings/web.gpg", other.public());
            bench.mirror("upstream.example/charts/web", "  keyring: keyrings/web.gpg\n");
            bench.workspace.run("lock --repin web@1.0.0").ok();
        },
        &[&other.fingerprint(), &image.digest()],
    );
}

#[test]
fn more_changes_at_once() {
    needs!(Tool::Git);
    check(|bench| bench.workspace.add_settings("[apply]\nmax-changes = 9999"), &["max-changes"]);
}

#[test]
fn a_revision_that_is_none_is_an_error() {
    needs!(Tool::Git);
    let bench = Bench::new();
    for revision in ["nothing", "--output=x", "HEAD~9", ""] {
        let mut command = bench.workspace.command();
        run(command.args(["plan", &format!("--base={revision}")])).exits(1);
    }
    assert!(!bench.workspace.path("x").exists());
}

#[test]
fn the_base_is_read_without_filters_or_hooks() {
    needs!(Tool::Git);
    let bench = Bench::new();
    let before = bench.workspace.run("plan --base HEAD").ok();
    bench.workspace.write(".gitattributes", "* filter=evil diff=evil\n");
    for name in
        ["filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "core.fsmonitor"]
    {
        let touch = format!("touch {}", bench.workspace.path("ran").display());
        let mut command = hermetic(Tool::Git.path(), Path::new("/nonexistent"));
        run(command.current_dir(bench.workspace.path("")).args(["config", name, &touch])).ok();
    }
    let after = bench.workspace.run("plan --base HEAD").ok();
    assert_eq!(after.stdout(), before.stdout());
    assert!(!bench.workspace.path("ran").exists());
}
