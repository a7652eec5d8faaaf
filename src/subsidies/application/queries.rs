//! Reads of applications, and disclosures, which are written down first.

use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{Disclosure, Record, WriteTx};
use crate::platform::page::PageTokens;
use crate::platform::permit::Permit;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::held::Held;
use crate::subsidies::application::sealed::{self, Basis};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::application::{self as store, Wanted};
use crate::subsidies::store::{budget, decision, programme, reference};
use crate::subsidies::wire::application as wire;
use crate::subsidies::wire::programme::content;

/// Applications a page when the request does not say.
const PAGE_SIZE: i64 = 100;

/// Returns an application.
///
/// # Errors
///
/// `APPLICATION_NOT_FOUND`, or the database fails.
pub async fn get(desk: &Desk, permit: &Permit, id: &str) -> Result<pb::Application, SubsidyError> {
    let caller = permit.participant().map_or(0, |it| it.0);
    let mut tx = desk.db.read(permit).await?;
    let row = store::find(tx.connection(), wire::id(id)?, Some(caller)).await?;
    let row = row.ok_or_else(|| SubsidyError::ApplicationNotFound { id: id.to_owned() })?;
    let workers: Vec<Uuid> = row.worker_id.into_iter().collect();
    let known = reference::of_workers(tx.connection(), caller, &workers).await?;
    Ok(wire::application(&row, known.first().map(|it| it.1)))
}

/// Returns a page of applications.
///
/// # Errors
///
/// `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn list(
    desk: &Desk,
    permit: &Permit,
    pages: &PageTokens,
    request: pb::ListApplicationsRequest,
) -> Result<pb::ListApplicationsResponse, crate::kernel::fault::Fault> {
    let caller = permit.participant().map_or(0, |it| it.0);
    let unpaged =
        pb::ListApplicationsRequest { page_token: String::new(), page_size: 0, ..request.clone() };
    let fingerprint = [caller.to_be_bytes().as_slice(), &unpaged.encode_to_vec()].concat();
    let size = match request.page_size {
        0 => PAGE_SIZE,
        size => i64::from(size),
    };
    let states = request.states.iter().filter_map(|it| i16::try_from(*it).ok());
    let wanted = Wanted {
        states: states.filter(|it| *it > 0).collect(),
        programme: request.programme,
        only_reopened: request.only_reopened,
        after: pages.open(&fingerprint, &request.page_token)?.unwrap_or(0),
        limit: size.saturating_add(1),
    };
    let mut tx = desk.db.read(permit).await?;
    let mut rows = store::list(&mut tx, &wanted).await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let has_more = rows.len() > size;
    rows.truncate(size);
    let last = rows.last().filter(|_| has_more);
    let next_page_token = last.map_or_else(String::new, |row| pages.seal(&fingerprint, row.number));
    let workers: Vec<Uuid> = rows.iter().filter_map(|it| it.worker_id).collect();
    let known = reference::of_workers(tx.connection(), caller, &workers).await?;
    let own = |worker: Option<Uuid>| known.iter().find(|it| Some(it.0) == worker).map(|it| it.1);
    let applications = rows.iter().map(|row| wire::application(row, own(row.worker_id))).collect();
    Ok(pb::ListApplicationsResponse { applications, next_page_token })
}

/// Returns the caller's budgets.
///
/// # Errors
///
/// The database fails.
pub async fn budgets(
    desk: &Desk,
    permit: &Permit,
    programme: &str,
) -> Result<Vec<pb::Budget>, SubsidyError> {
    let mut tx = desk.db.read(permit).await?;
    Ok(budget::list(&mut tx, programme).await?.into_iter().map(wire::budget).collect())
}

/// On which grounds something is disclosed.
#[derive(Clone, Debug)]
pub struct Grounds {
    purpose: String,
    legal_basis: String,
}

impl Grounds {
    /// Reads grounds of a request.
    ///
    /// # Errors
    ///
    /// They are not said.
    pub fn read(
        purpose: &str,
        basis: Option<&crate::pb::peshub::workers::v1::LegalBasis>,
    ) -> Result<Self, SubsidyError> {
        let purpose = wire::words("purpose", purpose)?;
        if purpose.chars().count() < 3 {
            return Err(SubsidyError::field("purpose", "at least 3 characters"));
        }
        Ok(Self { purpose, legal_basis: wire::legal_basis(basis)? })
    }

