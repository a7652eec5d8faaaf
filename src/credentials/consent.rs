//! Consent: to whom, which data, what for, until when; and the nonce by which a holder's one signature proves all of it.

pub mod commands;
pub mod purpose;
pub mod queries;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use crate::credentials::domain::{ClaimPath, ConsentId};
use crate::kernel::ids::ParticipantId;

/// Longest time that a consent can hold.
pub const TERM_MAX: time::Duration = time::Duration::days(3 * 366);
/// What is hashed before the terms, so that the hash is good for nothing else.
const LABEL: &[u8] = b"peshub consent terms 1\0";
/// Random bytes at the beginning of a nonce.
const RANDOM_BYTES: usize = 16;
/// Instants in the terms: RFC 3339, UTC, whole seconds.
const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// What a worker consents to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Short name of the participant that may see the data.
    pub recipient: String,
    /// What for.
    pub purpose: String,
    /// Names of credential types.
    pub type_names: Vec<String>,
    /// Claims, each with everything below it.
    pub claims: Vec<ClaimPath>,
    /// Until when, exclusive; whole seconds.
    pub until: OffsetDateTime,
}

/// The terms as they are shown to the holder and bound by the nonce: keys in the order of RFC 8785.
#[derive(Serialize)]
struct Shown<'a> {
    claims: Vec<Vec<String>>,
    consent: String,
    purpose: &'a str,
    recipient: &'a str,
    types: &'a [String],
    until: String,
}

impl Terms {
    /// Returns the one text of the terms of a consent: a JSON object without white space.
    #[must_use]
    pub fn text(&self, id: ConsentId) -> String {
        let shown = Shown {
            claims: self.claims.iter().map(ClaimPath::to_texts).collect(),
            consent: id.to_string(),
            purpose: &self.purpose,
            recipient: &self.recipient,
            types: &self.type_names,
            until: self.until.to_utc().format(INSTANT).unwrap_or_default(),
        };
        // Only maps whose keys are no texts cannot be written, and there are none.
        serde_json::to_string(&shown).unwrap_or_default()
    }

    /// Returns whether the terms cover a claim, given which claims are sensitive: those must be named by themselves.
    #[must_use]
    pub fn cover(&self, claim: &ClaimPath, sensitive: &[ClaimPath]) -> bool {
        let mut above = sensitive.iter().filter(|it| it.covers(claim));
        above.all(|sensitive| self.claims.iter().any(|it| it.covers(claim) && sensitive.covers(it)))
            && self.claims.iter().any(|it| it.covers(claim))
    }

    /// Returns whether the terms name something below a claim.
    #[must_use]
    pub fn reach_below(&self, claim: &ClaimPath) -> bool {
        let depth = claim.segments().len();
        let beginning = |it: &ClaimPath| ClaimPath::new(it.segments().get(..depth)?.to_vec());
        self.claims.iter().filter_map(beginning).any(|it| it.covers(claim))
    }
}

/// Returns a nonce that binds some terms: a random part, and the SHA-256 of a label, the random part and the terms' text.
#[must_use]
pub fn nonce(random: [u8; RANDOM_BYTES], terms: &str) -> String {
    let bound = bound(&random, terms);
    URL_SAFE_NO_PAD.encode([random.as_slice(), bound.as_ref()].concat())
}

/// Returns whether a nonce binds some terms.
#[must_use]
pub fn binds(nonce: &str, terms: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
    let Some((random, hash)) = bytes.split_at_checked(RANDOM_BYTES) else { return false };
    constant_time::verify_slices_are_equal(bound(random, terms).as_ref(), hash).is_ok()
}

fn bound(random: &[u8], terms: &str) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [LABEL, random, terms.as_bytes()] {
        context.update(part);
    }
    context.finish()
}

/// Returns what stands in the database for a nonce.
#[must_use]
pub fn nonce_sha256(nonce: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, nonce.as_bytes()).as_ref());
    hash
}

/// How a consent is evidenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// By the holder's signature over the terms.
    HolderSignature,
    /// By a signed document.
    Document,
    /// In person.
    InPerson,
}

