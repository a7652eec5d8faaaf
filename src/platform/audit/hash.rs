//! Hashes of the trail: SHA-256, Merkle trees of RFC 9162 (section 2.1), and the chain.

use std::fmt;

use aws_lc_rs::digest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-256. Its text is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the chain begins with.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the SHA-256 of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    fn of_parts(parts: &[&[u8]]) -> Self {
        let mut running = Running::default();
        for part in parts {
            running.update(part);
        }
        running.finish()
    }

    /// Returns the hash that some bytes are, or `None` when they are not 32.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        Self::of_bytes(&from_hex(text)?)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_hex(&text).ok_or_else(|| D::Error::custom("not 64 lower-case hexadecimal digits"))
    }
}

/// Bytes whose text is lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_hex(&text);
        bytes.map(Self).ok_or_else(|| D::Error::custom("not lower-case hexadecimal digits"))
    }
}

/// Returns bytes as lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads lower-case hexadecimal digits.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let read = pairs.map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    read.collect()
}

/// A SHA-256 in the making.
#[derive(Clone)]
pub struct Running(digest::Context);

impl Default for Running {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Running {
    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the hash of all that was taken in.
    #[must_use]
    pub fn finish(self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        Hash(hash)
    }
}

/// Returns the leaf hash of an entry's text.
#[must_use]
pub fn leaf(text: &[u8]) -> Hash {
    Hash::of_parts(&[&[0], text])
}

/// Returns the chain's hash after a leaf.
#[must_use]
pub fn chained(before: Hash, leaf: Hash) -> Hash {
    Hash::of_parts(&[&before.0, &leaf.0])
}

fn node(left: Hash, right: Hash) -> Hash {
    Hash::of_parts(&[&[1], &left.0, &right.0])
}

/// Returns how many of several leaves are in the left subtree: the largest power of two that is less than their number.
const fn left_of(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

/// Returns the root of the Merkle tree over some leaves.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(b""),
        [one] => *one,
        several => {
            let (left, right) = several.split_at(left_of(several.len()));
            node(root(left), root(right))
        }
    }
}

/// Returns the hashes by which a leaf's way to the root can be computed, from below; `None` when there is no such leaf.
#[must_use]
pub fn path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if leaves.len() <= 1 {
        return (index < leaves.len()).then(Vec::new);
    }
    let (left, right) = leaves.split_at(left_of(leaves.len()));
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (path(left, index)?, root(right)),
        Some(index) => (path(right, index)?, root(left)),
    };
    path.push(sibling);
    Some(path)
}

/// Returns the root that a leaf and its path lead to in a tree of `size` leaves; `None` when the path does not fit.
#[must_use]
pub fn root_by(path: &[Hash], leaf: Hash, index: usize, size: usize) -> Option<Hash> {
    if size <= 1 {
        return (index < size && path.is_empty()).then_some(leaf);
    }
    let (sibling, path) = path.split_last()?;
    let left = size.checked_next_power_of_two()? / 2;
    Some(match index.checked_sub(left) {
        None => node(root_by(path, leaf, index, left)?, *sibling),
        Some(index) => node(*sibling, root_by(path, leaf, index, size - left)?),
    })
}

#[cfg(test)]
mod tests {
    use crate::platform::audit::hash::{Hash, from_hex, leaf, path, root, root_by};

    #[test]
    fn roots_are_those_of_the_known_answers() {
        // The test vectors of Certificate Transparency for RFC 6962.
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let leaves: Vec<Hash> = inputs.iter().map(|it| leaf(&from_hex(it).unwrap())).collect();
        let check = |count: usize, expected: &str| {
            assert_eq!(root(&leaves[..count]).to_string(), expected, "{count} leaves");
        };
        check(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        check(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        check(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        check(5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4");
        check(8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn a_path_leads_from_its_leaf_to_the_root_and_from_no_other() {
        let leaves: Vec<Hash> = (0..33_u8).map(|it| leaf(&[it])).collect();
        for size in 1..=leaves.len() {
            let tree = &leaves[..size];
            for index in 0..size {
                let path = path(tree, index).unwrap();
                assert_eq!(root_by(&path, tree[index], index, size), Some(root(tree)));
                let other = leaf(b"another");
                assert_ne!(root_by(&path, other, index, size), Some(root(tree)));
                if size > 1 {
                    let elsewhere = root_by(&path, tree[index], (index + 1) % size, size);
                    assert_ne!(elsewhere, Some(root(tree)), "{index} of {size}");
                    assert_eq!(root_by(&path[1..], tree[index], index, size), None);
                }
            }
            assert_eq!(path(tree, size), None);
        }
    }

    #[test]
    fn digits_are_lower_case_and_come_in_pairs() {
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        assert!(["0", "0G", "FF", "0 ", "é"].iter().all(|text| from_hex(text).is_none()));
    }
}
