//! What every command prints for programs, held against the schemas.

use std::collections::BTreeSet;
use std::path::Path;

use jsonschema::{Registry, Validator};
use serde_json::Value;

use crate::sides::Sides;
use crate::support::pgp::Key;
use crate::support::process::Ran;
use crate::support::tools::Tool;

/// The commands that print no JSON.
const NONE: [&str; 4] = ["init", "render", "completions", "help"];

/// Objects whose keys are nobody's to know.
const MAPS: [&str; 2] = ["counts", "inputs"];

fn schemas() -> (Value, Validator) {
    let read = |name: &str| -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    let uri = |name: &str| format!("file:///schemas/{name}.schema.json");
    let registry = Registry::new().add(uri("plan"), read("plan")).unwrap();
    let registry = registry.add(uri("difference"), read("difference")).unwrap().prepare().unwrap();
    let reports = read("reports");
    assert!(jsonschema::meta::is_valid(&reports));
    let validator =
        jsonschema::options().with_registry(&registry).with_base_uri(uri("reports")).build(&reports).unwrap();
    (reports, validator)
}

/// Every object in a value: its place, and its last name.
fn objects(value: &Value, place: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| objects(value, &format!("{place}/{}", name.replace('/', "~1")), into));
            if !MAPS.iter().any(|map| place.ends_with(&format!("/{map}"))) {
                into.push(place.to_owned());
            }
        }
        // One of each: a list's entries are alike.
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate().take(3) {
                objects(value, &format!("{place}/{at}"), into);
            }
        }
        _ => {}
    }
}

/// The schema takes the document, and none with a field that is missing, unknown or of another type.
#[track_caller]
fn described(validator: &Validator, document: &Value, told: &Ran) {
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?} in {told}");
    let mut places = Vec::new();
    objects(document, "", &mut places);
    for place in places {
        let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut other = document.clone();
            change(other.pointer_mut(&place).unwrap().as_object_mut().unwrap());
            validator.is_valid(&other)
        };
        let kind = &document["kind"];
        assert!(
            !with(&|fields| drop(fields.insert("unknown".to_owned(), Value::Null))),
            "{kind}{place} takes anything"
        );
        for field in document.pointer(&place).unwrap().as_object().unwrap().keys() {
            assert!(!with(&|fields| drop(fields.remove(field))), "{kind}{place} may lack {field}");
            let odd = Value::Array(vec![Value::Array(Vec::new())]);
            assert!(
                !with(&|fields| drop(fields.insert(field.clone(), odd.clone()))),
                "{kind}{place}/{field} may be anything"
            );
        }
    }
}

/// One table: each command, what it is given, and the kind of document that it prints.
const TABLE: [(&str, &str); 23] = [
    ("validate", "validate"),
    ("lock", "lock"),
    ("add web@1.1.0", "add"),
    ("add web@9.9.9", "add"),
    ("outdated --pre", "outdated"),
    ("plan", "plan"),
    ("plan --base HEAD --drift", "plan"),
    ("graph --offline", "graph"),
    ("apply --shard 1/1 --run one", "apply"),
    ("merge outcome.json --run one", "apply"),
    ("apply", "apply"),
    ("verify", "verify"),
    ("verify --quick", "verify"),
    ("list", "list"),
    ("show web", "show"),
    ("show own", "show"),
    ("why web", "why"),
    ("why web@1.1.0 --base HEAD", "why"),
    ("explain", "explain"),
    ("explain moved", "explain"),
    ("diff web 1.0.0 1.1.0", "difference"),
    ("diff web 1.0.0 1.1.0 --patch", "difference"),
    ("graph", "graph"),
];

#[test]
fn every_command_prints_what_the_schema_describes() {
    needs!(Tool::Git);
    let (reports, validator) = schemas();
    let sides = bench();
    let run = |words: &str| sides.workspace.run(&format!("{words} --format json"));
    let mut kinds = BTreeSet::new();
    for (words, kind) in TABLE {
        let ran = run(words);
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
        assert_eq!(document["kind"], kind, "{ran}");
        described(&validator, &document, &ran);
        kinds.insert(kind.to_owned());
        if words.contains("--shard") {
            sides.workspace.write("outcome.json", &ran.stdout);
        }
    }
    // Wrong input, whoever reads it.
    sides.workspace.write("mirrors/web.yaml", "sorce: 1\n");
    let ran = run("validate").exits(1);
    described(&validator, &serde_json::from_slice(&ran.stdout).unwrap(), &ran);
    kinds.insert("problems".to_owned());

    let named: BTreeSet<String> = serde_json::from_value(reports["properties"]["kind"]["enum"].clone()).unwrap();
    assert_eq!(kinds, named, "a kind has no command in the table, or the schema has no kind for a command");
    let commands: BTreeSet<&str> = TABLE.iter().map(|(words, _)| words.split(' ').next().unwrap()).collect();
    let help = sides.workspace.run("--help").ok().stdout();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<&str> = listed.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(listed.len() > 15, "{help}");
    for command in listed {
        assert!(commands.contains(command) != NONE.contains(&command), "{command} is not in the table");
    }
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    for kind in &named {
        assert!(docs.contains(&format!("| `{kind}` |")), "docs/json.md does not list {kind}");
    }
}

/// A workspace in which there is something of everything: mirrored and first-party charts, old and new versions, findings.
fn bench() -> Sides {
    let sides = Sides::pinned(&["1.0.0"]);
    for chart in ["own", "odd"] {
        let text = format!("apiVersion: v2\nname: {chart}\nversion: 1.2.3\n");
        sides.workspace.write(&format!("charts/{chart}/Chart.yaml"), text);
    }
    sides.workspace.write(".gitignore", "/upstream\n/published\n/outcome.json\n");
    sides.workspace.commit();
    sides.upstream("web", "1.1.0", "another");
    sides.upstream("web", "2.0.0-rc.1", "");
    // One that cannot be pinned, one that moves after its review.
    sides.upstream_by("api", "1.0.0", "", Some(&Key::new("Stranger <stranger@example.org>")));
    sides.mirror("api", &["1.0.0"]);
    sides.upstream("db", "1.0.0", "");
    sides.mirror("db", &["1.0.0"]);
    sides.workspace.run("lock").exits(1);
    sides.upstream("db", "1.0.0", "again");
    sides
}
