//! What should flow: changes into the feed, entries into the audit trail's chain, held closes to a person.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::doctor::Finding;
use crate::platform::config::ThresholdOptions;
use crate::platform::db::DbError;
use crate::platform::feed::store as feed;

/// A transaction that holds the feed up.
struct Blocker {
    pid: i32,
    application: String,
    role: String,
    state: String,
    mode: String,
    /// Seconds; absent when the hub's role may not see it.
    age: Option<i64>,
}

/// Finds a feed that stands still, and who holds it up.
///
/// # Errors
///
/// The database fails.
pub async fn standing(
    connection: &mut PgConnection,
    thresholds: &ThresholdOptions,
    now: OffsetDateTime,
) -> Result<Vec<Finding>, DbError> {
    let patience = i64::from(thresholds.doctor_transaction_seconds) / 10;
    let blockers = blockers(connection).await?;
    let long: Vec<_> =
        blockers.iter().filter(|it| it.age.is_none_or(|age| age >= patience)).collect();
    let mut findings: Vec<_> = long.iter().map(|it| stalled(it)).collect();
    if blockers.iter().any(|it| it.mode == "AccessExclusiveLock") {
        // Not even a look is possible, and it would say nothing new.
        return Ok(findings);
    }
    let waiting = feed::unpositioned(connection).await?;
    let most = time::Duration::seconds(thresholds.doctor_lag_seconds.into());
    if let Some(oldest_at) = waiting.oldest_at.filter(|at| now - *at >= most) {
        let age = (now - oldest_at).whole_seconds();
        let what =
            format!("{} changes are not in the feed yet, the oldest for {age} s", waiting.count);
        let remedy = if findings.is_empty() {
            "start a replica (`peshub serve`); if one runs, its log says why it cannot give positions"
        } else {
            "end the transaction that holds the feed up, above"
        };
        let finding = Finding::fault("feed", what)
            .meaning("They are stored and safe. Watchers are not told of them, and batches are not acknowledged.")
            .mend(remedy);
        findings.push(finding);
    }
    Ok(findings)
}

fn stalled(blocker: &Blocker) -> Finding {
    let Blocker { pid, application, role, state, mode, age } = blocker;
    let age = age.map_or_else(
        || "its age hidden from all but members of pg_read_all_stats".to_owned(),
        |age| format!("{age} s old"),
    );
    let what = format!(
        "the transaction of process {pid} (application {application:?}, role {role}, {age}, {state}) holds the feed up with a {mode}"
    );
    Finding::fault("feed", what)
        .meaning("No change gets a position: watchers are told of nothing, and batches are not acknowledged.")
        .mend(format!("end what it does, or SELECT pg_terminate_backend({pid})"))
}

/// Returns whose locks keep changes from getting positions.
async fn blockers(connection: &mut PgConnection) -> Result<Vec<Blocker>, DbError> {
    let rows = sqlx::query_as!(
        Blocker,
        r#"SELECT DISTINCT ON (a.pid) a.pid AS "pid!", coalesce(a.application_name, '') AS "application!",
                  coalesce(a.usename::text, '') AS "role!", coalesce(a.state, 'in a state that is hidden') AS "state!",
                  l.mode AS "mode!", extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS age
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
           WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid()
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND CASE WHEN l.relation = to_regclass('feed_head') THEN l.mode <> 'AccessShareLock'
                          WHEN l.relation = to_regclass('feed_tick')
                          THEN l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                          WHEN l.relation = to_regclass('change_log')
                               OR l.relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('change_log'))
                          THEN l.mode = 'AccessExclusiveLock'
                          ELSE false END
           ORDER BY a.pid, l.mode"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Finds closes that wait for a person.
///
/// # Errors
///
/// The database fails.
pub async fn held(
    connection: &mut PgConnection,
    thresholds: &ThresholdOptions,
    now: OffsetDateTime,
) -> Result<Vec<Finding>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT s.name AS "source!", count(*) AS "count!", min(h.held_at) AS "oldest_at!"
           FROM held_close h JOIN source s USING (source_id) GROUP BY s.name ORDER BY min(h.held_at)"#
    )
    .fetch_all(connection)
    .await?;
    let most = time::Duration::hours(thresholds.doctor_held_hours.into());
    let old = rows.into_iter().filter(|row| now - row.oldest_at >= most);
    let findings = old.map(|row| {
        let hours = (now - row.oldest_at).whole_hours();
        let what = format!("{} closes of the source {} are held, the oldest for {hours} h", row.count, row.source);
        Finding::warning("postings.held", what)
            .meaning("The source closed more postings at once than is usual for it. They stand open until somebody says whether that was meant.")
            .mend("ask the platform; it, or an administrator, releases or discards them with ResolveHeldCloses (docs/guides/postings.md)")
    });
    Ok(findings.collect())
}

/// Finds entries of the audit trail that are in no checkpoint.
///
/// # Errors
///
/// The database fails.
pub async fn unsealed(
    connection: &mut PgConnection,
    thresholds: &ThresholdOptions,
    now: OffsetDateTime,
) -> Result<Vec<Finding>, DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(a.at) AS oldest_at FROM audit_pending p JOIN audit a USING (audit_id)"#
    )
    .fetch_one(connection)
    .await?;
    let most = time::Duration::seconds(thresholds.doctor_lag_seconds.into());
    let finding = row.oldest_at.filter(|at| now - *at >= most).map(|at| {
        let age = (now - at).whole_seconds();
        let what = format!("{} entries of the audit trail are in no checkpoint, the oldest for {age} s", row.count);
        Finding::warning("audit.sealed", what)
            .meaning("They are stored, and nothing proves yet that they were not changed since.")
            .mend("start a replica with the signing key (`peshub serve`); if one runs, its log says why it makes no checkpoint")
    });
    Ok(finding.into_iter().collect())
}
