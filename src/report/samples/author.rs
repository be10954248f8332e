//! What authors are told: values of `add`, `outdated`, `list` and `show`.

use std::sync::Arc;

use super::{Words, digest, pin, version, written};
use crate::diagnostic::Location;
use crate::report::{Added, Bytes, Command, KeyringFile, Listed, Outdated, Patches, Put};
use crate::resolve::Resolution;
use crate::workspace::Edit;

impl Words<'_> {
    /// A pinned chart version, one without a pin, a first-party one.
    pub(in crate::report) fn listed(self) -> Vec<Listed> {
        let pins = [("hello", "1.1.0", Some('A')), ("plain", "2.0.0", None), ("own", "3.0.0", None)];
        let mut listed: Vec<Listed> = pins.map(|(name, at, signer)| self.one(name, at, signer)).into();
        let (source, reason) = (listed[1].reference.clone(), self.message("it has no pin"));
        listed[1].bytes = Bytes::Unpinned { source, reason };
        listed[1].app_version = None;
        listed[2].bytes = Bytes::Folder("charts/own/".to_owned());
        listed
    }

    fn one(self, name: &str, at: &str, signer: Option<char>) -> Listed {
        let pin = pin(name, at, '1', signer);
        let keyring = KeyringFile { path: self.message("keyrings/a.gpg"), armored: false };
        Listed {
            name: name.to_owned(),
            version: version(at),
            reference: pin.reference(),
            declared: self.location(),
            app_version: Some(self.message("2.9.1")),
            claims: signer.map(|_| self.claims()),
            keyring: Some(keyring),
            commands: vec![Command { what: "pull it", line: self.message("helm pull oci://registry.example/mirror") }],
            caveat: Some(self.message("registry.example is a folder")),
            bytes: Bytes::Pinned(Arc::new(pin)),
        }
    }

    /// A mirror that is behind, one that is not, one that could not be asked.
    pub(in crate::report) fn outdated(self) -> Vec<Outdated> {
        let one = |name: &str, newer: Result<&[&str], String>, patches: &[(&str, &str)]| {
            let pin = pin(name, "1.0.0", '1', None);
            let newer = newer.map(|newer| newer.iter().map(|at| version(at)).collect::<Vec<_>>());
            let add = newer.as_ref().ok().and_then(|newer| newer.first());
            let patches = patches.iter().map(|(at, newer)| Patches {
                declared: version(at),
                newer: vec![version(newer)],
                add: format!("chartsync add {name}@{newer}"),
            });
            Outdated {
                name: name.to_owned(),
                file: self.message(&format!("mirrors/{name}.yaml")),
                source: pin.source.clone(),
                destination: pin.destination.clone(),
                newest: version("1.0.0"),
                add: add.map(|version| format!("chartsync add {name}@{version}")),
                patches: patches.collect(),
                newer,
            }
        };
        vec![
            one("behind", Ok(&["1.3.0", "1.2.0", "1.1.0"]), &[("0.9.0", "0.9.1")]),
            one("current", Ok(&[]), &[]),
            one("patched", Ok(&[]), &[("0.9.0", "0.9.2"), ("0.8.1", "0.8.2")]),
            one("silent", Err(self.message("the tags of upstream.example/charts/silent: access denied")), &[]),
        ]
    }

    /// What `add` did, or what it would have done if nothing had failed.
    pub(in crate::report) fn added(self, resolution: &Resolution) -> Added<'_> {
        let put = |name: &str, edit| Put {
            name: name.to_owned(),
            version: version("1.1.0"),
            file: self.message(&format!("mirrors/{name}.yaml")),
            edit,
            digest: Some(digest('1')),
        };
        let location: Location = self.location();
        Added {
            versions: vec![
                put("hello", Edit::Added { location: location.clone(), after: Some(version("1.0.0")) }),
                put("plain", Edit::Declared { location, version: version("1.1.0") }),
            ],
            manifests: vec![self.message("mirrors/hello.yaml")],
            locked: if resolution.failures.is_empty() { written() } else { Vec::new() },
            next: self.message("chartsync plan --base HEAD"),
            resolution,
        }
    }
}
