//! Where a registry leads, and what goes along: every hop of the real program is seen, and no credential reaches a server that it
//! is not for.
//!
//! The program asks through a proxy, as people behind one do, so that names of the public are asked for and none is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::hostile::clean;
use crate::support::images::Image;
use crate::support::process::Ran;
use crate::support::wild::{Asked, Reply, Store, Wild};
use crate::support::workspace::{Workspace, unsigned};

const REGISTRY: &str = "registry.example";
const UPSTREAM: &str = "upstream.example";
const CDN: &str = "cdn.example";
const AUTH: &str = "auth.example";

/// The account of each registry. Whatever contains one of these must be on its way to that registry, or to its token server.
const PASSWORDS: [(&str, &str); 2] = [(REGISTRY, "canary-of-the-registry"), (UPSTREAM, "canary-of-the-upstream")];

/// Where a registry must not lead, as URLs' hosts.
const FORBIDDEN: [&str; 12] = [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "127.0.0.1:8080",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "2130706433",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
];

fn basic(password: &str) -> String {
    STANDARD.encode(format!("user:{password}"))
}

/// The token of a registry.
fn token(host: &str) -> String {
    format!("token-canary-of-{host}")
}

/// Both registries want tokens; where they are to be had and where else they lead is for each test to say.
#[derive(Clone)]
struct Ways {
    /// Of a registry, by its host.
    realm: fn(&str) -> String,
    /// Instead of the answer that the registry would give to who has its token.
    lead: fn(&Asked, Reply) -> Reply,
    /// Of every other host.
    elsewhere: fn(&Asked, &mut Store) -> Reply,
}

impl Ways {
    fn good() -> Self {
        Self { realm: |host| format!("http://{host}/token"), lead: |_, reply| reply, elsewhere: |_, _| Reply::new(404) }
    }

    fn answer(&self, asked: &Asked, store: &mut Store) -> Reply {
        if ![REGISTRY, UPSTREAM].contains(&asked.host.as_str()) {
            return (self.elsewhere)(asked, store);
        }
        if asked.path == "/token" {
            return (self.lead)(asked, give_token(asked, &asked.host));
        }
        if asked.header("authorization") != Some(&format!("Bearer {}", token(&asked.host))) {
            let realm = (self.realm)(&asked.host);
            let challenge = format!("Bearer realm=\"{realm}\",service=\"{}\"", asked.host);
            return Reply::new(401).with("www-authenticate", challenge);
        }
        (self.lead)(asked, store.serve(asked))
    }
}

/// The token of `registry` to who knows its password, else one for nobody.
fn give_token(asked: &Asked, registry: &str) -> Reply {
    let password = PASSWORDS.iter().find(|(host, _)| *host == registry).unwrap().1;
    let known = format!("Basic {}", basic(password));
    let token = if asked.header("authorization") == Some(&known) { token(registry) } else { "nobody".to_owned() };
    Reply::new(200).body(json!({"token": token, "expires_in": 300}).to_string())
}

struct Bench {
    workspace: Workspace,
    wild: Wild,
}

impl Bench {
    fn new(settings: &str) -> Self {
        let wild = Wild::start();
        let mut workspace = Workspace::new(&format!("{REGISTRY}/charts"))
            .with_settings(&format!("[registry.\"{REGISTRY}\"]\nplain-http = true\n{settings}"));
        workspace = workspace.plain_http(UPSTREAM);
        let (from, to) = (format!("{UPSTREAM}/upstream/web"), format!("{REGISTRY}/charts/web"));
        workspace.mirror("web", &from, &to, &["1.0.0"], &unsigned());
        workspace.set("HTTP_PROXY", &PathBuf::from(format!("http://{}", wild.host())));
        let accounts: BTreeMap<_, _> =
            PASSWORDS.iter().map(|(host, password)| (*host, json!({"auth": basic(password)}))).collect();
        workspace.write("../home/.docker/config.json", json!({"auths": accounts}).to_string());
        let bench = Self { workspace, wild };
        bench.begin();
        bench.go(&Ways::good());
        bench.workspace.run("lock").ok();
        bench
    }

    /// Nothing is published and nothing cached.
    fn begin(&self) {
        let mut store = self.wild.store();
        *store = Store::default();
        store.put("upstream/web", "1.0.0", &Image::chart("web", "1.0.0", "", None));
        self.workspace.forget_cache();
        drop(store);
        self.wild.take();
    }

