//! A private PostgreSQL cluster for a hub that was given no database.
//!
//! [`LocalPostgres::start`] makes the cluster if there is none, starts it, and sees that the
//! database exists. The data directory then holds:
//!
//! | name      | what                                                                     |
//! |-----------|--------------------------------------------------------------------------|
//! | `pg/`     | the cluster, as `initdb` made it                                         |
//! | `pg.log`  | what PostgreSQL says; the last one that grew too long is `pg.log.old`    |
//! | `run/`    | the unix socket; elsewhere if the path is too long for one               |
//! | `lock`    | held while a hub lives, with its process id                              |
//!
//! **Invariant:** PostgreSQL never listens on a network address. The socket's directory can be
//! entered by one user only, which is why the cluster trusts whoever connects.
//!
//! **Invariant:** the cluster does not outlive the hub for long, however the hub ends; see
//! `watchdog`.

mod account;
mod binaries;
mod cluster;
mod log;
mod occupant;
mod psql;
mod socket;
#[cfg(test)]
mod tests;
mod watchdog;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::binaries::Binaries;
use crate::platform::local_postgres::cluster::{Cluster, DataDirLock};
use crate::platform::local_postgres::occupant::PostmasterFile;
use crate::platform::local_postgres::socket::Socket;
use crate::platform::local_postgres::watchdog::Watched;

/// The superuser of a fresh cluster.
const USER: &str = "peshub";
/// Who owns the database: an ordinary role.
const OWNER: &str = "hub";

/// Longest time a start may take, crash recovery included.
const START_WAIT_DEFAULT: Duration = Duration::from_mins(1);

/// A running private cluster. Dropping it stops the cluster without waiting for the end;
/// [`LocalPostgres::stop`] waits.
#[derive(Debug)]
pub struct LocalPostgres {
    // Fields are dropped in this order: the server is told to go before the directory is free.
    server: Watched,
    socket: Socket,
    location: Location,
    binaries: Binaries,
    user: ServerUser,
    lock: DataDirLock,
}

impl LocalPostgres {
    /// Starts the cluster of `options.data_dir`, making it first if there is none, and returns
    /// when the database takes connections.
    ///
    /// A cluster left behind by a killed hub is stopped first. If the returned future is dropped
    /// halfway, what it had started stops.
    ///
    /// # Errors
    ///
    /// Any [`LocalPostgresError`]; what was started by then stops.
    pub async fn start(options: LocalPostgresOptions) -> Result<Self, LocalPostgresError> {
        let data_dir = cluster::open_data_dir(&options.data_dir)?;
        let lock = DataDirLock::take(&data_dir).await?;
        let user = account::server_user(&data_dir).await?;
        user.check_way_to(&data_dir).await?;

        let cluster = Cluster::in_data_dir(&data_dir)?;
        let major_made_by = cluster.major()?;
        let installed = binaries::installed(options.search_path.as_deref(), &user).await;
        let binaries = binaries::choose(installed, major_made_by, &cluster.path)?;
        if major_made_by.is_none() {
            cluster.initialise(&binaries, &user, options.durability).await?;
        }
        cluster.remove_unfinished()?;
        cluster.take_over(&user).await?;

        let socket = Socket::prepare(&data_dir, &user)?;
        let server = cluster.launch(&binaries, &user, &socket, &options).await?;
        let location = Location {
            socket_dir: socket.dir.clone(),
            port: socket.port,
            user: OWNER.to_owned(),
            database: options.database,
            version: binaries.version.clone(),
            data_dir,
        };
        tracing::info!("private PostgreSQL runs: {location}");
        Ok(Self { server, socket, location, binaries, user, lock })
    }

    /// Returns where the cluster lives and how to connect to it.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the directory of the client programs that fit this cluster, `psql` among them.
    #[must_use]
    pub fn programs_dir(&self) -> &Path {
        &self.binaries.dir
    }

    /// Ends all sessions, writes what is in memory, and returns when the cluster is gone.
    ///
    /// # Errors
    ///
    /// [`LocalPostgresError::WillNotStop`] if it is still there after 40 seconds. No committed
    /// change is lost then or if it had to be stopped hard: the next start recovers.
    pub async fn stop(self) -> Result<(), LocalPostgresError> {
        let Self { server, socket, location, binaries: _, user, lock } = self;
        server.stop(&user).await?;
        socket.clear_away();
        // The directory is free only now that nobody works in it.
        drop(lock);
        tracing::debug!("private PostgreSQL in {} stopped", location.data_dir.display());
        Ok(())
    }
}

/// What to start and where.
#[derive(Clone, Debug)]
pub struct LocalPostgresOptions {
    /// Where the cluster lives; made if missing. See [`default_data_dir`].
    pub data_dir: PathBuf,
    /// The database to make if missing; `peshub` by default.
    pub database: String,
    /// The value of `PATH`; its directories are searched for PostgreSQL before the places where
    /// distributions put it.
    pub search_path: Option<OsString>,
    /// What a power cut may cost; [`Durability::Full`] by default.
    pub durability: Durability,
    /// PostgreSQL settings that win over the module's own, as name and value.
    pub settings: Vec<(String, String)>,
    /// Longest time from launch to the first connection, crash recovery included; 60 s by
    /// default.
    pub start_wait: Duration,
}

impl LocalPostgresOptions {
    /// Returns the defaults for a cluster in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database: "peshub".to_owned(),
            search_path: None,
            durability: Durability::Full,
            settings: Vec::new(),
            start_wait: START_WAIT_DEFAULT,
        }
    }
}

/// What a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// No committed change is ever lost.
    Full,
    /// Nothing is forced to disk: fast, and a power cut may destroy the whole cluster.
    TestsOnly,
}

