//! Who employs: names from invented word parts. Any likeness to an organisation that exists is chance.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::postings::v1::{Employer, EmployerSize, IndustryCode, LegalId};
use crate::samples::draw;
use crate::samples::fields::Field;
use crate::samples::places::City;

/// Syllables that are rare in names of firms; three in a row make a word that hardly any firm has.
const SYLLABLES: &[&str] = &[
    "澜", "榕", "岫", "翎", "霁", "珩", "砚", "漪", "湛", "峤", "荻", "棠", "蘅", "翊", "骁", "昀",
    "熹", "皓", "屿", "岑", "槿", "漱", "筠", "琤", "旻", "沅", "澄", "遥",
];
const FORMS: &[(u32, &str)] =
    &[(78, "有限公司"), (10, "股份有限公司"), (6, "有限责任公司"), (6, "（个体工商户）")];

/// Sizes measured over 25,259 real postings, in hundredths of a per cent. Bands of one platform that
/// cross those of the contract were halved between their neighbours.
const SIZES: &[(u32, EmployerSize)] = &[
    (556, EmployerSize::Under20),
    (2_529, EmployerSize::EmployerSize20To99),
    (2_362, EmployerSize::EmployerSize100To499),
    (830, EmployerSize::EmployerSize500To999),
    (2_150, EmployerSize::EmployerSize1000To9999),
    (612, EmployerSize::From10000),
    (870, EmployerSize::Unspecified),
];
const OWNERSHIP: &[(u32, &str)] =
    &[(70, "民营"), (8, "国有"), (8, "合资"), (6, "外资"), (5, "上市公司"), (3, "事业单位")];

/// Employers of one city and field.
const EMPLOYERS_PER_CITY_AND_FIELD: u64 = 400;
const PURPOSE: u64 = 11;

/// Returns an employer; the same seed has the same employers on every platform.
pub(crate) fn draw(rng: &mut StdRng, seed: u64, city: &City, field: Field) -> Employer {
    // The lower of two draws: a few employers have many postings, most have one.
    let number = rng
        .random_range(0..EMPLOYERS_PER_CITY_AND_FIELD)
        .min(rng.random_range(0..EMPLOYERS_PER_CITY_AND_FIELD));
    let city_number: u64 = city.code.parse().unwrap_or_default();
    let profile = field.profile();
    let industry_number: u64 = profile.industry_code.bytes().map(u64::from).sum();
    let index = (city_number * 1_000 + industry_number) * 1_000 + number;
    let own = &mut draw::stream(seed, PURPOSE, index);

    let word: String = (0..3).map(|_| draw::pick(own, SYLLABLES)).collect();
    let part = draw::pick(own, profile.name_parts);
    let form = draw::weighted(own, FORMS, "有限公司");
    let size = draw::weighted(own, SIZES, EmployerSize::Unspecified);
    let has_code = draw::happens(own, 850);
    Employer {
        name: format!("{}{word}{part}{form}", city.name),
        legal_ids: has_code.then(|| social_credit_code(own, city)).into_iter().collect(),
        size: size.into(),
        industry_code: Some(IndustryCode {
            scheme: "GBT4754-2017".to_owned(),
            code: profile.industry_code.to_owned(),
        }),
        industry: profile.industry.to_owned(),
        url: String::new(),
        description: String::new(),
        ownership: draw::weighted(own, OWNERSHIP, "民营").to_owned(),
    }
}

/// Returns a code that has the form of a unified social credit code (GB 32100) with a right check
/// character, and that no enterprise has: `Y` stands for an authority that registers none.
fn social_credit_code(rng: &mut StdRng, city: &City) -> LegalId {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let mut value = format!("Y1{}", city.code);
    for _ in 0..9 {
        value.push(char::from(draw::pick(rng, ALPHABET)));
    }
    let mut sum = 0;
    let mut weight = 1;
    for byte in value.bytes() {
        sum += ALPHABET.iter().position(|symbol| *symbol == byte).unwrap_or_default() * weight;
        weight = weight * 3 % 31;
    }
    let check = ALPHABET.get((31 - sum % 31) % 31).copied().unwrap_or(b'0');
    value.push(char::from(check));
    LegalId { scheme: "CN-USCC".to_owned(), value }
}