    fn go(&self, ways: &Ways) {
        let ways = ways.clone();
        self.wild.answer(move |asked, store| ways.answer(asked, store));
    }

    /// Runs it, looks that no canary flew elsewhere, and gives the requests to each host.
    #[track_caller]
    fn run(
        &self,
        what: &str,
        words: &str,
        ways: &Ways,
        trusted: &[(&str, &str)],
    ) -> (Ran, BTreeMap<String, Vec<String>>) {
        self.begin();
        self.go(ways);
        let ran = self.workspace.run(words);
        clean(what, &ran);
        let mut hops = BTreeMap::<String, Vec<String>>::new();
        for asked in self.wild.take() {
            let everything = asked.head.clone() + &String::from_utf8_lossy(&asked.body);
            for (host, password) in PASSWORDS {
                let servers: Vec<_> =
                    trusted.iter().filter(|(of, _)| *of == host).map(|(_, to)| *to).chain([host]).collect();
                for secret in [password.to_owned(), basic(password)] {
                    assert!(
                        servers.contains(&asked.host.as_str()) || !everything.contains(&secret),
                        "{what}: {asked:?}"
                    );
                }
                assert!(asked.host == host || !everything.contains(&token(host)), "{what}: {asked:?}");
            }
            hops.entry(asked.host.clone()).or_default().push(asked.label());
        }
        self.keeps_silent(what, &ran);
        (ran, hops)
    }

    /// No secret is in what was said, nor in a file that was written.
    fn keeps_silent(&self, what: &str, ran: &Ran) {
        let mut texts = vec![ran.said()];
        texts.extend(files(&self.workspace.path("")).iter().map(|file| String::from_utf8_lossy(file).into_owned()));
        texts.extend(
            files(&self.workspace.path("../home/.cache")).iter().map(|file| String::from_utf8_lossy(file).into_owned()),
        );
        for (host, password) in PASSWORDS {
            for secret in [password.to_owned(), basic(password), token(host)] {
                assert!(texts.iter().all(|text| !text.contains(&secret)), "{what}: {ran}");
            }
        }
    }

