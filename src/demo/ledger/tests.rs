use crate::demo::ledger::{Delivery, Jurisdiction, Ledger};
use crate::demo::script::{Effect, Expected, Plan};
use crate::pb::peshub::common::v1::{Finding, FindingCode, Outcome, Verdict};
use crate::pb::peshub::postings::v1::BatchAcknowledgement;

fn jurisdictions() -> Vec<Jurisdiction> {
    [["330000"], ["440300"]].map(|codes| Jurisdiction::new(&codes.map(str::to_owned))).to_vec()
}

fn stands(posting: usize, revision: i64, divisions: &[&str]) -> Plan {
    let divisions = divisions.iter().map(|code| (*code).to_owned()).collect();
    let effect = Effect::Stands(divisions);
    Plan { posting: Some(posting), revision, effect, expected: Expected::Taken }
}

fn closes(posting: usize, revision: i64) -> Plan {
    let expected = Expected::ClosedOrHeld;
    Plan { posting: Some(posting), revision, effect: Effect::Closes, expected }
}

fn verdict(index: u32, outcome: Outcome, code: FindingCode) -> Verdict {
    Verdict {
        external_id: String::new(),
        index,
        outcome: outcome.into(),
        findings: vec![Finding { code: code.into(), ..Finding::default() }],
    }
}

fn shown(deliveries: &[Delivery]) -> String {
    let show = |it: &Delivery| format!("{:?} {}.{}", it.kind, it.posting, it.revision);
    deliveries.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_bureau_must_receive_what_comes_to_its_divisions_stays_and_goes() {
    let mut ledger = Ledger::new(&jurisdictions());
    let plans = [
        stands(0, 1, &["330106"]),
        stands(1, 1, &["440305"]),
        stands(2, 1, &["110101"]),
        stands(3, 1, &["110101", "331003"]),
        // Moves: within the province, across, out, in.
        stands(0, 2, &["330109"]),
        stands(1, 2, &["330109"]),
        stands(0, 3, &["110101"]),
        stands(2, 2, &["440305"]),
        closes(3, 2),
        closes(0, 4),
        // Reopened.
        stands(3, 3, &["331003"]),
    ];
    let acknowledgement = BatchAcknowledgement {
        position: 7,
        created: 4,
        changed: 5,
        closed: 2,
        ..Default::default()
    };
    ledger.acknowledge(&plans, &acknowledgement);
    assert_eq!(
        shown(&ledger.deliveries[0]),
        "Entered 0.1, Entered 3.1, Changed 0.2, Entered 1.2, Left 0.3, Left 3.2, Entered 3.3"
    );
    assert_eq!(shown(&ledger.deliveries[1]), "Entered 1.1, Left 1.2, Entered 2.2");
    assert_eq!((ledger.counts.position, ledger.counts.acknowledged), (7, 11));
    assert_eq!(ledger.counts.surprises, 0);
}

#[test]
fn what_was_held_or_rejected_changes_nothing() {
    let mut ledger = Ledger::new(&jurisdictions());
    let plans = [stands(0, 1, &["330106"]), stands(1, 1, &["330106"]), stands(2, 1, &["330106"])];
    let rejected = verdict(1, Outcome::Rejected, FindingCode::Negative);
    let acknowledgement = BatchAcknowledgement {
        verdicts: vec![rejected],
        rejected: 1,
        created: 2,
        ..Default::default()
    };
    ledger.acknowledge(&plans, &acknowledgement);
    // A good record was rejected: nothing is lost in delivery, but the verdict is not what it ought to be.
    assert_eq!(ledger.counts.surprises, 1);
    assert_eq!(ledger.counts.rejected_by_code["NEGATIVE"], 1);

    let held = verdict(0, Outcome::Held, FindingCode::ClosesAboveUsual);
    let acknowledgement =
        BatchAcknowledgement { verdicts: vec![held], held: 1, closed: 1, ..Default::default() };
    ledger.acknowledge(&[closes(0, 2), closes(2, 2)], &acknowledgement);
    assert_eq!(shown(&ledger.deliveries[0]), "Entered 0.1, Entered 2.1, Left 2.2");
    assert_eq!((ledger.counts.held, ledger.counts.surprises), (1, 1));
    assert!(ledger.counts.is_position_missing);
}

#[test]
fn a_verdict_must_be_the_one_that_is_due() {
    let check = |expected, verdicts: Vec<Verdict>, surprises| {
        let mut ledger = Ledger::new(&jurisdictions());
        let plan = Plan { expected, ..stands(0, 1, &[]) };
        let is_taken = verdicts.iter().all(|it| it.outcome() != Outcome::Rejected);
        let acknowledgement =
            BatchAcknowledgement { verdicts, created: i32::from(is_taken), ..Default::default() };
        ledger.acknowledge(&[plan], &acknowledgement);
        assert_eq!(ledger.counts.surprises, surprises, "{expected:?}");
    };
    let retired = FindingCode::DivisionRetired;
    let fixed = || vec![verdict(0, Outcome::AcceptedWithFixes, retired)];
    let rejected = |code| vec![verdict(0, Outcome::Rejected, code)];
    check(Expected::Taken, vec![], 0);
    check(Expected::Taken, fixed(), 1);
    check(Expected::Fixed(retired), fixed(), 0);
    check(Expected::Fixed(retired), vec![], 1);
    check(Expected::Rejected(FindingCode::Stale), rejected(FindingCode::Stale), 0);
    check(Expected::Rejected(FindingCode::Stale), rejected(FindingCode::Negative), 1);
    check(Expected::Rejected(FindingCode::Stale), vec![], 1);
    check(Expected::ClosedOrHeld, rejected(FindingCode::Stale), 1);
}

#[test]
fn what_a_batch_did_must_be_what_it_ought_to_have_done() {
    let mut ledger = Ledger::new(&jurisdictions());
    let plans = [stands(0, 1, &["330106"]), stands(1, 1, &["330106"])];
    let acknowledgement = BatchAcknowledgement { created: 1, unchanged: 1, ..Default::default() };
    ledger.acknowledge(&plans, &acknowledgement);
    assert_eq!(ledger.counts.surprises, 1);
    assert!(ledger.counts.surprises_shown[0].starts_with("batch 0: Tally { created: 2"));
}
