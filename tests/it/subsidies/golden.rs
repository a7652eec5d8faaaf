//! Real programmes answer as their law does.

use std::fmt::Write as _;

use peshub::subsidies::domain::Day;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::programme::CompiledProgramme;
use peshub::subsidies::programme::cases;
use peshub::subsidies::wire::fact;

use crate::subsidies::shared;

#[test]
fn every_case_of_others_comes_out_with_what_fails_and_what_is_asked() {
    let Some(shared) = shared::read() else { return };
    let catalogue = fact::catalogue(&shared.facts);
    assert_eq!(shared.facts.len(), catalogue.iter().count());
    let (mut count, mut wrong) = (0, String::new());
    for suite in &shared.suites {
        let programme = &suite.programme;
        let compiled = CompiledProgramme::compile(programme, &catalogue).unwrap_or_else(|found| {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            panic!("{}: {}", programme.name, found.join("\n"))
        });
        let (read, unread) = cases::read(programme, &catalogue);
        assert_eq!(unread, []);
        for case in &read {
            count += 1;
            for trace in [Trace::Off, Trace::On] {
                let answer = compiled.determine(&case.facts, case.division, trace).unwrap();
                let difference = cases::difference(case.written, &answer);
                if !difference.is_empty() {
                    writeln!(wrong, "{} {}: {difference}", programme.name, case.written.id)
                        .unwrap();
                }
                if trace == Trace::On && answer.version.is_some() {
                    // Each criterion tells what it read, and the amount how it came about.
                    let unread = answer.criteria.iter().find(|it| it.read.is_empty());
                    assert!(unread.is_none(), "{}: {unread:?}", case.written.id);
                    let known = answer.amount.is_some_and(|it| it.known().is_some());
                    assert_eq!(known, !answer.derivation.is_empty(), "{}", case.written.id);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!((shared.suites.len(), count), (15, 96));
}

#[test]
fn every_sum_to_be_given_back_is_right() {
    let Some(shared) = shared::read() else { return };
    let catalogue = fact::catalogue(&shared.facts);
    let mut count = 0;
    for suite in &shared.suites {
        let compiled = CompiledProgramme::compile(&suite.programme, &catalogue).unwrap();
        for clawback in &suite.clawbacks {
            count += 1;
            let known = fact::stated(&clawback.facts, &catalogue, Day(0), "facts").unwrap();
            let version = &suite.programme.versions[0].name;
            let (sum, open) = compiled.clawback(version, &known.facts, None).unwrap().unwrap();
            assert_eq!(sum.known(), Some(clawback.expected), "{}", clawback.id);
            assert!(open.is_empty(), "{open:?}");
        }
    }
    assert_eq!(count, 5);
}
