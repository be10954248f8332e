//! Registries in trouble: busy, broken, silent, cut off. What passes is waited for, what does not is left, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;

use crate::hostile::{HARMLESS, HOSTILE, One, REFUSED, Twenty, UPSTREAMS, chart, decent};
use crate::support::process::{Ran, spawn};
use crate::support::sigstore::{Clock, eventually};
use crate::support::wild::{Asked, How, Reply, Store, Wild};

/// A registry that is in trouble for so many requests of its repositories.
fn at_first(
    times: usize,
    trouble: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut Store) -> Reply + Clone + Send + Sync + 'static {
    let (left, trouble) = (Arc::new(AtomicUsize::new(times)), Arc::new(trouble));
    move |asked, store| {
        let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() && !asked.is("GET base") { trouble() } else { store.serve(asked) }
    }
}

fn always(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut Store) -> Reply + Clone + Send + Sync {
    let reply = Arc::new(reply);
    move |_, _| reply()
}

fn later(after: &'static str) -> impl Fn() -> Reply + Send + Sync {
    move || Reply::new(429).with("retry-after", after)
}

fn in_a_second() -> Reply {
    let then = std::time::SystemTime::now() + Duration::from_secs(1);
    Reply::new(429).with("retry-after", httpdate::fmt_http_date(then))
}

const A_WEEK: &str = "604800";

#[test]
fn what_will_not_pass_is_left_at_once_and_stops_nobody_else() {
    let twenty = Twenty::new();
    let day = "Sat, 06 Nov 2094 08:49:37 GMT";
    for (what, reply) in [
        ("401", Reply::new(401)),
        ("401 for an unknown scheme", Reply::new(401).with("www-authenticate", "Negotiate")),
        ("403 where there is nothing", Reply::new(403)),
        ("404", Reply::new(404)),
        ("429 for a week", later(A_WEEK)()),
        ("429 until a far day", later(day)()),
        ("403 for a week", Reply::new(403).with("retry-after", A_WEEK)),
        ("503 for a week", Reply::new(503).with("retry-after", A_WEEK)),
        ("a teapot", Reply::new(418)),
        ("204", Reply::new(204)),
        ("a redirect to nowhere", Reply::new(302).with("location", "http://[")),
    ] {
        twenty.hostile().take();
        twenty.check(what, REFUSED, always(move || reply.clone()));
        // Two commands in trouble; a third, once it is well, asks for everything.
        let asked = twenty.hostile().take().len();
        assert!(asked <= 16, "{what}: {asked} requests");
    }
}

#[test]
fn what_does_not_pass_is_tried_a_few_times_and_stops_nobody_else() {
    let twenty = Twenty::new();
    for (what, reply) in [
        ("429 for no time", later("0")()),
        ("500", Reply::new(500)),
        ("502", Reply::new(502)),
        ("503", Reply::new(503)),
        ("resets", Reply::none()),
        ("half-closed", Reply::new(200).how(How::HalfClosed(0))),
        ("half-closed in the middle", Reply::new(200).body("words").how(How::HalfClosed(60))),
        ("no HTTP", Reply::new(200).with("a\r\n\r\n\u{0}\u{1}", "b")),
    ] {
        twenty.hostile().take();
        twenty.check(what, REFUSED, always(move || reply.clone()));
        let asked = twenty.hostile().take().len();
        assert!(asked <= 2 * 3 * 5 + 8, "{what}: {asked} requests");
    }
}

#[test]
fn what_passes_is_waited_for() {
    let twenty = Twenty::new();
    twenty.check("429 for a second", HARMLESS, at_first(2, later("1")));
    twenty.check("429 until a second from now", HARMLESS, at_first(1, in_a_second));
    twenty.check("429 until a day long gone", HARMLESS, at_first(2, later("Sun, 06 Nov 1994 08:49:37 GMT")));
    twenty.check("429 without a word", HARMLESS, at_first(2, || Reply::new(429)));
    twenty.check("429 with nonsense", HARMLESS, at_first(2, later("soon")));
    for status in [500, 502, 503, 504, 408] {
        twenty.check(&status.to_string(), HARMLESS, at_first(2, move || Reply::new(status)));
    }
    twenty.check("a reset", HARMLESS, at_first(2, Reply::none));
}

