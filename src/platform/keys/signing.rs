//! Signing: Ed25519 now, behind a trait so that other algorithms (SM2, a key in an HSM) can be added.

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::platform::keys::{KeyError, files};

/// Name of the one algorithm.
pub const ALGORITHM_ED25519: &str = "Ed25519";
/// File of the signing key in the key directory: PKCS #8, PEM.
const FILE: &str = "signing.pem";

/// Signs statements in the hub's name.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the name of the algorithm, as it stands in statements.
    fn algorithm(&self) -> &'static str;
    /// Returns the first 16 hexadecimal digits of the SHA-256 of the public key.
    fn key_id(&self) -> &str;
    /// Returns the public key, raw.
    fn public_key(&self) -> &[u8];
    /// Signs a message.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// An Ed25519 key (RFC 8032).
pub struct Ed25519Signer {
    pair: Ed25519KeyPair,
    key_id: String,
}

impl Ed25519Signer {
    /// Reads the signing key of a key directory.
    ///
    /// # Errors
    ///
    /// It is not there, or is no Ed25519 key.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(FILE);
        let pem = match std::fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyError::Missing { path: dir.to_owned(), what: "signing key" });
            }
            Err(source) => return Err(KeyError::File { path, source }),
        };
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).ok();
        let pair = key.and_then(|key| Ed25519KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok());
        let pair = pair.ok_or(KeyError::Form { path })?;
        let key_id = key_id(pair.public_key().as_ref());
        Ok(Self { pair, key_id })
    }

    /// Makes a signing key unless there is one.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn create_if_missing(dir: &Path) -> Result<(), KeyError> {
        let path = dir.join(FILE);
        if path.exists() {
            return Ok(());
        }
        files::create(&path, &fresh()?)?;
        Ok(())
    }

    /// Makes a signing key in place of the one that is there. Hubs take it up when they start; what was signed before is
    /// verified with the public key that is kept beside it.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn replace(dir: &Path) -> Result<(), KeyError> {
        files::replace(&dir.join(FILE), &fresh()?)
    }
}

/// Returns a new key, PEM.
fn fresh() -> Result<Zeroizing<String>, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Randomness)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Randomness)?;
    Ok(Zeroizing::new(pem_of(der.as_ref())))
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

impl Signer for Ed25519Signer {
    fn algorithm(&self) -> &'static str {
        ALGORITHM_ED25519
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Returns the id of a public key: the first 16 hexadecimal digits of its SHA-256.
#[must_use]
pub fn key_id(public_key: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, public_key);
    let first = digest.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

/// Returns whether a signature holds.
#[must_use]
pub fn verifies(algorithm: &str, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    algorithm == ALGORITHM_ED25519
        && UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}
