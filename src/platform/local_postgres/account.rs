//! Whom PostgreSQL runs as: ourselves, or somebody else if we are root, since it refuses root.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::Command;

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::cluster;

/// The user id of root.
pub(crate) const ROOT_UID: u32 = 0;

/// The accounts root may run PostgreSQL as, the better one first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Where the programs of the base system are. PostgreSQL's own are called by their full path.
const BASE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Enters the directories it is given one after the other; says which one it may not enter.
const WALK: &str = r#"for directory do
    cd "$directory" 2>/dev/null || { printf '%s' "$directory"; exit 1; }
done"#;

/// Whom PostgreSQL and its tools run as.
#[derive(Clone, Debug)]
pub(crate) enum ServerUser {
    /// The hub is an ordinary user and runs them as itself.
    Ourselves,
    /// The hub is root and hands them down.
    Other {
        /// For messages.
        name: String,
        /// User id.
        uid: u32,
        /// Group id; supplementary groups are dropped.
        gid: u32,
    },
}

/// Returns the user id this process acts as.
///
/// The standard library does not say and `/proc` is not everywhere (and belongs to root for a
/// process that has changed its user), but the kernel tells each end of a socket who the other is.
#[expect(clippy::unused_async, reason = "a pair of sockets outside a runtime would panic")]
pub(crate) async fn current_uid() -> io::Result<u32> {
    let (ours, _theirs) = UnixStream::pair()?;
    Ok(ours.peer_cred()?.uid())
}

/// Decides whom the server of this data directory runs as.
pub(crate) async fn server_user(data_dir: &Path) -> Result<ServerUser, LocalPostgresError> {
    let uid = current_uid().await.map_err(|source| LocalPostgresError::CannotRun {
        program: PathBuf::from("PostgreSQL"),
        user: "an unknown user".to_owned(),
        source,
    })?;
    if uid != ROOT_UID {
        return Ok(ServerUser::Ourselves);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    // A cluster stays with the user who has it, even if a better one has appeared since.
    if let Ok(metadata) = fs::metadata(cluster::path_in(data_dir))
        && metadata.uid() != ROOT_UID
    {
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let name = name_of(&passwd, uid).unwrap_or_else(|| uid.to_string());
        return Ok(ServerUser::Other { name, uid, gid });
    }
    UNPRIVILEGED.iter().find_map(|name| look_up(&passwd, name)).ok_or(LocalPostgresError::NoUser)
}

impl ServerUser {
    /// Returns the user's name for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ourselves => "this user".to_owned(),
            Self::Other { name, .. } => format!("user {name}"),
        }
    }

    /// Returns a command that runs as this user, apart from the hub in every way: no environment
    /// (it may hold secrets, and variables that steer PostgreSQL), no standard streams, no
    /// working directory that the user may not enter, and a process group of its own, which a
    /// Ctrl-C in the hub's terminal does not reach.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", BASE_PATH)
            // Messages in English; and on macOS PostgreSQL does not start without a locale.
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        if let Self::Other { uid, gid, .. } = self {
            // With a new user id and no groups given the standard library clears the
            // supplementary groups.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Returns the error for a program that did not run as this user.
    pub(crate) fn cannot_run(&self, program: &Path, source: io::Error) -> LocalPostgresError {
        LocalPostgresError::CannotRun { program: program.to_owned(), user: self.name(), source }
    }

    /// Makes a directory that only this user may enter, or makes it so.
    pub(crate) fn private_dir(&self, path: &Path) -> Result<(), LocalPostgresError> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(cluster::file_error("make the directory", path, error))
            }
            Ok(()) | Err(_) => self.adopt_dir(path),
        }
    }

    /// Gives a directory to this user and nobody else.
    fn adopt_dir(&self, path: &Path) -> Result<(), LocalPostgresError> {
        // What is there might be a link to somewhere else; its target is not given away.
        let adopted = fs::symlink_metadata(path).and_then(|metadata| {
            if !metadata.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
            match self {
                Self::Ourselves => Ok(()),
                Self::Other { uid, gid, .. } => {
                    std::os::unix::fs::lchown(path, Some(*uid), Some(*gid))
                }
            }
        });
        adopted.map_err(|error| cluster::file_error("take over the directory", path, error))
    }

    /// Checks that this user may enter a directory, by trying; mode bits do not tell the whole
    /// truth.
    pub(crate) async fn check_way_to(&self, directory: &Path) -> Result<(), LocalPostgresError> {
        let mut way: Vec<&Path> = directory.ancestors().collect();
        way.reverse();
        let shell = Path::new("/bin/sh");
        let walked = self
            .command(shell)
            .args(["-c", WALK, "sh"])
            .args(way)
            .stdout(Stdio::piped())
            .output()
            .await
            .map_err(|error| self.cannot_run(shell, error))?;
        if walked.status.success() {
            return Ok(());
        }
        let closed = PathBuf::from(OsString::from_vec(walked.stdout));
        Err(LocalPostgresError::NoWay { directory: closed, user: self.name() })
    }

    /// Sends a signal to a process of this user. A process that is gone is no error.
    pub(crate) async fn signal(&self, name: &str, process: u32) -> Result<(), LocalPostgresError> {
        let shell = Path::new("/bin/sh");
        self.command(shell)
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &process.to_string()])
            .status()
            .await
            .map(|_| ())
            .map_err(|error| self.cannot_run(shell, error))
    }
}

/// Finds an account by name in the text of `/etc/passwd`.
fn look_up(passwd: &str, wanted: &str) -> Option<ServerUser> {
    accounts(passwd)
        .find(|(name, uid, _)| *name == wanted && *uid != ROOT_UID)
        .map(|(name, uid, gid)| ServerUser::Other { name: name.to_owned(), uid, gid })
}

/// Finds an account's name in the text of `/etc/passwd`.
fn name_of(passwd: &str, wanted: u32) -> Option<String> {
    accounts(passwd).find(|(_, uid, _)| *uid == wanted).map(|(name, _, _)| name.to_owned())
}

/// Name, user id and group id of every account in the text of `/etc/passwd`.
fn accounts(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use crate::platform::local_postgres::account::{ServerUser, look_up, name_of};

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\n\
                          # a comment\n\
                          nobody:x:65534:65533::/:/bin/false\n\
                          toor:x:0:0::/:/bin/sh\n";

    #[test]
    fn accounts_are_found_by_name_and_by_id() {
        let Some(ServerUser::Other { name, uid, gid }) = look_up(PASSWD, "nobody") else {
            panic!("not found");
        };
        assert_eq!((name.as_str(), uid, gid), ("nobody", 65534, 65533));
        assert!(look_up(PASSWD, "postgres").is_none());
        assert!(look_up(PASSWD, "toor").is_none(), "a second root is root, too");
        assert_eq!(name_of(PASSWD, 65534).as_deref(), Some("nobody"));
        assert_eq!(name_of(PASSWD, 1), None);
    }
}
