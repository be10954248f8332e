//! Key pairs as cosign writes them: the private key with its password, the public key.
//!
//! Owns their files' formats, through `sigstore`. A private key is read when something must be signed, and never shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigstore::crypto::signing_key::SigStoreKeyPair;
use sigstore::crypto::{CosignVerificationKey, SigStoreSigner, Signature, SigningScheme};
use sigstore_verify::types::DerPublicKey;

use crate::oci::Digest;

/// The variable that holds the password of a private key; cosign's own.
pub const PASSWORD_VARIABLE: &str = "COSIGN_PASSWORD";

/// A public key whose signatures count.
#[derive(Debug, Clone)]
pub(super) struct PublicKey {
    /// Its file, from the workspace's root.
    pub(super) file: String,
    key: CosignVerificationKey,
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a PEM file: an ECDSA P-256 key, the kind that `cosign generate-key-pair` makes.
    pub(super) fn parse(file: &str, pem: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(pem).map_err(|_| "it is not text".to_owned())?;
        let der = DerPublicKey::from_pem(text.trim()).map_err(|error| error.to_string())?;
        let der = der.as_bytes().to_vec();
        let key = CosignVerificationKey::from_der(&der, &SigningScheme::ECDSA_P256_SHA256_ASN1)
            .map_err(|error| format!("it is no ECDSA P-256 public key: {error}"))?;
        Ok(Self { file: file.to_owned(), key, der })
    }

    /// Whether this key made the signature.
    #[must_use]
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verify_signature(Signature::Raw(signature), signed).is_ok()
    }

    pub(super) fn der(&self) -> DerPublicKey {
        DerPublicKey::new(self.der.clone())
    }

    /// What cosign writes into a bundle to say which key it was.
    pub(super) fn hint(&self) -> String {
        STANDARD.encode(Digest::of(&self.der).as_bytes())
    }
}

/// A private key that was opened.
pub(super) struct PrivateKey {
    signer: SigStoreSigner,
    public: Vec<u8>,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(redacted)")
    }
}

impl PrivateKey {
    /// Opens an encrypted key as cosign writes it.
    pub(super) fn open(pem: &[u8], password: &[u8]) -> Result<Self, String> {
        let pair = SigStoreKeyPair::from_encrypted_pem(pem, password)
            .map_err(|_| format!("it is no key pair of cosign, or {PASSWORD_VARIABLE} does not hold its password"))?;
        let signer = pair
            .to_sigstore_signer(&SigningScheme::ECDSA_P256_SHA256_ASN1)
            .map_err(|error| format!("it is no ECDSA P-256 key: {error}"))?;
        let public = pair.public_key_to_der().map_err(|error| error.to_string())?;
        Ok(Self { signer, public })
    }

    /// Whether it belongs to this public key.
    #[must_use]
    pub(super) fn belongs_to(&self, public: &PublicKey) -> bool {
        self.public == public.der
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.signer.sign(bytes).map_err(|error| error.to_string())
    }
}

/// The password of the private key; an empty one where none is set.
pub(super) fn password() -> String {
    std::env::var(PASSWORD_VARIABLE).unwrap_or_default()
}
