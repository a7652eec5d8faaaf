//! The unix socket: a directory nobody else may enter, and a number that names the file in it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::cluster;

/// The first number tried. Below 32768, where the numbers that systems hand out begin, and not
/// 5432, so that nobody takes this cluster for the system's.
const PORT_FIRST: u16 = 25_432;
const PORT_LAST: u16 = 25_531;

/// Longest path of a unix socket in bytes: 104 with its closing zero on macOS, 108 on Linux.
const PATH_BYTES_MAX: usize = 103;

/// Directories tried in the place for short paths before giving up.
const SHORT_DIRS_MAX: u32 = 16;

/// Where directories with short paths go. Not the system's temporary directory: that is itself
/// a long path on macOS.
const SHORT_PARENT: &str = "/tmp";

/// Where the server will listen.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The directory of the socket.
    pub(crate) dir: PathBuf,
    /// The number in its name.
    pub(crate) port: u16,
    is_elsewhere: bool,
}

impl Socket {
    /// Makes the directory and finds a number that is free in it.
    pub(crate) fn prepare(data_dir: &Path, user: &ServerUser) -> Result<Self, LocalPostgresError> {
        let beside = data_dir.join("run");
        let path = socket_path(&beside, PORT_LAST);
        let bytes = path.as_os_str().as_bytes();
        // To clients of PostgreSQL a comma is the end of one host and the beginning of another.
        let is_elsewhere = bytes.len() > PATH_BYTES_MAX || bytes.contains(&b',');
        let dir = if is_elsewhere {
            short_dir(data_dir, user)?
        } else {
            user.private_dir(&beside)?;
            beside
        };
        let port = (PORT_FIRST..=PORT_LAST).find(|port| is_free(&dir, *port)).ok_or_else(|| {
            let error = io::Error::from(io::ErrorKind::AddrInUse);
            cluster::file_error("find a free socket name in", &dir, error)
        })?;
        Ok(Self { dir, port, is_elsewhere })
    }

    /// Returns the directory as PostgreSQL reads it in its settings: in quotes, since spaces around
    /// it would otherwise be lost.
    pub(crate) fn dir_as_setting(&self) -> OsString {
        let mut quoted = vec![b'"'];
        for &byte in self.dir.as_os_str().as_bytes() {
            if byte == b'"' {
                quoted.push(b'"');
            }
            quoted.push(byte);
        }
        quoted.push(b'"');
        OsString::from_vec(quoted)
    }

    /// Removes the directory if it is not in the data directory.
    pub(crate) fn clear_away(&self) {
        if self.is_elsewhere
            && let Err(error) = fs::remove_dir(&self.dir)
        {
            tracing::debug!("{} stays behind: {error}", self.dir.display());
        }
    }
}

/// Returns whether the number is free; files that a killed server left behind are removed.
fn is_free(dir: &Path, port: u16) -> bool {
    let path = socket_path(dir, port);
    // Somebody who answers, or whom we cannot ask, is left alone.
    match UnixStream::connect(&path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(_) | Err(_) => return false,
    }
    // The lock names a process; by now another one may bear that number, and PostgreSQL would
    // take it for a living server.
    let mut lock = path.clone().into_os_string();
    lock.push(".lock");
    [path, PathBuf::from(lock)].iter().all(|stale| match fs::remove_file(stale) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Makes a directory with a short path, always the same for a data directory unless somebody else
/// has taken its name.
fn short_dir(data_dir: &Path, user: &ServerUser) -> Result<PathBuf, LocalPostgresError> {
    for attempt in 0..SHORT_DIRS_MAX {
        let mut hasher = DefaultHasher::new();
        (data_dir, attempt).hash(&mut hasher);
        let dir = Path::new(SHORT_PARENT).join(format!("peshub-{:016x}", hasher.finish()));
        // Anybody may make directories there. One that was not made by us is a trap.
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let ours = fs::symlink_metadata(&dir).is_ok_and(|metadata| {
                    metadata.is_dir()
                        && fs::metadata(data_dir.join("pg"))
                            .is_ok_and(|cluster| cluster.uid() == metadata.uid())
                });
                if !ours {
                    continue;
                }
            }
            Err(error) => return Err(cluster::file_error("make the directory", &dir, error)),
        }
        user.private_dir(&dir)?;
        return Ok(dir);
    }
    let error = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(cluster::file_error("make a socket directory in", Path::new(SHORT_PARENT), error))
}

fn socket_path(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!(".s.PGSQL.{port}"))
}

/// Writes a part of a URL so that no byte of it can be taken for the URL's own.
pub(crate) fn percent_encoded(part: &OsStr) -> String {
    let mut encoded = String::new();
    for &byte in part.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use crate::platform::local_postgres::socket::percent_encoded;

    #[test]
    fn a_url_survives_any_path() {
        for (path, encoded) in [("/srv/hub", "/srv/hub"), ("/a b?&%ä", "/a%20b%3F%26%25%C3%A4")] {
            assert_eq!(percent_encoded(path.as_ref()), encoded);
        }
    }
}
