//! Contract ⇄ populations.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::codes::divisions::Division;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::Book;
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::Population;
use crate::subsidies::population::body::{FACTS_MAX, Stated};
use crate::subsidies::wire::eligibility::told;
use crate::subsidies::wire::{division, fact, timestamp, violation};

/// Longest name of a population.
const NAME_CHARS_MAX: usize = 60;
/// Longest reference to what a fact rests on.
const REFERENCE_CHARS_MAX: usize = 100;

/// A subject as a batch names it, and what is to become of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The caller's reference to the worker.
    pub reference: Option<Uuid>,
    /// Keyed digest of the employer's number.
    pub employer: Option<Uuid>,
    /// Token of the division; `None`: as before.
    pub division: Option<&'static str>,
    /// What is stated; `None`: the subject is taken out.
    pub stated: Option<Vec<Stated>>,
}

/// Reads the name of a population that is to be made.
///
/// # Errors
///
/// It has other characters than lower-case letters, digits and hyphens.
pub fn name(text: &str) -> Result<&str, SubsidyError> {
    let is_name = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_name) {
        return Ok(text);
    }
    let expected = "1 to 60 lower-case letters, digits and hyphens";
    Err(SubsidyError::Invalid(vec![violation("name", Rule::BadFormat, expected, text)]))
}

/// Reads a subject of a batch.
///
/// # Errors
///
/// Why it cannot be stored; nothing about the subject.
pub fn sent(
    subject: &pb::SubjectFacts,
    book: &Book,
    blind: &Blind,
    today: Day,
) -> Result<Sent, Fault> {
    let key = subject.subject.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    let reference = match key.worker_reference.as_str() {
        "" => None,
        text => {
            let read = Uuid::try_parse(text).ok();
            if read.is_none() {
                let expected = "a reference that the hub gave";
                wrong.push(violation("subject.worker_reference", Rule::BadFormat, expected, ""));
            }
            read
        }
    };
    let employer = match key.employer.as_str() {
        "" => None,
        text => {
            let digest = blind.employer(text);
            if digest.is_none() {
                let expected = "a registration number of 2 to 40 letters and digits";
                wrong.push(violation("subject.employer", Rule::BadFormat, expected, ""));
            }
            digest
        }
    };
    if key.worker_reference.is_empty() && key.employer.is_empty() {
        wrong.push(violation("subject", Rule::Required, "a worker, an employer, or both", ""));
    }
    let found = subject.division.as_ref().map(|it| (division(it), &it.code));
    if let Some((None, code)) = found {
        wrong.push(violation("division.code", Rule::BadFormat, "a code of its list", code));
    }
    let division = found.and_then(|(found, _)| found);
    if subject.remove {
        return if wrong.is_empty() {
            Ok(Sent { reference, employer, division: None, stated: None })
        } else {
            Err(Fault::fields(wrong))
        };
    }
    let (stated, unknown) = stated(subject, book, today, &mut wrong);
    match (wrong.is_empty(), unknown.is_empty()) {
        (true, true) => {
            let division = division.map(Division::token);
            Ok(Sent { reference, employer, division, stated: Some(stated) })
        }
        (false, _) => {
            wrong.extend(unknown);
            Err(Fault::fields(wrong))
        }
        (true, false) => Err(SubsidyError::FactUnknown(unknown).into()),
    }
}

