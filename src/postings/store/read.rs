//! Reading postings. Lists with optional criteria are the one place for assembled SQL; values are always bound.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use time::OffsetDateTime;

use crate::kernel::ids::PostingId;
use crate::platform::db::{DbError, ReadTx, SnapshotTx};
use crate::platform::feed::event::FacetFilter;

/// A stored record: the header and the content, both encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub id: PostingId,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
    /// The record without its content.
    pub header: Bytes,
    /// The content.
    pub body: Bytes,
}

/// How a posting is named in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// By the hub's number.
    Id(PostingId),
    /// By its source's name and own id.
    External(String, String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "postings/{id}"),
            Self::External(source, id) => write!(f, "sources/{source}/{id}"),
        }
    }
}

/// Returns a posting within the permit's scope.
///
/// # Errors
///
/// The database fails.
pub async fn one(tx: &mut ReadTx, key: &Key) -> Result<Option<Stored>, DbError> {
    let scope = tx.permit().scope().tokens().to_vec();
    let (id, source, external_id) = match key {
        Key::Id(id) => (Some(id.0), None, None),
        Key::External(source, external_id) => {
            (None, Some(source.as_str()), Some(external_id.as_str()))
        }
    };
    let row = sqlx::query!(
        r#"SELECT p.posting_id AS "posting_id!", p.updated_at AS "updated_at!",
                  coalesce(c.header, kept.header) AS "header!", coalesce(b.body, kept.body) AS "body!"
           FROM posting p
           LEFT JOIN change_log c ON c.id = p.change_id
           LEFT JOIN change_log b ON b.id = p.body_id
           LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
           WHERE p.facets && $4
             AND (p.posting_id = $1
                  OR (p.source_id = (SELECT source_id FROM source WHERE name = $2) AND p.external_id = $3))"#,
        id,
        source,
        external_id,
        &scope,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Stored {
        id: PostingId(row.posting_id),
        updated_at: row.updated_at,
        header: row.header.into(),
        body: row.body.into(),
    }))
}

/// Returns the content of a posting that the caller is known to be allowed to see.
///
/// # Errors
///
/// The database fails.
pub async fn body(tx: &mut ReadTx, id: PostingId) -> Result<Option<Bytes>, DbError> {
    let body = sqlx::query_scalar!(
        r#"SELECT coalesce(b.body, kept.body) AS body FROM posting p
           LEFT JOIN change_log b ON b.id = p.body_id
           LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
           WHERE p.posting_id = $1"#,
        id.0,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(body.flatten().map(Bytes::from))
}

/// Which postings a list returns.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Groups of facet tokens, scope included.
    pub facets: FacetFilter,
    /// Lowest pay a month in minor units.
    pub pay_min: Option<i64>,
    /// Highest pay a month in minor units.
    pub pay_max: Option<i64>,
    /// Currency of the pay limits.
    pub pay_currency: String,
    /// Text in title or employer's name.
    pub text: String,
    /// Changed since.
    pub updated_since: Option<OffsetDateTime>,
    /// Newest change first, instead of by number.
    pub newest_first: bool,
    /// Where the page begins: after this posting.
    pub after: Option<(OffsetDateTime, PostingId)>,
    /// Most rows.
    pub limit: i64,
}

/// Returns a page of postings.
///
/// # Errors
///
/// The database fails.
pub async fn list(tx: &mut ReadTx, criteria: &Criteria) -> Result<Vec<Stored>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT p.posting_id, p.updated_at, coalesce(c.header, kept.header) AS header,
                coalesce(b.body, kept.body) AS body
         FROM (SELECT posting_id, change_id, body_id, updated_at FROM posting WHERE true",
    );
    push_criteria(&mut query, criteria);
    let order = if criteria.newest_first {
        " ORDER BY updated_at DESC, posting_id DESC LIMIT "
    } else {
        " ORDER BY posting_id LIMIT "
    };
    query.push(order).push_bind(criteria.limit);
    query.push(
        ") AS p LEFT JOIN change_log c ON c.id = p.change_id
           LEFT JOIN change_log b ON b.id = p.body_id
           LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id",
    );
    let order = if criteria.newest_first {
        " ORDER BY p.updated_at DESC, p.posting_id DESC"
    } else {
        " ORDER BY p.posting_id"
    };
    query.push(order);
    let rows = query.build().fetch_all(tx.connection()).await?;
    rows.iter().map(stored).collect()
}

