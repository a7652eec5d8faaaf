//! Contract ⇄ checks of eligibility.

use crate::kernel::fault::Fault;
use crate::kernel::fields::Rule;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::book::Book;
use crate::subsidies::domain::Day;
use crate::subsidies::eligibility::{Answered, Asked, Detail};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::evaluator::judgement::EvalError;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::question::Question;
use crate::subsidies::wire::{determination, division, violation};

/// Reads what is asked; `at` is the name of the field that says it.
///
/// # Errors
///
/// `FIELDS_INVALID` for a division or a day that is none.
pub fn asked(terms: Option<pb::CheckTerms>, today: Day, at: &str) -> Result<Asked, SubsidyError> {
    let terms = terms.unwrap_or_default();
    let mut wrong = Vec::new();
    let named = terms.division.clone().unwrap_or_default();
    let found = division(&named);
    if found.is_none() {
        let field = format!("{at}.division.code");
        wrong.push(violation(&field, Rule::BadFormat, "a code of its list", &named.code));
    }
    let day = match terms.day.as_str() {
        "" => Some(today),
        text => Day::read(text),
    };
    if day.is_none() {
        let expected = "a day `YYYY-MM-DD` of the years 1900 to 2200";
        wrong.push(violation(&format!("{at}.day"), Rule::BadFormat, expected, &terms.day));
    }
    let detail = match terms.detail() {
        pb::CheckDetail::Verdict => Detail::Verdict,
        pb::CheckDetail::Unspecified | pb::CheckDetail::Criteria => Detail::Criteria,
        pb::CheckDetail::Derivation => Detail::Derivation,
    };
    let (Some(division), Some(day)) = (found, day) else {
        return Err(SubsidyError::Invalid(wrong));
    };
    Ok(Asked {
        division,
        choices: terms.programmes.into_iter().map(|it| (it.name, it.edition)).collect(),
        detail,
        day,
        look_ahead: terms.look_ahead,
        rank_questions: terms.rank_questions,
    })
}

/// Sees that nobody states what the hub states by itself.
///
/// # Errors
///
/// `FACT_UNKNOWN` with each of them.
pub fn states_no_day(sent: &[pb::Fact], book: &Book) -> Result<(), SubsidyError> {
    let is_moving = |it: &&pb::Fact| book.moving().iter().any(|name| name.as_ref() == it.name);
    if !sent.iter().any(|it| is_moving(&it)) {
        return Ok(());
    }
    let expected =
        "a fact that the hub does not state by itself; the day of the terms says which day it is";
    let stated = sent.iter().enumerate().filter(|(_, it)| is_moving(it));
    let wrong = stated.map(|(index, it)| {
        violation(&format!("facts[{index}].name"), Rule::BadFormat, expected, &it.name)
    });
    Err(SubsidyError::FactUnknown(wrong.collect()))
}

/// Returns the failure of an expression: where, and why, and nothing of the subject.
#[must_use]
pub fn failed(programme: &CompiledProgramme, error: &EvalError) -> SubsidyError {
    SubsidyError::EvaluationFailed {
        programme: programme.name.to_string(),
        place: error.to_string(),
    }
}

/// Returns a question as the contract has it; one of `programmes` says how the fact can be shown.
#[must_use]
pub fn question<'a>(
    question: &Question,
    mut programmes: impl Iterator<Item = &'a CompiledProgramme>,
) -> pb::Question {
    let mut unlocks: Vec<_> = question.unlocks.iter().collect();
    unlocks.sort_by_key(|(_, greatest)| std::cmp::Reverse(**greatest));
    let unlock = |(currency, greatest): (&std::sync::Arc<str>, &i64)| pb::Unlock {
        currency: currency.to_string(),
        greatest: *greatest,
    };
    let shown = programmes.find(|it| it.shown_by.contains_key(&question.fact));
    let fact = shown.map(|it| determination::open_fact(it, &question.fact));
    let named = || pb::OpenFact { name: question.fact.to_string(), ..Default::default() };
    pb::Question {
        fact: Some(fact.unwrap_or_else(named)),
        unlocks: unlocks.into_iter().map(unlock).collect(),
        programmes: question.programmes.iter().map(ToString::to_string).collect(),
    }
}

/// Returns what became of a subject of a stream.
#[must_use]
pub fn result(outcome: Result<Answered, SubsidyError>) -> pb::SubjectResult {
    match outcome {
        Ok((determinations, questions)) => {
            pb::SubjectResult { determinations, questions, ..Default::default() }
        }
        Err(error) => {
            let fault = Fault::from(error);
            let (reason, message) = told(&fault);
            pb::SubjectResult { reason, message, ..Default::default() }
        }
    }
}

/// Returns a fault's reason and what is wrong, for one of many subjects.
#[must_use]
pub fn told(fault: &Fault) -> (String, String) {
    let broken = fault.violations.iter().take(3);
    let broken = broken.map(|it| format!("; {}: {}", it.field, it.expected));
    let message = std::iter::once(fault.message.clone()).chain(broken).collect();
    (fault.reason.name().to_owned(), message)
}
