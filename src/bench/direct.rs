//! The best direct load of the same rows into the same tables: COPY into a staging table and one INSERT … SELECT a batch, each
//! batch committed, with the hub's own indexes and settings.

use bytes::{BufMut, BytesMut};
use prost::Message as _;
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;

use crate::bench::BenchError;
use crate::bench::rows::BATCH;
use crate::kernel::ids::{ParticipantId, PostingId, Revision, SourceId};
use crate::pb::peshub::postings::v1::{PostingChange, posting_change};
use crate::postings::domain::{Content, State};
use crate::postings::wire::{self, Facts};
use crate::postings::{facets, parse};

/// A batch in PostgreSQL's binary COPY format.
#[derive(Clone, Debug)]
pub struct CopyBatch {
    data: BytesMut,
    rows: usize,
}

/// Returns the rows that the hub would write for some changes, ready to be copied. None of this is part of what is measured.
///
/// # Errors
///
/// A change is not acceptable.
pub fn prepare(
    changes: &[PostingChange],
    first_id: i64,
    now: OffsetDateTime,
) -> Result<Vec<CopyBatch>, BenchError> {
    let mut batches = Vec::new();
    let mut id = first_id;
    for page in changes.chunks(BATCH) {
        let mut ordered: Vec<&PostingChange> = page.iter().collect();
        ordered.sort_unstable_by(|a, b| a.external_id.cmp(&b.external_id));
        let mut data = BytesMut::with_capacity(2 * 1024 * 1024);
        data.put_slice(b"PGCOPY\n\xff\r\n\0");
        data.put_i32(0);
        data.put_i32(0);
        for change in ordered {
            let Some(posting_change::Change::Upsert(posting)) = &change.change else { continue };
            let sent = posting.encode_to_vec();
            let (content, _) = parse::posting(&sent)
                .map_err(|findings| BenchError::Wrong(format!("a bad sample: {findings:?}")))?;
            put_row(&mut data, (PostingId(id), change), (&sent, &content), now);
            id += 1;
        }
        data.put_i16(-1);
        batches.push(CopyBatch { data, rows: page.len() });
    }
    Ok(batches)
}

fn put_row(
    data: &mut BytesMut,
    (id, change): (PostingId, &PostingChange),
    (sent, content): (&[u8], &Content),
    now: OffsetDateTime,
) {
    let header = wire::header(Facts {
        id,
        source: "platform-north",
        external_id: &change.external_id,
        revision: Revision::FIRST,
        source_revision: change.source_revision,
        created_at: now,
        updated_at: now,
        close: None,
    });
    let (source, owner) = (SourceId(1), ParticipantId(1));
    let tokens = facets::of_posting(&content.facets, source, owner, State::Open).join(" ");
    let amount = |amount: Option<i64>| amount.map(i64::to_be_bytes);
    let pay = content.pay.as_ref();
    let fields: [Option<&[u8]>; 12] = [
        Some(&id.0.to_be_bytes()),
        Some(change.external_id.as_bytes()),
        amount(change.source_revision).as_ref().map(<[u8; 8]>::as_slice),
        Some(&header),
        Some(&content.body),
        Some(tokens.as_bytes()),
        Some(wire::digest(sent).as_bytes()),
        Some(content.digest.as_bytes()),
        amount(pay.and_then(|pay| pay.min_minor)).as_ref().map(<[u8; 8]>::as_slice),
        amount(pay.and_then(|pay| pay.max_minor)).as_ref().map(<[u8; 8]>::as_slice),
        pay.map(|pay| pay.currency.as_bytes()),
        Some(content.search_text.as_bytes()),
    ]
    .map(|field| field);
    data.put_i16(12);
    for field in fields {
        match field {
            None => data.put_i32(-1),
            Some(bytes) => {
                data.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                data.put_slice(bytes);
            }
        }
    }
}

/// Loads batches.
#[derive(Debug)]
pub struct DirectLoader(PgConnection);

impl DirectLoader {
    /// Connects, and creates the staging table.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, BenchError> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query(
            "CREATE TEMPORARY TABLE staging (
                 posting_id bigint, external_id text, source_revision bigint, header bytea, body bytea, facets text,
                 sent_digest uuid, content_digest uuid, pay_min bigint, pay_max bigint, pay_currency text,
                 search_text text)",
        )
        .execute(&mut connection)
        .await?;
        Ok(Self(connection))
    }

    /// Loads one batch and commits it.
    ///
    /// # Errors
    ///
    /// A statement fails.
    pub async fn load(&mut self, batch: &CopyBatch) -> Result<usize, BenchError> {
        let mut tx = self.0.begin().await?;
        let mut copy = tx.copy_in_raw("COPY staging FROM STDIN (FORMAT binary)").await?;
        copy.send(batch.data.as_ref()).await?;
        copy.finish().await?;
        sqlx::query(
            "WITH input AS MATERIALIZED (
                 SELECT nextval('change_log_id_seq') AS change_id, string_to_array(facets, ' ') AS tokens, staging.*
                 FROM staging
             ), logged AS (
                 INSERT INTO change_log (id, at, topic, entity_id, revision, header, body, facets, facets_before)
                 SELECT change_id, now(), 1, posting_id, 1, header, body, tokens, '{}' FROM input
             )
             INSERT INTO posting (posting_id, source_id, external_id, state, revision, source_revision, sent_digest,
                                  content_digest, facets, change_id, body_id, created_at, updated_at,
                                  pay_month_minor_min, pay_month_minor_max, pay_currency, search_text)
             SELECT posting_id, 1, external_id, 1, 1, source_revision, sent_digest, content_digest, tokens,
                    change_id, change_id, now(), now(), pay_min, pay_max, pay_currency, search_text
             FROM input",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query("TRUNCATE staging").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(batch.rows)
    }
}
