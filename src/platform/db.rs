//! The database: a transaction opens with a permit, and a write closes with a record.

pub mod begin;
pub mod schema;
pub mod trail;
pub mod wall;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Postgres};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids;
use crate::platform::keys::sealing::DataKey;
use crate::platform::metrics;
use crate::platform::permit::Permit;
use crate::platform::telemetry::context;

/// Longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A failure of the store, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It cannot be reached, or takes no work at the moment.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// Another writer came first; the transaction may be tried again.
    #[error("another writer changed the same rows")]
    Contended(#[source] Option<sqlx::Error>),
    /// A named constraint refused the write.
    #[error("constraint {name} refused the write")]
    Constraint {
        /// Name of the constraint.
        name: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A text has the character U+0000, which the database can neither store nor find.
    #[error("a text has the character U+0000")]
    ZeroCharacter(#[source] sqlx::Error),
    /// Anything else: a fault of the hub.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let error = Self::of(error);
        metrics::DATABASE_ERRORS.add(1, &[error.kind()]);
        error
    }
}

impl DbError {
    /// Returns which kind it is, for what is measured.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Contended(_) => "contended",
            Self::Constraint { .. } => "constraint",
            Self::ZeroCharacter(_) | Self::Refused(_) => "refused",
        }
    }

    fn of(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
                | sqlx::Error::Protocol(_) => Self::Unavailable(error),
                _ => Self::Refused(error),
            };
        };
        let code = database.code().unwrap_or_default();
        match code.as_ref() {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Self::Contended(Some(error)),
            // connection failures, resources, operator intervention (shutdown, crash), read-only after a failover
            code if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
                Self::Unavailable(error)
            }
            // read-only after a failover, idle in a transaction too long, lock not to be had in time, I/O error
            "25006" | "25P03" | "55P03" | "58030" => Self::Unavailable(error),
            // character_not_in_repertoire; texts are UTF-8 when they come here, so only U+0000 is left
            "22021" => Self::ZeroCharacter(error),
            _ => match database.constraint() {
                Some(name) => Self::Constraint { name: name.to_owned(), source: error },
                None => Self::Refused(error),
            },
        }
    }
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => {
                let message = "the hub's database cannot be reached; nothing was stored";
                Self::new(Kind::Unavailable, Reason::StoreUnavailable, message)
                    .retry_after(Duration::from_secs(1))
                    .because(error)
            }
            DbError::Contended(_) => {
                let message = "other writers changed the same rows; nothing was stored";
                Self::new(Kind::Aborted, Reason::Contended, message)
                    .retry_after(Duration::from_millis(100))
                    .because(error)
            }
            DbError::ZeroCharacter(_) => {
                let message = "a text has the character U+0000, which cannot be stored or found";
                Self::new(Kind::InvalidArgument, Reason::FieldsInvalid, message).because(error)
            }
            DbError::Constraint { .. } | DbError::Refused(_) => Self::internal(error),
        }
    }
}

/// What closes a write: one row of the audit trail.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: OffsetDateTime,
    /// Which thing, for example `sources/north/lanes/main/batches/7`.
    pub subject: String,
    /// What happened to it, for example `postings.synced`.
    pub event: &'static str,
    /// Names the row in receipts and proofs.
    pub entry_id: Uuid,
    /// SHA-256 of the body that was accepted.
    pub body_sha256: Option<Bytes>,
    /// Whose data was disclosed, why, and by what right.
    pub disclosure: Option<Disclosure>,
    /// Disclosures of others' data by the same call: each is a row of its own, with the same time and event.
    pub further: Vec<Further>,
}

/// One of several disclosures by one call.
#[derive(Clone, Debug)]
pub struct Further {
    /// Names the row.
    pub entry_id: Uuid,
    /// Which thing.
    pub subject: String,
    /// Whose data was disclosed, why, and by what right.
    pub disclosure: Disclosure,
}

/// A disclosure of what is known of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The worker's pseudonym.
    pub worker_id: Uuid,
    /// What for, in the discloser's words.
    pub purpose: String,
    /// By what right: a law to the paragraph, or a consent.
    pub legal_basis: String,
}

impl Record {
    /// Returns a record of what happened to something, with a new id.
    #[must_use]
    pub fn new(at: OffsetDateTime, subject: impl Into<String>, event: &'static str) -> Self {
        Self {
            at,
            subject: subject.into(),
            event,
            entry_id: ids::time_ordered(at),
            body_sha256: None,
            disclosure: None,
            further: Vec::new(),
        }
    }

    /// Returns the record with the digest of the body that was accepted.
    #[must_use]
    pub fn of_body(self, sha256: Bytes) -> Self {
        Self { body_sha256: Some(sha256), ..self }
    }

    /// Returns the record of a disclosure.
    #[must_use]
    pub fn disclosing(self, disclosure: Disclosure) -> Self {
        Self { disclosure: Some(disclosure), ..self }
    }

    /// Returns the record with a row for each of several disclosures.
    #[must_use]
    pub fn disclosing_each(self, further: Vec<Further>) -> Self {
        Self { further, ..self }
    }
}

/// The database of the hub.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    options: PgConnectOptions,
    committed: Arc<Notify>,
    answer_key: Arc<OnceLock<Arc<DataKey>>>,
    is_audited: bool,
}

