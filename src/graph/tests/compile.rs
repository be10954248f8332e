//! From workspace and lockfile to the graph.

use std::collections::BTreeMap;

use super::*;
use crate::diagnostic::{Location, Problems};
use crate::lock::Lockfile;
use crate::settings::Settings;
use crate::workspace::{DeclaredVersion, KeyringSource, Keyrings, Mirror, Trust, Workspace};

const UNSIGNED: &str = "[publish]\nrepository = \"registry.example/charts\"\n[signing]\nmethod = \"none\"\n";

pub(super) fn mirror(name: &str, versions: &[&str]) -> Mirror {
    let file = format!("mirrors/{name}.yaml");
    let location = Location::file(file.clone());
    let declared = |version: &&str| DeclaredVersion { version: version.parse().unwrap(), location: location.clone() };
    Mirror {
        name: name.to_owned(),
        source: format!("upstream.example/charts/{name}").parse().unwrap(),
        source_location: location.clone(),
        destination: format!("registry.example/charts/{name}").parse().unwrap(),
        destination_location: location.clone(),
        versions: versions.iter().map(declared).collect(),
        trust: Trust { keyring: Some(keyring(b"keyring")), required: false, fingerprints: Vec::new(), location },
        file,
    }
}

fn keyring(bytes: &[u8]) -> KeyringSource {
    KeyringSource::Path { path: "keyring.gpg".parse().unwrap(), digest: Digest::of(bytes) }
}

pub(super) fn pin(name: &str, version: &str) -> Pin {
    Sample::new(&format!("registry.example/charts/{name}"), version).pin
}

pub(super) fn workspace(settings: &str, mirrors: Vec<Mirror>) -> Workspace {
    Workspace {
        settings: Settings::parse(settings, "chartsync.toml").unwrap(),
        mirrors,
        charts: Vec::new(),
        chart_folders: Vec::new(),
        chart_problems: Problems::default(),
        lockfile: None,
        keyrings: Keyrings::default(),
        signing_files: BTreeMap::new(),
    }
}

fn places(graph: &StepGraph) -> Vec<String> {
    graph.units().iter().map(|unit| unit.reference.to_string()).collect()
}

#[test]
fn units_are_sorted_whatever_the_order_of_declaration() {
    let mirrors = [mirror("b", &["1.10.0", "1.9.0"]), mirror("a", &["v2.0.0", "1.0.0+b"]), mirror("c", &[])];
    let pins = || vec![pin("a", "v2.0.0"), pin("a", "1.0.0+b"), pin("b", "1.9.0"), pin("b", "1.10.0")];
    let keys = |graph: &StepGraph| graph.all_steps().map(|step| step.key().unwrap()).collect::<Vec<_>>();
    let first = compile(&workspace(UNSIGNED, mirrors.to_vec()), &Lockfile::from_pins(pins()));
    assert_eq!(
        places(&first),
        ["a:1.0.0_b", "a:v2.0.0", "b:1.9.0", "b:1.10.0"].map(|place| format!("registry.example/charts/{place}"))
    );
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let shuffled = order.map(|at: usize| mirrors[at].clone()).to_vec();
        let graph = compile(&workspace(UNSIGNED, shuffled.clone()), &Lockfile::from_pins(pins()));
        assert_eq!((places(&graph), keys(&graph)), (places(&first), keys(&first)));
        for unit in graph.units() {
            let Origin::Mirror(index) = unit.origin else { panic!("{unit:?}") };
            assert_eq!(shuffled[index].destination, *unit.destination());
            assert_eq!(
                graph.find(unit.destination(), &unit.version).map(|id| &graph.unit(id).reference),
                Some(&unit.reference)
            );
        }
    }
}

#[test]
fn one_keyring_serves_all_that_is_checked_against_it() {
    let mut other = pin("b", "1.0.0");
    other.keyring = Some(Digest::of(b"other"));
    let mut none = pin("c", "2.0.0");
    (none.keyring, none.provenance, none.signer) = (None, None, Signer::None);
    let mut mirrors = vec![mirror("a", &["1.0.0", "2.0.0"]), mirror("b", &["1.0.0"]), mirror("c", &["2.0.0"])];
    mirrors[1].trust.keyring = Some(keyring(b"other"));
    mirrors[2].trust.keyring = None;
    let pins = vec![pin("a", "1.0.0"), pin("a", "2.0.0"), other, none];
    let graph = compile(&workspace(UNSIGNED, mirrors), &Lockfile::from_pins(pins));
    let keyrings = graph.ids().map(|unit| graph.key(unit, StepKind::Keyring)).collect::<Vec<_>>();
    assert_eq!(keyrings[0], keyrings[1]);
    assert_ne!(keyrings[1], keyrings[2]);
    assert_eq!(keyrings[3], None);
    assert_eq!(graph.all_steps().filter(|step| step.kind() == StepKind::Keyring).count(), 2);
}

