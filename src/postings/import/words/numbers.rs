//! Numbers and the words between them.

use crate::postings::import::words::texts;

/// A decimal number, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: i64,
    /// How many of the digits stand behind the point.
    places: u32,
}

impl Decimal {
    /// Reads digits with at most one point, and commas or spaces between thousands.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (whole, fraction) = match text.rsplit_once('.') {
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let groups: Vec<&str> = whole.split([',', ' ', '\u{a0}']).collect();
        let are_thousands = groups.iter().skip(1).all(|group| group.len() == 3);
        let whole = groups.concat();
        let is_number = are_thousands
            && !whole.is_empty()
            && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        // Nobody is paid by the millionth; a number longer than that is none.
        let fraction = fraction.trim_end_matches('0');
        if !is_number || fraction.len() > 6 {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { digits, places: u32::try_from(fraction.len()).ok()? })
    }

    /// Returns the number times `factor`, rounded towards zero.
    pub(crate) fn times(self, factor: i64) -> Option<i64> {
        let divisor = 10_i64.checked_pow(self.places)?;
        self.digits.checked_mul(factor)?.checked_div(divisor)
    }

    /// Returns whether the number is at most the other one.
    pub(crate) fn is_at_most(self, other: Self) -> bool {
        self.times(1_000_000).zip(other.times(1_000_000)).is_some_and(|(a, b)| a <= b)
    }

    /// Returns a number that has nothing behind the point.
    pub(crate) fn whole(self) -> Option<i64> {
        (self.places == 0).then_some(self.digits)
    }
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A number.
    Number(Decimal),
    /// Letters, of Latin or of another script, in lower case.
    Word(String),
    /// Anything else but spaces.
    Mark(char),
}

/// Returns the pieces of a text.
pub(crate) fn tokens(given: &str) -> Vec<Token> {
    let text = texts::plain(given);
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            let mut number = c.to_string();
            while let Some(next) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
                number.push(next);
            }
            match Decimal::parse(number.trim_end_matches(['.', ','])) {
                Some(decimal) => tokens.push(Token::Number(decimal)),
                None => tokens.push(Token::Word(number)),
            }
        } else if c.is_alphabetic() {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|next| is_one_word(c, *next)) {
                word.push(next);
            }
            tokens.push(Token::Word(word));
        } else if !c.is_whitespace() {
            tokens.push(Token::Mark(c));
        }
    }
    tokens
}

/// Scripts do not mix within a word, and words of ranges stand between numbers without a space.
fn is_one_word(first: char, next: char) -> bool {
    let is_range = |c| matches!(c, '至' | '到');
    next.is_alphabetic() && is_latin(first) == is_latin(next) && !is_range(first) && !is_range(next)
}

fn is_latin(c: char) -> bool {
    c.is_alphabetic() && c < '\u{250}'
}

/// Returns whether a piece stands between the ends of a range.
pub(crate) fn is_range(token: &Token) -> bool {
    match token {
        Token::Mark(mark) => matches!(mark, '-' | '~' | '–' | '—' | '−' | '～' | '－'),
        Token::Word(word) => matches!(word.as_str(), "至" | "到" | "to" | "till" | "bis" | "à"),
        Token::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::numbers::{Decimal, Token, tokens};

    #[test]
    fn decimals_are_exact() {
        let check = |text: &str, hundredths: Option<i64>| {
            assert_eq!(Decimal::parse(text).and_then(|d| d.times(100)), hundredths, "{text}");
        };
        check("1.5", Some(150));
        check("0.129", Some(12));
        check("12,000", Some(1_200_000));
        check("12 000", Some(1_200_000));
        check("1,2", None);
        check("1.2.3", None);
        check(".5", None);
        check("", None);
        check("-1", None);
        check("99999999999999999999", None);
        check("9223372036854775807", None);
    }

    #[test]
    fn texts_fall_into_numbers_words_and_marks() {
        let shown = |text: &str| {
            let shown = tokens(text).into_iter().map(|token| match token {
                Token::Number(number) => number.times(100).unwrap().to_string(),
                Token::Word(word) => word,
                Token::Mark(mark) => mark.to_string(),
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("10-15K·14薪"), "1000 - 1500 k · 1400 薪");
        assert_eq!(shown("1.5-2万/月"), "150 - 200 万 / 月");
        assert_eq!(shown("20k以上"), "2000 k 以上");
        assert_eq!(shown("2-4 års"), "200 - 400 års");
        assert_eq!(shown("３－５年"), "300 - 500 年");
        assert_eq!(shown("5."), "500");
    }
}
