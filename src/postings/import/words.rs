//! What people write in place of codes and numbers.
//!
//! Every reader here returns nothing rather than guess: the posting then keeps the words.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};

pub(crate) mod dates;
pub(crate) mod education;
pub(crate) mod employment;
pub(crate) mod experience;
pub(crate) mod numbers;
pub(crate) mod pay;
pub(crate) mod size;
pub(crate) mod texts;

/// Bytes of a digest that stand for the whole.
const DIGEST_BYTES: usize = 16;

/// Returns a digest of several texts in hexadecimal digits: the first 16 bytes of SHA-256.
///
/// Each text goes in with its length before it, so that `ab, c` and `a, bc` differ.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for text in texts {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(text.as_bytes());
    }
    let digest = context.finish();
    digest.as_ref().iter().take(DIGEST_BYTES).fold(String::new(), |mut text, byte| {
        // Writing into a text does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::digest;

    #[test]
    fn a_digest_tells_apart_where_texts_begin() {
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&[]).len(), 32);
        assert_eq!(digest(&[]), "e3b0c44298fc1c149afbf4c8996fb924");
    }
}
