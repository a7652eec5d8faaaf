//! An application that is held while a step is taken.

use std::collections::BTreeMap;

use prost::Message as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::kernel::ids;
use crate::kernel::ids::Revision;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::receipt::Accepted;
use crate::platform::db::{Record, WriteTx};
use crate::platform::metrics;
use crate::subsidies::application::desk::{Answering, Desk};
use crate::subsidies::application::machine::{self, Stage, Standing, State, Step};
use crate::subsidies::application::record::{self, Decided, SALT_BYTES};
use crate::subsidies::application::sealed::{self, Basis, Content};
use crate::subsidies::application::takes::{self, Found, Takes};
use crate::subsidies::application::{ApplicationId, DecisionId};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::application::{self as store, Row, Told};
use crate::subsidies::store::{budget, claim, decision, reference};
use crate::subsidies::wire::application as wire;

/// An application that nobody else changes until the transaction ends.
pub struct Held<'a> {
    desk: &'a Desk,
    tx: &'a mut WriteTx,
    now: OffsetDateTime,
    /// What it has of its budget.
    before: (Stage, i64),
    state: State,
    /// What it is made into.
    pub row: Row,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("id", &self.row.application_id).finish_non_exhaustive()
    }
}

impl<'a> Held<'a> {
    /// Takes hold of an application of the permit's holder.
    ///
    /// # Errors
    ///
    /// `APPLICATION_NOT_FOUND`, or the database fails.
    pub async fn open(
        desk: &'a Desk,
        tx: &'a mut WriteTx,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Self, SubsidyError> {
        let row = store::hold(tx, wire::id(id)?).await?;
        let row = row.ok_or_else(|| SubsidyError::ApplicationNotFound { id: id.to_owned() })?;
        let corrupt = SubsidyError::Corrupt { what: "state of an application" };
        let (Some(state), Some(share)) = (State::of_number(row.state), Stage::of_number(row.stage))
        else {
            return Err(corrupt);
        };
        Ok(Self { desk, tx, now, before: (share, row.amount), state, row })
    }

    /// Returns its name.
    #[must_use]
    pub const fn id(&self) -> ApplicationId {
        ApplicationId(self.row.application_id)
    }

