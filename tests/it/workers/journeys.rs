//! Registering, finding, disclosing, updating.

use std::collections::{BTreeMap, BTreeSet};

use peshub::pb::peshub::workers::v1::{
    EraseWorkerRequest, LegalBasisKind, ListDisclosuresRequest, NationalId, NationalIdScheme,
    Person, StatedBy, UpdateWorkerRequest, WorkerField,
};

use sqlx::{Connection as _, PgConnection};

use crate::support::{story, within};
use crate::workers::people::{
    ALL, Invented, asking, count, disclosed, find, let_erase, reason, register, registration,
    workers,
};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const XIHU: &str = "bureau-xihu";
const SHENZHEN: &str = "bureau-shenzhen";

#[test]
fn the_same_person_is_found_however_the_number_is_typed() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = workers(&hub, NORTH).await;
        let of = |scheme: NationalIdScheme, number: &str, country: &str| NationalId {
            scheme: scheme.into(),
            number: number.to_owned(),
            country: country.to_owned(),
        };
        let mut check = async |scheme: NationalIdScheme, country: &str, numbers: &[&str]| {
            let mut references = BTreeSet::new();
            for number in numbers {
                references.insert(find(&mut client, of(scheme, number, country)).await.unwrap());
            }
            assert_eq!(references.len(), 1, "{numbers:?}");
        };
        let gb =
            ["11010519491231002X", "110105 19491231 002x", "１１０１０５１９４９１２３１００２Ｘ"];
        check(NationalIdScheme::Gb11643, "", &gb).await;
        let swedish = ["811228-9874", "8112289874", "19811228-9874", "1981 1228 9874"];
        check(NationalIdScheme::Personnummer, "", &swedish).await;
        check(NationalIdScheme::Other, "NO", &["ab-123.456", "AB123456", "ab 123 456"]).await;
        check(NationalIdScheme::Other, "DK", &["AB123456"]).await;
        assert_eq!(count(&world.pool, "worker").await, 4);
        let told = |id| {
            let mut client = client.clone();
            async move { find(&mut client, id).await.unwrap_err() }
        };
        let wrong = told(of(NationalIdScheme::Gb11643, "110105194912310021", "")).await;
        assert_eq!(wrong.reason, "FIELDS_INVALID");
        assert_eq!(wrong.violations[0].field, "national_id.number");
        assert!(!wrong.to_string().contains("1949"), "{wrong}");
        let wrong = told(of(NationalIdScheme::Other, "8112289874", "SE")).await;
        assert_eq!(wrong.violations[0].field, "national_id.country");
        let wrong = told(of(NationalIdScheme::Unspecified, "8112289874", "")).await;
        assert_eq!(wrong.violations[0].field, "national_id.scheme");
    });
}

#[test]
fn each_participant_has_a_reference_of_its_own_that_is_nothing_to_others() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut north, mut xihu) = (workers(&hub, NORTH).await, workers(&hub, XIHU).await);
        let invented = Invented::new(7);
        let of_north = register(&mut north, &invented).await;
        let of_xihu = register(&mut xihu, &invented).await;
        assert_ne!(of_north, of_xihu);
        assert_eq!(register(&mut north, &invented).await, of_north, "always the same");
        assert_eq!(count(&world.pool, "worker").await, 1);
        assert_eq!(disclosed(&mut xihu, &of_xihu).await.unwrap().person, Some(invented.person));
        // Another's reference is told as one that was never given.
        let mut told = BTreeSet::new();
        for reference in [of_north.as_str(), "3f333df6-90a4-4fda-8dd3-9485d27cee36"] {
            let refusal = disclosed(&mut xihu, reference).await.unwrap_err();
            told.insert(refusal.to_string());
        }
        assert_eq!(told.len(), 1, "{told:?}");
        let_erase(&world.pool, &xihu, XIHU).await;
        let reference = of_north.clone();
        let request = EraseWorkerRequest { reference: reference.clone(), ..Default::default() };
        assert_eq!(reason(xihu.erase_worker(request).await), "WORKER_NOT_FOUND");
        let request = UpdateWorkerRequest {
            reference: reference.clone(),
            person: Some(Person::default()),
            ..Default::default()
        };
        assert_eq!(reason(xihu.update_worker(request).await), "WORKER_NOT_FOUND");
        let request = ListDisclosuresRequest { reference, ..Default::default() };
        assert_eq!(reason(xihu.list_disclosures(request).await), "WORKER_NOT_FOUND");
        let request = asking("11010519491231002X", &ALL);
        assert_eq!(reason(xihu.disclose_worker(request).await), "FIELDS_INVALID");
    });
}

