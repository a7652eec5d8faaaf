use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::platform::local_postgres::cluster::DataDirLock;
use crate::platform::local_postgres::occupant::{self, PostmasterFile};
use crate::platform::local_postgres::{
    Durability, LocalPostgres, LocalPostgresError, LocalPostgresOptions, account, default_data_dir,
    running_as_root,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory that goes with the test.
struct TestDir(PathBuf);

impl TestDir {
    fn new() -> Self {
        Self::named("")
    }

    fn named(suffix: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("peshub-test-{}-{number}{suffix}", std::process::id());
        let path = Path::new("/tmp").join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        // A server may still be on its way out; what it writes meanwhile is removed again.
        let begun = Instant::now();
        while fs::remove_dir_all(&self.0).is_err() && begun.elapsed() < DEADLINE {}
    }
}

fn options(dir: &TestDir) -> LocalPostgresOptions {
    let mut options = LocalPostgresOptions::new(&dir.0);
    options.durability = Durability::TestsOnly;
    options.settings = vec![("shared_buffers".to_owned(), "16MB".to_owned())];
    options
}

/// Asks the database by way of its URL.
fn ask(programs: &Path, url: &str, sql: &str) -> String {
    let output = Command::new(programs.join("psql")).args(["-XAtc", sql, url]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    said.trim().to_owned()
}

fn ask_running(postgres: &LocalPostgres, sql: &str) -> String {
    ask(postgres.programs_dir(), &postgres.location().url(), sql)
}

async fn until<F: Future<Output = bool>>(what: &str, mut happened: impl FnMut() -> F) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < DEADLINE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_gone(cluster: &Path) {
    let user = account::server_user(cluster.parent().unwrap()).await.unwrap();
    until("the end of PostgreSQL", || async { occupant::of(cluster, &user).await.is_none() }).await;
}

fn kill(signal: &str, process: u32) {
    let killed = Command::new("/bin/sh")
        .args(["-c", &format!("kill -s {signal} {process}")])
        .status()
        .unwrap();
    assert!(killed.success());
}

/// A process of its own that starts the cluster of a directory and then does nothing.
struct Owner {
    process: Child,
    url: String,
}

impl Owner {
    fn start(dir: &Path, uid: Option<u32>) -> Self {
        let mut program = std::env::current_exe().unwrap();
        if uid.is_some() {
            // The build's directory need not be open to everybody.
            let copy = dir.with_extension("exe");
            fs::copy(program, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
            program = copy;
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut command = Command::new(program);
        command
            .args(["--exact", "--ignored", "--nocapture", &format!("{module}::owner_process")])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let mut process = command.spawn().unwrap();
        // The pipe stays open inside of `process` and its end would end the owner.
        writeln!(process.stdin.as_mut().unwrap(), "{}", dir.display()).unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().split_once("url: ")?.1.to_owned()));
        Self { process, url: url.expect("the owner started no PostgreSQL") }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "a helper of other tests, which start it in a process of its own"]
async fn owner_process() {
    let mut dir = String::new();
    std::io::stdin().read_line(&mut dir).unwrap();
    if dir.trim().is_empty() {
        return;
    }
    let mut options = LocalPostgresOptions::new(dir.trim());
    options.durability = Durability::TestsOnly;
    let postgres = LocalPostgres::start(options).await.unwrap();
    writeln!(std::io::stdout(), "\nurl: {}", postgres.location().url()).unwrap();
    // Waits for the test that started it to end or to kill it.
    let mut rest = String::new();
    std::io::stdin().read_to_string(&mut rest).unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_fresh_directory_becomes_a_database_that_answers() {
    let dir = TestDir::new();
    let data_dir = dir.0.join("not/yet there");
    let mut options = options(&dir);
    options.data_dir.clone_from(&data_dir);
    options.database = "Umlaut ä, 'quote' and \"quotes\"".to_owned();
    let database = options.database.clone();

    let postgres = LocalPostgres::start(options).await.unwrap();

    assert_eq!(ask_running(&postgres, "SELECT current_database()"), database);
    assert_eq!(ask_running(&postgres, "SHOW listen_addresses"), "");
    assert_eq!(ask_running(&postgres, "SHOW server_encoding"), "UTF8");
    assert_eq!(ask_running(&postgres, "SHOW data_checksums"), "on");
    assert_eq!(ask_running(&postgres, "SHOW shared_buffers"), "16MB");
    assert_eq!(ask_running(&postgres, "SELECT lower('ÄRZTE')"), "ärzte");
    let location = postgres.location();
    assert!(location.port < 32_768);
    assert_eq!(location.data_dir, data_dir);
    let line = location.to_string();
    assert!(line.contains("not/yet there, socket in") && !line.contains('\n'), "{line}");
    let socket_dir = fs::metadata(&location.socket_dir).unwrap();
    assert_eq!(socket_dir.permissions().mode() & 0o777, 0o700);
    assert_eq!(socket_dir.uid(), fs::metadata(data_dir.join("pg")).unwrap().uid());

    postgres.stop().await.unwrap();
    assert!(PostmasterFile::read(&data_dir.join("pg")).is_none());
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = TestDir::new();
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    let location = postgres.location().clone();
    ask_running(&postgres, "CREATE TABLE kept AS SELECT 7 AS number");
    postgres.stop().await.unwrap();

    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT number FROM kept"), "7");
    assert_eq!(*postgres.location(), location);

    // Dropped and not stopped: the next start waits for the end of this one.
    drop(postgres);
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT number FROM kept"), "7");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn postgres_goes_with_an_owner_that_is_killed() {
    let dir = TestDir::new();
    let owner = Owner::start(&dir.0, None);
    owner.kill();
    until_gone(&dir.0.join("pg")).await;

    // And at once after the kill, when it is not yet gone.
    Owner::start(&dir.0, None).kill();
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn postgres_left_behind_without_a_watchdog_is_taken_over() {
    let dir = TestDir::new();
    let owner = Owner::start(&dir.0, None);
    let cluster = dir.0.join("pg");
    let orphan = PostmasterFile::read(&cluster).unwrap().process;
    // The watchdog's shells are the rest of the server's process group.
    let group = fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap();
    let group: u32 = group.rsplit(')').next().unwrap().split(' ').nth(3).unwrap().parse().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((process, rest)) = stat.split_once(" (") else { continue };
        if rest.starts_with("sh) ") && rest.split(' ').nth(3) == Some(&group.to_string()) {
            kill("KILL", process.parse().unwrap());
        }
    }
    owner.kill();

    let user = account::server_user(&dir.0).await.unwrap();
    assert_eq!(occupant::of(&cluster, &user).await, Some(orphan), "the orphan lives");
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_ne!(PostmasterFile::read(&cluster).unwrap().process, orphan);
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_file_that_names_somebody_elses_process_does_not_stop_a_start() {
    let dir = TestDir::new();
    LocalPostgres::start(options(&dir)).await.unwrap().stop().await.unwrap();
    let cluster = dir.0.join("pg");
    // A process of the server's user that is not PostgreSQL bears the number of the last server.
    let user = account::server_user(&dir.0).await.unwrap();
    let mut other = user.command(Path::new("/bin/sleep")).arg("60").spawn().unwrap();
    let process = other.id().unwrap();
    for (file, state) in
        [(cluster.join("postmaster.pid"), "ready"), (dir.0.join("run/.s.PGSQL.25432.lock"), "")]
    {
        let text = format!("{process}\n{}\n1\n25432\n\n\n\n{state}\n", cluster.display());
        fs::write(file, text).unwrap();
    }

    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    assert_eq!(postgres.location().port, 25_432);
    assert!(other.try_wait().unwrap().is_none(), "the other process was killed");
    postgres.stop().await.unwrap();
    other.kill().await.unwrap();
}

#[tokio::test]
async fn a_second_hub_on_the_same_directory_is_refused() {
    let dir = TestDir::new();
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();

    let refusal = LocalPostgres::start(options(&dir)).await.unwrap_err();

    let id = std::process::id();
    assert!(
        matches!(refusal, LocalPostgresError::InUse { process: Some(holder), .. } if holder == id)
    );
    assert!(refusal.to_string().contains(&format!("is in use by process {id};")), "{refusal}");
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();
    let _lock = DataDirLock::take(&dir.0).await.unwrap();
}

#[tokio::test]
async fn a_cluster_whose_making_was_interrupted_is_made_again() {
    let dir = TestDir::new();
    let mut slow = options(&dir);
    slow.durability = Durability::Full;
    {
        let start = LocalPostgres::start(slow);
        let halfway =
            until("half a cluster", || async { dir.0.join("pg.unfinished.1/PG_VERSION").exists() });
        tokio::select! {
            _ = start => panic!("the start was not interrupted"),
            () = halfway => {}
        }
    }
    assert!(!dir.0.join("pg").exists());

    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();
    LocalPostgres::start(options(&dir)).await.unwrap().stop().await.unwrap();
    assert!(!dir.0.join("pg.unfinished.1").exists());
}

#[tokio::test]
async fn what_is_not_a_cluster_is_left_alone() {
    let dir = TestDir::new();
    fs::create_dir(dir.0.join("pg")).unwrap();
    fs::write(dir.0.join("pg/thesis"), "final").unwrap();
    let refusal = LocalPostgres::start(options(&dir)).await.unwrap_err();
    assert!(matches!(refusal, LocalPostgresError::NotACluster { .. }), "{refusal}");
    assert_eq!(fs::read_to_string(dir.0.join("pg/thesis")).unwrap(), "final");

    fs::write(dir.0.join("pg/PG_VERSION"), "12\n").unwrap();
    let refusal = LocalPostgres::start(options(&dir)).await.unwrap_err().to_string();
    assert!(refusal.contains("was made by PostgreSQL 12 and only that can open it"), "{refusal}");
}

#[tokio::test]
async fn a_start_that_fails_says_what_postgres_said() {
    let dir = TestDir::new();
    let mut options = options(&dir);
    options.settings.push(("max_connections".to_owned(), "none".to_owned()));
    let failure = LocalPostgres::start(options).await.unwrap_err().to_string();
    assert!(failure.starts_with("starting PostgreSQL failed; the end of"), "{failure}");
    assert!(failure.contains(r#"invalid value for parameter "max_connections""#), "{failure}");
}

#[tokio::test]
async fn a_socket_whose_path_would_not_do_is_elsewhere() {
    let long = "-long".repeat(30);
    for (name, is_elsewhere) in [(long.as_str(), true), ("a,b", true), ("'ä' \"&%?#\\", false)] {
        let dir = TestDir::named(name);
        let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
        let socket_dir = postgres.location().socket_dir.clone();
        assert_eq!(socket_dir.starts_with(&dir.0), !is_elsewhere, "{name}");
        assert_eq!(ask_running(&postgres, "SELECT 1"), "1", "{name}");
        postgres.stop().await.unwrap();
        assert_eq!(socket_dir.exists(), !is_elsewhere, "{name}");
    }
}

#[tokio::test]
async fn a_start_does_not_take_longer_than_it_may() {
    let dir = TestDir::new();
    let mut options = options(&dir);
    options.start_wait = Duration::ZERO;
    let failure = LocalPostgres::start(options).await.unwrap_err().to_string();
    assert!(failure.starts_with("starting PostgreSQL in time failed"), "{failure}");
    until_gone(&dir.0.join("pg")).await;
}

#[tokio::test]
async fn root_is_told_which_directory_is_closed_to_the_server() {
    if !running_as_root().await.unwrap() {
        return;
    }
    let dir = TestDir::new();
    let closed = dir.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let refusal = LocalPostgres::start(LocalPostgresOptions::new(closed.join("data")));
    let refusal = refusal.await.unwrap_err();
    let LocalPostgresError::NoWay { directory, .. } = &refusal else { panic!("{refusal}") };
    assert_eq!(*directory, closed);
}

#[tokio::test]
async fn an_ordinary_user_runs_its_own() {
    // As an ordinary user all the other tests show it.
    if !running_as_root().await.unwrap() {
        return;
    }
    let nobody = 65_534;
    let dir = TestDir::new();
    std::os::unix::fs::chown(&dir.0, Some(nobody), Some(nobody)).unwrap();
    let owner = Owner::start(&dir.0, Some(nobody));
    assert_eq!(fs::metadata(dir.0.join("pg")).unwrap().uid(), nobody);
    let mut installed =
        crate::platform::local_postgres::binaries::installed(None, &account::ServerUser::Ourselves)
            .await;
    assert_eq!(ask(&installed.remove(0).dir, &owner.url, "SELECT 1"), "1");
    owner.kill();
    until_gone(&dir.0.join("pg")).await;

    // Root takes over what an ordinary user began, and leaves it to that user.
    let postgres = LocalPostgres::start(options(&dir)).await.unwrap();
    assert_eq!(ask_running(&postgres, "SELECT 1"), "1");
    assert_eq!(fs::metadata(dir.0.join("pg/PG_VERSION")).unwrap().uid(), nobody);
    postgres.stop().await.unwrap();
    fs::remove_file(dir.0.with_extension("exe")).unwrap();
}

#[test]
fn the_default_directory_follows_the_user() {
    let (home, xdg) = (Some(Path::new("/home/ada")), Some(Path::new("/data")));
    for (home, xdg, is_root, expected) in [
        (home, xdg, true, Some("/var/lib/peshub")),
        (home, xdg, false, Some("/data/peshub")),
        (home, None, false, Some("/home/ada/.local/share/peshub")),
        (home, Some(Path::new("relative")), false, Some("/home/ada/.local/share/peshub")),
        (None, xdg, false, Some("/data/peshub")),
        (None, None, false, None),
    ] {
        let directory = default_data_dir(home, xdg, is_root);
        assert_eq!(directory.as_deref(), expected.map(Path::new));
    }
}
