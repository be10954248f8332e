//! Values to report, and what every report must keep to.

mod author;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::apply::{Done, Outcome};
use crate::artifact::Created;
use crate::audit::{Audit, Audited};
use crate::chart::Version;
use crate::chart::difference::Difference;
use crate::diagnostic::{Location, Problem, Problems, code};
use crate::finding::{Code, Exception, Finding, Holder};
use crate::graph::{self, Builder, Demands, Origin, PinState, StepGraph, Unit, UnitId};
use crate::lock::{Lockfile, Pin, Signer, Unsatisfied};
use crate::oci::{Digest, Repository};
use crate::plan::beside::{Beside, Continuity, Novelty, OtherKeyring, Unsigned};
use crate::plan::diff::{Destination, Signature, Source};
use crate::plan::differences::{Against, Earlier};
use crate::plan::{Change, Network, PackageSeen, Plan, Question, Row, Scope, State};
use crate::provenance::{KeyChanges, KeySummary};
use crate::report::Why;
use crate::report::difference::tests::everything;
use crate::resolve::keyrings::KeyringChange;
use crate::resolve::patch::LockPatch;
use crate::resolve::{Cause, Event, Failure, Resolution};
use crate::settings::{Accept, Acceptable};
use crate::signature::{How, Signed};
use crate::workspace::{LOCK_FILE, keyring_file};

pub(super) use text::{assert_golden, assert_line, hostile, nasty};

/// The digest that is written with one digit.
pub(super) fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn fingerprint(digit: char) -> crate::provenance::Fingerprint {
    digit.to_string().repeat(40).parse().unwrap()
}

