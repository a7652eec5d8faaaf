//! What is wrong with a programme: the place, and the reason.

use std::fmt;

use crate::pb::peshub::subsidies::v1::FindingKind;
use crate::subsidies::evaluator::defect::{Defect, DefectCode};

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the field in `peshub.subsidies.v1.Programme`.
    pub field: String,
    /// What it is.
    pub kind: FindingKind,
    /// What is wrong, and what was expected.
    pub detail: String,
    /// Where in the expression, if it is about one.
    pub place: Option<Defect>,
}

impl Finding {
    /// Returns a finding about a field as a whole.
    #[must_use]
    pub fn new(field: impl Into<String>, kind: FindingKind, detail: impl Into<String>) -> Self {
        Self { field: field.into(), kind, detail: detail.into(), place: None }
    }

    /// Returns a finding about a place in the expression of a field.
    #[must_use]
    pub fn of_defect(field: impl Into<String>, defect: Defect) -> Self {
        let kind = kind(defect.code);
        let detail = defect.detail.clone();
        Self { field: field.into(), kind, detail, place: Some(defect) }
    }

    /// Returns what it is, in a word: the contract's, without its prefix.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.kind.as_str_name().trim_start_matches("FINDING_KIND_")
    }
}

const fn kind(code: DefectCode) -> FindingKind {
    match code {
        DefectCode::TooLong
        | DefectCode::TooDeep
        | DefectCode::TooCostly
        | DefectCode::TooManyFacts => FindingKind::TooLarge,
        DefectCode::Syntax | DefectCode::NoDay => FindingKind::Syntax,
        DefectCode::NotInLanguage | DefectCode::UnknownFunction => FindingKind::NotInSubset,
        DefectCode::UnknownFact => FindingKind::FactUndeclared,
        DefectCode::UnknownParameter => FindingKind::ParameterUndeclared,
        DefectCode::UnknownChoice | DefectCode::WrongType | DefectCode::WrongArguments => {
            FindingKind::Type
        }
        DefectCode::Comprehension => FindingKind::Unbounded,
    }
}

/// Draws the place: the field, the line of the expression, and a mark under it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => write!(f, "{}: {}: {}", self.field, self.word(), self.detail),
            Some(place) => write!(f, "{}: {}: {place}", self.field, self.word()),
        }
    }
}
