//! One of several runs that share the work: which charts are whose.
//!
//! Owns the division, which rests on the destination alone: every run, and a rerun next week, divides alike, and all versions
//! of a chart share their tokens and their lists of referrers. Knows no process and no request.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::oci::Repository;

/// The most runs that may share the work: as many jobs as GitHub's matrix takes.
pub const MOST_SHARDS: u32 = 256;

/// The `index`-th, from 1, of so many runs; written `index/of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: NonZeroU32,
    of: NonZeroU32,
}

impl Shard {
    /// This one of so many, unless there are not as many, or more than [`MOST_SHARDS`].
    #[must_use]
    pub fn new(index: u32, of: u32) -> Option<Self> {
        let (index, of) = (NonZeroU32::new(index)?, NonZeroU32::new(of)?);
        (index <= of && of.get() <= MOST_SHARDS).then_some(Self { index, of })
    }

    /// How many share the work.
    #[must_use]
    pub fn of(self) -> NonZeroU32 {
        self.of
    }

    /// Whether the charts of this destination are this run's.
    #[must_use]
    pub fn takes(self, destination: &Repository) -> bool {
        let hash = blake3::hash(destination.as_str().as_bytes());
        // The hash as one large number, taken apart byte by byte.
        let of = u64::from(self.of.get());
        let remainder = hash.as_bytes().iter().fold(0, |remainder, byte| (remainder * 256 + u64::from(*byte)) % of);
        remainder == u64::from(self.index.get() - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Why a text is not a shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write which of how many, as in `3/8`: from 1, and {MOST_SHARDS} at most")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, of) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().map_err(|_| ShardError) } else { Err(ShardError) }
        };
        Self::new(number(index)?, number(of)?).ok_or(ShardError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        for text in ["1/1", "3/8", "256/256"] {
            assert_eq!(text.parse::<Shard>().map(|shard| shard.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "1", "0/8", "9/8", "1/0", "1/257", "-1/8", "+1/8", "1/8/8", "1 /8", "a/b", "1/99999999999"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
    }

    #[test]
    fn each_destination_is_one_shards_for_good() {
        let shards: Vec<Shard> = (1..=8).map(|index| Shard::new(index, 8).unwrap()).collect();
        let mut counts = [0; 8];
        for number in 0..800 {
            let destination = format!("registry.example/charts/chart-{number}").parse().unwrap();
            let takers: Vec<usize> = (0..8).filter(|at| shards[*at].takes(&destination)).collect();
            assert_eq!(takers.len(), 1, "{destination}");
            counts[takers[0]] += 1;
        }
        assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
        // Another division would leave what was half done to somebody else.
        let place = |name: &str| shards.iter().position(|shard| shard.takes(&name.parse().unwrap()));
        assert_eq!(place("ghcr.io/vexxhost/charts/cert-manager"), Some(PLACES[0]));
        assert_eq!(place("ghcr.io/vexxhost/charts/loopback-block"), Some(PLACES[1]));
    }

    const PLACES: [usize; 2] = [3, 7];
}
