//! A position as a client holds it: opaque and authenticated.

use aws_lc_rs::hmac;
use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::kernel::ids::Position;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
/// version, epoch, position
const PLAIN_BYTES: usize = 1 + 16 + 8;

/// Writes and reads cursors of one installation.
#[derive(Clone, Debug)]
pub struct CursorKey(hmac::Key);

/// A cursor that was made by this installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which life of the feed it belongs to; a rewound feed has another one.
    pub epoch: Uuid,
    /// Everything up to here was delivered.
    pub position: Position,
}

impl CursorKey {
    /// Returns the key made from a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Returns the cursor as bytes: version, epoch, position, and an HMAC-SHA-256 over them cut to 16 bytes.
    #[must_use]
    pub fn seal(&self, cursor: Cursor) -> Bytes {
        let mut out = BytesMut::with_capacity(PLAIN_BYTES + MAC_BYTES);
        out.put_u8(VERSION);
        out.put_slice(cursor.epoch.as_bytes());
        out.put_i64(cursor.position.0);
        let mac = hmac::sign(&self.0, &out);
        out.extend(mac.as_ref().iter().take(MAC_BYTES));
        out.freeze()
    }

    /// Returns what the bytes say, or `None` if this installation did not make them.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Cursor> {
        let (plain, mac) = sealed.split_at_checked(PLAIN_BYTES)?;
        let expected = hmac::sign(&self.0, plain);
        let expected = expected.as_ref().get(..MAC_BYTES)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(expected, mac).ok()?;
        let (version, rest) = plain.split_first()?;
        let (epoch, position) = rest.split_at_checked(16)?;
        (*version == VERSION).then_some(())?;
        Some(Cursor {
            epoch: Uuid::from_slice(epoch).ok()?,
            position: Position(i64::from_be_bytes(position.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::kernel::ids::Position;
    use crate::platform::feed::cursor::{Cursor, CursorKey};

    #[test]
    fn a_cursor_opens_only_where_it_was_made_and_only_unchanged() {
        let (ours, theirs) = (CursorKey::new(b"ours"), CursorKey::new(b"theirs"));
        let cursor = Cursor { epoch: Uuid::from_u128(7), position: Position(42) };
        let sealed = ours.seal(cursor);
        assert_eq!(ours.open(&sealed), Some(cursor));
        assert_eq!(theirs.open(&sealed), None);
        for index in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[index] ^= 1;
            assert_eq!(ours.open(&changed), None, "byte {index}");
            assert_eq!(ours.open(&sealed[..index]), None, "cut at {index}");
        }
    }
}
