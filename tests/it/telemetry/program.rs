//! The program itself over a story's database, watched by a collector.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use peshub::client::connect::{ClientIdentity, Connection, Options};
use peshub::dev::Credentials;

use crate::program::{dev_command, peshub, terminate, wait};
use crate::support::cluster::{directory, url};
use crate::support::{World, within};

/// `peshub dev` as a process of its own.
pub(crate) struct Program {
    child: Child,
    data_dir: PathBuf,
    /// What it prints; open as long as it runs.
    _printed: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) internal: String,
}

impl Program {
    /// Starts it, with settings from the environment.
    pub(crate) fn start(world: &World, settings: &[(&str, &str)]) -> Self {
        Self::start_in(world, directory("telemetry"), settings)
    }

    /// Starts it with the keys that lie in a directory, as one must after another over one database.
    pub(crate) fn start_in(world: &World, data_dir: PathBuf, settings: &[(&str, &str)]) -> Self {
        let mut command = dev_command(&data_dir);
        command.arg("--database-url").arg(url(&world.options)).envs(settings.iter().copied());
        let log = File::create(data_dir.join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program");
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let (address, internal) = loop {
            line.clear();
            let bytes = printed.read_line(&mut line).unwrap();
            assert!(bytes > 0, "{}", std::fs::read_to_string(data_dir.join("log")).unwrap());
            let Some((_, rest)) = line.trim_end().split_once("gRPC (mTLS): ") else { continue };
            let (address, internal) = rest.split_once(" · probes: ").expect("two addresses");
            break (format!("https://{address}"), internal.trim_end_matches("/readyz").to_owned());
        };
        Self { child, data_dir, _printed: printed, address, internal }
    }

    /// Connects as a participant.
    pub(crate) async fn connect(&self, participant: &str) -> Connection {
        let credentials = Credentials::in_data_dir(&self.data_dir);
        let (certificate, key) = credentials.of(participant);
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let options = Options {
            address: self.address.clone(),
            authorities_pem: Some(read(credentials.authority())),
            identity: Some(ClientIdentity {
                certificate_pem: read(certificate),
                key_pem: read(key),
            }),
            ..Options::default()
        };
        within("the connection", Connection::open(&options)).await.expect("a hub")
    }

    /// Returns a command of a client of it.
    pub(crate) fn client(&self, command: &[&str], participant: &str) -> Command {
        let mut client = peshub();
        client.args(command).args(["--hub", &self.address, "--as", participant]);
        client.arg("--data-dir").arg(&self.data_dir);
        client
    }

    /// Ends it as SIGTERM does, and returns its log.
    pub(crate) fn stop(mut self) -> String {
        terminate(&self.child);
        let status = wait(&mut self.child);
        let log = std::fs::read_to_string(self.data_dir.join("log")).unwrap();
        assert!(status.success(), "the hub ended with {status}: {log}");
        log
    }
}

impl Drop for Program {
    /// A story that fails leaves no hub behind.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            terminate(&self.child);
            self.child.wait().expect("a child");
        }
    }
}
