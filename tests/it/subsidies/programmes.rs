//! The project's own programmes, and how a programme comes into force.

use std::collections::{BTreeMap, BTreeSet};

use peshub::client::error::Refusal;
use peshub::kernel::fields;
use peshub::pb::peshub::common::v1::Role;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::subsidies::domain::Catalogue;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::programme::claims::{Excludes, KeyError, Subjects, keys};
use peshub::subsidies::programme::review::review;
use peshub::subsidies::programme::{CompiledProgramme, Exclusion, KeyPart, cases, question};
use peshub::subsidies::wire::fact;

use crate::subsidies::shared::division;
use crate::support::subsidies::{
    EXPANSION, NATION, bureau, facts, names, programme, published, second_system,
};
use crate::support::{story, subsidies};

fn catalogue() -> Catalogue {
    fact::catalogue(&facts())
}

#[test]
fn the_projects_own_programmes_can_be_published_as_they_are() {
    let definitions = facts();
    for (index, definition) in definitions.iter().enumerate() {
        assert_eq!(fields::check(definition), [], "{}", definition.name);
        assert!(fact::definition(definition, "").is_ok(), "{index}: {}", definition.name);
    }
    let catalogue = catalogue();
    assert_eq!(catalogue.iter().count(), definitions.len(), "two facts have one name");
    let (mut cases, mut versions, mut criteria) = (0, 0, 0);
    let mut read = BTreeSet::new();
    let names = names();
    for name in &names {
        let programme = programme(name);
        assert_eq!((programme.name.as_str(), fields::check(&programme)), (name.as_str(), vec![]));
        let review = review(&programme, &catalogue);
        let findings: Vec<_> = review.findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{name}:\n{}", findings.join("\n"));
        cases += review.cases.len();
        versions += programme.versions.len();
        criteria += programme.versions.iter().map(|it| it.criteria.len()).sum::<usize>();
        read.extend(review.compiled.unwrap().facts.iter().cloned());
    }
    assert!(names.len() >= 15 && cases >= 96, "{} programmes, {cases} cases", names.len());
    assert_eq!((versions, criteria), (23, 106));
    let unread: Vec<_> =
        catalogue.iter().filter(|it| !read.contains(&it.name)).map(|it| &it.name).collect();
    assert!(unread.is_empty(), "no programme reads {unread:?}");
}

fn compiled(name: &str) -> CompiledProgramme {
    CompiledProgramme::compile(&programme(name), &catalogue()).unwrap().shown_by(&facts())
}

/// What is known in a case of one of the project's own programmes.
fn known(name: &str, case: &str) -> peshub::subsidies::domain::Facts {
    let programme = programme(name);
    let (cases, _) = cases::read(&programme, &catalogue());
    cases.into_iter().find(|it| it.written.id == case).unwrap().facts
}

#[test]
fn time_turns_verdicts_and_ends_deadlines() {
    let day = |text| peshub::subsidies::domain::Day::read(text).unwrap();
    let luan = compiled("cn.startup-subsidy.luan");
    let early = known("cn.startup-subsidy.luan", "one-day-early");
    // Tomorrow three months will be complete.
    let turns = luan.turns_on(&early, None, day("2026-05-09")).unwrap();
    assert_eq!(turns, Some(day("2026-05-10")));
    // Who is eligible is so until the version ends with the year.
    let plain = known("cn.startup-subsidy.luan", "three-months-to-the-day");
    let turns = luan.turns_on(&plain, None, day("2026-05-10")).unwrap();
    assert_eq!(turns, Some(day("2027-01-01")));
    // The day of the claim is not what this one is decided by.
    let wotc = compiled("us.wotc");
    let case = known("us.wotc", "last-day");
    assert_eq!(wotc.turns_on(&case, None, day("2025-03-31")).unwrap(), None);
    for today in ["2025-03-03", "2025-03-31", "2025-06-01", "2026-01-01"] {
        let last = wotc.last_day_to_file(&case, day(today)).unwrap();
        assert_eq!(last, Some(day("2025-03-31")), "{today}");
    }
    let mut unknown = case;
    unknown.remove("hire.date");
    assert_eq!(wotc.last_day_to_file(&unknown, day("2025-03-31")).unwrap(), None);
}

