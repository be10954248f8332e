//! The token of a time stamp, RFC 3161's answer: nothing in it may be changed unseen.
//!
//! Owns what no signature covers: the answer's status, versions, names of algorithms, the name of the signer, and the certificates
//! that are carried along. Each has one right value, or is in the trusted root. Digest, time, signature and the authority's
//! certificate are `sigstore-verify`'s, which takes the rest as it comes.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, TimestampToken};

use crate::signature::{Part, Rejected};

/// `PKIStatusInfo`: granted, and neither text nor a failure.
const GRANTED: &[u8] = &[0x30, 3, 2, 1, 0];
/// `CMSVersion` of what signs anything but plain data (RFC 5652, 5.1).
const SIGNED_DATA_VERSION: &[u8] = &[2, 1, 3];
/// `CMSVersion` of a signer that is named by issuer and serial number (RFC 5652, 5.3).
const SIGNER_VERSION: &[u8] = &[2, 1, 1];
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TIME_STAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// What is hashed with, and the signature of elliptic curves that goes with it: `sigstore-verify` takes no others.
const ALGORITHMS: [(ObjectIdentifier, ObjectIdentifier); 3] = [
    // SHA-256
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2")),
    // SHA-384
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3")),
    // SHA-512
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4")),
];
/// More than any structure of a token or a certificate holds.
const MOST: usize = 100;
/// `[0]` of a structure, with more inside.
const FIRST: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };

/// The time stamp authorities of a trusted root.
#[derive(Debug, Default)]
pub(super) struct Authorities(Vec<Authority>);

/// One, with everything that its tokens may say of it.
#[derive(Debug)]
struct Authority {
    /// Issuer and serial number of the certificate that signs, both as they stand there.
    name: Vec<u8>,
    /// From that certificate to its root.
    chain: Vec<Vec<u8>>,
}

impl Authorities {
    /// All that can be read: an authority whose certificate is none cannot have signed anything.
    pub(super) fn of(root: &TrustedRoot) -> Self {
        let authorities = root.tsa_authorities().into_iter().filter_map(|authority| {
            let intermediates = authority.intermediates.iter().chain([&authority.root]);
            let chain: Vec<_> = [&authority.leaf].into_iter().chain(intermediates).collect();
            let chain: Vec<_> = chain.into_iter().map(|certificate| certificate.as_bytes().to_vec()).collect();
            Some(Authority { name: name(chain.first()?).ok()?, chain })
        });
        Self(authorities.collect())
    }

    /// Whether each token of this bundle is as plain as one can be.
    pub(super) fn check(&self, bundle: &Bundle) -> Result<(), Rejected> {
        let stamps = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        stamps.iter().try_for_each(|stamp| self.plain(&stamp.signed_timestamp))
    }

    /// Whether this token is as plain as one can be.
    pub(super) fn plain(&self, stamp: &TimestampToken) -> Result<(), Rejected> {
        self.token(stamp.as_bytes()).map_err(|detail| Rejected::new(Part::TimeStamp, detail))
    }

    /// `TimeStampResp`, as strict as it is written.
    fn token(&self, bytes: &[u8]) -> Result<(), Wrong> {
        let [answer] = elements(bytes)?[..] else { return Err(Wrong::Shape) };
        let [status, content] = inside(answer, Tag::Sequence)?[..] else { return Err(Wrong::Shape) };
        is(status, GRANTED, Wrong::Status)?;
        let [kind, content] = inside(content, Tag::Sequence)?[..] else { return Err(Wrong::Shape) };
        named(kind, SIGNED_DATA)?;
        let [data] = inside(content, FIRST)?[..] else { return Err(Wrong::Shape) };
        // Without certificates, or with some; never with lists of revoked ones.
        let (version, digests, content, certificates, signers) = match inside(data, Tag::Sequence)?[..] {
            [version, digests, content, signers] => (version, digests, content, Vec::new(), signers),
            [version, digests, content, certificates, signers] => {
                (version, digests, content, inside(certificates, FIRST)?, signers)
            }
            _ => return Err(Wrong::Shape),
        };
        is(version, SIGNED_DATA_VERSION, Wrong::Version)?;
        let [kind, content] = inside(content, Tag::Sequence)?[..] else { return Err(Wrong::Shape) };
        named(kind, TIME_STAMP)?;
        let [content] = inside(content, FIRST)?[..] else { return Err(Wrong::Shape) };
        // What it says is the signer's: from here on only the wrapping is looked at.
        tagged(content, Tag::OctetString)?;
        let [digest] = inside(digests, Tag::Set)?[..] else { return Err(Wrong::Algorithm) };
        let [signer] = inside(signers, Tag::Set)?[..] else { return Err(Wrong::Signer) };
        let name = signed_by(signer, algorithm(digest)?)?;
        let mut known = self.0.iter().filter(|authority| authority.name == name).peekable();
        known.peek().ok_or(Wrong::Signer)?;
        if known.any(|authority| authority.has(&certificates)) { Ok(()) } else { Err(Wrong::Certificate) }
    }
}

