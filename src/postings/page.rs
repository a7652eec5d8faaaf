//! Page tokens of postings: the time of the last change, and the number.

use time::OffsetDateTime;

use crate::kernel::clock;
use crate::kernel::ids::PostingId;
use crate::platform::page;

/// Seals and opens page tokens.
#[derive(Clone, Debug)]
pub struct PageTokens(page::PageTokens);

impl PageTokens {
    /// Returns tokens made with a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(page::PageTokens::new(secret))
    }

    /// Returns the token of the page after a posting.
    #[must_use]
    pub fn seal(&self, fingerprint: &[u8], at: OffsetDateTime, id: PostingId) -> String {
        let at = clock::unix_microseconds(at).unwrap_or_default();
        self.0.seal_place(fingerprint, &[at.to_be_bytes(), id.0.to_be_bytes()].concat())
    }

    /// Returns what a token says, or `None` if it is not one for this request.
    #[must_use]
    pub fn open(&self, fingerprint: &[u8], token: &str) -> Option<(OffsetDateTime, PostingId)> {
        let place = self.0.open_place::<16>(fingerprint, token)?;
        let (at, id) = place.split_at_checked(8)?;
        let micros = i64::from_be_bytes(at.try_into().ok()?);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
        Some((at, PostingId(i64::from_be_bytes(id.try_into().ok()?))))
    }
}
