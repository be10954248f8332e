//! Charts to mirror: 200 of 200 KB over 40 repositories, signed, as OCI layouts. Nothing of them is on any registry yet.

use std::fmt::Write as _;
use std::path::Path;

use super::Failed;

#[path = "../../tests/it/support/images.rs"]
#[expect(dead_code, reason = "a bench makes good charts only")]
#[expect(clippy::unwrap_used, reason = "made for tests, which may fail this way")]
mod images;
#[path = "../../tests/it/support/pgp.rs"]
#[expect(dead_code, reason = "a bench makes good charts only")]
#[expect(clippy::unwrap_used, reason = "made for tests, which may fail this way")]
mod pgp;

use images::{Entry, Image, archive, chart_yaml, config, provenance_text};

const REPOSITORIES: usize = 40;
const VERSIONS: usize = 5;
/// Compressed. Uncompressed it is about five times as much, as charts full of resource definitions are.
const ARCHIVE: usize = 200_000;

/// Writes `FOLDER/layouts/chart-NN` with all versions of each, and `FOLDER/keyring.gpg`.
pub(super) fn make(folder: &Path) -> Result<(), Failed> {
    let key = pgp::Key::new("Releases <releases@example.org>");
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("keyring.gpg"), key.public())?;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for repository in 0..REPOSITORIES {
        let name = format!("chart-{repository:02}");
        for version in 0..VERSIONS {
            let version = format!("1.{version}.0");
            chart(&name, &version, &key, &mut noise).put(&folder.join("layouts").join(&name), &version);
        }
    }
    Ok(())
}

fn chart(name: &str, version: &str, key: &pgp::Key, noise: &mut Noise) -> Image {
    let path = |file: &str| format!("{name}/{file}");
    let paths = [path("Chart.yaml"), path("values.yaml"), path("files/resources.yaml")];
    let yaml = chart_yaml(name, version);
    let text = resources(noise);
    let files = [
        Entry::File(&paths[0], yaml.as_bytes()),
        Entry::File(&paths[1], b"replicas: 1\n"),
        Entry::File(&paths[2], text.as_bytes()),
    ];
    let archive = archive(&files);
    let provenance = key.clear_sign(&provenance_text(name, version, &archive)).into_bytes();
    Image::of(config(name, version), archive, Some(provenance))
}

/// YAML that compresses to about [`ARCHIVE`] bytes.
fn resources(noise: &mut Noise) -> String {
    let mut text = String::new();
    // Sixteen random hexadecimal digits are eight bytes that no compression saves, and their line costs a little more.
    for line in 0..ARCHIVE / 13 {
        let _ = writeln!(
            text,
            "    - name: property-of-the-resource\n      description: {:016x} {}",
            noise.next(),
            line % 10
        );
    }
    text
}

/// Bytes that do not compress, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
