//! Lists: which postings, in which order, page by page; and single postings.

use std::collections::BTreeSet;

use peshub::client::error::Refusal;
use peshub::pb::peshub::common::v1::OccupationScheme;
use peshub::pb::peshub::postings::v1::get_posting_request::Posting as Named;
use peshub::pb::peshub::postings::v1::{
    BatchGetPostingsRequest, BatchUpsertPostingsRequest, EmploymentType, GetPostingRequest,
    ListPostingsRequest, ListPostingsResponse, Paging, PayUnit, Posting, PostingChange,
    PostingFilter, PostingKey, PostingOrder, PostingRecord, PostingState,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::postings::{
    close, division, in_any_state, in_division, occupation, pay, posting, upsert,
};
use crate::support::{Postings, World, story, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

async fn send(client: &Postings, source: &str, changes: Vec<PostingChange>) {
    let expected = changes.len() as i32;
    let source = source.to_owned();
    let request =
        BatchUpsertPostingsRequest { source, changes, ..BatchUpsertPostingsRequest::default() };
    let answer = within("an answer", client.clone().batch_upsert_postings(request)).await.unwrap();
    let answer = answer.into_inner().acknowledgement.unwrap();
    assert_eq!(answer.created + answer.changed + answer.closed, expected, "{answer:?}");
}

async fn page(
    client: &Postings,
    request: &ListPostingsRequest,
) -> Result<ListPostingsResponse, Refusal> {
    let called = within("a page", client.clone().list_postings(request.clone())).await;
    called.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
}

/// All ids of a list, page by page.
async fn all(client: &Postings, request: &ListPostingsRequest, page_size: i32) -> Vec<String> {
    let (mut request, mut ids) = (request.clone(), Vec::new());
    let order = request.paging.as_ref().map_or(0, |paging| paging.order);
    let mut page_token = String::new();
    loop {
        request.paging = Some(Paging { page_size, page_token, order });
        let page = page(client, &request).await.unwrap();
        assert!(page.records.len() <= page_size as usize);
        ids.extend(page.records.iter().map(id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return ids;
        }
    }
}

fn id(record: &PostingRecord) -> String {
    record.key.as_ref().unwrap().external_id.clone()
}

/// The ids that a list has, in one line, in the order of their names.
async fn matching(client: &Postings, request: ListPostingsRequest) -> String {
    let mut ids = all(client, &request, 2).await;
    ids.sort();
    ids.join(" ")
}

fn filtered(filter: PostingFilter) -> ListPostingsRequest {
    ListPostingsRequest { filter: Some(filter), ..ListPostingsRequest::default() }
}

fn with(title: &str, code: &str, edit: impl FnOnce(&mut Posting)) -> Posting {
    let mut posting = posting(title, code);
    edit(&mut posting);
    posting
}

#[test]
fn a_filter_lets_through_its_divisions_and_occupations_with_all_below() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        let csco = |code: &'static str| {
            move |it: &mut Posting| {
                it.occupations = vec![occupation(OccupationScheme::Csco2022, code)];
            }
        };
        let two_places = with("Two", "330106", |it| {
            let place = posting("", "440305").workplaces[0].clone();
            it.workplaces.push(place);
        });
        let esco = "http://data.europa.eu/esco/occupation/1";
        send(
            &client,
            NORTH,
            vec![
                upsert("nation", posting("N", "CN")),
                upsert("province", posting("P", "330000")),
                upsert("city", posting("C", "330100")),
                upsert("county", with("X", "330106", csco("6-06-03-01"))),
                upsert("ningbo", with("N", "330200", csco("6-06-03-02"))),
                upsert("two", two_places),
                upsert(
                    "sweden",
                    with("S", "SE-AB", |it| {
                        it.occupations = vec![
                            occupation(OccupationScheme::Isco08, "2512"),
                            occupation(OccupationScheme::Esco, esco),
                        ];
                    }),
                ),
            ],
        )
        .await;
        let check = async |filter: PostingFilter, expected: &str| {
            assert_eq!(matching(&client, filtered(filter.clone())).await, expected, "{filter:?}");
        };
        check(in_division("CN"), "city county nation ningbo province two").await;
        check(in_division("330000"), "city county ningbo province two").await;
        check(in_division("330100"), "city county two").await;
        check(in_division("330106"), "county two").await;
        check(in_division("440300"), "two").await;
        check(in_division("SE"), "sweden").await;
        let both = PostingFilter {
            divisions: vec![division("330200"), division("440300")],
            ..PostingFilter::default()
        };
        check(both, "ningbo two").await;
        let of = |scheme, code: &str| PostingFilter {
            occupations: vec![occupation(scheme, code)],
            ..PostingFilter::default()
        };
        check(of(OccupationScheme::Csco2022, "6-06-03-01"), "county").await;
        check(of(OccupationScheme::Csco2022, "6-06-03"), "county ningbo").await;
        check(of(OccupationScheme::Csco2022, "6"), "county ningbo").await;
        check(of(OccupationScheme::Isco08, "25"), "sweden").await;
        check(of(OccupationScheme::Isco08, "2511"), "").await;
        check(of(OccupationScheme::Esco, esco), "sweden").await;
        let neither = PostingFilter {
            divisions: vec![division("440300")],
            ..of(OccupationScheme::Csco2022, "6")
        };
        check(neither, "").await;
        let refusal = page(&client, &filtered(in_division("999999"))).await.unwrap_err();
        let fields: Vec<_> = refusal.violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            (refusal.reason.as_str(), fields),
            ("FIELDS_INVALID", vec!["filter.divisions[0].code"])
        );
    });
}

