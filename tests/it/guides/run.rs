//! Runs what a page has its reader do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use crate::guides::page::{Page, is_as_shown};
use crate::support::cluster;

/// Longest time for one page.
const DEADLINE: Duration = Duration::from_mins(3);

/// What pages call the server of the reader's databases; the one that is there is called `peshub`.
const SERVER: &str = "postgres://peshub@db.example/";

/// What a reader has in the clone that they stand in.
const CLONE: [&str; 6] = ["build", "docs", "helm", "programmes", "proto", "samples"];

/// Programs that pages use and that this machine must have.
const PROGRAMS: [&str; 7] = ["bash", "curl", "jq", "openssl", "pg_dump", "psql", "python3"];

/// The database that a page finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// `peshub dev` makes one of its own.
    Private,
    /// One with the demo participants: `peshub dev` uses it.
    Demo,
    /// One without a schema.
    Empty,
}

/// Read by bash before a page's program. It notes what fails with its line, and ends at its end what runs in other terminals.
const PRELUDE: &str = r#"
unset BASH_ENV
set -Eeuo pipefail
exec 9>>"$LOG"
BASH_XTRACEFD=9 PS4='+ $LINENO: '
declare -A __terminals=()
trap 'echo "$LINENO: $BASH_COMMAND" >>"$FAILED"' ERR
__ready() {
  { set +x; } 2>/dev/null
  __terminals[$!]=$1
  for _ in $(seq 600); do
    if curl -sf "http://$PESHUB_INTERNAL_LISTEN/readyz" >/dev/null; then set -x; return; fi
    if ! kill -0 $! 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "$1: no hub became ready" >>"$FAILED"
  exit 1
}
__finish() {
  local status=$? pid
  { set +x; } 2>/dev/null
  trap - ERR
  set +e
  for pid in "${!__terminals[@]}"; do
    if ! kill -0 "$pid" 2>/dev/null && ! wait "$pid"; then
      echo "${__terminals[$pid]}: what ran in the background has failed" >>"$FAILED"
      status=1
    fi
  done
  trap '' INT
  kill -INT 0
  wait
  exit $status
}
trap __finish EXIT
set -x
"#;

/// Runs a page in a directory of its own, and returns what is wrong with it.
pub(super) fn run(page: &Page, database: Database) -> Result<(), String> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|it| !is_there(it)).collect();
    assert!(missing.is_empty(), "pages use programs that this machine lacks: {missing:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let options = match database {
        Database::Private => None,
        Database::Demo => Some(runtime.block_on(cluster::fresh_database())),
        Database::Empty => Some(runtime.block_on(cluster::empty_database())),
    };
    let result = Desk::new().run(page, options.as_ref(), database == Database::Demo);
    if let Some(options) = options {
        runtime.block_on(cluster::drop_database(&options));
    }
    result
}

fn is_there(program: &str) -> bool {
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search).any(|it| it.join(program).is_file())
}

