//! Words that are kept in clear and shown to the worker must tell nothing of the person.

use time::{Date, Month};

/// Returns whether words seem to tell of a person: an identity number, a telephone number or an e-mail address in them. What the
/// hub knows of the worker is sealed, so that this goes by form alone.
#[must_use]
pub fn seems_to_tell(words: &str) -> bool {
    let bare = bare(words);
    words.contains('@') || words.contains('\u{ff20}') || digits(&bare).any(is_of_a_person)
}

/// Returns whether some digits, the last of which may be an `X`, have a number of a person in them.
fn is_of_a_person(run: &[u8]) -> bool {
    let any = |length: usize, holds: fn(&[u8]) -> bool| run.windows(length).any(holds);
    any(18, is_citizen_number)
        || any(12, is_personal_number)
        || is_personal_number(run)
        || is_telephone(run)
}

/// A citizen identity number of GB 11643: a day of birth in the middle, and a check character.
fn is_citizen_number(run: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let values = run.iter().map(|it| u32::from(it.wrapping_sub(b'0')));
    let sum: u32 = values.zip(WEIGHTS).map(|(value, weight)| value.saturating_mul(weight)).sum();
    let check = usize::try_from(sum % 11).ok().and_then(|it| CHECKS.get(it));
    run.last() == check && is_day(run.get(6..14).unwrap_or_default())
}

/// A Swedish number of ten or twelve digits: a day of birth, or one with 60 added, and a check digit.
fn is_personal_number(run: &[u8]) -> bool {
    let (century, short): (&[u8], &[u8]) = match run.len() {
        10 => (b"19", run),
        12 => run.split_at(2),
        _ => return false,
    };
    let mut day = [century, short.get(..6).unwrap_or_default()].concat();
    if let Some(tens) = day.get_mut(6)
        && *tens >= b'6'
    {
        *tens -= 6;
    }
    is_day(&day) && has_luhn_digit(short)
}

/// A mobile number of China: eleven digits from 13 on, with or without the country's code.
fn is_telephone(run: &[u8]) -> bool {
    let national = run.strip_prefix(b"0086").or_else(|| run.strip_prefix(b"86")).unwrap_or(run);
    matches!(national, [b'1', b'3'..=b'9', ..] if national.len() == 11)
}

fn has_luhn_digit(run: &[u8]) -> bool {
    let mut sum = 0;
    for (index, digit) in run.iter().rev().enumerate() {
        let value = u32::from(digit.wrapping_sub(b'0')) * if index % 2 == 1 { 2 } else { 1 };
        sum += value / 10 + value % 10;
    }
    sum % 10 == 0
}

/// Returns whether eight digits are a day of a year that somebody alive can be born in.
fn is_day(digits: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(digits) else { return false };
    let number = |range| text.get(range).and_then(|it: &str| it.parse::<u16>().ok());
    let read = || {
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let day = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?);
        Some((1850..=2150).contains(&year) && day.is_ok())
    };
    text.len() == 8 && read().unwrap_or(false)
}

/// Returns the runs of digits, each with an `X` at its end where one stands there.
fn digits(bare: &str) -> impl Iterator<Item = &[u8]> {
    let bytes = bare.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(from..)?;
        let begin = from + rest.iter().position(u8::is_ascii_digit)?;
        let run = bytes.get(begin..)?;
        let length = run.iter().position(|it| !it.is_ascii_digit()).unwrap_or(run.len());
        let with_check = length + usize::from(run.get(length) == Some(&b'X'));
        from = begin + with_check;
        bytes.get(begin..from)
    })
}

/// Returns words in capitals, full-width letters as usual ones, without what separates digits.
fn bare(words: &str) -> String {
    let narrow = words.chars().map(|letter| match letter {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(letter).saturating_sub(0xfee0)).unwrap_or(letter)
        }
        other => other,
    });
    let separates = |letter: &char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '-' | '.' | '/' | '_' | '+' | '·' | '\u{2212}' | '\u{30fb}')
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{2060}' | '\u{feff}')
    };
    narrow.filter(|letter| !separates(letter)).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use crate::credentials::consent::purpose::seems_to_tell;

    #[test]
    fn words_with_the_number_of_a_person_are_noticed() {
        let check = |words: &str, expected| assert_eq!(seems_to_tell(words), expected, "{words}");
        check("placing as a welder", false);
        check("就业促进法 第35条", false);
        check("Regulation (EU) 2016/679, article 6 (1)(c)", false);
        check("case 2026/000123456", false);
        check("file 4711 of 2026-11-23", false);
        check("11010519491231002X", true);
        check("case 110105-1949-1231-002x", true);
        check("１１０１０５１９４９１２３１００２Ｘ", true);
        check("for 811228-9874", true);
        check("19811228-9874", true);
        check("701063-2391", true);
        check("811228-9873", false);
        check("call +86 139 1234 5678", true);
        check("call 13912345678", true);
        check("write to somebody@example.org", true);
    }
}
