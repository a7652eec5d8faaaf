//! Contract ⇄ sweeps.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::standing::{FOREVER, Stood};
use crate::subsidies::sweep::evaluate::{Found, Tally};
use crate::subsidies::sweep::plan::{Plan, Planned};

/// Reads the name of a sweep.
///
/// # Errors
///
/// `SWEEP_NOT_FOUND` when it cannot be one.
pub fn sweep_id(text: &str) -> Result<Uuid, SubsidyError> {
    Uuid::try_parse(text).map_err(|_| SubsidyError::SweepNotFound { id: text.to_owned() })
}

/// Returns a programme of a sweep that begins.
#[must_use]
pub fn programme(planned: &Planned) -> pb::SweptProgramme {
    pb::SweptProgramme {
        programme: planned.published.name().to_string(),
        edition: planned.published.edition,
        currency: planned.published.compiled.currency.to_string(),
        ..Default::default()
    }
}

/// Adds what was found to how a sweep stands.
pub fn add(sweep: &mut pb::Sweep, plan: &Plan, (found, seen): (&Found, usize)) {
    sweep.seen = sweep.seen.saturating_add(i64::try_from(seen).unwrap_or(i64::MAX));
    sweep.evaluations = sweep.evaluations.saturating_add(found.evaluations);
    sweep.spared = sweep.spared.saturating_add(found.spared);
    for (planned, tally) in plan.programmes.iter().zip(&found.tallies) {
        if let Some(swept) = swept(sweep, planned) {
            add_tally(swept, tally);
        }
    }
}

fn add_tally(swept: &mut pb::SweptProgramme, tally: &Tally) {
    swept.gained += tally.gained;
    swept.lost += tally.lost;
    swept.failed += tally.failed;
    for (number, (subjects, least, greatest)) in (0..).zip(tally.counts) {
        if subjects == 0 {
            continue;
        }
        let known = swept.counts.iter().position(|it| it.verdict == number);
        let place = known.unwrap_or_else(|| {
            swept.counts.push(pb::VerdictCount { verdict: number, ..Default::default() });
            swept.counts.sort_unstable_by_key(|it| it.verdict);
            swept.counts.iter().position(|it| it.verdict == number).unwrap_or_default()
        });
        if let Some(count) = swept.counts.get_mut(place) {
            count.subjects += subjects;
            count.least = count.least.saturating_add(least);
            count.greatest = count.greatest.saturating_add(greatest);
        }
    }
}

/// Returns what was found for a programme, to count more.
pub fn swept<'a>(
    sweep: &'a mut pb::Sweep,
    planned: &Planned,
) -> Option<&'a mut pb::SweptProgramme> {
    let name = planned.published.name().as_ref();
    sweep.programmes.iter_mut().find(|it| it.programme == name)
}

/// Returns the day of a sweep.
///
/// # Errors
///
/// What is stored cannot be read.
pub fn day(sweep: &pb::Sweep) -> Result<Day, SubsidyError> {
    Day::read(&sweep.day).ok_or(SubsidyError::Corrupt { what: "day of a sweep" })
}

/// Returns when a sweep began.
#[must_use]
pub fn started(sweep: &pb::Sweep) -> Option<OffsetDateTime> {
    let at = sweep.started_at.as_ref()?;
    let nanos = time::Duration::nanoseconds(i64::from(at.nanos));
    Some(OffsetDateTime::from_unix_timestamp(at.seconds).ok()? + nanos)
}

/// Returns how a subject stands as the contract has it.
#[must_use]
pub fn finding(stood: &Stood, programme: String, reference: Option<Uuid>) -> pb::Finding {
    pb::Finding {
        worker_reference: reference.map(|it| it.to_string()).unwrap_or_default(),
        programme,
        edition: stood.edition,
        verdict: i32::from(stood.verdict),
        least: stood.least,
        greatest: stood.greatest,
        taken_until: match stood.taken_until {
            None => String::new(),
            Some(FOREVER) => "forever".to_owned(),
            Some(day) => day.to_string(),
        },
    }
}