/// Reads facts; what is not in the catalogue comes apart from what is wrong otherwise.
fn stated(
    subject: &pb::SubjectFacts,
    book: &Book,
    today: Day,
    wrong: &mut Vec<Violation>,
) -> (Vec<Stated>, Vec<Violation>) {
    let mut unknown = Vec::new();
    let (mut read, mut seen) = (Vec::with_capacity(subject.facts.len()), HashSet::new());
    for (index, sent) in subject.facts.iter().enumerate() {
        let at = |field: &str| format!("facts[{index}].{field}");
        let Some((id, definition)) = book.fact(&sent.name) else {
            unknown.push(violation(
                &at("name"),
                Rule::BadFormat,
                "a fact of the catalogue",
                &sent.name,
            ));
            continue;
        };
        if definition.stated_by_hub {
            let expected = "a fact that the hub does not state by itself";
            unknown.push(violation(&at("name"), Rule::BadFormat, expected, &sent.name));
        }
        if !seen.insert(id) {
            wrong.push(violation(&at("name"), Rule::BadFormat, "each fact once", &sent.name));
        }
        let value = match fact::value(&sent.value.clone().unwrap_or_default(), definition) {
            Ok(value) => value,
            Err(expected) => {
                unknown.push(violation(&at("value"), Rule::BadFormat, &expected, ""));
                continue;
            }
        };
        let (established_on, basis, reference) = ground(sent, today, &at, wrong);
        read.push(Stated { fact: id, established_on, basis, reference, value });
    }
    for (index, name) in subject.unknown.iter().enumerate() {
        let at = format!("unknown[{index}]");
        match book.fact(name) {
            None => unknown.push(violation(&at, Rule::BadFormat, "a fact of the catalogue", name)),
            Some((id, _)) if !seen.insert(id) => {
                wrong.push(violation(&at, Rule::BadFormat, "a fact that is not stated", name));
            }
            Some((id, _)) => read.push(Stated {
                fact: id,
                established_on: today,
                basis: 0,
                reference: Arc::default(),
                value: None,
            }),
        }
    }
    (read, unknown)
}

/// Reads on what a fact rests.
fn ground(
    sent: &pb::Fact,
    today: Day,
    at: &impl Fn(&str) -> String,
    wrong: &mut Vec<Violation>,
) -> (Day, u8, Arc<str>) {
    let provenance = sent.provenance.clone().unwrap_or_default();
    let established_on = match provenance.established_on.as_str() {
        "" => today,
        text => Day::read(text).filter(|day| *day <= today).unwrap_or_else(|| {
            let expected = "a day that has been, `YYYY-MM-DD`";
            wrong.push(violation(&at("provenance.established_on"), Rule::BadFormat, expected, ""));
            today
        }),
    };
    let reference = provenance.reference.as_str();
    if reference.chars().count() > REFERENCE_CHARS_MAX || reference.contains('\0') {
        let expected = "at most 100 characters";
        wrong.push(violation(&at("provenance.reference"), Rule::TooLong, expected, ""));
    }
    (established_on, u8::try_from(provenance.basis).unwrap_or_default(), reference.into())
}

/// Returns why a subject was not stored.
#[must_use]
pub fn reject(index: usize, fault: &Fault) -> pb::SubjectReject {
    let (reason, message) = told(fault);
    pb::SubjectReject { index: i32::try_from(index).unwrap_or(i32::MAX), reason, message }
}

/// Returns the fault of a subject whose worker was erased, or is not the caller's.
#[must_use]
pub fn no_worker(is_erased: bool) -> Fault {
    if is_erased {
        let message = "the worker was erased; delete what you hold under this reference";
        Fault::new(Kind::FailedPrecondition, Reason::WorkerErased, message)
    } else {
        Fault::new(Kind::NotFound, Reason::WorkerNotFound, "no such worker")
    }
}

/// Returns a population as the contract has it.
#[must_use]
pub fn population(stored: Population) -> pb::Population {
    pb::Population {
        name: stored.name,
        subjects: stored.subjects,
        revision: stored.revision,
        purpose: stored.purpose,
        created_at: Some(timestamp(stored.created_at)),
        last_sweep: stored.last_sweep.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Returns the fault of a new subject of which it is not said where it is.
#[must_use]
pub fn no_division() -> Fault {
    let expected = "the division of a subject that is new";
    Fault::fields(vec![violation("division", Rule::Required, expected, "")])
}

/// Returns the fault of a subject that would have too many facts.
#[must_use]
pub fn too_many() -> Fault {
    let expected = format!("at most {FACTS_MAX} facts of a subject, those taken back included");
    Fault::fields(vec![violation("facts", Rule::TooLong, &expected, "")])
}
