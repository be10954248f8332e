//! An image index as data: read strictly where readers must agree, written back with all that it does not know.
//!
//! Owns the shape of its entries. Knows no tag and no registry.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Descriptor, Digest, IMAGE_INDEX, strict_json};

/// An image index. Entries and fields of others survive [`ImageIndex::add`] as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageIndex {
    fields: Map<String, Value>,
    entries: Vec<IndexEntry>,
    raw: Vec<Value>,
}

/// What an image index says of one image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The image manifest.
    pub descriptor: Descriptor,
    /// What it is, where the index tells.
    pub artifact_type: Option<String>,
}

impl Default for ImageIndex {
    /// An index without entries.
    fn default() -> Self {
        let mut fields = Map::new();
        fields.insert("schemaVersion".into(), 2.into());
        fields.insert("mediaType".into(), IMAGE_INDEX.into());
        Self { fields, entries: Vec::new(), raw: Vec::new() }
    }
}

impl ImageIndex {
    /// Reads an image index; the error completes "the answer …".
    ///
    /// Refused is what Go's readers refuse or read differently: keys that stand twice, another media type, entries without a
    /// media type, a SHA-256 digest or a size. `"manifests": null` is what Go writes for none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value = strict_json(bytes).map_err(|error| format!("is not clean JSON: {error}"))?;
        let Value::Object(mut fields) = value else {
            return Err("is not an image index, but another JSON value".into());
        };
        match fields.get("mediaType") {
            None => {}
            Some(Value::String(text)) if text == IMAGE_INDEX => {}
            Some(other) => return Err(format!("is not an image index: its media type is {}", short(other))),
        }
        if fields.get("schemaVersion").is_some_and(|version| *version != 2) {
            return Err("is not an image index: its `schemaVersion` is not 2".into());
        }
        let raw = match fields.remove("manifests") {
            Some(Value::Array(raw)) => raw,
            Some(Value::Null) => Vec::new(),
            _ => return Err("is not an image index: it has no list of `manifests`".into()),
        };
        let entries = raw.iter().enumerate().map(|(number, raw)| {
            entry(raw)
                .ok_or_else(|| format!("names by `manifests[{number}]` what is no descriptor with a SHA-256 digest"))
        });
        Ok(Self { entries: entries.collect::<Result<_, _>>()?, fields, raw })
    }

    /// What it lists, in its order.
    #[must_use]
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Whether it lists this image manifest.
    #[must_use]
    pub fn lists(&self, digest: &Digest) -> bool {
        self.entries.iter().any(|entry| entry.descriptor.digest == *digest)
    }

    /// Adds an entry behind the others.
    pub fn add(&mut self, new: IndexEntry, annotations: &BTreeMap<String, String>) {
        self.raw.push(Value::Object(new.to_json(annotations)));
        self.entries.push(new);
    }

    /// Its bytes, the same for the same content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert("manifests".into(), Value::Array(self.raw.clone()));
        Value::Object(fields).to_string().into_bytes()
    }
}

impl IndexEntry {
    /// The entry as it stands in an index.
    pub(crate) fn to_json(&self, annotations: &BTreeMap<String, String>) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("mediaType".into(), self.descriptor.media_type.clone().into());
        json.insert("digest".into(), self.descriptor.digest.to_string().into());
        json.insert("size".into(), self.descriptor.size.into());
        if let Some(artifact_type) = &self.artifact_type {
            json.insert("artifactType".into(), artifact_type.clone().into());
        }
        if !annotations.is_empty() {
            let texts = annotations.iter().map(|(name, text)| (name.clone(), text.clone().into()));
            json.insert("annotations".into(), Value::Object(texts.collect()));
        }
        json
    }
}

fn entry(raw: &Value) -> Option<IndexEntry> {
    let artifact_type = match raw.get("artifactType") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(_) => return None,
    };
    Some(IndexEntry { descriptor: descriptor(raw)?, artifact_type })
}

/// The three fields that every descriptor has; others are passed over.
pub(super) fn descriptor(raw: &Value) -> Option<Descriptor> {
    Some(Descriptor {
        media_type: raw.get("mediaType")?.as_str()?.to_owned(),
        digest: raw.get("digest")?.as_str()?.parse().ok()?,
        size: raw.get("size")?.as_u64()?,
    })
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::of(b"x")
    }

    #[test]
    fn what_is_no_image_index_is_refused() {
        let entry = format!(r#"{{"mediaType":"m","digest":"{}","size":1}}"#, digest());
        for good in [
            r#"{"manifests":[]}"#.to_owned(),
            r#"{"schemaVersion":2,"manifests":null}"#.to_owned(),
            format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE_INDEX}","manifests":[{entry}],"unknown":1}}"#),
        ] {
            ImageIndex::parse(good.as_bytes()).unwrap();
        }
        let listing = |entry: &str| format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
        for (bad, says) in [
            (String::new(), "clean JSON"),
            ("[]".to_owned(), "another JSON value"),
            ("{}".to_owned(), "no list of `manifests`"),
            (r#"{"manifests":{}}"#.to_owned(), "no list of `manifests`"),
            (r#"{"schemaVersion":2,"config":{},"layers":[]}"#.to_owned(), "no list of `manifests`"),
            (r#"{"schemaVersion":1,"manifests":[]}"#.to_owned(), "schemaVersion"),
            (r#"{"mediaType":"application/x","manifests":[]}"#.to_owned(), "application/x"),
            (r#"{"manifests":[],"manifests":[]}"#.to_owned(), "stands twice"),
            (r#"{"manifests":[],"Manifests":[]}"#.to_owned(), "stands twice"),
            (listing("1"), "manifests[0]"),
            (listing(&format!("{entry},{{}}")), "manifests[1]"),
            (listing(&entry.replace("sha256:", "sha512:")), "manifests[0]"),
            (listing(&entry.replace(":1}", ":-1}")), "manifests[0]"),
            (listing(&entry.replace(":1}", r#":1,"artifactType":1}"#)), "manifests[0]"),
            (listing(&entry.replace(":1}", r#":1,"Size":2}"#)), "stands twice"),
        ] {
            let error = ImageIndex::parse(bad.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn what_others_wrote_survives_an_addition() {
        let foreign = format!(
            r#"{{"annotations":{{"by":"hand"}},"manifests":[{{"digest":"{}","mediaType":"m","new":[1],"platform":{{"os":"x"}},"size":1}}],"schemaVersion":2,"subject":{{"a":1}}}}"#,
            digest()
        );
        let mut index = ImageIndex::parse(foreign.as_bytes()).unwrap();
        assert_eq!(index.to_bytes(), foreign.as_bytes());
        assert_eq!(index.entries()[0].artifact_type, None);
        let descriptor = Descriptor::of("n", b"y");
        let new = IndexEntry { descriptor: descriptor.clone(), artifact_type: Some("t".into()) };
        index.add(new.clone(), &BTreeMap::from([("k".into(), "v".into())]));
        assert!(index.lists(&descriptor.digest) && index.lists(&digest()) && !index.lists(&Digest::of(b"z")));
        let text = String::from_utf8(index.to_bytes()).unwrap();
        for kept in [r#""by":"hand""#, r#""platform":{"os":"x"}"#, r#""new":[1]"#, r#""subject":{"a":1}"#] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let again = ImageIndex::parse(text.as_bytes()).unwrap();
        assert_eq!(again.entries()[1], new);
        assert_eq!(again, index);
    }
}
