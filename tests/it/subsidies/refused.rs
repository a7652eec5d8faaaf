//! Bad programmes are refused, with the place and the reason.

use peshub::client::error::Refusal;
use peshub::kernel::fields;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::FindingKind as Kind;
use peshub::subsidies::programme::review::review;
use peshub::subsidies::wire::fact;

use crate::support::story;
use crate::support::subsidies::{EXPANSION, NATION, bureau, facts, programme};

type Change = Box<dyn FnOnce(&mut pb::Programme)>;

/// A change that spoils a programme: what it is called, the change, the field and the kind of what is found.
fn spoiled() -> Vec<(&'static str, Change, &'static str, Kind)> {
    let expression = |text: &str| -> Change {
        let text = text.to_owned();
        Box::new(move |it| it.versions[2].criteria[2].expression = text)
    };
    let contract = "versions[2].criteria[2].expression";
    vec![
        ("no syntax", expression("hire.contract_signed &&"), contract, Kind::Syntax),
        ("an undeclared fact", expression("hire.contract_singed"), contract, Kind::FactUndeclared),
        (
            "an undeclared parameter",
            expression("param.amuont > 0"),
            contract,
            Kind::ParameterUndeclared,
        ),
        ("a number for a truth", expression("worker.graduation_year"), contract, Kind::Type),
        (
            "a text against a number",
            expression("worker.graduation_year == '2025'"),
            contract,
            Kind::Type,
        ),
        ("a choice that is none", expression("employer.type == 'charity'"), contract, Kind::Type),
        ("a double", expression("worker.graduation_year > 1.5"), contract, Kind::NotInSubset),
        ("a stranger's function", expression("now() > hire.date"), contract, Kind::NotInSubset),
        (
            "nesting of 1,000",
            expression(&format!("{}true{}", "(".repeat(1_000), ")".repeat(1_000))),
            contract,
            Kind::TooLarge,
        ),
        (
            "a chain of 1,000 negations",
            expression(&format!("{}true", "!".repeat(1_000))),
            contract,
            Kind::TooLarge,
        ),
        (
            "a double in money",
            Box::new(|it| it.versions[0].amount = "param.amount * 0.5".into()),
            "versions[0].amount",
            Kind::NotInSubset,
        ),
        (
            "a truth for an amount",
            Box::new(|it| it.versions[0].amount = "hire.contract_signed".into()),
            "versions[0].amount",
            Kind::Type,
        ),
        (
            "overlapping versions",
            Box::new(|it| it.versions[1].to = "2025-01-01".into()),
            "versions[2].from",
            Kind::Overlap,
        ),
        (
            "an end before the beginning",
            Box::new(|it| it.versions[1].to = "2022-12-31".into()),
            "versions[1].to",
            Kind::Overlap,
        ),
        (
            "no day",
            Box::new(|it| it.versions[1].to = "2023-02-29".into()),
            "versions[1].to",
            Kind::Form,
        ),
        (
            "two versions of one name",
            Box::new(|it| it.versions[1].name = "2022".into()),
            "versions[1].name",
            Kind::Repeated,
        ),
        (
            "two criteria of one id",
            Box::new(|it| it.versions[0].criteria[1].id = "employer_type".into()),
            "versions[0].criteria[1].id",
            Kind::Repeated,
        ),
        (
            "a selecting fact that is no date",
            Box::new(|it| it.select = "employer.type".into()),
            "select",
            Kind::Key,
        ),
        (
            "a selecting fact that is not there",
            Box::new(|it| it.select = "hire.day".into()),
            "select",
            Kind::FactUndeclared,
        ),
        (
            "a key that is not there",
            Box::new(|it| it.once_per[0].key.push("worker.id".into())),
            "once_per[0].key[1]",
            Kind::FactUndeclared,
        ),
        (
            "a window without a length",
            Box::new(|it| it.once_per[0].length = 0),
            "once_per[0].length",
            Kind::Key,
        ),
        (
            "exclusion of itself",
            Box::new(|it| it.exclusive_with[0].programme = EXPANSION.into()),
            "exclusive_with[0].programme",
            Kind::Key,
        ),
        (
            "a currency that is none",
            Box::new(|it| it.currency = "yua".into()),
            "currency",
            Kind::Form,
        ),
        (
            "a division that is none",
            Box::new(|it| it.divisions[0].code = "ZZ".into()),
            "divisions[0]",
            Kind::Division,
        ),
        (
            "holding without a law",
            Box::new(|it| it.after_end = pb::AfterEnd::Hold.into()),
            "hold_source",
            Kind::Form,
        ),
        ("four cases", Box::new(|it| it.cases.truncate(4)), "cases", Kind::CasesMissing),
        (
            "a criterion that no case fails",
            Box::new(|it| it.cases.retain(|case| case.id != "nothing-fits-2022")),
            "cases",
            Kind::CriterionUncovered,
        ),
        (
            "a case with a wrong sum",
            Box::new(|it| it.cases[0].amount = Some(150_001)),
            "cases[0]",
            Kind::CaseWrong,
        ),
        (
            "a case that asks too much",
            Box::new(|it| it.cases[6].ask.push("worker.birth_date".into())),
            "cases[6]",
            Kind::CaseWrong,
        ),
        (
            "a case that names too few failures",
            Box::new(|it| it.cases[1].failed.clear()),
            "cases[1]",
            Kind::CaseWrong,
        ),
        (
            "a case with a fact of another kind",
            Box::new(|it| {
                it.cases[0].facts[0].value = Some(pb::FactValue {
                    value: Some(pb::fact_value::Value::Date("2020-01-01".into())),
                });
            }),
            "cases[0].facts[0].value",
            Kind::CaseFact,
        ),
        (
            "two cases of one id",
            Box::new(|it| it.cases[1].id = it.cases[0].id.clone()),
            "cases[1].id",
            Kind::Repeated,
        ),
    ]
}