impl Db {
    /// Opens a pool of at most `connections_max` connections. No connection is made yet.
    #[must_use]
    pub fn open(options: PgConnectOptions, connections_max: u32) -> Self {
        let options = options
            .application_name("peshub")
            .options([
                ("idle_in_transaction_session_timeout", "10s"),
                ("jit", "off"),
                ("client_min_messages", "error"),
            ])
            .log_statements(tracing::log::LevelFilter::Off)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(2));
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    // A future that is dropped while BEGIN is in flight leaves the connection inside a transaction that
                    // sqlx does not know of; the next borrower's writes would be discarded (transact-rs/sqlx #4393).
                    sqlx::query("ROLLBACK").execute(&mut *connection).await?;
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone());
        Self {
            pool,
            options,
            committed: Arc::new(Notify::new()),
            answer_key: Arc::default(),
            is_audited: true,
        }
    }

    /// Returns the same database, whose changes leave no row in the audit trail. For measurements only: what the trail costs is
    /// the difference.
    #[must_use]
    pub fn without_audit(self) -> Self {
        Self { is_audited: false, ..self }
    }

    /// Says under which key answers to request ids are kept; the first one counts.
    pub fn keep_answers_under(&self, key: DataKey) {
        self.answer_key.get_or_init(|| Arc::new(key));
    }

    /// Returns the signal that something was committed.
    #[must_use]
    pub fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.committed)
    }

    /// Opens a connection for reading; each statement sees the newest state.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn read(&self, permit: &Permit) -> Result<ReadTx, DbError> {
        let connection = if permit.holder().is_some() {
            Reading::Walled(self.begin(permit, "BEGIN READ ONLY", None).await?)
        } else {
            let _waiting = self.waiting();
            Reading::Plain(self.pool.acquire().await?)
        };
        Ok(ReadTx { permit: permit.clone(), connection })
    }

    /// Opens a transaction that sees one state throughout and cannot write.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn snapshot(&self, permit: &Permit) -> Result<SnapshotTx, DbError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let _waiting = self.waiting();
        let transaction = self.pool.begin_with(begin).await?;
        Ok(SnapshotTx { permit: permit.clone(), transaction })
    }

    /// Opens a transaction that can write.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn write(&self, permit: &Permit) -> Result<WriteTx, DbError> {
        let transaction = self.begin(permit, "BEGIN", context::sampled()).await?;
        let committed = Arc::clone(&self.committed);
        let answer_key = self.answer_key.get().cloned();
        let is_audited = self.is_audited;
        Ok(WriteTx { permit: permit.clone(), transaction, committed, answer_key, is_audited })
    }

    /// Opens a connection of its own whose every statement is a REPEATABLE READ transaction, for the sequencer.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn sequencer(&self) -> Result<PgConnection, DbError> {
        let options =
            self.options.clone().options([("default_transaction_isolation", "repeatable read")]);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// Closes the pool and waits for its connections to be given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A connection for reading.
#[derive(Debug)]
pub struct ReadTx {
    permit: Permit,
    connection: Reading,
}

/// The hub reads on a connection as it is; participants within what the database lets them see.
#[derive(Debug)]
enum Reading {
    Plain(sqlx::pool::PoolConnection<Postgres>),
    Walled(sqlx::Transaction<'static, Postgres>),
}

impl ReadTx {
    /// Returns the permit that opened it.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Returns the connection, for `store` modules.
    pub fn connection(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Reading::Plain(connection) => connection,
            Reading::Walled(transaction) => transaction,
        }
    }
}

/// A transaction that sees one state and cannot write.
#[derive(Debug)]
pub struct SnapshotTx {
    permit: Permit,
    transaction: sqlx::Transaction<'static, Postgres>,
}

impl SnapshotTx {
    /// Returns the permit that opened it.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Puts the wall of its permit around the transaction: until then it sees what the hub sees, for as long as it takes to find
    /// out at which position of the feed it stands.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn enter_wall(&mut self) -> Result<(), DbError> {
        if let Some(wall) = wall::statement(&self.permit)? {
            sqlx::raw_sql(sqlx::AssertSqlSafe(wall)).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// Returns the connection, for `store` modules.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

/// A transaction that can write. Dropped without a commit, it changes nothing.
#[derive(Debug)]
pub struct WriteTx {
    permit: Permit,
    transaction: sqlx::Transaction<'static, Postgres>,
    committed: Arc<Notify>,
    answer_key: Option<Arc<DataKey>>,
    is_audited: bool,
}

impl WriteTx {
    /// Returns the permit that opened it.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Returns the key under which answers to request ids are kept, once it was opened.
    #[must_use]
    pub fn answer_key(&self) -> Option<Arc<DataKey>> {
        self.answer_key.clone()
    }

    /// Returns the connection, for `store` modules.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Writes the audit row and commits. When this returns, everything is durable.
    ///
    /// # Errors
    ///
    /// The database cannot be reached; whether the transaction was committed is then unknown, and repeating it with the same
    /// request id or batch id settles it.
    pub async fn commit(mut self, record: Record) -> Result<(), DbError> {
        if self.is_audited {
            trail::write(&mut self.transaction, &self.permit, &record).await?;
        }
        self.transaction.commit().await?;
        self.committed.notify_one();
        Ok(())
    }
}
