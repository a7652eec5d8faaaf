//! From the bytes of a posting to sound content: every rule of the contract, every code looked up, every repair noted.

use bytes::Bytes;
use prost::Message as _;

use crate::codes::{divisions, occupations};
use crate::kernel::fields;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;
use crate::postings::domain::{Content, MonthlyPay};
use crate::postings::facets;
use crate::postings::finding::{Finding, FindingCode};
use crate::postings::wire::digest;

mod text;

/// Reads a posting. Returns the content with what was repaired, or everything that is wrong with it.
///
/// # Errors
///
/// At least one finding says what is wrong; repairs are not among them.
pub fn posting(bytes: &[u8]) -> Result<(Content, Vec<Finding>), Vec<Finding>> {
    let mut posting = match pb::Posting::decode(bytes) {
        Ok(posting) => posting,
        Err(error) => {
            let expected = format!("an encoded peshub.postings.v1.Posting ({error})");
            return Err(vec![Finding::new("upsert", FindingCode::Malformed, expected)]);
        }
    };
    let mut reader = Reader::default();
    // What is left of a text after the repair is held against the contract.
    reader.clean_texts(&mut posting);
    let violations = fields::check(&posting);
    reader.wrong.extend(violations.into_iter().map(|it| Finding::of_violation(PLACE, it)));
    posting.lineage.clear();
    reader.blank_texts(&posting);
    reader.workplaces(&mut posting);
    reader.occupations(&mut posting);
    reader.employment_types(&mut posting);
    let pay = posting.pay.as_mut().and_then(|pay| reader.pay(pay));
    reader.ranges(&posting);
    if !reader.wrong.is_empty() {
        return Err(reader.wrong);
    }
    posting.lineage = reader.lineage;
    let body = Bytes::from(posting.encode_to_vec());
    let employer = posting.employer.as_ref().map_or("", |employer| employer.name.as_str());
    let content = Content {
        digest: digest(&body),
        body,
        facets: reader.facets,
        pay,
        search_text: format!("{} {employer}", posting.title).to_lowercase(),
    };
    Ok((content, reader.fixes))
}

/// Where a posting stands in a change.
const PLACE: &str = "upsert.";

#[derive(Default)]
struct Reader {
    wrong: Vec<Finding>,
    fixes: Vec<Finding>,
    lineage: Vec<pb::CodeLineage>,
    facets: Vec<String>,
}

impl Reader {
    fn clean_texts(&mut self, posting: &mut pb::Posting) {
        let mut clean = |name: &str, value: &mut String| {
            if text::strip_controls(value) {
                let expected = "text without control characters; they were removed";
                self.fixes.push(Finding::new(
                    format!("{PLACE}{name}"),
                    FindingCode::ControlCharacters,
                    expected,
                ));
            }
        };
        clean("title", &mut posting.title);
        clean("description", &mut posting.description);
        clean("department", &mut posting.department);
        if let Some(employer) = &mut posting.employer {
            clean("employer.name", &mut employer.name);
            clean("employer.description", &mut employer.description);
        }
        if let Some(requirements) = &mut posting.requirements {
            clean("requirements.text", &mut requirements.text);
        }
    }

    /// Blanks alone are no title and no name.
    fn blank_texts(&mut self, posting: &pb::Posting) {
        for (name, value) in [
            ("title", Some(&posting.title)),
            ("employer.name", posting.employer.as_ref().map(|employer| &employer.name)),
        ] {
            if value.is_some_and(|value| !value.is_empty() && value.trim().is_empty()) {
                let expected = "a text that is more than blanks";
                self.reject(name, FindingCode::Required, expected, "");
            }
        }
    }

    fn workplaces(&mut self, posting: &mut pb::Posting) {
        let remote = posting.work_mode == i32::from(pb::WorkMode::Remote);
        if posting.workplaces.is_empty() && !remote {
            let expected = "at least one workplace, or WORK_MODE_REMOTE";
            self.reject("workplaces", FindingCode::Required, expected, "");
        }
        for (index, workplace) in posting.workplaces.iter_mut().enumerate() {
            if let Some(division) = &mut workplace.division {
                self.division(&format!("workplaces[{index}].division.code"), division);
            }
        }
        self.facets.sort_unstable();
        self.facets.dedup();
    }

