use super::*;

fn manifest(versions: &str) -> String {
    format!(
        "# über\nsource: {{type: helm-oci, repository: a.example/b}}\ndestination:\n  repository: a.example/c\n{versions}provenance: {{required: false}}\n"
    )
}

fn added(text: &str, version: &str) -> Result<(String, Edit), EditError> {
    let mut manifest = Editable { file: "f".into(), destination: "a.example/c".into(), text: text.to_owned() };
    let edit = manifest.add(&version.parse().unwrap())?;
    Ok((manifest.text, edit))
}

/// What becomes of the list, with the rest of the manifest around it.
#[track_caller]
fn check(versions: &str, version: &str, expect: &str) {
    for crlf in [false, true] {
        let text = |list: &str| if crlf { manifest(list).replace('\n', "\r\n") } else { manifest(list) };
        let (edited, edit) = added(&text(versions), version).unwrap();
        assert_eq!(edited, text(expect), "{versions:?} and {version}, CRLF: {crlf}");
        let Edit::Added { location, .. } = edit else { panic!("{edit:?}") };
        let (line, column) = location.position.unwrap();
        let line = edited.lines().nth(line as usize - 1).unwrap();
        let there: String = line.chars().skip(column as usize - 1).collect();
        assert!(there.trim_start_matches(['"', '\'']).starts_with(version), "{there}");
    }
}

#[test]
fn the_order_of_the_list_is_kept() {
    for (list, version, expect) in [
        ("1.0.0 1.2.0", "1.3.0", "1.0.0 1.2.0 1.3.0"),
        ("1.0.0 1.2.0", "1.1.0", "1.0.0 1.1.0 1.2.0"),
        ("1.0.0 1.2.0", "0.9.0", "0.9.0 1.0.0 1.2.0"),
        ("1.2.0 1.0.0", "1.3.0", "1.3.0 1.2.0 1.0.0"),
        ("1.2.0 1.0.0", "1.1.0", "1.2.0 1.1.0 1.0.0"),
        ("1.2.0 1.0.0", "0.9.0", "1.2.0 1.0.0 0.9.0"),
        ("1.2.0 1.0.0 1.1.0", "0.9.0", "1.2.0 1.0.0 1.1.0 0.9.0"),
        ("1.0.0", "1.1.0", "1.0.0 1.1.0"),
        ("1.0.0", "0.9.0", "0.9.0 1.0.0"),
        ("1.9.0 1.10.0", "1.9.1", "1.9.0 1.9.1 1.10.0"),
        ("v1.0.0-rc.1 v1.0.0", "v1.0.0-rc.2", "v1.0.0-rc.1 v1.0.0-rc.2 v1.0.0"),
    ] {
        let lines = |list: &str| format!("  - {}\n", list.replace(' ', "\n  - "));
        check(&format!("versions:\n{}", lines(list)), version, &format!("versions:\n{}", lines(expect)));
        let row = |list: &str| format!("versions: [{}]\n", list.replace(' ', ", "));
        check(&row(list), version, &row(expect));
    }
}

#[test]
fn a_list_of_lines_stays_as_it_is_written() {
    // No indentation, as some formatters like it.
    check("versions:\n- 1.0.0\n", "1.1.0", "versions:\n- 1.0.0\n- 1.1.0\n");
    check("versions:\n    -   1.0.0\n", "1.1.0", "versions:\n    -   1.0.0\n    -   1.1.0\n");
    check("versions:\n  - \"1.0.0\"\n", "1.1.0", "versions:\n  - \"1.0.0\"\n  - \"1.1.0\"\n");
    check("versions:\n  - '1.0.0'\n  - 1.2.0\n", "1.1.0", "versions:\n  - '1.0.0'\n  - '1.1.0'\n  - 1.2.0\n");
    // A comment stays with what it stood beside or above.
    check(
        "versions:   # all\n  # the first\n  - 1.0.0   # LTS\n  # the third\n  - 1.2.0  # é\n  # the end\n\n",
        "1.1.0",
        "versions:   # all\n  # the first\n  - 1.0.0   # LTS\n  - 1.1.0\n  # the third\n  - 1.2.0  # é\n  # the end\n\n",
    );
    check(
        "versions:\n  - 1.0.0 # LTS\n  # the end\n\n# trust\n",
        "1.1.0",
        "versions:\n  - 1.0.0 # LTS\n  - 1.1.0\n  # the end\n\n# trust\n",
    );
    check("versions:\n\n  - 1.0.0\n\n  - 1.2.0\n", "0.1.0", "versions:\n\n  - 0.1.0\n  - 1.0.0\n\n  - 1.2.0\n");
}