#[test]
fn a_filter_lets_through_its_kinds_of_employment_sources_and_states() {
    story(async |world| {
        let hub = world.hub().await;
        let (north, south) = (hub.postings(NORTH).await, hub.postings(SOUTH).await);
        let kinds = |kinds: &'static [EmploymentType]| {
            move |it: &mut Posting| {
                it.employment_types = kinds.iter().map(|kind| (*kind).into()).collect();
            }
        };
        let (full, gig) = (EmploymentType::FullTime, EmploymentType::Gig);
        send(
            &north,
            NORTH,
            vec![
                upsert("full", with("F", "330106", kinds(&[EmploymentType::FullTime]))),
                upsert(
                    "both",
                    with("B", "330106", kinds(&[EmploymentType::FullTime, EmploymentType::Gig])),
                ),
                upsert("none", posting("N", "330106")),
                upsert("closed", with("C", "330106", kinds(&[EmploymentType::Gig]))),
            ],
        )
        .await;
        send(&north, NORTH, vec![close("closed")]).await;
        send(&south, SOUTH, vec![upsert("south", posting("S", "330106"))]).await;
        let client = hub.postings("bureau-xihu").await;
        let check = async |filter: PostingFilter, expected: &str| {
            assert_eq!(matching(&client, filtered(filter.clone())).await, expected, "{filter:?}");
        };
        let employed = |kinds: &[EmploymentType]| PostingFilter {
            employment_types: kinds.iter().map(|kind| (*kind).into()).collect(),
            ..PostingFilter::default()
        };
        check(PostingFilter::default(), "both full none south").await;
        check(employed(&[full]), "both full").await;
        check(employed(&[gig]), "both").await;
        check(employed(&[gig, full]), "both full").await;
        check(PostingFilter { states: in_any_state().states, ..employed(&[gig]) }, "both closed")
            .await;
        let closed =
            PostingFilter { states: vec![PostingState::Closed.into()], ..PostingFilter::default() };
        check(closed, "closed").await;
        let from = |sources: &[&str]| PostingFilter {
            sources: sources.iter().map(|name| (*name).to_owned()).collect(),
            ..PostingFilter::default()
        };
        check(from(&[SOUTH]), "south").await;
        check(from(&[SOUTH, NORTH]), "both full none south").await;
        check(from(&["no-such-source"]), "").await;
    });
}

