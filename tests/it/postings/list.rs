//! Reading postings without a watch: filters, pages, single ones.

use peshub::client::error::Refusal;
use peshub::pb::peshub::common::v1::OccupationScheme;
use peshub::pb::peshub::postings::v1::{
    BatchGetPostingsRequest, EmploymentType, GetPostingRequest, ListPostingsRequest, Paging,
    PayUnit, Posting, PostingChange, PostingFilter, PostingKey, PostingOrder, PostingRecord,
    PostingState, Workplace, get_posting_request,
};
use tonic::Code;

use crate::support::postings::{
    close, division, in_any_state, in_division, occupation, pay, posting, upsert,
};
use crate::support::sync::SyncStream;
use crate::support::{Postings, story, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const NATION: &str = "bureau-nation";

fn why(refusal: &Refusal) -> (Code, &str) {
    (refusal.code, refusal.reason.as_str())
}

async fn page(
    client: &Postings,
    request: ListPostingsRequest,
) -> Result<(Vec<PostingRecord>, String), Refusal> {
    let answer = within("a page", client.clone().list_postings(request)).await;
    let answer = answer.map_err(|status| Refusal::of(&status))?.into_inner();
    Ok((answer.records, answer.next_page_token))
}

fn id(record: &PostingRecord) -> String {
    record.key.as_ref().unwrap().external_id.clone()
}

/// Ids without their order.
async fn found(client: &Postings, request: ListPostingsRequest) -> Vec<String> {
    let mut found = listed(client, request).await;
    found.sort();
    found
}

/// The ids of a list, in its order.
async fn listed(client: &Postings, request: ListPostingsRequest) -> Vec<String> {
    page(client, request).await.unwrap().0.iter().map(id).collect()
}

fn filtered(filter: PostingFilter) -> ListPostingsRequest {
    ListPostingsRequest { filter: Some(filter), ..ListPostingsRequest::default() }
}

fn with(id: &str, code: &str, edit: impl FnOnce(&mut Posting)) -> PostingChange {
    let mut posting = posting(&format!("Title of {id}"), code);
    edit(&mut posting);
    upsert(id, posting)
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

/// Some postings of two sources that differ in everything a list can ask for.
async fn some_postings(hub: &crate::support::TestHub) {
    let (mut north, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
    let works = |posting: &mut Posting, code: &str| {
        posting.occupations = vec![occupation(OccupationScheme::Isco08, code)];
    };
    let paid = |posting: &mut Posting, min, max, unit, currency: &str| {
        posting.pay = Some(pay(min, max, unit, currency));
    };
    north
        .sync(
            1,
            &[
                with("west", "330106", |it| {
                    works(it, "2512");
                    paid(it, 900_000, 1_000_000, PayUnit::Month, "CNY");
                    it.employment_types = vec![EmploymentType::FullTime.into()];
                }),
                with("city", "330100", |it| {
                    works(it, "25");
                    paid(it, 5_000, 6_000, PayUnit::Hour, "CNY");
                    it.employment_types =
                        vec![EmploymentType::PartTime.into(), EmploymentType::Gig.into()];
                }),
                with("province", "330000", |it| {
                    works(it, "5120");
                    paid(it, 12_000_000, 13_000_000, PayUnit::Year, "CNY");
                }),
                with("closed", "330106", |_| {}),
                with("two", "440305", |it| {
                    let division = Some(division("330106"));
                    it.workplaces.push(Workplace { division, ..Workplace::default() });
                    paid(it, 10, 20, PayUnit::Piece, "CNY");
                    "Größe & Söhne".clone_into(&mut it.employer.as_mut().unwrap().name);
                }),
            ],
        )
        .await;
    north.sync(2, &[close("closed")]).await;
    let (mut south, _) = SyncStream::open(&hub.connect(SOUTH).await, SOUTH).await;
    south
        .sync(
            1,
            &[
                with("south", "440305", |it| {
                    paid(it, 40_000, 40_000, PayUnit::Day, "CNY");
                    "Bäcker 100% (m/w/d)".clone_into(&mut it.title);
                }),
                with("sweden", "SE-AB", |it| {
                    paid(it, 900_000, 1_000_000, PayUnit::Month, "SEK");
                }),
            ],
        )
        .await;
}

#[test]
fn a_list_holds_what_meets_every_criterion() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let client = hub.postings(NATION).await;
        let check = async |request: ListPostingsRequest, expected: &str| {
            let said = format!("{request:?}");
            assert_eq!(found(&client, request).await, words(expected), "{said}");
        };
        check(filtered(PostingFilter::default()), "west city province two south").await;
        check(filtered(in_any_state()), "west city province closed two south").await;
        let state = |state: PostingState| PostingFilter {
            states: vec![state.into()],
            ..PostingFilter::default()
        };
        check(filtered(state(PostingState::Closed)), "closed").await;
        check(filtered(state(PostingState::Open)), "west city province two south").await;

        check(filtered(in_division("CN")), "west city province two south").await;
        check(filtered(in_division("330000")), "west city province two").await;
        check(filtered(in_division("330100")), "west city two").await;
        check(filtered(in_division("330106")), "west two").await;
        check(filtered(in_division("440300")), "two south").await;
        check(filtered(in_division("SE")), "").await;
        // A retired code stands for what took its place, and so does the other scheme's code.
        check(filtered(in_division("CN-ZJ")), "west city province two").await;
        let either = PostingFilter {
            divisions: vec![division("330106"), division("440305")],
            ..PostingFilter::default()
        };
        check(filtered(either), "west two south").await;

        let works = |code: &str| PostingFilter {
            occupations: vec![occupation(OccupationScheme::Isco08, code)],
            ..PostingFilter::default()
        };
        check(filtered(works("2512")), "west").await;
        check(filtered(works("25")), "west city").await;
        check(filtered(works("2")), "west city").await;
        check(filtered(works("5")), "province").await;

        let kinds = |kinds: &[EmploymentType]| PostingFilter {
            employment_types: kinds.iter().map(|kind| (*kind).into()).collect(),
            ..PostingFilter::default()
        };
        check(filtered(kinds(&[EmploymentType::FullTime])), "west").await;
        check(filtered(kinds(&[EmploymentType::FullTime, EmploymentType::Gig])), "west city").await;

        let from = |sources: &[&str]| PostingFilter {
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            ..PostingFilter::default()
        };
        check(filtered(from(&[SOUTH])), "south").await;
        check(filtered(from(&["nowhere"])), "").await;
        let several = PostingFilter { sources: vec![NORTH.to_owned()], ..in_division("440300") };
        check(filtered(several), "two").await;
    });
}

