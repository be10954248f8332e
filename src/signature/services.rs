//! The services of a Sigstore instance: certificate authority, log, time stamps; each named when it fails.
//!
//! Owns the order: time stamp before log, so that a signature is logged only when everything else is there. The requests are
//! `sigstore-sign`'s.

use std::time::Duration;

use sigstore_sign::SigningServices;
use sigstore_sign::crypto::KeyPair;
use sigstore_sign::fulcio::FulcioClient;
use sigstore_sign::oidc::IdentityToken;
use sigstore_sign::rekor::{
    DsseEntry, Error as RekorError, HashedRekordV2, LogEntry, RekorApiVersion, RekorClient, RekorV2Client,
    RekorV2KeyDetails,
};
use sigstore_sign::reqwest;
use sigstore_sign::trust_root::SigningConfig;
use sigstore_sign::tsa::TimestampClient;
use sigstore_sign::types::{
    DerCertificate, DerPublicKey, DsseEnvelope, EntryUuid, KindVersion, Sha256Hash, TimestampToken,
    TransparencyLogEntry,
};

use crate::oci::Digest;
use crate::settings::is_loopback;
use crate::signature::error::{Service, SignatureError};
use crate::signature::judge::Judge;
use crate::signature::tiles;
use crate::signature::tries::{Failure, Line};
use crate::tally;

/// Who made a signature, as a log wants to know it.
#[derive(Debug, Clone)]
pub(super) enum Maker {
    Certificate(DerCertificate),
    Key(DerPublicKey),
}

/// The services that a signing configuration names.
#[derive(Debug)]
pub(super) struct Services {
    authority: Option<(FulcioClient, Line)>,
    log: Option<(Log, Line)>,
    time_stamps: Option<(TimestampClient, Line)>,
}

#[derive(Debug)]
enum Log {
    V1(RekorClient),
    V2(RekorV2Client),
}

impl Services {
    /// None at all: a key may sign without them.
    pub(super) fn none() -> Self {
        Self { authority: None, log: None, time_stamps: None }
    }