#[test]
fn each_is_told_with_its_place() {
    let catalogue = fact::catalogue(&facts());
    assert_eq!(review(&programme(EXPANSION), &catalogue).findings, []);
    for (what, change, field, kind) in spoiled() {
        let mut programme = programme(EXPANSION);
        change(&mut programme);
        let findings = review(&programme, &catalogue).findings;
        let found: Vec<_> = findings.iter().map(|it| (it.field.as_str(), it.kind)).collect();
        assert!(found.contains(&(field, kind)), "{what}: {found:?}");
        for finding in findings.iter().filter(|it| it.field.ends_with("expression")) {
            let place = finding.place.as_ref().expect(what);
            assert!(place.line >= 1 && place.column >= 1 && !place.excerpt.is_empty(), "{what}");
        }
    }
}

#[test]
fn every_kind_of_finding_stands_in_the_guide() {
    let guide = include_str!("../../../docs/guides/programmes.md");
    let kinds: Vec<_> = (1..100).filter_map(|number| Kind::try_from(number).ok()).collect();
    assert!(kinds.len() >= 18, "{kinds:?}");
    for kind in kinds {
        let word = kind.as_str_name().trim_start_matches("FINDING_KIND_");
        assert!(guide.contains(word), "{word}");
    }
}

#[test]
fn the_place_is_drawn_beneath_the_line() {
    let catalogue = fact::catalogue(&facts());
    let mut programme = programme(EXPANSION);
    programme.versions[2].criteria[2].expression =
        "hire.contract_signed &&\n  worker.registered_unemploed".to_owned();
    let findings = review(&programme, &catalogue).findings;
    let drawn = findings[0].to_string();
    insta::assert_snapshot!(drawn, @r"
    versions[2].criteria[2].expression: FACT_UNDECLARED: 2:3: the catalogue has no fact `worker.registered_unemploed`
        worker.registered_unemploed
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn a_programme_that_would_take_too_long_is_not_compiled() {
    let catalogue = fact::catalogue(&facts());
    let mut programme = programme("cn.internship-subsidy");
    let (version, overlay) = (programme.versions[0].clone(), programme.overlays[2].clone());
    programme.versions =
        (0..100).map(|index| pb::Version { name: index.to_string(), ..version.clone() }).collect();
    programme.overlays = vec![overlay; 500];
    let found = review(&programme, &catalogue).findings;
    assert!(found.iter().any(|it| (it.field.as_str(), it.kind) == ("overlays", Kind::TooLarge)));
}

#[test]
fn every_mistake_is_told_at_once() {
    let catalogue = fact::catalogue(&facts());
    let mut programme = programme(EXPANSION);
    programme.currency = "yuan".to_owned();
    programme.versions[0].criteria[0].expression = "a.b".to_owned();
    programme.versions[1].criteria[1].expression = "1 +".to_owned();
    programme.versions[2].amount = "param.none".to_owned();
    programme.cases.truncate(2);
    let found = review(&programme, &catalogue).findings;
    assert!(found.len() >= 5, "{found:?}");
}

#[test]
fn ten_megabytes_are_refused_by_the_contracts_own_rules() {
    let mut programme = programme(EXPANSION);
    programme.versions[0].criteria[0].expression = "true || ".repeat(1_250_000);
    let violations = fields::check(&programme);
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, "versions[0].criteria[0].expression");
}

#[test]
fn publishing_refuses_with_each_place_and_reason() {
    story(async |world| {
        let hub = world.hub().await;
        let mut bureau = bureau(&hub, NATION).await;
        bureau.define().await;
        let mut bad = programme(EXPANSION);
        bad.versions[2].criteria[2].expression = "hire.contract_singed".to_owned();
        bad.versions[1].to = "2025-06-30".to_owned();
        let drafted = bureau.draft(bad).await;
        let fields: Vec<_> = drafted.findings.iter().map(|it| it.field.as_str()).collect();
        assert!(fields.contains(&"versions[2].from"), "{fields:?}");
        let place = drafted.findings.iter().find(|it| it.line > 0).unwrap();
        assert_eq!((place.line, place.column), (1, 1));
        let request = pb::PublishProgrammeRequest {
            name: EXPANSION.to_owned(),
            draft_sha256: drafted.draft.unwrap().draft_sha256,
            ..Default::default()
        };
        let refusal = Refusal::of(&bureau.publisher.publish_programme(request).await.unwrap_err());
        assert_eq!(refusal.reason, "PROGRAMME_REFUSED");
        let said = refusal.to_string();
        for part in [
            "programme.versions[2].criteria[2].expression",
            "FACT_UNDECLARED",
            "hire.contract_singed",
            "programme.versions[2].from",
            "OVERLAP",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        // A programme as large as this is not even stored.
        let mut huge = programme(EXPANSION);
        huge.versions[0].criteria[0].expression = "true || ".repeat(200_000);
        let request = pb::DraftProgrammeRequest { programme: Some(huge), ..Default::default() };
        let refusal = Refusal::of(&bureau.author.draft_programme(request).await.unwrap_err());
        assert_eq!(refusal.reason, "FIELDS_INVALID");
        assert!(refusal.to_string().contains("versions[0].criteria[0].expression"), "{refusal}");
    });
}