#[test]
fn a_list_in_brackets_stays_as_it_is_written() {
    check("versions: [ 1.0.0,1.2.0 ] # all\n", "1.1.0", "versions: [ 1.0.0,1.1.0,1.2.0 ] # all\n");
    check("versions: ['1.0.0', \"1.2.0\"]\n", "1.1.0", "versions: ['1.0.0', \"1.1.0\", \"1.2.0\"]\n");
    check("versions: ['1.0.0']\n", "1.1.0", "versions: ['1.0.0', '1.1.0']\n");
    check("versions: [1.0.0,]\n", "1.1.0", "versions: [1.0.0, 1.1.0,]\n");
    check(
        "versions: [\n  1.0.0,  # LTS\n  1.2.0  # é\n]\n",
        "1.3.0",
        "versions: [\n  1.0.0,  # LTS\n  1.2.0,  # é\n  1.3.0\n]\n",
    );
    check(
        "versions: [\n  1.0.0,  # LTS\n  # the next\n  1.2.0,\n]\n",
        "1.1.0",
        "versions: [\n  1.0.0,  # LTS\n  1.1.0,\n  # the next\n  1.2.0,\n]\n",
    );
    check("versions: [\n  1.0.0,\n]\n", "1.1.0", "versions: [\n  1.0.0,\n  1.1.0,\n]\n");
    check("versions: [\n  1.0.0,\n]\n", "0.1.0", "versions: [\n  0.1.0,\n  1.0.0,\n]\n");
    check("versions: [1.0.0,\n  1.2.0]\n", "1.1.0", "versions: [1.0.0,\n  1.1.0,\n  1.2.0]\n");
}

#[test]
fn an_empty_list_gets_its_first() {
    check("versions: []\n", "1.0.0", "versions: [1.0.0]\n");
    check("versions: [ ]  # none yet\n", "1.0.0", "versions: [1.0.0 ]  # none yet\n");
    check("versions:\n", "1.0.0", "versions:\n  - 1.0.0\n");
    check("versions:  # none yet\n", "1.0.0", "versions:  # none yet\n  - 1.0.0\n");
    check("versions: ~ # none yet\n", "1.0.0", "versions: [1.0.0] # none yet\n");
}

#[test]
fn a_file_without_a_last_line_break_has_none_afterwards() {
    let text = "destination: {repository: a.example/c}\nversions:\n  - 1.0.0";
    assert_eq!(added(text, "1.1.0").unwrap().0, format!("{text}\n  - 1.1.0"));
    let text = "destination: {repository: a.example/c}\r\nversions: # all\r\n  - 1.2.0";
    assert_eq!(added(text, "1.1.0").unwrap().0, text.replace("  - 1.2.0", "  - 1.1.0\r\n  - 1.2.0"));
    let text = "versions: [1.0.0]";
    assert_eq!(added(text, "1.1.0").unwrap().0, "versions: [1.0.0, 1.1.0]");
}

#[test]
fn what_stands_there_is_told() {
    let text = manifest("versions:\n  - v1.0.0\n  - 1.1.0+b\n");
    for (version, written, line) in [("v1.0.0", "v1.0.0", 6), ("1.0.0", "v1.0.0", 6), ("v1.1.0+b", "1.1.0+b", 7)] {
        let (same, edit) = added(&text, version).unwrap();
        let declared = Edit::Declared { version: written.parse().unwrap(), location: Location::at("f", line, 5) };
        assert_eq!((same.as_str(), edit), (text.as_str(), declared));
    }
}

#[test]
fn what_cannot_be_done_carefully_is_not_done() {
    for versions in [
        "versions:\n  -\n    1.0.0\n",
        "versions:\n  - # a\n    1.0.0\n",
        "versions:\n  - nonsense\n",
        "versions: 1.0.0\n",
        "versions:\n  - [1.0.0]\n",
        "versions:\n  - |-\n    1.0.0\n",
        "",
    ] {
        let error = added(&manifest(versions), "1.1.0").unwrap_err();
        assert!(error.to_string().contains("by hand"), "{versions:?}: {error}");
    }
    assert!(matches!(added("a: [", "1.0.0"), Err(EditError::Unreadable(_))));
}

proptest::proptest! {
    #[test]
    fn an_edit_is_whole_or_not_done(
        text in "(versions:|\n|  - |- |\\[|\\]|, |,|#c|1\\.0\\.0|2\\.0\\.0|'1\\.1\\.0'| |\r\n|é|a: ){0,16}"
    ) {
        // `check` compares the values: here only that nothing panics and that what is refused stays as it was.
        let mut manifest = Editable { file: "f".into(), destination: String::new(), text: text.clone() };
        if manifest.add(&"1.5.0".parse().unwrap()).is_err() {
            proptest::prop_assert_eq!(manifest.text, text);
        }
    }
}

#[test]
fn columns_count_characters() {
    let head =
        "{source: {type: helm-oci, repository: a.example/b}, provenance: {required: false, note: 'üüüüüü ü ü'}, ";
    for list in [
        "versions: }",
        "versions: [], destination: {repository: a.example/c}}",
        "versions: , destination: {repository: a.example/c}}",
    ] {
        // Whatever becomes of it: no panic, and nothing half done.
        if let Ok((edited, _)) = added(&format!("{head}{list}\n"), "1.0.0") {
            assert!(edited.starts_with(head) && edited.contains("1.0.0"), "{edited}");
        }
    }
}
