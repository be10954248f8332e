//! The local Sigstore itself: stock cosign signs and verifies with it, its faults are felt, and nothing of it outlives its tests.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::charts::Desk;
use crate::support::process::{hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::sigstore::{
    COSIGNS, Claims, Clock, Fault, Fronted, HOLD, RekorVersion, Service, Sigstore, eventually,
};
use crate::support::tools::Tool;

/// A published chart, by digest.
struct Published {
    registry: Registry,
    desk: Desk,
    repository: String,
    digest: String,
}

impl Published {
    fn on(kind: Kind) -> Self {
        let (registry, desk) = (Registry::start(kind), Desk::new());
        desk.publish(Tool::Helm4, &registry.repository("charts"), "web", "1.0.4", None);
        let repository = registry.repository("charts/web");
        let digest = desk.digest(&format!("{repository}:1.0.4"));
        Self { registry, desk, repository, digest }
    }

    fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// What a signature must name: `-a repository=… -a tag=…`.
    fn place(&self, tag: &str) -> [String; 4] {
        ["-a".to_owned(), format!("repository={}", self.repository), "-a".to_owned(), format!("tag={tag}")]
    }

    fn fallback_tag(&self) -> String {
        format!("{}:{}", self.repository, self.digest.replace(':', "-"))
    }
}

/// cosign signs on this registry, and both cosigns judge.
fn sign_and_judge(sigstore: &Sigstore, kind: Kind, version: RekorVersion) {
    let published = Published::on(kind);
    let claims = Claims::default();
    let reference = published.reference();
    let place = published.place("1.0.4");
    let place = place.each_ref().map(String::as_str);
    let before = sigstore.entries(version);
    sigstore.cosign_sign(version, &claims, &reference, &place).ok();
    assert!(sigstore.entries(version) > before);

    let identity = "https://github.com/vexxhost/charts/.github/workflows/mirror.yaml@refs/heads/main";
    assert_eq!(claims.identity(), identity);
    for cosign in COSIGNS {
        let verify =
            |identity: &str, more: &[&str]| sigstore.cosign_verify(cosign, version, identity, &reference, more);
        verify(identity, &place).ok();
        verify(&identity.replace("main", "next"), &place).refused().says("next");
    }
    let elsewhere = published.place("1.0.5");
    let elsewhere = elsewhere.each_ref().map(String::as_str);
    sigstore.cosign_verify(Tool::Cosign3, version, identity, &reference, &elsewhere).refused();

    // Each registry keeps it in its own way.
    let index = published.desk.run(Tool::Crane, &format!("manifest {}", published.fallback_tag()));
    match kind {
        Kind::Distribution => drop(index.ok()),
        Kind::Olareg => drop(index.refused()),
    }
    assert!(published.registry.front().take_counts().iter().any(|(what, _)| what == "GET referrers"));
}

#[test]
fn cosign_signs_with_rekor_v1_on_a_registry_without_referrers() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    sign_and_judge(sigstore, Kind::Distribution, RekorVersion::V1);
}

#[test]
fn cosign_signs_with_rekor_v2_on_a_registry_without_referrers() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    sign_and_judge(sigstore, Kind::Distribution, RekorVersion::V2);
}

#[test]
fn cosign_signs_with_rekor_v1_on_a_registry_with_referrers() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    sign_and_judge(sigstore, Kind::Olareg, RekorVersion::V1);
}

#[test]
fn cosign_signs_with_rekor_v2_on_a_registry_with_referrers() {
    needs!(Tool::Olareg, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    sign_and_judge(sigstore, Kind::Olareg, RekorVersion::V2);
}

/// What a door or the issuer answers, head and body; empty when it hangs up, `None` when it says nothing.
fn ask(method: &str, url: &str, headers: &str) -> Option<String> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n").unwrap();
    // One that stalls says nothing however long one waits.
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok().map(|_| answer)
}

