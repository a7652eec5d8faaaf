//! What is said about a record, and that a bad one spoils nothing but itself.

use bytes::Bytes;
use peshub::pb::peshub::common::v1::OccupationScheme;
use peshub::pb::peshub::postings::v1::posting_change::Change;
use peshub::pb::peshub::postings::v1::{
    CloseReason, EmploymentType, GetPostingRequest, PayUnit, Posting, PostingChange, PostingClose,
    PostingKey, Requirements, Schedule, Translation, Validity, WorkMode, get_posting_request,
};
use prost::Message as _;
use prost_types::Timestamp;

use crate::support::postings::{close, encoded, occupation, pay, posting, upsert};
use crate::support::story;
use crate::support::sync::{SyncStream, counts, verdicts};

const NORTH: &str = "platform-north";

fn sound() -> Posting {
    posting("sound", "330106")
}

fn with(id: &str, edit: impl FnOnce(&mut Posting)) -> PostingChange {
    let mut posting = sound();
    edit(&mut posting);
    upsert(id, posting)
}

/// Sends each change between two sound ones and holds its verdict against what is expected; an empty text is none.
fn check(cases: Vec<(Bytes, &str)>) {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        stream.sync(1, &[upsert("known", sound()), upsert("closed", sound())]).await;
        stream.sync(2, &[close("closed")]).await;

        let mut changes = encoded(&[upsert("first", sound())]);
        let mut expected = Vec::new();
        for (change, verdict) in cases {
            if !verdict.is_empty() {
                expected.push(format!("{} {verdict}", changes.len()));
            }
            changes.push(change);
        }
        changes.extend(encoded(&[upsert("last", sound())]));
        stream.send_raw(3, changes.clone()).await;
        let answer = stream.acknowledgement().await;
        assert_eq!(verdicts(&answer), expected);
        let total: i32 = counts(&answer).iter().sum();
        assert_eq!(total as usize, changes.len(), "every record is counted once");
        let rejected = expected.iter().filter(|it| it.contains(" REJECTED ")).count();
        assert_eq!(answer.rejected as usize, rejected);

        // The stream goes on, and what was sound is there.
        assert_eq!(counts(&stream.sync(4, &[upsert("after", sound())]).await)[0], 1);
        for id in ["first", "last", "after"] {
            let key = PostingKey { source: NORTH.to_owned(), external_id: id.to_owned() };
            let posting = Some(get_posting_request::Posting::Key(key));
            north.postings().get_posting(GetPostingRequest { posting }).await.unwrap();
        }
    });
}

fn check_changes(cases: Vec<(PostingChange, &str)>) {
    check(cases.into_iter().map(|(change, told)| (change.encode_to_vec().into(), told)).collect());
}