#[test]
fn the_database_keeps_references_of_others_from_a_transaction_that_has_not_said_whom_it_is_about() {
    story(async |world| {
        let hub = world.hub().await;
        let mut north = workers(&hub, NORTH).await;
        for seed in 31..34 {
            register(&mut north, &Invented::new(seed)).await;
        }
        let mut xihu = workers(&hub, XIHU).await;
        register(&mut xihu, &Invented::new(31)).await;
        let mut connection = PgConnection::connect_with(&world.options).await.unwrap();
        let say = "SELECT set_config('peshub.actor', 'participant', false), set_config('peshub.participant',
                       (SELECT participant_id::text FROM participant WHERE name = 'bureau-xihu'), false)";
        sqlx::query(say).execute(&mut connection).await.unwrap();
        sqlx::query("SET ROLE peshub_participant").execute(&mut connection).await.unwrap();
        let query = sqlx::query_scalar("SELECT count(*) FROM worker_reference");
        let seen: i64 = query.fetch_one(&mut connection).await.unwrap();
        assert_eq!(seen, 1, "its own");
        let about = "SELECT set_config('peshub.worker', (SELECT worker_id::text FROM worker_reference), false)";
        sqlx::query(about).execute(&mut connection).await.unwrap();
        let query = sqlx::query_scalar("SELECT count(*) FROM worker_reference");
        let seen: i64 = query.fetch_one(&mut connection).await.unwrap();
        assert_eq!(seen, 2, "all of this worker, and of no other");
        connection.close().await.unwrap();
    });
}

#[test]
fn many_who_register_one_person_at_once_end_with_one_worker() {
    story(async |world| {
        let hubs = [world.hub().await, world.hub().await];
        let mut calls = Vec::new();
        for (index, who) in [NORTH, SOUTH, XIHU, SHENZHEN].into_iter().cycle().take(32).enumerate()
        {
            let mut client = workers(&hubs[index % 2], who).await;
            let invented = Invented::new(3);
            calls.push(tokio::spawn(async move { (who, register(&mut client, &invented).await) }));
        }
        let mut references: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for call in calls {
            let (who, reference) = within("a reference", call).await.unwrap();
            references.entry(who).or_default().insert(reference);
        }
        assert!(references.values().all(|own| own.len() == 1), "{references:?}");
        assert_eq!(references.values().flatten().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(count(&world.pool, "worker").await, 1);
        assert_eq!(count(&world.pool, "worker_key").await, 1);
        assert_eq!(count(&world.pool, "worker_index").await, 1);
    });
}

#[test]
fn a_registration_that_is_repeated_has_no_second_effect() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = workers(&hub, NORTH).await;
        let request = registration(&Invented::new(1), "once");
        let first = client.register_worker(request.clone()).await.unwrap().into_inner();
        let written = count(&world.pool, "audit").await;
        let again = client.register_worker(request).await.unwrap().into_inner();
        assert_eq!((again, count(&world.pool, "audit").await), (first.clone(), written));
        let other = registration(&Invented::new(2), "once");
        assert_eq!(reason(client.register_worker(other).await), "REQUEST_ID_REUSED");
        let mut renamed = registration(&Invented::new(1), "once");
        renamed.person.as_mut().unwrap().latin_name.push('x');
        assert_eq!(reason(client.register_worker(renamed).await), "REQUEST_ID_REUSED");
        assert_eq!(count(&world.pool, "worker").await, 1, "what was refused left nothing behind");
        // The id is the caller's: another's is another one.
        let mut south = workers(&hub, SOUTH).await;
        let request = registration(&Invented::new(2), "once");
        assert_ne!(south.register_worker(request).await.unwrap().into_inner(), first);
        let update = |name: &str| UpdateWorkerRequest {
            reference: first.reference.clone(),
            person: Some(Person { latin_name: name.to_owned(), ..Person::default() }),
            request_id: "update".to_owned(),
        };
        let stated = client.update_worker(update("Zhrauvexo")).await.unwrap().into_inner();
        let again = client.update_worker(update("Zhrauvexo")).await.unwrap().into_inner();
        assert_eq!(again, stated);
        assert_eq!(reason(client.update_worker(update("Vexo")).await), "REQUEST_ID_REUSED");
    });
}

