//! Offers that lapse: whoever is no longer eligible loses what was offered and not accepted, and is told why.

use peshub::pb::peshub::subsidies::v1::{
    self as pb, ApplicationState as State, ApplicationStep as Step, Verdict,
};

use crate::subsidies::evidence::{CERTIFIED, certified, resting_on, verified};
use crate::support::applications::{
    AMOUNT, Applications, ONCE, Watch, budget, furnish, get, worker,
};
use crate::support::credentials::{ACADEMY, trusted};
use crate::support::eligibility::{BUREAU, facts_of, population, store, sweep, truth};
use crate::support::issuing::{issue_one, revoke};
use crate::support::{TestHub, story};

const NORTH: &str = "platform-north";

/// Sweeps and makes offers.
async fn offering(hub: &TestHub, programme: &str) -> pb::SweptProgramme {
    let swept = sweep(hub, "north", |it| pb::StartSweepRequest {
        offers: true,
        programmes: vec![programme.to_owned()],
        ..it
    });
    swept.await.programmes.remove(0)
}

async fn offers(client: &mut Applications) -> Vec<pb::Application> {
    let request =
        pb::ListApplicationsRequest { states: vec![State::Offered.into()], ..Default::default() };
    client.list_applications(request).await.unwrap().into_inner().applications
}

async fn reserved(client: &mut Applications) -> i64 {
    let request = pb::ListBudgetsRequest { programme: ONCE.to_owned() };
    client.list_budgets(request).await.unwrap().into_inner().budgets[0].reserved
}

#[test]
fn an_offer_lapses_with_eligibility_unless_it_was_accepted() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        population(&hub, BUREAU, "north").await;
        let mut bureau = hub.connect(BUREAU).await.applications();
        let mut north = hub.connect(NORTH).await.applications();
        budget(&mut bureau, ONCE, 10 * AMOUNT).await.unwrap();
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for number in 1..=3 {
            own.push(worker(&hub, BUREAU, number).await);
            theirs.push(worker(&hub, NORTH, number).await);
        }
        let trained = |it: &String, is| facts_of(it, vec![truth("worker.trained", is)]);
        store(&hub, "north", own.iter().map(|it| trained(it, true)).collect()).await;
        assert_eq!(offering(&hub, ONCE).await.offers, 3);
        let standing = offers(&mut north).await;
        assert_eq!(standing.len(), 3);
        assert_eq!(reserved(&mut bureau).await, 3 * AMOUNT);
        let of = |reference: &str| {
            standing.iter().find(|it| it.worker_reference == reference).unwrap().clone()
        };
        // One accepts, one declines nothing, one stays as he is.
        let accepted = of(&theirs[0]);
        let request = pb::AcceptOfferRequest {
            application_id: accepted.application_id.clone(),
            etag: accepted.etag.clone(),
            request_id: String::new(),
        };
        north.accept_offer(request).await.unwrap();
        // A sweep that finds the same takes nothing back and offers nothing.
        let same =
            sweep(&hub, "north", |it| pb::StartSweepRequest { full: true, offers: true, ..it });
        let same: Vec<_> =
            same.await.programmes.iter().map(|it| (it.offers, it.lapsed, it.failed)).collect();
        assert_eq!(same, [(0, 0, 0), (0, 0, 0)]);

        let mut watch = Watch::start(&mut north.clone(), &[]).await;
        store(&hub, "north", own[..2].iter().map(|it| trained(it, false)).collect()).await;
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.programmes[0].lapsed, swept.programmes[0].offers), (1, 0));
        let told = watch.until(Step::Lapsed).await.application.unwrap();
        let lapsed = of(&theirs[1]);
        assert_eq!(told.application_id, lapsed.application_id);
        assert_eq!((told.state(), told.amount, told.reopened), (State::Withdrawn, 0, false));
        let why = told.determination.unwrap();
        assert_eq!(why.verdict(), Verdict::NotEligible);
        let failed: Vec<_> = why
            .criteria
            .iter()
            .filter(|it| it.state() == pb::CriterionState::NotMet)
            .map(|it| it.id.as_str())
            .collect();
        assert_eq!(failed, ["trained"]);

        // What was accepted stands, and the budget has what is free.
        let granted = get(&mut north, &accepted.application_id).await.unwrap();
        assert_eq!(granted.state(), State::Granted);
        assert_eq!(reserved(&mut bureau).await, AMOUNT);
        let left: Vec<_> =
            offers(&mut north).await.into_iter().map(|it| it.worker_reference).collect();
        assert_eq!(left, [theirs[2].clone()]);
        // Whoever is eligible again is offered it again.
        store(&hub, "north", vec![trained(&own[1], true)]).await;
        let again = offering(&hub, ONCE).await;
        assert_eq!((again.offers, again.lapsed), (1, 0));
    });
}

#[test]
fn an_offer_lapses_when_the_credential_is_revoked_that_it_rests_on() {
    story(async |world| {
        let hub = world.hub().await;
        certified(&hub).await;
        trusted(&hub).await;
        population(&hub, BUREAU, "north").await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let issued = issue_one(&mut academy).await;
        let own = worker(&hub, BUREAU, 1).await;
        let theirs = worker(&hub, NORTH, 1).await;
        let entry_id = verified(&hub, BUREAU, &issued.sd_jwt, true).await;
        store(&hub, "north", vec![facts_of(&own, vec![resting_on(&entry_id)])]).await;
        assert_eq!(offering(&hub, CERTIFIED).await.offers, 1);
        let mut north = hub.connect(NORTH).await.applications();
        let mut watch = Watch::start(&mut north.clone(), &[]).await;
        let standing = offers(&mut north).await;
        assert_eq!(standing[0].worker_reference, theirs);

        revoke(&mut academy, &[&issued.credential_id]).await;
        let told = watch.until(Step::Lapsed).await.application.unwrap();
        assert_eq!(told.application_id, standing[0].application_id);
        assert_eq!((told.state(), told.reopened), (State::Withdrawn, true));
        assert_eq!(offers(&mut north).await, []);
    });
}
