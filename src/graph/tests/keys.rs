//! Keys: pinned, complete, and told by the same traversal that explains them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::key::Source;

#[test]
fn the_keys_of_one_chart_are_pinned() {
    let graph = Sample::new("registry.example/charts/app", "v1.2.3").graph();
    let keys = graph.steps(FIRST).map(|step| format!("{} {}", step.kind(), step.key().unwrap())).collect::<Vec<_>>();
    let expect = [
        "keyring a10ae3532d39e4da8c5fd9015a0bce189f2983ce1736686fac97850e9fe6b96c",
        "clear 06ca84e327450ccbe4d81436cad9993dc0a10a8a513394049a5ea706b8b1af93",
        "identity c3410cabec11cd4d33fff670a9b690f911c236b1f694ce4fa9fde71d514feb0a",
        "copy 7f0836c071eed314971e41ad9087698ae1ebaaee7adafdb1c00f0e201f1af61f",
        "sign 453087f43354dc8bd8b9a034e717fb4c05a9c2881d5da4f72fdc7c91686173a6",
        "tag d4e9f5edd4514b2212103a710fbcca3abcd8c6c0b5bb81fe40fe81f5695a8994",
        "confirm 632859c6d838e65626f5b13bee4554a41f3d1b4c7132013579148667c3a846f9",
    ];
    assert_eq!(keys, expect, "a step's description changed: what was cached under its key counts no longer");
}

#[test]
fn a_step_is_explained_with_every_input() {
    let graph = Sample::new("registry.example/charts/app", "v1.2.3").graph();
    let mut lines = Vec::new();
    for step in explain(&graph, FIRST) {
        for input in step.inputs {
            let value = match input.source {
                Source::Input => input.value,
                Source::Feeds => {
                    let feeding = StepKind::ALL.into_iter().find(|kind| kind.as_str() == input.field).unwrap();
                    assert_eq!(graph.key(FIRST, feeding).unwrap().to_string(), input.value);
                    "its key".into()
                }
            };
            lines.push(format!("{} {}={value}", step.kind, input.field));
        }
    }
    let of = |what: &str| Digest::of(format!("{what} of app v1.2.3").as_bytes());
    let expect = [
        format!("keyring digest={}", Digest::of(b"keyring")),
        "clear required=true".into(),
        "clear fingerprints=".into(),
        "clear accepted=".into(),
        "clear name=app".into(),
        "clear version=v1.2.3".into(),
        "clear source=upstream.example/charts/app".into(),
        format!("clear digest={}", of("image manifest")),
        "clear size=1039".into(),
        format!("clear archive={}", of("archive")),
        "clear archive-size=98211".into(),
        format!("clear provenance={}", of("provenance")),
        format!("clear signer=pgp:{SIGNER}"),
        "clear app-version=v1.2.3".into(),
        "clear keyring=its key".into(),
        "identity method=keyless".into(),
        "identity issuer=https://issuer.example".into(),
        "identity identity=https://forge.example/mirror.yaml@refs/heads/main".into(),
        "copy repository=registry.example/charts/app".into(),
        "copy clear=its key".into(),
        "sign repository=registry.example/charts/app".into(),
        "sign tag=v1.2.3".into(),
        "sign copy=its key".into(),
        "sign identity=its key".into(),
        "tag reference=registry.example/charts/app:v1.2.3".into(),
        "tag copy=its key".into(),
        "confirm reference=registry.example/charts/app:v1.2.3".into(),
        "confirm tag=its key".into(),
    ];
    assert_eq!(lines, expect);
}

use StepKind::{Clear, Confirm, Copy, Identity as Signing, Keyring, Sign, Tag};

const CLEARED: [StepKind; 5] = [Clear, Copy, Sign, Tag, Confirm];
const PLACED: [StepKind; 4] = [Copy, Sign, Tag, Confirm];

type Change = (&'static str, &'static [StepKind], fn(&mut Sample));

