//! The audit trail: what is recorded, sealed, exported and verified, and what a forger meets.

mod forged;
mod program;
pub(crate) mod receipts;
mod refusals;
mod sealing;
mod search;

use std::io::Cursor;
use std::sync::Arc;

use peshub::kernel::clock::SystemClock;
use peshub::pb::peshub::audit::v1::{
    AuditEntry, AuditFilter, AuditOrder, ExportAuditRequest, SearchAuditRequest,
};
use peshub::pb::peshub::postings::v1::{BatchUpsertPostingsRequest, BatchUpsertPostingsResponse};
use peshub::platform::audit::receipt::Receipt;
use peshub::platform::audit::seal::Sealer;
use peshub::platform::audit::verify::{self, Expectations, Failure, Report};
use peshub::platform::db::{Db, Record};
use peshub::platform::keys::Keys;
use peshub::platform::permit::Permit;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::postings::{posting, upsert};
use crate::support::{TestHub, World, story, until, within};

const NORTH: &str = "platform-north";
const AUDITOR: &str = "auditor";

/// Waits until every row has its place.
pub(crate) async fn sealed(pool: &PgPool) {
    until("a place for every entry", async || {
        let pending: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_pending")
            .fetch_one(pool)
            .await
            .expect("the trail");
        (pending == 0).then_some(())
    })
    .await;
}

/// Lets tests change rows of the trail, as the tables' owner could.
async fn lift_the_wall(pool: &PgPool) {
    sqlx::query("ALTER TABLE audit DISABLE TRIGGER audit_unchanged")
        .execute(pool)
        .await
        .expect("owner");
}

/// Sends one batch of one posting as the north platform.
async fn send(hub: &TestHub, external_id: &str, request_id: &str) -> BatchUpsertPostingsResponse {
    let request = BatchUpsertPostingsRequest {
        source: NORTH.to_owned(),
        changes: vec![upsert(external_id, posting(request_id, "440305"))],
        request_id: request_id.to_owned(),
        validate_only: false,
    };
    let mut client = hub.postings(NORTH).await;
    client.batch_upsert_postings(request).await.expect("an answer").into_inner()
}

/// Exports a part of the trail as the auditor.
async fn export_from(hub: &TestHub, from_seq: i64, until_seq: i64) -> Vec<u8> {
    let request = ExportAuditRequest { from_seq, until_seq };
    let mut client = hub.connect(AUDITOR).await.audit();
    let mut pieces = client.export_audit(request).await.expect("an export").into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = within("a piece", pieces.message()).await.expect("a piece") {
        assert!(piece.lines.ends_with(b"\n"), "whole lines");
        bytes.extend_from_slice(&piece.lines);
    }
    bytes
}

/// Exports the whole trail.
async fn export(hub: &TestHub) -> Vec<u8> {
    export_from(hub, 0, 0).await
}

fn verified(export: &[u8]) -> Result<Report, Failure> {
    verify::verify(Cursor::new(export), &Expectations::default())
}

/// Finds entries, newest first.
async fn search(hub: &TestHub, who: &str, filter: AuditFilter) -> Vec<AuditEntry> {
    let request = SearchAuditRequest {
        filter: Some(filter),
        order: AuditOrder::NewestFirst.into(),
        ..SearchAuditRequest::default()
    };
    let mut client = hub.connect(who).await.audit();
    client.search_audit(request).await.expect("an answer").into_inner().entries
}

/// A hub's trail without the hub: a database, and keys of one's own.
struct Bare {
    db: Db,
    keys: Keys,
    hub: Uuid,
    _dir: tempfile::TempDir,
}

impl Bare {
    fn new(world: &World) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Keys::open_or_create(dir.path()).expect("keys");
        let db = Db::open(world.options.clone(), 16);
        Self { db, keys, hub: Uuid::from_u128(7), _dir: dir }
    }

    fn sealer(&self) -> Sealer {
        let signer = Arc::clone(&self.keys.signer);
        Sealer::new(self.db.clone(), Arc::new(SystemClock), signer, self.hub)
    }

    /// Writes one row in a transaction of its own.
    async fn write(&self, subject: &str) {
        let tx = self.db.write(&Permit::of_hub()).await.expect("a transaction");
        tx.commit(record(subject)).await.expect("a commit");
    }

    /// Exports everything, past every hub.
    async fn export(&self) -> Vec<u8> {
        let mut tx = self.db.read(&Permit::of_hub()).await.expect("the trail");
        exported(tx.connection(), self.hub, &self.keys).await
    }
}

