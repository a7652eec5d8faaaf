//! Texts as they may stand in a posting.

/// A text, cleaned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Whether control characters other than white space were removed.
    pub(crate) had_controls: bool,
}

/// Returns a text as one line: each run of white space is one space.
pub(crate) fn line(given: &str) -> Text {
    let mut text = String::with_capacity(given.len());
    let mut had_controls = false;
    for word in given.split(|c: char| c.is_whitespace() || c == '\u{200B}') {
        let at = text.len();
        for c in word.chars() {
            if is_unwanted(c) {
                had_controls = true;
            } else {
                if text.len() == at && at > 0 {
                    text.push(' ');
                }
                text.push(c);
            }
        }
    }
    Text { text, had_controls }
}

/// Returns a text with its lines: ends of lines are `\n`, and there are no spaces around it.
pub(crate) fn prose(given: &str) -> Text {
    let mut had_controls = false;
    let mut text = String::with_capacity(given.len());
    let mut chars = given.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    text.push('\n');
                }
            }
            '\n' | '\t' => text.push(c),
            c if is_unwanted(c) => had_controls = true,
            c => text.push(c),
        }
    }
    let trimmed = text.trim();
    let text = if trimmed.len() == text.len() { text } else { trimmed.to_owned() };
    Text { text, had_controls }
}

/// Control characters, and marks that say nothing within a text.
fn is_unwanted(c: char) -> bool {
    c.is_control() || c == '\u{FEFF}'
}

/// Returns the beginning of a text that is longer than allowed.
pub(crate) fn cut(text: &str, chars_max: usize) -> Option<&str> {
    if text.len() <= chars_max {
        return None;
    }
    let (end, _) = text.char_indices().nth(chars_max)?;
    text.get(..end)
}

/// Returns a text for comparison: lower case, half width, one space between words.
pub(crate) fn plain(given: &str) -> String {
    let narrow: String = given.chars().map(narrow).collect();
    line(&narrow).text.to_lowercase()
}

fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        // The wide forms of ASCII stand in the order of ASCII.
        '\u{FF01}'..='\u{FF5E}' => {
            u32::from(c).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(c)
        }
        c => c,
    }
}

/// Returns whether a text is an address of the web.
pub(crate) fn is_url(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://"))
        && !text.chars().any(char::is_whitespace)
        && text.contains('.')
}

/// Returns a BCP 47 tag in its usual spelling.
pub(crate) fn language(given: &str) -> Option<String> {
    let given = given.trim().replace('_', "-");
    let mut parts = given.split('-');
    let first = parts.next()?;
    let is_language =
        (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let is_tag = is_language
        && given.len() <= 35
        && given.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    is_tag.then(|| {
        parts.fold(first.to_ascii_lowercase(), |tag, part| {
            let part = match part.len() {
                2 => part.to_ascii_uppercase(),
                4 => titled(part),
                _ => part.to_ascii_lowercase(),
            };
            tag + "-" + &part
        })
    })
}

fn titled(part: &str) -> String {
    let mut chars = part.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect()
}

/// Names of languages that requirements are written with, and their BCP 47 tags.
const LANGUAGES: [(&str, &[&str]); 22] = [
    ("ar", &["arabic", "arabiska", "阿拉伯语"]),
    ("da", &["danish", "danska", "dansk"]),
    ("de", &["german", "deutsch", "tyska", "tysk", "德语"]),
    ("en", &["english", "engelska", "engelsk", "英语", "英文"]),
    ("es", &["spanish", "spanska", "spansk", "español", "西班牙语"]),
    ("fi", &["finnish", "finska", "finsk", "suomi"]),
    ("fr", &["french", "franska", "fransk", "français", "法语"]),
    ("it", &["italian", "italienska", "italiano", "意大利语"]),
    ("ja", &["japanese", "japanska", "日语"]),
    ("ko", &["korean", "koreanska", "韩语"]),
    ("nl", &["dutch", "nederländska", "nederlands"]),
    ("no", &["norwegian", "norska", "norsk"]),
    ("pl", &["polish", "polska", "polski"]),
    ("pt", &["portuguese", "portugisiska", "葡萄牙语"]),
    ("ro", &["romanian", "rumänska"]),
    ("ru", &["russian", "ryska", "俄语"]),
    ("so", &["somali", "somaliska"]),
    ("sv", &["swedish", "svenska", "svensk"]),
    ("tr", &["turkish", "turkiska"]),
    ("uk", &["ukrainian", "ukrainska"]),
    ("vi", &["vietnamese", "vietnamesiska", "越南语"]),
    ("zh", &["chinese", "kinesiska", "mandarin", "中文", "普通话", "汉语"]),
];

/// Returns the tag of a language by its name, or of a tag.
pub(crate) fn language_named(given: &str) -> Option<String> {
    let name = plain(given);
    let named = LANGUAGES.iter().find(|(_, names)| names.contains(&name.as_str()));
    named.map(|(tag, _)| (*tag).to_owned()).or_else(|| language(given))
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::texts::{cut, is_url, language, line, plain, prose};

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(line("\n web\u{3000} 前端\r\n\n").text, "web 前端");
        assert_eq!(line("a\u{0}b c").text, "ab c");
        assert!(line("a\u{0}b").had_controls);
        assert!(!line("a\tb").had_controls);
        assert_eq!(line(" \u{1} ").text, "");
        assert_eq!(prose(" a\r\nb\rc\u{7}\n").text, "a\nb\nc");
        assert_eq!(plain("１０－１５Ｋ"), "10-15k");
        assert_eq!(cut("前端前端", 3), Some("前端前"));
        assert_eq!(cut("前端", 2), None);
    }

    #[test]
    fn addresses_and_languages_are_told_from_other_texts() {
        assert!(is_url("https://example.org/a?b=c"));
        for text in ["javascript:alert(1)", "example.org", "http://a b.c", "mailto:a@b.c", "null"] {
            assert!(!is_url(text), "{text}");
        }
        assert_eq!(language("zh_hans-cn").as_deref(), Some("zh-Hans-CN"));
        assert_eq!(language("SV").as_deref(), Some("sv"));
        for text in ["", "Swedish", "s", "zh--CN", "中文"] {
            assert_eq!(language(text), None, "{text}");
        }
    }
}
