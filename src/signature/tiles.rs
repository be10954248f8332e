//! An entry that a log of the second kind has and does not give back: its place and proof, put together from the tiles that the
//! log publishes (<https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-checkpoint>).
//!
//! Owns the arithmetic of tiles. Believes nothing and verifies nothing: what comes of it is judged as any other signature.

use std::num::NonZeroU8;
use std::ops::Range;

use sigstore_sign::rekor::{Error, RekorV2Client};
use sigstore_sign::types::bundle::{CheckpointData, InclusionProof, LogId};
use sigstore_sign::types::{CanonicalizedBody, KindVersion, LogIndex, LogKeyId, Sha256Hash, TransparencyLogEntry};

use crate::oci::Digest;
use crate::signature::evidence::{signed_by, written};

/// How many hashes a full tile holds, and how many entries a full bundle of them.
const WIDTH: u64 = 256;
/// How many levels of the tree one tile spans: 2^8 is its width.
const SPAN: u32 = 8;
/// Far more entries than any log will ever have: sums of sizes below it do not overflow.
const MOST: u64 = 1 << 48;

/// The entry at this index, proven for the newest state of the log; `None` when the log publishes no tiles where it is written,
/// or is none of `logs`.
pub(super) async fn entry(
    client: &RekorV2Client,
    index: u64,
    logs: &[Vec<u8>],
) -> Result<Option<TransparencyLogEntry>, Error> {
    let checkpoint = match client.get_checkpoint().await {
        // Nothing is served here, or only what is written.
        Err(Error::Status { status: 404 | 501, .. }) => return Ok(None),
        checkpoint => checkpoint?,
    };
    let Some(log) = logs.iter().find(|log| signed_by(&checkpoint, log)) else { return Ok(None) };
    let size = checkpoint.tree_size();
    if index >= size || size > MOST {
        return Err(Error::Http(format!("its checkpoint is of {size} entries, and the entry is number {index}")));
    }
    let tile =
        async |row, number, width| client.get_tile(row, number, width).await.map(|tile| tile.bytes).map_err(passing);
    let hashes = proof(&tile, index, size).await?;
    let body = CanonicalizedBody::new(body(client, index, size).await?);
    let wrong = |error: sigstore_sign::types::Error| Error::InvalidResponse(error.to_string());
    let index = LogIndex::new(index).map_err(wrong)?;
    let written = CheckpointData::new(written(&checkpoint)).map_err(wrong)?;
    let proof = InclusionProof::new(index, *checkpoint.root_hash(), size, hashes, written);
    let log = LogId::new(LogKeyId::new(log.clone()));
    let entry = TransparencyLogEntry::new(index, log, KindVersion::HashedRekordV002, body);
    Ok(Some(entry.with_inclusion_proof(proof)))
}

/// What was logged, out of its bundle: entries one after the other, each with its length before it.
async fn body(client: &RekorV2Client, index: u64, size: u64) -> Result<Vec<u8>, Error> {
    let (number, place) = (index / WIDTH, index % WIDTH);
    let bundle = client.get_entry_bundle(number, width(number, size)).await.map_err(passing)?;
    let mut rest = &bundle.bytes[..];
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(entry.to_vec())
    };
    let mut entry = next();
    for _ in 0..place {
        entry = next();
    }
    entry.ok_or_else(|| Error::InvalidResponse(format!("its bundle {number} of entries lacks entry {index}")))
}

/// Gives the bytes of a tile: its row, its number there, how wide it is unless full.
trait Tile: AsyncFn(u32, u64, Option<NonZeroU8>) -> Result<Vec<u8>, Error> {}
impl<T: AsyncFn(u32, u64, Option<NonZeroU8>) -> Result<Vec<u8>, Error>> Tile for T {}

/// The hashes that lead from an entry to the root of a tree of this size (RFC 9162, 2.1.3.1).
async fn proof(tile: &impl Tile, index: u64, size: u64) -> Result<Vec<Sha256Hash>, Error> {
    let mut proof = Vec::new();
    for beside in siblings(index, size) {
        let mut hash = None;
        // From the right: what is left over there is the deepest.
        for (level, number) in subtrees(beside).into_iter().rev() {
            let left = node(tile, level, number, size).await?;
            hash = Some(hash.map_or(left, |right| parent(&left, &right)));
        }
        proof.extend(hash);
    }
    Ok(proof)
}

/// The ranges of entries beside the way from an entry to the root, the nearest first.
fn siblings(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut here, mut siblings) = (0..size, Vec::new());
    while here.end - here.start > 1 {
        let middle = here.start + (here.end - here.start).next_power_of_two() / 2;
        let (left, right) = (here.start..middle, middle..here.end);
        let (inside, beside) = if index < middle { (left, right) } else { (right, left) };
        siblings.push(beside);
        here = inside;
    }
    siblings.reverse();
    siblings
}

/// The full subtrees that make up a range, from the left: level and number there of each.
fn subtrees(mut range: Range<u64>) -> Vec<(u32, u64)> {
    let mut subtrees = Vec::new();
    while range.start < range.end {
        let level = (range.end - range.start).ilog2();
        subtrees.push((level, range.start >> level));
        range.start += 1 << level;
    }
    subtrees
}

/// The hash of a full subtree: a tile holds it, or those that it is made of.
async fn node(tile: &impl Tile, level: u32, number: u64, size: u64) -> Result<Sha256Hash, Error> {
    let (row, inside) = (level / SPAN, level % SPAN);
    let first = number << inside;
    let number = first / WIDTH;
    let bytes = tile(row, number, width(number, size >> (SPAN * row))).await?;
    let there = bytes.as_chunks().0.iter().copied().map(Sha256Hash::new);
    let (from, to) = (first % WIDTH, first % WIDTH + (1 << inside));
    let mut hashes: Vec<_> = (0..to).zip(there).filter(|(at, _)| *at >= from).map(|(_, hash)| hash).collect();
    if hashes.len() != 1 << inside {
        return Err(Error::InvalidResponse(format!("its tile {number} of row {row} is too short")));
    }
    while hashes.len() > 1 {
        hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| parent(left, right)).collect();
    }
    hashes.pop().ok_or_else(|| Error::InvalidResponse("it has an empty tile".to_owned()))
}

/// How much of a tile there is when its row has so many: all of it, or this many.
fn width(tile: u64, row: u64) -> Option<NonZeroU8> {
    let there = row.saturating_sub(tile * WIDTH);
    u8::try_from(there).ok().and_then(NonZeroU8::new)
}

fn parent(left: &Sha256Hash, right: &Sha256Hash) -> Sha256Hash {
    Sha256Hash::new(*Digest::of(&[&[1][..], left.as_bytes(), right.as_bytes()].concat()).as_bytes())
}

/// A tile that grew since its checkpoint was read may be gone: there is a newer checkpoint then.
fn passing(error: Error) -> Error {
    match error {
        Error::Status { status: 404, message } => Error::Http(message),
        other => other,
    }
}

#[cfg(test)]
mod tests;