#[test]
fn the_next_best_question_unlocks_the_most_money() {
    let (luan, skill) = (compiled("cn.startup-subsidy.luan"), compiled("cn.skill-upgrade"));
    let mut founder = known("cn.startup-subsidy.luan", "three-months-to-the-day");
    founder.remove("business.pays_social_insurance");
    let mut learner = known("cn.skill-upgrade", "fourth-level");
    learner.remove("cert.level");
    let answers = [
        (&skill, skill.determine(&learner, None, Trace::Off).unwrap()),
        (&luan, luan.determine(&founder, None, Trace::Off).unwrap()),
    ];
    let ranked = question::rank(answers.iter().map(|(programme, answer)| (*programme, answer)));
    let told: Vec<_> =
        ranked.iter().map(|it| (it.fact.as_ref(), it.unlocks["CNY"], it.settles.len())).collect();
    let expected = [("business.pays_social_insurance", 1_000_000, 1), ("cert.level", 200_000, 1)];
    assert_eq!(told, expected);
}

#[test]
fn claims_have_the_same_keys_from_both_sides_and_under_every_edition() {
    let expansion = compiled(EXPANSION);
    let facts = known(EXPANSION, "new-graduate");
    let worker = Subjects { worker: Some(b"one"), employer: None };
    let own = keys(&expansion, &[], &facts, worker).unwrap();
    let told: Vec<_> = own.iter().map(|key| (key.words.as_str(), key.excludes)).collect();
    assert_eq!(
        told,
        [
            ("once per worker", Excludes::Any),
            ("exclusive with cn.absorb-subsidy per worker", Excludes::OtherProgrammes)
        ]
    );
    assert_eq!(own[0].from.to_string(), "2025-01-01");
    assert_eq!(own[0].until.unwrap().to_string(), "2027-01-01");
    // The other programme says nothing of it, and has the key all the same.
    let mut other = programme("cn.startup-subsidy.luan");
    other.name = "cn.absorb-subsidy".to_owned();
    let other = CompiledProgramme::compile(&other, &catalogue()).unwrap();
    let excluded = Exclusion { programme: EXPANSION.into(), key: vec![KeyPart::Worker] };
    let facts = known("cn.startup-subsidy.luan", "three-months-to-the-day");
    let theirs = keys(&other, &[excluded], &facts, worker).unwrap();
    let pair = |keys: &[peshub::subsidies::programme::claims::ClaimKey]| {
        let found = keys.iter().find(|key| key.excludes == Excludes::OtherProgrammes).unwrap();
        (found.group, found.key)
    };
    assert_eq!(pair(&own), pair(&theirs));
    let somebody = Subjects { worker: Some(b"two"), employer: None };
    assert_ne!(pair(&theirs).1, keys(&other, &[], &facts, somebody).unwrap()[0].key);
    let nobody = keys(&other, &[], &facts, Subjects::default()).unwrap_err();
    assert_eq!(nobody, KeyError::Subject(KeyPart::Worker));
    let flex = compiled("cn.flex-social-insurance");
    let facts = known("cn.flex-social-insurance", "a-quarter");
    let missing = keys(&flex, &[], &facts, worker).unwrap_err();
    assert_eq!(missing, KeyError::Facts(vec!["claim.period".into()]));
}