/// One change for each field that there is, with the steps whose keys it changes. All change something else.
const CHANGES: &[Change] = &[
    ("required", &CLEARED, |sample| sample.demands = Demands::new(false, &[])),
    ("accepted", &CLEARED, |sample| sample.accepted = vec![Acceptable::ExpiredKey]),
    ("name", &CLEARED, |sample| sample.pin.name.push('x')),
    ("version", &CLEARED, |sample| sample.pin.version = "v1.2.4".parse().unwrap()),
    ("source", &CLEARED, |sample| sample.pin.source = "mirror.example/app".parse().unwrap()),
    ("destination", &PLACED, |sample| sample.pin.destination = "registry.example/other/app".parse().unwrap()),
    ("digest", &CLEARED, |sample| sample.pin.digest = Digest::of(b"other")),
    ("size", &CLEARED, |sample| sample.pin.size += 1),
    ("archive", &CLEARED, |sample| sample.pin.archive = Digest::of(b"other")),
    ("archive-size", &CLEARED, |sample| sample.pin.archive_size += 1),
    ("provenance", &CLEARED, |sample| sample.pin.provenance = None),
    ("signer", &CLEARED, |sample| sample.pin.signer = Signer::Pgp(OTHER_SIGNER.parse().unwrap())),
    ("app-version", &CLEARED, |sample| sample.pin.app_version = None),
    ("keyring", &[Keyring, Clear, Copy, Sign, Tag, Confirm], |sample| sample.pin.keyring = Some(Digest::of(b"other"))),
    ("method", &[Signing, Sign], |sample| sample.identity.as_mut().unwrap().method = "key"),
    ("issuer", &[Signing, Sign], |sample| sample.identity.as_mut().unwrap().issuer = None),
    ("identity", &[Signing, Sign], |sample| sample.identity.as_mut().unwrap().identity.push('x')),
    ("line", &[], |sample| sample.pin.line += 1),
];

fn check(changes: &BTreeSet<usize>) {
    let before = Sample::new("registry.example/charts/app", "v1.2.3");
    let mut after = before.clone();
    let mut expect = BTreeSet::new();
    for (_, kinds, change) in changes.iter().map(|change| &CHANGES[*change]) {
        change(&mut after);
        expect.extend(kinds.iter().map(|kind| kind.as_str()));
    }
    let fields = changes.iter().map(|change| CHANGES[*change].0).collect::<Vec<_>>();
    let (before, after) = (before.graph(), after.graph());
    let keyed = StepKind::ALL.into_iter().filter(|kind| before.key(FIRST, *kind) != after.key(FIRST, *kind));
    assert_eq!(keyed.map(StepKind::as_str).collect::<BTreeSet<_>>(), expect, "keys, for {fields:?}");

    // What is explained differs for the same steps: explanations and keys come from one traversal.
    let told = explain(&before, FIRST).into_iter().zip(explain(&after, FIRST));
    let told = told.filter(|(before, after)| before.inputs != after.inputs).map(|(before, _)| before.kind.as_str());
    assert_eq!(told.collect::<BTreeSet<_>>(), expect, "explanations, for {fields:?}");
    let compared = compare(&before, &after, FIRST).into_iter().map(|difference| difference.kind.as_str());
    // A place that changed is another chart's: there all differs.
    if !fields.iter().any(|field| ["version", "destination"].contains(field)) {
        assert_eq!(compared.collect::<BTreeSet<_>>(), expect, "differences, for {fields:?}");
    }
}

#[test]
fn each_field_changes_the_keys_below_it_and_no_others() {
    for change in 0..CHANGES.len() {
        check(&BTreeSet::from([change]));
    }
}

proptest! {
    #[test]
    fn fields_together_change_what_they_change_alone(
        changes in proptest::collection::btree_set(0..CHANGES.len(), 0..CHANGES.len())
    ) {
        check(&changes);
    }
}

#[test]
fn the_order_of_fingerprints_means_nothing_but_their_set_does() {
    let key = |fingerprints: &[&str]| {
        let mut sample = Sample::new("registry.example/charts/app", "v1.2.3");
        let fingerprints = fingerprints.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        sample.demands = Demands::new(true, &fingerprints);
        sample.graph().key(FIRST, Clear).unwrap()
    };
    assert_eq!(key(&[SIGNER, OTHER_SIGNER]), key(&[OTHER_SIGNER, SIGNER, SIGNER]));
    assert_ne!(key(&[SIGNER]), key(&[OTHER_SIGNER]));
    assert_ne!(key(&[SIGNER]), key(&[]));
}

