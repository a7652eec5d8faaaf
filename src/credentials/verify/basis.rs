//! What a verdict rests on, sealed by the hub: with it and the presentation the same verdict is given again, and without the seal
//! nobody can have it given as of an instant of their choice.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use crate::credentials::domain::Status;
use crate::credentials::sdjwt::read::split_signed;
use crate::credentials::status::look::{Finding, Look, Why};
use crate::credentials::verify::engine::Nonce;
use crate::kernel::clock::unix_microseconds;
use crate::kernel::ids::ParticipantId;
use crate::platform::keys::sealing;

/// Bytes of the facts in a seal.
const FACTS_BYTES: usize = 19;
/// Bytes of a MAC in a seal.
const MAC_BYTES: usize = 16;
/// Stands for an instant that is absent.
const ABSENT: i64 = i64::MIN;
/// Reasons why a status was not to be had, by their numbers in seals; never in another order.
const WHYS: [Why; 8] = [
    Why::NobodySigns,
    Why::ForeignList,
    Why::NoSuchList,
    Why::OnItsWay,
    Why::NotHad,
    Why::Over,
    Why::UnknownValue,
    Why::NotKnownThen,
];
/// Number of the first of [`WHYS`].
const FIRST_WHY: u8 = 16;

/// What a verdict rested on, besides what is presented, the policy and the grounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rested {
    /// When it was given.
    pub verified_at: OffsetDateTime,
    /// Which revision of the trust registry counted.
    pub trust_revision: i64,
    /// What the look-up of its status found; absent without a status.
    pub look: Option<Look>,
    /// What was known of the nonce of its key binding.
    pub nonce: Nonce,
}

/// For whom and about what a seal is.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// To whom the verdict was given.
    pub participant: ParticipantId,
    /// What was presented.
    pub presentation: Presentation<'a>,
    /// SHA-256 of how it was verified, encoded.
    pub policy_sha256: [u8; 32],
}

/// What was presented, known by a digest: of all of it, or of the issuer-signed part, which was made before, and of the rest.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// SHA-256 of the issuer-signed part, if the rest follows it.
    digest: Option<[u8; 32]>,
    /// The rest, or all of it.
    rest: &'a str,
}

impl<'a> Presentation<'a> {
    /// Returns what was presented as `text`; `digest` is the SHA-256 of its issuer-signed part, if it has one.
    #[must_use]
    pub fn new(text: &'a str, digest: Option<[u8; 32]>) -> Self {
        // In the JSON serialisation the issuer-signed part stands in pieces.
        let is_compact = !text.trim_ascii_start().starts_with('{');
        let parts = split_signed(text).filter(|_| is_compact).zip(digest);
        match parts {
            Some(((_, rest), digest)) => Self { digest: Some(digest), rest },
            None => Self { digest: None, rest: text },
        }
    }
}

/// Seals what verdicts rest on, and names credentials to participants.
#[derive(Clone)]
pub struct Seals {
    basis: hmac::Key,
    handle: hmac::Key,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seals").finish_non_exhaustive()
    }
}

