//! First-party charts that are broken: whom they stop, and whom they do not.

use std::fs;

use crate::sides::{PUBLISH, Sides};
use crate::support::firstparty::{chart, depend};
use crate::support::process::Ran;
use crate::support::workspace::unsigned;

const TOLD: &str = "charts/broken/Chart.yaml:2:10: error: its version cannot be published";
const LEFT: &str =
    "this is about mirrors alone, so it goes on; first-party charts are left alone until that is resolved";

/// A mirrored chart, one of our own, and a broken one.
fn sides() -> Sides {
    let sides = Sides::new();
    sides.upstream("web", "1.0.0", "");
    sides.mirror("web", &["1.0.0"]);
    chart(&sides.workspace, "own", "1.0.0", "");
    sides.workspace.write("charts/broken/Chart.yaml", "name: broken\nversion: '1'\n");
    sides
}

fn goes_on(ran: Ran) -> Ran {
    ran.says(TOLD).says(LEFT)
}

#[track_caller]
fn stops(ran: Ran) {
    assert!(!ran.exits(1).says(TOLD).said().contains(LEFT));
}

#[test]
fn a_broken_chart_stops_what_is_about_charts_and_no_mirror() {
    let sides = sides();
    let run = |words: &str| sides.workspace.run(words);
    let published = |name: &str| sides.published_folder(name).join("index.json").exists();
    stops(run("plan"));
    goes_on(run("lock").ok().says("web"));
    for words in ["--only mirrors", "--chart web", "--chart web@1.0.0 --only mirrors"] {
        goes_on(run(&format!("plan {words}")).ok()).says("+ publish  web 1.0.0");
        goes_on(run(&format!("graph --offline {words}")).ok());
    }
    goes_on(run("why web").ok());
    for words in ["", "--only charts", "--chart own", "--chart broken", "--chart web --chart own"] {
        for command in ["plan", "apply", "verify", "graph --offline"] {
            stops(run(&format!("{command} {words}")));
        }
    }
    stops(run("why own"));
    // Everything that is wrong, whatever is selected.
    for words in ["validate", "validate --only mirrors", "validate --chart web"] {
        stops(run(words));
    }
    assert!(!published("web") && !published("own"));
    let ran = goes_on(run("apply --only mirrors").ok().says("published 1 of 1 chart"));
    // What is told is no part of the report.
    assert!(!ran.stdout().contains("broken"), "{ran}");
    assert!(published("web") && !published("own"));
    goes_on(run("verify --only mirrors").ok());
    goes_on(run("lock").ok());
}

#[test]
fn nothing_that_a_broken_chart_could_hide_is_lost() {
    let sides = sides();
    sides.workspace.run("lock").ok();
    // Its place is taken, whatever else is wrong with it.
    sides.workspace.mirror("broken", "upstream.example/web", &format!("{PUBLISH}/broken"), &["1.0.0"], &unsigned());
    for words in ["lock", "apply --only mirrors", "plan --chart web"] {
        let ran = sides.workspace.run(words).exits(1).says("charts/broken/Chart.yaml: error");
        ran.says("is the destination of mirrors/broken.yaml").says(TOLD);
    }
    fs::remove_file(sides.workspace.path("mirrors/broken.yaml")).unwrap();
    // A manifest is another matter, and both are told.
    sides.workspace.write("mirrors/bad.yaml", "x");
    sides.workspace.run("apply --only mirrors").exits(1).says("mirrors/bad.yaml").says(TOLD);
    fs::remove_file(sides.workspace.path("mirrors/bad.yaml")).unwrap();
    // So is the lockfile.
    let pins = sides.lockfile();
    sides.workspace.write("mirrors.lock", "x");
    sides.workspace.run("apply --only mirrors").exits(1).says("mirrors.lock").says(TOLD);
    sides.workspace.write("mirrors.lock", pins);
    // Nobody knows whose place is taken in a folder that cannot be read.
    fs::rename(sides.workspace.path("charts"), sides.workspace.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", sides.workspace.path("charts")).unwrap();
    sides.workspace.run("apply --only mirrors").exits(1).says("charts: error");
}

#[test]
fn charts_in_a_circle_stop_no_mirror() {
    let sides = sides();
    fs::remove_dir_all(sides.workspace.path("charts/broken")).unwrap();
    depend(&sides.workspace, "a", "1.0.0", &[("b", "1.0.0")], PUBLISH);
    depend(&sides.workspace, "b", "1.0.0", &[("a", "1.0.0")], PUBLISH);
    let circle = "charts/a/Chart.yaml: error: charts depend on each other in a circle: a@1.0.0 → b@1.0.0 → a@1.0.0";
    sides.workspace.run("validate").exits(1).says(circle);
    sides.workspace.run("apply").exits(1).says(circle);
    sides.workspace.run("lock").ok().says(circle).says(LEFT);
    sides.workspace.run("apply --only mirrors").ok().says(circle).says("published 1 of 1 chart");
}

/// A name is not a mirror's because the chart that has it, too, is broken.
#[test]
fn a_broken_chart_makes_no_name_unambiguous() {
    let sides = sides();
    sides.upstream("vendored", "1.0.0", "");
    let to = format!("{PUBLISH}/vendor/broken");
    sides.workspace.mirror("vendored", "upstream.example/vendored", &to, &["1.0.0"], &unsigned());
    for command in ["plan", "apply", "verify"] {
        stops(sides.workspace.run(&format!("{command} --chart broken")));
        stops(sides.workspace.run(&format!("{command} --chart broken@1.0.0")));
    }
}
