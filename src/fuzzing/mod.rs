//! What must hold of any bytes: that nothing panics, runs on or eats memory, and what each reader promises besides.
//!
//! `tests/fuzz` looks for bytes of which it does not hold; those that were found, and what others stumbled over, are kept in
//! `tests/fuzz/cases` and tried with all other tests. Part of neither the program nor its documentation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // A property that does not hold is a panic.

mod charts;
mod files;
mod pages;
mod wire;

/// A property: it panics where it does not hold.
pub type Property = fn(&[u8]);

/// The properties by the names of their fuzz targets.
pub const TARGETS: [(&str, Property); 17] = [
    ("archive", charts::archive),
    ("chart-yaml", charts::chart_yaml),
    ("difference", charts::difference),
    ("headers", wire::headers),
    ("helmignore", charts::helmignore),
    ("image", wire::image),
    ("index", wire::index),
    ("keyring", wire::keyring),
    ("layout", wire::layout),
    ("lockfile", files::lockfile),
    ("manifest", files::manifest),
    ("markdown", pages::markdown),
    ("names", files::names),
    ("packets", wire::packets),
    ("plan", pages::plan),
    ("provenance", wire::provenance),
    ("settings", files::settings),
];

/// Tries the property of this name.
pub fn hold(target: &str, bytes: &[u8]) {
    let (_, property) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of this name");
    property(bytes);
}

/// The text between separators, each of which is a line of its own: several texts in one input.
fn parts<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    const SEPARATOR: &[u8] = b"\n%%\n";
    let mut rest = bytes;
    std::array::from_fn(|_| {
        let end = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let (part, behind) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + SEPARATOR.len()..]));
        rest = behind;
        part
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Everything in `tests/fuzz/cases`; a folder there is a target, and a target is a binary of `tests/fuzz`.
    #[test]
    fn every_kept_case_holds() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        let names = |folder: &str| {
            let entries = fs::read_dir(fuzz.join(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("cases"), targets);
        assert_eq!(names("targets"), targets.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        for target in &targets {
            assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"targets/{target}.rs\"\n")), "{target}");
            let code = fs::read_to_string(fuzz.join(format!("targets/{target}.rs"))).unwrap();
            assert!(code.contains(&format!("hold(\"{target}\", bytes)")), "{target}");
            for case in names(&format!("cases/{target}")) {
                let bytes = fs::read(fuzz.join("cases").join(target).join(&case)).unwrap();
                eprintln!("{target}/{case}");
                hold(target, &bytes);
            }
        }
    }

    #[test]
    fn inputs_are_taken_apart() {
        assert_eq!(parts(b"a\n%%\nb\n%%\n"), [&b"a"[..], b"b", b""]);
        assert_eq!(parts(b"a"), [&b"a"[..], b""]);
        assert_eq!(parts(b"a\n%%\nb\n%%\nc"), [&b"a"[..], b"b"]);
    }
}
