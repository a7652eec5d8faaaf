//! Pay as job boards of China write it: `10-15K·14薪`, `1.5-2万/月`, `200-300元/天`, `面议`.

use crate::pb::peshub::postings::v1::{Pay, PayUnit};
use crate::postings::import::words::numbers::{Decimal, Token, is_range, tokens};

/// Highest amount that the contract takes.
const MINOR_MAX: i64 = 10_000_000_000_000;

/// What a source means by what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Habits {
    /// Unit of amounts in 万 without one; some boards write yearly pay so.
    pub(crate) unit_of_wan: PayUnit,
    /// Unit of all other amounts without one.
    pub(crate) unit: PayUnit,
    /// ISO 4217 code.
    pub(crate) currency: String,
}

/// What a text says of pay.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// Amounts.
    Amounts(Pay),
    /// That it is to be talked about.
    Negotiable,
    /// Nothing that can be understood.
    Unclear,
}

/// Reads a text.
pub(crate) fn read(text: &str, habits: &Habits) -> Reading {
    let tokens = tokens(text);
    if tokens.iter().any(|token| matches!(token, Token::Word(word) if is_negotiable(word))) {
        return Reading::Negotiable;
    }
    amounts(&tokens, habits).map_or(Reading::Unclear, Reading::Amounts)
}

/// Reads a lowest and a highest amount that stand apart, in thousands where `factor` is 1,000.
pub(crate) fn of_bounds(min: &str, max: &str, factor: i64, habits: &Habits) -> Option<Pay> {
    let minor = |text: &str| Decimal::parse(text)?.times(factor.checked_mul(100)?);
    let pay = Pay {
        min_minor: minor(min),
        max_minor: minor(max),
        unit: habits.unit.into(),
        currency: habits.currency.clone(),
        ..Pay::default()
    };
    is_sound(&pay).then_some(pay)
}

fn is_negotiable(word: &str) -> bool {
    ["面议", "面谈", "negotiable", "överenskommelse"].iter().any(|known| word.contains(known))
}

fn amounts(tokens: &[Token], habits: &Habits) -> Option<Pay> {
    let start = tokens.iter().position(|token| matches!(token, Token::Number(_)))?;
    let (before, tokens) = tokens.split_at(start);
    let (first, rest) = amount(tokens)?;
    let (second, rest) = match rest.split_first() {
        Some((mark, after)) if is_range(mark) => match amount(after) {
            Some((amount, rest)) => (Some(amount), rest),
            None => (None, rest),
        },
        _ => (None, rest),
    };
    // `10-15K` leaves the scale of the first out; `8000-1.2万` means what it says.
    let first_scale = match (first.scale, second) {
        (None, Some(second)) if first.number.is_at_most(second.number) => second.scale,
        (scale, _) => scale,
    };
    let second_scale = second.and_then(|second| second.scale);
    let low = minor(first.number, first_scale)?;
    let high = match second {
        Some(second) => Some(minor(second.number, second_scale)?),
        None => None,
    };
    let is_wan =
        first_scale == Some(Scale::Wan) && (second.is_none() || second_scale == Some(Scale::Wan));
    let usual = if is_wan { habits.unit_of_wan } else { habits.unit };
    let unit = unit(rest, second.or(Some(first))).or_else(|| unit_before(before)).unwrap_or(usual);
    let (min_minor, max_minor) = match high {
        Some(high) => (Some(low), Some(high)),
        None if says(rest, first, &["以上", "起", "above", "+"]) => (Some(low), None),
        None if says(rest, first, &["以下", "以内", "below"]) => (None, Some(low)),
        None => (Some(low), Some(low)),
    };
    let pay = Pay {
        min_minor,
        max_minor,
        unit: unit.into(),
        currency: habits.currency.clone(),
        months_per_year: months(rest),
        ..Pay::default()
    };
    is_sound(&pay).then_some(pay)
}

fn is_sound(pay: &Pay) -> bool {
    let has_amount = pay.min_minor.or(pay.max_minor).is_some();
    let are_within = [pay.min_minor, pay.max_minor]
        .into_iter()
        .flatten()
        .all(|minor| (0..=MINOR_MAX).contains(&minor));
    has_amount && are_within && pay.unit != i32::from(PayUnit::Unspecified)
}

/// A number with the word behind it.
#[derive(Debug, Clone, Copy)]
struct Amount<'a> {
    number: Decimal,
    scale: Option<Scale>,
    word: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Hundred,
    Thousand,
    Wan,
}

fn amount(tokens: &[Token]) -> Option<(Amount<'_>, &[Token])> {
    let (first, rest) = tokens.split_first()?;
    let Token::Number(number) = first else { return None };
    match rest.split_first() {
        Some((Token::Word(word), after)) if !is_range(&Token::Word(word.clone())) => {
            Some((Amount { number: *number, scale: scale(word), word }, after))
        }
        _ => Some((Amount { number: *number, scale: None, word: "" }, rest)),
    }
}

fn scale(word: &str) -> Option<Scale> {
    [
        ("k", Scale::Thousand),
        ("千", Scale::Thousand),
        ("万", Scale::Wan),
        ("w", Scale::Wan),
        ("百", Scale::Hundred),
    ]
    .into_iter()
    .find(|(prefix, _)| word.starts_with(prefix))
    .map(|(_, scale)| scale)
}

fn minor(number: Decimal, scale: Option<Scale>) -> Option<i64> {
    number.times(match scale {
        None => 100,
        Some(Scale::Hundred) => 10_000,
        Some(Scale::Thousand) => 100_000,
        Some(Scale::Wan) => 1_000_000,
    })
}

