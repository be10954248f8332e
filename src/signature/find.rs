//! Looking for our signature of a published chart: what registries list, each candidate read and judged in full.
//!
//! Owns the difference between absent and unknown. Only absent may ever be signed.

use std::sync::Arc;

use bytes::Bytes;

use crate::oci::{Digest, Repository};
use crate::registry::{Artifact, Attached, ListedBy, Referrer, Referrers, Registry, RegistryError};
use crate::signature::attachment::{bundle_of, may_be_bundle};
use crate::signature::judge::{Judge, Signers, Verified};
use crate::signature::{Part, Place, Rejected};
use crate::work;

/// The most bytes of candidates that are read for one chart.
const BYTES: u64 = 16 << 20;

/// What looking for our signature gave.
#[derive(Debug, Clone)]
pub enum Look {
    /// The settings want none.
    NotWanted,
    /// A valid one of ours, as consumers find it.
    Present {
        /// Who made it.
        verified: Verified,
        /// How many more of ours there are, where all were asked for.
        more: usize,
    },
    /// A valid one of ours exists, but consumers do not find it: it can be put back.
    Lost(Box<Artifact>),
    /// None of ours; what was there instead, with the part of each that did not hold.
    Absent(Vec<(Digest, Rejected)>),
    /// No answer that means anything.
    Unknown(String),
}

/// How many of the candidates are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// None, if one that held before is listed still.
    Listed,
    /// Until one holds.
    First,
    /// All: more than one of ours is worth telling.
    All,
}

/// Everything that one look needs.
pub(super) struct Finder<'a> {
    pub(super) registry: &'a Registry,
    pub(super) place: Place<'a>,
    pub(super) judge: &'a Arc<Judge>,
    pub(super) signers: &'a Arc<Signers>,
}

/// What was read of a list of candidates.
#[derive(Debug, Default)]
struct Seen {
    /// Each with the artifact, where it is one that can be attached again.
    ours: Vec<(Option<Artifact>, Verified)>,
    rejected: Vec<(Digest, Rejected)>,
    /// Why some candidate could not be read.
    unread: Option<String>,
    bytes: u64,
}

