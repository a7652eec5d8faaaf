//! Credential types: what a credential of a type may say, and what of it is hidden.

use serde_json::Value;
use time::OffsetDateTime;

use crate::codes::occupations;
use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::registry::trust::Subject;
use crate::credentials::schema::Schema;
use crate::kernel::ids::{CredentialTypeId, ParticipantId};
use crate::pb::peshub::common::v1::OccupationScheme;
use crate::pb::peshub::credentials::v1 as pb;

/// Whether a claim can be disclosed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disclosure {
    /// Its holder always decides.
    Always,
    /// The issuer may leave it to the holder.
    Allowed,
    /// Whoever sees the credential sees it.
    Never,
}

/// A claim of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it stands.
    pub path: ClaimPath,
    /// Whether it can be disclosed by itself.
    pub disclosure: Disclosure,
    /// Whether it must be in every credential.
    pub is_mandatory: bool,
    /// Whether the law protects it more than others.
    pub is_sensitive: bool,
}

/// A version of a type of credentials.
#[derive(Debug)]
pub struct CredentialType {
    /// Its number.
    pub id: CredentialTypeId,
    /// Short name.
    pub name: String,
    /// Version, from 1.
    pub version: i32,
    /// `vct` of its credentials.
    pub vct: String,
    /// Who published it.
    pub participant: ParticipantId,
    /// As the contract has it.
    pub content: pb::CredentialType,
    /// What it says of itself, ready to be used.
    pub rules: Rules,
    /// When it was published.
    pub created_at: OffsetDateTime,
    /// Since when nothing more is issued of it.
    pub retired_at: Option<OffsetDateTime>,
}

/// What a type says of its credentials.
#[derive(Debug)]
pub struct Rules {
    /// JSON Schema of the claims, before any is hidden.
    pub schema: Schema,
    /// Its claims.
    pub claims: Vec<Claim>,
    /// Where the occupation stands that an accreditation is held against, and the list of its code.
    pub occupation: Option<(ClaimPath, occupations::Scheme)>,
    /// Where the division stands that an accreditation is held against.
    pub division: Option<ClaimPath>,
}

impl Rules {
    /// Reads what a type says of its credentials, which was held against the contract's rules.
    ///
    /// # Errors
    ///
    /// The schema is none, or a path or a list of codes cannot be read.
    pub fn read(content: &pb::CredentialType) -> Result<Self, String> {
        let read_path = |path: &Option<pb::ClaimPath>| {
            path.as_ref().and_then(|path| ClaimPath::parse(&path.segments))
        };
        let claim = |claim: &pb::ClaimDefinition| {
            Some(Claim {
                path: read_path(&claim.path)?,
                disclosure: disclosure(claim.disclosure()),
                is_mandatory: claim.mandatory,
                is_sensitive: claim.sensitive,
            })
        };
        let claims: Option<_> = content.claims.iter().map(claim).collect();
        let scheme = occupation_scheme(content.occupation_scheme());
        Ok(Self {
            schema: Schema::read(&content.schema_json)?,
            claims: claims.ok_or("has a claim without a path")?,
            occupation: read_path(&content.occupation_claim).zip(scheme),
            division: read_path(&content.division_claim),
        })
    }
}

impl CredentialType {
    /// Returns what a credential of this type is about, as far as accreditations go. `text` returns the text at a path in what it
    /// says, before any is hidden or after all was disclosed.
    #[must_use]
    pub fn subject<'a>(&self, text: impl Fn(&ClaimPath) -> Option<&'a str>) -> Subject {
        let occupation = self.rules.occupation.as_ref();
        Subject::of_codes(
            occupation.and_then(|(path, scheme)| Some((*scheme, text(path)?))),
            self.rules.division.as_ref().and_then(&text),
        )
    }

    /// Returns what is known of a claim: its own definition, or that of the nearest above it.
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<&Claim> {
        let above = self.rules.claims.iter().filter(|claim| claim.path.covers(path));
        above.max_by_key(|claim| claim.path.segments().len())
    }
}

/// Returns what stands at a path that names one place.
#[must_use]
pub fn at<'a>(claims: &'a Value, path: &ClaimPath) -> Option<&'a Value> {
    path.segments().iter().try_fold(claims, |value, segment| match segment {
        Segment::Name(name) => value.get(name),
        Segment::Element(index) => value.get(index),
        Segment::Every => None,
    })
}

fn disclosure(disclosure: pb::ClaimDisclosure) -> Disclosure {
    match disclosure {
        pb::ClaimDisclosure::Unspecified | pb::ClaimDisclosure::Always => Disclosure::Always,
        pb::ClaimDisclosure::Allowed => Disclosure::Allowed,
        pb::ClaimDisclosure::Never => Disclosure::Never,
    }
}

/// Returns the list of occupations that the contract names.
#[must_use]
pub fn occupation_scheme(scheme: OccupationScheme) -> Option<occupations::Scheme> {
    match scheme {
        OccupationScheme::Unspecified => None,
        OccupationScheme::Csco2022 => Some(occupations::Scheme::Csco2022),
        OccupationScheme::Isco08 => Some(occupations::Scheme::Isco08),
        OccupationScheme::Esco => Some(occupations::Scheme::Esco),
        OccupationScheme::OnetSoc => Some(occupations::Scheme::OnetSoc),
    }
}
