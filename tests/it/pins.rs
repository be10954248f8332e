//! A pin edited by hand, field by field: it is refused by name, and nothing of it is published.

use crate::sides::{Sides, blocks, field};
use crate::support::images::Image;

/// `web` 1.0.0 and 1.1.0 pinned, `api` beside them; an edit is made to the last block, `web` 1.1.0.
struct Bench {
    sides: Sides,
    lockfile: String,
    others: Image,
}

impl Bench {
    fn new() -> Self {
        let sides = Sides::pinned(&["1.0.0", "1.1.0"]);
        let others = sides.upstream("web", "2.0.0", "another release");
        let lockfile = sides.lockfile();
        Self { sides, lockfile, others }
    }

    /// Sets a field of the last block, or adds it.
    fn edited(&self, key: &str, value: &str) -> String {
        let block = blocks(&self.lockfile).pop().unwrap();
        let line = block.lines().find(|line| line.starts_with(&format!("{key} = ")));
        let new = match line {
            Some(line) => block.replace(line, &format!("{key} = {value}")),
            None => format!("{block}{key} = {value}\n"),
        };
        assert_ne!(new, block, "{key} = {value}");
        self.lockfile.replace(block.trim_end(), new.trim_end())
    }

    /// Asserts that apply refuses this lockfile with these words, and that its last pin is not published.
    #[track_caller]
    fn refuses(&self, lockfile: &str, exit: i32, words: &[&str]) {
        assert_ne!(lockfile, self.lockfile);
        self.sides.workspace.write("mirrors.lock", lockfile);
        let ran = self.sides.workspace.run("apply").exits(exit);
        for words in words {
            assert!(ran.said().contains(words), "no {words:?} in:\n{ran}\n{lockfile}");
        }
        for (chart, version) in [("web", "1.1.0"), ("web", "2.0.0"), ("api", "1.1.0")] {
            assert_eq!(self.sides.at_destination(chart, version), None, "{lockfile}");
        }
    }
}

#[test]
fn a_field_that_the_bytes_contradict_is_a_pin_mismatch() {
    let bench = Bench::new();
    let line = bench.lockfile.lines().count() - blocks(&bench.lockfile).pop().unwrap().lines().count() + 1;
    let zeroes = format!("\"sha256:{:064}\"", 7);
    let first = blocks(&bench.lockfile).remove(0);
    let of_first = |key: &str| format!("\"{}\"", field(&first, key));
    let fields = [
        ("size", "7".to_owned()),
        ("archive", zeroes.clone()),
        ("archive", of_first("archive")),
        ("archive-size", "7".to_owned()),
        ("provenance", zeroes.clone()),
        ("provenance", of_first("provenance")),
        ("app-version", "\"7\"".to_owned()),
    ];
    for (key, value) in fields {
        let words = format!("{key} is `");
        let at = format!("mirrors.lock:{line}");
        bench.refuses(&bench.edited(key, &value), 4, &["! pin-mismatch", "web:1.1.0", &words, &at]);
    }
    // The other pin is as good as before.
    assert!(bench.sides.at_destination("web", "1.0.0").is_some());
}

#[test]
fn another_signer_is_told_first_and_contradicted_once_accepted() {
    let mut bench = Bench::new();
    let stranger = "0123456789ABCDEF0123456789ABCDEF01234567";
    let edited = bench.edited("signer", &format!("\"pgp:{stranger}\""));
    bench.refuses(&edited, 4, &["! signer", "web:1.1.0", stranger]);
    let digest = field(&blocks(&bench.lockfile)[1], "digest");
    bench.sides.accept("new-signer", "web:1.1.0", &digest);
    let words = format!("signer is `pgp:{stranger}` in the lockfile");
    bench.refuses(&edited, 4, &["! pin-mismatch", "web:1.1.0", &words]);
}

#[test]
fn another_digest_is_refused_even_where_its_bytes_exist() {
    let bench = Bench::new();
    // Upstream's tag names something else than this "pin", so it has moved; accepted, the bytes still contradict it.
    let digest = bench.others.digest();
    let edited = bench.edited("digest", &format!("\"{digest}\""));
    bench.refuses(&edited, 4, &["web:1.1.0", &digest]);
    name_upstream(&bench, &bench.others);
    bench.refuses(&edited, 4, &["! pin-mismatch", "web:1.1.0", "2.0.0"]);
    // The digest of bytes that nobody has.
    let nobody = format!("sha256:{:064}", 7);
    bench.refuses(&bench.edited("digest", &format!("\"{nobody}\"")), 4, &["web:1.1.0", &nobody]);
}

/// Makes upstream's tag 1.1.0 name these bytes.
fn name_upstream(bench: &Bench, image: &Image) {
    crate::support::images::name(&bench.sides.source_folder("web"), "1.1.0", Some(&image.manifest));
}

#[test]
fn a_field_that_the_manifest_contradicts_leaves_the_version_without_a_pin() {
    let bench = Bench::new();
    let zeroes = format!("sha256:{:064}", 7);
    let fields = [
        ("source", "upstream.example/charts/api", "upstream.example/charts/api"),
        ("keyring", &zeroes, &zeroes),
        ("version", "2.0.0", "web:1.1.0"),
    ];
    for (key, value, words) in fields {
        bench.refuses(&bench.edited(key, &format!("\"{value}\"")), 3, &["? stale", "web:1.1.0", words]);
    }
}

#[test]
fn a_field_that_contradicts_its_own_block_is_a_problem_with_its_line() {
    let bench = Bench::new();
    let remove = |key: &str| {
        let block = blocks(&bench.lockfile).pop().unwrap();
        let kept: Vec<_> = block.lines().filter(|line| !line.starts_with(&format!("{key} = "))).collect();
        bench.lockfile.replace(block.trim_end(), &kept.join("\n"))
    };
    let edits = [
        ("name", bench.edited("name", "\"api\"")),
        ("destination", bench.edited("destination", "\"charts.example/platform/api\"")),
        ("signer", bench.edited("signer", "\"none\"")),
        ("provenance", remove("provenance")),
        ("keyring", remove("keyring")),
        ("signer", remove("signer")),
        ("digest", remove("digest")),
        ("size", bench.edited("size", "-1")),
        ("digest", bench.edited("digest", "\"sha512:00\"")),
        ("signer", bench.edited("signer", "\"pgp:0123\"")),
        ("version", bench.edited("version", "\"one\"")),
        ("colour", bench.edited("colour", "\"red\"")),
        ("version", bench.lockfile.replace("version = 1\n", "version = 2\n")),
    ];
    for (key, edited) in edits {
        bench.refuses(&edited, 1, &["mirrors.lock:", key]);
    }
}
