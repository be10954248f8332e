mod quick;

use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::oci::Digest;

const KEY: &str = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";

fn pin(destination: &str, version: &str) -> Pin {
    let digest = |what: &str| Digest::of(format!("{destination} {version} {what}").as_bytes());
    Pin {
        name: destination.rsplit('/').next().unwrap().to_owned(),
        version: version.parse().unwrap(),
        source: format!("quay.io/up/{destination}").parse().unwrap(),
        destination: format!("ghcr.io/org/charts/{destination}").parse().unwrap(),
        digest: digest("manifest"),
        size: 1039,
        archive: digest("archive"),
        archive_size: 98_211,
        provenance: Some(digest("provenance")),
        signer: Signer::Pgp(KEY.parse().unwrap()),
        keyring: Some(digest("keyring")),
        app_version: Some(version.to_owned()),
        line: 0,
    }
}

fn pins(names: &[&str]) -> Lockfile {
    Lockfile::from_pins(names.iter().map(|name| pin(name, "1.0.0")).collect())
}

/// The problems of `text`, one a line, with their help.
fn problems(text: &str) -> Vec<String> {
    lines(&Lockfile::parse(text, "f").unwrap_err())
}

fn lines(problems: &Problems) -> Vec<String> {
    problems.iter().map(|problem| problem.to_string().replace("\n  help: ", " -- ")).collect()
}

#[test]
fn the_format_is_the_designed_one() {
    let unsigned =
        Pin { provenance: None, signer: Signer::None, keyring: None, app_version: None, ..pin("b", "2.0.0+a") };
    let expected = format!(
        r#"# Written by `chartsync lock`. Review it; do not edit it.
version = 1

[[chart]]
name = "a"
version = "v1.0.0"
source = "quay.io/up/a"
destination = "ghcr.io/org/charts/a"
digest = "{}"
size = 1039
archive = "{}"
archive-size = 98211
provenance = "{}"
signer = "pgp:{KEY}"
keyring = "{}"
app-version = "v1.0.0"

[[chart]]
name = "b"
version = "2.0.0+a"
source = "quay.io/up/b"
destination = "ghcr.io/org/charts/b"
digest = "{}"
size = 1039
archive = "{}"
archive-size = 98211
signer = "none"
"#,
        Digest::of(b"a v1.0.0 manifest"),
        Digest::of(b"a v1.0.0 archive"),
        Digest::of(b"a v1.0.0 provenance"),
        Digest::of(b"a v1.0.0 keyring"),
        unsigned.digest,
        unsigned.archive,
    );
    let lockfile = Lockfile::from_pins(vec![unsigned, pin("a", "v1.0.0")]);
    assert_eq!(lockfile.render(), expected);
    let read = Lockfile::parse(&expected, "f").unwrap();
    assert_eq!(read, lockfile);
    assert_eq!(read.pins().iter().map(|pin| pin.line).collect::<Vec<_>>(), [4, 18]);
    assert_eq!(Lockfile::parse(&expected.replace('\n', "\r\n"), "f").unwrap().render(), expected);
}

#[test]
fn pins_are_found() {
    let lockfile = Lockfile::from_pins(vec![pin("b", "1.0.0"), pin("a", "1.10.0"), pin("a", "1.9.0")]);
    assert_eq!(
        lockfile.pins().iter().map(|pin| pin.version.as_str()).collect::<Vec<_>>(),
        ["1.9.0", "1.10.0", "1.0.0"]
    );
    let a = "ghcr.io/org/charts/a".parse().unwrap();
    assert_eq!(lockfile.of(&a).len(), 2);
    assert_eq!(**lockfile.get(&a, &"1.10.0".parse().unwrap()).unwrap(), pin("a", "1.10.0"));
    assert_eq!(lockfile.get(&a, &"v1.10.0".parse().unwrap()), None);
    assert_eq!(pin("a", "1.0.0+x").reference().to_string(), "ghcr.io/org/charts/a:1.0.0_x");
    assert_eq!(pin("a", "1.0.0+x").source_reference().to_string(), "quay.io/up/a:1.0.0_x");
}

/// The lockfile of one pin, edited, and what is said about it.
#[track_caller]
fn check_edit(from: &str, to: &str, expected: &[&str]) {
    let text = pins(&["a"]).render();
    assert!(text.contains(from), "{from}");
    assert_eq!(problems(&text.replacen(from, to, 1)), expected, "{from} -> {to}");
}

