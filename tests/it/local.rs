//! The program with a private database: made, brought up to date, held by one process at a time.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{cluster, story, until};

fn program(arguments: &[&str], data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
    command.args(arguments).arg("--data-dir").arg(data_dir).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], data_dir: &Path) -> Output {
    program(arguments, data_dir).output().expect("the program")
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(&output.stdout), text(&output.stderr))
}

const DEV: [&str; 7] = [
    "dev",
    "--listen",
    "127.0.0.1:0",
    "--internal-listen",
    "127.0.0.1:0",
    "--public-listen",
    "127.0.0.1:0",
];

/// A development hub that is killed when the story ends.
struct Dev(Child);

/// What it has said in the data directory so far.
fn told(data_dir: &Path) -> String {
    std::fs::read_to_string(data_dir.join("told")).unwrap_or_default()
}

impl Dev {
    fn start(data_dir: &Path) -> Self {
        let told = std::fs::File::create(data_dir.join("told")).expect("a file");
        let mut command = program(&DEV, data_dir);
        Self(command.stdout(told).stderr(Stdio::null()).spawn().expect("the program"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("a process to kill");
        self.0.wait().expect("its end");
    }

    /// Asks it to end as Ctrl-C does, and waits.
    fn stop(&mut self) -> bool {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(asked.expect("kill").success());
        self.0.wait().expect("its end").success()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_fresh_data_directory_lacks_every_step_until_it_is_migrated() {
    let data_dir = cluster::directory("local");
    let status = run(&["migrate", "status"], &data_dir);
    assert!(status.status.success(), "{:?}", said(&status));
    let (before, _) = said(&status);
    assert!(before.lines().count() >= 4, "{before}");
    assert!(before.lines().all(|line| line.ends_with(" missing")), "{before}");
    assert!(run(&["migrate", "up"], &data_dir).status.success());
    let (after, _) = said(&run(&["migrate", "status"], &data_dir));
    assert_eq!(after, before.replace(" missing", " applied"));
    assert!(run(&["migrate", "up"], &data_dir).status.success(), "nothing to do is no failure");
    assert!(!data_dir.join("pg/postmaster.pid").exists(), "the cluster went with the program");
}

#[test]
fn a_data_directory_belongs_to_one_hub_at_a_time() {
    story(async |_| {
        let data_dir = cluster::directory("local");
        let mut first = Dev::start(&data_dir);
        let runs = || told(&data_dir).contains("A development hub is running").then_some(());
        until("the first hub", async || runs()).await;
        let second = run(&DEV, &data_dir);
        assert_eq!(second.status.code(), Some(1));
        let (out, error) = said(&second);
        let expected = format!("is in use by process {}", first.0.id());
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("choose another directory"), "and it says what to do: {error}");
        assert_eq!(out, "");
        assert!(first.0.try_wait().unwrap().is_none(), "the first one goes on");

        // One that is killed leaves the directory to the next, and one that is asked to end cleans up.
        first.kill();
        let mut third = Dev::start(&data_dir);
        until("the third hub", async || runs()).await;
        assert!(third.stop());
        assert!(!data_dir.join("pg/postmaster.pid").exists());
    });
}

#[test]
fn a_command_line_that_cannot_be_carried_out_says_why() {
    let data_dir = cluster::directory("local");
    let wrong = run(&["serve"], &data_dir);
    assert_eq!(wrong.status.code(), Some(2));
    let (_, error) = said(&wrong);
    for missing in ["--tls-cert", "--tls-key", "--keys-dir"] {
        assert!(error.contains(missing), "{error}");
    }
    let url = "postgres://nobody@localhost/none?host=/nonexistent";
    let unreachable = run(&["migrate", "status", "--database-url", url], &data_dir);
    assert_eq!(unreachable.status.code(), Some(1));
    let (_, error) = said(&unreachable);
    assert!(error.starts_with("peshub: "), "{error}");
}
