//! Numbers in an order that only who has the key can tell: the places of a status list, one after the other.

use aws_lc_rs::hmac;

/// Bits of a place.
pub const PLACE_BITS: u32 = 20;
/// Places of a shard.
pub const PLACES: u32 = 1 << PLACE_BITS;
/// Bits of each half.
const HALF_BITS: u32 = PLACE_BITS / 2;
const HALF_MASK: u32 = (1 << HALF_BITS) - 1;
/// Rounds of the network: as many as FF1 (NIST SP 800-38G) takes for small domains.
const ROUNDS: u8 = 10;

/// A keyed permutation of the numbers below [`PLACES`]: a Feistel network whose rounds are HMAC-SHA-256. Every network of this form
/// is a bijection, whatever its rounds are; that nobody sees the order is what the rounds are for.
#[derive(Clone, Debug)]
pub struct Permutation(hmac::Key);

impl Permutation {
    /// Returns the permutation of a key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Returns the place of a number; numbers from [`PLACES`] on begin again.
    #[must_use]
    pub fn place(&self, number: u32) -> u32 {
        let (mut left, mut right) = ((number >> HALF_BITS) & HALF_MASK, number & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right));
        }
        (left << HALF_BITS) | right
    }

    fn round(&self, round: u8, half: u32) -> u32 {
        let [_, _, high, low] = half.to_be_bytes();
        let tag = hmac::sign(&self.0, &[round, high, low]);
        let first = tag.as_ref().first_chunk::<4>().copied().unwrap_or_default();
        u32::from_be_bytes(first) & HALF_MASK
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::issuing::permutation::{PLACES, Permutation};

    /// Counts how often the place of a number is one more than that of the number before.
    fn steps(places: &[u32]) -> usize {
        places.windows(2).filter(|it| it[1].wrapping_sub(it[0]) == 1).count()
    }

    #[test]
    fn every_place_is_given_exactly_once() {
        let permutation = Permutation::new(b"a key");
        let mut given = vec![false; PLACES as usize];
        for number in 0..PLACES {
            let place = permutation.place(number) as usize;
            assert!(!given[place], "{place} twice");
            given[place] = true;
        }
        assert!(given.iter().all(|it| *it));
    }

    #[test]
    fn places_tell_nothing_of_their_order() {
        let permutation = Permutation::new(b"a key");
        let places: Vec<u32> = (0..100_000).map(|number| permutation.place(number)).collect();
        // In a random order one of 2^20 places follows its neighbour: one of 100,000 at most a few times.
        assert!(steps(&places) < 5, "{} steps of one", steps(&places));
        let planted: Vec<u32> = (0..100_000).collect();
        assert_eq!(steps(&planted), 99_999, "the checker sees a sequence");
        // Each bit of the place is set for about half of the numbers.
        for bit in 0..20 {
            let set = places.iter().filter(|it| *it >> bit & 1 == 1).count();
            assert!((48_000..52_000).contains(&set), "bit {bit}: {set}");
        }
        let other = Permutation::new(b"another key");
        let alike = places.iter().zip(0..).filter(|(place, it)| other.place(*it) == **place);
        assert!(alike.count() < 5, "another key gives another order");
    }
}