    fn is_published(&self) -> bool {
        self.wild.store().tag("charts/web", "1.0.0").is_some()
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_token_server_gets_a_password_if_it_is_the_registry_s_own_or_settings_name_it() {
    let bench = Bench::new("");
    let (ran, hops) = bench.run("its own", "apply", &Ways::good(), &[]);
    assert!(ran.code() == 0 && bench.is_published(), "{ran}");
    assert_eq!(hops.keys().collect::<Vec<_>>(), [REGISTRY, UPSTREAM]);
    let tokens = hops[REGISTRY].iter().filter(|what| *what == "GET token").count();
    assert_eq!((tokens, hops[UPSTREAM].iter().filter(|what| *what == "GET token").count()), (1, 1), "{hops:?}");

    // On another host it is asked for a token that is nobody's, and the registry does not take that.
    let foreign = Ways {
        realm: |_| format!("http://{AUTH}/token"),
        elsewhere: |asked, _| give_token(asked, REGISTRY),
        ..Ways::good()
    };
    let (ran, hops) = bench.run("another host", "apply", &foreign, &[]);
    assert!(ran.code() == 1 && !bench.is_published(), "{ran}");
    assert!(hops[AUTH].iter().all(|what| what == "GET token") && hops[AUTH].len() <= 4, "{hops:?}");

    let named = Bench::new(&format!("token-realm = \"http://{AUTH}\""));
    let only_registry = Ways {
        realm: |host| format!("http://{}/token", if host == REGISTRY { AUTH } else { host }),
        ..foreign.clone()
    };
    let (ran, hops) = named.run("one that settings name", "apply", &only_registry, &[(REGISTRY, AUTH)]);
    assert!(ran.code() == 0 && named.is_published(), "{ran}");
    assert_eq!(hops[AUTH], ["GET token"]);

    // It leads on: nobody goes there.
    let redirected = Ways {
        lead: |asked, reply| {
            if asked.path == "/token" { Reply::new(307).with("location", format!("http://{CDN}/token")) } else { reply }
        },
        ..Ways::good()
    };
    let (ran, hops) = bench.run("one that redirects", "apply", &redirected, &[]);
    assert!(ran.code() == 1 && !hops.contains_key(CDN), "{hops:?}: {ran}");
}

#[test]
fn no_realm_redirect_or_upload_leads_into_private_networks() {
    let bench = Bench::new("");
    for (at, host) in FORBIDDEN.iter().enumerate() {
        let refused = |what: &str, ways: Ways, lead: Option<&'static str>| {
            let what = format!("{what} {host}");
            bench.begin();
            let to = format!("http://{host}/x");
            bench.wild.answer(move |asked, store| match lead {
                Some(label) if asked.is(label) => {
                    let reply = ways.answer(asked, store);
                    let status = if label == "POST upload" { 202 } else { 307 };
                    if reply.status == 401 { reply } else { Reply::new(status).with("location", &to) }
                }
                Some(_) => ways.answer(asked, store),
                None => {
                    let reply = ways.answer(asked, store);
                    let challenge = format!("Bearer realm=\"{to}\",service=\"x\"");
                    if reply.status == 401 { reply.with("www-authenticate", challenge) } else { reply }
                }
            });
            let ran = bench.workspace.run("apply");
            clean(&what, &ran);
            assert!(ran.code() == 1 && !bench.is_published(), "{what}: {ran}");
            let hosts: Vec<_> = bench.wild.take().into_iter().map(|asked| asked.host).collect();
            assert!(hosts.iter().all(|host| [REGISTRY, UPSTREAM].contains(&host.as_str())), "{what}: {hosts:?}");
        };
        refused("the realm", Ways::good(), None);
        // Each of the others for some of the addresses: they are all judged by one function.
        let label = ["GET blob", "HEAD tag", "POST upload", "GET manifest"][at % 4];
        refused(label, Ways::good(), Some(label));
    }
}

#[test]
fn redirects_end() {
    let bench = Bench::new("");
    let round = Ways {
        lead: |asked, reply| {
            if asked.is("GET blob") {
                Reply::new(302).with("location", format!("http://{}{}", asked.host, asked.path))
            } else {
                reply
            }
        },
        ..Ways::good()
    };
    let (ran, hops) = bench.run("to itself", "apply", &round, &[]);
    assert!(ran.code() == 1 && ran.said().contains("redirects more than 5 times"), "{ran}");
    // Two or three blobs at once, six requests each.
    assert!(hops[UPSTREAM].iter().filter(|what| *what == "GET blob").count() <= 18, "{hops:?}");
    let between = Ways {
        lead: |asked, reply| {
            if asked.is("GET blob") {
                Reply::new(302).with("location", format!("http://{CDN}{}", asked.path))
            } else {
                reply
            }
        },
        elsewhere: |asked, _| Reply::new(302).with("location", format!("http://{UPSTREAM}{}", asked.path)),
        ..Ways::good()
    };
    let (ran, hops) = bench.run("to and fro", "apply", &between, &[]);
    assert!(ran.code() == 1 && ran.said().contains("redirects more than 5 times"), "{ran}");
    assert!(hops[CDN].len() <= 9, "{hops:?}");
}

#[test]
fn bytes_come_from_and_go_to_other_hosts_without_a_credential() {
    let bench = Bench::new("");
    let stored = |asked: &Asked, store: &mut Store| {
        assert_eq!(asked.header("authorization"), None);
        store.serve(asked)
    };
    let far = Ways {
        lead: |asked, reply| match asked.label().as_str() {
            "GET blob" => Reply::new(307).with("location", format!("http://{CDN}{}?signature=x", asked.path)),
            "POST upload" => match reply.headers.iter().find(|(name, _)| name == "location") {
                Some((_, place)) if reply.status == 202 => {
                    Reply::new(202).with("location", format!("http://{CDN}{place}"))
                }
                _ => reply,
            },
            _ => reply,
        },
        elsewhere: stored,
        ..Ways::good()
    };
    let (ran, hops) = bench.run("blobs on a CDN", "apply", &far, &[]);
    assert!(ran.code() == 0 && bench.is_published(), "{ran}");
    let count = |what: &str| hops[CDN].iter().filter(|found| *found == what).count();
    assert_eq!((count("GET blob"), count("PUT upload"), hops[CDN].len()), (2, 2, 4), "{hops:?}");

    // It wants to know who asks: nobody says.
    for challenge in [format!("Basic realm=\"{CDN}\""), format!("Bearer realm=\"http://{CDN}/token\",service=\"x\"")] {
        bench.begin();
        let far = far.clone();
        bench.wild.answer(move |asked, store| match asked.host.as_str() {
            CDN => Reply::new(401).with("www-authenticate", &challenge),
            _ => far.answer(asked, store),
        });
        let ran = bench.workspace.run("apply");
        clean("a CDN that asks", &ran);
        assert!(ran.code() == 1 && !bench.is_published(), "{ran}");
        for asked in bench.wild.take().into_iter().filter(|asked| asked.host == CDN) {
            assert!(asked.is("GET blob") && asked.header("authorization").is_none(), "{asked:?}");
        }
    }
}

#[test]
fn lists_go_on_at_their_own_server_alone() {
    let bench = Bench::new("");
    let elsewhere = Ways {
        lead: |asked, reply| reply.with("link", format!("<http://{CDN}{}?last=1>; rel=\"next\"", asked.path)),
        ..Ways::good()
    };
    let (ran, hops) = bench.run("a list of tags", "outdated", &elsewhere, &[]);
    assert!(ran.said().contains("another server") && !hops.contains_key(CDN), "{hops:?}: {ran}");
    assert_eq!(hops[UPSTREAM], ["GET base", "GET token", "GET tags"]);
}

/// A proxy may be anywhere, since the environment names it: nobody else may lead there by its name.
#[test]
fn the_proxy_itself_is_no_place_to_be_led_to() {
    let mut bench = Bench::new("");
    let port = bench.wild.host().rsplit(':').next().unwrap().to_owned();
    bench.workspace.set("HTTP_PROXY", &PathBuf::from(format!("http://localhost:{port}")));
    for label in ["realm", "GET blob", "HEAD tag", "POST upload"] {
        bench.begin();
        // Another port of the same machine, past the proxy or through it.
        let to = "http://localhost:8080/x";
        bench.wild.answer(move |asked, store| {
            let reply = Ways::good().answer(asked, store);
            match reply.status {
                401 if label == "realm" => reply.with("www-authenticate", format!("Bearer realm=\"{to}\"")),
                200 | 202 | 404 if asked.is(label) => {
                    Reply::new(if label == "POST upload" { 202 } else { 307 }).with("location", to)
                }
                _ => reply,
            }
        });
        let ran = bench.workspace.run("apply").exits(1).says("leads to the proxy itself");
        clean(label, &ran);
        let hosts: Vec<_> = bench.wild.take().into_iter().map(|asked| asked.host).collect();
        assert!(hosts.iter().all(|host| [REGISTRY, UPSTREAM].contains(&host.as_str())), "{label}: {hosts:?}");
        assert!(!bench.is_published(), "{label}: {ran}");
    }
}

/// Names are judged by what they resolve to, where the program resolves them: no proxy here.
#[test]
fn a_name_that_resolves_to_this_machine_is_not_followed() {
    let (wild, inside) = (Wild::start(), Wild::start());
    wild.store().put("upstream/web", "1.0.0", &Image::chart("web", "1.0.0", "", None));
    let workspace = Workspace::new(&wild.repository("charts")).plain_http(&wild.host());
    workspace.mirror("web", &wild.repository("upstream/web"), &wild.repository("charts/web"), &["1.0.0"], &unsigned());
    workspace.run("lock").ok();
    let port = inside.host().rsplit(':').next().unwrap().to_owned();
    for label in ["realm", "GET blob", "HEAD tag", "GET manifest", "POST upload"] {
        workspace.forget_cache();
        let to = format!("http://localhost:{port}/x");
        wild.answer(move |asked, store| match asked.label() {
            _ if label == "realm" => Reply::new(401).with("www-authenticate", format!("Bearer realm=\"{to}\"")),
            found if found == label => Reply::new(if label == "POST upload" { 202 } else { 307 }).with("location", &to),
            _ => store.serve(asked),
        });
        let ran = workspace.run("apply").exits(1).says("private address");
        clean(label, &ran);
        assert_eq!(inside.take().len(), 0, "{label}");
        assert_eq!(wild.store().tag("charts/web", "1.0.0"), None);
    }
}