#[test]
fn without_signing_the_other_steps_stay_as_they_are() {
    let signed = Sample::new("registry.example/charts/app", "v1.2.3");
    let mut unsigned = signed.clone();
    unsigned.identity = None;
    let (signed, unsigned) = (signed.graph(), unsigned.graph());
    let kinds = |graph: &StepGraph| graph.steps(FIRST).map(Step::kind).collect::<Vec<_>>();
    assert_eq!(kinds(&signed), [Keyring, Clear, Signing, Copy, Sign, Tag, Confirm]);
    assert_eq!(kinds(&unsigned), [Keyring, Clear, Copy, Tag, Confirm]);
    for kind in kinds(&unsigned) {
        assert_eq!(signed.key(FIRST, kind), unsigned.key(FIRST, kind));
    }
    let differences = compare(&signed, &unsigned, FIRST);
    assert!(differences.iter().all(|difference| [Signing, Sign].contains(&difference.kind)));
    assert!(differences.iter().all(|difference| difference.base.is_none()));
}

#[test]
fn what_is_not_fixed_has_no_key() {
    let sample = Sample::new("registry.example/charts/app", "v1.2.3");
    let mut unit = sample.unit();
    unit.state = PinState::Stale(Unsatisfied::Absent(sample.pin.reference()));
    let mut builder = Builder::new(vec![sample.demands.clone()]);
    let stale = builder.mirrored(unit, sample.identity.as_ref());
    let fed = builder.mirrored(Sample::new("registry.example/charts/fed", "1.0.0").unit(), None);
    let after = builder.mirrored(Sample::new("registry.example/charts/after", "1.0.0").unit(), None);
    builder.depends(fed, stale, Edge::Feeds);
    builder.depends(after, stale, Edge::After);
    let graph = builder.finish();

    let keyed = |unit| graph.steps(unit).filter(|step| step.key().is_some()).map(Step::kind).collect::<Vec<_>>();
    assert_eq!(keyed(stale), [Signing]);
    assert_eq!(keyed(fed), [Keyring, Clear]);
    assert_eq!(keyed(after), [Keyring, Clear, Copy, Tag, Confirm]);
    // The manifest's part of the explanation is there all the same.
    assert!(explain(&graph, stale)[0].inputs.iter().any(|input| input.field == "required"));
}

#[test]
fn a_difference_names_the_field_and_both_values() {
    let here = Sample::new("registry.example/charts/app", "v1.2.3");
    let mut base = here.clone();
    base.pin.size = 7;
    base.pin.app_version = None;
    let differences = compare(&here.graph(), &base.graph(), FIRST);
    let own = differences.iter().filter(|difference| difference.source == Source::Input).collect::<Vec<_>>();
    let difference = |field, here: &str, base: Option<&str>| Difference {
        kind: Clear,
        source: Source::Input,
        field,
        here: Some(here.to_owned()),
        base: base.map(str::to_owned),
    };
    assert_eq!(own, [&difference("app-version", "v1.2.3", None), &difference("size", "1039", Some("7"))]);
    let fed = differences.iter().filter(|difference| difference.source == Source::Feeds);
    assert_eq!(fed.map(|difference| difference.kind).collect::<Vec<_>>(), PLACED);
    assert!(compare(&here.graph(), &here.graph(), FIRST).is_empty());
}

#[test]
fn a_chart_that_the_other_graph_lacks_differs_in_everything() {
    let here = Sample::new("registry.example/charts/app", "v1.2.3").graph();
    let base = Sample::new("registry.example/charts/app", "v1.2.4").graph();
    let differences = compare(&here, &base, FIRST);
    let inputs = explain(&here, FIRST).iter().map(|step| step.inputs.len()).sum::<usize>();
    assert_eq!(differences.len(), inputs);
    assert!(differences.iter().all(|difference| difference.here.is_some() && difference.base.is_none()));
}

/// A first-party chart of these files, on a mirrored chart and on another first-party one.
fn packaged(files: &[(&str, &str)], base: &[(&str, &str)], pin: &Sample) -> (StepGraph, UnitId) {
    let unit = |name: &str, index| Unit {
        name: name.to_owned(),
        version: "1.0.0".parse().unwrap(),
        reference: format!("registry.example/charts/{name}:1.0.0").parse().unwrap(),
        origin: Origin::Chart(index),
        state: PinState::Folder,
        accepted: Vec::new(),
    };
    let digests = |files: &[(&str, &str)]| {
        files.iter().map(|(path, text)| ((*path).to_owned(), Digest::of(text.as_bytes()))).collect()
    };
    let mut builder = Builder::new(vec![pin.demands.clone()]);
    let mirrored = builder.mirrored(pin.unit(), None);
    let (app, below) =
        (builder.first_party(unit("app", 0), pin.identity.as_ref()), builder.first_party(unit("base", 1), None));
    let dependencies = [("web".to_owned(), mirrored), ("base".to_owned(), below)].into();
    builder.consists(app, Ingredients { files: digests(files), dependencies });
    builder.consists(below, Ingredients { files: digests(base), ..Ingredients::default() });
    (builder.finish(), app)
}

