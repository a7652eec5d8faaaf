//! Page tokens: where a list goes on, bound to the request that it belongs to.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::kernel::fault::{Fault, Kind, Reason};

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

    /// Returns the token of the page after a number.
    #[must_use]
    pub fn seal(&self, fingerprint: &[u8], last: i64) -> String {
        self.seal_place(fingerprint, &last.to_be_bytes())
    }

    /// Returns the token of the page after a place, whatever it is made of.
    #[must_use]
    pub fn seal_place(&self, fingerprint: &[u8], place: &[u8]) -> String {
        let mut token = place.to_vec();
        let mac = self.mac(fingerprint, &token);
        token.extend(mac.as_ref().iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Returns the number after which the page begins; `None` for the first page, whose token is empty.
    ///
    /// # Errors
    ///
    /// `PAGE_TOKEN_INVALID` for a token that is not one for this request.
    pub fn open(&self, fingerprint: &[u8], token: &str) -> Result<Option<i64>, Fault> {
        if token.is_empty() {
            return Ok(None);
        }
        self.opened(fingerprint, token).map(Some).ok_or_else(|| {
            let message = "this page token was not made by this hub, or for another request";
            Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
        })
    }

    fn opened(&self, fingerprint: &[u8], token: &str) -> Option<i64> {
        Some(i64::from_be_bytes(self.open_place::<8>(fingerprint, token)?))
    }

    /// Returns the place in a token, or `None` if it is not one for this request.
    #[must_use]
    pub fn open_place<const N: usize>(&self, fingerprint: &[u8], token: &str) -> Option<[u8; N]> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (place, mac) = sealed.split_at_checked(N)?;
        let expected = self.mac(fingerprint, place);
        let expected = expected.as_ref().get(..MAC_BYTES)?;
        constant_time::verify_slices_are_equal(expected, mac).ok()?;
        place.try_into().ok()
    }

    fn mac(&self, fingerprint: &[u8], plain: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(plain);
        context.update(fingerprint);
        context.sign()
    }
}
