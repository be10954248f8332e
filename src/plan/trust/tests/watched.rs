//! What is audited no longer.

use super::*;

#[test]
fn the_versions_of_a_manifest() {
    let file = "mirrors/web.yaml";
    check(
        KEY,
        &["versions"],
        &[
            (
                "versions: one less, its pin left behind",
                |side| side.mirror().versions.clear(),
                Some((
                    file,
                    &["platform/web", "1.0.0", "is declared no longer", "no longer audited", "(Base, ", "0002"],
                )),
            ),
            (
                "versions: another instead",
                |side| side.mirror().versions[0].version = "1.0.1".parse().unwrap(),
                Some((file, &["1.0.0", "is declared no longer"])),
            ),
            (
                "versions: one more",
                |side| {
                    let mut more = side.mirror().versions[0].clone();
                    more.version = "1.1.0".parse().unwrap();
                    side.mirror().versions.push(more);
                },
                None,
            ),
        ],
    );
}

/// Whatever is audited no longer is told, however it leaves.
#[test]
fn what_leaves_the_audited_set() {
    let leaves = |change: fn(&mut Side), expect: &[&str]| {
        let mut base = Side::new(KEY);
        base.workspace.chart_folders = vec!["other".to_owned(), "own".to_owned()];
        let mut here = Side::new(KEY);
        here.workspace.chart_folders.clone_from(&base.workspace.chart_folders);
        assert_eq!(told(Some(&base), &here), []);
        change(&mut here);
        let messages: Vec<String> = told(Some(&base), &here).into_iter().map(|finding| finding.message).collect();
        assert_eq!(messages, expect);
    };
    leaves(
        |side| drop(side.workspace.chart_folders.pop()),
        &[
            "the first-party chart own is removed: what is published stays, no longer audited, and the name is free for anything",
        ],
    );
    // A chart that is wrong is a problem by itself, and no removed one.
    leaves(|side| side.workspace.charts.clear(), &[]);
    let told = "it is declared no longer: what is published stays, no longer audited";
    leaves(|side| side.mirror().versions.clear(), &[told]);
    // One line, with its pin as without.
    leaves(
        |side| {
            side.mirror().versions.clear();
            side.pin.destination = "charts.example/platform/x/web".parse().unwrap();
        },
        &[told],
    );
}
