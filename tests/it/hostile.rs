//! Clients that mean harm, or are broken: each is refused or bounded, while a well-behaved one beside it has all its calls
//! answered.

use peshub::pb::peshub::participants::v1::GetCallerRequest;
use peshub::pb::peshub::postings::v1::ListPostingsRequest;
use peshub::platform::config::LimitOptions;
use tokio::net::TcpStream;

use crate::support::hostile::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, RawClient, SETTINGS,
    block, call, frame, half_shaken, shaken, silent, tls, until_closed,
};
use crate::support::postings::{everything, posting, upsert};
use crate::support::sync::SyncStream;
use crate::support::watch::{Watcher, watching};
use crate::support::{TestHub, World, story, within};

const GET_CALLER: &str = "/peshub.participants.v1.ParticipantService/GetCaller";
const LIST: &str = "/peshub.postings.v1.PostingService/ListPostings";

/// What HTTP/2 says when it ends a connection (RFC 9113, 7).
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The well-behaved client: old connections, new connections, calls and streams; all of it works.
struct Bystander {
    hub: TestHub,
    old: peshub::client::connect::Connection,
    sync: SyncStream,
    watch: Watcher,
    sent: i64,
}

impl Bystander {
    async fn new(hub: &TestHub) -> Self {
        let old = hub.connect("platform-south").await;
        let (sync, opened) = SyncStream::open(&old, "platform-south").await;
        let bureau = hub.postings("bureau-nation").await;
        let mut watch = Watcher::start(&bureau, watching(everything())).await.unwrap();
        watch.snapshot().await;
        Self { hub: hub.clone(), old, sync, watch, sent: opened.last_batch_id }
    }

    async fn goes_on(&mut self) {
        for round in 0..5 {
            for _ in 0..10 {
                let mut call = self.old.participants();
                within("a call", call.get_caller(GetCallerRequest {})).await.expect("an answer");
            }
            let new = self.hub.connect("platform-east").await;
            let mut call = new.participants();
            within("a call", call.get_caller(GetCallerRequest {})).await.expect("an answer");
            self.sent += 1;
            let change = upsert(&format!("s{}", self.sent), posting("Nurse", "330106"));
            let acknowledgement = self.sync.sync(self.sent, &[change]).await;
            assert_eq!(acknowledgement.created, 1, "round {round}");
            self.watch.up_to(acknowledgement.position).await;
        }
    }
}

/// Tells a story with a hostile client and the bystander.
fn beside(attack: impl AsyncFnOnce(&World, &TestHub, &mut Bystander)) {
    story(async |world| {
        let hub = world.hub().await;
        let mut bystander = Bystander::new(&hub).await;
        attack(world, &hub, &mut bystander).await;
        bystander.goes_on().await;
    });
}

#[test]
fn headers_that_are_too_long_are_refused_and_only_they() {
    beside(async |_, hub, _| {
        let mut client = RawClient::connect(hub, &[]).await;
        let long = "x".repeat(20 * 1024);
        let headers = block(&call(GET_CALLER, &[("x-long", &long)]));
        let (first, rest) = headers.split_at(16 * 1024);
        client.write(&frame(HEADERS, END_STREAM, 1, first)).await.unwrap();
        client.write(&frame(CONTINUATION, END_HEADERS, 1, rest)).await.unwrap();
        // A call beside it on the same connection is answered all the same.
        let sound = block(&call(GET_CALLER, &[]));
        client.write(&frame(HEADERS, END_HEADERS, 3, &sound)).await.unwrap();
        client.write(&frame(DATA, END_STREAM, 3, &[0; 5])).await.unwrap();
        let (mut refused, mut answered) = (Vec::new(), false);
        while !answered || refused.is_empty() {
            let frame = within("a frame", client.read()).await.expect("a connection that goes on");
            match (frame.kind, frame.stream) {
                (HEADERS | RST_STREAM, 1) => refused.push(frame),
                (DATA, 3) => answered = true,
                _ => {}
            }
        }
        // 431, not encoded further than HPACK does: the name by its index, the value as Huffman has it.
        let first = &refused[0];
        assert!(first.kind == RST_STREAM || first.payload.len() < 64, "{first:?}");
    });
}

#[test]
fn a_frame_that_is_too_large_ends_the_connection() {
    beside(async |_, hub, _| {
        let mut client = RawClient::connect(hub, &[]).await;
        let headers = block(&call(GET_CALLER, &[]));
        client.write(&frame(HEADERS, END_HEADERS, 1, &headers)).await.unwrap();
        client.write(&frame(DATA, 0, 1, &vec![0; 16 * 1024 + 1])).await.unwrap();
        assert_eq!(client.goodbye().await, Some(FRAME_SIZE_ERROR));
    });
}