impl Seals {
    /// Returns seals made with the secret that all replicas share.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let shared = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key =
            |label: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, &sealing::mac(&shared, label, b""));
        Self { basis: key(b"basis of verdicts"), handle: key(b"handles of credentials") }
    }

    /// Returns a participant's own name for a credential: no two participants have the same.
    #[must_use]
    pub fn handle(&self, participant: ParticipantId, digest: &[u8; 32]) -> String {
        let name = sealing::mac(&self.handle, &participant.0.to_be_bytes(), digest);
        URL_SAFE_NO_PAD.encode(name.get(..MAC_BYTES).unwrap_or_default())
    }

    /// Returns the seal over what a verdict rested on.
    #[must_use]
    pub fn seal(&self, about: About<'_>, rested: &Rested) -> Vec<u8> {
        let facts = facts(rested);
        let mac = self.mac(about, rested, &facts);
        let mac = mac.get(..MAC_BYTES).unwrap_or_default();
        [facts.as_slice(), mac].concat()
    }

    /// Returns what a verdict rested on by a seal, or `None` if it is none for this.
    #[must_use]
    pub fn open(
        &self,
        about: About<'_>,
        (verified_at, trust_revision): (OffsetDateTime, i64),
        seal: &[u8],
    ) -> Option<Rested> {
        let (facts, mac) = seal.split_at_checked(FACTS_BYTES)?;
        let (nonce, look) = read(facts)?;
        let rested = Rested { verified_at, trust_revision, look, nonce };
        let expected = self.mac(about, &rested, facts);
        let expected = expected.get(..MAC_BYTES)?;
        constant_time::verify_slices_are_equal(expected, mac).ok().map(|()| rested)
    }

    fn mac(&self, about: About<'_>, rested: &Rested, facts: &[u8]) -> [u8; 32] {
        let verified_at = unix_microseconds(rested.verified_at).unwrap_or(ABSENT);
        // Every part has a length of its own.
        let mut message = Vec::with_capacity(160);
        message.extend_from_slice(&about.participant.0.to_be_bytes());
        // No digest is of zeros alone.
        message.extend_from_slice(&about.presentation.digest.unwrap_or_default());
        message.extend_from_slice(&sha256(about.presentation.rest.as_bytes()));
        message.extend_from_slice(&about.policy_sha256);
        message.extend_from_slice(&verified_at.to_be_bytes());
        message.extend_from_slice(&rested.trust_revision.to_be_bytes());
        message.extend_from_slice(facts);
        sealing::mac(&self.basis, b"1", &message)
    }
}

/// Returns the SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    // SHA-256 has 32 bytes.
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// Writes what a seal says: the nonce, the kind of the look-up, as of when, fresh until when, and whether the list is kept here.
fn facts(rested: &Rested) -> [u8; FACTS_BYTES] {
    let micros = |at: OffsetDateTime| unix_microseconds(at).unwrap_or(ABSENT);
    let (kind, as_of, fresh_until, kept_here) = match rested.look {
        None => (0, ABSENT, ABSENT, false),
        Some(Look::Known(it)) => {
            let kind = match it.status {
                Status::Valid => 1,
                Status::Revoked => 2,
                Status::Suspended => 3,
            };
            (kind, micros(it.as_of), it.fresh_until.map_or(ABSENT, micros), it.kept_here)
        }
        Some(Look::OutOfRange) => (4, ABSENT, ABSENT, false),
        Some(Look::Unavailable { why }) => {
            let number = WHYS.iter().position(|it| *it == why).unwrap_or_default();
            let number = u8::try_from(number).unwrap_or_default().saturating_add(FIRST_WHY);
            (number, ABSENT, ABSENT, false)
        }
    };
    let nonce = match rested.nonce {
        Nonce::Unknown => 0,
        Nonce::Fresh => 1,
        Nonce::Over => 2,
        Nonce::Used => 3,
    };
    let mut facts = [0; FACTS_BYTES];
    let parts: [&[u8]; 4] =
        [&[nonce, kind], &as_of.to_be_bytes(), &fresh_until.to_be_bytes(), &[u8::from(kept_here)]];
    for (place, byte) in facts.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    facts
}

