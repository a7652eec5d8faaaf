//! The SQL of budgets. A budget's row is its guard: what it has not left is not reserved, whoever asks at the same time.

use time::Date;

use crate::kernel::ids::ParticipantId;
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::subsidies::application::machine::Stage;

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
/// transaction: everybody who files for the programme waits for the row.
///
/// # Errors
///
/// The database fails.
pub async fn move_part(
    tx: &mut WriteTx,
    budget: i64,
    (from, before): Part,
    (to, after): Part,
) -> Result<bool, DbError> {
    if (from, before) == (to, after) {
        return Ok(true);
    }
    let moved = sqlx::query_scalar!(
        r#"SELECT budget_move($1, $2, $3, $4, $5) AS "moved!""#,
        budget,
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
    let changed = sqlx::query_as!(
        Budget,
        r#"UPDATE budget SET cap = $5, revision = revision + 1
           WHERE bureau_id = $1 AND programme = $2 AND filed_on = daterange($3, $4) AND reserved + committed + paid <= $5
           RETURNING budget_id, programme, lower(filed_on) AS "from_day!", upper(filed_on) AS "until_day!", currency, cap, reserved,
                     committed, paid, clawed_back, revision"#,
        bureau,
        programme,
        from,
        until,
        cap,
    )
    .fetch_optional(tx.connection())
    .await?;
    if changed.is_some() {
        return Ok(changed);
    }
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM budget WHERE bureau_id = $1 AND programme = $2 AND filed_on = daterange($3, $4)) AS "is!""#,
        bureau,
        programme,
        from,
        until,
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there {
        return Ok(None);
    }
    let made = sqlx::query_as!(
        Budget,
        r#"INSERT INTO budget (bureau_id, programme, filed_on, currency, cap)
           VALUES ($1, $2, daterange($3, $4), $5, $6)
           RETURNING budget_id, programme, lower(filed_on) AS "from_day!", upper(filed_on) AS "until_day!", currency, cap, reserved,
                     committed, paid, clawed_back, revision"#,
        bureau,
        programme,
        from,
        until,
        currency,
        cap,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(Some(made))
}

/// Returns the budgets of the permit's holder, at most 1,000; of one programme unless its name is empty.
///
/// # Errors
///
/// The database fails.
pub async fn list(tx: &mut ReadTx, programme: &str) -> Result<Vec<Budget>, DbError> {
    let bureau = tx.permit().participant().map_or(0, |it| it.0);
    let found = sqlx::query_as!(
        Budget,
        r#"SELECT budget_id, programme, lower(filed_on) AS "from_day!", upper(filed_on) AS "until_day!", currency, cap, reserved,
                  committed, paid, clawed_back, revision
           FROM budget WHERE bureau_id = $1 AND ($2 = '' OR programme = $2)
           ORDER BY programme, filed_on LIMIT 1000"#,
        bureau,
        programme,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(found)
}
