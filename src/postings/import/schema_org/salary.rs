//! `baseSalary`: a `MonetaryAmount`, a number or a text.

use serde_json::Value;

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::{Pay, PayUnit};
use crate::postings::import::draft::Draft;
use crate::postings::import::values::{at, first, items, string, text};
use crate::postings::import::words::numbers::Decimal;

pub(crate) fn read(draft: &mut Draft, value: &Value) {
    let salary = [at(value, &["baseSalary"]), at(value, &["estimatedSalary"])]
        .into_iter()
        .find_map(|salary| items(salary).next());
    let Some(salary) = salary else { return };
    if let Some(words) = text(salary) {
        let text = draft.line("pay.text", &words, 500);
        draft.pay(Pay { text, ..Pay::default() });
        return;
    }
    let amount = match at(salary, &["value"]) {
        amount @ Value::Object(_) => amount,
        // A bare number, with the unit beside it.
        _ => salary,
    };
    let minor =
        |names: &[&str]| Decimal::parse(&first(amount, names)).and_then(|amount| amount.times(100));
    let single = minor(&["value"]);
    let (min, max) = (minor(&["minValue"]).or(single), minor(&["maxValue"]).or(single));
    let unit = unit(&first(amount, &["unitText", "unitCode"]))
        .or_else(|| unit(&first(salary, &["unitText", "unitCode", "duration"])));
    let currency = [string(salary, &["currency"]), first(value, &["salaryCurrency"])]
        .into_iter()
        .map(|currency| currency.to_ascii_uppercase())
        .find(|currency| is_currency(currency));
    match (min.or(max), unit, currency) {
        (None, _, _) => {}
        (Some(_), Some(unit), Some(currency)) => {
            let (min_minor, max_minor) = (min, max);
            draft.pay(Pay { min_minor, max_minor, unit: unit.into(), currency, ..Pay::default() });
        }
        (Some(_), unit, _) => {
            let missing = if unit.is_none() { "unit" } else { "currency" };
            let text = draft.line("pay.text", &salary.to_string(), 500);
            let done = format!("only the text was kept: the {missing} is not said");
            draft.note("pay", FindingCode::Required, &done, &text);
            draft.pay(Pay { text, ..Pay::default() });
        }
    }
}

/// Returns whether a text has the form of an ISO 4217 code.
pub(crate) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Reads a unit of time: the words of schema.org, codes of UN/CEFACT, and durations.
pub(crate) fn unit(text: &str) -> Option<PayUnit> {
    Some(match text.to_ascii_uppercase().as_str() {
        "HOUR" | "HOURLY" | "HUR" | "PT1H" => PayUnit::Hour,
        "DAY" | "DAILY" | "P1D" => PayUnit::Day,
        "WEEK" | "WEEKLY" | "WEE" | "P1W" => PayUnit::Week,
        "MONTH" | "MONTHLY" | "MON" | "P1M" => PayUnit::Month,
        "YEAR" | "YEARLY" | "ANNUAL" | "ANNUALLY" | "ANN" | "P1Y" => PayUnit::Year,
        _ => return None,
    })
}
