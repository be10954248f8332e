//! What Helm leaves out. `tests/it/packaging.rs` holds the same lines against stock helm.

use super::*;

/// That these lines leave out exactly these of the paths; a path with a `/` at the end is a folder.
#[track_caller]
fn check(lines: &str, paths: &str, left_out: &str) {
    let ignore = Ignore::parse(lines.as_bytes()).unwrap();
    let skips = |path: &&str| match path.strip_suffix('/') {
        Some(folder) => ignore.skips_folder(folder),
        None => ignore.skips_file(path),
    };
    let skipped: Vec<_> = paths.split(' ').filter(skips).collect();
    assert_eq!(skipped.join(" "), left_out, "{lines:?}");
}

#[test]
fn a_name_matches_anywhere_and_a_path_only_whole() {
    check("", "a templates/a .git templates/.a templates/. .helmignore", "templates/.a");
    check("a", "a b/a a/ b/a/ aa", "a b/a a/ b/a/");
    check("a/", "a a/ b/a b/a/", "a/ b/a/");
    check("/a", "a b/a a/", "a a/");
    check("/a/", "a a/ b/a/", "a/");
    check("b/a", "a b/a c/b/a b/a/c", "b/a");
    check("b/a/", "b/a b/a/ c/b/a/", "b/a/");
    check("*/a", "a b/a c/b/a", "b/a");
    check("b/*", "b b/a b/c/ b/c/a", "b/a b/c/");
    check("*.txt", "a.txt b/a.txt .txt a.txt.b", "a.txt b/a.txt .txt");
    check("a?c", "abc aéc a/c ac", "abc aéc");
    check("./a", "a ./a", "./a");
    check("//a", "a /a", "/a");
    check("a//", "a a/ a//", "a//");
    check(".helmignore", ".helmignore a", ".helmignore");
    check("/", "a a/ b/c", "");
}

#[test]
fn what_does_not_match_a_negated_line_is_left_out() {
    check("!a", "a b b/a b/c c/", "b b/c c/");
    check("!a/", "a a/ b b/", "a b b/");
    check("b\n!*.txt", "a b b.txt a.txt", "a b");
    check("!b.txt\nb.txt", "a b.txt", "a b.txt");
    check("!", "a b/", "a b/");
    check("!!a", "!a a", "a");
    check("\\!a", "!a a", "!a");
}

#[test]
fn lines_are_trimmed_and_comments_are_whole_lines() {
    check("# a\na # b\n\n  c\t\u{a0}\r\n \u{2003}#d", "a c #d # b", "c");
    check("\u{feff}a\n\u{feff}b", "a b \u{feff}b", "a \u{feff}b");
    check("\\#a", "#a a", "#a");
    check(" /a\nb/ ", "a b b/", "a b/");
    let ignore = Ignore::parse(b"a\n# f\xfcr\nb\xfc\n\xfc*\nc \x85").unwrap();
    assert!(ignore.skips_file("a") && !ignore.skips_file("bü") && !ignore.skips_file("c"));
}

#[test]
fn patterns_are_gos() {
    check("[a-c]x", "ax bx dx x", "ax bx");
    check("[^a]x", "ax bx éx x", "bx éx");
    check("[!a]x", "!x ax bx", "!x ax");
    check("[\\]a]", "] a \\", "] a");
    check("[z-a]", "a m z -", "");
    check("a[^x]b/c", "a/b/c ayb/c", "a/b/c ayb/c");
    check("\\*", "* a", "*");
    check("\\a", "a \\a", "a");
    check("[*]", "* a", "*");
    check("*[*]*", "a*b ab", "a*b");
    check("x*é", "xé xaé xa", "xé xaé");
    // The star takes the first place that fits, and the class the `/`: no second attempt.
    check("*[^a]*b", "x/b", "");
    check("*b*c/d", "abbc/d ac/d a/bc/d", "abbc/d");
    // A star may stop within a character.
    check("*[^é]", "é a", "é a");
}

#[test]
fn a_malformed_pattern_is_refused_where_helm_sees_it_and_matches_nothing_elsewhere() {
    for (lines, line, why) in [
        ("a\n**/b", 2, "has `**`, which helm refuses"),
        ("a**", 1, "has `**`, which helm refuses"),
        ("[", 1, "is not a pattern"),
        ("a\n\n ![b ", 3, "is not a pattern"),
        ("[]a]", 1, "is not a pattern"),
        ("[-a]", 1, "is not a pattern"),
        ("[a-]", 1, "is not a pattern"),
        ("*[", 1, "is not a pattern"),
        ("a*[", 1, "is not a pattern"),
        ("a\\", 1, "is not a pattern"),
    ] {
        let error = Ignore::parse(lines.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.why), (line, why), "{lines:?}");
    }
    check("x*[\ny", "x x[ y", "y");
    check("!x*[", "x x[ y/", "x x[ y/");
    check("a\\/\nb", "a a/ a\\ b", "b");
    assert!(Ignore::parse(b"[a-\xff]").is_err());
    assert!(Ignore::parse(b"# **").is_ok());
}

#[test]
fn a_line_has_64_kib_at_most() {
    let line = |length| [b"a\n".to_vec(), vec![b'x'; length], b"\nb".to_vec()].concat();
    assert!(Ignore::parse(&line(65_535)).unwrap().skips_file("b"));
    let error = Ignore::parse(&line(65_536)).unwrap_err();
    assert_eq!((error.line, error.why, error.text.len()), (2, "is longer than helm reads", 300));
}