#[test]
fn pay_is_compared_by_the_month_in_its_own_currency() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        let paid = |id: &str, min, max, unit, currency: &str| {
            let pay = pay(min, max, unit, currency);
            upsert(id, with(id, "330106", |it| it.pay = Some(pay)))
        };
        let mut open_ended = paid("from-10000", 0, 0, PayUnit::Month, "CNY");
        let Some(peshub::pb::peshub::postings::v1::posting_change::Change::Upsert(it)) =
            &mut open_ended.change
        else {
            panic!("not an upsert")
        };
        let pay = it.pay.as_mut().unwrap();
        (pay.min_minor, pay.max_minor) = (Some(1_000_000), None);
        // A month is 174 hours, 21.75 days, 52/12 weeks, 1/12 year.
        send(
            &client,
            NORTH,
            vec![
                paid("hour-50", 5_000, 5_000, PayUnit::Hour, "CNY"),
                paid("day-400", 40_000, 40_000, PayUnit::Day, "CNY"),
                paid("week-1200", 120_000, 120_000, PayUnit::Week, "CNY"),
                paid("month-5000-8000", 500_000, 800_000, PayUnit::Month, "CNY"),
                paid("year-120000", 12_000_000, 12_000_000, PayUnit::Year, "CNY"),
                paid("piece", 1, 2, PayUnit::Piece, "CNY"),
                paid("krona", 3_000_000, 3_000_000, PayUnit::Month, "SEK"),
                open_ended,
                upsert("unsaid", posting("unsaid", "330106")),
            ],
        )
        .await;
        let check = async |min: Option<i64>, max: Option<i64>, expected: &str| {
            let request = ListPostingsRequest {
                pay_month_minor_min: min,
                pay_month_minor_max: max,
                pay_currency: "CNY".to_owned(),
                ..ListPostingsRequest::default()
            };
            assert_eq!(matching(&client, request).await, expected, "{min:?} to {max:?}");
        };
        check(Some(0), None, "day-400 from-10000 hour-50 month-5000-8000 week-1200 year-120000")
            .await;
        check(Some(870_000), None, "day-400 from-10000 hour-50 year-120000").await;
        check(Some(870_001), None, "from-10000 year-120000").await;
        check(Some(520_000), Some(520_000), "month-5000-8000 week-1200").await;
        check(None, Some(519_999), "month-5000-8000").await;
        check(None, Some(499_999), "").await;
        check(Some(1_000_000), Some(1_000_000), "from-10000 year-120000").await;
        check(Some(1_000_001), None, "").await;
        let mut request = ListPostingsRequest {
            pay_month_minor_min: Some(1),
            pay_currency: "SEK".to_owned(),
            ..ListPostingsRequest::default()
        };
        assert_eq!(matching(&client, request.clone()).await, "krona");
        request.pay_currency.clear();
        let refusal = page(&client, &request).await.unwrap_err();
        assert_eq!(refusal.violations[0].field, "pay_currency");
    });
}

#[test]
fn a_text_is_found_in_title_and_employer_whatever_its_case_and_never_as_a_pattern() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        let employer = with("Cook", "330106", |it| {
            it.employer.as_mut().unwrap().name = "ÖSTRA Gården".to_owned();
        });
        send(
            &client,
            NORTH,
            vec![
                upsert("welder", posting("Welder 100% MIG_MAG", "330106")),
                upsert("other", posting("Welder 100 MIG-MAG", "330106")),
                upsert("bee", posting("养蜂员", "330106")),
                upsert("cook", employer),
            ],
        )
        .await;
        let check = async |text: &str, expected: &str| {
            let request =
                ListPostingsRequest { text: text.to_owned(), ..ListPostingsRequest::default() };
            assert_eq!(matching(&client, request).await, expected, "{text}");
        };
        check("WELDER", "other welder").await;
        check("100%", "welder").await;
        check("mig_mag", "welder").await;
        check("蜂", "bee").await;
        check("östra GÅRDEN", "cook").await;
        check("' OR true --", "").await;
        check("\\", "").await;
        check("westlake", "bee other welder").await;
    });
}

#[test]
fn what_changed_since_a_time_is_told_to_the_microsecond() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        for name in ["a", "b", "c"] {
            send(&client, NORTH, vec![upsert(name, posting(name, "330106"))]).await;
        }
        send(&client, NORTH, vec![upsert("a", posting("again", "330106"))]).await;
        let records = page(&client, &ListPostingsRequest::default()).await.unwrap().records;
        for record in &records {
            let since = record.updated_at.unwrap();
            let expected = records.iter().filter(|it| {
                let at = it.updated_at.unwrap();
                (at.seconds, at.nanos) >= (since.seconds, since.nanos)
            });
            let mut expected: Vec<_> = expected.map(id).collect();
            expected.sort();
            let mut request = ListPostingsRequest {
                updated_since: Some(since),
                ..ListPostingsRequest::default()
            };
            assert_eq!(matching(&client, request.clone()).await, expected.join(" "));
            request.updated_since.as_mut().unwrap().nanos += 1_000;
            let later = expected.iter().filter(|it| **it != id(record)).cloned();
            assert_eq!(matching(&client, request).await, later.collect::<Vec<_>>().join(" "));
        }
    });
}

