//! What the documents say about the tests.

use std::path::Path;

/// Every test that SECURITY.md names is there.
#[test]
fn security_names_tests_that_exist() {
    assert!(tests_named_in("SECURITY.md") > 40);
}

/// So is every test of the table of faults.
#[test]
fn the_table_of_faults_names_tests_that_exist() {
    assert!(tests_named_in("docs/faults.md") > 80);
}

/// How many tests the last column of a document's tables names, all of which exist.
fn tests_named_in(document: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(document)).unwrap();
    let is_head = |line: &str| ["| attack", "| fault "].iter().any(|head| line.starts_with(head));
    let rows = text.lines().filter(|line| line.starts_with("| ") && !is_head(line));
    let mut named = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(tests.contains('`'), "{row}\nnames no test");
        for test in tests.split('`').skip(1).step_by(2) {
            named += 1;
            let (file, name) = match test.split_once("::") {
                Some((file, name)) if file.contains('/') => (file.to_owned(), name),
                Some((module, name)) => (format!("tests/it/{module}.rs"), name),
                None => (test.to_owned(), ""),
            };
            let path = root.join(&file);
            assert!(path.exists(), "{row}\n{file} does not exist");
            if !name.is_empty() {
                let code = std::fs::read_to_string(path).unwrap();
                assert!(code.contains(&format!("fn {name}(")), "{row}\n{file} has no test `{name}`");
            }
        }
    }
    named
}
