//! Tokens: an expression's text cut into words, as CEL does, with every bound checked before anything is nested.

use crate::subsidies::evaluator::defect::{Defect, DefectCode, Place};
use crate::subsidies::evaluator::{LENGTH_MAX, NESTING_MAX};

/// A word of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A number without its sign.
    Int(u64),
    Text(String),
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// `true`, `false`, `null`, `in`.
    Word(&'static str),
    End,
}

/// Longest first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "!", "<",
    ">", "+", "-", "*", "/", "%",
];

const WORDS: &[&str] = &["true", "false", "null", "in"];

/// Names that CEL keeps for host languages.
pub(crate) const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Cuts a text into words.
///
/// # Errors
///
/// The first thing that is no word, or what is too long or nested too deep.
pub(crate) fn tokens(source: &str) -> Result<Vec<(Token, Place)>, Defect> {
    if source.len() > LENGTH_MAX {
        let detail = format!("{} bytes; an expression has at most {LENGTH_MAX}", source.len());
        let at = Place::new(source.floor_char_boundary(LENGTH_MAX), LENGTH_MAX);
        return Err(Defect::new(DefectCode::TooLong, source, at, detail));
    }
    let mut reader = Reader { source, at: 0 };
    let mut found = Vec::new();
    let mut depth = 0_usize;
    loop {
        reader.skip_space();
        let from = reader.at;
        let token = reader.token()?;
        let place = Place::new(from, reader.at);
        match token {
            Token::Sign("(" | "[" | "{") => depth = depth.saturating_add(1),
            Token::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            let detail = format!("nested deeper than {NESTING_MAX} levels");
            return Err(Defect::new(DefectCode::TooDeep, source, place, detail));
        }
        let end = token == Token::End;
        found.push((token, place));
        if end {
            return Ok(found);
        }
    }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
            self.advance(rest.len().saturating_sub(trimmed.len()));
            if !trimmed.starts_with("//") {
                return;
            }
            self.advance(trimmed.find('\n').unwrap_or(trimmed.len()));
        }
    }

    fn fail<T>(&self, from: usize, code: DefectCode, detail: &str) -> Result<T, Defect> {
        let place = Place::new(from, self.at.max(from.saturating_add(1)));
        Err(Defect::new(code, self.source, place, detail))
    }

    fn token(&mut self) -> Result<Token, Defect> {
        let rest = self.rest();
        let Some(first) = rest.bytes().next() else { return Ok(Token::End) };
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == b'.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            return self.fail(self.at, DefectCode::NotInLanguage, NO_DOUBLES);
        }
        if let Some(quoted) = self.quoted()? {
            return Ok(Token::Text(quoted));
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            let end = rest
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            self.advance(end);
            return Ok(match WORDS.iter().find(|word| **word == name) {
                Some(word) => Token::Word(word),
                None => Token::Name(name.to_owned()),
            });
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.advance(sign.len());
            return Ok(Token::Sign(sign));
        }
        self.fail(self.at, DefectCode::Syntax, "this sign means nothing here")
    }

    fn number(&mut self) -> Result<Token, Defect> {
        let from = self.at;
        let rest = self.rest();
        let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
        let (digits, radix) = hex.map_or((rest, 10), |digits| (digits, 16));
        let end = digits.find(|letter: char| !letter.is_digit(radix)).unwrap_or(digits.len());
        let (digits, after) = digits.split_at_checked(end).unwrap_or((digits, ""));
        self.advance(rest.len().saturating_sub(after.len()));
        let mut next = after.chars();
        match (next.next(), next.next()) {
            (Some('.'), Some('0'..='9')) | (Some('e' | 'E'), _) => {
                return self.fail(from, DefectCode::NotInLanguage, NO_DOUBLES);
            }
            (Some('u' | 'U'), _) => {
                return self.fail(from, DefectCode::NotInLanguage, "there are no unsigned numbers");
            }
            (Some(letter), _) if letter.is_ascii_alphanumeric() || letter == '_' => {
                return self.fail(from, DefectCode::Syntax, "a number with letters behind it");
            }
            _ => {}
        }
        match u64::from_str_radix(digits, radix) {
            Ok(number) => Ok(Token::Int(number)),
            Err(_) => self.fail(from, DefectCode::Syntax, "this number does not fit 64 bits"),
        }
    }

    /// Reads a text in quotes, if there is one here.
    fn quoted(&mut self) -> Result<Option<String>, Defect> {
        let from = self.at;
        let rest = self.rest();
        let prefix = rest.bytes().take_while(|byte| b"rRbB".contains(byte)).take(2).count();
        let (prefix, body) = rest.split_at_checked(prefix).unwrap_or(("", rest));
        if !body.starts_with(['\'', '"']) {
            return Ok(None);
        }
        if prefix.contains(['b', 'B']) {
            return self.fail(from, DefectCode::NotInLanguage, "there are no bytes");
        }
        let raw = !prefix.is_empty();
        let quote = ["'''", "\"\"\"", "'", "\""]
            .into_iter()
            .find(|quote| body.starts_with(quote))
            .unwrap_or("'");
        self.advance(prefix.len().saturating_add(quote.len()));
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.advance(quote.len());
                return Ok(Some(text));
            }
            let Some(letter) = rest.chars().next() else {
                return self.fail(from, DefectCode::Syntax, "this text has no closing quote");
            };
            if matches!(letter, '\n' | '\r') && quote.len() == 1 {
                return self.fail(from, DefectCode::Syntax, "this text does not end on its line");
            }
            if letter == '\\' && !raw {
                text.push(self.escaped()?);
            } else {
                self.advance(letter.len_utf8());
                text.push(letter);
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Defect> {
        let from = self.at;
        let rest = self.rest();
        let letter = rest.chars().nth(1).unwrap_or_default();
        let plain = match letter {
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            '\\' | '\'' | '"' | '`' | '?' => Some(letter),
            _ => None,
        };
        if let Some(plain) = plain {
            self.advance(2);
            return Ok(plain);
        }
        let (skip, digits, radix): (usize, usize, u32) = match letter {
            'x' | 'X' => (2, 2, 16),
            'u' => (2, 4, 16),
            'U' => (2, 8, 16),
            '0'..='3' => (1, 3, 8),
            _ => return self.fail(from, DefectCode::Syntax, "there is no such escape"),
        };
        let code = rest
            .get(skip..skip.saturating_add(digits))
            .filter(|code| code.chars().all(|digit| digit.is_digit(radix)))
            .and_then(|code| u32::from_str_radix(code, radix).ok())
            .and_then(char::from_u32);
        match code {
            Some(letter) => {
                self.advance(skip.saturating_add(digits));
                Ok(letter)
            }
            None => self.fail(from, DefectCode::Syntax, "this escape is no character"),
        }
    }
}

pub(crate) const NO_DOUBLES: &str =
    "there are no fractions: money is in minor units, shares in percent or permille";
