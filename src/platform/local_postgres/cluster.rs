//! The data directory and the cluster in it: who holds it, how it is made, left behind, started.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::binaries::Binaries;
use crate::platform::local_postgres::log::Log;
use crate::platform::local_postgres::occupant::{self, PostmasterFile};
use crate::platform::local_postgres::psql::{self, Attempt};
use crate::platform::local_postgres::socket::Socket;
use crate::platform::local_postgres::watchdog::{FAST_STOP_WAIT, HARD_STOP_WAIT, Watched};
use crate::platform::local_postgres::{Durability, LocalPostgresError, LocalPostgresOptions, USER};

/// How a cluster in the making is called, before its number.
const UNFINISHED: &str = "pg.unfinished.";

/// Between two looks at something that will change soon.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How often a held lock is tried before it counts as held. While a process starts another one,
/// the child has a copy of the lock for a moment, even if the parent dies in it.
const LOCK_ATTEMPTS: u32 = 50;

/// How long a server left behind may take to begin to stop by itself. The watchdog needs a few
/// milliseconds.
const LEFT_BEHIND_GRACE: Duration = Duration::from_secs(2);

/// The first major version that has a locale of its own, which is the same on every system.
const MAJOR_WITH_BUILTIN_LOCALE: u32 = 17;

/// Settings for a small machine. Memory, connections and the log of changes suffice for a hub
/// with a million postings.
const SETTINGS: [(&str, &str); 13] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "2GB"),
    ("wal_compression", "on"),
    // A transaction that waits for its client holds up the feed for everybody.
    ("idle_in_transaction_session_timeout", "10s"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] "),
    // The log is the standard error stream that the hub hands over.
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("cluster_name", "peshub"),
];

/// What [`Durability::TestsOnly`] gives up.
const SETTINGS_TESTS_ONLY: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// Returns where the cluster is in a data directory.
pub(crate) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("pg")
}

/// Returns the error for a file or directory that cannot be used.
pub(crate) fn file_error(
    action: &'static str,
    path: &Path,
    source: io::Error,
) -> LocalPostgresError {
    LocalPostgresError::File { action, path: path.to_owned(), source }
}

/// Makes the data directory if it is missing and returns its real path.
pub(crate) fn open_data_dir(wanted: &Path) -> Result<PathBuf, LocalPostgresError> {
    let opened = std::path::absolute(wanted).and_then(|path| {
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o755).create(&path)?;
            // The server's user has to get through, whatever umask the hub was started with.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        fs::canonicalize(path)
    });
    opened.map_err(|error| file_error("make the data directory", wanted, error))
}

/// The exclusive hold on a data directory. The system ends it with the process.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    file: File,
}

impl DataDirLock {
    /// Takes the lock, or says who has it.
    pub(crate) async fn take(data_dir: &Path) -> Result<Self, LocalPostgresError> {
        let path = data_dir.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| file_error("open", &path, error))?;
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => {
                    let id = std::process::id();
                    file.set_len(0)
                        .and_then(|()| writeln!(file, "{id}"))
                        .map_err(|error| file_error("write", &path, error))?;
                    return Ok(Self { file });
                }
                Err(TryLockError::WouldBlock) => sleep(POLL_INTERVAL).await,
                Err(TryLockError::Error(error)) => return Err(file_error("lock", &path, error)),
            }
        }
        let mut holder = String::new();
        // Without a number in it the message says "another process".
        let process = file
            .rewind()
            .and_then(|()| file.read_to_string(&mut holder))
            .ok()
            .and_then(|_| holder.trim().parse().ok());
        Err(LocalPostgresError::InUse { data_dir: data_dir.to_owned(), process })
    }
}

impl Drop for DataDirLock {
    fn drop(&mut self) {
        // Closing would do, but for the copy that a child being started right now may have.
        if let Err(error) = self.file.unlock() {
            tracing::debug!("the data directory's lock was not released: {error}");
        }
    }
}

