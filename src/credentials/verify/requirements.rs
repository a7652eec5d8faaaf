//! Postings meet credentials: what a posting requires, held against what is presented.

use crate::credentials::error::CredentialError;
use crate::credentials::registry::book::Book;
use crate::credentials::store::posting;
use crate::credentials::verify::calls::Call;
use crate::credentials::verify::commands::Verifier;
use crate::kernel::fault::Fault;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::Record;

impl Verifier {
    /// Holds presentations against what a posting requires.
    ///
    /// # Errors
    ///
    /// `POSTING_NOT_FOUND`, `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, `REQUEST_ID_REUSED`, or the database fails.
    pub async fn requirements(
        &self,
        call: Call,
        (source, external_id): (&str, &str),
    ) -> Result<pb::CheckRequirementsResponse, Fault> {
        // Whether the request was made before is told first, whatever became of the posting.
        self.earlier(&call).await?;
        let mut tx = self.db.read(&call.permit).await?;
        let name = format!("sources/{source}/{external_id}");
        let required = posting::required_types(&mut tx, (source, external_id)).await?;
        drop(tx);
        let required =
            required.ok_or_else(|| CredentialError::PostingNotFound { name: name.clone() })?;
        let about = |record: Record| {
            let subject = format!("{name}: {}", record.subject);
            Record { subject, ..record }
        };
        let (results, entry_id) = self.answered(&call, true, about).await?;
        let book = self.registry.present();
        let requirements: Vec<_> = required.iter().map(|it| met(&book, it, &results)).collect();
        let is_met = |it: &pb::RequirementResult| it.outcome() == pb::RequirementOutcome::Met;
        Ok(pb::CheckRequirementsResponse {
            all_met: requirements.iter().all(is_met),
            requirements,
            results,
            entry_id: entry_id.to_string(),
        })
    }
}

/// Holds one required type, named by its name or its `vct`, against verdicts.
fn met(book: &Book, required: &str, results: &[pb::VerificationResult]) -> pb::RequirementResult {
    let by_vct = book.credential_type(required).map(|it| it.name.as_str());
    let is_of = |verdict: &pb::Verdict| {
        let is_named = !verdict.type_name.is_empty() && verdict.type_name == required;
        is_named || verdict.vct == required
    };
    let of_type = |wants_valid: bool| {
        results.iter().position(|it| {
            let verdict = it.verdict.as_ref();
            verdict.is_some_and(|verdict| {
                is_of(verdict) && (!wants_valid || verdict.outcome() == pb::VerdictOutcome::Valid)
            })
        })
    };
    let (outcome, presentation) = match (of_type(true), of_type(false)) {
        (Some(valid), _) => (pb::RequirementOutcome::Met, Some(valid)),
        (None, Some(other)) => (pb::RequirementOutcome::NotValid, Some(other)),
        (None, None) => (pb::RequirementOutcome::Missing, None),
    };
    pb::RequirementResult {
        credential_type: required.to_owned(),
        outcome: outcome.into(),
        presentation: presentation.and_then(|it| i32::try_from(it).ok()).unwrap_or(-1),
        type_known: by_vct.is_some() || book.type_version(required, 0).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::registry::book::Book;
    use crate::credentials::verify::requirements::met;
    use crate::pb::peshub::credentials::v1 as pb;

    fn result(type_name: &str, outcome: pb::VerdictOutcome) -> pb::VerificationResult {
        let verdict = pb::Verdict {
            type_name: type_name.to_owned(),
            vct: format!("urn:{type_name}"),
            outcome: outcome.into(),
            ..pb::Verdict::default()
        };
        pb::VerificationResult { verdict: Some(verdict), ..pb::VerificationResult::default() }
    }

    #[test]
    fn the_first_valid_credential_of_the_type_counts() {
        let (book, valid) = (Book::default(), pb::VerdictOutcome::Valid);
        let results = [
            pb::VerificationResult { reason: "CONSENT_NOT_GIVEN".to_owned(), ..Default::default() },
            result("skill", pb::VerdictOutcome::Expired),
            result("skill", valid),
            result("licence", pb::VerdictOutcome::Revoked),
            result("", valid),
        ];
        let check = |required: &str, outcome: pb::RequirementOutcome, at| {
            let found = met(&book, required, &results);
            assert_eq!((found.outcome(), found.presentation), (outcome, at), "{required}");
            assert!(!found.type_known);
        };
        check("skill", pb::RequirementOutcome::Met, 2);
        check("urn:skill", pb::RequirementOutcome::Met, 2);
        check("licence", pb::RequirementOutcome::NotValid, 3);
        check("insurance", pb::RequirementOutcome::Missing, -1);
        check("", pb::RequirementOutcome::Missing, -1);
    }
}
