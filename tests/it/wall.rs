//! The second wall: what the database itself keeps from a participant, whatever a query asks for.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::postings::{posting, upsert};
use crate::support::{World, story};
use peshub::pb::peshub::postings::v1::BatchUpsertPostingsRequest;

const NORTH: &str = "platform-north";

/// Connects as the hub's role and says for whom a transaction is, as the hub does; nothing when `who` is empty.
async fn wall(world: &World, actor: &str, who: &str) -> PgConnection {
    let mut connection = PgConnection::connect_with(&world.options).await.unwrap();
    let participant: i64 =
        sqlx::query_scalar("SELECT participant_id FROM participant WHERE name = $1")
            .bind(if who.is_empty() { NORTH } else { who })
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let tokens: Vec<String> = sqlx::query_scalar(
        "SELECT 'd:' || token FROM participant_division WHERE participant_id = $1",
    )
    .bind(participant)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let scope = [tokens, vec![format!("p:{participant}")]].concat().join(",");
    let (participant, scope) = if who.is_empty() {
        (String::new(), String::new())
    } else {
        (participant.to_string(), scope)
    };
    let scope = if scope.is_empty() { String::new() } else { format!("{{{scope}}}") };
    let role = if actor == "hub" { "NONE" } else { "peshub_participant" };
    let say = format!(
        "SET ROLE {role}; SET peshub.actor = '{actor}'; SET peshub.participant = '{participant}'; SET peshub.scope = '{scope}'"
    );
    sqlx::raw_sql(AssertSqlSafe(say)).execute(&mut connection).await.unwrap();
    connection
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await.unwrap()
}

