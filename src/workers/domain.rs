//! What a worker is known by, and what may be told of one.

pub mod number;

use std::fmt;

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::workers::domain::number::NationalId;

/// The hub's own name of a worker: never told to participants, and what is left in the audit trail after erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub Uuid);

/// A participant's name of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference(pub Uuid);

impl Reference {
    /// Returns a new one: a UUID of version 4 with random bits of the machine, or `None` if the machine has none.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(Self(uuid::Builder::from_random_bytes(random).into_uuid()))
    }

    /// Reads one, or returns `None`.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What can be disclosed of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkerField {
    /// The identity number.
    NationalId,
    /// The native name.
    NativeName,
    /// The name in Latin letters.
    LatinName,
    /// The day of birth.
    BirthDate,
    /// Ways to reach the person.
    Contacts,
}

impl WorkerField {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NationalId, Self::NativeName, Self::LatinName, Self::BirthDate, Self::Contacts];

    /// Returns its name in the audit trail.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NationalId => "national_id",
            Self::NativeName => "native_name",
            Self::LatinName => "latin_name",
            Self::BirthDate => "birth_date",
            Self::Contacts => "contacts",
        }
    }
}

/// What kind of right somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegalBasisKind {
    /// A law.
    Law,
    /// The worker's consent.
    Consent,
}

impl LegalBasisKind {
    /// Returns its name in the audit trail.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Law => "law",
            Self::Consent => "consent",
        }
    }

    /// Returns the kind and the reference of a basis as the audit trail has it, or `None`.
    #[must_use]
    pub fn of_audit(text: &str) -> Option<(Self, &str)> {
        let (word, reference) = text.split_once(": ")?;
        let kind = [Self::Law, Self::Consent].into_iter().find(|kind| kind.word() == word)?;
        Some((kind, reference))
    }
}

/// Why somebody is to be told something: in words that the worker will read.
#[derive(Clone)]
pub struct Grounds {
    /// What for.
    pub purpose: String,
    /// What kind of right.
    pub kind: LegalBasisKind,
    /// Which right.
    pub reference: String,
}

impl Grounds {
    /// Returns whether the words tell something of the person: they are kept in clear, after erasure as well.
    #[must_use]
    pub fn tell_of(&self, known: &Known<'_>) -> bool {
        let words = [self.purpose.as_str(), self.reference.as_str()];
        words.into_iter().any(|text| known.is_told_by(text))
    }

    /// Returns the basis as the audit trail has it.
    #[must_use]
    pub fn basis(&self) -> String {
        format!("{}: {}", self.kind.word(), self.reference)
    }
}

/// What words about a person must not repeat.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The identity number.
    pub national_id: &'a NationalId,
    /// Names and addresses.
    pub texts: &'a [&'a str],
}

impl Known<'_> {
    fn is_told_by(&self, text: &str) -> bool {
        let bare = number::bare(text);
        // The last digits of a Swedish number are as good as all of it, and so are those of others.
        let number = self.national_id.number();
        let tail = number.get(number.len().saturating_sub(10)..).unwrap_or(number);
        let lower = text.to_lowercase();
        // A short name in Latin letters is a part of many words.
        let tells = |known: &str| known.chars().count() > if known.is_ascii() { 4 } else { 1 };
        let is_in = |known: &&str| tells(known) && lower.contains(&known.to_lowercase());
        bare.contains(tail)
            || number::looks_like_a_citizen_number(&bare)
            || self.texts.iter().any(is_in)
    }
}

/// A statement of a participant about a worker, as far as choosing one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether a bureau states it.
    pub is_bureaus: bool,
    /// Whether the caller states it.
    pub is_own: bool,
    /// When it was stated.
    pub stated_at: OffsetDateTime,
}

/// Returns which of several statements is told: of the bureaus' the newest, or else the caller's own, or else the newest.
#[must_use]
pub fn told(statements: &[Standing]) -> Option<usize> {
    let rank = |it: &Standing| (it.is_bureaus, it.is_own && !it.is_bureaus, it.stated_at);
    statements.iter().enumerate().max_by_key(|(_, it)| rank(it)).map(|(index, _)| index)
}

/// Returns whether a text is a day from 1850 on and not after a given one, `YYYY-MM-DD`.
#[must_use]
pub fn is_birth_date(text: &str, today: Date) -> bool {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    text.len() == 10
        && Date::parse(text, format).is_ok_and(|date| date.year() >= 1850 && date <= today)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use crate::workers::domain::number::{NationalId, Scheme};
    use crate::workers::domain::{Grounds, Known, LegalBasisKind, Standing, is_birth_date, told};

    #[test]
    fn the_newest_statement_of_a_bureau_is_told_before_any_other() {
        let old = datetime!(2026-01-01 0:00 UTC);
        let new = datetime!(2026-02-01 0:00 UTC);
        let by = |is_bureaus, is_own, stated_at| Standing { is_bureaus, is_own, stated_at };
        let check = |statements: &[Standing], expected| assert_eq!(told(statements), expected);
        check(&[], None);
        check(&[by(false, false, new), by(true, false, old)], Some(1));
        check(&[by(true, false, new), by(true, true, old)], Some(0));
        check(&[by(false, true, old), by(false, false, new)], Some(0));
        check(&[by(false, false, old), by(false, false, new)], Some(1));
    }

    #[test]
    fn words_that_tell_of_the_person_are_noticed() {
        let number =
            NationalId::parse(Scheme::Gb11643, "11010519491231002X", date!(2026 - 01 - 01));
        let number = number.unwrap();
        let known = Known { national_id: &number, texts: &["Wang Xiaoming", "王小明", ""] };
        let check = |purpose: &str, reference: &str, expected| {
            let (purpose, reference) = (purpose.to_owned(), reference.to_owned());
            let grounds = Grounds { purpose, kind: LegalBasisKind::Law, reference };
            assert_eq!(grounds.tell_of(&known), expected, "{}", grounds.purpose);
        };
        check("placing in a training course", "就业促进法 第35条", false);
        check("case 110105-1949-1231-002x", "law 1", true);
        check("about wang xiaoming", "law 1", true);
        check("training", "consent of 王小明", true);
        check("somebody else, 330106199001012216", "law 1", true);
        check("case 2026/000123456", "law 1", false);
        let known = Known { national_id: &number, texts: &["Li"] };
        let (purpose, reference) = ("public relief".to_owned(), "law 1".to_owned());
        assert!(!Grounds { purpose, kind: LegalBasisKind::Law, reference }.tell_of(&known));
    }

    #[test]
    fn a_birth_date_is_a_day_that_has_been() {
        let today = date!(2026 - 11 - 23);
        let check = |text, expected| assert_eq!(is_birth_date(text, today), expected, "{text}");
        check("1990-02-28", true);
        check("2026-11-23", true);
        check("2026-11-24", false);
        check("1990-02-30", false);
        check("1990-2-3", false);
        check("+1990-02-2", false);
    }
}
