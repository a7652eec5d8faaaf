//! How many people an employer employs: `20-99人`, `10000人以上`, `少于15人`.

use crate::pb::peshub::postings::v1::EmployerSize;
use crate::postings::import::words::numbers::{Decimal, Token, is_range, tokens};
use crate::postings::import::words::texts;

/// Classes of the contract, by the fewest people in each.
const CLASSES: [(i64, EmployerSize); 6] = [
    (0, EmployerSize::Under20),
    (20, EmployerSize::EmployerSize20To99),
    (100, EmployerSize::EmployerSize100To499),
    (500, EmployerSize::EmployerSize500To999),
    (1_000, EmployerSize::EmployerSize1000To9999),
    (10_000, EmployerSize::From10000),
];

/// A class, and whether it holds all that the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) class: EmployerSize,
    /// False when the text names a range over several classes; then it is the class of its middle.
    pub(crate) is_exact: bool,
}

/// Reads a text.
pub(crate) fn read(text: &str) -> Option<Size> {
    let plain = texts::plain(text);
    let tokens = tokens(text);
    let people = ["人", "employee", "people", "anställda"];
    let is_about_people = people.iter().any(|word| plain.contains(word));
    let numbers: Vec<i64> = tokens.iter().filter_map(number).collect();
    let is_bare = tokens.iter().all(|token| matches!(token, Token::Number(_)) || is_range(token));
    if !is_about_people && !is_bare {
        return None;
    }
    let is_range = tokens.iter().any(is_range);
    let says = |words: [&str; 4]| words.iter().any(|word| plain.contains(word));
    // Of `B轮 500-2000人`, the numbers before 人 count: the last ones.
    let (low, high) = match *numbers.as_slice() {
        [.., low, high] if is_range => (low, Some(high)),
        [.., high] if says(["少于", "以下", "以内", "under"]) => {
            (0, Some(high.checked_sub(1)?))
        }
        [.., low] if says(["以上", "超过", "+", "over"]) => (low, None),
        [.., low] => (low, Some(low)),
        [] => return None,
    };
    let lowest = class(low)?;
    let Some(high) = high.filter(|high| low <= *high) else {
        return Some(Size { class: lowest, is_exact: lowest == EmployerSize::From10000 });
    };
    let middle = low.checked_add(high)?.checked_div(2)?;
    Some(Size { class: class(middle)?, is_exact: lowest == class(high)? })
}

fn number(token: &Token) -> Option<i64> {
    match token {
        Token::Number(number) => Decimal::whole(*number),
        Token::Word(_) | Token::Mark(_) => None,
    }
}

fn class(people: i64) -> Option<EmployerSize> {
    CLASSES.into_iter().rev().find(|(least, _)| *least <= people).map(|(_, class)| class)
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::size::read;

    #[test]
    fn sizes_are_read_as_boards_write_them() {
        check("20-99人", "EmployerSize20To99 true");
        check("0-20人", "Under20 false");
        check("1-49人", "EmployerSize20To99 false");
        check("15-50人", "EmployerSize20To99 false");
        check("50-150人", "EmployerSize100To499 false");
        check("150-500人", "EmployerSize100To499 false");
        check("500-2000人", "EmployerSize1000To9999 false");
        check("100-499人", "EmployerSize100To499 true");
        check("1000-9999人", "EmployerSize1000To9999 true");
        check("10000人以上", "From10000 true");
        check("2000人以上", "EmployerSize1000To9999 false");
        check("少于15人", "Under20 true");
        check("少于50人", "EmployerSize20To99 false");
        check("O2O不需要融资500人以上", "EmployerSize500To999 false");
        check("O2OA轮20-99人", "EmployerSize20To99 true");
        check("20-99", "EmployerSize20To99 true");
        check("250", "EmployerSize100To499 true");
    }

    #[test]
    fn what_is_no_size_is_left_out() {
        for text in ["", "计算机软件", "上海市浦东新区浦东南路500号", "99999999999999999999人"]
        {
            check(text, "none");
        }
    }

    fn check(text: &str, expected: &str) {
        let shown = read(text)
            .map_or("none".to_owned(), |size| format!("{:?} {}", size.class, size.is_exact));
        assert_eq!(shown, expected, "{text}");
    }
}
