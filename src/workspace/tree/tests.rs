use std::process::Command;

use super::*;

/// A Git repository whose configuration would run a program at every turn, if anything of it were run.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q"]);
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=a", "-c", "user.email=a@example", "commit", "-q", "-m", "a"]);
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
            git.env_remove(variable);
        }
        let output = git.current_dir(self.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    tree.read(path).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

fn names(tree: &Tree, folder: &str) -> Vec<(String, EntryKind)> {
    tree.list(folder).unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect()
}

#[test]
fn a_revision_is_read_as_committed_from_a_subfolder_too() {
    let repository = Repository::new();
    repository.write("a.txt", "outer\n");
    repository.write("sub/a.txt", "one\n");
    repository.write("sub/mirrors/b.yaml", "b\r\n");
    repository.write("sub/mirrors/deep/c.yaml", "c");
    repository.write("sub/mirrors.lock", "");
    repository.write("subway/a.txt", "not below");
    repository.commit();
    repository.write("sub/a.txt", "two\n");
    let root = repository.path().join("sub");
    let tree = Tree::revision(&root, "HEAD").unwrap();
    assert_eq!(text(&tree, "a.txt").as_deref(), Some("one\n"));
    assert_eq!(text(&tree, "mirrors/b.yaml").as_deref(), Some("b\r\n"));
    assert_eq!(text(&tree, "mirrors.lock").as_deref(), Some(""));
    assert_eq!(text(&tree, "absent"), None);
    assert_eq!(text(&tree, "absent/too"), None);
    let expected = [("b.yaml".to_owned(), EntryKind::File), ("deep".to_owned(), EntryKind::Folder)];
    assert_eq!(names(&tree, "mirrors"), expected);
    assert_eq!(names(&Tree::folder(&root), "mirrors"), expected);
    assert_eq!(names(&tree, "absent"), []);
    assert!(matches!(tree.read("mirrors"), Err(TreeError::Kind(..))));
    assert_eq!(text(&Tree::folder(&root), "a.txt").as_deref(), Some("two\n"));
    let many = tree.read_all(&["a.txt".into(), "absent".into(), "mirrors".into(), "mirrors/deep/c.yaml".into()]);
    let [Ok(Some(one)), Ok(None), Err(TreeError::Kind(..)), Ok(Some(c))] = &many[..] else { panic!("{many:?}") };
    assert_eq!((&one[..], &c[..]), (&b"one\n"[..], &b"c"[..]));
}

#[test]
fn nothing_of_the_repository_is_run() {
    let repository = Repository::new();
    let witness = repository.path().join("witness");
    let run = format!("touch '{}'", witness.display());
    repository.write(".gitattributes", "* filter=evil diff=evil\n");
    repository.write("a.txt", "raw\n");
    repository.commit();
    for (key, value) in [
        ("filter.evil.smudge", &*run),
        ("filter.evil.clean", &run),
        ("diff.evil.textconv", &run),
        ("core.fsmonitor", &run),
        ("core.pager", &run),
        ("alias.cat-file", &format!("!{run}")),
        ("alias.ls-tree", &format!("!{run}")),
    ] {
        repository.git(&["config", key, value]);
    }
    // A replaced object is not what was committed.
    repository.write("other.txt", "replaced\n");
    repository.git(&["hash-object", "-w", "--no-filters", "other.txt"]);
    let id = |text: &str| {
        let output = Command::new("git").current_dir(repository.path()).args(["rev-parse", text]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let other = {
        let mut git = Command::new("git");
        let output = git.current_dir(repository.path()).args(["hash-object", "--no-filters", "other.txt"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    };
    repository.git(&["replace", &id("HEAD:a.txt"), &other]);
    let _ = fs::remove_file(&witness);
    let tree = Tree::revision(repository.path(), "HEAD").unwrap();
    assert_eq!(text(&tree, "a.txt").as_deref(), Some("raw\n"));
    assert_eq!(names(&tree, "absent"), []);
    assert!(!witness.exists());
}

#[test]
fn unknown_revisions_are_told() {
    let repository = Repository::new();
    repository.write("a", "a");
    repository.commit();
    for revision in ["nowhere", "", "--all", "HEAD:a", "-h", "HEAD~9", "0000000000000000000000000000000000000000"] {
        let error = Tree::revision(repository.path(), revision).unwrap_err();
        assert!(matches!(error, TreeError::UnknownRevision(_)), "{revision}: {error}");
    }
    let error = Tree::revision(tempfile::tempdir().unwrap().path(), "HEAD").unwrap_err();
    assert!(matches!(error, TreeError::NoRepository(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_refused_in_folders_and_revisions() {
    let repository = Repository::new();
    repository.write("real/a", "a");
    repository.write("outside", "x");
    std::os::unix::fs::symlink("real", repository.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("real/link")).unwrap();
    repository.commit();
    for tree in [Tree::folder(repository.path()), Tree::revision(repository.path(), "HEAD").unwrap()] {
        for (path, link) in [("dir/a", "dir"), ("real/link", "real/link")] {
            let error = tree.read(path).unwrap_err();
            assert!(matches!(&error, TreeError::Link(found) if found == link), "{path}: {error}");
        }
        assert!(matches!(tree.list("dir"), Err(TreeError::Link(_))));
        assert_eq!(names(&tree, "real"), [("a".to_owned(), EntryKind::File), ("link".to_owned(), EntryKind::Link)]);
        for path in ["../outside", "/etc/passwd", "real/../outside", "", "real//a", "./outside"] {
            assert!(matches!(tree.read(path), Err(TreeError::Outside(_))), "{path}");
        }
    }
    assert!(matches!(Tree::folder(repository.path()).read("real"), Err(TreeError::Kind(..))));
}

/// Folder and revision give the same walk, links unfollowed and long files cut.
#[test]
fn a_walk_takes_in_what_is_there_and_no_more_than_asked() {
    let repository = Repository::new();
    repository.write("charts/a/Chart.yaml", "name: a\n");
    repository.write("charts/a/templates/deep/b.yaml", "b\n");
    repository.write("charts/a/long", "0123456789");
    repository.write("charts/ab/Chart.yaml", "not below");
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("charts/a/out")).unwrap();
    std::os::unix::fs::symlink("a", repository.path().join("charts/link")).unwrap();
    repository.commit();
    let limits = Limits { file: 9, total: 64, entries: 8 };
    for tree in [Tree::folder(repository.path()), Tree::revision(repository.path(), "HEAD").unwrap()] {
        let found = tree.walk("charts/a", &limits).unwrap();
        let file = |text: &str| Found::File(text.as_bytes().to_vec());
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["Chart.yaml", "long", "out", "templates/deep/b.yaml"]);
        assert_eq!(found[0].1, file("name: a\n"));
        assert!(matches!(&found[1].1, Found::File(bytes) if bytes.len() == 9));
        assert_eq!((&found[2].1, &found[3].1), (&Found::Link("/etc/passwd".into()), &file("b\n")));
        assert_eq!(tree.walk("charts/none", &limits).unwrap(), []);
        assert!(matches!(tree.walk("charts/link", &limits), Err(TreeError::Link(_))));
        assert!(matches!(tree.walk("charts/../charts", &limits), Err(TreeError::Outside(_))));
        for too_small in [Limits { entries: 3, ..limits }, Limits { total: 12, ..limits }] {
            assert!(matches!(tree.walk("charts/a", &too_small), Err(TreeError::TooMuch(_))), "{too_small:?}");
        }
    }
    let pipe = repository.path().join("charts/a/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = Tree::folder(repository.path()).walk("charts/a", &limits).unwrap();
    assert!(found.contains(&("pipe".into(), Found::Other("is neither a file nor a folder"))));
}
