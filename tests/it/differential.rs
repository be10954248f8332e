//! Charts that somebody changed in a few places, through chartsync and through both helms: whatever chartsync clears, helm accepts
//! and reads as the same chart.
//!
//! A generator changes a good signed chart in its tar, its gzip, its Chart.yaml, its config, its provenance or its image manifest.
//! `lock` resolves them all in one run, and what it pins is what it cleared; `tests/judge` is Helm itself, linked, and judges as
//! many. The same cases every time; `CHARTSYNC_CASES=COUNT` and `CHARTSYNC_SEED=SEED` make more of them
//! and others, by hand, and what chartsync refused is listed in the file `CHARTSYNC_REFUSED=FILE`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use chartsync::chart::package::{Entry, Folder, Kind, Source};
use chartsync::lock::Lockfile;
use serde::Deserialize;

use self::archives::Archive;
use self::dice::Dice;
use self::texts::{Blobs, CHART_YAML, Signing};
use crate::support::images::{Image, config, digest};
use crate::support::pgp::Key;
use crate::support::process::hermetic;
use crate::support::tools::Tool;
use crate::support::workspace::Workspace;

mod archives;
mod dice;
mod texts;

/// How many cases, and which, where nobody asks for others.
const CASES: u64 = 3_000;
const SEED: u64 = 1;

/// A chart that is like no other, and what was done to it.
struct Case {
    image: Image,
    archive: Vec<u8>,
    what: String,
}

fn case(seed: u64, number: u64, signing: &Signing<'_>) -> Case {
    let dice = &mut Dice::new(seed, number);
    let mut what = Vec::new();
    // Mostly one change: two of them hide each other.
    let mut changes = [0_usize; 6];
    for _ in 0..*dice.pick(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 3]) {
        changes[*dice.pick(&[0, 0, 0, 1, 1, 2, 3, 4, 4, 5])] += 1;
    }
    let mut yaml = CHART_YAML.to_owned();
    for _ in 0..changes[1] {
        let (new, how) = texts::chart_yaml(&yaml, dice);
        yaml = new;
        what.push(how);
    }
    let mut tar = Archive::of(yaml.as_bytes());
    for _ in 0..changes[0] {
        what.push(tar.change(dice));
    }
    let archive = tar.to_bytes();
    let mut config = written_by_helm(&yaml);
    if changes[2] > 0 {
        let (new, how) = texts::config(&config, dice);
        config = new;
        what.push(how);
    }
    let mut text = format!("{CHART_YAML}\n...\nfiles:\n  web-1.0.0.tgz: {}\n", digest(&archive));
    if changes[3] > 0 {
        let (new, how) = texts::statement(&text, dice);
        text = new;
        what.push(how);
    }
    let (provenance, how) = texts::provenance(&text, signing, (changes[4] > 0).then_some(&mut *dice));
    what.push(how);
    let provenance = (dice.below(8) > 0).then_some(provenance);
    let blobs = Blobs { config: config.into_bytes(), archive: archive.clone(), provenance };
    let (image, how) = texts::image(blobs, (changes[5] > 0).then_some(dice));
    what.push(how);
    what.retain(|how| !how.is_empty());
    Case { image, archive, what: what.join("; ") }
}

/// The config blob that belongs to a Chart.yaml: as packaged, or that of the good one.
fn written_by_helm(yaml: &str) -> String {
    let entries = vec![Entry { path: "Chart.yaml".to_owned(), kind: Kind::File(yaml.as_bytes().to_vec()) }];
    let made = Source::read(Folder { entries }).and_then(|source| source.package(&BTreeMap::new()));
    let bytes = made.map_or_else(|_| config("web", "1.0.0"), |package| package.config);
    String::from_utf8(bytes).unwrap()
}

/// What a helm says of one chart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Verdict {
    error: String,
    stage: String,
    signer: String,
    name: String,
    version: String,
    metadata: serde_json::Value,
    files: HashMap<String, String>,
}

