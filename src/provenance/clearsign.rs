//! The cleartext signature framework, decoded as Helm's own decoder does.
//!
//! Owns what is signed text and what is signature. Knows no key and no YAML. An own decoder, because three readings of one
//! file (Helm's, gpg's, sequoia's) differ in what they take for the signed text, and the chart's consumer uses Helm's.

use super::armor;

/// The most bytes that a provenance file may have.
pub const LIMIT: usize = 1 << 20;

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// What Helm takes for the name of a hash, in upper or lower case, whatever the signature was made with.
const HASHES: [&str; 9] = ["MD5", "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-512"];

/// Why a file is not one clear-signed text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClearSignError {
    /// More bytes than [`LIMIT`].
    #[error("it has {size} bytes, more than the {LIMIT} allowed")]
    TooLarge {
        /// Its bytes.
        size: usize,
    },
    /// No line is the BEGIN line.
    #[error("it has no line `-----BEGIN PGP SIGNED MESSAGE-----`")]
    NoBlock,
    /// More than one block: two readers could take different ones.
    #[error("it has {found} clear-signed blocks; exactly one is allowed")]
    SeveralBlocks {
        /// How many lines begin one.
        found: usize,
    },
    /// Something other than `Hash:` headers of hashes that Helm knows and an empty line follows the BEGIN line.
    #[error("only `Hash:` headers, of hashes that helm knows, and then an empty line may follow the BEGIN line")]
    Header,
    /// The text has no signature behind it, or a broken one.
    #[error("the signature behind the text is missing, cut off or not base64")]
    Signature,
    /// The signed text is not UTF-8.
    #[error("the signed text is not UTF-8")]
    NotUtf8,
}

/// A clear-signed text, taken apart. None of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClearSigned {
    /// The text as people read it: every line ends in `\n`.
    pub(super) text: String,
    /// The bytes that the signature covers: the same lines joined by `\r\n`, without an end after the last.
    pub(super) signed: Vec<u8>,
    /// The signature's packets, as they came.
    pub(super) signature: Vec<u8>,
}

/// Takes a clear-signed file apart. Text around the one block is ignored, as Helm ignores it.
pub(super) fn decode(file: &[u8]) -> Result<ClearSigned, ClearSignError> {
    if file.len() > LIMIT {
        return Err(ClearSignError::TooLarge { size: file.len() });
    }
    match armor::lines(file).filter(|line| line.starts_with(MESSAGE)).count() {
        0 => return Err(ClearSignError::NoBlock),
        1 => {}
        found => return Err(ClearSignError::SeveralBlocks { found }),
    }
    let mut lines = armor::lines(file).skip_while(|line| !line.starts_with(MESSAGE));
    if lines.next() != Some(MESSAGE) {
        return Err(ClearSignError::Header);
    }
    skip_headers(&mut lines)?;
    let (text, signed) = read_text(&mut lines)?;
    let text = String::from_utf8(text).map_err(|_| ClearSignError::NotUtf8)?;
    let signature = armor::decode(&mut lines).ok_or(ClearSignError::Signature)?;
    Ok(ClearSigned { text, signed, signature })
}

