//! Signatures of published charts: cosign's bundles, made, attached, found again and judged.
//!
//! Owns what counts as signed by us and the way from nothing to a signature that consumers find. Does not know why a chart is
//! signed, nor when: the order of copy, sign and tag is `apply`'s.

mod attachment;
mod error;
mod evidence;
mod find;
mod identity;
mod judge;
mod key;
mod make;
mod rejected;
mod services;
mod stamp;
mod statement;
mod tiles;
mod tokens;
mod tries;
mod trust;
mod turns;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, OnceCell, Semaphore};

use self::attachment::attachment;
pub use self::error::{Service, SignatureError};
use self::find::Finder;
pub use self::find::{Look, Thoroughness};
use self::identity::{SKEW, Token};
pub use self::judge::Verified;
use self::judge::{Judge, Signers, logged_ahead};
pub use self::key::PASSWORD_VARIABLE;
use self::make::Hand;
pub use self::rejected::{Part, Rejected};
use self::services::Services;
pub use self::statement::Place;
use self::tokens::Tokens;
use self::tries::PATIENCE;
pub use self::trust::wrong_files;
use self::turns::Turns;
use crate::artifact::Cleared;
use crate::cache::Cache;
use crate::key::{KeySink, Sink as _, StepKey};
use crate::oci::{Descriptor, Digest, IMAGE_MANIFEST};
use crate::registry::{Artifact, Registry};
use crate::settings::{PastSigner, Role, Settings, Signing};

/// For how many seconds a token must still hold when it is used.
const TOKEN_LEFT: i64 = 60;
/// Ends the names of a kept signature that an audit did not find.
const DOUBTED: &str = " doubted";

/// The signature that a chart has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The identity, or the file of the public key.
    pub signer: String,
    /// How the chart came to have it.
    pub how: How,
}

/// How a chart came to have its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It had one.
    Before,
    /// One that was made before was put back.
    PutBack,
    /// It was made now.
    Now,
}

/// Signing and looking for signatures, as one workspace's settings want it. One value for a run.
#[derive(Debug)]
pub struct Signatures {
    root: PathBuf,
    signing: Signing,
    cache: Cache,
    /// Unix seconds: the run's time, for what is written.
    now: u64,
    judge: OnceCell<Result<Arc<Judge>, SignatureError>>,
    services: OnceCell<Result<Arc<Services>, SignatureError>>,
    hand: Mutex<Option<Hand>>,
    tokens: Tokens,
    mirrors: Arc<Signers>,
    charts: Arc<Signers>,
    permits: Semaphore,
    turns: Turns,
}

fn at_once(signing: &Signing) -> usize {
    match signing {
        Signing::None => 1,
        Signing::Key(key) => key.service.concurrency.get(),
        Signing::Keyless(keyless) => keyless.service.concurrency.get(),
    }
}

impl Signatures {
    /// For one run. Reads nothing yet.
    #[must_use]
    pub fn new(root: &Path, settings: &Settings, cache: Cache, now: u64) -> Self {
        let signing = settings.signing.clone();
        Self {
            root: root.to_owned(),
            mirrors: Arc::new(signers(&signing, Role::Mirrors)),
            charts: Arc::new(signers(&signing, Role::Charts)),
            turns: Turns::new(cache.clone()),
            signing,
            cache,
            now,
            judge: OnceCell::new(),
            services: OnceCell::new(),
            hand: Mutex::new(None),
            tokens: Tokens::new(PATIENCE),
            permits: Semaphore::new(at_once(&settings.signing)),
        }
    }

    /// How many signatures at most are made at once.
    #[must_use]
    pub fn at_once(&self) -> usize {
        at_once(&self.signing)
    }

