//! How transactions begin, and how the pool stands that they begin in.

use sqlx::Postgres;

use crate::platform::db::{Db, DbError, wall};
use crate::platform::metrics;
use crate::platform::metrics::instrument::Entered;
use crate::platform::permit::Permit;

impl Db {
    /// Begins a transaction that tells the database for whom it is, and the trace that its changes belong to, in the same round trip.
    pub(in crate::platform::db) async fn begin(
        &self,
        permit: &Permit,
        begin: &'static str,
        trace: Option<String>,
    ) -> Result<sqlx::Transaction<'static, Postgres>, DbError> {
        let _waiting = self.waiting();
        // Hexadecimal digits and hyphens of our own writing.
        let trace = trace.map(|trace| format!("SET LOCAL peshub.trace = '{trace}'"));
        let said: Vec<String> = [wall::statement(permit)?, trace].into_iter().flatten().collect();
        if said.is_empty() {
            return Ok(self.pool.begin_with(begin).await?);
        }
        let statement = sqlx::AssertSqlSafe(format!("{begin}; {}", said.join("; ")));
        Ok(self.pool.begin_with(statement).await?)
    }

    /// Counts a transaction that finds every connection in use, until the guard is dropped.
    pub(in crate::platform::db) fn waiting(&self) -> Option<Entered> {
        let (all, idle, most) = self.connections();
        (idle == 0 && all >= most).then(|| metrics::DATABASE_WAITING.enter(&[]))
    }

    /// Returns how many connections the pool has, how many of them are idle, and how many it may have.
    #[must_use]
    pub fn connections(&self) -> (usize, usize, usize) {
        let number = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let most = self.pool.options().get_max_connections();
        (number(self.pool.size()), self.pool.num_idle(), number(most))
    }
}