#[test]
fn a_posting_that_breaks_rules_is_rejected_and_every_broken_rule_is_named() {
    let long = |count: usize| "长".repeat(count);
    check_changes(vec![
        (with("a1", |it| it.title.clear()), "a1 REJECTED upsert.title REQUIRED"),
        (with("a2", |it| it.title = "  ".to_owned()), "a2 REJECTED upsert.title REQUIRED"),
        (with("a3", |it| it.title = long(301)), "a3 REJECTED upsert.title TOO_LONG"),
        (with("a4", |it| it.title = long(300)), ""),
        (with("a5", |it| it.description = long(50_001)), "a5 REJECTED upsert.description TOO_LONG"),
        (with("a6", |it| it.employer = None), "a6 REJECTED upsert.employer REQUIRED"),
        (
            with("a7", |it| it.employer.as_mut().unwrap().name.clear()),
            "a7 REJECTED upsert.employer.name REQUIRED",
        ),
        (with("a8", |it| it.workplaces.clear()), "a8 REJECTED upsert.workplaces REQUIRED"),
        (
            with("a9", |it| {
                it.workplaces.clear();
                it.work_mode = WorkMode::Remote.into();
            }),
            "",
        ),
        (
            with("b1", |it| it.workplaces[0].division = None),
            "b1 REJECTED upsert.workplaces[0].division REQUIRED",
        ),
        (
            with("b2", |it| it.workplaces = vec![it.workplaces[0].clone(); 101]),
            "b2 REJECTED upsert.workplaces TOO_LONG",
        ),
        (with("b3", |it| it.work_mode = 77), "b3 REJECTED upsert.work_mode UNKNOWN_CHOICE"),
        (with("b4", |it| it.openings = Some(0)), "b4 REJECTED upsert.openings OUT_OF_RANGE"),
        (with("b5", |it| it.openings = Some(100_001)), "b5 REJECTED upsert.openings OUT_OF_RANGE"),
        (
            with("b6", |it| it.starts_on = "2026-02-31x".to_owned()),
            "b6 REJECTED upsert.starts_on BAD_FORMAT",
        ),
        (
            with("b7", |it| it.employment_types = vec![0]),
            "b7 REJECTED upsert.employment_types[0] REQUIRED",
        ),
        (
            with("b8", |it| {
                it.translations =
                    vec![Translation { language: "s".to_owned(), ..Translation::default() }];
            }),
            "b8 REJECTED upsert.translations[0].language TOO_SHORT, upsert.translations[0].title REQUIRED",
        ),
        (
            with("b9", |it| {
                it.schedule = Some(Schedule {
                    hours_per_week_min: Some(40),
                    hours_per_week_max: Some(20),
                    ..Schedule::default()
                });
            }),
            "b9 REJECTED upsert.schedule.hours_per_week_min RANGE_INVERTED",
        ),
        (
            with("c1", |it| {
                it.requirements = Some(Requirements {
                    experience_months_min: Some(30),
                    experience_months_max: Some(20),
                    age_min: Some(40),
                    age_max: Some(30),
                    ..Requirements::default()
                });
            }),
            "c1 REJECTED upsert.requirements.experience_months_min RANGE_INVERTED, \
             upsert.requirements.age_min RANGE_INVERTED, upsert.requirements.age_basis REQUIRED",
        ),
        (
            with("c2", |it| {
                it.validity = Some(Validity {
                    published_at: Some(Timestamp { seconds: 10, nanos: 0 }),
                    closes_at: Some(Timestamp { seconds: 9, nanos: 0 }),
                });
            }),
            "c2 REJECTED upsert.validity.closes_at TIMES_INVERTED",
        ),
        (
            with("c3", |it| {
                it.validity = Some(Validity {
                    published_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
                    closes_at: None,
                });
            }),
            "c3 REJECTED upsert.validity.published_at BAD_FORMAT",
        ),
        (
            with("c4", |it| {
                it.title.clear();
                it.openings = Some(-1);
                it.workplaces[0].division.as_mut().unwrap().code = "999999".to_owned();
            }),
            "c4 REJECTED upsert.title REQUIRED, upsert.openings OUT_OF_RANGE, \
             upsert.workplaces[0].division.code DIVISION_UNKNOWN",
        ),
    ]);
}

#[test]
fn pay_must_make_sense() {
    let paid = |id: &str, min: Option<i64>, max: Option<i64>, unit, currency: &str| {
        with(id, |it| {
            let mut pay = pay(0, 0, unit, currency);
            (pay.min_minor, pay.max_minor) = (min, max);
            it.pay = Some(pay);
        })
    };
    check_changes(vec![
        (paid("p1", Some(1), Some(2), PayUnit::Month, "CNY"), ""),
        (paid("p2", Some(2), Some(2), PayUnit::Hour, "CNY"), ""),
        (paid("p3", None, None, PayUnit::Unspecified, ""), ""),
        (
            paid("p4", Some(-1), Some(2), PayUnit::Month, "CNY"),
            "p4 REJECTED upsert.pay.min_minor NEGATIVE",
        ),
        (
            paid("p5", Some(i64::MIN), Some(-2), PayUnit::Month, "CNY"),
            "p5 REJECTED upsert.pay.min_minor NEGATIVE, upsert.pay.max_minor NEGATIVE",
        ),
        (
            paid("p6", Some(3), Some(2), PayUnit::Month, "CNY"),
            "p6 REJECTED upsert.pay.min_minor RANGE_INVERTED",
        ),
        (
            paid("p7", Some(3), None, PayUnit::Unspecified, ""),
            "p7 REJECTED upsert.pay.unit REQUIRED, upsert.pay.currency REQUIRED",
        ),
        (
            paid("p8", None, Some(3), PayUnit::Year, "RMB"),
            "p8 REJECTED upsert.pay.currency CURRENCY_UNKNOWN",
        ),
        (
            paid("p9", None, Some(10_000_000_000_001), PayUnit::Year, "CNY"),
            "p9 REJECTED upsert.pay.max_minor OUT_OF_RANGE",
        ),
    ]);
}

