//! The rule that is measured, ten criteria and an amount: as a bureau writes it, and as a programmer writes it by hand.

use std::sync::Arc;

use time::Date;

use crate::subsidies::domain::{Catalogue, Day, Definition, Facts, GREATEST_NUMBER, Scalar, Value};
use crate::subsidies::evaluator::Scope;
use crate::subsidies::evaluator::defect::Defect;
use crate::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Which};

/// Its criteria.
pub const CRITERIA: [&str; 10] = [
    "employer.type in ['enterprise', 'social_org']",
    "(years_between(worker.birth_date, hire.date) >= 16 && years_between(worker.birth_date, hire.date) <= 24) || \
     worker.unemployed_months >= 12",
    "hire.contract_signed",
    "hire.insurance_months >= 3",
    "!claims.same_worker",
    "hire.weekly_hours >= 25",
    "hire.monthly_wage >= region.minimum_wage",
    "employer.dismissed * 100 <= employer.staff * 20",
    "worker.registered_unemployed || worker.disabled",
    "days_between(hire.date, claim.date) <= 365",
];
/// Its amount.
pub const AMOUNT: &str = "math.least(hire.monthly_wage * (worker.disabled ? 70 : 50) / 100, param.cap) * \
                          math.least(hire.insurance_months, 12)";
/// The value of `param.cap`.
pub const CAP: i64 = 200_000;
/// The types of employers that there are.
const TYPES: [&str; 3] = ["enterprise", "social_org", "public_institution"];

/// A person of whom all is known, as a programmer has it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts as a programmer has them")]
pub struct Person {
    employer_type: u8,
    born: Date,
    hired: Date,
    claimed: Date,
    unemployed_months: i64,
    insurance_months: i64,
    weekly_hours: i64,
    monthly_wage: i64,
    minimum_wage: i64,
    dismissed: i64,
    staff: i64,
    contract_signed: bool,
    same_worker: bool,
    registered: bool,
    disabled: bool,
}

/// Complete years from one date to a later one.
#[inline]
fn years_between(from: Date, to: Date) -> i32 {
    let open = (u8::from(to.month()), to.day()) < (u8::from(from.month()), from.day());
    to.year() - from.year() - i32::from(open)
}

impl Person {
    /// Makes a person; a number gives always the same one.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % bound
        };
        let mut number =
            |from: i64, count: u64| from + i64::try_from(below(count)).unwrap_or_default();
        let mut day = |from: i64, count: u64| {
            Day(i32::try_from(number(from, count)).unwrap_or_default()).date()
        };
        let (born, hired) = (day(10_000, 3_000), day(20_000, 300));
        let claimed = Day::of(hired).plus(i32::try_from(number(0, 400)).unwrap_or(0)).date();
        Self {
            employer_type: u8::try_from(number(0, 12)).unwrap_or(0).saturating_sub(9),
            born,
            hired,
            claimed,
            unemployed_months: number(0, 40),
            insurance_months: number(2, 20),
            weekly_hours: number(20, 60),
            monthly_wage: number(200_000, 500_000),
            minimum_wage: 210_000,
            dismissed: number(0, 10),
            staff: number(20, 500),
            contract_signed: number(0, 20) > 0,
            same_worker: number(0, 20) == 0,
            registered: number(0, 10) > 1,
            disabled: number(0, 10) == 0,
        }
    }

    /// Returns the person's facts.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let kind = TYPES.get(usize::from(self.employer_type)).copied().unwrap_or("enterprise");
        let day = |date: Date| Value::Day(Day::of(date));
        [
            ("employer.type", Value::Text(kind.into())),
            ("worker.birth_date", day(self.born)),
            ("hire.date", day(self.hired)),
            ("claim.date", day(self.claimed)),
            ("worker.unemployed_months", Value::Number(self.unemployed_months)),
            ("hire.insurance_months", Value::Number(self.insurance_months)),
            ("hire.weekly_hours", Value::Number(self.weekly_hours)),
            ("hire.monthly_wage", Value::Number(self.monthly_wage)),
            ("region.minimum_wage", Value::Number(self.minimum_wage)),
            ("employer.dismissed", Value::Number(self.dismissed)),
            ("employer.staff", Value::Number(self.staff)),
            ("hire.contract_signed", Value::Truth(self.contract_signed)),
            ("claims.same_worker", Value::Truth(self.same_worker)),
            ("worker.registered_unemployed", Value::Truth(self.registered)),
            ("worker.disabled", Value::Truth(self.disabled)),
        ]
        .into_iter()
        .map(|(name, value)| (Arc::from(name), value))
        .collect()
    }

    /// The rule by hand: which criteria fail, a bit each, and the amount where none does; `None` where a number does not fit, which the
    /// evaluator has to notice as well.
    #[must_use]
    #[inline(never)]
    pub fn by_hand(&self, cap: i64) -> Option<(u16, Option<i64>)> {
        let age = years_between(self.born, self.hired);
        let met = [
            self.employer_type < 2,
            (16..=24).contains(&age) || self.unemployed_months >= 12,
            self.contract_signed,
            self.insurance_months >= 3,
            !self.same_worker,
            self.weekly_hours >= 25,
            self.monthly_wage >= self.minimum_wage,
            self.dismissed.checked_mul(100)? <= self.staff.checked_mul(20)?,
            self.registered || self.disabled,
            (self.claimed - self.hired).whole_days() <= 365,
        ];
        let failed = met.iter().rev().fold(0, |bits, met| (bits << 1) | u16::from(!met));
        if failed != 0 {
            return Some((failed, None));
        }
        let share = if self.disabled { 70 } else { 50 };
        let monthly = (self.monthly_wage.checked_mul(share)? / 100).min(cap);
        Some((failed, Some(monthly.checked_mul(self.insurance_months.min(12))?)))
    }
}

