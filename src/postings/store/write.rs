//! Writing postings: a whole batch in a handful of statements.

use std::collections::HashMap;

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::{PostingId, Revision, SourceId};
use crate::platform::db::{DbError, WriteTx};
use crate::postings::domain::{MonthlyPay, State};
use crate::postings::store::TOPIC;
use crate::postings::sync::batch::Advance;

/// Locks postings in the order of their numbers, so that batches cannot deadlock. Returns revision and facets of each.
///
/// # Errors
///
/// The database fails.
pub async fn lock(
    tx: &mut WriteTx,
    ids: &[PostingId],
) -> Result<HashMap<PostingId, (Revision, Vec<String>)>, DbError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "SELECT posting_id, revision, facets FROM posting
         WHERE posting_id = ANY($1) ORDER BY posting_id FOR NO KEY UPDATE",
        &ids,
    )
    .fetch_all(tx.connection())
    .await?;
    let locked = rows
        .into_iter()
        .map(|row| (PostingId(row.posting_id), (Revision(row.revision), row.facets)));
    Ok(locked.collect())
}

/// What becomes of one posting, ready to be written.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number.
    pub id: PostingId,
    /// The source's own id.
    pub external_id: String,
    /// Whether it is new.
    pub is_new: bool,
    /// Its revision from now on.
    pub revision: Revision,
    /// The source's revision.
    pub source_revision: Option<i64>,
    /// Whether it stands.
    pub state: State,
    /// The record without its content, encoded.
    pub header: Bytes,
    /// Its facets before; none when it is new.
    pub facets_before: Vec<String>,
    /// Its facets from now on.
    pub facets: Vec<String>,
    /// New content; absent when it stays.
    pub content: Option<NewContent>,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
}

/// New content of a posting, ready to be written.
#[derive(Clone, Debug)]
pub struct NewContent {
    /// The encoded posting.
    pub body: Bytes,
    /// Digest of the content as it was sent.
    pub sent_digest: Uuid,
    /// Digest of `body`.
    pub digest: Uuid,
    /// What it pays a month.
    pub pay: Option<MonthlyPay>,
    /// Title and employer's name in lower case.
    pub search_text: String,
}

#[derive(Default)]
struct Columns<'a> {
    posting_id: Vec<i64>,
    external_id: Vec<&'a str>,
    is_new: Vec<bool>,
    revision: Vec<i64>,
    source_revision: Vec<Option<i64>>,
    state: Vec<i16>,
    header: Vec<&'a [u8]>,
    body: Vec<Option<&'a [u8]>>,
    facets: Vec<String>,
    facets_before: Vec<Option<String>>,
    sent_digest: Vec<Option<Uuid>>,
    content_digest: Vec<Option<Uuid>>,
    pay_min: Vec<Option<i64>>,
    pay_max: Vec<Option<i64>>,
    pay_currency: Vec<Option<&'a str>>,
    search_text: Vec<Option<&'a str>>,
    created_at: Vec<OffsetDateTime>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, row: &'a Row) {
        let content = row.content.as_ref();
        let pay = content.and_then(|content| content.pay.as_ref());
        self.posting_id.push(row.id.0);
        self.external_id.push(&row.external_id);
        self.is_new.push(row.is_new);
        self.revision.push(row.revision.0);
        self.source_revision.push(row.source_revision);
        self.state.push(row.state.number());
        self.header.push(&row.header);
        self.body.push(content.map(|content| content.body.as_ref()));
        // Tokens hold no blanks; an array of arrays cannot be unnested row by row, a text can.
        self.facets.push(row.facets.join(" "));
        let differs = row.facets_before != row.facets;
        self.facets_before.push(differs.then(|| row.facets_before.join(" ")));
        self.sent_digest.push(content.map(|content| content.sent_digest));
        self.content_digest.push(content.map(|content| content.digest));
        self.pay_min.push(pay.and_then(|pay| pay.min_minor));
        self.pay_max.push(pay.and_then(|pay| pay.max_minor));
        self.pay_currency.push(pay.map(|pay| pay.currency.as_str()));
        self.search_text.push(content.map(|content| content.search_text.as_str()));
        self.created_at.push(row.created_at);
    }
}