/// The variables of a job, by name.
fn variable(environment: &[(String, String)], name: &str) -> String {
    environment.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

#[test]
fn the_issuer_gives_tokens_to_its_jobs_only() {
    let Some(sigstore) = Sigstore::get() else { return };
    let fronted = Fronted::new(sigstore, RekorVersion::V1);
    let job = |claims: &Claims| {
        let environment = fronted.github_env(claims);
        assert_eq!(variable(&environment, "GITHUB_ACTIONS"), "true");
        (
            variable(&environment, "ACTIONS_ID_TOKEN_REQUEST_URL") + "&audience=sigstore",
            variable(&environment, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        )
    };
    let claims = Claims { git_ref: "refs/tags/v1".to_owned(), ..Claims::default() };
    let (url, bearer) = job(&claims);
    let with = |bearer: &str| format!("Authorization: bearer {bearer}\r\n");
    let good = ask("GET", &url, &with(&bearer)).unwrap();
    let body: Value = serde_json::from_str(good.split_once("\r\n\r\n").unwrap().1).unwrap();
    let payload = body["value"].as_str().unwrap().split('.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(payload["iss"], sigstore.issuer());
    assert_eq!(payload["aud"], "sigstore");
    assert_eq!(payload["job_workflow_ref"], "vexxhost/charts/.github/workflows/mirror.yaml@refs/tags/v1");

    let (_, refused) = job(&Claims { refused: true, ..Claims::default() });
    for (headers, url, status) in [
        (String::new(), url.clone(), "401"),
        (with("someone-else"), url.clone(), "401"),
        (with(&bearer), url.replace("&audience=sigstore", ""), "400"),
        (with(&refused), url, "403"),
    ] {
        let answer = ask("GET", &url, &headers).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{headers}{answer}");
    }
    assert_eq!(fronted.count(Service::Issuer), 5);
}

#[test]
fn fulcio_refuses_tokens_that_are_out_of_time_or_of_someone_else() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let published = Published::on(Kind::Distribution);
    let fronted = Fronted::new(sigstore, RekorVersion::V1);
    let foreign = Claims { issuer: Some("https://issuer.example".to_owned()), ..Claims::default() };
    for claims in [Claims::expired(), Claims::early(), foreign] {
        let ran = sigstore.cosign_sign_with(fronted.signing_config(), &claims, &published.reference(), &[]);
        ran.refused();
        assert_eq!(fronted.logged(), 0, "{claims:?}");
    }
    sigstore.cosign_sign_with(fronted.signing_config(), &Claims::default(), &published.reference(), &[]).ok();
    assert_eq!(fronted.logged(), 1);
}

#[test]
fn the_same_workflow_of_another_issuer_is_someone_else() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let published = Published::on(Kind::Distribution);
    let other = sigstore.other_issuer();
    let claims = Claims { issuer: Some(other.clone()), ..Claims::default() };
    let (version, reference) = (RekorVersion::V1, published.reference());
    sigstore.cosign_sign(version, &claims, &reference, &[]).ok();
    for cosign in COSIGNS {
        let verify = |more: &[&str]| sigstore.cosign_verify(cosign, version, &claims.identity(), &reference, more);
        verify(&[]).refused().says(&other);
        verify(&["--certificate-oidc-issuer", &other]).ok();
    }
}

#[test]
fn a_front_counts_what_a_signature_needs() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let published = Published::on(Kind::Distribution);
    for version in RekorVersion::BOTH {
        let fronted = Fronted::new(sigstore, version);
        let ran = sigstore.cosign_sign_with(fronted.signing_config(), &Claims::default(), &published.reference(), &[]);
        ran.ok();
        assert_eq!(fronted.logged(), 1);
        let counts =
            [Service::Issuer, Service::Fulcio, Service::Tsa, Service::Rekor].map(|service| fronted.count(service));
        assert_eq!(counts, [0, 1, 1, 1], "{version:?}: {:?}", fronted.take());
    }
}

