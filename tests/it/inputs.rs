//! Bad input is told once, where it stands, and nothing that is not there is complained about.

use crate::sides::Sides;

#[test]
fn a_lockfile_that_is_not_there_is_no_problem_beside_others() {
    let sides = Sides::new();
    sides.workspace.write("mirrors/web.yaml", "source: 7\n");
    for words in ["validate", "lock", "plan --offline"] {
        let ran = sides.workspace.run(words).exits(1).says("mirrors/web.yaml");
        assert!(!ran.said().contains("mirrors.lock"), "{ran}");
    }
    // One that is there is read in the same run.
    sides.workspace.write("mirrors.lock", "version = 9\n");
    sides.workspace.run("validate").exits(1).says("mirrors/web.yaml").says("mirrors.lock:1");
}
