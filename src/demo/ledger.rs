//! What must have been delivered: kept from what was sent and what the hub said of it, without asking the hub.

use std::collections::BTreeMap;

use crate::demo::script::{Effect, Expected, Plan};
use crate::pb::peshub::common::v1::{FindingCode, Outcome, Verdict};
use crate::pb::peshub::feed::v1::EventKind;
use crate::pb::peshub::postings::v1::BatchAcknowledgement;

/// Most verdicts that are kept to be shown.
const SURPRISES_SHOWN: usize = 5;

/// One event that a bureau must receive, or has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Delivery {
    /// Number of the posting within its platform.
    pub(crate) posting: usize,
    /// The source's revision.
    pub(crate) revision: i64,
    /// What it means to the bureau.
    pub(crate) kind: Kind,
}

/// What an event means to a bureau.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Entered,
    Changed,
    Left,
}

impl Kind {
    /// Returns the kind of an event, or `None` for one of a snapshot.
    pub(crate) const fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Entered => Some(Self::Entered),
            EventKind::Changed => Some(Self::Changed),
            EventKind::Left => Some(Self::Left),
            EventKind::Unspecified | EventKind::Snapshot => None,
        }
    }
}

/// Where a posting is, by what was sent and acknowledged.
#[derive(Clone, Debug, Default)]
struct Standing {
    is_known: bool,
    is_open: bool,
    divisions: Vec<String>,
}

/// What was sent by one platform, what the hub said, and what each bureau must receive of it.
#[derive(Debug)]
pub(crate) struct Ledger {
    bureaus: Vec<Jurisdiction>,
    standings: Vec<Standing>,
    /// For each bureau, in the order of the acknowledgements.
    pub(crate) deliveries: Vec<Vec<Delivery>>,
    pub(crate) counts: Counts,
}

/// How many records became what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) batches: u64,
    pub(crate) replayed: u64,
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) closed: u64,
    pub(crate) held: u64,
    pub(crate) fixed: u64,
    pub(crate) rejected: u64,
    pub(crate) rejected_by_code: BTreeMap<String, u64>,
    /// Verdicts that were not those which the records ought to have had.
    pub(crate) surprises: u64,
    pub(crate) surprises_shown: Vec<String>,
    /// Largest position that an acknowledgement had.
    pub(crate) position: i64,
    /// Whether the last batch with events had no position.
    pub(crate) is_position_missing: bool,
}

/// Divisions by their codes of GB/T 2260: a province or prefecture stands for all below it.
#[derive(Clone, Debug)]
pub(crate) struct Jurisdiction(Vec<String>);

impl Jurisdiction {
    pub(crate) fn new(codes: &[String]) -> Self {
        // A code's pairs of digits are province, prefecture and county; 00 stands for all.
        let prefix = |code: &String| {
            let mut prefix = code.as_str();
            while let Some(shorter) = prefix.strip_suffix("00") {
                prefix = shorter;
            }
            prefix.to_owned()
        };
        Self(codes.iter().map(prefix).collect())
    }

    fn has(&self, standing: &Standing) -> bool {
        standing.is_open
            && standing
                .divisions
                .iter()
                .any(|code| self.0.iter().any(|prefix| code.starts_with(prefix.as_str())))
    }
}

impl Ledger {
    pub(crate) fn new(bureaus: &[Jurisdiction]) -> Self {
        Self {
            bureaus: bureaus.to_vec(),
            standings: Vec::new(),
            deliveries: vec![Vec::new(); bureaus.len()],
            counts: Counts::default(),
        }
    }

    /// Notes what the hub said of a batch, and what follows for every bureau.
    pub(crate) fn acknowledge(&mut self, plans: &[Plan], acknowledgement: &BatchAcknowledgement) {
        self.count(plans, acknowledgement);
        let mut due = Tally::default();
        let mut verdicts = acknowledgement.verdicts.iter().peekable();
        for (index, plan) in plans.iter().enumerate() {
            let is_its = |verdict: &&Verdict| usize::try_from(verdict.index) == Ok(index);
            let verdict = verdicts.next_if(is_its);
            if !matches_expectation(plan.expected, verdict) {
                self.surprise(|| difference(plan, verdict));
            }
            let outcome = verdict.map_or(Outcome::Accepted, Verdict::outcome);
            if !matches!(outcome, Outcome::Rejected | Outcome::Held) {
                self.apply(plan, &mut due);
            }
        }
        let found = Tally {
            created: acknowledgement.created,
            changed: acknowledgement.changed,
            unchanged: acknowledgement.unchanged,
            closed: acknowledgement.closed,
        };
        if due != found {
            let batch = acknowledgement.batch_id;
            self.surprise(|| format!("batch {batch}: {due:?} was due, found {found:?}"));
        }
    }

