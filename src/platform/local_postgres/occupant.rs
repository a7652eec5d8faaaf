//! Who works in a cluster that nobody should be working in.
//!
//! `postmaster.pid` names a process, but after a crash that number may be anybody's: in a
//! container the same few come back each time, and PostgreSQL itself is taken in by it. So the
//! process is looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::cluster;

const PROC: &str = "/proc";

/// What PostgreSQL says of itself in `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PostmasterFile {
    /// The server's process.
    pub(crate) process: u32,
    /// Whether it takes connections.
    pub(crate) is_ready: bool,
    /// The directory of its socket and the number in the socket's name.
    pub(crate) socket: Option<(PathBuf, u16)>,
}

impl PostmasterFile {
    /// Reads the file; None if there is none or it is not yet written.
    pub(crate) fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read(cluster.join("postmaster.pid")).ok()?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// The process is in the first line (negative for one without clients), the socket in the fourth and fifth, the state in
    /// the eighth.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let process = lines.next()?.trim().parse::<i32>().ok()?.unsigned_abs();
        let port = lines.nth(2).and_then(|port| port.trim().parse().ok());
        let dir = lines.next().map(PathBuf::from);
        let is_ready = lines.nth(2).is_some_and(|state| state.trim() == "ready");
        Some(Self { process, is_ready, socket: dir.zip(port) })
    }
}

/// Returns a PostgreSQL process that works in the cluster: the server, or what is left of it.
pub(crate) async fn of(cluster: &Path, user: &ServerUser) -> Option<u32> {
    let named = PostmasterFile::read(cluster).map(|file| file.process);
    if has_proc() {
        if let Some(process) = named.filter(|process| works_in(*process, cluster, true)) {
            return Some(process);
        }
        // The server may have been killed and its helpers not yet have noticed.
        return fs::read_dir(PROC)
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(|process| works_in(*process, cluster, false));
    }
    let process = named?;
    names_cluster(process, cluster, user).await.then_some(process)
}

/// Removes what a server that is gone said of itself, so that the next one does not believe it.
pub(crate) fn remove_stale_file(cluster: &Path) -> Result<(), LocalPostgresError> {
    // Only where the search above was thorough; elsewhere PostgreSQL's own is the better one.
    if !has_proc() {
        return Ok(());
    }
    let path = cluster.join("postmaster.pid");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(cluster::file_error("remove", &path, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn has_proc() -> bool {
    Path::new(PROC).join("self/comm").exists()
}

/// Returns whether a process is a PostgreSQL whose working directory is the cluster, as it is for
/// the server and all its helpers. `unless_known` is the answer for a PostgreSQL that may not be
/// looked into, as root may not in some containers.
fn works_in(process: u32, cluster: &Path, unless_known: bool) -> bool {
    let directory = Path::new(PROC).join(process.to_string());
    let is_postgres = fs::read(directory.join("comm"))
        .is_ok_and(|name| name.starts_with(b"postgres") || name.starts_with(b"postmaster"));
    if !is_postgres {
        return false;
    }
    match fs::read_link(directory.join("cwd")) {
        Ok(working_directory) => working_directory == cluster,
        Err(error) => unless_known && error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Returns whether a process was started as a PostgreSQL on the cluster, where there is no `/proc`
/// to look into.
async fn names_cluster(process: u32, cluster: &Path, user: &ServerUser) -> bool {
    let process = process.to_string();
    let listed = user
        .command(Path::new("/bin/ps"))
        .args(["-ww", "-o", "command=", "-p", &process])
        .stdout(Stdio::piped())
        .output()
        .await;
    let Ok(listed) = listed else { return false };
    let command = String::from_utf8_lossy(&listed.stdout);
    command.contains("postgres") && command.contains(&*cluster.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::platform::local_postgres::account::ServerUser;
    use crate::platform::local_postgres::occupant::{PostmasterFile, names_cluster, works_in};

    #[test]
    fn the_postmaster_file_is_read() {
        let whole = "77\n/data/pg\n1700000000\n25432\n/data/run\n\n  1 2\nready   \n";
        for (text, expected) in [
            (whole, Some((77, true))),
            (whole.strip_suffix("ready   \n").unwrap(), Some((77, false))),
            ("-77\n", Some((77, false))),
            ("", None),
            ("x\n", None),
        ] {
            let read = PostmasterFile::parse(text).map(|file| (file.process, file.is_ready));
            assert_eq!(read, expected, "{text:?}");
        }
        let socket = PostmasterFile::parse(whole).and_then(|file| file.socket);
        assert_eq!(socket, Some(("/data/run".into(), 25_432)));
    }

    #[tokio::test]
    async fn a_process_that_is_not_postgres_does_not_count() {
        let ourselves = std::process::id();
        let here = std::env::current_dir().unwrap();
        assert!(!works_in(ourselves, &here, true));
        assert!(!names_cluster(ourselves, Path::new("/nowhere/pg"), &ServerUser::Ourselves).await);
    }
}
