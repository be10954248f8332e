//! Starts the parts of a local Sigstore, as much at once as they allow, and writes down whom to trust.
//!
//! Fulcio certifies, a CT log and Rekor v1 log into Trillian, Rekor v2 into files, a TSA stamps. Nothing of them outlives the
//! keeper, and no two of these beds get into each other's way.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::json;

use super::issuer::Issuer;
use super::keeper::{Keeper, Part};
use super::{RekorVersion, Service};
use crate::support::process::{hermetic, run};
use crate::support::tools::Tool;

/// Every key and authority is good since then.
const SINCE: &str = "2020-01-01T00:00:00Z";

/// All parts, running.
pub(super) struct Parts {
    pub(super) ports: Ports,
    pub(super) trusted_root: PathBuf,
    /// What Rekor v2 publishes: it leaves it to others to serve these files.
    pub(super) tiles: PathBuf,
    signing_configs: [PathBuf; 2],
    keeper: Keeper,
}

/// Where the parts listen.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    fulcio: u16,
    fulcio_grpc: u16,
    trillian: u16,
    trillian_signer: u16,
    ct: u16,
    rekor_v1: u16,
    rekor_v2: u16,
    rekor_v2_grpc: u16,
    tsa: u16,
}

impl Ports {
    /// Free ones, which someone else may take until the parts do.
    fn free() -> Self {
        // All are held until all are known: they differ.
        let held: Vec<_> = (0..9).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let mut ports = held.iter().map(|listener| listener.local_addr().unwrap().port());
        let mut next = || ports.next().unwrap();
        Self {
            fulcio: next(),
            fulcio_grpc: next(),
            trillian: next(),
            trillian_signer: next(),
            ct: next(),
            rekor_v1: next(),
            rekor_v2: next(),
            rekor_v2_grpc: next(),
            tsa: next(),
        }
    }

    pub(super) fn rekor(self, version: RekorVersion) -> u16 {
        match version {
            RekorVersion::V1 => self.rekor_v1,
            RekorVersion::V2 => self.rekor_v2,
        }
    }

    /// Where clients find a service; `None` for the issuer, which is no part.
    pub(super) fn of(self, service: Service, version: RekorVersion) -> Option<u16> {
        match service {
            Service::Issuer => None,
            Service::Fulcio => Some(self.fulcio),
            Service::Rekor => Some(self.rekor(version)),
            Service::Tsa => Some(self.tsa),
        }
    }
}

