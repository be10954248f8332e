//! The name of an OpenPGP key.
//!
//! Owns how fingerprints are parsed and printed. Knows no key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key's full fingerprint (40 or 64 hex digits, no blanks)")]
pub struct FingerprintError {
    text: String,
}

/// The full fingerprint of an OpenPGP key: 40 (version 4) or 64 (version 6) hex digits, upper case.
///
/// A short key id is not one: ids collide, and anyone can make a key that has a given short id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// The hex digits, upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_uppercase().into()))
        } else {
            Err(FingerprintError { text: text.chars().take(300).collect() })
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_full_fingerprints_only() {
        let v4 = "1020CF3C033D4F35BAE1C19E1226061C665DF13E";
        let v6 = "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9";
        for good in [v4, v6] {
            assert_eq!(good.parse::<Fingerprint>().unwrap().to_string(), good);
            assert_eq!(good.to_lowercase().parse::<Fingerprint>().unwrap().to_string(), good);
        }
        let spaced = "1020 CF3C 033D 4F35 BAE1  C19E 1226 061C 665D F13E";
        for bad in [
            "",
            "665DF13E",
            "1226061C665DF13E",
            &v4[1..],
            &format!("0x{v4}"),
            &format!(" {v4}"),
            spaced,
            &"é".repeat(20),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
