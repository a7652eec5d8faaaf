//! Signatures that were verified before: which key signed what. A holder that shows its credential again, or to somebody else, costs
//! no second verification of the issuer's part. The holder's proof, times and status are never remembered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::kernel::ids::IssuerKeyId;

/// Shards, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Most signatures that one generation of a shard remembers; two are kept: some 8 MiB in all.
const GENERATION_MAX: usize = 4_096;

/// Which signatures were verified under one revision of the trust registry.
#[derive(Debug)]
pub struct Verified {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    revision: i64,
    young: Keys,
    old: Keys,
}

/// Keys by the digests of what they signed.
type Keys = HashMap<[u8; 32], IssuerKeyId, BuildHasherDefault<OfDigest>>;

/// The hash of a digest: some of its own bytes, and not those by which the shard was chosen. Only what an issuer has signed is
/// remembered, so nobody else chooses which digests there are.
#[derive(Debug, Default)]
struct OfDigest(u64);

impl Hasher for OfDigest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.last_chunk().copied().map_or(self.0, u64::from_be_bytes);
    }

    fn write_usize(&mut self, _length: usize) {}
}

impl Default for Verified {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Verified {
    /// Returns whether a key's signature over what has a digest was verified. What was learned under another revision is not known.
    #[must_use]
    pub fn knows(&self, revision: i64, digest: [u8; 32], key: IssuerKeyId) -> bool {
        self.with(digest, |shard| {
            if shard.revision != revision {
                return false;
            }
            let known = shard.young.get(&digest).or_else(|| shard.old.get(&digest));
            known == Some(&key)
        })
    }

    /// Remembers that a key's signature over what has a digest holds.
    pub fn learn(&self, revision: i64, digest: [u8; 32], key: IssuerKeyId) {
        self.with(digest, |shard| {
            // A call that began before the registry moved must not undo what was learned since.
            if shard.revision > revision {
                return;
            }
            if shard.revision < revision {
                *shard = Shard { revision, ..Shard::default() };
            }
            if shard.young.len() >= GENERATION_MAX {
                shard.old = std::mem::take(&mut shard.young);
            }
            shard.young.insert(digest, key);
        });
    }

    fn with<T: Default>(&self, digest: [u8; 32], work: impl FnOnce(&mut Shard) -> T) -> T {
        let [first, ..] = digest;
        let Some(shard) = self.shards.get(usize::from(first) % SHARDS) else { return T::default() };
        work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::verify::cache::{GENERATION_MAX, Verified};
    use crate::kernel::ids::IssuerKeyId;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[8..16].copy_from_slice(&(number as u64).to_be_bytes());
        digest
    }

    #[test]
    fn what_was_learned_holds_for_that_key_and_that_revision() {
        let verified = Verified::default();
        verified.learn(3, digest(1), IssuerKeyId(7));
        assert!(verified.knows(3, digest(1), IssuerKeyId(7)));
        assert!(!verified.knows(3, digest(1), IssuerKeyId(8)));
        assert!(!verified.knows(3, digest(2), IssuerKeyId(7)));
        assert!(!verified.knows(4, digest(1), IssuerKeyId(7)), "the registry has moved");
        verified.learn(4, digest(2), IssuerKeyId(7));
        assert!(!verified.knows(4, digest(1), IssuerKeyId(7)));
        verified.learn(3, digest(3), IssuerKeyId(7));
        assert!(verified.knows(4, digest(2), IssuerKeyId(7)), "an older revision undoes nothing");
    }

    #[test]
    fn no_more_is_remembered_than_two_generations() {
        let verified = Verified::default();
        for number in 0..3 * GENERATION_MAX {
            verified.learn(1, digest(number), IssuerKeyId(1));
        }
        let known = |number| verified.knows(1, digest(number), IssuerKeyId(1));
        assert!(!known(0));
        assert!(known(3 * GENERATION_MAX - 1));
        let count = (0..3 * GENERATION_MAX).filter(|it| known(*it)).count();
        assert!(count <= 2 * GENERATION_MAX, "{count}");
    }
}
