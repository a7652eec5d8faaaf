//! A process that does not outlive the hub.
//!
//! It is the child of a shell that holds one end of a pipe; the hub holds the other and never
//! writes to it. When the hub goes, on whatever way and be it `kill -9`, the kernel closes the
//! pipe, the shell reads its end and stops the process.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::platform::local_postgres::LocalPostgresError;
use crate::platform::local_postgres::account::ServerUser;
use crate::platform::local_postgres::log::Log;

/// How long a fast shutdown may take (it writes all changed pages) before a hard one.
pub(crate) const FAST_STOP_WAIT: Duration = Duration::from_secs(30);

/// How long a hard shutdown may take.
pub(crate) const HARD_STOP_WAIT: Duration = Duration::from_secs(10);

/// Two shells: the first waits for the process, so that its end is ours to see; the second waits
/// for the hub's end, and if the first is killed it still does. SIGINT is PostgreSQL's fast
/// shutdown, SIGQUIT the hard one. Signals meant for the hub's whole session are not for the
/// shells: the hub first has to finish its work.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" >&2 3<&- &
process=$!
echo "$process"
exec >&-
(
    read -r line <&3
    kill -s INT "$process"
    seconds=0
    while [ "$seconds" -lt 60 ]; do
        sleep 1 || exit
        kill -s 0 "$process" || exit
        seconds=$((seconds + 1))
    done
    kill -s QUIT "$process"
) 2>/dev/null &
guard=$!
exec 3<&-
wait "$process"
status=$?
kill -s KILL "$guard" 2>/dev/null
exit "$status"
"#;

/// A process that stops when this value is dropped or the hub ends.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The process id.
    pub(crate) process: u32,
    shell: Child,
    lifeline: PipeWriter,
}

impl Watched {
    /// Starts a program; what it says goes to the log.
    pub(crate) async fn spawn(
        program: &Path,
        arguments: &[OsString],
        user: &ServerUser,
        log: &Log,
    ) -> Result<Self, LocalPostgresError> {
        let cannot_run = |error| user.cannot_run(program, error);
        let (held_by_shell, lifeline) = io::pipe().map_err(cannot_run)?;
        let mut shell = user
            .command(Path::new("/bin/sh"))
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .args(arguments)
            .stdin(held_by_shell)
            .stdout(Stdio::piped())
            .stderr(log.handle()?)
            .spawn()
            .map_err(cannot_run)?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).await.map_err(cannot_run)?;
        }
        let process = line.trim().parse().map_err(|_| {
            cannot_run(io::Error::new(io::ErrorKind::UnexpectedEof, "its shell ended early"))
        })?;
        Ok(Self { process, shell, lifeline })
    }

    /// Returns how the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        // An error means that there is no such child any more, and then it has ended.
        self.shell.try_wait().unwrap_or_else(|_| Some(ExitStatus::default()))
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn wait(mut self) -> io::Result<ExitStatus> {
        self.shell.wait().await
    }

    /// Stops the process and waits until it is gone.
    pub(crate) async fn stop(self, user: &ServerUser) -> Result<(), LocalPostgresError> {
        let Self { process, mut shell, lifeline } = self;
        drop(lifeline);
        if timeout(FAST_STOP_WAIT, shell.wait()).await.is_ok() {
            return Ok(());
        }
        tracing::warn!("PostgreSQL process {process} takes long to stop and is stopped hard");
        user.signal("QUIT", process).await?;
        match timeout(HARD_STOP_WAIT, shell.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(LocalPostgresError::WillNotStop { process }),
        }
    }
}
