//! From the contract to a file.

use std::collections::BTreeMap;

use crate::json::programme::form::{self, Known};
use crate::pb::peshub::common::v1::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::fact_value::Value;

pub(super) fn programme(it: &pb::Programme) -> form::Programme {
    form::Programme {
        name: it.name.clone(),
        titles: texts(&it.titles),
        payee: match it.payee() {
            pb::Payee::Worker => form::Payee::Worker,
            pb::Payee::Employer | pb::Payee::Unspecified => form::Payee::Employer,
        },
        unit: it.unit.clone(),
        currency: it.currency.clone(),
        divisions: it.divisions.iter().map(|it| it.code.clone()).collect(),
        select: it.select.clone(),
        after_end: match it.after_end() {
            pb::AfterEnd::Hold => form::AfterEnd::Hold,
            pb::AfterEnd::Refuse | pb::AfterEnd::Unspecified => form::AfterEnd::Refuse,
        },
        hold_source: it.hold_source.clone(),
        rounding: match it.rounding() {
            pb::Rounding::Down | pb::Rounding::Unspecified => form::Rounding::Down,
            pb::Rounding::HalfUp => form::Rounding::HalfUp,
            pb::Rounding::Up => form::Rounding::Up,
        },
        once_per: it.once_per.iter().map(once_per).collect(),
        exclusive_with: it.exclusive_with.iter().map(exclusive_with).collect(),
        deadlines: it.deadlines.iter().map(deadline).collect(),
        discretionary: it.discretionary,
        proactive: it.proactive,
        appeal_days: it.appeal_days,
        budget_source: it.budget_source.clone(),
        parameters: parameters(&it.parameters),
        versions: it.versions.iter().map(version).collect(),
        overlays: it.overlays.iter().map(overlay).collect(),
        base: BTreeMap::new(),
        cases: it.cases.iter().map(case).collect(),
    }
}

fn texts(texts: &[pb::LocalisedText]) -> BTreeMap<String, String> {
    texts.iter().map(|it| (it.language.clone(), it.text.clone())).collect()
}

fn code(division: Option<&Division>) -> String {
    division.map_or_else(String::new, |it| it.code.clone())
}

fn once_per(it: &pb::OncePer) -> form::OncePer {
    let window = match it.window() {
        pb::ClaimWindow::Forever | pb::ClaimWindow::Unspecified => form::Window::Forever,
        pb::ClaimWindow::CalendarYears => form::Window::CalendarYears,
        pb::ClaimWindow::Months => form::Window::Months,
    };
    let (key, source) = (it.key.clone(), it.legal_source.clone());
    form::OncePer { key, window, length: it.length, source }
}

fn exclusive_with(it: &pb::ExclusiveWith) -> form::ExclusiveWith {
    let (key, source) = (it.key.clone(), it.legal_source.clone());
    form::ExclusiveWith { programme: it.programme.clone(), key, source }
}

fn deadline(it: &pb::FilingDeadline) -> form::Deadline {
    form::Deadline {
        id: it.id.clone(),
        filed_on: it.filed_on.clone(),
        expression: it.expression.clone(),
        source: it.legal_source.clone(),
    }
}

fn parameters(parameters: &[pb::Parameter]) -> BTreeMap<String, form::Parameter> {
    let parameter = |it: &pb::Parameter| match it.meaning.as_str() {
        "" => form::Parameter::Value(it.value),
        meaning => form::Parameter::Said { value: it.value, meaning: meaning.to_owned() },
    };
    parameters.iter().map(|it| (it.name.clone(), parameter(it))).collect()
}

fn version(it: &pb::Version) -> form::Version {
    form::Version {
        name: it.name.clone(),
        from: it.from.clone(),
        to: it.to.clone(),
        source: it.legal_source.clone(),
        parameters: parameters(&it.parameters),
        criteria: it.criteria.iter().map(criterion).collect(),
        amount: it.amount.clone(),
        clawback: it.clawback.clone(),
    }
}

fn criterion(it: &pb::Criterion) -> form::Criterion {
    form::Criterion {
        id: it.id.clone(),
        expression: it.expression.clone(),
        texts: texts(&it.texts),
        source: it.legal_source.clone(),
        evidence: it.evidence.clone(),
    }
}

fn overlay(it: &pb::Overlay) -> form::Overlay {
    form::Overlay {
        division: code(it.division.as_ref()),
        version: it.version.clone(),
        parameters: parameters(&it.parameters),
        widened: it.widened.iter().map(criterion).collect(),
        source: it.legal_source.clone(),
    }
}

fn case(it: &pb::GoldenCase) -> form::Case {
    let known =
        |fact: &pb::Fact| Some((fact.name.clone(), known(fact.value.as_ref()?.value.as_ref()?)));
    form::Case {
        id: it.id.clone(),
        division: code(it.division.as_ref()),
        set: it.facts.iter().filter_map(known).collect(),
        unset: Vec::new(),
        verdict: match it.verdict() {
            pb::Verdict::Eligible => form::Verdict::Eligible,
            pb::Verdict::NotEligible | pb::Verdict::Unspecified | pb::Verdict::ExcludedByClaim => {
                form::Verdict::NotEligible
            }
            pb::Verdict::NeedsFacts => form::Verdict::NeedsFacts,
            pb::Verdict::Held => form::Verdict::Held,
            pb::Verdict::NoVersion => form::Verdict::NoVersion,
        },
        version: it.version.clone(),
        amount: it.amount,
        failed: it.failed.clone(),
        ask: it.ask.clone(),
        why: it.why.clone(),
    }
}

fn known(value: &Value) -> Known {
    match value {
        Value::Truth(truth) => Known::Truth(*truth),
        Value::Number(number) => Known::Number(*number),
        Value::Date(text) | Value::Text(text) => Known::Text(text.clone()),
        Value::List(list) => {
            let truths = list.truths.iter().map(|it| Known::Truth(*it));
            let numbers = list.numbers.iter().map(|it| Known::Number(*it));
            let texts = list.dates.iter().chain(&list.texts).map(|it| Known::Text(it.clone()));
            Known::List(truths.chain(numbers).chain(texts).collect())
        }
    }
}
