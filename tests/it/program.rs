//! The program itself, as somebody who tries it out runs it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::cluster::directory;

pub(crate) fn peshub() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_peshub")))
}

/// Settings of whoever runs the tests are not the tests'.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PESHUB_") {
            command.env_remove(name);
        }
    }
    command.env("PESHUB_CONFIG", "/dev/null");
    command.env_remove("DATABASE_URL").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Runs to a good end and returns what was printed.
pub(crate) fn done(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs to a bad end and returns what was said about it.
pub(crate) fn failed(command: &mut Command, code: i32) -> String {
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    said
}

/// `peshub dev` on free ports.
struct Dev {
    child: Child,
    data_dir: PathBuf,
    address: String,
}

impl Dev {
    fn start() -> Self {
        let data_dir = directory("dev");
        let mut child = dev_command(&data_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        for line in lines {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("gRPC (mTLS): ") {
                address = rest.split(' ').next().map(|it| format!("https://{it}"));
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let address = address.expect("an address");
        Self { child, data_dir, address }
    }

    /// A command of a client.
    fn client(&self, command: &[&str], participant: &str) -> Command {
        let mut client = peshub();
        client.args(command).args(["--hub", &self.address, "--as", participant]);
        client.arg("--data-dir").arg(&self.data_dir);
        client
    }

    /// Imports into the source of a platform and returns the summary.
    fn import(&self, platform: &str, arguments: &[&str]) -> Value {
        let mut command = self.client(&["import", "--json", "--source", platform], platform);
        serde_json::from_str(&done(command.args(arguments))).expect("a summary")
    }

    /// All postings of a platform, open and closed.
    fn export(&self, platform: &str) -> Vec<Value> {
        let mut command = self.client(&["postings", "export", "--json", "--closed-too"], platform);
        let printed = done(command.args(["--source", platform]));
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn stop(mut self) {
        terminate(&self.child);
        let status = wait(&mut self.child);
        assert!(status.success(), "the hub ended with {status}");
    }
}

impl Drop for Dev {
    /// A story that fails leaves no hub behind.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            terminate(&self.child);
            self.child.wait().expect("a child");
        }
    }
}

pub(crate) fn dev_command(data_dir: &Path) -> Command {
    let mut command = peshub();
    command.args([
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--internal-listen",
        "127.0.0.1:0",
        "--public-listen",
        "127.0.0.1:0",
    ]);
    command.arg("--data-dir").arg(data_dir);
    command
}

pub(crate) fn terminate(child: &Child) {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
}

pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(begun.elapsed() < DEADLINE, "the program does not end");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postings")
}

#[test]
fn a_fresh_data_directory_is_brought_to_the_schema_step_by_step() {
    let data_dir = directory("migrate");
    let migrate = |what: &str| {
        let mut command = peshub();
        done(command.args(["migrate", what, "--data-dir"]).arg(&data_dir))
    };
    let before = migrate("status");
    assert!(!before.is_empty() && before.lines().all(|line| line.ends_with("missing")), "{before}");
    let steps = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"));
    let steps = steps
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "sql"));
    assert_eq!(before.lines().count(), steps.count());
    let applied = before.replace("missing", "applied");
    assert_eq!(migrate("up"), applied);
    assert_eq!(migrate("status"), applied);
    assert_eq!(migrate("up"), applied, "a second time changes nothing");
}