    /// The services that this configuration selects for now.
    pub(super) fn of(config: &SigningConfig, patience: Duration) -> Result<Self, String> {
        let chosen = chosen(config)?;
        let client = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(patience.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("chartsync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        let log = match chosen.rekor_api_version() {
            RekorApiVersion::V2 => Log::V2(
                RekorV2Client::builder(chosen.rekor_url())
                    .with_http_client(client.clone())
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
            _ => Log::V1(
                RekorClient::builder(chosen.rekor_url())
                    .with_http_client(client.clone())
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        let authority = FulcioClient::builder(chosen.fulcio_url()).with_http_client(client.clone()).build();
        let time_stamps = chosen.tsa_url().map(|url| TimestampClient::builder(url).with_http_client(client).build());
        let authority = authority.map_err(|error| error.to_string())?;
        let time_stamps = time_stamps.transpose().map_err(|error| error.to_string())?;
        let line = |service, address: &str, path| Line::to(service, patience).with("POST", address, path);
        let path = if matches!(log, Log::V2(_)) { "/api/v2/log/entries" } else { "/api/v1/log/entries" };
        Ok(Self {
            authority: Some((authority, line(Service::Authority, chosen.fulcio_url(), "/api/v2/signingCert"))),
            log: Some((log, line(Service::Log, chosen.rekor_url(), path))),
            time_stamps: time_stamps
                .map(|client| (client, line(Service::TimeStamps, chosen.tsa_url().unwrap_or_default(), ""))),
        })
    }

    /// A certificate for this key and token.
    pub(super) async fn certify(&self, token: &IdentityToken, key: &KeyPair) -> Result<DerCertificate, SignatureError> {
        use sigstore_sign::fulcio::Error;
        let Some((authority, line)) = &self.authority else {
            return Err(SignatureError::Defect("no certificate authority".to_owned()));
        };
        // Some services say what they were asked.
        let hidden = |text: &str| text.replace(token.expose_secret(), "(the token)");
        let ask = async || {
            let asked = authority.create_signing_certificate(token, key).await;
            let leaf = asked.map(|certificate| {
                let chain = certificate.certificate_chain().iter();
                tally::received(chain.map(|certificate| certificate.as_bytes().len()).sum());
                certificate.leaf_certificate().clone()
            });
            leaf.map_err(|error| match error {
                Error::Http(detail) => Failure::Passing(hidden(&detail)),
                Error::Status { status, message } => Failure::of_status(status, &hidden(&message)),
                other => Failure::Lasting(hidden(&other.to_string())),
            })
        };
        line.ask(token.expose_secret().len(), ask).await
    }

    /// Time stamp and log entry of a signature, as far as there are services for them.
    ///
    /// What the judge would refuse is never logged: a log keeps it for ever. [`SignatureError::EntryLost`] when a log of the second kind has an entry whose answer
    /// was lost, and publishes it nowhere: such a log tells of an entry once, and only another signature gets another answer.
    pub(super) async fn witness(
        &self,
        envelope: &DsseEnvelope,
        maker: &Maker,
        judge: &Judge,
    ) -> Result<(Option<TimestampToken>, Option<TransparencyLogEntry>), SignatureError> {
        use sigstore_sign::tsa::Error;
        let mut stamp = None;
        if let Some((time_stamps, line)) = &self.time_stamps {
            let ask = async || {
                let stamp = time_stamps.timestamp_signature(&envelope.signature.sig).await;
                stamp.inspect(|stamp| tally::received(stamp.as_bytes().len())).map_err(|error| match error {
                    Error::Http(detail) => of_words(detail),
                    other => Failure::Lasting(other.to_string()),
                })
            };
            let made = line.ask(envelope.signature.sig.as_bytes().len(), ask).await?;
            judge.stamped(&made).map_err(SignatureError::Rejected)?;
            stamp = Some(made);
        }
        let entry = match &self.log {
            Some((log, line)) => {
                let ask = async || {
                    let entry = log.enter(envelope, maker, judge.logs()).await.map_err(failure)?;
                    let written = entry.as_ref().and_then(|entry| serde_json::to_vec(entry).ok());
                    tally::received(written.map_or(0, |written| written.len()));
                    Ok(entry)
                };
                let entry = line.ask(envelope.pae().len(), ask).await?;
                Some(entry.ok_or(SignatureError::EntryLost)?)
            }
            None => None,
        };
        Ok((stamp, entry))
    }
}

impl Log {
    /// The entry of this signature; `None` when the log has it and does not give it back.
    async fn enter(
        &self,
        envelope: &DsseEnvelope,
        maker: &Maker,
        logs: &[Vec<u8>],
    ) -> Result<Option<TransparencyLogEntry>, RekorError> {
        match self {
            Self::V1(client) => {
                let entry = match client.create_dsse_entry(dsse_entry(envelope, maker)?).await {
                    // The answer to an earlier try was lost: the entry is there, once.
                    Err(RekorError::Status { status: 409, message }) => logged_before(client, &message).await?,
                    other => other?,
                };
                let converted = entry.to_bundle_entry(KindVersion::DsseV001);
                converted.map(Some).map_err(|error| RekorError::InvalidResponse(error.to_string()))
            }
            Self::V2(client) => {
                let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
                let (hash, signature) = (hash_of(envelope), &envelope.signature.sig);
                let entry = match maker {
                    Maker::Certificate(certificate) => {
                        HashedRekordV2::new_with_certificate(&hash, signature, certificate, details)
                    }
                    Maker::Key(key) => HashedRekordV2::new_with_public_key(&hash, signature, key, details),
                };
                match client.create_entry(entry).await {
                    // The same, but a log of this kind only tells where the entry is.
                    Err(RekorError::Status { status: 409, message }) => match place(&message) {
                        Some(index) => tiles::entry(client, index, logs).await,
                        None => Ok(None),
                    },
                    other => other.map(Some),
                }
            }
        }
    }
}

fn hash_of(envelope: &DsseEnvelope) -> Sha256Hash {
    Sha256Hash::new(*Digest::of(&envelope.pae()).as_bytes())
}

/// The entry that a log of the first kind is asked for. `sigstore-sign` writes it for certificates only.
fn dsse_entry(envelope: &DsseEnvelope, maker: &Maker) -> Result<DsseEntry, RekorError> {
    use base64::Engine as _;
    let verifier = match maker {
        Maker::Certificate(certificate) => return DsseEntry::new(envelope, certificate),
        Maker::Key(key) => base64::engine::general_purpose::STANDARD.encode(key.to_pem()),
    };
    let content = serde_json::json!({ "envelope": serde_json::to_string(envelope)?, "verifiers": [verifier] });
    let entry = serde_json::json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": content } });
    Ok(serde_json::from_value(entry)?)
}

/// The entry that a log says it has: it names it by 64 hex digits, with the tree's 16 before them or without.
async fn logged_before(client: &RekorClient, message: &str) -> Result<LogEntry, RekorError> {
    let is_name = |word: &&str| matches!(word.len(), 64 | 80);
    let Some(name) = message.split(|char: char| !char.is_ascii_hexdigit()).find(is_name) else {
        return Err(RekorError::Status { status: 409, message: message.to_owned() });
    };
    match client.get_entry_by_uuid(&EntryUuid::new(name)).await {
        // It has taken the entry and will show it as soon as it is part of the tree.
        Err(RekorError::Status { status: 404, message }) => Err(RekorError::Http(message)),
        other => other,
    }
}

/// Where a log of the second kind says that an entry is.
fn place(message: &str) -> Option<u64> {
    let (_, index) = message.split_once("with index ")?;
    index.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

/// The services for one signature. Those of a private instance may go without time stamps.
fn chosen(config: &SigningConfig) -> Result<SigningServices, String> {
    let chosen = if config.tsa_urls.is_empty() {
        let none = |what| format!("it names no {what} that is valid now");
        let authority = config.fulcio_url().ok_or_else(|| none("certificate authority"))?;
        let log = config.rekor_url(None).ok_or_else(|| none("transparency log"))?;
        let version = RekorApiVersion::from_major(log.major_api_version)
            .ok_or_else(|| format!("its log has version {}", log.major_api_version))?;
        SigningServices::new(&authority.url, &log.url).with_rekor(&log.url, version)
    } else {
        SigningServices::from_signing_config(config).map_err(|error| error.to_string())?
    };
    chosen.validate().map_err(|error| error.to_string())?;
    let urls = [Some(chosen.fulcio_url()), Some(chosen.rekor_url()), chosen.tsa_url()];
    for url in urls.into_iter().flatten() {
        let parsed = url::Url::parse(url).map_err(|error| format!("`{url}`: {error}"))?;
        let plain = parsed.scheme() == "http" && parsed.host_str().is_some_and(is_loopback);
        if parsed.scheme() != "https" && !plain {
            return Err(format!("`{url}` is not https: a token sent there could be read on the way"));
        }
    }
    Ok(chosen)
}

fn failure(error: RekorError) -> Failure {
    match error {
        RekorError::Http(detail) => Failure::Passing(detail),
        RekorError::Status { status, message } => Failure::of_status(status, &message),
        other => Failure::Lasting(other.to_string()),
    }
}

/// What the client of time stamps makes of an answer: it tells the status in words only.
fn of_words(detail: String) -> Failure {
    let status = detail.strip_prefix("TSA returned status ").and_then(|status| status.split_once(' '));
    match status.and_then(|(code, reason)| Some((code.parse().ok()?, reason))) {
        Some((code, reason)) => Failure::of_status(code, reason),
        None => Failure::Passing(detail),
    }
}
