//! ASCII armor, read as leniently as RFC 9580 §6 allows: headers and the CRC24 mean nothing.
//!
//! Owns lines and base64. Knows no packet. What armor says is never signed, so nothing is lost by not believing it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding and trailing bits say nothing that the packets' own lengths do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The lines of a text without their ends, `\n` or `\r\n`.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Decodes what follows a BEGIN line, up to and with the END line; `None` when that is missing or the base64 is broken.
pub(super) fn decode<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut base64 = Vec::new();
    let mut in_data = true;
    loop {
        let line = lines.next()?.trim_ascii();
        if line.starts_with(b"-----END PGP ") {
            break;
        }
        let is_header = base64.is_empty() && line.contains(&b':');
        // A line that begins with `=` is the CRC24 (or stray padding): the data ends there.
        in_data &= !line.starts_with(b"=");
        if in_data && !is_header {
            base64.extend_from_slice(line);
        }
    }
    BASE64.decode(base64.trim_ascii_end()).ok()
}
