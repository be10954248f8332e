//! Reviewed is published, whatever the cache says.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sides::{Sides, blocks, field};
use crate::support::images::digest;
use crate::support::pgp::Key;
use crate::support::process::Ran;

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// Two charts, pinned and planned: blobs and facts of both are in the cache.
fn cached() -> (Sides, PathBuf) {
    let mut sides = Sides::new();
    for chart in ["api", "web"] {
        sides.upstream(chart, "1.0.0", "");
        sides.mirror(chart, &["1.0.0"]);
    }
    let cache = sides.workspace.path("../cache");
    sides.workspace.set("CHARTSYNC_CACHE", &cache);
    sides.workspace.run("lock").ok();
    sides.workspace.run("plan").ok();
    (sides, cache)
}

/// What each command says where nothing is pinned or published yet, what it publishes, and what it pins.
fn everything(sides: &Sides) -> (Vec<String>, Vec<Option<String>>, String) {
    let _ = fs::remove_dir_all(sides.workspace.path("published"));
    fs::remove_file(sides.workspace.path("mirrors.lock")).unwrap();
    let commands = ["lock", "plan --format json", "apply"];
    let said = commands.map(|words| sides.workspace.run(words)).map(|ran: Ran| ran.ok().stdout());
    let published = ["api", "web"].map(|chart| sides.at_destination(chart, "1.0.0"));
    for file in ["api", "web"].iter().flat_map(|chart| files(&sides.published_folder(chart).join("blobs/sha256"))) {
        let named = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(digest(&fs::read(&file).unwrap()), format!("sha256:{named}"));
    }
    (said.to_vec(), published.to_vec(), sides.lockfile())
}

fn is_facts(path: &Path) -> bool {
    path.parent().unwrap().ends_with("facts")
}

/// Makes each of these files hold what another of them held.
fn swap(files: &[PathBuf]) {
    let bytes: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    for (index, path) in files.iter().enumerate() {
        fs::write(path, &bytes[(index + 1) % bytes.len()]).unwrap();
    }
}

#[test]
fn a_cache_of_other_bytes_changes_nothing_but_time() {
    let (sides, cache) = cached();
    let clean = everything(&sides);
    let kept = files(&cache);
    let (facts, blobs): (Vec<_>, Vec<_>) = kept.iter().cloned().partition(|path| is_facts(path));
    assert!(facts.len() >= 2 && blobs.len() >= 8, "{kept:?}");
    swap(&blobs);
    assert_eq!(everything(&sides), clean, "swapped blobs");
    for damage in [b"garbage".to_vec(), vec![0xff; 1 << 16]] {
        for path in &kept {
            fs::write(path, &damage).unwrap();
        }
        assert_eq!(everything(&sides), clean, "{} bytes of garbage", damage.len());
    }
    // No cache, and something else in its place.
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "in the way").unwrap();
    assert_eq!(everything(&sides), clean, "no cache");
}

#[test]
fn facts_of_another_chart_are_no_facts() {
    let (sides, cache) = cached();
    let clean = everything(&sides);
    let facts: Vec<_> = files(&cache).into_iter().filter(|path| is_facts(path)).collect();
    // Of each: who signed it, and what of it deserves a second look.
    assert_eq!(facts.len(), 4);
    swap(&facts);
    assert_eq!(everything(&sides), clean);
}

/// Changes facts in the cache and gives them the checksum that makes them count there. Tells how many were changed.
pub(crate) fn forge(cache: &Path, change: impl Fn(&str) -> String) -> usize {
    let mut forged = 0;
    for path in files(&cache.join("facts")) {
        let text = fs::read_to_string(&path).unwrap();
        let (_, facts) = text.split_once('\n').unwrap();
        let changed = change(facts);
        forged += usize::from(changed != facts);
        let key = path.file_name().unwrap().to_str().unwrap();
        let checksum = blake3::hash(format!("{key}{changed}").as_bytes()).to_hex();
        fs::write(&path, format!("{checksum}\n{changed}")).unwrap();
    }
    forged
}

/// Facts in the cache that agree with a forged pin may fool a plan; they publish nothing.
#[test]
fn facts_that_were_forged_with_their_checksum_publish_nothing() {
    let mut sides = Sides::new();
    let other = Key::new("Someone <someone@example.org>");
    sides.workspace.write("keyrings/both.gpg", [sides.key.public(), other.public()].concat());
    sides.upstream_by("web", "1.0.0", "", Some(&other));
    sides.mirror_trusting("web", &["1.0.0"], "  keyring: keyrings/both.gpg\n");
    let cache = sides.workspace.path("../cache");
    sides.workspace.set("CHARTSYNC_CACHE", &cache);
    sides.workspace.run("lock").ok();
    sides.workspace.run("plan").ok();
    let (wrong, right) = (other.fingerprint(), sides.key.fingerprint());
    assert_eq!(field(&blocks(&sides.lockfile())[0], "signer"), format!("pgp:{wrong}"));
    sides.workspace.write("mirrors.lock", sides.lockfile().replace(&wrong, &right));
    assert_eq!(forge(&cache, |facts| facts.replace(&wrong, &right)), 1);
    sides.workspace.run("plan").ok().says("+ publish  web 1.0.0");
    sides.workspace.run("apply").exits(4).says("! pin-mismatch").says("signer is").says(&wrong);
    assert!(!sides.published_folder("web").join("index.json").exists());
}
