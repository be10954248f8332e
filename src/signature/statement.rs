//! What a signature says: the in-toto statement that cosign signs, with the chart's place as annotations of its one subject.
//!
//! Owns the statement's bytes and how those of others are read. Knows no signature.

use serde_json::{Value, json};

use crate::oci::{Digest, Reference, Target, strict_json};
use crate::signature::{Part, Rejected};

/// What the payload of the envelope is.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// What `cosign sign` says about an image; an attestation by the same identity says something else.
pub(super) const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Where a chart is published, and which bytes stand there: what a signature of ours names.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Repository and tag at the destination.
    pub reference: &'a Reference,
    /// The image manifest.
    pub digest: &'a Digest,
}

impl Place<'_> {
    pub(super) fn repository(&self) -> &str {
        self.reference.repository.as_str()
    }

    /// The tag; a reference by digest has none.
    pub(super) fn tag(&self) -> &str {
        match &self.reference.target {
            Target::Tag(tag) => tag.as_str(),
            Target::Digest(_) => "",
        }
    }

    /// The statement, byte for byte as it is signed.
    pub(super) fn statement(&self) -> Vec<u8> {
        let annotations = json!({ "repository": self.repository(), "tag": self.tag() });
        let subject = json!({ "digest": { "sha256": self.digest.hex() }, "annotations": annotations });
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        });
        statement.to_string().into_bytes()
    }

    /// Whether this payload states exactly this: one subject, these bytes, this place.
    pub(super) fn check(&self, payload: &[u8]) -> Result<(), Rejected> {
        let statement = strict_json(payload).map_err(|error| Rejected::new(Part::Payload, error))?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let equal = |part, what: &str, found: &Value, expected: &str| {
            if found.as_str() == Some(expected) {
                return Ok(());
            }
            let found = if found.is_null() { "nothing".to_owned() } else { format!("`{}`", text(found)) };
            Err(Rejected::new(part, format!("{what} is {found} instead of `{expected}`")))
        };
        // First: it tells an attestation, whose statement may be of another version as well.
        equal(Part::PredicateType, "it", &statement["predicateType"], PREDICATE_TYPE)?;
        equal(Part::Payload, "the statement's type", &statement["_type"], STATEMENT_TYPE)?;
        let subjects = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [subject] = subjects else {
            return Err(Rejected::new(Part::Digest, format!("{} subjects instead of one", subjects.len())));
        };
        equal(Part::Digest, "the subject's sha256", &subject["digest"]["sha256"], &self.digest.hex())?;
        let annotations = &subject["annotations"];
        equal(Part::Place, "its repository", &annotations["repository"], self.repository())?;
        equal(Part::Place, "its tag", &annotations["tag"], self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_statement_passes() {
        let reference: Reference = "registry.example:5000/charts/demo:1.2.3_x".parse().unwrap();
        let digest = Digest::of(b"chart");
        let place = Place { reference: &reference, digest: &digest };
        let good: Value = serde_json::from_slice(&place.statement()).unwrap();
        place.check(&place.statement()).unwrap();
        assert_eq!(
            place.statement(),
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","predicate":{{}},"predicateType":"https://sigstore.dev/cosign/sign/v1","subject":[{{"annotations":{{"repository":"registry.example:5000/charts/demo","tag":"1.2.3_x"}},"digest":{{"sha256":"{}"}}}}]}}"#,
                digest.hex()
            )
            .into_bytes()
        );

        let refused = |part: Part, edit: &dyn Fn(&mut Value)| {
            let mut statement = good.clone();
            edit(&mut statement);
            let refusal = place.check(statement.to_string().as_bytes()).unwrap_err();
            assert_eq!(refusal.part, part, "{refusal}");
        };
        refused(Part::Payload, &|statement| statement["_type"] = json!("https://in-toto.io/Statement/v0.1"));
        refused(Part::PredicateType, &|statement| statement["predicateType"] = json!("https://slsa.dev/provenance/v1"));
        refused(Part::Digest, &|statement| statement["subject"] = json!([]));
        refused(Part::Digest, &|statement| {
            let again = statement["subject"][0].clone();
            statement["subject"].as_array_mut().unwrap().push(again);
        });
        refused(Part::Digest, &|statement| statement["subject"][0]["digest"]["sha256"] = json!(Digest::of(b"x").hex()));
        refused(Part::Digest, &|statement| statement["subject"][0]["digest"] = json!({ "sha512": "00" }));
        refused(Part::Place, &|statement| statement["subject"][0]["annotations"]["tag"] = json!("1.2.3"));
        refused(Part::Place, &|statement| statement["subject"][0]["annotations"]["tag"] = json!(["1.2.3_x"]));
        refused(Part::Place, &|statement| {
            statement["subject"][0]["annotations"]["repository"] = json!("registry.example/charts/demo");
        });
        refused(Part::Place, &|statement| {
            statement["subject"][0].as_object_mut().unwrap().remove("annotations");
        });

        assert_eq!(place.check(b"{").unwrap_err().part, Part::Payload);
        assert_eq!(place.check(br#"{"_type":"a","_type":"b"}"#).unwrap_err().part, Part::Payload);
        let mut more = good;
        more["subject"][0]["annotations"]["build"] = json!("7");
        place.check(more.to_string().as_bytes()).unwrap();
    }
}
