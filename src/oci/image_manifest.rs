//! The OCI image manifest, read so that no two readers can understand it differently.

use serde_json::{Map, Value};

use super::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, NameError, strict_json};

/// An OCI image manifest, read as a closed world: anything that the fields below do not name was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageManifest {
    /// The config blob.
    pub config: Descriptor,
    /// The layers, in the manifest's order, which means nothing for Helm: pick by media type.
    pub layers: Vec<Descriptor>,
    /// The manifest's annotations.
    pub annotations: Map<String, Value>,
}

/// Why bytes are not an image manifest that chartsync would copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or JSON that two readers may understand differently.
    #[error("the image manifest is not clean JSON: {0}")]
    Json(String),
    /// An image index: it names several images, chartsync copies exactly one.
    #[error("it is an image index, not one image manifest")]
    Index,
    /// A Docker image manifest.
    #[error("it is a Docker image manifest (`{0}`), not an OCI one")]
    Docker(String),
    /// A field that does not belong there, or is missing, or has another type.
    #[error("the image manifest's `{field}` {problem}")]
    Field {
        /// Which field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn field(field: impl Into<String>, problem: impl Into<String>) -> ManifestError {
    ManifestError::Field { field: field.into(), problem: problem.into() }
}

impl ImageManifest {
    /// Reads an image manifest, refusing whatever two readers could understand differently.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = strict_json(bytes).map_err(ManifestError::Json)?;
        let Value::Object(mut fields) = value else {
            return Err(ManifestError::Json("it is not an object".into()));
        };
        if fields.contains_key("manifests") {
            return Err(ManifestError::Index);
        }
        match fields.remove("mediaType") {
            None => {}
            Some(Value::String(text)) if text == IMAGE_MANIFEST => {}
            Some(Value::String(text)) if text == IMAGE_INDEX => return Err(ManifestError::Index),
            Some(Value::String(text)) if text.starts_with("application/vnd.docker.") => {
                return Err(ManifestError::Docker(text));
            }
            Some(_) => return Err(field("mediaType", format!("is not `{IMAGE_MANIFEST}`"))),
        }
        if fields.remove("schemaVersion") != Some(Value::from(2)) {
            return Err(field("schemaVersion", "is not 2"));
        }
        let config = descriptor("config", fields.remove("config"))?;
        let Some(Value::Array(layers)) = fields.remove("layers") else {
            return Err(field("layers", "is missing or not a list"));
        };
        let layers = layers
            .into_iter()
            .enumerate()
            .map(|(index, layer)| descriptor(&format!("layers[{index}]"), Some(layer)))
            .collect::<Result<_, _>>()?;
        let annotations = annotations("annotations", fields.remove("annotations"))?;
        match fields.keys().next() {
            None => Ok(Self { config, layers, annotations }),
            Some(name) => Err(field(name, "does not belong in a chart's image manifest")),
        }
    }
}

fn descriptor(at: &str, value: Option<Value>) -> Result<Descriptor, ManifestError> {
    let Some(Value::Object(mut fields)) = value else {
        return Err(field(at, "is missing or not an object"));
    };
    let Some(Value::String(media_type)) = fields.remove("mediaType") else {
        return Err(field(format!("{at}.mediaType"), "is missing or not a text"));
    };
    let digest = match fields.remove("digest") {
        Some(Value::String(text)) => {
            text.parse().map_err(|error: NameError| field(format!("{at}.digest"), format!("is wrong: {error}")))?
        }
        _ => return Err(field(format!("{at}.digest"), "is missing or not a text")),
    };
    let size = fields
        .remove("size")
        .and_then(|size| size.as_u64())
        .ok_or_else(|| field(format!("{at}.size"), "is missing or not a count of bytes"))?;
    annotations(&format!("{at}.annotations"), fields.remove("annotations"))?;
    match fields.keys().next() {
        None => Ok(Descriptor { media_type, digest, size }),
        Some(name) => Err(field(format!("{at}.{name}"), "does not belong in a chart's image manifest")),
    }
}

fn annotations(at: &str, value: Option<Value>) -> Result<Map<String, Value>, ManifestError> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => Ok(entries),
        Some(_) => Err(field(at, "is not a mapping of texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn image_manifests_are_a_closed_world() {
        let descriptor = format!(r#"{{"mediaType":"m","digest":"{}","size":1}}"#, Digest::of(b"x"));
        let with =
            |extra: &str| format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]{extra}}}"#);
        assert_eq!(ImageManifest::parse(with("").as_bytes()).unwrap().layers.len(), 1);
        for (extra, says) in [
            (r#","subject":{}"#, "`subject` does not belong"),
            (r#","Config":{}"#, "stands twice"),
            (r#","layers":[]"#, "stands twice"),
            (r#","manifests":[]"#, "image index"),
            (r#","mediaType":"application/vnd.docker.distribution.manifest.v2+json""#, "Docker"),
            (r#","annotations":{"a":1}"#, "mapping of texts"),
        ] {
            let error = ImageManifest::parse(with(extra).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{extra}: {error}");
        }
        for version in ["1", "\"2\"", "2.0", "null"] {
            let text = with("").replace("\"schemaVersion\":2", &format!("\"schemaVersion\":{version}"));
            let error = ImageManifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("`schemaVersion` is not 2"), "{text}: {error}");
        }
        let urls = descriptor.replace("\"size\"", "\"urls\":[],\"size\"");
        let error = ImageManifest::parse(format!(r#"{{"schemaVersion":2,"config":{urls},"layers":[]}}"#).as_bytes())
            .unwrap_err();
        assert!(error.to_string().contains("`config.urls`"), "{error}");
    }
}
