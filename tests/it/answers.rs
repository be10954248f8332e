//! What a plan answers is what apply does, and what a report says is what was found.

use crate::sides::{PUBLISH, Sides};
use crate::support::pgp::Key;
use crate::support::tools::Tool;

const SURE: &str = "safe to merge? as far as registries tell, yes";

/// What apply would refuse as a whole, plan does not promise.
#[test]
fn a_plan_does_not_promise_what_apply_refuses() {
    for settings in ["[apply]\nmax-changes = 1", "[registry.\"other.example\"]\nplain-http = true"] {
        let mut sides = Sides::pinned(&["1.0.0", "1.1.0"]);
        sides.workspace.add_settings(settings);
        let refused = settings.contains("max-changes");
        let planned = sides.workspace.run("plan").exits(if refused { 4 } else { 0 });
        assert_eq!(planned.said().contains(SURE), !refused, "{planned}");
        let json: serde_json::Value =
            serde_json::from_str(&sides.workspace.run("plan --format json").stdout()).unwrap();
        let answer = if refused { "no" } else { "registries-only" };
        assert_eq!((json["applyable"].clone(), json["safe-to-merge"].clone()), ((!refused).into(), answer.into()));
        if refused {
            drop(planned.says("too-many-changes").says("--allow-changes 2"));
            sides.workspace.run("apply").exits(4).says("too-many-changes");
            sides.workspace.run("apply --allow-changes 2").ok();
        }
    }
}

/// An exception that a version without a pin may need is not told as unneeded.
#[test]
fn an_exception_that_lock_needs_is_left_alone() {
    let mut sides = Sides::new();
    let image = sides.upstream_by("web", "1.0.0", "", None);
    sides.mirror("web", &["1.0.0"]);
    sides.accept("unsigned", "web:1.0.0", &image.digest());
    let planned = sides.workspace.run("plan").exits(3);
    assert!(!planned.said().contains("unneeded"), "{planned}");
    sides.workspace.run("lock").ok();
    sides.workspace.run("plan").ok().says("accepted unsigned");
}

/// An exception is shown where it lifts something, and nowhere else.
#[test]
fn an_exception_that_lifts_nothing_is_not_shown_as_accepted() {
    let mut sides = Sides::pinned(&["1.0.0"]);
    let digest = sides.image("web", "1.0.0").digest();
    for finding in ["moved", "gone", "expired-key", "unsigned"] {
        sides.accept(finding, "web:1.0.0", &digest);
    }
    for words in ["plan", "apply"] {
        let ran = sides.workspace.run(words).ok();
        assert!(!ran.said().contains("accepted"), "{ran}");
    }
}

/// A renamed destination of a chart that rests on an exception: lock prints the entry for its new place.
#[test]
fn a_renamed_destination_gets_the_entry_to_paste() {
    let mut sides = Sides::new();
    let expired = Key::expired("Past <past@example.org>");
    let image = sides.upstream_by("web", "1.0.0", "", Some(&expired));
    let trust = sides.workspace.signed_by(&expired);
    sides.mirror_trusting("web", &["1.0.0"], &trust);
    sides.accept("expired-key", "web:1.0.0", &image.digest());
    sides.workspace.run("lock").ok();
    let renamed = format!("{PUBLISH}/apps/web");
    sides.workspace.mirror("web", &format!("{}/web", crate::sides::SOURCE), &renamed, &["1.0.0"], &trust);
    sides.leaves_lockfile("lock").exits(1).says("finding = \"expired-key\"").says(&format!("{renamed}:1.0.0"));
    sides.accept("expired-key", "apps/web:1.0.0", &image.digest());
    sides.workspace.run("lock").ok().says(&renamed);
}

#[test]
fn problems_come_as_json_where_json_was_asked_for() {
    let sides = Sides::pinned(&["1.0.0"]);
    sides.workspace.write("mirrors/web.yaml", "source: 7\n");
    for words in ["validate", "lock", "plan", "apply", "verify", "why web"] {
        let ran = sides.workspace.run(&format!("{words} --format json")).exits(1);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
        assert_eq!(json["kind"], "problems", "{ran}");
    }
}

/// Where two destinations end alike, every command that is suggested names one chart, and runs.
#[test]
fn suggested_commands_name_one_chart() {
    let sides = Sides::pinned(&["1.0.0"]);
    let other = format!("{PUBLISH}/other/web");
    let trust = sides.workspace.signed_by(&sides.key);
    sides.workspace.mirror("other", &format!("{}/web", crate::sides::SOURCE), &other, &["1.0.0"], &trust);
    sides.workspace.run("lock").ok();
    sides.upstream("web", "1.0.0", "moved");
    let moved = sides.workspace.run("plan").exits(4);
    for chart in [format!("{PUBLISH}/web"), other] {
        for command in [format!("diff {chart} 1.0.0 upstream:1.0.0"), format!("lock --repin {chart}@1.0.0")] {
            assert!(moved.said().contains(&format!("`chartsync {command}`")), "no {command} in {moved}");
            sides.workspace.run(&command).ok();
        }
    }
}

/// Whatever was typed is one word of the command that is suggested.
#[test]
fn suggested_commands_quote_what_was_typed() {
    let sides = Sides::pinned(&["1.0.0"]);
    let ran = crate::support::process::run(sides.workspace.command().args(["add", "my web"])).exits(1);
    ran.says("`chartsync outdated --chart 'my web'` lists");
    let ran = crate::support::process::run(sides.workspace.command().args(["diff", "my `web@1", "a", "b"])).exits(1);
    ran.says("write `chartsync diff $'my \\U00000060web' OLD 1`");
    sides.upstream("web", "1.1.0", "");
    sides.mirror("web", &["1.0.0", "1.1.0"]);
    let ran = crate::support::process::run(sides.workspace.command().args(["plan", "--lock-patch", "a`b"])).exits(3);
    ran.says("next: `git apply $'a\\U00000060b'` in the repository's root");
}

/// Where Git fails, annotations and patches would name other files: that is told. No repository is no failure.
#[test]
fn a_repository_that_git_cannot_read_is_told() {
    needs!(Tool::Git);
    let sides = Sides::pinned(&["1.0.0"]);
    sides.workspace.run("plan").ok();
    sides.workspace.git("init --quiet");
    sides.workspace.run("plan").ok();
    sides.workspace.write(".git/config", "[nonsense\n");
    let ran = sides.workspace.run("plan").exits(1).says("where the workspace lies in its repository is not known");
    ran.says("config");
}

/// A daily look asks whether all is as reviewed, and names no merge; with a base the question is the other one.
#[test]
fn a_plan_for_drift_answers_its_own_question() {
    needs!(Tool::Git);
    let (sides, image) = Sides::published();
    let well =
        sides.workspace.run("plan --drift").ok().says("as reviewed? yes: the tag of 1 chart names what was reviewed");
    assert!(!well.said().contains("merge"), "{well}");
    sides.upstream("web", "1.0.0", "moved");
    sides.workspace.run("plan --drift").ok().says("as reviewed? yes, with the findings below: ").says(&image.digest());
    let markdown = sides.workspace.run("plan --drift --format markdown").ok();
    markdown.says("### chartsync: as reviewed? ⚠️ yes, with the findings below");
    sides.workspace.write(".gitignore", "/upstream\n/published\n");
    sides.workspace.commit();
    sides
        .workspace
        .run("plan --drift --base HEAD")
        .ok()
        .says("safe to merge? yes, if you agree with what is told below");
}
