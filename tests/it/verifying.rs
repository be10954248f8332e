//! What `verify` says to a destination that is not as it was left.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::sides::{Served, Sides};
use crate::support::images::{Image, digest, name};
use crate::support::pgp::Key;
use crate::support::workspace::Workspace;

/// Where the published layout of `web` keeps these bytes.
fn blob(sides: &Sides, digest: &str) -> std::path::PathBuf {
    sides.published_folder("web").join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

/// `web` 1.0.0, published.
fn published() -> (Sides, Image) {
    let sides = Sides::new();
    let image = sides.upstream("web", "1.0.0", "");
    sides.mirror("web", &["1.0.0"]);
    sides.workspace.run("lock").ok();
    sides.workspace.run("apply").ok();
    sides.keep();
    (sides, image)
}

/// Asserts what `verify` and `verify --quick` make of a published `web` 1.0.0 after this was done to it.
#[track_caller]
fn check(bench: &(Sides, Image), what: impl Fn(&Sides, &Image), whole: (i32, &str), quick: (i32, &str)) {
    let (sides, image) = bench;
    sides.restore();
    what(sides, image);
    for (words, (exit, says)) in [("verify", whole), ("verify --quick", quick)] {
        let ran = sides.workspace.run(words).exits(exit).says(says);
        let named = ran.said().contains("charts.example/platform/web:1.0.0");
        assert_eq!(named, exit != 0, "{ran}");
    }
}

#[test]
fn what_is_as_it_was_left_holds() {
    let bench = published();
    check(&bench, |_, _| (), (0, "1 holds"), (0, "1 holds"));
    // The audit reads the destination: neither source nor cache has a say.
    let gone = |sides: &Sides, _: &Image| {
        std::fs::remove_dir_all(sides.workspace.path("upstream")).unwrap();
        sides.workspace.forget_cache();
    };
    check(&bench, gone, (0, "1 holds"), (0, "1 holds"));
}

#[test]
fn a_tag_that_is_not_there_is_missing_and_one_that_names_something_else_is_wrong() {
    let bench = published();
    let remove = |sides: &Sides, _: &Image| name(&sides.published_folder("web"), "1.0.0", None);
    check(&bench, remove, (4, "1 missing"), (4, "1 missing"));
    let replace = |sides: &Sides, image: &Image| {
        image.annotated("by another hand").put(&sides.published_folder("web"), "1.0.0");
    };
    check(&bench, replace, (4, "1 wrong"), (4, "1 wrong"));
}

#[test]
fn blobs_that_are_damaged_or_lost_are_found_by_reading_them() {
    let bench = published();
    for index in 0..3 {
        let damage = |sides: &Sides, image: &Image| {
            let digest = digest(&image.blobs[index]);
            let path = blob(sides, &digest);
            let mut bytes = std::fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(path, bytes).unwrap();
        };
        check(&bench, damage, (4, "1 wrong"), (0, "were not read"));
    }
    let shorten = |sides: &Sides, image: &Image| {
        let bytes = &image.blobs[1];
        std::fs::write(blob(sides, &digest(bytes)), &bytes[1..]).unwrap();
    };
    check(&bench, shorten, (4, "1 wrong"), (0, "were not read"));
    let lose = |sides: &Sides, image: &Image| std::fs::remove_file(blob(sides, &digest(&image.blobs[1]))).unwrap();
    check(&bench, lose, (4, "1 missing"), (0, "were not read"));
}

#[test]
fn a_version_without_a_pin_is_unpinned() {
    let sides = Sides::published().0;
    sides.mirror("web", &["1.0.0", "9.9.9"]);
    for words in ["verify", "verify --quick"] {
        sides.workspace.run(words).exits(3).says("1 unpinned").says("web:9.9.9").says("1 holds");
    }
}

/// Unreadable is no verdict about the chart; of several the first of unreadable, missing or wrong, unpinned counts.
#[test]
fn a_destination_that_cannot_be_read_is_an_error_and_errors_come_first() {
    let (key, served) = (Key::new("Releases <releases@example.org>"), Served::start());
    let publish = served.repository("platform");
    let workspace = Workspace::new(&publish).plain_http(&served.host()).layout("upstream.example", "upstream");
    let trust = workspace.signed_by(&key);
    let mut images = Vec::new();
    for chart in ["held", "lost", "shut"] {
        let image = Image::chart(chart, "1.0.0", "", Some(&key));
        image.put(&workspace.path(&format!("upstream/{chart}")), "1.0.0");
        workspace.mirror(
            chart,
            &format!("upstream.example/{chart}"),
            &format!("{publish}/{chart}"),
            &["1.0.0"],
            &trust,
        );
        images.push(image);
    }
    workspace.run("lock").ok();
    workspace.mirror("new", "upstream.example/new", &format!("{publish}/new"), &["1.0.0"], &trust);
    served.put("platform/held", "1.0.0", &images[0]);
    served.front.set_fault({
        let images = served.images();
        move |method, path| {
            if path.contains("/shut/") {
                return Some(StatusCode::FORBIDDEN.into_response());
            }
            Some(crate::sides::serve(&images, method, path))
        }
    });
    let cases = [
        ("held", 0),
        ("lost", 4),
        ("shut", 1),
        ("new", 3),
        ("held --chart new", 3),
        ("new --chart lost", 4),
        ("new --chart lost --chart shut", 1),
    ];
    for (charts, exit) in cases {
        workspace.run(&format!("verify --chart {charts}")).exits(exit);
        workspace.run(&format!("verify --quick --chart {charts}")).exits(exit);
    }
    workspace.run("verify").exits(1).says("1 holds").says("1 missing").says("1 unreadable").says("1 unpinned");
}