#[test]
fn a_version_without_a_satisfying_pin_is_stale() {
    let mut elsewhere = pin("a", "2.0.0");
    elsewhere.source = "elsewhere.example/a".parse().unwrap();
    let mirrors = vec![mirror("a", &["1.0.0", "2.0.0", "3.0.0"])];
    let pins = vec![elsewhere, pin("a", "3.0.0"), pin("a", "4.0.0")];
    let graph = compile(&workspace(UNSIGNED, mirrors), &Lockfile::from_pins(pins));
    let states = graph.units().iter().map(|unit| match &unit.state {
        PinState::Pinned(_) => "pinned",
        PinState::Stale(Unsatisfied::Absent(_)) => "absent",
        PinState::Stale(Unsatisfied::Source { .. }) => "source",
        PinState::Stale(_) => "other",
        PinState::Folder => "folder",
    });
    assert_eq!(states.collect::<Vec<_>>(), ["absent", "source", "pinned"]);
    assert_eq!(
        graph.ids().map(|unit| graph.key(unit, StepKind::Clear).is_some()).collect::<Vec<_>>(),
        [false, false, true]
    );
}

#[test]
fn exceptions_about_bytes_enter_the_key_and_those_about_names_do_not() {
    let pin = pin("a", "1.0.0");
    let accept = |finding: &str, reference: &str, digest: Digest, reason: &str| {
        format!(
            "[[accept]]\nfinding = \"{finding}\"\nreference = \"{reference}\"\ndigest = \"{digest}\"\nreason = \"{reason}\"\n"
        )
    };
    let accepted = |entries: &[String]| {
        let settings = format!("{UNSIGNED}{}", entries.concat());
        let graph =
            compile(&workspace(&settings, vec![mirror("a", &["1.0.0"])]), &Lockfile::from_pins(vec![pin.clone()]));
        (graph.unit(FIRST).accepted.clone(), graph.key(FIRST, StepKind::Clear).unwrap())
    };
    let place = pin.reference().to_string();
    let (none, plain) = accepted(&[]);
    assert!(none.is_empty());
    for finding in ["moved", "gone", "replace"] {
        assert_eq!(accepted(&[accept(finding, &place, pin.digest, "r")]), (Vec::new(), plain), "{finding}");
    }
    for finding in ["unsigned", "expired-key", "new-signer"] {
        let (lifted, key) = accepted(&[accept(finding, &place, pin.digest, "one")]);
        assert_eq!(lifted.iter().map(|finding| finding.as_str()).collect::<Vec<_>>(), [finding]);
        assert_ne!(key, plain);
        assert_eq!(accepted(&[accept(finding, &place, pin.digest, "another")]).1, key, "the reason means nothing");
        assert_eq!(accepted(&[accept(finding, &place, pin.archive, "one")]).1, plain, "another digest");
        assert_eq!(accepted(&[accept(finding, "registry.example/charts/a:2.0.0", pin.digest, "one")]).1, plain);
    }
}

#[test]
fn the_signing_method_decides_who_signs() {
    let identity = |signing: &str| {
        let settings = format!("[publish]\nrepository = \"registry.example/charts\"\n[signing]\n{signing}");
        let mirrors = vec![mirror("a", &["1.0.0", "2.0.0"])];
        let graph = compile(&workspace(&settings, mirrors), &Lockfile::from_pins(vec![pin("a", "1.0.0")]));
        let identities = graph.all_steps().filter(|step| step.kind() == StepKind::Identity).count();
        let explained = explain(&graph, FIRST).into_iter().find(|step| step.kind == StepKind::Identity);
        let inputs = explained.map(|step| step.inputs).unwrap_or_default();
        (identities, inputs.into_iter().map(|input| format!("{}={}", input.field, input.value)).collect::<Vec<_>>())
    };
    assert_eq!(identity("method = \"none\"\n"), (0, vec![]));
    let (count, inputs) = identity("method = \"key\"\nkey = \"cosign.key\"\npublic-key = \"cosign.pub\"\n");
    assert_eq!((count, inputs), (1, vec!["method=key".into(), "identity=cosign.pub".into()]));
    let keyless = "method = \"keyless\"\nissuer = \"https://issuer.example\"\nmirrors = \"m@x\"\ncharts = \"c@x\"\n";
    let expect = ["method=keyless", "issuer=https://issuer.example", "identity=m@x"].map(str::to_owned).to_vec();
    assert_eq!(identity(keyless), (1, expect));
}
