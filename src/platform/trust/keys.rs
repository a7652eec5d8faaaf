//! Key sets of issuers (RFC 7517), from a file or fetched from an address and kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::platform::fetch::{self, Bounds, Reach};
use crate::platform::trust::{LOOK_EVERY, SharedTrust};

/// Most keys of a set that are looked at.
const KEYS_MAX: usize = 100;
/// Where a key set may lie: at any address, since who runs the hub wrote it down.
const REACH: Reach = Reach::Anywhere;
/// Largest key set that is fetched.
const SET_BYTES_MAX: usize = 1024 * 1024;
/// Longest fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How old a key set may get.
const FETCH_EVERY: Duration = Duration::from_mins(5);
/// Shortest time between two fetches of one set, whatever tokens come.
const FETCH_PAUSE: Duration = Duration::from_secs(10);

/// A public key, and what it may have signed.
#[derive(Debug)]
pub struct PublicKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    /// The key.
    pub key: DecodingKey,
}

impl PublicKey {
    /// Reads a key; `None` when it is not one that signs by an algorithm that can be allowed.
    fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_for_signatures = match jwk.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(_) => false,
        };
        // What a key is made for follows from what it is, never from what a token says.
        let algorithms = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                vec![Algorithm::ES256]
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                vec![Algorithm::EdDSA]
            }
            AlgorithmParameters::RSA(_) => vec![Algorithm::RS256, Algorithm::PS256],
            _ => Vec::new(),
        };
        let said = jwk.common.key_algorithm;
        let algorithms: Vec<_> = algorithms
            .into_iter()
            .filter(|it| said.is_none_or(|said| said == KeyAlgorithm::from(*it)))
            .collect();
        if !is_for_signatures || algorithms.is_empty() {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

/// A JSON Web Key Set as it is written.
#[derive(Debug, Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// Public keys of an issuer.
#[derive(Debug)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of other kinds than those that can be allowed are passed over.
    ///
    /// # Errors
    ///
    /// It is none, or no key of it can be used.
    pub fn read(content: &[u8]) -> Result<Self, &'static str> {
        let Document { keys } =
            serde_json::from_slice(content).map_err(|_| "is no JSON Web Key Set")?;
        let keys: Vec<_> = keys.into_iter().take(KEYS_MAX).filter_map(PublicKey::read).collect();
        if keys.is_empty() { Err("has no key that can be used") } else { Ok(Self(keys)) }
    }

    /// Returns the keys that may have signed a token with this key id and algorithm. A token without a key id can only be
    /// meant for a set with one key for its algorithm.
    #[must_use]
    pub fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&PublicKey> {
        let fitting = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        match id {
            Some(id) => fitting.filter(|key| key.id.as_deref() == Some(id)).collect(),
            None => fitting
                .collect::<Vec<_>>()
                .try_into()
                .map_or_else(|_| Vec::new(), |[one]: [_; 1]| vec![one]),
        }
    }
}

/// A key set at an address. The last one that was sound is kept, however long the address does not answer.
#[derive(Debug)]
pub struct FetchedKeys {
    address: reqwest::Url,
    authorities: Option<Vec<u8>>,
    present: ArcSwapOption<KeySet>,
    /// What was fetched last and was sound.
    content: Mutex<Vec<u8>>,
    is_wanted: AtomicBool,
    fetched_at: Mutex<Option<Instant>>,
    is_failing: AtomicBool,
}

impl FetchedKeys {
    /// Returns the key set at an address, which is not there yet.
    ///
    /// # Errors
    ///
    /// The address is not one of `https`.
    pub fn new(address: &str, authorities: Option<Vec<u8>>) -> Result<Self, String> {
        Ok(Self {
            address: fetch::address(address, REACH)
                .ok_or_else(|| "has a jwks that is neither a file nor https://…".to_owned())?,
            authorities,
            present: ArcSwapOption::empty(),
            content: Mutex::default(),
            is_wanted: AtomicBool::new(false),
            fetched_at: Mutex::default(),
            is_failing: AtomicBool::new(false),
        })
    }

    /// Returns whether another one comes from the same place.
    #[must_use]
    pub fn is_from_where(&self, other: &Self) -> bool {
        self.address == other.address && self.authorities == other.authorities
    }

    /// Returns the keys; `None` when they have not been fetched yet.
    #[must_use]
    pub fn present(&self) -> Option<Arc<KeySet>> {
        self.present.load_full()
    }

    /// Says that a token names a key that is not there.
    pub fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        let fetched_at = *self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(fetched_at) = fetched_at else { return true };
        let is_wanted = self.is_wanted.load(Ordering::Relaxed) || self.present.load().is_none();
        fetched_at.elapsed() >= if is_wanted { FETCH_PAUSE } else { FETCH_EVERY }
    }

    /// Fetches it, and returns whether it is another one than before.
    async fn fetch(&self) -> bool {
        *self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.is_wanted.store(false, Ordering::Relaxed);
        match self.download().await.and_then(|content| Ok((KeySet::read(&content)?, content))) {
            Ok((keys, content)) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the key set at {} can be fetched again", self.address);
                }
                let mut known = self.content.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = *known != content;
                *known = content;
                self.present.store(Some(Arc::new(keys)));
                is_new
            }
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    let address = &self.address;
                    tracing::warn!(
                        "the key set at {address} cannot be fetched; the last one counts: {error}"
                    );
                }
                false
            }
        }
    }

    async fn download(&self) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let bounds = Bounds {
            bytes_max: SET_BYTES_MAX,
            timeout: FETCH_TIMEOUT,
            authorities: self.authorities.clone(),
            reach: REACH,
        };
        fetch::get(&self.address, &bounds).await
    }
}

/// Fetches the key sets of all issuers until told to stop.
pub async fn fetch_all(trust: SharedTrust, stop: CancellationToken) {
    loop {
        let present = trust.present();
        let fetched = present.issuers().filter_map(|issuer| issuer.fetched());
        let fetching = fetched.filter(|keys| keys.is_due()).map(|keys| keys.fetch());
        let fetching = futures_util::future::join_all(fetching);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = fetching => {
                if changed.contains(&true) {
                    trust.keys_changed();
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