/// What shows that the worker consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How.
    pub kind: EvidenceKind,
    /// SHA-256 of the document.
    pub document_sha256: Option<[u8; 32]>,
    /// Where the recorder finds it again.
    pub reference: String,
}

/// How a consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for the holder's signature.
    Awaited,
    /// It holds.
    Given,
    /// It was withdrawn.
    Withdrawn,
    /// Its time is over.
    Over,
}

/// A consent as it is recorded.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Which.
    pub id: ConsentId,
    /// Whose data it is about; absent when the hub does not know.
    pub worker: Option<Uuid>,
    /// The caller's reference to the worker.
    pub reference: Option<Uuid>,
    /// Who may see the data.
    pub recipient: ParticipantId,
    /// What the worker consents to.
    pub terms: Terms,
    /// What shows it.
    pub evidence: Evidence,
    /// Short name of who recorded it.
    pub recorded_by: String,
    /// When.
    pub recorded_at: OffsetDateTime,
    /// Since when it holds.
    pub given_at: Option<OffsetDateTime>,
    /// Thumbprint of the holder's key that signed the terms.
    pub holder_key: Option<[u8; 32]>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<OffsetDateTime>,
}

impl Consent {
    /// Returns how it stands.
    #[must_use]
    pub fn state(&self, now: OffsetDateTime) -> State {
        if self.withdrawn_at.is_some() {
            State::Withdrawn
        } else if now >= self.terms.until {
            State::Over
        } else if self.given_at.is_none() {
            State::Awaited
        } else {
            State::Given
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::uuid;

    use crate::credentials::consent::{Terms, binds, nonce};
    use crate::credentials::domain::{ClaimPath, ConsentId};

    fn path(text: &str) -> ClaimPath {
        let segments: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        ClaimPath::parse(&segments).unwrap()
    }

    fn terms(claims: &[&str]) -> Terms {
        Terms {
            recipient: "platform-north".to_owned(),
            purpose: "placing as a welder".to_owned(),
            type_names: vec!["skill-level".to_owned()],
            claims: claims.iter().map(|it| path(it)).collect(),
            until: datetime!(2027-01-02 03:04:05 UTC),
        }
    }

    const ID: ConsentId = ConsentId(uuid!("018f0000-0000-7000-8000-000000000001"));

    #[test]
    fn the_text_of_the_terms_is_fixed() {
        let expected = r#"{"claims":[["employer","name"],["skills","*"]],"consent":"018f0000-0000-7000-8000-000000000001","purpose":"placing as a welder","recipient":"platform-north","types":["skill-level"],"until":"2027-01-02T03:04:05Z"}"#;
        assert_eq!(terms(&["employer.name", "skills.*"]).text(ID), expected);
    }

    #[test]
    fn a_nonce_binds_its_terms_and_no_others() {
        let text = terms(&["level"]).text(ID);
        let made = nonce([7; 16], &text);
        assert_eq!(made.len(), 64);
        assert!(binds(&made, &text));
        assert!(!binds(&made, &terms(&["level", "name"]).text(ID)));
        assert!(!binds(&made, &text.replace("welder", "driver")));
        assert!(!binds(&nonce([8; 16], "else"), &text));
        for wrong in ["", "AAAA", "not base64url!", made.get(..60).unwrap()] {
            assert!(!binds(wrong, &text), "{wrong}");
        }
    }

    #[test]
    fn what_is_sensitive_is_covered_only_when_it_is_named_by_itself() {
        let sensitive = [path("disability"), path("insurance.number")];
        let check = |claims: &[&str], claim: &str, expected| {
            let covered = terms(claims).cover(&path(claim), &sensitive);
            assert_eq!(covered, expected, "{claims:?} {claim}");
        };
        check(&["level"], "level", true);
        check(&["level"], "name", false);
        check(&["insurance"], "insurance.from", true);
        check(&["insurance"], "insurance.number", false);
        check(&["insurance", "insurance.number"], "insurance.number", true);
        check(&["insurance.number"], "insurance.number", true);
        check(&["disability"], "disability.grade", true);
        check(&["disability.grade"], "disability.grade", true);
        check(&["disability.grade"], "disability.kind", false);
    }
}