#[test]
fn a_front_breaks_a_service_for_one_test() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Crane);
    let Some(sigstore) = Sigstore::get() else { return };
    let published = Published::on(Kind::Distribution);
    let fronted = Fronted::new(sigstore, RekorVersion::V1);
    let sign = || sigstore.cosign_sign_with(fronted.signing_config(), &Claims::default(), &published.reference(), &[]);
    for service in [Service::Fulcio, Service::Tsa, Service::Rekor] {
        fronted.fail(service, Fault::Broken);
        sign().refused();
        fronted.heal(service);
        assert!(fronted.count(service) > 0);
        assert_eq!(fronted.logged(), 0, "{:?}", fronted.take());
    }
    // The log has it, and cosign does not know.
    fronted.fail(Service::Rekor, Fault::AnswerLost);
    let before = sigstore.entries(RekorVersion::V1);
    sign().refused();
    assert!(fronted.logged() > 0);
    assert!(sigstore.entries(RekorVersion::V1) > before);
    published.desk.run(Tool::Crane, &format!("manifest {}", published.fallback_tag())).refused();
    fronted.heal(Service::Rekor);
    fronted.take();
    sign().ok();
    assert_eq!(fronted.logged(), 1);
}

#[test]
fn faults_are_what_they_are_called() {
    let Some(sigstore) = Sigstore::get() else { return };
    let fronted = Fronted::new(sigstore, RekorVersion::V1);
    let page = fronted.url(Service::Rekor) + "/api/v1/log";
    let get = || ask("GET", &page, "");
    let healthy = |answer: Option<String>| answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
    assert!(healthy(get()));
    let cases = [
        (Fault::Down, Some("")),
        (Fault::AnswerLost, Some("")),
        (Fault::Stalled, None),
        (Fault::Broken, Some("HTTP/1.1 500")),
        (Fault::Throttled(None), Some("HTTP/1.1 429 Too Many Requests\r\nContent-Length")),
        (Fault::Throttled(Some(7)), Some("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7")),
    ];
    for (fault, expected) in cases {
        fronted.take();
        fronted.fail_times(Service::Rekor, fault, 1);
        let answer = get();
        match expected {
            Some("") => assert_eq!(answer.as_deref(), Some(""), "{fault:?}"),
            Some(start) => {
                assert!(answer.as_ref().is_some_and(|answer| answer.starts_with(start)), "{fault:?}: {answer:?}");
            }
            None => assert_eq!(answer, None, "{fault:?}"),
        }
        // Once and not twice; and the service was asked by those faults only that let it work.
        assert!(healthy(get()), "{fault:?}");
        let statuses: Vec<_> = fronted.take().into_iter().map(|seen| (seen.request, seen.status)).collect();
        let asked = (fault == Fault::AnswerLost).then_some(200);
        let request = "GET /api/v1/log".to_owned();
        assert_eq!(statuses, [(request.clone(), asked), (request, Some(200))], "{fault:?}");
    }
}

#[test]
fn a_clock_is_wrong_for_one_program() {
    let home = tempfile::TempDir::new().unwrap();
    let now = |clock: Option<&Clock>| {
        let mut command = hermetic("date", home.path());
        command.arg("+%s");
        command.envs(clock.map(|clock| ("LD_PRELOAD", clock.preloaded())));
        run(&mut command).ok().stdout().trim().parse::<i64>().unwrap()
    };
    for minutes in [10, -10] {
        let clock = Clock::off_by(minutes * 60);
        // Between two looks at a clock that is right.
        let (before, wrong, after) = (now(None), now(Some(&clock)), now(None));
        assert!((before..=after).contains(&(wrong - minutes * 60)), "{before} {wrong} {after}");
    }
}

/// The programs that work in a folder, also in one that is gone.
fn at_work_in(folder: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places.filter(|place| place.to_string_lossy().starts_with(folder)).count()
}

/// A test process that is killed cleans up after itself all the same.
#[test]
fn nothing_outlives_a_test_process_that_is_killed() {
    if Sigstore::get().is_none() {
        return;
    }
    let holder = "sigstore_bed::the_issuer_gives_tokens_to_its_jobs_only";
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", holder, "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let folder = lines.find_map(|line| Some(line.split_once("folder=")?.1.to_owned()));
    let at_work = folder.as_deref().map(at_work_in);
    // SIGKILL: the process does nothing more.
    process.kill().unwrap();
    process.wait().unwrap();
    let folder = folder.expect("a process that holds a Sigstore tells its folder");
    assert!(at_work.is_some_and(|programs| programs >= 8), "{at_work:?} programs work in {folder}");
    let gone = eventually(|| (at_work_in(&folder) == 0 && !Path::new(&folder).exists()).then_some(()));
    assert!(gone.is_some(), "{} programs still work in {folder}", at_work_in(&folder));
}
