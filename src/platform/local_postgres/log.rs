//! The file PostgreSQL speaks into, and what it said last.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::cluster;

/// Size above which a start sets the log aside, so that at most about two of them are kept.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How much of the log an error shows.
const TAIL_BYTES_MAX: u64 = 8 * 1024;
const TAIL_LINES_MAX: usize = 20;

/// What PostgreSQL says when a cause is one that people can do something about, and in their words.
const MEANINGS: [(&str, &str); 5] = [
    ("No space left on device", "the disk is full"),
    ("Disk quota exceeded", "the disk quota is used up"),
    ("incompatible with server", "the cluster was made by another version of PostgreSQL"),
    ("Cannot allocate memory", "there is not enough memory; lower shared_buffers"),
    ("could not resize shared memory", "there is not enough shared memory; enlarge /dev/shm"),
];

/// The log from the moment of one launch on.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    from: u64,
}

impl Log {
    /// Opens the log to append to it.
    pub(crate) fn open(path: &Path) -> Result<Self, LocalPostgresError> {
        let opened = open_appending(path).and_then(|(file, from)| {
            if from <= LOG_BYTES_MAX {
                return Ok((file, from));
            }
            fs::rename(path, path.with_extension("log.old"))?;
            open_appending(path)
        });
        let (file, from) = opened.map_err(|error| cluster::file_error("open", path, error))?;
        Ok(Self { path: path.to_owned(), file, from })
    }

    /// Returns another handle, to hand to a process.
    pub(crate) fn handle(&self) -> Result<File, LocalPostgresError> {
        self.file.try_clone().map_err(|error| cluster::file_error("open", &self.path, error))
    }

    /// Returns the error for a step that failed, with the last lines said since the log was opened.
    pub(crate) fn failure(&self, what: &'static str) -> LocalPostgresError {
        // This error is on its way; one about the log would only hide it.
        let tail = self.read_tail().unwrap_or_else(|error| format!("(unreadable: {error})"));
        let meaning = MEANINGS
            .iter()
            .find(|(said, _)| tail.contains(said))
            .map_or_else(String::new, |(_, meaning)| format!(": {meaning}"));
        LocalPostgresError::Failed { what, meaning, log: self.path.clone(), tail }
    }

    fn read_tail(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.from.max(length.saturating_sub(TAIL_BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL_LINES_MAX);
        Ok(lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n"))
    }
}

fn open_appending(path: &Path) -> io::Result<(File, u64)> {
    // What was refused is quoted in it, and that may be anybody's data.
    let file = File::options().append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}
