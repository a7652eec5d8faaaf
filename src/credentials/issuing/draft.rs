//! What a credential is to say, held against its type and its issuer's accreditations: pure.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::credentials::domain::ClaimPath;
use crate::credentials::error::CredentialError;
use crate::credentials::issuing::places::Given;
use crate::credentials::registry::entry::{Issuer, IssuerKey};
use crate::credentials::registry::kind::{Claim, CredentialType, Disclosure, at};
use crate::credentials::registry::trust::ScopeRefusal;
use crate::credentials::schema;
use crate::credentials::sdjwt::json::Object;
use crate::credentials::sdjwt::jws::Header;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::sdjwt::{TYP_SD_JWT_VC, issue};
use crate::kernel::clock::whole_seconds;
use crate::kernel::fields::{Rule, Violation};

/// What a credential is to say, and to whom it is bound.
#[derive(Clone)]
pub struct Draft {
    /// Short name of the issuer.
    pub issuer: String,
    /// Name of the type.
    pub type_name: String,
    /// Its version; the newest when 0.
    pub type_version: i32,
    /// The claims.
    pub claims: Object,
    /// Keys of the holder; a credential is issued for each.
    pub holders: Vec<PublicKey>,
    /// The caller's reference to the worker.
    pub worker: Option<Uuid>,
    /// Short name of the participant that it is for.
    pub subject_for: Option<String>,
    /// `nbf`.
    pub valid_from: Option<OffsetDateTime>,
    /// `exp`.
    pub valid_until: Option<OffsetDateTime>,
    /// Whether it gets a place in a status list.
    pub with_status: bool,
    /// Claims that whoever sees it sees, of those that the type leaves to the issuer.
    pub disclosed: Vec<ClaimPath>,
    /// What the number of digests at each level is a multiple of.
    pub digests_multiple_of: usize,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("issuer", &self.issuer)
            .field("type_name", &self.type_name)
            .finish_non_exhaustive()
    }
}

/// What holds for every credential of a draft.
#[derive(Debug)]
pub struct Terms {
    /// `iat`.
    pub issued_at: OffsetDateTime,
    /// `exp`.
    pub valid_until: Option<OffsetDateTime>,
    /// What its holder may withhold.
    pub hidden: Vec<ClaimPath>,
}

impl Draft {
    /// Holds the draft against its type and its issuer's accreditations.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID` with everything that is wrong, without what was given; `ISSUER_NOT_ACCREDITED`.
    pub fn terms(
        &self,
        issuer: &Issuer,
        credential_type: &CredentialType,
        now: OffsetDateTime,
    ) -> Result<Terms, CredentialError> {
        let issued_at = whole_seconds(now);
        let claims = Value::Object(self.claims.clone());
        let broken = credential_type.rules.schema.violations(&claims);
        let mut wrong: Vec<Violation> = broken.iter().map(of_schema).collect();
        let valid_until = self.end(credential_type, issued_at, &mut wrong);
        let hidden = self.hidden(&credential_type.rules.claims, &mut wrong);
        if !wrong.is_empty() {
            return Err(CredentialError::Invalid(wrong));
        }
        let subject = credential_type.subject(|path| at(&claims, path)?.as_str());
        match issuer.accreditation(&credential_type.name, &subject, now) {
            Ok(_) => Ok(Terms { issued_at, valid_until, hidden }),
            Err(refusal) => Err(not_accredited(issuer, refusal)),
        }
    }

    /// Returns `exp`.
    fn end(
        &self,
        credential_type: &CredentialType,
        issued_at: OffsetDateTime,
        wrong: &mut Vec<Violation>,
    ) -> Option<OffsetDateTime> {
        let begin = self.valid_from.unwrap_or(issued_at);
        let days = i64::from(credential_type.content.validity_days_max);
        let longest = (days > 0).then(|| begin.saturating_add(Duration::days(days)));
        let Some(until) = self.valid_until else { return longest };
        if until <= begin || until <= issued_at {
            let expected = "later than now, and than valid_from".to_owned();
            wrong.push(violation("draft.valid_until", Rule::OutOfRange, expected));
        } else if longest.is_some_and(|longest| until > longest) {
            let expected = format!("at most {days} days after valid_from, by the type");
            wrong.push(violation("draft.valid_until", Rule::OutOfRange, expected));
        }
        Some(until)
    }

