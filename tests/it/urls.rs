//! Keyrings by URL: `lock` alone fetches them, once, and commits what pins rest on.

use std::path::Path;

use crate::keyserver::{Answer, KeyServer};
use crate::sides::{PUBLISH, Served, Sides, blocks, field};
use crate::support::images::{Image, digest};
use crate::support::pgp::Key;
use crate::support::process::{hermetic, run, spawn};
use crate::support::tools::Tool;

const URL: &str = "https://keys.example/ring.gpg";

/// `api` with a keyring of the workspace, `web` with one behind [`URL`]; nothing is pinned.
fn bench() -> (Sides, KeyServer) {
    let (mut sides, server) = (Sides::new(), KeyServer::start());
    server.serve(&mut sides.workspace);
    for chart in ["api", "web"] {
        sides.upstream(chart, "1.0.0", "");
    }
    sides.mirror("api", &["1.0.0"]);
    sides.mirror_trusting("web", &["1.0.0"], &format!("  keyring: {URL}\n"));
    (sides, server)
}

/// The committed keyrings whose names are digests.
fn committed(sides: &Sides) -> Vec<String> {
    let names = std::fs::read_dir(sides.workspace.path("keyrings")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.len() == "0.gpg".len() + 63).collect();
    names.sort();
    names
}

fn file(ring: &[u8]) -> String {
    format!("{}.gpg", digest(ring).trim_start_matches("sha256:"))
}

#[test]
fn a_keyring_is_fetched_for_the_first_pin_and_committed() {
    let (sides, server) = bench();
    let ring = sides.key.public();
    server.put("ring.gpg", Answer::Bytes(ring.clone()));
    let ran = sides.workspace.run("lock").ok().says(&sides.key.fingerprint());
    let ran = ran.says(&format!("keyrings/{} written, mirrors.lock written", file(&ring)));
    assert_eq!(server.take(), ["CONNECT keys.example:443", "GET /ring.gpg"], "{ran}");
    assert_eq!(committed(&sides), [file(&ring)]);
    assert_eq!(std::fs::read(sides.workspace.path("keyrings").join(file(&ring))).unwrap(), ring);
    assert_eq!(field(&blocks(&sides.lockfile())[1], "keyring"), digest(&ring));

    // From now on the committed one serves, whatever the URL has become, and for new versions too.
    server.put("ring.gpg", Answer::Status(410));
    sides.upstream("web", "1.1.0", "");
    sides.mirror_trusting("web", &["1.0.0", "1.1.0"], &format!("  keyring: {URL}\n"));
    for words in ["lock", "lock", "validate", "plan", "apply", "verify"] {
        sides.workspace.run(words).ok();
    }
    assert_eq!(server.take(), Vec::<String>::new());
    assert_eq!(blocks(&sides.lockfile()).len(), 3);
    // Without it nothing that rests on it can be published, and nothing is fetched but by `lock`.
    std::fs::remove_file(sides.workspace.path("keyrings").join(file(&ring))).unwrap();
    sides.workspace.run("plan").exits(3).says(&file(&ring));
    sides.workspace.run("apply").exits(3).says(&file(&ring));
    assert_eq!(server.take(), Vec::<String>::new());
}

/// `web` is not pinned, with the URL and these words; `api` is, all the same.
#[track_caller]
fn refuses(bench: &(Sides, KeyServer), words: &[&str]) -> Vec<String> {
    let (sides, server) = bench;
    let _ = std::fs::remove_file(sides.workspace.path("mirrors.lock"));
    server.take();
    let ran = sides.workspace.run("lock").exits(1).says(URL).says("web:1.0.0");
    for words in words {
        assert!(ran.said().contains(words), "no {words:?} in {ran}");
    }
    let pinned: Vec<_> = blocks(&sides.lockfile()).iter().map(|block| field(block, "name")).collect();
    assert_eq!(pinned, ["api"], "{ran}");
    assert_eq!(committed(sides), Vec::<String>::new(), "{ran}");
    server.take()
}