#[test]
fn a_programme_is_drafted_by_one_and_published_by_another() {
    story(async |world| {
        let hub = world.hub().await;
        let mut bureau = bureau(&hub, NATION).await;
        bureau.define().await;
        let drafted = bureau.draft(programme(EXPANSION)).await;
        assert_eq!(drafted.findings, []);
        let draft = drafted.draft.unwrap();
        assert_eq!((draft.drafted_by.as_str(), draft.newest_edition), ("main", 0));
        let request = pb::PublishProgrammeRequest {
            name: EXPANSION.to_owned(),
            draft_sha256: draft.draft_sha256.clone(),
            ..Default::default()
        };
        // Nobody else sees it.
        let get = pb::GetProgrammeRequest { name: EXPANSION.to_owned(), edition: 0 };
        let mut platform = hub.connect("platform-north").await.programmes();
        let missing = Refusal::of(&platform.get_programme(get.clone()).await.unwrap_err());
        assert_eq!(missing.reason, "PROGRAMME_NOT_FOUND");
        let alone = bureau.author.publish_programme(request.clone()).await.unwrap_err();
        assert_eq!(Refusal::of(&alone).reason, "FOUR_EYES_REQUIRED");
        let stale =
            pb::PublishProgrammeRequest { draft_sha256: vec![0; 32].into(), ..request.clone() };
        let stale = bureau.publisher.publish_programme(stale).await.unwrap_err();
        assert_eq!(Refusal::of(&stale).reason, "FIELDS_INVALID");
        let mut elsewhere = hub.connect("bureau-sweden").await.programmes();
        let stranger = elsewhere.publish_programme(request.clone()).await.unwrap_err();
        assert_eq!(Refusal::of(&stranger).reason, "PROGRAMME_NOT_FOUND");

        let answer = bureau.publisher.publish_programme(request).await.unwrap().into_inner();
        let edition = answer.edition.unwrap();
        assert_eq!((edition.number, edition.in_force), (1, true));
        assert_eq!(
            (edition.drafted_by.as_str(), edition.published_by.as_str()),
            ("main", "publishing")
        );
        let told = platform.get_programme(get.clone()).await.unwrap().into_inner();
        assert_eq!(told.edition, Some(edition.clone()));
        // What was published carries the facts that it reads, as they were defined.
        let content = edition.edition.unwrap();
        let compiled = CompiledProgramme::compile(
            content.programme.as_ref().unwrap(),
            &fact::catalogue(&content.facts),
        )
        .unwrap();
        let carried: Vec<_> = content.facts.iter().map(|it| it.name.as_str()).collect();
        let read: Vec<_> = compiled.facts.iter().map(AsRef::as_ref).collect();
        assert_eq!(carried, read);

        let retire = pb::RetireProgrammeRequest {
            name: EXPANSION.to_owned(),
            because: "the year is over".to_owned(),
            ..Default::default()
        };
        let retired = bureau.publisher.retire_programme(retire).await.unwrap().into_inner();
        assert!(!retired.edition.unwrap().in_force);
        let listed = platform.list_programmes(pb::ListProgrammesRequest::default()).await;
        assert_eq!(listed.unwrap().into_inner().editions, []);
        // The next edition brings it back.
        assert_eq!(bureau.publish(programme(EXPANSION)).await.edition.unwrap().number, 2);
        let told = platform.get_programme(get).await.unwrap().into_inner().edition.unwrap();
        assert_eq!((told.number, told.in_force), (2, true));
    });
}

#[test]
fn programmes_are_listed_where_they_hold() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut bureau, _) = published(&hub, EXPANSION).await;
        for name in ["cn.skill-upgrade", "cn.startup-subsidy.luan"] {
            bureau.publish(programme(name)).await;
        }
        let mut platform = hub.connect("platform-north").await.programmes();
        let mut told = BTreeMap::new();
        for code in ["", "CN-330106", "CN-341503", "SE-AB"] {
            let mut names = Vec::new();
            let mut request = pb::ListProgrammesRequest {
                division: (!code.is_empty()).then(|| division(code)),
                page_size: 1,
                ..Default::default()
            };
            loop {
                let page = platform.list_programmes(request.clone()).await.unwrap().into_inner();
                names.extend(page.editions.into_iter().map(|it| it.programme));
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            told.insert(code, names);
        }
        let nation = ["cn.expansion-grant", "cn.skill-upgrade"];
        assert_eq!(told["CN-330106"], nation);
        assert_eq!(told["CN-341503"], [nation.as_slice(), &["cn.startup-subsidy.luan"]].concat());
        assert_eq!(told[""], told["CN-341503"]);
        assert_eq!(told["SE-AB"], [""; 0]);
        let request = pb::ListProgrammesRequest {
            division: Some(division("CN-999999")),
            ..Default::default()
        };
        let unknown = platform.list_programmes(request).await.unwrap_err();
        assert_eq!(Refusal::of(&unknown).reason, "FIELDS_INVALID");
    });
}

