//! Chart images made without any tool, good and bad, and layouts of them: for what released tools would refuse to make.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::pgp::Key;

pub(crate) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub(crate) const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
pub(crate) const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// `sha256:…` of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// An image manifest and its blobs.
pub(crate) struct Image {
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

/// What is in an archive.
pub(crate) enum Entry<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}

/// A `.tgz` of these entries, names taken as they are.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        let (name, bytes) = match entry {
            Entry::File(name, bytes) => (name, *bytes),
            Entry::Link(name, to) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(to).unwrap();
                (name, &[][..])
            }
        };
        // Not through `set_path`, which refuses the names that matter here.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// The archive of a small chart with this Chart.yaml.
pub(crate) fn chart_archive(name: &str, chart_yaml: &str) -> Vec<u8> {
    archive(&[
        Entry::File(&format!("{name}/Chart.yaml"), chart_yaml.as_bytes()),
        Entry::File(&format!("{name}/values.yaml"), b"replicas: 1\n"),
    ])
}

/// A Chart.yaml that nobody objects to.
pub(crate) fn chart_yaml(name: &str, version: &str) -> String {
    format!("apiVersion: v2\ndescription: A chart for one test\nname: {name}\nversion: {version}\n")
}

/// What Helm makes of it for the config blob.
pub(crate) fn config(name: &str, version: &str) -> Vec<u8> {
    format!(r#"{{"name":"{name}","version":"{version}","description":"A chart for one test","apiVersion":"v2"}}"#)
        .into_bytes()
}

/// The text that Helm signs.
pub(crate) fn provenance_text(name: &str, version: &str, archive: &[u8]) -> String {
    format!("{}\n...\nfiles:\n  {name}-{version}.tgz: {}\n", chart_yaml(name, version), digest(archive))
}

impl Image {
    /// A good chart; `salt` makes others of the same name and version.
    pub(crate) fn chart(name: &str, version: &str, salt: &str, key: Option<&Key>) -> Self {
        let values = format!("salt: \"{salt}\"\n");
        let (chart_path, values_path) = (format!("{name}/Chart.yaml"), format!("{name}/values.yaml"));
        let yaml = chart_yaml(name, version);
        let files = [Entry::File(&chart_path, yaml.as_bytes()), Entry::File(&values_path, values.as_bytes())];
        let archive = archive(&files);
        let provenance = key.map(|key| key.clear_sign(&provenance_text(name, version, &archive)).into_bytes());
        Self::of(config(name, version), archive, provenance)
    }

    /// Helm's image manifest over these blobs.
    pub(crate) fn of(config: Vec<u8>, archive: Vec<u8>, provenance: Option<Vec<u8>>) -> Self {
        let mut layers = vec![(CHART, archive)];
        layers.extend(provenance.map(|provenance| (PROVENANCE, provenance)));
        Self::with(json!({}), (CONFIG, config), layers)
    }

    /// An image manifest over these blobs, with further members.
    pub(crate) fn with(mut more: Value, config: (&str, Vec<u8>), layers: Vec<(&str, Vec<u8>)>) -> Self {
        let descriptor = |(media, bytes): &(&str, Vec<u8>)| json!({"mediaType": media, "digest": digest(bytes), "size": bytes.len()});
        more["schemaVersion"] = json!(2);
        more["config"] = descriptor(&config);
        more["layers"] = layers.iter().map(descriptor).collect();
        let blobs = std::iter::once(config).chain(layers).map(|(_, bytes)| bytes).collect();
        Self { manifest: more.to_string().into_bytes(), blobs }
    }

    /// Another image of the same blobs.
    pub(crate) fn annotated(&self, note: &str) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        manifest["annotations"] = json!({"org.opencontainers.image.description": note});
        Self { manifest: manifest.to_string().into_bytes(), blobs: self.blobs.clone() }
    }

    pub(crate) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Puts it into a layout under this tag, in the place of what has the tag.
    pub(crate) fn put(&self, layout: &Path, tag: &str) {
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for bytes in self.blobs.iter().chain([&self.manifest]) {
            fs::write(blobs.join(digest(bytes).trim_start_matches("sha256:")), bytes).unwrap();
        }
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        name(layout, tag, Some(&self.manifest));
    }
}

/// Makes a layout's tag name this image manifest, or nothing.
pub(crate) fn name(layout: &Path, tag: &str, manifest: Option<&[u8]>) {
    let file = layout.join("index.json");
    let mut index: Value = fs::read(&file)
        .map_or_else(|_| json!({"schemaVersion": 2, "manifests": []}), |bytes| serde_json::from_slice(&bytes).unwrap());
    let entries = index["manifests"].as_array_mut().unwrap();
    entries.retain(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] != tag);
    if let Some(bytes) = manifest {
        entries.push(json!({
            "mediaType": IMAGE_MANIFEST, "digest": digest(bytes), "size": bytes.len(),
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }));
    }
    fs::File::create(file).unwrap().write_all(index.to_string().as_bytes()).unwrap();
}

/// The digest that a layout's tag names.
pub(crate) fn named(layout: &Path, tag: &str) -> Option<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).ok()?).unwrap();
    let entry = index["manifests"]
        .as_array()?
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag)?;
    entry["digest"].as_str().map(str::to_owned)
}