#[test]
fn lists_are_in_the_order_of_arrival_or_of_the_last_change() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        for name in ["a", "b", "c", "d", "e"] {
            send(&client, NORTH, vec![upsert(name, posting(name, "330106"))]).await;
        }
        for name in ["b", "d", "a"] {
            send(&client, NORTH, vec![upsert(name, posting("new", "330106"))]).await;
        }
        let mut request = ListPostingsRequest::default();
        assert_eq!(all(&client, &request, 2).await, ["a", "b", "c", "d", "e"]);
        let order = PostingOrder::UpdatedDesc.into();
        request.paging = Some(Paging { order, ..Paging::default() });
        assert_eq!(all(&client, &request, 2).await, ["a", "d", "b", "e", "c"]);
        assert_eq!(all(&client, &request, 5).await, ["a", "d", "b", "e", "c"]);
        // Postings of one batch have one time; no page may lose any of them.
        let batch = (0..25).map(|index| {
            let name = format!("x{index:02}");
            upsert(&name, posting(&name, "330106"))
        });
        send(&client, NORTH, batch.collect()).await;
        let listed = all(&client, &request, 7).await;
        assert_eq!(listed.len(), 30);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), 30);
        assert_eq!(listed[25..], ["a", "d", "b", "e", "c"]);
    });
}

#[test]
fn a_list_without_content_has_everything_else() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        send(&client, NORTH, vec![upsert("a", posting("A", "330106"))]).await;
        let mut request = ListPostingsRequest::default();
        let full = page(&client, &request).await.unwrap().records.remove(0);
        request.omit_content = true;
        let light = page(&client, &request).await.unwrap().records.remove(0);
        assert!(full.posting.is_some());
        assert_eq!(light, PostingRecord { posting: None, ..full });
    });
}

async fn insert(world: &World, stop: &std::sync::atomic::AtomicBool) -> usize {
    let client = world.hub().await.postings(NORTH).await;
    let mut inserted = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let fresh = (0..10).map(|index| {
            let name = format!("new-{inserted:03}-{index}");
            upsert(&name, posting(&name, "330106"))
        });
        send(&client, NORTH, fresh.collect()).await;
        inserted += 1;
    }
    inserted
}

