//! What stands in the database, past every hub.

use std::collections::{BTreeMap, BTreeSet};

use peshub::pb::peshub::postings::v1::PostingRecord;
use prost::Message as _;
use sqlx::{PgConnection, PgPool, Row as _};

/// How many rows the tables have that a write of postings touches.
pub(crate) async fn sizes(pool: &PgPool) -> BTreeMap<String, i64> {
    let rows = sqlx::query(
        "SELECT 'audit' AS name, count(*) AS rows FROM audit WHERE refusal = ''
         UNION ALL SELECT 'change_log', count(*) FROM change_log
         UNION ALL SELECT 'held_close', count(*) FROM held_close
         UNION ALL SELECT 'posting', count(*) FROM posting
         UNION ALL SELECT 'replay', count(*) FROM replay
         UNION ALL SELECT 'sync_batch', count(*) FROM sync_batch",
    )
    .fetch_all(pool)
    .await
    .expect("sizes");
    rows.iter().map(|row| (row.get("name"), row.get("rows"))).collect()
}

/// How many changes there are.
pub(crate) async fn changes(pool: &PgPool) -> i64 {
    sizes(pool).await["change_log"]
}

/// An event as the tables have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Positioned {
    pub(crate) position: i64,
    pub(crate) change: i64,
    pub(crate) entity: i64,
    pub(crate) revision: i64,
    /// The transaction that wrote it.
    pub(crate) writer: String,
    /// The transaction that gave it its position.
    pub(crate) tick: String,
}

/// All events that have a position, in the order of the positions.
pub(crate) async fn feed(pool: &PgPool) -> Vec<Positioned> {
    let rows = sqlx::query(
        "SELECT t.seq_from - 1 + row_number() OVER (PARTITION BY t.seq_from ORDER BY c.id) AS position,
                c.id, c.entity_id, c.revision, c.xid::text AS writer, t.xmin::text AS tick
         FROM feed_tick t, unnest(t.ids) AS span(ids)
         JOIN change_log c ON c.id >= lower(span.ids) AND c.id < upper(span.ids)
         ORDER BY position",
    )
    .fetch_all(pool)
    .await
    .expect("the feed");
    let event = |row: &sqlx::postgres::PgRow| Positioned {
        position: row.get("position"),
        change: row.get("id"),
        entity: row.get("entity_id"),
        revision: row.get("revision"),
        writer: row.get("writer"),
        tick: row.get("tick"),
    };
    rows.iter().map(event).collect()
}

/// Holds the feed against its rules and returns it: positions are dense from 1, every change has exactly one, an entity's
/// revisions rise with them by one, and a transaction's events come in one tick.
pub(crate) async fn sound_feed(pool: &PgPool) -> Vec<Positioned> {
    let events = feed(pool).await;
    check(&events);
    assert_eq!(events.len() as i64, changes(pool).await, "every change has a position");
    let head: i64 =
        sqlx::query_scalar("SELECT seq FROM feed_head").fetch_one(pool).await.expect("the head");
    assert_eq!(
        events.last().map_or(0, |last| last.position),
        head,
        "the head is the last position"
    );
    events
}

fn check(events: &[Positioned]) {
    let (mut revisions, mut ticks) = (BTreeMap::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.position, index as i64 + 1, "positions are dense");
        assert!(seen.insert(event.change), "change {} has two positions", event.change);
        let revision = revisions.entry(event.entity).or_insert(0);
        *revision += 1;
        assert_eq!(event.revision, *revision, "revisions of {} rise by one", event.entity);
        let tick = ticks.entry(event.writer.clone()).or_insert_with(|| event.tick.clone());
        assert_eq!(*tick, event.tick, "transaction {} is in two ticks", event.writer);
    }
}

/// Waits until everything that was committed has its position.
pub(crate) async fn settled(pool: &PgPool) {
    crate::support::until("a position for everything", async || {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM change_log) = (SELECT coalesce(sum(seq_to - seq_from + 1), 0) FROM feed_tick)",
        );
        let settled: bool = row.fetch_one(pool).await.expect("the feed").get(0);
        settled.then_some(())
    })
    .await;
}

/// Every posting of the table as the contract has it, by name.
pub(crate) async fn postings(connection: &mut PgConnection) -> BTreeMap<String, PostingRecord> {
    let rows = sqlx::query(
        "SELECT p.posting_id, p.state, p.revision, coalesce(c.header, kept.header) AS header,
                coalesce(b.body, kept.body) AS body
         FROM posting p LEFT JOIN change_log c ON c.id = p.change_id
         LEFT JOIN change_log b ON b.id = p.body_id
         LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id",
    )
    .fetch_all(connection)
    .await
    .expect("postings");
    let record = |row: &sqlx::postgres::PgRow| {
        let bytes = peshub::postings::wire::record(row.get("header"), Some(row.get("body")));
        let record = PostingRecord::decode(bytes).expect("a stored record");
        assert_eq!(record.name, format!("postings/{}", row.get::<i64, _>("posting_id")));
        assert_eq!(record.state, i32::from(row.get::<i16, _>("state")));
        assert_eq!(record.revision, row.get::<i64, _>("revision"));
        (record.name.clone(), record)
    };
    rows.iter().map(record).collect()
}

/// A posting as it stood at some position.
#[derive(Clone, Debug)]
pub(crate) struct Stood {
    pub(crate) record: PostingRecord,
    pub(crate) facets: Vec<String>,
}

/// Every posting as it stood at a position, by name: the log is replayed up to there.
pub(crate) async fn at(pool: &PgPool, position: i64) -> BTreeMap<String, Stood> {
    let rows = sqlx::query(
        "SELECT * FROM (
             SELECT t.seq_from - 1 + row_number() OVER (PARTITION BY t.seq_from ORDER BY c.id) AS position,
                    c.entity_id, c.header, c.body, c.facets
             FROM feed_tick t, unnest(t.ids) AS span(ids)
             JOIN change_log c ON c.id >= lower(span.ids) AND c.id < upper(span.ids)) AS log
         WHERE position <= $1 ORDER BY position",
    )
    .bind(position)
    .fetch_all(pool)
    .await
    .expect("the log");
    let mut bodies: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    let mut stood = BTreeMap::new();
    for row in rows {
        let entity: i64 = row.get("entity_id");
        if let Some(body) = row.get("body") {
            bodies.insert(entity, body);
        }
        let bytes = peshub::postings::wire::record(row.get("header"), Some(&bodies[&entity]));
        let record = PostingRecord::decode(bytes).expect("a stored record");
        stood.insert(record.name.clone(), Stood { record, facets: row.get("facets") });
    }
    stood
}

/// Holds the table against what the authors of some sources expect.
pub(crate) async fn holds(
    pool: &PgPool,
    authors: &[(&str, &BTreeMap<String, crate::support::author::Expected>)],
) {
    let mut connection = pool.acquire().await.expect("a connection");
    let stored = postings(&mut connection).await;
    let mut by_key = BTreeMap::new();
    for record in stored.values() {
        let key = record.key.clone().expect("a key");
        let posting = record.posting.clone().expect("content");
        let division = posting.workplaces[0].division.clone().expect("a division").code;
        let what = (posting.title, division, record.state(), record.revision);
        by_key.insert((key.source, key.external_id), what);
    }
    let mut expected = BTreeMap::new();
    for (source, author) in authors {
        for (id, it) in *author {
            let what = (it.title.clone(), it.division.to_owned(), it.state, it.revision);
            expected.insert(((*source).to_owned(), id.clone()), what);
        }
    }
    assert_eq!(by_key, expected, "what is stored is what was acknowledged");
}