/// Returns what the amounts are for, from the words behind them: `/月`, `元每天`, `一年`.
fn unit(rest: &[Token], last: Option<Amount<'_>>) -> Option<PayUnit> {
    let last = last.map(|amount| amount.word);
    let words = rest.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        Token::Number(_) | Token::Mark(_) => None,
    });
    // What follows 薪 are the months in a year, not a unit.
    last.into_iter().chain(words).find_map(of_word)
}

fn unit_before(before: &[Token]) -> Option<PayUnit> {
    before.iter().find_map(|token| match token {
        Token::Word(word) => of_word(word),
        Token::Number(_) | Token::Mark(_) => None,
    })
}

fn of_word(word: &str) -> Option<PayUnit> {
    let units: [(PayUnit, &[&str]); 7] = [
        (PayUnit::Hour, &["小时", "时薪", "/时", "hour", "timme"]),
        (PayUnit::Day, &["天", "日", "day"]),
        (PayUnit::Week, &["周", "星期", "week"]),
        (PayUnit::Month, &["月", "month", "månad"]),
        (PayUnit::Year, &["年", "year", "annual"]),
        (PayUnit::Piece, &["件", "个", "piece"]),
        (PayUnit::Task, &["次", "单", "场", "项目", "task"]),
    ];
    if word == "时" || word == "元时" {
        return Some(PayUnit::Hour);
    }
    units
        .into_iter()
        .find(|(_, words)| words.iter().any(|known| word.contains(known)))
        .map(|(unit, _)| unit)
}

fn says(rest: &[Token], amount: Amount<'_>, words: &[&str]) -> bool {
    let rest = rest.iter().map(|token| match token {
        Token::Word(word) => word.clone(),
        Token::Mark(mark) => mark.to_string(),
        Token::Number(_) => String::new(),
    });
    rest.chain([amount.word.to_owned()]).any(|text| words.iter().any(|word| text.contains(word)))
}

/// Returns the number before 薪: `·14薪`, `*13薪`.
fn months(rest: &[Token]) -> Option<i32> {
    rest.windows(2).find_map(|pair| match pair {
        [Token::Number(number), Token::Word(word)] if word.starts_with('薪') => {
            let months = number.whole().and_then(|months| i32::try_from(months).ok())?;
            (12..=36).contains(&months).then_some(months)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::pb::peshub::postings::v1::PayUnit;
    use crate::postings::import::words::pay::{Habits, Reading, of_bounds, read};

    fn habits() -> Habits {
        Habits { unit_of_wan: PayUnit::Month, unit: PayUnit::Month, currency: "CNY".to_owned() }
    }

    #[test]
    fn pay_is_read_as_boards_write_it() {
        check("10-15K·14薪", "1000000-1500000 Month x14");
        check("10-15K", "1000000-1500000 Month");
        check("15k-25k", "1500000-2500000 Month");
        check("１５Ｋ～２５Ｋ", "1500000-2500000 Month");
        check("1.5-2万/月", "1500000-2000000 Month");
        check("8千-1万", "800000-1000000 Month");
        check("8千－1.2万/月", "800000-1200000 Month");
        check("8000-1.2万", "800000-1200000 Month");
        check("8000-12000", "800000-1200000 Month");
        check("8,000~12,000元/月", "800000-1200000 Month");
        check("200-300元/天", "20000-30000 Day");
        check("150-200/天", "15000-20000 Day");
        check("18-22元/时", "1800-2200 Hour");
        check("25元/小时", "2500-2500 Hour");
        check("15-20万/年", "15000000-20000000 Year");
        check("年薪15-20万", "15000000-20000000 Year");
        check("1万至1.5万", "1000000-1500000 Month");
        check("10K以上", "1000000- Month");
        check("20万以上/年", "20000000- Year");
        check("5千以下", "-500000 Month");
        check("300元/次", "30000-30000 Task");
        check("2元/件", "200-200 Piece");
        check("3000/周", "300000-300000 Week");
        check("10-15K*13薪", "1000000-1500000 Month x13");
        check("10-15K·99薪", "1000000-1500000 Month");
    }

    #[test]
    fn what_is_no_pay_is_left_as_text() {
        check("面议", "negotiable");
        check("薪资面议", "negotiable");
        check("Enligt överenskommelse", "negotiable");
        check("", "unclear");
        check("高薪", "unclear");
        check("99999999999999万", "unclear");
        check("-", "unclear");
    }

    #[test]
    fn a_source_may_write_yearly_pay_in_wan() {
        let habits = Habits { unit_of_wan: PayUnit::Year, ..habits() };
        assert_eq!(shown(&read("21-35万", &habits)), "21000000-35000000 Year");
        assert_eq!(shown(&read("1-2万/月", &habits)), "1000000-2000000 Month");
        assert_eq!(shown(&read("8千-1万", &habits)), "800000-1000000 Month");
    }

    #[test]
    fn bounds_may_stand_apart() {
        let pay = of_bounds("10", "15.5", 1_000, &habits()).unwrap();
        assert_eq!((pay.min_minor, pay.max_minor), (Some(1_000_000), Some(1_550_000)));
        assert!(of_bounds("", "", 1, &habits()).is_none());
        assert!(of_bounds("x", "y", 1, &habits()).is_none());
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(shown(&read(text, &habits())), expected, "{text}");
    }

    fn shown(reading: &Reading) -> String {
        match reading {
            Reading::Negotiable => "negotiable".to_owned(),
            Reading::Unclear => "unclear".to_owned(),
            Reading::Amounts(pay) => {
                let bound = |minor: Option<i64>| minor.map_or(String::new(), |m| m.to_string());
                let months = pay.months_per_year.map_or(String::new(), |m| format!(" x{m}"));
                let (min, max) = (bound(pay.min_minor), bound(pay.max_minor));
                format!("{min}-{max} {:?}{months}", pay.unit())
            }
        }
    }
}
