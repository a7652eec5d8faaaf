//! What weighs on the database: standbys that stay behind, connections, old transactions.

use sqlx::PgConnection;

use crate::doctor::{Finding, Patient};
use crate::platform::config::ThresholdOptions;
use crate::platform::db::DbError;

/// Connections of a replica besides those of its pool: for the feed, and one to look around with.
const CONNECTIONS_BESIDES: i64 = 2;
/// Most transactions that are named.
const NAMED_MAX: i64 = 5;

/// Finds a database that cannot be written to, standbys that are behind, and slots that nobody uses.
///
/// # Errors
///
/// The database fails.
pub async fn standby(
    connection: &mut PgConnection,
    thresholds: &ThresholdOptions,
) -> Result<Vec<Finding>, DbError> {
    let check = "database.standby";
    let is_standby = sqlx::query_scalar!(r#"SELECT pg_is_in_recovery() AS "standby!""#)
        .fetch_one(&mut *connection)
        .await?;
    if is_standby {
        let finding = Finding::fault(check, "this is a standby, which can only be read")
            .meaning("Every write is refused with UNAVAILABLE.")
            .mend("connect to the primary, or promote this one: SELECT pg_promote()");
        return Ok(vec![finding]);
    }
    let most = i64::from(thresholds.doctor_replication_mib) * 1_048_576;
    let behind = sqlx::query!(
        r#"SELECT coalesce(application_name, '') AS "name!",
                  pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))::bigint AS "bytes!"
           FROM pg_stat_replication
           WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))::bigint > $1"#,
        most,
    )
    .fetch_all(&mut *connection)
    .await?;
    let forgotten = sqlx::query!(
        r#"SELECT slot_name::text AS "name!", pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS "bytes!"
           FROM pg_replication_slots
           WHERE NOT active AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint >= $1"#,
        most,
    )
    .fetch_all(connection)
    .await?;
    let behind = behind.into_iter().map(|row| {
        Finding::warning(
            check,
            format!("the standby {} is {} MiB behind", row.name, row.bytes / 1_048_576),
        )
        .meaning(
            "A failover to it now would lose what was acknowledged, and reads from it are old.",
        )
        .mend(
            "look at its disk, its network and its log; a query that it carries out may hold it up",
        )
    });
    let forgotten = forgotten.into_iter().map(|row| {
        let what = format!(
            "nobody reads the replication slot {}, for which {} MiB of log are kept",
            row.name,
            row.bytes / 1_048_576
        );
        Finding::warning(check, what)
            .meaning("The log is kept until the disk is full.")
            .mend(format!("start its standby, or SELECT pg_drop_replication_slot('{}')", row.name))
    });
    Ok(behind.chain(forgotten).collect())
}

/// Finds too few connections.
///
/// # Errors
///
/// The database fails.
pub async fn connections(
    connection: &mut PgConnection,
    patient: &Patient,
) -> Result<Vec<Finding>, DbError> {
    let row = sqlx::query!(
        r#"SELECT current_setting('max_connections')::bigint
                  - current_setting('superuser_reserved_connections')::bigint
                  - coalesce(current_setting('reserved_connections', true)::bigint, 0) AS "server_most!",
                  (SELECT sum(numbackends) FROM pg_stat_database)::bigint AS "server_used!",
                  datconnlimit::bigint AS "database_most!",
                  (SELECT numbackends FROM pg_stat_database WHERE datid = oid)::bigint AS "database_used!"
           FROM pg_database WHERE datname = current_database()"#
    )
    .fetch_one(connection)
    .await?;
    let wanted = i64::from(patient.database_connections) + CONNECTIONS_BESIDES;
    let percent = i64::from(patient.thresholds.doctor_connections_percent);
    let server = (
        "PostgreSQL",
        row.server_most,
        row.server_used,
        "raise max_connections and restart PostgreSQL",
    );
    let database = (
        "the database",
        row.database_most,
        row.database_used,
        "ALTER DATABASE … CONNECTION LIMIT …",
    );
    let mut findings = Vec::new();
    // Without a limit of its own a database has -1.
    for (who, most, used, raise) in
        [server, database].into_iter().filter(|(_, most, ..)| *most >= 0)
    {
        let finding = |what| Finding::warning("database.connections", what);
        if wanted > most {
            let what = format!("{who} takes {most} connections, and one replica may want {wanted}");
            let finding = finding(what)
                .meaning("Under load calls wait for a connection and end with UNAVAILABLE after ten seconds.")
                .mend(format!("{raise}, or lower PESHUB_DATABASE_CONNECTIONS"));
            findings.push(finding);
        } else if used * 100 > most * percent {
            let finding = finding(format!("{used} of the {most} connections that {who} takes are in use"))
                .meaning("When all are, replicas cannot start and calls end with UNAVAILABLE.")
                .mend(format!("{raise}, lower PESHUB_DATABASE_CONNECTIONS of the replicas, or end what else is connected"));
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// Finds transactions that are open for long, those included that were prepared and left.
///
/// # Errors
///
/// The database fails.
pub async fn transactions(
    connection: &mut PgConnection,
    thresholds: &ThresholdOptions,
) -> Result<Vec<Finding>, DbError> {
    let check = "database.transactions";
    let seconds = f64::from(thresholds.doctor_transaction_seconds);
    let meaning = "Nothing that was deleted or replaced since it began can be cleared away, in any database of the cluster; tables grow.";
    let open = sqlx::query!(
        r#"SELECT pid AS "pid!", coalesce(application_name, '') AS "application!", coalesce(usename::text, '') AS "role!",
                  coalesce(datname::text, '') AS "database!", coalesce(state, '') AS "state!",
                  extract(epoch FROM clock_timestamp() - xact_start)::bigint AS "age!"
           FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                 AND xact_start < clock_timestamp() - make_interval(secs => $1)
           ORDER BY xact_start LIMIT $2"#,
        seconds,
        NAMED_MAX,
    )
    .fetch_all(&mut *connection)
    .await?;
    let prepared = sqlx::query!(
        r#"SELECT gid AS "gid!", database::text AS "database!",
                  extract(epoch FROM clock_timestamp() - prepared)::bigint AS "age!"
           FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - make_interval(secs => $1)
           ORDER BY prepared LIMIT $2"#,
        seconds,
        NAMED_MAX,
    )
    .fetch_all(connection)
    .await?;
    let open = open.into_iter().map(|row| {
        let what = format!(
            "process {} (application {:?}, role {}, database {}) has had a transaction open for {} s; it is {}",
            row.pid, row.application, row.role, row.database, row.age, row.state
        );
        let remedy = format!("end what it does, or SELECT pg_terminate_backend({}); idle_in_transaction_session_timeout keeps it from coming back", row.pid);
        Finding::warning(check, what).meaning(meaning).mend(remedy)
    });
    let prepared = prepared.into_iter().map(|row| {
        let what = format!(
            "the transaction {:?} of the database {} was prepared {} s ago and never ended",
            row.gid, row.database, row.age
        );
        Finding::warning(check, what)
            .meaning(meaning)
            .mend(format!("ROLLBACK PREPARED '{}', or COMMIT PREPARED, in that database", row.gid))
    });
    Ok(open.chain(prepared).collect())
}
