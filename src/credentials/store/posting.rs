//! What credentials ask of postings: which types a posting requires.

use prost::Message as _;

use crate::pb::peshub::postings::v1::Posting;
use crate::platform::db::{DbError, ReadTx};

/// Returns the credential types that a posting within the permit's scope requires, in its order; `None` when there is no such posting.
///
/// # Errors
///
/// The database fails.
pub async fn required_types(
    tx: &mut ReadTx,
    (source, external_id): (&str, &str),
) -> Result<Option<Vec<String>>, DbError> {
    let scope = tx.permit().scope().tokens().to_vec();
    let body = sqlx::query_scalar!(
        r#"SELECT coalesce(b.body, kept.body) AS "body!"
           FROM posting p
           LEFT JOIN change_log b ON b.id = p.body_id
           LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
           WHERE p.facets && $3
             AND p.source_id = (SELECT source_id FROM source WHERE name = $1) AND p.external_id = $2"#,
        source,
        external_id,
        &scope,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(body) = body else { return Ok(None) };
    let posting = Posting::decode(body.as_slice());
    let posting = posting.map_err(|error| sqlx::Error::Decode(error.into()))?;
    let requirements = posting.requirements.unwrap_or_default();
    Ok(Some(requirements.credential_types))
}
