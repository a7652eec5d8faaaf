//! The SQL of claims. What is taken is found out by taking it: an exclusion constraint lets one of two who ask for the same through,
//! whatever they have read before.

use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use crate::platform::db::{DbError, WriteTx};
use crate::subsidies::application::{ApplicationId, TakenUntil};

/// What an application takes, column by column, in an order that is the same for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Once for what.
    pub groups: Vec<Uuid>,
    /// Keyed digests of whom and what it is about.
    pub subjects: Vec<Uuid>,
    /// First days.
    pub from: Vec<Date>,
    /// Days before which they end; absent: they do not.
    pub until: Vec<Option<Date>>,
    /// Of claims that exclude those of other programmes: the programme; empty for those that exclude any other.
    pub programmes: Vec<String>,
}

impl Claims {
    /// Adds others.
    pub fn append(&mut self, mut others: Self) {
        self.groups.append(&mut others.groups);
        self.subjects.append(&mut others.subjects);
        self.from.append(&mut others.from);
        self.until.append(&mut others.until);
        self.programmes.append(&mut others.programmes);
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        i64::try_from(self.groups.len()).unwrap_or(i64::MAX)
    }
}

/// Takes what an application claims. Returns false when some of it is taken: then the transaction must not be committed, or the claims
/// freed first.
///
/// # Errors
///
/// The database fails.
pub async fn take(tx: &mut WriteTx, id: ApplicationId, claims: &Claims) -> Result<bool, DbError> {
    if claims.groups.is_empty() {
        return Ok(true);
    }
    let participant = tx.permit().participant().map(|it| it.0);
    // Whoever comes second waits for the first one's end, and finds the row then.
    let done = sqlx::query!(
        "INSERT INTO claim (application_id, participant_id, grp, subject, period, programme)
         SELECT $1, coalesce($2, 0::bigint), c.grp, c.subject, daterange(c.from_day, c.until_day), nullif(c.programme, '')
         FROM unnest($3::uuid[], $4::uuid[], $5::date[], $6::date[], $7::text[]) AS c(grp, subject, from_day, until_day, programme)
         ON CONFLICT DO NOTHING",
        id as ApplicationId,
        participant,
        &claims.groups,
        &claims.subjects,
        &claims.from,
        &claims.until as &[Option<Date>],
        &claims.programmes,
    )
    .execute(tx.connection())
    .await?;
    Ok(i64::try_from(done.rows_affected()) == Ok(claims.count()))
}

/// Marks where a transaction can go back to, with [`roll_back`].
///
/// # Errors
///
/// The database fails.
pub async fn savepoint(tx: &mut WriteTx) -> Result<(), DbError> {
    sqlx::query!("SAVEPOINT claims").execute(tx.connection()).await?;
    Ok(())
}

/// Undoes what a transaction did since [`savepoint`].
///
/// # Errors
///
/// The database fails.
pub async fn roll_back(tx: &mut WriteTx) -> Result<(), DbError> {
    sqlx::query!("ROLLBACK TO SAVEPOINT claims").execute(tx.connection()).await?;
    Ok(())
}

/// Frees what an application has taken.
///
/// # Errors
///
/// The database fails.
pub async fn free(tx: &mut WriteTx, id: ApplicationId) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM claim WHERE application_id = $1", id as ApplicationId)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Returns until when some claims are taken by others than an application; `None`: they are free. It is all that anybody learns of
/// others' claims.
///
/// # Errors
///
/// The database fails.
pub async fn taken_until(
    connection: &mut PgConnection,
    own: ApplicationId,
    claims: &Claims,
) -> Result<Option<TakenUntil>, DbError> {
    let places = vec![0; claims.groups.len()];
    let found = taken(connection, (Some(own), false), &places, claims).await?;
    Ok(found.first().map(|(_, until)| *until))
}

/// Returns until when some claims are taken, by the places of the questions that they belong to; what is free is left out. Claims of
/// `own` do not count; with `spare_offers` neither does what an offer that waits has taken of its own programme.
///
/// # Errors
///
/// The database fails.
pub async fn taken(
    connection: &mut PgConnection,
    (own, spare_offers): (Option<ApplicationId>, bool),
    places: &[i32],
    claims: &Claims,
) -> Result<Vec<(i32, TakenUntil)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT place AS "place!", taken_until::text AS "taken_until!" FROM claims_taken($1, $2, $3, $4, $5, $6, $7, $8)"#,
        own as Option<ApplicationId>,
        spare_offers,
        places,
        &claims.groups,
        &claims.subjects,
        &claims.from,
        &claims.until as &[Option<Date>],
        &claims.programmes,
    )
    .fetch_all(connection)
    .await?;
    let day = |text: &str| crate::subsidies::domain::Day::read(text);
    let until = |text: &str| day(text).map_or(TakenUntil::Forever, |it| TakenUntil::Day(it.date()));
    Ok(rows.into_iter().map(|row| (row.place, until(&row.taken_until))).collect())
}
