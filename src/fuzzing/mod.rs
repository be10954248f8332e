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
    use std::path::{Path, PathBuf};

    use super::*;

    fn names(folder: &str) -> Vec<String> {
        let entries = fs::read_dir(folder_of(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn folder_of(folder: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder)
    }

    /// What is kept of a target, by name.
    fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = format!("cases/{target}");
        names(&folder)
            .into_iter()
            .map(|name| (name.clone(), fs::read(folder_of(&folder).join(name)).unwrap()))
            .collect()
    }

    /// Everything in `tests/fuzz/cases`; a folder there is a target, and a target is a binary of `tests/fuzz`.
    #[test]
    fn every_kept_case_holds() {
        let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("cases"), targets);
        assert_eq!(names("targets"), targets.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
        let manifest = fs::read_to_string(folder_of("Cargo.toml")).unwrap();
        for target in &targets {
            assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"targets/{target}.rs\"\n")), "{target}");
            let code = fs::read_to_string(folder_of(&format!("targets/{target}.rs"))).unwrap();
            assert!(code.contains(&format!("hold(\"{target}\", bytes)")), "{target}");
            for (case, bytes) in kept(target) {
                eprintln!("{target}/{case}");
                hold(target, &bytes);
            }
        }
    }

    /// Changes of what is kept, the same ones every time; `tests/fuzz/run` goes further than that.
    #[test]
    fn every_changed_case_holds() {
        for (target, property) in TARGETS {
            let kept = kept(target);
            for number in 0..300 {
                eprintln!("{target}: change {number}");
                property(&changed(&kept, &mut fastrand::Rng::with_seed(number)));
            }
        }
    }

    fn changed(kept: &[(String, Vec<u8>)], random: &mut fastrand::Rng) -> Vec<u8> {
        const WORDS: [&[u8]; 28] = [
            b"\n",
            b"\r\n",
            b"\"",
            b"'",
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b"- ",
            b"#",
            b"&a ",
            b"!!str ",
            b"\xef\xbb\xbf",
            b"\0",
            b"\xff",
            b"18446744073709551616",
            b"-1",
            b"1e999",
            b"\n%%\n",
            b"---\n",
            b"<",
            b"`",
            b"../",
            b"**",
            b"\xe2\x80\xae",
            b"|",
        ];
        let mut bytes = kept[random.usize(0..kept.len())].1.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..=bytes.len());
            match random.u8(0..6) {
                0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(0..8)),
                1 => drop(bytes.splice(at..at, WORDS[random.usize(0..WORDS.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + random.usize(1..20)).min(bytes.len()))),
                3 => {
                    let other = &kept[random.usize(0..kept.len())].1;
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[random.usize(0..=other.len())..]);
                }
                4 => {
                    let again = bytes[at..(at + 40).min(bytes.len())].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                _ => drop(bytes.splice(at..at, [random.u8(..); 300])),
            }
        }
        bytes
    }

    #[test]
    fn inputs_are_taken_apart() {
        assert_eq!(parts(b"a\n%%\nb\n%%\n"), [&b"a"[..], b"b", b""]);
        assert_eq!(parts(b"a"), [&b"a"[..], b""]);
        assert_eq!(parts(b"a\n%%\nb\n%%\nc"), [&b"a"[..], b"b"]);
    }
}