/// One posting of the north platform in Shenzhen, sent by a lane of its own, and a consumer and an answer of its.
async fn furnish(world: &World) {
    let hub = world.hub().await;
    let request = BatchUpsertPostingsRequest {
        source: NORTH.to_owned(),
        changes: vec![upsert("w1", posting("Welder", "440305"))],
        request_id: "wall".to_owned(),
        validate_only: false,
    };
    hub.postings(NORTH).await.batch_upsert_postings(request).await.unwrap();
    for statement in [
        "INSERT INTO consumer SELECT participant_id, 'c', 1, gen_random_uuid(), 1, now() FROM participant WHERE name = 'platform-north'",
        "INSERT INTO held_close SELECT posting_id, source_id, 'w1', 1, now(), 1, now() FROM posting",
        "INSERT INTO lane_close_hour SELECT lane_id, date_trunc('hour', now()), 1 FROM sync_lane",
        "INSERT INTO sync_batch SELECT lane_id, 1, '\\x00', '\\x00', now() FROM sync_lane",
        "INSERT INTO consent (consent_id, recipient_id, recorded_by, terms, evidence, until, recorded_at)
         SELECT gen_random_uuid(), participant_id, participant_id, '', '', now(), now() FROM participant WHERE name = 'platform-north'",
        "INSERT INTO presentation_request SELECT decode(repeat('00', 32), 'hex'), recipient_id, consent_id, now() FROM consent",
        "INSERT INTO issuer (name, identifier, display_name, registered_by, profile, discovers_keys, created_at, revision)
         SELECT 'wall', 'https://wall.example', 'Wall', participant_id, 1, false, now(), 1 FROM participant WHERE name = 'bureau-nation'",
        "INSERT INTO status_list (uri, issuer_id, bits, created_at)
         SELECT 'https://wall.example/1', issuer_id, 2, now() FROM issuer WHERE name = 'wall'",
        "INSERT INTO credential_follow SELECT l.list_id, 1, p.participant_id, 'h', '\\x00', now() + interval '1 day'
         FROM status_list l, participant p WHERE p.name = 'platform-north' AND l.uri = 'https://wall.example/1'",
        "INSERT INTO issuer_status_place (issuer_id) SELECT issuer_id FROM issuer WHERE name = 'wall'",
        "INSERT INTO status_list_version SELECT list_id, 1, '\\x00', 2, now() FROM status_list",
        "INSERT INTO credential_type (name, version, vct, participant_id, content, created_at, revision)
         SELECT 'wall', 1, 'https://wall.example/type', participant_id, '', now(), 1 FROM participant WHERE name = 'bureau-nation'",
        "INSERT INTO issuer_key (issuer_id, key_id, algorithm, public_jwk, holding, use, valid_from, added_at, revision)
         SELECT issuer_id, 'k', 1, '{}', 2, 1, now(), now(), 1 FROM issuer WHERE name = 'wall'",
        "INSERT INTO credential (credential_id, participant_id, issuer_id, type_id, issuer_key_id, digest, issued_at, list_id, idx,
                                 deposited, registered_at)
         SELECT gen_random_uuid(), p.participant_id, k.issuer_id, t.type_id, k.issuer_key_id, decode(repeat('00', 32), 'hex'), now(),
                l.list_id, 1, false, now()
         FROM participant p, issuer_key k, credential_type t, status_list l
         WHERE p.name = 'platform-north' AND k.key_id = 'k' AND t.name = 'wall' AND l.uri = 'https://wall.example/1'",
        "INSERT INTO credential_status_change (credential_id, status, reason, at) SELECT credential_id, 1, 1, now() FROM credential",
        "INSERT INTO status_reservation SELECT l.list_id, 2, p.participant_id, now() FROM status_list l, participant p
         WHERE p.name = 'platform-north' AND l.uri = 'https://wall.example/1'",
        "INSERT INTO population (participant_id, name, purpose, created_at)
         SELECT participant_id, 'wall', 'wall', now() FROM participant WHERE name = 'platform-north'",
        "INSERT INTO population_subject (population_id, employer, division, revision, sealed)
         SELECT population_id, gen_random_uuid(), '440305', 1, '\\x00' FROM population",
        "INSERT INTO subject_standing SELECT subject_id, '\\x00' FROM population_subject",
        "INSERT INTO sweep (sweep_id, population_id, state, content, to_revision, done_to, last_subject, started_at)
         SELECT gen_random_uuid(), population_id, 2, '\\x00', 1, 0, 0, now() FROM population",
        "INSERT INTO programme (name, participant_id, created_at)
         SELECT 'wall', participant_id, now() FROM participant WHERE name = 'bureau-nation'",
        "INSERT INTO population_swept SELECT population_id, programme_id, 1, 1, now(), false FROM population, programme",
        "INSERT INTO application (application_id, state, programme, edition, bureau_id, platform_id, sealed, determination, determined_on,
                                  filed_on, amount, currency, proactive, submitted_at, changed_at)
         SELECT gen_random_uuid(), 1, 'wall', 1, b.participant_id, p.participant_id, '', '', now(), now(), 0, 'CNY', false, now(), now()
         FROM participant b, participant p WHERE b.name = 'bureau-nation' AND p.name = 'platform-north'",
        "INSERT INTO claim SELECT application_id, platform_id, application_id, application_id, daterange(NULL, NULL), NULL FROM application",
        "INSERT INTO decision (decision_id, application_id, bureau_id, record, receipt, sealed, decided_at)
         SELECT gen_random_uuid(), application_id, bureau_id, '', '', '', now() FROM application",
        "INSERT INTO application_credential SELECT application_id, 'f', 1, 1, gen_random_uuid() FROM application",
        "INSERT INTO system_token SELECT decode(repeat('00', 32), 'hex'), system_id, now() FROM participant_system LIMIT 1",
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&world.pool).await.unwrap();
    }
}

/// What is a participant's own, and nobody else's but the hub's.
const OWN: [&str; 22] = [
    "application",
    "application_credential",
    "change_log",
    "claim",
    "consent",
    "consumer",
    "credential",
    "credential_follow",
    "credential_status_change",
    "decision",
    "held_close",
    "lane_close_hour",
    "population",
    "population_subject",
    "population_swept",
    "presentation_request",
    "replay",
    "status_reservation",
    "subject_standing",
    "sweep",
    "sync_batch",
    "sync_lane",
];