/// What the program asks of a source and of a destination.
const ASKED: [(Side, &str); 8] = [
    (Side::Source, "HEAD tag"),
    (Side::Source, "GET manifest"),
    (Side::Source, "GET blob"),
    (Side::Destination, "HEAD tag"),
    (Side::Destination, "POST upload"),
    (Side::Destination, "PUT upload"),
    (Side::Destination, "PUT tag"),
    (Side::Destination, "GET tag"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

impl Side {
    fn of(self, one: &One) -> &Wild {
        match self {
            Self::Source => &one.source,
            Self::Destination => &one.destination,
        }
    }
}

/// Places in an answer: before anything, in its first line, in its head, at its end, in its body, before its last byte.
fn regions(reply: &Reply, method: &Method) -> Vec<usize> {
    // The words of the first line, then the headers.
    let head = 40 + reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let body = if *method == Method::HEAD { 0 } else { reply.body.len() };
    let mut regions = vec![0, 1, 12, head / 2, head, head + body / 4, head + body / 2];
    regions.dedup();
    regions
}

/// An answer breaks off once, anywhere: it is asked for again, and the work is done.
#[test]
fn a_reset_in_any_region_of_any_answer_is_made_good() {
    let one = One::new();
    let mut tried = 0;
    for (side, label) in ASKED {
        for region in 0..7 {
            one.reset();
            let hit = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&hit);
            side.of(&one).answer(move |asked, store| {
                let reply = store.serve(asked);
                if asked.label() != label || counter.fetch_add(1, Ordering::SeqCst) > 0 {
                    return reply;
                }
                let regions = regions(&reply, &asked.method);
                let at = regions[region.min(regions.len() - 1)];
                reply.how(How::Reset(at))
            });
            let what = format!("{side:?} {label}, region {region}");
            let ran = one.workspace.run("apply").ok();
            assert!(hit.load(Ordering::SeqCst) > 0, "{what}");
            one.converges(&what, &ran);
            tried += 1;
        }
    }
    assert_eq!(tried, 56);
}

/// Starts `apply`, and lets time pass quickly once this answer has come to be wanted. Tells what it did.
#[track_caller]
fn waits_out(
    one: &One,
    what: &str,
    side: Side,
    label: &'static str,
    trouble: impl Fn(&Asked, &mut Store) -> Reply + Send + Sync + 'static,
) -> Ran {
    one.reset();
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&begun);
    side.of(one).answer(move |asked, store| {
        if asked.label() != label {
            return store.serve(asked);
        }
        counter.fetch_add(1, Ordering::SeqCst);
        trouble(asked, store)
    });
    let clock = Clock::off_by(0);
    let running = spawn(one.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
    let what = format!("{what}: {side:?} {label}");
    assert!(eventually(|| (begun.load(Ordering::SeqCst) > 0).then_some(())).is_some(), "{what}");
    clock.hurry();
    let ran = running.wait();
    // Blobs go in parallel; each is tried five times at most. A name is looked at again and written three times.
    assert!(begun.load(Ordering::SeqCst) <= 3 * 5 * 3, "{what}: {begun:?}: {ran}");
    one.converges(&what, &ran);
    ran
}

/// Nobody says anything any more, instead of an answer or in the middle of one: it is given up after a while.
#[test]
fn silence_anywhere_is_left_after_a_while() {
    let one = One::new();
    for (side, label) in ASKED {
        let deaf = waits_out(&one, "deaf", side, label, |_, _| Reply::new(200).how(How::Stalled(0)));
        // A name is written on a fresh look, which is old by then.
        let told = if label == "PUT tag" { "there was no answer within" } else { "the server was silent for 30 s" };
        deaf.exits(1).says(told);
        // What was asked for was done: where that can be seen, it counts.
        waits_out(&one, "dumb", side, label, |asked, store| {
            let reply = store.serve(asked);
            let half = 30 + reply.body.len() / 2;
            reply.how(How::Stalled(half))
        });
    }
}

/// Byte after byte, never silent for long: the time for the whole ends all the same.
#[test]
fn a_slow_drip_is_left_after_a_while() {
    let one = One::new();
    for (side, label) in [(Side::Source, "GET manifest"), (Side::Source, "GET blob"), (Side::Destination, "GET tag")] {
        let drips =
            |asked: &Asked, store: &mut Store| store.serve(asked).how(How::Dripping(Duration::from_millis(100)));
        waits_out(&one, "drips", side, label, drips).exits(1);
    }
}

/// The one is silent, or drips: the nineteen are pinned, and published once it was given up.
#[test]
fn a_silent_upstream_stops_nobody_else() {
    let twenty = Twenty::new();
    for how in [How::Stalled(0), How::Stalled(40), How::HalfClosed(40), How::Dripping(Duration::from_millis(100))] {
        twenty.reset();
        twenty.upstreams.iter().for_each(|upstream| drop(upstream.take()));
        let silent = move |asked: &Asked, store: &mut Store| store.serve(asked).how(how);
        twenty.hostile().answer(silent);
        let clock = Clock::off_by(0);
        let start = |words: &str| spawn(twenty.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg(words));
        let running = start("lock");
        let mut fetched = [0; UPSTREAMS];
        let others = eventually(|| {
            for (at, upstream) in twenty.upstreams.iter().enumerate() {
                fetched[at] += upstream.take().iter().filter(|asked| asked.is("GET blob")).count();
            }
            (0..UPSTREAMS).all(|at| at == HOSTILE || fetched[at] >= 2).then_some(())
        });
        assert!(others.is_some(), "{how:?}: {fetched:?}");
        clock.hurry();
        let ran = running.wait();
        decent(&format!("{how:?}"), &ran, crate::hostile::Fate::Refused);
        twenty.pins(&ran, |at| at != HOSTILE);
        if matches!(how, How::Dripping(_)) {
            // An answer without a body has nothing to drip with.
            continue;
        }

        // Nothing is written before everything was looked at.
        twenty.pinned();
        twenty.destination.take();
        let clock = Clock::off_by(0);
        let running = spawn(twenty.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
        let looked = || twenty.destination.take().iter().filter(|asked| asked.is("HEAD tag")).count();
        let mut seen = 0;
        let begun = eventually(|| {
            seen += looked();
            (seen >= UPSTREAMS).then_some(())
        });
        assert!(begun.is_some(), "{how:?}: {seen}");
        clock.hurry();
        let writes = || twenty.destination.take().iter().any(Asked::writes).then_some(());
        assert!(eventually(writes).is_some(), "{how:?}");
        clock.calm();
        let ran = running.wait();
        decent(&format!("{how:?}"), &ran, crate::hostile::Fate::Refused);
        twenty.published(&ran, |at| at != HOSTILE);
    }
}

/// What the source's name holds is not to be learned, though its bytes are there: nobody takes it for unmoved.
#[test]
fn a_source_that_does_not_say_what_its_name_holds_is_not_believed() {
    let one = One::new();
    one.source.answer(|asked, store| if asked.is("HEAD tag") { Reply::new(403) } else { store.serve(asked) });
    let ran = one.workspace.run("apply").exits(1).says("could not be asked");
    assert_eq!(one.held(), None, "{ran}");
    one.converges("a source that does not say", &ran);
}

/// A host that no name server knows.
#[test]
fn a_name_that_does_not_resolve_stops_nobody_else() {
    let twenty = Twenty::new();
    let mirror = format!("mirrors/{}.yaml", chart(HOSTILE));
    let declared = twenty.workspace.read(&mirror);
    let nowhere = declared.replacen(&twenty.hostile().host(), "registry.invalid", 1);
    twenty.workspace.write(&mirror, &nowhere);
    let ran = twenty.workspace.run("lock");
    decent("registry.invalid", &ran, crate::hostile::Fate::Refused);
    assert!(ran.said().contains("registry.invalid"), "{ran}");
    // Pinned by hand from there, as by somebody whose name server knows it.
    let lockfile = twenty.lockfile().replacen(&twenty.hostile().host(), "registry.invalid", 1);
    twenty.workspace.write("mirrors.lock", lockfile);
    let ran = twenty.workspace.run("apply");
    decent("registry.invalid", &ran, crate::hostile::Fate::Refused);
    twenty.published(&ran, |at| at != HOSTILE);
}

/// The registry forgets every token that it gave, at each request in turn: it is asked for another, once, and all is done.
#[test]
fn a_token_that_is_forgotten_in_the_middle_is_replaced_wherever_that_is() {
    let one = One::new();
    one.workspace.log_in(&[one.destination.host()]);
    let mut forgets = 0;
    loop {
        one.reset();
        let (seen, given) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let realm = format!("http://{}/token", one.destination.host());
        let first = AtomicUsize::new(1);
        one.destination.answer(move |asked, store| {
            if asked.path == "/token" {
                let number = given.fetch_add(1, Ordering::SeqCst) + 1;
                return Reply::new(200).body(format!(r#"{{"token":"t{number}","expires_in":300}}"#));
            }
            if seen.fetch_add(1, Ordering::SeqCst) == forgets {
                first.store(given.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
            }
            let number =
                asked.header("authorization").and_then(|text| text.strip_prefix("Bearer t")?.parse::<usize>().ok());
            match number {
                Some(number) if number >= first.load(Ordering::SeqCst) => store.serve(asked),
                _ => Reply::new(401).with("www-authenticate", format!("Bearer realm=\"{realm}\"")),
            }
        });
        let ran = one.workspace.run("apply").ok();
        let asked = one.destination.take();
        let tokens = asked.iter().filter(|asked| asked.is("GET token")).count();
        assert_eq!(one.held(), Some(one.image.digest()), "{forgets}: {ran}");
        let over = forgets >= asked.len() - tokens;
        assert!(tokens == if forgets == 0 || over { 1 } else { 2 }, "{forgets}: {tokens} tokens: {ran}");
        if over {
            break;
        }
        forgets += 1;
    }
    assert!(forgets >= 8, "{forgets}");
}

/// Tokens that are good for a second, and for no second: each is renewed, and the work is done.
#[test]
fn tokens_that_expire_at_once_are_renewed() {
    let one = One::new();
    one.workspace.log_in(&[one.destination.host()]);
    for seconds in [1, 0] {
        one.reset();
        let given = std::sync::Mutex::new(Vec::<std::time::Instant>::new());
        let realm = format!("http://{}/token", one.destination.host());
        one.destination.answer(move |asked, store| {
            let mut given = given.lock().unwrap();
            if asked.path == "/token" {
                given.push(std::time::Instant::now());
                return Reply::new(200).body(format!(r#"{{"token":"t{}","expires_in":{seconds}}}"#, given.len() - 1));
            }
            let number =
                asked.header("authorization").and_then(|text| text.strip_prefix("Bearer t")?.parse::<usize>().ok());
            match number.and_then(|number| given.get(number)) {
                Some(at) if at.elapsed() < Duration::from_secs(seconds.max(1)) => store.serve(asked),
                _ => Reply::new(401).with("www-authenticate", format!("Bearer realm=\"{realm}\"")),
            }
        });
        let ran = one.workspace.run("apply").ok();
        assert_eq!(one.held(), Some(one.image.digest()), "{ran}");
        let asked = one.destination.take();
        let tokens = asked.iter().filter(|asked| asked.is("GET token")).count();
        assert!(tokens <= 2 * asked.len(), "{seconds}: {tokens}");
    }
}
