//! Sealing: AES-256-GCM under a key that is derived for each message.
//!
//! A sealed message is `1 | salt (24 bytes) | ciphertext | tag (16 bytes)`. Its key is HKDF-SHA-256 of the sealing key, the salt and
//! the context, so that the nonce can be zero: no key ever seals two messages. With 192 random bits a message, two salts of one
//! key are not expected to meet before 2^80 messages; plain AES-GCM with random nonces would allow 2^32.
//!
//! **Limit.** AES-GCM does not commit to its key: who knows two keys can make a message that opens under both. Nothing here
//! tries keys in turn. What is sealed is stored with the name of its key, and name and context are bound into it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::{Zeroize as _, Zeroizing};

use crate::platform::keys::KeyError;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 24;
const VERSION: u8 = 1;
const LABEL: &[u8] = b"peshub sealed message 1";

/// A secret of 32 bytes that seals; wiped from memory when it is dropped.
pub struct DataKey([u8; KEY_BYTES]);

impl DataKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// The machine gives no randomness.
    pub fn random() -> Result<Self, KeyError> {
        let mut key = Self([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(&mut key.0).map_err(|_| KeyError::Randomness)?;
        Ok(key)
    }

    /// Returns the key of some bytes, or `None` if they are not 32.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Seals a message. It opens only with the same context.
    ///
    /// # Errors
    ///
    /// The machine gives no randomness.
    pub fn seal(&self, context: &[u8], message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Randomness)?;
        let key = self.of_message(&salt, context).ok_or(KeyError::Randomness)?;
        let mut sealed = Vec::with_capacity(1 + SALT_BYTES + message.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&salt);
        // Encrypted in a buffer of its own, so that no clear text is left behind by a vector that grows.
        let mut body = Zeroizing::new(message.to_vec());
        let tag = key
            .seal_in_place_separate_tag(nonce(), Aad::from(context), body.as_mut_slice())
            .map_err(|_| KeyError::Randomness)?;
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a message; `None` if it was sealed with another key or context, or was changed.
    #[must_use]
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (salt, body) = rest.split_at_checked(SALT_BYTES)?;
        let key = self.of_message(salt, context).filter(|_| *version == VERSION)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            key.open_in_place(nonce(), Aad::from(context), body.as_mut_slice()).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    /// Returns the keyed digest (HMAC-SHA-256) of a message in a context.
    #[must_use]
    pub fn mac(&self, context: &[u8], message: &[u8]) -> [u8; 32] {
        mac(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), context, message)
    }

    fn of_message(&self, salt: &[u8], context: &[u8]) -> Option<LessSafeKey> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&self.0);
        let info = [LABEL, context];
        let okm = prk.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

impl From<[u8; KEY_BYTES]> for DataKey {
    fn from(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// Returns the keyed digest of a message in a context; the context's length goes before it, so that no two pairs are alike.
#[must_use]
pub fn mac(key: &hmac::Key, context: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(key);
    mac.update(&u64::try_from(context.len()).unwrap_or(u64::MAX).to_be_bytes());
    mac.update(context);
    mac.update(message);
    let tag = mac.sign();
    tag.as_ref().first_chunk::<32>().copied().unwrap_or_default()
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use crate::platform::keys::sealing::DataKey;

    #[test]
    fn a_message_opens_with_its_key_and_its_context_and_with_no_other() {
        let (key, other) = (DataKey::random().unwrap(), DataKey::random().unwrap());
        let sealed = key.seal(b"here", b"message").unwrap();
        assert_eq!(key.open(b"here", &sealed).unwrap().as_slice(), b"message");
        assert!(key.open(b"there", &sealed).is_none());
        assert!(other.open(b"here", &sealed).is_none());
        assert_ne!(sealed, key.seal(b"here", b"message").unwrap(), "never the same twice");
    }

    #[test]
    fn no_byte_of_a_sealed_message_can_be_changed_or_lost() {
        let key = DataKey::random().unwrap();
        let sealed = key.seal(b"", b"message").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key.open(b"", &changed).is_none(), "byte {place}");
            assert!(key.open(b"", &sealed[..place]).is_none(), "{place} bytes");
        }
    }

    #[test]
    fn context_and_message_of_a_digest_cannot_be_confused() {
        let key = DataKey::random().unwrap();
        assert_ne!(key.mac(b"ab", b"c"), key.mac(b"a", b"bc"));
        assert_eq!(key.mac(b"ab", b"c"), key.mac(b"ab", b"c"));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", DataKey::of_bytes(&[7; 32]).unwrap()), "DataKey");
    }
}