/// People as columns, as a programmer has them.
#[derive(Clone, Debug, Default)]
pub struct People {
    count: usize,
    employer_type: Vec<u8>,
    born: Vec<Date>,
    hired: Vec<Date>,
    claimed: Vec<Date>,
    numbers: [Vec<i64>; 7],
    truths: [Vec<bool>; 4],
}

impl People {
    /// Puts people into columns.
    #[must_use]
    pub fn of(people: &[Person]) -> Self {
        let all = |get: fn(&Person) -> i64| people.iter().map(get).collect();
        let are = |get: fn(&Person) -> bool| people.iter().map(get).collect();
        Self {
            count: people.len(),
            employer_type: people.iter().map(|one| one.employer_type).collect(),
            born: people.iter().map(|one| one.born).collect(),
            hired: people.iter().map(|one| one.hired).collect(),
            claimed: people.iter().map(|one| one.claimed).collect(),
            numbers: [
                all(|one| one.unemployed_months),
                all(|one| one.insurance_months),
                all(|one| one.weekly_hours),
                all(|one| one.monthly_wage),
                all(|one| one.minimum_wage),
                all(|one| one.dismissed),
                all(|one| one.staff),
            ],
            truths: [
                are(|one| one.contract_signed),
                are(|one| one.same_worker),
                are(|one| one.registered),
                are(|one| one.disabled),
            ],
        }
    }

    /// The rule by hand over columns: the amount, or -1 where a criterion fails.
    pub fn by_hand(&self, cap: i64, out: &mut Vec<i64>) {
        let mut met = vec![true; self.count];
        let mut narrow = |holds: &dyn Fn(usize) -> bool| {
            met.iter_mut().enumerate().for_each(|(row, met)| *met &= holds(row));
        };
        let [unemployed, insurance, hours, wage, minimum, dismissed, staff] = &self.numbers;
        let [signed, same, registered, disabled] = &self.truths;
        let at = |column: &[i64], row: usize| column.get(row).copied().unwrap_or_default();
        let is = |column: &[bool], row: usize| column.get(row).copied().unwrap_or_default();
        narrow(&|row| self.employer_type.get(row).is_some_and(|kind| *kind < 2));
        narrow(&|row| {
            let days = self.born.get(row).zip(self.hired.get(row));
            let age = days.map_or(0, |(born, hired)| years_between(*born, *hired));
            (16..=24).contains(&age) || at(unemployed, row) >= 12
        });
        narrow(&|row| is(signed, row));
        narrow(&|row| at(insurance, row) >= 3);
        narrow(&|row| !is(same, row));
        narrow(&|row| at(hours, row) >= 25);
        narrow(&|row| at(wage, row) >= at(minimum, row));
        narrow(&|row| at(dismissed, row) * 100 <= at(staff, row) * 20);
        narrow(&|row| is(registered, row) || is(disabled, row));
        narrow(&|row| {
            let days = self.hired.get(row).zip(self.claimed.get(row));
            days.is_some_and(|(hired, claimed)| (*claimed - *hired).whole_days() <= 365)
        });
        out.clear();
        out.extend(met.iter().enumerate().map(|(row, met)| {
            let share = if is(disabled, row) { 70 } else { 50 };
            let monthly = (at(wage, row) * share / 100).min(cap);
            if *met { monthly * at(insurance, row).min(12) } else { -1 }
        }));
    }
}

/// Compiles the rule.
///
/// # Errors
///
/// It never should.
pub fn compile() -> Result<Rule, Vec<(Which, Defect)>> {
    let number = [
        "worker.unemployed_months",
        "hire.insurance_months",
        "hire.weekly_hours",
        "employer.dismissed",
        "employer.staff",
    ];
    let money = ["hire.monthly_wage", "region.minimum_wage"];
    let dates = ["worker.birth_date", "hire.date", "claim.date"];
    let truths = [
        "hire.contract_signed",
        "claims.same_worker",
        "worker.registered_unemployed",
        "worker.disabled",
    ];
    let of =
        |names: &[&'static str], kind| names.iter().map(|name| (*name, kind)).collect::<Vec<_>>();
    let all = [
        of(&number, Scalar::Int),
        of(&money, Scalar::Money),
        of(&dates, Scalar::Date),
        of(&truths, Scalar::Bool),
        of(&["employer.type"], Scalar::Enum),
    ]
    .concat();
    let definitions = all.into_iter().map(|(name, kind)| Definition {
        name: name.into(),
        kind,
        max_items: None,
        choices: if kind == Scalar::Enum { TYPES.map(Arc::from).into() } else { [].into() },
        least: 0,
        greatest: GREATEST_NUMBER,
        fresh_for_days: 0,
        stated_by_hub: false,
    });
    let catalogue = Catalogue::new(definitions);
    let parameters = [Arc::from("cap")];
    let criteria = CRITERIA.map(|expression| CriterionSource { expression, wider: &[] });
    let source = RuleSource { criteria: &criteria, amount: Some(AMOUNT) };
    Rule::compile(&source, &Scope { catalogue: &catalogue, parameters: &parameters })
}