/// The `Hash:` headers are unsigned: those that Helm lets through are let through, never believed.
fn skip_headers<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<(), ClearSignError> {
    for line in lines {
        if line.is_empty() {
            return Ok(());
        }
        let Some((name, hashes)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else { break };
        let is_known = |hash: &str| HASHES.iter().any(|known| known.eq_ignore_ascii_case(hash.trim()));
        let printable = line.iter().all(|byte| (0x20..0x7f).contains(byte));
        if name.trim() != "Hash" || !hashes.split(',').all(is_known) || !printable {
            break;
        }
    }
    Err(ClearSignError::Header)
}

/// Reads up to and with the line that begins the signature; gives the text and the bytes that are signed.
fn read_text<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<(Vec<u8>, Vec<u8>), ClearSignError> {
    let (mut text, mut signed) = (Vec::new(), Vec::new());
    let mut first = true;
    for line in lines {
        if line == SIGNATURE {
            return Ok((text, signed));
        }
        // The line end before the signature is not signed, so each is written with the line that follows it.
        if !std::mem::take(&mut first) {
            signed.extend_from_slice(b"\r\n");
        }
        let line = line.strip_prefix(b"- ").unwrap_or(line);
        let end = line.iter().rposition(|byte| !b" \t".contains(byte)).map_or(0, |last| last + 1);
        signed.extend_from_slice(&line[..end]);
        text.extend_from_slice(&line[..end]);
        text.push(b'\n');
    }
    Err(ClearSignError::Signature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = "-----BEGIN PGP SIGNATURE-----\n\nAQID\n-----END PGP SIGNATURE-----\n";

    fn check(head: &str, expect: &Result<(&str, &str), ClearSignError>) {
        for file in [format!("{head}{TAIL}"), format!("{head}{TAIL}").replace('\n', "\r\n")] {
            let found = decode(file.as_bytes());
            let found = found.map(|block| {
                assert_eq!(block.signature, [1, 2, 3], "{file:?}");
                (block.text, String::from_utf8(block.signed).unwrap())
            });
            let expect = expect.clone().map(|(text, signed)| (text.to_owned(), signed.to_owned()));
            assert_eq!(found, expect, "{file:?}");
        }
    }

    #[test]
    fn decodes_as_helm_does() {
        let begin = "-----BEGIN PGP SIGNED MESSAGE-----\n";
        check(&format!("{begin}Hash: SHA512\n\na\nb\n"), &Ok(("a\nb\n", "a\r\nb")));
        check(&format!("{begin}\na\n"), &Ok(("a\n", "a")));
        check(&format!("{begin}Hash: SHA256, MD5\nHash: sha3-512 \n\na\n"), &Ok(("a\n", "a")));
        check(&format!("{begin}Hash: X\n\na\n"), &Err(ClearSignError::Header));
        check(&format!("{begin}Hash: SHA256,\n\na\n"), &Err(ClearSignError::Header));
        check(&format!("{begin}Hash:\n\na\n"), &Err(ClearSignError::Header));
        check(&format!("junk\n{begin}\na\n\n"), &Ok(("a\n\n", "a\r\n")));
        check(&format!("{begin}\n- -x\n- y\n-z\n"), &Ok(("-x\ny\n-z\n", "-x\r\ny\r\n-z")));
        check(&format!("{begin}\na \t\n- b \n"), &Ok(("a\nb\n", "a\r\nb")));
        check(begin, &Err(ClearSignError::Header));
        check(&format!("{begin}a\n"), &Err(ClearSignError::Header));
        check(&format!("{begin}Comment: x\n\na\n"), &Err(ClearSignError::Header));
        check(&format!("{begin}Hash: \u{e9}\n\na\n"), &Err(ClearSignError::Header));
        check(&format!("{} \n\na\n", begin.trim_end()), &Err(ClearSignError::Header));
        check(&format!(" {begin}\na\n"), &Err(ClearSignError::NoBlock));
        check("", &Err(ClearSignError::NoBlock));
        check(&format!("{begin}\na\n{TAIL}{begin}\na\n"), &Err(ClearSignError::SeveralBlocks { found: 2 }));
    }

    #[test]
    fn a_broken_signature_is_refused() {
        let head = "-----BEGIN PGP SIGNED MESSAGE-----\n\na\n";
        for (tail, expect) in [
            ("-----BEGIN PGP SIGNATURE-----\n\nAQID\n=AAAA\n-----END PGP SIGNATURE-----\njunk", Some(&[1, 2, 3][..])),
            ("-----BEGIN PGP SIGNATURE-----\nVersion: x\n\nAQI=\n=AAAA\n-----END PGP SIGNATURE-----", Some(&[1, 2])),
            ("-----BEGIN PGP SIGNATURE-----\n\nAQI\n-----END PGP SIGNATURE-----", Some(&[1, 2])),
            ("-----BEGIN PGP SIGNATURE-----\n\nAQID\n=AAAA\n", None),
            ("-----BEGIN PGP SIGNATURE-----\n\nA*ID\n-----END PGP SIGNATURE-----\n", None),
            ("-----BEGIN PGP SIGNATURE----- \n\nAQID\n-----END PGP SIGNATURE-----\n", None),
            ("", None),
        ] {
            let found = decode(format!("{head}{tail}").as_bytes());
            assert_eq!(
                found.map(|block| block.signature),
                expect.map(Vec::from).ok_or(ClearSignError::Signature),
                "{tail}"
            );
        }
    }

    #[test]
    fn size_is_bounded() {
        assert_eq!(decode(&vec![b'a'; LIMIT + 1]), Err(ClearSignError::TooLarge { size: LIMIT + 1 }));
    }

    proptest! {
        #[test]
        fn any_text_survives_signing(text in "([ -~]{0,8}\n){0,8}") {
            let escaped: String = text.lines().flat_map(|line| ["- ", line, "\n"]).collect();
            let file = format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{escaped}{TAIL}");
            let block = decode(file.as_bytes()).unwrap();
            let expect: String = text.lines().flat_map(|line| [line.trim_end_matches([' ', '\t']), "\n"]).collect();
            prop_assert_eq!(&block.text, &expect);
            prop_assert_eq!(block.signed, expect.strip_suffix('\n').unwrap_or("").replace('\n', "\r\n").into_bytes());
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            parts in proptest::collection::vec(prop_oneof![
                any::<Vec<u8>>(),
                Just(MESSAGE.to_vec()),
                Just(SIGNATURE.to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\r\n\r\n".to_vec()),
                Just(b"Hash: x".to_vec()),
                Just(b"AQID=".to_vec()),
                Just(b"-----END PGP SIGNATURE-----".to_vec()),
            ], 0..24)
        ) {
            let _ = decode(&parts.concat());
        }
    }
}
