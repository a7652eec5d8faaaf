//! From a file to the contract.

use std::collections::BTreeMap;

use crate::json::programme::form::{self, Grounded, Known, Stated};
use crate::json::programme::{FileError, digest};
use crate::pb::peshub::common::v1::{Division, DivisionScheme};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::fact_value::Value;

pub(super) fn programme(file: form::Programme) -> Result<pb::Programme, FileError> {
    let base = &file.base;
    let cases = file.cases.into_iter().map(|case| self::case(case, base));
    let cases = cases.collect::<Result<_, _>>()?;
    Ok(pb::Programme {
        name: file.name,
        titles: texts(file.titles),
        payee: match file.payee {
            form::Payee::Worker => pb::Payee::Worker.into(),
            form::Payee::Employer => pb::Payee::Employer.into(),
        },
        unit: file.unit,
        currency: file.currency,
        divisions: file.divisions.into_iter().map(division).collect(),
        select: file.select,
        after_end: match file.after_end {
            form::AfterEnd::Refuse => pb::AfterEnd::Refuse.into(),
            form::AfterEnd::Hold => pb::AfterEnd::Hold.into(),
        },
        hold_source: file.hold_source,
        rounding: match file.rounding {
            form::Rounding::Down => pb::Rounding::Down.into(),
            form::Rounding::HalfUp => pb::Rounding::HalfUp.into(),
            form::Rounding::Up => pb::Rounding::Up.into(),
        },
        once_per: file.once_per.into_iter().map(once_per).collect(),
        exclusive_with: file.exclusive_with.into_iter().map(exclusive_with).collect(),
        deadlines: file.deadlines.into_iter().map(deadline).collect(),
        discretionary: file.discretionary,
        proactive: file.proactive,
        appeal_days: file.appeal_days,
        parameters: parameters(file.parameters),
        versions: file.versions.into_iter().map(version).collect(),
        overlays: file.overlays.into_iter().map(overlay).collect(),
        cases,
        budget_source: file.budget_source,
    })
}

fn texts(texts: BTreeMap<String, String>) -> Vec<pb::LocalisedText> {
    texts.into_iter().map(|(language, text)| pb::LocalisedText { language, text }).collect()
}

/// Six digits are a code of GB/T 2260, anything else is one of ISO 3166-2.
fn division(code: String) -> Division {
    let is_digits = code.len() == 6 && code.bytes().all(|it| it.is_ascii_digit());
    let scheme = if is_digits { DivisionScheme::Gbt2260 } else { DivisionScheme::Iso31662 };
    Division { scheme: scheme.into(), code, name: String::new() }
}

fn once_per(it: form::OncePer) -> pb::OncePer {
    let window = match it.window {
        form::Window::Forever => pb::ClaimWindow::Forever,
        form::Window::CalendarYears => pb::ClaimWindow::CalendarYears,
        form::Window::Months => pb::ClaimWindow::Months,
    };
    pb::OncePer { key: it.key, window: window.into(), length: it.length, legal_source: it.source }
}

fn exclusive_with(it: form::ExclusiveWith) -> pb::ExclusiveWith {
    pb::ExclusiveWith { programme: it.programme, key: it.key, legal_source: it.source }
}

fn deadline(it: form::Deadline) -> pb::FilingDeadline {
    pb::FilingDeadline {
        id: it.id,
        filed_on: it.filed_on,
        expression: it.expression,
        legal_source: it.source,
    }
}

fn parameters(parameters: BTreeMap<String, form::Parameter>) -> Vec<pb::Parameter> {
    let parameter = |(name, parameter)| match parameter {
        form::Parameter::Value(value) => pb::Parameter { name, value, meaning: String::new() },
        form::Parameter::Said { value, meaning } => pb::Parameter { name, value, meaning },
    };
    parameters.into_iter().map(parameter).collect()
}

fn version(it: form::Version) -> pb::Version {
    pb::Version {
        name: it.name,
        from: it.from,
        to: it.to,
        legal_source: it.source,
        parameters: parameters(it.parameters),
        criteria: it.criteria.into_iter().map(criterion).collect(),
        amount: it.amount,
        clawback: it.clawback,
    }
}

fn criterion(it: form::Criterion) -> pb::Criterion {
    pb::Criterion {
        id: it.id,
        expression: it.expression,
        texts: texts(it.texts),
        legal_source: it.source,
        evidence: it.evidence,
    }
}

fn overlay(it: form::Overlay) -> pb::Overlay {
    pb::Overlay {
        division: Some(division(it.division)),
        version: it.version,
        parameters: parameters(it.parameters),
        widened: it.widened.into_iter().map(criterion).collect(),
        legal_source: it.source,
    }
}

