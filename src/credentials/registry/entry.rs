//! What stands in the registry: issuers, their keys, what they may issue, and from where their status lists come.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::codes::divisions::Division;
use crate::credentials::domain::{AccreditationId, Algorithm};
use crate::credentials::sdjwt::key::PublicKey;
use crate::kernel::ids::{IssuerId, IssuerKeyId, ParticipantId};
use crate::pb::peshub::credentials::v1 as pb;

/// Who holds the secret half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holding {
    /// The hub.
    Hub,
    /// The issuer; the hub was given the public half.
    Issuer,
    /// The issuer; the hub found the public half at the issuer's well-known address.
    Discovered,
    /// The issuer: an authority whose certificates name the issuer's keys.
    Authority,
}

impl Holding {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Hub, Self::Issuer, Self::Discovered, Self::Authority];

    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Hub => 1,
            Self::Issuer => 2,
            Self::Discovered => 3,
            Self::Authority => 4,
        }
    }

    /// Returns the way with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// Credentials.
    Credentials,
    /// Status lists.
    StatusLists,
    /// Both.
    Both,
}

impl KeyUse {
    /// Every use.
    pub const ALL: [Self; 3] = [Self::Credentials, Self::StatusLists, Self::Both];

    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Credentials => 1,
            Self::StatusLists => 2,
            Self::Both => 3,
        }
    }

    /// Returns the use with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }

    /// Returns whether a key of this use signs what is of another.
    #[must_use]
    pub fn serves(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

/// Where the secret half of a key is that the hub holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Held {
    /// Which provider has it.
    pub provider: String,
    /// How the provider finds it.
    pub handle: Vec<u8>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A key of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerKey {
    /// Its number.
    pub id: IssuerKeyId,
    /// Whose it is.
    pub issuer: IssuerId,
    /// Its id: `kid`.
    pub key_id: String,
    /// Its algorithm; `None` for an authority.
    pub algorithm: Option<Algorithm>,
    /// The public half; `None` for an authority.
    pub public: Option<PublicKey>,
    /// The public half as a JSON Web Key; empty for an authority.
    pub public_jwk: String,
    /// Certificate of the authority, DER; `None` for everything else.
    pub authority: Option<Vec<u8>>,
    /// Who holds the secret half.
    pub holding: Holding,
    /// What it signs.
    pub key_use: KeyUse,
    /// Where the secret half is, if the hub holds it.
    pub held: Option<Held>,
    /// From when on it signs.
    pub valid_from: OffsetDateTime,
    /// From when on it signs no more.
    pub retired_at: Option<OffsetDateTime>,
    /// From when on it may be in wrong hands.
    pub compromised_at: Option<OffsetDateTime>,
    /// When it was added.
    pub added_at: OffsetDateTime,
}

/// The right to issue.
#[derive(Clone, Debug)]
pub struct Accreditation {
    /// Its id.
    pub id: AccreditationId,
    /// Whose it is.
    pub issuer: IssuerId,
    /// Name of the credential type, in every version.
    pub type_name: String,
    /// Occupations as tokens, each with everything below it; none stands for all.
    pub occupations: Vec<String>,
    /// Divisions, each with everything below it; none stands for all.
    pub divisions: Vec<&'static Division>,
    /// As the contract has it, with codes as they were named.
    pub content: pb::Accreditation,
    /// From when on.
    pub valid_from: OffsetDateTime,
    /// Until when, exclusive.
    pub valid_until: Option<OffsetDateTime>,
    /// Who gave it.
    pub granted_by: ParticipantId,
    /// Since when it is withdrawn.
    pub withdrawn_at: Option<OffsetDateTime>,
}

/// From where status lists come, and who signs them.
#[derive(Clone, Debug)]
pub struct StatusSigner {
    /// Whose credentials the lists are about.
    pub issuer: IssuerId,
    /// What the address of a list begins with.
    pub uri_prefix: String,
    /// Whose keys sign them.
    pub signer: IssuerId,
    /// When it was entered.
    pub added_at: OffsetDateTime,
}

/// Who issues credentials.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its number.
    pub id: IssuerId,
    /// Short name, unique on this hub.
    pub name: String,
    /// `iss` of its credentials.
    pub identifier: String,
    /// Official name.
    pub display_name: String,
    /// Who owns it; `None` when it issues elsewhere.
    pub participant: Option<ParticipantId>,
    /// Short name of who owns it; empty when it issues elsewhere.
    pub owner: String,
    /// Who registered it.
    pub registrar: ParticipantId,
    /// Short name of who registered it.
    pub registered_by: String,
    /// Which specifications it follows, by its number in the contract.
    pub profile: i16,
    /// Whether its keys are looked up at its well-known address.
    pub discovers_keys: bool,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// Its keys, the newest first.
    pub keys: Vec<Arc<IssuerKey>>,
    /// Its accreditations, the newest first.
    pub accreditations: Vec<Arc<Accreditation>>,
    /// From where status lists of its credentials come.
    pub status_signers: Vec<StatusSigner>,
}