/// Where a running cluster lives and how to connect to it. `Display` is one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The data directory, absolute and without symbolic links.
    pub data_dir: PathBuf,
    /// The directory of the unix socket: the `host` of a connection.
    pub socket_dir: PathBuf,
    /// The number in the socket's name: the `port` of a connection. No network port is open.
    pub port: u16,
    /// The role to connect as: it needs no password, owns the database, and is no superuser.
    pub user: String,
    /// The database to connect to.
    pub database: String,
    /// The server's version, such as `17.2`.
    pub version: String,
}

impl Location {
    /// Returns a connection URL in the manner of libpq.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.user, &self.database, &self.socket_dir, self.port)
    }
}

fn url(user: &str, database: &str, socket_dir: &Path, port: u16) -> String {
    format!(
        "postgres://{}@localhost/{}?host={}&port={port}",
        socket::percent_encoded(user.as_ref()),
        socket::percent_encoded(database.as_ref()),
        socket::percent_encoded(socket_dir.as_os_str()),
    )
}

/// Returns how to connect to the cluster that another process runs in a data directory, if one does.
#[must_use]
pub fn url_of_running(data_dir: &Path, database: &str) -> Option<String> {
    let file = PostmasterFile::read(&cluster::path_in(data_dir)).filter(|file| file.is_ready)?;
    let (dir, port) = file.socket?;
    std::os::unix::net::UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).ok()?;
    Some(url(OWNER, database, &dir, port))
}

/// Returns whether a data directory has a cluster.
#[must_use]
pub fn is_made(data_dir: &Path) -> bool {
    cluster::path_in(data_dir).join("PG_VERSION").is_file()
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL {}, data in {}, socket in {}, port {}, database {}",
            self.version,
            self.data_dir.display(),
            self.socket_dir.display(),
            self.port,
            self.database
        )
    }
}

/// Returns where a hub keeps its cluster unless told otherwise: `/var/lib/peshub` for root, else
/// `peshub` in the user's data home. None if the user has no home.
///
/// `xdg_data_home` counts only if absolute, as the XDG base directory specification says.
#[must_use]
pub fn default_data_dir(
    home: Option<&Path>,
    xdg_data_home: Option<&Path>,
    is_root: bool,
) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/peshub"));
    }
    let data_home = match xdg_data_home.filter(|path| path.is_absolute()) {
        Some(path) => path.to_owned(),
        None => home?.join(".local/share"),
    };
    Some(data_home.join("peshub"))
}

/// Returns whether this process acts as root.
///
/// # Errors
///
/// Fails only where the system refuses a pair of sockets, as when no file descriptor is left.
pub async fn running_as_root() -> io::Result<bool> {
    Ok(account::current_uid().await? == account::ROOT_UID)
}

/// Why there is no private cluster. `Display` names the failure and what to do; the cause is the
/// source.
#[derive(Debug, thiserror::Error)]
pub enum LocalPostgresError {
    /// Another hub holds the data directory.
    #[error(
        "the data directory {} is in use by {}; stop it or choose another directory",
        data_dir.display(),
        process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
    )]
    InUse {
        /// The directory.
        data_dir: PathBuf,
        /// Who holds it, if it said so.
        process: Option<u32>,
    },
    /// No PostgreSQL that is recent enough.
    #[error(
        "no PostgreSQL {} or later found{}; install it (Debian, Ubuntu: apt install postgresql; \
         Fedora, RHEL: dnf install postgresql-server; macOS: brew install postgresql@17) or give \
         the hub a database URL",
        binaries::MAJOR_MIN,
        if found.is_empty() { String::new() } else { format!(" (only {})", found.join(", ")) }
    )]
    NoPostgres {
        /// What was found and is too old.
        found: Vec<String>,
    },
    /// The cluster was made by a major version that is not installed.
    #[error(
        "the cluster in {} was made by PostgreSQL {major} and only that can open it, but installed \
         is {}; install PostgreSQL {major}, or dump the cluster with it and restore into a new one",
        cluster.display(),
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    OtherMajor {
        /// The cluster's directory.
        cluster: PathBuf,
        /// The major version that made it.
        major: u32,
        /// What was found.
        found: Vec<String>,
    },
    /// The cluster's directory holds something else.
    #[error("{} is not empty and not a PostgreSQL cluster; move it away", path.display())]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },
    /// Root has nobody to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres` or `nobody` to run it \
         as; run the hub as an ordinary user or add one"
    )]
    NoUser,
    /// The user that runs PostgreSQL cannot reach the data directory.
    #[error(
        "PostgreSQL runs as {user}, who may not enter {}; choose a data directory outside it or let \
         others pass (chmod o+x)",
        directory.display()
    )]
    NoWay {
        /// The first directory on the way that is closed.
        directory: PathBuf,
        /// The user.
        user: String,
    },
    /// A program did not run at all.
    #[error("cannot run {} as {user}", program.display())]
    CannotRun {
        /// The program.
        program: PathBuf,
        /// The user it should have run as.
        user: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or directory cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// PostgreSQL gave up or took too long; it says why itself.
    #[error("{what} failed{meaning}; the end of {}:\n{tail}", log.display())]
    Failed {
        /// Which step.
        what: &'static str,
        /// The reason in plain words, behind a colon, if it is a known one.
        meaning: String,
        /// Where all of it is written.
        log: PathBuf,
        /// What it said last.
        tail: String,
    },
    /// The database could not be made.
    #[error("cannot make the database {database}: {message}")]
    NoDatabase {
        /// Its name.
        database: String,
        /// What `psql` said.
        message: String,
    },
    /// A PostgreSQL does not go away.
    #[error("PostgreSQL process {process} will not stop")]
    WillNotStop {
        /// The process.
        process: u32,
    },
}