fn push_criteria(query: &mut QueryBuilder<Postgres>, criteria: &Criteria) {
    for group in criteria.facets.groups() {
        query.push(" AND facets && ").push_bind(group.clone());
    }
    if criteria.pay_min.is_some() || criteria.pay_max.is_some() {
        query.push(" AND pay_currency = ").push_bind(criteria.pay_currency.clone());
    }
    if let Some(least) = criteria.pay_min {
        query.push(" AND coalesce(pay_month_minor_max, pay_month_minor_min) >= ").push_bind(least);
    }
    if let Some(most) = criteria.pay_max {
        query.push(" AND coalesce(pay_month_minor_min, pay_month_minor_max) <= ").push_bind(most);
    }
    if !criteria.text.is_empty() {
        query.push(" AND position(").push_bind(criteria.text.to_lowercase());
        query.push(" IN search_text) > 0");
    }
    if let Some(since) = criteria.updated_since {
        query.push(" AND updated_at >= ").push_bind(since);
    }
    match criteria.after {
        Some((at, id)) if criteria.newest_first => {
            query.push(" AND (updated_at, posting_id) < (").push_bind(at);
            query.push(", ").push_bind(id.0).push(")");
        }
        Some((_, id)) => {
            query.push(" AND posting_id > ").push_bind(id.0);
        }
        None => {}
    }
}

fn stored(row: &sqlx::postgres::PgRow) -> Result<Stored, DbError> {
    Ok(Stored {
        id: PostingId(row.try_get("posting_id")?),
        updated_at: row.try_get("updated_at")?,
        header: row.try_get::<Vec<u8>, _>("header")?.into(),
        body: row.try_get::<Vec<u8>, _>("body")?.into(),
    })
}

/// Opens the snapshot of what a filter matches, in the state that the transaction sees.
///
/// # Errors
///
/// The database fails.
pub async fn open_snapshot(tx: &mut SnapshotTx, filter: &FacetFilter) -> Result<(), DbError> {
    // A reader may take its time between two pages; it has half an hour in all.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '30min'")
        .execute(tx.connection())
        .await?;
    let mut query = QueryBuilder::<Postgres>::new(
        "DECLARE snapshot NO SCROLL CURSOR FOR
         SELECT posting_id, change_id, body_id FROM posting WHERE true",
    );
    let criteria = Criteria { facets: filter.clone(), ..Criteria::default() };
    push_criteria(&mut query, &criteria);
    query.build().execute(tx.connection()).await?;
    Ok(())
}

/// Returns the next page of the snapshot; empty at its end.
///
/// # Errors
///
/// The database fails.
pub async fn next_of_snapshot(tx: &mut SnapshotTx) -> Result<Vec<(Bytes, Bytes)>, DbError> {
    let heads = sqlx::query("FETCH 1000 FROM snapshot").fetch_all(tx.connection()).await?;
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let mut page = Vec::with_capacity(heads.len());
    for head in &heads {
        page.push(Head {
            posting: head.try_get(0)?,
            change: head.try_get(1)?,
            body: head.try_get(2)?,
        });
    }
    contents(tx.connection(), &page).await
}

struct Head {
    posting: i64,
    change: i64,
    body: i64,
}

/// Returns header and content of heads. Change-log rows never change, so any snapshot will do.
async fn contents(
    connection: &mut PgConnection,
    heads: &[Head],
) -> Result<Vec<(Bytes, Bytes)>, DbError> {
    // By their ids alone, so that PostgreSQL leaves the partitions without them out at once; most heads have both in one row.
    let mut ids: Vec<i64> = heads.iter().flat_map(|head| [head.change, head.body]).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = sqlx::query!("SELECT id, header, body FROM change_log WHERE id = ANY($1)", &ids)
        .fetch_all(&mut *connection)
        .await?;
    let mut rows: HashMap<i64, (Bytes, Option<Bytes>)> = rows
        .into_iter()
        .map(|row| (row.id, (row.header.into(), row.body.map(Bytes::from))))
        .collect();
    let mut found = Vec::with_capacity(heads.len());
    let mut dropped = Vec::new();
    for head in heads {
        let header = rows.get(&head.change).map(|(header, _)| header.clone());
        let body = rows.get_mut(&head.body).and_then(|(_, body)| body.take());
        match (header, body) {
            (Some(header), Some(body)) => found.push((header, body)),
            _ => dropped.push(head.posting),
        }
    }
    if !dropped.is_empty() {
        found.extend(kept(connection, &dropped).await?);
    }
    Ok(found)
}

/// Returns header and content of postings whose rows of the change log were dropped by retention.
async fn kept(
    connection: &mut PgConnection,
    posting_ids: &[i64],
) -> Result<Vec<(Bytes, Bytes)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(c.header, kept.header) AS "header!", coalesce(b.body, kept.body) AS "body!"
           FROM posting p
           LEFT JOIN change_log c ON c.id = p.change_id
           LEFT JOIN change_log b ON b.id = p.body_id
           LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
           WHERE p.posting_id = ANY($1)"#,
        posting_ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.header.into(), row.body.into())).collect())
}
