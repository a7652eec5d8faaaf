//! Facts that credentials prove. Credentials are another exchange's: what the applicant had verified is joined by the entry of the audit
//! trail that says so, and by what it follows since then.
//!
//! The hub keeps nothing of what a credential says, so it cannot hold a value against the claim. It sees that the applicant itself has had a
//! credential verified that was valid, of this worker, of a type that proves the fact, and that it is told when the credential falls.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::kernel::fields::{Rule, Violation};
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::desk::Answering;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::evidence::{self as store, Rested, Spot};
use crate::subsidies::wire::violation;

/// What a verification of the applicant's says.
#[derive(Clone, Debug)]
struct Found {
    type_name: String,
    worker_id: Option<Uuid>,
    spot: Spot,
    digest: Vec<u8>,
}

/// Sees that facts that are said to rest on a credential do, and returns on which.
///
/// # Errors
///
/// `FIELDS_INVALID` with each that does not; or the database fails.
pub async fn verified(
    tx: &mut WriteTx,
    answering: &Answering,
    stated: (&[pb::Fact], Option<Uuid>),
) -> Result<Vec<Rested>, SubsidyError> {
    let participant = tx.permit().participant().unwrap_or(ParticipantId(0));
    let (rested, wrong) = seen(tx, participant, answering, stated).await?;
    if wrong.is_empty() { Ok(rested) } else { Err(SubsidyError::Invalid(wrong)) }
}

/// Returns on which credentials facts rest that a bureau knows by itself, as far as it has verified and follows them.
///
/// # Errors
///
/// The database fails.
pub async fn followed(
    tx: &mut WriteTx,
    answering: &Answering,
    stated: (&[pb::Fact], Option<Uuid>),
) -> Result<Vec<Rested>, SubsidyError> {
    Ok(seen(tx, answering.bureau(), answering, stated).await?.0)
}

/// Returns on which credentials that a participant has verified facts rest, and which are said to and do not.
async fn seen(
    tx: &mut WriteTx,
    participant: ParticipantId,
    answering: &Answering,
    (facts, worker): (&[pb::Fact], Option<Uuid>),
) -> Result<(Vec<Rested>, Vec<Violation>), SubsidyError> {
    let (mut rested, mut wrong) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<Uuid, Result<Found, &'static str>> = BTreeMap::new();
    for (index, fact) in facts.iter().enumerate() {
        let provenance = fact.provenance.clone().unwrap_or_default();
        if provenance.basis() != pb::FactBasis::Credential {
            continue;
        }
        let Ok(entry_id) = Uuid::try_parse(&provenance.reference) else {
            wrong.push(refused(index, "the `entry_id` of a verification of the caller's"));
            continue;
        };
        let found = match known.get(&entry_id) {
            Some(found) => found.clone(),
            None => {
                let found = find(tx, participant, entry_id).await?;
                known.insert(entry_id, found.clone());
                found
            }
        };
        let proves = |it: &Found| {
            let shown = answering.published.compiled.shown_by.get(fact.name.as_str());
            shown.is_none_or(|shown| shown.credential_types.contains(&it.type_name))
        };
        match found {
            Err(expected) => wrong.push(refused(index, expected)),
            Ok(it) if !proves(&it) => {
                wrong.push(refused(index, "a credential of a type that proves the fact"));
            }
            Ok(it) if worker.is_some() && it.worker_id.is_some() && it.worker_id != worker => {
                wrong.push(refused(
                    index,
                    "a credential of the worker whom the application is about",
                ));
            }
            Ok(it) if !provenance.sha256.is_empty() && provenance.sha256 != it.digest => {
                wrong.push(refused(index, "the digest of the credential that was verified"));
            }
            Ok(it) => rested.push(Rested { fact: fact.name.clone(), spot: it.spot, entry_id }),
        }
    }
    Ok((rested, wrong))
}

fn refused(index: usize, expected: &str) -> Violation {
    violation(&format!("facts[{index}].provenance"), Rule::BadFormat, expected, "")
}

/// Finds a verification of a participant's, and what it follows by it.
async fn find(
    tx: &mut WriteTx,
    participant: ParticipantId,
    entry_id: Uuid,
) -> Result<Result<Found, &'static str>, SubsidyError> {
    let none = "the `entry_id` of a verification of the caller's, of one credential";
    let Some(verified) = store::verified(tx, participant, entry_id).await? else {
        return Ok(Err(none));
    };
    let Some((handle, type_name, outcome)) = read(&verified.subject) else { return Ok(Err(none)) };
    if outcome != "VALID" {
        return Ok(Err("a credential that was valid when it was verified"));
    }
    let Some((spot, digest)) = store::followed(tx, participant, handle).await? else {
        return Ok(Err(
            "a credential that the caller follows (`policy.follow`), so that its end is noticed",
        ));
    };
    let (type_name, worker_id) = (type_name.to_owned(), verified.worker_id);
    Ok(Ok(Found { type_name, worker_id, spot, digest }))
}

/// Reads `credentials/HANDLE: TYPE OUTCOME`.
fn read(subject: &str) -> Option<(&str, &str, &str)> {
    let (handle, rest) = subject.strip_prefix("credentials/")?.split_once(": ")?;
    let (type_name, outcome) = rest.split_once(' ')?;
    Some((handle, type_name, outcome))
}

/// Notes what an application rests on now, for the facts that were stated.
///
/// # Errors
///
/// The database fails.
pub async fn note(
    tx: &mut WriteTx,
    id: ApplicationId,
    stated: &[pb::Fact],
    rested: &[Rested],
) -> Result<(), SubsidyError> {
    if stated.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stated.iter().map(|it| it.name.clone()).collect();
    Ok(store::note(tx, id, &names, rested).await?)
}

/// Returns whether an application rests on a credential that does not stand any more.
///
/// # Errors
///
/// The database fails.
pub async fn is_shaken(tx: &mut WriteTx, id: ApplicationId) -> Result<bool, SubsidyError> {
    Ok(store::is_shaken(tx, id).await?)
}

#[cfg(test)]
mod tests {
    use crate::subsidies::application::evidence::read;

    #[test]
    fn what_the_trail_says_of_a_verification_is_read() {
        let read_of = |text| read(text);
        assert_eq!(read_of("credentials/h: welding VALID"), Some(("h", "welding", "VALID")));
        // Several at once, and what could not be told.
        assert_eq!(read_of("credentials: 3 presented, 2 valid"), None);
        assert_eq!(read_of("credentials/h: MALFORMED"), None);
        assert_eq!(read_of("workers/h: name"), None);
    }
}