    /// Returns what is written down of a disclosure.
    fn record(self, subject: String, worker: Option<Uuid>, now: OffsetDateTime) -> Record {
        let record = Record::new(now, subject, "application.disclosed");
        match worker {
            Some(worker_id) => record.disclosing(Disclosure {
                worker_id,
                purpose: self.purpose,
                legal_basis: self.legal_basis,
            }),
            None => record,
        }
    }
}

/// Discloses what an application states.
///
/// # Errors
///
/// `APPLICATION_NOT_FOUND`, `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails: then nothing is disclosed.
pub async fn disclose(
    desk: &Desk,
    permit: &Permit,
    (id, grounds): (&str, Grounds),
    now: OffsetDateTime,
) -> Result<pb::DiscloseApplicationResponse, SubsidyError> {
    let mut tx = desk.db.write(permit).await?;
    let mut held = Held::open(desk, &mut tx, id, now).await?;
    held.as_officer()?;
    let content = held.content().await?;
    let (subject, worker) = (format!("applications/{id}"), held.row.worker_id);
    drop(held);
    let entry_id = commit(tx, grounds.record(subject, worker, now)).await?;
    Ok(pb::DiscloseApplicationResponse { entry_id, ..content })
}

/// First it is written down, then it is told.
async fn commit(tx: WriteTx, record: Record) -> Result<String, SubsidyError> {
    let entry_id = record.entry_id.to_string();
    tx.commit(record).await?;
    Ok(entry_id)
}

/// Returns a decision.
///
/// # Errors
///
/// `DECISION_NOT_FOUND`, or the database fails.
pub async fn decision(
    desk: &Desk,
    permit: &Permit,
    id: &str,
) -> Result<pb::Decision, SubsidyError> {
    let caller = permit.participant().map_or(0, |it| it.0);
    let id = wire::decision_id(id)?;
    let mut tx = desk.db.read(permit).await?;
    let row = decision::find(tx.connection(), id, caller).await?;
    rendered(&row.ok_or_else(|| SubsidyError::no_decision(id))?)
}

fn rendered(row: &decision::Row) -> Result<pb::Decision, SubsidyError> {
    let corrupt = |_| SubsidyError::Corrupt { what: "decision" };
    let record = pb::DecisionRecord::decode(row.record.as_slice()).map_err(corrupt)?;
    let receipt = prost::Message::decode(row.receipt.as_slice()).map_err(corrupt)?;
    Ok(pb::Decision {
        record: Some(record),
        record_bytes: row.record.clone().into(),
        receipt: Some(receipt),
    })
}

/// Exports all that a decision rests on, to the bureau that decided.
///
/// # Errors
///
/// `DECISION_NOT_FOUND`, `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails: then nothing is disclosed.
pub async fn export(
    desk: &Desk,
    permit: &Permit,
    (id, grounds): (&str, Grounds),
    now: OffsetDateTime,
) -> Result<pb::ExportDecisionResponse, SubsidyError> {
    let caller = permit.participant().map_or(0, |it| it.0);
    let id = wire::decision_id(id)?;
    let mut tx = desk.db.write(permit).await?;
    let row = decision::find(tx.connection(), id, caller).await?;
    let row = row.filter(|row| row.bureau_id == caller);
    let row = row.ok_or_else(|| SubsidyError::no_decision(id))?;
    let about = (ApplicationId(row.application_id), row.worker_id);
    let key = sealed::key_of(&mut tx, (desk.vault.as_ref(), &desk.blind), about).await?;
    let basis: Basis = sealed::open_basis(&key, id, &row.sealed)?;
    let decision = rendered(&row)?;
    let said = decision.record.clone().unwrap_or_default();
    let published = desk.edition(&said.programme, said.edition).await?;
    let number = (published.programme, published.edition);
    let edition = programme::edition(tx.connection(), number.0, number.1).await?;
    let edition = edition.ok_or(SubsidyError::Corrupt { what: "edition" })?;
    let edition = Some(content(&edition)?);
    let record = grounds.record(format!("decisions/{id}"), row.worker_id, now);
    let entry_id = commit(tx, record).await?;
    let export = pb::DecisionExport { decision: Some(decision), edition, ..basis };
    Ok(pb::ExportDecisionResponse { export: Some(export), entry_id })
}
