//! The real program: it does not start when nobody could call it, and takes a renewed certificate of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use peshub::client::connect::{Connection, Options};
use peshub::dev::Credentials;
use peshub::pb::peshub::participants::v1::ParticipantKind;
use peshub::platform::keys::Keys;
use peshub::platform::pki::{self, DevelopmentCa};

use crate::identity::office::{
    NORTH, authority, call, client, directory, issue, name, now, options, write,
};
use crate::permissions::register;
use crate::program::{failed, peshub};
use crate::support::{TestHub, World, cluster, story, until};

/// The program as a process of its own, with the files that it reads.
struct Serving {
    child: Child,
    dir: PathBuf,
    hub: TestHub,
}

fn write_server(dir: &Path, ca: &DevelopmentCa) {
    let server = ca.server().expect("a certificate");
    pki::write_private(&dir.join("cert"), &server.certificate).expect("a file");
    pki::write_private(&dir.join("key"), &server.key).expect("a file");
}

fn command(dir: &Path) -> Command {
    let mut command = peshub();
    command.args(["--log", "warn", "serve", "--internal-listen", "127.0.0.1:0"]);
    for name in ["tls-cert", "tls-key", "keys-dir"] {
        let file = dir.join(name.rsplit('-').next().unwrap().replace("dir", "keys"));
        command.arg(format!("--{name}")).arg(file);
    }
    command
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until the program has said something.
async fn said(log: &Path, what: &str) {
    let has_said = || std::fs::read_to_string(log).unwrap().contains(what);
    until(what, async || has_said().then_some(())).await;
}

#[test]
fn a_hub_that_nobody_could_call_does_not_start_and_says_what_to_do() {
    let dir = cluster::directory("serve");
    write_server(&dir, &DevelopmentCa::new(now()).unwrap());
    Keys::open_or_create(&dir.join("keys")).unwrap();
    let said = failed(&mut command(&dir), 1);
    for word in
        ["nobody could call", "--trust-dir", "--hub-tokens", "peshub pki root", "peshub dev"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    let empty = cluster::directory("empty");
    let said = failed(command(&dir).arg("--trust-dir").arg(&empty), 1);
    assert!(said.contains("has no folder of a trust domain"), "{said}");
    std::fs::create_dir(empty.join("some.example")).unwrap();
    let said = failed(command(&dir).arg("--trust-dir").arg(&empty), 1);
    assert!(said.contains("some.example has neither ca*.pem nor tokens.toml"), "{said}");
    let said = failed(command(&dir).arg("--trust-dir").arg(empty.join("none")), 1);
    assert!(said.contains("none cannot be read"), "{said}");
}

/// Starts the program on the database of a story, with keys and trust of the first hub there; returns it with its folder of trust.
fn start(world: &World, ca: &Arc<DevelopmentCa>, more: &[&str]) -> (Serving, PathBuf) {
    let dir = cluster::directory("serve");
    write_server(&dir, ca);
    // The first hub's keys: answers in the database are sealed under them.
    std::os::unix::fs::symlink(
        Credentials::in_data_dir(&std::env::temp_dir()).keys(),
        dir.join("keys"),
    )
    .unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = command(&dir);
    command.args(["--environment", "development", "--listen", &free.to_string()]);
    let trust = directory(&world.ca.certificate());
    command.arg("--trust-dir").arg(&trust).args(more);
    command.args(["--database-url", &cluster::url(&world.options)]);
    let log = File::create(dir.join("log")).expect("a file");
    let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the program");
    let hub = TestHub { address: free, public: free, ca: Arc::clone(ca) };
    (Serving { child, dir, hub }, trust)
}

#[test]
fn who_has_a_token_and_no_certificate_is_let_in_by_a_hub_that_takes_tokens_and_told_why_by_another()
{
    story(async |world| {
        let first = world.hub().await;
        let token = register(&first, "by-token", ParticipantKind::Platform).await;
        world.stop(&first).await;
        let ca = Arc::new(DevelopmentCa::new(now()).unwrap());
        let north = issue(world.ca.authority(), &client(world.ca.authority(), &[&name(NORTH)]));
        for (more, takes_it) in [(&["--hub-tokens"][..], true), (&[], false)] {
            let (serving, _) = start(world, &ca, more);
            let with_certificate = options(&serving.hub, Some(&north));
            until("the hub", async || Connection::open(&with_certificate).await.ok()).await;
            let by_token = Options { token: Some(token.clone()), ..options(&serving.hub, None) };
            let said = call(&Connection::lazy(&by_token).unwrap()).await;
            if takes_it {
                assert_eq!(said.unwrap(), "by-token");
            } else {
                let refusal = said.unwrap_err();
                assert!(refusal.is_transport, "{refusal}");
                // The alert is lost when the connection is reset before it is read.
                let is_told = refusal.message.contains("without a client certificate");
                assert!(is_told || refusal.message != "transport error", "{refusal}");
            }
        }
    });
}

#[test]
fn a_hub_without_tokens_asks_everybody_for_a_certificate_and_renews_its_own() {
    story(async |world| {
        let own = Arc::new(DevelopmentCa::new(now()).unwrap());
        let (serving, trust) = start(world, &own, &[]);
        let log = serving.dir.join("log");
        let ca = world.ca.authority();
        let north = issue(ca, &client(ca, &[&name(NORTH)]));
        let with_it = options(&serving.hub, Some(&north));
        let open = until("the hub", async || Connection::open(&with_it).await.ok()).await;
        assert_eq!(call(&open).await.unwrap(), NORTH);
        let without = Connection::lazy(&options(&serving.hub, None)).unwrap();
        let refusal = call(&without).await.unwrap_err();
        assert!(refusal.is_transport, "{refusal}");

        // A key without its certificate changes nothing; both together do, from the next handshake.
        let renewed = Arc::new(DevelopmentCa::new(now()).unwrap());
        let of_renewed = TestHub { ca: Arc::clone(&renewed), ..serving.hub.clone() };
        let stray = authority("stray.example");
        pki::write_private(&serving.dir.join("key"), stray.key()).unwrap();
        said(&log, "the server's certificate stays as it was").await;
        assert_eq!(call(&Connection::open(&with_it).await.unwrap()).await.unwrap(), NORTH);
        write_server(&serving.dir, &renewed);
        let with_renewed = options(&of_renewed, Some(&north));
        until("the renewed certificate", async || Connection::open(&with_renewed).await.ok()).await;
        assert!(
            Connection::open(&with_it).await.is_err(),
            "the old certificate is not shown any more"
        );
        assert_eq!(call(&open).await.unwrap(), NORTH, "a connection outlives the renewal");

        // Trust that is not sound changes nothing, and a person is told.
        let impostor = issue(&stray, &client(&stray, &["spiffe://stray.example/x"]));
        write(&trust, "stray.example", "crl.pem", "no list");
        write(&trust, "stray.example", "ca.pem", stray.certificate());
        said(&log, "stray.example/crl.pem is no revocation list").await;
        assert_eq!(call(&open).await.unwrap(), NORTH);
        let with_stray = Connection::lazy(&options(&of_renewed, Some(&impostor))).unwrap();
        assert!(call(&with_stray).await.unwrap_err().is_transport);
        std::fs::remove_file(trust.join("stray.example/crl.pem")).unwrap();
        until("the domain", async || {
            call(&with_stray).await.err().filter(|why| why.reason == "CALLER_UNKNOWN")
        })
        .await;
    });
}
