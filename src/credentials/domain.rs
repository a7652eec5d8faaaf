//! The words of credentials: pure.

use std::fmt;

use uuid::Uuid;

/// A credential that was issued or deposited here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(pub Uuid);

/// A worker's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsentId(pub Uuid);

/// An accreditation of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccreditationId(pub Uuid);

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConsentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AccreditationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Algorithms of issuers' and holders' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// `EdDSA` with Ed25519 (RFC 8037, section 3.1).
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::EdDsa];

    /// Returns its name in a header: `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Es256 => 1,
            Self::EdDsa => 2,
        }
    }

    /// Returns the algorithm with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }
}

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It stands.
    Valid,
    /// Revoked, for ever.
    Revoked,
    /// Suspended; it may be reinstated.
    Suspended,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Revoked, Self::Suspended];

    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Valid => 1,
            Self::Revoked => 2,
            Self::Suspended => 3,
        }
    }

    /// Returns the status with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }

    /// Returns its value in a status list (Token Status List, section 7.1).
    #[must_use]
    pub const fn list_value(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Revoked => 1,
            Self::Suspended => 2,
        }
    }

    /// Returns the status that a value of a status list stands for; `None` for values that the hub knows no meaning of.
    #[must_use]
    pub fn of_list_value(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.list_value() == value)
    }
}

/// What becomes of a credential that is verified. The order is that of precedence: the first that holds is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is none: it breaks a rule of its format.
    Malformed,
    /// Its issuer, or the key, was not to be believed when it was issued.
    UntrustedIssuer,
    /// The issuer's signature does not hold.
    BadSignature,
    /// Who presents it has not shown to be its holder.
    BadBinding,
    /// Its issuer may issue, but not this; or it is none of what was asked for.
    OutOfScope,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// It is suspended.
    Suspended,
    /// Whether it was revoked cannot be found out.
    StatusUnavailable,
    /// What is known of its status is older than the caller takes.
    StatusStale,
    /// Everything that was to be checked holds.
    Valid,
}

impl Outcome {
    /// Returns its name in the audit trail: the contract's, without what all of them begin with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::UntrustedIssuer => "UNTRUSTED_ISSUER",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::BadBinding => "BAD_BINDING",
            Self::OutOfScope => "OUT_OF_SCOPE",
            Self::NotYetValid => "NOT_YET_VALID",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
            Self::Suspended => "SUSPENDED",
            Self::StatusUnavailable => "STATUS_UNAVAILABLE",
            Self::StatusStale => "STATUS_STALE",
            Self::Valid => "VALID",
        }
    }
}

/// The part of a path that names a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A member of an object.
    Name(String),
    /// An element of a list, from 0.
    Element(usize),
    /// Every element of a list.
    Every,
}

/// Where a claim stands in a credential (SD-JWT VC, claim path).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(Vec<Segment>);

impl ClaimPath {
    /// Returns the path of some segments, or `None` when there is none.
    #[must_use]
    pub fn new(segments: Vec<Segment>) -> Option<Self> {
        if segments.is_empty() { None } else { Some(Self(segments)) }
    }

    /// Reads a path as the contract writes it: `*` for every element, decimal digits for one of a list.
    #[must_use]
    pub fn parse(segments: &[String]) -> Option<Self> {
        let read = |text: &String| match text.as_str() {
            "*" => Segment::Every,
            digits if digits.bytes().all(|it| it.is_ascii_digit()) && !digits.is_empty() => {
                digits.parse().map_or_else(|_| Segment::Name(text.clone()), Segment::Element)
            }
            _ => Segment::Name(text.clone()),
        };
        Self::new(segments.iter().map(read).collect())
    }

    /// Returns its segments, from the outermost.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns it as the contract writes it.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Returns whether this path names `other` or something above it: what a consent to this path covers.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len()
            && self.0.iter().zip(&other.0).all(|(own, other)| own.names(other))
    }
}

impl Segment {
    /// Returns whether this one names `other`. The contract writes a member named `18` and an element alike, so that they name
    /// each other.
    #[must_use]
    pub fn names(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, Self::Element(_)) => true,
            (Self::Element(index), Self::Name(name)) | (Self::Name(name), Self::Element(index)) => {
                *name == index.to_string()
            }
            (own, other) => own == other,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Element(index) => index.fmt(f),
            Self::Every => f.write_str("*"),
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_texts().join("."))
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::domain::{ClaimPath, Segment};

    fn path(text: &str) -> ClaimPath {
        let segments: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        ClaimPath::parse(&segments).unwrap()
    }

    #[test]
    fn a_path_covers_itself_and_what_lies_below() {
        let check = |own: &str, other: &str, expected| {
            assert_eq!(path(own).covers(&path(other)), expected, "{own} covers {other}");
        };
        check("employer", "employer", true);
        check("employer", "employer.name", true);
        check("employer.name", "employer", false);
        check("employer", "employer_id", false);
        check("skills.*", "skills.3", true);
        check("skills.3", "skills.*", false);
        check("skills.*.name", "skills.2.name", true);
    }

    #[test]
    fn a_member_whose_name_is_a_number_is_named_as_an_element_is() {
        let member = Segment::Name("18".to_owned());
        assert!(Segment::Element(18).names(&member) && member.names(&Segment::Element(18)));
        assert!(!Segment::Element(8).names(&member) && !Segment::Every.names(&member));
    }
}
