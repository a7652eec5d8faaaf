//! The database itself: how it is set, what schema it has, what time it is there.

use sqlx::PgConnection;

use crate::doctor::{Finding, Patient};
use crate::platform::checks;
use crate::platform::db::DbError;
use crate::platform::db::schema::{self, State};
use crate::platform::feed::store as feed;

/// The check that there is a database at all.
pub const REACHED: &str = "database.reached";
/// Oldest PostgreSQL that the hub works with, as PostgreSQL counts.
const VERSION_MIN: i32 = 150_000;

/// Finds settings that would lose acknowledged changes.
///
/// # Errors
///
/// The database fails.
pub async fn settings(connection: &mut PgConnection) -> Result<Vec<Finding>, DbError> {
    let found = checks::unsafe_settings(connection).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let names = sqlx::query!(
        r#"SELECT current_database()::text AS "database!", current_user::text AS "role!""#
    )
    .fetch_one(connection)
    .await?;
    let (database, role) = (names.database, names.role);
    let findings = found.into_iter().map(|it| {
        let name = &it.name;
        let remedy = match it.source.as_str() {
            "database" => format!("ALTER DATABASE \"{database}\" RESET {name}; then restart the hub"),
            "user" => format!("ALTER ROLE \"{role}\" RESET {name}; then restart the hub"),
            "database user" => format!("ALTER ROLE \"{role}\" IN DATABASE \"{database}\" RESET {name}; then restart the hub"),
            "command line" => format!("start PostgreSQL without {name}=off on its command line"),
            "client" => format!("take {name} out of the options of PESHUB_DATABASE_URL"),
            _ => format!("ALTER SYSTEM SET {name} = {}; SELECT pg_reload_conf();", it.wanted),
        };
        let meaning = match name.as_str() {
            "fsync" => "A crash of the machine destroys the database. The hub does not start.",
            "full_page_writes" => "A page that was half written when the power went cannot be repaired. The hub does not start.",
            _ => "A change is acknowledged before it is on disk, and may be lost. The hub does not start.",
        };
        Finding::fault("database.settings", format!("{name} is {} ({})", it.value, it.source))
            .meaning(meaning)
            .mend(remedy)
    });
    Ok(findings.collect())
}

/// Finds a PostgreSQL that is too old.
///
/// # Errors
///
/// The database fails.
pub async fn version(connection: &mut PgConnection) -> Result<Vec<Finding>, DbError> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version') AS "name!", current_setting('server_version_num')::integer AS "number!""#
    )
    .fetch_one(connection)
    .await?;
    let finding = (row.number < VERSION_MIN).then(|| {
        Finding::fault("database.version", format!("PostgreSQL is {}", row.name))
            .meaning("The hub's statements need 15 or later.")
            .mend("upgrade PostgreSQL, with pg_upgrade or pg_dump")
    });
    Ok(finding.into_iter().collect())
}

/// Finds clocks that differ. The time that the question took is not held against either.
///
/// # Errors
///
/// The database fails.
pub async fn clock(
    connection: &mut PgConnection,
    patient: &Patient,
) -> Result<Vec<Finding>, DbError> {
    let before = patient.clock.now();
    let there =
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(connection).await?;
    let after = patient.clock.now();
    let (ahead, behind) = (there - after, before - there);
    let (skew, how) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let most = time::Duration::seconds(patient.thresholds.doctor_clock_seconds.into());
    let finding = (skew > most).then(|| {
        let what = format!("the database's clock is {} s {how} this machine's", skew.whole_seconds());
        Finding::warning("database.clock", what)
            .meaning("Certificates, tokens and consents count from and until other times than they say, and logs cannot be put side by side.")
            .mend("synchronise both machines, with chrony or systemd-timesyncd; `timedatectl` says whether one is")
    });
    Ok(finding.into_iter().collect())
}

/// Finds a schema that is older or newer than this binary, and returns whether the hub can work with it.
///
/// # Errors
///
/// The database fails.
pub async fn schema(connection: &mut PgConnection) -> Result<(bool, Vec<Finding>), DbError> {
    let check = "database.schema";
    let schema = schema::read(connection).await?;
    let mut findings = Vec::new();
    let lack = schema.lack();
    if let Some(lack) = &lack {
        let finding =
            Finding::fault(check, format!("the schema is older than this binary: it lacks {lack}"))
                .meaning("The hub waits for it and is not ready.")
                .mend("peshub migrate up; `peshub migrate up --plan` says what that does");
        findings.push(finding);
    }
    for step in schema.steps_that_are(State::Changed) {
        let finding = Finding::fault(check, format!("the step {step} is not the one of this binary"))
            .meaning("The schema was made by a binary that was never released, and `peshub migrate up` refuses.")
            .mend("install the release that made it, or restore a backup of a released schema");
        findings.push(finding);
    }
    if let Some((version, name)) = schema.newer.last_key_value() {
        let count = schema.newer.len();
        let what = format!(
            "the schema is newer than this binary: {count} more steps, the last {version:04} {name}"
        );
        let finding = Finding::warning(check, what)
            .meaning("That is as it should be during an upgrade, and after a step back. For long, it is a replica that was forgotten.")
            .mend("upgrade this replica");
        findings.push(finding);
    }
    Ok((lack.is_none(), findings))
}

/// Finds a role that cannot work, and a feed from elsewhere.
///
/// # Errors
///
/// The database fails.
pub async fn role(connection: &mut PgConnection) -> Result<Vec<Finding>, DbError> {
    let mut findings = Vec::new();
    if let Some(role) = checks::role_without_wall(connection).await? {
        let finding = Finding::fault("database.role", format!("the role {role} does not own the tables, or is no member of peshub_participant"))
            .meaning("Calls are carried out as peshub_participant, behind row-level security. The hub does not start.")
            .mend(format!("connect as the owner of the tables, and GRANT peshub_participant TO \"{role}\""));
        findings.push(finding);
    }
    if feed::is_foreign(connection).await? {
        let finding =
            Finding::fault("database.role", "the database was restored into another cluster")
                .meaning("The feed does not know which changes are new. The hub does not start.")
                .mend("peshub feed rebase");
        findings.push(finding);
    }
    Ok(findings)
}