    fn division(&mut self, field: &str, division: &mut common::Division) {
        let Some(scheme) = division_scheme(division.scheme) else { return };
        let resolution = divisions::resolve(scheme, &division.code);
        let Some(found) = resolution.division() else {
            let divisions::Resolution::Unknown { suggestion } = resolution else { return };
            let expected = format!("a code of {}, of any edition", scheme.id());
            let suggested = suggestion.map_or_else(String::new, |known| known.code().to_owned());
            self.wrong.push(
                Finding::new(format!("{PLACE}{field}"), FindingCode::DivisionUnknown, expected)
                    .given(&division.code)
                    .suggested(suggested),
            );
            return;
        };
        self.facets.extend(facets::of_division(found));
        let (code, expected, year) = match resolution {
            divisions::Resolution::Replaced { year, .. } => {
                let expected =
                    format!("a code in force; this one is retired, now {}", found.name());
                (FindingCode::DivisionRetired, expected, year)
            }
            divisions::Resolution::Split { year, candidates, .. } => {
                let names: Vec<_> = candidates.iter().map(|candidate| candidate.code()).collect();
                let expected =
                    format!("a code in force; the division went to {}", names.join(", "));
                (FindingCode::DivisionSplit, expected, year)
            }
            _ => {
                let expected = format!("the official notation of {}", found.name());
                (FindingCode::CodeNormalised, expected, None)
            }
        };
        if found.code() != division.code {
            self.mapped(field, (code, expected), (&division.code, found.code()), year);
        }
        division.scheme = match found.scheme() {
            divisions::Scheme::GbT2260 => common::DivisionScheme::Gbt2260.into(),
            divisions::Scheme::Iso3166_2 => common::DivisionScheme::Iso31662.into(),
        };
        found.code().clone_into(&mut division.code);
        found.name().clone_into(&mut division.name);
    }

    fn occupations(&mut self, posting: &mut pb::Posting) {
        for (index, occupation) in posting.occupations.iter_mut().enumerate() {
            let Some(scheme) = occupation_scheme(occupation.scheme) else { continue };
            let field = format!("occupations[{index}].code");
            match occupations::resolve(scheme, &occupation.code) {
                occupations::Resolution::Known(found) => {
                    self.facets.extend(facets::of_occupation(found));
                    if found.code() != occupation.code {
                        let expected = format!("the official notation of {}", found.name());
                        let finding = (FindingCode::CodeNormalised, expected);
                        self.mapped(&field, finding, (&occupation.code, found.code()), None);
                    }
                    found.code().clone_into(&mut occupation.code);
                    found.name().clone_into(&mut occupation.name);
                }
                occupations::Resolution::Carried => {
                    self.facets.push(facets::carried_occupation(scheme.id(), &occupation.code));
                }
                occupations::Resolution::Unknown { suggestion } => {
                    let suggested = suggestion.map_or("", |known| known.code());
                    let expected = format!("a code of {}", scheme.id());
                    self.wrong.push(
                        Finding::new(
                            format!("{PLACE}{field}"),
                            FindingCode::OccupationUnknown,
                            expected,
                        )
                        .given(&occupation.code)
                        .suggested(suggested),
                    );
                }
            }
        }
        self.facets.sort_unstable();
        self.facets.dedup();
    }

    fn employment_types(&mut self, posting: &mut pb::Posting) {
        let before = posting.employment_types.len();
        posting.employment_types.sort_unstable();
        posting.employment_types.dedup();
        if posting.employment_types.len() < before {
            let expected = "each kind once; repeats were dropped";
            let field = format!("{PLACE}employment_types");
            self.fixes.push(Finding::new(field, FindingCode::RepeatedValue, expected));
        }
        self.facets.extend(posting.employment_types.iter().map(|kind| facets::employment(*kind)));
    }

    fn pay(&mut self, pay: &mut pb::Pay) -> Option<MonthlyPay> {
        for (field, amount) in [("pay.min_minor", pay.min_minor), ("pay.max_minor", pay.max_minor)]
        {
            if let Some(amount) = amount.filter(|amount| *amount < 0) {
                let expected = "an amount of 0 or more";
                self.reject(field, FindingCode::Negative, expected, &amount.to_string());
            }
        }
        if let (Some(min), Some(max)) = (pay.min_minor, pay.max_minor)
            && min > max
        {
            let expected = format!("not above max_minor, which is {max}");
            self.reject("pay.min_minor", FindingCode::RangeInverted, &expected, &min.to_string());
        }
        if pay.min_minor.is_none() && pay.max_minor.is_none() {
            return None;
        }
        if pay.unit == i32::from(pb::PayUnit::Unspecified) {
            self.reject("pay.unit", FindingCode::Required, "what the amounts are for", "");
        }
        if !text::is_currency(&pay.currency) {
            let expected = "an ISO 4217 code in use, for example CNY";
            let code = match pay.currency.as_str() {
                "" => FindingCode::Required,
                _ => FindingCode::CurrencyUnknown,
            };
            self.reject("pay.currency", code, expected, &pay.currency.clone());
        }
        let unit = pb::PayUnit::try_from(pay.unit).ok()?;
        Some(MonthlyPay {
            min_minor: pay.min_minor.and_then(|amount| a_month(amount, unit)),
            max_minor: pay.max_minor.and_then(|amount| a_month(amount, unit)),
            currency: pay.currency.clone(),
        })
        .filter(|pay| pay.min_minor.is_some() || pay.max_minor.is_some())
    }

