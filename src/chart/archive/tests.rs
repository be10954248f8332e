//! Archives built in memory, byte by byte where they must be hostile.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;

/// One tar entry: a header that may lie, and what follows it.
#[derive(Clone)]
pub(in crate::chart) struct Entry {
    header: Header,
    content: Vec<u8>,
}

impl Entry {
    fn of(kind: EntryType, path: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        Self { header, content: content.to_vec() }.signed()
    }

    pub(in crate::chart) fn file(path: &str, content: &[u8]) -> Self {
        Self::of(EntryType::Regular, path, content)
    }

    fn pax(records: &[(&str, &str)]) -> Self {
        Self::of(EntryType::XHeader, "PaxHeaders/x", pax_records(records).as_bytes())
    }

    fn global(records: &[(&str, &str)]) -> Self {
        Self::of(EntryType::XGlobalHeader, "pax_global_header", pax_records(records).as_bytes())
    }

    fn with(mut self, change: impl FnOnce(&mut Header)) -> Self {
        change(&mut self.header);
        self.signed()
    }

    fn signed(mut self) -> Self {
        self.header.set_cksum();
        self
    }
}

fn pax_records(records: &[(&str, &str)]) -> String {
    let record = |(key, value): &(&str, &str)| {
        let bare = key.len() + value.len() + 3;
        let length = (1..9999).find(|length| *length == bare + length.to_string().len()).unwrap();
        format!("{length} {key}={value}\n")
    };
    records.iter().map(record).collect()
}

