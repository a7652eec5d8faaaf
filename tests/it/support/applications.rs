//! What stories of applications begin with: programmes that give once, workers, and whoever applies for them.

use peshub::client::connect::Transport;
use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::application_service_client::ApplicationServiceClient;
use peshub::pb::peshub::subsidies::v1::watch_applications_response::Message;
use peshub::pb::peshub::workers::v1::worker_service_client::WorkerServiceClient;
use peshub::pb::peshub::workers::v1::{
    LegalBasis, LegalBasisKind, NationalId, NationalIdScheme, RegisterWorkerRequest,
};

use crate::support::eligibility::{self, NANSHAN, division, training, truth};
use crate::support::{TestHub, within};

pub(crate) type Applications = ApplicationServiceClient<Transport>;

/// Gives 5,000 fen to who is trained, once; decisions can be appealed for 30 days.
pub(crate) const ONCE: &str = "test.once";
/// Gives what [`ONCE`] gives to who has not got that.
pub(crate) const OTHER: &str = "test.other";
/// What either gives.
pub(crate) const AMOUNT: i64 = 5_000;

fn once_per_worker() -> Vec<pb::OncePer> {
    vec![pb::OncePer {
        key: vec!["worker".to_owned()],
        window: pb::ClaimWindow::Forever.into(),
        ..Default::default()
    }]
}

/// The programme that gives once.
pub(crate) fn once() -> pb::Programme {
    pb::Programme {
        name: ONCE.to_owned(),
        once_per: once_per_worker(),
        appeal_days: 30,
        ..training()
    }
}

/// The programme that excludes [`once`].
pub(crate) fn other() -> pb::Programme {
    let against = pb::ExclusiveWith {
        programme: ONCE.to_owned(),
        key: vec!["worker".to_owned()],
        ..Default::default()
    };
    pb::Programme {
        name: OTHER.to_owned(),
        once_per: once_per_worker(),
        exclusive_with: vec![against],
        ..training()
    }
}

/// Publishes both.
pub(crate) async fn furnish(hub: &TestHub) {
    eligibility::furnish(hub, vec![once(), other()]).await;
}

/// A participant's own reference to the worker of a number.
pub(crate) async fn worker(hub: &TestHub, participant: &str, number: u32) -> String {
    reference(&mut hub.connect(participant).await.workers(), number).await
}

/// The reference of whoever calls to the worker of a number.
pub(crate) async fn reference(client: &mut WorkerServiceClient<Transport>, number: u32) -> String {
    let national_id = Some(NationalId {
        scheme: NationalIdScheme::Other.into(),
        number: format!("AB{number:06}"),
        country: "NO".to_owned(),
    });
    let request = RegisterWorkerRequest { national_id, ..Default::default() };
    client.register_worker(request).await.unwrap().into_inner().reference
}

/// An application for somebody who is trained, or not.
pub(crate) fn asking(programme: &str, worker: &str, trained: bool) -> pb::SubmitApplicationRequest {
    pb::SubmitApplicationRequest {
        programme: programme.to_owned(),
        division: Some(division(NANSHAN)),
        worker_reference: worker.to_owned(),
        facts: vec![truth("worker.trained", trained)],
        ..Default::default()
    }
}

/// Files, and returns the application or the refusal.
pub(crate) async fn submit(
    client: &mut Applications,
    request: pb::SubmitApplicationRequest,
) -> Result<pb::Application, Refusal> {
    let answer = client.submit_application(request).await;
    answer.map(|it| it.into_inner().application.unwrap()).map_err(|status| Refusal::of(&status))
}

/// The application as a participant is shown it.
pub(crate) async fn get(client: &mut Applications, id: &str) -> Result<pb::Application, Refusal> {
    let request = pb::GetApplicationRequest { application_id: id.to_owned() };
    let answer = client.get_application(request).await;
    answer.map(|it| it.into_inner().application.unwrap()).map_err(|status| Refusal::of(&status))
}

pub(crate) fn reasons(text: &str) -> Vec<pb::LocalisedText> {
    vec![pb::LocalisedText { language: "en".to_owned(), text: text.to_owned() }]
}