    /// Returns what its holder may withhold: what the type says, without what it leaves to the issuer and the issuer discloses.
    fn hidden(&self, claims: &[Claim], wrong: &mut Vec<Violation>) -> Vec<ClaimPath> {
        for (index, path) in self.disclosed.iter().enumerate() {
            let claim = claims.iter().find(|claim| claim.path == *path);
            if claim.is_none_or(|claim| claim.disclosure != Disclosure::Allowed) {
                let expected = "a claim that the type leaves to the issuer".to_owned();
                wrong.push(violation(
                    &format!("draft.disclosed[{index}]"),
                    Rule::BadFormat,
                    expected,
                ));
            }
        }
        let is_hidden = |claim: &&Claim| match claim.disclosure {
            Disclosure::Always => true,
            Disclosure::Allowed => !self.disclosed.contains(&claim.path),
            Disclosure::Never => false,
        };
        claims.iter().filter(is_hidden).map(|claim| claim.path.clone()).collect()
    }

    /// Prepares one of its credentials to be signed.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID` when it would be larger than verifiers take.
    pub fn unsigned(
        &self,
        terms: &Terms,
        signing: Signing<'_>,
        own: Own<'_>,
    ) -> Result<issue::Unsigned, CredentialError> {
        let mut claims = self.claims.clone();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", signing.issuer.identifier.as_str().into());
        put("vct", signing.credential_type.vct.as_str().into());
        put("iat", terms.issued_at.unix_timestamp().into());
        if let Some(from) = self.valid_from {
            put("nbf", from.unix_timestamp().into());
        }
        if let Some(until) = terms.valid_until {
            put("exp", until.unix_timestamp().into());
        }
        if let Some(subject) = signing.subject {
            put("sub", subject.into());
        }
        if let Some(holder) = own.holder {
            put("cnf", json!({ "jwk": holder.to_jwk() }));
        }
        if let Some(place) = own.place {
            let list = json!({ "idx": place.spot.index, "uri": place.uri.as_ref() });
            put("status", json!({ "status_list": list }));
        }
        let algorithm = signing.key.algorithm.ok_or_else(|| no_key(signing.issuer))?;
        let draft = issue::Draft {
            header: Header {
                algorithm,
                typ: Some(TYP_SD_JWT_VC.to_owned()),
                kid: Some(signing.key.key_id.clone()),
                x5c: Vec::new(),
            },
            claims,
            hidden: &terms.hidden,
            digests_multiple_of: self.digests_multiple_of,
        };
        issue::prepare(draft).map_err(|defect| match defect {
            issue::IssueDefect::Library => {
                CredentialError::Key(crate::platform::keys::KeyError::Randomness)
            }
            issue::IssueDefect::Name
            | issue::IssueDefect::Registered
            | issue::IssueDefect::Bounds => {
                let expected = format!("claims that can be issued: {defect}");
                let wrong = violation("draft.claims_json", Rule::BadFormat, expected);
                CredentialError::Invalid(vec![wrong])
            }
        })
    }
}

/// By whom a credential is signed, and what of it is the same in all of a draft.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// The type.
    pub credential_type: &'a CredentialType,
    /// The key.
    pub key: &'a IssuerKey,
    /// `sub`.
    pub subject: Option<&'a str>,
}

/// What one credential of a draft has for itself.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// To whom it is bound.
    pub holder: Option<&'a PublicKey>,
    /// Its place in a status list.
    pub place: Option<&'a Given>,
}

/// Returns the failure of an issuer without a key that the hub holds and that signs now.
#[must_use]
pub fn no_key(issuer: &Issuer) -> CredentialError {
    CredentialError::NoSigningKey { issuer: issuer.name.clone() }
}

/// Returns the failure of an issuer that is not accredited.
#[must_use]
pub fn not_accredited(issuer: &Issuer, refusal: ScopeRefusal) -> CredentialError {
    let lacks = match refusal {
        ScopeRefusal::Type => "for this type of credentials",
        ScopeRefusal::Time => "at this time",
        ScopeRefusal::Occupation => "for this occupation",
        ScopeRefusal::Division => "in this division",
    };
    CredentialError::NotAccredited { issuer: issuer.name.clone(), lacks }
}

/// Tells of a claim that breaks the schema of its type, by its place and the rule.
fn of_schema(broken: &schema::Violation) -> Violation {
    let rule = match broken.keyword.as_str() {
        "required" => Rule::Required,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Rule::OutOfRange,
        "maxLength" | "maxItems" => Rule::TooLong,
        "minLength" | "minItems" => Rule::TooShort,
        "enum" | "const" => Rule::UnknownChoice,
        _ => Rule::BadFormat,
    };
    let expected = format!("what the type's schema says by `{}`", broken.keyword);
    violation(&format!("draft.claims_json{}", broken.pointer), rule, expected)
}

/// Returns a violation; what was given is never repeated.
#[must_use]
pub fn violation(field: &str, rule: Rule, expected: String) -> Violation {
    Violation { field: field.to_owned(), rule, expected, given: String::new() }
}
