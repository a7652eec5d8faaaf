//! `RemunerationPackage`: ranges of pay and benefits.

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::Pay;
use crate::postings::import::draft::Draft;
use crate::postings::import::schema_org::{is_currency, pay_unit};
use crate::postings::import::tree::Element;
use crate::postings::import::words::numbers::Decimal;

pub(crate) fn read(draft: &mut Draft, profile: &Element) -> Option<Pay> {
    let mut packages = Vec::new();
    for name in ["RemunerationPackage", "OfferedRemunerationPackage"] {
        profile.all(name, &mut packages);
    }
    let package = packages.into_iter().next()?;
    benefits(draft, package);
    let mut ranges = Vec::new();
    package.all("RemunerationRange", &mut ranges);
    let range = ranges.into_iter().next()?;
    let bound = |name: &str| {
        let amount = range.at(&[name])?;
        Some((Decimal::parse(amount.text())?.times(100)?, amount.attribute("currency")))
    };
    let (min, max) = (bound("MinimumAmount"), bound("MaximumAmount"));
    let unit = ["RemunerationIntervalCode", "SalaryIntervalCode", "BaseCode"]
        .into_iter()
        .map(|name| range.string(&[name]))
        .find_map(pay_unit);
    let currency = min.or(max).map(|(_, currency)| currency.to_ascii_uppercase());
    let (min_minor, max_minor) = (min.map(|(minor, _)| minor), max.map(|(minor, _)| minor));
    match (unit, currency.filter(|currency| is_currency(currency))) {
        (Some(unit), Some(currency)) => {
            Some(Pay { min_minor, max_minor, unit: unit.into(), currency, ..Pay::default() })
        }
        (unit, _) => {
            min_minor.or(max_minor)?;
            let missing = if unit.is_none() { "unit" } else { "currency" };
            let amounts: Vec<&str> = ["MinimumAmount", "MaximumAmount"]
                .into_iter()
                .map(|name| range.string(&[name]))
                .filter(|amount| !amount.is_empty())
                .collect();
            let text = draft.line("pay.text", &amounts.join(" - "), 500);
            let done = format!("only the text was kept: the {missing} is not said");
            draft.note("pay", FindingCode::Required, &done, &text);
            Some(Pay { text, ..Pay::default() })
        }
    }
}

fn benefits(draft: &mut Draft, package: &Element) {
    let mut benefits = Vec::new();
    for name in ["Benefit", "OtherBenefit", "Allowance"] {
        package.all(name, &mut benefits);
    }
    for benefit in benefits {
        let words = benefit.string(&["Description"]);
        draft.benefit(if words.is_empty() { benefit.text() } else { words });
    }
}