pub(in crate::chart) fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        tar.extend_from_slice(entry.header.as_bytes());
        tar.extend_from_slice(&entry.content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub(in crate::chart) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A well-formed archive with these files below `root`.
pub(in crate::chart) fn tgz(root: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<_> =
        files.iter().map(|(path, content)| Entry::file(&format!("{root}/{path}"), content.as_bytes())).collect();
    gzip(&tar_of(&entries))
}

fn chart_yaml() -> Entry {
    Entry::file("a/Chart.yaml", b"name: a\n")
}

/// A chart with one more entry.
fn with(entries: &[Entry]) -> Result<Archive, ArchiveError> {
    let mut all = vec![chart_yaml()];
    all.extend_from_slice(entries);
    Archive::read(&gzip(&tar_of(&all)))
}

fn paths(archive: &Archive) -> Vec<&str> {
    archive.files().map(|(path, _)| path).collect()
}

#[test]
fn a_chart_is_read_whole() {
    let archive = with(&[
        Entry::of(EntryType::Directory, "a/templates/", b"").with(|header| header.set_mode(0o40_755)),
        Entry::file("a/templates/b.yaml", &[0, 0xff]),
        Entry::file("a/empty", b"").with(|header| header.set_mode(0o100_644)),
        Entry::file("a/EMPTY", b""),
        Entry::file("a/old/", b"").with(|header| header.as_old_mut().linkflag = [0]),
        Entry::file("a/charts/b/Chart.yaml", b"name: b\n"),
    ])
    .unwrap();
    assert_eq!(archive.root(), "a");
    assert_eq!(paths(&archive), ["Chart.yaml", "EMPTY", "charts/b/Chart.yaml", "empty", "templates/b.yaml"]);
    assert_eq!(archive.file("templates/b.yaml"), Some(&[0, 0xff][..]));
    assert_eq!(archive.file("a/Chart.yaml"), None);
}

#[test]
fn long_names_are_read_as_go_reads_them() {
    let long = format!("a/{}/x.yaml", "d".repeat(150));
    let below = &long[2..];
    let gnu = Entry::of(EntryType::GNULongName, "././@LongLink", format!("{long}\0").as_bytes());
    for extension in [gnu, Entry::pax(&[("path", &long), ("mtime", "1.5"), ("SCHILY.xattr.a", "b")])] {
        let archive = with(&[extension, Entry::file("a/short", b"1"), Entry::file("a/next", b"2")]).unwrap();
        assert_eq!(paths(&archive), ["Chart.yaml", below, "next"]);
        assert_eq!(archive.file(below), Some(&b"1"[..]));
    }
    let prefixed = Entry::file("x.yaml", b"").with(|header| {
        header.as_ustar_mut().unwrap().prefix[..3].copy_from_slice(b"a/b");
    });
    assert_eq!(paths(&with(&[prefixed]).unwrap()), ["Chart.yaml", "b/x.yaml"]);
    let git = Entry::global(&[("comment", "8d1c8b69c3fce7bea45c73efd06983e3c419a92f")]);
    assert_eq!(paths(&with(&[git, Entry::file("a/b", b"")]).unwrap()), ["Chart.yaml", "b"]);
}

#[test]
fn an_archive_of_the_chart_folder_itself_is_a_chart() {
    let entries = [Entry::of(EntryType::Directory, "./", b""), Entry::file("./Chart.yaml", b"")];
    let archive = Archive::read(&gzip(&tar_of(&entries))).unwrap();
    assert_eq!((archive.root(), paths(&archive)), (".", vec!["Chart.yaml"]));
}

#[test]
fn only_plain_files_and_folders_belong_there() {
    let check = |kind: EntryType, says: &str| {
        let error = with(&[Entry::of(kind, "a/x", b"")]).unwrap_err();
        assert!(matches!(&error, ArchiveError::Special { path, kind } if path == "a/x" && *kind == says), "{error}");
    };
    check(EntryType::Symlink, "a symbolic link");
    check(EntryType::Link, "a hard link");
    check(EntryType::Char, "a device");
    check(EntryType::Block, "a device");
    check(EntryType::Fifo, "a named pipe");
    check(EntryType::GNUSparse, "a sparse file");
    check(EntryType::GNULongLink, "a symbolic link");
    check(EntryType::Continuous, "of an unknown kind");
    check(EntryType::new(b'V'), "of an unknown kind");
}

#[test]
fn paths_are_clean() {
    let check = |path: &str, says: &str| {
        let error = with(&[Entry::file(path, b"")]).unwrap_err();
        assert!(matches!(&error, ArchiveError::Path { path: shown, why } if shown == path && *why == says), "{error}");
    };
    check("a/../x", "leads out of the chart");
    check("../x", "leads out of the chart");
    check("a/b/..", "leads out of the chart");
    check("/a/x", "is absolute");
    check("a//x", "has an empty part");
    check("a/x/", "has an empty part");
    check("a/./x", "has a part `.`");
    check("a\\x", "has a backslash");
    check("a/C:/x", "names a drive");
    check("C:/x", "names a drive");
    check("a/x\ny", "has a control character");
    check("a/\u{85}", "has a control character");
    check("a/..x", "begins with `..`, which helm refuses");
    check("a", "is outside of the chart's folder");
    check("Chart.yaml", "is outside of the chart's folder");
    check("Chart.yaml/x", "has a top folder Chart.yaml, which helm refuses");

    let latin = Entry::file("a/x", b"").with(|header| header.as_old_mut().name[2] = 0xe9);
    assert!(matches!(with(&[latin]), Err(ArchiveError::Path { why: "is not UTF-8", .. })));
    let long = Entry::pax(&[("path", &format!("a/{}", "b".repeat(5000)))]);
    assert!(
        matches!(with(&[long, Entry::file("a/x", b"")]), Err(ArchiveError::Path { why, .. }) if why.contains("4096"))
    );
    let nul = Entry::pax(&[("path", "a/x\0y")]);
    assert!(matches!(with(&[nul, Entry::file("a/x", b"")]), Err(ArchiveError::Damaged(_))));
    let out = Entry::pax(&[("path", "a/../../etc/passwd")]);
    assert!(matches!(with(&[out, Entry::file("a/x", b"")]), Err(ArchiveError::Path { .. })));
}

#[test]
fn paths_are_unique_and_below_one_folder() {
    let file = |path| Entry::file(path, b"");
    assert_eq!(with(&[file("a/x"), file("a/x")]), Err(ArchiveError::Duplicate { path: "a/x".into() }));
    assert_eq!(with(&[file("a/Chart.yaml")]), Err(ArchiveError::Duplicate { path: "a/Chart.yaml".into() }));
    for second in [file("b/x"), Entry::of(EntryType::Directory, "b/", b""), file("./x")] {
        assert!(matches!(with(&[second]), Err(ArchiveError::TwoRoots { first, .. }) if first == "a"));
    }
    let error = with(&[file("a/x/y"), file("a/x-z"), file("a/x")]).unwrap_err();
    assert_eq!(error, ArchiveError::Path { path: "x".into(), why: "is a file and a folder" });
}

#[test]
fn headers_that_readers_understand_differently_are_refused() {
    let file = || Entry::file("a/x", b"12");
    let check = |entries: &[Entry], says: &str| {
        let error = with(entries).unwrap_err();
        assert!(matches!(&error, ArchiveError::Header { why, .. } if why.contains(says)), "{says}: {error}");
    };
    check(&[Entry::pax(&[("path", "a/y")]), Entry::pax(&[("path", "a/z")]), file()], "one of several");
    let gnu = || Entry::of(EntryType::GNULongName, "././@LongLink", b"a/y\0");
    check(&[Entry::pax(&[("path", "a/z")]), gnu(), file()], "one of several");
    check(&[gnu(), Entry::global(&[("comment", "x")]), file()], "one of several");
    check(&[Entry::pax(&[("size", "1")]), file()], "two sizes");
    assert!(with(&[Entry::pax(&[("size", "2")]), file()]).is_ok());
    check(&[Entry::global(&[("path", "a/y")]), file()], "every entry");
    check(&[Entry::pax(&[("linkpath", "b")]), file()], "link");
    check(&[Entry::pax(&[("GNU.sparse.major", "1")]), file()], "sparse");
    check(&[file().with(|header| header.set_mode(0o40_644))], "in its mode");
    check(&[Entry::of(EntryType::Directory, "a/b/", &[0; 512])], "a folder a size");
    let star = |header: &mut Header| {
        header.as_mut_bytes()[345..508].fill(b'p');
        header.as_mut_bytes()[508..].copy_from_slice(b"tar\0");
    };
    check(&[file().with(star)], "gives its path");
    let old_go = |header: &mut Header| {
        header.as_mut_bytes()[257..265].copy_from_slice(b"ustar  \0");
        header.as_mut_bytes()[345..350].copy_from_slice(b"a/b/c");
    };
    check(&[file().with(old_go)], "gives its path");

    let twice = [("path", "a/y"), ("path", "a/z")];
    assert!(matches!(with(&[Entry::pax(&twice), file()]), Err(ArchiveError::Damaged(why)) if why.contains("pax")));
    for malformed in ["", "x", "5 a=b", "99 a=b\n", "6 a=b\nz", "6 =bb\n", "+6 a=b\n", "4 ab\n"] {
        let pax = Entry::of(EntryType::XHeader, "x", malformed.as_bytes());
        assert_eq!(with(&[pax, file()]).is_ok(), malformed.is_empty(), "{malformed:?}");
    }
    assert!(matches!(with(&[gnu()]), Err(ArchiveError::Damaged(why)) if why.contains("not there")));
}

#[test]
fn limits_hold_whatever_headers_claim() {
    let zeros = |size: u64| vec![0; usize::try_from(size).unwrap()];
    assert!(with(&[Entry::file("a/x", &zeros(FILE_LIMIT))]).is_ok());
    assert_eq!(
        with(&[Entry::file("a/x", &zeros(FILE_LIMIT + 1))]),
        Err(ArchiveError::FileTooLarge { path: "a/x".into(), size: FILE_LIMIT + 1 })
    );
    let claims = |size| Entry::file("a/x", b"1").with(|header| header.set_size(size));
    assert!(matches!(with(&[claims(u64::MAX / 2)]), Err(ArchiveError::FileTooLarge { .. })));
    assert!(matches!(with(&[claims(4 << 20)]), Err(ArchiveError::Damaged(_))));

    let many = |count: u64| -> Vec<_> {
        (0..count).map(|index| Entry::file(&format!("a/{index}"), &zeros(FILE_LIMIT))).collect()
    };
    let chart_yaml_size = chart_yaml().content.len() as u64;
    let filled = |last: u64| with(&[many(19), vec![Entry::file("a/last", &zeros(last))]].concat());
    assert_eq!(filled(FILE_LIMIT - chart_yaml_size), Err(ArchiveError::TooLarge), "100 MiB is too much");
    assert!(filled(FILE_LIMIT - chart_yaml_size - 1).is_ok());
    let folders = vec![Entry::of(EntryType::Directory, "a/b/", b""); ENTRY_LIMIT];
    assert_eq!(with(&folders), Err(ArchiveError::TooManyEntries));
    assert!(with(&folders[1..]).is_ok());
}

/// 300 MiB of zeros behind the tar's end marker, in 300 KiB.
#[test]
fn a_bomb_is_never_inflated_whole() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tar_of(&[chart_yaml()])).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&zeros).unwrap();
    }
    assert_eq!(Archive::read(&encoder.finish().unwrap()), Err(ArchiveError::TooLarge));
}