#[test]
fn the_database_keeps_from_each_what_is_not_theirs() {
    story(async |world| {
        furnish(world).await;
        let mut hub = wall(world, "hub", "").await;
        let mut owner = wall(world, "participant", NORTH).await;
        let mut other = wall(world, "participant", "platform-south").await;
        let mut bureau = wall(world, "participant", "bureau-shenzhen").await;
        let mut elsewhere = wall(world, "participant", "bureau-zhejiang").await;
        let mut nobody = wall(world, "", "").await;
        for table in OWN {
            assert!(count(&mut hub, table).await > 0, "{table} is not furnished");
            assert!(count(&mut owner, table).await > 0, "{table} is kept from its owner");
            for (who, connection) in
                [("other", &mut other), ("elsewhere", &mut elsewhere), ("nobody", &mut nobody)]
            {
                assert_eq!(count(connection, table).await, 0, "{table} is shown to {who}");
            }
        }
        assert_eq!(count(&mut bureau, "change_log").await, 1, "a bureau sees its division");
        assert_eq!(count(&mut bureau, "sync_lane").await, 0);
        for table in ["hub_secret", "system_token"] {
            assert!(count(&mut hub, table).await > 0, "{table} is not furnished");
            for connection in [&mut owner, &mut other, &mut nobody] {
                assert_eq!(count(connection, table).await, 0, "{table}");
            }
        }
        let mut auditor = wall(world, "auditor", "auditor").await;
        let all = count(&mut hub, "audit").await;
        assert_eq!(count(&mut auditor, "audit").await, all);
        let own = count(&mut owner, "audit").await;
        assert!(0 < own && own < all, "{own} of {all}");
    });
}

/// Does something that must change nothing: it is refused, or finds nothing to change.
async fn changes_nothing(connection: &mut PgConnection, statement: &'static str) {
    match sqlx::query(statement).execute(connection).await {
        Ok(done) => assert_eq!(done.rows_affected(), 0, "{statement}"),
        Err(error) => {
            let error = error.to_string();
            let by_the_wall = ["row-level security", "never changed", "permission denied"];
            assert!(by_the_wall.iter().any(|words| error.contains(words)), "{statement}: {error}");
        }
    }
}