    /// Returns where it stood when it was taken hold of.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns what it had of its budget then.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.before.0
    }

    /// Returns the transaction.
    pub const fn tx(&mut self) -> &mut WriteTx {
        self.tx
    }

    fn not_found(&self) -> SubsidyError {
        SubsidyError::ApplicationNotFound { id: self.row.application_id.to_string() }
    }

    fn caller(&self) -> Option<i64> {
        self.tx.permit().participant().map(|it| it.0)
    }

    /// Sees that the caller has filed it, or may accept it.
    ///
    /// # Errors
    ///
    /// `APPLICATION_NOT_FOUND`.
    pub fn as_applicant(&self) -> Result<(), SubsidyError> {
        let is_theirs = self.row.platform_id.is_none() || self.row.platform_id == self.caller();
        if is_theirs { Ok(()) } else { Err(self.not_found()) }
    }

    /// Sees that the caller decides it.
    ///
    /// # Errors
    ///
    /// `APPLICATION_NOT_FOUND`.
    pub fn as_officer(&self) -> Result<(), SubsidyError> {
        if self.caller() == Some(self.row.bureau_id) { Ok(()) } else { Err(self.not_found()) }
    }

    /// Makes the caller the applicant of an offer that nobody has accepted.
    pub fn become_applicant(&mut self) {
        let holder = self.tx.permit().holder();
        if let (None, Some(holder)) = (self.row.platform_id, holder) {
            self.row.platform = Some(holder.participant_name.clone());
            self.row.platform_id = Some(holder.participant.0);
        }
    }

    /// Returns where a step leads for who has read it at `etag`.
    ///
    /// # Errors
    ///
    /// `APPLICATION_MOVED`; `FIELDS_INVALID` when the etag is none.
    pub fn next(&self, step: Step, etag: &str) -> Result<State, SubsidyError> {
        self.leads(step, Some(wire::expected(etag)?))
    }

    /// Returns where a step of the hub leads.
    ///
    /// # Errors
    ///
    /// `APPLICATION_MOVED`.
    pub fn leads(&self, step: Step, expected: Option<Revision>) -> Result<State, SubsidyError> {
        let appeal_by = match (self.row.decided_on, self.desk.appeal_days(&self.row.programme)) {
            (Some(day), Some(days)) => day.checked_add(Duration::days(i64::from(days))),
            _ => None,
        };
        let standing = Standing {
            state: self.state,
            stage: self.before.0,
            revision: Revision(self.row.revision),
            answer_by: self.row.answer_by,
            appeal_by,
        };
        let next = machine::next(&standing, step, expected, self.now.date());
        next.map_err(|why| SubsidyError::ApplicationMoved { id: self.id(), state: self.state, why })
    }

    /// Opens what it states.
    ///
    /// # Errors
    ///
    /// `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails.
    pub async fn content(&mut self) -> Result<Content, SubsidyError> {
        let key = self.key().await?;
        sealed::open(&key, self.id(), &self.row.sealed)
    }

    async fn key(&mut self) -> Result<crate::platform::keys::sealing::DataKey, SubsidyError> {
        let keys = (self.desk.vault.as_ref(), &self.desk.blind);
        let about = (self.id(), self.row.worker_id);
        sealed::key_of(self.tx, keys, about).await
    }

    /// Takes facts in, each in place of what was stated before, determines by the edition in force, and takes what it claims then. What it
    /// had claimed is free again.
    ///
    /// # Errors
    ///
    /// `PROGRAMME_NOT_FOUND`, `FACT_UNKNOWN`, `EVALUATION_FAILED`, `WORKER_ERASED`, `CLAIM_TAKEN`, or the database fails.
    pub async fn determine_again(&mut self, stated: Vec<pb::Fact>) -> Result<(), SubsidyError> {
        let answering = self.desk.answering(&self.row.programme)?;
        takes::see_stated(answering.book.catalogue(), &stated)?;
        let key = self.key().await?;
        let known = sealed::open(&key, self.id(), &self.row.sealed)?;
        let mut facts: BTreeMap<String, pb::Fact> =
            known.facts.into_iter().map(|it| (it.name.clone(), it)).collect();
        facts.extend(stated.into_iter().map(|it| (it.name.clone(), it)));
        let facts: Vec<pb::Fact> = facts.into_values().collect();
        let about = takes::About {
            division: takes::division_of(self.row.division.as_deref()),
            worker_id: self.row.worker_id,
            employer: self.row.employer,
        };
        let by = (&answering, &self.desk.blind);
        let found = takes::determine(by, &facts, &about, self.row.filed_on)?;
        claim::free(self.tx, self.id()).await?;
        claim(self.tx, self.id(), &found.takes).await?;
        self.determined(&answering, &found).await?;
        fund(self.tx, &mut self.row, &found.takes).await
    }

    /// Keeps what was determined.
    ///
    /// # Errors
    ///
    /// `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails.
    pub async fn determined(
        &mut self,
        answering: &Answering,
        found: &Found,
    ) -> Result<(), SubsidyError> {
        let key = self.key().await?;
        self.row.edition = answering.number();
        self.row.sealed = sealed::seal(&key, self.id(), &found.content)?;
        self.row.determination = found.shown();
        self.row.determined_on = self.now.date();
        Ok(())
    }

    /// Writes a decision down: it is signed in the transaction, and its receipt leaves with the answer.
    ///
    /// # Errors
    ///
    /// `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails.
    pub async fn decide(
        &mut self,
        (outcome, amount): (pb::DecisionOutcome, i64),
        reasons: Vec<pb::LocalisedText>,
        event: &'static str,
    ) -> Result<(pb::Decision, Record), SubsidyError> {
        let id = DecisionId(ids::time_ordered(self.now));
        let key = self.key().await?;
        let content = sealed::open(&key, self.id(), &self.row.sealed)?;
        let mut salt = vec![0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt)
            .map_err(|_| crate::platform::keys::KeyError::Randomness)?;
        let determination = content.determination.unwrap_or_default();
        let basis = Basis {
            facts: content.facts,
            salt: salt.into(),
            determination_bytes: determination.encode_to_vec().into(),
            ..Basis::default()
        };
        let decided = Decided {
            id,
            application: self.id(),
            outcome,
            amount: (amount, &self.row.currency),
            reasons,
            bureau: &self.row.bureau,
            at: self.now,
            determined_on: self.row.determined_on,
            division: self.row.division.as_deref(),
        };
        let said = record::of(decided, &basis);
        let record_bytes = bytes::Bytes::from(said.encode_to_vec());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &record_bytes);
        let entry = self.record(event).of_body(bytes::Bytes::copy_from_slice(digest.as_ref()));
        let accepted = Accepted { counts: vec![("amount", amount)], ..Accepted::default() };
        let receipt = record::receipt(&self.desk.receipts, self.tx.permit(), &entry, &accepted);
        let stored = decision::Row {
            decision_id: id.0,
            application_id: self.row.application_id,
            record: record_bytes.to_vec(),
            receipt: receipt.encode_to_vec(),
            sealed: sealed::seal_basis(&key, id, &basis)?,
            bureau_id: self.row.bureau_id,
            worker_id: self.row.worker_id,
        };
        decision::create(self.tx, &stored, self.now).await?;
        self.row.decided_on = Some(self.now.date());
        self.row.decisions.push(id.0);
        let decision = pb::Decision { record: Some(said), record_bytes, receipt: Some(receipt) };
        Ok((decision, entry))
    }

    /// Stores it in another state, and tells of it. What it keeps there of its budget and its claims is what the state keeps.
    ///
    /// # Errors
    ///
    /// `BUDGET_EXHAUSTED`, or the database fails.
    pub async fn save(
        &mut self,
        state: State,
        step: pb::ApplicationStep,
    ) -> Result<(), SubsidyError> {
        if !machine::keeps_claims(state) {
            claim::free(self.tx, self.id()).await?;
            self.row.amount = 0;
        }
        let share = match machine::stage(state, self.before.0) {
            Stage::Reserved if self.row.amount == 0 => Stage::Nothing,
            share => share,
        };
        self.row.stage = share.number();
        self.row.state = state.number();
        self.row.revision = self.row.revision.saturating_add(1);
        self.row.changed_at = self.now;
        let told = told(self.tx, &self.row, step).await?;
        store::save(self.tx, &self.row, &told).await?;
        if let Some(budget) = self.row.budget_id {
            let after = (share, self.row.amount);
            if !budget::move_part(self.tx, budget, self.row.application_id, self.before, after)
                .await?
            {
                return Err(SubsidyError::BudgetExhausted);
            }
        }
        Ok(())
    }

    /// Returns it as the caller is shown it.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn shown(&mut self) -> Result<pb::Application, SubsidyError> {
        let caller = self.caller().unwrap_or_default();
        let workers: Vec<Uuid> = self.row.worker_id.into_iter().collect();
        let known = reference::of_workers(self.tx.connection(), caller, &workers).await?;
        Ok(wire::application(&self.row, known.first().map(|it| it.1)))
    }

    /// Returns what is written into the trail.
    #[must_use]
    pub fn record(&self, event: &'static str) -> Record {
        Record::new(self.now, format!("applications/{}", self.row.application_id), event)
    }
}

