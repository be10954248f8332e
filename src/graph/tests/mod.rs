//! What the tests of the graph share: small graphs made by the builder, without a workspace.

mod compile;
mod draw;
mod keys;
mod order;
mod select;

use super::*;
use crate::lock::Signer;

/// Everything that can enter a key, changeable field by field.
#[derive(Debug, Clone)]
struct Sample {
    demands: Demands,
    accepted: Vec<Acceptable>,
    pin: Pin,
    identity: Option<Identity>,
}

const SIGNER: &str = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";
const OTHER_SIGNER: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

impl Sample {
    fn new(destination: &str, version: &str) -> Self {
        let destination: Repository = destination.parse().unwrap();
        let name = destination.last().to_owned();
        let of = |what: &str| Digest::of(format!("{what} of {name} {version}").as_bytes());
        let pin = Pin {
            version: version.parse().unwrap(),
            source: format!("upstream.example/charts/{name}").parse().unwrap(),
            digest: of("image manifest"),
            size: 1039,
            archive: of("archive"),
            archive_size: 98_211,
            provenance: Some(of("provenance")),
            signer: Signer::Pgp(SIGNER.parse().unwrap()),
            keyring: Some(Digest::of(b"keyring")),
            app_version: Some(version.to_owned()),
            line: 1,
            name,
            destination,
        };
        let identity = Identity {
            method: "keyless",
            issuer: Some("https://issuer.example".into()),
            identity: "https://forge.example/mirror.yaml@refs/heads/main".into(),
            key: None,
        };
        Self { demands: Demands::new(true, &[]), accepted: Vec::new(), pin, identity: Some(identity) }
    }

    fn graph(&self) -> StepGraph {
        let mut builder = Builder::new(vec![self.demands.clone()]);
        builder.mirrored(self.unit(), self.identity.as_ref());
        builder.finish()
    }

    fn unit(&self) -> Unit {
        Unit {
            name: self.pin.name.clone(),
            version: self.pin.version.clone(),
            reference: self.pin.reference(),
            origin: Origin::Mirror(0),
            state: PinState::Pinned(Arc::new(self.pin.clone())),
            accepted: self.accepted.clone(),
        }
    }
}

const FIRST: UnitId = UnitId(0);

/// Unsigned charts `registry.example/charts/<name>` of version 1.0.0, each with what it depends on.
pub(crate) fn charts(names: &[&str], dependencies: &[(&str, &str)], edge: Edge) -> StepGraph {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    let at = |name: &str| names.iter().position(|other| *other == name).unwrap();
    let units = names.iter().map(|name| Sample::new(&format!("registry.example/charts/{name}"), "1.0.0").unit());
    let ids = units.map(|unit| builder.mirrored(unit, None)).collect::<Vec<_>>();
    for (unit, on) in dependencies {
        builder.depends(ids[at(unit)], ids[at(on)], edge);
    }
    builder.finish()
}

fn names(graph: &StepGraph, units: &[UnitId]) -> Vec<String> {
    units.iter().map(|unit| graph.unit(*unit).name.clone()).collect()
}