#[test]
fn there_is_one_gzip_member_with_one_tar() {
    let tar = tar_of(&[chart_yaml()]);
    let good = gzip(&tar);
    assert!(Archive::read(&good).is_ok());
    assert!(Archive::read(&gzip(&tar[..1024])).is_ok(), "an end marker is good style, not a must");

    let check = |bytes: &[u8], expected: ArchiveError| assert_eq!(Archive::read(bytes), Err(expected));
    check(b"", ArchiveError::NotGzip);
    check(b"PK\x03\x04", ArchiveError::NotGzip);
    check(b"<html>", ArchiveError::NotGzip);
    check(&tar, ArchiveError::NotGzip);
    check(&[&good[..], &good].concat(), ArchiveError::SecondMember);
    check(&[&good[..], &gzip(b"")].concat(), ArchiveError::SecondMember);
    check(&[&good[..], b"\n"].concat(), ArchiveError::Trailing("gzip"));
    check(&gzip(&[&tar[..], &tar].concat()), ArchiveError::Trailing("tar"));
    check(&gzip(&[&tar[..tar.len() - 512], &tar].concat()), ArchiveError::Trailing("tar"));
    check(&gzip(b""), ArchiveError::Empty);
    check(&gzip(&[0; 1024]), ArchiveError::Empty);
    check(&gzip(&tar_of(&[Entry::of(EntryType::Directory, "a/", b"")])), ArchiveError::Empty);
    let without = tar_of(&[Entry::file("a/b/Chart.yaml", b"")]);
    check(&gzip(&without), ArchiveError::NoChartYaml { root: "a".into() });
    check(&gzip(&tar_of(&[Entry::file("a/chart.yaml", b"")])), ArchiveError::NoChartYaml { root: "a".into() });
}

