//! National identity numbers: brought into one form, so that the same person is found however the number is typed.

use std::fmt;

use time::{Date, Month};
use zeroize::Zeroizing;

/// Digits and letters of a number of another country.
const OTHER_LENGTH: std::ops::RangeInclusive<usize> = 4..=32;
/// What the positions of a citizen identity number weigh: `2^(17-i) mod 11` (GB 11643-1999, ISO 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check character for each remainder.
const CHECKS: &[u8; 11] = b"10X98765432";

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Citizen identity number of GB 11643-1999.
    Gb11643,
    /// Swedish personnummer or samordningsnummer.
    Personnummer,
    /// The number of another country, by its ISO 3166-1 alpha-2 code.
    Other([u8; 2]),
}

impl Scheme {
    /// Returns the scheme of another country, or `None` if the code is none, or of a country that has a scheme of its own.
    #[must_use]
    pub fn of_country(code: &str) -> Option<Self> {
        let code: [u8; 2] = code.as_bytes().try_into().ok()?;
        let is_code = code.iter().all(u8::is_ascii_uppercase) && !matches!(&code, b"CN" | b"SE");
        is_code.then_some(Self::Other(code))
    }

    /// Returns the country's code, for numbers of other countries.
    #[must_use]
    pub fn country(self) -> String {
        match self {
            Self::Gb11643 | Self::Personnummer => String::new(),
            Self::Other(code) => code.map(char::from).iter().collect(),
        }
    }
}

/// A number that can be right, in the one form in which the hub writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct NationalId {
    scheme: Scheme,
    number: Zeroizing<String>,
}

impl NationalId {
    /// Reads a number; `None` if it cannot be right. Swedish numbers with ten digits are of the hundred years before `today`.
    #[must_use]
    pub fn parse(scheme: Scheme, text: &str, today: Date) -> Option<Self> {
        let bare = Zeroizing::new(bare(text));
        let number = match scheme {
            Scheme::Gb11643 => citizen(&bare, today)?,
            Scheme::Personnummer => personnummer(&bare, is_centenarian(text), today)?,
            Scheme::Other(_) => {
                let letters = bare.bytes().all(|it| it.is_ascii_alphanumeric());
                (letters && OTHER_LENGTH.contains(&bare.len())).then(|| bare.to_string())?
            }
        };
        Some(Self { scheme, number: Zeroizing::new(number) })
    }

    /// Returns what kind of number it is.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Returns what is digested to find the person: never the same for two kinds or countries.
    #[must_use]
    pub fn canonical(&self) -> Zeroizing<Vec<u8>> {
        let kind = match self.scheme {
            Scheme::Gb11643 => "gb11643".to_owned(),
            Scheme::Personnummer => "personnummer".to_owned(),
            Scheme::Other(_) => format!("other {}", self.scheme.country()),
        };
        Zeroizing::new([kind.as_bytes(), b":", self.number.as_bytes()].concat())
    }
}

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NationalId").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Returns a text in capitals without what separates: spaces, dots, slashes, hyphens of all kinds; full-width as usual letters.
#[must_use]
pub fn bare(text: &str) -> String {
    let narrow = text.chars().map(|letter| match letter {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(letter).saturating_sub(0xfee0)).unwrap_or(letter)
        }
        other => other,
    });
    let kept = narrow.filter(|letter| !is_separator(*letter));
    kept.flat_map(char::to_uppercase).collect()
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter, '-' | '.' | '/' | '_' | '+' | '·')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{2060}' | '\u{feff}')
        || matches!(letter, '\u{2212}' | '\u{30fb}' | '\u{fe63}' | '\u{00ad}')
}

/// Returns whether a bare text has a citizen identity number in it that can be right.
#[must_use]
pub fn looks_like_a_citizen_number(bare: &str) -> bool {
    let bytes = bare.as_bytes();
    bytes.windows(18).any(|it| check_character(it) == it.last().copied())
}

/// Reads 17 digits and a check character; the day of birth must be a day that has been.
fn citizen(bare: &str, today: Date) -> Option<String> {
    let bytes = bare.as_bytes();
    let born = date(bare.get(6..10)?, bare.get(10..12)?, bare.get(12..14)?)?;
    let is_sound = bytes.len() == 18
        && bytes.first() != Some(&b'0')
        && check_character(bytes) == bytes.last().copied()
        && (1850..=today.year()).contains(&born.year())
        && born <= today;
    is_sound.then(|| bare.to_owned())
}

/// Returns the check character for the first 17 digits, or `None` if they are none.
fn check_character(bytes: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (digit, weight) in bytes.get(..17)?.iter().zip(WEIGHTS) {
        sum += char::from(*digit).to_digit(10)? * weight;
    }
    CHECKS.get(usize::try_from(sum % 11).ok()?).copied()
}

/// Returns whether a Swedish number says by its sign that it is of somebody in the hundredth year or older.
fn is_centenarian(text: &str) -> bool {
    text.contains(['+', '\u{ff0b}'])
}