#[test]
fn pay_is_compared_by_the_month_and_in_one_currency() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let client = hub.postings(NATION).await;
        let check = async |min: Option<i64>, max: Option<i64>, currency: &str, expected: &str| {
            let request = ListPostingsRequest {
                pay_month_minor_min: min,
                pay_month_minor_max: max,
                pay_currency: currency.to_owned(),
                ..ListPostingsRequest::default()
            };
            assert_eq!(found(&client, request).await, words(expected), "{min:?} {max:?}");
        };
        // 50 to 60 an hour are 8,700 to 10,440 a month; 400 a day are 8,700; 120,000 a year are 10,000.
        check(Some(0), None, "CNY", "west city province south").await;
        check(Some(1_000_000), None, "CNY", "west city province").await;
        check(Some(1_044_000), None, "CNY", "city province").await;
        check(Some(1_044_001), None, "CNY", "province").await;
        check(None, Some(870_000), "CNY", "city south").await;
        check(None, Some(869_999), "CNY", "").await;
        check(Some(880_000), Some(950_000), "CNY", "west city").await;
        check(Some(0), None, "SEK", "").await;
        let abroad = hub.postings("bureau-sweden").await;
        let request = ListPostingsRequest {
            pay_month_minor_min: Some(1),
            pay_currency: "SEK".to_owned(),
            ..ListPostingsRequest::default()
        };
        assert_eq!(listed(&abroad, request).await, ["sweden"]);
        let without =
            ListPostingsRequest { pay_month_minor_min: Some(1), ..ListPostingsRequest::default() };
        let refusal = page(&client, without).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
        assert_eq!(refusal.violations[0].field, "pay_currency");
    });
}

#[test]
fn text_is_found_in_title_and_employer_without_regard_to_case() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let client = hub.postings(NATION).await;
        let cases = [
            ("title OF west", "west"),
            ("GRÖSSE", ""),
            ("größe & s", "two"),
            ("SÖHNE", "two"),
            ("100%", "south"),
            ("%", "south"),
            ("_", ""),
            ("'; DROP TABLE posting", ""),
            ("westlake", "west city province south"),
        ];
        for (text, expected) in cases {
            let request =
                ListPostingsRequest { text: text.to_owned(), ..ListPostingsRequest::default() };
            assert_eq!(found(&client, request).await, words(expected), "{text}");
        }
    });
}

