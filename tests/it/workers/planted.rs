//! Hundreds of persons go through a hub, in calls that are answered and in calls that are refused; then nothing of them stands in the
//! database or in the log.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use peshub::client::connect::{ClientIdentity, Connection, Options};
use peshub::dev::Credentials;
use peshub::pb::peshub::workers::v1::{
    EraseWorkerRequest, ListDisclosuresRequest, NationalId, RegisterWorkerRequest,
    UpdateWorkerRequest,
};
use sqlx::postgres::PgConnectOptions;

use crate::support::cluster::{self, directory};
use crate::support::{DEADLINE, PUBLIC_URL, story, within};
use crate::workers::people::{
    ALL, Invented, Workers, asking, citizen_number, let_erase, reason, registration,
};
use crate::workers::search::Search;

const PEOPLE: u64 = 200;

/// `peshub dev` over a database, with everything that it logs in a file.
pub(crate) struct Logged {
    child: Child,
    pub(crate) data_dir: PathBuf,
    pub(crate) address: String,
}

impl Logged {
    pub(crate) fn start(database: &PgConnectOptions) -> Self {
        Self::start_in(directory("planted"), database)
    }

    /// Starts it with the keys in a data directory.
    pub(crate) fn start_in(data_dir: PathBuf, database: &PgConnectOptions) -> Self {
        let log = File::create(data_dir.join("log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
        command.args(["--log", "trace", "dev", "--listen", "127.0.0.1:0"]);
        command.args(["--internal-listen", "127.0.0.1:0", "--public-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&data_dir).args(["--public-url", PUBLIC_URL]);
        command.args(["--database-url", &cluster::url(database)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the program");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = None;
        for line in lines.map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("gRPC (mTLS): ") {
                address = rest.split(' ').next().map(|it| format!("https://{it}"));
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        Self { child, data_dir, address: address.expect("an address") }
    }

    pub(crate) async fn workers(&self, participant: &str) -> Workers {
        self.connect(participant).await.workers()
    }

    pub(crate) async fn connect(&self, participant: &str) -> Connection {
        let credentials = Credentials::in_data_dir(&self.data_dir);
        let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
        let (certificate, key) = credentials.of(participant);
        let options = Options {
            address: self.address.clone(),
            authorities_pem: Some(read(&credentials.authority())),
            identity: Some(ClientIdentity {
                certificate_pem: read(&certificate),
                key_pem: read(&key),
            }),
            ..Options::default()
        };
        within("the connection", Connection::open(&options)).await.expect("a hub")
    }

    /// Stops it and returns its log.
    pub(crate) fn stop(&mut self) -> Vec<u8> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill").success());
        let begun = std::time::Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::fs::read(self.data_dir.join("log")).expect("the log")
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn programs() -> PathBuf {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup");
    let printed = Command::new(setup).arg("--print-programs").output().expect("scripts/setup");
    PathBuf::from(String::from_utf8(printed.stdout).expect("a path").trim())
}

/// The whole database as text.
fn dump(database: &PgConnectOptions, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(programs().join("pg_dump"));
    command.args(arguments).args(["-d", database.get_database().expect("a name")]);
    command.args(["-U", database.get_username(), "-p", &database.get_port().to_string(), "-h"]);
    match database.get_socket() {
        Some(socket) => command.arg(socket),
        None => command.arg(database.get_host()),
    };
    let output = command.output().expect("pg_dump");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.len() > 100_000, "a dump of everything");
    output.stdout
}

/// Adds everything that must not be found.
fn plant(search: &mut Search, invented: &Invented) {
    search.number(&invented.id.number);
    search.text(&invented.person.native_name);
    search.text(&invented.person.latin_name);
    for contact in &invented.person.contacts {
        search.text(&contact.value);
    }
}

/// Calls that go well.
async fn calls(hub: &Logged, invented: &[Invented]) {
    let mut north = hub.workers("platform-north").await;
    let mut xihu = hub.workers("bureau-xihu").await;
    for (index, it) in invented.iter().enumerate() {
        // Some use the number itself as the id of the request.
        let request_id = match index % 4 {
            0 => it.id.number.clone(),
            1 => format!("register-{}", it.id.number),
            2 => format!("r{index}"),
            _ => String::new(),
        };
        let reference = north.register_worker(registration(it, &request_id)).await.unwrap();
        let reference = reference.into_inner().reference;
        if index % 3 == 0 {
            let request = UpdateWorkerRequest {
                reference,
                person: Some(it.person.clone()),
                request_id: request_id.chars().rev().collect(),
            };
            north.update_worker(request).await.unwrap();
        }
        if index % 2 == 0 {
            let reference = xihu.register_worker(registration(it, "")).await.unwrap();
            let reference = reference.into_inner().reference;
            let told = xihu.disclose_worker(asking(&reference, &ALL)).await.unwrap().into_inner();
            assert_eq!(told.person.as_ref(), Some(&it.person));
            if index % 10 == 0 {
                xihu.erase_worker(EraseWorkerRequest { reference, ..Default::default() })
                    .await
                    .unwrap();
            }
        }
    }
}

/// Calls that are refused, with the data in every field that takes text.
async fn refusals(hub: &Logged, invented: &[Invented]) {
    let mut north = hub.workers("platform-north").await;
    let mut xihu = hub.workers("bureau-xihu").await;
    let mut told = std::collections::BTreeSet::new();
    for it in invented {
        let number = &it.id.number;
        let reference =
            xihu.register_worker(registration(it, "")).await.unwrap().into_inner().reference;
        let mut wrong = registration(it, "");
        wrong.national_id = Some(NationalId { country: number[..2].to_owned(), ..it.id.clone() });
        told.insert(reason(north.register_worker(wrong).await));
        let mut wrong = registration(it, "");
        wrong.person.as_mut().unwrap().birth_date.clone_from(&it.person.latin_name);
        told.insert(reason(north.register_worker(wrong).await));
        let mut wrong = registration(it, &format!("{number} ").repeat(5));
        wrong.person.as_mut().unwrap().native_name = it.person.native_name.repeat(60);
        wrong.person.as_mut().unwrap().contacts[0].value = number.repeat(40);
        told.insert(reason(north.register_worker(wrong).await));
        let other = registration(&Invented::new(9_999), &it.person.native_name);
        told.insert(reason(north.register_worker(other).await));
        for request_id in ["twice", &number[..6]] {
            let request = registration(it, request_id);
            told.insert(reason(north.register_worker(request).await));
        }
        for wrong in [number, &it.person.latin_name] {
            told.insert(reason(xihu.disclose_worker(asking(wrong, &ALL)).await));
            let mut request = asking(&reference, &ALL);
            request.purpose.clone_from(wrong);
            told.insert(reason(xihu.disclose_worker(request).await));
            let mut request = asking(&reference, &ALL);
            request.legal_basis.as_mut().unwrap().reference.clone_from(wrong);
            told.insert(reason(xihu.disclose_worker(request).await));
            let request = ListDisclosuresRequest {
                reference: reference.clone(),
                page_token: wrong.clone(),
                page_size: 0,
            };
            told.insert(reason(xihu.list_disclosures(request).await));
            let request =
                EraseWorkerRequest { reference: wrong.clone(), request_id: wrong.clone() };
            told.insert(reason(xihu.erase_worker(request).await));
        }
        // Nobody may ask like this.
        told.insert(reason(north.disclose_worker(asking(number, &ALL)).await));
        let nothing =
            RegisterWorkerRequest { person: Some(it.person.clone()), ..Default::default() };
        told.insert(reason(north.register_worker(nothing).await));
    }
    let expected =
        ["ACTION_NOT_GRANTED", "FIELDS_INVALID", "OK", "PAGE_TOKEN_INVALID", "REQUEST_ID_REUSED"];
    assert_eq!(told.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn nothing_of_a_person_stands_in_the_database_or_in_the_log() {
    story(async |world| {
        let mut hub = Logged::start(&world.options);
        let_erase(&world.pool, &hub.workers("bureau-xihu").await, "bureau-xihu").await;
        let invented: Vec<_> = (0..PEOPLE).map(|seed| Invented::new(1_000 + seed)).collect();
        let mut search = Search::default();
        for it in &invented {
            plant(&mut search, it);
        }
        calls(&hub, &invented).await;
        refusals(&hub, &invented[..60]).await;
        let log = hub.stop();
        assert!(log.len() > 100_000, "a log of everything");
        let found = search.found(&log);
        assert!(
            found.is_empty(),
            "{} in the log:\n{}",
            found.len(),
            found[..found.len().min(5)].join("\n")
        );
        for arguments in [&[][..], &["--inserts"], &["--column-inserts", "--rows-per-insert=3"]] {
            let found = search.found(&dump(&world.options, arguments));
            assert!(
                found.is_empty(),
                "{} in the dump:\n{}",
                found.len(),
                found[..found.len().min(5)].join("\n")
            );
        }
        planted_faults(world, &search, &invented[7]).await;
    });
}

/// The same search finds what somebody writes in clear, wherever and however.
async fn planted_faults(world: &crate::support::World, search: &Search, it: &Invented) {
    let number = citizen_number(1_007);
    assert_eq!(number, it.id.number);
    let writes = [
        (
            "INSERT INTO hub_secret (name, value, created_at) VALUES ('x', convert_to($1, 'UTF8'), now())",
            "DELETE FROM hub_secret WHERE name = 'x'",
        ),
        (
            "INSERT INTO hub_secret (name, value, created_at)
             VALUES ('x', convert_to(encode(convert_to('ab' || $1, 'UTF8'), 'base64'), 'UTF8'), now())",
            "DELETE FROM hub_secret WHERE name = 'x'",
        ),
        (
            "INSERT INTO hub_secret (name, value, created_at)
             VALUES (encode(convert_to('a' || $1, 'UTF8'), 'base64'), '', now())",
            "DELETE FROM hub_secret WHERE value = ''",
        ),
        (
            "INSERT INTO hub_secret (name, value, created_at) VALUES (reverse($1), '', now())",
            "DELETE FROM hub_secret WHERE value = ''",
        ),
        (
            "UPDATE worker SET sealed = sealed || convert_to($1, 'UTF8') WHERE worker_id =
                 (SELECT worker_id FROM worker WHERE sealed IS NOT NULL LIMIT 1)",
            "SELECT 1",
        ),
    ];
    for (write, take_back) in writes {
        for (planted, arguments) in
            [(&number, &[][..]), (&it.person.native_name, &["--inserts"][..])]
        {
            sqlx::query(write).bind(planted).execute(&world.pool).await.unwrap();
            let found = search.found(&dump(&world.options, arguments));
            assert!(!found.is_empty(), "{planted} is not found: {write}");
            sqlx::query(take_back).execute(&world.pool).await.unwrap();
        }
    }
}