/// What a helm says of each repository below a folder.
fn judged(judge: Tool, layouts: &Path, keyring: &Path, repositories: &[String]) -> Vec<Verdict> {
    let mut command = hermetic(judge.path(), layouts);
    command.arg(layouts).arg(keyring).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut judge = command.spawn().unwrap();
    let mut input = judge.stdin.take().unwrap();
    let lines = repositories.join("\n");
    let asking = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    asking.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How a helm's verdict on a chart that was cleared differs from ours, if it does.
fn disagrees(case: &Case, signer: Option<&str>, theirs: &Verdict) -> Option<String> {
    if !theirs.error.is_empty() {
        return Some(format!("refuses at {}: {}", theirs.stage, theirs.error));
    }
    let chart = chartsync::chart::read(&case.archive).unwrap();
    if (&theirs.name, &theirs.version) != (&chart.metadata.name, &chart.metadata.version) {
        return Some(format!("reads {} {}", theirs.name, theirs.version));
    }
    if let Err(error) = chart.metadata.check_config(theirs.metadata.to_string().as_bytes()) {
        return Some(format!("reads other metadata: {error}"));
    }
    // Helm takes a mark off the beginning of every file.
    let unmarked =
        |bytes: &[u8]| digest(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))["sha256:".len()..].to_owned();
    let files: HashMap<_, _> = chart.archive.files().map(|(path, bytes)| (path.to_owned(), unmarked(bytes))).collect();
    if files != theirs.files {
        return Some(format!("reads other files: {:?}, not {:?}", theirs.files.keys(), files.keys()));
    }
    (signer.unwrap_or_default().to_lowercase() != theirs.signer)
        .then(|| format!("takes {} for the signer", theirs.signer))
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What `lock` cleared of these cases, each a mirror of its own: who signed it, by repository.
fn cleared(workspace: &Workspace, key: &Key, cases: &BTreeMap<String, Case>) -> HashMap<String, String> {
    let trust = workspace.signed_by(key) + "  required: false\n";
    for (repository, case) in cases {
        case.image.put(&workspace.path(&format!("upstream/{repository}")), "1.0.0");
        let (source, destination) =
            (format!("upstream.example/{repository}"), format!("charts.example/platform/{repository}"));
        workspace.mirror(&repository.replace('/', "-"), &source, &destination, &["1.0.0"], &trust);
    }
    let locked = workspace.run("lock --quiet");
    assert!([0, 1].contains(&locked.code()), "{locked}");
    let lockfile = Lockfile::parse(&workspace.read("mirrors.lock"), "mirrors.lock").unwrap();
    let repository = |path: &str| path.strip_prefix("platform/").unwrap().to_owned();
    lockfile.pins().iter().map(|pin| (repository(pin.destination.path()), pin.signer.to_string())).collect()
}

#[test]
fn what_is_cleared_is_the_same_chart_to_both_helms() {
    needs!(Tool::Judge4, Tool::Judge3);
    let (count, seed) = (number("CHARTSYNC_CASES", CASES), number("CHARTSYNC_SEED", SEED));
    let (key, stranger) = (Key::new("Ada <ada@upstream.example>"), Key::new("Eve <eve@upstream.example>"));
    let signing = Signing { key: &key, stranger: &stranger };
    let workspace = Workspace::new("charts.example/platform")
        .layout("upstream.example", "upstream")
        .layout("charts.example", "published");
    let cases: BTreeMap<_, _> =
        (0..count).map(|number| (format!("c{number}/web"), case(seed, number, &signing))).collect();
    let cleared = cleared(&workspace, &key, &cases);

    let keyring = workspace.path(&format!("keyrings/{}.gpg", key.fingerprint()));
    let repositories: Vec<_> = cases.keys().cloned().collect();
    let mut wrong = Vec::new();
    for judge in [Tool::Judge4, Tool::Judge3] {
        let verdicts = judged(judge, &workspace.path("upstream"), &keyring, &repositories);
        assert_eq!(verdicts.len(), cases.len());
        for ((repository, case), theirs) in cases.iter().zip(&verdicts) {
            let Some(signer) = cleared.get(repository) else { continue };
            if let Some(how) = disagrees(case, signer.strip_prefix("pgp:"), theirs) {
                wrong.push(format!("{repository} ({}): {judge:?} {how}", case.what));
            }
        }
        let accepted = verdicts.iter().filter(|theirs| theirs.error.is_empty()).count();
        eprintln!("{judge:?}: {count} cases of seed {seed}, {} cleared, {accepted} accepted by helm", cleared.len());
        // Enough of each to mean something.
        assert!(cleared.len() > cases.len() / 5 && accepted < cases.len() * 9 / 10);
    }
    if let Ok(file) = std::env::var("CHARTSYNC_REFUSED") {
        let refused = cases.iter().filter(|(repository, _)| !cleared.contains_key(*repository));
        fs::write(file, refused.fold(String::new(), |text, (name, case)| text + name + " " + &case.what + "\n"))
            .unwrap();
    }
    assert!(wrong.is_empty(), "{} of seed {seed}:\n{}", wrong.len(), wrong.join("\n"));
}
