//! OpenPGP packets: their framing, and signatures whose integers are written canonically.
//!
//! Owns lengths and MPIs. Verifies nothing. Go's x/crypto writes a signature's RSA integer as whole bytes, leading zero bits
//! counted, and most published chart signatures (and some keyrings) are of that kind; RFC 9580 §3.2 calls that malformed and
//! sequoia refuses it. No signature covers its own integers, so writing them anew changes nothing that anyone signed.

use std::borrow::Cow;

/// Packet types that this module's users ask about (RFC 9580 §5).
pub(super) mod tag {
    pub(in crate::provenance) const SIGNATURE: u8 = 2;
    pub(in crate::provenance) const SECRET_KEY: u8 = 5;
    pub(in crate::provenance) const PUBLIC_KEY: u8 = 6;
    pub(in crate::provenance) const MARKER: u8 = 10;
    pub(in crate::provenance) const TRUST: u8 = 12;
    pub(in crate::provenance) const PADDING: u8 = 21;
}

/// The signature subpacket that carries a whole signature (RFC 9580 §5.2.3.34).
const EMBEDDED_SIGNATURE: u8 = 32;

/// Why bytes are not a sequence of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// No packet begins here.
    #[error("byte {offset} does not begin an OpenPGP packet")]
    NotAPacket {
        /// Where, from the first byte.
        offset: usize,
    },
    /// The packet says that it is longer than what is there.
    #[error("the packet at byte {offset} is cut off")]
    CutOff {
        /// Where it begins.
        offset: usize,
    },
    /// A length that only data packets may have.
    #[error("the packet at byte {offset} has a partial or indeterminate length")]
    OpenLength {
        /// Where it begins.
        offset: usize,
    },
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Its type.
    pub(super) tag: u8,
    /// Its content.
    pub(super) body: &'a [u8],
    /// All of it, header included.
    raw: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet with canonical integers if it is a signature, else as it came.
    pub(super) fn canonical(&self) -> Cow<'a, [u8]> {
        if self.tag != tag::SIGNATURE {
            return Cow::Borrowed(self.raw);
        }
        match canonical_signature(self.body, Depth::Packet) {
            Some(body) if body != self.body => Cow::Owned(write_packet(tag::SIGNATURE, &body)),
            _ => Cow::Borrowed(self.raw),
        }
    }
}

/// Splits bytes into packets; stops at the first error, since nothing says where the next one begins.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<Packet<'_>>, PacketError> {
    let mut packets = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let packet = read_packet(&bytes[offset..], offset)?;
        offset += packet.raw.len();
        packets.push(packet);
    }
    Ok(packets)
}

fn read_packet(bytes: &[u8], offset: usize) -> Result<Packet<'_>, PacketError> {
    let cut_off = PacketError::CutOff { offset };
    let (&first, rest) = bytes.split_first().ok_or(cut_off)?;
    if first & 0x80 == 0 {
        return Err(PacketError::NotAPacket { offset });
    }
    let (tag, length_octets, length) = if first & 0x40 != 0 {
        if let Some(224..=254) = rest.first() {
            return Err(PacketError::OpenLength { offset });
        }
        let (octets, length) = read_length(rest, 224).ok_or(cut_off)?;
        (first & 0x3f, octets, length)
    } else {
        let octets = match first & 3 {
            3 => return Err(PacketError::OpenLength { offset }),
            kind => 1 << kind,
        };
        (first >> 2 & 0xf, octets, big_endian(rest.get(..octets).ok_or(cut_off)?))
    };
    let start = 1 + length_octets;
    let end = start.checked_add(length).ok_or(cut_off)?;
    let body = bytes.get(start..end).ok_or(cut_off)?;
    Ok(Packet { tag, body, raw: &bytes[..end] })
}