impl Parts {
    /// Starts everything; a port that someone else took meanwhile costs one more try of all.
    pub(super) fn start(issuer: &Issuer) -> Result<Self, String> {
        let mut tries = 1..5;
        loop {
            let keeper = Keeper::start();
            match Self::try_start(&keeper, issuer) {
                Ok(parts) => return Ok(parts(keeper)),
                Err(_) if keeper.lost_a_port() && tries.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What the parts write; gone with them.
    pub(super) fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    pub(super) fn signing_config(&self, version: RekorVersion) -> &Path {
        &self.signing_configs[version as usize]
    }

    /// All that is left is to hand over who keeps it.
    fn try_start(keeper: &Keeper, issuer: &Issuer) -> Result<impl FnOnce(Keeper) -> Self + use<>, String> {
        let ports = Ports::free();
        let bed = Bed { keeper, ports };
        let (database, tsa, rekor_v2, fulcio) = (bed.database(), bed.tsa(), bed.rekor_v2(), bed.fulcio(issuer));
        database.until(|| database.file("db.sock").exists().then_some(()))?;
        let (server, signer) = bed.trillian(&database);
        server.listens(ports.trillian)?;
        let rekor_v1 = bed.rekor_v1(&database);
        let roots = fulcio.answers(ports.fulcio, "/api/v1/rootCert")?;
        fulcio.write("chain.pem", roots);
        let ct = bed.ct(&fulcio)?;

        signer.listens(ports.trillian_signer)?;
        ct.answers(ports.ct, "/test/ct/v1/get-sth")?;
        rekor_v1.write("public.pem", rekor_v1.answers(ports.rekor_v1, "/api/v1/log/publicKey")?);
        rekor_v2.answers(ports.rekor_v2, "/healthz")?;
        tsa.write("chain.pem", tsa.answers(ports.tsa, "/api/v1/timestamp/certchain")?);

        let trusted_root = bed.trusted_root(&fulcio, &ct, [&rekor_v1, &rekor_v2], &tsa);
        let signing_configs = [RekorVersion::V1, RekorVersion::V2].map(|version| bed.signing_config(version, issuer));
        // A part whose port another program has taken may have looked ready until it noticed.
        for part in [&database, &server, &signer, &fulcio, &ct, &rekor_v1, &rekor_v2, &tsa] {
            part.alive()?;
        }
        let tiles = rekor_v2.file("tiles");
        Ok(move |keeper| Self { ports, trusted_root, tiles, signing_configs, keeper })
    }
}

/// Parts under construction.
struct Bed<'a> {
    keeper: &'a Keeper,
    ports: Ports,
}

/// `--name=value` for each.
fn flags<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs.map(|(name, value)| format!("--{name}={value}")).to_vec()
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl Bed<'_> {
    /// `MariaDB` without accounts, without a port, and without care for what a crash would lose.
    fn database(&self) -> Part {
        let part = self.keeper.part("mariadb");
        fs::create_dir(part.file("data")).unwrap();
        let schema = fs::read_to_string(Tool::TrillianSchema.path()).unwrap();
        let schema = format!("CREATE DATABASE trillian;\nUSE trillian;\n{}", one_line_each(&schema));
        let init = part.write("init.sql", schema);
        let mut words = vec!["--no-defaults".to_owned()];
        words.extend(flags([
            ("datadir", part.file("data").display().to_string()),
            ("socket", part.file("db.sock").display().to_string()),
            ("init-file", init.display().to_string()),
            ("innodb-buffer-pool-size", "32M".to_owned()),
            ("innodb-log-file-size", "16M".to_owned()),
            ("innodb-flush-log-at-trx-commit", "0".to_owned()),
            ("performance-schema", "OFF".to_owned()),
            // Rekor and Trillian open one for each signature that is being made.
            ("max-connections", "1000".to_owned()),
        ]));
        words.extend(["--skip-networking", "--skip-grant-tables", "--user=root"].map(str::to_owned));
        self.keeper.start_part(&part, &Tool::MariaDb.path(), &words);
        part
    }

    fn trillian(&self, database: &Part) -> (Part, Part) {
        let common = |port| {
            flags([
                ("storage_system", "mysql".to_owned()),
                ("mysql_uri", dsn(database)),
                ("quota_system", "noop".to_owned()),
                ("rpc_endpoint", local(port)),
                ("http_endpoint", String::new()),
            ])
        };
        let (server, signer) = (self.keeper.part("trillian-server"), self.keeper.part("trillian-signer"));
        self.keeper.start_part(&server, &Tool::TrillianServer.path(), &common(self.ports.trillian));
        let mut words = common(self.ports.trillian_signer);
        words.extend(["--force_master", "--sequencer_interval=100ms"].map(str::to_owned));
        self.keeper.start_part(&signer, &Tool::TrillianSigner.path(), &words);
        (server, signer)
    }

    fn fulcio(&self, issuer: &Issuer) -> Part {
        let part = self.keeper.part("fulcio");
        let trusted = [issuer.url().to_owned(), issuer.other_url()].map(|url| {
            let settings = json!({"IssuerURL": url, "ClientID": "sigstore", "Type": "github-workflow"});
            (url, settings)
        });
        let config = json!({"OIDCIssuers": serde_json::Map::from_iter(trusted)});
        let config = part.write("config.json", config.to_string());
        let mut words = vec!["serve".to_owned()];
        words.extend(flags([
            ("config-path", config.display().to_string()),
            ("ca", "ephemeralca".to_owned()),
            ("ct-log-url", format!("http://localhost:{}/test", self.ports.ct)),
            ("host", "127.0.0.1".to_owned()),
            ("port", self.ports.fulcio.to_string()),
            ("grpc-host", "127.0.0.1".to_owned()),
            ("grpc-port", self.ports.fulcio_grpc.to_string()),
            ("metrics-port", "0".to_owned()),
            ("legacy-unix-domain-socket", part.file("fulcio.sock").display().to_string()),
        ]));
        self.keeper.start_part(&part, &Tool::Fulcio.path(), &words);
        part
    }

    /// The certificate transparency log, once Trillian and Fulcio are up.
    fn ct(&self, fulcio: &Part) -> Result<Part, String> {
        let part = self.keeper.part("ct");
        let mut create = hermetic(Tool::TrillianCreateTree.path(), self.keeper.folder());
        let tree = run(create.arg(format!("--admin_server={}", local(self.ports.trillian))));
        if tree.code() != 0 {
            return Err(tree.to_string());
        }
        let key = KeyPair::generate().unwrap();
        part.write("public.pem", key.public_key_pem());
        let der = key.serialize_der().iter().fold(String::new(), |text, byte| text + &format!("\\x{byte:02x}"));
        let config = format!(
            "config {{ log_id: {} prefix: \"test\" roots_pem_file: \"{}\" ext_key_usages: \"CodeSigning\" \
             private_key: {{ [type.googleapis.com/keyspb.PrivateKey] {{ der: \"{der}\" }} }} }}\n",
            tree.stdout().trim(),
            fulcio.file("chain.pem").display(),
        );
        let config = part.write("ct.cfg", config);
        let words = flags([
            ("log_config", config.display().to_string()),
            ("log_rpc_server", local(self.ports.trillian)),
            ("http_endpoint", local(self.ports.ct)),
        ]);
        self.keeper.start_part(&part, &Tool::CtServer.path(), &words);
        Ok(part)
    }

    fn rekor_v1(&self, database: &Part) -> Part {
        let part = self.keeper.part("rekor-v1");
        let mut words = vec!["serve".to_owned()];
        words.extend(flags([
            ("host", "127.0.0.1".to_owned()),
            ("port", self.ports.rekor_v1.to_string()),
            ("rekor_server.hostname", "localhost".to_owned()),
            ("rekor_server.signer", "memory".to_owned()),
            ("trillian_log_server.address", "127.0.0.1".to_owned()),
            ("trillian_log_server.port", self.ports.trillian.to_string()),
            ("search_index.storage_provider", "mysql".to_owned()),
            ("search_index.mysql.dsn", dsn(database)),
        ]));
        self.keeper.start_part(&part, &Tool::RekorV1.path(), &words);
        part
    }

    fn rekor_v2(&self) -> Part {
        let part = self.keeper.part("rekor-v2");
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        part.write("public.pem", key.public_key_pem());
        let signer = part.write("key.pem", key.serialize_pem());
        let mut words = vec!["serve".to_owned()];
        words.extend(flags([
            ("http-address", "127.0.0.1".to_owned()),
            ("http-port", self.ports.rekor_v2.to_string()),
            ("grpc-address", "127.0.0.1".to_owned()),
            ("grpc-port", self.ports.rekor_v2_grpc.to_string()),
            ("http-metrics-port", "0".to_owned()),
            // The log's origin, which the trusted root and its URL repeat.
            ("hostname", "localhost".to_owned()),
            ("storage-dir", part.file("tiles").display().to_string()),
            ("signer-filepath", signer.display().to_string()),
            ("checkpoint-interval", "500ms".to_owned()),
            ("batch-max-age", "100ms".to_owned()),
        ]));
        self.keeper.start_part(&part, &Tool::RekorV2.path(), &words);
        part
    }

    fn tsa(&self) -> Part {
        let part = self.keeper.part("tsa");
        let mut words = vec!["serve".to_owned()];
        words.extend(flags([
            ("host", "127.0.0.1".to_owned()),
            ("port", self.ports.tsa.to_string()),
            ("timestamp-signer", "memory".to_owned()),
        ]));
        words.push("--disable-ntp-monitoring".to_owned());
        self.keeper.start_part(&part, &tsa_on_any_port(&part), &words);
        part
    }

    fn trusted_root(&self, fulcio: &Part, ct: &Part, [v1, v2]: [&Part; 2], tsa: &Part) -> PathBuf {
        let url = |port, path: &str| format!("url=http://localhost:{port}{path}");
        let key = |part: &Part| format!("public-key={},start-time={SINCE}", part.file("public.pem").display());
        let chain = |part: &Part| format!("certificate-chain={}", part.file("chain.pem").display());
        let ports = self.ports;
        self.cosign(
            "trusted-root",
            "trusted_root.json",
            &[
                format!("--fulcio={},{}", url(ports.fulcio, ""), chain(fulcio)),
                format!("--ctfe={},{}", url(ports.ct, "/test"), key(ct)),
                format!("--rekor={},{}", url(ports.rekor_v1, ""), key(v1)),
                format!("--rekor={},{},origin=localhost", url(ports.rekor_v2, ""), key(v2)),
                format!("--tsa={},{}", url(ports.tsa, "/api/v1/timestamp"), chain(tsa)),
            ],
        )
    }

    fn signing_config(&self, version: RekorVersion, issuer: &Issuer) -> PathBuf {
        let service = |port, path: &str, api: u8| {
            format!("url=http://localhost:{port}{path},api-version={api},start-time={SINCE},operator=local")
        };
        let (name, api) = match version {
            RekorVersion::V1 => ("signing_config_v1.json", 1),
            RekorVersion::V2 => ("signing_config_v2.json", 2),
        };
        self.cosign(
            "signing-config",
            name,
            &[
                format!("--fulcio={}", service(self.ports.fulcio, "", 1)),
                format!("--rekor={}", service(self.ports.rekor(version), "", api)),
                "--rekor-config=ANY".to_owned(),
                format!("--tsa={}", service(self.ports.tsa, "/api/v1/timestamp", 1)),
                "--tsa-config=ANY".to_owned(),
                format!("--oidc-provider=url={},api-version=1,start-time={SINCE},operator=local", issuer.url()),
            ],
        )
    }

    /// `cosign KIND create`.
    fn cosign(&self, kind: &str, name: &str, words: &[String]) -> PathBuf {
        let out = self.keeper.folder().join(name);
        let mut command = hermetic(Tool::Cosign3.path(), self.keeper.folder());
        run(command.args([kind, "create", "--out"]).arg(&out).args(words)).ok();
        out
    }
}

/// How Trillian and Rekor reach the database.
fn dsn(database: &Part) -> String {
    format!("root@unix({})/trillian", database.file("db.sock").display())
}

/// An init file's statements stand on one line each, and have no comments.
fn one_line_each(sql: &str) -> String {
    let code =
        sql.lines().filter(|line| !line.starts_with('#')).map(|line| line.split("--").next().unwrap_or_default());
    code.map(str::trim).collect::<Vec<_>>().join(" ").replace(';', ";\n")
}

/// The TSA ends when port 2112, where it offers metrics, is taken, and no option gives another one. So this copy of it leaves the
/// port to the kernel: beds of two test processes must not disturb each other.
fn tsa_on_any_port(part: &Part) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let mut program = fs::read(Tool::TimestampServer.path()).unwrap();
    let (fixed, any) = (b":2112", b":0000");
    let places: Vec<usize> = (0..program.len()).filter(|&at| program[at..].starts_with(fixed)).collect();
    assert_eq!(places.len(), 1, "the TSA's port for metrics stands elsewhere: {places:?}");
    program[places[0]..][..any.len()].copy_from_slice(any);
    let path = part.write("timestamp-server", program);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