/// A cluster, made or to be made.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Where it is.
    pub(crate) path: PathBuf,
    data_dir: PathBuf,
    log: Log,
}

impl Cluster {
    /// Returns the cluster of a data directory.
    pub(crate) fn in_data_dir(data_dir: &Path) -> Result<Self, LocalPostgresError> {
        Ok(Self {
            path: path_in(data_dir),
            data_dir: data_dir.to_owned(),
            log: Log::open(&data_dir.join("pg.log"))?,
        })
    }

    /// Returns the major version that made the cluster; None if there is none yet.
    pub(crate) fn major(&self) -> Result<Option<u32>, LocalPostgresError> {
        let version_file = self.path.join("PG_VERSION");
        let not_a_cluster = || LocalPostgresError::NotACluster { path: self.path.clone() };
        match fs::read_to_string(&version_file) {
            Ok(version) => version.trim().parse().map(Some).map_err(|_| not_a_cluster()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Someone may have made the directory for us, as the place of a disk.
                let mut entries = fs::read_dir(&self.path).into_iter().flatten();
                if entries.next().is_some() { Err(not_a_cluster()) } else { Ok(None) }
            }
            Err(error) => Err(file_error("read", &version_file, error)),
        }
    }

    /// Makes the cluster.
    ///
    /// It is made under another name and gets its own when it is whole, so that one whose making
    /// was interrupted cannot be taken for a cluster, and nothing called `pg` is ever deleted.
    pub(crate) async fn initialise(
        &self,
        binaries: &Binaries,
        user: &ServerUser,
        durability: Durability,
    ) -> Result<(), LocalPostgresError> {
        let builtin: &[&str] = &["--locale-provider=builtin", "--locale=C.UTF-8"];
        let attempts: &[&[&str]] = if binaries.major >= MAJOR_WITH_BUILTIN_LOCALE {
            &[builtin, &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
        } else {
            &[&["--locale=C.UTF-8"], &["--locale=C"]]
        };
        // Whoever reaches the socket may connect, and only the server's user and root reach it.
        let mut always = vec!["--auth=trust", "--data-checksums", "--no-instructions"];
        always.extend(["--encoding=UTF8", "--username", USER]);
        if durability == Durability::TestsOnly {
            always.push("--no-sync");
        }
        let mut outcome = Ok(());
        for locale in attempts {
            let number = self.remove_unfinished()?.saturating_add(1);
            let unfinished = self.data_dir.join(format!("{UNFINISHED}{number}"));
            user.private_dir(&unfinished)?;
            let mut arguments: Vec<OsString> = vec!["--pgdata".into(), unfinished.clone().into()];
            arguments.extend(always.iter().chain(*locale).map(OsString::from));
            outcome = self.run_initdb(&binaries.program("initdb"), &arguments, user).await;
            match &outcome {
                Ok(()) => return self.finish(&unfinished, durability),
                // Not every system has this locale; plain C is everywhere.
                Err(LocalPostgresError::Failed { tail, .. }) if tail.contains("invalid locale") => {
                }
                Err(_) => break,
            }
        }
        outcome
    }

    /// Removes clusters whose making was interrupted; returns the highest number of one.
    pub(crate) fn remove_unfinished(&self) -> Result<u32, LocalPostgresError> {
        let entries = fs::read_dir(&self.data_dir)
            .map_err(|error| file_error("read", &self.data_dir, error))?;
        let mut last = 0;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
            let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
            last = last.max(number);
            // Its `initdb` may be alive for another moment and write into it. That is why numbers
            // are not used again at once, and why what cannot be removed is left to the next time.
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::debug!("{} stays behind: {error}", entry.path().display());
            }
        }
        Ok(last)
    }

    async fn run_initdb(
        &self,
        initdb: &Path,
        arguments: &[OsString],
        user: &ServerUser,
    ) -> Result<(), LocalPostgresError> {
        let running = Watched::spawn(initdb, arguments, user, &self.log).await?;
        let status = running.wait().await.map_err(|error| user.cannot_run(initdb, error))?;
        if status.success() { Ok(()) } else { Err(self.log.failure("making the cluster")) }
    }

    fn finish(&self, unfinished: &Path, durability: Durability) -> Result<(), LocalPostgresError> {
        let finished = fs::rename(unfinished, &self.path).and_then(|()| match durability {
            Durability::Full => File::open(&self.data_dir)?.sync_all(),
            Durability::TestsOnly => Ok(()),
        });
        finished.map_err(|error| file_error("put the new cluster in", &self.path, error))
    }

    /// Sees to it that nobody works in the cluster any more.
    ///
    /// We hold the data directory, so whoever works in it was left behind: by a hub that was
    /// killed a moment ago, whose watchdog is stopping it, or by one killed with its watchdog.
    pub(crate) async fn take_over(&self, user: &ServerUser) -> Result<(), LocalPostgresError> {
        let begun = Instant::now();
        let mut hardest_signal = None;
        while let Some(process) = occupant::of(&self.path, user).await {
            let waited = begun.elapsed();
            let signal = if waited > LEFT_BEHIND_GRACE + FAST_STOP_WAIT + HARD_STOP_WAIT {
                return Err(LocalPostgresError::WillNotStop { process });
            } else if waited > LEFT_BEHIND_GRACE + FAST_STOP_WAIT {
                Some("QUIT")
            } else if waited > LEFT_BEHIND_GRACE {
                Some("INT")
            } else {
                None
            };
            if let Some(signal) = signal
                && hardest_signal != Some(signal)
            {
                tracing::warn!("stopping PostgreSQL process {process}, left behind by another hub");
                user.signal(signal, process).await?;
                hardest_signal = Some(signal);
            }
            sleep(POLL_INTERVAL).await;
        }
        occupant::remove_stale_file(&self.path)
    }

    /// Starts the server and waits until the database takes connections.
    pub(crate) async fn launch(
        &self,
        binaries: &Binaries,
        user: &ServerUser,
        socket: &Socket,
        options: &LocalPostgresOptions,
    ) -> Result<Watched, LocalPostgresError> {
        let begun = Instant::now();
        let arguments = self.server_arguments(socket, options);
        let mut server =
            Watched::spawn(&binaries.program("postgres"), &arguments, user, &self.log).await?;
        let mut refusal = None;
        loop {
            if server.ended().is_some() {
                return Err(self.log.failure("starting PostgreSQL"));
            }
            // A file from before may say all this by chance; only an answer is proof.
            if PostmasterFile::read(&self.path)
                .is_some_and(|file| file.process == server.process && file.is_ready)
            {
                match psql::make_database(binaries, user, socket, &options.database).await? {
                    Attempt::Done => return Ok(server),
                    Attempt::NotConnected { message } => refusal = Some(message),
                }
            }
            if begun.elapsed() > options.start_wait {
                let database = options.database.clone();
                return Err(match refusal {
                    Some(message) => LocalPostgresError::NoDatabase { database, message },
                    None => self.log.failure("starting PostgreSQL in time"),
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn server_arguments(&self, socket: &Socket, options: &LocalPostgresOptions) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.path.clone().into()];
        let mut set = |name: &str, value: OsString| {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            arguments.extend(["-c".into(), setting]);
        };
        for (name, value) in SETTINGS {
            set(name, value.into());
        }
        if options.durability == Durability::TestsOnly {
            for (name, value) in SETTINGS_TESTS_ONLY {
                set(name, value.into());
            }
        }
        for (name, value) in &options.settings {
            set(name, value.into());
        }
        // After the caller's, since the hub relies on them.
        set("unix_socket_directories", socket.dir_as_setting());
        set("port", socket.port.to_string().into());
        arguments
    }
}
