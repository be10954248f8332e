//! Golden texts, the answers of a plan, and that no text of upstream's gets out of its line.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::apply::Event;
use crate::audit::Depth;
use crate::chart::difference::{Difference, Matter};
use crate::finding::{Code, Finding};
use crate::lock::{Lockfile, Pin};
use crate::plan::beside::{Beside, Unsigned};
use crate::plan::differences::Against;
use crate::plan::{Change, Network, Plan, Question, Scope, State};
use crate::report::Progress;
use crate::report::difference::tests::everything;
use crate::report::samples::{Words, assert_golden, assert_line, digest, nasty, pin, plan_of, rows, written};
use crate::workspace::{Tree, Workspace};

/// A manifest of which line 8 is meant.
const TEXT: &Texts<'static> = &|file| (file == "mirrors/cert-manager.yaml").then(|| "#\n".repeat(7) + "  - v1.15.5\n");
const NOTHING: Words<'static> = Words("");
/// Breaks a line, begins a command, moves the cursor, turns the reading direction.
const HOSTILE: Words<'static> = Words("\n::error::x\u{1b}[2K\u{202e}##[group]y");

fn bare(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn plans() {
    assert_golden("plan.txt", &bare(&plan(&NOTHING.plan())));
    assert_golden("plan-hostile.txt", &bare(&plan(&HOSTILE.plan())));
}

#[test]
fn outcomes() {
    assert_golden("outcome.txt", &bare(&outcome(&NOTHING.outcome())));
    let mut done = NOTHING.outcome();
    done.interrupted.clear();
    done.plan.rows.retain(|row| done.done.contains_key(&row.unit));
    assert_golden("outcome-all.txt", &bare(&outcome(&done)));
    done.done.clear();
    done.plan.rows.iter_mut().for_each(|row| row.state = State::Unchanged);
    assert_golden("outcome-nothing.txt", &bare(&outcome(&done)));
    done.plan.rows.iter_mut().for_each(|row| row.state = State::Change(Change::Publish));
    let message = "3 charts would change, more than the 2 that are allowed at once";
    done.plan.findings = vec![Finding::of_run(Code::TooManyChanges, message, "look at `chartsync plan`")];
    assert_golden("outcome-refused.txt", &bare(&outcome(&done)));
    done.plan = plan_of(Vec::new());
    assert_eq!(bare(&outcome(&done)), "nothing to do: no chart is declared\n");
}

#[test]
fn resolutions() {
    assert_golden("lock.txt", &bare(&resolution(&NOTHING.resolution(), &written(), TEXT)));
    let mut nothing = NOTHING.resolution();
    nothing.events.clear();
    nothing.failures.clear();
    assert_eq!(bare(&resolution(&nothing, &[], TEXT)), "pins: 12 kept; mirrors.lock unchanged\n");
    nothing.kept = 0;
    assert_eq!(bare(&resolution(&nothing, &[], TEXT)), "no pins; mirrors.lock unchanged\n");
}

#[test]
fn audits() {
    assert_golden("verify.txt", &bare(&audit(&NOTHING.audits(), Depth::Whole)));
    assert_golden("verify-quick.txt", &bare(&audit(&NOTHING.audits(), Depth::Digest)));
    assert_eq!(bare(&audit(&[], Depth::Whole)), "no chart is declared, none was audited\n");
}

/// What authors are told.
#[test]
fn authors() {
    let mut locked = NOTHING.resolution();
    locked.failures.clear();
    locked.events.drain(..3);
    locked.events.truncate(2);
    assert_golden("add.txt", &bare(&added(&NOTHING.added(&locked), TEXT)));
    assert_golden("add-failed.txt", &bare(&added(&NOTHING.added(&NOTHING.resolution()), TEXT)));
    assert_golden("outdated.txt", &bare(&outdated(&NOTHING.outdated())));
    assert_golden("list.txt", &bare(&list(&NOTHING.listed())));
    assert_golden("show.txt", &bare(&show(&NOTHING.listed())));
    assert_eq!(bare(&list(&[])), "no chart is declared\n");
    assert_eq!(bare(&outdated(&[])), "nothing is mirrored\n");
}

#[test]
fn input() {
    let text = |file: &str| (file == "mirrors/a.yaml").then(|| "# über\n\tasorce: {}\n".to_owned());
    assert_golden("problems.txt", &bare(&problems(&NOTHING.problems(), &text)));
    assert_eq!(bare(&error("it broke\n::error::x")), "error: it broke\\n::error::x\n");
}

#[test]
fn explanations() {
    assert_golden("why.txt", &bare(&why(&NOTHING.why())));
}

#[test]
fn a_valid_workspace_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("chartsync.toml", "[publish]\nrepository = \"registry.example/mirror\"\n[signing]\nmethod = \"none\"\n");
    let manifest = "\
source: {type: helm-oci, repository: upstream.example/charts/hello}
destination: {repository: registry.example/mirror/hello}
versions: [1.0.0, 1.1.0]
provenance: {required: false}
";
    write("mirrors/hello.yaml", manifest);
    let workspace = Workspace::read(&Tree::folder(root.path())).unwrap();
    let check = |pins: Vec<Pin>, expect: &str| {
        let lockfile = Lockfile::from_pins(pins);
        let graph = crate::graph::compile(&workspace, &lockfile);
        assert_eq!(bare(&validated(&workspace, &lockfile, &graph)), expect);
    };
    let pins = ["1.0.0", "1.1.0", "0.9.0"].map(|version| pin("hello", version, '1', None)).to_vec();
    check(pins[..2].to_vec(), "valid: 1 manifest with 2 versions, 2 pins\n");
    let told = "\
? 1 version lacks a pin that satisfies its manifest; run `chartsync lock`
i 1 pin is in no manifest; `chartsync lock` drops what nothing declares
valid: 1 manifest with 2 versions, 2 pins
";
    check(pins[1..].to_vec(), told);
}