#[test]
fn edits_of_each_field_are_told() {
    let edited = "the lockfile was edited: restore it from Git, or remove this block and run `chartsync lock`";
    check_edit(
        "name = \"a\"",
        "name = \"b\"",
        &[&format!("f:5:8: `chart.name` is `b`, the last part of its destination is `a` [pin-relation] -- {edited}")],
    );
    check_edit("name = \"a\"\n", "", &["f:4:1: `chart.name` is missing [missing-key] -- add `name = \"…\"`"]);
    check_edit(
        "name = \"a\"",
        "name = 1",
        &["f:5:8: `chart.name` is a whole number [wrong-type] -- write a text in quotes"],
    );
    check_edit(
        "version = \"1.0.0\"",
        "version = \"1.0\"",
        &[
            "f:6:11: `chart.version`: `1.0` is not a version: write MAJOR.MINOR.PATCH as SemVer has it, with or without a leading `v` (unexpected end of input while parsing minor version number) [invalid-value]",
        ],
    );
    check_edit(
        "source = \"quay.io/up/a\"",
        "source = \"quay.io/up/a:1\"",
        &[
            "f:7:10: `chart.source`: `quay.io/up/a:1` is not a repository (`registry.example/path/name`, lower case, no tag) [invalid-value]",
        ],
    );
    check_edit(
        "destination = \"ghcr.io",
        "destination = \"",
        &[
            "f:8:15: `chart.destination`: `/org/charts/a` is not a repository (`registry.example/path/name`, lower case, no tag) [invalid-value]",
        ],
    );
    check_edit(
        "\ndigest = \"sha256:",
        "\ndigest = \"sha512:",
        &[&format!(
            "f:9:10: `chart.digest`: `sha512:{}` is not a digest (`sha256:` and 64 lower-case hex digits) [invalid-value]",
            pin("a", "1.0.0").digest.hex()
        )],
    );
    check_edit(
        "\nsize = 1039",
        "\nsize = -1",
        &["f:10:8: `chart.size` is -1 [invalid-value] -- write a number of at least 1"],
    );
    check_edit(
        "\nsize = 1039",
        "\nsize = \"1\"",
        &["f:10:8: `chart.size` is a text [wrong-type] -- write a whole number"],
    );
    check_edit(
        "archive = \"",
        "archive = [] # \"",
        &["f:11:11: `chart.archive` is an array [wrong-type] -- write a text in quotes"],
    );
    check_edit(
        "archive-size = 98211",
        "archive_size = 98211",
        &[
            "f:4:1: `chart.archive-size` is missing [missing-key] -- add `archive-size = …`",
            "f:12:1: unknown key `chart.archive_size` [unknown-key] -- did you mean `archive-size`?",
        ],
    );
    check_edit(
        "archive-size = 98211",
        "archive-size = 9821.1",
        &["f:12:16: `chart.archive-size` is a fraction [wrong-type] -- write a whole number"],
    );
}

#[test]
fn edits_of_what_was_verified_are_told() {
    let edited = "the lockfile was edited: restore it from Git, or remove this block and run `chartsync lock`";
    let provenance = format!("provenance = \"{}\"\n", Digest::of(b"a 1.0.0 provenance"));
    check_edit(
        &provenance,
        "",
        &[&format!(
            "f:13:10: `chart.signer` is a key, but there is no `provenance` that it could have signed [pin-relation] -- {edited}"
        )],
    );
    check_edit(
        &provenance,
        "provenance = \"\"\n",
        &["f:13:14: `chart.provenance`: `` is not a digest (`sha256:` and 64 lower-case hex digits) [invalid-value]"],
    );
    check_edit(
        &format!("signer = \"pgp:{KEY}\""),
        "signer = \"none\"",
        &[&format!(
            "f:14:10: `chart.signer` is `none`, but there is a `provenance`, which is always verified [pin-relation] -- {edited}"
        )],
    );
    check_edit(
        &format!("pgp:{KEY}"),
        "pgp:665DF13E",
        &[
            "f:14:10: `chart.signer`: `665DF13E` is not a key's full fingerprint (40 or 64 hex digits, no blanks) [invalid-value]",
        ],
    );
    check_edit(
        &format!("pgp:{KEY}"),
        KEY,
        &[&format!(
            "f:14:10: `chart.signer`: `{KEY}` is not a signer (`pgp:` and a fingerprint, or `none`) [invalid-value]"
        )],
    );
    check_edit(
        &format!("keyring = \"{}\"\n", Digest::of(b"a 1.0.0 keyring")),
        "",
        &[&format!(
            "f:14:10: `chart.signer` is a key, but there is no `keyring` that it could come from [pin-relation] -- {edited}"
        )],
    );
    check_edit(
        "app-version = \"1.0.0\"",
        "app-version = 1.0",
        &["f:16:15: `chart.app-version` is a fraction [wrong-type] -- write a text in quotes"],
    );
    check_edit(
        "app-version = \"1.0.0\"",
        "app-version = \"1.0.0",
        &["f:16:21: invalid basic string, expected `\"` [toml-syntax]"],
    );
}

