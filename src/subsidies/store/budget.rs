//! The SQL of budgets. A budget's shares are its guard: what they have not left is not reserved, whoever asks at the same time.

use time::Date;
use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::subsidies::application::machine::Stage;

/// Selects budgets of a bureau: of one programme unless its name is empty, and of one first day unless it is absent.
macro_rules! select_budgets {
    ($connection:expr, $bureau:expr, $programme:expr, $from:expr) => {
        sqlx::query_as!(
            Budget,
            r#"SELECT b.budget_id, b.programme, lower(b.filed_on) AS "from_day!", upper(b.filed_on) AS "until_day!", b.currency, b.cap,
                      s.reserved AS "reserved!", s.committed AS "committed!", s.paid AS "paid!", b.clawed_back,
                      b.revision + s.revision AS "revision!"
               FROM budget b CROSS JOIN LATERAL (
                   SELECT sum(reserved)::bigint AS reserved, sum(committed)::bigint AS committed, sum(paid)::bigint AS paid,
                          sum(revision)::bigint AS revision
                   FROM budget_share WHERE budget_id = b.budget_id) s
               WHERE b.bureau_id = $1 AND ($2 = '' OR b.programme = $2) AND ($3::date IS NULL OR lower(b.filed_on) = $3)
               ORDER BY b.programme, b.filed_on LIMIT 1000"#,
            $bureau,
            $programme,
            $from,
        )
        .fetch_all($connection)
        .await
        .map_err(DbError::from)
    };
}

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its number.
    pub budget_id: i64,
    /// Name of the programme.
    pub programme: String,
    /// First day of filing.
    pub from_day: Date,
    /// Day of filing before which it ends.
    pub until_day: Date,
    /// ISO 4217.
    pub currency: String,
    /// The cap.
    pub cap: i64,
    /// What applications have reserved.
    pub reserved: i64,
    /// What is granted and not paid.
    pub committed: i64,
    /// What is paid.
    pub paid: i64,
    /// What was claimed back.
    pub clawed_back: i64,
    /// How often it has changed.
    pub revision: i64,
}

/// Returns which budget pays for applications of a programme that are filed on a day; `None`: it has no cap.
///
/// # Errors
///
/// The database fails.
pub async fn of(
    tx: &mut WriteTx,
    programme: &str,
    bureau: ParticipantId,
    day: Date,
) -> Result<Option<i64>, DbError> {
    let found = sqlx::query_scalar!("SELECT budget_of($1, $2, $3)", programme, bureau.0, day)
        .fetch_one(tx.connection())
        .await?;
    Ok(found)
}

/// What an application has of a budget: at which stage, and how much.
pub type Part = (Stage, i64);

/// Moves what an application has of a budget. Returns false when that is beyond the cap: then nothing was changed. Ask it last in a
/// transaction: some of those who file for the programme wait for the same share.
///
/// # Errors
///
/// The database fails.
pub async fn move_part(
    tx: &mut WriteTx,
    budget: i64,
    application: Uuid,
    (from, before): Part,
    (to, after): Part,
) -> Result<bool, DbError> {
    if (from, before) == (to, after) {
        return Ok(true);
    }
    let moved = sqlx::query_scalar!(
        r#"SELECT budget_move($1, $2, $3, $4, $5, $6) AS "moved!""#,
        budget,
        application,
        from.number(),
        before,
        to.number(),
        after,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(moved)
}

/// Notes what was claimed back of what a budget has paid; a negative amount lifts some of it.
///
/// # Errors
///
/// The database fails.
pub async fn claw_back(tx: &mut WriteTx, budget: i64, amount: i64) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE budget SET clawed_back = clawed_back + $2, revision = revision + 1 WHERE budget_id = $1",
        budget,
        amount,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Sets the cap of a programme's budget for some days, making it if there is none of these days. `None`: it would be less than what is
/// reserved, committed and paid.
///
/// # Errors
///
/// The database fails; the constraint `budget_once` when other days of the programme have a budget that these overlap.
pub async fn set(
    tx: &mut WriteTx,
    programme: &str,
    (from, until): (Date, Date),
    (cap, currency): (i64, &str),
) -> Result<Option<Budget>, DbError> {
    let bureau = tx.permit().participant().map_or(0, |it| it.0);
    let levelled = sqlx::query_scalar!(
        r#"SELECT budget_level(budget_id, $5) AS "levelled!" FROM budget
           WHERE bureau_id = $1 AND programme = $2 AND filed_on = daterange($3, $4)"#,
        bureau,
        programme,
        from,
        until,
        cap,
    )
    .fetch_optional(tx.connection())
    .await?;
    if levelled == Some(false) {
        return Ok(None);
    }
    if levelled.is_none() {
        sqlx::query!(
            "INSERT INTO budget (bureau_id, programme, filed_on, currency, cap) VALUES ($1, $2, daterange($3, $4), $5, $6)",
            bureau,
            programme,
            from,
            until,
            currency,
            cap,
        )
        .execute(tx.connection())
        .await?;
    }
    let found = select_budgets!(tx.connection(), bureau, programme, Some(from))?;
    Ok(found.into_iter().next())
}

/// Returns the budgets of the permit's holder, at most 1,000; of one programme unless its name is empty.
///
/// # Errors
///
/// The database fails.
pub async fn list(tx: &mut ReadTx, programme: &str) -> Result<Vec<Budget>, DbError> {
    let bureau = tx.permit().participant().map_or(0, |it| it.0);
    select_budgets!(tx.connection(), bureau, programme, None::<Date>)
}
