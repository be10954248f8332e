//! The order of the modules: each imports only from those above it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Reading order; `main.rs` and `lib.rs` stand outside.
const ORDER: [&str; 26] = [
    "oci",
    "key",
    "diagnostic",
    "document",
    "settings",
    "finding",
    "files",
    "work",
    "tally",
    "cache",
    "chart",
    "provenance",
    "workspace",
    "lock",
    "graph",
    "http",
    "registry",
    "artifact",
    "signature",
    "resolve",
    "plan",
    "apply",
    "audit",
    "report",
    "cli",
    "fuzzing",
];

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// What the text of a file in `module` does against the order, one line each.
fn violations(module: &str, text: &str) -> Vec<String> {
    let Some(here) = place(module) else { return vec![format!("`{module}` has no place in the order")] };
    let mut wrong = Vec::new();
    for (line, code) in statements(text) {
        for used in crates_modules(&code) {
            match place(&used) {
                Some(there) if there <= here => {}
                Some(_) => wrong.push(format!("line {line}: `{module}` uses `{used}`, which comes below it")),
                None => wrong.push(format!("line {line}: `{module}` uses `{used}`, which has no place in the order")),
            }
        }
    }
    wrong
}

/// Code without comments, a `use` with its braces in one piece, each with the number of its first line.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default().trim();
        if open {
            let last = statements.last_mut().unwrap();
            last.1.push_str(code);
            open = !code.contains(';');
        } else {
            open = code.contains("use ") && code.contains('{') && !code.contains(';');
            statements.push((number + 1, code.to_owned()));
        }
    }
    statements
}

/// The first segments behind each `crate::` in a piece of code.
fn crates_modules(code: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut modules = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => modules.push(name(rest)),
            Some(group) => modules.extend(top_level(group).iter().map(|entry| name(entry.trim()))),
        }
    }
    modules
}

/// The entries of a `use` group, braces inside them left alone.
fn top_level(group: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(String::new());
                continue;
            }
            _ => {}
        }
        entries.last_mut().unwrap().push(c);
    }
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_module_imports_only_from_those_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first);
        if !matches!(module, "main" | "lib") {
            seen.insert(module.to_owned());
            let text = fs::read_to_string(&path).unwrap();
            wrong.extend(violations(module, &text).iter().map(|what| format!("src/{}: {what}", inside.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let listed: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';'))
        .collect();
    assert_eq!(
        listed.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        seen,
        "lib.rs lists other modules than src holds"
    );
    assert!(
        listed.is_sorted_by_key(|module| place(module)),
        "lib.rs does not list its modules in reading order: {listed:?}"
    );
}

#[test]
fn the_order_is_held_wherever_a_module_is_named() {
    let check = |module: &str, text: &str, expect: usize| {
        assert_eq!(violations(module, text).len(), expect, "{module}: {text}: {:?}", violations(module, text));
    };
    check("plan", "use crate::lock::Pin;", 0);
    check("plan", "use crate::plan::observe;", 0);
    check("lock", "use crate::plan::Plan;", 1);
    check("lock", "pub use crate::plan::Plan;", 1);
    check("lock", "fn f() { crate::cli::run(crate::oci::Tag, crate::report::X) }", 2);
    check("lock", "use crate::{\n    oci::{Digest, Tag},\n    plan::{self, Row},\n    report,\n};", 2);
    check("lock", "use crate::oci::{\n    Digest,\n    Tag,\n};\nuse crate::report::Line;", 1);
    check("lock", "// use crate::plan::Plan;", 0);
    check("lock", "use crate::somewhere::Else;", 1);
    check("elsewhere", "", 1);
}