#[test]
fn updated_since_is_the_hubs_time_and_includes_the_instant() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let client = hub.postings(NATION).await;
        let (all, _) = page(&client, filtered(in_any_state())).await.unwrap();
        let closed = all.iter().find(|record| id(record) == "closed").unwrap();
        let at = closed.updated_at.unwrap();
        assert!(at.seconds > closed.created_at.unwrap().seconds - 1);
        let since = |nanos| ListPostingsRequest {
            updated_since: Some(prost_types::Timestamp { nanos, ..at }),
            ..filtered(in_any_state())
        };
        assert_eq!(listed(&client, since(at.nanos)).await, ["closed", "south"]);
        if at.nanos < 999_999_000 {
            assert_eq!(listed(&client, since(at.nanos + 1_000)).await, ["south"]);
        }
        let never = ListPostingsRequest {
            updated_since: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..ListPostingsRequest::default()
        };
        let refusal = page(&client, never).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
        assert_eq!(refusal.violations[0].field, "updated_since");
    });
}

fn paged(page_size: i32, page_token: &str, order: PostingOrder) -> ListPostingsRequest {
    let page_token = page_token.to_owned();
    let paging = Paging { page_size, page_token, order: order.into() };
    ListPostingsRequest { paging: Some(paging), ..filtered(in_division("330000")) }
}

#[test]
fn pages_are_complete_and_without_repeats_while_others_write() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let mut batch = 0;
        let mut write = async |ids: &[usize], title: &str| {
            batch += 1;
            let change = |n: &usize| upsert(&format!("p{n:03}"), posting(title, "330106"));
            stream.sync(batch, &ids.iter().map(change).collect::<Vec<_>>()).await;
        };
        // Postings of one batch have one time, so the order by time needs more than the time.
        write(&(0..30).collect::<Vec<_>>(), "one").await;
        write(&(30..57).collect::<Vec<_>>(), "two").await;
        write(&[3, 40], "three").await;
        let client = hub.postings(NATION).await;
        for order in [PostingOrder::Unspecified, PostingOrder::UpdatedDesc] {
            let whole = listed(&client, paged(1_000, "", order)).await;
            assert_eq!(whole.len(), 57);
            let (mut pieces, mut token) = (Vec::new(), String::new());
            for size in [1, 7, 10].into_iter().cycle() {
                let (records, next) = page(&client, paged(size, &token, order)).await.unwrap();
                assert!(records.len() <= size as usize);
                pieces.extend(records.iter().map(id));
                token = next;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(pieces, whole);
        }
        let newest = listed(&client, paged(4, "", PostingOrder::UpdatedDesc)).await;
        assert_eq!(newest[..2], ["p040", "p003"]);

        // What comes or changes in between neither repeats nor hides anything in the order of numbers.
        let order = PostingOrder::Unspecified;
        let (first, token) = page(&client, paged(20, "", order)).await.unwrap();
        write(&[0, 19, 20, 56, 100, 101], "in between").await;
        let (second, token) = page(&client, paged(30, &token, order)).await.unwrap();
        let (third, last) = page(&client, paged(30, &token, order)).await.unwrap();
        assert_eq!(last, "");
        let all: Vec<String> = [first, second, third].concat().iter().map(id).collect();
        let expected: Vec<String> = (0..57).chain([100, 101]).map(|n| format!("p{n:03}")).collect();
        assert_eq!(all, expected);
    });
}

#[test]
fn a_page_token_belongs_to_its_request() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let change = |n| upsert(&format!("p{n:03}"), posting("one", "330106"));
        stream.sync(1, &(0..9).map(change).collect::<Vec<_>>()).await;
        let client = hub.postings(NATION).await;
        let request = paged(4, "", PostingOrder::Unspecified);
        let (_, token) = page(&client, request.clone()).await.unwrap();
        let go_on = |token: &str| paged(4, token, PostingOrder::Unspecified);
        assert_eq!(listed(&client, go_on(&token)).await, ["p004", "p005", "p006", "p007"]);
        // A request that says nothing about pages has pages, too.
        let mut plain = paged(0, "", PostingOrder::Unspecified);
        plain.paging = None;
        let many = |n| upsert(&format!("q{n:03}"), posting("many", "330106"));
        stream.sync(2, &(0..100).map(many).collect::<Vec<_>>()).await;
        let (records, next) = page(&client, plain).await.unwrap();
        assert_eq!(records.len(), 100);
        let rest = page(&client, paged(0, &next, PostingOrder::Unspecified)).await.unwrap();
        assert_eq!(rest.0.len(), 9);

        let invalid = (Code::InvalidArgument, "PAGE_TOKEN_INVALID");
        let others = [
            paged(4, &token, PostingOrder::UpdatedDesc),
            ListPostingsRequest { text: "one".to_owned(), ..go_on(&token) },
            ListPostingsRequest { filter: Some(in_division("330100")), ..go_on(&token) },
            ListPostingsRequest { filter: None, ..go_on(&token) },
            ListPostingsRequest { omit_content: true, ..go_on(&token) },
            go_on("made up"),
            go_on(&token[1..]),
            go_on(&format!("{token}AA")),
        ];
        for other in others {
            assert_eq!(why(&page(&client, other.clone()).await.unwrap_err()), invalid, "{other:?}");
        }
        for index in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(why(&page(&client, go_on(&forged)).await.unwrap_err()), invalid, "{forged}");
        }
        // Another replica takes it.
        let there = world.hub().await.postings(NATION).await;
        assert_eq!(listed(&there, go_on(&token)).await, ["p004", "p005", "p006", "p007"]);
    });
}

