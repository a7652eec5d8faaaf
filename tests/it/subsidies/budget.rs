//! Budgets: a programme never costs more than its cap.

use peshub::pb::peshub::subsidies::v1 as pb;

use crate::support::applications::{
    AMOUNT, ONCE, asking, budget, furnish, grant, pay, submit, withdraw, worker,
};
use crate::support::eligibility::BUREAU;
use crate::support::{story, until};

const NORTH: &str = "platform-north";

#[test]
fn what_is_reserved_granted_and_paid_stays_within_the_cap() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let cap = 2 * AMOUNT + 1;
        budget(&mut bureau, ONCE, cap).await.unwrap();
        let mut filed = Vec::new();
        for number in 0..2 {
            let reference = worker(&hub, NORTH, number).await;
            filed.push(submit(&mut north, asking(ONCE, &reference, true)).await.unwrap());
        }
        let third = worker(&hub, NORTH, 2).await;
        let refused = submit(&mut north, asking(ONCE, &third, true)).await.unwrap_err();
        assert_eq!(refused.reason, "BUDGET_EXHAUSTED");
        let stands = async || {
            let request = pb::ListBudgetsRequest::default();
            let budgets = hub.connect(BUREAU).await.applications().list_budgets(request).await;
            let it = budgets.unwrap().into_inner().budgets.remove(0);
            (it.reserved, it.committed, it.paid)
        };
        assert_eq!(stands().await, (2 * AMOUNT, 0, 0));
        let granted = grant(&mut bureau, &filed[0]).await;
        assert_eq!(stands().await, (AMOUNT, AMOUNT, 0));
        pay(&mut bureau, &granted).await;
        assert_eq!(stands().await, (AMOUNT, 0, AMOUNT));
        withdraw(&mut north, &filed[1]).await.unwrap();
        assert_eq!(stands().await, (0, 0, AMOUNT));
        submit(&mut north, asking(ONCE, &third, true)).await.unwrap();
        assert_eq!(stands().await, (AMOUNT, 0, AMOUNT));
        let less = budget(&mut bureau, ONCE, 2 * AMOUNT - 1).await.unwrap_err();
        assert_eq!(less.reason, "BUDGET_EXHAUSTED", "no less than what is taken");
        budget(&mut bureau, ONCE, 2 * AMOUNT).await.unwrap();
        let overlapping = pb::SetBudgetRequest {
            programme: ONCE.to_owned(),
            from: "2199-12-31".to_owned(),
            to: "2200-01-01".to_owned(),
            cap: 1,
            request_id: String::new(),
        };
        let status = bureau.set_budget(overlapping).await.unwrap_err();
        let refusal = peshub::client::error::Refusal::of(&status);
        assert_eq!(refusal.reason, "FIELDS_INVALID");
        let mut elsewhere = hub.connect("bureau-zhejiang").await.applications();
        let refusal = budget(&mut elsewhere, ONCE, 1).await.unwrap_err();
        assert_eq!(refusal.reason, "PROGRAMME_NOT_FOUND", "another bureau's programme");
    });
}

#[test]
fn a_cap_that_is_being_lowered_counts_for_whoever_files_meanwhile() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        budget(&mut bureau, ONCE, 2 * AMOUNT).await.unwrap();
        let reference = worker(&hub, NORTH, 0).await;
        let mut lowering = world.pool.begin().await.unwrap();
        let level = sqlx::query("SELECT budget_level(budget_id, $1) FROM budget").bind(AMOUNT - 1);
        level.execute(&mut *lowering).await.unwrap();
        let lowered = async {
            until("the application waits for the budget", async || {
                let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                             WHERE wait_event_type = 'Lock' AND query LIKE '%budget_move%')";
                let waits: bool = sqlx::query_scalar(waits).fetch_one(&world.pool).await.unwrap();
                waits.then_some(())
            })
            .await;
            lowering.commit().await.unwrap();
        };
        let (filed, ()) = tokio::join!(submit(&mut north, asking(ONCE, &reference, true)), lowered);
        assert_eq!(filed.unwrap_err().reason, "BUDGET_EXHAUSTED");
        let budgets = bureau.list_budgets(pb::ListBudgetsRequest::default()).await;
        assert_eq!(budgets.unwrap().into_inner().budgets.remove(0).cap, AMOUNT - 1);
    });
}
