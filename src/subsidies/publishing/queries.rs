//! Reads. What is published is public knowledge among participants.

use crate::kernel::fault::Fault;
use crate::kernel::fields::Rule;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::Db;
use crate::platform::page::PageTokens;
use crate::platform::permit::Permit;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::publishing::{holder, thinking};
use crate::subsidies::store::catalogue;
use crate::subsidies::store::programme::{self as store, Edition};
use crate::subsidies::wire::programme as render;
use crate::subsidies::wire::{self, violation};

/// Facts a page when the request does not say.
const FACTS: i32 = 100;
/// Programmes a page when the request does not say.
const PROGRAMMES: i32 = 20;

/// Returns how many entries a page has, and one more, which tells whether there is another page.
fn limit(asked: i32, usual: i32) -> (usize, i64) {
    let size = if asked == 0 { usual } else { asked };
    (usize::try_from(size).unwrap_or_default(), i64::from(size).saturating_add(1))
}

/// Cuts a page to its size and returns the number of its last entry, if there is another page.
fn cut<T>(entries: &mut Vec<T>, size: usize, number: impl Fn(&T) -> i64) -> Option<i64> {
    let has_more = entries.len() > size;
    entries.truncate(size);
    entries.last().filter(|_| has_more).map(number)
}

/// Returns a page of the catalogue.
///
/// # Errors
///
/// `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn facts(
    db: &Db,
    permit: &Permit,
    tokens: &PageTokens,
    request: &pb::ListFactsRequest,
) -> Result<pb::ListFactsResponse, Fault> {
    let fingerprint = format!("facts\0{}\0{}", request.prefix, request.with_retired);
    let (size, limit) = limit(request.page_size, FACTS);
    let page = catalogue::Page {
        prefix: &request.prefix,
        with_retired: request.with_retired,
        after: tokens.open(fingerprint.as_bytes(), &request.page_token)?,
        limit,
    };
    let mut tx = db.read(permit).await?;
    let mut facts = catalogue::page(tx.connection(), page).await?;
    let last = cut(&mut facts, size, |fact| fact.id);
    let next = last.map_or_else(String::new, |last| tokens.seal(fingerprint.as_bytes(), last));
    let facts = facts.iter().map(render::catalogued).collect();
    Ok(pb::ListFactsResponse { facts, next_page_token: next })
}

/// Returns a page of programmes.
///
/// # Errors
///
/// `FIELDS_INVALID`, `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn programmes(
    db: &Db,
    permit: &Permit,
    tokens: &PageTokens,
    request: &pb::ListProgrammesRequest,
) -> Result<pb::ListProgrammesResponse, Fault> {
    let path = path(request)?;
    let of = path.first().map_or("", String::as_str);
    let fingerprint = format!("programmes\0{of}\0{}\0{}", request.bureau, request.with_retired);
    let (size, limit) = limit(request.page_size, PROGRAMMES);
    let page = store::Page {
        path: &path,
        bureau: &request.bureau,
        with_retired: request.with_retired,
        after: tokens.open(fingerprint.as_bytes(), &request.page_token)?,
        limit,
    };
    let mut tx = db.read(permit).await?;
    let mut editions = store::page(tx.connection(), page).await?;
    let last = cut(&mut editions, size, |edition| edition.programme);
    let next = last.map_or_else(String::new, |last| tokens.seal(fingerprint.as_bytes(), last));
    let editions = editions.iter().map(render::listed).collect::<Result<_, _>>()?;
    Ok(pb::ListProgrammesResponse { editions, next_page_token: next })
}

/// Returns the tokens of the division that a request names, and of all it is part of; none when it names none.
fn path(request: &pb::ListProgrammesRequest) -> Result<Vec<String>, SubsidyError> {
    let Some(named) = &request.division else { return Ok(Vec::new()) };
    let unknown = || {
        let expected = "a division in force";
        SubsidyError::Invalid(vec![violation(
            "division.code",
            Rule::BadFormat,
            expected,
            &named.code,
        )])
    };
    let division = wire::division(named).ok_or_else(unknown)?;
    Ok(division.path_tokens().map(str::to_owned).collect())
}

/// Returns an edition; the newest for number 0.
///
/// # Errors
///
/// `PROGRAMME_NOT_FOUND`, `PROGRAMME_EDITION_NOT_FOUND`, or the database fails.
pub async fn edition(
    db: &Db,
    permit: &Permit,
    name: &str,
    number: i64,
) -> Result<Edition, SubsidyError> {
    let mut tx = db.read(permit).await?;
    let programme = store::named(tx.connection(), name).await?;
    let missing = || SubsidyError::ProgrammeNotFound { name: name.to_owned() };
    let programme = programme.filter(|it| it.edition > 0).ok_or_else(missing)?;
    let number = if number == 0 { programme.edition } else { number };
    let found = store::edition(tx.connection(), programme.id, number).await?;
    found.ok_or_else(|| SubsidyError::EditionNotFound { name: format!("{name}/{number}") })
}

/// Checks a draft as publishing does.
///
/// # Errors
///
/// `PROGRAMME_NOT_FOUND`, or the database fails.
pub async fn check(
    db: &Db,
    permit: &Permit,
    name: &str,
) -> Result<pb::CheckDraftResponse, SubsidyError> {
    let missing = || SubsidyError::ProgrammeNotFound { name: name.to_owned() };
    let mut tx = db.read(permit).await?;
    let programme = store::named(tx.connection(), name).await?;
    let own = holder(permit).0;
    let programme = programme.filter(|it| it.participant == own).ok_or_else(missing)?;
    let draft = store::draft(tx.connection(), programme.id).await?.ok_or_else(missing)?;
    let facts = catalogue::active(tx.connection()).await?;
    let before = store::edition(tx.connection(), programme.id, programme.edition).await?;
    drop(tx);
    let facts: Vec<_> = facts.into_iter().map(|fact| fact.definition).collect();
    let told = render::draft(&draft, programme.edition);
    let (written, review) = thinking::reviewed(draft.programme, &facts).await?;
    let mut comparison = None;
    if review.compiled.is_some() {
        let edition = pb::Edition { programme: Some(written), facts };
        let found = thinking::compared(before.as_ref(), edition).await?;
        comparison = Some(render::comparison(&found, (programme.edition, 0)));
    }
    let versions = review.compiled.iter().flat_map(|compiled| &compiled.versions);
    let costs = versions.map(|version| pb::VersionCost {
        version: version.name.to_string(),
        cost_max: i64::try_from(version.cost_bound()).unwrap_or(i64::MAX),
    });
    Ok(pb::CheckDraftResponse {
        draft: Some(told),
        findings: review.findings.iter().map(render::finding).collect(),
        cases: review.cases.iter().map(render::outcome).collect(),
        costs: costs.collect(),
        comparison,
    })
}

/// Compares two editions of a programme.
///
/// # Errors
///
/// `PROGRAMME_NOT_FOUND`, `PROGRAMME_EDITION_NOT_FOUND`, or the database fails.
pub async fn comparison(
    db: &Db,
    permit: &Permit,
    request: &pb::CompareEditionsRequest,
) -> Result<pb::Comparison, SubsidyError> {
    let before = edition(db, permit, &request.name, request.before).await?;
    let after = edition(db, permit, &request.name, request.after).await?;
    let found = thinking::compared(Some(&before), render::content(&after)?).await?;
    Ok(render::comparison(&found, (before.number, after.number)))
}