/// Writes rows: the changes into the log, the heads into `posting`. Rows must be in the order of their external ids, and
/// rows that are not new must be locked.
///
/// Returns false when a row taken for new exists by now: then nothing may be committed.
///
/// # Errors
///
/// The database fails.
#[expect(clippy::too_many_lines, reason = "one statement and its values")]
pub async fn write(
    tx: &mut WriteTx,
    source: SourceId,
    rows: &[Row],
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let mut columns = Columns::default();
    for row in rows {
        columns.push(row);
    }
    let inserted = sqlx::query_scalar!(
        r#"WITH input AS MATERIALIZED (
               SELECT nextval('change_log_id_seq') AS change_id, i.* FROM unnest(
                   $4::bigint[], $5::text[], $6::boolean[], $7::bigint[], $8::bigint[], $9::smallint[],
                   $10::bytea[], $11::bytea[], $12::text[], $13::text[], $14::uuid[], $15::uuid[],
                   $16::bigint[], $17::bigint[], $18::text[], $19::text[], $20::timestamptz[]
               ) AS i(posting_id, external_id, is_new, revision, source_revision, state,
                      header, body, facets, facets_before, sent_digest, content_digest,
                      pay_min, pay_max, pay_currency, search_text, created_at)
           ), logged AS (
               INSERT INTO change_log (id, at, topic, entity_id, revision, header, body, facets, facets_before)
               SELECT change_id, $2, $3, posting_id, revision, header, body,
                      string_to_array(facets, ' '), string_to_array(facets_before, ' ')
               FROM input
           ), inserted AS (
               INSERT INTO posting (posting_id, source_id, external_id, state, revision, source_revision,
                                    sent_digest, content_digest, facets, change_id, body_id, created_at, updated_at,
                                    pay_month_minor_min, pay_month_minor_max, pay_currency, search_text)
               SELECT posting_id, $1, external_id, state, revision, source_revision,
                      sent_digest, content_digest, string_to_array(facets, ' '), change_id, change_id, created_at, $2,
                      pay_min, pay_max, pay_currency, search_text
               FROM input WHERE is_new
               ON CONFLICT ON CONSTRAINT posting_source_external_id_unique DO NOTHING
               RETURNING 1
           ), updated AS (
               UPDATE posting p SET
                   state = i.state, revision = i.revision,
                   source_revision = coalesce(i.source_revision, p.source_revision),
                   sent_digest = coalesce(i.sent_digest, p.sent_digest),
                   content_digest = coalesce(i.content_digest, p.content_digest),
                   facets = string_to_array(i.facets, ' '),
                   change_id = i.change_id,
                   body_id = CASE WHEN i.body IS NULL THEN p.body_id ELSE i.change_id END,
                   updated_at = $2,
                   pay_month_minor_min = CASE WHEN i.body IS NULL THEN p.pay_month_minor_min ELSE i.pay_min END,
                   pay_month_minor_max = CASE WHEN i.body IS NULL THEN p.pay_month_minor_max ELSE i.pay_max END,
                   pay_currency = CASE WHEN i.body IS NULL THEN p.pay_currency ELSE i.pay_currency END,
                   search_text = coalesce(i.search_text, p.search_text)
               FROM input i WHERE NOT i.is_new AND p.posting_id = i.posting_id
           )
           SELECT count(*) AS "count!" FROM inserted"#,
        source.0,
        now,
        TOPIC,
        &columns.posting_id,
        &columns.external_id as &[&str],
        &columns.is_new,
        &columns.revision,
        &columns.source_revision as &[Option<i64>],
        &columns.state,
        &columns.header as &[&[u8]],
        &columns.body as &[Option<&[u8]>],
        &columns.facets,
        &columns.facets_before as &[Option<String>],
        &columns.sent_digest as &[Option<Uuid>],
        &columns.content_digest as &[Option<Uuid>],
        &columns.pay_min as &[Option<i64>],
        &columns.pay_max as &[Option<i64>],
        &columns.pay_currency as &[Option<&str>],
        &columns.search_text as &[Option<&str>],
        &columns.created_at,
    )
    .fetch_one(tx.connection())
    .await?;
    let new = rows.iter().filter(|row| row.is_new).count();
    Ok(usize::try_from(inserted) == Ok(new))
}

/// Stores newer revisions of the source for postings whose content stayed the same.
///
/// # Errors
///
/// The database fails.
pub async fn advance(tx: &mut WriteTx, moved: &[Advance]) -> Result<(), DbError> {
    let ids: Vec<i64> = moved.iter().map(|advance| advance.id.0).collect();
    let revisions: Vec<Option<i64>> = moved.iter().map(|advance| advance.source_revision).collect();
    let digests: Vec<Uuid> = moved.iter().map(|advance| advance.sent_digest).collect();
    sqlx::query!(
        "UPDATE posting p
         SET source_revision = greatest(p.source_revision, i.source_revision), sent_digest = i.sent_digest
         FROM unnest($1::bigint[], $2::bigint[], $3::uuid[]) AS i(posting_id, source_revision, sent_digest)
         WHERE p.posting_id = i.posting_id",
        &ids,
        &revisions as &[Option<i64>],
        &digests,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
