//! `renovate.json` beside the manifests that it is for: what its expressions find there, and what would be written.

use std::fs;
use std::path::Path;

use chartsync::chart::Version;
use chartsync::workspace::{Mirror, Tree, Workspace as Read};
// Of RE2's family, as Renovate's own.
use regex::{Captures, Regex};
use serde_json::Value;

use crate::support::workspace::Workspace;

/// Renovate's custom manager for manifests.
struct Manager {
    files: Regex,
    matches: Regex,
    template: String,
}

impl Manager {
    fn read(root: &Path) -> Self {
        let settings: Value = serde_json::from_slice(&fs::read(root.join("renovate.json")).unwrap()).unwrap();
        let [manager] = settings["customManagers"].as_array().unwrap().as_slice() else { panic!("{settings}") };
        let text = |pointer: &str| manager.pointer(pointer).unwrap().as_str().unwrap();
        assert_eq!((text("/customType"), text("/datasourceTemplate")), ("regex", "docker"));
        let expression = |text: &str| Regex::new(text).unwrap();
        Self {
            files: expression(text("/managerFilePatterns/0").trim_matches('/')),
            matches: expression(text("/matchStrings/0")),
            template: text("/autoReplaceStringTemplate").to_owned(),
        }
    }

    /// The manifest with a new version where this match is.
    fn replaced(&self, manifest: &str, found: &Captures<'_>, new: &str) -> String {
        let field = Regex::new(r"\{\{\{(\w+)\}\}\}").unwrap();
        let made = field.replace_all(&self.template, |name: &Captures<'_>| match &name[1] {
            "newValue" => new.to_owned(),
            name => found[name].to_owned(),
        });
        manifest.replacen(&found[0], &made, 1)
    }
}

fn versions(mirror: &Mirror) -> Vec<String> {
    mirror.versions.iter().map(|declared| declared.version.to_string()).collect()
}

#[test]
fn renovate_finds_the_newest_version_of_every_manifest_and_puts_a_newer_one_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manager = Manager::read(root);
    let repository = Read::read(&Tree::folder(root)).unwrap();
    assert!(!repository.mirrors.is_empty());
    for mirror in &repository.mirrors {
        let file = &mirror.file;
        let manifest = fs::read_to_string(root.join(file)).unwrap();
        assert!(manager.files.is_match(file), "{file}");
        let found: Vec<_> = manager.matches.captures_iter(&manifest).collect();
        assert_eq!(found.len(), manifest.matches("# renovate:").count(), "{file}: a marker that nothing finds");
        let [found] = found.as_slice() else { panic!("{file}: it has {} markers that are found", found.len()) };
        assert_eq!(&found["depName"], mirror.source.as_str(), "{file}");
        // Newest first, all the way down: Renovate compares with what it finds, and finds what stands first.
        let before = versions(mirror);
        let mut sorted = mirror.versions.iter().map(|declared| declared.version.clone()).collect::<Vec<Version>>();
        sorted.sort_by(|one, other| other.cmp(one));
        assert_eq!(before, sorted.iter().map(ToString::to_string).collect::<Vec<_>>(), "{file}");
        assert_eq!(&found["currentValue"], before[0], "{file}");

        let new = "v999.0.1";
        let after = manager.replaced(&manifest, found, new);
        // Renovate looks once more at what it wrote.
        assert_eq!(&manager.matches.captures(&after).unwrap()["currentValue"], new, "{file}");
        assert_eq!(after.lines().count(), manifest.lines().count() + 1, "{after}");
        let workspace = Workspace::new(repository.settings.publish.as_str());
        workspace.write(file, &after);
        let read = Read::read(&Tree::folder(workspace.path(""))).unwrap();
        assert_eq!(versions(&read.mirrors[0]), [&[new.to_owned()], before.as_slice()].concat());
    }
    for other in ["mirrors.lock", "charts/loopback-block/Chart.yaml", "mirrors/notes.txt", "docs/mirrors/a.yaml"] {
        assert!(!manager.files.is_match(other), "{other}");
    }
}
