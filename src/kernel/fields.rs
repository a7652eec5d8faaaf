//! Reading untrusted messages: every violation is found and named, all at once.

use std::fmt;

/// A message that can be held against the rules of the contract.
pub trait Check {
    /// Adds every violation of this message and of what it holds to `found`; `at` is where it stands.
    fn check(&self, at: &mut Path, found: &mut Vec<Violation>);
}

/// Returns every violation of a message, in the order of its fields.
#[must_use]
pub fn check(message: &impl Check) -> Vec<Violation> {
    let mut found = Vec::new();
    message.check(&mut Path::root(), &mut found);
    found
}

/// Which rule a value broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Not readable at all.
    Malformed,
    /// Must be there.
    Required,
    /// Too many characters or items.
    TooLong,
    /// Too few characters or items.
    TooShort,
    /// A number outside its limits.
    OutOfRange,
    /// Not of the form it must have.
    BadFormat,
    /// A choice that the contract does not define.
    UnknownChoice,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `workplaces[0].division.code`.
    pub field: String,
    /// The rule.
    pub rule: Rule,
    /// What was expected, for a person.
    pub expected: String,
    /// What was found, cut to [`GIVEN_CHARS_MAX`]; empty where nothing was there.
    pub given: String,
}

/// Most characters of an untrusted value that are repeated in an answer.
pub const GIVEN_CHARS_MAX: usize = 100;

/// Returns the first [`GIVEN_CHARS_MAX`] characters of a text.
#[must_use]
pub fn cut(text: &str) -> String {
    text.chars().take(GIVEN_CHARS_MAX).collect()
}

/// Takes away what was found in a field that holds personal data: the violations from `first` on are told without it.
pub fn redact(found: &mut [Violation], first: usize) {
    for violation in found.iter_mut().skip(first) {
        violation.given.clear();
    }
}

/// Where in a message the reader is.
#[derive(Debug, Default)]
pub struct Path(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    Field(&'static str),
    Item(&'static str, usize),
}

impl Path {
    /// Returns the place of the message itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Enters a field.
    pub fn field(&mut self, name: &'static str) {
        self.0.push(Step::Field(name));
    }

    /// Enters one item of a list.
    pub fn item(&mut self, name: &'static str, index: usize) {
        self.0.push(Step::Item(name, index));
    }

    /// Leaves what was entered last.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// Returns the path of a field of the current message; the current place itself when `name` is empty.
    #[must_use]
    pub fn to(&self, name: &str) -> String {
        let path = self.to_string();
        match (path.is_empty(), name.is_empty()) {
            (_, true) => path,
            (true, false) => name.to_owned(),
            (false, false) => format!("{path}.{name}"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match step {
                Step::Field(name) => write!(f, "{dot}{name}")?,
                Step::Item(name, item) => write!(f, "{dot}{name}[{item}]")?,
            }
        }
        Ok(())
    }
}

/// A required field must be there.
pub fn present(at: &Path, found: &mut Vec<Violation>, name: &str, is_there: bool) {
    if !is_there {
        add(at, found, name, (Rule::Required, "must be given".to_owned(), String::new()));
    }
}

/// A text has a number of characters, none of which is the null character: databases and other programs end texts there.
pub fn characters(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    value: &str,
    (min, max): (usize, usize),
) {
    if memchr::memchr(0, value.as_bytes()).is_some() {
        let expected = "a text without null characters".to_owned();
        add(at, found, name, (Rule::BadFormat, expected, cut(&value.replace('\0', ""))));
    }
    // A text never has more characters than bytes, and an empty one is the only one below 1.
    if value.len() <= max && (min == 0 || (min == 1 && !value.is_empty())) {
        return;
    }
    let count = value.chars().count();
    if count > max {
        let expected = format!("at most {max} characters, not {count}");
        add(at, found, name, (Rule::TooLong, expected, cut(value)));
    } else if count == 0 && min > 0 {
        let expected = format!("a text of {min} to {max} characters");
        add(at, found, name, (Rule::Required, expected, String::new()));
    } else if count < min {
        let expected = format!("at least {min} characters, not {count}");
        add(at, found, name, (Rule::TooShort, expected, cut(value)));
    }
}

/// A text has a form.
pub fn pattern(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    value: &str,
    pattern: Option<&regex::Regex>,
) {
    if let Some(pattern) = pattern
        && !pattern.is_match(value)
    {
        let expected = format!("a text of the form {}", pattern.as_str());
        add(at, found, name, (Rule::BadFormat, expected, cut(value)));
    }
}

/// A byte string has a length.
pub fn octets(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    length: usize,
    limits: (usize, usize),
) {
    count(at, found, name, (length, "bytes"), limits);
}

/// A list has a number of items.
pub fn items(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    length: usize,
    limits: (usize, usize),
) {
    count(at, found, name, (length, "items"), limits);
}

/// A whole number lies within limits, both of which are allowed.
pub fn integer(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    value: i64,
    (min, max): (i64, i64),
) {
    if value < min || value > max {
        let expected = match (min, max) {
            (i64::MIN, max) => format!("at most {max}"),
            (min, i64::MAX) => format!("at least {min}"),
            (min, max) => format!("{min} to {max}"),
        };
        add(at, found, name, (Rule::OutOfRange, expected, value.to_string()));
    }
}

/// A real number lies within limits, both of which are allowed; NaN never does.
pub fn real(at: &Path, found: &mut Vec<Violation>, name: &str, value: f64, (min, max): (f64, f64)) {
    if !(min..=max).contains(&value) {
        let expected = format!("{min} to {max}");
        add(at, found, name, (Rule::OutOfRange, expected, value.to_string()));
    }
}

/// A choice is one that the contract defines.
pub fn choice(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    value: i32,
    (is_defined, not_zero): (bool, bool),
) {
    if !is_defined {
        let expected = "one of the choices of the contract".to_owned();
        add(at, found, name, (Rule::UnknownChoice, expected, value.to_string()));
    } else if not_zero && value == 0 {
        let expected = "one of the choices of the contract".to_owned();
        add(at, found, name, (Rule::Required, expected, String::new()));
    }
}

fn count(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    (length, what): (usize, &str),
    (min, max): (usize, usize),
) {
    if length > max {
        let expected = format!("at most {max} {what}");
        add(at, found, name, (Rule::TooLong, expected, length.to_string()));
    } else if length < min {
        let rule = if length == 0 { Rule::Required } else { Rule::TooShort };
        add(at, found, name, (rule, format!("at least {min} {what}"), length.to_string()));
    }
}

fn add(
    at: &Path,
    found: &mut Vec<Violation>,
    name: &str,
    (rule, expected, given): (Rule, String, String),
) {
    found.push(Violation { field: at.to(name), rule, expected, given });
}