#[test]
fn the_head_is_strict() {
    let good = pins(&["a"]).render();
    check_edit(
        "version = 1\n",
        "version = 2\nglobal = \"x\"\n",
        &["f:2:11: the lockfile has format 2, this chartsync knows format 1 [lock-version] -- upgrade chartsync"],
    );
    check_edit(
        "version = 1\n",
        "version = 0\n",
        &[
            "f:2:11: the lockfile has format 0, this chartsync knows format 1 [lock-version] -- restore the file from Git",
        ],
    );
    check_edit("version = 1\n", "", &["f:1:1: `version` is missing [missing-key] -- add `version = 1`"]);
    check_edit(
        "version = 1\n",
        "version = 1\nvresion = 1\n",
        &["f:3:1: unknown key `vresion` [unknown-key] -- did you mean `version`?"],
    );
    check_edit(
        "version = 1\n",
        "version = 1\n[chart]\n",
        &["f:3:2: unknown key `chart` [unknown-key] -- known here: `version`"],
    );
    assert_eq!(problems(""), ["f:1:1: `version` is missing [missing-key] -- add `version = 1`"]);
    let twice = format!("{good}\n{}", &good[good.find("[[chart]]").unwrap()..]);
    assert_eq!(
        problems(&twice),
        [
            "f:18:1: `ghcr.io/org/charts/a:1.0.0` is pinned twice, first in line 4 [duplicate-pin] -- remove one of the blocks and run `chartsync lock`"
        ]
    );
    // A block that hides in a text stays a syntax error, however the file is cut.
    let hidden = good.replace("app-version = \"1.0.0\"", "app-version = \"\"\"\n[[chart]]\n\"\"\"");
    assert!(problems(&hidden)[0].contains("[toml-syntax]"));
    // Blocks in another order are no error: they are written back in order.
    let ab = pins(&["a", "b"]).render();
    let (head, blocks) = ab.split_at(ab.find("\n[[chart]]").unwrap());
    let (a, b) = blocks.split_at(blocks.rfind("\n[[chart]]").unwrap());
    assert_eq!(Lockfile::parse(&format!("{head}{b}{a}"), "f").unwrap().render(), ab);
}

/// What `git merge-file` makes of two changes of one file, and whether it was clean.
fn merge(ours: &str, base: &str, theirs: &str, style: &[&str]) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut git = Command::new("git");
    git.args(["merge-file", "--stdout"]).args(style);
    git.arg(write("ours", ours)).arg(write("base", base)).arg(write("theirs", theirs));
    let output = git.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn branches_that_add_different_charts_merge_cleanly() {
    let base = pins(&["b", "d", "f"]);
    let (ours, theirs) = (pins(&["a", "b", "d", "f"]), pins(&["b", "c", "d", "f", "g"]));
    let (merged, clean) = merge(&ours.render(), &base.render(), &theirs.render(), &[]);
    assert!(clean, "{merged}");
    assert_eq!(merged, pins(&["a", "b", "c", "d", "f", "g"]).render());
}

#[test]
fn a_conflicted_file_is_the_union_of_both_sides() {
    let base = pins(&["a", "z"]).render();
    let (ours, theirs) = (pins(&["a", "m", "z"]).render(), pins(&["a", "n", "o", "z"]).render());
    for style in [&[][..], &["--diff3"], &["--zdiff3"]] {
        let (merged, clean) = merge(&ours, &base, &theirs, style);
        assert!(!clean, "{merged}");
        let found = problems(&merged);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("the lockfile has conflict markers [conflict-markers] -- run `chartsync lock`: it takes the pins of both sides"));
        let united = Lockfile::parse_conflicted(&merged, "f").unwrap();
        assert_eq!(united, pins(&["a", "m", "n", "o", "z"]));
        let windows = Lockfile::parse_conflicted(&merged.replace('\n', "\r\n"), "f").unwrap();
        assert_eq!(windows, united);
    }
}

