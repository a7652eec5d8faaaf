//! What takes long is thought about on threads for computing: a review or a comparison can take a second.

use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::Catalogue;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::compare::{self, Comparison};
use crate::subsidies::programme::review::{Review, review};
use crate::subsidies::store::programme::Edition;
use crate::subsidies::wire::fact;
use crate::subsidies::wire::programme as render;

/// Reviews a programme.
///
/// # Errors
///
/// The hub fails.
pub async fn reviewed(
    programme: pb::Programme,
    definitions: &[pb::FactDefinition],
) -> Result<(pb::Programme, Review), SubsidyError> {
    let catalogue = fact::catalogue(definitions);
    let work = move || {
        let review = review(&programme, &catalogue);
        (programme, review)
    };
    let broken = |_| SubsidyError::Corrupt { what: "review" };
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

/// Compares what is stored with another edition; there is nothing to tell of a first one.
///
/// # Errors
///
/// What is stored cannot be read.
pub async fn compared(
    before: Option<&Edition>,
    after: pb::Edition,
) -> Result<Comparison, SubsidyError> {
    let Some(before) = before else { return Ok(Comparison::default()) };
    let before = render::content(before)?;
    let broken = |_| SubsidyError::Corrupt { what: "comparison" };
    let work = move || {
        let (was, is) = (Compiled::of(&before)?, Compiled::of(&after)?);
        Some(compare::compare(was.as_edition(), is.as_edition()))
    };
    let found = tokio::task::spawn_blocking(work).await.map_err(broken)?;
    found.ok_or(SubsidyError::Corrupt { what: "edition" })
}

/// An edition with what is made of it.
struct Compiled<'a> {
    written: &'a pb::Programme,
    catalogue: Catalogue,
    answers: CompiledProgramme,
}

impl<'a> Compiled<'a> {
    fn of(edition: &'a pb::Edition) -> Option<Self> {
        let (written, catalogue) = (edition.programme.as_ref()?, fact::catalogue(&edition.facts));
        let answers = CompiledProgramme::compile(written, &catalogue).ok()?;
        Some(Self { written, catalogue, answers })
    }

    const fn as_edition(&self) -> compare::Edition<'_> {
        let (written, compiled, catalogue) = (self.written, &self.answers, &self.catalogue);
        compare::Edition { written, compiled, catalogue }
    }
}
