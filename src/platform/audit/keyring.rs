//! The public keys that signatures are held against.

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use crate::platform::audit::hash::{Hex, from_hex};
use crate::platform::audit::statement::PublicKey;
use crate::platform::keys::signing::{ALGORITHM_ED25519, key_id, verifies};

/// What stands before an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Keys, and which of them are believed.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<PublicKey>,
    pins: Vec<PublicKey>,
}

impl Keyring {
    /// Returns a ring that believes only some keys; all that it is told of, if none is pinned.
    #[must_use]
    pub const fn pinned(pins: Vec<PublicKey>) -> Self {
        Self { keys: Vec::new(), pins }
    }

    /// Takes in the keys that an export names.
    ///
    /// # Errors
    ///
    /// One of them has not the id that it should have.
    pub fn learn(&mut self, keys: &[PublicKey]) -> Result<(), String> {
        if let Some(key) = keys.iter().find(|key| key_id(&key.public_key.0) != key.key_id) {
            return Err(format!("names a key {} that has another id", key.key_id));
        }
        self.keys = keys.to_vec();
        Ok(())
    }

    /// Returns whether only pinned keys are believed.
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Returns whether there is a key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.pins.is_empty()
    }

    /// Holds a signature against the key that it is said to be by.
    ///
    /// # Errors
    ///
    /// The key is not believed, or the signature does not hold.
    pub fn check(
        &self,
        (algorithm, id): (&str, &str),
        text: &[u8],
        signature: &[u8],
    ) -> Result<(), String> {
        let believed = if self.is_pinned() { &self.pins } else { &self.keys };
        let Some(key) = believed.iter().find(|key| key.key_id == id && key.algorithm == algorithm)
        else {
            let which = if self.is_pinned() { "pinned" } else { "named" };
            return Err(format!("is signed by {algorithm} key {id}, which is not a {which} one"));
        };
        if verifies(&key.algorithm, &key.public_key.0, text, signature) {
            return Ok(());
        }
        Err(format!("has a signature that does not hold with key {id}"))
    }
}

/// Reads a public key: its 64 hexadecimal digits, or a PEM text (`-----BEGIN PUBLIC KEY-----`).
#[must_use]
pub fn read_key(text: &str) -> Option<PublicKey> {
    let raw = from_hex(text.trim()).or_else(|| {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
        der.strip_prefix(&ED25519_SPKI).map(<[u8]>::to_vec)
    })?;
    (raw.len() == 32).then(|| PublicKey {
        key_id: key_id(&raw),
        algorithm: ALGORITHM_ED25519.to_owned(),
        public_key: Hex(raw),
    })
}

/// Returns a public key as PEM, for other tools.
#[must_use]
pub fn pem(key: &PublicKey) -> String {
    use base64::Engine as _;
    let der = [&ED25519_SPKI, key.public_key.0.as_slice()].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[cfg(test)]
mod tests {
    use crate::platform::audit::hash::to_hex;
    use crate::platform::audit::keyring::{pem, read_key};

    #[test]
    fn a_key_is_read_as_digits_and_as_pem() {
        let digits = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let key = read_key(&format!("{digits}\n")).unwrap();
        assert_eq!(to_hex(&key.public_key.0), digits);
        // RFC 8410, 10.1 has another key; OpenSSL writes this one so.
        let text = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        assert_eq!(pem(&key), text);
        assert_eq!(read_key(text), Some(key));
        assert_eq!(read_key("00"), None);
        assert_eq!(read_key(&text.replace("MCow", "MCox")), None);
    }
}