fn repository(text: &str) -> Repository {
    text.parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A pin of a chart; `signer` is the digit of its fingerprint.
pub(super) fn pin(name: &str, at: &str, digit: char, signer: Option<char>) -> Pin {
    Pin {
        name: name.to_owned(),
        version: version(at),
        source: repository(&format!("upstream.example/charts/{name}")),
        destination: repository(&format!("registry.example/mirror/{name}")),
        digest: digest(digit),
        size: 1039,
        archive: digest('e'),
        archive_size: 98_211,
        provenance: signer.map(|_| digest('f')),
        signer: signer.map_or(Signer::None, |digit| Signer::Pgp(fingerprint(digit))),
        keyring: signer.map(|_| digest('0')),
        app_version: Some(at.to_owned()),
        line: 3,
    }
}

/// Units of these pins, in this order, and rows about them of which nothing is to be done.
pub(super) fn rows(pins: &[Pin]) -> Vec<Row> {
    let graph = graph_of(pins);
    let row = |(id, pin): (UnitId, &Pin)| Row {
        unit: id,
        name: pin.name.clone(),
        version: pin.version.clone(),
        reference: pin.reference(),
        source: Some(pin.source_reference()),
        pin: Some(Arc::new(pin.clone())),
        package: None,
        destination_now: Destination::Absent,
        source_now: Source::Same,
        signature_now: Signature::NotWanted,
        signature_note: None,
        held: None,
        state: State::Unchanged,
        findings: Vec::new(),
        claims: None,
        created: None,
        beside: None,
        against: None,
        accepted: Vec::new(),
    };
    graph.ids().zip(pins).map(row).collect()
}

fn graph_of(pins: &[Pin]) -> StepGraph {
    let mut builder = Builder::new(vec![Demands::new(true, &[])]);
    for pin in pins {
        builder.mirrored(unit(pin, PinState::Pinned(Arc::new(pin.clone()))), None);
    }
    builder.finish()
}

fn unit(pin: &Pin, state: PinState) -> Unit {
    Unit {
        name: pin.name.clone(),
        version: pin.version.clone(),
        reference: pin.reference(),
        origin: Origin::Mirror(0),
        state,
        accepted: Vec::new(),
    }
}

pub(super) fn plan_of(rows: Vec<Row>) -> Plan {
    Plan {
        rows,
        findings: Vec::new(),
        scope: Scope::Whole,
        network: Network::Online,
        question: Question::Merge,
        base: None,
        folder: String::new(),
        inputs: BTreeMap::from([("mirrors.lock".to_owned(), digest('1'))]),
        lock_patch: None,
    }
}

/// What upstream says where it can say anything.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(pub(super) &'a str);

/// What a run wrote: a keyring and the lockfile.
pub(super) fn written() -> Vec<String> {
    vec![keyring_file(&digest('f')), LOCK_FILE.to_owned()]
}

impl Words<'_> {
    fn claims(self) -> String {
        format!("Ada <ada@upstream.example>{}", self.0)
    }

    fn message(self, text: &str) -> String {
        format!("{text}{}", self.0)
    }

    fn location(self) -> Location {
        Location::at(self.message("mirrors/cert-manager.yaml"), 8, 5)
    }

    fn failed(self, pin: &Pin) -> Finding {
        let message = format!("the source {} could not be asked: 503 from upstream.example", pin.source_reference());
        Finding::of(
            Code::Error,
            &pin.reference(),
            self.message(&message),
            "run again; what could not be seen is never taken for absent",
        )
    }

    fn moved(self, pin: &Pin) -> Finding {
        let (now, reference) = (digest('9'), pin.reference());
        let message = format!("{} moved after the review", pin.source_reference());
        Finding::of(
            Code::Moved,
            &reference,
            self.message(&message),
            "find out why; to publish the pinned bytes all the same add the exception",
        )
        .at(Some(self.location()))
        .comparing((Holder::Pinned, pin.digest), (Holder::Source, now))
        .lifted_by(Exception { finding: Acceptable::Moved, reference, digest: now })
    }

    /// A plan with every kind of row.
    pub(super) fn plan(self) -> Plan {
        let pins = [
            pin("cert-manager", "v1.15.5", '1', Some('A')),
            pin("hello", "1.0.0", '2', Some('A')),
            pin("loki", "6.1.0", '3', Some('B')),
            pin("nginx", "15.1.0+up1", '4', Some('B')),
            pin("podinfo", "6.7.1", '5', None),
            pin("redis", "18.0.0", '6', None),
            pin("tempo", "1.9.0", '7', Some('B')),
            pin("vault", "0.17.0", '8', Some('C')),
            pin("vault", "0.18.0", '8', Some('C')),
            pin("web", "2.0.0", 'b', None),
        ];
        let mut rows = rows(&pins);
        rows[1].pin = Some(Arc::new(Pin { app_version: Some(self.message("1.0.0")), ..pins[1].clone() }));
        rows[0].add(self.moved(&pins[0]));
        rows[1].state = State::Change(Change::Publish);
        rows[1].claims = Some(self.claims());
        rows[2].add(self.failed(&pins[2]));
        rows[3].state = State::Change(Change::Replace(digest('d')));
        rows[3].held = Some(digest('d'));
        rows[3].accepted = vec![Accept {
            finding: Acceptable::Replace,
            reference: rows[3].reference.clone(),
            digest: digest('d'),
            reason: self.message("we put it there by hand"),
            location: Location::at("chartsync.toml", 7, 1),
        }];
        rows[4].add(Finding::of(
            Code::Upstream,
            &pins[4].reference(),
            self.message("upstream.example/charts/podinfo:6.7.1 is gone"),
            "upstream may have withdrawn it for a reason: find out",
        ));
        rows[5].state = State::Change(Change::Sign);
        rows[5].signature_note = Some(self.message("signed by another identity"));
        rows[6].state = State::Unseen;
        let unseen = "registry.example does not show this repository without a credential";
        rows[6].add(Finding::of(Code::Unseen, &pins[6].reference(), unseen, "log in to see whether it is published"));
        rows[7].pin = None;
        let next = "run `chartsync lock`";
        let stale = Finding::of(Code::Stale, &pins[7].reference(), "the lockfile has no pin for it", next);
        rows[7].add(stale.at(Some(Location::at("mirrors/vault.yaml", 7, 5))));
        self.beside(&pins, &mut rows);
        let mut plan = plan_of(rows);
        plan.findings = vec![
            Finding::of_run(Code::Trust, self.message("`[apply] max-changes` changes from `200` to `500`"), ""),
            Finding::of(
                Code::Orphan,
                &pins[1].destination.tagged("0.9.0".parse().unwrap()),
                "nothing declares this tag",
                "",
            ),
        ];
        plan.base = Some(self.message("main"));
        plan.folder = self.message("deploy/charts");
        plan.lock_patch = Some(LockPatch {
            path: self.message("made here/lock.patch"),
            pins: 2,
            dropped: 1,
            keyrings: 1,
            unlocked: vec![pins[7].reference()],
        });
        plan
    }

    /// What those rows are beside what was there before: every kind of it.
    fn beside(self, pins: &[Pin], rows: &mut [Row]) {
        for row in rows.iter_mut() {
            row.beside = Some(Box::new(Beside { novelty: Novelty::Same, ..Beside::default() }));
        }
        let before = |at: usize, version: &str, size| {
            Some(Arc::new(Pin { version: self::version(version), archive_size: size, ..pins[at].clone() }))
        };
        let signers = |digit| BTreeSet::from([Signer::Pgp(fingerprint(digit)), Signer::None]);
        rows[1].beside =
            Some(Box::new(Beside { novelty: Novelty::New, signer: Some(Continuity::First), ..Beside::default() }));
        rows[1].created = Some(Created::Signed(1_767_323_460));
        rows[3].beside = Some(Box::new(Beside {
            novelty: Novelty::Same,
            earlier: 3,
            previous: before(3, "15.0.0", 87_688),
            signer: Some(Continuity::Same),
            replaces: Some((Holder::Destination, digest('d'))),
            ..Beside::default()
        }));
        rows[3].created = Some(Created::Signed(1_767_323_460));
        let against = |version: &str, found| {
            let command = format!("chartsync diff nginx {version} 15.1.0");
            let before = Earlier { version: self::version(version), digest: Some(digest('d')), command: Some(command) };
            Some(Box::new(Against { before: Some(before), found }))
        };
        let Difference { notices, unread, .. } = everything(self).cut(2);
        let found = Ok(Difference { notices, unread, ..Difference::default() });
        rows[1].against = Some(Box::new(Against { before: None, found }));
        rows[3].against = against("15.0.0", Ok(everything(self).cut(2)));
        let unknown = self.message("sha256:… cannot be had: registry.example does not have it");
        rows[8].against = against("0.18.0", Err(unknown));
        let not_required = Some(Unsigned::NotRequired);
        rows[4].beside = Some(Box::new(Beside { novelty: Novelty::Same, unsigned: not_required, ..Beside::default() }));
        rows[5].beside = Some(Box::new(Beside {
            novelty: Novelty::New,
            earlier: 2,
            previous: before(5, "17.9.0", 120_000),
            signer: Some(Continuity::Among(BTreeSet::from([Signer::Pgp(fingerprint('A'))]))),
            unsigned: Some(Unsigned::Accepted(self.message("released by hand"))),
            ..Beside::default()
        }));
        rows[5].created = Some(Created::Image(1_767_323_460));
        rows[8].beside = Some(Box::new(Beside {
            novelty: Novelty::Changed,
            earlier: 2,
            previous: before(8, "0.18.0", 98_211),
            signer: Some(Continuity::Other(signers('D'))),
            replaces: Some((Holder::Base, digest('c'))),
            down_from: Some(self::version("0.19.0")),
            keyring: Some(OtherKeyring {
                before: BTreeSet::from([digest('f')]),
                digest: digest('0'),
                keys: self.keys(),
            }),
            unsigned: None,
        }));
        // A first-party chart: its folder is what is published.
        let package = PackageSeen { digest: digest('b'), archive: digest('a'), archive_size: 4_096 };
        (rows[9].pin, rows[9].package, rows[9].source) = (None, Some(package), None);
        rows[9].source_now = Source::Folder;
        rows[9].state = State::Change(Change::Publish);
        rows[9].beside = Some(Box::new(Beside { novelty: Novelty::New, ..Beside::default() }));
    }

    /// Keys of which some come, some go, and some are revoked.
    fn keys(self) -> KeyChanges {
        KeyChanges {
            added: vec![self.key('A', false)],
            removed: vec![self.key('B', false)],
            revoked: vec![self.key('C', true)],
            restored: vec![self.key('E', false)],
            extended: vec![(self.key('F', false), vec![fingerprint('8')])],
            subkeys_revoked: vec![(self.key('F', false), vec![fingerprint('7')])],
            subkeys_restored: vec![(self.key('F', false), vec![fingerprint('6')])],
        }
    }

    /// An outcome with every kind of end.
    pub(super) fn outcome(self) -> Outcome {
        let mut plan = Self::plan(self);
        plan.findings.clear();
        plan.base = None;
        plan.rows.iter_mut().for_each(|row| (row.beside, row.against) = (None, None));
        plan.rows[5].claims = None;
        let left = plan.rows[8].unit;
        plan.rows[8].state = State::Change(Change::Publish);
        let done = [(1, Change::Publish), (3, Change::Replace(digest('d'))), (5, Change::Sign)];
        let identity = "https://forge.example/mirror.yaml@refs/heads/main".to_owned();
        let signed = Signed { signer: identity, how: How::Now };
        let done = done.map(|(at, change)| (plan.rows[at].unit, Done { change, signed: Some(signed.clone()) }));
        Outcome { plan, done: BTreeMap::from(done), interrupted: BTreeSet::from([left]) }
    }

    fn key(self, digit: char, revoked: bool) -> KeySummary {
        KeySummary {
            fingerprint: fingerprint(digit),
            subkeys: vec![fingerprint('9')],
            revoked_subkeys: vec![fingerprint('7')],
            user_ids: vec![self.claims()],
            expires: Some(1_900_000_000),
            revoked,
        }
    }

    /// A resolution with every kind of event.
    pub(super) fn resolution(self) -> Resolution {
        let renamed = pin("renamed", "2.0.0", '5', Some('B'));
        let again = pin("again", "1.0.0", '6', None);
        let events = vec![
            Event::Keyring {
                mirror: self.message("hello"),
                change: KeyringChange { digest: digest('0'), first: false, keys: self.keys() },
            },
            Event::Keyring {
                mirror: "loki".to_owned(),
                change: KeyringChange {
                    digest: digest('f'),
                    first: true,
                    keys: KeyChanges { added: vec![self.key('D', true)], ..KeyChanges::default() },
                },
            },
            Event::Keyring {
                mirror: "tempo".to_owned(),
                change: KeyringChange { digest: digest('d'), first: false, keys: KeyChanges::default() },
            },
            Event::Pinned(pin("hello", "1.0.0", '1', Some('A'))),
            Event::Pinned(pin("plain", "1.0.0", '2', None)),
            Event::Repinned { old: pin("nginx", "1.0.0", '3', Some('A')), new: pin("nginx", "1.0.0", '4', Some('B')) },
            Event::Repinned { old: again.clone(), new: Pin { digest: digest('7'), ..again } },
            Event::Reverified(pin("vault", "0.17.0", '8', Some('C'))),
            Event::Resourced(pin("moved", "1.0.0", '9', None)),
            Event::Carried { from: pin("old-name", "2.0.0", '5', Some('B')).reference(), pin: renamed },
            Event::Dropped(pin("dropped", "0.1.0", 'a', None)),
        ];
        let failed = pin("cert-manager", "v1.15.5", 'c', Some('A'));
        let failure = Failure {
            location: Some(self.location()),
            reference: failed.reference(),
            cause: Cause::Refused,
            message: self.message(
                "the source upstream.example/charts/cert-manager:v1.15.5 cannot be pinned: it has no provenance",
            ),
            next: "review it; to take it all the same add the exception, then lock again".to_owned(),
            exception: Some(Exception {
                finding: Acceptable::Unsigned,
                reference: failed.reference(),
                digest: failed.digest,
            }),
        };
        Resolution {
            lockfile: Lockfile::default(),
            keyrings: BTreeMap::new(),
            events,
            failures: vec![failure],
            kept: 12,
            claims: BTreeMap::from([(fingerprint('A'), self.claims())]),
        }
    }

    /// Audits of every kind.
    pub(super) fn audits(self) -> Vec<Audit> {
        let audit = |name: &str, digit, signer, audited, finding: Option<(Code, &str, &str)>| {
            let pin = pin(name, "1.0.0", digit, signer);
            let reference = pin.reference();
            Audit {
                name: name.to_owned(),
                version: pin.version.clone(),
                claims: signer.map(|_| self.claims()),
                signed_by: None,
                audited,
                published: None,
                finding: finding
                    .map(|(code, message, next)| Finding::of(code, &reference, self.message(message), next)),
                pin: Some(pin),
                reference,
            }
        };
        let drift = "the destination holds other bytes than the pin";
        vec![
            audit("hello", '1', Some('A'), Audited::Holds, None),
            audit("loki", '2', Some('A'), Audited::Holds, None),
            audit(
                "missing",
                '3',
                Some('A'),
                Audited::Missing,
                Some((Code::Missing, "it is not there", "run `chartsync apply` to publish it")),
            ),
            audit("plain", '4', None, Audited::Holds, None),
            audit(
                "unread",
                '5',
                None,
                Audited::Unreadable,
                Some((Code::Error, "the destination could not be read: 503", "run again")),
            ),
            audit("wrong", '6', None, Audited::Wrong, Some((Code::Drift, drift, "find out who wrote it"))),
        ]
    }

    /// Problems in two files, one at no line, one at a line that the file has not.
    pub(super) fn problems(self) -> Problems {
        let mut problems = Problems::default();
        let mut push = |location, code, message: &str, help: &str| {
            problems.push(Problem { location, code, message: self.message(message), help: help.to_owned() });
        };
        push(
            Some(Location::at("mirrors/a.yaml", 2, 3)),
            code!("unknown-key"),
            "unknown key `sorce`",
            "did you mean `source`?",
        );
        push(Some(Location::at("mirrors/a.yaml", 99, 1)), code!("missing-key"), "`versions` is missing", "");
        push(
            Some(Location::file("mirrors.lock")),
            code!("conflict-markers"),
            "conflict markers",
            "run `chartsync lock`",
        );
        push(None, code!("no-workspace"), "no chartsync.toml in this folder or one above it", "");
        problems.into_result(()).unwrap_err()
    }

    /// A chart's steps; the same of one without a pin; what differs from another pin.
    pub(super) fn why(self) -> Vec<Why> {
        let here = pin("hello", "1.0.0", '1', Some('A'));
        let mut there = pin("hello", "1.0.0", '2', None);
        there.app_version = Some(self.message("0.9"));
        let other = pin("other", "1.0.0", '3', None);
        let graph = graph_of(std::slice::from_ref(&here));
        let base = graph_of(&[there]);
        let mut stale = Builder::new(vec![Demands::new(false, &[])]);
        let unpinned = stale.mirrored(unit(&other, PinState::Stale(Unsatisfied::Absent(other.reference()))), None);
        let stale = stale.finish();
        let id = graph.ids().next().unwrap();
        let unit = graph.unit(id).clone();
        let inputs = |graph, id| graph::explain(graph, id);
        vec![
            Why::Inputs(unit.clone(), inputs(&graph, id)),
            Why::Inputs(stale.unit(unpinned).clone(), inputs(&stale, unpinned)),
            Why::Differences(unit.clone(), self.message("main"), graph::compare(&graph, &base, id)),
            Why::Differences(unit, "main".to_owned(), graph::compare(&graph, &graph, id)),
        ]
    }
}