    fn ranges(&mut self, posting: &pb::Posting) {
        let mut inverted = |field: &str, low: Option<i32>, high: Option<i32>| {
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                let expected = format!("not above the highest, which is {high}");
                self.reject(field, FindingCode::RangeInverted, &expected, &low.to_string());
            }
        };
        if let Some(schedule) = &posting.schedule {
            let (low, high) = (schedule.hours_per_week_min, schedule.hours_per_week_max);
            inverted("schedule.hours_per_week_min", low, high);
        }
        if let Some(needs) = &posting.requirements {
            let (low, high) = (needs.experience_months_min, needs.experience_months_max);
            inverted("requirements.experience_months_min", low, high);
            inverted("requirements.age_min", needs.age_min, needs.age_max);
            let limited = needs.age_min.is_some() || needs.age_max.is_some();
            if limited && needs.age_basis.trim().is_empty() {
                let expected = "the law that allows the age limits";
                self.reject("requirements.age_basis", FindingCode::Required, expected, "");
            }
        }
        if let Some(validity) = &posting.validity {
            self.times(validity);
        }
    }

    fn times(&mut self, validity: &pb::Validity) {
        let times = [
            ("validity.published_at", validity.published_at),
            ("validity.closes_at", validity.closes_at),
        ];
        for (field, time) in times {
            if time.is_some_and(|time| crate::postings::wire::instant(time).is_none()) {
                let expected = "a time between the years 1 and 9999";
                self.reject(field, FindingCode::BadFormat, expected, "");
            }
        }
        if let (Some(published), Some(closes)) = (validity.published_at, validity.closes_at)
            && (closes.seconds, closes.nanos) < (published.seconds, published.nanos)
        {
            let expected = "not before published_at";
            self.reject("validity.closes_at", FindingCode::TimesInverted, expected, "");
        }
    }

    fn reject(&mut self, field: &str, code: FindingCode, expected: &str, given: &str) {
        let field = format!("{PLACE}{field}");
        // The contract's own check may have said the same already.
        if !self.wrong.iter().any(|finding| finding.field == field && finding.code == code) {
            self.wrong.push(Finding::new(field, code, expected).given(given));
        }
    }

    fn mapped(
        &mut self,
        field: &str,
        (code, expected): (FindingCode, String),
        (given, resolved): (&str, &str),
        year: Option<u16>,
    ) {
        self.fixes.push(
            Finding::new(format!("{PLACE}{field}"), code, expected)
                .given(given)
                .suggested(resolved),
        );
        self.lineage.push(pb::CodeLineage {
            field: field.to_owned(),
            given: given.to_owned(),
            resolved: resolved.to_owned(),
            retired_year: year.map_or(0, i32::from),
            code: code as i32,
        });
    }
}

/// Returns the list that a scheme's number means.
#[must_use]
pub fn division_scheme(number: i32) -> Option<divisions::Scheme> {
    match common::DivisionScheme::try_from(number).ok()? {
        common::DivisionScheme::Unspecified => None,
        common::DivisionScheme::Gbt2260 => Some(divisions::Scheme::GbT2260),
        common::DivisionScheme::Iso31662 => Some(divisions::Scheme::Iso3166_2),
    }
}

/// Returns the list that a scheme's number means.
#[must_use]
pub fn occupation_scheme(number: i32) -> Option<occupations::Scheme> {
    match common::OccupationScheme::try_from(number).ok()? {
        common::OccupationScheme::Unspecified => None,
        common::OccupationScheme::Csco2022 => Some(occupations::Scheme::Csco2022),
        common::OccupationScheme::Isco08 => Some(occupations::Scheme::Isco08),
        common::OccupationScheme::Esco => Some(occupations::Scheme::Esco),
        common::OccupationScheme::OnetSoc => Some(occupations::Scheme::OnetSoc),
    }
}

/// Returns an amount brought to a month: 174 hours or 21.75 days (劳社部发〔2008〕3号), 52/12 weeks, 1/12 year. Pay by the
/// piece or task cannot be.
fn a_month(amount: i64, unit: pb::PayUnit) -> Option<i64> {
    let (times, over) = match unit {
        pb::PayUnit::Hour => (174, 1),
        pb::PayUnit::Day => (2_175, 100),
        pb::PayUnit::Week => (52, 12),
        pb::PayUnit::Month => (1, 1),
        pb::PayUnit::Year => (1, 12),
        pb::PayUnit::Unspecified | pb::PayUnit::Piece | pb::PayUnit::Task => return None,
    };
    amount.checked_mul(times)?.checked_div(over)
}