/// The first line of a plan: `yes` only for what speaks of everything and holds nothing back.
#[test]
fn answers() {
    let pins = [pin("one", "1.0.0", '1', None), pin("two", "1.0.0", '2', Some('A'))];
    let check = |change: &dyn Fn(&mut Plan), expect: &str| {
        let mut made = plan_of(rows(&pins));
        made.base = Some("main".to_owned());
        change(&mut made);
        let first = |plan: &Plan| bare(&super::plan(plan)).lines().next().unwrap_or_default().to_owned();
        assert_eq!(first(&made), format!("safe to merge? {expect}"));
        let json =
            |plan: &Plan| -> serde_json::Value { serde_json::from_str(&crate::report::json::plan(plan)).unwrap() };
        let word = match expect.split([':', ',']).next() {
            Some("yes") if expect.starts_with("yes,") => "yes-with-warnings",
            Some("cannot tell") => "unknown",
            word => word.unwrap_or_default(),
        };
        assert_eq!(json(&made)["safe-to-merge"], word);
        assert_eq!(json(&made)["all-is-well"], word == "yes", "{expect}");
        // Compared with no base there is no unconditional answer: nobody looked what happens to trust.
        made.base = None;
        if expect.starts_with("yes") {
            let rest = "; what a change does to trust shows only with `--base REV`";
            assert_eq!(first(&made), format!("safe to merge? as far as registries tell, {expect}{rest}"));
            assert_eq!(
                (&json(&made)["safe-to-merge"], &json(&made)["all-is-well"]),
                (&"registries-only".into(), &false.into())
            );
        } else {
            assert_eq!(first(&made), format!("safe to merge? {expect}"));
        }
    };
    let find = |plan: &mut Plan, at: usize, code| {
        let finding = Finding::of(code, &plan.rows[at].reference.clone(), "it is so", "");
        plan.rows[at].add(finding);
    };
    let publish = |plan: &mut Plan| plan.rows[0].state = State::Change(Change::Publish);
    check(&|_| {}, "yes: nothing to do, 2 charts are published as pinned");
    check(&|plan| plan.rows.truncate(1), "yes: nothing to do, 1 chart is published as pinned");
    check(&|plan| plan.rows.clear(), "yes: no chart is declared");
    // The first has no provenance.
    check(&publish, "yes: 1 chart would change, without provenance");
    let signed = |plan: &mut Plan| plan.rows[1].state = State::Change(Change::Publish);
    check(&signed, "yes: 1 chart would change, verified");
    let both = |plan: &mut Plan| plan.rows.iter_mut().for_each(|row| row.state = State::Change(Change::Publish));
    check(&both, "yes: 2 charts would change: 1 verified, 1 without provenance");
    let own = |plan: &mut Plan| {
        plan.rows[0].pin = None;
        publish(plan);
    };
    check(&own, "yes: 1 chart would change, from this repository");
    check(&|plan| find(plan, 0, Code::Orphan), "yes: nothing to do, 2 charts are published as pinned");
    let warned = "yes, if you agree with what is told below: nothing to do, 2 charts are published as pinned";
    check(&|plan| find(plan, 0, Code::Trust), warned);
    check(&|plan| find(plan, 0, Code::Moved), "no: 1 chart is withheld");
    check(&|plan| find(plan, 0, Code::Stale), "no: 1 version lacks a pin that satisfies its manifest");
    check(&|plan| find(plan, 0, Code::Error), "cannot tell: 1 chart could not be examined");
    let both = |plan: &mut Plan| {
        find(plan, 0, Code::Drift);
        find(plan, 1, Code::Error);
        plan.scope = Scope::Filtered;
    };
    check(&both, "no: 1 chart is withheld, 1 chart could not be examined");
    let run = |plan: &mut Plan| plan.findings = vec![Finding::of_run(Code::TooManyChanges, "too many", "")];
    check(&run, "no: 1 finding about the whole run");
    let run = |plan: &mut Plan| plan.findings = vec![Finding::of_run(Code::Error, "the run failed", "")];
    check(&run, "cannot tell: 1 error of the whole run");
    let unseen = |plan: &mut Plan| plan.rows.iter_mut().for_each(|row| row.state = State::Unseen);
    check(&unseen, "cannot tell: 2 charts cannot be seen without a credential");
    check(&|plan| plan.scope = Scope::Filtered, "cannot tell: only what was selected was looked at");
    let offline = |plan: &mut Plan| {
        plan.network = Network::Offline;
        plan.rows.iter_mut().for_each(|row| row.state = State::Undecided);
    };
    check(&offline, "cannot tell: no registry was asked");

    // What a version does counts, though nothing is wrong with it.
    let against = |found| Some(Box::new(Against { before: None, found }));
    let notable = |plan: &mut Plan| {
        plan.rows[0].against = against(Ok(everything(NOTHING)));
        plan.rows[1].against = against(Ok(Difference::default()));
    };
    let nothing = "nothing to do, 2 charts are published as pinned";
    let warned = "yes, if you agree with what is told below";
    check(&notable, &format!("{warned}: {nothing}; 1 version deserves a second look"));
    // But another appVersion alone is what a new version is for.
    let expected = |plan: &mut Plan| {
        let mut notices = everything(NOTHING).notices;
        notices.first.retain(|notice| notice.matter == Matter::AppVersion);
        notices.count = notices.first.len();
        plan.rows[0].against = against(Ok(Difference { notices, ..Difference::default() }));
    };
    check(&expected, &format!("yes: {nothing}"));
    let unread = |plan: &mut Plan| {
        let unread = everything(NOTHING).unread;
        plan.rows[0].against = against(Ok(Difference { unread, ..Difference::default() }));
        plan.rows[1].against = against(Err("nobody has it".to_owned()));
    };
    let reason = "1 version deserves a second look; 1 version could not be compared";
    check(&unread, &format!("{warned}: {nothing}; {reason}"));
    check(&|plan| plan.rows[0].against = against(Ok(Difference::default())), &format!("yes: {nothing}"));
}