#[test]
fn a_bureau_publishes_for_its_own_divisions_and_under_its_own_names() {
    story(async |world| {
        let hub = world.hub().await;
        let (_, _) = published(&hub, EXPANSION).await;
        let mut zhejiang = hub.connect("bureau-zhejiang").await.programmes();
        let draft = |programme| pb::DraftProgrammeRequest {
            programme: Some(programme),
            ..Default::default()
        };
        let beyond = draft(programme("cn.skill-upgrade"));
        let status = zhejiang.draft_programme(beyond).await.unwrap_err();
        let refusal = Refusal::of(&status);
        assert_eq!(refusal.reason, "FIELDS_INVALID");
        assert!(refusal.to_string().contains("programme.divisions[0]"), "{refusal}");
        let mut taken = programme(EXPANSION);
        taken.divisions = vec![division("CN-330000")];
        let status = zhejiang.draft_programme(draft(taken)).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "ALREADY_EXISTS");
    });
}

#[test]
fn a_fact_keeps_its_meaning() {
    story(async |world| {
        let hub = world.hub().await;
        let mut bureau = bureau(&hub, NATION).await;
        bureau.define().await;
        // The same words again change nothing.
        bureau.define().await;
        let mut elsewhere = hub.connect("bureau-sweden").await.programmes();
        let one = |change: &dyn Fn(&mut pb::FactDefinition)| {
            let mut fact = facts().into_iter().find(|it| it.name == "cert.level").unwrap();
            change(&mut fact);
            pb::DefineFactsRequest { facts: vec![fact], ..Default::default() }
        };
        let other = one(&|fact| fact.meaning = "Something else.".to_owned());
        let status = elsewhere.define_facts(other.clone()).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "ALREADY_EXISTS");
        let retire = pb::RetireFactRequest { name: "cert.level".to_owned(), ..Default::default() };
        let status = elsewhere.retire_fact(retire.clone()).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "FACT_UNKNOWN");
        let retired = bureau.author.retire_fact(retire).await.unwrap().into_inner();
        assert!(retired.fact.unwrap().retired_at.is_some());
        // No draft that names it is published any more.
        let drafted = bureau.draft(programme("cn.skill-upgrade")).await;
        assert!(!drafted.findings.is_empty());
        for finding in &drafted.findings {
            let kinds = [pb::FindingKind::FactUndeclared, pb::FindingKind::CaseFact];
            assert!(kinds.contains(&finding.kind()), "{finding:?}");
        }
        // The name keeps its kind.
        let text = one(&|fact| {
            fact.kind = pb::FactKind::String.into();
            (fact.least, fact.greatest) = (None, None);
        });
        let status = elsewhere.define_facts(text).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "FIELDS_INVALID");
        elsewhere.define_facts(other).await.unwrap();
        let mut platform = hub.connect("platform-north").await.programmes();
        let list = |with_retired| pb::ListFactsRequest {
            prefix: "cert.".to_owned(),
            with_retired,
            page_size: 2,
            ..Default::default()
        };
        for (with_retired, expected) in [(false, 4), (true, 5)] {
            let (mut request, mut count) = (list(with_retired), 0);
            loop {
                let page = platform.list_facts(request.clone()).await.unwrap().into_inner();
                count += page.facts.len();
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            assert_eq!(count, expected);
        }
    });
}

#[test]
fn the_role_decides_who_drafts_and_who_publishes() {
    story(async |world| {
        let hub = world.hub().await;
        let options = second_system(&hub, NATION, "publishing", &[Role::ProgrammePublisher]).await;
        let connection = peshub::client::connect::Connection::open(&options).await.unwrap();
        let request = pb::DraftProgrammeRequest {
            programme: Some(subsidies::programme(EXPANSION)),
            ..Default::default()
        };
        let status = connection.programmes().draft_programme(request).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "ACTION_NOT_GRANTED");
    });
}