#[test]
fn a_keyring_that_cannot_be_had_is_that_mirror_s_failure() {
    let bench = bench();
    let answers: [(Answer, &str); 5] = [
        (Answer::Status(404), "404"),
        (Answer::Status(410), "410"),
        (Answer::Status(500), "500"),
        (Answer::Bytes(b"<html>not a keyring</html>".to_vec()), "keyring"),
        (Answer::Bytes(Vec::new()), "keyring"),
    ];
    for (answer, words) in answers {
        bench.1.put("ring.gpg", answer);
        refuses(&bench, &[words]);
    }
    // A good keyring of somebody else is not committed: no pin rests on it.
    let stranger = Key::new("Stranger <stranger@example.org>");
    bench.1.put("ring.gpg", Answer::Bytes(stranger.public()));
    let (sides, _) = &bench;
    sides.workspace.run("lock").exits(1).says("web:1.0.0");
    assert_eq!(committed(sides), Vec::<String>::new());
}

#[test]
fn a_body_that_never_ends_is_left_at_one_mebibyte() {
    let bench = bench();
    bench.1.put("ring.gpg", Answer::Endless);
    refuses(&bench, &["over the limit"]);
    // What is in the buffers between the two was sent as well.
    assert!((1 << 20..16 << 20).contains(&bench.1.sent()), "{}", bench.1.sent());
    let mut large = vec![b'x'; (1 << 20) + 1];
    bench.1.put("ring.gpg", Answer::Bytes(large.clone()));
    refuses(&bench, &["over the limit"]);
    large.truncate(1 << 20);
    bench.1.put("ring.gpg", Answer::Bytes(large));
    refuses(&bench, &["is no keyring"]);
}

#[test]
fn redirects_are_few_and_stay_on_https_and_out_of_private_networks() {
    let bench = bench();
    let away = [
        "http://keys.example/other.gpg",
        "https://127.0.0.1/other.gpg",
        "https://169.254.169.254/other.gpg",
        "https://10.1.2.3/other.gpg",
        "https://[::1]/other.gpg",
        "https://user:secret@keys.example/other.gpg",
        "file:///etc/passwd",
    ];
    bench.1.put("other.gpg", Answer::Bytes(bench.0.key.public()));
    for to in away {
        bench.1.put("ring.gpg", Answer::Redirect(to.to_owned()));
        let seen = refuses(&bench, &[]);
        assert_eq!(seen, ["CONNECT keys.example:443", "GET /ring.gpg"], "{to}");
    }
    bench.1.put("ring.gpg", Answer::Redirect("/ring.gpg".to_owned()));
    let seen = refuses(&bench, &["redirects more than 3 times"]);
    assert_eq!(seen.iter().filter(|request| request.starts_with("GET")).count(), 4, "{seen:?}");
    // Four are too many, three are not.
    for (from, to) in [("ring.gpg", "1"), ("1", "2"), ("2", "3"), ("3", "other.gpg")] {
        bench.1.put(from, Answer::Redirect(format!("https://keys.example/{to}")));
    }
    refuses(&bench, &["redirects more than 3 times"]);
    bench.1.put("2", Answer::Redirect("/other.gpg".to_owned()));
    bench.0.workspace.run("lock").ok();
    assert_eq!(committed(&bench.0), [file(&bench.0.key.public())]);
}

#[test]
fn a_keyring_that_changed_behind_its_url_is_told_under_drift_and_taken_by_a_refresh() {
    let (sides, server) = bench();
    let (old, new) = (Key::new("Former <former@example.org>"), Key::new("Next <next@example.org>"));
    let first = [sides.key.public(), old.public()].concat();
    server.put("ring.gpg", Answer::Bytes(first.clone()));
    sides.workspace.run("lock").ok();
    sides.workspace.run("apply").ok();
    let quiet = sides.workspace.run("plan --drift").ok();
    assert!(!quiet.said().contains("i keyring"), "{quiet}");
    let second = [sides.key.public(), new.public()].concat();
    server.put("ring.gpg", Answer::Bytes(second.clone()));
    sides.leaves_lockfile("lock").ok();
    server.take();
    sides.workspace.run("plan --detailed-exitcode").ok();
    assert_eq!(server.take(), Vec::<String>::new());
    let ran = sides.workspace.run("plan --drift --detailed-exitcode").ok();
    let ran =
        ran.says("as reviewed? yes, with the findings below: ").says("; the keyring of 1 mirror changed upstream");
    ran.says("i keyring").says(&format!("{PUBLISH}/web")).says(&digest(&second)).says("--refresh-keyring");
    assert_eq!(committed(&sides), [file(&first)]);

    let before = blocks(&sides.lockfile());
    let ran = sides.workspace.run("lock --refresh-keyring web").ok();
    ran.says(&format!("key added: {}", new.fingerprint())).says(&format!("key removed: {}", old.fingerprint()));
    let after = blocks(&sides.lockfile());
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1], before[1].replace(&digest(&first), &digest(&second)));
    let mut both = [file(&first), file(&second)];
    both.sort();
    assert!(committed(&sides).contains(&file(&second)), "{both:?}");
    // A refresh that cannot have the keyring loses nothing.
    server.put("ring.gpg", Answer::Status(404));
    sides.leaves_lockfile("lock --refresh-keyring web").exits(1).says(URL);
    let ran = sides.workspace.run("plan --drift").ok();
    let ran = ran.says("as reviewed? cannot tell: the keyring of 1 mirror could not be asked for");
    ran.says("~ keyring-unknown").says(URL);
    sides.workspace.run("plan --detailed-exitcode").ok();
}