#[test]
fn codes_are_brought_up_to_date_where_that_can_be_told() {
    let at = |id: &str, code: &str| upsert(id, posting("somewhere", code));
    let doing = |id: &str, scheme, code: &str| {
        with(id, |it| it.occupations = vec![occupation(scheme, code)])
    };
    let place = "upsert.workplaces[0].division.code";
    let fixed =
        |id: &str, code: &str, to: &str| format!("{id} ACCEPTED_WITH_FIXES {place} {code} → {to}");
    let retired = fixed("d1", "DIVISION_RETIRED", "330102");
    let split = fixed("d2", "DIVISION_SPLIT", "340000");
    let grouping = fixed("d3", "CODE_NORMALISED", "110000");
    let numbered = fixed("d4", "CODE_NORMALISED", "SE-AB");
    let unknown = format!("d5 REJECTED {place} DIVISION_UNKNOWN");
    let guessed = format!("d6 REJECTED {place} DIVISION_UNKNOWN → 330100");
    check_changes(vec![
        (at("d1", "330104"), &retired),
        (at("d2", "341400"), &split),
        (at("d3", "110100"), &grouping),
        (at("d4", "SE-01"), &numbered),
        (at("d5", "999999"), &unknown),
        (at("d6", "330199"), &guessed),
        (at("d7", "SE"), ""),
        (
            with("d8", |it| it.workplaces[0].division.as_mut().unwrap().scheme = 9),
            "d8 REJECTED upsert.workplaces[0].division.scheme UNKNOWN_CHOICE",
        ),
        (
            with("d9", |it| it.workplaces[0].division.as_mut().unwrap().scheme = 0),
            "d9 REJECTED upsert.workplaces[0].division.scheme REQUIRED",
        ),
        (doing("o1", OccupationScheme::Isco08, "2512"), ""),
        (
            doing("o2", OccupationScheme::Isco08, "9999"),
            "o2 REJECTED upsert.occupations[0].code OCCUPATION_UNKNOWN → 9",
        ),
        (doing("o3", OccupationScheme::Esco, "http://data.europa.eu/esco/occupation/x"), ""),
        (
            doing("o4", OccupationScheme::Unspecified, "1"),
            "o4 REJECTED upsert.occupations[0].scheme REQUIRED",
        ),
    ]);
}

#[test]
fn what_can_be_repaired_is_repaired_and_said() {
    check_changes(vec![
        (
            with("r1", |it| it.title = "so\u{0}und\u{7}".to_owned()),
            "r1 ACCEPTED_WITH_FIXES upsert.title CONTROL_CHARACTERS",
        ),
        (with("r2", |it| it.description = "line\r\n\tline".to_owned()), ""),
        (
            with("r3", |it| {
                let kind = EmploymentType::Gig.into();
                it.employment_types = vec![kind, EmploymentType::FullTime.into(), kind];
            }),
            "r3 ACCEPTED_WITH_FIXES upsert.employment_types REPEATED_VALUE",
        ),
    ]);
}