#[test]
fn codes_that_a_filter_names_must_be_known() {
    story(async |world| {
        let client = world.hub().await.postings(NATION).await;
        let filter = PostingFilter {
            divisions: vec![division("330106"), division("999999"), division("SE-ZZ")],
            occupations: vec![occupation(OccupationScheme::Isco08, "9999")],
            ..PostingFilter::default()
        };
        let refusal = page(&client, filtered(filter)).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
        let fields: Vec<&str> = refusal.violations.iter().map(|it| it.field.as_str()).collect();
        let expected =
            ["filter.divisions[1].code", "filter.divisions[2].code", "filter.occupations[0].code"];
        assert_eq!(fields, expected);
    });
}

#[test]
fn an_overview_leaves_the_content_out() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let client = hub.postings(NATION).await;
        let full = page(&client, filtered(in_any_state())).await.unwrap().0;
        let light = ListPostingsRequest { omit_content: true, ..filtered(in_any_state()) };
        let light = page(&client, light).await.unwrap().0;
        assert!(full.iter().all(|record| record.posting.is_some()));
        let without = |record: &PostingRecord| PostingRecord { posting: None, ..record.clone() };
        assert_eq!(light, full.iter().map(without).collect::<Vec<_>>());
    });
}

#[test]
fn a_posting_is_found_by_its_name_and_by_its_sources_words() {
    story(async |world| {
        let hub = world.hub().await;
        some_postings(&hub).await;
        let mut client = hub.postings(NATION).await;
        let (listed, _) = page(&client, filtered(in_any_state())).await.unwrap();
        let get = async |posting: get_posting_request::Posting| {
            let request = GetPostingRequest { posting: Some(posting) };
            let answer = client.clone().get_posting(request).await;
            answer.map(|it| it.into_inner().record.unwrap()).map_err(|status| Refusal::of(&status))
        };
        for record in &listed {
            let by_key = get_posting_request::Posting::Key(record.key.clone().unwrap());
            assert_eq!(get(by_key).await.as_ref(), Ok(record));
            let by_name = get_posting_request::Posting::Name(record.name.clone());
            assert_eq!(get(by_name).await.as_ref(), Ok(record));
            assert_eq!(record.etag, format!("\"{}\"", record.revision));
        }
        let not_found = (Code::NotFound, "POSTING_NOT_FOUND");
        for name in ["postings/0", "postings/+1", "postings/x", "postings/", "1", ""] {
            let by_name = get_posting_request::Posting::Name(name.to_owned());
            assert_eq!(why(&get(by_name).await.unwrap_err()), not_found, "{name}");
        }
        let key = |source: &str, id: &str| PostingKey {
            source: source.to_owned(),
            external_id: id.to_owned(),
        };
        let keys = vec![
            key(SOUTH, "south"),
            key(NORTH, "nobody"),
            key(NORTH, "west"),
            key(SOUTH, "sweden"),
            key(SOUTH, "south"),
        ];
        let request = BatchGetPostingsRequest { keys: keys.clone() };
        let answer = client.batch_get_postings(request).await.unwrap().into_inner();
        let found: Vec<String> = answer.records.iter().map(id).collect();
        assert_eq!(found, ["south", "west", "south"]);
        assert_eq!(answer.not_found, [keys[1].clone(), keys[3].clone()]);
        for count in [0, 101] {
            let request = BatchGetPostingsRequest { keys: vec![keys[0].clone(); count] };
            let refusal = Refusal::of(&client.batch_get_postings(request).await.unwrap_err());
            assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
        }
    });
}
