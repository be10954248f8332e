//! What stands around an archive: Chart.yaml, the config blob, the provenance, the image manifest.

use sequoia_openpgp::types::HashAlgorithm;
use serde_json::{Value, json};

use super::dice::Dice;
use crate::support::images::{CHART, CONFIG, IMAGE_MANIFEST, Image, PROVENANCE, digest};
use crate::support::pgp::{Key, armor};

pub(crate) const CHART_YAML: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\ndescription: A chart for one test\n";

const LINES: [&str; 62] = [
    "name: other",
    "Name: other",
    "name: web",
    "version: 2.0.0",
    "version: '1.0.0'",
    "appVersion: 1.10",
    "appVersion: 0x1F",
    "appVersion: 1e3",
    "appVersion: 2001-12-14",
    "appVersion: 1:30",
    "appVersion: 0o14",
    "appVersion: 1_000",
    "appVersion: yes",
    "appVersion: ~",
    "appVersion: [1]",
    "appVersion: ''",
    "deprecated: yes",
    "deprecated: on",
    "deprecated: y",
    "deprecated: 'true'",
    "deprecated: TRUE",
    "deprecated: 1",
    "deprecated: ~",
    "keywords: a",
    "keywords: [a, 1, ~, b]",
    "keywords: []",
    "keywords: {a: b}",
    "sources: [~]",
    "maintainers: {}",
    "maintainers: [~]",
    "maintainers: [{name: a, mail: b}]",
    "maintainers: [{Name: a}]",
    "maintainers: [{name: 1}]",
    "annotations: {a: 1}",
    "annotations: {a: b, A: c}",
    "annotations: {a: b, a: c}",
    "annotations: {1: b}",
    "annotations: {~: b}",
    "annotations: {? [a] : b}",
    "unknown: 1",
    "unknown: {a: [b, {c: d}]}",
    "home: !!str x",
    "home: !x y",
    "home: !!binary aGk=",
    "home: &a x",
    "icon: *a",
    "home: \"\\x00\"",
    "home: \"\\ud800\"",
    "home: \"\\U0001F600\"",
    "home: |\n  x\n  y",
    "home: >-\n  x\n  y",
    "home: 'a''b'",
    "<<: {home: x}",
    "type: library",
    "type: Application",
    "type: ''",
    "tillerVersion: x",
    "condition: x",
    "kubeVersion: '>=1.2'",
    "dependencies: [{name: sub, version: 1.0.0, repository: ''}]",
    "dependencies: [{name: a, version: '*', alias: b, tags: [c], import-values: [d, {child: e, parent: f}]}]",
    "engine: gotpl",
];

/// A Chart.yaml in which one thing is otherwise.
pub(crate) fn chart_yaml(yaml: &str, dice: &mut Dice) -> (String, String) {
    let replaced = |from: &str, to: &str| yaml.replacen(from, to, 1);
    let (what, text) = match dice.below(28) {
        0 => ("a mark", format!("\u{feff}{yaml}")),
        1 => ("Windows line ends", yaml.replace('\n', "\r\n")),
        2 => ("old Mac's line ends", yaml.replace('\n', "\r")),
        3 => ("a begin of a document", format!("---\n{yaml}")),
        4 => ("an end of a document", format!("{yaml}...\n")),
        5 => ("a second document", format!("{yaml}---\nname: other\n")),
        6 => ("a directive", format!("%YAML 1.1\n---\n{yaml}")),
        7 => ("a comment", format!("# x\n{yaml}# y")),
        8 => ("an indentation", yaml.lines().fold(String::new(), |text, line| text + "  " + line + "\n")),
        9 => ("a tab", replaced("name: web", "name:\tweb")),
        10 => (
            "JSON",
            r#"{"apiVersion": "v2", "name": "web", "version": "1.0.0", "description": "A chart for one test"}"#
                .to_owned(),
        ),
        11 => ("no apiVersion", replaced("apiVersion: v2\n", "")),
        12 => ("apiVersion v1", replaced("v2", "v1")),
        13 => ("apiVersion v3", replaced("v2", "v3")),
        14 => ("another name", replaced("name: web", "name: Web")),
        15 => ("a name with blanks", replaced("name: web", "name: ' web'")),
        16 => ("a quoted name", replaced("name: web", "\"name\": \"w\\x65b\"")),
        17 => ("v1.0.0", replaced("1.0.0", "v1.0.0")),
        18 => ("01.0.0", replaced("1.0.0", "01.0.0")),
        19 => ("a version that is a number", replaced("version: 1.0.0", "version: 1.0")),
        20 => ("no description", replaced("description: A chart for one test\n", "")),
        21 => ("a control character", replaced("one test", "one\u{1}test")),
        22 => ("a next line", replaced("one test", "one\u{85}test")),
        23 => ("a line separator", replaced("one test", "one\u{2028}test")),
        24 => ("a hidden character", replaced("one test", "one\u{200b}test\u{feff}")),
        _ => {
            let line = *dice.pick(&LINES);
            return (format!("{yaml}{line}\n"), format!("Chart.yaml with {line:?}"));
        }
    };
    (text, format!("Chart.yaml with {what}"))
}

