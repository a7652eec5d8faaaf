//! Experience: `1-3年`, `经验不限`, `3年以上`, `应届毕业生`, `2-4 års erfarenhet`, `5+ years`.

use crate::postings::import::words::numbers::{Token, is_range, tokens};
use crate::postings::import::words::texts;

/// Most months that the contract takes.
const MONTHS_MAX: i64 = 720;

/// How much experience is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Experience {
    pub(crate) months_min: Option<i32>,
    pub(crate) months_max: Option<i32>,
    /// Whether people who have just left school are meant.
    pub(crate) is_for_graduates: bool,
}

/// Words for none needed.
const NONE: [&str; 8] = [
    "经验不限",
    "不限",
    "无经验",
    "无需经验",
    "no experience",
    "not required",
    "ingen erfarenhet",
    "erfarenhet krävs inte",
];

/// Words for people who have just left school.
const GRADUATES: [&str; 4] = ["应届", "在校", "毕业生", "recent graduate"];

/// Reads a text.
pub(crate) fn read(text: &str) -> Option<Experience> {
    let tokens = tokens(text);
    if let Some(experience) = months(&tokens) {
        return Some(experience);
    }
    let plain = texts::plain(text);
    if GRADUATES.iter().any(|word| plain.contains(word)) {
        let months_min = Some(0);
        return Some(Experience { months_min, is_for_graduates: true, ..Experience::default() });
    }
    // 学历不限 is about education.
    let is_about_education = plain.contains("学历") && !plain.contains("经验");
    let is_none = NONE.iter().any(|word| plain.contains(word)) && !is_about_education;
    is_none.then_some(Experience { months_min: Some(0), ..Experience::default() })
}

fn months(tokens: &[Token]) -> Option<Experience> {
    let start = tokens.iter().position(|token| matches!(token, Token::Number(_)))?;
    let (before, rest) = tokens.split_at(start);
    let (low, high, rest) = match rest {
        [Token::Number(low), mark, Token::Number(high), rest @ ..] if is_range(mark) => {
            (low, Some(high), rest)
        }
        // 1年-3年
        [Token::Number(low), Token::Word(_), mark, Token::Number(high), rest @ ..]
            if is_range(mark) =>
        {
            (low, Some(high), rest)
        }
        [Token::Number(low), rest @ ..] => (low, None, rest),
        _ => return None,
    };
    let factor = rest.iter().find_map(|token| match token {
        Token::Word(word) => factor(word),
        Token::Number(_) | Token::Mark(_) => None,
    })?;
    let low = within(low.times(factor)?)?;
    let high = match high {
        Some(high) => Some(within(high.times(factor)?).filter(|high| low <= *high)?),
        None => None,
    };
    let words = || before.iter().chain(rest);
    let (months_min, months_max) = match high {
        Some(high) => (Some(low), Some(high)),
        None if words().any(|token| says(token, &["以内", "以下", "less", "under", "不到"])) => {
            (Some(0), Some(low))
        }
        None => (Some(low), None),
    };
    Some(Experience { months_min, months_max, is_for_graduates: false })
}

fn within(months: i64) -> Option<i32> {
    i32::try_from(months).ok().filter(|_| (0..=MONTHS_MAX).contains(&months))
}

fn factor(word: &str) -> Option<i64> {
    const MONTHS: [&str; 4] = ["个月", "month", "månad", "mån"];
    const YEARS: [&str; 6] = ["年", "year", "yr", "års", "jahr", "an"];
    if MONTHS.iter().any(|known| word.starts_with(known)) {
        return Some(1);
    }
    (word == "år" || YEARS.iter().any(|known| word.starts_with(known))).then_some(12)
}

fn says(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(word) if words.iter().any(|known| word.contains(known)))
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::experience::read;

    #[test]
    fn experience_is_read_as_boards_write_it() {
        check("1-3年", "12-36");
        check("5-10年", "60-120");
        check("1年-3年", "12-36");
        check("３－５年", "36-60");
        check("1-3年学历不限", "12-36");
        check("3年以上", "36-");
        check("10年以上", "120-");
        check("1年", "12-");
        check("1年以内", "0-12");
        check("1年以下", "0-12");
        check("6个月", "6-");
        check("经验不限", "0-");
        check("不限", "0-");
        check("应届毕业生", "0- graduates");
        check("应届生", "0- graduates");
        check("2-4 års erfarenhet", "24-48");
        check("5 års erfarenhet eller mer", "60-");
        check("Systemutvecklare - 2-4 års erfarenhet", "24-48");
        check("mindre än 1 års erfarenhet", "12-");
        check("5+ years", "60-");
        check("less than 2 years", "0-24");
        check("Ingen erfarenhet krävs", "0-");
    }

    #[test]
    fn what_is_no_experience_is_left_as_text() {
        for text in
            ["", "本科", "学历不限", "4天/周", "Erfarenhet efterfrågas", "100年以上", "5-3年"]
        {
            check(text, "none");
        }
    }

    fn check(text: &str, expected: &str) {
        let shown = read(text).map_or("none".to_owned(), |experience| {
            let bound = |months: Option<i32>| months.map_or(String::new(), |m| m.to_string());
            let graduates = if experience.is_for_graduates { " graduates" } else { "" };
            let (min, max) = (bound(experience.months_min), bound(experience.months_max));
            format!("{min}-{max}{graduates}")
        });
        assert_eq!(shown, expected, "{text}");
    }
}
