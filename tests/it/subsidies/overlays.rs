//! Overlays change numbers and make criteria wider; they never add one, and never make one harder.

use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::subsidies::domain::Catalogue;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::programme::review::review;
use peshub::subsidies::programme::{CompiledProgramme, cases};
use peshub::subsidies::wire::{self, fact};

use crate::subsidies::shared::division;
use crate::support::subsidies::{facts, programme};

const INTERNSHIP: &str = "cn.internship-subsidy";

fn catalogue() -> Catalogue {
    fact::catalogue(&facts())
}

/// Findings of the traineeship with another overlay for Foshan.
fn findings(change: impl FnOnce(&mut pb::Overlay)) -> Vec<(String, pb::FindingKind)> {
    let mut programme = programme(INTERNSHIP);
    let foshan = &mut programme.overlays[1];
    assert_eq!(foshan.division.as_ref().unwrap().code, "440600");
    change(foshan);
    let review = review(&programme, &catalogue());
    review.findings.into_iter().map(|it| (it.field, it.kind)).collect()
}

#[test]
fn the_nearest_overlay_counts() {
    let mut programme = programme(INTERNSHIP);
    let mut nearer = programme.overlays[1].clone();
    nearer.division = Some(division("CN-440604"));
    nearer.parameters[0].value = 80;
    programme.overlays.push(nearer);
    let compiled = CompiledProgramme::compile(&programme, &catalogue()).unwrap();
    let (read, _) = cases::read(&programme, &catalogue());
    let known = &read.iter().find(|it| it.written.id == "xinxiang-few-kept").unwrap().facts;
    for (code, overlay, amount) in [
        ("CN-440604", "440604", 168_000),
        ("CN-440605", "440600", 105_000),
        ("CN-440600", "440600", 105_000),
        ("CN-440300", "", 0),
        ("CN", "", 0),
    ] {
        let place = wire::division(&division(code)).unwrap();
        let answer = compiled.determine(known, Some(place), Trace::Off).unwrap();
        assert_eq!(answer.overlay.map_or("", |it| it.code()), overlay, "{code}");
        assert_eq!(answer.amount.unwrap().known(), Some(amount), "{code}");
    }
}

#[test]
fn an_overlay_that_names_a_version_comes_before_one_for_all() {
    let mut programme = programme(INTERNSHIP);
    let mut own = programme.overlays[1].clone();
    own.version = "1".to_owned();
    own.parameters[0].value = 90;
    // Whichever stands first.
    for place in [0, programme.overlays.len()] {
        let mut programme = programme.clone();
        programme.overlays.insert(place, own.clone());
        let compiled = CompiledProgramme::compile(&programme, &catalogue()).unwrap();
        let foshan = wire::division(&division("CN-440600")).unwrap();
        let variant = compiled.versions[0].variant(Some(foshan));
        assert!(variant.values.contains(&90), "{:?}", variant.values);
    }
    programme.overlays.push(own.clone());
    programme.overlays.push(own);
    let found = CompiledProgramme::compile(&programme, &catalogue()).unwrap_err();
    assert_eq!(found[0].field, "overlays[4].division");
}

type Change = Box<dyn FnOnce(&mut pb::Overlay)>;

#[test]
fn an_overlay_adds_nothing() {
    let criterion = |id: &str| pb::Criterion {
        id: id.to_owned(),
        expression: "worker.disabled".to_owned(),
        ..pb::Criterion::default()
    };
    let adds = pb::FindingKind::OverlayAdds;
    let rows: [(Change, &str); 3] = [
        (Box::new(move |it| it.widened.push(criterion("age"))), "overlays[1].widened[0].id"),
        (
            Box::new(|it| {
                it.parameters
                    .push(pb::Parameter { name: "extra".into(), ..pb::Parameter::default() });
            }),
            "overlays[1].parameters[2].name",
        ),
        (Box::new(|it| it.version = "2".into()), "overlays[1].version"),
    ];
    for (change, field) in rows {
        let found = findings(change);
        assert!(found.contains(&(field.to_owned(), adds)), "{found:?}");
    }
}

#[test]
fn an_overlay_that_makes_a_criterion_harder_is_refused_with_somebody_who_fails() {
    assert_eq!(findings(|_| ()), []);
    let months = |value| {
        move |it: &mut pb::Overlay| {
            it.parameters.push(pb::Parameter {
                name: "months".into(),
                value,
                ..pb::Parameter::default()
            });
        }
    };
    // More months are wider, fewer are harder.
    assert_eq!(findings(months(18)), []);
    let found = findings(months(6));
    assert_eq!(found, [("overlays[1]".to_owned(), pb::FindingKind::OverlayNarrows)]);
    let mut programme = programme(INTERNSHIP);
    months(11)(&mut programme.overlays[1]);
    let review = review(&programme, &catalogue());
    let said = review.findings[0].to_string();
    assert!(said.contains("in 440600 somebody fails months of version 1"), "{said}");
    assert!(said.contains("internship.months_subsidised = 11"), "{said}");
}

#[test]
fn a_wider_criterion_is_met_by_whom_its_own_or_the_base_takes() {
    let programme = programme(INTERNSHIP);
    let compiled = CompiledProgramme::compile(&programme, &catalogue()).unwrap();
    let (read, _) = cases::read(&programme, &catalogue());
    let weihai = wire::division(&division("CN-371000"));
    for id in ["xinxiang-few-kept", "weihai-third-year"] {
        let known = &read.iter().find(|it| it.written.id == id).unwrap().facts;
        let answer = compiled.determine(known, weihai, Trace::On).unwrap();
        assert_eq!(answer.verdict, pb::Verdict::Eligible, "{id}");
    }
}
