//! `plan --offline` over generated workspaces of 1,000, 10,000 and 100,000 pins: wall time and peak memory of the whole
//! process. Run it with `cargo bench --bench offline`; peak memory is sampled from `/proc`, so on Linux only.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chartsync::lock::{Lockfile, Pin, Signer};
use chartsync::oci::Digest;

const VERSIONS_OF_A_MIRROR: usize = 50;
const FINGERPRINT: &str = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:>8}  {:>22}  {:>12}  {:>10}", "pins", "wall (median of 5)", "peak memory", "lockfile");
    for pins in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir()?;
        let lockfile = generate(folder.path(), pins)?;
        let mut runs = (0..5).map(|_| run(folder.path())).collect::<Result<Vec<_>, _>>()?;
        runs.sort();
        let (wall, _) = runs[2];
        let peak = runs.iter().map(|(_, peak)| peak).max().copied().unwrap_or_default();
        println!("{pins:>8}  {:>19} ms  {:>9} MB  {:>7} kB", wall.as_millis(), peak / 1024, lockfile / 1024);
    }
    Ok(())
}

/// Writes a workspace of this many pins; says how long its lockfile is.
fn generate(root: &Path, pins: usize) -> Result<usize, Box<dyn Error>> {
    std::fs::create_dir_all(root.join("mirrors"))?;
    std::fs::create_dir_all(root.join("keyrings"))?;
    let keyring = include_bytes!("../examples/quickstart/keyrings/edge-proxy.gpg");
    std::fs::write(root.join("keyrings/ring.gpg"), keyring)?;
    std::fs::write(
        root.join("chartsync.toml"),
        "[publish]\nrepository = \"registry.example/charts\"\n\n[signing]\nmethod = \"none\"\n",
    )?;
    let mut all = Vec::with_capacity(pins);
    for mirror in 0..pins / VERSIONS_OF_A_MIRROR {
        let mut manifest = format!(
            "source:\n  type: helm-oci\n  repository: upstream.example/charts/chart-{mirror}\ndestination:\n  \
             repository: registry.example/charts/chart-{mirror}\nversions:\n"
        );
        for version in 0..VERSIONS_OF_A_MIRROR {
            writeln!(manifest, "  - 1.{version}.0")?;
            all.push(pin(mirror, version, keyring)?);
        }
        write!(manifest, "provenance:\n  keyring: keyrings/ring.gpg\n")?;
        std::fs::write(root.join(format!("mirrors/chart-{mirror}.yaml")), manifest)?;
    }
    let text = Lockfile::from_pins(all).render();
    std::fs::write(root.join("mirrors.lock"), &text)?;
    Ok(text.len())
}

fn pin(mirror: usize, version: usize, keyring: &[u8]) -> Result<Pin, Box<dyn Error>> {
    let digest = |what: &str| Digest::of(format!("{what} {mirror} {version}").as_bytes());
    Ok(Pin {
        name: format!("chart-{mirror}"),
        version: format!("1.{version}.0").parse()?,
        source: format!("upstream.example/charts/chart-{mirror}").parse()?,
        destination: format!("registry.example/charts/chart-{mirror}").parse()?,
        digest: digest("image"),
        size: 1039,
        archive: digest("archive"),
        archive_size: 98_211,
        provenance: Some(digest("provenance")),
        signer: Signer::Pgp(FINGERPRINT.parse()?),
        keyring: Some(Digest::of(keyring)),
        app_version: Some(format!("1.{version}.0")),
        line: 0,
    })
}

/// One run of the program: wall time, and peak memory in KiB.
fn run(root: &Path) -> Result<(Duration, u64), Box<dyn Error>> {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chartsync"))
        .args(["plan", "--offline", "--root"])
        .arg(root)
        .stdout(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        peak = peak_of(&std::fs::read_to_string(&status).unwrap_or_default()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    };
    let wall = begin.elapsed();
    if ended.success() { Ok((wall, peak)) } else { Err(format!("plan ended with {ended}").into()) }
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
