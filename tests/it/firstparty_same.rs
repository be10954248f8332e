//! Every chart that there is here: the same bytes wherever it is packaged, the same content as helm's, from every registry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chartsync::chart::Archive;
use chartsync::chart::content::Content;
use serde_json::Value;

use crate::support::firstparty::{Bench, chart, depend};
use crate::support::images::digest;
use crate::support::process::run;
use crate::support::registry::Kind;
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::Workspace;

/// Charts of this repository: its own, and the one that has something of everything.
fn charts() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = fs::read_dir(root.join("charts")).unwrap().map(|entry| entry.unwrap().path());
    let all = own.chain([root.join("tests/fixtures/packaging/whole")]).filter(|path| path.is_dir());
    all.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// The files and links below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_folder = |path: &Path| fs::symlink_metadata(path).unwrap().is_dir();
    paths.flat_map(|path| if is_folder(&path) { below(&path) } else { vec![path] }).collect()
}

/// Copies a chart's folder file by file, the last ones first or last, with the modes that this umask leaves.
fn copy(from: &Path, to: &Path, umask: &str, backwards: bool) {
    let mut paths = below(from);
    paths.sort();
    if backwards {
        paths.reverse();
    }
    let one = |path: PathBuf| {
        let new = to.join(path.strip_prefix(from).unwrap());
        let (path, new, parent) = (path.display(), new.display(), new.parent().unwrap().display());
        format!(
            "mkdir -p '{parent}'; if [ -L '{path}' ]; then cp -P '{path}' '{new}'; else cat '{path}' > '{new}'; fi\n"
        )
    };
    let script: String = paths.into_iter().map(one).collect();
    run(Command::new("sh").arg("-c").arg(format!("set -e; umask {umask}\n{script}"))).ok();
}

#[test]
fn every_chart_has_one_digest_on_every_machine() {
    let machines = [
        ("022", "UTC", "C", "1", false),
        ("077", "Asia/Kathmandu", "tr_TR.UTF-8", "7", true),
        ("000", "America/Lima", "C.UTF-8", "2", true),
        ("027", "Pacific/Kiritimati", "de_DE.UTF-8", "3", false),
    ];
    let packaged = machines.map(|(umask, zone, locale, threads, backwards)| {
        let workspace = Workspace::new("registry.example/charts");
        for (name, folder) in charts() {
            copy(&folder, &workspace.path(&format!("charts/{name}")), umask, backwards);
        }
        let mut command = Command::new("/bin/sh");
        let program = workspace.command();
        command
            .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .current_dir(workspace.path(""));
        command.env("TZ", zone).env("LC_ALL", locale).env("RAYON_NUM_THREADS", threads);
        command
            .args(["-c", &format!("umask {umask}; exec \"$0\" plan --offline --format json")])
            .arg(program.get_program());
        let plan: Value = serde_json::from_slice(&run(&mut command).ok().stdout).unwrap();
        let rows = plan["charts"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].to_string(), row["package"]["digest"].to_string())).collect::<BTreeMap<_, _>>()
    });
    assert_eq!(packaged[0].len(), charts().len());
    assert!(packaged[0].values().all(|digest| digest.starts_with("\"sha256:")), "{packaged:?}");
    for other in &packaged[1..] {
        assert_eq!(*other, packaged[0]);
    }
}

#[test]
fn what_is_published_is_pulled_from_both_registries_as_helm_packages_it() {
    needs!(Tool::Distribution, Tool::Olareg, Tool::Helm4, Tool::Helm3, Tool::Crane);
    for kind in [Kind::Distribution, Kind::Olareg] {
        let bench = Bench::on(kind);
        let (workspace, desk) = (&bench.workspace, &bench.desk);
        for (name, folder) in charts() {
            copy(&folder, &workspace.path(&format!("charts/{name}")), "022", false);
        }
        bench.mirror();
        chart(workspace, "base", "0.1.0", "");
        depend(workspace, "app", "1.0.0", &[("base", "0.1.0"), ("web", "1.0.0")], &bench.parent());
        let planned = run(workspace.command().args(["plan", "--format", "json"])).ok();
        let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
        workspace.run("apply").ok();
        let mut seen = 0;
        for row in planned["charts"].as_array().unwrap().iter().filter(|row| row["package"].is_object()) {
            let [name, version, archive] =
                [&row["name"], &row["version"], &row["package"]["archive"]].map(|text| text.as_str().unwrap());
            for helm in HELMS {
                let (ran, into) = desk.pull(helm, &format!("{}/{name}", bench.parent()), version, None);
                ran.ok();
                let pulled = fs::read_dir(into.path()).unwrap().next().unwrap().unwrap().path();
                let bytes = fs::read(&pulled).unwrap();
                assert_eq!(digest(&bytes), archive, "{kind:?} {helm:?} {name}");
                run(desk.command(helm).arg("lint").arg(&pulled)).ok();
                run(desk.command(helm).args(["template", "--kube-version", "1.36.0", "r"]).arg(&pulled))
                    .ok()
                    .says("kind: ");
                seen += 1;
                // What `helm dependency build` would have to fetch lies in folders and layouts here.
                if name == "app" {
                    continue;
                }
                let packages = desk.path(&format!("packages-{helm:?}"));
                let folder = workspace.path(&format!("charts/{name}"));
                run(desk.command(helm).arg("package").arg(folder).arg("--destination").arg(&packages)).ok();
                let content = |tgz: &[u8]| Content::of(&Archive::read(tgz).unwrap()).unwrap();
                let theirs = content(&fs::read(packages.join(format!("{name}-{version}.tgz"))).unwrap());
                let difference = theirs.difference(&content(&bytes));
                assert!(difference.is_empty(), "{kind:?} {helm:?} {name}: {difference}");
            }
        }
        assert_eq!(seen, 2 * (charts().len() + 2));
    }
}
