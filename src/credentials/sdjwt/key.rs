//! Keys: of issuers and of holders.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::credentials::domain::Algorithm;
use crate::credentials::sdjwt::encoding;

mod pem;

/// Bytes of a signature: r and s of 32 bytes each (RFC 7518, section 3.4), or R and S (RFC 8032).
pub const SIGNATURE_BYTES: usize = 64;

/// What stands before the point in the `SubjectPublicKeyInfo` of a P-256 key (RFC 5480).
const SPKI_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What stands before the point in the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410).
const SPKI_ED25519: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why something is no public key that signatures can be verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyDefect {
    /// It is no JSON object with the members that its kind must have.
    #[error("the key lacks a member, or has one of a wrong form")]
    Form,
    /// Its kind or curve is another one.
    #[error("the key is neither of P-256 nor of Ed25519")]
    Kind,
    /// It says that it is for something else: `alg`, `use` or `key_ops`.
    #[error("the key is meant for something else")]
    Use,
    /// It holds its secret half.
    #[error("the key holds its secret half")]
    Secret,
    /// It is no point of the curve.
    #[error("the key is no point of its curve")]
    Point,
}

/// A public key, prepared: it is parsed once and verifies many signatures.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    point: Point,
    /// Made when it is needed first; `None` when it is no point of the curve.
    prepared: OnceLock<Option<ParsedPublicKey>>,
}