/// Go reads two blocks of zeros, or one and nothing behind it, or nothing at all, but no half of one.
#[test]
fn an_end_in_the_middle_of_a_block_is_refused() {
    let tar = tar_of(&[chart_yaml(), Entry::file("a/x", b"some content")]);
    let end = tar.iter().rposition(|byte| *byte != 0).unwrap().next_multiple_of(512);
    for (zeros, good) in [
        (0, true),
        (1, false),
        (511, false),
        (512, true),
        (513, false),
        (1023, false),
        (1024, true),
        (1025, true),
        (9000, true),
    ] {
        let read = Archive::read(&gzip(&[&tar[..end], &vec![0; zeros][..]].concat()));
        assert_eq!(read.is_ok(), good, "{zeros} zeros: {read:?}");
        assert!(good || matches!(read, Err(ArchiveError::Damaged(_))), "{zeros} zeros");
    }
    for cut in 1..100 {
        assert!(matches!(Archive::read(&gzip(&tar[..end - cut])), Err(ArchiveError::Damaged(_))), "{cut} cut off");
    }
}

#[test]
fn every_cut_and_every_flipped_byte_of_the_checksum_is_noticed() {
    let good = gzip(&tar_of(&[chart_yaml(), Entry::file("a/x", b"some content")]));
    for length in 2..good.len() {
        assert!(matches!(Archive::read(&good[..length]), Err(ArchiveError::Damaged(_))), "cut at {length}");
    }
    for behind in 1..=8 {
        let mut wrong = good.clone();
        let at = wrong.len() - behind;
        wrong[at] ^= 1;
        assert!(matches!(Archive::read(&wrong), Err(ArchiveError::Damaged(_))), "{behind} before the end");
    }
}

#[test]
fn messages_name_the_place_and_stay_short() {
    let error = with(&[Entry::of(EntryType::Symlink, "a/x", b"")]).unwrap_err().to_string();
    assert_eq!(error, "`a/x` in the chart archive is a symbolic link: only plain files and folders belong there");
    let long = Entry::pax(&[("path", &format!("a/../{}", "b".repeat(3000)))]);
    let error = with(&[long, Entry::file("a/x", b"")]).unwrap_err().to_string();
    assert!(error.len() < 400, "{error}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Archive::read(&bytes);
        let _ = Archive::read(&gzip(&bytes));
    }

    #[test]
    fn no_mutated_tar_panics_or_gives_an_unclean_path(
        changes in proptest::collection::vec((0..6144_usize, any::<u8>()), 1..12),
        sign in any::<bool>(),
    ) {
        let entries = [
            chart_yaml(),
            Entry::pax(&[("path", "a/long"), ("mtime", "1")]),
            Entry::file("a/x", b"content"),
            Entry::of(EntryType::GNULongName, "././@LongLink", b"a/gnu\0"),
            Entry::file("a/y", b""),
        ];
        let mut tar = tar_of(&entries);
        for (at, byte) in changes {
            let at = at % tar.len();
            tar[at] = byte;
        }
        if sign {
            for at in (0..tar.len()).step_by(512) {
                let sum: u32 = (0..512).map(|i| if (148..156).contains(&i) { 32 } else { u32::from(tar[at + i]) }).sum();
                tar[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        if let Ok(archive) = Archive::read(&gzip(&tar)) {
            for (path, _) in archive.files() {
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
                prop_assert!(!path.chars().any(|c| c.is_control() || c == '\\'), "{path:?}");
            }
        }
    }
}
