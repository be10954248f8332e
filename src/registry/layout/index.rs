//! A layout's `index.json` as data: which image manifests it names, and how one is added.
//!
//! Owns its shape as `oras` and `crane` write it. Keeps what it does not know. Touches no file.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::oci::{Descriptor, Digest, IMAGE_INDEX, IndexEntry, Repository, Tag, strict_json};

/// The annotation that carries a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The parsed `index.json`.
pub(super) struct Index {
    fields: Map<String, Value>,
    entries: Vec<Map<String, Value>>,
}

impl Index {
    /// The index of a new layout.
    pub(super) fn new() -> Self {
        let mut fields = Map::new();
        fields.insert("schemaVersion".into(), 2.into());
        fields.insert("mediaType".into(), IMAGE_INDEX.into());
        Self { fields, entries: Vec::new() }
    }

    /// Reads the file's bytes; the error completes "`index.json` …".
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Value::Object(mut fields) = strict_json(bytes).map_err(|error| format!("is not clean JSON: {error}"))?
        else {
            return Err("is not an object".into());
        };
        let entries = match fields.remove("manifests") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries
                .into_iter()
                .map(|entry| match entry {
                    Value::Object(entry) => Ok(entry),
                    _ => Err("names an image manifest that is not an object".to_owned()),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err("has `manifests` that are not a list".into()),
        };
        Ok(Self { fields, entries })
    }

    /// The image manifest that this tag names.
    ///
    /// A tag is written alone, as the specification and `oras` do, or behind its repository, as `crane` does.
    pub(super) fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Descriptor>, String> {
        let mut found: Option<Descriptor> = None;
        for entry in self.entries.iter().filter(|entry| names(entry, repository, tag)) {
            let entry = descriptor(entry)?;
            if found.as_ref().is_some_and(|other| other.digest != entry.digest) {
                return Err(format!("gives the tag {tag} to two image manifests"));
            }
            found = Some(entry);
        }
        Ok(found)
    }

    /// The image manifest of this digest, if the index names it.
    pub(super) fn with_digest(&self, digest: &Digest) -> Option<Descriptor> {
        self.entries.iter().filter(|entry| has_digest(entry, digest)).find_map(|entry| descriptor(entry).ok())
    }

    /// Every image manifest that it names; the error completes "`index.json` …".
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<IndexEntry, String>> {
        self.entries.iter().map(|entry| {
            let artifact_type = entry.get("artifactType").and_then(Value::as_str).map(str::to_owned);
            Ok(IndexEntry { descriptor: descriptor(entry)?, artifact_type })
        })
    }