fn case(it: form::Case, base: &BTreeMap<String, Known>) -> Result<pb::GoldenCase, FileError> {
    let mut known = base.clone();
    for name in &it.unset {
        if known.remove(name).is_none() {
            let why = format!("case {}: {name} cannot be unset: `base` does not have it", it.id);
            return Err(FileError::Form(why));
        }
    }
    known.extend(it.set);
    let facts =
        values(known).map_err(|error| FileError::Form(format!("case {}: {error}", it.id)))?;
    let verdict = match it.verdict {
        form::Verdict::Eligible => pb::Verdict::Eligible,
        form::Verdict::NotEligible => pb::Verdict::NotEligible,
        form::Verdict::NeedsFacts => pb::Verdict::NeedsFacts,
        form::Verdict::Held => pb::Verdict::Held,
        form::Verdict::NoVersion => pb::Verdict::NoVersion,
    };
    Ok(pb::GoldenCase {
        id: it.id,
        division: Some(it.division).filter(|code| !code.is_empty()).map(division),
        facts,
        verdict: verdict.into(),
        version: it.version,
        amount: it.amount,
        failed: it.failed,
        ask: it.ask,
        why: it.why,
    })
}

/// Returns whether a text has the form of a day.
fn is_day(text: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|it| it.is_ascii_digit());
    let mut parts = text.split('-');
    let [year, month, day, end] = [parts.next(), parts.next(), parts.next(), parts.next()];
    let has = |part: Option<&str>, count| part.is_some_and(|part| digits(part, count));
    has(year, 4) && has(month, 2) && has(day, 2) && end.is_none()
}

/// Reads what is known of somebody.
pub(super) fn values(known: BTreeMap<String, Known>) -> Result<Vec<pb::Fact>, FileError> {
    let mut facts = Vec::new();
    for (name, known) in known {
        let why = || format!("{name} is a list of different kinds");
        let value = value(known).ok_or_else(|| FileError::Form(why()))?;
        let value = Some(pb::FactValue { value: Some(value) });
        facts.push(pb::Fact { name, value, provenance: None });
    }
    Ok(facts)
}

/// Reads what is stated of somebody, with what it rests on.
pub(super) fn stated(stated: BTreeMap<String, Stated>) -> Result<Vec<pb::Fact>, FileError> {
    let mut facts = Vec::with_capacity(stated.len());
    for (name, stated) in stated {
        let (known, provenance) = match stated {
            Stated::Plain(known) => (known, None),
            Stated::Grounded(it) => {
                let known = it.value.clone();
                (known, Some(provenance(&name, it)?))
            }
        };
        let read = values(BTreeMap::from([(name, known)]))?;
        facts.extend(read.into_iter().map(|it| pb::Fact { provenance: provenance.clone(), ..it }));
    }
    Ok(facts)
}

fn provenance(name: &str, it: Grounded) -> Result<pb::Provenance, FileError> {
    let basis = match it.basis {
        form::Basis::Declared => pb::FactBasis::Declared,
        form::Basis::Document => pb::FactBasis::Document,
        form::Basis::Credential => pb::FactBasis::Credential,
        form::Basis::Register => pb::FactBasis::Register,
    };
    let digest = if it.sha256.is_empty() { Some(Vec::new()) } else { digest(&it.sha256) };
    let none = || FileError::Form(format!("{name}: sha256 is 64 hexadecimal digits"));
    Ok(pb::Provenance {
        basis: basis.into(),
        reference: it.reference,
        established_on: it.established_on,
        sha256: digest.ok_or_else(none)?.into(),
    })
}

fn value(known: Known) -> Option<Value> {
    Some(match known {
        Known::Truth(truth) => Value::Truth(truth),
        Known::Number(number) => Value::Number(number),
        Known::Text(text) if is_day(&text) => Value::Date(text),
        Known::Text(text) => Value::Text(text),
        Known::List(items) => Value::List(list(items)?),
    })
}

/// Reads a list; `None` when its items are of different kinds.
fn list(items: Vec<Known>) -> Option<pb::FactList> {
    let mut list = pb::FactList::default();
    for item in items {
        match value(item)? {
            Value::Truth(truth) => list.truths.push(truth),
            Value::Number(number) => list.numbers.push(number),
            Value::Date(date) => list.dates.push(date),
            Value::Text(text) => list.texts.push(text),
            Value::List(_) => return None,
        }
    }
    let lengths = [list.truths.len(), list.numbers.len(), list.dates.len(), list.texts.len()];
    (lengths.into_iter().filter(|length| *length > 0).count() <= 1).then_some(list)
}