/// A point as it is written: uncompressed for P-256, 32 bytes for Ed25519.
#[derive(Clone, Copy)]
enum Point {
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Reads a JSON Web Key (RFC 7517; RFC 7518, section 6.2; RFC 8037, section 2).
    ///
    /// # Errors
    ///
    /// It is none of a kind that is used here, or it says that it is for something else.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyDefect> {
        Self::from_jwk_unprepared(jwk)?.prepare()
    }

    /// Reads a JSON Web Key, and leaves it to the first use to find out whether it is a point of its curve: most holders' keys are
    /// never used.
    pub(crate) fn from_jwk_unprepared(jwk: &Value) -> Result<Self, KeyDefect> {
        let jwk = jwk.as_object().ok_or(KeyDefect::Form)?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let algorithm = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => Algorithm::Es256,
            (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
            (Some(_), _) => return Err(KeyDefect::Kind),
            (None, _) => return Err(KeyDefect::Form),
        };
        if jwk.contains_key("d") {
            return Err(KeyDefect::Secret);
        }
        let is_for_this = jwk.get("alg").is_none_or(|it| it.as_str() == Some(algorithm.name()))
            && jwk.get("use").is_none_or(|it| it.as_str() == Some("sig"))
            && jwk.get("key_ops").is_none_or(|it| {
                it.as_array().is_some_and(|all| all.iter().any(|it| it.as_str() == Some("verify")))
            });
        if !is_for_this {
            return Err(KeyDefect::Use);
        }
        let member = |name: &str| text(name).and_then(encoding::decode_exactly::<32>);
        let x = member("x").ok_or(KeyDefect::Form)?;
        match algorithm {
            Algorithm::Es256 => {
                let y = member("y").ok_or(KeyDefect::Form)?;
                let mut point = [4; 65];
                for (place, byte) in point.iter_mut().skip(1).zip(x.into_iter().chain(y)) {
                    *place = byte;
                }
                Ok(Self::unprepared(algorithm, Point::P256(point)))
            }
            Algorithm::EdDsa => Ok(Self::unprepared(algorithm, Point::Ed25519(x))),
        }
    }

    /// Reads the key of a certificate: its `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    ///
    /// It is of another kind, or no point of its curve.
    pub fn of_spki(der: &[u8]) -> Result<Self, KeyDefect> {
        if let Some(point) = der.strip_prefix(SPKI_P256) {
            return Self::of_point(Algorithm::Es256, point);
        }
        match der.strip_prefix(SPKI_ED25519) {
            Some(point) => Self::of_point(Algorithm::EdDsa, point),
            None => Err(KeyDefect::Kind),
        }
    }

    /// Reads a point: uncompressed for P-256, 32 bytes for Ed25519.
    ///
    /// # Errors
    ///
    /// It is none of the curve.
    pub fn of_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyDefect> {
        let point = match algorithm {
            Algorithm::Es256 => point.try_into().map(Point::P256),
            Algorithm::EdDsa => point.try_into().map(Point::Ed25519),
        };
        Self::unprepared(algorithm, point.map_err(|_| KeyDefect::Form)?).prepare()
    }

    const fn unprepared(algorithm: Algorithm, point: Point) -> Self {
        Self { algorithm, point, prepared: OnceLock::new() }
    }

    fn prepare(self) -> Result<Self, KeyDefect> {
        if self.is_point() { Ok(self) } else { Err(KeyDefect::Point) }
    }

    fn prepared(&self) -> Option<&ParsedPublicKey> {
        let prepared = self.prepared.get_or_init(|| {
            let parsed = match &self.point {
                Point::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
                Point::Ed25519(point) => ParsedPublicKey::new(&ED25519, point),
            };
            parsed.ok()
        });
        prepared.as_ref()
    }

    /// Returns whether it is a point of its curve: one that is none verifies nothing.
    pub(crate) fn is_point(&self) -> bool {
        self.prepared().is_some()
    }

    /// Returns the one algorithm whose signatures it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns its point: uncompressed for P-256, 32 bytes for Ed25519.
    #[must_use]
    pub const fn point(&self) -> &[u8] {
        match &self.point {
            Point::P256(point) => point,
            Point::Ed25519(point) => point,
        }
    }

    /// Returns it as a JSON Web Key with the members that it must have and no others.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let (x, y) = self.coordinates();
        match self.algorithm {
            Algorithm::Es256 => json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
            Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    /// Returns its thumbprint (RFC 7638): SHA-256 over those members in the one order.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        let (x, y) = self.coordinates();
        let text = match self.algorithm {
            Algorithm::Es256 => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Algorithm::EdDsa => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        // SHA-256 has 32 bytes.
        digest.as_ref().try_into().unwrap_or_default()
    }

    /// Returns whether a signature of this key's algorithm holds for a message: r and s, or R and S, of 64 bytes.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == SIGNATURE_BYTES
            && self.prepared().is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn coordinates(&self) -> (String, String) {
        let point = self.point();
        match self.algorithm {
            Algorithm::Es256 => {
                let (x, y) =
                    point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                (encoding::encode(x), encoding::encode(y))
            }
            Algorithm::EdDsa => (encoding::encode(point), String::new()),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.point() == other.point()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a secret key cannot be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretDefect {
    /// It is no PKCS #8 of P-256 or Ed25519.
    #[error("this is no secret key of P-256 or Ed25519 in PKCS #8")]
    Form,
    /// The cryptographic library fails.
    #[error("the cryptographic library fails")]
    Library,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A secret key.
pub struct SecretKey {
    pair: Pair,
    public: PublicKey,
}

impl SecretKey {
    /// Makes a key by chance.
    ///
    /// # Errors
    ///
    /// The cryptographic library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SecretDefect> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::EdDsa),
        };
        Self::of_pair(pair.map_err(|_| SecretDefect::Library)?)
    }

    /// Reads PKCS #8 (RFC 5208, RFC 8410) in DER.
    ///
    /// # Errors
    ///
    /// It is no key of P-256 or Ed25519.
    pub fn of_pkcs8(der: &[u8]) -> Result<Self, SecretDefect> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let pair = match p256 {
            Ok(pair) => Pair::Es256(pair),
            Err(_) => Pair::EdDsa(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| SecretDefect::Form)?,
            ),
        };
        Self::of_pair(pair)
    }

    fn of_pair(pair: Pair) -> Result<Self, SecretDefect> {
        let public = match &pair {
            Pair::Es256(pair) => PublicKey::of_point(Algorithm::Es256, pair.public_key().as_ref()),
            Pair::EdDsa(pair) => PublicKey::of_point(Algorithm::EdDsa, pair.public_key().as_ref()),
        };
        Ok(Self { pair, public: public.map_err(|_| SecretDefect::Library)? })
    }

    /// Returns it as PKCS #8 in DER.
    ///
    /// # Errors
    ///
    /// The cryptographic library fails.
    pub fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SecretDefect> {
        let der = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1(),
        };
        let der = der.map_err(|_| SecretDefect::Library)?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    /// Reads PKCS #8 in PEM.
    ///
    /// # Errors
    ///
    /// It is no key of P-256 or Ed25519.
    pub fn of_pem(text: &str) -> Result<Self, SecretDefect> {
        Self::of_pkcs8(&pem::read(text).ok_or(SecretDefect::Form)?)
    }

    /// Returns it as PKCS #8 in PEM.
    ///
    /// # Errors
    ///
    /// The cryptographic library fails.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SecretDefect> {
        Ok(pem::write(&self.pkcs8()?))
    }

    /// Returns its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the algorithm it signs by.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Signs a message; 64 bytes.
    ///
    /// # Errors
    ///
    /// The cryptographic library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SecretDefect> {
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::EdDsa(pair) => pair.try_sign(message),
        };
        Ok(signature.map_err(|_| SecretDefect::Library)?.as_ref().to_vec())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::domain::Algorithm;
    use crate::credentials::sdjwt::key::{PublicKey, SecretKey};

    #[test]
    fn a_key_survives_being_written() {
        for algorithm in Algorithm::ALL {
            let key = SecretKey::generate(algorithm).unwrap();
            let again = SecretKey::of_pkcs8(&key.pkcs8().unwrap()).unwrap();
            let of_pem = SecretKey::of_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!(of_pem.public(), key.public());
            let public = PublicKey::from_jwk(&key.public().to_jwk()).unwrap();
            assert_eq!((again.public(), &public), (key.public(), key.public()));
            assert_eq!(public.thumbprint(), key.public().thumbprint());
            let signature = again.sign(b"message").unwrap();
            assert!(public.verify(b"message", &signature));
            assert!(!public.verify(b"massage", &signature));
            assert!(!format!("{key:?}").contains("pair"));
        }
    }
}