#[test]
fn a_list_is_complete_and_has_nothing_twice_while_others_write() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        let mut expected = BTreeSet::new();
        for batch in 0..3 {
            let names = (0..100).map(|index| format!("old-{batch}-{index:03}"));
            let names: Vec<_> = names.collect();
            send(
                &client,
                NORTH,
                names.iter().map(|it| upsert(it, posting(it, "330106"))).collect(),
            )
            .await;
            expected.extend(names);
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        let read = async {
            for order in [PostingOrder::Unspecified, PostingOrder::UpdatedDesc] {
                let paging = Some(Paging { order: order.into(), ..Paging::default() });
                let request = ListPostingsRequest { paging, ..ListPostingsRequest::default() };
                for page_size in [7, 50] {
                    let listed = all(&client, &request, page_size).await;
                    let set: BTreeSet<_> = listed.iter().cloned().collect();
                    assert_eq!(set.len(), listed.len(), "something came twice");
                    assert!(set.is_superset(&expected), "something is missing");
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let (inserted, ()) = tokio::join!(insert(world, &stop), read);
        assert!(inserted > 0);
        let listed = all(&client, &ListPostingsRequest::default(), 1_000).await;
        assert_eq!(listed.len(), 300 + 10 * inserted);
    });
}

#[test]
fn a_page_token_is_good_for_its_own_request_and_as_it_was_made() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        let names: Vec<_> = (0..20).map(|index| format!("p{index:02}")).collect();
        send(&client, NORTH, names.iter().map(|it| upsert(it, posting(it, "330106"))).collect())
            .await;
        let paging = Paging { page_size: 5, ..Paging::default() };
        let first = ListPostingsRequest { paging: Some(paging), ..filtered(in_division("330106")) };
        let token = page(&client, &first).await.unwrap().next_page_token;
        let again = |request: &ListPostingsRequest, page_token: &str, page_size: i32| {
            let paging = request.paging.clone().unwrap_or_default();
            let page_token = page_token.to_owned();
            let paging = Paging { page_token, page_size, ..paging };
            ListPostingsRequest { paging: Some(paging), ..request.clone() }
        };
        // The size of a page may change, and another hub over the same database goes on as well.
        let other = world.hub().await.postings(NORTH).await;
        for client in [&client, &other] {
            let second = page(client, &again(&first, &token, 3)).await.unwrap().records;
            assert_eq!(second.iter().map(id).collect::<Vec<_>>(), ["p05", "p06", "p07"]);
        }
        let newest = Paging { order: PostingOrder::UpdatedDesc.into(), ..Paging::default() };
        let others = [
            ListPostingsRequest::default(),
            filtered(in_division("330100")),
            ListPostingsRequest { text: "p".to_owned(), ..first.clone() },
            ListPostingsRequest { paging: Some(newest), ..first.clone() },
            ListPostingsRequest { omit_content: true, ..first.clone() },
        ];
        for request in &others {
            let refusal = page(&client, &again(request, &token, 5)).await.unwrap_err();
            assert_eq!(refusal.reason, "PAGE_TOKEN_INVALID", "{request:?}");
        }
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..50 {
            let mut forged: Vec<char> = token.chars().collect();
            let at = rng.random_range(0..forged.len() - 1);
            forged[at] = if forged[at] == 'A' { 'B' } else { 'A' };
            let forged: String = forged.into_iter().collect();
            let refusal = page(&client, &again(&first, &forged, 5)).await.unwrap_err();
            assert_eq!(refusal.reason, "PAGE_TOKEN_INVALID", "{forged}");
        }
        for forged in ["A", "====", "not base64!", &token[1..], &format!("{token}AAAA")] {
            let refusal = page(&client, &again(&first, forged, 5)).await.unwrap_err();
            assert_eq!(refusal.reason, "PAGE_TOKEN_INVALID", "{forged}");
        }
    });
}

#[test]
fn postings_are_found_by_name_and_by_key_in_the_order_asked_for() {
    story(async |world| {
        let client = world.hub().await.postings(NORTH).await;
        let names = ["a", "b", "c"];
        send(&client, NORTH, names.map(|it| upsert(it, posting(it, "330106"))).to_vec()).await;
        send(&client, NORTH, vec![close("b")]).await;
        let key = |external_id: &str| PostingKey {
            source: NORTH.to_owned(),
            external_id: external_id.to_owned(),
        };
        let get = async |named: Named| {
            let request = GetPostingRequest { posting: Some(named) };
            let called = within("an answer", client.clone().get_posting(request)).await;
            called.map(|it| it.into_inner().record.unwrap()).map_err(|it| Refusal::of(&it).reason)
        };
        let record = get(Named::Key(key("b"))).await.unwrap();
        assert_eq!((record.state(), record.revision), (PostingState::Closed, 2));
        assert_eq!(record.etag, "\"2\"");
        assert_eq!(record.posting.as_ref().unwrap().title, "b");
        assert_eq!(get(Named::Name(record.name.clone())).await, Ok(record));
        for name in [
            "postings/0",
            "postings/-1",
            "postings/+1",
            "postings/x",
            "b",
            "",
            "postings/99999999999999999999",
        ] {
            let reason = get(Named::Name(name.to_owned())).await.unwrap_err();
            assert_eq!(reason, "POSTING_NOT_FOUND", "{name}");
        }
        let keys: Vec<_> = ["c", "no", "a", "b", "a"].map(key).to_vec();
        let request = BatchGetPostingsRequest { keys };
        let answer = client.clone().batch_get_postings(request).await.unwrap().into_inner();
        assert_eq!(answer.records.iter().map(id).collect::<Vec<_>>(), ["c", "a", "b", "a"]);
        assert_eq!(answer.not_found, [key("no")]);
        for keys in [vec![], vec![key("a"); 101]] {
            let request = BatchGetPostingsRequest { keys };
            let status = client.clone().batch_get_postings(request).await.unwrap_err();
            assert_eq!(Refusal::of(&status).reason, "FIELDS_INVALID");
        }
    });
}