/// Where a reader sits.
struct Desk {
    /// Working directory: a clone of the project, as far as pages look at it.
    work: PathBuf,
    /// Notes of the runner.
    notes: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let (work, notes) = (cluster::directory("guide"), cluster::directory("guide-notes"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in CLONE {
            std::os::unix::fs::symlink(root.join(name), work.join(name)).expect("a link");
        }
        // Examples write beside themselves.
        copy(&root.join("examples"), &work.join("examples"));
        std::fs::create_dir(notes.join("shown")).expect("a directory");
        Self { work, notes }
    }

    fn note(&self, name: &str) -> String {
        std::fs::read_to_string(self.notes.join(name)).unwrap_or_default()
    }

    fn run(
        &self,
        page: &Page,
        database: Option<&PgConnectOptions>,
        is_demo: bool,
    ) -> Result<(), String> {
        let mut ports = Ports::default();
        let mut program = ports.put_into(&page.program);
        if let Some(database) = database {
            program = put_databases(&program, database);
        }
        std::fs::write(self.notes.join("prelude"), PRELUDE).expect("a file");
        std::fs::write(self.notes.join("program"), program).expect("a file");
        let mut command = self.command(&mut ports);
        if let Some(database) = database.filter(|_| is_demo) {
            command.env("PESHUB_DATABASE_URL", url(database));
        }
        let ended = within(&mut command.spawn().expect("bash"));
        let failed = self.note("failed");
        if let Some(first) = failed.lines().next() {
            return Err(format!("{}:{first}\n{}", page.path, self.last_words()));
        }
        if !ended {
            return Err(format!(
                "{}: has not come to a good end\n{}",
                page.path,
                self.last_words()
            ));
        }
        for (line, shown) in &page.shown {
            let (shown, printed) = (ports.put_into(shown), self.note(&format!("shown/{line}")));
            if !is_as_shown(&shown, &printed) {
                return Err(format!("{}:{line}: shows\n{shown}\nand prints\n{printed}", page.path));
            }
        }
        Ok(())
    }

    fn command(&self, ports: &mut Ports) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = Path::new(env!("CARGO_BIN_EXE_peshub"));
        let tools = root.join("target/tools/bin");
        let search = std::env::var_os("PATH").unwrap_or_default();
        let search: Vec<_> = [program.parent().expect("a folder").to_owned(), tools]
            .into_iter()
            .chain(std::env::split_paths(&search))
            .collect();
        let log = self.notes.join("log");
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PESHUB_") {
                command.env_remove(name);
            }
        }
        command
            .arg(self.notes.join("program"))
            .current_dir(&self.work)
            .env_remove("DATABASE_URL")
            .env("PATH", std::env::join_paths(search).expect("a search path"))
            .env("HOME", &self.work)
            .env("PIP_CACHE_DIR", root.join("target/tools-cache"))
            .env("BASH_ENV", self.notes.join("prelude"))
            .env("LOG", self.notes.join("log"))
            .env("FAILED", self.notes.join("failed"))
            .env("SHOWN", self.notes.join("shown"))
            .env("PESHUB_CONFIG", "/dev/null")
            .env("PESHUB_CHECKPOINT_SECONDS", "1")
            .env("PESHUB_DATA_DIR", self.work.join("data"))
            .env("PESHUB_LISTEN", format!("127.0.0.1:{}", ports.of("7443")))
            .env("PESHUB_PUBLIC_LISTEN", format!("127.0.0.1:{}", ports.of("7453")))
            .env("PESHUB_INTERNAL_LISTEN", format!("127.0.0.1:{}", ports.of("7480")))
            .env("PESHUB_HUB", format!("https://127.0.0.1:{}", ports.of("7443")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .process_group(0);
        command
    }

    /// The end of what was typed and printed.
    fn last_words(&self) -> String {
        let log = self.note("log");
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// Copies a folder without what its programs have made or installed.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if path.is_file() {
            std::fs::copy(&path, to.join(name)).expect("a copy");
        } else if !["generated", "node_modules", "venv", "__pycache__"].iter().any(|it| name == *it)
        {
            copy(&path, &to.join(name));
        }
    }
}

/// Returns a URL that PostgreSQL's own programs understand as well: they do not know the library's parameters.
fn url(database: &PgConnectOptions) -> String {
    let url = cluster::url(database);
    url.split_once('?').map_or(url.clone(), |(url, _)| url.to_owned())
}

/// Puts the server of the tests in the place of the reader's.
fn put_databases(program: &str, database: &PgConnectOptions) -> String {
    let mut parts = program.split(SERVER);
    let mut put = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|it: char| !it.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let named =
            if name == "peshub" { database.clone() } else { database.clone().database(name) };
        put.push_str(&url(&named));
        put.push_str(rest);
    }
    put
}

/// Waits for the end, and makes one when it does not come. Returns whether it was a good one.
fn within(bash: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if let Some(status) = bash.try_wait().expect("a child") {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let group = format!("-{}", bash.id());
    let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
    killed.expect("a program to end programs");
    bash.wait().expect("a child");
    false
}

/// Pages are run beside one another, so a hub of each has ports of its own for those that the page names.
#[derive(Default)]
struct Ports(BTreeMap<String, u16>);

impl Ports {
    fn of(&mut self, named: &str) -> u16 {
        *self.0.entry(named.to_owned()).or_insert_with(free_port)
    }

    /// Puts free ports in the place of all that are called `:74…`.
    fn put_into(&mut self, text: &str) -> String {
        let mut parts = text.split(":74");
        let mut put = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.get(..2).filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
            let port = end.map(|end| self.of(&format!("74{end}")));
            // Writing to a text does not fail.
            match port {
                Some(port) => write!(put, ":{port}{}", &part[2..]),
                None => write!(put, ":74{part}"),
            }
            .unwrap_or_default();
        }
        put
    }
}

/// Finds a port that nobody has, below those that the system gives out by itself.
fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let offset = (std::process::id() * 37 + count) % 12_000;
        let port = 20_000 + u16::try_from(offset).expect("a small number");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