impl Authority {
    /// Whether these are certificates of its chain, none of them twice.
    fn has(&self, certificates: &[AnyRef<'_>]) -> bool {
        let mut chain: Vec<_> = self.chain.iter().collect();
        certificates.iter().all(|certificate| {
            let certificate = certificate.to_der().unwrap_or_default();
            let found = chain.iter().position(|known| **known == certificate);
            found.map(|found| chain.swap_remove(found)).is_some()
        })
    }
}

/// `SignerInfo`, by a signer who hashes with this; gives the signer's name.
fn signed_by(signer: AnyRef<'_>, digest: ObjectIdentifier) -> Result<Vec<u8>, Wrong> {
    // What nobody signs would stand after the signature.
    let [version, name, hashed, attributes, scheme, signature] = inside(signer, Tag::Sequence)?[..] else {
        return Err(Wrong::Shape);
    };
    is(version, SIGNER_VERSION, Wrong::Version)?;
    // No other way to name a signer is known to cosign.
    tagged(name, Tag::Sequence)?;
    let fits = ALGORITHMS.contains(&(digest, algorithm(scheme)?));
    if algorithm(hashed)? != digest || !fits {
        return Err(Wrong::Algorithm);
    }
    // They are sorted before their signature is verified.
    let attributes = inside(attributes, FIRST)?;
    let attributes: Vec<_> = attributes.iter().map(AnyRef::to_der).collect::<Result<_, _>>()?;
    if !attributes.is_sorted() {
        return Err(Wrong::Shape);
    }
    tagged(signature, Tag::OctetString)?;
    Ok(name.value().to_vec())
}

/// `AlgorithmIdentifier` of an algorithm that has no parameters, which some write down as nothing and some as `NULL`.
fn algorithm(identifier: AnyRef<'_>) -> Result<ObjectIdentifier, Wrong> {
    match inside(identifier, Tag::Sequence)?[..] {
        [name] => Ok(name.decode_as()?),
        [name, parameters] if parameters.is_null() => Ok(name.decode_as()?),
        _ => Err(Wrong::Algorithm),
    }
}

/// Issuer and serial number of a certificate, one after the other, as they stand there.
fn name(certificate: &[u8]) -> Result<Vec<u8>, Wrong> {
    let [certificate] = elements(certificate)?[..] else { return Err(Wrong::Shape) };
    let [certified, _, _] = inside(certificate, Tag::Sequence)?[..] else { return Err(Wrong::Shape) };
    // Its version comes first, where it is not the first version.
    match inside(certified, Tag::Sequence)?[..] {
        [version, serial, _, issuer, ..] if version.tag() == FIRST => Ok([issuer.to_der()?, serial.to_der()?].concat()),
        [serial, _, issuer, ..] => Ok([issuer.to_der()?, serial.to_der()?].concat()),
        _ => Err(Wrong::Shape),
    }
}

/// What is inside an element of this kind.
fn inside(element: AnyRef<'_>, tag: Tag) -> Result<Vec<AnyRef<'_>>, Wrong> {
    tagged(element, tag)?;
    elements(element.value())
}

/// Element after element, to the last byte. There is only one way to write each.
fn elements(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, Wrong> {
    let (mut reader, mut elements) = (SliceReader::new(bytes)?, Vec::new());
    while !reader.is_finished() {
        if elements.len() == MOST {
            return Err(Wrong::Shape);
        }
        elements.push(AnyRef::decode(&mut reader)?);
    }
    Ok(elements)
}

fn tagged(element: AnyRef<'_>, tag: Tag) -> Result<(), Wrong> {
    if element.tag() == tag { Ok(()) } else { Err(Wrong::Shape) }
}

fn named(element: AnyRef<'_>, name: ObjectIdentifier) -> Result<(), Wrong> {
    if element.decode_as::<ObjectIdentifier>()? == name { Ok(()) } else { Err(Wrong::Shape) }
}

fn is(element: AnyRef<'_>, der: &[u8], wrong: Wrong) -> Result<(), Wrong> {
    if element.to_der()? == der { Ok(()) } else { Err(wrong) }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error("its token is not written as such answers are")]
    Shape,
    #[error("its status is not just `granted`")]
    Status,
    #[error("its token has another version")]
    Version,
    #[error("its token does not name one kind of digest, and its signature's")]
    Algorithm,
    #[error("its token does not name exactly one authority of the trusted root as its signer")]
    Signer,
    #[error("its token carries a certificate that is not its authority's in the trusted root")]
    Certificate,
}

impl From<der::Error> for Wrong {
    fn from(_: der::Error) -> Self {
        Self::Shape
    }
}

#[cfg(test)]
mod tests;