#[test]
fn a_change_must_name_a_posting_and_say_what_to_do() {
    let nothing = PostingChange { external_id: "n1".to_owned(), ..PostingChange::default() };
    let mut timeless = upsert("n2", sound());
    timeless.source_updated_at = Some(Timestamp { seconds: 0, nanos: -1 });
    let closing = |id: &str, reason: i32, closed_at| {
        let close = PostingClose { reason, closed_at };
        PostingChange {
            external_id: id.to_owned(),
            change: Some(Change::Close(close)),
            ..PostingChange::default()
        }
    };
    let long = "x".repeat(201);
    let too_long = format!("{long} REJECTED external_id TOO_LONG");
    let filled = i32::from(CloseReason::Filled);
    let never = Some(Timestamp { seconds: i64::MIN, nanos: 0 });
    check_changes(vec![
        (nothing, "n1 REJECTED change NOTHING_TO_DO"),
        (timeless, "n2 REJECTED source_updated_at BAD_FORMAT"),
        (upsert("", sound()), " REJECTED external_id REQUIRED"),
        (upsert("tab\there", sound()), "tab\there REJECTED external_id BAD_FORMAT"),
        (upsert(&long, sound()), &too_long),
        (close("nobody"), "nobody REJECTED external_id CLOSE_OF_UNKNOWN"),
        (close("closed"), "closed ACCEPTED_WITH_FIXES close ALREADY_CLOSED"),
        (closing("known", 0, None), "known REJECTED close.reason REQUIRED"),
        (closing("known", 9, None), "known REJECTED close.reason UNKNOWN_CHOICE"),
        (closing("known", filled, never), "known REJECTED close.closed_at BAD_FORMAT"),
        (closing("known", filled, None), ""),
    ]);
}

#[test]
fn an_id_that_comes_twice_in_a_batch_counts_once_the_later_time() {
    check_changes(vec![
        (
            with("twice", |it| it.title = "one".to_owned()),
            "twice REJECTED external_id REPEATED_IN_BATCH",
        ),
        (with("twice", |it| it.title = "two".to_owned()), ""),
        // The very same again is no loss, so nothing is said.
        (with("same", |it| it.title = "one".to_owned()), ""),
        (with("same", |it| it.title = "one".to_owned()), ""),
        (close("known"), "known REJECTED external_id REPEATED_IN_BATCH"),
        (upsert("known", sound()), ""),
    ]);
}

/// A length-delimited field of Protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend(bytes);
    out
}

#[test]
fn bytes_that_cannot_be_read_are_the_loss_of_one_record() {
    let body = sound().encode_to_vec();
    let id = field(1, b"cut");
    let truncated = [id.clone(), field(4, &body[..body.len() - 3])].concat();
    let latin = [field(1, b"latin"), field(4, &field(1, b"caf\xe9"))].concat();
    let mut cut_short = upsert("short", sound()).encode_to_vec();
    cut_short.truncate(cut_short.len() - 2);
    let huge = upsert("huge", Posting { description: "x".repeat(1 << 20), ..sound() });
    let unknown_field = [upsert("newer", sound()).encode_to_vec(), field(15, b"of tomorrow")];
    check(vec![
        (Bytes::from_static(b"\xff\xff\xff\xff"), " REJECTED  MALFORMED"),
        (Bytes::new(), " REJECTED external_id REQUIRED, change NOTHING_TO_DO"),
        (field(1, b"caf\xe9").into(), " REJECTED  MALFORMED"),
        (truncated.into(), "cut REJECTED upsert MALFORMED"),
        (latin.into(), "latin REJECTED upsert MALFORMED"),
        (cut_short.into(), " REJECTED  MALFORMED"),
        (huge.encode_to_vec().into(), " REJECTED  RECORD_TOO_LARGE"),
        (unknown_field.concat().into(), ""),
    ]);
}

#[test]
fn what_was_mapped_is_kept_with_the_posting() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let mut moved = posting("moved", "330104");
        moved.lineage = vec![peshub::pb::peshub::postings::v1::CodeLineage {
            field: "made up".to_owned(),
            ..Default::default()
        }];
        stream.sync(1, &[upsert("moved", moved)]).await;
        let key = PostingKey { source: NORTH.to_owned(), external_id: "moved".to_owned() };
        let posting = Some(get_posting_request::Posting::Key(key));
        let answer = north.postings().get_posting(GetPostingRequest { posting }).await.unwrap();
        let posting = answer.into_inner().record.unwrap().posting.unwrap();
        let division = posting.workplaces[0].division.as_ref().unwrap();
        assert_eq!((division.code.as_str(), division.name.as_str()), ("330102", "上城区"));
        let [lineage] = posting.lineage.as_slice() else { panic!("{:?}", posting.lineage) };
        assert_eq!(lineage.field, "workplaces[0].division.code");
        assert_eq!((lineage.given.as_str(), lineage.resolved.as_str()), ("330104", "330102"));
        assert_eq!(lineage.retired_year, 2021);
    });
}
