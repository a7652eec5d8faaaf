//! What is paid.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::postings::v1::{EmploymentType, Pay, PayUnit, SettlementInterval};
use crate::samples::draw;
use crate::samples::fields::Experience;

/// Quantiles (10, 25, 50, 75, 90 per cent) of the lowest monthly pay in yuan, measured over 13,900
/// real postings of technical work in four large cities (2019).
const fn monthly_yuan(experience: Experience) -> [i64; 5] {
    match experience {
        Experience::Any => [4_167, 6_667, 10_000, 15_000, 20_000],
        Experience::Graduate => [2_000, 3_000, 5_000, 7_000, 10_000],
        Experience::UnderOne => [4_000, 5_000, 7_000, 10_000, 15_000],
        Experience::OneToThree => [6_000, 8_000, 10_000, 13_000, 17_500],
        Experience::ThreeToFive => [10_000, 10_000, 15_000, 18_000, 21_667],
        Experience::FiveToTen => [12_000, 15_000, 20_000, 25_000, 30_000],
        Experience::FromTen => [15_000, 20_000, 25_000, 30_000, 43_333],
    }
}

/// Quantiles of the highest pay in per cent of the lowest, measured likewise.
const SPREAD_PERCENT: [i64; 5] = [133, 150, 167, 200, 200];

/// Share in a thousand of postings without an amount (面议), measured likewise.
const NEGOTIABLE_PERMILLE: u32 = 44;

/// Share in a thousand of postings that tell the number of monthly wages; of one platform that has a
/// place for it.
const MONTHS_TOLD_PERMILLE: u32 = 32;

/// Wages paid a year where told (13 to 16薪), measured counts.
const MONTHS: &[(u32, i32)] = &[(129, 13), (80, 14), (32, 15), (28, 16)];

/// Lowest monthly pay that is drawn, in yuan: near the lowest legal minimum wages.
const FLOOR_YUAN: i64 = 1_800;

/// Returns what is paid for a kind of employment.
pub(crate) fn draw(
    rng: &mut StdRng,
    experience: Experience,
    percent: i64,
    employment: EmploymentType,
) -> Pay {
    if draw::happens(rng, NEGOTIABLE_PERMILLE) {
        return Pay { text: "面议".to_owned(), ..Pay::default() };
    }
    let month = (draw::by_quantiles(rng, monthly_yuan(experience)) * percent / 100).max(FLOOR_YUAN);
    let spread = draw::by_quantiles(rng, SPREAD_PERCENT).max(105);
    match employment {
        EmploymentType::PartTime => by_hour(month, spread),
        EmploymentType::Gig => by_piece(rng, PayUnit::Piece),
        EmploymentType::Task | EmploymentType::Freelance => by_piece(rng, PayUnit::Task),
        EmploymentType::Temporary | EmploymentType::Seasonal | EmploymentType::Internship => {
            by_day(month, spread)
        }
        EmploymentType::Unspecified
        | EmploymentType::FullTime
        | EmploymentType::Apprenticeship
        | EmploymentType::Dispatch => by_month(rng, month, spread),
    }
}

fn by_month(rng: &mut StdRng, month: i64, spread: i64) -> Pay {
    let step = if month < 8_000 { 500 } else { 1_000 };
    let min = rounded(month, step).max(2_000);
    let max = rounded(min * spread / 100, step).max(min + step);
    let months = draw::happens(rng, MONTHS_TOLD_PERMILLE).then(|| draw::weighted(rng, MONTHS, 13));
    let ending = months.map_or_else(String::new, |months| format!("·{months}薪"));
    let text = match step {
        500 => format!("{min}-{max}元/月{ending}"),
        _ => format!("{}-{}K{ending}", min / 1_000, max / 1_000),
    };
    Pay { months_per_year: months, ..amounts((min, max), PayUnit::Month, text) }
}

fn by_day(month: i64, spread: i64) -> Pay {
    // 21.75 working days a month, in hundredths.
    let min = rounded(month * 100 / 2_175, 10).max(80);
    let max = rounded(min * spread / 100, 10).max(min);
    let text = format!("{min}-{max}元/天");
    let settlement = i32::from(SettlementInterval::Daily);
    Pay { settlement, ..amounts((min, max), PayUnit::Day, text) }
}

fn by_hour(month: i64, spread: i64) -> Pay {
    // 174 working hours a month.
    let min = (month / 174).max(18);
    let max = (min * spread / 100).max(min + 1);
    let text = format!("{min}-{max}元/小时");
    let settlement = i32::from(SettlementInterval::Weekly);
    Pay { settlement, ..amounts((min, max), PayUnit::Hour, text) }
}

fn by_piece(rng: &mut StdRng, unit: PayUnit) -> Pay {
    let (min, words) = match unit {
        PayUnit::Task => (rng.random_range(10..200) * 10, "元/项"),
        _ => (rng.random_range(3..9), "元/单"),
    };
    let max = min + rng.random_range(1..=min.max(2));
    let text = format!("{min}-{max}{words}");
    let settlement = match unit {
        PayUnit::Task => SettlementInterval::OnCompletion,
        _ => SettlementInterval::Weekly,
    };
    Pay { settlement: settlement.into(), ..amounts((min, max), unit, text) }
}

fn amounts((min, max): (i64, i64), unit: PayUnit, text: String) -> Pay {
    Pay {
        min_minor: Some(min * 100),
        max_minor: Some(max * 100),
        unit: unit.into(),
        currency: "CNY".to_owned(),
        settlement: SettlementInterval::Monthly.into(),
        months_per_year: None,
        text,
    }
}

const fn rounded(amount: i64, step: i64) -> i64 {
    (amount + step / 2) / step * step
}
