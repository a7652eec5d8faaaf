//! The one thing the hub asks the cluster itself: that the database exists.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::binaries::Binaries;
use crate::platform::local_postgres::socket::Socket;
use crate::platform::local_postgres::{LocalPostgresError, OWNER, USER};

/// The exit code of a `psql` that could not connect.
const NOT_CONNECTED: i32 = 2;

/// `psql` puts the names in as literals and runs what each query returns: one statement or none. The database belongs to an
/// ordinary role, for which row-level security holds.
const MAKE_DATABASE: &str = "\
SELECT format('CREATE ROLE %I LOGIN CREATEDB CREATEROLE', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner')
\\gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\\gexec
";

/// What came of the attempt to make the database.
pub(crate) enum Attempt {
    /// It exists.
    Done,
    /// The server did not take the connection, perhaps not yet.
    NotConnected {
        /// What `psql` said.
        message: String,
    },
}

/// Makes the database if it is missing.
pub(crate) async fn make_database(
    binaries: &Binaries,
    user: &ServerUser,
    socket: &Socket,
    database: &str,
) -> Result<Attempt, LocalPostgresError> {
    let psql = binaries.program("psql");
    let cannot_run = |error| user.cannot_run(&psql, error);
    let mut running = user
        .command(&psql)
        .args(["--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1"])
        .args(["--set", &format!("database={database}"), "--set", &format!("owner={OWNER}")])
        .arg("--host")
        .arg(&socket.dir)
        .args(["--port", &socket.port.to_string()])
        .args(["--username", USER, "--dbname", "postgres"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot_run)?;
    if let Some(mut stdin) = running.stdin.take() {
        // A psql that has already given up does not read; its exit code says why.
        if let Err(error) = stdin.write_all(MAKE_DATABASE.as_bytes()).await {
            tracing::debug!("psql did not listen: {error}");
        }
    }
    let output = running.wait_with_output().await.map_err(cannot_run)?;
    let message = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Attempt::Done),
        Some(NOT_CONNECTED) => Ok(Attempt::NotConnected { message: message() }),
        Some(_) | None => Err(LocalPostgresError::NoDatabase {
            database: database.to_owned(),
            message: message(),
        }),
    }
}
