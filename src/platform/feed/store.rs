//! The SQL of the feed's tables.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::{Connection as _, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::kernel::ids::{ParticipantId, Position};
use crate::platform::db::DbError;
use crate::platform::feed::cursor::{Cursor, CursorKey};
use crate::platform::feed::event::{Event, FacetSet, Topic};

/// The one feed of the hub, so far.
pub const FEED: i16 = 1;

/// Where the feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which life of the feed.
    pub epoch: Uuid,
    /// The last position.
    pub position: Position,
    /// The first position that is still kept.
    pub oldest: Position,
}

/// Returns where the feed stands, and whether there is something without a position.
///
/// # Errors
///
/// The database fails.
pub async fn probe(connection: &mut PgConnection) -> Result<(Head, bool), DbError> {
    // What the last tick did not see has an xid that was running then, or is later than all then known: with that, a long
    // foreign transaction costs nothing here, while "not visible in the snapshot" over all since its xmin would.
    let row = sqlx::query!(
        r#"SELECT h.seq, h.oldest_seq, h.epoch,
                  EXISTS (SELECT 1 FROM change_log c WHERE c.xid >= pg_snapshot_xmax(h.snap))
                  OR EXISTS (SELECT 1 FROM pg_snapshot_xip(h.snap) AS running(xid)
                             JOIN change_log c ON c.xid = running.xid) AS "pending!"
           FROM feed_head h WHERE h.feed = $1"#,
        FEED,
    )
    .fetch_one(connection)
    .await?;
    let head =
        Head { epoch: row.epoch, position: Position(row.seq), oldest: Position(row.oldest_seq) };
    Ok((head, row.pending))
}

/// Changes that have no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpositioned {
    /// How many.
    pub count: i64,
    /// When the oldest of them was made.
    pub oldest_at: Option<time::OffsetDateTime>,
}

