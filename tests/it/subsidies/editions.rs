//! What a new edition changes, and for whom.

use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::DifferenceKind as Kind;

use crate::support::story;
use crate::support::subsidies::{EXPANSION, programme, published};

fn kinds(comparison: &pb::Comparison) -> Vec<Kind> {
    let mut kinds: Vec<_> = comparison.witnesses.iter().map(pb::Witness::kind).collect();
    kinds.sort_by_key(|kind| i32::from(*kind));
    kinds.dedup();
    kinds
}

#[test]
fn publishing_tells_who_gains_and_who_loses_and_how_much() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut bureau, first) = published(&hub, EXPANSION).await;
        // The same again changes nothing for nobody.
        let same = bureau.publish(programme(EXPANSION)).await.comparison.unwrap();
        assert_eq!((same.before, same.after), (1, 2));
        assert_eq!((same.changes.len(), same.witnesses.len()), (0, 0));
        assert!(same.tried > 1_000, "{}", same.tried);

        // 25 instead of 24, two months instead of three, and more money.
        let mut wider = programme(EXPANSION);
        wider.parameters[0].value = 200_000;
        let version = &mut wider.versions[2];
        let group = version.criteria.iter_mut().find(|it| it.id == "target_group").unwrap();
        group.expression = group.expression.replace("<= 24", "<= 25");
        wider.cases.retain(|case| case.id != "birthday-25");
        for case in &mut wider.cases {
            case.amount = case.amount.map(|_| 200_000);
        }
        let answer = bureau.publish(wider.clone()).await;
        let told = answer.comparison.unwrap();
        assert!(told.changes.iter().any(|it| it == "param.amount: 200000, was 150000"));
        assert_eq!(kinds(&told), [Kind::Gains, Kind::More]);
        let gains = told.witnesses.iter().find(|it| it.kind() == Kind::Gains).unwrap();
        assert_eq!(gains.criteria, ["target_group"]);
        assert_eq!((gains.amount_before, gains.amount_after), (0, 200_000));
        // Whoever is shown can be tried: the answers are as told.
        assert_eq!(gains.verdict_before(), pb::Verdict::NotEligible);
        assert_eq!(gains.verdict_after(), pb::Verdict::Eligible);

        // The other way round they lose.
        let mut platform = hub.connect("platform-north").await.programmes();
        let compare = |before, after| pb::CompareEditionsRequest {
            name: EXPANSION.to_owned(),
            before,
            after,
        };
        let back = platform.compare_editions(compare(3, 1)).await.unwrap().into_inner();
        assert_eq!(kinds(&back.comparison.unwrap()), [Kind::Loses, Kind::Less]);
        let newest = platform.compare_editions(compare(1, 0)).await.unwrap().into_inner();
        assert_eq!(newest.comparison.unwrap().after, 3);
        let missing = platform.compare_editions(compare(1, 9)).await.unwrap_err();
        assert_eq!(Refusal::of(&missing).reason, "PROGRAMME_EDITION_NOT_FOUND");

        // Editions stay what they were.
        let get = pb::GetProgrammeRequest { name: EXPANSION.to_owned(), edition: 1 };
        let told = platform.get_programme(get).await.unwrap().into_inner().edition.unwrap();
        let expected = pb::PublishedEdition { in_force: false, ..first };
        assert_eq!(told, expected);
    });
}

#[test]
fn a_draft_is_checked_as_it_will_be_published() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut bureau, _) = published(&hub, EXPANSION).await;
        let mut narrower = programme(EXPANSION);
        let version = &mut narrower.versions[2];
        let insurance = version.criteria.iter_mut().find(|it| it.id == "insurance").unwrap();
        insurance.expression = insurance.expression.replace(">= 3", ">= 6");
        bureau.draft(narrower).await;
        let request = pb::CheckDraftRequest { name: EXPANSION.to_owned() };
        let told = bureau.publisher.check_draft(request.clone()).await.unwrap().into_inner();
        // Cases with three months are wrong now, and say so.
        assert!(!told.findings.is_empty());
        assert!(told.findings.iter().all(|it| {
            [pb::FindingKind::CaseWrong, pb::FindingKind::CriterionUncovered].contains(&it.kind())
        }));
        assert!(told.cases.iter().any(|it| it.passed) && told.cases.iter().any(|it| !it.passed));
        assert_eq!(told.costs.len(), 3);
        let comparison = told.comparison.unwrap();
        assert_eq!((comparison.before, comparison.after), (1, 0));
        assert!(kinds(&comparison).contains(&Kind::Loses));
        let mut other = hub.connect("bureau-zhejiang").await.programmes();
        let missing = other.check_draft(request).await.unwrap_err();
        assert_eq!(Refusal::of(&missing).reason, "PROGRAMME_NOT_FOUND");
    });
}
