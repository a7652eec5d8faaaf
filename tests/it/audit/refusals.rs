//! Refusals in the trail: counted, bounded, and sealed as everything else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peshub::kernel::clock::SystemClock;
use peshub::kernel::fault::Reason;
use peshub::kernel::ids::{ParticipantId, SystemId};
use peshub::platform::audit::refusals::{KINDS_MAX, Refusals, STRANGERS_MAX};
use peshub::platform::audit::trail::Trail;
use peshub::platform::db::Db;
use peshub::platform::permit::{Caller, ParticipantKind, Standing};

use crate::audit::{Bare, now, verified};
use crate::support::story;

fn caller(name: &str, id: i64) -> Caller {
    Caller::new(Standing {
        participant: ParticipantId(id),
        participant_name: name.to_owned(),
        kind: ParticipantKind::Platform,
        system: SystemId(id),
        system_name: "main".to_owned(),
        roles: Vec::new(),
        quotas: Vec::new(),
        division_tokens: Vec::new(),
    })
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn refusals_of_one_kind_are_one_row_with_a_count() {
    let refusals = Refusals::default();
    let (north, south) = (caller("north", 1), caller("south", 2));
    for _ in 0..5 {
        refusals.note(Some(&north), ("postings.get", "postings/7"), Reason::PostingNotFound, None);
    }
    refusals.note(Some(&south), ("postings.get", "postings/7"), Reason::PostingNotFound, None);
    refusals.note(Some(&north), ("postings.get", "postings/7"), Reason::QuotaExceeded, None);
    // Whom the hub does not know is told apart by address, not by port.
    for port in 1..=3 {
        let from = Some(peer(&format!("[::ffff:192.0.2.1]:{port}")));
        refusals.note(None, ("postings.get", "anything"), Reason::CallerUnknown, from);
    }
    refusals.note(
        None,
        ("postings.get", "anything"),
        Reason::CallerUnknown,
        Some(peer("[2001:db8::1]:9")),
    );
    let taken = refusals.take(now());
    let told: BTreeMap<_, _> = taken
        .iter()
        .map(|it| {
            (format!("{} {} {} {}", it.participant, it.action, it.subject, it.refusal), it.times)
        })
        .collect();
    let expected = [
        ("(unknown) postings.get 192.0.2.1 CALLER_UNKNOWN", 3),
        ("(unknown) postings.get 2001:db8::/64 CALLER_UNKNOWN", 1),
        ("north postings.get postings/7 POSTING_NOT_FOUND", 5),
        ("north postings.get postings/7 QUOTA_EXCEEDED", 1),
        ("south postings.get postings/7 POSTING_NOT_FOUND", 1),
    ];
    assert_eq!(told, expected.map(|(kind, times)| (kind.to_owned(), times)).into());
    assert_eq!(refusals.take(now()), []);
}

#[test]
fn a_flood_of_refusals_is_counted_and_takes_no_more_room() {
    let refusals = Refusals::default();
    let north = caller("north", 1);
    let endless = "x".repeat(100_000);
    for number in 0..5_000 {
        let subject = format!("postings/{number}\0{endless}");
        refusals.note(Some(&north), (&endless, &subject), Reason::PostingNotFound, None);
    }
    let taken = refusals.take(now());
    assert_eq!(taken.len(), KINDS_MAX);
    assert_eq!(taken.iter().map(|it| it.times).sum::<i64>(), 5_000);
    let others: Vec<_> = taken.iter().filter(|it| it.participant == "(others)").collect();
    assert_eq!(others.len(), 1);
    assert_eq!(others[0].times, 5_000 - (KINDS_MAX as i64 - 1));
    assert!(taken.iter().all(|it| it.subject.len() <= 200 && it.action.len() <= 200));
}

#[test]
fn strangers_do_not_crowd_out_participants() {
    let refusals = Refusals::default();
    for number in 0..2_000_u32 {
        let from = SocketAddr::from((std::net::Ipv4Addr::from(number), 1));
        refusals.note(None, ("postings.get", ""), Reason::CallerUnknown, Some(from));
    }
    refusals.note(Some(&caller("north", 1)), ("postings.get", "a"), Reason::PostingNotFound, None);
    let taken = refusals.take(now());
    assert_eq!(taken.len(), STRANGERS_MAX + 2);
    assert_eq!(taken.iter().map(|it| it.times).sum::<i64>(), 2_001);
    assert!(taken.iter().any(|it| it.participant == "north" && it.subject == "a"));
    // The next second begins anew.
    refusals.note(None, ("postings.get", ""), Reason::CallerUnknown, Some(peer("192.0.2.1:1")));
    assert_eq!(refusals.take(now())[0].subject, "192.0.2.1");
}

#[test]
fn refusals_become_sealed_rows_and_survive_a_database_that_is_away() {
    story(async |world| {
        let bare = Bare::new(world);
        let refusals = Refusals::default();
        let trail = |db: &Db| {
            let clock = Arc::new(SystemClock);
            Trail::new(db.clone(), clock, refusals.clone(), bare.sealer(), Duration::from_secs(1))
        };
        let away = Db::open(world.options.clone(), 1);
        away.close().await;
        let failing = trail(&away);
        refusals.note(
            Some(&caller("north", 1)),
            ("postings.get", "a"),
            Reason::PostingNotFound,
            None,
        );
        // It cannot be written, is kept, and is written once when the database is there again.
        failing.finish().await;
        failing.finish().await;
        let rows = async || -> Vec<(String, String, String, i64)> {
            sqlx::query_as("SELECT participant, event, refusal, times FROM audit ORDER BY audit_id")
                .fetch_all(&world.pool)
                .await
                .unwrap()
        };
        assert_eq!(rows().await, []);
        let working = trail(&bare.db);
        refusals.note(
            None,
            ("postings.get", "a"),
            Reason::CallerUnknown,
            Some(peer("192.0.2.1:1")),
        );
        working.finish().await;
        let row = |participant: &str, refusal: &str| {
            (participant.to_owned(), "call.refused".to_owned(), refusal.to_owned(), 1)
        };
        assert_eq!(rows().await, [row("(unknown)", "CALLER_UNKNOWN")]);
        let text = String::from_utf8(bare.export().await).unwrap();
        verified(text.as_bytes()).unwrap();
        assert!(text.contains(
            "\"subject\":\"192.0.2.1\",\"event\":\"call.refused\",\"refusal\":\"CALLER_UNKNOWN\""
        ));
        bare.db.close().await;
    });
}