/// Returns a step as the feed tells it: of an offer that nobody has accepted to every platform that knows the worker.
///
/// # Errors
///
/// The database fails.
pub async fn told(
    tx: &mut WriteTx,
    row: &Row,
    step: pb::ApplicationStep,
) -> Result<Told, SubsidyError> {
    let platforms = match (row.platform_id, row.worker_id) {
        (None, Some(worker)) if row.proactive => reference::platforms(tx, worker).await?,
        _ => Vec::new(),
    };
    metrics::APPLICATION_STEPS.add(1, &[wire::step(step)]);
    Ok(wire::told(row, step, row.changed_at, &platforms))
}

/// Takes what an application claims.
///
/// # Errors
///
/// `CLAIM_TAKEN`, or the database fails.
pub async fn claim(tx: &mut WriteTx, id: ApplicationId, takes: &Takes) -> Result<(), SubsidyError> {
    if claim::take(tx, id, &takes.claims).await? {
        return Ok(());
    }
    let until = claim::taken_until(tx.connection(), id, &takes.claims).await?;
    // It was free again a moment later.
    let until = until.ok_or(crate::platform::db::DbError::Contended(None))?;
    metrics::CLAIMS_REFUSED.add(1, &[]);
    Err(SubsidyError::ClaimTaken { until })
}

/// Says how much an application is to reserve, and of which budget.
///
/// # Errors
///
/// The database fails.
pub async fn fund(tx: &mut WriteTx, row: &mut Row, takes: &Takes) -> Result<(), SubsidyError> {
    row.amount = takes.amount;
    if row.budget_id.is_none() {
        let bureau = ids::ParticipantId(row.bureau_id);
        row.budget_id = budget::of(tx, &row.programme, bureau, row.filed_on).await?;
    }
    let stage = if row.amount > 0 { Stage::Reserved } else { Stage::Nothing };
    row.stage = stage.number();
    Ok(())
}

/// Reserves what a new application costs.
///
/// # Errors
///
/// `BUDGET_EXHAUSTED`, or the database fails.
pub async fn reserve(tx: &mut WriteTx, row: &Row) -> Result<(), SubsidyError> {
    let Some(budget) = row.budget_id else { return Ok(()) };
    let stage = Stage::of_number(row.stage).unwrap_or_default();
    let (before, after) = ((Stage::Nothing, 0), (stage, row.amount));
    let has_it = budget::move_part(tx, budget, row.application_id, before, after).await?;
    if has_it { Ok(()) } else { Err(SubsidyError::BudgetExhausted) }
}
