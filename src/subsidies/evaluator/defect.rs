//! What is wrong with an expression, and where.

use std::fmt;

/// A piece of an expression's text, in bytes: from, and to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Place {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        Self {
            from: u32::try_from(from).unwrap_or(u32::MAX),
            to: u32::try_from(to).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn to(self, other: Self) -> Self {
        Self { from: self.from, to: other.to }
    }

    /// Returns the piece of the text.
    pub(crate) fn of(self, source: &str) -> &str {
        let from = usize::try_from(self.from).unwrap_or(usize::MAX);
        let to = usize::try_from(self.to).unwrap_or(usize::MAX);
        source.get(from..to).unwrap_or_default()
    }
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefectCode {
    /// It is longer than 8 KiB.
    TooLong,
    /// Brackets or operators are nested deeper than 64 levels.
    TooDeep,
    /// At its worst it takes more steps than an expression may.
    TooCostly,
    /// It reads more facts than a rule may.
    TooManyFacts,
    /// It cannot be read.
    Syntax,
    /// It is CEL and not in the subset.
    NotInLanguage,
    /// A fact that the catalogue does not have.
    UnknownFact,
    /// A parameter that is not declared.
    UnknownParameter,
    /// A function that there is not.
    UnknownFunction,
    /// A value that the fact's definition does not list.
    UnknownChoice,
    /// A value of another type is needed.
    WrongType,
    /// A function with too few or too many arguments.
    WrongArguments,
    /// No day of the calendar.
    NoDay,
    /// A comprehension over what has no maximum, or a variable that hides a fact.
    Comprehension,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What kind.
    pub code: DefectCode,
    /// Line, from 1.
    pub line: u32,
    /// Character within the line, from 1.
    pub column: u32,
    /// The line, or as much of it as is readable.
    pub excerpt: String,
    /// How many characters are marked.
    pub width: u32,
    /// Where the mark begins within the excerpt, in characters from 0.
    pub mark: u32,
    /// What is wrong, in words.
    pub detail: String,
}

/// How many characters of a line are shown before the place.
const BEFORE: usize = 60;
/// How many characters of a line are shown from the place on.
const AFTER: usize = 60;
/// How many characters a description has at most; it may quote a name.
const DETAIL: usize = 200;

impl Defect {
    pub(crate) fn new(
        code: DefectCode,
        source: &str,
        place: Place,
        detail: impl AsRef<str>,
    ) -> Self {
        let from = source.floor_char_boundary(usize::try_from(place.from).unwrap_or(usize::MAX));
        let (before, rest) = source.split_at_checked(from).unwrap_or((source, ""));
        let line_before = before.rsplit('\n').next().unwrap_or_default();
        let line_rest = rest.split('\n').next().unwrap_or_default();
        let column = line_before.chars().count();
        let shown_before = column.min(BEFORE);
        let excerpt: String = line_before
            .chars()
            .skip(column.saturating_sub(shown_before))
            .chain(line_rest.chars().take(AFTER))
            .filter(|letter| !letter.is_control() || *letter == '\t')
            .collect();
        let width = place.of(source).chars().take_while(|letter| *letter != '\n').count();
        Self {
            code,
            line: count(before.matches('\n').count()).saturating_add(1),
            column: count(column).saturating_add(1),
            excerpt,
            width: count(width.clamp(1, AFTER)),
            mark: count(shown_before),
            detail: detail.as_ref().chars().take(DETAIL).collect(),
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", self.line, self.column, self.detail)?;
        writeln!(f, "  {}", self.excerpt)?;
        let indent = usize::try_from(self.mark).unwrap_or_default();
        let width = usize::try_from(self.width).unwrap_or(1);
        write!(f, "  {}{}", " ".repeat(indent), "^".repeat(width))
    }
}

impl std::error::Error for Defect {}