/// Exports everything that a database has of a hub's trail; head and end are signed with a key of the test's.
async fn exported(connection: &mut sqlx::PgConnection, hub: Uuid, keys: &Keys) -> Vec<u8> {
    use peshub::platform::audit::export::{Beginning, Exporter};
    use peshub::platform::audit::store;
    let (signer, now) = (Arc::clone(&keys.signer), now());
    store::remember_key(connection, signer.as_ref(), now).await.expect("a key");
    let keys = store::keys(connection).await.expect("keys");
    let latest = store::latest(connection).await.expect("checkpoints").expect("a checkpoint");
    let beginning = Beginning {
        first_seq: 1,
        last_seq: latest.last_seq,
        previous: None,
        keys: keys.into_iter().map(|(key, _)| key).collect(),
        at: now,
    };
    let (mut exporter, mut lines) = Exporter::begin(hub, signer, beginning).unwrap();
    for sealed in store::checkpoints(connection, 1, i64::MAX).await.expect("checkpoints") {
        let rows = store::between(connection, sealed.first_seq, sealed.last_seq).await;
        lines.push_str(&exporter.checkpoint(&rows.expect("rows"), &sealed));
    }
    lines.push_str(&exporter.end(now));
    lines.into_bytes()
}

/// Holds the trail of a database, whatever befell its hubs, against its signatures and against receipts that they gave.
pub(crate) async fn sound_trail(pool: &PgPool, receipts: Vec<Receipt>) {
    sealed(pool).await;
    let dir = tempfile::tempdir().expect("a directory");
    let keys = Keys::open_or_create(dir.path()).expect("keys");
    let mut connection = pool.acquire().await.expect("a connection");
    let hub: Vec<u8> = sqlx::query_scalar("SELECT value FROM hub_secret WHERE name = 'hub'")
        .fetch_one(&mut *connection)
        .await
        .expect("the hub's name");
    let hub = Uuid::from_slice(&hub).expect("a UUID");
    let export = exported(&mut connection, hub, &keys).await;
    let expectations = Expectations { receipts, ..Expectations::default() };
    let report = verify::verify(Cursor::new(&export), &expectations).expect("a sound trail");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM audit")
        .fetch_one(&mut *connection)
        .await
        .expect("the trail");
    assert!(report.last_seq <= rows, "{} of {rows}", report.last_seq);
}

fn now() -> time::OffsetDateTime {
    use peshub::kernel::clock::Clock as _;
    SystemClock.now()
}

fn record(subject: &str) -> Record {
    Record::new(now(), subject, "test.written")
}

#[test]
fn an_export_of_a_hub_at_work_holds_and_goes_on_where_the_one_before_ended() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..5 {
            send(&hub, "a", &format!("first-{number}")).await;
        }
        sealed(&world.pool).await;
        let first = export(&hub).await;
        let report = verified(&first).unwrap();
        assert_eq!((report.first_seq, report.missing.len()), (1, 0));
        let text = String::from_utf8(first.clone()).unwrap();
        assert_eq!(text.matches("\"event\":\"postings.synced\"").count(), 5);
        assert!(text.contains("\"participant\":\"platform-north\""), "{text}");
        // The export is itself in the trail, and the next export has it.
        for number in 0..3 {
            send(&hub, "b", &format!("second-{number}")).await;
        }
        sealed(&world.pool).await;
        let second = export_from(&hub, report.last_seq + 1, 0).await;
        let follows = report.last_checkpoint.clone();
        let expectations = Expectations { follows, ..Expectations::default() };
        let went_on = verify::verify(Cursor::new(&second), &expectations).unwrap();
        assert_eq!(went_on.first_seq, report.last_seq + 1);
        assert!(String::from_utf8(second).unwrap().contains("\"event\":\"audit.exported\""));
        // An export that leaves something out between does not go on from there.
        let later = export_from(&hub, went_on.last_seq, 0).await;
        if verified(&later).unwrap().first_seq > report.last_seq + 1 {
            let failure = verify::verify(Cursor::new(&later), &expectations).unwrap_err();
            assert!(failure.to_string().starts_with("line 1 does not go on"), "{failure}");
        }
        // A part in the middle is widened to whole checkpoints, and holds by itself.
        let part = verified(&export_from(&hub, 2, 2).await).unwrap();
        assert!(part.first_seq <= 2 && 2 <= part.last_seq);
        // Beyond the end there is nothing, and that is signed for as well.
        sealed(&world.pool).await;
        let beyond = verified(&export_from(&hub, 1_000_000, 0).await).unwrap();
        assert_eq!(beyond.last_seq, beyond.first_seq - 1);
        assert!(beyond.first_seq > went_on.last_seq);
    });
}

#[test]
fn a_hub_that_stops_leaves_nothing_without_a_checkpoint() {
    story(async |world| {
        let hub = world.hub().await;
        send(&hub, "a", "last").await;
        world.stop(&hub).await;
        let row: (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM audit_link), (SELECT count(*) FROM audit_pending)",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert!(row.0 > 0 && row.0 == row.1 && row.2 == 0, "{row:?}");
        // The next hub goes on with the same chain.
        let hub = world.hub().await;
        send(&hub, "a", "next").await;
        sealed(&world.pool).await;
        assert!(verified(&export(&hub).await).unwrap().checkpoints > 1);
    });
}