/// Returns how much waits for a position.
///
/// # Errors
///
/// The database fails.
pub async fn unpositioned(connection: &mut PgConnection) -> Result<Unpositioned, DbError> {
    let found = sqlx::query_as!(
        Unpositioned,
        r#"SELECT count(*) AS "count!", min(at) AS oldest_at FROM (
               SELECT c.at FROM feed_head h JOIN change_log c ON c.xid >= pg_snapshot_xmax(h.snap) WHERE h.feed = $1
               UNION ALL
               SELECT c.at FROM feed_head h, pg_snapshot_xip(h.snap) AS running(xid)
               JOIN change_log c ON c.xid = running.xid WHERE h.feed = $1
           ) AS unseen"#,
        FEED,
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Gives positions to everything that has become visible since the last tick. Must run as a REPEATABLE READ transaction of
/// its own: READ COMMITTED would let the stored snapshot move back, and events would be positioned twice.
///
/// Returns how many events got a position; 0 also when another replica did this tick.
///
/// # Errors
///
/// The database fails.
pub async fn tick(sequencer: &mut PgConnection) -> Result<i64, DbError> {
    Ok(tick_once(sequencer).await?.map_or(0, |(count, _)| count))
}

/// Gives positions to everything that a transaction sees, which has exported its snapshot under a name. Returns the position
/// of the last of it; `None` when the feed has moved since, and the transaction must look again.
///
/// # Errors
///
/// The database fails.
pub async fn tick_at(
    sequencer: &mut PgConnection,
    snapshot: &str,
) -> Result<Option<Position>, DbError> {
    // The statement takes no parameter. The name is PostgreSQL's own, of hexadecimal digits and hyphens.
    let is_a_name = snapshot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !is_a_name {
        return Ok(None);
    }
    let mut tx = sequencer.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let mut adopt = QueryBuilder::<Postgres>::new("SET TRANSACTION SNAPSHOT '");
    adopt.push(snapshot).push("'").build().execute(&mut *tx).await?;
    let Some((_, position)) = tick_once(&mut tx).await? else { return Ok(None) };
    match tx.commit().await.map_err(DbError::from) {
        Ok(()) => Ok(Some(position)),
        Err(DbError::Contended(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Exports the snapshot of a transaction and returns its name.
///
/// # Errors
///
/// The database fails.
pub async fn export_snapshot(connection: &mut PgConnection) -> Result<String, DbError> {
    let name = sqlx::query_scalar!(r#"SELECT pg_export_snapshot() AS "name!""#)
        .fetch_one(connection)
        .await?;
    Ok(name)
}

/// Returns how many events got a position, and the last one; `None` when none did, or another replica did this tick.
async fn tick_once(connection: &mut PgConnection) -> Result<Option<(i64, Position)>, DbError> {
    let done = sqlx::query!(
        r#"WITH head AS MATERIALIZED (
               SELECT seq, snap FROM feed_head WHERE feed = $1 FOR UPDATE SKIP LOCKED
           ), fresh AS MATERIALIZED (
               SELECT id, row_number() OVER (ORDER BY id) AS rank FROM (
                   SELECT c.id FROM head, change_log c WHERE c.xid >= pg_snapshot_xmax(head.snap)
                   UNION ALL
                   SELECT c.id FROM head, pg_snapshot_xip(head.snap) AS running(xid)
                   JOIN change_log c ON c.xid = running.xid
               ) AS unseen
           ), ticked AS (
               INSERT INTO feed_tick (feed, seq_from, seq_to, ids)
               SELECT $1, head.seq + min(rank), head.seq + max(rank), range_agg(int8range(id, id, '[]'))
               FROM fresh, head GROUP BY head.seq, (rank - 1) / 1000
           )
           UPDATE feed_head SET seq = feed_head.seq + (SELECT count(*) FROM fresh),
                                snap = pg_current_snapshot()
           FROM head WHERE feed_head.feed = $1 AND EXISTS (SELECT 1 FROM fresh)
           RETURNING (SELECT count(*) FROM fresh) AS "count!", feed_head.seq"#,
        FEED,
    )
    .fetch_optional(connection)
    .await;
    match done.map_err(DbError::from) {
        Ok(row) => Ok(row.map(|row| (row.count, Position(row.seq)))),
        Err(DbError::Contended(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns at most about `limit` events after a position, in order; more when a tick ends later.
///
/// **Invariant:** the first event returned has the position after `after`, unless retention has dropped it.
///
/// # Errors
///
/// The database fails.
pub async fn read(
    connection: &mut PgConnection,
    key: &CursorKey,
    epoch: Uuid,
    after: Position,
    limit: i64,
) -> Result<Vec<Event>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT seq AS "seq!", topic AS "topic!", entity_id AS "entity_id!", at AS "at!", header AS "header!", body,
                  facets AS "facets!", facets_before, trace
           FROM (SELECT tick.seq_from - 1 + row_number() OVER (PARTITION BY tick.seq_from ORDER BY c.id) AS seq,
                        c.topic, c.entity_id, c.at, c.header, c.body, c.facets, c.facets_before, c.trace
                 FROM (SELECT seq_from, ids FROM feed_tick
                       WHERE feed = $1 AND seq_to > $2 AND seq_from <= $2 + $3
                       ORDER BY seq_to) AS tick,
                      unnest(tick.ids) AS span(ids)
                 JOIN change_log c ON c.id >= lower(span.ids) AND c.id < upper(span.ids)) AS events
           WHERE seq > $2 AND seq <= $2 + $3 ORDER BY seq"#,
        FEED,
        after.0,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let events = rows.into_iter().map(|row| {
        let position = Position(row.seq);
        let facets = |tokens: &[String]| Arc::new(FacetSet::new(tokens.iter().map(String::as_str)));
        let after = facets(&row.facets);
        Event {
            position,
            topic: Topic::of_number(row.topic),
            entity: row.entity_id,
            cursor: key.seal(Cursor { epoch, position }),
            at: row.at,
            header: Bytes::from(row.header),
            body: row.body.map(Bytes::from),
            before: row.facets_before.as_deref().map_or_else(|| Arc::clone(&after), facets),
            after,
            trace: row.trace.map(String::into_boxed_str),
        }
    });
    Ok(events.collect())
}

/// Returns how far a named consumer has come.
///
/// # Errors
///
/// The database fails.
pub async fn consumer(
    connection: &mut PgConnection,
    participant: ParticipantId,
    name: &str,
) -> Result<Option<Cursor>, DbError> {
    let row = sqlx::query!(
        "SELECT epoch, seq FROM consumer WHERE participant_id = $1 AND feed = $2 AND name = $3",
        participant.0,
        FEED,
        name,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Cursor { epoch: row.epoch, position: Position(row.seq) }))
}

/// Stores how far a named consumer has come; never moves it back within one life of the feed.
///
/// # Errors
///
/// The database fails.
pub async fn advance_consumer(
    connection: &mut PgConnection,
    participant: ParticipantId,
    name: &str,
    cursor: Cursor,
    now: time::OffsetDateTime,
) -> Result<Position, DbError> {
    let seq = sqlx::query_scalar!(
        r#"INSERT INTO consumer AS c (participant_id, name, feed, epoch, seq, acknowledged_at)
           VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (participant_id, feed, name) DO UPDATE
           SET seq = CASE WHEN c.epoch = excluded.epoch THEN greatest(c.seq, excluded.seq) ELSE excluded.seq END,
               epoch = excluded.epoch, acknowledged_at = excluded.acknowledged_at
           RETURNING seq"#,
        participant.0,
        name,
        FEED,
        cursor.epoch,
        cursor.position.0,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(Position(seq))
}

/// Returns a secret that all replicas share, and makes it if there is none yet.
///
/// # Errors
///
/// The database fails.
pub async fn shared_secret(
    connection: &mut PgConnection,
    name: &str,
    fresh: &[u8],
    now: time::OffsetDateTime,
) -> Result<Vec<u8>, DbError> {
    sqlx::query!(
        "INSERT INTO hub_secret (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        name,
        fresh,
        now,
    )
    .execute(&mut *connection)
    .await?;
    let value = sqlx::query_scalar!("SELECT value FROM hub_secret WHERE name = $1", name)
        .fetch_one(connection)
        .await?;
    Ok(value)
}

/// Creates the partitions that the next changes will need.
///
/// # Errors
///
/// The database fails.
pub async fn extend(connection: &mut PgConnection) -> Result<i32, DbError> {
    let made = sqlx::query_scalar!(r#"SELECT change_log_extend(4194304) AS "made!""#)
        .fetch_one(connection)
        .await?;
    Ok(made)
}

/// Returns whether the feed's tables were restored into another cluster, whose transaction ids mean nothing here.
///
/// # Errors
///
/// The database fails.
pub async fn is_foreign(connection: &mut PgConnection) -> Result<bool, DbError> {
    let foreign = sqlx::query_scalar!(
        r#"SELECT h.system_identifier <> c.system_identifier AS "foreign!"
           FROM feed_head h, pg_control_system() c WHERE h.feed = $1"#,
        FEED,
    )
    .fetch_one(connection)
    .await?;
    Ok(foreign)
}

/// Begins a new life of the feed after a restore into another cluster: what has no position yet gets one, and every
/// cursor of before ends with `FEED_REWOUND`.
///
/// # Errors
///
/// The database fails.
pub async fn rebase(sequencer: &mut PgConnection) -> Result<(), DbError> {
    // The spans of all ticks join to a few long ones; a look into each tick for each change would take for ever.
    sqlx::query!(
        r#"WITH head AS MATERIALIZED (SELECT seq FROM feed_head WHERE feed = $1 FOR UPDATE),
           known AS MATERIALIZED (
               SELECT range_agg(span.ids) AS ids FROM feed_tick t, unnest(t.ids) AS span(ids) WHERE t.feed = $1
           ), fresh AS MATERIALIZED (
               SELECT c.id, row_number() OVER (ORDER BY c.id) AS rank FROM change_log c
               WHERE NOT coalesce(c.id <@ (SELECT ids FROM known), false)
           ), ticked AS (
               INSERT INTO feed_tick (feed, seq_from, seq_to, ids)
               SELECT $1, head.seq + min(rank), head.seq + max(rank), range_agg(int8range(id, id, '[]'))
               FROM fresh, head GROUP BY head.seq, (rank - 1) / 1000
           )
           UPDATE feed_head SET seq = seq + (SELECT count(*) FROM fresh), snap = pg_current_snapshot(),
                                epoch = gen_random_uuid(),
                                system_identifier = (SELECT system_identifier FROM pg_control_system())
           WHERE feed = $1"#,
        FEED,
    )
    .execute(sequencer)
    .await?;
    Ok(())
}