const FILES: [(&str, &str); 2] = [("Chart.yaml", "name: app"), ("values.yaml", "a: 1")];
const BASE: [(&str, &str); 1] = [("Chart.yaml", "name: base")];

#[test]
fn the_keys_of_a_first_party_chart_are_pinned() {
    let (graph, app) = packaged(&FILES, &BASE, &Sample::new("registry.example/charts/web", "1.0.0"));
    let keys = graph.steps(app).map(|step| format!("{} {}", step.kind(), step.key().unwrap())).collect::<Vec<_>>();
    let expect = [
        "package cf64525e1912d7165232777ff81f8c1f58c008818752e4cd082ec7c1153603bf",
        "identity c3410cabec11cd4d33fff670a9b690f911c236b1f694ce4fa9fde71d514feb0a",
        "copy 3a31708f2ec93fc10003353b774b084dec1a07dd5fd61f6a0c47f467774d44ea",
        "sign d5b13963e27ef66a14a349e287b28f29ada46dd20e0b40a11382367905765b51",
        "tag 893a80c862cff94e80f8ac66bc9dae2835aa41cce55f5528c71f7cf9ce4b25f4",
        "confirm 72f1db50c5d92ff4e5790e2446b9b42bdf3dff2d1f5a2976ce3ad854ab0651b7",
    ];
    assert_eq!(keys, expect, "a step's description changed: what was cached under its key counts no longer");
}

#[test]
fn whatever_a_package_is_made_of_changes_its_key() {
    let pin = Sample::new("registry.example/charts/web", "1.0.0");
    let (graph, app) = packaged(&FILES, &BASE, &pin);
    let key = |graph: &StepGraph, app| graph.key(app, StepKind::Package).unwrap();
    let before = key(&graph, app);
    let differs = |files: &[(&str, &str)], base: &[(&str, &str)], pin: &Sample, says: &[&str]| {
        let (other, unit) = packaged(files, base, pin);
        assert_ne!(key(&other, unit), before, "{says:?}");
        let told = compare(&other, &graph, unit).into_iter().filter(|difference| difference.kind == StepKind::Package);
        let told: Vec<_> = told.map(|one| one.here.or(one.base).unwrap_or_default()).collect();
        assert_eq!(told.len(), says.len(), "{told:?}");
        assert!(told.iter().zip(says).all(|(told, says)| told.starts_with(says)), "{told:?}");
    };
    differs(&[FILES[0], ("values.yaml", "a: 2")], &BASE, &pin, &["values.yaml sha256:"]);
    differs(&[FILES[0], FILES[1], ("x y", "")], &BASE, &pin, &["x y sha256:"]);
    differs(&FILES[..1], &BASE, &pin, &["values.yaml sha256:"]);
    differs(&FILES, &[("Chart.yaml", "name: other")], &pin, &[""]);
    let mut repinned = pin.clone();
    repinned.pin.archive = Digest::of(b"other");
    differs(&FILES, &BASE, &repinned, &["web sha256:"]);
    // How a pin is checked is no content.
    let mut lenient = pin.clone();
    lenient.demands = Demands::new(false, &[]);
    let (other, unit) = packaged(&FILES, &BASE, &lenient);
    assert_eq!(key(&other, unit), before);
}

#[test]
fn a_package_of_what_has_no_pin_has_no_key_and_waits_for_both() {
    let sample = Sample::new("registry.example/charts/web", "1.0.0");
    let (graph, app) = packaged(&FILES, &BASE, &sample);
    assert_eq!(names(&graph, &graph.depends_on(app)), ["web", "base"]);
    assert_eq!(names(&graph, &graph.order().unwrap()), ["web", "base", "app"]);
    let mut unit = sample.unit();
    unit.state = PinState::Stale(Unsatisfied::Absent(sample.pin.reference()));
    let mut builder = Builder::new(vec![sample.demands.clone()]);
    let stale = builder.mirrored(unit, None);
    let chart = Unit { origin: Origin::Chart(0), state: PinState::Folder, ..sample.unit() };
    let app = builder.first_party(chart, None);
    builder.consists(app, Ingredients { dependencies: [("web".to_owned(), stale)].into(), ..Ingredients::default() });
    assert_eq!(builder.finish().key(app, StepKind::Package), None);
}