#[test]
fn what_a_bureau_states_is_told_before_what_others_state() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut north, mut xihu) = (workers(&hub, NORTH).await, workers(&hub, XIHU).await);
        let mut shenzhen = workers(&hub, SHENZHEN).await;
        let mut invented = Invented::new(11);
        let of_north = register(&mut north, &invented).await;
        let of_xihu = find(&mut xihu, invented.id.clone()).await.unwrap();
        let told = disclosed(&mut xihu, &of_xihu).await.unwrap();
        assert_eq!(told.national_id.as_ref(), Some(&invented.id));
        assert_eq!(told.stated_by(), StatedBy::Other);
        assert_eq!(told.person.as_ref(), Some(&invented.person));
        // Registering by the number alone states nothing, and takes nothing back.
        find(&mut north, invented.id.clone()).await.unwrap();
        assert_eq!(disclosed(&mut xihu, &of_xihu).await.unwrap().person, told.person);
        invented.person.latin_name = "Tschiptschip Oqua".to_owned();
        let of_shenzhen = register(&mut shenzhen, &invented).await;
        let told = disclosed(&mut xihu, &of_xihu).await.unwrap();
        assert_eq!((told.stated_by(), told.person), (StatedBy::Bureau, Some(invented.person)));
        let mut update = async |name: &str| {
            let person = Some(Person { native_name: name.to_owned(), ..Person::default() });
            let reference = of_north.clone();
            let request = UpdateWorkerRequest { reference, person, ..Default::default() };
            north.update_worker(request).await.unwrap();
        };
        update("麤灪").await;
        let told = disclosed(&mut shenzhen, &of_shenzhen).await.unwrap();
        assert_eq!(told.stated_by(), StatedBy::Caller);
        assert_eq!(told.person.unwrap().latin_name, "Tschiptschip Oqua");
        // The bureau takes back what it stated.
        let request = UpdateWorkerRequest {
            reference: of_shenzhen,
            person: Some(Person::default()),
            ..Default::default()
        };
        shenzhen.update_worker(request).await.unwrap();
        let told = disclosed(&mut xihu, &of_xihu).await.unwrap();
        assert_eq!(told.person.unwrap().native_name, "麤灪");
        update("").await;
        let told = disclosed(&mut xihu, &of_xihu).await.unwrap();
        assert_eq!((told.person.is_some(), told.stated_at), (false, None));
    });
}

