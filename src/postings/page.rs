//! Page tokens: where a list goes on, bound to the request that it belongs to.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use crate::kernel::clock;
use crate::kernel::ids::PostingId;

const MAC_BYTES: usize = 16;

/// Seals and opens page tokens.
#[derive(Clone, Debug)]
pub struct PageTokens(hmac::Key);

impl PageTokens {
    /// Returns tokens made with a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Returns the token of the page after a posting.
    #[must_use]
    pub fn seal(&self, fingerprint: &[u8], at: OffsetDateTime, id: PostingId) -> String {
        let mut token = clock::unix_microseconds(at).unwrap_or_default().to_be_bytes().to_vec();
        token.extend(id.0.to_be_bytes());
        let mac = self.mac(fingerprint, &token);
        token.extend(mac.as_ref().iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Returns what a token says, or `None` if it is not one for this request.
    #[must_use]
    pub fn open(&self, fingerprint: &[u8], token: &str) -> Option<(OffsetDateTime, PostingId)> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (plain, mac) = sealed.split_at_checked(16)?;
        let expected = self.mac(fingerprint, plain);
        let expected = expected.as_ref().get(..MAC_BYTES)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(expected, mac).ok()?;
        let (at, id) = plain.split_at_checked(8)?;
        let micros = i64::from_be_bytes(at.try_into().ok()?);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
        Some((at, PostingId(i64::from_be_bytes(id.try_into().ok()?))))
    }

    fn mac(&self, fingerprint: &[u8], plain: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(plain);
        context.update(fingerprint);
        context.sign()
    }
}