/// Returns the twelve digits of a Swedish number with ten or twelve.
fn personnummer(bare: &str, is_centenarian: bool, today: Date) -> Option<String> {
    if !bare.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let short = bare.get(bare.len().checked_sub(10)?..)?;
    if luhn(short)? != 0 {
        return None;
    }
    let (month, day) = (short.get(2..4)?, short.get(4..6)?);
    // A samordningsnummer has 60 more than the day.
    let day = match day.parse::<u8>().ok()? {
        day @ 61..=91 => format!("{:02}", day - 60),
        _ => day.to_owned(),
    };
    let year = match bare.len() {
        12 => bare.get(..4)?.parse::<i32>().ok()?,
        10 => {
            let within: i32 = short.get(..2)?.parse().ok()?;
            let century = today.year().div_euclid(100) * 100;
            let mut year = century + within;
            if date(&year.to_string(), month, &day).is_none_or(|born| born > today) {
                year -= 100;
            }
            if is_centenarian && today.year() - year < 100 { year - 100 } else { year }
        }
        _ => return None,
    };
    let born = date(&format!("{year:04}"), month, &day)?;
    let is_sound = (1850..=today.year()).contains(&year) && born <= today;
    is_sound.then(|| format!("{year:04}{}", short.get(2..).unwrap_or_default()))
}

/// Returns the sum of digits modulo ten by Luhn (ISO/IEC 7812-1): zero when the number is right.
fn luhn(digits: &str) -> Option<u32> {
    let mut sum = 0;
    for (index, digit) in digits.chars().rev().enumerate() {
        let value = digit.to_digit(10)? * if index % 2 == 1 { 2 } else { 1 };
        sum += value / 10 + value % 10;
    }
    Some(sum % 10)
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use time::Date;
    use time::macros::date;

    use crate::workers::domain::number::{NationalId, Scheme};

    const TODAY: Date = date!(2026 - 11 - 23);

    fn check(scheme: Scheme, text: &str, expected: Option<&str>) {
        let number = NationalId::parse(scheme, text, TODAY);
        assert_eq!(number.as_ref().map(NationalId::number), expected, "{text}");
    }

    #[test]
    fn citizen_numbers_end_with_the_check_character_of_gb_11643() {
        let check = |text, expected| check(Scheme::Gb11643, text, expected);
        // The examples of the standard.
        check("11010519491231002X", Some("11010519491231002X"));
        check("440524188001010014", Some("440524188001010014"));
        check("11010519491231002x", Some("11010519491231002X"));
        check("110105 19491231 002X", Some("11010519491231002X"));
        check("110105-1949-1231-002Ｘ", Some("11010519491231002X"));
        check("１１０１０５１９４９１２３１００２Ｘ", Some("11010519491231002X"));
        check("\u{3000}11010519491231002X\u{200b}", Some("11010519491231002X"));
        check("110105194912310021", None);
        check("11010519491231003X", None);
        check("11015019491231002X", None);
        check("11010519491232002X", None);
        check("1101051949123100", None);
        check("", None);
        check("11010519491231002X1", None);
        check("A1010519491231002X", None);
    }

    #[test]
    fn every_wrong_digit_and_every_swap_of_neighbours_is_noticed() {
        let right = "440524188001010014";
        for place in 0..18 {
            for digit in b'0'..=b'9' {
                let mut wrong = right.as_bytes().to_vec();
                wrong[place] = digit;
                let wrong = String::from_utf8(wrong).unwrap();
                let expected = (wrong == right).then_some(right);
                check(Scheme::Gb11643, &wrong, expected);
            }
        }
        for place in 0..17 {
            let mut swapped = right.as_bytes().to_vec();
            swapped.swap(place, place + 1);
            let swapped = String::from_utf8(swapped).unwrap();
            check(Scheme::Gb11643, &swapped, (swapped == right).then_some(right));
        }
    }

    #[test]
    fn swedish_numbers_become_twelve_digits() {
        let check = |text, expected| check(Scheme::Personnummer, text, expected);
        check("811228-9874", Some("198112289874"));
        check("8112289874", Some("198112289874"));
        check("19811228-9874", Some("198112289874"));
        check("198112289874", Some("198112289874"));
        check("811228+9874", Some("188112289874"));
        check("811288-9874", None);
        check("670919-9530", Some("196709199530"));
        check("811228-9873", None);
        check("81122-9874", None);
        check("20811228-9874", None);
        check("811328-9874", None);
        // Coordination number: the day is 3.
        check("701063-2391", Some("197010632391"));
    }

    #[test]
    fn numbers_of_other_countries_are_theirs_alone() {
        let norway = Scheme::of_country("NO").unwrap();
        check(norway, "ab 12-34", Some("AB1234"));
        check(norway, "abc", None);
        check(norway, "12345678901234567890123456789012345", None);
        check(norway, "١٢٣٤٥٦", None);
        for code in ["CN", "SE", "no", "N", "NOR", "N1", ""] {
            assert_eq!(Scheme::of_country(code), None, "{code}");
        }
        let of = |code| {
            let scheme = Scheme::of_country(code).unwrap();
            NationalId::parse(scheme, "12345678", TODAY).unwrap().canonical().to_vec()
        };
        assert_ne!(of("NO"), of("DK"));
    }

    #[test]
    fn a_number_is_not_shown() {
        let number = NationalId::parse(Scheme::Gb11643, "11010519491231002X", TODAY).unwrap();
        let shown = format!("{number:?}");
        assert_eq!(shown, "NationalId { scheme: Gb11643, .. }");
    }
}