/// A plan that is asked about drift answers that, and says nothing of merging.
#[test]
fn a_plan_for_drift_says_whether_all_is_as_reviewed() {
    let pins = [pin("one", "1.0.0", '1', None), pin("two", "1.0.0", '2', Some('A'))];
    let check = |change: &dyn Fn(&mut Plan), expect: &str, word: &str| {
        let mut made = plan_of(rows(&pins));
        made.question = Question::Drift;
        change(&mut made);
        let text = bare(&super::plan(&made));
        assert!(text.starts_with(&format!("as reviewed? {expect}\n")), "{text}");
        let json = crate::report::json::plan(&made);
        let markdown = crate::report::markdown::plan(&json).unwrap();
        assert!(markdown.contains("### chartsync: as reviewed? "), "{markdown}");
        assert!(!(text + &markdown).contains("merge"), "{markdown}");
        assert_eq!(markdown.contains('✅'), word == "yes", "{markdown}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["as-reviewed"], &json["all-is-well"]), (&word.into(), &(word == "yes").into()));
    };
    let find = |plan: &mut Plan, code| {
        let finding = Finding::of(code, &plan.rows[0].reference.clone(), "it is so", "");
        plan.rows[0].add(finding);
    };
    let named = "the tags of 2 charts name what was reviewed";
    check(&|_| {}, &format!("yes: {named}"), "yes");
    check(&|plan| plan.rows.truncate(1), "yes: the tag of 1 chart names what was reviewed", "yes");
    check(&|plan| find(plan, Code::Unneeded), &format!("yes: {named}"), "yes");
    let warned = format!("yes, with the findings below: {named}");
    check(&|plan| find(plan, Code::Upstream), &warned, "yes-with-warnings");
    // What elsewhere is a note.
    check(
        &|plan| find(plan, Code::Orphan),
        &format!("{warned}; nothing declares 1 other tag there"),
        "yes-with-warnings",
    );
    let all = |plan: &mut Plan, codes: &[Code]| codes.iter().for_each(|code| find(plan, *code));
    let told = format!("{warned}; nothing declares 2 other tags there; the keyring of 1 mirror changed upstream");
    check(&|plan| all(plan, &[Code::Orphan, Code::Keyring, Code::Orphan]), &told, "yes-with-warnings");
    // What was not seen may be anything.
    let told = "cannot tell: the tags of 1 repository could not be listed";
    check(&|plan| all(plan, &[Code::TagsUnknown, Code::Orphan]), told, "unknown");
    let both = [Code::KeyringUnknown, Code::TagsUnknown, Code::TagsUnknown];
    let told =
        "cannot tell: the tags of 2 repositories could not be listed, the keyring of 1 mirror could not be asked for";
    check(&|plan| all(plan, &both), told, "unknown");
    check(&|plan| all(plan, &[Code::TagsUnknown, Code::Drift]), "no: 1 chart is withheld", "no");
    let missing = |plan: &mut Plan| plan.rows[1].state = State::Change(Change::Publish);
    check(&missing, "no: 1 chart is not published, or not signed, as pinned or in Git", "no");
    check(&|plan| find(plan, Code::Drift), "no: 1 chart is withheld", "no");
    check(&|plan| find(plan, Code::Error), "cannot tell: 1 chart could not be examined", "unknown");
    check(&|plan| plan.scope = Scope::Filtered, "cannot tell: only what was selected was looked at", "unknown");
}

/// Two charts of one name are told apart.
#[test]
fn charts_without_provenance_are_told_apart() {
    let at = |destination: &str| Pin { destination: destination.parse().unwrap(), ..pin("web", "1.0.0", '1', None) };
    let pins = [at("registry.example/a/web"), at("registry.example/b/web"), pin("one", "1.0.0", '1', None)];
    let mut made = plan_of(rows(&pins));
    for row in &mut made.rows {
        row.beside = Some(Box::new(Beside { unsigned: Some(Unsigned::NotRequired), ..Beside::default() }));
    }
    let text = bare(&super::plan(&made)) + &crate::report::markdown::plan(&crate::report::json::plan(&made)).unwrap();
    let because = "its manifest does not require one";
    for chart in ["registry.example/a/web:1.0.0", "registry.example/b/web:1.0.0", "one 1.0.0"] {
        assert!(text.contains(&format!("    {chart}: {because}\n")), "{text}");
        assert!(text.contains(&format!("- `{chart}`: {because}\n")), "{text}");
    }
}

#[test]
fn sizes() {
    let check = |bytes, expect: &str| assert_eq!(size(bytes), expect);
    check(0, "0 bytes");
    check(1023, "1023 bytes");
    check(1024, "1.0 KiB");
    check(98_211, "95.9 KiB");
    check((1 << 20) - 1, "1023.9 KiB");
    check(5 << 20, "5.0 MiB");
    check(u64::MAX, "16777215.9 TiB");
}

#[test]
fn progress_counts_and_stays_in_its_line() {
    thread_local!(static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
    let progress = Progress::new(|line| TOLD.with_borrow_mut(|told| told.push(line.to_owned())));
    let one = pin("one", "1.0.0", '1', None).reference();
    progress.tell(Event::Planned(10));
    progress.tell(Event::Started(&one));
    progress.tell(Event::Done(&one, Change::Replace(digest('2'))));
    progress.tell(Event::NotDone(&one));
    let told = TOLD.take();
    let expect = [
        "        start     registry.example/mirror/one:1.0.0",
        "[ 1/10] replaced  registry.example/mirror/one:1.0.0",
        "[ 2/10] NOT DONE  registry.example/mirror/one:1.0.0",
    ];
    assert_eq!(told, expect);
}

/// Every report with these words of upstream's in every place where upstream has a word.
fn all(words: Words<'_>) -> Vec<String> {
    let line = |_: &str| Some(format!("a\n  b{}\n", words.0));
    let (failed, mut locked) = (words.resolution(), words.resolution());
    locked.failures.clear();
    vec![
        added(&words.added(&failed), &line),
        added(&words.added(&locked), &line),
        outdated(&words.outdated()),
        list(&words.listed()),
        show(&words.listed()),
        plan(&words.plan()),
        outcome(&words.outcome()),
        resolution(&words.resolution(), &written(), &line),
        audit(&words.audits(), Depth::Whole),
        problems(&words.problems(), &line),
        why(&words.why()),
        error(words.0),
    ]
}

/// Takes away the colours that reports make themselves, and nothing else.
fn uncoloured(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        let end = after.find(|char: char| !char.is_ascii_digit() && char != ';').unwrap_or(after.len());
        out.push_str(before);
        rest = after[end..].strip_prefix('m').unwrap_or("\u{1b} is not a colour");
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_word_of_upstream_gets_out_of_its_line(words in nasty()) {
        let harmless = all(NOTHING);
        for (text, harmless) in all(Words(&words)).iter().zip(&harmless) {
            let text = uncoloured(text);
            text.lines().for_each(assert_line);
            prop_assert!(text.ends_with('\n'));
            // A problem's source line is the one thing whose presence depends on the text.
            prop_assert!(text.lines().count() <= harmless.lines().count() + 4, "{}", text);
        }
    }
}