/// Decides.
pub(crate) async fn decide(
    client: &mut Applications,
    it: &pb::Application,
    outcome: pb::DecisionOutcome,
) -> Result<(pb::Application, pb::Decision), Refusal> {
    let request = pb::DecideApplicationRequest {
        application_id: it.application_id.clone(),
        etag: it.etag.clone(),
        outcome: outcome.into(),
        reasons: reasons("As the law says."),
        ..Default::default()
    };
    let answer = client.decide_application(request).await;
    let answer = answer.map_err(|status| Refusal::of(&status))?.into_inner();
    Ok((answer.application.unwrap(), answer.decision.unwrap()))
}

pub(crate) async fn grant(client: &mut Applications, it: &pb::Application) -> pb::Application {
    decide(client, it, pb::DecisionOutcome::Granted).await.unwrap().0
}

pub(crate) async fn pay(client: &mut Applications, it: &pb::Application) -> pb::Application {
    let request = pb::RecordPaymentRequest {
        application_id: it.application_id.clone(),
        etag: it.etag.clone(),
        payment_reference: "p-1".to_owned(),
        paid_on: "2025-01-05".to_owned(),
        ..Default::default()
    };
    client.record_payment(request).await.unwrap().into_inner().application.unwrap()
}

pub(crate) async fn withdraw(
    client: &mut Applications,
    it: &pb::Application,
) -> Result<pb::Application, Refusal> {
    let request = pb::WithdrawApplicationRequest {
        application_id: it.application_id.clone(),
        etag: it.etag.clone(),
        ..Default::default()
    };
    let answer = client.withdraw_application(request).await;
    answer.map(|it| it.into_inner().application.unwrap()).map_err(|status| Refusal::of(&status))
}

/// Sets the budget of a programme for all days.
pub(crate) async fn budget(
    client: &mut Applications,
    programme: &str,
    cap: i64,
) -> Result<pb::Budget, Refusal> {
    let request = pb::SetBudgetRequest {
        programme: programme.to_owned(),
        from: "2020-01-01".to_owned(),
        to: "2199-12-31".to_owned(),
        cap,
        request_id: String::new(),
    };
    let answer = client.set_budget(request).await;
    answer.map(|it| it.into_inner().budget.unwrap()).map_err(|status| Refusal::of(&status))
}

/// By a law.
pub(crate) fn law() -> LegalBasis {
    LegalBasis { kind: LegalBasisKind::Law.into(), reference: "Article 9".to_owned() }
}

/// A watch of applications.
pub(crate) struct Watch(tonic::Streaming<pb::WatchApplicationsResponse>);

impl Watch {
    pub(crate) async fn start(client: &mut Applications, cursor: &[u8]) -> Self {
        let cursor = cursor.to_vec().into();
        let request = pb::WatchApplicationsRequest { cursor, bookmark_seconds: 1 };
        let answer = within("the watch", client.watch_applications(request)).await.unwrap();
        let mut watch = Self(answer.into_inner());
        // It begins with a bookmark: what comes after is seen.
        assert!(matches!(watch.next().await, Message::Bookmark(_)));
        watch
    }

    pub(crate) async fn next(&mut self) -> Message {
        within("a message", self.0.message()).await.unwrap().unwrap().message.unwrap()
    }

    /// Returns the next step.
    pub(crate) async fn step(&mut self) -> pb::ApplicationEvent {
        loop {
            if let Message::Event(event) = self.next().await {
                return event;
            }
        }
    }

    /// Returns the next event of a step.
    pub(crate) async fn until(&mut self, step: pb::ApplicationStep) -> pb::ApplicationEvent {
        loop {
            let event = self.step().await;
            if event.step() == step {
                return event;
            }
        }
    }

    /// Returns steps up to a bookmark that follows a position.
    pub(crate) async fn up_to(&mut self, position: i64) -> Vec<pb::ApplicationEvent> {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Message::Event(event) => events.push(event),
                Message::Bookmark(bookmark) if bookmark.position >= position => return events,
                Message::Bookmark(_) => {}
            }
        }
    }
}
