//! The notations occupation codes are sent in.

use std::iter;

const CSCO_LEVELS: usize = 4;
/// How ESCO, which gives each ISCO-08 group a URI, begins that of a group.
const ESCO_ISCO: [&str; 2] =
    ["http://data.europa.eu/esco/isco/", "https://data.europa.eu/esco/isco/"];
const ESCO_OCCUPATION: [&str; 2] =
    ["http://data.europa.eu/esco/occupation/", "https://data.europa.eu/esco/occupation/"];

/// What a text can mean as a code.
#[derive(Debug, Default)]
pub(crate) struct Notations {
    /// The official notations it may stand for, the likeliest first.
    pub(crate) codes: Vec<String>,
    /// The classes around it, the smallest first.
    pub(crate) classes: Vec<String>,
}

/// Reads a code of CSCO: one digit for the major class and two for each level below.
pub(crate) fn csco(code: &str) -> Notations {
    let Some(mut parts) = csco_parts(code) else { return Notations::default() };
    // A fifth level, as some use for kinds of work, is no code of the list.
    let codes = if parts.len() <= CSCO_LEVELS { vec![csco_code(&parts)] } else { Vec::new() };
    let mut classes = Vec::new();
    while parts.pop().is_some() && !parts.is_empty() {
        classes.push(csco_code(&parts));
    }
    Notations { codes, classes }
}

/// Reads a code of ISCO-08: one digit a level.
pub(crate) fn isco(code: &str) -> Notations {
    let bare = ESCO_ISCO.iter().find_map(|prefix| code.strip_prefix(prefix)).unwrap_or(code);
    let digits = bare.strip_prefix(['C', 'c']).unwrap_or(bare);
    let stripped = digits.trim_start_matches('0');
    // Spreadsheets drop the zero of the armed forces; others pad to five digits.
    let codes = vec![digits.to_owned(), format!("0{digits}"), stripped.to_owned()];
    let leading: String = digits.chars().take_while(char::is_ascii_digit).take(4).collect();
    let classes = (1..=leading.len()).rev().filter_map(|chars| leading.get(..chars));
    Notations { codes, classes: classes.map(str::to_owned).collect() }
}

/// Returns whether a text has the form of an ESCO occupation's or ISCO group's URI.
pub(crate) fn is_esco(uri: &str) -> bool {
    ESCO_OCCUPATION.iter().chain(&ESCO_ISCO).any(|prefix| {
        uri.strip_prefix(prefix).is_some_and(|id| {
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    })
}

/// Returns whether a text has the form of an O*NET-SOC code: 15-1252.00.
pub(crate) fn is_onet_soc(code: &str) -> bool {
    let form = "00-0000.00";
    let fits = |(character, form): (char, char)| {
        if form == '0' { character.is_ascii_digit() } else { character == form }
    };
    code.len() == form.len() && code.chars().zip(form.chars()).all(fits)
}

/// Takes 6-06-03-01, 6060301, 6-06-03 or 60603 apart.
fn csco_parts(code: &str) -> Option<Vec<&str>> {
    let parts: Vec<_> = if code.contains('-') {
        code.split('-').collect()
    } else {
        let (major, mut rest) = code.split_at_checked(1)?;
        let mut parts = vec![major];
        while !rest.is_empty() {
            let (part, others) = rest.split_at_checked(2)?;
            parts.push(part);
            rest = others;
        }
        parts
    };
    let (major, others) = parts.split_first()?;
    let is_number = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let is_major = major.len() == 1 && major.bytes().all(|b| b.is_ascii_digit());
    (is_major && others.iter().all(is_number)).then_some(parts)
}

fn csco_code(parts: &[&str]) -> String {
    let padding = iter::repeat_n("00", CSCO_LEVELS.saturating_sub(parts.len()));
    parts.iter().copied().chain(padding).collect::<Vec<_>>().join("-")
}