#[test]
fn every_disclosure_can_be_shown_to_the_worker_and_no_more_is_told_than_was_asked_for() {
    story(async |world| {
        let hub = world.hub().await;
        let invented = Invented::new(12);
        let mut told = BTreeMap::new();
        for (who, field) in [(XIHU, WorkerField::BirthDate), (SHENZHEN, WorkerField::NativeName)] {
            let mut client = workers(&hub, who).await;
            let reference = register(&mut client, &invented).await;
            let mut request = asking(&reference, &[field]);
            request.purpose = format!("purpose of {who}");
            let answer = client.disclose_worker(request).await.unwrap().into_inner();
            assert_eq!(answer.national_id, None);
            let person = answer.person.unwrap();
            assert_eq!(person.birth_date.is_empty(), field != WorkerField::BirthDate);
            assert_eq!(person.native_name.is_empty(), field != WorkerField::NativeName);
            assert!(person.contacts.is_empty() && person.latin_name.is_empty());
            told.insert(who, (reference, answer.entry_id));
        }
        // A purpose that names the person is refused, and nothing is disclosed or written.
        let mut xihu = workers(&hub, XIHU).await;
        let written = count(&world.pool, "audit").await;
        let (reference, entry_id) = told[XIHU].clone();
        for purpose in [&invented.id.number, &invented.person.latin_name, "11010519491231002X"] {
            let mut request = asking(&reference, &ALL);
            request.purpose = format!("about {purpose}");
            assert_eq!(reason(xihu.disclose_worker(request).await), "FIELDS_INVALID");
        }
        assert_eq!(count(&world.pool, "audit WHERE refusal = ''").await, written);
        let request = ListDisclosuresRequest { reference: reference.clone(), ..Default::default() };
        let list = xihu.list_disclosures(request).await.unwrap().into_inner();
        let shown: Vec<_> = list
            .disclosures
            .iter()
            .map(|it| {
                let basis = it.legal_basis.clone().unwrap();
                assert_eq!(basis.kind(), LegalBasisKind::Law);
                assert!(it.at.is_some());
                (
                    it.participant.as_str(),
                    it.action.as_str(),
                    it.purpose.as_str(),
                    it.fields.clone(),
                )
            })
            .collect();
        let action = "workers.disclose";
        assert_eq!(
            shown,
            [
                (
                    SHENZHEN,
                    action,
                    "purpose of bureau-shenzhen",
                    vec![WorkerField::NativeName.into()]
                ),
                (XIHU, action, "purpose of bureau-xihu", vec![WorkerField::BirthDate.into()]),
            ]
        );
        let named: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE entry_id = $1")
            .bind(uuid::Uuid::parse_str(&entry_id).unwrap())
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(named, 1);
    });
}

#[test]
fn a_long_list_of_disclosures_comes_in_pages() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = workers(&hub, XIHU).await;
        let reference = register(&mut client, &Invented::new(13)).await;
        for turn in 0..7 {
            let mut request = asking(&reference, &[WorkerField::BirthDate]);
            request.purpose = format!("turn {turn}");
            client.disclose_worker(request).await.unwrap();
        }
        let (mut token, mut seen, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let request = ListDisclosuresRequest {
                reference: reference.clone(),
                page_size: 3,
                page_token: token.clone(),
            };
            let answer = client.list_disclosures(request).await.unwrap().into_inner();
            seen.extend(answer.disclosures.into_iter().map(|it| it.purpose));
            pages += 1;
            if answer.next_page_token.is_empty() {
                break;
            }
            token = answer.next_page_token;
        }
        let expected: Vec<_> = (0..7).rev().map(|turn| format!("turn {turn}")).collect();
        assert_eq!((seen, pages), (expected, 3));
        // A token belongs to one list.
        let other = register(&mut client, &Invented::new(14)).await;
        for (reference, page_token) in [(other, token.clone()), (reference, format!("{token}A"))] {
            let request = ListDisclosuresRequest { reference, page_token, ..Default::default() };
            assert_eq!(reason(client.list_disclosures(request).await), "PAGE_TOKEN_INVALID");
        }
    });
}

#[test]
fn requests_show_nothing_of_a_person_when_they_are_printed() {
    let invented = Invented::new(15);
    let request = registration(&invented, "request");
    let printed = format!("{request:?} {:#?}", asking("reference", &ALL));
    for secret in [&invented.id.number, &invented.person.native_name, &invented.person.birth_date] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.starts_with("RegisterWorkerRequest { .. }"), "{printed}");
}

#[test]
fn a_rule_that_personal_data_breaks_is_told_without_the_data() {
    let mut invented = Invented::new(16);
    invented.person.native_name = "麤灪籲".repeat(100);
    invented.id.number = "11010519491231002X".repeat(9);
    let violations = peshub::kernel::fields::check(&registration(&invented, &"x".repeat(65)));
    assert_eq!(violations.len(), 3, "{violations:?}");
    assert!(violations.iter().all(|it| it.given.is_empty()), "{violations:?}");
}
