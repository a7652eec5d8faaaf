//! Reads. The registry is public knowledge among participants.

use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::Issuer;
use crate::credentials::wire::registry as render;
use crate::credentials::wire::{instant_or, violation};
use crate::kernel::fault::Fault;
use crate::kernel::fields::Rule;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::page::PageTokens;

/// Entries a page when the request does not say.
const PAGE_SIZE: usize = 100;

/// Returns an issuer.
///
/// # Errors
///
/// `ISSUER_NOT_FOUND`.
pub fn issuer(
    book: &Book,
    request: &pb::GetIssuerRequest,
) -> Result<pb::GetIssuerResponse, CredentialError> {
    let issuer = book.issuer(&request.issuer);
    let missing = || CredentialError::IssuerNotFound { name: request.issuer.clone() };
    let issuer = Some(render::issuer(book, issuer.ok_or_else(missing)?));
    Ok(pb::GetIssuerResponse { issuer })
}

/// Returns a page of issuers.
///
/// # Errors
///
/// `PAGE_TOKEN_INVALID`.
pub fn issuers(
    book: &Book,
    tokens: &PageTokens,
    request: &pb::ListIssuersRequest,
    now: OffsetDateTime,
) -> Result<pb::ListIssuersResponse, Fault> {
    let (type_name, owner) = (request.type_name.as_str(), request.owner.as_str());
    let is_accredited = |issuer: &Issuer| {
        let mut all = issuer.accreditations.iter();
        all.any(|it| it.type_name == type_name && it.valid_from <= now && it.holds(now))
    };
    let is_wanted = |issuer: &Issuer| {
        (owner.is_empty() || issuer.owner == owner)
            && (type_name.is_empty() || is_accredited(issuer))
    };
    let fingerprint = format!("issuers\0{type_name}\0{owner}");
    let page = Page { tokens, fingerprint: &fingerprint, size: request.page_size };
    let all = book.issuers().iter().map(|issuer| (issuer.id.0, issuer));
    let is_wanted = |issuer: &&std::sync::Arc<Issuer>| is_wanted(issuer);
    let (issuers, next_page_token) = page.of(&request.page_token, all, is_wanted)?;
    let issuers = issuers.into_iter().map(|issuer| render::issuer(book, issuer)).collect();
    Ok(pb::ListIssuersResponse { issuers, next_page_token })
}

/// Returns what was true of an issuer.
///
/// # Errors
///
/// `FIELDS_INVALID` for a revision that is yet to come, `ISSUER_NOT_FOUND`, or the database fails.
pub async fn trust(
    registry: &Registry,
    request: &pb::ResolveTrustRequest,
    now: OffsetDateTime,
) -> Result<pb::ResolveTrustResponse, CredentialError> {
    let mut wrong = Vec::new();
    let at = instant_or(request.at.as_ref(), "at", now, &mut wrong);
    let book = match request.trust_revision {
        0 => Some(registry.present()),
        revision => registry.as_of(revision).await?,
    };
    if book.is_none() {
        let expected = "a revision that the registry has had";
        let given = request.trust_revision.to_string();
        wrong.push(violation("trust_revision", Rule::OutOfRange, expected, &given));
    }
    let Some(book) = book.filter(|_| wrong.is_empty()) else {
        return Err(CredentialError::Invalid(wrong));
    };
    let missing = || CredentialError::IssuerNotFound { name: request.issuer.clone() };
    let issuer = book.issuer(&request.issuer).ok_or_else(missing)?;
    Ok(render::trust(&book, issuer, &request.type_name, at))
}

/// Returns a version of a credential type.
///
/// # Errors
///
/// `FIELDS_INVALID` when it is not said which, `CREDENTIAL_TYPE_NOT_FOUND`.
pub fn credential_type(
    book: &Book,
    request: &pb::GetCredentialTypeRequest,
) -> Result<pb::GetCredentialTypeResponse, CredentialError> {
    if request.name.is_empty() == request.vct.is_empty() {
        let violation = violation("name", Rule::Required, "either name or vct", "");
        return Err(CredentialError::Invalid(vec![violation]));
    }
    let found = match request.vct.as_str() {
        "" => book.type_version(&request.name, request.version),
        vct => book.credential_type(vct),
    };
    let missing = || CredentialError::CredentialTypeNotFound {
        name: format!("{}{}", request.name, request.vct),
    };
    let credential_type = Some(render::credential_type(found.ok_or_else(missing)?));
    Ok(pb::GetCredentialTypeResponse { credential_type })
}

/// Returns a page of credential types.
///
/// # Errors
///
/// `PAGE_TOKEN_INVALID`.
pub fn credential_types(
    book: &Book,
    tokens: &PageTokens,
    request: &pb::ListCredentialTypesRequest,
) -> Result<pb::ListCredentialTypesResponse, Fault> {
    let page = Page { tokens, fingerprint: "credential types", size: request.page_size };
    let all = book.types().iter().map(|it| (it.id.0, it));
    let (types, next_page_token) = page.of(&request.page_token, all, |_| true)?;
    let credential_types = types.into_iter().map(|it| render::credential_type(it)).collect();
    Ok(pb::ListCredentialTypesResponse { credential_types, next_page_token })
}

/// A page of a list whose entries never go away.
struct Page<'a> {
    tokens: &'a PageTokens,
    fingerprint: &'a str,
    size: i32,
}

impl Page<'_> {
    /// Returns the entries of the page that a token names, and the token of the next; each entry comes with its number.
    fn of<T>(
        &self,
        token: &str,
        all: impl Iterator<Item = (i64, T)>,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<T>, String), Fault> {
        let after = self.tokens.open(self.fingerprint.as_bytes(), token)?;
        let size = usize::try_from(self.size).unwrap_or_default();
        let size = if size == 0 { PAGE_SIZE } else { size };
        let mut has_begun = after.is_none();
        let rest = all.skip_while(|(id, _)| {
            // The one that the page before ended with is not of this one.
            let skips = !has_begun;
            has_begun = has_begun || Some(*id) == after;
            skips
        });
        let mut wanted = rest.filter(|(_, item)| is_wanted(item));
        let found: Vec<_> = wanted.by_ref().take(size).collect();
        let last = found.last().map(|(id, _)| *id).filter(|_| wanted.next().is_some());
        let seal = |last| self.tokens.seal(self.fingerprint.as_bytes(), last);
        let next = last.map_or_else(String::new, seal);
        Ok((found.into_iter().map(|(_, item)| item).collect(), next))
    }
}