#[test]
fn wrong_arguments_end_with_two_and_a_hint() {
    for arguments in [
        &["--no-such-flag"][..],
        &["dev", "--no-such-flag"],
        &["no-such-command"],
        &["import", "file"],
        &["dev", "--listen", "nowhere"],
        &["dev", "--database-connections", "3"],
    ] {
        let said = failed(peshub().args(arguments), 2);
        assert!(said.starts_with("error: ") && said.contains("--help"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_hub_that_is_not_there_is_told_in_a_sentence() {
    // Nobody listens on a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = format!("https://{free}");
    let said = failed(peshub().args(["watch", "--hub", &hub]), 1);
    assert!(said.starts_with("peshub: the hub cannot be reached: "), "{said}");
    // One line says what it is, one what to try.
    assert_eq!(said.lines().count(), 2, "{said}");
    let data_dir = directory("empty");
    let mut command = peshub();
    command.args(["watch", "--as", "nobody", "--hub", &hub, "--data-dir"]).arg(&data_dir);
    let said = failed(&mut command, 1);
    assert!(said.contains("dev/nobody.pem cannot be read"), "{said}");
    let said = failed(peshub().args(["import", "/no/such/file", "--source", "s"]), 1);
    assert!(said.starts_with("peshub: ") && said.contains("/no/such/file"), "{said}");
}

/// What an import came to: read, not readable, created, changed, unchanged, closed, rejected.
fn counts(summary: &Value) -> [i64; 7] {
    ["read", "not_readable", "created", "changed", "unchanged", "closed", "rejected"]
        .map(|name| summary[name].as_i64().expect(name))
}

/// Imports a fixture twice and returns the counts of both and where what was not taken stands, with its code.
fn fixture(dev: &Dev, platform: &str, arguments: &[&str]) -> String {
    let rejects = dev.data_dir.join(format!("{platform}.rejects.jsonl"));
    let arguments = [arguments, &["--rejects", rejects.to_str().unwrap()]].concat();
    let first = dev.import(platform, &arguments);
    let stored = dev.export(platform);
    let again = dev.import(platform, &arguments);
    assert_eq!(dev.export(platform), stored, "the second import changed something");
    let lines = std::fs::read_to_string(&rejects).unwrap();
    let mut told = format!("{:?}\n{:?}\n{} stored", counts(&first), counts(&again), stored.len());
    let mut not_taken = 0;
    let mut last = (String::new(), String::new());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of the report");
        let word = |name: &str| line[name].as_str().expect(name).to_owned();
        let place = word("locator");
        let place = place.rsplit("/postings/").next().unwrap_or_default().to_owned();
        let what = format!("{} {place} {} {}", word("stage"), word("code"), word("field"));
        told = format!("{told}\n{}", what.trim_end());
        assert!(!word("expected").is_empty());
        if last != (place.clone(), word("external_id")) {
            not_taken += 1;
        }
        last = (place, word("external_id"));
    }
    let [_, not_readable, .., rejected] = counts(&again);
    assert_eq!(not_taken, not_readable + rejected, "the report names every record once: {lines}");
    told
}

#[test]
fn every_format_is_imported_once_and_what_is_not_taken_is_told() {
    let dev = Dev::start();
    let fixtures = fixtures();
    let path = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    let mapping = path("csv/mapping.toml");

    let told = fixture(&dev, "platform-north", &[&path("schema-org"), "--country", "SE"]);
    insta::assert_snapshot!(told, @r"
    [7, 2, 5, 0, 0, 0, 0]
    [7, 2, 0, 0, 5, 0, 0]
    5 stored
    read board.jsonl:7 REQUIRED employer.name
    read board.jsonl:8 MALFORMED
    ");
    let told = fixture(&dev, "platform-south", &[&path("jobtech")]);
    insta::assert_snapshot!(told, @r"
    [7, 1, 4, 0, 0, 0, 2]
    [7, 1, 0, 0, 4, 0, 2]
    4 stored
    read gathered.json#/hits/hits/1 REQUIRED employer.name
    hub source_ads.json#/testannonser/1 CLOSE_OF_UNKNOWN external_id
    hub stream.jsonl:2 CLOSE_OF_UNKNOWN external_id
    ");
    let told = fixture(&dev, "platform-east", &[&path("hr-xml")]);
    insta::assert_snapshot!(told, @r"
    [4, 2, 1, 0, 0, 0, 1]
    [4, 2, 0, 0, 1, 0, 1]
    1 stored
    read several.xml#1 MALFORMED
    read several.xml#2 DIVISION_UNKNOWN workplaces
    hub several.xml#0 CLOSE_OF_UNKNOWN external_id
    ");

    // A table cannot be read without its mapping.
    let mut command = dev.client(&["import", "--source", "platform-north"], "platform-north");
    let said = failed(command.arg(path("csv/jobs.csv")), 1);
    assert!(said.starts_with("peshub: ") && said.contains("jobs.csv"), "{said}");
    let csv = [&path("csv/jobs.csv")[..], "--mapping", &mapping, "--country", "CN"];
    let before = dev.export("platform-north").len();
    let summary = dev.import("platform-north", &csv);
    let again = dev.import("platform-north", &csv);
    let told = format!(
        "{:?}\n{:?}\n{} more",
        counts(&summary),
        counts(&again),
        dev.export("platform-north").len() - before
    );
    insta::assert_snapshot!(told, @r"
    [8, 3, 4, 0, 1, 0, 0]
    [8, 3, 0, 0, 5, 0, 0]
    4 more
    ");

    // To check stores nothing, and somebody else's source cannot be written to.
    let csv = [&csv[..], &["--validate-only"]].concat();
    let checked = dev.import("platform-south", &csv);
    assert_eq!(counts(&checked)[2], counts(&summary)[2]);
    assert!(dev.export("platform-south").iter().all(|it| it["key"]["external_id"] != "elm"));
    let mut command = dev.client(&["import", "--source", "platform-south"], "platform-north");
    let said = failed(command.arg(path("jobtech")), 1);
    assert!(said.contains("SOURCE_NOT_FOUND"), "{said}");

    // A second hub on the same data is refused; the first one goes on.
    let said = failed(&mut dev_command(&dev.data_dir), 1);
    assert!(said.starts_with("peshub: ") && said.contains("in use"), "{said}");
    let mut command = dev.client(&["watch", "--json", "--snapshot-only"], "bureau-sweden");
    let events = done(&mut command);
    assert!(events.lines().count() > 0);
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["kind"], "EVENT_KIND_SNAPSHOT");
    }
    dev.stop();
}

/// Records of the file that an import is stopped in.
const RECORDS: usize = 30_000;

#[test]
fn an_import_that_was_stopped_goes_on_where_it_was() {
    let dev = Dev::start();
    let (file, checkpoint) = (dev.data_dir.join("many.csv"), dev.data_dir.join("checkpoint"));
    let mapping = dev.data_dir.join("mapping.toml");
    std::fs::write(&mapping, MAPPING).unwrap();
    let mut table = "id,title,company,place\n".to_owned();
    for number in 0..RECORDS {
        // Every hundredth has no title.
        let title = if number % 100 == 0 { String::new() } else { format!("木匠 {number}") };
        writeln!(table, "id-{number},{title},橡树家具厂,深圳-南山区").unwrap();
    }
    std::fs::write(&file, table).unwrap();
    let arguments = |command: &mut Command| {
        command.arg(&file).arg("--mapping").arg(&mapping).arg("--checkpoint").arg(&checkpoint);
    };
    let import = ["import", "--json", "--source", "platform-north"];
    let mut first = dev.client(&import, "platform-north");
    arguments(&mut first);
    let mut child =
        first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let begun = Instant::now();
    while !checkpoint.exists() {
        assert!(begun.elapsed() < DEADLINE, "no checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    terminate(&child);
    assert_eq!(wait(&mut child).code(), Some(1), "it was too fast to be stopped");
    let output = child.wait_with_output().unwrap();
    let stopped: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert!(text(&output.stderr).contains("run the same command again"));
    assert_eq!(stopped["interrupted"], true);
    let done_before = stopped["created"].as_i64().unwrap();
    let is_midway = 0 < done_before && done_before < RECORDS as i64 * 99 / 100;
    assert!(is_midway, "{stopped}");

    let mut second = dev.client(&import, "platform-north");
    arguments(&mut second);
    let rest: Value = serde_json::from_str(&done(&mut second)).expect("a summary");
    let skipped = rest["skipped_as_done"].as_i64().unwrap();
    assert!(skipped > 0 && skipped >= done_before, "{rest}");
    assert_eq!(rest["read"], RECORDS);
    let created = done_before + rest["created"].as_i64().unwrap();
    assert_eq!(created, RECORDS as i64 * 99 / 100, "{stopped}\n{rest}");
    assert_eq!(rest["changed"], 0);
    assert!(!checkpoint.exists(), "a checkpoint of what is done");
    dev.stop();
}

const MAPPING: &str = r#"
name = "many"
language = "zh-Hans"
utc_offset = "+08:00"

[external_id]
columns = ["id"]

[[field]]
to = "title"
from = ["title"]

[[field]]
to = "employer.name"
from = ["company"]

[[field]]
to = "workplace"
from = ["place"]
"#;