    /// Whether the settings want signatures at all.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.signing != Signing::None
    }

    /// Whether this run can sign charts of these roles, before it writes anything: the identity, the key, the services.
    pub async fn ready(&self, roles: &BTreeSet<Role>) -> Result<(), SignatureError> {
        if let Signing::Keyless(keyless) = &self.signing
            && roles.len() > 1
            && keyless.mirrors != keyless.charts
        {
            let (mirrors, charts) = (keyless.mirrors.clone(), keyless.charts.clone());
            return Err(SignatureError::TwoIdentities { mirrors, charts });
        }
        let Some(role) = roles.first() else { return Ok(()) };
        if !self.wanted() {
            return Ok(());
        }
        self.hand(*role).await?;
        self.services().await?;
        self.judge().await.map(drop)
    }

    /// Looks for our signature of what this registry holds at this place.
    pub async fn look(&self, registry: &Registry, place: Place<'_>, role: Role) -> Look {
        if !self.wanted() {
            return Look::NotWanted;
        }
        let (kept, thoroughness) = self.kept(place).await;
        self.look_with(registry, place, role, kept, thoroughness).await
    }

    /// The same from the registry's own bytes alone, all candidates read.
    pub async fn audit(&self, registry: &Registry, place: Place<'_>, role: Role) -> Look {
        if !self.wanted() {
            return Look::NotWanted;
        }
        let look = self.look_with(registry, place, role, None, Thoroughness::All).await;
        if !matches!(look, Look::Present { .. }) {
            self.doubt(place).await;
        }
        look
    }

    /// Signs what was cleared, if it is not signed: looks first, attaches, and looks again as a consumer does.
    ///
    /// The image manifest must be at the destination, under its digest at least.
    pub async fn sign(&self, registry: &Registry, cleared: &Cleared, role: Role) -> Result<Signed, SignatureError> {
        let closed = |_| SignatureError::Defect("the count of signatures at once is closed".to_owned());
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let reference = cleared.reference();
        let _turn = self.turns.take(&reference.repository).await;
        let place = Place { reference, digest: cleared.digest() };
        // What is listed must be there as well before a name is written: a list alone proves nothing.
        let (kept, _) = self.kept(place).await;
        let (artifact, how) = match self.look_with(registry, place, role, kept, Thoroughness::First).await {
            Look::Present { verified, .. } => return Ok(Signed { signer: verified.signer, how: How::Before }),
            Look::NotWanted => return Err(SignatureError::Defect("nothing is to be signed".to_owned())),
            Look::Unknown(reason) => return Err(SignatureError::Unknown(reason)),
            Look::Lost(artifact) => (*artifact, How::PutBack),
            Look::Absent(_) => (self.make(registry, place, cleared, role).await?, How::Now),
        };
        let attached = registry.attach(&reference.repository, &artifact).await.map_err(SignatureError::Attach)?;
        let finder = Finder { registry, place, judge: self.judge().await?, signers: self.signers(role) };
        let (look, found) = finder.look_after(attached).await;
        if let Some(found) = found {
            self.keep(place, &found).await;
        }
        match look {
            Look::Present { verified, .. } => Ok(Signed { signer: verified.signer, how }),
            Look::Unknown(reason) => Err(SignatureError::Unknown(reason)),
            Look::Absent(rejected) => Err(SignatureError::NotFound(told(&rejected))),
            Look::Lost(_) | Look::NotWanted => {
                Err(SignatureError::NotFound("only the fallback tag lists it, not the referrers API".to_owned()))
            }
        }
    }
}

/// What was found instead, in words; at most three.
#[must_use]
pub fn told(rejected: &[(Digest, Rejected)]) -> String {
    if rejected.is_empty() {
        return "nothing is attached".to_owned();
    }
    let mut words: Vec<_> =
        rejected.iter().take(3).map(|(digest, rejected)| format!("{}: {rejected}", digest.short())).collect();
    if rejected.len() > 3 {
        words.push(format!("and {} more", rejected.len() - 3));
    }
    words.join("; ")
}

fn signers(signing: &Signing, role: Role) -> Signers {
    let Signing::Keyless(keyless) = signing else { return Signers::default() };
    let past = keyless.accept.iter().filter_map(|signer| match signer {
        PastSigner::Identity(identity) => Some(identity.as_str()),
        PastSigner::PublicKey(_) => None,
    });
    let identities = std::iter::once(keyless.identity(role)).chain(past).map(str::to_owned);
    Signers { issuer: keyless.issuer.clone(), identities: identities.collect() }
}

impl Signatures {
    fn signers(&self, role: Role) -> &Arc<Signers> {
        match role {
            Role::Mirrors => &self.mirrors,
            Role::Charts => &self.charts,
        }
    }

    /// Makes a signature, keeps it before anyone sees it, and gives it if it holds.
    async fn make(
        &self,
        registry: &Registry,
        place: Place<'_>,
        cleared: &Cleared,
        role: Role,
    ) -> Result<Artifact, SignatureError> {
        let hand = self.hand(role).await?;
        let judge = self.judge().await?;
        let bundle = make::make(place, &hand, self.services().await?, judge).await?;
        let subject = Descriptor::of(IMAGE_MANIFEST, &cleared.fetched().image.bytes);
        let artifact = attachment(bundle, subject, self.created());
        // Even if it does not hold now, by a clock that is wrong: it is logged, and is judged again before it is used.
        self.keep(place, &artifact).await;
        let finder = Finder { registry, place, judge, signers: self.signers(role) };
        // A clock that is a little behind would call it one of the future.
        tokio::time::sleep(logged_ahead(artifact.layer().1).min(SKEW)).await;
        finder.judged(artifact.bytes(), artifact.layer().1).await.map_err(SignatureError::Rejected)?;
        Ok(artifact)
    }

