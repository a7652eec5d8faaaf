//! Records as they should not be.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::common::v1::{FindingCode, Occupation, OccupationScheme};
use crate::pb::peshub::postings::v1::{Pay, PayUnit, Posting};

/// Times eight characters: more than the 300 that a title may have.
const LONG_TITLE_REPEATS: usize = 38;

/// Breaks one rule of the contract and returns the finding that rejects the record.
pub(crate) fn spoil(rng: &mut StdRng, mut posting: Posting) -> (Posting, FindingCode) {
    let code = match rng.random_range(0..10) {
        0..3 => unknown_division(&mut posting),
        3 => negative_pay(&mut posting),
        4 => inverted_pay(&mut posting),
        5 => {
            posting.title = "高薪诚聘急招人员".repeat(LONG_TITLE_REPEATS);
            FindingCode::TooLong
        }
        6 => {
            posting.occupations = vec![Occupation {
                scheme: OccupationScheme::Csco2022.into(),
                code: "9-99-99-99".to_owned(),
                name: String::new(),
            }];
            FindingCode::OccupationUnknown
        }
        7 => {
            posting.employer = None;
            FindingCode::Required
        }
        8 => {
            posting.openings = Some(0);
            FindingCode::OutOfRange
        }
        _ => {
            "尽快到岗".clone_into(&mut posting.starts_on);
            FindingCode::BadFormat
        }
    };
    (posting, code)
}

fn unknown_division(posting: &mut Posting) -> FindingCode {
    for workplace in &mut posting.workplaces {
        if let Some(division) = &mut workplace.division {
            "999999".clone_into(&mut division.code);
        }
    }
    match posting.workplaces.first_mut().and_then(|workplace| workplace.division.as_mut()) {
        Some(_) => FindingCode::DivisionUnknown,
        // A posting without a workplace has no division to spoil.
        None => {
            posting.title.clear();
            FindingCode::Required
        }
    }
}

fn negative_pay(posting: &mut Posting) -> FindingCode {
    let pay = pay(posting);
    pay.min_minor = Some(-300_000);
    FindingCode::Negative
}

fn inverted_pay(posting: &mut Posting) -> FindingCode {
    let pay = pay(posting);
    pay.min_minor = Some(1_200_000);
    pay.max_minor = Some(800_000);
    FindingCode::RangeInverted
}

/// Returns the pay of a posting, with amounts for a month if it had none.
fn pay(posting: &mut Posting) -> &mut Pay {
    let pay = posting.pay.get_or_insert_default();
    if pay.min_minor.is_none() {
        pay.min_minor = Some(500_000);
        pay.max_minor = Some(900_000);
        pay.unit = PayUnit::Month.into();
        "CNY".clone_into(&mut pay.currency);
    }
    pay
}
