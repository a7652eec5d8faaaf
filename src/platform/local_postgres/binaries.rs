//! Finding PostgreSQL: on the search path, and where distributions put it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::account::ServerUser;

/// The oldest major version the hub's schema and settings were tried with.
pub(crate) const MAJOR_MIN: u32 = 15;

/// What a cluster needs; a directory that lacks one of them is no PostgreSQL.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];

/// Where distributions put PostgreSQL: a directory, how the names in it that count begin, and
/// what follows them. The rest of such a name is a version number.
const PLACES: [(&str, &str, &str); 9] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // packages of postgresql.org for Fedora, RHEL
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/usr/libexec", "postgresql", ""),   // Alpine
    ("/usr/lib", "postgresql", "bin"),    // openSUSE
    ("/usr/lib64", "postgresql-", "bin"), // Gentoo
    ("/usr", "bin", ""),                  // Fedora, Arch, if the search path is unknown
];

/// One installed PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    /// Where its programs are.
    pub(crate) dir: PathBuf,
    /// Its major version, such as 17.
    pub(crate) major: u32,
    /// Its version, such as `17.2`.
    pub(crate) version: String,
}

impl Binaries {
    /// Returns the full path of one of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Returns every PostgreSQL that the server's user can run: those of the search path in its
/// order, then those of the distributions, newest first.
pub(crate) async fn installed(search_path: Option<&OsStr>, user: &ServerUser) -> Vec<Binaries> {
    let mut installed = probed(search_path.into_iter().flat_map(std::env::split_paths), user).await;
    let mut elsewhere = probed(PLACES.into_iter().flat_map(dirs_of_place), user).await;
    elsewhere.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    elsewhere.retain(|binaries| !installed.contains(binaries));
    installed.append(&mut elsewhere);
    installed
}

/// Chooses the PostgreSQL that made the cluster, or for a new one the first that is recent enough.
pub(crate) fn choose(
    installed: Vec<Binaries>,
    major_made_by: Option<u32>,
    cluster: &Path,
) -> Result<Binaries, LocalPostgresError> {
    let found = installed
        .iter()
        .map(|binaries| format!("{} in {}", binaries.version, binaries.dir.display()))
        .collect();
    let mut recent =
        installed.into_iter().filter(|binaries| binaries.major >= MAJOR_MIN).peekable();
    if recent.peek().is_none() {
        return Err(LocalPostgresError::NoPostgres { found });
    }
    match major_made_by {
        None => recent.next().ok_or(LocalPostgresError::NoPostgres { found }),
        Some(major) => recent.find(|binaries| binaries.major == major).ok_or_else(|| {
            LocalPostgresError::OtherMajor { cluster: cluster.to_owned(), major, found }
        }),
    }
}

/// The directories of one place that exist.
fn dirs_of_place((parent, beginning, end): (&str, &str, &str)) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            name.to_str().and_then(|name| name.strip_prefix(beginning)).is_some_and(|version| {
                // Nothing is left of `/usr/bin`, and no byte of nothing is not a digit.
                version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            })
        })
        .map(|entry| entry.path().join(end))
        .collect()
}

/// The PostgreSQL of each directory that has one, each once.
async fn probed(dirs: impl Iterator<Item = PathBuf>, user: &ServerUser) -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for dir in dirs {
        // A search path often has links only; the programs find each other beside the real one.
        let Ok(postgres) = fs::canonicalize(dir.join("postgres")) else { continue };
        let Some(dir) = postgres.parent() else { continue };
        let known = found.iter().any(|binaries| binaries.dir == dir);
        if known || !PROGRAMS.iter().all(|program| dir.join(program).is_file()) {
            continue;
        }
        if let Some((version, major)) = version_of(&postgres, user).await {
            found.push(Binaries { dir: dir.to_owned(), major, version });
        }
    }
    found
}

/// Asks a `postgres` for its version. None if the user cannot run it.
async fn version_of(postgres: &Path, user: &ServerUser) -> Option<(String, u32)> {
    let output =
        user.command(postgres).arg("--version").stdout(Stdio::piped()).output().await.ok()?;
    if !output.status.success() {
        return None;
    }
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// Reads what `postgres --version` says: `postgres (PostgreSQL) 15.18 (Debian …)`, `… 18beta1`.
fn parse_version(said: &str) -> Option<(String, u32)> {
    let version = said.split(") ").nth(1)?.split_whitespace().next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((version.to_owned(), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::platform::local_postgres::binaries::{Binaries, choose, parse_version};

    fn installed(majors: &[u32]) -> Vec<Binaries> {
        majors
            .iter()
            .map(|&major| Binaries {
                dir: format!("/opt/{major}/bin").into(),
                major,
                version: format!("{major}.1"),
            })
            .collect()
    }

    #[test]
    fn the_version_is_read_from_what_postgres_says() {
        for (said, version, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18", 15),
            ("postgres (PostgreSQL) 18beta1\n", "18beta1", 18),
            ("postgres (PostgreSQL) 9.6.24\n", "9.6.24", 9),
        ] {
            assert_eq!(parse_version(said), Some((version.to_owned(), major)), "{said}");
        }
        assert_eq!(parse_version("postgres: not found"), None);
    }

    #[test]
    fn a_cluster_gets_the_version_that_made_it_and_a_new_one_the_first() {
        for (majors, made_by, chosen) in [
            (&[17, 15][..], None, Some(17)),
            (&[14, 16][..], None, Some(16)),
            (&[17, 15][..], Some(15), Some(15)),
            (&[17][..], Some(15), None),
            (&[14][..], None, None),
            (&[][..], None, None),
        ] {
            let choice = choose(installed(majors), made_by, Path::new("/data/pg"));
            assert_eq!(
                choice.ok().map(|binaries| binaries.major),
                chosen,
                "{majors:?} {made_by:?}"
            );
        }
    }

    #[test]
    fn without_postgres_the_error_says_what_to_install() {
        let error = choose(installed(&[]), None, Path::new("/data/pg")).unwrap_err().to_string();
        for part in ["PostgreSQL 15 or later", "apt install postgresql;", "postgresql-server"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(error.contains("brew install postgresql@17"), "{error}");

        let error = choose(installed(&[14]), None, Path::new("/data/pg")).unwrap_err().to_string();
        assert!(error.contains("(only 14.1 in /opt/14/bin)"), "{error}");

        let error = choose(installed(&[17]), Some(15), Path::new("/d/pg")).unwrap_err().to_string();
        assert!(error.contains("/d/pg was made by PostgreSQL 15"), "{error}");
    }
}
