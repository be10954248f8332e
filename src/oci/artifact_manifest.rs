//! The image manifest of an artifact that is attached to another image manifest, its subject.
//!
//! Owns how it is written and read. Unlike a chart's it is an open world: others write them too, with fields of their own.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::image_index::descriptor;
use super::{Descriptor, IMAGE_MANIFEST, ManifestError, strict_json};

/// Media type of the config blob of artifacts that have none.
pub const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";
/// The bytes of that blob.
pub const EMPTY_CONFIG_BYTES: &[u8] = b"{}";

/// The image manifest of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactManifest {
    /// What the artifact is: its `artifactType`, else its config's media type.
    pub artifact_type: String,
    /// The config blob, mostly the empty one.
    pub config: Descriptor,
    /// The layers, in the manifest's order.
    pub layers: Vec<Descriptor>,
    /// The image manifest that it is attached to, if it is to any.
    pub subject: Option<Descriptor>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    schema_version: u8,
    media_type: &'a str,
    artifact_type: &'a str,
    config: WireDescriptor<'a>,
    layers: Vec<WireDescriptor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<WireDescriptor<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
}

impl<'a> From<&'a Descriptor> for WireDescriptor<'a> {
    fn from(descriptor: &'a Descriptor) -> Self {
        let Descriptor { media_type, digest, size } = descriptor;
        Self { media_type, digest: digest.to_string(), size: *size }
    }
}

impl ArtifactManifest {
    /// Reads an image manifest, whatever it is attached to; fields that are not named above are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let field = |field: &str, problem: &str| ManifestError::Field { field: field.into(), problem: problem.into() };
        let value = strict_json(bytes).map_err(ManifestError::Json)?;
        match value.get("mediaType") {
            None => {}
            Some(Value::String(text)) if text == IMAGE_MANIFEST => {}
            Some(_) => return Err(field("mediaType", &format!("is not `{IMAGE_MANIFEST}`"))),
        }
        if value.get("schemaVersion") != Some(&Value::from(2)) {
            return Err(field("schemaVersion", "is not 2"));
        }
        let read = |name: &str, part: Option<&Value>| {
            part.and_then(descriptor).ok_or_else(|| field(name, "is missing or no descriptor with a SHA-256 digest"))
        };
        let config = read("config", value.get("config"))?;
        let layers = value.get("layers").and_then(Value::as_array);
        let layers = layers.ok_or_else(|| field("layers", "is missing or not a list"))?;
        let layers = layers.iter().map(|layer| read("layers", Some(layer))).collect::<Result<_, _>>()?;
        let subject = value.get("subject").map(|subject| read("subject", Some(subject))).transpose()?;
        let artifact_type = match value.get("artifactType") {
            None => config.media_type.clone(),
            Some(Value::String(text)) if text.is_empty() => config.media_type.clone(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(field("artifactType", "is not a text")),
        };
        let annotations = value.get("annotations").map_or(Ok(BTreeMap::new()), |annotations| {
            serde_json::from_value(annotations.clone()).map_err(|_| field("annotations", "is not a mapping of texts"))
        })?;
        Ok(Self { artifact_type, config, layers, subject, annotations })
    }

    /// Its bytes, the same for the same content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            schema_version: 2,
            media_type: IMAGE_MANIFEST,
            artifact_type: &self.artifact_type,
            config: (&self.config).into(),
            layers: self.layers.iter().map(Into::into).collect(),
            subject: self.subject.as_ref().map(Into::into),
            annotations: &self.annotations,
        };
        // Texts and numbers: this cannot fail.
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn manifest() -> ArtifactManifest {
        ArtifactManifest {
            artifact_type: "application/x".into(),
            config: Descriptor::of(EMPTY_CONFIG, EMPTY_CONFIG_BYTES),
            layers: vec![Descriptor::of("application/x", b"one")],
            subject: Some(Descriptor::of(IMAGE_MANIFEST, b"chart")),
            annotations: BTreeMap::from([("k".into(), "v".into())]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = manifest().to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"{IMAGE_MANIFEST}","artifactType":"application/x","config":{{"mediaType":"{EMPTY_CONFIG}","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}},"layers":[{{"mediaType":"application/x","digest":"{}","size":3}}],"subject":{{"mediaType":"{IMAGE_MANIFEST}","digest":"{}","size":5}},"annotations":{{"k":"v"}}}}"#,
            Digest::of(b"one"),
            Digest::of(b"chart")
        );
        assert_eq!(text, expected);
        assert_eq!(ArtifactManifest::parse(&bytes).unwrap(), manifest());
        let bare = ArtifactManifest { subject: None, annotations: BTreeMap::new(), ..manifest() };
        assert_eq!(ArtifactManifest::parse(&bare.to_bytes()).unwrap(), bare);
    }

    #[test]
    fn others_fields_pass_and_broken_ones_do_not() {
        let text = String::from_utf8(manifest().to_bytes()).unwrap();
        let more = text
            .replace(r#""size":2}"#, r#""size":2,"artifactType":"y"}"#)
            .replace("{\"schema", "{\"new\":[],\"schema");
        assert_eq!(ArtifactManifest::parse(more.as_bytes()).unwrap(), manifest());
        let untold = text.replace(r#""artifactType":"application/x","#, "");
        assert_eq!(ArtifactManifest::parse(untold.as_bytes()).unwrap().artifact_type, EMPTY_CONFIG);
        for (old, new, says) in [
            (r#""schemaVersion":2"#, r#""schemaVersion":1"#, "schemaVersion"),
            (r#"image.manifest.v1+json","artifactType"#, r#"image.index.v1+json","artifactType"#, "mediaType"),
            (r#""artifactType":"application/x""#, r#""artifactType":1"#, "artifactType"),
            (r#""size":2"#, r#""size":-2"#, "config"),
            (r#""size":3"#, r#""size":"3""#, "layers"),
            (r#""size":5"#, r#""sizes":5"#, "subject"),
            (r#""k":"v""#, r#""k":1"#, "annotations"),
            (r#""k":"v""#, r#""k":"v","K":"w""#, "clean JSON"),
        ] {
            let bad = text.replacen(old, new, 1);
            assert_ne!(bad, text, "{old}");
            let error = ArtifactManifest::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
