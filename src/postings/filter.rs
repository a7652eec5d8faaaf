//! From a request's filter to facet groups.

use crate::codes::{divisions, occupations};
use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;
use crate::platform::db::ReadTx;
use crate::platform::feed::event::FacetFilter;
use crate::postings::domain::State;
use crate::postings::error::PostingError;
use crate::postings::{facets, parse, store, wire};

/// Returns the facet groups of a filter, the permit's scope first. A filter without states means open postings.
///
/// # Errors
///
/// A code of the filter is in no list, or the database fails.
pub async fn resolve(
    tx: &mut ReadTx,
    filter: Option<&pb::PostingFilter>,
) -> Result<FacetFilter, PostingError> {
    let empty = pb::PostingFilter::default();
    let filter = filter.unwrap_or(&empty);
    let mut wrong = Vec::new();
    let mut groups = FacetFilter::default().and_any_of(tx.permit().scope().tokens().to_vec());
    let tokens = each(&filter.divisions, &mut wrong, division);
    if !filter.divisions.is_empty() {
        groups = groups.and_any_of(tokens);
    }
    let tokens = each(&filter.occupations, &mut wrong, occupation);
    if !filter.occupations.is_empty() {
        groups = groups.and_any_of(tokens);
    }
    if !wrong.is_empty() {
        return Err(PostingError::Invalid(Fault::fields(wrong)));
    }
    if !filter.employment_types.is_empty() {
        let kinds = filter.employment_types.iter().map(|kind| facets::employment(*kind));
        groups = groups.and_any_of(kinds.collect());
    }
    if !filter.sources.is_empty() {
        let ids = store::source_ids(tx, &filter.sources).await?;
        groups = groups.and_any_of(ids.into_iter().map(facets::source).collect());
    }
    let states: Vec<State> = filter
        .states
        .iter()
        .filter_map(|state| State::of_number(i16::try_from(*state).ok()?))
        .collect();
    let states = if states.is_empty() { vec![State::Open] } else { states };
    Ok(groups.and_any_of(states.into_iter().map(facets::state).collect()))
}

fn each<T>(
    items: &[T],
    wrong: &mut Vec<Violation>,
    token: impl Fn(usize, &T) -> Result<String, Violation>,
) -> Vec<String> {
    let found = items.iter().enumerate().map(|(index, item)| token(index, item));
    found.filter_map(|token| token.map_err(|violation| wrong.push(violation)).ok()).collect()
}

fn division(index: usize, division: &common::Division) -> Result<String, Violation> {
    let field = format!("filter.divisions[{index}].code");
    let expected = "a division of any edition";
    let unknown = || wire::violation(&field, Rule::BadFormat, expected, &division.code);
    let scheme = parse::division_scheme(division.scheme).ok_or_else(unknown)?;
    let found = divisions::resolve(scheme, &division.code);
    found.division().map(facets::division).ok_or_else(unknown)
}

fn occupation(index: usize, occupation: &common::Occupation) -> Result<String, Violation> {
    let field = format!("filter.occupations[{index}].code");
    let expected = "an occupation of its list";
    let unknown = || wire::violation(&field, Rule::BadFormat, expected, &occupation.code);
    let scheme = parse::occupation_scheme(occupation.scheme).ok_or_else(unknown)?;
    match occupations::resolve(scheme, &occupation.code) {
        occupations::Resolution::Known(found) => Ok(facets::occupation(found)),
        occupations::Resolution::Carried => {
            Ok(facets::carried_occupation(scheme.id(), &occupation.code))
        }
        occupations::Resolution::Unknown { .. } => Err(unknown()),
    }
}
