//! A network that fails between chartsync and a released registry: toxiproxy cuts, resets, stalls and slices the connections.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hostile::clean;
use crate::support::charts::Desk;
use crate::support::images::Image;
use crate::support::process::{Daemon, Ran, hermetic, run};
use crate::support::registry::{Kind, Registry};
use crate::support::sigstore::Clock;
use crate::support::tools::Tool;
use crate::support::workspace::{Workspace, unsigned};

/// A running toxiproxy with one proxy; it ends with the value.
struct Toxiproxy {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    control: SocketAddr,
    /// Where clients of the registry behind it go.
    front: SocketAddr,
    _daemon: Daemon,
    _dir: TempDir,
}

impl Toxiproxy {
    fn before(registry: &Registry) -> Self {
        let dir = TempDir::new().unwrap();
        let (daemon, control) = serve(&dir);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let front = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut proxy = Self { runtime, http, control, front, _daemon: daemon, _dir: dir };
        let made =
            proxy.tell("POST", "/proxies", &json!({"name": "x", "listen": "127.0.0.1:0", "upstream": registry.host()}));
        proxy.front = made["listen"].as_str().unwrap().parse().unwrap();
        proxy
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.control);
        let request = self.http.request(method.parse().unwrap(), url).body(body.to_string());
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
        })
    }

    /// From now on every connection has this fault.
    fn fault(&self, fault: &Fault) {
        let (stream, kind, attributes) = fault;
        let toxic = json!({"name": "t", "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes});
        self.tell("POST", "/proxies/x/toxics", &toxic);
    }

    /// From now on they have none.
    fn heal(&self) {
        self.tell("POST", "/reset", &Value::Null);
    }
}

/// toxiproxy does not tell its port: it is asked for a free one, and for another when someone else was faster.
fn serve(dir: &TempDir) -> (Daemon, SocketAddr) {
    for _ in 0..10 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = hermetic(Tool::Toxiproxy.path(), dir.path());
        let daemon = Daemon::start(command.args(["-host", "127.0.0.1", "-port", &free.port().to_string()]));
        while daemon.alive_after(Duration::from_millis(5)) {
            if TcpStream::connect(free).is_ok() && daemon.alive_after(Duration::from_millis(5)) {
                return (daemon, free);
            }
        }
    }
    panic!("toxiproxy found no free port");
}

/// Which direction, which toxic, with what attributes.
type Fault = (&'static str, &'static str, Value);

struct Bench {
    registry: Registry,
    proxy: Toxiproxy,
    workspace: Workspace,
    image: Image,
    number: usize,
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::start(Kind::Distribution);
        let proxy = Toxiproxy::before(&registry);
        let image = Image::chart("web", "1.0.0", "", None);
        let workspace = Workspace::new("nowhere.example/charts");
        Self { registry, proxy, workspace, image, number: 0 }
    }

    /// A workspace that publishes to a place of its own behind the proxy.
    fn begin(&mut self) -> String {
        self.number += 1;
        let publish = format!("{}/run-{}", self.proxy.front, self.number);
        let workspace = Workspace::new(&publish).plain_http(&self.proxy.front.to_string());
        self.workspace = workspace.layout("upstream.example", "upstream");
        self.image.put(&self.workspace.path("upstream/web"), "1.0.0");
        self.workspace.mirror("web", "upstream.example/web", &format!("{publish}/web"), &["1.0.0"], &unsigned());
        self.workspace.run("lock").ok();
        format!("run-{}/web:1.0.0", self.number)
    }

    /// Whatever the fault did to the first run, the second ends the work.
    #[track_caller]
    fn check(&mut self, fault: &Fault, expected: &[i32]) -> Ran {
        let reference = self.begin();
        // What is waited for passes quickly.
        let clock = Clock::off_by(0);
        clock.hurry();
        self.proxy.fault(fault);
        let ran = run(self.workspace.command().env("LD_PRELOAD", clock.preloaded()).arg("apply"));
        self.proxy.heal();
        clean(&format!("{fault:?}"), &ran);
        assert!(expected.contains(&ran.code()), "{fault:?}: {ran}");
        let desk = Desk::new();
        let here = self.registry.repository(&reference);
        let held = desk.run(Tool::Crane, &format!("digest --insecure {here}"));
        assert!(held.code() != 0 || held.stdout().trim() == self.image.digest(), "{fault:?}: {held}");
        assert!(ran.code() != 0 || held.code() == 0, "{fault:?}: {ran}");
        self.workspace.run("apply").ok();
        assert_eq!(desk.digest(&here), self.image.digest(), "{fault:?}");
        self.workspace.run("plan --detailed-exitcode").ok();
        ran
    }
}

#[test]
fn connections_that_are_cut_after_any_number_of_bytes() {
    needs!(Tool::Toxiproxy, Tool::Distribution, Tool::Crane);
    let mut bench = Bench::new();
    let mut done = [false; 2];
    for bytes in (0..12).map(|step| step * 97 + 1) {
        for (at, stream) in ["downstream", "upstream"].into_iter().enumerate() {
            let ran = bench.check(&(stream, "limit_data", json!({"bytes": bytes})), &[0, 1]);
            done[at] |= ran.code() == 1;
        }
    }
    assert_eq!(done, [true; 2], "no connection was cut before its work was done");
}

#[test]
fn connections_that_are_reset_stalled_or_closed() {
    needs!(Tool::Toxiproxy, Tool::Distribution, Tool::Crane);
    let mut bench = Bench::new();
    for stream in ["downstream", "upstream"] {
        bench.check(&(stream, "reset_peer", json!({"timeout": 0})), &[1]);
        bench.check(&(stream, "timeout", json!({"timeout": 0})), &[1]);
        bench.check(&(stream, "timeout", json!({"timeout": 20})), &[1]);
        bench.check(&(stream, "reset_peer", json!({"timeout": 20})), &[0, 1]);
    }
}

#[test]
fn connections_that_are_slow_and_sliced_are_good_enough() {
    needs!(Tool::Toxiproxy, Tool::Distribution, Tool::Crane);
    let mut bench = Bench::new();
    for stream in ["downstream", "upstream"] {
        let faults: [Fault; 4] = [
            (stream, "slicer", json!({"average_size": 3, "size_variation": 2, "delay": 10})),
            (stream, "bandwidth", json!({"rate": 64})),
            (stream, "latency", json!({"latency": 20, "jitter": 10})),
            (stream, "slow_close", json!({"delay": 50})),
        ];
        for fault in faults {
            let reference = bench.begin();
            bench.proxy.fault(&fault);
            bench.workspace.run("apply").ok();
            bench.proxy.heal();
            assert_eq!(Desk::new().digest(&bench.registry.repository(&reference)), bench.image.digest(), "{fault:?}");
        }
    }
}
