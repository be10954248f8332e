//! The image manifest of a packaged chart, as `helm push` writes it.
//!
//! Owns the bytes that a first-party chart's digest is made of, besides those of its blobs: Go's JSON of Helm's fields, no
//! media type of its own, and no time. Knows no place: the same package has one digest wherever it is published.

use bytes::Bytes;
use serde_json::{Value, json};

use super::image::{ARCHIVE, CONFIG, ChartImage, ImageError};
use crate::chart::package::{Package, go_json};
use crate::oci::Descriptor;

/// The image of a packaged chart without provenance.
pub fn assemble(package: &Package) -> Result<ChartImage, ImageError> {
    let config = descriptor(&Descriptor::of(CONFIG, &package.config));
    let archive = descriptor(&Descriptor::of(ARCHIVE, &package.archive));
    let annotations = go_json(&json!(package.annotations));
    let manifest =
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{archive}],"annotations":{annotations}}}"#);
    ChartImage::parse(Bytes::from(manifest))
}

fn descriptor(descriptor: &Descriptor) -> String {
    let Descriptor { media_type, digest, size } = descriptor;
    format!(r#"{{"mediaType":{},"digest":"{digest}","size":{size}}}"#, go_json(&Value::from(media_type.as_str())))
}