fn read(facts: &[u8]) -> Option<(Nonce, Option<Look>)> {
    let [nonce, kind, rest @ ..] = facts else { return None };
    let (as_of, rest) = rest.split_first_chunk::<8>()?;
    let (fresh_until, rest) = rest.split_first_chunk::<8>()?;
    let instant = |bytes: &[u8; 8]| {
        let micros = i64::from_be_bytes(*bytes);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
        at.ok().filter(|_| micros != ABSENT)
    };
    let nonce = match nonce {
        0 => Nonce::Unknown,
        1 => Nonce::Fresh,
        2 => Nonce::Over,
        3 => Nonce::Used,
        _ => return None,
    };
    let known = |status| {
        let (as_of, fresh_until) = (instant(as_of)?, instant(fresh_until));
        Some(Look::Known(Finding { status, as_of, fresh_until, kept_here: rest == [1] }))
    };
    let look = match kind {
        0 => None,
        1 => Some(known(Status::Valid)?),
        2 => Some(known(Status::Revoked)?),
        3 => Some(known(Status::Suspended)?),
        4 => Some(Look::OutOfRange),
        number => {
            let why = WHYS.get(usize::from(number.checked_sub(FIRST_WHY)?))?;
            Some(Look::Unavailable { why: *why })
        }
    };
    Some((nonce, look))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use crate::credentials::domain::Status;
    use crate::credentials::status::look::{Finding, Look};
    use crate::credentials::verify::basis::{About, Presentation, Rested, Seals, WHYS};
    use crate::credentials::verify::engine::Nonce;
    use crate::kernel::ids::ParticipantId;

    const ABOUT: About<'_> = About {
        participant: ParticipantId(7),
        presentation: Presentation { digest: Some([1; 32]), rest: "b~" },
        policy_sha256: [2; 32],
    };

    fn rested(look: Option<Look>) -> Rested {
        let verified_at = datetime!(2026-11-23 08:00:00.123456 UTC);
        Rested { verified_at, trust_revision: 9, look, nonce: Nonce::Fresh }
    }

    #[test]
    fn what_was_sealed_is_read_again() {
        let seals = Seals::new(b"secret");
        let as_of = datetime!(2026-11-23 07:59:59.5 UTC);
        let found = |status, fresh_until| {
            Look::Known(Finding { status, as_of, fresh_until, kept_here: fresh_until.is_some() })
        };
        let mut looks = vec![None, Some(Look::OutOfRange)];
        looks.extend(Status::ALL.map(|it| Some(found(it, None))));
        looks.extend(Status::ALL.map(|it| Some(found(it, Some(as_of)))));
        looks.extend(WHYS.map(|why| Some(Look::Unavailable { why })));
        for look in looks {
            let rested = rested(look);
            let seal = seals.seal(ABOUT, &rested);
            let basis = (rested.verified_at, rested.trust_revision);
            assert_eq!(seals.open(ABOUT, basis, &seal), Some(rested));
        }
    }

    #[test]
    fn a_seal_is_good_for_nothing_else() {
        let seals = Seals::new(b"secret");
        let rested = rested(None);
        let seal = seals.seal(ABOUT, &rested);
        let basis = (rested.verified_at, rested.trust_revision);
        let later = rested.verified_at + time::Duration::microseconds(1);
        let refused = |about: About<'_>, basis, seal: &[u8]| {
            assert_eq!(seals.open(about, basis, seal), None, "{about:?} {basis:?}");
        };
        refused(About { participant: ParticipantId(8), ..ABOUT }, basis, &seal);
        for presentation in [
            Presentation::new("a~b~", Some([3; 32])),
            Presentation::new("a~", Some([1; 32])),
            Presentation::new("b~", None),
            Presentation::new(r#"{"a": "~b~"}"#, Some([1; 32])),
        ] {
            refused(About { presentation, ..ABOUT }, basis, &seal);
        }
        refused(About { policy_sha256: [3; 32], ..ABOUT }, basis, &seal);
        refused(ABOUT, (later, 9), &seal);
        refused(ABOUT, (rested.verified_at, 8), &seal);
        refused(ABOUT, basis, b"");
        for place in 0..seal.len() {
            let mut changed = seal.clone();
            changed[place] ^= 1;
            refused(ABOUT, basis, &changed);
        }
        assert_eq!(Seals::new(b"other").open(ABOUT, basis, &seal), None);
    }

    #[test]
    fn handles_of_two_participants_have_nothing_in_common() {
        let seals = Seals::new(b"secret");
        let of = |participant, digest: u8| seals.handle(ParticipantId(participant), &[digest; 32]);
        assert_eq!(of(1, 1), of(1, 1));
        assert_ne!(of(1, 1), of(2, 1));
        assert_ne!(of(1, 1), of(1, 2));
        assert_eq!(of(1, 1).len(), 22);
    }
}