/// A length of 1, 2 or 5 octets, and how many octets; two-octet ones begin below `two_octets_end`.
fn read_length(bytes: &[u8], two_octets_end: u8) -> Option<(usize, usize)> {
    match *bytes.first()? {
        first @ 0..192 => Some((1, usize::from(first))),
        first if first < two_octets_end => {
            Some((2, (usize::from(first - 192) << 8) + usize::from(*bytes.get(1)?) + 192))
        }
        255 => Some((5, big_endian(bytes.get(1..5)?))),
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

#[expect(clippy::cast_possible_truncation, reason = "each branch bounds what it writes")]
fn write_length(out: &mut Vec<u8>, length: usize) {
    match length {
        0..192 => out.push(length as u8),
        192..8384 => out.extend_from_slice(&[((length - 192) >> 8) as u8 + 192, (length - 192) as u8]),
        _ => {
            out.push(255);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn write_packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc0 | tag];
    write_length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

/// Whether a signature stands on its own or inside another's subpacket: no deeper one is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Packet,
    Embedded,
}

/// The body of a version 3 or 4 signature with canonical integers; `None` when it is of another kind or does not hold together
/// (then it goes to sequoia as it is, which tells what is wrong).
fn canonical_signature(body: &[u8], depth: Depth) -> Option<Vec<u8>> {
    match body.first()? {
        // version, 5, type, time (4), issuer (8), key algorithm, digest algorithm, digest prefix (2), integers
        3 => {
            let (head, integers) = body.split_at_checked(19)?;
            let mut out = head.to_vec();
            write_integers(&mut out, integers, head[15])?;
            Some(out)
        }
        // version, type, key algorithm, digest algorithm, hashed area, unhashed area, digest prefix (2), integers
        4 => {
            let (head, rest) = body.split_at_checked(4)?;
            let (hashed, rest) = read_area(rest)?;
            let (unhashed, rest) = read_area(rest)?;
            let (prefix, integers) = rest.split_at_checked(2)?;
            let unhashed = match depth {
                Depth::Packet => canonical_area(unhashed).map_or(Cow::Borrowed(unhashed), Cow::Owned),
                Depth::Embedded => Cow::Borrowed(unhashed),
            };
            let mut out = head.to_vec();
            write_area(&mut out, hashed)?;
            write_area(&mut out, &unhashed)?;
            out.extend_from_slice(prefix);
            write_integers(&mut out, integers, head[2])?;
            Some(out)
        }
        _ => None,
    }
}

fn read_area(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(big_endian(length))
}

fn write_area(out: &mut Vec<u8>, area: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(area.len()).ok()?.to_be_bytes());
    out.extend_from_slice(area);
    Some(())
}

/// An unhashed area whose embedded signatures have canonical integers (in the hashed area they are signed, and stay).
fn canonical_area(mut area: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(area.len());
    while !area.is_empty() {
        // Two-octet lengths of subpackets go up to 254: there are no partial ones.
        let (octets, length) = read_length(area, 255)?;
        let (subpacket, rest) = area.split_at_checked(octets.checked_add(length)?)?;
        let (&kind, content) = subpacket[octets..].split_first()?;
        let canonical = (kind & 0x7f == EMBEDDED_SIGNATURE)
            .then(|| canonical_signature(content, Depth::Embedded))
            .flatten()
            .filter(|canonical| canonical != content);
        match canonical {
            Some(content) => {
                write_length(&mut out, content.len() + 1);
                out.push(kind);
                out.extend_from_slice(&content);
            }
            None => out.extend_from_slice(subpacket),
        }
        area = rest;
    }
    Some(out)
}

/// Writes a signature's integers without leading zero bits, and whatever follows them as it is.
fn write_integers(out: &mut Vec<u8>, mut integers: &[u8], algorithm: u8) -> Option<()> {
    let count = match algorithm {
        1 | 3 => 1,                  // RSA
        16 | 17 | 19 | 20 | 22 => 2, // ElGamal, DSA, ECDSA, EdDSA
        _ => return None,
    };
    for _ in 0..count {
        let (bits, rest) = integers.split_at_checked(2)?;
        let (value, rest) = rest.split_at_checked(big_endian(bits).div_ceil(8))?;
        let value = &value[value.iter().take_while(|&&byte| byte == 0).count()..];
        let unused = value.first().map_or(0, |byte| byte.leading_zeros() as usize);
        out.extend_from_slice(&u16::try_from(value.len() * 8 - unused).ok()?.to_be_bytes());
        out.extend_from_slice(value);
        integers = rest;
    }
    out.extend_from_slice(integers);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_canonical(bytes: &[u8]) -> Result<Vec<u8>, PacketError> {
        Ok(split(bytes)?.iter().flat_map(|packet| packet.canonical().into_owned()).collect())
    }

    fn v4(algorithm: u8, unhashed: &[u8], integers: &[u8]) -> Vec<u8> {
        let mut body = vec![4, 0, algorithm, 8, 0, 1, 0xaa];
        write_area(&mut body, unhashed).unwrap();
        body.extend_from_slice(&[0xbe, 0xef]);
        body.extend_from_slice(integers);
        body
    }

    #[test]
    fn integers_become_canonical() {
        for (algorithm, from, to) in [
            (1, &[0, 16, 0x45, 1][..], &[0, 15, 0x45, 1][..]),
            (1, &[0, 24, 0, 0x45, 1], &[0, 15, 0x45, 1]),
            (1, &[0, 15, 0x45, 1], &[0, 15, 0x45, 1]),
            (1, &[0, 16, 0, 0], &[0, 0]),
            (17, &[0, 8, 1, 0, 16, 0, 0xff], &[0, 1, 1, 0, 8, 0xff]),
            (1, &[0, 8, 1, 9, 9], &[0, 1, 1, 9, 9]),
            // Cut off, or of a kind that has no such integers: as it came.
            (1, &[0, 24, 0, 1], &[0, 24, 0, 1]),
            (22, &[0, 8, 1], &[0, 8, 1]),
            (27, &[0, 16, 0x45, 1], &[0, 16, 0x45, 1]),
        ] {
            let packet = write_packet(tag::SIGNATURE, &v4(algorithm, &[], from));
            let expect = write_packet(tag::SIGNATURE, &v4(algorithm, &[], to));
            assert_eq!(all_canonical(&packet).unwrap(), expect, "{algorithm} {from:?}");
        }
        let v3 = |integer: &[u8]| [&[3, 5, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 1, 8, 0xbe, 0xef], integer].concat();
        let packet = write_packet(tag::SIGNATURE, &v3(&[0, 16, 0x45, 1]));
        assert_eq!(all_canonical(&packet).unwrap(), write_packet(tag::SIGNATURE, &v3(&[0, 15, 0x45, 1])));
    }

    #[test]
    fn an_embedded_signature_becomes_canonical_too() {
        let area = |integer: &[u8]| {
            let embedded = v4(1, &[], integer);
            let mut area = vec![5, 16, 1, 2, 3, 4];
            write_length(&mut area, embedded.len() + 1);
            area.push(EMBEDDED_SIGNATURE);
            area.extend(embedded);
            area
        };
        let packet = write_packet(tag::SIGNATURE, &v4(1, &area(&[0, 24, 0, 0x45, 1]), &[0, 1, 1]));
        let expect = write_packet(tag::SIGNATURE, &v4(1, &area(&[0, 15, 0x45, 1]), &[0, 1, 1]));
        assert_eq!(all_canonical(&packet).unwrap(), expect);
    }

    #[test]
    fn every_way_to_write_a_length_is_read() {
        let body = v4(1, &[], &[0, 16, 0x45, 1]);
        let expect = write_packet(tag::SIGNATURE, &v4(1, &[], &[0, 15, 0x45, 1]));
        let length = u8::try_from(body.len()).unwrap();
        for header in [
            &[0xc2, length][..],
            &[0xc2, 255, 0, 0, 0, length],
            &[0x88, length],
            &[0x89, 0, length],
            &[0x8a, 0, 0, 0, length],
        ] {
            assert_eq!(all_canonical(&[header, &body].concat()).unwrap(), expect, "{header:?}");
        }
        for (bytes, expect) in [
            (&[0x02, 1, 0][..], PacketError::NotAPacket { offset: 0 }),
            (&[0xc2, 0, 0x7f], PacketError::NotAPacket { offset: 2 }),
            (&[0xc2, 2, 0], PacketError::CutOff { offset: 0 }),
            (&[0xc2], PacketError::CutOff { offset: 0 }),
            (&[0xc2, 192], PacketError::CutOff { offset: 0 }),
            (&[0xc2, 255, 255, 255, 255, 255, 0], PacketError::CutOff { offset: 0 }),
            (&[0xc2, 224, 0], PacketError::OpenLength { offset: 0 }),
            (&[0x8b, 0, 0], PacketError::OpenLength { offset: 0 }),
        ] {
            assert_eq!(split(bytes), Err(expect), "{bytes:?}");
        }
    }

    /// Bytes that often are packets, signatures and subpackets.
    fn signature_like() -> impl Strategy<Value = Vec<u8>> {
        let any_bytes = proptest::collection::vec(any::<u8>(), 0..48);
        let integers = proptest::collection::vec(prop_oneof![Just(0u8), 1..=24u8, any::<u8>()], 0..24);
        let body = (prop_oneof![Just(1u8), Just(17), any::<u8>()], any_bytes.clone(), integers)
            .prop_map(|(algorithm, unhashed, integers)| v4(algorithm, &unhashed, &integers));
        let packet = prop_oneof![body, any_bytes.clone()].prop_map(|body| write_packet(tag::SIGNATURE, &body));
        proptest::collection::vec(prop_oneof![8 => packet, 1 => any_bytes], 0..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn rewriting_never_panics_and_is_idempotent(bytes in signature_like()) {
            if let Ok(once) = all_canonical(&bytes) {
                prop_assert_eq!(all_canonical(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = all_canonical(&bytes);
        }

        #[test]
        fn lengths_round_trip(length in 0usize..100_000) {
            let mut out = Vec::new();
            write_length(&mut out, length);
            prop_assert_eq!(read_length(&out, 224), Some((out.len(), length)));
        }
    }
}
