//! `explain` and `completions`, and errors that point at their line.

use crate::sides::Sides;
use crate::support::process::{hermetic, run};

#[test]
fn every_code_that_a_report_names_is_explained() {
    let sides = Sides::pinned(&["1.0.0"]);
    let workspace = &sides.workspace;
    workspace.run("explain").ok().says("! moved").says("yaml-tab").says("`chartsync explain CODE`");
    workspace.run("explain moved").ok().says("Upstream".to_lowercase().as_str()).says("chartsync lock --repin");
    workspace.run("explain [YAML-TAB]").ok().says("why: YAML forbids it");
    workspace.run("explain movd").exits(1).says("did you mean `moved`?");
    workspace.run("explain duplicate").exits(1).says("`duplicate-pin`");
    workspace.run("explain \u{1b}[31m").exits(1).says("`chartsync explain` lists them");
    let told: serde_json::Value = serde_json::from_slice(&workspace.run("explain --format json").ok().stdout).unwrap();
    let codes = told["codes"].as_array().unwrap();
    assert!(codes.len() > 70, "{}", codes.len());
    for code in codes {
        assert!(!code["text"].as_str().unwrap().is_empty(), "{code}");
    }
    // An error that names a code leads to its explanation.
    workspace.write("mirrors/broken.yaml", "source:\n\tx\n");
    let ran = workspace.run("validate").exits(1);
    let code = ran.stderr().split('[').nth(1).and_then(|rest| rest.split(']').next()).map(str::to_owned).unwrap();
    workspace.run(&format!("explain {code}")).ok();
    assert!(ran.stderr().contains("chartsync explain yaml-tab"), "{ran}");
}

/// Needs no workspace.
#[test]
fn completions_are_scripts_that_their_shell_reads() {
    let home = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_chartsync");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script =
            run(hermetic(program, home.path()).current_dir(home.path()).args(["completions", shell])).ok().stdout();
        for word in ["chartsync", "outdated", "completions", "add"] {
            assert!(script.contains(word), "no {word} in {shell}'s");
        }
        if shell == "bash" {
            let file = home.path().join("script");
            std::fs::write(&file, &script).unwrap();
            let complete = "source ./script; COMP_WORDS=(chartsync out); COMP_CWORD=1; _chartsync chartsync out chartsync; echo ${COMPREPLY[@]}";
            let ran = run(hermetic("bash", home.path()).current_dir(home.path()).args(["-c", complete])).ok();
            assert_eq!(ran.stdout().trim(), "outdated", "{ran}");
        }
    }
    run(hermetic(program, home.path()).args(["completions", "tcsh"])).refused().says("bash");
    run(hermetic(program, home.path()).current_dir(home.path()).args(["explain", "moved"])).ok();
}