#[test]
fn the_database_lets_nobody_change_what_is_anothers_and_nobody_at_all_the_trail() {
    story(async |world| {
        furnish(world).await;
        let mut other = wall(world, "participant", "platform-south").await;
        for statement in [
            "UPDATE posting SET state = 2",
            "DELETE FROM posting",
            "UPDATE change_log SET revision = 7",
            "DELETE FROM change_log",
            "DELETE FROM held_close",
            "UPDATE sync_lane SET last_batch_id = 99",
            "UPDATE consumer SET seq = 0",
            "UPDATE consent SET withdrawn_at = now()",
            "DELETE FROM consent",
            "UPDATE presentation_request SET used_at = NULL",
            "DELETE FROM credential_follow",
            "UPDATE credential_follow SET until = now()",
            "INSERT INTO credential_follow SELECT l.list_id, 1, p.participant_id, 'planted', '\\x00', now()
             FROM status_list l, participant p WHERE p.name = 'platform-north'",
            "UPDATE credential SET status = 1",
            "DELETE FROM credential",
            "INSERT INTO credential (credential_id, participant_id, issuer_id, type_id, issuer_key_id, digest, issued_at, deposited,
                                     registered_at)
             SELECT gen_random_uuid(), p.participant_id, k.issuer_id, t.type_id, k.issuer_key_id, decode(repeat('11', 32), 'hex'),
                    now(), false, now()
             FROM participant p, issuer_key k, credential_type t WHERE p.name = 'platform-north'",
            "UPDATE credential_status_change SET status = 1",
            "DELETE FROM credential_status_change",
            "DELETE FROM status_reservation",
            "UPDATE status_reservation SET idx = 3",
            "INSERT INTO status_reservation SELECT l.list_id, 3, p.participant_id, now() FROM status_list l, participant p
             WHERE p.name = 'platform-north'",
            "UPDATE status_list SET entries = NULL",
            "DELETE FROM status_list",
            "INSERT INTO status_list (uri, issuer_id, bits, created_at)
             SELECT 'https://wall.example/2', issuer_id, 2, now() FROM issuer LIMIT 1",
            "UPDATE status_list_version SET version = 2",
            "DELETE FROM status_list_version",
            "UPDATE issuer_status_place SET next = 0",
            "DELETE FROM issuer_status_place",
            "DELETE FROM status_pending",
            "UPDATE application SET state = 5",
            "DELETE FROM claim",
            "DELETE FROM application_credential",
            "UPDATE decision SET record = ''",
            "INSERT INTO consent (consent_id, recipient_id, recorded_by, terms, evidence, until, recorded_at)
             SELECT gen_random_uuid(), participant_id, participant_id, '', '', now(), now() FROM participant
             WHERE name = 'platform-north'",
            "UPDATE source SET name = 'mine'",
            "INSERT INTO source (participant_id, name, created_at) SELECT participant_id, 'planted', now()
             FROM participant WHERE name = 'platform-north'",
            "INSERT INTO change_log SELECT nextval('change_log_id_seq'), pg_current_xact_id(), now(), 1, 1, 9, '', '',
             ARRAY['p:1'], NULL",
        ] {
            changes_nothing(&mut other, statement).await;
        }
        let mut hub = wall(world, "hub", "").await;
        for statement in ["UPDATE audit SET subject = 'else'", "DELETE FROM audit"] {
            changes_nothing(&mut hub, statement).await;
        }
        // The statements would do something: the owner's own does.
        let mut owner = wall(world, "participant", NORTH).await;
        let done =
            sqlx::query("UPDATE sync_lane SET last_batch_id = last_batch_id").execute(&mut owner);
        assert_eq!(done.await.unwrap().rows_affected(), 1);
        for statement in [
            "UPDATE posting SET state = state",
            "UPDATE credential SET status = status",
            "UPDATE credential_follow SET until = until",
            "UPDATE status_reservation SET idx = idx",
        ] {
            let done = sqlx::query(statement).execute(&mut owner).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{statement}");
        }
        // What is the hub's work is not even the owner's.
        for statement in [
            "UPDATE status_list SET entries = NULL",
            "UPDATE issuer_status_place SET next = 0",
            "DELETE FROM status_list_version",
        ] {
            changes_nothing(&mut owner, statement).await;
            let done = sqlx::query(statement).execute(&mut hub).await.unwrap();
            assert!(done.rows_affected() > 0, "{statement}");
        }
    });
}

#[test]
fn every_table_says_who_may_reach_it() {
    // Tables without row-level security are listed here with why.
    const OPEN: [&str; 21] = [
        "_sqlx_migrations",
        // The trust registry and the status lists are public knowledge; grants say that nobody overwrites the registry.
        "accreditation",
        "audit_checkpoint",
        "audit_link",
        "audit_pending",
        "credential_epoch",
        "credential_type",
        "feed_head",
        "feed_tick",
        "issuer",
        "issuer_key",
        "issuer_status_place",
        "participant",
        "participant_division",
        "participant_quota",
        "participant_system",
        "programme_epoch",
        "signing_key",
        "status_list",
        "status_list_version",
        "status_signer",
    ];
    story(async |world| {
        let tables: Vec<(String, bool)> = sqlx::query_as(
            "SELECT relname::text, relrowsecurity FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
        )
        .fetch_all(&world.pool)
        .await
        .unwrap();
        for (table, walled) in tables {
            // Workers' tables hold nothing that can be read without a key, and are found by no participant's name.
            const SEALED: [&str; 4] = ["worker", "worker_key", "worker_index", "worker_index_key"];
            let expected = !OPEN.contains(&table.as_str()) && !SEALED.contains(&table.as_str());
            assert_eq!(walled, expected, "{table}");
        }
    });
}