    fn count(&mut self, plans: &[Plan], acknowledgement: &BatchAcknowledgement) {
        let number = |count: i32| u64::try_from(count).unwrap_or_default();
        let counts = &mut self.counts;
        counts.batches += 1;
        counts.replayed += u64::from(acknowledgement.replayed);
        counts.acknowledged += u64::try_from(plans.len()).unwrap_or_default();
        counts.created += number(acknowledgement.created);
        counts.changed += number(acknowledgement.changed);
        counts.unchanged += number(acknowledgement.unchanged);
        counts.closed += number(acknowledgement.closed);
        counts.held += number(acknowledgement.held);
        counts.rejected += number(acknowledgement.rejected);
        for verdict in &acknowledgement.verdicts {
            match verdict.outcome() {
                Outcome::Rejected => {
                    let code = verdict.findings.first().map_or(0, |finding| finding.code);
                    *counts.rejected_by_code.entry(name(code)).or_default() += 1;
                }
                Outcome::AcceptedWithFixes => counts.fixed += 1,
                Outcome::Held | Outcome::Accepted | Outcome::Unspecified => {}
            }
        }
        let events = acknowledgement.created + acknowledgement.changed + acknowledgement.closed;
        if events > 0 {
            counts.is_position_missing = acknowledgement.position == 0;
        }
        counts.position = counts.position.max(acknowledgement.position);
    }

    fn apply(&mut self, plan: &Plan, due: &mut Tally) {
        let Some(posting) = plan.posting else { return };
        if self.standings.len() <= posting {
            self.standings.resize_with(posting + 1, Standing::default);
        }
        let Some(standing) = self.standings.get_mut(posting) else { return };
        let after = match &plan.effect {
            Effect::Stands(divisions) => {
                let counted = if standing.is_known { &mut due.changed } else { &mut due.created };
                *counted += 1;
                Standing { is_known: true, is_open: true, divisions: divisions.clone() }
            }
            Effect::Closes => {
                due.closed += 1;
                Standing { is_open: false, ..standing.clone() }
            }
            Effect::Nothing => {
                due.unchanged += 1;
                return;
            }
        };
        for (jurisdiction, deliveries) in self.bureaus.iter().zip(&mut self.deliveries) {
            let kind = match (jurisdiction.has(standing), jurisdiction.has(&after)) {
                (false, false) => continue,
                (false, true) => Kind::Entered,
                (true, true) => Kind::Changed,
                (true, false) => Kind::Left,
            };
            deliveries.push(Delivery { posting, revision: plan.revision, kind });
        }
        *standing = after;
    }

    fn surprise(&mut self, text: impl FnOnce() -> String) {
        self.counts.surprises += 1;
        if self.counts.surprises_shown.len() < SURPRISES_SHOWN {
            self.counts.surprises_shown.push(text());
        }
    }
}

/// What a batch did to postings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    created: i32,
    changed: i32,
    unchanged: i32,
    closed: i32,
}

fn difference(plan: &Plan, verdict: Option<&Verdict>) -> String {
    let found = verdict.map_or_else(
        || "taken".to_owned(),
        |verdict| {
            let outcome = verdict.outcome().as_str_name();
            let findings = verdict
                .findings
                .iter()
                .map(|it| format!("{} {} (expected {})", it.field, name(it.code), it.expected));
            format!("{outcome} {}", findings.collect::<Vec<_>>().join("; "))
        },
    );
    format!("{:?} was due, found {found}", plan.expected)
}

fn matches_expectation(expected: Expected, verdict: Option<&Verdict>) -> bool {
    let outcome = verdict.map_or(Outcome::Accepted, Verdict::outcome);
    let names = |code: FindingCode| {
        verdict.is_some_and(|verdict| {
            verdict.findings.iter().any(|finding| finding.code == i32::from(code))
        })
    };
    match expected {
        Expected::Taken => outcome == Outcome::Accepted,
        Expected::Fixed(code) => outcome == Outcome::AcceptedWithFixes && names(code),
        Expected::Rejected(code) => outcome == Outcome::Rejected && names(code),
        Expected::ClosedOrHeld => matches!(outcome, Outcome::Accepted | Outcome::Held),
    }
}

/// Returns a finding's name as the contract has it, without its prefix.
fn name(code: i32) -> String {
    let code = FindingCode::try_from(code).unwrap_or_default();
    let name = code.as_str_name();
    name.strip_prefix("FINDING_CODE_").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