/// A config blob in which one thing is otherwise.
pub(crate) fn config(config: &str, dice: &mut Dice) -> (String, String) {
    let end = config.len() - 1;
    let with = |more: &str| format!("{},{more}}}", &config[..end]);
    let (what, text) = match dice.below(10) {
        0 => ("an unknown field", with(r#""unknown":1"#)),
        1 => ("a name twice", with(r#""name":"other""#)),
        2 => ("a Name", with(r#""Name":"other""#)),
        3 => ("another version", config.replace("1.0.0", "1.0.1")),
        4 => ("a field that is empty", with(r#""home":"""#)),
        5 => ("a field that is null", with(r#""keywords":null"#)),
        6 => ("a field more", with(r#""home":"https://a.example""#)),
        7 => ("blanks", config.replace(',', " ,\n")),
        8 => ("something behind", format!("{config}x")),
        _ => ("nothing", String::new()),
    };
    (text, format!("a config with {what}"))
}

/// A text that is signed in which one thing is otherwise.
pub(crate) fn statement(text: &str, dice: &mut Dice) -> (String, String) {
    let (yaml, files) = text.split_once("\n...\n").unwrap();
    let sum = files.lines().nth(1).unwrap();
    let (what, text) = match dice.below(18) {
        0 => ("another file as well", format!("{text}  other-1.0.0.tgz: sha256:{}\n", "0".repeat(64))),
        1 => (
            "another file first",
            text.replacen("files:\n", &format!("files:\n  other-1.0.0.tgz: sha256:{}\n", "0".repeat(64)), 1),
        ),
        2 => ("the file twice", format!("{text}{}\n", sum.replace("sha256:", "sha256:0"))),
        3 => ("the file twice alike", format!("{text}{sum}\n")),
        4 => (
            "capitals",
            text.replace(sum, &format!("  web-1.0.0.tgz: sha256:{}", sum[sum.len() - 64..].to_uppercase())),
        ),
        5 => ("another algorithm", text.replace("sha256:", "sha512:")),
        6 => ("no algorithm", text.replace("sha256:", "")),
        7 => ("another name", text.replacen("name: web", "name: other", 1)),
        8 => ("another version", text.replacen("version: 1.0.0", "version: 1.0.1", 1)),
        9 => ("images", format!("{text}images:\n  a: b\n")),
        10 => ("a third part", format!("{text}...\nfiles:\n  web-1.0.0.tgz: sha256:{}\n", "0".repeat(64))),
        11 => ("another separator", format!("{yaml}\n---\n{files}")),
        12 => ("a separator with a blank", format!("{yaml}\n... \n{files}")),
        13 => ("no metadata", format!("\n...\n{files}")),
        14 => ("trailing blanks", text.replace("name: web\n", "name: web \t\n")),
        15 => ("a dash", text.replacen("description:", "- x\ndescription:", 1)),
        16 => ("Files", text.replace("\nfiles:", "\nFiles:")),
        _ => ("a quoted sum", text.replace(sum, &sum.replace("sha256:", "\"sha256:").replacen(sum, "", 0)) + ""),
    };
    (text, format!("a signed text with {what}"))
}

/// How a text is signed.
pub(crate) struct Signing<'a> {
    pub(crate) key: &'a Key,
    pub(crate) stranger: &'a Key,
}

const HASHES: [(&str, HashAlgorithm); 5] = [
    ("SHA512", HashAlgorithm::SHA512),
    ("SHA256", HashAlgorithm::SHA256),
    ("SHA384", HashAlgorithm::SHA384),
    ("SHA224", HashAlgorithm::SHA224),
    ("SHA1", HashAlgorithm::SHA1),
];

/// The provenance; in one of some, one thing is otherwise.
pub(crate) fn provenance(text: &str, signing: &Signing<'_>, dice: Option<&mut Dice>) -> (Vec<u8>, String) {
    let good = || signing.key.sign(text, HashAlgorithm::SHA512);
    let whole = |headers: &str, shown: &str, signature: &str| {
        format!("-----BEGIN PGP SIGNED MESSAGE-----\n{headers}\n{}\n{signature}", shown.trim_end_matches('\n'))
    };
    let Some(dice) = dice else {
        return (whole("Hash: SHA512\n", text, &armor(&[good()])).into_bytes(), String::new());
    };
    let plain = whole("Hash: SHA512\n", text, &armor(&[good()]));
    let foreign = || signing.stranger.sign(text, HashAlgorithm::SHA512);
    let (what, prov) = match dice.below(31) {
        0 | 1 => {
            let (name, algorithm) = *dice.pick(&HASHES);
            let signature = armor(&[signing.key.sign(text, algorithm)]);
            return (whole(&format!("Hash: {name}\n"), text, &signature).into_bytes(), format!("signed with {name}"));
        }
        2 => ("another Hash header", plain.replace("Hash: SHA512", "Hash: SHA256")),
        3 => ("an unknown Hash header", plain.replace("Hash: SHA512", "Hash: MD4")),
        4 => ("two hashes", plain.replace("Hash: SHA512", "Hash: SHA256, SHA512")),
        5 => ("two Hash headers", plain.replace("Hash: SHA512", "Hash: SHA256\nHash: SHA512")),
        6 => ("no Hash header", plain.replace("Hash: SHA512\n", "")),
        7 => ("a hash in lower case", plain.replace("Hash: SHA512", "Hash: sha512")),
        8 => ("a foreign header", plain.replace("Hash: SHA512", "Hash: SHA512\nComment: x")),
        9 => ("a header without colon", plain.replace("Hash: SHA512", "Hash: SHA512\nx")),
        10 => (
            "a comment in the armor",
            plain.replace("SIGNATURE-----\n\n", "SIGNATURE-----\nComment: x\nVersion: y\n\n"),
        ),
        11 => ("Windows line ends", plain.replace('\n', "\r\n")),
        12 => ("text before", format!("x\n{plain}")),
        13 => ("text behind", format!("{plain}x\n")),
        14 => {
            ("another block before", format!("{}{plain}", whole("Hash: SHA512\n", "files: {}", &armor(&[foreign()]))))
        }
        15 => {
            ("another block behind", format!("{plain}{}", whole("Hash: SHA512\n", "files: {}", &armor(&[foreign()]))))
        }
        16 => ("the block twice", format!("{plain}{plain}")),
        17 => ("two signatures", whole("Hash: SHA512\n", text, &armor(&[good(), foreign()]))),
        18 => ("a stranger's signature first", whole("Hash: SHA512\n", text, &armor(&[foreign(), good()]))),
        19 => ("a stranger's signature", whole("Hash: SHA512\n", text, &armor(&[foreign()]))),
        20 => ("dashes escaped", whole("Hash: SHA512\n", &text.replace("\nname", "\n- name"), &armor(&[good()]))),
        21 => ("a dash that is not escaped", whole("Hash: SHA512\n", &format!("- {text}"), &armor(&[good()]))),
        22 => ("trailing blanks", plain.replace("name: web\n", "name: web  \n")),
        23 => ("a line more", plain.replace("name: web\n", "name: web\nhome: x\n")),
        24 => ("a mark", format!("\u{feff}{plain}")),
        25 => ("no sum of the armor", without_sum(&plain)),
        26 => ("a wrong sum of the armor", without_sum(&plain).replace("-----END PGP SIG", "=AAAA\n-----END PGP SIG")),
        27 => (
            "an empty line before the end",
            plain.replace("\n-----BEGIN PGP SIGNATURE", "\n\n-----BEGIN PGP SIGNATURE"),
        ),
        28 => ("blanks in the armor", plain.replace("SIGNATURE-----\n\n", "SIGNATURE-----\n \t\n")),
        29 => ("an indented block", plain.replace("-----BEGIN PGP SIGNED", " -----BEGIN PGP SIGNED")),
        _ => {
            let mut bytes = plain.into_bytes();
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
            return (bytes, format!("a bit at {at} of the provenance"));
        }
    };
    (prov.into_bytes(), format!("a provenance with {what}"))
}

fn without_sum(prov: &str) -> String {
    prov.lines()
        .filter(|line| !(line.starts_with('=') && line.len() == 5))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The blobs of a chart.
pub(crate) struct Blobs {
    pub(crate) config: Vec<u8>,
    pub(crate) archive: Vec<u8>,
    pub(crate) provenance: Option<Vec<u8>>,
}

/// The image of these blobs; in one of some, one thing is otherwise.
pub(crate) fn image(blobs: Blobs, dice: Option<&mut Dice>) -> (Image, String) {
    let Blobs { config, archive, provenance } = blobs;
    let descriptor =
        |media: &str, bytes: &[u8]| json!({"mediaType": media, "digest": digest(bytes), "size": bytes.len()});
    let mut layers = vec![descriptor(CHART, &archive)];
    layers.extend(provenance.as_ref().map(|provenance| descriptor(PROVENANCE, provenance)));
    let mut manifest = json!({"schemaVersion": 2, "config": descriptor(CONFIG, &config), "layers": layers});
    let (mut text, mut what) = (None, String::new());
    if let Some(dice) = dice {
        what = format!("an image manifest with {}", change(&mut manifest, dice));
        let plain = manifest.to_string();
        let (how, changed) = match dice.below(12) {
            0 => (" and a line's end", format!("{plain}\n")),
            1 => (" and a mark", format!("\u{feff}{plain}")),
            2 => (" and layers twice", format!("{},\"layers\":[]}}", &plain[..plain.len() - 1])),
            3 => (" and Layers", format!("{},\"Layers\":[]}}", &plain[..plain.len() - 1])),
            4 => (" and something behind", format!("{plain}{{}}")),
            _ => ("", plain),
        };
        what += how;
        text = Some(changed);
    }
    let manifest = text.unwrap_or_else(|| manifest.to_string()).into_bytes();
    let extra = [b"extra".to_vec()];
    let blobs = [config, archive].into_iter().chain(provenance).chain(extra).collect();
    (Image { manifest, blobs }, what)
}

fn change(manifest: &mut Value, dice: &mut Dice) -> &'static str {
    let extra = |media: &str| json!({"mediaType": media, "digest": digest(b"extra"), "size": 5});
    let layer = dice.below(manifest["layers"].as_array().unwrap().len());
    let layers = |manifest: &mut Value, entry: Value, first: bool| {
        let layers = manifest["layers"].as_array_mut().unwrap();
        layers.insert(if first { 0 } else { layers.len() }, entry);
    };
    match dice.below(26) {
        0 => (manifest["layers"].as_array_mut().unwrap().reverse(), "its layers turned").1,
        1 => (manifest["layers"][0]["mediaType"] = "application/tar+gzip".into(), "the legacy media type").1,
        2 => {
            (
                manifest["layers"][layer]["mediaType"] = "application/octet-stream".into(),
                "another media type of a layer",
            )
                .1
        }
        3 => (manifest["layers"][layer]["annotations"] = json!({"a": "b"}), "annotations of a layer").1,
        4 => (manifest["layers"][layer]["urls"] = json!(["https://a.example"]), "urls").1,
        5 => (manifest["layers"][layer]["data"] = "eA==".into(), "data").1,
        6 => (manifest["layers"][layer]["size"] = 1.into(), "another size of a layer").1,
        7 => (manifest["layers"][layer]["size"] = 1e2.into(), "a size that is no count").1,
        8 => (manifest["layers"][layer]["platform"] = json!({}), "a platform").1,
        9 => (layers(manifest, extra(CHART), false), "a second archive").1,
        10 => (layers(manifest, extra(CHART), true), "a second archive first").1,
        11 => (layers(manifest, extra(PROVENANCE), false), "a second provenance").1,
        12 => (layers(manifest, extra(PROVENANCE), true), "a second provenance first").1,
        13 => (layers(manifest, extra("text/plain"), false), "another layer").1,
        14 => (manifest["annotations"] = json!({"org.opencontainers.image.title": "other"}), "annotations").1,
        15 => (manifest["annotations"] = json!({"a": 1}), "annotations that are numbers").1,
        16 => (manifest["mediaType"] = IMAGE_MANIFEST.into(), "its media type").1,
        17 => (manifest["mediaType"] = "application/vnd.oci.image.index.v1+json".into(), "an index's media type").1,
        18 => (manifest["artifactType"] = "application/x".into(), "an artifact type").1,
        19 => (manifest["subject"] = extra(IMAGE_MANIFEST), "a subject").1,
        20 => (manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into(), "another config").1,
        21 => (manifest["schemaVersion"] = 1.into(), "another schema version").1,
        22 => (manifest["schemaVersion"] = 2.0.into(), "a schema version that is a fraction").1,
        23 => (manifest["manifests"] = json!([]), "manifests").1,
        24 => (manifest["layers"] = Value::Null, "no layers").1,
        _ => (manifest["unknown"] = 1.into(), "an unknown field").1,
    }
}