#[test]
fn a_pin_that_two_sides_see_differently_is_told() {
    let (one, mut other) = (pins(&["a"]), pin("a", "1.0.0"));
    other.digest = Digest::of(b"other");
    other.size = 7;
    let other = Lockfile::from_pins(vec![other]).render();
    let (merged, clean) = merge(&one.render(), &pins(&[]).render(), &other, &[]);
    assert!(!clean);
    let found = lines(&Lockfile::parse_conflicted(&merged, "f").unwrap_err());
    let [problem] = &found[..] else { panic!("{found:?}") };
    let digests = [one.pins()[0].digest, Digest::of(b"other")];
    assert!(
        problem.contains("the two sides pin `ghcr.io/org/charts/a:1.0.0` differently (digest, size): "),
        "{problem}"
    );
    assert!(digests.iter().all(|digest| problem.contains(&digest.to_string())), "{problem}");
}

#[test]
fn broken_markers_are_told() {
    let good = pins(&["a"]).render();
    for (text, line) in [
        (format!("{good}<<<<<<< ours\n"), 17),
        (format!("=======\n{good}"), 1),
        (format!("<<<<<<< a\n<<<<<<< b\n=======\n>>>>>>> c\n{good}"), 2),
        (format!(">>>>>>>\n{good}"), 1),
        (format!("<<<<<<< a\n>>>>>>> b\n{good}"), 2),
    ] {
        let found = lines(&Lockfile::parse_conflicted(&text, "f").unwrap_err());
        assert!(
            found[0].starts_with(&format!("f:{line}:1: this conflict marker has no counterpart [conflict-markers]")),
            "{found:?}"
        );
    }
    let text = format!("<<<<<<< a\nx = 1\n=======\ny = 1\n>>>>>>> b\n{good}");
    let found = lines(&Lockfile::parse_conflicted(&text, "f").unwrap_err());
    assert_eq!(
        found,
        [
            "f:2:1: unknown key `x` [unknown-key] -- known here: `version`",
            "f:4:1: unknown key `y` [unknown-key] -- known here: `version`",
        ]
    );
    assert_eq!(Lockfile::parse_conflicted(&good, "f").unwrap(), pins(&["a"]));
}

prop_compose! {
    fn any_pin()(
        name in "[a-d]{1,2}",
        version in prop_oneof!["v?[0-2]\\.[0-2]\\.0", "1\\.0\\.0-(a|b)\\+[0-9a-z]{1,3}"],
        seed in any::<u64>(),
        size in 1..=i64::MAX.unsigned_abs(),
        signed in any::<bool>(),
        app_version in proptest::option::of(any::<String>()),
    ) -> Pin {
        let digest = |what: u64| Digest::of(&[seed.to_le_bytes(), what.to_le_bytes()].concat());
        Pin {
            digest: digest(0),
            size,
            archive: digest(1),
            archive_size: size.rotate_left(7) >> 1 | 1,
            provenance: signed.then(|| digest(2)),
            signer: if signed { Signer::Pgp(digest(3).hex().parse().unwrap()) } else { Signer::None },
            keyring: signed.then(|| digest(4)),
            app_version,
            ..pin(&name, &version)
        }
    }
}

proptest! {
    #[test]
    fn writing_and_reading_lose_nothing(mut pins in proptest::collection::vec(any_pin(), 0..8), turn in any::<usize>()) {
        let lockfile = Lockfile::from_pins(pins.clone());
        let text = lockfile.render();
        prop_assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
        let read = Lockfile::parse(&text, "f").unwrap();
        prop_assert_eq!(&read, &lockfile);
        prop_assert_eq!(read.render(), &*text);
        // Order in memory does not show, as long as no two pins are for one place.
        if lockfile.pins().len() == pins.len() && !pins.is_empty() {
            let turn = turn % pins.len();
            pins.rotate_left(turn);
            prop_assert_eq!(Lockfile::from_pins(pins).render(), text);
        }
    }

    #[test]
    fn no_text_is_a_panic(text in "(\\[\\[chart\\]\\]|name = \"a\"|version = 1|<<<<<<<|=======|>>>>>>>|\\|{7}|\"\"\"|\n|\r|é|#|\\PC){0,20}") {
        let _ = Lockfile::parse(&text, "f");
        let _ = Lockfile::parse_conflicted(&text, "f");
    }
}