    /// Every tag, sorted; names that are no tags are left out.
    pub(super) fn tags(&self, repository: &Repository) -> Vec<Tag> {
        let prefix = format!("{repository}:");
        let mut tags: Vec<Tag> = self
            .entries
            .iter()
            .filter_map(ref_name)
            .filter_map(|name| name.strip_prefix(&prefix).unwrap_or(name).parse().ok())
            .collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// Names an image manifest, by a tag or only by its digest; false if that changes nothing.
    ///
    /// What the tag named before stays, without a name, as `oras` leaves it.
    pub(super) fn put(&mut self, repository: &Repository, manifest: &Descriptor, tag: Option<&Tag>) -> bool {
        let Some(tag) = tag else {
            let entry = IndexEntry { descriptor: manifest.clone(), artifact_type: None };
            return self.put_untagged(&entry, &BTreeMap::new());
        };
        let changed = self.put_tagged(repository, manifest, tag);
        if changed {
            self.sort();
        }
        changed
    }

    /// Names an image manifest only by its digest, with what its descriptor says besides; false if it is named already.
    pub(super) fn put_untagged(&mut self, new: &IndexEntry, annotations: &BTreeMap<String, String>) -> bool {
        let missing = self.with_digest(&new.descriptor.digest).is_none();
        if missing {
            // A name is given, never brought along.
            let mut annotations = annotations.clone();
            annotations.remove(REF_NAME);
            self.entries.push(new.to_json(&annotations));
            self.sort();
        }
        missing
    }

    /// Names a list of referrers; the one that had this tag is forgotten, since nobody asks for it by its digest.
    pub(super) fn put_list(&mut self, repository: &Repository, list: &Descriptor, tag: &Tag) -> bool {
        self.entries.retain(|entry| !names(entry, repository, tag) || has_digest(entry, &list.digest));
        self.put(repository, list, Some(tag))
    }

    /// In one order, whatever order they came in.
    fn sort(&mut self) {
        self.entries.sort_by_cached_key(|entry| {
            let name = ref_name(entry).unwrap_or_default().to_owned();
            (name, entry.get("digest").map(ToString::to_string), Value::Object(entry.clone()).to_string())
        });
    }

    fn put_tagged(&mut self, repository: &Repository, manifest: &Descriptor, tag: &Tag) -> bool {
        let (mut there, mut changed) = (false, false);
        for entry in self.entries.iter_mut().filter(|entry| names(entry, repository, tag)) {
            if has_digest(entry, &manifest.digest) {
                there = true;
            } else {
                set_ref_name(entry, None);
                changed = true;
            }
        }
        if changed {
            self.drop_redundant();
        }
        if there {
            return changed;
        }
        let unnamed =
            self.entries.iter_mut().find(|entry| has_digest(entry, &manifest.digest) && ref_name(entry).is_none());
        if let Some(entry) = unnamed {
            set_ref_name(entry, Some(tag));
        } else {
            let mut entry = IndexEntry { descriptor: manifest.clone(), artifact_type: None }.to_json(&BTreeMap::new());
            set_ref_name(&mut entry, Some(tag));
            self.entries.push(entry);
        }
        true
    }

    /// Drops entries without a name that say nothing that another entry of that digest does not say.
    fn drop_redundant(&mut self) {
        let named: Vec<Value> = self
            .entries
            .iter()
            .filter(|entry| ref_name(entry).is_some())
            .filter_map(|entry| entry.get("digest").cloned())
            .collect();
        self.entries.retain(|entry| {
            let plain = entry.keys().all(|key| matches!(key.as_str(), "mediaType" | "digest" | "size"));
            !(plain && entry.get("digest").is_some_and(|digest| named.contains(digest)))
        });
    }

    /// The file's bytes.
    pub(super) fn render(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let entries = self.entries.iter().cloned().map(Value::Object).collect();
        fields.insert("manifests".into(), Value::Array(entries));
        format!("{:#}\n", Value::Object(fields)).into_bytes()
    }
}

fn descriptor(entry: &Map<String, Value>) -> Result<Descriptor, String> {
    let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default();
    let digest = digest.parse().map_err(|error| format!("names an image manifest by a wrong digest: {error}"))?;
    let size = entry.get("size").and_then(Value::as_u64).ok_or_else(|| format!("gives {digest} no size"))?;
    let media_type = entry.get("mediaType").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Descriptor { media_type, digest, size })
}

fn has_digest(entry: &Map<String, Value>, digest: &Digest) -> bool {
    entry.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok()) == Some(*digest)
}

fn ref_name(entry: &Map<String, Value>) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

fn names(entry: &Map<String, Value>, repository: &Repository, tag: &Tag) -> bool {
    ref_name(entry).is_some_and(|name| name == tag.as_str() || name == format!("{repository}:{tag}"))
}

fn set_ref_name(entry: &mut Map<String, Value>, tag: Option<&Tag>) {
    let mut annotations = match entry.remove("annotations") {
        Some(Value::Object(annotations)) => annotations,
        _ => Map::new(),
    };
    match tag {
        Some(tag) => annotations.insert(REF_NAME.into(), tag.as_str().into()),
        None => annotations.remove(REF_NAME),
    };
    if !annotations.is_empty() {
        entry.insert("annotations".into(), Value::Object(annotations));
    }
}