    async fn judge(&self) -> Result<&Arc<Judge>, SignatureError> {
        let load = async || trust::judge(&self.root, &self.signing, &self.cache).await.map(Arc::new);
        self.judge.get_or_init(load).await.as_ref().map_err(Clone::clone)
    }

    async fn services(&self) -> Result<&Arc<Services>, SignatureError> {
        let load = async || trust::services(&self.root, &self.signing, &self.cache).await.map(Arc::new);
        self.services.get_or_init(load).await.as_ref().map_err(Clone::clone)
    }

    /// What to sign with: a token that still holds for a while, or the key.
    async fn hand(&self, role: Role) -> Result<Hand, SignatureError> {
        let mut hand = self.hand.lock().await;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let clock = i64::try_from(clock).unwrap_or(i64::MAX);
        let stands = match &*hand {
            Some(Hand::Token(token)) => token.lasts(clock, TOKEN_LEFT),
            Some(Hand::Key(..)) => true,
            None => false,
        };
        if let (true, Some(hand)) = (stands, &*hand) {
            return Ok(hand.clone());
        }
        let new = match &self.signing {
            Signing::None => return Err(SignatureError::Defect("nothing is to be signed".to_owned())),
            Signing::Key(key) => {
                let (private, public) = trust::key_pair(&self.root, key).await?;
                Hand::Key(Arc::new(private), public)
            }
            Signing::Keyless(keyless) => {
                let token = Token::fetch(&self.tokens).await?;
                token.check(&keyless.issuer, keyless.identity(role), clock)?;
                Hand::Token(Arc::new(token))
            }
        };
        Ok(hand.insert(new).clone())
    }

    async fn look_with(
        &self,
        registry: &Registry,
        place: Place<'_>,
        role: Role,
        kept: Option<Artifact>,
        thoroughness: Thoroughness,
    ) -> Look {
        let judge = match self.judge().await {
            Ok(judge) => judge,
            Err(error) => return Look::Unknown(error.to_string()),
        };
        let finder = Finder { registry, place, judge, signers: self.signers(role) };
        let (look, found) = finder.look(kept, thoroughness).await;
        if let Some(found) = found {
            self.keep(place, &found).await;
        }
        look
    }

    /// The signature of ours that was made or seen for this place before, and whether it is enough that it is listed.
    async fn kept(&self, place: Place<'_>) -> (Option<Artifact>, Thoroughness) {
        let facts = self.cache.facts(kept_key(place)).await.unwrap_or_default();
        let (names, thoroughness) = match facts.strip_suffix(DOUBTED) {
            Some(names) => (names, Thoroughness::First),
            None => (&*facts, Thoroughness::Listed),
        };
        (self.kept_as(names).await, thoroughness)
    }

    async fn kept_as(&self, names: &str) -> Option<Artifact> {
        let (image, bundle) = names.split_once(' ')?;
        let image = self.cache.blob(&image.parse().ok()?).await?;
        let bundle = self.cache.blob(&bundle.parse().ok()?).await?;
        Artifact::read(image, bundle).ok()
    }

    /// An audit did not find what is kept: whoever looks next reads what is listed.
    async fn doubt(&self, place: Place<'_>) {
        if let Some(names) = self.cache.facts(kept_key(place)).await
            && !names.ends_with(DOUBTED)
        {
            self.cache.keep_facts(kept_key(place), names + DOUBTED).await;
        }
    }

    async fn keep(&self, place: Place<'_>, artifact: &Artifact) {
        let (image, (layer, bundle)) = (artifact.descriptor().digest, artifact.layer());
        self.cache.keep_blob(&image, artifact.bytes()).await;
        self.cache.keep_blob(&layer.digest, bundle).await;
        self.cache.keep_facts(kept_key(place), format!("{image} {}", layer.digest)).await;
    }

    fn created(&self) -> String {
        let seconds = i64::try_from(self.now).unwrap_or_default();
        jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
    }
}

fn kept_key(place: Place<'_>) -> StepKey {
    let mut key = KeySink::new("kept-signature");
    key.input("reference", &place.reference.to_string());
    key.input("digest", &place.digest.to_string());
    key.finish()
}
