//! The catalogue of facts.

use std::collections::HashMap;

use time::OffsetDateTime;

use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{Record, WriteTx};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::publishing::holder;
use crate::subsidies::store::catalogue::{self, Fact};
use crate::subsidies::wire::programme as render;
use crate::subsidies::wire::{fact, violation};

/// Defines facts.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ALREADY_EXISTS`, or the database fails.
pub async fn define(
    tx: &mut WriteTx,
    request: &pb::DefineFactsRequest,
    now: OffsetDateTime,
) -> Result<(pb::DefineFactsResponse, Record), SubsidyError> {
    sound(request)?;
    let (participant, _) = holder(tx.permit());
    let revision = catalogue::begin(tx).await?;
    let names: Vec<String> = request.facts.iter().map(|sent| sent.name.clone()).collect();
    let known = catalogue::newest(tx.connection(), &names).await?;
    let known: HashMap<String, Fact> =
        known.into_iter().map(|it| (it.definition.name.clone(), it)).collect();
    let mut wrong = Vec::new();
    for (index, sent) in request.facts.iter().enumerate() {
        match known.get(&sent.name) {
            Some(found) if found.retired_at.is_none() => {
                if found.definition != *sent {
                    let name = sent.name.clone();
                    return Err(SubsidyError::AlreadyExists { what: "fact", name });
                }
            }
            Some(found) if kind(&found.definition) != kind(sent) => {
                let field = format!("facts[{index}].kind");
                let expected = "the kind that this name had before it was retired";
                wrong.push(violation(&field, Rule::OutOfRange, expected, ""));
            }
            Some(_) | None => {
                catalogue::define(tx, sent, (participant, revision), now).await?;
            }
        }
    }
    if !wrong.is_empty() {
        return Err(SubsidyError::Invalid(wrong));
    }
    let defined = catalogue::newest(tx.connection(), &names).await?;
    let find = |name: &String| defined.iter().find(|it| it.definition.name == *name);
    let facts = names.iter().filter_map(find).map(render::catalogued).collect();
    let subject = match names.as_slice() {
        [one] => format!("facts/{one}"),
        all => format!("facts ({})", all.len()),
    };
    Ok((pb::DefineFactsResponse { facts }, Record::new(now, subject, "fact.defined")))
}

const fn kind(definition: &pb::FactDefinition) -> (i32, i32) {
    (definition.kind, definition.item_kind)
}

/// Sees that every definition is one, and no name comes twice.
fn sound(request: &pb::DefineFactsRequest) -> Result<(), SubsidyError> {
    let mut wrong: Vec<Violation> = Vec::new();
    for (index, sent) in request.facts.iter().enumerate() {
        let at = format!("facts[{index}].");
        if let Err(violations) = fact::definition(sent, &at) {
            wrong.extend(violations);
        }
        if request.facts.iter().take(index).any(|other| other.name == sent.name) {
            let expected = "a name that the request does not have already";
            wrong.push(violation(&format!("{at}name"), Rule::BadFormat, expected, &sent.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(SubsidyError::Invalid(wrong)) }
}

/// Retires a fact.
///
/// # Errors
///
/// `FACT_UNKNOWN`, or the database fails.
pub async fn retire(
    tx: &mut WriteTx,
    request: &pb::RetireFactRequest,
    now: OffsetDateTime,
) -> Result<(pb::RetireFactResponse, Record), SubsidyError> {
    let (participant, _) = holder(tx.permit());
    catalogue::begin(tx).await?;
    let name = [request.name.clone()];
    let found = catalogue::newest(tx.connection(), &name).await?.pop();
    let unknown = || {
        let expected = "a fact of the catalogue that the bureau has defined";
        let violation = violation("name", Rule::BadFormat, expected, &request.name);
        SubsidyError::FactUnknown(vec![violation])
    };
    let found = found.filter(|it| it.participant == participant).ok_or_else(unknown)?;
    catalogue::retire(tx, found.id, now).await?;
    let retired_at = found.retired_at.or(Some(now));
    let fact = Some(render::catalogued(&Fact { retired_at, ..found }));
    let subject = format!("facts/{}", request.name);
    Ok((pb::RetireFactResponse { fact }, Record::new(now, subject, "fact.retired")))
}