impl Finder<'_> {
    fn repository(&self) -> &Repository {
        &self.place.reference.repository
    }

    /// Looks on the consumers' way first. `kept` is an artifact of ours that was seen or made before, if there is one.
    /// Gives the one that was found beside the answer, to be kept.
    pub(super) async fn look(&self, kept: Option<Artifact>, thoroughness: Thoroughness) -> (Look, Option<Artifact>) {
        let kept = match kept {
            Some(kept) => self.judged(kept.bytes(), kept.layer().1).await.ok().map(|verified| (kept, verified)),
            None => None,
        };
        let listed = match self.registry.referrers(self.repository(), self.place.digest).await {
            Ok(listed) => listed,
            Err(error) => return (Look::Unknown(error.to_string()), None),
        };
        self.look_at(listed, kept, thoroughness).await
    }

    /// Looks right after something was attached, as consumers do.
    pub(super) async fn look_after(&self, attached: Attached) -> (Look, Option<Artifact>) {
        match self.registry.referrers_after(attached, self.repository(), self.place.digest).await {
            Ok(listed) => self.look_at(listed, None, Thoroughness::First).await,
            Err(error) => (Look::Unknown(error.to_string()), None),
        }
    }

    async fn look_at(
        &self,
        listed: Referrers,
        kept: Option<(Artifact, Verified)>,
        thoroughness: Thoroughness,
    ) -> (Look, Option<Artifact>) {
        if let Some((kept, verified)) = &kept
            && thoroughness == Thoroughness::Listed
            && listed.listed.iter().any(|referrer| referrer.descriptor.digest == kept.descriptor().digest)
        {
            return (Look::Present { verified: verified.clone(), more: 0 }, None);
        }
        let mut seen = Seen::default();
        self.read_all(&listed.listed, thoroughness, &mut seen).await;
        let more = seen.ours.len().saturating_sub(1);
        if let Some((found, verified)) = seen.ours.into_iter().next() {
            return (Look::Present { verified, more }, found);
        }
        let mut unread = seen.unread.or(listed.cut);
        let mut rejected = seen.rejected;
        let mut lost = kept.map(|(kept, _)| kept);
        if listed.by == ListedBy::Api && lost.is_none() && unread.is_none() {
            // Where a registry learned the API late, what it lists may lack what was attached before.
            match self.registry.fallback_index(self.repository(), self.place.digest).await {
                Ok(index) => {
                    let mut seen = Seen::default();
                    self.read_all(&index.listed, Thoroughness::First, &mut seen).await;
                    lost = seen.ours.into_iter().find_map(|(found, _)| found);
                    unread = seen.unread.or(index.cut);
                    rejected.extend(seen.rejected);
                }
                Err(error) => unread = Some(error.to_string()),
            }
        }
        match (lost, unread) {
            (Some(lost), None) => (Look::Lost(Box::new(lost)), None),
            (_, Some(reason)) => (Look::Unknown(reason), None),
            (None, None) => (Look::Absent(rejected), None),
        }
    }

    async fn read_all(&self, listed: &[Referrer], thoroughness: Thoroughness, seen: &mut Seen) {
        for referrer in listed.iter().filter(|referrer| may_be_bundle(referrer.artifact_type.as_deref())) {
            let digest = referrer.descriptor.digest;
            match self.read(&digest, seen).await {
                Ok(Ok(found)) => {
                    seen.ours.push(found);
                    if thoroughness != Thoroughness::All {
                        return;
                    }
                }
                // What a wrong clock says of it is no answer.
                Ok(Err(rejected)) if rejected.part == Part::Clock => seen.unread = Some(rejected.detail),
                Ok(Err(rejected)) => seen.rejected.push((digest, rejected)),
                Err(reason) => seen.unread = Some(reason),
            }
            if seen.bytes > BYTES {
                seen.unread = Some(format!("the attached bundles have more than {} MiB", BYTES >> 20));
                return;
            }
        }
    }

    /// Reads and judges one candidate. The outer error says why it could not be read.
    async fn read(
        &self,
        digest: &Digest,
        seen: &mut Seen,
    ) -> Result<Result<(Option<Artifact>, Verified), Rejected>, String> {
        let gone = |error: RegistryError, what: &str| match error {
            RegistryError::NotFound { .. } => {
                Ok(Err(Rejected::new(Part::ImageManifest, format!("it is listed, but its {what} is not there"))))
            }
            other => Err(other.to_string()),
        };
        let image = match self.registry.manifest(self.repository(), digest).await {
            Ok(image) => image,
            Err(error) => return gone(error, "image manifest"),
        };
        seen.bytes += image.len() as u64;
        let descriptor = match bundle_of(&image, self.place.digest) {
            Ok(descriptor) => descriptor,
            Err(rejected) => return Ok(Err(rejected)),
        };
        seen.bytes = seen.bytes.saturating_add(descriptor.size);
        if seen.bytes > BYTES {
            return Ok(Err(Rejected::new(Part::Bundle, "it is too large to be read")));
        }
        let bundle = match self.registry.blob(self.repository(), &descriptor).await {
            Ok(bundle) => bundle,
            Err(error) => return gone(error, "bundle"),
        };
        let judged = self.judged(&image, &bundle).await;
        Ok(judged.map(|verified| (Artifact::read(image, bundle).ok(), verified)))
    }

    /// Judges off the async threads: a bundle takes some signatures of elliptic curves.
    pub(super) async fn judged(&self, image: &Bytes, bundle: &Bytes) -> Result<Verified, Rejected> {
        let (image, bundle) = (image.clone(), bundle.clone());
        let (judge, signers) = (Arc::clone(self.judge), Arc::clone(self.signers));
        let (reference, digest) = (self.place.reference.clone(), *self.place.digest);
        let judged = work::run(move || {
            let place = Place { reference: &reference, digest: &digest };
            bundle_of(&image, &digest)?;
            judge.judge(&bundle, place, &signers)
        });
        judged.await.unwrap_or_else(|panicked| Err(Rejected::new(Part::Bundle, panicked)))
    }
}