#[test]
fn headers_without_end_end_the_connection() {
    beside(async |_, hub, _| {
        let mut client = RawClient::connect(hub, &[]).await;
        let headers = block(&call(GET_CALLER, &[]));
        client.write(&frame(HEADERS, 0, 1, &headers)).await.unwrap();
        let more = block(&[("x-more", &"x".repeat(1_000))]);
        let taken = client.flood(&frame(CONTINUATION, 0, 1, &more), 100_000).await;
        assert!(taken < 100_000, "100 MB of headers were taken");
        let code = client.goodbye().await;
        assert!(code.is_none() || code == Some(ENHANCE_YOUR_CALM), "{code:?}");
    });
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    beside(async |_, hub, bystander| {
        let mut client = RawClient::connect(hub, &[]).await;
        let headers = block(&call(LIST, &[]));
        let mut bytes = Vec::new();
        for number in 0..10_000 {
            let stream = 2 * number + 1;
            bytes.extend(frame(HEADERS, END_HEADERS, stream, &headers));
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        // The hub may be gone before everything is written.
        let attack = async { client.write(&bytes).await.unwrap_or_default() };
        let ((), ()) = tokio::join!(attack, bystander.goes_on());
        let code = client.goodbye().await;
        assert!(code.is_none() || code == Some(ENHANCE_YOUR_CALM), "{code:?}");
    });
}

#[test]
fn questions_without_end_do_not_disturb_others() {
    beside(async |_, hub, bystander| {
        let mut pings = RawClient::connect(hub, &[]).await;
        let mut settings = RawClient::connect(hub, &[]).await;
        let (ping, setting) = (frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[]));
        let (pinged, set) = (ping.repeat(1_000), setting.repeat(1_000));
        let floods = async {
            // Nobody reads the answers: at some time the hub waits with them, and with reading.
            tokio::join!(pings.flood(&pinged, 10_000), settings.flood(&set, 10_000))
        };
        let ((pinged, set), ()) = tokio::join!(floods, bystander.goes_on());
        assert!(pinged < 10_000 && set < 10_000, "{pinged} and {set} thousand were answered");
    });
}

#[test]
fn who_does_not_read_keeps_nobody_else_waiting() {
    beside(async |world, hub, bystander| {
        let north = hub.connect("platform-north").await;
        let (mut sync, _) = SyncStream::open(&north, "platform-north").await;
        let title = "x".repeat(100);
        let changes: Vec<_> =
            (0..1_000).map(|i| upsert(&format!("n{i}"), posting(&title, "330106"))).collect();
        sync.sync(1, &changes).await;
        // No window for any answer: the hub can send nothing.
        let mut client = RawClient::connect(hub, &[(4, 0)]).await;
        let headers = block(&call(LIST, &[]));
        for number in 0..100 {
            let stream = 2 * number + 1;
            client.write(&frame(HEADERS, END_HEADERS, stream, &headers)).await.unwrap();
            client.write(&frame(DATA, END_STREAM, stream, &[0; 5])).await.unwrap();
        }
        bystander.goes_on().await;
        let mut same = hub.postings("platform-north").await;
        let page = same.list_postings(ListPostingsRequest::default()).await.unwrap();
        assert_eq!(page.into_inner().records.len(), 100);
        // One stream more than a connection may have is refused, and only it.
        client.write(&frame(HEADERS, END_HEADERS, 201, &headers)).await.unwrap();
        loop {
            let frame = within("a frame", client.read()).await.expect("a connection that goes on");
            if frame.kind == RST_STREAM && frame.stream == 201 {
                assert_eq!(frame.payload, 7_u32.to_be_bytes(), "REFUSED_STREAM");
                break;
            }
        }
        drop((world, sync));
    });
}

#[test]
fn a_thousand_connections_without_a_word_keep_nobody_out() {
    beside(async |_, hub, bystander| {
        let mut idle: Vec<TcpStream> = Vec::new();
        for _ in 0..1_000 {
            idle.push(silent(hub).await);
        }
        bystander.goes_on().await;
        // The oldest had to give way; the newest have their time.
        for stream in idle.drain(..700) {
            until_closed(stream).await;
        }
        bystander.goes_on().await;
    });
}

#[test]
fn a_thousand_handshakes_that_do_not_go_on_keep_nobody_out() {
    beside(async |_, hub, bystander| {
        let config = tls(hub, None);
        let mut idle: Vec<TcpStream> = Vec::new();
        for _ in 0..1_000 {
            idle.push(half_shaken(hub, &config).await);
        }
        bystander.goes_on().await;
        for stream in idle.drain(..700) {
            until_closed(stream).await;
        }
        bystander.goes_on().await;
    });
}

#[test]
fn connections_of_strangers_make_room_for_those_of_callers() {
    story(async |world| {
        let limits = LimitOptions { connections_max: 20, ..LimitOptions::default() };
        let hub = world.hub_within(limits).await;
        let mut bystander = Bystander::new(&hub).await;
        let config = tls(&hub, None);
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(shaken(&hub, &config).await);
        }
        bystander.goes_on().await;
        for stream in idle.drain(..80) {
            until_closed(stream).await;
        }
        bystander.goes_on().await;
    });
}

#[test]
fn what_is_not_http2_is_not_answered() {
    beside(async |_, hub, _| {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = shaken(hub, &tls(hub, Some("platform-north"))).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        until_closed(stream).await;
        let mut stream = silent(hub).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        until_closed(stream).await;
    });
}
