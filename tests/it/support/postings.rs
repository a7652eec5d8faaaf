//! Postings as stories need them: small, sound, and told apart by their titles.

use bytes::Bytes;
use peshub::pb::peshub::common::v1::{Division, DivisionScheme, Occupation, OccupationScheme};
use peshub::pb::peshub::postings::v1::posting_change::Change;
use peshub::pb::peshub::postings::v1::{
    CloseReason, Employer, Pay, PayUnit, Posting, PostingChange, PostingClose, PostingFilter,
    PostingState, Workplace,
};
use prost::Message as _;

/// A division of GB/T 2260, or of ISO 3166-2 where the code begins with a letter.
pub(crate) fn division(code: &str) -> Division {
    let is_chinese = code.starts_with(|first: char| first.is_ascii_digit());
    let scheme = if is_chinese { DivisionScheme::Gbt2260 } else { DivisionScheme::Iso31662 };
    Division { scheme: scheme.into(), code: code.to_owned(), name: String::new() }
}

/// An occupation of a scheme.
pub(crate) fn occupation(scheme: OccupationScheme, code: &str) -> Occupation {
    Occupation { scheme: scheme.into(), code: code.to_owned(), name: String::new() }
}

/// A sound posting with one workplace.
pub(crate) fn posting(title: &str, code: &str) -> Posting {
    Posting {
        title: title.to_owned(),
        employer: Some(Employer { name: "Westlake Workshop".to_owned(), ..Employer::default() }),
        workplaces: vec![Workplace { division: Some(division(code)), ..Workplace::default() }],
        ..Posting::default()
    }
}

/// Pay between two amounts.
pub(crate) fn pay(min: i64, max: i64, unit: PayUnit, currency: &str) -> Pay {
    Pay {
        min_minor: Some(min),
        max_minor: Some(max),
        unit: unit.into(),
        currency: currency.to_owned(),
        ..Pay::default()
    }
}

/// A change that stores a posting.
pub(crate) fn upsert(external_id: &str, posting: Posting) -> PostingChange {
    PostingChange {
        external_id: external_id.to_owned(),
        change: Some(Change::Upsert(posting)),
        ..PostingChange::default()
    }
}

/// A change that stores a posting, with the source's revision.
pub(crate) fn upsert_at(external_id: &str, revision: i64, posting: Posting) -> PostingChange {
    PostingChange { source_revision: Some(revision), ..upsert(external_id, posting) }
}

/// A change that closes a posting as filled.
pub(crate) fn close(external_id: &str) -> PostingChange {
    let close = PostingClose { reason: CloseReason::Filled.into(), closed_at: None };
    PostingChange {
        external_id: external_id.to_owned(),
        change: Some(Change::Close(close)),
        ..PostingChange::default()
    }
}

/// The change as it travels.
pub(crate) fn encoded(changes: &[PostingChange]) -> Vec<Bytes> {
    changes.iter().map(|change| change.encode_to_vec().into()).collect()
}

/// A filter on a division and all below it, open postings only.
pub(crate) fn in_division(code: &str) -> PostingFilter {
    PostingFilter { divisions: vec![division(code)], ..PostingFilter::default() }
}

/// A filter that lets every open posting through.
pub(crate) fn everything() -> PostingFilter {
    PostingFilter::default()
}

/// A filter that lets every posting through, open or closed.
pub(crate) fn in_any_state() -> PostingFilter {
    PostingFilter {
        states: vec![PostingState::Open.into(), PostingState::Closed.into()],
        ..PostingFilter::default()
    }
}