/// A URL that `lock` would not follow is not asked in the first place.
#[test]
fn a_url_that_is_none_of_the_public_s_is_refused_unasked() {
    let (sides, server) = bench();
    let urls = [
        "http://keys.example/ring.gpg",
        "https://127.0.0.1/ring.gpg",
        "https://169.254.169.254/latest/meta-data",
        "https://user:secret@keys.example/ring.gpg",
        "ftp://keys.example/ring.gpg",
    ];
    for url in urls {
        sides.mirror_trusting("web", &["1.0.0"], &format!("  keyring: {url}\n"));
        let ran = sides.workspace.run("lock").exits(1);
        assert!(ran.said().contains("web"), "{ran}");
        assert_eq!(server.take(), Vec::<String>::new(), "{url}");
        assert_eq!(committed(&sides), Vec::<String>::new());
    }
}

/// A committed keyring is what its name says, or it is none.
#[test]
fn a_committed_keyring_with_other_bytes_is_refused() {
    let (sides, server) = bench();
    let ring = sides.key.public();
    server.put("ring.gpg", Answer::Bytes(ring.clone()));
    sides.workspace.run("lock").ok();
    let stranger = Key::new("Stranger <stranger@example.org>");
    let name = format!("keyrings/{}", file(&ring));
    for bytes in [[ring.clone(), stranger.public()].concat(), stranger.public(), b"garbage".to_vec(), Vec::new()] {
        sides.workspace.write(&name, bytes);
        for words in ["plan", "apply"] {
            let ran = sides.workspace.run(words).refused();
            assert!(ran.said().contains(&file(&ring)), "{ran}");
        }
        assert_eq!(sides.at_destination("web", "1.0.0"), None);
    }
    sides.workspace.write(&name, ring);
    sides.workspace.run("apply").ok();
}

#[test]
fn an_interrupted_lock_commits_no_keyring() {
    let (mut sides, server) = bench();
    let source = Served::start();
    source.put("charts/web", "1.0.0", &Image::chart("web", "1.0.0", "", Some(&sides.key)));
    sides.workspace = sides.workspace.plain_http(&source.host());
    sides.mirror_from("web", &source.repository("charts/web"), &["1.0.0"], &format!("  keyring: {URL}\n"));
    server.put("ring.gpg", Answer::Bytes(sides.key.public()));
    let held = source.hold("/blobs/");
    let running = spawn(sides.workspace.command().arg("lock"));
    held.wait();
    running.signal("INT");
    running.wait().exits(1).says("nothing was written");
    assert!(server.take().contains(&"GET /ring.gpg".to_owned()));
    assert_eq!(committed(&sides), Vec::<String>::new());
    assert_eq!(sides.lockfile(), "");
    drop(held);
    sides.workspace.run("lock").ok();
    assert_eq!(committed(&sides).len(), 1);
}

/// What verifies the pins of a new mirror is what was committed, whatever its URL says: the plan names it and its keys.
#[test]
fn a_new_mirror_s_committed_keyring_is_named_with_its_keys() {
    needs!(Tool::Git);
    let (sides, server) = bench();
    for words in ["init --quiet", "add chartsync.toml mirrors/api.yaml keyrings", "commit --quiet --message base"] {
        let mut command = hermetic(Tool::Git.path(), Path::new("/nonexistent"));
        command.current_dir(sides.workspace.path("")).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        run(command.args(words.split_whitespace())).ok();
    }
    let more = Key::new("More <more@example.org>");
    let ring = [sides.key.public(), more.public()].concat();
    server.put("ring.gpg", Answer::Bytes(ring.clone()));
    sides.workspace.run("lock").ok();
    let ran = sides.workspace.run("plan --base HEAD").ok().says(&digest(&ring));
    ran.says(&more.fingerprint());
}
